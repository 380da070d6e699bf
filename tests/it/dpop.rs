//! Tokens that are bound to a key (RFC 9449), at servers that verify every proof: signature, method,
//! address, token, time, nonce, and that none comes twice.

mod refused;
mod streams;

use playground::{
    AuthorizationServerAt, Dpop, Manner, Nonces, Playground, Request, Server, Settings, browse,
};
use serde_json::{Value, json};

use crate::support::bridge::Bridge;
use crate::support::device::Login;
use crate::support::machine::Machine;
use crate::support::scene::is_get;

/// A server that offers it and asks for it in its challenge.
fn offered() -> Settings {
    Settings {
        dpop: Dpop::offered(),
        ..Settings::default()
    }
}

/// A server that takes nothing else.
fn demanded() -> Settings {
    Settings {
        dpop: Dpop {
            required: true,
            ..Dpop::offered()
        },
        ..Settings::default()
    }
}

fn with_nonces(nonces: Nonces) -> Settings {
    let mut settings = demanded();
    settings.dpop.authorization_nonces = nonces;
    settings.dpop.mcp_nonces = nonces;
    settings
}

fn signed_in(settings: Settings) -> (Playground, Machine) {
    let (playground, machine) = (Playground::start(settings), Machine::new());
    call(&machine, &playground, &[]);
    assert_eq!(machine.opened().len(), 1, "{}", playground.printed_log());
    (playground, machine)
}

/// Opens a session, calls a tool, and closes.
fn call(machine: &Machine, playground: &Playground, arguments: &[&str]) {
    let mut bridge = Bridge::open(machine, &playground.mcp_url(), arguments);
    bridge.tool("echo", json!({}));
    bridge.close();
}

fn cached(machine: &Machine) -> Value {
    serde_json::from_slice(&std::fs::read(&machine.cached()[0]).unwrap()).unwrap()
}

fn expire(playground: &Playground, machine: &Machine) {
    playground.expire_access_tokens();
    machine.expire_cached();
}

fn proofs(request: &Request) -> usize {
    request.headers.get_all("dpop").iter().count()
}

/// Everything that came with a bound token or asked for one had exactly one proof, and each was good.
fn all_is_proven(playground: &Playground) {
    assert_eq!(playground.refused_proofs(), [] as [String; 0]);
    assert!(playground.proofs() > 0);
    for request in playground.requests() {
        let with_token = request.dpop_token().is_some();
        let for_token = request.path.ends_with("/token") || request.path.ends_with("/par");
        let expected = usize::from(with_token || for_token);
        assert_eq!(proofs(&request), expected, "{}", playground.printed_log());
        assert_eq!(request.bearer(), None, "{}", playground.printed_log());
    }
}

#[test]
fn cold_warm_expired_and_revoked_all_pass_with_proofs() {
    for settings in [
        offered(),
        demanded(),
        with_nonces(Nonces::Lasting),
        with_nonces(Nonces::Once),
    ] {
        let (playground, machine) = signed_in(settings);
        let key = cached(&machine)["dpop_key"].clone();
        assert_eq!(cached(&machine)["token_type"], "dpop");
        call(&machine, &playground, &[]);
        assert_eq!((playground.refreshes(), machine.opened().len()), (0, 1));
        expire(&playground, &machine);
        call(&machine, &playground, &[]);
        assert_eq!((playground.refreshes(), machine.opened().len()), (1, 1));
        // The refresh token of a public client is bound as well.
        assert_eq!(cached(&machine)["dpop_key"], key);
        expire(&playground, &machine);
        playground.revoke_grants();
        call(&machine, &playground, &[]);
        assert_eq!(machine.opened().len(), 2);
        all_is_proven(&playground);
        assert_eq!(playground.reuses(), 0);
    }
}

#[test]
fn a_server_of_before_proofs_gets_none() {
    let mut settings = Settings::default();
    // The authorization server offers it, and nobody asks for it.
    settings.dpop.algorithms = Some(vec!["ES256".to_owned()]);
    settings.dpop.binds = true;
    let (playground, machine) = signed_in(settings);
    assert!(
        playground
            .requests()
            .iter()
            .all(|request| proofs(request) == 0)
    );
    assert!(cached(&machine).get("dpop_key").is_none());
}

#[test]
fn a_registration_may_demand_it() {
    let mut settings = offered();
    settings.dpop.challenge = false;
    settings.dpop.in_registration = true;
    let (playground, machine) = signed_in(settings);
    all_is_proven(&playground);
    // And still does when the sign-in is a new one.
    machine.forget_sign_in();
    call(&machine, &playground, &[]);
    all_is_proven(&playground);
}

