//! How many automatic answers an address got within the last hour (RFC 3834 section 2): the brake on programs that answer
//! each other. What was sent stands in the store, so that a restart does not let a loop go on.
//!
//! It must never know what an answer says.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Gateway;
use crate::model::TransmissionKind;
use crate::store::{Store, StoreError, TransmissionFilter};

const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// Transmissions looked through at the start, and at a time.
const LOOKED_MAX: usize = 20_000;
const AT_ONCE: usize = 500;

/// When answers were sent, by what they are counted under.
#[derive(Default)]
pub(super) struct Answers(Mutex<BTreeMap<String, Vec<Timestamp>>>);

impl Answers {
    /// What was answered within the last hour, as the store has it. An explanation and a plain receipt look alike there:
    /// both count, so that for the first hour there may be fewer explanations, never more.
    pub fn remembered(store: &dyn Store, now: Timestamp) -> Result<Answers, StoreError> {
        let since = now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
        let answers = Answers::default();
        let (mut before, mut looked) = (None, 0);
        while looked < LOOKED_MAX {
            let some = store.transmissions(&TransmissionFilter { before, limit: AT_ONCE, ..Default::default() })?;
            looked += AT_ONCE;
            before = some.last().map(|last| last.id);
            for one in some.iter().filter(|one| one.kind == TransmissionKind::Receipt && one.created_at > since) {
                let to = one.to.first().map(String::as_str).unwrap_or_default();
                answers.count(to, one.created_at);
                let order = one.order.as_ref().map(ToString::to_string).unwrap_or_default();
                answers.count(&thread(to, &order), one.created_at);
            }
            // Numbers are given in blocks, so that the order of time is nearly theirs.
            if some.len() < AT_ONCE || some.iter().all(|one| one.created_at <= since) {
                break;
            }
        }
        Ok(answers)
    }

    fn count(&self, name: &str, at: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(name.to_ascii_lowercase()).or_default().push(at);
    }

    /// Whether one more is below the limit; counts it if so.
    fn may(&self, name: &str, limit: usize, now: Timestamp) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.saturating_sub(WINDOW).unwrap_or(Timestamp::MIN);
        all.retain(|_, times| {
            times.retain(|at| *at > since);
            !times.is_empty()
        });
        let times = all.entry(name.to_ascii_lowercase()).or_default();
        if times.len() >= limit {
            return false;
        }
        times.push(now);
        true
    }
}

/// The name under which answers to one address about one order are counted.
pub(super) fn thread(to: &str, order: &str) -> String {
    format!("{to} {order}")
}

impl Gateway {
    /// Whether one more automatic answer may go to this address now; counts it if so.
    pub(super) fn may_answer(&self, address: &str) -> bool {
        let limit = self.live().loaded.config.gateway.answers_per_hour.unwrap_or(20) as usize;
        self.may_answer_within(address, limit)
    }

    /// The same with a limit of its own, for what is counted under this name.
    pub(super) fn may_answer_within(&self, name: &str, limit: usize) -> bool {
        self.inner.answers.may(name, limit, self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two programs that answer each other would do so until a disk is full.
    #[test]
    fn an_hour_has_its_limit() {
        let answers = Answers::default();
        let start: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let minute = |n| start + SignedDuration::from_mins(n);
        let given = (0..120).filter(|n| answers.may("Anna@shop.example", 3, minute(*n))).collect::<Vec<_>>();
        assert_eq!(given, [0, 1, 2, 60, 61, 62]);
        assert!(!answers.may("anna@SHOP.example", 3, minute(119)));
        assert!(answers.may("ben@shop.example", 3, minute(119)));
    }
}
