//! Compares a configuration with what another server has answered.

use std::collections::{BTreeMap, BTreeSet};

use flagwire_evaluation::model::Configuration;
use flagwire_evaluation::{Evaluation, Snapshot, Target};

use super::{Difference, KEPT, Proof, same_json, walk};

/// Compares what a configuration serves with what another server has served the same targets. Flags of the names in `except` are
/// left out. A flag that one side lacks differs.
#[must_use]
pub fn compare_served(
    written: &Configuration,
    except: &BTreeSet<String>,
    asked: &[(Target, Vec<Evaluation>)],
) -> Proof {
    let snapshot = Snapshot::compile(written.flags.clone(), written.segments.clone());
    let mut names: BTreeSet<&str> = BTreeSet::new();
    names.extend(snapshot.flags().iter().map(|flag| flag.feature.as_str()));
    let theirs = asked.iter().flat_map(|(_, evaluations)| evaluations);
    names.extend(theirs.map(|one| one.flag.as_str()));
    names.retain(|name| !except.contains(*name));
    let mut proof = Proof {
        flags: names.len(),
        targets: asked.len(),
        ..Proof::default()
    };
    for (target, evaluations) in asked {
        let theirs: BTreeMap<&str, &Evaluation> = evaluations
            .iter()
            .map(|evaluation| (evaluation.flag.as_str(), evaluation))
            .collect();
        let mut ours = snapshot.for_target(Some(target));
        for name in &names {
            let (ours, theirs) = (ours.evaluate(name).ok(), theirs.get(name).copied());
            let same = match (&ours, theirs) {
                (Some(ours), Some(theirs)) => {
                    // The protocol's description leaves the identifier optional.
                    (theirs.identifier.is_empty() || ours.identifier == theirs.identifier)
                        && ours.kind.eq_ignore_ascii_case(&theirs.kind)
                        && (ours.value == theirs.value
                            || ours.kind == "json" && same_json(ours.value, &theirs.value))
                }
                (None, None) => true,
                _ => false,
            };
            if same {
                continue;
            }
            proof.differing = proof.differing.saturating_add(1);
            proof.differing_flags.insert((*name).to_owned());
            if proof.differences.len() < KEPT {
                let said = match theirs {
                    Some(it) => format!("serves `{}`, the {} {}", it.identifier, it.kind, it.value),
                    None => "serves nothing".to_owned(),
                };
                proof.differences.push(Difference {
                    flag: (*name).to_owned(),
                    target: Some(target.clone()),
                    original: vec![said],
                    written: walk(&snapshot.explain(name, Some(target))),
                });
            }
        }
    }
    proof
}
