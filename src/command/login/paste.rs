//! Takes the address that the browser ended on from stdin, for as long as a sign-in is open.

use std::io::{self, IsTerminal as _, Read};

use crate::config::Again;
use crate::diag::Diag;
use crate::login::{Audience, BringError, Login};
use crate::oauth::invitation::{Invitation, Standing};
use crate::stdio::{self, Input, Lines};

/// Longest line that is looked at, in bytes. No browser keeps longer addresses.
const LINE_LIMIT: usize = 64 * 1024;

/// Lines without success after which no more are read: nobody types them.
const MOST_TRIES: usize = 50;

/// What a terminal takes for one line, in bytes; it drops the rest (Linux `N_TTY_BUF_SIZE`, less the
/// line end). Others take less and do not end such a line at all.
const TERMINAL_LINE: usize = 4095;

/// Who reads what the sign-in says, as far as stdin tells.
pub(in crate::command) fn audience() -> Audience {
    match io::stdin().is_terminal() {
        true => Audience::Asked,
        false => Audience::Command,
    }
}

/// Brings every line of stdin to the sign-in, until one finishes it or there are no more. What
/// comes before the address is open waits for it.
pub(in crate::command) async fn take_over_stdin(login: &Login, again: &Again, diag: &Diag) {
    let asked = audience() == Audience::Asked;
    let lines = match asked {
        true => stdio::read_lines_up_to(LINE_LIMIT, Keyboard),
        false => stdio::read_lines_up_to(LINE_LIMIT, stdio::stdin()),
    };
    take(login, lines, asked, again, diag).await;
}

async fn take(login: &Login, mut lines: Lines, asked: bool, again: &Again, diag: &Diag) {
    let is_open = |now: &Standing| now.invitation().is_some_and(Invitation::takes_callback);
    let mut standing = login.standing();
    let mut asked_at = None;
    let mut tries = 0;
    while tries < MOST_TRIES {
        let open = match standing.wait_for(is_open).await {
            Ok(now) => now.invitation().map(|open| open.address.clone()),
            Err(_) => return,
        };
        if asked && asked_at != open {
            diag.always(
                "if the browser cannot come back to this machine, paste the address it ended on here:",
            );
            asked_at = open;
        }
        let input = tokio::select! {
            input = lines.recv() => input,
            changed = standing.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let Some(input) = input else {
            return;
        };
        tries += 1;
        match bring(login, input, asked, again).await {
            Ok(()) => return,
            // The sign-in says itself that it has failed.
            Err(_) if !is_open(&standing.borrow()) => {}
            Err(why) => {
                diag.always(why);
                asked_at = None;
            }
        }
    }
    diag.always("too many lines were no such address; no more are read");
}

/// What came of a line; an error says what to do, too.
async fn bring(login: &Login, input: Input, asked: bool, again: &Again) -> Result<(), String> {
    let line = match input {
        Input::Line(line) | Input::Unfinished(line) => line,
        Input::Unreadable(why) => return Err(format!("stdin cannot be read: {why}")),
        Input::TooLong => return Err("this line is too long to be an address".to_owned()),
    };
    if asked && line.len() >= TERMINAL_LINE {
        let again = again.login();
        return Err(format!(
            "this terminal takes no more than {TERMINAL_LINE} characters a line; put the address into a file, and run {again} in another terminal with `<` and that file"
        ));
    }
    let brought = login.bring(&String::from_utf8_lossy(&line)).await;
    brought.map_err(|error: BringError| format!("{error}; {}", error.hint()))
}

/// Stdin, if it is a terminal.
struct Keyboard;

impl Read for Keyboard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        wait_for_foreground();
        stdio::stdin().read(buffer)
    }
}

/// A job in the background that reads from its terminal is stopped, and the sign-in with it.
#[cfg(unix)]
fn wait_for_foreground() {
    use std::thread;
    use std::time::Duration;

    let ours = rustix::process::getpgrp();
    while rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group != ours) {
        thread::sleep(Duration::from_millis(300));
    }
}

#[cfg(not(unix))]
fn wait_for_foreground() {}
