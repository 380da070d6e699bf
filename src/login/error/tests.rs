//! Every refusal of a sign-in, in the words that a host gets.

use std::io;

use serde_json::json;
use url::Url;

use super::*;
use crate::ids::{Issuer, ResourceId};
use crate::jwt::Algorithm;
use crate::oauth::authorize::CallbackError as Brought;
use crate::oauth::device::DeviceError;
use crate::oauth::discovery::{AddressFault, DiscoveryError, Try};
use crate::oauth::dpop::DpopError;
use crate::oauth::flow::UnattendedError;
use crate::oauth::mode::AuthMode;
use crate::oauth::pushed::PushError;
use crate::oauth::registration::ClientAuthError;
use crate::oauth::registration::RegistrationError;
use crate::oauth::sign_in::FailureNote;
use crate::oauth::takeover::{Shared, Unfit};
use crate::oauth::token_endpoint::{Effect, Outage, OutageCause, Refusal};
use crate::untrusted::SHOWN;

/// What a hostile server writes wherever it can.
const EVIL: &str = "\u{1b}[2J\u{202e}\u{7}e\r\nv";

fn evil() -> String {
    format!("{EVIL}{}", "x".repeat(5000))
}

fn io_cause() -> Cause {
    Arc::new(io::Error::other("connection refused"))
}

fn refusal() -> Refusal {
    let body = json!({ "error": format!("odd{EVIL}"), "error_description": evil() });
    Refusal::read(400, body.to_string().as_bytes())
}

fn outage() -> TokenError {
    TokenError::Unavailable(Outage {
        effect: Effect::None,
        retry_after: None,
        cause: OutageCause::Network(io_cause()),
    })
}

fn url() -> Url {
    let path = "y".repeat(5000);
    Url::parse(&format!("https://as.example/{path}?code=SECRET_CODE")).unwrap()
}

fn issuer() -> Issuer {
    Issuer::new(evil())
}

fn note() -> FailureNote {
    FailureNote::after(
        None,
        "the sign-in was declined (RFC 6749 §4.1.2.1)".into(),
        false,
    )
}

fn tried() -> Vec<Try> {
    let one = Try {
        url: url(),
        outcome: "status 404".to_owned(),
    };
    vec![one; 30]
}

/// One error, the rule that it names, whether it names values, and what its hint has.
type Row = (FlowError, Option<&'static str>, bool, &'static str);

fn discovery() -> Vec<Row> {
    use DiscoveryError as D;
    let address = |fault| D::Address {
        what: "token endpoint",
        fault,
    };
    let rows = [
        (
            D::Unreachable {
                tried: tried(),
                cause: None,
                lasting: false,
            },
            None,
            "try again",
        ),
        (
            D::NotFound {
                issuer: issuer(),
                tried: tried(),
            },
            Some("RFC 8414 §3"),
            "operator",
        ),
        (
            D::ResourceMismatch {
                found: ResourceId::new(evil()),
                server: "https://m.example/mcp".to_owned(),
            },
            Some("RFC 9728 §3.3"),
            "`--resource`",
        ),
        (
            D::IssuerMismatch {
                expected: issuer(),
                found: issuer(),
            },
            Some("RFC 8414 §3.3"),
            "`--issuer`",
        ),
        (
            D::NoAuthorizationServer("`http://a/` is not secured by https".to_owned()),
            Some("MCP 2025-11-25, Authorization, Authorization Server Location"),
            "operator",
        ),
        (
            D::HeaderNotAccepted(vec![evil()]),
            Some("MCP 2025-11-25, Authorization, Token Requirements"),
            "operator",
        ),
        (
            address(AddressFault::NotAnAddress("x".to_owned())),
            Some("RFC 8414 §2"),
            "operator",
        ),
        (
            address(AddressFault::NotSecure("http://a/".to_owned())),
            Some("MCP 2025-11-25, Authorization, Communication Security"),
            "operator",
        ),
        (
            address(AddressFault::Decorated("https://a/".to_owned())),
            Some("RFC 6749 §3.1"),
            "operator",
        ),
        (
            D::Document {
                url: Box::new(url()),
                reason: "it has no `issuer`".to_owned(),
                rule: Some("RFC 8414 §2"),
            },
            Some("RFC 8414 §2"),
            "operator",
        ),
        (
            D::NoS256 {
                issuer: issuer(),
                listed: None,
            },
            Some("MCP 2025-11-25, Authorization, Authorization Code Protection"),
            "`--allow-missing-pkce-metadata`",
        ),
        (
            D::NoS256 {
                issuer: issuer(),
                listed: Some(vec![evil()]),
            },
            Some("MCP 2025-11-25, Authorization, Authorization Code Protection"),
            "operator",
        ),
    ];
    rows.into_iter()
        .map(|(error, rule, hint)| (FlowError::Discovery(error), rule, true, hint))
        .collect()
}

