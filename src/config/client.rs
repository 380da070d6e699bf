//! Who asks for tokens, and how that is proved: from the command line, the environment and the
//! configuration file becomes one client without contradictions.

use std::cmp::Ordering;
use std::path::PathBuf;

use url::Url;
use zeroize::Zeroizing;

use super::given::{Given, Lookup};
use super::oauth::{ClientInfo, USUAL_METHOD, client_info};
use super::{ConfiguredClient, Surroundings};
use crate::cli::{ClientOptions, UsageError, WhichOptions};
use crate::diag;
use crate::jwt::{Algorithm, SigningKey};
use crate::oauth::assertion::{AssertionKey, Audience};
use crate::oauth::flow::ClientDocument;
use crate::oauth::registration::AuthMethod;
use crate::secret::Secret;

/// The variable that holds the secret of the configured client, unless another is named.
pub(super) const SECRET_VARIABLE: &str = "MCP_DRAWBRIDGE_CLIENT_SECRET";

/// Who asks for tokens, as the user wants it.
#[derive(Default)]
pub(super) struct Clients {
    /// A client that the user obtained.
    pub client: Option<ConfiguredClient>,
    /// A client that a document describes.
    pub document: Option<ClientDocument>,
    /// The address of a document that is given, whether or not it is of use: what mcp-remote keeps is
    /// named after it.
    pub document_url: Option<String>,
    /// What lets a client register.
    pub initial_access_token: Option<Secret>,
    /// The file with the private key of its assertions.
    pub key_file: Option<PathBuf>,
    /// What cannot be had here. Who only looks for a sign-in, or ends one, can do without: a terminal
    /// may lack variables and files that an AI client has.
    pub missing: Option<UsageError>,
    /// What has no effect.
    pub warnings: Vec<String>,
}

/// A value, and how near to this one process it was given: 0 for arguments and variables, 1 for the
/// server's entry in the configuration file, then its defaults.
struct Layered {
    given: Given,
    distance: usize,
}

impl Layered {
    /// Whether it was given for this one process, and not by the configuration file.
    fn is_typed(&self) -> bool {
        self.distance == 0
    }
}

fn layered(lookup: &Lookup<'_>, long: &str, flag: &Option<String>) -> Option<Layered> {
    let filed = || Some((lookup.only_filed(long)?, lookup.filed_at(long)?));
    let typed = lookup.typed().text(long, flag).map(|given| (given, 0));
    let (given, distance) = typed.or_else(filed)?;
    Some(Layered { given, distance })
}

impl Clients {
    /// Reads all options that are about clients.
    pub fn new(
        options: &WhichOptions,
        around: &Surroundings<'_>,
        lookup: &Lookup<'_>,
    ) -> Result<Self, UsageError> {
        let own = &options.client;
        let mut clients = Self::default();
        let info = info(options, around, lookup)?;
        let secret = clients.secret(own, info.as_ref(), around, lookup)?;
        let key = clients.key(own, around, lookup)?;
        let document = document(own, lookup)?;
        clients.document_url = given_document(own, lookup);
        clients.initial_access_token = clients.token(own, around, lookup)?;
        if key.is_some() && info.is_none() && document.is_none() {
            return Err(UsageError::new(
                "`--client-assertion-key` is given without the client that the key proves",
            )
            .with_hint("add `--client-id`, or `--client-metadata-url`"));
        }
        match info {
            Some((info, origin)) => {
                if document.is_some() {
                    clients.warnings.push(format!(
                        "`--client-metadata-url` has no effect, since {origin} names a client"
                    ));
                }
                if clients.initial_access_token.take().is_some() {
                    clients.warnings.push(format!(
                        "`--initial-access-token-env` has no effect, since {origin} names a client"
                    ));
                }
                clients.client = Some(clients.checked(info, &origin, secret, key, lookup)?);
            }
            None => {
                let assertion_key = key;
                clients.document = document.map(|url| ClientDocument { url, assertion_key });
            }
        }
        Ok(clients)
    }

