//! tinyproxy with a password: a proxy as offices have it. The names below `.test` that it is asked for
//! are found by another proxy behind it, since no test can add names to the system's.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use tempfile::TempDir;

use super::before::{Program, free_port, text};

/// A running tinyproxy.
pub struct Tinyproxy {
    _program: Program,
    names: Names,
    port: u16,
}

impl Tinyproxy {
    /// Starts one that wants the user `me` with this password, if it wants one.
    pub fn start(password: Option<&str>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (names, port) = (Names::start(), free_port());
        let password = match password {
            Some(password) => format!("BasicAuth me {password}\n"),
            None => String::new(),
        };
        let at = folder.path().display();
        let configuration = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 100\n\
             LogFile \"{at}/error.log\"\nLogLevel Info\nPidFile \"{at}/pid\"\n{password}\
             Upstream http 127.0.0.1:{} \".test\"\n",
            names.port
        );
        let path = folder.path().join("tinyproxy.conf");
        fs::write(&path, configuration).expect("a writable folder");
        let program = Program::start("tinyproxy", &["-d", "-c", text(&path)], folder, &[port]);
        Self {
            _program: program,
            names,
            port,
        }
    }

    /// Its address with these credentials, such as `me:secret@`.
    pub fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}127.0.0.1:{}", self.port)
    }

    /// The first lines of the requests that it passed on, for names below `.test`.
    pub fn passed(&self) -> Vec<String> {
        self.names.asked.lock().unwrap().clone()
    }
}

/// A proxy for which every name is this machine's.
struct Names {
    port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Names {
    fn start() -> Self {
        let listener = playground::listen_high().expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = asked.clone();
        // It ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = log.clone();
                thread::spawn(move || {
                    let _ = pass_on(stream, &log);
                });
            }
        });
        Self { port, asked }
    }
}

fn pass_on(client: TcpStream, log: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    log.lock().unwrap().push(first.trim().to_owned());
    let words: Vec<&str> = first.split_whitespace().collect();
    let [method, target, version] = words[..] else {
        return Ok(());
    };
    let mut client = client;
    let mut server = match method {
        "CONNECT" => {
            let mut line = String::new();
            while reader.read_line(&mut line)? > 2 {
                line.clear();
            }
            let server = TcpStream::connect(("127.0.0.1", port(target)))?;
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
            server
        }
        _ => {
            let rest = target.trim_start_matches("http://");
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let mut server = TcpStream::connect(("127.0.0.1", port(host)))?;
            server.write_all(format!("{method} /{path} {version}\r\n").as_bytes())?;
            server
        }
    };
    let mut answers = server.try_clone()?;
    let back = thread::spawn(move || {
        let _ = copy(&mut answers, &mut client);
        let _ = client.shutdown(Shutdown::Write);
    });
    copy(&mut reader, &mut server)?;
    server.shutdown(Shutdown::Write)?;
    let _ = back.join();
    Ok(())
}

/// Hands on what comes as it comes.
fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut chunk = [0; 16 * 1024];
    while let read @ 1.. = from.read(&mut chunk)? {
        to.write_all(&chunk[..read])?;
    }
    Ok(())
}

fn port(authority: &str) -> u16 {
    let port = authority
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    port.unwrap_or(80)
}
