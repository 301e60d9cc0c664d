//! Turns a configuration, as back ends download it, into a flags file that serves the same and that a person could have written.
//!
//! This takes three steps: `simplify` leaves out what has no effect, `short` and `full` write each flag and group, and the
//! reader of flags files reads each of them again for a comparison. The short form is used wherever it is read as the same
//! flag or group. The same configuration always gives the same text, byte for byte.

mod full;
mod git;
mod known;
mod management;
mod short;
mod simplify;
mod source;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt;

use flagwire_evaluation::model::{FeatureConfig, Segment};
use flagwire_evaluation::{Snapshot, Subject};

pub use self::known::Unknown;
pub use self::management::{Described, ManagedList, Management, Paging};
use self::simplify::{Known, Simplified};
pub use self::source::Source;
use crate::yaml::{self, Entry, Yaml, one_line, quoted_if_needed};
use crate::{Problem, check_identifier, parse};
use flagwire_evaluation::model::Configuration;

/// A flags file made from a configuration, and what is different in it.
#[derive(Debug, Default)]
pub struct Conversion {
    /// The text of the file.
    pub text: String,
    /// What was left out of flags and groups without a change of what they serve. The text holds each as a comment.
    pub remarks: Vec<Remark>,
    /// The flags and groups that are not in the file.
    pub refused: Vec<Refusal>,
}

impl Conversion {
    /// Returns the original configuration without the flags and groups that could not be carried over.
    #[must_use]
    pub fn carried(&self, original: &Configuration) -> Configuration {
        let refused = |subject: Subject, identifier: &str| {
            let mut refused = self.refused.iter();
            refused.any(|refusal| refusal.subject == subject && refusal.identifier == identifier)
        };
        let mut carried = original.clone();
        carried
            .flags
            .retain(|flag| !refused(Subject::Flag, &flag.feature));
        carried
            .segments
            .retain(|group| !refused(Subject::Segment, &group.identifier));
        carried
    }
}

/// Something that was left out of a flag or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// Whether a flag or a group.
    pub subject: Subject,
    /// Its name.
    pub identifier: String,
    /// What was left out, and why that changes nothing.
    pub sentence: String,
}

/// A flag or a group that cannot be carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Whether a flag or a group.
    pub subject: Subject,
    /// Its name.
    pub identifier: String,
    /// Why, to be read after the name.
    pub reason: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            identifier,
            sentence,
            ..
        } = self;
        write!(f, "{} `{identifier}`: {sentence}", word_for(self.subject))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            identifier, reason, ..
        } = self;
        write!(f, "{} `{identifier}`: {reason}", word_for(self.subject))
    }
}

const fn word_for(subject: Subject) -> &'static str {
    match subject {
        Subject::Flag => "flag",
        Subject::Segment => "group",
    }
}

/// Writes the flags file of a configuration. `heading` becomes the comment at its start, with a line for each item.
#[must_use]
pub fn convert(configuration: &Configuration, heading: &[String]) -> Conversion {
    convert_described(configuration, heading, &Described::default())
}

/// Writes the flags file as [`convert`] does, with comments that say what else is known of it.
#[must_use]
pub fn convert_described(
    configuration: &Configuration,
    heading: &[String],
    described: &Described,
) -> Conversion {
    let carried = Carried::new(configuration);
    let mut remarks = Vec::new();
    let mut out = String::new();
    for line in heading.iter().chain(&described.heading) {
        out.push_str(format!("# {}", one_line(line)).trim_end());
        out.push('\n');
    }
    for refusal in &carried.refused {
        out.push_str(&format!(
            "# Not carried over: {}\n",
            one_line(&refusal.to_string())
        ));
    }
    if !out.is_empty() {
        out.push('\n');
    }
    write_part(&mut out, "flags", &carried.flags, &described.notes);
    if !carried.groups.is_empty() {
        out.push('\n');
        write_part(&mut out, "groups", &carried.groups, &BTreeMap::new());
    }
    for (subject, identifier, sentences) in carried
        .flags
        .iter()
        .map(|(name, flag)| (Subject::Flag, name, &flag.remarks))
        .chain(
            carried
                .groups
                .iter()
                .map(|(name, group)| (Subject::Segment, name, &group.remarks)),
        )
    {
        remarks.extend(sentences.iter().map(|sentence| Remark {
            subject,
            identifier: identifier.clone(),
            sentence: sentence.clone(),
        }));
    }
    Conversion {
        text: out,
        remarks,
        refused: carried.refused,
    }
}

