//! The tables of a drawn page: by ruling lines where they fit what stands in them, else by alignment.

use super::lattice::{self, Grid, Lattice};
use super::rules::Rules;
use super::stream::{self, Built, Lift, Row};
use super::{
    Phrase,
    bands::{self, Band},
};
use crate::document::{Line, Table, Word, place::Area};

/// A drawn line wraps within a cell when it stands this tight below the one above, in heights.
const LEAD_MAX: f64 = 0.35;
/// Rows of a block are no further apart than this, in heights ...
const GAP_MAX: f64 = 2.2;
/// ... unless the next one has the very shape of a row before.
const GAP_MAX_ALIKE: f64 = 9.0;
/// Lines of one phrase that may stand between two rows of a table: loose ones, tight ones.
const LONELY_MAX: usize = 3;
const LONELY_TIGHT_MAX: usize = 12;
/// A single phrase over several columns that takes this share of the block's width is prose.
const PROSE_SHARE: f64 = 0.5;
/// How many rows back a new one must align with.
const NEAR: usize = 24;

/// The tables of a page, top to bottom, and the numbers that hang off their row.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub tables: Vec<Table>,
    pub lifts: Vec<Lift>,
}

/// All tables of a page.
pub(crate) fn tables(lines: &[Line], boxes: &[[f64; 4]]) -> Found {
    let rules = Rules::of(boxes);
    let mut found = Found::default();
    let mut grids = lattice::grids(&rules);
    grids.sort_by(|a, b| size(b).total_cmp(&size(a)));
    let areas: Vec<Area> = grids.iter().map(Grid::area).collect();
    // What no grid holds is left for alignment; lines keep their numbers.
    let mut free: Option<Vec<Line>> = None;
    for (index, grid) in grids.into_iter().enumerate() {
        let others: Vec<Area> =
            areas.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, area)| *area).collect();
        if let Some((table, area)) = ruled(grid, free.as_deref().unwrap_or(lines), &rules, &others) {
            found.tables.push(table);
            for line in free.get_or_insert_with(|| lines.to_vec()) {
                line.words.retain(|word| !holds(&area, word));
            }
        }
    }
    let mut stretch: Vec<(usize, &Line)> = Vec::new();
    for (index, (line, whole)) in free.as_deref().unwrap_or(lines).iter().zip(lines).enumerate() {
        if line.words.is_empty() && !whole.words.is_empty() {
            found.add(aligned(&std::mem::take(&mut stretch), &rules));
        } else {
            stretch.push((index, line));
        }
    }
    found.add(aligned(&stretch, &rules));
    let top = |table: &Table| table.rows.iter().flatten().map(|cell| cell.y0).fold(f64::INFINITY, f64::min);
    found.tables.sort_by(|a, b| top(a).total_cmp(&top(b)));
    found
}

impl Found {
    fn add(&mut self, built: Vec<Built>) {
        for built in built {
            self.tables.push(built.table);
            self.lifts.extend(built.lifts);
        }
    }
}

fn holds(area: &Area, word: &Word) -> bool {
    let (x, y) = ((word.x0 + word.x1) / 2.0, (word.y0 + word.y1) / 2.0);
    area.x0 - 2.0 <= x && x <= area.x1 + 2.0 && area.y0 - 2.0 <= y && y <= area.y1 + 2.0
}

fn size(grid: &Grid) -> f64 {
    let area = grid.area();
    (area.x1 - area.x0) * (area.y1 - area.y0)
}

// --- by rules --------------------------------------------------------------------------------

/// The table of a grid, when most words of the lines it crosses stand in it and its rows and columns
/// are those that the words show.
fn ruled(mut grid: Grid, lines: &[Line], rules: &Rules, others: &[Area]) -> Option<(Table, Area)> {
    if grid.rows() * grid.columns() < 2 || grid.rows() < 2 && grid.columns() < 2 {
        return None;
    }
    grid.thin_out(lines);
    grid.widen(lines, rules, others);
    let area = grid.area();
    let inside = |line: &Line| {
        line.area().is_some_and(|line| {
            let middle = (line.y0 + line.y1) / 2.0;
            area.y0 - 2.0 <= middle && middle <= area.y1 + 2.0
        })
    };
    let crossed_lines: Vec<&Line> = lines.iter().filter(|line| inside(line)).collect();
    if grid.rows() < 2 || grid.columns() < 2 || crossed_lines.is_empty() {
        return None;
    }
    let lattice = grid.fill(&crossed_lines)?;
    if lattice.rows < 2 || lattice.columns < 2 {
        return None;
    }
    let rows: Vec<Row> = crossed_lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| Row::new(within(lattice::phrases(line, rules), area), index))
        .collect();
    let words: usize = rows.iter().map(|row| row.phrases.len()).sum();
    if words == 0 || !fits(&lattice, &rows) {
        return None;
    }
    Some((lattice.table, area))
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
    let Some(stream) = stream::table(rows, LEAD_MAX) else { return true };
    let columns = stream.table.rows.iter().map(Vec::len).max().unwrap_or(0);
    lattice.rows as f64 >= 0.55 * stream.table.rows.len() as f64
        && (lattice.columns as f64 >= 0.8 * columns as f64 || lattice.gappy < 0.1)
}

