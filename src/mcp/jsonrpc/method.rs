//! The name of a method.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::de::{Deserializer, Error, Visitor};

/// The methods that messages have for the most part, the most frequent ones first: those are no
/// memory of their own. What is not in here is as good.
const FREQUENT: [&str; 24] = [
    "tools/call",
    "notifications/progress",
    "notifications/message",
    "resources/read",
    "ping",
    "tools/list",
    "prompts/get",
    "completion/complete",
    "notifications/cancelled",
    "notifications/initialized",
    "initialize",
    "server/discover",
    "resources/list",
    "resources/templates/list",
    "prompts/list",
    "resources/subscribe",
    "resources/unsubscribe",
    "logging/setLevel",
    "subscriptions/listen",
    "notifications/resources/updated",
    "notifications/tools/list_changed",
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
];

/// The name of a method.
#[derive(Clone)]
pub struct Method(Name);

#[derive(Clone)]
enum Name {
    Frequent(&'static str),
    Other(Arc<str>),
}

impl Method {
    /// Takes the JSON text of a string; `None` if it is none.
    pub(super) fn from_json(text: &str) -> Option<Self> {
        struct MethodVisitor;

        impl Visitor<'_> for MethodVisitor {
            type Value = Method;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a method")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Method, E> {
                Ok(name.into())
            }
        }

        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer.deserialize_str(MethodVisitor).ok()
    }
}

impl From<&str> for Method {
    fn from(name: &str) -> Self {
        let frequent = FREQUENT.iter().find(|frequent| **frequent == name);
        Self(match frequent {
            Some(frequent) => Name::Frequent(frequent),
            None => Name::Other(name.into()),
        })
    }
}

impl Default for Method {
    fn default() -> Self {
        Self(Name::Frequent(""))
    }
}

impl Deref for Method {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Name::Frequent(name) => name,
            Name::Other(name) => name,
        }
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Method {}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_its_name_frequent_or_not() {
        for name in FREQUENT.iter().chain(&["", "x", "tools/calls", "a \" b"]) {
            let json = serde_json::to_string(name).unwrap();
            let method = Method::from_json(&json).unwrap();
            assert_eq!(&*method, *name);
            assert_eq!(method, Method::from(*name));
            assert_eq!(format!("{method:?}"), format!("{name:?}"));
        }
        assert_eq!(&*Method::default(), "");
    }

    #[test]
    fn a_name_may_be_written_with_escapes() {
        let method = Method::from_json(r#""tools\/c\u0061ll""#).unwrap();
        assert_eq!(method, Method::from("tools/call"));
    }

    #[test]
    fn what_is_no_string_is_no_method() {
        for text in ["7", "null", "[\"x\"]", "{}", "\"\\ud800\""] {
            assert_eq!(Method::from_json(text), None, "{text}");
        }
    }
}
