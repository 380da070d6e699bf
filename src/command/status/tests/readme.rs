//! The README describes every member of the JSON form, and no other.

use super::*;
use crate::command::documented;

fn members(value: &Value) -> Vec<String> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone())
        .collect()
}

#[test]
fn the_readme_describes_the_members() {
    let around = Around {
        record: Some(record(
            "2025-11-25",
            Some((None, true)),
            Transport::Streamable,
        )),
        origin: Some("/x".into()),
        still_runs: None,
    };
    let mut entry = seen(taken(false), &around);
    entry.check = Some(Check::of(CheckOutcome::Refreshed));
    let report = serde_json::to_value(report(vec![entry])).unwrap();
    let entry = &report["sign_ins"][0];
    let section = "### Look at it";
    let mut expected = members(entry);
    for (of, inner) in ["protocol", "taken_over", "check"].map(|of| (of, &entry[of])) {
        expected.extend(members(inner).iter().map(|member| format!("{of}.{member}")));
    }
    expected.sort();
    let mut described = documented(section);
    described.sort();
    assert_eq!(described, expected);
    assert_eq!(members(&report), ["folder", "sign_ins", "version"]);
}
