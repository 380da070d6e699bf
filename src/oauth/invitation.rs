//! What a person is asked to do for a sign-in, and what they may bring back by hand.

use std::error::Error;
use std::fmt;

use url::form_urlencoded;

use super::authorize::{Attempt, AuthorizationUrl};
use crate::secret::Secret;

/// Longest text that is looked at when something is pasted, in bytes. No browser keeps longer
/// addresses.
const PASTE_LIMIT: usize = 64 * 1024;

/// Where the sign-in of one server stands, as far as a person has to do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Nobody is asked for anything.
    #[default]
    Quiet,
    /// A person is needed; what they are to do is being prepared.
    Preparing,
    /// This process asks a person to do this.
    Open(Invitation),
    /// Another process asks a person to do this, which will serve this one, too.
    Elsewhere(Invitation),
    /// A person was needed, and there are tokens now.
    SignedIn,
}

impl Standing {
    /// Whether tokens wait for a person.
    pub fn needs_person(&self) -> bool {
        !matches!(self, Self::Quiet | Self::SignedIn)
    }

    /// What a person is asked to do, by whatever process.
    pub fn invitation(&self) -> Option<&Invitation> {
        match self {
            Self::Open(invitation) | Self::Elsewhere(invitation) => Some(invitation),
            _ => None,
        }
    }
}

/// What a person is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// The address to open in a browser.
    pub address: AuthorizationUrl,
    /// The code to enter or to compare there, where the browser is not sent back (RFC 8628 §3.3).
    pub user_code: Option<String>,
    /// Whether a browser was opened with it here.
    pub browser_opened: bool,
    /// When it lapses, in seconds since the epoch.
    pub lapses_at: u64,
}

impl Invitation {
    /// Whether the browser is sent to an address of this machine at the end, so that this address
    /// can be pasted if it cannot be reached.
    pub fn takes_callback(&self) -> bool {
        self.user_code.is_none()
    }
}

impl From<&Attempt> for Invitation {
    fn from(attempt: &Attempt) -> Self {
        Self {
            address: attempt.address.clone(),
            user_code: None,
            browser_opened: false,
            lapses_at: attempt.lapses_at,
        }
    }
}

/// Why a pasted text is not the address that a browser was sent back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasteError {
    /// There is nothing in it, or far too much.
    NotAnAddress,
    /// It is the address that the sign-in begins at.
    BeginsThere,
    /// It is a code alone, or an address without one.
    NoAnswer,
}

impl fmt::Display for PasteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAnAddress => "this is not an address",
            Self::BeginsThere => {
                "this is the address that the sign-in begins at, not the one that the browser ends on"
            }
            Self::NoAnswer => "this address does not carry the answer to a sign-in",
        })
    }
}

impl Error for PasteError {}

impl PasteError {
    /// What the user does next.
    pub fn hint(&self) -> &'static str {
        "copy the whole address from the browser's address bar once the sign-in is done; it contains `code=` and `state=`"
    }
}

/// The query of the address that a browser was sent back to, as a person copied it: with quotes or
/// blanks around, without the scheme, which browsers hide, or the query alone.
pub fn pasted_query(text: &str) -> Result<Secret, PasteError> {
    let around = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>');
    let text = text.trim_matches(around);
    if text.is_empty() || text.len() > PASTE_LIMIT || text.contains(char::is_whitespace) {
        return Err(PasteError::NotAnAddress);
    }
    let query = text.split_once('?').map_or(text, |(_, query)| query);
    let query = query.split_once('#').map_or(query, |(query, _)| query);
    let has = |wanted: &str| {
        form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| name == wanted && !value.is_empty())
    };
    if has("response_type") || has("code_challenge") {
        return Err(PasteError::BeginsThere);
    }
    match has("state") && (has("code") || has("error")) {
        true => Ok(Secret::new(query)),
        false => Err(PasteError::NoAnswer),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_however_it_was_copied() {
        let query = "code=CODE_1&state=STATE_1&iss=https%3A%2F%2Fas.example";
        for text in [
            format!("http://localhost:3334/oauth/callback?{query}"),
            format!("  \"http://127.0.0.1:3334/oauth/callback?{query}\" \r\n"),
            format!("<http://[::1]:3334/oauth/callback?{query}#_=_>"),
            format!("localhost:3334/oauth/callback?{query}"),
            format!("?{query}"),
            query.to_owned(),
        ] {
            assert_eq!(pasted_query(&text), Ok(Secret::new(query)), "{text}");
        }
    }

    #[test]
    fn a_refusal_is_an_answer_too() {
        let text = "http://localhost:1/oauth/callback?error=access_denied&state=S";
        let query = "error=access_denied&state=S";
        assert_eq!(pasted_query(text), Ok(Secret::new(query)));
    }

    #[test]
    fn anything_else_is_told_apart() {
        let long = format!("http://localhost/?code={}&state=s", "x".repeat(PASTE_LIMIT));
        for (text, expected) in [
            ("", PasteError::NotAnAddress),
            (" \n", PasteError::NotAnAddress),
            ("two words", PasteError::NotAnAddress),
            (long.as_str(), PasteError::NotAnAddress),
            ("SplxlOBeZQQYbYS6WxSbIA", PasteError::NoAnswer),
            ("http://localhost:3334/oauth/callback", PasteError::NoAnswer),
            ("http://localhost:3334/?code=C", PasteError::NoAnswer),
            ("http://localhost:3334/?code=&state=S", PasteError::NoAnswer),
            (
                "https://as.example/authorize?response_type=code&client_id=c&state=S",
                PasteError::BeginsThere,
            ),
        ] {
            assert_eq!(pasted_query(text), Err(expected), "{text:.60}");
        }
    }
}
