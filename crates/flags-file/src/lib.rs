//! Reads the flags file, in which people write a configuration, and changes flags in its text.
//!
//! The file is YAML, so it may also be JSON, and has two parts, `flags` and `groups`. Each entry is in the short form
//! (`short.rs`) or in the full form, which is the wire form of the protocol (`full.rs`). A file with a mistake is refused as a
//! whole, so that no part of it takes effect; each mistake comes with its place and a sentence that says what to do about it.
//!
//! ```
//! let read = flagwire_flags_file::parse("flags: { dark-mode: true, page-size: 50 }").unwrap();
//! assert_eq!(read.flags[1].feature, "page-size");
//!
//! let problems = flagwire_flags_file::parse("flags:\n  dark-mode: on\n").unwrap_err();
//! assert_eq!(problems[0].place().map(|place| (place.line, place.column)), Some((2, 14)));
//! ```
//!
//! [`parse`], [`parse_whole`] and [`parse_bytes`] read a file, [`check`] says all that can be said about it, [`edit::apply`] changes one flag in its text, and [`SCHEMA`] describes its shape for
//! editors. The crate does no I/O: callers read and write the file.
//!
//! # Features
//!
//! `patterns`, off by default, also checks the syntax of the patterns of conditions, which takes an engine for patterns.
#![deny(missing_docs)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

mod about;
mod conditions;
pub mod edit;
mod events;
mod export;
mod full;
#[cfg(feature = "import")]
pub mod import;
pub mod node;
#[cfg(feature = "import")]
pub mod proof;
mod references;
mod report;
mod resolve;
mod scalar;
#[cfg(feature = "import")]
pub mod sdks;
mod short;
mod syntax;
mod yaml;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use flagwire_evaluation::Subject;
use flagwire_evaluation::model::{Configuration, FeatureConfig};

use self::node::{Key, Node, Position, Value};

pub use self::edit::{Edit, EditError, TargetEdit};
pub use self::report::{Report, check};

pub use self::export::export;

/// The text of the sample that is written where there is no flags file yet.
pub const SAMPLE: &str = include_str!("sample.yaml");

/// The JSON Schema of flags files, as text. It describes their shape; whether names are defined and values fit their kind is
/// checked by [`parse`] alone.
pub const SCHEMA: &str = include_str!("../flags.schema.json");

/// The longest flags file that is read, in bytes. Ten thousand flags take about 4 MB.
pub const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// A mistake in a flags file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    at: Position,
    reason: String,
}

impl Problem {
    /// Creates a mistake with its place.
    #[must_use]
    pub fn new(at: Position, reason: impl Into<String>) -> Self {
        Self {
            at,
            reason: reason.into(),
        }
    }

    /// Creates a mistake that concerns the file as a whole.
    #[must_use]
    pub fn whole(reason: String) -> Self {
        Self::new(Position::default(), reason)
    }

    /// Returns where the mistake is; `None` where it concerns the file as a whole.
    #[must_use]
    pub fn place(&self) -> Option<Position> {
        (self.at.line > 0).then_some(self.at)
    }

    /// Returns a sentence that says what is wrong and what to do about it.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// Writes `12:5: reason`, which is to follow the file's name and a colon.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place() {
            Some(place) => write!(f, "{}:{}: {}", place.line, place.column, self.reason),
            None => write!(f, " {}", self.reason),
        }
    }
}

/// What was read from a flags file, with warnings that do not keep it from taking effect.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Flags and groups in the order of the file.
    pub configuration: Configuration,
    /// Where the names of flags and groups are written.
    pub places: Places,
    /// What is allowed and probably not meant, in the order of the file.
    pub warnings: Vec<Problem>,
}

/// The warnings that are collected while a file is read.
#[derive(Debug, Default)]
struct Notes {
    warnings: Vec<Problem>,
    /// Keys that are ignored, each with its first place and how often it occurs.
    ignored: BTreeMap<String, (Position, usize)>,
}

impl Notes {
    fn warn(&mut self, at: Position, reason: String) {
        self.warnings.push(Problem::new(at, reason));
    }

    fn ignore(&mut self, key: &Key) {
        self.ignored
            .entry(key.text.clone())
            .or_insert((key.at, 0))
            .1 += 1;
    }

    fn into_warnings(self) -> Vec<Problem> {
        let mut warnings = self.warnings;
        for (key, (at, times)) in self.ignored {
            let elsewhere = match times {
                1 => "",
                2 => ", nor in 1 more place,",
                times => &format!(", nor in {} more places,", times - 1),
            };
            warnings.push(Problem::new(
                at,
                format!("`{key}` has no meaning here{elsewhere} and is ignored"),
            ));
        }
        warnings.sort_by_key(|problem| (problem.at.line, problem.at.column));
        warnings
    }
}

/// Reads a flags file. Flags and groups come in the order of the file.
///
/// # Errors
/// All mistakes found, at least one, in the order of the file. Broken syntax hides what follows it.
pub fn parse(text: &str) -> Result<Configuration, Vec<Problem>> {
    parse_whole(text).map(|parsed| parsed.configuration)
}

