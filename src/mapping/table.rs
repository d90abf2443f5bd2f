//! `[table]`: records below column heads, on pages by geometry and in tables by cells, over page breaks.
//!
//! Which words stand in which column and which rows make one line is decided here; what they mean is not.

use super::bands::{self, Band};
use super::heads::{self, Wanted, Window};
use super::record::{BodyRow, Fragment, Origin, Record};
use super::rule::{Mapping, TableRule};
use super::value::Formats;
use super::view::{Row, View};
use super::words;
use crate::document::{Cell, Table};
use crate::model::message::FieldType;
use crate::model::{Field, Place};

/// More lines than any order has.
pub const RECORDS_MAX: usize = 10_000;

/// What a table rule found, or why it found nothing.
pub enum Found {
    Records(Vec<Wanted>, Vec<Record>),
    /// Heads that are missing, and the place where the others stand.
    NoHeads {
        missing: Vec<String>,
        found: Vec<String>,
        place: Place,
    },
}

/// Reads all records of a part.
pub fn records(mapping: &Mapping, rule: &TableRule, view: &View<'_>) -> Found {
    let wanted = heads::wanted(&rule.columns);
    let grouping = Grouping::new(mapping, rule, &wanted);
    let mut best: Option<(usize, Vec<String>, Vec<String>, Place)> = None;
    let mut note = |count: usize, missing: Vec<String>, found: Vec<String>, place: Place| {
        if best.as_ref().is_none_or(|best| count > best.0) {
            best = Some((count, missing, found, place));
        }
    };
    if view.has_cells()
        && let Some(rows) = by_cells(rule, view, &wanted, &mut note)
    {
        return Found::Records(wanted.clone(), grouping.group(rows));
    }
    if let Some(rows) = by_words(rule, view, &wanted, &mut note) {
        return Found::Records(wanted.clone(), grouping.group(rows));
    }
    let all = || wanted.iter().filter(|wanted| wanted.required).map(name_of).collect();
    match best {
        Some((_, missing, found, place)) => Found::NoHeads { missing, found, place },
        None => Found::NoHeads { missing: all(), found: Vec::new(), place: Place::whole(view.part.name.clone()) },
    }
}

fn name_of(wanted: &Wanted) -> String {
    wanted.written.join("` or `")
}

// --- cells -----------------------------------------------------------------------------------

type Note<'n> = dyn FnMut(usize, Vec<String>, Vec<String>, Place) + 'n;

fn by_cells(rule: &TableRule, view: &View<'_>, wanted: &[Wanted], note: &mut Note<'_>) -> Option<Vec<BodyRow>> {
    let mut body = Vec::new();
    let mut any = false;
    let mut started = rule.start.is_none();
    for (page, table) in
        view.part.pages.iter().enumerate().flat_map(|(page, p)| p.tables.iter().map(move |table| (page, table)))
    {
        let from = if started {
            0
        } else {
            let start = rule.start.as_ref();
            let at = table.rows.iter().position(|row| start.is_some_and(|start| start.is_match(&row_text(row))));
            // The start may stand in the text above the table.
            let above = table.rows.iter().flatten().map(|cell| cell.y0).fold(f64::INFINITY, f64::min);
            let before = view.rows.iter().enumerate().any(|(index, row)| {
                (row.page < page || row.page == page && row.area.y1 <= above)
                    && start.is_some_and(|start| start.is_match(view.row_text(index)))
            });
            match (before, at) {
                (true, _) => 0,
                (false, Some(at)) => at,
                (false, None) => continue,
            }
        };
        let Some(heads::CellHeads { rows, columns, whole }) = heads::in_cells(&table.rows, from, wanted) else {
            continue;
        };
        if !whole {
            let has = |index: usize| columns.iter().any(|column| column.0 == index);
            let part = |there: bool| -> Vec<String> {
                let these = wanted
                    .iter()
                    .enumerate()
                    .filter(|(index, wanted)| has(*index) == there && (there || wanted.required));
                these.map(|(_, wanted)| name_of(wanted)).collect()
            };
            let place =
                table.rows.get(rows.start).and_then(|row| row.first()).map(|cell| view.part.place_of(page, cell));
            note(columns.len(), part(false), part(true), place.unwrap_or_default());
            continue;
        }
        any = true;
        started = true;
        if !cells_body(rule, view, page, table, rows.end, &columns, wanted.len(), &mut body) {
            break;
        }
    }
    any.then_some(body)
}

