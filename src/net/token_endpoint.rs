//! Spends codes and refresh tokens at the token endpoint (RFC 6749 §4.1.3, §6; RFC 8628 §3), and asks
//! the endpoints beside it, where clients prove themselves in the same way.
//!
//! The oauth2 crate builds the requests for codes and refresh tokens, and reads the answers. In
//! between stands our own client, which bounds time and size, and [`answer`], which makes real
//! servers' answers ones that the crate takes. No error holds anything of a body except OAuth's own
//! `error` members: the body may be the tokens.

mod answer;
mod form;
mod proving;
mod revocation;
mod trying;

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
};
use oauth2::{
    AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError,
    StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use zeroize::Zeroize;

use super::connections::Connections;
use super::http::{Carried, Document, FORM, FetchError, LIMITS, Limits, post};
use crate::jwt::KeyError;
use crate::oauth::assertion::CLIENT_ASSERTION_TYPE;
use crate::oauth::grant;
use crate::oauth::grant::token_exchange::Issued;
use crate::oauth::registration::AuthMethod;
use crate::oauth::token::{
    Effect, GrantRequest, Outage, OutageCause, TokenError, TokenRequest, TokenSet,
};
use crate::secret::Secret;
use answer::{Answer, Extra, Kind};
use form::{assertion, proved};
pub use form::{push, request_code};
use proving::Proving;
pub use revocation::{RevokeError, TokenTypeHint, revoke};
use trying::Trying;

/// Servers that ask others before they answer take their time, and a code is spent only once.
const TOKEN_LIMITS: Limits = Limits {
    time: Duration::from_secs(30),
    ..LIMITS
};

type Response = StandardTokenResponse<Extra, Kind>;

type OAuth2 = oauth2::Client<
    BasicErrorResponse,
    Response,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// Asks for tokens. `now`, in seconds since the epoch, is what their lifetime counts from; take it
/// before the call, so that a slow answer does not lengthen it.
///
/// The request is sent once, with two exceptions. A server that answers `invalid_client` to a secret
/// in the header is asked again with the secret in the body. It has looked at nothing but the
/// client by then. Many read only the one or decode the header differently from RFC 6749 §2.3.1.
/// And one that refuses a proof for want of its nonce, or for the time in it, is asked again with
/// another (RFC 9449 §8): it has looked at nothing but the proof.
pub async fn request(
    http: &Connections,
    request: &TokenRequest,
    now: u64,
) -> Result<TokenSet, TokenError> {
    let response = respond(http, request).await?;
    token_set(&response, now)
        .checked(request.binding.as_ref())
        .map_err(|unusable| TokenError::Unusable(unusable.to_string()))
}

/// The same for a token exchange (RFC 8693), whose outcome is no token to be sent to a server.
pub async fn exchange_token(
    http: &Connections,
    request: &TokenRequest,
) -> Result<Issued, TokenError> {
    let response = respond(http, request).await?;
    Ok(Issued {
        token: Secret::new(response.access_token().secret()),
        issued_token_type: response.extra_fields().issued_token_type.clone(),
    })
}

async fn respond(http: &Connections, request: &TokenRequest) -> Result<Response, TokenError> {
    let key = request.binding.as_ref().map(|binding| &binding.key);
    let mut trying = Trying::new(&request.client, &request.endpoint, key);
    loop {
        let outcome = respond_to(http, request, trying.method, &trying.proving).await;
        let error = match &outcome {
            Err(TokenError::ClientDead(refusal)) => refusal.error.as_deref(),
            _ => None,
        };
        if !trying.goes_on(error) {
            return outcome;
        }
    }
}

async fn respond_to(
    http: &Connections,
    request: &TokenRequest,
    method: AuthMethod,
    proving: &Arc<Proving>,
) -> Result<Response, TokenError> {
    let oauth2 = client(request, method);
    // Owns what it needs: with borrowed parts the compiler cannot see that the whole is `Send`.
    let send = {
        let (http, request) = (http.clone(), Arc::new(request.clone()));
        let proving = proving.clone();
        move |asked: HttpRequest| send(http.clone(), request.clone(), proving.clone(), asked)
    };
    let mut extra = Vec::new();
    if let Some(resource) = &request.resource {
        extra.push(("resource", resource.as_str()));
    }
    let wanted = request.params.iter();
    extra.extend(wanted.map(|(name, value)| (name.as_str(), value.as_str())));
    // RFC 6749 §4.1.3 wants it of public clients only; servers built on the Python SDK look a client
    // up by it before they read the header.
    if method == AuthMethod::ClientSecretBasic {
        extra.push(("client_id", request.client.client_id.as_str()));
    }
    let proof = match &request.grant {
        GrantRequest::AuthorizationCode { .. } | GrantRequest::RefreshToken { .. } => {
            assertion(&request.client, method).map_err(unsigned)?
        }
        // What is sent without the crate is proved with the rest of the form.
        _ => None,
    };
    if let Some(signed) = &proof {
        extra.push(("client_assertion_type", CLIENT_ASSERTION_TYPE));
        extra.push(("client_assertion", signed.expose()));
    }
    let outcome = match &request.grant {
        GrantRequest::AuthorizationCode {
            code,
            redirect_uri,
            code_verifier,
        } => {
            let redirect = RedirectUrl::new(redirect_uri.clone())
                .map_err(|_| TokenError::Unusable("the redirect URI is no address".to_owned()))?;
            let mut asked = oauth2
                .exchange_code(AuthorizationCode::new(code.expose().to_owned()))
                .set_redirect_uri(std::borrow::Cow::Owned(redirect));
            if let Some(verifier) = code_verifier {
                let verifier = PkceCodeVerifier::new(verifier.expose().to_owned());
                asked = asked.set_pkce_verifier(verifier);
            }
            for (name, value) in extra {
                asked = asked.add_extra_param(name, value);
            }
            asked.request_async(&send).await
        }
        GrantRequest::RefreshToken { refresh_token } => {
            let token = RefreshToken::new(refresh_token.expose().to_owned());
            let mut asked = oauth2.exchange_refresh_token(&token);
            for (name, value) in extra {
                asked = asked.add_extra_param(name, value);
            }
            asked.request_async(&send).await
        }
        // The crate asks for a device's tokens until there is an answer; here, when to ask is not
        // ours to decide. Of the other grants it knows one only.
        GrantRequest::DeviceCode { .. }
        | GrantRequest::ClientCredentials { .. }
        | GrantRequest::JwtBearer { .. }
        | GrantRequest::TokenExchange(_) => {
            let form = grant::form(&request.grant).unwrap_or_default();
            extra.extend(form.iter().map(|(name, value)| (*name, value.as_ref())));
            let (headers, body) = proved(&request.client, method, extra).map_err(unsigned)?;
            let json = exchange(http, request, proving, headers, body).await?;
            serde_json::from_slice::<Response>(&json)
                .map_err(|_| RequestTokenError::Other(String::new()))
        }
    };
    outcome.map_err(without_body)
}

fn client(request: &TokenRequest, method: AuthMethod) -> OAuth2 {
    let mut oauth2 = oauth2::Client::new(ClientId::new(request.client.client_id.clone()))
        .set_token_uri(TokenUrl::from_url(request.endpoint.clone()));
    let auth_type = match method {
        AuthMethod::ClientSecretBasic => AuthType::BasicAuth,
        AuthMethod::ClientSecretPost | AuthMethod::None | AuthMethod::PrivateKeyJwt => {
            AuthType::RequestBody
        }
    };
    oauth2 = oauth2.set_auth_type(auth_type);
    match &request.client.client_secret {
        Some(secret) if !matches!(method, AuthMethod::None | AuthMethod::PrivateKeyJwt) => {
            oauth2.set_client_secret(ClientSecret::new(secret.expose().to_owned()))
        }
        _ => oauth2,
    }
}

/// What the oauth2 crate sends through: one exchange, whose answer it sees only if it is tokens.
async fn send(
    http: Connections,
    request: Arc<TokenRequest>,
    proving: Arc<Proving>,
    asked: HttpRequest,
) -> Result<HttpResponse, TokenError> {
    let (parts, body) = asked.into_parts();
    let mut headers = parts.headers;
    if let Some(value) = headers.get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
    }
    let body = String::from_utf8(body)
        .map_err(|_| TokenError::Unusable("the request is no text".to_owned()))?;
    let json = exchange(&http, &request, &proving, headers, body).await?;
    Ok(HttpResponse::new(json))
}

