//! What the user configured about OAuth: client, metadata, scopes, resource, parameters.

use serde_json::{Map, Value};
use url::Url;

use super::expand::{expand, expand_or, in_json, unset};
use super::given::{Given, Lookup};
use super::{Resource, Surroundings};
use crate::cli::UsageError;
use crate::diag;
use crate::ids::{Issuer, ResourceId, is_loopback};
use crate::oauth::authorize::RESERVED;
use crate::oauth::registration::AuthMethod;
use crate::secret::Secret;

/// What a request for tokens consists of (RFC 6749 §4.1.3, §6; RFC 7523 §2; RFC 7636 §4.5; RFC 8628
/// §3.4; RFC 8693 §2.1), and what has an option of its own.
const RESERVED_TOKEN_PARAMS: [&str; 19] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "device_code",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "assertion",
    "subject_token",
    "subject_token_type",
    "actor_token",
    "actor_token_type",
    "requested_token_type",
    "scope",
    "resource",
    "audience",
];

/// How an authorization server answers.
const RESPONSE_MODE: &str = "response_mode";

/// What counts in place of a method of authentication that cannot be used.
pub(super) const USUAL_METHOD: &str = "the usual one";

/// A client as one option describes it.
pub(super) struct ClientInfo {
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub auth_method: Option<AuthMethod>,
    /// Whether it was given for this one process and not by the configuration file.
    pub typed: bool,
    /// Whether a mistake in it is left at a warning.
    pub is_forgiven: bool,
}

/// `--static-oauth-client-info`: JSON or `@file`, with `${VAR}` replaced before it is read.
pub(super) fn client_info(
    given: &Given,
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
) -> Result<ClientInfo, UsageError> {
    let written = text(given, around)?;
    let expanded = |encode: fn(&str) -> String| match lookup.forgives(given) {
        false => expand(&written, &given.origin, around.env, encode),
        true => expand_or(&written, around.env, encode, |missing| {
            lookup.warn(unset(&given.origin, missing));
            Ok(())
        }),
    };
    // Placeholders stand inside JSON strings, so values are written as such strings hold them. Where
    // one stands for more than a string, as it may in mcp-remote, its value is JSON itself.
    let object = match object(&expanded(in_json)?, given) {
        Err(_) if lookup.forgives(given) && written.contains("${") => {
            object(&expanded(str::to_owned)?, given)?
        }
        read => read?,
    };
    let member = |name: &str| match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
        Some(_) => Err(UsageError::new(format!(
            "`{name}` in {} is not a text of at least one character",
            given.origin
        ))),
    };
    let client_id = member("client_id")?.ok_or_else(|| {
        UsageError::new(format!("{} has no `client_id`", given.origin))
            .with_hint("it is the identifier that the provider gave to your OAuth client")
    })?;
    // Some write an empty one for a client that has none.
    let client_secret = match object.get("client_secret") {
        Some(Value::String(text)) if text.is_empty() => None,
        _ => member("client_secret")?.map(Secret::new),
    };
    let auth_method = || {
        match member("token_endpoint_auth_method")? {
        None => Ok(None),
        Some(name) => AuthMethod::from_name(name).map(Some).ok_or_else(|| {
            UsageError::new(format!(
                "`token_endpoint_auth_method` in {} is `{}`; it must be `none`, `client_secret_basic`, `client_secret_post` or `private_key_jwt`",
                given.origin,
                diag::clean_to(name, 60)
            ))
        }),
    }
    };
    // mcp-remote passes over a method that it does not know.
    let auth_method = lookup.forgive(given, auth_method(), USUAL_METHOD)?;
    Ok(ClientInfo {
        client_id: client_id.to_owned(),
        client_secret,
        auth_method: auth_method.flatten(),
        typed: false,
        is_forgiven: lookup.forgives(given),
    })
}

/// Members of a registration, with the scopes that they force, if they name any.
type Metadata = (Map<String, Value>, Option<Vec<String>>);

