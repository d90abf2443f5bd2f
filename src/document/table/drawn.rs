//! The tables of a drawn page: by ruling lines where they fit what stands in them, else by alignment.

use std::borrow::Cow;

use super::lattice::{self, Grid, Lattice};
use super::prose;
use super::rules::{Rule, Rules};
use super::stream::{self, Built, Lift, Row};
use super::{
    Cell, Phrase,
    bands::{self, Band},
};
use crate::document::{Line, Table, Word, place::Area};

/// A drawn line wraps within a cell when it stands this tight below the one above, in heights.
const LEAD_MAX: f64 = 0.35;
/// A head over several columns stands this tight above theirs, in heights.
const HEAD_LEAD_MAX: f64 = 0.8;
/// Rows of a block are no further apart than this, in heights ...
const GAP_MAX: f64 = 2.2;
/// ... unless the next one has the very shape of a row before.
const GAP_MAX_ALIKE: f64 = 9.0;
/// Lines of one phrase that may stand between two rows of a table: loose ones, tight ones.
const LONELY_MAX: usize = 3;
const LONELY_TIGHT_MAX: usize = 12;
/// A single phrase over several columns that takes this share of the block's width is prose.
const PROSE_SHARE: f64 = 0.5;
/// Rows between rules of one width belong together even when they are this far apart, in heights.
const GAP_MAX_FRAMED: f64 = 4.0;
/// A cell over the whole width with so many letters is a sentence about the table.
const CAPTION_MIN: usize = 60;
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
    let mut rules = Rules::of(boxes);
    let mut lines = Cow::Borrowed(lines);
    without_strokes(&mut lines, &mut rules);
    let running = prose::beside(&lines);
    if !running.is_empty() {
        for line in lines.to_mut() {
            line.words.retain(|word| !running.iter().any(|area| holds(area, word)));
        }
    }
    let lines = &*lines;
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

/// Rows of dashes that somebody typed are rules.
fn without_strokes(lines: &mut Cow<'_, [Line]>, rules: &mut Rules) {
    let is_stroke =
        |word: &Word| word.text.len() >= 8 && word.text.chars().all(|c| matches!(c, '-' | '=' | '_' | '—' | '–'));
    if !lines.iter().any(|line| line.words.iter().any(is_stroke)) {
        return;
    }
    for line in lines.to_mut() {
        if line.visible().all(is_stroke) {
            for word in line.words.drain(..) {
                rules.horizontal.push(Rule { at: (word.y0 + word.y1) / 2.0, from: word.x0, to: word.x1 });
            }
        }
    }
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
    let mut table = lattice.table;
    without_captions(&mut table.rows);
    Some((table, area))
}

