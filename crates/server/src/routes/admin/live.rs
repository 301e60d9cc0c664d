//! `GET /admin/events`: what happens, as it happens, for the page.

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

/// How often the open streams are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Begins with the event `history`: all entries that are kept, oldest first. Then `activity`: one new entry; `state`: the
/// overview is another, ask for it again; `streams`: others are open, and how many.
pub(super) async fn events(State(state): State<AppState>, admin: Admin) -> Response {
    let environment = admin.environment;
    // Before anything is looked at, so that nothing falls in between.
    let (status, generation) = (environment.watch_status(), environment.watch_generation());
    let (history, activity) = environment.activity.follow();
    let first = [&b":\n\n"[..], &frame("history", &history)].concat();
    let live = Live {
        streams: environment.readers.mark(),
        environment,
        activity,
        status,
        generation,
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
    stopping: watch::Receiver<bool>,
    heartbeat: Interval,
    look: Interval,
    /// What was last sent to the page.
    streams: (usize, u32),
}

impl Live {
    /// `None` once the server stops, or if the page does not keep up: it comes back and starts again.
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

/// JSON has no line end in it.
fn frame(event: &str, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).unwrap_or_default();
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}
