//! The written form that all keepers share: one byte that says how to read the rest, then JSON, compressed
//! when it is large. Also the chain of the audit log. Knows no keeper and no file.
//!
//! A change of the JSON must go on reading what older versions wrote (`#[serde(default)]`, `alias`);
//! `tests/golden/store/` pins what version 1 wrote.

use std::io;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

use super::sound::BLOB_MAX;
use super::{Result, StoreError};
use crate::model::{AuditEntry, Digest};

/// Version 1, the bytes themselves.
const PLAIN: u8 = 1;
/// Version 1, their number (4 bytes, big endian) and a zstd frame.
const ZSTD: u8 = 2;
/// Their number (4 bytes, big endian) and a zstd frame that refers to [`PHRASES`].
const PHRASED: u8 = 4;
/// Compressing a row of fewer bytes does not pay: it is written anew with every step and read as often.
const SMALL: usize = 1024;
/// Bytes are written once.
const SMALL_BYTES: usize = 400;
/// zstd's fastest ordinary level: higher ones cost twice the time for a tenth less.
const LEVEL: i32 = 1;

/// What most of our rows and letters say word for word: a letter takes a quarter of the bytes that it takes without, a
/// response half of them, in less time. Rows cannot be read without these very bytes, so that they are never changed
/// (the tests hold their digest): better phrases are another file under another first byte.
const PHRASES: &[u8] = include_bytes!("phrases-1.txt");
// A checkout that changed its line ends would read other stores wrongly, without a word: it does not build.
const _: () = assert!(PHRASES.len() == 50745, "phrases-1.txt is not as it was written: were its line ends changed?");
/// With the phrases at hand zstd's ordinary level saves another tenth for a third more time.
const PHRASED_LEVEL: i32 = -1;
static TO_PHRASES: LazyLock<EncoderDictionary<'static>> =
    LazyLock::new(|| EncoderDictionary::copy(PHRASES, PHRASED_LEVEL));
static FROM_PHRASES: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(PHRASES));
/// A compressor kept for reuse grows with its largest work; larger work gets its own.
const REUSED_MAX: usize = 256 * 1024;

/// A value as it is kept.
pub(super) fn write<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    let mut json = Vec::with_capacity(SMALL);
    json.push(PLAIN);
    serde_json::to_writer(&mut json, value).map_err(|e| StoreError::Invalid(e.to_string()))?;
    match json.get(1..) {
        Some(bytes) if bytes.len() >= SMALL => Ok(pack(bytes)),
        _ => Ok(json),
    }
}

/// What [`write`] wrote; `what` names it in the complaint.
pub(super) fn read<T: DeserializeOwned>(what: impl std::fmt::Display, kept: &[u8]) -> Result<T> {
    let damaged = |e: String| StoreError::Damaged(format!("{what}: {e}"));
    match kept {
        [PLAIN, json @ ..] => serde_json::from_slice(json),
        _ => serde_json::from_slice(&unpack(kept).map_err(damaged)?),
    }
    .map_err(|e| damaged(e.to_string()))
}

struct Tools {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
}

/// Making these costs more than using them once. A few are kept, however many threads there are.
static TOOLS: Mutex<Vec<Tools>> = Mutex::new(Vec::new());
const TOOLS_MAX: usize = 4;

fn with_tools<T>(work: impl FnOnce(&mut Tools) -> io::Result<T>) -> io::Result<T> {
    let kept = TOOLS.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut tools = match kept {
        Some(tools) => tools,
        None => Tools {
            compressor: Compressor::with_prepared_dictionary(&TO_PHRASES)?,
            decompressor: Decompressor::with_prepared_dictionary(&FROM_PHRASES)?,
        },
    };
    let done = work(&mut tools);
    let mut kept = TOOLS.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() < TOOLS_MAX {
        kept.push(tools);
    }
    done
}

