//! S2: can the order be taken as the customer wrote it? One named check for each thing that can be wrong; all are
//! told at once. It must never know what the order system will make of it.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::compare::{articles, position_of};
use super::run::Run;
use super::table::Answer;
use crate::model::{
    Fault, FaultCode, Field, Message, Said, Sale, SaleAbout, SaleSettings, SaleStatus, TransmissionKind, Value,
};
use crate::process::NUMBER_MAX;

type Line = BTreeMap<Field, Said>;

pub fn check(run: &mut Run<'_, '_>) {
    let faults = faults(run.sale, run.world.settings);
    if faults.is_empty() {
        run.touch().faults.clear();
        run.walk(Answer::Sound, None);
        return;
    }
    let note = faults.iter().map(|fault| fault.code.name()).collect::<Vec<_>>().join(", ");
    let to = run.customer();
    let told = run.world.settings.tell_customer && to.iter().any(|address| !address.is_empty());
    run.touch().faults = faults;
    if !told {
        run.touch().request = None;
        run.walk(Answer::Faulty, Some(note));
        return;
    }
    let settings = run.world.settings;
    let remind_at = settings.request_reminder.after(run.now(), &settings.time_zone);
    let remind_at = Some(remind_at).filter(|_| !settings.request_reminder.is_none());
    let owed = run.owed(TransmissionKind::RequestNewOrder, to, SaleAbout::Sale);
    let id = owed.id;
    let before = run.sale.request;
    if run.walk_owing(Answer::FaultyTold, Some(note), vec![owed], |sale| {
        (sale.request, sale.remind_at) = (Some(id), remind_at);
    }) {
        run.cancel_transmission(before);
    }
}

/// Everything that is wrong with what is wanted.
fn faults(sale: &Sale, settings: &SaleSettings) -> Vec<Fault> {
    let mut found: Vec<Fault> = sale.versions.last().map(|version| version.faults.clone()).unwrap_or_default();
    let order = &sale.wanted;
    number(sale, &mut found);
    customer_number(sale, settings, &mut found);
    if settings.register.is_some() && order.text(Field::Currency).is_none() {
        found.push(missing(None, None, Field::Currency, "the order names no currency", "EUR"));
    }
    if order.lines.is_empty() {
        let message = "the order has no lines".to_string();
        found.push(Fault { code: FaultCode::NoLines, needed: Some("at least one line".into()), ..blank(message) });
    }
    let mut seen = BTreeSet::new();
    for (index, line) in order.lines.iter().enumerate() {
        let position = position_of(line);
        if position.is_some_and(|position| !seen.insert(position)) {
            let message = format!("line {} stands twice", position.unwrap_or_default());
            found.push(Fault { code: FaultCode::DuplicatePosition, position, line: Some(index), ..blank(message) });
        }
        article(line, position, index, &mut found);
        quantity(line, position, index, &mut found);
        price(line, position, index, &mut found);
        for field in &settings.required_fields {
            if !line.contains_key(field) && !order.fields.contains_key(field) {
                let words = format!("{} is missing", field.name());
                found.push(missing(position, Some(index), *field, &words, field.name()));
            }
        }
    }
    // What the reader could not read it says better than we that it is missing.
    let read: BTreeSet<(Option<usize>, Option<Field>)> = sale
        .versions
        .last()
        .map(|version| version.faults.iter().map(|fault| (fault.line, fault.field)).collect())
        .unwrap_or_default();
    let own = sale.versions.last().map_or(0, |version| version.faults.len());
    let mut index = 0;
    found.retain(|fault| {
        index += 1;
        index <= own || fault.field.is_none() || !read.contains(&(fault.line, fault.field))
    });
    found
}

fn number(sale: &Sale, found: &mut Vec<Fault>) {
    let said = sale.versions.last().is_some_and(|version| version.message.text(Field::OrderNumber).is_some());
    if !said {
        found.push(missing(None, None, Field::OrderNumber, "the order has no order number", "your order number"));
    }
}

/// A customer orders for itself only.
fn customer_number(sale: &Sale, settings: &SaleSettings, found: &mut Vec<Fault>) {
    let Some(said) = sale.versions.last().and_then(|version| version.message.fields.get(&Field::CustomerNumber)) else {
        return;
    };
    let Some(known) = settings.customer_number.as_deref() else { return };
    if said.value.as_text().is_none_or(|said| !said.trim().eq_ignore_ascii_case(known)) {
        found.push(Fault {
            code: FaultCode::InvalidValue,
            field: Some(Field::CustomerNumber),
            read: Some(said.raw.clone()),
            needed: Some(known.to_string()),
            place: Some(said.place.clone()),
            ..blank(format!("the customer number `{}` is not the one we know this sender by", said.value))
        });
    }
}

