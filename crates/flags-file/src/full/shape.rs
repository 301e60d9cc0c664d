//! The keys that each kind of map in the full form may have, and how their values become JSON.

use serde_json::{Map, Value as Json};

use crate::node::{Key, Node, Value};
use crate::{Notes, Problem, scalar, suggest};

/// The known keys of one kind of map, such as a flag or a rule.
pub(super) struct Shape {
    what: &'static str,
    keys: &'static [(&'static str, Field)],
}

/// How the value of a key is read.
enum Field {
    /// A text, taken as it is written: `007` stays `007`.
    Text,
    /// A list of texts, each taken as it is written.
    Texts,
    /// A number or a boolean, which the wire has in the same type as YAML.
    Plain,
    /// The value of a variation, which is text on the wire for each kind of flag.
    Served,
    /// A map of that shape, or a list of such maps.
    Of(&'static Shape),
    /// A value that `about.rs` reads.
    Elsewhere,
    /// A key that exports have and that has no meaning here; the reader warns of it.
    Ignored,
}

use Field::{Elsewhere, Ignored, Of, Plain, Served, Text, Texts};

pub(super) const FLAG: Shape = Shape {
    what: "flag",
    keys: &[
        ("project", Text),
        ("environment", Text),
        ("feature", Text),
        ("identifier", Text),
        ("description", Elsewhere),
        ("tags", Elsewhere),
        ("owner", Elsewhere),
        ("metadata", Elsewhere),
        ("kind", Text),
        ("state", Text),
        ("version", Plain),
        ("variations", Of(&VARIATION)),
        ("offVariation", Text),
        ("defaultServe", Of(&SERVE)),
        ("prerequisites", Of(&PREREQUISITE)),
        ("variationToTargetMap", Of(&TARGET_MAP)),
        ("rules", Of(&RULE)),
        ("envProperties", Of(&ENVIRONMENT)),
        ("name", Ignored),
        ("archived", Ignored),
        ("createdAt", Ignored),
        ("modifiedAt", Ignored),
        ("permanent", Ignored),
        ("defaultOnVariation", Ignored),
        ("defaultOffVariation", Ignored),
        ("evaluation", Ignored),
        ("evaluationIdentifier", Ignored),
        ("results", Ignored),
        ("services", Ignored),
        ("status", Ignored),
        ("stale", Ignored),
    ],
};
const ENVIRONMENT: Shape = Shape {
    what: "environment",
    keys: &[
        ("environment", Text),
        ("state", Text),
        ("version", Plain),
        ("offVariation", Text),
        ("defaultServe", Of(&SERVE)),
        ("variationMap", Of(&TARGET_MAP)),
        ("rules", Of(&RULE)),
        ("createdAt", Ignored),
        ("modifiedAt", Ignored),
        ("pipelineConfigured", Ignored),
        ("pipelineDetails", Ignored),
        ("jiraEnabled", Ignored),
    ],
};
const VARIATION: Shape = Shape {
    what: "variation",
    keys: &[
        ("identifier", Text),
        ("name", Text),
        ("value", Served),
        ("description", Text),
    ],
};
const PREREQUISITE: Shape = Shape {
    what: "prerequisite",
    keys: &[("feature", Text), ("variations", Texts)],
};
const TARGET_MAP: Shape = Shape {
    what: "target map entry",
    keys: &[
        ("variation", Text),
        ("targets", Of(&TARGET)),
        ("targetSegments", Texts),
    ],
};
const TARGET: Shape = Shape {
    what: "target",
    keys: &[
        ("identifier", Text),
        ("name", Text),
        ("account", Ignored),
        ("org", Ignored),
        ("project", Ignored),
        ("environment", Ignored),
        ("anonymous", Ignored),
        ("attributes", Ignored),
        ("createdAt", Ignored),
        ("segments", Ignored),
    ],
};
const RULE: Shape = Shape {
    what: "rule",
    keys: &[
        ("ruleId", Text),
        ("priority", Plain),
        ("clauses", Of(&CLAUSE)),
        ("serve", Of(&SERVE)),
    ],
};
const SERVE: Shape = Shape {
    what: "serve",
    keys: &[("variation", Text), ("distribution", Of(&DISTRIBUTION))],
};
const DISTRIBUTION: Shape = Shape {
    what: "distribution",
    keys: &[("bucketBy", Text), ("variations", Of(&SHARE))],
};
const SHARE: Shape = Shape {
    what: "share",
    keys: &[("variation", Text), ("weight", Plain)],
};
const CLAUSE: Shape = Shape {
    what: "clause",
    keys: &[
        ("id", Text),
        ("attribute", Text),
        ("op", Text),
        ("values", Texts),
        ("negate", Plain),
    ],
};
const MEMBER: Shape = Shape {
    what: "member",
    keys: &[
        ("identifier", Text),
        ("name", Text),
        ("account", Text),
        ("org", Text),
        ("project", Text),
        ("environment", Text),
        ("anonymous", Ignored),
        ("attributes", Ignored),
        ("createdAt", Ignored),
        ("segments", Ignored),
    ],
};
const TAG: Shape = Shape {
    what: "tag",
    keys: &[("name", Text), ("identifier", Text)],
};
pub(super) const GROUP: Shape = Shape {
    what: "group",
    keys: &[
        ("identifier", Text),
        ("name", Text),
        ("environment", Text),
        ("version", Plain),
        ("createdAt", Plain),
        ("modifiedAt", Plain),
        ("tags", Of(&TAG)),
        ("included", Of(&MEMBER)),
        ("excluded", Of(&MEMBER)),
        ("rules", Of(&CLAUSE)),
        (
            "servingRules",
            Of(&Shape {
                what: "serving rule",
                keys: &[
                    ("ruleId", Text),
                    ("priority", Plain),
                    ("clauses", Of(&CLAUSE)),
                ],
            }),
        ),
    ],
};

/// Turns a flag or group of the full form, as people write it, into the JSON of the wire.
pub(super) struct Reading<'a> {
    /// The words for the flag or group in error messages.
    pub(super) owner: &'a str,
    /// The flag's kind, by which the values of its variations are read; `None` where it is not given, and for groups.
    pub(super) kind: Option<String>,
    pub(super) notes: &'a mut Notes,
}