/// Bytes as they are kept: compressed when that makes them smaller.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let compressed = match u32::try_from(bytes.len()) {
        Ok(_) if bytes.len() < SMALL_BYTES => None,
        Ok(_) if bytes.len() > REUSED_MAX => zstd::bulk::compress(bytes, LEVEL).ok().map(|frame| (ZSTD, frame)),
        Ok(_) => with_tools(|tools| tools.compressor.compress(bytes)).ok().map(|frame| (PHRASED, frame)),
        Err(_) => None,
    };
    match compressed.filter(|(_, compressed)| compressed.len() + 5 < bytes.len()) {
        Some((form, compressed)) => {
            let mut kept = Vec::with_capacity(compressed.len() + 5);
            kept.push(form);
            kept.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
            kept.extend_from_slice(&compressed);
            kept
        }
        None => {
            let mut kept = Vec::with_capacity(bytes.len() + 1);
            kept.push(PLAIN);
            kept.extend_from_slice(bytes);
            kept
        }
    }
}

/// What [`pack`] packed.
pub(super) fn unpack(kept: &[u8]) -> std::result::Result<Vec<u8>, String> {
    match kept {
        [PLAIN, bytes @ ..] => Ok(bytes.to_vec()),
        [form @ (ZSTD | PHRASED), a, b, c, d, frame @ ..] => {
            let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            if size > BLOB_MAX {
                return Err(format!("says it has {size} bytes"));
            }
            let bytes = match *form {
                PHRASED => with_tools(|tools| tools.decompressor.decompress(frame, size)),
                _ => zstd::bulk::decompress(frame, size),
            };
            match bytes {
                Ok(bytes) if bytes.len() == size => Ok(bytes),
                Ok(bytes) => Err(format!("has {} bytes instead of {size}", bytes.len())),
                Err(e) => Err(e.to_string()),
            }
        }
        [form, ..] => Err(format!("form {form} is unknown: was it written by a later version?")),
        [] => Err("is empty".into()),
    }
}

/// The entry as it is kept: numbered, and chained to the one before it (`None` = it is the first).
pub(super) fn chained(mut entry: AuditEntry, number: u64, previous: Option<Digest>) -> AuditEntry {
    entry.number = number;
    entry.chain = serde_json::to_value(&entry).ok().and_then(|json| chain_of(json, previous));
    entry
}

/// SHA-256 over the previous entry's chain (32 zeros before the first) and this entry's JSON with `null` for
/// its own chain. The JSON is taken as it was written, whatever fields later versions may add.
fn chain_of(mut json: Json, previous: Option<Digest>) -> Option<Digest> {
    *json.get_mut("chain")? = Json::Null;
    let mut hash = Sha256::new();
    hash.update(previous.map_or([0; 32], |digest| digest.0));
    hash.update(serde_json::to_vec(&json).ok()?);
    Some(Digest(hash.finalize().into()))
}

/// Walks entries in their order, as they were written, and complains about the first that was changed.
#[derive(Default)]
pub(super) struct Walk {
    pub count: u64,
    pub chain: Option<Digest>,
}

