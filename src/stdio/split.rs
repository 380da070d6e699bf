//! Splits a stream into lines.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::Input;
use crate::buffer;

/// A buffer that had a longer line in it is not kept, in bytes.
const KEPT: usize = 64 * 1024;

/// Splits bytes into lines. Each byte is looked at once, whatever the chunks.
#[derive(Debug)]
pub(super) struct LineSplitter {
    limit: usize,
    partial: BytesMut,
    /// The current line is too long; what follows belongs to it until its end.
    skipping: bool,
    at_start: bool,
}

impl LineSplitter {
    /// With this limit on the length of a line, in bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            partial: BytesMut::new(),
            skipping: false,
            at_start: true,
        }
    }

    /// Takes more of the stream and appends the lines that it ends.
    pub(super) fn feed(&mut self, mut chunk: &[u8], lines: &mut VecDeque<Input>) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let line = match self.partial.is_empty() && !self.skipping && end <= self.limit {
                // The common case: the line is whole, and gets memory of just its own size.
                true => self.trimmed(&chunk[..end]).map(Bytes::copy_from_slice),
                false => {
                    self.extend(&chunk[..end]);
                    self.take()
                }
            };
            chunk = &chunk[end + 1..];
            if std::mem::take(&mut self.skipping) {
                lines.push_back(Input::TooLong);
            } else if let Some(line) = line {
                lines.push_back(Input::Line(line));
            }
        }
        self.extend(chunk);
    }

    /// What is left at the end of the stream.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        match self.skipping {
            true => None,
            false => self.take(),
        }
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.partial.len() + bytes.len() > self.limit {
            self.skipping = true;
            self.partial = BytesMut::new();
        }
        if !self.skipping {
            if let Some(more) =
                buffer::growth(self.partial.len(), self.partial.capacity(), bytes.len())
            {
                self.partial.reserve(more);
            }
            self.partial.extend_from_slice(bytes);
        }
    }

    /// The line that was gathered.
    fn take(&mut self) -> Option<Bytes> {
        let line = match self.partial.len() > KEPT {
            // The rest of a large buffer is not worth keeping it for.
            true => std::mem::take(&mut self.partial),
            false => self.partial.split(),
        }
        .freeze();
        self.trimmed(&line).map(|trimmed| line.slice_ref(trimmed))
    }

    /// The line without a carriage return at its end, and without a byte order mark at the start
    /// of the stream; `None` if it is blank.
    fn trimmed<'l>(&mut self, line: &'l [u8]) -> Option<&'l [u8]> {
        let mut line = line;
        if std::mem::take(&mut self.at_start) {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        line = line.strip_suffix(b"\r").unwrap_or(line);
        (!line.trim_ascii().is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(stream: &[u8], chunk: usize) -> Vec<Input> {
        let mut lines = LineSplitter::new(32);
        let mut inputs = VecDeque::new();
        for part in stream.chunks(chunk) {
            lines.feed(part, &mut inputs);
        }
        inputs.extend(lines.finish().map(Input::Unfinished));
        inputs.into()
    }

    fn line(text: &'static str) -> Input {
        Input::Line(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn lines_are_the_same_whatever_the_chunks() {
        let stream =
            "\u{feff}{\"a\":1}\r\n\n  \r\n{\"b\":\"\u{e9}\"}\n\u{feff}x\n{\"c\"".as_bytes();
        let expected = [
            line("{\"a\":1}"),
            line("{\"b\":\"\u{e9}\"}"),
            line("\u{feff}x"),
            Input::Unfinished(Bytes::from_static(b"{\"c\"")),
        ];
        for chunk in [1, 2, 3, 7, 100] {
            assert_eq!(split(stream, chunk), expected, "chunks of {chunk}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_the_next_one_is_read() {
        let stream = [
            b"short\n".as_slice(),
            &[b'x'; 100],
            b"\nnext\n",
            &[b'y'; 100],
        ]
        .concat();
        for chunk in [1, 10, 1000] {
            assert_eq!(
                split(&stream, chunk),
                [line("short"), Input::TooLong, line("next")],
                "chunks of {chunk}"
            );
        }
    }

    #[test]
    fn a_large_line_takes_its_buffer_along() {
        let mut lines = LineSplitter::new(64 << 20);
        let mut inputs = VecDeque::new();
        lines.feed(&[b'x'; 1 << 20], &mut inputs);
        lines.feed(&[vec![b'x'; 1 << 20], b"\n".to_vec()].concat(), &mut inputs);
        assert_eq!(inputs.len(), 1);
        assert_eq!(inputs[0].len(), 2 << 20);
        assert!(lines.partial.capacity() < KEPT);
    }
}
