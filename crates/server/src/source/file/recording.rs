//! Logs what was changed in a flags file, by edits and by people or processes that write to it.

use std::sync::Arc;

use flagwire_core::protocol::{Change, Domain};
use flagwire_flags_file::edit::{Entry, Written, written};

use crate::change_log::NewChange;
use crate::environment::activity::details;
use crate::environment::changes::Difference;
use crate::environment::{Author, Current, Document, Environment};

/// How many changes of one text get a line each. The last of them says how many more there were.
const MAX_CHANGES: usize = 200;

/// An edit that was made, as its log entry names it.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) by: Author,
    pub(super) what: Entry,
    /// Says in words what changes; `None` if that is to be found by comparison.
    pub(super) change: Option<String>,
    pub(super) undoes: Option<String>,
}

/// What was in force before a text of the file was put in force.
pub(super) struct Before {
    current: Option<Arc<Current>>,
    document: Option<Arc<Document>>,
}

impl Before {
    pub(super) fn of(environment: &Environment) -> Self {
        Self {
            current: environment.current(),
            document: environment.document(),
        }
    }

    /// Returns the change of an edit that has made `new` out of the text `old`. `differences` are those that were found as it was put in
    /// force.
    pub(super) fn made(
        &self,
        environment: &Environment,
        (old, new): (&str, &str),
        made: Made,
        differences: &[Difference],
    ) -> Option<NewChange> {
        if old == new {
            return None;
        }
        let Made {
            by,
            what,
            change,
            undoes,
        } = made;
        let (from, to) = written(old, new, std::slice::from_ref(&what)).pop()?;
        let found = || {
            let difference = differences.iter().find(|one| entry(one) == what)?;
            let (before, now) = (self.current.as_deref()?, environment.current()?);
            Some(in_words(difference, before, &now))
        };
        let change = change
            .or_else(found)
            .unwrap_or_else(|| "changed".to_owned());
        Some(NewChange {
            by,
            what,
            change,
            from,
            to,
            undoes,
        })
    }

    /// Returns the changes that lead from the text in force to `text`, which somebody has written into the file. `differences` are those
    /// that were found as it was put in force.
    pub(super) fn up_to(
        &self,
        environment: &Environment,
        text: &str,
        differences: &[Difference],
    ) -> Vec<NewChange> {
        let (Some(before), Some(document), Some(now)) =
            (&self.current, &self.document, environment.current())
        else {
            return Vec::new();
        };
        let Ok(old) = std::str::from_utf8(&document.text) else {
            return Vec::new();
        };
        if old == text {
            return Vec::new();
        }
        let listed = differences.get(..MAX_CHANGES).unwrap_or(differences);
        let entries: Vec<Entry> = listed.iter().map(entry).collect();
        let mut changes: Vec<NewChange> = written(old, text, &entries)
            .into_iter()
            .zip(entries)
            .zip(listed)
            // What differs only by an edit that was made at the same time has the same text here.
            .filter(|(((from, to), _), _)| {
                from.is_none() || from.as_ref().map(text_of) != to.as_ref().map(text_of)
            })
            .map(|(((from, to), what), difference)| NewChange {
                by: Author::file(),
                change: in_words(difference, before, &now),
                what,
                from,
                to,
                undoes: None,
            })
            .collect();
        let more = differences.len() - listed.len();
        if let Some(last) = changes.last_mut().filter(|_| more > 0) {
            last.change = format!("{}; {more} more changes are not listed", last.change);
        }
        changes
    }
}

fn text_of(written: &Written) -> &str {
    &written.text
}

fn entry(difference: &Difference) -> Entry {
    let name = difference.identifier.clone();
    match difference.domain {
        Domain::Flag => Entry::Flag(name),
        Domain::TargetSegment => Entry::Group(name),
    }
}

fn in_words(difference: &Difference, before: &Current, now: &Current) -> String {
    let what = match difference.change {
        Change::Create => "created",
        Change::Delete => "deleted",
        _ => "",
    };
    let details = details(difference, &before.snapshot, &now.snapshot);
    let words: Vec<&str> = [what]
        .into_iter()
        .chain(details.iter().map(String::as_str))
        .filter(|words| !words.is_empty())
        .collect();
    if words.is_empty() {
        "changed".to_owned()
    } else {
        words.join(", ")
    }
}
