//! Serves `GET /admin/events`, the stream that keeps the admin page up to date.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::Admin;
use crate::environment::activity::ActivityEntry;
use crate::environment::{Environment, SourceStatus};
use crate::state::AppState;

/// How often it is checked whether other streams are open.
const LOOK: Duration = Duration::from_secs(1);

/// Opens the stream. Its first event is `history`, with all entries that are kept, the oldest first. The events after
/// it are `activity`, with one new entry, `changes`, when changes were logged, `state`, when the overview has changed and is to be fetched again, and
/// `streams`, with the number of open streams when others are open.
pub(super) async fn events(State(state): State<AppState>, admin: Admin) -> Response {
    let environment = admin.environment;
    // Watches the environment before it is read, so that no change in between is missed.
    let (status, generation) = (environment.watch_status(), environment.watch_generation());
    let logged = environment.watch_logged();
    let (history, activity) = environment.activity.follow();
    let first = [&b":\n\n"[..], &frame("history", &history)].concat();
    let live = Live {
        streams: environment.readers.mark(),
        environment,
        activity,
        status,
        generation,
        logged,
        stopping: state.stopping.clone(),
        heartbeat: every(state.settings.heartbeat),
        look: every(LOOK),
    };
    let body = stream::unfold(
        (live, Some(Bytes::from(first))),
        async |(mut live, first)| {
            let bytes = match first {
                Some(first) => first,
                None => live.next().await?,
            };
            Some((Ok::<_, Infallible>(bytes), (live, None)))
        },
    );
    let headers: [(HeaderName, &'static str); 3] = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-cache, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(body)).into_response()
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

struct Live {
    environment: Arc<Environment>,
    activity: broadcast::Receiver<Arc<ActivityEntry>>,
    status: watch::Receiver<SourceStatus>,
    generation: watch::Receiver<u64>,
    logged: watch::Receiver<u64>,
    stopping: watch::Receiver<bool>,
    heartbeat: Interval,
    look: Interval,
    /// What was last sent to the page.
    streams: (usize, u32),
}

impl Live {
    /// Returns the next bytes; `None` once the server stops, or if the page does not keep up and has to reconnect.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            tokio::select! {
                biased;
                () = crate::stopping::until(&mut self.stopping) => return None,
                entry = self.activity.recv() => return Some(frame("activity", &entry.ok()?)),
                changed = self.status.changed() => {
                    changed.ok()?;
                    return Some(frame("state", &json!({})));
                }
                changed = self.generation.changed() => {
                    changed.ok()?;
                    return Some(frame("state", &json!({})));
                }
                changed = self.logged.changed() => {
                    changed.ok()?;
                    return Some(frame("changes", &json!({})));
                }
                _ = self.look.tick() => {
                    let streams = self.environment.readers.mark();
                    if streams != self.streams {
                        self.streams = streams;
                        return Some(frame("streams", &json!({ "count": streams.0 })));
                    }
                }
                _ = self.heartbeat.tick() => return Some(Bytes::from_static(b":\n\n")),
            }
        }
    }
}

/// Returns the bytes of an event. Its data is a single line, as JSON is written without line ends here.
fn frame(event: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}
