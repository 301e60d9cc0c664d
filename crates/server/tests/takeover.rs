//! Tests a relay whose flags file takes over while clients are connected.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use common::listening::*;
use common::running::*;
use common::*;
use flagwire_server::environment::{Environment, SourceState};
use flagwire_server::source::Source as _;
use flagwire_server::source::file::FileSource;
use flagwire_server::source::takeover::{Chosen, Takeover, TakeoverOptions, TakeoverSource};
use flagwire_server::{AppState, app, flags_file};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Serves everybody the same as [`FLAGS`], with rules that are written in another way.
const REWRITTEN: &str = r#"
flags:
  dark-mode: { variations: { "true": true, "false": false }, default: "false", off: "false", description: rewritten }
  limits:
    variations: { free: { rps: 1 }, gold: { rps: 100 } }
    default: free
    rules: [{ name: Gold, when: { plan: gold }, serve: gold }]
  page-size: { variations: { small: 4, large: 12 }, default: small, rules: [{ when: { group: staff }, serve: large }] }
  greeting: ""
groups:
  staff: { rules: [{ email: { ends-with: "@example.com" } }] }
"#;

fn dark() -> String {
    FLAGS.replace("dark-mode: false", "dark-mode: true")
}

/// A relay with a file that may take over.
struct Site {
    server: Server,
    takeover: Arc<Takeover>,
    directory: TempDir,
    source: JoinHandle<()>,
}

impl Site {
    /// Starts a relay of `upstream`, with `file` as the text of its flags file.
    async fn start(upstream: std::net::SocketAddr, file: &str) -> Self {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("flags.yaml"), file).unwrap();
        Self::start_in(directory, upstream).await
    }

    async fn start_in(directory: TempDir, address: std::net::SocketAddr) -> Self {
        let mut upstream = upstream(address);
        // Long, so that what is posted is posted because the source changes.
        upstream.metrics = Duration::from_secs(3600);
        let takeover = Takeover::new(TakeoverOptions {
            upstream,
            file: directory.path().join("flags.yaml"),
            choice: directory.path().join("state/source-development.json"),
        });
        let takeover = Arc::new(takeover.unwrap());
        let environment = Arc::new(Environment::new("development"));
        environment.keep_versions_in(&directory.path().join("state/versions-development.json"));
        let source = match takeover.load_choice().await.unwrap() {
            Chosen::Upstream => TakeoverSource::with_upstream(Arc::clone(&takeover)),
            Chosen::File => {
                let path = directory.path().join("flags.yaml");
                let file = FileSource::open_or_wait(&path).await.unwrap();
                TakeoverSource::with_file(Arc::clone(&takeover), file)
            }
        };
        let (stop, stopping) = watch::channel(false);
        let running = Box::new(source).run(Arc::clone(&environment), stopping.clone());
        let source = tokio::spawn(running);
        let state = AppState::new(
            vec![Arc::clone(&environment)],
            keys(),
            settings(),
            b"test secret",
            stopping,
        );
        let takeovers = BTreeMap::from([("development".to_owned(), Arc::clone(&takeover))]);
        Self {
            server: Server {
                app: app(state.with_takeovers(takeovers)),
                environment,
                other: Arc::new(Environment::new("other")),
                stop,
                site: tokio::sync::OnceCell::new(),
            },
            takeover,
            directory,
            source,
        }
    }

    /// Ends this server and starts another one in the same directory.
    async fn restart(self, upstream: std::net::SocketAddr) -> Self {
        self.server.stop.send_replace(true);
        self.source.await.unwrap();
        Self::start_in(self.directory, upstream).await
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("flags.yaml")
    }

    /// Saves the file as editors do.
    fn write(&self, text: &str) {
        let beside = self.directory.path().join("flags.new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, self.path()).unwrap();
    }

    async fn live(&self) {
        self.server.live().await;
    }

    /// The stream of a page, and that of a back end.
    async fn streams(&self) -> (Stream, Stream) {
        let page = self.server.token(CLIENT_KEY, ada()).await;
        let back_end = self.server.token(SERVER_KEY, Value::Null).await;
        (
            self.server.stream(get("/stream", &page)).await,
            self.server.stream(get("/stream", &back_end)).await,
        )
    }

    async fn show(&self) -> Value {
        let (status, shown) = ask(&self.server, Method::GET, "/admin/source", "").await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        shown
    }

    async fn choose(&self, choice: Value) -> (StatusCode, Value) {
        ask(
            &self.server,
            Method::POST,
            "/admin/source",
            &choice.to_string(),
        )
        .await
    }

    async fn take_over(&self) -> Value {
        let (status, shown) = self.choose(json!({"source": "file"})).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        assert_eq!(shown["serves"], "file");
        shown
    }

    /// Switches `dark-mode` as the admin page does.
    async fn edit(&self, variation: &str) -> (StatusCode, Value) {
        let change = json!({"default": variation}).to_string();
        ask(
            &self.server,
            Method::POST,
            "/admin/flags/dark-mode",
            &change,
        )
        .await
    }

    fn version(&self, flag: &str) -> i64 {
        let current = self.server.environment.current().unwrap();
        current.snapshot.flag(flag).unwrap().version.unwrap()
    }
}

