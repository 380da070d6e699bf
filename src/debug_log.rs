//! The file that `--debug` writes besides stderr, which AI clients often show to nobody: every line with
//! its time and process, in the folder of the sign-ins.
//!
//! It can be given away: no line of ours holds a secret, and what follows `?` in an address, where
//! authorization servers put theirs, is cut off here. It is bounded: a full file takes the place of the
//! one before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fs2::FileExt;

use crate::ids::ServerKey;
use crate::store::{create_folder, make_private, refuse_special, same_file};

/// Size from which a file is full, in bytes.
const FULL: u64 = 2 * 1024 * 1024;

/// The file that belongs to the sign-in of this name.
pub fn path(folder: &Path, key: &ServerKey) -> PathBuf {
    folder.join(format!("{key}.debug.log"))
}

/// The full file before the one that is written.
fn old(path: &Path) -> PathBuf {
    path.with_extension("log.old")
}

/// Deletes both files, if they are there. The error says which cannot be deleted.
pub fn remove(path: &Path) -> Result<(), (PathBuf, io::Error)> {
    for path in [old(path), path.to_owned()] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err((path, error)),
            _ => {}
        }
    }
    Ok(())
}

/// A file of lines. Many processes may write to one.
#[derive(Debug)]
pub struct DebugLog {
    path: PathBuf,
    file: Mutex<File>,
    full: u64,
}

