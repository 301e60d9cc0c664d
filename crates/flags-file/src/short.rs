//! The short form of flags and groups, for people.
//!
//! ```yaml
//! flags:
//!   dark-mode: true                       # a boolean flag; `true` for everybody
//!   page-size: { value: 50, state: off }  # one value of any kind, and a state
//!   theme:
//!     variations: { classic: classic, ocean: ocean }
//!     default: { classic: 70, ocean: 30 } # a variation, or shares in percent
//!     by: email                           # the attribute that decides who gets which share; `identifier` if not given
//!     off: classic
//!     requires: { new-shop: true }        # another flag that must serve this variation (or one of a list)
//!     targets: { ocean: [user-7] }
//!     rules:
//!       - when: { plan: gold, group: staff }
//!         serve: ocean
//! groups:
//!   staff: { include: [user-7], exclude: [user-9], rules: [{ email: { ends-with: "@example.com" } }] }
//! ```

mod serving;

use flagwire_evaluation::model::{
    FeatureConfig, Prerequisite, Segment, SegmentRule, SegmentTarget, Serve, State, Variation,
};

pub(super) use self::serving::synonym;
use self::serving::{Names, by, rules, serve, target_map};
use super::conditions::{clauses, list, texts};
use super::node::{Node, Value};
use super::{Notes, Problem, about, check_keys, scalar, suggest};

/// Identifier of the only variation of a flag that is written as a single value.
const ONLY_VARIATION: &str = "default";

pub(super) const FLAG_KEYS: &[&str] = &[
    "description",
    "tags",
    "owner",
    "metadata",
    "kind",
    "state",
    "value",
    "variations",
    "default",
    "by",
    "off",
    "requires",
    "targets",
    "rules",
];
const GROUP_KEYS: &[&str] = &["name", "include", "exclude", "rules"];
const KINDS: &[&str] = &["boolean", "int", "string", "json"];

/// Reads a flag in the short form.
///
/// # Errors
/// The first mistake found in it.
pub(super) fn flag(name: &str, node: &Node, notes: &mut Notes) -> Result<FeatureConfig, Problem> {
    let owner = format!("flag `{name}`");
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        Value::Null => {
            return Err(Problem::new(
                node.at,
                format!("{owner} has no value; write `{name}: true`, say"),
            ));
        }
        Value::List(_) => {
            return Err(Problem::new(
                node.at,
                format!(
                    "{owner} holds a list; put a JSON value under `value`, as in `{name}: {{ value: […] }}`"
                ),
            ));
        }
        _ => return from_value(name, node, None),
    };
    check_keys(entries, &owner, FLAG_KEYS)?;
    let get = |key: &str| node.get(key);

    let kind = match get("kind") {
        None => None,
        Some(given) => {
            let text = given.scalar_text().unwrap_or_default().to_ascii_lowercase();
            match text.as_str() {
                "bool" => Some("boolean"),
                "number" => Some("int"),
                other => Some(
                    KINDS
                        .iter()
                        .find(|kind| **kind == other)
                        .copied()
                        .ok_or_else(|| {
                            Problem::new(
                                given.at,
                                format!(
                                    "unknown kind `{other}` in {owner}{}; it is one of: {}",
                                    suggest(other, KINDS),
                                    KINDS.join(", ")
                                ),
                            )
                        })?,
                ),
            }
        }
    };

    let mut flag = if let Some(value) = get("value") {
        if let Some((key, _)) = entries.iter().find(|(key, _)| {
            matches!(
                key.text.as_str(),
                "variations" | "default" | "by" | "off" | "targets" | "rules"
            )
        }) {
            return Err(Problem::new(
                key.at,
                format!(
                    "{owner} has `value`, one value for everybody, and so no `{}`; write `variations` and `default` instead of `value`",
                    key.text
                ),
            ));
        }
        from_value(name, value, kind)?
    } else {
        with_variations(name, node, kind, &owner, notes)?
    };

    if let Some(state) = get("state") {
        flag.state = match (&state.value, state.scalar_text().as_deref()) {
            (Value::Bool(true), _) | (_, Some("on" | "true")) => State::On,
            (Value::Bool(false), _) | (_, Some("off" | "false")) => State::Off,
            _ => {
                return Err(Problem::new(
                    state.at,
                    format!("the state of {owner} is either `on` or `off`"),
                ));
            }
        };
    }
    if let Some(requires) = get("requires") {
        flag.prerequisites = prerequisites(requires, &owner)?;
    }
    about::read(node, &owner, &mut flag)?;
    Ok(flag)
}

