//! Serves OpenFeature's remote evaluation protocol (OFREP 0.3), so that any OpenFeature web app works with this server.
//!
//! The published provider asks for everything at once, keeps the `ETag`, opens the event stream that a reply names, and
//! asks again after each event. Two of its properties shape this module:
//!
//! - It keeps the stream's URL for as long as it is answered 304. So a tag also says how long the ticket given with it
//!   is good for, and is not honoured past that: the next reply brings a fresh ticket.
//! - It reopens its stream whenever the URL differs. So tickets are issued for fixed spans of time, and are the same
//!   for all contexts of a key.
//!
//! A change between the first reply and the opening of the stream, or while a stream was down, is not missed: a stream
//! starts with an event unless the reader's last one was of the configuration in force.
//!
//! Source: <https://github.com/open-feature/protocol>, `service/openapi.yaml` and ADR 0008.

mod value;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use flagwire_core::protocol::Target;
use flagwire_evaluation::model::FeatureConfig;
use flagwire_evaluation::{EvaluationError, EvaluationRef, Reason};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::access::{Caller, Parameters, Payload, Segments, bearer, current};
use super::stream::{last_event_id, respond};
use crate::auth::token::Token;
use crate::environment::event::{Audience, refetch};
use crate::environment::readers::{ReaderInfo, StreamTarget, Transport};
use crate::environment::{Current, Environment};
use crate::error::ApiError;
use crate::json;
use crate::peer::Peer;
use crate::state::AppState;
use crate::stream::{Heartbeat, NewStream, Subscriber};
use crate::target;
use crate::time::now;

/// Tickets are issued for spans of this many seconds, and stay valid for one span more.
const TICKET_SPAN: u64 = 600;

/// How long a reply waits for a configuration of which another replica has notified the client.
const CATCH_UP: Duration = Duration::from_secs(1);

/// The protocol's codes for why an evaluation is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum ErrorCode {
    ParseError,
    TargetingKeyMissing,
    InvalidContext,
    FlagNotFound,
}

/// Why there is no evaluation.
enum Refusal {
    /// The request was refused as any other endpoint would refuse it: 401, 403, 503.
    Api(ApiError),
    /// The request is answered with 400, or with 404 for a flag that does not exist.
    Code(ErrorCode, String),
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

impl Refusal {
    fn into_response(self, key: Option<&str>) -> Response {
        match self {
            Self::Api(error) => error.into_response(),
            Self::Code(code, details) => {
                let status = match code {
                    ErrorCode::FlagNotFound => StatusCode::NOT_FOUND,
                    _ => StatusCode::BAD_REQUEST,
                };
                let body = json!({ "key": key, "errorCode": code, "errorDetails": details });
                (status, Json(without_nulls(body))).into_response()
            }
        }
    }
}

fn without_nulls(mut json: Value) -> Value {
    if let Value::Object(map) = &mut json {
        map.retain(|_, value| !value.is_null());
    }
    json
}

/// Converts the error of an extractor to the form of this protocol.
fn extracted<T>(extracted: Result<T, ApiError>) -> Result<T, Refusal> {
    extracted.map_err(|error| match error {
        ApiError::BadRequest(details) => Refusal::Code(ErrorCode::ParseError, details),
        other => Refusal::Api(other),
    })
}

/// The parameters of a request that a client makes after an event. Unknown ones are ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BulkQuery {
    /// The configuration that the event named.
    flag_config_etag: Option<String>,
    /// This parameter is not used, but refused if it is not a time, as the protocol's schema says.
    flag_config_last_modified: Option<String>,
}

impl BulkQuery {
    fn check(&self) -> Result<(), Refusal> {
        match &self.flag_config_last_modified {
            Some(text) if !is_time(text) => Err(Refusal::Code(
                ErrorCode::ParseError,
                "flagConfigLastModified is neither seconds since the Unix epoch nor a date-time"
                    .to_owned(),
            )),
            _ => Ok(()),
        }
    }
}

