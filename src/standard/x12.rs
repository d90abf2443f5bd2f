//! ANSI X12: 855 purchase order acknowledgement and 850 purchase order.
//!
//! Source: X12 004010, segments BAK, BEG, PO1, ACK, SCH, DTM, REF, CUR, N1 (elements 587, 668, 374, 235).

mod syntax;

use self::syntax::{SEGMENTS_MAX, Segment, line_groups, name_paths, segments, service};
use super::shape::{self, Delivery, Line};
use super::take::{Fields, Found, Heard, Take, iso_date, shorten, whole_number};
use super::{Family, Harvest, LINES_MAX, Standard, not_ours};
use crate::model::{
    Date, Decimal, FaultCode, Field, HeadState, LineStatus, Message, MessageKind, MissingPolicy, Value,
};

pub fn recognise(text: &str) -> Option<Standard> {
    let (start, element, terminator) = service(text)?;
    let mut version = String::new();
    for piece in text.get(start..)?.split(terminator).take(6) {
        let mut elements = piece.trim().split(element);
        match elements.next() {
            Some("GS") => version = shorten(elements.nth(7).unwrap_or_default()).into_owned(),
            Some("ST") => {
                let document = shorten(elements.next().unwrap_or_default()).into_owned();
                return Some(Standard { family: Family::X12, version, document });
            }
            _ => {}
        }
    }
    Some(Standard { family: Family::X12, version, document: "interchange".into() })
}

pub fn read(text: &str, take: &mut Take, harvest: &mut Harvest) {
    let all = segments(text).unwrap_or_default();
    if all.len() >= SEGMENTS_MAX {
        take.fault(FaultCode::Unreadable, "more segments than any interchange of orders has", "ISA", 0..0);
    }
    let mut open: Option<Vec<Segment>> = None;
    let mut sets = 0usize;
    let mut ended = false;
    for segment in all {
        match segment.tag() {
            "ST" => {
                if open.take().is_some() {
                    take.fault(
                        FaultCode::Unreadable,
                        "a transaction set without its end (SE)",
                        "ST",
                        segment.span.clone(),
                    );
                }
                sets += 1;
                take.begin_source();
                open = Some(vec![segment]);
            }
            "SE" => match open.take() {
                Some(mut set) => {
                    check_end(take, &set, &segment);
                    name_paths(&mut set, sets);
                    transaction(set, take, harvest);
                    take.end_source();
                }
                None => take.fault(FaultCode::Unreadable, "the end of a set that has no beginning", "SE", segment.span),
            },
            "IEA" => ended = true,
            "ISA" | "GS" | "GE" | "TA1" => {}
            _ if ended => break,
            _ => match &mut open {
                Some(set) => set.push(segment),
                None => take.fault(
                    FaultCode::Unreadable,
                    "a segment outside a transaction set",
                    segment.tag(),
                    segment.span.clone(),
                ),
            },
        }
    }
    if let Some(mut set) = open {
        let span = set.first().map_or(0..0, |segment| segment.span.clone());
        take.fault(
            FaultCode::Unreadable,
            "the text ends within a transaction set: its end (SE) is missing",
            "ST",
            span,
        );
        name_paths(&mut set, sets);
        transaction(set, take, harvest);
        take.end_source();
    } else if !ended {
        take.fault(FaultCode::Unreadable, "the interchange has no end (IEA): something may be missing", "ISA", 0..0);
    }
}

fn check_end(take: &mut Take, set: &[Segment], end: &Segment) {
    let said = end.text(1);
    if whole_number(said) != Some(Decimal::from(set.len() + 1)) {
        let text = format!("the set says {} segments, {} are there", shorten(said), set.len() + 1);
        take.warn(text, "SE/01", end.span.clone());
    }
    if set.first().is_some_and(|start| start.text(2) != end.text(2)) {
        take.fault(
            FaultCode::Unreadable,
            "ST and SE name different sets: the file is damaged",
            "SE/02",
            end.span.clone(),
        );
    }
}

