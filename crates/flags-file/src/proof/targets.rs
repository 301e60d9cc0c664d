//! Makes targets for which two configurations are likely to serve something different, if they differ.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use flagwire_evaluation::model::{Clause, Distribution, Segment, Serve};
use flagwire_evaluation::{Target, bucket};
use serde_json::{Map, Value as Json};

use super::pattern;
use super::reach::{Groups, Wanted};
use flagwire_evaluation::model::Configuration;

/// How many targets with random identifiers are added.
const RANDOM: usize = 1_000;

/// How many of the rules behind a rule get a target that meets both.
const NEIGHBOURS: usize = 8;

/// How many texts are hashed to find one for each of the hundred buckets.
const CANDIDATES: u32 = 5_000;

/// Returns the targets for these configurations, each once and always in the same order.
#[must_use]
pub fn targets<'a>(configurations: impl IntoIterator<Item = &'a Configuration>) -> Vec<Target> {
    let mut maker = Maker::default();
    maker.add(&Wanted::new());
    let configurations: Vec<&Configuration> = configurations.into_iter().collect();
    for configuration in &configurations {
        maker.configuration(configuration);
    }
    let values = std::mem::take(&mut maker.values);
    for (attribute, values) in &values {
        for value in values {
            maker.add(&Wanted::from([(attribute.clone(), value.clone())]));
        }
    }
    maker.random(&values);
    maker.targets
}

#[derive(Default)]
struct Maker {
    targets: Vec<Target>,
    seen: HashSet<Wanted>,
    /// For each attribute the texts that conditions compare it with, and texts close to them.
    values: BTreeMap<String, BTreeSet<String>>,
    /// For each attribute a text for each bucket from 1 to 100; empty where none was found.
    buckets: HashMap<String, Vec<String>>,
}

impl Maker {
    fn add(&mut self, wanted: &Wanted) {
        if !self.seen.insert(wanted.clone()) {
            return;
        }
        let mut attributes = Map::new();
        let (mut identifier, mut name) = (None, None);
        for (attribute, text) in wanted {
            match attribute.as_str() {
                "identifier" => identifier = Some(text.clone()),
                "name" => name = Some(text.clone()),
                _ => drop(attributes.insert(attribute.clone(), typed(text))),
            }
        }
        let number = self.targets.len();
        self.targets.push(Target {
            identifier: identifier.unwrap_or_else(|| format!("proof-{number}")),
            name,
            anonymous: None,
            attributes: (!attributes.is_empty()).then_some(attributes),
        });
    }

    fn configuration(&mut self, configuration: &Configuration) {
        let groups: HashMap<&str, &Segment> = configuration
            .segments
            .iter()
            .map(|group| (group.identifier.as_str(), group))
            .collect();
        let groups = Groups(groups);
        for group in &configuration.segments {
            let source = group.with_serving_rules();
            for wanted in groups.members(group) {
                self.with_strangers(&wanted);
            }
            for rule in &source.serving_rules {
                self.clauses(&groups, &rule.clauses);
                // Targets that the group excludes or includes by name, and that also match a rule of the group.
                for member in group.excluded.iter().chain(&group.included).take(3) {
                    let mut wanted = groups.meet(&rule.clauses);
                    wanted.insert("identifier".to_owned(), member.identifier.clone());
                    self.add(&wanted);
                }
            }
        }
        for flag in &configuration.flags {
            for entry in &flag.variation_to_target_map {
                for target in &entry.targets {
                    self.with_strangers(&identified(&target.identifier));
                }
                self.clauses(
                    &groups,
                    &[Clause {
                        op: "segmentMatch".to_owned(),
                        values: entry.target_segments.clone(),
                        ..Clause::default()
                    }],
                );
            }
            self.serve(&Wanted::new(), &flag.default_serve);
            for (at, rule) in flag.rules.iter().enumerate() {
                self.clauses(&groups, &rule.clauses);
                let wanted = groups.meet(&rule.clauses);
                self.serve(&wanted, &rule.serve);
                // A target that is named and also matches a rule shows which of the two comes first.
                for target in flag
                    .variation_to_target_map
                    .iter()
                    .filter_map(|entry| entry.targets.first())
                {
                    let mut wanted = wanted.clone();
                    wanted.insert("identifier".to_owned(), target.identifier.clone());
                    self.add(&wanted);
                }
                // A target that matches two rules shows which of them comes first.
                for other in flag
                    .rules
                    .iter()
                    .skip(at.saturating_add(1))
                    .take(NEIGHBOURS)
                {
                    let mut both = groups.meet(&other.clauses);
                    both.extend(wanted.clone());
                    self.add(&both);
                }
            }
        }
    }

    /// Adds a target, and two whose identifiers are close to its own.
    fn with_strangers(&mut self, wanted: &Wanted) {
        self.add(wanted);
        if let Some(identifier) = wanted.get("identifier") {
            self.add(&identified(&format!("{identifier}-")));
            self.add(&identified(&swapped_case(identifier)));
        }
    }

