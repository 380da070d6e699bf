use super::*;
use crate::compat::hosts::tree::Format::{Json, Toml, Yaml};

const PROGRAM: &str = "/opt/mcp-drawbridge";

fn planned(text: &str, format: Format, ways: &[&[&str]]) -> Result<Plan, Refusal> {
    plan(text, format, ways, PROGRAM, &|_, _| Ok(Vec::new()))
}

fn json(text: &str) -> Plan {
    planned(text, Json, &[&["mcpServers"]]).expect("it can be changed")
}

fn changed(text: &str, new: &str) {
    let plan = json(text);
    assert_eq!(plan.text, new);
    // What came out has nothing left to do.
    assert_eq!(json(new).edits, []);
}

#[test]
fn command_and_launcher_go_and_all_else_stays() {
    changed(
        r#"{"mcpServers":{"a":{"command":"npx","args":["-y","mcp-remote@latest","https://a.example","--debug"],"env":{"A":"b"}}}, "x" : 1.0}"#,
        r#"{"mcpServers":{"a":{"command":"/opt/mcp-drawbridge","args":["https://a.example","--debug"],"env":{"A":"b"}}}, "x" : 1.0}"#,
    );
}

#[test]
fn lines_go_with_what_stands_in_them_and_comments_stay() {
    changed(
        "{\"mcpServers\": {\n\t// one\r\n\"a\" : {\r\n\t\"args\": [\r\n\t\t\"-y\", \"mcp-remote\",\r\n\t\t\"https://a.example\", /* x */\r\n\t],\r\n\t\"command\" :\t\"npx\"}}}",
        "{\"mcpServers\": {\n\t// one\r\n\"a\" : {\r\n\t\"args\": [\r\n\t\t\"https://a.example\", /* x */\r\n\t],\r\n\t\"command\" :\t\"/opt/mcp-drawbridge\"}}}",
    );
    changed(
        "{\"mcpServers\": {\"a\": {\"command\": \"npx\", \"args\": [\n  \"-y\" /* why */, // because\n  // the package\n  \"mcp-remote\",\n  \"https://a.example\"\n]}}}",
        "{\"mcpServers\": {\"a\": {\"command\": \"/opt/mcp-drawbridge\", \"args\": [\n   /* why */ // because\n  // the package\n  \"https://a.example\"\n]}}}",
    );
    changed(
        "{\"mcpServers\": {\"a\": {\"command\": \"npx\", \"args\": [\"-y\",\n  \"mcp-remote\", \"https://a.example\"]}}}",
        "{\"mcpServers\": {\"a\": {\"command\": \"/opt/mcp-drawbridge\", \"args\": [\n  \"https://a.example\"]}}}",
    );
}

#[test]
fn a_command_in_one_string_becomes_command_and_arguments() {
    changed(
        "{\"mcpServers\": {\"a\": {\n  \"command\": \"npx mcp-remote https://a.example\", // here\n  \"env\": {}\n}}}",
        "{\"mcpServers\": {\"a\": {\n  \"command\": \"/opt/mcp-drawbridge\",\n  \"args\": [\"https://a.example\"], // here\n  \"env\": {}\n}}}",
    );
    changed(
        r#"{"mcpServers": {"a": {"command": "npx mcp-remote https://a.example", "args": ["--debug"]}}}"#,
        r#"{"mcpServers": {"a": {"command": "/opt/mcp-drawbridge", "args": ["https://a.example", "--debug"]}}}"#,
    );
    changed(
        r#"{"mcpServers": {"a": {"command": "npx mcp-remote https://a.example", "args": []}}}"#,
        r#"{"mcpServers": {"a": {"command": "/opt/mcp-drawbridge", "args": ["https://a.example"]}}}"#,
    );
    changed(
        "{\"mcpServers\": {\"a\": {\"command\": \"bash\", \"args\": [\n    \"-lc\",\n    \"npx mcp-remote https://a.example --debug\"\n]}}}",
        "{\"mcpServers\": {\"a\": {\"command\": \"/opt/mcp-drawbridge\", \"args\": [\n    \"https://a.example\",\n    \"--debug\"\n]}}}",
    );
}

