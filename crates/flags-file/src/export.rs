//! Writes a configuration as back ends download it by the protocol, in one JSON document.
//!
//! The document is also a flags file in the full form, which `flagwire-server` can serve as it is. Its two lists, `flags` and
//! `groups`, are the replies of the protocol's two endpoints, for other tools.

use serde::Serialize;

use flagwire_evaluation::model::{FeatureConfig, Segment};

use flagwire_evaluation::model::Configuration;

/// The name for what the protocol calls a project, which readers expect to be there.
const PROJECT: &str = "default";

#[derive(Serialize)]
struct Document {
    flags: Vec<FeatureConfig>,
    groups: Vec<Segment>,
}

/// Writes a configuration, with flags and groups sorted by name. Each flag and group holds `environment`, as readers expect.
#[must_use]
pub fn export(configuration: &Configuration, environment: &str) -> String {
    let mut flags = configuration.flags.clone();
    flags.sort_by(|a, b| a.feature.cmp(&b.feature));
    for flag in &mut flags {
        PROJECT.clone_into(&mut flag.project);
        environment.clone_into(&mut flag.environment);
    }
    let mut groups: Vec<Segment> = configuration
        .segments
        .iter()
        .map(Segment::with_serving_rules)
        .collect();
    groups.sort_by(|a, b| a.identifier.cmp(&b.identifier));
    for group in &mut groups {
        group.environment = Some(environment.to_owned());
    }
    let mut text = serde_json::to_string_pretty(&Document { flags, groups }).unwrap_or_default();
    text.push('\n');
    text
}
