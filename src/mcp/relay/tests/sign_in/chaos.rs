//! Clients, servers and people who do anything at any time: whatever happens, each request is
//! answered once, nothing is answered that was cancelled, and nobody waits for ever.

use std::collections::BTreeSet;
use std::time::Duration;

use url::Url;

use super::*;
use crate::dice::Dice;
use crate::mcp::transport::{Endpoint, Route, Transport};

const RUNS: u64 = 1000;
const STEPS: u64 = 120;

/// What is under way on the other side of the relay.
#[derive(Clone, Debug, PartialEq)]
enum Live {
    Initialize,
    Request,
    Notification,
    Response,
    Standing,
    Bring,
    /// A GET that opens the event stream of HTTP+SSE, and the stream.
    Events,
    Stream,
}

struct World {
    scene: Scene,
    dice: Dice,
    live: BTreeMap<u64, Live>,
    /// What the server speaks.
    transport: Transport,
    /// What is answered on the event stream.
    by_stream: BTreeSet<u64>,
    watches: BTreeSet<u64>,
    /// Requests of the client that have no answer, and those that it has cancelled.
    open: BTreeSet<u64>,
    cancelled: BTreeSet<u64>,
    /// What the client is asked to show: the id of the request, and of the elicitation.
    shown: BTreeMap<String, String>,
    accepted: BTreeSet<String>,
    /// Whether the client has said that it is ready.
    ready: bool,
    /// Its last `initialize`.
    initialize: u64,
    next_id: u64,
    story: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let transport = match seed % 3 {
            0 => Transport::Sse,
            _ => Transport::Streamable,
        };
        Self {
            scene: Scene::new(),
            dice: Dice(seed),
            live: BTreeMap::new(),
            transport,
            by_stream: BTreeSet::new(),
            watches: BTreeSet::new(),
            open: BTreeSet::new(),
            cancelled: BTreeSet::new(),
            shown: BTreeMap::new(),
            accepted: BTreeSet::new(),
            ready: false,
            initialize: 0,
            next_id: 0,
            story: Vec::new(),
        }
    }

    fn story(&self) -> String {
        self.story.join("\n")
    }

    /// Takes note of what the relay wants and says, and holds it against the rules.
    fn absorb(&mut self) {
        while let Some(effect) = self.scene.effects.pop_front() {
            self.story.push(format!("    {effect:?}"));
            match effect {
                Effect::ToHost(line) => {
                    self.told(&value(std::str::from_utf8(&line.to_vec()).unwrap()))
                }
                Effect::Send(outgoing) => self.sent(&outgoing),
                Effect::OpenStanding { exchange, .. } => {
                    self.live.insert(exchange, Live::Standing);
                }
                Effect::Bring { call, .. } => {
                    self.live.insert(call, Live::Bring);
                }
                Effect::AwaitTokens(watch) => {
                    assert!(self.watches.is_empty(), "two look out\n{}", self.story());
                    self.watches.insert(watch);
                }
                Effect::Abort(number) | Effect::Release(number) => {
                    self.live.remove(&number);
                    self.watches.remove(&number);
                }
                Effect::EndSession(_) | Effect::Remember { .. } | Effect::Note(_) => {}
                Effect::RenewConnections => {
                    self.scene.renewed();
                }
            }
        }
    }

    fn told(&mut self, message: &Value) {
        let id = message["id"].as_u64();
        let params = &message["params"];
        let elicitation = params["elicitationId"].as_str().unwrap_or_default();
        match message["method"].as_str() {
            Some("elicitation/create") => {
                let answered = !self.open.contains(&self.initialize);
                let ready = self.ready && answered;
                assert!(ready, "asked too early\n{}", self.story());
                let id = message["id"].as_str().unwrap().to_owned();
                let before = self.shown.insert(id, elicitation.to_owned());
                assert_eq!(before, None, "{}", self.story());
            }
            Some("notifications/elicitation/complete") => {
                assert!(self.accepted.remove(elicitation), "{}", self.story());
            }
            Some("notifications/cancelled") => {
                let id = params["requestId"].as_str().unwrap();
                assert!(self.shown.remove(id).is_some(), "{}", self.story());
            }
            Some("notifications/progress") => {
                let token = params["progressToken"].as_u64().unwrap();
                assert!(self.open.contains(&token), "{}", self.story());
            }
            Some(_) => {}
            None => {
                let id = id.unwrap_or_else(|| panic!("{message}\n{}", self.story()));
                assert!(self.open.remove(&id), "{id} again\n{}", self.story());
            }
        }
    }

    fn sent(&mut self, outgoing: &Outgoing) {
        let kind = match &outgoing.kind {
            OutgoingKind::Request(method) if &**method == "initialize" => Live::Initialize,
            OutgoingKind::Request(_) => Live::Request,
            OutgoingKind::Notification(_) => Live::Notification,
            OutgoingKind::Response => Live::Response,
            OutgoingKind::Events { .. } => return self.opens_events(outgoing.exchange),
        };
        if matches!(outgoing.route, Route::Sse(_)) {
            let stream = self.stream().is_some();
            assert!(stream, "no stream\n{}", self.story());
            self.by_stream.insert(outgoing.exchange);
        }
        if matches!(&outgoing.kind, OutgoingKind::Notification(method) if &**method == "notifications/initialized")
        {
            // Who goes on is ready, even without saying so.
            self.ready = true;
        }
        let opens = kind == Live::Initialize;
        let opening = self.live.values().any(|live| *live == Live::Initialize);
        assert!(!(opens && opening), "two sessions\n{}", self.story());
        assert_eq!(outgoing.session.is_none(), opens, "{}", self.story());
        let before = self.live.insert(outgoing.exchange, kind);
        assert_eq!(before, None, "{}", self.story());
    }

    fn opens_events(&mut self, exchange: u64) {
        let open = |live: &Live| matches!(live, Live::Events | Live::Stream);
        let two = self.live.values().any(open);
        assert!(!two, "two streams\n{}", self.story());
        self.live.insert(exchange, Live::Events);
    }

    /// The open event stream.
    fn stream(&self) -> Option<u64> {
        let mut all = self.live.iter();
        all.find(|(_, live)| **live == Live::Stream)
            .map(|(number, _)| *number)
    }

    fn host(&mut self, line: &str) {
        self.story.push(format!("client: {line}"));
        self.scene.host(line);
        self.absorb();
    }

    fn ask(&mut self, method: &str, params: &str) {
        let id = self.next_id;
        self.next_id += 1;
        self.open.insert(id);
        let params = params.replace("TOKEN", &id.to_string());
        self.host(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#
        ));
    }

    fn initialize(&mut self) {
        let id = self.next_id;
        self.next_id += 1;
        self.open.insert(id);
        self.ready = false;
        self.initialize = id;
        let capabilities = match self.dice.roll(2) {
            0 => "{}",
            _ => SHOWS,
        };
        self.host(&initialize(id, "2025-11-25", capabilities));
    }

    fn event(&mut self, exchange: u64, event: Event) {
        self.story.push(format!("{exchange}: {event:?}"));
        let goes_on = matches!(
            event,
            Event::SigningIn
                | Event::Delayed
                | Event::StandingOpen
                | Event::StandingGap
                | Event::SessionDoubted
        );
        match (&event, self.by_stream.contains(&exchange)) {
            (Event::Connected(_), _) => {
                self.live.insert(exchange, Live::Stream);
            }
            // Answers to requests are still to come, on the stream.
            (Event::Accepted, true) if self.live.get(&exchange).is_some_and(awaits) => {}
            // On the stream.
            (Event::Message(message), _) => {
                let answered = message.id().and_then(Id::as_number).unwrap_or_default();
                self.live.remove(&answered);
            }
            _ if goes_on => {}
            _ => {
                self.live.remove(&exchange);
            }
        }
        self.scene.remote(exchange, event);
        self.absorb();
    }

    fn stands(&mut self, standing: SignInStanding) {
        self.story.push(format!("{standing:?}"));
        self.scene.stands(standing);
        self.absorb();
    }

    fn passes(&mut self, millis: u64) {
        self.story.push(format!("{millis} ms"));
        self.scene.passes(millis);
        self.absorb();
        let deadline = self.scene.relay.deadline();
        let later = deadline.is_none_or(|at| at > self.scene.now);
        assert!(later, "awake without a pause\n{}", self.story());
    }

    /// The server does as it should.
    fn goes_well(&mut self, exchange: u64, live: &Live) {
        match (live, self.by_stream.contains(&exchange), self.stream()) {
            (Live::Initialize | Live::Request, true, Some(stream)) => {
                let Event::Reply(answer) = self.good(exchange, live) else {
                    return;
                };
                self.event(stream, Event::Message(answer));
            }
            _ => {
                let event = self.good(exchange, live);
                self.event(exchange, event);
            }
        }
    }

    fn good(&self, exchange: u64, live: &Live) -> Event {
        let result = |text: &str| Event::Reply(message(text));
        let sse = self.transport == Transport::Sse;
        match live {
            Live::Events if sse => Event::Connected(endpoint("/m")),
            Live::Events => Event::NoEvents(Failure::new(Stage::Http, false, "no events")),
            // It would only end, which is not good.
            Live::Stream => Event::Connected(endpoint("/n")),
            Live::Initialize if sse && !self.by_stream.contains(&exchange) => refused(405),
            Live::Initialize => result(&initialized_result(exchange, "2025-11-25", TOOLS)),
            Live::Request => result(&format!(
                r#"{{"jsonrpc":"2.0","id":{exchange},"result":{{}}}}"#
            )),
            Live::Notification | Live::Response => Event::Accepted,
            Live::Standing => Event::StandingOpen,
            Live::Bring => Event::Brought(Ok(())),
        }
    }

    fn server_acts(&mut self) {
        let all: Vec<(u64, Live)> = self.live.clone().into_iter().collect();
        let Some((exchange, live)) = self.dice.one_of(all) else {
            return;
        };
        let event = match (&live, self.dice.roll(10)) {
            (Live::Stream, 0..=5) => Event::EventsEnded {
                failure: Failure::new(Stage::Http, true, "it ended"),
                retry: None,
            },
            (Live::Events, 6) => refused(404),
            (Live::Initialize | Live::Request, 9) if self.by_stream.contains(&exchange) => {
                Event::Accepted
            }
            (Live::Bring, 0..=4) => Event::Brought(Err("this is not it".to_owned())),
            (Live::Standing, 0) => Event::StandingGap,
            (Live::Standing, 1) => Event::StandingAbsent,
            (Live::Standing | Live::Request, 9) => Event::SessionDoubted,
            (Live::Bring | Live::Standing | Live::Response | Live::Stream, _) => {
                return self.goes_well(exchange, &live);
            }
            (_, 0..=2) => Event::SigningIn,
            (_, 3) => Event::Failed(auth_failure()),
            (_, 4) => Event::Failed(Failure::new(Stage::Auth, true, "the metadata is away")),
            (_, 5) => Event::Failed(Failure::new(Stage::Connect, true, "no route")),
            (Live::Request | Live::Notification, 6) => Event::SessionLost,
            (Live::Request, 7) => Event::NotSignedIn,
            (Live::Request | Live::Initialize, 8) => Event::Delayed,
            (Live::Initialize, 6) => Event::Reply(message(&format!(
                r#"{{"jsonrpc":"2.0","id":{exchange},"error":{{"code":-32000,"message":"no"}}}}"#
            ))),
            _ => return self.goes_well(exchange, &live),
        };
        self.event(exchange, event);
    }

    fn person_acts(&mut self) {
        let address = ["https://as.example/1", "https://as.example/2"];
        let address = address[usize::try_from(self.dice.roll(2)).unwrap()];
        let open = Invitation {
            browser_opened: self.dice.roll(3) == 0,
            ..invitation(address, None)
        };
        let standing = match self.dice.roll(5) {
            0 => SignInStanding::Preparing,
            1 => SignInStanding::Open(open),
            2 => SignInStanding::Elsewhere(open),
            3 => SignInStanding::Quiet,
            _ => SignInStanding::SignedIn,
        };
        self.stands(standing);
    }

    fn client_acts(&mut self) {
        const TOKEN: &str = r#"{"_meta":{"progressToken":TOKEN}}"#;
        match self.dice.roll(13) {
            0 | 1 => self.ask("tools/list", TOKEN),
            2 => self.ask("prompts/list", TOKEN),
            3 => self.ask("tools/call", r#"{"name":"x","_meta":{"progressToken":TOKEN}}"#),
            4 | 5 => self.ask("tools/call", r#"{"name":"sign_in","arguments":{}}"#),
            6 => self.ask(
                "tools/call",
                r#"{"name":"sign_in","arguments":{"callback_url":"http://localhost:1/?code=c&state=s"}}"#,
            ),
            7 => self.ask("logging/setLevel", r#"{"level":"info"}"#),
            8 => self.host(r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#),
            9 => {
                self.ready = true;
                self.host(INITIALIZED);
            }
            10 if self.dice.roll(6) == 0 => self.initialize(),
            11 => self.answer_question(),
            _ => self.cancel(),
        }
    }

    fn answer_question(&mut self) {
        let Some((id, elicitation)) = self.dice.one_of(self.shown.clone()) else {
            return;
        };
        self.shown.remove(&id);
        let action = match self.dice.roll(2) {
            0 => "decline",
            _ => "accept",
        };
        if action == "accept" {
            self.accepted.insert(elicitation);
        }
        self.host(&format!(
            r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"action":"{action}"}}}}"#
        ));
    }

    fn cancel(&mut self) {
        let Some(id) = self.dice.one_of(self.open.clone()) else {
            return;
        };
        // `initialize` cannot be cancelled; the others get no answer any more.
        if id != self.initialize {
            self.open.remove(&id);
            self.cancelled.insert(id);
        }
        self.host(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ));
    }

    /// From now on everybody does as they should.
    fn clears_up(&mut self) {
        self.story.push("all goes well from here".to_owned());
        self.stands(SignInStanding::SignedIn);
        let mut settled = BTreeSet::new();
        for _ in 0..10_000 {
            let next = self.live.clone().into_iter().find(|(number, live)| {
                let stays = matches!(live, Live::Standing | Live::Stream);
                !stays || !settled.contains(number)
            });
            if let Some((exchange, live)) = next {
                settled.insert(exchange);
                self.goes_well(exchange, &live);
                continue;
            }
            let Some(deadline) = self.scene.relay.deadline() else {
                return;
            };
            self.passes(deadline - self.scene.now);
        }
        panic!("it never comes to rest\n{}", self.story());
    }
}

