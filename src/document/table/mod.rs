//! Lines to cells. Shared by text (character grids) and drawn pages; knows boxes, not meanings.

pub(super) mod bands;
pub(super) mod drawn;
pub(super) mod lattice;
mod prose;
pub(super) mod rules;
pub(in crate::document) mod stream;
pub(super) mod text;

use super::{Cell, Line, Word, place::Area};

/// A run of words with ordinary spaces between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    pub text: String,
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
    /// The spaces between its words.
    pub(crate) gaps: Vec<Gap>,
}

/// A space within a phrase: where it stands in the text, and from where to where it reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gap {
    at: usize,
    x0: f64,
    x1: f64,
}

impl Phrase {
    /// Its stretch without a brush of a quarter height at both ends, by which it may reach into a
    /// neighbouring column without being part of it.
    pub(crate) fn core(&self) -> (f64, f64) {
        let brush = (0.25 * (self.y1 - self.y0)).min(0.3 * (self.x1 - self.x0));
        (self.x0 + brush, self.x1 - brush)
    }

    /// The phrase taken apart at a gap, when the gap parts two bands, and is wide or stands between
    /// numbers: what is left of it, and what is right of it.
    pub(crate) fn parted(&self, gap: &Gap, bands: &[bands::Band]) -> Option<(Phrase, Phrase)> {
        // The words at the gap, and the bands that hold most of them.
        let from = self.gaps.iter().rfind(|other| other.at < gap.at).map_or(self.x0, |other| other.x1);
        let to = self.gaps.iter().find(|other| other.at > gap.at).map_or(self.x1, |other| other.x0);
        let left = bands::most(bands, from, gap.x0)?;
        let right = bands::most(bands, gap.x1, to)?;
        let (head, tail) = (self.text.get(..gap.at)?, self.text.get(gap.at + 1..)?);
        let wide = gap.x1 - gap.x0 >= 0.45 * (self.y1 - self.y0);
        let numeric = stream::is_number(head.rsplit(' ').next()?) && stream::is_number(tail.split(' ').next()?);
        if left >= right || !(wide || numeric) {
            return None;
        }
        self.cut(gap)
    }

    /// What stands left and right of a gap.
    fn cut(&self, gap: &Gap) -> Option<(Phrase, Phrase)> {
        let (head, tail) = (self.text.get(..gap.at)?, self.text.get(gap.at + 1..)?);
        let (before, after): (Vec<Gap>, Vec<Gap>) =
            self.gaps.iter().filter(|other| other.at != gap.at).partition(|other| other.at < gap.at);
        let after = after.into_iter().map(|other| Gap { at: other.at - gap.at - 1, ..other }).collect();
        let left = Phrase { text: head.into(), x1: gap.x0, gaps: before, ..self.clone() };
        let right = Phrase { text: tail.into(), x0: gap.x1, gaps: after, ..self.clone() };
        Some((left, right))
    }

    /// The wide spaces between two numbers; on the character grid no space is wide.
    fn gaps_of_numbers(&self) -> impl Iterator<Item = &Gap> {
        let drawn = self.y1 - self.y0 > 1.0;
        self.gaps.iter().filter(move |gap| {
            let words = self.text.get(..gap.at).zip(self.text.get(gap.at + 1..));
            let words = words.map(|(head, tail)| (head.rsplit(' ').next(), tail.split(' ').next()));
            drawn
                && gap.x1 - gap.x0 >= 0.45 * (self.y1 - self.y0)
                && matches!(words, Some((Some(a), Some(b))) if stream::is_number(a) && stream::is_number(b))
        })
    }

    /// Where its numbers stand apart: from and to.
    pub(crate) fn numeric_gaps(&self) -> impl Iterator<Item = (f64, f64)> {
        self.gaps_of_numbers().map(|gap| (gap.x0, gap.x1))
    }

