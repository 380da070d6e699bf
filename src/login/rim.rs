//! Performs the actions of one flow and says what came of them.

mod asking;
mod cache;
mod device;
mod elsewhere;
mod show;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use asking::told;
pub use elsewhere::holds;
use http::HeaderMap;
use rand::RngCore;
use rand::rngs::OsRng;
use show::Said;
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use super::CACHE_POLL;
use super::door::{self, Door, Listen};
use super::guide::Audience;
use super::trace::Trace;
use super::visitor::{Pasted, Visitor, hand_on};
use crate::assertion_source::AssertionSource;
use crate::browser::{BrowserError, Place};
use crate::compat::import;
use crate::config::Again;
use crate::diag::Diag;
use crate::ids::ServerKey;
use crate::net::callback::{CallbackError, Page, Visit};
use crate::net::connections::Connections;
use crate::net::token_endpoint;
use crate::oauth::authorize::Randomness;
use crate::oauth::dpop::ProofKey;
use crate::oauth::flow::{Action, Event, Flow, FlowError, Goal, Seed, Settings};
use crate::oauth::invitation::{Open, Standing};
use crate::oauth::scope::History;
use crate::oauth::sign_in::SignIn;
use crate::oauth::token::Grant;
use crate::oauth::token_endpoint::Cause;
use crate::secret::Secret;
use crate::store::{Cached, ImportLock, Lock, LockError, SignInLock, Stamp, Store, StoreError};

/// How often a process that waits for its turn looks at lock and cache.
const TURN_POLL: Duration = Duration::from_millis(150);

/// How addresses get into a browser.
pub type OpenBrowser = Arc<dyn Fn(&Url) -> Result<(), BrowserError> + Send + Sync>;

/// What a sign-in needs of the machine that it runs on.
pub struct Machine {
    /// `None` if the user wants no browser to be opened.
    pub browser: Option<OpenBrowser>,
    /// Where this is, if nobody looks at the screen.
    pub place: fn() -> Option<Place>,
    /// How ports are listened on.
    pub listen: Listen,
    /// Whether that is so for others than this machine, too.
    pub open_to_network: bool,
}

/// What all flows of one server share.
pub struct Rim {
    pub settings: Arc<Settings>,
    pub key: ServerKey,
    pub store: Store,
    pub http: Connections,
    /// The user's headers for the MCP server, and for nobody else.
    pub headers: HeaderMap,
    pub diag: Diag,
    /// What a sign-in needs of the machine that it runs on.
    pub machine: Machine,
    /// How the user repeats the sign-in in a terminal.
    pub again: Again,
    /// The refresh token to begin with.
    pub seed: Option<Seed>,
    /// Where that is which is handed in for tokens without a person.
    pub assertion: Option<AssertionSource>,
    /// Who reads what is said.
    pub audience: OnceLock<Audience>,
    /// Who follows the flows, if that is not the diagnostic output.
    pub trace: OnceLock<Arc<dyn Trace>>,
    /// What a person has to do now.
    pub standing: watch::Sender<Standing>,
    /// Since when a person has been needed.
    pub needed_since: std::sync::Mutex<Option<Instant>>,
    /// When it was looked last whether somebody is signed in, and nobody was.
    pub nothing_found: std::sync::Mutex<Option<Instant>>,
    /// Answers that a person copied from the browser.
    pub pastes: Mutex<mpsc::Receiver<Pasted>>,
    /// Held while this process refreshes, where files have no locks.
    pub refreshing: Arc<Mutex<()>>,
    /// How many requests are under way whose answers must not be lost.
    pub busy: AtomicUsize,
    /// What was read of the cache before it was needed, and the state that it was in.
    pub ahead: std::sync::Mutex<Option<(Stamp, Cached)>>,
    /// Whether the user was told that the cache is unreadable.
    pub told_unreadable: AtomicBool,
    /// Where mcp-remote keeps its sign-in for this, if it is to be looked for.
    pub elsewhere: Option<import::Place>,
    /// Whether the user was told what cannot be used there.
    pub told_elsewhere: AtomicBool,
}

