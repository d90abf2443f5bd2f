//! Tokens: what ties a reply to the one question that was asked of one person.
//!
//! A token is derived from the secret, so nothing secret is stored and the same mail is built again from the
//! same input; what is stored is its fingerprint, from which no token can be had. That a token is used once,
//! and not after its time, is for the keeper of fingerprints. It must never know what the question was.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use super::Mail;

/// Crockford's base32: no I, L, O, U, so that it can be read aloud.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 12;
/// No mail of ours holds more; each costs its reader one look-up.
const FOUND_MAX: usize = 20;

/// The key all tokens come from. Never printed.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The secret has fewer bytes than are safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token secret has {0} bytes; at least 32 are needed")]
pub struct TooShort(pub usize);

/// Twelve characters (60 bits) in groups: `7Q2K-9MXT-4CHB`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(String);

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound<'a> {
    /// `decision`, `correction`, `recall` ...: a token for one is none for another.
    pub purpose: &'a str,
    /// The transmission that asks; a new version of a question is a new transmission.
    pub transmission: &'a str,
    /// The bare address that was asked; case does not matter.
    pub recipient: &'a str,
}

impl Secret {
    /// At least 32 bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Secret, TooShort> {
        let bytes = bytes.into();
        if bytes.len() < 32 { Err(TooShort(bytes.len())) } else { Ok(Secret(bytes)) }
    }

    /// The token for one question to one person.
    pub fn token(&self, bound: Bound<'_>) -> Token {
        let recipient = bound.recipient.trim().to_lowercase();
        let code = self.code("token", &[bound.purpose, bound.transmission, &recipient]);
        let bits = code.iter().take(8).fold(0u64, |bits, &byte| bits << 8 | u64::from(byte));
        let mut text = String::with_capacity(LENGTH + 2);
        for at in 0..LENGTH {
            if at > 0 && at % 4 == 0 {
                text.push('-');
            }
            let value = (bits >> (at * 5)) & 31;
            text.extend(ALPHABET.get(value as usize).map(|&byte| char::from(byte)));
        }
        Token(text)
    }

    /// Hex; what is stored instead of the token.
    pub fn fingerprint(&self, token: &Token) -> String {
        hex::encode(self.code("fingerprint", &[&token.0]))
    }

    /// Whether `token` is the one for `bound`; takes the same time for every wrong one.
    pub fn verify(&self, token: &Token, bound: Bound<'_>) -> bool {
        self.token(bound).0.as_bytes().ct_eq(token.0.as_bytes()).into()
    }

    fn code(&self, kind: &str, fields: &[&str]) -> Vec<u8> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return Vec::new() };
        for field in std::iter::once(&kind).chain(fields) {
            mac.update(&(field.len() as u64).to_be_bytes());
            mac.update(field.as_bytes());
        }
        mac.finalize().into_bytes().to_vec()
    }
}

