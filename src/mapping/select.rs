//! Head fields: a selector of `[fields]` on the mail -> candidates, each with its place.
//!
//! A candidate is words; whether they are a value is for [`super::interpret`] to say.

use std::ops::Range;

use super::rule::{FieldRule, Mapping, Select, Side, Whence};
use super::view::{Folded, Row, View};
use super::words;
use crate::document::{Kind, Part};
use crate::model::message::FieldType;
use crate::model::{Field, Place};

/// Words that may be a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    pub text: String,
    pub place: Place,
}

/// Where selectors look.
pub struct Around<'a> {
    pub subject: &'a str,
    /// The name of the attachment that is read.
    pub filename: &'a str,
    /// The mail's own text, when the source is an attachment.
    pub body: Option<&'a View<'a>>,
}

/// Labels may stand often in a long document; so many of them are tried.
const LABELS_MAX: usize = 50;
/// How many rows below a label a value may stand.
const BELOW_ROWS: usize = 3;
const BETWEEN_BYTES_MAX: usize = 2_000;

/// All candidates of a rule, the likeliest first.
pub fn candidates(mapping: &Mapping, rule: &FieldRule, view: &View<'_>, around: &Around<'_>) -> Vec<Candidate> {
    match rule.whence {
        Whence::Source => on_view(mapping, rule, view),
        Whence::Body => around.body.map(|body| on_view(mapping, rule, body)).unwrap_or_default(),
        Whence::Subject => on_line(mapping, rule, "subject", around.subject),
        Whence::Filename => on_line(mapping, rule, "filename", around.filename),
    }
}

/// The subject and file names are read as a text of one line.
fn on_line(mapping: &Mapping, rule: &FieldRule, name: &str, line: &str) -> Vec<Candidate> {
    let part = crate::document::text::part(name, line);
    let view = View::new(&part);
    match &rule.select {
        Select::Whole if !line.trim().is_empty() => {
            vec![Candidate { text: line.trim().to_string(), place: Place::whole(name) }]
        }
        _ => on_view(mapping, rule, &view),
    }
}

fn on_view(mapping: &Mapping, rule: &FieldRule, view: &View<'_>) -> Vec<Candidate> {
    match &rule.select {
        Select::Label { labels, side } => {
            labels.iter().flat_map(|label| labelled(mapping, rule.field, label, *side, view)).collect()
        }
        Select::Find(pattern) => {
            let found = pattern.regex.captures_iter(&view.text).filter_map(|groups| groups.get(1)).take(1);
            found
                .map(|group| Candidate { text: group.as_str().trim().to_string(), place: view.place(group.range()) })
                .collect()
        }
        Select::Between { start, end } => between(view, start, end).into_iter().collect(),
        Select::Value(text) => vec![Candidate { text: text.clone(), place: Place::default() }],
        Select::Css { selector, attr } => css(view, selector, attr.as_deref()),
        Select::XPath(path) => {
            let Some(source) = view.part.source.as_deref() else { return Vec::new() };
            let Ok(document) = roxmltree::Document::parse(source) else { return Vec::new() };
            let found = path.find(&document, 1).into_iter();
            found
                .map(|found| Candidate { text: found.text, place: Place::path(view.part.name.clone(), found.path) })
                .collect()
        }
        Select::Cell { sheet, row, column } => cell(view.part, sheet.as_deref(), *row, *column).into_iter().collect(),
        Select::Whole => Vec::new(),
    }
}

/// The value beside or below a label, wherever the label stands.
fn labelled(mapping: &Mapping, field: Field, label: &str, side: Option<Side>, view: &View<'_>) -> Vec<Candidate> {
    let needle: Vec<char> = words::plain(label).chars().collect();
    let mut found = Vec::new();
    for (index, row) in view.rows.iter().enumerate().filter(|(_, row)| !row.is_blank()) {
        let text = view.slice(row.span.clone());
        let folded = row.folded(text);
        let mut from = 0;
        while let Some((span, next)) = folded.find(&needle, from, text, row.span.start) {
            from = next;
            if side != Some(Side::Below) {
                found.extend(beside(mapping, field, view, row, &span));
            }
            if side != Some(Side::Beside) {
                found.extend(below(mapping, field, view, index, &span));
            }
            if found.len() >= LABELS_MAX {
                return found;
            }
        }
    }
    found
}

