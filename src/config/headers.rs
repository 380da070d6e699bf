//! Headers that the user configured.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Surroundings;
use super::expand::{expand, expand_or, unset};
use super::given::{Given, Lookup};
use crate::cli::UsageError;

/// Headers of the transport itself. Another value would break the connection or the session.
const RESERVED: [&str; 15] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Reads all headers, from one place after the other and the files of each place first, so that
/// what is given nearer wins. Of two with one name the later counts.
///
/// `lookup` says whether a mistake in an argument is forgiven: such a header is left out, as mcp-remote
/// does.
pub(super) fn collect(
    lines: &[Vec<Given>],
    files: &[Vec<Given>],
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
) -> Result<HeaderMap, UsageError> {
    let mut headers = HeaderMap::new();
    let mut add = |line: &str, origin: &str, given: &Given| -> Result<(), UsageError> {
        let forgiving = lookup.forgives(given).then_some(lookup);
        match (parse(line, origin, around, forgiving), forgiving) {
            (Ok((name, value)), _) => drop(headers.insert(name, value)),
            (Err(error), Some(lookup)) => lookup.warn(format!("{error}; it is left out")),
            (Err(error), None) => return Err(error),
        }
        Ok(())
    };
    for (lines, files) in lines.iter().zip(files) {
        for file in files {
            let text = file.read_text(&file.text, around)?;
            for (index, line) in text.lines().enumerate() {
                if line.trim().is_empty() || line.trim_start().starts_with('#') {
                    continue;
                }
                let origin = format!("line {} of `{}`", index + 1, file.text);
                add(line, &origin, file)?;
            }
        }
        for line in lines {
            add(&line.text, &line.origin, line)?;
        }
    }
    Ok(headers)
}

/// One `Name: value`. No message repeats the value, which may be a secret. With `forgiving`, a variable
/// that is not set leaves its placeholder, as in mcp-remote.
fn parse(
    line: &str,
    origin: &str,
    around: &Surroundings<'_>,
    forgiving: Option<&Lookup<'_>>,
) -> Result<(HeaderName, HeaderValue), UsageError> {
    let shape = || {
        UsageError::new(format!("{origin} is not of the form `Name: value`"))
            .with_hint("write for example `--header \"X-Api-Key: ${API_KEY}\"`, as one argument")
    };
    let (name, value) = line.split_once(':').ok_or_else(shape)?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| shape())?;
    if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("mcp-param-") {
        return Err(UsageError::new(format!(
            "{origin} sets `{name}`, which belongs to the connection itself"
        )));
    }
    let place = format!("the header `{name}` in {origin}");
    let value = match forgiving {
        None => expand(value, &place, around.env, str::to_owned)?,
        Some(lookup) => expand_or(value, around.env, str::to_owned, |missing| {
            lookup.warn(unset(&place, missing));
            Ok(())
        })?,
    };
    // RFC 9110 §5.5: blanks around the value are not part of it. Nor are line ends that a variable
    // brings along.
    let value = value.trim_matches([' ', '\t', '\r', '\n']);
    if name == header::AUTHORIZATION && (value.is_empty() || value.eq_ignore_ascii_case("bearer")) {
        return Err(UsageError::new("the header `authorization` has no value")
            .with_hint("leave it out to sign in through the browser"));
    }
    // RFC 9110 §5.5: CR, LF and NUL are dangerous, since a line break begins another header.
    let mut value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        UsageError::new(format!(
            "the value of the header `{name}` contains a line break or another control character"
        ))
    })?;
    value.set_sensitive(true);
    Ok((name, value))
}
