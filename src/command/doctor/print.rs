//! The report for people: aligned, wrapped to the terminal, and in colour where it has some.

use super::report::{Report, Status, Step};
use crate::term::{Fields, Terminal, Tone, wrapped};

/// The width of the longest name of a step, and some.
const NAME: usize = 21;
/// The width of the longest status, and some.
const STATUS: usize = 6;
/// Fewer columns than this are no place for a sentence: it stands below the name then.
const NARROWEST: usize = 20;

/// One step.
pub fn step(step: &Step, terminal: Terminal) -> String {
    let status = format!("{:<STATUS$}", step.status.name());
    let status = terminal.paint(tone_of(step.status), &status);
    let name = step.name.text();
    let start = STATUS + NAME + 1;
    let room = terminal.width.map(|all| all.saturating_sub(start));
    let mut text = String::new();
    if room.is_some_and(|room| room < NARROWEST) {
        text.push_str(&format!("{status}{name}\n"));
        let room = terminal.width.map(|all| all.saturating_sub(STATUS));
        for line in wrapped(&step.summary, room) {
            text.push_str(&format!("{:STATUS$}{line}\n", ""));
        }
    } else {
        let mut begin = format!("{status}{name:<NAME$} ");
        for line in wrapped(&step.summary, room) {
            text.push_str(&format!("{begin}{line}\n"));
            begin = " ".repeat(start);
        }
    }
    text + &details(step).text(terminal)
}

fn details(step: &Step) -> Fields {
    let mut fields = Fields::new(STATUS).with_column(NAME);
    // Who has something to mend may not know the word.
    if step.status == Status::Fail {
        fields.add("about", step.name.about());
    }
    for exchange in &step.asked {
        fields.add(
            "asked",
            format!("{}: {}", exchange.request, exchange.answer),
        );
    }
    for (name, value) in &step.found {
        fields.add(name, value);
    }
    fields.add_some("rule", step.rule);
    if let Some(hint) = &step.hint {
        fields.add_in(Tone::Strong, "to do", hint);
    }
    fields
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

fn tone_of(status: Status) -> Tone {
    match status {
        Status::Ok => Tone::Good,
        Status::Warn => Tone::Odd,
        Status::Fail => Tone::Bad,
        Status::Skip => Tone::Faint,
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

    fn wide(width: usize) -> Terminal {
        Terminal {
            width: Some(width),
            colour: false,
        }
    }

    #[test]
    fn a_step_stands_in_columns() {
        assert_eq!(
            step(&failed(), Terminal::NONE),
            "fail  authorization-server  it is another\n\
             \x20                     about the word of that one, who signs you in, on itself; `issuer` is its name\n\
             \x20                     asked GET `https://a/`: status 200\n\
             \x20                    issuer `https://b`\n\
             \x20                      rule RFC 8414 §3.3\n\
             \x20                     to do name it with `--issuer`\n"
        );
    }

    #[test]
    fn what_does_not_fit_goes_on_below_itself() {
        let long = Step::ok(
            Name::Network,
            "the server answers, and its certificate is trusted",
        )
        .found("proxy", "none");
        assert_eq!(
            step(&long, wide(60)),
            "ok    network               the server answers, and its\n\
             \x20                           certificate is trusted\n\
             \x20                     proxy none\n"
        );
        assert_eq!(
            step(&long, wide(40)),
            "ok    network\n\
             \x20     the server answers, and its\n\
             \x20     certificate is trusted\n\
             \x20     proxy\n\
             \x20       none\n"
        );
    }

    #[test]
    fn colours_are_for_terminals_that_have_them() {
        let colourful = Terminal {
            width: None,
            colour: true,
        };
        let shown = step(&failed(), colourful);
        assert!(
            shown.starts_with("\u{1b}[31mfail  \u{1b}[0mauthorization-server"),
            "{shown:?}"
        );
        assert!(!step(&failed(), Terminal::NONE).contains('\u{1b}'));
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
