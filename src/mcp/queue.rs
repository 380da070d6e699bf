//! What is to be done, in order.

use std::collections::VecDeque;

/// Places that are kept while nothing is to be done.
const KEPT: usize = 16;

/// What is to be done, in order. A message adds a little and all of it is done at once: the memory
/// is kept for the next one, unless it is much.
#[derive(Debug)]
pub struct Queue<T>(VecDeque<T>);

impl<T> Queue<T> {
    /// Adds what is to be done last.
    pub fn push(&mut self, last: T) {
        self.0.push_back(last);
    }

    /// Adds all of another queue.
    pub fn append(&mut self, others: &mut Self) {
        self.0.append(&mut others.0);
        others.0.shrink_to(KEPT);
    }

    /// Takes out what is to be done first.
    pub fn pop(&mut self) -> Option<T> {
        let first = self.0.pop_front();
        if first.is_none() {
            self.0.shrink_to(KEPT);
        }
        first
    }

    /// Takes out all.
    #[cfg(test)]
    pub fn take(&mut self) -> Vec<T> {
        std::mem::take(&mut self.0).into()
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_first_is_done_first() {
        let (mut queue, mut others) = (Queue::default(), Queue::default());
        queue.push(1);
        others.push(2);
        others.push(3);
        queue.append(&mut others);
        queue.push(4);
        assert_eq!(others.pop(), None);
        let done: Vec<i32> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(done, [1, 2, 3, 4]);
    }

    #[test]
    fn memory_is_kept_unless_it_is_much() {
        let (mut queue, mut others) = (Queue::default(), Queue::default());
        for (count, kept) in [(3, 3..=KEPT), (1000, 0..=KEPT)] {
            for number in 0..count {
                queue.push(number);
            }
            while queue.pop().is_some() {}
            assert!(kept.contains(&queue.0.capacity()), "{count}");
            for number in 0..count {
                others.push(number);
            }
            queue.append(&mut others);
            assert!(kept.contains(&others.0.capacity()), "{count}");
            while queue.pop().is_some() {}
        }
    }
}