    /// RFC 6749 §2.3: a client proves itself in one way.
    fn checked(
        &mut self,
        info: ClientInfo,
        origin: &str,
        secret: Option<Secret>,
        key: Option<AssertionKey>,
        lookup: &Lookup<'_>,
    ) -> Result<ConfiguredClient, UsageError> {
        let mut method = info.auth_method;
        let named = |method: AuthMethod| {
            format!(
                "`token_endpoint_auth_method` in {origin} is `{}`",
                method.name()
            )
        };
        if key.is_some() && secret.is_some() {
            return Err(UsageError::new(
                "a client secret and `--client-assertion-key` exclude each other",
            )
            .with_hint("leave out the one that the authorization server does not know"));
        }
        // What mcp-remote does with these: it knows no such keys, and sends the identifier alone.
        match (method, &key) {
            (Some(AuthMethod::PrivateKeyJwt), None) if info.is_forgiven => {
                lookup.warn(format!(
                    "{}, which needs `--client-assertion-key`; {USUAL_METHOD} counts in its place",
                    named(AuthMethod::PrivateKeyJwt)
                ));
                method = None;
            }
            (Some(AuthMethod::ClientSecretPost), None) if info.is_forgiven && secret.is_none() => {
                lookup.warn(format!(
                    "{} without a `client_secret`; `none` counts in its place",
                    named(AuthMethod::ClientSecretPost)
                ));
                method = Some(AuthMethod::None);
            }
            _ => {}
        }
        match (method, &key) {
            (Some(method), Some(_)) if method != AuthMethod::PrivateKeyJwt => {
                return Err(UsageError::new(format!(
                    "{}, which makes no use of `--client-assertion-key`",
                    named(method)
                ))
                .with_hint("leave out one of them"));
            }
            (Some(AuthMethod::PrivateKeyJwt), None) => {
                let error = UsageError::new(format!(
                    "{}, which needs the client's private key",
                    named(AuthMethod::PrivateKeyJwt)
                ));
                let hint = "name its file with `--client-assertion-key`";
                self.missing.get_or_insert(error.with_hint(hint));
            }
            (Some(method), None) if method != AuthMethod::None && secret.is_none() => {
                let error = UsageError::new(format!(
                    "{origin} names a `token_endpoint_auth_method` that needs a `client_secret`, and has none"
                ));
                self.missing.get_or_insert(error);
            }
            _ => {}
        }
        Ok(ConfiguredClient {
            client_id: info.client_id,
            client_secret: secret,
            auth_method: method,
            assertion_key: key.map(Box::new),
        })
    }

    /// The secret of the client: what a variable holds outranks what the configuration file says.
    fn secret(
        &mut self,
        own: &ClientOptions,
        info: Option<&(ClientInfo, String)>,
        around: &Surroundings<'_>,
        lookup: &Lookup<'_>,
    ) -> Result<Option<Secret>, UsageError> {
        let named = layered(lookup, "client-secret-env", &own.client_secret_env);
        let value = match &named {
            Some(named) => self.variable(named, around),
            None => around
                .env
                .get(SECRET_VARIABLE)
                .filter(|value| !value.is_empty())
                .map(Secret::new),
        };
        let origin = named.as_ref().map_or_else(
            || format!("`{SECRET_VARIABLE}`"),
            |named| named.given.origin.clone(),
        );
        let Some((info, info_origin)) = info else {
            if named.is_some_and(|named| named.is_typed()) {
                return Err(UsageError::new(format!(
                    "{origin} is given without the client whose secret it is"
                ))
                .with_hint("add `--client-id`"));
            }
            if value.is_some() {
                self.warnings
                    .push(format!("{origin} has no effect without `--client-id`"));
            }
            return Ok(None);
        };
        match (value, &info.client_secret) {
            (Some(value), Some(other)) if info.typed && value != *other => Err(UsageError::new(
                format!("{origin} and {info_origin} give two different client secrets"),
            )
            .with_hint("leave out one of them")),
            (Some(value), _) => Ok(Some(value)),
            (None, other) => Ok(other.clone()),
        }
    }

