//! The `oauth` object of an entry, in the words of the RFCs, becomes values of options.

use serde_json::{Map, Value};
use url::Url;

use super::Need;
use super::json::Node;
use super::members::{Section, snake};
use crate::cli::UsageError;
use crate::config::callback::ANY_PORT;
use crate::diag;
use crate::ids::is_loopback;
use crate::similar::similar;

/// What a member of the object says.
#[derive(Clone, Copy)]
enum Says {
    /// The same as the option of this name, in whatever shapes the option may take in the file.
    Option(&'static str),
    /// The opposite of the switch of this name.
    Not(&'static str),
    /// A text that no option takes, since a command line shows its values to everybody. It is found
    /// under this name where the file is asked, and only there.
    Secret(&'static str),
    /// Which way tokens are obtained. Each has an option of its own; they are told apart by who asks.
    Grant,
    /// A part of the client, which is one option.
    Client,
    /// The parts of the address that the browser returns to, which have an option each.
    RedirectUri,
}

/// What the object may hold, and what that means: a line for each member.
const MEMBERS: [(&str, Says); 35] = [
    ("client_id", Says::Client),
    ("client_secret", Says::Client),
    ("token_endpoint_auth_method", Says::Client),
    ("client_secret_env", Says::Option("client-secret-env")),
    ("client_metadata_url", Says::Option("client-metadata-url")),
    ("client_assertion_key", Says::Option("client-assertion-key")),
    ("client_assertion_alg", Says::Option("client-assertion-alg")),
    ("client_assertion_kid", Says::Option("client-assertion-kid")),
    (
        "client_assertion_audience",
        Says::Option("client-assertion-audience"),
    ),
    ("initial_access_token", Says::Secret("initial-access-token")),
    (
        "initial_access_token_env",
        Says::Option("initial-access-token-env"),
    ),
    ("redirect_uri", Says::RedirectUri),
    ("scopes", Says::Option("scope")),
    ("authorization_url", Says::Option("authorization-endpoint")),
    ("token_url", Says::Option("token-endpoint")),
    ("revocation_url", Says::Option("revocation-endpoint")),
    ("issuer", Says::Option("issuer")),
    ("resource", Says::Option("resource")),
    ("audience", Says::Option("audience")),
    ("use_pkce", Says::Not("disable-pkce")),
    ("dpop", Says::Option("dpop")),
    ("extra_auth_params", Says::Option("authorize-param")),
    ("extra_token_params", Says::Option("token-param")),
    ("grant", Says::Grant),
    ("idp_issuer", Says::Option("idp-issuer")),
    ("idp_token_url", Says::Option("idp-token-endpoint")),
    ("idp_client_id", Says::Option("idp-client-id")),
    ("idp_client_secret", Says::Secret("idp-client-secret")),
    (
        "idp_client_secret_env",
        Says::Option("idp-client-secret-env"),
    ),
    ("idp_id_token_file", Says::Option("idp-id-token-file")),
    ("workload_jwt_file", Says::Option("workload-jwt-file")),
    ("workload_jwt_env", Says::Option("workload-jwt-env")),
    ("workload_jwt_command", Says::Option("workload-jwt-command")),
    ("refresh_token", Says::Secret("refresh-token")),
    ("use_id_token", Says::Option("use-id-token")),
];

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
            let Some((_, says)) = MEMBERS.iter().find(|(known, _)| *known == name) else {
                return Err(self.unsupported(&place, &name));
            };
            match *says {
                Says::Option(long) => self.as_option(&place, long, node)?,
                Says::Not(long) => self.not(&place, long, node)?,
                Says::Secret(long) => self.secret(&place, long, node)?,
                Says::Grant => {
                    let text = self.expanded(&self.origin(&place), self.text(&place, node)?)?;
                    self.put("grant", &place, Some(text))?;
                }
                Says::RedirectUri if self.need() == Need::Find => {}
                Says::RedirectUri => self.redirect_uri(&place, node)?,
                Says::Client => {
                    // Its variables are replaced by who reads the client.
                    let text = self.text(&place, node)?;
                    client.insert(name.clone(), Value::from(text));
                }
            }
            seen.push(name);
        }
        if self.need() == Need::Find {
            // A terminal may lack its variable, and without the secret the sign-in is found as well.
            client.retain(|name, value| {
                let text = value.as_str().unwrap_or_default();
                name != "client_secret" || self.expanded(name, text).is_ok()
            });
        }
        let json = (!client.is_empty()).then(|| Value::Object(client).to_string());
        self.put("static-oauth-client-info", "oauth", json)
    }

    fn unsupported(&self, place: &str, name: &str) -> UsageError {
        let origin = self.origin(place);
        let error = UsageError::new(format!("{origin} is not supported"));
        let known = MEMBERS.map(|(known, _)| known);
        match similar(name, known) {
            Some(known) => error.with_hint(format!("did you mean `{known}`?")),
            None => error.with_hint(format!("`oauth` may have `{}`", known.join("`, `"))),
        }
    }

    fn as_option(&mut self, place: &str, long: &str, node: &Node) -> Result<(), UsageError> {
        match self.shape(long) {
            Some(shape) => self.option(place, shape, node),
            // A member of the table that no option answers to: a fault of ours, which tests find.
            None => Err(self.unsupported(place, long)),
        }
    }

    fn not(&mut self, place: &str, long: &str, node: &Node) -> Result<(), UsageError> {
        let Node::Bool(wanted) = node else {
            return Err(self.wrong(place, node, "`true` or `false`"));
        };
        self.as_option(place, long, &Node::Bool(!wanted))
    }

    fn secret(&mut self, place: &str, long: &str, node: &Node) -> Result<(), UsageError> {
        let text = self.text(place, node)?;
        match self.need() {
            // That there is one tells which sign-in it is.
            Need::Find if long == "refresh-token" => self.put(long, place, Some(text.to_owned())),
            Need::Find => Ok(()),
            Need::Connect => {
                let text = self.expanded(&self.origin(place), text)?;
                self.put(long, place, Some(text))
            }
        }
    }

    fn text<'n>(&self, place: &str, node: &'n Node) -> Result<&'n str, UsageError> {
        match node {
            Node::Text(text) => Ok(text),
            _ => Err(self.wrong(place, node, "a text")),
        }
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
        // RFC 8252 §7.3: without one, any will do.
        let any = port.is_none().then(|| true.to_string());
        self.put("host", place, Some(host))?;
        self.put("callback-path", place, Some(path))?;
        self.put(ANY_PORT, place, any)?;
        self.put("callback-port", place, port)
    }
}
