//! Reads `WWW-Authenticate` (RFC 9110 §11.6.1, RFC 6750 §3, RFC 9728 §5.1).

use std::fmt;

use super::scope;
use crate::untrusted::printable;

/// The header fields that may carry a challenge. API gateways that reserve the first for
/// themselves pass the server's own on under the second name.
pub const HEADERS: [&str; 2] = ["www-authenticate", "x-amzn-remapped-www-authenticate"];

/// The schemes whose challenges concern us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// RFC 6750.
    #[default]
    Bearer,
    /// RFC 9449.
    Dpop,
}

/// What a server asks for. The default is a server that asked for nothing in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme.
    pub scheme: Scheme,
    /// Where the server's metadata is (RFC 9728 §5.1), as it was written.
    pub resource_metadata: Option<String>,
    /// The scopes that the server wants, in order, each once; `None` if it named none.
    pub scope: Option<Vec<String>>,
    /// The `error` code.
    pub error: Option<String>,
    /// The explanation. It comes from the server and is not fit to be shown as it is.
    pub error_description: Option<String>,
    /// How proofs may be signed (RFC 9449 §7.1), if it says.
    pub algs: Option<Vec<String>>,
    /// Whether the server would take bearer tokens as well, if this challenge asks for another
    /// scheme.
    pub or_bearer: bool,
    /// Whether it refused a proof, and not the token that came with it (RFC 9449 §7.1, §9).
    pub refuses_proof: bool,
}

/// Something in a challenge that was left out of account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// A part of a header line that does not follow the grammar.
    Malformed,
    /// A scope with characters that no scope has.
    DroppedScope(String),
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("a WWW-Authenticate header is malformed; ignored"),
            Self::DroppedScope(scope) => write!(
                f,
                "the server asks for `{}`, which is no scope; ignored",
                printable(scope, 60)
            ),
        }
    }
}

/// What the header lines of one answer hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The challenge to follow, if there is one that concerns us.
    pub challenge: Option<Challenge>,
    /// The `error` of the first DPoP challenge that has one: what was wrong with a proof.
    pub dpop_error: Option<String>,
    /// What was ignored.
    pub remarks: Vec<Remark>,
}

/// Reads all values of the header, in order. Of the Bearer and DPoP challenges the first that has
/// `resource_metadata` counts, else the first Bearer challenge, else the first DPoP challenge.
pub fn parse_challenges<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Reading {
    let mut found = Vec::new();
    let mut reading = Reading::default();
    for line in lines {
        let line = String::from_utf8_lossy(line);
        let mut parser = Parser {
            rest: &line,
            malformed: false,
        };
        found.extend(parser.challenges().into_iter().filter_map(Raw::relevant));
        if parser.malformed {
            reading.remarks.push(Remark::Malformed);
        }
    }
    let chosen = found
        .iter()
        .position(|(_, raw)| raw.param("resource_metadata").is_some())
        .or_else(|| {
            found
                .iter()
                .position(|(scheme, _)| *scheme == Scheme::Bearer)
        })
        .unwrap_or(0);
    if chosen < found.len() {
        let dpop = found.iter().filter(|(scheme, _)| *scheme == Scheme::Dpop);
        let mut errors = dpop.filter_map(|(_, raw)| raw.param("error"));
        reading.dpop_error = errors.next().map(str::to_owned);
        let or_bearer = found.iter().any(|(scheme, _)| *scheme == Scheme::Bearer);
        let (scheme, raw) = found.swap_remove(chosen);
        reading.challenge = Some(Challenge {
            or_bearer: or_bearer && scheme != Scheme::Bearer,
            refuses_proof: matches!(
                reading.dpop_error.as_deref(),
                Some("use_dpop_nonce" | "invalid_dpop_proof")
            ),
            ..raw.understand(scheme, &mut reading.remarks)
        });
    }
    reading
}

/// One challenge as it was written.
#[derive(Debug, Default)]
struct Raw {
    scheme: String,
    params: Vec<(String, String)>,
}

impl Raw {
    fn relevant(self) -> Option<(Scheme, Self)> {
        match () {
            () if self.scheme.eq_ignore_ascii_case("bearer") => Some((Scheme::Bearer, self)),
            () if self.scheme.eq_ignore_ascii_case("dpop") => Some((Scheme::Dpop, self)),
            () => None,
        }
    }