fn write_part<T>(
    out: &mut String,
    part: &str,
    entries: &BTreeMap<String, Written<T>>,
    notes: &BTreeMap<String, Vec<String>>,
) {
    if entries.is_empty() {
        out.push_str(&format!("{part}: {{}}\n"));
        return;
    }
    out.push_str(&format!("{part}:\n"));
    // Entries of several lines get a blank line before and behind them, so that each is easy to find.
    let mut apart = false;
    for (at, (name, written)) in entries.iter().enumerate() {
        let mut text = String::new();
        let notes = notes.get(name).into_iter().flatten();
        for remark in notes.chain(&written.remarks) {
            text.push_str(&format!("  # {}\n", one_line(&capitalised(remark))));
        }
        let entry = Entry::new(&quoted_if_needed(name), written.yaml.clone());
        yaml::write_map(&mut text, &[entry], 2);
        let long = text.lines().count() > 1;
        if at > 0 && (long || apart) {
            out.push('\n');
        }
        apart = long;
        out.push_str(&text);
    }
}

/// Starts a sentence with a capital letter, where no name stands before it.
fn capitalised(sentence: &str) -> String {
    let mut characters = sentence.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}

/// A flag or group of the file.
struct Written<T> {
    entry: T,
    /// What was left out of it, a sentence each.
    remarks: Vec<String>,
    yaml: Yaml,
}

impl<T> Written<T> {
    fn new(
        simplified: Simplified<T>,
        written: impl FnOnce(&T) -> Result<Yaml, String>,
    ) -> Result<Self, String> {
        let Simplified { entry, mut remarks } = simplified;
        remarks.dedup();
        let yaml = written(&entry)?;
        Ok(Self {
            entry,
            remarks,
            yaml,
        })
    }
}

/// The flags and groups that go into the file, and those that do not.
struct Carried {
    flags: BTreeMap<String, Written<FeatureConfig>>,
    groups: BTreeMap<String, Written<Segment>>,
    refused: Vec<Refusal>,
}

impl Carried {
    /// Refuses what cannot be written, and then what names something refused, until everything left has all that it names and
    /// compiles without problems.
    fn new(configuration: &Configuration) -> Self {
        // Of two flags or groups with the same name the last counts, as in an evaluation.
        let flags: BTreeMap<&str, &FeatureConfig> = configuration
            .flags
            .iter()
            .map(|flag| (flag.feature.as_str(), flag))
            .collect();
        let groups: BTreeMap<&str, &Segment> = configuration
            .segments
            .iter()
            .map(|group| (group.identifier.as_str(), group))
            .collect();
        let known = Known {
            groups: groups.keys().copied().collect(),
            flags: flags.clone(),
        };
        let mut carried = Self {
            flags: BTreeMap::new(),
            groups: BTreeMap::new(),
            refused: Vec::new(),
        };
        for (name, group) in groups {
            let written = check_identifier(name, "group")
                .and_then(|()| simplify::group(group, &known))
                .and_then(|simplified| Written::new(simplified, written_group));
            match written {
                Ok(group) => drop(carried.groups.insert(name.to_owned(), group)),
                Err(reason) => carried.refuse(Subject::Segment, name, reason),
            }
        }
        for (name, flag) in flags {
            let written = check_identifier(name, "flag")
                .and_then(|()| simplify::flag(flag, &known))
                .and_then(|simplified| Written::new(simplified, written_flag));
            match written {
                Ok(flag) => drop(carried.flags.insert(name.to_owned(), flag)),
                Err(reason) => carried.refuse(Subject::Flag, name, reason),
            }
        }
        while carried.refuse_dependents() || carried.refuse_mistakes() {}
        carried.refused.sort_by(|a, b| {
            (a.subject == Subject::Segment, &a.identifier)
                .cmp(&(b.subject == Subject::Segment, &b.identifier))
        });
        carried
    }

    fn refuse(&mut self, subject: Subject, identifier: &str, reason: String) {
        match subject {
            Subject::Flag => drop(self.flags.remove(identifier)),
            Subject::Segment => drop(self.groups.remove(identifier)),
        }
        self.refused.push(Refusal {
            subject,
            identifier: identifier.to_owned(),
            reason,
        });
    }

