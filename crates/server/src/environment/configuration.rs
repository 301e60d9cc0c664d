//! Defines what a source supplies: all flags and groups of an environment.

use flagwire_evaluation::model::{FeatureConfig, Segment};
use serde::Serialize;

pub use flagwire_evaluation::model::Configuration;

/// Borrowed parts of a [`Configuration`], which become the JSON that is kept on disk and shared among replicas.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct ConfigurationRef<'a> {
    pub(crate) flags: &'a [FeatureConfig],
    pub(crate) segments: &'a [Segment],
}
