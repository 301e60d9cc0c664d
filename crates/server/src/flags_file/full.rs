//! The full form of flags and groups: the wire form of the protocol, checked for what people get wrong by hand.

use flagwire_evaluation::model::{FeatureConfig, Segment, Serve};
use serde::de::DeserializeOwned;

use super::node::{Node, Position, Value};
use super::{Problem, check_keys, suggest};

/// The known keys of each kind of map, and which of its keys hold such maps (or lists of them).
struct Shape {
    what: &'static str,
    keys: &'static [&'static str],
    children: &'static [(&'static str, &'static Self)],
}

const FLAG: Shape = Shape {
    what: "flag",
    keys: &[
        "project",
        "environment",
        "feature",
        "description",
        "kind",
        "state",
        "version",
        "variations",
        "offVariation",
        "defaultServe",
        "prerequisites",
        "variationToTargetMap",
        "rules",
    ],
    children: &[
        (
            "variations",
            &Shape {
                what: "variation",
                keys: &["identifier", "name", "value", "description"],
                children: &[],
            },
        ),
        ("defaultServe", &SERVE),
        (
            "prerequisites",
            &Shape {
                what: "prerequisite",
                keys: &["feature", "variations"],
                children: &[],
            },
        ),
        (
            "variationToTargetMap",
            &Shape {
                what: "target map entry",
                keys: &["variation", "targets", "targetSegments"],
                children: &[(
                    "targets",
                    &Shape {
                        what: "target",
                        keys: &["identifier", "name"],
                        children: &[],
                    },
                )],
            },
        ),
        (
            "rules",
            &Shape {
                what: "rule",
                keys: &["ruleId", "priority", "clauses", "serve"],
                children: &[("clauses", &CLAUSE), ("serve", &SERVE)],
            },
        ),
    ],
};
const SERVE: Shape = Shape {
    what: "serve",
    keys: &["variation", "distribution"],
    children: &[(
        "distribution",
        &Shape {
            what: "distribution",
            keys: &["bucketBy", "variations"],
            children: &[(
                "variations",
                &Shape {
                    what: "share",
                    keys: &["variation", "weight"],
                    children: &[],
                },
            )],
        },
    )],
};
const CLAUSE: Shape = Shape {
    what: "clause",
    keys: &["id", "attribute", "op", "values", "negate"],
    children: &[],
};
const MEMBER: Shape = Shape {
    what: "member",
    keys: &[
        "identifier",
        "name",
        "account",
        "org",
        "project",
        "environment",
    ],
    children: &[],
};
const GROUP: Shape = Shape {
    what: "group",
    keys: &[
        "identifier",
        "name",
        "environment",
        "version",
        "createdAt",
        "modifiedAt",
        "tags",
        "included",
        "excluded",
        "rules",
        "servingRules",
    ],
    children: &[
        (
            "tags",
            &Shape {
                what: "tag",
                keys: &["name", "identifier"],
                children: &[],
            },
        ),
        ("included", &MEMBER),
        ("excluded", &MEMBER),
        ("rules", &CLAUSE),
        (
            "servingRules",
            &Shape {
                what: "serving rule",
                keys: &["ruleId", "priority", "clauses"],
                children: &[("clauses", &CLAUSE)],
            },
        ),
    ],
};

/// Whether a flag is written in the full form: it says so by keys that only that form has.
pub(super) fn is_flag(node: &Node) -> bool {
    [
        "feature",
        "offVariation",
        "defaultServe",
        "variationToTargetMap",
        "prerequisites",
    ]
    .iter()
    .any(|key| node.get(key).is_some())
        || matches!(
            node.get("variations").map(|n| &n.value),
            Some(Value::List(_))
        )
}

/// Whether a group is written in the full form.
pub(super) fn is_group(node: &Node) -> bool {
    ["identifier", "included", "excluded", "servingRules"]
        .iter()
        .any(|key| node.get(key).is_some())
        || matches!(node.get("rules").map(|n| &n.value), Some(Value::List(rules)) if rules.iter().any(|rule| rule.get("op").is_some()))
}

