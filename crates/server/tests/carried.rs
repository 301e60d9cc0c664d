//! Tests that every property of flags and groups is passed on: by the endpoints for back ends, a relay, Redis, a replica and a
//! file, and to the admin page.

mod common;

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::Request;
use common::listening::*;
use common::replicas::*;
use common::*;
use flagwire_evaluation::model::{
    Clause, Distribution, FeatureConfig, Prerequisite, Rule, Segment, SegmentRule, SegmentTarget,
    Serve, State, Tag, TargetRef, Variation, VariationMap, WeightedVariation,
};
use flagwire_server::environment::{Configuration, Environment};
use flagwire_server::source::saved::SavedConfiguration;
use flagwire_server::source::upstream::UpstreamSource;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

/// Makes texts with quotes, line ends, and characters of every length in UTF-8.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z\"\\\\\n<é日]{0,8}", 1 => any::<String>()]
}

fn serve() -> impl Strategy<Value = Serve> {
    let share = (text(), any::<i64>())
        .prop_map(|(variation, weight)| WeightedVariation { variation, weight });
    let distribution =
        (text(), vec(share, 0..3)).prop_map(|(bucket_by, variations)| Distribution {
            bucket_by,
            variations,
        });
    (option::of(text()), option::of(distribution)).prop_map(|(variation, distribution)| Serve {
        variation,
        distribution,
    })
}

fn clause() -> impl Strategy<Value = Clause> {
    let fields = (
        option::of(text()),
        text(),
        text(),
        vec(text(), 0..3),
        any::<bool>(),
    );
    fields.prop_map(|(id, attribute, op, values, negate)| Clause {
        id,
        attribute,
        op,
        values,
        negate,
    })
}

/// Makes a flag without an identifier, which its position determines, and without a version, which the server assigns.
fn flag() -> impl Strategy<Value = FeatureConfig> {
    let variation = (text(), text(), option::of(text()), option::of(text())).prop_map(
        |(identifier, value, name, description)| Variation {
            identifier,
            value,
            name,
            description,
        },
    );
    let prerequisite = (text(), vec(text(), 0..3)).prop_map(|(feature, variations)| Prerequisite {
        feature,
        variations,
    });
    let target = (text(), text()).prop_map(|(identifier, name)| TargetRef { identifier, name });
    let entry = (text(), vec(target, 0..3), vec(text(), 0..3)).prop_map(
        |(variation, targets, target_segments)| VariationMap {
            variation,
            targets,
            target_segments,
        },
    );
    let rule = (
        option::of(text()),
        any::<i64>(),
        vec(clause(), 0..3),
        serve(),
    )
        .prop_map(|(rule_id, priority, clauses, serve)| Rule {
            rule_id,
            priority,
            clauses,
            serve,
        });
    let tag = (text(), text()).prop_map(|(name, identifier)| Tag { name, identifier });
    let said = prop_oneof![
        text().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    let people = (
        vec(tag, 0..3),
        vec(text(), 0..2),
        btree_map(text(), said, 0..3),
    );
    let about = (text(), text(), option::of(text()), text(), any::<bool>());
    let lists = (
        vec(variation, 0..3),
        vec(prerequisite, 0..2),
        vec(entry, 0..3),
        vec(rule, 0..3),
    );
    let all = (about, people, text(), serve(), lists);
    all.prop_map(|(about, people, off_variation, default_serve, lists)| {
        let (tags, owner, metadata) = people;
        let (project, environment, description, kind, on) = about;
        let (variations, prerequisites, variation_to_target_map, rules) = lists;
        FeatureConfig {
            project,
            environment,
            feature: String::new(),
            description,
            tags,
            owner,
            metadata: metadata.into_iter().collect(),
            kind,
            state: if on { State::On } else { State::Off },
            version: None,
            variations,
            off_variation,
            default_serve,
            prerequisites,
            variation_to_target_map,
            rules,
        }
    })
}

fn segment() -> impl Strategy<Value = Segment> {
    let member = || {
        (text(), text(), text(), text(), text(), text()).prop_map(
            |(identifier, name, account, org, project, environment)| SegmentTarget {
                identifier,
                name,
                account,
                org,
                project,
                environment,
            },
        )
    };
    let tag = (text(), text()).prop_map(|(name, identifier)| Tag { name, identifier });
    let rule = (option::of(text()), any::<i64>(), vec(clause(), 0..3)).prop_map(
        |(rule_id, priority, clauses)| SegmentRule {
            rule_id,
            priority,
            clauses,
        },
    );
    let about = (
        text(),
        option::of(text()),
        option::of(any::<i64>()),
        option::of(any::<i64>()),
        vec(tag, 0..3),
    );
    let lists = (
        vec(member(), 0..3),
        vec(member(), 0..3),
        vec(clause(), 0..3),
        vec(rule, 0..3),
    );
    (about, lists).prop_map(|(about, lists)| {
        let (name, environment, created_at, modified_at, tags) = about;
        let (included, excluded, rules, serving_rules) = lists;
        Segment {
            identifier: String::new(),
            name,
            environment,
            version: None,
            created_at,
            modified_at,
            tags,
            included,
            excluded,
            rules,
            serving_rules,
        }
    })
}

/// Makes configurations that always have flags and groups, because a relay doubts an upstream that suddenly has none.
fn configuration() -> impl Strategy<Value = Configuration> {
    let flags = btree_map(text(), flag(), 1..4);
    let segments = btree_map(text(), segment(), 1..3);
    (flags, segments).prop_map(|(flags, segments)| Configuration {
        flags: flags
            .into_iter()
            .map(|(feature, flag)| FeatureConfig { feature, ..flag })
            .collect(),
        segments: segments
            .into_iter()
            .map(|(identifier, group)| Segment {
                identifier,
                ..group
            })
            .collect(),
    })
}

/// Returns an environment's configuration as a relay receives it: the old rules of groups are written as equivalent serving rules.
fn held(environment: &Environment) -> (Vec<FeatureConfig>, Vec<Segment>) {
    let current = environment.current().unwrap();
    let segments = current.snapshot.segments().iter();
    (
        current.snapshot.flags().to_vec(),
        segments.map(Segment::with_serving_rules).collect(),
    )
}

type Versions = (BTreeMap<String, Option<i64>>, BTreeMap<String, Option<i64>>);

fn versions((flags, segments): &(Vec<FeatureConfig>, Vec<Segment>)) -> Versions {
    (
        flags
            .iter()
            .map(|flag| (flag.feature.clone(), flag.version))
            .collect(),
        segments
            .iter()
            .map(|group| (group.identifier.clone(), group.version))
            .collect(),
    )
}

/// Returns flags and groups as the admin page receives them.
async fn shown(server: &Server) -> (Value, Value) {
    let request = Request::get("/admin/state")
        .header("host", "127.0.0.1")
        .body(Body::empty())
        .unwrap();
    let (_, mut state) = read(server.send(request).await).await;
    assert!(state["flags"].is_array(), "{state}");
    (state["flags"].take(), state["groups"].take())
}

fn cases(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        cases,
        failure_persistence: None,
        // A shrunk case might differ only in a property that is lost, and would then never arrive.
        max_shrink_iters: 0,
        ..Config::default()
    })
}

