//! Takes leave: of the AI client with the last answers, of the server with the end of the session,
//! and of the authorization server, whose tokens may be on their way. All of it has one deadline, but
//! a script gets its answers however long it takes to read them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::{Bridge, Ending, Wire, exchange};
use crate::login;
use crate::mcp::relay::Effect;
use crate::mcp::session::Session;
use crate::net::remote::Carried;

/// How long leaving may take, from the end of stdin on. With the last files and the last words on
/// stderr it stays below the two seconds after which clients kill what they started.
const LEAVE: Duration = Duration::from_millis(1300);
/// How much of that answers to what was already asked are awaited.
const LAST_ANSWERS: Duration = Duration::from_millis(700);
/// The same for what nobody awaits an answer to, where a script has all its answers.
const LAST_DELIVERY: Duration = Duration::from_secs(10);
/// How much of the rest is for telling the server what is no longer wanted, before it is told that
/// the session is over.
const CANCELLATIONS: Duration = Duration::from_millis(250);

/// Most requests whose end is told one by one. The end of the session tells that of the others.
const MOST_CANCELLATIONS: usize = 16;

impl Bridge {
    /// The AI client will say nothing more. Whoever waits for answers still gets those that come
    /// soon; a script gets all of them.
    pub(super) fn input_ended(&mut self) {
        self.relay.host_ended(self.now());
        self.hurry();
    }

    /// From now on answers count only if they come soon; unless it is a script that waits for them.
    pub(super) fn hurry(&mut self) {
        if !self.relay.awaits_all() && self.answers_until.is_none() {
            self.answers_until = Some(Instant::now() + LAST_ANSWERS);
        }
    }

    /// Nobody is kept by a server that does not take what nobody awaits an answer to.
    pub(super) fn limit_delivery(&mut self) {
        let limit = || Instant::now() + LAST_DELIVERY;
        self.answers_until.get_or_insert_with(limit);
    }

    /// The server has taken what this exchange brought it. What it says besides is not waited for.
    pub(super) fn delivered(&mut self, exchange: u64) {
        if let Some(running) = self.handles.get_mut(&exchange) {
            running.delivers = false;
        }
    }

    /// Whether something that the AI client has said and awaits no answer to is still on its way to
    /// the server, or waits for a session that is on its way.
    pub(super) fn is_delivering(&self) -> bool {
        let delivers = self.handles.values().any(|running| running.delivers);
        // What has come of one that has ended may be that it is to be sent again.
        delivers || self.relay.is_holding() || !self.incoming.is_empty()
    }
}

/// Ends the bridge: says what is to be said, and waits until it has been said and new tokens are on
/// the disk, or the time is over. With `hurry`, what is there for the AI client is written however
/// long that takes, until that tells to hurry. An error says how it ends instead, as not everything
/// was written.
pub(super) async fn leave(
    mut bridge: Bridge,
    tokens: Option<login::Task>,
    hurry: Option<&Notify>,
) -> Result<(), Ending> {
    let latest = Instant::now() + LEAVE;
    let until = match bridge.answers_until {
        Some(answers_until) => latest.min(answers_until + (LEAVE - LAST_ANSWERS)),
        None => latest,
    };
    let until = until.into();
    bridge.relay.close(bridge.now());
    let mut session = None;
    let mut farewells = JoinSet::new();
    while let Some(effect) = bridge.relay.next_effect() {
        match effect {
            Effect::Send(outgoing) if farewells.len() < MOST_CANCELLATIONS => {
                let (wire, events) = (bridge.wire.clone(), bridge.events.clone());
                farewells.spawn(exchange::run(wire, outgoing, events));
            }
            Effect::Abort(exchange) => {
                if let Some(running) = bridge.handles.remove(&exchange) {
                    running.handle.abort();
                }
            }
            Effect::EndSession(ended) => session = Some(ended),
            Effect::ToHost(line) => bridge.output.push(line),
            Effect::Send(_)
            | Effect::OpenStanding { .. }
            | Effect::Release(_)
            | Effect::Remember { .. }
            | Effect::AwaitTokens(_)
            | Effect::Bring { .. }
            | Effect::RenewConnections
            | Effect::Note(_) => {}
        }
    }
    let Bridge {
        wire,
        mut incoming,
        events,
        tasks,
        output,
        ..
    } = bridge;
    // What comes now goes nowhere any more; the channel flows on all the same.
    drop(events);
    let drained = async {
        while incoming.recv().await.is_some() {}
        std::future::pending::<()>().await
    };
    let output = async {
        let finish = output.finish();
        tokio::pin!(finish);
        if let Some(hurry) = hurry {
            tokio::select! {
                written = &mut finish => return written.map_err(Ending::from),
                () = hurry.notified() => {}
            }
        }
        match timeout_at(until, finish).await {
            Ok(written) => written.map_err(Ending::from),
            Err(_) => Err(Ending::Unread),
        }
    };
    let said = async {
        let _ = timeout_at(until, take_leave(&wire, farewells, session)).await;
        if let Some(memory) = &wire.memory {
            let _ = timeout_at(until, memory.settled()).await;
        }
        // Nobody needs tokens any more. Those on their way must reach the disk.
        drop((wire, tasks));
        if let Some(tokens) = tokens {
            let _ = timeout_at(until, tokens.ended()).await;
        }
    };
    tokio::select! {
        ((), written) = async { tokio::join!(said, output) } => written,
        () = drained => Ok(()),
    }
}

/// Tells the server what is no longer wanted, and that the session is over.
async fn take_leave(wire: &Wire, mut farewells: JoinSet<()>, session: Option<Arc<Session>>) {
    let cancelled = async { while farewells.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(CANCELLATIONS, cancelled).await;
    drop(farewells);
    if let Some(session) = session {
        end_session(wire, &session).await;
    }
}

/// Tells the server that a session is over.
pub(super) async fn end_session(wire: &Wire, session: &Session) {
    if session.id.is_none() {
        return;
    }
    let credential = wire.access.credential().await.ok().flatten();
    let carried = Carried {
        credential: credential.as_ref(),
        session: Some(session),
        head: None,
    };
    if let Err(broken) = wire.remote.end_session(carried).await {
        wire.diag.debug(format_args!(
            "the session was not ended at the server: {}",
            broken.cause
        ));
    }
}
