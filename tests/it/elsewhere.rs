//! The browser is on another machine: what the user is told, and that it works.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;

use playground::{Manner, Playground, Settings, browse};
use serde_json::json;

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::running::Running;
use crate::support::scene::{NEWEST, opening};

/// A bridge that the user reached over SSH.
fn over_ssh(machine: &Machine, playground: &Playground, arguments: &[&str]) -> Command {
    let mut command = Bridge::command(machine, &playground.mcp_url(), arguments);
    command
        .env_remove("BROWSER")
        .env("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22");
    command
}

/// Starts a bridge that needs a sign-in; gives the address to open, and where it comes back to.
fn asking(command: Command) -> (Bridge, u64, String, url::Url) {
    let mut bridge = Bridge::start_command(command);
    let id = bridge.request("initialize", opening(NEWEST, json!({})));
    let address = bridge.stderr_address();
    let redirect_uri = url::Url::parse(&address)
        .unwrap()
        .query_pairs()
        .find_map(|(name, value)| (name == "redirect_uri").then(|| value.into_owned()))
        .unwrap();
    (bridge, id, address, url::Url::parse(&redirect_uri).unwrap())
}

/// The lines of stderr without the mark that they are about this server.
fn lines(stderr: &str) -> Vec<&str> {
    stderr
        .lines()
        .map(|line| line.split_once("] ").map_or(line, |(_, text)| text))
        .collect()
}

/// The commands in backticks.
fn commands(stderr: &str) -> Vec<String> {
    let odd = stderr.split('`').skip(1).step_by(2);
    odd.map(str::to_owned).collect()
}

/// Loads the page that a browser ends on, over a connection to this address.
fn load(from: SocketAddr, page: &url::Url) -> String {
    let mut stream = TcpStream::connect(from).unwrap_or_else(|error| panic!("{from}: {error}"));
    let host = &page[url::Position::BeforeHost..url::Position::AfterPort];
    let path = &page[url::Position::BeforePath..url::Position::AfterQuery];
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn over_ssh_the_log_names_commands_that_work_as_they_stand() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let (mut bridge, id, address, redirect_uri) = asking(over_ssh(&machine, &playground, &[]));
    bridge.stderr_says("--device-code");
    let stderr = bridge.stderr();
    let port = redirect_uri.port().unwrap();
    let commands = commands(&stderr);
    assert_eq!(
        commands[0],
        format!("ssh -L {port}:localhost:{port} HOST"),
        "{stderr}"
    );
    assert!(commands.contains(&"sign_in".to_owned()), "{stderr}");
    // With a shell's quotes and all.
    let login = commands.iter().find(|command| command.contains("login"));
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_mcp-drawbridge"))
        .parent()
        .unwrap();
    let mut shell = Command::new("/bin/sh");
    shell
        .env_clear()
        .env("PATH", folder)
        .env("HOME", machine.cache())
        .args(["-c", login.unwrap()]);
    let mut login = Running::start(shell);
    assert_eq!(login.address(), address);
    login.line(browse(&address, Manner::Abandon).unwrap().url.as_str());
    let ended = login.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(bridge.answer(id).get("result").is_some());
    assert_eq!(playground.code_exchanges(), 1);
}

