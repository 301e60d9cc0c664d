//! The keys that each kind of map in the full form may have.

use crate::node::{Key, Node, Value};
use crate::{Notes, Problem, scalar, suggest};

/// The known keys of one kind of map, such as a flag or a rule.
pub(super) struct Shape {
    what: &'static str,
    keys: &'static [(&'static str, Field)],
}

/// What is looked at in the value of a key before it is read.
enum Field {
    /// A value that `read.rs` or `about.rs` reads.
    Read,
    /// The value of a variation, whose kind may be taken from how it is written.
    Served,
    /// A map of that shape, or a list of such maps.
    Of(&'static Shape),
    /// A key that exports have and that has no meaning here; the reader warns of it.
    Ignored,
}

use Field::{Ignored, Of, Read, Served};

pub(super) const FLAG: Shape = Shape {
    what: "flag",
    keys: &[
        ("project", Read),
        ("environment", Read),
        ("feature", Read),
        ("identifier", Read),
        ("description", Read),
        ("tags", Read),
        ("owner", Read),
        ("metadata", Read),
        ("kind", Read),
        ("state", Read),
        ("version", Read),
        ("variations", Of(&VARIATION)),
        ("offVariation", Read),
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
        ("environment", Read),
        ("state", Read),
        ("version", Read),
        ("offVariation", Read),
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
        ("identifier", Read),
        ("name", Read),
        ("value", Served),
        ("description", Read),
    ],
};
const PREREQUISITE: Shape = Shape {
    what: "prerequisite",
    keys: &[("feature", Read), ("variations", Read)],
};
const TARGET_MAP: Shape = Shape {
    what: "target map entry",
    keys: &[
        ("variation", Read),
        ("targets", Of(&TARGET)),
        ("targetSegments", Read),
    ],
};
const TARGET: Shape = Shape {
    what: "target",
    keys: &[
        ("identifier", Read),
        ("name", Read),
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
        ("ruleId", Read),
        ("priority", Read),
        ("clauses", Of(&CLAUSE)),
        ("serve", Of(&SERVE)),
    ],
};
const SERVE: Shape = Shape {
    what: "serve",
    keys: &[("variation", Read), ("distribution", Of(&DISTRIBUTION))],
};
const DISTRIBUTION: Shape = Shape {
    what: "distribution",
    keys: &[("bucketBy", Read), ("variations", Of(&SHARE))],
};
const SHARE: Shape = Shape {
    what: "share",
    keys: &[("variation", Read), ("weight", Read)],
};
const CLAUSE: Shape = Shape {
    what: "clause",
    keys: &[
        ("id", Read),
        ("attribute", Read),
        ("op", Read),
        ("values", Read),
        ("negate", Read),
    ],
};
const MEMBER: Shape = Shape {
    what: "member",
    keys: &[
        ("identifier", Read),
        ("name", Read),
        ("account", Read),
        ("org", Read),
        ("project", Read),
        ("environment", Read),
        ("anonymous", Ignored),
        ("attributes", Ignored),
        ("createdAt", Ignored),
        ("segments", Ignored),
    ],
};
const TAG: Shape = Shape {
    what: "tag",
    keys: &[("name", Read), ("identifier", Read)],
};
pub(super) const GROUP: Shape = Shape {
    what: "group",
    keys: &[
        ("identifier", Read),
        ("name", Read),
        ("environment", Read),
        ("version", Read),
        ("createdAt", Read),
        ("modifiedAt", Read),
        ("tags", Of(&TAG)),
        ("included", Of(&MEMBER)),
        ("excluded", Of(&MEMBER)),
        ("rules", Of(&CLAUSE)),
        (
            "servingRules",
            Of(&Shape {
                what: "serving rule",
                keys: &[
                    ("ruleId", Read),
                    ("priority", Read),
                    ("clauses", Of(&CLAUSE)),
                ],
            }),
        ),
    ],
};

/// Looks through a flag or group in the full form for keys and values that it cannot have.
pub(super) struct Check<'a> {
    /// The words for the flag or group in error messages.
    pub(super) owner: &'a str,
    /// The flag's kind, by which the values of its variations are read; `None` where it is not given, and for groups.
    pub(super) kind: Option<&'a str>,
    pub(super) notes: &'a mut Notes,
}

impl Check<'_> {
    /// Looks through a map of this shape, or a list of such maps.
    pub(super) fn map(&mut self, node: &Node, shape: &Shape) -> Result<(), Problem> {
        match &node.value {
            Value::Map(entries) => entries.iter().try_for_each(|(key, child)| {
                let field = shape.keys.iter().find(|(name, _)| *name == key.text);
                match field {
                    Some((_, Read)) => Ok(()),
                    Some((_, Served)) => self.served(child),
                    Some((_, Of(shape))) => self.map(child, shape),
                    Some((_, Ignored)) => {
                        self.notes.ignore(key);
                        Ok(())
                    }
                    None => self.unknown(key, shape),
                }
            }),
            Value::List(items) => items.iter().try_for_each(|item| self.map(item, shape)),
            _ => Ok(()),
        }
    }

    fn served(&self, node: &Node) -> Result<(), Problem> {
        if self.kind == Some("string") {
            return Ok(());
        }
        scalar::check(node, self.owner)
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