    /// RFC 9110 §11.2: a parameter stands once in a challenge; if it does not, the first counts.
    fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn understand(&self, scheme: Scheme, remarks: &mut Vec<Remark>) -> Challenge {
        let text = |name| self.param(name).map(str::to_owned);
        let scope = self.param("scope").map(|value| {
            let (scopes, dropped) = scope::split(value);
            remarks.extend(dropped.into_iter().map(Remark::DroppedScope));
            scopes
        });
        Challenge {
            scheme,
            resource_metadata: text("resource_metadata").filter(|url| !url.is_empty()),
            scope: scope.filter(|scopes| !scopes.is_empty()),
            error: text("error"),
            error_description: text("error_description"),
            algs: self
                .param("algs")
                .filter(|_| scheme == Scheme::Dpop)
                .map(|algs| {
                    let algs = algs.split_ascii_whitespace();
                    algs.map(str::to_owned).collect()
                }),
            or_bearer: false,
            refuses_proof: false,
        }
    }
}

/// Reads one header line. What does not follow the grammar is skipped up to the next comma.
struct Parser<'a> {
    rest: &'a str,
    malformed: bool,
}

impl Parser<'_> {
    fn challenges(&mut self) -> Vec<Raw> {
        let mut challenges: Vec<Raw> = Vec::new();
        let mut after_comma = true;
        loop {
            after_comma |= self.skip_blanks_and_commas();
            if self.rest.is_empty() {
                return challenges;
            }
            let word = self.token().to_owned();
            if word.is_empty() {
                self.skip_junk();
                continue;
            }
            if let Some(value) = self.value() {
                match (challenges.last_mut(), value) {
                    (Some(challenge), Some(value)) => challenge.params.push((word, value)),
                    _ => self.malformed = true,
                }
            } else if after_comma {
                self.token68();
                challenges.push(Raw {
                    scheme: word,
                    params: Vec::new(),
                });
            } else {
                // A word behind a parameter without a comma between them, as where a value with
                // blanks was not quoted.
                self.malformed = true;
            }
            after_comma = false;
        }
    }

    /// Skips separators; says whether a comma was among them.
    fn skip_blanks_and_commas(&mut self) -> bool {
        let trimmed = self.rest.trim_start_matches([' ', '\t', ',']);
        let comma = self.rest[..self.rest.len() - trimmed.len()].contains(',');
        self.rest = trimmed;
        comma
    }

    fn token(&mut self) -> &str {
        let end = self
            .rest
            .find(|c: char| !is_token_char(c))
            .unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        token
    }

    /// The value, if `=` follows: the outer `None` says that none does, the inner one that it
    /// cannot be read.
    fn value(&mut self) -> Option<Option<String>> {
        let rest = self.rest.trim_start_matches([' ', '\t']);
        let rest = rest.strip_prefix('=')?;
        self.rest = rest.trim_start_matches([' ', '\t']);
        if let Some(quoted) = self.rest.strip_prefix('"') {
            return Some(self.quoted(quoted));
        }
        // Only tokens may stand without quotes, but addresses are found there too.
        let end = self.rest.find([',', ' ', '\t']).unwrap_or(self.rest.len());
        let (value, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(Some(value.to_owned()))
    }

    /// RFC 9110 §5.6.4, from behind the opening quote.
    fn quoted(&mut self, text: &str) -> Option<String> {
        let mut value = String::new();
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    let after = self.rest.len() - text.len() + at + 1;
                    self.rest = &self.rest[after..];
                    return Some(value);
                }
                '\\' => value.push(chars.next()?.1),
                c => value.push(c),
            }
        }
        // The closing quote is missing: nobody can say where the value ends.
        self.rest = "";
        None
    }

    /// Skips the other form of credentials in a challenge, such as `Negotiate abc==`.
    fn token68(&mut self) {
        let rest = self.rest.trim_start_matches([' ', '\t']);
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/".contains(c)))
            .unwrap_or(rest.len());
        let after = rest[end..].trim_start_matches('=');
        let next = after.trim_start_matches([' ', '\t']);
        if end > 0 && (next.is_empty() || next.starts_with(',')) {
            self.rest = after;
        }
    }

    fn skip_junk(&mut self) {
        self.malformed = true;
        // A quoted string is skipped whole, since it may hold commas.
        if let Some(quoted) = self.rest.strip_prefix('"') {
            if self.quoted(quoted).is_none() {
                self.rest = "";
            }
            return;
        }
        let mut chars = self.rest.chars();
        chars.next();
        self.rest = chars.as_str();
    }
}

/// RFC 9110 §5.6.2.
fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
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
        let reading = fixture(include_str!("../../fixtures/challenge/several-schemes.txt"));
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
        let reading = fixture(include_str!("../../fixtures/challenge/one-line.txt"));
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
        let challenge =
            one("bEARER  Resource_Metadata = \"https://m.example/\" ,\tSCOPE\t=\t\"a\"");
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
}
