use super::*;

fn known() -> Vec<Known> {
    let option = |long: &str, takes_value, is_repeatable| Known {
        long: long.to_owned(),
        takes_value,
        is_repeatable,
    };
    vec![
        option("header", true, true),
        option("header-file", true, true),
        option("ignore-tool", true, true),
        option("transport", true, false),
        option("resource", true, false),
        option("callback-path", true, false),
        option("debug", false, false),
        option("allow-http", false, false),
    ]
}

/// What is understood, with `|` between the arguments, and the warnings.
fn read(args: &[&str]) -> (String, Vec<String>) {
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let understood = understand(&args, &known());
    (understood.args.join("|"), understood.warnings)
}

const URL: &str = "https://x.example/mcp";

/// Each line: the arguments, what they are taken as, and a part of each warning.
type Line<'a> = (&'a [&'a str], &'a str, &'a [&'a str]);

fn check(lines: &[Line<'_>]) {
    for (args, expected, parts) in lines {
        let (understood, warnings) = read(args);
        assert_eq!(understood, *expected, "{args:?}");
        assert_eq!(warnings.len(), parts.len(), "{args:?}: {warnings:?}");
        for (warning, part) in warnings.iter().zip(*parts) {
            assert!(warning.contains(part), "{args:?}: {warning}");
        }
    }
}

#[test]
fn what_is_in_order_stays_without_a_word() {
    check(&[
        (&[], "--", &[]),
        (&[URL], "--|https://x.example/mcp", &[]),
        (&[URL, "3334"], "--|https://x.example/mcp|3334", &[]),
        (&["notion"], "--|notion", &[]),
        (
            &[URL, "--header", "A: 1", "--header", "B: 2", "--debug"],
            "--header=A: 1|--header=B: 2|--debug|--|https://x.example/mcp",
            &[],
        ),
        (
            &[URL, "--transport", "sse-only", "--ignore-tool", "a*"],
            "--transport=sse-only|--ignore-tool=a*|--|https://x.example/mcp",
            &[],
        ),
        (
            &[URL, "--resource", ""],
            "--resource||--|https://x.example/mcp",
            &[],
        ),
    ]);
}

#[test]
fn options_in_one_argument_with_their_value_are_understood() {
    check(&[
        (
            &[URL, "--transport=sse-only"],
            "--transport=sse-only|--|https://x.example/mcp",
            &[],
        ),
        (
            &[URL, "--transport="],
            "--transport||--|https://x.example/mcp",
            &[],
        ),
        (
            &[URL, "--transport sse-only"],
            "--transport=sse-only|--|https://x.example/mcp",
            &[],
        ),
        (
            &[URL, "--header Authorization: Bearer a b"],
            "--header=Authorization: Bearer a b|--|https://x.example/mcp",
            &[],
        ),
        (
            &[URL, "--header \"A: b=c d\""],
            "--header=A: b=c d|--|https://x.example/mcp",
            &[],
        ),
        (
            &[URL, "--transport sse-only --debug --header A: --b"],
            "--transport=sse-only|--debug|--header=A: --b|--|https://x.example/mcp",
            &[],
        ),
        (
            &[
                "https://x.example/mcp --debug --transport=http-only",
                "3334",
            ],
            "--debug|--transport=http-only|--|https://x.example/mcp",
            &["without a meaning"],
        ),
        (&[URL, "--debug "], "--debug|--|https://x.example/mcp", &[]),
        (
            &[" \"https://x.example/mcp\" "],
            "--|https://x.example/mcp",
            &[],
        ),
    ]);
}

#[test]
fn order_does_not_matter_but_for_the_port() {
    check(&[
        (
            &["--debug", URL, "3334"],
            "--debug|--|https://x.example/mcp|3334",
            &[],
        ),
        (
            &["--transport", "sse-only", URL],
            "--transport=sse-only|--|https://x.example/mcp",
            &[],
        ),
        // mcp-remote takes headers out first.
        (
            &[URL, "--header", "A: 1", "--header-file", "f", "3334"],
            "--header=A: 1|--header-file=f|--|https://x.example/mcp|3334",
            &[],
        ),
        // It may belong to anything.
        (
            &[URL, "--debug", "3334"],
            "--debug|--|https://x.example/mcp",
            &["right after the address"],
        ),
        (&[URL, "--", "3334"], "--|https://x.example/mcp|3334", &[]),
        (
            &[URL, "--", "--debug"],
            "--debug|--|https://x.example/mcp",
            &[],
        ),
    ]);
}

#[test]
fn the_port_is_read_as_javascript_reads_it() {
    check(&[
        (&[URL, "0"], "--|https://x.example/mcp", &[]),
        (
            &[URL, "3334x"],
            "--|https://x.example/mcp|3334",
            &["taken as 3334"],
        ),
        (
            &[URL, "0xd06"],
            "--|https://x.example/mcp|3334",
            &["taken as 3334"],
        ),
        (&[URL, " 3334 "], "--|https://x.example/mcp|3334", &[]),
        (&[URL, "99999"], "--|https://x.example/mcp", &["1 to 65535"]),
        (&[URL, "-5"], "--|https://x.example/mcp", &["1 to 65535"]),
        (
            &[URL, "99999999999999999999"],
            "--|https://x.example/mcp",
            &["1 to 65535"],
        ),
        (
            &[URL, "abc"],
            "--|https://x.example/mcp",
            &["no callback port"],
        ),
        (
            &[URL, "abc", "3334", "x"],
            "--|https://x.example/mcp",
            &["no callback port", "2 arguments without a meaning"],
        ),
    ]);
}

#[test]
fn of_options_that_are_repeated_the_first_counts() {
    check(&[
        (
            &[URL, "--transport", "sse-only", "--transport", "http-only"],
            "--transport=sse-only|--|https://x.example/mcp",
            &["`--transport` is given more than once"],
        ),
        (
            &[URL, "--transport", "sse-only", "--transport=sse-only"],
            "--transport=sse-only|--|https://x.example/mcp",
            &[],
        ),
        (
            &[URL, "--debug", "--debug"],
            "--debug|--|https://x.example/mcp",
            &[],
        ),
    ]);
}

#[test]
fn an_option_without_its_value_is_left_out() {
    check(&[
        (
            &[URL, "--transport"],
            "--|https://x.example/mcp",
            &["`--transport` is left out, since its value is missing"],
        ),
        (
            &[URL, "--transport", "--debug"],
            "--debug|--|https://x.example/mcp",
            &["`--transport` is left out"],
        ),
        (
            &[URL, "--header", "--transport=sse-only"],
            "--transport=sse-only|--|https://x.example/mcp",
            &["`--header` is left out"],
        ),
        // What is no option of ours is a value.
        (
            &[URL, "--resource", "--odd"],
            "--resource=--odd|--|https://x.example/mcp",
            &[],
        ),
    ]);
}

#[test]
fn an_option_that_is_not_known_is_left_out_with_its_value() {
    check(&[
        (
            &[URL, "--zzz"],
            "--|https://x.example/mcp",
            &["there is no option `--zzz`; it is left out"],
        ),
        (
            &[URL, "--zzz", "3334", "--debug"],
            "--debug|--|https://x.example/mcp",
            &["with what follows it"],
        ),
        (
            &["--zzz", URL, "3334"],
            "--|https://x.example/mcp|3334",
            &["`--zzz`; it is left out"],
        ),
        (
            &["--zzz", "1", URL],
            "--|https://x.example/mcp",
            &["with what follows it"],
        ),
        (&["--zzz", "notion"], "--|notion", &["with what follows it"]),
        (
            &[URL, "--transprot", "sse-only"],
            "--|https://x.example/mcp",
            &["did you mean `--transport`?"],
        ),
        (
            &[URL, "--ignore-tools=a", "--heder", "A: 1"],
            "--|https://x.example/mcp",
            &["did you mean `--ignore-tool`?", "did you mean `--header`?"],
        ),
        (
            &["-y", "mcp-remote@latest", URL, "--debug"],
            "--debug|--|https://x.example/mcp",
            &["`-y`"],
        ),
        (
            &["mcp-remote", URL],
            "--|https://x.example/mcp",
            &["the name of the package is left out"],
        ),
    ]);
}

#[test]
fn another_spelling_of_an_option_is_taken_as_it() {
    check(&[
        (
            &[URL, "--callbackPath", "/a"],
            "--callback-path=/a|--|https://x.example/mcp",
            &["`--callbackPath` is taken as `--callback-path`"],
        ),
        (
            &[URL, "--callback_path=/a"],
            "--callback-path=/a|--|https://x.example/mcp",
            &["`--callback_path` is taken as `--callback-path`"],
        ),
        (
            &[URL, "-debug", "\u{2014}allow-http"],
            "--debug|--allow-http|--|https://x.example/mcp",
            &["`-debug` is taken", "`\u{2014}allow-http` is taken"],
        ),
    ]);
}

#[test]
fn a_switch_may_have_the_value_of_one() {
    check(&[
        (
            &[URL, "--debug=true", "--allow-http", "true"],
            "--debug|--allow-http|--|https://x.example/mcp",
            &[],
        ),
        (&[URL, "--debug=false"], "--|https://x.example/mcp", &[]),
        (
            &[URL, "--debug", "false"],
            "--debug|--|https://x.example/mcp",
            &["`--debug` takes no value; it is on"],
        ),
        (
            &[URL, "--debug=much"],
            "--debug|--|https://x.example/mcp",
            &["`--debug` takes no value; it is on"],
        ),
    ]);
}

#[test]
fn a_header_that_was_split_is_put_together() {
    check(&[
        (
            &[
                URL,
                "--header",
                "Authorization:",
                "Bearer",
                "abc",
                "--debug",
            ],
            "--header=Authorization: Bearer abc|--debug|--|https://x.example/mcp",
            &["split at its spaces"],
        ),
        (
            &[URL, "--header", "Authorization:Bearer", "abc"],
            "--header=Authorization:Bearer abc|--|https://x.example/mcp",
            &["split at its spaces"],
        ),
        // mcp-remote takes headers out before it looks for the port.
        (
            &[URL, "--header", "A:", "3334"],
            "--header=A:|--|https://x.example/mcp|3334",
            &[],
        ),
        (
            &[URL, "--header", "B: 1", "--header", "A:", "3334", "--debug"],
            "--header=B: 1|--header=A:|--debug|--|https://x.example/mcp|3334",
            &[],
        ),
        // There is a port already, or none can be here, or more than one follows.
        (
            &[URL, "3335", "--header", "A:", "3334"],
            "--header=A: 3334|--|https://x.example/mcp|3335",
            &["split at its spaces"],
        ),
        (
            &[URL, "--debug", "--header", "A:", "3334"],
            "--debug|--header=A: 3334|--|https://x.example/mcp",
            &["split at its spaces"],
        ),
        (
            &[URL, "--header", "A:", "3334", "b"],
            "--header=A: 3334 b|--|https://x.example/mcp",
            &["split at its spaces"],
        ),
        (
            &[URL, "--header", "A: Bearer", "3334"],
            "--header=A: Bearer 3334|--|https://x.example/mcp",
            &["split at its spaces"],
        ),
        // Without an address, the next argument may be it.
        (&["--header", "A:", "notion"], "--header=A:|--|notion", &[]),
        (
            &[URL, "--header", "A:"],
            "--header=A:|--|https://x.example/mcp",
            &[],
        ),
    ]);
}

#[test]
fn help_and_version_win_wherever_they_stand() {
    check(&[
        (&[URL, "--zzz", "--header", "-h"], "-h", &[]),
        (&["--version", URL, "--help"], "--help", &[]),
        (&[URL, "--transport", "--version"], "--version", &[]),
        (&["-V"], "-V", &[]),
        (&["notion", "-V"], "-V", &[]),
        // mcp-remote knows no such option, and goes on.
        (
            &[URL, "-V"],
            "--|https://x.example/mcp",
            &["there is no option `-V`"],
        ),
        (
            &["-V", URL, "3334", "--debug"],
            "--debug|--|https://x.example/mcp|3334",
            &["there is no option `-V`"],
        ),
        (
            &[URL, "--resource", "-V"],
            "--resource=-V|--|https://x.example/mcp",
            &[],
        ),
        (&[URL, "-V", "--version"], "--version", &[]),
    ]);
}

#[test]
fn no_warning_repeats_what_may_be_a_secret() {
    for args in [
        &[URL, "SECRET_1"][..],
        &[URL, "1", "SECRET_1", "SECRET_1"],
        &[URL, "--token=SECRET_1"],
        &[URL, "--token SECRET_1"],
        &[URL, "--token", "SECRET_1"],
        &[URL, "-tSECRET_1"],
        &[URL, "--debug=SECRET_1"],
        &[URL, "--transport", "a", "--transport", "SECRET_1"],
        &[URL, "--header", "A:", "SECRET_1"],
        &[URL, "--to:SECRET_1"],
    ] {
        let (_, warnings) = read(args);
        let warnings = warnings.join("\n");
        assert!(!warnings.is_empty(), "{args:?}");
        assert!(!warnings.contains("SECRET"), "{args:?}: {warnings}");
    }
}

/// Whatever is thrown at it, it neither panics nor says the same thing in two ways.
#[test]
fn what_was_understood_is_understood_again() {
    let words = [
        URL,
        "3334",
        "--",
        "--debug",
        "--debug=x",
        "--transport",
        "--header",
        "A:",
        "-",
        "--=",
        "--zzz",
        "-x",
        "a b",
        "--header A: b",
        "",
        " ",
        "\u{2014}",
        "--help=1",
        "--transport é --debug",
    ];
    for a in words {
        for b in words {
            for c in words {
                let (once, _) = read(&[a, b, c]);
                let again: Vec<&str> = once.split('|').collect();
                let (twice, warnings) = read(&again);
                // An empty value cannot be told from a missing one in this notation.
                if !once.contains("||") {
                    assert_eq!(once, twice, "{a} {b} {c}");
                    assert!(warnings.len() <= 1, "{a} {b} {c}: {warnings:?}");
                }
            }
        }
    }
}
