//! The listener over real sockets.

use std::net::{Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const PATH: &str = "/oauth/callback";

fn listener(host: &str) -> Listener {
    Listener::bind(host, None, None, PATH).expect("bind")
}

/// Sends `request` and reads until the connection ends.
async fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connect");
    // The other side may refuse and close while we still write.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).expect("text")
}

fn get(port: u16, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n")
}

fn v4(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn v6(port: u16) -> SocketAddr {
    (Ipv6Addr::LOCALHOST, port).into()
}

fn has_v6() -> bool {
    std::net::TcpListener::bind(v6(0)).is_ok()
}

#[tokio::test]
async fn browser_gets_the_page_that_was_chosen_and_nothing_of_its_query() {
    let mut listener = listener("localhost");
    let port = listener.port();
    assert_eq!(
        listener.redirect_uri(),
        format!("http://localhost:{port}{PATH}")
    );
    let request = get(port, "/oauth/callback?code=CODE_1&state=a%26b");
    let browser = tokio::spawn(async move { ask(v4(port), &request).await });
    let visit = listener.next().await;
    assert_eq!(visit.query, "code=CODE_1&state=a%26b");
    assert_eq!(format!("{visit:?}"), "Visit");
    let server = "mcp.example.com".to_owned();
    visit.responder.finish(Page::Connected { server }).await;
    let answer = browser.await.expect("answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("Connected to <b>mcp.example.com</b>"),
        "{answer}"
    );
    assert!(!answer.contains("CODE_1"), "{answer}");
    for header in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none';",
        "cache-control: no-store",
        "referrer-policy: no-referrer",
        "x-content-type-options: nosniff",
        "connection: close",
    ] {
        assert!(answer.contains(header), "{header} in {answer}");
    }
    assert!(!answer.contains("access-control"), "{answer}");
}

#[tokio::test]
async fn only_a_browser_whose_sign_in_succeeded_is_sent_on() {
    let then = Url::parse("https://app.example/done").expect("an address");
    let mut listener =
        Listener::bind_and_send_on("localhost", None, None, PATH, Some(&then)).expect("bind");
    let port = listener.port();
    let server = || "mcp.example.com".to_owned();
    let failed = Page::Failed {
        server: server(),
        reason: "no".to_owned(),
    };
    let connected = || Page::Connected { server: server() };
    for (accept, page, expected) in [
        ("text/html", connected(), 303),
        // Another process of ours that brings what a person pasted.
        ("application/json", connected(), 200),
        ("text/html", failed, 400),
        ("text/html", Page::NotExpected, 400),
    ] {
        let request = format!(
            "GET {PATH}?code=CODE_1 HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: {accept}\r\n\r\n"
        );
        let browser = tokio::spawn(async move { ask(v4(port), &request).await });
        listener.next().await.responder.finish(page).await;
        let answer = browser.await.expect("answer");
        let status = format!("HTTP/1.1 {expected} ");
        assert!(answer.starts_with(&status), "{accept}: {answer}");
        let goes_on = answer.contains("location: https://app.example/done\r\n");
        assert_eq!(goes_on, expected == 303, "{answer}");
        assert!(answer.contains("referrer-policy: no-referrer"), "{answer}");
        assert!(!answer.contains("CODE_1"), "{answer}");
    }
}

#[tokio::test]
async fn both_families_are_listened_on_for_names_and_one_for_addresses() {
    let mut named = listener("localhost");
    let port = named.port();
    let families: &[SocketAddr] = match has_v6() {
        true => &[v4(port), v6(port)],
        false => &[v4(port)],
    };
    for &address in families {
        let browser = tokio::spawn(async move { ask(address, &get(port, PATH)).await });
        named.next().await.responder.finish(Page::NotExpected).await;
        let answer = browser.await.expect("answer");
        assert!(
            answer.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{answer}"
        );
    }
    let only_v4 = listener("127.0.0.1");
    assert!(only_v4.redirect_uri().starts_with("http://127.0.0.1:"));
    assert!(TcpStream::connect(v6(only_v4.port())).await.is_err());
    if has_v6() {
        let only_v6 = listener("[::1]");
        assert!(only_v6.redirect_uri().starts_with("http://[::1]:"));
        assert!(TcpStream::connect(v4(only_v6.port())).await.is_err());
    }
}

