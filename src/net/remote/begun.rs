//! The heads of messages, as far as they are the same for many of them.

use http::header::{CONTENT_LENGTH, HOST, HeaderMap, HeaderValue};

use super::{Carried, with_carried};
use crate::mcp::session::Session;
use crate::net::request::Address;
use crate::oauth::credential::Credential;

/// A head for the messages that go to one address, in one session, with one credential. To fill in
/// a copy takes less than to make a head for each message.
#[derive(Debug)]
pub(super) struct Begun {
    to: Address,
    session: Option<Session>,
    credential: Option<Credential>,
    head: HeaderMap,
}

impl Begun {
    /// Begun with these headers. What the head repeats of a message is not part of it.
    pub(super) fn new(headers: &HeaderMap, to: &Address, carried: Carried<'_>) -> Self {
        let same = Carried {
            head: None,
            ..carried
        };
        let mut head = with_carried(headers, same);
        if let Some(host) = to.host() {
            head.entry(HOST).or_insert_with(|| host.clone());
        }
        // A place, so that the copies need not grow.
        head.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        Self {
            to: to.clone(),
            session: carried.session.cloned(),
            credential: carried.credential.cloned(),
            head,
        }
    }

    /// Whether it is for messages to this address that carry this.
    pub(super) fn is_for(&self, to: &Address, carried: Carried<'_>) -> bool {
        self.to == *to
            && self.session.as_ref() == carried.session
            && self.credential.as_ref() == carried.credential
    }

    /// The head of a message of so many bytes.
    pub(super) fn of_length(&self, length: usize) -> HeaderMap {
        let mut head = self.head.clone();
        head.insert(CONTENT_LENGTH, length.into());
        head
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::mcp::revision;
    use crate::secret::Secret;

    fn address(text: &str) -> Address {
        Url::parse(text).expect("a URL").into()
    }

    fn session(serial: u64, id: &str) -> Session {
        Session {
            serial,
            id: Some(Secret::new(id)),
            revision: revision::NEWEST,
        }
    }

    fn carrying<'a>(session: &'a Session, credential: &'a Credential) -> Carried<'a> {
        Carried {
            session: Some(session),
            credential: Some(credential),
            head: None,
        }
    }

    #[test]
    fn a_head_is_for_what_it_was_made_for_and_nothing_else() {
        let to = address("http://mcp.test/mcp");
        let (ours, token) = (session(1, "S1"), Credential::bearer(Secret::new("T1")));
        let all = carrying(&ours, &token);
        let begun = Begun::new(&HeaderMap::new(), &to, all);
        assert!(begun.is_for(&to, all));
        assert!(begun.is_for(&address("http://mcp.test/mcp"), all));
        assert!(!begun.is_for(&address("http://mcp.test/other"), all));
        let other = Credential::bearer(Secret::new("T2"));
        assert!(!begun.is_for(&to, carrying(&ours, &other)));
        for session in [session(1, "S2"), session(2, "S1")] {
            assert!(!begun.is_for(&to, carrying(&session, &token)));
        }
        let without_token = Carried {
            credential: None,
            ..all
        };
        let without_session = Carried {
            session: None,
            ..all
        };
        for carried in [without_token, without_session] {
            assert!(!begun.is_for(&to, carried));
        }
    }

    #[test]
    fn a_head_has_all_that_its_messages_have_in_common() {
        let own = HeaderMap::from_iter([(HOST, HeaderValue::from_static("own.test"))]);
        let (ours, token) = (session(1, "S1"), Credential::bearer(Secret::new("T1")));
        let all = carrying(&ours, &token);
        for (headers, to, host) in [
            (&HeaderMap::new(), "http://mcp.test/mcp", Some("mcp.test")),
            (&HeaderMap::new(), "http://[::1]:8/a", Some("[::1]:8")),
            // Over HTTP/2, a pseudo-header says it.
            (&HeaderMap::new(), "https://mcp.test/mcp", None),
            (&own, "http://mcp.test/mcp", Some("own.test")),
            (&own, "https://mcp.test/mcp", Some("own.test")),
        ] {
            let head = Begun::new(headers, &address(to), all).of_length(107);
            let value = |name: &str| head.get(name).map(|value| value.to_str().unwrap());
            assert_eq!(value("host"), host, "{to}");
            assert_eq!(value("content-length"), Some("107"));
            assert_eq!(value("mcp-session-id"), Some("S1"));
            assert_eq!(value("authorization"), Some("Bearer T1"));
            assert!(head["authorization"].is_sensitive() && head["mcp-session-id"].is_sensitive());
        }
    }
}