/// Passes configurations from a server by its endpoints and stream to a leading replica, and by Redis to a follower.
#[test]
fn through_a_relay_and_redis_nothing_is_lost() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let origin = server();
    let (leader, follower, _socket) = runtime.block_on(async {
        let socket = listen(app_of(&origin)).await;
        let start = |name| {
            let source = UpstreamSource::new(upstream(socket.address)).unwrap();
            replica(options(&redis.url(), name), source)
        };
        let leader = start("leader");
        leader.leads().await;
        let follower = start("follower");
        follower
            .stands(|status| status.leader.as_deref() == Some("leader"))
            .await;
        (leader, follower, socket)
    });
    let run = |configuration: Configuration| {
        runtime.block_on(async {
            origin.environment.apply(configuration);
            let expected = held(&origin.environment);
            let page = shown(&origin).await;
            for one in [&leader, &follower] {
                let environment = &one.server.environment;
                let mut generation = environment.watch_generation();
                let arrived = generation.wait_for(|generation| {
                    *generation > 0 && versions(&held(environment)) == versions(&expected)
                });
                arrived.await.unwrap();
                prop_assert_eq!(&held(environment), &expected);
                prop_assert_eq!(&shown(&one.server).await, &page);
            }
            Ok(())
        })
    };
    cases(40).run(&configuration(), run).unwrap();
}

#[test]
fn on_disk_nothing_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let kept = SavedConfiguration::new(directory.path(), "development", "http://up");
    let run = |configuration: Configuration| {
        kept.save(&configuration.flags, &configuration.segments)
            .unwrap();
        prop_assert_eq!(kept.load().unwrap().unwrap().0, configuration);
        Ok(())
    };
    cases(200).run(&configuration(), run).unwrap();
}

