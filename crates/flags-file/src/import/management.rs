//! Reads what only Harness's management API knows of an environment: descriptions, tags, owners, names and archived flags.
//!
//! SDKs do not need any of it, so the endpoints for back ends lack it. Nothing here changes what a flag serves. The shapes are those
//! of the published description of the API ("Feature Flags Classic"), where every list is answered in pages with `itemCount`,
//! `pageCount` and `pageIndex`. As the API is to end and cannot be asked without an account, all fields but identifiers count as
//! optional.

use std::collections::{BTreeMap, BTreeSet};

use flagwire_evaluation::model::Tag;
use serde::{Deserialize, Deserializer};

use super::Source;

/// How many archived flags, and flags that are not served, are named each.
const MAX_NAMED: usize = 100;

/// The lists of the API that an import reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagedList {
    /// The flags that are in use.
    Flags,
    /// The flags that are archived.
    ArchivedFlags,
    /// The target groups.
    Groups,
    /// The targets that the service has stored.
    Targets,
}

impl ManagedList {
    /// All of them, in the order in which they are read.
    pub const ALL: [Self; 4] = [
        Self::Flags,
        Self::ArchivedFlags,
        Self::Groups,
        Self::Targets,
    ];

    /// Returns how sentences name the list.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::Flags => "the descriptions of flags",
            Self::ArchivedFlags => "the archived flags",
            Self::Groups => "the names and tags of groups",
            Self::Targets => "the stored targets",
        }
    }
}

/// What the API has said.
#[derive(Debug, Default)]
pub struct Management {
    flags: BTreeMap<String, ManagedFlag>,
    archived: BTreeMap<String, ManagedFlag>,
    groups: BTreeMap<String, ManagedGroup>,
    targets: BTreeMap<String, ManagedTarget>,
}

/// What a page says of its list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paging {
    /// How many pages there are.
    pub pages: u64,
    /// Whether this was the last one.
    pub is_last: bool,
}

