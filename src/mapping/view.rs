//! A part as rules see it: rows of words and phrases, and one text whose bytes know their words.
//!
//! The text is the one that `postern document` shows, so that a regular expression sees what its
//! author saw. Hidden words are not in it. It must never know a mapping.

use std::cell::OnceCell;
use std::ops::Range;

use super::words;
use crate::document::place::Area;
use crate::document::{Kind, Part};
use crate::model::Place;

/// Longer texts are cut there, with `cut` set: patterns run in linear time, but not over everything.
const TEXT_BYTES_MAX: usize = 8 << 20;
const ROWS_MAX: usize = 200_000;

pub struct View<'p> {
    pub part: &'p Part,
    pub rows: Vec<Row<'p>>,
    /// All rows, one a line.
    pub text: String,
    pub cut: bool,
}

/// One visual row.
#[derive(Clone, Debug)]
pub struct Row<'p> {
    pub page: usize,
    pub words: Vec<Piece<'p>>,
    /// Runs of words with ordinary spaces between them.
    pub phrases: Vec<Phrase>,
    /// Its bytes in the view's text, without the line end.
    pub span: Range<usize>,
    pub area: Area,
    /// Made when it is asked for: every label and every head looks at every row.
    folded: OnceCell<Folded>,
    folded_words: OnceCell<Vec<String>>,
}

/// A word with its bytes in the view's text.
#[derive(Clone, Debug)]
pub struct Piece<'p> {
    pub text: &'p str,
    pub area: Area,
    pub span: Range<usize>,
}

#[derive(Clone, Debug)]
pub struct Phrase {
    /// The words of the row that it is made of.
    pub words: Range<usize>,
    pub area: Area,
}

impl<'p> View<'p> {
    pub fn new(part: &'p Part) -> View<'p> {
        let mut view = View { part, rows: Vec::new(), text: String::new(), cut: false };
        let drawn = part.kind.is_drawn();
        for (number, page) in part.pages.iter().enumerate() {
            let verticals: Vec<[f64; 4]> = page.rules.iter().filter_map(|rule| vertical(*rule)).collect();
            let text = page.text(drawn);
            let mut lines = text.split('\n');
            for line in &page.lines {
                let shown = lines.next().unwrap_or_default();
                if view.text.len() + shown.len() > TEXT_BYTES_MAX || view.rows.len() >= ROWS_MAX {
                    view.cut = true;
                    return view;
                }
                let begin = view.text.len();
                let mut words = Vec::with_capacity(line.words.len());
                let mut from = 0;
                for word in line.visible() {
                    let rest = shown.get(from..).unwrap_or_default();
                    let next = rest.trim_start_matches(' ');
                    let at = match next.starts_with(word.text.as_str()) {
                        true => Some(rest.len() - next.len()),
                        false => rest.find(word.text.as_str()),
                    };
                    let at = from + at.unwrap_or(0);
                    let end = (at + word.text.len()).min(shown.len());
                    words.push(Piece { text: &word.text, area: Area::from(word), span: begin + at..begin + end });
                    from = end;
                }
                view.text.push_str(shown);
                let span = begin..view.text.len();
                view.text.push('\n');
                let area = Area::around(words.iter().map(|word| word.area)).unwrap_or(Area {
                    x0: 0.0,
                    y0: 0.0,
                    x1: 0.0,
                    y1: 0.0,
                });
                let phrases = phrases(&words, &verticals);
                let (folded, folded_words) = (OnceCell::new(), OnceCell::new());
                view.rows.push(Row { page: number, words, phrases, span, area, folded, folded_words });
            }
        }
        view
    }

    pub fn row_text(&self, row: usize) -> &str {
        self.rows.get(row).and_then(|row| self.text.get(row.span.clone())).unwrap_or_default()
    }

    /// The row in which a byte of the text stands.
    pub fn row_at(&self, byte: usize) -> usize {
        self.rows.partition_point(|row| row.span.end < byte)
    }

    pub fn slice(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }

    /// The place of some bytes of the text: exact to the character on the grid, to the word on drawn pages.
    pub fn place(&self, span: Range<usize>) -> Place {
        match self.area(&span) {
            Some((page, area)) => self.part.place_of(page, area),
            None => Place::whole(self.part.name.clone()),
        }
    }

    /// The page and box of some bytes of the text; those of its first row when it spans several.
    pub fn area(&self, span: &Range<usize>) -> Option<(usize, Area)> {
        for row in self.rows.get(self.row_at(span.start)..)? {
            if row.span.start > span.end {
                break;
            }
            let hit = row.words.iter().filter(|word| word.span.start < span.end && span.start < word.span.end);
            if let Some(area) = Area::around(hit.map(|word| self.within(word, span))) {
                return Some((row.page, area));
            }
        }
        None
    }

    /// The box of the part of a word that a span covers.
    fn within(&self, word: &Piece<'_>, span: &Range<usize>) -> Area {
        if self.part.kind.is_drawn() {
            return word.area;
        }
        let characters = |range: Range<usize>| self.slice(range).chars().count() as f64;
        let skipped = if span.start > word.span.start { characters(word.span.start..span.start) } else { 0.0 };
        let left = if span.end < word.span.end { characters(span.end..word.span.end) } else { 0.0 };
        Area { x0: word.area.x0 + skipped, x1: word.area.x1 - left, ..word.area }
    }

    /// Whether a box of the grid counts characters.
    pub fn is_grid(&self) -> bool {
        !self.part.kind.is_drawn()
    }

    /// Whether the rows of tables are to be taken from cells (and not from words by geometry).
    pub fn has_cells(&self) -> bool {
        matches!(self.part.kind, Kind::Html | Kind::Csv | Kind::Xlsx)
    }
}

impl Row<'_> {
    pub fn phrase_span(&self, phrase: &Phrase) -> Range<usize> {
        let words = self.words.get(phrase.words.clone()).unwrap_or_default();
        match (words.first(), words.last()) {
            (Some(first), Some(last)) => first.span.start..last.span.end,
            _ => self.span.start..self.span.start,
        }
    }

