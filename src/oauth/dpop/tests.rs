use super::*;
use crate::oauth::challenge::{Challenge, Scheme};

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn proof(url: &Url) -> Proof<'_> {
    Proof {
        method: "POST",
        url,
        token: None,
        nonce: None,
        now: 1_562_262_616,
        id: &[7; 16],
    }
}

#[test]
fn a_proof_for_the_token_endpoint_names_request_time_and_itself() {
    let endpoint = url("https://server.example.com/token");
    let claims = proof(&endpoint).claims();
    let expected = serde_json::json!({
        "jti": "BwcHBwcHBwcHBwcHBwcHBw",
        "htm": "POST",
        "htu": "https://server.example.com/token",
        "iat": 1_562_262_616,
    });
    assert_eq!(claims, expected);
}

/// RFC 9449 §7.1, figure 13.
#[test]
fn a_proof_for_a_resource_has_the_hash_of_the_token_and_the_nonce() {
    let resource = url("https://resource.example.org/protectedresource");
    let token = Secret::new("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
    let claims = Proof {
        method: "GET",
        token: Some(&token),
        nonce: Some("eyJ7S_zG.eyJH0-Z.HX4w-7v"),
        ..proof(&resource)
    }
    .claims();
    assert_eq!(claims["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    assert_eq!(claims["nonce"], "eyJ7S_zG.eyJH0-Z.HX4w-7v");
    assert_eq!(claims["htm"], "GET");
}

#[test]
fn the_target_has_neither_query_nor_fragment_nor_user() {
    for (text, htu) in [
        ("https://h.example/mcp?x=1&y=2", "https://h.example/mcp"),
        ("https://h.example/mcp?", "https://h.example/mcp"),
        ("https://h.example/mcp#part", "https://h.example/mcp"),
        ("https://H.example:443/a%20b/", "https://h.example/a%20b/"),
        ("https://ada:pw@h.example/mcp", "https://h.example/mcp"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
    ] {
        assert_eq!(target(&url(text)), htu, "{text}");
    }
}

#[test]
fn a_key_is_kept_and_read_again() {
    let key = ProofKey::generate().unwrap();
    let again = ProofKey::from_kept(&key.kept()).unwrap();
    assert_eq!(again, key);
    assert_eq!(again.thumbprint(), key.thumbprint());
    assert_ne!(ProofKey::generate().unwrap(), key);
    for damaged in ["", "x", "AAAA"] {
        assert!(ProofKey::from_kept(&Secret::new(damaged)).is_err());
    }
    // A key that cannot make our proofs: Ed25519, of RFC 8410 §10.3.
    let other = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp-K06_nwoy_HU--CXqI9EdVhC";
    let read = ProofKey::from_kept(&Secret::new(other));
    assert_eq!(read, Err(KeyError::Kind));
    let shown = format!("{key:?}");
    assert!(!shown.contains(key.kept().expose()), "{shown}");
}

#[test]
fn the_modes_have_their_names() {
    for mode in Mode::ALL {
        assert_eq!(Mode::from_name(mode.name()), Some(mode));
    }
    assert_eq!(Mode::from_name("Always"), None);
}

mod deciding {
    use super::*;

    fn list(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn challenge(or_bearer: bool) -> Challenge {
        Challenge {
            scheme: Scheme::Dpop,
            or_bearer,
            ..Challenge::default()
        }
    }

    const BOUND: Result<Decision, DpopError> = Ok(Decision::Bound { required: false });
    const REQUIRED: Result<Decision, DpopError> = Ok(Decision::Bound { required: true });

    #[test]
    fn nothing_is_bound_where_nobody_asks_for_it() {
        let es256 = list(&["ES256"]);
        let bearer = Challenge::default();
        for challenge in [None, Some(&bearer)] {
            let wishes = Wishes {
                challenge,
                server_algorithms: Some(&es256),
                ..Wishes::default()
            };
            assert_eq!(wishes.decide(), Ok(Decision::Bearer));
        }
    }

    #[test]
    fn each_wish_for_it_has_tokens_bound_and_a_demand_requires_it() {
        let es256 = list(&["RS256", "ES256"]);
        let challenge = challenge(true);
        let offered = Wishes {
            server_algorithms: Some(&es256),
            ..Wishes::default()
        };
        let challenged = Wishes {
            challenge: Some(&challenge),
            ..offered
        };
        assert_eq!(challenged.decide(), BOUND);
        for demanded in [
            Wishes {
                resource_requires: true,
                ..challenged
            },
            Wishes {
                client_requires: true,
                ..offered
            },
        ] {
            assert_eq!(demanded.decide(), REQUIRED);
        }
    }

    #[test]
    fn what_is_not_offered_is_an_error_only_if_it_is_demanded() {
        let challenge = challenge(false);
        let challenged = Wishes {
            challenge: Some(&challenge),
            ..Wishes::default()
        };
        assert_eq!(challenged.decide(), Ok(Decision::NotOffered));
        let demanded = Wishes {
            resource_requires: true,
            ..challenged
        };
        assert_eq!(
            demanded.decide(),
            Err(DpopError::NotOffered(Demand::Resource))
        );
    }

    #[test]
    fn other_algorithms_than_ours_are_not_tried() {
        let (rs256, es256) = (list(&["RS256", "PS256"]), list(&["ES256"]));
        let lists = [
            (Some(&rs256), None, "authorization server"),
            (Some(&es256), Some(&rs256), "server"),
        ];
        for (server, resource, whose) in lists {
            let wishes = Wishes {
                resource_requires: true,
                server_algorithms: server.map(Vec::as_slice),
                resource_algorithms: resource.map(Vec::as_slice),
                ..Wishes::default()
            };
            let unfit = Err(DpopError::Algorithms {
                whose,
                listed: rs256.clone(),
            });
            assert_eq!(wishes.decide(), unfit);
            let always = Wishes {
                mode: Mode::Always,
                resource_requires: false,
                ..wishes
            };
            assert_eq!(always.decide(), unfit);
        }
        // The challenge may say it in place of the metadata.
        let challenge = Challenge {
            algs: Some(rs256),
            ..challenge(true)
        };
        let wishes = Wishes {
            challenge: Some(&challenge),
            server_algorithms: Some(&es256),
            ..Wishes::default()
        };
        assert_eq!(wishes.decide(), Ok(Decision::NotOffered));
    }

    #[test]
    fn always_tries_it_where_no_metadata_offers_it() {
        let wishes = Wishes {
            mode: Mode::Always,
            ..Wishes::default()
        };
        assert_eq!(wishes.decide(), REQUIRED);
    }

    #[test]
    fn never_is_an_error_where_there_is_no_other_way() {
        let es256 = list(&["ES256"]);
        let never = Wishes {
            mode: Mode::Never,
            server_algorithms: Some(&es256),
            ..Wishes::default()
        };
        let (only, either) = (challenge(false), challenge(true));
        assert_eq!(never.decide(), Ok(Decision::Bearer));
        let with = |challenge| Wishes {
            challenge: Some(challenge),
            ..never
        };
        assert_eq!(with(&either).decide(), Ok(Decision::Bearer));
        let refused = |demand| Err(DpopError::Forbidden(demand));
        assert_eq!(with(&only).decide(), refused(Demand::Challenge));
        let resource = Wishes {
            resource_requires: true,
            ..never
        };
        assert_eq!(resource.decide(), refused(Demand::Resource));
        let client = Wishes {
            client_requires: true,
            ..never
        };
        assert_eq!(client.decide(), refused(Demand::Client));
    }

    #[test]
    fn an_error_shows_what_a_server_lists_without_its_control_characters() {
        let error = DpopError::Algorithms {
            whose: "server",
            listed: list(&["RS256", "\u{1b}[2J"]),
        };
        assert_eq!(
            error.to_string(),
            "the server takes proofs of possession signed with `RS256 [2J` only, not with `ES256`"
        );
    }
}

mod remembering {
    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn heard<'a>(url: &'a Url, error: Option<&'a str>, nonce: Option<&'a str>) -> Heard<'a> {
        Heard {
            url,
            error,
            nonce,
            date: None,
        }
    }

    #[test]
    fn the_newest_nonce_of_any_answer_counts_for_its_origin_alone() {
        let (here, there) = (url("https://a.example/x?y"), url("https://b.example/x"));
        let (mut memory, mut tries) = (Memory::default(), Tries::default());
        for nonce in ["n1", "n2"] {
            assert!(!memory.hear(&heard(&here, None, Some(nonce)), &mut tries, NOW));
        }
        let fresh = Tries::default();
        let elsewhere = url("https://a.example/other");
        assert_eq!(memory.nonce(&elsewhere, &fresh), Some("n2"));
        assert_eq!(memory.nonce(&there, &fresh), None);
        // An answer without one leaves it as it was.
        memory.hear(&heard(&here, None, None), &mut tries, NOW);
        assert_eq!(memory.nonce(&here, &fresh), Some("n2"));
    }

    #[test]
    fn a_request_for_a_nonce_is_met_once_with_that_very_nonce() {
        let here = url("https://a.example/x");
        let (mut memory, mut tries) = (Memory::default(), Tries::default());
        let wanted = heard(&here, Some("use_dpop_nonce"), Some("n1"));
        assert!(memory.hear(&wanted, &mut tries, NOW));
        // Meanwhile another request got a newer one.
        memory.hear(&heard(&here, None, Some("n2")), &mut Tries::default(), NOW);
        assert_eq!(memory.nonce(&here, &tries), Some("n1"));
        assert_eq!(memory.nonce(&here, &Tries::default()), Some("n2"));
        let again = heard(&here, Some("use_dpop_nonce"), Some("n3"));
        assert!(!memory.hear(&again, &mut tries, NOW));
    }

    #[test]
    fn a_request_for_a_nonce_without_one_is_not_repeated() {
        let here = url("https://a.example/x");
        let long = "x".repeat(5000);
        for nonce in [
            None,
            Some(""),
            Some("a b"),
            Some("a\"b"),
            Some("ü"),
            Some(&*long),
        ] {
            let (mut memory, mut tries) = (Memory::default(), Tries::default());
            let wanted = heard(&here, Some("use_dpop_nonce"), nonce);
            assert!(!memory.hear(&wanted, &mut tries, NOW), "{nonce:?}");
            assert_eq!(memory.nonce(&here, &tries), None);
        }
    }

    fn refused<'a>(url: &'a Url, error: &'a str, date: u64) -> Heard<'a> {
        Heard {
            date: Some(date),
            ..heard(url, Some(error), None)
        }
    }

    #[test]
    fn a_nonce_with_any_answer_goes_into_the_next_try() {
        // Each is taken once: that of the refusal is spent when the clock is the next reason.
        let here = url("https://a.example/x");
        let (mut memory, mut tries) = (Memory::default(), Tries::default());
        let wanted = heard(&here, Some("use_dpop_nonce"), Some("n1"));
        assert!(memory.hear(&wanted, &mut tries, NOW));
        let clock = Heard {
            nonce: Some("n2"),
            ..refused(&here, "invalid_dpop_proof", NOW + 600)
        };
        assert!(memory.hear(&clock, &mut tries, NOW));
        assert_eq!(memory.nonce(&here, &tries), Some("n2"));
        // With the right time the proof is looked at anew, and may want a nonce again.
        let again = heard(&here, Some("use_dpop_nonce"), Some("n3"));
        assert!(memory.hear(&again, &mut tries, NOW));
        assert!(!memory.hear(&again, &mut tries, NOW));
    }

    #[test]
    fn a_refusal_by_a_clock_that_is_off_is_met_once_with_its_time() {
        let here = url("https://a.example/x");
        for error in ["invalid_dpop_proof", "invalid_token"] {
            for date in [NOW - 4000, NOW + 4000] {
                let (mut memory, mut tries) = (Memory::default(), Tries::default());
                assert!(memory.hear(&refused(&here, error, date), &mut tries, NOW));
                assert_eq!(memory.time_at(&here, &tries, NOW + 5), date + 5);
                assert!(!memory.hear(&refused(&here, error, date), &mut tries, NOW));
            }
        }
    }

    #[test]
    fn a_server_s_time_is_believed_of_later_requests_once_a_proof_with_it_was_taken() {
        let (here, there) = (url("https://a.example/x"), url("https://b.example"));
        for taken in [None, Some("insufficient_scope"), Some("invalid_grant")] {
            let (mut memory, mut tries) = (Memory::default(), Tries::default());
            let date = NOW + 4000;
            memory.hear(&refused(&here, "invalid_dpop_proof", date), &mut tries, NOW);
            let fresh = Tries::default();
            assert_eq!(memory.time_at(&here, &fresh, NOW), NOW);
            memory.hear(&heard(&here, taken, None), &mut tries, NOW);
            assert_eq!(memory.time_at(&here, &fresh, NOW + 5), date + 5);
            assert_eq!(memory.time_at(&there, &fresh, NOW), NOW);
            // A later refusal is about something else: the clocks agree now.
            let later = refused(&here, "invalid_token", date);
            assert!(!memory.hear(&later, &mut Tries::default(), NOW));
            // Until somebody sets ours.
            let later = refused(&here, "invalid_dpop_proof", date);
            let mut tries = Tries::default();
            assert!(memory.hear(&later, &mut tries, date));
            assert_eq!(memory.time_at(&here, &tries, date), date);
        }
    }

    #[test]
    fn a_time_that_helps_nothing_is_not_believed_of_later_requests() {
        // The answers come from a machine whose clock is wrong; the refusals are about the token.
        let here = url("https://a.example/x");
        for error in ["invalid_dpop_proof", "invalid_token", "use_dpop_nonce"] {
            let (mut memory, mut tries) = (Memory::default(), Tries::default());
            let wrong = refused(&here, "invalid_token", NOW - 4000);
            assert!(memory.hear(&wrong, &mut tries, NOW));
            memory.hear(&refused(&here, error, NOW - 4000), &mut tries, NOW);
            assert_eq!(memory.time_at(&here, &Tries::default(), NOW), NOW);
        }
    }

    #[test]
    fn a_server_whose_clock_jumps_is_not_followed_any_further() {
        let here = url("https://a.example/x");
        let (mut memory, mut tries) = (Memory::default(), Tries::default());
        let jumped = |seconds| refused(&here, "invalid_token", NOW + seconds);
        assert!(memory.hear(&jumped(4000), &mut tries, NOW));
        assert!(!memory.hear(&jumped(8000), &mut tries, NOW));
        assert!(memory.hear(&jumped(12_000), &mut Tries::default(), NOW));
    }

    #[test]
    fn a_clock_that_agrees_or_is_not_known_is_no_reason() {
        let here = url("https://a.example/x");
        for (error, near, far) in [("invalid_dpop_proof", 5, 6), ("invalid_token", 60, 61)] {
            let hear = |date| {
                let answer = Heard {
                    date,
                    ..heard(&here, Some(error), None)
                };
                Memory::default().hear(&answer, &mut Tries::default(), NOW)
            };
            for date in [None, Some(NOW), Some(NOW + near), Some(NOW - near)] {
                assert!(!hear(date), "{error} {date:?}");
            }
            for date in [NOW + far, NOW - far, 0, u64::MAX / 2] {
                assert!(hear(Some(date)), "{error} {date}");
            }
            // Farther than any clock can be.
            assert!(!hear(Some(u64::MAX)));
        }
        // Nor is it where the refusal is about something else, or there is none.
        for error in [None, Some("insufficient_scope"), Some("invalid_grant")] {
            let (mut memory, mut tries) = (Memory::default(), Tries::default());
            let answer = Heard {
                date: Some(0),
                ..heard(&here, error, None)
            };
            assert!(!memory.hear(&answer, &mut tries, NOW), "{error:?}");
            assert_eq!(memory.time_at(&here, &Tries::default(), NOW), NOW);
        }
    }

    #[test]
    fn nonce_and_clock_may_both_be_mended_for_one_request() {
        let here = url("https://a.example/x");
        let (mut memory, mut tries) = (Memory::default(), Tries::default());
        let clock = Heard {
            nonce: Some("n1"),
            ..refused(&here, "invalid_dpop_proof", NOW + 600)
        };
        assert!(memory.hear(&clock, &mut tries, NOW));
        let nonce = heard(&here, Some("use_dpop_nonce"), Some("n2"));
        assert!(memory.hear(&nonce, &mut tries, NOW));
        assert!(!memory.hear(&clock, &mut tries, NOW));
        assert!(!memory.hear(&nonce, &mut tries, NOW));
        assert!(!format!("{memory:?}").contains("n2"));
    }
}
