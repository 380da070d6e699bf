//! Whatever a bridge is doing: the end of stdin or stdout and every signal end it in time, with
//! everything released.

use std::fs::File;
use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use playground::{Fault, Playground, Settings, Then};
use serde_json::json;

use super::host::Host;
use super::server::Server;
use crate::support::bridge::Bridge;
use crate::support::machine::{Browser, Machine};
use crate::support::scene::{is_delete, is_get, opening};

/// How long an end may take. The bridge allows itself two seconds; a machine that runs many tests
/// at a time needs some for itself.
pub(super) const LIMIT: Duration = Duration::from_secs(4);

/// Why a bridge has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Input,
    Output,
    #[cfg(unix)]
    Signal(rustix::process::Signal),
}

impl Reason {
    pub(super) const ALL: &[Self] = &[
        Self::Input,
        // Elsewhere the next message has to find out, and there may be none.
        #[cfg(target_os = "linux")]
        Self::Output,
        #[cfg(unix)]
        Self::Signal(rustix::process::Signal::TERM),
        #[cfg(unix)]
        Self::Signal(rustix::process::Signal::INT),
        #[cfg(unix)]
        Self::Signal(rustix::process::Signal::HUP),
    ];

    /// Lets it happen.
    pub(super) fn happen(self, host: &mut Host) {
        match self {
            Self::Input => drop(host.stdin.take()),
            Self::Output => drop(host.stdout.take()),
            #[cfg(unix)]
            Self::Signal(signal) => host.signal(signal),
        }
    }

    pub(super) fn code(self) -> i32 {
        match self {
            #[cfg(unix)]
            Self::Signal(rustix::process::Signal::INT) => 130,
            _ => 0,
        }
    }
}

/// A bridge that does something, and the server it does it with.
struct Stage<S> {
    host: Host,
    server: S,
}

/// Ends such a bridge for every reason, all at a time, and looks at the server afterwards.
fn each<S: Send>(stage: impl Fn() -> Stage<S> + Sync, look: impl Fn(&S, Reason) + Sync) {
    each_with(Reason::code, stage, look);
}

/// The same with other exit codes.
fn each_with<S: Send>(
    code: impl Fn(Reason) -> i32 + Sync,
    stage: impl Fn() -> Stage<S> + Sync,
    look: impl Fn(&S, Reason) + Sync,
) {
    thread::scope(|scope| {
        for &reason in Reason::ALL {
            let (code, stage, look) = (&code, &stage, &look);
            scope.spawn(move || {
                let Stage { mut host, server } = stage();
                reason.happen(&mut host);
                let (status, took) = host.end_within(LIMIT);
                println!("{reason:?}: {} ms", took.as_millis());
                assert_eq!(status.code(), Some(code(reason)), "{}", host.stderr());
                nothing_is_left(&host.machine);
                look(&server, reason);
            });
        }
    });
}

/// No lock is held, no port is listened on, and no file is there that should not be.
#[track_caller]
pub(super) fn nothing_is_left(machine: &Machine) {
    for path in machine.files(|_| true) {
        let name = path.to_string_lossy().into_owned();
        let known = [".lock", ".token.json", ".server.json", ".signin.json"];
        assert!(
            known.iter().any(|end| name.ends_with(end)),
            "{name} is left"
        );
        if name.ends_with(".lock") {
            assert!(is_free(&path), "{name} is held");
        }
    }
    for address in machine.opened() {
        let port = port_of(&address);
        // An outgoing connection of another test may have it by now, which harms nobody.
        assert!(
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err(),
            "port {port} is listened on"
        );
    }
}

fn is_free(lock: &Path) -> bool {
    let file = File::open(lock).expect("a readable cache");
    fs2::FileExt::try_lock_exclusive(&file).is_ok()
}

/// The port that a sign-in at this address comes back to.
fn port_of(address: &str) -> u16 {
    let address = url::Url::parse(address).expect("an address");
    let redirect = address
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri");
    let redirect = redirect.expect("an authorization address").1.into_owned();
    let redirect = url::Url::parse(&redirect).expect("an address");
    redirect.port().expect("a port")
}

#[track_caller]
pub(super) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}: did not happen");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A host with an open session at a playground.
fn open() -> Stage<Playground> {
    let server = Playground::start(Settings::open());
    let host = Host::open(&server.mcp_url(), &[]);
    server.wait_for_answered(is_get);
    Stage { host, server }
}

