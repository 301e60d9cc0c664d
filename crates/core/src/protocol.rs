//! The wire types of the Harness Feature Flags client protocol, defined once for client and server.
//!
//! Names on the wire are kept to this file: everything outside it uses the names of the Rust fields. The types that
//! hold arbitrary JSON exist only with the feature `serde`.
//!
//! Unknown fields are ignored when reading, `null` reads as absent, and absent optional fields are left out when
//! writing, as the published clients do.

use alloc::string::String;
#[cfg(feature = "serde")]
use alloc::vec::Vec;

/// A flag's result for one target, as the server served it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Evaluation {
    /// Identifier of the flag.
    pub flag: String,
    /// Identifier of the variation that was served. Optional in the protocol's description, always present in practice.
    #[cfg_attr(feature = "serde", serde(default))]
    pub identifier: String,
    /// The variation's value as text, whatever its kind. The empty text is a legitimate value.
    pub value: String,
    /// How to read `value`: `boolean`, `int`, `string` or `json`; compared without case. `number` is read like `int`.
    pub kind: String,
}

/// What happened to the entity that a stream event names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "lowercase"))]
pub enum Change {
    /// It is new.
    Create,
    /// It changed.
    Patch,
    /// It is gone.
    Delete,
}

/// Which sort of entity a stream event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "kebab-case"))]
pub enum Domain {
    /// A flag.
    Flag,
    /// A target group; its change may alter any flag's evaluation.
    TargetSegment,
}

/// The name of every change event on the stream: the literal `*`.
pub const CHANGE_EVENT: &str = "*";

/// The name of the heartbeat on streams for a native `EventSource`, which does not see comments.
pub const HEARTBEAT_EVENT: &str = "heartbeat";

#[cfg(feature = "serde")]
pub use self::json::*;

#[cfg(feature = "serde")]
mod json {
    use super::{Change, Domain, Evaluation, String, Vec};
    use serde::{Deserialize, Serialize};
    use serde_json::{Map, Value};

    /// Who flags are served to: a user or a device.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub struct Target {
        /// Unique and stable; on Harness it matches `[A-Za-z0-9.@_-]*`.
        pub identifier: String,
        /// For people to read. A server takes the identifier where it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        /// Anonymous targets are left out of the metrics' target data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub anonymous: Option<bool>,
        /// What rules look at. Values may be any JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub attributes: Option<Map<String, Value>>,
    }

    /// `POST /client/auth`.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct SignInRequest {
        /// The SDK key, as given by the user.
        pub api_key: String,
        /// Left out by server SDKs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target: Option<Target>,
    }

    /// The reply to [`SignInRequest`].
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct SignInReply {
        /// A JWT whose payload is [`Claims`]. Clients read it and do not verify it.
        pub auth_token: String,
        /// Where a native `EventSource` may open the stream without headers: a URL with a short-lived ticket, absolute
        /// or relative to the base URL. Ours; Harness sends none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub stream_url: Option<String>,
    }

    /// The payload of the token.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Claims {
        /// Path parameter of every later call; a UUID on Harness.
        pub environment: String,
        /// Value of the `cluster` query parameter; `1` where it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub cluster_identifier: Option<String>,
        /// Sent back in the header `Harness-EnvironmentID`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub environment_identifier: Option<String>,
        /// Sent back in the header `Harness-AccountID`. Capitals as on the wire.
        #[serde(default, rename = "accountID", skip_serializing_if = "Option::is_none")]
        pub account_id: Option<String>,
        /// `Client` or `Server`.
        #[serde(default, rename = "key_type", skip_serializing_if = "Option::is_none")]
        pub key_type: Option<String>,
    }

    /// The data of a change event on the stream.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct ChangeEvent {
        /// What happened.
        pub event: Change,
        /// To which sort of entity.
        pub domain: Domain,
        /// Identifier of the flag or target group.
        pub identifier: String,
        /// Version of that entity; no published client compares it on the browser's side.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub version: Option<i64>,
        /// The new evaluations for this connection's target; absent in a plain broadcast.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub evaluations: Option<Vec<Evaluation>>,
    }

    /// `POST /metrics/{environment}`.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct Metrics {
        /// How often each variation was served.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub metrics_data: Option<Vec<MetricsData>>,
        /// Targets seen; sent by server SDKs only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target_data: Option<Vec<TargetData>>,
    }

    /// One counter.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct MetricsData {
        /// Milliseconds since the Unix epoch.
        pub timestamp: i64,
        /// Evaluations since the last report.
        pub count: u64,
        /// Always `FFMETRICS`.
        pub metrics_type: String,
        /// `featureIdentifier`, `variationIdentifier`, `target`, `SDK_VERSION` and the like; all values are text.
        pub attributes: Vec<KeyValue>,
    }

    /// A target that a server SDK evaluated for.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct TargetData {
        /// See [`Target::identifier`].
        pub identifier: String,
        /// See [`Target::name`].
        #[serde(default)]
        pub name: String,
        /// Attributes as text.
        #[serde(default)]
        pub attributes: Vec<KeyValue>,
    }

    /// A pair of texts.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct KeyValue {
        /// Name.
        pub key: String,
        /// Value.
        #[serde(default)]
        pub value: String,
    }

    /// The body of an error reply. Clients must not rely on it: relays send other shapes.
    #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
    pub struct ErrorReply {
        /// The status as text.
        pub code: String,
        /// A sentence for people.
        pub message: String,
    }
}
