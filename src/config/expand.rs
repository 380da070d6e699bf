//! `${VAR}` in what the user wrote.

use std::collections::BTreeMap;

use crate::cli::UsageError;
use crate::diag;

/// A value as it stands between the quotes of a JSON text.
pub(super) fn in_json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Replaces `${NAME}` by the variable's value, as `encode` writes it. Only the braced form counts;
/// there are no defaults, no escapes and no second round. A missing variable is an error: the
/// placeholder would be sent as the credential.
pub(super) fn expand(
    text: &str,
    origin: &str,
    env: &BTreeMap<String, String>,
    encode: impl Fn(&str) -> String,
) -> Result<String, UsageError> {
    let missing = |name: &str| {
        Err(UsageError::new(format!(
            "{origin} needs the environment variable `{}`, which is not set",
            diag::clean_to(name, 60)
        ))
        .with_hint(
            "set it in the environment, such as by the `env` of the AI client's configuration",
        ))
    };
    expand_or(text, env, encode, missing)
}

/// The same, but `missing` judges a variable that is not set: what it says to be no error stays as it
/// is written.
pub(super) fn expand_or(
    text: &str,
    env: &BTreeMap<String, String>,
    encode: impl Fn(&str) -> String,
    missing: impl Fn(&str) -> Result<(), UsageError>,
) -> Result<String, UsageError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start + 2..].find('}') else {
            break;
        };
        let name = &rest[start + 2..start + 2 + length];
        let end = start + 2 + length + 1;
        expanded.push_str(&rest[..start]);
        match variable(env, name) {
            _ if name.is_empty() => expanded.push_str(&rest[start..end]),
            Some(value) => expanded.push_str(&encode(value)),
            None => {
                missing(name)?;
                expanded.push_str(&rest[start..end]);
            }
        }
        rest = &rest[end..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// What a variable holds. On Windows, names have no case.
fn variable<'e>(env: &'e BTreeMap<String, String>, name: &str) -> Option<&'e String> {
    let same = |known: &str| cfg!(windows) && known.eq_ignore_ascii_case(name);
    let others = || env.iter().find(|(known, _)| same(known));
    env.get(name).or_else(|| others().map(|(_, value)| value))
}

/// What is said about a variable that is not set, where that is no error.
pub(super) fn unset(place: &str, name: &str) -> String {
    let name = diag::clean_to(name, 60);
    format!(
        "{place} names the environment variable `{name}`, which is not set; it is sent as it is written"
    )
}
