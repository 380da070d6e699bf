//! SIGKILL around the write of new tokens, and what such a kill, or a power cut, leaves on the disk.

use std::fs;
use std::path::{Path, PathBuf};

use playground::{Playground, Settings};

use super::{initialize, list_tools, sign_in, start};
use crate::support::machine::Machine;

/// One more process finds its way: it has its tools in the end, and the cache is in order.
fn works(machine: &Machine, server: &Playground) {
    let mut bridges = start(machine, server, 1);
    initialize(&mut bridges);
    list_tools(&mut bridges);
    let cached = machine.sign_in();
    for token in ["access_token", "refresh_token"] {
        assert!(server.takes(cached[token].as_str().unwrap()), "{token}");
    }
}

/// Files that a write puts beside the one that it replaces.
fn temporary(machine: &Machine) -> Vec<PathBuf> {
    machine.files(|path| path.extension().is_some_and(|kind| kind == "tmp"))
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

const LEFTOVER: &str = ".0123456789abcdef.tmp";

#[test]
fn leftovers_of_a_killed_writer_are_not_taken_for_tokens_and_go_with_the_next_write() {
    let (server, machine) = (Playground::start(Settings::default()), Machine::new());
    sign_in(&machine, &server);
    let file = machine.sign_in_file();
    let whole = fs::read(&file).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len()] {
        fs::write(beside(&file, LEFTOVER), &whole[..length]).unwrap();
        works(&machine, &server);
        machine.expire_cached();
        works(&machine, &server);
        assert_eq!(temporary(&machine), Vec::<PathBuf>::new(), "{length}");
    }
    assert_eq!((server.refreshes(), machine.opened().len()), (4, 1));
}

#[test]
fn a_torn_token_file_costs_one_sign_in_however_many_processes_meet_it() {
    let (server, machine) = (Playground::start(Settings::default()), Machine::new());
    sign_in(&machine, &server);
    let file = machine.sign_in_file();
    let whole = fs::read(&file).unwrap();
    let torn: [&[u8]; 4] = [b"", b"{", &whole[..whole.len() / 2], &vec![0; whole.len()]];
    for (times, content) in (2..).zip(torn) {
        fs::write(&file, content).unwrap();
        let mut bridges = start(&machine, &server, 5);
        initialize(&mut bridges);
        list_tools(&mut bridges);
        let told = bridges
            .iter()
            .filter(|b| b.stderr().contains("cannot be used"));
        assert_ne!(told.count(), 0, "{content:?}");
        works(&machine, &server);
        assert_eq!(machine.opened().len(), times);
        assert_eq!(server.code_exchanges(), times);
    }
}

#[test]
fn a_torn_note_of_an_open_sign_in_is_replaced() {
    for content in [&b""[..], b"{\"version\": 1,", &[0; 100]] {
        let (server, machine) = (Playground::start(Settings::default()), Machine::new());
        sign_in(&machine, &server);
        let tokens = machine.sign_in_file();
        let name = tokens
            .to_string_lossy()
            .replace(".token.json", ".signin.json");
        let note = PathBuf::from(name);
        fs::remove_file(&tokens).unwrap();
        fs::write(&note, content).unwrap();
        fs::write(beside(&note, LEFTOVER), content).unwrap();
        let mut bridges = start(&machine, &server, 5);
        initialize(&mut bridges);
        list_tools(&mut bridges);
        assert_eq!(machine.opened().len(), 2);
        assert_eq!((note.exists(), temporary(&machine).len()), (false, 0));
    }
}

#[cfg(target_os = "linux")]
mod step_by_step {
    //! The process is let run for some microseconds at a time, and killed where it then stands.

    use std::collections::BTreeMap;
    use std::fs;
    use std::hint::spin_loop;
    use std::time::{Duration, Instant};

    use playground::{Playground, Settings};
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use rustix::process::{Pid, Signal, kill_process};
    use serde_json::{Value, json};

    use super::{temporary, works};
    use crate::concurrency::{seed, sign_in, start, tell};
    use crate::support::authority::{Authority, Grant, Mishap, is_grant};
    use crate::support::bridge::Bridge;
    use crate::support::machine::Machine;
    use crate::support::scene::{NEWEST, opening};

    const ROUNDS: usize = 60;

