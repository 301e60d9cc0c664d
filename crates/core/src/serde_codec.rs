//! The codec that reads JSON by serde and keeps values in Rust, for native programs, tests and front ends in Rust.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::Cell;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::codec::{
    Ask, ChangeEvent, Codec, MAX_METRICS_BYTES, MAX_TARGET_HEADER, Parsed, SignedIn,
};
use crate::http::{self, HttpRequest, Service, SignIn};
use crate::order::Moment;
use crate::protocol::{
    Claims, Domain, Evaluation, KeyValue, Metrics, MetricsData, SignInReply, SignInRequest, Target,
};

/// The most counters that are kept while they cannot be posted. Reads for which there is no counter then are not counted.
const MAX_COUNTERS: usize = 10_000;

/// Keeps [`Evaluation`]s by flag and counts reads.
#[derive(Debug)]
pub struct SerdeCodec {
    service: Service,
    target: Target,
    /// The content of the last reply to signing in.
    session: SignIn,
    values: BTreeMap<String, Held>,
    /// The moments as of which flags were removed, until no older answer can arrive.
    gone: BTreeMap<String, Moment>,
    /// Counts of values that are gone, of earlier targets, and of posts that failed.
    counts: Counts,
    /// The counts in the post that is under way.
    pending: Vec<(Counter, u64)>,
    /// Returns the time in milliseconds since the Unix epoch, for the timestamps of metrics.
    epoch_millis: fn() -> i64,
}

/// A flag's evaluation as it is held.
#[derive(Debug)]
pub struct Held {
    evaluation: Evaluation,
    json: Option<Rc<Value>>,
    /// The moment as of which the evaluation is known.
    as_of: Moment,
    /// How many reads are not among `counts` yet. They are counted here, so that a read has to find one entry only.
    reads: Cell<u64>,
}

impl Held {
    /// Returns the evaluation as the server sent it.
    #[must_use]
    pub const fn evaluation(&self) -> &Evaluation {
        &self.evaluation
    }

    /// Returns the parsed value of a flag of kind `json`, or a text where it is no JSON. It is the same object until the flag changes.
    #[must_use]
    pub const fn json(&self) -> Option<&Rc<Value>> {
        self.json.as_ref()
    }

    /// Counts a read.
    pub fn count(&self) {
        self.reads.set(self.reads.get().saturating_add(1));
    }
}

/// The flag, the variation and the target whose reads one counter counts.
type Counter = (String, String, String);

/// A flag and its new evaluation, or `None` where the flag is gone.
pub type Changed = (String, Option<Evaluation>);

/// The content that the cache is to hold for one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// The target of the evaluations, of which the cache's key is made.
    pub target: Target,
    /// All evaluations, sorted by flag.
    pub evaluations: Vec<Evaluation>,
}

impl SerdeCodec {
    /// Makes a codec without values. `epoch_millis` returns the time for the timestamps of metrics.
    #[must_use]
    pub fn new(service: Service, target: Target, epoch_millis: fn() -> i64) -> Self {
        Self {
            service,
            target,
            session: SignIn::default(),
            values: BTreeMap::new(),
            gone: BTreeMap::new(),
            counts: Counts::default(),
            pending: Vec::new(),
            epoch_millis,
        }
    }

    /// Returns where the service is, and which SDK and key are used with it.
    #[must_use]
    pub const fn service(&self) -> &Service {
        &self.service
    }

    /// Returns the evaluation of `flag`, and counts this as a read.
    pub fn read(&self, flag: &str) -> Option<&Evaluation> {
        let held = self.held(flag)?;
        held.count();
        Some(&held.evaluation)
    }

    /// Returns what is held of `flag`, without counting a read.
    #[must_use]
    pub fn held(&self, flag: &str) -> Option<&Held> {
        self.values.get(flag)
    }

    /// Returns all evaluations, sorted by flag, without counting reads.
    pub fn evaluations_held(&self) -> impl Iterator<Item = &Evaluation> {
        self.values.values().map(Held::evaluation)
    }

    /// Returns the current target as the header `Harness-Target` wants it: base64 of its JSON; empty for a text that is too long.
    fn target_header(&self) -> String {
        let header = serde_json::to_vec(&self.target)
            .map(|json| STANDARD.encode(json))
            .unwrap_or_default();
        if header.len() < MAX_TARGET_HEADER {
            header
        } else {
            String::new()
        }
    }