/// Reads a flag.
pub(super) fn flag(name: &str, node: &Node) -> Result<FeatureConfig, Problem> {
    let owner = format!("flag `{name}`");
    let flag: FeatureConfig = read(name, "feature", node, &FLAG, &owner)?;
    if let Some(state) = node.get("state")
        && !matches!(state.scalar_text().as_deref(), Some("on" | "off"))
    {
        return Err(Problem::new(
            state.at,
            format!("the state of {owner} is either `on` or `off`"),
        ));
    }
    if !["boolean", "int", "string", "json"].contains(&flag.kind.as_str()) {
        let at = node.get("kind").map_or(node.at, |n| n.at);
        return Err(Problem::new(
            at,
            format!(
                "unknown kind `{}` in {owner}; it is one of: boolean, int, string, json",
                flag.kind
            ),
        ));
    }
    let names: Vec<&str> = flag
        .variations
        .iter()
        .map(|v| v.identifier.as_str())
        .collect();
    let check = |variation: &str, at: Position| {
        if names.contains(&variation) {
            Ok(())
        } else {
            Err(Problem::new(
                at,
                format!(
                    "{owner} has no variation `{variation}`{}; it has: {}",
                    suggest(variation, &names),
                    names.join(", ")
                ),
            ))
        }
    };
    let place = |path: &[&str]| {
        path.iter()
            .try_fold(node, |node, key| node.get(key))
            .unwrap_or(node)
            .at
    };
    for (index, name) in names.iter().enumerate() {
        if names.iter().take(index).any(|earlier| earlier == name) {
            return Err(Problem::new(
                place(&["variations"]),
                format!("{owner} has two variations `{name}`; give each its own identifier"),
            ));
        }
    }
    check(&flag.off_variation, place(&["offVariation"]))?;
    check_serve(
        &flag.default_serve,
        place(&["defaultServe"]),
        &owner,
        &check,
    )?;
    for (index, entry) in flag.variation_to_target_map.iter().enumerate() {
        check(&entry.variation, item(node, "variationToTargetMap", index))?;
    }
    for (index, rule) in flag.rules.iter().enumerate() {
        let at = item(node, "rules", index);
        let owner = format!("rule {} of {owner}", index + 1);
        check_serve(&rule.serve, at, &owner, &check)?;
        check_clauses(&rule.clauses, at, &owner)?;
    }
    Ok(flag)
}

/// Reads a group.
pub(super) fn group(name: &str, node: &Node) -> Result<Segment, Problem> {
    let owner = format!("group `{name}`");
    let mut group: Segment = read(name, "identifier", node, &GROUP, &owner)?;
    if group.name.is_empty() {
        name.clone_into(&mut group.name);
    }
    check_clauses(
        &group.rules,
        node.get("rules").map_or(node.at, |n| n.at),
        &owner,
    )?;
    for (index, rule) in group.serving_rules.iter().enumerate() {
        check_clauses(
            &rule.clauses,
            item(node, "servingRules", index),
            &format!("serving rule {} of {owner}", index + 1),
        )?;
    }
    Ok(group)
}

fn item(node: &Node, key: &str, index: usize) -> Position {
    match node.get(key).map(|list| &list.value) {
        Some(Value::List(items)) => items.get(index).map_or(node.at, |item| item.at),
        _ => node.at,
    }
}

fn check_serve(
    serve: &Serve,
    at: Position,
    owner: &str,
    check: &impl Fn(&str, Position) -> Result<(), Problem>,
) -> Result<(), Problem> {
    if let Some(variation) = &serve.variation {
        check(variation, at)?;
    }
    match &serve.distribution {
        Some(distribution) => {
            let mut total = 0_i64;
            for share in &distribution.variations {
                check(&share.variation, at)?;
                if !(0..=100).contains(&share.weight) {
                    return Err(Problem::new(
                        at,
                        format!(
                            "a weight in {owner} is {}; weights go from 0 to 100",
                            share.weight
                        ),
                    ));
                }
                total = total.saturating_add(share.weight);
            }
            if total != 100 {
                return Err(Problem::new(
                    at,
                    format!(
                        "the weights in {owner} make {total}; change them so that they make 100"
                    ),
                ));
            }
        }
        None if serve.variation.is_none() => {
            return Err(Problem::new(
                at,
                format!("{owner} serves nothing; give it a `variation` or a `distribution`"),
            ));
        }
        None => {}
    }
    Ok(())
}

