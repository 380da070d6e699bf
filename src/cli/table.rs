//! The README's table of options, made of the definitions. Here is the only place that knows how it
//! looks; the test keeps the README true.

use clap::{Arg, ArgAction, CommandFactory};

use super::{Cli, cached, topics};

/// What stands before and behind the table in the README.
const BEGIN: &str = "<!-- options: made of the program's definitions; a test says how -->";
const END: &str = "<!-- end of options -->";

/// The table: a row for each option, by topic, with the first sentence of its help.
fn table() -> String {
    let command = topics::arranged(Cli::command());
    let mut args: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| arg.get_long().is_some())
        .collect();
    args.sort_by_key(|arg| place(arg));
    let mut text = String::new();
    let mut heading = "";
    text.push_str("| Option | | Meaning |\n|---|---|---|\n");
    for arg in args {
        let own = arg.get_help_heading().unwrap_or_default();
        if own != heading {
            heading = own;
            text.push_str(&format!("| **{heading}** | | |\n"));
        }
        text.push_str(&row(arg));
    }
    text
}

/// Where an option stands in the help.
fn place(arg: &Arg) -> usize {
    let long = arg.get_long().unwrap_or_default();
    topics::place(long).unwrap_or(usize::MAX)
}

fn row(arg: &Arg) -> String {
    let long = arg.get_long().unwrap_or_default();
    let names = arg.get_value_names().unwrap_or_default();
    let value = match names.first().filter(|_| arg.get_action().takes_values()) {
        Some(name) => format!(" {}", name.replace('|', "\\|")),
        None => String::new(),
    };
    let mark = match cached::finds_sign_in(long) {
        true => "●",
        false => "",
    };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let repeatable = match arg.get_action() {
        ArgAction::Append if !help.contains("repeatable") => ", repeatable",
        _ => "",
    };
    let help = help.replace('|', "\\|");
    format!("| `--{long}{value}` | {mark} | {help}{repeatable} |\n")
}

#[test]
fn the_table_of_options_in_the_readme_is_what_the_program_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).expect("the README");
    let readme = readme.replace("\r\n", "\n");
    let (before, rest) = readme
        .split_once(BEGIN)
        .expect("the beginning of the table");
    let (found, after) = rest.split_once(END).expect("the end of the table");
    let expected = format!("\n\n{}\n", table());
    if std::env::var_os("WRITE_README").is_some() {
        let text = format!("{before}{BEGIN}{expected}{END}{after}");
        std::fs::write(path, text).expect("the README can be written");
        return;
    }
    assert!(
        found == expected,
        "the table of options in README.md is not that of the program; write it anew with\n\n    \
         WRITE_README=1 cargo test --lib the_table_of_options\n\n{}",
        expected
    );
}

#[test]
fn every_option_has_a_row_of_its_own() {
    let table = table();
    for name in super::option_names() {
        let start = format!("| `--{name}");
        let is_its = |line: &&str| {
            let rest = line.strip_prefix(&*start);
            rest.is_some_and(|rest| rest.starts_with(['`', ' ']))
        };
        assert_eq!(table.lines().filter(is_its).count(), 1, "{name}");
    }
    for line in table.lines() {
        let cells = line.replace("\\|", "").matches('|').count();
        assert_eq!(cells, 4, "{line}");
    }
}
