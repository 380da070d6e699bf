//! How wide text is, and where its lines end.

use unicode_width::UnicodeWidthStr as _;

/// How many columns the text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text in lines of at most `limit` columns, broken at blanks. A word that is wider has a line of
/// its own and is left whole, so that an address can be copied; the terminal breaks it. At least one
/// line.
pub fn wrapped(text: &str, limit: Option<usize>) -> Vec<String> {
    let Some(limit) = limit else {
        return vec![text.to_owned()];
    };
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let wide = width(word);
        if used > 0 && used + 1 + wide > limit {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += wide;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_blanks_before_they_are_too_wide() {
        for (text, limit, lines) in [
            ("one two three", 7, &["one two", "three"][..]),
            ("one two three", 13, &["one two three"]),
            ("one two three", 12, &["one two", "three"]),
            ("one two three", 1, &["one", "two", "three"]),
            (
                "https://mcp.example.com/mcp is it",
                10,
                &["https://mcp.example.com/mcp", "is it"],
            ),
            ("a  b", 9, &["a b"]),
            ("", 9, &[""]),
            ("日本語 日本語", 13, &["日本語 日本語"]),
            ("日本語 日本語", 12, &["日本語", "日本語"]),
            ("e\u{301}e\u{301} x", 4, &["e\u{301}e\u{301} x"]),
        ] {
            assert_eq!(wrapped(text, Some(limit)), lines, "{text} {limit}");
        }
    }

    #[test]
    fn where_lines_have_no_end_the_text_is_one() {
        let text = "word ".repeat(500);
        assert_eq!(wrapped(&text, None), [text]);
    }
}
