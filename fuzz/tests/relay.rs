//! A relay whose upstream answers anything: what can be read is served as it came, and what cannot replaces nothing.
//!
//! The first byte of an input says what the rest is: `f` flags, `g` groups, `e` the bytes of the stream. The upstream is a
//! server on a real socket, so that the relay's own client reads its answers.

use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flagwire_evaluation::Target;
use flagwire_evaluation::model::{FeatureConfig, Segment};
use flagwire_server::environment::Environment;
use flagwire_server::flags_file;
use flagwire_server::source::Source as _;
use flagwire_server::source::upstream::{UpstreamOptions, UpstreamSource};
use tokio::runtime::Runtime;
use tokio::sync::watch;

const GOOD: &str = "\
flags:
  dark: { default: false, rules: [{ when: { group: staff }, serve: true }] }
groups:
  staff: { include: [ada] }
";

#[test]
fn any_answer_of_an_upstream_is_served_whole_or_replaces_nothing() {
    flagwire_fuzz::fuzz("relay", 150, check);
}

/// What the upstream says.
#[derive(Clone, Default)]
struct Answers {
    flags: Vec<u8>,
    groups: Vec<u8>,
    /// `None` for an upstream without a stream.
    stream: Option<Vec<u8>>,
}

/// The upstream and a client of it, which is kept for its connections.
struct World {
    runtime: Runtime,
    answers: Arc<Mutex<Answers>>,
    source: UpstreamSource,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let answers = Arc::<Mutex<Answers>>::default();
    let app = Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&answers));
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, app).await });
    let _guard = runtime.enter();
    let source = UpstreamSource::new(UpstreamOptions::new(url.parse().unwrap(), "key")).unwrap();
    World {
        runtime,
        answers,
        source,
    }
});

async fn answer(State(answers): State<Arc<Mutex<Answers>>>, request: Request) -> Response {
    let answers = answers
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let path = request.uri().path();
    if path.ends_with("/auth") {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"environment":"e","clusterIdentifier":"1"}"#);
        return format!(r#"{{"authToken":"h.{claims}.s"}}"#).into_response();
    }
    if path.ends_with("/feature-configs") {
        return answers.flags.into_response();
    }
    if path.ends_with("/target-segments") {
        return answers.groups.into_response();
    }
    match answers.stream {
        Some(bytes) => ([(CONTENT_TYPE, "text/event-stream")], bytes).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn check(input: &[u8]) {
    let Some((&part, bytes)) = input.split_first() else {
        return;
    };
    let good = flags_file::parse(GOOD).unwrap();
    let mut answers = Answers {
        flags: serde_json::to_vec(&good.flags).unwrap(),
        groups: serde_json::to_vec(&good.segments).unwrap(),
        stream: None,
    };
    let stream = match part {
        b'f' => {
            answers.flags = bytes.to_vec();
            false
        }
        b'g' => {
            answers.groups = bytes.to_vec();
            false
        }
        _ => {
            answers.stream = Some(bytes.to_vec());
            true
        }
    };
    let flags = serde_json::from_slice::<Vec<FeatureConfig>>(&answers.flags);
    let groups = serde_json::from_slice::<Vec<Segment>>(&answers.groups);
    let world = &*WORLD;
    *world.answers.lock().unwrap_or_else(PoisonError::into_inner) = answers;

    let environment = Arc::new(Environment::new("development"));
    environment.apply(good);
    let before = environment.current().unwrap();
    let (stop, stopping) = watch::channel(false);
    let mut status = environment.watch_status();
    let source = Box::new(world.source.clone());
    let told = world.runtime.block_on(async {
        let running = tokio::spawn(source.run(Arc::clone(&environment), stopping));
        // A fetch has come to its end, and a stream that there is has been read to its own.
        let done = status.wait_for(|status| {
            let error = status.error.as_deref().unwrap_or_default();
            let ended = error.contains("ended the stream") || error.contains("has no end");
            let fetched = status.healthy || error.contains("cannot be read");
            fetched && (!stream || ended)
        });
        let told = tokio::time::timeout(Duration::from_secs(120), done)
            .await
            .expect("the relay comes to an end of it")
            .unwrap()
            .clone();
        stop.send_replace(true);
        running.await.expect("the relay does not panic");
        told
    });

    let now = environment.current().unwrap();
    match (flags, groups) {
        (Ok(flags), Ok(groups)) => {
            assert!(told.healthy, "{told:?}");
            if stream {
                assert_eq!(now.content, before.content, "events carry no values");
            }
            let names = |flags: &[FeatureConfig]| {
                let mut names: Vec<String> = flags.iter().map(|one| one.feature.clone()).collect();
                names.sort();
                names.dedup();
                names
            };
            // An upstream that has no flags any more, or no groups, is doubted: what is in force stays.
            let old = &before.snapshot;
            let flags = if flags.is_empty() {
                old.flags()
            } else {
                &flags
            };
            assert_eq!(names(now.snapshot.flags()), names(flags));
            let groups = if groups.is_empty() {
                old.segments()
            } else {
                &groups
            };
            assert!(now.snapshot.segments().len() <= groups.len());
        }
        _ => {
            assert!(!told.healthy, "{told:?}");
            assert_eq!(
                now.content, before.content,
                "a bad answer replaced good flags"
            );
        }
    }
    let target = Target {
        identifier: "ada".to_owned(),
        ..Target::default()
    };
    for flag in now.snapshot.flags() {
        drop(now.snapshot.evaluate(&flag.feature, Some(&target)));
        drop(now.snapshot.explain(&flag.feature, Some(&target)));
    }
}
