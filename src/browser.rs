//! Opens an address in the user's browser, without a shell and without lending the child anything
//! of ours.

#[cfg(all(unix, not(target_os = "macos")))]
mod desktop;
mod place;

use std::env;
use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use url::Url;

pub use place::Place;
use place::{Surroundings, Variables};

use crate::ids::is_loopback;

/// Why no browser was opened.
#[derive(Debug)]
pub enum BrowserError {
    /// The address is not one that a sign-in page can have.
    Address(&'static str),
    /// A browser that is opened here would be seen by nobody.
    Nowhere(Place),
    /// No program that opens addresses could be started; the last one that was tried.
    Start {
        /// The program, or what stands for it.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for BrowserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) => write!(f, "the sign-in address is not opened: {why}"),
            Self::Nowhere(place) => write!(f, "no browser can be opened here: {place}"),
            Self::Start { program, source } => {
                write!(f, "cannot start `{program}` to open a browser: {source}")
            }
        }
    }
}

impl Error for BrowserError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Start { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Opens `url` and returns at once. Whether a person sees it cannot be known, so the address is
/// printed in any case.
pub fn open(url: &Url) -> Result<(), BrowserError> {
    let address = checked(url).map_err(BrowserError::Address)?;
    let around = Surroundings::look();
    let plan = plan(&around, &address, |name| Path::new(name).is_file());
    match plan.map_err(BrowserError::Nowhere)? {
        Plan::System => open_by_system(&address, &around.session),
        Plan::Commands(commands) => start_first(
            commands.into_iter().map(|words| {
                let mut command = Command::new(&words[0]);
                command.args(&words[1..]);
                command
            }),
            &around.session,
        ),
    }
}

/// Where this program runs, if that is a place whose screen nobody looks at: a browser that
/// `BROWSER` opens may be on another machine then, and unable to come back to this one.
pub fn place() -> Option<Place> {
    let around = Surroundings::look();
    (!around.seen).then_some(around.place)
}

/// The program that would be started to open an address, or why none would be.
pub fn opener() -> Result<String, BrowserError> {
    let address = "https://mcp.example.com/";
    let plan = plan(&Surroundings::look(), address, |name| {
        Path::new(name).is_file()
    });
    let programs: Vec<String> = match plan.map_err(BrowserError::Nowhere)? {
        Plan::Commands(commands) => commands
            .into_iter()
            .map(|mut words| words.remove(0))
            .collect(),
        Plan::System => system_openers(address),
    };
    let is_there = |program: &&String| program.is_empty() || find(program).is_some();
    match (programs.iter().find(is_there), programs.last()) {
        (Some(program), _) if program.is_empty() => Ok("the system's own way".to_owned()),
        (Some(program), _) => Ok(program.clone()),
        (None, last) => Err(BrowserError::Start {
            program: last.cloned().unwrap_or_else(|| "a browser".to_owned()),
            source: io::ErrorKind::NotFound.into(),
        }),
    }
}

/// The programs by which the system opens addresses; an empty name for what needs none.
fn system_openers(address: &str) -> Vec<String> {
    match cfg!(windows) {
        true => vec![String::new()],
        false => {
            let commands = open::commands(address);
            let program = |command: &Command| command.get_program().to_string_lossy().into_owned();
            commands.iter().map(program).collect()
        }
    }
}

/// Where a program is, by its path or as `PATH` finds it.
fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path);
    // A path stays as it is: what is joined to a folder takes its place if it is absolute.
    let mut places = folders.map(|folder| folder.join(program));
    match Path::new(program).components().count() {
        1 => places.find(|place| place.is_file()),
        _ => Some(PathBuf::from(program)).filter(|place| place.is_file()),
    }
}

/// Whether a browser that is opened here would be seen by somebody.
pub fn is_possible() -> bool {
    plan(&Surroundings::look(), "", |name| Path::new(name).is_file()).is_ok()
}

/// The address as it is handed over, if it may be opened at all. The browser acts on whatever it
/// is given, and on some systems scripts pass it on.
fn checked(url: &Url) -> Result<String, &'static str> {
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        "http" => return Err("it is plain http to another machine"),
        _ => return Err("it is not an https address"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it contains a user name or password");
    }
    // The parser has escaped control characters already; what is serialised is what is parsed.
    let address = url.as_str();
    if Url::parse(address).as_ref() != Ok(url) || address.chars().any(char::is_control) {
        return Err("it changes when it is read again");
    }
    // Some openers are shell or PowerShell scripts, and have been caught evaluating their argument.
    // The escaped spelling means the same to the server.
    let mut safe = String::with_capacity(address.len());
    for c in address.chars() {
        match c {
            '$' | '`' | '\'' | '"' | '(' | ')' | '|' | '^' | '\\' | '{' | '}' | '<' | '>' | ' ' => {
                safe.push_str(&format!("%{:02X}", c as u32));
            }
            c => safe.push(c),
        }
    }
    Ok(safe)
}

