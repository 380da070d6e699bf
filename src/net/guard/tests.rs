use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).expect(text)
}

fn guard(server: &str) -> Guard {
    Guard::new(Policy::for_server(&url(server)), false)
}

const PUBLIC: &str = "https://93.184.216.34/mcp";
const LOCAL: &str = "http://127.0.0.1:3000/mcp";
const PRIVATE: &str = "https://10.0.0.5/mcp";
const LINK_LOCAL: &str = "https://169.254.7.7/mcp";

async fn why(guard: &Guard, text: &str) -> Option<Why> {
    guard.check(&url(text)).await.err().map(|error| error.why)
}

fn kind(why: Option<Why>) -> Option<Kind> {
    match why {
        Some(Why::Internal(_, kind)) => Some(kind),
        Some(other) => panic!("{other:?}"),
        None => None,
    }
}

#[tokio::test]
async fn a_server_names_its_own_kind_and_what_is_public() {
    let targets = [
        ("https://93.184.216.35/", Kind::Public),
        ("https://[2606:4700::1111]/", Kind::Public),
        ("https://127.0.0.2/", Kind::Loopback),
        ("https://[::1]/", Kind::Loopback),
        ("https://[::ffff:127.0.0.1]/", Kind::Loopback),
        ("https://192.168.1.1/", Kind::Private),
        ("https://[fd00::1]/", Kind::Private),
        ("https://[64:ff9b::10.0.0.1]/", Kind::Private),
        ("https://100.64.1.1/", Kind::Private),
        ("https://169.254.1.1/", Kind::LinkLocal),
        ("https://169.254.169.254/latest/meta-data/", Kind::Cloud),
        ("https://[fd00:ec2::254]/latest/meta-data/", Kind::Cloud),
        ("https://[64:ff9b::169.254.169.254]/", Kind::Cloud),
        ("https://100.100.100.200/", Kind::Cloud),
        ("https://168.63.129.16/", Kind::Cloud),
        ("https://[2002:0a00:0001::1]/", Kind::Private),
        ("https://[fe80::1]/", Kind::LinkLocal),
        ("https://0.0.0.0/", Kind::Unspecified),
        ("https://[::]/", Kind::Unspecified),
        ("https://224.0.0.1/", Kind::Multicast),
        ("https://255.255.255.255/", Kind::Multicast),
        ("https://198.18.0.1/", Kind::Benchmarking),
        ("https://203.0.113.7/", Kind::Reserved),
    ];
    for (server, own) in [
        (PUBLIC, Kind::Public),
        (LOCAL, Kind::Loopback),
        (PRIVATE, Kind::Private),
        (LINK_LOCAL, Kind::LinkLocal),
    ] {
        let guard = guard(server);
        for (target, of) in targets {
            let refused = Some(of).filter(|of| *of != own && *of != Kind::Public);
            assert_eq!(
                kind(why(&guard, target).await),
                refused,
                "{server} {target}"
            );
        }
    }
}

#[tokio::test]
async fn every_spelling_of_an_internal_address_is_seen_through() {
    let guard = guard(PUBLIC);
    for text in [
        "https://127.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://017700000001/",
        "https://0x7f.0.0.0x1/",
        "https://127.0.0.1./",
        "https://0177.0.0.1/",
        "https://127.0.1/",
        "https://0x7f.1/",
        "https://%31%32%37.0.0.1/",
        "https://127\u{3002}0\u{3002}0\u{3002}1/",
        "https://[::ffff:127.0.0.1]/",
        "https://[64:ff9b::127.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://[0:0:0:0:0:ffff:7f00:0001]/",
        "https://１２７.０.０.１/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
    ] {
        assert_eq!(
            kind(why(&guard, text).await),
            Some(Kind::Loopback),
            "{text}"
        );
    }
}

#[tokio::test]
async fn plain_http_is_for_this_machine_and_a_server_on_it() {
    for (server, target, allowed) in [
        (LOCAL, "http://127.0.0.1:9/", true),
        (LOCAL, "http://localhost:9/", true),
        (LOCAL, "http://10.0.0.1/", false),
        (LOCAL, "http://93.184.216.35/", false),
        (PUBLIC, "http://127.0.0.1/", false),
        (PUBLIC, "http://93.184.216.35/", false),
        (PRIVATE, "http://10.0.0.6/", false),
        (PRIVATE, "http://localhost/", false),
    ] {
        let refused = why(&guard(server), target).await;
        assert_eq!(refused.is_none(), allowed, "{server} {target}: {refused:?}");
    }
    for target in [
        "ftp://a.test/",
        "file:///etc/passwd",
        "javascript:1",
        "data:,x",
    ] {
        for server in [LOCAL, PUBLIC] {
            let refused = why(&guard(server), target).await;
            assert_eq!(refused, Some(Why::NotSecure), "{target}");
        }
    }
}

#[tokio::test]
async fn user_names_and_passwords_are_refused_and_not_repeated() {
    let guard = guard(PUBLIC);
    for text in ["https://me@a.test/", "https://:SECRET@a.test/"] {
        let refused = guard.check(&url(text)).await.expect_err(text);
        assert_eq!(refused.why, Why::Credentials);
        assert!(!format!("{refused} {refused:?}").contains("SECRET"));
    }
}

#[test]
fn the_users_own_addresses_are_not_judged() {
    let mut policy = Policy::for_server(&url(PUBLIC));
    policy.own = vec![url("https://login.corp.test/realm")];
    let guard = Guard::new(policy, false);
    for (text, own) in [
        ("https://93.184.216.34/.well-known/x", true),
        ("https://login.corp.test/token", true),
        ("https://login.corp.test:444/token", false),
        ("http://login.corp.test/token", false),
        ("https://93.184.216.34:8443/", false),
        ("https://a.login.corp.test/", false),
    ] {
        assert_eq!(guard.is_own(&url(text)), own, "{text}");
    }
}

