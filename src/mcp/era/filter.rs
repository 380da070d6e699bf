//! What a subscription is about: `notifications` in `subscriptions/listen`, and in the server's word
//! that it is heard (MCP 2026-07-28, Subscriptions).

use std::collections::BTreeSet;

use super::object::{self, Object};
use crate::mcp::jsonrpc::{self, Message};

/// The kinds of lists whose changes a client may hear of, each with the member that asks for them.
const LISTS: [(&str, &str); 3] = [
    ("tools", "toolsListChanged"),
    ("prompts", "promptsListChanged"),
    ("resources", "resourcesListChanged"),
];
/// The member with the addresses of resources.
const URIS: &str = "resourceSubscriptions";
/// What tells of the change of a resource.
pub const UPDATED: &str = "notifications/resources/updated";

/// What a subscription is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The kinds of lists whose changes are told.
    pub lists: BTreeSet<&'static str>,
    /// The resources whose changes are told.
    pub uris: BTreeSet<String>,
}

impl Filter {
    /// What can be understood of one, JSON text: what is odd in the word of a server, such as `null`,
    /// takes nothing from the rest.
    pub fn understood(filter: &str) -> Self {
        let is_told = |member| jsonrpc::member(filter, member) == Some("true");
        let lists = LISTS.into_iter().filter(|(_, member)| is_told(member));
        let uris = jsonrpc::member(filter, URIS).and_then(|uris| serde_json::from_str(uris).ok());
        Self {
            lists: lists.map(|(kind, _)| kind).collect(),
            uris: uris.unwrap_or_default(),
        }
    }

    /// Reads a client's, JSON text. An error says what is wrong with it.
    pub fn read(filter: &str) -> Result<Self, String> {
        let Some(filter) = Object::read(filter) else {
            return Err("`notifications` must be an object".to_owned());
        };
        let mut read = Self::default();
        for (kind, member) in LISTS {
            match filter.get(member) {
                Some("true") => drop(read.lists.insert(kind)),
                None | Some("false") => {}
                Some(_) => return Err(format!("`{member}` must be true or false")),
            }
        }
        if let Some(uris) = filter.get(URIS) {
            read.uris = serde_json::from_str(uris)
                .map_err(|_| format!("`{URIS}` must be a list of strings"))?;
        }
        Ok(read)
    }

    /// What of `capabilities`, JSON text, a server says that it tells changes of.
    pub fn of_lists(capabilities: &str) -> Self {
        let changes = |kind: &str| {
            let capability = jsonrpc::member(capabilities, kind);
            capability.and_then(|capability| jsonrpc::member(capability, "listChanged"))
                == Some("true")
        };
        let lists = LISTS.map(|(kind, _)| kind);
        Self {
            lists: lists.into_iter().filter(|kind| changes(kind)).collect(),
            uris: BTreeSet::new(),
        }
    }

    /// Whether it is about nothing.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty() && self.uris.is_empty()
    }

    /// As JSON text.
    pub fn write(&self) -> String {
        let mut filter = Object::default();
        for (kind, member) in LISTS {
            if self.lists.contains(kind) {
                filter.set(member, "true");
            }
        }
        let uris: Vec<String> = self.uris.iter().map(|uri| jsonrpc::quote(uri)).collect();
        let uris = object::array(uris.iter().map(String::as_str));
        if !self.uris.is_empty() {
            filter.set(URIS, &uris);
        }
        filter.write()
    }

    /// Whether a notification tells of something in it.
    pub fn is_about(&self, notification: &Message) -> bool {
        match notification.method() {
            UPDATED => {
                let uri = notification.body_member("uri").and_then(jsonrpc::string);
                uri.is_some_and(|uri| self.uris.contains(&uri))
            }
            method => list_of(method).is_some_and(|kind| self.lists.contains(kind)),
        }
    }

    /// What tells that all of it may have changed.
    pub fn changes(&self) -> Vec<Message> {
        let lists = self.lists.iter().map(|kind| {
            let text =
                format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{kind}/list_changed\"}}");
            jsonrpc::parse(text.into())
        });
        let uris = self.uris.iter().map(|uri| {
            let uri = jsonrpc::quote(uri);
            let text = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"{UPDATED}\",\"params\":{{\"uri\":{uri}}}}}"
            );
            jsonrpc::parse(text.into())
        });
        lists.chain(uris).filter_map(Result::ok).collect()
    }
}