impl Token {
    /// Reads a token as a person or a mail server may have written it: any case, with or without hyphens,
    /// O for 0, I and L for 1.
    pub fn parse(text: &str) -> Option<Token> {
        let mut plain = String::with_capacity(LENGTH + 2);
        let mut count = 0;
        for c in text.trim().chars() {
            let c = match c.to_ascii_uppercase() {
                '-' | '\u{2010}' | '\u{2011}' | '\u{ad}' => continue,
                'O' => '0',
                'I' | 'L' => '1',
                c if c.is_ascii() && ALPHABET.contains(&(c as u8)) => c,
                _ => return None,
            };
            if count > 0 && count % 4 == 0 {
                plain.push('-');
            }
            plain.push(c);
            count += 1;
            if count > LENGTH {
                return None;
            }
        }
        (count == LENGTH).then_some(Token(plain))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How tokens travel in the reply address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tagging {
    /// `gateway+7Q2K-9MXT-4CHB@example.com`: the server delivers to `gateway`.
    Plus { address: String },
    /// `7Q2K-9MXT-4CHB@reply.example.com`: a domain whose every address is the gateway's.
    CatchAll { domain: String },
}

impl Tagging {
    /// The address to reply to. An address without a domain is left as it is.
    pub fn address(&self, token: &Token) -> String {
        match self {
            Tagging::Plus { address } => match address.rsplit_once('@') {
                Some((local, domain)) => format!("{local}+{token}@{domain}"),
                None => address.clone(),
            },
            Tagging::CatchAll { domain } => format!("{token}@{domain}"),
        }
    }

    /// The token in an address that a reply went to.
    pub fn token(&self, address: &str) -> Option<Token> {
        let (local, domain) = address.trim().rsplit_once('@')?;
        match self {
            Tagging::Plus { address } => {
                let (own, own_domain) = address.rsplit_once('@')?;
                let (base, tag) = local.rsplit_once('+')?;
                (base.eq_ignore_ascii_case(own) && domain.eq_ignore_ascii_case(own_domain))
                    .then(|| Token::parse(tag))?
            }
            Tagging::CatchAll { domain: own } => domain.eq_ignore_ascii_case(own).then(|| Token::parse(local))?,
        }
    }
}

/// Where a token was found; the nearer to the address, the surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    Address,
    Thread,
    Body,
}

/// Tokens in a reply, surest first, each once: in the addresses it was sent to, in the ids it answers, in
/// its text (the fill-in block and the reference line stand there, quoted or not).
pub fn find(mail: &Mail, tagging: &Tagging) -> Vec<(Token, Carrier)> {
    let mut found: Vec<(Token, Carrier)> = Vec::new();
    let mut add = |token: Token, carrier: Carrier| {
        if found.len() < FOUND_MAX && !found.iter().any(|(known, _)| *known == token) {
            found.push((token, carrier));
        }
    };
    let delivered = ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To"];
    let delivered = delivered.iter().flat_map(|name| mail.headers.addresses(name));
    for address in mail.to.iter().chain(&mail.cc).cloned().chain(delivered) {
        if let Some(token) = tagging.token(&address.address) {
            add(token, Carrier::Address);
        }
    }
    for id in mail.in_reply_to.iter().chain(mail.references.iter().rev()) {
        for token in grouped(id) {
            add(token, Carrier::Thread);
        }
    }
    for token in grouped(&mail.readable()) {
        add(token, Carrier::Body);
    }
    found
}

/// Tokens in running text: only the grouped form counts there, twelve plain characters may be any number.
fn grouped(text: &str) -> Vec<Token> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '\u{2010}' | '\u{2011}')));
    let shaped = |word: &&str| {
        let mut groups = word.split(['-', '\u{2010}', '\u{2011}']);
        word.len() >= LENGTH + 2 && groups.clone().count() == 3 && groups.all(|group| group.len() == 4)
    };
    words.filter(shaped).filter_map(Token::parse).take(FOUND_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::new(*b"0123456789abcdef0123456789abcdef").unwrap()
    }

    const BOUND: Bound<'_> = Bound { purpose: "decision", transmission: "T-18342-1", recipient: "anna@shop.example" };

    /// One person's yes would count for another, for another question, or for an older version of it.
    #[test]
    fn a_token_is_good_for_one_thing() {
        let token = secret().token(BOUND);
        assert!(secret().verify(&token, BOUND));
        assert!(secret().verify(&token, Bound { recipient: "Anna@Shop.Example ", ..BOUND }));
        for other in [
            Bound { purpose: "correction", ..BOUND },
            Bound { transmission: "T-18342-2", ..BOUND },
            Bound { recipient: "bob@shop.example", ..BOUND },
            Bound { purpose: "decisionT", transmission: "-18342-1", ..BOUND },
        ] {
            assert!(!secret().verify(&token, other), "{other:?}");
        }
        assert!(!Secret::new([7; 32]).unwrap().verify(&token, BOUND));
        assert_ne!(secret().fingerprint(&token), hex::encode(token.to_string()));
        assert_eq!(Secret::new([0; 31]).unwrap_err(), TooShort(31));
        assert_eq!(format!("{:?}", secret()), "Secret(..)");
    }

    /// A token typed from paper, or lower-cased by a server, would be refused.
    #[test]
    fn tokens_are_read_as_people_write_them() {
        let token = Token::parse("7Q2K-9MXT-4CHB").unwrap();
        for text in ["7q2k-9mxt-4chb", " 7Q2K9MXT4CHB ", "7Q2K\u{2011}9MXT\u{2011}4CHB"] {
            assert_eq!(Token::parse(text).as_ref(), Some(&token), "{text}");
        }
        assert_eq!(Token::parse("ilo0-0000-0000"), Token::parse("1100-0000-0000"));
        for text in ["", "7Q2K", "7Q2K-9MXT-4CHBB", "7Q2K-9MXT-4CH!", "7Q2K-9MXT-4CHU"] {
            assert_eq!(Token::parse(text), None, "{text}");
        }
    }

    /// A reply would not find its question, or an address of somebody else would carry a token.
    #[test]
    fn tokens_in_addresses() {
        let token = secret().token(BOUND);
        let plus = Tagging::Plus { address: "gateway@shop.example".into() };
        let catch_all = Tagging::CatchAll { domain: "reply.shop.example".into() };
        for tagging in [&plus, &catch_all] {
            assert_eq!(tagging.token(&tagging.address(&token).to_lowercase()), Some(token.clone()));
        }
        for address in [
            "gateway@shop.example",
            "gateway+x@shop.example",
            "other+7Q2K-9MXT-4CHB@shop.example",
            "gateway+7Q2K-9MXT-4CHB@evil.example",
            "",
        ] {
            assert_eq!(plus.token(address), None, "{address}");
        }
        assert_eq!(catch_all.token("7Q2K-9MXT-4CHB@shop.example"), None);
    }

    /// A client that drops the reply address but keeps the thread or the quoted text would lose the answer.
    #[test]
    fn tokens_in_a_reply() {
        let tagging = Tagging::Plus { address: "gateway@shop.example".into() };
        let raw = "To: gateway+7q2k-9mxt-4chb@shop.example\nIn-Reply-To: <1.AAAA-BBBB-CCCC@shop.example>\n\n> #--- R18342 DDDD-EEEE-FFFF\n> 7Q2K-9MXT-4CHB 0049-30-1234567\n";
        let found: Vec<(String, Carrier)> = find(&Mail::parse(raw.as_bytes()), &tagging)
            .into_iter()
            .map(|(token, carrier)| (token.to_string(), carrier))
            .collect();
        let want = [
            ("7Q2K-9MXT-4CHB", Carrier::Address),
            ("AAAA-BBBB-CCCC", Carrier::Thread),
            ("DDDD-EEEE-FFFF", Carrier::Body),
        ];
        assert_eq!(found, want.map(|(token, carrier)| (token.to_string(), carrier)));
        assert!(find(&Mail::parse(b"To: a@b\n\nno token here 1234-5678\n"), &tagging).is_empty());
    }
}
