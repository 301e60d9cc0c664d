//! Reads flags and groups in the full form, which is the wire form of the protocol, and checks them for mistakes that people
//! make when they write it by hand.
//!
//! An export of a management API can be pasted in. It has further keys, and keeps what holds for one environment under
//! `envProperties`. The keys below `envProperties` are read as if they were the flag's own, and keys without a meaning here
//! get a warning. A key whose spelling is close to that of a known one is a mistake.

mod read;
mod shape;

use flagwire_evaluation::model::{FeatureConfig, Segment, Serve};

use self::read::Place;
use self::shape::{Check, FLAG, GROUP, Shape};
use super::conditions::{check_pattern, warn_of_numbers};
use super::node::{Node, Position, Value};
use super::{Notes, Problem, about, suggest};

/// The keys under which a flag in a list may have its name: that of the wire, then that of exports.
pub(super) const FLAG_NAMES: &[&str] = &["feature", "identifier"];

/// The keys under which a group in a list may have its name.
pub(super) const GROUP_NAMES: &[&str] = &["identifier"];

/// The keys of `envProperties` in an export, each with the key that the wire has for the same.
const OF_ENVIRONMENT: &[(&str, &str)] = &[
    ("environment", "environment"),
    ("state", "state"),
    ("version", "version"),
    ("offVariation", "offVariation"),
    ("defaultServe", "defaultServe"),
    ("variationMap", "variationToTargetMap"),
    ("rules", "rules"),
];

/// Whether a flag is written in the full form, which is recognised by keys or by a list of variations that only that form has.
pub(super) fn is_flag(node: &Node) -> bool {
    [
        "feature",
        "identifier",
        "offVariation",
        "defaultServe",
        "variationToTargetMap",
        "prerequisites",
        "envProperties",
        "defaultOnVariation",
        "defaultOffVariation",
    ]
    .iter()
    .any(|key| node.get(key).is_some())
        || matches!(
            node.get("variations").map(|n| &n.value),
            Some(Value::List(_))
        )
}

/// Whether a group is written in the full form, which is recognised by keys or by rules that only that form has.
pub(super) fn is_group(node: &Node) -> bool {
    ["identifier", "included", "excluded", "servingRules"]
        .iter()
        .any(|key| node.get(key).is_some())
        || matches!(node.get("rules").map(|n| &n.value), Some(Value::List(rules)) if rules.iter().any(|rule| rule.get("op").is_some()))
}

/// Returns the part of a flag that has this name on the wire. It is looked up in the flag itself, and where that has none or
/// `null`, under `envProperties`.
pub(super) fn part<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let own = node.get(key);
    if let Some(given) = own
        && !matches!(given.value, Value::Null)
    {
        return own;
    }
    let elsewhere = || {
        let (name, _) = OF_ENVIRONMENT.iter().find(|(_, wire)| *wire == key)?;
        environment(node)?.get(name)
    };
    elsewhere().or(own)
}

/// Returns `envProperties`, or its first item where it is a list.
fn environment(node: &Node) -> Option<&Node> {
    let given = node.get("envProperties")?;
    match &given.value {
        Value::List(nodes) => nodes.first(),
        _ => Some(given),
    }
}

/// Reads a flag in the full form.
///
/// # Errors
/// The first mistake found in it.
pub(super) fn flag(name: &str, node: &Node, notes: &mut Notes) -> Result<FeatureConfig, Problem> {
    let owner = format!("flag `{name}`");
    if let Some(Value::List(several)) = node.get("envProperties").map(|given| &given.value)
        && let Some(second) = several.get(1)
    {
        return Err(Problem::new(
            second.at,
            format!("{owner} has `envProperties` of several environments; keep those of one"),
        ));
    }
    let kind = node.get("kind").and_then(Node::scalar_text);
    check(
        name,
        FLAG_NAMES,
        node,
        &FLAG,
        kind.as_deref(),
        &owner,
        notes,
    )?;
    let mut flag = read::flag(name, Place::of(node, &owner, part))?;
    about::read(node, &owner, &mut flag)?;
    if let Some(archived) = node.get("archived")
        && matches!(archived.value, Value::Bool(true))
    {
        notes.warn(
            archived.at,
            format!("{owner} is archived where it comes from, and served here all the same; remove it if it is not wanted"),
        );
    }
    if let Some(state) = part(node, "state")
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
    if names.is_empty() {
        return Err(Problem::new(
            part(node, "variations").map_or(node.at, |n| n.at),
            format!("{owner} has no variations; list them, each with `identifier` and `value`"),
        ));
    }
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
            .try_fold(node, |node, key| part(node, key))
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
    warn_of_comparisons(node, &owner, notes);
    Ok(flag)
}

/// Reads a group in the full form.
///
/// # Errors
/// The first mistake found in it.
pub(super) fn group(name: &str, node: &Node, notes: &mut Notes) -> Result<Segment, Problem> {
    let owner = format!("group `{name}`");
    check(name, GROUP_NAMES, node, &GROUP, None, &owner, notes)?;
    let mut group = read::group(name, Place::of(node, &owner, Node::get))?;
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
    warn_of_comparisons(node, &owner, notes);
    Ok(group)
}

fn item(node: &Node, key: &str, index: usize) -> Position {
    match part(node, key).map(|list| &list.value) {
        Some(Value::List(items)) => items.get(index).map_or(node.at, |item| item.at),
        _ => node.at,
    }
}

/// Warns of each clause with `gt` whose value is a number, because `gt` compares texts.
fn warn_of_comparisons(node: &Node, owner: &str, notes: &mut Notes) {
    let nodes = match &node.value {
        Value::Map(entries) => {
            if node.get("op").and_then(Node::scalar_text).as_deref() == Some("gt")
                && let Some(values) = node.get("values")
            {
                warn_of_numbers(values, &format!("`gt` in {owner}"), notes);
                return;
            }
            entries.iter().map(|(_, node)| node).collect()
        }
        Value::List(nodes) => nodes.iter().collect::<Vec<_>>(),
        _ => return,
    };
    for node in nodes {
        warn_of_comparisons(node, owner, notes);
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
            && let Err(reason) = check_pattern(pattern)
        {
            return Err(Problem::new(
                at,
                format!("`{pattern}` in {owner} is not a regular expression: {reason}"),
            ));
        }
    }
    Ok(())
}

/// Looks for keys that the full form does not have, and for another name than the one under which the entry is written.
fn check(
    name: &str,
    name_keys: &[&str],
    node: &Node,
    shape: &Shape,
    kind: Option<&str>,
    owner: &str,
    notes: &mut Notes,
) -> Result<(), Problem> {
    Check { owner, kind, notes }.map(node, shape)?;
    for given in name_keys.iter().filter_map(|key| node.get(key)) {
        let own = given.optional_text().unwrap_or_default();
        if own != name {
            return Err(Problem::new(
                given.at,
                format!("{owner} calls itself `{own}`; make both names the same"),
            ));
        }
    }
    Ok(())
}
