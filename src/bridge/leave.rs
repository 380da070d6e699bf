//! Takes leave: of the AI client with the last answers, of the server with the end of the session.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Bridge, Ending, LAST_WRITE, Wire, exchange};
use crate::mcp::relay::{Effect, Event};
use crate::mcp::session::Session;
use crate::net::remote::Carried;

/// How long answers to what was already asked are awaited after the AI client closed stdin.
const LAST_ANSWERS: Duration = Duration::from_millis(1200);
/// How long the server is told that the session is over.
const FAREWELL: Duration = Duration::from_millis(700);

impl Bridge {
    /// Answers what can still be answered, then takes leave of the server; bounded in time.
    pub(super) async fn shut_down(
        &mut self,
        ending: Ending,
        mut incoming: mpsc::Receiver<(u64, Event)>,
    ) {
        if ending == Ending::ClientGone {
            let answers = async {
                self.relay.host_ended(self.now());
                self.perform().await;
                while self.relay.is_busy() {
                    let Some((exchange, event)) = incoming.recv().await else {
                        break;
                    };
                    self.notice_standing();
                    self.relay.remote_event(exchange, event, self.now());
                    self.perform().await;
                }
            };
            let _ = tokio::time::timeout(LAST_ANSWERS, answers).await;
        }
        self.relay.close();
        let effects = self.relay.take_effects();
        let mut session = None;
        let mut client_reads = true;
        let mut farewells = JoinSet::new();
        for effect in effects {
            match effect {
                Effect::Send(outgoing) => {
                    let (wire, events) = (self.wire.clone(), self.events.clone());
                    farewells.spawn(exchange::run(wire, outgoing, events));
                }
                Effect::Abort(exchange) => {
                    if let Some(handle) = self.handles.remove(&exchange) {
                        handle.abort();
                    }
                }
                Effect::EndSession(ended) => session = Some(ended),
                // One line that does not get through is enough to know that none will.
                Effect::ToHost(line) if client_reads => {
                    let written = tokio::time::timeout(LAST_WRITE, self.output.write(line)).await;
                    client_reads = written.is_ok();
                }
                Effect::ToHost(_) => {}
                Effect::OpenStanding { .. }
                | Effect::Release(_)
                | Effect::Remember { .. }
                | Effect::AwaitTokens(_)
                | Effect::Bring { .. }
                | Effect::RenewConnections
                | Effect::Note(_) => {}
            }
        }
        let farewell = async {
            // Events of these go nowhere any more; keep the channel flowing all the same.
            let cancelled = async { while farewells.join_next().await.is_some() {} };
            tokio::select! {
                () = cancelled => {}
                () = async { while incoming.recv().await.is_some() {} } => {}
            }
            if let Some(session) = session {
                end_session(&self.wire, &session).await;
            }
        };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

pub(super) async fn end_session(wire: &Wire, session: &Session) {
    if session.id.is_none() {
        return;
    }
    let token = match &wire.login {
        Some(login) => login.bearer().await.ok().flatten(),
        None => None,
    };
    let carried = Carried {
        token: token.as_ref(),
        session: Some(session),
    };
    if let Err(broken) = wire.remote.end_session(carried).await {
        wire.diag.debug(format_args!(
            "the session was not ended at the server: {}",
            broken.cause
        ));
    }
}
