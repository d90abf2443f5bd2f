//! What was read, drawn on the document: each row with the words that became values marked below it,
//! and the rule that took them.

use super::read::Reading;
use super::view::View;
use crate::document::Part;
use crate::model::{Field, Said, Spot};

/// One mark below a row.
struct Mark<'r> {
    row: usize,
    /// Characters of the row.
    from: usize,
    to: usize,
    field: Field,
    line: Option<usize>,
    said: &'r Said,
}

/// The part's text with every value marked; values whose place is no spot of the text stand above it.
pub fn draw(reading: &Reading, part: &Part) -> String {
    let view = View::new(part);
    let head = reading.message.fields.iter().map(|(field, said)| (None, *field, said));
    let lines = reading
        .message
        .lines
        .iter()
        .enumerate()
        .flat_map(|(number, line)| line.iter().map(move |(field, said)| (Some(number), *field, said)));
    let (mut marks, mut elsewhere) = (Vec::new(), Vec::new());
    for (line, field, said) in head.chain(lines) {
        match spot(&view, said) {
            Some((row, from, to)) => marks.push(Mark { row, from, to, field, line, said }),
            None => elsewhere.push((line, field, said)),
        }
    }
    marks.sort_by_key(|mark| (mark.row, mark.from));
    let mut out = format!("{} by {}\n", reading.part, reading.mapping);
    for (line, field, said) in elsewhere {
        out.push_str(&told(line, field, said));
    }
    let width = view.rows.len().to_string().len().max(3);
    let mut next = marks.iter().peekable();
    for index in 0..view.rows.len() {
        out.push_str(&format!("{:>width$} │ {}\n", index + 1, view.row_text(index)));
        while let Some(mark) = next.next_if(|mark| mark.row == index) {
            let space = " ".repeat(mark.from);
            let under = "^".repeat(mark.to.saturating_sub(mark.from).max(1));
            out.push_str(&format!(
                "{:>width$} │ {space}{under} {} = {}  ({})\n",
                "",
                name(mark.line, mark.field),
                mark.said.value,
                mark.said.rule
            ));
        }
    }
    out
}

/// The values alone, for parts without words (structured documents).
pub fn list(reading: &Reading) -> String {
    let mut out = format!("{} by {}\n", reading.part, reading.mapping);
    let head = reading.message.fields.iter().map(|(field, said)| (None, *field, said));
    let lines = reading
        .message
        .lines
        .iter()
        .enumerate()
        .flat_map(|(number, line)| line.iter().map(move |(field, said)| (Some(number), *field, said)));
    for (line, field, said) in head.chain(lines) {
        out.push_str(&told(line, field, said));
    }
    out
}

/// A value with its rule and, where it stands somewhere, its place.
fn told(line: Option<usize>, field: Field, said: &Said) -> String {
    let place = said.place.to_string();
    let place = if place.is_empty() { String::new() } else { format!("; {place}") };
    format!("  {} = {}  ({}{place})\n", name(line, field), said.value, said.rule)
}

fn name(line: Option<usize>, field: Field) -> String {
    match line {
        Some(line) => format!("{}.{}", line + 1, field.name()),
        None => field.name().to_string(),
    }
}

/// The row and characters of the view's text at which a value stands.
fn spot(view: &View<'_>, said: &Said) -> Option<(usize, usize, usize)> {
    if said.place.part != view.part.name {
        return None;
    }
    let hits = |row: &super::view::Row, hit: &dyn Fn(&super::view::Piece) -> bool| -> Option<(usize, usize)> {
        let words: Vec<_> = row.words.iter().filter(|word| hit(word)).collect();
        let (first, last) = (words.first()?, words.last()?);
        let characters = |byte: usize| view.slice(row.span.start..byte).chars().count();
        Some((characters(first.span.start), characters(last.span.end)))
    };
    match &said.place.spot {
        Spot::Text { line, column, end } => {
            let row = line.checked_sub(1)?;
            view.rows.get(row)?;
            Some((row, column.saturating_sub(1), end.saturating_sub(1)))
        }
        Spot::Box { page, x0, y0, x1, y1 } => view.rows.iter().enumerate().find_map(|(index, row)| {
            let within = |word: &super::view::Piece| {
                word.area.x0 < *x1 && *x0 < word.area.x1 && word.area.y0 < *y1 && *y0 < word.area.y1
            };
            if row.page + 1 != *page {
                return None;
            }
            hits(row, &within).map(|(from, to)| (index, from, to))
        }),
        // In XML every row is a path and its value.
        Spot::Path { path } => view.rows.iter().enumerate().find_map(|(index, row)| {
            let (first, rest) = row.words.split_first()?;
            if first.text != *path || rest.is_empty() {
                return None;
            }
            hits(row, &|word| word.span.start > first.span.start).map(|(from, to)| (index, from, to))
        }),
        _ => None,
    }
}