#[test]
fn commands_in_a_list_or_a_map_are_changed_there() {
    let plan = planned(
        r#"{"mcp": {"a": {"type": "local", "command": ["npx", "-y", "mcp-remote", "https://a.example"], "enabled": false}}}"#,
        Json,
        &[&["mcp"]],
    );
    assert_eq!(
        plan.expect("changed").text,
        r#"{"mcp": {"a": {"type": "local", "command": ["/opt/mcp-drawbridge", "https://a.example"], "enabled": false}}}"#
    );
    let plan = planned(
        r#"{"context_servers": {"a": {"command": {"path": "npx", "args": ["mcp-remote", "https://a.example"], "env": {}}, "settings": {}}}}"#,
        Json,
        &[&["context_servers"]],
    );
    assert_eq!(
        plan.expect("changed").text,
        r#"{"context_servers": {"a": {"command": {"path": "/opt/mcp-drawbridge", "args": ["https://a.example"], "env": {}}, "settings": {}}}}"#
    );
}

#[test]
fn a_command_line_that_is_the_only_word_of_a_list_becomes_several() {
    let ways: &[&[&str]] = &[&["mcp"]];
    for (text, new) in [
        (
            r#"{"mcp": {"a": {"command": ["npx -y mcp-remote https://a.example"]}}}"#,
            r#"{"mcp": {"a": {"command": ["/opt/mcp-drawbridge", "https://a.example"]}}}"#,
        ),
        (
            r#"{"mcp": {"a": {"command": ["npx mcp-remote https://a.example" /* x */, "3334"]}}}"#,
            r#"{"mcp": {"a": {"command": ["/opt/mcp-drawbridge", "https://a.example" /* x */, "3334"]}}}"#,
        ),
        (
            "{\"mcp\": {\"a\": {\"command\": [\n  \"npx mcp-remote https://a.example --debug\", // x\n]}}}",
            "{\"mcp\": {\"a\": {\"command\": [\n  \"/opt/mcp-drawbridge\",\n  \"https://a.example\",\n  \"--debug\", // x\n]}}}",
        ),
    ] {
        assert_eq!(planned(text, Json, ways).expect("changed").text, new);
    }
    let text = "mcp:\n  a:\n    command:\n      - npx mcp-remote https://a.example # x\n";
    let new =
        "mcp:\n  a:\n    command:\n      - /opt/mcp-drawbridge\n      - 'https://a.example' # x\n";
    assert_eq!(planned(text, Yaml, ways).expect("changed").text, new);
}

#[test]
fn every_member_of_a_star_is_looked_at() {
    let text = r#"{"mcpServers": {"a": {"command": "npx", "args": ["mcp-remote", "https://a.example"]}},
        "projects": {"/x": {"mcpServers": {"b": {"command": "npx", "args": ["mcp-remote", "https://b.example"]}}},
        "/y": {"mcpServers": {}}, "/z": {}}}"#;
    let ways: &[&[&str]] = &[&["mcpServers"], &["projects", "*", "mcpServers"]];
    let plan = planned(text, Json, ways).expect("changed");
    let names: Vec<&str> = plan
        .entries
        .iter()
        .map(|entry| entry.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(plan.text.matches(PROGRAM).count(), 2);
}

#[test]
fn toml_is_changed_in_its_own_spelling() {
    let text = "# top\n[mcp_servers.a] # a\ncommand = 'npx' # run\nargs = [ \"-y\", 'mcp-remote',\n  \"https://a.example\", # here\n]\n\n[mcp_servers.\"b c\"]\ncommand = \"npx -y mcp-remote https://b.example\"  # both\nenv = { A = \"mcp-remote\" }\n[other]\nx = 1\n";
    let new = "# top\n[mcp_servers.a] # a\ncommand = '/opt/mcp-drawbridge' # run\nargs = [ \n  \"https://a.example\", # here\n]\n\n[mcp_servers.\"b c\"]\ncommand = \"/opt/mcp-drawbridge\"  # both\nargs = [\"https://b.example\"]\nenv = { A = \"mcp-remote\" }\n[other]\nx = 1\n";
    assert_eq!(
        planned(text, Toml, &[&["mcp_servers"]])
            .expect("changed")
            .text,
        new
    );
    let inline = "mcp_servers = { a = { command = \"npx\", args = [\"mcp-remote\", \"https://a.example\"] } }";
    let new = "mcp_servers = { a = { command = \"/opt/mcp-drawbridge\", args = [\"https://a.example\"] } }";
    assert_eq!(
        planned(inline, Toml, &[&["mcp_servers"]])
            .expect("changed")
            .text,
        new
    );
    let list = "[[mcp_servers]]\nname = \"a\"\ncommand = \"npx\"\nargs = [\"mcp-remote\", \"https://a.example\"]\n";
    let new = "[[mcp_servers]]\nname = \"a\"\ncommand = \"/opt/mcp-drawbridge\"\nargs = [\"https://a.example\"]\n";
    assert_eq!(
        planned(list, Toml, &[&["mcp_servers"]])
            .expect("changed")
            .text,
        new
    );
}

