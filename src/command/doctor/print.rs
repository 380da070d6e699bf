//! The report for people: aligned, and in colour where that is wanted.

use std::fmt::Write as _;

use super::report::{Report, Status, Step};

/// The width of the longest name of a step, and some.
const NAME: usize = 21;
/// The width of the longest status, and some.
const STATUS: usize = 6;
/// How far the details of a step are indented.
const INDENT: usize = STATUS;

/// Whether to use colour: only in a terminal, and where nobody has said no (`NO_COLOR` set to
/// anything).
pub fn is_coloured(is_terminal: bool, no_color: Option<&str>) -> bool {
    is_terminal && no_color.is_none_or(str::is_empty)
}

/// One step.
pub fn step(step: &Step, colour: bool) -> String {
    let status = format!("{:<STATUS$}", step.status.name());
    let status = match (colour, colour_of(step.status)) {
        (true, Some(code)) => format!("\u{1b}[{code}m{status}\u{1b}[0m"),
        _ => status,
    };
    let name = step.name.text();
    let mut text = format!("{status}{name:<NAME$} {}\n", step.summary);
    let mut line = |label: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:INDENT$}{label:>NAME$} {value}", "");
    };
    // Who has something to mend may not know the word.
    if step.status == Status::Fail {
        line("about", step.name.about());
    }
    for exchange in &step.asked {
        line(
            "asked",
            &format!("{}: {}", exchange.request, exchange.answer),
        );
    }
    for (name, value) in &step.found {
        line(name, value);
    }
    if let Some(rule) = step.rule {
        line("rule", rule);
    }
    if let Some(hint) = &step.hint {
        line("to do", hint);
    }
    text
}

/// The last line.
pub fn end(report: &Report) -> String {
    let count = |status| {
        let steps = report.steps.iter();
        steps.filter(|step| step.status == status).count()
    };
    let (fail, warn) = (count(Status::Fail), count(Status::Warn));
    match (fail, warn) {
        (0, 0) => "\neverything is as it should be\n".to_owned(),
        (0, warn) => format!("\nit works, with {warn} warning{}\n", plural(warn)),
        (fail, _) => format!("\n{fail} step{} failed\n", plural(fail)),
    }
}

fn plural(count: usize) -> &'static str {
    match count {
        1 => "",
        _ => "s",
    }
}

/// The terminal's number for it.
fn colour_of(status: Status) -> Option<u8> {
    match status {
        Status::Ok => Some(32),
        Status::Warn => Some(33),
        Status::Fail => Some(31),
        Status::Skip => Some(2),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::{Exchange, Kind, Name};
    use super::*;

    fn failed() -> Step {
        let asked = vec![Exchange {
            request: "GET `https://a/`".to_owned(),
            answer: "status 200".to_owned(),
        }];
        Step::fail(Name::AuthorizationServer, Kind::Failed, "it is another")
            .asked(asked)
            .found("issuer", "`https://b`")
            .rule(Some("RFC 8414 §3.3"))
            .hint(Some("name it with `--issuer`"))
    }

    #[test]
    fn a_step_stands_in_columns() {
        assert_eq!(
            step(&failed(), false),
            "fail  authorization-server  it is another\n\
             \x20                     about the word of that one, who signs you in, on itself; `issuer` is its name\n\
             \x20                     asked GET `https://a/`: status 200\n\
             \x20                    issuer `https://b`\n\
             \x20                      rule RFC 8414 §3.3\n\
             \x20                     to do name it with `--issuer`\n"
        );
    }

    #[test]
    fn colour_is_for_terminals_whose_user_has_not_said_no() {
        assert!(is_coloured(true, None) && is_coloured(true, Some("")));
        assert!(!is_coloured(true, Some("1")) && !is_coloured(false, None));
        assert!(step(&failed(), true).starts_with("\u{1b}[31mfail  \u{1b}[0mauthorization-server"));
        assert!(!step(&failed(), false).contains('\u{1b}'));
    }

    #[test]
    fn the_end_counts_what_failed() {
        let report = |steps: &[Step]| {
            end(&Report {
                steps: steps.to_vec(),
            })
        };
        assert_eq!(report(&[]), "\neverything is as it should be\n");
        let warned = Step::warn(Name::Pkce, "");
        assert_eq!(
            report(std::slice::from_ref(&warned)),
            "\nit works, with 1 warning\n"
        );
        assert_eq!(report(&[warned, failed(), failed()]), "\n2 steps failed\n");
    }
}
