//! ORDRSP (D.96A, D.01B, EANCOM): what a supplier answers.

use super::super::LINES_MAX;
use super::super::shape::{self, Delivery, Line};
use super::super::take::{Fields, Found, Heard, Take, shorten, whole_number};
use super::interchange::{self, Layout, Placed};
use super::values::{self, ANSWERED, DESPATCHED, REQUESTED};
use crate::model::{
    Date, Decimal, FaultCode, Field, HeadState, LineStatus, Message, MessageKind, MissingPolicy, Value,
};

pub fn read(edi: &interchange::Message, take: &mut Take) -> Vec<Heard> {
    let layout = interchange::layout(edi);
    let mut message = Message::new(MessageKind::Response);
    head(take, &mut message, &layout);
    let state = message.state();
    let mut lines = Vec::new();
    for (index, placed) in layout.lines.iter().enumerate() {
        if index == LINES_MAX {
            take.fault(FaultCode::Unreadable, format!("more than {LINES_MAX} lines"), "LIN", edi.span.clone());
            break;
        }
        lines.push(line(take, placed, state, message.fields.get(&Field::State)));
        take.end_line();
    }
    check_count(take, &layout);
    shape::inherit_date(&message.fields, &mut lines);
    shape::by_order(take, message, lines)
}

/// CNT+2: the number of lines; another one means that some were lost.
pub fn check_count(take: &mut Take, layout: &Layout) {
    let counts = layout.tail.iter().chain(&layout.head).chain(layout.lines.iter().flatten());
    for placed in counts.filter(|placed| placed.is("CNT") && placed.text(1, 1) == "2") {
        let said = whole_number(placed.text(1, 2)).unwrap_or_default();
        if said != Decimal::from(layout.lines.len()) {
            let text =
                format!("the message says {} lines, {} are there", shorten(placed.text(1, 2)), layout.lines.len());
            take.fault(FaultCode::Unreadable, text, &placed.path, placed.segment.span.clone());
        }
    }
}

fn head(take: &mut Take, message: &mut Message, layout: &Layout) {
    let fields = &mut message.fields;
    let head = &layout.head;
    if let Some(bgm) = head.iter().find(|placed| placed.is("BGM")) {
        take.text(fields, Field::ResponseNumber, bgm.found(2, 1, "1004", "BGM"));
        let function = bgm.found(3, 1, "1225", "BGM 1225");
        let response = bgm.found(4, 1, "4343", "BGM 4343");
        let by_function = function.as_ref().map(|found| (function_code(&found.raw), found));
        let by_response = response.as_ref().map(|found| (response_code(&found.raw), found));
        for (code, found) in [&by_function, &by_response].into_iter().flatten() {
            if code.is_none() {
                take.unknown_code(Field::State, found, "code for an order response");
            }
        }
        let said = |said: &Option<(Option<Option<Meaning>>, &Found)>| {
            said.as_ref().and_then(|(code, found)| Some(((*code)??, (*found).clone())))
        };
        let (by_function, by_response) = (said(&by_function), said(&by_response));
        if let (Some((one, _)), Some((other, found))) = (&by_function, &by_response)
            && one.0 != other.0
        {
            let text = format!("BGM says `{}` and `{}` of one order", one.0.name(), other.0.name());
            take.fault(FaultCode::StateConflict, text, &found.path, found.span.clone());
        }
        if let Some((meaning, found)) = by_response.or(by_function) {
            take.state(fields, meaning.0, &found);
            message.habits.missing = meaning.1;
        }
    }
    take.text(fields, Field::OrderNumber, values::reference(head, "ON", 2));
    let supplier = values::reference(head, "VN", 2).or_else(|| values::reference(head, "AAJ", 2));
    take.text(fields, Field::SupplierOrderNumber, supplier);
    values::put_date(take, fields, Field::EntryDate, head, &["137"]);
    values::put_date(take, fields, Field::DeliveryDate, head, &ANSWERED);
    values::put_date(take, fields, Field::RequestedDate, head, &[REQUESTED]);
    values::currency(take, fields, head);
    for placed in head.iter().filter(|placed| placed.is("FTX")) {
        values::words(take, fields, placed, false);
    }
    values::money(take, fields, Field::Total, &layout.tail, &["86", "79", "39"]);
}

