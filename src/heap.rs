//! Gives memory back to the system that a burst of calls or a large message has left free.
//!
//! glibc gives back what is free above everything that is in use, and keeps the gaps below that: one
//! small allocation that outlives a burst keeps megabytes. Allocators elsewhere return pages by
//! themselves.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

/// Bytes that pass before it is worth looking.
const ENOUGH: usize = 1024 * 1024;
/// What a message counts for besides its bytes: what is allocated around it.
const AROUND: usize = 4 * 1024;
/// How long there has to be little to do before. The connections of a burst are closed by then.
const QUIET: Duration = Duration::from_millis(2500);

/// Gives memory back when it is quiet after much has passed, until it is dropped.
#[derive(Debug)]
pub struct Heap {
    /// Bytes that have passed since the last time that they were enough.
    passed: usize,
    worn: watch::Sender<()>,
}

impl Heap {
    /// To be called within a tokio runtime. While nothing passes, nothing runs.
    pub fn tidy() -> Self {
        let (worn, news) = watch::channel(());
        tokio::spawn(tidy(news, give_back));
        Self { passed: 0, worn }
    }

    /// Notes that a message of so many bytes passes.
    pub fn passes(&mut self, bytes: usize) {
        self.passed = self.passed.saturating_add(bytes.saturating_add(AROUND));
        if self.passed >= ENOUGH {
            self.passed = 0;
            self.worn.send_replace(());
        }
    }
}

async fn tidy(mut worn: watch::Receiver<()>, give_back: impl Fn()) {
    while worn.changed().await.is_ok() {
        loop {
            worn.mark_unchanged();
            sleep(QUIET).await;
            // Who is gone will not change anything either.
            if !worn.has_changed().unwrap_or(false) {
                break;
            }
        }
        give_back();
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn give_back() {
    // The only `unsafe` of this program: no crate offers this call as a safe one.
    #[expect(unsafe_code, reason = "a function of the C library")]
    // SAFETY: it takes a number, may be called at any time by any thread, and changes no memory that
    // is in use (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn give_back() {}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use tokio::task::LocalSet;
    use tokio::time::advance;

    use super::*;

    /// Lets everything happen that can happen by now.
    async fn settle() {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }

    async fn pass(time: Duration) {
        advance(time).await;
        settle().await;
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_given_back_once_when_it_is_quiet_after_much() {
        let local = LocalSet::new();
        local
            .run_until(async {
                let given = Rc::new(Cell::new(0));
                let counted = given.clone();
                let (worn, news) = watch::channel(());
                let mut heap = Heap { passed: 0, worn };
                let task =
                    tokio::task::spawn_local(tidy(news, move || counted.set(counted.get() + 1)));
                settle().await;

                // Little.
                heap.passes(100);
                pass(QUIET * 10).await;
                assert_eq!(given.get(), 0);

                // A large message.
                heap.passes(ENOUGH);
                settle().await;
                pass(QUIET / 2).await;
                assert_eq!(given.get(), 0);
                // More while it is awaited.
                heap.passes(ENOUGH);
                pass(QUIET / 2).await;
                assert_eq!(given.get(), 0);
                pass(QUIET).await;
                assert_eq!(given.get(), 1);
                pass(QUIET * 10).await;
                assert_eq!(given.get(), 1);

                // Many small ones.
                for _ in 0..ENOUGH / AROUND {
                    heap.passes(1);
                }
                settle().await;
                pass(QUIET).await;
                assert_eq!(given.get(), 2);

                drop(heap);
                task.await.expect("it ends");
                assert_eq!(given.get(), 2);
            })
            .await;
    }

    /// Bytes that this process has in memory.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").expect("status");
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        kib.expect("RssAnon").parse::<usize>().expect("a number") * 1024
    }

    /// Frees much between what is kept; whether less was in memory once it was given back.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    fn leaves_gaps_that_are_given_back() -> bool {
        const MANY: usize = 4096;
        let mut kept = Vec::new();
        let mut freed = Vec::new();
        for _ in 0..MANY {
            freed.push(vec![1_u8; 16 * 1024]);
            kept.push(Box::new([1_u8; 64]));
        }
        drop(freed);
        let before = resident();
        give_back();
        let after = resident();
        drop(kept);
        after + MANY * 8 * 1024 < before
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn gaps_are_given_back() {
        // Other tests may take memory at the same moment.
        assert!((0..20).any(|_| leaves_gaps_that_are_given_back()));
    }
}