/// The rows below the heads; `false` when the end was reached.
#[expect(clippy::too_many_arguments, reason = "one loop of its caller, taken out to be read by itself")]
fn cells_body(
    rule: &TableRule,
    view: &View<'_>,
    page: usize,
    table: &Table,
    from: usize,
    columns: &[(usize, usize)],
    count: usize,
    body: &mut Vec<BodyRow>,
) -> bool {
    let heads: Vec<String> = table
        .rows
        .get(from - 1)
        .map(|row| row.iter().map(|cell| words::plain(&cell.text)).collect())
        .unwrap_or_default();
    let mut parted = true;
    for row in table.rows.get(from..).unwrap_or_default() {
        let text = row_text(row);
        if rule.end.as_ref().is_some_and(|end| end.is_match(&text)) {
            return false;
        }
        let again = row.iter().map(|cell| words::plain(&cell.text)).eq(heads.iter().cloned());
        if again || text.trim().is_empty() || rule.skip.as_ref().is_some_and(|skip| skip.is_match(&text)) {
            continue;
        }
        let mut cells = vec![None; count];
        for (index, column) in columns {
            if let (Some(slot), Some(cell)) = (cells.get_mut(*index), row.get(*column))
                && !cell.text.trim().is_empty()
            {
                *slot = Some(Fragment { text: cell.text.clone(), place: view.part.place_of(page, cell) });
            }
        }
        let mut origins = Vec::new();
        let mut at = 0;
        for cell in row.iter().filter(|cell| !cell.text.is_empty()) {
            origins.push((at, Origin::Place(view.part.place_of(page, cell))));
            at += cell.text.len() + 2;
        }
        body.push(BodyRow { cells, text, origins, page, y0: 0.0, y1: 0.0, parted });
        parted = false;
    }
    true
}

/// A row as patterns see it: its filled cells, two spaces apart.
fn row_text(row: &[Cell]) -> String {
    let filled = row.iter().filter(|cell| !cell.text.is_empty()).map(|cell| cell.text.replace('\n', " "));
    filled.collect::<Vec<_>>().join("  ")
}

// --- words -----------------------------------------------------------------------------------

fn by_words(rule: &TableRule, view: &View<'_>, wanted: &[Wanted], note: &mut Note<'_>) -> Option<Vec<BodyRow>> {
    let mut at = match &rule.start {
        Some(start) => (0..view.rows.len()).find(|row| start.is_match(view.row_text(*row)))?,
        None => 0,
    };
    let first = heads::find(view, at, view.rows.len(), wanted)?;
    if !first.is_whole(wanted) {
        let missing: Vec<String> = first.missing(wanted).into_iter().map(name_of).collect();
        let found = first.heads.iter().filter_map(|head| wanted.get(head.wanted)).map(name_of).collect();
        let place = first.heads.first().map(|head| {
            let page = view.rows.get(first.rows.start).map_or(0, |row| row.page);
            view.part.place_of(page, head.area)
        });
        note(first.heads.len(), missing, found, place.unwrap_or_else(|| Place::whole(view.part.name.clone())));
        return None;
    }
    let mut body = Vec::new();
    let mut window = Some(first);
    let mut bands: Vec<Band> = Vec::new();
    while let Some(found) = window.take() {
        let page = view.rows.get(found.rows.start).map_or(0, |row| row.page);
        let page_end = (found.rows.end..view.rows.len())
            .find(|row| view.rows.get(*row).is_some_and(|row| row.page != page))
            .unwrap_or(view.rows.len());
        let end = (found.rows.end..page_end).find(|row| is_end(rule, view, *row)).unwrap_or(page_end);
        // Heads may come again on the same page.
        let again = heads::find(view, found.rows.end, end, wanted).filter(|window| window.is_whole(wanted));
        let to = again.as_ref().map_or(end, |window| window.rows.start);
        bands = bands_of(view, &found, to, wanted.len());
        body_rows(rule, view, found.rows.end..to, &bands, wanted.len(), &mut body);
        if again.is_some() {
            window = again;
            continue;
        }
        if end < page_end {
            break;
        }
        at = page_end;
        // The next page: with heads of its own, or going on below the same ones.
        while at < view.rows.len() && window.is_none() {
            let page = view.rows.get(at).map_or(0, |row| row.page);
            let next = (at..view.rows.len())
                .find(|row| view.rows.get(*row).is_some_and(|row| row.page != page))
                .unwrap_or(view.rows.len());
            window = heads::find(view, at, next, wanted).filter(|window| window.is_whole(wanted));
            if window.is_none() {
                let end = (at..next).find(|row| is_end(rule, view, *row)).unwrap_or(next);
                body_rows(rule, view, at..end, &bands, wanted.len(), &mut body);
                if end < next {
                    return Some(body);
                }
                at = next;
            }
        }
    }
    drop(bands);
    Some(body)
}

