//! What a person is asked to do for a sign-in, and what they may bring back by hand.

use std::error::Error;
use std::fmt;

use url::form_urlencoded;

use super::authorize::{Attempt, AuthorizationUrl};
use super::device::DeviceAttempt;
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
    /// The code to enter there, where the browser is not sent back (RFC 8628 §3.3).
    pub user_code: Option<String>,
    /// Where the code can be entered by hand, if `address` has it in it already; then it is only
    /// to be compared there (RFC 8628 §3.3.1).
    pub entry: Option<AuthorizationUrl>,
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
            entry: None,
            browser_opened: false,
            lapses_at: attempt.lapses_at,
        }
    }
}

impl From<&DeviceAttempt> for Invitation {
    fn from(attempt: &DeviceAttempt) -> Self {
        let plain = attempt.verification_uri.clone();
        let (address, entry) = match attempt.verification_uri_complete.clone() {
            Some(complete) => (complete, Some(plain)),
            None => (plain, None),
        };
        Self {
            address,
            user_code: Some(attempt.user_code.clone()),
            entry,
            browser_opened: false,
            lapses_at: attempt.lapses_at(),
        }
    }
}

/// What a person does. Shows the address whole, so it is for them and not for a log.
impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.address.0;
        match (&self.user_code, &self.entry) {
            (None, _) => write!(f, "open this address: {address}"),
            (Some(code), None) => write!(
                f,
                "open {address} in a browser on any device and enter the code {code}"
            ),
            (Some(code), Some(entry)) => write!(
                f,
                "open {} in a browser on any device and enter the code {code}, or open {address} and check that it shows the same code",
                entry.0
            ),
        }
    }
}

/// A sign-in that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Open {
    /// In a browser that is sent back to this machine.
    Browser(Box<Attempt>),
    /// In a browser on any device.
    Device(Box<DeviceAttempt>),
}

impl Open {
    /// The attempt, if a browser is sent back for it.
    pub fn browser(&self) -> Option<&Attempt> {
        match self {
            Self::Browser(attempt) => Some(attempt),
            Self::Device(_) => None,
        }
    }
}

impl From<&Open> for Invitation {
    fn from(open: &Open) -> Self {
        match open {
            Open::Browser(attempt) => (&**attempt).into(),
            Open::Device(attempt) => (&**attempt).into(),
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
    use url::Url;

    use super::*;
    use crate::ids::Issuer;

    fn attempt(complete: Option<&str>) -> DeviceAttempt {
        let url = |text: &str| Url::parse(text).unwrap();
        DeviceAttempt {
            device_code: Secret::new("DEVICE_CODE_1"),
            user_code: "WDJB-MJHT".to_owned(),
            verification_uri: AuthorizationUrl(url("https://as.example/device")),
            verification_uri_complete: complete.map(|text| AuthorizationUrl(url(text))),
            interval: 5,
            issuer: Issuer::new("https://as.example"),
            client_id: "CLIENT_1".to_owned(),
            resource: None,
            scopes: Vec::new(),
            token_endpoint: url("https://as.example/token"),
            begun_at: 1000,
            until: 1600,
            expires_at: 1900,
        }
    }

    #[test]
    fn a_code_is_entered_or_only_compared() {
        let plain = Invitation::from(&attempt(None));
        assert_eq!(
            plain.to_string(),
            "open https://as.example/device in a browser on any device and enter the code WDJB-MJHT"
        );
        assert_eq!(plain.lapses_at, 1600);
        let complete = Invitation::from(&attempt(Some("https://as.example/device?c=WDJB-MJHT")));
        assert_eq!(complete.address.0.query(), Some("c=WDJB-MJHT"));
        assert_eq!(complete.entry, Some(plain.address.clone()));
        let text = complete.to_string();
        let first = format!("{plain}, or open https://as.example/device?c=WDJB-MJHT ");
        assert!(text.starts_with(&first), "{text}");
        assert!(
            text.ends_with("check that it shows the same code"),
            "{text}"
        );
        for invitation in [plain, complete] {
            assert!(!invitation.takes_callback());
        }
    }

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
