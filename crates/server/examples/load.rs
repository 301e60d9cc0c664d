//! A load for flagwire-server: many streams at once, or many requests. Prints one JSON object.
//!
//! `npm run load` starts a server, runs this and prints a table. It speaks just enough HTTP/1.1 for itself over bare sockets, so
//! that ten thousand streams cost this side little; it still shares the processors with the server it measures.
//!
//! Memory and CPU time are the server's, read from `/proc`; without `--pid`, or elsewhere than on Linux, they are left out.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::{Value, json};
use tokio::io::{AsyncRead as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

type Failure = Box<dyn Error + Send + Sync>;

/// `sysconf(_SC_CLK_TCK)`: what Linux counts CPU time in, on every architecture it is built for.
const TICKS_PER_SECOND: f64 = 100.0;
/// Connections that are being opened at one time; more would overflow the queue of a listening socket.
const OPENING: usize = 128;
/// Streams that have not all got the change by then have been forgotten.
const PATIENCE: Duration = Duration::from_secs(60);
/// Lets the server come to rest before its memory is read, and between rounds.
const REST: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Open streams, change a flag, and wait until the last stream has got it.
    Fanout,
    /// Open streams, end the server, and note when each of them ends, which is when its reader comes back.
    Drain,
    /// Ask for all evaluations, again and again, on connections that stay.
    Evaluations,
    /// The same, but each time for a target that the server has not seen.
    Unseen,
    /// The same with `If-None-Match`, so that the answer is 304.
    Unchanged,
    /// A new connection for each request, which is the cheapest there is.
    Accepts,
}

#[derive(Debug, Parser)]
struct Options {
    mode: Mode,
    /// The server's host and port.
    #[arg(long)]
    address: String,
    #[arg(long, default_value = "flagwire-dev-client-key")]
    key: String,
    /// The server's process.
    #[arg(long)]
    pid: Option<u32>,
    #[arg(long, default_value_t = 1_000)]
    streams: usize,
    /// How often the flag is changed.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// A boolean flag that the admin endpoint may change.
    #[arg(long, default_value = "flag-00000")]
    flag: String,
    #[arg(long, default_value_t = 32)]
    connections: usize,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Arc::new(Options::parse());
    let files = flagwire_server::serve::raise_open_files();
    if files.is_some_and(|files| files < options.streams as u64 + 200) {
        let reason = format!(
            "only {} files may be open here; raise that with ulimit -n",
            files.unwrap_or_default()
        );
        return Err(reason.into());
    }
    let result = match options.mode {
        Mode::Fanout => fanout(&options).await?,
        Mode::Drain => drain(&options).await?,
        Mode::Evaluations | Mode::Unseen | Mode::Unchanged | Mode::Accepts => {
            requests(&options).await?
        }
    };
    println!("{result}");
    Ok(())
}

async fn fanout(options: &Arc<Options>) -> Result<Value, Failure> {
    let opened = open_streams(options).await?;
    let mut rounds = Vec::with_capacity(options.rounds);
    let mut admin = Connection::open(&options.address).await?;
    for round in 0..options.rounds {
        rounds.push(one_change(options, &mut admin, &opened.told, round % 2 == 0).await?);
        tokio::time::sleep(REST).await;
    }
    Ok(json!({
        "streams": options.streams,
        "signInsPerSecond": opened.sign_ins_per_second,
        "opensPerSecond": opened.opens_per_second,
        "bytesPerStream": opened.bytes_per_stream,
        "rounds": rounds,
    }))
}

