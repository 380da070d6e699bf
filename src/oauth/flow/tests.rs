//! A world for flows to run in: it performs actions the way a driver does, from prepared outcomes,
//! and watches the rules that hold in every flow.

mod binding;
mod cached;
mod chaos;
mod clients;
mod device;
mod id_token;
mod lapsed;
mod making;
mod pushed;
mod rules;
mod seeded;
mod shared;
mod sign_in;
mod step_up;
mod takeover;
mod unattended;

use std::collections::{BTreeMap, VecDeque};

pub(in crate::oauth) use making::settings;
use making::*;
use url::Url;

use super::*;
use crate::ids::{Issuer, ResourceId, ServerUrl};
use crate::oauth::authorize::Attempt;
use crate::oauth::authorize::Randomness;
use crate::oauth::challenge::Challenge;
use crate::oauth::device::{DeviceAttempt, DeviceRequest};
use crate::oauth::discovery::tests::{reply, unreachable};
use crate::oauth::discovery::{FetchFault, Fetched};
use crate::oauth::dpop::{self, ProofKey};
use crate::oauth::grant::token_exchange::{ID_JAG, Issued};
use crate::oauth::invitation::Open;
use crate::oauth::known::Known;
use crate::oauth::pushed::PushRequest;
use crate::oauth::registration::{AuthMethod, Client};
use crate::oauth::sign_in::{KnownClient, SignIn};
use crate::oauth::takeover::Offer;
use crate::oauth::token::TokenSet;
use crate::oauth::token_endpoint::{
    Cause, Effect, GrantRequest, Outage, OutageCause, Refusal, TokenError, TokenRequest,
};
use crate::secret::Secret;

const NOW: u64 = 1_800_000_000;
const RESOURCE: &str = "https://m.example/mcp";
const ISSUER: &str = "https://as.example";
const PRM: &str = "https://m.example/.well-known/oauth-protected-resource/mcp";
const ASM: &str = "https://as.example/.well-known/oauth-authorization-server";
/// The port that the world's system gives first; the next one is one higher.
const PORT: u16 = 40_000;

fn scopes(text: &str) -> Vec<String> {
    crate::oauth::scope::split(text).0
}

fn secret(text: &str) -> Secret {
    Secret::new(text)
}

fn cause(text: &str) -> Cause {
    Arc::new(std::io::Error::other(text.to_owned()))
}