async fn ask(server: &Server, method: Method, path: &str, body: &str) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1:7700")
        .header("content-type", "application/json")
        .body(Body::from(body.to_owned()))
        .unwrap();
    read(server.send(request).await).await
}

/// Counts all requests.
fn counting(app: Router) -> (Router, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let app = app.layer(middleware::from_fn(move |request: Request, next: Next| {
        counter.fetch_add(1, Ordering::SeqCst);
        next.run(request)
    }));
    (app, count)
}

#[tokio::test]
async fn what_serves_the_same_takes_over_without_an_event_and_is_edited_from_then_on() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let site = Site::start(socket.address, FLAGS).await;
    site.live().await;
    let (mut page, mut back_end) = site.streams().await;
    let shown = site.show().await;
    assert_eq!(shown["serves"], "upstream");
    assert_eq!(shown["comparison"]["differences"], 0);
    assert!(shown["comparison"].get("confirm").is_none());
    let (version, before) = (site.version("dark-mode"), origin.environment.current());
    let rules = "/client/env/development/feature-configs";
    let token = site.server.token(SERVER_KEY, Value::Null).await;
    let tag = site.server.send(get(rules, &token)).await.headers()["etag"].clone();
    let (status, refused) = site.edit("true").await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");

    let chosen = async |upstream: u8, file: u8| {
        let reply = site.server.send(get("/metrics", "")).await;
        let body = axum::body::to_bytes(reply.into_body(), usize::MAX).await;
        let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
        for (source, serves) in [("upstream", upstream), ("file", file)] {
            let line = format!(
                "flagwire_source_chosen{{environment=\"development\",source=\"{source}\"}} {serves}\n"
            );
            assert!(text.contains(&line), "{line}{text}");
        }
    };
    chosen(1, 0).await;

    site.take_over().await;
    chosen(0, 1).await;
    let (_, status) = site.server.get("/status", "").await;
    let described = &status["environments"]["development"];
    assert_eq!(described["takeover"]["serves"], "file");
    assert_eq!(described["source"], site.path().display().to_string());
    assert_eq!(described["state"], "live");
    let now = site.server.send(get(rules, &token)).await;
    assert_eq!(now.headers()["etag"], tag, "as nothing has changed");
    assert_eq!(site.version("dark-mode"), version);

    // A change at the upstream is none here any more; one in the file is the next that streams hear of.
    origin.save(&FLAGS.replace("greeting: \"\"", "greeting: hello"));
    assert_eq!(site.edit("true").await.0, StatusCode::OK);
    let event = page.event().await;
    assert_eq!(event["identifier"], "dark-mode");
    assert_eq!(event["evaluations"][0]["value"], "true");
    let event = back_end.event().await;
    assert_eq!(event["identifier"], "dark-mode");
    let given = before.unwrap().snapshot.flag("dark-mode").unwrap().version;
    assert!(event["version"].as_i64() > given, "{event}");
    assert!(
        fs::read_to_string(site.path())
            .unwrap()
            .contains("dark-mode")
    );
    // By hand as well.
    site.write(FLAGS);
    assert_eq!(page.event().await["evaluations"][0]["value"], "false");
    let again = back_end.event().await;
    assert!(again["version"].as_i64() > event["version"].as_i64());
    assert_eq!(site.take_over().await["serves"], "file", "once is enough");
}

