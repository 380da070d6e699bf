use super::*;
use crate::compat::hosts::entry::{BARE, CONTINUE, GOOSE, NAMED, OPENCODE};
use crate::compat::hosts::tree::Format::{Json, Toml, Yaml};

fn put_as(
    text: &str,
    format: Format,
    way: &[&str],
    shape: &Shape,
    replace: bool,
) -> Result<String, Refusal> {
    let args = ["https://n.example".to_owned()];
    let entry = NewEntry {
        name: "n",
        members: shape.entry("n", "/d", &args),
        way,
        shape,
        replace,
    };
    insert(text, format, &entry)
}

fn put(text: &str, format: Format, way: &[&str], shape: &Shape) -> String {
    let new =
        put_as(text, format, way, shape, false).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(
        put_as(&new, format, way, shape, false),
        Err(Refusal::Exists("n".to_owned())),
        "{new}"
    );
    new
}

const S: &[&str] = &["s"];

#[test]
fn json_gets_a_member_where_its_servers_are() {
    let entry = |indent: &str, step: &str, newline: &str| {
        format!(
            "\"n\": {{{newline}{indent}{step}\"command\": \"/d\",{newline}{indent}{step}\"args\": [\"https://n.example\"]{newline}{indent}}}"
        )
    };
    let two = entry("    ", "  ", "\n");
    for (text, new) in [
        ("".to_owned(), format!("{{\n  \"s\": {{\n    {two}\n  }}\n}}\n")),
        ("{}".to_owned(), format!("{{\n  \"s\": {{\n    {two}\n  }}\n}}")),
        ("{ }\n".to_owned(), format!("{{\n  \"s\": {{\n    {two}\n  }}\n}}\n")),
        ("// c\n".to_owned(), format!("// c\n{{\n  \"s\": {{\n    {two}\n  }}\n}}\n")),
        (
            "{\n  \"x\": 1 // c\n}\n".to_owned(),
            format!("{{\n  \"x\": 1, // c\n  \"s\": {{\n    {two}\n  }}\n}}\n"),
        ),
        (
            "{\n  \"s\": {}\n}\n".to_owned(),
            format!("{{\n  \"s\": {{\n    {two}\n  }}\n}}\n"),
        ),
        (
            "{\n  \"s\": {\n    \"a\": {}, // c\n    // d\n  }\n}\n".to_owned(),
            format!("{{\n  \"s\": {{\n    \"a\": {{}}, // c\n    // d\n    {two},\n  }}\n}}\n"),
        ),
        (
            "{\n  \"s\": {\n    // none\n  }\n}\n".to_owned(),
            format!("{{\n  \"s\": {{\n    // none\n    {two}\n  }}\n}}\n"),
        ),
        (
            "{\r\n\t\"s\": {\r\n\t\t\"a\": {}\r\n\t}\r\n}".to_owned(),
            format!(
                "{{\r\n\t\"s\": {{\r\n\t\t\"a\": {{}},\r\n\t\t{}\r\n\t}}\r\n}}",
                entry("\t\t", "\t", "\r\n")
            ),
        ),
        (
            "{\n  \"s\": {\n    \"a\": {}}}".to_owned(),
            format!("{{\n  \"s\": {{\n    \"a\": {{}},\n    {two}\n  }}}}"),
        ),
        (
            "{\"s\": {\"a\": 1}}".to_owned(),
            "{\"s\": {\"a\": 1, \"n\": { \"command\": \"/d\", \"args\": [\"https://n.example\"] }}}".to_owned(),
        ),
        (
            "\u{feff}{\"s\": {\"a\": 1,}}".to_owned(),
            "\u{feff}{\"s\": {\"a\": 1, \"n\": { \"command\": \"/d\", \"args\": [\"https://n.example\"] }}}".to_owned(),
        ),
    ] {
        let found = put(&text, Json, S, &BARE);
        // After a trailing comma none has to come.
        let found = found.replace("] },}}", "] }}}");
        assert_eq!(found, new, "{text}");
    }
}

#[test]
fn shapes_of_hosts_are_kept() {
    let new = put("{\n  \"mcp\": {}\n}", Json, &["mcp"], &OPENCODE);
    assert!(
        new.contains("\"command\": [\"/d\", \"https://n.example\"]"),
        "{new}"
    );
    let new = put("x: 1\n", Yaml, S, &GOOSE);
    assert!(
        new.starts_with("x: 1\ns:\n  \"n\":\n    name: \"n\"\n    type: stdio\n    cmd: /d\n"),
        "{new}"
    );
}

#[test]
fn a_new_file_says_what_it_is_where_the_host_wants_that() {
    let new = put("", Yaml, S, &CONTINUE);
    assert!(
        new.starts_with("name: Local Config\nversion: 1.0.0\nschema: v1\ns:\n  - name: "),
        "{new}"
    );
    let new = put("x: 1\n", Yaml, S, &CONTINUE);
    assert!(new.starts_with("x: 1\ns:\n"), "{new}");
    assert!(put("", Json, S, &CONTINUE).starts_with("{\n  \"s\": {"));
}

