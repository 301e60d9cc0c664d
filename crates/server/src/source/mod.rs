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
use std::time::SystemTime;

use flagwire_evaluation::model::{FeatureConfig, Segment};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::environment::{Document, Environment};

/// All flags and groups of an environment. As JSON, this is how it is kept on disk and shared among replicas.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Configuration {
    /// Flags, each identifier once.
    pub flags: Vec<FeatureConfig>,
    /// Groups, each identifier once.
    pub segments: Vec<Segment>,
}

/// The same, of somebody else, to be written.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ConfigurationRef<'a> {
    pub(crate) flags: &'a [FeatureConfig],
    pub(crate) segments: &'a [Segment],
}

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

    /// Who changes flags through it, for whoever has opened it by an [`Origin`]: that one says when changes may be made.
    fn editor(&self) -> Option<Arc<dyn Editor>> {
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

/// Which way configurations come at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceState {
    /// Nothing has come yet.
    #[default]
    Starting,
    /// Changes arrive as they are made.
    Live,
    /// Changes arrive when the source is asked the next time.
    Polling,
    /// The source cannot be read or does not answer; what is served is the last that it gave.
    Degraded,
}

/// How a source stands.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// What it is, for people: the file's path, say.
    pub source: String,
    /// Which way configurations come.
    pub state: SourceState,
    /// Whether what is served is what the source holds now.
    pub healthy: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What else people should know, although all is served as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// Since when it stands so.
    #[serde(skip)]
    pub since: SystemTime,
    /// When what is served was last known to be what the source holds: for an upstream, when it last answered. `None` where it
    /// is known at any time, as for a file that is watched, or never was.
    #[serde(skip)]
    pub fresh_at: Option<SystemTime>,
}

impl Default for SourceStatus {
    fn default() -> Self {
        Self {
            source: String::new(),
            state: SourceState::Starting,
            healthy: false,
            error: Some("no configuration yet".to_owned()),
            warning: None,
            since: SystemTime::now(),
            fresh_at: None,
        }
    }
}

/// What to change about a flag. What is `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// On or off.
    pub state: Option<bool>,
    /// Identifier of the variation to serve by default.
    pub default: Option<String>,
    /// Identifier of the variation for everybody while the flag is off.
    pub off: Option<String>,
    /// What one target gets.
    pub target: Option<TargetEdit>,
}

/// What one target gets, whatever the rules say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetEdit {
    /// Its identifier.
    pub identifier: String,
    /// Identifier of the variation; `None` for what the rules say.
    pub variation: Option<String>,
}

/// Why an edit was not made. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// There is no such flag.
    #[error("there is no flag `{0}`")]
    UnknownFlag(String),
    /// The flag has no such variation.
    #[error("flag `{flag}` has no variation `{variation}`; it has: {known}")]
    UnknownVariation {
        /// The flag.
        flag: String,
        /// What was asked for.
        variation: String,
        /// What it has.
        known: String,
    },
    /// The text cannot be edited without touching more than the place concerned.
    #[error("{0}")]
    Refused(String),
    /// The file could not be read or written.
    #[error("cannot change {path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
}

/// Changes flags where they come from, for good.
pub trait Editor: Send + Sync + std::fmt::Debug {
    /// Makes the change and returns once it is in force. Blocks, but not without end: it writes files.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    fn edit(
        &self,
        environment: &Arc<Environment>,
        flag: &str,
        edit: &Edit,
    ) -> Result<(), EditError>;

    /// Replaces all flags by those of a whole file, if the file still says what hashes to `expected`. Returns whether it did,
    /// once they are in force. Blocks.
    ///
    /// # Errors
    /// [`EditError`]; nothing has changed then.
    fn replace(
        &self,
        environment: &Arc<Environment>,
        expected: &str,
        document: Document,
    ) -> Result<bool, EditError> {
        let (_, _, _) = (environment, expected, document);
        Err(EditError::Refused("the flags are not in a file".to_owned()))
    }
}