/// How a browser is opened.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// One of these command lines, the first that can be started.
    Commands(Vec<Vec<String>>),
    /// The way the system opens addresses.
    System,
}

/// `is_file` says whether a name is that of an existing file.
fn plan(
    around: &Surroundings,
    address: &str,
    is_file: impl Fn(&str) -> bool,
) -> Result<Plan, Place> {
    if let Some(browser) = &around.browser {
        let commands = browser_commands(browser, address, cfg!(unix), is_file);
        if !commands.is_empty() {
            return Ok(Plan::Commands(commands));
        }
    }
    match around.seen {
        true => Ok(Plan::System),
        false => Err(around.place.clone()),
    }
}

/// The command lines that `BROWSER` stands for: alternatives between colons (where paths have
/// none), words between blanks, `%s` for the address, which else comes last. A value, or an
/// alternative, that names a file is that program, blanks and all.
fn browser_commands(
    value: &str,
    address: &str,
    colons: bool,
    is_file: impl Fn(&str) -> bool,
) -> Vec<Vec<String>> {
    let with_address = |program: &str| vec![program.to_owned(), address.to_owned()];
    if is_file(value) {
        return vec![with_address(value)];
    }
    let alternatives: Vec<&str> = match colons {
        true => value.split(':').collect(),
        false => vec![value],
    };
    let mut commands = Vec::new();
    for alternative in alternatives {
        if is_file(alternative) {
            commands.push(with_address(alternative));
            continue;
        }
        let mut words = alternative.split_whitespace();
        let Some(program) = words.next() else {
            continue;
        };
        let mut command = vec![program.to_owned()];
        command.extend(words.map(|word| word.replace("%s", address)));
        if !alternative.contains("%s") {
            command.push(address.to_owned());
        }
        commands.push(command);
    }
    commands
}

#[cfg(not(windows))]
fn open_by_system(address: &str, session: &Variables) -> Result<(), BrowserError> {
    start_first(open::commands(address), session)
}

/// ShellExecute, which despite its name runs no shell; there is no child to prepare or to reap.
#[cfg(windows)]
fn open_by_system(address: &str, _session: &Variables) -> Result<(), BrowserError> {
    open::that_detached(address).map_err(|source| BrowserError::Start {
        program: "the default browser".to_owned(),
        source,
    })
}

/// Starts the first command that can be started, with the session's variables besides ours.
fn start_first(
    commands: impl IntoIterator<Item = Command>,
    session: &Variables,
) -> Result<(), BrowserError> {
    let mut failed = BrowserError::Start {
        program: "a browser".to_owned(),
        source: io::ErrorKind::NotFound.into(),
    };
    for mut command in commands {
        isolate(&mut command);
        command.envs(session.iter().map(|(name, value)| (name, value)));
        match command.spawn() {
            Ok(child) => {
                reap(child);
                return Ok(());
            }
            Err(source) => {
                let program = command.get_program().to_string_lossy().into_owned();
                failed = BrowserError::Start { program, source };
            }
        }
    }
    Err(failed)
}

