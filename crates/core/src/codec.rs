//! JSON and the values read from it: the power that differs most between the places the core runs in.

use alloc::string::String;

use crate::protocol::{Change, Domain};

/// What a sign-in reply says, its token's claims included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignIn {
    /// Sent back as `Authorization: Bearer`.
    pub token: String,
    /// Claim `environment`: a part of every later path.
    pub environment: String,
    /// Claim `clusterIdentifier`; empty where it is missing.
    pub cluster: String,
    /// Claim `environmentIdentifier`; empty where it is missing.
    pub environment_identifier: String,
    /// Claim `accountID`; empty where it is missing.
    pub account: String,
    /// Where a native `EventSource` may open the stream; empty where the server does not offer it.
    pub stream_url: String,
}

/// A change event, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeEvent<E> {
    /// What happened.
    pub change: Change,
    /// To which sort of entity.
    pub domain: Domain,
    /// Identifier of the flag or target group.
    pub identifier: String,
    /// The new evaluations, where the event carries a list of which every element is complete.
    pub evaluations: Option<E>,
}

/// What reading a stream event's data found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed<E> {
    /// A change.
    Change(ChangeEvent<E>),
    /// Well-formed, but of a sort this client does not know; to be ignored.
    Unknown,
    /// Not what the protocol says; to be reported and skipped.
    Malformed,
}

/// Reads and writes JSON, and keeps the values.
///
/// In the browser JavaScript parses JSON and keeps what it parsed: moving the strings of 10 000 evaluations into wasm and
/// back would cost about 50 ms for nothing. So the core never looks into a value. It decides which request is sent,
/// which reply counts and which flags it may write; the codec does as told and says whether anything really changed.
/// Elsewhere `SerdeCodec` does the same with values in Rust.
pub trait Codec {
    /// A parsed JSON text: the body of a reply.
    type Json;
    /// The body of a request.
    type Body;
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

    /// The current target's identifier, percent-encoded for a path segment.
    fn target_path(&self) -> String;

    /// The current target as the header `Harness-Target` wants it: base64 of the UTF-8 of its JSON. Empty leaves the
    /// header out, as for a text of [`MAX_TARGET_HEADER`] and more.
    fn target_header(&self) -> String;

    /// The body of the sign-in request for the current target.
    fn sign_in_request(&self, api_key: &str) -> Self::Body;

    /// Reads the sign-in reply; `None` where it holds no token or its token no environment.
    fn sign_in(&self, reply: &Self::Json) -> Option<SignIn>;

    /// Reads the data of a stream event.
    fn change_event(&self, data: &str) -> Parsed<Self::Evaluations>;

    /// Reads a reply that is one evaluation (`single`) or a list of them. Elements of the list that are no evaluations are
    /// left out. `None` where the reply is of another shape.
    fn evaluations(&self, reply: Self::Json, single: bool) -> Option<Self::Evaluations>;

    /// Stores `evaluations`, which are all there are: flags that are not among them vanish. Flags named in `keep` stay as
    /// they are, because something newer is known of them.
    fn replace(&mut self, evaluations: Self::Evaluations, keep: &[&str]) -> Option<Self::Changes>;

    /// Stores `evaluations` and leaves all other flags alone. `None` where nothing differs.
    fn merge(&mut self, evaluations: Self::Evaluations) -> Option<Self::Changes>;

    /// Calls `visit` with the flag of each evaluation.
    fn flags(&self, evaluations: &Self::Evaluations, visit: &mut dyn FnMut(String));

    /// Forgets `flag`. `None` where it was not known.
    fn remove(&mut self, flag: &str) -> Option<Self::Changes>;

    /// What the cache should hold now, with the key of the current target.
    fn save(&self) -> Self::Saved;

    /// Takes reads that were counted, as the body of a metrics post of at most `MAX_METRICS_BYTES`. They stay aside until
    /// [`settle_counts`](Self::settle_counts). `None` where nothing was counted.
    fn take_counts(&mut self) -> Option<Self::Body>;

    /// What became of the counts last taken, which are one body's: they arrived or can never arrive (`keep` is false) and are dropped, or they
    /// are to be counted again.
    fn settle_counts(&mut self, keep: bool);
}

/// A `Harness-Target` header of this many characters and more is left out, as the published clients do.
pub const MAX_TARGET_HEADER: usize = 262_144;

/// The most bytes in one metrics post: browsers refuse `keepalive` bodies past 64 KiB in flight.
pub const MAX_METRICS_BYTES: usize = 60_000;
