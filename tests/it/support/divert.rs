//! A proxy that sends connections to servers of the test, whatever name they are for; so the bridge
//! talks to names that are other people's, and to nobody but the test.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running proxy. It ends with the test process.
pub struct Divert {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Divert {
    /// Starts one that knows these `NAME:PORT`, and at which port of this machine each is. It opens
    /// no way to anything else.
    pub fn start(routes: &[(&str, u16)]) -> Self {
        let listener = playground::listen_high().expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let routes: Vec<(String, u16)> = routes
            .iter()
            .map(|(name, port)| ((*name).to_owned(), *port))
            .collect();
        let (routes, log) = (Arc::new(routes), asked.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (routes, log) = (routes.clone(), log.clone());
                thread::spawn(move || {
                    // A client that goes away has had enough.
                    let _ = divert(stream, &routes, &log);
                });
            }
        });
        Self { port, asked }
    }

    /// The option that names it.
    pub fn option(&self) -> String {
        format!("--proxy=http://127.0.0.1:{}", self.port)
    }

    /// Every `NAME:PORT` that it was asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn divert(client: TcpStream, routes: &[(String, u16)], log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let route = routes.iter().find(|(name, _)| *name == target);
    log.lock().unwrap().push(target.clone());
    let mut client = client;
    let Some((_, port)) = route.filter(|_| first.starts_with("CONNECT ")) else {
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    };
    let server = TcpStream::connect(("127.0.0.1", *port))?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
    let back = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || pass(back.0, back.1));
    pass(reader, server);
    Ok(())
}

/// One direction, to its end.
fn pass(mut from: impl Read, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
