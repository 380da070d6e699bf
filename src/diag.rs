//! The one writer of stderr: levels, line format, and a sanitiser for text that came from a server.
//!
//! A line is `bridge[mcp.example.com] text`. Stderr ends up in the AI client's log file, and that
//! client may stop reading it; so a thread of its own does the writing, and a full queue drops
//! lines instead of holding the program up.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How much is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only what a person has to act on.
    Silent,
    /// Also what happens: sign-ins, waits, reconnects, warnings.
    #[default]
    Normal,
    /// Also decisions and their reasons.
    Debug,
}

/// Lines that may wait for a reader of stderr before further ones are dropped.
const QUEUE: usize = 256;

/// How long [`Diag::flush`] waits for a reader of stderr.
const FLUSH: Duration = Duration::from_millis(300);

/// Default length limit of [`clean`], in characters.
pub const CLEAN_LIMIT: usize = 300;

/// A handle to the diagnostic output. Cheap to clone; every clone writes to the same place.
#[derive(Clone)]
pub struct Diag {
    sink: Arc<Sink>,
    level: Level,
    prefix: Arc<str>,
    second: Option<Arc<Second>>,
}

/// Where lines go besides.
type Second = dyn Fn(&str) + Send + Sync;

/// The lines that a [`Diag::captured`] handle and its clones wrote.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<String>>>);

enum Sink {
    Stderr(Queue),
    Captured(Captured),
}

impl Diag {
    /// Writes to stderr. Nothing is started before the first line.
    pub fn stderr(level: Level) -> Self {
        Self::with_sink(level, Sink::Stderr(Queue::default()))
    }

    /// Keeps the lines for a test to read.
    pub fn captured(level: Level) -> (Self, Captured) {
        let lines = Captured::default();
        (Self::with_sink(level, Sink::Captured(lines.clone())), lines)
    }

    fn with_sink(level: Level, sink: Sink) -> Self {
        Self {
            sink: Arc::new(sink),
            level,
            prefix: Arc::from(""),
            second: None,
        }
    }

    /// The same, and `second` is given each line as well, at once: it gets those, too, that nobody reads
    /// on stderr.
    pub fn also_to(&self, second: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            second: Some(Arc::new(second)),
            ..self.clone()
        }
    }

    /// The same output with every line marked as being about this server.
    pub fn for_host(&self, host: &str) -> Self {
        Self {
            prefix: Arc::from(format!("bridge[{}] ", clean(host))),
            ..self.clone()
        }
    }

    /// How much this handle writes; for callers that would have to prepare something costly.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Something that happened, for a person who reads the log later.
    pub fn note(&self, text: impl fmt::Display) {
        self.put(Level::Normal, &self.prefix, "", &text);
    }

    /// Something that works, but not as it should.
    pub fn warn(&self, text: impl fmt::Display) {
        self.put(Level::Normal, &self.prefix, "warning: ", &text);
    }

    /// A decision with its reason. Pass `format_args!`, which costs nothing when nobody reads it.
    pub fn debug(&self, text: impl fmt::Display) {
        self.put(Level::Debug, &self.prefix, "", &text);
    }

    /// What a person has to act on, such as the address to open where no browser could be started.
    /// Written on every level.
    pub fn always(&self, text: impl fmt::Display) {
        self.put(Level::Silent, &self.prefix, "", &text);
    }

    /// A failure that ends the program or a request, and what the user can do. Written on every level.
    pub fn error(&self, message: impl fmt::Display, hint: Option<&str>) {
        self.put(Level::Silent, "", "error: ", &message);
        if let Some(hint) = hint {
            self.put(Level::Silent, "", "hint: ", &hint);
        }
    }

    /// Waits until everything is written, but only briefly: nobody may be reading.
    /// To be called before the program ends.
    pub fn flush(&self) {
        if let Sink::Stderr(queue) = &*self.sink {
            queue.flush(FLUSH);
        }
    }

    fn put(&self, level: Level, prefix: &str, kind: &str, text: &dyn fmt::Display) {
        if level > self.level {
            return;
        }
        let mut line = format!("{prefix}{kind}");
        // Writing into a String fails only if the value's own Display does; then the rest is lost.
        let _ = write!(OneLine(&mut line), "{text}");
        if let Some(second) = &self.second {
            second(&line);
        }
        match &*self.sink {
            Sink::Stderr(queue) => queue.put(line),
            Sink::Captured(lines) => lines.lock().push(line),
        }
    }
}