/// When streams end whose server is asked to stop, by the second.
async fn drain(options: &Arc<Options>) -> Result<Value, Failure> {
    let pid = options.pid.ok_or("--pid is needed, to end the server")?;
    let opened = open_streams(options).await?;
    let asked = nanoseconds(opened.told.base);
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid.to_string()])
        .status()?;
    if !sent.success() {
        return Err(format!("there is no process {pid}").into());
    }
    tokio::time::timeout(PATIENCE, opened.told.all_ended.notified())
        .await
        .map_err(|_| "the streams did not all end")?;
    let mut ends: Vec<u64> = opened
        .told
        .ended_at
        .iter()
        .map(|at| at.load(Ordering::Relaxed).saturating_sub(asked))
        .collect();
    ends.sort_unstable();
    let mut seconds: Vec<usize> = Vec::new();
    for end in &ends {
        let second = usize::try_from(end / 1_000_000_000)?;
        if seconds.len() <= second {
            seconds.resize(second + 1, 0);
        }
        if let Some(count) = seconds.get_mut(second) {
            *count += 1;
        }
    }
    // The most within any tenth of a second, wherever it begins.
    let mut first = 0;
    let mut most = 0;
    for (index, end) in ends.iter().enumerate() {
        while ends
            .get(first)
            .is_some_and(|begin| begin + 100_000_000 <= *end)
        {
            first += 1;
        }
        most = most.max(index + 1 - first);
    }
    Ok(json!({
        "streams": options.streams,
        "endsBySecond": seconds,
        "mostInTenthOfSecond": most,
        "last": ends.last().map(|end| as_float(*end) / 1e6),
    }))
}

struct Opened {
    told: Arc<Told>,
    sign_ins_per_second: f64,
    opens_per_second: f64,
    bytes_per_stream: Option<f64>,
}

async fn open_streams(options: &Arc<Options>) -> Result<Opened, Failure> {
    let signing_in = Instant::now();
    let tokens = sign_in_all(options, options.streams).await?;
    let sign_ins_per_second = per_second(options.streams, signing_in.elapsed());

    tokio::time::sleep(REST).await;
    let before = resident_bytes(options.pid);
    let nobody = || (0..options.streams).map(|_| AtomicU64::new(0)).collect();
    let told = Arc::new(Told {
        base: Instant::now(),
        at: nobody(),
        count: AtomicUsize::new(0),
        all: Notify::new(),
        ended_at: nobody(),
        ended: AtomicUsize::new(0),
        all_ended: Notify::new(),
    });
    let opening = Instant::now();
    let (opened, mut is_open) = mpsc::channel::<Result<(), Failure>>(OPENING);
    let tokens = Arc::new(tokens);
    let next = Arc::new(AtomicUsize::new(0));
    for _ in 0..OPENING {
        let (options, told, tokens, next, opened) = (
            Arc::clone(options),
            Arc::clone(&told),
            Arc::clone(&tokens),
            Arc::clone(&next),
            opened.clone(),
        );
        tokio::spawn(async move {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some((token, _)) = tokens.get(index) else {
                    return;
                };
                let stream = open_stream(&options, token).await;
                let result = stream
                    .map(|stream| drop(tokio::spawn(listen(stream, index, Arc::clone(&told)))));
                if opened.send(result).await.is_err() {
                    return;
                }
            }
        });
    }
    for _ in 0..options.streams {
        is_open.recv().await.ok_or("the streams were given up")??;
    }
    let opens_per_second = per_second(options.streams, opening.elapsed());
    tokio::time::sleep(REST).await;
    let after = resident_bytes(options.pid);
    Ok(Opened {
        told,
        sign_ins_per_second,
        opens_per_second,
        bytes_per_stream: before
            .zip(after)
            .map(|(before, after)| (after - before) / as_float(options.streams)),
    })
}

/// Which streams have heard of the change, and which have ended, and when: nanoseconds since `base`, 0 where not yet.
struct Told {
    base: Instant,
    at: Vec<AtomicU64>,
    count: AtomicUsize,
    all: Notify,
    ended_at: Vec<AtomicU64>,
    ended: AtomicUsize,
    all_ended: Notify,
}

impl Told {
    fn end(&self, index: usize) {
        if let Some(at) = self.ended_at.get(index) {
            at.store(nanoseconds(self.base), Ordering::Relaxed);
        }
        if self.ended.fetch_add(1, Ordering::SeqCst) + 1 == self.ended_at.len() {
            self.all_ended.notify_one();
        }
    }
}

