//! One token for another (RFC 8693): at an organisation's identity provider, what it says of a user
//! for a statement that another authorization server takes (identity assertion JWT authorization
//! grant, "ID-JAG"; MCP extension `io.modelcontextprotocol/enterprise-managed-authorization`).

use std::fmt;

use super::Form;
use crate::secret::Secret;
use crate::untrusted::printable;

/// The `grant_type` (RFC 8693 §2.1).
pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The type of an OpenID Connect ID token (RFC 8693 §3).
pub const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

/// The type of the statement that another authorization server takes.
pub const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// What is handed in for an ID-JAG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenExchange {
    /// The ID token that the provider gave out for the user.
    pub subject_token: Secret,
    /// The issuer of the authorization server that is to take the statement.
    pub audience: String,
    /// The scopes that are wanted there.
    pub scopes: Vec<String>,
}

impl TokenExchange {
    /// RFC 8693 §2.1, with the types that make it an ID-JAG.
    pub fn form(&self) -> Form<'_> {
        let mut form: Form<'_> = vec![
            ("grant_type", GRANT.into()),
            ("requested_token_type", ID_JAG.into()),
            ("audience", self.audience.as_str().into()),
            ("subject_token", self.subject_token.expose().into()),
            ("subject_token_type", ID_TOKEN.into()),
        ];
        form.extend(super::scope(&self.scopes));
        form
    }
}

/// What came of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The member `access_token`, whatever it is.
    pub token: Secret,
    /// The member `issued_token_type`.
    pub issued_token_type: Option<String>,
}

/// The provider issued something else than was asked for: its type, fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongType(pub Option<String>);

impl fmt::Display for WrongType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(found) => write!(
                f,
                "the identity provider issued a token of the type `{found}` where `{ID_JAG}` was asked for"
            ),
            None => write!(
                f,
                "the identity provider did not say what it issued where `{ID_JAG}` was asked for"
            ),
        }
    }
}

impl Issued {
    /// The ID-JAG. RFC 8693 §2.2.1: `issued_token_type` is required, and says what it is.
    pub fn id_jag(self) -> Result<Secret, WrongType> {
        match self.issued_token_type.as_deref() {
            Some(ID_JAG) => Ok(self.token),
            other => Err(WrongType(other.map(|found| printable(found, 100)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(scopes: &[&str]) -> TokenExchange {
        TokenExchange {
            subject_token: Secret::new("ID_TOKEN_1"),
            audience: "https://as.example".to_owned(),
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        }
    }

    #[test]
    fn every_parameter_has_its_name() {
        assert_eq!(
            exchange(&["a", "b"]).form(),
            [
                (
                    "grant_type",
                    "urn:ietf:params:oauth:grant-type:token-exchange".into()
                ),
                (
                    "requested_token_type",
                    "urn:ietf:params:oauth:token-type:id-jag".into()
                ),
                ("audience", "https://as.example".into()),
                ("subject_token", "ID_TOKEN_1".into()),
                (
                    "subject_token_type",
                    "urn:ietf:params:oauth:token-type:id_token".into()
                ),
                ("scope", "a b".into()),
            ]
        );
        assert_eq!(exchange(&[]).form().len(), 5);
    }

    #[test]
    fn only_what_is_called_an_id_jag_is_one() {
        let issued = |kind: Option<&str>| Issued {
            token: Secret::new("JAG_1"),
            issued_token_type: kind.map(str::to_owned),
        };
        assert_eq!(issued(Some(ID_JAG)).id_jag(), Ok(Secret::new("JAG_1")));
        assert_eq!(issued(None).id_jag(), Err(WrongType(None)));
        let other = issued(Some("urn:x\u{1b}[2J")).id_jag().unwrap_err();
        assert_eq!(other, WrongType(Some("urn:x[2J".to_owned())));
        let shown = format!("{other} {:?}", exchange(&[]));
        assert!(
            shown.contains("`urn:x[2J` where `urn:ietf:params:oauth:token-type:id-jag`"),
            "{shown}"
        );
        assert!(
            !shown.contains("ID_TOKEN_1") && !shown.contains("JAG_1"),
            "{shown}"
        );
    }
}
