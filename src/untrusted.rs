//! Text that a server sent, made fit to be shown.

/// Longest piece of a server's text in a message, in characters.
pub const SHOWN: usize = 200;

/// The text with everything removed that could steer a terminal or reorder the line it is shown in,
/// blanks collapsed, cut after `limit` characters.
pub fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    let mut count = 0;
    for c in text.chars() {
        let c = match c {
            '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
            c if is_invisible(c) => continue,
            c => c,
        };
        if c == ' ' && (shown.is_empty() || shown.ends_with(' ')) {
            continue;
        }
        if count == limit {
            shown.push('…');
            return shown;
        }
        shown.push(c);
        count += 1;
    }
    shown.truncate(shown.trim_end().len());
    shown
}

/// Control characters, and the Unicode format characters that hide text or change its direction.
pub(crate) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn terminal_sequences_and_direction_marks_are_removed() {
        assert_eq!(
            printable("\u{1b}[31mred\u{1b}[0m\u{202e}txt.exe\u{7}", 99),
            "[31mred[0mtxt.exe"
        );
    }

    #[test]
    fn line_ends_become_one_blank() {
        assert_eq!(printable("\n a\r\n\tb \u{2028} c \n", 99), "a b c");
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(printable("ééééé", 3), "ééé…");
        assert_eq!(printable("ééé", 3), "ééé");
    }
}