#[tokio::test]
async fn everything_that_is_not_the_redirect_is_answered_inside() {
    let mut listener = listener("localhost");
    let port = listener.port();
    let request = |method: &str, target: &str, host: &str| {
        format!("{method} {target} HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n")
    };
    let ours = format!("Host: LOCALHOST:{port}\r\n");
    for (request, status) in [
        (request("GET", "/favicon.ico", &ours), 404),
        (request("GET", "/oauth/callback/", &ours), 404),
        (request("GET", "/oauth/callbac%6b", &ours), 404),
        (request("POST", PATH, &ours), 405),
        (request("HEAD", PATH, &ours), 405),
        (request("OPTIONS", PATH, &ours), 405),
        (request("GET", PATH, ""), 400),
        (request("GET", PATH, &format!("{ours}{ours}")), 400),
        (
            request("GET", PATH, &format!("Host: evil.example:{port}\r\n")),
            421,
        ),
        (request("GET", PATH, "Host: localhost\r\n"), 421),
        (
            request(
                "GET",
                PATH,
                &format!("Host: localhost.evil.example:{port}\r\n"),
            ),
            421,
        ),
        ("nonsense\r\n\r\n".to_owned(), 400),
        (
            format!(
                "GET {PATH}?{} HTTP/1.1\r\n{ours}\r\n",
                "x".repeat(HEAD_LIMIT)
            ),
            431,
        ),
    ] {
        let answer = ask(v4(port), &request).await;
        let line: String = request.chars().take(60).collect();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {answer}"
        );
    }
    assert!(listener.visits.try_recv().is_err());
}

#[tokio::test]
async fn other_spellings_of_this_machine_are_let_through() {
    let mut listener = listener("localhost");
    let port = listener.port();
    for host in ["127.0.0.1", "[::1]"] {
        let request = format!("GET {PATH} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
        let browser = tokio::spawn(async move { ask(v4(port), &request).await });
        drop(listener.next().await);
        let answer = browser.await.expect("answer");
        assert!(answer.starts_with("HTTP/1.1 400 "), "{host}: {answer}");
    }
}

#[tokio::test]
async fn second_visit_is_handed_over_while_the_first_still_waits() {
    let mut listener = listener("localhost");
    let port = listener.port();
    let visit = |query: &'static str| {
        tokio::spawn(async move { ask(v4(port), &get(port, &format!("{PATH}?{query}"))).await })
    };
    let first_browser = visit("first");
    let first = listener.next().await;
    let second_browser = visit("second");
    let second = listener.next().await;
    assert_eq!((&*first.query, &*second.query), ("first", "second"));
    second.responder.finish(Page::NotExpected).await;
    assert!(
        second_browser
            .await
            .expect("answer")
            .starts_with("HTTP/1.1 400 ")
    );
    drop(listener);
    let server = "x".to_owned();
    first.responder.finish(Page::Connected { server }).await;
    assert!(
        first_browser
            .await
            .expect("answer")
            .starts_with("HTTP/1.1 200 ")
    );
}

#[tokio::test]
async fn finishing_for_a_browser_that_left_ends() {
    let mut listener = listener("localhost");
    let port = listener.port();
    let mut stream = TcpStream::connect(v4(port)).await.expect("connect");
    let request = get(port, PATH);
    stream.write_all(request.as_bytes()).await.expect("write");
    let visit = listener.next().await;
    drop(stream);
    visit.responder.finish(Page::NotExpected).await;
}

#[tokio::test]
async fn connection_that_says_nothing_takes_no_more_than_its_place() {
    let mut listener = listener("localhost");
    let port = listener.port();
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS - 2 {
        silent.push(TcpStream::connect(v4(port)).await.expect("connect"));
    }
    let browser = tokio::spawn(async move { ask(v4(port), &get(port, PATH)).await });
    drop(listener.next().await);
    assert!(browser.await.expect("answer").starts_with("HTTP/1.1 400 "));
}

