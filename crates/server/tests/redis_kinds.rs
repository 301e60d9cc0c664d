//! Tests replicas with Redis over TLS, with a password, behind Sentinels and as a cluster.

mod common;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::listening::*;
use common::replicas::*;
use common::*;
use flagwire_server::environment::Role;
use flagwire_server::replicas::{Redis, ReplicaOptions};
use flagwire_server::source::upstream::UpstreamSource;

const DARK: &str = "dark-mode";

fn dark() -> String {
    FLAGS.replace("dark-mode: false", "dark-mode: true")
}

/// Starts two replicas that share `redis`, and asserts that a change reaches both.
async fn two(redis: &Redis, upstream_server: &Server, socket: &Listening) -> [Replicated; 2] {
    let start = |name: &str| {
        let mut options = ReplicaOptions::new(redis.clone());
        options.lease = LEASE;
        options.name = name.to_owned();
        replica(
            options,
            UpstreamSource::new(upstream(socket.address)).unwrap(),
        )
    };
    let first = start("first");
    first.leads().await;
    let second = start("second");
    second
        .stands(|status| status.leader.as_deref() == Some("first"))
        .await;
    for one in [&first, &second] {
        one.server.serves(DARK, "false").await;
    }
    upstream_server.save(&dark());
    for one in [&first, &second] {
        one.server.serves(DARK, "true").await;
    }
    assert_eq!(second.standing().role, Role::Follower);
    [first, second]
}

#[tokio::test]
async fn over_tls_with_a_certificate_of_ones_own_and_with_a_password() {
    let directory = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (certified.cert.pem(), certified.signing_key.serialize_pem());
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("redis.crt"), &certificate).unwrap();
    std::fs::write(path("redis.key"), key).unwrap();
    let port = free_port();
    let Some(_redis) = RedisServer::start_with(
        port,
        &[
            "--port",
            "0",
            "--tls-port",
            &port.to_string(),
            "--tls-cert-file",
            &path("redis.crt"),
            "--tls-key-file",
            &path("redis.key"),
            "--tls-auth-clients",
            "no",
            "--requirepass",
            "p@ss/word",
        ],
    ) else {
        return;
    };
    let upstream_server = server();
    let socket = listen(app_of(&upstream_server)).await;
    let url = |password: &str| format!("rediss://:{password}@127.0.0.1:{port}");
    let trusted = |url: &str| Redis::new(url, Some(certificate.clone().into_bytes())).unwrap();
    let good = trusted(&url("p%40ss%2Fword"));
    let [first, second] = two(&good, &upstream_server, &socket).await;
    drop((first, second));

    // A certificate that is not trusted and a wrong password are both refused, and the replica goes on alone.
    for (redis, expected) in [
        (
            Redis::new(&url("p%40ss%2Fword"), None).unwrap(),
            "certificate",
        ),
        (trusted(&url("wrong")), "authentication failed"),
    ] {
        let origin = UpstreamSource::new(upstream(socket.address)).unwrap();
        let one = replica(ReplicaOptions::new(redis), origin);
        let status = one.stands(|status| status.role == Role::Alone).await;
        let error = status.last_error.unwrap();
        assert!(error.to_lowercase().contains(expected), "{error}");
        assert!(!error.contains("wrong") && !status.redis.contains("wrong"));
        one.server.serves(DARK, "true").await;
    }
}

/// A program that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Starts a Sentinel for a server, with more settings; returns once its log says so.
fn sentinel(directory: &Path, port: u16, server: u16, more: &str, wanted: &str) -> Ended {
    let file = directory.join("sentinel.conf");
    let settings = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {server} 1\n\
         sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 3000\n{more}",
        directory.display()
    );
    std::fs::write(&file, settings).unwrap();
    let mut child = Command::new(program().unwrap())
        .arg(&file)
        .arg("--sentinel")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut log = String::new();
    while !log.contains(wanted) {
        assert_ne!(out.read_line(&mut log).unwrap(), 0, "{log}");
    }
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    Ended(child)
}

