//! A line for the AI client, in the pieces that it is made of.

use bytes::Bytes;

/// Lines up to this size are made of one piece, in bytes: copying them costs less than keeping
/// what they are cut from.
pub const SMALL: usize = 16 * 1024;

/// A line for the AI client, without its end. A large message of the server becomes one without
/// being copied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line([Bytes; 3]);

impl Line {
    /// `text` with `middle` in place of what stands in `span`.
    pub(super) fn spliced(text: &Bytes, span: std::ops::Range<usize>, middle: &str) -> Self {
        let middle = Bytes::copy_from_slice(middle.as_bytes());
        Self([text.slice(..span.start), middle, text.slice(span.end..)])
    }

    /// The pieces, in order.
    pub fn pieces(&self) -> &[Bytes] {
        &self.0
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The line as a whole, copied.
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.concat()
    }

    /// The line as a whole; copied if it is in several pieces.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            [whole, second, third] if second.is_empty() && third.is_empty() => whole,
            pieces => pieces.concat().into(),
        }
    }
}

impl From<Bytes> for Line {
    fn from(whole: Bytes) -> Self {
        Self([whole, Bytes::new(), Bytes::new()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_make_up_the_line() {
        let text = Bytes::from_static(b"{\"id\":7,\"a\":1}");
        let line = Line::spliced(&text, 6..7, "\"x\"");
        assert_eq!(line.to_vec(), b"{\"id\":\"x\",\"a\":1}");
        assert_eq!(line.len(), line.to_vec().len());
        assert_eq!(line.clone().into_bytes(), line.to_vec());
        assert_eq!(Line::from(text.clone()).into_bytes(), text);
        assert!(Line::default().is_empty() && !line.is_empty());
    }
}
