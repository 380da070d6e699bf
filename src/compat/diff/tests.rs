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