fn session_is_deleted(server: &Playground, _: Reason) {
    let requests = server.requests();
    assert_eq!(requests.iter().filter(|r| is_delete(r)).count(), 1);
    assert!(server.sessions().is_empty());
}

#[test]
fn idle() {
    each(open, session_is_deleted);
}

#[test]
fn before_anything_is_said() {
    let silent = || {
        let server = Playground::start(Settings::open());
        let host = Host::start(&server.mcp_url(), &[]);
        // It is there when it answers.
        let mut stage = Stage { host, server };
        stage.host.request(1, "ping", json!({}));
        stage.host.message();
        stage
    };
    each(silent, |server, _| assert!(server.requests().is_empty()));
}

#[test]
fn while_the_session_opens() {
    let opens = || {
        let server = Playground::start(Settings::open());
        server.fault(Fault::mcp().rpc("initialize").then(Then::Hold));
        let mut host = Host::start(&server.mcp_url(), &[]);
        host.request(0, "initialize", opening("2025-11-25", json!({})));
        wait_until("initialize", || server.held() == 1);
        Stage { host, server }
    };
    each(opens, |_, _| {});
}

#[test]
fn while_a_person_is_to_sign_in() {
    let signs_in = || {
        let server = Playground::start(Settings::default());
        let machine = Machine::with(Browser::Waits);
        let mut host = Host::start_on(machine, &server.mcp_url(), &[]);
        host.request(0, "initialize", opening("2025-11-25", json!({})));
        host.message();
        host.request(1, "tools/list", json!({}));
        host.machine.tab_is_noted();
        wait_until("a browser", || !host.machine.opened().is_empty());
        Stage { host, server }
    };
    each(signs_in, |server, _| assert_eq!(server.code_exchanges(), 0));
}

/// A host whose token has ended and is being refreshed.
fn refreshing() -> Stage<Playground> {
    let server = Playground::start(Settings::default());
    let machine = Machine::new();
    Bridge::open(&machine, &server.mcp_url(), &[]).close();
    machine.expire_cached();
    server.fault(Fault::token("refresh_token").then(Then::HoldAnswer));
    let mut host = Host::start_on(machine, &server.mcp_url(), &[]);
    host.request(0, "initialize", opening("2025-11-25", json!({})));
    wait_until("a refresh", || server.held() == 1);
    Stage { host, server }
}

#[test]
fn while_a_token_is_refreshed() {
    each(refreshing, |server, _| assert_eq!(server.refreshes(), 1));
}

#[test]
fn a_refreshed_token_on_its_way_reaches_the_disk() {
    thread::scope(|scope| {
        for &reason in Reason::ALL {
            scope.spawn(move || {
                let Stage { mut host, server } = refreshing();
                let before = host.machine.sign_in()["refresh_token"].clone();
                reason.happen(&mut host);
                // By now it is leaving.
                thread::sleep(Duration::from_millis(300));
                server.release_held();
                let (status, _) = host.end_within(LIMIT);
                assert_eq!(status.code(), Some(reason.code()), "{}", host.stderr());
                assert_ne!(
                    host.machine.sign_in()["refresh_token"],
                    before,
                    "{reason:?}"
                );
                nothing_is_left(&host.machine);
                // The next one goes on with it.
                let opened = host.machine.opened().len();
                Bridge::open(&host.machine, &server.mcp_url(), &[]).close();
                assert_eq!((server.reuses(), host.machine.opened().len()), (0, opened));
            });
        }
    });
}

#[test]
fn while_the_server_wants_it_to_wait() {
    let waits = || {
        let mut stage = open();
        let busy = Then::answer(503).header("Retry-After", "50");
        stage
            .server
            .fault(Fault::mcp().rpc("tools/call").then(busy));
        stage.host.call(1, json!({}));
        stage.host.stderr_says("sending again");
        stage
    };
    each(waits, session_is_deleted);
}

#[test]
fn while_the_server_answers_nothing_any_more() {
    let silent = || {
        let mut stage = open();
        let hole = Fault::of(playground::Server::Mcp).always();
        stage.server.fault(hole.then(Then::Hold));
        for id in 1..=30 {
            stage.host.call(id, json!({}));
        }
        wait_until("the calls", || stage.server.held() == 30);
        stage
    };
    each(silent, |_, _| {});
}

