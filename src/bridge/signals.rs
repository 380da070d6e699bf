//! The system's requests to end, on each platform.

/// Receives the signals that end the process.
pub(super) struct Signals {
    #[cfg(unix)]
    signals: Vec<tokio::signal::unix::Signal>,
    #[cfg(windows)]
    signals: windows::Events,
}

#[cfg(unix)]
impl Signals {
    /// Takes over SIGTERM, SIGINT and SIGHUP.
    pub(super) fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        let kinds = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ];
        Self {
            signals: kinds
                .into_iter()
                .filter_map(|kind| signal(kind).ok())
                .collect(),
        }
    }

    /// Completes at the next signal.
    pub(super) async fn received(&mut self) {
        std::future::poll_fn(|context| {
            let received = self.signals.iter_mut().any(|signal| {
                matches!(signal.poll_recv(context), std::task::Poll::Ready(Some(())))
            });
            if received {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
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
    pub(super) async fn received(&mut self) {
        self.signals.received().await;
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

        pub(super) async fn received(&mut self) {
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
                _ = next!(&mut self.c) => {}
                _ = next!(&mut self.r#break) => {}
                _ = next!(&mut self.close) => {}
                _ = next!(&mut self.logoff) => {}
                _ = next!(&mut self.shutdown) => {}
            }
        }
    }
}