    /// Refuses flags and groups that name a refused one. Returns whether there were any.
    fn refuse_dependents(&mut self) -> bool {
        let gone = |subject| -> HashSet<&str> {
            let of = self
                .refused
                .iter()
                .filter(move |refusal| refusal.subject == subject);
            of.map(|refusal| refusal.identifier.as_str()).collect()
        };
        let (flags, groups) = (gone(Subject::Flag), gone(Subject::Segment));
        let mut found: Vec<(Subject, String, String)> = Vec::new();
        for (name, group) in &self.groups {
            let clauses = group
                .entry
                .serving_rules
                .iter()
                .flat_map(|rule| &rule.clauses);
            if let Some(other) = groups_of(clauses).find(|other| groups.contains(other)) {
                let reason = format!("it names the group `{other}`, which is not carried over");
                found.push((Subject::Segment, name.clone(), reason));
            }
        }
        for (name, flag) in &self.flags {
            let flag = &flag.entry;
            let clauses = flag.rules.iter().flat_map(|rule| &rule.clauses);
            let mapped = flag.variation_to_target_map.iter();
            let mut named = groups_of(clauses).chain(
                mapped
                    .flat_map(|entry| &entry.target_segments)
                    .map(String::as_str),
            );
            let group = named.find(|other| groups.contains(other));
            let required = flag
                .prerequisites
                .iter()
                .map(|required| required.feature.as_str());
            let other = required.into_iter().find(|other| flags.contains(other));
            if let Some(group) = group {
                let reason = format!("it names the group `{group}`, which is not carried over");
                found.push((Subject::Flag, name.clone(), reason));
            } else if let Some(other) = other {
                let reason = format!("it requires the flag `{other}`, which is not carried over");
                found.push((Subject::Flag, name.clone(), reason));
            }
        }
        let some = !found.is_empty();
        for (subject, name, reason) in found {
            self.refuse(subject, &name, reason);
        }
        some
    }

    /// Refuses flags and groups of which the compiled configuration reports a problem. Returns whether there were any.
    fn refuse_mistakes(&mut self) -> bool {
        let snapshot = self.snapshot();
        let mut seen = BTreeSet::new();
        let mut some = false;
        for problem in snapshot.problems() {
            let key = (problem.subject == Subject::Flag, problem.identifier.clone());
            if seen.insert(key) {
                self.refuse(
                    problem.subject,
                    &problem.identifier,
                    problem.sentence.clone(),
                );
                some = true;
            }
        }
        some
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot::compile(
            self.flags.values().map(|flag| flag.entry.clone()).collect(),
            self.groups
                .values()
                .map(|group| group.entry.clone())
                .collect(),
        )
    }
}

/// Returns the groups that conditions name.
fn groups_of<'a>(
    clauses: impl Iterator<Item = &'a flagwire_evaluation::model::Clause>,
) -> impl Iterator<Item = &'a str> {
    clauses
        .filter(|clause| clause.op == "segmentMatch")
        .flat_map(|clause| clause.values.iter().map(String::as_str))
}

/// Writes a flag in the short form if that is read as the same flag, else in the full form.
///
/// # Errors
/// Why the reader does not take it.
fn written_flag(flag: &FeatureConfig) -> Result<Yaml, String> {
    let read = |yaml: &Yaml| {
        // The reader refuses a flag that names undefined flags or groups, so they are added to the text.
        let mut file = String::from("flags:\n");
        let mut entries = vec![Entry::new(&quoted_if_needed(&flag.feature), yaml.clone())];
        entries.extend(stub_flags(flag));
        yaml::write_map(&mut file, &entries, 2);
        let clauses = flag.rules.iter().flat_map(|rule| &rule.clauses);
        let mapped = flag.variation_to_target_map.iter();
        let mapped = mapped.flat_map(|entry| &entry.target_segments);
        let names = groups_of(clauses).chain(mapped.map(String::as_str));
        write_stub_groups(&mut file, names, None);
        let read = parse(&file).map_err(|problems| first_reason(&problems))?;
        let read = read.flags.into_iter().next();
        let same = read.is_some_and(|read| comparable_flag(&read) == comparable_flag(flag));
        same.then_some(()).ok_or_else(|| OTHERWISE.to_owned())
    };
    if let Some(yaml) = short::flag(flag)
        && read(&yaml).is_ok()
    {
        return Ok(yaml);
    }
    let yaml = full::flag(flag);
    read(&yaml).map(|()| yaml)
}

