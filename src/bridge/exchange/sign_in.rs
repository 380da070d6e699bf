//! Getting a token for a message that the server refused without one.

use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Ended, Exchange, REPORTS};
use crate::access::{Access, AccessError};
use crate::login::{Login, LoginError};
use crate::mcp::failure::{Failure, Stage};
use crate::mcp::relay::{self, Event, OutgoingKind};
use crate::oauth::challenge::Challenge;
use crate::oauth::credential::Credential;
use crate::oauth::invitation::Standing;

/// How long a token may take that needs nobody before the relay is told. Clients give `initialize`
/// ten seconds at the least.
const DELAY: Duration = Duration::from_secs(6);

impl Exchange {
    /// What to send, if there is anything; refreshed first if it has ended.
    pub(super) async fn credential(&self) -> Result<Option<Credential>, Ended> {
        let access = &self.wire.access;
        let mut credential = std::pin::pin!(access.credential());
        // As a rule it is known, and the task that knows it says so in its turn. To set a clock for
        // that would cost two system calls.
        tokio::select! {
            biased;
            done = &mut credential => return done.map_err(|error| self.refused(&error, 401)),
            () = everybody_had_a_turn() => {}
        }
        let begun = Instant::now();
        let mut told = false;
        loop {
            tokio::select! {
                biased;
                done = &mut credential => return done.map_err(|error| self.refused(&error, 401)),
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
        matches!(&self.outgoing.kind, OutgoingKind::Request(method) if !matches!(&**method, "initialize" | "server/discover"))
    }

    fn too_late(&self) -> Ended {
        let server = &self.wire.server;
        let detail = format!(
            "the token for `{server}` is being refreshed, which takes unusually long; try again in a moment"
        );
        Failure::new(Stage::Auth, true, detail).into()
    }

    pub(super) async fn sign_in(&mut self, challenge: Option<Challenge>) -> Result<(), Ended> {
        let access = self.wire.access.clone();
        let may_ask = self.outgoing.asks || !access.asks();
        if !may_ask || self.sign_ins >= access.renewals() {
            return Err(self.refused(&access.refused(), 401));
        }
        let challenge = challenge.unwrap_or_default();
        // Another token would be refused for the same.
        if challenge.refuses_proof && self.credential.as_ref().is_some_and(Credential::is_bound) {
            let server = &self.wire.server;
            let detail = format!(
                "`{server}` refuses the proof that goes with the token (RFC 9449 §7.1); check the clock of this machine"
            );
            return Err(Ended::Failed(Failure {
                status: Some(401),
                ..Failure::new(Stage::Auth, false, detail)
            }));
        }
        self.sign_ins += 1;
        let rejected = self.credential.take();
        self.while_signing_in(&access, 401, access.challenged(rejected, challenge))
            .await
    }

    pub(super) async fn step_up(&mut self, challenge: Option<Challenge>) -> Result<(), Ended> {
        let access = self.wire.access.clone();
        if access.asks() && (!self.outgoing.asks || self.step_ups >= access.renewals()) {
            let server = &self.wire.server;
            let detail = format!("`{server}` does not grant what this request needs");
            return Err(Ended::Failed(Failure {
                status: Some(403),
                ..Failure::new(Stage::Auth, false, detail)
            }));
        }
        self.step_ups += 1;
        let used = self.credential.take();
        self.while_signing_in(&access, 403, access.insufficient_scope(used, challenge))
            .await
    }

    fn refused(&self, error: &AccessError, status: u16) -> Ended {
        error.failure(&self.wire.server, status).into()
    }

    /// Waits for a token, and says so if it takes a person. They may take longer than a client
    /// can be kept waiting; `initialize` is answered without them.
    async fn while_signing_in(
        &self,
        access: &Access,
        status: u16,
        signing_in: impl Future<Output = Result<Credential, AccessError>>,
    ) -> Result<(), Ended> {
        let mut signing_in = std::pin::pin!(signing_in);
        let mut standing = access.login().map(Login::standing);
        let begun = Instant::now();
        let (mut report_at, mut told) = (begun, false);
        loop {
            let needed = standing
                .as_mut()
                .is_some_and(|standing| standing.borrow_and_update().needs_person());
            let needed_for = access
                .login()
                .map_or(Duration::ZERO, Login::person_needed_for);
            let patience = relay::PATIENCE.saturating_sub(needed_for);
            tokio::select! {
                biased;
                done = &mut signing_in => return match done {
                    Ok(_) => Ok(()),
                    Err(error) => Err(self.refused(&error, status)),
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
                lives = changed(&mut standing) => if !lives {
                    // The program ends, and with it the wait.
                    return Err(self.refused(&LoginError::Closing.into(), status));
                },
            }
        }
    }
}

/// Completes when all tasks that were ready to run have run.
async fn everybody_had_a_turn() {
    let mut waited = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        // Tasks run in the order in which they were woken.
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Waits for the sign-in to stand otherwise. `false` if nobody signs in any more.
async fn changed(standing: &mut Option<watch::Receiver<Standing>>) -> bool {
    match standing {
        Some(standing) => standing.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}
