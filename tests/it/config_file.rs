//! The configuration file, read by the built binary.

mod faults;
mod oauth;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

use playground::{AuthMethod, Manner, Playground, Settings, StaticClient, browse};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::machine::Machine;
use crate::support::running::Running;
use crate::support::scene::{NEWEST, opening};

/// Puts a configuration file onto a machine; gives its path.
fn configure(machine: &Machine, file: impl AsRef<[u8]>) -> String {
    let folder = machine.cache().with_file_name("configuration");
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("c.json");
    fs::write(&path, file).expect("written");
    set_mode(&path, 0o600);
    path.display().to_string()
}

#[cfg(unix)]
fn set_mode(path: &PathBuf, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("mode");
}

#[cfg(not(unix))]
fn set_mode(_: &PathBuf, _: u32) {}

/// A file with one entry, `notion`, for this server.
fn entry(playground: &Playground, members: Value) -> String {
    let mut entry = json!({ "url": playground.mcp_url() });
    for (name, value) in members.as_object().expect("members") {
        entry[name] = value.clone();
    }
    json!({ "mcpServers": { "notion": entry } }).to_string()
}

fn run(machine: &Machine, arguments: &[&str]) -> Output {
    let mut command = machine.command();
    command.args(arguments).stdin(Stdio::null());
    command.output().expect("the program starts")
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The values of a header of every request that came to the MCP server.
fn arrived(playground: &Playground, header: &str) -> Vec<String> {
    let requests = playground.requests();
    let values = requests.iter().filter_map(|request| request.header(header));
    let mut values: Vec<String> = values.map(str::to_owned).collect();
    values.dedup();
    values
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_in_the_usual_place_is_all_that_a_host_has_to_say() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let home = machine.cache().with_file_name("home");
    let folder = home.join(".config/mcp-drawbridge");
    fs::create_dir_all(&folder).expect("a folder");
    let file = entry(&playground, json!({ "type": "http", "disabled": false }));
    fs::write(folder.join("config.json"), file).expect("written");
    let mut bridge = Bridge::open(&machine, "notion", &[]);
    bridge.tool("echo", json!({ "text": "x" }));
    let ended = bridge.close();
    assert!(ended.status.success());
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
    // The address means the same sign-in.
    let by_address = Bridge::open(&machine, &playground.mcp_url(), &[]);
    assert!(by_address.close().status.success());
    assert_eq!(machine.opened().len(), 1);
}

#[test]
fn every_command_takes_the_name_of_an_entry() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let members =
        json!({ "oauth": { "scopes": ["tools"], "extra_auth_params": { "team": "T1" } } });
    let file = configure(&machine, entry(&playground, members));
    let named = |command: &str| run(&machine, &[command, "notion", "--config", &file]);
    let none = named("status");
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("there is no sign-in for `notion`"));
    assert!(stdout(&named("login")).starts_with("signed in to `127.0.0.1:"));
    assert!(machine.opened()[0].contains("team=T1"));
    assert!(stdout(&named("status")).contains("  health        ok\n"));
    // It is a sign-in of its own, as with the same options on the command line.
    let scope = ["--scope", "tools", "--authorize-param", "team=T1"];
    let typed = Bridge::open(&machine, &playground.mcp_url(), &scope);
    assert!(typed.close().status.success());
    assert_eq!(machine.opened().len(), 1);
    assert!(stdout(&named("logout")).starts_with("signed out of `"));
    assert!(machine.cached().is_empty());
    // What is no entry is the name of a sign-in, as without a file.
    let login = ["login", "notion", "--config", &file, "--name", "work"];
    stdout(&run(&machine, &login));
    let status = run(&machine, &["status", "work", "--config", &file]);
    assert!(stdout(&status).starts_with("work\n"));
    stdout(&run(&machine, &["logout", "work", "--config", &file]));
    assert!(machine.cached().is_empty());
}

