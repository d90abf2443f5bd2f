//! Lines to text: one line a visual row, cells at least two spaces apart, hidden words left out.

use super::{
    Document, Line, Page, Part, Word,
    table::{self, Phrase},
};

/// Columns of rendered pages end here: a drawn page with one giant gap must not become megabytes of spaces.
const COLUMNS_MAX: usize = 2_000;

impl Line {
    /// The visible words: one space within a phrase, two between phrases (cells).
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (word, goes_on) in table::joined(self, |_, _| false) {
            if !text.is_empty() {
                text.push_str(if goes_on { " " } else { "  " });
            }
            text.push_str(&word.text);
        }
        text
    }

    /// Runs of visible words with ordinary spaces between them: what a cell on this line would hold.
    pub fn phrases(&self) -> Vec<Phrase> {
        table::phrases(self, |_, _| false)
    }

    /// The visible words, left to right.
    pub fn visible(&self) -> impl Iterator<Item = &Word> {
        self.words.iter().filter(|word| !word.hidden)
    }
}

impl Page {
    /// The page as a reader would see it: columns stand where they stand on the page.
    pub fn text(&self, drawn: bool) -> String {
        let width = if drawn { column_width(self) } else { 1.0 };
        let mut text = String::new();
        for line in &self.lines {
            let mut column = 0;
            for (word, goes_on) in table::joined(line, |_, _| false) {
                let begin = if goes_on {
                    column + 1
                } else {
                    let wanted = ((word.x0 / width).round().max(0.0) as usize).min(COLUMNS_MAX);
                    if column == 0 || !drawn { wanted.max(column) } else { wanted.max(column + 2) }
                };
                text.extend(std::iter::repeat_n(' ', begin - column));
                text.push_str(&word.text);
                column = begin + word.text.chars().count();
            }
            text.push('\n');
        }
        text
    }
}

impl Part {
    /// All pages as text, a form feed between two.
    pub fn text(&self) -> String {
        let pages: Vec<String> = self.pages.iter().map(|page| page.text(self.kind.is_drawn())).collect();
        pages.join("\u{c}")
    }
}

impl Document {
    /// All parts as text, a form feed between two.
    pub fn text(&self) -> String {
        self.parts.iter().map(Part::text).filter(|text| !text.trim().is_empty()).collect::<Vec<_>>().join("\u{c}")
    }

    /// All tables, a line a row, cells parted by tabs, an empty line between tables.
    pub fn tsv(&self) -> String {
        let mut text = String::new();
        for table in self.parts.iter().flat_map(|part| &part.pages).flat_map(|page| &page.tables) {
            if !text.is_empty() {
                text.push('\n');
            }
            for row in &table.rows {
                let cells: Vec<String> = row.iter().map(|cell| cell.text.replace(['\n', '\t', '\r'], " ")).collect();
                text.push_str(&cells.join("\t"));
                text.push('\n');
            }
        }
        text
    }
}

/// How many points one character of the rendered text stands for: the usual width of a character,
/// a little less when lines are dense, so that cells that stand apart stay apart.
fn column_width(page: &Page) -> f64 {
    let mut widths: Vec<f64> = Vec::new();
    for word in page.lines.iter().flat_map(|line| line.visible()) {
        let characters = word.text.chars().count();
        if characters > 1 && word.x1 > word.x0 {
            widths.push((word.x1 - word.x0) / characters as f64);
        }
    }
    widths.sort_by(f64::total_cmp);
    let usual = widths.get(widths.len() * 2 / 5).copied().unwrap_or(5.0);
    usual.clamp(1.5, 24.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::text;

    /// What a person sees is what `postern document` prints and what rules match.
    #[test]
    fn text_comes_back_as_it_was() {
        let source = "Pos  Artikel     Menge\n 10  4711           5\n\n  Danke\n";
        assert_eq!(text::part("text", source).text(), source);
    }

    /// Words that nobody sees must not be printed either.
    #[test]
    fn hidden_words_are_left_out() {
        let mut part = text::part("text", "accept all nothing");
        part.pages[0].lines[0].words[1].hidden = true;
        assert_eq!(part.pages[0].lines[0].text(), "accept  nothing");
        assert!(!part.text().contains("all"));
    }

    /// A spreadsheet of all tables is one command away.
    #[test]
    fn tables_as_tsv() {
        let document = Document { parts: vec![text::part("text", "| A | B |\n|---|---|\n| 1 | 2 |\n")] };
        assert_eq!(document.tsv(), "A\tB\n1\t2\n");
    }
}
