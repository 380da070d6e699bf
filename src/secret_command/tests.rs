use super::*;

fn words(text: &str) -> Result<Vec<String>, CommandTextError> {
    let command = SecretCommand::parse(text)?;
    let arguments = command
        .arguments
        .iter()
        .map(|word| word.expose().to_owned());
    Ok(std::iter::once(command.program.clone())
        .chain(arguments)
        .collect())
}

#[test]
fn words_are_split_as_a_shell_does_and_nothing_else_is_done() {
    for (text, expected) in [
        ("get-token", &["get-token"][..]),
        ("  a  b\tc\n", &["a", "b", "c"]),
        ("a 'b c' \"d e\" f\\ g", &["a", "b c", "d e", "f g"]),
        ("a \"it's\" '\"' ''", &["a", "it's", "\"", ""]),
        (
            "a $HOME ~ $(b) `c` | d ; e > f *",
            &[
                "a", "$HOME", "~", "$(b)", "`c`", "|", "d", ";", "e", ">", "f", "*",
            ],
        ),
        (r#"["a b", "c", ""]"#, &["a b", "c", ""]),
        (r#" ["C:\\x y.exe"] "#, &[r"C:\x y.exe"]),
    ] {
        assert_eq!(words(text).expect(text), expected, "{text}");
    }
}

#[test]
fn text_that_is_no_command_is_refused_without_being_quoted() {
    use CommandTextError as E;
    for (text, expected) in [
        ("", E::Empty),
        (" \n", E::Empty),
        ("''", E::Empty),
        ("[]", E::Empty),
        ("[\"\"]", E::Empty),
        ("a 'SECRET", E::Unclosed),
        ("a \"SECRET", E::Unclosed),
        ("a SECRET\\", E::Unclosed),
        ("[\"SECRET\"", E::NotAnArray),
        ("[1]", E::NotAnArray),
        ("[\"a\\u0000b\"]", E::Nul),
        ("a b\0", E::Nul),
    ] {
        let error = words(text).expect_err(text);
        assert_eq!(error, expected, "{text}");
        assert!(!error.to_string().contains("SECRET"));
    }
}

#[test]
fn debug_output_hides_the_arguments() {
    let command = SecretCommand::parse("vault --password PASSWORD_1").expect("command");
    let shown = format!("{command:?}");
    assert_eq!(shown, "SecretCommand(`vault`)");
}

#[test]
fn output_is_a_token_or_says_why_not() {
    for (output, expected) in [
        (&b"TOKEN_1"[..], Ok("TOKEN_1")),
        (b"TOKEN_1\n", Ok("TOKEN_1")),
        (b"  TOKEN_1 \r\n\n", Ok("TOKEN_1")),
        (b"1|aZ09-._~+/=", Ok("1|aZ09-._~+/=")),
        (b"", Err(Unusable::Empty)),
        (b" \n", Err(Unusable::Empty)),
        (b"TOKEN_1\nTOKEN_2\n", Err(Unusable::SeveralLines)),
        (b"TOKEN_1\rTOKEN_2\n", Err(Unusable::SeveralLines)),
        (b"Bearer TOKEN_1", Err(Unusable::Characters)),
        (b"TOKEN\0", Err(Unusable::Characters)),
        (b"TOK\x7fEN", Err(Unusable::Characters)),
        ("TÖKEN".as_bytes(), Err(Unusable::Characters)),
        (b"\xff\xfe", Err(Unusable::Characters)),
    ] {
        let judged = secret(output);
        let judged = judged
            .as_ref()
            .map(Secret::expose)
            .map_err(|reason| *reason);
        assert_eq!(judged, expected, "{output:?}");
    }
    assert_eq!(secret(&vec![b'a'; OUTPUT_LIMIT]).map(drop), Ok(()));
    assert_eq!(
        secret(&vec![b'a'; OUTPUT_LIMIT + 1]),
        Err(Unusable::TooLong)
    );
}

#[test]
fn last_line_of_stderr_is_shown_printable_and_cut() {
    assert_eq!(last_line(b""), "");
    assert_eq!(last_line(b"one\ntwo\x1b[31m red\x1b[0m\n\n"), "two red");
    assert!(last_line(&[b'x'; 4000]).chars().count() <= SHOWN + 1);
}

#[cfg(unix)]
mod run {
    use super::*;

    fn sh(script: &str) -> SecretCommand {
        let array = serde_json::json!(["sh", "-c", script]);
        SecretCommand::parse(&array.to_string()).expect("command")
    }

    async fn outcome(command: &SecretCommand) -> Result<String, SecretCommandError> {
        let secret = command.run().await?;
        Ok(secret.expose().to_owned())
    }

    #[tokio::test]
    async fn what_it_prints_is_the_secret_and_what_it_says_is_not() {
        let said = outcome(&sh("echo for people >&2; echo TOKEN_1")).await;
        assert_eq!(said.expect("token"), "TOKEN_1");
    }

    #[tokio::test]
    async fn no_shell_touches_the_arguments() {
        let command = SecretCommand::parse("printf %s '$HOME;`id`'").expect("command");
        assert_eq!(outcome(&command).await.expect("token"), "$HOME;`id`");
    }

    #[tokio::test]
    async fn it_reads_nothing_of_what_is_said_to_us() {
        let command = sh("if read line; then echo READ; else echo ENDED; fi");
        assert_eq!(outcome(&command).await.expect("token"), "ENDED");
    }

    #[tokio::test]
    async fn failure_shows_status_and_last_line_but_no_arguments() {
        let command = sh("echo first >&2; echo not signed in >&2; echo TOKEN_1; exit 7");
        let error = outcome(&command).await.expect_err("failed");
        assert_eq!(
            error.to_string(),
            "the command `sh` failed (exit status: 7): not signed in"
        );
    }

    #[tokio::test]
    async fn program_that_is_not_there_is_named() {
        let command = SecretCommand::parse("/nonexistent/a SECRET_1").expect("command");
        let error = outcome(&command).await.expect_err("missing");
        let text = error.to_string();
        assert!(text.starts_with("the command `/nonexistent/a` cannot be started"));
        assert!(!text.contains("SECRET_1"));
        assert!(error.hint().contains("whole path"));
    }

    #[tokio::test]
    async fn endless_output_is_not_read_to_the_time_limit() {
        let error = outcome(&sh("exec yes")).await;
        assert!(matches!(
            error.expect_err("too much"),
            SecretCommandError::Unusable {
                reason: Unusable::TooLong,
                ..
            }
        ));
    }

    #[tokio::test]
    async fn much_on_stderr_holds_nothing_up() {
        let said = outcome(&sh("head -c 300000 /dev/zero >&2; echo TOKEN_1")).await;
        assert_eq!(said.expect("token"), "TOKEN_1");
    }

    #[tokio::test]
    async fn what_it_leaves_running_is_not_waited_for() {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("pid");
        let script = format!("sleep 600 & echo $! >'{}'; echo TOKEN_1", file.display());
        let said = outcome(&sh(&script)).await;
        assert_eq!(said.expect("token"), "TOKEN_1");
        let pid = std::fs::read_to_string(&file).expect("pid");
        let ended = std::process::Command::new("kill").arg(pid.trim()).status();
        assert!(ended.expect("kill").success(), "it was running still");
    }

    #[tokio::test]
    async fn command_that_takes_too_long_is_named_with_its_limit() {
        let command = sh("exec sleep 600");
        let error = command.run_within(Duration::from_millis(20)).await;
        let error = error.expect_err("too long");
        assert_eq!(
            error.to_string(),
            "the command `sh` did not end within 0.02 s"
        );
    }

    #[tokio::test]
    async fn command_that_nobody_waits_for_is_ended() {
        let folder = tempfile::tempdir().expect("folder");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        // It holds the pipe open for as long as it lives.
        let script = format!("exec 3>'{}'; echo RUNS >&3; exec sleep 600", pipe.display());
        let run = tokio::spawn(async move { sh(&script).run().await.map(drop) });
        let reader = tokio::task::spawn_blocking(move || {
            use std::io::{BufRead, BufReader, Read};
            let mut pipe = BufReader::new(std::fs::File::open(pipe).expect("open"));
            let mut line = String::new();
            pipe.read_line(&mut line).expect("line");
            (line, pipe.bytes())
        });
        let (line, mut rest) = reader.await.expect("read");
        assert_eq!(line, "RUNS\n");
        run.abort();
        let ended = tokio::task::spawn_blocking(move || rest.next().is_none());
        let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
        assert!(ended.expect("it runs still").expect("read"));
    }
}

/// What a command has started ends with it.
#[cfg(unix)]
mod family {
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;

    use tokio::sync::oneshot;

    use super::*;

    /// A pipe in a folder, and a command whose grandchild holds it open for long.
    fn scene() -> (tempfile::TempDir, PathBuf, SecretCommand) {
        let folder = tempfile::tempdir().expect("folder");
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        let script = format!("(exec 3>'{}'; sleep 300) | cat", pipe.display());
        let array = serde_json::json!(["sh", "-c", script]);
        let command = SecretCommand::parse(&array.to_string()).expect("command");
        (folder, pipe, command)
    }

    /// Tells when the grandchild has the pipe, and when it has let go.
    fn watch(pipe: PathBuf) -> (oneshot::Receiver<()>, oneshot::Receiver<()>) {
        let (held, is_held) = oneshot::channel();
        let (ended, has_ended) = oneshot::channel();
        // Not one of the runtime's threads, which would wait for it if nobody ever has the pipe.
        std::thread::spawn(move || {
            let mut file = fs::File::open(pipe).expect("the pipe");
            let _ = held.send(());
            std::io::copy(&mut file, &mut std::io::sink()).expect("the end");
            let _ = ended.send(());
        });
        (is_held, has_ended)
    }

    async fn in_time<T>(what: impl Future<Output = T>) -> T {
        let outcome = tokio::time::timeout(Duration::from_secs(60), what).await;
        outcome.expect("it takes too long")
    }

    #[tokio::test]
    async fn whoever_stops_waiting_ends_all_of_it() {
        let (_folder, pipe, command) = scene();
        let (is_held, has_ended) = watch(pipe);
        tokio::select! {
            outcome = command.run_within(Duration::from_secs(120)) => panic!("{outcome:?}"),
            told = in_time(is_held) => told.expect("held"),
        }
        in_time(has_ended).await.expect("all of it has ended");
    }

    #[tokio::test]
    async fn the_end_of_its_time_ends_all_of_it() {
        let (_folder, pipe, command) = scene();
        let (mut is_held, has_ended) = watch(pipe);
        let outcome = command.run_within(Duration::from_secs(2)).await;
        assert!(matches!(outcome, Err(SecretCommandError::TimedOut { .. })));
        // On a machine that is busy it may not have come that far, and there is nothing to see.
        if is_held.try_recv().is_ok() {
            in_time(has_ended).await.expect("all of it has ended");
        }
    }

    #[tokio::test]
    async fn what_a_command_that_ended_well_leaves_running_runs_on() {
        let folder = tempfile::tempdir().expect("folder");
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        // It holds neither of the outputs, as an agent does.
        let script = format!(
            "cat '{}' >'{}' 2>/dev/null & echo TOKEN_1",
            pipe.display(),
            folder.path().join("copy").display()
        );
        let array = serde_json::json!(["sh", "-c", script]);
        let command = SecretCommand::parse(&array.to_string()).expect("command");
        let token = command.run_within(Duration::from_secs(60)).await;
        assert_eq!(token.expect("token").expose(), "TOKEN_1");
        // Nobody could write to the pipe if it were gone: opening it would wait for ever.
        let (wrote, written) = oneshot::channel();
        std::thread::spawn(move || wrote.send(fs::write(pipe, "still here").is_ok()));
        assert_eq!(in_time(written).await, Ok(true));
    }
}
