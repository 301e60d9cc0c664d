//! The wire types of the Harness Feature Flags client protocol, defined once for client and server.
//!
//! The names of fields on the wire are in this file, so that everything else in Rust uses the names of the Rust fields; the headers and
//! the paths of requests are in `http.rs`, and the npm package has the same names in its `wire.ts` and `values.ts`. The types that hold
//! arbitrary JSON exist only with the feature `serde`.
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
    /// Identifier of the variation that was served. The protocol's description leaves it optional: it is empty where it is missing
    /// or null.
    #[cfg_attr(feature = "serde", serde(default, deserialize_with = "null_as_empty"))]
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
    /// The entity is new.
    Create,
    /// The entity changed.
    Patch,
    /// The entity is gone.
    Delete,
}

/// The sort of entity that a stream event is about.
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
fn null_as_empty<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text: Option<String> = serde::Deserialize::deserialize(deserializer)?;
    Ok(text.unwrap_or_default())
}

#[cfg(feature = "serde")]
pub use self::json::*;

#[cfg(feature = "serde")]
mod json {
    use alloc::string::ToString;

    use base64::Engine;
    use base64::alphabet::URL_SAFE;
    use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
    use serde::{Deserialize, Deserializer, Serialize};
    use serde_json::{Map, Value};

    use super::{Change, Domain, Evaluation, String, Vec};

    /// Who flags are served to: a user or a device.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    pub struct Target {
        /// The identifier, unique and stable; on Harness it matches `[A-Za-z0-9.@_-]*`.
        pub identifier: String,
        /// The name for people to read. A server uses the identifier where it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub name: Option<String>,
        /// Whether the target is anonymous. Anonymous targets are left out of the metrics' target data.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub anonymous: Option<bool>,
        /// The attributes that rules look at. Values may be any JSON.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub attributes: Option<Map<String, Value>>,
    }

    /// `POST /client/auth`.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct SignInRequest {
        /// The SDK key, as given by the user.
        pub api_key: String,
        /// The target. Server SDKs send none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target: Option<Target>,
    }

    /// The reply to [`SignInRequest`].
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct SignInReply {
        /// A JWT whose payload is [`Claims`]. Clients read it and do not verify it.
        pub auth_token: String,
        /// The URL at which a native `EventSource` may open the stream without headers: a URL with a short-lived ticket, absolute
        /// or relative to the base URL. Only flagwire-server sends it.
        #[serde(
            default,
            deserialize_with = "text",
            skip_serializing_if = "Option::is_none"
        )]
        pub stream_url: Option<String>,
    }

    /// The payload of the token.
    ///
    /// A claim that is a number is read as its text. One that is empty, or of any other type, counts as missing.
    #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Claims {
        /// The environment, a path parameter of every later call; it is a UUID on Harness.
        #[serde(deserialize_with = "required_text")]
        pub environment: String,
        /// The value of the query parameter `cluster`; clients send `1` where it is missing.
        #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
        pub cluster_identifier: Option<String>,
        /// What clients send back in the header `Harness-EnvironmentID`.
        #[serde(deserialize_with = "text", skip_serializing_if = "Option::is_none")]
        pub environment_identifier: Option<String>,
        /// What clients send back in the header `Harness-AccountID`. The name has these capitals on the wire.
        #[serde(
            rename = "accountID",
            deserialize_with = "text",
            skip_serializing_if = "Option::is_none"
        )]
        pub account_id: Option<String>,
        /// `Client` or `Server`.
        #[serde(
            rename = "key_type",
            deserialize_with = "text",
            skip_serializing_if = "Option::is_none"
        )]
        pub key_type: Option<String>,
    }

    /// Reads base64 with padding and without: the standard for tokens forbids padding, and some gateways add it.
    const PADDED_OR_NOT: GeneralPurpose = GeneralPurpose::new(
        &URL_SAFE,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );

    impl Claims {
        /// Reads the payload of a token without verifying it: it came from the server that the client asked. `None` where there is no
        /// payload, or none with an environment.
        #[must_use]
        pub fn from_token(token: &str) -> Option<Self> {
            // Some gateways write base64 in its standard alphabet, and the published clients read that too.
            let payload = token.split('.').nth(1)?.replace('+', "-").replace('/', "_");
            let bytes = PADDED_OR_NOT.decode(payload).ok()?;
            let claims: Value = serde_json::from_str(&String::from_utf8_lossy(&bytes)).ok()?;
            // A list would be read as the fields in their order.
            let claims = Self::deserialize(claims.is_object().then_some(claims)?).ok()?;
            (!claims.environment.is_empty()).then_some(claims)
        }
    }

    fn required_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        text(deserializer).map(Option::unwrap_or_default)
    }

    fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::String(text) if !text.is_empty() => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        })
    }

    /// The data of a change event on the stream.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub struct ChangeEvent {
        /// What happened.
        pub event: Change,
        /// The sort of entity to which it happened.
        pub domain: Domain,
        /// The identifier of the flag or target group.
        pub identifier: String,
        /// The version of that entity; no published client compares it on the browser's side.
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
        /// The targets that were seen; only server SDKs send them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub target_data: Option<Vec<TargetData>>,
    }

    /// One counter.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub struct MetricsData {
        /// Milliseconds since the Unix epoch.
        pub timestamp: i64,
        /// How many evaluations there were since the last report.
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