    /// How far a process has come with writing its new tokens.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    enum Moment {
        /// It has the server's answer, and has not begun.
        Before,
        /// There is a temporary file without all that belongs there.
        WritingPart,
        /// There is a temporary file with all that belongs there.
        WritingWhole,
        /// The cache has the new tokens.
        Written,
    }

    fn send(bridge: &Bridge, signal: Signal) {
        let pid = Pid::from_raw(bridge.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Stops it and waits until every thread stands still: one may be inside a call that cannot be
    /// interrupted, such as `fsync`.
    fn stop(bridge: &Bridge) {
        send(bridge, Signal::STOP);
        let tasks = format!("/proc/{}/task", bridge.id());
        loop {
            let stands = |task: fs::DirEntry| {
                // "id (name) state …"; a thread that has just ended stands still as well.
                let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
                let state = stat.rsplit(") ").next().unwrap_or_default();
                stat.is_empty() || state.starts_with(['T', 'Z', 'X'])
            };
            let mut all = fs::read_dir(&tasks).unwrap();
            if all.all(|task| stands(task.unwrap())) {
                return;
            }
        }
    }

    /// Lets a stopped process run for a moment.
    fn run_for(bridge: &Bridge, moment: Duration) {
        let begin = Instant::now();
        send(bridge, Signal::CONT);
        while begin.elapsed() < moment {
            spin_loop();
        }
        stop(bridge);
    }

    fn look(machine: &Machine, old: &Value) -> Moment {
        if machine.sign_in()["refresh_token"] != old["refresh_token"] {
            return Moment::Written;
        }
        match temporary(machine).first().map(fs::read) {
            None => Moment::Before,
            Some(Ok(content)) if serde_json::from_slice::<Value>(&content).is_ok() => {
                Moment::WritingWhole
            }
            Some(_) => Moment::WritingPart,
        }
    }

    /// A process that has refreshed, stands still, and has the answer waiting in its socket.
    fn answered(machine: &Machine, server: &Playground) -> Bridge {
        machine.expire_cached();
        server.mishap(Grant::Refresh, Mishap::HeldAfter);
        let mut bridge = start(machine, server, 1).remove(0);
        bridge.request("initialize", opening(NEWEST, json!({})));
        server.wait_for_held(1);
        stop(&bridge);
        server.release();
        server.wait_for(|requests| {
            let last = requests.iter().rfind(|r| is_grant(r, Grant::Refresh));
            last.and_then(|request| request.status)
        });
        bridge
    }

    /// Lets it come this far, or a little further.
    fn come_to(aim: Moment, bridge: &Bridge, look: impl Fn() -> Moment, random: &mut StdRng) {
        let end = Instant::now() + Duration::from_secs(30);
        while look() < aim {
            assert!(Instant::now() < end, "never {aim:?}\n{}", bridge.story());
            run_for(bridge, Duration::from_micros(random.gen_range(5..150)));
        }
    }

    #[test]
    fn a_process_killed_around_the_write_of_its_tokens_loses_those_at_most() {
        let mut random = StdRng::seed_from_u64(seed());
        let mut hit = BTreeMap::new();
        for retry_of_refresh in [false, true] {
            let settings = Settings {
                retry_of_refresh,
                ..Settings::default()
            };
            let (server, machine) = (Playground::start(settings), Machine::new());
            sign_in(&machine, &server);
            for round in 0..ROUNDS / 2 {
                let old = machine.sign_in();
                let bridge = answered(&machine, &server);
                let moment = || look(&machine, &old);
                match round % 4 {
                    0 => {}
                    1 => come_to(Moment::WritingPart, &bridge, moment, &mut random),
                    2 => come_to(Moment::Written, &bridge, moment, &mut random),
                    _ => run_for(&bridge, Duration::from_micros(random.gen_range(0..6000))),
                }
                // It stands still: this is where it is killed.
                let moment = look(&machine, &old);
                *hit.entry(moment).or_insert(0) += 1;
                let counts = server.counts();
                let browsers = machine.opened().len();
                bridge.kill();

                works(&machine, &server);
                let (again, anew) = match (moment, retry_of_refresh) {
                    (Moment::Written, _) => (0, 0),
                    (_, true) => (1, 0),
                    (_, false) => (0, 1),
                };
                let after = server.counts();
                assert_eq!(
                    [
                        after.refreshes - counts.refreshes,
                        after.ended - counts.ended,
                        after.exchanges - counts.exchanges,
                        machine.opened().len() - browsers,
                    ],
                    [again, anew, anew, anew],
                    "round {round}, {moment:?}\n{}",
                    server.printed_log()
                );
                assert_eq!(temporary(&machine).len(), 0, "{moment:?}");
            }
        }
        tell(format_args!(
            "killed with new tokens in its hands, {ROUNDS} times (seed {}): {hit:?}",
            seed()
        ));
        let writing = [Moment::WritingPart, Moment::WritingWhole];
        assert!(writing.iter().any(|moment| hit.contains_key(moment)));
        assert!(hit.contains_key(&Moment::Before) && hit.contains_key(&Moment::Written));
    }
}
