//! Finds the flags that Harness's published server SDKs evaluate otherwise than this project does.
//!
//! A back end evaluates flags itself, by the rules that it downloads, and the SDKs do not agree in all rules. Harness's service, its
//! Go SDK and this project do agree. [`DIFFERENCES`] is the one list of what is known: the documentation shows it, and the tests
//! with the published SDKs evaluate a flag for each entry.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use flagwire_evaluation::model::{Clause, Configuration, FeatureConfig, Segment, Serve};

use crate::{Places, Problem};

/// A published server SDK of Harness that the tests of this project run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sdk {
    /// The language.
    pub language: &'static str,
    /// The version whose behaviour is listed.
    pub version: &'static str,
}

/// The SDKs, in the order of [`Difference::sdks`].
pub const SDKS: [Sdk; 3] = [
    Sdk {
        language: "Node",
        version: "1.8.12",
    },
    Sdk {
        language: "Python",
        version: "1.7.5",
    },
    Sdk {
        language: "Java",
        version: "1.5.2",
    },
];

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.language, self.version)
    }
}

/// A rule that not all SDKs evaluate alike.
#[derive(Debug)]
pub struct Difference {
    /// Names it, for tests.
    pub name: &'static str,
    /// What a flag has that makes the difference.
    pub rule: &'static str,
    /// What it means here, to the service and to the Go SDK.
    pub here: &'static str,
    /// What it means to each of [`SDKS`]; `None` where that is the same.
    pub sdks: [Option<&'static str>; 3],
    /// Whether a flag has it, itself or by the groups that it names.
    has: fn(&Reach<'_>) -> bool,
}

/// All differences that are known.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        name: "several-conditions",
        rule: "several conditions in one rule of a flag",
        here: "all must hold",
        sdks: [
            Some("one is enough"),
            Some("one is enough"),
            Some("one is enough"),
        ],
        has: |of| of.flag.rules.iter().any(|rule| rule.clauses.len() > 1),
    },
    Difference {
        name: "several-conditions-of-a-group",
        rule: "several conditions in one rule of a group",
        here: "all must hold",
        sdks: [None, None, Some("only the first counts")],
        has: |of| {
            let mut rules = of.groups.iter().flat_map(|group| &group.serving_rules);
            rules.any(|rule| rule.clauses.len() > 1)
        },
    },
    Difference {
        name: "match",
        rule: "`match`",
        here: "found anywhere in the text",
        sdks: [Some("never"), Some("never"), Some("the whole text")],
        has: |of| of.clauses().any(|clause| clause.op == "match"),
    },
    Difference {
        name: "gt",
        rule: "`gt`",
        here: "compares texts",
        sdks: [
            None,
            Some("numbers as numbers, texts without case"),
            Some("never"),
        ],
        has: |of| of.clauses().any(|clause| clause.op == "gt"),
    },
    Difference {
        name: "number-as-text",
        rule: "a number or boolean by `in`, `equal_sensitive`, `starts_with`, `ends_with` or `contains`",
        here: "compared as text",
        sdks: [None, Some("never"), None],
        has: |of| {
            of.clauses().any(|clause| {
                is_attribute(&clause.attribute)
                    && matches!(
                        clause.op.as_str(),
                        "in" | "equal_sensitive" | "starts_with" | "ends_with" | "contains"
                    )
                    && clause.values.iter().any(|value| {
                        is_boolean(value)
                            || value.trim() == value
                                && value.parse::<f64>().is_ok_and(f64::is_finite)
                    })
            })
        },
    },
    Difference {
        name: "equal-false",
        rule: "a boolean by `equal` with `false`",
        here: "holds for `false`",
        sdks: [None, Some("holds for `true`"), None],
        has: |of| {
            of.clauses().any(|clause| {
                let first = clause.values.first();
                clause.op == "equal"
                    && is_attribute(&clause.attribute)
                    && first.is_some_and(|value| value.eq_ignore_ascii_case("false"))
            })
        },
    },
    Difference {
        name: "empty-text",
        rule: "the empty text by `equal`, `equal_sensitive` or `in`",
        here: "never: it counts as missing",
        sdks: [None, Some("holds"), Some("holds")],
        has: |of| {
            of.clauses().any(|clause| {
                matches!(clause.op.as_str(), "equal" | "equal_sensitive" | "in")
                    && clause.values.iter().any(String::is_empty)
            })
        },
    },
    Difference {
        name: "members",
        rule: "who is named in a group",
        here: "whose identifier it is",
        sdks: [None, None, Some("also whose identifier is a part of it")],
        has: |of| {
            let named = |group: &&Segment| !group.included.is_empty() || !group.excluded.is_empty();
            of.groups.iter().any(named)
        },
    },
    Difference {
        name: "shares-by-a-number",
        rule: "shares by an attribute that is a number or boolean",
        here: "counts as text",
        sdks: [
            Some("`0` and `false` count as missing"),
            Some("raises a `TypeError`"),
            None,
        ],
        has: |of| {
            let serves = of.flag.rules.iter().map(|rule| &rule.serve);
            let by = |serve: &Serve| serve.distribution.as_ref().map(|it| it.bucket_by.clone());
            let mut by = serves.chain([&of.flag.default_serve]).filter_map(by);
            by.any(|attribute| is_attribute(&attribute))
        },
    },
];

