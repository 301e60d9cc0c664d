//! Defines the sources that configurations come from.
//!
//! A source runs as a task of its own. It hands whole configurations to [`Environment::apply`] as it gets them and reports
//! its status through [`Environment::set_status`]. It knows nothing of readers, events or versions.

pub(crate) mod doubt;
pub mod file;
pub mod saved;
pub mod takeover;
pub mod upstream;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use crate::environment::{Editor, Environment};

/// A future that a task can own.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Supplies configurations.
pub trait Source: Send {
    /// Puts configurations in force in `environment` until `stopping` turns true. Blocks for some seconds before it
    /// returns where the disk hangs.
    fn run(
        self: Box<Self>,
        environment: Arc<Environment>,
        stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()>;

    /// Returns the editor that changes flags of `environment` in this source, if that is possible. Whoever has opened
    /// the source by an [`Origin`] asks for it and decides when changes may be made.
    fn editor(&self, environment: &Arc<Environment>) -> Option<Arc<dyn Editor>> {
        let _ = environment;
        None
    }
}

/// A source that can be opened more than once: one of several replicas runs it, and another one takes over.
pub trait Origin: Send + Sync {
    /// Returns the name of the source for people.
    fn name(&self) -> String;

    /// Opens the source, which one replica runs for all.
    ///
    /// # Errors
    /// A sentence that says why this replica cannot open it.
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Source>, String>>;

    /// Puts the configuration in force that this replica has saved before, if there is one.
    fn restore<'a>(&'a self, environment: &'a Arc<Environment>) -> BoxFuture<'a, ()>;

    /// Whether flags can be changed through it.
    fn editable(&self) -> bool;

    /// Returns the path of the flags file, of which each replica may have a copy; `None` for any other source.
    fn file(&self) -> Option<std::path::PathBuf> {
        None
    }

    /// Does what each replica does for itself, whichever runs the source, until `stopping` turns true.
    fn run_on_each_replica(
        &self,
        environment: Arc<Environment>,
        stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()>;
}
