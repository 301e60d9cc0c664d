//! Kills servers over and over while flags are changed by the admin page, its API and the file, and tests that no
//! acknowledged change is lost. `cargo test -p flagwire-server --test kills -- --ignored` kills fifty times in each
//! setting.

mod common;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use common::replicas::RedisServer;
use common::running::Running;
use tempfile::TempDir;

const FLAGS: usize = 6;
const VALUES: usize = 26;

/// The time limit for everything that is awaited.
const PATIENCE: Duration = Duration::from_secs(60);

fn value(n: usize) -> String {
    char::from(b'a' + (n % VALUES) as u8).to_string()
}

fn text() -> String {
    let variations: Vec<String> = (0..VALUES)
        .map(|n| format!("{0}: v{0}", value(n)))
        .collect();
    let variations = variations.join(", ");
    let mut text = "flags:\n".to_owned();
    for flag in 0..FLAGS {
        text.push_str(&format!(
            "  flag-{flag}:\n    variations: {{ {variations} }}\n    default: a\n"
        ));
    }
    text
}

/// Returns the value that a flags file gives for a flag.
fn in_text(text: &str, flag: usize) -> Option<String> {
    let own = text.split(&format!("flag-{flag}:")).nth(1)?;
    let default = own.split("default: ").nth(1)?;
    Some(
        default
            .split_whitespace()
            .next()?
            .trim_matches('"')
            .to_owned(),
    )
}

fn with(text: &str, flag: usize, value: &str) -> String {
    let (before, own) = text.split_once(&format!("flag-{flag}:")).unwrap();
    let (middle, rest) = own.split_once("default: ").unwrap();
    let end = rest.find('\n').unwrap();
    format!(
        "{before}flag-{flag}:{middle}default: {value}{}",
        &rest[end..]
    )
}

/// A server, its files and its process.
struct Machine {
    directory: TempDir,
    file: PathBuf,
    redis: Option<String>,
    running: Option<Running>,
}

impl Machine {
    fn start(&mut self) {
        let mut args = vec!["--flags", self.file.to_str().unwrap()];
        let state = self.directory.path().join("state");
        args.extend([
            "--state-dir",
            state.to_str().unwrap(),
            "--drain-seconds",
            "0",
        ]);
        if let Some(redis) = &self.redis {
            args.extend(["--redis", redis, "--redis-lease-ms", "1500"]);
        }
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.directory.path().join("log"))
            .unwrap();
        self.running = Some(Running::logging(self.directory.path(), &args, log));
    }

    fn kill(&mut self) {
        // Dropping a running server kills it.
        self.running = None;
    }

    fn address(&self) -> Option<String> {
        self.running.as_ref().map(|running| running.address.clone())
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }
}

/// Sends a request and returns the reply; `None` if the server is gone or does not answer in time.
fn ask(address: &str, request: &str) -> Option<String> {
    let mut socket = TcpStream::connect(address).ok()?;
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    socket.write_all(request.as_bytes()).ok()?;
    let mut reply = String::new();
    socket.read_to_string(&mut reply).ok()?;
    Some(reply)
}

