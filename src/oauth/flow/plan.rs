//! What a sign-in knows by the time that it asks somebody.

use url::Url;

use crate::ids::ResourceId;
use crate::oauth::authorize::Randomness;
use crate::oauth::discovery::server::AuthorizationServer;
use crate::oauth::dpop::Binding;
use crate::oauth::invitation::Open;
use crate::oauth::registration::Client;
use crate::oauth::sign_in::{KnownClient, SignIn};

/// A sign-in that has begun.
#[derive(Debug)]
pub(super) struct Task {
    /// What the cache holds.
    pub cached: SignIn,
    /// What a process that died left open.
    pub pending: Option<Open>,
}

/// What is known once the authorization server is.
#[derive(Debug)]
pub(super) struct Plan {
    pub task: Task,
    pub server: AuthorizationServer,
    pub resource: Option<ResourceId>,
    /// `scopes_supported` of the resource's metadata.
    pub resource_scopes: Option<Vec<String>>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Whether a dead client was replaced already.
    pub registered_anew: bool,
    /// Whether the server does not let clients ask for what they did not register for.
    pub scopes_refused: bool,
    /// The metadata document that the server did not take.
    pub refused_document: Option<String>,
    /// Whether the server refuses `resource`, so that it is left out.
    pub resource_refused: bool,
    /// What the resource's metadata says about binding tokens.
    pub resource_wants: ResourceWants,
    /// What tokens are to be bound to.
    pub binding: Option<Binding>,
}

/// What the resource's metadata says about binding tokens to a key (RFC 9728 §2).
#[derive(Debug)]
pub(super) struct ResourceWants {
    pub dpop_required: bool,
    pub dpop_algorithms: Option<Vec<String>>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(super) enum Choice {
    /// A client that can use any port.
    Configured(Client),
    /// A client that was registered with a redirect URI on this port.
    Known(Client, u16),
    /// A client that has to be registered first, here.
    New(Url),
}

/// A listener that is open, and randomness for one attempt.
#[derive(Clone, Debug)]
pub(super) struct Bound {
    pub port: u16,
    pub randomness: Randomness,
}

impl Plan {
    /// What is remembered of a client. A secret that the user configured stays where they keep it.
    pub fn known(&self, client: &Client) -> KnownClient {
        let server = &self.server;
        let mut client = client.clone();
        if !client.registered {
            client.client_secret = None;
        }
        KnownClient {
            client,
            token_endpoint: server.token_endpoint.clone(),
            revocation_endpoint: server.revocation_endpoint.clone(),
            resource_refused: self.resource_refused,
        }
    }
}
