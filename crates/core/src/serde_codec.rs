//! JSON by serde, and values in Rust: the codec of native programs, of tests and of Rust front ends.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::codec::{
    Ask, ChangeEvent, Codec, MAX_METRICS_BYTES, MAX_TARGET_HEADER, Parsed, SignedIn,
};
use crate::http::{self, HttpRequest, Service, SignIn};
use crate::order::Moment;
use crate::protocol::{
    Claims, Evaluation, KeyValue, Metrics, MetricsData, SignInReply, SignInRequest, Target,
};

/// The most counters that are kept while they cannot be posted; what is read past that goes uncounted.
const MAX_COUNTERS: usize = 10_000;

/// Keeps [`Evaluation`]s by flag and counts reads.
#[derive(Debug)]
pub struct SerdeCodec {
    service: Service,
    target: Target,
    /// What the last sign-in gave.
    session: SignIn,
    values: BTreeMap<String, Slot>,
    /// When flags were removed, until that cannot matter any more.
    gone: BTreeMap<String, Moment>,
    counts: BTreeMap<Counter, u64>,
    /// Counts in the post under way.
    aside: Vec<(Counter, u64)>,
    /// Says what time it is in milliseconds since the Unix epoch, for the timestamps of metrics.
    epoch_millis: fn() -> i64,
}

#[derive(Debug)]
struct Slot {
    evaluation: Evaluation,
    /// The value parsed, for kind `json` where it is JSON.
    json: Option<Value>,
    /// Known as of then.
    as_of: Moment,
}

/// What is counted: flag, variation, target.
type Counter = (String, String, String);

/// What became of a flag: its new evaluation, or `None` where it is gone.
pub type Changed = (String, Option<Evaluation>);

/// What the cache is to hold of one target.
#[derive(Clone, Debug, PartialEq)]
pub struct Saved {
    /// Whose evaluations they are; the cache's key is made of it.
    pub target: Target,
    /// All evaluations, sorted by flag.
    pub evaluations: Vec<Evaluation>,
}

impl SerdeCodec {
    /// A codec without values. `epoch_millis` is asked for the timestamps of metrics.
    #[must_use]
    pub fn new(service: Service, target: Target, epoch_millis: fn() -> i64) -> Self {
        Self {
            service,
            target,
            session: SignIn::default(),
            values: BTreeMap::new(),
            gone: BTreeMap::new(),
            counts: BTreeMap::new(),
            aside: Vec::new(),
            epoch_millis,
        }
    }

    /// The evaluation of `flag`, counted as a read.
    pub fn read(&mut self, flag: &str) -> Option<&Evaluation> {
        let evaluation = &self.values.get(flag)?.evaluation;
        let counter = (
            flag.to_string(),
            evaluation.identifier.clone(),
            self.target.identifier.clone(),
        );
        if let Some(count) = self.counts.get_mut(&counter) {
            *count = count.saturating_add(1);
        } else if self.counts.len() < MAX_COUNTERS {
            self.counts.insert(counter, 1);
        }
        Some(evaluation)
    }

    /// The value of `flag`, where it is of kind `json` and is JSON. Not counted.
    #[must_use]
    pub fn json(&self, flag: &str) -> Option<&Value> {
        self.values.get(flag)?.json.as_ref()
    }

    /// All evaluations, sorted by flag. Not counted.
    pub fn evaluations_held(&self) -> impl Iterator<Item = &Evaluation> {
        self.values.values().map(|slot| &slot.evaluation)
    }

    /// The current target as the header `Harness-Target` wants it: base64 of its JSON; empty for a text that is too long.
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
        let json = evaluation
            .kind
            .eq_ignore_ascii_case("json")
            .then(|| serde_json::from_str(&evaluation.value).ok())
            .flatten();
        if let Some(held) = self.values.get_mut(&evaluation.flag) {
            if held.as_of > as_of {
                return;
            }
            held.as_of = as_of;
            let same_value = match (&held.json, &json) {
                (Some(held), Some(new)) => held == new,
                _ => {
                    held.evaluation.value == evaluation.value
                        && held.evaluation.kind == evaluation.kind
                }
            };
            if same_value && held.evaluation.identifier == evaluation.identifier {
                return;
            }
        }
        changed.push((evaluation.flag.clone(), Some(evaluation.clone())));
        let slot = Slot {
            json,
            as_of,
            evaluation,
        };
        self.values.insert(slot.evaluation.flag.clone(), slot);
    }
}

