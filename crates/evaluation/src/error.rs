//! The errors of an evaluation.

use core::fmt;

/// Why a flag has no evaluation. The caller's default applies then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EvaluationError {
    /// The snapshot has no flag of this name.
    UnknownFlag,
    /// The flag serves this target a variation that it does not define, or none at all.
    NoVariation,
}

impl EvaluationError {
    /// All errors, for tables and tests.
    pub const ALL: &'static [Self] = &[Self::UnknownFlag, Self::NoVariation];

    /// Returns a stable name for programs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UnknownFlag => "unknown_flag",
            Self::NoVariation => "no_variation",
        }
    }

    /// Returns a sentence for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::UnknownFlag => "there is no flag of this name in this environment",
            Self::NoVariation => {
                "the flag serves a variation that it does not define; check its default and off variation"
            }
        }
    }
}

impl fmt::Display for EvaluationError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.sentence())
    }
}

impl std::error::Error for EvaluationError {}

impl serde::Serialize for EvaluationError {
    /// Writes an object with `code` and `message`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut error = serializer.serialize_struct("EvaluationError", 2)?;
        error.serialize_field("code", self.code())?;
        error.serialize_field("message", self.sentence())?;
        error.end()
    }
}