/// Sends a token request, and gives the answer as JSON that the oauth2 crate takes if it is tokens.
async fn exchange(
    http: &Connections,
    request: &TokenRequest,
    proving: &Proving,
    mut headers: HeaderMap,
    body: String,
) -> Result<Vec<u8>, TokenError> {
    headers.entry(CONTENT_TYPE).or_insert(FORM);
    proving.prove(http, &mut headers).map_err(unsigned)?;
    let carried = Carried::of(&headers, &body);
    let mut document = post(http, request.endpoint.clone(), headers, body, TOKEN_LIMITS)
        .await
        .map_err(unavailable)?;
    let mut answer = read(&document);
    // Some refuse with a status of success. What they say may repeat what they were sent.
    if matches!(answer, Answer::Refused(_)) {
        carried.hide(&mut document.body);
        answer = read(&document);
    }
    document.body.zeroize();
    let error = match &answer {
        Answer::Refused(refusal) => refusal.error.as_deref(),
        Answer::Tokens(_) | Answer::Unusable(_) => None,
    };
    proving.hear(http, &document.told, error);
    match answer {
        Answer::Tokens(json) => Ok(json),
        Answer::Refused(refusal) => {
            let wait = document.retry_after.map(|wait| wait.as_secs());
            Err(TokenError::from_refusal(&request.grant, refusal, wait))
        }
        Answer::Unusable(reason) => Err(TokenError::Unusable(reason)),
    }
}

