//! Headers that the user configured.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Surroundings;
use super::expand::{expand, expand_or, unset};
use super::given::{Given, Lookup};
use crate::cli::{HeaderOrder, TrafficOptions, UsageError};

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

/// A header as it was written, with its placeholders.
pub(super) struct Line {
    /// The whole line, without the blanks around it where it stands in a file.
    pub text: String,
    /// Where it stands, for messages.
    origin: String,
    /// Whether a mistake in it is left at a warning.
    is_forgiven: bool,
}

/// Finds all headers, from one place after the other, so that what is given nearer comes last: on the
/// command line in its order, elsewhere the files first. What is in them is not judged.
pub(super) fn written(
    options: &TrafficOptions,
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
) -> Result<Vec<Line>, UsageError> {
    let places = lookup.lists("header", &options.header);
    let files = lookup.lists("header-file", &options.header_file);
    let last = places.len().saturating_sub(1);
    let none = HeaderOrder::default();
    let mut given = Vec::new();
    for (at, (lines, files)) in places.into_iter().zip(files).enumerate() {
        // The last place is this one process; of its variables, none comes before the other.
        let order = if at == last {
            &options.header_order
        } else {
            &none
        };
        order.merge(lines, files, |is_file, one| given.push((is_file, one)));
    }
    let mut found = Vec::new();
    for (is_file, given) in given {
        match is_file {
            true => found.extend(lines_of(&given, around, lookup)?),
            false => found.push(Line {
                is_forgiven: lookup.forgives(&given),
                text: given.text,
                origin: given.origin,
            }),
        }
    }
    Ok(found)
}

/// The headers in a file.
fn lines_of(
    file: &Given,
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
) -> Result<Vec<Line>, UsageError> {
    let text = file.read_text(&file.text, around)?;
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let line = |(index, line): (usize, &str)| Line {
        text: line.to_owned(),
        origin: format!("line {} of `{}`", index + 1, file.text),
        is_forgiven: lookup.forgives(file),
    };
    Ok(lines.map(line).collect())
}

/// Reads the headers. Of two with one name the later counts.
///
/// `lookup` takes the warnings: a header with a mistake that is forgiven is left out, as mcp-remote
/// does.
pub(super) fn collect(
    lines: &[Line],
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
) -> Result<HeaderMap, UsageError> {
    let mut headers = HeaderMap::new();
    for line in lines {
        let forgiving = line.is_forgiven.then_some(lookup);
        match (
            parse(&line.text, &line.origin, around, forgiving),
            forgiving,
        ) {
            (Ok((name, value)), _) => drop(headers.insert(name, value)),
            (Err(error), Some(lookup)) => lookup.warn(format!("{error}; it is left out")),
            (Err(error), None) => return Err(error),
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
