//! Argument lists with mistakes that mcp-remote passes over: they work here, and what was meant has its
//! effect where that is clear.

use playground::{Playground, Settings};

use super::works;
use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::scene::{NEWEST, everything};

/// What a bridge with these arguments, in which `URL` stands for the server's address, sent and said.
struct Seen {
    playground: Playground,
    stderr: String,
}

impl Seen {
    fn of(arguments: &[&str]) -> Self {
        let (machine, playground) = (Machine::new(), Playground::start(Settings::open()));
        let url = playground.mcp_url();
        let given = arguments
            .iter()
            .map(|argument| argument.replace("URL", &url));
        let mut command = machine.command();
        command.args(given);
        let mut bridge = Bridge::start_command(command);
        bridge.initialize(NEWEST, everything());
        works(&mut bridge);
        let ended = bridge.close();
        assert_eq!(ended.status.code(), Some(0), "{}", ended.stderr);
        Self {
            playground,
            stderr: ended.stderr,
        }
    }

    fn header(&self, name: &str) -> Option<String> {
        let requests = self.playground.requests();
        let last = requests.iter().rfind(|request| request.calls("tools/call"));
        last?.header(name).map(str::to_owned)
    }
}

#[test]
fn what_was_meant_has_its_effect() {
    for arguments in [
        &["URL", "--header=X-A: b c"][..],
        &["URL", "--header X-A: b c"],
        &["URL", "--header \"X-A: b c\""],
        &["--header", "X-A: b c", "URL"],
        &["--debug", "URL", "--header", "X-A: b c"],
        &["URL --header=X-A: b c"],
        &["URL", "-header", "X-A: b c"],
        &["URL", "\u{2014}header", "X-A: b c"],
        &["URL", "--HEADER", "X-A: b c"],
        &["URL", "--header", "X-A:", "b", "c"],
        &["URL", "--", "--header", "X-A: b c"],
        &["-y", "mcp-remote@latest", "URL", "--header", "X-A: b c"],
        &[" URL ", "--header", "X-A: b c"],
    ] {
        let seen = Seen::of(arguments);
        assert_eq!(seen.header("x-a").as_deref(), Some("b c"), "{arguments:?}");
    }
}

#[test]
fn what_nobody_can_have_meant_is_left_out_with_a_warning() {
    for (arguments, part) in [
        (&["URL", "--zzz", "1"][..], "there is no option `--zzz`"),
        (&["URL", "--heder", "X-A: 1"], "did you mean `--header`?"),
        (&["URL", "--transport"], "its value is missing"),
        (&["URL", "--transport", "fast"], "`http-first` counts"),
        (&["URL", "--protocol", "x"], "`auto` counts"),
        (&["URL", "--header", "no header"], "not of the form"),
        (
            &["URL", "--header", "Accept: a/b"],
            "belongs to the connection",
        ),
        (&["URL", "abc"], "no callback port"),
        (&["URL", "99999"], "callback port is left out"),
        (&["URL", "3334", "5"], "without a meaning"),
        (&["URL", "--debug", "3334"], "without a meaning"),
        (&["URL", "--host", "a", "--host", "b"], "the first counts"),
        (&["URL", "--connect-timeout", "0"], "the default counts"),
        (&["URL", "--ping-interval", "x"], "--ping-interval"),
        (&["URL", "--callback-path", "x"], "`/oauth/callback` counts"),
        (
            &["URL", "--client-metadata-url", "https://c.example"],
            "a client that is registered counts",
        ),
    ] {
        let seen = Seen::of(arguments);
        assert!(seen.stderr.contains(part), "{arguments:?}: {}", seen.stderr);
        assert!(seen.stderr.contains("warning: "), "{}", seen.stderr);
    }
}

#[test]
fn a_value_that_looks_like_an_option_is_a_value() {
    let seen = Seen::of(&["URL", "--header", "--odd", "--header", "X-A: 1"]);
    assert!(seen.stderr.contains("not of the form"), "{}", seen.stderr);
    assert_eq!(seen.header("x-a").as_deref(), Some("1"));
}

#[test]
fn commands_about_one_server_take_the_same() {
    let (machine, playground) = (Machine::new(), Playground::start(Settings::open()));
    let url = playground.mcp_url();
    for (command, code) in [("login", 0), ("doctor", 0), ("logout", 1)] {
        let mut started = machine.command();
        started.args([command, &url, "--zzz", "--transport=fast", "--debug=true"]);
        let output = started.output().expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{command}: {stderr}");
        assert!(stderr.contains("there is no option `--zzz`"), "{stderr}");
    }
    let mut strict = machine.command();
    strict.args(["add", "n", &url, "--print", "--zzz"]);
    assert_eq!(strict.output().expect("it starts").status.code(), Some(2));
}

#[test]
fn a_real_mistake_is_an_error() {
    let machine = Machine::new();
    for arguments in [
        &[][..],
        &["--debug"],
        &["mcp.example.com"],
        &["http://mcp.example.com/mcp"],
        &["https://"],
        &["https://mcp.example.com", "--resource", "relative"],
        &["https://mcp.example.com", "--authorize-param", "state=1"],
        &["https://mcp.example.com", "--static-oauth-client-info", "{"],
        &["https://mcp.example.com", "--header-file", "/none/at/all"],
        &["https://mcp.example.com", "--auth-success-url", "ftp://a"],
    ] {
        let output = machine
            .command()
            .args(arguments)
            .output()
            .expect("it starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains("error: "), "{stderr}");
    }
}
