//! Addresses that lead inside, where a proxy stands between: it looks names up itself, and reaches
//! what it can reach. So numbers are judged here as ever, and names are the proxy's to judge (README,
//! "Networks").

use std::net::TcpListener;
use std::sync::Arc;

use playground::hostile::{Answer, Hostile, Origins, Role};
use serde_json::json;

use super::internal::tls;
use super::row::{Attack, Line, Outcome, judged, print};
use super::world::World;
use crate::network::authority::Authority;
use crate::support::divert::Divert;

const NAMES: [&str; 3] = ["mcp.hostile.test", "as.hostile.test", "else.hostile.test"];

/// The authorization server is at this host, and there is nothing else.
fn issuer(host: &str, outcome: Outcome) -> Attack {
    let issuer = format!("https://{host}");
    Attack::at(
        "/.well-known/oauth-protected-resource/mcp",
        format!("the authorization server at `{host}`"),
        outcome,
        move |_, honest| {
            honest.edit(|document| document["authorization_servers"] = json!([issuer]))
        },
    )
}

fn hint(host: &str, outcome: Outcome) -> Attack {
    let address = format!("https://{host}/x");
    Attack::new(
        format!("`resource_metadata` at `{host}`"),
        outcome,
        move |asked, _, honest| match asked.role == Role::Server && honest.status == 401 {
            true => Answer::with(401, "text/plain", Vec::new()).header(
                "WWW-Authenticate",
                format!("Bearer resource_metadata=\"{address}\""),
            ),
            false => honest,
        },
    )
}

/// One row, and whether the proxy was asked for this host.
fn row(attack: &Attack, host: &str, asks: bool) -> Line {
    let authority = Authority::new("hostile tests");
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    let ports: Vec<u16> = listeners
        .iter()
        .map(|one| one.local_addr().expect("bound").port())
        .collect();
    let named = NAMES.map(|name| format!("{name}:443"));
    let routes: Vec<(&str, u16)> = named.iter().map(String::as_str).zip(ports).collect();
    let divert = Divert::start(&routes);
    let origin = |at: usize| format!("https://{}", NAMES[at]);
    let origins = Origins {
        server: origin(0),
        authority: origin(1),
        elsewhere: origin(2),
    };
    let hostile = Hostile::start_at(
        origins,
        listeners,
        tls(&authority, &NAMES),
        attack.twist.clone(),
    );
    let world = World::of(Arc::new(hostile), vec![authority.option(), divert.option()]);
    let mut seen = world.attacked(attack);
    let asked = divert.asked();
    if asked.iter().any(|name| *name == format!("{host}:443")) != asks {
        seen.leaks
            .push(format!("the proxy was asked for {asked:?}"));
    }
    judged(&attack.name, attack.outcome, &seen)
}

#[test]
fn through_a_proxy_numbers_are_judged_here_and_names_there() {
    let internal = Outcome::Refused("may not send us (RFC 9728 §7.7)");
    let honest = Attack::new("nothing", Outcome::Harmless, |_, _, honest| honest);
    let mut lines = vec![row(&honest, NAMES[1], true)];
    for host in [
        "127.0.0.1",
        "10.66.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[::1]",
        "0x7f.1",
    ] {
        lines.push(row(&issuer(host, internal), host, false));
        lines.push(row(&hint(host, internal), host, false));
    }
    // This proxy has no way there, and says so.
    let refused = Outcome::Refused("the proxy `http://127.0.0.1:");
    for host in ["inside.corp.test", "metadata.google.internal"] {
        lines.push(row(&issuer(host, refused), host, true));
    }
    print("Addresses that lead inside, through a proxy", lines);
}