fn clients() -> Vec<Row> {
    use RegistrationError as R;
    let client = "`--static-oauth-client-info`";
    let rows = [
        (R::Closed(refusal()), Some("RFC 7591 §3"), true, client),
        (R::Refused(refusal()), Some("RFC 7591 §3.2.2"), true, client),
        (R::Unavailable(refusal()), None, true, "later"),
        (R::Unreachable(io_cause()), None, false, "later"),
        (
            R::Reply("it has no `client_id`".to_owned()),
            Some("RFC 7591 §3.2.1"),
            true,
            client,
        ),
        (
            R::AuthMethods(vec![evil()]),
            Some("RFC 7591 §2"),
            true,
            client,
        ),
    ];
    let registered = rows
        .into_iter()
        .map(|(error, rule, values, hint)| (FlowError::Registration(error), rule, values, hint));
    let others = [
        (
            FlowError::NoRegistration {
                issuer: issuer(),
                console: None,
            },
            Some("MCP 2025-11-25, Authorization, Client Registration Approaches"),
            true,
            client,
        ),
        (
            FlowError::NoRegistration {
                issuer: issuer(),
                console: Some("https://console.example/"),
            },
            Some("MCP 2025-11-25, Authorization, Client Registration Approaches"),
            true,
            client,
        ),
        (
            FlowError::OtherIssuersClient {
                client_id: evil(),
                bound_to: issuer(),
                wanted_at: issuer(),
            },
            Some("MCP 2026-07-28, Authorization, Client Registration"),
            true,
            "logout",
        ),
        (
            FlowError::ClientAuth(ClientAuthError::Methods(vec![evil()])),
            Some("RFC 8414 §2"),
            true,
            "`token_endpoint_auth_method`",
        ),
        (
            FlowError::ClientAuth(ClientAuthError::Algorithms {
                key: Algorithm::Es256,
                listed: vec![evil()],
            }),
            Some("RFC 8414 §2"),
            true,
            "`--client-assertion-key`",
        ),
    ];
    registered.chain(others).collect()
}

fn brought() -> Vec<Row> {
    let refused = |code: &str| {
        let body = json!({ "error": code, "error_description": "no" });
        Brought::Refused(Refusal::read(200, body.to_string().as_bytes()))
    };
    let rows = [
        (
            Brought::Declined(refusal()),
            Some("RFC 6749 §4.1.2.1"),
            false,
            "try again",
        ),
        (
            refused("server_error"),
            Some("RFC 6749 §4.1.2.1"),
            true,
            "operator",
        ),
        (
            refused("invalid_scope"),
            Some("RFC 6749 §4.1.2.1"),
            true,
            "`--scope`",
        ),
        (
            refused("unauthorized_client"),
            Some("RFC 6749 §4.1.2.1"),
            true,
            "`--static-oauth-client-info`",
        ),
        (
            refused("invalid_target"),
            Some("RFC 8707 §2"),
            true,
            "`--resource`",
        ),
        (
            Brought::OtherIssuer {
                expected: issuer(),
                found: issuer(),
            },
            Some("RFC 9207 §2.4"),
            true,
            "operator",
        ),
        (
            Brought::NoIssuer(issuer()),
            Some("RFC 9207 §2.4"),
            true,
            "operator",
        ),
        (
            Brought::Repeated("code".to_owned()),
            Some("RFC 6749 §3.1"),
            true,
            "operator",
        ),
        (Brought::NoCode, Some("RFC 6749 §4.1.2"), true, "operator"),
    ];
    rows.into_iter()
        .map(|(error, rule, values, hint)| (FlowError::SignIn(error), rule, values, hint))
        .collect()
}

