//! What was taken over, by which name, and what was signed out of here: so that no sign-in is taken
//! over twice, and none comes back that the user has ended.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::file::FileFault;

/// The version this program writes, and the newest it understands.
const VERSION: u64 = 1;

/// Most claims that are remembered.
const CLAIMS: usize = 1000;

/// The record. It holds no secret. Members we do not know are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    version: u64,
    /// The newest last.
    #[serde(default)]
    taken: Vec<Claim>,
    /// When, in seconds since the epoch, by the name of the sign-in.
    #[serde(default)]
    signed_out: BTreeMap<String, u64>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// A sign-in that was taken over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The file that it stands in.
    pub place: String,
    /// What it is called here.
    pub name: String,
    /// When that was, in seconds since the epoch.
    pub at: u64,
    /// What tells its content then from any other.
    pub mark: String,
}

/// Why a sign-in is not taken over, whatever is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Barred {
    /// It is ours already, under this name.
    Taken(String),
    /// It was taken over once, and the user signed out of it.
    Ended(String),
    /// The user signed out here, so that only they say when it begins anew.
    SignedOut,
}

impl fmt::Display for Barred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(name) => write!(f, "it was taken over already, as `{name}`"),
            Self::Ended(name) => {
                write!(
                    f,
                    "it was taken over already, as `{name}`, and signed out of"
                )
            }
            Self::SignedOut => f.write_str("you have signed out here"),
        }
    }
}

impl Ledger {
    /// Reads the record.
    pub fn read(bytes: &[u8]) -> Result<Self, LedgerFault> {
        let ledger: Self = super::file::parse(bytes).map_err(LedgerFault::Content)?;
        match ledger.version {
            VERSION => Ok(ledger),
            version => Err(LedgerFault::Version(version)),
        }
    }

    /// The record as it is written.
    pub fn to_bytes(&self) -> Vec<u8> {
        let ledger = Self {
            version: VERSION,
            ..self.clone()
        };
        // Strings, numbers and maps with string keys cannot fail.
        let mut bytes = serde_json::to_vec_pretty(&ledger).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Notes that a sign-in is taken over.
    pub fn claim(&mut self, claim: Claim) {
        self.taken.retain(|known| known.place != claim.place);
        self.taken.push(claim);
        let surplus = self.taken.len().saturating_sub(CLAIMS);
        self.taken.drain(..surplus);
    }

    /// The sign-in that was taken over under `name` last.
    pub fn claim_of(&self, name: &str) -> Option<&Claim> {
        self.taken.iter().rev().find(|claim| claim.name == name)
    }

    /// Notes that the user signed out of `name`.
    pub fn sign_out(&mut self, name: &str, at: u64) {
        self.signed_out.insert(name.to_owned(), at);
    }

    /// Why the sign-in at `place`, with this mark, is not to be taken over as `name`; `None` if it may
    /// be. `asked` says whether the user asked for it. `holds` tells whether what is kept under a
    /// name is the sign-in with a mark: whoever was killed before it was kept has taken nothing.
    pub fn bars(
        &self,
        (place, mark): (&str, &str),
        name: &str,
        asked: bool,
        holds: impl Fn(&str, &str) -> bool,
    ) -> Option<Barred> {
        let claim = self.taken.iter().find(|claim| claim.place == place);
        if let Some(claim) = claim {
            // Under its own name it may have ended since, and mcp-remote have another.
            let again = asked && claim.name == name && claim.mark != mark;
            if !again && holds(&claim.name, &claim.mark) {
                return Some(Barred::Taken(claim.name.clone()));
            }
            let ended = self
                .signed_out
                .get(&claim.name)
                .is_some_and(|at| *at >= claim.at);
            // What mcp-remote got since is another sign-in, which the user may ask for.
            if ended && (claim.mark == mark || !asked) {
                return Some(Barred::Ended(claim.name.clone()));
            }
        }
        let signed_out = self.signed_out.contains_key(name) && !asked;
        signed_out.then_some(Barred::SignedOut)
    }
}

/// Why the record cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerFault {
    /// What stands there.
    Content(FileFault),
    /// Another version of this program wrote it, in a format of this number.
    Version(u64),
}

