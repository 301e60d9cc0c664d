//! Tests that versions never decrease: a published server SDK, which ignores a version that is not greater, has the configuration
//! that the server serves, whatever happens to the server.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::*;
use flagwire_core::protocol::{Change, Domain};
use flagwire_evaluation::model::FeatureConfig;
use flagwire_server::environment::changes::Difference;
use flagwire_server::environment::{Author, Configuration, Edit, Environment, FlagsChange};
use flagwire_server::flags_file;
use flagwire_server::source::Source as _;
use flagwire_server::source::file::FileSource;
use flagwire_server::versions::Counting;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::sync::watch;

/// The flags of an SDK that follows the rule of the published server SDKs.
#[derive(Default)]
struct Sdk {
    flags: BTreeMap<String, FeatureConfig>,
}

impl Sdk {
    fn store(&mut self, flag: &FeatureConfig) {
        let version = |flag: &FeatureConfig| flag.version.unwrap_or_default();
        match self.flags.get(&flag.feature) {
            Some(held) if version(held) >= version(flag) => {}
            _ => drop(self.flags.insert(flag.feature.clone(), flag.clone())),
        }
    }

    fn hears(&mut self, differences: &[Difference], environment: &Environment) {
        let current = environment.current().unwrap();
        for difference in differences.iter().filter(|one| one.domain == Domain::Flag) {
            match difference.change {
                Change::Delete => drop(self.flags.remove(&difference.identifier)),
                _ => self.store(current.snapshot.flag(&difference.identifier).unwrap()),
            }
        }
    }

    /// Fetches all flags, as on a poll or for an unknown event id. Deleted flags stay, as in the SDKs.
    fn fetches(&mut self, environment: &Environment) {
        for flag in environment.current().unwrap().snapshot.flags() {
            self.store(flag);
        }
    }

