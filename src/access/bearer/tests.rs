use super::*;

fn variable() -> Bearer {
    Bearer::new(BearerSource::Variable {
        name: "MY_TOKEN".to_owned(),
        token: Secret::new("TOKEN_1"),
    })
}

fn sent(token: &str) -> Option<Credential> {
    Some(Credential::bearer(Secret::new(token)))
}

#[tokio::test]
async fn token_of_a_variable_is_sent_and_its_refusal_is_final_and_names_the_variable() {
    let bearer = variable();
    let credential = bearer.credential().await.expect("credential");
    assert_eq!(Some(credential), sent("TOKEN_1"));
    let error = bearer.challenged(sent("TOKEN_1")).await.expect_err("final");
    assert!(error.is_final());
    assert!(error.to_string().contains("`MY_TOKEN`"), "{error}");
    assert!(!error.to_string().contains("TOKEN_1"), "{error}");
}

#[test]
fn debug_output_hides_the_token() {
    assert!(!format!("{:?}", variable()).contains("TOKEN_1"));
}

#[cfg(unix)]
mod command {
    use super::*;

    /// A command that counts its runs, and prints what `script` makes of the number `$n`.
    struct Counted {
        folder: tempfile::TempDir,
        bearer: Bearer,
    }

    fn counted(script: &str) -> Counted {
        let folder = tempfile::tempdir().expect("folder");
        let file = folder.path().join("runs");
        let script = format!(
            "echo run >>'{0}'; n=$(wc -l <'{0}'); n=$((n)); {script}",
            file.display()
        );
        let text = serde_json::json!(["sh", "-c", script]).to_string();
        let command = SecretCommand::parse(&text).expect("command");
        let bearer = Bearer::new(BearerSource::Command(command));
        Counted { folder, bearer }
    }

    impl Counted {
        fn runs(&self) -> usize {
            let file = self.folder.path().join("runs");
            std::fs::read_to_string(file).map_or(0, |text| text.lines().count())
        }
    }

    #[tokio::test]
    async fn nothing_runs_before_the_first_need_and_then_once() {
        let counted = counted("echo TOKEN_$n");
        assert_eq!(counted.runs(), 0);
        for _ in 0..3 {
            let credential = counted.bearer.credential().await.expect("credential");
            assert_eq!(Some(credential), sent("TOKEN_1"));
        }
        assert_eq!(counted.runs(), 1);
    }

    #[tokio::test]
    async fn many_at_the_same_time_share_a_run_and_its_token() {
        let counted = counted("echo TOKEN_$n");
        let (a, b, c) = tokio::join!(
            counted.bearer.credential(),
            counted.bearer.credential(),
            counted.bearer.credential()
        );
        for credential in [a, b, c] {
            assert_eq!(Some(credential.expect("credential")), sent("TOKEN_1"));
        }
        assert_eq!(counted.runs(), 1);

        // The same when the token has ended.
        let (a, b, c) = tokio::join!(
            counted.bearer.challenged(sent("TOKEN_1")),
            counted.bearer.challenged(sent("TOKEN_1")),
            counted.bearer.challenged(sent("TOKEN_1"))
        );
        for credential in [a, b, c] {
            assert_eq!(Some(credential.expect("credential")), sent("TOKEN_2"));
        }
        assert_eq!(counted.runs(), 2);
        // Who was refused with the old one later runs nothing.
        let credential = counted.bearer.challenged(sent("TOKEN_1")).await;
        assert_eq!(Some(credential.expect("credential")), sent("TOKEN_2"));
        assert_eq!(counted.runs(), 2);
    }

    #[tokio::test]
    async fn many_at_the_same_time_share_a_failure_and_the_next_tries_anew() {
        let counted = counted("test $n -gt 1 || { echo no network >&2; exit 1; }; echo TOKEN_$n");
        let (a, b) = tokio::join!(counted.bearer.credential(), counted.bearer.credential());
        for outcome in [a, b] {
            let error = outcome.expect_err("failed");
            assert!(error.to_string().ends_with("no network"), "{error}");
            assert!(!error.is_final());
        }
        assert_eq!(counted.runs(), 1);
        let credential = counted.bearer.credential().await.expect("credential");
        assert_eq!(Some(credential), sent("TOKEN_2"));
    }

    #[tokio::test]
    async fn many_that_are_refused_share_the_failure_of_the_next_run() {
        let counted = counted("test $n -eq 1 || { echo no network >&2; exit 1; }; echo TOKEN_$n");
        let bearer = &counted.bearer;
        bearer.credential().await.expect("credential");
        let (a, b) = tokio::join!(
            bearer.challenged(sent("TOKEN_1")),
            bearer.challenged(sent("TOKEN_1"))
        );
        for outcome in [a, b] {
            let error = outcome.expect_err("failed");
            assert!(error.to_string().ends_with("no network"), "{error}");
        }
        assert_eq!(counted.runs(), 2);
    }

    #[tokio::test]
    async fn the_same_token_again_is_refused_for_good() {
        let counted = counted("echo TOKEN_1");
        let bearer = &counted.bearer;
        bearer.credential().await.expect("credential");
        let error = bearer.challenged(sent("TOKEN_1")).await.expect_err("final");
        assert!(error.is_final());
        assert!(error.to_string().contains("the command `sh`"), "{error}");
        assert_eq!(counted.runs(), 2);
    }

    #[tokio::test]
    async fn many_that_are_refused_with_the_same_token_share_its_last_run() {
        let counted = counted("echo TOKEN_1");
        let bearer = &counted.bearer;
        bearer.credential().await.expect("credential");
        let (a, b) = tokio::join!(
            bearer.challenged(sent("TOKEN_1")),
            bearer.challenged(sent("TOKEN_1"))
        );
        assert!(a.expect_err("final").is_final() && b.expect_err("final").is_final());
        assert_eq!(counted.runs(), 2);
    }
}
