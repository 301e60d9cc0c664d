//! Tests of imports that ask the management API as well.

use super::*;
use crate::stand_in::{MANAGEMENT_TOKEN, Managed, TOKEN_WITHOUT_RIGHTS};

/// Flags that are served, what the management API knows of them, and more that it knows alone.
async fn managed(flags: usize) -> StandIn {
    let clause = json!({ "attribute": "plan", "op": "equal", "values": ["gold"] });
    let mut served: Vec<Value> = (0..flags)
        .map(|at| flag(&format!("flag-{at:03}"), &clause))
        .collect();
    served[0]["variationToTargetMap"] = json!([{
        "variation": "true", "targets": [{ "identifier": "user-1", "name": "" }], "targetSegments": [],
    }]);
    let group = json!({ "identifier": "staff", "name": "", "included": [{ "identifier": "user-2", "name": "" }], "servingRules": [] });
    let old = StandIn::start(served, vec![group]).await;
    let mut features: Vec<Value> = (0..flags)
        .map(|at| {
            json!({
                "identifier": format!("flag-{at:03}"), "name": format!("flag-{at:03}"), "kind": "boolean", "archived": false, "permanent": false,
                "description": format!("Says {at}"), "tags": [{ "name": "Checkout", "identifier": "checkout" }],
                "owner": ["ada@shop.example"], "envProperties": { "state": "on" },
            })
        })
        .collect();
    features[0]["name"] = json!("The first flag");
    features[0]["permanent"] = json!(true);
    features[0]["owner"] = json!(["ada@shop.example", "bob@shop.example"]);
    features[0]["services"] = json!([{ "identifier": "cart", "name": "Cart" }]);
    features[0]["envProperties"] =
        json!({ "pipelineConfigured": true, "jiraIssues": [{ "issueKey": "SHOP-7" }] });
    features[1]["tags"] = json!([]);
    features[1]["owner"] = Value::Null;
    features.push(json!({ "identifier": "old-banner", "name": "Old banner", "kind": "string", "archived": true, "description": "Was shown in spring" }));
    features.push(
        json!({ "identifier": "draft", "name": "Draft", "kind": "boolean", "archived": false }),
    );
    let targets = (1..=70).map(|at| json!({ "identifier": format!("user-{at}"), "name": format!("Person {at}"), "attributes": { "plan": "gold" } }));
    let segments = vec![
        json!({ "identifier": "staff", "name": "Our staff", "tags": [{ "name": "people", "identifier": "people" }] }),
    ];
    old.manage(Managed {
        features,
        segments,
        targets: targets.collect(),
    });
    old
}

