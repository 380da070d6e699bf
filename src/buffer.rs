//! How buffers grow that may become large.
//!
//! Allocators give memory above a certain size pages of its own: growing moves pages and copies
//! nothing, freeing gives them back to the system at once, and what is reserved and not written
//! takes no memory. glibc does so from at most 32 MiB on, the system's own allocators elsewhere
//! earlier. Below that, each step of growth copies, and what is freed stays with the process.

/// Content from which on a buffer gets pages of its own, in bytes.
const LARGE: usize = 1024 * 1024;
/// The room that it gets then, in bytes.
const OWN_PAGES: usize = 33 * 1024 * 1024;

/// How much to reserve before `more` bytes are added to a buffer of this length and capacity;
/// `None` if it grows well by itself.
pub fn growth(length: usize, capacity: usize, more: usize) -> Option<usize> {
    let wanted = length.saturating_add(more);
    (wanted > LARGE && wanted > capacity && wanted <= OWN_PAGES).then(|| OWN_PAGES - length)
}

/// Adds bytes to a buffer that may become large.
pub fn extend(buffer: &mut Vec<u8>, bytes: &[u8]) {
    if let Some(more) = growth(buffer.len(), buffer.capacity(), bytes.len()) {
        buffer.reserve_exact(more);
    }
    buffer.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_buffers_get_pages_of_their_own_and_only_once() {
        assert_eq!(growth(0, 0, LARGE), None);
        assert_eq!(growth(LARGE, LARGE * 2, LARGE), None);
        assert_eq!(growth(LARGE, LARGE, 1), Some(OWN_PAGES - LARGE));
        assert_eq!(growth(0, 0, OWN_PAGES), Some(OWN_PAGES));
        assert_eq!(growth(0, 0, OWN_PAGES + 1), None);
        assert_eq!(growth(OWN_PAGES, OWN_PAGES, 1), None);
    }
}
