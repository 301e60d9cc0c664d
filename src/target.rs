//! Who flags are served to.

use flagwire_core::protocol;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Error;

/// Who flags are served to: a user or a device.
///
/// ```
/// # fn main() -> Result<(), flagwire::Error> {
/// use flagwire::Target;
///
/// #[derive(serde::Serialize)]
/// struct Account<'a> {
///     plan: &'a str,
///     seats: u32,
/// }
///
/// let target = Target::new("user-42")
///     .name("Ada")
///     .attributes(&Account { plan: "gold", seats: 12 })?
///     .attribute("beta", true);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Target(pub(super) protocol::Target);

impl Target {
    /// Makes a target of its identifier, which must be unique and stable. Harness accepts letters, digits and `.@_-`.
    #[must_use]
    pub fn new(identifier: impl Into<String>) -> Self {
        Self(protocol::Target {
            identifier: identifier.into(),
            ..protocol::Target::default()
        })
    }

    /// Sets the name for people to read; without one it is the identifier.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.name = Some(name.into());
        self
    }

    /// Sets whether the target is unknown to you. Give all anonymous visitors one identifier, and they count as one.
    #[must_use]
    pub fn anonymous(mut self, anonymous: bool) -> Self {
        self.0.anonymous = Some(anonymous);
        self
    }

    /// Sets an attribute, for rules to look at. It may be a text, a number, a boolean, a list of these, or any [`Value`].
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        let attributes = self.0.attributes.get_or_insert_default();
        attributes.insert(name.into(), value.into());
        self
    }

    /// Sets the attributes that `attributes` has: a struct or a map. Others that were set stay.
    ///
    /// # Errors
    /// Fails with [`Error::Attributes`] where it is something else, or JSON cannot hold it.
    pub fn attributes(mut self, attributes: &impl Serialize) -> Result<Self, Error> {
        let value = serde_json::to_value(attributes)
            .map_err(|error| Error::Attributes(error.to_string()))?;
        let Value::Object(new) = value else {
            return Err(Error::Attributes(format!("this is {value}")));
        };
        let held: &mut Map<_, _> = self.0.attributes.get_or_insert_default();
        held.extend(new);
        Ok(self)
    }

    pub(super) fn check(self) -> Result<protocol::Target, Error> {
        if self.0.identifier.is_empty() {
            return Err(Error::MissingTarget);
        }
        Ok(self.0)
    }
}
