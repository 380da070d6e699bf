//! The format of `<name>.token.json`: [`Wire`] is what stands on disk, [`SignIn`] is what is valid.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use crate::ids::{Issuer, ResourceId};
use crate::jwt::KeyError;
use crate::oauth::dpop::{self, ProofKey};
use crate::oauth::mode::AuthMode;
use crate::oauth::registration::{AuthMethod, Client, Management};
use crate::oauth::sign_in::{FailureNote, Failures, KnownClient, SignIn};
use crate::oauth::token::{Grant, TokenSet};
use crate::secret::Secret;
use crate::untrusted::{SHOWN, printable};

/// The version this program writes, and the newest it understands.
pub const VERSION: u64 = 1;

/// The file as it stands on disk. Members we do not know are kept.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wire {
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    version: Option<u64>,
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// The private key that the tokens are bound to (RFC 9449): PKCS#8, base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    dpop_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refreshed_at: Option<u64>,
    /// The way it was obtained; absent for the browser.
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requested_scopes: Option<Vec<String>>,
    client: BTreeMap<String, WireClient>,
    #[serde(skip_serializing_if = "WireFailures::is_empty")]
    failures: WireFailures,
    /// What tells the configured refresh tokens that were used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    seeds: Vec<String>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WireFailures {
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh: Option<WireFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sign_in: Option<WireFailure>,
}

impl WireFailures {
    fn is_empty(&self) -> bool {
        self.refresh.is_none() && self.sign_in.is_none()
    }
}

#[derive(Serialize, Deserialize)]
struct WireFailure {
    count: u64,
    reason: String,
    transient: bool,
}

/// One client, under the issuer that knows it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct WireClient {
    client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u64>,
    token_endpoint_auth_method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_access_token: Option<String>,
    token_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocation_endpoint: Option<String>,
    /// Whether the server refused `resource`. Absent means no.
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_refused: Option<bool>,
    /// Whether we registered it; a configured client is not registered anew. Absent means yes.
    registered: Option<bool>,
    /// Whether the identifier is the address of a metadata document.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    document: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused_document: Option<String>,
    /// RFC 9449 §5.2. Absent means no.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dpop_bound_access_tokens: bool,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// Why a file's content cannot be used. The text never quotes the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing in it.
    Empty,
    /// It ends in the middle.
    Truncated,
    /// It is not JSON; the line it stops being so.
    NotJson(usize),
    /// A member has another type than it should; the line it stands on.
    WrongType(usize),
    /// A member is missing or holds what it cannot.
    Member(&'static str),
    /// Another version of this program wrote it, in a format of this number.
    Newer(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Truncated => f.write_str("it ends in the middle"),
            Self::NotJson(line) => write!(f, "it is not JSON at line {line}"),
            Self::WrongType(line) => write!(f, "it holds something unexpected at line {line}"),
            Self::Member(name) => write!(f, "its member `{name}` is missing or wrong"),
            Self::Newer(version) => write!(f, "its format {version} is newer than this program"),
        }
    }
}

impl Wire {
    /// Reads a file's content.
    pub fn parse(content: &[u8]) -> Result<Self, Fault> {
        #[derive(Deserialize)]
        struct VersionOnly {
            version: u64,
        }

        if content.iter().all(u8::is_ascii_whitespace) {
            return Err(Fault::Empty);
        }
        let (version, outcome) = match serde_json::from_slice::<Self>(content) {
            Ok(wire) => (wire.version, Ok(wire)),
            // A newer format may differ in more than its number.
            Err(error) => {
                let version = serde_json::from_slice::<VersionOnly>(content);
                (version.ok().map(|only| only.version), Err(fault(&error)))
            }
        };
        match version {
            Some(version) if version > VERSION => Err(Fault::Newer(version)),
            _ => outcome,
        }
    }

    /// Whether there are tokens in it, of use or not.
    pub fn has_tokens(&self) -> bool {
        self.access_token.is_some()
    }

    /// The key that the tokens are bound to, if they are to any; an error if it is lost.
    fn proof_key(&self) -> Result<Option<ProofKey>, KeyError> {
        let bound = |kind: &String| kind.eq_ignore_ascii_case(dpop::SCHEME);
        match &self.dpop_key {
            Some(kept) => ProofKey::from_kept(&Secret::new(kept)).map(Some),
            None if self.token_type.as_ref().is_some_and(bound) => Err(KeyError::NoKey),
            None => Ok(None),
        }
    }

    /// Takes over what `older`, the file about to be replaced, holds beyond what we know.
    pub fn keep_unknown(&mut self, mut older: Self) {
        self.unknown = older.unknown;
        for (issuer, client) in &mut self.client {
            if let Some(older) = older.client.remove(issuer) {
                client.unknown = older.unknown;
            }
        }
    }

