//! Addresses that lead inside: this machine, private networks, what a cloud serves its machines. They
//! are in a network of the test's own, where the MCP server has a public address and somebody
//! listens at each address where nobody may knock. That takes Linux, and root or user namespaces;
//! elsewhere the test says that it was skipped.

use std::fs;
use std::io::{self, Write as _};
use std::net::{IpAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use playground::hostile::{Answer, CODE, Connection, Hostile, Origins, Role, Trap, Twist, Wrap};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use super::row::{Attack, Line, Outcome, judged, print};
use super::world::World;
use crate::network::authority::{Authority, For};
use crate::support::skip::skipped;

/// Names a file of host names, and says that this is the inner process.
const HOSTS: &str = "HOSTILE_HOSTS";

/// The servers' addresses, which nobody announces.
const SERVERS: [&str; 3] = ["33.0.0.1", "33.0.0.2", "33.0.0.3"];
const NAMES: [&str; 3] = ["mcp.hostile.test", "as.hostile.test", "else.hostile.test"];
/// The same servers inside.
const INNER_SERVERS: [&str; 3] = ["10.77.0.1", "10.77.0.2", "10.77.0.3"];
const INNER_NAMES: [&str; 3] = ["mcp.corp.test", "as.corp.test", "else.corp.test"];

/// Where nobody may knock.
const TRAPS: [&str; 10] = [
    "127.0.0.1",
    "::1",
    "10.66.0.1",
    "172.16.66.1",
    "192.168.66.1",
    "100.64.66.1",
    "169.254.169.254",
    "198.18.66.1",
    "fd00:66::1",
    "fd00:ec2::254",
];

/// Names that lead there.
const LEADING: [(&str, &str); 6] = [
    ("to-machine.test", "127.0.0.1"),
    ("to-private.test", "10.66.0.1"),
    ("to-cloud.test", "169.254.169.254"),
    ("to-v6.test", "fd00:66::1"),
    ("both.test", "10.66.0.1"),
    ("to-private.test.", "10.66.0.1"),
];

/// Every way to write an address where nobody may knock.
const INSIDE: [&str; 38] = [
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "0x7f.1",
    "2130706433",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "0.0.0.0",
    "localhost",
    "localhost.",
    "sub.localhost",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "10.66.0.1",
    "172.16.66.1",
    "192.168.66.1",
    "100.64.66.1",
    "169.254.169.254",
    "169.254.43518",
    "2852039166",
    "198.18.66.1",
    "224.0.0.1",
    "255.255.255.255",
    "[fd00:66::1]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[::10.66.0.1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::10.66.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a42:1::1]",
    "to-machine.test",
    "to-private.test",
    "to-cloud.test",
    "to-v6.test",
    "to-private.test.",
];

const SETUP: &str = "set -e
ip link set lo up
for address in $ADDRESSES; do ip addr add $address dev lo nodad 2>/dev/null || ip addr add $address dev lo; done
mount --bind \"$HOSTILE_HOSTS\" /etc/hosts
echo made >\"$HOSTILE_HOSTS.made\"
exec \"$@\"";

/// Runs this test again in a network of its own; `None` if there can be none.
fn inside(test: &str) -> Option<bool> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hosts = folder.path().join("hosts");
    fs::write(&hosts, host_names(SERVERS[1])).expect("a writable folder");
    let addresses = SERVERS.iter().chain(&INNER_SERVERS).chain(&TRAPS[2..]);
    let addresses: Vec<String> = addresses
        .map(|address| match address.contains(':') {
            true => format!("{address}/128"),
            false => format!("{address}/32"),
        })
        .collect();
    let own = std::env::current_exe().expect("the path of this test");
    let mut made_with = ["-nm", "-Urnm"].iter().map(|flags| {
        let outcome = Command::new("unshare")
            .args([flags, "sh", "-c", SETUP, "sh"])
            .arg(&own)
            .args([test, "--exact", "--nocapture"])
            .env(HOSTS, &hosts)
            .env("ADDRESSES", addresses.join(" "))
            .status();
        let made = hosts.with_extension("made").exists();
        outcome.ok().filter(|_| made).map(|status| status.success())
    });
    made_with.find_map(|outcome| outcome)
}

