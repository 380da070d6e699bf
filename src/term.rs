//! What people see in a terminal: tones, columns, and lines that fit.
//!
//! Everything here is a function of text and of a [`Terminal`], but for [`Terminal::of_stdout`],
//! which looks at the one that is there. Text that came from elsewhere is to be made fit for a
//! terminal before ([`crate::untrusted`], [`crate::diag::clean`]).

mod fields;
mod table;
mod wrap;

use std::io::IsTerminal as _;

use anstyle::{AnsiColor, Style};

pub use fields::Fields;
pub use table::{Cell, Table};
pub use wrap::{width, wrapped};

/// Where text is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terminal {
    /// Its width in columns; `None` where lines may be of any length, as in a pipe.
    pub width: Option<usize>,
    /// Whether it shows colours.
    pub colour: bool,
}

/// What a piece of text is to look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Like everything else.
    #[default]
    Plain,
    /// What to look at first: names and titles.
    Strong,
    /// What is only there to explain the rest.
    Faint,
    /// As it should be.
    Good,
    /// Something that somebody should know.
    Odd,
    /// Something that somebody has to mend.
    Bad,
}

/// Lines below a table, for what its rows have no room for; nothing if there are none.
pub fn remarks(remarks: &[(Tone, String)], terminal: Terminal) -> String {
    let mut text = String::new();
    for (tone, remark) in remarks {
        for line in wrapped(remark, terminal.width) {
            text.push_str(&terminal.paint(*tone, &line));
            text.push('\n');
        }
    }
    match text.is_empty() {
        true => text,
        false => format!("\n{text}"),
    }
}

/// Narrower terminals are treated as if they were of this width: nothing could be read in them.
const NARROWEST: usize = 20;

impl Terminal {
    /// Neither colours nor an end of the line: what a pipe or a file gets.
    pub const NONE: Self = Self {
        width: None,
        colour: false,
    };

    /// What stdout leads to.
    pub fn of_stdout() -> Self {
        let stdout = std::io::stdout();
        if !stdout.is_terminal() {
            return Self::NONE;
        }
        let width = terminal_size::terminal_size_of(&stdout).map(|(width, _)| width.0.into());
        let term = std::env::var("TERM").ok();
        let no_color = std::env::var("NO_COLOR").ok();
        let wanted = wants_colour(term.as_deref(), no_color.as_deref(), cfg!(windows));
        Self {
            // A terminal that does not know its width says 0.
            width: width
                .filter(|width| *width > 0)
                .map(|width: usize| width.max(NARROWEST)),
            // Consoles of Windows have to be told that sequences are meant as such.
            colour: wanted && anstyle_query::windows::enable_ansi_colors() != Some(false),
        }
    }

    /// The text in this tone. It must be shown on one line.
    pub fn paint(self, tone: Tone, text: &str) -> String {
        let style = tone.style();
        match self.colour && !text.is_empty() && style != Style::new() {
            true => format!("{style}{text}{style:#}"),
            false => text.to_owned(),
        }
    }
}

impl Tone {
    fn style(self) -> Style {
        let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => colour(AnsiColor::Green),
            Self::Odd => colour(AnsiColor::Yellow),
            Self::Bad => colour(AnsiColor::Red),
        }
    }
}

/// Whether a terminal is to show colours: unless its user says no (`NO_COLOR` set to anything), or it
/// knows none (`TERM=dumb`; elsewhere than on Windows also one that says nothing of itself).
fn wants_colour(term: Option<&str>, no_color: Option<&str>, on_windows: bool) -> bool {
    let is_unwanted = no_color.is_some_and(|value| !value.is_empty());
    let knows_some = match term {
        None | Some("") => on_windows,
        Some(term) => term != "dumb",
    };
    !is_unwanted && knows_some
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_have_them_and_users_who_have_not_said_no() {
        for (term, no_color, on_windows, wanted) in [
            (Some("xterm-256color"), None, false, true),
            (Some("xterm"), Some(""), false, true),
            (Some("xterm"), Some("1"), false, false),
            (Some("xterm"), Some("0"), false, false),
            (Some("dumb"), None, false, false),
            (Some("dumb"), None, true, false),
            (None, None, false, false),
            (Some(""), None, false, false),
            (None, None, true, true),
            (None, Some("x"), true, false),
        ] {
            let found = wants_colour(term, no_color, on_windows);
            assert_eq!(found, wanted, "{term:?} {no_color:?} {on_windows}");
        }
    }

    #[test]
    fn a_tone_is_put_on_and_taken_off_again() {
        let colourful = Terminal {
            width: None,
            colour: true,
        };
        assert_eq!(colourful.paint(Tone::Bad, "no"), "\u{1b}[31mno\u{1b}[0m");
        assert_eq!(colourful.paint(Tone::Plain, "x"), "x");
        assert_eq!(colourful.paint(Tone::Good, ""), "");
        for tone in [Tone::Strong, Tone::Faint, Tone::Good, Tone::Odd] {
            assert_ne!(colourful.paint(tone, "x"), "x", "{tone:?}");
            assert_eq!(Terminal::NONE.paint(tone, "x"), "x", "{tone:?}");
        }
    }
}
