//! Makes and checks tokens, which a client gets for its key, and short-lived tickets, which open a stream by its URL
//! alone.
//!
//! Both are JWTs signed with HS256, so any replica that knows the secret can check them, and both carry the target, so
//! any replica can evaluate. A token does not expire, as on Harness, whose clients never ask for another one; it ends
//! with its key. A ticket expires: it travels in a URL, which ends up in logs of proxies.

use std::sync::Arc;

use arc_swap::ArcSwap;
use flagwire_core::protocol::{Claims, Target};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::{CLUSTER, PROJECT};
use super::{Grant, hs256};

/// A target whose JSON is longer than this is not in the token but in the [`TargetStore`](crate::target::TargetStore):
/// each request carries the token in a header, and many proxies allow no more than 8 KiB of headers.
pub(crate) const MAX_TARGET_BYTES: usize = 3 * 1024;

/// The claims of a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Token {
    #[serde(flatten)]
    pub(crate) claims: Claims,
    /// The beginning of the SHA-256 of the key that the token was given for. The token is no longer valid once the key
    /// is removed.
    pub(crate) key: String,
    /// The target; absent for server keys, and if it is too long for a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<Target>,
    /// A reference to the target, if it is too long for a token.
    #[serde(default, rename = "targetRef", skip_serializing_if = "Option::is_none")]
    pub(crate) target_ref: Option<TargetRef>,
    /// What a ticket opens (`stream` or `refetch`); absent in a token, so that neither is accepted in place of the
    /// other.
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    pub(crate) purpose: Option<String>,
    /// Seconds since the Unix epoch.
    pub(crate) iat: u64,
    /// Seconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exp: Option<u64>,
}

impl Token {
    /// Returns a token without a target for the key with this `name`.
    pub(crate) fn for_key(grant: &Grant, name: String, now: u64) -> Self {
        Self {
            claims: Claims {
                environment: grant.environment.clone(),
                cluster_identifier: Some(CLUSTER.to_owned()),
                environment_identifier: Some(grant.environment.clone()),
                account_id: Some(PROJECT.to_owned()),
                key_type: Some(grant.kind.claim().to_owned()),
            },
            key: name,
            target: None,
            target_ref: None,
            purpose: None,
            iat: now,
            exp: None,
        }
    }
}

/// Refers to a long target in the store, and names the target in case the store has lost it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TargetRef {
    pub(crate) identifier: String,
    pub(crate) hash: String,
}

/// By how many seconds the clocks of replicas may differ, of which one issues a ticket and another checks it.
const CLOCKS: u64 = 300;

const TICKET: &str = "stream";
const REFETCH_TICKET: &str = "refetch";

/// Signs and checks tokens and tickets.
pub(crate) struct Signer {
    secrets: ArcSwap<Secrets>,
    validation: Validation,
}

/// The key that signs new tokens, and the keys whose tokens are accepted: that one, and those that other replicas sign with. A
/// replica that started without Redis signs with a key of its own, which the others accept once Redis has it.
struct Secrets {
    encoding: EncodingKey,
    decoding: Vec<DecodingKey>,
}

impl Secrets {
    fn new(signs: &[u8], further: &[&[u8]]) -> Self {
        let all = std::iter::once(&signs).chain(further);
        Self {
            encoding: EncodingKey::from_secret(signs),
            decoding: all.map(|secret| DecodingKey::from_secret(secret)).collect(),
        }
    }
}