    /// The content of the file, ending with a line end.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Serialising plain strings, numbers and maps with string keys cannot fail.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        Zeroizing::new(bytes)
    }
}

/// serde_json's own message may quote the value it stumbled over, so only the place is kept.
fn fault(error: &serde_json::Error) -> Fault {
    match error.classify() {
        serde_json::error::Category::Eof => Fault::Truncated,
        serde_json::error::Category::Data => Fault::WrongType(error.line()),
        _ => Fault::NotJson(error.line()),
    }
}

impl TryFrom<Wire> for SignIn {
    type Error = Fault;

    fn try_from(wire: Wire) -> Result<Self, Fault> {
        let proof_key = wire.proof_key();
        let grant = match wire.access_token {
            // RFC 6750 §2.1 leaves no room for an empty token.
            Some(token) if token.is_empty() => return Err(Fault::Member("access_token")),
            // Without the key they are bound to, tokens are worth nothing.
            Some(_) if proof_key.is_err() => None,
            Some(token) => Some(Grant {
                issuer: Issuer::new(wire.issuer.ok_or(Fault::Member("issuer"))?),
                resource: wire.resource.map(ResourceId::new),
                tokens: TokenSet {
                    access_token: Secret::new(token),
                    refresh_token: wire.refresh_token.map(Secret::new),
                    token_type: wire.token_type.unwrap_or_else(|| "Bearer".to_owned()),
                    expires_at: wire.expires_at,
                    scopes: wire.scopes.unwrap_or_default(),
                    id_token: wire.id_token.map(Secret::new),
                    proof_key: proof_key.ok().flatten(),
                },
                requested_scopes: wire.requested_scopes.unwrap_or_default(),
                granted_at: wire.granted_at.unwrap_or_default(),
                refreshed_at: wire.refreshed_at,
                mode: mode(wire.mode.as_deref()),
            }),
            None if wire.refresh_token.is_some() => return Err(Fault::Member("access_token")),
            None => None,
        };
        let clients = wire
            .client
            .into_iter()
            .map(|(issuer, client)| Ok((Issuer::new(issuer), client.try_into()?)))
            .collect::<Result<_, Fault>>()?;
        Ok(Self {
            server: wire.server,
            grant,
            clients,
            failures: Failures {
                refresh: wire.failures.refresh.map(Into::into),
                sign_in: wire.failures.sign_in.map(Into::into),
            },
            seeds: wire.seeds,
        })
    }
}

impl From<WireFailure> for FailureNote {
    fn from(wire: WireFailure) -> Self {
        Self {
            count: wire.count,
            // Anybody who may write the file may have written this.
            reason: printable(&wire.reason, SHOWN),
            transient: wire.transient,
        }
    }
}

impl From<&FailureNote> for WireFailure {
    fn from(note: &FailureNote) -> Self {
        Self {
            count: note.count,
            reason: note.reason.clone(),
            transient: note.transient,
        }
    }
}

impl TryFrom<WireClient> for KnownClient {
    type Error = Fault;

    fn try_from(wire: WireClient) -> Result<Self, Fault> {
        let url = |text: &str, name| Url::parse(text).map_err(|_| Fault::Member(name));
        // One without an identifier was not registered, so nothing is lost that could be.
        if wire.client_id.is_empty() && wire.registered != Some(false) {
            return Err(Fault::Member("client_id"));
        }
        let auth_method = match wire.token_endpoint_auth_method.as_deref() {
            None => AuthMethod::None,
            Some(name) => {
                AuthMethod::from_name(name).ok_or(Fault::Member("token_endpoint_auth_method"))?
            }
        };
        let management = match (wire.registration_client_uri, wire.registration_access_token) {
            (Some(uri), Some(token)) => Some(Management {
                uri: url(&uri, "registration_client_uri")?,
                token: Secret::new(token),
            }),
            _ => None,
        };
        let revocation_endpoint = wire
            .revocation_endpoint
            .map(|text| url(&text, "revocation_endpoint"))
            .transpose()?;
        Ok(Self {
            token_endpoint: url(&wire.token_endpoint, "token_endpoint")?,
            resource_refused: wire.resource_refused.unwrap_or_default(),
            revocation_endpoint,
            client: Client {
                client_id: wire.client_id,
                client_secret: wire.client_secret.map(Secret::new),
                // RFC 7591 §3.2.1: 0 means that the secret does not expire.
                client_secret_expires_at: wire.client_secret_expires_at.filter(|at| *at != 0),
                auth_method,
                redirect_uri: wire.redirect_uri,
                management,
                registered: wire.registered.unwrap_or(true),
                // The key is the user's.
                assertion: None,
                document: wire.document,
                refused_document: wire.refused_document,
                dpop_bound: wire.dpop_bound_access_tokens,
            },
        })
    }
}

