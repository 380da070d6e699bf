//! Searches messages for words that most do not have, which is cheaper than reading them.

use std::sync::OnceLock;

use memchr::memmem::Finder;

/// A word that messages are searched for. To be a `static`: preparing the search takes several times
/// as long as searching a small message, and is done once.
#[derive(Debug)]
pub struct Word {
    text: &'static str,
    finder: OnceLock<Finder<'static>>,
}

impl Word {
    /// This word, as it stands in the JSON text.
    pub const fn new(text: &'static str) -> Self {
        Self {
            text,
            finder: OnceLock::new(),
        }
    }

    /// Whether it stands anywhere in a text.
    pub fn is_in(&self, text: &[u8]) -> bool {
        let finder = self.finder.get_or_init(|| Finder::new(self.text));
        finder.find(text).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_found_wherever_it_stands() {
        static WORD: Word = Word::new("progressToken");
        let long = "x".repeat(1000);
        for (text, found) in [
            ("progressToken".to_owned(), true),
            (r#"{"_meta":{"progressToken":1}}"#.to_owned(), true),
            (format!("{long}progressToken"), true),
            (format!("progressToken{long}"), true),
            (format!("{long}progressToke"), false),
            ("progresstoken".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(WORD.is_in(text.as_bytes()), found, "{text}");
        }
    }
}
