//! Forms that say who asks and prove it, and the endpoints beside the token endpoint that take such.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use http::HeaderValue;
use http::header::{AUTHORIZATION, HeaderMap};
use rand::RngCore;
use rand::rngs::OsRng;
use url::{Url, form_urlencoded};

use super::trying::Trying;
use crate::ids::display_url;
use crate::jwt::KeyError;
use crate::net::connections::Connections;
use crate::net::http::{Document, FetchError, post_form};
use crate::oauth::assertion::CLIENT_ASSERTION_TYPE;
use crate::oauth::device::DeviceRequest;
use crate::oauth::dpop::ProofKey;
use crate::oauth::pushed::PushRequest;
use crate::oauth::registration::{AuthMethod, Client};
use crate::oauth::token::Refusal;
use crate::secret::Secret;

/// Asks the device authorization endpoint for a code, whatever comes of it (RFC 8628 §3.1). A secret
/// that is refused in the header is tried in the body, as at the token endpoint.
pub async fn request_code(
    http: &Connections,
    request: &DeviceRequest,
) -> Result<Document, FetchError> {
    let DeviceRequest {
        endpoint, client, ..
    } = request;
    post_as(http, endpoint, client, &request.form(), None).await
}

/// Leaves an authorization request at the authorization server, whatever comes of it (RFC 9126 §2),
/// and proves that we have the key that it names (RFC 9449 §10.1).
pub async fn push(http: &Connections, request: &PushRequest) -> Result<Document, FetchError> {
    let PushRequest {
        endpoint, client, ..
    } = request;
    let form = request.form.iter();
    let form: Vec<_> = form.map(|(name, value)| (&**name, value.clone())).collect();
    post_as(http, endpoint, client, &form, request.proof_key.as_ref()).await
}

/// Posts a form to an endpoint that clients prove themselves to as they do to the token endpoint:
/// RFC 8628 §3.1, RFC 9126 §2. `form` is without what proves it. What is refused for the proofs
/// alone is sent again with others.
async fn post_as(
    http: &Connections,
    endpoint: &Url,
    client: &Client,
    form: &[(&str, String)],
    key: Option<&ProofKey>,
) -> Result<Document, FetchError> {
    let mut trying = Trying::new(client, endpoint, key);
    loop {
        let (mut headers, body) =
            proved_with_id(client, trying.method, form).map_err(|e| not_sent(endpoint, &e))?;
        let proof = trying.proving.prove(http, &mut headers);
        proof.map_err(|error| not_sent(endpoint, &error))?;
        let document = post_form(http, endpoint.clone(), headers, body).await?;
        let refusal = Refusal::read(document.status, &document.body);
        let error = refusal.error.as_deref();
        trying.proving.hear(http, &document.told, error);
        if !trying.goes_on(error) {
            return Ok(document);
        }
    }
}

/// The same as [`proved`], with `client_id` in the form as well where a header says who asks: a form
/// may have named the client itself, as an authorization request does.
fn proved_with_id(
    client: &Client,
    method: AuthMethod,
    form: &[(&str, String)],
) -> Result<(HeaderMap, String), KeyError> {
    let in_header = method == AuthMethod::ClientSecretBasic;
    let named = form.iter().any(|(name, _)| *name == "client_id");
    let id = ("client_id", client.client_id.clone());
    let form = form.iter().cloned();
    let form = form.chain((in_header && !named).then_some(id));
    proved(
        client,
        method,
        form.filter(|(name, _)| in_header || *name != "client_id"),
    )
}

/// Headers and body of a form that says who asks, and proves it in one of the two, never in both
/// (RFC 6749 §2.3).
pub(super) fn proved<'a>(
    client: &Client,
    method: AuthMethod,
    parameters: impl IntoIterator<Item = (&'a str, impl AsRef<str>)>,
) -> Result<(HeaderMap, String), KeyError> {
    let mut headers = HeaderMap::new();
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(parameters);
    match (method, &client.client_secret) {
        (AuthMethod::ClientSecretBasic, Some(secret)) => {
            headers.insert(AUTHORIZATION, basic(&client.client_id, secret));
        }
        (AuthMethod::ClientSecretPost, Some(secret)) => {
            form.append_pair("client_id", &client.client_id)
                .append_pair("client_secret", secret.expose());
        }
        _ if client.is_nobody() => {}
        _ => {
            form.append_pair("client_id", &client.client_id);
            if let Some(signed) = assertion(client, method)? {
                form.append_pair("client_assertion_type", CLIENT_ASSERTION_TYPE)
                    .append_pair("client_assertion", signed.expose());
            }
        }
    }
    Ok((headers, form.finish()))
}

/// A new assertion, if that is how the client proves itself. None is ever sent twice: servers
/// remember the identifiers of those that they have seen (RFC 7523 §3).
pub(super) fn assertion(client: &Client, method: AuthMethod) -> Result<Option<Secret>, KeyError> {
    let assertion = match (method, &client.assertion) {
        (AuthMethod::PrivateKeyJwt, Some(assertion)) => assertion,
        _ => return Ok(None),
    };
    let mut random = [0; 16];
    OsRng
        .try_fill_bytes(&mut random)
        .map_err(|_| KeyError::Signing)?;
    let jti = BASE64_URL_SAFE_NO_PAD.encode(random);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let claims = assertion.claims(&client.client_id, now, &jti);
    assertion.key.sign(assertion.header(), &claims).map(Some)
}

pub(super) fn not_sent(endpoint: &Url, error: &KeyError) -> FetchError {
    FetchError::NotSent {
        to: display_url(endpoint),
        cause: error.to_string(),
    }
}

/// RFC 6749 §2.3.1: both parts are form-encoded before they are joined.
fn basic(client_id: &str, secret: &Secret) -> HeaderValue {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(client_id), encode(secret.expose()));
    let encoded = BASE64_STANDARD.encode(pair);
    // Base64 is plain ASCII.
    let mut value = HeaderValue::try_from(format!("Basic {encoded}"))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}
