//! The walk over the elements: blocks below each other, boxes and cells beside each other.

use scraper::{ElementRef, Html, Node, node::Element};

use super::flow::{APART, Block, Flow};
use super::style::{Display, Inherited, Sheet};
use crate::document::{Cell, Limits, Line, Table, place::Area, table};

/// More columns than any table that a person made.
const COLUMNS_MAX: usize = 1_000;

/// A page on the character grid.
pub(super) struct Laid {
    pub lines: Vec<Line>,
    pub tables: Vec<Table>,
    /// A limit was met; the rest is missing.
    pub cut: bool,
}

pub(super) fn page(document: &Html, sheet: &Sheet, limits: &Limits) -> Laid {
    let mut layout = Layout {
        sheet,
        characters: limits.words_max.saturating_mul(16),
        boxes: limits.words_max,
        cells: limits.cells_max,
        cut: false,
    };
    let mut flow = Flow::default();
    layout.children(&mut flow, document.root_element(), &Inherited::ROOT);
    let Block { lines, tables } = flow.finish();
    let tables = join_rows(tables, &lines);
    Laid { lines, tables, cut: layout.cut }
}

struct Layout<'a> {
    sheet: &'a Sheet,
    /// What may still be laid out.
    characters: usize,
    boxes: usize,
    cells: usize,
    cut: bool,
}

impl Layout<'_> {
    fn children(&mut self, flow: &mut Flow, parent: ElementRef<'_>, inherited: &Inherited) {
        let numbered = parent.value().name() == "ol";
        let mut item = parent.attr("start").and_then(|start| start.trim().parse::<i64>().ok()).unwrap_or(1);
        for child in parent.children() {
            match child.value() {
                Node::Text(text) => self.text(flow, text, inherited),
                Node::Element(_) => {
                    let Some(element) = ElementRef::wrap(child) else { continue };
                    let mark = if numbered { format!("{item}.") } else { "•".into() };
                    item += i64::from(element.value().name() == "li");
                    self.element(flow, element, inherited, &mark);
                }
                _ => {}
            }
            if self.cut {
                return;
            }
        }
    }

    fn text(&mut self, flow: &mut Flow, text: &str, inherited: &Inherited) {
        if text.len() > self.characters {
            self.cut = true;
            return;
        }
        self.characters -= text.len();
        if inherited.hides() {
            flow.hidden(text);
        } else {
            flow.text(text, inherited.keeps_lines, inherited.keeps_spaces);
        }
    }

    fn element(&mut self, flow: &mut Flow, element: ElementRef<'_>, outer: &Inherited, mark: &str) {
        let value = element.value();
        if is_never_shown(value) {
            return;
        }
        if self.boxes == 0 {
            self.cut = true;
            return;
        }
        self.boxes -= 1;
        let style = self.sheet.style(&element, outer);
        let inherited = &style.inherited;
        if inherited.gone {
            return self.unseen(flow, element);
        }
        match value.name() {
            "br" => return flow.line_break(),
            "hr" => return flow.edge(false),
            "input" => return self.input(flow, value, inherited),
            "select" => return self.select(flow, element, inherited),
            _ => {}
        }
        match style.display {
            Display::Inline => self.children(flow, element, inherited),
            Display::Block => {
                flow.edge(style.margin);
                self.children(flow, element, inherited);
                flow.edge(style.margin);
            }
            Display::ListItem => {
                flow.edge(false);
                if inherited.marks {
                    flow.mark(mark);
                }
                self.children(flow, element, inherited);
                flow.edge(false);
            }
            Display::Beside => {
                let block = self.inside(element, inherited);
                flow.beside(block);
            }
            Display::Row => {
                flow.edge(style.margin);
                for child in element.children() {
                    match child.value() {
                        Node::Text(text) if !text.trim().is_empty() => self.text(flow, text, inherited),
                        Node::Element(_) => {
                            let Some(child) = ElementRef::wrap(child) else { continue };
                            let mut inner = Flow::default();
                            self.element(&mut inner, child, inherited, "•");
                            flow.beside(inner.finish());
                        }
                        _ => {}
                    }
                }
                flow.edge(style.margin);
            }
            Display::Table => {
                let block = self.table(element, inherited);
                if style.floats {
                    flow.beside(block);
                } else {
                    flow.below(block, style.margin);
                }
            }
        }
    }

    /// The words of an element that takes no part in the layout.
    fn unseen(&mut self, flow: &mut Flow, element: ElementRef<'_>) {
        for node in element.descendants() {
            if let Node::Text(text) = node.value()
                && !node.parent().and_then(|parent| parent.value().as_element().map(is_never_shown)).unwrap_or(false)
            {
                if text.len() > self.characters {
                    self.cut = true;
                    return;
                }
                self.characters -= text.len();
                flow.hidden(text);
            }
        }
    }

    fn inside(&mut self, element: ElementRef<'_>, inherited: &Inherited) -> Block {
        let mut flow = Flow::default();
        self.children(&mut flow, element, inherited);
        flow.finish()
    }

    fn input(&mut self, flow: &mut Flow, input: &Element, inherited: &Inherited) {
        let checked = if input.attr("checked").is_some() { "☒" } else { "☐" };
        match input.attr("type").unwrap_or("text").to_ascii_lowercase().as_str() {
            "hidden" | "password" | "file" | "image" => {}
            "checkbox" | "radio" => self.text(flow, checked, inherited),
            _ => self.text(flow, input.attr("value").unwrap_or_default(), inherited),
        }
    }

    fn select(&mut self, flow: &mut Flow, select: ElementRef<'_>, inherited: &Inherited) {
        let options = || select.descendent_elements().filter(|element| element.value().name() == "option");
        if let Some(shown) = options().find(|option| option.attr("selected").is_some()).or_else(|| options().next()) {
            let text: String = shown.text().collect();
            self.text(flow, &text, inherited);
        }
    }

    // --- tables ------------------------------------------------------------------------------

    fn table(&mut self, element: ElementRef<'_>, inherited: &Inherited) -> Block {
        let mut grid = Grid::default();
        let mut captions = Flow::default();
        self.rows(element, inherited, &mut grid, &mut captions);
        captions.edge(false);
        grid.place(captions)
    }

    fn rows(&mut self, section: ElementRef<'_>, inherited: &Inherited, grid: &mut Grid, captions: &mut Flow) {
        for child in section.child_elements() {
            if self.cut {
                return;
            }
            let name = child.value().name();
            let style = self.sheet.style(&child, inherited);
            match name {
                "thead" | "tbody" | "tfoot" if !style.inherited.gone => {
                    self.rows(child, &style.inherited, grid, captions)
                }
                "tr" if !style.inherited.gone => self.cells(child, &style.inherited, grid),
                "caption" if !style.inherited.gone => {
                    captions.edge(false);
                    self.children(captions, child, &style.inherited);
                    captions.edge(false);
                }
                "colgroup" | "col" | "style" | "script" | "template" => {}
                _ => self.unseen(captions, child),
            }
        }
    }

    fn cells(&mut self, row: ElementRef<'_>, inherited: &Inherited, grid: &mut Grid) {
        let index = grid.rows;
        let mut column = 0;
        for cell in row.child_elements() {
            if !matches!(cell.value().name(), "td" | "th") {
                continue;
            }
            let style = self.sheet.style(&cell, inherited);
            if style.inherited.gone {
                let mut flow = Flow::default();
                self.unseen(&mut flow, cell);
                grid.unseen.push((index, flow.finish()));
                continue;
            }
            let number = |name: &str| cell.attr(name).and_then(|value| value.trim().parse::<usize>().ok());
            let columns = number("colspan").unwrap_or(1).clamp(1, COLUMNS_MAX);
            let rows = match number("rowspan").unwrap_or(1) {
                0 => usize::MAX / 2,
                rows => rows,
            };
            while grid.busy_until.get(column).is_some_and(|until| *until > index) {
                column += 1;
            }
            let end = (column + columns).min(COLUMNS_MAX);
            if end <= column || self.cells < end - column {
                self.cut = true;
                return;
            }
            self.cells -= end - column;
            if grid.busy_until.len() < end {
                grid.busy_until.resize(end, 0);
            }
            for until in grid.busy_until.iter_mut().take(end).skip(column) {
                *until = (*until).max(index.saturating_add(rows));
            }
            let block = self.inside(cell, &style.inherited);
            grid.slots.push(Slot { row: index, column, rows, columns: end - column, block });
            column = end;
            if self.cut {
                return;
            }
        }
        grid.rows += 1;
    }
}