/// A page holds values and hears nothing; a back end holds rules.
#[tokio::test]
async fn rules_that_are_written_in_another_way_are_an_event_for_back_ends_alone() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let site = Site::start(socket.address, REWRITTEN).await;
    site.live().await;
    let (mut page, mut back_end) = site.streams().await;
    let version = site.version("dark-mode");
    site.take_over().await;
    let mut told = [back_end.event().await, back_end.event().await];
    told.sort_by_key(|event| event["identifier"].to_string());
    assert_eq!(
        [&told[0]["identifier"], &told[1]["identifier"]],
        ["dark-mode", "limits"]
    );
    assert!(told[0]["version"].as_i64() > Some(version));
    site.write(&REWRITTEN.replace("greeting: \"\"", "greeting: hello"));
    assert_eq!(page.event().await["identifier"], "greeting");
    assert_eq!(back_end.event().await["identifier"], "greeting");
}

#[tokio::test]
async fn what_differs_is_shown_and_takes_over_only_if_that_difference_is_confirmed() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let site = Site::start(socket.address, &dark()).await;
    site.live().await;
    let (mut page, _) = site.streams().await;
    let (status, refused) = site.choose(json!({"source": "file"})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let compared = &refused["comparison"];
    assert_eq!(compared["flags"], 4);
    assert_eq!(
        compared["differences"], compared["targets"],
        "the flag differs for everybody"
    );
    assert_eq!(compared["differing"], json!(["dark-mode"]));
    assert_eq!(compared["first"].as_array().unwrap().len(), 10);
    let message = refused["message"].as_str().unwrap();
    for expected in [
        "4 flags × ",
        "flag `dark-mode` for ",
        "serves `false`",
        "serves `true`",
        "\"confirm\": \"",
    ] {
        assert!(message.contains(expected), "{expected}: {message}");
    }
    let seen = compared["confirm"].as_str().unwrap().to_owned();
    assert_eq!(site.show().await["comparison"], *compared);

    // Another difference than the one that was seen, on either side.
    site.write(&dark().replace("greeting: \"\"", "greeting: hello"));
    let confirmed = json!({"source": "file", "confirm": seen});
    let (status, other) = site.choose(confirmed.clone()).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(
        other["comparison"]["differing"],
        json!(["dark-mode", "greeting"])
    );
    site.write(&dark());
    origin.save(&FLAGS.replace("greeting: \"\"", "greeting: hello"));
    assert_eq!(page.event().await["identifier"], "greeting");
    assert_eq!(site.choose(confirmed.clone()).await.0, StatusCode::CONFLICT);
    origin.save(FLAGS);
    assert_eq!(page.event().await["identifier"], "greeting");
    assert_eq!(site.takeover.chosen(), Chosen::Upstream);

    let (status, shown) = site.choose(confirmed).await;
    assert_eq!((status, &shown["serves"]), (StatusCode::OK, &json!("file")));
    let event = page.event().await;
    assert_eq!(event["evaluations"][0]["value"], "true");
    site.write(FLAGS);
    assert_eq!(page.event().await["identifier"], "dark-mode");
}

