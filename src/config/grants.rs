//! What the user configured about tokens without a person.

use std::path::PathBuf;

use super::given::{Given, Lookup};
use super::mode::Claim;
use super::{AuthMode, ConfiguredClient, endpoints, oauth};
use crate::assertion_source::AssertionSource;
use crate::cli::{GrantOptions, UsageError};
use crate::diag;
use crate::ids::ServerUrl;
use crate::oauth::flow::{IdentityProvider, ProviderEndpoint, Unattended};
use crate::secret_command::SecretCommand;

/// The member of the configuration file that names a way.
const GRANT: &str = "grant";

/// The secret of the client at the identity provider.
const IDP_SECRET: &str = "idp-client-secret";

/// Tokens without a person, and what is handed in for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnattendedGrant {
    /// What stands in for a person.
    pub way: Unattended,
    /// Where that is read; the client's own credentials need none.
    pub assertion: Option<AssertionSource>,
}

/// What was given, as it stands.
#[derive(Default)]
pub(super) struct Grants {
    /// What the configuration file calls the way.
    grant: Option<Given>,
    client_credentials: Option<String>,
    idp_issuer: Option<Given>,
    idp_token_endpoint: Option<Given>,
    idp_client_id: Option<Given>,
    idp_id_token_file: Option<Given>,
    workload_jwt_file: Option<Given>,
    workload_jwt_env: Option<Given>,
    workload_jwt_command: Option<Given>,
}

impl Grants {
    pub fn new(options: &GrantOptions, lookup: &Lookup<'_>) -> Result<Self, UsageError> {
        let text = |long, flag| lookup.text(long, flag);
        Ok(Self {
            grant: lookup.only_filed(GRANT),
            client_credentials: lookup
                .switched_on("client-credentials", options.client_credentials)?,
            idp_issuer: text("idp-issuer", &options.idp_issuer),
            idp_token_endpoint: text("idp-token-endpoint", &options.idp_token_endpoint),
            idp_client_id: text("idp-client-id", &options.idp_client_id),
            idp_id_token_file: text("idp-id-token-file", &options.idp_id_token_file),
            workload_jwt_file: text("workload-jwt-file", &options.workload_jwt_file),
            workload_jwt_env: text("workload-jwt-env", &options.workload_jwt_env),
            workload_jwt_command: text("workload-jwt-command", &options.workload_jwt_command),
        })
    }

    fn enterprise(&self) -> impl Iterator<Item = (&'static str, &Given)> {
        [
            ("idp-issuer", &self.idp_issuer),
            ("idp-token-endpoint", &self.idp_token_endpoint),
            ("idp-client-id", &self.idp_client_id),
            ("idp-id-token-file", &self.idp_id_token_file),
        ]
        .into_iter()
        .filter_map(|(long, given)| Some((long, given.as_ref()?)))
    }

    fn workload(&self) -> impl Iterator<Item = (&'static str, &Given)> {
        [
            ("workload-jwt-file", &self.workload_jwt_file),
            ("workload-jwt-env", &self.workload_jwt_env),
            ("workload-jwt-command", &self.workload_jwt_command),
        ]
        .into_iter()
        .filter_map(|(long, given)| Some((long, given.as_ref()?)))
    }

    /// The modes that are asked for.
    pub fn claims(&self) -> Result<Vec<Claim>, UsageError> {
        let mut claims = Vec::new();
        if let Some(given) = &self.client_credentials {
            claims.push(Claim::new(AuthMode::ClientCredentials, given));
        }
        let enterprise = self.enterprise();
        claims.extend(
            enterprise.map(|(_, given)| Claim::new(AuthMode::Enterprise, given.origin.as_str())),
        );
        let workload = self.workload();
        claims.extend(
            workload.map(|(_, given)| Claim::new(AuthMode::Workload, given.origin.as_str())),
        );
        if let Some(given) = &self.grant
            && let Some(mode) = named(given)?
        {
            claims.push(Claim::new(mode, given.origin.as_str()));
        }
        Ok(claims)
    }

    /// What makes another sign-in of it, with the names of the options.
    pub fn parts(&self) -> Result<Vec<(&'static str, String)>, UsageError> {
        let claims = self.claims()?;
        let mut parts = Vec::new();
        if let Some(claim) = claims.iter().find(|claim| claim.mode.is_unattended()) {
            parts.push((GRANT, claim.mode.name().to_owned()));
        }
        let given = self.enterprise().chain(self.workload());
        parts.extend(given.map(|(long, given)| (long, given.text.clone())));
        Ok(parts)
    }

    /// What stands in for a person in this mode; `None` if one is asked, or a token is configured.
    pub fn way(
        &self,
        mode: AuthMode,
        client: Option<&ConfiguredClient>,
        options: &GrantOptions,
        lookup: &Lookup<'_>,
    ) -> Result<Option<UnattendedGrant>, UsageError> {
        Ok(match mode {
            AuthMode::ClientCredentials => Some(client_credentials(client)?),
            AuthMode::Enterprise => {
                own_client(client, mode)?;
                Some(self.identity_provider(options, lookup)?)
            }
            AuthMode::Workload => Some(UnattendedGrant {
                way: Unattended::Workload,
                assertion: Some(self.workload_source()?),
            }),
            AuthMode::Bearer | AuthMode::OAuth | AuthMode::Seeded | AuthMode::Device => None,
        })
    }

