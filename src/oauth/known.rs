//! What known servers need beyond the rules, as data.
//!
//! A row says only what its source says was seen at the real server, or what its vendor documents.
//! It is for one exact origin or one exact issuer, so that it bends nothing for anybody else. The
//! rules stay as they are: a row names the strings that are believed besides, the parameters that
//! are sent besides, or a place to tell the user about.

use crate::ids::{Issuer, ServerUrl};

/// What is known about one server.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// The exact origin of the MCP server, or the exact issuer.
    pub key: &'static str,
    /// Where this can be read.
    pub source: &'static str,
    /// Issuers that the metadata may name in place of the one that was asked for (RFC 8414 §3.3).
    /// What it names is then what `iss` is compared with.
    pub issuers: &'static [&'static str],
    /// Parameters for the authorization request, which the user's own outrank.
    pub params: &'static [(&'static str, &'static str)],
    /// Whether `resource` (RFC 8707) is refused, so that none is sent unless the user names one.
    pub resource_refused: bool,
    /// The spelling of this machine that a redirect URI has to have, unless the user says otherwise.
    pub loopback: Option<&'static str>,
    /// Where a user creates a client, if there is no registration for everybody.
    pub console: Option<&'static str>,
}

/// A row that says nothing yet.
const fn row(key: &'static str, source: &'static str) -> Row {
    Row {
        key,
        source,
        issuers: &[],
        params: &[],
        resource_refused: false,
        loopback: None,
        console: None,
    }
}

/// What is known about servers beyond what they say themselves. The default knows nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Known(&'static [Row]);

/// What is built in, in the order of the keys.
const ROWS: &[Row] = &[
    // A refresh token comes only for this parameter, and the second time only with consent.
    Row {
        params: &[("access_type", "offline"), ("prompt", "consent")],
        console: Some("https://console.cloud.google.com/apis/credentials"),
        ..row(
            "https://accounts.google.com",
            "https://developers.google.com/identity/protocols/oauth2/web-server",
        )
    },
    // Sign-in is Entra's, which answers AADSTS9010010 to a `resource` beside scopes.
    Row {
        resource_refused: true,
        console: Some("https://entra.microsoft.com/"),
        ..row(
            "https://api.fabric.microsoft.com",
            "https://github.com/microsoft/powerbi-modeling-mcp/issues/68",
        )
    },
    Row {
        console: Some("https://github.com/settings/developers"),
        ..row(
            "https://api.githubcopilot.com",
            "https://github.com/github/github-mcp-server/blob/main/docs/host-integration.md",
        )
    },
    Row {
        issuers: &["https://login.salesforce.com"],
        ..row(
            "https://api.salesforce.com",
            "https://github.com/forcedotcom/mcp-hosted/issues/44",
        )
    },
    Row {
        console: Some("https://app.asana.com/0/my-apps"),
        ..row(
            "https://mcp.asana.com",
            "https://developers.asana.com/docs/integrating-with-asanas-mcp-server",
        )
    },
    // The first at `/v1/mcp`, the second at `/v1/mcp/authv2`, whose metadata is a tenant's.
    Row {
        issuers: &["https://cf.mcp.atlassian.com", "https://auth.atlassian.com"],
        ..row(
            "https://mcp.atlassian.com",
            "https://github.com/atlassian/atlassian-mcp-server/issues/205",
        )
    },
    // It names itself as its authorization server, whose metadata are another's.
    Row {
        issuers: &["https://www.facebook.com"],
        ..row(
            "https://mcp.facebook.com",
            "https://github.com/openai/codex/issues/38944",
        )
    },
    // Registration is for clients on a list.
    Row {
        console: Some("https://www.figma.com/developers/apps"),
        ..row(
            "https://mcp.figma.com",
            "https://developers.figma.com/docs/figma-mcp-server/",
        )
    },
    Row {
        console: Some(
            "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/integrate-with-the-remote-hubspot-mcp-server",
        ),
        ..row(
            "https://mcp.hubspot.com",
            "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/integrate-with-the-remote-hubspot-mcp-server",
        )
    },
    Row {
        issuers: &["https://app.pagerduty.com/global/oauth/anonymous"],
        ..row(
            "https://mcp.pagerduty.com",
            "https://github.com/PagerDuty/pagerduty-mcp-server/issues/169",
        )
    },
    // Redirect URIs on this machine are taken as `localhost` only.
    Row {
        issuers: &["https://slack.com"],
        loopback: Some("localhost"),
        console: Some("https://api.slack.com/apps"),
        ..row(
            "https://mcp.slack.com",
            "https://github.com/slackapi/slack-skills-plugin/issues/7",
        )
    },
    Row {
        console: Some("https://developer.webex.com/my-apps"),
        ..row(
            "https://mcp.webexapis.com",
            "https://developer.webex.com/docs/webex-agentic-mcp-servers-cursor",
        )
    },
];