impl Walk {
    pub fn step(&mut self, json: Json) -> Result<()> {
        let expected = self.count + 1;
        let damaged = |words: String| Err(StoreError::Damaged(format!("audit entry {expected} {words}")));
        let (number, chain) = match AuditEntry::deserialize(&json) {
            Ok(entry) => (entry.number, entry.chain),
            Err(error) => return damaged(format!("cannot be read: {error}")),
        };
        if number != expected {
            return damaged(format!("is missing; {number} stands in its place"));
        }
        if chain.is_none() || chain != chain_of(json, self.chain) {
            return damaged("or the one before it was changed".into());
        }
        (self.count, self.chain) = (expected, chain);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mail that came back changed, or a reader that a damaged file can stop.
    #[test]
    fn packed_bytes_come_back_and_damaged_ones_are_named() {
        let mut random = fastrand::Rng::with_seed(3);
        for size in [0, 1, SMALL_BYTES - 1, SMALL_BYTES, SMALL, 70_000, REUSED_MAX + 1] {
            for alphabet in [1, 4, 256] {
                let bytes: Vec<u8> = std::iter::repeat_with(|| random.u16(..alphabet) as u8).take(size).collect();
                let packed = pack(&bytes);
                assert!(packed.len() <= size + 1);
                assert_eq!(unpack(&packed).unwrap(), bytes, "{size} {alphabet}");
                for _ in 0..20 {
                    let mut damaged = packed.clone();
                    damaged.truncate(random.usize(..=packed.len()));
                    if let Some(byte) = damaged.get_mut(random.usize(..packed.len().max(1))) {
                        *byte ^= 1 << random.u8(..8);
                    }
                    // Whatever comes out, it comes out as a value.
                    let _ = unpack(&damaged);
                }
            }
        }
        for (kept, words) in [(&b""[..], "empty"), (b"\x09x", "form 9"), (b"\x02\xff\xff\xff\xffx", "says it has")] {
            let error = read::<u64>("row", kept).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("row"), "{error}");
        }
    }

    /// A store would be unreadable after an update that changed the phrases; what was written without them is read, too.
    #[test]
    fn rows_of_every_form_are_read() {
        let pinned = "fcaea67bdea88eaa191cbb5ae057942b4fa32534038642825013800c12933c11";
        assert_eq!(Digest::of(PHRASES).to_string(), pinned, "phrases are never changed: make another file");
        let words = &PHRASES[PHRASES.len() / 2..];
        let phrased = pack(words);
        assert_eq!((phrased.first(), phrased.len() < words.len() / 50), (Some(&PHRASED), true), "{}", phrased.len());
        assert_eq!(unpack(&phrased).unwrap(), words);
        let mut plain = vec![ZSTD];
        plain.extend_from_slice(&(words.len() as u32).to_be_bytes());
        plain.extend_from_slice(&zstd::bulk::compress(words, LEVEL).unwrap());
        assert_eq!(unpack(&plain).unwrap(), words);
    }

    /// Whoever removes or changes an entry of the audit log would not be found out.
    #[test]
    fn every_change_of_the_audit_log_breaks_its_chain() {
        let entry = |what: &str| AuditEntry {
            number: 0,
            at: "2026-11-22T08:00:00Z".parse().unwrap(),
            who: "anna@shop.example".into(),
            what: what.into(),
            on: "R1".into(),
            detail: String::new(),
            chain: None,
        };
        let mut log: Vec<AuditEntry> = Vec::new();
        for (number, what) in (1..).zip(["registered", "forced", "approved", "failed"]) {
            let previous = log.last().and_then(|last| last.chain);
            log.push(chained(entry(what), number, previous));
        }
        let walk = |log: &[AuditEntry]| -> std::result::Result<u64, String> {
            let mut walk = Walk::default();
            log.iter()
                .try_for_each(|entry| walk.step(serde_json::to_value(entry).unwrap()))
                .map_err(|e| e.to_string())?;
            Ok(walk.count)
        };
        assert_eq!(walk(&log), Ok(4));
        type Change = fn(&mut Vec<AuditEntry>);
        let changes: [(&str, Change); 6] = [
            ("2", |log| log[1].who = "eve@shop.example".into()),
            ("3", |log| log[2].at += jiff::SignedDuration::from_nanos(1)),
            ("2", |log| drop(log.remove(1))),
            ("2", |log| log.swap(1, 2)),
            ("1", |log| log[0].chain = None),
            ("3", |log| {
                // Changed and chained again: the next one tells.
                log[1].detail = "nothing".into();
                log[1] = chained(log[1].clone(), 2, log[0].chain);
            }),
        ];
        for (number, change) in changes {
            let mut changed = log.clone();
            change(&mut changed);
            let error = walk(&changed).unwrap_err();
            assert!(error.contains(&format!("audit entry {number} ")), "{error}");
        }
    }
}