impl Rim {
    /// Tells the user that nothing can be kept, and what comes of that.
    pub fn tell_unwritable(&self, unwritable: impl fmt::Display) {
        self.diag.warn(unwritable);
        if let Some(seed) = &self.seed {
            self.diag.warn(format_args!(
                "each process that is started so sends the refresh token in {}: where one is good only once, all but the first fail, or end the sign-in for all; give each its own, or a folder that they share",
                seed.origin
            ));
        }
    }

    /// Reads the cache before it is needed. What is wrong with it is told when it is.
    pub fn read_ahead(&self) {
        let Some(stamp) = self.store.stamp(&self.key) else {
            return;
        };
        if let Ok(cached) = self.store.read(&self.key) {
            *self.ahead() = Some((stamp, cached));
        }
    }

    /// What the cache holds now: what was read ahead, if it has not changed since.
    fn cached(&self) -> Result<Cached, StoreError> {
        let ahead = self.ahead().take();
        match ahead {
            Some((stamp, cached)) if self.store.stamp(&self.key) == Some(stamp) => Ok(cached),
            _ => self.store.read(&self.key),
        }
    }

    fn ahead(&self) -> std::sync::MutexGuard<'_, Option<(Stamp, Cached)>> {
        self.ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The grant in the cache, if it can be read.
    pub fn cached_grant(&self) -> Option<Grant> {
        match self.store.read(&self.key) {
            Ok(Cached::Present(sign_in)) => sign_in.grant,
            _ => None,
        }
    }

    /// Whether it was looked a moment ago if somebody is signed in, and nobody was. Servers that want
    /// no sign-in are asked thousands of times a second; one that another process signed in to
    /// meanwhile says itself that it wants the token, and gets it with the next look otherwise.
    pub fn found_nothing_just_now(&self) -> bool {
        let found = self.nothing_found.lock();
        let found = found.unwrap_or_else(PoisonError::into_inner);
        found.is_some_and(|found| found.elapsed() < CACHE_POLL)
    }

