//! The byte keys of all rows, in a fixed layout, so that a database written today is found tomorrow.
//! Numbers are big endian and moments order like time, so that rows lie in the order they are asked for.
//!
//! `records` (key -> written value)            | `index` (key -> nothing)
//! --------------------------------------------|---------------------------------------------------------
//! (sales: `so` order number, sale · `ss` status, sale · `sc` customer, sale · `sd` due, sale)
//! `=`                 the keeper's own state  | `md` digest, mail             mail by digest
//! `m` mail            MailRecord              | `mm` hash(Message-ID), mail   mail by Message-ID
//! `d` order number    Dossier, no responses   | `mw` drawer, mail             mails by drawer
//! `c` order number    Card of that dossier    | `mo` order number, mail       mails by order
//! `r` response        Response                | `mt` received at, mail        mails by time
//! `s` sale            Sale                    | `sn` hash(customer, number), sale   sales by customer's number
//! `t` transmission    Transmission            | `mk` drawer, received at, mail   mails with their bytes
//! `k` hash            TokenRecord             | `do` order number             registered orders
//! `l` alarm           Alarm                   | `dd` due, order number        dossiers by due time
//! `a` number          AuditEntry              | `ds` hash(partner, number), order number   supplier's numbers
//! `n` name            a note's text           | `rs` status, response         responses by status
//!                                             | `rp` partner, response        responses by partner
//! `raws`: mail -> packed bytes                | `ts` status, transmission     transmissions by status
//! `blobs`: digest -> packed bytes             | `td` due, transmission        to be sent, by due time
//!                                             | `tm` hash(Message-ID), transmission   unless it names it
//!                                             | `tr` response, transmission   `to` order number, transmission
//!                                             | `kt` transmission, hash       tokens by transmission
//!                                             | `lo` alarm                    open alarms
//!                                             | `bf` kind, digest             files with large bytes
//!
//! A name that something follows ends with 00 01, and a 00 within it is written 00 FF: the order of names
//! is kept and no name is the beginning of another's rows.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

pub(super) type Key = Vec<u8>;

/// Builds a key from its parts.
pub(super) struct Build(Key);

pub(super) fn key(kind: &str) -> Build {
    let mut bytes = Vec::with_capacity(64);
    bytes.extend_from_slice(kind.as_bytes());
    Build(bytes)
}

impl Build {
    pub fn number(mut self, number: u64) -> Build {
        self.0.extend_from_slice(&number.to_be_bytes());
        self
    }

    /// A name at the end of a key.
    pub fn last(mut self, name: &str) -> Key {
        self.0.extend_from_slice(name.as_bytes());
        self.0
    }

    /// A name that something follows.
    pub fn name(mut self, name: &str) -> Build {
        for byte in name.bytes() {
            self.0.push(byte);
            if byte == 0 {
                self.0.push(0xff);
            }
        }
        self.0.extend_from_slice(&[0, 1]);
        self
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Build {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn moment(self, at: Timestamp) -> Build {
        let [_, _, _, _, bytes @ ..] = at.as_nanosecond().saturating_add(MOMENT_BIAS).to_be_bytes();
        self.bytes(&bytes)
    }

    /// Stands for words of any length whose order does not matter.
    pub fn hash(self, words: &[&str]) -> Build {
        let mut hash = Sha256::new();
        for word in words {
            hash.update((word.len() as u64).to_be_bytes());
            hash.update(word.as_bytes());
        }
        let hash = hash.finalize();
        self.bytes(hash.get(..16).unwrap_or(&hash))
    }

    pub fn done(self) -> Key {
        self.0
    }
}

/// Makes every moment that can be written positive, so that bytes order like time.
const MOMENT_BIAS: i128 = 1 << 90;
/// Bytes of a moment in a key.
pub(super) const MOMENT: usize = 12;

/// The number at the end of a key.
pub(super) fn number_of(key: &[u8]) -> Option<u64> {
    key.last_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// The moment behind the two letters of a key, and what follows it.
pub(super) fn moment_of(key: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (bytes, rest) = key.get(2..)?.split_first_chunk::<MOMENT>()?;
    let mut wide = [0; 16];
    wide.last_chunk_mut::<MOMENT>()?.copy_from_slice(bytes);
    let at = Timestamp::from_nanosecond(i128::from_be_bytes(wide) - MOMENT_BIAS).ok()?;
    Some((at, rest))
}

/// The first key behind all that begin with `prefix`.
pub(super) fn behind(prefix: &[u8]) -> Key {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reminders would come in the wrong order, or a name's rows be taken for another's.
    #[test]
    fn keys_order_like_what_they_stand_for() {
        let moments = [
            "-009998-01-01T00:00:00Z",
            "1969-12-31T23:59:59.9Z",
            "1970-01-01T00:00:00Z",
            "2026-11-22T08:00:00.000000001Z",
        ];
        let moments: Vec<Timestamp> = moments.iter().map(|text| text.parse().unwrap()).collect();
        for pair in moments.windows(2) {
            assert!(key("dd").moment(pair[0]).done() < key("dd").moment(pair[1]).done(), "{pair:?}");
        }
        for at in moments {
            assert_eq!(moment_of(&key("dd").moment(at).last("4711")), Some((at, b"4711".as_slice())));
        }
        let names = ["", "a", "a\0", "a\0b", "a\u{1}", "ab", "b", "ü"];
        for pair in names.windows(2) {
            let [one, two] = [pair[0], pair[1]].map(|name| key("mw").name(name).number(u64::MAX).done());
            assert!(one < two, "{pair:?}");
            assert!(!two.starts_with(&key("mw").name(pair[0]).done()), "{pair:?}");
        }
        assert_eq!(number_of(&key("mw").name("x").number(77).done()), Some(77));
        assert_eq!(behind(b"mw\xff"), b"mx");
        assert_ne!(key("ds").hash(&["ab", "c"]).done(), key("ds").hash(&["a", "bc"]).done());
    }
}
