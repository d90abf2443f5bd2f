//! Tables by alignment alone: rows of phrases that stand in common bands.

use super::{Cell, Phrase, bands, without_empty};
use crate::document::{Table, place::Area};

/// One visual row of a block.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub phrases: Vec<Phrase>,
    pub y0: f64,
    pub y1: f64,
    /// A ruling or a drawn line stands between the row above and this one.
    pub ruled: bool,
}

impl Row {
    pub(crate) fn new(phrases: Vec<Phrase>) -> Option<Row> {
        let area = Area::around(phrases.iter().map(Area::from))?;
        Some(Row { phrases, y0: area.y0, y1: area.y1, ruled: false })
    }
}

/// What tells a wrapped line from a row of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapping {
    /// The widest gap above a wrapped line, in line heights.
    pub lead_max: f64,
}

/// Puts the rows of one block into cells; rows that only continue the one above join it.
pub(crate) fn table(rows: &[Row], wrapping: Wrapping) -> Option<Table> {
    let bands = bands::bands(rows.iter().flat_map(|row| &row.phrases));
    if bands.len() < 2 {
        return None;
    }
    // Every row with the first and last band of each phrase.
    let spans: Vec<Vec<(usize, usize)>> = rows
        .iter()
        .map(|row| row.phrases.iter().filter_map(|phrase| bands::span(&bands, phrase.x0, phrase.x1)).collect())
        .collect();
    let ruled = rows.iter().skip(1).filter(|row| row.ruled).count();
    let rules_part_rows = ruled >= 2 && ruled * 4 >= rows.len().saturating_sub(1);
    let mut out: Vec<Vec<Cell>> = Vec::new();
    let mut above: Option<(&Row, &[(usize, usize)])> = None;
    for (row, spans) in rows.iter().zip(&spans) {
        let joins = above.is_some_and(|(before, covered)| {
            if rules_part_rows {
                return !row.ruled && row.phrases.len() <= before.phrases.len();
            }
            !row.ruled && continues((before, covered), (row, spans), wrapping)
        });
        if !joins || out.is_empty() {
            out.push(vec![Cell::default(); bands.len()]);
        }
        let Some(cells) = out.last_mut() else { continue };
        let mut filled = vec![false; bands.len()];
        for (phrase, (first, _)) in row.phrases.iter().zip(spans) {
            if let (Some(cell), Some(filled)) = (cells.get_mut(*first), filled.get_mut(*first)) {
                cell.add(&phrase.text, Area::from(phrase), *filled);
                *filled = true;
            }
        }
        // A wrapped line covers less than its row: the row stays the one to compare with.
        if !joins {
            above = Some((row, spans));
        } else if let Some((_, covered)) = above {
            above = Some((row, covered));
        }
    }
    place_empty(&mut out, &bands);
    without_empty(&mut out);
    (out.len() >= 2 && out.iter().any(|row| row.len() >= 2)).then_some(Table { rows: out })
}

/// Whether a row only goes on with cells of the row above: the first column is empty, it covers
/// nothing that the row above leaves open, stands tight below it, and holds words rather than numbers.
fn continues(above: (&Row, &[(usize, usize)]), below: (&Row, &[(usize, usize)]), wrapping: Wrapping) -> bool {
    let ((before, covered), (row, spans)) = (above, below);
    let height = (row.y1 - row.y0).min(before.y1 - before.y0);
    let within = |band: usize| covered.iter().any(|(first, last)| (*first..=*last).contains(&band));
    row.phrases.len() < covered.len()
        && spans.iter().all(|(first, last)| *first > 0 && (*first..=*last).all(within))
        && row.y0 - before.y1 <= wrapping.lead_max * height
        && !row.phrases.iter().any(|phrase| is_number(&phrase.text))
}

/// Digits with the usual signs around and between them.
pub(crate) fn is_number(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit())
        && text.chars().all(|c| {
            c.is_ascii_digit()
                || matches!(c, '.' | ',' | '-' | '+' | '(' | ')' | '%' | '\'' | ' ' | '\u{2212}' | '€' | '$' | '£')
        })
}

/// Gives empty cells the box where their text would stand.
fn place_empty(rows: &mut [Vec<Cell>], bands: &[bands::Band]) {
    for row in rows {
        let said = row.iter().filter(|cell| !cell.text.is_empty()).map(Area::from);
        let Some(around) = Area::around(said) else { continue };
        for (cell, band) in row.iter_mut().zip(bands) {
            if cell.text.is_empty() {
                *cell = Cell::new("", Area { x0: band.x0, x1: band.x1, ..around });
            }
        }
    }
}
