//! What clients of a relay have counted, on its way up: summed over all of them, and bounded.

use std::time::{Duration, SystemTime};

use flagwire_core::protocol::{KeyValue, Metrics, MetricsData};
use tokio::time::sleep;

use super::api::ApiError;
use super::client::Client;
use crate::environment::Environment;
use crate::usage::{Counted, Outbox};

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

/// Posts all there is. What the upstream cannot take now is kept for the next time.
pub(super) async fn post(client: &Client, environment: &Environment, outbox: &Outbox) {
    let environment = environment.name();
    let (counted, dropped) = outbox.take();
    if dropped > 0 {
        tracing::warn!(
            environment,
            dropped,
            "more flags and variations were counted than are kept; some were not"
        );
    }
    let mut batches = batches(counted).into_iter();
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
                later(environment, &error);
                outbox.put_back(batch);
                for rest in batches.by_ref() {
                    outbox.put_back(rest);
                }
            }
        }
    }
}

fn later(environment: &str, error: &ApiError) {
    tracing::debug!(environment, "metrics are posted later: {error}");
}

fn batches(counted: Vec<(Counted, u64)>) -> Vec<Vec<(Counted, u64)>> {
    let mut batches = Vec::new();
    let mut batch = Vec::new();
    let mut bytes = 0;
    for (key, count) in counted {
        // The names twice or less, and what stands around them.
        let size = 2 * key.len() + 400;
        if bytes + size > MAX_POST_BYTES && !batch.is_empty() {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
        }
        bytes += size;
        batch.push((key, count));
    }
    if !batch.is_empty() {
        batches.push(batch);
    }
    batches
}

fn metrics(batch: &[(Counted, u64)]) -> Metrics {
    let timestamp = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
    let data = batch.iter().map(|(key, count)| {
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
        // One for all: whose evaluations they were is not told, as published server SDKs do it.
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
        target_data: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_post_is_larger_than_servers_take() {
        let counted: Vec<(Counted, u64)> = (0..2_000)
            .map(|n| {
                let text = |what: &str| format!("{what}-{n}-{}", "x".repeat(n % 200));
                let key = Counted {
                    flag: text("flag"),
                    variation: text("variation"),
                    sdk_language: text("language"),
                    sdk_type: "client".to_owned(),
                    sdk_version: "1.0.0".to_owned(),
                };
                (key, 1)
            })
            .collect();
        let batches = batches(counted);
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 2_000);
        for batch in &batches {
            let bytes = serde_json::to_vec(&metrics(batch)).unwrap().len();
            assert!(bytes < 60_000, "{bytes}");
        }
    }
}
