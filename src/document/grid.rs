//! Characters to lines: the grid on which every part that was not drawn is laid out.

use super::{Line, Page, Word};

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
