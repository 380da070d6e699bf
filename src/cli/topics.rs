//! Under which heading, and in which order, the help shows an option.

use clap::builder::StyledStr;
use clap::{Arg, Command};

use super::cached::finds_sign_in;
use super::variable;

/// The options by topic. The first have no heading: they are what most people need.
const TOPICS: [(Option<&str>, &[&str]); 8] = [
    (
        None,
        &[
            "all",
            "apply",
            "undo",
            "print",
            "project",
            "replace",
            "json",
            "sign-in",
            "name",
            "scope",
            "header",
            "no-browser",
            "no-import",
            "device-code",
            "config",
            "debug",
            "silent",
        ],
    ),
    (
        Some("The browser's way back"),
        &[
            "auth-timeout",
            "host",
            "callback-path",
            "bind-host",
            "auth-success-url",
        ],
    ),
    (
        Some("A client of your own"),
        &[
            "client-id",
            "client-secret-env",
            "client-assertion-key",
            "client-assertion-alg",
            "client-assertion-kid",
            "client-assertion-audience",
            "client-metadata-url",
            "initial-access-token-env",
            "static-oauth-client-info",
            "static-oauth-client-metadata",
        ],
    ),
    (
        Some("Without a person"),
        &[
            "client-credentials",
            "refresh-token-env",
            "workload-jwt-file",
            "workload-jwt-env",
            "workload-jwt-command",
            "idp-issuer",
            "idp-token-endpoint",
            "idp-client-id",
            "idp-client-secret-env",
            "idp-id-token-file",
            "bearer-env",
            "bearer-command",
        ],
    ),
    (
        Some("What is asked of the authorization server"),
        &[
            "resource",
            "disable-resource-parameter",
            "audience",
            "authorize-param",
            "token-param",
            "dpop",
            "use-id-token",
        ],
    ),
    (
        Some("Authorization servers that do not keep to the rules"),
        &[
            "issuer",
            "authorization-endpoint",
            "token-endpoint",
            "revocation-endpoint",
            "disable-pkce",
            "allow-missing-pkce-metadata",
            "no-known-servers",
        ],
    ),
    (
        Some("Requests to the MCP server"),
        &[
            "header-file",
            "transport",
            "protocol",
            "tool",
            "ignore-tool",
            "headers-timeout",
            "body-timeout",
            "keep-alive",
            "ping-interval",
            "disable-cookies",
        ],
    ),
    (
        Some("Network"),
        &[
            "proxy",
            "no-proxy",
            "enable-proxy",
            "ca-file",
            "client-cert",
            "client-key",
            "connect-timeout",
            "ipv4",
            "allow-http",
            "allow-internal-addresses",
        ],
    ),
];

/// What only one command has, and no variable stands for.
const OF_ONE_COMMAND: [&str; 8] = [
    "all", "apply", "json", "print", "project", "replace", "sign-in", "undo",
];

/// The option that names an AI client, where it is called `--host`.
pub(super) const AI_CLIENT: &str = "ai_client";

/// What `logout` takes in place of an address.
const OF_LOGOUT: &str =
    "Address of the server, its name in the configuration file, or the one that `status` shows";

/// The options of a command in their topics, each with its variable.
pub(super) fn arranged(command: Command) -> Command {
    let is_logout = command.get_name() == "logout";
    // What `add` writes stands for the command line alone.
    let is_add = command.get_name() == "add";
    command.mut_args(|arg| {
        if arg.get_id() == AI_CLIENT {
            return arg.display_order(0);
        }
        let shown = match arg.get_long() {
            Some(long) => !is_logout || finds_sign_in(long),
            None => !is_logout || arg.get_id() != "callback_port",
        };
        let arg = match is_logout && arg.get_id() == "url" {
            true => arg.help(OF_LOGOUT).long_help(OF_LOGOUT),
            false => arg,
        };
        match is_add {
            true => placed(arg),
            false => show_variable(placed(arg)).hide(!shown),
        }
    })
}

/// Puts an option under its heading. Sorting is by topic, then as the table has it.
fn placed(arg: Arg) -> Arg {
    let Some(long) = arg.get_long().map(str::to_owned) else {
        return arg;
    };
    match place(&long) {
        Some(place) => arg
            .help_heading(TOPICS[place / TOPIC].0)
            .display_order(place),
        None => arg,
    }
}

/// How far the topics are apart in the order of the help.
const TOPIC: usize = 100;

/// Where an option stands in the help.
pub(super) fn place(long: &str) -> Option<usize> {
    let mut topics = TOPICS.iter().enumerate();
    topics.find_map(|(topic, (_, options))| {
        let place = options.iter().position(|option| *option == long)?;
        Some(topic * TOPIC + place)
    })
}

/// Adds the environment variable to an option's long help.
fn show_variable(arg: Arg) -> Arg {
    let Some(long) = arg.get_long().filter(|long| !OF_ONE_COMMAND.contains(long)) else {
        return arg;
    };
    let text = arg
        .get_long_help()
        .or(arg.get_help())
        .map(StyledStr::to_string)
        .unwrap_or_default();
    let text = format!("{text}\n\n[env: {}]", variable(long));
    arg.long_help(text)
}

#[cfg(test)]
mod tests {
    use super::super::option_names;
    use super::*;

    #[test]
    fn every_option_has_one_place() {
        let placed = TOPICS.iter().flat_map(|(_, options)| *options).copied();
        let mut placed: Vec<&str> = placed
            .filter(|long| !OF_ONE_COMMAND.contains(long))
            .collect();
        placed.sort();
        let mut options = option_names();
        options.sort();
        assert_eq!(placed, options);
    }
}
