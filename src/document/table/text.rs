//! Tables in plain text: drawn with bars and box characters, or by fixed columns.

use super::{Cell, Phrase, bands, stream, without_empty};
use crate::document::{Line, Table, place::Area};

/// A block of fixed columns is left alone beyond this many lines between two rows that align.
const LONELY_MAX: usize = 4;
/// How many rows back a new one must align with.
const NEAR: usize = 24;

/// All tables of a text, top to bottom.
pub(crate) fn tables(lines: &[Line]) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut at = 0;
    let mut open = 0;
    while at < lines.len() {
        let Some((table, end)) = drawn(lines, at) else {
            at += 1;
            continue;
        };
        fixed(lines, open..at, &mut tables);
        tables.push(table);
        (at, open) = (end, end);
    }
    fixed(lines, open..lines.len(), &mut tables);
    tables
}

/// The tables that are drawn with bars.
pub(crate) fn with_bars(lines: &[Line]) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        match drawn(lines, at) {
            Some((table, end)) => {
                tables.push(table);
                at = end;
            }
            None => at += 1,
        }
    }
    tables
}

// --- drawn -----------------------------------------------------------------------------------

fn is_bar(c: char) -> bool {
    matches!(c, '|' | '│' | '┃' | '║' | '¦')
}

fn is_rule_char(c: char) -> bool {
    matches!(c, '-' | '=' | '+' | '_' | ':' | '*' | '~' | '—' | '–' | '\u{2500}'..='\u{257f}') || is_bar(c)
}

/// A line that only draws: `+----+`, `|---|:--:|`, `=====`, `─┼─`.
fn is_rule(line: &Line) -> bool {
    let mut strokes = 0;
    for c in line.visible().flat_map(|word| word.text.chars()) {
        if !is_rule_char(c) {
            return false;
        }
        strokes += usize::from(!is_bar(c) && c != ':');
    }
    strokes >= 2
}

/// Where the bars of a line stand, escaped ones left out; `kind` is the one sign that a table is drawn with.
fn bars(line: &Line, kind: Option<char>) -> Vec<f64> {
    let mut found = Vec::new();
    for word in line.visible() {
        let mut escaped = false;
        for (index, c) in word.text.chars().enumerate() {
            if is_bar(c) && !escaped && kind.is_none_or(|kind| kind == c) {
                found.push(word.x0 + index as f64);
            }
            escaped = c == '\\';
        }
    }
    found
}

/// A table drawn with bars that begins at line `begin`; with the line behind it.
fn drawn(lines: &[Line], begin: usize) -> Option<(Table, usize)> {
    let first = lines.get(begin)?;
    let kind = [Some(first), lines.get(begin + 1).filter(|_| is_rule(first))]
        .into_iter()
        .flatten()
        .filter(|line| !is_rule(line))
        .find_map(|line| line.visible().flat_map(|word| word.text.chars()).find(|c| is_bar(*c)))?;
    let mut groups: Vec<Vec<Vec<Cell>>> = vec![Vec::new()];
    let mut end = begin;
    while let Some(line) = lines.get(end) {
        if is_rule(line) {
            if groups.last().is_some_and(|group| !group.is_empty()) {
                groups.push(Vec::new());
            }
        } else if bars(line, Some(kind)).is_empty() {
            break;
        } else if let Some(group) = groups.last_mut() {
            group.push(split(line, kind));
        }
        end += 1;
    }
    groups.retain(|group| !group.is_empty());
    // Lines between two rules are one row of wrapped cells, where most rows are parted by rules.
    let wraps = groups.len() > 2;
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for group in groups {
        let mut first = true;
        for cells in group {
            let goes_on = wraps && !first && cells.first().is_some_and(|cell| cell.text.is_empty());
            match rows.last_mut() {
                Some(row) if goes_on => join(row, &cells),
                _ => rows.push(cells),
            }
            first = false;
        }
    }
    let width = rows.iter().map(Vec::len).max()?;
    let fitting = rows.iter().filter(|row| row.len() == width).count();
    if rows.len() < 2 || width < 2 || fitting * 2 < rows.len() {
        return None;
    }
    without_empty(&mut rows);
    Some((Table { rows }, end))
}

fn join(row: &mut [Cell], cells: &[Cell]) {
    for (cell, more) in row.iter_mut().zip(cells) {
        if !more.text.is_empty() {
            cell.add(&more.text, Area::from(more), false);
        }
    }
}

/// The cells between the bars of a line; bars at its ends only frame it.
fn split(line: &Line, kind: char) -> Vec<Cell> {
    let bars = bars(line, Some(kind));
    let (y0, y1) = line.words.first().map_or((0.0, 1.0), |word| (word.y0, word.y1));
    let begin = line.visible().next().map_or(0.0, |word| word.x0);
    let end = line.visible().last().map_or(0.0, |word| word.x1);
    let mut edges = vec![begin - 1.0];
    edges.extend(&bars);
    edges.push(end);
    let framed_left = bars.first().is_some_and(|bar| *bar <= begin);
    let framed_right = bars.last().is_some_and(|bar| *bar + 1.0 >= end);
    let cells = edges.windows(2).map(|edge| {
        let (from, to) = (edge.first().copied().unwrap_or(0.0) + 1.0, edge.last().copied().unwrap_or(0.0));
        between(line, from, to, y0, y1)
    });
    let count = edges.len() - 1;
    cells
        .enumerate()
        .filter(|(index, _)| !(*index == 0 && framed_left || *index + 1 == count && framed_right))
        .map(|(_, cell)| cell)
        .collect()
}

