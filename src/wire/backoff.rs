//! How long to wait before the next try. Knows neither clock nor dice: the caller passes randomness in
//! and does the waiting.

use std::time::Duration;

/// Doubling waits with jitter: a random wait between half and the whole of `floor * 2^failures`, never above `ceiling`.
#[derive(Clone, Debug)]
pub struct Backoff {
    floor: Duration,
    ceiling: Duration,
    failures: u32,
}

impl Backoff {
    pub fn new(floor: Duration, ceiling: Duration) -> Backoff {
        Backoff { floor, ceiling: ceiling.max(floor), failures: 0 }
    }

    /// A failure: the wait before the next try. `random` is any number, e.g. `fastrand::u32(..)`.
    pub fn failed(&mut self, random: u32) -> Duration {
        let doubled = 1u32.checked_shl(self.failures).and_then(|factor| self.floor.checked_mul(factor));
        let whole = doubled.unwrap_or(self.ceiling).min(self.ceiling);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        // random / 2^32 of the other half, in whole microseconds
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX >> 32);
        let extra = (u128::from(spread) * u128::from(random)) >> 32;
        half + Duration::from_micros(u64::try_from(extra).unwrap_or(spread))
    }

    /// It worked: the next failure waits shortly again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// How many tries failed in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A hundred gateways that lost one server must not all come back in the same second, nor ever stop trying.
    #[test]
    fn waits_double_up_to_the_ceiling_and_spread() {
        let (floor, ceiling) = (Duration::from_secs(1), Duration::from_secs(60));
        let mut least = Backoff::new(floor, ceiling);
        let mut most = Backoff::new(floor, ceiling);
        let lows: Vec<u128> = (0..8).map(|_| least.failed(0).as_millis()).collect();
        let highs: Vec<u128> = (0..8).map(|_| most.failed(u32::MAX).as_millis()).collect();
        assert_eq!(lows, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        assert_eq!(highs, [999, 1999, 3999, 7999, 15999, 31999, 59999, 59999]);
        for _ in 0..100 {
            least.failed(7);
        }
        assert!(least.failed(7) >= ceiling / 2);
        least.succeeded();
        assert_eq!((least.failed(0).as_millis(), least.failures()), (500, 1));
    }
}
