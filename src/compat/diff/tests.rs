use super::*;
use crate::compat::hosts::tree::{Format::Json, apply};

fn diff(old: &str, changes: &[(&str, &str)]) -> String {
    let edits: Vec<Edit> = changes
        .iter()
        .map(|(what, new)| {
            let at = old.find(what).expect("it is there");
            Edit {
                span: at..at + what.len(),
                text: (*new).to_owned(),
            }
        })
        .collect();
    let new = apply(old, &edits).expect("applied");
    unified("f", old, &new, &edits, Json)
}

#[test]
fn a_change_is_shown_with_what_is_around_it() {
    let old = "[\n1,\n2,\n3,\n4,\n5,\n6,\n7,\n8,\n9,\n10,\n11,\n12,\n13,\n14,\n15\n]\n";
    assert_eq!(
        diff(old, &[("5,", "five,\nsix,")]),
        "--- f\n+++ f\n@@ -3,7 +3,8 @@\n 2,\n 3,\n 4,\n-5,\n+five,\n+six,\n 6,\n 7,\n 8,\n"
    );
    assert_eq!(
        diff(old, &[("2,\n", ""), ("14,", "x,")]),
        "--- f\n+++ f\n@@ -1,6 +1,5 @@\n [\n 1,\n-2,\n 3,\n 4,\n 5,\n@@ -12,6 +11,6 @@\n 11,\n 12,\n 13,\n-14,\n+x,\n 15\n ]\n"
    );
    assert_eq!(
        diff("[1]", &[("1", "2")]),
        "--- f\n+++ f\n@@ -1 +1 @@\n-[1]\n\\ No newline at end of file\n+[2]\n\\ No newline at end of file\n"
    );
    assert_eq!(diff("[1]", &[("1", "1")]), "--- f\n+++ f\n");
}

#[test]
fn a_diff_is_what_patch_would_take() {
    let old: String = (0..200).map(|line| format!("\"line {line}\",\n")).collect();
    let old = format!("[\n{old}0]\n");
    for (a, b) in [(3, 4), (3, 9), (3, 10), (3, 11), (0, 199), (50, 150)] {
        let (one, two) = (format!("\"line {a}\",\n"), format!("\"line {b}\","));
        let shown = diff(&old, &[(&one, ""), (&two, "\"x\",\n\"y\",")]);
        let count = |sign: char| shown.lines().filter(|line| line.starts_with(sign)).count();
        assert_eq!((count('-'), count('+')), (3, 3), "{shown}");
        for head in shown.lines().filter(|line| line.starts_with("@@")) {
            assert!(head.ends_with(" @@"), "{head}");
        }
    }
}

#[test]
fn values_that_may_be_secret_are_not_shown() {
    let old = r#"{"s": {
  "env": {"A": "SECRET1", "B": "${REF}", "N": 12345},
  "args": ["--header", "Authorization: Bearer SECRET2", "--header", "X: ${REF}", "https://x.example/?key=SECRET3"],
  "more": ["--api-key", "SECRET4", "--token=SECRET5", "https://me:SECRET6@x.example", "--header=Y: SECRET7"],
  "apiKey": "SECRET8", "headers": {"Z": "Bearer SECRET9"},
  "x": "change me"
}}"#;
    let shown = diff(old, &[("change me", "changed")]);
    let old_lines = shown.lines().count();
    assert!(!shown.contains("SECRET") && old_lines > 5, "{shown}");
    let shown = diff(old, &[("\"s\": {", "\"s\":  {")]);
    assert!(
        !shown.contains("SECRET") && !shown.contains("12345"),
        "{shown}"
    );
    for kept in [
        "${REF}",
        "\"--header\"",
        "Authorization:…",
        "https://x.example/?…",
    ] {
        assert!(shown.contains(kept), "{kept}: {shown}");
    }
}

/// The diff of a text in which `change me` is changed.
fn shown(old: &str, format: Format) -> String {
    let at = old.find("change me").expect("it is there");
    let edits = [Edit {
        span: at..at + 9,
        text: "changed".to_owned(),
    }];
    let new = apply(old, &edits).expect("applied");
    unified("f", old, &new, &edits, format)
}