fn transaction(set: Vec<Segment>, take: &mut Take, harvest: &mut Harvest) {
    let kind = set.first().map_or("", |start| start.text(1)).to_string();
    let first_line = set.iter().position(|segment| segment.tag() == "PO1").unwrap_or(set.len());
    let (head, rest) = set.split_at(first_line);
    let ctt = rest.iter().chain(head).find(|segment| segment.tag() == "CTT");
    let lines = line_groups(rest);
    if let Some(ctt) = ctt
        && whole_number(ctt.text(1)).unwrap_or_default() != Decimal::from(lines.len())
    {
        let text = format!("the set says {} lines, {} are there", shorten(ctt.text(1)), lines.len());
        take.fault(FaultCode::Unreadable, text, &ctt.path, ctt.span.clone());
    }
    if let Some(over) = lines.get(LINES_MAX).and_then(|line| line.first()) {
        take.fault(FaultCode::Unreadable, format!("more than {LINES_MAX} lines"), &over.path, over.span.clone());
    }
    let lines = lines.get(..LINES_MAX.min(lines.len())).unwrap_or_default();
    match kind.as_str() {
        "855" => harvest.heard.extend(acknowledgement(head, lines, take)),
        "850" => harvest.heard.push(order(head, lines, take)),
        _ => harvest.not_ours = Some(not_ours(&Standard { document: kind, ..harvest.standard.clone() })),
    }
}

fn acknowledgement(head: &[Segment], lines: &[&[Segment]], take: &mut Take) -> Vec<Heard> {
    let mut message = Message::new(MessageKind::Response);
    let fields = &mut message.fields;
    let mut state = None;
    if let Some(bak) = head.iter().find(|segment| segment.tag() == "BAK") {
        take.text(fields, Field::OrderNumber, bak.found(3, "BAK03"));
        take.text(fields, Field::SupplierOrderNumber, bak.found(8, "BAK08"));
        let date = bak.found(9, "BAK09").or_else(|| bak.found(4, "BAK04"));
        put_day(take, fields, Field::EntryDate, date);
        if let Some(found) = bak.found(2, "BAK02") {
            match head_code(&found.raw) {
                Some(Some((meaning, missing))) => {
                    take.state(fields, meaning, &found);
                    message.habits.missing = missing;
                    state = Some(meaning);
                }
                Some(None) => {}
                None => take.unknown_code(Field::State, &found, "acknowledgement type"),
            }
        }
    }
    common_head(take, fields, head);
    let supplier = head.iter().find(|segment| segment.tag() == "REF" && matches!(segment.text(1), "VN" | "SO"));
    take.text(
        fields,
        Field::SupplierOrderNumber,
        supplier.and_then(|found| found.found(2, &format!("REF*{}", found.text(1)))),
    );
    if let Some((date, found)) = day_of(take, head, &DELIVERED).or_else(|| day_of(take, head, &SHIPPED)) {
        take.put(fields, Field::DeliveryDate, Value::Date(date), &found);
    }
    let said = message.fields.get(&Field::State).cloned();
    let mut answered: Vec<Line> = lines.iter().map(|line| acknowledged(take, line, state, said.as_ref())).collect();
    shape::inherit_date(&message.fields, &mut answered);
    shape::by_order(take, message, answered)
}

/// Element 587. The inner `None`: says nothing about acceptance.
fn head_code(code: &str) -> Option<Option<(HeadState, MissingPolicy)>> {
    Some(match code {
        "AD" | "AK" | "AP" | "AT" => Some((HeadState::Accepted, MissingPolicy::Accepted)),
        "AC" => Some((HeadState::AcceptedWithChanges, MissingPolicy::Unchanged)),
        // Only what differs is listed: the rest is accepted, or refused.
        "AE" => Some((HeadState::AcceptedWithChanges, MissingPolicy::Accepted)),
        "RF" => Some((HeadState::AcceptedWithChanges, MissingPolicy::Canceled)),
        "RO" => Some((HeadState::AcceptedWithChanges, MissingPolicy::Unchanged)),
        "RD" | "RJ" => Some((HeadState::Canceled, MissingPolicy::Canceled)),
        "AH" => Some((HeadState::Received, MissingPolicy::Unchanged)),
        "NA" | "ZZ" => None,
        _ => return None,
    })
}

