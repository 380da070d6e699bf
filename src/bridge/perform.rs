//! Does what the relay wants done: an arm for each effect.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::leave::end_session;
use super::{Bridge, Running, Wire, exchange, standing};
use crate::mcp::relay::{Effect, Event, Note, Outgoing, OutgoingKind};
use crate::net::pulse::Disturbance;
use crate::secret::Secret;

/// Most messages on their way to the server and streams from it.
const TASKS: usize = 4096;
/// How long the end of an exchange is awaited that nobody needs any more.
const GRACE: Duration = Duration::from_secs(2);

impl Bridge {
    /// Does everything that the relay wants done by now, in order.
    pub(super) fn perform(&mut self) {
        while let Some(effect) = self.relay.next_effect() {
            match effect {
                Effect::ToHost(line) => {
                    self.heap.passes(line.len());
                    self.output.push(line);
                }
                Effect::Send(outgoing) => self.send(outgoing),
                Effect::Abort(exchange) => {
                    if let Some(running) = self.handles.remove(&exchange) {
                        running.handle.abort();
                    }
                }
                Effect::Release(exchange) => self.release(exchange),
                Effect::OpenStanding { exchange, session } => {
                    let (wire, events) = (self.wire.clone(), self.events.clone());
                    self.spawn(exchange, standing::run(wire, exchange, session, events));
                }
                Effect::EndSession(session) => {
                    let (wire, exchange) = (self.wire.clone(), 0);
                    self.spawn(exchange, async move { end_session(&wire, &session).await });
                }
                Effect::Remember {
                    record,
                    transport,
                    detected,
                } => {
                    if let Some(observer) = &self.wire.observer {
                        // Who has gone away wants to know nothing.
                        let _ = observer.send(((*record).clone(), transport));
                    }
                    if let Some(memory) = &self.wire.memory {
                        memory.keep(*record, transport, detected, self.wire.diag.clone());
                    }
                }
                Effect::AwaitTokens(watch) => {
                    let (wire, events) = (self.wire.clone(), self.events.clone());
                    self.spawn(watch, await_tokens(wire, watch, events));
                }
                Effect::Bring { call, text } => {
                    let (wire, events) = (self.wire.clone(), self.events.clone());
                    self.spawn(call, bring(wire, call, text, events));
                }
                Effect::RenewConnections => {
                    self.wire
                        .remote
                        .connections()
                        .renew(Disturbance::Unanswered);
                }
                Effect::Note(Note::Notable(text)) => self.wire.diag.note(text),
                Effect::Note(Note::Detail(text)) => self.wire.diag.debug(text),
            }
        }
    }

    fn send(&mut self, outgoing: Outgoing) {
        // Requests are counted by the relay. What else there is can only be so much where the
        // server asks and asks, and takes no answer.
        if self.tasks.len() >= TASKS && !matches!(outgoing.kind, OutgoingKind::Request(_)) {
            let note = "dropped a message to the server, which takes none at the moment";
            return self.wire.diag.debug(note);
        }
        let exchange = outgoing.exchange;
        let delivers = matches!(
            outgoing.kind,
            OutgoingKind::Notification(_) | OutgoingKind::Response
        );
        let (wire, events) = (self.wire.clone(), self.events.clone());
        self.spawn_that(exchange, delivers, exchange::run(wire, outgoing, events));
    }

    /// Lets an exchange come to its end for a moment: a connection that is cut cannot be used again.
    fn release(&mut self, exchange: u64) {
        if let Some(running) = self.handles.remove(&exchange) {
            tokio::spawn(async move {
                tokio::time::sleep(GRACE).await;
                running.handle.abort();
            });
        }
    }

    fn spawn(&mut self, exchange: u64, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_that(exchange, false, task);
    }

    /// `delivers`: see [`Running`].
    fn spawn_that(
        &mut self,
        exchange: u64,
        delivers: bool,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        // Its memory is its own: what is given to the runtime is moved several times.
        let task = Box::pin(task);
        let handle = self.tasks.spawn(async move {
            task.await;
            exchange
        });
        if exchange != 0 {
            self.handles.insert(exchange, Running { handle, delivers });
        }
    }
}

/// Looks out for tokens that another process obtains.
async fn await_tokens(wire: Arc<Wire>, watch: u64, events: mpsc::Sender<(u64, Event)>) {
    if let Some(login) = wire.access.login() {
        login.changed_elsewhere().await;
        // The bridge has ended when nobody listens.
        let _ = events.send((watch, Event::TokensChanged)).await;
    }
}

/// Finishes the sign-in with what the user pasted.
async fn bring(wire: Arc<Wire>, call: u64, text: Secret, events: mpsc::Sender<(u64, Event)>) {
    let Some(login) = wire.access.login() else {
        return;
    };
    let brought = login.bring(text.expose()).await;
    let outcome = brought.map_err(|error| format!("{error}; {}", error.hint()));
    // The bridge has ended when nobody listens.
    let _ = events.send((call, Event::Brought(outcome))).await;
}
