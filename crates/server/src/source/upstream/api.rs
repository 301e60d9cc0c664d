//! The requests a relay makes: it is a client of the same endpoints that this server serves to back ends.

use std::fmt;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flagwire_core::Millis;
use flagwire_core::protocol::{Claims, Metrics, SignInReply, SignInRequest};
use flagwire_evaluation::model::{FeatureConfig, Segment};
use reqwest::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, RETRY_AFTER,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, redirect};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The largest reply that is read: ten thousand flags take about 4 MB.
const MAX_REPLY_BYTES: usize = 64 * 1024 * 1024;

/// How many redirects are followed for one request.
const MAX_REDIRECTS: usize = 5;

/// Names the software, as the published clients do.
pub(crate) const SDK_INFO: &str = concat!("Flagwire-Relay ", env!("CARGO_PKG_VERSION"), " Server");

/// The hosts of Harness's service: the first takes all requests but those with metrics, which the second takes.
const HARNESS_CONFIG_HOST: &str = "config.ff.harness.io";
const HARNESS_EVENTS_HOST: &str = "events.ff.harness.io";

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    /// The upstream answers with 401 or 403. The request fails again unless something changes there, or the token was
    /// too old.
    #[error("the upstream refuses {what} ({status}){}", Saying(message))]
    Refused {
        what: &'static str,
        status: StatusCode,
        message: String,
    },
    /// The key is a client key, which may not read rules.
    #[error(
        "this is a client key, which may not read rules; use a server key of the same environment"
    )]
    ClientKey,
    /// The upstream answers with another status, which is not a success.
    #[error("the upstream answers {what} with {status}{}", Saying(message))]
    Status {
        what: &'static str,
        status: StatusCode,
        message: String,
        retry_after: Option<Millis>,
    },
    /// The upstream cannot be reached, or does not answer in time.
    #[error("the upstream cannot be reached: {0}")]
    Network(String),
    /// The upstream redirects to another origin, where the key must not be sent, or redirects too often.
    #[error("the upstream cannot be used: {0}")]
    Redirected(String),
    /// The reply cannot be read.
    #[error("the upstream's reply to {what} cannot be read: {reason}")]
    Unreadable { what: &'static str, reason: String },
}

impl ApiError {
    /// Whether the upstream refused the token or the key, or the key is of the wrong type.
    pub(super) const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::ClientKey)
    }

    /// How long the upstream asks to wait.
    pub(crate) const fn retry_after(&self) -> Option<Millis> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the same request would be refused again.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Status { status, .. } if status.is_client_error() && !matches!(status.as_u16(), 408 | 429))
    }
}

struct Saying<'a>(&'a str);

impl fmt::Display for Saying<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.0)
        }
    }
}

impl From<reqwest::Error> for ApiError {
    fn from(error: reqwest::Error) -> Self {
        // The last error of the chain names the cause. The address is left out, as it may hold credentials.
        let error = error.without_url();
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = cause.to_string();
            source = cause.source();
        }
        if error.is_redirect() {
            Self::Redirected(text)
        } else {
            Self::Network(text)
        }
    }
}

/// What a sign-in returns: the token, and what its claims say.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    token: SecretString,
    environment: String,
    environment_name: Option<String>,
    account: Option<String>,
    cluster: String,
    project: Project,
}

/// The project of an environment, as the claims of a token name it. Only Harness's own service has them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Project {
    pub(crate) organization_identifier: Option<String>,
    pub(crate) project_identifier: Option<String>,
}

impl Project {
    /// Reads the claims of a token; empty where it has none of these.
    fn of(token: &str) -> Self {
        let claims = token.split('.').nth(1).unwrap_or_default();
        let json = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('='));
        json.ok()
            .and_then(|json| serde_json::from_slice(&json).ok())
            .unwrap_or_default()
    }
}

impl Session {
    /// The account, where the token has it.
    pub(crate) fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The environment's project.
    pub(crate) const fn project(&self) -> &Project {
        &self.project
    }