/// The text in columns `from..to` of a line.
fn between(line: &Line, from: f64, to: f64, y0: f64, y1: f64) -> Cell {
    let mut cell = Cell::new("", Area { x0: from, y0, x1: to.max(from), y1 });
    for word in line.visible().filter(|word| word.x1 > from && word.x0 < to) {
        let skip = (from - word.x0).max(0.0) as usize;
        let take = (to - word.x0.max(from)).max(0.0) as usize;
        let text: String = word.text.chars().skip(skip).take(take).collect::<String>().replace("\\|", "|");
        if !text.is_empty() {
            let x0 = word.x0.max(from);
            cell.add(&text, Area { x0, y0, x1: word.x1.min(to), y1 }, true);
        }
    }
    cell
}

// --- fixed columns ---------------------------------------------------------------------------

/// Finds blocks of fixed columns in some of the lines.
fn fixed(lines: &[Line], range: std::ops::Range<usize>, tables: &mut Vec<Table>) {
    let mut block = Block::default();
    let from = range.start;
    for (index, line) in lines.get(range).unwrap_or_default().iter().enumerate() {
        if !block.takes(line, from + index) {
            tables.extend(std::mem::take(&mut block).finish());
            block.takes(line, from + index);
        }
    }
    tables.extend(block.finish());
}

/// Rows that align, gathered line by line.
#[derive(Default)]
struct Block {
    rows: Vec<stream::Row>,
    /// How many rows of two phrases and more.
    wide: usize,
    /// How many lines at the end that are no such rows (blank lines and wrapped cells).
    lonely: usize,
    blank: usize,
    ruled: bool,
}

impl Block {
    /// Takes the line in, or says that the block ends before it.
    fn takes(&mut self, line: &Line, number: usize) -> bool {
        if line.visible().next().is_none() {
            self.blank += 1;
            self.lonely += 1;
            return self.rows.is_empty() || self.blank <= 2 && self.lonely <= LONELY_MAX;
        }
        if is_rule(line) {
            self.ruled = true;
            self.blank = 0;
            return true;
        }
        let phrases = line.phrases();
        let alone = phrases.len() < 2;
        if self.rows.is_empty() {
            if alone {
                self.ruled = false;
                return true;
            }
        } else if alone {
            let wraps =
                self.blank == 0 && !self.ruled && phrases.first().is_some_and(|phrase| self.begins_column(phrase));
            self.lonely += 1;
            if !wraps || self.lonely > LONELY_MAX {
                return false;
            }
        } else if !self.aligned(&phrases) {
            return false;
        }
        let Some(mut row) = stream::Row::new(phrases, number) else { return true };
        row.ruled = std::mem::take(&mut self.ruled);
        self.rows.push(row);
        self.blank = 0;
        if !alone {
            self.wide += 1;
            self.lonely = 0;
        }
        true
    }

    /// Whether a phrase begins where a column other than the first begins.
    fn begins_column(&self, phrase: &Phrase) -> bool {
        let columns = self.rows.iter().rev().take(NEAR).flat_map(|row| row.phrases.iter().skip(1));
        columns.into_iter().any(|column| (column.x0 - phrase.x0).abs() <= 1.0)
    }

    /// Whether at least two phrases of a row begin or end (or, as numbers do, lie) in columns of the block.
    fn aligned(&self, phrases: &[Phrase]) -> bool {
        let bands = bands::bands(self.rows.iter().rev().take(NEAR).flat_map(|row| &row.phrases));
        let stands = |phrase: &Phrase| {
            bands.iter().any(|band| {
                (band.x0 - phrase.x0).abs() < 0.5
                    || (band.x1 - phrase.x1).abs() < 0.5
                    || band.x0 <= phrase.x0 && phrase.x1 <= band.x1
                    || phrase.x0 <= band.x0 && band.x1 <= phrase.x1 && phrase.x1 - phrase.x0 <= 24.0
            })
        };
        phrases.iter().filter(|phrase| stands(phrase)).count() >= 2
    }

    fn finish(mut self) -> Option<Table> {
        while self.rows.last().is_some_and(|row| row.phrases.len() < 2) {
            let below_a_row =
                self.rows.len() >= 2 && self.rows.iter().rev().nth(1).is_some_and(|row| row.phrases.len() >= 2);
            if below_a_row
                && self.rows.last().is_some_and(|row| row.phrases.first().is_some_and(|p| self.begins_column(p)))
            {
                break;
            }
            self.rows.pop();
        }
        let columns: usize = self.rows.iter().map(|row| row.phrases.len()).max().unwrap_or(0);
        // Two columns in two lines are as often an accident as a table: ask for one more of either.
        if self.wide < 2 || columns * self.wide < 6 {
            return None;
        }
        Some(stream::table(&self.rows, 0.5)?.table)
    }
}