/// The rest of the label's phrase, else the next phrase of the row.
fn beside(mapping: &Mapping, field: Field, view: &View<'_>, row: &Row, label: &Range<usize>) -> Option<Candidate> {
    let own = row.phrases.iter().find(|phrase| row.phrase_span(phrase).end > label.start)?;
    let rest = label.end..row.phrase_span(own).end.max(label.end);
    if let Some(candidate) = trimmed(mapping, field, view, rest) {
        return Some(candidate);
    }
    let next = row.phrases.iter().find(|phrase| row.phrase_span(phrase).start >= label.end)?;
    let span = row.phrase_span(next);
    // A phrase that ends with a colon is the next label.
    if view.slice(span.clone()).ends_with(':') {
        return None;
    }
    trimmed(mapping, field, view, span)
}

/// The phrase of one of the next rows that stands below the label.
fn below(mapping: &Mapping, field: Field, view: &View<'_>, index: usize, label: &Range<usize>) -> Option<Candidate> {
    let (page, area) = view.area(label)?;
    // A label has nothing behind it; a word within a sentence is none.
    let row = view.rows.get(index)?;
    let own = row.phrases.iter().find(|phrase| row.phrase_span(phrase).end > label.start)?;
    if view.slice(label.end..row.phrase_span(own).end.max(label.end)).chars().any(char::is_alphanumeric) {
        return None;
    }
    let rows = view.rows.get(index + 1..)?.iter().take(BELOW_ROWS).take_while(|row| row.page == page || row.is_blank());
    for row in rows.filter(|row| !row.is_blank()) {
        let hit = row.phrases.iter().find(|phrase| phrase.area.x0 < area.x1 && area.x0 < phrase.area.x1);
        if let Some(phrase) = hit {
            let span = row.phrase_span(phrase);
            return if view.slice(span.clone()).ends_with(':') { None } else { trimmed(mapping, field, view, span) };
        }
        if row.area.y0 - area.y1 > 2.5 * (area.y1 - area.y0) {
            break;
        }
    }
    None
}

fn trimmed(mapping: &Mapping, field: Field, view: &View<'_>, span: Range<usize>) -> Option<Candidate> {
    let found = value_within(mapping, field, view.slice(span.clone()))?;
    let span = span.start + found.start..span.start + found.end;
    Some(Candidate { text: view.slice(span.clone()).to_string(), place: view.place(span) })
}

/// The value in the words behind a label: without what joins the two; of names and numbers only the
/// words that can be one.
pub fn value_within(mapping: &Mapping, field: Field, words: &str) -> Option<Range<usize>> {
    let joins = |c: char| c.is_whitespace() || matches!(c, ':' | '=' | '.' | '#' | '-' | '–' | '|' | '>');
    let mut start = words.len() - words.trim_start_matches(joins).len();
    // A sign before a digit belongs to the number.
    if field.field_type() == FieldType::Number && words.get(..start).is_some_and(|cut| cut.ends_with('-')) {
        start -= 1;
    }
    let text = words.get(start..)?.trim_end();
    if text.is_empty() {
        return None;
    }
    let inner = match field.field_type() {
        FieldType::Text if is_name(field) => name_within(mapping, field, text, 0..text.len())?,
        FieldType::Date => leading(text, 0..text.len(), |words| mapping.formats.date(words).is_ok()),
        FieldType::Number => {
            let number = leading(text, 0..text.len(), |words| mapping.formats.number(words).is_ok());
            // `12,50 EUR/100`: whoever takes its beginning takes a hundred times the price.
            let cut = field == Field::PriceNet && number.end < text.len() && is_for_many(text);
            if cut && !mapping.knows_price_basis() { 0..text.len() } else { number }
        }
        _ => 0..text.len(),
    };
    Some(start + inner.start..start + inner.end)
}

/// Whether the words behind a price say that it is for many.
fn is_for_many(text: &str) -> bool {
    const PER: &[&str] = &["/", "per ", "je ", "pro ", "par ", "por "];
    let digits = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '\'' | '’' | '-' | '–') || c.is_whitespace();
    let rest = text.find(|c: char| c.is_ascii_digit()).and_then(|at| text.get(at..)).unwrap_or_default();
    let rest = rest.trim_start_matches(digits).to_lowercase();
    let sign = rest.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
    let rest = if words::is_currency_sign(sign) { rest.get(sign.len()..).unwrap_or_default() } else { rest.as_str() };
    let each = PER.iter().find_map(|per| rest.trim_start().strip_prefix(per));
    let each = each.and_then(|each| each.split_whitespace().next());
    each.is_some_and(|each| words::is_many(each) && each.trim_end_matches(['.', ',', ';', ')']) != "1")
}