    /// What the variable holds that an option names.
    fn variable(&mut self, named: &Layered, around: &Surroundings<'_>) -> Option<Secret> {
        let name = match named.given.variable_name() {
            Ok(name) => name,
            Err(error) => {
                self.missing.get_or_insert(error);
                return None;
            }
        };
        let value = around.env.get(name).filter(|value| !value.is_empty());
        if value.is_none() {
            let error = UsageError::new(format!(
                "{} needs the environment variable `{}`, which is not set",
                named.given.origin,
                named.given.shown_variable()
            ));
            self.missing.get_or_insert(error.with_hint("set it in the environment, such as by the `env` of the AI client's configuration; the option takes its name and not its value"));
        }
        value.map(Secret::new)
    }

    fn token(
        &mut self,
        own: &ClientOptions,
        around: &Surroundings<'_>,
        lookup: &Lookup<'_>,
    ) -> Result<Option<Secret>, UsageError> {
        let named = layered(
            lookup,
            "initial-access-token-env",
            &own.initial_access_token_env,
        );
        let filed = lookup.only_filed("initial-access-token");
        let token = match named {
            Some(named) => self.variable(&named, around),
            None => filed.map(|given| Secret::new(given.text)),
        };
        // RFC 6750 §2.1.
        let sendable = |c: char| c.is_ascii_graphic();
        match &token {
            Some(token) if !token.expose().chars().all(sendable) => Err(UsageError::new(
                "the initial access token holds characters that no token has",
            )
            .with_hint("it has no spaces and no line ends")),
            _ => Ok(token),
        }
    }

    fn key(
        &mut self,
        own: &ClientOptions,
        around: &Surroundings<'_>,
        lookup: &Lookup<'_>,
    ) -> Result<Option<AssertionKey>, UsageError> {
        let algorithm = lookup.text("client-assertion-alg", &own.client_assertion_alg);
        let kid = lookup.text("client-assertion-kid", &own.client_assertion_kid);
        let audience = lookup.text("client-assertion-audience", &own.client_assertion_audience);
        let Some(file) = layered(lookup, "client-assertion-key", &own.client_assertion_key) else {
            return match algorithm.or(kid).or(audience) {
                None => Ok(None),
                Some(given) => Err(UsageError::new(format!(
                    "{} has no effect without `--client-assertion-key`",
                    given.origin
                ))),
            };
        };
        let algorithm = algorithm.as_ref().map(named_algorithm).transpose()?;
        let audience = audience.as_ref().map(named_audience).transpose()?;
        let (typed, file) = (file.is_typed(), file.given);
        self.key_file = Some(PathBuf::from(&file.text));
        let text = match file.read(&file.text, around) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if typed => return Err(error),
            Err(error) => {
                self.missing.get_or_insert(error);
                return Ok(None);
            }
        };
        let key = SigningKey::from_pem(&text, algorithm).map_err(|error| {
            let text = format!(
                "the file `{}` of {} cannot be used: {error}",
                diag::clean(&file.text),
                file.origin
            );
            match error.hint() {
                Some(hint) => UsageError::new(text).with_hint(hint),
                None => UsageError::new(text),
            }
        })?;
        let kid = kid.map(|given| given.text);
        Ok(Some(AssertionKey {
            kid: kid.or_else(|| key.kid().map(str::to_owned)),
            audience: audience.unwrap_or_default(),
            key,
        }))
    }
}