/// The file of host names; `rebound` is where the authorization server is.
fn host_names(rebound: &str) -> String {
    let mut text = String::from(
        "127.0.0.1 localhost localhost. sub.localhost\n::1 localhost localhost.\n33.0.0.3 both.test\n",
    );
    let own = SERVERS
        .iter()
        .zip(NAMES)
        .chain(INNER_SERVERS.iter().zip(INNER_NAMES));
    for (address, name) in own {
        text += &format!("{address} {name}\n");
    }
    for (name, address) in LEADING {
        text += &format!("{address} {name}\n");
    }
    text + &format!("{rebound} rebound.test\n")
}

/// The servers, over TLS, and the traps.
struct Inside {
    hostile: Arc<Hostile>,
    twist: Arc<Mutex<Twist>>,
    traps: Vec<Trap>,
    arguments: Vec<String>,
    hosts: PathBuf,
}

impl Inside {
    fn new(addresses: [&str; 3], names: [&str; 3], authority: &Authority) -> Self {
        let mut all: Vec<&str> = NAMES.iter().chain(&INNER_NAMES).copied().collect();
        all.extend(["both.test", "rebound.test"]);
        let listeners = addresses.map(|address| listen(address, 443));
        let origins = Origins {
            server: format!("https://{}", names[0]),
            authority: format!("https://{}", names[1]),
            elsewhere: format!("https://{}", names[2]),
        };
        let honest: Twist = Arc::new(|_, _, honest| honest);
        let twist = Arc::new(Mutex::new(honest));
        let current = twist.clone();
        let twisting: Twist = Arc::new(move |asked, origins, honest| {
            let twist = current.lock().unwrap().clone();
            twist(asked, origins, honest)
        });
        Self {
            hostile: Arc::new(Hostile::start_at(
                origins,
                listeners,
                tls(authority, &all),
                twisting,
            )),
            twist,
            traps: Vec::new(),
            arguments: vec![authority.option()],
            hosts: PathBuf::from(std::env::var_os(HOSTS).expect("the inner process")),
        }
    }

    fn with_traps(mut self) -> Self {
        let trap = |address: &str| Trap::set(listen(address, 443)).expect("a trap");
        self.traps = TRAPS.iter().map(|address| trap(address)).collect();
        self
    }

    fn knocks(&self) -> usize {
        self.traps.iter().map(Trap::knocks).sum()
    }

    /// One row. `knocks` says whether somebody knocks inside; `signs_out` whether the user does.
    fn row(&self, attack: &Attack, knocks: bool, signs_out: Option<&str>) -> Line {
        let hosts = fs::read(&self.hosts).expect("host names");
        *self.twist.lock().unwrap() = attack.twist.clone();
        self.hostile.forget();
        let before = self.knocks();
        let world = World::of(self.hostile.clone(), self.arguments.clone());
        let mut seen = world.attacked(attack);
        if let Some(words) = signs_out {
            let said = world.signed_out(attack);
            seen.story += &format!("\nsigned out:\n{said}");
            if !said.contains(words) {
                seen.leaks
                    .push(format!("signing out should say `{words}`: {said}"));
            }
        }
        fs::write(&self.hosts, hosts).expect("host names");
        *self.twist.lock().unwrap() = Arc::new(|_, _, honest| honest);
        let knocked = self.knocks() - before;
        if (knocked > 0) != knocks {
            seen.leaks.push(format!("{knocked} connections inside"));
        }
        judged(&attack.name, attack.outcome, &seen)
    }
}

fn listen(address: &str, port: u16) -> TcpListener {
    let address: IpAddr = address.parse().expect("an address");
    TcpListener::bind((address, port)).unwrap_or_else(|error| panic!("{address}: {error}"))
}

