//! The metrics for Prometheus: counters of requests and, made at each scrape, the status of the environments.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::environment::{Environment, Role};
use crate::source::takeover::{Chosen, Takeover};
use crate::time;

/// The upper bounds of the histogram's buckets in seconds, from a cached reply to one that waits for another server.
const BUCKETS: [f64; 10] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0];

/// The labels of a request. The route is the pattern that the path matched, so that there is no series for each target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: String,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    environment: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Chooses {
    environment: String,
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Served {
    environment: String,
    flag: String,
    variation: String,
}

/// How many variations are exported at most, as Prometheus stores a series for each.
const MAX_SERVED: usize = 10_000;

/// Counts requests and refused connections.
#[derive(Debug)]
pub(crate) struct HttpMetrics {
    registry: Registry,
    requests: Family<Request, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    /// Counts the connections past the limit of their address.
    pub(crate) refused: Counter,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("flagwire");
        let requests = Family::default();
        registry.register("http_requests", "Requests answered", requests.clone());
        let durations: Family<Route, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register_with_unit(
            "http_request_duration",
            "Time until the head of the reply; for a stream, until it is open",
            Unit::Seconds,
            durations.clone(),
        );
        let refused = Counter::default();
        registry.register(
            "connections_refused",
            "Connections past the limit of their address",
            refused.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            refused,
        }
    }
}

impl HttpMetrics {
    /// Counts an answered request.
    pub(crate) fn count(&self, method: &str, route: &str, status: u16, took: Duration) {
        let labels = Request {
            method: method.to_owned(),
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
        let labels = Route {
            route: route.to_owned(),
        };
        self.durations
            .get_or_create(&labels)
            .observe(took.as_secs_f64());
    }

    /// Returns all metrics as OpenMetrics text.
    pub(crate) fn encode<'e>(
        &self,
        environments: impl Iterator<Item = &'e Arc<Environment>>,
        takeovers: &BTreeMap<String, Arc<Takeover>>,
    ) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &standing(environments))?;
        encode_registry(&mut text, &chosen(takeovers))?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

/// Returns which of two sources serves, for environments that have two.
fn chosen(takeovers: &BTreeMap<String, Arc<Takeover>>) -> Registry {
    let mut registry = Registry::with_prefix("flagwire");
    let sources = Family::<Chooses, Gauge>::default();
    registry.register(
        "source_chosen",
        "Whether this one of two sources serves",
        sources.clone(),
    );
    for (environment, takeover) in takeovers {
        for (source, name) in [(Chosen::Upstream, "upstream"), (Chosen::File, "file")] {
            let labels = Chooses {
                environment: environment.clone(),
                source: name.to_owned(),
            };
            let serves = takeover.chosen() == source;
            sources.get_or_create(&labels).set(serves.into());
        }
    }
    registry
}

fn standing<'e>(environments: impl Iterator<Item = &'e Arc<Environment>>) -> Registry {
    let mut registry = Registry::with_prefix("flagwire");
    let mut gauge = |name: &str, help: &str| {
        let family = Family::<Of, Gauge>::default();
        registry.register(name, help, family.clone());
        family
    };
    let streams = gauge("streams", "Open streams");
    let healthy = gauge(
        "source_healthy",
        "Whether what is served is what the source holds",
    );
    let ready = gauge("ready", "Whether there is a configuration to serve");
    let age_seconds = gauge(
        "configuration_age_seconds",
        "Since when what is served may be out of date; 0 if it is not",
    );
    let flags = gauge("flags", "Flags served");
    let groups = gauge("groups", "Target groups served");
    let leader = gauge(
        "replica_leader",
        "Whether this replica brings configurations for all",
    );
    let redis_up = gauge("redis_up", "Whether Redis answers");
    let mut counter = |name: &str, help: &str| {
        let family = Family::<Of, Counter>::default();
        registry.register(name, help, family.clone());
        family
    };
    let redis_failures = counter(
        "redis_failures",
        "How often Redis was lost or did not answer",
    );
    let redis_refills = counter(
        "redis_refills",
        "How often Redis had lost the configuration and got it again from here",
    );
    let unknown = counter(
        "evaluations_unknown",
        "Evaluations that clients have reported of flags or variations that there were not",
    );
    let changes = Family::<Of, Counter>::default();
    registry.register(
        "configurations",
        "Configurations put in force",
        changes.clone(),
    );
    let served = Family::<Served, Counter>::default();
    registry.register(
        "evaluations",
        "Evaluations that clients have reported",
        served.clone(),
    );
    for environment in environments {
        let of = Of {
            environment: environment.name().to_owned(),
        };
        let number = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        let status = environment.status();
        let current = environment.current();
        streams
            .get_or_create(&of)
            .set(number(environment.streams()));
        healthy.get_or_create(&of).set(status.healthy.into());
        ready.get_or_create(&of).set(current.is_some().into());
        age_seconds
            .get_or_create(&of)
            .set(i64::try_from(time::age_seconds(status.fresh_at)).unwrap_or(i64::MAX));
        if let Some(replica) = environment.replica() {
            let leads = replica.role == Role::Leader;
            leader.get_or_create(&of).set(leads.into());
            redis_up.get_or_create(&of).set(replica.connected.into());
            redis_failures.get_or_create(&of).inc_by(replica.failures);
            redis_refills.get_or_create(&of).inc_by(replica.refills);
        }
        if let Some(current) = &current {
            flags
                .get_or_create(&of)
                .set(number(current.snapshot.flags().len()));
            groups
                .get_or_create(&of)
                .set(number(current.snapshot.segments().len()));
            changes.get_or_create(&of).inc_by(current.generation);
        }
        unknown
            .get_or_create(&of)
            .inc_by(environment.usage.unknown());
        for (flag, variation, count) in environment.usage.totals().into_iter().take(MAX_SERVED) {
            let labels = Served {
                environment: of.environment.clone(),
                flag,
                variation,
            };
            served.get_or_create(&labels).inc_by(count);
        }
    }
    registry
}
