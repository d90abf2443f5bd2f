//! The faults of a response in its partner's words: what is wrong, what was read, what is needed, an
//! example from the order itself.

use jiff::ToSpan;
use rust_decimal::Decimal;
use serde::Serialize;

use super::Letter;
use super::language::Language;
use super::view::{Frame, ROWS_MAX, is_unknown_order};
use crate::model::message::FieldType;
use crate::model::{Fault, FaultCode, Field, Place, Position, Spot};

#[derive(Serialize)]
pub struct FaultView {
    pub code: &'static str,
    pub position: Option<u32>,
    pub article: Option<String>,
    /// What is wrong.
    pub said: String,
    /// What was read, as it stands in the mail.
    pub read: Option<String>,
    /// Where it was read.
    pub place: Option<String>,
    pub needed: String,
    pub example: Option<String>,
}

/// All faults at once. Where the partner must not learn whether the order exists, the one fault of an
/// unknown order, without anything that was compared with the order.
pub fn faults(letter: &Letter<'_>, frame: &Frame<'_>, language: &Language) -> Vec<FaultView> {
    let Some(response) = frame.response else { return Vec::new() };
    let unknown = response.faults.iter().any(|fault| is_unknown_order(fault.code));
    if frame.hides_order() && unknown {
        let values = [("order", letter.dossier.number.as_str())];
        return vec![FaultView {
            code: FaultCode::UnknownOrder.name(),
            position: None,
            article: None,
            said: language.fill("fault.UNKNOWN_ORDER.said", &values),
            read: None,
            place: None,
            needed: language.fill("fault.UNKNOWN_ORDER.needed", &values),
            example: Some(language.fill("fault.UNKNOWN_ORDER.example", &values)),
        }];
    }
    response.faults.iter().take(ROWS_MAX).map(|fault| word(fault, letter, frame, language)).collect()
}

fn word(fault: &Fault, letter: &Letter<'_>, frame: &Frame<'_>, language: &Language) -> FaultView {
    let code = if is_unknown_order(fault.code) { FaultCode::UnknownOrder } else { fault.code };
    let own = frame.position(fault.position);
    let sample = Sample::of(own, letter, frame, language);
    let field = fault.field.map(|field| language.text(&format!("field.{}", field.name())).to_string());
    let field = field.unwrap_or_default();
    let value = fault.field.map(|field| sample.value(field)).unwrap_or_default();
    let values = [
        ("order", letter.dossier.number.as_str()),
        ("line", &sample.line),
        ("quantity", &sample.quantity),
        ("date", &sample.date),
        ("price", &sample.price),
        ("unit", &sample.unit),
        ("currency", frame.currency()),
        ("field", &field),
        ("value", &value),
    ];
    let text = |part: &str| language.fill(&format!("fault.{}.{part}", code.name()), &values);
    FaultView {
        code: code.name(),
        position: fault.position,
        article: frame.article(own, None),
        said: text("said"),
        read: fault.read.clone().filter(|read| !read.trim().is_empty()),
        place: fault.place.as_ref().filter(|_| fault.read.is_some()).map(|place| place_words(place, language)),
        needed: text("needed"),
        example: Some(text("example")).filter(|example| !example.trim().is_empty()),
    }
}

/// Values to show in examples: the position's own where it is known, else those of the order's first.
struct Sample {
    line: String,
    quantity: String,
    date: String,
    price: String,
    unit: String,
}

impl Sample {
    fn of(position: Option<&Position>, letter: &Letter<'_>, frame: &Frame<'_>, language: &Language) -> Sample {
        let first = || frame.order?.positions.iter().find(|one| frame.position(Some(one.position)).is_some());
        let position = position.or_else(first);
        let number = position.map_or(10, |position| position.position);
        let article = frame.article(position, None).unwrap_or_else(|| "A-100".into());
        let quantity = language.quantity(position.map_or(Decimal::from(5), |position| position.quantity));
        let unit = position.and_then(|position| position.unit.clone()).unwrap_or_default();
        let price = position.and_then(|position| position.price_net).unwrap_or_else(|| Decimal::new(1250, 2));
        let price = language.money(price, frame.currency());
        let today = letter.now.to_zoned(frame.zone.clone()).date();
        let date = position
            .and_then(|position| position.requested_date)
            .unwrap_or_else(|| today.checked_add(14.days()).unwrap_or(today));
        let date = language.date(date);
        let amount = format!("{quantity} {unit}");
        let line = [number.to_string(), article, amount.trim().to_string(), price.clone(), date.clone()].join(" · ");
        Sample { line, quantity, date, price, unit }
    }

    fn value(&self, field: Field) -> String {
        match (field, field.field_type()) {
            (Field::PriceNet | Field::LineTotal | Field::Total, _) => self.price.clone(),
            (_, FieldType::Date) => self.date.clone(),
            (_, FieldType::Number) => self.quantity.clone(),
            (Field::Unit, _) => self.unit.clone(),
            _ => String::new(),
        }
    }
}

pub fn place_words(place: &Place, language: &Language) -> String {
    let key = format!("place.{}", place.part);
    let part = if language.has(&key) { language.text(&key).to_string() } else { place.part.clone() };
    match &place.spot {
        Spot::Text { line, .. } => language.fill("place.line", &[("part", &part), ("line", &line.to_string())]),
        Spot::Box { page, .. } => language.fill("place.page", &[("part", &part), ("page", &page.to_string())]),
        Spot::Cell { sheet, cell } => language.fill("place.cell", &[("part", &part), ("sheet", sheet), ("cell", cell)]),
        Spot::Path { path } => language.fill("place.path", &[("part", &part), ("path", path)]),
        Spot::Whole => part,
    }
}
