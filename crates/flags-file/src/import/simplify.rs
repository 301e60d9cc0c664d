//! Simplifies a configuration into one that the reader of flags files accepts and that serves each target the same.
//!
//! What has no effect in any evaluation is left out with a remark: values past the first of a condition that takes one,
//! groups that do not exist, rules that match nobody. What a flags file cannot express, or what the published SDKs
//! read differently, is refused with a sentence; nothing is guessed.

use std::collections::{BTreeMap, HashSet};

use flagwire_evaluation::model::{
    Clause, Distribution, FeatureConfig, Prerequisite, Rule, Segment, SegmentRule, SegmentTarget,
    Serve, TargetRef, Variation, VariationMap,
};

/// A simplified flag or group, and what was left out of it, a sentence each.
#[derive(Debug)]
pub(super) struct Simplified<T> {
    pub(super) entry: T,
    pub(super) remarks: Vec<String>,
}

/// The flags and groups of the given configuration, which a flag or group may name.
pub(super) struct Known<'a> {
    pub(super) flags: BTreeMap<&'a str, &'a FeatureConfig>,
    pub(super) groups: HashSet<&'a str>,
}

/// The kinds that flags files know.
const KINDS: [&str; 4] = ["boolean", "int", "string", "json"];

/// Simplifies a flag.
///
/// # Errors
/// Why it cannot be carried over, to be read after its name.
pub(super) fn flag(
    flag: &FeatureConfig,
    known: &Known<'_>,
) -> Result<Simplified<FeatureConfig>, String> {
    let mut remarks = Vec::new();
    if !KINDS.contains(&flag.kind.as_str()) {
        return Err(format!("its kind is `{}`, which is unknown", flag.kind));
    }
    let variations = variations(flag, &mut remarks);
    let names: HashSet<&str> = variations.iter().map(|v| v.identifier.as_str()).collect();
    if !names.contains(flag.off_variation.as_str()) {
        return Err(format!(
            "its off variation `{}` is not one of its variations",
            flag.off_variation
        ));
    }
    let default_serve = serve(&flag.default_serve, &names, "its default", &mut remarks)?
        .ok_or("its default serves nothing")?;
    let mut rules = Vec::new();
    let mut map = target_map(flag, &names, known, &mut remarks)?;
    rules.extend(groups_as_rules(&mut map));
    let mut given: Vec<(usize, &Rule)> = flag.rules.iter().enumerate().collect();
    given.sort_by_key(|(_, rule)| rule.priority);
    for (at, rule) in given {
        let place = format!("rule {}", at.saturating_add(1));
        if rule.clauses.is_empty() {
            return Err(format!(
                "{place} has no conditions, which some SDKs take for everybody and others for nobody"
            ));
        }
        let Some(clauses) = clauses(&rule.clauses, known, &place, &mut remarks) else {
            continue;
        };
        let Some(serve) = serve(&rule.serve, &names, &place, &mut remarks)? else {
            remarks.push(format!("{place} is left out: it serves nothing"));
            continue;
        };
        rules.push(Rule {
            rule_id: rule.rule_id.clone().filter(|id| is_readable(id)),
            priority: 0,
            clauses,
            serve,
        });
    }
    for (rule, priority) in rules.iter_mut().zip(1_i64..) {
        rule.priority = priority;
        // The reader gives a rule without a name this one.
        rule.rule_id
            .get_or_insert_with(|| format!("rule-{priority}"));
    }
    Ok(Simplified {
        entry: FeatureConfig {
            project: String::new(),
            environment: String::new(),
            feature: flag.feature.clone(),
            description: text(flag.description.as_deref()),
            tags: flag.tags.clone(),
            owner: flag.owner.clone(),
            metadata: flag.metadata.clone(),
            kind: flag.kind.clone(),
            state: flag.state,
            version: None,
            variations,
            off_variation: flag.off_variation.clone(),
            default_serve,
            prerequisites: prerequisites(flag, known, &mut remarks)?,
            variation_to_target_map: map,
            rules,
        },
        remarks,
    })
}

