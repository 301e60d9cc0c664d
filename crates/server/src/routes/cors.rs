//! Decides what pages of other origins may do (CORS).
//!
//! Browsers ask before they send a header that is not a plain one. Which headers a page sends is not its own choice
//! alone: tracing adds `traceparent`, `baggage`, `sentry-trace`, `x-datadog-…`, `newrelic`, `b3`, and an application's
//! own code may add any other. A list of names would always lack one, and then no flags load. So every name that a
//! browser asks for is allowed.
//!
//! That is safe because nothing here rests on a header that a page could not send anyway. Pages are asked for no
//! cookies, no client certificates and no passwords of the browser (`Access-Control-Allow-Credentials` is never sent),
//! so a foreign page can do no more than any other program that has the key. Headers by which a browser tells what it
//! knows itself (`Origin`, `Sec-Fetch-Site`, `Host`) can be set by no page, whatever a preflight allows. The admin
//! page's endpoints, which may trust all requests from this machine, answer no preflight at all.
//!
//! Source: the Fetch standard, "CORS protocol" and "forbidden request-header".

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{ACCESS_CONTROL_REQUEST_HEADERS, ETAG, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// The longest list of header names that is allowed, in bytes. Pages send about a tenth of that.
const MAX_NAMES_BYTES: usize = 4096;

/// Returns the layer that answers preflights. It repeats the names that were asked for, as the wildcard does not cover
/// `Authorization`.
pub(super) fn layer(origins: &[String]) -> CorsLayer {
    let origin = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(
            origins
                .iter()
                .filter_map(|origin| HeaderValue::from_str(origin).ok()),
        )
    };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([ETAG, RETRY_AFTER])
        .max_age(Duration::from_secs(86_400))
}

/// Removes a list that is not one of header names, so that the reply repeats nothing but names.
pub(super) async fn check_preflight(mut request: Request, next: Next) -> Response {
    let asked = request.headers().get_all(ACCESS_CONTROL_REQUEST_HEADERS);
    let mut lists = asked.iter();
    let fine = match (lists.next(), lists.next()) {
        (None, _) => true,
        (Some(names), None) => are_names(names.as_bytes()),
        (Some(_), Some(_)) => false,
    };
    if !fine {
        request.headers_mut().remove(ACCESS_CONTROL_REQUEST_HEADERS);
    }
    next.run(request).await
}

/// Whether `list` is one of header names: at least one, with commas and blanks between them.
fn are_names(list: &[u8]) -> bool {
    list.len() <= MAX_NAMES_BYTES
        && list
            .split(|byte| *byte == b',')
            .all(|name| HeaderName::from_bytes(name.trim_ascii()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_anything_else() {
        for good in [
            "a",
            "authorization, x-datadog-trace-id,b3",
            "a ,\tb",
            "x_y.z!#$%&'*+-^`|~",
        ] {
            assert!(are_names(good.as_bytes()), "{good}");
        }
        for bad in [
            "", " ", "a,", ",a", "a,,b", "a b", "a: b", "é", "a\0", "\"a\"", "a;b", "(a)",
        ] {
            assert!(!are_names(bad.as_bytes()), "{bad:?}");
        }
        assert!(are_names(&[b'a'; MAX_NAMES_BYTES]));
        assert!(!are_names(&vec![b'a'; MAX_NAMES_BYTES + 1]));
    }
}