#[test]
fn each_place_wins_over_those_after_it() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let header = |value: &str| json!({ "headers": { "X-Place": value } });
    let both = json!({
        "mcpServers": {
            "full": { "url": playground.mcp_url(), "headers": { "X-Place": "entry" } },
            "bare": { "url": playground.mcp_url() },
        },
        "defaults": header("defaults"),
    });
    let file = configure(&machine, both.to_string());
    let place = |target: &str, variable: Option<&str>, flags: &[&str]| {
        let before = playground.requests().len();
        let mut command = Bridge::command(&machine, target, &["--config", &file]);
        command.args(flags);
        command.envs(variable.map(|value| ("MCP_DRAWBRIDGE_HEADER", value)));
        let mut bridge = Bridge::start_command(command);
        bridge.initialize("2025-11-25", json!({}));
        assert!(bridge.close().status.success());
        let requests = playground.requests();
        let value = requests[before].header("x-place").map(str::to_owned);
        value.expect("the header")
    };
    let flag = ["--header", "X-Place: flag"];
    let variable = Some("X-Place: variable");
    assert_eq!(place("full", variable, &flag), "flag");
    assert_eq!(place("full", variable, &[]), "variable");
    assert_eq!(place("full", None, &[]), "entry");
    assert_eq!(place("bare", None, &[]), "defaults");
    assert_eq!(place(&playground.mcp_url(), None, &[]), "defaults");
}

#[test]
fn a_client_of_the_file_signs_in_with_a_secret_from_the_environment() {
    let machine = Machine::new();
    let client = StaticClient {
        id: "c1".to_owned(),
        secret: Some("SECRET_1".to_owned()),
        auth_method: AuthMethod::Post,
        redirect_uris: vec!["http://127.0.0.1/cb".to_owned()],
    };
    let playground = Playground::start(Settings {
        clients: vec![client],
        ..Settings::default()
    });
    let oauth = json!({
        "client_id": "c1",
        "client_secret": "${CLIENT_SECRET}",
        "token_endpoint_auth_method": "client_secret_post",
        "redirect_uri": "http://127.0.0.1/cb",
    });
    let file = configure(&machine, entry(&playground, json!({ "oauth": oauth })));
    let login = ["login", "notion", "--config", &file];
    let unset = run(&machine, &login);
    assert_eq!(unset.status.code(), Some(2));
    assert!(
        stderr(&unset).contains("needs the environment variable `CLIENT_SECRET`, which is not set"),
        "{}",
        stderr(&unset)
    );
    assert!(playground.requests().is_empty());
    let mut command = machine.command();
    command.args(login).env("CLIENT_SECRET", "SECRET_1");
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    assert!(stdout(&output).starts_with("signed in"));
    assert_eq!(playground.registrations(), 0);
    assert!(!stderr(&output).contains("SECRET_1"), "{}", stderr(&output));
    // To find the sign-in takes no secret.
    let status = run(&machine, &["status", "notion", "--config", &file]);
    assert!(stdout(&status).contains("configured client `c1`"));
    stdout(&run(&machine, &["logout", "notion", "--config", &file]));
    assert!(machine.cached().is_empty());
}

#[test]
fn what_a_host_puts_into_the_environment_reaches_the_headers() {
    let (playground, machine) = (Playground::start(Settings::open()), Machine::new());
    let headers = json!({ "headers": { "X-Key": "key ${API_KEY}" } });
    let file = configure(&machine, entry(&playground, headers));
    let mut command = Bridge::command(&machine, "notion", &["--config", &file, "--debug"]);
    command.env("API_KEY", "SECRET_1");
    let mut bridge = Bridge::start_command(command);
    bridge.initialize("2025-11-25", json!({}));
    let ended = bridge.close();
    assert_eq!(arrived(&playground, "x-key"), ["key SECRET_1"]);
    assert!(!ended.stderr.contains("SECRET_1"), "{}", ended.stderr);
    let used = format!("the configuration file is `{file}`");
    assert!(ended.stderr.contains(&used), "{}", ended.stderr);
}

