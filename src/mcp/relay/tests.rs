mod alive;
mod answers;
mod leaving;
mod messages;
mod opening;
mod questions;
mod sessions;
mod sign_in;
mod transport;
mod visible;

use super::*;

/// A relay, and shorthand for both sides of it.
struct Scene {
    relay: Relay,
    now: u64,
    effects: VecDeque<Effect>,
}

const TOOLS: &str = r#"{"tools":{"listChanged":true},"resources":{}}"#;

impl Scene {
    fn new() -> Self {
        Self {
            relay: Relay::new("mcp.example.com"),
            now: 0,
            effects: VecDeque::new(),
        }
    }

    /// A session in which everything flows; the standing stream is open as exchange 3.
    fn open() -> Self {
        Self::open_as("2025-11-25", r#"{"sampling":{},"elicitation":{}}"#)
    }

    fn open_as(version: &str, capabilities: &str) -> Self {
        let mut scene = Self::new();
        scene.host(&initialize(0, version, capabilities));
        let first = scene.sent();
        scene.remote(first.0, Event::SessionHeader(Some(Secret::new("s1"))));
        scene.reply(first.0, &initialized_result(first.0, version, TOOLS));
        scene.told();
        scene.host(INITIALIZED);
        let announced = scene.sent();
        scene.remote(announced.0, Event::Accepted);
        let standing = scene.standing();
        scene.remote(standing, Event::StandingOpen);
        assert!(scene.effects.is_empty(), "{:?}", scene.effects);
        scene
    }

    fn host(&mut self, line: &str) {
        self.relay
            .host_line(Bytes::copy_from_slice(line.as_bytes()), self.now);
        self.effects.extend(self.relay.take_effects());
    }

    fn remote(&mut self, exchange: u64, event: Event) {
        self.relay.remote_event(exchange, event, self.now);
        self.effects.extend(self.relay.take_effects());
    }

    fn reply(&mut self, exchange: u64, text: &str) {
        self.remote(exchange, Event::Reply(message(text)));
    }

    fn says(&mut self, exchange: u64, text: &str) {
        self.remote(exchange, Event::Message(message(text)));
    }

    fn passes(&mut self, millis: u64) {
        self.now += millis;
        self.relay.on_time(self.now);
        self.effects.extend(self.relay.take_effects());
    }

    fn renewed(&mut self) {
        self.relay.connections_renewed(self.now);
        self.effects.extend(self.relay.take_effects());
    }

    fn next(&mut self) -> Option<Effect> {
        loop {
            match self.effects.pop_front()? {
                Effect::Note(_) | Effect::Remember { .. } | Effect::AwaitTokens(_) => {}
                effect => return Some(effect),
            }
        }
    }

    /// The next effect, which must be a message to the server.
    fn sent(&mut self) -> (u64, String) {
        match self.next() {
            Some(Effect::Send(outgoing)) => (
                outgoing.exchange,
                String::from_utf8(outgoing.body.to_vec()).unwrap(),
            ),
            other => panic!("expected a message to the server, got {other:?}"),
        }
    }

    /// The next effect, which must be a line to the client.
    fn told(&mut self) -> String {
        match self.next() {
            Some(Effect::ToHost(line)) => String::from_utf8(line.to_vec()).unwrap(),
            other => panic!("expected a line to the client, got {other:?}"),
        }
    }

    fn standing(&mut self) -> u64 {
        match self.next() {
            Some(Effect::OpenStanding { exchange, .. }) => exchange,
            other => panic!("expected the standing stream, got {other:?}"),
        }
    }

    fn aborted(&mut self) -> u64 {
        match self.next() {
            Some(Effect::Abort(exchange)) => exchange,
            other => panic!("expected an end of an exchange, got {other:?}"),
        }
    }

    fn nothing(&mut self) {
        let left = self.next();
        assert!(left.is_none(), "{left:?}");
    }
}

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

fn message(text: &str) -> Message {
    jsonrpc::parse(Bytes::copy_from_slice(text.as_bytes())).expect(text)
}

fn initialize(id: u64, version: &str, capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"initialize","params":{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"h","version":"1"}}}}}}"#
    )
}

fn initialized_result(id: u64, version: &str, capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"{version}","capabilities":{capabilities},"serverInfo":{{"name":"s","version":"2"}}}}}}"#
    )
}

fn call(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"x"}}}}"#)
}

fn code(line: &str) -> i64 {
    let error = message(line);
    error.body_member("code").unwrap().parse().unwrap()
}

/// Lets a lost session be opened again, up to the open standing stream.
fn reopen(scene: &mut Scene) {
    scene.aborted();
    let (again, body) = scene.sent();
    assert!(body.contains("initialize"), "{body}");
    scene.reply(again, &initialized_result(again, "2025-11-25", "{}"));
    let (announced, _) = scene.sent();
    scene.remote(announced, Event::Accepted);
    let standing = scene.standing();
    assert!(scene.told().contains("tools/list_changed"));
    scene.remote(standing, Event::StandingOpen);
}

/// Lets the client read a list with one tool that only reads.
fn reads_the_list(scene: &mut Scene) {
    scene.host(r#"{"jsonrpc":"2.0","id":"list","method":"tools/list"}"#);
    let (number, _) = scene.sent();
    let tools = r#"[{"name":"x","annotations":{"readOnlyHint":true}},{"name":"y"}]"#;
    scene.reply(
        number,
        &format!(r#"{{"jsonrpc":"2.0","id":{number},"result":{{"tools":{tools}}}}}"#),
    );
    scene.told();
}

/// Calls a tool. Whether the call may be sent twice.
fn is_repeatable(scene: &mut Scene, tool: &str) -> bool {
    let id = format!("\"{tool}{}\"", scene.now);
    scene.now += 1;
    scene.host(&call(&id).replace(r#""name":"x""#, &format!(r#""name":"{tool}""#)));
    match scene.next() {
        Some(Effect::Send(outgoing)) => outgoing.repeatable,
        other => panic!("expected a call, got {other:?}"),
    }
}
