use std::net::TcpListener as StdListener;

use http::Method;
use tokio::net::TcpListener;
use url::Url;

use super::super::direct::tests::black_hole;
use super::super::guard::Policy;
use super::super::http::tests::{Remote, answer};
use super::super::proxy::{ProxyChoice, ProxyUrl};
use super::*;
use crate::mcp::answer::Delivery;

fn get(url: &str) -> Request {
    Request::new(Method::GET, Url::parse(url).expect("url"))
}

fn through(proxy: &str) -> Client {
    let settings = HttpSettings {
        proxies: ProxySettings {
            choice: ProxyChoice::One(ProxyUrl::parse(proxy).expect("a proxy")),
            direct: String::new(),
        },
        ..HttpSettings::default()
    };
    build(&settings).expect("client")
}

async fn trouble(client: &Client, url: &str) -> Trouble {
    let outcome = client.execute(get(url)).await;
    outcome.expect_err("no answer can come")
}

#[tokio::test]
async fn ipv4_is_all_that_is_used_if_told_so() {
    let settings = HttpSettings {
        ipv4: true,
        ..HttpSettings::default()
    };
    let client = build(&settings).expect("client");
    let remote = Remote::new([answer(200, "", "x")]).await;
    let port = remote.url.port().expect("a port");
    let found = client
        .execute(get(&format!("http://localhost:{port}/")))
        .await;
    assert_eq!(found.expect("answer").status(), 200);
    let listener = StdListener::bind("[::1]:0").expect("::1");
    let port = listener.local_addr().expect("bound").port();
    let failed = trouble(&client, &format!("http://[::1]:{port}/")).await;
    assert_eq!(failed.delivery, Delivery::NotSent);
    let name = Ipv4Only
        .resolve("ip6-only.invalid".parse().expect("name"))
        .await;
    assert!(name.is_err());
}

#[tokio::test]
async fn a_connection_that_takes_too_long_names_the_option() {
    let (port, _queue, _listener) = black_hole().await;
    let settings = HttpSettings {
        connect_timeout: Duration::from_millis(50),
        ..HttpSettings::default()
    };
    let client = build(&settings).expect("client");
    let failed = trouble(&client, &format!("http://[::1]:{port}/")).await;
    assert_eq!(failed.delivery, Delivery::NoConnection);
    assert_eq!(
        failed.cause,
        "no connection within 0.05 s (`--connect-timeout`)"
    );
}

#[tokio::test]
async fn plain_http_goes_to_the_proxy_with_the_whole_address_and_the_password() {
    let proxy = Remote::new([answer(200, "", "x")]).await;
    let port = proxy.url.port().expect("a port");
    let client = through(&format!("http://me:p%40ss@127.0.0.1:{port}"));
    let found = client.execute(get("http://mcp.test:8080/mcp?a=1")).await;
    assert_eq!(found.expect("answer").status(), 200);
    let asked = proxy.asked().remove(0);
    assert!(
        asked.starts_with("GET http://mcp.test:8080/mcp?a=1 HTTP/1.1\r\n"),
        "{asked}"
    );
    // `me:p@ss`
    assert!(
        asked.contains("proxy-authorization: Basic bWU6cEBzcw==\r\n"),
        "{asked}"
    );
    assert!(asked.contains("accept-encoding: identity\r\n"), "{asked}");
}

#[tokio::test]
async fn a_proxy_that_wants_a_password_is_told_apart_from_the_server() {
    for target in ["http://mcp.test/", "https://mcp.test/"] {
        for (credentials, expected) in [
            ("", "wants a user name and a password"),
            (
                "me:PASSWORD_1@",
                "does not accept the user name and password",
            ),
        ] {
            let proxy = Remote::new([answer(407, "proxy-authenticate: Basic\r\n", "")]).await;
            let port = proxy.url.port().expect("a port");
            let client = through(&format!("http://{credentials}127.0.0.1:{port}"));
            let failed = trouble(&client, target).await;
            assert_eq!(failed.delivery, Delivery::Distrusted);
            let text = failed.to_string();
            assert!(
                text.contains(&format!("the proxy `http://127.0.0.1:{port}` {expected}")),
                "{text}"
            );
            assert!(
                text.contains("http://USER:PASSWORD@HOST:PORT") && !text.contains("PASSWORD_1"),
                "{text}"
            );
        }
    }
}

