//! The fill-in block of REQUEST_NEW_RESPONSE: what is asked for, and what came back.
//!
//! The block shows the partner only its own words and, where the order is its own, what was ordered. It
//! comes back quoted in any reply; it counts as filled in only where it differs from what was sent.

use crate::mail::Mail;
use crate::mail::fill_in::{self, Block, Entry, Field as Blank, Filled, Row, Value as Word};
use crate::mail::token::Token;
use crate::model::{
    Dossier, Fault, FaultCode, Field, Line, LineStatus, Message, MessageKind, Position, Response, Said, Value,
};

/// The block for a faulty response; one row a position in question.
pub(super) fn block(response: &Response, dossier: &Dossier, token: &Token, instruction: &str) -> String {
    let rows = if hides_order(response) { vec![order_row(response)] } else { rows(response, dossier) };
    fill_in::render(&Block {
        instruction: instruction.to_string(),
        reference: response.id.to_string(),
        token: token.to_string(),
        rows,
    })
}

/// The partner must not learn of the order: none is known by this number, or it is another's.
fn hides_order(response: &Response) -> bool {
    response.faults.iter().any(|fault| matches!(fault.code, FaultCode::UnknownOrder | FaultCode::NotPartnerOfOrder))
}

fn order_row(response: &Response) -> Row {
    let said = response.message.text(Field::OrderNumber).map(|number| Word::Word(number.to_string()));
    Row { position: None, sku: String::new(), values: vec![(Blank::Order, said)] }
}

fn rows(response: &Response, dossier: &Dossier) -> Vec<Row> {
    let Some(order) = &dossier.order else { return vec![order_row(response)] };
    let in_question = |number: u32| {
        let named = response.faults.iter().any(|fault| fault.position == Some(number));
        // A fault of no position at all concerns them all.
        named || response.faults.iter().all(|fault| fault.position.is_none())
    };
    let mut rows = Vec::new();
    for position in order.positions_of(&response.partner).filter(|p| in_question(p.position)) {
        let line =
            response.lines.iter().find(|line| line.position == Some(position.position) && line.ignored.is_none());
        rows.push(row(response, position, line, &order.currency));
    }
    rows
}

fn row(response: &Response, position: &Position, line: Option<&Line>, currency: &str) -> Row {
    let wrong = |field: Field| {
        response.faults.iter().any(|f| f.position == Some(position.position) && (f.field == Some(field)))
    };
    let too_much = response
        .faults
        .iter()
        .any(|f| f.position == Some(position.position) && f.code == FaultCode::QuantityExceedsOrder);
    let status =
        line.and_then(|l| l.status).filter(|_| !wrong(Field::Status)).map(|s| Word::Word(s.name().to_string()));
    let quantity = line
        .filter(|_| {
            !too_much
                && !wrong(Field::QuantityConfirmed)
                && !wrong(Field::QuantityBackordered)
                && !wrong(Field::QuantityCanceled)
        })
        .map(|l| {
            if l.quantity_confirmed.is_zero() {
                l.quantity_backordered + l.quantity_canceled
            } else {
                l.quantity_confirmed
            }
        })
        .filter(|quantity| !quantity.is_zero())
        .map(Word::Number);
    let price = line
        .and_then(|l| l.price_net)
        .filter(|_| !wrong(Field::PriceNet))
        .map(|price| Word::Amount(price, Some(currency.to_string())));
    let date = line
        .and_then(|l| l.confirmed_date.or(l.backordered_date))
        .filter(|_| !wrong(Field::ConfirmedDate))
        .map(Word::Date);
    let sku = position.supplier_sku.clone().or_else(|| position.product_id.clone()).unwrap_or_default();
    Row {
        position: Some(position.position),
        sku,
        values: vec![(Blank::Status, status), (Blank::Quantity, quantity), (Blank::Price, price), (Blank::Date, date)],
    }
}

