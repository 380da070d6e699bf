//! One argument, and what it may have been meant to be.

/// Longest name of an option that a message shows, in characters.
const SHOWN: usize = 40;

/// An option, and a value that stands in one argument with it.
pub(super) struct Joined<'a> {
    /// The option, with its dashes.
    pub head: &'a str,
    /// What stands behind `=`.
    pub equals: Option<&'a str>,
    /// What stands behind a blank.
    pub blank: Option<&'a str>,
}

impl<'a> Joined<'a> {
    pub fn of(word: &'a str) -> Self {
        let word = word.trim_start();
        let cut = word.find(|c: char| c == '=' || c.is_whitespace());
        let Some(cut) = cut else {
            return Self {
                head: word,
                equals: None,
                blank: None,
            };
        };
        let (head, rest) = word.split_at(cut);
        match rest.strip_prefix('=') {
            Some(value) => Self {
                head,
                equals: Some(value),
                blank: None,
            },
            None => Self {
                head,
                equals: None,
                blank: Some(rest.trim()).filter(|rest| !rest.is_empty()),
            },
        }
    }
}

/// Dashes, also those that word processors make of two hyphens.
pub(super) fn is_dash(c: char) -> bool {
    matches!(c, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// Whether an argument is meant as an option: it begins with a dash and a letter follows.
pub(super) fn is_option_like(word: &str) -> bool {
    let word = word.trim_start();
    let name = word.trim_start_matches(is_dash);
    name.len() < word.len() && name.starts_with(|c: char| c.is_alphabetic())
}

/// Whether an argument is an address.
pub(super) fn is_address(word: &str) -> bool {
    let scheme = word
        .trim_start()
        .split_once("://")
        .map(|(scheme, _)| scheme);
    let letter = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.chars().all(letter))
}

/// Splits an argument before the first option in it that stands behind a blank.
pub(super) fn split_at_option(word: &str, is_known: impl Fn(&str) -> bool) -> (&str, Option<&str>) {
    for (at, _) in word.match_indices("--") {
        let (before, tail) = word.split_at(at);
        if before.ends_with(char::is_whitespace) && is_known(tail) {
            return (before.trim_end(), Some(tail));
        }
    }
    (word, None)
}

/// Without the quotes around it that a shell would have taken away.
pub(super) fn unquoted(word: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = word.strip_prefix(quote);
        if let Some(inner) = inner.and_then(|inner| inner.strip_suffix(quote)) {
            return inner;
        }
    }
    word
}

/// Whether a header ends where its value should begin: its value was split off at a space.
pub(super) fn is_cut_off(header: &str) -> bool {
    let Some((_, value)) = header.split_once(':') else {
        return false;
    };
    let value = value.trim();
    let schemes = ["bearer", "basic", "token"];
    value.is_empty() || schemes.contains(&value.to_ascii_lowercase().as_str())
}

/// Whether a header has nothing behind its name.
pub(super) fn is_empty(header: &str) -> bool {
    header
        .split_once(':')
        .is_some_and(|(_, value)| value.trim().is_empty())
}

/// The callback port, as JavaScript's `parseInt` reads it: what follows the digits does not count.
pub(super) fn as_port(word: &str) -> Option<i64> {
    leading_integer(word)
}

/// The integer that a text begins with, as JavaScript's `parseInt` reads it. More than fits is as much
/// as fits.
pub(crate) fn leading_integer(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    let end = digits.find(|c: char| !c.is_digit(radix));
    let digits = &digits[..end.unwrap_or(digits.len())];
    match digits.is_empty() {
        true => None,
        false => Some(sign * i64::from_str_radix(digits, radix).unwrap_or(i64::MAX)),
    }
}

/// The name of an option as messages show it. What looks like no name may be a value.
pub(super) fn shown(head: &str) -> String {
    let bare = head.trim_start_matches(is_dash);
    let dashes = &head[..head.len() - bare.len()];
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    // A value may follow a single letter at once.
    let is_short = dashes.chars().count() == 1;
    let limit = if is_short { 1 } else { SHOWN };
    let name: String = bare.chars().take_while(|c| plain(*c)).take(limit).collect();
    match name.len() < bare.len() {
        true => format!("{dashes}{name}…"),
        false => format!("{dashes}{name}"),
    }
}
