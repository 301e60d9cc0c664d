//! Replicas that have a copy each of the flags file, or one file together: what is newer wins wherever it lies.

mod common;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use common::admin::ask_as;
use common::gate::Gate;
use common::replicas::*;
use common::*;
use flagwire_server::change_log::ChangeLog;
use flagwire_server::environment::{Document, Role};
use flagwire_server::replicas::ReplicaOptions;
use flagwire_server::source::file::FileOrigin;
use serde_json::Value;
use tempfile::TempDir;

const DARK: &str = "dark-mode";

fn dark(value: bool) -> String {
    FLAGS.replace("dark-mode: false", &format!("dark-mode: {value}"))
}

/// A place as a machine of its own has: a copy of the flags file, and a state directory.
struct Machine {
    directory: TempDir,
    file: PathBuf,
    name: &'static str,
    url: String,
}

impl Machine {
    fn new(redis: &RedisServer, name: &'static str, flags: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("flags.yaml");
        std::fs::write(&file, flags).unwrap();
        Self {
            directory,
            file,
            name,
            url: redis.url(),
        }
    }

    fn options(&self) -> ReplicaOptions {
        let mut options = options(&self.url, self.name);
        options.state_dir = Some(self.directory.path().to_owned());
        options
    }

    fn start(&self) -> Replicated {
        self.start_with(self.options())
    }

