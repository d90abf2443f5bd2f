//! Characters to lines: the grid on which every part that was not drawn is laid out.

use super::{Cell, Line, Page, Table, Word, place::Area};

/// Where the next tab stop is, in columns.
pub(super) const TAB: usize = 8;

/// What a reader cannot see although it is there: zero-width characters, direction marks, controls.
/// Joiners (U+200C, U+200D) between letters shape words and stay; see [`push_text`].
pub(super) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\0'..='\u{8}' | '\u{e}'..='\u{1f}' | '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}'
        | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}')
}

/// Whether two words may touch at this character: spaces of any width, no-break spaces too.
pub(super) fn is_space(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{2800}' | '\u{3164}')
}

/// Splits one line of text into words that know their columns; tabs reach the next stop.
pub(super) fn line(text: &str, y: usize) -> Line {
    let mut words = Vec::new();
    push_text(&mut words, text, 0, y, false);
    Line { words }
}

/// Appends the words of `text`, which begins in column `column`, and gives the column behind it.
pub(super) fn push_text(words: &mut Vec<Word>, text: &str, mut column: usize, y: usize, hidden: bool) -> usize {
    let mut word = String::new();
    let mut begin = column;
    for character in text.chars() {
        if is_space(character) {
            flush(words, &mut word, begin, column, y, hidden);
            column = if character == '\t' { (column / TAB + 1) * TAB } else { column + 1 };
        } else if is_invisible(character) && !(is_joiner(character) && word.chars().last().is_some_and(is_joined)) {
            continue;
        } else {
            if word.is_empty() {
                begin = column;
            }
            word.push(character);
            column += 1;
        }
    }
    flush(words, &mut word, begin, column, y, hidden);
    column
}

fn is_joiner(character: char) -> bool {
    matches!(character, '\u{200c}' | '\u{200d}')
}

/// Letters beyond Latin, Greek and Cyrillic, whose shape a joiner may change (Persian, Hindi ...).
fn is_joined(character: char) -> bool {
    character.is_alphabetic() && character > '\u{5ff}'
}

fn flush(words: &mut Vec<Word>, text: &mut String, begin: usize, end: usize, y: usize, hidden: bool) {
    if !text.is_empty() {
        words.push(word(std::mem::take(text), begin, end, y, hidden));
    }
}

/// A word on the grid.
pub(super) fn word(text: String, begin: usize, end: usize, y: usize, hidden: bool) -> Word {
    Word { text, x0: begin as f64, y0: y as f64, x1: end as f64, y1: (y + 1) as f64, hidden }
}

/// A page of grid lines; its size is what the lines reach.
pub(super) fn page(lines: Vec<Line>) -> Page {
    let width = lines.iter().flat_map(|line| &line.words).fold(0.0, |width: f64, word| width.max(word.x1));
    Page { width, height: lines.len() as f64, lines, ..Page::default() }
}

/// A sheet: every row a line, columns as wide as their widest entry, and one table whose rows and
/// columns are those of the sheet (so that a cell's index is its address).
pub(super) fn sheet(name: &str, rows: Vec<Vec<String>>, hidden: bool) -> Page {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let mut widths = vec![0usize; columns];
    for row in &rows {
        for (width, text) in widths.iter_mut().zip(row) {
            *width = (*width).max(text.lines().map(|line| line.chars().count()).max().unwrap_or(0));
        }
    }
    let mut lefts = Vec::with_capacity(columns);
    let mut next = 0;
    for width in &widths {
        lefts.push(next);
        next += width + 2;
    }
    let mut lines = Vec::with_capacity(rows.len());
    let mut table = Table::default();
    for (y, row) in rows.into_iter().enumerate() {
        let mut words = Vec::new();
        let mut cells = Vec::with_capacity(row.len());
        for (text, (left, width)) in row.into_iter().zip(lefts.iter().zip(&widths)) {
            // Further lines of an entry stand behind the first one; they still begin within the column.
            let mut column = *left;
            for line in text.lines() {
                column = push_text(&mut words, line, column, y, hidden) + 1;
            }
            let area = Area { x0: *left as f64, y0: y as f64, x1: (left + width.max(&1)) as f64, y1: (y + 1) as f64 };
            cells.push(Cell { text, x0: area.x0, y0: area.y0, x1: area.x1, y1: area.y1 });
        }
        lines.push(Line { words });
        table.rows.push(cells);
    }
    let mut page = page(lines);
    page.name = name.to_owned();
    if !hidden && !table.rows.is_empty() {
        page.tables.push(table);
    }
    page
}