    /// The environment's name, where the token has one.
    pub(crate) fn environment_name(&self) -> Option<&str> {
        self.environment_name.as_deref()
    }
}

/// The lists that back ends download.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List {
    Flags,
    Segments,
}

impl List {
    /// Returns how sentences name the list.
    const fn what(self) -> &'static str {
        match self {
            Self::Flags => "the flags",
            Self::Segments => "the target groups",
        }
    }
}

/// A list and the entity tag that it came with.
#[derive(Debug)]
pub(super) struct Tagged<T> {
    pub(super) entries: Vec<T>,
    pub(super) tag: Option<HeaderValue>,
}

/// One environment of an upstream.
#[derive(Debug)]
pub(crate) struct Api {
    base: Url,
    events: Url,
    key: SecretString,
    timeout: Duration,
    http: reqwest::Client,
}

impl Api {
    /// `base` and `events` must be HTTP addresses.
    pub(crate) fn new(
        base: &Url,
        events: Option<&Url>,
        key: &SecretString,
        timeout: Duration,
    ) -> Result<Self, reqwest::Error> {
        let http = http_client(timeout)?;
        let events = events.cloned().unwrap_or_else(|| {
            let mut events = base.clone();
            if events.host_str() == Some(HARNESS_CONFIG_HOST) {
                // Only fails for addresses without a host.
                let _ = events.set_host(Some(HARNESS_EVENTS_HOST));
            }
            events
        });
        Ok(Self {
            base: base.clone(),
            events,
            key: key.clone(),
            timeout,
            http,
        })
    }

