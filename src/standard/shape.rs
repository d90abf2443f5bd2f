//! What all standards share once the values are read: one message an order, several response lines for
//! one order line, several deliveries of a line, a head's date that counts for its lines.

use std::collections::BTreeMap;

use super::take::{Fields, Found, Heard, Take, shorten};
use crate::model::{BackorderEncoding, Date, Decimal, FaultCode, Field, LineStatus, Message, Said, Schedule, Value};

/// A line as read, with the order it names itself, if it does.
#[derive(Default)]
pub struct Line {
    pub fields: Fields,
    /// Counted over the whole document, from 1.
    pub number: usize,
    pub order: Option<Said>,
    /// The standard's code says "added", which also means "a further delivery of the same order line".
    pub added: bool,
}

impl Line {
    /// A new line; complaints are its own until [`Take::end_line`].
    pub fn begin(take: &mut Take) -> Line {
        Line { number: take.begin_line(), ..Line::default() }
    }
}

/// One document answers some orders, not thousands.
const ORDERS_MAX: usize = 200;

/// One message an order: lines may name other orders than the head does, or the only ones.
pub fn by_order(take: &mut Take, head: Message, lines: Vec<Line>) -> Vec<Heard> {
    let mut groups: Vec<(Option<String>, Option<Said>, Vec<Line>)> = Vec::new();
    let of_head = head.fields.get(&Field::OrderNumber).cloned();
    for line in lines {
        let order = line.order.clone().or_else(|| of_head.clone());
        let number = order.as_ref().and_then(|said| said.value.as_text()).map(str::to_string);
        if let Some(group) = groups.iter_mut().find(|group| group.0 == number) {
            group.2.push(line);
        } else if groups.len() < ORDERS_MAX {
            groups.push((number, order, vec![line]));
        } else {
            take.fault(FaultCode::Unreadable, format!("more than {ORDERS_MAX} orders in one document"), "", 0..0);
            break;
        }
    }
    if groups.is_empty() {
        return vec![take.heard(head, Vec::new())];
    }
    let message = |(_, order, mut lines): (_, Option<Said>, Vec<Line>)| {
        let mut message = head.clone();
        if let Some(order) = order {
            message.fields.insert(Field::OrderNumber, order);
        }
        if further_deliveries(&mut lines) {
            message.habits.backorder = BackorderEncoding::TwoLines;
        }
        let numbers = lines.iter().map(|line| line.number).collect();
        message.lines = lines.into_iter().map(|line| line.fields).collect();
        take.heard(message, numbers)
    };
    groups.into_iter().map(message).collect()
}

/// Several response lines for one order line stay several lines. Those that come later than the first
/// take the backordered slot, so that each line says by itself what it means, and a cancellation beside
/// other lines is one of its own quantity, not of the whole position.
fn further_deliveries(lines: &mut [Line]) -> bool {
    let mut by_position: BTreeMap<Decimal, Vec<usize>> = BTreeMap::new();
    for (index, line) in lines.iter().enumerate() {
        if let Some(position) = line.fields.get(&Field::Position).and_then(|said| said.value.as_number()) {
            by_position.entry(position).or_default().push(index);
        }
    }
    let mut several = false;
    for members in by_position.into_values().filter(|members| members.len() > 1) {
        several = true;
        let date = |line: &Line| line.fields.get(&Field::ConfirmedDate).and_then(|said| said.value.as_date());
        let first = members.iter().filter_map(|index| lines.get(*index)).filter_map(date).min();
        for index in members {
            let Some(line) = lines.get_mut(index) else { continue };
            if status(&line.fields) == Some(LineStatus::Canceled) {
                if !line.fields.contains_key(&Field::QuantityCanceled) {
                    rename(&mut line.fields, Field::Quantity, Field::QuantityCanceled);
                }
                continue;
            }
            let later = date(line).is_some_and(|date| Some(date) > first);
            if later && !line.fields.contains_key(&Field::QuantityBackordered) {
                rename(&mut line.fields, Field::QuantityConfirmed, Field::QuantityBackordered);
                rename(&mut line.fields, Field::ConfirmedDate, Field::BackorderedDate);
            }
            if line.added {
                let meant = if later { LineStatus::Backordered } else { LineStatus::Changed };
                understand(&mut line.fields, meant, "a further delivery of the same order line");
            }
        }
    }
    several
}

fn status(fields: &Fields) -> Option<LineStatus> {
    fields.get(&Field::Status).and_then(|said| said.value.as_status())
}

fn rename(fields: &mut Fields, from: Field, to: Field) {
    if let Some(said) = fields.remove(&from) {
        fields.insert(to, said);
    }
}