/// What a head code means for the order, and for lines that are not mentioned.
type Meaning = (HeadState, MissingPolicy);

const RECEIVED: Meaning = (HeadState::Received, MissingPolicy::Unchanged);
const ACCEPTED: Meaning = (HeadState::Accepted, MissingPolicy::Accepted);
const CHANGED: Meaning = (HeadState::AcceptedWithChanges, MissingPolicy::Unchanged);
const REFUSED: Meaning = (HeadState::Canceled, MissingPolicy::Canceled);

/// 1225. The inner `None`: a code that says nothing about acceptance (9 original, 5 replace ...).
fn function_code(code: &str) -> Option<Option<Meaning>> {
    Some(match code {
        "12" => Some(RECEIVED),
        "29" => Some(ACCEPTED),
        // The heading is amended, the lines count as accepted unchanged.
        "28" => Some((HeadState::AcceptedWithChanges, MissingPolicy::Accepted)),
        "30" | "34" | "4" => Some(CHANGED),
        "27" => Some(REFUSED),
        "5" | "6" | "7" | "9" | "31" | "42" | "43" | "46" | "47" => None,
        _ => return None,
    })
}

/// 4343.
fn response_code(code: &str) -> Option<Option<Meaning>> {
    Some(match code {
        "AB" | "AJ" => Some(RECEIVED),
        "AP" | "AD" => Some(ACCEPTED),
        "AC" | "AI" | "CA" => Some(CHANGED),
        "RE" => Some(REFUSED),
        "NA" | "AQ" => None,
        _ => return None,
    })
}

/// 1229.
pub fn line_code(code: &str) -> Option<LineStatus> {
    Some(match code {
        "1" => LineStatus::Added,
        "2" | "7" | "10" => LineStatus::Canceled,
        "3" | "6" | "8" | "9" | "24" => LineStatus::Changed,
        "4" | "11" => LineStatus::Unchanged,
        "5" => LineStatus::Accepted,
        _ => return None,
    })
}

fn line(take: &mut Take, placed: &[Placed], state: Option<HeadState>, head: Option<&crate::model::Said>) -> Line {
    let mut line = Line::begin(take);
    let fields = &mut line.fields;
    let Some(lin) = placed.first() else { return line };
    let mut status = None;
    if let Some(found) = lin.found(2, 1, "1229", "LIN 1229") {
        status = line_code(&found.raw);
        match status {
            Some(status) => take.status(fields, status, &found),
            None => take.unknown_code(Field::Status, &found, "line code"),
        }
        line.added = status == Some(LineStatus::Added);
        if found.raw == "10" {
            take.text(fields, Field::Reason, Some(Found { raw: "not found".into(), ..found }));
        }
    } else if let Some(head) = head {
        // Without a code of its own a line means what a plain yes or no of the head says.
        status = match state {
            Some(HeadState::Accepted) => Some(LineStatus::Accepted),
            Some(HeadState::Canceled) => Some(LineStatus::Canceled),
            _ => None,
        };
        if let Some(status) = status {
            let mut said = head.clone();
            said.value = Value::Status(status);
            said.rule = format!("{} (the head's word)", said.rule);
            fields.insert(Field::Status, said);
        }
    }
    let (order, position) = values::line_reference(placed);
    let mut own = Fields::new();
    take.text(&mut own, Field::OrderNumber, order);
    line.order = own.remove(&Field::OrderNumber);
    match position {
        Some(position) => {
            take.position(fields, Some(position));
        }
        None if line.added => {}
        None => {
            take.position(fields, lin.found(1, 1, "1082", "LIN 1082"));
        }
    }
    values::articles(take, fields, placed);
    values::name(take, fields, placed);
    for text in placed.iter().filter(|placed| placed.is("FTX")) {
        values::words(take, fields, text, true);
    }
    values::price(take, fields, placed);
    values::money(take, fields, Field::LineTotal, placed, &["203"]);
    answer(take, fields, placed, status);
    line
}

/// One QTY with the dates that stand right behind it.
struct Amount<'a> {
    kind: &'a str,
    number: Decimal,
    found: Found,
    /// Within a group of LOC: where and when a part goes.
    located: bool,
    dates: Vec<(&'a str, Date, Found)>,
}

