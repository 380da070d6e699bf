//! What known servers need beyond the rules, as data.

use crate::ids::{Issuer, ServerUrl};

/// What is known about one server.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The exact origin of the MCP server, or the exact issuer.
    pub key: &'static str,
    /// Issuers that its metadata may name, wherever it is found.
    pub issuers: &'static [&'static str],
}

/// What is known about servers beyond what they say themselves. The default knows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known(&'static [Row]);

/// What is built in.
const ROWS: &[Row] = &[Row {
    key: "https://mcp.atlassian.com",
    issuers: &["https://cf.mcp.atlassian.com"],
}];

impl Known {
    /// What is built in.
    pub const BUILT_IN: Self = Self(ROWS);

    /// What is known about the server at this address.
    pub fn server(self, server: &ServerUrl) -> Option<&'static Row> {
        let origin = server.url().origin().ascii_serialization();
        self.0.iter().find(|row| row.key == origin)
    }

    /// What is known about an authorization server.
    pub fn issuer(self, issuer: &Issuer) -> Option<&'static Row> {
        self.0.iter().find(|row| row.key == issuer.as_str())
    }
}