#[test]
fn the_authorization_request_binds_the_code_to_the_key() {
    let (playground, machine) = signed_in(offered());
    let requests = playground.requests();
    let asked = requests.iter().find(|request| request.path == "/authorize");
    let jkt = asked.unwrap().parameter("dpop_jkt").expect("a thumbprint");
    let mut command = machine.command();
    command.args(["status", "--json"]);
    let output = command.output().unwrap();
    let status: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status["sign_ins"][0]["dpop_jkt"], jkt.as_str());
    let text = machine.command().arg("status").output().unwrap().stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains(", bound to a key"), "{text}");
    let key = cached(&machine)["dpop_key"].as_str().unwrap().to_owned();
    assert!(!text.contains(&key) && !status.to_string().contains(&key));
}

#[test]
fn a_pushed_authorization_request_proves_the_key_that_it_names() {
    for nonces in [Nonces::None, Nonces::Lasting, Nonces::Once] {
        let settings = Settings {
            pushed_requests: true,
            ..with_nonces(nonces)
        };
        let (playground, machine) = signed_in(settings);
        all_is_proven(&playground);
        let requests = playground.requests();
        let pushed: Vec<_> = requests.iter().filter(|r| r.path == "/par").collect();
        let statuses: Vec<_> = pushed.iter().filter_map(|r| r.status).collect();
        match nonces {
            Nonces::None => assert_eq!(statuses, [201]),
            _ => assert_eq!(statuses, [400, 201]),
        }
        assert!(pushed.iter().all(|r| r.parameter("dpop_jkt").is_some()));
        // The nonce that came with that holds for the code as well.
        let exchanges = requests.iter().filter(|r| r.path == "/token");
        assert_eq!(exchanges.count(), 1);
        playground.revoke_grants();
        expire(&playground, &machine);
        call(&machine, &playground, &[]);
        all_is_proven(&playground);
        assert_eq!(machine.opened().len(), 2);
    }
}

#[test]
fn a_pushed_request_of_a_clock_that_is_off_is_left_all_the_same() {
    let mut settings = demanded();
    settings.pushed_requests = true;
    settings.dpop.clock_ahead = 40;
    let (playground, machine) = (Playground::start(settings), Machine::new());
    call(&machine, &playground, &[]);
    let refused = playground.refused_proofs();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!((playground.refreshes(), machine.opened().len()), (0, 1));
}

#[test]
fn both_servers_nonces_are_kept_apart_also_at_one_origin() {
    let mut settings = with_nonces(Nonces::Lasting);
    settings.authorization_server = AuthorizationServerAt::McpOrigin;
    let (playground, machine) = signed_in(settings);
    expire(&playground, &machine);
    call(&machine, &playground, &[]);
    all_is_proven(&playground);
}

#[test]
fn a_nonce_that_changes_costs_one_request_and_nothing_else() {
    let (playground, machine) = signed_in(with_nonces(Nonces::Lasting));
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    let before = playground.requests().len();
    bridge.tool("echo", json!({}));
    playground.wait_for(|requests| {
        requests[before..]
            .iter()
            .find(|request| is_get(request))?
            .status
    });
    for _ in 0..3 {
        playground.forget_nonces();
        let (asked, before) = (playground.nonce_demands(), playground.requests().len());
        bridge.tool("echo", json!({}));
        assert_eq!(playground.nonce_demands() - asked, 1);
        let calls = playground.requests().split_off(before);
        let statuses: Vec<_> = calls.iter().map(|request| request.status).collect();
        assert_eq!(statuses, [Some(401), Some(200)]);
        assert_eq!(calls[0].body, calls[1].body);
        assert_ne!(calls[0].header("dpop"), calls[1].header("dpop"));
        // With the nonce known, the next costs nothing more.
        bridge.tool("echo", json!({}));
        assert_eq!(playground.nonce_demands() - asked, 1);
    }
    bridge.close();
    assert_eq!((playground.refreshes(), machine.opened().len()), (0, 1));
    all_is_proven(&playground);
}

#[test]
fn the_refusal_of_a_request_without_a_token_brings_the_nonce_for_the_next() {
    let mut settings = demanded();
    settings.dpop.mcp_nonces = Nonces::Lasting;
    let (playground, _machine) = signed_in(settings);
    all_is_proven(&playground);
    assert_eq!(playground.nonce_demands(), 0);
}