impl DebugLog {
    /// Opens the file, for the user alone, or creates it with the folder that it is in. Fails for what
    /// is not a regular file.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        Self::with_limit(path, FULL)
    }

    fn with_limit(path: PathBuf, full: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
            create_folder(folder)?;
        }
        let file = open(&path)?;
        Ok(Self {
            path,
            file: Mutex::new(file),
            full,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a line. A file that cannot be written any more is no reason to stop.
    pub fn line(&self, text: &str) {
        let line = format!(
            "{} [{}] {}\n",
            time(SystemTime::now()),
            std::process::id(),
            without_queries(text)
        );
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_over(&file) {
            match self.turn(&file) {
                Ok(new) => *file = new,
                // It can be put aside later, perhaps. Until then nothing comes to it.
                Err(_) => return,
            }
        }
        // One write, so that lines of several processes do not mix.
        let _ = file.write_all(line.as_bytes());
    }

    fn is_over(&self, file: &File) -> bool {
        file.metadata().is_ok_and(|found| found.len() >= self.full)
    }

    /// Puts a full file aside, unless another process has done so, and gives the new one.
    fn turn(&self, full: &File) -> io::Result<File> {
        // Who has to wait for that finds it done.
        let _ = FileExt::lock_exclusive(full);
        let turned = self.turn_alone(full);
        let _ = FileExt::unlock(full);
        turned
    }

    fn turn_alone(&self, full: &File) -> io::Result<File> {
        let now = open(&self.path)?;
        if same_file(full, &self.path) && self.is_over(&now) {
            drop(now);
            fs::rename(&self.path, old(&self.path))?;
            return open(&self.path);
        }
        Ok(now)
    }
}

fn open(path: &Path) -> io::Result<File> {
    refuse_special(path)?;
    let mut options = OpenOptions::new();
    // Windows locks only what can be read.
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    // Somebody may have copied it here.
    let found = file.metadata()?;
    if crate::store::exposure(&found).is_some() {
        make_private(path, &found)?;
    }
    Ok(file)
}

/// The moment as `2026-11-21T20:33:00.123Z` (RFC 3339 §5.6).
fn time(now: SystemTime) -> String {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    // Such as `Sat, 21 Nov 2026 20:33:00 GMT` (RFC 9110 §5.6.7).
    let written = httpdate::fmt_http_date(UNIX_EPOCH + since);
    let words: Vec<&str> = written.split(' ').collect();
    let [_, day, month, year, time, _] = words[..] else {
        return since.as_millis().to_string();
    };
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months.find(month).map_or(0, |at| at / 3 + 1);
    let rest = since.subsec_millis();
    format!("{year}-{month:02}-{day}T{time}.{rest:03}Z")
}

/// The text with `?…` in place of each address's query.
fn without_queries(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, address) = rest.split_at(start);
        kept.push_str(before);
        let ends = |c: char| c.is_whitespace() || matches!(c, '`' | '"' | '\'' | '<' | '>');
        let (address, after) = address.split_at(address.find(ends).unwrap_or(address.len()));
        match address.find(['?', '#']) {
            Some(at) => {
                kept.push_str(&address[..=at]);
                kept.push('…');
            }
            None => kept.push_str(address),
        }
        rest = after;
    }
    kept.push_str(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_fragments_of_addresses_are_cut_off() {
        for (text, written) in [
            ("nothing ? here # to see", "nothing ? here # to see"),
            (
                "open https://a.example/x?state=1&b=2 or `http://b.example:1/?code=3`.",
                "open https://a.example/x?… or `http://b.example:1/?…`.",
            ),
            ("https://a.example/x#token=1", "https://a.example/x#…"),
            ("https://a.example/x ü?", "https://a.example/x ü?"),
        ] {
            assert_eq!(without_queries(text), written);
        }
    }

    #[test]
    fn times_are_in_utc() {
        let at = |milliseconds| time(UNIX_EPOCH + Duration::from_millis(milliseconds));
        assert_eq!(at(951_782_400_001), "2000-02-29T00:00:00.001Z");
        assert_eq!(at(1_795_000_980_123), "2026-11-18T11:23:00.123Z");
    }

    #[test]
    fn a_full_file_that_cannot_be_put_aside_grows_no_more_and_is_put_aside_later() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("x.debug.log");
        let log = DebugLog::with_limit(path.clone(), 100).expect("it opens");
        let in_the_way = old(&path);
        fs::create_dir(&in_the_way).expect("a folder");
        let size = || fs::metadata(&path).expect("a file").len();
        while size() < 100 {
            log.line("0123456789");
        }
        let full = size();
        log.line("lost");
        assert_eq!(size(), full);
        fs::remove_dir(&in_the_way).expect("empty");
        log.line("kept");
        let text = fs::read_to_string(&path).expect("a file");
        assert!(
            text.ends_with("] kept\n") && text.lines().count() == 1,
            "{text}"
        );
        assert_eq!(fs::metadata(&in_the_way).expect("a file").len(), full);
    }

    #[test]
    fn a_full_file_takes_the_place_of_the_one_before_and_no_line_of_two_writers_is_torn() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("new/x.debug.log");
        let logs = [0, 1].map(|_| DebugLog::with_limit(path.clone(), 1000).expect("it opens"));
        let mut written = 0;
        for _ in 0..200 {
            for log in &logs {
                log.line("0123456789");
                written += 1;
            }
        }
        assert_eq!(written, 400);
        let old = old(&path);
        for path in [&path, &old] {
            let text = fs::read_to_string(path).expect("a file");
            assert!(text.len() < 1100, "{}", text.len());
            assert!(text.lines().all(|line| line.ends_with("] 0123456789")));
        }
        assert!(fs::read(&old).expect("a file").len() >= 1000);
        assert_eq!(
            folder
                .path()
                .join("new")
                .read_dir()
                .expect("a folder")
                .count(),
            2
        );
        for _ in 0..2 {
            remove(&path).expect("deleted, or not there");
            assert!(!path.exists() && !old.exists());
        }
        fs::create_dir(&path).expect("a folder");
        let (which, _) = remove(&path).expect_err("it is no file");
        assert_eq!(which, path);
    }

    #[cfg(unix)]
    #[test]
    fn it_is_for_the_user_alone_and_no_link_is_followed() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("x.debug.log");
        let mode = || fs::metadata(&path).expect("a file").permissions().mode() & 0o777;
        DebugLog::open(path.clone()).expect("it opens");
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("a mode");
        DebugLog::open(path.clone()).expect("it opens");
        assert_eq!(mode(), 0o600);
        let link = folder.path().join("y.debug.log");
        symlink(&path, &link).expect("a link");
        assert!(DebugLog::open(link).is_err());
    }
}