    pub fn phrase_text(&self, phrase: &Phrase) -> String {
        join(self.words.get(phrase.words.clone()).unwrap_or_default())
    }

    /// The words of a phrase, folded ([`words::folded`]).
    pub fn folded_phrase(&self, phrase: &Phrase) -> String {
        self.folded_words().get(phrase.words.clone()).unwrap_or_default().concat()
    }

    /// Each word of the row, folded.
    pub fn folded_words(&self) -> &[String] {
        self.folded_words.get_or_init(|| self.words.iter().map(|word| words::folded(word.text)).collect())
    }

    /// The row for finding words in it; `text` is its text.
    pub fn folded(&self, text: &str) -> &Folded {
        self.folded.get_or_init(|| Folded::new(text, self.span.start))
    }

    pub fn is_blank(&self) -> bool {
        self.words.is_empty()
    }
}

pub fn join(words: &[Piece<'_>]) -> String {
    let mut text = String::with_capacity(words.iter().map(|word| word.text.len() + 1).sum());
    for word in words {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word.text);
    }
    text
}

/// A ruling that stands upright.
fn vertical(rule: [f64; 4]) -> Option<[f64; 4]> {
    let [x0, y0, x1, y1] = rule;
    ((x1 - x0).abs() <= 2.5 && (y1 - y0).abs() > 4.0).then_some(rule)
}

/// How wide a space within a phrase may be, for words of this height.
fn space_max(height: f64, grid: bool) -> f64 {
    if grid { 1.0 } else { 0.75 * height }
}