fn args<'a>(old: &'a StandIn, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = importing(
        old,
        &["--admin-from", old.management(), "--admin-token-file"],
    );
    args.extend_from_slice(more);
    args
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn descriptions_tags_owners_names_and_archived_flags_come_along() {
    let old = managed(65).await;
    let directory = directory();
    let (code, out, err) = run(directory.path(), &args(&old, &["token.key"])).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.contains("65 flags × ") && out.contains(": 0 differences"),
        "{out}"
    );
    // Pages are smaller than asked for, and all of them are fetched.
    assert!(
        err.contains("fetching the descriptions of flags: page 3 of 3"),
        "{err}"
    );
    let written = text(&directory, "flags.yaml");
    for part in [
        "# Archived, and not carried over: flag `old-banner` (string): Was shown in spring\n",
        "# Not carried over: flag `draft`, which the management API lists and back ends do not get\n",
        "# Not carried over: 68 stored targets that are named by no flag or group.",
        "  # Called \"The first flag\" there\n  # Marked as permanent there\n  # Services there: Cart\n  # Jira issues there: SHOP-7\n  # Changed by a pipeline there, which is not carried over\n  flag-000:\n    description: Says 0\n",
        "      - user-1 # Person 1\n",
        "    include:\n      - user-2 # Person 2\n",
        "    name: Our staff\n",
        "# Tags, which groups have none of here: people\n",
        "  flag-001:\n    description: Says 1\n    default: false\n",
    ] {
        assert!(written.contains(part), "{part}\n{written}");
    }
    let parsed = flagwire_flags_file::parse_whole(&written)
        .unwrap()
        .configuration;
    for (at, flag) in parsed.flags.iter().enumerate() {
        assert_eq!(flag.description.as_deref(), Some(&*format!("Says {at}")));
    }
    assert_eq!(
        parsed.flags[0].owner,
        ["ada@shop.example", "bob@shop.example"]
    );
    assert_eq!(parsed.flags[2].tags[0].name, "Checkout");
    assert!(parsed.flags[1].tags.is_empty() && parsed.flags[1].owner.is_empty());
    assert!(!format!("{out}{err}{written}").contains(MANAGEMENT_TOKEN));
    let (code, _, err) = run(directory.path(), &["check"]).await;
    assert_eq!((code, err.as_str()), (Some(0), ""));

    // The same again gives the same file, byte for byte.
    let again = args(&old, &["token.key", "--out", "again.yaml"]);
    let (code, ..) = run(directory.path(), &again).await;
    assert_eq!(code, Some(0));
    assert_eq!(text(&directory, "again.yaml"), written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_the_import_says_what_is_missing() {
    let old = managed(2).await;
    let directory = directory();
    let import = importing(&old, &[]);
    let (code, out, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        err.contains("descriptions, tags, owners and archived flags are not in what back ends get")
            && err.contains("--admin-token-file"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_management_api_and_half_a_page_are_tried_again() {
    let old = managed(40).await;
    old.fail("features", Fault::Busy);
    old.fail("targets", Fault::Half);
    old.fail("segments", Fault::OneMissing);
    let directory = directory();
    let (code, out, err) = run(directory.path(), &args(&old, &["token.key"])).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(err.matches("trying again in").count(), 3, "{err}");
    assert!(
        err.contains("503") && err.contains("are not whole") && err.contains("only 0 came"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_management_api_refuses_is_said_in_a_sentence_and_leaves_nothing_behind() {
    let old = managed(3).await;
    let directory = directory();
    let fail = |directory: &TempDir, args: Vec<&str>| {
        let (path, args): (_, Vec<String>) = (
            directory.path().to_owned(),
            args.into_iter().map(str::to_owned).collect(),
        );
        async move {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            run(&path, &args).await
        }
    };
    for (more, sentence) in [
        (
            &["wrong.key"][..],
            "the token of --admin-token-file must be one of a person",
        ),
        (
            &["weak-token.key"],
            "the token has no right to read the descriptions of flags of the project `shop`",
        ),
        (&["none.key"], "none.key: "),
        (
            &["token.key", "--admin-project", "other"],
            "project `other`",
        ),
    ] {
        let (code, out, err) = fail(&directory, args(&old, more)).await;
        assert_eq!((code, out.as_str()), (Some(1), ""), "{more:?}: {err}");
        assert!(
            err.contains(sentence) && err.contains("nothing was written"),
            "{more:?}: {err}"
        );
        for token in [MANAGEMENT_TOKEN, TOKEN_WITHOUT_RIGHTS, "0000-wrong"] {
            assert!(!err.contains(token), "{err}");
        }
        assert_eq!(left(&directory), [] as [&str; 0]);
    }
    old.fail("features", Fault::Elsewhere);
    let (code, _, err) = fail(&directory, args(&old, &["token.key"])).await;
    assert_eq!(code, Some(1));
    assert!(
        err.contains("redirects to http://elsewhere.example"),
        "{err}"
    );
    old.fail("targets", Fault::BusyForHours);
    let (code, _, err) = fail(&directory, args(&old, &["token.key"])).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("asks to be left alone for"), "{err}");
    // A token is sent nowhere that was not named.
    let import = importing(&old, &["--admin-token-file", "token.key"]);
    let (code, _, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("--admin-from"), "{err}");
    assert_eq!(left(&directory), [] as [&str; 0]);
}