/// Reads a flags file as [`parse`] does, and also returns the places of names and the warnings.
///
/// # Errors
/// As [`parse`].
pub fn parse_whole(text: &str) -> Result<Parsed, Vec<Problem>> {
    read_whole(&node::parse(text).map_err(|problem| vec![problem])?)
}

fn read_whole(document: &Node) -> Result<Parsed, Vec<Problem>> {
    let mut notes = Notes::default();
    let (configuration, places) = read_noting(document, true, &mut notes)?;
    Ok(Parsed {
        configuration,
        places,
        warnings: notes.into_warnings(),
    })
}

/// Reads the bytes of a flags file as [`parse_whole`] reads its text.
///
/// # Errors
/// As [`parse`]; also for what is not UTF-8, larger than [`MAX_FILE_BYTES`], or has neither flags nor groups, as an empty file or
/// one of comments alone: it is far more often in the middle of being written than the wish to have no flags.
pub fn parse_bytes(bytes: &[u8]) -> Result<Parsed, Vec<Problem>> {
    let whole = |reason: String| Err(vec![Problem::whole(reason)]);
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return whole(format!("larger than {MAX_FILE_BYTES} bytes"));
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let before = bytes.iter().take(error.valid_up_to());
            let line = before.filter(|byte| **byte == b'\n').count() + 1;
            return whole(format!(
                "not UTF-8 text, in line {line}; save the file as UTF-8"
            ));
        }
    };
    if text.trim().is_empty() {
        return whole("the file is empty; write `flags:` if no flags are wanted".to_owned());
    }
    let document = node::parse(text).map_err(|problem| vec![problem])?;
    let says_nothing = match &document.value {
        Value::Null => true,
        Value::Map(entries) => entries.is_empty(),
        _ => false,
    };
    if says_nothing {
        return whole(
            "the file has neither `flags` nor `groups`; write `flags:` if no flags are wanted"
                .to_owned(),
        );
    }
    read_whole(&document)
}

/// Where the names of flags and groups are written in a file.
#[derive(Debug, Default)]
pub struct Places {
    flags: HashMap<String, Position>,
    groups: HashMap<String, Position>,
}

impl Places {
    /// Gives a problem of a compiled configuration the place where the name of its flag or group is written.
    #[must_use]
    pub fn of(&self, problem: &flagwire_evaluation::Problem) -> Problem {
        let names = match problem.subject {
            Subject::Flag => &self.flags,
            Subject::Segment => &self.groups,
        };
        let at = names.get(&problem.identifier).copied().unwrap_or_default();
        Problem::new(
            at,
            format!("`{}`: {}", problem.identifier, problem.sentence),
        )
    }

    /// Returns a sentence about a flag with the place where its name is written.
    #[cfg(feature = "import")]
    pub(crate) fn of_flag(&self, flag: &str, sentence: String) -> Problem {
        Problem::new(self.flags.get(flag).copied().unwrap_or_default(), sentence)
    }
}

fn read(document: &Node) -> Result<Configuration, Vec<Problem>> {
    read_noting(document, false, &mut Notes::default()).map(|(configuration, _)| configuration)
}

/// Reads a parsed document. `finished` is false for the texts between the steps of an edit, in which a target may be named for
/// two variations.
fn read_noting(
    document: &Node,
    finished: bool,
    notes: &mut Notes,
) -> Result<(Configuration, Places), Vec<Problem>> {
    let entries = match &document.value {
        Value::Null => return Ok((Configuration::default(), Places::default())),
        Value::Map(entries) => entries,
        _ => {
            return Err(vec![Problem::new(
                document.at,
                format!(
                    "the file holds {}; start it with `flags:` and put the flags below",
                    document.describe()
                ),
            )]);
        }
    };
    let mut problems = Vec::new();
    let mut flags = Entries::default();
    let mut groups = Entries::default();
    for (key, node) in entries {
        match key.text.as_str() {
            "flags" => flags.read(
                node,
                "flag",
                full::FLAG_NAMES,
                &mut problems,
                |name, node| {
                    if full::is_flag(node) {
                        full::flag(name, node, notes)
                    } else {
                        short::flag(name, node, notes)
                    }
                },
            ),
            "groups" => groups.read(
                node,
                "group",
                full::GROUP_NAMES,
                &mut problems,
                |name, node| {
                    if full::is_group(node) {
                        full::group(name, node, notes)
                    } else {
                        short::group(name, node, notes)
                    }
                },
            ),
            other => problems.push(Problem::new(
                key.at,
                format!(
                    "unknown key `{other}`{}; the file has two parts, `flags` and `groups`",
                    suggest(other, &["flags", "groups"])
                ),
            )),
        }
    }
    let mut configuration = Configuration {
        flags: flags.items,
        segments: groups.items,
    };
    settle_requirements(&mut configuration.flags);
    let parts = references::Parts {
        document,
        flags: &flags.places,
        groups: &groups.places,
    };
    references::check(&configuration, parts, &mut problems);
    if finished {
        references::check_targets(&configuration, parts, &mut problems);
    }
    if problems.is_empty() {
        let places = Places {
            flags: flags.places,
            groups: groups.places,
        };
        Ok((configuration, places))
    } else {
        problems.sort_by_key(|problem| (problem.at.line, problem.at.column));
        Err(problems)
    }
}

