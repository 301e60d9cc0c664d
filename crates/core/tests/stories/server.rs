//! A model of a flag server: flags that depend on the target, tokens, tickets, and streams. It lives on the world's clock and
//! answers with real bytes.

use std::collections::{BTreeMap, VecDeque};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flagwire_core::protocol::{Evaluation, Metrics, SignInRequest, Target};
use flagwire_core::{HttpRequest, StreamId, StreamRequest};
use serde_json::json;

pub(crate) const KEY: &str = "key-1";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ask {
    SignIn,
    All,
    Flag,
    Metrics,
    Stream,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Answered as it should be.
    Fine,
    /// Answered as it should be, so many milliseconds later.
    Slow(u64),
    /// This status in place of an answer.
    Status(u16),
    /// This status, and `Retry-After` in milliseconds.
    RetryAfter(u16, u32),
    /// The network fails before the server hears of it.
    Lost,
    /// Never answered.
    Hangs,
    /// 200 with something else than what was asked for, such as a captive portal's page.
    Garbled,
}

/// A reply on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u32>,
    pub(crate) etag: Option<String>,
    pub(crate) body: String,
}

/// A stream, as the server sees it.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) tab: usize,
    pub(crate) id: StreamId,
    pub(crate) native: bool,
    pub(crate) target: String,
    /// When the last byte sent so far arrives: a connection keeps its order.
    pub(crate) last_arrival: u64,
    /// The path is cut, but nobody noticed.
    pub(crate) dead: bool,
}

#[derive(Default)]
pub(crate) struct Server {
    /// By target and flag; the target `""` stands for every other one.
    flags: BTreeMap<(String, String), Evaluation>,
    version: u64,
    /// Tokens and tickets of an earlier generation are refused.
    generation: u64,
    /// Sends `ETag`.
    pub(crate) tags: bool,
    /// Offers native streams.
    pub(crate) tickets: bool,
    tickets_given: u32,
    tickets_open: Vec<(String, String)>,
    /// Events carry evaluations.
    pub(crate) values_in_events: bool,
    /// What becomes of the next requests, first come first served.
    next: BTreeMap<Ask, VecDeque<Fate>>,
    /// What becomes of all others.
    always: BTreeMap<Ask, Fate>,
    pub(crate) connections: Vec<Connection>,
    /// Counts that arrived, by target, flag and variation.
    pub(crate) counted: BTreeMap<(String, String, String), u64>,
    /// The size of the largest metrics body that arrived.
    pub(crate) largest_metrics: usize,
}

impl Server {
    pub(crate) fn set(&mut self, flag: &str, variation: &str, value: &str, kind: &str) {
        self.set_for("", flag, variation, value, kind);
    }

    pub(crate) fn set_for(
        &mut self,
        target: &str,
        flag: &str,
        variation: &str,
        value: &str,
        kind: &str,
    ) {
        self.version += 1;
        let evaluation = Evaluation {
            flag: flag.into(),
            identifier: variation.into(),
            value: value.into(),
            kind: kind.into(),
        };
        self.flags.insert((target.into(), flag.into()), evaluation);
    }

    pub(crate) fn remove(&mut self, flag: &str) {
        self.version += 1;
        self.flags.retain(|(_, name), _| name != flag);
    }

    /// What a fresh fetch for `target` returns.
    pub(crate) fn evaluations(&self, target: &str) -> Vec<Evaluation> {
        let mut all: BTreeMap<&str, &Evaluation> = BTreeMap::new();
        for wanted in ["", target] {
            for ((of, flag), evaluation) in &self.flags {
                if of == wanted {
                    all.insert(flag, evaluation);
                }
            }
        }
        all.into_values().cloned().collect()
    }

    /// Every token and ticket given so far is refused from now on.
    pub(crate) fn revoke_tokens(&mut self) {
        self.generation += 1;
        self.tickets_open.clear();
    }

    pub(crate) fn next(&mut self, ask: Ask, fates: &[Fate]) {
        self.next.entry(ask).or_default().extend(fates);
    }

    pub(crate) fn always(&mut self, ask: Ask, fate: Fate) {
        self.always.insert(ask, fate);
    }

    pub(crate) fn is_healthy(&mut self) {
        self.next.clear();
        self.always.clear();
    }

    pub(crate) fn fate(&mut self, ask: Ask) -> Fate {
        let next = self.next.get_mut(&ask).and_then(VecDeque::pop_front);
        next.unwrap_or_else(|| self.always.get(&ask).copied().unwrap_or(Fate::Fine))
    }

