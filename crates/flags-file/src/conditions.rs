//! Reads the conditions of rules in the short form, and lists of texts.

use flagwire_evaluation::model::Clause;

use super::node::{Key, Node, Value};
use super::{Notes, Problem, check_keys};

/// The operators of conditions and their names on the wire.
pub(crate) const OPERATORS: &[(&str, &str)] = &[
    ("is", "equal"),
    ("is-exactly", "equal_sensitive"),
    ("in", "in"),
    ("starts-with", "starts_with"),
    ("ends-with", "ends_with"),
    ("contains", "contains"),
    ("matches", "match"),
    ("after", "gt"),
];

/// Reads the conditions of a rule, all of which must hold for it to match.
pub(super) fn clauses(node: &Node, owner: &str, notes: &mut Notes) -> Result<Vec<Clause>, Problem> {
    let entries = match &node.value {
        Value::Map(entries) if !entries.is_empty() => entries,
        _ => {
            return Err(Problem::new(
                node.at,
                format!(
                    "the conditions of {owner} are a map, as in `{{ plan: gold }}` or `{{ group: staff }}`"
                ),
            ));
        }
    };
    entries
        .iter()
        .map(|(key, node)| clause(key, node, owner, notes))
        .collect()
}

fn clause(key: &Key, node: &Node, owner: &str, notes: &mut Notes) -> Result<Clause, Problem> {
    let (op, values) = match &node.value {
        _ if key.text == "group" => ("segmentMatch", texts(node, &format!("`group` in {owner}"))?),
        Value::List(_) => ("in", texts(node, &format!("`{}` in {owner}", key.text))?),
        Value::Map(entries) => {
            let known: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
            let [(operator, operand)] = entries.as_slice() else {
                return Err(Problem::new(
                    node.at,
                    format!(
                        "the condition on `{}` in {owner} has one operator, one of: {}",
                        key.text,
                        known.join(", ")
                    ),
                ));
            };
            check_keys(
                entries,
                &format!("the condition on `{}` in {owner}", key.text),
                &known,
            )?;
            let op = OPERATORS
                .iter()
                .find(|(name, _)| *name == operator.text)
                .map_or("", |(_, op)| *op);
            let values = texts(operand, &format!("`{}` in {owner}", operator.text))?;
            if op != "in" && values.len() != 1 {
                return Err(Problem::new(
                    operand.at,
                    format!(
                        "`{}` in {owner} takes one value; only `in` takes a list",
                        operator.text
                    ),
                ));
            }
            if op == "match"
                && let Some(pattern) = values.first()
            {
                check_pattern(pattern).map_err(|reason| {
                    Problem::new(
                        operand.at,
                        format!("`matches` in {owner} is not a regular expression: {reason}"),
                    )
                })?;
            }
            if op == "gt" {
                warn_of_numbers(operand, &format!("`{}` in {owner}", operator.text), notes);
            }
            (op, values)
        }
        _ => ("equal", texts(node, &format!("`{}` in {owner}", key.text))?),
    };
    Ok(Clause {
        id: None,
        attribute: if op == "segmentMatch" {
            String::new()
        } else {
            key.text.clone()
        },
        op: op.to_owned(),
        values,
        negate: false,
    })
}

/// Checks the syntax of a pattern. Without the feature `patterns` each one counts as right.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_pattern(pattern: &str) -> Result<(), String> {
    #[cfg(feature = "patterns")]
    return flagwire_evaluation::check_pattern(pattern);
    #[cfg(not(feature = "patterns"))]
    {
        let _ = pattern;
        Ok(())
    }
}

/// Warns where the operand of `gt` is a number: `gt` compares texts, as in the published server SDKs, and whoever writes a
/// number may not expect that.
pub(super) fn warn_of_numbers(operand: &Node, what: &str, notes: &mut Notes) {
    let operand = match &operand.value {
        Value::List(nodes) => nodes.first().unwrap_or(operand),
        _ => operand,
    };
    if let (Value::Int(_) | Value::Float(_), Some(plain)) = (&operand.value, &operand.plain) {
        notes.warn(
            operand.at,
            format!(
                "{what} compares texts, by which `10` comes before `9`: write `\"{plain}\"` if that is meant; there is no condition that compares numbers"
            ),
        );
    }
}

pub(super) fn list<'a>(node: &'a Node, what: &str) -> Result<&'a [Node], Problem> {
    match &node.value {
        Value::List(nodes) => Ok(nodes),
        Value::Null => Ok(&[]),
        _ => Err(Problem::new(
            node.at,
            format!("{what} is a list; start each entry with `- `"),
        )),
    }
}

/// Reads a scalar or a list of scalars as texts.
pub(super) fn texts(node: &Node, what: &str) -> Result<Vec<String>, Problem> {
    let text = |node: &Node| match node.scalar_text() {
        Some(text) if !text.is_empty() => Ok(text),
        _ => Err(Problem::new(
            node.at,
            format!(
                "{what} holds {}; write text or a list of texts",
                if node.scalar_text().is_some() {
                    "an empty text"
                } else {
                    node.describe()
                }
            ),
        )),
    };
    match &node.value {
        Value::List(nodes) if nodes.is_empty() => Err(Problem::new(
            node.at,
            format!("{what} is an empty list; remove it or fill it"),
        )),
        Value::List(nodes) => nodes.iter().map(text).collect(),
        _ => Ok(vec![text(node)?]),
    }
}