// --- by alignment ----------------------------------------------------------------------------

/// The tables among lines that no grid holds.
fn aligned(lines: &[(usize, &Line)], rules: &Rules) -> Vec<Built> {
    let mut tables = Vec::new();
    let mut block = Block::default();
    for (index, line) in lines {
        let phrases = lattice::phrases(line, rules);
        let Some(mut row) = Row::new(phrases, *index) else { continue };
        if let Some(above) = block.rows.last() {
            row.ruled = block.is_ruled(rules, above.y1, row.y0);
        }
        if !block.takes(&row) {
            let heads = block.heads();
            tables.extend(std::mem::take(&mut block).finish());
            block.above = heads;
            row.ruled = false;
            block.takes(&row);
        }
    }
    tables.extend(block.finish());
    tables
}

#[derive(Default)]
struct Block {
    /// Single phrases tight above the first row, which may be heads of several lines.
    above: Vec<Row>,
    rows: Vec<Row>,
    /// How many rows at the end have one phrase only.
    lonely: usize,
}

impl Block {
    fn area(&self) -> Option<Area> {
        Area::around(self.rows.iter().flat_map(|row| &row.phrases).map(Area::from))
    }

    /// Whether a rule of most of the block's width lies between two rows.
    fn is_ruled(&self, rules: &Rules, above: f64, below: f64) -> bool {
        let Some(area) = self.area() else { return false };
        let (from, to) = (above.min(below) - 2.0, above.max(below) + 2.0);
        rules.horizontal.iter().any(|rule| {
            from < rule.at && rule.at < to && rule.to.min(area.x1) - rule.from.max(area.x0) >= 0.6 * (area.x1 - area.x0)
        })
    }

    fn bands(&self) -> Vec<Band> {
        let near = self.rows.iter().rev().filter(|row| row.phrases.len() >= 2).take(NEAR);
        bands::bands(near.flat_map(|row| &row.phrases))
    }

    /// Takes a row in, or says that the block ends above it.
    fn takes(&mut self, row: &Row) -> bool {
        let alone = row.phrases.len() < 2;
        let Some(last) = self.rows.last() else {
            if alone {
                self.waits(row);
            } else {
                self.begin(row);
            }
            return true;
        };
        let height = row.y1 - row.y0;
        let gap = (row.y0 - last.y1) / height.max(1e-6);
        if alone {
            self.lonely += 1;
            let most = if gap <= LEAD_MAX { LONELY_TIGHT_MAX } else { LONELY_MAX };
            if gap > GAP_MAX || self.lonely > most || self.is_prose(row) {
                self.lonely -= 1;
                return false;
            }
        } else {
            let limit = if self.has_alike(row) { GAP_MAX_ALIKE } else { GAP_MAX };
            if gap > limit || !self.aligns(row) || self.begins_anew(row, gap) {
                return false;
            }
            self.lonely = 0;
        }
        self.rows.push(row.clone());
        true
    }

    /// Keeps a single phrase above the block while the next stands tight below it.
    fn waits(&mut self, row: &Row) {
        if self.above.last().is_some_and(|last| row.y0 - last.y1 > LEAD_MAX * (row.y1 - row.y0)) {
            self.above.clear();
        }
        self.above.push(row.clone());
    }

    /// The first row; what stands tight above it, narrow and right of its beginning, are its heads.
    fn begin(&mut self, row: &Row) {
        let (Some(first), Some(last)) = (row.phrases.first(), row.phrases.last()) else { return };
        let width = last.x1 - first.x0;
        let mut below = row.y0;
        let mut heads = Vec::new();
        for head in self.above.drain(..).rev() {
            let fits = head.phrases.first().is_some_and(|phrase| {
                phrase.x0 > first.x1 - 1.0 && phrase.x1 <= last.x1 + 2.0 && phrase.x1 - phrase.x0 < 0.7 * width
            });
            if !fits || below - head.y1 > LEAD_MAX * (head.y1 - head.y0) {
                break;
            }
            below = head.y0;
            heads.push(head);
        }
        self.rows.extend(heads.into_iter().rev());
        self.rows.push(row.clone());
        self.lonely = 0;
    }

