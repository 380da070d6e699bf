//! The whole texts, as a user reads them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::*;
use crate::cli::{self, Parsed};
use crate::config::{self, Job, Surroundings};

fn again() -> Again {
    let around = Surroundings {
        env: &BTreeMap::new(),
        data_dir: Some("/data".into()),
        config_dir: None,
        home_dir: None,
        read: &|_: &Path| Err(io::ErrorKind::NotFound.into()),
        open: &config::open,
    };
    let arguments = ["mcp-drawbridge", "https://mcp.example.com/mcp"];
    let Ok(Parsed::Run(request)) = cli::parse(arguments.map(Into::into)) else {
        panic!("the arguments are wrong");
    };
    match Job::new(*request, &around).unwrap() {
        Job::Bridge(config) => config.again,
        other => panic!("{other:?}"),
    }
}

fn guide(again: &Again, audience: Audience) -> Guide<'_> {
    Guide {
        audience,
        again,
        host: "localhost".to_owned(),
        port: 41234,
        open_to_network: false,
        open: true,
    }
}

fn text(lines: &[Line]) -> String {
    let line = |line: &Line| match line {
        Line::Warning(text) => format!("warning: {text}\n"),
        Line::Way(text) => format!("{text}\n"),
    };
    lines.iter().map(line).collect()
}

/// What the user of an AI client reads when no browser is opened in a place like this.
fn in_place(place: Place) -> String {
    let again = again();
    let lines = guide(&again, Audience::AiClient).not_opened(&BrowserError::Nowhere(place), None);
    text(&lines)
}

const PASTE: &str = "if the browser ends on a page that it cannot load, give the address of that page to the tool `sign_in` in the AI client, or run `mcp-drawbridge login https://mcp.example.com/mcp` in a terminal on this machine and paste it\n";
const CODE: &str = "or end the AI client and run `mcp-drawbridge login https://mcp.example.com/mcp --device-code` to enter a code in any browser instead, where the authorization server offers that\n";

#[test]
fn each_place_has_its_own_way_back() {
    let own = "open the address in a browser on your own machine";
    let first = "for the browser to come back by itself, first run on your own machine";
    let pod = |namespace: Option<&str>, name: Option<&str>| Place::Pod {
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
    };
    for (place, opening) in [
        (
            Place::Ssh,
            format!(
                "this is an SSH session; {own}\n\
                 {first}: `ssh -L 41234:localhost:41234 HOST`; HOST is what you gave `ssh` for this session\n"
            ),
        ),
        (
            Place::VsCode,
            format!(
                "VS Code runs this on another machine; {own}\n\
                 for the browser to come back by itself, first forward port 41234 in VS Code, in the view `Ports`\n"
            ),
        ),
        (
            Place::Codespace {
                name: Some("fuzzy-tribble-9x".to_owned()),
            },
            format!(
                "this is a codespace; {own}\n\
                 {first}: `gh codespace ports forward 41234:41234 -c fuzzy-tribble-9x`\n"
            ),
        ),
        (
            pod(Some("agents"), Some("worker-7d9f")),
            format!(
                "this is a container in Kubernetes; {own}\n\
                 {first}: `kubectl port-forward -n agents pod/worker-7d9f 41234:41234`\n"
            ),
        ),
        (
            pod(None, None),
            format!(
                "this is a container in Kubernetes; {own}\n\
                 {first}: `kubectl port-forward pod/POD 41234:41234`\n"
            ),
        ),
        (
            Place::Wsl,
            "Windows programs cannot be started from this Linux; open the address in a browser on Windows, which finds its way back as a rule\n".to_owned(),
        ),
        (
            Place::NoDisplay,
            format!(
                "there is no display; open the address in a browser on this machine or on your own, or set DISPLAY, WAYLAND_DISPLAY or BROWSER for mcp-drawbridge\n\
                 {first}: `ssh -L 41234:localhost:41234 HOST`; HOST is this machine; you do not need it if the browser is here\n"
            ),
        ),
    ] {
        let paste = match place {
            Place::Codespace { .. } => PASTE.replace("on this machine", "of the codespace"),
            Place::Pod { .. } => PASTE.replace("on this machine", "in this container"),
            _ => PASTE.to_owned(),
        };
        assert_eq!(
            in_place(place),
            format!("warning: no browser can be opened here: {opening}{paste}{CODE}")
        );
    }
}

