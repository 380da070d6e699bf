//! A session as an AI client has it: the bridge itself runs, and is spoken to over pipes in memory.
//! So whatever it can do with a server is done here: both transports, redirects, what is sent
//! again, and the end of the session.

use std::io::{self, PipeWriter, Write};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::bridge::{self, Ending, Wire};
use crate::error::Error;
use crate::mcp::record::ServerRecord;
use crate::mcp::revision::NEWEST;
use crate::mcp::transport::Transport;
use crate::stdio::{Output, read_lines};

/// Most pages of a list that are asked for.
const PAGES: usize = 100;

/// What the server answered.
#[derive(Debug)]
pub struct Told {
    /// To `initialize`: the result, or the error.
    pub initialize: Result<Value, Value>,
    /// What it said of itself, and over which transport.
    pub said: Option<(ServerRecord, Transport)>,
    /// To `tools/list`: how many there are, or the error; `None` if it was not asked.
    pub tools: Option<Result<usize, Value>>,
}

/// What the server has, or says in place of that; `None` if it offers none.
pub type List = Option<Result<Vec<Value>, Value>>;

/// What a person sees of a server.
#[derive(Debug)]
pub struct Shown {
    /// The answer to `initialize`: the result, or the error.
    pub initialize: Result<Value, Value>,
    /// The tools.
    pub tools: List,
    /// The resources.
    pub resources: List,
}

/// Opens a session, lists the tools, and ends it.
pub async fn hold(mut wire: Wire) -> Result<Told, Error> {
    let (observer, mut observed) = mpsc::unbounded_channel();
    wire.observer = Some(observer);
    let told = converse(wire, Host::talk).await?;
    Ok(Told {
        said: observed.try_recv().ok(),
        ..told
    })
}

/// Opens a session, lists tools and resources, and ends it.
pub async fn show(wire: Wire) -> Result<Shown, Error> {
    converse(wire, Host::look).await
}

/// Runs the bridge, and `host` in front of it.
async fn converse<T>(wire: Wire, host: impl AsyncFnOnce(Host) -> Option<T>) -> Result<T, Error> {
    let (input, stdin) = io::pipe().map_err(Error::Runtime)?;
    let (said, heard) = mpsc::unbounded_channel();
    let serving = bridge::run(wire, None, read_lines(input), Output::start(Ear(said)));
    let talking = host(Host {
        stdin,
        stdout: heard,
        text: Vec::new(),
        next: 0,
    });
    let (ending, told) = tokio::join!(serving, talking);
    match (ending, told) {
        (Ending::Signal(_), _) => Err(Error::Interrupted),
        (_, Some(told)) => Ok(told),
        (_, None) => Err(Error::Stdout(io::ErrorKind::BrokenPipe.into())),
    }
}

/// Takes what the bridge writes.
struct Ear(mpsc::UnboundedSender<Vec<u8>>);

impl Write for Ear {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.send(bytes.to_vec()).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The AI client's part.
struct Host {
    stdin: PipeWriter,
    stdout: mpsc::UnboundedReceiver<Vec<u8>>,
    text: Vec<u8>,
    /// The id of the next request.
    next: usize,
}

impl Host {
    /// Says what there is to say and goes; `None` if the bridge went first.
    async fn talk(mut self) -> Option<Told> {
        let initialize = self.open().await?;
        let tools = self.list(&initialize, "tools").await?;
        Some(Told {
            initialize,
            said: None,
            tools: tools.map(|tools| tools.map(|tools| tools.len())),
        })
    }

    /// The same, for a person who wants to see what there is.
    async fn look(mut self) -> Option<Shown> {
        let initialize = self.open().await?;
        let tools = self.list(&initialize, "tools").await?;
        let resources = self.list(&initialize, "resources").await?;
        Some(Shown {
            initialize,
            tools,
            resources,
        })
    }

    /// Opens the session.
    async fn open(&mut self) -> Option<Result<Value, Value>> {
        let params = json!({
            "protocolVersion": NEWEST.name,
            "capabilities": {},
            "clientInfo": { "name": "mcp-drawbridge", "version": env!("CARGO_PKG_VERSION") },
        });
        let initialize = self.call("initialize", params).await?;
        if initialize.is_ok() {
            self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        }
        Some(initialize)
    }

    /// Everything of this kind, page by page, if the server offers it.
    async fn list(&mut self, initialize: &Result<Value, Value>, kind: &str) -> Option<List> {
        let offers = |result: &Value| result["capabilities"].get(kind).is_some();
        if !initialize.as_ref().is_ok_and(offers) {
            return Some(None);
        }
        let (mut items, mut params) = (Vec::new(), json!({}));
        for _ in 0..PAGES {
            let mut result = match self.call(&format!("{kind}/list"), params).await? {
                Ok(result) => result,
                Err(error) => return Some(Some(Err(error))),
            };
            if let Value::Array(more) = result.get_mut(kind).map(Value::take).unwrap_or_default() {
                items.extend(more);
            }
            match result.get("nextCursor").filter(|cursor| cursor.is_string()) {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => break,
            }
        }
        Some(Some(Ok(items)))
    }

    async fn call(&mut self, method: &str, params: Value) -> Option<Result<Value, Value>> {
        let id = self.next;
        self.next += 1;
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            let mut message: Value = serde_json::from_slice(&self.line().await?).ok()?;
            if message.get("method").is_some() || message["id"] != json!(id) {
                continue;
            }
            return Some(match message.get("error") {
                Some(error) => Err(error.clone()),
                None => Ok(message["result"].take()),
            });
        }
    }

    /// Messages are far smaller than what a pipe holds, so this does not wait.
    fn say(&mut self, message: &Value) -> Option<()> {
        writeln!(self.stdin, "{message}").ok()
    }

    async fn line(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let rest = self.text.split_off(end + 1);
                return Some(std::mem::replace(&mut self.text, rest));
            }
            self.text.extend(self.stdout.recv().await?);
        }
    }
}

#[cfg(test)]
mod tests;