fn understand(fields: &mut Fields, meant: LineStatus, why: &str) {
    if let Some(said) = fields.get_mut(&Field::Status) {
        said.value = Value::Status(meant);
        said.rule = format!("{} ({why})", said.rule);
    }
}

/// One of several deliveries that a standard states within one line.
pub struct Delivery {
    pub quantity: Decimal,
    pub date: Option<Date>,
    /// Stated as the backordered rest.
    pub backorder: bool,
    pub found: Found,
}

/// Several deliveries become a schedule, the first of them the confirmed slot. Where the reference's two
/// slots cannot be derived from the schedule alone (a delivery without a date comes as requested, which
/// nobody knows here; all is backordered), the backordered slot is said outright beside it: the rest, with
/// the latest date. Deliveries of one day (several places) are one. `total` is what the line says of
/// itself: the deliveries must add up to it.
pub fn deliver(take: &mut Take, fields: &mut Fields, mut deliveries: Vec<Delivery>, total: Option<Decimal>) {
    // Undated ones come as requested: in front.
    deliveries.sort_by_key(|delivery| (delivery.backorder, delivery.date));
    let Some(first_found) = deliveries.first().map(|delivery| delivery.found.clone()) else { return };
    let mut days: Vec<Delivery> = Vec::new();
    let mut sum = Some(Decimal::ZERO);
    for delivery in deliveries {
        sum = sum.and_then(|sum| sum.checked_add(delivery.quantity));
        match days.last_mut() {
            Some(day) if day.date == delivery.date && day.backorder == delivery.backorder => {
                day.quantity = day.quantity.checked_add(delivery.quantity).unwrap_or(Decimal::MAX);
            }
            _ => days.push(delivery),
        }
    }
    let Some(sum) = sum else {
        take.invalid(&first_found, "the deliveries are too large to add up");
        return;
    };
    if let Some(total) = total.filter(|total| *total != sum) {
        let message = format!("the deliveries add up to {}, the line says {}", sum.normalize(), total.normalize());
        take.invalid(&first_found, message);
        return;
    }
    let raw = days.iter().map(|day| day.found.raw.clone()).collect::<Vec<_>>().join("; ");
    let whole = Found { raw: shorten(&raw).into_owned(), ..first_found };
    let schedule: Vec<Schedule> = days.iter().map(|day| Schedule { quantity: day.quantity, date: day.date }).collect();
    let backordered_only = days.first().is_some_and(|day| day.backorder);
    let derivable = days.len() > 1 && !backordered_only && days.iter().all(|day| day.date.is_some());
    let mut rest = Decimal::ZERO;
    let mut latest: Option<&Delivery> = None;
    for (index, day) in days.iter().enumerate() {
        if index == 0 && !backordered_only {
            take.put(fields, Field::QuantityConfirmed, Value::Number(day.quantity), &day.found);
            if let Some(date) = day.date {
                take.put(fields, Field::ConfirmedDate, Value::Date(date), &day.found);
            }
        } else {
            rest = rest.checked_add(day.quantity).unwrap_or(rest);
            if latest.is_none_or(|before| before.date <= day.date) {
                latest = Some(day);
            }
        }
    }
    if let Some(latest) = latest.filter(|_| !derivable) {
        let found = latest.found.clone().remark("what comes later, together");
        take.put(fields, Field::QuantityBackordered, Value::Number(rest), &found);
        if let Some(date) = latest.date {
            take.put(fields, Field::BackorderedDate, Value::Date(date), &latest.found);
        }
    }
    if schedule.len() > 1 {
        take.put(fields, Field::Schedule, Value::Schedule(schedule), &whole);
    }
}

/// A head's delivery date counts for the lines that say none themselves and are not canceled.
pub fn inherit_date(head: &Fields, lines: &mut [Line]) {
    let Some(date) = head.get(&Field::DeliveryDate) else { return };
    for line in lines {
        let says = |field| line.fields.contains_key(&field);
        let dated = says(Field::ConfirmedDate) || says(Field::BackorderedDate) || says(Field::Schedule);
        if !dated && !matches!(status(&line.fields), Some(LineStatus::Canceled)) {
            let mut said = date.clone();
            said.rule = format!("{} (the head's date)", said.rule);
            line.fields.insert(Field::ConfirmedDate, said);
        }
    }
}

/// A cancellation says a quantity, too: none is confirmed.
pub fn nothing_comes(take: &Take, fields: &mut Fields, found: &Found) {
    take.put(fields, Field::QuantityConfirmed, Value::Number(Decimal::ZERO), &found.clone().remark("nothing comes"));
}

/// Whether the line confirms anything, going by its code; one without a code may.
pub fn confirms(status: Option<LineStatus>) -> bool {
    !matches!(status, Some(LineStatus::Canceled | LineStatus::Unchanged))
}
