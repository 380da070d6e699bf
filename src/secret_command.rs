//! A command of the user's that prints a secret: its text taken apart, run without a shell, its
//! output judged.
//!
//! What it prints to stdout is the secret, what it says to stderr is for people. It gets no stdin,
//! and none of our variables, which may hold other secrets.

use std::error::Error;
use std::fmt;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use crate::browser::is_ours;
use crate::diag;
use crate::secret::Secret;

/// How long a command may take. AI clients wait a minute at most for what needs it.
const TIME_LIMIT: Duration = Duration::from_secs(30);
/// Longest output. Tokens are a few KiB; headers of more than that reach no server.
const OUTPUT_LIMIT: usize = 64 * 1024;
/// What is kept of stderr.
const STDERR_LIMIT: usize = 4 * 1024;
/// How long what a command has started may keep its output open once it has ended itself.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How much of the last line on stderr is shown, in characters.
const SHOWN: usize = 200;

/// A program with its arguments. `Debug` shows the program only: arguments may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretCommand {
    program: String,
    arguments: Vec<Secret>,
}

/// Why a text is no command. None of them quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandTextError {
    /// It names no program.
    Empty,
    /// A quote is not closed, or a backslash ends it.
    Unclosed,
    /// It begins with `[` and is no JSON array of texts.
    NotAnArray,
    /// It holds a NUL character, which no argument can carry.
    Nul,
}

impl fmt::Display for CommandTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "names no program",
            Self::Unclosed => "has a quote that is not closed, or ends with a backslash",
            Self::NotAnArray => "begins with `[`, but is no JSON array of texts",
            Self::Nul => "contains a NUL character",
        })
    }
}

impl Error for CommandTextError {}

/// Why a command gave no secret. Clones are the same failure, told to several that waited.
#[derive(Clone, Debug)]
pub enum SecretCommandError {
    /// It could not be started.
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// It could not be listened to.
    Read {
        /// The program.
        program: String,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// It ended without success.
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The last line that it wrote to stderr, made printable; empty if there was none.
        said: String,
    },
    /// It took too long and was ended.
    TimedOut {
        /// The program.
        program: String,
        /// How long it had.
        limit: Duration,
    },
    /// What it printed is no secret to use.
    Unusable {
        /// The program.
        program: String,
        /// Why; does not quote it.
        reason: Unusable,
    },
}

/// Why an output holds no secret to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There is none.
    Empty,
    /// It has more than one line.
    SeveralLines,
    /// It is longer than any token.
    TooLong,
    /// It has blanks or characters that no token has (RFC 6750 §2.1).
    Characters,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("printed nothing"),
            Self::SeveralLines => f.write_str("printed more than one line"),
            Self::TooLong => write!(f, "printed more than {} KiB", OUTPUT_LIMIT / 1024),
            Self::Characters => {
                f.write_str("printed a line with blanks or characters that no token has")
            }
        }
    }
}

impl SecretCommandError {
    /// What the user does next.
    pub fn hint(&self) -> String {
        match self {
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                "give its whole path: AI clients start programs with a short PATH, and no shell is in between".to_owned()
            }
            Self::Start { .. } | Self::Read { .. } => "check that it can be run".to_owned(),
            Self::Failed { .. } => "run it in a terminal to see what it needs".to_owned(),
            Self::TimedOut { .. } => {
                "it must not ask anything of a person; run it in a terminal to see what it waits for"
                    .to_owned()
            }
            Self::Unusable { .. } => {
                "it must print the token and nothing else; what is for people belongs on stderr"
                    .to_owned()
            }
        }
    }
}