/// Returns the values of all flags that a server serves.
fn served(address: &str) -> Option<Vec<String>> {
    let sign_in = r#"{"apiKey":"flagwire-dev-client-key","target":{"identifier":"user-42"}}"#;
    let reply = ask(
        address,
        &format!(
            "POST /client/auth HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{sign_in}",
            sign_in.len()
        ),
    )?;
    let token = reply.split("\"authToken\":\"").nth(1)?.split('"').next()?;
    let reply = ask(
        address,
        &format!(
            "GET /client/env/development/target/user-42/evaluations HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        ),
    )?;
    (0..FLAGS)
        .map(|flag| {
            let own = reply.split(&format!("\"flag\":\"flag-{flag}\"")).nth(1)?;
            let value = own.split("\"identifier\":\"").nth(1)?;
            Some(value.split('"').next()?.to_owned())
        })
        .collect()
}

/// Changes a flag by the admin API, or as the page on the same server does. Returns whether the change was
/// acknowledged.
fn edit(address: &str, flag: usize, value: &str, as_page: bool) -> bool {
    let body = format!(r#"{{"default":"{value}"}}"#);
    let page = if as_page {
        format!("origin: http://{address}\r\nsec-fetch-site: same-origin\r\n")
    } else {
        String::new()
    };
    let reply = ask(
        address,
        &format!(
            "POST /admin/flags/flag-{flag} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{page}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
    );
    reply.is_some_and(|reply| reply.starts_with("HTTP/1.1 200"))
}

/// The values that may be served for a flag.
struct Allowed {
    acknowledged: String,
    /// Changes since then that were tried and not acknowledged. They may have been made all the same.
    tried: Vec<String>,
}

struct World {
    machines: Mutex<Vec<Machine>>,
    over: AtomicBool,
    kills: AtomicUsize,
}

impl World {
    fn machines(&self) -> MutexGuard<'_, Vec<Machine>> {
        self.machines.lock().unwrap()
    }

    fn alive(&self) -> Vec<(String, PathBuf)> {
        let machines = self.machines();
        let alive = machines.iter();
        alive
            .filter_map(|one| Some((one.address()?, one.file.clone())))
            .collect()
    }

    /// Saves the file of one server, as an editor does that has read the present text. The change counts as
    /// acknowledged once all servers that are alive serve it.
    fn save(&self, at: usize, flag: usize, value: &str, allowed: &[Allowed]) -> bool {
        let alive = self.alive();
        let Some((_, file)) = alive.get(at % alive.len().max(1)) else {
            return false;
        };
        let Ok(text) = std::fs::read_to_string(file) else {
            return false;
        };
        // An editor with an old text would undo the changes of others, so the file is saved only if each of its values
        // may be the present one.
        let current = (0..FLAGS).all(|flag| {
            allowed.get(flag).is_some_and(|allowed| {
                let says = in_text(&text, flag);
                says.is_some_and(|says| {
                    allowed.acknowledged == says || allowed.tried.contains(&says)
                })
            })
        });
        if !current {
            return false;
        }
        let beside = file.with_extension("new");
        std::fs::write(&beside, with(&text, flag, value)).unwrap();
        std::fs::rename(&beside, file).unwrap();
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            let alive = self.alive();
            let all = alive.iter().all(|(address, _)| {
                served(address).is_some_and(|served| served.get(flag).is_some_and(|is| is == value))
            });
            if all && !alive.is_empty() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

/// A simple generator of numbers that can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % bound
    }
}

enum Files {
    Each,
    Shared,
}

/// Returns how many changes were acknowledged.
fn kill_over_and_over(servers: usize, files: &Files, kills: usize) -> usize {
    let redis = if servers > 1 {
        let Some(redis) = RedisServer::start() else {
            return 0;
        };
        Some(redis)
    } else {
        None
    };
    let shared = tempfile::tempdir().unwrap();
    let mut machines: Vec<Machine> = (0..servers)
        .map(|_| {
            let directory = tempfile::tempdir().unwrap();
            let file = match files {
                Files::Each => directory.path().join("flags.yaml"),
                Files::Shared => shared.path().join("flags.yaml"),
            };
            std::fs::write(&file, text()).unwrap();
            Machine {
                directory,
                file,
                redis: redis.as_ref().map(RedisServer::url),
                running: None,
            }
        })
        .collect();
    for machine in &mut machines {
        machine.start();
    }
    let world = Arc::new(World {
        machines: Mutex::new(machines),
        over: AtomicBool::new(false),
        kills: AtomicUsize::new(0),
    });
    let killer = {
        let world = Arc::clone(&world);
        std::thread::spawn(move || {
            let mut random = Random(7);
            while !world.over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(200 + random.below(900) as u64));
                let victim = random.below(servers);
                world.machines()[victim].kill();
                // The server is down for a moment, or for longer than a lease.
                std::thread::sleep(Duration::from_millis(random.below(2_500) as u64));
                world.machines()[victim].start();
                world.kills.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let mut allowed: Vec<Allowed> = (0..FLAGS)
        .map(|_| Allowed {
            acknowledged: "a".to_owned(),
            tried: Vec::new(),
        })
        .collect();
    let mut random = Random(11);
    let (mut acknowledged, mut round) = ([0_usize; 3], 0);
    while world.kills.load(Ordering::SeqCst) < kills {
        round += 1;
        let (flag, at) = (random.below(FLAGS), random.below(servers));
        let value = value(round);
        let way = random.below(3);
        // The change is noted before it is tried, as it may be made without being acknowledged.
        allowed[flag].tried.push(value.clone());
        let made = if way == 2 {
            world.save(at, flag, &value, &allowed)
        } else {
            let alive = world.alive();
            let address = alive.get(at % alive.len().max(1));
            address.is_some_and(|(address, _)| edit(address, flag, &value, way == 0))
        };
        if made {
            acknowledged[way] += 1;
            allowed[flag] = Allowed {
                acknowledged: value,
                tried: Vec::new(),
            };
        }
        std::thread::sleep(Duration::from_millis(random.below(40) as u64));
    }
    world.over.store(true, Ordering::SeqCst);
    killer.join().unwrap();
    let until = Instant::now() + PATIENCE;
    let lost = loop {
        let alive = world.alive();
        let served: Vec<Option<Vec<String>>> =
            alive.iter().map(|(address, _)| served(address)).collect();
        let agree = served.len() == servers && served.windows(2).all(|pair| pair[0] == pair[1]);
        let lost: Vec<String> = match served.first() {
            Some(Some(first)) if agree => first
                .iter()
                .enumerate()
                .filter(|(flag, is)| {
                    let allowed = &allowed[*flag];
                    allowed.acknowledged != **is && !allowed.tried.contains(is)
                })
                .map(|(flag, is)| {
                    format!(
                        "flag-{flag} is {is} and was acknowledged as {}",
                        allowed[flag].acknowledged
                    )
                })
                .collect(),
            _ => vec![format!("the servers do not agree: {served:?}")],
        };
        if lost.is_empty() || Instant::now() > until {
            break lost;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let [page, api, file] = acknowledged;
    println!(
        "{servers} servers, {} kills: acknowledged {page} by page, {api} by API, {file} by file of {round} tried; lost {}",
        world.kills.load(Ordering::SeqCst),
        lost.len()
    );
    if !lost.is_empty() {
        for machine in world.machines().iter() {
            println!("--- {}\n{}", machine.file.display(), machine.log());
        }
    }
    assert!(lost.is_empty(), "{lost:?}");
    page + api + file
}

#[test]
fn six_kills_of_one_server_lose_nothing() {
    assert!(kill_over_and_over(1, &Files::Each, 6) > 0);
}

#[test]
fn six_kills_of_three_replicas_with_a_file_each_lose_nothing() {
    kill_over_and_over(3, &Files::Each, 6);
}

#[test]
fn six_kills_of_three_replicas_with_one_file_lose_nothing() {
    kill_over_and_over(3, &Files::Shared, 6);
}

#[test]
#[ignore = "takes minutes"]
fn fifty_kills_of_one_server_lose_nothing() {
    kill_over_and_over(1, &Files::Each, 50);
}

#[test]
#[ignore = "takes minutes"]
fn fifty_kills_of_three_replicas_with_a_file_each_lose_nothing() {
    kill_over_and_over(3, &Files::Each, 50);
}

#[test]
#[ignore = "takes minutes"]
fn fifty_kills_of_three_replicas_with_one_file_lose_nothing() {
    kill_over_and_over(3, &Files::Shared, 50);
}
