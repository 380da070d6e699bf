//! Tokens that are not got by OAuth: from a variable, or from a command of the user's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::AccessError;
use crate::config::BearerSource;
use crate::oauth::credential::Credential;
use crate::secret::Secret;
use crate::secret_command::{SecretCommand, SecretCommandError};

/// A token that is not got by OAuth. Clones share everything.
#[derive(Clone)]
pub struct Bearer(Arc<Inner>);

struct Inner {
    source: BearerSource,
    /// How often the command has run. Changed by the holder of `state` only.
    runs: AtomicU64,
    /// Held while the command runs, so that all who need it share one run.
    state: Mutex<State>,
}

/// What came of the command. In memory only.
#[derive(Default)]
struct State {
    token: Option<Secret>,
    /// What the last run failed of.
    failure: Option<SecretCommandError>,
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bearer").field(&self.0.source).finish()
    }
}

impl Bearer {
    /// Nothing is run before the first token is needed.
    pub fn new(source: BearerSource) -> Self {
        Self(Arc::new(Inner {
            source,
            runs: AtomicU64::new(0),
            state: Mutex::default(),
        }))
    }

    /// What to send. Runs the command if it has given nothing yet.
    pub async fn credential(&self) -> Result<Credential, AccessError> {
        match &self.0.source {
            BearerSource::Variable { token, .. } => Ok(Credential::bearer(token.clone())),
            BearerSource::Command(command) => {
                let token = self.printed(command, |_| true).await?;
                Ok(Credential::bearer(token))
            }
        }
    }

    /// What to send after a 401. `rejected` is what was sent. A command is run again, once: what it
    /// gives then is refused for good if it is the same.
    pub async fn challenged(
        &self,
        rejected: Option<Credential>,
    ) -> Result<Credential, AccessError> {
        let BearerSource::Command(command) = &self.0.source else {
            return Err(self.refused());
        };
        let rejected = rejected.map(|credential| credential.token);
        // Another request may have been refused before, and have had it run.
        let differs = |token: &Secret| rejected.as_ref() != Some(token);
        let token = self.printed(command, differs).await?;
        match differs(&token) {
            true => Ok(Credential::bearer(token)),
            false => Err(self.refused()),
        }
    }

    /// The token that is there, if it will do, else what the command prints now. Those that wait
    /// for a run share what comes of it, be it a failure.
    async fn printed(
        &self,
        command: &SecretCommand,
        will_do: impl Fn(&Secret) -> bool,
    ) -> Result<Secret, AccessError> {
        let seen = self.0.runs.load(Ordering::Relaxed);
        let mut state = self.0.state.lock().await;
        let shares = self.0.runs.load(Ordering::Relaxed) != seen;
        match (&state.token, &state.failure) {
            (Some(token), _) if shares || will_do(token) => return Ok(token.clone()),
            (None, Some(failure)) if shares => return Err(AccessError::Command(failure.clone())),
            _ => {}
        }
        let outcome = command.run().await;
        self.0.runs.fetch_add(1, Ordering::Relaxed);
        match outcome {
            Ok(token) => {
                state.token = Some(token.clone());
                state.failure = None;
                Ok(token)
            }
            Err(error) => {
                state.token = None;
                state.failure = Some(error.clone());
                Err(AccessError::Command(error))
            }
        }
    }

    /// The refusal of the token: it names where it comes from.
    pub fn refused(&self) -> AccessError {
        let (what, hint) = match &self.0.source {
            BearerSource::Variable { name, .. } => (
                format!("the token in the variable `{name}`"),
                "set it to one that is good, and restart the AI client".to_owned(),
            ),
            BearerSource::Command(command) => (
                format!("the token that the command `{}` prints", command.program()),
                "run it in a terminal to see whether it needs a new sign-in".to_owned(),
            ),
        };
        AccessError::Refused { what, hint }
    }
}

#[cfg(test)]
mod tests;
