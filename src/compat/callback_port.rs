//! What mcp-remote derives from what the user gave it for a server: a hash, under which it keeps the
//! sign-in, and the callback port, which clients that people registered by hand list.
//!
//! Both are the same at every start. Somebody who comes from there has the port in their provider's
//! console.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use serde_json::Value;

/// The first port, and how many there are.
const FIRST: u16 = 3335;
const COUNT: u16 = 45_816;

/// What the port is derived from. What is not given stays out.
#[derive(Clone, Debug, Default)]
pub struct Parts<'a> {
    /// The server's address, as the user wrote it.
    pub server: &'a str,
    /// The `resource` that the user wants requests to name.
    pub resource: Option<&'a str>,
    /// The parameters that the user adds to the authorization address.
    pub authorize_params: &'a [(String, String)],
    /// Headers as `Name: value`, with `${VAR}` as it stands.
    pub headers: &'a [&'a str],
    /// The address of the client's metadata document.
    pub client_metadata_url: Option<&'a str>,
    /// The token endpoint that the user gave, as a parsed address prints.
    pub token_endpoint: Option<&'a str>,
}

impl Parts<'_> {
    /// The hash: MD5 in lower-case hexadecimal digits.
    pub fn hash(&self) -> String {
        let digest = Md5::digest(self.joined());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What is hashed: each part that there is, with `|` between them.
    fn joined(&self) -> String {
        let params = self.authorize_params.iter();
        let params = params.map(|(name, value)| (name.as_str(), value.as_str()));
        let headers = self.headers.iter().filter_map(|line| header(line));
        let parts = [
            Some(self.server.to_owned()),
            self.resource.map(str::to_owned),
            object(params),
            object(headers),
            self.client_metadata_url.map(str::to_owned),
            self.token_endpoint.map(str::to_owned),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("|")
    }

    /// The port. `is_blocked` says which ones browsers refuse to open, as nobody can have registered
    /// those: the next that they open takes their place.
    pub fn port(&self, is_blocked: impl Fn(u16) -> bool) -> u16 {
        let digest = Md5::digest(self.joined());
        let port = FIRST + u16::from_be_bytes([digest[0], digest[1]]) % COUNT;
        (port..).find(|port| !is_blocked(*port)).unwrap_or(port)
    }
}

/// A header as mcp-remote reads it; what it does not take for one, it leaves out.
fn header(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let fits = !name.is_empty() && name.chars().all(is_name);
    // The blanks and line ends of JavaScript's regular expressions.
    let is_blank = |c: char| (c.is_whitespace() && c != '\u{85}') || c == '\u{feff}';
    let value = value.trim_start_matches(is_blank);
    let is_line = !value.contains(['\n', '\r', '\u{2028}', '\u{2029}']);
    (fits && is_line).then_some((name, value))
}

/// Compact JSON, the names in the order of their UTF-16 code units; `None` if it is empty. Of two
/// values of one name the later counts.
fn object<'t>(pairs: impl Iterator<Item = (&'t str, &'t str)>) -> Option<String> {
    let sorted: BTreeMap<Vec<u16>, (&str, &str)> = pairs
        .map(|(name, value)| (name.encode_utf16().collect(), (name, value)))
        .collect();
    let members = sorted.into_values();
    let members =
        members.map(|(name, value)| format!("{}:{}", Value::from(name), Value::from(value)));
    let members: Vec<String> = members.collect();
    (!members.is_empty()).then(|| format!("{{{}}}", members.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: Parts<'_> = Parts {
        server: "https://mcp.example.com/mcp",
        resource: None,
        authorize_params: &[],
        headers: &[],
        client_metadata_url: None,
        token_endpoint: None,
    };

    fn port(parts: &Parts<'_>) -> u16 {
        parts.port(|_| false)
    }

    #[test]
    fn ports_are_those_that_mcp_remote_was_seen_to_use() {
        assert_eq!(port(&SERVER), 41409);
        let slash = Parts {
            server: "https://mcp.example.com/mcp/",
            ..SERVER
        };
        assert_eq!(port(&slash), 3494);
        let resource = Parts {
            resource: Some("https://tenant1.example.net/"),
            ..SERVER
        };
        assert_eq!(port(&resource), 12234);
        let headers = Parts {
            headers: &["X-B: 2", "Authorization: Bearer ${TOK}"],
            ..SERVER
        };
        assert_eq!(port(&headers), 44925);
        let params = ["prompt=consent", "access_type=offline"];
        let params = params.map(|param| param.split_once('=').expect("a parameter"));
        let params = params.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let all = Parts {
            resource: Some("https://r.example/"),
            headers: &["X-B: 2"],
            authorize_params: &params,
            client_metadata_url: Some("https://c.example/m"),
            ..SERVER
        };
        assert_eq!(port(&all), 22672);
    }

    #[test]
    fn what_is_hashed_is_written_as_javascript_writes_it() {
        let parts = Parts {
            headers: &["x-b:  \"2\"", "X-B: é", "no header", "x-b: 3"],
            token_endpoint: Some("https://a.example/"),
            ..SERVER
        };
        assert_eq!(
            parts.joined(),
            "https://mcp.example.com/mcp|{\"X-B\":\"é\",\"x-b\":\"3\"}|https://a.example/"
        );
    }

    #[test]
    fn a_port_that_no_browser_opens_is_passed_over() {
        assert_eq!(SERVER.port(|port| port < 41411), 41411);
    }
}
