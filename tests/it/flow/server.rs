//! An MCP server for amounts that the playground is not made for: threads and plain sockets, and a
//! count of the bytes that the other side took.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// What it does with a request other than `initialize` and `ping`, or with a GET (then the message is null).
pub type Handler = dyn Fn(&Value, &mut Connection) -> io::Result<()> + Send + Sync;

/// A notification that it answers with an event stream on which nothing comes, and one that it does not
/// answer.
pub const TALKED_ABOUT: &str = "notifications/talked_about";
pub const UNANSWERED: &str = "notifications/unanswered";

/// A running server. Its threads end with the connections.
pub struct Server {
    url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// Bytes that were given to the network, heads included.
    written: AtomicU64,
    /// Connections that are open, and the most there were.
    open: AtomicUsize,
    most: AtomicUsize,
    messages: Mutex<Vec<Value>>,
    deletes: AtomicUsize,
    closing: AtomicBool,
}

/// One connection, as a handler sees it.
pub struct Connection {
    stream: TcpStream,
    seen: Arc<Seen>,
    /// The answer is ended by the end of the connection.
    closes: bool,
}

impl Server {
    /// Starts it.
    pub fn start(
        handler: impl Fn(&Value, &mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = playground::listen_high().expect("a free port");
        let url = format!(
            "http://{}/mcp",
            listener.local_addr().expect("a bound port")
        );
        let seen = Arc::new(Seen::default());
        let (noted, handler): (_, Arc<Handler>) = (seen.clone(), Arc::new(handler));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), false) = (stream, noted.closing.load(Ordering::SeqCst)) else {
                    break;
                };
                let (seen, handler) = (noted.clone(), handler.clone());
                thread::spawn(move || {
                    let open = seen.open.fetch_add(1, Ordering::SeqCst) + 1;
                    seen.most.fetch_max(open, Ordering::SeqCst);
                    // The other side may go away at any time.
                    let _ = serve(stream, &seen, &*handler);
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { url, seen }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The messages that came, in order of arrival.
    pub fn messages(&self) -> Vec<Value> {
        self.seen.messages.lock().unwrap().clone()
    }

    /// How many messages with this method came.
    pub fn count(&self, method: &str) -> usize {
        let messages = self.seen.messages.lock().unwrap();
        messages.iter().filter(|m| m["method"] == method).count()
    }

    /// How often the end of a session was told.
    pub fn deletes(&self) -> usize {
        self.seen.deletes.load(Ordering::SeqCst)
    }

    /// How many bytes the network took.
    pub fn written(&self) -> u64 {
        self.seen.written.load(Ordering::SeqCst)
    }

    /// The most connections that were open at a time.
    pub fn most_connections(&self) -> usize {
        self.seen.most.load(Ordering::SeqCst)
    }

    /// Waits until something holds.
    #[track_caller]
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds(self) {
            assert!(Instant::now() < end, "{what}: did not happen");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until nothing more can be written, and gives what was written until then.
    pub fn stuck(&self) -> u64 {
        let end = Instant::now() + Duration::from_secs(60);
        let (mut before, mut since) = (0, Instant::now());
        loop {
            let now = self.written();
            if now != before {
                (before, since) = (now, Instant::now());
            }
            if since.elapsed() > Duration::from_millis(700) {
                return now;
            }
            assert!(Instant::now() < end, "the server is never stopped");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.seen.closing.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.url["http://".len()..].trim_end_matches("/mcp"));
    }
}

impl Connection {
    /// The head of an answer whose body is ended by the end of the connection.
    pub fn begin(&mut self, content_type: &str) -> io::Result<()> {
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nConnection: close\r\n\r\n");
        self.closes = true;
        self.write_all(head.as_bytes())
    }

    /// A whole answer of JSON.
    pub fn answer(&mut self, message: &Value, result: &Value) -> io::Result<()> {
        let body = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string();
        let length = body.len();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: s1\r\n";
        self.write_all(format!("{head}Content-Length: {length}\r\n\r\n{body}").as_bytes())
    }

    /// An answer without a body.
    pub fn status(&mut self, status: u16) -> io::Result<()> {
        self.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes())
    }

    /// One event with this data.
    pub fn event(&mut self, data: &Value) -> io::Result<()> {
        self.write_all(format!("data: {data}\n\n").as_bytes())
    }

    /// Waits until the other side has closed the connection.
    pub fn hang(&mut self) -> io::Result<()> {
        let mut byte = [0];
        while self.stream.read(&mut byte)? > 0 {}
        Ok(())
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.stream.write(bytes)?;
        self.seen
            .written
            .fetch_add(written as u64, Ordering::SeqCst);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Serves the requests of a connection, one after the other.
fn serve(stream: TcpStream, seen: &Arc<Seen>, handler: &Handler) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut connection = Connection {
        stream,
        seen: seen.clone(),
        closes: false,
    };
    while !connection.closes
        && let Some((method, message)) = read_request(&mut reader)?
    {
        if method == "DELETE" {
            seen.deletes.fetch_add(1, Ordering::SeqCst);
            connection.status(204)?;
            continue;
        }
        if !message.is_null() {
            seen.messages.lock().unwrap().push(noted(&message));
        }
        match message["method"].as_str() {
            Some("initialize") => connection.answer(
                &message,
                &json!({
                    "protocolVersion": "2025-11-25",
                    "capabilities": { "tools": {} },
                    "serverInfo": { "name": "flow", "version": "1" },
                }),
            )?,
            // On a slow machine, silence lasts long enough for one.
            Some("ping") => connection.answer(&message, &json!({}))?,
            Some(TALKED_ABOUT) => {
                connection.begin("text/event-stream")?;
                connection.hang()?;
            }
            Some(UNANSWERED) => connection.hang()?,
            Some(_) if !message["id"].is_null() => handler(&message, &mut connection)?,
            None if method == "GET" => handler(&message, &mut connection)?,
            _ => connection.status(202)?,
        }
    }
    Ok(())
}

/// What is kept of a message; large arguments are replaced by their length.
fn noted(message: &Value) -> Value {
    let mut noted = message.clone();
    let text = &mut noted["params"]["arguments"]["text"];
    if let Some(length) = text.as_str().map(str::len) {
        *text = json!(length);
    } else if message["params"].is_null() {
        noted = json!({ "method": message["method"], "id": message["id"] });
    }
    noted
}

fn read_request(reader: &mut impl BufRead) -> io::Result<Option<(String, Value)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let method = line.split(' ').next().unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length").and_then(|v| v.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    Ok(Some((
        method,
        serde_json::from_slice(&body).unwrap_or_default(),
    )))
}
