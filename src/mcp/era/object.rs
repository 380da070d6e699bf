//! Changes to members of JSON objects that leave everything else as it came, byte for byte.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::mcp::jsonrpc;

/// An object's members in their order, each with its value as it was written.
#[derive(Clone, Debug, Default)]
pub struct Object<'a>(Vec<(String, &'a str)>);

impl<'a> Object<'a> {
    /// Reads an object; `None` if the text is none.
    pub fn read(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The value of a member. Of duplicates the last counts.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        let mut members = self.0.iter().rev();
        members
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
    }

    /// The members, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), *value))
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes members out.
    pub fn remove(&mut self, names: &[&str]) {
        self.0.retain(|(key, _)| !names.contains(&key.as_str()));
    }

    /// Sets a member, in the place of one that has its name, else as the last.
    pub fn set(&mut self, name: &str, value: &'a str) {
        match self.0.iter().position(|(key, _)| key == name) {
            Some(place) => {
                self.0[place].1 = value;
                let mut first = true;
                // Another of the same name would count in its stead.
                self.0
                    .retain(|(key, _)| key != name || std::mem::take(&mut first));
            }
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The object as JSON text.
    pub fn write(&self) -> String {
        let length: usize = self
            .0
            .iter()
            .map(|(key, value)| key.len() + value.len() + 4)
            .sum();
        let mut text = String::with_capacity(length + 2);
        text.push('{');
        for (index, (key, value)) in self.0.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(&jsonrpc::quote(key));
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        text
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;

        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((key, value.get()));
                }
                Ok(Object(members))
            }
        }

        deserializer.deserialize_map(ObjectVisitor)
    }
}

/// The elements of an array, each as it was written; `None` if the text is no array.
pub fn elements(text: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// An array of these elements, as JSON text.
pub fn array<'a>(elements: impl IntoIterator<Item = &'a str>) -> String {
    let mut text = String::from("[");
    for (index, element) in elements.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(element);
    }
    text.push(']');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_touched_stays_as_it_was_written() {
        let text = r#"{"b":1.50,"a":{"x" : [1,  2]},"c\u0064":"\u00e4","n":12345678901234567890}"#;
        let mut object = Object::read(text).unwrap();
        object.remove(&["none"]);
        assert_eq!(
            object.write(),
            r#"{"b":1.50,"a":{"x" : [1,  2]},"cd":"\u00e4","n":12345678901234567890}"#
        );
    }

    #[test]
    fn members_are_set_in_place_and_removed() {
        let mut object = Object::read(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(object.get("a"), Some("3"));
        object.set("a", "4");
        object.set("z", "[]");
        assert_eq!(object.write(), r#"{"a":4,"b":2,"z":[]}"#);
        object.remove(&["b", "z"]);
        assert_eq!(object.write(), r#"{"a":4}"#);
        object.remove(&["a"]);
        assert!(object.is_empty());
        assert_eq!(object.write(), "{}");
    }

    #[test]
    fn names_are_written_as_they_must_be() {
        let object = Object::read(r#"{"a\"b":1}"#).unwrap();
        assert_eq!(object.write(), r#"{"a\"b":1}"#);
    }

    #[test]
    fn what_is_no_object_or_array_is_told() {
        for text in ["", "[]", "1", "null", "\"{}\"", "{"] {
            assert!(Object::read(text).is_none(), "{text}");
        }
        assert_eq!(elements("[1, {\"a\" :2}]"), Some(vec!["1", "{\"a\" :2}"]));
        assert_eq!(elements("{}"), None);
        assert_eq!(array(["1", "{}"]), "[1,{}]");
        assert_eq!(array([]), "[]");
    }
}