    fn store(&mut self, evaluation: Evaluation, as_of: Moment, changed: &mut Vec<Changed>) {
        if self
            .gone
            .get(&evaluation.flag)
            .is_some_and(|at| *at > as_of)
        {
            return;
        }
        // JSON that does not parse is a text, as in JavaScript.
        let json = evaluation.kind.eq_ignore_ascii_case("json").then(|| {
            serde_json::from_str(&evaluation.value)
                .unwrap_or_else(|_| Value::String(evaluation.value.clone()))
        });
        if let Some(held) = self.values.get_mut(&evaluation.flag) {
            if held.as_of > as_of {
                return;
            }
            held.as_of = as_of;
            let old = &held.evaluation;
            let same_value = old.kind.eq_ignore_ascii_case(&evaluation.kind)
                && match (&held.json, &json) {
                    (Some(held), Some(new)) => same_json(held, new),
                    _ => old.value == evaluation.value,
                };
            if same_value && old.identifier == evaluation.identifier {
                // Integers beyond 2^53 may differ although they are the same double, and here they can be read exactly.
                if held.json.as_deref() != json.as_ref() {
                    held.json = json.map(Rc::new);
                    held.evaluation = evaluation;
                }
                return;
            }
        }
        changed.push((evaluation.flag.clone(), Some(evaluation.clone())));
        let held = Held {
            json: json.map(Rc::new),
            as_of,
            reads: Cell::new(0),
            evaluation,
        };
        if let Some(old) = self.values.insert(held.evaluation.flag.clone(), held) {
            self.counts.retire(&old, &self.target);
        }
    }

    /// Moves the reads of what is held to the counts.
    fn retire_all(&mut self) {
        for held in self.values.values() {
            self.counts.retire(held, &self.target);
        }
    }
}

/// Counts that are to be posted.
#[derive(Debug, Default)]
struct Counts(BTreeMap<Counter, u64>);

impl Counts {
    /// Adds the reads of a held evaluation, as reads by `target`.
    fn retire(&mut self, held: &Held, target: &Target) {
        let reads = held.reads.take();
        if reads > 0 {
            let Evaluation {
                flag, identifier, ..
            } = &held.evaluation;
            let counter = (flag.clone(), identifier.clone(), target.identifier.clone());
            self.add(counter, reads);
        }
    }

    fn add(&mut self, counter: Counter, reads: u64) {
        if let Some(count) = self.0.get_mut(&counter) {
            *count = count.saturating_add(reads);
        } else if self.0.len() < MAX_COUNTERS {
            self.0.insert(counter, reads);
        }
    }
}

/// Reads an evaluation; returns `None` where `json` is none. A list is none, though serde would read it as the fields in order.
fn evaluation(json: Value) -> Option<Evaluation> {
    json.is_object()
        .then(|| serde_json::from_value(json).ok())
        .flatten()
}