#[tokio::test]
async fn given_port_is_the_one_or_an_error() {
    let first = listener("localhost");
    let port = first.port();
    let error = Listener::bind("localhost", None, Some(port), PATH).expect_err("taken");
    assert!(matches!(error, CallbackError::Taken(taken) if taken == port));
    assert_eq!(
        error.to_string(),
        format!("another program uses the callback port `{port}`")
    );
    drop(first);
    let error = Listener::bind("localhost", None, Some(6000), PATH).expect_err("blocked");
    assert!(matches!(error, CallbackError::Blocked(6000)));
}

#[tokio::test]
async fn port_taken_in_the_second_family_alone_is_taken() {
    if !has_v6() {
        return;
    }
    let other = std::net::TcpListener::bind(v6(0)).expect("bind");
    let port = other.local_addr().expect("address").port();
    let error = Listener::bind("localhost", None, Some(port), PATH).expect_err("taken");
    assert!(matches!(error, CallbackError::Taken(_)), "{error}");
}

#[tokio::test]
async fn another_address_is_listened_on_if_it_is_given() {
    // Stands for that of a container, which its host forwards a published port to.
    let all = Some(Ipv4Addr::UNSPECIFIED.into());
    let mut listener = Listener::bind("localhost", all, None, PATH).expect("bind");
    let port = listener.port();
    assert_eq!(
        listener.redirect_uri(),
        format!("http://localhost:{port}{PATH}")
    );
    let here = SocketAddr::from(([127, 7, 7, 7], port));
    if cfg!(target_os = "linux") {
        let browser = tokio::spawn(async move { ask(here, &get(port, PATH)).await });
        listener
            .next()
            .await
            .responder
            .finish(Page::NotExpected)
            .await;
        assert!(browser.await.expect("answer").starts_with("HTTP/1.1 400 "));
    }
    let taken = Listener::bind("localhost", all, Some(port), PATH).expect_err("taken");
    assert!(matches!(taken, CallbackError::Taken(_)), "{taken}");
}

#[test]
fn only_addresses_of_this_machine_are_bound() {
    for host in [
        "0.0.0.0",
        "192.168.1.2",
        "::",
        "[::]",
        "8.8.8.8",
        "",
        "a b",
        "[x]",
    ] {
        let error = addresses(host).expect_err(host);
        assert!(matches!(error, CallbackError::NotLoopback(_)), "{host}");
    }
    for (host, count, written) in [
        ("localhost", 2, "localhost"),
        ("LOCALHOST", 2, "localhost"),
        ("bridge.localhost", 2, "bridge.localhost"),
        ("127.0.0.1", 1, "127.0.0.1"),
        ("::1", 1, "[::1]"),
        ("[::1]", 1, "[::1]"),
    ] {
        let (found, name) = addresses(host).expect(host);
        assert_eq!((found.len(), name.as_str()), (count, written));
        assert!(found.iter().all(IpAddr::is_loopback));
    }
}

/// Whether a request with these headers, besides `Host`, gets past the listener; if not, the status.
async fn status(listener: &mut Listener, method: &str, headers: &[(&str, &str)]) -> Option<u16> {
    let port = listener.port();
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    let target = format!("{PATH}?state=x&code=1");
    let request = format!("{method} {target} HTTP/1.1\r\nHost: localhost:{port}\r\n{headers}\r\n");
    let answer = tokio::select! {
        _ = listener.next() => return None,
        answer = ask(v4(port), &request) => answer,
    };
    let status = answer.split(' ').nth(1).expect("a status");
    Some(status.parse().expect("a number"))
}

