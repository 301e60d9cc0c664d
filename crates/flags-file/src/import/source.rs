//! Reads what is imported: replies of the protocol's two endpoints for back ends, files that hold them, files of Git
//! Experience, and flags files.

use flagwire_evaluation::model::{FeatureConfig, Segment};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::git;
use super::known::{FLAG, GROUP, Shape, Unknown};
use crate::{node, parse_whole};
use flagwire_evaluation::model::Configuration;

/// Flags and groups as the source has them.
#[derive(Debug, Default)]
pub struct Source {
    /// The flags and groups, of which nothing that this program knows has been changed or left out.
    pub configuration: Configuration,
    /// What the source has that this program does not know. Sorted, each once.
    pub unknown: Vec<Unknown>,
}

impl Source {
    /// Reads the replies of the endpoints `feature-configs` and `target-segments`.
    ///
    /// # Errors
    /// A sentence that says which of them cannot be read, and where.
    pub fn from_replies(flags: &[u8], groups: &[u8]) -> Result<Self, String> {
        let mut source = Self::default();
        source.add_flags(&json(flags, "the list of flags")?)?;
        source.add_groups(&json(groups, "the list of groups")?)?;
        source.finish();
        Ok(source)
    }

    /// Reads a file and adds the flags and groups in it. The file is a list of flags or of groups as the endpoints reply with, an
    /// object with both (`flags` and `groups`, or their names on the wire), Git Experience's YAML, or a flags file.
    /// `environment` is the environment to read from a file with several.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file, and where.
    pub fn add_file(&mut self, text: &str, environment: Option<&str>) -> Result<(), String> {
        // The YAML parser reads JSON, too, but takes much longer for a large file.
        let document = match serde_json::from_str::<Json>(text) {
            Ok(document) => document,
            Err(error) if text.trim_start().starts_with(['{', '[']) => {
                return Err(format!("the JSON cannot be read: {error}"));
            }
            Err(_) => {
                let node = node::parse(text).map_err(|problem| problem.to_string())?;
                if node.get("featureFlags").is_some() {
                    self.configuration.flags.extend(git::flags(
                        &node,
                        environment,
                        &mut self.unknown,
                    )?);
                    self.finish();
                    return Ok(());
                }
                node.to_json()
            }
        };
        self.add_document(&document, text)?;
        self.finish();
        Ok(())
    }

    fn add_document(&mut self, document: &Json, text: &str) -> Result<(), String> {
        const UNKNOWN: &str = "this is none of the files that can be imported: the JSON of `feature-configs` and `target-segments`, an export of flagwire-server, or Git Experience's YAML";
        let part = |names: &[&str]| names.iter().find_map(|name| document.get(name));
        match document {
            Json::Array(items) if items.iter().any(|item| item.get("feature").is_some()) => {
                self.add_flags(document)
            }
            Json::Array(_) => self.add_groups(document),
            Json::Object(_) => {
                let flags = part(&["flags", "featureConfigs", "feature_configs", "features"]);
                let groups = part(&["groups", "targetSegments", "target_segments", "segments"]);
                if flags.is_none() && groups.is_none() {
                    return Err(UNKNOWN.to_owned());
                }
                let lists = [flags, groups].into_iter().flatten().all(Json::is_array);
                if lists {
                    flags.map_or(Ok(()), |flags| self.add_flags(flags))?;
                    return groups.map_or(Ok(()), |groups| self.add_groups(groups));
                }
                let read = parse_whole(text).map_err(|problems| {
                    let first = problems.first().map(ToString::to_string);
                    first.unwrap_or_else(|| UNKNOWN.to_owned())
                })?;
                self.configuration.flags.extend(read.configuration.flags);
                self.configuration
                    .segments
                    .extend(read.configuration.segments);
                Ok(())
            }
            _ => Err(UNKNOWN.to_owned()),
        }
    }

    fn add_flags(&mut self, list: &Json) -> Result<(), String> {
        let flags: Vec<FeatureConfig> = read(
            list,
            "flag",
            &["feature", "identifier"],
            &FLAG,
            &mut self.unknown,
        )?;
        self.configuration.flags.extend(flags);
        Ok(())
    }

    fn add_groups(&mut self, list: &Json) -> Result<(), String> {
        let groups: Vec<Segment> = read(list, "group", &["identifier"], &GROUP, &mut self.unknown)?;
        self.configuration.segments.extend(groups);
        Ok(())
    }

    fn finish(&mut self) {
        self.unknown.sort();
        self.unknown.dedup();
    }
}

fn json(bytes: &[u8], what: &str) -> Result<Json, String> {
    serde_json::from_slice(bytes)
        .map_err(|error| format!("{what} cannot be read, or is not whole: {error}"))
}

fn read<T: DeserializeOwned>(
    list: &Json,
    what: &str,
    names: &[&str],
    shape: &Shape,
    unknown: &mut Vec<Unknown>,
) -> Result<Vec<T>, String> {
    let Some(items) = list.as_array() else {
        return Err(format!("the {what}s are no list"));
    };
    let mut read = Vec::with_capacity(items.len());
    for (at, item) in items.iter().enumerate() {
        let name = names.iter().find_map(|name| item.get(*name)?.as_str());
        let owner = match name {
            Some(name) => format!("{what} `{name}`"),
            None => format!("{what} number {}", at.saturating_add(1)),
        };
        shape.look(item, &owner, unknown);
        let entry = serde_path_to_error::deserialize(item).map_err(|error| {
            format!(
                "{owner} cannot be read: `{}`: {}",
                error.path(),
                error.inner()
            )
        })?;
        read.push(entry);
    }
    Ok(read)
}
