//! What a flow is given: settings, documents, tokens, answers.

use super::*;

pub(in crate::oauth) fn settings() -> Settings {
    Settings {
        server: ServerUrl::parse("https://m.example/mcp", false).unwrap(),
        client: None,
        document: None,
        initial_access_token: None,
        client_metadata: serde_json::Map::new(),
        resource: ResourceChoice::Discovered,
        scopes: None,
        authorize_params: Vec::new(),
        way: Way::Browser,
        redirect: Redirect {
            host: "localhost".to_owned(),
            port: None,
            own_client_port: 4712,
            any_port: false,
            path: "/oauth/callback".to_owned(),
        },
        auth_timeout: 300,
        allow_missing_pkce_metadata: false,
        dpop: dpop::Mode::Auto,
        issuer: None,
        endpoints: None,
        revocation_endpoint: None,
        audience: None,
        token_params: Vec::new(),
        pkce: true,
        known: Known::default(),
        use_id_token: false,
        take_over: Default::default(),
    }
}

pub(super) fn metadata(issuer: &str) -> String {
    format!(
        r#"{{"issuer":"{issuer}","authorization_endpoint":"{issuer}/authorize",
            "token_endpoint":"{issuer}/token","registration_endpoint":"{issuer}/register",
            "device_authorization_endpoint":"{issuer}/device_authorization",
            "revocation_endpoint":"{issuer}/revoke","code_challenge_methods_supported":["S256"]}}"#
    )
}

/// The answer of the device authorization endpoint; `members` replace those of the same name.
pub(super) fn device_code(count: usize, members: &str) -> String {
    let comma = if members.is_empty() { "" } else { "," };
    format!(
        r#"{{"device_code":"DEVICE_CODE_{count}","user_code":"USER-{count}",
            "verification_uri":"https://as.example/device","expires_in":600{comma}{members}}}"#
    )
}

pub(super) fn tokens(expires_at: Option<u64>) -> TokenSet {
    TokenSet {
        access_token: secret("OLD_ACCESS"),
        refresh_token: Some(secret("OLD_REFRESH")),
        token_type: "Bearer".to_owned(),
        expires_at,
        scopes: Vec::new(),
        id_token: None,
        proof_key: None,
    }
}

/// A grant of an hour's length that ends in so many seconds.
pub(super) fn grant(ends_in: i64) -> Grant {
    let end = NOW.checked_add_signed(ends_in).unwrap();
    Grant::new(
        Issuer::new(ISSUER),
        Some(ResourceId::new(RESOURCE)),
        scopes("read"),
        tokens(Some(end)),
        end - 3600,
    )
}

pub(super) fn client(id: &str) -> Client {
    Client {
        client_id: id.to_owned(),
        client_secret: None,
        client_secret_expires_at: None,
        auth_method: AuthMethod::None,
        redirect_uri: Some("http://localhost:4711/oauth/callback".to_owned()),
        management: None,
        registered: true,
        dpop_bound: false,
        ..Client::default()
    }
}

pub(super) fn known(client: Client) -> KnownClient {
    KnownClient {
        client,
        token_endpoint: Url::parse("https://as.example/token").unwrap(),
        resource_refused: false,
        revocation_endpoint: None,
    }
}

pub(super) fn sign_in(ends_in: i64) -> SignIn {
    SignIn {
        seeds: Vec::new(),
        taken_over: None,
        sends_id_token: false,
        server: "https://m.example/mcp".to_owned(),
        grant: Some(grant(ends_in)),
        clients: BTreeMap::from([(Issuer::new(ISSUER), known(client("OLD_CLIENT")))]),
        failures: Failures::default(),
    }
}

/// The cache after a sibling got this token.
pub(super) fn siblings(token: &str) -> SignIn {
    let mut sign_in = sign_in(3600);
    let grant = sign_in.grant.as_mut().unwrap();
    grant.tokens.access_token = secret(token);
    grant.tokens.refresh_token = Some(secret("SIBLINGS_REFRESH"));
    grant.granted_at = NOW + 1;
    sign_in
}

pub(super) fn refusal(error: &str) -> Refusal {
    Refusal {
        status: 400,
        error: Some(error.to_owned()),
        description: None,
    }
}

pub(super) fn dead_grant() -> Result<TokenSet, TokenError> {
    Err(TokenError::GrantDead(refusal("invalid_grant")))
}

pub(super) fn dead_client() -> Result<TokenSet, TokenError> {
    Err(TokenError::ClientDead(refusal("invalid_client")))
}

pub(super) fn down(effect: Effect) -> Result<TokenSet, TokenError> {
    Err(TokenError::Unavailable(Outage {
        effect,
        retry_after: None,
        cause: OutageCause::Network(cause("connection reset")),
    }))
}

pub(super) fn busy(retry_after: u64) -> Result<TokenSet, TokenError> {
    Err(TokenError::Unavailable(Outage {
        effect: Effect::None,
        retry_after: Some(retry_after),
        cause: OutageCause::Answer(Refusal {
            status: 503,
            ..Refusal::default()
        }),
    }))
}