/// Replaces words such as `on` in the prerequisites of flags by the variation of the boolean flag that they stand for.
fn settle_requirements(flags: &mut [FeatureConfig]) {
    let boolean: HashSet<String> = flags
        .iter()
        .filter(|flag| flag.kind == "boolean")
        .map(|flag| flag.feature.clone())
        .collect();
    let names: HashSet<(String, String)> = flags
        .iter()
        .filter(|flag| flag.kind == "boolean")
        .flat_map(|flag| {
            let names = flag.variations.iter();
            names.map(|one| (flag.feature.clone(), one.identifier.clone()))
        })
        .collect();
    for required in flags.iter_mut().flat_map(|flag| &mut flag.prerequisites) {
        if !boolean.contains(&required.feature) {
            continue;
        }
        for variation in &mut required.variations {
            let known = |name: &str| names.contains(&(required.feature.clone(), name.to_owned()));
            if let Some(word) = short::synonym(variation)
                && !known(variation)
                && known(word)
            {
                word.clone_into(variation);
            }
        }
    }
}

/// One part of the file, `flags` or `groups`, as it is read.
struct Entries<T> {
    items: Vec<T>,
    /// Where the name of each entry is written, by name.
    places: HashMap<String, Position>,
}

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            places: HashMap::new(),
        }
    }
}

impl<T> Entries<T> {
    /// Reads a part, which is a map from name to entry, or a list of entries in the full form, each with its name in it.
    fn read(
        &mut self,
        node: &Node,
        what: &str,
        name_keys: &[&str],
        problems: &mut Vec<Problem>,
        mut entry: impl FnMut(&str, &Node) -> Result<T, Problem>,
    ) {
        match &node.value {
            Value::Null => {}
            Value::Map(entries) => {
                for (key, node) in entries {
                    self.add(key, node, what, problems, &mut entry);
                }
            }
            Value::List(nodes) => {
                for node in nodes {
                    match name_keys.iter().find_map(|key| node.get(key)) {
                        Some(name) => {
                            let key = Key::of(name.scalar_text().unwrap_or_default(), name.at);
                            self.add(&key, node, what, problems, &mut entry);
                        }
                        None => problems.push(Problem::new(
                            node.at,
                            format!("a {what} in a list needs its name under `{}`; or write a map from name to {what}", name_keys.first().unwrap_or(&"")),
                        )),
                    }
                }
            }
            _ => problems.push(Problem::new(
                node.at,
                format!(
                    "`{what}s` holds {}; write one {what} a line below it, as `name: …`",
                    node.describe()
                ),
            )),
        }
    }

    fn add(
        &mut self,
        key: &Key,
        node: &Node,
        what: &str,
        problems: &mut Vec<Problem>,
        entry: &mut impl FnMut(&str, &Node) -> Result<T, Problem>,
    ) {
        if let Err(reason) = check_identifier(&key.text, what) {
            problems.push(Problem::new(key.at, reason));
            return;
        }
        if let Some(first) = self.places.get(&key.text) {
            problems.push(Problem::new(
                key.at,
                format!(
                    "{what} `{}` is already defined in line {}; remove one of the two",
                    key.text, first.line
                ),
            ));
            return;
        }
        self.places.insert(key.text.clone(), key.at);
        match entry(&key.text, node) {
            Ok(item) => self.items.push(item),
            Err(problem) => problems.push(problem),
        }
    }
}

/// Checks the characters of a name, which must be easy to type and to write in a URL.
fn check_identifier(name: &str, what: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err(format!("a {what} needs a name"));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '$' | '@');
    match name.chars().find(|c| !legal(*c)) {
        None => Ok(()),
        Some(c) => Err(format!(
            "the name `{name}` of a {what} has `{}` in it; use letters, digits, `-`, `_`, `.`, `$` and `@`",
            c.escape_debug()
        )),
    }
}

/// Refuses a map with a key that is not known.
fn check_keys(entries: &[(Key, Node)], owner: &str, known: &[&str]) -> Result<(), Problem> {
    match entries
        .iter()
        .find(|(key, _)| !known.contains(&key.text.as_str()))
    {
        None => Ok(()),
        Some((key, _)) => Err(Problem::new(
            key.at,
            format!(
                "unknown key `{}` in {owner}{}; it may have: {}",
                key.text,
                suggest(&key.text, known),
                known.join(", ")
            ),
        )),
    }
}

/// Returns ` (did you mean …?)` where a known word differs in one or two characters; else an empty text.
fn suggest(word: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|candidate| (strsim::levenshtein(word, candidate), *candidate))
        .min()
        .filter(|(distance, candidate)| *distance <= 2 && *distance < candidate.len());
    match near {
        Some((_, candidate)) => format!(" (did you mean `{candidate}`?)"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