/// Drops sentences over the whole width above and below the rows.
fn without_captions(rows: &mut Vec<Vec<Cell>>) {
    let is_caption = |row: &Vec<Cell>| {
        let mut said = row.iter().filter(|cell| !cell.text.is_empty());
        said.next().is_some_and(|cell| cell.text.chars().count() >= CAPTION_MIN) && said.next().is_none()
    };
    while rows.len() > 3 && rows.last().is_some_and(is_caption) {
        rows.pop();
    }
    while rows.len() > 3 && rows.first().is_some_and(is_caption) {
        rows.remove(0);
    }
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
    if lattice.whole && lattice.rows >= 3 && lattice.columns >= 3 {
        return true;
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
            block.framed = rules.frame(above.y1, row.y0);
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
    /// Whether the next row stands within the frame of rules in which the last one stands.
    framed: bool,
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
        let gap_max = if self.framed { GAP_MAX_FRAMED } else { GAP_MAX };
        if alone {
            self.lonely += 1;
            let most = if gap <= LEAD_MAX { LONELY_TIGHT_MAX } else { LONELY_MAX };
            if gap > gap_max || self.lonely > most || self.is_prose(row) {
                self.lonely -= 1;
                return false;
            }
        } else {
            let limit = if self.has_alike(row) { GAP_MAX_ALIKE } else { gap_max };
            if gap > limit || !self.aligns(row) && !self.heads_it(row, gap) || self.begins_anew(row, gap) {
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
            if !fits || below - head.y1 > HEAD_LEAD_MAX * (head.y1 - head.y0) {
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
        let fits = |phrase: &&Phrase| match bands.iter().filter(|band| band.meets(phrase)).count() {
            0 => false,
            1 => true,
            _ => phrase.gaps.iter().any(|gap| phrase.parted(gap, &bands).is_some()),
        };
        row.phrases.iter().filter(fits).count() * 2 >= row.phrases.len()
    }

    /// Whether all rows so far are heads over several columns of this one.
    fn heads_it(&self, row: &Row, gap: f64) -> bool {
        let (Some(first), Some(last)) = (row.phrases.first(), row.phrases.last()) else { return false };
        let within = |phrase: &Phrase| first.x0 - 2.0 <= phrase.x0 && phrase.x1 <= last.x1 + 2.0;
        gap <= 1.0
            && self.rows.len() <= 3
            && self.rows.iter().all(|head| {
                head.phrases.len() < row.phrases.len()
                    && head.phrases.iter().all(|phrase| within(phrase) && !stream::is_number(&phrase.text))
            })
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
        let first = |row: &Row| row.phrases.first().map(|phrase| phrase.text.clone());
        let head = self.rows.iter().find(|row| row.phrases.len() >= 2);
        let repeats = first(row).is_some_and(|text| text.chars().any(char::is_alphabetic))
            && head.is_some_and(|head| head.phrases.len() == row.phrases.len() && first(head) == first(row));
        if repeats && with_numbers >= 2 && self.lonely > 0 && self.loosest_at_end() > 0.6 {
            return true;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of ten points height; letters are five points wide, spaces three.
    fn line(y0: f64, phrases: &[(f64, &str)]) -> Line {
        let mut words = Vec::new();
        for (x, text) in phrases {
            let mut x0 = *x;
            for word in text.split(' ').filter(|word| !word.is_empty()) {
                let x1 = x0 + 5.0 * word.chars().count() as f64;
                words.push(Word { text: word.into(), x0, y0, x1, y1: y0 + 10.0, hidden: false });
                x0 = x1 + 3.0;
            }
        }
        words.sort_by(|a, b| a.x0.total_cmp(&b.x0));
        Line { words }
    }

    fn shown(lines: &[Line], rules: &[[f64; 4]]) -> Vec<Vec<String>> {
        let row = |row: &Vec<Cell>| row.iter().map(|cell| cell.text.replace('\n', "/")).collect::<Vec<_>>().join("|");
        tables(lines, rules).tables.iter().map(|table| table.rows.iter().map(row).collect()).collect()
    }

    /// The text beside a table must not become its last column.
    #[test]
    fn running_text_beside_a_table_is_none_of_its_cells() {
        let prose = "and so we ask all readers to look at what stands beside";
        let mut lines = Vec::new();
        for index in 0..12 {
            let y = 100.0 + 12.0 * f64::from(index);
            let mut phrases = vec![(300.0, prose)];
            if index % 2 == 0 {
                phrases.extend([(50.0, "Nails"), (120.0, "100"), (180.0, "2,50")]);
            }
            lines.push(line(y, &phrases));
            if index % 4 == 1 {
                lines.push(line(y + 6.0, &[(50.0, "Bolts"), (120.0, "200"), (180.0, "3,50")]));
            }
        }
        let found = shown(&lines, &[]);
        assert_eq!(found.len(), 1);
        assert!(found[0].iter().all(|row| row.matches('|').count() == 2 && !row.contains("readers")), "{found:?}");
    }

    /// Heads over several columns stay with the columns below them, from the first one on.
    #[test]
    fn heads_over_several_columns_belong_to_the_table() {
        let mut lines = vec![
            line(80.0, &[(140.0, "Ordered"), (270.0, "Delivered")]),
            line(94.0, &[(50.0, "Item"), (110.0, "Qty"), (180.0, "Price"), (240.0, "Qty"), (310.0, "Price")]),
        ];
        for index in 0..4 {
            let y = 108.0 + 14.0 * f64::from(index);
            lines.push(line(y, &[(50.0, "A-1"), (110.0, "10"), (180.0, "2,50"), (240.0, "8"), (310.0, "2,40")]));
        }
        let found = shown(&lines, &[]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0][..2], ["|Ordered||Delivered|", "Item|Qty|Price|Qty|Price"]);
    }

    /// Two narrow columns of numbers are two columns, though hardly a space stands between them.
    #[test]
    fn numbers_that_stand_close_are_two_columns() {
        let rows = [(100.0, "1,250"), (112.0, "2,197"), (124.0, "3,468")];
        let row = |(y, number): &(f64, &str)| {
            let mut line = line(*y, &[(50.0, "Nails"), (120.0, number), (150.0, "45.2"), (200.0, "x")]);
            line.words.sort_by(|a, b| a.x0.total_cmp(&b.x0));
            line
        };
        let lines: Vec<Line> = rows.iter().map(row).collect();
        assert_eq!(shown(&lines, &[])[0][0], "Nails|1,250|45.2|x");
    }

    /// A table set between three rules is one, whatever space its sections leave.
    #[test]
    fn sections_between_rules_are_one_table() {
        let body = |y: f64| line(y, &[(50.0, "4711"), (150.0, "10"), (250.0, "2,50")]);
        let lines = [
            line(100.0, &[(50.0, "Item"), (150.0, "Quantity"), (250.0, "Price")]),
            line(145.0, &[(50.0, "Nails")]),
            body(160.0),
            body(172.0),
            line(213.0, &[(50.0, "Bolts")]),
            body(228.0),
            body(240.0),
        ];
        let rules = [95.0, 115.0, 255.0].map(|y| [40.0, y, 400.0, y]);
        let found = shown(&lines, &rules);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].len(), 7);
    }

    /// Typed dashes below the heads do not part them from their rows.
    #[test]
    fn typed_dashes_are_rules() {
        let row = |y: f64| line(y, &[(50.0, "A-1"), (150.0, "10"), (250.0, "2,50")]);
        let lines = [
            line(100.0, &[(50.0, "Item"), (150.0, "Quantity"), (250.0, "Price")]),
            line(112.0, &[(50.0, "--------------------------------------------------")]),
            row(124.0),
            row(136.0),
        ];
        assert_eq!(shown(&lines, &[]), [["Item|Quantity|Price", "A-1|10|2,50", "A-1|10|2,50"].map(String::from)]);
    }

    /// Justified text in a fully drawn grid does not make columns of its words.
    #[test]
    fn a_whole_grid_is_believed() {
        let mut rules = Vec::new();
        for y in [90.0, 130.0, 150.0, 170.0, 190.0] {
            rules.push([40.0, y, 340.0, y]);
        }
        for x in [40.0, 140.0, 240.0, 340.0] {
            rules.push([x, 90.0, x, 190.0]);
        }
        let mut lines = vec![
            line(
                95.0,
                &[(45.0, "Number"), (120.0, "of"), (145.0, "Pct"), (220.0, "of"), (245.0, "Sum"), (320.0, "of")],
            ),
            line(107.0, &[(45.0, "financial"), (145.0, "companies"), (245.0, "all")]),
        ];
        for y in [135.0, 155.0, 175.0] {
            lines.push(line(y, &[(45.0, "52"), (145.0, "28%"), (245.0, "11")]));
        }
        assert_eq!(shown(&lines, &rules)[0][0], "Number of/financial|Pct of/companies|Sum of/all");
    }
}
