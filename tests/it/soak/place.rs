//! A server behind a wire, and the bridges that use it.

use std::time::{Duration, Instant};

use playground::{Answers, Playground, Settings, Wire};
use serde_json::json;

use super::host::{Host, LIMITS};
use crate::support::machine::Machine;

/// A server, its wire, and its clients.
pub struct Place {
    // Bridges go first, so that they do not complain about a server that is gone.
    pub hosts: Vec<Host>,
    pub wire: Wire,
    pub playground: Playground,
    /// Whether streams can be resumed.
    pub resumable: bool,
    machine: Machine,
}

/// Requests of which the log keeps the text.
const KEPT: usize = 500;

impl Place {
    /// Four bridges with a cache and a server each, and four that share one sign-in at one server.
    pub fn all(seed: u64) -> Vec<Self> {
        // Tokens last between 5 s and a minute.
        let lifetime = |number: u64| 5 + (seed.wrapping_mul(7).wrapping_add(number * 23)) % 56;
        let of = |number: u64, answers, resumable, get_stream| Settings {
            answers,
            resumable,
            get_stream,
            token_lifetime: Some(lifetime(number)),
            retry_of_refresh: true,
            keep_requests: Some(KEPT),
            ..Settings::default()
        };
        vec![
            Self::open("json", 1, of(0, Answers::Json, true, true), 1),
            Self::open("stream", 1, of(1, Answers::Sse, true, true), 2),
            Self::open("plain stream", 1, of(2, Answers::Sse, false, true), 3),
            Self::open("lone calls", 1, of(3, Answers::Fitting, true, false), 4),
            Self::open("shared", 4, of(4, Answers::Sse, true, true), 5),
        ]
    }

    fn open(name: &str, bridges: u64, settings: Settings, base: u64) -> Self {
        let resumable = settings.resumable && settings.answers == Answers::Sse;
        let playground = Playground::start(settings);
        let wire = Wire::to_playground(&playground);
        let machine = Machine::new();
        let url = wire.url("/mcp");
        let hosts = (0..bridges)
            .map(|number| {
                let base = ((base << 8) + number) << 40;
                Host::open(
                    format!("{name} {}", number + 1),
                    &machine,
                    &url,
                    &LIMITS,
                    base,
                )
            })
            .collect();
        Self {
            hosts,
            wire,
            playground,
            resumable,
            machine,
        }
    }

    /// Nothing goes wrong any more: everything is answered, and the bridges work.
    pub fn settle(&self, patience: Duration) -> Vec<String> {
        let end = Instant::now() + patience;
        let mut wrong = Vec::new();
        for host in &self.hosts {
            if !host.all_answered(end.saturating_duration_since(Instant::now())) {
                wrong.push(format!("not everything was answered\n{}", host.story()));
            }
            wrong.extend(host.works_still());
        }
        // A person was asked once: nothing that has happened was a reason to ask again.
        let asked = self.machine.opened().len();
        if asked != 1 {
            let name = &self.hosts[0].name;
            wrong.push(format!("{name}: a person was asked {asked} times"));
        }
        wrong
    }

    pub fn close(self) -> Vec<String> {
        let wrong: Vec<_> = self.hosts.iter().filter_map(Host::close).collect();
        // The processes are gone, and with them whatever they had open.
        self.wire.wait_for(|counts| counts.open == 0);
        wrong
    }
}

/// A bridge that nobody asks anything, with a standing stream on which nothing is said.
pub struct Quiet {
    host: Host,
    playground: Playground,
    _machine: Machine,
}

impl Quiet {
    pub fn open() -> Self {
        let playground = Playground::start(Settings::open());
        let machine = Machine::new();
        let host = Host::open("quiet".into(), &machine, &playground.mcp_url(), &[], 0);
        playground.wait_for(|_| (playground.standing_streams() > 0).then_some(()));
        Self {
            host,
            playground,
            _machine: machine,
        }
    }

    /// Now the server says something.
    pub fn hears(&self) -> Option<String> {
        let data = json!({"level": "info", "data": {"standing": 1}});
        self.playground.notify("notifications/message", data);
        let heard = self.host.has_heard(1, Duration::from_secs(60));
        let opened = self.playground.standing_streams();
        match (heard, opened) {
            (true, 1) => None,
            (true, _) => Some(format!("the quiet stream was opened {opened} times")),
            (false, _) => Some(format!(
                "nothing was heard on the quiet stream\n{}",
                self.host.story()
            )),
        }
    }

    pub fn close(self) -> Option<String> {
        self.host.close()
    }
}