#[tokio::test]
async fn a_file_with_mistakes_or_none_at_all_does_not_take_over() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let site = Site::start(socket.address, "flags: { a: { defualt: 1 } }\n").await;
    site.live().await;
    // What `flagwire-server check` says of the same file.
    for (text, expected) in [
        ("flags: { a: { defualt: 1 } }\n", "flags.yaml:1:"),
        (
            "flags: { a: { default: true, rules: [{ when: { group: nobody }, serve: false }] } }\n",
            "nobody",
        ),
        (
            "flags:\n  - { feature: a, kind: string, offVariation: x, variations: [{ identifier: y, value: y }], defaultServe: { variation: y } }\n",
            "flags.yaml:2:",
        ),
        ("", "the file is empty"),
    ] {
        site.write(text);
        let (status, refused) = site.choose(json!({"source": "file"})).await;
        assert_eq!(status, StatusCode::CONFLICT, "{text}");
        let mistakes = refused["mistakes"].as_array().unwrap();
        let (code, printed) = {
            let out = command(site.directory.path());
            let mut check = std::process::Command::new(out.get_program());
            check.current_dir(site.directory.path());
            let out = check.arg("check").arg(site.path()).output().unwrap();
            (out.status.code(), String::from_utf8(out.stderr).unwrap())
        };
        assert_eq!(code, Some(1), "{printed}");
        let lines: Vec<&str> = mistakes.iter().filter_map(Value::as_str).collect();
        assert_eq!(lines, printed.lines().collect::<Vec<_>>(), "{text}");
        assert!(printed.contains(expected), "{printed}");
        assert_eq!(site.show().await["mistakes"], refused["mistakes"]);
    }
    fs::remove_file(site.path()).unwrap();
    let (status, refused) = site.choose(json!({"source": "file"})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(
        refused["mistakes"][0]
            .as_str()
            .unwrap()
            .contains("No such file")
    );
    assert_eq!(site.takeover.chosen(), Chosen::Upstream);
    // It was a relay all the time.
    origin.save(&dark());
    site.server.serves("dark-mode", "true").await;
}

#[tokio::test]
async fn the_choice_outlives_a_restart_and_nothing_is_asked_of_the_upstream_then() {
    let origin = server();
    let (app, requests) = counting(app_of(&origin));
    let socket = listen(app).await;
    let site = Site::start(socket.address, FLAGS).await;
    site.live().await;
    // Nobody has chosen.
    let site = site.restart(socket.address).await;
    site.live().await;
    assert_eq!(site.show().await["serves"], "upstream");
    site.take_over().await;
    let version = site.version("dark-mode");
    let asked = requests.load(Ordering::SeqCst);

    let site = site.restart(socket.address).await;
    assert_eq!(site.show().await["serves"], "file");
    assert!(site.version("dark-mode") >= version);
    let (mut page, mut back_end) = site.streams().await;
    assert_eq!(site.edit("true").await.0, StatusCode::OK);
    assert_eq!(page.event().await["evaluations"][0]["value"], "true");
    assert!(back_end.event().await["version"].as_i64() > Some(version));
    assert_eq!(requests.load(Ordering::SeqCst), asked);

    // And back, which lasts as well.
    let (status, shown) = site.choose(json!({"source": "upstream"})).await;
    assert_eq!(
        (status, &shown["serves"]),
        (StatusCode::OK, &json!("upstream"))
    );
    let site = site.restart(socket.address).await;
    site.live().await;
    assert_eq!(site.show().await["serves"], "upstream");
}

#[tokio::test]
async fn it_takes_over_while_the_upstream_is_down_and_before_it_has_ever_answered() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let site = Site::start(socket.address, FLAGS).await;
    site.live().await;
    let (mut page, _) = site.streams().await;
    let address = socket.kill();
    let down =
        |status: &flagwire_server::environment::SourceStatus| status.state == SourceState::Degraded;
    site.server.status(down).await;
    site.take_over().await;
    let (_, status) = site.server.get("/status", "").await;
    assert_eq!(status["environments"]["development"]["healthy"], true);
    assert_eq!(site.edit("true").await.0, StatusCode::OK);
    assert_eq!(page.event().await["identifier"], "dark-mode");

    // With nothing in force all of the file is a difference.
    let site = Site::start(address, FLAGS).await;
    let (status, refused) = site.choose(json!({"source": "file"})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(refused["comparison"]["differingTotal"], 4);
    let confirm = refused["comparison"]["confirm"].clone();
    let choice = json!({"source": "file", "confirm": confirm});
    assert_eq!(site.choose(choice).await.0, StatusCode::OK);
    site.server.serves("dark-mode", "false").await;
}

