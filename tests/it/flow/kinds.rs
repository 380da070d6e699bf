//! Stdin and stdout of other kinds than the pipes that most hosts make.
#![cfg(unix)]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use serde_json::{Value, json};

use super::leaving::wait_until;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::running::Running;

/// Nobody listens there; what is asked here is answered without the server.
const NOWHERE: &str = "http://127.0.0.1:9/mcp";

/// A named pipe, whose ends do not wait when they are opened.
struct Fifo(
    PathBuf,
    #[expect(dead_code, reason = "goes with it")] tempfile::TempDir,
);

impl Fifo {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("fifo");
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("`mkfifo` starts").success());
        Self(path, folder)
    }

    /// An end that does not wait, of which there are no two unless somebody reads.
    fn end(&self, options: &mut OpenOptions) -> File {
        let flag = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag");
        let end = options.custom_flags(flag).open(&self.0);
        end.expect("a named pipe")
    }
}

fn waits_from_now_on(file: impl AsFd) {
    let flags = fcntl_getfl(&file).expect("a file");
    fcntl_setfl(&file, flags - OFlags::NONBLOCK).expect("a file");
}

fn ping(id: impl Into<Value>) -> String {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": "ping" }).to_string() + "\n"
}

fn command(machine: &Machine) -> Command {
    let mut command = Bridge::command(machine, NOWHERE, &[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.stderr(Stdio::piped());
    command
}

/// The answers as they come; there are no more when none comes for a minute.
fn answers_of(child: &mut Child) -> impl Iterator<Item = Value> + use<> {
    let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let (sender, lines) = channel();
    thread::spawn(move || stdout.lines().try_for_each(|line| sender.send(line)));
    let next = move || lines.recv_timeout(Duration::from_secs(60)).ok();
    std::iter::from_fn(next).map(|line| {
        let line = line.expect("text");
        serde_json::from_str(&line).expect("a message")
    })
}

#[test]
fn a_stdin_that_does_not_wait_has_not_ended_when_nothing_is_there() {
    let (machine, fifo) = (Machine::new(), Fifo::new());
    let theirs = fifo.end(OpenOptions::new().read(true));
    let mut ours = fifo.end(OpenOptions::new().write(true));
    let mut child = command(&machine).stdin(theirs).spawn().expect("it starts");
    let mut answers = answers_of(&mut child);
    for id in 1..=3 {
        // The answer to the one before has left the pipe empty.
        ours.write_all(ping(id).as_bytes()).expect("it reads");
        assert_eq!(answers.next().expect("an answer")["id"], id);
    }
    drop(ours);
    assert_eq!(child.wait().expect("a child of ours").code(), Some(0));
}

#[test]
fn a_stdout_that_does_not_wait_gets_every_line_whole() {
    const PINGS: usize = 400;
    let (machine, fifo) = (Machine::new(), Fifo::new());
    let ours = fifo.end(OpenOptions::new().read(true));
    let theirs = fifo.end(OpenOptions::new().write(true));
    let mut child = command(&machine).stdout(theirs).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let long = "x".repeat(1000);
    let all: String = (0..PINGS).map(|n| ping(format!("{n}{long}"))).collect();
    stdin.write_all(all.as_bytes()).expect("it reads");
    // Soon there is no room for the next one. Not every page of a pipe is filled to its end.
    wait_until("a full pipe", || {
        rustix::io::ioctl_fionread(&ours).expect("a pipe") > 45_000
    });
    waits_from_now_on(&ours);
    let mut lines = BufReader::new(ours).lines();
    for number in 0..PINGS {
        let line = lines.next().expect("a line").expect("text");
        let answer: Value = serde_json::from_str(&line).expect("a message");
        assert_eq!(answer["id"], format!("{number}{long}"));
    }
    drop(stdin);
    assert!(lines.next().is_none());
    assert_eq!(child.wait().expect("a child of ours").code(), Some(0));
}

/// Each write to such a pipe is read alone, however much is in it.
#[cfg(target_os = "linux")]
#[test]
fn a_pipe_of_packets_is_read_to_its_end() {
    let machine = Machine::new();
    let (theirs, mut ours) = std::io::pipe().expect("a pipe");
    for end in [theirs.as_fd(), ours.as_fd()] {
        fcntl_setfl(end, fcntl_getfl(end).expect("a pipe") | OFlags::DIRECT).expect("a pipe");
    }
    for id in 1..=4 {
        ours.write_all(ping(id).as_bytes()).expect("there is room");
    }
    let mut child = command(&machine).stdin(theirs).spawn().expect("it starts");
    let mut answers = answers_of(&mut child);
    for id in 1..=4 {
        assert_eq!(answers.next().expect("an answer")["id"], id);
    }
    for id in 5..=8 {
        ours.write_all(ping(id).as_bytes()).expect("there is room");
    }
    for id in 5..=8 {
        assert_eq!(answers.next().expect("an answer")["id"], id);
    }
    drop(ours);
    assert_eq!(child.wait().expect("a child of ours").code(), Some(0));
}

/// The same with a socket that keeps the limits of messages.
#[cfg(target_os = "linux")]
#[test]
fn a_socket_of_packets_is_read_to_its_end() {
    use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
    let machine = Machine::new();
    let kind = (AddressFamily::UNIX, SocketType::SEQPACKET);
    let pair = socketpair(kind.0, kind.1, SocketFlags::CLOEXEC, None);
    let (theirs, ours) = pair.expect("a pair");
    for id in 1..=4 {
        send(&ours, ping(id).as_bytes(), SendFlags::empty()).expect("there is room");
    }
    let mut child = command(&machine).stdin(theirs).spawn().expect("it starts");
    let mut answers = answers_of(&mut child);
    for id in 1..=4 {
        assert_eq!(answers.next().expect("an answer")["id"], id);
    }
    drop(ours);
    assert_eq!(child.wait().expect("a child of ours").code(), Some(0));
}

#[test]
fn a_stdin_that_cannot_be_read_is_told() {
    let machine = Machine::new();
    let mut command = command(&machine);
    command.stdin(File::open("/").expect("a folder"));
    let ended = Running::start_as_it_is(command).end();
    assert!(
        ended.stderr.contains("stdin cannot be read"),
        "{}",
        ended.stderr
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_stdout_that_cannot_be_written_is_an_error_that_says_so() {
    for ends in [true, false] {
        let machine = Machine::new();
        let full = OpenOptions::new().write(true).open("/dev/full");
        let mut child = command(&machine)
            .stdout(full.expect("this system has one"))
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(ping(1).as_bytes()).expect("it reads");
        let kept = (!ends).then_some(stdin);
        let output = child.wait_with_output().expect("a child of ours");
        drop(kept);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot write to stdout"), "{said}");
        assert!(said.contains("hint: "), "{said}");
    }
}