fn check_clauses(
    clauses: &[flagwire_evaluation::model::Clause],
    at: Position,
    owner: &str,
) -> Result<(), Problem> {
    for clause in clauses {
        let known: Vec<&str> = super::conditions::OPERATORS
            .iter()
            .map(|(_, op)| *op)
            .chain(["segmentMatch"])
            .collect();
        if !known.contains(&clause.op.as_str()) {
            return Err(Problem::new(
                at,
                format!(
                    "unknown operator `{}` in {owner}{}; it is one of: {}",
                    clause.op,
                    suggest(&clause.op, &known),
                    known.join(", ")
                ),
            ));
        }
        if clause.op == "match"
            && let Some(pattern) = clause.values.first()
            && let Err(error) = regex::Regex::new(pattern)
        {
            let text = error.to_string();
            let reason = text
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ");
            return Err(Problem::new(
                at,
                format!("`{pattern}` in {owner} is not a regular expression: {reason}"),
            ));
        }
    }
    Ok(())
}

fn read<T: DeserializeOwned>(
    name: &str,
    name_key: &str,
    node: &Node,
    shape: &Shape,
    owner: &str,
) -> Result<T, Problem> {
    check_shape(node, shape, owner)?;
    let mut json = node.to_json();
    if let Some(map) = json.as_object_mut() {
        match map.get(name_key) {
            None => {
                map.insert(name_key.to_owned(), name.into());
            }
            Some(given) if given.as_str() != Some(name) => {
                let at = node.get(name_key).map_or(node.at, |n| n.at);
                return Err(Problem::new(
                    at,
                    format!(
                        "{owner} calls itself `{}`; make both names the same",
                        given.as_str().unwrap_or_default()
                    ),
                ));
            }
            Some(_) => {}
        }
        // Read by itself, as anything will do.
        map.remove("description");
        // People write values as what they are, the wire wants text.
        texts_of_values(map, name_key);
    }
    serde_path_to_error::deserialize(json).map_err(|error| {
        let at = locate(node, error.path());
        let path = error.path().to_string();
        let hint = if path == "." {
            String::new()
        } else {
            format!(" under `{path}`")
        };
        Problem::new(
            at,
            format!("{owner} is not readable{hint}: {}", error.inner()),
        )
    })
}

/// `value: true` in a variation means the text `true`; so for `values` of clauses.
fn texts_of_values(map: &mut serde_json::Map<String, serde_json::Value>, name_key: &str) {
    use serde_json::Value as Json;
    fn text(value: &mut Json, json_too: bool) {
        match value {
            Json::Bool(_) | Json::Number(_) => *value = Json::String(value.to_string()),
            Json::Array(_) | Json::Object(_) if json_too => {
                *value = Json::String(value.to_string());
            }
            _ => {}
        }
    }
    fn walk(value: &mut Json) {
        match value {
            Json::Array(items) => items.iter_mut().for_each(walk),
            Json::Object(map) => {
                for (key, value) in map {
                    match key.as_str() {
                        "values" | "variations"
                            if value
                                .as_array()
                                .is_some_and(|items| !items.iter().any(Json::is_object)) =>
                        {
                            value
                                .as_array_mut()
                                .into_iter()
                                .flatten()
                                .for_each(|item| text(item, false));
                        }
                        "identifier" | "variation" | "offVariation" => text(value, false),
                        _ => walk(value),
                    }
                }
            }
            _ => {}
        }
    }
    if name_key == "feature"
        && let Some(variations) = map.get_mut("variations").and_then(Json::as_array_mut)
    {
        for value in variations
            .iter_mut()
            .filter_map(|variation| variation.get_mut("value"))
        {
            text(value, true);
        }
    }
    map.values_mut().for_each(walk);
    if let Some(off) = map.get_mut("offVariation") {
        text(off, false);
    }
}

fn check_shape(node: &Node, shape: &Shape, owner: &str) -> Result<(), Problem> {
    let entries = match &node.value {
        Value::Map(entries) => entries,
        Value::List(items) => {
            return items
                .iter()
                .try_for_each(|item| check_shape(item, shape, owner));
        }
        _ => return Ok(()),
    };
    let here = if owner.starts_with(shape.what) {
        owner.to_owned()
    } else {
        format!("a {} of {owner}", shape.what)
    };
    check_keys(entries, &here, shape.keys)?;
    for (key, child) in entries {
        if let Some((_, shape)) = shape.children.iter().find(|(name, _)| *name == key.text) {
            check_shape(child, shape, owner)?;
        }
    }
    Ok(())
}

/// The node that a path of field names and indices leads to, or the nearest one above it.
fn locate(node: &Node, path: &serde_path_to_error::Path) -> Position {
    use serde_path_to_error::Segment;
    let mut here = node;
    for step in path {
        let next = match (step, &here.value) {
            (Segment::Map { key }, _) => here.get(key),
            (Segment::Seq { index }, Value::List(items)) => items.get(*index),
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    here.at
}
