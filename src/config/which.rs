//! Which sign-in is meant: the address or name, and the options that separate two sign-ins.

use serde_json::{Map, Value};
use url::Url;

use super::apart::Apart;
use super::client::Clients;
use super::given::Lookup;
use super::grants::Grants;
use super::mode::Claim;
use super::{AuthMode, Resource, Surroundings, automation, endpoints, oauth};
use crate::cli::{UsageError, WhichOptions};
use crate::diag;
use crate::ids::{KeyParts, ServerKey, ServerUrl, ServerUrlError};
use crate::oauth::flow::ConfiguredEndpoints;

/// The options that decide which sign-in is meant, checked.
pub(super) struct Which {
    pub name: Option<ServerKey>,
    pub scopes: Option<Vec<String>>,
    pub clients: Clients,
    pub client_metadata: Map<String, Value>,
    pub resource: Resource,
    pub authorize_params: Vec<(String, String)>,
    /// The same as they were given, with those that are left out.
    pub given_params: Vec<(String, String)>,
    pub endpoints: Option<ConfiguredEndpoints>,
    pub revocation_endpoint: Option<Url>,
    pub audience: Option<String>,
    pub token_params: Vec<(String, String)>,
    pub grants: Grants,
    pub use_id_token: bool,
    /// Where the refresh token to begin with stands, if there is one.
    pub seed_place: Option<String>,
    pub allow_http: bool,
}

impl Which {
    pub fn new(
        options: &WhichOptions,
        around: &Surroundings<'_>,
        lookup: &Lookup<'_>,
    ) -> Result<Self, UsageError> {
        let metadata = lookup.text(
            "static-oauth-client-metadata",
            &options.static_oauth_client_metadata,
        );
        let metadata = metadata.map(|given| oauth::client_metadata(&given, around, lookup));
        let (client_metadata, metadata_scopes) = metadata.transpose()?.unwrap_or_default();
        let scopes = match lookup.text("scope", &options.scope) {
            Some(given) => Some(oauth::scopes(&given.text, &given.origin)?),
            None => metadata_scopes,
        };
        let params = lookup.list("authorize-param", &options.authorize_param);
        let params = oauth::authorize_params(&params, lookup)?;
        Ok(Self {
            name: lookup
                .text("name", &options.name)
                .map(|given| name(&given.text))
                .transpose()?,
            scopes,
            clients: Clients::new(options, around, lookup)?,
            client_metadata,
            resource: match lookup.text("resource", &options.resource) {
                Some(given) => oauth::resource(&given, lookup)?,
                None => Resource::Discovered,
            },
            authorize_params: params.sent,
            given_params: params.given,
            endpoints: endpoints::endpoints(&options.provider, lookup)?,
            revocation_endpoint: lookup
                .text("revocation-endpoint", &options.provider.revocation_endpoint)
                .map(|given| endpoints::endpoint(&given))
                .transpose()?,
            audience: lookup
                .text("audience", &options.provider.audience)
                .map(|given| given.text)
                .filter(|text| !text.is_empty()),
            token_params: oauth::token_params(
                &lookup.list("token-param", &options.provider.token_param),
            )?,
            grants: Grants::new(&options.grants, lookup)?,
            use_id_token: lookup.switch("use-id-token", options.seed.use_id_token)?,
            seed_place: automation::seed_place(&options.seed, lookup, around),
            allow_http: lookup.switch("allow-http", options.allow_http)?,
        })
    }

    /// The name of the cache files: the given one, else one made of everything that separates two sign-ins.
    pub fn key(&self, server: &ServerUrl, apart: &Apart) -> Result<ServerKey, UsageError> {
        if let Some(name) = &self.name {
            return Ok(name.clone());
        }
        // Scopes are a set (RFC 6749 §3.3), so their order makes no other sign-in.
        let scope = self.scopes.as_ref().map(|scopes| {
            let mut scopes = scopes.clone();
            scopes.sort();
            scopes.join(" ")
        });
        Ok(ServerKey::derive(
            server,
            &KeyParts {
                resource: match &self.resource {
                    Resource::Given(resource) => Some(resource.as_str()),
                    Resource::Discovered | Resource::Omitted => None,
                },
                client_id: self
                    .clients
                    .client
                    .as_ref()
                    .map(|client| client.client_id.as_str()),
                scope: scope.as_deref(),
                authorize_params: &self.authorize_params,
                more: &self.more(apart)?,
            },
        ))
    }

