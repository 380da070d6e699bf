//! The report for programs: one document. The README describes it; new members may come without a
//! new version.

use serde::Serialize;

use super::report::{Report, Step};

/// Version of the form.
const FORMAT: u32 = 1;

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    /// The server's address, without what may grant access; `null` if it is about this machine.
    server: Option<&'a str>,
    /// The name of the sign-in.
    name: Option<&'a str>,
    /// The worst that any step came to.
    status: &'static str,
    exit_code: u8,
    steps: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    step: &'static str,
    status: &'static str,
    summary: &'a str,
    asked: Vec<Asked<'a>>,
    found: Vec<Found<'a>>,
    rule: Option<&'static str>,
    hint: Option<&'a str>,
}

#[derive(Serialize)]
struct Asked<'a> {
    request: &'a str,
    answer: &'a str,
}

#[derive(Serialize)]
struct Found<'a> {
    name: &'static str,
    value: &'a str,
}

/// The document.
pub fn document(server: Option<&str>, name: Option<&str>, report: &Report) -> String {
    let document = Document {
        version: FORMAT,
        server,
        name,
        status: report.status().name(),
        exit_code: report.exit_code(),
        steps: report.steps.iter().map(entry).collect(),
    };
    crate::command::json(&document)
}

fn entry(step: &Step) -> Entry<'_> {
    let asked = step.asked.iter().map(|exchange| Asked {
        request: &exchange.request,
        answer: &exchange.answer,
    });
    let found = step.found.iter().map(|(name, value)| Found { name, value });
    Entry {
        step: step.name.text(),
        status: step.status.name(),
        summary: &step.summary,
        asked: asked.collect(),
        found: found.collect(),
        rule: step.rule,
        hint: step.hint.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::report::{Exchange, Kind, Name};
    use super::*;

    #[test]
    fn the_document_has_every_member_of_every_step() {
        let asked = vec![Exchange {
            request: "GET `https://a/`".to_owned(),
            answer: "status 200".to_owned(),
        }];
        let failed = Step::fail(Name::Pkce, Kind::Unreachable, "no")
            .asked(asked)
            .found("methods", "`plain`")
            .rule(Some("RFC 7636 §4.2"))
            .hint(Some("ask"));
        let report = Report {
            steps: vec![Step::skip(Name::Network, "none"), failed],
        };
        let text = document(Some("https://a/"), Some("a"), &report);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value,
            json!({
                "version": 1, "server": "https://a/", "name": "a", "status": "fail", "exit_code": 4,
                "steps": [
                    { "step": "network", "status": "skip", "summary": "none", "asked": [],
                      "found": [], "rule": null, "hint": null },
                    { "step": "pkce", "status": "fail", "summary": "no",
                      "asked": [{ "request": "GET `https://a/`", "answer": "status 200" }],
                      "found": [{ "name": "methods", "value": "`plain`" }],
                      "rule": "RFC 7636 §4.2", "hint": "ask" },
                ],
            })
        );
    }

    #[test]
    fn the_readme_describes_members_and_steps() {
        let step = Step::skip(Name::Network, "none")
            .asked(vec![Exchange {
                request: String::new(),
                answer: String::new(),
            }])
            .found("x", "y");
        let report = Report { steps: vec![step] };
        let value: Value = serde_json::from_str(&document(None, None, &report)).unwrap();
        assert_eq!(
            (&value["server"], &value["name"]),
            (&Value::Null, &Value::Null)
        );
        let members =
            |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
        let mut expected: Vec<String> = Name::ALL.map(|name| name.text().to_owned()).to_vec();
        expected.extend(members(&value));
        expected.extend(members(&value["steps"][0]));
        let mut described = crate::command::documented("### Find out what is wrong");
        for list in [&mut expected, &mut described] {
            list.sort();
            list.dedup();
        }
        assert_eq!(described, expected);
    }
}