fn is_end(rule: &TableRule, view: &View<'_>, row: usize) -> bool {
    rule.end.as_ref().is_some_and(|end| end.is_match(view.row_text(row)))
}

/// Columns from the heads and the rows that look most like lines.
fn bands_of(view: &View<'_>, window: &Window, to: usize, columns: usize) -> Vec<Band> {
    let rows = view.rows.get(window.rows.end..to).unwrap_or_default();
    let most = rows.iter().map(|row| row.phrases.len()).max().unwrap_or(0).min(columns.max(2));
    let strong = (most * 3).div_ceil(5).max(2);
    let mut body: Vec<&Row> = rows.iter().filter(|row| row.phrases.len() >= strong && !is_rule(row)).collect();
    if body.is_empty() {
        body = rows.iter().filter(|row| !is_rule(row)).collect();
    }
    bands::bands(&window.heads, view.rows.get(window.rows.clone()).unwrap_or_default(), &body)
}

/// A row that only draws a line.
fn is_rule(row: &Row) -> bool {
    row.words.iter().all(|word| {
        word.text
            .chars()
            .all(|c| matches!(c, '-' | '=' | '_' | '+' | '*' | '~' | '|' | '—' | '–' | '.' | '\u{2500}'..='\u{257f}'))
    })
}

fn body_rows(
    rule: &TableRule,
    view: &View<'_>,
    range: std::ops::Range<usize>,
    bands: &[Band],
    columns: usize,
    body: &mut Vec<BodyRow>,
) {
    let mut parted = true;
    let mut before: Option<&Row> = None;
    for index in range {
        let Some(row) = view.rows.get(index) else { break };
        let text = view.row_text(index);
        if row.is_blank() || is_rule(row) {
            parted |= !row.is_blank() && !row.words.is_empty();
            continue;
        }
        if rule.skip.as_ref().is_some_and(|skip| skip.is_match(text)) {
            continue;
        }
        let mut cells: Vec<Option<Fragment>> = vec![None; columns];
        for (band, words, area) in bands::assign(row, bands) {
            let Some(slot) = bands.get(band).and_then(|band| band.wanted).and_then(|wanted| cells.get_mut(wanted))
            else {
                continue;
            };
            let text = super::view::join(row.words.get(words).unwrap_or_default());
            let place = view.part.place_of(row.page, area);
            match slot {
                Some(fragment) => {
                    fragment.text.push(' ');
                    fragment.text.push_str(&text);
                }
                None => *slot = Some(Fragment { text, place }),
            }
        }
        let ruled = before.is_some_and(|before| ruled_between(view, before, row));
        let origins = vec![(0, Origin::Byte(row.span.start))];
        body.push(BodyRow {
            cells,
            text: text.to_string(),
            origins,
            page: row.page,
            y0: row.area.y0,
            y1: row.area.y1,
            parted: parted || ruled,
        });
        parted = false;
        before = Some(row);
    }
}