#[tokio::test]
async fn going_back_puts_the_upstream_in_force_and_versions_grow_all_the_way() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let site = Site::start(socket.address, FLAGS).await;
    site.live().await;
    let (mut page, mut back_end) = site.streams().await;
    let mut last = site.version("dark-mode");
    for _ in 0..3 {
        site.take_over().await;
        assert_eq!(site.edit("true").await.0, StatusCode::OK);
        assert_eq!(page.event().await["evaluations"][0]["value"], "true");
        let (status, shown) = site.choose(json!({"source": "upstream"})).await;
        assert_eq!(status, StatusCode::OK, "{shown}");
        assert_eq!(page.event().await["evaluations"][0]["value"], "false");
        for _ in 0..2 {
            let version = back_end.event().await["version"].as_i64().unwrap();
            assert!(version > last, "{version} after {last}");
            last = version;
        }
        site.live().await;
        let (status, refused) = site.edit("true").await;
        assert_eq!(status, StatusCode::CONFLICT, "{refused}");
        site.write(FLAGS);
    }
}

#[tokio::test]
async fn whoever_presses_while_the_upstream_changes_gets_what_was_compared_or_a_refusal() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let site = Arc::new(Site::start(socket.address, FLAGS).await);
    site.live().await;
    let (mut page, _) = site.streams().await;
    let changing = {
        let site = Arc::clone(&site);
        tokio::spawn(async move {
            let mut on = false;
            while site.takeover.chosen() == Chosen::Upstream {
                on = !on;
                origin.save(&if on { dark() } else { FLAGS.to_owned() });
                tokio::task::yield_now().await;
            }
        })
    };
    let press = async || {
        loop {
            let (status, reply) = site.choose(json!({"source": "file"})).await;
            match status {
                StatusCode::OK => break,
                StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE => {}
                _ => panic!("{status} {reply}"),
            }
            tokio::task::yield_now().await;
        }
    };
    eventually(async { tokio::join!(press(), press()) }, || {
        "no press had a result".to_owned()
    })
    .await;
    changing.await.unwrap();
    // At that moment the two said the same, so the last value that the page received is the one in the file.
    let mut value = None;
    site.write(&FLAGS.replace("greeting: \"\"", "greeting: hello"));
    loop {
        let event = page.event().await;
        if event["identifier"] == "greeting" {
            break;
        }
        value = Some(event["evaluations"][0]["value"].clone());
    }
    assert!(value.is_none_or(|value| value == "false"));
}

#[tokio::test]
async fn what_pages_have_counted_before_is_posted_to_the_upstream() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let site = Site::start(socket.address, FLAGS).await;
    site.live().await;
    let token = site.server.token(CLIENT_KEY, ada()).await;
    let post = async |count: u64| {
        let pair = |key: &str, value: &str| json!({"key": key, "value": value});
        let report = json!({"metricsData": [{"timestamp": 1, "count": count, "metricsType": "FFMETRICS", "attributes": [
            pair("featureIdentifier", "dark-mode"), pair("variationIdentifier", "false"), pair("SDK_LANGUAGE", "JavaScript")]}]});
        let request = Request::post("/metrics/development")
            .header("authorization", format!("Bearer {token}"))
            .body(Body::from(report.to_string()))
            .unwrap();
        assert_eq!(site.server.send(request).await.status(), StatusCode::OK);
    };
    post(5).await;
    let shown = site.take_over().await;
    assert!(shown.get("unposted").is_none(), "{shown}");
    let counted = |environment: &Environment| {
        let totals = environment.usage.totals();
        totals.first().map_or(0, |(_, _, count)| *count)
    };
    assert_eq!(counted(&origin.environment), 5);
    post(7).await;
    let (status, _) = site.choose(json!({"source": "upstream"})).await;
    assert_eq!(status, StatusCode::OK);
    site.take_over().await;
    assert_eq!(
        counted(&origin.environment),
        5,
        "what the file served is the file's"
    );
    assert_eq!(counted(&site.server.environment), 12);
}

