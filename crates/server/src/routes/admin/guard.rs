//! Decides which requests the admin page's endpoints answer.

use std::net::IpAddr;

use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderName};

use crate::auth::AdminUser;
use crate::error::ApiError;
use crate::state::AppState;

/// Refuses requests from other sites, and requests without the admin token. If no token is set, allows requests to a
/// server that listens on this machine only, under a name of this machine. Returns who sends the request.
pub(super) fn guard(
    headers: &HeaderMap,
    address: IpAddr,
    state: &AppState,
) -> Result<AdminUser, ApiError> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let refused = |reason: &str| Err(ApiError::Forbidden(reason.to_owned()));
    let Some(host) = text(HOST) else {
        return refused("a request needs a Host header");
    };
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site"))
        && !matches!(site, "same-origin" | "none")
    {
        return refused("the admin page cannot be used from another site");
    }
    if let Some(origin) = text(ORIGIN)
        && origin.split_once("://").map(|(_, rest)| rest) != Some(host)
    {
        return refused("the admin page cannot be used from another site");
    }
    let tokens = &state.settings.admin_tokens;
    if !tokens.is_empty() {
        let given = text(AUTHORIZATION)
            .and_then(|value| value.split_once(' '))
            .map(|(_, token)| token.trim())
            .unwrap_or_default();
        let wrong = ApiError::Unauthorized("the admin token is missing or wrong");
        // The page first sends a request without a token, which does not count as a guess.
        if given.is_empty() {
            return Err(wrong);
        }
        let mut user = None;
        let is_right = || {
            user = tokens.find(given);
            user.is_some()
        };
        let checked = state.guesses.look(address, given.len(), is_right);
        checked.map_err(ApiError::TooManyGuesses)?;
        return user.cloned().ok_or(wrong);
    }
    if !state.settings.loopback {
        return refused(
            "this server can be reached from other machines; start it with --admin-token to use the admin page",
        );
    }
    if is_loopback_name(host) {
        return Ok(AdminUser::local());
    }
    refused(
        "open the admin page as http://localhost or http://127.0.0.1, or start the server with --admin-token",
    )
}

/// Whether a `Host` header names this machine.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback_name;

    #[test]
    fn knows_the_names_of_this_machine() {
        for host in [
            "localhost",
            "localhost:7700",
            "127.0.0.1:80",
            "127.8.8.8",
            "[::1]:7700",
            "LOCALHOST",
        ] {
            assert!(is_loopback_name(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "192.168.0.2",
            "127.0.0.1.evil.example",
            "[fe80::1]",
        ] {
            assert!(!is_loopback_name(host), "{host}");
        }
    }
}