pub fn tls(authority: &Authority, names: &[&str]) -> Wrap {
    let pair = authority.issue(For::Server(names));
    let certificate = CertificateDer::from_pem_file(&pair.certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(&pair.key).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocol versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate with its key");
    let config = Arc::new(config);
    Arc::new(move |stream| {
        let server = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(server, stream);
        stream.flush()?;
        Ok(Box::new(stream) as Box<dyn Connection>)
    })
}

const INTERNAL: Outcome = Outcome::Refused("may not send us (RFC 9728 §7.7)");

/// The place of the authorization server's metadata that leads inside.
fn endpoint(member: &'static str, host: &str) -> Attack {
    let address = format!("https://{host}/x");
    let attack = Attack::at(
        "/.well-known/oauth-authorization-server",
        format!("`{member}` at `{host}`"),
        INTERNAL,
        move |_, honest| honest.edit(|document| document[member] = json!(address)),
    );
    match member {
        "device_authorization_endpoint" => attack.argument("--device-code"),
        _ => attack,
    }
}

fn hint(host: &str) -> Attack {
    let address = format!("https://{host}/x");
    Attack::new(
        format!("`resource_metadata` at `{host}`"),
        INTERNAL,
        move |asked, _, honest| match asked.role == Role::Server && honest.status == 401 {
            true => Answer::with(401, "text/plain", Vec::new()).header(
                "WWW-Authenticate",
                format!("Bearer resource_metadata=\"{address}\""),
            ),
            false => honest,
        },
    )
}

fn issuer(host: &str) -> Attack {
    let issuer = format!("https://{host}");
    Attack::at(
        "/.well-known/oauth-protected-resource/mcp",
        format!("the authorization server at `{host}`"),
        INTERNAL,
        move |_, honest| {
            honest.edit(|document| document["authorization_servers"] = json!([issuer]))
        },
    )
}

/// The authorization server's name leads inside from the moment that it has given its metadata.
fn rebinding(hosts: &Path) -> Attack {
    let hosts = hosts.to_owned();
    Attack::new(
        "a name that leads inside the second time",
        INTERNAL,
        move |asked, origins, honest| match (asked.role, asked.path.as_str()) {
            (Role::Server, "/.well-known/oauth-protected-resource/mcp") => {
                honest.edit(|document| {
                    document["authorization_servers"] = json!(["https://rebound.test"]);
                })
            }
            (Role::Authority, "/.well-known/oauth-authorization-server") => {
                fs::write(&hosts, host_names("10.66.0.1")).expect("host names");
                honest.edit(|document| {
                    let text = document
                        .to_string()
                        .replace(&origins.authority, "https://rebound.test");
                    *document = serde_json::from_str(&text).expect("JSON");
                })
            }
            _ => honest,
        },
    )
}

/// Servers outside that redirect inside, or name a place inside for messages.
fn redirects() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for host in ["10.66.0.1", "to-cloud.test"] {
        for (what, path, outcome) in [
            (
                "resource's metadata",
                "/.well-known/oauth-protected-resource/mcp",
                Outcome::Refused(""),
            ),
            (
                "authorization server's metadata",
                "/.well-known/oauth-authorization-server",
                Outcome::Refused("metadata"),
            ),
            ("registration", "/register", Outcome::Refused("")),
            ("token endpoint", "/token", Outcome::Refused("redirect")),
            (
                "MCP endpoint",
                "/mcp",
                Outcome::Failed("tokens are not sent to another origin"),
            ),
        ] {
            attacks.push(Attack::at(
                path,
                format!("the {what} redirects to `{host}`"),
                outcome,
                move |_, _| Answer::redirect(307, format!("https://{host}{path}")),
            ));
        }
        attacks.push(Attack::new(
            format!("the event stream names `{host}` for messages"),
            Outcome::Failed("wants messages sent to"),
            move |asked, _, honest| match (asked.method.as_str(), asked.path.as_str()) {
                ("POST", "/mcp") => Answer::with(405, "text/plain", Vec::new()),
                ("GET", "/mcp") => {
                    let event = format!("event: endpoint\ndata: https://{host}/mcp\n\n");
                    Answer::with(200, "text/event-stream", event.into_bytes())
                }
                _ => honest,
            },
        ));
    }
    attacks
}

