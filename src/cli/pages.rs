//! What is made of the definitions for other programs: completions for shells, and manual pages.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Args, Command, ValueHint};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::{UsageError, command};
use crate::compat::hosts::HOSTS;

/// What the program is called.
const PROGRAM: &str = "mcp-drawbridge";

/// Arguments of `completions`.
#[derive(Args)]
pub(super) struct CompletionsArgs {
    /// The shell: bash, zsh, fish or powershell
    #[arg(value_name = "SHELL")]
    shell: Option<String>,
}

/// Arguments of `man`.
#[derive(Args)]
pub(super) struct ManArgs {
    /// The command whose page it is; without it, the page of the program
    #[arg(value_name = "COMMAND")]
    command: Option<String>,
}

/// The script that makes a shell complete commands and options.
pub(super) fn completions(args: &CompletionsArgs) -> Result<String, UsageError> {
    let shell = match args.shell.as_deref() {
        Some("bash") => Shell::Bash,
        Some("zsh") => Shell::Zsh,
        Some("fish") => Shell::Fish,
        Some("powershell" | "pwsh") => Shell::PowerShell,
        _ => {
            return Err(UsageError::new("the shell is not one that is known here")
                .with_hint("name bash, zsh, fish or powershell"));
        }
    };
    let mut script = Vec::new();
    let command = command().mut_args(with_values);
    let mut command = command.mut_subcommands(|command| command.mut_args(with_values));
    generate(shell, &mut command, PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script);
    if shell == Shell::Fish {
        return Ok(of_the_bridge(&script));
    }
    // clap_complete 4.6 spells the hyphen of the program's name in two ways in bash's script, which
    // then completes no command's options.
    Ok(script.replace("mcp__subcmd__drawbridge", "mcp__drawbridge"))
}

/// fish's script, with the bridge's own options offered behind an address and with their values, too.
/// clap_complete 4.6 takes the first argument that is no option for a command, and offers them before it
/// only. Here a command is one in first place.
fn of_the_bridge(script: &str) -> String {
    const BEFORE_COMMANDS: &str = "-n \"__fish_mcp_drawbridge_needs_command\"";
    let commands = command();
    let names: Vec<&str> = commands.get_subcommands().map(Command::get_name).collect();
    let is_option = |line: &str| [" -l ", " -s "].iter().any(|part| line.contains(part));
    let mut written = format!(
        "function __fish_mcp_drawbridge_is_bridge\n    set -l cmd (commandline -opc)\n    not contains -- \"$cmd[2]\" {}\nend\n\n",
        names.join(" ")
    );
    for line in script.lines() {
        match line.strip_prefix("complete -c mcp-drawbridge ") {
            Some(rest) if rest.starts_with(BEFORE_COMMANDS) && is_option(rest) => {
                let own = "-n \"__fish_mcp_drawbridge_is_bridge\"";
                let line = line.replacen(BEFORE_COMMANDS, own, 1);
                written.push_str(&line);
            }
            _ => written.push_str(line),
        }
        written.push('\n');
    }
    written
}

/// What shells may put in for the values of an option. Whether a value is right is judged elsewhere.
fn with_values(arg: Arg) -> Arg {
    let hosts = || HOSTS.iter().map(|host| host.name);
    let values: Vec<&str> = match arg.get_id().as_str() {
        "transport" => vec!["http-first", "sse-first", "http-only", "sse-only"],
        "protocol" => vec!["auto", "legacy", "modern"],
        "dpop" => vec!["auto", "always", "never"],
        "ai_client" => hosts().collect(),
        "shell" => vec!["bash", "zsh", "fish", "powershell"],
        _ => {
            let is_file = |name: &clap::builder::Str| name.as_str() == "FILE";
            let names = arg.get_value_names().unwrap_or_default();
            return match names.iter().any(is_file) {
                true => arg.value_hint(ValueHint::FilePath),
                false => arg,
            };
        }
    };
    arg.value_parser(PossibleValuesParser::new(values))
}

/// The manual page of the program, or of one of its commands.
pub(super) fn manual(args: &ManArgs) -> Result<String, UsageError> {
    let whole = command();
    let page = match &args.command {
        None => whole,
        Some(name) => {
            let found = whole
                .find_subcommand(name)
                .filter(|found| !found.is_hide_set());
            let Some(found) = found else {
                return Err(UsageError::new("there is no command of that name")
                    .with_hint("`mcp-drawbridge -h` lists the commands"));
            };
            let found: Command = found.clone();
            let full = format!("{PROGRAM}-{name}");
            found
                .display_name(full)
                .bin_name(format!("{PROGRAM} {name}"))
        }
    };
    let mut text = Vec::new();
    // Writing into memory does not fail.
    let _ = Man::new(page).render(&mut text);
    // Terminals without Unicode have no sign for it, and groff says so.
    Ok(String::from_utf8_lossy(&text).replace('…', "..."))
}

#[cfg(test)]
mod tests {
    use super::super::option_names;
    use super::*;

    const COMMANDS: [&str; 7] = [
        "login", "logout", "status", "doctor", "migrate", "import", "add",
    ];

    #[test]
    fn every_shell_completes_every_option_and_command() {
        for shell in ["bash", "zsh", "fish", "powershell"] {
            let script = completions(&CompletionsArgs {
                shell: Some(shell.to_owned()),
            })
            .expect("a shell");
            for name in option_names() {
                assert!(script.contains(&name), "{shell}: {name}");
            }
            for command in COMMANDS {
                assert!(script.contains(command), "{shell}: {command}");
            }
            // clap_complete knows no values for PowerShell.
            for value in ["sse-only", "legacy", "copilot-cli"] {
                let is_there = script.contains(value);
                assert!(is_there || shell == "powershell", "{shell}: {value}");
            }
        }
        for shell in [None, Some("tcsh".to_owned())] {
            assert!(completions(&CompletionsArgs { shell }).is_err());
        }
    }

    #[test]
    fn the_program_and_each_command_have_a_page() {
        let page = |command: Option<&str>| {
            let command = command.map(str::to_owned);
            manual(&ManArgs { command })
        };
        let whole = page(None).expect("a page");
        assert!(whole.starts_with(".ie"), "{whole}");
        assert!(!whole.contains('…') && whole.contains("..."));
        let options = option_names();
        for name in &options {
            let written = name.replace('-', "\\-");
            assert!(whole.contains(&format!("\\-\\-{written}")), "{name}");
        }
        for command in COMMANDS {
            let text = page(Some(command)).expect("a page");
            assert!(
                text.contains(&format!(".TH mcp-drawbridge-{command} ")),
                "{text}"
            );
        }
        for command in ["man", "zzz"] {
            assert!(page(Some(command)).is_err(), "{command}");
        }
    }
}