    fn identity_provider(
        &self,
        options: &GrantOptions,
        lookup: &Lookup<'_>,
    ) -> Result<UnattendedGrant, UsageError> {
        let endpoint = match (&self.idp_token_endpoint, &self.idp_issuer) {
            (Some(given), issuer) => {
                if let Some(issuer) = issuer {
                    provider_address(issuer)?;
                }
                ProviderEndpoint::Given(endpoints::endpoint(given)?)
            }
            (None, Some(issuer)) => ProviderEndpoint::OfIssuer(provider_address(issuer)?),
            (None, None) => return Err(missing("--idp-issuer")),
        };
        let client_id = needed(&self.idp_client_id, "--idp-client-id")?.text.clone();
        let file = &needed(&self.idp_id_token_file, "--idp-id-token-file")?.text;
        let client = ConfiguredClient {
            client_id,
            client_secret: lookup.secret(IDP_SECRET, &options.idp_client_secret_env)?,
            auth_method: None,
            ..ConfiguredClient::default()
        };
        Ok(UnattendedGrant {
            way: Unattended::Enterprise(IdentityProvider { endpoint, client }),
            assertion: Some(AssertionSource::File(PathBuf::from(file))),
        })
    }

    fn workload_source(&self) -> Result<AssertionSource, UsageError> {
        let mut sources = self.workload();
        let (long, given) = sources
            .next()
            .ok_or_else(|| missing("--workload-jwt-file"))?;
        if let Some((_, other)) = sources.next() {
            return Err(UsageError::new(format!(
                "{} and {} exclude each other: both say where the workload's JWT is",
                given.origin, other.origin
            ))
            .with_hint("leave out one of them"));
        }
        Ok(match long {
            "workload-jwt-file" => AssertionSource::File(PathBuf::from(&given.text)),
            "workload-jwt-env" => AssertionSource::Variable(given.text.trim().to_owned()),
            _ => AssertionSource::Command(SecretCommand::parse(&given.text).map_err(|error| {
                UsageError::new(format!("the command in {} {error}", given.origin))
            })?),
        })
    }
}

/// The mode that the configuration file names, in the words of `status` or of the RFCs.
fn named(given: &Given) -> Result<Option<AuthMode>, UsageError> {
    match given.text.to_ascii_lowercase().replace('_', "-").as_str() {
        "authorization-code" | "oauth" => Ok(None),
        "device" | "device-code" | "urn:ietf:params:oauth:grant-type:device-code" => {
            Ok(Some(AuthMode::Device))
        }
        "client-credentials" => Ok(Some(AuthMode::ClientCredentials)),
        "enterprise" => Ok(Some(AuthMode::Enterprise)),
        "workload" => Ok(Some(AuthMode::Workload)),
        _ => Err(UsageError::new(format!(
            "{} is `{}`; it must be `authorization_code`, `device_code`, `client_credentials`, `enterprise` or `workload`",
            given.origin,
            diag::clean_to(&given.text, 60)
        ))),
    }
}

fn client_credentials(client: Option<&ConfiguredClient>) -> Result<UnattendedGrant, UsageError> {
    let client = own_client(client, AuthMode::ClientCredentials)?;
    // RFC 6749 §4.4: confidential clients only.
    if client.client_secret.is_none() && client.assertion_key.is_none() {
        return Err(UsageError::new(format!(
            "the mode `{}` needs a client with a secret or key of its own, and the client `{}` has none",
            AuthMode::ClientCredentials,
            diag::clean_to(&client.client_id, 100)
        ))
        .with_hint("put its secret into the variable `MCP_DRAWBRIDGE_CLIENT_SECRET`, or name the file of its key with `--client-assertion-key`"));
    }
    Ok(UnattendedGrant {
        way: Unattended::ClientCredentials,
        assertion: None,
    })
}

fn own_client(
    client: Option<&ConfiguredClient>,
    mode: AuthMode,
) -> Result<&ConfiguredClient, UsageError> {
    client.ok_or_else(|| {
        UsageError::new(format!(
            "the mode `{mode}` needs a client that you obtained from the server's authorization server"
        ))
        .with_hint("name it with `--client-id`")
    })
}

fn missing(option: &str) -> UsageError {
    UsageError::new(format!("`{option}` is missing"))
        .with_hint("`mcp-drawbridge --help` says what belongs together")
}

fn needed<'a>(given: &'a Option<Given>, option: &str) -> Result<&'a Given, UsageError> {
    given.as_ref().ok_or_else(|| missing(option))
}

/// The issuer is what the provider calls itself, and where its metadata is looked for.
fn provider_address(given: &Given) -> Result<ServerUrl, UsageError> {
    oauth::issuer(given)?;
    ServerUrl::parse(&given.text, false).map_err(|error| {
        UsageError::new(format!(
            "{} is no address of an identity provider: {error}",
            given.origin
        ))
    })
}
