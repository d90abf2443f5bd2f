//! Records -> lines: each column's words become a value, with codes, units and the price basis applied.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::heads::Wanted;
use super::interpret::{Read, Unread, interpret};
use super::read::Faults;
use super::record::{Fragment, Record};
use super::rule::{CellLine, Column, Mapping, Pattern, TableRule};
use super::select;
use super::view::{Folded, View};
use super::words;
use crate::model::message::FieldType;
use crate::model::{Field, Place, Said, Schedule, Value};

/// A line under construction.
pub type Line = BTreeMap<Field, Said>;

/// Reads the values of one record.
pub fn line(
    mapping: &Mapping,
    rule: &TableRule,
    wanted: &[Wanted],
    record: &Record,
    view: &View<'_>,
    number: usize,
    faults: &mut Faults,
) -> Line {
    let mut line = Line::new();
    let mut extra = Extra::default();
    for (index, column) in rule.columns.iter().enumerate() {
        let at = wanted.iter().position(|wanted| wanted.columns.contains(&index));
        if let Some(text) = &column.value {
            if let Ok(value) = Value::parse(column.field.field_type(), text) {
                line.entry(column.field)
                    .or_insert_with(|| Said::new(value, text.clone(), column.rule.clone(), Place::default()));
            }
            continue;
        }
        let words = words_of(mapping, column, at, record, view);
        let Some(words) = words else {
            if column.required == Some(true) {
                faults.missing(column.field, Some(number), &column.rule, record.whole(view));
            }
            continue;
        };
        match reads(mapping, column, &words) {
            Ok(Some((fragment, read))) => {
                let scheduled = rule.schedule.as_ref().is_some_and(|pattern| pattern.regex.is_match(&record.text));
                let other = at.and_then(|at| record.cells.get(at)).filter(|_| !scheduled);
                // Among words, a piece of a sentence that stands by chance below a head is no value.
                let alone = |text: &str| {
                    view.has_cells()
                        || record.text.lines().flat_map(|row| row.split("  ")).any(|own| own.trim() == text)
                };
                match other.and_then(|cell| another(mapping, column, cell, &read, alone)) {
                    Some(other) => {
                        let reason = format!("`{}` stands in the cell, too", other.text);
                        let needed = "one value, or `line` or `schedule` to say which one it is".to_string();
                        let unread = Unread { reason, needed };
                        faults.invalid(column.field, Some(number), &column.rule, &fragment, unread);
                    }
                    None => extra.take(mapping, column.field, &column.rule, fragment, read, &mut line),
                }
            }
            Ok(None) if column.required == Some(true) => {
                faults.missing(column.field, Some(number), &column.rule, record.whole(view));
            }
            Ok(None) => {}
            Err(wrong) => faults.invalid(column.field, Some(number), &column.rule, &wrong.0, wrong.1),
        }
    }
    if let Some(pattern) = &rule.schedule {
        schedule(mapping, pattern, record, view, number, &mut line, faults);
    }
    finish(mapping, line, extra, number, faults, || record.whole(view))
}