impl fmt::Display for SecretCommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start { program, source } => {
                write!(f, "the command `{program}` cannot be started: {source}")
            }
            Self::Read { program, source } => {
                write!(f, "the command `{program}` cannot be listened to: {source}")
            }
            Self::Failed {
                program,
                status,
                said,
            } => {
                write!(f, "the command `{program}` failed ({status})")?;
                match said.is_empty() {
                    true => Ok(()),
                    false => write!(f, ": {said}"),
                }
            }
            Self::TimedOut { program, limit } => write!(
                f,
                "the command `{program}` did not end within {} s",
                limit.as_secs_f32()
            ),
            Self::Unusable { program, reason } => write!(f, "the command `{program}` {reason}"),
        }
    }
}

impl Error for SecretCommandError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Start { source, .. } | Self::Read { source, .. } => Some(&**source),
            Self::Failed { .. } | Self::TimedOut { .. } | Self::Unusable { .. } => None,
        }
    }
}

impl fmt::Debug for SecretCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretCommand(`{}`)", self.program())
    }
}

impl SecretCommand {
    /// Takes a text apart: a JSON array of texts if it begins with `[`, else words as a POSIX shell
    /// splits them (blanks separate, `'…'`, `"…"` and `\` quote). Nothing else that shells do is
    /// done: no variables, no `~`, no pipes.
    pub fn parse(text: &str) -> Result<Self, CommandTextError> {
        let text = text.trim();
        let words: Vec<String> = match text.starts_with('[') {
            true => serde_json::from_str(text).map_err(|_| CommandTextError::NotAnArray)?,
            false => shlex::split(text).ok_or(CommandTextError::Unclosed)?,
        };
        if words.iter().any(|word| word.contains('\0')) {
            return Err(CommandTextError::Nul);
        }
        let mut words = words.into_iter();
        match words.next() {
            Some(program) if !program.is_empty() => Ok(Self {
                program,
                arguments: words.map(Secret::new).collect(),
            }),
            _ => Err(CommandTextError::Empty),
        }
    }

    /// The program without its arguments, for messages.
    pub fn program(&self) -> String {
        diag::clean(&self.program)
    }

    /// Runs it and gives the secret that it prints. Whoever stops waiting ends it.
    pub async fn run(&self) -> Result<Secret, SecretCommandError> {
        self.run_within(TIME_LIMIT).await
    }

    async fn run_within(&self, limit: Duration) -> Result<Secret, SecretCommandError> {
        let program = self.program();
        // The child ends when it is dropped, as when the time is over, and so does what it started.
        let mut child = self.start()?;
        let family = Family::of(&child);
        let Ok(outcome) = tokio::time::timeout(limit, listen(&mut child)).await else {
            return Err(SecretCommandError::TimedOut { program, limit });
        };
        let unusable = |reason| SecretCommandError::Unusable {
            program: program.clone(),
            reason,
        };
        let heard = match outcome {
            Ok(heard) => {
                family.leave();
                heard
            }
            Err(Deaf::TooLong) => return Err(unusable(Unusable::TooLong)),
            Err(Deaf::Io(source)) => {
                let source = Arc::new(source);
                return Err(SecretCommandError::Read { program, source });
            }
        };
        if !heard.status.success() {
            return Err(SecretCommandError::Failed {
                program,
                status: heard.status,
                said: last_line(&heard.stderr),
            });
        }
        secret(&heard.stdout).map_err(unusable)
    }

    fn start(&self) -> Result<Child, SecretCommandError> {
        let mut command = Command::new(&self.program);
        command
            .args(self.arguments.iter().map(Secret::expose))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if is_ours(&name.to_string_lossy()) {
                command.env_remove(name);
            }
        }
        #[cfg(unix)]
        command.process_group(0);
        command.spawn().map_err(|source| SecretCommandError::Start {
            program: self.program(),
            source: Arc::new(source),
        })
    }
}

/// What a command has started, as far as it stayed in its process group. It ends when this is
/// dropped: of `sh -c 'a | b'`, ending the shell alone would leave both running. Elsewhere than on
/// Unix only the command itself ends.
struct Family {
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
}

