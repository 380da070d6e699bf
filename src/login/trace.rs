//! Who follows a sign-in step by step.

use crate::diag::Diag;
use crate::oauth::flow::{Note, Question};

/// Is told what a flow asks of servers, and what it makes of the answers.
pub trait Trace: Send + Sync {
    /// A server was asked. `outcome` holds nothing that grants access.
    fn asked(&self, question: &Question, outcome: &str);

    /// Something happened that is worth telling.
    fn noted(&self, note: &Note);
}

impl Trace for Diag {
    fn asked(&self, question: &Question, outcome: &str) {
        self.debug(format_args!("{question}: {outcome}"));
    }

    fn noted(&self, note: &Note) {
        match note.is_warning() {
            true => self.warn(note),
            false => self.debug(note),
        }
    }
}
