//! Tables by ruling lines: crossing lines make a grid, missing pieces of lines join its fields.

use super::rules::{Rule, Rules};
use super::{Cell, Phrase};
use crate::document::{Line, Table, Word, place::Area};

/// How far lines may miss each other and still meet.
const MEET: f64 = 3.0;
/// Grids beyond this are drawings.
const FIELDS_MAX: usize = 40_000;

/// Lines that hang together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    xs: Vec<f64>,
    ys: Vec<f64>,
    horizontal: Vec<Rule>,
    vertical: Vec<Rule>,
    /// The first column (the last one, the first row) stands outside the lines.
    open_left: bool,
    open_right: bool,
    open_top: bool,
}

/// All grids of a page with at least two rows and two columns, or three of either.
pub(crate) fn grids(rules: &Rules) -> Vec<Grid> {
    let (h, v) = (&rules.horizontal, &rules.vertical);
    if h.len().saturating_mul(v.len()) > 4_000_000 {
        return Vec::new();
    }
    let mut sets = Sets::new(h.len() + v.len());
    for (i, row) in h.iter().enumerate() {
        for (j, column) in v.iter().enumerate() {
            let meets = row.from - MEET <= column.at
                && column.at <= row.to + MEET
                && column.from - MEET <= row.at
                && row.at <= column.to + MEET;
            if meets {
                sets.join(i, h.len() + j);
            }
        }
    }
    let mut grids: Vec<(usize, Grid)> = Vec::new();
    let all = h.iter().map(|rule| (true, rule)).chain(v.iter().map(|rule| (false, rule)));
    for (index, (lies, rule)) in all.enumerate() {
        let root = sets.root(index);
        let at = match grids.iter().position(|grid| grid.0 == root) {
            Some(at) => at,
            None => {
                grids.push((root, Grid::default()));
                grids.len() - 1
            }
        };
        if let Some((_, grid)) = grids.get_mut(at) {
            if lies { grid.horizontal.push(*rule) } else { grid.vertical.push(*rule) }
        }
    }
    let mut found = Vec::new();
    for (_, mut grid) in grids {
        grid.ys = snapped(grid.horizontal.iter().map(|rule| rule.at).collect());
        grid.xs = snapped(grid.vertical.iter().map(|rule| rule.at).collect());
        let (rows, columns) = (grid.ys.len().saturating_sub(1), grid.xs.len().saturating_sub(1));
        if rows >= 1 && columns >= 1 && rows * columns >= 2 && rows * columns <= FIELDS_MAX {
            found.push(grid);
        }
    }
    found
}

/// Of two places closer than `slim` with nothing between them, the one with less line on it goes.
fn thin_out(places: &mut Vec<f64>, rules: &[Rule], slim: f64, middles: &[f64]) {
    let length = |place: f64| -> f64 {
        rules.iter().filter(|rule| (rule.at - place).abs() <= MEET).map(|rule| rule.to - rule.from).sum()
    };
    let mut at = 0;
    while let (Some(&here), Some(&next)) = (places.get(at), places.get(at + 1)) {
        let empty = || !middles.iter().any(|middle| here < *middle && *middle < next);
        if next - here < slim && empty() {
            places.remove(if length(here) < length(next) { at } else { at + 1 });
        } else {
            at += 1;
        }
    }
}

fn snapped(mut places: Vec<f64>) -> Vec<f64> {
    places.sort_by(f64::total_cmp);
    let mut out: Vec<f64> = Vec::new();
    for place in places {
        if out.last().is_none_or(|last| place - last > MEET) {
            out.push(place);
        }
    }
    out
}

/// A table found in a grid, and how well the grid fits what stands in it.
pub(crate) struct Lattice {
    pub table: Table,
    /// Rows and columns that say something.
    pub rows: usize,
    pub columns: usize,
    /// The share of cells that hold several phrases side by side.
    pub swallowed: f64,
    /// Rows where several cells hold many lines: rules that frame blocks, not rows.
    pub coarse: bool,
    /// Nearly every field is drawn by itself, and none holds rows or columns of numbers of its own.
    pub whole: bool,
    /// The share of lines within cells that have a gap like one between cells.
    pub gappy: f64,
}

