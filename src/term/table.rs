//! Rows with aligned columns.

use super::{Terminal, Tone, width};

/// How far columns stand apart.
const GAP: usize = 2;

/// One cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text, tone }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(Tone::Plain, text)
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Rows under titles. A column that has nothing in any row is left out.
#[derive(Clone, Debug)]
pub struct Table<const N: usize> {
    titles: [&'static str; N],
    rows: Vec<[Cell; N]>,
}

impl<const N: usize> Table<N> {
    /// Without rows yet.
    pub fn new(titles: [&'static str; N]) -> Self {
        Self {
            titles,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub fn add(&mut self, row: [Cell; N]) {
        self.rows.push(row);
    }

    /// The columns that have something in them, each with its width.
    fn columns(&self) -> Vec<(usize, usize)> {
        let columns = (0..N).filter_map(|at| {
            let cells = self.rows.iter().map(|row| width(&row[at].text));
            let widest = cells.max().filter(|widest| *widest > 0)?;
            Some((at, widest.max(width(self.titles[at]))))
        });
        columns.collect()
    }

    /// How many columns of a terminal it takes.
    pub fn width(&self) -> usize {
        let columns = self.columns();
        let gaps = GAP * columns.len().saturating_sub(1);
        columns.iter().map(|(_, wide)| wide).sum::<usize>() + gaps
    }

    /// Whether it can be shown without breaking its lines.
    pub fn fits(&self, terminal: Terminal) -> bool {
        terminal.width.is_none_or(|all| self.width() <= all)
    }

    /// The titles and the rows, each with its end; nothing if there are no rows.
    pub fn text(&self, terminal: Terminal) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let columns = self.columns();
        let titles = self.titles.map(|title| Cell::new(Tone::Strong, title));
        let mut text = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut pending = 0;
            for (at, wide) in &columns {
                let cell = &row[*at];
                let free = wide - width(&cell.text);
                if !cell.text.is_empty() {
                    text.push_str(&" ".repeat(pending));
                    text.push_str(&terminal.paint(cell.tone, &cell.text));
                    pending = 0;
                }
                pending += free + GAP;
                // An empty cell is as wide as its column, all of it pending.
            }
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table<4> {
        let mut table = Table::new(["NAME", "NOTE", "HEALTH", "EXPIRES"]);
        table.add([
            "work".into(),
            "".into(),
            Cell::new(Tone::Good, "ok"),
            "in 43 minutes".into(),
        ]);
        table.add([
            "日本語".into(),
            "".into(),
            Cell::new(Tone::Bad, "expired"),
            "".into(),
        ]);
        table.add(["x".into(), "".into(), "".into(), "never".into()]);
        table
    }

    #[test]
    fn columns_are_as_wide_as_they_look() {
        assert_eq!(
            table().text(Terminal::NONE),
            "NAME    HEALTH   EXPIRES\n\
             work    ok       in 43 minutes\n\
             日本語  expired\n\
             x                never\n"
        );
        assert_eq!(table().width(), 30);
    }

    #[test]
    fn whether_it_fits_is_known_before() {
        let wide = |width| Terminal {
            width: Some(width),
            colour: false,
        };
        assert!(table().fits(Terminal::NONE) && table().fits(wide(30)));
        assert!(!table().fits(wide(29)));
    }

    #[test]
    fn colours_do_not_move_columns() {
        let colourful = Terminal {
            width: None,
            colour: true,
        };
        let text = table().text(colourful);
        assert!(text.contains("\u{1b}[32mok\u{1b}[0m       in"), "{text:?}");
        assert!(text.starts_with("\u{1b}[1mNAME\u{1b}[0m    "), "{text:?}");
    }

    #[test]
    fn without_rows_there_are_no_titles() {
        assert_eq!(Table::new(["A"]).text(Terminal::NONE), "");
        assert_eq!(Table::new(["A"]).width(), 0);
    }
}