/// Element 668; the second value tells how the quantity counts.
fn line_code(code: &str) -> Option<(Option<LineStatus>, Counts)> {
    Some(match code {
        "IA" | "AC" | "AR" | "AA" => (Some(LineStatus::Accepted), Counts::Confirmed),
        "IC" | "IP" | "IQ" | "IS" | "DR" => (Some(LineStatus::Changed), Counts::Confirmed),
        "IB" => (Some(LineStatus::Backordered), Counts::Backordered),
        "BP" => (Some(LineStatus::Changed), Counts::Confirmed),
        "ID" | "IR" | "R1" | "R2" | "R3" | "R4" | "R5" | "R6" => (Some(LineStatus::Canceled), Counts::Canceled),
        // On hold, description or price or date still open: neither yes nor no.
        "IE" | "IF" | "IH" | "IW" | "SP" | "AH" => (None, Counts::Nothing),
        _ => return None,
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Counts {
    Confirmed,
    Backordered,
    Canceled,
    Nothing,
}

fn acknowledged(
    take: &mut Take,
    line: &[Segment],
    state: Option<HeadState>,
    head: Option<&crate::model::Said>,
) -> Line {
    let mut out = Line::begin(take);
    let fields = &mut out.fields;
    let ordered = item(take, fields, line);
    let mut parts: Vec<(Counts, Decimal, Option<Date>, Found)> = Vec::new();
    let mut statuses: Vec<(LineStatus, Found)> = Vec::new();
    let (mut partial, mut broken, mut silent) = (false, false, true);
    for ack in line.iter().filter(|segment| segment.tag() == "ACK") {
        silent = false;
        let Some(code) = ack.found(1, "ACK01") else { continue };
        let Some((status, counts)) = line_code(&code.raw) else {
            take.unknown_code(Field::Status, &code, "line item status");
            broken = true;
            continue;
        };
        partial |= code.raw == "BP";
        match status {
            Some(status) => statuses.push((status, code.clone())),
            None => {
                take.warn(format!("`{}` says neither yes nor no", code.raw), &code.path, code.span.clone());
                take.text(fields, Field::Reason, Some(code.clone()));
            }
        }
        if code.raw == "IS" {
            substitute(take, fields, ack);
        }
        if counts == Counts::Canceled {
            take.text(fields, Field::Reason, Some(code.clone()));
        }
        let quantity = ack.found(2, &format!("ACK*{} 02", code.raw));
        let number = take.amount(quantity.as_ref());
        broken |= quantity.is_some() && number.is_none();
        take.text(fields, Field::Unit, ack.found(3, "ACK03"));
        let date = ack_date(take, ack);
        if let (Some(number), Some(found)) = (number, quantity) {
            let date = date.map(|(date, _)| date);
            parts.push((counts, number, date, found));
        } else if let Some((date, found)) = date {
            let field = if counts == Counts::Backordered { Field::BackorderedDate } else { Field::ConfirmedDate };
            take.put(fields, field, Value::Date(date), &found);
        }
    }
    let plain = match state {
        Some(HeadState::Accepted) => Some(LineStatus::Accepted),
        Some(HeadState::Canceled) => Some(LineStatus::Canceled),
        _ => None,
    };
    if let (true, Some(status), Some(head)) = (silent, plain, head) {
        let mut said = head.clone();
        said.value = Value::Status(status);
        said.rule = format!("{} (the head's word)", said.rule);
        fields.insert(Field::Status, said);
        if status == LineStatus::Accepted {
            rename_quantity(take, fields, line);
        }
    }
    let first = statuses.first().cloned();
    if let Some((status, found)) = first {
        let one = statuses.iter().all(|(other, _)| *other == status);
        take.status(fields, if one { status } else { LineStatus::Changed }, &found);
    }
    if let Some((_, found)) = statuses.iter().find(|_| statuses.iter().all(|(one, _)| *one == LineStatus::Canceled)) {
        shape::nothing_comes(take, fields, found);
    }
    if !broken {
        quantities(take, fields, parts, ordered, partial);
        schedule(take, fields, line);
    }
    take.end_line();
    out
}

/// An accepted line without an acknowledgement of its own is accepted as PO1 repeats it.
fn rename_quantity(take: &mut Take, fields: &mut Fields, line: &[Segment]) {
    if let Some(found) = line.first().and_then(|po1| po1.found(2, "PO102"))
        && fields.contains_key(&Field::Quantity)
    {
        take.number(fields, Field::QuantityConfirmed, Some(found.remark("accepted by the head")));
    }
}

/// The four ways to say a partial backorder (IA + IB; IB alone with less than ordered; BP alone with what
/// comes now; IB + BP): with the ordered quantity of PO102 all of them are said outright.
fn quantities(
    take: &mut Take,
    fields: &mut Fields,
    parts: Vec<(Counts, Decimal, Option<Date>, Found)>,
    ordered: Option<Decimal>,
    partial: bool,
) {
    let sum = |counts: Counts| -> Option<(Decimal, Found)> {
        let mut all = parts.iter().filter(|part| part.0 == counts);
        let first = all.next()?;
        let total = all.try_fold(first.1, |sum, part| sum.checked_add(part.1))?;
        Some((total, first.3.clone()))
    };
    let (confirmed, backordered, canceled) = (sum(Counts::Confirmed), sum(Counts::Backordered), sum(Counts::Canceled));
    if let Some((quantity, found)) = &canceled {
        take.put(fields, Field::QuantityCanceled, Value::Number(*quantity), found);
    }
    let mut known = [&confirmed, &backordered, &canceled].into_iter().flatten();
    let total = known.try_fold(Decimal::ZERO, |sum, (quantity, _)| sum.checked_add(*quantity));
    let rest = ordered.zip(total).and_then(|(ordered, total)| ordered.checked_sub(total));
    let rest = rest.filter(|rest| !rest.is_zero() && !rest.is_sign_negative());
    let deliveries: Vec<Delivery> = parts
        .iter()
        .filter(|part| matches!(part.0, Counts::Confirmed | Counts::Backordered))
        .map(|(counts, quantity, date, found)| Delivery {
            quantity: *quantity,
            date: *date,
            backorder: *counts == Counts::Backordered,
            found: found.clone(),
        })
        .collect();
    shape::deliver(take, fields, deliveries, None);
    match (&confirmed, &backordered, rest) {
        (Some((_, found)), None, Some(rest)) if partial => {
            let found = found.clone().remark("BP: the balance is backordered");
            take.put(fields, Field::QuantityBackordered, Value::Number(rest), &found);
        }
        (None, Some((_, found)), Some(rest)) => {
            let found = found.clone().remark("IB alone: the rest is accepted");
            take.put(fields, Field::QuantityConfirmed, Value::Number(rest), &found);
        }
        (None, Some((_, found)), None) if ordered.is_some() => {
            let found = found.clone().remark("all is backordered or canceled");
            take.put(fields, Field::QuantityConfirmed, Value::Number(Decimal::ZERO), &found);
        }
        _ => {}
    }
}

/// SCH: several deliveries of the line.
fn schedule(take: &mut Take, fields: &mut Fields, line: &[Segment]) {
    let mut deliveries = Vec::new();
    for sch in line.iter().filter(|segment| segment.tag() == "SCH") {
        let found = sch.found(1, "SCH01");
        let (quantity, day) = (take.amount(found.as_ref()), sch.found(6, "SCH06"));
        let date = day.and_then(|day| read_day(take, &day));
        if let (Some(quantity), Some(found)) = (quantity, found) {
            deliveries.push(Delivery { quantity, date, backorder: false, found });
        }
    }
    if deliveries.is_empty() {
        return;
    }
    let number = |fields: &Fields, field| fields.get(&field).and_then(|said| said.value.as_number());
    let total = number(fields, Field::QuantityConfirmed).or_else(|| number(fields, Field::Quantity));
    fields.remove(&Field::QuantityConfirmed);
    shape::deliver(take, fields, deliveries, total);
}

/// Delivery dates (374), the firmest first, and ship dates, which stand in for them.
const DELIVERED: [&str; 5] = ["067", "069", "017", "063", "002"];
const SHIPPED: [&str; 5] = ["068", "079", "011", "010", "370"];

fn ack_date(take: &mut Take, ack: &Segment) -> Option<(Date, Found)> {
    let kind = ack.text(4);
    let mut found = ack.found(5, &format!("ACK*{kind} 05"))?;
    if SHIPPED.contains(&kind) {
        found = found.remark("ship date; no delivery date is given");
    }
    Some((read_day(take, &found)?, found))
}

fn day_of(take: &mut Take, segments: &[Segment], kinds: &[&str]) -> Option<(Date, Found)> {
    for kind in kinds {
        if let Some(dtm) = segments.iter().find(|segment| segment.tag() == "DTM" && segment.text(1) == *kind) {
            let mut found = dtm.found(2, &format!("DTM*{kind}"))?;
            if SHIPPED.contains(kind) {
                found = found.remark("ship date; no delivery date is given");
            }
            return Some((read_day(take, &found)?, found));
        }
    }
    None
}

fn read_day(take: &mut Take, found: &Found) -> Option<Date> {
    let text = found.raw.as_str();
    let full = if text.len() == 6 { format!("20{text}") } else { text.to_string() };
    let written = match (full.get(..4), full.get(4..6), full.get(6..8), full.len()) {
        (Some(year), Some(month), Some(day), 8) => format!("{year}-{month}-{day}"),
        _ => full.clone(),
    };
    match iso_date(&written) {
        Ok(date) => Some(date),
        Err(_) => {
            take.invalid(found, format!("`{}` is no date like 20261201", shorten(text)));
            None
        }
    }
}

fn put_day(take: &mut Take, fields: &mut Fields, field: Field, found: Option<Found>) {
    if let Some(found) = found
        && let Some(date) = read_day(take, &found)
    {
        take.put(fields, field, Value::Date(date), &found);
    }
}

fn common_head(take: &mut Take, fields: &mut Fields, head: &[Segment]) {
    let cur = head.iter().find(|segment| segment.tag() == "CUR");
    take.text(fields, Field::Currency, cur.and_then(|cur| cur.found(2, "CUR02")));
    for note in head.iter().filter(|segment| matches!(segment.tag(), "MSG" | "MTX")) {
        let element = if note.tag() == "MSG" { 1 } else { 2 };
        take.more_text(fields, Field::Note, note.found(element, note.tag()));
    }
}

/// PO1 and what describes it; gives back the ordered quantity.
fn item(take: &mut Take, fields: &mut Fields, line: &[Segment]) -> Option<Decimal> {
    let po1 = line.first()?;
    take.position(fields, po1.found(1, "PO101"));
    let ordered = take.number(fields, Field::Quantity, po1.found(2, "PO102"));
    take.text(fields, Field::Unit, po1.found(3, "PO103"));
    // 639: the price is for one, for ten, for a hundred, for a thousand, or for a measure.
    let per = match po1.text(5) {
        "PN" => Some(Decimal::TEN),
        "HP" => Some(Decimal::ONE_HUNDRED),
        "TP" => Some(Decimal::ONE_THOUSAND),
        "PF" | "PG" | "PP" | "PT" | "HF" => None,
        _ => Some(Decimal::ONE),
    };
    match (per, po1.found(4, "PO104")) {
        (Some(per), found) => take.price(fields, found, None, per),
        (None, Some(found)) => {
            let text = format!("a price by measure ({}) is no price of one unit", po1.text(5));
            take.warn(text, &found.path, found.span);
        }
        (None, None) => {}
    }
    for (kind, at) in (6..24).step_by(2).map(|at| (po1.text(at), at + 1)) {
        if let Some(field) = article(kind) {
            take.text(fields, field, po1.found(at, &format!("PO1 {kind}")));
        }
    }
    for segment in line {
        match segment.tag() {
            "PID" => take.text(fields, Field::Name, segment.found(5, "PID05")),
            "MSG" => take.more_text(fields, Field::Note, segment.found(1, "MSG01")),
            _ => {}
        }
    }
    ordered
}

/// Element 235: whose number it is.
fn article(kind: &str) -> Option<Field> {
    match kind {
        "VN" | "VP" | "VC" | "VA" | "VS" | "SK" => Some(Field::SupplierSku),
        "BP" | "IN" | "PI" | "CB" => Some(Field::ShopSku),
        "UP" | "EN" | "UK" | "UI" | "UA" | "EO" => Some(Field::Gtin),
        "IB" => Some(Field::ProductId),
        _ => None,
    }
}

/// ACK07.. name the article that comes instead.
fn substitute(take: &Take, fields: &mut Fields, ack: &Segment) {
    for (kind, at) in (7..29).step_by(2).map(|at| (ack.text(at), at + 1)) {
        if article(kind) == Some(Field::SupplierSku) {
            take.text(fields, Field::SubstituteSku, ack.found(at, &format!("ACK {kind}")));
        }
    }
}

/// 850: what a customer orders.
fn order(head: &[Segment], lines: &[&[Segment]], take: &mut Take) -> Heard {
    let mut message = Message::new(MessageKind::Order);
    let fields = &mut message.fields;
    if let Some(beg) = head.iter().find(|segment| segment.tag() == "BEG") {
        take.text(fields, Field::OrderNumber, beg.found(3, "BEG03"));
        put_day(take, fields, Field::EntryDate, beg.found(5, "BEG05"));
        if let Some(found) = beg.found(1, "BEG01").filter(|found| found.raw == "01") {
            take.state(fields, HeadState::Canceled, &found);
        }
    }
    common_head(take, fields, head);
    if let Some((date, found)) = day_of(take, head, &["002", "063", "010"]) {
        take.put(fields, Field::RequestedDate, Value::Date(date), &found);
    }
    for (at, n1) in head.iter().enumerate().filter(|(_, segment)| segment.tag() == "N1") {
        let role = n1.text(1);
        if matches!(role, "BY" | "BT" | "SO") {
            take.text(fields, Field::CustomerName, n1.found(2, &format!("N1*{role}")));
            take.text(fields, Field::CustomerNumber, n1.found(4, &format!("N1*{role}")));
        }
        let group: Vec<&Segment> =
            head.iter().skip(at + 1).take_while(|next| matches!(next.tag(), "N2" | "N3" | "N4")).collect();
        if let Some(found) = label(n1, &group) {
            match role {
                "BT" | "BY" => take.text(fields, Field::BillingAddress, Some(found)),
                "ST" => take.text(fields, Field::DeliveryAddress, Some(found)),
                _ => {}
            }
        }
    }
    let mut numbers = Vec::new();
    for line in lines {
        let mut fields = Fields::new();
        numbers.push(take.begin_line());
        item(take, &mut fields, line);
        if let Some((date, found)) = day_of(take, line, &["002", "063", "010"]) {
            take.put(&mut fields, Field::RequestedDate, Value::Date(date), &found);
        }
        message.lines.push(fields);
        take.end_line();
    }
    take.heard(message, numbers)
}

/// N1 to N4: name, streets, "postcode city", state, country: one line each, as on a label.
fn label(n1: &Segment, group: &[&Segment]) -> Option<Found> {
    let mut found = n1.found(2, &format!("N1*{}", n1.text(1)))?;
    let mut lines = vec![found.raw.clone()];
    for segment in group {
        match segment.tag() {
            "N4" => {
                lines.push([segment.text(3), segment.text(1)].join(" ").trim().to_string());
                lines.extend([segment.text(2).to_string(), segment.text(4).to_string()]);
            }
            _ => lines.extend([segment.text(1).to_string(), segment.text(2).to_string()]),
        }
    }
    lines.retain(|line| !line.is_empty());
    found.raw = lines.join("\n");
    Some(found)
}
