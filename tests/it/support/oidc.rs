//! The peer with the certified authorization server oidc-provider: what it counted, and what it can be made to do.

use std::fmt;
use std::ops::{Deref, Sub};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::peers::{Kind, Server};

/// The MCP server of the official SDK behind oidc-provider, whose refresh tokens rotate and whose grants end when one is used
/// again. Everything a [`Server`] can do, and more. Ends when dropped.
pub struct OidcProvider(Server);

/// Makes a struct of numbers that has a zero and can be subtracted.
macro_rules! counts {
    ($(#[$attribute:meta])* pub struct $name:ident { $($member:ident),+ $(,)? }) => {
        $(#[$attribute])*
        pub struct $name { $(pub $member: u64),+ }

        impl $name {
            /// Nothing happened.
            pub const fn none() -> Self {
                Self { $($member: 0),+ }
            }
        }

        impl Sub for $name {
            type Output = Self;

            /// What happened since an earlier count.
            fn sub(self, earlier: Self) -> Self {
                Self { $($member: self.$member - earlier.$member),+ }
            }
        }
    };
}

counts! {
    /// What has happened so far; `tests/peers/node/oidc-counts.mjs` says what each number counts.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Counts {
        registrations,
        deletions,
        authorizations,
        authorizations_refused,
        code_exchanges,
        refreshes,
        device_exchanges,
        client_credentials,
        pushed,
        pushed_proven,
        code_exchanges_refused,
        refreshes_refused,
        device_exchanges_refused,
        client_credentials_refused,
        reuses,
        grants_revoked,
        faults,
        tokens_refused,
        tokens_missing,
        proofs,
        proofs_refused,
        nonces_asked,
        server_errors,
    }
}

/// What is going on right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct Pending {
    /// Faults that no token request has met yet.
    pub faults_left: u64,
    /// Token requests that are being held.
    pub held: u64,
    /// Browsers that are being held at the page for signing in or agreeing.
    pub browsers_held: u64,
}

/// What happens to a token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered 500, and nothing was done.
    FailsBefore,
    /// It is answered 500, although the tokens were issued and the refresh token was rotated away.
    FailsAfter,
    /// The connection is cut, and nothing was done.
    CutBefore,
    /// The connection is cut after the tokens were issued.
    CutAfter,
    /// It waits for [`OidcProvider::release`] and is then done, even if nobody waits for the answer any more.
    HeldBefore,
    /// It is done, and the answer waits for [`OidcProvider::release`].
    HeldAfter,
}

/// What people do who are sent to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Person {
    Approves,
    Denies,
    /// Nothing until told otherwise; the browser waits.
    Hesitates,
}

/// Whether tokens are bound to a key (RFC 9449).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dpop {
    /// Nobody speaks of it.
    #[default]
    Unknown,
    /// It is offered; tokens without a key are good as well.
    Optional,
    /// The MCP server takes no other tokens.
    Required,
}

/// Who may register a client (RFC 7591).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Registration {
    #[default]
    Open,
    /// Whoever has this initial access token.
    Token(&'static str),
    /// Nobody; clients are those of [`Switches::clients`].
    Off,
}

/// Whether the MCP server takes ID tokens in place of access tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdTokens {
    /// It takes access tokens, as it should.
    #[default]
    Refused,
    /// It takes them alone.
    Taken,
    /// The same, and the answer to a refresh has none (OpenID Connect Core §12.2).
    AtSignInOnly,
}

/// How a provider differs from the one of [`OidcProvider::start`].
#[derive(Clone, Debug, Default)]
pub struct Switches {
    /// Authorization requests must be pushed (RFC 9126).
    pub pushed: bool,
    pub dpop: Dpop,
    /// Proofs need a nonce, of the provider's and of the MCP server's.
    pub nonces: bool,
    /// The issuer's path, such as `/tenant/acme`.
    pub path: &'static str,
    /// `resource` (RFC 8707) is not known; tokens have no audience.
    pub no_resource_indicators: bool,
    pub registration: Registration,
    /// Metadata (RFC 7591 §2) of clients that are known from the start.
    pub clients: Vec<Value>,
    /// There is no metadata of RFC 8414.
    pub openid_discovery_only: bool,
    pub id_tokens: IdTokens,
}

impl Switches {
    fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut add = |wanted: bool, words: &[&str]| {
            if wanted {
                arguments.extend(words.iter().map(|word| (*word).to_owned()));
            }
        };
        add(self.pushed, &["--par"]);
        match self.dpop {
            Dpop::Unknown => {}
            Dpop::Optional => add(true, &["--dpop", "optional"]),
            Dpop::Required => add(true, &["--dpop", "required"]),
        }
        add(self.nonces, &["--nonces"]);
        add(!self.path.is_empty(), &["--path", self.path]);
        add(self.no_resource_indicators, &["--no-resource-indicators"]);
        match self.registration {
            Registration::Open => {}
            Registration::Token(token) => add(true, &["--initial-access-token", token]),
            Registration::Off => add(true, &["--no-registration"]),
        }
        for client in &self.clients {
            add(true, &["--client", &client.to_string()]);
        }
        add(self.openid_discovery_only, &["--openid-discovery-only"]);
        match self.id_tokens {
            IdTokens::Refused => {}
            IdTokens::Taken => add(true, &["--id-tokens", "always"]),
            IdTokens::AtSignInOnly => add(true, &["--id-tokens", "at-sign-in"]),
        }
        arguments
    }
}

