//! Lines to cells. Shared by text (character grids) and drawn pages; knows boxes, not meanings.

pub(super) mod bands;
pub(super) mod drawn;
pub(super) mod lattice;
pub(super) mod rules;
pub(super) mod stream;
pub(super) mod text;

use super::{Cell, Line, place::Area};

/// A run of words with ordinary spaces between them.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    pub text: String,
    pub x0: f64,
    pub y0: f64,
    pub x1: f64,
    pub y1: f64,
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

/// The visible words of a line, joined to phrases; `cut(left, right)` parts two words in any case
/// (a ruling stands between the right end of the one and the left end of the other).
pub(super) fn phrases(line: &Line, cut: impl Fn(f64, f64) -> bool) -> Vec<Phrase> {
    let mut phrases: Vec<Phrase> = Vec::new();
    for word in line.visible() {
        if let Some(last) = phrases.last_mut() {
            let height = (word.y1 - word.y0).min(last.y1 - last.y0);
            if word.x0 - last.x1 <= space_max(height) && !cut(last.x1, word.x0) {
                last.text.push(' ');
                last.text.push_str(&word.text);
                last.x1 = last.x1.max(word.x1);
                last.y0 = last.y0.min(word.y0);
                last.y1 = last.y1.max(word.y1);
                continue;
            }
        }
        phrases.push(Phrase { text: word.text.clone(), x0: word.x0, y0: word.y0, x1: word.x1, y1: word.y1 });
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
