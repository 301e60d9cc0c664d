//! The wire and the values read from it: the power that differs most between the places the core runs in.

use crate::order::Moment;
use crate::protocol::{Change, Domain};

/// What there is to ask of the service for the current target. All but signing in is asked with what the last
/// [`Codec::sign_in`] read.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask<'a, T> {
    /// Who the client is, for a token.
    SignIn,
    /// All evaluations; where there is a text, only if they are not those of this `ETag` any more.
    All(Option<&'a T>),
    /// The evaluation of this flag.
    Flag(&'a T),
    /// The stream, read from a response.
    Stream,
    /// The stream, by the platform's own `EventSource`: the URL that was offered at sign-in.
    NativeStream,
}

/// A sign-in that worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// The service gave a URL where a native `EventSource` may open the stream, once.
    pub offers_native: bool,
}

/// A change event, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEvent<E, T> {
    /// What happened.
    pub change: Change,
    /// The sort of entity to which it happened.
    pub domain: Domain,
    /// The identifier of the flag or target group.
    pub identifier: T,
    /// The new evaluations, where the event carries a list of which every element is complete.
    pub evaluations: Option<E>,
}

/// What reading a stream event's data found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<E, T> {
    /// A change.
    Change(ChangeEvent<E, T>),
    /// The data is well-formed, but of a sort this client does not know; to be ignored.
    Unknown,
    /// The data is not what the protocol says; it is reported and skipped.
    Malformed,
}

/// Writes requests, reads replies, and keeps the values.
///
/// In the browser JavaScript parses JSON and keeps what it parsed: moving the strings of 10 000 evaluations into wasm and
/// back would cost about 50 ms for nothing. So the core never looks into a value, nor into the URL or the token that it is
/// asked for with. It decides which request is sent, which reply counts and since when something is known; the codec does so
/// and says whether anything really changed. Elsewhere `SerdeCodec` does the same with requests and values in Rust.
///
/// # Which of two answers is newer
/// What is stored comes with the [`Moment`] as of which it is known. The codec remembers that moment with each flag, with
/// removed ones too, and leaves a flag alone of which it knows something later.
pub trait Codec {
    /// A parsed JSON text: the body of a reply.
    type Json;
    /// A text that the core compares and passes on, and does not read: a flag's identifier, a tag, the name of a group.
    type Text: PartialEq;
    /// A request, ready to send.
    type Request;
    /// Evaluations that were read but not yet stored.
    type Evaluations;
    /// What storing altered, for the application's listeners.
    type Changes;
    /// What the cache is to hold.
    type Saved;
    /// Who the flags are served to.
    type Target;

    /// Makes `target` the current one. Requests, the cache and counts are its from now on; values stay until replaced.
    fn set_target(&mut self, target: Self::Target);

    /// Returns the name of the group of tabs that may share a stream: a short text of letters, digits and dashes, the same for the
    /// same service, key and target, that tells none of them. `None` where the target is too large to compare.
    fn group(&self) -> Option<Self::Text>;

    /// Writes the request for `ask`.
    fn request(&self, ask: Ask<'_, Self::Text>) -> Self::Request;

    /// Reads and remembers the sign-in reply, for the requests that follow; `None` where it holds no token or its token no
    /// environment.
    fn sign_in(&mut self, reply: Self::Json) -> Option<SignedIn>;

    /// Reads the data of a stream event, UTF-8 to be decoded with replacement.
    fn change_event(&self, data: &[u8]) -> Parsed<Self::Evaluations, Self::Text>;

    /// Reads a reply that is one evaluation (`single`) or a list of them. Elements of the list that are no evaluations are
    /// left out. `None` where the reply is of another shape.
    fn evaluations(&self, reply: Self::Json, single: bool) -> Option<Self::Evaluations>;

    /// Stores `evaluations`, which are all there are: flags that are not among them vanish. `None` where nothing differs.
    fn replace(&mut self, evaluations: Self::Evaluations, as_of: Moment) -> Option<Self::Changes>;

    /// Stores `evaluations` and leaves all other flags alone. `None` where nothing differs.
    fn merge(&mut self, evaluations: Self::Evaluations, as_of: Moment) -> Option<Self::Changes>;

    /// Forgets `flag`'s value. `None` where it had none.
    fn remove(&mut self, flag: &Self::Text, as_of: Moment) -> Option<Self::Changes>;

    /// Forgets when flags were removed, because nothing older than what is known now will be stored any more.
    fn settle(&mut self);

    /// Returns what the cache should hold now, with the key of the current target.
    fn save(&self) -> Self::Saved;

    /// Takes reads that were counted, as a metrics post with a body of at most `MAX_METRICS_BYTES`. They stay pending until
    /// [`settle_counts`](Self::settle_counts). `None` where nothing was counted.
    fn take_counts(&mut self) -> Option<Self::Request>;

    /// Settles the counts that were taken last, which are one body's: they arrived or can never arrive (`keep` is false) and are
    /// dropped, or they are to be counted again.
    fn settle_counts(&mut self, keep: bool);
}

/// A `Harness-Target` header of this many characters and more is left out, as the published clients do.
pub const MAX_TARGET_HEADER: usize = 262_144;

/// The most bytes in one metrics post: browsers refuse `keepalive` bodies past 64 KiB in flight.
pub const MAX_METRICS_BYTES: usize = 60_000;