/// `--static-oauth-client-metadata`: JSON or `@file`, taken as it is.
pub(super) fn client_metadata(
    given: &Given,
    around: &Surroundings<'_>,
    lookup: &Lookup<'_>,
) -> Result<Metadata, UsageError> {
    let json = json(&text(given, around)?, given)?;
    // To mcp-remote, `null` and the like are metadata without members.
    let read = lookup.forgive(given, as_object(json, given), "the usual metadata")?;
    let mut metadata = read.unwrap_or_default();
    let scopes = metadata_scopes(&metadata);
    let scopes = match lookup.forgive(given, scopes, "what the server names")? {
        Some(scopes) => scopes,
        None => {
            metadata.remove("scope");
            None
        }
    };
    Ok((metadata, scopes))
}

fn metadata_scopes(metadata: &Map<String, Value>) -> Result<Option<Vec<String>>, UsageError> {
    let origin = "`scope` in `--static-oauth-client-metadata`";
    match metadata.get("scope") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => scopes(text, origin).map(Some),
        Some(_) => Err(UsageError::new(format!(
            "{origin} must be a text with scopes separated by spaces"
        ))),
    }
}

/// Scopes separated by spaces (RFC 6749 §3.3), in the given order, each once.
pub(super) fn scopes(text: &str, origin: &str) -> Result<Vec<String>, UsageError> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in text.split_whitespace() {
        if !scope
            .chars()
            .all(|c| matches!(c, '!' | '#'..='[' | ']'..='~'))
        {
            return Err(UsageError::new(format!(
                "{origin} contains `{scope}`; a scope consists of visible ASCII characters without `\"` and `\\`"
            )));
        }
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    match scopes.is_empty() {
        true => Err(UsageError::new(format!("{origin} names no scope"))
            .with_hint("leave it out to ask for what the server needs")),
        false => Ok(scopes),
    }
}

/// `--issuer`: an absolute https address, http on this machine, kept exactly as it is written.
pub(super) fn issuer(given: &Given) -> Result<Issuer, UsageError> {
    let usable = Url::parse(&given.text)
        .is_ok_and(|url| url.scheme() == "https" || (url.scheme() == "http" && is_loopback(&url)));
    match usable {
        true => Ok(Issuer::new(given.text.clone())),
        false => Err(UsageError::new(format!(
            "{} is `{}`; it must be an https address",
            given.origin, given.text
        ))),
    }
}

/// `--resource`: an absolute URI without a fragment (RFC 8707 §2); empty for none at all.
pub(super) fn resource(given: &Given, lookup: &Lookup<'_>) -> Result<Resource, UsageError> {
    let mut text = given.text.trim();
    if let Some((before, _)) = text.split_once('#')
        && lookup.forgives(given)
    {
        lookup.warn(format!(
            "the resource in {} contains a `#` part, which RFC 8707 forbids; it is left out",
            given.origin
        ));
        text = before;
    }
    if text.is_empty() {
        return Ok(Resource::Omitted);
    }
    match Url::parse(text) {
        Ok(url) if url.fragment().is_none() => Ok(Resource::Given(ResourceId::new(text))),
        Ok(_) => Err(UsageError::new(format!(
            "the resource in {} contains a `#` part",
            given.origin
        ))),
        Err(_) => Err(UsageError::new(format!(
            "the resource in {} is not an absolute URI",
            given.origin
        ))
        .with_hint("write for example `--resource https://mcp.example.com/`")),
    }
}

/// Parameters for the authorization address.
pub(super) struct AuthorizeParams {
    /// As they were given.
    pub given: Vec<(String, String)>,
    /// Those that are sent.
    pub sent: Vec<(String, String)>,
}