/// Fields whose value is one word with a digit in it (numbers of documents), or a currency.
fn is_name(field: Field) -> bool {
    matches!(
        field,
        Field::OrderNumber
            | Field::SupplierOrderNumber
            | Field::ResponseNumber
            | Field::CustomerNumber
            | Field::CustomerEmail
            | Field::Currency
    )
}

fn name_within(mapping: &Mapping, field: Field, text: &str, span: Range<usize>) -> Option<Range<usize>> {
    let around = |c: char| matches!(c, ',' | ';' | '(' | ')' | '"' | '“' | '„' | '\'' | '<' | '>' | '#');
    for (at, word) in words::offsets(text) {
        let at = at + word.len() - word.trim_start_matches(around).len();
        let bare = word.trim_matches(around).trim_end_matches(['.', ':']);
        let fits = bare.chars().any(|c| c.is_ascii_digit()) || bare.contains('@') || words::currency(bare).is_some();
        if fits && mapping.formats.date(bare).is_err() {
            // Two orders are shown as two: whoever reads them must say so.
            let list = text.get(at..).filter(|_| field == Field::OrderNumber).and_then(words::listed);
            return Some(span.start + at..span.start + at + list.unwrap_or(bare.len()));
        }
    }
    None
}

/// The longest run of words from the beginning that reads; all of them when none does.
fn leading(text: &str, span: Range<usize>, reads: impl Fn(&str) -> bool) -> Range<usize> {
    let ends: Vec<usize> =
        text.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(at, _)| at).take(8).chain([text.len()]).collect();
    for end in ends.into_iter().rev() {
        let words = text.get(..end).unwrap_or_default().trim_end_matches([',', ';', '.', ')', ' ']);
        if reads(words) {
            return span.start..span.start + words.len();
        }
    }
    span
}

fn between(view: &View<'_>, start: &str, end: &str) -> Option<Candidate> {
    let folded = Folded::new(&view.text, 0);
    let plain = |text: &str| -> Vec<char> {
        text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
    };
    let (after, next) = folded.find(&plain(start), 0, &view.text, 0)?;
    let stop = if end.trim().is_empty() {
        view.text.get(after.end..)?.find('\n').map_or(view.text.len(), |at| after.end + at)
    } else {
        folded.find(&plain(end), next, &view.text, 0)?.0.start
    };
    if stop - after.end > BETWEEN_BYTES_MAX {
        return None;
    }
    let text = view.slice(after.end..stop);
    let from = after.end + text.len() - text.trim_start().len();
    let text = text.trim();
    (!text.is_empty()).then(|| Candidate {
        text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        place: view.place(from..from + text.len()),
    })
}

fn css(view: &View<'_>, selector: &str, attr: Option<&str>) -> Vec<Candidate> {
    let (Some(source), Ok(wanted)) = (view.part.source.as_deref(), scraper::Selector::parse(selector)) else {
        return Vec::new();
    };
    // Pages that nest too deep were refused by their reader already.
    if view.part.kind != Kind::Html || view.rows.is_empty() {
        return Vec::new();
    }
    let html = scraper::Html::parse_document(source);
    let found = html.select(&wanted).take(1).filter_map(|element| {
        let text = match attr {
            Some(attr) => element.value().attr(attr)?.to_string(),
            None => element.text().take(1_000).collect::<String>(),
        };
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let place = match view.text.find(&text) {
            Some(at) if !text.is_empty() && attr.is_none() => view.place(at..at + text.len()),
            _ => Place::path(view.part.name.clone(), selector),
        };
        Some(Candidate { text, place })
    });
    found.collect()
}

fn cell(part: &Part, sheet: Option<&str>, row: usize, column: usize) -> Option<Candidate> {
    let index = match sheet {
        Some(name) => part.pages.iter().position(|page| page.name == name)?,
        None => 0,
    };
    let cell = part.pages.get(index)?.tables.first()?.rows.get(row)?.get(column)?;
    Some(Candidate { text: cell.text.clone(), place: part.place_of(index, cell) })
}