#[test]
fn yaml_is_changed_in_its_own_spelling() {
    let text = "# ü top\nextensions:\n  a:\n    cmd: npx  # run\n    args:\n    - -y\n    - 'mcp-remote@latest' # the package\n    - https://a.example # ü\n    - 3334\n    enabled: false\n  b: {cmd: \"npx\", args: [-y, mcp-remote, 'https://b.example'], envs: {A: b}}\n";
    let new = "# ü top\nextensions:\n  a:\n    cmd: /opt/mcp-drawbridge  # run\n    args:\n    # the package\n    - https://a.example # ü\n    - 3334\n    enabled: false\n  b: {cmd: \"/opt/mcp-drawbridge\", args: ['https://b.example'], envs: {A: b}}\n";
    assert_eq!(
        planned(text, Yaml, &[&["extensions"]])
            .expect("changed")
            .text,
        new
    );
    let list = "mcpServers:\n  - name: a\n    command: npx -y mcp-remote https://a.example\n    env:\n      A: b\r\n  - command: bash\n    args:\n      - -c\n      - npx mcp-remote https://b.example --debug\n    name: b";
    let new = "mcpServers:\n  - name: a\n    command: /opt/mcp-drawbridge\n    args: [\"https://a.example\"]\n    env:\n      A: b\r\n  - command: /opt/mcp-drawbridge\n    args:\n      - 'https://b.example'\n      - '--debug'\n    name: b";
    assert_eq!(
        planned(list, Yaml, &[&["mcpServers"]])
            .expect("changed")
            .text,
        new
    );
}

#[test]
fn marks_and_line_ends_stay() {
    let text = "\u{feff}{\r\n  \"mcpServers\": {\"ü\": {\"command\": \"npx\", \"args\": [\"mcp-remote\", \"https://a.example\"]}}\r\n}";
    let plan = json(text);
    assert!(plan.text.starts_with("\u{feff}{\r\n"), "{}", plan.text);
    assert_eq!(
        plan.text,
        text.replace("npx", PROGRAM).replace("\"mcp-remote\", ", "")
    );
    assert_eq!(apply(text, &plan.edits), Some(plan.text));
}

#[test]
fn what_cannot_be_read_or_means_two_things_is_refused() {
    for (text, part) in [
        (
            "{\"mcpServers\": {\"a\": {\"command\": \"mcp-remote\"",
            "line 1",
        ),
        ("{'mcpServers': 'mcp-remote'}", "JSON"),
        (
            r#"{"mcpServers": {}, "mcpServers": {"a": "mcp-remote"}}"#,
            "`mcpServers` stands twice",
        ),
        (
            r#"{"mcpServers": {"a": {}, "a": {"command": "mcp-remote", "args": ["https://a.example"]}}}"#,
            "`a` stands twice",
        ),
        (
            r#"{"mcpServers": {"a": {"command": "mcp-remote", "args": ["https://a.example"], "args": []}}}"#,
            "`args` stands twice",
        ),
    ] {
        let refusal = planned(text, Json, &[&["mcpServers"]]).expect_err(text);
        assert!(refusal.to_string().contains(part), "{refusal}");
    }
    let deep = format!(
        "{}\"mcp-remote\"{}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    for format in [Json, Toml, Yaml] {
        assert!(planned(&deep, format, &[&["mcpServers"]]).is_err());
    }
    let deep = format!("mcpServers:\n  a: {}mcp-remote", "- ".repeat(100_000));
    assert!(planned(&deep, Yaml, &[&["mcpServers"]]).is_err());
    assert!(planned("a: 1\n---\nb: mcp-remote\n", Yaml, &[&["mcpServers"]]).is_err());
    assert!(
        planned(
            "[a]\nx = 1\n[a]\nx = 'mcp-remote'\n",
            Toml,
            &[&["mcp_servers"]]
        )
        .is_err()
    );
}