/// Our stdout carries the protocol, our variables may carry secrets, and a signal meant for us must
/// not end the user's browser.
fn isolate(command: &mut Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for (name, _) in env::vars_os() {
        if is_ours(&name.to_string_lossy()) {
            command.env_remove(name);
        }
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
}

/// Whether a variable is one of ours, which may hold a secret.
pub fn is_ours(name: &str) -> bool {
    let start = name.get(.."MCP_DRAWBRIDGE_".len());
    start.is_some_and(|start| start.eq_ignore_ascii_case("MCP_DRAWBRIDGE_"))
}

/// Collects the child when it ends, which may be now or when the user closes the browser. If no
/// thread can be had, it stays in the process table until we end.
fn reap(mut child: Child) {
    let _ = thread::Builder::new()
        .name("browser".to_owned())
        .stack_size(64 * 1024)
        .spawn(move || child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: &str = "https://as.example.com/authorize?a=1&b=2";

    fn commands(value: &str) -> Vec<Vec<String>> {
        let files = ["/opt/My Browser", "/opt/a:b", "/opt/x/run it"];
        browser_commands(value, ADDRESS, true, |name| files.contains(&name))
    }

    #[test]
    fn browser_variable_is_read_as_its_users_expect() {
        let cases: &[(&str, &[&[&str]])] = &[
            ("firefox", &[&["firefox", ADDRESS]]),
            ("firefox --new-tab", &[&["firefox", "--new-tab", ADDRESS]]),
            ("w3m -x %s -y", &[&["w3m", "-x", ADDRESS, "-y"]]),
            ("x --url=%s", &[&["x", &format!("--url={ADDRESS}")]]),
            (
                "a:b %s: :c",
                &[&["a", ADDRESS], &["b", ADDRESS], &["c", ADDRESS]],
            ),
            ("/opt/My Browser", &[&["/opt/My Browser", ADDRESS]]),
            ("/opt/a:b", &[&["/opt/a:b", ADDRESS]]),
            (
                "/opt/x/run it:y",
                &[&["/opt/x/run it", ADDRESS], &["y", ADDRESS]],
            ),
            // The address is an argument, never the program.
            ("%s", &[&["%s"]]),
            (" : ", &[]),
        ];
        for (value, expected) in cases {
            assert_eq!(commands(value), *expected, "{value}");
        }
        let whole = browser_commands(r"C:\b.exe -x", ADDRESS, false, |_| false);
        assert_eq!(whole, [[r"C:\b.exe", "-x", ADDRESS]]);
    }

    #[test]
    fn shell_syntax_in_the_variable_stays_plain_words() {
        assert_eq!(commands("a;b $(c)"), [["a;b", "$(c)", ADDRESS]]);
    }

    #[test]
    fn browser_that_is_named_is_opened_also_where_nobody_sees_the_screen() {
        let mut around = Surroundings {
            browser: None,
            seen: false,
            session: Variables::new(),
            place: Place::Container,
        };
        let planned = |around: &Surroundings| plan(around, ADDRESS, |_| false);
        assert_eq!(planned(&around), Err(Place::Container));
        around.seen = true;
        assert_eq!(planned(&around), Ok(Plan::System));
        around.browser = Some(" : ".to_owned());
        assert_eq!(planned(&around), Ok(Plan::System));
        for seen in [true, false] {
            around.seen = seen;
            around.browser = Some("helper".to_owned());
            assert!(matches!(planned(&around), Ok(Plan::Commands(_))));
        }
    }

    #[test]
    fn only_addresses_of_sign_in_pages_are_opened() {
        for (text, opened) in [
            ("https://as.example.com/authorize?a=b%20c&d=e+f", true),
            ("http://localhost:3000/authorize", true),
            ("http://127.0.0.1/authorize", true),
            ("http://as.example.com/authorize", false),
            ("https://me@as.example.com/", false),
            ("https://:secret@as.example.com/", false),
            ("https://as.example.com@evil.example/", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("file:///etc/passwd", false),
            ("vscode://x/y", false),
        ] {
            let url = Url::parse(text).expect(text);
            match opened {
                true => assert_eq!(checked(&url).as_deref(), Ok(text)),
                false => assert!(checked(&url).is_err(), "{text}"),
            }
        }
    }

    #[test]
    fn what_scripts_could_evaluate_is_escaped() {
        let url = Url::parse("https://as.example.com/$(x)`y`?q='|\"\r\n^\\&r={}").expect("url");
        let address = checked(&url).expect("opened");
        assert!(
            address.starts_with("https://as.example.com/%24%28x%29%60y%60?q=%27%7C%22%5E%5C&r=")
        );
        let harmless = |c: char| c.is_ascii_alphanumeric() || ":/.?=&%".contains(c);
        assert!(address.chars().all(harmless), "{address}");
    }

    #[test]
    fn our_variables_are_known_in_any_case() {
        for name in ["MCP_DRAWBRIDGE_TOKEN", "mcp_drawbridge_x"] {
            assert!(is_ours(name));
        }
        for name in [
            "MCP_DRAWBRIDGE",
            "PATH",
            "XMCP_DRAWBRIDGE_A",
            "ééééééééééééé",
        ] {
            assert!(!is_ours(name), "{name}");
        }
    }

    #[test]
    fn program_that_is_not_there_is_named() {
        let missing = |name: &str| Command::new(name);
        let error = start_first(
            [missing("/nonexistent/a"), missing("/nonexistent/b")],
            &Vec::new(),
        )
        .expect_err("missing");
        assert!(
            error
                .to_string()
                .starts_with("cannot start `/nonexistent/b`")
        );
        assert!(matches!(error, BrowserError::Start { .. }));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn next_alternative_is_started_and_its_stdout_is_not_ours() {
        let folder = tempfile::tempdir().expect("folder");
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        let mut script = Command::new("sh");
        let say = "out=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo $out $SHOWN_AT >\"$1\"";
        script.args(["-c", say, "sh"]).arg(&pipe);
        start_first(
            [Command::new("/nonexistent/a"), script],
            &vec![("SHOWN_AT", ":7".into())],
        )
        .expect("started");
        // Reading a pipe waits for its other end.
        let said = std::fs::read_to_string(&pipe).expect("read");
        assert_eq!(said, "/dev/null /dev/null /dev/null :7\n");
    }
}
