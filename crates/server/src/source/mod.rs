//! Where configurations come from.
//!
//! A source runs as a task of its own. It hands whole configurations to [`Environment::apply`] as it gets them and says
//! how it stands through [`Environment::set_status`]. It knows nothing of readers, events or versions.

pub(crate) mod doubt;
pub mod file;
pub mod kept;
pub mod upstream;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::watch;

use crate::environment::{Editor, Environment};

/// A future that a task can own.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Brings configurations.
pub trait Source: Send {
    /// Feeds `environment` until `stopping` turns true. Blocks for some seconds before it returns where the disk hangs.
    fn run(
        self: Box<Self>,
        environment: Arc<Environment>,
        stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()>;

    /// Returns what changes flags of `environment` in this source, if it can be changed. Whoever has opened the source by an
    /// [`Origin`] asks for it and decides when changes may be made.
    fn editor(&self, environment: &Arc<Environment>) -> Option<Arc<dyn Editor>> {
        let _ = environment;
        None
    }
}

/// A source that can be opened more than once: one replica of several brings configurations, and another one takes over.
pub trait Origin: Send + Sync {
    /// What it is, for people.
    fn name(&self) -> String;

    /// The part that one replica does for all: bringing configurations.
    ///
    /// # Errors
    /// Why this replica cannot, for people.
    fn open(&self) -> BoxFuture<'_, Result<Box<dyn Source>, String>>;

    /// Puts in force what this replica has kept from before, if there is something.
    fn restore<'a>(&'a self, environment: &'a Arc<Environment>) -> BoxFuture<'a, ()>;

    /// Whether flags can be changed through it.
    fn editable(&self) -> bool;

    /// The flags file, of which each replica may have a copy, where it is one.
    fn file(&self) -> Option<std::path::PathBuf> {
        None
    }

    /// The part that each replica does for itself, until `stopping` turns true.
    fn aside(
        &self,
        environment: Arc<Environment>,
        stopping: watch::Receiver<bool>,
    ) -> BoxFuture<'static, ()>;
}
