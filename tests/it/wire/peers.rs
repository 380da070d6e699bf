//! The same faults before a server that other people wrote.

use std::net::SocketAddr;

use playground::{End, Phase, Trouble, Wire};
use serde_json::json;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::peers::{Kind, Server};

struct Scene {
    // The bridge goes first, so that it does not complain about a server that is gone.
    bridge: Bridge,
    wire: Wire,
    _server: Server,
    _machine: Machine,
}

impl Scene {
    /// `@modelcontextprotocol/server-everything` behind a wire.
    fn open() -> Self {
        let (server, machine) = (Server::start(Kind::Everything), Machine::new());
        let port = server.url.port().expect("a port");
        let wire = Wire::to(SocketAddr::from(([127, 0, 0, 1], port)));
        let mut bridge = Bridge::open(&machine, &wire.url(server.url.path()), &[]);
        // What tools do is known from their list.
        bridge.call("tools/list", json!({}));
        Self {
            bridge,
            wire,
            _server: server,
            _machine: machine,
        }
    }

    #[track_caller]
    fn works(&mut self) {
        let arguments = json!({ "message": "hello" });
        let call = json!({ "name": "echo", "arguments": arguments });
        let answer = self.bridge.call("tools/call", call);
        assert_eq!(
            answer["result"]["content"][0]["text"], "Echo: hello",
            "{answer}"
        );
    }
}

#[test]
fn server_everything_is_used_through_a_wire_that_breaks_in_each_phase() {
    let mut scene = Scene::open();
    scene.works();
    for phase in [
        Phase::RequestHead(0),
        Phase::RequestBody(5),
        Phase::AnswerHead(0),
        Phase::AnswerHead(30),
        Phase::AnswerBody(0),
        Phase::AnswerBody(9),
    ] {
        for end in [End::Reset, End::Close] {
            let trouble = Trouble::at(phase).end(end);
            // It says of `echo` that it has no effects.
            scene.wire.trouble(trouble.clone().rpc("tools/call"));
            scene.works();
            scene.wire.trouble(trouble.rpc("tools/list"));
            let answer = scene.bridge.call("tools/list", json!({}));
            assert!(answer["result"]["tools"].is_array(), "{answer}");
            scene.works();
        }
    }
    for end in [End::Reset, End::Close] {
        scene.wire.now(end);
        scene.works();
    }
    assert_eq!(scene.wire.troubles_left(), 0);
}
