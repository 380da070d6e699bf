//! The system's requests to end, on each platform.

/// What the system asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// To end.
    End,
    /// To break off: a person pressed Ctrl-C.
    Interrupt,
}

/// Receives the signals that end the process.
pub(super) struct Signals {
    #[cfg(unix)]
    signals: Vec<(tokio::signal::unix::Signal, Signal)>,
    #[cfg(windows)]
    signals: windows::Events,
}

#[cfg(unix)]
impl Signals {
    /// Takes over SIGTERM, SIGINT and SIGHUP.
    pub(super) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [
            (SignalKind::terminate(), Signal::End),
            (SignalKind::interrupt(), Signal::Interrupt),
            (SignalKind::hangup(), Signal::End),
        ];
        Self {
            signals: kinds
                .into_iter()
                .filter_map(|(kind, meant)| Some((signal(kind).ok()?, meant)))
                .collect(),
        }
    }

    /// Completes at the next signal.
    pub(super) async fn received(&mut self) -> Signal {
        use std::task::Poll;
        std::future::poll_fn(|context| {
            let received = self.signals.iter_mut().find_map(|(signal, meant)| {
                matches!(signal.poll_recv(context), Poll::Ready(Some(()))).then_some(*meant)
            });
            received.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

#[cfg(windows)]
impl Signals {
    /// Takes over Ctrl-C, Ctrl-Break, closing the console, logoff and shutdown.
    pub(super) fn new() -> Self {
        Self {
            signals: windows::Events::new(),
        }
    }

    /// Completes at the next event.
    pub(super) async fn received(&mut self) -> Signal {
        self.signals.received().await
    }
}

#[cfg(windows)]
mod windows {
    use tokio::signal::windows::{
        CtrlBreak, CtrlC, CtrlClose, CtrlLogoff, CtrlShutdown, ctrl_break, ctrl_c, ctrl_close,
        ctrl_logoff, ctrl_shutdown,
    };

    /// The console events that end a process.
    pub(super) struct Events {
        c: Option<CtrlC>,
        r#break: Option<CtrlBreak>,
        close: Option<CtrlClose>,
        logoff: Option<CtrlLogoff>,
        shutdown: Option<CtrlShutdown>,
    }

    impl Events {
        pub(super) fn new() -> Self {
            Self {
                c: ctrl_c().ok(),
                r#break: ctrl_break().ok(),
                close: ctrl_close().ok(),
                logoff: ctrl_logoff().ok(),
                shutdown: ctrl_shutdown().ok(),
            }
        }

        pub(super) async fn received(&mut self) -> super::Signal {
            use super::Signal;
            macro_rules! next {
                ($event:expr) => {
                    async {
                        match $event {
                            Some(event) => event.recv().await,
                            None => std::future::pending().await,
                        }
                    }
                };
            }
            tokio::select! {
                _ = next!(&mut self.c) => Signal::Interrupt,
                _ = next!(&mut self.r#break) => Signal::Interrupt,
                _ = next!(&mut self.close) => Signal::End,
                _ = next!(&mut self.logoff) => Signal::End,
                _ = next!(&mut self.shutdown) => Signal::End,
            }
        }
    }
}
