//! Bridges that are started and ended again and again, at any moment and in any way: nothing stays
//! behind.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use playground::{Playground, Settings};
use rand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::amount;
use super::leaving::nothing_is_left;
use crate::support::bridge::Bridge;
use crate::support::machine::{Browser, Machine};
use crate::support::scene::opening;

/// How long a bridge may take to begin or to end here, where many do at a time and it is looked at what
/// they leave; how fast one ends by itself is looked at elsewhere.
const LIMIT: Duration = Duration::from_secs(10);

/// How many go on at a time.
const WORKERS: usize = 4;
/// The longest life of a bridge, in milliseconds; a start takes some ten of them.
const LIFE: u64 = 400;

#[derive(Clone, Copy, Debug)]
enum End {
    Input,
    Output,
    Signal(Signal),
    /// SIGKILL.
    Killed,
    /// SIGKILL for the process that started it; stdin and stdout stay open.
    ParentKilled,
}

const ENDS: [End; 7] = [
    End::Input,
    End::Output,
    End::Signal(Signal::TERM),
    End::Signal(Signal::INT),
    End::Signal(Signal::HUP),
    End::Killed,
    End::ParentKilled,
];

/// A bridge under a shell, and a host that goes on when it is answered.
struct Life {
    shell: Child,
    bridge: Pid,
    stdin: Arc<Mutex<Option<ChildStdin>>>,
    stdout: Arc<Mutex<Option<ChildStdout>>>,
}