#[test]
fn in_the_middle_of_a_large_result() {
    let half = || {
        let server = Server::start(|message, connection| {
            if message.is_null() {
                return connection.status(405);
            }
            connection.begin("application/json")?;
            let id = &message["id"];
            write!(
                connection,
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{\"x\":\""
            )?;
            connection.write_all(&vec![b'x'; 24 << 20])?;
            connection.hang()
        });
        let mut host = Host::open(server.url(), &[]);
        host.call(1, json!({}));
        server.wait_until("half of it", |server| server.written() > 24 << 20);
        Stage { host, server }
    };
    each(half, |server: &Server, _| assert_eq!(server.deletes(), 1));
}

#[test]
fn while_nobody_reads() {
    let blocked = || {
        let server = Server::start(|message, connection| {
            if message.is_null() {
                return connection.status(405);
            }
            let filling = "x".repeat(1 << 20);
            connection.answer(message, &json!({ "x": filling }))
        });
        let mut host = Host::open(server.url(), &[]);
        for id in 1..=20 {
            host.call(id, json!({}));
        }
        server.wait_until("some answers", |server| server.written() > 10 << 20);
        Stage { host, server }
    };
    // It may read on, and there was more to be read.
    let code = |reason| match reason {
        Reason::Input => 1,
        reason => reason.code(),
    };
    each_with(code, blocked, |server: &Server, _| {
        assert_eq!(server.deletes(), 1)
    });
}

/// A host that closes stdin right after the last thing it has to say.
#[test]
fn what_is_said_last_reaches_the_server_although_it_awaits_no_answer() {
    let last = "notifications/roots/list_changed";
    let count = |server: &Playground| server.requests().iter().filter(|r| r.calls(last)).count();
    // Without a session there is nothing else to be said at the end.
    let settings = || Settings {
        sessions: false,
        ..Settings::open()
    };
    let server = Playground::start(settings());
    let mut host = Host::open(&server.mcp_url(), &[]);
    server.wait_for_answered(is_get);
    host.send(&json!({ "jsonrpc": "2.0", "method": last }));
    drop(host.stdin.take());
    host.end_within(LIMIT);
    assert_eq!(count(&server), 1, "{}", host.stderr());

    // It waits for the server to know that the session is open.
    let server = Playground::start(settings());
    let announced = Fault::mcp().rpc("notifications/initialized");
    server.fault(announced.then(Then::Hold));
    let mut host = Host::open(&server.mcp_url(), &[]);
    wait_until("the announcement", || server.held() == 1);
    host.send(&json!({ "jsonrpc": "2.0", "method": last }));
    drop(host.stdin.take());
    server.release_held();
    host.end_within(LIMIT);
    assert_eq!(count(&server), 1, "{}", host.stderr());
}

/// Whoever says it twice does not want to wait.
#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_at_once() {
    let fastest = (0..3).map(|_| {
        let Stage { mut host, server } = open();
        let hole = Fault::of(playground::Server::Mcp).always();
        server.fault(hole.then(Then::Hold));
        host.signal(rustix::process::Signal::TERM);
        wait_until("the farewell", || server.held() == 1);
        host.signal(rustix::process::Signal::TERM);
        let (status, took) = host.end_within(LIMIT);
        assert_eq!(status.code(), Some(0));
        took
    });
    // Taking leave of a server like that takes a second.
    let fastest = fastest.min().unwrap_or_default();
    assert!(fastest < Duration::from_millis(600), "{fastest:?}");
}

/// Hosts that talk through sockets, as those made with Node.js do.
#[cfg(target_os = "linux")]
#[test]
fn a_closed_socket_is_noticed_like_a_closed_pipe_and_one_that_is_only_half_closed_is_not() {
    use std::io::{BufRead, BufReader};
    use std::net::Shutdown;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    let server = Playground::start(Settings::open());
    let machine = Machine::new();
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let mut command = Bridge::command(&machine, &server.mcp_url(), &[]);
    let mut child = command
        .stdin(std::process::Stdio::piped())
        .stdout(OwnedFd::from(theirs))
        .spawn()
        .expect("the bridge starts");
    // It keeps an end of the pair otherwise.
    drop(command);
    let mut stdin = child.stdin.take().expect("a pipe");
    // This side only reads.
    ours.shutdown(Shutdown::Write).expect("a socket");
    let mut lines = BufReader::new(ours).lines();
    for id in 1..=3 {
        let ping = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
        writeln!(stdin, "{ping}").expect("it reads");
        assert!(lines.next().expect("an answer").is_ok());
    }
    drop(lines);
    let begun = Instant::now();
    while child.try_wait().expect("a child of ours").is_none() {
        assert!(begun.elapsed() < LIMIT, "it did not end");
        thread::sleep(Duration::from_millis(1));
    }
    drop(stdin);
    nothing_is_left(&machine);
}