async fn one_change(
    options: &Options,
    admin: &mut Connection,
    told: &Told,
    on: bool,
) -> Result<Value, Failure> {
    for at in &told.at {
        at.store(0, Ordering::Relaxed);
    }
    told.count.store(0, Ordering::SeqCst);
    let cpu = cpu_seconds(options.pid);
    let asked = nanoseconds(told.base);
    let body = format!("{{\"default\":\"{on}\"}}");
    let request = format!(
        "POST /admin/flags/{} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        options.flag,
        options.address,
        body.len()
    );
    let waited = tokio::time::timeout(PATIENCE, async {
        let reply = admin.send(&request).await?;
        if reply.status != 200 {
            return Err(Failure::from(format!(
                "the change was refused: {}",
                reply.status
            )));
        }
        told.all.notified().await;
        Ok(())
    });
    match waited.await {
        Ok(result) => result?,
        Err(_) => {
            let count = told.count.load(Ordering::SeqCst);
            return Err(format!("{count} of {} streams were told", told.at.len()).into());
        }
    }
    let mut at: Vec<u64> = told
        .at
        .iter()
        .map(|at| at.load(Ordering::Relaxed))
        .collect();
    at.sort_unstable();
    let milliseconds = |share: usize| {
        let index = (at.len() - 1) * share / 100;
        at.get(index)
            .map(|at| as_float(at.saturating_sub(asked)) / 1e6)
    };
    Ok(json!({
        "first": milliseconds(0),
        "median": milliseconds(50),
        "p99": milliseconds(99),
        "last": milliseconds(100),
        "cpuMs": cpu.zip(cpu_seconds(options.pid)).map(|(before, after)| (after - before) * 1e3),
    }))
}

/// Opens a stream and waits for its first heartbeat.
async fn open_stream(options: &Options, token: &str) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(&options.address).await?;
    let request = format!(
        "GET /stream?cluster=1 HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\nAuthorization: Bearer {token}\r\nAPI-Key: {}\r\n\r\n",
        options.address, options.key
    );
    write_all(&stream, request.as_bytes()).await?;
    let mut bytes = Vec::new();
    loop {
        read_more(&stream, &mut bytes).await?;
        if let Some(head) = find(&bytes, b"\r\n\r\n") {
            if !bytes.starts_with(b"HTTP/1.1 200") {
                return Err(
                    format!("a stream was refused: {}", String::from_utf8_lossy(&bytes)).into(),
                );
            }
            if bytes.get(head..).is_some_and(|body| body.contains(&b':')) {
                return Ok(stream);
            }
        }
    }
}

/// Notes when the stream hears of each change, until the server ends it.
async fn listen(stream: TcpStream, index: usize, told: Arc<Told>) {
    hear(stream, index, &told).await;
    told.end(index);
}

async fn hear(mut stream: TcpStream, index: usize, told: &Told) {
    loop {
        let heard = std::future::poll_fn(|context| {
            // On the stack only while it is read into: an idle stream holds no buffer. `poll_read` takes a buffer that is
            // not full for the end of what there is, which saves a second call for each event.
            let mut buffer = [0; 4096];
            let mut buffer = ReadBuf::new(&mut buffer);
            Pin::new(&mut stream)
                .poll_read(context, &mut buffer)
                .map_ok(|()| match buffer.filled() {
                    [] => Heard::End,
                    bytes if find(bytes, b"data:").is_some() => Heard::Event,
                    _ => Heard::Heartbeat,
                })
        });
        match heard.await {
            Ok(Heard::Event) => {
                let Some(at) = told.at.get(index) else {
                    continue;
                };
                if at.swap(nanoseconds(told.base), Ordering::Relaxed) == 0
                    && told.count.fetch_add(1, Ordering::SeqCst) + 1 == told.at.len()
                {
                    told.all.notify_one();
                }
            }
            Ok(Heard::Heartbeat) => {}
            Ok(Heard::End) | Err(_) => return,
        }
    }
}

enum Heard {
    Event,
    Heartbeat,
    End,
}

