//! Words of a partner -> a value of a field: formats and codes applied, the reason when it cannot be.
//!
//! It must never know where the words stand.

use rust_decimal::Decimal;

use super::rule::Mapping;
use super::words;
use crate::model::message::FieldType;
use crate::model::{Field, HeadState, LineStatus, Value};

/// A value, with what stood beside it in the same words.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    pub value: Value,
    /// ISO 4217, beside an amount.
    pub currency: Option<&'static str>,
    /// Behind a quantity.
    pub unit: Option<String>,
}

/// Why words are no value, and what is needed instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Unread {
    pub reason: String,
    pub needed: String,
}

/// Longer values are no values.
const VALUE_BYTES_MAX: usize = 4_000;

/// `Ok(None)`: the words say nothing (an empty cell, a dash).
pub fn interpret(mapping: &Mapping, field: Field, raw: &str) -> Result<Option<Read>, Unread> {
    let text = raw.trim();
    if text.len() > VALUE_BYTES_MAX {
        return Err(unread("it is longer than any value", "a value"));
    }
    let codes = mapping.codes.fields.get(&field);
    if mapping.formats.is_empty(text)
        && !codes.is_some_and(|codes| codes.iter().any(|code| code.plain == words::plain(text)))
    {
        return Ok(None);
    }
    let formats = &mapping.formats;
    let plain = |value: Value| Ok(Some(Read { value, currency: None, unit: None }));
    match field.field_type() {
        FieldType::Number if field == Field::Position => plain(Value::Number(position(text)?)),
        FieldType::Number => {
            let number = formats.number(text).map_err(|reason| Unread { reason, needed: needed_number(mapping) })?;
            let money = matches!(field, Field::PriceNet | Field::LineTotal | Field::Total);
            if let (true, Some(found), Some(usual)) = (money, number.currency, formats.currency.as_deref())
                && found != usual
            {
                return Err(unread(
                    format!("it is in {found}, and [formats] currency says {usual}"),
                    format!("an amount in {usual}"),
                ));
            }
            let unit = number.unit.filter(|_| !money);
            Ok(Some(Read { value: Value::Number(number.value), currency: number.currency.filter(|_| money), unit }))
        }
        FieldType::Date => {
            let needed =
                formats.dates.first().map_or("a date".into(), |pattern| format!("a date like {}", pattern.written));
            plain(Value::Date(formats.date(text).map_err(|reason| Unread { reason, needed })?))
        }
        FieldType::Status | FieldType::State => {
            let name = field.name();
            let known = || {
                let words: Vec<&str> = codes.into_iter().flatten().map(|code| code.word.as_str()).collect();
                if words.is_empty() {
                    format!("words in [codes.{name}]")
                } else {
                    format!("one of {}", words.join(", "))
                }
            };
            let code = mapping.codes.find(field, text).map_err(|reason| Unread { reason, needed: known() })?;
            let Some(code) = code else { return Err(unread(format!("`{text}` is not among [codes.{name}]"), known())) };
            let value = match field.field_type() {
                FieldType::Status => LineStatus::from_name(&code.value).map(Value::Status),
                _ => HeadState::from_name(&code.value).map(Value::State),
            };
            value
                .map(|value| Some(Read { value, currency: None, unit: None }))
                .ok_or_else(|| unread("the code is unknown", known()))
        }
        FieldType::Schedule => {
            let needed = "deliveries like `18 01.12.2026; 4 08.12.2026`".to_string();
            plain(Value::Schedule(formats.schedule(text).map_err(|reason| Unread { reason, needed })?))
        }
        FieldType::Text => plain(Value::Text(words_of(mapping, field, text)?)),
    }
}

fn words_of(mapping: &Mapping, field: Field, text: &str) -> Result<String, Unread> {
    let squeezed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match field {
        Field::Reason | Field::Currency => {
            let found =
                mapping.codes.find(field, text).map_err(|reason| Unread { reason, needed: "one code".into() })?;
            if let Some(code) = found {
                return Ok(code.value.clone());
            }
            if field == Field::Reason {
                return Ok(squeezed);
            }
            if squeezed.len() == 3 && squeezed.chars().all(|c| c.is_ascii_uppercase()) {
                return Ok(squeezed);
            }
            words::currency(&squeezed)
                .map(str::to_string)
                .ok_or_else(|| unread(format!("`{squeezed}` is no currency"), "a currency like EUR"))
        }
        Field::OrderNumber if words::listed(&squeezed).is_some() => {
            Err(unread("it names more than one order", "one order number"))
        }
        Field::Gtin => {
            let digits: String = squeezed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
            if digits.chars().all(|c| c.is_ascii_digit()) && matches!(digits.len(), 8 | 12 | 13 | 14) {
                Ok(digits)
            } else {
                Err(unread(format!("`{squeezed}` has not 8, 12, 13 or 14 digits"), "a GTIN"))
            }
        }
        _ => {
            let plain = words::plain(text);
            let codes = mapping.codes.fields.get(&field);
            Ok(codes.into_iter().flatten().find(|code| code.plain == plain).map_or(squeezed, |code| code.value.clone()))
        }
    }
}

/// `10`, `00010`, `Pos. 10`, `10.`, `#3`.
fn position(text: &str) -> Result<Decimal, Unread> {
    let digits = text.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_end_matches(['.', ')', ':', ' ']);
    let before =
        text.get(..text.len() - text.trim_start_matches(|c: char| !c.is_ascii_digit()).len()).unwrap_or_default();
    let wordy = before.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | '#' | ' ' | ':' | '('))
        && before.chars().count() <= 10;
    let number = digits.parse::<u32>().ok().filter(|_| wordy && digits.len() <= 9);
    number.map(Decimal::from).ok_or_else(|| unread(format!("`{text}` is no position number"), "a position like 10"))
}

fn needed_number(mapping: &Mapping) -> String {
    match mapping.formats.decimal {
        Some(',') => "a number like 1.768,40".into(),
        _ => "a number like 1768.40".into(),
    }
}

fn unread(reason: impl Into<String>, needed: impl Into<String>) -> Unread {
    Unread { reason: reason.into(), needed: needed.into() }
}