/// Makes a flag that serves one value to everybody. A boolean flag gets both variations even so, so that it can be turned off.
fn from_value(name: &str, node: &Node, kind: Option<&str>) -> Result<FeatureConfig, Problem> {
    let owner = format!("flag `{name}`");
    let text = value_text(node, kind, &owner)?;
    let kind = kind.unwrap_or_else(|| kind_of(node));
    let (variations, served) = if kind == "boolean" {
        (boolean_variations(), text)
    } else {
        (
            vec![variation(ONLY_VARIATION, text)],
            ONLY_VARIATION.to_owned(),
        )
    };
    Ok(FeatureConfig {
        feature: name.to_owned(),
        kind: kind.to_owned(),
        state: State::On,
        off_variation: if kind == "boolean" {
            "false".to_owned()
        } else {
            served.clone()
        },
        default_serve: Serve {
            variation: Some(served),
            distribution: None,
        },
        variations,
        ..FeatureConfig::default()
    })
}

fn with_variations(
    name: &str,
    node: &Node,
    kind: Option<&str>,
    owner: &str,
    notes: &mut Notes,
) -> Result<FeatureConfig, Problem> {
    let (kind, variations) = match node.get("variations") {
        Some(given) => variations(given, kind, owner)?,
        // A flag without `variations` is boolean, and gets `true` and `false`.
        None => match kind {
            None | Some("boolean") => ("boolean", boolean_variations()),
            Some(kind) => {
                return Err(Problem::new(
                    node.at,
                    format!(
                        "{owner} of kind {kind} needs its `variations`, a map from name to value; or `value` for a single one"
                    ),
                ));
            }
        },
    };
    let names = Names {
        owner,
        variations: &variations,
    };
    let by = by(node, owner)?;
    let Some(default) = node.get("default") else {
        return Err(Problem::new(
            node.at,
            format!(
                "{owner} needs a `default`: the variation to serve where no rule matches, one of: {}",
                names.list()
            ),
        ));
    };
    let default_serve = serve(default, by.as_deref(), &names)?;
    let off_variation = match (node.get("off"), &default_serve) {
        (Some(off), _) => names.resolve(off)?,
        (None, _) if kind == "boolean" && names.has("false") => "false".to_owned(),
        (
            None,
            Serve {
                variation: Some(variation),
                ..
            },
        ) => variation.clone(),
        (None, _) => {
            return Err(Problem::new(
                node.at,
                format!(
                    "{owner} has shares as its default and so needs `off`: the variation to serve while it is off, one of: {}",
                    names.list()
                ),
            ));
        }
    };
    let variation_to_target_map = match node.get("targets") {
        Some(targets) => target_map(targets, &names)?,
        None => Vec::new(),
    };
    let rules = match node.get("rules") {
        Some(given) => rules(given, &names, notes)?,
        None => Vec::new(),
    };
    Ok(FeatureConfig {
        feature: name.to_owned(),
        kind: kind.to_owned(),
        state: State::On,
        variations,
        off_variation,
        default_serve,
        variation_to_target_map,
        rules,
        ..FeatureConfig::default()
    })
}

fn boolean_variations() -> Vec<Variation> {
    vec![
        variation("true", "true".to_owned()),
        variation("false", "false".to_owned()),
    ]
}

fn variation(identifier: &str, value: String) -> Variation {
    Variation {
        identifier: identifier.to_owned(),
        name: Some(identifier.to_owned()),
        value,
        description: None,
    }
}

fn kind_of(node: &Node) -> &'static str {
    match node.value {
        Value::Bool(_) => "boolean",
        Value::Int(_) | Value::Float(_) => "int",
        Value::Text(_) => "string",
        Value::Null | Value::List(_) | Value::Map(_) => "json",
    }
}

/// Returns a variation's value as the wire carries it, which is text for each kind. Where `kind` is not given, it is taken
/// from how the value is written.
fn value_text(node: &Node, kind: Option<&str>, owner: &str) -> Result<String, Problem> {
    let doubtful = match kind {
        Some("string") => false,
        Some("int") => !matches!(node.value, Value::Text(_)),
        _ => true,
    };
    if doubtful {
        scalar::check(node, owner)?;
    }
    let kind = kind.unwrap_or_else(|| kind_of(node));
    let wrong = |hint: &str| {
        Err(Problem::new(
            node.at,
            format!(
                "{owner} is of kind {kind}, but this value is {}; {hint}",
                node.describe()
            ),
        ))
    };
    match (kind, &node.value) {
        ("boolean", Value::Bool(value)) => Ok(value.to_string()),
        ("boolean", _) => wrong("write `true` or `false`"),
        ("int", Value::Int(value)) => Ok(value.to_string()),
        ("int", Value::Float(value)) if value.is_finite() => Ok(value.to_string()),
        ("int", _) => wrong("write a number"),
        ("string", _) => match node.scalar_text() {
            Some(text) => Ok(text),
            None => wrong("write text"),
        },
        _ => Ok(node.to_json().to_string()),
    }
}