/// Writes a group in the short form if that is read as the same group, else in the full form.
///
/// # Errors
/// Why the reader does not take it.
fn written_group(group: &Segment) -> Result<Yaml, String> {
    let read = |yaml: &Yaml| {
        let mut file = String::from("groups:\n");
        let entry = Entry::new(&quoted_if_needed(&group.identifier), yaml.clone());
        yaml::write_map(&mut file, &[entry], 2);
        let clauses = group.serving_rules.iter().flat_map(|rule| &rule.clauses);
        write_stub_groups(&mut file, groups_of(clauses), Some(&group.identifier));
        let read = parse(&file).map_err(|problems| first_reason(&problems))?;
        let read = read.segments.into_iter().next();
        let same = read.is_some_and(|read| comparable_group(&read) == comparable_group(group));
        same.then_some(()).ok_or_else(|| OTHERWISE.to_owned())
    };
    if let Some(yaml) = short::group(group)
        && read(&yaml).is_ok()
    {
        return Ok(yaml);
    }
    let yaml = full::group(group);
    read(&yaml).map(|()| yaml)
}

/// Why an entry is refused that the reader understands otherwise: a fault of this program, which must not make a file that
/// serves something else.
const OTHERWISE: &str = "it would be read otherwise than it was written";

fn first_reason(problems: &[Problem]) -> String {
    problems
        .first()
        .map_or(String::new(), |problem| problem.reason().to_owned())
}

/// Writes the flags that a flag requires, with the required variations and nothing else, so that the reader finds them.
fn stub_flags(flag: &FeatureConfig) -> Vec<Entry> {
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for required in &flag.prerequisites {
        if required.feature != flag.feature {
            let variations = wanted.entry(&required.feature).or_default();
            variations.extend(required.variations.iter().map(String::as_str));
        }
    }
    let stub = |(name, variations): (&str, BTreeSet<&str>)| {
        let first = variations.first().copied().unwrap_or_default();
        let text = |text| Yaml::Scalar(yaml::quoted(text));
        let values = variations
            .iter()
            .map(|id| Entry::new(&yaml::quoted(id), text("x")));
        let entries = vec![
            Entry::new("variations", Yaml::Block(values.collect())),
            Entry::new("default", text(first)),
        ];
        Entry::new(&quoted_if_needed(name), Yaml::Block(entries))
    };
    wanted.into_iter().map(stub).collect()
}

/// Writes empty groups of these names, so that the reader finds them. Where `except` is given, this group is in the text already
/// and the others follow it in the same part.
fn write_stub_groups<'a>(
    file: &mut String,
    names: impl Iterator<Item = &'a str>,
    except: Option<&str>,
) {
    let names: BTreeSet<&str> = names.filter(|name| Some(*name) != except).collect();
    if except.is_none() && !names.is_empty() {
        file.push_str("groups:\n");
    }
    let entries: Vec<Entry> = names
        .into_iter()
        .map(|name| Entry::new(&quoted_if_needed(name), Yaml::Map(Vec::new())))
        .collect();
    yaml::write_map(file, &entries, 2);
}

/// Returns a flag without what does not count in the comparison: the names and descriptions of variations and the names of
/// targets, which are written as comments, the order of variations, and the layout of JSON values.
fn comparable_flag(flag: &FeatureConfig) -> FeatureConfig {
    let mut flag = flag.clone();
    for rule in &mut flag.rules {
        let by_place = || format!("rule-{}", rule.priority);
        rule.rule_id.get_or_insert_with(by_place);
    }
    for variation in &mut flag.variations {
        variation.name = None;
        variation.description = None;
        if flag.kind == "json"
            && let Ok(json) = serde_json::from_str::<serde_json::Value>(&variation.value)
        {
            variation.value = json.to_string();
        }
    }
    flag.variations
        .sort_by(|a, b| a.identifier.cmp(&b.identifier));
    for target in flag
        .variation_to_target_map
        .iter_mut()
        .flat_map(|entry| &mut entry.targets)
    {
        target.name.clear();
    }
    flag
}

fn comparable_group(group: &Segment) -> Segment {
    let mut group = group.clone();
    for rule in &mut group.serving_rules {
        let by_place = || format!("rule-{}", rule.priority);
        rule.rule_id.get_or_insert_with(by_place);
    }
    for member in group.included.iter_mut().chain(&mut group.excluded) {
        member.name.clear();
    }
    group
}