impl Family {
    fn of(child: &Child) -> Self {
        #[cfg(not(unix))]
        let _ = child;
        Self {
            #[cfg(unix)]
            group: child
                .id()
                .and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)),
        }
    }

    /// The command has ended by itself. What it leaves running it means to, such as an agent that
    /// keeps a key; and the number of the group may soon be another's.
    fn leave(self) {
        #[cfg(unix)]
        {
            let mut family = self;
            family.group = None;
        }
    }
}

#[cfg(unix)]
impl Drop for Family {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It fails if nobody is left of it.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

/// What came of a run.
struct Heard {
    stdout: Zeroizing<Vec<u8>>,
    stderr: Vec<u8>,
    status: ExitStatus,
}

/// Why a run was not listened to until its end.
enum Deaf {
    /// It prints more than any token has.
    TooLong,
    /// The system does not let us.
    Io(io::Error),
}

impl From<io::Error> for Deaf {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads all that the child writes until it has ended. What it leaves running may hold its output
/// open for much longer, which nobody waits for.
async fn listen(child: &mut Child) -> Result<Heard, Deaf> {
    // Room for all of it from the start, so that no copy of a secret is left behind.
    let mut stdout = Zeroizing::new(Vec::with_capacity(OUTPUT_LIMIT));
    let mut stderr = Vec::new();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let status = {
        let outputs = async {
            tokio::try_join!(
                read_secret(out, &mut stdout),
                read_remarks(err, &mut stderr)
            )
        };
        tokio::pin!(outputs);
        tokio::select! {
            read = &mut outputs => {
                read?;
                None
            }
            status = child.wait() => {
                if let Ok(read) = tokio::time::timeout(LAST_WORDS, &mut outputs).await {
                    read?;
                }
                Some(status?)
            }
        }
    };
    let status = match status {
        Some(status) => status,
        None => child.wait().await?,
    };
    Ok(Heard {
        stdout,
        stderr,
        status,
    })
}

/// Reads to the end, or to the limit.
async fn read_secret(from: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) -> Result<(), Deaf> {
    let Some(mut from) = from else {
        return Ok(());
    };
    let mut chunk = Zeroizing::new([0; 4096]);
    loop {
        let count = from.read(&mut chunk[..]).await?;
        if count == 0 {
            return Ok(());
        }
        if count > OUTPUT_LIMIT - into.len() {
            return Err(Deaf::TooLong);
        }
        into.extend_from_slice(&chunk[..count]);
    }
}

/// Keeps the end of what is said. All of it is read, so that whoever says it can go on.
async fn read_remarks(
    from: Option<impl AsyncRead + Unpin>,
    into: &mut Vec<u8>,
) -> Result<(), Deaf> {
    let Some(mut from) = from else {
        return Ok(());
    };
    let mut chunk = [0; 4096];
    loop {
        let count = from.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        into.extend_from_slice(&chunk[..count]);
        let surplus = into.len().saturating_sub(STDERR_LIMIT);
        into.drain(..surplus);
    }
}

/// The secret in an output: one line, without the blanks around it.
fn secret(output: &[u8]) -> Result<Secret, Unusable> {
    if output.len() > OUTPUT_LIMIT {
        return Err(Unusable::TooLong);
    }
    let line = output.trim_ascii();
    if line.is_empty() {
        return Err(Unusable::Empty);
    }
    if line.contains(&b'\n') || line.contains(&b'\r') {
        return Err(Unusable::SeveralLines);
    }
    match std::str::from_utf8(line) {
        Ok(text) if is_token(text) => Ok(Secret::new(text)),
        _ => Err(Unusable::Characters),
    }
}

/// Whether a text can be sent as a bearer token. RFC 6750 §2.1 allows fewer characters; tokens with
/// others of the visible ones exist, and a header carries them.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let last = text.lines().rev().find(|line| !line.trim().is_empty());
    diag::clean_to(last.unwrap_or_default(), SHOWN)
}

#[cfg(test)]
mod tests;
