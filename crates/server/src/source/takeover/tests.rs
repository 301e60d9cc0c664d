//! The moment between the comparison and the switch.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::environment::{Author, Edit, FlagsChange};
use crate::versions::Counting;

const FLAGS: &str = "flags: { a: true, b: { value: 1 } }\n";

struct Site {
    takeover: Arc<Takeover>,
    environment: Arc<Environment>,
    directory: TempDir,
    stop: watch::Sender<bool>,
}

impl Site {
    /// The upstream of this site does not answer; what it has said before is in force.
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let options = TakeoverOptions {
            upstream: UpstreamOptions::new("http://127.0.0.1:1/".parse().unwrap(), "key"),
            file: directory.path().join("flags.yaml"),
            choice: directory.path().join("state/source-e.json"),
        };
        fs::write(&options.file, FLAGS).unwrap();
        let takeover = Arc::new(Takeover::new(options).unwrap());
        let environment = Arc::new(Environment::new("e"));
        let (stop, stopping) = watch::channel(false);
        let source = Box::new(TakeoverSource::with_upstream(Arc::clone(&takeover)));
        tokio::spawn(source.run(Arc::clone(&environment), stopping));
        let site = Self {
            takeover,
            environment,
            directory,
            stop,
        };
        site.upstream_says(FLAGS);
        site
    }

    fn upstream_says(&self, text: &str) {
        let configuration = flagwire_flags_file::parse(text).unwrap();
        self.environment
            .apply_with(configuration, Counting::Upstream);
    }

    fn write(&self, text: &str) {
        fs::write(self.directory.path().join("flags.yaml"), text).unwrap();
    }

    fn is_relay(&self) -> bool {
        let running = self.takeover.running.lock();
        let relay = matches!(&*running, Some(Running { inner: Inner::Upstream { relay, .. }, .. }) if relay.is_running());
        relay && self.takeover.chosen() == Chosen::Upstream && self.environment.editor().is_none()
    }
}

#[tokio::test]
async fn what_was_not_compared_does_not_take_over() {
    let site = Site::start();
    let compared = site.takeover.compare().await.unwrap();
    assert!(!compared.differs());

    // The file changes after the comparison, and then what the upstream serves.
    site.write("flags: { a: false, b: { value: 1 } }\n");
    assert!(site.takeover.take_over(&compared).await.unwrap().is_none());
    assert!(site.is_relay());
    site.write(FLAGS);
    site.upstream_says("flags: { a: false, b: { value: 1 } }");
    assert!(site.takeover.take_over(&compared).await.unwrap().is_none());
    assert!(site.is_relay());
    assert_eq!(site.takeover.load_choice().await.unwrap(), Chosen::Upstream);

    // What differs now is another difference than one that would have been confirmed before.
    let refused = site
        .takeover
        .choose(Chosen::File, Some(compared.confirm.clone()))
        .await;
    assert!(matches!(refused, Err(Refusal::Differs(_))), "{refused:?}");
    site.upstream_says(FLAGS);
    assert!(site.takeover.take_over(&compared).await.unwrap().is_some());
    assert_eq!(site.takeover.load_choice().await.unwrap(), Chosen::File);
}

#[tokio::test]
async fn a_choice_that_cannot_be_kept_changes_nothing() {
    let site = Site::start();
    fs::write(site.directory.path().join("state"), "not a directory").unwrap();
    let refused = site.takeover.choose(Chosen::File, None).await;
    let sentence = refused.unwrap_err().to_string();
    assert!(sentence.contains("cannot keep the choice in"), "{sentence}");
    assert!(site.is_relay());
}