/// Whether a text is a whole number of seconds or a date-time of RFC 3339.
fn is_time(text: &str) -> bool {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    // Whether a text has the pattern's characters, and digits where the pattern has `0`.
    let shaped = |text: &str, pattern: &str| {
        text.len() == pattern.len()
            && text
                .bytes()
                .zip(pattern.bytes())
                .all(|(byte, wanted)| match wanted {
                    b'0' => byte.is_ascii_digit(),
                    wanted => byte.eq_ignore_ascii_case(&wanted),
                })
    };
    let Some((time, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let fraction = rest.strip_prefix('.');
    let zone = match fraction {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let digits = fraction.is_none_or(|fraction| fraction.len() > zone.len());
    // A `+` that was not encoded is read as a blank.
    let zoned = ["z", "+00:00", "-00:00", " 00:00"]
        .iter()
        .any(|pattern| shaped(zone, pattern));
    shaped(time, "0000-00-00t00:00:00") && digits && zoned
}

/// `POST /ofrep/v1/evaluate/flags/{key}`
pub(super) async fn evaluate(
    State(state): State<AppState>,
    flag: Result<Segments<String>, ApiError>,
    headers: HeaderMap,
    body: Result<Payload, ApiError>,
) -> Response {
    let key = flag.as_ref().ok().map(|Segments(flag)| flag.clone());
    let reply = || -> Result<Response, Refusal> {
        let Segments(flag) = extracted(flag)?;
        let caller = caller(&headers, &state)?;
        let Payload(body) = extracted(body)?;
        let target = context(&body)?;
        let current = current(&caller.environment)?;
        let evaluation = current
            .snapshot
            .evaluate_ref(&flag, Some(&target))
            .map_err(|error| match error {
                EvaluationError::UnknownFlag => Refusal::Code(
                    ErrorCode::FlagNotFound,
                    format!("there is no flag `{flag}`"),
                ),
                other => Refusal::Code(
                    ErrorCode::ParseError,
                    format!("the flag has no evaluation: {other}"),
                ),
            })?;
        let config = current.snapshot.flag(&flag);
        let mut served = served(&evaluation, config)
            .map_err(|details| Refusal::Code(ErrorCode::ParseError, details))?;
        let mut all = metadata(&caller.environment, &current);
        if let Some(own) = config.map(|config| &config.metadata) {
            all.extend(
                own.iter()
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
        }
        served.metadata = Some(&all);
        Ok(Json(served).into_response())
    };
    reply().unwrap_or_else(|refusal| refusal.into_response(key.as_deref()))
}

/// `POST /ofrep/v1/evaluate/flags`
pub(super) async fn evaluate_all(
    State(state): State<AppState>,
    query: Result<Parameters<BulkQuery>, ApiError>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Result<Payload, ApiError>,
) -> Response {
    let reply = async {
        let caller = caller(&headers, &state)?;
        let Parameters(query) = extracted(query)?;
        query.check()?;
        let Payload(body) = extracted(body)?;
        let target = context(&body)?;
        if let Some(etag) = &query.flag_config_etag {
            catch_up(&caller.environment, etag).await;
        }
        let current = current(&caller.environment)?;
        bulk(&caller, &current, &target, uri.path(), &headers, &state)
    };
    let reply: Result<Response, Refusal> = reply.await;
    reply.unwrap_or_else(|refusal| refusal.into_response(None))
}

/// The evaluations of all flags, and where a stream of their changes is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bulk<'s> {
    flags: Vec<Evaluated<'s>>,
    metadata: Map<String, Value>,
    event_streams: Value,
}

fn bulk(
    caller: &Caller,
    current: &Current,
    target: &Target,
    path: &str,
    headers: &HeaderMap,
    state: &AppState,
) -> Result<Response, Refusal> {
    let now = now();
    let issued = now - now % TICKET_SPAN;
    let until = issued + 2 * TICKET_SPAN;
    let fingerprint = target::fingerprint(&current.content, target);
    let mut response = match known_tag(headers, &fingerprint, now) {
        Some(tag) => {
            let tag = HeaderValue::from_str(tag).map_err(internal)?;
            ([(ETAG, tag)], StatusCode::NOT_MODIFIED).into_response()
        }
        None => {
            let mut configs = current.snapshot.flags().iter();
            let mut flags = Vec::with_capacity(configs.len());
            current
                .snapshot
                .evaluate_all_with(Some(target), |evaluation| {
                    // Both are in the same order; a flag without an evaluation is skipped.
                    let config = configs.find(|config| config.feature == evaluation.flag);
                    flags.push(entry(&evaluation, config));
                });
            let ticket = state
                .signer
                .refetch_ticket(&caller.token, issued, until)
                .map_err(internal)?;
            // The stream's URL is made from the path of the request, as the service may be mounted under a prefix.
            let base = path.strip_suffix("evaluate/flags").unwrap_or("/ofrep/v1/");
            let body = Bulk {
                flags,
                metadata: metadata(&caller.environment, current),
                event_streams: json!([
                    { "type": "sse", "endpoint": { "requestUri": format!("{base}events?ticket={ticket}") } }
                ]),
            };
            let tag =
                HeaderValue::try_from(format!("\"{fingerprint}-{until}\"")).map_err(internal)?;
            let body = serde_json::to_vec(&body).map_err(internal)?;
            (
                [
                    (CONTENT_TYPE, HeaderValue::from_static("application/json")),
                    (ETAG, tag),
                ],
                Body::from(body),
            )
                .into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.append(VARY, HeaderValue::from_static("authorization, x-api-key"));
    Ok(response)
}

fn internal(error: impl std::fmt::Display) -> Refusal {
    Refusal::Api(ApiError::Internal(error.to_string()))
}

/// Returns the client's tag for the same configuration and context, if its ticket is still valid.
fn known_tag<'h>(headers: &'h HeaderMap, fingerprint: &str, now: u64) -> Option<&'h str> {
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        // Proxies that compress replies make tags weak.
        .map(|tag| tag.trim().trim_start_matches("W/"))
        .find(|tag| {
            let (known, until) = tag.trim_matches('"').split_once('-').unwrap_or_default();
            known == fingerprint && until.parse::<u64>().is_ok_and(|until| now < until)
        })
}

/// `GET /ofrep/v1/events?ticket=…`
pub(super) async fn events(
    State(state): State<AppState>,
    Parameters(query): Parameters<EventsQuery>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let token = query
        .ticket
        .and_then(|ticket| state.signer.check_refetch_ticket(&ticket))
        .ok_or(ApiError::Unauthorized(
            "the ticket is not valid or has expired; evaluate all flags to get a fresh one",
        ))?;
    let caller = Caller::of_token(token, &headers, &state)?;
    // Subscribes before the configuration is read, so that no change in between is missed.
    let events = caller.environment.subscribe();
    let missed = caller
        .environment
        .current()
        .filter(|current| last_event_id(&headers) != Some(current.content.as_str()))
        .map(|current| refetch(&current))
        .unwrap_or_default();
    Ok(respond(NewStream {
        missed,
        subscriber: Subscriber {
            audience: Audience::Refetch,
            heartbeat: Heartbeat::Comment,
            every: state.settings.heartbeat,
            events,
            drain: state.drain.clone(),
            catch_up: None,
            guard: caller.environment.count_stream(ReaderInfo {
                target: StreamTarget::None,
                transport: Transport::Ofrep,
                address: peer.map(|Extension(peer)| peer.0),
            }),
        },
        stopping: state.stopping.clone(),
    }))
}

/// The parameters of the query; unknown ones are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct EventsQuery {
    ticket: Option<String>,
}

/// Returns the caller of a request with a key, or with a token that was given for one.
fn caller(headers: &HeaderMap, state: &AppState) -> Result<Caller, ApiError> {
    let text = headers
        .get("x-api-key")
        .and_then(|key| key.to_str().ok())
        .or_else(|| bearer(headers))
        .ok_or(ApiError::Unauthorized(
            "no key; send an SDK key as X-API-Key or as Authorization: Bearer",
        ))?;
    let token = match (state.signer.check_token(text), state.keys.find(text)) {
        (Some(token), _) => token,
        (None, Some((grant, name))) => Token::for_key(grant, name, now()),
        (None, None) => return Err(ApiError::Unauthorized("the key is not known here")),
    };
    Caller::of_token(token, headers, state)
}

/// Reads the target from a body `{"context": {"targetingKey": "…", …}}`: all entries but the key are its attributes.
fn context(body: &[u8]) -> Result<Target, Refusal> {
    let refuse = |code, details: &str| Err(Refusal::Code(code, details.to_owned()));
    let Ok(Value::Object(mut request)) = json::from_slice(body) else {
        return refuse(ErrorCode::ParseError, "the body is not a JSON object");
    };
    let mut context: Map<String, Value> = match request.remove("context") {
        Some(Value::Object(context)) => context,
        None => Map::new(),
        Some(_) => return refuse(ErrorCode::InvalidContext, "the context is not an object"),
    };
    let identifier = match context.remove("targetingKey") {
        Some(Value::String(key)) if !key.is_empty() => key,
        None | Some(Value::Null | Value::String(_)) => {
            return refuse(
                ErrorCode::TargetingKeyMissing,
                "the context has no targetingKey; set it to what identifies the user or device",
            );
        }
        Some(_) => {
            return refuse(
                ErrorCode::InvalidContext,
                "the targetingKey is not a text; send it as a JSON string",
            );
        }
    };
    let name = context
        .get("name")
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ok(Target {
        identifier,
        name,
        anonymous: context.get("anonymous").and_then(Value::as_bool),
        attributes: Some(context),
    })
}

/// A flag's result in the protocol's form.
#[derive(Debug, Serialize)]
struct Served<'s> {
    key: &'s str,
    value: Box<RawValue>,
    reason: &'static str,
    variant: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'s Map<String, Value>>,
}

/// The entry of a flag in the reply about all flags. A flag whose value cannot be given is listed with its error.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Evaluated<'s> {
    Served(Served<'s>),
    #[serde(rename_all = "camelCase")]
    Failed {
        key: &'s str,
        error_code: ErrorCode,
        error_details: String,
    },
}

fn served<'s>(
    evaluation: &EvaluationRef<'s>,
    config: Option<&'s FeatureConfig>,
) -> Result<Served<'s>, String> {
    Ok(Served {
        key: evaluation.flag,
        value: value::of(evaluation)?,
        reason: reason(evaluation.reason, config),
        variant: evaluation.identifier,
        metadata: config
            .map(|config| &config.metadata)
            .filter(|metadata| !metadata.is_empty()),
    })
}

