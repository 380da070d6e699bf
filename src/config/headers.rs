//! Headers that the user configured.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Surroundings;
use super::given::{Given, expand};
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
pub(super) fn collect(
    lines: &[Vec<Given>],
    files: &[Vec<Given>],
    around: &Surroundings<'_>,
) -> Result<HeaderMap, UsageError> {
    let mut headers = HeaderMap::new();
    let mut add = |line: &str, origin: &str| -> Result<(), UsageError> {
        let (name, value) = parse(line, origin, around)?;
        headers.insert(name, value);
        Ok(())
    };
    for (lines, files) in lines.iter().zip(files) {
        for file in files {
            let text = file.read_text(&file.text, around)?;
            for (index, line) in text.lines().enumerate() {
                if line.trim().is_empty() || line.trim_start().starts_with('#') {
                    continue;
                }
                add(line, &format!("line {} of `{}`", index + 1, file.text))?;
            }
        }
        for line in lines {
            add(&line.text, &line.origin)?;
        }
    }
    Ok(headers)
}

/// One `Name: value`. No message repeats the value, which may be a secret.
fn parse(
    line: &str,
    origin: &str,
    around: &Surroundings<'_>,
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
    let value = expand(
        value,
        &format!("the header `{name}` in {origin}"),
        around.env,
        str::to_owned,
    )?;
    // RFC 9110 §5.5: blanks around the value are not part of it.
    let value = value.trim_matches([' ', '\t']);
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
