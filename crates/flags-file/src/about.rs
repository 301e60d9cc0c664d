//! Reads what describes a flag and does not change what it serves: `description`, `tags` and `owner` for people, and `metadata`
//! for telemetry.

use flagwire_evaluation::model::{FeatureConfig, Tag};
use serde_json::{Map, Value as Json};

use super::conditions::texts;
use super::node::{Node, Value};
use super::{Problem, scalar};

/// Reads these keys from a flag of either form into `flag`.
///
/// # Errors
/// The first of the keys whose value cannot be read.
pub(super) fn read(node: &Node, owner: &str, flag: &mut FeatureConfig) -> Result<(), Problem> {
    flag.description = node
        .get("description")
        .and_then(Node::optional_text)
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty());
    if let Some(given) = given(node, "tags") {
        flag.tags = tags(given, owner)?;
    }
    if let Some(given) = given(node, "owner") {
        // Exports have an empty text where nobody owns the flag.
        flag.owner = list(given)
            .iter()
            .filter(|owner| !matches!(&owner.value, Value::Text(text) if text.is_empty()))
            .map(|one| texts(one, &format!("`owner` of {owner}")))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
    }
    if let Some(given) = given(node, "metadata") {
        flag.metadata = metadata(given, owner)?;
    }
    Ok(())
}

/// Returns the value of a key, unless it is missing or `null`.
fn given<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.get(key)
        .filter(|given| !matches!(given.value, Value::Null))
}

/// Returns the items of a list. Any other value counts as a list with one item.
fn list(node: &Node) -> &[Node] {
    match &node.value {
        Value::List(nodes) => nodes,
        _ => std::slice::from_ref(node),
    }
}

/// Reads tags, each of which is a text, or a map with `name` and `identifier` as in exports.
fn tags(node: &Node, owner: &str) -> Result<Vec<Tag>, Problem> {
    list(node)
        .iter()
        .map(|tag| {
            let text = |key: &str| tag.get(key).and_then(Node::optional_text);
            let (name, identifier) = match &tag.value {
                Value::Map(_) => (text("name"), text("identifier")),
                _ => (tag.scalar_text(), None),
            };
            let tag_of = |name: String, identifier: String| Tag { name, identifier };
            match (name, identifier) {
                (Some(name), Some(identifier)) => Ok(tag_of(name, identifier)),
                (Some(one), None) | (None, Some(one)) if !one.is_empty() => {
                    Ok(tag_of(one.clone(), one))
                }
                _ => Err(Problem::new(
                    tag.at,
                    format!("a tag of {owner} is a text, as in `tags: [checkout, team-a]`"),
                )),
            }
        })
        .collect()
}

/// Reads the metadata that evaluations carry to clients. It is OpenFeature's flag metadata, whose values are texts, numbers and
/// booleans.
fn metadata(node: &Node, owner: &str) -> Result<Map<String, Json>, Problem> {
    let wrong = |at| {
        Err(Problem::new(
            at,
            format!(
                "the `metadata` of {owner} is a map from name to text, number or boolean, as in `metadata: {{ team: checkout }}`"
            ),
        ))
    };
    let Value::Map(entries) = &node.value else {
        return wrong(node.at);
    };
    let mut metadata = Map::new();
    for (key, node) in entries {
        scalar::check(node, &format!("the `metadata` of {owner}"))?;
        match &node.value {
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {
                metadata.insert(key.text.clone(), node.to_json());
            }
            Value::Null | Value::List(_) | Value::Map(_) => return wrong(node.at),
        }
    }
    Ok(metadata)
}
