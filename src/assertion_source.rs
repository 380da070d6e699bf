//! What is handed in for a token where no person is asked, read anew each time: whoever issues it
//! replaces it now and then.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::diag;
use crate::oauth::token_endpoint::Cause;
use crate::secret::Secret;
use crate::secret_command::{SecretCommand, SecretCommandError};

/// Longest text that is taken for one. They are a few KiB.
const LIMIT: u64 = 64 * 1024;

/// How long reading a file may take. The tokens are locked meanwhile, and a pipe that nobody writes to
/// or a network that is gone would hold up every process.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AssertionSource {
    /// A file, which platforms rotate.
    File(PathBuf),
    /// An environment variable of this process.
    Variable(String),
    /// A command that prints it.
    Command(SecretCommand),
}

/// Why it could not be had. No text quotes it.
#[derive(Debug)]
pub enum AssertionError {
    /// The file cannot be read.
    File(PathBuf, io::Error),
    /// The variable is not set.
    Variable(String),
    /// The command gave none.
    Command(SecretCommandError),
    /// It is no such text.
    Unusable {
        /// Where it was, in words.
        place: String,
        /// Why.
        reason: &'static str,
    },
}

impl AssertionError {
    /// What the user does next.
    pub fn hint(&self) -> String {
        match self {
            Self::Command(error) => error.hint(),
            Self::Variable(_) => {
                "set it where the AI client starts this program, such as by the `env` of its configuration"
                    .to_owned()
            }
            Self::File(..) | Self::Unusable { .. } => {
                "whatever issues it has to put a current one there".to_owned()
            }
        }
    }
}

impl fmt::Display for AssertionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => {
                let path = diag::clean(&path.display().to_string());
                write!(f, "the file `{path}` cannot be read: {error}")
            }
            Self::Variable(name) => {
                let name = diag::clean_to(name, 60);
                write!(f, "the environment variable `{name}` is not set")
            }
            Self::Command(error) => error.fmt(f),
            Self::Unusable { place, reason } => write!(f, "{place} holds no token: {reason}"),
        }
    }
}

impl Error for AssertionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File(_, error) => Some(error),
            Self::Command(error) => error.source(),
            Self::Variable(_) | Self::Unusable { .. } => None,
        }
    }
}

impl AssertionSource {
    /// Reads it. The disk may be slow, and a command takes its time.
    pub async fn read(&self) -> Result<Secret, Cause> {
        self.read_within(TIME_LIMIT).await
    }

    async fn read_within(&self, limit: Duration) -> Result<Secret, Cause> {
        let read = match self {
            Self::File(path) => {
                let opened = path.clone();
                let reading = tokio::task::spawn_blocking(move || from_file(&opened));
                match tokio::time::timeout(limit, reading).await {
                    Ok(Ok(read)) => read,
                    Ok(Err(error)) => return Err(Arc::new(error)),
                    Err(_) => {
                        let why = format!("nothing came within {} s", limit.as_secs_f32());
                        let why = io::Error::new(io::ErrorKind::TimedOut, why);
                        Err(AssertionError::File(path.clone(), why))
                    }
                }
            }
            Self::Variable(name) => from_variable(name),
            Self::Command(command) => command.run().await.map_err(AssertionError::Command),
        };
        read.map_err(|error| -> Cause { Arc::new(error) })
    }
}