impl Signer {
    pub(crate) fn new(secret: &[u8]) -> Self {
        hs256::install();
        let mut validation = Validation::new(Algorithm::HS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = true;
        validation.validate_aud = false;
        validation.leeway = CLOCKS;
        Self {
            secrets: ArcSwap::from_pointee(Secrets::new(secret, &[])),
            validation,
        }
    }

    /// Signs with the secret `signs` from now on, and also accepts what one of `further` has signed.
    pub(crate) fn change(&self, signs: &[u8], further: &[&[u8]]) {
        self.secrets.store(Arc::new(Secrets::new(signs, further)));
    }

    /// Returns the token as text.
    pub(crate) fn token(&self, token: &Token) -> Result<String, jsonwebtoken::errors::Error> {
        jsonwebtoken::encode(&Header::default(), token, &self.secrets.load().encoding)
    }

    /// Returns a ticket with the rights and the target of `token`, valid for `seconds`.
    pub(crate) fn ticket(
        &self,
        token: &Token,
        now: u64,
        seconds: u64,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let ticket = Token {
            purpose: Some(TICKET.to_owned()),
            iat: now,
            exp: Some(now.saturating_add(seconds)),
            ..token.clone()
        };
        self.token(&ticket)
    }

    /// Returns a ticket for a stream whose events only say that something has changed. The same arguments give the same ticket.
    pub(crate) fn refetch_ticket(
        &self,
        token: &Token,
        issued: u64,
        until: u64,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        self.token(&Token {
            purpose: Some(REFETCH_TICKET.to_owned()),
            target: None,
            target_ref: None,
            iat: issued,
            exp: Some(until),
            ..token.clone()
        })
    }

    /// Reads a refetch ticket; returns `None` in the same cases as [`check_ticket`](Self::check_ticket).
    pub(crate) fn check_refetch_ticket(&self, text: &str) -> Option<Token> {
        self.check(text)
            .filter(|token| token.purpose.as_deref() == Some(REFETCH_TICKET) && token.exp.is_some())
    }

    /// Reads a token; returns `None` if no known secret has signed it, it was altered, or it is a ticket.
    pub(crate) fn check_token(&self, text: &str) -> Option<Token> {
        self.check(text).filter(|token| token.purpose.is_none())
    }

    /// Reads a ticket; returns `None` if no known secret has signed it, it was altered, has expired, or is a token.
    pub(crate) fn check_ticket(&self, text: &str) -> Option<Token> {
        self.check(text)
            .filter(|token| token.purpose.as_deref() == Some(TICKET) && token.exp.is_some())
    }

    fn check(&self, text: &str) -> Option<Token> {
        self.secrets.load().decoding.iter().find_map(|secret| {
            jsonwebtoken::decode::<Token>(text, secret, &self.validation)
                .ok()
                .map(|data| data.claims)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Token {
        Token {
            claims: Claims {
                environment: "development".to_owned(),
                ..Claims::default()
            },
            key: "k".to_owned(),
            target: Some(Target {
                identifier: "user-42".to_owned(),
                ..Target::default()
            }),
            target_ref: None,
            purpose: None,
            iat: 1,
            exp: None,
        }
    }

    fn now() -> u64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    }

    #[test]
    fn a_token_survives_the_round_trip() {
        let signer = Signer::new(b"secret");
        assert_eq!(
            signer.check_token(&signer.token(&token()).unwrap()),
            Some(token())
        );
    }

    #[test]
    fn another_secret_or_one_changed_character_is_refused() {
        let text = Signer::new(b"secret").token(&token()).unwrap();
        assert_eq!(Signer::new(b"other").check_token(&text), None);
        let (head, signature) = text.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { "B" } else { "A" };
        let altered = format!("{head}.{first}{}", &signature[1..]);
        assert_eq!(Signer::new(b"secret").check_token(&altered), None);
    }

    #[test]
    fn a_secret_that_is_changed_goes_on_being_taken_if_it_is_among_the_further_ones() {
        let signer = Signer::new(b"mine");
        let old = signer.token(&token()).unwrap();
        signer.change(b"theirs", &[b"mine"]);
        assert_eq!(signer.check_token(&old), Some(token()));
        let new = signer.token(&token()).unwrap();
        assert_eq!(Signer::new(b"theirs").check_token(&new), Some(token()));
        signer.change(b"theirs", &[]);
        assert_eq!(signer.check_token(&old), None);
    }

    #[test]
    fn tickets_and_tokens_do_not_pass_for_each_other() {
        let signer = Signer::new(b"secret");
        let ticket = signer.ticket(&token(), now(), 60).unwrap();
        assert_eq!(signer.check_token(&ticket), None);
        assert_eq!(signer.check_ticket(&ticket).unwrap().target, token().target);
        assert_eq!(signer.check_ticket(&signer.token(&token()).unwrap()), None);
    }

    #[test]
    fn an_expired_ticket_is_refused() {
        let signer = Signer::new(b"secret");
        let ticket = signer.ticket(&token(), now() - CLOCKS - 120, 60).unwrap();
        assert_eq!(signer.check_ticket(&ticket), None);
    }

    #[test]
    fn a_ticket_is_taken_by_a_replica_whose_clock_is_minutes_ahead_or_behind() {
        let signer = Signer::new(b"secret");
        for made in [now() - 240, now() + 240] {
            let ticket = signer.ticket(&token(), made, 60).unwrap();
            assert!(signer.check_ticket(&ticket).is_some());
        }
    }

    #[test]
    fn an_unsigned_token_is_refused() {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text);
        let text = format!(
            "{}.{}.",
            encode(r#"{"alg":"none"}"#),
            encode(&serde_json::to_string(&token()).unwrap())
        );
        assert_eq!(Signer::new(b"secret").check_token(&text), None);
    }
}
