use super::Format::{Json, Toml, Yaml};
use super::*;

/// What stands at the spans of all strings, in order.
fn strings(text: &str, format: Format) -> Vec<(String, &str)> {
    fn collect<'t>(node: &Node, text: &'t str, found: &mut Vec<(String, &'t str)>) {
        if let Some(value) = node.as_text() {
            found.push((value.to_owned(), &text[node.span.clone()]));
        }
        for item in node.items() {
            collect(item, text, found);
        }
        for member in node.members() {
            collect(&member.value, text, found);
        }
    }
    let mut found = Vec::new();
    let root = format.read(text).expect("read").expect("a value");
    collect(&root, text, &mut found);
    found
}

#[test]
fn spans_are_those_of_the_values_alone() {
    for (text, format) in [
        (
            "{\"ü\": \"a\" , // \"x\"\n \"b\": [ \"c\\u00fc\" /* y */, \"d\" ], }",
            Json,
        ),
        (
            "# ü\na_1 = 1\na = \"a\" # x\n[t]\nb = [ 'c', # y\n \"d\\u00fc\" ]\ni = { e = \"f\" }\n\"q r\".s = 'z'\n",
            Toml,
        ),
        (
            "# ü\na: a # x\nb:\n- 'c'  # ''\n- 'd''e' # y\n- \"f\\\" ü\"   # z\n- {g: h , i: [j , \"k\"]} # l\nm: n o\n",
            Yaml,
        ),
    ] {
        let strings = strings(text, format);
        assert!(strings.len() >= 3, "{strings:?}");
        for (value, written) in strings {
            let begins = written.chars().next().expect("not empty");
            let bare = written.trim_matches(begins);
            match begins {
                '"' | '\'' => {
                    assert!(written.len() >= 2 && written.ends_with(begins), "{written}");
                    assert!(value.starts_with(&bare[..1]), "{value} {written}");
                }
                _ => assert_eq!(value, written),
            }
        }
    }
}

#[test]
fn strings_are_read_as_they_were_written() {
    for format in [Json, Toml, Yaml] {
        for quote in [Quote::Double, Quote::Single, Quote::Bare, Quote::Lines] {
            for value in [
                "",
                "/a/b",
                "C:\\x y",
                "it's",
                "\"",
                "ü\u{1}\u{7f}\t\n",
                "true",
                "1",
                "a: b # c",
                "- x",
                "~",
            ] {
                let written = format.text(value, quote);
                let text = match format {
                    Json => format!("{{\"a\": [{written}]}}"),
                    Toml => format!("a = [{written}]"),
                    Yaml => format!("a: [{written}]"),
                };
                let root = format
                    .read(&text)
                    .unwrap_or_else(|error| panic!("{text}: {error}"));
                let root = root.expect("a value");
                let list = root.get("a").expect("a list").items();
                assert_eq!(list[0].as_text(), Some(value), "{text}");
            }
        }
    }
}

#[test]
fn edits_are_made_in_any_order_and_never_over_one_another() {
    let edit = |span: Span, text: &str| Edit {
        span,
        text: text.to_owned(),
    };
    let edits = [edit(4..5, "E"), edit(0..1, ""), edit(2..2, "--")];
    assert_eq!(apply("abcde", &edits).as_deref(), Some("b--cdE"));
    assert_eq!(apply("abcde", &[edit(0..3, ""), edit(2..4, "")]), None);
    assert_eq!(apply("abcde", &[edit(4..9, "")]), None);
    assert_eq!(apply("ü", &[edit(1..2, "")]), None);
}

#[test]
fn a_fault_is_told_with_its_line_and_without_what_stands_there() {
    for (text, format, line) in [
        ("{\n  \"a\": SECRET\n}", Json, 2),
        ("{\n\n", Json, 1),
        ("a = 1\nb = \n", Toml, 2),
        ("a: 1\nb: [\n", Yaml, 3),
    ] {
        let error = format.read(text).expect_err(text);
        assert_eq!(error.line, line, "{error}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}

#[test]
fn a_name_that_stands_twice_is_found() {
    let root = Json
        .read(r#"{"a": 1, "b": 2, "a": 3}"#)
        .expect("read")
        .expect("a value");
    assert_eq!(root.twice(), Some("a"));
    let root = Yaml.read("a: 1\nb: 2\n").expect("read").expect("a value");
    assert_eq!(root.twice(), None);
}