/// Whether a ruling lies between two rows of a drawn page.
fn ruled_between(view: &View<'_>, above: &Row, below: &Row) -> bool {
    let Some(page) = view.part.pages.get(below.page) else { return false };
    let (x0, x1) = (above.area.x0.min(below.area.x0), above.area.x1.max(below.area.x1));
    page.rules.iter().any(|[rx0, ry0, rx1, ry1]| {
        let y = (ry0 + ry1) / 2.0;
        let covered = rx1.min(x1) - rx0.max(x0);
        (ry1 - ry0).abs() <= 2.5 && y >= above.area.y1 - 2.0 && y <= below.area.y0 + 2.0 && covered >= 0.5 * (x1 - x0)
    })
}

// --- rows to records -------------------------------------------------------------------------

/// Which rows begin a line, and which continue it.
struct Grouping<'m> {
    rule: &'m TableRule,
    formats: &'m Formats,
    mapping: &'m Mapping,
    columns: usize,
    /// Wanted columns by what they hold.
    position: Option<usize>,
    numbers: Vec<usize>,
    references: Vec<usize>,
    statuses: Vec<usize>,
}

impl<'m> Grouping<'m> {
    fn new(mapping: &'m Mapping, rule: &'m TableRule, wanted: &[Wanted]) -> Grouping<'m> {
        let of = |test: &dyn Fn(Field) -> bool| -> Vec<usize> {
            let holds = |wanted: &Wanted| {
                wanted.columns.iter().filter_map(|at| rule.columns.get(*at)).any(|column| test(column.field))
            };
            wanted.iter().enumerate().filter(|(_, wanted)| holds(wanted)).map(|(index, _)| index).collect()
        };
        Grouping {
            rule,
            formats: &mapping.formats,
            mapping,
            columns: wanted.len(),
            position: of(&|field| field == Field::Position).first().copied(),
            numbers: of(&|field| field.field_type() == FieldType::Number && field != Field::Position),
            references: of(&|field| super::check::REFERENCES.contains(&field)),
            statuses: of(&|field| field == Field::Status),
        }
    }

    fn filled(&self, row: &BodyRow) -> usize {
        row.cells.iter().filter(|cell| cell.as_ref().is_some_and(|cell| !self.formats.is_empty(&cell.text))).count()
    }

    fn has(&self, row: &BodyRow, columns: &[usize]) -> bool {
        columns.iter().any(|at| {
            row.cells.get(*at).is_some_and(|cell| cell.as_ref().is_some_and(|cell| !self.formats.is_empty(&cell.text)))
        })
    }

    /// The first line of a cell.
    fn first_line<'r>(&self, row: &'r BodyRow, column: usize) -> Option<&'r str> {
        row.cells.get(column)?.as_ref()?.text.lines().map(str::trim).find(|line| !line.is_empty())
    }

    fn begins(&self, row: &BodyRow) -> bool {
        if let Some(first) = &self.rule.first {
            return first.is_match(&row.text);
        }
        if self.rule.more.as_ref().is_some_and(|more| more.is_match(&row.text)) {
            return false;
        }
        let reads = |at: &usize| self.first_line(row, *at).is_some_and(|text| self.formats.number(text).is_ok());
        let read = self.numbers.iter().filter(|at| reads(at)).count();
        let number = read > 0;
        // A row that is filled like a line is one, so that a position that cannot be read is told.
        let full =
            number && read >= self.numbers.len().min(2) && self.filled(row) >= ((self.columns * 3).div_ceil(5)).max(3);
        if let Some(position) = self.position {
            let column = self.rule.columns.iter().find(|column| column.field == Field::Position);
            let text = self.first_line(row, position);
            let read = text.is_some_and(|text| match column.and_then(|column| column.find.as_ref()) {
                Some(find) => find.is_match(text),
                None => matches!(super::interpret::interpret(self.mapping, Field::Position, text), Ok(Some(_))),
            });
            return read && (self.columns < 3 || self.filled(row) >= 2) || full && !words::is_stop(&row.text);
        }
        if words::is_stop(&row.text) {
            return false;
        }
        self.has(row, &self.references) && (number || self.has(row, &self.statuses)) || full
    }

    fn group(&self, rows: Vec<BodyRow>) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        let mut filled_most = 0;
        let mut pending: Vec<BodyRow> = Vec::new();
        // The last row of the open record, for the distance to the next.
        let mut last: Option<(usize, f64, f64)> = None;
        let mut closed = false;
        let mut leads = false;
        for row in rows {
            if self.begins(&row) {
                let filled = self.filled(&row);
                // Behind a sum only a row as full as those before is a line.
                if closed && filled * 5 < filled_most * 3 {
                    continue;
                }
                filled_most = filled_most.max(filled);
                leads |= records.is_empty() && pending.iter().any(|row| !words::is_stop(&row.text));
                let before = self.share(&mut records, std::mem::take(&mut pending), last, Some(&row), leads && !closed);
                closed = false;
                if records.len() >= RECORDS_MAX {
                    break;
                }
                let mut record = Record::new(self.columns);
                last = Some((row.page, row.y0, row.y1));
                for lead in before {
                    record.push(lead, false);
                }
                record.push(row, true);
                records.push(record);
            } else if !closed
                && words::is_stop(&row.text)
                && self.rule.more.as_ref().is_none_or(|more| !more.is_match(&row.text))
            {
                self.share(&mut records, std::mem::take(&mut pending), last, None, false);
                closed = true;
            } else if !closed && self.rule.more.as_ref().is_none_or(|more| more.is_match(&row.text)) {
                pending.push(row);
            }
        }
        if !closed {
            self.share(&mut records, pending, last, None, false);
        }
        records
    }

    /// Gives the rows between two lines to the one above; those it returns belong to the one below.
    fn share(
        &self,
        records: &mut [Record],
        rows: Vec<BodyRow>,
        above: Option<(usize, f64, f64)>,
        below: Option<&BodyRow>,
        leads: bool,
    ) -> Vec<BodyRow> {
        if rows.is_empty() {
            return rows;
        }
        // The gaps: above the first row, between rows, below the last.
        let mut gaps: Vec<(f64, bool)> = Vec::new();
        let mut before = above;
        for row in rows.iter().chain(below) {
            let gap = match before {
                Some((page, _, y1)) if page == row.page => row.y0 - y1,
                _ => f64::INFINITY,
            };
            let height = (row.y1 - row.y0).max(0.0);
            let wide = gap > if height <= 1.0 { 0.5 } else { 0.9 * height };
            gaps.push((gap, wide || row.parted));
            before = Some((row.page, row.y0, row.y1));
        }
        let count = rows.len();
        let broken = gaps.iter().take(count + usize::from(below.is_some())).position(|gap| gap.1);
        let (up, down) = match broken {
            // From the first wide gap on nothing belongs to the line above; what touches the line below is its.
            Some(first) => {
                let lower = if below.is_some() {
                    gaps.iter().rposition(|gap| gap.1).unwrap_or(first).max(first)
                } else {
                    count
                };
                (first.min(count), lower.min(count))
            }
            None if leads => {
                let widest = gaps
                    .iter()
                    .enumerate()
                    .max_by(|a, b| a.1.0.total_cmp(&b.1.0).then(a.0.cmp(&b.0)))
                    .map_or(count, |(index, _)| index);
                (widest.min(count), widest.min(count))
            }
            None => (count, count),
        };
        let mut lower = Vec::new();
        for (index, row) in rows.into_iter().enumerate() {
            if index < up {
                if let Some(record) = records.last_mut() {
                    record.push(row, false);
                }
            } else if index >= down && below.is_some() {
                lower.push(row);
            }
        }
        lower
    }
}