/// What has text inside that is not for readers.
fn is_never_shown(element: &Element) -> bool {
    matches!(
        element.name(),
        "head"
            | "title"
            | "style"
            | "script"
            | "template"
            | "svg"
            | "math"
            | "object"
            | "iframe"
            | "audio"
            | "video"
            | "canvas"
            | "datalist"
    )
}

/// A table while it is laid out.
#[derive(Default)]
struct Grid {
    rows: usize,
    slots: Vec<Slot>,
    /// For each column, the row behind the last one that a cell covers.
    busy_until: Vec<usize>,
    /// Hidden cells, which take no place, with their row.
    unseen: Vec<(usize, Block)>,
}

struct Slot {
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
    block: Block,
}

impl Grid {
    /// Puts all cells side by side and below each other; a data table becomes a [`Table`] too.
    fn place(mut self, captions: Flow) -> Block {
        for slot in &mut self.slots {
            slot.rows = slot.rows.min(self.rows - slot.row.min(self.rows)).max(1);
        }
        let widths = self.sizes(self.busy_until.len(), APART, |slot| (slot.column, slot.columns, slot.block.width()));
        let heights = self.sizes(self.rows, 0, |slot| (slot.row, slot.rows, slot.block.lines.len()));
        let lefts = positions(&widths, APART);
        let captions = captions.finish();
        let mut tops = positions(&heights, 0);
        tops.iter_mut().for_each(|top| *top += captions.lines.len());
        let at = |positions: &[usize], index: usize| positions.get(index).copied().unwrap_or(0);

        let data = self.data(&widths, &heights, &lefts, &tops);
        let mut flow = Flow::default();
        flow.place(captions, 0, 0);
        for (row, block) in self.unseen {
            flow.place(block, 0, at(&tops, row));
        }
        for slot in self.slots {
            flow.place(slot.block, at(&lefts, slot.column), at(&tops, slot.row));
        }
        flow.tables().extend(data);
        flow.finish()
    }