fn tokens() -> Vec<Row> {
    let unusable = || TokenError::Unusable("status 200, but no access token".to_owned());
    let device = |error| FlowError::Device(DeviceError(error));
    let refused = Some("RFC 6749 §5.2");
    let polled = Some("RFC 8628 §3.5");
    use TokenError as T;
    vec![
        (
            FlowError::Exchange(T::GrantDead(refusal())),
            refused,
            true,
            "sign in",
        ),
        (
            FlowError::Token(T::ClientDead(refusal())),
            refused,
            true,
            "client",
        ),
        (
            FlowError::Exchange(T::InvalidScope(refusal())),
            refused,
            true,
            "`--scope`",
        ),
        (
            FlowError::Exchange(T::InvalidTarget(refusal())),
            Some("RFC 8707 §2"),
            true,
            "`--resource`",
        ),
        (
            FlowError::Pushed(PushError(T::InvalidTarget(refusal()))),
            Some("RFC 9126 §2.3"),
            true,
            "`--resource`",
        ),
        (
            FlowError::RedirectUriRefused {
                uri: evil(),
                client_id: evil(),
                refusal: refusal(),
            },
            Some("RFC 6749 §3.1.2.3"),
            true,
            "add this address to the client",
        ),
        (
            FlowError::Pushed(PushError(outage())),
            None,
            false,
            "try again",
        ),
        (FlowError::Token(outage()), None, false, "later"),
        (FlowError::Exchange(outage()), None, false, "try again"),
        (
            FlowError::Exchange(T::Refused(refusal())),
            refused,
            true,
            "sign in",
        ),
        (
            FlowError::Token(unusable()),
            Some("RFC 6749 §5.1"),
            false,
            "later",
        ),
        (
            FlowError::Exchange(unusable()),
            Some("RFC 6749 §5.1"),
            false,
            "try again",
        ),
        (
            FlowError::Exchange(T::Pending(refusal())),
            polled,
            true,
            "try again",
        ),
        (
            FlowError::Exchange(T::SlowDown(refusal())),
            polled,
            true,
            "try again",
        ),
        (
            FlowError::Exchange(T::Declined(refusal())),
            polled,
            true,
            "try again",
        ),
        (
            FlowError::Exchange(T::Expired(refusal())),
            polled,
            true,
            "try again",
        ),
        (
            device(T::Refused(refusal())),
            refused,
            true,
            "`--device-code`",
        ),
        (
            device(unusable()),
            Some("RFC 8628 §3.2"),
            false,
            "try again",
        ),
    ]
}

fn others() -> Vec<Row> {
    let step_up = "MCP 2025-11-25, Authorization, Step-Up Authorization Flow";
    vec![
        (FlowError::Store(io_cause()), None, false, "folder"),
        (FlowError::Lock(io_cause()), None, false, "mcp-drawbridge"),
        (FlowError::SignInLock(io_cause()), None, false, "browser"),
        (FlowError::Callback(io_cause()), None, false, "port"),
        (
            FlowError::NotTakenOver(Some(Unfit::OtherClient(evil()))),
            None,
            true,
            "`mcp-drawbridge login`",
        ),
        (
            FlowError::NotTakenOver(Some(Unfit::Shared(Shared::Running(42)))),
            None,
            false,
            "end mcp-remote",
        ),
        (
            FlowError::RedirectUri(evil()),
            Some("RFC 6749 §3.1.2"),
            true,
            "`--host`",
        ),
        (
            FlowError::NoAuthorizationEndpoint(issuer()),
            Some("RFC 6749 §3.1"),
            true,
            "`--authorization-endpoint`",
        ),
        (
            FlowError::Forbidden(io_cause()),
            Some("RFC 9728 §7.7"),
            false,
            "operator",
        ),
        (
            FlowError::Dpop(DpopError::Algorithms {
                whose: "authorization server",
                listed: vec![evil()],
            }),
            Some("RFC 9449 §5.1"),
            true,
            "operator",
        ),
        (FlowError::ProofKey(io_cause()), None, false, "try again"),
        (FlowError::TimedOut(600), None, false, "`--auth-timeout`"),
        (FlowError::TooManyAttempts, None, false, "wait"),
        (
            FlowError::ScopesNotGranted(vec![evil()]),
            Some(step_up),
            true,
            "`mcp-drawbridge login`",
        ),
        (
            FlowError::NoDeviceGrant(issuer()),
            Some("RFC 8628 §4"),
            true,
            "`--device-code`",
        ),
        (FlowError::NotConfirmed(600), None, false, "new code"),
        (FlowError::RefreshElsewhere(note()), None, false, "later"),
        (FlowError::SignInElsewhere(note()), None, false, "try again"),
        (
            FlowError::Unexpected {
                state: "a",
                event: "b",
            },
            None,
            false,
            "report",
        ),
    ]
}

/// Where nobody is asked.
fn unattended() -> Vec<Row> {
    let row = |error: UnattendedError, rule, has_values, hint| {
        (FlowError::Unattended(error), rule, has_values, hint)
    };
    let not_offered = UnattendedError::NotOffered {
        issuer: issuer(),
        grant: "client_credentials",
    };
    let by_client = AuthMode::ClientCredentials;
    vec![
        row(
            UnattendedError::Assertion(io_cause()),
            None,
            false,
            "current one",
        ),
        row(
            UnattendedError::Assertion(Arc::new(AssertionError::Variable("THE_JWT".to_owned()))),
            None,
            true,
            "`env`",
        ),
        row(
            UnattendedError::NoIdToken {
                origin: "the variable `SEED`".to_owned(),
            },
            Some("OpenID Connect Core §12.2"),
            true,
            "`--use-id-token`",
        ),
        row(not_offered, Some("RFC 8414 §2"), true, "operator"),
        row(
            UnattendedError::Exchange(TokenError::GrantDead(refusal())),
            Some("RFC 8693 §2.2.2"),
            true,
            "`--idp-id-token-file`",
        ),
        row(
            UnattendedError::Exchange(outage()),
            None,
            false,
            "try again",
        ),
        row(
            UnattendedError::Grant(by_client, TokenError::ClientDead(refusal())),
            Some("RFC 6749 §4.4"),
            true,
            "client",
        ),
        row(
            UnattendedError::RefusedBefore(AuthMode::Workload, refusal()),
            Some("RFC 7523 §3.1"),
            true,
            "",
        ),
        row(UnattendedError::TokenRefused, None, false, ""),
        row(UnattendedError::Elsewhere(note()), None, false, ""),
    ]
}

