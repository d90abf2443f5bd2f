//! Tables by alignment alone: rows of phrases that stand in common bands.
//!
//! Three questions, in this order: which bands are the columns; which phrases are really several
//! cells; which visual rows are one row of the table.

use super::bands::{self, Band};
use super::{Cell, Phrase, without_empty};
use crate::document::{Table, place::Area};

/// Pages with more bands are drawings.
const BANDS_MAX: usize = 300;

/// One visual row of a block.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub phrases: Vec<Phrase>,
    pub y0: f64,
    pub y1: f64,
    /// A ruling or a drawn line stands between the row above and this one.
    pub ruled: bool,
    /// The line of the page that it was made from.
    pub line: usize,
}

impl Row {
    pub(crate) fn new(phrases: Vec<Phrase>, line: usize) -> Option<Row> {
        let area = Area::around(phrases.iter().map(Area::from))?;
        Some(Row { phrases, y0: area.y0, y1: area.y1, ruled: false, line })
    }

    fn height(&self) -> f64 {
        self.y1 - self.y0
    }
}

/// A table, and what its rows teach about the lines of the page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Built {
    pub table: Table,
    pub lifts: Vec<Lift>,
}

/// A lone number that hangs a little below or above the row it belongs to (cells set at the bottom
/// or middle of their row): a reader sees it on that row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lift {
    pub from: usize,
    pub to: usize,
    pub x0: f64,
    pub x1: f64,
}

/// A phrase and the first and last band it lies in.
struct Placed {
    phrase: Phrase,
    first: usize,
    last: usize,
}

/// Puts the rows of one block into cells; visual rows that are one row of the table join. A line
/// wraps within a cell when it stands at most `lead_max` heights below the one above.
pub(crate) fn table(rows: &[Row], lead_max: f64) -> Option<Built> {
    let parted = parted(rows);
    let rows = parted.as_deref().unwrap_or(rows);
    let bands = columns(rows);
    if bands.len() < 2 || bands.len() > BANDS_MAX {
        return None;
    }
    let mut placed: Vec<Vec<Placed>> = rows.iter().map(|row| place(row, &bands)).collect();
    let spans = heads_over_columns(rows);
    placed.iter_mut().take(spans).for_each(|heads| spread(heads, &bands));
    let groups = Grouping { rows, placed: &placed, bands: bands.len(), lead_max }.groups();
    let mut out: Vec<Vec<Cell>> = Vec::new();
    let mut lifts = Vec::new();
    for group in &groups {
        let mut cells = vec![Cell::default(); bands.len()];
        for (phrases, row) in placed.iter().zip(rows).take(group.end).skip(group.begin) {
            let mut filled = vec![false; bands.len()];
            for Placed { phrase, first, .. } in phrases {
                if let (Some(cell), Some(filled)) = (cells.get_mut(*first), filled.get_mut(*first)) {
                    cell.add(&phrase.text, Area::from(phrase), *filled);
                    *filled = true;
                    if group.lifted.contains(&(row.line, *first)) {
                        lifts.push(Lift { from: row.line, to: group.anchor_line, x0: phrase.x0, x1: phrase.x1 });
                    }
                }
            }
        }
        out.push(cells);
    }
    place_empty(&mut out, &bands);
    without_empty(&mut out);
    let is_table = out.len() >= 2 && out.iter().any(|row| row.len() >= 2);
    is_table.then_some(Built { table: Table { rows: out }, lifts })
}

