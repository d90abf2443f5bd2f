//! Drift: when a partner's agreement with its orders falls suddenly, its layout changed. Then hold and
//! alarm, rather than send two hundred questions to approvers.
//!
//! Pure statistics over the last messages of one partner: no clock, no store; the caller keeps the
//! values ([`Drift`] is serializable) and acts on the words.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::agreement::Agreement;

/// The usual level is taken over so many messages.
const USUAL: usize = 40;
/// And is believed from so many on.
const USUAL_MIN: usize = 8;
/// The last so many are held against it.
const RECENT: usize = 3;
/// A message this far below the usual level counts as fallen.
const FALL: f64 = 0.25;
/// So often in a row like before the fall, and the alarm is over.
const RECOVERED: usize = 3;

/// The rolling agreement of one partner (or mapping).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Shares of messages that were as usual, the newest last.
    usual: VecDeque<f64>,
    /// Fallen messages in a row.
    fallen: usize,
    /// Messages in a row that are as usual again, while the alarm stands.
    recovered: usize,
    alarmed: bool,
}

impl Drift {
    /// Takes in one message; `Some`: the words of an alarm that starts now. Messages are to be held while
    /// [`Drift::holds`].
    pub fn feed(&mut self, agreement: &Agreement) -> Option<String> {
        self.feed_share(agreement.believed())
    }

    /// The same for one figure from 0 (nothing as ordered, or not readable) to 1.
    pub fn feed_share(&mut self, share: f64) -> Option<String> {
        let level = self.level();
        if !self.is_fallen(share) {
            self.fallen = 0;
            self.usual.push_back(share);
            if self.usual.len() > USUAL {
                self.usual.pop_front();
            }
            if self.alarmed {
                self.recovered += 1;
                if self.recovered >= RECOVERED {
                    self.settle();
                }
            }
            return None;
        }
        self.fallen += 1;
        self.recovered = 0;
        if self.alarmed || self.fallen < RECENT {
            return None;
        }
        self.alarmed = true;
        Some(format!(
            "the last {} messages agree with their orders to {:.0} % only, usual are {:.0} %: the layout has probably changed; responses are held until the mapping is looked at",
            self.fallen,
            share * 100.0,
            level * 100.0
        ))
    }

    /// Whether a message of this share is far below what is usual.
    pub fn is_fallen(&self, share: f64) -> bool {
        self.usual.len() >= USUAL_MIN && share < self.level() - FALL
    }

    /// Whether responses are to be held for a person: an alarm stands.
    pub fn holds(&self) -> bool {
        self.alarmed
    }

    /// A person looked: what comes now is usual. Forgets the level when the layout is a new one.
    pub fn settle(&mut self) {
        (self.fallen, self.recovered, self.alarmed) = (0, 0, false);
    }

    /// The median share of the usual messages.
    pub fn level(&self) -> f64 {
        let mut sorted: Vec<f64> = self.usual.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A changed layout must raise one alarm and hold; a single odd answer must not.
    #[test]
    fn a_fall_is_told_once() {
        let mut drift = Drift::default();
        for index in 0..20 {
            // Some answers deviate: that is life.
            let share = if index % 5 == 4 { 0.8 } else { 1.0 };
            assert_eq!(drift.feed_share(share), None);
        }
        assert_eq!(drift.feed_share(0.3), None, "one odd answer");
        assert_eq!(drift.feed_share(1.0), None);
        assert_eq!((drift.feed_share(0.4), drift.feed_share(0.4)), (None, None));
        let words = drift.feed_share(0.4).unwrap();
        assert!(words.contains("40 %") && words.contains("100 %"), "{words}");
        assert!(drift.holds());
        assert_eq!(drift.feed_share(0.4), None, "told already");
        for _ in 0..3 {
            assert_eq!(drift.feed_share(1.0), None);
        }
        assert!(!drift.holds(), "over by itself when the mapping reads again");
    }

    /// A partner that always answers otherwise than ordered has a low level, not an alarm.
    #[test]
    fn a_low_level_is_no_fall() {
        let mut drift = Drift::default();
        assert!((0..50).all(|index| drift.feed_share(if index % 2 == 0 { 0.5 } else { 0.6 }).is_none()));
    }
}