/// The kind of list that a notification says has changed.
pub fn list_of(method: &str) -> Option<&'static str> {
    let kind = method.strip_prefix("notifications/")?;
    let kind = kind.strip_suffix("/list_changed")?;
    let mut lists = LISTS.iter();
    lists
        .find(|(known, _)| *known == kind)
        .map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"{"toolsListChanged":true,"resourcesListChanged":true,"resourceSubscriptions":["a:\"b","c:d"]}"#;

    fn notification(text: &str) -> Message {
        jsonrpc::parse(text.to_owned().into()).unwrap()
    }

    #[test]
    fn what_is_written_is_read() {
        for text in [ALL, "{}", r#"{"promptsListChanged":true}"#] {
            let filter = Filter::read(text).unwrap();
            assert_eq!(filter.write(), text);
            assert_eq!(filter.is_empty(), text == "{}");
        }
        let nothing = r#"{"toolsListChanged":false,"later":[1],"resourceSubscriptions":[]}"#;
        assert!(Filter::read(nothing).unwrap().is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, named) in [
            ("[]", "notifications"),
            ("null", "notifications"),
            (r#"{"toolsListChanged":1}"#, "toolsListChanged"),
            (r#"{"promptsListChanged":null}"#, "promptsListChanged"),
            (
                r#"{"resourceSubscriptions":"a:b"}"#,
                "resourceSubscriptions",
            ),
            (r#"{"resourceSubscriptions":[1]}"#, "resourceSubscriptions"),
        ] {
            assert!(Filter::read(text).unwrap_err().contains(named), "{text}");
        }
    }

    #[test]
    fn what_is_odd_takes_nothing_from_the_rest() {
        for text in ["[]", "null", "{}", r#"{"toolsListChanged":1}"#] {
            assert!(Filter::understood(text).is_empty(), "{text}");
        }
        let odd = r#"{"toolsListChanged":null,"promptsListChanged":true,"resourceSubscriptions":["a:b"]}"#;
        let understood = r#"{"promptsListChanged":true,"resourceSubscriptions":["a:b"]}"#;
        assert_eq!(Filter::understood(odd).write(), understood);
        let odd = r#"{"toolsListChanged":true,"resourceSubscriptions":[1]}"#;
        assert_eq!(
            Filter::understood(odd).write(),
            r#"{"toolsListChanged":true}"#
        );
        assert_eq!(Filter::understood(ALL), Filter::read(ALL).unwrap());
    }

    #[test]
    fn a_servers_capabilities_say_which_lists_may_change() {
        let capabilities = r#"{"tools":{"listChanged":true},"prompts":{},"resources":{"listChanged":false,"subscribe":true}}"#;
        let filter = Filter::of_lists(capabilities);
        assert_eq!(filter.write(), r#"{"toolsListChanged":true}"#);
    }

    #[test]
    fn all_of_it_is_told_and_nothing_else() {
        let filter = Filter::read(ALL).unwrap();
        let changes = filter.changes();
        let methods: Vec<&str> = changes.iter().map(Message::method).collect();
        assert_eq!(
            methods,
            [
                "notifications/resources/list_changed",
                "notifications/tools/list_changed",
                UPDATED,
                UPDATED
            ]
        );
        assert!(changes.iter().all(|change| filter.is_about(change)));
        assert_eq!(changes[2].body_member("uri"), Some(r#""a:\"b""#));
        for text in [
            r#"{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"c:e"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"uri":"c:d"}}"#,
        ] {
            assert!(!filter.is_about(&notification(text)), "{text}");
        }
    }
}