/// The rows with numbers that stand in one phrase but in two columns taken apart: where in several rows
/// a wide space between numbers stands at one place. None when there are no such.
fn parted(rows: &[Row]) -> Option<Vec<Row>> {
    const ROWS_MIN: usize = 3;
    let mut strips: Vec<(f64, f64, usize)> = Vec::new();
    for gap in rows.iter().flat_map(|row| &row.phrases).flat_map(|phrase| phrase.numeric_gaps()) {
        if let Some(strip) = strips.iter_mut().find(|strip| gap.0 < strip.1 && strip.0 < gap.1) {
            *strip = (strip.0.max(gap.0), strip.1.min(gap.1), strip.2 + 1);
        } else if strips.len() < BANDS_MAX {
            strips.push((gap.0, gap.1, 1));
        }
    }
    strips.retain(|strip| strip.2 >= ROWS_MIN);
    if strips.is_empty() {
        return None;
    }
    let mut out = rows.to_vec();
    for row in &mut out {
        for phrase in std::mem::take(&mut row.phrases) {
            let mut rest = phrase;
            while let Some((head, tail)) =
                rest.part_at(|gap| strips.iter().any(|strip| gap.0 < strip.1 && strip.0 < gap.1))
            {
                row.phrases.push(head);
                rest = tail;
            }
            row.phrases.push(rest);
        }
    }
    Some(out)
}

// --- columns ---------------------------------------------------------------------------------

/// The bands of all rows of several phrases. Neighbours that no row fills both are one column whose
/// entries are set left here and right there.
fn columns(rows: &[Row]) -> Vec<Band> {
    let spans = heads_over_columns(rows);
    let several = || rows.iter().skip(spans).filter(|row| row.phrases.len() >= 2);
    let mut bands = bands::bands(several().flat_map(|row| &row.phrases));
    if bands.len() > BANDS_MAX {
        return bands;
    }
    let mut at = 0;
    while at + 1 < bands.len() {
        if one_column(&bands, at, several()) {
            let next = bands.remove(at + 1);
            if let Some(band) = bands.get_mut(at) {
                band.x1 = band.x1.max(next.x1);
                band.votes += next.votes;
            }
        } else {
            at += 1;
        }
    }
    bands
}

/// How many rows at the top hold heads over several columns each: words alone, and half as many or fewer
/// than in the fullest row.
fn heads_over_columns(rows: &[Row]) -> usize {
    let most = rows.iter().map(|row| row.phrases.len()).max().unwrap_or(0);
    let spans = |row: &&Row| row.phrases.len() * 2 <= most && !row.phrases.iter().any(|phrase| is_number(&phrase.text));
    rows.iter().take_while(spans).count()
}

/// Heads over several columns stand over the columns nearest to them; those of one row are evenly spread.
fn spread(placed: &mut [Placed], bands: &[Band]) {
    let middles: Vec<f64> = placed.iter().map(|placed| (placed.phrase.x0 + placed.phrase.x1) / 2.0).collect();
    let (Some(a), Some(b), Some(y), Some(z)) =
        (middles.first(), middles.get(1), middles.len().checked_sub(2).and_then(|at| middles.get(at)), middles.last())
    else {
        return;
    };
    let mut edges = vec![a - (b - a) / 2.0];
    edges.extend(middles.windows(2).map(|pair| pair.iter().sum::<f64>() / 2.0));
    edges.push(z + (z - y) / 2.0);
    for (placed, edge) in placed.iter_mut().zip(edges.windows(2)) {
        let [from, to] = *edge else { continue };
        let within = |band: &Band| (from..to).contains(&((band.x0 + band.x1) / 2.0));
        if let (Some(first), Some(last)) = (bands.iter().position(within), bands.iter().rposition(within)) {
            (placed.first, placed.last) = (first, last);
        }
    }
}

fn one_column<'a>(bands: &[Band], at: usize, rows: impl Iterator<Item = &'a Row>) -> bool {
    let (Some(left), Some(right)) = (bands.get(at), bands.get(at + 1)) else { return false };
    let mut bridged = false;
    let mut height = f64::INFINITY;
    for row in rows {
        height = height.min(row.height());
        let (mut in_left, mut in_right) = (false, false);
        for phrase in &row.phrases {
            let (meets_left, meets_right) = (left.meets(phrase), right.meets(phrase));
            let beyond =
                bands.iter().enumerate().any(|(index, band)| index != at && index != at + 1 && band.meets(phrase));
            bridged |= meets_left && meets_right && !beyond;
            in_left |= meets_left && !meets_right;
            in_right |= meets_right && !meets_left;
        }
        if in_left && in_right {
            return false;
        }
    }
    bridged || right.x0 - left.x1 <= 0.6 * height
}