impl OidcProvider {
    /// Starts it on free ports and waits until it listens. Access tokens live for an hour.
    pub fn start() -> Self {
        Self::with(&Switches::default())
    }

    /// The same with these differences.
    pub fn with(switches: &Switches) -> Self {
        Self(Server::start_with(
            Kind::OidcProvider,
            &switches.arguments(),
        ))
    }

    /// What it has counted so far.
    pub fn counts(&self) -> Counts {
        let mut all = self.control("/counts");
        let members = all.as_object_mut().expect("an object of counts");
        members.remove("now");
        serde_json::from_value(all).expect("the counts of the peer")
    }

    /// What is going on right now.
    pub fn pending(&self) -> Pending {
        let now = self.control("/counts")["now"].take();
        serde_json::from_value(now).expect("what is going on at the peer")
    }

    /// Waits until what is going on is as wanted; fails after a while.
    pub fn wait_for(&self, wanted: impl Fn(&Pending) -> bool) -> Pending {
        wait(|| self.pending(), wanted)
    }

    /// Waits until it has counted what is wanted; fails after a while.
    pub fn wait_for_counts(&self, wanted: impl Fn(&Counts) -> bool) -> Counts {
        wait(|| self.counts(), wanted)
    }

    /// How long access tokens live that are issued from now on.
    pub fn set_access_token_seconds(&self, seconds: u64) {
        self.done(&format!("/access-token-seconds?n={seconds}"));
    }

    /// Every access token that was issued so far is past its end.
    pub fn expire_access_tokens(&self) {
        self.done("/expire");
    }

    /// Every access token that was issued so far is unknown; refresh tokens are good.
    pub fn revoke_access_tokens(&self) {
        self.done("/forget-access-tokens");
    }

    /// Every ID token that was issued so far is refused by the MCP server.
    pub fn refuse_id_tokens(&self) {
        self.done("/refuse-id-tokens");
    }

    /// Every grant is gone, as when the user withdraws it on a page of the provider. Not counted in `grants_revoked`.
    pub fn revoke_grants(&self) {
        self.done("/revoke-grants");
    }

    /// Every registered client is unknown. Its grants and tokens are still there, and access tokens still good.
    pub fn forget_clients(&self) {
        self.done("/forget-clients");
    }

    /// Calls of tools need this scope as well from now on; `mcp:admin` and `mcp:audit` are to be had.
    pub fn require_scope(&self, scope: &str) {
        self.done(&format!("/require?scope={scope}"));
    }

    /// What people do from now on, those included who hesitate.
    pub fn people(&self, person: Person) {
        let answer = match person {
            Person::Approves => "approve",
            Person::Denies => "deny",
            Person::Hesitates => "hold",
        };
        self.done(&format!("/interactions?answer={answer}"));
    }

    /// A person types the code that a device shows, signs in and agrees.
    pub fn approve_device(&self, user_code: &str) {
        self.done(&format!("/approve-device?user_code={user_code}"));
    }

    /// The next `times` token requests meet this fault, after those of earlier calls. `grant_type` limits it to such requests.
    pub fn fault(&self, fault: Fault, times: u64, grant_type: Option<&str>) {
        let (what, when) = match fault {
            Fault::FailsBefore => ("500", "before"),
            Fault::FailsAfter => ("500", "after"),
            Fault::CutBefore => ("cut", "before"),
            Fault::CutAfter => ("cut", "after"),
            Fault::HeldBefore => ("hold", "before"),
            Fault::HeldAfter => ("hold", "after"),
        };
        let grant = grant_type.map(|name| format!("&grant={name}"));
        self.done(&format!(
            "/fault?what={what}&when={when}&times={times}{}",
            grant.unwrap_or_default()
        ));
    }

    /// Lets every held token request go on. Later ones are held if a fault is left for them.
    pub fn release(&self) {
        self.done("/release");
    }

    /// No request meets a fault any more; those that are held go on.
    pub fn clear_faults(&self) {
        self.done("/clear-faults");
    }

    fn done(&self, path: &str) {
        assert_eq!(self.control(path), Value::Null, "control {path}");
    }
}

impl Deref for OidcProvider {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.0
    }
}

fn wait<T: fmt::Debug>(look: impl Fn() -> T, wanted: impl Fn(&T) -> bool) -> T {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = look();
        if wanted(&seen) {
            return seen;
        }
        assert!(Instant::now() < end, "waited in vain: {seen:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A client that automation uses, which a person registered by hand.
pub fn automation(secret: &str) -> Value {
    json!({
        "client_id": "automation",
        "client_secret": secret,
        "application_type": "native",
        "redirect_uris": ["http://localhost/oauth/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "client_secret_basic",
    })
}
