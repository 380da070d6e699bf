use super::*;

fn read(lines: &[&str]) -> Reading {
    parse_challenges(lines.iter().map(|line| line.as_bytes()))
}

fn one(line: &str) -> Challenge {
    let reading = read(&[line]);
    assert_eq!(reading.remarks, [], "{line}");
    reading.challenge.expect(line)
}

fn bearer() -> Challenge {
    Challenge::default()
}

/// A fixture holds one header value a line; lines that begin with `;` explain.
fn fixture(text: &str) -> Reading {
    parse_challenges(
        text.lines()
            .filter(|line| !line.starts_with(';'))
            .map(str::as_bytes),
    )
}

#[test]
fn several_lines_and_schemes_lead_to_the_bearer_challenge_with_metadata() {
    let reading = fixture(include_str!(
        "../../../fixtures/challenge/several-schemes.txt"
    ));
    assert_eq!(reading.remarks, []);
    assert_eq!(
        reading.challenge,
        Some(Challenge {
            resource_metadata: Some(
                "https://m.example/.well-known/oauth-protected-resource/mcp".to_owned()
            ),
            scope: Some(vec!["notes:read".to_owned(), "notes:write".to_owned()]),
            ..bearer()
        })
    );
}

#[test]
fn several_challenges_in_one_line_are_told_apart() {
    let reading = fixture(include_str!("../../../fixtures/challenge/one-line.txt"));
    assert_eq!(reading.remarks, []);
    let challenge = reading.challenge.unwrap();
    assert_eq!(
        challenge.resource_metadata.as_deref(),
        Some("https://m.example/x,y")
    );
    assert_eq!(
        challenge.error_description.as_deref(),
        Some("say \"please\", \\ and wait")
    );
    assert_eq!(challenge.error.as_deref(), Some("invalid_token"));
}

#[test]
fn names_are_compared_without_case_and_blanks_around_equals_are_skipped() {
    let challenge = one("bEARER  Resource_Metadata = \"https://m.example/\" ,\tSCOPE\t=\t\"a\"");
    assert_eq!(
        challenge.resource_metadata.as_deref(),
        Some("https://m.example/")
    );
    assert_eq!(challenge.scope, Some(vec!["a".to_owned()]));
}

#[test]
fn a_scheme_alone_is_a_challenge() {
    assert_eq!(one("Bearer"), bearer());
    assert_eq!(one("Basic realm=\"x\", Bearer"), bearer());
    assert_eq!(one("Bearer, Basic realm=\"x\""), bearer());
    assert_eq!(one(" , ,Bearer,,"), bearer());
}

#[test]
fn a_repeated_parameter_counts_as_first_written() {
    let challenge = one("Bearer error=a, error=b");
    assert_eq!(challenge.error.as_deref(), Some("a"));
}

#[test]
fn the_first_challenge_with_metadata_counts_whatever_its_scheme() {
    let challenge = read(&[
        "Bearer error=one",
        "DPoP algs=\"ES256\", resource_metadata=\"https://m.example/d\"",
        "Bearer resource_metadata=\"https://m.example/b\"",
    ])
    .challenge
    .unwrap();
    assert_eq!(challenge.scheme, Scheme::Dpop);
    assert_eq!(
        challenge.resource_metadata.as_deref(),
        Some("https://m.example/d")
    );
}

#[test]
fn without_metadata_the_first_bearer_challenge_counts() {
    let lines = [
        "DPoP algs=\"ES256\"",
        "Bearer error=one",
        "Bearer error=two",
    ];
    assert_eq!(
        read(&lines).challenge.unwrap().error.as_deref(),
        Some("one")
    );
    assert_eq!(read(&lines[..1]).challenge.unwrap().scheme, Scheme::Dpop);
}

#[test]
fn other_schemes_are_no_challenge_to_us() {
    for line in [
        "",
        "Basic realm=\"x\"",
        "Negotiate",
        "Negotiate abc==",
        "NTLM TlRMTVNTUAAB, Basic realm=x",
        "Digest realm=\"Bearer x=y\", nonce=\"Bearer\"",
    ] {
        assert_eq!(read(&[line]), Reading::default(), "{line}");
    }
    assert_eq!(read(&[]), Reading::default());
}

#[test]
fn parameters_of_one_challenge_do_not_leak_into_the_next() {
    let challenge = one("Basic scope=\"b\", Bearer error=e, Digest scope=\"d\"");
    assert_eq!(challenge.scope, None);
    assert_eq!(challenge.error.as_deref(), Some("e"));
}

