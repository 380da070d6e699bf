//! Completions and manual pages of the built binary, as the programs that read them take them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::skip::skipped;

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mcp-drawbridge"))
        .args(args)
        .env_clear()
        .output()
        .expect("the program starts")
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[cfg(target_os = "linux")]
#[test]
fn bash_completes_commands_and_options() {
    let script = text(&run(&["completions", "bash"]));
    let ask = r#"
completer=$(complete -p mcp-drawbridge); completer=${completer##*-F }; completer=${completer%% *}
complete_line() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); $completer mcp-drawbridge "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; echo "${COMPREPLY[@]}"; }
complete_line mcp-drawbridge mig
complete_line mcp-drawbridge migrate --ap
complete_line mcp-drawbridge https://x.example --device
complete_line mcp-drawbridge https://x.example --transport sse-
complete_line mcp-drawbridge migrate --host copi
"#;
    let mut bash = Command::new("bash")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash is there");
    let mut stdin = bash.stdin.take().expect("stdin is piped");
    stdin
        .write_all(format!("{script}{ask}").as_bytes())
        .expect("it reads");
    drop(stdin);
    let said = text(&bash.wait_with_output().expect("it ends"));
    assert_eq!(
        said,
        "migrate\n--apply\n--device-code\nsse-first sse-only\ncopilot-cli\n"
    );
}

/// The output of a shell that is not on every machine.
fn shell(name: &str, args: &[&str], folder: &Path) -> Option<String> {
    let mut shell = Command::new(name);
    shell.args(args).env("HOME", folder).current_dir(folder);
    match shell.output() {
        Ok(output) => Some(text(&output)),
        Err(_) => {
            skipped(&format!("{name} is not here: nobody loads its completions"));
            None
        }
    }
}

#[test]
fn fish_completes_commands_options_and_values() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let script = text(&run(&["completions", "fish"]));
    std::fs::write(folder.path().join("c.fish"), script).expect("written");
    let ask = "source c.fish; complete -C 'mcp-drawbridge mig'; complete -C 'mcp-drawbridge migrate --ap'; complete -C 'mcp-drawbridge --transport sse-'; complete -C 'mcp-drawbridge https://x.example --device'; complete -C 'mcp-drawbridge status --device'; complete -C 'mcp-drawbridge add --host copi'";
    if let Some(said) = shell("fish", &["-N", "-c", ask], folder.path()) {
        let words = said
            .lines()
            .map(|line| line.split('\t').next().unwrap_or_default());
        let words: Vec<&str> = words.collect();
        let offered = [
            "migrate",
            "--apply",
            "sse-first",
            "sse-only",
            "--device-code",
            "copilot-cli",
        ];
        assert_eq!(words, offered);
    }
}

#[test]
fn zsh_loads_its_completions_by_itself() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let script = text(&run(&["completions", "zsh"]));
    std::fs::write(folder.path().join("_mcp-drawbridge"), script).expect("written");
    let ask = "fpath=($PWD $fpath); autoload -Uz compinit; compinit -D -u; echo $_comps[mcp-drawbridge]; autoload +X _mcp-drawbridge; functions _mcp-drawbridge | grep -c -- --transport";
    if let Some(said) = shell("zsh", &["-f", "-c", ask], folder.path()) {
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], "_mcp-drawbridge");
        assert_ne!(lines[1], "0");
    }
}

#[test]
fn an_unknown_shell_or_command_is_wrong_usage() {
    for args in [
        &["completions"][..],
        &["completions", "tcsh"],
        &["man", "zzz"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty());
    }
    assert!(text(&run(&["man", "add"])).contains("mcp\\-drawbridge"));
}
