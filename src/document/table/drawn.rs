//! The tables of a drawn page: by ruling lines where they fit what stands in them, else by alignment.

use super::lattice::{self, Grid, Lattice};
use super::rules::Rules;
use super::stream::{self, Row, Wrapping};
use super::{Phrase, bands};
use crate::document::{Line, Table, place::Area};

/// A drawn line wraps within a cell when it stands this tight below the one above, in heights.
const LEAD_MAX: f64 = 0.35;
/// Rows of a block are no further apart than this, in heights.
const GAP_MAX: f64 = 2.2;
/// Lines of one phrase that may stand between two rows of a table.
const LONELY_MAX: usize = 3;
/// A single phrase that takes this share of the block's width is prose.
const PROSE_SHARE: f64 = 0.6;

/// All tables of a page, top to bottom.
pub(crate) fn tables(lines: &[Line], boxes: &[[f64; 4]]) -> Vec<Table> {
    let rules = Rules::of(boxes);
    let mut taken = vec![false; lines.len()];
    let mut found: Vec<Table> = Vec::new();
    let mut grids = lattice::grids(&rules);
    grids.sort_by(|a, b| size(b).total_cmp(&size(a)));
    for grid in &grids {
        if let Some(table) = ruled(grid, lines, &rules, &mut taken) {
            found.push(table);
        }
    }
    let mut free: Vec<&Line> = Vec::new();
    for (line, taken) in lines.iter().zip(&taken) {
        if *taken {
            found.extend(aligned(&std::mem::take(&mut free), &rules));
        } else {
            free.push(line);
        }
    }
    found.extend(aligned(&free, &rules));
    let top = |table: &Table| table.rows.iter().flatten().map(|cell| cell.y0).fold(f64::INFINITY, f64::min);
    found.sort_by(|a, b| top(a).total_cmp(&top(b)));
    found
}

fn size(grid: &Grid) -> f64 {
    let area = grid.area();
    (area.x1 - area.x0) * (area.y1 - area.y0)
}

// --- by rules --------------------------------------------------------------------------------

/// The table of a grid, when most words of the lines it crosses stand in it and its rows and columns
/// are those that the words show.
fn ruled(grid: &Grid, lines: &[Line], rules: &Rules, taken: &mut [bool]) -> Option<Table> {
    let area = grid.area();
    let inside = |line: &Line| {
        line.area().is_some_and(|line| {
            let middle = (line.y0 + line.y1) / 2.0;
            area.y0 - 2.0 <= middle && middle <= area.y1 + 2.0
        })
    };
    let crossed: Vec<usize> = lines
        .iter()
        .enumerate()
        .filter(|(index, line)| taken.get(*index) == Some(&false) && inside(line))
        .map(|(index, _)| index)
        .collect();
    let crossed_lines: Vec<&Line> = crossed.iter().filter_map(|index| lines.get(*index)).collect();
    if grid.rows() < 2 || grid.columns() < 2 || crossed_lines.is_empty() {
        return None;
    }
    let lattice = grid.fill(&crossed_lines)?;
    if lattice.rows < 2 || lattice.columns < 2 {
        return None;
    }
    let rows: Vec<Row> =
        crossed_lines.iter().filter_map(|line| Row::new(within(lattice::phrases(line, rules), area))).collect();
    let words: usize = rows.iter().map(|row| row.phrases.len()).sum();
    if words == 0 || !fits(&lattice, &rows) {
        return None;
    }
    for index in crossed {
        if let Some(flag) = taken.get_mut(index) {
            *flag = true;
        }
    }
    Some(lattice.table)
}

fn within(phrases: Vec<Phrase>, area: Area) -> Vec<Phrase> {
    phrases
        .into_iter()
        .filter(|phrase| {
            area.x0 - 2.0 <= (phrase.x0 + phrase.x1) / 2.0 && (phrase.x0 + phrase.x1) / 2.0 <= area.x1 + 2.0
        })
        .collect()
}

