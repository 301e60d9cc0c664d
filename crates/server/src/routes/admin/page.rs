//! The page itself: a few files that are part of the program.

use axum::Router;
use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::state::AppState;

/// The page needs nothing from other origins, no page may frame it, and no text can become markup or a script.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

const PAGE: &str = include_str!("../../assets/admin/page.html");

/// The files that the page loads, by name.
macro_rules! part {
    ($kind:expr, $name:literal) => {
        (
            concat!("/admin/", $name),
            $kind,
            include_str!(concat!("../../assets/admin/", $name)),
        )
    };
}

const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, PAGE),
    ("/admin", HTML, PAGE),
    part!(CSS, "page.css"),
    part!(SCRIPT, "main.js"),
    part!(SCRIPT, "dom.js"),
    part!(SCRIPT, "server.js"),
    part!(SCRIPT, "words.js"),
    part!(SCRIPT, "flags.js"),
    part!(SCRIPT, "flag.js"),
    part!(SCRIPT, "editor.js"),
    part!(SCRIPT, "form.js"),
    part!(SCRIPT, "fields.js"),
    part!(SCRIPT, "changes.js"),
    part!(SCRIPT, "why.js"),
    part!(SCRIPT, "walk.js"),
    part!(SCRIPT, "streams.js"),
    part!(SCRIPT, "events.js"),
    part!(SCRIPT, "source.js"),
];

pub(super) fn routes() -> Router<AppState> {
    FILES
        .iter()
        .fold(Router::new(), |router, (path, kind, text)| {
            router.route(path, get(async || asset(kind, text)))
        })
}

fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &'static str); 6] = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text)
}
