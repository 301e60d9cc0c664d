//! Changing one flag in the text of a flags file, and nothing else in it.

use crate::source::{Edit, EditError};

/// The text with the change made.
pub(crate) fn apply(_text: &str, _flag: &str, _edit: &Edit) -> Result<String, EditError> {
    Err(EditError::Refused("not yet".to_owned()))
}
