//! Writes the requests of the client protocol as HTTP, for [`SerdeCodec`](crate::SerdeCodec). In the npm package
//! `pkg-template/src/wire.ts` writes the same.

use alloc::string::String;
use alloc::vec::Vec;

use crate::codec::Ask;
use crate::protocol::Domain;
use crate::synchroniser::EnvironmentAsk;
use crate::time::Millis;

/// A request as HTTP has it: a `GET`, or with a body a `POST` of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpRequest {
    /// The URL, which is absolute unless the base URL is relative.
    pub url: String,
    /// Header names and values, ready to send; none for a native stream.
    pub headers: Vec<(&'static str, String)>,
    /// The body as JSON; without one the request is a `GET`.
    pub body: Option<String>,
    /// Whether the request must bypass the platform's own cache. That cache could keep a list that was cut or replaced on the way
    /// together with its `ETag`; a 304 would then confirm it, and the broken list would be served again and again. Browsers
    /// send a preflight before each such request to another origin, so only lists are fetched in this way; after a single flag
    /// that cannot be read, a list is fetched.
    pub past_cache: bool,
}

/// Where the service is, and which SDK and key are used with it.
#[derive(Clone, Debug)]
pub struct Service {
    /// The SDK key.
    pub api_key: String,
    /// Where sign-in, evaluations and the stream are; without a slash at the end.
    pub base_url: String,
    /// Where metrics are posted; without a slash at the end.
    pub event_url: String,
    /// The value of the header `Harness-SDK-Info`: language, version, `Client`.
    pub sdk_info: &'static str,
}

/// The content of a reply to signing in, with the claims of its token.
#[derive(Clone, Debug, Default)]
pub(crate) struct SignIn {
    /// The token, which is sent back as `Authorization: Bearer`.
    pub(crate) token: String,
    /// The claim `environment`, which is a part of every later path.
    pub(crate) environment: String,
    /// The claim `clusterIdentifier`, by which Harness shards; it is `1` where it is missing.
    pub(crate) cluster: Option<String>,
    /// The claim `environmentIdentifier`.
    pub(crate) environment_identifier: Option<String>,
    /// The claim `accountID`.
    pub(crate) account: Option<String>,
    /// The URL at which a native `EventSource` may open the stream; it is empty where the server does not offer one.
    pub(crate) stream_url: String,
}

impl SignIn {
    /// Writes the request for `ask`, which is not signing in. `header` describes the target, and is left out where it is empty.
    pub(crate) fn request(
        &self,
        service: &Service,
        target: &str,
        header: &str,
        ask: &Ask<'_, String>,
    ) -> HttpRequest {
        let base = &service.base_url;
        let evaluations = || {
            let mut url = join(&[base, "/client/env/", &self.environment, "/target/"]);
            push_encoded(&mut url, target);
            url.push_str("/evaluations");
            url
        };
        let url = match ask {
            Ask::SignIn => join(&[base, "/client/auth"]),
            Ask::All(_) => evaluations(),
            Ask::Flag(flag) => {
                let mut url = evaluations();
                url.push('/');
                push_encoded(&mut url, flag);
                url
            }
            Ask::Stream => join(&[base, "/stream"]),
            Ask::NativeStream => return self.native_stream(base),
        };
        let mut headers = self.headers(service, header);
        match ask {
            Ask::All(Some(etag)) => headers.push(("If-None-Match", String::clone(etag))),
            Ask::Stream => headers.extend([
                ("API-Key", service.api_key.clone()),
                ("Accept", "text/event-stream".into()),
                ("Cache-Control", "no-cache".into()),
            ]),
            _ => {}
        }
        HttpRequest {
            past_cache: matches!(ask, Ask::All(_)),
            ..self.get(url, headers)
        }
    }

    /// Writes the request for `ask` of a server that synchronises an environment, which is not signing in.
    pub(crate) fn environment_request(
        &self,
        service: &Service,
        ask: &EnvironmentAsk<'_, String>,
    ) -> HttpRequest {
        let base = &service.base_url;
        let entries = |domain: Domain, identifier: &str| {
            let list = match domain {
                Domain::Flag => "/feature-configs",
                Domain::TargetSegment => "/target-segments",
            };
            let mut url = join(&[base, "/client/env/", &self.environment, list]);
            if !identifier.is_empty() {
                url.push('/');
                push_encoded(&mut url, identifier);
            }
            let mut request = self.get(url, self.headers(service, ""));
            if domain == Domain::TargetSegment {
                // Without it, servers send the older form of a group's rules.
                request.url.push_str("&rules=v2");
            }
            request
        };
        match ask {
            EnvironmentAsk::SignIn => self.get(join(&[base, "/client/auth"]), Vec::new()),
            EnvironmentAsk::All(domain, etag) => {
                let mut request = entries(*domain, "");
                if let Some(etag) = etag {
                    request.headers.push(("If-None-Match", String::clone(etag)));
                }
                request.past_cache = true;
                request
            }
            EnvironmentAsk::One(domain, identifier) => entries(*domain, identifier),
            EnvironmentAsk::Stream => {
                let ask = Ask::Stream;
                self.request(service, "", "", &ask)
            }
        }
    }

