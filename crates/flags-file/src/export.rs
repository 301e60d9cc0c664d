//! A configuration as the protocol's back ends download it, in one JSON document.
//!
//! The document is a flags file in the full form, too: `flagwire-server` serves it as it is, and other tools find the two
//! lists of the endpoints in it, `flags` and `groups`.

use serde::Serialize;

use flagwire_evaluation::model::{FeatureConfig, Segment};

use flagwire_evaluation::model::Configuration;

/// What the protocol calls a project; readers want it named.
const PROJECT: &str = "default";

#[derive(Serialize)]
struct Document {
    flags: Vec<FeatureConfig>,
    groups: Vec<Segment>,
}

/// Writes a configuration, sorted by name. `environment` stands in each flag and group, as readers expect it.
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