impl fmt::Display for LedgerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(fault) => fault.fmt(f),
            Self::Version(version) => write!(f, "it has format {version}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(name: &str, mark: &str) -> Claim {
        Claim {
            place: "P".to_owned(),
            name: name.to_owned(),
            at: 100,
            mark: mark.to_owned(),
        }
    }

    fn bars(ledger: &Ledger, mark: &str, name: &str, asked: bool, held: &str) -> Option<Barred> {
        ledger.bars(("P", mark), name, asked, |name, _| name == held)
    }

    #[test]
    fn what_nobody_took_may_be_taken() {
        assert_eq!(bars(&Ledger::default(), "M", "a", false, ""), None);
    }

    #[test]
    fn what_one_name_holds_no_other_takes_whatever_became_of_the_content() {
        let mut ledger = Ledger::default();
        ledger.claim(claim("a", "M"));
        for (mark, asked) in [("M", false), ("M", true), ("N", false), ("N", true)] {
            let barred = bars(&ledger, mark, "b", asked, "a");
            assert_eq!(barred, Some(Barred::Taken("a".to_owned())), "{mark}");
        }
        let taken = Some(Barred::Taken("a".to_owned()));
        assert_eq!(bars(&ledger, "M", "a", true, "a"), taken);
        assert_eq!(bars(&ledger, "N", "a", false, "a"), taken);
        // Whoever asks under the same name gets what mcp-remote got since.
        assert_eq!(bars(&ledger, "N", "a", true, "a"), None);
    }

    #[test]
    fn whoever_was_killed_before_it_was_kept_has_taken_nothing() {
        let mut ledger = Ledger::default();
        ledger.claim(claim("a", "M"));
        assert_eq!(bars(&ledger, "M", "a", false, ""), None);
        assert_eq!(bars(&ledger, "M", "b", false, ""), None);
    }

    #[test]
    fn after_a_logout_nothing_comes_back_by_itself() {
        let mut ledger = Ledger::default();
        ledger.claim(claim("a", "M"));
        ledger.sign_out("a", 200);
        let ended = Some(Barred::Ended("a".to_owned()));
        assert_eq!(bars(&ledger, "M", "a", false, ""), ended);
        assert_eq!(bars(&ledger, "M", "a", true, ""), ended);
        assert_eq!(bars(&ledger, "M", "b", true, ""), ended);
        // What mcp-remote got since is taken only if the user says so.
        assert_eq!(bars(&ledger, "N", "a", false, ""), ended);
        assert_eq!(bars(&ledger, "N", "a", true, ""), None);
    }

    #[test]
    fn a_logout_of_a_sign_in_of_ours_keeps_others_out_as_well() {
        let mut ledger = Ledger::default();
        ledger.sign_out("a", 200);
        assert_eq!(bars(&ledger, "M", "a", false, ""), Some(Barred::SignedOut));
        assert_eq!(bars(&ledger, "M", "a", true, ""), None);
        assert_eq!(bars(&ledger, "M", "b", false, ""), None);
    }

    #[test]
    fn what_is_taken_after_a_logout_counts_from_then_on() {
        let mut ledger = Ledger::default();
        ledger.sign_out("a", 50);
        ledger.claim(claim("a", "M"));
        let taken = Some(Barred::Taken("a".to_owned()));
        assert_eq!(bars(&ledger, "M", "b", true, "a"), taken);
    }

    #[test]
    fn the_record_is_read_as_it_was_written_with_what_others_add() {
        let text = r#"{"version":1,"taken":[],"signed_out":{"a":5},"more":{"x":1}}"#;
        let mut ledger = Ledger::read(text.as_bytes()).expect("a record");
        ledger.claim(claim("b", "M"));
        let again = Ledger::read(&ledger.to_bytes()).expect("a record");
        assert_eq!(again, ledger);
        assert_eq!(again.unknown["more"]["x"], 1);
        assert_eq!(again.signed_out["a"], 5);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for (text, fault) in [
            ("", LedgerFault::Content(FileFault::Empty)),
            ("{\"version\":1", LedgerFault::Content(FileFault::Truncated)),
            (
                "{\"version\":\"x\"}",
                LedgerFault::Content(FileFault::WrongType(1)),
            ),
            ("{\"version\":2}", LedgerFault::Version(2)),
        ] {
            assert_eq!(Ledger::read(text.as_bytes()), Err(fault), "{text}");
        }
    }
}
