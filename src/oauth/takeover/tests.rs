use url::Url;

use super::*;
use crate::oauth::flow::ConfiguredClient;
use crate::oauth::flow::tests_settings as settings;

const NOW: u64 = 1_800_000_000;
const ISSUER: &str = "https://as.example";

fn server() -> AuthorizationServer {
    let token_endpoint = Url::parse("https://as.example/token").expect("an address");
    AuthorizationServer::bare(Issuer::new(ISSUER), token_endpoint)
}

fn offer() -> Offer {
    Offer {
        tokens: TokenSet {
            access_token: Secret::new("ACCESS"),
            refresh_token: Some(Secret::new("REFRESH")),
            token_type: "bearer".to_owned(),
            expires_at: Some(NOW + 3000),
            scopes: vec!["read".to_owned()],
            id_token: None,
            proof_key: None,
        },
        written_at: NOW - 600,
        issuer: Some(Issuer::new(ISSUER)),
        client: Some(client("CLIENT")),
        requested_scopes: vec!["read".to_owned(), "write".to_owned()],
        source: Source {
            program: "mcp-remote",
            mark: "MARK".to_owned(),
        },
        shared: None,
    }
}

fn client(id: &str) -> OfferedClient {
    OfferedClient {
        client_id: id.to_owned(),
        client_secret: None,
        client_secret_expires_at: None,
        auth_method: Some(AuthMethod::None),
        redirect_uris: vec!["http://localhost:41409/oauth/callback".to_owned()],
    }
}

fn judged(offer: Offer) -> Verdict {
    judged_with(offer, &settings(), None)
}

fn judged_with(offer: Offer, settings: &Settings, rejected: Option<&Secret>) -> Verdict {
    let resource = ResourceId::new("https://m.example/mcp");
    offer.judge(&Wanted {
        settings,
        server: &server(),
        resource: Some(&resource),
        resource_refused: false,
        rejected,
        now: NOW,
    })
}

fn changed(change: impl FnOnce(&mut Offer)) -> Offer {
    let mut offer = offer();
    change(&mut offer);
    offer
}

#[track_caller]
fn taken(verdict: Verdict) -> Taken {
    match verdict {
        Verdict::Take(taken) => *taken,
        other => panic!("{other:?}"),
    }
}

#[test]
fn tokens_client_scopes_times_and_redirect_uri_are_taken_over() {
    let taken = taken(judged(offer()));
    let grant = &taken.grant;
    assert_eq!(grant.issuer, Issuer::new(ISSUER));
    assert_eq!(grant.tokens, offer().tokens);
    assert_eq!(grant.requested_scopes, ["read", "write"]);
    assert_eq!((grant.granted_at, grant.refreshed_at), (NOW - 600, None));
    let known = &taken.client;
    assert_eq!(known.token_endpoint.as_str(), "https://as.example/token");
    assert_eq!(known.client.client_id, "CLIENT");
    assert!(known.client.registered);
    let uri = known.client.redirect_uri.as_deref();
    assert_eq!(uri, Some("http://localhost:41409/oauth/callback"));
    assert_eq!(
        taken.record,
        TakenOver {
            from: "mcp-remote".to_owned(),
            at: NOW,
            mark: "MARK".to_owned(),
            replaced: false
        }
    );
}

#[test]
fn an_ended_token_is_taken_over_if_it_can_be_refreshed() {
    taken(judged(changed(|offer| offer.tokens.expires_at = Some(NOW))));
    taken(judged(changed(|offer| offer.tokens.expires_at = None)));
    let dead = changed(|offer| {
        offer.tokens.expires_at = Some(NOW);
        offer.tokens.refresh_token = None;
    });
    assert_eq!(judged(dead), Verdict::Leave(Unfit::Ended));
    // Its secret has ended, so nothing can be refreshed.
    let lapsed = changed(|offer| {
        offer.tokens.expires_at = Some(NOW);
        let client = offer.client.as_mut().expect("a client");
        client.client_secret = Some(Secret::new("S"));
        client.client_secret_expires_at = Some(NOW);
    });
    assert_eq!(judged(lapsed), Verdict::Leave(Unfit::Ended));
}

#[test]
fn a_token_that_the_server_refused_is_taken_over_only_with_a_way_on() {
    let rejected = Secret::new("ACCESS");
    taken(judged_with(offer(), &settings(), Some(&rejected)));
    let stuck = changed(|offer| offer.tokens.refresh_token = None);
    let verdict = judged_with(stuck, &settings(), Some(&rejected));
    assert_eq!(verdict, Verdict::Leave(Unfit::Ended));
}

#[test]
fn tokens_of_another_issuer_are_shown_to_nobody_else() {
    let theirs = Issuer::new("https://other.example");
    let verdict = judged(changed(|offer| offer.issuer = Some(theirs.clone())));
    let wanted = Issuer::new(ISSUER);
    assert_eq!(
        verdict,
        Verdict::Leave(Unfit::OtherIssuer { theirs, wanted })
    );
    // A library may have noted it as an address.
    let slash = Issuer::new(format!("{ISSUER}/"));
    taken(judged(changed(|offer| offer.issuer = Some(slash))));
    // Older versions noted none.
    taken(judged(changed(|offer| offer.issuer = None)));
}

