//! Signatures of webhooks: an HMAC over the time and the body, so that nobody else can answer for the order system and
//! nobody can answer with yesterday's words.
//!
//! `Postern-Signature: t=1795336200,v1=HEX`: seconds since 1970, and HMAC-SHA256 of `TIMESTAMP.BODY` under the shared
//! secret. Several `v1` may stand there while a secret is being changed; one good one is enough.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::wire::login::Secret;

/// The header it stands in.
pub const HEADER: &str = "postern-signature";

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    #[error("there is no Postern-Signature like `t=SECONDS,v1=HEX`")]
    Missing,
    #[error("the signature is too old, or of the future")]
    Stale,
    #[error("the signature is not that of this body")]
    Wrong,
}

/// The header's value for a body that is sent at `seconds`.
pub fn sign(secret: &Secret, seconds: i64, body: &[u8]) -> String {
    format!("t={seconds},v1={}", hex::encode(mac(secret, seconds, body)))
}

/// Compares in constant time. `window` seconds to both sides are allowed.
pub fn verify(secret: &Secret, header: &str, body: &[u8], now: i64, window: i64) -> Result<(), BadSignature> {
    let mut seconds = None;
    let mut signatures = Vec::new();
    for part in header.split(',').take(16) {
        match part.trim().split_once('=') {
            Some(("t", value)) if seconds.is_none() => seconds = value.parse::<i64>().ok(),
            Some(("v1", value)) => signatures.extend(hex::decode(value).ok()),
            _ => {}
        }
    }
    let seconds = seconds.filter(|_| !signatures.is_empty()).ok_or(BadSignature::Missing)?;
    let matches = |signature: &Vec<u8>| {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else { return false };
        mac.update(format!("{seconds}.").as_bytes());
        mac.update(body);
        mac.verify_slice(signature).is_ok()
    };
    if secret.reveal().is_empty() || !signatures.iter().any(matches) {
        return Err(BadSignature::Wrong);
    }
    let off = now.checked_sub(seconds).and_then(i64::checked_abs);
    if off.is_some_and(|off| off <= window) { Ok(()) } else { Err(BadSignature::Stale) }
}

fn mac(secret: &Secret, seconds: i64, body: &[u8]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else { return Vec::new() };
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever can forge, replay or alter an answer decides what customers are promised.
    #[test]
    fn only_fresh_and_true_signatures_count() {
        let secret = Secret::new("shared");
        let good = sign(&secret, 1_000, b"<a/>");
        let other = sign(&Secret::new("old"), 1_000, b"<a/>");
        let rotated = format!("{good},{}", other.split_once(',').unwrap().1);
        let future = sign(&secret, 9_000, b"<a/>");
        type Case<'a> = (&'a str, &'a str, &'a [u8], i64, Result<(), BadSignature>);
        let cases: [Case<'_>; 12] = [
            ("good", &good, b"<a/>", 1_000, Ok(())),
            ("at the edge", &good, b"<a/>", 1_300, Ok(())),
            ("two secrets at once", &rotated, b"<a/>", 1_000, Ok(())),
            ("old", &good, b"<a/>", 1_301, Err(BadSignature::Stale)),
            ("of the future", &future, b"<a/>", 1_000, Err(BadSignature::Stale)),
            ("altered body", &good, b"<b/>", 1_000, Err(BadSignature::Wrong)),
            ("another secret", &other, b"<a/>", 1_000, Err(BadSignature::Wrong)),
            ("time altered", &good.replace("t=1000", "t=1001"), b"<a/>", 1_001, Err(BadSignature::Wrong)),
            ("dot moved", &sign(&secret, 100, b"0.<a/>"), b"<a/>", 100, Err(BadSignature::Wrong)),
            ("nothing", "", b"<a/>", 1_000, Err(BadSignature::Missing)),
            ("no time", "v1=00", b"<a/>", 1_000, Err(BadSignature::Missing)),
            ("no hex", "t=1000,v1=zz", b"<a/>", 1_000, Err(BadSignature::Missing)),
        ];
        for (name, header, body, now, expected) in cases {
            assert_eq!(verify(&secret, header, body, now, 300), expected, "{name}");
        }
        assert_eq!(verify(&Secret::new(""), &sign(&Secret::new(""), 1, b""), b"", 1, 9), Err(BadSignature::Wrong));
        assert_eq!(verify(&secret, &sign(&secret, i64::MIN, b""), b"", i64::MAX, 9), Err(BadSignature::Stale));
    }
}
