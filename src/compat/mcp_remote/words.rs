//! The words of a command line, and which argument each of them was.

/// A word of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// What it says.
    pub text: String,
    /// The argument that it is, as a whole; `None` if it stood in a string with others.
    pub argument: Option<usize>,
}

impl Word {
    /// An argument as it is.
    pub fn argument(at: usize, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            argument: Some(at),
        }
    }

    fn loose(text: String) -> Self {
        Self {
            text,
            argument: None,
        }
    }
}

/// What a string means as the program of an entry: a path, which may have blanks in it, or a whole
/// command line. `None` if it is one that only a shell understands.
pub(super) fn of_program(program: &str) -> Option<Vec<Word>> {
    let first = program.split_whitespace().next().unwrap_or_default();
    let is_path = first.contains(['/', '\\']) && is_bin(program);
    if is_path || first == program {
        return Some(vec![Word::loose(program.to_owned())]);
    }
    split(program)
}

/// Whether the text as a whole is a path that ends in a program's name.
fn is_bin(program: &str) -> bool {
    let last = program.rsplit(['/', '\\']).next().unwrap_or_default();
    !last.contains(char::is_whitespace)
}

/// Splits what a shell would. `None` if the shell would do more than that: expand, redirect,
/// start several programs.
pub(super) fn split(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => text.push(c),
                    }
                }
            }
            '"' => {
                let text = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '$' | '`' => return None,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => text.push(c),
                            c => text.extend(['\\', c]),
                        },
                        c => text.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            // No file is called like an address, so the shell hands it on as it is.
            '?' if word.as_ref().is_some_and(|word| word.contains("://")) => {
                word.get_or_insert_default().push(c);
            }
            '$' | '`' | ';' | '&' | '|' | '<' | '>' | '(' | ')' | '*' | '?' | '\n' | '\r' => {
                return None;
            }
            '#' | '~' if word.is_none() => return None,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words.into_iter().map(Word::loose).collect())
}

/// Splits what Windows' `cmd` hands on: only `"` quotes, and `\` is a letter.
pub(super) fn split_for_cmd(line: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\t' if !quoted => words.extend(word.take()),
            '&' | '|' | '<' | '>' | '^' | '(' | ')' if !quoted => return None,
            '%' | '\n' | '\r' => return None,
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (!quoted).then(|| words.into_iter().map(Word::loose).collect())
}

/// Whether an argument is handed on by Windows' `cmd` as it is written. Hosts quote an argument that has
/// a blank or a quote in it, and put `\` before its quotes, which `cmd` does not know.
pub(super) fn is_literal_for_cmd(text: &str) -> bool {
    if text.contains(['\n', '\r']) {
        return false;
    }
    // A character of an address that is written as its number. No variable is called like that.
    let is_number = |rest: &str| {
        let digits = rest.bytes().take(2);
        digits.clone().count() == 2 && digits.clone().all(|c| c.is_ascii_hexdigit())
    };
    let numbers = text.contains("://") && text.split('%').skip(1).all(is_number);
    if text.contains('%') && !numbers {
        return false;
    }
    let is_quoted = text.contains([' ', '\t']) && !text.contains('"');
    is_quoted || !text.contains(['&', '|', '<', '>', '^', '(', ')'])
}

/// Whether an argument of `wsl` is handed on as it is written by the shell that reads it there. Hosts
/// quote it as for [`is_literal_for_cmd`], which that shell understands.
pub(super) fn is_literal_for_wsl(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    if text.contains([' ', '\t', '"']) {
        return !text.contains(['$', '`', '\\', '\n', '\r']);
    }
    // Of braces the shell may make several words.
    let words = split(text).filter(|_| !text.contains('{'));
    words.is_some_and(|words| words.len() == 1 && words[0].text == text)
}