#[tokio::test]
async fn the_option_allows_addresses_of_every_kind_and_nothing_else() {
    let mut policy = Policy::for_server(&url(PUBLIC));
    policy.allow_internal = true;
    let guard = Guard::new(policy, false);
    assert_eq!(why(&guard, "https://10.0.0.1/").await, None);
    assert_eq!(why(&guard, "https://169.254.169.254/").await, None);
    assert!(guard.resolved("localhost").await.is_ok());
    assert_eq!(why(&guard, "http://10.0.0.1/").await, Some(Why::NotSecure));
    let named = why(&guard, "https://me@10.0.0.1/").await;
    assert_eq!(named, Some(Why::Credentials));
}

#[tokio::test]
async fn a_number_for_the_clouds_own_address_is_seen_through_whoever_the_server_is() {
    for text in [
        "https://2852039166/",
        "https://0xa9fea9fe/",
        "https://0251.0376.0251.0376/",
        "https://169.254.43518/",
        "https://169.254.169.254./",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[fd00:ec2:0:0:0:0:0:254]/",
    ] {
        for server in [PUBLIC, PRIVATE, LINK_LOCAL, "https://[fd00:ec2::1]/mcp"] {
            let refused = kind(why(&guard(server), text).await);
            assert_eq!(refused, Some(Kind::Cloud), "{server} {text}");
        }
    }
    // Whoever configures it as the server means it.
    let own = guard("https://169.254.169.254/mcp");
    assert!(own.is_own(&url("https://169.254.169.254/token")));
}

#[test]
fn an_address_with_a_zone_or_with_numbers_out_of_range_is_none() {
    for text in [
        "https://[fe80::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        "https://256.0.0.1/",
        "https://1.2.3.4.5/",
        "https://0x1ffffffff/",
        "https://08.0.0.1/",
    ] {
        assert!(Url::parse(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_name_in_capitals_or_with_a_dot_at_its_end_is_judged_as_it_is() {
    let refused = guard(PUBLIC).judge_name("LOCALHOST").await;
    assert!(refused.is_err());
    assert!(
        guard(LOCAL)
            .check(&url("http://localhost.:9/"))
            .await
            .is_ok()
    );
    // Another name is not the server's own origin.
    let far = guard("https://server.invalid/mcp");
    assert!(!far.is_own(&url("https://server.invalid./mcp")));
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_stands_for() {
    let refused = guard(PUBLIC).resolved("localhost").await;
    let refused = refused.expect_err("this machine").downcast::<Forbidden>();
    let refused = refused.expect("a refusal");
    assert_eq!(refused.host, "localhost");
    assert!(matches!(
        refused.why,
        Why::Internal(address, Kind::Loopback) if address.is_loopback()
    ));
    let allowed = guard(LOCAL).resolved("localhost").await.expect("allowed");
    assert!(!allowed.is_empty());
    assert!(guard(PRIVATE).judge_name("localhost").await.is_err());
    // Nowhere is not somewhere internal.
    assert_eq!(guard(PUBLIC).judge_name("nowhere.invalid").await, Ok(()));
}

#[tokio::test]
async fn a_server_that_is_a_name_is_where_it_answered_from() {
    let guard = guard("https://server.invalid/mcp");
    assert!(guard.check(&url("https://10.0.0.1/")).await.is_err());
    guard.reached("10.9.9.9".parse().expect("an address"));
    assert!(guard.check(&url("https://10.0.0.1/")).await.is_ok());
    assert!(guard.check(&url("https://127.0.0.1/")).await.is_err());
    guard.reached("93.184.216.34".parse().expect("an address"));
    assert!(guard.check(&url("https://10.0.0.1/")).await.is_err());
}

#[tokio::test]
async fn a_server_that_was_not_asked_yet_is_looked_up() {
    let local = guard("https://localhost/mcp");
    assert!(local.check(&url("https://127.0.0.9/")).await.is_ok());
    let unknown = guard("https://server.invalid/mcp");
    let refused = unknown.check(&url("https://127.0.0.9/")).await;
    assert!(refused.is_err());
}

#[test]
fn a_refusal_names_host_address_and_rule_and_its_hint_the_option() {
    let refused = |host: &str| Forbidden {
        host: host.to_owned(),
        why: Why::Internal("10.0.0.1".parse().expect("an address"), Kind::Private),
    };
    assert_eq!(
        refused("as.example").to_string(),
        "the server names `as.example`, which is at `10.0.0.1`, an address of a private network, where it may not send us (RFC 9728 §7.7)"
    );
    assert_eq!(
        refused("10.0.0.1").to_string(),
        "the server names `10.0.0.1`, an address of a private network, where it may not send us (RFC 9728 §7.7)"
    );
    let mapped = Forbidden {
        host: "[::ffff:a00:1]".to_owned(),
        why: Why::Internal(
            "::ffff:10.0.0.1".parse().expect("an address"),
            Kind::Private,
        ),
    };
    assert!(!mapped.to_string().contains("which is at"), "{mapped}");
    assert!(refused("as.example").hint().contains(OPTION));
}

#[tokio::test]
async fn a_server_by_the_name_of_this_machine_is_on_it_and_nowhere_else() {
    let guard = guard("http://localhost:3000/mcp");
    assert_eq!(why(&guard, "https://127.0.0.2/").await, None);
    let private = why(&guard, "https://10.0.0.5/").await;
    assert_eq!(kind(private), Some(Kind::Private));
}
