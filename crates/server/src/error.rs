//! What a request can come to, as status and body.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use flagwire_core::protocol::ErrorReply;

/// A refused request. The body is `{"code": "<status>", "message": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// 400: the request itself is wrong; sending it again will not help.
    #[error("{0}")]
    BadRequest(String),
    /// 401: no or wrong key, token or ticket.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403: a right key for something else.
    #[error("{0}")]
    Forbidden(String),
    /// 404: no such thing.
    #[error("{0}")]
    NotFound(String),
    /// 405: no such thing with this method.
    #[error("this method is not allowed here")]
    MethodNotAllowed,
    /// 409: the state of things does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// 413: more than is read.
    #[error("the body is larger than this server reads here")]
    TooLarge,
    /// 415: the body's type is not the one asked for.
    #[error("{0}")]
    UnsupportedMediaType(&'static str),
    /// 503: not yet or not now; worth another try.
    #[error("{0}")]
    Unavailable(&'static str),
    /// 500: our fault. The reason is logged, not sent.
    #[error("internal error")]
    Internal(String),
}

impl ApiError {
    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(reason) = &self {
            tracing::error!(reason, "internal error");
        }
        let status = self.status();
        let body = ErrorReply {
            code: status.as_str().to_owned(),
            message: self.to_string(),
        };
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(
                axum::http::header::RETRY_AFTER,
                axum::http::HeaderValue::from_static("2"),
            );
        }
        response
    }
}
