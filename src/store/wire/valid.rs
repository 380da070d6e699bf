//! What stands on disk becomes what is valid, and back.

use serde_json::Map;
use url::Url;

use super::{Fault, VERSION, Wire, WireClient, WireFailure, WireFailures, WireTakenOver};
use crate::ids::{Issuer, ResourceId};
use crate::oauth::dpop::ProofKey;
use crate::oauth::mode::AuthMode;
use crate::oauth::registration::{AuthMethod, Client, Management};
use crate::oauth::sign_in::{FailureNote, Failures, KnownClient, SignIn, TakenOver};
use crate::oauth::token::{Grant, TokenSet};
use crate::secret::Secret;
use crate::untrusted::{SHOWN, printable};

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
            taken_over: wire.taken_over.map(Into::into),
            sends_id_token: wire.sends_id_token,
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

impl From<WireTakenOver> for TakenOver {
    fn from(wire: WireTakenOver) -> Self {
        Self {
            from: printable(&wire.from, SHOWN),
            at: wire.at,
            mark: wire.mark,
            replaced: wire.replaced,
        }
    }
}

impl From<&TakenOver> for WireTakenOver {
    fn from(taken: &TakenOver) -> Self {
        Self {
            from: taken.from.clone(),
            at: taken.at,
            mark: taken.mark.clone(),
            replaced: taken.replaced,
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
        wire.taken_over = sign_in.taken_over.as_ref().map(Into::into);
        wire.sends_id_token = sign_in.sends_id_token;
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
            document: client.document,
            refused_document: client.refused_document.clone(),
            resource_refused: known.resource_refused.then_some(true),
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
