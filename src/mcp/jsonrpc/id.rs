//! The id of a request.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The longest text that lies in the id itself, in bytes: more than nearly all clients use.
const SHORT: usize = 30;
/// The digits of the greatest number.
const DIGITS: usize = 20;

/// A request id exactly as its sender wrote it: `1` stays a number, `"1"` a string, and every
/// digit is kept (JSON-RPC 2.0 §4; MCP requires a string or an integer). Those that are written
/// alike are the same.
#[derive(Clone)]
pub struct Id(Text);

/// A message has its id in several places, so that short ones are no memory of their own.
#[derive(Clone)]
enum Text {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Arc<str>),
}

impl Id {
    /// Takes the JSON text of an id; `None` unless it is a string or an integer.
    pub fn from_json(text: &str) -> Option<Self> {
        let integer = text.strip_prefix('-').unwrap_or(text);
        let valid = text.starts_with('"')
            || (!integer.is_empty() && integer.bytes().all(|b| b.is_ascii_digit()));
        valid.then(|| Self::of(text))
    }

    /// An id of ours, as an integer.
    pub fn from_number(number: u64) -> Self {
        let (mut digits, mut first, mut rest) = ([b'0'; DIGITS], DIGITS, number);
        loop {
            first -= 1;
            digits[first] += (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        Self::short(&digits[first..])
    }

    /// An id of ours, as a string that needs no escapes.
    pub fn from_plain(text: &str) -> Self {
        Self::of(&format!("\"{text}\""))
    }

    fn of(text: &str) -> Self {
        match text.len() <= SHORT {
            true => Self::short(text.as_bytes()),
            false => Self(Text::Long(text.into())),
        }
    }

    /// `text` is no longer than [`SHORT`].
    fn short(text: &[u8]) -> Self {
        let mut bytes = [0; SHORT];
        bytes[..text.len()].copy_from_slice(text);
        Self(Text::Short {
            length: text.len() as u8,
            bytes,
        })
    }

    fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Text::Short { length, bytes } => &bytes[..usize::from(*length)],
            Text::Long(text) => text.as_bytes(),
        }
    }

    /// The id as JSON text.
    pub fn as_json(&self) -> &str {
        match &self.0 {
            // It was made of a text.
            Text::Short { .. } => std::str::from_utf8(self.as_bytes()).unwrap_or_default(),
            Text::Long(text) => text,
        }
    }

    /// The id as a number, if it is one that we could have made.
    pub fn as_number(&self) -> Option<u64> {
        self.as_json().parse().ok()
    }
}

impl PartialEq for Id {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Id {}

impl Hash for Id {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_json())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Id").field(&self.as_json()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn an_id_is_what_was_written_however_long() {
        for length in [1, SHORT - 3, SHORT - 2, SHORT - 1, 1000] {
            let text = format!("\"{}\"", "x".repeat(length));
            let other = format!("\"{}y\"", "x".repeat(length - 1));
            let id = Id::from_json(&text).unwrap();
            assert_eq!(id.as_json(), text);
            assert_eq!(id.to_string(), text);
            assert_eq!(format!("{id:?}"), format!("Id({text:?})"));
            assert_eq!(Id::from_plain(&"x".repeat(length)), id);
            assert_ne!(Id::from_json(&other).unwrap(), id);
        }
        // A character of several bytes, of which one would find no place.
        let text = format!("\"{}\u{e9}\"", "x".repeat(SHORT - 3));
        assert_eq!(Id::from_json(&text).unwrap().as_json(), text);
    }

    #[test]
    fn ids_that_are_written_otherwise_are_others() {
        let written = [
            "7",
            "07",
            "-7",
            "\"7\"",
            "\"\\u0037\"",
            "\"\"",
            "\"0\"",
            "0",
            "-0",
        ];
        let ids = written.map(|text| Id::from_json(text).unwrap());
        let places: HashMap<Id, usize> = ids.iter().cloned().zip(0..).collect();
        assert_eq!(places.len(), written.len());
        for (place, text) in written.iter().enumerate() {
            assert_eq!(places[&Id::from_json(text).unwrap()], place);
            let same = ids.iter().filter(|id| **id == ids[place]);
            assert_eq!(same.count(), 1, "{text}");
        }
    }

    #[test]
    fn numbers_are_written_as_they_are() {
        for number in [0, 1, 9, 10, 100, 109, 4_294_967_296, u64::MAX] {
            let id = Id::from_number(number);
            assert_eq!(id.as_json(), number.to_string());
            assert_eq!(id.as_number(), Some(number));
            assert_eq!(Id::from_json(&number.to_string()), Some(id));
        }
        let beyond = Id::from_json("18446744073709551616").unwrap();
        assert_eq!(beyond.as_number(), None);
    }

    #[test]
    fn what_is_neither_string_nor_integer_is_no_id() {
        for text in ["", "-", "7.5", "1e3", "null", "true", "{}", "[1]", "x"] {
            assert_eq!(Id::from_json(text), None, "{text}");
        }
    }
}
