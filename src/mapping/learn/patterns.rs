//! `[lines]` for mails whose rows stand under no heads: a pattern made of what the order knows.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::super::agreement::similar;
use super::super::value::Formats;
use super::super::words;
use super::case::says;
use super::draft::{Draft, Patterns};
use super::evidence::labels;
use super::fields::Views;
use super::grid::anchors;
use super::vocabulary;
use crate::model::{Field, Position};

/// Fields of one word, in the order in which a word is tried for them.
const WORDS: [Field; 6] =
    [Field::SupplierSku, Field::Gtin, Field::Position, Field::PriceNet, Field::QuantityConfirmed, Field::ConfirmedDate];

/// A line of a card a line has so many rows at most.
const BELOW_MAX: usize = 10;
/// So many rows with state words that no pattern reads are shown.
const UNREAD_MAX: usize = 3;

/// One row that begins a line: its words, and which of them is which field.
struct Row<'p> {
    words: Vec<String>,
    fields: Vec<(usize, Field)>,
    below: Vec<String>,
    position: &'p Position,
}

/// A draft with patterns; `None` when rows have no common shape.
pub fn draft(base: &Draft, views: &Views<'_>) -> Option<Draft> {
    let formats = &base.proved.formats;
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (case, _, view) in &views.all {
        let hits = anchors(case, view);
        for (at, (index, position)) in hits.iter().enumerate() {
            let position = case.positions().get(*position)?;
            let text = view.row_text(*index);
            let words: Vec<String> = text.split_whitespace().map(str::to_string).collect();
            let mut fields: Vec<(usize, Field)> = Vec::new();
            for field in WORDS {
                let free = |at: usize| !fields.iter().any(|(taken, _)| *taken == at);
                let right = |word: &str| says(formats, field, bare(word), position, Decimal::ONE) == Some(true);
                let hit = words.iter().enumerate().find(|(at, word)| free(*at) && right(word)).map(|(at, _)| at);
                fields.extend(hit.map(|at| (at, field)));
            }
            fields.sort_by_key(|(at, _)| *at);
            let next = hits.get(at + 1).map_or(index + BELOW_MAX, |next| next.0).min(index + BELOW_MAX);
            let below = (index + 1..next)
                .map(|row| view.row_text(row).to_string())
                .take_while(|row| !row.trim().is_empty() && !words::is_stop(row))
                .collect();
            rows.push(Row { words, fields, below, position });
        }
    }
    // The shape that most rows have, the fuller one of two.
    let mut shapes: BTreeMap<Vec<Field>, usize> = BTreeMap::new();
    for row in &rows {
        *shapes.entry(row.fields.iter().map(|(_, field)| *field).collect()).or_insert(0) += 1;
    }
    let sound = |shape: &[Field]| {
        shape.contains(&Field::Position) || shape.contains(&Field::SupplierSku) || shape.contains(&Field::Gtin)
    };
    let says_quantity = |shape: &[Field]| shape.contains(&Field::QuantityConfirmed);
    let (shape, _) = shapes
        .into_iter()
        .filter(|(shape, count)| sound(shape) && count * 3 >= rows.len())
        .max_by_key(|(shape, count)| (says_quantity(shape), count * shape.len()))?;
    let alike: Vec<&Row<'_>> =
        rows.iter().filter(|row| row.fields.iter().map(|(_, field)| *field).eq(shape.iter().copied())).collect();
    let line = pattern(&shape, &alike)?;
    let more = more(base, &shape, &rows, views);
    if !says_quantity(&shape) && !more.iter().any(|pattern| pattern.contains("<quantity_confirmed>")) {
        return None;
    }
    let mut draft = base.clone();
    draft.proof.units.extend(units(formats, &more, &rows));
    if !more.iter().any(|pattern| pattern.contains("<status>")) {
        let texts = rows.iter().flat_map(|row| &row.below);
        let said = texts.filter_map(|text| Some((text.trim().to_string(), vocabulary::state(text)?.1.to_string())));
        draft.proof.unread.extend(said.take(UNREAD_MAX));
    }
    draft.lines = Some(Patterns { line, more, end: None });
    Some(draft)
}

/// A word without what stands around it in prose.
fn bare(word: &str) -> &str {
    word.trim_matches(|c: char| matches!(c, ',' | ';' | '(' | ')' | ':' | '*' | '@' | '"')).trim_end_matches('.')
}

