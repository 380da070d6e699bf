use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use super::*;
use crate::net::http::fetch;

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
            clone.renew();
        }
        fetch(http, url.clone(), Default::default()).await.unwrap();
    }
    assert_eq!(requests.try_iter().collect::<Vec<_>>(), [0, 0, 1]);
    assert!(renewals.has_changed().unwrap());
}
