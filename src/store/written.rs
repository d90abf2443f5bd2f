//! The written form that all keepers share: one byte that says how to read the rest, then JSON, compressed
//! when it is large. Also the chain of the audit log. Knows no keeper and no file.
//!
//! A change of the JSON must go on reading what older versions wrote (`#[serde(default)]`, `alias`);
//! `tests/golden/store/` pins what version 1 wrote.

use std::cell::RefCell;

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use super::sound::BLOB_MAX;
use super::{Result, StoreError};
use crate::model::{AuditEntry, Digest};

/// Version 1, the bytes themselves.
const PLAIN: u8 = 1;
/// Version 1, their number (4 bytes, big endian) and a zstd frame.
const ZSTD: u8 = 2;
/// Compressing fewer bytes does not pay.
const SMALL: usize = 1024;
/// zstd's fastest ordinary level: higher ones cost twice the time for a tenth less.
const LEVEL: i32 = 1;
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

thread_local! {
    static TOOLS: RefCell<Option<(zstd::bulk::Compressor<'static>, zstd::bulk::Decompressor<'static>)>> = RefCell::new(
        zstd::bulk::Compressor::new(LEVEL).and_then(|c| Ok((c, zstd::bulk::Decompressor::new()?))).ok(),
    );
}

/// Bytes as they are kept: compressed when that makes them smaller.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let compressed = match u32::try_from(bytes.len()) {
        Ok(_) if bytes.len() < SMALL => None,
        Ok(_) if bytes.len() > REUSED_MAX => zstd::bulk::compress(bytes, LEVEL).ok(),
        Ok(_) => TOOLS.with_borrow_mut(|tools| tools.as_mut().and_then(|(c, _)| c.compress(bytes).ok())),
        Err(_) => None,
    };
    match compressed.filter(|compressed| compressed.len() + 5 < bytes.len()) {
        Some(compressed) => {
            let mut kept = Vec::with_capacity(compressed.len() + 5);
            kept.push(ZSTD);
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
        [ZSTD, a, b, c, d, frame @ ..] => {
            let size = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            if size > BLOB_MAX {
                return Err(format!("says it has {size} bytes"));
            }
            let bytes = TOOLS.with_borrow_mut(|tools| match tools {
                Some((_, d)) => d.decompress(frame, size),
                None => zstd::bulk::decompress(frame, size),
            });
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
    entry.chain = chain_of(&entry, previous);
    entry
}

/// SHA-256 over the previous entry's chain (32 zeros before the first) and this entry's JSON without its chain.
fn chain_of(entry: &AuditEntry, previous: Option<Digest>) -> Option<Digest> {
    let bare = AuditEntry { chain: None, ..entry.clone() };
    let json = serde_json::to_vec(&bare).ok()?;
    let mut hash = Sha256::new();
    hash.update(previous.map_or([0; 32], |digest| digest.0));
    hash.update(&json);
    Some(Digest(hash.finalize().into()))
}

/// Walks entries in their order and complains about the first that is not what was written.
#[derive(Default)]
pub(super) struct Walk {
    pub count: u64,
    pub chain: Option<Digest>,
}

impl Walk {
    pub fn step(&mut self, entry: &AuditEntry) -> Result<()> {
        let expected = self.count + 1;
        if entry.number != expected {
            return Err(StoreError::Damaged(format!(
                "audit entry {expected} is missing; {} stands in its place",
                entry.number
            )));
        }
        if entry.chain.is_none() || entry.chain != chain_of(entry, self.chain) {
            return Err(StoreError::Damaged(format!("audit entry {expected} or the one before it was changed")));
        }
        (self.count, self.chain) = (expected, entry.chain);
        Ok(())
    }
}
