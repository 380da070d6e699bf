//! Secrets on the command line, which every user of the machine can read in the list of processes, and
//! which shells remember.

use super::telling;
use crate::cli::ServerArgs;

/// What is worth a warning, without the secret.
pub(super) fn warnings(args: &ServerArgs) -> Vec<String> {
    let mut exposed: Vec<(&str, &str)> = Vec::new();
    let mut headers = args.traffic.header.iter();
    if headers.any(|line| telling::is_telling_line(line)) {
        exposed.push((
            "--header",
            "write `${VAR}` in its place, and put it into the environment",
        ));
    }
    let info = args.which.static_oauth_client_info.as_deref();
    if info.is_some_and(|text| telling::holds_secret("static_oauth_client_info", text)) {
        exposed.push((
            "--static-oauth-client-info",
            "write `${VAR}` in its place, or use `--client-id` and `MCP_DRAWBRIDGE_CLIENT_SECRET`",
        ));
    }
    let proxy = args.common.proxy.as_deref();
    if proxy.is_some_and(|text| telling::holds_secret("proxy", text)) {
        exposed.push(("--proxy", "give the option as `MCP_DRAWBRIDGE_PROXY`"));
    }
    let exposed = exposed.into_iter();
    exposed
        .map(|(option, instead)| {
            format!(
                "other users can read the secret in `{option}` in the list of processes; {instead}"
            )
        })
        .collect()
}