#[tokio::test]
async fn browser_that_is_sent_here_is_let_through() {
    let mut listener = listener("localhost");
    let navigates = |site| {
        [
            ("Upgrade-Insecure-Requests", "1"),
            ("Sec-Fetch-Site", site),
            ("Sec-Fetch-Mode", "navigate"),
            ("Sec-Fetch-Dest", "document"),
        ]
    };
    // Chromium 156, from an authorization server elsewhere or here, reloading, and by hand.
    for site in ["cross-site", "same-site", "same-origin", "none"] {
        let headers = navigates(site);
        assert_eq!(status(&mut listener, "GET", &headers).await, None, "{site}");
        // After a click.
        let clicked = [&headers[..], &[("Sec-Fetch-User", "?1")]].concat();
        assert_eq!(status(&mut listener, "GET", &clicked).await, None, "{site}");
    }
    // After a form of the authorization server's was posted, from a page without referrer.
    let posted = [&navigates("cross-site")[..], &[("Origin", "null")]].concat();
    assert_eq!(status(&mut listener, "GET", &posted).await, None);
    // Programs that stand in for a browser, such as Node.js.
    for mode in ["cors", "no-cors"] {
        let headers = [("Accept", "*/*"), ("Sec-Fetch-Mode", mode)];
        assert_eq!(status(&mut listener, "GET", &headers).await, None, "{mode}");
    }
}

/// What Chromium 156 sends for a page of another site.
#[tokio::test]
async fn what_a_page_of_another_site_loads_is_refused() {
    let mut listener = listener("localhost");
    let evil = "http://127.0.0.1:39147";
    for (what, mode, dest) in [
        ("fetch", "no-cors", "empty"),
        ("img", "no-cors", "image"),
        ("script", "no-cors", "script"),
        ("stylesheet", "no-cors", "style"),
        ("prefetch", "no-cors", "empty"),
        ("EventSource, fetch", "cors", "empty"),
        ("WebSocket", "websocket", "empty"),
    ] {
        let mut headers = vec![
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Mode", mode),
            ("Sec-Fetch-Dest", dest),
        ];
        assert_eq!(
            status(&mut listener, "GET", &headers).await,
            Some(403),
            "{what}"
        );
        headers.push(("Origin", evil));
        assert_eq!(
            status(&mut listener, "GET", &headers).await,
            Some(403),
            "{what}"
        );
        // Where a browser says only where it comes from.
        headers.remove(0);
        assert_eq!(
            status(&mut listener, "GET", &headers).await,
            Some(403),
            "{what}"
        );
        headers.push(("Content-Length", "0"));
        for method in ["POST", "OPTIONS"] {
            let refused = status(&mut listener, method, &headers).await;
            assert_eq!(refused, Some(405), "{method}: {what}");
        }
    }
    assert!(listener.visits.try_recv().is_err());
}

/// A connection that holds a port of 127.0.0.1, which is free elsewhere; the port, and both ends.
#[cfg(target_os = "linux")]
fn held_by_a_connection() -> (u16, std::net::TcpStream, std::net::TcpStream) {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    loop {
        let client = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let port = client.local_addr().unwrap().port();
        let (other, _) = server.accept().unwrap();
        let is_free_elsewhere = !has_v6() || std::net::TcpListener::bind(v6(port)).is_ok();
        if is_free_elsewhere && !ports::is_blocked(port) {
            return (port, client, other);
        }
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn port_that_a_connection_holds_in_one_family_is_listened_on_in_the_other() {
    let (port, client, other) = held_by_a_connection();
    let taken = std::net::TcpListener::bind(v4(port));
    assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    // Where there is no other family, there is nothing to listen on.
    let host = if has_v6() { "127.0.0.1" } else { "localhost" };
    let error = Listener::bind(host, None, Some(port), PATH).unwrap_err();
    assert!(matches!(error, CallbackError::Held(held) if held == port));
    if !has_v6() {
        return;
    }
    let listener = Listener::bind("localhost", None, Some(port), PATH).unwrap();
    assert_eq!(listener.port(), port);
    assert!(TcpStream::connect(v6(port)).await.is_ok());
    assert!(TcpStream::connect(v4(port)).await.is_err());
    // The end that closes first keeps its port for a while, so that has to be the other one.
    drop(other);
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut &client, &mut rest).unwrap();
    drop(client);
    let both = async { while TcpStream::connect(v4(port)).await.is_err() {} };
    let both = tokio::time::timeout(Duration::from_secs(10), both).await;
    assert!(both.is_ok(), "127.0.0.1 was never listened on");
}
