//! The largest requests that are read.

/// The largest head of a request: `Harness-Target` may take 256 KiB, and there is more than that header. What arrives in
/// the same read may be somewhat more; past that the answer is 431.
pub(crate) const MAX_HEAD_BYTES: usize = 352 * 1024;

/// The most headers of a request; past that the answer is 431.
pub(crate) const MAX_HEADERS: usize = 100;

/// The largest body of a request.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// The largest report of metrics: that of a back end with many targets.
pub(crate) const MAX_REPORT_BYTES: usize = 1024 * 1024;
