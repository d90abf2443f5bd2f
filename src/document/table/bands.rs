//! Column bands: the stretches of the x axis that the cells of one column share.

use super::Phrase;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Band {
    pub x0: f64,
    pub x1: f64,
    /// How many phrases it was made from.
    pub votes: usize,
}

impl Band {
    pub(crate) fn meets(&self, phrase: &Phrase) -> bool {
        overlap((self.x0, self.x1), phrase.core()) > 0.0
    }
}

fn overlap(a: (f64, f64), b: (f64, f64)) -> f64 {
    a.1.min(b.1) - a.0.max(b.0)
}

/// Finds the bands of phrases: narrow ones open bands, wider ones widen the one they meet, and what
/// meets several bands spans them and has no vote.
pub(crate) fn bands<'a>(phrases: impl IntoIterator<Item = &'a Phrase>) -> Vec<Band> {
    let mut ordered: Vec<&Phrase> = phrases.into_iter().collect();
    ordered.sort_by(|a, b| (a.x1 - a.x0).total_cmp(&(b.x1 - b.x0)).then(a.x0.total_cmp(&b.x0)));
    // Sorted by x0 and never overlapping, so that the neighbours are the only ones to compare with.
    let mut bands: Vec<Band> = Vec::new();
    for phrase in ordered {
        let (core0, core1) = phrase.core();
        let from = bands.partition_point(|band| band.x1 <= core0);
        let to = bands.partition_point(|band| band.x0 < core1);
        if from >= to {
            bands.insert(from.min(bands.len()), Band { x0: phrase.x0, x1: phrase.x1, votes: 1 });
        } else if from + 1 == to
            && let Some(band) = bands.get_mut(from)
        {
            band.x0 = band.x0.min(phrase.x0);
            band.x1 = band.x1.max(phrase.x1);
            band.votes += 1;
        }
    }
    bands
}

/// The first and last band that a phrase lies in; the nearest one when it lies in none.
pub(crate) fn span(bands: &[Band], phrase: &Phrase) -> Option<(usize, usize)> {
    let first = bands.iter().position(|band| band.meets(phrase));
    let last = bands.iter().rposition(|band| band.meets(phrase));
    if let (Some(first), Some(last)) = (first, last) {
        return Some((first, last));
    }
    let middle = (phrase.x0 + phrase.x1) / 2.0;
    let distance = |band: &Band| (band.x0 - middle).abs().min((band.x1 - middle).abs());
    let nearest = bands.iter().enumerate().min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)))?.0;
    Some((nearest, nearest))
}

/// The band that holds most of a stretch.
pub(crate) fn most(bands: &[Band], x0: f64, x1: f64) -> Option<usize> {
    let share = |band: &Band| overlap((band.x0, band.x1), (x0, x1));
    let met = bands.iter().enumerate().filter(|(_, band)| share(band) > 0.0);
    Some(met.max_by(|a, b| share(a.1).total_cmp(&share(b.1)))?.0)
}