/// What a browser brings back.
#[derive(Clone, Debug)]
enum Visit {
    /// This, after the right state.
    Ours(&'static str),
    /// This, as it is.
    Raw(&'static str),
}

struct World {
    settings: Settings,
    history: History,
    cache: SignIn,
    now: u64,
    pages: BTreeMap<String, Fetched>,
    /// What the token endpoint says, in order; then it issues tokens.
    answers: VecDeque<Result<TokenSet, TokenError>>,
    /// What the registration endpoint says, in order; then it registers.
    registrations: VecDeque<Fetched>,
    /// What the authorization page says to a probe, or the page that it sends on to.
    page: Fetched,
    visits: VecDeque<Visit>,
    /// Ports that others use.
    taken: Vec<u16>,
    /// What a sibling writes while we wait for the lock.
    sibling_refreshes: Option<SignIn>,
    /// What a process writes, lock or no lock, before the next amendment.
    intruder_writes: Option<SignIn>,
    /// What siblings write while we wait for our turn.
    siblings_sign_in: VecDeque<SignIn>,
    /// What a process that died left open.
    pending: Option<Open>,
    /// What another program has.
    offer: Option<Offer>,
    /// What is handed in without a person, in order; then it is `ASSERTION_1` for good.
    assertions: VecDeque<Result<Secret, Cause>>,
    /// What the identity provider says, in order; then it issues ID-JAGs.
    exchanges: VecDeque<Result<Issued, TokenError>>,
    /// What the device authorization endpoint says, in order; then it issues codes.
    codes: VecDeque<Fetched>,
    /// What the pushed authorization request endpoint says, in order; then it takes requests.
    pushes: VecDeque<Fetched>,
    lock_fails: bool,
    turn_fails: bool,
    writes_fail: bool,
    no_randomness: bool,

    log: Vec<String>,
    requests: Vec<TokenRequest>,
    attempts: Vec<Attempt>,
    code_requests: Vec<DeviceRequest>,
    pushed: Vec<PushRequest>,
    /// The codes that a person was shown, and when.
    shown: Vec<(DeviceAttempt, u64)>,
    bodies: Vec<serde_json::Value>,
    locked: bool,
    turn: bool,
    bound: Option<u16>,
    next_port: u16,
    issued: u32,
    drawn: u8,
}

/// How a flow ended, and the world afterwards.
struct End {
    result: Result<Option<Grant>, FlowError>,
    notes: Vec<Note>,
    world: World,
}

impl World {
    /// Nothing is cached; the server, its metadata and its authorization server are in order.
    fn new() -> Self {
        let mut world = Self {
            settings: settings(),
            history: History::default(),
            cache: SignIn::default(),
            now: NOW,
            pages: BTreeMap::new(),
            answers: VecDeque::new(),
            registrations: VecDeque::new(),
            page: reply(&Url::parse(ISSUER).unwrap(), 200, "<html>"),
            visits: VecDeque::new(),
            taken: Vec::new(),
            sibling_refreshes: None,
            intruder_writes: None,
            siblings_sign_in: VecDeque::new(),
            pending: None,
            offer: None,
            assertions: VecDeque::new(),
            exchanges: VecDeque::new(),
            codes: VecDeque::new(),
            pushes: VecDeque::new(),
            lock_fails: false,
            turn_fails: false,
            writes_fail: false,
            no_randomness: false,
            log: Vec::new(),
            requests: Vec::new(),
            attempts: Vec::new(),
            code_requests: Vec::new(),
            pushed: Vec::new(),
            shown: Vec::new(),
            bodies: Vec::new(),
            locked: false,
            turn: false,
            bound: None,
            next_port: PORT,
            issued: 0,
            drawn: 0,
        };
        world.serve(
            PRM,
            r#"{"resource":"https://m.example/mcp","authorization_servers":["https://as.example"],
                "scopes_supported":["read","write"]}"#,
        );
        world.serve(ASM, &metadata(ISSUER));
        world
    }

    /// A grant is cached that ends in so many seconds, together with its client.
    fn signed_in(ends_in: i64) -> Self {
        let mut world = Self::new();
        world.cache = sign_in(ends_in);
        world
    }

    fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn answering(self, answers: impl IntoIterator<Item = Result<TokenSet, TokenError>>) -> Self {
        self.with(|world| world.answers.extend(answers))
    }

    fn visited(self, visits: impl IntoIterator<Item = Visit>) -> Self {
        self.with(|world| world.visits.extend(visits))
    }

    fn serve(&mut self, url: &str, body: &str) {
        let fetched = reply(&Url::parse(url).unwrap(), 200, body);
        self.pages.insert(url.to_owned(), fetched);
    }

    fn fail_to_serve(&mut self, url: &str) {
        self.pages.insert(url.to_owned(), unreachable());
    }

    fn silent(self) -> End {
        self.run(Goal::Silent)
    }

    /// What the cache holds is due by the reckoning of who holds it.
    fn renewed(self) -> End {
        let held = self.held();
        self.run(Goal::Renew { held })
    }

    fn held(&self) -> Secret {
        let grant = self.cache.grant.as_ref().expect("a cached grant");
        grant.tokens.access_token.clone()
    }

    /// The server answers 401 to what the cache holds.
    fn refused(self) -> End {
        let grant = self.cache.grant.as_ref();
        let rejected = grant.map(|grant| grant.tokens.access_token.clone());
        self.run(Goal::Challenged {
            rejected,
            challenge: Challenge::default(),
        })
    }

    /// The server answers 401 to a request without a token.
    fn challenged(self) -> End {
        self.run(Goal::Challenged {
            rejected: None,
            challenge: Challenge::default(),
        })
    }

    fn run(mut self, goal: Goal) -> End {
        let settings = Arc::new(self.settings.clone());
        let (mut flow, mut action) = Flow::begin(settings, goal, self.history.clone());
        let mut notes = Vec::new();
        for _ in 0..200 {
            let result = match action {
                Action::Done(grant) => Ok(grant.map(|grant| *grant)),
                Action::Fail(error) => Err(error),
                asked => {
                    let event = self.perform(asked);
                    let stepped = flow.step(event, self.now);
                    flow = stepped.0;
                    action = stepped.1;
                    notes.extend(flow.take_notes());
                    continue;
                }
            };
            self.history = flow.into_history();
            if let Ok(Some(grant)) = &result
                && !self.writes_fail
                && !(self.offer.is_some() && grant.tokens.refresh_token.is_none())
            {
                let saved = self.cache.grant.as_ref();
                // What is sent in place of the access token may stand elsewhere in the cache.
                let spent = |grant: &Grant| grant.tokens.refresh_token.clone();
                match self.settings.use_id_token {
                    true => assert_eq!(saved.map(spent), Some(spent(grant))),
                    false => assert_eq!(saved, Some(grant), "a token is used before it is saved"),
                }
            }
            return End {
                result,
                notes,
                world: self,
            };
        }
        panic!("the flow does not end: {:?}", self.log);
    }

    fn perform(&mut self, action: Action) -> Event {
        self.log.push(describe(&action));
        self.watch(&action);
        let written = || match self.writes_fail {
            true => Err(cause("disk full")),
            false => Ok(()),
        };
        match action {
            Action::ReadCache => Event::CacheRead(Ok(self.cache.clone())),
            Action::Lock if self.lock_fails => Event::Locked(Err(cause("busy"))),
            Action::Lock => {
                self.locked = true;
                self.cache = self.sibling_refreshes.take().unwrap_or(self.cache.clone());
                Event::Locked(Ok(()))
            }
            Action::Save(sign_in) => {
                let outcome = written();
                if outcome.is_ok() {
                    self.cache = *sign_in;
                }
                Event::Saved(outcome)
            }
            Action::Unlock => {
                self.locked = false;
                Event::Unlocked
            }
            Action::Amend(amendment) => {
                self.locked = false;
                self.cache = self.intruder_writes.take().unwrap_or(self.cache.clone());
                Event::Amended(written().map(|()| {
                    amendment.apply(&mut self.cache);
                    self.cache.clone()
                }))
            }
            Action::RequestToken { request, after } => {
                self.now += after;
                let exchanges = matches!(request.grant, GrantRequest::TokenExchange(_));
                self.requests.push(*request);
                if exchanges {
                    let issued = || Issued {
                        token: secret("ID_JAG_1"),
                        issued_token_type: Some(ID_JAG.to_owned()),
                    };
                    let answer = self.exchanges.pop_front();
                    return Event::Issued(answer.unwrap_or_else(|| Ok(issued())));
                }
                let answer = self.answers.pop_front();
                Event::TokenAnswer(answer.unwrap_or_else(|| Ok(self.issue())))
            }
            Action::ReadAssertion { after } => {
                self.now += after;
                let read = self.assertions.pop_front();
                Event::Assertion(read.unwrap_or_else(|| Ok(secret("ASSERTION_1"))))
            }
            Action::AwaitTurn { until } => self.await_turn(until),
            Action::Fetch { url, .. } => {
                let missing = || reply(&url, 404, "");
                let page = self.pages.get(url.as_str()).cloned();
                Event::Fetched(page.unwrap_or_else(missing))
            }
            Action::LookElsewhere => Event::Offered(self.offer.clone().map(Box::new)),
            Action::MakeKey => Event::KeyMade(match self.no_randomness {
                true => Err(cause("no randomness")),
                false => Ok(ProofKey::generate().unwrap()),
            }),
            Action::Bind { port, strict } => self.bind(port, strict),
            Action::Register { url, body, after } => {
                self.now += after;
                self.bodies.push(body);
                let count = self.bodies.len();
                let registered = format!(r#"{{"client_id":"CLIENT_{count}"}}"#);
                let prepared = self.registrations.pop_front();
                Event::Fetched(prepared.unwrap_or_else(|| reply(&url, 201, &registered)))
            }
            Action::Probe(attempt) => {
                let (mut page, address) = (self.page.clone(), attempt.address.0);
                if let Ok(reply) = &mut page
                    && reply.url.path() == address.path()
                {
                    reply.url = address;
                }
                Event::Fetched(page)
            }
            Action::Push { request, after } => {
                self.now += after;
                let url = request.endpoint.clone();
                self.pushed.push(*request);
                let count = self.pushed.len();
                let left = format!(r#"{{"request_uri":"urn:left:{count}","expires_in":60}}"#);
                let prepared = self.pushes.pop_front();
                Event::Fetched(prepared.unwrap_or_else(|| reply(&url, 201, &left)))
            }
            Action::OpenBrowser { attempt, .. } => {
                self.attempts.push(*attempt);
                Event::BrowserOpened
            }
            Action::AwaitCallback { until } => self.await_callback(until),
            Action::RequestCode { request, after } => {
                self.now += after;
                let url = request.endpoint.clone();
                self.code_requests.push(*request);
                let issued = device_code(self.code_requests.len(), "");
                let prepared = self.codes.pop_front();
                Event::Fetched(prepared.unwrap_or_else(|| reply(&url, 200, &issued)))
            }
            Action::ShowCode { attempt, .. } => {
                self.shown.push((*attempt, self.now));
                Event::CodeShown
            }
            Action::Done(_) | Action::Fail(_) => unreachable!(),
        }
    }

    /// The rules of every flow.
    fn watch(&mut self, action: &Action) {
        match action {
            Action::Save(_) | Action::Unlock => assert!(self.locked, "{:?}", self.log),
            Action::RequestToken { request, .. } => match request.grant {
                GrantRequest::RefreshToken { .. }
                | GrantRequest::ClientCredentials { .. }
                | GrantRequest::JwtBearer { .. }
                | GrantRequest::TokenExchange(_) => assert!(self.locked, "{:?}", self.log),
                GrantRequest::AuthorizationCode { .. } => {
                    assert!(self.turn && !self.locked, "{:?}", self.log);
                }
                GrantRequest::DeviceCode { .. } => self.watch_poll(request),
            },
            Action::ReadCache | Action::Amend(_) => {}
            Action::RequestCode { .. } | Action::ShowCode { .. } => {
                assert!(self.turn && !self.locked, "{:?}", self.log);
            }
            Action::Push { .. } | Action::OpenBrowser { .. } | Action::AwaitCallback { .. } => {
                let ready = self.turn && self.bound.is_some() && !self.locked;
                assert!(ready, "{:?}", self.log);
            }
            // Nobody is waited for, so this takes no longer than a few requests.
            Action::Fetch { .. } | Action::ReadAssertion { .. }
                if matches!(self.settings.way, Way::Unattended(_)) =>
            {
                assert!(self.locked, "{:?}", self.log)
            }
            _ => assert!(!self.locked, "{:?}", self.log),
        }
    }

    /// Only a code that a person has been shown is handed in, to where it belongs.
    fn watch_poll(&self, request: &TokenRequest) {
        let Some((attempt, _)) = self.shown.last() else {
            panic!("nobody was shown a code: {:?}", self.log);
        };
        assert!(self.turn && !self.locked, "{:?}", self.log);
        let GrantRequest::DeviceCode { device_code } = &request.grant else {
            panic!("another grant");
        };
        assert_eq!(*device_code, attempt.device_code);
        assert_eq!(request.endpoint, attempt.token_endpoint);
        assert_eq!(request.client.client_id, attempt.client_id);
        assert_eq!(request.resource, attempt.resource);
    }

    fn issue(&mut self) -> TokenSet {
        self.issued += 1;
        let mut tokens = tokens(Some(self.now + 3600));
        tokens.access_token = Secret::new(format!("NEW_ACCESS_{}", self.issued));
        tokens.refresh_token = Some(Secret::new(format!("NEW_REFRESH_{}", self.issued)));
        tokens
    }

    fn await_turn(&mut self, until: u64) -> Event {
        if let Some(sign_in) = self.siblings_sign_in.pop_front() {
            self.cache = sign_in.clone();
            return Event::CacheChanged(sign_in);
        }
        if self.turn_fails {
            self.now = until;
            return Event::NoTurn(cause("busy"));
        }
        self.turn = true;
        Event::Turn(self.pending.take())
    }

    fn bind(&mut self, port: Option<u16>, strict: bool) -> Event {
        let port = match port {
            Some(port) if !self.taken.contains(&port) => port,
            Some(_) if strict => return Event::Bound(Err(cause("port taken"))),
            _ => {
                while self.taken.contains(&self.next_port) {
                    self.next_port += 1;
                }
                self.next_port += 1;
                self.next_port - 1
            }
        };
        self.bound = Some(port);
        self.drawn += 1;
        let randomness = Randomness {
            state: [self.drawn; 32],
            code_verifier: [self.drawn; 32],
        };
        Event::Bound(Ok((port, randomness)))
    }

    fn await_callback(&mut self, until: u64) -> Event {
        let Some(attempt) = self.attempts.last() else {
            panic!("nobody was sent anywhere");
        };
        match self.visits.pop_front() {
            Some(Visit::Ours("never")) => {
                self.now = until;
                Event::CallbackTimedOut
            }
            Some(Visit::Ours(rest)) => {
                let state = attempt.state.expose();
                Event::Visited(Secret::new(format!("state={state}&{rest}")))
            }
            Some(Visit::Raw(query)) => Event::Visited(secret(query)),
            None => {
                let state = attempt.state.expose();
                Event::Visited(Secret::new(format!("code=CODE_1&state={state}")))
            }
        }
    }
}

impl End {
    fn token(&self) -> Option<&str> {
        match &self.result {
            Ok(grant) => grant.as_ref().map(|g| g.tokens.access_token.expose()),
            Err(error) => panic!("{error}: {:?}", self.world.log),
        }
    }

    fn error(&self) -> &FlowError {
        match &self.result {
            Ok(grant) => panic!("{grant:?}: {:?}", self.world.log),
            Err(error) => error,
        }
    }

    fn log(&self) -> Vec<&str> {
        self.world.log.iter().map(String::as_str).collect()
    }

    fn did(&self, what: &str) -> usize {
        self.world.log.iter().filter(|line| *line == what).count()
    }

    fn asked_nobody(self) -> Self {
        assert_eq!(self.did("browser"), 0, "{:?}", self.world.log);
        assert_eq!(self.did("turn"), 0, "{:?}", self.world.log);
        self
    }

    fn noted(&self, text: &str) -> bool {
        self.notes
            .iter()
            .any(|note| note.to_string().contains(text))
    }
}

fn describe(action: &Action) -> String {
    match action {
        Action::ReadCache => "read".to_owned(),
        Action::Lock => "lock".to_owned(),
        Action::Save(_) => "save".to_owned(),
        Action::Unlock => "unlock".to_owned(),
        Action::Amend(amendment) => match **amendment {
            Amendment::PutClient(..) => "put client".to_owned(),
            Amendment::DropGrant { .. } => "drop grant".to_owned(),
            Amendment::DropClient(..) => "drop client".to_owned(),
            Amendment::PutGrant(..) => "put grant".to_owned(),
            Amendment::PutSeeded(..) => "put seeded".to_owned(),
            Amendment::PutTaken(_) => "put taken".to_owned(),
            Amendment::NoteFailure { .. } => "note failure".to_owned(),
        },
        Action::RequestToken { request, after } => match request.grant {
            GrantRequest::DeviceCode { .. } => format!("poll after {after}"),
            _ => request.grant.grant_type().to_owned(),
        },
        Action::ReadAssertion { .. } => "assertion".to_owned(),
        Action::AwaitTurn { .. } => "turn".to_owned(),
        Action::Fetch { url, .. } => format!("fetch {url}"),
        Action::LookElsewhere => "look elsewhere".to_owned(),
        Action::MakeKey => "key".to_owned(),
        Action::Bind { port, strict } => match (port, strict) {
            (None, _) => "bind".to_owned(),
            (Some(port), false) => format!("bind {port}"),
            (Some(port), true) => format!("bind {port} or fail"),
        },
        Action::Register { after: 0, .. } => "register".to_owned(),
        Action::Register { after, .. } => format!("register after {after}"),
        Action::Probe(_) => "probe".to_owned(),
        Action::Push { after: 0, .. } => "push".to_owned(),
        Action::Push { after, .. } => format!("push after {after}"),
        Action::OpenBrowser { resumed: true, .. } => "resume".to_owned(),
        Action::OpenBrowser { .. } => "browser".to_owned(),
        Action::AwaitCallback { .. } => "await".to_owned(),
        Action::RequestCode { after: 0, .. } => "code".to_owned(),
        Action::RequestCode { after, .. } => format!("code after {after}"),
        Action::ShowCode { how, .. } => match how {
            Show::New => "show".to_owned(),
            Show::Again => "show again".to_owned(),
            Show::Slower => "slower".to_owned(),
        },
        Action::Done(_) => "done".to_owned(),
        Action::Fail(_) => "fail".to_owned(),
    }
}

#[test]
fn an_event_that_does_not_belong_to_the_state_ends_the_flow_with_a_name_for_it() {
    let begin = || Flow::begin(Arc::new(settings()), Goal::Silent, History::default()).0;
    for event in [
        Event::Locked(Ok(())),
        Event::Saved(Ok(())),
        Event::Unlocked,
        Event::Amended(Ok(SignIn::default())),
        Event::TokenAnswer(dead_grant()),
        Event::Turn(None),
        Event::CacheChanged(SignIn::default()),
        Event::NoTurn(cause("x")),
        Event::Fetched(Err(FetchFault::Unusable(cause("x")))),
        Event::Bound(Err(cause("x"))),
        Event::Offered(None),
        Event::BrowserOpened,
        Event::CodeShown,
        Event::Visited(secret("code=CODE_1")),
        Event::CallbackTimedOut,
    ] {
        let (flow, action) = begin().step(event, NOW);
        let Action::Fail(error) = action else {
            panic!("{action:?}");
        };
        assert!(matches!(error, FlowError::Unexpected { .. }));
        assert!(error.to_string().contains("reading the cache"), "{error}");
        // And it has ended for good.
        let (_, action) = flow.step(Event::CacheRead(Ok(SignIn::default())), NOW);
        assert!(matches!(action, Action::Fail(FlowError::Unexpected { .. })));
    }
}