    /// Adds targets that meet all conditions, all but one, and all but one for which they have a text close to the wanted one.
    fn clauses(&mut self, groups: &Groups<'_>, clauses: &[Clause]) {
        let all = groups.meet(clauses);
        self.add(&all);
        for (at, clause) in clauses.iter().enumerate() {
            let others: Vec<Clause> = clauses
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at)
                .map(|(_, clause)| clause.clone())
                .collect();
            self.add(&groups.meet(&others));
            if clause.op == "segmentMatch" {
                for name in &clause.values {
                    if let Some(group) = groups.0.get(name.as_str()) {
                        for member in groups.members(group) {
                            let mut wanted = groups.meet(&others);
                            wanted.extend(member);
                            self.add(&wanted);
                        }
                    }
                }
                continue;
            }
            for text in texts_for(clause) {
                let mut wanted = all.clone();
                wanted.insert(clause.attribute.clone(), text.clone());
                self.add(&wanted);
                let values = self.values.entry(clause.attribute.clone()).or_default();
                values.insert(text);
            }
        }
    }

    /// Adds targets on both sides of each edge between shares.
    fn serve(&mut self, wanted: &Wanted, serve: &Serve) {
        let Some(distribution) = &serve.distribution else {
            return;
        };
        let edges = edges(distribution);
        let by = distribution.bucket_by.as_str();
        for edge in edges {
            for attribute in [by, "identifier"] {
                // The conditions already decide about this attribute.
                if wanted.contains_key(attribute) {
                    continue;
                }
                if let Some(text) = self.in_bucket(attribute, edge) {
                    let mut wanted = wanted.clone();
                    wanted.insert(attribute.to_owned(), text);
                    self.add(&wanted);
                }
            }
        }
    }

    /// Returns a text that has this bucket as the value of the attribute.
    fn in_bucket(&mut self, attribute: &str, wanted: u8) -> Option<String> {
        let texts = self.buckets.entry(attribute.to_owned()).or_insert_with(|| {
            let mut texts = vec![String::new(); 100];
            let mut missing = texts.len();
            for candidate in 0..CANDIDATES {
                let text = format!("edge-{candidate}");
                let at = usize::from(bucket(attribute, &text)).saturating_sub(1);
                if let Some(kept) = texts.get_mut(at).filter(|kept| kept.is_empty()) {
                    *kept = text;
                    missing = missing.saturating_sub(1);
                    if missing == 0 {
                        break;
                    }
                }
            }
            texts
        });
        let found = texts.get(usize::from(wanted).checked_sub(1)?)?;
        (!found.is_empty()).then(|| found.clone())
    }

    /// Adds targets with random identifiers, half of them with attributes that conditions ask for.
    fn random(&mut self, values: &BTreeMap<String, BTreeSet<String>>) {
        let values: Vec<(&String, Vec<&String>)> = values
            .iter()
            .filter(|(attribute, _)| *attribute != "identifier")
            .map(|(attribute, values)| (attribute, values.iter().collect()))
            .collect();
        let mut random = Random(0x5eed);
        for _ in 0..RANDOM {
            let mut wanted = identified(&format!("{:x}", random.next()));
            if random.below(2) == 0 {
                for (attribute, values) in &values {
                    if random.below(3) == 0
                        && let Some(value) = values.get(random.below(values.len()))
                    {
                        wanted.insert((*attribute).clone(), (*value).clone());
                    }
                }
            }
            self.add(&wanted);
        }
    }
}

fn identified(identifier: &str) -> Wanted {
    Wanted::from([("identifier".to_owned(), identifier.to_owned())])
}

/// Returns a text as JSON: as a whole number or a boolean where it is one, because applications send it as such.
fn typed(text: &str) -> Json {
    match serde_json::from_str(text) {
        Ok(Json::Bool(value)) => value.into(),
        Ok(Json::Number(number)) if number.as_i64().is_some_and(|n| n.to_string() == text) => {
            Json::Number(number)
        }
        _ => text.into(),
    }
}

/// Returns the buckets on both sides of each edge between shares, and the first and the last bucket.
fn edges(distribution: &Distribution) -> BTreeSet<u8> {
    let mut edges = BTreeSet::from([1, 100]);
    let mut total = 0_i64;
    for share in &distribution.variations {
        total = total.saturating_add(share.weight);
        for edge in [total, total.saturating_add(1)] {
            edges.extend(
                u8::try_from(edge)
                    .ok()
                    .filter(|edge| (1..=100).contains(edge)),
            );
        }
    }
    edges
}

/// Returns the texts that a condition compares with, and texts close to them.
fn texts_for(clause: &Clause) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    for value in &clause.values {
        let value = match clause.op.as_str() {
            "match" => pattern::matching(value).unwrap_or_default(),
            _ => value.clone(),
        };
        texts.extend([
            format!("{value}x"),
            format!("x{value}"),
            format!("{value} "),
            swapped_case(&value),
            value.to_uppercase(),
            value.to_lowercase(),
        ]);
        // A last character just before or after tests comparisons by order; a text without it tests comparisons with a part.
        let mut characters: Vec<char> = value.chars().collect();
        if let Some(last) = characters.pop() {
            let start: String = characters.iter().collect();
            for code in [
                u32::from(last).saturating_sub(1),
                u32::from(last).saturating_add(1),
            ] {
                if let Some(near) = char::from_u32(code) {
                    texts.insert(format!("{start}{near}"));
                }
            }
            texts.insert(start);
        }
        texts.insert(value);
    }
    texts.remove("");
    texts
}

fn swapped_case(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_ascii_lowercase() {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            }
        })
        .collect()
}

/// Pseudorandom numbers (splitmix64), which are the same in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % limit).unwrap_or_default()
    }
}