/// Tests that client keys do not give access to descriptions, tags and owners, because every visitor of a page has its client key.
#[tokio::test]
async fn what_is_said_for_people_leaves_by_no_client_key() {
    let said = |on: bool| {
        format!(
            "flags:\n  a:\n    description: hidden-1\n    tags: [hidden-2]\n    owner: hidden-3\n    metadata: {{ team: told }}\n    default: {on}\n    rules: [{{ name: hidden-4, when: {{ group: g }}, serve: false }}]\n  b: {{ kind: string, state: on, variations: [{{ identifier: v, value: x, description: hidden-5, name: hidden-6 }}], offVariation: v, defaultServe: {{ variation: v }}, tags: [{{ name: hidden-7, identifier: hidden-8 }}], owner: [hidden-9] }}\ngroups:\n  g: {{ identifier: g, name: hidden-10, tags: [{{ name: hidden-11, identifier: hidden-12 }}], included: [{{ identifier: hidden-13, name: hidden-14 }}] }}\n"
        )
    };
    let server = server_with(settings(), Some(&said(true)));
    let target = json!({"identifier": "u"});
    let reply = server.sign_in(CLIENT_KEY, target.clone()).await;
    let token = reply["authToken"].as_str().unwrap().to_owned();
    let mut seen = vec![reply.to_string()];
    let env = "/client/env/development";
    for path in [
        format!("{env}/target/u/evaluations"),
        format!("{env}/target/u/evaluations/a"),
        format!("{env}/target/u/evaluations/b"),
        format!("{env}/target/u/evaluations/none"),
        format!("{env}/target/evaluations"),
        format!("{env}/target/evaluations/a"),
        format!("{env}/evaluations"),
        format!("{env}/evaluations/a"),
        format!("{env}/feature-configs?descriptions=true"),
        format!("{env}/feature-configs/a?descriptions=true"),
        format!("{env}/target-segments?rules=v2"),
        format!("{env}/target-segments/g"),
        format!("{env}/stream-ticket"),
    ] {
        seen.push(server.get(&path, &token).await.1.to_string());
    }
    let body = json!({"context": {"targetingKey": "u"}}).to_string();
    let mut ofrep = Vec::new();
    for path in ["", "/a", "/b", "/none"] {
        let request = Request::post(format!("/ofrep/v1/evaluate/flags{path}"))
            .header("x-api-key", CLIENT_KEY)
            .body(Body::from(body.clone()))
            .unwrap();
        ofrep.push(read(server.send(request).await).await.1);
    }
    assert_eq!(ofrep[1]["metadata"]["team"], "told");
    let events = ofrep[0]["eventStreams"][0]["endpoint"]["requestUri"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut streams = vec![
        server.stream(get("/stream", &token)).await,
        server
            .stream(Request::get(&events).body(Body::empty()).unwrap())
            .await,
    ];
    server.save(&said(false));
    server.save(&said(false).replace("name: hidden-10", "name: hidden-15"));
    server.stop.send_replace(true);
    for stream in &mut streams {
        while let Some(frame) = stream.frame().await {
            seen.push(frame);
        }
    }
    assert!(
        seen.iter()
            .any(|text| text.contains("\"identifier\":\"a\"")),
        "{seen:?}"
    );
    seen.extend(ofrep.iter().map(Value::to_string));
    for text in &seen {
        assert!(!text.contains("hidden"), "{text}");
    }
}

/// Tests that fields outside the published schemas are left out for clients that may reject unknown fields.
#[tokio::test]
async fn descriptions_leave_for_those_who_ask() {
    let server = server_with(
        settings(),
        Some(
            "flags: { a: { default: true, description: why, tags: [t], owner: ada, metadata: { team: x } } }",
        ),
    );
    let token = server.token(SERVER_KEY, Value::Null).await;
    for path in ["feature-configs", "feature-configs/a"] {
        for (query, expected) in [("", None), ("?descriptions=true", Some("why"))] {
            let path = format!("/client/env/development/{path}{query}");
            let (_, reply) = server.get(&path, &token).await;
            let flag = reply.get(0).unwrap_or(&reply);
            assert_eq!(flag["feature"], "a");
            assert_eq!(flag.get("description").and_then(Value::as_str), expected);
            for name in ["tags", "owner", "metadata"] {
                assert_eq!(flag.get(name).is_some(), expected.is_some(), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_said_of_a_flag_is_a_change_like_others() {
    let origin = server();
    let socket = listen(app_of(&origin)).await;
    let relay = relay(upstream(socket.address));
    relay.serves("dark-mode", "false").await;
    let said = FLAGS.replace(
        "dark-mode: false",
        "dark-mode: { default: false, description: why }",
    );
    let changes = origin.save(&said);
    assert_eq!(changes.len(), 1, "{changes:?}");
    origin.save(&said.replace("default: false", "default: true"));
    relay.serves("dark-mode", "true").await;
    assert_eq!(shown(&relay).await, shown(&origin).await);
}