fn fits(lattice: &Lattice, rows: &[Row]) -> bool {
    if lattice.coarse || lattice.swallowed > 0.12 {
        return false;
    }
    let Some(stream) = stream::table(rows, Wrapping { lead_max: LEAD_MAX }) else { return true };
    let columns = stream.rows.iter().map(Vec::len).max().unwrap_or(0);
    lattice.rows as f64 >= 0.55 * stream.rows.len() as f64 && lattice.columns as f64 >= 0.8 * columns as f64
}

// --- by alignment ----------------------------------------------------------------------------

/// The tables among lines that no grid holds.
fn aligned(lines: &[&Line], rules: &Rules) -> Vec<Table> {
    let mut tables = Vec::new();
    let mut block = Block::default();
    for line in lines {
        let phrases = lattice::phrases(line, rules);
        let Some(mut row) = Row::new(phrases) else { continue };
        if let Some(above) = block.last() {
            row.ruled = block.is_ruled(rules, above.1, row.y0);
        }
        if !block.takes(&row) {
            tables.extend(std::mem::take(&mut block).finish());
            row.ruled = false;
            block.takes(&row);
        }
    }
    tables.extend(block.finish());
    tables
}

#[derive(Default)]
struct Block {
    rows: Vec<Row>,
    /// How many rows at the end have one phrase only.
    lonely: usize,
}

impl Block {
    /// The vertical extent of the last row.
    fn last(&self) -> Option<(f64, f64)> {
        self.rows.last().map(|row| (row.y0, row.y1))
    }

    /// Whether a rule of most of the block's width lies between two rows.
    fn is_ruled(&self, rules: &Rules, above: f64, below: f64) -> bool {
        let Some(area) = Area::around(self.rows.iter().flat_map(|row| &row.phrases).map(Area::from)) else {
            return false;
        };
        let (from, to) = (above.min(below) - 2.0, above.max(below) + 2.0);
        rules.horizontal.iter().any(|rule| {
            from < rule.at && rule.at < to && rule.to.min(area.x1) - rule.from.max(area.x0) >= 0.6 * (area.x1 - area.x0)
        })
    }

    fn takes(&mut self, row: &Row) -> bool {
        let alone = row.phrases.len() < 2;
        let Some((_, above)) = self.last() else {
            if !alone {
                self.rows.push(row.clone());
            }
            return true;
        };
        let height = row.y1 - row.y0;
        if row.y0 - above > GAP_MAX * height {
            return false;
        }
        if alone {
            let Some(area) = Area::around(self.rows.iter().flat_map(|row| &row.phrases).map(Area::from)) else {
                return false;
            };
            let wide =
                row.phrases.first().is_some_and(|phrase| phrase.x1 - phrase.x0 > PROSE_SHARE * (area.x1 - area.x0));
            self.lonely += 1;
            if wide || self.lonely > LONELY_MAX {
                return false;
            }
        } else {
            if !self.aligns(row) {
                return false;
            }
            self.lonely = 0;
        }
        self.rows.push(row.clone());
        true
    }

    /// Whether the phrases of a row stand in the bands of the rows before.
    fn aligns(&self, row: &Row) -> bool {
        let near = self.rows.iter().rev().take(24).filter(|row| row.phrases.len() >= 2);
        let bands = bands::bands(near.flat_map(|row| &row.phrases));
        let mut fitting = 0;
        for phrase in &row.phrases {
            let met = bands.iter().filter(|band| band.x1.min(phrase.x1) - band.x0.max(phrase.x0) > 0.0).count();
            fitting += usize::from(met == 1);
        }
        fitting * 2 >= row.phrases.len()
    }

    fn finish(mut self) -> Option<Table> {
        while self.rows.last().is_some_and(|row| row.phrases.len() < 2) {
            self.rows.pop();
        }
        let wide = self.rows.iter().filter(|row| row.phrases.len() >= 2).count();
        let columns = self.rows.iter().map(|row| row.phrases.len()).max().unwrap_or(0);
        if wide < 3 && !(wide == 2 && columns >= 3) {
            return None;
        }
        stream::table(&self.rows, Wrapping { lead_max: LEAD_MAX })
    }
}