#[test]
fn a_name_that_stands_twice_elsewhere_is_no_reason_to_refuse() {
    let text = r#"{"x": 1, "x": 2, "mcpServers": {"a": {"command": "npx", "args": ["mcp-remote", "https://a.example"]}, "b": {"c": 1, "c": 2}}}"#;
    assert_eq!(json(text).entries[0].outcome, Outcome::Changed);
}

#[test]
fn references_in_yaml_are_left_alone() {
    for text in [
        "extensions:\n  a: &a\n    cmd: npx\n    args: [mcp-remote, 'https://a.example']\n  b: *a\n",
        "extensions:\n  a:\n    cmd: npx\n    args: &x [mcp-remote, 'https://a.example']\n",
        "extensions:\n  a:\n    cmd: !x npx\n    args: [mcp-remote, 'https://a.example']\n",
        "extensions:\n  a:\n    cmd: >-\n      npx mcp-remote https://a.example\n",
    ] {
        let plan = planned(text, Yaml, &[&["extensions"]]).expect("read");
        assert_eq!(plan.text, text);
        assert!(
            matches!(plan.entries[0].outcome, Outcome::Left(Why::Written(_))),
            "{text}"
        );
    }
}

#[test]
fn empty_files_and_other_shapes_are_nothing_to_change() {
    for text in [
        "",
        " \n",
        "// mcp-remote\n",
        "[]",
        "1",
        "{}",
        r#"{"mcpServers": []}"#,
        r#"{"mcpServers": null}"#,
        r#"{"mcpServers": {"a": 1, "b": {"command": 1}, "c": {"command": []}, "d": {"url": "mcp-remote"}}}"#,
        r#"{"servers": {"a": {"command": "npx", "args": ["mcp-remote", "https://a.example"]}}}"#,
        r#"{"mcpServers": {"a": {"command": "cat", "args": ["x"], "description": "mcp-remote"}}}"#,
    ] {
        let plan = json(text);
        assert_eq!(
            (plan.text.as_str(), plan.entries.len()),
            (text, 0),
            "{text}"
        );
    }
    assert!(planned("", Yaml, &[&["a"]]).is_ok() && planned("", Toml, &[&["a"]]).is_ok());
}

#[test]
fn entries_that_the_bridge_would_not_take_stay() {
    let text = r#"{"mcpServers": {"a": {"command": "npx", "args": ["mcp-remote", "https://a.example"], "env": {"X": "1"}}}}"#;
    let judge: Judge<'_> = &|args, env| {
        assert_eq!(
            (args, env["X"].as_str()),
            (&["https://a.example".to_owned()][..], "1")
        );
        Err("no".to_owned())
    };
    let plan = plan(text, Json, &[&["mcpServers"]], PROGRAM, judge).expect("read");
    assert_eq!(plan.text, text);
    assert_eq!(
        plan.entries[0].outcome,
        Outcome::Left(Why::Arguments("no".to_owned()))
    );
}

#[test]
fn addresses_that_are_shut_are_told() {
    for (address, told) in [
        ("https://mcp.atlassian.com/v1/sse", 1),
        ("https://mcp.atlassian.com/v1/sse/", 1),
        ("https://mcp.asana.com/sse", 1),
        ("https://mcp.atlassian.com/v1/mcp", 0),
        ("https://mcp.example.com/v1/sse", 0),
    ] {
        let text = format!(
            r#"{{"mcpServers": {{"a": {{"command": "mcp-remote", "args": ["{address}"]}}}}}}"#
        );
        let plan = json(&text);
        assert_eq!(plan.entries[0].remarks.len(), told, "{address}");
        assert!(plan.text.contains(&format!("\"{address}\"")));
    }
}

