//! Reads which variation a flag of the short form serves to which targets: `default`, `targets` and `rules`.

use flagwire_evaluation::model::{
    Distribution, Rule, Serve, TargetRef, Variation, VariationMap, WeightedVariation,
};

use crate::conditions::{clauses, list, texts};
use crate::node::{Node, Position, Value};
use crate::{Notes, Problem, check_keys, suggest};

const RULE_KEYS: &[&str] = &["name", "when", "serve", "by"];

/// The variations that a flag may name, and the words for the flag in error messages.
pub(super) struct Names<'a> {
    pub(super) owner: &'a str,
    pub(super) variations: &'a [Variation],
}

impl Names<'_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.variations
            .iter()
            .any(|variation| variation.identifier == name)
    }

    pub(super) fn list(&self) -> String {
        let names: Vec<&str> = self
            .variations
            .iter()
            .map(|v| v.identifier.as_str())
            .collect();
        names.join(", ")
    }

    pub(super) fn resolve(&self, node: &Node) -> Result<String, Problem> {
        match node.scalar_text() {
            Some(text) => self.resolve_text(&text, node.at),
            None => Err(Problem::new(
                node.at,
                format!(
                    "{} needs the name of a variation here, not {}; one of: {}",
                    self.owner,
                    node.describe(),
                    self.list()
                ),
            )),
        }
    }

    fn resolve_text(&self, text: &str, at: Position) -> Result<String, Problem> {
        if self.has(text) {
            return Ok(text.to_owned());
        }
        if let Some(synonym) = synonym(text).filter(|synonym| self.has(synonym)) {
            return Ok(synonym.to_owned());
        }
        let names: Vec<&str> = self
            .variations
            .iter()
            .map(|v| v.identifier.as_str())
            .collect();
        Err(Problem::new(
            at,
            format!(
                "{} has no variation `{text}`{}; it has: {}",
                self.owner,
                suggest(text, &names),
                self.list()
            ),
        ))
    }
}

/// Returns the variation of a boolean flag that another word stands for: people write `serve: on`, and YAML takes `True` for
/// a boolean.
pub(crate) fn synonym(text: &str) -> Option<&'static str> {
    match text {
        "on" | "True" | "TRUE" => Some("true"),
        "off" | "False" | "FALSE" => Some("false"),
        _ => None,
    }
}

/// Reads `by`: the attribute whose value decides which share a target gets. `None` where it is not given.
pub(super) fn by(node: &Node, owner: &str) -> Result<Option<String>, Problem> {
    match node.get("by") {
        None => Ok(None),
        Some(given) => match given.scalar_text() {
            Some(text) if !text.is_empty() => Ok(Some(text)),
            _ => Err(Problem::new(
                given.at,
                format!("`by` in {owner} is the name of an attribute"),
            )),
        },
    }
}

/// Reads what is served: one variation, or shares in percent, which must make 100.
pub(super) fn serve(node: &Node, by: Option<&str>, names: &Names<'_>) -> Result<Serve, Problem> {
    let Value::Map(entries) = &node.value else {
        return Ok(Serve {
            variation: Some(names.resolve(node)?),
            distribution: None,
        });
    };
    let mut total = 0_i64;
    let mut variations = Vec::new();
    for (key, share) in entries {
        let variation = names.resolve_text(&key.text, key.at)?;
        let weight = match share.value {
            Value::Int(weight) if (0..=100).contains(&weight) => weight,
            _ => {
                return Err(Problem::new(
                    share.at,
                    format!(
                        "the share of `{variation}` in {} is a whole number of percent, from 0 to 100",
                        names.owner
                    ),
                ));
            }
        };
        total += weight;
        variations.push(WeightedVariation { variation, weight });
    }
    if total != 100 {
        return Err(Problem::new(
            node.at,
            format!(
                "the shares in {} make {total} %; change them so that they make 100",
                names.owner
            ),
        ));
    }
    Ok(Serve {
        variation: None,
        distribution: Some(Distribution {
            bucket_by: by.unwrap_or("identifier").to_owned(),
            variations,
        }),
    })
}

/// Reads `targets`: for each variation the identifiers of the targets that are served it before any rule is tried.
pub(super) fn target_map(node: &Node, names: &Names<'_>) -> Result<Vec<VariationMap>, Problem> {
    let Value::Map(entries) = &node.value else {
        return Err(Problem::new(
            node.at,
            format!(
                "`targets` in {} is a map from variation to users, as in `{}: [user-7]`",
                names.owner,
                names
                    .variations
                    .first()
                    .map_or("", |v| v.identifier.as_str())
            ),
        ));
    };
    entries
        .iter()
        .map(|(key, users)| {
            let targets = texts(
                users,
                &format!("the users of `{}` in {}", key.text, names.owner),
            )?
            .into_iter()
            .map(|identifier| TargetRef {
                name: identifier.clone(),
                identifier,
            })
            .collect();
            Ok(VariationMap {
                variation: names.resolve_text(&key.text, key.at)?,
                targets,
                target_segments: Vec::new(),
            })
        })
        .collect()
}

pub(super) fn rules(
    node: &Node,
    names: &Names<'_>,
    notes: &mut Notes,
) -> Result<Vec<Rule>, Problem> {
    let rules = list(node, &format!("`rules` of {}", names.owner))?;
    (1_i64..)
        .zip(rules)
        .map(|(priority, node)| {
            let owner = format!("rule {priority} of {}", names.owner);
            let Value::Map(entries) = &node.value else {
                return Err(Problem::new(
                    node.at,
                    format!("{owner} is a map with `when` and `serve`"),
                ));
            };
            check_keys(entries, &owner, RULE_KEYS)?;
            let Some(when) = node.get("when") else {
                return Err(Problem::new(
                    node.at,
                    format!("{owner} needs `when`: its conditions, as in `when: {{ plan: gold }}`"),
                ));
            };
            let Some(served) = node.get("serve") else {
                return Err(Problem::new(
                    node.at,
                    format!(
                        "{owner} needs `serve`: a variation, one of: {}",
                        names.list()
                    ),
                ));
            };
            let rule_names = Names {
                owner: &owner,
                variations: names.variations,
            };
            Ok(Rule {
                rule_id: Some(match node.get("name").and_then(Node::optional_text) {
                    Some(name) => name,
                    None => format!("rule-{priority}"),
                }),
                priority,
                clauses: clauses(when, &owner, notes)?,
                serve: serve(served, by(node, &owner)?.as_deref(), &rule_names)?,
            })
        })
        .collect()
}