/// What a field's word looks like.
fn word(field: Field) -> &'static str {
    match field {
        Field::Position => r"\d+",
        Field::SupplierSku | Field::Gtin => r"[\w./-]*\w",
        Field::ConfirmedDate => r"[\d./-]*\d",
        _ => r"[\d.,'’]*\d",
    }
}

/// The words between two fields: always as many, or free.
fn between(rows: &[&Row<'_>], left: usize) -> Option<String> {
    let texts: Vec<Vec<&str>> = rows
        .iter()
        .filter_map(|row| {
            let (from, _) = row.fields.get(left)?;
            let (to, _) = row.fields.get(left + 1)?;
            Some(row.words.get(from + 1..*to)?.iter().map(String::as_str).collect())
        })
        .collect();
    let counts: BTreeSet<usize> = texts.iter().map(Vec::len).collect();
    if counts.iter().eq([&0]) {
        return Some(r"\W*\s\W*".into());
    }
    let names = rows
        .iter()
        .zip(&texts)
        .filter(|(row, text)| row.position.name.as_deref().is_some_and(|name| similar(&text.join(" "), name)))
        .count();
    if names * 2 > rows.len() {
        // What always stands behind the name is not of it.
        let last: BTreeSet<&str> = texts.iter().filter_map(|text| text.last().copied()).collect();
        let fixed = last.iter().next().filter(|_| last.len() == 1).filter(|word| {
            !rows.iter().any(|row| row.position.name.as_deref().is_some_and(|name| name.contains(**word)))
        });
        let tail = fixed.map(|word| format!(r"\s+{}", regex::escape(word))).unwrap_or_default();
        return Some(format!(r"\W*\s+(?<name>\w.*?){tail}\W*\s\W*"));
    }
    // Now and then a word of a name is the quantity by chance: what most rows have holds for all.
    let usual = counts.into_iter().max_by_key(|count| texts.iter().filter(|text| text.len() == *count).count())?;
    let alike = texts.iter().filter(|text| text.len() == usual).count();
    Some(if alike * 4 >= texts.len() * 3 {
        format!(r"\W*\s+(?:\S+\s+){{{usual}}}\W*")
    } else {
        r"\W*\s+(?:\S.*?\s+)?\W*".into()
    })
}

/// The words that all rows begin with, as a pattern.
fn same_words(rows: &[&Row<'_>], count: usize) -> Option<String> {
    let first = rows.first()?.words.get(..count)?;
    let same = rows.iter().all(|row| row.words.get(..count) == Some(first));
    same.then(|| first.iter().map(|word| regex::escape(word)).collect::<Vec<_>>().join(r"\s+"))
}

fn pattern(shape: &[Field], rows: &[&Row<'_>]) -> Option<String> {
    // Never a row that is quoted: it was said of another mail.
    let leading: BTreeSet<usize> = rows.iter().filter_map(|row| row.fields.first()).map(|(at, _)| *at).collect();
    let mut out = match leading.iter().collect::<Vec<_>>().as_slice() {
        [0] => String::from(r"^[^\w>]*"),
        // The same words before each, `Pos. 10`, tell the rows from others.
        [one] => match same_words(rows, **one) {
            Some(words) => format!(r"^\s*{words}\s+\W*"),
            None => format!(r"^\s*(?:[^\s>]\S*\s+){{{one}}}\W*"),
        },
        _ => String::from(r"^[^>]*?\b"),
    };
    for (index, field) in shape.iter().enumerate() {
        out.push_str(&format!("(?<{}>{})", field.name(), word(*field)));
        if index + 1 < shape.len() {
            out.push_str(&between(rows, index)?);
        }
    }
    // A number or date ends where no further sign or digit of one follows, never within it.
    out.push_str(match shape.last() {
        Some(Field::PriceNet | Field::QuantityConfirmed | Field::ConfirmedDate) => r"(?:[.,;:)]*(?:\s|$)|[^\w.,'’/-])",
        _ => r"(?:\W|$)",
    });
    Some(out)
}

/// The whole phrase behind a label as the value: what in it is no number or date must be a fault. A pattern of
/// what a number looks like would end at its decimal comma, or find nothing, as soon as further words follow.
const PHRASE: &str = r"(?:\([^()]*\)|[^\s)])(?:\([^()]*\)|[^)])*?";

/// The pattern of a number or date behind its label. Of the joints that could stand between the two, the one that
/// finds most values in the samples, and takes the fewest other words (of a footer that begins alike) for one.
fn phrase(formats: &Formats, field: Field, label: &str, views: &Views<'_>) -> String {
    let value = match field {
        // A comma is part of it.
        Field::ConfirmedDate => format!(r"\pL+\.? \d{{1,2}}, \d{{4}}|{PHRASE}"),
        _ => PHRASE.to_string(),
    };
    let reads = |text: &str| {
        formats.is_empty(text)
            || if field == Field::ConfirmedDate { formats.date(text).is_ok() } else { formats.number(text).is_ok() }
    };
    let made = [r"[\s:=]+", r"\s*[:=]\s*", r"\s+"]
        .map(|joint| format!(r"{label}{joint}(?<{}>{value})\.?(?:\s{{2,}}|[,;](?:\s|$)|\)|\s*$)", field.name()));
    let wrong = |pattern: &String| {
        let Ok(regex) = regex::Regex::new(pattern) else { return (usize::MAX, usize::MAX) };
        let (mut wrong, mut right) = (0, 0);
        for (case, _, view) in &views.all {
            let first = anchors(case, view).first().map_or(view.rows.len(), |hit| hit.0);
            for row in first..view.rows.len() {
                let found = regex.captures(view.row_text(row));
                if let Some(found) = found.as_ref().and_then(|found| found.name(field.name())) {
                    *(if reads(found.as_str()) { &mut right } else { &mut wrong }) += 1;
                }
            }
        }
        (usize::MAX - right, wrong)
    };
    let [any, ..] = &made;
    made.iter().min_by_key(|pattern| wrong(pattern)).unwrap_or(any).clone()
}

/// The words behind the quantities, with the unit of the order that each stands for.
fn units(formats: &Formats, patterns: &[String], rows: &[Row<'_>]) -> BTreeMap<String, String> {
    let mut units = BTreeMap::new();
    let group = Field::QuantityConfirmed.name();
    let quantities: Vec<regex::Regex> = patterns
        .iter()
        .filter(|pattern| pattern.contains(&format!("<{group}>")))
        .filter_map(|pattern| regex::Regex::new(pattern).ok())
        .collect();
    for row in rows {
        let Some(ordered) = &row.position.unit else { continue };
        for (regex, text) in quantities.iter().flat_map(|regex| row.below.iter().map(move |text| (regex, text))) {
            let said = regex.captures(text).and_then(|found| formats.number(found.name(group)?.as_str()).ok());
            let unit = said.and_then(|number| number.unit);
            if let Some(unit) = unit.filter(|unit| words::plain(unit) != words::plain(ordered)) {
                units.entry(unit).or_insert_with(|| ordered.clone());
            }
        }
    }
    units
}

/// Labels on the rows below, for what the row itself does not say.
fn more(base: &Draft, shape: &[Field], rows: &[Row<'_>], views: &Views<'_>) -> Vec<String> {
    let formats = &base.proved.formats;
    let mut patterns = Vec::new();
    for field in [Field::SupplierSku, Field::QuantityConfirmed, Field::PriceNet, Field::ConfirmedDate, Field::Status] {
        if shape.contains(&field) {
            continue;
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for row in rows {
            let right = |text: &str| match field {
                Field::Status => vocabulary::state(text).is_some(),
                Field::ConfirmedDate => !formats.dates.is_empty() && formats.date(text).is_ok(),
                field => says(formats, field, text, row.position, Decimal::ONE) == Some(true),
            };
            let found: BTreeSet<String> = labels(&row.below, right).into_iter().collect();
            for label in found {
                *counts.entry(label).or_insert(0) += 1;
            }
        }
        let best =
            counts.into_iter().max_by_key(|(label, count)| (*count, usize::MAX - label.split_whitespace().count()));
        // What is said of few lines only is their state.
        let few = |label: &str| field == Field::Status && vocabulary::speaks_of(field, label);
        let Some((label, _)) = best.filter(|(label, count)| count * 2 > rows.len() || few(label)) else { continue };
        let label = regex::escape(&label).replace(' ', r"\s+");
        patterns.push(match field {
            Field::Status => format!(r"{label}\W*\s(?<status>\S[^,;()]*?)(?:\s{{2,}}|[,;()]|\s*$)"),
            Field::SupplierSku => {
                format!(r"{label}\W*\s(?<supplier_sku>{})(?:\s{{2,}}|[,;()]|\s*$)", word(field))
            }
            field => phrase(formats, field, &label, views),
        });
    }
    patterns
}