async fn requests(options: &Arc<Options>) -> Result<Value, Failure> {
    let tokens = sign_in_all(options, options.connections).await?;
    let cpu = cpu_seconds(options.pid);
    let started = Instant::now();
    let until = started + Duration::from_secs_f64(options.seconds);
    let mut tasks = JoinSet::new();
    for (index, (token, environment)) in tokens.into_iter().enumerate() {
        let options = Arc::clone(options);
        tasks.spawn(async move { ask(&options, index, &token, &environment, until).await });
    }
    let mut times = Vec::new();
    let mut body = 0;
    while let Some(result) = tasks.join_next().await {
        let (own, length) = result??;
        times.extend(own);
        body = body.max(length);
    }
    let elapsed = started.elapsed();
    let used = cpu
        .zip(cpu_seconds(options.pid))
        .map(|(before, after)| after - before);
    times.sort_unstable();
    let milliseconds = |share: usize| {
        times
            .get((times.len().max(1) - 1) * share / 100)
            .map(|time| time.as_secs_f64() * 1e3)
    };
    Ok(json!({
        "requests": times.len(),
        "perSecond": per_second(times.len(), elapsed),
        "bodyBytes": body,
        "median": milliseconds(50),
        "p99": milliseconds(99),
        "cpuUsPerRequest": used.map(|used| used * 1e6 / as_float(times.len().max(1))),
    }))
}

/// Asks until the time is over. How long each answer took, and how long the last body was.
async fn ask(
    options: &Options,
    index: usize,
    token: &str,
    environment: &str,
    until: Instant,
) -> Result<(Vec<Duration>, usize), Failure> {
    let path = format!("/client/env/{environment}/target/load-{index}/evaluations?cluster=1");
    let get = |extra: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{extra}\r\n",
            options.address
        )
    };
    let mut connection = Connection::open(&options.address).await?;
    let (request, expected) = match options.mode {
        Mode::Accepts => (
            format!(
                "GET /live HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                options.address
            ),
            200,
        ),
        Mode::Unchanged => {
            let tag = connection
                .send(&get(""))
                .await?
                .etag
                .ok_or("the server gives no ETag")?;
            (get(&format!("If-None-Match: {tag}\r\n")), 304)
        }
        Mode::Evaluations | Mode::Unseen | Mode::Fanout | Mode::Drain => (get(""), 200),
    };
    let (mut times, mut length) = (Vec::new(), 0);
    while Instant::now() < until {
        let unseen = (options.mode == Mode::Unseen).then(|| {
            let identifier = format!("load-{index}-{}", times.len());
            unseen(options, environment, token, &identifier)
        });
        let started = Instant::now();
        if options.mode == Mode::Accepts {
            connection = Connection::open(&options.address).await?;
        }
        let reply = connection
            .send(unseen.as_deref().unwrap_or(&request))
            .await?;
        // Any answer shows that the connection was taken.
        if reply.status != expected && options.mode != Mode::Accepts {
            return Err(format!("{path} was answered with {}", reply.status).into());
        }
        length = reply.length;
        times.push(started.elapsed());
    }
    Ok((times, length))
}

/// Asks for another target than the token's, as a server for many users would.
fn unseen(options: &Options, environment: &str, token: &str, identifier: &str) -> String {
    use base64::Engine as _;
    let target = json!({
        "identifier": identifier,
        "name": identifier,
        "attributes": { "plan": "gold", "country": "nl", "email": format!("{identifier}@example.com") },
    });
    let target = base64::engine::general_purpose::STANDARD.encode(target.to_string());
    format!(
        "GET /client/env/{environment}/target/{identifier}/evaluations?cluster=1 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nHarness-Target: {target}\r\n\r\n",
        options.address
    )
}