#[cfg(unix)]
#[test]
fn the_command_for_a_terminal_means_the_same_sign_in_from_any_folder() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let members = json!({ "scope": "tools", "headers": { "X-Key": "SECRET_1" } });
    let file = configure(&machine, entry(&playground, members));
    let (folder, name) = file.rsplit_once('/').expect("a path");
    let mut command = Bridge::command(&machine, "notion", &["--config", name]);
    command
        .current_dir(folder)
        .env_remove("BROWSER")
        .env("SSH_CONNECTION", "192.0.2.1 50000 192.0.2.2 22");
    let mut bridge = Bridge::start_command(command);
    let id = bridge.request("initialize", opening(NEWEST, json!({})));
    let address = bridge.stderr_address();
    bridge.stderr_says("--device-code");
    let stderr = bridge.stderr();
    let mut commands = stderr.split('`').skip(1).step_by(2);
    let login = commands.find(|command| command.contains(" login "));
    let login = login.unwrap_or_else(|| panic!("no command: {stderr}"));
    assert!(
        login.ends_with(&format!("mcp-drawbridge login notion --config {file}")),
        "{login}"
    );
    let program = PathBuf::from(env!("CARGO_BIN_EXE_mcp-drawbridge"));
    let mut shell = Command::new("/bin/sh");
    shell
        .env_clear()
        .env("PATH", program.parent().expect("a folder"))
        .env("HOME", machine.cache())
        .args(["-c", login]);
    let mut login = Running::start(shell);
    assert_eq!(login.address(), address);
    login.line(browse(&address, Manner::Abandon).unwrap().url.as_str());
    let ended = login.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(bridge.answer(id).get("result").is_some());
    assert_eq!(playground.code_exchanges(), 1);
}

#[test]
fn a_proxy_of_the_file_is_used_where_the_environment_names_none() {
    let machine = Machine::new();
    let proxy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = proxy.local_addr().expect("an address");
    let file = json!({
        "mcpServers": {
            "far": { "url": "http://mcp.example.test/mcp", "allow_http": true },
            "near": { "url": "http://mcp.near.test/mcp", "allow_http": true },
        },
        "defaults": {
            "proxy": format!("http://me:${{PROXY_PASSWORD}}@{address}"),
            "no_proxy": ["near.test", "other.test"],
        },
    });
    let file = configure(&machine, file.to_string());
    let asked = thread::spawn(move || {
        let (mut stream, _) = proxy.accept().expect("a connection");
        let mut head = Vec::new();
        let mut chunk = [0; 4096];
        while !head.windows(4).any(|window| window == b"\r\n\r\n") {
            let read = stream.read(&mut chunk).expect("a request");
            assert!(read > 0, "the request ends");
            head.extend_from_slice(&chunk[..read]);
        }
        let answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        stream.write_all(answer.as_bytes()).expect("an answer");
        String::from_utf8_lossy(&head).into_owned()
    });
    let login = |name: &str| {
        let mut command = machine.command();
        command.args(["login", name, "--config", &file]);
        command
            .env("PROXY_PASSWORD", "SECRET_1")
            .stdin(Stdio::null());
        command.output().expect("it starts")
    };
    // Reached without the proxy, which would have taken it for `far`.
    let near = login("near");
    assert_eq!(near.status.code(), Some(4), "{}", stderr(&near));
    let far = login("far");
    let head = asked.join().expect("the proxy was asked");
    assert!(
        head.starts_with("POST http://mcp.example.test/mcp HTTP/1.1\r\n"),
        "{head}"
    );
    // `me:SECRET_1`, as RFC 7617 §2 writes it.
    let proof = "basic bWU6U0VDUkVUXzE=".to_ascii_lowercase();
    assert!(head.to_ascii_lowercase().contains(&proof), "{head}");
    assert_eq!(far.status.code(), Some(1), "{}", stderr(&far));
    assert!(!stderr(&far).contains("SECRET_1"), "{}", stderr(&far));
}
