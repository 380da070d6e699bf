//! The `oauth` object of an entry, in the words of the RFCs, becomes values of options.

use serde_json::{Map, Value};
use url::Url;

use super::Need;
use super::json::Node;
use super::members::{Section, snake};
use super::similar::similar;
use crate::cli::UsageError;
use crate::diag;
use crate::ids::is_loopback;

/// What the object may hold.
const KNOWN: [&str; 8] = [
    "client_id",
    "client_secret",
    "token_endpoint_auth_method",
    "scopes",
    "resource",
    "issuer",
    "extra_auth_params",
    "redirect_uri",
];

/// The members that make a client.
const OF_CLIENT: [&str; 3] = ["client_id", "client_secret", "token_endpoint_auth_method"];

impl Section<'_> {
    /// Takes over what the `oauth` member says. A member that has no effect is an error: what is
    /// meant to secure a sign-in must not be left out in silence.
    pub(super) fn oauth(&mut self, node: &Node) -> Result<(), UsageError> {
        let Node::Object(members) = node else {
            return Err(self.wrong("oauth", node, "an object"));
        };
        let mut seen = Vec::new();
        let mut client = Map::new();
        for (name, node) in members {
            let place = format!("oauth.{}", diag::clean_to(name, 60));
            let name = snake(name);
            if seen.contains(&name) {
                return Err(self.twice(&place));
            }
            match name.as_str() {
                "issuer" | "redirect_uri" if self.need() == Need::Find => {}
                "resource" | "issuer" => {
                    let text = self.text(&place, node)?;
                    self.put(
                        &name,
                        &place,
                        Some(self.expanded(&self.origin(&place), text)?),
                    )?;
                }
                "scopes" => self.scopes(&place, node)?,
                "extra_auth_params" => self.extra(&place, node)?,
                "redirect_uri" => self.redirect_uri(&place, node)?,
                of_client if OF_CLIENT.contains(&of_client) => {
                    // Its variables are replaced by who reads the client.
                    let text = self.text(&place, node)?;
                    client.insert(of_client.to_owned(), Value::from(text));
                }
                _ => return Err(self.unsupported(&place, &name)),
            }
            seen.push(name);
        }
        if self.need() == Need::Find {
            // The secret does not tell which sign-in it is, and a terminal may lack its variable.
            client.retain(|name, _| name == "client_id");
        }
        let json = (!client.is_empty()).then(|| Value::Object(client).to_string());
        self.put("static-oauth-client-info", "oauth", json)
    }

    fn unsupported(&self, place: &str, name: &str) -> UsageError {
        let origin = self.origin(place);
        let error = UsageError::new(format!("{origin} is not supported"));
        match similar(name, KNOWN) {
            Some(known) => error.with_hint(format!("did you mean `{known}`?")),
            None => error.with_hint(format!("`oauth` may have `{}`", KNOWN.join("`, `"))),
        }
    }

    fn text<'n>(&self, place: &str, node: &'n Node) -> Result<&'n str, UsageError> {
        match node {
            Node::Text(text) => Ok(text),
            _ => Err(self.wrong(place, node, "a text")),
        }
    }

    fn scopes(&mut self, place: &str, node: &Node) -> Result<(), UsageError> {
        let origin = self.origin(place);
        let list: Vec<&str> = match node {
            Node::Text(text) => vec![text],
            Node::List(items) => {
                let texts = items.iter().map(|item| match item {
                    Node::Text(text) => Ok(text.as_str()),
                    _ => Err(self.wrong(place, item, "a text, or a list of texts")),
                });
                texts.collect::<Result<_, _>>()?
            }
            _ => return Err(self.wrong(place, node, "a text, or a list of texts")),
        };
        let list = list.into_iter().map(|text| self.expanded(&origin, text));
        let list = list.collect::<Result<Vec<_>, _>>()?;
        self.put("scope", place, Some(list.join(" ")))
    }

    fn extra(&mut self, place: &str, node: &Node) -> Result<(), UsageError> {
        let Node::Object(pairs) = node else {
            return Err(self.wrong(place, node, "an object of texts"));
        };
        let values = self.pairs(place, "=", pairs, Self::expanded)?;
        self.put_all("authorize-param", values)
    }

    /// RFC 8252 §7.3: the browser returns to this machine. The parts have an option each.
    fn redirect_uri(&mut self, place: &str, node: &Node) -> Result<(), UsageError> {
        let origin = self.origin(place);
        let text = self.expanded(&origin, self.text(place, node)?)?;
        let wrong = || {
            UsageError::new(format!(
                "{origin} is not an address on this machine without `?` and `#`"
            ))
            .with_hint("write for example `http://localhost:3334/oauth/callback`")
        };
        let rest = text.strip_prefix("http://").ok_or_else(wrong)?;
        let url = Url::parse(&text).map_err(|_| wrong())?;
        let (authority, path) = match rest.split_once('/') {
            Some((authority, path)) => (authority, format!("/{path}")),
            None => (rest, "/".to_owned()),
        };
        let stands = url.path() == path && url.query().is_none() && url.fragment().is_none();
        if !stands || !is_loopback(&url) || authority.contains('@') {
            return Err(wrong());
        }
        let host = url.host_str().ok_or_else(wrong)?.to_owned();
        // The port of the scheme itself would be gone from the parsed address.
        let port = match authority.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => Some(port.to_owned()),
            _ => None,
        };
        self.put("host", place, Some(host))?;
        self.put("callback-path", place, Some(path))?;
        self.put("callback-port", place, port)
    }
}
