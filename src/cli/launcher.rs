//! What is left of a launcher where only the command of an entry was changed: this program has taken the
//! place of `npx`, and `-y mcp-remote@latest` still stands before the address.

use crate::compat::mcp_remote::{Start, names_it, recognise};

use super::CLIENT;

/// Whose place this program may have taken.
const LAUNCHERS: [&str; 10] = [
    "npx", "node", "npm", "pnpm", "yarn", "bunx", "bun", "deno", "cmd", "wsl",
];

/// The program of the package that was to be started, with its own arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meant {
    /// mcp-remote.
    Bridge(Vec<String>),
    /// mcp-remote-client.
    Client(Vec<String>),
}

/// What is said where the words of a launcher were left out.
pub(super) const LEFT_OUT: &str = "what starts mcp-remote is left out of the arguments: this program takes its place; `mcp-drawbridge migrate` tidies the configuration up";

/// The arguments behind the words of a launcher. `None` if there are no such words, as in arguments that
/// begin with an address.
pub(super) fn behind_launcher(args: &[String]) -> Option<Meant> {
    let before_address = args.iter().take_while(|arg| !arg.contains("://"));
    before_address.clone().find(|arg| names_it(arg))?;
    if let Some(at) = before_address.clone().position(|arg| is_client(arg)) {
        return Some(Meant::Client(args[at + 1..].to_vec()));
    }
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let itself = recognise(words[0], &words[1..]);
    let others = LAUNCHERS.iter().map(|launcher| recognise(launcher, &words));
    std::iter::once(itself)
        .chain(others)
        .find_map(|start| match start {
            Start::Bridge(launch) => Some(Meant::Bridge(launch.args)),
            _ => None,
        })
}

/// Whether a word is what npm or a path calls mcp-remote-client.
fn is_client(word: &str) -> bool {
    let path = word.replace('\\', "/");
    let name = path.rsplit('/').next().unwrap_or_default();
    name == CLIENT || names_it(&path) && path.ends_with("/dist/client.js")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(args: &[&str]) -> Option<Meant> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        behind_launcher(&args)
    }

    fn words(args: &[&str]) -> Vec<String> {
        args.iter().map(|arg| (*arg).to_owned()).collect()
    }

    const URL: &str = "https://x.example/mcp";

    #[test]
    fn the_words_of_every_launcher_are_left_out() {
        for launcher in [
            &["mcp-remote"][..],
            &["mcp-remote@latest"],
            &["-y", "mcp-remote"],
            &["--yes", "mcp-remote@0.1.29"],
            &["-p", "mcp-remote@latest", "mcp-remote"],
            &["--package=mcp-remote", "mcp-remote"],
            &["exec", "--yes", "--", "mcp-remote"],
            &["dlx", "mcp-remote"],
            &["x", "mcp-remote"],
            &["run", "-A", "npm:mcp-remote"],
            &["/usr/lib/node_modules/mcp-remote/dist/proxy.js"],
            &["C:\\npm\\node_modules\\mcp-remote\\dist\\proxy.js"],
            &["--no-warnings", "/x/mcp-remote/dist/proxy.js"],
            &["/c", "npx", "-y", "mcp-remote"],
            &["npx", "-y", "mcp-remote"],
        ] {
            let args = [launcher, &[URL, "3334", "--header", "X: mcp-remote"]].concat();
            let expected = words(&[URL, "3334", "--header", "X: mcp-remote"]);
            assert_eq!(meant(&args), Some(Meant::Bridge(expected)), "{args:?}");
        }
    }

    #[test]
    fn the_other_program_of_the_package_is_known() {
        for launcher in [
            &["mcp-remote-client"][..],
            &["-p", "mcp-remote@latest", "mcp-remote-client"],
            &["/x/mcp-remote/dist/client.js"],
        ] {
            let args = [launcher, &[URL, "--debug"]].concat();
            let expected = words(&[URL, "--debug"]);
            assert_eq!(meant(&args), Some(Meant::Client(expected)), "{args:?}");
        }
    }

    #[test]
    fn arguments_of_the_bridge_stay() {
        for args in [
            &[][..],
            &[URL],
            &[URL, "--name", "mcp-remote"],
            &["mcp-remote"],
            &["--name", "mcp-remote", URL],
            &["--debug", "mcp-remote", URL],
            &["mcp-remote-server", "--debug"],
            &["--header", "X: mcp-remote", URL],
            &["https://mcp-remote.example/mcp-remote"],
        ] {
            assert_eq!(meant(args), None, "{args:?}");
        }
    }
}