#[test]
fn a_path_of_windows_is_written_as_the_format_wants() {
    let program = r"C:\Program Files\it's\mcp-drawbridge.exe";
    for (text, format, way) in [
        (
            r#"{"s": {"a": {"command": "npx", "args": ["mcp-remote", "https://a.example"]}}}"#,
            Json,
            "s",
        ),
        (
            "[s.a]\ncommand = 'npx'\nargs = ['mcp-remote', 'https://a.example']\n",
            Toml,
            "s",
        ),
        (
            "[s.a]\ncommand = \"npx\"\nargs = ['mcp-remote', 'https://a.example']\n",
            Toml,
            "s",
        ),
        (
            "s:\n  a:\n    command: npx\n    args: [mcp-remote, 'https://a.example']\n",
            Yaml,
            "s",
        ),
        (
            "s:\n  a:\n    command: 'npx'\n    args: [mcp-remote, 'https://a.example']\n",
            Yaml,
            "s",
        ),
        (
            "s:\n  a:\n    command: \"npx\"\n    args: [mcp-remote, 'https://a.example']\n",
            Yaml,
            "s",
        ),
    ] {
        let plan = plan(text, format, &[&[way]], program, &|_, _| Ok(Vec::new())).expect("changed");
        let root = format.read(&plan.text).expect("read").expect("a value");
        let command = root
            .get("s")
            .and_then(|s| s.get("a"))
            .and_then(|a| a.get("command"));
        assert_eq!(
            command.and_then(Node::as_text),
            Some(program),
            "{}",
            plan.text
        );
    }
}

/// Numbers that look random and are the same in every run.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    }
}

#[test]
fn every_layout_keeps_its_comments_and_says_what_it_should() {
    let mut number = numbers();
    let tokens = "{ \"mcpServers\" : { \"a\" : { \"args\" : [ \"-y\" , \"mcp-remote\" , \"https://a.example\" , \"--debug\" ] , \"command\" : \"npx\" } } }";
    let gaps = [
        "",
        " ",
        "  ",
        "\n",
        "\r\n\t",
        "/*c*/",
        " /* c */ ",
        "//c\n",
        " // c, c\r\n  ",
        "\n/*c\nc*/\n",
    ];
    for _ in 0..1500 {
        let mut text = String::new();
        for token in tokens.split(' ') {
            text += token;
            text += gaps[number(gaps.len())];
        }
        let plan = json(&text);
        assert_eq!(plan.entries[0].outcome, Outcome::Changed, "{text}");
        let comments = |text: &str| {
            let begins = ["/*", "//c", "// c"];
            let counts = begins.iter().map(|begin| text.matches(begin).count());
            counts.sum::<usize>()
        };
        assert_eq!(
            comments(&text),
            comments(&plan.text),
            "{text}\n{}",
            plan.text
        );
        assert_eq!(
            apply(&text, &plan.edits).as_deref(),
            Some(plan.text.as_str())
        );
    }
    let tokens = "[ \"-y\" , 'mcp-remote' , \"https://a.example\" , '--debug' ]";
    let gaps = [
        "",
        " ",
        "\n",
        "\r\n\t",
        "#c\n",
        " # c, 'c\r\n  ",
        "\n# \"c\n",
    ];
    for _ in 0..1500 {
        let mut text = "[s.a]\nargs = ".to_owned();
        for token in tokens.split(' ') {
            text += token;
            if token != "]" {
                text += gaps[number(gaps.len())];
            }
        }
        text += " # c\ncommand = 'npx'";
        let plan =
            planned(&text, Toml, &[&["s"]]).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(plan.entries[0].outcome, Outcome::Changed, "{text}");
        let comments = |text: &str| text.matches('#').count();
        assert_eq!(
            comments(&text),
            comments(&plan.text),
            "{text}\n{}",
            plan.text
        );
    }
}

#[test]
fn every_layout_of_yaml_keeps_its_comments_and_says_what_it_should() {
    let mut number = numbers();
    let ends = [
        "\n",
        "  # c\n",
        "\r\n",
        " # 'c\n",
        "\n\n",
        "\n    # c\n",
        "\n# \"c\n",
    ];
    let words = ["-y", "mcp-remote@latest", "https://a.example", "--debug"];
    for _ in 0..1500 {
        let indent = ["    ", "      ", "       "][number(3)];
        let mut text = format!("# c\ns:{}  a:{}    args:", ends[number(7)], ends[number(7)]);
        text += ends[number(7)];
        for word in words {
            let word =
                [word.to_owned(), format!("'{word}'"), format!("\"{word}\"")][number(3)].clone();
            let dash = ["- ", "-   "][number(2)];
            text += &format!("{indent}{dash}{word}{}", ends[number(7)]);
        }
        text += &format!("    cmd: npx{}    x: [1, 2]", ends[number(7)]);
        let plan =
            planned(&text, Yaml, &[&["s"]]).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(plan.entries[0].outcome, Outcome::Changed, "{text}");
        let comments = |text: &str| text.matches('#').count();
        assert_eq!(
            comments(&text),
            comments(&plan.text),
            "{text}\n{}",
            plan.text
        );
    }
}