#[test]
fn toml_gets_a_table_at_the_end() {
    let table = "[s.n]\ncommand = \"/d\"\nargs = [\"https://n.example\"]\n";
    for (text, before) in [
        ("", ""),
        ("a = 1", "a = 1\n\n"),
        ("a = 1\n", "a = 1\n\n"),
        (
            "[s.a] # c\nx = 1\n\n[t]\n# end\n",
            "[s.a] # c\nx = 1\n\n[t]\n# end\n\n",
        ),
    ] {
        assert_eq!(
            put(text, Toml, S, &BARE),
            format!("{before}{table}"),
            "{text}"
        );
    }
    let new = put("[[s]]\nname = \"a\"\n", Toml, S, &NAMED);
    assert!(
        new.ends_with(
            "\n\n[[s]]\nname = \"n\"\ncommand = \"/d\"\nargs = [\"https://n.example\"]\n"
        ),
        "{new}"
    );
    for text in ["s = { a = 1 }\n", "s = 1\n", "[[s]]\nx = 1\n"] {
        assert!(
            matches!(
                put_as(text, Toml, S, &BARE, false),
                Err(Refusal::Knotted(_))
            ),
            "{text}"
        );
    }
}

#[test]
fn yaml_gets_a_member_or_an_item_in_its_block() {
    let map = |indent: &str| {
        format!(
            "{indent}\"n\":\n{indent}  command: /d\n{indent}  args:\n{indent}    - \"https://n.example\""
        )
    };
    for (text, new) in [
        ("", format!("s:\n{}\n", map("  "))),
        ("# c", format!("# c\ns:\n{}\n", map("  "))),
        ("x: 1", format!("x: 1\ns:\n{}\n", map("  "))),
        (
            "s:\n  a:\n    x: 1 # c\n# d\nt: 2\n",
            format!("s:\n  a:\n    x: 1 # c\n{}\n# d\nt: 2\n", map("  ")),
        ),
        (
            "s:\n  a:\n    x:\nt: 2\n",
            format!("s:\n  a:\n    x:\n{}\nt: 2\n", map("  ")),
        ),
        (
            "s:\n  a: {x: [1]} # c\n",
            format!("s:\n  a: {{x: [1]}} # c\n{}\n", map("  ")),
        ),
        (
            "s:\n  a:\n    x: {}\n",
            format!("s:\n  a:\n    x: {{}}\n{}\n", map("  ")),
        ),
        (
            "s: {} # c\nt: 1\n",
            format!("s: # c\n{}\nt: 1\n", map("  ")),
        ),
        ("s:\nt: 1\n", format!("s:\n{}\nt: 1\n", map("  "))),
        ("s: null\n", format!("s:\n{}\n", map("  "))),
    ] {
        assert_eq!(put(text, Yaml, S, &BARE), new, "{text}");
    }
    let item = |indent: &str| {
        format!(
            "{indent}- name: \"n\"\n{indent}  command: /d\n{indent}  args:\n{indent}    - \"https://n.example\""
        )
    };
    for (text, new) in [
        (
            "s:\n- name: a\n  x: |\n    one\n    two\nt: 1\n",
            format!(
                "s:\n- name: a\n  x: |\n    one\n    two\n{}\nt: 1\n",
                item("")
            ),
        ),
        (
            "s:\n  - name: a # c\n",
            format!("s:\n  - name: a # c\n{}\n", item("  ")),
        ),
        ("s: []\n", format!("s:\n{}\n", item("  "))),
    ] {
        assert_eq!(put(text, Yaml, S, &NAMED), new, "{text}");
    }
    let new = put("s: {a: {x: 1}}\n", Yaml, S, &BARE);
    assert_eq!(
        new,
        "s: {a: {x: 1}, \"n\": { \"command\": \"/d\", \"args\": [\"https://n.example\"] }}\n"
    );
}

#[test]
fn an_entry_is_replaced_only_when_that_is_wanted() {
    let old = "{\"s\": {\"n\": {\"command\": \"x\", \"env\": {}}, \"o\": {}}}";
    assert_eq!(
        put_as(old, Json, S, &BARE, false),
        Err(Refusal::Exists("n".to_owned()))
    );
    assert_eq!(
        put_as(old, Json, S, &BARE, true).expect("replaced"),
        "{\"s\": {\"n\": { \"command\": \"/d\", \"args\": [\"https://n.example\"] }, \"o\": {}}}"
    );
    assert_eq!(
        put_as(
            "[s.n]\ncommand = 'x' # c\nargs = []\nenv.A = 'b'\n",
            Toml,
            S,
            &BARE,
            true
        )
        .expect("replaced"),
        "[s.n]\ncommand = '/d' # c\nargs = [\"https://n.example\"]\nenv.A = 'b'\n"
    );
    for (text, format) in [
        ("[s.n]\nurl = 'x'\n", Toml),
        ("s:\n  n:\n    url: x\n", Yaml),
    ] {
        assert!(
            matches!(
                put_as(text, format, S, &BARE, true),
                Err(Refusal::Knotted(_))
            ),
            "{text}"
        );
    }
}

#[test]
fn what_cannot_be_changed_safely_is_refused() {
    for (text, format) in [
        ("{", Json),
        ("[]", Json),
        ("{\"s\": 1}", Json),
        ("{\"s\": {\"a\": 1, \"a\": 2}}", Json),
        ("{\"s\": {}, \"s\": {}}", Json),
        ("s: &x\n  a: 1\n", Yaml),
        ("a: 1\n...\n", Yaml),
        ("- a\n", Yaml),
        ("a = \n", Toml),
    ] {
        assert!(put_as(text, format, S, &BARE, false).is_err(), "{text}");
    }
}