/// What stands beside values and is applied when the whole line is known.
#[derive(Default)]
pub struct Extra {
    unit: Option<(Fragment, String)>,
    currency: Option<(Fragment, &'static str)>,
}

impl Extra {
    /// Puts a value into the line; the first rule for a field that finds one wins.
    pub fn take(
        &mut self,
        mapping: &Mapping,
        field: Field,
        rule: &str,
        fragment: Fragment,
        read: Read,
        line: &mut Line,
    ) {
        if let Some(unit) = read.unit {
            self.unit.get_or_insert((fragment.clone(), unit));
        }
        if let Some(currency) = read.currency {
            self.currency.get_or_insert((fragment.clone(), currency));
        }
        if field == Field::Status {
            reason_within(mapping, &fragment, line);
        }
        line.entry(field).or_insert_with(|| Said::new(read.value, fragment.text, rule, fragment.place));
    }
}

/// The reason that a status names in passing: "storniert (nicht mehr lieferbar)".
fn reason_within(mapping: &Mapping, fragment: &Fragment, line: &mut Line) {
    if line.contains_key(&Field::Reason) {
        return;
    }
    if let Ok(Some(code)) = mapping.codes.find(Field::Reason, &fragment.text) {
        let said =
            Said::new(Value::Text(code.value.clone()), code.word.clone(), "codes.reason", fragment.place.clone());
        line.insert(Field::Reason, said);
        return;
    }
    let inner = fragment.text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map(|(inner, _)| inner.trim());
    if let Some(inner) = inner.filter(|inner| !inner.is_empty()) {
        let said = Said::new(
            Value::Text(inner.to_string()),
            inner,
            "the words in brackets behind the status",
            fragment.place.clone(),
        );
        line.insert(Field::Reason, said);
    }
}

/// The words of a column in a record, a fragment a line; the likeliest first.
fn words_of(
    mapping: &Mapping,
    column: &Column,
    at: Option<usize>,
    record: &Record,
    view: &View<'_>,
) -> Option<Vec<Fragment>> {
    if !column.labels.is_empty() {
        let found = column.labels.iter().find_map(|label| labelled(mapping, column.field, label, record, view))?;
        return Some(vec![found]);
    }
    let Some(at) = at else {
        let find = column.find.as_ref()?;
        let group = find.regex.captures(&record.text)?.get(1)?;
        return Some(vec![Fragment {
            text: group.as_str().trim().to_string(),
            place: record.place(view, group.range()),
        }]);
    };
    let cell = record.cells.get(at)?;
    let first = record.first.get(at).copied().flatten();
    let lines: Vec<Fragment> = match column.line {
        CellLine::Nth(nth) => vec![cell.get(nth - 1)?.clone()],
        CellLine::All => vec![joined(cell)?],
        CellLine::Usual if column.find.is_some() => vec![joined(cell)?],
        CellLine::Usual if is_free(column.field) => vec![joined(cell)?],
        CellLine::Usual => {
            let begin = first.and_then(|first| cell.get(first));
            let mut lines: Vec<Fragment> = begin.or_else(|| cell.first()).cloned().into_iter().collect();
            if cell.len() > 1 {
                lines.extend(joined(cell));
            }
            lines
        }
    };
    let Some(find) = &column.find else { return Some(lines) };
    let text = match column.line {
        CellLine::Nth(_) => lines.first()?.text.clone(),
        _ => cell.iter().map(|fragment| fragment.text.as_str()).collect::<Vec<_>>().join("\n"),
    };
    let group = find.regex.captures(&text)?.get(1)?;
    // The place of the line in which the match begins.
    let nth = text.get(..group.start()).map_or(0, |before| before.matches('\n').count());
    let place = if let CellLine::Nth(_) = column.line { lines.first() } else { cell.get(nth) }?.place.clone();
    Some(vec![Fragment { text: group.as_str().trim().to_string(), place }])
}

/// Free words take all lines of their cell.
fn is_free(field: Field) -> bool {
    matches!(field, Field::Name | Field::Note | Field::Reason | Field::Status | Field::Schedule)
}

fn joined(cell: &[Fragment]) -> Option<Fragment> {
    let first = cell.first()?;
    let text = cell.iter().map(|fragment| fragment.text.as_str()).collect::<Vec<_>>().join(" ");
    Some(Fragment { text, place: first.place.clone() })
}

/// The value beside a label within the record's rows.
fn labelled(mapping: &Mapping, field: Field, label: &str, record: &Record, view: &View<'_>) -> Option<Fragment> {
    let needle: Vec<char> = words::plain(label).chars().collect();
    let mut offset = 0;
    for row in record.text.split('\n') {
        let folded = Folded::new(row, 0);
        let mut from = 0;
        while let Some((span, next)) = folded.find(&needle, from, row, 0) {
            from = next;
            let rest = row.get(span.end..)?;
            // To the end of the phrase; when the label fills it, the next phrase.
            let skip = rest.len() - rest.trim_start().len();
            let end = rest.get(skip..).and_then(|rest| rest.find("  ")).map_or(rest.len(), |at| skip + at);
            if let Some(value) = select::value_within(mapping, field, rest.get(..end)?) {
                let start = span.end + value.start;
                let end = span.end + value.end;
                let text = row.get(start..end)?.to_string();
                return Some(Fragment { text, place: record.place(view, offset + start..offset + end) });
            }
        }
        offset += row.len() + 1;
    }
    None
}

/// Words that are no value, and why.
type Wrong = Box<(Fragment, Unread)>;

/// The first of the fragments that reads; the reason of the first when none does.
fn reads(mapping: &Mapping, column: &Column, fragments: &[Fragment]) -> Result<Option<(Fragment, Read)>, Wrong> {
    let mut wrong = None;
    for fragment in fragments {
        match interpret(mapping, column.field, &fragment.text) {
            Ok(Some(read)) => return Ok(Some((fragment.clone(), read))),
            Ok(None) => {}
            Err(unread) => {
                wrong.get_or_insert((fragment.clone(), unread));
            }
        }
    }
    wrong.map_or(Ok(None), |wrong| Err(Box::new(wrong)))
}

/// Lines of a cell among which another value is looked for: no real cell has more.
const LINES_LOOKED_AT: usize = 50;

/// Another line of the cell that reads as another value of the field (`5` and below it `4`, a discount below a
/// price): which of them counts is not ours to guess. Words, units and the same value again are none.
fn another<'c>(
    mapping: &Mapping,
    column: &Column,
    cell: &'c [Fragment],
    read: &Read,
    alone: impl Fn(&str) -> bool,
) -> Option<&'c Fragment> {
    let usual = matches!(column.line, CellLine::Usual) && column.find.is_none() && column.labels.is_empty();
    if !usual || column.field == Field::Position {
        return None;
    }
    let of = |text: &str| interpret(mapping, column.field, text).ok().flatten().map(|other| other.value);
    let differs = |text: &str| match column.field.field_type() {
        // A share of it is no value, but it changes one.
        FieldType::Number => of(text.trim().trim_end_matches('%')).is_some_and(|other| other != read.value),
        FieldType::Date => of(text).is_some_and(|other| other != read.value),
        _ => false,
    };
    // Each look may walk the whole record.
    cell.iter().take(LINES_LOOKED_AT).find(|fragment| differs(&fragment.text) && alone(fragment.text.trim()))
}