/// Reads the variations of a flag, and its kind, which is that of the first value where `kind` is not given.
fn variations(
    node: &Node,
    kind: Option<&str>,
    owner: &str,
) -> Result<(&'static str, Vec<Variation>), Problem> {
    let Value::Map(entries) = &node.value else {
        return Err(Problem::new(
            node.at,
            format!("the variations of {owner} are a map from name to value, as in `small: 4`"),
        ));
    };
    let Some((_, first)) = entries.first() else {
        return Err(Problem::new(
            node.at,
            format!("{owner} needs at least one variation, as in `small: 4`"),
        ));
    };
    let names: Vec<&str> = entries.iter().map(|(key, _)| key.text.as_str()).collect();
    // In `no: no` the value repeats the name of a variation, so it is clear that text is meant.
    let named = |node: &Node| match (&node.value, &node.plain) {
        (Value::Text(text), Some(_)) => names.contains(&text.as_str()),
        _ => false,
    };
    if kind.is_none() && !named(first) {
        scalar::check(first, owner)?;
    }
    let wanted = kind.unwrap_or_else(|| kind_of(first));
    let kind = KINDS
        .iter()
        .find(|known| **known == wanted)
        .copied()
        .unwrap_or("json");
    let variations = entries
        .iter()
        .map(|(key, node)| {
            if key.text.is_empty() {
                return Err(Problem::new(
                    key.at,
                    format!("a variation of {owner} needs a name"),
                ));
            }
            Ok(variation(&key.text, value_text(node, Some(kind), owner)?))
        })
        .collect::<Result<_, _>>()?;
    Ok((kind, variations))
}

fn prerequisites(node: &Node, owner: &str) -> Result<Vec<Prerequisite>, Problem> {
    let Value::Map(entries) = &node.value else {
        return Err(Problem::new(
            node.at,
            format!(
                "`requires` in {owner} is a map from flag to variation, as in `new-shop: true`"
            ),
        ));
    };
    entries
        .iter()
        .map(|(key, node)| {
            Ok(Prerequisite {
                feature: key.text.clone(),
                variations: texts(
                    node,
                    &format!("the variations of `{}` that {owner} requires", key.text),
                )?,
            })
        })
        .collect()
}

/// Reads a group in the short form.
///
/// # Errors
/// The first mistake found in it.
pub(super) fn group(name: &str, node: &Node, notes: &mut Notes) -> Result<Segment, Problem> {
    let owner = format!("group `{name}`");
    let Value::Map(entries) = &node.value else {
        return Err(Problem::new(
            node.at,
            format!(
                "{owner} is a map with `include`, `exclude` and `rules`, as in `include: [user-7]`"
            ),
        ));
    };
    check_keys(entries, &owner, GROUP_KEYS)?;
    let members = |key: &str| -> Result<Vec<SegmentTarget>, Problem> {
        let Some(node) = node.get(key) else {
            return Ok(Vec::new());
        };
        Ok(texts(node, &format!("`{key}` of {owner}"))?
            .into_iter()
            .map(|identifier| SegmentTarget {
                name: identifier.clone(),
                identifier,
                ..SegmentTarget::default()
            })
            .collect())
    };
    let serving_rules = match node.get("rules") {
        None => Vec::new(),
        Some(given) => (1_i64..)
            .zip(list(given, &format!("`rules` of {owner}"))?)
            .map(|(priority, node)| {
                Ok(SegmentRule {
                    rule_id: Some(format!("rule-{priority}")),
                    priority,
                    clauses: clauses(node, &format!("rule {priority} of {owner}"), notes)?,
                })
            })
            .collect::<Result<_, Problem>>()?,
    };
    Ok(Segment {
        identifier: name.to_owned(),
        name: match node.get("name").and_then(Node::optional_text) {
            Some(given) => given,
            None => name.to_owned(),
        },
        included: members("include")?,
        excluded: members("exclude")?,
        serving_rules,
        ..Segment::default()
    })
}