#[test]
fn many_calls_at_once_each_find_their_nonce() {
    let (playground, machine) = signed_in(with_nonces(Nonces::Once));
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &[]);
    let echo = json!({ "name": "echo", "arguments": {} });
    let ids: Vec<u64> = (0..20)
        .map(|_| bridge.request("tools/call", echo.clone()))
        .collect();
    for id in ids {
        let answer = bridge.answer(id);
        assert!(answer["result"].is_object(), "{answer}\n{}", bridge.story());
    }
    bridge.close();
    assert_eq!((playground.refreshes(), machine.opened().len()), (0, 1));
    all_is_proven(&playground);
}

#[test]
fn many_processes_share_one_sign_in_one_key_and_one_refresh() {
    let (playground, machine) = (Playground::start(demanded()), Machine::new());
    let together = || {
        let mut bridges: Vec<Bridge> = (0..6)
            .map(|_| Bridge::start(&machine, &playground.mcp_url(), &[]))
            .collect();
        for bridge in &mut bridges {
            bridge.initialize("2025-11-25", json!({}));
            let id = bridge.request("tools/list", json!({}));
            assert!(bridge.tools_listed(id).contains(&"echo".to_owned()));
            bridge.tool("echo", json!({}));
        }
        bridges.into_iter().for_each(|bridge| drop(bridge.close()));
    };
    together();
    let counts = || (playground.code_exchanges(), playground.refreshes());
    assert_eq!(counts(), (1, 0), "{}", playground.printed_log());
    expire(&playground, &machine);
    together();
    assert_eq!(counts(), (1, 1), "{}", playground.printed_log());
    assert_eq!((machine.opened().len(), playground.reuses()), (1, 0));
    all_is_proven(&playground);
}

#[test]
fn a_clock_that_is_off_is_made_up_for() {
    for ahead in [-7200, 600] {
        let mut settings = demanded();
        settings.dpop.clock_ahead = ahead;
        let (playground, machine) = (Playground::start(settings), Machine::new());
        call(&machine, &playground, &[]);
        // One at each server, for want of its time.
        let refused = playground.refused_proofs();
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert!(
            refused.iter().all(|why| why.contains("`iat`")),
            "{refused:?}"
        );
        assert_eq!((playground.refreshes(), machine.opened().len()), (0, 1));
    }
}

#[test]
fn a_code_for_another_device_leads_to_a_bound_token() {
    let mut settings = demanded();
    settings.device_interval = 1;
    let (playground, machine) = (Playground::start(settings), Machine::new());
    let device = ["--device-code"];
    let login = Login::start(&machine, &playground.mcp_url(), &[]);
    browse(&login.shown(1).complete, Manner::Approve).expect("the page answers");
    assert_eq!(login.ended().0, Some(0));
    call(&machine, &playground, &device);
    all_is_proven(&playground);
    assert_eq!(cached(&machine)["token_type"], "dpop");
}

#[test]
fn the_users_own_header_does_not_stand_beside_the_proof() {
    let (playground, machine) = (Playground::start(demanded()), Machine::new());
    call(
        &machine,
        &playground,
        &["--header", "dpop: mine", "--header", "X-Mine: yes"],
    );
    let proven = |request: &Request| request.dpop_token().is_some();
    let requests = playground.requests();
    for request in requests.iter().filter(|request| proven(request)) {
        assert_eq!(proofs(request), 1);
        assert_ne!(request.header("dpop"), Some("mine"));
        assert_eq!(request.header("x-mine"), Some("yes"));
    }
    assert_eq!(playground.refused_proofs(), [] as [String; 0]);
    let elsewhere = |request: &Request| request.server == Server::Authorization;
    for request in requests.iter().filter(|request| elsewhere(request)) {
        assert_eq!(request.header("x-mine"), None);
    }
}

#[test]
fn neither_key_nor_proof_is_ever_shown() {
    let (playground, machine) = (
        Playground::start(with_nonces(Nonces::Lasting)),
        Machine::new(),
    );
    let mut bridge = Bridge::open(&machine, &playground.mcp_url(), &["--debug"]);
    bridge.tool("echo", json!({}));
    let story = bridge.story();
    bridge.close();
    let key = cached(&machine)["dpop_key"].as_str().unwrap().to_owned();
    assert!(!story.contains(&key));
    let requests = playground.requests();
    let proofs: Vec<_> = requests.iter().filter_map(|r| r.header("dpop")).collect();
    assert!(proofs.len() > 2, "{}", playground.printed_log());
    assert!(!proofs.into_iter().any(|proof| story.contains(proof)));
}
