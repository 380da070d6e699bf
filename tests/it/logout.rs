//! `logout` ends what the sign-in began, however it was made and however it is named.

use std::net::{Ipv4Addr, TcpListener};
use std::process::{Output, Stdio};

use playground::{AuthMethod, GrantState, Playground, Registration, Settings, StaticClient};
use serde_json::{Value, json};

use crate::clients::{PUBLIC_KEY, key_file};
use crate::support::machine::Machine;

fn knowing(secret: Option<&str>, auth_method: AuthMethod) -> Settings {
    Settings {
        registration: Registration::Off,
        clients: vec![StaticClient {
            id: "mine".to_owned(),
            secret: secret.map(str::to_owned),
            auth_method,
            redirect_uris: vec!["http://127.0.0.1/oauth/callback".to_owned()],
        }],
        ..Settings::default()
    }
}

fn run(machine: &Machine, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = machine.command();
    command.args(arguments).envs(environment.iter().copied());
    // RFC 8252 §7.3: any port of this address will do at the playground.
    command.env("MCP_DRAWBRIDGE_HOST", "127.0.0.1");
    command.env("MCP_DRAWBRIDGE_AUTH_TIMEOUT", "60");
    command
        .stdin(Stdio::null())
        .output()
        .expect("the program starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn done(machine: &Machine, arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let output = run(machine, arguments, environment);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{arguments:?}: {}",
        stderr(&output)
    );
    stderr(&output)
}

/// Writes a configuration file with one entry, `it`; gives its path.
fn configure(machine: &Machine, playground: &Playground, oauth: Value) -> String {
    let entry = json!({ "url": playground.mcp_url(), "oauth": oauth });
    let path = machine.cache().with_file_name("config.json");
    let file = json!({ "mcpServers": { "it": entry } });
    std::fs::write(&path, file.to_string()).expect("written");
    path.display().to_string()
}

fn all_ended(playground: &Playground) -> bool {
    let grants = playground.grants();
    !grants.is_empty() && grants.iter().all(|grant| *grant == GrantState::Ended)
}

/// The name of the one sign-in that is cached.
fn name(machine: &Machine) -> String {
    let file = machine.sign_in_file();
    let file = file
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    file.trim_end_matches(".token.json").to_owned()
}

#[test]
fn the_client_of_the_entry_revokes_by_whatever_name_the_sign_in_is_called() {
    for how in ["it", "NAME", "--all"] {
        let playground = Playground::start(knowing(Some("SECRET_1"), AuthMethod::Post));
        let machine = Machine::new();
        let oauth = json!({ "client_id": "mine", "client_secret": "${S}" });
        let file = configure(&machine, &playground, oauth);
        let environment = [("S", "SECRET_1")];
        done(&machine, &["login", "it", "--config", &file], &environment);
        let cached = name(&machine);
        let how = match how {
            "NAME" => &cached,
            other => other,
        };
        let told = done(&machine, &["logout", how, "--config", &file], &environment);
        assert!(!told.contains("warning"), "{how}: {told}");
        assert!(all_ended(&playground), "{how}: {told}");
        assert!(machine.cached().is_empty());
        let revoked = playground.requests();
        for one in revoked.iter().filter(|one| one.path == "/revoke") {
            let basic = one.basic().map(|(_, secret)| secret);
            let secret = basic.or(one.parameter("client_secret"));
            assert_eq!(secret.as_deref(), Some("SECRET_1"));
        }
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_warned_of_when_signing_out_too() {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    let playground = Playground::start(knowing(Some(PUBLIC_KEY), AuthMethod::PrivateKeyJwt));
    let machine = Machine::new();
    let folder = tempfile::tempdir().expect("a folder");
    let key = key_file(folder.path());
    let url = playground.mcp_url();
    let options = ["--client-id", "mine", "--client-assertion-key", &key];
    done(&machine, &[&["login", &url][..], &options].concat(), &[]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("a mode");
    let told = done(&machine, &[&["logout", &url][..], &options].concat(), &[]);
    assert!(
        told.contains("other users can read the private key in"),
        "{told}"
    );
    assert!(all_ended(&playground), "{told}");
}

#[test]
fn a_token_of_the_users_own_leaves_nothing_to_end() {
    let (playground, machine) = (Playground::start(Settings::default()), Machine::new());
    let url = playground.mcp_url();
    for options in [
        &["--bearer-env", "NOT_SET"][..],
        &["--bearer-command", "cat nothing"],
        &["--header", "Authorization: Bearer ${NOT_SET}"],
    ] {
        let told = done(&machine, &[&["logout", &url][..], options].concat(), &[]);
        assert!(
            told.starts_with("there is nothing to sign out of: "),
            "{told}"
        );
        assert!(told.contains(options[0]), "{told}");
    }
    assert!(playground.requests().is_empty());
    let none = run(&machine, &["logout", &url], &[]);
    assert_eq!(none.status.code(), Some(1));
}

#[test]
fn a_sign_in_that_began_with_a_refresh_token_is_ended_and_says_where_it_began() {
    let playground = Playground::start(knowing(None, AuthMethod::None));
    let (person, service) = (Machine::new(), Machine::new());
    let url = playground.mcp_url();
    done(&person, &["login", &url, "--client-id", "mine"], &[]);
    let token = person.sign_in()["refresh_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let seeded = [("MCP_DRAWBRIDGE_REFRESH_TOKEN", token.as_str())];
    done(&service, &["login", &url, "--client-id", "mine"], &seeded);
    let told = done(&service, &["logout", &url, "--client-id", "mine"], &seeded);
    assert!(
        told.contains("began with a refresh token of your configuration"),
        "{told}"
    );
    assert!(all_ended(&playground), "{told}");
    assert!(service.cached().is_empty());
}

#[test]
fn a_client_of_ones_own_comes_back_to_one_address_that_is_named() {
    let playground = Playground::start(knowing(None, AuthMethod::None));
    let url = playground.mcp_url();
    let options = ["--client-id", "mine"];
    let redirect_uri = || {
        let requests = playground.requests();
        let last = requests.iter().rfind(|one| one.path == "/authorize");
        last.and_then(|one| one.parameter("redirect_uri"))
            .expect("an address")
    };
    let mut addresses = Vec::new();
    for machine in [Machine::new(), Machine::new()] {
        let doctor = run(&machine, &[&["doctor", &url][..], &options].concat(), &[]);
        let doctor = String::from_utf8_lossy(&doctor.stdout).into_owned();
        let told = done(&machine, &[&["login", &url][..], &options].concat(), &[]);
        let address = redirect_uri();
        let named =
            format!("returns to `{address}`, which has to be registered with the client `mine`");
        assert!(told.contains(&named), "{told}");
        assert!(
            doctor.contains(&format!("browser returns to `{address}`")),
            "{doctor}"
        );
        addresses.push(address);
    }
    assert_eq!(addresses[0], addresses[1]);
    assert!(
        addresses[0].starts_with("http://127.0.0.1:") && addresses[0].ends_with("/oauth/callback")
    );
    // Another port would be an address that nobody registered.
    let port = addresses[0].trim_start_matches("http://127.0.0.1:");
    let port: u16 = port
        .trim_end_matches("/oauth/callback")
        .parse()
        .expect("a port");
    assert!(port < 32_768, "outgoing connections may have {port}");
    let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free");
    let machine = Machine::new();
    let output = run(&machine, &[&["login", &url][..], &options].concat(), &[]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(
        stderr(&output).contains(&format!("the callback port `{port}`")),
        "{}",
        stderr(&output)
    );
    assert!(machine.opened().is_empty());
}