impl Grid {
    pub(crate) fn area(&self) -> Area {
        let end = |places: &[f64]| (places.first().copied().unwrap_or(0.0), places.last().copied().unwrap_or(0.0));
        let ((x0, x1), (y0, y1)) = (end(&self.xs), end(&self.ys));
        Area { x0, y0, x1, y1 }
    }

    pub(crate) fn columns(&self) -> usize {
        self.xs.len().saturating_sub(1)
    }

    pub(crate) fn rows(&self) -> usize {
        self.ys.len().saturating_sub(1)
    }

    /// Takes in what stands beside or above the lines and yet is of the table: a first or last column
    /// without an outer line, heads above the top line.
    pub(crate) fn widen(&mut self, lines: &[Line], rules: &Rules, others: &[Area]) {
        let area = self.area();
        let rows = self.rows();
        let (mut left, mut right): (Vec<Option<Phrase>>, Vec<Option<Phrase>>) = (vec![None; rows], vec![None; rows]);
        let mut above: Option<Vec<Phrase>> = None;
        for line in lines {
            let Some(place) = line.area() else { continue };
            let middle = (place.y0 + place.y1) / 2.0;
            if middle < area.y0 && area.y0 - place.y1 < 0.8 * (place.y1 - place.y0) {
                above = Some(phrases(line, rules));
            }
            let Some(row) = Self::holds(&self.ys, middle) else { continue };
            for phrase in phrases(line, rules) {
                let x = (phrase.x0 + phrase.x1) / 2.0;
                if others.iter().any(|other| other.x0 <= x && x <= other.x1 && other.y0 <= middle && middle <= other.y1)
                {
                    continue;
                }
                if phrase.x1 <= area.x0 + 2.0 {
                    left.get_mut(row).into_iter().for_each(|slot| *slot = Some(phrase.clone()));
                } else if phrase.x0 >= area.x1 - 2.0 {
                    let slot = right.get_mut(row);
                    slot.into_iter().filter(|slot| slot.is_none()).for_each(|slot| *slot = Some(phrase.clone()));
                }
            }
        }
        let most = |beside: &[Option<Phrase>]| rows >= 3 && beside.iter().flatten().count() * 2 > rows;
        let near = |beside: &[Option<Phrase>], apart: &dyn Fn(&Phrase) -> f64| {
            beside.iter().flatten().any(|phrase| apart(phrase) < 40.0)
        };
        if most(&left) && near(&left, &|phrase| area.x0 - phrase.x1) {
            let x0 = left.iter().flatten().map(|phrase| phrase.x0).fold(area.x0, f64::min);
            self.xs.insert(0, x0 - 1.0);
            self.open_left = true;
        }
        if most(&right) && near(&right, &|phrase| phrase.x0 - area.x1) {
            let x1 = right.iter().flatten().map(|phrase| phrase.x1).fold(area.x1, f64::max);
            self.xs.push(x1 + 1.0);
            self.open_right = true;
        }
        if let Some(heads) = above.filter(|heads| heads.len() >= 2) {
            let mut columns: Vec<usize> =
                heads.iter().filter_map(|head| Self::holds(&self.xs, (head.x0 + head.x1) / 2.0)).collect();
            let placed = columns.len();
            columns.dedup();
            if columns.len() == placed && placed == heads.len() && placed * 2 > self.columns() {
                let y0 = heads.iter().map(|head| head.y0).fold(area.y0, f64::min);
                self.ys.insert(0, y0 - 1.0);
                self.open_top = true;
            }
        }
    }

    /// Drops slim fields in which nothing stands: the edges of shaded boxes within their cells.
    pub(crate) fn thin_out(&mut self, lines: &[Line]) {
        let words = || lines.iter().flat_map(|line| line.visible());
        let across: Vec<f64> = words().map(|word| (word.x0 + word.x1) / 2.0).collect();
        let down: Vec<f64> = words().map(|word| (word.y0 + word.y1) / 2.0).collect();
        thin_out(&mut self.xs, &self.vertical, 8.0, &across);
        thin_out(&mut self.ys, &self.horizontal, 4.5, &down);
    }

