//! How far the values can be trusted, and why.

use crate::numbered;

numbered! {
    /// How far the values can be trusted.
    pub enum Status {
        /// No values yet: defaults are served.
        Initializing,
        /// Values of an earlier visit or given by the page; the server has not been heard yet.
        Cached,
        /// What the server said last, and nothing is known to be wrong: changes are heard of in the way that the options ask for.
        Ready,
        /// What the server said last, but it may have changed since: the reason says what is wrong.
        Stale,
        /// Closed by the application.
        Closed,
    }
}

numbered! {
    /// Why the status is what it is.
    pub enum Why {
        /// Nothing is wrong.
        Fine,
        /// Signing in fails: the server answered with an error that may pass, or refused a token that is being replaced.
        Auth,
        /// Fetching evaluations fails: the server answered with an error.
        Fetch,
        /// There is to be a stream, and the last attempt at it failed, or it was lost, or it was given up.
        Stream,
        /// The page is hidden and its stream was closed.
        Hidden,
        /// The target was switched and its evaluations have not come yet.
        Target,
        /// The server refused the key or the target. Nothing is tried any more but with another target.
        Refused,
        /// Signing in or fetching evaluations got no answer, or none in time.
        Unreachable,
    }
}
