use std::net::Ipv6Addr;
use std::time::Instant;

use http::Method;
use tokio::net::{TcpListener, TcpSocket};
use url::Url;

use super::super::http::tests::{Remote, answer};
use super::super::tls;
use super::*;

fn direct(settings: &HttpSettings, names: Names) -> Direct {
    let tls = tls::client_config(settings.roots.clone(), None).expect("settings");
    Direct::new(settings, Arc::new(tls), names)
}

async fn send(direct: &Direct, url: &str) -> Result<http::Response<Incoming>, legacy::Error> {
    let request = Request::new(Method::GET, Url::parse(url).expect("url"));
    let uri = request.to.uri().expect("HTTP can carry it").clone();
    direct.send(&uri, request).await
}

/// A port of ::1 where nobody ever answers, as that of an address whose packets get lost, with what
/// makes it so.
pub async fn black_hole() -> (u16, Vec<TcpStream>, TcpListener) {
    let socket = TcpSocket::new_v6().expect("a socket");
    socket.bind((Ipv6Addr::LOCALHOST, 0).into()).expect("::1");
    let listener = socket.listen(1).expect("a listener");
    let address = listener.local_addr().expect("bound");
    // The queue holds one more than it was asked for. What comes then is not answered.
    let mut queue = Vec::new();
    for _ in 0..2 {
        queue.push(TcpStream::connect(address).await.expect("room"));
    }
    (address.port(), queue, listener)
}

#[tokio::test]
async fn a_host_whose_ipv6_address_is_silent_is_reached_over_ipv4() {
    let remote = Remote::new([answer(200, "", "x")]).await;
    let ipv4: SocketAddr = remote.url.socket_addrs(|| None).expect("an address")[0];
    let (port, _queue, _listener) = black_hole().await;
    let addresses = vec![SocketAddr::from((Ipv6Addr::LOCALHOST, port)), ipv4];
    let direct = direct(&HttpSettings::default(), Names::Fixed(addresses));
    let start = Instant::now();
    let response = send(&direct, "http://two.test/").await.expect("answer");
    assert_eq!(response.status(), 200);
    // The time-out for IPv6 alone would be ten seconds.
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_connection_has_its_limit_with_tls_included() {
    // Accepts, and then says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let settings = HttpSettings {
        connect_timeout: Duration::from_millis(50),
        ..HttpSettings::default()
    };
    let direct = direct(&settings, Names::System { ipv4: false });
    let failed = send(&direct, &format!("https://127.0.0.1:{port}/")).await;
    let failed = failed.expect_err("nobody answered");
    assert!(failed.is_connect());
    assert!(failed.source().is_some_and(|error| error.is::<TooSlow>()));
}
