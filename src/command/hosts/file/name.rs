//! The names of what is beside a file: copies of what was there before, and what is to come.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use sha2::{Digest, Sha256};

/// What the names of our files have in them.
const MARK: &str = ".drawbridge-";

/// A copy of what was in a file before a command changed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Copied {
    /// When, as the name says it: in UTC, and in an order that letters keep.
    time: String,
    /// The command.
    command: String,
    /// A digest of what the command wrote.
    digest: String,
}

impl Copied {
    /// `time` is in milliseconds since the epoch, `new` what comes in the file's place.
    pub fn new(time: u64, command: &str, new: &[u8]) -> Self {
        Self {
            time: utc(time),
            command: command.to_owned(),
            digest: digest(new),
        }
    }

    /// When it was made.
    pub fn time(&self) -> &str {
        &self.time
    }

    /// Whether these bytes are what was written then.
    pub fn led_to(&self, bytes: &[u8]) -> bool {
        self.digest == digest(bytes)
    }

    /// The copy's path, beside the file.
    pub fn path(&self, of: &Path) -> PathBuf {
        let Self {
            time,
            command,
            digest,
        } = self;
        beside(of, "", &format!("{MARK}{command}-{time}-{digest}.bak"))
    }

    fn parse(name: &str, of: &str) -> Option<Self> {
        let inner = name
            .strip_prefix(of)?
            .strip_prefix(MARK)?
            .strip_suffix(".bak")?;
        let (rest, digest) = inner.rsplit_once('-')?;
        let (command, time) = rest.rsplit_once('-')?;
        Some(Self {
            time: time.to_owned(),
            command: command.to_owned(),
            digest: digest.to_owned(),
        })
    }
}

/// The copies that a command made of a file.
pub(super) fn copies(of: &Path, command: &str) -> Vec<(PathBuf, Copied)> {
    let Some(name) = of.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    let copied = |path: PathBuf| {
        let copied = Copied::parse(path.file_name()?.to_str()?, name)?;
        (copied.command == command).then_some((path, copied))
    };
    neighbours(of).into_iter().filter_map(copied).collect()
}

/// A name for what is to come in the place of a file.
pub(super) fn temporary(of: &Path, random: u64) -> PathBuf {
    beside(of, ".", &format!("{MARK}{random:016x}.tmp"))
}

/// What has such a name.
pub(super) fn temporaries(of: &Path) -> Vec<PathBuf> {
    let Some(name) = of.file_name().and_then(|name| name.to_str()) else {
        return Vec::new();
    };
    let begin = format!(".{name}{MARK}");
    let is_temporary = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        let random = name
            .and_then(|name| name.strip_prefix(&begin))
            .and_then(|rest| rest.strip_suffix(".tmp"));
        random.is_some_and(|random| {
            random.len() == 16 && random.bytes().all(|b| b.is_ascii_hexdigit())
        })
    };
    neighbours(of).into_iter().filter(is_temporary).collect()
}

fn neighbours(of: &Path) -> Vec<PathBuf> {
    let folder = of.parent().unwrap_or(of);
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn beside(of: &Path, before: &str, after: &str) -> PathBuf {
    let mut name = OsString::from(before);
    name.push(of.file_name().unwrap_or_default());
    name.push(after);
    of.with_file_name(name)
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A moment as `20261121T203300.123Z`.
fn utc(milliseconds: u64) -> String {
    let moment = UNIX_EPOCH + Duration::from_millis(milliseconds);
    // Such as `Sat, 21 Nov 2026 20:33:00 GMT` (RFC 9110 §5.6.7).
    let written = httpdate::fmt_http_date(moment);
    let words: Vec<&str> = written.split(' ').collect();
    let [_, day, month, year, time, _] = words[..] else {
        return milliseconds.to_string();
    };
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months.find(month).map_or(0, |at| at / 3 + 1);
    let (time, rest) = (time.replace(':', ""), milliseconds % 1000);
    format!("{year}{month:02}{day}T{time}.{rest:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        for (time, written) in [
            (0, "19700101T000000.000Z"),
            (951_782_400_001, "20000229T000000.001Z"),
            (1_795_000_980_123, "20261118T112300.123Z"),
            (4_107_542_399_999, "21000228T235959.999Z"),
        ] {
            assert_eq!(utc(time), written);
        }
    }

    #[test]
    fn a_copy_is_known_by_its_name() {
        let copied = Copied::new(0, "migrate", b"new");
        let path = copied.path(Path::new("/x/mcp.json"));
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("a name");
        assert_eq!(Copied::parse(name, "mcp.json"), Some(copied.clone()));
        assert_eq!(Copied::parse(name, "cp.json"), None);
        assert_eq!(Copied::parse("mcp.json.bak", "mcp.json"), None);
        assert!(copied.led_to(b"new") && !copied.led_to(b"old"));
    }
}