impl Life {
    fn begin(machine: &Machine, url: &str) -> Self {
        let mut shell = Command::new("sh")
            .args([
                "-c",
                r#"exec 3<&0; "$@" <&3 3<&- 2>/dev/null & echo $! >&2; wait"#,
                "sh",
            ])
            .arg(env!("CARGO_BIN_EXE_mcp-drawbridge"))
            .arg(url)
            .envs(machine.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("there is a shell");
        let mut number = String::new();
        let mut said = BufReader::new(shell.stderr.take().expect("a pipe"));
        said.read_line(&mut number).expect("a readable pipe");
        let number = number.trim().parse().ok().and_then(Pid::from_raw);
        Self {
            bridge: number.expect("the shell says the process"),
            stdin: Arc::new(Mutex::new(shell.stdin.take())),
            stdout: Arc::new(Mutex::new(None)),
            shell,
        }
    }

    /// What a host says; the rest when it has the first answer.
    fn speak(&mut self) {
        let request = |id: u64, method: &str, params: Value| {
            json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
                + "\n"
        };
        say(
            &self.stdin,
            &request(0, "initialize", opening("2025-11-25", json!({}))),
        );
        let call = json!({ "name": "slow", "arguments": { "steps": 2, "delay_ms": 50 } });
        let rest = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n".to_owned()
            + &request(1, "tools/list", json!({}))
            + &request(2, "tools/call", call);
        let mut stdout = self.shell.stdout.take().expect("a pipe");
        let (stdin, place) = (self.stdin.clone(), self.stdout.clone());
        thread::spawn(move || {
            let mut byte = [0];
            while matches!(stdout.read(&mut byte), Ok(1)) && byte != *b"\n" {}
            say(&stdin, &rest);
            *place.lock().unwrap() = Some(stdout);
        });
    }

    /// Waits until the bridge is so far that it looks out for signals and its parent.
    fn looks_out(&self) {
        let interrupt = 1 << (Signal::INT.as_raw() - 1);
        let path = format!("/proc/{}/status", self.bridge.as_raw_nonzero());
        let begun = Instant::now();
        while let Ok(status) = fs::read_to_string(&path) {
            let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
            if caught.unwrap_or_default() & interrupt != 0 {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "it never looks out");
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn end(mut self, end: End) {
        let begun = Instant::now();
        match end {
            End::Input => drop(self.stdin.lock().unwrap().take()),
            End::Output => {
                // As soon as the first answer is there, if it ever comes; else all of it ends.
                while self.stdout.lock().unwrap().take().is_none() {
                    if begun.elapsed() > Duration::from_secs(3) {
                        let _ = kill_process(self.bridge, Signal::TERM);
                        break;
                    }
                    thread::sleep(Duration::from_millis(5));
                }
            }
            // A shell lets what it starts in the background ignore SIGINT.
            End::Signal(Signal::INT) => {
                self.looks_out();
                let _ = kill_process(self.bridge, Signal::INT);
            }
            End::Signal(signal) => {
                let _ = kill_process(self.bridge, signal);
            }
            End::Killed => {
                let _ = kill_process(self.bridge, Signal::KILL);
            }
            End::ParentKilled => {
                self.looks_out();
                self.shell.kill().expect("it runs");
            }
        }
        let begun = Instant::now();
        while is_alive(self.bridge) {
            assert!(
                begun.elapsed() < LIMIT,
                "{end:?}: {:?} lives on",
                self.bridge
            );
            thread::sleep(Duration::from_millis(2));
        }
        self.shell.wait().expect("it ran");
    }
}

fn say(stdin: &Mutex<Option<ChildStdin>>, text: &str) {
    if let Some(stdin) = &mut *stdin.lock().unwrap() {
        let _ = stdin.write_all(text.as_bytes());
    }
}

/// Whether a process runs; one that has ended and that nobody has asked about does not.
fn is_alive(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// The processes that were started on this machine and still run.
fn processes(machine: &Machine) -> Vec<String> {
    let mark = format!("MCP_DRAWBRIDGE_DIR={}\0", machine.cache().display());
    let all = fs::read_dir("/proc").expect("this is Linux");
    let ours = all.filter_map(|entry| {
        let path = entry.ok()?.path();
        let environment = fs::read(path.join("environ")).ok()?;
        let found = memchr::memmem::find(&environment, mark.as_bytes()).is_some();
        let command = fs::read(path.join("cmdline")).ok()?;
        found.then(|| String::from_utf8_lossy(&command).replace('\0', " "))
    });
    ours.collect()
}

/// Starts and ends bridges until there were enough.
fn work(settings: Settings, browser: Browser, refreshes: bool, left: &AtomicUsize) {
    let server = Playground::start(settings);
    let mut machine = Machine::with(browser);
    let mut random = rand::thread_rng();
    while left
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    {
        if refreshes && machine.cached().len() == 1 {
            machine.expire_cached();
        }
        let end = ENDS[random.gen_range(0..ENDS.len())];
        let mut life = Life::begin(&machine, &server.mcp_url());
        if random.gen_ratio(9, 10) {
            life.speak();
        }
        thread::sleep(Duration::from_millis(random.gen_range(0..LIFE)));
        life.end(end);
    }
    // Whatever was left in the middle, the next one works. It has a person who signs in.
    machine.browser = Browser::Approves;
    let mut bridge = Bridge::start(&machine, &server.mcp_url(), &[]);
    bridge.initialize("2025-11-25", json!({}));
    for address in machine.opened() {
        // A tab that is open still serves.
        let _ = machine.browse(&address).wait();
    }
    let id = bridge.request("tools/list", json!({}));
    assert!(bridge.tools_listed(id).len() > 1);
    bridge.close();
    let begun = Instant::now();
    while !processes(&machine).is_empty() {
        assert!(begun.elapsed() < LIMIT, "{:?}", processes(&machine));
        thread::sleep(Duration::from_millis(5));
    }
    nothing_is_left(&machine);
}

#[test]
fn nothing_stays_behind_however_bridges_end() {
    let cycles = amount("LEAVING_CYCLES", 40);
    let left = AtomicUsize::new(cycles);
    let begun = Instant::now();
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let left = &left;
            scope.spawn(move || match worker {
                0 => work(Settings::open(), Browser::Approves, false, left),
                1 => work(Settings::default(), Browser::Waits, false, left),
                2 => work(Settings::default(), Browser::Approves, true, left),
                _ => work(Settings::default(), Browser::Approves, false, left),
            });
        }
    });
    println!("{cycles} cycles in {:.1} s", begun.elapsed().as_secs_f32());
}