/// Simplifies a group.
///
/// # Errors
/// Why it cannot be carried over, to be read after its name.
pub(super) fn group(group: &Segment, known: &Known<'_>) -> Result<Simplified<Segment>, String> {
    let mut remarks = Vec::new();
    let source = group.with_serving_rules();
    let mut given: Vec<(usize, &SegmentRule)> = source.serving_rules.iter().enumerate().collect();
    given.sort_by_key(|(_, rule)| rule.priority);
    let mut rules = Vec::new();
    for (at, rule) in given {
        let place = format!("rule {}", at.saturating_add(1));
        if rule.clauses.is_empty() {
            remarks.push(format!(
                "{place} is left out: it has no conditions, so it matches nobody"
            ));
            continue;
        }
        if let Some(clauses) = clauses(&rule.clauses, known, &place, &mut remarks) {
            rules.push(clauses);
        }
    }
    if !group.tags.is_empty() {
        let tags: Vec<&str> = group.tags.iter().map(|tag| tag.name.as_str()).collect();
        remarks.push(format!(
            "tags, which groups have none of here: {}",
            tags.join(", ")
        ));
    }
    Ok(Simplified {
        entry: Segment {
            identifier: group.identifier.clone(),
            name: text(Some(&group.name)).unwrap_or_else(|| group.identifier.clone()),
            included: members(&group.included),
            excluded: members(&group.excluded),
            serving_rules: (1_i64..)
                .zip(rules)
                .map(|(priority, clauses)| SegmentRule {
                    rule_id: Some(format!("rule-{priority}")),
                    priority,
                    clauses,
                })
                .collect(),
            ..Segment::default()
        },
        remarks,
    })
}