/// What came of adding all this to a source.
#[derive(Debug, Default)]
pub struct Described {
    /// What cannot be carried over, for the comment at the start of the file.
    pub heading: Vec<String>,
    /// By flag, what the file can only say in a comment.
    pub notes: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    item_count: Option<usize>,
    page_count: Option<u64>,
    page_index: Option<u64>,
    features: Option<Vec<ManagedFlag>>,
    segments: Option<Vec<ManagedGroup>>,
    targets: Option<Vec<ManagedTarget>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManagedFlag {
    identifier: String,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    description: String,
    #[serde(default, deserialize_with = "nullable")]
    kind: String,
    #[serde(default, deserialize_with = "nullable")]
    tags: Vec<Tag>,
    #[serde(default, deserialize_with = "nullable")]
    owner: Texts,
    archived: Option<bool>,
    #[serde(default, deserialize_with = "nullable")]
    permanent: bool,
    #[serde(default, deserialize_with = "nullable")]
    services: Vec<Named>,
    #[serde(default, deserialize_with = "nullable")]
    env_properties: EnvironmentProperties,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EnvironmentProperties {
    #[serde(default, deserialize_with = "nullable")]
    pipeline_configured: bool,
    #[serde(default, deserialize_with = "nullable")]
    jira_issues: Vec<Issue>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issue {
    #[serde(default, deserialize_with = "nullable")]
    issue_key: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Named {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
}

#[derive(Clone, Debug, Deserialize)]
struct ManagedGroup {
    identifier: String,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    tags: Vec<Tag>,
}

#[derive(Clone, Debug, Deserialize)]
struct ManagedTarget {
    identifier: String,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
}

/// One text or a list of texts.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Default for Texts {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Management {
    /// Adds a page of a list. `number` is the page that was asked for, from 0.
    ///
    /// # Errors
    /// A sentence that says why the page cannot be used.
    pub fn add(&mut self, list: ManagedList, number: u64, reply: &[u8]) -> Result<Paging, String> {
        let what = list.what();
        let page: Page = serde_json::from_slice(reply)
            .map_err(|error| format!("{what} cannot be read, or are not whole: {error}"))?;
        if let Some(index) = page.page_index.filter(|index| *index != number) {
            return Err(format!(
                "{what}: page {number} was asked for, and page {index} came"
            ));
        }
        let missing = |field: &str| format!("{what}: there is no `{field}` in the reply");
        let (got, of_list) = match list {
            ManagedList::Flags | ManagedList::ArchivedFlags => {
                let features = page.features.ok_or_else(|| missing("features"))?;
                let got = features.len();
                let archived = list == ManagedList::ArchivedFlags;
                for flag in features {
                    // A service that ignores the filter lists all flags both times.
                    if flag.archived.unwrap_or(archived) == archived {
                        let flags = match archived {
                            true => &mut self.archived,
                            false => &mut self.flags,
                        };
                        flags.insert(flag.identifier.clone(), flag);
                    }
                }
                (got, None)
            }
            ManagedList::Groups => {
                let groups = page.segments.ok_or_else(|| missing("segments"))?;
                let got = groups.len();
                let keyed = groups
                    .into_iter()
                    .map(|group| (group.identifier.clone(), group));
                self.groups.extend(keyed);
                (got, Some(self.groups.len()))
            }
            ManagedList::Targets => {
                let targets = page.targets.ok_or_else(|| missing("targets"))?;
                let got = targets.len();
                let keyed = targets
                    .into_iter()
                    .map(|target| (target.identifier.clone(), target));
                self.targets.extend(keyed);
                (got, Some(self.targets.len()))
            }
        };
        let pages = page.page_count.unwrap_or(1);
        let is_last = got == 0 || number.saturating_add(1) >= pages;
        let total = page.item_count.unwrap_or_default();
        if let Some(known) = of_list.filter(|known| is_last && *known < total) {
            return Err(format!(
                "{what}: there are {total}, and only {known} came; somebody may have changed them meanwhile"
            ));
        }
        if got == 0 && number.saturating_add(1) < pages {
            return Err(format!(
                "{what}: page {number} of {pages} is empty; somebody may have changed them meanwhile"
            ));
        }
        Ok(Paging { pages, is_last })
    }
}

impl Source {
    /// Adds the descriptions, tags and owners of flags, the names and tags of groups, and the names of the targets that flags and
    /// groups name. What the source has already is kept.
    pub fn describe(&mut self, management: &Management) -> Described {
        let mut described = Described::default();
        let name_of = |identifier: &str| {
            let target = management.targets.get(identifier);
            target.map(|target| target.name.clone()).unwrap_or_default()
        };
        let mut named: BTreeSet<String> = BTreeSet::new();
        for flag in &mut self.configuration.flags {
            for target in flag
                .variation_to_target_map
                .iter_mut()
                .flat_map(|entry| &mut entry.targets)
            {
                if target.name.is_empty() {
                    target.name = name_of(&target.identifier);
                }
                named.insert(target.identifier.clone());
            }
            let known = management.flags.get(&flag.feature);
            let Some(known) = known.or_else(|| management.archived.get(&flag.feature)) else {
                continue;
            };
            if flag.description.is_none() && !known.description.trim().is_empty() {
                flag.description = Some(known.description.clone());
            }
            if flag.tags.is_empty() {
                flag.tags = tags(&known.tags);
            }
            if flag.owner.is_empty() {
                let owners = match &known.owner {
                    Texts::One(owner) => std::slice::from_ref(owner),
                    Texts::Several(owners) => owners,
                };
                let owners = owners.iter().filter(|owner| !owner.trim().is_empty());
                flag.owner = owners.cloned().collect();
            }
            let notes = notes(known);
            if !notes.is_empty() {
                described.notes.insert(flag.feature.clone(), notes);
            }
        }
        for group in &mut self.configuration.segments {
            for target in group.included.iter_mut().chain(&mut group.excluded) {
                if target.name.is_empty() {
                    target.name = name_of(&target.identifier);
                }
                named.insert(target.identifier.clone());
            }
            if let Some(known) = management.groups.get(&group.identifier) {
                if group.name.is_empty() {
                    group.name.clone_from(&known.name);
                }
                if group.tags.is_empty() {
                    group.tags = tags(&known.tags);
                }
            }
        }
        let served: BTreeSet<&str> = self
            .configuration
            .flags
            .iter()
            .map(|flag| flag.feature.as_str())
            .collect();
        described.heading = heading(management, &served, &named);
        described
    }
}

/// Returns tags that have a text, with the same text for what is missing.
fn tags(given: &[Tag]) -> Vec<Tag> {
    let mut tags = given.to_vec();
    for tag in &mut tags {
        if tag.name.is_empty() {
            tag.name.clone_from(&tag.identifier);
        } else if tag.identifier.is_empty() {
            tag.identifier.clone_from(&tag.name);
        }
    }
    tags.retain(|tag| !tag.name.is_empty());
    tags
}

/// Returns what a flags file has no key for, a sentence each.
fn notes(flag: &ManagedFlag) -> Vec<String> {
    let mut notes = Vec::new();
    if flag.archived == Some(true) {
        notes.push("archived where it comes from, and served there all the same".to_owned());
    }
    if !flag.name.trim().is_empty() && flag.name != flag.identifier {
        notes.push(format!("called \"{}\" there", flag.name));
    }
    if flag.permanent {
        notes.push("marked as permanent there".to_owned());
    }
    let list = |texts: Vec<&str>| texts.join(", ");
    let services: Vec<&str> = flag.services.iter().map(|one| one.name.as_str()).collect();
    if !services.is_empty() {
        notes.push(format!("services there: {}", list(services)));
    }
    let issues = &flag.env_properties.jira_issues;
    let issues: Vec<&str> = issues.iter().map(|one| one.issue_key.as_str()).collect();
    if !issues.is_empty() {
        notes.push(format!("Jira issues there: {}", list(issues)));
    }
    if flag.env_properties.pipeline_configured {
        notes.push("changed by a pipeline there, which is not carried over".to_owned());
    }
    notes
}

/// Returns the sentences about what is not in the file.
fn heading(
    management: &Management,
    served: &BTreeSet<&str>,
    named: &BTreeSet<String>,
) -> Vec<String> {
    let mut lines = Vec::new();
    let archived = management.archived.values();
    let archived: Vec<String> = archived
        .filter(|flag| !served.contains(flag.identifier.as_str()))
        .map(|flag| {
            let description = match flag.description.trim() {
                "" => String::new(),
                text => format!(": {text}"),
            };
            let kind = match flag.kind.as_str() {
                "" => String::new(),
                kind => format!(" ({kind})"),
            };
            format!(
                "Archived, and not carried over: flag `{}`{kind}{description}",
                flag.identifier
            )
        })
        .collect();
    push_named(&mut lines, archived, "archived flags");
    let unserved = management.flags.values();
    let unserved: Vec<String> = unserved
        .filter(|flag| !served.contains(flag.identifier.as_str()))
        .map(|flag| {
            format!(
                "Not carried over: flag `{}`, which the management API lists and back ends do not get",
                flag.identifier
            )
        })
        .collect();
    push_named(&mut lines, unserved, "flags that back ends do not get");
    let others = management.targets.keys();
    let others = others.filter(|target| !named.contains(*target)).count();
    if others > 0 {
        let (are, targets) = match others {
            1 => ("is", "target"),
            _ => ("are", "targets"),
        };
        lines.push(format!(
            "Not carried over: {others} stored {targets} that {are} named by no flag or group. Targets are not stored here; applications send their attributes."
        ));
    }
    lines
}

fn push_named(lines: &mut Vec<String>, mut named: Vec<String>, what: &str) {
    let more = named.len().saturating_sub(MAX_NAMED);
    named.truncate(MAX_NAMED);
    lines.extend(named);
    if more > 0 {
        lines.push(format!("Not carried over: {more} more {what}"));
    }
}