/// Quantities and dates of a line.
fn answer(take: &mut Take, fields: &mut Fields, placed: &[Placed], status: Option<LineStatus>) {
    let (mut amounts, mut dates) = collect(take, fields, placed);
    let dated = |amount: &&Amount| ["11", "12", "113", "83"].contains(&amount.kind) && !amount.dates.is_empty();
    // Several quantities with a date each are deliveries; a single block of dates belongs to the line.
    if amounts.iter().filter(dated).count() < 2 {
        for amount in amounts.iter_mut().filter(|amount| !amount.located) {
            dates.append(&mut amount.dates);
        }
    }
    let requested = dates.iter().find(|date| date.0 == REQUESTED);
    if let Some((_, date, found)) = requested {
        take.put(fields, Field::RequestedDate, Value::Date(*date), found);
    }
    if !shape::confirms(status) {
        // 21 is what was ordered, not what will come.
        refused(take, fields, &amounts);
        if status == Some(LineStatus::Canceled)
            && let Some(code) = placed.first().and_then(|lin| lin.found(2, 1, "1229", "LIN 1229"))
        {
            shape::nothing_comes(take, fields, &code);
        }
        return;
    }
    let sum = |kinds: &[&str]| -> Option<(Decimal, Found)> {
        let mut all = amounts.iter().filter(|amount| !amount.located && kinds.contains(&amount.kind));
        let first = all.next()?;
        let total = all.try_fold(first.number, |sum, amount| sum.checked_add(amount.number))?;
        Some((total, first.found.clone()))
    };
    let ordered = sum(&["21"]);
    let canceled = sum(&["182", "185"]);
    let whole = sum(&["113"]).or_else(|| sum(&["12"])).or_else(|| ordered.clone());
    let backordered = sum(&["83"]);
    if let Some((quantity, found)) = &canceled {
        take.put(fields, Field::QuantityCanceled, Value::Number(*quantity), found);
    }
    let deliveries: Vec<Delivery> = amounts.iter().filter_map(delivery).collect();
    let split = amounts.iter().filter(|amount| amount.kind == "11" || amount.located || dated(amount)).count();
    if split > 0 && deliveries.iter().any(|delivery| !delivery.backorder) {
        let total = match (&backordered, amounts.iter().any(|amount| amount.kind == "113" && dated(&amount))) {
            (None, false) => whole.map(|(quantity, _)| quantity),
            _ => None,
        };
        if let Some((quantity, found)) = &ordered {
            take.put(fields, Field::Quantity, Value::Number(*quantity), found);
        }
        shape::deliver(take, fields, deliveries, total);
        line_date(take, fields, &dates);
        return;
    }
    if let Some((quantity, found)) = &backordered {
        take.put(fields, Field::QuantityBackordered, Value::Number(*quantity), found);
    }
    match (&ordered, sum(&["113"]).or_else(|| sum(&["12"]))) {
        (_, Some((quantity, found))) => take.put(fields, Field::QuantityConfirmed, Value::Number(quantity), &found),
        (Some((quantity, found)), None) => {
            // 21 beside what does not come now is the ordered quantity; alone it is the answer.
            let less = [&backordered, &canceled].into_iter().flatten();
            let rest = less.clone().try_fold(*quantity, |rest, (part, _)| rest.checked_sub(*part));
            let reduced = less.count() > 0;
            match rest.filter(|rest| !rest.is_sign_negative() || rest.is_zero()) {
                Some(rest) if reduced => {
                    let found = found.clone().remark("less what is backordered or canceled");
                    take.put(fields, Field::QuantityConfirmed, Value::Number(rest), &found);
                }
                Some(rest) => take.put(fields, Field::QuantityConfirmed, Value::Number(rest), found),
                None => take.invalid(found, "more is backordered or canceled than the line's quantity"),
            }
        }
        (None, None) => {}
    }
    if let Some((quantity, found)) = &ordered {
        take.put(fields, Field::Quantity, Value::Number(*quantity), found);
    }
    line_date(take, fields, &dates);
}