impl Captured {
    /// What was written so far, a line each.
    pub fn lines(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// Everything that was written so far, as one text.
    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lines on their way to stderr, and the thread that takes them there.
#[derive(Default)]
struct Queue {
    sender: Mutex<Option<SyncSender<Item>>>,
    dropped: Arc<AtomicUsize>,
}

enum Item {
    Line(String),
    Flush(SyncSender<()>),
}

impl Queue {
    fn put(&self, line: String) {
        let Some(sender) = self.sender() else {
            // No thread to be had: a line that may block is better than none.
            return write_line(&line);
        };
        if sender.try_send(Item::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self, limit: Duration) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = sender.as_ref() else {
            return;
        };
        let (done, wait) = mpsc::sync_channel(1);
        if sender.try_send(Item::Flush(done)).is_ok() {
            let _ = wait.recv_timeout(limit);
        }
    }

    /// The way to the writing thread, which is started with the first line.
    fn sender(&self) -> Option<SyncSender<Item>> {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.is_none() {
            let (ours, theirs) = mpsc::sync_channel(QUEUE);
            let dropped = Arc::clone(&self.dropped);
            std::thread::Builder::new()
                .name("stderr".to_owned())
                .stack_size(64 * 1024)
                .spawn(move || write_lines(&theirs, &dropped))
                .ok()?;
            *sender = Some(ours);
        }
        sender.clone()
    }
}

fn write_lines(items: &Receiver<Item>, dropped: &AtomicUsize) {
    for item in items {
        match item {
            Item::Line(line) => write_line(&line),
            Item::Flush(done) => {
                let _ = done.try_send(());
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            write_line(&format!("bridge: {lost} lines were not written"));
        }
    }
}

/// One write for the line and its end, so that lines of several processes do not mix.
/// A closed stderr is no reason to stop.
fn write_line(line: &str) {
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Makes text from a server fit for one line of a terminal, a log or an error message: no escape
/// sequences, no control or direction-changing characters, at most [`CLEAN_LIMIT`] characters.
pub fn clean(text: &str) -> String {
    clean_to(text, CLEAN_LIMIT)
}

/// [`clean`] with a limit of one's own, in characters.
pub fn clean_to(text: &str, limit: usize) -> String {
    let mut line = String::new();
    // A peer may send megabytes; four times the limit leaves room for what is taken out.
    let head: String = text.chars().take(limit.saturating_mul(4)).collect();
    let _ = OneLine(&mut line).write_str(&without_escapes(&head));
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None if head.len() < text.len() => format!("{line}…"),
        None => line,
    }
}

/// Takes out terminal escape sequences (ECMA-48 §5.4 control sequences, §5.6 control strings), so
/// that no remains such as `[31m` are left.
fn without_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let introducer = match c {
            '\u{1b}' => rest.next(),
            '\u{9b}' => Some('['),
            '\u{90}' | '\u{98}' | '\u{9d}' | '\u{9e}' | '\u{9f}' => Some(']'),
            other => {
                kept.push(other);
                continue;
            }
        };
        match introducer {
            Some('[') => {
                let _ = rest.find(|c| ('@'..='~').contains(c));
            }
            // Ends with BEL, ST (U+009C) or ESC \.
            Some(']' | 'P' | 'X' | '^' | '_') => {
                if let Some('\u{1b}') = rest.find(|c| matches!(c, '\u{7}' | '\u{9c}' | '\u{1b}')) {
                    rest.next();
                }
            }
            _ => {}
        }
    }
    kept
}

/// Passes text on as one line: line breaks and tabs become spaces, and what a terminal would obey
/// or a reader could not see is left out.
struct OneLine<'a>(&'a mut String);

impl fmt::Write for OneLine<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            match c {
                '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => self.0.push(' '),
                c if c.is_control() || is_deceptive(c) => {}
                c => self.0.push(c),
            }
        }
        Ok(())
    }
}

