//! Tables by ruling lines: crossing lines make a grid, missing pieces of lines join its fields.

use super::rules::{Rule, Rules};
use super::{Cell, Phrase};
use crate::document::{Line, Table, Word, place::Area};

/// How far lines may miss each other and still meet.
const MEET: f64 = 3.0;
/// Grids beyond this are drawings.
const FIELDS_MAX: usize = 40_000;

/// Lines that hang together.
#[derive(Clone, Debug)]
pub(crate) struct Grid {
    xs: Vec<f64>,
    ys: Vec<f64>,
    horizontal: Vec<Rule>,
    vertical: Vec<Rule>,
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
                grids.push((
                    root,
                    Grid { xs: Vec::new(), ys: Vec::new(), horizontal: Vec::new(), vertical: Vec::new() },
                ));
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
                if column + 1 < columns && !Self::has_rule(&self.vertical, x1, y0 + dy, y1 - dy) {
                    sets.join(field(row, column), field(row, column + 1));
                }
                if row + 1 < rows && !Self::has_rule(&self.horizontal, y1, x0 + dx, x1 - dx) {
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
        let mut tall_rows = 0;
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
                    said += usize::from(!content.is_empty());
                    swallowed += usize::from(spans && content.iter().any(|(_, words)| wide_gaps(words)));
                    tall += usize::from(content.len() >= 4);
                }
                cells.push(cell);
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
            coarse: tall_rows > 0 && tall_rows * 10 >= table.len() * 3,
            table: Table { rows: table },
        })
    }
}

/// Whether words on one line stand apart like cells.
fn wide_gaps(words: &[&Word]) -> bool {
    words.windows(2).any(|pair| match pair {
        [a, b] => b.x0 - a.x1 > 0.9 * (a.y1 - a.y0).min(b.y1 - b.y0),
        _ => false,
    })
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

/// The phrases of a line, parted where a vertical rule stands.
pub(crate) fn phrases(line: &Line, rules: &Rules) -> Vec<Phrase> {
    let y = line.area().map_or(0.0, |area| (area.y0 + area.y1) / 2.0);
    super::phrases(line, |left, right| rules.cuts(left, right, y))
}
