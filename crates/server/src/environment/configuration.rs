//! What a source supplies: all flags and groups of an environment.

use flagwire_evaluation::model::{FeatureConfig, Segment};
use serde::{Deserialize, Serialize};

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