    pub(crate) async fn sign_in(&self) -> Result<Session, ApiError> {
        const WHAT: &str = "the sign-in";
        let body = SignInRequest {
            api_key: self.key.expose_secret().to_owned(),
            target: None,
        };
        let request = self.http.post(url(&self.base, &["client", "auth"]));
        let request = json(request, &body)
            .header("Harness-SDK-Info", SDK_INFO)
            .timeout(self.timeout);
        let reply: SignInReply = read(checked(request.send().await?, WHAT).await?, WHAT).await?;
        let claims = Claims::from_token(&reply.auth_token).ok_or_else(|| ApiError::Unreadable {
            what: WHAT,
            reason: "the token names no environment".to_owned(),
        })?;
        if claims
            .key_type
            .as_deref()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("client"))
        {
            return Err(ApiError::ClientKey);
        }
        Ok(Session {
            project: Project::of(&reply.auth_token),
            token: reply.auth_token.into(),
            environment: claims.environment,
            environment_name: claims.environment_identifier,
            account: claims.account_id,
            cluster: claims.cluster_identifier.unwrap_or_else(|| "1".to_owned()),
        })
    }

    /// Fetches all flags. Returns `None` if the upstream answers that they still have the tag `known`.
    pub(super) async fn flags(
        &self,
        session: &Session,
        known: Option<&HeaderValue>,
    ) -> Result<Option<Tagged<FeatureConfig>>, ApiError> {
        self.list(session, List::Flags, known).await
    }

    /// Fetches all target groups. Returns `None` if the upstream answers that they still have the tag `known`.
    pub(super) async fn segments(
        &self,
        session: &Session,
        known: Option<&HeaderValue>,
    ) -> Result<Option<Tagged<Segment>>, ApiError> {
        self.list(session, List::Segments, known).await
    }

    /// Fetches a list and returns the bytes of the reply.
    pub(crate) async fn reply(&self, session: &Session, list: List) -> Result<Vec<u8>, ApiError> {
        reply_to(self.request(session, list), list.what()).await
    }

    fn request(&self, session: &Session, list: List) -> RequestBuilder {
        let (path, option) = match list {
            // Only `flagwire-server` knows this option; other upstreams ignore it.
            List::Flags => ("feature-configs", ("descriptions", "true")),
            List::Segments => ("target-segments", ("rules", "v2")),
        };
        let mut url = url(&self.base, &["client", "env", &session.environment, path]);
        url.query_pairs_mut().append_pair(option.0, option.1);
        self.authorized(Method::GET, url, session)
            .timeout(self.timeout)
    }

    async fn list<T: DeserializeOwned>(
        &self,
        session: &Session,
        list: List,
        known: Option<&HeaderValue>,
    ) -> Result<Option<Tagged<T>>, ApiError> {
        let what = list.what();
        let mut request = self.request(session, list);
        if let Some(known) = known {
            request = request.header(IF_NONE_MATCH, known);
        }
        let response = request.send().await?;
        if known.is_some() && response.status() == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let response = checked(response, what).await?;
        let tag = response.headers().get(ETAG).cloned();
        let entries = read(response, what).await?;
        Ok(Some(Tagged { entries, tag }))
    }

    /// Opens the stream, and returns once the head of the reply has arrived.
    pub(super) async fn stream(&self, session: &Session) -> Result<Response, ApiError> {
        const WHAT: &str = "the stream";
        let mut request = self
            .authorized(Method::GET, url(&self.base, &["stream"]), session)
            .header(ACCEPT, "text/event-stream")
            .header(CACHE_CONTROL, "no-cache");
        // Some upstreams want the key besides the token. A key that cannot stand in a header is left out.
        if let Ok(mut key) = HeaderValue::from_str(self.key.expose_secret()) {
            key.set_sensitive(true);
            request = request.header("API-Key", key);
        }
        let opened = tokio::time::timeout(self.timeout, request.send()).await;
        let response = opened.map_err(|_| ApiError::Network("no answer in time".to_owned()))??;
        let response = checked(response, WHAT).await?;
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("text/event-stream") {
            let reason = format!("its type is `{kind}`");
            return Err(ApiError::Unreadable { what: WHAT, reason });
        }
        Ok(response)
    }

    pub(super) async fn metrics(
        &self,
        session: &Session,
        metrics: &Metrics,
    ) -> Result<(), ApiError> {
        let url = url(&self.events, &["metrics", &session.environment]);
        let request =
            json(self.authorized(Method::POST, url, session), metrics).timeout(self.timeout);
        checked(request.send().await?, "the metrics")
            .await
            .map(drop)
    }

    fn authorized(&self, method: Method, mut url: Url, session: &Session) -> RequestBuilder {
        url.query_pairs_mut()
            .append_pair("cluster", &session.cluster);
        let mut request = self
            .http
            .request(method, url)
            .bearer_auth(session.token.expose_secret())
            .header("Harness-SDK-Info", SDK_INFO);
        if let Some(name) = &session.environment_name {
            request = request.header("Harness-EnvironmentID", name);
        }
        if let Some(account) = &session.account {
            request = request.header("Harness-AccountID", account);
        }
        request
    }
}

/// Creates a client that sends keys and tokens to no other origin than the one that is asked.
pub(crate) fn http_client(connect_timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    // Another part of the process may have chosen a provider already, which serves as well.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .user_agent(concat!("flagwire-server/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        .tcp_keepalive(Duration::from_secs(30))
        .redirect(redirect::Policy::custom(within_the_origin))
        .build()
}

/// Sends a request and returns the bytes of a reply that is a success.
pub(crate) async fn reply_to(
    request: RequestBuilder,
    what: &'static str,
) -> Result<Vec<u8>, ApiError> {
    let response = checked(request.send().await?, what).await?;
    bytes(response, MAX_REPLY_BYTES).await
}

/// Follows redirects within one origin only. Each request carries the key, or a token that was given for it, in its
/// body or in a header that the HTTP client does not treat as a secret. Neither may be sent to another host, nor, after
/// a redirect from HTTPS to HTTP, unencrypted.
fn within_the_origin(attempt: redirect::Attempt<'_>) -> redirect::Action {
    let Some(first) = attempt.previous().first() else {
        return attempt.stop();
    };
    if first.origin() != attempt.url().origin() {
        let error = AnotherOrigin {
            from: first.origin().ascii_serialization(),
            to: attempt.url().origin().ascii_serialization(),
        };
        return attempt.error(error);
    }
    if attempt.previous().len() > MAX_REDIRECTS {
        return attempt.error(TooManyRedirects);
    }
    attempt.follow()
}