    /// Taken apart at the first such place that is wanted.
    pub(crate) fn part_at(&self, wanted: impl Fn((f64, f64)) -> bool) -> Option<(Phrase, Phrase)> {
        let gap = self.gaps_of_numbers().find(|gap| wanted((gap.x0, gap.x1)))?;
        self.cut(gap)
    }
}

impl From<&Phrase> for Area {
    fn from(phrase: &Phrase) -> Area {
        Area { x0: phrase.x0, y0: phrase.y0, x1: phrase.x1, y1: phrase.y1 }
    }
}

/// How wide a space within a phrase may be, for words of this height.
///
/// On the character grid (height one) that is one column. On drawn pages an ordinary space is a
/// quarter of the height, a justified one up to three quarters.
fn space_max(height: f64) -> f64 {
    if height <= 1.0 { 1.0 } else { 0.75 * height }
}

/// The visible words of a line, each with whether it goes on a phrase; `cut(left, right)` parts two words in any case
/// (a ruling stands between the right end of the one and the left end of the other).
pub(super) fn joined(line: &Line, cut: impl Fn(f64, f64) -> bool) -> impl Iterator<Item = (&Word, bool)> {
    let mut last: Option<Area> = None;
    line.visible().map(move |word| {
        let goes_on = last.filter(|last| {
            let height = (word.y1 - word.y0).min(last.y1 - last.y0);
            word.x0 - last.x1 <= space_max(height) && !cut(last.x1, word.x0)
        });
        last = Some(match goes_on {
            Some(last) => Area { x1: last.x1.max(word.x1), y0: last.y0.min(word.y0), y1: last.y1.max(word.y1), ..last },
            None => Area::from(word),
        });
        (word, goes_on.is_some())
    })
}

/// The visible words of a line, joined to phrases.
pub(super) fn phrases(line: &Line, cut: impl Fn(f64, f64) -> bool) -> Vec<Phrase> {
    let mut phrases: Vec<Phrase> = Vec::new();
    for (word, goes_on) in joined(line, cut) {
        if goes_on && let Some(last) = phrases.last_mut() {
            last.gaps.push(Gap { at: last.text.len(), x0: last.x1, x1: word.x0 });
            last.text.push(' ');
            last.text.push_str(&word.text);
            last.x1 = last.x1.max(word.x1);
            last.y0 = last.y0.min(word.y0);
            last.y1 = last.y1.max(word.y1);
            continue;
        }
        phrases.push(Phrase {
            text: word.text.clone(),
            x0: word.x0,
            y0: word.y0,
            x1: word.x1,
            y1: word.y1,
            gaps: Vec::new(),
        });
    }
    phrases
}

impl Cell {
    pub(super) fn new(text: impl Into<String>, area: Area) -> Cell {
        Cell { text: text.into(), x0: area.x0, y0: area.y0, x1: area.x1, y1: area.y1 }
    }

    /// Adds a phrase: beside what is there already (`beside`), or as a further line.
    pub(super) fn add(&mut self, text: &str, area: Area, beside: bool) {
        if self.text.is_empty() {
            *self = Cell::new(text, area);
            return;
        }
        self.text.push(if beside { ' ' } else { '\n' });
        self.text.push_str(text);
        let whole = Area::from(&*self).union(area);
        (self.x0, self.y0, self.x1, self.y1) = (whole.x0, whole.y0, whole.x1, whole.y1);
    }
}

/// Drops rows and columns in which no cell says anything.
pub(super) fn without_empty(rows: &mut Vec<Vec<Cell>>) {
    rows.retain(|row| row.iter().any(|cell| !cell.text.is_empty()));
    let width = rows.iter().map(Vec::len).max().unwrap_or(0);
    let used: Vec<bool> = (0..width)
        .map(|column| rows.iter().any(|row| row.get(column).is_some_and(|cell| !cell.text.is_empty())))
        .collect();
    if used.iter().all(|used| *used) {
        return;
    }
    for row in rows {
        let mut column = 0;
        row.retain(|_| {
            column += 1;
            used.get(column - 1).copied().unwrap_or(false)
        });
    }
}
