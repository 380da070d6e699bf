//! Opens an address in the user's browser, without a shell and without lending the child anything
//! of ours.

#[cfg(all(unix, not(target_os = "macos")))]
mod desktop;

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use url::Url;

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

/// A place without a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The far end of an SSH connection.
    Ssh,
    /// A container.
    Container,
    /// A machine, or a process, that was given no display.
    NoDisplay,
}

impl BrowserError {
    /// What the user does next. The address itself is always printed.
    pub fn hint(&self) -> String {
        match self {
            Self::Address(_) => "ask the server's operator; its sign-in address is wrong",
            Self::Nowhere(Place::Ssh) => {
                "open the address in a browser on your own machine, with the callback port forwarded to this one (`ssh -L PORT:localhost:PORT`)"
            }
            Self::Nowhere(Place::Container) => {
                "open the address in a browser on your own machine, with the callback port published by the container"
            }
            Self::Nowhere(Place::NoDisplay) => {
                "open the address in a browser on this machine, or set DISPLAY, WAYLAND_DISPLAY or BROWSER for mcp-drawbridge"
            }
            Self::Start { .. } => {
                "open the address in a browser on this machine, or set BROWSER to a program that does"
            }
        }
        .to_owned()
    }
}

impl fmt::Display for BrowserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(why) => write!(f, "the sign-in address is not opened: {why}"),
            Self::Nowhere(Place::Ssh) => {
                f.write_str("no browser can be opened here: this is an SSH session")
            }
            Self::Nowhere(Place::Container) => {
                f.write_str("no browser can be opened here: this is a container")
            }
            Self::Nowhere(Place::NoDisplay) => {
                f.write_str("no browser can be opened here: there is no display")
            }
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
    let plan = around.plan(&address, |name| Path::new(name).is_file());
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

/// Whether a browser that is opened here would be seen by somebody.
pub fn is_possible() -> bool {
    Surroundings::look()
        .plan("", |name| Path::new(name).is_file())
        .is_ok()
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

/// Environment variables.
type Variables = Vec<(&'static str, OsString)>;

/// What decides how a browser is opened.
#[derive(Debug, Clone, Default)]
struct Surroundings {
    /// `BROWSER`, if it is set to something.
    browser: Option<String>,
    /// The system keeps its displays in variables: Linux and the BSDs.
    needs_display: bool,
    display: bool,
    /// Variables of a desktop session that we were started without.
    session: Variables,
    ssh: bool,
    container: bool,
}

/// How a browser is opened.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// One of these command lines, the first that can be started.
    Commands(Vec<Vec<String>>),
    /// The way the system opens addresses.
    System,
}

impl Surroundings {
    fn look() -> Self {
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let any = |names: &[&str]| names.iter().any(|name| set(name));
        // Under WSL it is Windows that shows the browser.
        let display = any(&[
            "DISPLAY",
            "WAYLAND_DISPLAY",
            "WSL_DISTRO_NAME",
            "WSL_INTEROP",
        ]);
        let ssh = any(&["SSH_CONNECTION", "SSH_CLIENT", "SSH_TTY"]);
        let session = match display || ssh {
            true => Vec::new(),
            false => desktop_session(),
        };
        Self {
            browser: env::var_os("BROWSER")
                .map(|value| value.to_string_lossy().into_owned())
                .filter(|value| !value.trim().is_empty()),
            needs_display: cfg!(all(unix, not(target_os = "macos"))),
            display: display || !session.is_empty(),
            session,
            ssh,
            container: any(&["container", "KUBERNETES_SERVICE_HOST"])
                || ["/.dockerenv", "/run/.containerenv"]
                    .iter()
                    .any(|mark| Path::new(mark).exists()),
        }
    }

    /// `is_file` says whether a name is that of an existing file.
    fn plan(&self, address: &str, is_file: impl Fn(&str) -> bool) -> Result<Plan, Place> {
        if let Some(browser) = &self.browser {
            let commands = browser_commands(browser, address, cfg!(unix), is_file);
            if !commands.is_empty() {
                return Ok(Plan::Commands(commands));
            }
        }
        // With a display, an SSH session forwards it and a container was lent it. macOS and Windows
        // would open the browser on the far machine's own screen.
        let seen = match self.needs_display {
            true => self.display,
            false => !self.ssh,
        };
        match (seen, self.ssh, self.container) {
            (true, ..) => Ok(Plan::System),
            (false, true, _) => Err(Place::Ssh),
            (false, false, true) => Err(Place::Container),
            (false, false, false) => Err(Place::NoDisplay),
        }
    }
}

/// macOS and Windows need no variables to find the screen.
#[cfg(any(not(unix), target_os = "macos"))]
fn desktop_session() -> Variables {
    Vec::new()
}

#[cfg(all(unix, not(target_os = "macos")))]
fn desktop_session() -> Variables {
    desktop::session()
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
fn open_by_system(address: &str, session: &[(&'static str, OsString)]) -> Result<(), BrowserError> {
    start_first(open::commands(address), session)
}

/// ShellExecute, which despite its name runs no shell; there is no child to prepare or to reap.
#[cfg(windows)]
fn open_by_system(
    address: &str,
    _session: &[(&'static str, OsString)],
) -> Result<(), BrowserError> {
    open::that_detached(address).map_err(|source| BrowserError::Start {
        program: "the default browser".to_owned(),
        source,
    })
}

/// Starts the first command that can be started, with the session's variables besides ours.
fn start_first(
    commands: impl IntoIterator<Item = Command>,
    session: &[(&'static str, OsString)],
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

fn is_ours(name: &str) -> bool {
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
    fn place_without_a_screen_is_named_unless_a_browser_is() {
        let linux = Surroundings {
            needs_display: true,
            ..Surroundings::default()
        };
        let plan = |surroundings: &Surroundings| surroundings.plan(ADDRESS, |_| false);
        assert_eq!(plan(&linux), Err(Place::NoDisplay));
        for (ssh, container, place) in [
            (true, false, Place::Ssh),
            (true, true, Place::Ssh),
            (false, true, Place::Container),
        ] {
            let mut here = Surroundings {
                ssh,
                container,
                ..linux.clone()
            };
            assert_eq!(plan(&here), Err(place));
            here.display = true;
            assert_eq!(plan(&here), Ok(Plan::System));
            here.display = false;
            here.browser = Some("helper".to_owned());
            assert!(matches!(plan(&here), Ok(Plan::Commands(_))));
        }
        let mut mac = Surroundings::default();
        assert_eq!(plan(&mac), Ok(Plan::System));
        mac.ssh = true;
        assert_eq!(plan(&mac), Err(Place::Ssh));
    }

    #[test]
    fn only_addresses_of_sign_in_pages_are_opened() {
        for (text, opened) in [
            ("https://as.example.com/authorize?a=b%20c&d=e+f", true),
            ("http://localhost:3000/authorize", true),
            ("http://127.0.0.1/authorize", true),
            ("http://as.example.com/authorize", false),
            ("https://me@as.example.com/", false),
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
        let error = start_first([missing("/nonexistent/a"), missing("/nonexistent/b")], &[])
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
            &[("SHOWN_AT", ":7".into())],
        )
        .expect("started");
        // Reading a pipe waits for its other end.
        let said = std::fs::read_to_string(&pipe).expect("read");
        assert_eq!(said, "/dev/null /dev/null /dev/null :7\n");
    }
}