/// The phrases of a row in their bands; a phrase over several bands is taken apart where its words
/// stand wide or are numbers, which headings over several columns do not.
fn place(row: &Row, bands: &[Band]) -> Vec<Placed> {
    let mut placed = Vec::with_capacity(row.phrases.len());
    for phrase in &row.phrases {
        let mut rest = phrase.clone();
        while let Some((first, last)) = bands::span(bands, &rest) {
            let parts = if first < last { rest.gaps.iter().find_map(|gap| rest.parted(gap, bands)) } else { None };
            match parts {
                Some((head, tail)) => {
                    if let Some((first, last)) = bands::span(bands, &head) {
                        placed.push(Placed { phrase: head, first, last });
                    }
                    rest = tail;
                }
                None => {
                    placed.push(Placed { phrase: rest, first, last });
                    break;
                }
            }
        }
    }
    placed
}

// --- rows ------------------------------------------------------------------------------------

/// Visual rows `begin..end` that are one row of the table.
struct Group {
    begin: usize,
    end: usize,
    /// The line of the fullest visual row.
    anchor_line: usize,
    /// Line and band of numbers that belong on the anchor's line.
    lifted: Vec<(usize, usize)>,
}

struct Grouping<'a> {
    rows: &'a [Row],
    placed: &'a [Vec<Placed>],
    bands: usize,
    lead_max: f64,
}