fn some(changed: Vec<Changed>) -> Option<Vec<Changed>> {
    (!changed.is_empty()).then_some(changed)
}

impl Codec for SerdeCodec {
    type Json = Value;
    type Request = HttpRequest;
    type Evaluations = Vec<Evaluation>;
    type Changes = Vec<Changed>;
    type Saved = Saved;
    type Target = Target;

    fn set_target(&mut self, target: Target) {
        self.target = target;
    }

    fn group(&self) -> String {
        let header = self.target_header();
        if header.is_empty() {
            return header;
        }
        http::group([&self.service.base_url, &self.service.api_key, &header])
    }

    fn request(&self, ask: Ask<'_>) -> HttpRequest {
        if ask == Ask::SignIn {
            let request = SignInRequest {
                api_key: self.service.api_key.clone(),
                target: Some(self.target.clone()),
            };
            let body = serde_json::to_string(&request).unwrap_or_default();
            return http::sign_in(&self.service, body);
        }
        let (target, header) = (&self.target.identifier, self.target_header());
        self.session.request(&self.service, target, &header, ask)
    }

    fn sign_in(&mut self, reply: Value) -> Option<SignedIn> {
        let reply: SignInReply = serde_json::from_value(reply).ok()?;
        let payload = reply.auth_token.split('.').nth(1)?.trim_end_matches('=');
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        self.session = SignIn {
            environment: claims.environment,
            cluster: claims.cluster_identifier.filter(|text| !text.is_empty()),
            environment_identifier: claims.environment_identifier,
            account: claims.account_id,
            stream_url: reply.stream_url.unwrap_or_default(),
            token: reply.auth_token,
        };
        Some(SignedIn {
            offers_native: !self.session.stream_url.is_empty(),
        })
    }

    fn change_event(&self, data: &[u8]) -> Parsed<Vec<Evaluation>> {
        let Ok(Value::Object(event)) = serde_json::from_str(&String::from_utf8_lossy(data)) else {
            return Parsed::Malformed;
        };
        let read = |name: &str| event.get(name).cloned();
        let (Some(change), Some(domain), Some(Value::String(identifier))) =
            (read("event"), read("domain"), read("identifier"))
        else {
            return Parsed::Malformed;
        };
        let (Ok(change), Ok(domain)) = (
            serde_json::from_value(change),
            serde_json::from_value(domain),
        ) else {
            return Parsed::Unknown;
        };
        let evaluations: Option<Vec<Evaluation>> =
            read("evaluations").and_then(|list| serde_json::from_value(list).ok());
        Parsed::Change(ChangeEvent {
            change,
            domain,
            identifier,
            evaluations: evaluations.filter(|list| !list.is_empty()),
        })
    }

    fn evaluations(&self, reply: Value, single: bool) -> Option<Vec<Evaluation>> {
        match reply {
            Value::Array(list) if !single => Some(
                list.into_iter()
                    .filter_map(|item| serde_json::from_value(item).ok())
                    .collect(),
            ),
            reply if single => serde_json::from_value(reply)
                .ok()
                .map(|evaluation| Vec::from([evaluation])),
            _ => None,
        }
    }

    fn replace(&mut self, evaluations: Vec<Evaluation>, as_of: Moment) -> Option<Vec<Changed>> {
        let mut changed = self.merge(evaluations, as_of).unwrap_or_default();
        // What was listed is now known as of then, or later.
        self.values.retain(|flag, slot| {
            let stays = slot.as_of >= as_of;
            if !stays {
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

    fn remove(&mut self, flag: &str, as_of: Moment) -> Option<Vec<Changed>> {
        if self.values.get(flag).is_some_and(|slot| slot.as_of > as_of) {
            return None;
        }
        self.gone.insert(flag.to_string(), as_of);
        self.values
            .remove(flag)
            .map(|_| Vec::from([(flag.to_string(), None)]))
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
        self.aside.clear();
        while let Some((counter, count)) = self.counts.pop_first() {
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
                self.counts.insert(counter, count);
                break;
            }
            data.push(entry);
            self.aside.push((counter, count));
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
        for (counter, count) in core::mem::take(&mut self.aside) {
            if keep {
                let held = self.counts.entry(counter).or_default();
                *held = held.saturating_add(count);
            }
        }
    }
}
