//! A server that answers byte for byte what a test says, and counts what arrives.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// What the message under test has in it, and no other.
pub const MARK: &str = "serial-1";

/// Longest wait for anything; only ever reached by a failure.
const DEADLINE: Duration = Duration::from_secs(60);

/// What the server does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Writes these bytes one by one, so long apart.
    Drip(Vec<u8>, Duration),
    /// Ends the connection in order.
    Close,
    /// Resets the connection.
    Reset,
    /// Says nothing more until the other side ends the connection.
    Hang,
}

/// Writes this text.
pub fn send(text: impl AsRef<[u8]>) -> Act {
    Act::Send(text.as_ref().to_vec())
}

/// What the server does about one arrival of the message; it is given the JSON-RPC id.
pub type Play = Box<dyn Fn(&str) -> Vec<Act> + Send + Sync>;

/// How the server behaves otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner {
    /// It gives a session id.
    pub sessions: bool,
    /// It has a standing stream.
    pub standing: bool,
}

/// The server. It plays what the test says for the message with [`MARK`] in it, one play an
/// arrival, and does what it should for everything else and when the plays are used up.
pub struct RawServer {
    port: u16,
    state: Arc<(Mutex<State>, Condvar)>,
}

pub struct State {
    manner: Manner,
    plays: VecDeque<Play>,
    /// The connection and the time of each arrival of the message.
    arrivals: Vec<Arrival>,
    connections: usize,
    /// The JSON-RPC messages other than that, in order.
    others: Vec<Value>,
    /// The standing stream.
    standing: Option<TcpStream>,
}

impl State {
    /// Whether the standing stream is open.
    pub fn is_listened_to(&self) -> bool {
        self.standing.is_some()
    }

    /// Whether the message under test is there.
    pub fn has_arrived(&self) -> bool {
        self.have_arrived(1)
    }

    /// Whether another message with this method has come.
    pub fn has_been_sent(&self, method: &str) -> bool {
        let mut others = self.others.iter();
        others.any(|message| message["method"] == method)
    }

    /// Whether it has arrived so often.
    pub fn have_arrived(&self, times: usize) -> bool {
        self.arrivals.len() >= times
    }
}

/// An arrival of the message under test.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// The connection that it came over, counted from 1.
    pub connection: usize,
    /// The JSON-RPC id as it stands.
    pub id: String,
}

impl RawServer {
    pub fn start(manner: Manner, plays: Vec<Play>) -> Self {
        let listener = playground::listen_high().expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = State {
            manner,
            plays: plays.into(),
            arrivals: Vec::new(),
            connections: 0,
            others: Vec::new(),
            standing: None,
        };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let shared = state.clone();
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let state = shared.clone();
                thread::spawn(move || serve(connection, &state));
            }
        });
        Self { port, state }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    pub fn arrivals(&self) -> Vec<Arrival> {
        lock(&self.state).arrivals.clone()
    }

    /// How many other messages with this method came.
    pub fn count(&self, method: &str) -> usize {
        let state = lock(&self.state);
        let others = state.others.iter();
        others.filter(|message| message["method"] == method).count()
    }

    /// Waits until something has happened.
    pub fn wait_for(&self, happened: impl Fn(&State) -> bool) {
        let (state, changed) = &*self.state;
        let waiting = state.lock().expect("no test panics with it");
        let waited = changed.wait_timeout_while(waiting, DEADLINE, |state| !happened(state));
        let timeout = waited.expect("no test panics with it").1;
        assert!(
            !timeout.timed_out(),
            "it did not happen within {DEADLINE:?}"
        );
    }

    /// Writes an event to the standing stream.
    pub fn say(&self, event: &str) {
        let mut state = lock(&self.state);
        let stream = state.standing.as_mut().expect("a standing stream");
        let _ = stream.write_all(event.as_bytes());
    }
}

fn lock((state, _): &(Mutex<State>, Condvar)) -> MutexGuard<'_, State> {
    state.lock().expect("no test panics with it")
}

