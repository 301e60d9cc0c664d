//! The interface by which the core writes requests, reads replies and keeps values. It has one implementation for pages, by
//! JavaScript, and one in Rust.

use crate::order::Moment;
use crate::protocol::{Change, Domain};

/// The requests to the service for the current target. All but signing in use what the last [`Codec::sign_in`] has read, such as
/// the token.
#[derive(Debug, PartialEq, Eq)]
pub enum Ask<'a, T> {
    /// Signs in with the key and the target, for a token.
    SignIn,
    /// Fetches all evaluations. Where there is a text, it is the `ETag` of the known list, which can be answered with 304.
    All(Option<&'a T>),
    /// Fetches the evaluation of this flag.
    Flag(&'a T),
    /// Opens the stream as a response that is read piece by piece.
    Stream,
    /// Opens the stream by the platform's own `EventSource`, at the URL that was offered at sign-in.
    NativeStream,
}

/// The result of signing in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// Whether the reply has a URL at which a native `EventSource` may open the stream, once.
    pub offers_native: bool,
}

/// A change event that was read.
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

/// The result of reading the data of a stream event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<E, T> {
    /// A change.
    Change(ChangeEvent<E, T>),
    /// The data is well-formed, but of a sort that this client does not know. It is ignored.
    Unknown,
    /// The data is not what the protocol says; it is reported and skipped.
    Malformed,
}

/// Writes requests, reads replies, and keeps the values.
///
/// In the browser JavaScript parses JSON and keeps the result: moving the strings of 10 000 evaluations into wasm and back would
/// take about 50 ms and gain nothing. The core therefore never reads a value, a URL or a token. It decides which request is
/// sent, which reply counts and since when something is known; the codec writes, reads and stores accordingly, and returns
/// what really changed. Elsewhere `SerdeCodec` does the same with requests and values in Rust.
///
/// # Which of two answers is newer
/// Evaluations are stored with the [`Moment`] as of which they are known. The codec keeps that moment for each flag, also for
/// removed ones, and does not change a flag of which it knows something later.
pub trait Codec {
    /// A parsed JSON text: the body of a reply.
    type Json;
    /// A text that the core compares and passes on, and does not read: a flag's identifier, a tag, the name of a group.
    type Text: PartialEq;
    /// A request, ready to send.
    type Request;
    /// Evaluations that were read and are not stored yet.
    type Evaluations;
    /// The differences that storing has made, for the application's listeners.
    type Changes;
    /// The content that the cache is to hold.
    type Saved;
    /// The target for which flags are evaluated.
    type Target;

    /// Makes `target` the current one. From now on requests, the cache and counts are for it. The values stay until they are
    /// replaced.
    fn set_target(&mut self, target: Self::Target);

    /// Returns the name of the group of tabs that may share a stream: a short text of letters, digits and dashes. It is the same
    /// for the same service, key and target, and does not show any of them. `None` where the target is too large to compare.
    fn group(&self) -> Option<Self::Text>;

    /// Writes the request for `ask`.
    fn request(&self, ask: Ask<'_, Self::Text>) -> Self::Request;

    /// Reads the reply to signing in and keeps it for the requests that follow. `None` where it has no token, or the token has no
    /// environment.
    fn sign_in(&mut self, reply: Self::Json) -> Option<SignedIn>;

    /// Reads the data of a stream event, UTF-8 to be decoded with replacement.
    fn change_event(&self, data: &[u8]) -> Parsed<Self::Evaluations, Self::Text>;

    /// Reads a reply that is one evaluation (`single`) or a list of them. Elements of the list that are no evaluations are
    /// left out. `None` where the reply is of another shape.
    fn evaluations(&self, reply: Self::Json, single: bool) -> Option<Self::Evaluations>;

    /// Stores `evaluations` as a complete list: flags that are not among them are removed. `None` where nothing differs.
    fn replace(&mut self, evaluations: Self::Evaluations, as_of: Moment) -> Option<Self::Changes>;

    /// Stores `evaluations` and leaves all other flags alone. `None` where nothing differs.
    fn merge(&mut self, evaluations: Self::Evaluations, as_of: Moment) -> Option<Self::Changes>;

    /// Forgets `flag`'s value. `None` where it had none.
    fn remove(&mut self, flag: &Self::Text, as_of: Moment) -> Option<Self::Changes>;

    /// Forgets when flags were removed, because nothing older than what is known now will be stored any more.
    fn settle(&mut self);

    /// Returns what the cache should hold now, with the key of the current target.
    fn save(&self) -> Self::Saved;

    /// Takes counts of reads, as a metrics post with a body of at most `MAX_METRICS_BYTES`. They are pending until
    /// [`settle_counts`](Self::settle_counts). `None` where nothing was counted.
    fn take_counts(&mut self) -> Option<Self::Request>;

    /// Settles the pending counts, which are those of one body. They are dropped where they arrived or can never arrive (`keep`
    /// is false), and else counted again.
    fn settle_counts(&mut self, keep: bool);
}

/// A `Harness-Target` header of this many characters and more is left out, as the published clients do.
pub const MAX_TARGET_HEADER: usize = 262_144;

/// The most bytes in one metrics post: browsers refuse `keepalive` bodies past 64 KiB in flight.
pub const MAX_METRICS_BYTES: usize = 60_000;