fn entry<'s>(evaluation: &EvaluationRef<'s>, config: Option<&'s FeatureConfig>) -> Evaluated<'s> {
    match served(evaluation, config) {
        Ok(served) => Evaluated::Served(served),
        Err(error_details) => Evaluated::Failed {
            key: evaluation.flag,
            error_code: ErrorCode::ParseError,
            error_details,
        },
    }
}

/// Returns the protocol's reason. Caches rely on `STATIC` to mean the same value for every context, so only a flag
/// without rules, overrides and prerequisites has it.
fn reason(reason: Reason, config: Option<&FeatureConfig>) -> &'static str {
    let asks = config.is_none_or(|config| {
        !config.rules.is_empty()
            || !config.variation_to_target_map.is_empty()
            || !config.prerequisites.is_empty()
    });
    match reason {
        Reason::Off | Reason::Prerequisite => "DISABLED",
        Reason::TargetMap | Reason::Rule => "TARGETING_MATCH",
        Reason::RuleRollout | Reason::DefaultRollout => "SPLIT",
        Reason::Default if asks => "DEFAULT",
        Reason::Default => "STATIC",
        _ => "UNKNOWN",
    }
}

/// Returns metadata for telemetry: the environment, and which configuration is in force.
fn metadata(environment: &Environment, current: &Current) -> Map<String, Value> {
    let entries = [
        ("flagSetId".to_owned(), environment.name().into()),
        ("version".to_owned(), current.content.clone().into()),
    ];
    entries.into_iter().collect()
}

/// Waits for the configuration `etag` for up to [`CATCH_UP`]. A client that another replica has notified of a change
/// must not be answered with the configuration before it.
async fn catch_up(environment: &Arc<Environment>, etag: &str) {
    let mut events = environment.subscribe();
    let arrived = async {
        while environment
            .current()
            .is_none_or(|current| current.content != etag)
        {
            environment.refresh();
            if events.recv().await.is_err() {
                return;
            }
        }
    };
    // Whether it has arrived or not, the reply has what is in force now.
    drop(tokio::time::timeout(CATCH_UP, arrived).await);
}