    /// Other options that make another sign-in of it: a line for each.
    fn more(&self, apart: &Apart) -> Result<Vec<(&'static str, String)>, UsageError> {
        let endpoints = self.endpoints.as_ref();
        let more = [
            (
                "authorization-endpoint",
                endpoints
                    .and_then(|given| given.authorization_endpoint.as_ref().map(Url::to_string)),
            ),
            (
                "token-endpoint",
                endpoints.map(|given| given.token_endpoint.to_string()),
            ),
            ("audience", self.audience.clone()),
            (
                "client-metadata-url",
                self.clients.document.as_ref().map(|own| own.url.clone()),
            ),
            ("use-id-token", self.use_id_token.then(String::new)),
            // Whose it is, nobody here knows: it need not be the person who signs in otherwise.
            ("refresh-token", self.seed_place.clone()),
        ];
        let given = more.into_iter();
        let mut more: Vec<_> = given
            .filter_map(|(option, value)| Some((option, value?)))
            .collect();
        more.extend(self.grants.parts()?);
        more.extend(apart.parts());
        Ok(more)
    }

    /// A token of the user's own leaves nothing for OAuth to do.
    pub fn check_mode(
        &self,
        claims: &[Claim],
        lookup: &Lookup<'_>,
        warnings: &mut Vec<String>,
    ) -> Result<(), UsageError> {
        let bearer = claims.iter().find(|claim| claim.mode == AuthMode::Bearer);
        let Some(Claim { origin, .. }) = bearer else {
            return Ok(());
        };
        let has_client = self.clients.client.is_some();
        if has_client && !lookup.is_lenient() {
            return Err(UsageError::new(format!(
                "{origin} and an OAuth client (`--client-id`) exclude each other"
            ))
            .with_hint("leave out the first to sign in with that client"));
        }
        if has_client
            || self.scopes.is_some()
            || !self.client_metadata.is_empty()
            || !self.authorize_params.is_empty()
            || self.use_id_token
        {
            warnings.push(format!(
                "OAuth options have no effect, since {origin} is given"
            ));
        }
        Ok(())
    }
}

/// A name that the user gives to a sign-in.
fn name(text: &str) -> Result<ServerKey, UsageError> {
    ServerKey::from_name(text).map_err(|error| UsageError::new(error.to_string()))
}

/// The name of a sign-in that exists, as `status` shows it.
pub(super) fn cached_name(text: &str) -> Result<ServerKey, UsageError> {
    ServerKey::from_cached(text).map_err(|error| {
        UsageError::new(error.to_string())
            .with_hint("give an address such as `https://mcp.example.com/mcp`, or a name that `mcp-drawbridge status` shows")
    })
}

/// Whether an argument that may be a name or an address is an address.
pub(super) fn is_address(text: &str) -> bool {
    text.contains([':', '/'])
}

pub(super) fn server(text: &str, allow_http: bool) -> Result<ServerUrl, UsageError> {
    ServerUrl::parse(text, allow_http).map_err(|error| {
        let whole = "write it whole, such as `https://mcp.example.com/mcp`";
        let (message, hint) = match &error {
            ServerUrlError::NotAnAddress(shown) => {
                // What stands before an `@` may be a password.
                let shown = diag::clean_to(shown.rsplit('@').next().unwrap_or_default(), 100);
                let hint = match shown.contains('.') && !shown.contains("://") {
                    true => format!("did you mean `https://{shown}`?"),
                    false => format!("{whole}; the commands are `login`, `logout` and `status`"),
                };
                (format!("`{shown}` is not the address of a server"), hint)
            }
            ServerUrlError::Scheme(_) => (error.to_string(), whole.to_owned()),
            ServerUrlError::PlainHttp(_) => (
                error.to_string(),
                "use `https`, or give `--allow-http` if you trust the network".to_owned(),
            ),
            ServerUrlError::Credentials => (
                error.to_string(),
                "give them as `--header \"Authorization: Basic …\"`".to_owned(),
            ),
            ServerUrlError::Fragment => (
                error.to_string(),
                "leave out the `#` and what follows".to_owned(),
            ),
        };
        UsageError::new(message).with_hint(hint)
    })
}