/// How authorization servers that have no code for it say that they refuse `resource`, in lower case:
/// that they do not know the parameter, and that it does not go with the scopes. Source:
/// <https://github.com/microsoft/powerbi-modeling-mcp/issues/68>.
pub const RESOURCE_REFUSED: [&str; 2] = ["aadsts901002", "aadsts9010010"];

impl Known {
    /// What is built in.
    pub const BUILT_IN: Self = Self(ROWS);

    /// Another table.
    pub const fn of(rows: &'static [Row]) -> Self {
        Self(rows)
    }

    /// What is known about the server at this address.
    pub fn server(self, server: &ServerUrl) -> Option<&'static Row> {
        let origin = server.url().origin().ascii_serialization();
        self.row(&origin)
    }

    /// What is known about an authorization server.
    pub fn issuer(self, issuer: &Issuer) -> Option<&'static Row> {
        self.row(issuer.as_str())
    }

    fn row(self, key: &str) -> Option<&'static Row> {
        self.0.iter().find(|row| row.key == key)
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::oauth::authorize::RESERVED;

    fn server(text: &str) -> ServerUrl {
        ServerUrl::parse(text, true).unwrap()
    }

    #[test]
    fn a_row_is_for_one_exact_origin_or_issuer() {
        let known = Known::BUILT_IN;
        for text in [
            "https://mcp.slack.com/mcp",
            "https://MCP.slack.com:443/",
            "https://mcp.slack.com/mcp?team=1",
        ] {
            assert!(known.server(&server(text)).is_some(), "{text}");
        }
        for text in [
            "http://mcp.slack.com/mcp",
            "https://mcp.slack.com:8443/mcp",
            "https://x.mcp.slack.com/mcp",
            "https://mcp.slack.com.example/mcp",
            "https://slack.com/mcp",
        ] {
            assert_eq!(known.server(&server(text)), None, "{text}");
        }
        let google = "https://accounts.google.com";
        assert!(known.issuer(&Issuer::new(google)).is_some());
        assert_eq!(known.issuer(&Issuer::new(format!("{google}/"))), None);
        assert_eq!(Known::default().issuer(&Issuer::new(google)), None);
    }

    #[test]
    fn every_row_is_in_order_cites_its_source_and_says_something() {
        let https = |text: &str| Url::parse(text).is_ok_and(|url| url.scheme() == "https");
        assert!(ROWS.is_sorted_by(|one, next| one.key < next.key));
        for row in ROWS {
            assert!(https(row.key) && https(row.source), "{}", row.key);
            // An origin is written as it is compared.
            assert!(!row.key.ends_with('/'), "{}", row.key);
            assert!(
                row.issuers.iter().all(|issuer| https(issuer)),
                "{}",
                row.key
            );
            assert!(row.console.is_none_or(https), "{}", row.key);
            let reserved = |(name, _): &(&str, &str)| RESERVED.contains(name) || *name == "scope";
            assert!(!row.params.iter().any(reserved), "{}", row.key);
            assert_ne!(*row, super::row(row.key, row.source), "{}", row.key);
        }
    }
}
