//! What seldom happens, and costs next to nothing while it does not.
//!
//! A loop that waits for many things asks all of them each time that one of them has happened, and
//! each makes its preparations anew. What is wrapped in this is asked only when it has something to
//! say.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Waits for the next time and gives what it waits with back.
pub type Waiting<S, T> = Pin<Box<dyn Future<Output = (S, T)> + Send>>;

/// What happens again and again, but seldom.
pub struct Seldom<S, T> {
    wait: fn(S) -> Waiting<S, T>,
    waiting: Waiting<S, T>,
    bell: Arc<Bell>,
    waker: Waker,
}

impl<S, T> Seldom<S, T> {
    /// `wait` waits for it to happen once more, with what it takes for that.
    pub fn new(with: S, wait: fn(S) -> Waiting<S, T>) -> Self {
        let bell = Arc::new(Bell::default());
        Self {
            wait,
            waiting: wait(with),
            waker: bell.clone().into(),
            bell,
        }
    }

    /// Waits for the next time. Dropping the future loses nothing.
    pub fn next(&mut self) -> impl Future<Output = T> {
        poll_fn(|context| {
            if !self.bell.has_rung(context.waker()) {
                return Poll::Pending;
            }
            let mut inner = Context::from_waker(&self.waker);
            let Poll::Ready((with, happened)) = self.waiting.as_mut().poll(&mut inner) else {
                return Poll::Pending;
            };
            self.waiting = (self.wait)(with);
            // It has not been asked yet.
            self.bell.lock().rung = true;
            Poll::Ready(happened)
        })
    }
}

impl<S, T> fmt::Debug for Seldom<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seldom")
    }
}

/// Rings when what is waited for wants to be asked.
#[derive(Default)]
struct Bell(Mutex<Ringing>);

struct Ringing {
    rung: bool,
    listener: Waker,
}

impl Default for Ringing {
    /// What has never been asked wants to be.
    fn default() -> Self {
        Self {
            rung: true,
            listener: Waker::noop().clone(),
        }
    }
}

impl Bell {
    /// Whether it has rung since the last time; the next time, `listener` is woken.
    fn has_rung(&self, listener: &Waker) -> bool {
        let mut ringing = self.lock();
        ringing.listener.clone_from(listener);
        std::mem::take(&mut ringing.rung)
    }

    fn lock(&self) -> MutexGuard<'_, Ringing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let listener = {
            let mut ringing = self.lock();
            ringing.rung = true;
            ringing.listener.clone()
        };
        listener.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use futures_util::FutureExt as _;
    use tokio::sync::mpsc;

    use super::*;

    static ASKED: AtomicUsize = AtomicUsize::new(0);

    fn counted(mut from: mpsc::Receiver<u32>) -> Waiting<mpsc::Receiver<u32>, Option<u32>> {
        Box::pin(async move {
            let next = poll_fn(|context| {
                ASKED.fetch_add(1, Ordering::Relaxed);
                from.poll_recv(context)
            })
            .await;
            (from, next)
        })
    }

    fn plain(mut from: mpsc::Receiver<u32>) -> Waiting<mpsc::Receiver<u32>, Option<u32>> {
        Box::pin(async move {
            let next = from.recv().await;
            (from, next)
        })
    }

    #[test]
    fn it_is_asked_only_when_it_has_something_to_say() {
        let (say, from) = mpsc::channel(4);
        let mut seldom = Seldom::new(from, counted);
        for _ in 0..3 {
            assert_eq!(seldom.next().now_or_never(), None);
        }
        assert_eq!(ASKED.load(Ordering::Relaxed), 1);
        for number in 1..3 {
            say.try_send(number).unwrap();
        }
        assert_eq!(seldom.next().now_or_never(), Some(Some(1)));
        assert_eq!(seldom.next().now_or_never(), Some(Some(2)));
        assert_eq!(seldom.next().now_or_never(), None);
        assert_eq!(ASKED.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn what_was_said_while_nobody_listened_is_not_lost() {
        let (say, from) = mpsc::channel(4);
        let mut seldom = Seldom::new(from, plain);
        assert_eq!(seldom.next().now_or_never(), None);
        say.try_send(7).unwrap();
        drop(say);
        assert_eq!(seldom.next().now_or_never(), Some(Some(7)));
        assert_eq!(seldom.next().now_or_never(), Some(None));
    }

    #[test]
    fn who_listened_last_is_woken() {
        struct Ear(AtomicUsize);
        impl Wake for Ear {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (say, from) = mpsc::channel(4);
        let mut seldom = Seldom::new(from, plain);
        let ears = [(); 2].map(|()| Arc::new(Ear(AtomicUsize::new(0))));
        for ear in &ears {
            let waker = ear.clone().into();
            let next = std::pin::pin!(seldom.next());
            assert!(next.poll(&mut Context::from_waker(&waker)).is_pending());
        }
        say.try_send(1).unwrap();
        let woken = ears.each_ref().map(|ear| ear.0.load(Ordering::Relaxed));
        assert_eq!(woken, [0, 1]);
        assert_eq!(seldom.next().now_or_never(), Some(Some(1)));
    }
}