#[test]
fn the_token_is_borrowed_while_the_other_program_runs_and_its_refresh_token_is_left() {
    let running = |offer: &mut Offer| offer.shared = Some(Shared::Running(42));
    let Verdict::Borrow(grant, lent) = judged(changed(running)) else {
        panic!("not borrowed");
    };
    assert_eq!(lent, Lent::Shared(Shared::Running(42)));
    assert_eq!(grant.tokens.access_token, Secret::new("ACCESS"));
    assert_eq!(grant.tokens.refresh_token, None);
    let ended = changed(|offer| {
        running(offer);
        offer.tokens.expires_at = Some(NOW);
    });
    let left = Verdict::Leave(Unfit::Shared(Shared::Running(42)));
    assert_eq!(judged(ended), left);
    let rejected = Secret::new("ACCESS");
    assert_eq!(
        judged_with(changed(running), &settings(), Some(&rejected)),
        left
    );
}

#[test]
fn without_its_client_a_token_is_only_borrowed() {
    let verdict = judged(changed(|offer| offer.client = None));
    assert!(matches!(verdict, Verdict::Borrow(grant, Lent::NoClient)
        if grant.tokens.refresh_token.is_none()));
    let ended = changed(|offer| {
        offer.client = None;
        offer.tokens.expires_at = Some(NOW);
    });
    assert_eq!(judged(ended), Verdict::Leave(Unfit::Ended));
}

#[test]
fn a_configured_client_must_be_the_one_and_keeps_its_secret_to_itself() {
    let mut settings = settings();
    settings.client = Some(ConfiguredClient {
        client_id: "OWN".to_owned(),
        client_secret: Some(Secret::new("SECRET")),
        ..ConfiguredClient::default()
    });
    // mcp-remote keeps no file of a client that was given to it.
    let own = taken(judged_with(
        changed(|offer| offer.client = None),
        &settings,
        None,
    ));
    assert_eq!(own.client.client.client_id, "OWN");
    assert_eq!(own.client.client.client_secret, None);
    assert!(!own.client.client.registered);
    // Early versions did.
    taken(judged_with(
        changed(|offer| offer.client = Some(client("OWN"))),
        &settings,
        None,
    ));
    // It may have registered before it was given one: whose the tokens are, nothing tells.
    let verdict = judged_with(offer(), &settings, None);
    assert_eq!(
        verdict,
        Verdict::Leave(Unfit::OtherClient("CLIENT".to_owned()))
    );
}

#[test]
fn scopes_that_the_user_wants_must_be_among_those_granted() {
    let wanting = |scopes: &[&str]| {
        let mut settings = settings();
        settings.scopes = Some(scopes.iter().map(|s| (*s).to_owned()).collect());
        settings
    };
    taken(judged_with(offer(), &wanting(&["read"]), None));
    let verdict = judged_with(offer(), &wanting(&["write"]), None);
    assert_eq!(verdict, Verdict::Leave(Unfit::OtherScopes));
    // What was granted may not be recorded.
    let silent = changed(|offer| {
        offer.tokens.scopes.clear();
        offer.requested_scopes.clear();
    });
    taken(judged_with(silent, &wanting(&["write"]), None));
}

#[test]
fn tokens_that_cannot_be_sent_or_are_not_wanted_stay() {
    let odd = changed(|offer| offer.tokens.token_type = "mac".to_owned());
    assert!(matches!(judged(odd), Verdict::Leave(Unfit::Unusable(_))));
    let odd = changed(|offer| offer.tokens.access_token = Secret::new("A\r\nX: y"));
    assert!(matches!(judged(odd), Verdict::Leave(Unfit::Unusable(_))));
    let mut bound = settings();
    bound.dpop = dpop::Mode::Always;
    let verdict = judged_with(offer(), &bound, None);
    assert_eq!(verdict, Verdict::Leave(Unfit::NotBound));
}

#[test]
fn the_method_of_the_client_is_the_recorded_one_if_it_can_be_used() {
    let method = |secret: bool, recorded: Option<AuthMethod>| {
        let offer = changed(|offer| {
            let client = offer.client.as_mut().expect("a client");
            client.client_secret = secret.then(|| Secret::new("S"));
            client.auth_method = recorded;
        });
        taken(judged(offer)).client.client.auth_method
    };
    let (basic, post) = (AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost);
    assert_eq!(method(true, Some(post)), post);
    assert_eq!(method(true, None), basic);
    assert_eq!(method(false, Some(post)), AuthMethod::None);
    assert_eq!(method(true, Some(AuthMethod::PrivateKeyJwt)), basic);
}

#[test]
fn of_several_redirect_uris_one_is_kept_that_leads_here() {
    let uri = |uris: &[&str]| {
        let offer = changed(|offer| {
            let client = offer.client.as_mut().expect("a client");
            client.redirect_uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
        });
        taken(judged(offer)).client.client.redirect_uri
    };
    let ours = "http://127.0.0.1:3000/oauth/callback";
    assert_eq!(uri(&["https://x.example/cb", ours]).as_deref(), Some(ours));
    assert_eq!(
        uri(&["https://x.example/cb"]).as_deref(),
        Some("https://x.example/cb")
    );
    assert_eq!(uri(&[]), None);
}

#[test]
fn a_file_from_the_future_does_not_make_a_token_new() {
    let grant = taken(judged(changed(|offer| offer.written_at = NOW + 9000))).grant;
    assert_eq!(grant.granted_at, NOW);
}

#[test]
fn words_name_the_process_and_no_token() {
    for (text, part) in [
        (Unfit::Shared(Shared::Running(42)).to_string(), "process 42"),
        (
            Unfit::OtherClient("C\u{1b}[1m".to_owned()).to_string(),
            "`C",
        ),
        (Unfit::NoClient.to_string(), "registration is missing"),
    ] {
        assert!(text.contains(part), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
