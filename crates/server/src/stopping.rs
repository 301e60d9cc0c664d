//! The signal that the server stops: a channel that turns true, which every long-lived task watches.

use tokio::sync::watch;

/// Completes once the server stops, or the sender of the signal is dropped.
pub(crate) async fn until(stopping: &mut watch::Receiver<bool>) {
    // The guard that `wait_for` returns must not be held across an await.
    drop(stopping.wait_for(|stopping| *stopping).await);
}