#[tokio::test]
async fn a_request_that_cannot_wait_for_the_comparison_changes_nothing_and_the_next_one_has_it() {
    let site = Site::start();
    let at_once = site.takeover.choose_file(None, Instant::now()).await;
    assert!(matches!(at_once, Err(Refusal::Comparing)), "{at_once:?}");
    assert!(site.is_relay());
    let compared = site.takeover.compare().await.unwrap();
    let again = site.takeover.compare().await.unwrap();
    assert!(Arc::ptr_eq(&compared, &again), "it is made once");
    assert!(
        site.takeover
            .choose(Chosen::File, None)
            .await
            .unwrap()
            .changed
    );
}

#[tokio::test]
async fn of_two_who_choose_at_once_one_changes_the_source() {
    let site = Site::start();
    let choose = || site.takeover.choose(Chosen::File, None);
    let (one, other) = tokio::join!(choose(), choose());
    let changed = [one, other].map(|done| done.unwrap().changed);
    assert_ne!(changed[0], changed[1]);
    let back = || site.takeover.choose(Chosen::Upstream, None);
    let (one, other) = tokio::join!(back(), back());
    let changed = [one, other].map(|done| done.unwrap().changed);
    assert_ne!(changed[0], changed[1]);
    assert!(site.is_relay());
}

#[tokio::test]
async fn nothing_of_the_file_comes_into_force_once_the_upstream_serves_again() {
    let site = Site::start();
    for _ in 0..2 {
        site.takeover.choose(Chosen::File, None).await.unwrap();
        let editor = site.environment.editor().unwrap();
        let edit = |on| {
            let editor = Arc::clone(&editor);
            let change = FlagsChange::Settings {
                flag: "a".to_owned(),
                edit: Edit {
                    state: Some(on),
                    ..Edit::default()
                },
            };
            tokio::task::spawn_blocking(move || editor.edit(&change, &Author::default()))
        };
        edit(false).await.unwrap().unwrap();
        let content = content_in_force(&site.environment);
        site.takeover.choose(Chosen::Upstream, None).await.unwrap();
        // Whoever asked for the editor before is late.
        let late = edit(true).await.unwrap().unwrap_err().to_string();
        assert!(late.contains("come from another source"), "{late}");
        site.write("flags: { a: false }\n");
        assert_eq!(content_in_force(&site.environment), content);
        site.write(FLAGS);
        site.upstream_says(FLAGS);
    }
}

#[tokio::test]
async fn counts_are_posted_or_reported_and_not_collected_after_that() {
    use flagwire_core::protocol::{KeyValue, Metrics, MetricsData};

    let site = Site::start();
    let pair = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    let report = Metrics {
        metrics_data: Some(vec![MetricsData {
            timestamp: 1,
            count: 7,
            metrics_type: "FFMETRICS".to_owned(),
            attributes: vec![
                pair("featureIdentifier", "a"),
                pair("variationIdentifier", "true"),
            ],
        }]),
        target_data: None,
    };
    let count = || {
        let usage = &site.environment.usage;
        usage.add(&report, None, crate::auth::KeyKind::Client);
    };
    // The task that collects them may not have begun.
    drop(site.environment.usage.forward());
    count();
    let done = site.takeover.choose(Chosen::File, None).await.unwrap();
    let said = done.unposted.unwrap();
    assert!(
        said.starts_with(
            "7 evaluations that clients have counted could not be posted to http://127.0.0.1:1/"
        ),
        "{said}"
    );
    count();
    let outbox = site.environment.usage.forward();
    assert_eq!(outbox.take().evaluations(), 0);
}

#[tokio::test]
async fn the_source_ends_with_the_server() {
    for chosen in [Chosen::Upstream, Chosen::File] {
        let site = Site::start();
        site.takeover.choose(chosen, None).await.unwrap();
        site.stop.send_replace(true);
        site.stop.closed().await;
        let late = site.takeover.choose(Chosen::File, None).await;
        match chosen {
            Chosen::Upstream => assert!(matches!(late, Err(Refusal::NotRunning)), "{late:?}"),
            Chosen::File => assert!(!late.unwrap().changed),
        }
    }
}
