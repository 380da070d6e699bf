//! The hash and the port, with mcp-remote's own code as the judge.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use mcp_drawbridge::cli::{self, Parsed};
use mcp_drawbridge::config::{Config, Job, OpenError, Surroundings};
use serde_json::{Value, json};

use super::theirs::{NEWEST, OLDER};
use crate::support::peers::mcp_remote_folder;

const SERVER: &str = "https://mcp.example.com/mcp";

/// Command lines that mean the same to both. What begins with `@` is a file with headers.
fn command_lines() -> Vec<Vec<&'static str>> {
    let mut lines = vec![
        vec![SERVER],
        vec!["https://mcp.example.com/mcp/"],
        vec!["https://MCP.example.com:443/mcp?b=2&a=1%20"],
        vec!["https://mcp.example.com"],
        vec!["https://mcp.example.com/\u{e9}/\u{1f600}"],
        vec!["http://localhost:8080/mcp"],
        vec!["http://127.0.0.1:8080/mcp", "--transport", "http-only"],
    ];
    let options: [&[&str]; 21] = [
        &["--resource", "https://tenant1.example.net/"],
        &["--resource", "  https://tenant1.example.net  "],
        &["--resource", ""],
        &["--disable-resource-parameter"],
        &[
            "--header", "X-B: 2", "--header", "x-a:1", "--header", "X-A: 3",
        ],
        &["--header", "X-B:  \t two  ", "--header", "X-B: 3"],
        &["--header", "X-Tenant: ${TENANT}/\"\\"],
        &[
            "--header",
            "X-T: \u{e9}\u{1f600}",
            "--header",
            "X-U: \u{2028}1",
        ],
        &["--header", "X-Empty:"],
        &["--header-file", "@headers"],
        &["--header-file", "@headers", "--header", "X-One: 2"],
        &["--header", "X-One: 2", "--header-file", "@headers"],
        &[
            "--authorize-param",
            "prompt=consent",
            "--authorize-param",
            "access_type=offline",
        ],
        &[
            "--authorize-param",
            "b=x=y",
            "--authorize-param",
            "B=\"\u{e9}\u{1}\"",
        ],
        &["--client-metadata-url", "https://c.example/m"],
        &["--client-metadata-url", " https://C.example/m "],
        &[
            "--client-metadata-url",
            "https://c.example/m",
            "--static-oauth-client-info",
            r#"{"client_id":"c"}"#,
        ],
        &["--header-file", "@marked"],
        &["--authorize-param", " prompt =consent"],
        &["--static-oauth-client-info", r#"{"client_id":"c"}"#],
        &[
            "--static-oauth-client-metadata",
            r#"{"scope":"a b"}"#,
            "--debug",
        ],
    ];
    lines.extend(options.map(|options| [&[SERVER], options].concat()));
    let all = [
        SERVER,
        "--resource",
        "https://r.example/",
        "--header",
        "X-B: 2",
        "--authorize-param",
        "prompt=consent",
        "--client-metadata-url",
        "https://c.example/m",
    ];
    lines.push(all.to_vec());
    lines
}

/// What our program makes of it.
fn ours(args: &[String]) -> Config {
    let env = BTreeMap::from([("TENANT".to_owned(), "one".to_owned())]);
    let argv = std::iter::once("mcp-drawbridge").chain(args.iter().map(String::as_str));
    let Ok(Parsed::Run(request)) = cli::parse(argv.map(Into::into)) else {
        panic!("{args:?} are not taken");
    };
    let job = Job::new(
        *request,
        &Surroundings {
            env: &env,
            data_dir: Some("/d".into()),
            config_dir: None,
            home_dir: Some("/home/me".into()),
            read: &|path| std::fs::read(path),
            open: &|_: &Path| Err(OpenError::Absent(io::ErrorKind::NotFound.into())),
        },
    );
    match job {
        Ok(Job::Bridge(config)) => *config,
        Ok(_) => panic!("{args:?} are another command"),
        Err(error) => panic!("{args:?}: {error}"),
    }
}

#[test]
fn hash_and_port_are_those_of_mcp_remote_s_own_code() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let headers = folder.path().join("headers");
    let text = "# a comment\r\n\r\n X-One: 1 \r\nX-Two:2\r\n";
    std::fs::write(&headers, text).expect("written");
    let marked = folder.path().join("marked");
    std::fs::write(&marked, "\u{feff}X-One: 1\r\nX-Two: 2\r\n").expect("written");
    let filled = |word: &str| match word {
        "@marked" => marked.display().to_string(),
        "@headers" => headers.display().to_string(),
        word => word.to_owned(),
    };
    let mut asked = Vec::new();
    let mut expected = Vec::new();
    for line in command_lines() {
        let args: Vec<String> = line.iter().map(|word| filled(word)).collect();
        for version in [NEWEST].into_iter().chain(OLDER) {
            // Older ones left the blanks around it, and read no files with headers.
            let is_new = |word: &String| word.starts_with(' ') || word == "--header-file";
            if version.0 != NEWEST.0 && args.iter().any(is_new) {
                continue;
            }
            asked.push(json!({ "version": version.0, "args": args }));
            expected.push((version, args.clone()));
        }
    }
    let mut judge = Command::new("node");
    judge
        .arg(mcp_remote_folder().join("hash.mjs"))
        .env("TENANT", "other")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut judge = judge.spawn().expect("node runs");
    let mut stdin = judge.stdin.take().expect("a pipe");
    stdin
        .write_all(Value::from(asked).to_string().as_bytes())
        .expect("it reads");
    drop(stdin);
    let output = judge.wait_with_output().expect("it ends");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // What old versions print on the way goes to stderr; the answer is the last line.
    let answers: Vec<Value> =
        serde_json::from_str(text.lines().last().unwrap_or_default()).expect("a list");
    assert_eq!(answers.len(), expected.len());
    for (answer, (version, args)) in answers.iter().zip(&expected) {
        let config = ours(args);
        let place = config.elsewhere.expect("a home");
        assert_eq!(place.base, Path::new("/home/me/.mcp-auth"));
        let folder = match *version {
            version if version.0 == NEWEST.0 => "mcp-remote-v1",
            version => version.0,
        };
        let (name, _) = place.names.within(folder).expect("a folder of it");
        assert_eq!(answer["hash"], name, "{version:?} {args:?}");
        if version.0 == NEWEST.0 {
            assert_eq!(answer["port"], config.callback.derived_port, "{args:?}");
        }
    }
}
