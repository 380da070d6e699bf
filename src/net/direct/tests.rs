use std::net::Ipv6Addr;

use http::Method;
use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Barrier, watch};
use tokio::task::JoinSet;
use url::Url;

use super::super::http::tests::{Remote, answer};
use super::*;

fn direct(settings: &HttpSettings, names: Names) -> Direct {
    let tls = Tls::new(Trust::new(settings.roots.clone()), None).expect("settings");
    Direct::new(settings, tls, names)
}

async fn send(direct: &Direct, url: &str) -> Result<http::Response<Incoming>, legacy::Error> {
    let request = Request::new(Method::GET, Url::parse(url).expect("url"));
    let uri = request.to.uri().expect("HTTP can carry it").clone();
    let (response, _) = direct.send(&uri, request).await?;
    Ok(response)
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

#[tokio::test(flavor = "current_thread")]
async fn the_roots_are_read_before_the_server_has_answered_and_for_plain_http_not_at_all() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    for (scheme, is_read) in [("http", false), ("https", true)] {
        let direct = direct(&HttpSettings::default(), Names::System { ipv4: false });
        let trust = direct.0.connector.0.trust.clone();
        let url = format!("{scheme}://127.0.0.1:{port}/");
        let sending = tokio::spawn(async move { send(&direct, &url).await.is_ok() });
        let (mut connection, _) = listener.accept().await.expect("a connection");
        // The first bytes of a request or a handshake, to which nothing is said.
        connection.read_exact(&mut [0; 5]).await.expect("bytes");
        assert_eq!(trust.is_read(), is_read, "{scheme}");
        drop(connection);
        assert!(!sending.await.expect("no panic"));
    }
}

/// A server that answers requests only when so many are there, and counts its connections: those that
/// are open and those that ever were.
async fn counting(at_once: usize) -> (String, watch::Receiver<(usize, usize)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let (count, counted) = watch::channel((0, 0));
    let all = Arc::new(Barrier::new(at_once));
    tokio::spawn(async move {
        let count = Arc::new(count);
        while let Ok((mut connection, _)) = listener.accept().await {
            let (count, all) = (count.clone(), all.clone());
            count.send_modify(|(open, ever)| (*open, *ever) = (*open + 1, *ever + 1));
            tokio::spawn(async move {
                let mut request = [0; 4096];
                // Small ones come in one piece.
                while connection
                    .read(&mut request)
                    .await
                    .is_ok_and(|read| read > 0)
                {
                    all.wait().await;
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx";
                    if connection.write_all(answer).await.is_err() {
                        break;
                    }
                }
                count.send_modify(|(open, _)| *open -= 1);
            });
        }
    });
    (url, counted)
}

/// Sends so many requests at the same time, and reads the answers.
async fn burst(direct: &Direct, url: &str, size: usize) {
    let mut all = JoinSet::new();
    let uri: Uri = url.parse().expect("uri");
    for _ in 0..size {
        let request = Request::new(Method::GET, Url::parse(url).expect("url"));
        let sent = direct.send(&uri, request);
        all.spawn(async move {
            let (response, _seat) = sent.await.expect("answer");
            response.into_body().collect().await.expect("body");
        });
    }
    while let Some(done) = all.join_next().await {
        done.expect("no panic");
    }
}

#[tokio::test]
async fn a_burst_leaves_only_a_few_connections_behind_and_those_are_used_again() {
    const MANY: usize = 20;
    let direct = direct(&HttpSettings::default(), Names::System { ipv4: false });
    let (url, mut counted) = counting(MANY).await;
    burst(&direct, &url, MANY).await;
    let few = counted.wait_for(|(open, _)| *open <= FEW);
    let few = tokio::time::timeout(Duration::from_secs(20), few).await;
    assert_eq!(
        *few.expect("they are closed").expect("counted"),
        (FEW, MANY)
    );

    // As many as have seats need no others.
    let (url, mut counted) = counting(FEW).await;
    burst(&direct, &url, FEW).await;
    burst(&direct, &url, FEW).await;
    assert_eq!(*counted.borrow_and_update(), (FEW, FEW));
    assert_eq!(*direct.0.seats.0.lock().expect("no panic"), [None; FEW]);
}

#[tokio::test]
async fn a_connection_that_serves_any_number_of_requests_is_not_for_few() {
    let direct = direct(&HttpSettings::default(), Names::System { ipv4: false });
    let long_yet = Instant::now() + Duration::from_secs(3600);
    let seats: Vec<_> = (0..FEW)
        .map(|_| direct.0.seats.take(long_yet).expect("a seat"))
        .collect();
    assert!(direct.seat().is_none());
    direct.0.multiplexed.store(true, Ordering::Relaxed);
    assert!(direct.seat().is_some());
    direct.0.multiplexed.store(false, Ordering::Relaxed);
    drop(seats);
    assert!(direct.seat().is_some());
}

#[test]
fn a_request_that_lasts_leaves_its_seat_to_others() {
    let seats: Arc<Seats> = Arc::default();
    let start = Instant::now();
    let lasting: Vec<_> = (0..FEW)
        .map(|_| seats.take(start).expect("a seat"))
        .collect();
    assert!(seats.take(start).is_none());
    assert!(seats.take(start + BRIEFLY / 2).is_none());
    let later = start + BRIEFLY;
    let others: Vec<_> = (0..FEW)
        .map(|_| seats.take(later).expect("a seat"))
        .collect();
    assert!(seats.take(later).is_none());
    // What was theirs is not free because they end.
    drop(lasting);
    assert!(seats.take(later).is_none());
    drop(others);
    assert!(seats.take(later).is_some());
}