/// The client that `--client-id` and `--static-oauth-client-info` name, and which of them did. What
/// was given for this one process outranks the configuration file, and there the server's entry the
/// defaults; two names at one place are a contradiction.
fn info(
    options: &WhichOptions,
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
) -> Result<Option<(ClientInfo, String)>, UsageError> {
    let whole = layered(
        lookup,
        "static-oauth-client-info",
        &options.static_oauth_client_info,
    );
    let id = layered(lookup, "client-id", &options.client.client_id);
    if let Some(id) = id.as_ref().filter(|id| id.given.text.is_empty()) {
        return Err(UsageError::new(format!("{} is empty", id.given.origin)));
    }
    let read = |whole: &Layered| {
        let mut info = client_info(&whole.given, around, lookup)?;
        info.typed = whole.is_typed();
        Ok::<_, UsageError>((info, whole.given.origin.clone()))
    };
    let bare = |id: Layered| {
        let info = ClientInfo {
            typed: id.is_typed(),
            client_id: id.given.text,
            client_secret: None,
            auth_method: None,
            is_forgiven: false,
        };
        (info, id.given.origin)
    };
    let (whole, id) = match (whole, id) {
        (None, None) => return Ok(None),
        (Some(whole), None) => return read(&whole).map(Some),
        (None, Some(id)) => return Ok(Some(bare(id))),
        (Some(whole), Some(id)) => (whole, id),
    };
    let found = read(&whole)?;
    match whole.distance.cmp(&id.distance) {
        _ if found.0.client_id == id.given.text => Ok(Some(found)),
        Ordering::Greater => Ok(Some(bare(id))),
        Ordering::Less => Ok(Some(found)),
        Ordering::Equal => Err(UsageError::new(format!(
            "{} and {} name two different clients",
            id.given.origin, whole.given.origin
        ))
        .with_hint("leave out one of them")),
    }
}

fn named_algorithm(given: &Given) -> Result<Algorithm, UsageError> {
    Algorithm::from_name(given.text.trim()).ok_or_else(|| {
        UsageError::new(format!(
            "{} is `{}`; it must be `ES256`, `EdDSA`, `RS256` or `PS256`",
            given.origin,
            diag::clean_to(&given.text, 60)
        ))
    })
}

fn named_audience(given: &Given) -> Result<Audience, UsageError> {
    match given.text.trim() {
        "issuer" => Ok(Audience::Issuer),
        "token-endpoint" | "token_endpoint" => Ok(Audience::TokenEndpoint),
        other => Err(UsageError::new(format!(
            "{} is `{}`; it must be `issuer` or `token-endpoint`",
            given.origin,
            diag::clean_to(other, 60)
        ))),
    }
}

/// What mcp-remote takes for the address of a document: https with a path, in any spelling.
fn given_document(own: &ClientOptions, lookup: &Lookup<'_>) -> Option<String> {
    let given = lookup.text("client-metadata-url", &own.client_metadata_url)?;
    let text = given.text.trim();
    let is_one = |url: Url| url.scheme() == "https" && url.path() != "/";
    Url::parse(text).is_ok_and(is_one).then(|| text.to_owned())
}

/// MCP 2025-11-25, Client ID Metadata Documents: an https address with a path. It is an identifier,
/// so it is kept as written and must be written as it is sent: no user information, no `#`, no `.`
/// and `..` in the path.
fn document(own: &ClientOptions, lookup: &Lookup<'_>) -> Result<Option<String>, UsageError> {
    let Some(given) = lookup.text("client-metadata-url", &own.client_metadata_url) else {
        return Ok(None);
    };
    let text = given.text.trim();
    let usable = Url::parse(text).is_ok_and(|url| {
        let bare = url.username().is_empty() && url.password().is_none();
        let at_path = url.path().len() > 1 && url.fragment().is_none();
        // Whatever parsing changes, the dots included, another party would have to change alike.
        url.scheme() == "https" && bare && at_path && url.as_str() == text
    });
    let read = match usable {
        true => Ok(text.to_owned()),
        false => Err(UsageError::new(format!(
            "{} is no address that a client's metadata document can have",
            given.origin
        ))
        .with_hint("it begins with `https://`, has a path, no user name, no `#`, and no `.` or `..` between slashes, such as `https://client.example.com/mcp.json`")),
    };
    lookup.forgive(&given, read, "a client that is registered")
}

#[cfg(test)]
mod tests;