/// Returns a text for people without blanks around it; `None` where nothing is left.
fn text(text: Option<&str>) -> Option<String> {
    text.map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// Whether the name of a rule is worth keeping for people. Identifiers that tools generate are not, and neither are those that
/// the reader gives to a rule by its position.
fn is_readable(id: &str) -> bool {
    let letters = id
        .chars()
        .filter(|c| c.is_ascii_hexdigit() || *c == '-')
        .count();
    let made_up = id.len() >= 20 && letters == id.len() && id.bytes().any(|b| b.is_ascii_digit());
    let by_place = id
        .strip_prefix("rule-")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    !(id.trim().is_empty() || id.trim() != id || made_up || by_place)
}

fn variations(flag: &FeatureConfig, remarks: &mut Vec<String>) -> Vec<Variation> {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for variation in &flag.variations {
        let id = variation.identifier.as_str();
        if id.is_empty() {
            remarks.push(
                "a variation without an identifier is left out: it is never served".to_owned(),
            );
        } else if seen.insert(id) {
            kept.push(variation.clone());
        } else {
            remarks.push(format!(
                "a second variation `{id}` is left out: the first counts"
            ));
        }
    }
    kept
}

/// Simplifies what is served; `None` where nothing is served.
fn serve(
    serve: &Serve,
    names: &HashSet<&str>,
    place: &str,
    remarks: &mut Vec<String>,
) -> Result<Option<Serve>, String> {
    let variation = serve.variation.as_deref().filter(|v| !v.is_empty());
    let check = |variation: &str| {
        if names.contains(variation) {
            Ok(())
        } else {
            Err(format!(
                "{place} serves the variation `{variation}`, which is not one of its variations"
            ))
        }
    };
    let shares = serve
        .distribution
        .as_ref()
        .filter(|d| !d.variations.is_empty());
    let Some(distribution) = shares else {
        return variation
            .map(|variation| {
                check(variation)?;
                Ok(Serve {
                    variation: Some(variation.to_owned()),
                    distribution: None,
                })
            })
            .transpose();
    };
    if variation.is_some() {
        remarks.push(format!(
            "{place} has a single variation beside shares: the shares count, as in the Go and Java SDKs; those of Node and Python serve the variation"
        ));
    }
    for share in &distribution.variations {
        check(&share.variation)?;
    }
    let distribution = whole_shares(distribution);
    let given = serve.distribution.as_ref().map(|d| &d.variations);
    if given != Some(&distribution.variations) {
        remarks.push(format!(
            "{place} has shares that do not make 100; they are written as they take effect"
        ));
    }
    Ok(Some(Serve {
        variation: None,
        distribution: Some(distribution),
    }))
}

/// Returns shares that make 100 and serve each bucket what it was served: the first share whose running total reaches the
/// bucket, else the last share.
fn whole_shares(distribution: &Distribution) -> Distribution {
    let mut shares = distribution.variations.clone();
    let last = shares.len().saturating_sub(1);
    let (mut total, mut covered) = (0_i64, 0_i64);
    for (at, share) in shares.iter_mut().enumerate() {
        total = total.saturating_add(share.weight);
        let end = if at == last {
            100
        } else {
            total.clamp(covered, 100)
        };
        share.weight = end.saturating_sub(covered);
        covered = end;
    }
    Distribution {
        bucket_by: distribution.bucket_by.clone(),
        variations: shares,
    }
}

/// Simplifies the map from variations to targets. Each target is named in its first entry only, and if no entry names groups,
/// each variation has one entry.
fn target_map(
    flag: &FeatureConfig,
    names: &HashSet<&str>,
    known: &Known<'_>,
    remarks: &mut Vec<String>,
) -> Result<Vec<VariationMap>, String> {
    let mut seen = HashSet::new();
    let mut map: Vec<VariationMap> = Vec::new();
    for entry in &flag.variation_to_target_map {
        let mut targets: Vec<TargetRef> = Vec::new();
        for target in &entry.targets {
            if seen.insert(target.identifier.as_str()) {
                targets.push(target.clone());
            } else if !targets.iter().any(|t| t.identifier == target.identifier) {
                remarks.push(format!(
                    "the target `{}` is named for a second variation, `{}`; the first counts",
                    target.identifier, entry.variation
                ));
            }
        }
        let groups = known_groups(&entry.target_segments, known, "the target map", remarks);
        if targets.is_empty() && groups.is_empty() {
            continue;
        }
        if !names.contains(entry.variation.as_str()) {
            return Err(format!(
                "its targets get the variation `{}`, which is not one of its variations",
                entry.variation
            ));
        }
        map.push(VariationMap {
            variation: entry.variation.clone(),
            targets,
            target_segments: groups,
        });
    }
    // No target is in two entries now, so the order of entries has no effect unless one of them names groups.
    if map.iter().all(|entry| entry.target_segments.is_empty()) {
        return Ok(merged(map));
    }
    Ok(map)
}

/// Merges entries with the same variation. No entry may name groups, and no target may be in two entries.
fn merged(map: Vec<VariationMap>) -> Vec<VariationMap> {
    let mut merged: Vec<VariationMap> = Vec::new();
    for entry in map {
        match merged.iter_mut().find(|m| m.variation == entry.variation) {
            Some(first) => first.targets.extend(entry.targets),
            None => merged.push(entry),
        }
    }
    merged
}

/// Turns the map's entries for groups into rules, which serve the same if they come before all other rules. Where targets are
/// named in an entry after one for groups, nothing is changed, and there are no such rules.
fn groups_as_rules(map: &mut Vec<VariationMap>) -> Vec<Rule> {
    let first = map
        .iter()
        .position(|entry| !entry.target_segments.is_empty());
    let after = first.map_or(&[][..], |at| {
        map.get(at.saturating_add(1)..).unwrap_or_default()
    });
    if after.iter().any(|entry| !entry.targets.is_empty()) {
        return Vec::new();
    }
    let rules = map
        .iter_mut()
        .filter(|entry| !entry.target_segments.is_empty())
        .map(|entry| Rule {
            rule_id: None,
            priority: 0,
            clauses: vec![Clause {
                op: "segmentMatch".to_owned(),
                values: std::mem::take(&mut entry.target_segments),
                ..Clause::default()
            }],
            serve: Serve {
                variation: Some(entry.variation.clone()),
                distribution: None,
            },
        })
        .collect();
    map.retain(|entry| !entry.targets.is_empty());
    *map = merged(std::mem::take(map));
    rules
}

fn known_groups(
    names: &[String],
    known: &Known<'_>,
    place: &str,
    remarks: &mut Vec<String>,
) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    for name in names {
        if !known.groups.contains(name.as_str()) {
            remarks.push(format!(
                "the group `{name}`, which {place} names, does not exist; it is left out there"
            ));
        } else if !groups.contains(name) {
            groups.push(name.clone());
        }
    }
    groups
}