#[derive(Debug, thiserror::Error)]
#[error(
    "{from} redirects to {to}, which is not asked, as it would be given the key or token; if it is what you mean, give its address instead"
)]
struct AnotherOrigin {
    from: String,
    to: String,
}

#[derive(Debug, thiserror::Error)]
#[error("it redirects more than {MAX_REDIRECTS} times")]
struct TooManyRedirects;

pub(crate) fn url(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    // This fails only for addresses such as `data:`, which are refused at the start.
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

pub(crate) fn json(request: RequestBuilder, body: &impl serde::Serialize) -> RequestBuilder {
    request
        .header(CONTENT_TYPE, "application/json")
        .body(serde_json::to_vec(body).unwrap_or_default())
}

/// Milliseconds until an HTTP date; negative where it is past.
fn until(date: &str) -> Option<f64> {
    let date = httpdate::parse_http_date(date).ok()?;
    let now = SystemTime::now();
    Some(match date.duration_since(now) {
        Ok(ahead) => ahead.as_secs_f64() * 1000.0,
        Err(past) => past.duration().as_secs_f64() * -1000.0,
    })
}

async fn checked(response: Response, what: &'static str) -> Result<Response, ApiError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| flagwire_core::retry_after(value.to_str().ok()?, until));
    let message = match bytes(response, 16 * 1024).await {
        Ok(body) => message(&body),
        Err(_) => String::new(),
    };
    Err(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ApiError::Refused {
            what,
            status,
            message,
        },
        _ => ApiError::Status {
            what,
            status,
            message,
            retry_after,
        },
    })
}

/// Returns the text of an error reply: `message` from this server and from Harness, `error` from Harness's relay. It
/// has at most 200 characters and one line, as it goes into logs.
fn message(body: &[u8]) -> String {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = json
        .get("message")
        .or_else(|| json.get("error"))
        .and_then(serde_json::Value::as_str);
    text.unwrap_or_default()
        .chars()
        .take(200)
        .filter(|c| !c.is_control())
        .collect()
}

async fn read<T: DeserializeOwned>(response: Response, what: &'static str) -> Result<T, ApiError> {
    let body = bytes(response, MAX_REPLY_BYTES)
        .await
        .map_err(|error| match error {
            ApiError::Unreadable { reason, .. } => ApiError::Unreadable { what, reason },
            other => other,
        })?;
    serde_json::from_slice(&body).map_err(|error| ApiError::Unreadable {
        what,
        reason: error.to_string(),
    })
}

async fn bytes(mut response: Response, limit: usize) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > limit {
            let reason = format!("it is longer than {limit} bytes");
            return Err(ApiError::Unreadable {
                what: "a request",
                reason,
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_the_base_with_or_without_a_slash_and_are_encoded() {
        for base in ["https://h/api/1.0", "https://h/api/1.0/"] {
            let url = url(
                &Url::parse(base).unwrap(),
                &["client", "env", "a b/c", "feature-configs"],
            );
            assert_eq!(
                url.as_str(),
                "https://h/api/1.0/client/env/a%20b%2Fc/feature-configs"
            );
        }
    }

    #[test]
    fn metrics_of_harness_go_to_the_host_for_them_and_others_stay() {
        for (base, events) in [
            (
                "https://config.ff.harness.io/api/1.0",
                "https://events.ff.harness.io/api/1.0",
            ),
            ("http://relay:7000/", "http://relay:7000/"),
        ] {
            let api = Api::new(
                &Url::parse(base).unwrap(),
                None,
                &"k".into(),
                Duration::from_secs(1),
            )
            .unwrap();
            assert_eq!(api.events.as_str(), events);
        }
    }

    #[test]
    fn an_error_says_what_the_upstream_said_on_one_line() {
        assert_eq!(
            message(br#"{"code":"401","message":"no\nsuch key"}"#),
            "nosuch key"
        );
        assert_eq!(message(br#"{"error":"gone"}"#), "gone");
        assert_eq!(message(b"<html>"), "");
    }
}
