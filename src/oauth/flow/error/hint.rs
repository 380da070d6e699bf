//! What the user does next.

use super::FlowError;
use crate::oauth::authorize::CallbackError;
use crate::oauth::device::DeviceError;
use crate::oauth::pushed::PushError;
use crate::oauth::takeover::Unfit;
use crate::oauth::token_endpoint::TokenError;

const TARGET_HINT: &str = "the provider does not know the `resource`; try `--resource` with the value it documents, or an empty one";

pub(in crate::oauth::flow) const PROOF_HINT: &str = "check the clock of this machine; `--dpop never` does without such proofs, if the server allows it";

const SCOPE_HINT: &str = "name the scopes to ask for with `--scope`";

impl FlowError {
    /// What the user does next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Store(_) => "check the folder of the sign-ins and who may write to it",
            Self::Lock(_) => "end the other mcp-drawbridge that holds it, or wait until it is done",
            Self::SignInLock(_) => {
                "finish the sign-in in the open browser tab, or end that process and try again"
            }
            Self::Discovery(error) => error.hint(),
            Self::NoRegistration { .. } => {
                "create a client in the provider's console and pass it with `--static-oauth-client-info`"
            }
            Self::Registration(error) => error.hint(),
            Self::Forbidden(_) => "report this to the operator of the server",
            Self::OtherIssuersClient { .. } => {
                "if the client is right, sign out with `mcp-drawbridge logout` and try again"
            }
            Self::ClientAuth(error) => error.hint(),
            Self::Dpop(error) => error.hint(),
            Self::ProofKey(_) => "the system gives no randomness; try again",
            Self::Callback(_) => {
                "free the port, or choose another callback port; a client of your own has to be registered with it"
            }
            Self::RedirectUri(_) => "check `--host` and `--callback-path`",
            Self::RedirectUriRefused { .. } => {
                "add this address to the client at the provider, or give the one that is registered: the port after the server's address, `--host` and `--callback-path`, or `redirect_uri` in the configuration file"
            }
            Self::NoAuthorizationEndpoint(_) => {
                "name it with `--authorization-endpoint`, or choose a way that needs nobody"
            }
            Self::SignIn(error) => callback_hint(error),
            Self::TimedOut(_) => {
                "begin it again, and open its newest address in a browser; `--auth-timeout` gives more time"
            }
            Self::TooManyAttempts => {
                "wait ten minutes, or restart the AI client to begin again; the server refuses what it has granted"
            }
            Self::ScopesNotGranted(_) => {
                "your account may lack the permission; sign in anew with `mcp-drawbridge login` once it has it"
            }
            Self::NoDeviceGrant(_) => {
                "leave out `--device-code` to sign in through a browser; if it cannot come back to this machine, `mcp-drawbridge login` takes the address that it ends on"
            }
            Self::Device(DeviceError(TokenError::ClientDead(_) | TokenError::Refused(_))) => {
                "allow the client the device grant at the provider, or leave out `--device-code`"
            }
            Self::Device(DeviceError(error)) => exchange_hint(error),
            Self::NotConfirmed(_) => {
                "begin again to get a new code: run `mcp-drawbridge login` with `--device-code`, or restart the AI client"
            }
            Self::Pushed(PushError(error)) => exchange_hint(error),
            Self::Token(error) => token_hint(error),
            Self::Exchange(error) => exchange_hint(error),
            Self::Unattended(error) => error.hint(),
            Self::RefreshElsewhere(_) => "you are still signed in; try again later",
            Self::SignInElsewhere(_) => "try again to sign in",
            Self::NotTakenOver(Some(Unfit::Shared(_))) => "end mcp-remote, then try again",
            Self::NotTakenOver(_) => "sign in with `mcp-drawbridge login`",
            Self::Unexpected { .. } => "this is a fault of mcp-drawbridge; please report it",
        }
    }
}

fn callback_hint(error: &CallbackError) -> &'static str {
    let code = match error {
        CallbackError::Declined(_) => return "try again to sign in after all",
        CallbackError::Refused(refusal) => refusal.error.as_deref().unwrap_or_default(),
        _ => "",
    };
    match code {
        "invalid_target" => TARGET_HINT,
        "invalid_scope" => SCOPE_HINT,
        "unauthorized_client" | "invalid_client" | "unsupported_response_type" => {
            "allow the client the authorization code grant at the provider, or name another with `--static-oauth-client-info`"
        }
        _ => "try again; if it stays so, report it to the operator of the server",
    }
}

/// A code is spent once, or was never had, so the person has to come again in any case.
fn exchange_hint(error: &TokenError) -> &'static str {
    match error {
        TokenError::Unavailable(_) => "try again to sign in",
        TokenError::Unusable(_) => {
            "try again to sign in; if it stays so, tell the operator of the server"
        }
        error => token_hint(error),
    }
}

fn token_hint(error: &TokenError) -> &'static str {
    match error {
        TokenError::InvalidTarget(_) => TARGET_HINT,
        TokenError::InvalidScope(_) => SCOPE_HINT,
        TokenError::Refused(refusal) if refusal.is_about_proof() => PROOF_HINT,
        TokenError::ClientDead(_) => "check the client with `--static-oauth-client-info`",
        TokenError::Unavailable(_) | TokenError::Unusable(_) => {
            "you are still signed in; try again later"
        }
        TokenError::GrantDead(_)
        | TokenError::Refused(_)
        | TokenError::Pending(_)
        | TokenError::SlowDown(_)
        | TokenError::Declined(_)
        | TokenError::Expired(_) => "try again to sign in anew",
    }
}