/// Several deliveries within the rows.
pub fn schedule(
    mapping: &Mapping,
    pattern: &Pattern,
    record: &Record,
    view: &View<'_>,
    number: usize,
    line: &mut Line,
    faults: &mut Faults,
) {
    let mut deliveries = Vec::new();
    let mut whole: Option<std::ops::Range<usize>> = None;
    for groups in pattern.regex.captures_iter(&record.text).take(1_000) {
        let Some(quantity) = groups.name("quantity") else { continue };
        let fragment = |group: &regex::Match<'_>| Fragment {
            text: group.as_str().to_string(),
            place: record.place(view, group.range()),
        };
        let quantity = match mapping.formats.number(quantity.as_str()) {
            Ok(number) => number.value,
            Err(reason) => {
                faults.invalid(
                    Field::Schedule,
                    Some(number),
                    "schedule <quantity>",
                    &fragment(&quantity),
                    Unread { reason, needed: "a quantity".into() },
                );
                continue;
            }
        };
        let date = match groups.name("date").map(|date| (date, mapping.formats.date(date.as_str()))) {
            None => None,
            Some((_, Ok(date))) => Some(date),
            Some((date, Err(reason))) => {
                faults.invalid(
                    Field::Schedule,
                    Some(number),
                    "schedule <date>",
                    &fragment(&date),
                    Unread { reason, needed: "a date".into() },
                );
                continue;
            }
        };
        if let Some(all) = groups.get(0) {
            whole = Some(whole.map_or(all.range(), |whole| whole.start..all.end()));
        }
        deliveries.push(Schedule { quantity, date });
    }
    if let (false, Some(span)) = (deliveries.is_empty(), whole) {
        let raw = record.text.get(span.clone()).unwrap_or_default().to_string();
        line.entry(Field::Schedule)
            .or_insert_with(|| Said::new(Value::Schedule(deliveries), raw, "schedule", record.place(view, span)));
    }
}

const QUANTITIES: [Field; 4] =
    [Field::Quantity, Field::QuantityConfirmed, Field::QuantityBackordered, Field::QuantityCanceled];

/// Units, price basis, and what every line must have.
pub fn finish(
    mapping: &Mapping,
    mut line: Line,
    extra: Extra,
    number: usize,
    faults: &mut Faults,
    place: impl Fn() -> Place,
) -> Line {
    if let Some((fragment, unit)) = extra.unit
        && !line.contains_key(&Field::Unit)
        && let Ok(Some(read)) = interpret(mapping, Field::Unit, &unit)
    {
        line.insert(Field::Unit, Said::new(read.value, unit, "the word behind the quantity", fragment.place));
    }
    if let Some((fragment, currency)) = extra.currency {
        faults.currency(currency, fragment);
    }
    // Our unit, and how many of it make one of theirs.
    let factor = line.get(&Field::Unit).and_then(|said| {
        let codes = mapping.codes.fields.get(&Field::Unit)?;
        codes.iter().find(|code| code.plain == words::plain(&said.raw))?.factor
    });
    if let Some(factor) = factor {
        for field in QUANTITIES {
            rewrite(&mut line, field, |quantity| quantity.checked_mul(factor));
        }
        rewrite(&mut line, Field::PriceNet, |price| price.checked_div(factor));
    }
    let basis = line.get(&Field::PriceBasis).and_then(|said| said.value.as_number()).or(mapping.formats.price_per);
    match basis {
        Some(basis) if basis > Decimal::ZERO => rewrite(&mut line, Field::PriceNet, |price| price.checked_div(basis)),
        Some(basis) => {
            if let Some(said) = line.remove(&Field::PriceBasis) {
                let fragment = Fragment { text: said.raw, place: said.place };
                let unread = Unread {
                    reason: format!("prices cannot be for {basis} units"),
                    needed: "a number above zero".into(),
                };
                faults.invalid(Field::PriceBasis, Some(number), &said.rule, &fragment, unread);
            }
        }
        None => {}
    }
    if !super::check::REFERENCES.iter().any(|field| line.contains_key(field)) {
        faults.reference(number, place());
    }
    line
}

/// Changes a number in place; more digits than a price can have are rounded away.
fn rewrite(line: &mut Line, field: Field, change: impl Fn(Decimal) -> Option<Decimal>) {
    if let Some(said) = line.get_mut(&field)
        && let Value::Number(number) = said.value
        && let Some(changed) = change(number)
    {
        said.value = Value::Number(changed.round_dp(12).normalize());
    }
}
