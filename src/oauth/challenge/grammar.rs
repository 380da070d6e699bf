//! The grammar of the header (RFC 9110 §11.6.1): which challenges a line holds, and their parameters
//! as they are written. What they mean is the module's above.

/// One challenge as it was written.
#[derive(Debug, Default)]
pub(super) struct Raw {
    /// The scheme, in the server's spelling.
    pub scheme: String,
    params: Vec<(String, String)>,
}

impl Raw {
    /// RFC 9110 §11.2: a parameter stands once in a challenge; if it does not, the first counts.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// The challenges of one header line, and whether a part of it does not follow the grammar.
pub(super) fn parse(line: &str) -> (Vec<Raw>, bool) {
    let mut parser = Parser {
        rest: line,
        malformed: false,
    };
    (parser.challenges(), parser.malformed)
}

/// Reads one header line. What does not follow the grammar is skipped up to the next comma.
struct Parser<'a> {
    rest: &'a str,
    malformed: bool,
}

impl Parser<'_> {
    fn challenges(&mut self) -> Vec<Raw> {
        let mut challenges: Vec<Raw> = Vec::new();
        let mut after_comma = true;
        loop {
            after_comma |= self.skip_blanks_and_commas();
            if self.rest.is_empty() {
                return challenges;
            }
            let word = self.token().to_owned();
            if word.is_empty() {
                self.skip_junk();
                continue;
            }
            if let Some(value) = self.value() {
                match (challenges.last_mut(), value) {
                    (Some(challenge), Some(value)) => challenge.params.push((word, value)),
                    _ => self.malformed = true,
                }
            } else if after_comma {
                self.token68();
                challenges.push(Raw {
                    scheme: word,
                    params: Vec::new(),
                });
            } else {
                // A word behind a parameter without a comma between them, as where a value with
                // blanks was not quoted.
                self.malformed = true;
            }
            after_comma = false;
        }
    }

    /// Skips separators; says whether a comma was among them.
    fn skip_blanks_and_commas(&mut self) -> bool {
        let trimmed = self.rest.trim_start_matches([' ', '\t', ',']);
        let comma = self.rest[..self.rest.len() - trimmed.len()].contains(',');
        self.rest = trimmed;
        comma
    }

    fn token(&mut self) -> &str {
        let end = self
            .rest
            .find(|c: char| !is_token_char(c))
            .unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    /// The value, if `=` follows: the outer `None` says that none does, the inner one that it
    /// cannot be read.
    fn value(&mut self) -> Option<Option<String>> {
        let rest = self.rest.trim_start_matches([' ', '\t']);
        let rest = rest.strip_prefix('=')?;
        self.rest = rest.trim_start_matches([' ', '\t']);
        if let Some(quoted) = self.rest.strip_prefix('"') {
            return Some(self.quoted(quoted));
        }
        // Only tokens may stand without quotes, but addresses are found there too.
        let end = self.rest.find([',', ' ', '\t']).unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(Some(value.to_owned()))
    }

    /// RFC 9110 §5.6.4, from behind the opening quote.
    fn quoted(&mut self, text: &str) -> Option<String> {
        let mut value = String::new();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    let after = self.rest.len() - text.len() + at + 1;
                    self.rest = &self.rest[after..];
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c => value.push(c),
            }
        }
        // The closing quote is missing: nobody can say where the value ends.
        self.rest = "";
        None
    }

    /// Skips the other form of credentials in a challenge, such as `Negotiate abc==`.
    fn token68(&mut self) {
        let rest = self.rest.trim_start_matches([' ', '\t']);
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/".contains(c)))
            .unwrap_or(rest.len());
        let after = rest[end..].trim_start_matches('=');
        let next = after.trim_start_matches([' ', '\t']);
        if end > 0 && (next.is_empty() || next.starts_with(',')) {
            self.rest = after;
        }
    }

    fn skip_junk(&mut self) {
        self.malformed = true;
        // A quoted string is skipped whole, since it may hold commas.
        if let Some(quoted) = self.rest.strip_prefix('"') {
            if self.quoted(quoted).is_none() {
                self.rest = "";
            }
            return;
        }
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }
}

/// RFC 9110 §5.6.2.
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}