    /// Writes the request that posts metrics.
    pub(crate) fn metrics(&self, service: &Service, header: &str, body: String) -> HttpRequest {
        let url = join(&[&service.event_url, "/metrics/", &self.environment]);
        HttpRequest {
            body: Some(body),
            ..self.get(url, self.headers(service, header))
        }
    }

    fn native_stream(&self, base: &str) -> HttpRequest {
        let url = if self.stream_url.starts_with("http") {
            self.stream_url.clone()
        } else {
            join(&[base, "/", self.stream_url.trim_start_matches('/')])
        };
        HttpRequest {
            url,
            headers: Vec::new(),
            body: None,
            past_cache: false,
        }
    }

    fn get(&self, mut url: String, headers: Vec<(&'static str, String)>) -> HttpRequest {
        url.push_str("?cluster=");
        push_encoded(&mut url, self.cluster.as_deref().unwrap_or("1"));
        HttpRequest {
            url,
            headers,
            body: None,
            past_cache: false,
        }
    }

    /// Returns the headers of every request after sign-in. Against Harness no other names may be sent: its CORS preflight would fail.
    fn headers(&self, service: &Service, target: &str) -> Vec<(&'static str, String)> {
        let given = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut headers = Vec::from([
            ("Authorization", join(&["Bearer ", &self.token])),
            ("Harness-SDK-Info", service.sdk_info.into()),
            ("Harness-EnvironmentID", given(&self.environment_identifier)),
            ("Harness-AccountID", given(&self.account)),
            ("Harness-Target", target.into()),
        ]);
        headers.retain(|(_, value)| !value.is_empty());
        headers
    }
}

/// Writes the request to sign in.
pub(crate) fn sign_in(service: &Service, body: String) -> HttpRequest {
    HttpRequest {
        url: join(&[&service.base_url, "/client/auth"]),
        headers: Vec::from([("Harness-SDK-Info", service.sdk_info.into())]),
        body: Some(body),
        past_cache: false,
    }
}

/// Returns a short name for texts, so that a list of locks shows neither a key nor a target: FNV-1a of 64 bits, with the end of
/// each text marked, as 16 hexadecimal digits. `pkg-template/src/hash.ts` has the same.
#[must_use]
pub fn fingerprint(texts: &[&str]) -> String {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64;
    for text in texts {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3);
        }
    }
    alloc::format!("{hash:016x}")
}

/// Reads the header `Retry-After`: seconds, also with a fraction, or a date. A date that is past means now. `None` where it is
/// neither.
///
/// `date` reads an HTTP date, as milliseconds from now; platforms have readers of their own.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#field.retry-after>; fractions are not in it, and some gateways send them.
pub fn retry_after(header: &str, date: impl FnOnce(&str) -> Option<f64>) -> Option<Millis> {
    let header = header.trim();
    let (whole, fraction) = header.split_once('.').unwrap_or((header, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits(whole) && digits(fraction) {
        // Digits fail to parse only where there are too many. Floats are avoided: reading them takes 12 kB of WebAssembly.
        let seconds = whole.parse::<u32>().unwrap_or(u32::MAX);
        let thousandths = fraction.bytes().chain(*b"000").take(3);
        let millis = thousandths.fold(0_u32, |sum, digit| {
            let digit = u32::from(digit.saturating_sub(b'0'));
            sum.saturating_mul(10).saturating_add(digit)
        });
        return Some(Millis(seconds.saturating_mul(1000).saturating_add(millis)));
    }
    // The cast saturates: what is too small or too large becomes the nearest number that fits.
    let millis = date(header).filter(|millis| !millis.is_nan())?;
    Some(Millis(millis as u32))
}

fn join(parts: &[&str]) -> String {
    parts.concat()
}

/// Percent-encodes everything that is not unreserved in a URL, as one segment of a path needs it.
pub(crate) fn push_encoded(url: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push_str(&alloc::format!("%{byte:02X}"));
        }
    }
}
