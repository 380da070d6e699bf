//! The command line of mcp-remote: every argument that it takes has its effect here, seen at a server,
//! a browser or a proxy and not in how it is read.

mod client;
mod flags;
mod mistakes;
mod readme;
mod sign_in;
mod surroundings;
mod tools;

use playground::{Playground, Settings};
use serde_json::json;

use crate::support::bridge::{Bridge, Ended};
use crate::support::machine::Machine;

/// A bridge at a server without protection, whose session is open.
struct Open {
    bridge: Bridge,
    playground: Playground,
    /// Holds the folder that the bridge uses.
    _machine: Machine,
}

impl Open {
    fn new(arguments: &[&str]) -> Self {
        Self::at(Settings::open(), arguments)
    }

    fn at(settings: Settings, arguments: &[&str]) -> Self {
        let (machine, playground) = (Machine::new(), Playground::start(settings));
        Self {
            bridge: Bridge::open(&machine, &playground.mcp_url(), arguments),
            playground,
            _machine: machine,
        }
    }

    /// Ends it; everything went well.
    fn close(self) -> Ended {
        let ended = self.bridge.close();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        ended
    }

    /// The first request's header of this name at the MCP server.
    fn sent(&self, header: &str) -> Option<String> {
        let requests = self.playground.requests();
        let first = requests.iter().find(|request| request.path == "/mcp")?;
        first.header(header).map(str::to_owned)
    }
}

/// The bridge does its work.
fn works(bridge: &mut Bridge) {
    let sum = bridge.tool("add", json!({ "a": 20, "b": 22 }));
    assert_eq!(sum["content"][0]["text"], "42", "{}", bridge.story());
}