    /// Answers a request that arrived.
    pub(crate) fn answer(&mut self, request: &HttpRequest, fate: Fate) -> Reply {
        match fate {
            Fate::Status(status) => return plain(status, None),
            Fate::RetryAfter(status, after) => return plain(status, Some(after)),
            Fate::Garbled => {
                return Reply {
                    body: "<html>Please log in</html>".into(),
                    ..plain(200, None)
                };
            }
            Fate::Fine | Fate::Slow(_) | Fate::Lost | Fate::Hangs => {}
        }
        let ask = ask(&request.url);
        if ask == Ask::SignIn {
            return self.sign_in(request.body.as_deref().unwrap());
        }
        if !self.is_authorized(&request.headers) {
            return plain(401, None);
        }
        let path = request.url.split(['?']).next().unwrap();
        match ask {
            Ask::Metrics => self.take_metrics(request.body.as_deref().unwrap()),
            Ask::All => {
                let target = path.split('/').rev().nth(1).unwrap();
                let etag = self.tags.then(|| format!("\"{target}-{}\"", self.version));
                if etag.is_some() && header(&request.headers, "If-None-Match") == etag.as_deref() {
                    return Reply {
                        etag,
                        ..plain(304, None)
                    };
                }
                Reply {
                    etag,
                    ..ok(serde_json::to_string(&self.evaluations(target)).unwrap())
                }
            }
            Ask::Flag => {
                let flag = path.rsplit('/').next().unwrap();
                let target = path.split('/').rev().nth(2).unwrap();
                let found = self.evaluations(target);
                match found.iter().find(|evaluation| evaluation.flag == flag) {
                    Some(evaluation) => ok(serde_json::to_string(evaluation).unwrap()),
                    None => plain(404, None),
                }
            }
            Ask::SignIn | Ask::Stream => unreachable!(),
        }
    }

    fn sign_in(&mut self, body: &str) -> Reply {
        let request: SignInRequest = serde_json::from_str(body).unwrap();
        if request.api_key != KEY {
            return plain(401, None);
        }
        let claims = json!({ "environment": "env", "clusterIdentifier": "2", "accountID": "acc" });
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        let mut reply = json!({ "authToken": format!("h.{payload}.{}", self.generation) });
        if self.tickets {
            self.tickets_given += 1;
            let ticket = self.tickets_given.to_string();
            reply["streamUrl"] = json!(format!("/stream?ticket={ticket}"));
            let target = request.target.unwrap().identifier;
            self.tickets_open.push((ticket, target));
        }
        ok(reply.to_string())
    }

    fn take_metrics(&mut self, body: &str) -> Reply {
        self.largest_metrics = self.largest_metrics.max(body.len());
        let metrics: Metrics = serde_json::from_str(body).unwrap();
        for entry in metrics.metrics_data.unwrap() {
            let attribute = |name: &str| {
                let found = entry.attributes.iter().find(|pair| pair.key == name);
                found.unwrap().value.clone()
            };
            let counter = (
                attribute("target"),
                attribute("featureIdentifier"),
                attribute("variationIdentifier"),
            );
            *self.counted.entry(counter).or_default() += entry.count;
        }
        ok(String::new())
    }

    /// Answers a request for a stream: a status, and the target where it is 200.
    pub(crate) fn open(&mut self, request: &StreamRequest<HttpRequest>) -> Result<String, u16> {
        let native = request.native;
        let request = &request.request;
        if native {
            let ticket = request.url.split("ticket=").nth(1).unwrap();
            let open = &mut self.tickets_open;
            let place = open.iter().position(|(name, _)| name == ticket);
            return place.map(|place| open.remove(place).1).ok_or(401);
        }
        if !self.is_authorized(&request.headers) || header(&request.headers, "API-Key").is_none() {
            return Err(401);
        }
        let Some(encoded) = header(&request.headers, "Harness-Target") else {
            return Ok(String::new()); // the one of the sign-in, on a real server
        };
        let json = STANDARD.decode(encoded).unwrap();
        let target: Target = serde_json::from_slice(&json).unwrap();
        Ok(target.identifier)
    }

    /// The bytes that tell `connection` of a change of `flag`.
    pub(crate) fn event(&self, connection: &Connection, change: &str, flag: &str) -> String {
        let mut event = json!({ "event": change, "domain": "flag", "identifier": flag, "version": self.version });
        if self.values_in_events && change != "delete" {
            let found = self.evaluations(&connection.target);
            let of_flag: Vec<_> = found.iter().filter(|held| held.flag == flag).collect();
            event["evaluations"] = json!(of_flag);
        }
        format!("event: *\ndata: {event}\n\n")
    }

    fn is_authorized(&self, headers: &[(&'static str, String)]) -> bool {
        let token = header(headers, "Authorization").unwrap();
        token.ends_with(&format!(".{}", self.generation))
    }
}

pub(crate) fn ask(url: &str) -> Ask {
    let path = url.split('?').next().unwrap();
    if path.ends_with("/client/auth") {
        Ask::SignIn
    } else if path.ends_with("/evaluations") {
        Ask::All
    } else if path.contains("/evaluations/") {
        Ask::Flag
    } else if path.contains("/metrics/") {
        Ask::Metrics
    } else {
        assert!(path.ends_with("/stream"), "nobody serves {url}");
        Ask::Stream
    }
}

fn header<'a>(headers: &'a [(&'static str, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(held, _)| *held == name);
    found.map(|(_, value)| value.as_str())
}

fn plain(status: u16, retry_after: Option<u32>) -> Reply {
    Reply {
        status,
        retry_after,
        etag: None,
        body: String::new(),
    }
}

fn ok(body: String) -> Reply {
    Reply {
        body,
        ..plain(200, None)
    }
}

/// Flags and version at a moment.
pub(crate) type Snapshot = (BTreeMap<(String, String), Evaluation>, u64);

impl Server {
    pub(crate) fn snapshot(&self) -> Snapshot {
        (self.flags.clone(), self.version)
    }

    /// Everything is as it was, its tag too.
    pub(crate) fn restore(&mut self, (flags, version): Snapshot) {
        (self.flags, self.version) = (flags, version);
    }
}