fn read(document: &Document) -> Answer {
    let kind = document.content_type.as_deref();
    answer::read(document.status, kind, &document.body)
}

fn unavailable(error: FetchError) -> TokenError {
    if let FetchError::TooLarge { .. } | FetchError::Redirected { .. } = error {
        return TokenError::Unusable(error.to_string());
    }
    if let FetchError::Forbidden(forbidden) = &error {
        return TokenError::Unusable(format!("{forbidden}; {}", forbidden.hint()));
    }
    let effect = match error.may_have_been_processed() {
        true => Effect::Unknown,
        false => Effect::None,
    };
    TokenError::Unavailable(Outage {
        effect,
        retry_after: None,
        cause: OutageCause::Network(Arc::new(error)),
    })
}

/// The crate's other errors keep the body, so nothing of them is kept.
fn without_body(error: RequestTokenError<TokenError, BasicErrorResponse>) -> TokenError {
    match error {
        RequestTokenError::Request(error) => error,
        _ => TokenError::Unusable("its members are not as RFC 6749 §5.1 has them".to_owned()),
    }
}

fn token_set(response: &Response, now: u64) -> TokenSet {
    let scopes = response.scopes().into_iter().flatten();
    TokenSet {
        access_token: Secret::new(response.access_token().secret()),
        refresh_token: response
            .refresh_token()
            .map(|token| Secret::new(token.secret())),
        token_type: response.token_type().0.clone(),
        expires_at: response
            .expires_in()
            .map(|lifetime| now.saturating_add(lifetime.as_secs())),
        scopes: scopes.map(|scope| scope.to_string()).collect(),
        id_token: response.extra_fields().id_token.as_ref().map(Secret::new),
        proof_key: None,
    }
}

fn unsigned(error: KeyError) -> TokenError {
    TokenError::Unavailable(Outage {
        effect: Effect::None,
        retry_after: None,
        cause: OutageCause::Network(Arc::new(error)),
    })
}

#[cfg(test)]
mod tests;
