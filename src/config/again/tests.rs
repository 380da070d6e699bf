use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::cli::{self, Parsed};
use crate::config::{Job, Opened};

/// There is a configuration file wherever one is named.
fn again(arguments: &[&str], variables: &[(&str, &str)]) -> Again {
    let env: BTreeMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let around = Surroundings {
        env: &env,
        data_dir: Some("/data".into()),
        config_dir: None,
        home_dir: None,
        open: &|path| {
            let bytes =
                br#"{"mcpServers":{"my notion":{"url":"https://mcp.example.com/mcp?key=SECRET_1",
                "scope":"filed","headers":{"X-Key":"SECRET_1"},"callback_port":3000}}}"#;
            Ok(Opened {
                path: Path::new("/here").join(path),
                bytes: bytes.to_vec(),
                shared: None,
            })
        },
        read: &|path: &Path| match path.to_str() {
            Some("client.json") => Ok(br#"{"client_id":"c"}"#.to_vec()),
            _ => Ok(b"X-Key: 1".to_vec()),
        },
    };
    let arguments = ["mcp-drawbridge"].iter().chain(arguments);
    let Ok(Parsed::Run(request)) = cli::parse(arguments.map(Into::into)) else {
        panic!("the arguments are wrong");
    };
    match Job::new(*request, &around).unwrap() {
        Job::Bridge(config) | Job::Login(config) => config.again,
        other => panic!("{other:?}"),
    }
}

const SERVER: &str = "https://mcp.example.com/mcp";

#[test]
fn an_address_and_a_port_are_all_there_is_to_most_commands() {
    let plain = again(&[SERVER], &[]);
    assert_eq!(
        plain.login(),
        "`mcp-drawbridge login https://mcp.example.com/mcp`"
    );
    let fixed = again(&["login", SERVER, "3334", "--debug"], &[]);
    assert_eq!(
        fixed.login(),
        "`mcp-drawbridge login https://mcp.example.com/mcp 3334`"
    );
    assert_eq!(
        fixed.login_published(4000),
        "`mcp-drawbridge login https://mcp.example.com/mcp 4000 --bind-host 0.0.0.0`"
    );
    let loopback = again(&[SERVER, "--bind-host", "127.0.0.1"], &[]);
    assert_eq!(loopback.login_published(4000), fixed.login_published(4000));
    // Where no browser returns, nothing need be said about that.
    let here = again(&[SERVER, "3334", "--host", "127.0.0.1", "--name", "x"], &[]);
    assert_eq!(
        here.login_with_code(),
        "`mcp-drawbridge login https://mcp.example.com/mcp --name x --device-code`"
    );
}

#[test]
fn what_decides_which_sign_in_it_is_is_kept_wherever_it_was_given() {
    let arguments = [
        "https://mcp.example.com/it's(1)",
        "--transport",
        "sse-only",
        "--scope",
        "read write",
        "--static-oauth-client-info",
        "@client.json",
        "--header-file",
        "h.txt",
    ];
    let variables = [
        ("MCP_DRAWBRIDGE_NAME", "work"),
        ("MCP_DRAWBRIDGE_ALLOW_HTTP", "true"),
        ("MCP_DRAWBRIDGE_DIR", "/my cache"),
    ];
    assert_eq!(
        again(&arguments, &variables).login(),
        "`MCP_DRAWBRIDGE_DIR='/my cache' mcp-drawbridge login \
         'https://mcp.example.com/it'\\''s(1)' --name work --scope 'read write' --transport sse-only --allow-http \
         --static-oauth-client-info @client.json --header-file h.txt`"
    );
}

#[test]
fn the_folder_of_mcp_remote_is_kept_since_it_makes_another_sign_in() {
    let variables = [
        ("MCP_REMOTE_CONFIG_DIR", "/other/"),
        ("MCP_DRAWBRIDGE_DIR", "/cache"),
    ];
    assert_eq!(
        again(&[SERVER], &variables).login(),
        "`MCP_DRAWBRIDGE_DIR=/cache MCP_REMOTE_CONFIG_DIR=/other mcp-drawbridge login https://mcp.example.com/mcp`"
    );
}

#[test]
fn an_entry_of_the_configuration_file_is_named_and_says_the_rest_itself() {
    let named = again(&["my notion", "--config", "my conf.json"], &[]);
    assert_eq!(
        named.login(),
        "`mcp-drawbridge login 'my notion' --config '/here/my conf.json'`"
    );
    let variables = [
        ("MCP_DRAWBRIDGE_CONFIG", "c.json"),
        ("MCP_DRAWBRIDGE_ISSUER", "https://as.example"),
    ];
    let more = ["my notion", "4000", "--scope", "read"];
    assert_eq!(
        again(&more, &variables).login(),
        "`mcp-drawbridge login 'my notion' 4000 --config /here/c.json --scope read --issuer https://as.example`"
    );
    assert_eq!(
        named.login_published(4000),
        "`mcp-drawbridge login 'my notion' 4000 --config '/here/my conf.json' --bind-host 0.0.0.0`"
    );
    // An address, too, goes with the defaults of the same file.
    assert_eq!(
        again(&[SERVER, "--config", "c.json"], &[]).login(),
        "`mcp-drawbridge login https://mcp.example.com/mcp --config /here/c.json`"
    );
}

#[test]
fn what_may_be_secret_is_not_shown() {
    let query = format!("{SERVER}?key=SECRET_1");
    for arguments in [
        &[SERVER, "--header", "X-Key: SECRET_1"][..],
        &[SERVER, "--authorize-param", "x=SECRET_1"],
        &[
            SERVER,
            "--static-oauth-client-info",
            r#"{"client_id":"c","client_secret":"SECRET_1"}"#,
        ],
        &[
            SERVER,
            "--static-oauth-client-metadata",
            r#"{"software_statement":"SECRET_1"}"#,
        ],
        &[&query],
    ] {
        let shown = again(arguments, &[]).login();
        assert!(!shown.contains("SECRET_1"), "{shown}");
        assert!(
            shown.ends_with("` with the other arguments of your configuration"),
            "{shown}"
        );
    }
}
