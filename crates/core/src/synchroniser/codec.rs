//! The interface by which the synchroniser writes requests, reads replies and stores configuration.

use crate::protocol::{Change, Domain};

/// The requests to the service for an environment's configuration. All but signing in use what the last
/// [`EnvironmentCodec::sign_in`] has read, such as the token.
#[derive(Debug, PartialEq, Eq)]
pub enum EnvironmentAsk<'a, T> {
    /// Signs in with the server key, for a token.
    SignIn,
    /// Fetches all flags, or all target groups. Where there is a text, it is the `ETag` of the known list, which can be answered
    /// with 304.
    All(Domain, Option<&'a T>),
    /// Fetches the flag or target group with this identifier.
    One(Domain, &'a T),
    /// Opens the stream of changes.
    Stream,
}

/// The result of signing in with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyCheck {
    /// There is a token for an environment.
    SignedIn,
    /// The token is that of a client key, with which no configuration can be fetched.
    ClientKey,
    /// The reply has no token, or the token has no environment.
    Malformed,
}

/// A change of a flag or target group that an event announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityEvent<T> {
    /// What happened.
    pub change: Change,
    /// Whether it happened to a flag or to a target group.
    pub domain: Domain,
    /// The identifier of the flag or target group.
    pub identifier: T,
    /// The version that the change has made, where the event has it.
    pub version: Option<i64>,
}

/// The result of reading the data of a stream event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParsedEntity<T> {
    /// A change.
    Change(EntityEvent<T>),
    /// The data is well-formed, but of a sort that has nothing to do with configuration. It is ignored.
    Unknown,
    /// The data is not what the protocol says. It may have announced any change, so both lists are fetched.
    Malformed,
}

/// The result of storing entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<C> {
    /// The differences that storing has made; `None` where nothing differs.
    pub changes: Option<C>,
    /// Whether some entry was older than the stored one, which was kept, or was to be left out.
    pub behind: bool,
}

/// What is stored under an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldVersion {
    /// Nothing.
    Nothing,
    /// An entry of this version, where it has one.
    Entry(Option<i64>),
}

impl HeldVersion {
    /// Returns whether a change that has made this version needs no fetch any more. An entry without a version cannot be compared,
    /// and counts as current.
    pub(crate) fn has(self, version: i64) -> bool {
        match self {
            Self::Nothing => false,
            Self::Entry(held) => held.is_none_or(|held| held >= version),
        }
    }
}

/// Writes requests, reads replies, and stores the flags and target groups of one environment.
///
/// The synchroniser never reads a rule, a URL or a token. It decides which request is sent, which reply counts and whether a reply may
/// replace a newer entry; the codec writes, reads and stores accordingly.
pub trait EnvironmentCodec {
    /// A parsed JSON text: the body of a reply.
    type Json;
    /// A text that the synchroniser compares and passes on, and does not read: an identifier or a tag.
    type Text: Clone + PartialEq;
    /// A request, ready to send.
    type Request;
    /// Flags or target groups that were read and are not stored yet.
    type Entries;
    /// The differences that storing has made.
    type Changes;

    /// Writes the request for `ask`.
    fn request(&self, ask: EnvironmentAsk<'_, Self::Text>) -> Self::Request;

    /// Reads the reply to signing in and keeps it for the requests that follow.
    fn sign_in(&mut self, reply: Self::Json) -> KeyCheck;

    /// Reads the data of a stream event, UTF-8 to be decoded with replacement.
    fn entity_event(&self, data: &[u8]) -> ParsedEntity<Self::Text>;

    /// Reads a reply that is the flag or target group `one`, or without that a list of them. `None` where the reply is of another
    /// shape, so that a broken list never removes entries, or is another entry than the one asked for.
    fn entries(
        &self,
        domain: Domain,
        reply: Self::Json,
        one: Option<&Self::Text>,
    ) -> Option<Self::Entries>;

    /// Stores `entries` as the complete list of `domain`: others are removed. Entries whose identifier is in `gone` are left out. An
    /// entry with a lower version than the stored one does not replace it, unless `trusted`.
    fn replace(
        &mut self,
        domain: Domain,
        entries: Self::Entries,
        gone: &[Self::Text],
        trusted: bool,
    ) -> Stored<Self::Changes>;

    /// Stores `entries` and leaves all others alone. An entry with a lower version than the stored one does not replace it.
    fn merge(&mut self, domain: Domain, entries: Self::Entries) -> Stored<Self::Changes>;

    /// Removes an entry. `None` where there is none with this identifier.
    fn remove(&mut self, domain: Domain, identifier: &Self::Text) -> Option<Self::Changes>;

    /// Returns what is stored under an identifier.
    fn held(&self, domain: Domain, identifier: &Self::Text) -> HeldVersion;
}