    fn holds(places: &[f64], at: f64) -> Option<usize> {
        let index = places.partition_point(|place| *place <= at);
        (index > 0 && index < places.len()).then(|| index - 1)
    }

    fn has_rule(rules: &[Rule], at: f64, from: f64, to: f64) -> bool {
        rules.iter().any(|rule| (rule.at - at).abs() <= MEET && rule.from <= from + MEET && rule.to >= to - MEET)
    }

    /// Puts the visible words of the lines into the fields of the grid.
    pub(crate) fn fill(&self, lines: &[&Line]) -> Option<Lattice> {
        let (rows, columns) = (self.rows(), self.columns());
        let field = |row: usize, column: usize| row * columns + column;
        let mut sets = Sets::new(rows * columns);
        for (row, ys) in self.ys.windows(2).enumerate() {
            let [y0, y1] = *ys else { continue };
            for (column, xs) in self.xs.windows(2).enumerate() {
                let [x0, x1] = *xs else { continue };
                let (dx, dy) = (0.3 * (x1 - x0), 0.3 * (y1 - y0));
                let outside = row == 0 && self.open_top;
                let beside = column == 0 && self.open_left || column + 1 == columns && self.open_right;
                if column + 1 < columns && !outside && !Self::has_rule(&self.vertical, x1, y0 + dy, y1 - dy) {
                    sets.join(field(row, column), field(row, column + 1));
                }
                if row + 1 < rows && !outside && !beside && !Self::has_rule(&self.horizontal, y1, x0 + dx, x1 - dx) {
                    sets.join(field(row, column), field(row + 1, column));
                }
            }
        }
        // Words by field, line by line.
        let mut contents: Vec<Vec<(usize, Vec<&Word>)>> = vec![Vec::new(); rows * columns];
        for (number, line) in lines.iter().enumerate() {
            for word in line.visible() {
                let (x, y) = ((word.x0 + word.x1) / 2.0, (word.y0 + word.y1) / 2.0);
                let (Some(row), Some(column)) = (Self::holds(&self.ys, y), Self::holds(&self.xs, x)) else { continue };
                let root = sets.root(field(row, column));
                let Some(content) = contents.get_mut(root) else { continue };
                match content.last_mut() {
                    Some((last, words)) if *last == number => words.push(word),
                    _ => content.push((number, vec![word])),
                }
            }
        }
        // A merged cell stands at its top left field.
        let mut table: Vec<Vec<Cell>> = Vec::with_capacity(rows);
        let mut seen: Vec<bool> = vec![false; rows * columns];
        let mut span: Vec<(usize, usize, usize, usize)> = vec![(usize::MAX, 0, usize::MAX, 0); rows * columns];
        for row in 0..rows {
            for column in 0..columns {
                if let Some(span) = span.get_mut(sets.root(field(row, column))) {
                    *span = (span.0.min(row), span.1.max(row), span.2.min(column), span.3.max(column));
                }
            }
        }
        let (mut said, mut swallowed) = (0usize, 0usize);
        let (mut cell_lines, mut gappy) = (0usize, 0usize);
        let mut tall_rows = 0;
        let roots = (0..rows * columns).filter(|field| sets.root(*field) == *field).count();
        let mut whole = roots * 10 >= rows * columns * 9;
        for (row, ys) in self.ys.windows(2).enumerate() {
            let [y0, y1] = *ys else { continue };
            let mut cells = Vec::with_capacity(columns);
            let mut tall = 0;
            for (column, xs) in self.xs.windows(2).enumerate() {
                let [x0, x1] = *xs else { continue };
                let mut cell = Cell::new("", Area { x0, y0, x1, y1 });
                let root = sets.root(field(row, column));
                if seen.get(root) == Some(&false)
                    && let (Some(flag), Some(content)) = (seen.get_mut(root), contents.get(root))
                {
                    *flag = true;
                    for (_, words) in content {
                        let area = Area::around(words.iter().map(|word| Area::from(*word)));
                        let text: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
                        if let Some(area) = area {
                            cell.add(&text.join(" "), area, false);
                        }
                    }
                    let spans = span.get(root).is_some_and(|span| span.3 > span.2);
                    cell_lines += content.len();
                    gappy += content.iter().filter(|(_, words)| has_gap(words, 1.2)).count();
                    said += usize::from(!content.is_empty());
                    swallowed += usize::from(spans && content.iter().any(|(_, words)| has_gap(words, 0.9)));
                    tall += usize::from(content.len() >= 4);
                }
                cells.push(cell);
            }
            let columns_of_numbers = cells
                .iter()
                .filter(|cell| cell.text.lines().filter(|line| super::stream::is_number(line)).count() >= 2);
            whole &= columns_of_numbers.count() < 2;
            if let Some(parted) = parted(&cells) {
                table.extend(parted);
                continue;
            }
            let filled = cells.iter().filter(|cell| !cell.text.is_empty()).count();
            tall_rows += usize::from(tall >= 2 && filled >= 2);
            table.push(cells);
        }
        super::without_empty(&mut table);
        let used = table.first().map_or(0, Vec::len);
        (said > 0).then(|| Lattice {
            rows: table.len(),
            columns: used,
            swallowed: swallowed as f64 / said as f64,
            whole,
            gappy: gappy as f64 / cell_lines.max(1) as f64,
            coarse: tall_rows > 0 && tall_rows * 10 >= table.len() * 3,
            table: Table { rows: table },
        })
    }
}