    /// Notes that it was looked now, and nobody is signed in.
    pub fn note_nothing_found(&self) {
        let found = self.nothing_found.lock();
        *found.unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Who follows the flows.
    fn trace(&self) -> &dyn Trace {
        match self.trace.get() {
            Some(trace) => trace.as_ref(),
            None => &self.diag,
        }
    }
}

/// The end of a flow.
pub struct Outcome {
    pub result: Result<Option<Grant>, FlowError>,
    pub history: History,
    /// Browsers that still take their last page.
    pub pages: JoinSet<()>,
}

/// What one flow holds.
struct Hands {
    rim: Arc<Rim>,
    lock: Option<(Lock, OwnedMutexGuard<()>)>,
    turn: Option<SignInLock>,
    door: Option<Door>,
    /// Who waits to be told what came of the answer that they brought.
    visitor: Option<Visitor>,
    /// Whether a person was asked for.
    asks: bool,
    busy: Option<Busy>,
    /// The right to take over what was found, until it is kept.
    taking: Option<ImportLock>,
    /// What was last read from the cache.
    seen: SignIn,
    pages: JoinSet<()>,
}

/// A flow that has spent a refresh token or a code and has not saved what it got for it.
struct Busy(Arc<Rim>);

impl Busy {
    fn new(rim: &Arc<Rim>) -> Self {
        rim.busy.fetch_add(1, Ordering::Relaxed);
        Self(rim.clone())
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The time, in seconds since the epoch.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// Runs a flow to its end.
pub async fn run(rim: Arc<Rim>, goal: Goal, history: History) -> Outcome {
    let (mut flow, mut action) = Flow::begin(rim.settings.clone(), goal, history);
    let mut hands = Hands {
        rim,
        lock: None,
        turn: None,
        door: None,
        visitor: None,
        asks: false,
        busy: None,
        taking: None,
        seen: SignIn::default(),
        pages: JoinSet::new(),
    };
    let result = loop {
        let event = match action {
            Action::Done(grant) => break Ok(grant.map(|grant| *grant)),
            Action::Fail(error) => break Err(error),
            action => {
                let question = flow.question(&action);
                let event = hands.perform(action).await;
                if let (Some(question), Some(outcome)) = (question, event.outcome()) {
                    hands.rim.trace().asked(&question, &outcome);
                }
                event
            }
        };
        let (next, asked) = flow.step(event, now());
        (flow, action) = (next, asked);
        for note in flow.take_notes() {
            hands.rim.trace().noted(&note);
        }
    };
    hands.let_go(&result);
    Outcome {
        result,
        history: flow.into_history(),
        pages: hands.pages,
    }
}

impl Hands {
    async fn perform(&mut self, action: Action) -> Event {
        if !matches!(action, Action::Amend(_)) {
            self.taking = None;
        }
        match action {
            Action::ReadCache => Event::CacheRead(self.read()),
            Action::Lock => Event::Locked(self.lock().await),
            Action::Save(sign_in) => {
                let outcome = self.save(*sign_in).await;
                self.busy = None;
                Event::Saved(outcome)
            }
            Action::Unlock => {
                self.lock = None;
                Event::Unlocked
            }
            Action::Amend(amendment) => {
                let outcome = self.amend(&amendment).await;
                self.lock = None;
                self.busy = None;
                self.taking = None;
                Event::Amended(outcome)
            }
            Action::RequestToken { request, after } => self.request_token(&request, after).await,
            Action::AwaitTurn { until } => self.await_turn(until).await,
            Action::Fetch { url, after } => told(self.rim.document(url, after).await),
            Action::LookElsewhere => Event::Offered(self.look_elsewhere().await.map(Box::new)),
            Action::MakeKey => Event::KeyMade(ProofKey::generate().map_err(cause)),
            Action::Bind { port, strict } => Event::Bound(self.bind(port, strict).await),
            Action::Register { url, body, after } => {
                pause(after).await;
                self.register(url, &body).await
            }
            Action::Probe(attempt) => self.probe(attempt.address.0.clone()).await,
            Action::Push { request, after } => {
                pause(after).await;
                told(token_endpoint::push(&self.rim.http, &request).await)
            }
            Action::OpenBrowser { attempt, resumed } => {
                // Nobody signs in for a code that must not be handed in.
                match self
                    .may_ask([&attempt.address.0, &attempt.token_endpoint])
                    .await
                {
                    Ok(()) => self.open_browser(&attempt, resumed),
                    Err(forbidden) => forbidden,
                }
            }
            Action::AwaitCallback { until } => self.await_callback(until).await,
            Action::RequestCode { request, after } => self.request_code(&request, after).await,
            Action::ShowCode { attempt, how } => {
                match self.may_ask([&attempt.token_endpoint]).await {
                    Ok(()) => self.show_code(attempt, how),
                    Err(forbidden) => forbidden,
                }
            }
            Action::ReadAssertion { after } => {
                pause(after).await;
                Event::Assertion(self.read_assertion().await)
            }
            // The loop around this ends with them.
            Action::Done(_) | Action::Fail(_) => Event::Unlocked,
        }
    }

    async fn await_turn(&mut self, until: u64) -> Event {
        let rim = self.rim.clone();
        if let Some(turn) = &self.turn {
            return Event::Turn(rim.store.read_attempt(turn).ok().flatten());
        }
        let waited = remaining(until);
        let mut said = Said::default();
        self.asks = true;
        self.publish(Standing::Preparing);
        loop {
            match rim.store.try_lock_sign_in(&rim.key) {
                Ok(Some(turn)) => {
                    // What cannot be read is begun anew.
                    let pending = rim.store.read_attempt(&turn).ok().flatten();
                    self.turn = Some(turn);
                    return Event::Turn(pending);
                }
                Ok(None) => {}
                Err(error) => return Event::NoTurn(cause(error)),
            }
            let before = self.seen.clone();
            if let Ok(now) = self.read()
                && now != before
            {
                return Event::CacheChanged(now);
            }
            if remaining(until).is_zero() {
                let name = rim.key.to_string();
                return Event::NoTurn(cause(LockError::Busy { name, waited }));
            }
            let open = rim.store.peek_attempt(&rim.key);
            self.announce(open.as_ref(), &mut said);
            // The random part keeps many waiters from moving in step.
            let wait = TURN_POLL.mul_f64(1.0 + rand::random::<f64>());
            let mut pastes = rim.pastes.lock().await;
            tokio::select! {
                () = tokio::time::sleep(wait.min(remaining(until))) => {}
                Some(pasted) = pastes.recv() => if let Some(attempt) = open.as_ref().and_then(Open::browser) {
                    self.pages.spawn(hand_on(rim.http.clone(), attempt.clone(), pasted));
                }
            }
        }
    }

    async fn bind(&mut self, port: Option<u16>, strict: bool) -> Result<(u16, Randomness), Cause> {
        let kept = self.door.take();
        let door = match kept.filter(|open| port.is_none_or(|port| port == open.port())) {
            Some(open) => open,
            None => {
                let waiting = |error: &CallbackError| {
                    let diag = &self.rim.diag;
                    diag.note(format_args!("{error}; waiting until it is free"));
                };
                door::opened(&self.rim.machine.listen, port, strict, waiting)
                    .await
                    .map_err(cause)?
            }
        };
        let port = door.port();
        self.door = Some(door);
        Ok((port, draw()?))
    }

    async fn await_callback(&mut self, until: u64) -> Event {
        self.dismiss(Page::NotExpected);
        let mut pastes = self.rim.pastes.lock().await;
        let (visitor, query) = tokio::select! {
            visit = visit(&mut self.door) => (Visitor::Browser(visit.responder), Secret::new(visit.query)),
            Some(pasted) = pastes.recv() => (Visitor::Person(pasted.verdict), pasted.query),
            () = tokio::time::sleep(remaining(until)) => return Event::CallbackTimedOut,
        };
        self.visitor = Some(visitor);
        Event::Visited(query)
    }

    /// Lets who waits go on, with this page.
    fn dismiss(&mut self, page: Page) {
        if let Some(visitor) = self.visitor.take() {
            self.pages.spawn(visitor.finish(page));
        }
    }

    /// The flow has ended: nothing of it stays behind.
    fn let_go(&mut self, result: &Result<Option<Grant>, FlowError>) {
        let server = self.rim.settings.server.host();
        self.dismiss(match result {
            Ok(_) => Page::Connected { server },
            Err(error) => Page::Failed {
                server,
                reason: error.to_string(),
            },
        });
        self.busy = None;
        self.door = None;
        self.lock = None;
        if let Some(turn) = self.turn.take() {
            // Failing to, it lapses by itself.
            let _ = self.rim.store.remove_attempt(&turn);
        }
        if self.asks {
            self.publish(match result {
                Ok(_) => Standing::SignedIn,
                Err(_) => Standing::Quiet,
            });
            // Whoever pasted too late learns it from the closed way back.
            if let Ok(mut pastes) = self.rim.pastes.try_lock() {
                while pastes.try_recv().is_ok() {}
            }
        }
    }
}

/// The next browser that comes back.
async fn visit(door: &mut Option<Door>) -> Visit {
    match door {
        Some(Door::Open(listener)) => listener.next().await,
        Some(Door::Walled { .. }) | None => std::future::pending().await,
    }
}

async fn pause(seconds: u64) {
    if seconds > 0 {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// How long it is until a moment, given in seconds since the epoch.
fn remaining(until: u64) -> Duration {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Duration::from_secs(until).saturating_sub(since.unwrap_or_default())
}

fn draw() -> Result<Randomness, Cause> {
    let mut randomness = Randomness {
        state: [0; 32],
        code_verifier: [0; 32],
    };
    let drawn = OsRng
        .try_fill_bytes(&mut randomness.state)
        .and_then(|()| OsRng.try_fill_bytes(&mut randomness.code_verifier));
    drawn.map_err(cause)?;
    Ok(randomness)
}

fn cause(error: impl std::error::Error + Send + Sync + 'static) -> Cause {
    Arc::new(error)
}
