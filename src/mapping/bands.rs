//! Columns by geometry: where the heads stand and what stands below them -> bands of x, and each phrase
//! of a row in its band.

use super::heads::Head;
use super::view::{Phrase, Piece, Row};
use crate::document::place::Area;

/// A column's band of x.
#[derive(Clone, Debug, PartialEq)]
pub struct Band {
    pub x0: f64,
    pub x1: f64,
    /// Which wanted head; `None`: a column that no rule asks for.
    pub wanted: Option<usize>,
    votes: usize,
    head: bool,
}

/// The bands of a table: from its heads, and grown by the phrases of its rows.
pub fn bands(heads: &[Head], head_rows: &[Row], body: &[&Row]) -> Vec<Band> {
    let mut bands: Vec<Band> = heads
        .iter()
        .map(|head| Band { x0: head.area.x0, x1: head.area.x1, wanted: Some(head.wanted), votes: 0, head: true })
        .collect();
    // Heads that nobody asked for keep their values away from the neighbours.
    let mut others: Vec<Area> = Vec::new();
    for row in head_rows {
        for phrase in &row.phrases {
            others.extend(leftover(row, phrase, heads));
        }
    }
    others.sort_by(|a, b| (a.x1 - a.x0).total_cmp(&(b.x1 - b.x0)));
    for area in others {
        let hits: Vec<usize> = overlapping(&bands, area.x0, area.x1);
        if hits.is_empty() {
            bands.push(Band { x0: area.x0, x1: area.x1, wanted: None, votes: 0, head: true });
        } else if let [only] = hits.as_slice()
            && bands.get(*only).is_some_and(|band| band.wanted.is_none())
        {
            grow(&mut bands, *only, area.x0, area.x1);
        }
    }
    let mut phrases: Vec<Area> = body.iter().flat_map(|row| row.phrases.iter().map(|phrase| phrase.area)).collect();
    phrases.sort_by(|a, b| (a.x1 - a.x0).total_cmp(&(b.x1 - b.x0)).then(a.y0.total_cmp(&b.y0)));
    for area in phrases {
        match overlapping(&bands, area.x0, area.x1).as_slice() {
            [] => bands.push(Band { x0: area.x0, x1: area.x1, wanted: None, votes: 1, head: false }),
            [only] => {
                grow(&mut bands, *only, area.x0, area.x1);
                if let Some(band) = bands.get_mut(*only) {
                    band.votes += 1;
                }
            }
            _ => {}
        }
    }
    bands.sort_by(|a, b| a.x0.total_cmp(&b.x0));
    adopt(&mut bands);
    bands
}

/// What is left of a phrase in the head when the words of wanted heads are taken out.
fn leftover(row: &Row, phrase: &Phrase, heads: &[Head]) -> Vec<Area> {
    let words = row.words.get(phrase.words.clone()).unwrap_or_default();
    let taken = |word: &&Piece| {
        let centre = ((word.area.x0 + word.area.x1) / 2.0, (word.area.y0 + word.area.y1) / 2.0);
        heads.iter().any(|head| {
            head.area.x0 <= centre.0 && centre.0 <= head.area.x1 && head.area.y0 <= centre.1 && centre.1 <= head.area.y1
        })
    };
    let mut runs: Vec<Area> = Vec::new();
    let mut open = false;
    for word in words {
        if taken(&word) {
            open = false;
        } else if open && let Some(last) = runs.last_mut() {
            *last = last.union(word.area);
        } else {
            runs.push(word.area);
            open = true;
        }
    }
    runs
}

fn overlapping(bands: &[Band], x0: f64, x1: f64) -> Vec<usize> {
    bands.iter().enumerate().filter(|(_, band)| band.x0 < x1 && x0 < band.x1).map(|(index, _)| index).collect()
}

/// Widens a band unless it would run into another one.
fn grow(bands: &mut [Band], index: usize, x0: f64, x1: f64) {
    let Some(band) = bands.get(index) else { return };
    let (x0, x1) = (band.x0.min(x0), band.x1.max(x1));
    let free = bands.iter().enumerate().all(|(other, band)| other == index || band.x1 <= x0 || x1 <= band.x0);
    if free && let Some(band) = bands.get_mut(index) {
        (band.x0, band.x1) = (x0, x1);
    }
}

/// Values that stand beside their head rather than below it: a band without a head goes to the
/// neighbour that has a head but no values.
fn adopt(bands: &mut Vec<Band>) {
    let mut index = 0;
    while index < bands.len() {
        let Some(orphan) = bands.get(index).filter(|band| !band.head && band.votes > 0).cloned() else {
            index += 1;
            continue;
        };
        let empty = |at: Option<usize>| {
            at.and_then(|at| bands.get(at).map(|band| (at, band))).filter(|(_, band)| band.head && band.votes == 0)
        };
        let left = empty(index.checked_sub(1)).map(|(at, band)| (orphan.x0 - band.x1, at));
        let right = empty(Some(index + 1)).map(|(at, band)| (band.x0 - orphan.x1, at));
        let nearest = [left, right].into_iter().flatten().min_by(|a, b| a.0.total_cmp(&b.0));
        match nearest {
            Some((_, at)) => {
                if let Some(band) = bands.get_mut(at) {
                    (band.x0, band.x1) = (band.x0.min(orphan.x0), band.x1.max(orphan.x1));
                    band.votes = orphan.votes;
                }
                bands.remove(index);
            }
            None => index += 1,
        }
    }
}

/// Each phrase of a row with its band; a phrase that lies across bands is taken apart by words.
pub fn assign(row: &Row, bands: &[Band]) -> Vec<(usize, std::ops::Range<usize>, Area)> {
    let mut cells: Vec<(usize, std::ops::Range<usize>, Area)> = Vec::new();
    for phrase in &row.phrases {
        let hits = overlapping(bands, phrase.area.x0, phrase.area.x1);
        if hits.len() <= 1 {
            if let Some(band) = hits.first().copied().or_else(|| nearest(bands, &phrase.area)) {
                cells.push((band, phrase.words.clone(), phrase.area));
            }
            continue;
        }
        let mut before: Option<usize> = None;
        for index in phrase.words.clone() {
            let decisive = row.words.get(decisive(row, index, phrase.words.end));
            let (Some(word), Some(decisive)) = (row.words.get(index), decisive) else { break };
            let hit = bands
                .iter()
                .enumerate()
                .map(|(at, band)| (band.x1.min(decisive.area.x1) - band.x0.max(decisive.area.x0), at))
                .filter(|(overlap, _)| *overlap > 0.0)
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .map(|(_, at)| at);
            let Some(band) = hit.or(before).or_else(|| nearest(bands, &decisive.area)) else { continue };
            match cells.last_mut() {
                Some(last) if before == Some(band) && last.0 == band => {
                    last.1.end = index + 1;
                    last.2 = last.2.union(word.area);
                }
                _ => cells.push((band, index..index + 1, word.area)),
            }
            before = Some(band);
        }
    }
    cells
}

/// The word that says where a word belongs: itself; a dash or bullet belongs where the next word does.
fn decisive(row: &Row, index: usize, end: usize) -> usize {
    let says = |index: &usize| row.words.get(*index).is_some_and(|word| word.text.chars().any(char::is_alphanumeric));
    (index..end).find(says).unwrap_or(index)
}

fn nearest(bands: &[Band], area: &Area) -> Option<usize> {
    let far = |band: &Band| (band.x0 - area.x1).max(area.x0 - band.x1).max(0.0);
    bands.iter().enumerate().min_by(|a, b| far(a.1).total_cmp(&far(b.1))).map(|(index, _)| index)
}
