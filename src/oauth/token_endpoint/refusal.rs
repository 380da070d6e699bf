//! What servers say when they refuse, and what they mean by it: RFC 6749 §5.2, and the spellings of
//! those that answer with something of their own.

use std::fmt;

use super::super::document::Object;
use super::super::known::RESOURCE_REFUSED;
use crate::untrusted::{SHOWN, printable};

/// What a server said when it refused, fit to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The OAuth `error` code (RFC 6749 §5.2, RFC 7591 §3.2.2), if the answer had one.
    pub error: Option<String>,
    /// The explanation, if the answer had one.
    pub description: Option<String>,
}

impl Refusal {
    /// Reads any body a server may refuse with: an OAuth error, another JSON object, plain text, a
    /// page. Pages are not shown.
    pub fn read(status: u16, body: &[u8]) -> Self {
        let shown = |text: &str| Some(printable(text, SHOWN)).filter(|text| !text.is_empty());
        let Ok(object) = Object::parse(body, &[]) else {
            let text = String::from_utf8_lossy(body);
            let is_page = text.trim_start().starts_with(['<', '{', '[']) || text.len() > 1000;
            return Self {
                status,
                error: None,
                description: shown(&text).filter(|_| !is_page),
            };
        };
        let nested = |name| {
            object
                .get("error")
                .and_then(|error| error.get(name)?.as_str())
        };
        // Some servers have their code in another member; words and numbers lack the underscore.
        let elsewhere = || {
            let mut members = ["error_code", "code", "status"].iter();
            members.find_map(|name| object.text(name).filter(|text| text.contains('_')))
        };
        let error = object
            .text("error")
            .or_else(|| nested("code"))
            .or_else(elsewhere);
        let names = ["error_description", "message", "detail", "error_message"];
        let description = names
            .iter()
            .find_map(|name| object.text(name))
            .or_else(|| nested("message"));
        Self {
            status,
            error: error.and_then(shown),
            description: description.and_then(shown),
        }
    }

    /// Whether code or explanation contain one of these, without regard to case.
    fn mentions(&self, words: &[&str]) -> bool {
        let said = format!(
            "{} {}",
            self.error.as_deref().unwrap_or_default(),
            self.description.as_deref().unwrap_or_default()
        )
        .to_ascii_lowercase();
        words.iter().any(|word| said.contains(word))
    }

    /// Whether the server says that it does not take the redirect URI, in any of the spellings.
    pub fn names_redirect_uri(&self) -> bool {
        self.mentions(&["redirect_uri", "redirect uri", "redirect url"])
    }

    /// Whether a proof of possession was refused, and not what it came with (RFC 9449 §5, §8).
    pub fn is_about_proof(&self) -> bool {
        let error = self.error.as_deref();
        matches!(error, Some("use_dpop_nonce" | "invalid_dpop_proof"))
    }

    /// Whether the server says that it does not know the client: RFC 6749 §5.2, and the spellings
    /// of servers that answer with a message of their own.
    pub fn names_unknown_client(&self) -> bool {
        let dead = [
            "invalid_client",
            "unauthorized_client",
            "incorrect_client_credentials",
            "invalid_client_id",
            "bad_client_secret",
        ];
        self.error
            .as_deref()
            .is_some_and(|error| dead.contains(&error))
            || self.mentions(&[
                "unrecognized client",
                "unknown client",
                "client not found",
                "client_not_found",
                "no such client",
            ])
    }

    /// Whether the server refuses the `resource` of the request: RFC 8707 §2 has a code for it, and
    /// servers that do not know the parameter say so in words, or by a number of their own.
    pub fn refuses_resource(&self) -> bool {
        let code = self.error.as_deref().unwrap_or_default();
        let words = self.description.as_deref().unwrap_or_default();
        let words = words.to_ascii_lowercase();
        let says = |spelling: &&str| words.contains(spelling);
        code == "invalid_target"
            || RESOURCE_REFUSED.iter().any(says)
            || matches!(code, "invalid_request" | "invalid_resource" | "")
                && names_parameter(&words, "resource")
    }

    /// Whether the server says that a refresh token is worth nothing, in the ways of servers that do
    /// not say `invalid_grant` (RFC 6749 §5.2): in a code of their own, or in words.
    pub(super) fn names_dead_refresh_token(&self) -> bool {
        let lower =
            |text: &Option<String>| text.as_deref().unwrap_or_default().to_ascii_lowercase();
        let (code, words) = (lower(&self.error), lower(&self.description));
        let names_it =
            |text: &str| text.contains("refresh_token") || text.contains("refresh token");
        let lacks_it = |text: &str| text.contains("missing") || text.contains("required");
        match code.as_str() {
            // A code that names it says enough: the words beside it may be `missing or invalid`.
            code if names_it(code) => !lacks_it(code),
            "unauthorized_client" | "invalid_request" | "invalid_token" | "" => {
                names_it(&words) && !lacks_it(&words)
            }
            _ => false,
        }
    }
}

/// Whether a sentence, in lower case, is about the parameter of this name: it stands in quotes, or
/// next to the word `parameter`. "The resource owner" and "resource not found" are about something
/// else.
fn names_parameter(sentence: &str, name: &str) -> bool {
    let mut words = sentence.split_ascii_whitespace().peekable();
    let mut before = "";
    while let Some(word) = words.next() {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if bare == name {
            let quoted = word.trim_end_matches([',', '.', ':', ';']) != bare;
            let near = |word: &str| word.starts_with("param") || word.starts_with("indicator");
            let after = words.peek().copied().unwrap_or_default();
            if quoted || near(before) || near(after) {
                return true;
            }
        }
        before = bare;
    }
    false
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, &self.description) {
            (Some(error), Some(text)) => write!(f, "`{error}`: {text}"),
            (Some(error), None) => write!(f, "`{error}`"),
            (None, Some(text)) => write!(f, "status {}: {text}", self.status),
            (None, None) => write!(f, "status {}", self.status),
        }
    }
}