impl Grouping<'_> {
    fn groups(&self) -> Vec<Group> {
        let count = self.rows.len();
        // Whether a visual row goes on with the one above.
        let mut joins = vec![false; count];
        let anchors = self.anchors();
        let body = self.body(&anchors);
        self.header(body, &mut joins);
        let ruled = self.rows.iter().skip(1).filter(|row| row.ruled).count();
        if ruled >= 2 && ruled * 4 >= count.saturating_sub(1) {
            self.between_rules(&anchors, &mut joins);
        }
        self.wraps(&anchors, body, &mut joins);
        let mut groups = Vec::new();
        let mut begin = 0;
        for index in 1..=count {
            if index == count || joins.get(index) != Some(&true) {
                groups.push(self.group(begin, index, &anchors));
                begin = index;
            }
        }
        groups
    }

    fn row(&self, index: usize) -> Option<(&Row, &[Placed])> {
        Some((self.rows.get(index)?, self.placed.get(index)?.as_slice()))
    }

    /// How many bands a visual row fills.
    fn filled(&self, index: usize) -> usize {
        let Some((_, placed)) = self.row(index) else { return 0 };
        placed.iter().map(|placed| placed.last - placed.first + 1).sum()
    }

    /// Visual rows that fill at least half as many bands as the fullest one: each begins a row.
    fn anchors(&self) -> Vec<bool> {
        let fill: Vec<usize> = (0..self.rows.len()).map(|index| self.filled(index)).collect();
        let most = fill.iter().copied().max().unwrap_or(0);
        fill.iter().map(|fill| *fill >= 2 && fill * 2 >= most.min(self.bands)).collect()
    }

    /// The first visual row with a number beside its first column: where heads end.
    fn body(&self, anchors: &[bool]) -> usize {
        let has_number = |index: usize| {
            self.row(index).is_some_and(|(_, placed)| {
                placed.iter().any(|placed| placed.first > 0 && is_number(&placed.phrase.text))
            })
        };
        (0..self.rows.len()).find(|index| anchors.get(*index) == Some(&true) && has_number(*index)).unwrap_or(0)
    }

    fn tight(&self, index: usize) -> bool {
        let (Some(above), Some(row)) =
            (index.checked_sub(1).and_then(|above| self.rows.get(above)), self.rows.get(index))
        else {
            return false;
        };
        row.y0 - above.y1 <= self.lead_max * row.height().min(above.height()) && !row.ruled
    }

    /// Heads of several lines, tight below each other, none of them over several columns.
    fn header(&self, body: usize, joins: &mut [bool]) {
        let plain = |index: usize| {
            self.row(index).is_some_and(|(_, placed)| placed.iter().all(|placed| placed.first == placed.last))
        };
        for index in 1..body {
            if self.tight(index)
                && plain(index)
                && plain(index - 1)
                && let Some(joins) = joins.get_mut(index)
            {
                *joins = true;
            }
        }
    }

    /// What stands between two rules is one row, unless several full rows stand there.
    fn between_rules(&self, anchors: &[bool], joins: &mut [bool]) {
        let count = self.rows.len();
        let mut begin = 0;
        for end in 1..=count {
            if end < count && self.rows.get(end).is_some_and(|row| !row.ruled) {
                continue;
            }
            let full = anchors.get(begin..end).unwrap_or_default().iter().filter(|anchor| **anchor).count();
            let tight = (begin + 1..end).all(|index| self.tight(index));
            if full <= 1 || tight && self.same_cells(begin, end) {
                joins.get_mut(begin + 1..end).unwrap_or_default().fill(true);
            }
            begin = end;
        }
    }

    /// Whether rows hold words only, so that several lines are more likely wrapped than rows.
    fn same_cells(&self, begin: usize, end: usize) -> bool {
        (begin + 1..end).all(|index| {
            self.row(index).is_some_and(|(_, placed)| !placed.iter().any(|placed| is_number(&placed.phrase.text)))
        })
    }

    /// Lines that only go on with cells of the row above (or, set lower, below).
    fn wraps(&self, anchors: &[bool], body: usize, joins: &mut [bool]) {
        let is_anchor = |index: usize| anchors.get(index) == Some(&true);
        let mut anchor: Option<usize> = None;
        // Whether the rows of the table stand apart more than the lines within them, as far as known.
        let mut apart = false;
        for index in 0..self.rows.len() {
            if index < body {
                continue;
            }
            let whole_chain = |above: usize| (above + 1..index).all(|between| joins.get(between) == Some(&true));
            let up =
                anchor.is_some_and(|above| whole_chain(above) && self.goes_up(above, index, &is_anchor, &mut apart));
            if is_anchor(index) && !up {
                anchor = Some(index);
                continue;
            }
            if joins.get(index) == Some(&true) || anchor.is_none() {
                continue;
            }
            if up {
                if let Some(joins) = joins.get_mut(index) {
                    *joins = true;
                }
            } else if self.goes_down(index, &is_anchor)
                && let Some(joins) = joins.get_mut(index + 1)
            {
                *joins = true;
            }
        }
    }

    /// Whether a visual row goes on with the full row above: it stands tight, and either the table's
    /// rows stand apart more than that, or it only fills what the row above leaves free or wraps.
    fn goes_up(&self, above: usize, index: usize, is_anchor: &impl Fn(usize) -> bool, apart: &mut bool) -> bool {
        let (Some((_, anchor)), Some((row, placed))) = (self.row(above), self.row(index)) else { return false };
        if !self.tight(index) || placed.len() > anchor.len() {
            return false;
        }
        let covers = |band: usize| anchor.iter().any(|other| (other.first..=other.last).contains(&band));
        let lead = self.rows.get(index - 1).map_or(0.0, |before| (row.y0 - before.y1).max(0.0));
        // How far the next row of the table stands off; unknown below the last one.
        let next = (index + 1..self.rows.len()).find(|next| is_anchor(*next));
        let off = next.and_then(|next| Some(self.rows.get(next)?.y0 - self.rows.get(next.checked_sub(1)?)?.y1));
        if let Some(off) = off {
            *apart = off > 2.0 * lead + 0.5 * row.height();
        }
        let first_is_free = placed.iter().all(|placed| placed.first > 0);
        let goes_on = placed.len() == 1 && placed.iter().all(|placed| begins_small(&placed.phrase.text));
        let numbers = || placed.iter().filter(|placed| is_number(&placed.phrase.text));
        let collides = numbers().any(|placed| (placed.first..=placed.last).any(covers));
        let words_fit =
            placed.iter().all(|placed| is_number(&placed.phrase.text) || (placed.first..=placed.last).all(covers));
        if *apart && !is_anchor(index) {
            return first_is_free || goes_on || placed.len() < anchor.len();
        }
        (first_is_free || goes_on) && !collides && words_fit && placed.len() < anchor.len()
    }

    /// Whether a line with a few words is the first one of cells that the row below ends.
    fn goes_down(&self, index: usize, is_anchor: &impl Fn(usize) -> bool) -> bool {
        let (Some((row, placed)), Some((below, others))) = (self.row(index), self.row(index + 1)) else { return false };
        let lead = below.y0 - row.y1;
        let above = index.checked_sub(1).and_then(|above| self.rows.get(above)).map(|above| row.y0 - above.y1);
        is_anchor(index + 1)
            && self.tight(index + 1)
            && above.is_none_or(|above| above > lead + 0.15 * row.height())
            && placed.len() < others.len()
            && placed.iter().all(|placed| {
                placed.first > 0
                    && !is_number(&placed.phrase.text)
                    && others.iter().any(|other| other.first <= placed.first && placed.last <= other.last)
            })
    }

    fn group(&self, begin: usize, end: usize, anchors: &[bool]) -> Group {
        let fullest = (begin..end)
            .max_by_key(|index| (self.numbers(*index), self.filled(*index), usize::MAX - index))
            .unwrap_or(begin);
        let mut group =
            Group { begin, end, anchor_line: self.rows.get(fullest).map_or(0, |row| row.line), lifted: Vec::new() };
        // A number is lifted to a row that has numbers, a place free for it, and only one such row.
        let is_key =
            |index: usize| self.row(index).is_some_and(|(_, placed)| placed.iter().any(|placed| placed.first == 0));
        let others = (begin..end)
            .filter(|index| *index != fullest && anchors.get(*index) == Some(&true) && is_key(*index))
            .count();
        let Some((_, anchor)) = self.row(fullest) else { return group };
        if self.numbers(fullest) < 1 || anchor.len() < 3 || others > 0 {
            return group;
        }
        for index in (begin..end).filter(|index| *index != fullest) {
            let Some((row, placed)) = self.row(index) else { continue };
            for Placed { phrase, first, last } in placed {
                let free = anchor.iter().all(|other| other.last < *first || *last < other.first);
                if *first > 0 && is_amount(&phrase.text) && free {
                    group.lifted.push((row.line, *first));
                }
            }
        }
        group
    }

    fn numbers(&self, index: usize) -> usize {
        self.row(index).map_or(0, |(_, placed)| {
            placed.iter().filter(|placed| placed.first > 0 && is_amount(&placed.phrase.text)).count()
        })
    }
}

/// A word that goes on with a sentence.
fn begins_small(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_lowercase() || matches!(c, '(' | '/' | '-' | '&'))
}

/// Digits with the usual signs around and between them.
pub(crate) fn is_number(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit())
        && text.chars().all(|c| {
            c.is_ascii_digit()
                || matches!(
                    c,
                    '.' | ',' | '-' | '+' | '(' | ')' | '%' | '\'' | ' ' | '*' | '\u{2212}' | '–' | '€' | '$' | '£'
                )
        })
}

/// A number, maybe with a unit or currency beside it: `20 Stk`, `EUR 5,00`.
fn is_amount(text: &str) -> bool {
    let mut parts = text.split_whitespace();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(one), None, _) => is_number(one),
        (Some(one), Some(two), None) => {
            is_number(one) != is_number(two) && one.chars().count().min(two.chars().count()) <= 5 || is_number(text)
        }
        _ => false,
    }
}

/// Gives empty cells the box where their text would stand.
fn place_empty(rows: &mut [Vec<Cell>], bands: &[Band]) {
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
