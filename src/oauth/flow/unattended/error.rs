//! Why there is no token where no person is needed for one.

use std::error::Error;
use std::fmt;

use super::super::error::PROOF_HINT;
use crate::ids::Issuer;
use crate::oauth::discovery::DiscoveryError;
use crate::oauth::grant::token_exchange::WrongType;
use crate::oauth::mode::AuthMode;
use crate::oauth::sign_in::FailureNote;
use crate::oauth::token_endpoint::{Cause, Refusal, TokenError};
use crate::untrusted::{SHOWN, printable};

/// Why there is no token where no person is needed for one.
#[derive(Clone, Debug)]
pub enum UnattendedError {
    /// What is to be handed in could not be had from where the user keeps it.
    Assertion(Cause),
    /// The authorization server lists the grants that it offers, and this one is not among them.
    NotOffered {
        /// The authorization server.
        issuer: Issuer,
        /// The `grant_type`.
        grant: &'static str,
    },
    /// The identity provider was not found, or cannot be believed.
    Provider(DiscoveryError),
    /// The identity provider gave nothing for the ID token.
    Exchange(TokenError),
    /// The identity provider gave something else than what was asked for.
    WrongType(WrongType),
    /// The authorization server gave no token.
    Grant(AuthMode, TokenError),
    /// What would be handed in was refused already.
    RefusedBefore(AuthMode, Refusal),
    /// The server refuses the token that took the place of a refused one.
    TokenRefused,
    /// The refresh token that the user configured brought no token.
    Seed {
        /// Where it stands.
        origin: String,
        /// Why.
        error: TokenError,
        /// Whether the cache has a grant that came from something else.
        kept: bool,
    },
    /// It was used, and what followed it is not good any more.
    SeedSpent {
        /// Where it stands.
        origin: String,
    },
    /// The ID token is to be sent, and the refresh token that the user configured brings none.
    NoIdToken {
        /// Where it stands.
        origin: String,
    },
    /// The process that asked for a token had no success.
    Elsewhere(FailureNote),
}

impl UnattendedError {
    /// Whether the same may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Provider(error) => error.is_transient(),
            Self::Exchange(error) | Self::Grant(_, error) | Self::Seed { error, .. } => {
                matches!(error, TokenError::Unavailable(_) | TokenError::Unusable(_))
            }
            Self::Elsewhere(note) => note.transient,
            _ => false,
        }
    }

    /// The rule that was broken, or that the refusal goes by.
    pub fn rule(&self) -> Option<&'static str> {
        match self {
            Self::NotOffered { .. } => Some("RFC 8414 §2"),
            Self::Provider(error) => error.rule(),
            Self::Exchange(TokenError::Unavailable(_))
            | Self::Seed {
                error: TokenError::Unavailable(_),
                ..
            }
            | Self::Grant(_, TokenError::Unavailable(_)) => None,
            Self::Seed { .. } | Self::SeedSpent { .. } => Some("RFC 6749 §6"),
            Self::NoIdToken { .. } => Some("OpenID Connect Core §12.2"),
            Self::Exchange(_) => Some("RFC 8693 §2.2.2"),
            Self::WrongType(_) => Some("RFC 8693 §2.2.1"),
            Self::Grant(_, TokenError::InvalidTarget(_)) => Some("RFC 8707 §2"),
            Self::Grant(mode, _) | Self::RefusedBefore(mode, _) => Some(match mode {
                AuthMode::Enterprise | AuthMode::Workload => "RFC 7523 §3.1",
                AuthMode::Seeded => "RFC 6749 §6",
                _ => "RFC 6749 §4.4",
            }),
            // Theirs stands in the reason.
            Self::Elsewhere(_) | Self::Assertion(_) | Self::TokenRefused => None,
        }
    }

    /// What the user does next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Assertion(_) => {
                "whatever issues it has to put a current one where the configuration says"
            }
            Self::NotOffered { .. } => {
                "ask the operator of the authorization server to allow the grant, or sign in another way"
            }
            Self::Provider(DiscoveryError::IssuerMismatch { .. }) => {
                "write `--idp-issuer` exactly as the identity provider names itself"
            }
            Self::Provider(_) => {
                "check `--idp-issuer`, or name the place with `--idp-token-endpoint`"
            }
            Self::Exchange(TokenError::Refused(refusal))
            | Self::Grant(_, TokenError::Refused(refusal))
            | Self::Seed {
                error: TokenError::Refused(refusal),
                ..
            } if refusal.is_about_proof() => PROOF_HINT,
            Self::Exchange(error) => match error {
                TokenError::ClientDead(_) => {
                    "check `--idp-client-id` and the secret that belongs to it"
                }
                TokenError::GrantDead(_) => {
                    "the ID token may have ended: get a new one into the file that `--idp-id-token-file` names"
                }
                TokenError::Unavailable(_) | TokenError::Unusable(_) => LATER,
                _ => "your organisation decides this; ask its administrator for access",
            },
            Self::WrongType(_) => {
                "the identity provider has to support identity assertion grants (ID-JAG); ask its administrator"
            }
            Self::Grant(mode, error) => grant_hint(*mode, error),
            Self::Seed { error, .. } => match error {
                TokenError::Unavailable(_) | TokenError::Unusable(_) => LATER,
                TokenError::ClientDead(_) => "check the client's identifier and its secret or key",
                _ => NEW_SEED,
            },
            Self::SeedSpent { .. } => NEW_SEED,
            Self::NoIdToken { .. } => {
                "ask the operator of the authorization server for refresh tokens that bring ID tokens, and put such a one there; or leave out `--use-id-token`"
            }
            Self::RefusedBefore(..) => {
                "it is not sent twice; a new one is taken as soon as it is there"
            }
            Self::TokenRefused => {
                "the server and its authorization server disagree; tell the operator of the server"
            }
            Self::Elsewhere(_) => LATER,
        }
    }

    fn fmt_grant(
        mode: AuthMode,
        why: &dyn fmt::Display,
        f: &mut fmt::Formatter<'_>,
    ) -> fmt::Result {
        let what = match mode {
            AuthMode::Enterprise => {
                "what the identity provider says of you (ID-JAG) brought no token"
            }
            AuthMode::Workload => "the workload's JWT brought no token",
            AuthMode::Seeded => "the configured refresh token brought no token",
            _ => "the client's own credentials brought no token",
        };
        write!(f, "{what}: {why}")
    }
}