#[tokio::test]
async fn a_407_of_a_server_without_a_proxy_is_an_answer() {
    let remote = Remote::new([answer(407, "", "")]).await;
    let client = build(&HttpSettings::default()).expect("client");
    let found = client.execute(get(remote.url.as_str())).await;
    assert_eq!(found.expect("answer").status(), 407);
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named_without_its_password() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        listener.local_addr().expect("address").port()
    };
    for scheme in ["http", "socks5", "socks5h"] {
        let client = through(&format!("{scheme}://me:PASSWORD_1@127.0.0.1:{port}"));
        for target in ["http://10.255.0.1/", "https://10.255.0.1/"] {
            let failed = trouble(&client, target).await;
            assert_eq!(failed.delivery, Delivery::NotSent);
            let expected = format!("the proxy `{scheme}://127.0.0.1:{port}` cannot be reached: ");
            assert!(failed.cause.starts_with(&expected), "{}", failed.cause);
            assert!(!failed.cause.contains("PASSWORD_1"), "{}", failed.cause);
        }
    }
}

#[tokio::test]
async fn a_proxy_that_opens_no_way_or_breaks_off_is_named() {
    for (said, expected) in [
        (answer(403, "", "no"), "opens no way to it"),
        (String::new(), "broke off"),
    ] {
        let proxy = Remote::new([said]).await;
        let port = proxy.url.port().expect("a port");
        let client = through(&format!("http://127.0.0.1:{port}"));
        let failed = trouble(&client, "https://mcp.test/").await;
        assert_eq!(failed.delivery, Delivery::NotSent);
        assert!(
            failed
                .cause
                .starts_with(&format!("the proxy `http://127.0.0.1:{port}` {expected}")),
            "{}",
            failed.cause
        );
    }
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_found_out() {
    let remote = Remote::new([answer(400, "", "")]).await;
    let port = remote.url.port().expect("a port");
    let client = build(&HttpSettings::default()).expect("client");
    let failed = trouble(&client, &format!("https://127.0.0.1:{port}/")).await;
    assert_eq!(failed.delivery, Delivery::NotSent);
    assert_eq!(failed.cause, "it does not speak TLS on this port");
}

fn for_server(server: &str) -> Client {
    let settings = HttpSettings {
        policy: Policy::for_server(&Url::parse(server).expect("url")),
        proxies: ProxySettings {
            choice: ProxyChoice::None,
            direct: String::new(),
        },
        ..HttpSettings::default()
    };
    build(&settings).expect("client")
}

#[tokio::test]
async fn a_name_that_leads_where_a_server_may_not_send_us_is_not_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    for url in [
        format!("https://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
    ] {
        for server in ["https://93.184.216.34/mcp", "https://10.0.0.1/mcp"] {
            let client = for_server(server);
            let failed = client.execute_learnt(get(&url)).await.expect_err(&url);
            assert!(failed.forbidden.is_some(), "{failed:?}");
            assert_eq!(failed.delivery, Delivery::Distrusted);
            let judged = client.may_ask(&Url::parse(&url).expect("url")).await;
            assert_eq!(judged, Err(failed));
        }
    }
    // A connection would have been accepted by the system.
    let knock = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(knock.is_err());
}

#[tokio::test]
async fn a_server_on_this_machine_may_name_what_is_on_it() {
    let remote = Remote::new([answer(200, "", "x")]).await;
    let port = remote.url.port().expect("a port");
    let client = for_server("http://127.0.0.1:1/mcp");
    let url = format!("http://localhost:{port}/");
    let found = client.execute_learnt(get(&url)).await.expect("answer");
    assert_eq!(found.status(), 200);
}

#[tokio::test]
async fn a_proxy_looks_names_up_and_numbers_are_judged_all_the_same() {
    let proxy = Remote::new([answer(403, "", "")]).await;
    let at = proxy.url.port().expect("a port");
    let mut settings = HttpSettings {
        policy: Policy::for_server(&Url::parse("https://93.184.216.34/").expect("url")),
        ..HttpSettings::default()
    };
    let one = |url: String| ProxyChoice::One(ProxyUrl::parse(&url).expect("a proxy"));
    settings.proxies.choice = one(format!("http://127.0.0.1:{at}"));
    let client = build(&settings).expect("client");
    let failed = client.execute_learnt(get("https://10.0.0.1/")).await;
    assert!(failed.expect_err("forbidden").forbidden.is_some());
    assert!(proxy.asked().is_empty());
    // The name is for the proxy to look up, which then refuses.
    let failed = client.execute_learnt(get("https://as.invalid/")).await;
    assert!(failed.expect_err("refused").forbidden.is_none());
    assert_eq!(proxy.asked().len(), 1);
    // This one is told addresses.
    settings.proxies.choice = one("socks5://127.0.0.1:1".to_owned());
    settings.policy.server = Url::parse("https://10.0.0.1/").ok();
    let client = build(&settings).expect("client");
    let failed = client.execute_learnt(get("https://[::1]/")).await;
    assert!(failed.expect_err("forbidden").forbidden.is_some());
}
