//! Reads `WWW-Authenticate` (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1).

mod grammar;

use std::fmt;

use grammar::Raw;

use super::scope;
use crate::untrusted::printable;

/// The header fields that may carry a challenge. API gateways that reserve the first for
/// themselves pass the server's own on under the second name.
pub const HEADERS: [&str; 2] = ["www-authenticate", "x-amzn-remapped-www-authenticate"];

/// The schemes whose challenges concern us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 6750.
    #[default]
    Bearer,
    /// RFC 9449.
    Dpop,
}

/// What a server asks for. The default is a server that asked for nothing in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme.
    pub scheme: Scheme,
    /// Where the server's metadata is (RFC 9728 §5.1), as it was written.
    pub resource_metadata: Option<String>,
    /// The scopes that the server wants, in order, each once; `None` if it named none.
    pub scope: Option<Vec<String>>,
    /// The `error` code.
    pub error: Option<String>,
    /// The explanation. It comes from the server and is not fit to be shown as it is.
    pub error_description: Option<String>,
    /// How proofs may be signed (RFC 9449 §7.1), if it says.
    pub algs: Option<Vec<String>>,
    /// Whether the server would take bearer tokens as well, if this challenge asks for another
    /// scheme.
    pub or_bearer: bool,
    /// Whether it refused a proof, and not the token that came with it (RFC 9449 §7.1, §9).
    pub refuses_proof: bool,
}

/// Something in a challenge that was left out of account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A part of a header line that does not follow the grammar.
    Malformed,
    /// A scope with characters that no scope has.
    DroppedScope(String),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("a WWW-Authenticate header is malformed; ignored"),
            Self::DroppedScope(scope) => write!(
                f,
                "the server asks for `{}`, which is no scope; ignored",
                printable(scope, 60)
            ),
        }
    }
}

/// What the header lines of one answer hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The challenge to follow, if there is one that concerns us.
    pub challenge: Option<Challenge>,
    /// The `error` of the first DPoP challenge that has one: what was wrong with a proof.
    pub dpop_error: Option<String>,
    /// What was ignored.
    pub remarks: Vec<Remark>,
}

/// Reads all values of the header, in order. Of the Bearer and DPoP challenges the first that has
/// `resource_metadata` counts, else the first Bearer challenge, else the first DPoP challenge.
pub fn parse_challenges<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Reading {
    let mut found = Vec::new();
    let mut reading = Reading::default();
    for line in lines {
        let line = String::from_utf8_lossy(line);
        let (challenges, malformed) = grammar::parse(&line);
        found.extend(challenges.into_iter().filter_map(relevant));
        if malformed {
            reading.remarks.push(Remark::Malformed);
        }
    }
    let chosen = found
        .iter()
        .position(|(_, raw)| raw.param("resource_metadata").is_some())
        .or_else(|| {
            found
                .iter()
                .position(|(scheme, _)| *scheme == Scheme::Bearer)
        })
        .unwrap_or(0);
    if chosen < found.len() {
        let dpop = found.iter().filter(|(scheme, _)| *scheme == Scheme::Dpop);
        let mut errors = dpop.filter_map(|(_, raw)| raw.param("error"));
        reading.dpop_error = errors.next().map(str::to_owned);
        let or_bearer = found.iter().any(|(scheme, _)| *scheme == Scheme::Bearer);
        let (scheme, raw) = found.swap_remove(chosen);
        reading.challenge = Some(Challenge {
            or_bearer: or_bearer && scheme != Scheme::Bearer,
            refuses_proof: matches!(
                reading.dpop_error.as_deref(),
                Some("use_dpop_nonce" | "invalid_dpop_proof")
            ),
            ..understand(&raw, scheme, &mut reading.remarks)
        });
    }
    reading
}

/// The scheme, if the challenge concerns us.
fn relevant(raw: Raw) -> Option<(Scheme, Raw)> {
    match () {
        () if raw.scheme.eq_ignore_ascii_case("bearer") => Some((Scheme::Bearer, raw)),
        () if raw.scheme.eq_ignore_ascii_case("dpop") => Some((Scheme::Dpop, raw)),
        () => None,
    }
}

fn understand(raw: &Raw, scheme: Scheme, remarks: &mut Vec<Remark>) -> Challenge {
    let text = |name| raw.param(name).map(str::to_owned);
    let scope = raw.param("scope").map(|value| {
        let (scopes, dropped) = scope::split(value);
        remarks.extend(dropped.into_iter().map(Remark::DroppedScope));
        scopes
    });
    Challenge {
        scheme,
        resource_metadata: text("resource_metadata").filter(|url| !url.is_empty()),
        scope: scope.filter(|scopes| !scopes.is_empty()),
        error: text("error"),
        error_description: text("error_description"),
        algs: raw
            .param("algs")
            .filter(|_| scheme == Scheme::Dpop)
            .map(|algs| {
                let algs = algs.split_ascii_whitespace();
                algs.map(str::to_owned).collect()
            }),
        or_bearer: false,
        refuses_proof: false,
    }
}

#[cfg(test)]
mod tests;
