//! Reads the YAML that Git Experience keeps in a repository: the flags of a project, each with its settings in each environment.
//!
//! It has no groups. The documented keys are read, and all others are reported as unknown.
//!
//! Source: <https://developer.harness.io/docs/feature-flags/ff-using-flags/manage-featureflags-in-git-repos/>

use std::collections::BTreeSet;

use flagwire_evaluation::model::{FeatureConfig, Serve, State, TargetRef, Variation, VariationMap};

use super::known::Unknown;
use crate::node::{Node, Value};

/// Reads the flags as they are in one environment.
///
/// # Errors
/// A sentence that says what is missing, or which environments there are.
pub(super) fn flags(
    document: &Node,
    environment: Option<&str>,
    unknown: &mut Vec<Unknown>,
) -> Result<Vec<FeatureConfig>, String> {
    let file = "the file of Git Experience";
    let root = document
        .get("featureFlags")
        .ok_or("it has no `featureFlags`")?;
    only(
        document,
        &["featureFlags", "projectIdentifier", "orgIdentifier"],
        file,
        unknown,
    );
    only(
        root,
        &["flags", "projectIdentifier", "orgIdentifier"],
        file,
        unknown,
    );
    let entries: Vec<&Node> = list(root, "flags")
        .iter()
        .map(|entry| entry.get("flag").unwrap_or(entry))
        .collect();
    let known: BTreeSet<String> = entries
        .iter()
        .filter_map(|entry| entry.get("spec").or(Some(entry)))
        .flat_map(|spec| list(spec, "environments"))
        .filter_map(|environment| text(environment, "identifier"))
        .collect();
    let names = || {
        known
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let wanted = match (environment, known.len()) {
        (Some(wanted), _) if known.contains(wanted) => wanted.to_owned(),
        (Some(wanted), _) => {
            return Err(format!(
                "it has no environment `{wanted}`; it has: {}",
                names()
            ));
        }
        (None, 1) => known.first().cloned().unwrap_or_default(),
        (None, 0) => return Err("it says nothing of an environment".to_owned()),
        (None, _) => {
            return Err(format!(
                "it has several environments; say which one is meant with --environment-name: {}",
                names()
            ));
        }
    };
    entries
        .iter()
        .map(|entry| flag(entry, &wanted, unknown))
        .collect()
}

fn flag(
    node: &Node,
    environment: &str,
    unknown: &mut Vec<Unknown>,
) -> Result<FeatureConfig, String> {
    let name = text(node, "identifier")
        .ok_or_else(|| format!("the flag in line {} has no `identifier`", node.at.line))?;
    let owner = format!("flag `{name}`");
    only(
        node,
        &["name", "identifier", "description", "permanent", "spec"],
        &owner,
        unknown,
    );
    let spec = node
        .get("spec")
        .ok_or_else(|| format!("{owner} has no `spec`"))?;
    only(
        spec,
        &["type", "default", "variations", "environments"],
        &owner,
        unknown,
    );
    let here = list(spec, "environments")
        .iter()
        .find(|one| text(one, "identifier").as_deref() == Some(environment));
    if let Some(here) = here {
        only(
            here,
            &["identifier", "default", "state", "targetRules"],
            &owner,
            unknown,
        );
    }
    let default = |key: &str| {
        let of = |node: &Node| text(node.get("default")?, key);
        here.and_then(of).or_else(|| of(spec)).unwrap_or_default()
    };
    let variations = list(spec, "variations")
        .iter()
        .map(|one| {
            only(
                one,
                &["identifier", "name", "value", "description"],
                &owner,
                unknown,
            );
            Ok(Variation {
                identifier: text(one, "identifier")
                    .ok_or_else(|| format!("a variation of {owner} has no `identifier`"))?,
                value: text(one, "value").unwrap_or_default(),
                name: text(one, "name"),
                description: text(one, "description"),
            })
        })
        .collect::<Result<_, String>>()?;
    let targets = here.map_or(&[][..], |here| list(here, "targetRules"));
    let map = targets.iter().map(|rule| {
        only(rule, &["targets", "variation"], &owner, unknown);
        VariationMap {
            variation: text(rule, "variation").unwrap_or_default(),
            targets: list(rule, "targets")
                .iter()
                .filter_map(|target| {
                    let identifier = text(target, "identifier")?;
                    let name = text(target, "name").unwrap_or_default();
                    Some(TargetRef { identifier, name })
                })
                .collect(),
            target_segments: Vec::new(),
        }
    });
    let on = here.and_then(|here| text(here, "state"));
    Ok(FeatureConfig {
        variation_to_target_map: map.collect(),
        description: text(node, "description"),
        kind: text(spec, "type").unwrap_or_else(|| "boolean".to_owned()),
        state: match on.as_deref() {
            Some("on") => State::On,
            _ => State::Off,
        },
        variations,
        off_variation: default("offVariation"),
        default_serve: Serve {
            variation: Some(default("onVariation")),
            distribution: None,
        },
        feature: name,
        ..FeatureConfig::default()
    })
}

fn text(node: &Node, key: &str) -> Option<String> {
    node.get(key)?.optional_text()
}

fn list<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    match node.get(key).map(|node| &node.value) {
        Some(Value::List(nodes)) => nodes,
        _ => &[],
    }
}

/// Reports the keys of a map that are not among these, except those whose value is `null`.
fn only(node: &Node, keys: &[&str], owner: &str, unknown: &mut Vec<Unknown>) {
    if let Value::Map(entries) = &node.value {
        for (key, node) in entries {
            if !keys.contains(&key.text.as_str()) && !matches!(node.value, Value::Null) {
                unknown.push(Unknown {
                    owner: owner.to_owned(),
                    what: "field",
                    name: key.text.clone(),
                });
            }
        }
    }
}