/// Serves one connection until either side ends it.
fn serve(mut connection: TcpStream, state: &(Mutex<State>, Condvar)) {
    let number = {
        let mut state = lock(state);
        state.connections += 1;
        state.connections
    };
    let Ok(reading) = connection.try_clone() else {
        return;
    };
    let mut reading = BufReader::new(reading);
    while let Some(request) = read_request(&mut reading) {
        let acts = answer(&request, number, &mut lock(state), &connection);
        state.1.notify_all();
        for act in acts {
            if !perform(act, &mut connection, &mut reading) {
                return;
            }
        }
    }
}

/// `false` if the connection is over.
fn perform(act: Act, connection: &mut TcpStream, reading: &mut BufReader<TcpStream>) -> bool {
    match act {
        Act::Send(bytes) => connection.write_all(&bytes).is_ok(),
        Act::Drip(bytes, pause) => bytes.iter().all(|byte| {
            thread::sleep(pause);
            connection.write_all(&[*byte]).is_ok()
        }),
        Act::Close => {
            let _ = connection.shutdown(Shutdown::Both);
            false
        }
        Act::Reset => {
            reset(connection);
            false
        }
        Act::Hang => {
            let mut rest = Vec::new();
            let _ = reading.read_to_end(&mut rest);
            false
        }
    }
}

/// Lets the connection end with a reset, which is what happens to one that must not linger.
fn reset(connection: &TcpStream) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    let _ = runtime.block_on(async {
        let connection = connection.try_clone()?;
        connection.set_nonblocking(true)?;
        tokio::net::TcpStream::from_std(connection)?.set_zero_linger()
    });
}

struct Request {
    method: String,
    body: String,
}

fn read_request(reading: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reading.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let method = line.split(' ').next()?.to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reading.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reading.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    Some(Request { method, body })
}

fn answer(request: &Request, connection: usize, state: &mut State, stream: &TcpStream) -> Vec<Act> {
    let message: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let id = message["id"].to_string();
    if request.body.contains(MARK) {
        state.arrivals.push(Arrival {
            connection,
            id: id.clone(),
        });
        if let Some(play) = state.plays.pop_front() {
            return play(&id);
        }
    } else if request.method == "POST" {
        state.others.push(message.clone());
    }
    let session = match state.manner.sessions {
        true => "Mcp-Session-Id: session-1\r\n",
        false => "",
    };
    match (&*request.method, message["method"].as_str()) {
        ("GET", _) if state.manner.standing => {
            state.standing = stream.try_clone().ok();
            vec![
                send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: open\n\n"),
                Act::Hang,
            ]
        }
        ("GET", _) => vec![send(status("405 Method Not Allowed", ""))],
        ("POST", Some("initialize")) => vec![send(json_body_with(
            session,
            &result(&id, &initialized().to_string()),
        ))],
        ("POST", Some("tools/list")) => {
            let tools = json!([{ "name": "look", "annotations": { "readOnlyHint": true } }, { "name": "do" }]);
            vec![send(json_body(result(
                &id,
                &json!({ "tools": tools }).to_string(),
            )))]
        }
        ("POST", Some(_)) if !message["id"].is_null() => {
            vec![send(json_body(result(&id, "{\"done\":true}")))]
        }
        _ => vec![send(status("202 Accepted", ""))],
    }
}

fn initialized() -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": { "tools": { "listChanged": true } },
        "serverInfo": { "name": "raw", "version": "1" },
    })
}

/// A response with this result, JSON text.
pub fn result(id: &str, result: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")
}

/// An answer without a type, with these headers (each with its line end) and no body.
pub fn status(status: &str, headers: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\n\r\n")
}

/// A whole answer with a body.
pub fn with_body(status: &str, content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// 200 with a JSON body.
pub fn json_body(body: impl AsRef<[u8]>) -> Vec<u8> {
    with_body("200 OK", "application/json", body)
}

fn json_body_with(headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\n{headers}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// 200 with an event stream that ends with the connection; chunks are the test's own affair.
pub fn events(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".to_vec();
    answer.extend_from_slice(text.as_ref());
    answer
}

/// One event with this data.
pub fn event(data: impl AsRef<[u8]>) -> Vec<u8> {
    [b"data: ", data.as_ref(), b"\n\n"].concat()
}