fn article(line: &Line, position: Option<u32>, index: usize, found: &mut Vec<Fault>) {
    if articles(line).is_empty() {
        found.push(missing(
            position,
            Some(index),
            Field::SupplierSku,
            "the line names no article",
            "the article number",
        ));
    }
}

fn quantity(line: &Line, position: Option<u32>, index: usize, found: &mut Vec<Fault>) {
    match line.get(&Field::Quantity) {
        None => {
            let mut fault =
                missing(position, Some(index), Field::Quantity, "the line has no quantity", "a quantity above zero");
            fault.code = FaultCode::MissingQuantity;
            found.push(fault);
        }
        Some(said) => {
            let good = said.value.as_number().is_some_and(|n| n > Decimal::ZERO && n <= NUMBER_MAX);
            if !good {
                found.push(invalid(said, position, index, Field::Quantity, "a quantity above zero"));
            }
        }
    }
}

fn price(line: &Line, position: Option<u32>, index: usize, found: &mut Vec<Fault>) {
    let Some(said) = line.get(&Field::PriceNet) else { return };
    if !said.value.as_number().is_some_and(|n| n >= Decimal::ZERO && n <= NUMBER_MAX) {
        found.push(invalid(said, position, index, Field::PriceNet, "a price that is not below zero"));
    }
}

fn invalid(said: &Said, position: Option<u32>, line: usize, field: Field, needed: &str) -> Fault {
    Fault {
        code: FaultCode::InvalidValue,
        position,
        line: Some(line),
        field: Some(field),
        read: Some(said.raw.clone()),
        needed: Some(needed.to_string()),
        place: Some(said.place.clone()),
        ..blank(format!("`{}` is no {}", said.raw, field.name()))
    }
}

fn missing(position: Option<u32>, line: Option<usize>, field: Field, message: &str, needed: &str) -> Fault {
    Fault {
        code: FaultCode::MissingField,
        position,
        line,
        field: Some(field),
        needed: Some(needed.to_string()),
        ..blank(message.to_string())
    }
}

fn blank(message: String) -> Fault {
    Fault {
        code: FaultCode::MissingField,
        message,
        position: None,
        line: None,
        field: None,
        read: None,
        needed: None,
        place: None,
    }
}

/// What the order system is asked for: the customer's order with our number of it, line numbers, and what the price
/// list says of lines without a price. Whatever was not said is marked so.
pub fn wanted(message: &Message, sale: &Sale, settings: &SaleSettings) -> Message {
    let mut order = message.clone();
    let text = |value: &str, by: &str| Said::filled(Value::Text(value.to_string()), by);
    order.fields.insert(Field::OrderNumber, text(sale.order.as_str(), "postern"));
    if let (None, Some(number)) = (order.text(Field::CustomerNumber), &settings.customer_number) {
        order.fields.insert(Field::CustomerNumber, text(number, "configuration"));
    }
    if let (None, Some(currency)) = (order.text(Field::Currency), &settings.currency) {
        order.fields.insert(Field::Currency, text(currency, "configuration"));
    }
    let taken: BTreeSet<u32> = order.lines.iter().filter_map(position_of).collect();
    let mut free = (1..).filter(|number| !taken.contains(number));
    for line in &mut order.lines {
        line.entry(Field::Position).or_insert_with(|| {
            let number = free.next().unwrap_or_default();
            Said::filled(Value::Number(number.into()), "counted")
        });
        if !line.contains_key(&Field::PriceNet) {
            let known = articles(line).into_iter().find_map(|(_, article)| settings.prices.get(&article));
            if let Some(price) = known.and_then(|known| known.price) {
                line.insert(Field::PriceNet, Said::filled(Value::Number(price), "price list"));
            }
        }
    }
    order
}

/// Whether two messages order the same, however and whenever they were written.
pub fn same_order(one: &Message, other: &Message) -> bool {
    let plain = |fields: &Line| -> BTreeMap<Field, String> {
        let kept = fields.iter().filter(|(field, _)| !matches!(field, Field::EntryDate | Field::ResponseNumber));
        kept.map(|(field, said)| (*field, said.value.to_string())).collect()
    };
    plain(&one.fields) == plain(&other.fields)
        && one.lines.len() == other.lines.len()
        && one.lines.iter().zip(&other.lines).all(|(one, other)| plain(one) == plain(other))
}

/// Whether the order system may have a document of this sale.
pub fn may_be_known(sale: &Sale) -> bool {
    let handed = |handed: &crate::model::HandOver| handed.tries > 0 || handed.handed_at.is_some();
    sale.status != SaleStatus::Canceled && sale.hand_overs.iter().any(handed)
}