#[test]
fn each_way_to_begin_says_what_it_does_in_its_own_words() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let unopened = |address: &str| format!("open this address to sign in: {address}");
    // Asked for: the address, and nothing to worry about.
    let quiet = over_ssh(&machine, &playground, &["--no-browser"]);
    let (bridge, _, address, _) = asking(quiet);
    assert_eq!(lines(&bridge.stderr()), [unopened(&address)]);
    machine.tab_is_noted();
    drop(bridge);
    // Taken over.
    let (bridge, _, again, _) = asking(over_ssh(&machine, &playground, &[]));
    assert_eq!(again, address);
    assert_eq!(
        lines(&bridge.stderr()),
        [format!(
            "finish the sign-in in the browser tab that is open already, or here: {address}"
        )]
    );
    drop(bridge);
    // VS Code's helper without its window is as good as none.
    let machine = Machine::new();
    let mut helper = over_ssh(&machine, &playground, &[]);
    helper.env("BROWSER", "/opt/x/bin/helpers/browser.sh");
    let (bridge, _, address, _) = asking(helper);
    bridge.stderr_says("--device-code");
    let stderr = bridge.stderr();
    assert_eq!(lines(&stderr)[0], unopened(&address));
    assert!(
        lines(&stderr)[1].starts_with("warning: no browser can be opened here: this is an SSH session; open the address in a browser on your own machine"),
        "{stderr}"
    );
    assert_eq!(lines(&stderr).len(), 5, "{stderr}");
    // One that opens it on the user's machine.
    let machine = Machine::with(crate::support::machine::Browser::BringsWrongState);
    let mut helper = over_ssh(&machine, &playground, &[]);
    for (name, value) in machine.environment() {
        helper.env(name, value);
    }
    let (bridge, _, address, _) = asking(helper);
    bridge.stderr_says("`sign_in`");
    let stderr = bridge.stderr();
    assert_eq!(
        lines(&stderr)[0],
        format!("opening the browser to sign in; if none appears, open this address: {address}")
    );
    assert!(
        lines(&stderr)[1].starts_with("if the browser ends on a page that it cannot load, "),
        "{stderr}"
    );
}

#[test]
fn a_fixed_port_is_listened_on_strictly_and_on_both_loopback_families() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let port = playground::free_port().unwrap();
    let fixed = port.to_string();
    let command = over_ssh(&machine, &playground, &[&fixed]);
    let (mut bridge, id, address, redirect_uri) = asking(command);
    assert_eq!(redirect_uri.port(), Some(port));
    let page = browse(&address, Manner::Abandon).unwrap().url;
    let mut stray = page.clone();
    stray.set_query(Some("code=CODE_1&state=STATE_1"));
    let mut families = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))];
    if TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        families.push((Ipv6Addr::LOCALHOST, port).into());
    }
    // A port that SSH forwards comes out on either.
    for family in &families {
        let answer = load(*family, &stray);
        assert!(answer.starts_with("HTTP/1.1 400"), "{family}: {answer}");
    }
    let answer = load(*families.last().unwrap(), &page);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(bridge.answer(id).get("result").is_some());
    assert!(bridge.close().status.success());

    // Another program has it in one family only.
    let other = Machine::new();
    for family in families {
        let taken = TcpListener::bind(family).unwrap();
        let command = over_ssh(&other, &playground, &[&fixed]);
        let mut bridge = Bridge::start_command(command);
        let id = bridge.request("initialize", opening(NEWEST, json!({})));
        let answer = bridge.answer(id);
        let said = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(
            said.contains(&format!("another program uses the callback port `{port}`")),
            "{answer}"
        );
        assert!(!bridge.stderr().contains("code_challenge="));
        drop((bridge, taken));
    }
}

/// What a container does with a published port: it comes in over another address than loopback.
#[cfg(target_os = "linux")]
#[test]
fn a_port_that_is_published_leads_to_the_address_that_is_listened_on() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let published = IpAddr::from([127, 7, 7, 7]);
    for (arguments, reached) in [(&[][..], false), (&["--bind-host", "0.0.0.0"], true)] {
        let command = over_ssh(&machine, &playground, arguments);
        let (mut bridge, id, address, redirect_uri) = asking(command);
        assert_eq!(redirect_uri.host_str(), Some("localhost"));
        let from = SocketAddr::new(published, redirect_uri.port().unwrap());
        assert_eq!(TcpStream::connect(from).is_ok(), reached);
        if reached {
            let page = browse(&address, Manner::Abandon).unwrap().url;
            assert!(load(from, &page).starts_with("HTTP/1.1 200"));
            assert!(bridge.answer(id).get("result").is_some());
        }
    }
}
