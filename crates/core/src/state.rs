//! How far the values can be trusted, and why.

use crate::numbered;

numbered! {
    /// The status of a client, which says how current its values are.
    pub enum Status {
        /// There are no values yet, and every read returns its default.
        Initializing,
        /// The values are from an earlier visit or given by the page; the server has not answered yet.
        Cached,
        /// The values are the server's, and changes arrive as the options ask: by the stream, or by polling.
        Ready,
        /// The values are the server's last answer, but may be out of date; the reason says why.
        Stale,
        /// The application has closed the client.
        Closed,
    }
}

numbered! {
    /// The reason for a status.
    pub enum Why {
        /// Nothing is wrong.
        Fine,
        /// Signing in fails: the server answered with a temporary error, or refused a token, which the client is replacing.
        Auth,
        /// Fetching evaluations fails: the server answered with an error.
        Fetch,
        /// The stream could not be opened, was lost, or was given up after too many attempts.
        Stream,
        /// The page is hidden, and the client has closed its stream.
        Hidden,
        /// The target was switched, and its evaluations have not arrived yet.
        Target,
        /// The server refused the key or the target. The client tries again only with another target.
        Refused,
        /// A sign-in or a fetch of evaluations got no answer in time.
        Unreachable,
    }
}