fn refused(take: &mut Take, fields: &mut Fields, amounts: &[Amount]) {
    for (kind, field) in [("21", Field::Quantity), ("182", Field::QuantityCanceled), ("185", Field::QuantityCanceled)] {
        if let Some(amount) = amounts.iter().find(|amount| amount.kind == kind) {
            take.put(fields, field, Value::Number(amount.number), &amount.found);
        }
    }
}

/// The line's own date goes to what it confirms, or to the backorder where nothing comes before.
fn line_date(take: &mut Take, fields: &mut Fields, dates: &[(&str, Date, Found)]) {
    let number = |fields: &Fields, field| fields.get(&field).and_then(|said| said.value.as_number());
    let nothing_now = number(fields, Field::QuantityConfirmed).is_none_or(|quantity| quantity.is_zero());
    let later = number(fields, Field::QuantityBackordered).is_some_and(|quantity| !quantity.is_zero());
    let field = if nothing_now && later { Field::BackorderedDate } else { Field::ConfirmedDate };
    let find = |qualifier: &str| dates.iter().find(|date| date.0 == qualifier);
    if let Some((_, date, found)) = ANSWERED.iter().find_map(|qualifier| find(qualifier)) {
        take.put(fields, field, Value::Date(*date), found);
    } else if let Some((_, date, found)) = find(REQUESTED) {
        take.put(fields, field, Value::Date(*date), &found.clone().remark("the requested date, repeated"));
    } else if let Some((_, date, found)) = DESPATCHED.iter().find_map(|qualifier| find(qualifier)) {
        take.put(fields, field, Value::Date(*date), &found.clone().remark("despatch; no delivery date is given"));
    }
}

fn delivery(amount: &Amount) -> Option<Delivery> {
    let kind = amount.kind;
    let dated = !amount.dates.is_empty() && matches!(kind, "12" | "113");
    if !(matches!(kind, "11" | "83") || amount.located || dated) || matches!(kind, "21" | "182" | "185") {
        return None;
    }
    let qualifiers = ANSWERED.iter().chain([&REQUESTED]).chain(&DESPATCHED);
    let date = qualifiers.filter_map(|qualifier| amount.dates.iter().find(|date| date.0 == *qualifier)).next();
    Some(Delivery {
        quantity: amount.number,
        date: date.map(|date| date.1),
        backorder: kind == "83",
        found: amount.found.clone(),
    })
}

/// Reads all QTY and DTM of a line; all quantities must be in one unit.
fn collect<'a>(
    take: &mut Take,
    fields: &mut Fields,
    placed: &'a [Placed],
) -> (Vec<Amount<'a>>, Vec<(&'a str, Date, Found)>) {
    let (mut amounts, mut dates): (Vec<Amount>, Vec<_>) = (Vec::new(), Vec::new());
    let (mut located, mut behind_quantity) = (false, false);
    for segment in placed {
        match segment.segment.tag.as_str() {
            "QTY" => {
                let kind = segment.text(1, 1);
                behind_quantity = false;
                let found = segment.found(1, 2, "6060", &format!("QTY+{kind}"));
                let Some(number) = take.amount(found.as_ref()) else { continue };
                let Some(found) = found else { continue };
                let unit = segment.found(1, 3, "6411", &format!("QTY+{kind} 6411"));
                if let (Some(unit), Some(before)) = (&unit, fields.get(&Field::Unit))
                    && before.value.as_text() != Some(unit.raw.as_str())
                {
                    let text = format!("quantities of one line in `{}` and in `{}`", before.raw, shorten(&unit.raw));
                    take.fault(FaultCode::WrongUnit, text, &unit.path, unit.span.clone());
                }
                take.text(fields, Field::Unit, unit);
                amounts.push(Amount { kind, number, found, located, dates: Vec::new() });
                behind_quantity = true;
            }
            "DTM" => {
                let Some((date, found)) = values::moment(take, segment) else { continue };
                let entry = (segment.text(1, 1), date, found);
                match amounts.last_mut() {
                    Some(amount) if behind_quantity => amount.dates.push(entry),
                    // Dates of references and prices (behind RFF, PRI) are none of the line's.
                    _ if !located => dates.push(entry),
                    _ => {}
                }
            }
            "LOC" => (located, behind_quantity) = (true, false),
            _ => (located, behind_quantity) = (false, false),
        }
    }
    (amounts, dates)
}
