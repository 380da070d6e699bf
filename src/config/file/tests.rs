mod oauth;
mod places;
mod secrets;
mod targets;
mod text;
mod values;

use std::time::Duration;

use crate::cli::{self, UsageError};
use crate::config::tests::{CONFIG_FILE, World, header};
use crate::config::{AuthMode, Config, Job, LogoutTarget, Resource, StatusTarget};
use crate::diag::Level;
use crate::ids::ResourceId;
use crate::mcp::transport::Preference;
use crate::oauth::registration::AuthMethod;

const SERVER: &str = "https://mcp.example.com/mcp";

/// A world whose configuration file is this.
fn world(file: impl AsRef<[u8]>) -> World {
    World::default().file(CONFIG_FILE, file)
}

/// A world whose configuration file has one entry, `it`, with these members besides the address.
fn entry(members: &str) -> World {
    world(format!(
        r#"{{"mcpServers":{{"it":{{"url":"{SERVER}"{members}}}}}}}"#
    ))
}

fn bridge(world: &World, args: &[&str]) -> Result<Config, UsageError> {
    world.job(args).map(|job| match job {
        Job::Bridge(config) => *config,
        other => panic!("{args:?}: {other:?}"),
    })
}

fn taken(world: &World, args: &[&str]) -> Config {
    bridge(world, args).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

fn it(members: &str) -> Config {
    taken(&entry(members), &["it"])
}

/// The message and the hint of the refusal.
fn refused(world: &World, args: &[&str]) -> (String, String) {
    match bridge(world, args) {
        Ok(_) => panic!("{args:?} was taken"),
        Err(error) => (
            error.to_string(),
            error.hint().unwrap_or_default().to_owned(),
        ),
    }
}

/// The message of the refusal of these members of the entry `it`.
fn refusal(members: &str) -> String {
    refused(&entry(members), &["it"]).0
}

/// The message about one member of the entry `it`.
fn of_it(member: &str, rest: &str) -> String {
    format!("`{member}` of `it` in `{CONFIG_FILE}` {rest}")
}

#[test]
fn an_option_that_the_command_line_gains_is_one_here() {
    for shape in cli::option_shapes() {
        let long = &shape.long;
        if long == "config" {
            continue;
        }
        // A list of lists fits nothing, so that it is refused tells that the name is known.
        let message = refusal(&format!(r#","{long}":[[]]"#));
        assert!(message.starts_with(&format!("`{long}")), "{message}");
    }
}

#[test]
fn the_example_of_the_readme_is_taken_as_it_stands() {
    let readme = include_str!("../../../README.md");
    let section = readme.split("## Configuration file").nth(1);
    let example = section.and_then(|text| text.split("```json\n").nth(1)?.split("```").next());
    let world = world(example.expect("an example"))
        .var("TEAM", "t1")
        .var("WORK_SECRET", "s1");
    for name in ["notion", "work"] {
        let config = taken(&world, &[name]);
        assert!(config.base.warnings.is_empty(), "{config:?}");
        assert_eq!(config.auth_timeout, Duration::from_secs(900));
    }
    let work = taken(&world, &["work"]);
    assert_eq!(work.callback.port, Some(3334));
    assert_eq!(header(&work, "x-team").as_deref(), Some("t1"));
    assert!(work.client.expect("a client").client_secret.is_some());
}
