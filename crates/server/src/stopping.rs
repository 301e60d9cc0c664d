//! The signal that the server stops: a channel that turns true, which every long-lived task watches. A [`Task`] has a signal of its
//! own.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Completes once the server stops, or the sender of the signal is dropped.
pub(crate) async fn until(stopping: &mut watch::Receiver<bool>) {
    // The guard that `wait_for` returns must not be held across an await.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// A task that can be asked to end, before the server stops.
#[derive(Debug)]
pub(crate) struct Task<T> {
    stop: watch::Sender<bool>,
    handle: JoinHandle<T>,
}

impl<T: Send + 'static> Task<T> {
    /// Starts the task. `begin` gets the signal that the task watches.
    pub(crate) fn start<F: Future<Output = T> + Send + 'static>(
        begin: impl FnOnce(watch::Receiver<bool>) -> F,
    ) -> Self {
        let (stop, stopping) = watch::channel(false);
        Self {
            handle: tokio::spawn(begin(stopping)),
            stop,
        }
    }

    /// Whether the task goes on.
    pub(crate) fn is_running(&self) -> bool {
        !self.handle.is_finished()
    }

    /// Ends the task, and waits until it is over. Returns `None` if it has failed.
    pub(crate) async fn end(self) -> Option<T> {
        self.stop.send_replace(true);
        self.handle.await.ok()
    }

    /// Ends the task, and aborts it if it is not over after this time. It is over when this returns, unless it blocks its thread for as
    /// long again.
    pub(crate) async fn end_within(mut self, limit: Duration) {
        self.stop.send_replace(true);
        if timeout(limit, &mut self.handle).await.is_err() {
            self.handle.abort();
            drop(timeout(limit, &mut self.handle).await);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    /// The sender is dropped with the task, so the receiver says whether the task is over.
    #[tokio::test]
    async fn a_task_that_does_not_end_is_over_once_its_limit_has_passed() {
        let (held, is_over) = watch::channel(());
        let task = Task::start(move |_| async move {
            let _held = held;
            pending::<()>().await;
        });
        task.end_within(Duration::from_millis(1)).await;
        assert!(is_over.has_changed().is_err(), "the task holds what it had");
    }
}
