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

/// Opens a session, lists the tools, and ends it.
pub async fn hold(mut wire: Wire) -> Result<Told, Error> {
    let (input, host) = io::pipe().map_err(Error::Runtime)?;
    let (observer, mut observed) = mpsc::unbounded_channel();
    wire.observer = Some(observer);
    let (said, heard) = mpsc::unbounded_channel();
    let serving = bridge::run(wire, None, read_lines(input), Output::start(Ear(said)));
    let host = Host {
        stdin: host,
        stdout: heard,
        text: Vec::new(),
    };
    let (ending, told) = tokio::join!(serving, host.talk());
    match (ending, told) {
        (Ending::Signal(_), _) => Err(Error::Interrupted),
        (_, Some(told)) => Ok(Told {
            said: observed.try_recv().ok(),
            ..told
        }),
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
}

impl Host {
    /// Says what there is to say and goes; `None` if the bridge went first.
    async fn talk(mut self) -> Option<Told> {
        let params = json!({
            "protocolVersion": NEWEST.name,
            "capabilities": {},
            "clientInfo": { "name": "mcp-drawbridge", "version": env!("CARGO_PKG_VERSION") },
        });
        let initialize = self.call(0, "initialize", params).await?;
        let offers_tools = match &initialize {
            Ok(result) => result["capabilities"].get("tools").is_some(),
            Err(_) => false,
        };
        if initialize.is_ok() {
            self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        }
        let tools = match offers_tools {
            true => Some(self.count_tools().await?),
            false => None,
        };
        Some(Told {
            initialize,
            said: None,
            tools,
        })
    }

    async fn count_tools(&mut self) -> Option<Result<usize, Value>> {
        let (mut count, mut params) = (0, json!({}));
        for page in 1..=PAGES {
            let result = match self.call(page, "tools/list", params).await? {
                Ok(result) => result,
                Err(error) => return Some(Err(error)),
            };
            count += result["tools"].as_array().map_or(0, Vec::len);
            match result.get("nextCursor").filter(|cursor| cursor.is_string()) {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => break,
            }
        }
        Some(Ok(count))
    }

    async fn call(
        &mut self,
        id: usize,
        method: &str,
        params: Value,
    ) -> Option<Result<Value, Value>> {
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
