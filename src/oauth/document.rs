//! JSON objects from authorization and resource servers, read with the care that documents which
//! decide where secrets go deserve.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// Deepest nesting of a document that is read at all.
const DEPTH: usize = 32;

/// The members of a JSON object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    members: BTreeMap<String, Value>,
}

/// Why a text is not used as a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentError {
    /// It is not JSON, or not an object.
    NotAnObject,
    /// It nests deeper than 32 levels.
    TooDeep,
    /// A member that decides where secrets go appears twice, so two readers may see two documents.
    Duplicate(&'static str),
}

impl fmt::Display for DocumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("it is not a JSON object"),
            Self::TooDeep => write!(f, "it nests deeper than {DEPTH} levels"),
            Self::Duplicate(member) => write!(f, "the member `{member}` appears twice"),
        }
    }
}

impl std::error::Error for DocumentError {}

impl DocumentError {
    /// Where the rule is written that it breaks; the limit of the depth is ours.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::NotAnObject => Some("RFC 8259 §4"),
            Self::TooDeep => None,
            Self::Duplicate(_) => Some("RFC 8259 §4"),
        }
    }
}

impl Object {
    /// Reads an object. Of a repeated member the last one counts, unless it is in `unique`, in
    /// which case the document is refused (RFC 8259 §4: readers differ on repeated names).
    pub fn parse(text: &[u8], unique: &[&'static str]) -> Result<Self, DocumentError> {
        // Some servers put a byte order mark in front (RFC 8259 §8.1 lets a reader skip it).
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        if too_deep(text) {
            return Err(DocumentError::TooDeep);
        }
        let mut reader = serde_json::Deserializer::from_slice(text);
        let members = reader
            .deserialize_map(Members)
            .and_then(|members| reader.end().map(|()| members))
            .map_err(|_| DocumentError::NotAnObject)?;
        for name in unique {
            if members.iter().filter(|(member, _)| member == name).count() > 1 {
                return Err(DocumentError::Duplicate(name));
            }
        }
        Ok(Self {
            members: members.into_iter().collect(),
        })
    }

    /// The members.
    pub fn into_members(self) -> Map<String, Value> {
        self.members.into_iter().collect()
    }

    /// A member that is there and not `null`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name).filter(|value| !value.is_null())
    }

    /// A member that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// A member that is `true`; the text `"true"` is taken too, as some servers write it so.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
            || self
                .text(name)
                .is_some_and(|t| t.eq_ignore_ascii_case("true"))
    }

    /// A member that is a list: its strings, other entries skipped.
    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        self.get(name).and_then(Value::as_array).map(|entries| {
            let texts = entries.iter().filter_map(Value::as_str);
            texts.map(str::to_owned).collect()
        })
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            members.push((name, map.next_value::<Value>()?));
        }
        Ok(members)
    }
}

/// Whether brackets outside of strings nest deeper than [`DEPTH`].
fn too_deep(text: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    for &byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH {
                    return true;
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Object, DocumentError> {
        Object::parse(text.as_bytes(), &["issuer"])
    }

    #[test]
    fn members_are_read_by_type() {
        let object =
            parse(r#"{"a":"x","b":true,"c":["p",1,"q"],"d":null,"e":"true","f":[]}"#).unwrap();
        assert_eq!(object.text("a"), Some("x"));
        assert_eq!(object.text("b"), None);
        assert!(object.flag("b") && object.flag("e") && !object.flag("a"));
        assert_eq!(
            object.texts("c"),
            Some(vec!["p".to_owned(), "q".to_owned()])
        );
        assert_eq!(object.texts("a"), None);
        assert_eq!(object.texts("f"), Some(vec![]));
        assert_eq!(object.get("d"), None);
    }

    #[test]
    fn anything_but_an_object_is_refused() {
        for text in [
            "",
            "null",
            "[]",
            "\"x\"",
            "<html>",
            "{",
            "{}x",
            "{\"a\":}",
            "{\"a\":1,}",
        ] {
            assert_eq!(parse(text), Err(DocumentError::NotAnObject), "{text}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert!(parse("\u{feff}{\"a\":1}").is_ok());
    }

    #[test]
    fn a_repeated_guarded_member_refuses_the_document() {
        let text = r#"{"issuer":"https://a.example","issuer":"https://b.example"}"#;
        assert_eq!(parse(text), Err(DocumentError::Duplicate("issuer")));
        // An escape does not hide the repetition.
        let text = r#"{"issuer":"https://a.example","\u0069ssuer":"https://b.example"}"#;
        assert_eq!(parse(text), Err(DocumentError::Duplicate("issuer")));
        assert!(parse(r#"{"x":1,"x":2,"issuer":"https://a.example"}"#).is_ok());
        assert!(parse(r#"{"x":{"issuer":1},"issuer":"https://a.example"}"#).is_ok());
    }

    #[test]
    fn nesting_is_limited_to_32_levels() {
        let nested = |levels: usize| {
            format!(
                "{{\"a\":{}{}}}",
                "[".repeat(levels - 1),
                "]".repeat(levels - 1)
            )
        };
        assert!(parse(&nested(32)).is_ok());
        assert_eq!(parse(&nested(33)), Err(DocumentError::TooDeep));
        assert!(parse(&format!("{{\"a\":\"{}\\\"[\"}}", "[".repeat(99))).is_ok());
        assert_eq!(parse(&"[".repeat(100_000)), Err(DocumentError::TooDeep));
    }
}