impl From<&SignIn> for Wire {
    fn from(sign_in: &SignIn) -> Self {
        let mut wire = Self {
            version: Some(VERSION),
            server: sign_in.server.clone(),
            ..Self::default()
        };
        if let Some(grant) = &sign_in.grant {
            let tokens = &grant.tokens;
            wire.access_token = Some(tokens.access_token.expose().to_owned());
            wire.refresh_token = exposed(tokens.refresh_token.as_ref());
            wire.expires_at = tokens.expires_at;
            wire.issuer = Some(grant.issuer.as_str().to_owned());
            wire.scopes = Some(tokens.scopes.clone());
            wire.resource = grant.resource.as_ref().map(|r| r.as_str().to_owned());
            wire.token_type = Some(tokens.token_type.clone());
            wire.id_token = exposed(tokens.id_token.as_ref());
            wire.dpop_key = exposed(tokens.proof_key.as_ref().map(ProofKey::kept).as_ref());
            wire.granted_at = Some(grant.granted_at);
            wire.refreshed_at = grant.refreshed_at;
            wire.mode = (grant.mode != AuthMode::OAuth).then(|| grant.mode.name().to_owned());
            wire.requested_scopes = Some(grant.requested_scopes.clone());
        }
        wire.client = sign_in
            .clients
            .iter()
            .map(|(issuer, known)| (issuer.as_str().to_owned(), known.into()))
            .collect();
        wire.failures = WireFailures {
            refresh: sign_in.failures.refresh.as_ref().map(Into::into),
            sign_in: sign_in.failures.sign_in.as_ref().map(Into::into),
        };
        wire.seeds = sign_in.seeds.clone();
        wire
    }
}

impl From<&KnownClient> for WireClient {
    fn from(known: &KnownClient) -> Self {
        let client = &known.client;
        Self {
            client_id: client.client_id.clone(),
            client_secret: exposed(client.client_secret.as_ref()),
            client_secret_expires_at: client.client_secret_expires_at,
            token_endpoint_auth_method: Some(client.auth_method.name().to_owned()),
            redirect_uri: client.redirect_uri.clone(),
            registration_client_uri: client.management.as_ref().map(|m| m.uri.to_string()),
            registration_access_token: exposed(client.management.as_ref().map(|m| &m.token)),
            token_endpoint: known.token_endpoint.to_string(),
            revocation_endpoint: known.revocation_endpoint.as_ref().map(Url::to_string),
            registered: Some(client.registered),
            resource_refused: known.resource_refused.then_some(true),
            document: client.document,
            refused_document: client.refused_document.clone(),
            dpop_bound_access_tokens: client.dpop_bound,
            unknown: Map::new(),
        }
    }
}

/// A mode that is not known is none that this program could tell from the usual one.
fn mode(name: Option<&str>) -> AuthMode {
    name.and_then(AuthMode::from_name).unwrap_or_default()
}

