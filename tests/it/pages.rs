//! Completions and manual pages of the built binary, as the programs that read them take them.

use std::io::Write;
use std::process::{Command, Output, Stdio};

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
    assert_eq!(said, "migrate\n--apply\n--device-code\n");
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