    fn is_prose(&self, row: &Row) -> bool {
        let (Some(area), Some(phrase)) = (self.area(), row.phrases.first()) else { return false };
        let bands = self.bands();
        let met = bands.iter().filter(|band| band.meets(phrase)).count();
        met >= 2 && phrase.x1 - phrase.x0 > PROSE_SHARE * (area.x1 - area.x0)
            || phrase.x1 > area.x1 + 0.5 * (area.x1 - area.x0)
    }

    /// Whether the phrases of a row stand in the bands of the rows before.
    fn aligns(&self, row: &Row) -> bool {
        let bands = self.bands();
        if bands.is_empty() {
            return true;
        }
        let fits = |phrase: &&Phrase| bands.iter().filter(|band| band.meets(phrase)).count() == 1;
        row.phrases.iter().filter(fits).count() * 2 >= row.phrases.len()
    }

    /// Whether a row before has numbers and words in the same places.
    fn has_alike(&self, row: &Row) -> bool {
        if row.phrases.len() < 3 {
            return false;
        }
        self.rows.iter().rev().take(NEAR).filter(|other| other.phrases.len() >= 3).any(|other| {
            let twin = |phrase: &&Phrase| {
                other.phrases.iter().any(|twin| {
                    twin.x0 < phrase.x1
                        && phrase.x0 < twin.x1
                        && stream::is_number(&twin.text) == stream::is_number(&phrase.text)
                })
            };
            row.phrases.iter().filter(twin).count() * 4 >= 3 * row.phrases.len()
        })
    }

    /// Whether a row is the head of another table: words alone, loose below a table of numbers.
    fn begins_anew(&self, row: &Row, gap: f64) -> bool {
        let words_only = row.phrases.iter().all(|phrase| !phrase.text.chars().any(|c| c.is_ascii_digit()));
        let with_numbers =
            self.rows.iter().filter(|row| row.phrases.iter().any(|phrase| stream::is_number(&phrase.text))).count();
        let columns = self.rows.iter().map(|row| row.phrases.len()).max().unwrap_or(0);
        let loose = self.lonely > 0 && self.loosest_at_end() > 0.6 || gap > 1.0;
        words_only && with_numbers >= 2 && loose && row.phrases.len() * 2 >= columns
    }

    /// The widest gap above or between the single phrases at the end, in heights.
    fn loosest_at_end(&self) -> f64 {
        let from = self.rows.len().saturating_sub(self.lonely + 1);
        let tail = self.rows.get(from..).unwrap_or_default();
        tail.windows(2)
            .map(|pair| if let [a, b] = pair { (b.y0 - a.y1) / (b.y1 - b.y0).max(1e-6) } else { 0.0 })
            .fold(0.0, f64::max)
    }

    /// The single phrases at the end, which may be heads of what follows.
    fn heads(&self) -> Vec<Row> {
        self.rows.get(self.rows.len() - self.lonely.min(self.rows.len())..).unwrap_or_default().to_vec()
    }

    fn finish(mut self) -> Option<Built> {
        let trailing = self.lonely;
        // Tight single phrases below the last row are its wrapped cells; what is loose is not the table's.
        let mut kept = self.rows.len() - trailing.min(self.rows.len());
        while let (Some(above), Some(row)) = (kept.checked_sub(1).and_then(|at| self.rows.get(at)), self.rows.get(kept))
        {
            let wraps = row.y0 - above.y1 <= LEAD_MAX * (row.y1 - row.y0) && self.is_in_a_later_column(row);
            if !wraps {
                break;
            }
            kept += 1;
        }
        self.rows.truncate(kept);
        let wide = self.rows.iter().filter(|row| row.phrases.len() >= 2).count();
        let columns = self.rows.iter().map(|row| row.phrases.len()).max().unwrap_or(0);
        if wide < 3 && !(wide == 2 && columns >= 3) {
            return None;
        }
        stream::table(&self.rows, LEAD_MAX)
    }

    fn is_in_a_later_column(&self, row: &Row) -> bool {
        let bands = self.bands();
        row.phrases.iter().all(|phrase| bands.iter().skip(1).filter(|band| band.meets(phrase)).count() == 1)
            && bands.first().is_some_and(|first| row.phrases.iter().all(|phrase| !first.meets(phrase)))
    }
}
