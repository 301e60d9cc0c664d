//! The known fields and words of the documents that back ends download, so that an import can report all others.
//!
//! The evaluation ignores fields that it does not know, as every SDK does. For an import that is not enough, because such a
//! field might decide what a target is served.

use std::fmt;

use serde_json::Value as Json;

/// A field, operator, kind or state in a source that this program does not know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// The words for the flag or group that has it, as in ``flag `dark-mode` ``.
    pub owner: String,
    /// What it is: `field`, `operator`, `kind` or `state`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, what, name } = self;
        write!(f, "{owner} has the {what} `{name}`, which is unknown here")
    }
}

/// The known fields of one kind of object, each with the shape of the objects in it, if there are any.
pub(super) struct Shape(&'static [(&'static str, Option<&'static Self>)]);

const TARGET: Shape = Shape(&[
    ("identifier", None),
    ("name", None),
    ("account", None),
    ("org", None),
    ("project", None),
    ("environment", None),
    ("anonymous", None),
    ("attributes", None),
    ("createdAt", None),
    ("segments", None),
]);
const SERVE: Shape = Shape(&[
    ("variation", None),
    (
        "distribution",
        Some(&Shape(&[
            ("bucketBy", None),
            (
                "variations",
                Some(&Shape(&[("variation", None), ("weight", None)])),
            ),
        ])),
    ),
]);
const CLAUSE: Shape = Shape(&[
    ("id", None),
    ("attribute", None),
    ("op", None),
    ("values", None),
    ("negate", None),
]);
const TAG: Shape = Shape(&[("name", None), ("identifier", None)]);

/// The fields of a flag.
pub(super) const FLAG: Shape = Shape(&[
    ("project", None),
    ("environment", None),
    ("feature", None),
    ("description", None),
    ("tags", Some(&TAG)),
    ("owner", None),
    ("metadata", None),
    ("kind", None),
    ("state", None),
    ("version", None),
    (
        "variations",
        Some(&Shape(&[
            ("identifier", None),
            ("name", None),
            ("value", None),
            ("description", None),
        ])),
    ),
    ("offVariation", None),
    ("defaultServe", Some(&SERVE)),
    (
        "prerequisites",
        Some(&Shape(&[("feature", None), ("variations", None)])),
    ),
    (
        "variationToTargetMap",
        Some(&Shape(&[
            ("variation", None),
            ("targets", Some(&TARGET)),
            ("targetSegments", None),
        ])),
    ),
    (
        "rules",
        Some(&Shape(&[
            ("ruleId", None),
            ("priority", None),
            ("clauses", Some(&CLAUSE)),
            ("serve", Some(&SERVE)),
        ])),
    ),
    ("createdAt", None),
    ("modifiedAt", None),
]);

/// The fields of a group.
pub(super) const GROUP: Shape = Shape(&[
    ("identifier", None),
    ("name", None),
    ("environment", None),
    ("project", None),
    ("org", None),
    ("account", None),
    ("version", None),
    ("createdAt", None),
    ("modifiedAt", None),
    ("tags", Some(&TAG)),
    ("included", Some(&TARGET)),
    ("excluded", Some(&TARGET)),
    ("rules", Some(&CLAUSE)),
    (
        "servingRules",
        Some(&Shape(&[
            ("ruleId", None),
            ("priority", None),
            ("clauses", Some(&CLAUSE)),
        ])),
    ),
]);

const OPERATORS: [&str; 9] = [
    "equal",
    "equal_sensitive",
    "in",
    "starts_with",
    "ends_with",
    "contains",
    "match",
    "gt",
    "segmentMatch",
];

const KINDS: [&str; 4] = ["boolean", "int", "string", "json"];

impl Shape {
    /// Adds to `found` all that is unknown in `value`, which is one object of this shape or a list of them.
    pub(super) fn look(&self, value: &Json, owner: &str, found: &mut Vec<Unknown>) {
        let mut add = |what, name: &str| {
            found.push(Unknown {
                owner: owner.to_owned(),
                what,
                name: name.to_owned(),
            });
        };
        match value {
            Json::Array(items) => {
                for item in items {
                    self.look(item, owner, found);
                }
            }
            Json::Object(fields) => {
                if let Some(op) = fields.get("op").and_then(Json::as_str)
                    && !OPERATORS.contains(&op)
                {
                    add("operator", op);
                }
                if let Some(kind) = fields.get("kind").and_then(Json::as_str)
                    && !KINDS.contains(&kind)
                {
                    add("kind", kind);
                }
                if let Some(state) = fields.get("state").and_then(Json::as_str)
                    && !["on", "off"].contains(&state)
                {
                    add("state", state);
                }
                for (name, value) in fields {
                    match self.0.iter().find(|(known, _)| known == name) {
                        Some((_, Some(shape))) => shape.look(value, owner, found),
                        Some((_, None)) => {}
                        None if says_nothing(value) => {}
                        None => found.push(Unknown {
                            owner: owner.to_owned(),
                            what: "field",
                            name: name.clone(),
                        }),
                    }
                }
            }
            _ => {}
        }
    }
}

fn says_nothing(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::String(text) => text.is_empty(),
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        Json::Bool(_) | Json::Number(_) => false,
    }
}