/// Simplifies the conditions of a rule; `None` where they match nobody.
fn clauses(
    given: &[Clause],
    known: &Known<'_>,
    place: &str,
    remarks: &mut Vec<String>,
) -> Option<Vec<Clause>> {
    let kept: Result<Vec<Clause>, String> = given
        .iter()
        .map(|one| clause(one, known, place, remarks))
        .collect();
    match kept {
        Ok(kept) => Some(kept),
        Err(why) => {
            remarks.push(format!("{place} is left out: {why}, so it matches nobody"));
            None
        }
    }
}

/// Simplifies one condition.
///
/// # Errors
/// Why it matches nobody.
fn clause(
    given: &Clause,
    known: &Known<'_>,
    place: &str,
    remarks: &mut Vec<String>,
) -> Result<Clause, String> {
    if given.negate {
        remarks.push(format!(
            "{place} says `negate`, which is left out: no SDK of this protocol acts on it"
        ));
    }
    let Some(first) = given.values.first() else {
        return Err("a condition has no values".to_owned());
    };
    let values = match given.op.as_str() {
        "segmentMatch" => {
            let groups = known_groups(&given.values, known, place, remarks);
            if groups.is_empty() {
                return Err("the groups that it names do not exist".to_owned());
            }
            groups
        }
        "in" => {
            let values: Vec<String> = given
                .values
                .iter()
                .filter(|v| !v.is_empty())
                .cloned()
                .collect();
            if values.is_empty() {
                return Err("a condition has only an empty value".to_owned());
            }
            values
        }
        "equal" | "equal_sensitive" if first.is_empty() => {
            return Err("a condition has only an empty value".to_owned());
        }
        "equal" | "equal_sensitive" | "starts_with" | "ends_with" | "contains" | "match" | "gt" => {
            if given.values.len() > 1 {
                remarks.push(format!(
                    "{place} has values behind the first with the operator `{}`, which looks at the first alone; they are left out",
                    given.op
                ));
            }
            vec![first.clone()]
        }
        other => {
            return Err(format!(
                "a condition has the operator `{other}`, which is unknown"
            ));
        }
    };
    Ok(Clause {
        id: None,
        attribute: if given.op == "segmentMatch" {
            String::new()
        } else {
            given.attribute.clone()
        },
        op: given.op.clone(),
        values,
        negate: false,
    })
}

fn prerequisites(
    flag: &FeatureConfig,
    known: &Known<'_>,
    remarks: &mut Vec<String>,
) -> Result<Vec<Prerequisite>, String> {
    let mut kept = Vec::new();
    for required in &flag.prerequisites {
        let name = &required.feature;
        let Some(other) = known.flags.get(name.as_str()) else {
            remarks.push(format!(
                "it requires the flag `{name}`, which does not exist; this and what it requires after it counts as met"
            ));
            break;
        };
        let has = |id: &str| other.variations.iter().any(|v| v.identifier == id);
        let mut variations: Vec<String> = Vec::new();
        for id in &required.variations {
            if !has(id) {
                remarks.push(format!(
                    "it requires the variation `{id}` of `{name}`, which has no such variation; it is left out"
                ));
            } else if !variations.contains(id) {
                variations.push(id.clone());
            }
        }
        if variations.is_empty() {
            return Err(format!(
                "it requires a variation of `{name}` that does not exist, so it is never on"
            ));
        }
        kept.push(Prerequisite {
            feature: name.clone(),
            variations,
        });
    }
    Ok(kept)
}

fn members(given: &[SegmentTarget]) -> Vec<SegmentTarget> {
    let mut seen = HashSet::new();
    given
        .iter()
        .filter(|member| seen.insert(member.identifier.as_str()))
        .map(|member| SegmentTarget {
            identifier: member.identifier.clone(),
            name: member.name.clone(),
            ..SegmentTarget::default()
        })
        .collect()
}
