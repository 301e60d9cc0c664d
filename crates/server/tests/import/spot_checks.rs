//! Tests of imports that ask the old service itself, as a page does.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_itself_is_asked_for_some_targets_where_there_is_a_client_key() {
    let old = StandIn::start(environment::flags()[..40].to_vec(), environment::groups()).await;
    old.fail("evaluations", Fault::Busy);
    let directory = directory();
    let import = importing(&old, &["--client-key-file", "client.key"]);
    let (code, out, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.contains("the service itself was asked: 40 flags × 20 targets: 0 differences"),
        "{out}"
    );
    assert_eq!(err.matches("trying again in").count(), 1, "{err}");
    let asked = old.signed_in();
    let legal = |target: &String| {
        target
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".@_-".contains(c))
    };
    assert!(asked.iter().all(legal), "{asked:?}");
    for key in [stand_in::CLIENT_KEY, stand_in::TOKEN_END] {
        assert!(!format!("{out}{err}{}", text(&directory, "flags.yaml")).contains(key));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flag_that_the_service_reads_otherwise_is_reported_and_nothing_is_written() {
    let old = StandIn::start(environment::flags()[..8].to_vec(), environment::groups()).await;
    let flags = environment::flags();
    let name: &'static str = flags[3]["feature"].as_str().unwrap().to_owned().leak();
    old.misread(name);
    let directory = directory();
    let import = importing(
        &old,
        &["--client-key-file", "client.key", "--spot-checks", "4"],
    );
    let (code, _, err) = run(directory.path(), &import).await;
    assert_eq!(code, Some(1), "{err}");
    assert!(err.contains("8 flags × 4 targets: 4 differences"), "{err}");
    assert!(err.contains(&format!("flag `{name}` for ")), "{err}");
    assert!(
        err.contains(" another\n") && err.contains("nothing was written"),
        "{err}"
    );
    assert_eq!(left(&directory), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_no_client_key_is_refused() {
    let old = StandIn::start(environment::flags()[..3].to_vec(), environment::groups()).await;
    let directory = directory();
    for (key, sentence) in [
        (
            "server.key",
            "is a server key, which may not be given to pages",
        ),
        ("wrong.key", "must be a client key of the environment"),
    ] {
        let import = importing(&old, &["--client-key-file", key]);
        let (code, _, err) = run(directory.path(), &import).await;
        assert_eq!(code, Some(1));
        assert!(
            err.contains(sentence) && err.contains("nothing was written"),
            "{err}"
        );
        assert!(!err.contains(stand_in::SERVER_KEY) && !err.contains("0000-wrong"));
        assert_eq!(left(&directory), [] as [&str; 0]);
    }
}
