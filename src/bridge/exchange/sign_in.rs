//! Getting a token for a message that the server refused without one.

use std::time::Duration;

use tokio::time::Instant;

use super::{Ended, Exchange, REPORTS};
use crate::login::{Login, LoginError};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::relay::{self, Event, OutgoingKind};
use crate::oauth::challenge::Challenge;
use crate::oauth::credential::Credential;

/// How often a message is sent again with another token: after a refresh that the server does not
/// honour, a person may still have to sign in.
const SIGN_INS: u32 = 2;
/// How long a token may take that needs nobody before the relay is told. Clients give `initialize`
/// ten seconds at the least.
const DELAY: Duration = Duration::from_secs(6);

impl Exchange {
    /// What to send, if there is anything; refreshed first if it has ended.
    pub(super) async fn credential(&self) -> Result<Option<Credential>, Ended> {
        let Some(login) = &self.wire.login else {
            return Ok(None);
        };
        let mut credential = std::pin::pin!(login.credential());
        let begun = Instant::now();
        let mut told = false;
        loop {
            tokio::select! {
                biased;
                done = &mut credential => return Ok(done.map_err(|error| error.failure())?),
                () = tokio::time::sleep_until(begun + DELAY), if !told => {
                    told = true;
                    self.report(Event::Delayed).await;
                }
                () = tokio::time::sleep_until(begun + relay::PATIENCE), if self.is_hurried() => {
                    return Err(self.too_late());
                }
            }
        }
    }

    /// Whether an AI client waits that is not answered in another way.
    fn is_hurried(&self) -> bool {
        matches!(&self.outgoing.kind, OutgoingKind::Request(method) if &**method != "initialize")
    }

    fn too_late(&self) -> Ended {
        let server = &self.wire.server;
        let detail = format!(
            "the token for `{server}` is being refreshed, which takes unusually long; try again in a moment"
        );
        Failure::new(Stage::Auth, true, detail).into()
    }

    pub(super) async fn sign_in(&mut self, challenge: Option<Challenge>) -> Result<(), Ended> {
        let server = &self.wire.server;
        let Some(login) = self.wire.login.clone() else {
            let detail = format!(
                "`{server}` does not accept the configured `Authorization` header; check its value"
            );
            return Err(refused(401, detail));
        };
        if !self.outgoing.asks || self.sign_ins >= SIGN_INS {
            let detail = format!("`{server}` does not accept the token it was given");
            return Err(refused(401, detail));
        }
        self.sign_ins += 1;
        let challenge = challenge.unwrap_or_default();
        let rejected = self.credential.take();
        self.while_signing_in(&login, login.challenged(rejected, challenge))
            .await
    }

    pub(super) async fn step_up(&mut self, challenge: Option<Challenge>) -> Result<(), Ended> {
        let server = &self.wire.server;
        let (Some(login), Some(used), Some(challenge)) =
            (self.wire.login.clone(), self.credential.take(), challenge)
        else {
            let detail = format!("`{server}` says that the configured credentials may not do this");
            return Err(refused(403, detail));
        };
        if !self.outgoing.asks || self.step_ups >= SIGN_INS {
            let detail = format!("`{server}` does not grant what this request needs");
            return Err(refused(403, detail));
        }
        self.step_ups += 1;
        self.while_signing_in(&login, login.insufficient_scope(used, challenge))
            .await
    }

    /// Waits for a token, and says so if it takes a person. They may take longer than a client
    /// can be kept waiting; `initialize` is answered without them.
    async fn while_signing_in(
        &self,
        login: &Login,
        signing_in: impl Future<Output = Result<Credential, LoginError>>,
    ) -> Result<(), Ended> {
        let mut signing_in = std::pin::pin!(signing_in);
        let mut standing = login.standing();
        let begun = Instant::now();
        let (mut report_at, mut told) = (begun, false);
        loop {
            let needed = standing.borrow_and_update().needs_person();
            let patience = relay::PATIENCE.saturating_sub(login.person_needed_for());
            tokio::select! {
                biased;
                done = &mut signing_in => return match done {
                    Ok(_) => Ok(()),
                    Err(error) => Err(error.failure().into()),
                },
                () = tokio::time::sleep_until(report_at), if needed => {
                    self.report(Event::SigningIn).await;
                    report_at = Instant::now() + REPORTS;
                }
                () = tokio::time::sleep(patience), if needed && self.is_hurried() => {
                    return Err(Ended::NotSignedIn);
                }
                () = tokio::time::sleep_until(begun + DELAY), if !needed && !told => {
                    told = true;
                    self.report(Event::Delayed).await;
                }
                () = tokio::time::sleep_until(begun + relay::PATIENCE), if !needed && self.is_hurried() => {
                    return Err(self.too_late());
                }
                changed = standing.changed() => if changed.is_err() {
                    // The program ends, and with it the wait.
                    return Err(LoginError::Closing.failure().into());
                },
            }
        }
    }
}

fn refused(status: u16, detail: String) -> Ended {
    let failure = Failure::new(Stage::Auth, false, detail);
    Ended::Failed(Failure {
        status: Some(status),
        ..failure
    })
}