fn phrases(words: &[Piece<'_>], verticals: &[[f64; 4]]) -> Vec<Phrase> {
    let mut phrases: Vec<Phrase> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if let Some(last) = phrases.last_mut() {
            let height = (word.area.y1 - word.area.y0).min(last.area.y1 - last.area.y0);
            let centre = (word.area.y0 + word.area.y1) / 2.0;
            let cut = verticals.iter().any(|[x0, y0, x1, y1]| {
                let x = (x0 + x1) / 2.0;
                last.area.x1 - 1.0 <= x && x <= word.area.x0 + 1.0 && *y0 <= centre && centre <= *y1
            });
            let bar = is_bar(word.text) || words.get(index.wrapping_sub(1)).is_some_and(|before| is_bar(before.text));
            if word.area.x0 - last.area.x1 <= space_max(height, height <= 1.0) && !cut && !bar {
                last.words.end = index + 1;
                last.area = last.area.union(word.area);
                continue;
            }
        }
        phrases.push(Phrase { words: index..index + 1, area: word.area });
    }
    phrases.retain(|phrase| {
        !words.get(phrase.words.start).is_some_and(|word| phrase.words.len() == 1 && is_bar(word.text))
    });
    phrases
}

/// A drawn bar between two columns of a text.
fn is_bar(text: &str) -> bool {
    matches!(text, "|" | "│" | "┃" | "║" | "¦")
}

/// A text without case and spaces that knows where its characters came from, for finding words however
/// they are spaced.
#[derive(Clone, Debug)]
pub struct Folded {
    chars: Vec<char>,
    /// The byte of each character in the original, and the byte behind the last one.
    bytes: Vec<usize>,
}

impl Folded {
    pub fn new(text: &str, offset: usize) -> Folded {
        let (mut chars, mut bytes) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len() + 1));
        for (at, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace() && *c != '\u{ad}') {
            for lower in c.to_lowercase() {
                chars.push(lower);
                bytes.push(offset + at);
            }
        }
        bytes.push(offset + text.len());
        Folded { chars, bytes }
    }

    /// Where `needle` (folded itself, see [`super::words::plain`]) stands from character `from` on, as whole
    /// words: the bytes from its first character to the one behind it, and the character to go on from.
    pub fn find(&self, needle: &[char], from: usize, text: &str, offset: usize) -> Option<(Range<usize>, usize)> {
        let (first, rest) = needle.split_first()?;
        let mut at = from;
        while at + needle.len() <= self.chars.len() {
            let window = self.chars.get(at..at + needle.len())?;
            if window.first() == Some(first) && window.get(1..) == Some(rest) {
                let start = *self.bytes.get(at)?;
                // The byte behind the last character, not before the next one: spaces lie between.
                let last = *self.bytes.get(at + needle.len() - 1)?;
                let end = last + text.get(last - offset..)?.chars().next().map_or(0, char::len_utf8);
                let before = text.get(..start - offset)?.chars().next_back();
                let after = text.get(end - offset..)?.chars().next();
                let inner = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
                let begins_word = first.is_alphanumeric();
                let ends_word = needle.last().is_some_and(|c| c.is_alphanumeric());
                let within_word = begins_word && inner(before) || ends_word && inner(after);
                if !within_word {
                    return Some((start..end, at + needle.len()));
                }
            }
            at += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::text;
    use crate::model::Spot;

    /// A caret below the wrong word sends a person to the wrong value.
    #[test]
    fn bytes_know_their_words() {
        let part = text::part("text", "Guten Tag\n\n  Bestellung:4711   Datum 1.2.2026\n");
        let view = View::new(&part);
        let at = view.text.find("4711").unwrap();
        assert_eq!(view.place(at..at + 4).spot, Spot::Text { line: 3, column: 14, end: 18 });
        assert_eq!(view.rows[2].phrases.len(), 2);
        let folded = Folded::new(&view.text, 0);
        let needle: Vec<char> = "gutentag".chars().collect();
        assert_eq!(folded.find(&needle, 0, &view.text, 0).unwrap().0, 0..9);
        let needle: Vec<char> = "bestell".chars().collect();
        assert!(folded.find(&needle, 0, &view.text, 0).is_none(), "not a whole word");
    }
}
