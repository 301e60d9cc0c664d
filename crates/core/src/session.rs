//! What signing in gave, and the URLs and headers made of it.

use alloc::string::String;
use alloc::vec::Vec;

use crate::codec::SignIn;
use crate::config::Config;

/// Header names and values.
pub(crate) type Headers = Vec<(&'static str, String)>;

/// A signed-in client.
#[derive(Debug)]
pub(crate) struct Session {
    sign_in: SignIn,
    /// The server offers native streams; their URLs hold a ticket that opens one stream, so each is used once.
    pub(crate) offers_native: bool,
    target_header: String,
}

impl Session {
    pub(crate) fn new(mut sign_in: SignIn, target_header: String) -> Self {
        if sign_in.cluster.is_empty() {
            sign_in.cluster.push('1');
        }
        Self {
            offers_native: !sign_in.stream_url.is_empty(),
            sign_in,
            target_header,
        }
    }

    pub(crate) fn evaluations_url(
        &self,
        config: &Config,
        target: &str,
        flag: Option<&str>,
    ) -> String {
        let mut url = join(
            &config.base_url,
            &[
                "/client/env/",
                &self.sign_in.environment,
                "/target/",
                target,
                "/evaluations",
            ],
        );
        if let Some(flag) = flag {
            url.push('/');
            push_encoded(&mut url, flag);
        }
        self.push_cluster(url)
    }

    pub(crate) fn stream_url(&self, config: &Config) -> String {
        self.push_cluster(join(&config.base_url, &["/stream"]))
    }

    /// Takes the URL for a native stream, if one is left.
    pub(crate) fn take_native_url(&mut self, config: &Config) -> Option<String> {
        let url = core::mem::take(&mut self.sign_in.stream_url);
        if url.is_empty() {
            None
        } else if url.starts_with("http") {
            Some(url)
        } else {
            Some(join(&config.base_url, &["/", url.trim_start_matches('/')]))
        }
    }

    /// Throws the URL for a native stream away.
    pub(crate) fn forget_ticket(&mut self) {
        self.sign_in.stream_url.clear();
    }

    pub(crate) fn metrics_url(&self, config: &Config) -> String {
        self.push_cluster(join(
            &config.event_url,
            &["/metrics/", &self.sign_in.environment],
        ))
    }

    /// Headers of every request after sign-in. Against Harness no other names may be sent: its CORS preflight would fail.
    pub(crate) fn headers(&self, config: &Config) -> Headers {
        let mut headers = Vec::from([
            ("Authorization", join("Bearer ", &[&self.sign_in.token])),
            ("Harness-SDK-Info", String::from(config.sdk_info)),
        ]);
        let optional = [
            (
                "Harness-EnvironmentID",
                &self.sign_in.environment_identifier,
            ),
            ("Harness-AccountID", &self.sign_in.account),
            ("Harness-Target", &self.target_header),
        ];
        headers.extend(
            optional
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(name, value)| (name, value.clone())),
        );
        headers
    }

    /// Harness shards by cluster: every URL after sign-in names it.
    fn push_cluster(&self, mut url: String) -> String {
        url.push_str("?cluster=");
        push_encoded(&mut url, &self.sign_in.cluster);
        url
    }
}

/// `first` and `rest`, one after the other.
pub(crate) fn join(first: &str, rest: &[&str]) -> String {
    let mut text = String::from(first);
    for part in rest {
        text.push_str(part);
    }
    text
}

/// Percent-encodes all that is not unreserved in a URL, as for one path segment.
pub fn push_encoded(url: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(HEX.get(usize::from(nibble)).copied().unwrap_or(b'0'));
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            url.push(char::from(byte));
        } else {
            url.push('%');
            url.push(digit(byte >> 4));
            url.push(digit(byte & 0xF));
        }
    }
}