/// `--authorize-param key=value`; of two with one key the later counts.
pub(super) fn authorize_params(
    list: &[Given],
    lookup: &Lookup<'_>,
) -> Result<AuthorizeParams, UsageError> {
    let example = "write for example `--authorize-param prompt=consent`";
    let params = params(list, example, |key, _, origin| {
        // RFC 6749 §4.1.1, RFC 7636 §4.3: these bind the answer to this attempt.
        RESERVED.contains(&key).then(|| {
            UsageError::new(format!(
                "{origin} sets `{key}`, which secures the sign-in and cannot be changed"
            ))
        })
    })?;
    let mode = |given: &&Given| {
        let param = given.text.split_once('=');
        param.is_some_and(|(key, _)| key.trim() == RESPONSE_MODE)
    };
    let is_other = |(key, value): &(String, String)| key == RESPONSE_MODE && value != "query";
    let mut sent = params.clone();
    // What comes back in another form than a query is not understood here.
    if let Some(given) = list.iter().rfind(mode)
        && params.iter().any(is_other)
    {
        let error = UsageError::new(format!(
            "{} sets `{RESPONSE_MODE}` to something else than `query`, in which the answer would not arrive",
            given.origin
        ));
        lookup.forgive::<()>(given, Err(error), "`query`")?;
        sent.retain(|param| !is_other(param));
    }
    Ok(AuthorizeParams {
        given: params,
        sent,
    })
}

/// `--token-param key=value`; of two with one key the later counts.
pub(super) fn token_params(list: &[Given]) -> Result<Vec<(String, String)>, UsageError> {
    let example = "write for example `--token-param tenant=example`";
    params(list, example, |key, _, origin| {
        let taken = RESERVED_TOKEN_PARAMS.contains(&key);
        let option = ["scope", "resource", "audience"].contains(&key);
        let error = || {
            UsageError::new(format!(
                "{origin} sets `{key}`, which requests for tokens have already"
            ))
        };
        taken.then(|| match option {
            true => error().with_hint(format!("use `--{key}` for it")),
            false => error(),
        })
    })
}

fn params(
    list: &[Given],
    example: &str,
    refused: impl Fn(&str, &str, &str) -> Option<UsageError>,
) -> Result<Vec<(String, String)>, UsageError> {
    let mut params: Vec<(String, String)> = Vec::new();
    for given in list {
        let (key, value) = given
            .text
            .split_once('=')
            // Blanks around a key are never meant; mcp-remote takes them away, too.
            .map(|(key, value)| (key.trim(), value))
            .filter(|(key, _)| !key.is_empty())
            .ok_or_else(|| {
                UsageError::new(format!("{} is not of the form `key=value`", given.origin))
                    .with_hint(example)
            })?;
        if let Some(error) = refused(key, value, &given.origin) {
            return Err(error);
        }
        params.retain(|(known, _)| known != key);
        params.push((key.to_owned(), value.to_owned()));
    }
    Ok(params)
}

/// The value itself, or the content of the file it names after `@`.
fn text(given: &Given, around: &Surroundings<'_>) -> Result<String, UsageError> {
    match given.text.strip_prefix('@') {
        Some(path) => given.read_text(path, around),
        None => Ok(given.text.clone()),
    }
}

/// Reads an object.
fn object(text: &str, given: &Given) -> Result<Map<String, Value>, UsageError> {
    as_object(json(text, given)?, given)
}

fn as_object(json: Value, given: &Given) -> Result<Map<String, Value>, UsageError> {
    match json {
        Value::Object(object) => Ok(object),
        _ => Err(UsageError::new(format!(
            "{} is not a JSON object",
            given.origin
        ))),
    }
}

/// Reads JSON. The text may hold a secret, so only the place of a mistake is told.
fn json(text: &str, given: &Given) -> Result<Value, UsageError> {
    serde_json::from_str(text).map_err(|error| {
        UsageError::new(format!(
            "{} is not valid JSON: mistake at line {}, column {}",
            given.origin,
            error.line(),
            error.column()
        ))
        .with_hint("where quotes get lost on the way, put the JSON into a file and give `@FILE`")
    })
}
