//! Stdin and stdout as they are: there is nothing here that others could have set them to.

use std::io::{self, Read, Write};

/// Stdin.
pub fn stdin() -> impl Read + Send + 'static {
    io::stdin()
}

/// Stdout. A console of Windows takes text, which the standard library makes of the bytes.
pub(super) fn stdout() -> Box<dyn Write + Send> {
    Box::new(io::stdout())
}
