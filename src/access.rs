//! How requests to the MCP server are authorized: what is sent with each, and what is done when the
//! server refuses it. The rest of the bridge need not know which way the user chose.

mod bearer;

use std::fmt;

pub use bearer::Bearer;

use crate::login::{Login, LoginError};
use crate::mcp::failure::{Failure, Stage};
use crate::oauth::challenge::Challenge;
use crate::oauth::credential::Credential;
use crate::secret_command::SecretCommandError;

/// How often a message is sent again with another token: after a refresh that the server does not
/// honour, a person may still have to sign in.
const SIGN_INS: u32 = 2;

/// How requests to the MCP server are authorized. Clones share everything.
#[derive(Clone, Debug)]
pub enum Access {
    /// By an `Authorization` header among those that the user configured, or not at all.
    Header,
    /// By a token that the user's environment or a command of theirs gives.
    Bearer(Bearer),
    /// By OAuth.
    Login(Login),
}

/// Why there is nothing to send. Clones are the same failure, told to several that waited.
#[derive(Clone, Debug)]
pub enum AccessError {
    /// No token came of OAuth.
    Login(LoginError),
    /// The user's command gave no token.
    Command(SecretCommandError),
    /// What the user configured was refused, and there is nothing else to send.
    Refused {
        /// What was refused, as in "the server does not accept …".
        what: String,
        /// What the user does next.
        hint: String,
    },
}

impl From<LoginError> for AccessError {
    fn from(error: LoginError) -> Self {
        Self::Login(error)
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(error) => error.fmt(f),
            Self::Command(error) => error.fmt(f),
            Self::Refused { what, hint } => write!(f, "the server does not accept {what}; {hint}"),
        }
    }
}

impl std::error::Error for AccessError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // Where the text is the inner error's own, its cause is the next in the chain.
        match self {
            Self::Login(error) => error.source(),
            Self::Command(error) => error.source(),
            Self::Refused { .. } => None,
        }
    }
}

impl AccessError {
    /// Whether a server could not be reached, so that nothing was decided.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Login(error) if error.is_unreachable())
    }

    /// Whether nothing but another configuration helps.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// The same for the AI client, which is all that its user sees. `server` is the server's name,
    /// `status` what it refused with.
    pub fn failure(&self, server: &str, status: u16) -> Failure {
        match self {
            Self::Login(error) => error.failure(),
            Self::Command(error) => {
                let detail = format!("no token for `{server}`: {error}; {}", error.hint());
                // What it failed of may pass: a network, a sign-in of its own.
                Failure::new(Stage::Auth, true, detail)
            }
            Self::Refused { what, hint } => {
                let detail = match status {
                    403 => format!("`{server}` says that {what} may not do this"),
                    _ => format!("`{server}` does not accept {what}; {hint}"),
                };
                Failure {
                    status: Some(status),
                    ..Failure::new(Stage::Auth, false, detail)
                }
            }
        }
    }
}

impl Access {
    /// What to send with a request, if that can be told at once; in there is `None` if there is nothing,
    /// or if it goes with the user's headers. Otherwise [`Self::credential`] has to be asked.
    pub fn at_hand(&self) -> Option<Option<Credential>> {
        match self {
            Self::Header => Some(None),
            Self::Bearer(_) => None,
            Self::Login(login) => login.at_hand(),
        }
    }

    /// What to send with a request, made good first if it has ended; `None` if there is nothing, or
    /// if it goes with the user's headers. Asks nobody.
    pub async fn credential(&self) -> Result<Option<Credential>, AccessError> {
        match self {
            Self::Header => Ok(None),
            // Requests by the hundred wait for their answers in the same frame; few run a command.
            Self::Bearer(bearer) => Box::pin(bearer.credential()).await.map(Some),
            Self::Login(login) => Ok(login.credential().await?),
        }
    }

    /// What to send after a 401. `rejected` is what was sent, if anything was.
    pub async fn challenged(
        &self,
        rejected: Option<Credential>,
        challenge: Challenge,
    ) -> Result<Credential, AccessError> {
        match self {
            Self::Header => Err(self.refused()),
            Self::Bearer(bearer) => Box::pin(bearer.challenged(rejected)).await,
            Self::Login(login) => Ok(login.challenged(rejected, challenge).await?),
        }
    }

    /// What to send after a 403 with `insufficient_scope`. `used` is what was sent.
    pub async fn insufficient_scope(
        &self,
        used: Option<Credential>,
        challenge: Option<Challenge>,
    ) -> Result<Credential, AccessError> {
        match (self, used, challenge) {
            (Self::Login(login), Some(used), Some(challenge)) => {
                Ok(login.insufficient_scope(used, challenge).await?)
            }
            _ => Err(self.refused()),
        }
    }

    /// The refusal of what is sent, where nothing else is to be tried.
    pub fn refused(&self) -> AccessError {
        let (what, hint) = match self {
            Self::Header => ("the configured `Authorization` header", "check its value"),
            Self::Login(login) if !login.asks() => {
                ("the token that was issued for it", "tell its operator")
            }
            Self::Login(_) => (
                "the token it was given",
                "sign in again with `mcp-drawbridge login`",
            ),
            Self::Bearer(bearer) => return bearer.refused(),
        };
        AccessError::Refused {
            what: what.to_owned(),
            hint: hint.to_owned(),
        }
    }

    /// How often one message is sent again with something else.
    pub fn renewals(&self) -> u32 {
        match self {
            Self::Header => 0,
            Self::Bearer(_) => 1,
            Self::Login(_) => SIGN_INS,
        }
    }

    /// Whether a person may be asked for something.
    pub fn asks(&self) -> bool {
        self.login().is_some_and(Login::asks)
    }

    /// Who signs in, where that is the way.
    pub fn login(&self) -> Option<&Login> {
        match self {
            Self::Login(login) => Some(login),
            Self::Header | Self::Bearer(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
