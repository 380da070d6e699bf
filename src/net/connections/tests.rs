use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use http::Method;

use super::*;
use crate::net::http::fetch;
use crate::net::request::Request;

/// A server that keeps connections open and numbers them; gives the number of the connection that
/// each request came on.
fn server() -> (url::Url, mpsc::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (requests, received) = mpsc::channel();
    std::thread::spawn(move || {
        for (number, connection) in listener.incoming().enumerate() {
            let (mut connection, requests) = (connection.unwrap(), requests.clone());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                while connection.read(&mut byte).is_ok_and(|read| read == 1) {
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        requests.send(number).unwrap();
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                        connection.write_all(answer).unwrap();
                    }
                }
            });
        }
    });
    (url.parse().unwrap(), received)
}

#[tokio::test]
async fn a_connection_is_used_again_until_the_connections_are_renewed() {
    let (url, requests) = server();
    let connections = Connections::new(HttpSettings::default()).unwrap();
    let clone = connections.clone();
    let renewals = connections.renewals();
    for (http, renewed) in [(&connections, false), (&clone, false), (&connections, true)] {
        if renewed {
            clone.renew(Disturbance::NetworkChanged);
        }
        fetch(http, url.clone(), Default::default()).await.unwrap();
    }
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), [0, 0, 1]);
    assert!(renewals.has_changed().unwrap());
    assert_eq!(*renewals.borrow(), Some(Disturbance::NetworkChanged));
}

#[test]
fn the_roots_that_were_read_are_not_read_again_for_new_connections() {
    let connections = Connections::new(HttpSettings::default()).unwrap();
    let before = connections.client();
    assert!(connections.alone().trust().is(before.trust()));
    connections.renew(Disturbance::NetworkChanged);
    assert!(connections.client().trust().is(before.trust()));
}

#[tokio::test]
async fn what_is_in_flight_goes_on_when_the_connections_are_renewed() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (go_on, told) = mpsc::channel();
    std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        connection.read_exact(&mut [0; 20]).unwrap();
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\none";
        connection.write_all(head).unwrap();
        let () = told.recv().unwrap();
        connection.write_all(b"two").unwrap();
    });
    let connections = Connections::new(HttpSettings::default()).unwrap();
    let url: url::Url = url.parse().unwrap();
    let get = Request::new(Method::GET, url);
    let mut answer = connections.client().execute(get).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "one");
    connections.renew(Disturbance::NetworkChanged);
    go_on.send(()).unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "two");
}

#[tokio::test]
async fn a_machine_that_slept_gets_a_new_connection_with_its_next_request() {
    let (url, requests) = server();
    let connections = Connections::new(HttpSettings::default()).unwrap();
    let renewals = connections.renewals();
    fetch(&connections, url.clone(), Default::default())
        .await
        .unwrap();
    // As if the last look at the clocks had been an hour ago, in a sleep.
    let slept = Duration::from_secs(3600);
    let mut reading = Reading::now(connections.0.start);
    reading.elapsed = reading.elapsed.and_then(|time| time.checked_sub(slept));
    reading.wall -= slept;
    if reading.elapsed.is_none() && cfg!(unix) {
        eprintln!("skipped: this machine has not been up for an hour");
        return;
    }
    connections.lock().pulse = Pulse::new(reading);
    fetch(&connections, url, Default::default()).await.unwrap();
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), [0, 1]);
    assert!(matches!(*renewals.borrow(), Some(Disturbance::Slept(time)) if time >= slept));
}

#[tokio::test]
async fn a_clock_that_leapt_ahead_renews_connections_and_leaves_streams_alone() {
    let (url, requests) = server();
    let connections = Connections::new(HttpSettings::default()).unwrap();
    let renewals = connections.renewals();
    fetch(&connections, url.clone(), Default::default())
        .await
        .unwrap();
    connections.take(Some(Disturbance::ClockLeapt));
    fetch(&connections, url, Default::default()).await.unwrap();
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), [0, 1]);
    assert!(!renewals.has_changed().unwrap());
}