/// What a block came back with; `None` when there is none for this response, or nothing in it was changed.
pub(super) fn read(mail: &Mail, asked: &Response, sent: Option<&Mail>) -> Option<(Message, Vec<Fault>)> {
    let filled = fill_in::read(&mail.readable())?;
    if !filled.reference.eq_ignore_ascii_case(&asked.id.to_string()) {
        return None;
    }
    let sent = sent.and_then(|sent| fill_in::read(&sent.readable()));
    if sent.as_ref().is_some_and(|sent| !differs(&filled, sent)) {
        return None;
    }
    let mut faults = Vec::new();
    let mut message = Message::new(MessageKind::Response);
    let number = asked.message.fields.get(&Field::OrderNumber).cloned();
    message.fields.extend(number.map(|mut said| {
        said.filled = Some(asked.id.to_string());
        (Field::OrderNumber, said)
    }));
    for row in &filled.rows {
        match row.position {
            None => head(row, &mut message, &mut faults),
            Some(position) => line(position, row, &mut message, &mut faults),
        }
    }
    Some((message, faults))
}

fn differs(filled: &Filled, sent: &Filled) -> bool {
    type Rows = Vec<(Option<u32>, Vec<(Blank, Option<Word>)>)>;
    let values = |block: &Filled| -> Rows {
        let entries = |row: &fill_in::FilledRow| row.values.iter().map(|e| (e.field, e.value.clone().ok())).collect();
        block.rows.iter().map(|row| (row.position, entries(row))).collect()
    };
    values(filled) != values(sent)
}

fn head(row: &fill_in::FilledRow, message: &mut Message, faults: &mut Vec<Fault>) {
    for entry in row.values.iter().filter(|entry| entry.field == Blank::Order) {
        match &entry.value {
            Ok(Word::Word(_) | Word::Number(_)) => {
                let said = said(Value::Text(entry.raw.trim().to_string()), entry);
                message.fields.insert(Field::OrderNumber, said);
            }
            _ => faults.push(fault(entry, None, message.lines.len())),
        }
    }
}

fn line(position: u32, row: &fill_in::FilledRow, message: &mut Message, faults: &mut Vec<Fault>) {
    let index = message.lines.len();
    let mut fields = std::collections::BTreeMap::new();
    let place = row.values.first().map(|entry| entry.place.clone()).unwrap_or_default();
    fields.insert(
        Field::Position,
        Said::new(Value::Number(position.into()), position.to_string(), "fill-in line", place),
    );
    let status = row.values.iter().find(|e| e.field == Blank::Status).and_then(|e| match &e.value {
        Ok(Word::Word(word)) => LineStatus::from_name(word),
        _ => None,
    });
    let (quantity, date) = match status {
        Some(LineStatus::Canceled) => (Field::QuantityCanceled, Field::ConfirmedDate),
        Some(LineStatus::Backordered) => (Field::QuantityBackordered, Field::BackorderedDate),
        _ => (Field::QuantityConfirmed, Field::ConfirmedDate),
    };
    for entry in &row.values {
        let value = match (entry.field, &entry.value) {
            (Blank::Status, Ok(Word::Word(word))) => {
                LineStatus::from_name(word).map(|s| (Field::Status, Value::Status(s)))
            }
            (Blank::Quantity, Ok(Word::Number(number) | Word::Amount(number, _))) => {
                Some((quantity, Value::Number(*number)))
            }
            (Blank::Price, Ok(Word::Number(number) | Word::Amount(number, _))) => {
                Some((Field::PriceNet, Value::Number(*number)))
            }
            (Blank::Date, Ok(Word::Date(day))) => Some((date, Value::Date(*day))),
            (Blank::Sku, Ok(_)) => Some((Field::SupplierSku, Value::Text(entry.raw.trim().to_string()))),
            _ => None,
        };
        match value {
            Some((field, value)) => {
                fields.insert(field, said(value, entry));
            }
            None => faults.push(fault(entry, Some(position), index)),
        }
    }
    message.lines.push(fields);
}

fn said(value: Value, entry: &Entry) -> Said {
    Said::new(value, entry.raw.clone(), "fill-in block", entry.place.clone())
}

fn fault(entry: &Entry, position: Option<u32>, line: usize) -> Fault {
    let why = entry.value.as_ref().err().cloned().unwrap_or_else(|| "it is not what is asked for there".into());
    Fault {
        code: FaultCode::InvalidValue,
        message: format!("`{}` cannot be read: {why}", entry.raw),
        position,
        line: position.map(|_| line),
        field: None,
        read: Some(entry.raw.clone()),
        needed: None,
        place: Some(entry.place.clone()),
    }
}
