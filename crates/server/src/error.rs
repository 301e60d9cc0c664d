//! Defines the errors that requests are answered with, each with its status and body.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use flagwire_core::protocol::ErrorReply;
use flagwire_flags_file::edit::Mistake;
use serde_json::json;

/// A refused request. The body is `{"code": "<status>", "message": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// 400: the request itself is wrong, so the same request will fail again.
    #[error("{0}")]
    BadRequest(String),
    /// 400: a definition has mistakes. The body also has them under `mistakes`, each with its place.
    #[error("{}", .0.iter().map(|one| one.message.as_str()).collect::<Vec<_>>().join("; "))]
    Mistakes(Vec<Mistake>),
    /// 401: the key, the token or the ticket is missing or wrong.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403: the key is valid, but does not allow this.
    #[error("{0}")]
    Forbidden(String),
    /// 404: what was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// 405: the endpoint does not have this method.
    #[error("this method is not allowed here")]
    MethodNotAllowed,
    /// 408: the head of the request did not arrive in time.
    #[error("the head of the request took too long; send it at once")]
    HeadTooSlow,
    /// 408: the body of the request did not arrive in time, or the reply was not made in time.
    #[error("the request took too long; send its body at once")]
    TooSlow,
    /// 409: the present state does not allow the request.
    #[error("{0}")]
    Conflict(String),
    /// 413: the body is larger than is read.
    #[error("the body is larger than this server reads here")]
    TooLarge,
    /// 414: the URL is longer than the parser accepts.
    #[error("the address is too long: it may take 65,534 bytes")]
    UriTooLong,
    /// 431: the head is larger than is read.
    #[error(
        "the headers are too large: together they may take {} KiB, and there may be 100 of them; send a smaller Harness-Target",
        crate::limits::MAX_HEAD_BYTES / 1024
    )]
    HeadTooLarge,
    /// 415: the type of the body is not the one that is wanted.
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    /// 429: too many wrong admin tokens have arrived, so this one was not checked. Holds the time to wait.
    #[error("too many wrong admin tokens; the next one is looked at in {} s", .0.as_secs() + 1)]
    TooManyGuesses(std::time::Duration),
    /// 503: the address has too many connections open.
    #[error("too many connections from this address are open; close some, and try again")]
    TooManyConnections,
    /// 503: the request cannot be answered at the moment; the client should try again.
    #[error("{0}")]
    Unavailable(&'static str),
    /// 503: something that the request needs does not answer.
    #[error("{0}")]
    Busy(String),
    /// 507: there is no room on the disk.
    #[error("{0}")]
    StorageFull(String),
    /// 500: the server has failed. The reason is logged and not sent.
    #[error("internal error")]
    Internal(String),
}

impl ApiError {
    /// Returns the HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::Mistakes(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::HeadTooSlow | Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooManyGuesses(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooManyConnections | Self::Unavailable(_) | Self::Busy(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::StorageFull(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl ApiError {
    /// Returns the seconds to wait before another try, if the reply is to name them.
    fn retry_after(&self) -> Option<u64> {
        if let Self::TooManyGuesses(wait) = self {
            return Some(wait.as_secs() + 1);
        }
        (self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(2)
    }

    fn body(&self) -> ErrorReply {
        ErrorReply {
            code: self.status().as_str().to_owned(),
            message: self.to_string(),
        }
    }

    /// Returns the whole reply as bytes of HTTP/1.1, for a connection that ends with it.
    pub(crate) fn as_http1(&self) -> Vec<u8> {
        let body = serde_json::to_string(&self.body()).unwrap_or_default();
        let (status, length) = (self.status(), body.len());
        let retry = self.retry_after().map_or(String::new(), |seconds| {
            format!("retry-after: {seconds}\r\n")
        });
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{retry}connection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(reason) = &self {
            tracing::error!(reason, "internal error");
        }
        if let Self::Mistakes(mistakes) = &self {
            let ErrorReply { code, message } = self.body();
            let body = json!({ "code": code, "message": message, "mistakes": mistakes });
            return (self.status(), Json(body)).into_response();
        }
        let mut response = (self.status(), Json(self.body())).into_response();
        if let Some(seconds) = self.retry_after() {
            response
                .headers_mut()
                .insert(axum::http::header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