fn exposed(secret: Option<&Secret>) -> Option<String> {
    secret.map(|secret| secret.expose().to_owned())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A sign-in with every member set.
    pub fn full() -> SignIn {
        let issuer = Issuer::new("https://as.example.com");
        let url = |text: &str| Url::parse(text).expect("url");
        SignIn {
            server: "https://mcp.example.com/mcp".to_owned(),
            grant: Some(Grant {
                issuer: issuer.clone(),
                resource: Some(ResourceId::new("https://mcp.example.com/mcp")),
                tokens: TokenSet {
                    access_token: Secret::new("ACCESS_TOKEN_1"),
                    refresh_token: Some(Secret::new("REFRESH_TOKEN_1")),
                    token_type: "bearer".to_owned(),
                    expires_at: Some(1_800_000_000),
                    scopes: vec!["read".to_owned(), "write".to_owned()],
                    id_token: Some(Secret::new("ID_TOKEN_1")),
                    proof_key: None,
                },
                requested_scopes: vec!["read".to_owned()],
                granted_at: 1_700_000_000,
                refreshed_at: Some(1_700_000_100),
                mode: AuthMode::Device,
            }),
            clients: BTreeMap::from([(
                issuer,
                KnownClient {
                    client: Client {
                        client_id: "CLIENT_1".to_owned(),
                        client_secret: Some(Secret::new("CLIENT_SECRET_1")),
                        client_secret_expires_at: Some(1_900_000_000),
                        auth_method: AuthMethod::ClientSecretPost,
                        redirect_uri: Some("http://localhost:4000/oauth/callback".to_owned()),
                        management: Some(Management {
                            uri: url("https://as.example.com/register/CLIENT_1"),
                            token: Secret::new("REGISTRATION_TOKEN_1"),
                        }),
                        registered: false,
                        dpop_bound: false,
                        assertion: None,
                        document: true,
                        refused_document: Some("https://client.example.com/refused".to_owned()),
                    },
                    token_endpoint: url("https://as.example.com/token"),
                    revocation_endpoint: Some(url("https://as.example.com/revoke")),
                    resource_refused: true,
                },
            )]),
            failures: Failures {
                refresh: Some(FailureNote {
                    count: 3,
                    reason: "it did not answer".to_owned(),
                    transient: true,
                }),
                sign_in: Some(FailureNote {
                    count: 1,
                    reason: "the sign-in was declined".to_owned(),
                    transient: false,
                }),
            },
            seeds: vec!["MARK_1".to_owned()],
        }
    }

    fn read(text: &str) -> Result<SignIn, Fault> {
        Wire::parse(text.as_bytes())?.try_into()
    }

    #[test]
    fn what_is_written_is_read_back_unchanged() {
        for sign_in in [full(), SignIn::default()] {
            let bytes = Wire::from(&sign_in).to_bytes();
            let back = SignIn::try_from(Wire::parse(&bytes).expect("parse")).expect("valid");
            assert_eq!(back, sign_in);
        }
    }

    #[test]
    fn members_stand_under_their_documented_names_in_order() {
        let bytes = Wire::from(&full()).to_bytes();
        let text = std::str::from_utf8(&bytes).expect("text");
        let at = |name: &str| text.find(&format!("\n  \"{name}\":")).expect(name);
        let order = [
            "access_token",
            "refresh_token",
            "expires_at",
            "issuer",
            "scopes",
            "version",
            "server",
            "resource",
            "token_type",
            "id_token",
            "granted_at",
            "refreshed_at",
            "mode",
            "requested_scopes",
            "client",
            "failures",
            "seeds",
        ];
        assert!(order.windows(2).all(|pair| at(pair[0]) < at(pair[1])));
    }

    #[test]
    fn smallest_file_is_enough() {
        let sign_in = read(r#"{"access_token":"A","issuer":"https://as.example.com"}"#);
        let grant = sign_in.expect("valid").grant.expect("grant");
        assert_eq!(grant.tokens.token_type, "Bearer");
        assert_eq!(grant.tokens.expires_at, None);
        assert_eq!(read("{}").expect("valid"), SignIn::default());
    }

    #[test]
    fn faults_are_told_apart_without_quoting_the_content() {
        let cases = [
            ("", Fault::Empty),
            (" \n", Fault::Empty),
            ("{\"access_token\":\"SECR", Fault::Truncated),
            ("SECRET", Fault::NotJson(1)),
            ("[\"SECRET\"]", Fault::WrongType(1)),
            ("{\n\"expires_at\":\"SECRET\"}", Fault::WrongType(2)),
            (
                "{\"issuer\":\"SECRET\",\"issuer\":\"b\"}",
                Fault::WrongType(1),
            ),
            ("{\"access_token\":\"SECRET\"}", Fault::Member("issuer")),
            ("{\"access_token\":\"\"}", Fault::Member("access_token")),
            (
                "{\"refresh_token\":\"SECRET\"}",
                Fault::Member("access_token"),
            ),
            ("{\"client\":{\"i\":{}}}", Fault::Member("client_id")),
            (
                "{\"client\":{\"i\":{\"client_id\":\"c\",\"token_endpoint\":\"SECRET\"}}}",
                Fault::Member("token_endpoint"),
            ),
            (
                "{\"client\":{\"i\":{\"client_id\":\"c\",\"token_endpoint_auth_method\":\"SECRET\"}}}",
                Fault::Member("token_endpoint_auth_method"),
            ),
            ("{\"failures\":{\"refresh\":7}}", Fault::WrongType(1)),
            ("{\"version\":2}", Fault::Newer(2)),
            ("{\"version\":9,\"scopes\":{\"a\":1}}", Fault::Newer(9)),
        ];
        for (text, expected) in cases {
            let fault = read(text).expect_err(text);
            assert!(!fault.to_string().contains("SECR"), "{fault}");
            assert_eq!(fault, expected, "{text}");
        }
    }

    #[test]
    fn no_prefix_of_a_file_is_taken_for_the_file() {
        let bytes = Wire::from(&full()).to_bytes();
        for end in 0..bytes.len() - 2 {
            assert!(Wire::parse(&bytes[..end]).is_err(), "{end}");
        }
    }
}