/// A flag with what it names.
struct Reach<'c> {
    flag: &'c FeatureConfig,
    /// The groups that it names, and those that their rules name.
    groups: Vec<&'c Segment>,
}

impl Reach<'_> {
    /// Returns the conditions of the flag and of the groups.
    fn clauses(&self) -> impl Iterator<Item = &Clause> {
        let of_groups = self.groups.iter().flat_map(|group| {
            let rules = group.serving_rules.iter().flat_map(|rule| &rule.clauses);
            rules.chain(&group.rules)
        });
        let of_flag = self.flag.rules.iter().flat_map(|rule| &rule.clauses);
        of_flag.chain(of_groups)
    }
}

/// A flag that some SDKs evaluate otherwise.
#[derive(Debug)]
pub struct Finding {
    /// The flag.
    pub flag: String,
    /// The flag that has the difference, if it is not the flag itself but one that it requires.
    pub required: Option<String>,
    /// Why.
    pub difference: &'static Difference,
}

impl Finding {
    /// Returns the SDKs that differ, and what the rule means to them, as "Node 1.8.12 and Python 1.7.5: never; Java 1.5.2: …".
    fn to_them(&self) -> String {
        let mut by_meaning: Vec<(&str, Vec<String>)> = Vec::new();
        for (sdk, meaning) in SDKS.iter().zip(self.difference.sdks) {
            let Some(meaning) = meaning else { continue };
            match by_meaning.iter_mut().find(|(known, _)| *known == meaning) {
                Some((_, sdks)) => sdks.push(sdk.to_string()),
                None => by_meaning.push((meaning, vec![sdk.to_string()])),
            }
        }
        let parts: Vec<String> = by_meaning
            .iter()
            .map(|(meaning, sdks)| format!("{}: {meaning}", sdks.join(", ")))
            .collect();
        parts.join("; ")
    }

    /// Returns the finding with the place of the flag's name in its file.
    #[must_use]
    pub fn at(&self, places: &Places) -> Problem {
        let Difference { rule, here, .. } = self.difference;
        let has = match &self.required {
            Some(required) => format!("requires `{required}`, which has"),
            None => "has".to_owned(),
        };
        let sentence = format!(
            "flag `{}` {has} {rule}; here: {here}; {}",
            self.flag,
            self.to_them()
        );
        places.of_flag(&self.flag, sentence)
    }
}

/// Returns the flags that some SDK may evaluate otherwise, in the order of the file, with each reason. A flag is named, too, for
/// what the flags have that it requires.
#[must_use]
pub fn find(configuration: &Configuration) -> Vec<Finding> {
    let groups: BTreeMap<&str, &Segment> = configuration
        .segments
        .iter()
        .map(|group| (group.identifier.as_str(), group))
        .collect();
    let flags: BTreeMap<&str, &FeatureConfig> = configuration
        .flags
        .iter()
        .map(|flag| (flag.feature.as_str(), flag))
        .collect();
    let own: BTreeMap<&str, Vec<&'static Difference>> = flags
        .iter()
        .map(|(name, flag)| {
            let reach = Reach {
                flag,
                groups: named_groups(flag, &groups),
            };
            let has = DIFFERENCES.iter().filter(|one| (one.has)(&reach));
            (*name, has.collect())
        })
        .collect();
    let mut found = Vec::new();
    for flag in &configuration.flags {
        for name in with_required(flag, &flags) {
            for difference in own.get(name).into_iter().flatten() {
                found.push(Finding {
                    flag: flag.feature.clone(),
                    required: (name != flag.feature).then(|| name.to_owned()),
                    difference,
                });
            }
        }
    }
    found
}

/// Returns the names of a flag and of those that it requires, directly and through others; the flag is the first.
fn with_required<'c>(
    flag: &'c FeatureConfig,
    flags: &BTreeMap<&'c str, &'c FeatureConfig>,
) -> Vec<&'c str> {
    let mut names = vec![flag.feature.as_str()];
    let mut seen = BTreeSet::from([flag.feature.as_str()]);
    let mut waiting = vec![flag];
    while let Some(flag) = waiting.pop() {
        for required in &flag.prerequisites {
            if let Some(other) = flags.get(required.feature.as_str())
                && seen.insert(&other.feature)
            {
                names.push(&other.feature);
                waiting.push(other);
            }
        }
    }
    names
}

/// Returns the groups that a flag names, and those that their rules name.
fn named_groups<'c>(
    flag: &'c FeatureConfig,
    groups: &BTreeMap<&str, &'c Segment>,
) -> Vec<&'c Segment> {
    let mut waiting: Vec<&str> = flag.group_identifiers().collect();
    let mut seen = BTreeSet::new();
    let mut named = Vec::new();
    while let Some(name) = waiting.pop() {
        if let Some(group) = groups.get(name).filter(|_| seen.insert(name)) {
            waiting.extend(group.group_identifiers());
            named.push(*group);
        }
    }
    named
}

/// Whether a name is that of an attribute, which may be a number or boolean; identifier and name are texts.
fn is_attribute(name: &str) -> bool {
    !matches!(name, "" | "identifier" | "name")
}

fn is_boolean(value: &str) -> bool {
    matches!(value, "true" | "false")
}
