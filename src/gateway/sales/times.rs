//! How long it takes from a customer's mail to the confirmation.

use serde::Serialize;

use crate::model::{Sale, SaleStatus};

/// Upper ends of the histogram's bars, in seconds.
const BARS: [i64; 8] = [60, 120, 300, 600, 1_800, 3_600, 14_400, 86_400];

/// Times from mail received to confirmation.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Times {
    pub count: usize,
    pub p50_seconds: Option<i64>,
    pub p95_seconds: Option<i64>,
    /// Of those above ten minutes.
    pub over_ten_minutes: usize,
    /// `up_to_seconds` (`null` = longer) and how many.
    pub histogram: Vec<Bar>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bar {
    pub up_to_seconds: Option<i64>,
    pub count: usize,
}

/// Of these sales, those that were confirmed; a confirmation that was sent again after a change counts as the first.
pub fn times(sales: &[Sale]) -> Times {
    let mut seconds: Vec<i64> = sales.iter().filter_map(seconds_to_confirmation).collect();
    seconds.sort_unstable();
    let at = |share: usize| seconds.get((seconds.len() * share / 100).min(seconds.len().saturating_sub(1))).copied();
    let mut histogram = Vec::with_capacity(BARS.len() + 1);
    let mut below = 0;
    for bar in BARS {
        let up_to = seconds.iter().filter(|taken| **taken <= bar).count();
        histogram.push(Bar { up_to_seconds: Some(bar), count: up_to - below });
        below = up_to;
    }
    histogram.push(Bar { up_to_seconds: None, count: seconds.len() - below });
    Times {
        count: seconds.len(),
        p50_seconds: at(50),
        p95_seconds: at(95),
        over_ten_minutes: seconds.iter().filter(|taken| **taken > 600).count(),
        histogram,
    }
}

/// From the customer's mail to the first confirmation.
pub(super) fn seconds_to_confirmation(sale: &Sale) -> Option<i64> {
    let confirmed = sale.history.iter().find(|step| step.to == SaleStatus::PreparedDocument)?;
    Some(confirmed.at.duration_since(sale.received_at).as_secs().max(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{SaleId, SaleStep};

    /// The promise of ten minutes is measured by these numbers.
    #[test]
    fn shares_and_bars_add_up() {
        let start: jiff::Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let sale = |id: u64, seconds: i64| {
            let mut sale = Sale::new(SaleId(id), "acme".into(), &id.to_string(), "1".into(), start);
            sale.history.push(SaleStep {
                step: "S9".into(),
                from: Some(SaleStatus::DoPrepareDocument),
                answer: "confirmed to the customer".into(),
                to: SaleStatus::PreparedDocument,
                at: start + jiff::SignedDuration::from_secs(seconds),
                by: "test".into(),
                note: None,
            });
            sale
        };
        let mut all: Vec<Sale> = (0..99).map(|n| sale(n, n as i64)).collect();
        all.push(sale(99, 7_200));
        all.push(Sale::new(SaleId(100), "acme".into(), "open", "1".into(), start));
        let times = times(&all);
        assert_eq!((times.count, times.p50_seconds, times.p95_seconds), (100, Some(50), Some(95)));
        assert_eq!(times.over_ten_minutes, 1);
        assert_eq!(times.histogram.iter().map(|bar| bar.count).collect::<Vec<_>>(), [61, 38, 0, 0, 0, 0, 1, 0, 0]);
        assert_eq!(super::times(&[]).p50_seconds, None);
    }
}