    /// The size of every column (or row): what its own cells need, then what spanning cells need more.
    fn sizes(&self, count: usize, apart: usize, of: impl Fn(&Slot) -> (usize, usize, usize)) -> Vec<usize> {
        let mut sizes = vec![0; count];
        let mut spanning = Vec::new();
        for slot in &self.slots {
            let (at, span, need) = of(slot);
            match sizes.get_mut(at) {
                Some(size) if span == 1 => *size = need.max(*size),
                _ if need > 0 => spanning.push((span, at, need)),
                _ => {}
            }
        }
        spanning.sort_unstable();
        for (span, at, need) in spanning {
            let covered = sizes.get(at..(at + span).min(count)).unwrap_or_default();
            let used = covered.iter().filter(|size| **size > 0).count();
            let have = covered.iter().sum::<usize>() + apart * used.saturating_sub(1);
            // Widen the last one in use, so that empty columns stay empty.
            let last = covered.iter().rposition(|size| *size > 0).unwrap_or(0);
            if need > have
                && let Some(size) = sizes.get_mut(at + last)
            {
                *size += need - have;
            }
        }
        sizes
    }

    /// The cells of a table that says something in columns; none for one that only lays out.
    fn data(&self, widths: &[usize], heights: &[usize], lefts: &[usize], tops: &[usize]) -> Option<Table> {
        let columns = widths.iter().filter(|width| **width > 0).count();
        let rows = heights.iter().filter(|height| **height > 0).count();
        let seen = self.slots.iter().filter(|slot| slot.block.is_seen());
        let (mut said, mut nested) = (0, 0);
        for slot in seen {
            said += 1;
            nested += usize::from(!slot.block.tables.is_empty());
        }
        let holds_data = nested == 0 || rows >= 2 && columns >= 3 && nested * 10 <= said * 4;
        if columns < 2 || rows < 1 || !holds_data || self.rows.saturating_mul(widths.len()) > 4_000_000 {
            return None;
        }
        let at = |list: &[usize], index: usize| list.get(index).copied().unwrap_or(0) as f64;
        let field = |row: usize, column: usize| Area {
            x0: at(lefts, column),
            y0: at(tops, row),
            x1: at(lefts, column) + at(widths, column),
            y1: at(tops, row) + at(heights, row),
        };
        let mut cells: Vec<Vec<Cell>> = (0..self.rows)
            .map(|row| (0..widths.len()).map(|column| Cell::new("", field(row, column))).collect())
            .collect();
        for slot in &self.slots {
            let Some(cell) = cells.get_mut(slot.row).and_then(|row| row.get_mut(slot.column)) else { continue };
            if let Some(area) = slot.block.area() {
                let (dx, dy) = (at(lefts, slot.column), at(tops, slot.row));
                let area = Area { x0: area.x0 + dx, y0: area.y0 + dy, x1: area.x1 + dx, y1: area.y1 + dy };
                *cell = Cell::new(slot.block.text(), area);
            }
        }
        table::without_empty(&mut cells);
        Some(Table { rows: cells })
    }
}

/// Where each column (or row) begins; empty ones take no room.
fn positions(sizes: &[usize], apart: usize) -> Vec<usize> {
    let mut next = 0;
    let mut positions = Vec::with_capacity(sizes.len());
    for size in sizes {
        positions.push(next);
        if *size > 0 {
            next += size + apart;
        }
    }
    positions
}

/// Mails often make each row a table of its own; such tables that follow each other, column by
/// column, are one.
fn join_rows(mut tables: Vec<Table>, lines: &[Line]) -> Vec<Table> {
    let area = |table: &Table| Area::around(table.rows.iter().flatten().map(Area::from));
    tables.sort_by(|a, b| {
        let top = |table: &Table| area(table).map_or((0.0, 0.0), |area| (area.y0, area.x0));
        let (a, b) = (top(a), top(b));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    let mut joined: Vec<Table> = Vec::new();
    for table in tables {
        if let Some(last) = joined.last_mut()
            && table.rows.len() == 1
            && last.rows.last().map(Vec::len) == table.rows.first().map(Vec::len)
            && last.rows.first().map(Vec::len) == table.rows.first().map(Vec::len)
            && let (Some(above), Some(below)) = (area(last), area(&table))
            && (above.x0 - below.x0).abs() < 0.5
            && below.y0 >= above.y1
            && !lines
                .get(above.y1 as usize..below.y0 as usize)
                .unwrap_or_default()
                .iter()
                .any(|line| line.visible().next().is_some())
        {
            last.rows.extend(table.rows);
        } else {
            joined.push(table);
        }
    }
    joined
}
