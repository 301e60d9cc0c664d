//! Posts to the upstream what the clients of a relay have counted, summed over all clients and bounded in size.

use std::time::{Duration, SystemTime};

use flagwire_core::protocol::{KeyValue, Metrics, MetricsData, TargetData};
use tokio::time::sleep;

use super::client::Client;
use crate::environment::Environment;
use crate::environment::usage::{Outbox, Unsent, UsageCount, target_len};

/// A post stays below this, as servers refuse larger ones.
const MAX_POST_BYTES: usize = 48 * 1024;

pub(super) async fn post_regularly(
    client: &Client,
    environment: &Environment,
    outbox: &Outbox,
    every: Duration,
) {
    loop {
        sleep(client.jittered(every)).await;
        post(client, environment, outbox).await;
    }
}

/// Posts everything that is waiting. What the upstream cannot take now is kept for the next time.
pub(super) async fn post(client: &Client, environment: &Environment, outbox: &Outbox) {
    let environment = environment.name();
    let waiting = outbox.take();
    if waiting.dropped > 0 {
        tracing::warn!(
            environment,
            dropped = waiting.dropped,
            "more flags, variations and targets were counted than are kept; some were not"
        );
    }
    let mut batches = batches(waiting).into_iter();
    while let Some(batch) = batches.next() {
        let metrics = &metrics(&batch);
        let posted = client.signed_in(|session| {
            Box::pin(async move { client.api.metrics(&session, metrics).await })
        });
        match posted.await {
            Ok(()) => {}
            Err(error) if error.is_final() => {
                tracing::warn!(environment, "metrics are lost: {error}");
            }
            Err(error) => {
                tracing::debug!(environment, "metrics are posted later: {error}");
                for rest in std::iter::once(batch).chain(batches.by_ref()) {
                    outbox.put_back(rest.counted, rest.targets);
                }
            }
        }
    }
}

/// The counts and targets of one post.
#[derive(Debug, Default)]
struct Batch {
    counted: Vec<(UsageCount, u64)>,
    targets: Vec<TargetData>,
    bytes: usize,
}

/// Splits everything that is waiting into posts of a size that servers take.
fn batches(waiting: Unsent) -> Vec<Batch> {
    let mut batches = Vec::new();
    let mut batch = Batch::default();
    let mut room_for = |batch: &mut Batch, bytes: usize| {
        if batch.bytes > 0 && batch.bytes + bytes > MAX_POST_BYTES {
            batches.push(std::mem::take(batch));
        }
        batch.bytes += bytes;
    };
    for (key, count) in waiting.counters {
        // An upper estimate: each name is sent at most twice, with JSON of at most 400 bytes around it.
        room_for(&mut batch, 2 * key.len() + 400);
        batch.counted.push((key, count));
    }
    for target in waiting.targets.into_values() {
        let around = 60 + 30 * target.attributes.len();
        room_for(&mut batch, target_len(&target) + around);
        batch.targets.push(target);
    }
    if batch.bytes > 0 {
        batches.push(batch);
    }
    batches
}

fn metrics(batch: &Batch) -> Metrics {
    let timestamp = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
    let data = batch.counted.iter().map(|(key, count)| {
        let pairs = [
            ("featureIdentifier", &key.flag),
            ("featureName", &key.flag),
            ("variationIdentifier", &key.variation),
            ("SDK_LANGUAGE", &key.sdk_language),
            ("SDK_TYPE", &key.sdk_type),
            ("SDK_VERSION", &key.sdk_version),
        ];
        let pair = |key: &str, value: &str| KeyValue {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        let mut attributes: Vec<KeyValue> = pairs
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| pair(key, value))
            .collect();
        // All evaluations are counted for one target, `global`, as published server SDKs do it.
        attributes.push(pair("target", "global"));
        MetricsData {
            timestamp,
            count: *count,
            metrics_type: "FFMETRICS".to_owned(),
            attributes,
        }
    });
    Metrics {
        metrics_data: Some(data.collect()),
        target_data: (!batch.targets.is_empty()).then(|| batch.targets.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_post_is_larger_than_servers_take() {
        let counters = (0..2_000)
            .map(|n| {
                let text = |what: &str| format!("{what}-{n}-{}", "x".repeat(n % 200));
                let key = UsageCount {
                    known: true,
                    flag: text("flag"),
                    variation: text("variation"),
                    sdk_language: text("language"),
                    sdk_type: "client".to_owned(),
                    sdk_version: "1.0.0".to_owned(),
                };
                (key, 1)
            })
            .collect();
        let targets = (0..500)
            .map(|n| {
                let identifier = format!("user-{n}");
                let target = TargetData {
                    identifier: identifier.clone(),
                    name: "Ada".to_owned(),
                    attributes: (0..n % 64)
                        .map(|n| KeyValue {
                            key: format!("attribute-{n}"),
                            value: "x".repeat(n * 4),
                        })
                        .collect(),
                };
                (identifier, target)
            })
            .collect();
        let batches = batches(Unsent::of(counters, targets));
        let sum = |len: fn(&Batch) -> usize| batches.iter().map(len).sum::<usize>();
        assert_eq!(sum(|batch| batch.counted.len()), 2_000);
        assert_eq!(sum(|batch| batch.targets.len()), 500);
        for batch in &batches {
            let bytes = serde_json::to_vec(&metrics(batch)).unwrap().len();
            assert!(bytes < 60_000, "{bytes}");
        }
    }
}