/// Returns whether two JSON values are the same in JavaScript, where numbers are doubles. The order of keys does not matter.
fn same_json(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| same_json(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(key, value)| other.get(key).is_some_and(|other| same_json(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

fn some(changed: Vec<Changed>) -> Option<Vec<Changed>> {
    (!changed.is_empty()).then_some(changed)
}

impl Codec for SerdeCodec {
    type Json = Value;
    type Text = String;
    type Request = HttpRequest;
    type Evaluations = Vec<Evaluation>;
    type Changes = Vec<Changed>;
    type Saved = Saved;
    type Target = Target;

    fn set_target(&mut self, target: Target) {
        self.retire_all(); // reads from now on are the new target's
        self.target = target;
    }

    fn group(&self) -> Option<String> {
        let header = self.target_header();
        let Service {
            base_url, api_key, ..
        } = &self.service;
        let group = || {
            [
                "flagwire-1-",
                &http::fingerprint(&[base_url, api_key, &header]),
            ]
            .concat()
        };
        (!header.is_empty()).then(group)
    }

    fn request(&self, ask: Ask<'_, String>) -> HttpRequest {
        if ask == Ask::SignIn {
            let request = SignInRequest {
                api_key: self.service.api_key.clone(),
                target: Some(self.target.clone()),
            };
            let body = serde_json::to_string(&request).unwrap_or_default();
            return http::sign_in(&self.service, body);
        }
        let (target, header) = (&self.target.identifier, self.target_header());
        self.session.request(&self.service, target, &header, &ask)
    }

    fn sign_in(&mut self, reply: Value) -> Option<SignedIn> {
        let reply: SignInReply = serde_json::from_value(reply).ok()?;
        let claims = Claims::from_token(&reply.auth_token)?;
        self.session = SignIn {
            environment: claims.environment,
            cluster: claims.cluster_identifier,
            environment_identifier: claims.environment_identifier,
            account: claims.account_id,
            stream_url: reply.stream_url.unwrap_or_default(),
            token: reply.auth_token,
        };
        Some(SignedIn {
            offers_native: !self.session.stream_url.is_empty(),
        })
    }

    fn change_event(&self, data: &[u8]) -> Parsed<Vec<Evaluation>, String> {
        let data = String::from_utf8_lossy(data);
        // JSON has no mark of the byte order, and readers may ignore one (RFC 8259, section 8.1), as `TextDecoder` does.
        let json = data.strip_prefix('\u{feff}').unwrap_or(&data);
        let Ok(Value::Object(mut event)) = serde_json::from_str(json) else {
            return Parsed::Malformed;
        };
        let mut read = |name: &str| event.remove(name);
        let (
            Some(change @ Value::String(_)),
            Some(domain @ Value::String(_)),
            Some(Value::String(identifier)),
        ) = (read("event"), read("domain"), read("identifier"))
        else {
            return Parsed::Malformed;
        };
        let (Ok(change), Ok(domain)) = (
            serde_json::from_value(change),
            serde_json::from_value(domain),
        ) else {
            return Parsed::Unknown;
        };
        // A URL cannot name these two, because it would be resolved. As after a change of a target group, all flags are fetched.
        let domain = match identifier.as_str() {
            "." | ".." => Domain::TargetSegment,
            _ => domain,
        };
        let evaluations = match read("evaluations") {
            Some(Value::Array(list)) => list.into_iter().map(evaluation).collect(),
            _ => None,
        };
        Parsed::Change(ChangeEvent {
            change,
            domain,
            identifier,
            evaluations: evaluations.filter(|list: &Vec<_>| !list.is_empty()),
        })
    }

    fn evaluations(&self, reply: Value, single: bool) -> Option<Vec<Evaluation>> {
        match reply {
            Value::Array(list) if !single => {
                Some(list.into_iter().filter_map(evaluation).collect())
            }
            reply if single => evaluation(reply).map(|evaluation| Vec::from([evaluation])),
            _ => None,
        }
    }

    fn replace(&mut self, evaluations: Vec<Evaluation>, as_of: Moment) -> Option<Vec<Changed>> {
        let mut changed = self.merge(evaluations, as_of).unwrap_or_default();
        // The listed flags are now known as of `as_of`, or later; all others are removed.
        let (counts, target) = (&mut self.counts, &self.target);
        self.values.retain(|flag, held| {
            let stays = held.as_of >= as_of;
            if !stays {
                counts.retire(held, target);
                changed.push((flag.clone(), None));
            }
            stays
        });
        changed.sort_by(|(one, _), (other, _)| one.cmp(other));
        some(changed)
    }

    fn merge(&mut self, evaluations: Vec<Evaluation>, as_of: Moment) -> Option<Vec<Changed>> {
        let mut changed = Vec::new();
        for evaluation in evaluations {
            self.store(evaluation, as_of, &mut changed);
        }
        some(changed)
    }

    fn remove(&mut self, flag: &String, as_of: Moment) -> Option<Vec<Changed>> {
        if self.values.get(flag).is_some_and(|held| held.as_of > as_of) {
            return None;
        }
        self.gone.insert(flag.to_string(), as_of);
        let held = self.values.remove(flag)?;
        self.counts.retire(&held, &self.target);
        Some(Vec::from([(flag.to_string(), None)]))
    }

    fn settle(&mut self) {
        self.gone.clear();
    }

    fn save(&self) -> Saved {
        Saved {
            target: self.target.clone(),
            evaluations: self.evaluations_held().cloned().collect(),
        }
    }

    fn take_counts(&mut self) -> Option<HttpRequest> {
        let timestamp = (self.epoch_millis)();
        let mut bytes = 20usize;
        let mut data = Vec::new();
        self.pending.clear();
        self.retire_all();
        while let Some((counter, count)) = self.counts.0.pop_first() {
            let (flag, variation, target) = &counter;
            let pair = |key: &str, value: &str| KeyValue {
                key: key.to_string(),
                value: value.to_string(),
            };
            let entry = MetricsData {
                timestamp,
                count,
                metrics_type: "FFMETRICS".to_string(),
                attributes: Vec::from([
                    pair("featureIdentifier", flag),
                    pair("featureName", flag),
                    pair("variationIdentifier", variation),
                    pair("target", target),
                    pair("SDK_NAME", "Flagwire"),
                    pair("SDK_LANGUAGE", "Rust"),
                    pair("SDK_TYPE", "client"),
                    pair("SDK_VERSION", env!("CARGO_PKG_VERSION")),
                ]),
            };
            bytes = bytes
                .saturating_add(serde_json::to_string(&entry).map_or(0, |text| text.len()))
                .saturating_add(1);
            if bytes > MAX_METRICS_BYTES && !data.is_empty() {
                self.counts.0.insert(counter, count);
                break;
            }
            data.push(entry);
            self.pending.push((counter, count));
        }
        if data.is_empty() {
            return None;
        }
        let metrics = Metrics {
            metrics_data: Some(data),
            target_data: None,
        };
        let body = serde_json::to_string(&metrics).ok()?;
        Some(
            self.session
                .metrics(&self.service, &self.target_header(), body),
        )
    }

    fn settle_counts(&mut self, keep: bool) {
        for (counter, count) in core::mem::take(&mut self.pending) {
            if keep {
                self.counts.add(counter, count);
            }
        }
    }
}