impl Reading<'_> {
    /// Reads a map of this shape, or a list of such maps. A scalar becomes the same scalar in JSON.
    pub(super) fn map(&mut self, node: &Node, shape: &Shape) -> Result<Json, Problem> {
        match &node.value {
            Value::Map(entries) => {
                let mut map = Map::new();
                for (key, child) in entries {
                    let field = shape.keys.iter().find(|(name, _)| *name == key.text);
                    let value = match field {
                        Some((_, field)) => self.field(key, child, field)?,
                        None => {
                            self.unknown(key, shape)?;
                            None
                        }
                    };
                    if let Some(value) = value {
                        map.insert(key.text.clone(), value);
                    }
                }
                Ok(Json::Object(map))
            }
            Value::List(items) => items.iter().map(|item| self.map(item, shape)).collect(),
            _ => Ok(node.to_json()),
        }
    }

    fn field(&mut self, key: &Key, node: &Node, field: &Field) -> Result<Option<Json>, Problem> {
        Ok(Some(match field {
            Text => text(node),
            Texts => match &node.value {
                // No item of a list can be left out, so `null` is read as the text `null`.
                Value::List(items) => items
                    .iter()
                    .map(|item| {
                        item.scalar_text()
                            .map_or_else(|| item.to_json(), Json::from)
                    })
                    .collect(),
                _ => node.to_json(),
            },
            Plain => node.to_json(),
            Served => self.value(node)?,
            Of(shape) => self.map(node, shape)?,
            Elsewhere => return Ok(None),
            Ignored => {
                self.notes.ignore(key);
                return Ok(None);
            }
        }))
    }

    fn value(&self, node: &Node) -> Result<Json, Problem> {
        let kind = self.kind.as_deref();
        if kind != Some("string") && !matches!(node.value, Value::Null) {
            scalar::check(node, self.owner)?;
        }
        Ok(match &node.value {
            Value::List(_) | Value::Map(_) => node.to_json().to_string().into(),
            Value::Bool(value) if kind == Some("boolean") => value.to_string().into(),
            Value::Int(value) if kind == Some("int") => value.to_string().into(),
            Value::Null if kind != Some("string") => Json::Null,
            _ => text(node),
        })
    }

    /// Handles a key that this shape does not know. One whose spelling is close to that of a known key is a mistake; any other is
    /// taken for one of an export's and ignored with a warning.
    fn unknown(&mut self, key: &Key, shape: &Shape) -> Result<(), Problem> {
        let known: Vec<&str> = shape.keys.iter().map(|(name, _)| *name).collect();
        let meant = suggest(&key.text, &known);
        if meant.is_empty() {
            self.notes.ignore(key);
            return Ok(());
        }
        let here = if self.owner.starts_with(shape.what) {
            self.owner.to_owned()
        } else {
            format!("a {} of {}", shape.what, self.owner)
        };
        let meaningful = shape
            .keys
            .iter()
            .filter(|(_, field)| !matches!(field, Ignored));
        let names: Vec<&str> = meaningful.map(|(name, _)| *name).collect();
        Err(Problem::new(
            key.at,
            format!(
                "unknown key `{}` in {here}{meant}; it may have: {}",
                key.text,
                names.join(", ")
            ),
        ))
    }
}

/// Returns a scalar as the text that it is written as, and `null`, a list or a map as it is in JSON.
fn text(node: &Node) -> Json {
    match node.optional_text() {
        Some(text) => text.into(),
        None => node.to_json(),
    }
}
