//! Problems of a configuration that cannot work as it is written.

use std::fmt;

use serde::Serialize;

/// A part of a configuration that cannot work as it is written. Evaluation goes on without it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Whether a flag or a group has it.
    pub subject: Subject,
    /// Identifier of that flag or group.
    pub identifier: String,
    /// What is wrong and what happens instead, to be read after the identifier.
    pub sentence: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let subject = match self.subject {
            Subject::Flag => "flag",
            Subject::Segment => "segment",
        };
        write!(out, "{subject} {:?}: {}", self.identifier, self.sentence)
    }
}

/// What a [`Problem`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A flag.
    Flag,
    /// A group.
    Segment,
}

/// Collects problems of one flag or group after the other.
pub(crate) struct Problems {
    list: Vec<Problem>,
    subject: Subject,
    identifier: String,
}

impl Problems {
    pub(crate) const fn new() -> Self {
        Self {
            list: Vec::new(),
            subject: Subject::Flag,
            identifier: String::new(),
        }
    }

    /// Sets the flag or group that the next problems are about.
    pub(crate) fn about(&mut self, subject: Subject, identifier: &str) {
        self.subject = subject;
        identifier.clone_into(&mut self.identifier);
    }

    pub(crate) fn add(&mut self, sentence: impl Into<String>) {
        self.list.push(Problem {
            subject: self.subject,
            identifier: self.identifier.clone(),
            sentence: sentence.into(),
        });
    }

    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.list
    }
}