#[test]
fn an_unquoted_address_is_read_as_it_is_found() {
    let challenge = one("Bearer resource_metadata=https://m.example/a?b=c, error=e");
    assert_eq!(
        challenge.resource_metadata.as_deref(),
        Some("https://m.example/a?b=c")
    );
    assert_eq!(challenge.error.as_deref(), Some("e"));
}

#[test]
fn parameters_without_commas_between_them_are_read() {
    let challenge = one("Bearer error=\"e\" scope=\"a b\"");
    assert_eq!(challenge.error.as_deref(), Some("e"));
    assert_eq!(challenge.scope, Some(vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn words_behind_an_unquoted_scope_are_not_taken_for_schemes() {
    let reading = read(&["Bearer scope=a b c, error=e"]);
    assert_eq!(reading.remarks, [Remark::Malformed]);
    let challenge = reading.challenge.unwrap();
    assert_eq!(challenge.scope, Some(vec!["a".to_owned()]));
    assert_eq!(challenge.error.as_deref(), Some("e"));
}

#[test]
fn what_is_no_scope_token_is_dropped_with_a_remark() {
    let reading = read(&["Bearer scope=\"a \\\" b\\\\c \u{e9} d\""]);
    assert_eq!(
        reading.challenge.unwrap().scope,
        Some(vec!["a".to_owned(), "d".to_owned()])
    );
    let dropped = ["\"", "b\\c", "\u{e9}"].map(|s| Remark::DroppedScope(s.to_owned()));
    assert_eq!(reading.remarks, dropped);
    assert_eq!(read(&["Bearer scope=\"\""]).challenge, Some(bearer()));
    assert_eq!(one("Bearer resource_metadata=\"\""), bearer());
}

#[test]
fn a_value_without_its_closing_quote_is_left_out() {
    for line in [
        "Bearer error=e, scope=\"a b",
        "Bearer error=e, scope=\"a\\",
        "Bearer error=e, \"a",
    ] {
        let reading = read(&[line]);
        assert_eq!(reading.remarks, [Remark::Malformed], "{line}");
        let challenge = reading.challenge.unwrap();
        assert_eq!(challenge.error.as_deref(), Some("e"), "{line}");
        assert_eq!(challenge.scope, None, "{line}");
    }
}

#[test]
fn a_malformed_line_does_not_hide_the_next() {
    let reading = read(&["= \"x, y\" ;; scope=z", "Bearer error=e"]);
    assert_eq!(reading.remarks, [Remark::Malformed]);
    assert_eq!(reading.challenge.unwrap().error.as_deref(), Some("e"));
}

#[test]
fn any_bytes_are_read_to_the_end() {
    let alphabet = [
        "Bearer", " ", ",", "=", "\"", "\\", "a", "\u{e9}", ";", "\t", "==",
    ];
    let mut seed = 7u32;
    for _ in 0..20_000 {
        let mut line = Vec::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            line.extend(alphabet[(seed >> 16) as usize % alphabet.len()].bytes());
        }
        line.push((seed >> 8) as u8);
        parse_challenges([line.as_slice()]);
    }
}

#[test]
fn a_dpop_challenge_names_algorithms_and_what_else_would_do() {
    let reading = read(&[
        r#"DPoP algs="ES256  PS256", resource_metadata="https://h.example/m""#,
        "Bearer",
    ]);
    let challenge = reading.challenge.unwrap();
    assert_eq!(challenge.scheme, Scheme::Dpop);
    let algs = vec!["ES256".to_owned(), "PS256".to_owned()];
    assert_eq!(challenge.algs, Some(algs));
    assert!(challenge.or_bearer && !challenge.refuses_proof);
    let only = one(r#"DPoP algs="ES256""#);
    assert!(!only.or_bearer);
    // To a Bearer challenge `algs` means nothing.
    assert_eq!(one(r#"Bearer algs="ES256""#).algs, None);
}

#[test]
fn a_refused_proof_is_found_behind_another_challenge() {
    for (error, refused) in [
        ("use_dpop_nonce", true),
        ("invalid_dpop_proof", true),
        ("invalid_token", false),
    ] {
        let dpop = format!(r#"DPoP error="{error}""#);
        let metadata = r#"Bearer resource_metadata="https://h.example/m""#;
        for lines in [vec![dpop.as_str()], vec![metadata, &dpop]] {
            let reading = read(&lines);
            assert_eq!(reading.dpop_error.as_deref(), Some(error));
            assert_eq!(reading.challenge.unwrap().refuses_proof, refused);
        }
    }
    assert_eq!(read(&[r#"Bearer error="use_dpop_nonce""#]).dpop_error, None);
}
