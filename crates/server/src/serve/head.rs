//! Checks the head of every request, for all versions of HTTP: limits its size, and sees to it that the host is named
//! in one place, the `Host` header.
//!
//! HTTP/2 has the host in `:authority`, and a request through a proxy may have it in its request target. A check of the
//! host that only knew the header could be avoided by these.
//!
//! Source: RFC 9110, section 7.2; RFC 9112, sections 3.2 and 3.2.2; RFC 9113, sections 6.5.2 and 8.3.1.

use axum::http::header::HOST;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Request, Version};

use crate::error::ApiError;
use crate::limits::{MAX_HEAD_BYTES, MAX_HEADERS};

/// The bytes that HTTP/2 counts for a header besides its name and its value.
const OVERHEAD_BYTES: usize = 32;

/// Returns the size of a head in bytes, as [`check_size`] limits it.
pub(super) fn bytes<B>(request: &Request<B>) -> usize {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len() + OVERHEAD_BYTES);
    let path = request.uri().path_and_query();
    headers.sum::<usize>() + path.map_or(0, |path| path.as_str().len())
}

/// Refuses a head past the limits. hyper and h2 also limit it while they read it, but each measures the size in another
/// way, and h2 does not limit the number of headers.
///
/// # Errors
/// [`ApiError::HeadTooLarge`], which is answered with 431.
pub(super) fn check_size<B>(request: &Request<B>) -> Result<(), ApiError> {
    if request.headers().len() > MAX_HEADERS || bytes(request) > MAX_HEAD_BYTES {
        return Err(ApiError::HeadTooLarge);
    }
    Ok(())
}

/// Checks the host of a request, and sets the `Host` header to that of the request target where that names one.
///
/// # Errors
/// [`ApiError::BadRequest`] for HTTP/1.1 without the header, for more than one, for one that cannot name a host, and in
/// HTTP/2 for one that names another host than `:authority`.
pub(super) fn settle_host<B>(request: &mut Request<B>) -> Result<(), ApiError> {
    let wrong = |reason: &str| Err(ApiError::BadRequest(reason.to_owned()));
    let version = request.version();
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return wrong("the request has several Host headers; send one");
    }
    if host.is_some_and(|host| !names_a_host(host)) {
        return wrong(
            "the Host header names no host; send the name and the port that you connect to",
        );
    }
    let authority = request.uri().authority().map(Authority::as_str);
    // A user and a password before the host are dropped, as no handler needs them.
    let authority = authority.map(|text| text.rsplit('@').next().unwrap_or(text));
    let authority = match (authority, host) {
        (None, None) if version == Version::HTTP_11 => {
            return wrong(
                "a request of HTTP/1.1 needs a Host header; send the name and the port that you connect to",
            );
        }
        (None, _) => return Ok(()),
        (Some(authority), Some(host))
            if version == Version::HTTP_2
                && !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) =>
        {
            return wrong("the Host header names another host than :authority; leave it out");
        }
        (Some(authority), _) => HeaderValue::from_str(authority),
    };
    match authority {
        Ok(authority) => {
            request.headers_mut().insert(HOST, authority);
            Ok(())
        }
        Err(_) => wrong("the address of the request names no host"),
    }
}

/// Whether the header can name a host. An empty one is allowed, as it belongs to an address without a host.
fn names_a_host(host: &HeaderValue) -> bool {
    let Ok(text) = host.to_str() else {
        return false;
    };
    text.is_empty() || (!text.contains('@') && text.parse::<Authority>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(version: Version, uri: &str, hosts: &[&str]) -> Result<String, String> {
        let mut request = Request::builder().version(version).uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        let mut request = request.body(()).unwrap();
        settle_host(&mut request).map_err(|error| error.to_string())?;
        let host = request.headers().get(HOST);
        Ok(host.map_or(String::new(), |host| host.to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_host_is_in_one_header_whatever_the_version() {
        for (version, uri, hosts, expected) in [
            (Version::HTTP_11, "/", &["a:1"][..], Ok("a:1")),
            (Version::HTTP_11, "/", &[""], Ok("")),
            (Version::HTTP_11, "/", &["[::1]:7700"], Ok("[::1]:7700")),
            (Version::HTTP_11, "http://a:1/", &["localhost"], Ok("a:1")),
            (Version::HTTP_2, "https://a:1/", &[], Ok("a:1")),
            (Version::HTTP_2, "https://a:1/", &["A:1"], Ok("a:1")),
            (Version::HTTP_10, "/", &[], Ok("")),
            (Version::HTTP_11, "/", &[], Err("needs a Host header")),
            (
                Version::HTTP_11,
                "/",
                &["a", "a"],
                Err("several Host headers"),
            ),
            (Version::HTTP_11, "/", &["a b"], Err("names no host")),
            (Version::HTTP_11, "/", &["user@a"], Err("names no host")),
            (
                Version::HTTP_2,
                "https://a:1/",
                &["localhost"],
                Err("another host than :authority"),
            ),
        ] {
            match (settled(version, uri, hosts), expected) {
                (Ok(host), Ok(expected)) => assert_eq!(host, expected, "{uri} {hosts:?}"),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (settled, _) => panic!("{version:?} {uri} {hosts:?}: {settled:?}"),
            }
        }
    }
}
