//! DKIM signatures for outgoing mail (RFC 6376, Ed25519 by RFC 8463), relaxed/relaxed.
//!
//! Written here since the libraries take the time of signing from the clock, and a transmission's bytes must come from its
//! values alone. The keys and the arithmetic are mail-auth's. It must never know what is signed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use mail_auth::common::crypto::{Algorithm, DkimKey, Ed25519Key, RsaKey, SigningKey as _};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

/// Each is signed twice: a second From or Reply-To that is added on the way breaks the signature.
const SIGNED: [&str; 12] = [
    "from",
    "to",
    "cc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "in-reply-to",
    "references",
    "auto-submitted",
    "mime-version",
    "content-type",
];

/// A domain's signing key under its selector.
pub struct Signer {
    domain: String,
    selector: String,
    key: DkimKey,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signer({}._domainkey.{})", self.selector, self.domain)
    }
}

impl Signer {
    /// The private key as PEM: RSA (PKCS#8 or PKCS#1, at least 1024 bits) or Ed25519 (PKCS#8).
    pub fn new(domain: &str, selector: &str, pem: &str) -> Result<Signer, String> {
        let plain = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        };
        if !plain(domain) || !plain(selector) {
            return Err(format!("`{selector}._domainkey.{domain}` is no domain name"));
        }
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| format!("the key cannot be read: {error}"))?;
        let ed25519 = match &der {
            PrivateKeyDer::Pkcs8(der) => Ed25519Key::from_pkcs8_maybe_unchecked_der(der.secret_pkcs8_der()).ok(),
            _ => None,
        };
        let key = match ed25519 {
            Some(key) => DkimKey::Ed25519(key),
            None => DkimKey::Rsa(RsaKey::from_key_der(der).map_err(|error| error.to_string())?),
        };
        Ok(Signer { domain: domain.to_lowercase(), selector: selector.to_lowercase(), key })
    }

    /// The message with its signature on top.
    pub fn sign(&self, raw: &[u8], at: Timestamp) -> Result<Vec<u8>, String> {
        let split = raw.windows(4).position(|window| window == b"\r\n\r\n").ok_or("no body")?;
        let head = raw.get(..split + 2).unwrap_or_default();
        let body = raw.get(split + 4..).unwrap_or_default();
        let fields = fields(head);
        let mut used = vec![false; fields.len()];
        let mut input = String::new();
        for name in SIGNED.into_iter().chain(SIGNED) {
            // Bottom-most first, as the standard counts; one that is missing is signed as missing.
            let found = fields.iter().zip(&mut used).rev().find(|((known, _), used)| known == name && !**used);
            if let Some(((name, value), used)) = found {
                *used = true;
                input.push_str(&format!("{name}:{value}\r\n"));
            }
        }
        let algorithm = match self.key.algorithm() {
            Algorithm::Ed25519Sha256 => "ed25519-sha256",
            _ => "rsa-sha256",
        };
        let body_hash = STANDARD.encode(Sha256::digest(relaxed_body(body)));
        let tags = format!(
            "v=1; a={algorithm}; c=relaxed/relaxed; d={}; s={}; t={};\r\n\th={names}:\r\n\t {names};\r\n\tbh={body_hash};\r\n\tb=",
            self.domain,
            self.selector,
            at.as_second(),
            names = SIGNED.join(":"),
        );
        input.push_str(&format!("dkim-signature:{}", relaxed_value(&tags)));
        let signature = STANDARD.encode(self.key.sign(input.as_bytes()).map_err(|error| error.to_string())?);
        let mut out = Vec::with_capacity(raw.len() + 900);
        out.extend_from_slice(b"DKIM-Signature: ");
        out.extend_from_slice(tags.as_bytes());
        for (at, chunk) in signature.as_bytes().chunks(72).enumerate() {
            if at > 0 {
                out.extend_from_slice(b"\r\n\t");
            }
            out.extend_from_slice(chunk);
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(raw);
        Ok(out)
    }
}

/// Header fields in relaxed form (RFC 6376 section 3.4.2).
fn fields(head: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(head);
    let mut found: Vec<(String, String)> = Vec::new();
    for line in text.split("\r\n").filter(|line| !line.is_empty()) {
        match (line.starts_with([' ', '\t']), found.last_mut()) {
            (true, Some((_, value))) => {
                value.push_str("\r\n");
                value.push_str(line);
            }
            _ => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                found.push((name.trim().to_ascii_lowercase(), value.to_string()));
            }
        }
    }
    found.into_iter().map(|(name, value)| (name, relaxed_value(&value))).collect()
}

fn relaxed_value(value: &str) -> String {
    value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Section 3.4.4: blanks at line ends and empty lines at the end go, runs of blanks become one.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut empty = 0usize;
    for line in body.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |at| at + 1);
        if end == 0 {
            empty += 1;
            continue;
        }
        for _ in 0..std::mem::take(&mut empty) {
            out.extend_from_slice(b"\r\n");
        }
        let mut blank = false;
        for &byte in line.iter().take(end) {
            let is_blank = matches!(byte, b' ' | b'\t');
            if !(is_blank && blank) {
                out.push(if is_blank { b' ' } else { byte });
            }
            blank = is_blank;
        }
        out.extend_from_slice(b"\r\n");
    }
    out
}
