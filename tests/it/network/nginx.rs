//! nginx before the playground: TLS, HTTP/2 and client certificates as servers really have them.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::authority::{Authority, Pair};
use super::before::{Program, free_port, text};

/// One of its servers.
pub struct Site<'a> {
    /// Certificate and key.
    pub pair: &'a Pair,
    /// The port of what it stands before.
    pub to: u16,
    /// Whether it speaks HTTP/2.
    pub http2: bool,
    /// Whose certificates it asks clients for.
    pub clients: Option<&'a Authority>,
    /// More directives.
    pub more: &'a str,
}

impl<'a> Site<'a> {
    /// With HTTP/2 and for everybody.
    pub fn new(pair: &'a Pair, to: u16) -> Self {
        Self {
            pair,
            to,
            http2: true,
            clients: None,
            more: "",
        }
    }
}

/// A running nginx.
pub struct Nginx {
    program: Program,
    /// The port of each site.
    pub ports: Vec<u16>,
}

/// A request that has ended.
#[derive(Debug)]
pub struct Logged {
    /// Such as `HTTP/2.0`.
    pub protocol: String,
    /// The number of its connection.
    pub connection: u64,
    /// Its method and path.
    pub request: String,
    /// Whom the client's certificate names, or `-`.
    pub client: String,
}

impl Nginx {
    /// Starts it with these sites.
    pub fn start(sites: &[Site<'_>]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let ports: Vec<u16> = sites.iter().map(|_| free_port()).collect();
        let at = folder.path().display().to_string();
        let servers: Vec<String> = sites
            .iter()
            .zip(&ports)
            .map(|(site, port)| server(site, *port))
            .collect();
        let temporary: Vec<String> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .iter()
            .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
            .collect();
        // The workers of one that root started are to read the folder as well.
        let configuration = format!(
            "daemon off;\nuser {};\nworker_processes 1;\npid {at}/pid;\nerror_log {at}/error.log notice;\n\
             events {{ worker_connections 512; }}\n\
             http {{\n{}\
             log_format tests '$server_protocol|$connection|$request_method $uri|$ssl_client_s_dn';\n\
             access_log {at}/access.log tests;\n{}}}\n",
            whoami(),
            temporary.concat(),
            servers.concat(),
        );
        let path = folder.path().join("nginx.conf");
        fs::write(&path, configuration).expect("a writable folder");
        let log = folder.path().join("error.log");
        let arguments = ["-c", text(&path), "-p", &at, "-e", text(&log)];
        let program = Program::start("nginx", &arguments, folder, &ports);
        Self { program, ports }
    }

    /// The requests that have ended so far.
    pub fn requests(&self) -> Vec<Logged> {
        let log = fs::read_to_string(self.program.folder.path().join("access.log"));
        let log = log.unwrap_or_default();
        log.lines()
            .map(|line| {
                let mut fields = line.split('|').map(str::to_owned);
                let mut next = || fields.next().unwrap_or_default();
                Logged {
                    protocol: next(),
                    connection: next().parse().unwrap_or_default(),
                    request: next(),
                    client: next(),
                }
            })
            .collect()
    }

    /// Lets new workers take over, as after a change of the configuration. The old ones finish what
    /// they are at.
    pub fn reload(&self) {
        let path = self.program.folder.path().join("pid");
        let pid = fs::read_to_string(path).expect("it runs");
        let before = self.reloads();
        let sent = Command::new("kill").args(["-HUP", pid.trim()]).status();
        assert!(sent.expect("`kill` starts").success());
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.reloads() == before {
            assert!(Instant::now() < deadline, "{}", self.program.said());
            thread::sleep(Duration::from_millis(1));
        }
    }

    fn reloads(&self) -> usize {
        self.program
            .said()
            .matches("gracefully shutting down")
            .count()
    }
}

fn server(site: &Site<'_>, port: u16) -> String {
    let http2 = if site.http2 { " http2" } else { "" };
    let clients = match site.clients {
        None => String::new(),
        Some(authority) => format!(
            "ssl_client_certificate {};\nssl_verify_client on;\n",
            authority.certificate.display()
        ),
    };
    format!(
        "server {{\nlisten 127.0.0.1:{port} ssl{http2};\n\
         ssl_certificate {};\nssl_certificate_key {};\n{clients}{}\n\
         location / {{\nproxy_pass http://127.0.0.1:{};\nproxy_http_version 1.1;\n\
         proxy_set_header Connection \"\";\nproxy_set_header Host $http_host;\n\
         proxy_buffering off;\nproxy_read_timeout 1h;\n}}\n}}\n",
        site.pair.certificate.display(),
        site.pair.key.display(),
        site.more,
        site.to,
    )
}

fn whoami() -> String {
    let output = Command::new("id").arg("-un").output().expect("`id` starts");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