fn all() -> Vec<Row> {
    [
        discovery(),
        clients(),
        brought(),
        tokens(),
        unattended(),
        others(),
    ]
    .concat()
}

/// A number for each variant, so that none is forgotten: whoever adds one adds a row.
fn number(error: &FlowError) -> usize {
    use FlowError as F;
    match error {
        F::Store(_) => 0,
        F::Lock(_) => 1,
        F::SignInLock(_) => 2,
        F::Discovery(_) => 3,
        F::NoRegistration { .. } => 4,
        F::Registration(_) => 5,
        F::OtherIssuersClient { .. } => 6,
        F::Callback(_) => 7,
        F::RedirectUri(_) => 8,
        F::NoAuthorizationEndpoint(_) => 9,
        F::SignIn(_) => 10,
        F::TimedOut(_) => 11,
        F::TooManyAttempts => 12,
        F::ScopesNotGranted(_) => 13,
        F::NoDeviceGrant(_) => 14,
        F::Device(_) => 15,
        F::NotConfirmed(_) => 16,
        F::Token(_) => 17,
        F::Exchange(_) => 18,
        F::RefreshElsewhere(_) => 19,
        F::SignInElsewhere(_) => 20,
        F::Unexpected { .. } => 21,
        F::Forbidden(_) => 22,
        F::Dpop(_) => 23,
        F::ProofKey(_) => 24,
        F::Unattended(_) => 25,
        F::ClientAuth(_) => 26,
        F::Pushed(_) => 27,
        F::RedirectUriRefused { .. } => 28,
        F::NotTakenOver(_) => 29,
    }
}

#[test]
fn every_refusal_has_a_row() {
    let mut seen: Vec<usize> = all().iter().map(|(error, ..)| number(error)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, (0..=29).collect::<Vec<_>>());
}

#[test]
fn every_refusal_names_the_rule_the_values_and_what_to_do() {
    for (error, rule, has_values, hint) in all() {
        let error = LoginError::Flow {
            server: "m.example".to_owned(),
            error: Arc::new(error),
        };
        let failure = error.failure();
        let detail = &failure.detail;
        assert_eq!(failure.rule, rule, "{detail}");
        assert_eq!(failure.stage, Stage::Auth);
        let said = failure.hint.as_deref().unwrap_or_default();
        assert!(
            said.contains(hint),
            "`{hint}` is missing in `{said}`: {detail}"
        );
        let start = "cannot sign in to `m.example`: ";
        let rest = detail
            .strip_prefix(start)
            .unwrap_or_else(|| panic!("{detail}"));
        // What is too long is cut at the end, where the hint is; that stands by itself, too.
        let is_whole = !detail.ends_with('…');
        assert!(!is_whole || rest.ends_with(said), "{detail}");
        if let Some(rule) = rule.filter(|_| is_whole) {
            assert!(rest.contains(&format!(" ({rule}); ")), "{detail}");
        }
        let ticks =
            rest.matches('`').count() - said.matches('`').count().min(rest.matches('`').count());
        assert_eq!(ticks >= 2, has_values, "{detail}");
        assert!(detail.chars().count() <= DETAIL_LIMIT + 1, "{detail}");
        let odd = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!detail.contains(odd) && !said.contains(odd), "{detail:?}");
        assert!(!detail.contains("SECRET"), "{detail}");
    }
}

#[test]
fn no_piece_of_a_servers_text_is_long() {
    for (error, ..) in all() {
        let text = error.what();
        let longest = text.split('`').map(|piece| piece.chars().count()).max();
        assert!(longest.unwrap_or_default() <= SHOWN + 100, "{text}");
    }
}

#[test]
fn what_the_rim_says_of_its_own_fault_is_the_hint() {
    let taken = FlowError::Callback(Arc::new(CallbackError::Taken(3334)));
    let error = LoginError::Flow {
        server: "m.example".to_owned(),
        error: Arc::new(taken),
    };
    assert!(
        error
            .hint()
            .unwrap()
            .contains("end the program that uses it")
    );
    assert_eq!(LoginError::NotAsked.hint(), None);
    assert_eq!(LoginError::Closing.failure().rule, None);
}