#[test]
fn no_form_of_a_secret_is_shown() {
    for member in [
        r#""command": "npx -y mcp-remote https://x.example --header Authorization:SECRET""#,
        r#""args": ["/c", "npx mcp-remote https://x.example --header Authorization:SECRET"]"#,
        r#""args": ["-c", "npx mcp-remote https://x.example --header 'A: b SECRET' --debug"]"#,
        r#""args": ["-c", "npx mcp-remote --header=A:SECRET"]"#,
        r#""args": ["-c", "X_KEY=SECRET npx mcp-remote"]"#,
        r#""command": "npx mcp-remote https://x.example/?key=SECRET --debug""#,
        r#""command": "npx mcp-remote@1 https://u:SECRET@x.example/c?x=SECRET""#,
        r#""args": ["--header", "Authorization: Bearer", "SECRET"]"#,
        r#""args": ["--header", "Authorization:", "Bearer", "SECRET", "SECRET:SECRET"]"#,
        r#""args": ["-H", "X-Other:", 5623984, "SECRET"]"#,
        r#""args": ["Authorization: Bearer", "SECRET"]"#,
        r#""args": ["Authorization:Bearer SECRET"]"#,
        r#""args": ["X-Api-Key:SECRET"]"#,
        r#""args": ["run", "-e", "GITHUB_TOKEN=SECRET", "--env=b=SECRET", "-e", "low=SECRET"]"#,
        r#""args": ["run", "-i", "DATABASE=SECRET"]"#,
        r#""command": "docker run -e GITHUB_TOKEN=SECRET image""#,
        r#""args": ["https://u:SECRET@x.example/c?x=1"]"#,
        r#""args": ["https://x.example/c?x=SECRET@y"]"#,
        r#""args": ["https://x.example/c#SECRET"]"#,
        r#""url": "https:\/\/u:SECRET@x.example""#,
        r#""url": "https://x.example\u003fkey\u003dSECRET""#,
        r#""args": ["\u002d-header=SECRET"]"#,
        r#""args": ["--api-key", "SECRET=="]"#,
        r#""args": ["--static-oauth-client-info", "{\"client_secret\":\"SECRET\"}"]"#,
        r#""args": ["--token-param", "a=SECRET", "--authorize-param", "SECRET"]"#,
        r#""args": ["--info", "{\"client_secret\":\"SECRET\"}"]"#,
        r#""env": {"A": "SECRET==", "B": "SECRET:x", "C": ["SECRET=x"]}"#,
        r#""headers": {"A": "SECRET=", "B": "${C:-SECRET}"}"#,
        r#"// "--header", "Authorization: Bearer SECRET""#,
        r#"/* SECRET and
           SECRET */ "a": 5623984, "token": 5623984"#,
    ] {
        let text = format!("{{\n\"x\": \"change me\",\n{member}\n}}\n");
        let text = text.replace("\",\n//", "\"\n//");
        let text = text.replace("5623984, \"token", "1, \"token");
        let diff = shown(&text, Json);
        assert!(
            !diff.contains("SECRET") && !diff.contains("5623984"),
            "{diff}"
        );
        assert!(
            diff.contains("-\"x\": \"change me\"") && diff.contains('…'),
            "{diff}"
        );
        let count = |text: &str| text.lines().count();
        assert_eq!(count(&diff), count(&text) + 4, "{diff}");
    }
    let toml = "x = 'change me' # SECRET\n# SECRET\n[a] # SECRET\nb = 'c#d' # SECRET\n";
    let yaml = "x: change me # SECRET\n# SECRET\na: # SECRET\n  - c#d # SECRET\n";
    for (text, format) in [(toml, Format::Toml), (yaml, Format::Yaml)] {
        let diff = shown(text, format);
        assert!(!diff.contains("SECRET") && diff.contains("c#d"), "{diff}");
        assert_eq!(diff.matches("# …").count(), 5, "{diff}");
    }
}

#[test]
fn what_is_no_secret_is_shown() {
    for member in [
        r#""command": "npx -y mcp-remote https://x.example/mcp --debug --transport sse-only""#,
        r#""args": ["/c", "npx", "-y", "mcp-remote@latest", "https://x.example/mcp", "3334"]"#,
        r#""args": ["--header", "A:${B}", "https://x.example/mcp", "--debug", "--resource=x"]"#,
        r#""args": ["--header", "A: ${B}", "--debug", "-x", "3334"]"#,
        r#""args": ["-e", "npx", "-e", "GITHUB_TOKEN", "a=b", "C:\\x", "host:80"]"#,
        r#""headers": {"A": "Bearer ${B}", "C": "{env:D}", "E": "${input:f}"}"#,
    ] {
        let diff = shown(&format!("{{\n\"x\": \"change me\",\n{member}\n}}\n"), Json);
        assert!(diff.contains(member), "{diff}");
    }
}