    fn start_with(&self, options: ReplicaOptions) -> Replicated {
        let replica = replica(options, FileOrigin(self.file.clone()));
        let state = self.directory.path().join("versions.json");
        replica.server.environment.keep_versions_in(&state);
        let fallback = self.directory.path().join("changes.jsonl");
        let log = ChangeLog::new("development", &self.file, &fallback);
        replica.server.environment.log_changes_in(log);
        replica
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.file).unwrap()
    }

    fn refused(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.directory.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("refused")).collect()
    }

    /// Until the file says this, and the replica has noted that the others have the same. There is no event for whoever
    /// looks at files.
    async fn says(&self, text: &str) {
        let hash = Document::new(text.as_bytes().to_vec()).hash;
        let state = self.directory.path().join("replica-development.json");
        let noted = || {
            std::fs::read_to_string(&state)
                .unwrap_or_default()
                .contains(&hash)
        };
        while self.text() != text || !noted() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn save(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

/// Until it is acknowledged: on a busy machine a leader may lose its lease for a moment.
async fn change_at_last(replica: &Replicated, value: bool) {
    loop {
        let (status, body) = change(replica, value).await;
        if status == StatusCode::OK {
            return;
        }
        assert_eq!(status, StatusCode::CONFLICT, "{body}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn change(replica: &Replicated, value: bool) -> (StatusCode, Value) {
    let request = Request::post(format!("/admin/flags/{DARK}"))
        .header("host", "localhost")
        .header("content-type", "application/json")
        .body(Body::from(format!(r#"{{"default": "{value}"}}"#)))
        .unwrap();
    read(replica.server.send(request).await).await
}

async fn follows(replica: &Replicated, leader: &str) {
    replica
        .stands(|status| status.role == Role::Follower && status.leader.as_deref() == Some(leader))
        .await;
}

#[tokio::test]
async fn an_acknowledged_edit_survives_the_leader_and_its_copy_survives_it() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (one, two) = (
        Machine::new(&redis, "one", FLAGS),
        Machine::new(&redis, "two", FLAGS),
    );
    let first = one.start();
    first.leads().await;
    let second = two.start();
    follows(&second, "one").await;
    change_at_last(&first, true).await;
    first.kill();
    // Dead in the moment of the answer: the other one's copy may be old yet.
    second.leads().await;
    second.server.serves(DARK, "true").await;
    two.says(&dark(true)).await;
    change_at_last(&second, false).await;

    // The one that was dead has an older copy now, and follows.
    let first = one.start();
    first.server.serves(DARK, "false").await;
    one.says(FLAGS).await;
    follows(&first, "two").await;
    // Also where it is the first one back.
    drop(first);
    change_at_last(&second, true).await;
    second.kill();
    let first = one.start();
    first.leads().await;
    first.server.serves(DARK, "true").await;
    one.says(&dark(true)).await;
    assert!(one.refused().is_empty() && two.refused().is_empty());
}

#[tokio::test]
async fn a_copy_edited_by_hand_is_for_all_wherever_it_lies() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (one, two) = (
        Machine::new(&redis, "one", FLAGS),
        Machine::new(&redis, "two", FLAGS),
    );
    let first = one.start();
    first.leads().await;
    let second = two.start();
    follows(&second, "one").await;
    second.server.serves(DARK, "false").await;
    // Of the leader.
    save(&one.file, &dark(true));
    second.server.serves(DARK, "true").await;
    two.says(&dark(true)).await;
    // Of the other one, back to a text that was in force before.
    save(&two.file, FLAGS);
    first.server.serves(DARK, "false").await;
    one.says(FLAGS).await;
    // One that cannot be read changes nothing, and is said.
    save(&two.file, "flags: [");
    second
        .server
        .status(|status| {
            let warning = status.warning.as_deref().unwrap_or_default();
            warning.contains("does not take it over")
        })
        .await;
    assert_eq!(one.text(), FLAGS);
    save(&two.file, &dark(true));
    first.server.serves(DARK, "true").await;
    second
        .server
        .status(|status| status.warning.is_none())
        .await;
}

#[tokio::test]
async fn a_copy_edited_while_other_flags_came_into_force_is_refused_and_kept() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (one, two) = (
        Machine::new(&redis, "one", FLAGS),
        Machine::new(&redis, "two", FLAGS),
    );
    let first = one.start();
    first.leads().await;
    let second = two.start();
    follows(&second, "one").await;
    two.says(FLAGS).await;
    drop(second);
    change_at_last(&first, true).await;
    let edited = FLAGS.replace("greeting: \"\"", "greeting: hello");
    save(&two.file, &edited);
    let second = two.start();
    two.says(&dark(true)).await;
    second.server.serves(DARK, "true").await;
    let [refused] = two.refused().try_into().unwrap();
    let kept = std::fs::read_to_string(two.directory.path().join(refused)).unwrap();
    assert_eq!(kept, edited);
    first.server.serves(DARK, "true").await;
    assert_eq!(one.text(), dark(true));
}

#[tokio::test]
async fn a_copy_that_is_older_and_cannot_be_written_is_not_used() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (one, two) = (
        Machine::new(&redis, "one", FLAGS),
        Machine::new(&redis, "two", FLAGS),
    );
    let mut permissions = std::fs::metadata(&two.file).unwrap().permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&two.file, permissions).unwrap();
    let first = one.start();
    first.leads().await;
    let second = two.start();
    follows(&second, "one").await;
    change_at_last(&first, true).await;
    second.server.serves(DARK, "true").await;
    second
        .server
        .status(|status| status.warning.is_some())
        .await;
    first.kill();
    let status = second.server.status(|status| !status.healthy).await;
    let error = status.error.unwrap();
    assert!(error.contains("make it writable"), "{error}");
    second.server.serves(DARK, "true").await;
    assert_eq!(two.text(), FLAGS);
}

#[tokio::test]
async fn a_replica_that_is_alone_takes_no_edits_and_shares_those_of_its_file_later() {
    let Some(mut redis) = RedisServer::start() else {
        return;
    };
    let (one, two) = (
        Machine::new(&redis, "one", FLAGS),
        Machine::new(&redis, "two", FLAGS),
    );
    let first = one.start();
    first.leads().await;
    let second = two.start();
    follows(&second, "one").await;
    second.server.serves(DARK, "false").await;
    redis.kill();
    for replica in [&first, &second] {
        replica.stands(|status| status.role == Role::Alone).await;
        // Its role is shown before its source is open.
        loop {
            let (status, body) = change(replica, true).await;
            assert_eq!(status, StatusCode::CONFLICT);
            if body["message"].as_str().unwrap().contains("Redis cannot") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    save(&two.file, &dark(true));
    second.server.serves(DARK, "true").await;
    let version = |replica: &Replicated| {
        let current = replica.server.environment.current().unwrap();
        current.snapshot.flag(DARK).unwrap().version
    };
    let alone = version(&second);
    // With nothing in it.
    redis.restart();
    first.server.serves(DARK, "true").await;
    one.says(&dark(true)).await;
    assert!(
        version(&first) >= alone,
        "a back end that changes over to it takes it"
    );
    assert!(one.refused().is_empty() && two.refused().is_empty());
}

#[tokio::test]
async fn a_stale_copy_that_is_first_in_an_empty_redis_gives_way_to_a_newer_one() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let stale = Machine::new(&redis, "stale", FLAGS);
    let newer = Machine::new(&redis, "newer", &dark(true));
    let file = std::fs::File::options()
        .append(true)
        .open(&stale.file)
        .unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(86_400);
    file.set_modified(long_ago).unwrap();
    let first = stale.start();
    first.leads().await;
    let second = newer.start();
    first.server.serves(DARK, "true").await;
    stale.says(&dark(true)).await;
    second.server.serves(DARK, "true").await;
    assert_eq!(newer.text(), dark(true));
}

#[tokio::test]
async fn one_file_together_is_written_by_the_leader_alone() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let machine = Machine::new(&redis, "one", FLAGS);
    let start = |name: &str| {
        let mut options = options(&redis.url(), name);
        options.state_dir = Some(machine.directory.path().to_owned());
        replica(options, FileOrigin(machine.file.clone()))
    };
    let first = start("first");
    first.leads().await;
    let second = start("second");
    follows(&second, "first").await;
    for n in 0..20 {
        let by = if n % 3 == 0 { &second } else { &first };
        change_at_last(by, n % 2 == 0).await;
        assert_eq!(machine.text(), dark(n % 2 == 0));
    }
    first.kill();
    second.leads().await;
    assert_eq!(machine.text(), FLAGS);
    save(&machine.file, &dark(true));
    second.server.serves(DARK, "true").await;
    assert!(machine.refused().is_empty());
}

/// How many scripts Redis has run.
async fn scripts(connection: &mut redis::aio::MultiplexedConnection) -> u64 {
    let statistics: String = redis::cmd("INFO")
        .arg("commandstats")
        .query_async(connection)
        .await
        .unwrap();
    let calls = statistics.split_once("cmdstat_eval:calls=").unwrap().1;
    calls.split_once(',').unwrap().0.parse().unwrap()
}

#[tokio::test]
async fn what_the_leader_has_written_and_not_yet_published_is_not_undone_by_a_replica_with_the_same_file()
 {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let machine = Machine::new(&redis, "second", FLAGS);
    let state_of_first = tempfile::tempdir().unwrap();
    let (to_first, to_second) = (Gate::to(redis.port), Gate::to(redis.port));
    let start = |name: &str, gate: &Gate, state: &Path| {
        let mut options = options(&format!("redis://127.0.0.1:{}", gate.port), name);
        options.state_dir = Some(state.to_owned());
        // Nobody looks by himself, or takes the lease, while requests are held back.
        options.lease = Duration::from_secs(60);
        replica(options, FileOrigin(machine.file.clone()))
    };
    let first = start("first", &to_first, state_of_first.path());
    first.leads().await;
    let second = start("second", &to_second, machine.directory.path());
    follows(&second, "first").await;
    machine.says(FLAGS).await;

    // The second one does not learn of this change before the file has the next one.
    to_second.shut();
    change_at_last(&first, true).await;
    to_first.shut_at("ZREMRANGEBYRANK");
    let publishing = async {
        // An answer that Redis took too long is no loss: the change is made.
        let (status, body) = change(&first, false).await;
        assert!(
            matches!(status, StatusCode::OK | StatusCode::CONFLICT),
            "{body}"
        );
    };
    let meanwhile = async {
        while machine.text() != FLAGS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut connection = redis.connect().await;
        let before = scripts(&mut connection).await;
        to_second.open();
        // A look runs two scripts at most. Once there is a third, what follows from the first look is done.
        for more in 1..=3 {
            while scripts(&mut connection).await < before + more {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            // Leads to another look.
            let () = redis::cmd("XADD")
                .arg("{flagwire:development}:changes")
                .arg(&["*", "from", "test"])
                .query_async(&mut connection)
                .await
                .unwrap();
        }
        assert_eq!(machine.text(), FLAGS);
        to_first.open();
    };
    tokio::join!(publishing, meanwhile);
    for replica in [&first, &second] {
        replica.server.serves(DARK, "false").await;
    }
    assert_eq!(machine.text(), FLAGS);
    assert!(machine.refused().is_empty());
}

#[tokio::test]
async fn a_change_asked_for_at_any_replica_is_in_the_leaders_log_and_undone_there() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (one, two) = (
        Machine::new(&redis, "one", FLAGS),
        Machine::new(&redis, "two", FLAGS),
    );
    // Long, so that the first one leads all the time.
    let lease = Duration::from_secs(60);
    let start = |machine: &Machine| {
        let mut options = machine.options();
        options.lease = lease;
        machine.start_with(options)
    };
    let first = start(&one);
    first.leads().await;
    let second = start(&two);
    follows(&second, "one").await;
    change_at_last(&second, true).await;
    let log = || std::fs::read_to_string(one.directory.path().join("flags.changes.jsonl")).unwrap();
    // A change that was not acknowledged at first may be there twice or as one.
    let line: Value = serde_json::from_str(log().lines().next().unwrap()).unwrap();
    assert_eq!(line["by"], "local");
    assert_eq!(line["from"], "  dark-mode: false");
    assert!(!two.directory.path().join("flags.changes.jsonl").exists());

    // The other replica lists what the leader has logged, and has it undone.
    let ask = async |method: Method, path: &str| loop {
        let (status, reply) = ask_as(&second.server, "", method.clone(), path, "").await;
        if status == StatusCode::OK {
            return reply;
        }
        // A leader may lose its lease for a moment, or answer late.
        assert_eq!(status, StatusCode::CONFLICT, "{reply}");
        if reply["message"].as_str().unwrap().contains("changed since") {
            return reply;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let listed = ask(Method::GET, "/admin/changes?flag=dark-mode").await;
    let id = listed["changes"][0]["id"].as_str().unwrap();
    ask(Method::POST, &format!("/admin/changes/{id}/undo")).await;
    second.server.serves(DARK, "false").await;
    one.says(FLAGS).await;
    let last: Value = serde_json::from_str(log().lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["by"], &last["undoes"]),
        (&Value::from("local"), &Value::from(id))
    );
}
