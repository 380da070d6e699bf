//! The official SDK as host: it takes what it is told while the person is away, and asks again when
//! it is told to.

use serde_json::json;

use super::BY_HAND;
use crate::support::machine::Machine;
use crate::support::peers::{Kind, Server, Step};

/// What a step saw.
fn saw<'a>(steps: &'a [Step], name: &str) -> &'a serde_json::Value {
    let step = steps.iter().find(|step| step.name() == name);
    step.expect("the step was made").saw()
}

fn is_promise(steps: &[Step], start: &str) {
    assert_eq!(saw(steps, start)["server"]["version"], "unknown");
}

#[test]
fn it_lists_the_tools_when_the_person_is_done() {
    let (server, machine) = (Server::start(Kind::OfficialSdk), Machine::new());
    let steps = "start,sign-in-after-list,call,sampling,stop";
    let steps = machine.host_with(&server, steps, &BY_HAND);
    is_promise(&steps, "start");
    let names = saw(&steps, "sign-in-after-list")["names"].to_string();
    assert!(
        names.contains("\"add\"") && !names.contains("sign_in"),
        "{names}"
    );
    assert_eq!(machine.opened().len(), 0);
}

#[test]
fn it_shows_the_address_that_it_is_asked_to_show() {
    let (server, machine) = (Server::start(Kind::OfficialSdk), Machine::new());
    let steps = "start-showing,list,shown,call,stop";
    let steps = machine.host_with(&server, steps, &BY_HAND);
    is_promise(&steps, "start-showing");
    let shown = saw(&steps, "shown").as_array().unwrap();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(shown[0]["mode"], "url");
}

/// It kills what has not ended two seconds after its stdin was closed, which shows as a signal.
#[test]
fn it_can_leave_while_the_person_is_away() {
    let (server, machine) = (Server::start(Kind::OfficialSdk), Machine::new());
    let steps = machine.host_with(&server, "start,stop", &BY_HAND);
    is_promise(&steps, "start");
}

/// Takes as long as a host is kept waiting.
pub(super) fn it_takes_the_tool_that_it_is_offered() {
    let (server, machine) = (Server::start(Kind::OfficialSdk), Machine::new());
    let steps = "start,offered,sign-in-by-tool,call,stop";
    let steps = machine.host_with(&server, steps, &BY_HAND);
    let tool = saw(&steps, "offered");
    assert_eq!(tool["name"], "sign_in");
    let properties = &tool["inputSchema"]["properties"];
    assert_eq!(properties["callback_url"]["type"], json!("string"));
    let names = saw(&steps, "sign-in-by-tool")["names"].to_string();
    assert!(
        names.contains("\"add\"") && !names.contains("sign_in"),
        "{names}"
    );
}
