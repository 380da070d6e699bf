//! What is made of the definitions for other programs: completions for shells, and manual pages.

use clap::{Args, Command};
use clap_complete::{Shell, generate};
use clap_mangen::Man;

use super::{UsageError, command};

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
    generate(shell, &mut command(), PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script);
    // clap_complete 4.6 spells the hyphen of the program's name in two ways in bash's script, which
    // then completes no command's options.
    Ok(script.replace("mcp__subcmd__drawbridge", "mcp__drawbridge"))
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
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::option_names;
    use super::*;

    const COMMANDS: [&str; 6] = ["login", "logout", "status", "doctor", "migrate", "add"];

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