    /// Returns whether the SDK evaluates each of the server's flags as the server does.
    fn agrees(&self, environment: &Environment) -> Result<(), String> {
        let plain = |flag: &FeatureConfig| FeatureConfig {
            version: None,
            ..flag.clone()
        };
        for flag in environment.current().unwrap().snapshot.flags() {
            let held = self.flags.get(&flag.feature);
            if held.map(plain) != Some(plain(flag)) {
                return Err(format!("serves {flag:?} while the SDK holds {held:?}"));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct Step {
    /// The value and version of each flag; `None` if there is no such flag.
    flags: [Option<(u8, Option<i64>)>; 3],
    from: Counting,
    event: What,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    /// The SDK gets the change by the stream.
    Change,
    /// The server restarts with its state, and the SDK gets an event for everything.
    Restart,
    /// The change happens while the SDK has no stream, and the SDK fetches later.
    Missed,
}

fn step() -> impl Strategy<Value = Step> {
    let version = prop_oneof![
        3 => Just(None),
        2 => (1_i64..20).prop_map(Some),
        // These are a time, as this server assigns it, and one far in the future.
        1 => (1_795_000_000_i64..1_796_000_000).prop_map(Some),
        1 => (4_000_000_000_i64..4_000_000_010).prop_map(Some),
    ];
    let flag = proptest::option::weighted(0.8, (0_u8..3, version));
    let from = prop_oneof![Just(Counting::File), Just(Counting::Upstream)];
    let event =
        prop_oneof![3 => Just(What::Change), 1 => Just(What::Restart), 1 => Just(What::Missed)];
    (proptest::array::uniform3(flag), from, event).prop_map(|(flags, from, event)| Step {
        flags,
        from,
        event,
    })
}

fn configuration(step: &Step) -> Configuration {
    let mut text = "flags:\n".to_owned();
    for (n, flag) in step.flags.iter().enumerate() {
        if let Some((value, _)) = flag {
            text.push_str(&format!("  f{n}: {value}\n"));
        }
    }
    let mut configuration = flags_file::parse(&text).unwrap();
    for flag in &mut configuration.flags {
        let n: usize = flag.feature[1..].parse().unwrap();
        flag.version = step.flags[n].unwrap().1;
    }
    configuration
}

fn start(path: &Path) -> Environment {
    let environment = Environment::new("development");
    environment.keep_versions_in(path);
    environment
}

#[test]
fn whatever_happens_an_sdk_that_drops_what_is_not_greater_holds_what_is_served() {
    let mut runner = TestRunner::new(Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    });
    let steps = proptest::collection::vec(step(), 1..14);
    let run = |steps: Vec<Step>| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("versions.json");
        let mut environment = start(&path);
        let mut sdk = Sdk::default();
        let mut from = Counting::File;
        for step in &steps {
            if step.event == What::Restart {
                let before = environment.current();
                environment = start(&path);
                // A relay keeps its configuration.
                if let Some(before) = before.filter(|_| from == Counting::Upstream) {
                    let kept = Configuration {
                        flags: before.snapshot.flags().to_vec(),
                        segments: Vec::new(),
                    };
                    environment.apply_with(kept, Counting::Own);
                }
            }
            from = step.from;
            let differences = environment.apply_with(configuration(step), step.from);
            match step.event {
                What::Change if environment.current().unwrap().generation > 1 => {
                    sdk.hears(&differences, &environment);
                    // These are the events that the SDK missed.
                    sdk.fetches(&environment);
                }
                _ => sdk.fetches(&environment),
            }
            if let Err(why) = sdk.agrees(&environment) {
                return Err(TestCaseError::fail(why));
            }
        }
        Ok(())
    };
    runner.run(&steps, run).unwrap();
}

/// A server that reads its file as the program does.
struct Running {
    environment: Arc<Environment>,
    stop: watch::Sender<bool>,
}

impl Running {
    fn start(file: &Path, state: Option<&Path>) -> Self {
        let environment = Arc::new(Environment::new("development"));
        if let Some(state) = state {
            environment.keep_versions_in(state);
        }
        let (stop, stopping) = watch::channel(false);
        let source = Box::new(FileSource::open(file).unwrap());
        tokio::spawn(source.run(Arc::clone(&environment), stopping));
        Self { environment, stop }
    }

    fn flag(&self, flag: &str) -> FeatureConfig {
        let current = self.environment.current().unwrap();
        current.snapshot.flag(flag).unwrap().clone()
    }

    async fn edit(&self, flag: &'static str, default: &'static str) {
        let environment = Arc::clone(&self.environment);
        let edit = move || {
            let edit = Edit {
                default: Some(default.to_owned()),
                ..Edit::default()
            };
            let editor = environment.editor().unwrap();
            let flag = flag.to_owned();
            let change = FlagsChange::Settings { flag, edit };
            editor.edit(&change, &Author::default()).unwrap();
        };
        tokio::task::spawn_blocking(edit).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn unix_seconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

const FULL: &str = r#"
flags:
  - { feature: a, kind: boolean, state: "on", version: 3, offVariation: "false", defaultServe: { variation: "false" },
      variations: [{ identifier: "true", value: "true" }, { identifier: "false", value: "false" }] }
groups:
  - { identifier: g, name: g, version: 2, included: [{ identifier: x, name: x }] }
"#;

#[tokio::test]
async fn the_version_that_an_edit_leaves_in_the_file_does_not_win_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (file, state) = (
        directory.path().join("flags.yaml"),
        directory.path().join("versions.json"),
    );
    for state in [Some(state.as_path()), None] {
        std::fs::write(&file, FULL).unwrap();
        let mut sdk = Sdk::default();
        let first = Running::start(&file, state);
        sdk.fetches(&first.environment);
        let before = first.flag("a").version;
        first.edit("a", "true").await;
        sdk.fetches(&first.environment);
        let edited = first.flag("a").version;
        assert!(edited > before);
        drop(first);
        if state.is_none() {
            // The versions depend on the clock, so it must have advanced past the changes of one second.
            while unix_seconds() < edited.unwrap() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }

        let second = Running::start(&file, state);
        assert!(second.flag("a").version >= edited);
        second.edit("a", "false").await;
        sdk.fetches(&second.environment);
        sdk.agrees(&second.environment).unwrap();
        let group = |running: &Running| {
            let current = running.environment.current().unwrap();
            current.snapshot.segment("g").unwrap().version
        };
        let before = group(&second);
        while state.is_none() && unix_seconds() < before.unwrap() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(second);

        // A new import replaces the file while no server runs.
        std::fs::write(
            &file,
            FULL.replace("version: 3", "version: 4")
                .replace("identifier: x", "identifier: y"),
        )
        .unwrap();
        let third = Running::start(&file, state);
        assert!(group(&third) > before);
        sdk.fetches(&third.environment);
        sdk.agrees(&third.environment).unwrap();
    }
}

#[tokio::test]
async fn an_id_of_before_a_restart_is_known_where_nothing_has_changed() {
    let before = server();
    before.save(&FLAGS.replace("dark-mode: false", "dark-mode: true"));
    let stamp = before.environment.stamp();
    let after = server_with(
        settings(),
        Some(&FLAGS.replace("dark-mode: false", "dark-mode: true")),
    );
    assert_eq!(after.environment.stamp(), stamp);
    let token = after.token(SERVER_KEY, Value::Null).await;
    let mut request = get("/stream", &token);
    let header = request.headers_mut();
    header.insert("last-event-id", stamp.parse().unwrap());
    let mut stream = after.stream(request).await;
    assert_eq!(stream.frame().await.unwrap(), ":\n\n");
    after.save(FLAGS);
    assert_eq!(stream.event().await["event"], "patch");
}

/// Replies with an entity tag, so that a relay's check for missed changes is cheap.
#[tokio::test]
async fn lists_of_rules_have_a_tag_that_changes_with_values_and_versions() {
    let server = server();
    let token = server.token(SERVER_KEY, Value::Null).await;
    for path in ["feature-configs", "target-segments?rules=v2"] {
        let path = format!("/client/env/development/{path}");
        let ask = async |known: Option<&str>| {
            let mut request = get(&path, &token);
            if let Some(known) = known {
                let header = request.headers_mut();
                header.insert("if-none-match", known.parse().unwrap());
            }
            let reply = server.send(request).await;
            let tag = reply.headers()["etag"].to_str().unwrap().to_owned();
            (reply.status().as_u16(), tag)
        };
        let (status, tag) = ask(None).await;
        assert_eq!(status, 200);
        assert_eq!(ask(Some(&tag)).await, (304, tag.clone()));
        let mut raised = flags_file::parse(FLAGS).unwrap();
        for flag in &mut raised.flags {
            flag.version = Some(5_000_000_000 + path.len() as i64);
        }
        assert!(server.environment.apply(raised).is_empty());
        let (status, other) = ask(Some(&tag)).await;
        assert_eq!(status, 200);
        assert_ne!(other, tag);
        let (_, flags) = server
            .get("/client/env/development/feature-configs", &token)
            .await;
        assert_eq!(
            flags[0]["version"],
            json!(5_000_000_000 + path.len() as i64)
        );
    }
}

/// The versions that an upstream gave, of flags that a file takes over unchanged and changes later.
#[test]
fn what_changes_in_a_file_that_took_over_is_greater_than_anything_the_upstream_gave() {
    let mut runner = TestRunner::new(Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let given = prop_oneof![
        1_i64..100,
        1_795_000_000_i64..1_796_000_000,
        4_000_000_000_i64..4_000_000_010
    ];
    let steps = (
        proptest::collection::vec((0_u8..3, given), 1..6),
        proptest::collection::vec(any::<bool>(), 1..4),
    );
    let run = |(upstream, restarts): (Vec<(u8, i64)>, Vec<bool>)| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("versions.json");
        let mut environment = start(&path);
        let of = |value: u8| flags_file::parse(&format!("flags: {{ f: {value} }}")).unwrap();
        let version = |environment: &Environment| {
            let current = environment.current().unwrap();
            current.snapshot.flag("f").unwrap().version.unwrap()
        };
        let mut greatest = 0;
        let mut value = 0;
        for (served, given) in upstream {
            value = served;
            let mut configuration = of(served);
            configuration.flags[0].version = Some(given);
            environment.apply_with(configuration, Counting::Upstream);
            greatest = greatest.max(given).max(version(&environment));
        }
        // The file takes over; it says the same, and no version.
        prop_assert!(environment.apply(of(value)).is_empty());
        for restart in restarts {
            if restart {
                environment = start(&path);
                environment.apply(of(value));
            }
            value = (value + 1) % 3;
            let told = environment.apply(of(value));
            prop_assert_eq!(told.len(), 1);
            prop_assert!(
                told[0].version > greatest,
                "{} after {greatest}",
                told[0].version
            );
            greatest = told[0].version;
        }
        Ok(())
    };
    runner.run(&steps, run).unwrap();
}