/// Characters that reorder or hide text: bidirectional controls (Unicode UAX #9), zero-width
/// spaces, and the invisible tag block. Joiners stay, since scripts and emoji need them.
fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        | '\u{200b}' | '\u{2060}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_server_it_is_about() {
        let (diag, lines) = Diag::captured(Level::Normal);
        let diag = diag.for_host("mcp.example.com");
        diag.note("refreshing: token expired 12 s ago");
        diag.warn("the cache was readable by others");
        assert_eq!(
            lines.lines(),
            [
                "bridge[mcp.example.com] refreshing: token expired 12 s ago",
                "bridge[mcp.example.com] warning: the cache was readable by others",
            ]
        );
    }

    #[test]
    fn errors_come_with_their_hint_on_a_line_of_its_own() {
        let (diag, lines) = Diag::captured(Level::Silent);
        diag.for_host("x").error("it failed", Some("try again"));
        assert_eq!(lines.lines(), ["error: it failed", "hint: try again"]);
    }

    #[test]
    fn each_level_adds_to_the_one_below() {
        let written = |level| {
            let (diag, lines) = Diag::captured(level);
            diag.always("always");
            diag.note("note");
            diag.warn("warn");
            diag.debug("debug");
            lines.lines().len()
        };
        assert_eq!(written(Level::Silent), 1);
        assert_eq!(written(Level::Normal), 3);
        assert_eq!(written(Level::Debug), 4);
    }

    #[test]
    fn a_line_stays_one_line_whatever_it_contains() {
        let (diag, lines) = Diag::captured(Level::Normal);
        diag.note("first\nerror: forged\r\n\u{1b}[2Jthird\u{202e}");
        assert_eq!(lines.lines(), ["first error: forged  [2Jthird"]);
    }

    #[test]
    fn long_addresses_are_written_whole() {
        let (diag, lines) = Diag::captured(Level::Normal);
        let address = format!(
            "https://auth.example.com/authorize?scope={}",
            "a".repeat(4000)
        );
        diag.note(&address);
        assert_eq!(lines.text(), address);
    }

    #[test]
    fn escape_sequences_leave_no_remains() {
        for (text, expected) in [
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            (
                "\u{1b}]8;;https://evil.example\u{7}link\u{1b}]8;;\u{1b}\\!",
                "link!",
            ),
            ("\u{9b}2Jcleared", "cleared"),
            ("\u{9d}0;title\u{9c}text", "text"),
            ("cut short \u{1b}[", "cut short"),
            ("cut short \u{1b}", "cut short"),
            ("\u{1b}cfull reset", "full reset"),
            ("bell\u{7}, delete\u{7f}, nul\0", "bell, delete, nul"),
        ] {
            assert_eq!(clean(text), expected, "{text:?}");
        }
    }

    #[test]
    fn characters_that_deceive_the_eye_are_left_out() {
        assert_eq!(clean("safe\u{202e}txt.exe\u{2066}"), "safetxt.exe");
        assert_eq!(clean("a\u{200b}b\u{feff}c\u{e0041}d"), "abcd");
        assert_eq!(clean("नमस्\u{200d}ते, 日本語"), "नमस्\u{200d}ते, 日本語");
    }

    #[test]
    fn runs_of_blanks_shrink_to_one() {
        assert_eq!(clean("  a\r\n\t b \u{2028} c "), "a b c");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(clean_to("äöü", 2), "äö…");
        assert_eq!(clean_to("äöü", 3), "äöü");
        assert_eq!(
            clean(&"x".repeat(1_000_000)).chars().count(),
            CLEAN_LIMIT + 1
        );
        assert_eq!(clean_to(&"\u{1b}[0m".repeat(1000), 10), "…");
    }

    #[test]
    fn a_second_place_gets_the_same_lines() {
        let (diag, lines) = Diag::captured(Level::Normal);
        let second = Captured::default();
        let kept = second.clone();
        let diag = diag.also_to(move |line| kept.lock().push(line.to_owned()));
        diag.for_host("x").note("a\nb");
        diag.debug("c");
        diag.error("d", Some("e"));
        assert_eq!(lines.lines(), ["bridge[x] a b", "error: d", "hint: e"]);
        assert_eq!(second.lines(), lines.lines());
    }

    #[test]
    fn a_full_queue_drops_lines_and_counts_them() {
        let (sender, kept) = mpsc::sync_channel(2);
        let queue = Queue {
            sender: Mutex::new(Some(sender)),
            dropped: Arc::default(),
        };
        for number in 0..5 {
            queue.put(number.to_string());
        }
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 3);
        queue.flush(Duration::ZERO);
        drop(queue);
        assert_eq!(kept.iter().count(), 2);
    }
}
