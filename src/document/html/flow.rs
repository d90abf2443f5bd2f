//! Boxes of lines: words run from left to right, boxes stand below or beside each other.

use crate::document::{Line, Table, Word, grid, place::Area};

/// How far boxes that stand beside each other are apart, in columns.
pub(super) const APART: usize = 2;

/// A laid-out piece: its lines from row 0, and the tables on them.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub lines: Vec<Line>,
    pub tables: Vec<Table>,
}

impl Block {
    pub(super) fn width(&self) -> usize {
        let end = |line: &Line| line.words.iter().map(|word| word.x1 as usize).max().unwrap_or(0);
        self.lines.iter().map(end).max().unwrap_or(0)
    }

    /// Whether a reader sees anything of it.
    pub(super) fn is_seen(&self) -> bool {
        self.lines.iter().any(|line| line.visible().next().is_some())
    }

    /// The visible text, lines parted by `\n`, empty ones left out.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for line in self.lines.iter().map(Line::text).filter(|line| !line.is_empty()) {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&line.replace("  ", " "));
        }
        text
    }

    /// The box of all visible words.
    pub(super) fn area(&self) -> Option<Area> {
        Area::around(self.lines.iter().filter_map(Line::area))
    }

    /// Puts it somewhere else.
    fn shift(&mut self, dx: usize, dy: usize) {
        let (dx, dy) = (dx as f64, dy as f64);
        for word in self.lines.iter_mut().flat_map(|line| &mut line.words) {
            shift_word(word, dx, dy);
        }
        for cell in self.tables.iter_mut().flat_map(|table| &mut table.rows).flatten() {
            cell.x0 += dx;
            cell.x1 += dx;
            cell.y0 += dy;
            cell.y1 += dy;
        }
    }
}

fn shift_word(word: &mut Word, dx: f64, dy: f64) {
    word.x0 += dx;
    word.x1 += dx;
    word.y0 += dy;
    word.y1 += dy;
}

/// Lines under construction.
#[derive(Debug, Default)]
pub(super) struct Flow {
    block: Block,
    /// The row being written, the column behind its last character, and the first row below all
    /// boxes that stand beside it.
    row: usize,
    column: usize,
    bottom: usize,
    /// A space is due before the next word.
    space: bool,
    /// The next character goes on with the last word.
    word_open: bool,
    /// An empty line is due before the next words.
    gap: bool,
    /// A box stands to the left on this row: what follows keeps its distance.
    after_box: bool,
}

impl Flow {
    #[expect(clippy::indexing_slicing, reason = "the row was made the line before")]
    fn line(&mut self) -> &mut Line {
        if self.block.lines.len() <= self.row {
            self.block.lines.resize_with(self.row + 1, Line::default);
        }
        &mut self.block.lines[self.row]
    }

    /// Adds text as browsers collapse it.
    pub(super) fn text(&mut self, text: &str, keeps_lines: bool, keeps_spaces: bool) {
        for c in text.chars() {
            match c {
                '\n' if keeps_lines => self.line_break(),
                '\r' if keeps_lines => {}
                ' ' | '\t' | '\n' | '\r' | '\u{c}' if !keeps_spaces => {
                    self.word_open = false;
                    self.space |= self.column > 0;
                }
                '\t' => {
                    self.word_open = false;
                    self.column = (self.column / grid::TAB + 1) * grid::TAB;
                }
                c if grid::is_space(c) => {
                    // A no-break space holds its place.
                    self.settle();
                    self.word_open = false;
                    self.column += 1;
                }
                c if grid::is_invisible(c) => {}
                c => self.character(c),
            }
        }
    }

    /// Adds words that cannot be seen: they take no room, and what is seen stands as if they were not there.
    pub(super) fn hidden(&mut self, text: &str) {
        let (column, row) = (self.column, self.row);
        let mut unseen = Vec::new();
        grid::push_text(&mut unseen, text, column, row, true);
        for word in &mut unseen {
            (word.x0, word.x1) = (column as f64, column as f64);
        }
        self.line().words.extend(unseen);
    }

    fn character(&mut self, c: char) {
        if self.word_open
            && let Some(word) = self.line().words.iter_mut().rev().find(|word| !word.hidden)
        {
            word.text.push(c);
            word.x1 += 1.0;
            self.column += 1;
            return;
        }
        self.settle();
        let (column, row) = (self.column, self.row);
        self.line().words.push(grid::word(c.into(), column, column + 1, row, false));
        self.column += 1;
        self.word_open = true;
    }

    /// Makes the space, distance or empty line that is due before something visible.
    fn settle(&mut self) {
        if std::mem::take(&mut self.gap) && self.row > 0 && self.column == 0 {
            self.row = self.row.max(self.bottom) + 1;
        }
        if std::mem::take(&mut self.after_box) {
            self.column += APART;
            self.space = false;
        }
        self.column += usize::from(std::mem::take(&mut self.space));
    }

    /// A bullet or number before the text of a list item.
    pub(super) fn mark(&mut self, mark: &str) {
        self.text(mark, false, false);
        self.word_open = false;
        self.space = true;
    }

    /// A forced line end.
    pub(super) fn line_break(&mut self) {
        self.line();
        self.row = (self.row + 1).max(self.bottom);
        self.rewind();
    }

    fn rewind(&mut self) {
        self.column = 0;
        self.space = false;
        self.word_open = false;
        self.after_box = false;
    }

    /// The edge of a block: what follows begins on a new line, after an empty one with `gap`.
    pub(super) fn edge(&mut self, gap: bool) {
        if self.column > 0 || self.row < self.bottom {
            self.row = (self.row + 1).max(self.bottom);
        }
        self.rewind();
        self.gap |= gap && self.row > 0;
    }

    /// Puts a box below what is there.
    pub(super) fn below(&mut self, block: Block, gap: bool) {
        self.edge(gap);
        if block.is_seen() {
            self.settle();
        }
        self.put(block, 0);
        self.edge(gap);
    }

    /// Puts a box beside what is on this line.
    pub(super) fn beside(&mut self, block: Block) {
        if !block.is_seen() {
            self.put(block, self.column);
            return;
        }
        self.after_box |= self.column > 0;
        self.settle();
        self.word_open = false;
        let width = block.width();
        self.put(block, self.column);
        self.column += width;
        self.after_box = true;
    }

    fn put(&mut self, mut block: Block, column: usize) {
        block.shift(column, self.row);
        let top = self.row;
        let height = block.lines.len();
        for (index, line) in block.lines.into_iter().enumerate() {
            self.row = top + index;
            self.line().words.extend(line.words);
        }
        self.row = top;
        self.bottom = self.bottom.max(top + height);
        self.block.tables.extend(block.tables);
    }

    /// Puts a box somewhere on the rows from the current one on; used for the cells of a table.
    pub(super) fn place(&mut self, mut block: Block, column: usize, row: usize) {
        block.shift(column, row);
        for (index, line) in block.lines.into_iter().enumerate() {
            self.row = row + index;
            self.line().words.extend(line.words);
        }
        self.row = 0;
        self.block.tables.extend(block.tables);
    }

    pub(super) fn tables(&mut self) -> &mut Vec<Table> {
        &mut self.block.tables
    }

    /// The finished box; empty lines at its end are dropped.
    pub(super) fn finish(mut self) -> Block {
        for line in &mut self.block.lines {
            line.words.sort_by(|a, b| a.x0.total_cmp(&b.x0).then(a.x1.total_cmp(&b.x1)));
        }
        while self.block.lines.last().is_some_and(|line| line.words.is_empty()) {
            self.block.lines.pop();
        }
        self.block
    }
}