/// Whether an answer is awaited.
fn awaits(live: &Live) -> bool {
    matches!(live, Live::Initialize | Live::Request)
}

fn endpoint(path: &str) -> Endpoint {
    let stream = Url::parse("https://mcp.example.com/sse").unwrap();
    Endpoint::resolve(&stream, path).unwrap()
}

fn refused(status: u16) -> Event {
    Event::Failed(Failure {
        status: Some(status),
        ..Failure::new(Stage::Http, false, "refused")
    })
}

#[test]
fn each_request_is_answered_once_whatever_happens() {
    for seed in 0..RUNS {
        let mut world = World::new(seed);
        // It never comes to rest then.
        let pings = (seed % 4 == 1).then_some(Duration::from_secs(10));
        world.scene.relay = Relay::new("mcp.example.com").keeping_alive(pings);
        world.initialize();
        for _ in 0..STEPS {
            match world.dice.roll(8) {
                0..=2 => world.client_acts(),
                3..=5 => world.server_acts(),
                6 => world.person_acts(),
                _ => match world.dice.roll(4) {
                    3 => {
                        world.story.push("new connections".to_owned());
                        world.scene.renewed();
                        world.absorb();
                    }
                    0 => world.passes(46_000),
                    1 => world.passes(2_000),
                    _ => world.passes(100),
                },
            }
            if let Some(watch) = world.dice.one_of(world.watches.clone())
                && world.dice.roll(10) == 0
            {
                world.watches.remove(&watch);
                world.event(watch, Event::TokensChanged);
            }
        }
        if seed % 2 == 0 {
            world.clears_up();
            let open = &world.open;
            assert!(open.is_empty(), "{seed}: {open:?} wait\n{}", world.story());
        }
        world.scene.relay.close();
        world.scene.effects.extend(world.scene.relay.take_effects());
        world.absorb();
        let open = &world.open;
        assert!(open.is_empty(), "{seed}: {open:?} left\n{}", world.story());
    }
}