#[test]
fn a_container_is_told_first_what_works_without_starting_it_anew() {
    let paste = PASTE.replace("on this machine", "in this container");
    let warning = "warning: no browser can be opened here: this is a container; open the address in a browser on your own machine\n";
    assert_eq!(
        in_place(Place::Container),
        format!(
            "{warning}{paste}for the browser to come back by itself next time, start the container with `-p 127.0.0.1:41234:41234`, \
             and run `mcp-drawbridge login https://mcp.example.com/mcp 41234 --bind-host 0.0.0.0`\n{CODE}"
        )
    );
    let again = again();
    let published = Guide {
        open_to_network: true,
        ..guide(&again, Audience::AiClient)
    };
    let lines = published.not_opened(&BrowserError::Nowhere(Place::Container), None);
    assert_eq!(
        text(&lines),
        format!(
            "{warning}the browser comes back by itself if the container was started with `-p 127.0.0.1:41234:41234`\n{paste}{CODE}"
        )
    );
}

#[test]
fn who_runs_a_command_is_not_told_of_an_ai_client() {
    let again = again();
    let read = |audience| {
        let error = BrowserError::Nowhere(Place::Wsl);
        let lines = guide(&again, audience).not_opened(&error, None);
        text(&lines[1..])
    };
    let code = "or end this and run `mcp-drawbridge login https://mcp.example.com/mcp --device-code` to enter a code in any browser instead, where the authorization server offers that\n";
    // The question that follows is enough.
    assert_eq!(read(Audience::Asked), code);
    assert_eq!(
        read(Audience::Command),
        format!(
            "if the browser ends on a page that it cannot load, write the address of that page to stdin as a line, or run `mcp-drawbridge login https://mcp.example.com/mcp` in a terminal on this machine and paste it\n{code}"
        )
    );
}

#[test]
fn a_browser_that_cannot_be_started_is_told_of_with_the_place() {
    let again = again();
    let guide = guide(&again, Audience::AiClient);
    let error = BrowserError::Start {
        program: "xdg-open".to_owned(),
        source: io::ErrorKind::NotFound.into(),
    };
    let here = guide.not_opened(&error, None);
    assert_eq!(
        text(&here),
        "warning: cannot start `xdg-open` to open a browser: entity not found; open the address in a browser on this machine, or set BROWSER to a program that does\n"
    );
    let there = guide.not_opened(&error, Some(&Place::Ssh));
    assert!(text(&there).contains("; open the address in a browser on your own machine\n"));
    assert_eq!(there.len(), 4);
    let unsafe_address = guide.not_opened(&BrowserError::Address("it is wrong"), Some(&Place::Ssh));
    assert_eq!(
        text(&unsafe_address),
        "warning: the sign-in address is not opened: it is wrong; ask the server's operator, whose mistake it is\n"
    );
}

#[test]
fn a_browser_that_may_be_elsewhere_is_helped_back() {
    let again = again();
    let client = guide(&again, Audience::AiClient);
    for place in [Place::Ssh, Place::VsCode] {
        assert_eq!(text(&client.opened(Some(&place))), PASTE);
        let asked = guide(&again, Audience::Asked);
        assert_eq!(asked.opened(Some(&place)), [], "the question says it");
    }
    for place in [None, Some(&Place::Wsl), Some(&Place::NoDisplay)] {
        assert_eq!(client.opened(place), []);
    }
}

#[test]
fn where_nothing_listens_only_what_works_is_offered() {
    let again = again();
    let read = |audience| {
        let walled = Guide {
            open: false,
            ..guide(&again, audience)
        };
        let error = BrowserError::Nowhere(Place::Ssh);
        assert_eq!(walled.not_opened(&error, None).len(), 1);
        assert_eq!(walled.opened(Some(&Place::Ssh)), []);
        text(&walled.walled("cannot listen for the browser: not permitted"))
    };
    let warning = "warning: cannot listen for the browser: not permitted; so the browser will end on a page that it cannot load\n";
    assert_eq!(
        read(Audience::AiClient),
        format!(
            "{warning}if the browser ends on a page that it cannot load, give the address of that page to the tool `sign_in` in the AI client\n{CODE}"
        )
    );
    assert!(!read(Audience::Asked).contains("if the browser"));
    assert!(
        read(Audience::Command).contains("write the address of that page to stdin as a line\n")
    );
}