const LATER: &str = "try again later";

const NEW_SEED: &str =
    "put a new refresh token there; it is used as soon as this program is started with it";

fn grant_hint(mode: AuthMode, error: &TokenError) -> &'static str {
    match (error, mode) {
        (TokenError::Unavailable(_) | TokenError::Unusable(_), _) => LATER,
        (TokenError::ClientDead(_), AuthMode::Workload) => {
            "the authorization server has to trust who issues the JWT; check that, and the client if one is configured"
        }
        (TokenError::ClientDead(_), _) => "check the client's identifier and its secret or key",
        (TokenError::InvalidScope(_), _) => "name the scopes to ask for with `--scope`",
        (TokenError::InvalidTarget(_), _) => {
            "the provider does not know the `resource`; try `--resource` with the value it documents, or an empty one"
        }
        (TokenError::GrantDead(_), AuthMode::Workload) => {
            "check issuer, audience and end of the JWT: its audience is to be what the authorization server expects, its issuer as a rule"
        }
        (_, AuthMode::Enterprise) => {
            "your organisation and the server decide this; ask your administrator for access"
        }
        _ => "ask the operator of the authorization server to allow this client the grant",
    }
}

impl fmt::Display for UnattendedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assertion(cause) => cause.fmt(f),
            Self::NotOffered { issuer, grant } => write!(
                f,
                "the authorization server `{}` does not list the grant `{grant}` among those it offers (`grant_types_supported`)",
                printable(issuer.as_str(), SHOWN)
            ),
            Self::Provider(error) => write!(f, "the identity provider cannot be used: {error}"),
            Self::Exchange(error) => {
                f.write_str("the identity provider gave nothing for the ID token: ")?;
                error.fmt_of("identity provider", f)
            }
            Self::WrongType(error) => write!(f, "{error} (`issued_token_type`)"),
            Self::Grant(mode, error) => Self::fmt_grant(*mode, error, f),
            Self::RefusedBefore(mode, refusal) => {
                let why = format!("it was refused before: {refusal}");
                Self::fmt_grant(*mode, &why, f)
            }
            Self::TokenRefused => f.write_str(
                "the server refuses the token that its authorization server issued a moment ago",
            ),
            Self::Seed {
                origin,
                error,
                kept,
            } => {
                write!(f, "the refresh token in {origin} brought no token: {error}")?;
                match kept {
                    true => f.write_str(
                        "; the sign-in in the cache came from another one, and stands as it was",
                    ),
                    false => f.write_str("; the cache holds no other sign-in"),
                }
            }
            Self::SeedSpent { origin } => write!(
                f,
                "the refresh token in {origin} was used before, and those that followed it in the cache are not good any more"
            ),
            Self::NoIdToken { origin } => write!(
                f,
                "the refresh token in {origin} brings no ID token that could be sent in place of the access token, as `--use-id-token` wants it"
            ),
            Self::Elsewhere(note) => {
                write!(f, "another process could not get a token: {}", note.reason)
            }
        }
    }
}

impl Error for UnattendedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Where the text is the inner error's own, its cause is the next in the chain.
        match self {
            Self::Assertion(cause) => cause.source(),
            Self::Provider(error) => error.source(),
            Self::Exchange(error) | Self::Grant(_, error) => error.source(),
            _ => None,
        }
    }
}