fn from_file(path: &Path) -> Result<Secret, AssertionError> {
    let failed = |error| AssertionError::File(path.to_owned(), error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = zeroize::Zeroizing::new(String::new());
    // One more than may be there, to see that there is more.
    file.take(LIMIT + 1)
        .read_to_string(&mut text)
        .map_err(failed)?;
    let path = diag::clean(&path.display().to_string());
    checked(&text, || format!("the file `{path}`"))
}

fn from_variable(name: &str) -> Result<Secret, AssertionError> {
    let text = std::env::var(name).map_err(|_| AssertionError::Variable(name.to_owned()))?;
    let text = zeroize::Zeroizing::new(text);
    checked(&text, || {
        format!("the environment variable `{}`", diag::clean_to(name, 60))
    })
}

/// The text without white space around it. RFC 7515 §3.1: what is signed consists of base64url and
/// dots; other tokens have no white space either.
fn checked(text: &str, place: impl Fn() -> String) -> Result<Secret, AssertionError> {
    let unusable = |reason| AssertionError::Unusable {
        place: place(),
        reason,
    };
    let token = text.trim_start_matches('\u{feff}').trim();
    if token.is_empty() {
        return Err(unusable("it is empty"));
    }
    if text.len() as u64 > LIMIT {
        return Err(unusable("it is longer than 64 KiB"));
    }
    match token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(Secret::new(token)),
        false => Err(unusable("it is more than one word of plain characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(source: AssertionSource) -> Result<String, String> {
        let read = source.read().await;
        read.map(|secret| secret.expose().to_owned())
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn a_file_is_read_anew_each_time_and_trimmed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jwt");
        let source = || AssertionSource::File(path.clone());
        let missing = read(source()).await.unwrap_err();
        assert!(missing.starts_with("the file `"), "{missing}");
        for (content, token) in [("A.B.C\n", "A.B.C"), ("\u{feff} D.E.F\r\n\n", "D.E.F")] {
            std::fs::write(&path, content).unwrap();
            assert_eq!(read(source()).await, Ok(token.to_owned()));
        }
        for (content, reason) in [
            ("\n", "it is empty"),
            ("A B", "it is more than one word of plain characters"),
            (
                "SECRET\u{1b}",
                "it is more than one word of plain characters",
            ),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = read(source()).await.unwrap_err();
            assert!(error.ends_with(reason), "{error}");
            assert!(!error.contains("SECRET"), "{error}");
        }
        std::fs::write(&path, "A".repeat(LIMIT as usize + 10)).unwrap();
        let error = read(source()).await.unwrap_err();
        assert!(error.ends_with("it is longer than 64 KiB"), "{error}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let source = AssertionSource::File(path.clone());
        let read = source.read_within(Duration::from_millis(200)).await;
        let error = read.unwrap_err().to_string();
        assert!(error.ends_with("nothing came within 0.2 s"), "{error}");
        // The thread that reads ends with a writer.
        let writing = tokio::task::spawn_blocking(move || std::fs::write(path, "A.B.C"));
        writing.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_variable_that_is_not_set_is_named() {
        let source = AssertionSource::Variable("NO_SUCH_VARIABLE_1".to_owned());
        assert_eq!(
            read(source).await.unwrap_err(),
            "the environment variable `NO_SUCH_VARIABLE_1` is not set"
        );
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_command_prints_it() {
        let command = SecretCommand::parse("sh -c 'echo A.B.C'").unwrap();
        assert_eq!(
            read(AssertionSource::Command(command)).await,
            Ok("A.B.C".to_owned())
        );
        let command = SecretCommand::parse("sh -c 'echo no such role >&2; exit 3'").unwrap();
        let error = read(AssertionSource::Command(command)).await.unwrap_err();
        assert!(error.contains("no such role"), "{error}");
    }

    #[tokio::test]
    async fn each_place_has_a_hint_of_its_own() {
        let hint = async |source: AssertionSource| {
            let error = source.read().await.expect_err("nothing is there");
            let error = error
                .downcast_ref::<AssertionError>()
                .map(AssertionError::hint);
            error.expect("an error of ours")
        };
        let command = SecretCommand::parse("/nonexistent/a").unwrap();
        let command = hint(AssertionSource::Command(command)).await;
        assert!(command.contains("whole path"), "{command}");
        let variable = hint(AssertionSource::Variable("NO_SUCH_VARIABLE_1".to_owned())).await;
        assert!(variable.contains("`env`"), "{variable}");
        let file = hint(AssertionSource::File("/nonexistent/a".into())).await;
        assert!(file.contains("put a current one there"), "{file}");
    }
}