/// Repeats a command until the reply of the server contains a text.
async fn until(port: u16, command: &[&str], wanted: &str) {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (name, args) = command.split_first().unwrap();
    loop {
        let answer: String = redis::cmd(name)
            .arg(args)
            .query_async(&mut connection)
            .await
            .unwrap();
        if answer.contains(wanted) {
            return;
        }
        // Redis sends no notification of this.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn behind_sentinels_the_server_that_takes_over_is_found() {
    let Some(mut main) = RedisServer::start() else {
        return;
    };
    let (port, of) = (free_port().to_string(), main.port.to_string());
    let copy = RedisServer::start_with(
        port.parse().unwrap(),
        &["--port", &port, "--replicaof", "127.0.0.1", &of],
    )
    .unwrap();
    until(copy.port, &["INFO", "replication"], "master_link_status:up").await;
    let directory = tempfile::tempdir().unwrap();
    let sentinel_port = free_port();
    // The test goes on once the Sentinel knows the server and its replica.
    let _sentinel = sentinel(
        directory.path(),
        sentinel_port,
        main.port,
        "",
        "+slave slave",
    );

    let upstream_server = server();
    let socket = listen(app_of(&upstream_server)).await;
    // No Sentinel listens at the first address, as can happen.
    let gone = free_port();
    let address = format!("redis+sentinel://127.0.0.1:{gone},127.0.0.1:{sentinel_port}/main");
    let redis = Redis::new(&address, None).unwrap();
    let [first, second] = two(&redis, &upstream_server, &socket).await;

    main.kill();
    for one in [&first, &second] {
        one.stands(|status| !status.connected).await;
    }
    upstream_server.save(FLAGS);
    for one in [&first, &second] {
        one.server.serves(DARK, "false").await;
        one.stands(|status| status.connected && status.leader.is_some())
            .await;
    }
    // The replica is the server now, and has the changes that were made since.
    let wanted = upstream_server
        .environment
        .current()
        .unwrap()
        .content
        .clone();
    let late = UpstreamSource::new(upstream(socket.address)).unwrap();
    let late = replica(options(&copy.url(), "late"), late);
    late.stands(|status| status.role == Role::Follower && status.leader.is_some())
        .await;
    late.server.has(&wanted).await;
}

/// Servers and Sentinels that each ask for another password, and a Sentinel that knows users.
#[tokio::test]
async fn sentinels_with_users_and_passwords_of_their_own() {
    let port = free_port();
    let Some(main) = RedisServer::start_with(
        port,
        &["--port", &port.to_string(), "--requirepass", "of-servers"],
    ) else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let sentinel_port = free_port();
    let settings = "sentinel auth-pass main of-servers\nrequirepass of-sentinels\n\
                    user flagwire on >of-flagwire +auth +client +hello +sentinel|get-master-addr-by-name +sentinel|masters +role +ping\n";
    let _sentinel = sentinel(
        directory.path(),
        sentinel_port,
        main.port,
        settings,
        "+monitor master main",
    );
    let upstream_server = server();
    let socket = listen(app_of(&upstream_server)).await;
    let address = format!("redis+sentinel://:of-servers@127.0.0.1:{sentinel_port}/main");
    let plain = Redis::new(&address, None).unwrap();
    let asked_as = |user, password: &str| {
        let plain = plain.clone();
        plain
            .with_sentinels_asked_as(user, &password.into())
            .unwrap()
    };
    for good in [
        asked_as(None, "of-sentinels"),
        asked_as(Some("flagwire"), "of-flagwire"),
    ] {
        let [first, second] = two(&good, &upstream_server, &socket).await;
        drop((first, second));
        upstream_server.save(FLAGS);
        // What these replicas have stored is removed before the next two start.
        let mut connection = redis::Client::open(format!("redis://:of-servers@127.0.0.1:{port}"))
            .unwrap()
            .get_multiplexed_async_connection()
            .await
            .unwrap();
        let () = redis::cmd("FLUSHALL")
            .query_async(&mut connection)
            .await
            .unwrap();
    }
    for bad in [
        plain.clone(),
        asked_as(None, "of-servers"),
        asked_as(Some("flagwire"), "of-sentinels"),
    ] {
        let origin = UpstreamSource::new(upstream(socket.address)).unwrap();
        let one = replica(ReplicaOptions::new(bad), origin);
        let status = one.stands(|status| status.role == Role::Alone).await;
        let error = status.last_error.unwrap();
        assert!(!error.contains("of-s"), "{error}");
        let error = error.to_lowercase();
        assert!(
            error.contains("auth") || error.contains("password"),
            "{error}"
        );
        one.server.serves(DARK, "false").await;
    }
}

#[tokio::test]
async fn on_a_cluster() {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        let port = free_port().to_string();
        // The port for the nodes among themselves must be free as well; by default it is out of the usual range.
        let bus = free_port().to_string();
        let Some(node) = RedisServer::start_with(
            port.parse().unwrap(),
            &[
                "--port",
                &port,
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "5000",
            ],
        ) else {
            return;
        };
        nodes.push((node, bus));
    }
    let slots = [("0", "5460"), ("5461", "10922"), ("10923", "16383")];
    let first = nodes[0].0.port.to_string();
    for ((node, _), (from, to)) in nodes.iter().zip(slots) {
        let mut connection = node.connect().await;
        let () = redis::cmd("CLUSTER")
            .arg(&["ADDSLOTSRANGE", from, to])
            .query_async(&mut connection)
            .await
            .unwrap();
        if node.port != nodes[0].0.port {
            let () = redis::cmd("CLUSTER")
                .arg(&["MEET", "127.0.0.1", &first, &nodes[0].1])
                .query_async(&mut connection)
                .await
                .unwrap();
        }
    }
    for (node, _) in &nodes {
        until(node.port, &["CLUSTER", "INFO"], "cluster_known_nodes:3").await;
        until(node.port, &["CLUSTER", "INFO"], "cluster_state:ok").await;
    }
    let upstream_server = server();
    let socket = listen(app_of(&upstream_server)).await;
    let [a, b] = [nodes[0].0.port, nodes[1].0.port];
    let address = format!("redis+cluster://127.0.0.1:{a},127.0.0.1:{b}");
    let redis = Redis::new(&address, None).unwrap();
    let [first, second] = two(&redis, &upstream_server, &socket).await;

    first.kill();
    upstream_server.save(FLAGS);
    second.leads().await;
    second.server.serves(DARK, "false").await;

    // Redis loses everything, and a replica stores it again.
    for (node, _) in &nodes {
        node.flush().await;
    }
    second.stands(|status| status.refills > 0).await;
}