#[tokio::test]
async fn whoever_may_not_use_the_admin_page_cannot_choose() {
    let site = Site::start(([127, 0, 0, 1], 1).into(), FLAGS).await;
    let foreign = Request::post("/admin/source")
        .header("host", "127.0.0.1:7700")
        .header("origin", "https://elsewhere.example")
        .header("content-type", "application/json")
        .body(Body::from(r#"{"source":"file"}"#))
        .unwrap();
    let status = site.server.send(foreign).await.status();
    assert_eq!(status, StatusCode::FORBIDDEN);
    for wrong in [
        json!({}),
        json!({"source": "disk"}),
        json!({"source": "file", "confrim": "x"}),
    ] {
        let (status, reply) = site.choose(wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(reply["message"].as_str().unwrap().contains("\"confirm\""));
    }
    assert_eq!(site.takeover.chosen(), Chosen::Upstream);
    let (status, reply) = ask(&server(), Method::GET, "/admin/source", "").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(reply["message"].as_str().unwrap().contains("--takeover"));
}

/// The program itself, over a restart without its upstream.
#[test]
fn the_program_goes_on_with_the_file_when_the_upstream_is_gone() {
    let directory = TempDir::new().unwrap();
    let (up, here) = (directory.path().join("up"), directory.path().join("here"));
    for directory in [&up, &here] {
        fs::create_dir(directory).unwrap();
        fs::write(directory.join("flags.yaml"), FLAGS).unwrap();
    }
    let upstream = Running::start(&up, &["--drain-seconds", "0"]);
    let url = format!("http://{}", upstream.address);
    let relay = [
        "--upstream",
        &url,
        "--api-key",
        "flagwire-dev-server-key",
        "--takeover",
        "flags.yaml",
        "--drain-seconds",
        "0",
    ];
    let args = [&relay[..], &["--state-dir", "state"]].concat();
    let (code, said) = fails(&here, &relay);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("--takeover needs --state-dir"), "{said}");

    let first = Running::start(&here, &args);
    assert!(
        first
            .printed
            .contains("until you have flags.yaml take over"),
        "{}",
        first.printed
    );
    while !first.get("/ready", "", "").contains("\"ready\":true") {
        std::thread::sleep(Duration::from_millis(10));
    }
    let body = r#"{"source":"file"}"#;
    let reply = first.ask(&format!(
        "POST /admin/source HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert!(reply.contains("\"serves\":\"file\""), "{reply}");
    first.terminate();
    upstream.terminate();

    let second = Running::start(&here, &args);
    assert!(
        second
            .printed
            .contains("flags.yaml (it took over from http://"),
        "{}",
        second.printed
    );
    let status = second.get("/status", "", "");
    assert!(status.contains("\"source\":\"flags.yaml\""), "{status}");
    assert!(status.contains("\"state\":\"live\""), "{status}");
    let (_, log) = second.terminate();
    assert!(!log.contains("upstream"), "{log}");

    fs::write(here.join("state/source-development.json"), "{").unwrap();
    let (code, said) = fails(&here, &args);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("source-development.json: "), "{said}");
}

#[test]
fn the_flags_of_this_test_serve_the_same_written_in_another_way() {
    let parse = |text| flags_file::parse(text).unwrap();
    let proof = flags_file::proof::prove(&parse(FLAGS), &parse(REWRITTEN), |_, _| {});
    assert_eq!(proof.differing, 0, "{proof}");
}
