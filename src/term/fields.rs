//! Labels with their values, one below the other.

use super::{Terminal, Tone, width, wrapped};

/// Labels with their values, in order.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    indent: usize,
    column: Option<usize>,
    least: usize,
    to_the_right: bool,
    lines: Vec<(String, String, Tone)>,
}

/// Fewer columns than this are no place for a value: it stands below its label then.
const NARROWEST: usize = 20;

impl Fields {
    /// None yet; all of them `indent` columns from the left.
    pub fn new(indent: usize) -> Self {
        Self {
            indent,
            ..Self::default()
        }
    }

    /// The same with room for labels of this width, whatever their own is, and labels at the right
    /// end of that room.
    pub fn with_column(mut self, column: usize) -> Self {
        self.column = Some(column);
        self.to_the_right = true;
        self
    }

    /// The same with room for labels of at least this width, so that those that come and go move
    /// nothing.
    pub fn at_least(mut self, least: usize) -> Self {
        self.least = least;
        self
    }

    /// Adds a value.
    pub fn add(&mut self, label: &str, value: impl Into<String>) {
        self.add_in(Tone::Plain, label, value);
    }

    /// Adds a value in a tone.
    pub fn add_in(&mut self, tone: Tone, label: &str, value: impl Into<String>) {
        self.lines.push((label.to_owned(), value.into(), tone));
    }

    /// The same, where there is something.
    pub fn add_some(&mut self, label: &str, value: Option<impl Into<String>>) {
        if let Some(value) = value {
            self.add(label, value);
        }
    }

    /// The lines, each with its end. Values that do not fit go on below themselves.
    pub fn text(&self, terminal: Terminal) -> String {
        let labels = self.lines.iter().map(|(label, ..)| width(label));
        let widest = labels.max().unwrap_or_default().max(self.least);
        let column = self.column.unwrap_or(widest);
        let gap = if self.to_the_right { 1 } else { 2 };
        let start = self.indent + column + gap;
        let room = terminal.width.map(|all| all.saturating_sub(start));
        let is_narrow = room.is_some_and(|room| room < NARROWEST);
        let mut text = String::new();
        let indent = " ".repeat(self.indent);
        for (label, value, tone) in &self.lines {
            let pad = " ".repeat(column.saturating_sub(width(label)));
            let painted = terminal.paint(Tone::Faint, label);
            let (mut begin, below, room) = match is_narrow {
                true => {
                    text.push_str(&format!("{indent}{painted}\n"));
                    let below = format!("{indent}  ");
                    let room = terminal.width.map(|all| all.saturating_sub(width(&below)));
                    (below.clone(), below, room)
                }
                false if self.to_the_right => {
                    (format!("{indent}{pad}{painted} "), " ".repeat(start), room)
                }
                false => (format!("{indent}{painted}{pad}  "), " ".repeat(start), room),
            };
            for line in wrapped(value, room) {
                let line = format!("{begin}{}", terminal.paint(*tone, &line));
                text.push_str(line.trim_end_matches(' '));
                text.push('\n');
                begin.clone_from(&below);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        let mut fields = Fields::new(2);
        fields.add("server", "https://mcp.example.com/mcp");
        fields.add_in(Tone::Good, "health", "ok, the next use refreshes it");
        fields.add_some("none", None::<String>);
        fields
    }

    fn wide(width: usize) -> Terminal {
        Terminal {
            width: Some(width),
            colour: false,
        }
    }

    #[test]
    fn values_stand_in_a_column() {
        let lines =
            "  server  https://mcp.example.com/mcp\n  health  ok, the next use refreshes it\n";
        assert_eq!(fields().text(Terminal::NONE), lines);
        assert_eq!(fields().text(wide(80)), lines);
    }

    #[test]
    fn what_does_not_fit_goes_on_below_itself() {
        assert_eq!(
            fields().text(wide(32)),
            "  server  https://mcp.example.com/mcp\n  health  ok, the next use\n          refreshes it\n"
        );
    }

    #[test]
    fn in_a_narrow_terminal_values_stand_below_their_labels() {
        assert_eq!(
            fields().text(wide(24)),
            "  server\n    https://mcp.example.com/mcp\n  health\n    ok, the next use\n    refreshes it\n"
        );
    }

    #[test]
    fn there_may_be_more_room_than_the_labels_need() {
        let mut fields = Fields::new(0).at_least(6);
        fields.add("a", "1");
        assert_eq!(fields.text(Terminal::NONE), "a       1\n");
        fields.add("longest", "2");
        assert_eq!(fields.text(Terminal::NONE), "a        1\nlongest  2\n");
    }

    #[test]
    fn labels_may_stand_at_the_right() {
        let mut fields = Fields::new(1).with_column(8);
        fields.add("rule", "RFC 8414");
        fields.add("a longer one", "x");
        assert_eq!(
            fields.text(Terminal::NONE),
            "     rule RFC 8414\n a longer one x\n"
        );
    }

    #[test]
    fn colours_do_not_move_anything() {
        let colourful = Terminal {
            width: Some(32),
            colour: true,
        };
        let text = fields().text(colourful);
        assert!(
            text.contains("\u{1b}[32mok, the next use\u{1b}[0m\n"),
            "{text:?}"
        );
        let mut bare = text.clone();
        for code in ["\u{1b}[32m", "\u{1b}[2m", "\u{1b}[0m"] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, fields().text(wide(32)));
    }
}