/// Whether words on one line stand further apart than so many heights.
fn has_gap(words: &[&Word], heights: f64) -> bool {
    words.windows(2).any(|pair| match pair {
        [a, b] => b.x0 - a.x1 > heights * (a.y1 - a.y0).min(b.y1 - b.y0),
        _ => false,
    })
}

/// A row of a grid whose rules frame a block of rows: the cells of the first column and at least two
/// columns of numbers have as many lines as each other. None for an ordinary row.
fn parted(cells: &[Cell]) -> Option<Vec<Vec<Cell>>> {
    let first = cells.iter().find(|cell| !cell.text.is_empty())?;
    let count = first.text.lines().count();
    let numbers = |cell: &&Cell| cell.text.lines().count() == count && cell.text.lines().all(super::stream::is_number);
    if count < 2
        || cells.iter().filter(numbers).count() < 2
        || cells.iter().any(|cell| cell.text.lines().count() > count)
    {
        return None;
    }
    let line = |cell: &Cell, index: usize| {
        let height = (cell.y1 - cell.y0) / count as f64;
        let y0 = cell.y0 + height * index as f64;
        Cell::new(
            cell.text.lines().nth(index).unwrap_or_default(),
            Area { x0: cell.x0, y0, x1: cell.x1, y1: y0 + height },
        )
    };
    Some((0..count).map(|index| cells.iter().map(|cell| line(cell, index)).collect()).collect())
}

/// Union-find.
struct Sets(Vec<usize>);

impl Sets {
    fn new(count: usize) -> Sets {
        Sets((0..count).collect())
    }

    fn root(&mut self, mut index: usize) -> usize {
        while let Some(&above) = self.0.get(index)
            && above != index
        {
            let next = self.0.get(above).copied().unwrap_or(above);
            if let Some(entry) = self.0.get_mut(index) {
                *entry = next;
            }
            index = next;
        }
        index
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        // The smaller number stays the root: the top left field of a merged cell.
        let (low, high) = (a.min(b), a.max(b));
        if let Some(entry) = self.0.get_mut(high) {
            *entry = low;
        }
    }
}

/// The phrases of a line, parted where a vertical rule stands; leader dots are left out.
pub(crate) fn phrases(line: &Line, rules: &Rules) -> Vec<Phrase> {
    let y = line.area().map_or(0.0, |area| (area.y0 + area.y1) / 2.0);
    let leads = |word: &Word| word.text.len() >= 3 && word.text.chars().all(|c| matches!(c, '.' | '·' | '…' | '_'));
    let cut = |left, right| rules.cuts(left, right, y);
    if !line.words.iter().any(leads) {
        return super::phrases(line, cut);
    }
    let said = Line { words: line.words.iter().filter(|word| !leads(word)).cloned().collect() };
    super::phrases(&said, cut)
}
