//! Mails that were just committed and are sent next: they need not be read from the store and unpacked again.
//!
//! The store stays the source: what is not here is read there, and what is taken is gone from here. Nothing enters
//! before its commit landed, so that nothing leaves the house that a crash would forget.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use crate::model::{Digest, TransmissionStatus};
use crate::store::{Commit, Content};

/// The sender is a batch of mails behind at most; if it is further behind, the oldest are read from the store.
const BYTES_MAX: usize = 256 << 10;
/// Names of what was taken that may stand among the others.
const NAMES_SPARE: usize = 64;

#[derive(Default)]
pub(super) struct Outbox {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    contents: BTreeMap<Digest, Content>,
    order: VecDeque<Digest>,
    bytes: usize,
}

/// The contents that a commit owes a relay now.
pub(super) fn owed(commit: &Commit) -> Vec<Content> {
    let now = |content: &&Content| {
        commit
            .transmissions
            .iter()
            .any(|t| t.content == content.digest() && t.status == TransmissionStatus::DoPush && t.next_retry.is_none())
    };
    commit.blobs.iter().filter(now).cloned().collect()
}

impl Outbox {
    pub fn put(&self, contents: Vec<Content>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for content in contents {
            let digest = content.digest();
            held.bytes += content.bytes().len();
            held.order.push_back(digest);
            if let Some(same) = held.contents.insert(digest, content) {
                held.bytes -= same.bytes().len();
            }
        }
        while held.bytes > BYTES_MAX {
            let Some(oldest) = held.order.pop_front() else { break };
            held.remove(&oldest);
        }
        // What was canceled is never taken and stays the oldest: the names behind it must not pile up.
        if held.order.len() > 2 * held.contents.len() + NAMES_SPARE {
            let Held { contents, order, .. } = &mut *held;
            order.retain(|digest| contents.contains_key(digest));
        }
    }

    pub fn take(&self, digest: &Digest) -> Option<Content> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let content = held.remove(digest);
        // Names of what was taken are mostly the oldest.
        while held.order.front().is_some_and(|oldest| !held.contents.contains_key(oldest)) {
            held.order.pop_front();
        }
        content
    }
}

impl Held {
    fn remove(&mut self, digest: &Digest) -> Option<Content> {
        let content = self.contents.remove(digest)?;
        self.bytes -= content.bytes().len();
        Some(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One canceled question would let the memory grow with every mail after it.
    #[test]
    fn what_is_never_taken_costs_no_more_than_itself() {
        let outbox = Outbox::default();
        outbox.put(vec![Content::of(b"canceled".to_vec())]);
        for n in 0..10_000u32 {
            let content = Content::of(n.to_be_bytes().to_vec());
            outbox.put(vec![content.clone()]);
            assert!(outbox.take(&content.digest()).is_some());
        }
        let held = outbox.held.lock().unwrap();
        assert_eq!(held.contents.len(), 1);
        assert!(held.order.len() <= NAMES_SPARE + 4, "{} names", held.order.len());
    }

    /// A relay that is away for a day would fill the memory with what waits for it.
    #[test]
    fn what_is_held_is_bounded_and_given_once() {
        let outbox = Outbox::default();
        let contents: Vec<Content> = (0..40u8).map(|n| Content::of(vec![n; 20_000])).collect();
        outbox.put(contents.clone());
        let held = |content: &Content| outbox.held.lock().unwrap().contents.contains_key(&content.digest());
        assert_eq!(contents.iter().filter(|content| held(content)).count(), BYTES_MAX / 20_000);
        let last = contents.last().unwrap();
        assert_eq!(outbox.take(&last.digest()).map(|content| content.bytes().len()), Some(20_000));
        assert!(outbox.take(&last.digest()).is_none());
        for content in &contents {
            outbox.take(&content.digest());
        }
        let held = outbox.held.lock().unwrap();
        assert_eq!((held.bytes, held.order.len(), held.contents.len()), (0, 0, 0));
    }
}
