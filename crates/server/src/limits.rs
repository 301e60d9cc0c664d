//! The largest requests that are read.

/// The largest head of a request, in bytes: `Harness-Target` may take 256 KiB, and there are other headers. A larger
/// one is answered with 431.
pub(crate) const MAX_HEAD_BYTES: usize = 352 * 1024;

/// The highest number of headers of a request. More are answered with 431.
pub(crate) const MAX_HEADERS: usize = 100;

/// The largest body of a request, in bytes, except for reports of metrics.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// The largest report of metrics, in bytes. Back ends with many targets send large ones.
pub(crate) const MAX_REPORT_BYTES: usize = 1024 * 1024;