fn honest(name: &str) -> Attack {
    Attack::new(name, Outcome::Harmless, |_, _, honest| honest)
}

fn rows() -> Vec<Line> {
    let authority = Authority::new("hostile tests");
    let outside = Inside::new(SERVERS, NAMES, &authority).with_traps();
    let mut lines = vec![outside.row(&honest("nothing"), false, None)];
    for host in INSIDE {
        lines.push(outside.row(&hint(host), false, None));
    }
    for host in [
        "127.0.0.1",
        "10.66.0.1",
        "169.254.169.254",
        "to-machine.test",
        "to-v6.test",
    ] {
        lines.push(outside.row(&issuer(host), false, None));
        for member in [
            "registration_endpoint",
            "authorization_endpoint",
            "token_endpoint",
            "device_authorization_endpoint",
        ] {
            lines.push(outside.row(&endpoint(member, host), false, None));
        }
    }
    for host in ["10.66.0.1", "to-cloud.test"] {
        let mut attack = endpoint("revocation_endpoint", host);
        attack.outcome = Outcome::Harmless;
        lines.push(outside.row(&attack, false, Some("may not send us")));
        let uri = format!("https://{host}/client");
        let attack = Attack::at(
            "/register",
            format!("`registration_client_uri` at `{host}`"),
            Outcome::Harmless,
            move |_, honest| honest.edit(|client| client["registration_client_uri"] = json!(uri)),
        );
        lines.push(outside.row(&attack, false, Some("signed out of")));
    }
    lines.push(outside.row(&rebinding(&outside.hosts), false, None));
    lines.extend(
        redirects()
            .iter()
            .map(|attack| outside.row(attack, false, None)),
    );
    let mut both = issuer("both.test");
    // What is outside is connected to, and is somebody else.
    both.outcome = Outcome::Refused("calls itself");
    both.name = "an authorization server that is outside and inside".to_owned();
    lines.push(outside.row(&both, false, None));
    // The traps do count, and the user's word does.
    let mut allowed =
        endpoint("token_endpoint", "10.66.0.1").argument("--allow-internal-addresses");
    allowed.name += " (with `--allow-internal-addresses`)";
    allowed.outcome = Outcome::Refused("");
    lines.push(outside.row(&allowed, true, None));

    let within = Inside::new(INNER_SERVERS, INNER_NAMES, &authority);
    lines.push(within.row(
        &honest("nothing; all servers in a private network"),
        false,
        None,
    ));
    for host in ["127.0.0.1", "[fd00:ec2::254]", "169.254.169.254"] {
        let mut attack = endpoint("token_endpoint", host);
        attack.name += " (from a private network)";
        lines.push(within.row(&attack, false, None));
    }

    let own = Attack::at(
        "/.well-known/oauth-protected-resource/mcp",
        "nothing; the authorization server inside is the user's own (`--issuer`)",
        Outcome::Harmless,
        |_, honest| {
            honest.edit(|document| {
                document["authorization_servers"] = json!(["https://as.corp.test"])
            })
        },
    );
    let own = own
        .argument("--issuer=https://as.corp.test")
        .person(|callback| {
            let right = [
                ("code", CODE),
                ("state", callback.state),
                ("iss", "https://as.corp.test"),
            ];
            callback.visit("GET", &right, &[]);
        });
    lines.push(outside.row(&own, false, None));
    lines
}

#[test]
fn addresses_that_lead_inside_get_no_connection() {
    if std::env::var_os(HOSTS).is_some() {
        return print("Addresses that lead inside", rows());
    }
    let test = "hostile::internal::addresses_that_lead_inside_get_no_connection";
    match inside(test) {
        Some(success) => assert!(success, "it failed in its own network"),
        None => skipped(
            "no network of its own can be made here, so nothing shows that servers cannot send us inside",
        ),
    }
}