/// A token and its environment for each of so many targets.
async fn sign_in_all(
    options: &Arc<Options>,
    count: usize,
) -> Result<Vec<(String, String)>, Failure> {
    let mut tasks = JoinSet::new();
    for worker in 0..OPENING.min(count) {
        let options = Arc::clone(options);
        tasks.spawn(async move {
            let mut connection = Connection::open(&options.address).await?;
            let mut tokens = Vec::new();
            for index in (worker..count).step_by(OPENING) {
                let target = json!({ "identifier": format!("load-{index}"), "attributes": { "plan": "gold" } });
                let body = json!({ "apiKey": options.key, "target": target }).to_string();
                let request = format!(
                    "POST /client/auth HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                    options.address,
                    body.len()
                );
                tokens.push((index, token_of(&connection.send(&request).await?)?));
            }
            Ok::<_, Failure>(tokens)
        });
    }
    let mut tokens = Vec::with_capacity(count);
    while let Some(result) = tasks.join_next().await {
        tokens.extend(result??);
    }
    tokens.sort_unstable_by_key(|(index, _)| *index);
    Ok(tokens.into_iter().map(|(_, token)| token).collect())
}

fn token_of(reply: &Reply) -> Result<(String, String), Failure> {
    use base64::Engine as _;
    let parsed: Value = serde_json::from_slice(&reply.body)
        .map_err(|_| format!("signing in was answered with {}", reply.status))?;
    let token = parsed["authToken"]
        .as_str()
        .ok_or("the answer to signing in has no token")?;
    let claims = token.split('.').nth(1).ok_or("the token has no claims")?;
    let claims: Value =
        serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims)?)?;
    let environment = claims["environment"]
        .as_str()
        .ok_or("the token names no environment")?;
    Ok((token.to_owned(), environment.to_owned()))
}

/// A connection for one request after the other.
struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
}

struct Reply {
    status: u16,
    etag: Option<String>,
    length: usize,
    body: Vec<u8>,
}

impl Connection {
    async fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            bytes: Vec::new(),
        })
    }

    async fn send(&mut self, request: &str) -> Result<Reply, Failure> {
        write_all(&self.stream, request.as_bytes()).await?;
        let end = loop {
            if let Some(end) = find(&self.bytes, b"\r\n\r\n") {
                break end + 4;
            }
            read_more(&self.stream, &mut self.bytes).await?;
        };
        let head: Vec<u8> = self.bytes.drain(..end).collect();
        let head = String::from_utf8_lossy(&head);
        let header = |name: &str| {
            head.lines().find_map(|line| {
                line.split_once(':')
                    .filter(|(own, _)| own.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.trim().to_owned())
            })
        };
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .ok_or("the answer is not HTTP")?;
        let length = match (status, header("content-length")) {
            (204 | 304, _) => 0,
            (_, Some(length)) => length.parse()?,
            (_, None) => return Err("the answer has no length".into()),
        };
        while self.bytes.len() < length {
            read_more(&self.stream, &mut self.bytes).await?;
        }
        let body = self.bytes.drain(..length).collect();
        Ok(Reply {
            status,
            etag: header("etag"),
            length,
            body,
        })
    }
}

async fn write_all(stream: &TcpStream, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        stream.writable().await?;
        match stream.try_write(bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

async fn read_more(stream: &TcpStream, bytes: &mut Vec<u8>) -> Result<(), Failure> {
    let mut buffer = [0; 16 * 1024];
    loop {
        stream.readable().await?;
        match stream.try_read(&mut buffer) {
            Ok(0) => return Err("the server closed the connection".into()),
            Ok(read) => {
                bytes.extend_from_slice(buffer.get(..read).unwrap_or_default());
                return Ok(());
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn nanoseconds(base: Instant) -> u64 {
    u64::try_from(base.elapsed().as_nanos())
        .unwrap_or(u64::MAX)
        .max(1)
}

fn per_second(count: usize, elapsed: Duration) -> f64 {
    as_float(count) / elapsed.as_secs_f64()
}

/// Counts here are far below where a float would lose any.
#[allow(
    clippy::cast_precision_loss,
    reason = "counts and nanoseconds of one run fit"
)]
fn as_float(number: impl TryInto<u64>) -> f64 {
    number.try_into().unwrap_or(u64::MAX) as f64
}

/// The resident memory of a process.
fn resident_bytes(pid: Option<u32>) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid?)).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024.0)
}

/// The time a process has spent on processors, its own and the system's for it.
fn cpu_seconds(pid: Option<u32>) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid?)).ok()?;
    // The name in brackets may hold spaces; utime and stime are the 12th and 13th after it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}
