//! One metadata document: whether it may be believed, and what it says.

use url::Url;

use super::{AuthorizationServer, Leads, Rules};
use crate::ids::Issuer;
use crate::oauth::discovery::{DiscoveryError, learnt_address};
use crate::oauth::document::Object;

/// Reads a document that was found at `url` in the search for `expected`. `guessed` says that this
/// issuer is the MCP server's own origin, which nobody named.
pub(super) fn read(
    object: &Object,
    url: Url,
    expected: &Issuer,
    guessed: bool,
    rules: Rules<'_>,
) -> Result<AuthorizationServer, DiscoveryError> {
    let breaks = |rule, reason: &str| DiscoveryError::Document {
        url: Box::new(url.clone()),
        reason: reason.to_owned(),
        rule: Some(rule),
    };
    let bad = |reason: &str| breaks("RFC 8414 §2", reason);
    let issuer = match object.text("issuer") {
        Some(issuer) => believed(issuer, expected, rules)?,
        // Servers of MCP 2025-03-26 knew no such rule.
        None if guessed => rules.issuer.unwrap_or(expected).clone(),
        None => return Err(bad("it has no `issuer`")),
    };
    let endpoint = |what, name| match object.text(name) {
        None => Ok(None),
        Some(text) => learnt_address(text, rules.server)
            .map(Some)
            .map_err(|fault| DiscoveryError::Address { what, fault }),
    };
    let authorization_endpoint = endpoint("authorization endpoint", "authorization_endpoint");
    let authorization_endpoint = match rules.leads {
        Leads::Browser => {
            Some(authorization_endpoint?.ok_or_else(|| bad("it has no `authorization_endpoint`"))?)
        }
        Leads::Device | Leads::TokenEndpoint => authorization_endpoint.ok().flatten(),
    };
    let token_endpoint = endpoint("token endpoint", "token_endpoint")?
        .ok_or_else(|| bad("it has no `token_endpoint`"))?;
    if rules.leads == Leads::Browser {
        check_authorization(object).map_err(|(rule, reason)| breaks(rule, reason))?;
        if rules.pkce {
            let allow_missing = guessed || rules.allow_missing_pkce_metadata;
            check_pkce(object, &issuer, allow_missing)?;
        }
    }
    let require_pushed_authorization_requests =
        object.flag("require_pushed_authorization_requests");
    let pushed = endpoint(
        "pushed authorization request endpoint",
        "pushed_authorization_request_endpoint",
    );
    let pushed = match require_pushed_authorization_requests && rules.leads == Leads::Browser {
        true => pushed?,
        false => pushed.ok().flatten(),
    };
    let device = endpoint(
        "device authorization endpoint",
        "device_authorization_endpoint",
    );
    Ok(AuthorizationServer {
        issuer,
        authorization_endpoint,
        pushed_authorization_request_endpoint: pushed,
        require_pushed_authorization_requests,
        token_endpoint,
        device_authorization_endpoint: match rules.leads {
            Leads::Device => device?,
            Leads::Browser | Leads::TokenEndpoint => device.ok().flatten(),
        },
        registration_endpoint: endpoint("registration endpoint", "registration_endpoint")?,
        // Only wanted for signing out; a bad one is no reason not to sign in.
        revocation_endpoint: endpoint("revocation endpoint", "revocation_endpoint")
            .ok()
            .flatten(),
        scopes_supported: object.texts("scopes_supported").unwrap_or_default(),
        grant_types: object.texts("grant_types_supported"),
        auth_methods: object.texts("token_endpoint_auth_methods_supported"),
        auth_signing_algorithms: object.texts("token_endpoint_auth_signing_alg_values_supported"),
        client_id_metadata_documents: object.flag("client_id_metadata_document_supported"),
        iss_supported: object.flag("authorization_response_iss_parameter_supported"),
        dpop_algorithms: object.texts("dpop_signing_alg_values_supported"),
    })
}

/// What the way through the authorization endpoint needs; otherwise which rule says so, and what is
/// wrong.
fn check_authorization(object: &Object) -> Result<(), (&'static str, &'static str)> {
    if let Some(types) = object.texts("response_types_supported")
        && !types.iter().any(|kind| kind == "code")
    {
        return Err(("RFC 8414 §2", "it does not offer the response type `code`"));
    }
    let pushed = object.get("pushed_authorization_request_endpoint");
    match object.flag("require_pushed_authorization_requests") && pushed.is_none() {
        true => Err((
            "RFC 9126 §5",
            "it requires pushed authorization requests, and has no `pushed_authorization_request_endpoint`",
        )),
        false => Ok(()),
    }
}

/// RFC 8414 §3.3: the issuer in the document is the one that was asked for, character by character.
///
/// One spelling is tolerated, as official SDKs write either: the slash that stands alone behind a
/// host. What the document says is what `iss` is compared with later.
fn believed(found: &str, expected: &Issuer, rules: Rules<'_>) -> Result<Issuer, DiscoveryError> {
    let bare = |text: &str| {
        Url::parse(text)
            .ok()
            .filter(|url| url.path() == "/" && url.query().is_none())
            .map(|_| text.strip_suffix('/').unwrap_or(text).to_owned())
    };
    let same = match rules.issuer {
        Some(named) => named.as_str() == found,
        None => {
            found == expected.as_str()
                || is_named(found, rules)
                || bare(found).is_some_and(|found| bare(expected.as_str()) == Some(found))
        }
    };
    match same {
        true => Ok(Issuer::new(found)),
        false => Err(DiscoveryError::IssuerMismatch {
            expected: rules.issuer.unwrap_or(expected).clone(),
            found: Issuer::new(found),
        }),
    }
}

/// Whether this issuer is believed wherever it is found: by the user's word, or by what is known
/// about the MCP server.
pub(super) fn is_named(issuer: &str, rules: Rules<'_>) -> bool {
    rules.issuer.is_some_and(|named| named.as_str() == issuer)
        || rules.known.is_some_and(|row| row.issuers.contains(&issuer))
}

/// MCP 2025-11-25, Authorization, Authorization Code Protection: without a word on S256 the
/// authorization server may ignore the challenge, and then a stolen code is worth something.
fn check_pkce(object: &Object, issuer: &Issuer, allow_missing: bool) -> Result<(), DiscoveryError> {
    let listed = object.get("code_challenge_methods_supported").map(|_| {
        object
            .texts("code_challenge_methods_supported")
            .unwrap_or_default()
    });
    match listed {
        Some(methods) if methods.iter().any(|method| method == "S256") => Ok(()),
        None if allow_missing => Ok(()),
        listed => Err(DiscoveryError::NoS256 {
            issuer: issuer.clone(),
            listed,
        }),
    }
}
