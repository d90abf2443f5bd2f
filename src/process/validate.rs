//! C6.2: everything that makes a response faulty, all at once, each with its code, line and place. It must
//! never know what is done about it.

use std::collections::BTreeSet;

use rust_decimal::Decimal;

use super::merge::spoken_of;
use super::prepare::{Prepared, head_edit, head_state, list, open};
use super::said::said_lines;
use crate::model::policy::AdditionalPositions;
use crate::model::{
    EditTarget, Fault, FaultCode, Field, HeadState, Line, LineStatus, MissingPolicy, Order, Policies, Response,
    ResponseType, Settings, Value,
};

/// Faults that are known before there are lines: who and which order.
pub fn without_order(response: &Response, policies: &Policies) -> Vec<Fault> {
    let mut faults = unreadable(response);
    let number = &response.order;
    let mut fault =
        head_fault(response, FaultCode::UnknownOrder, Field::OrderNumber, format!("no order {number} is known"));
    fault.needed = Some("the number of an order".into());
    faults.push(fault);
    faults.extend(unknown_partner(response, policies));
    faults
}

/// The order is not this partner's: nothing else is told, so that nothing is learned of it.
pub fn not_partner_of_order(response: &Response, policies: &Policies) -> Vec<Fault> {
    let message = format!("{} supplies nothing of order {}", response.partner, response.order);
    let mut faults = vec![head_fault(response, FaultCode::NotPartnerOfOrder, Field::OrderNumber, message)];
    faults.extend(unknown_partner(response, policies));
    faults
}

fn unknown_partner(response: &Response, policies: &Policies) -> Option<Fault> {
    let unknown = !policies.partners.contains_key(&response.partner);
    let message = || format!("`{}` is no partner of the configuration", response.partner);
    unknown.then(|| bare(FaultCode::UnknownPartner, message()))
}

/// Everything that is wrong with what was prepared.
pub fn validate(
    order: &Order,
    response: &Response,
    prepared: &Prepared,
    settings: &Settings,
    policies: &Policies,
) -> Vec<Fault> {
    let mut faults = unreadable(response);
    faults.extend(unknown_partner(response, policies));
    faults.extend(prepared.faults.iter().cloned());
    let check = Check { order, response, lines: &prepared.lines, settings };
    check.currency(&mut faults);
    if head_state(response) == Some(HeadState::Received) {
        return faults;
    }
    check.says_something(&mut faults);
    check.states(&mut faults);
    check.amounts(&mut faults);
    check.required(&mut faults);
    check.complete(&mut faults);
    faults
}

/// What the reader could not read, but for what a person has set since.
fn unreadable(response: &Response) -> Vec<Fault> {
    let settled = |fault: &&Fault| {
        response.course.edits.iter().any(|edit| match edit.target {
            EditTarget::Head => fault.line.is_none() && fault.field == Some(edit.field),
            EditTarget::Line(line) => fault.line == Some(line) && fault.field == Some(edit.field),
            EditTarget::Position(position) => fault.position == Some(position) && fault.field == Some(edit.field),
        })
    };
    response.course.read_faults.iter().filter(|fault| !settled(fault)).cloned().collect()
}

pub(super) fn bare(code: FaultCode, message: String) -> Fault {
    Fault { code, message, position: None, line: None, field: None, read: None, needed: None, place: None }
}

fn head_fault(response: &Response, code: FaultCode, field: Field, message: String) -> Fault {
    let said = response.message.fields.get(&field);
    Fault {
        field: Some(field),
        read: said.map(|said| said.raw.clone()),
        place: said.map(|said| said.place.clone()),
        ..bare(code, message)
    }
}

struct Check<'a> {
    order: &'a Order,
    response: &'a Response,
    lines: &'a [Line],
    settings: &'a Settings,
}

impl Check<'_> {
    fn processed(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.ignored.is_none())
    }

    /// A fault of a prepared line, at the place of the message it came from.
    fn line_fault(&self, line: &Line, code: FaultCode, field: Field, message: String) -> Fault {
        let at = line.said_in.first().and_then(|index| said_lines(self.response).nth(*index));
        match at {
            Some(said) => Fault { position: line.position, ..said.fault(code, Some(field), message) },
            None => Fault { position: line.position, field: Some(field), ..bare(code, message) },
        }
    }

    fn currency(&self, faults: &mut Vec<Fault>) {
        let said = match head_edit(self.response, Field::Currency) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => self.response.message.text(Field::Currency),
        };
        if let Some(currency) = said.map(str::trim)
            && !currency.eq_ignore_ascii_case(&self.order.currency)
        {
            let message = format!("it is in {currency}, the order in {}", self.order.currency);
            let mut fault = head_fault(self.response, FaultCode::WrongCurrency, Field::Currency, message);
            fault.needed = Some(self.order.currency.clone());
            faults.push(fault);
        }
    }

    /// A message that says nothing of any position of the order cannot be taken for an answer.
    fn says_something(&self, faults: &mut Vec<Fault>) {
        if self.lines.is_empty() && faults.is_empty() {
            faults.push(bare(
                FaultCode::Unreadable,
                "it says of no line what is confirmed, and not of all either".into(),
            ));
        }
        let nothing_valid = self.processed().next().is_none() && self.response.course.answers_recall.is_empty();
        if nothing_valid && self.settings.additional_positions == AdditionalPositions::Ignore {
            for line in self.lines {
                let known = |f: &Fault| f.line.is_some() && f.line == line.said_in.first().copied();
                if let Some(reason) = line.ignored.as_ref().filter(|_| !faults.iter().any(known)) {
                    faults.push(self.line_fault(line, FaultCode::UnknownPosition, Field::Position, reason.clone()));
                }
            }
        }
    }

    /// Head against lines (KB 277G04): ACC allows ACC; CAN allows CAN; AWC allows ACC, UNC, CHG, ADD, and CAN
    /// on fewer than all.
    fn states(&self, faults: &mut Vec<Fault>) {
        let Some(state) = head_state(self.response) else { return };
        for line in self.processed() {
            let Some(status) = line.status.filter(|_| !line.said_in.is_empty()) else { continue };
            let fits = match state {
                HeadState::Accepted => status == LineStatus::Accepted,
                HeadState::Canceled => status == LineStatus::Canceled,
                HeadState::AcceptedWithChanges | HeadState::Received => true,
            };
            if !fits {
                let at = line.position.map_or_else(String::new, |p| format!(" {p}"));
                let message = format!("the head says {}, line{at} says {}", state.name(), status.name());
                faults.push(self.line_fault(line, FaultCode::StateConflict, Field::Status, message));
            }
        }
        let canceled: BTreeSet<u32> = self
            .processed()
            .filter(|l| {
                l.status == Some(LineStatus::Canceled)
                    && l.quantity_confirmed.is_zero()
                    && l.quantity_backordered.is_zero()
            })
            .filter_map(|l| l.position)
            .collect();
        let mut all = spoken_of(self.order, self.response).filter(|p| open(p) > Decimal::ZERO).peekable();
        if state == HeadState::AcceptedWithChanges
            && all.peek().is_some()
            && all.all(|p| canceled.contains(&p.position))
        {
            let message = "the head says AWC, but every line is canceled; that would be CAN".to_string();
            faults.push(head_fault(self.response, FaultCode::StateConflict, Field::State, message));
        }
    }

    fn amounts(&self, faults: &mut Vec<Fault>) {
        for line in self.processed() {
            let Some(position) = line.position.and_then(|p| self.order.position(p)) else { continue };
            let sum = line
                .quantity_confirmed
                .saturating_add(line.quantity_backordered)
                .saturating_add(line.quantity_canceled);
            if sum > position.quantity {
                let message = format!("position {}: {sum} answered, {} ordered", position.position, position.quantity);
                let mut fault =
                    self.line_fault(line, FaultCode::QuantityExceedsOrder, Field::QuantityConfirmed, message);
                fault.needed = Some(format!("at most {}", position.quantity));
                faults.push(fault);
            }
            let shipped = position.quantity_dispatched;
            let canceled = super::announce::newly_canceled(line, position);
            if shipped > Decimal::ZERO && canceled > Decimal::ZERO && canceled > open(position).saturating_sub(shipped)
            {
                let message = format!("position {}: {shipped} dispatched already", position.position);
                faults.push(self.line_fault(line, FaultCode::AlreadyDispatched, Field::QuantityCanceled, message));
            }
        }
    }

    /// Fields that this partner must say itself.
    fn required(&self, faults: &mut Vec<Fault>) {
        for field in &self.settings.required_fields {
            if field.stands() == crate::model::message::Where::Head {
                let said =
                    self.response.message.fields.contains_key(field) || head_edit(self.response, *field).is_some();
                if !said {
                    let message = format!("{} is required of this partner", field.name());
                    faults.push(head_fault(self.response, FaultCode::MissingField, *field, message));
                }
                continue;
            }
            for line in self.processed() {
                if self.is_missing(line, *field) {
                    let code = match field {
                        Field::ConfirmedDate | Field::BackorderedDate => FaultCode::MissingDate,
                        _ => FaultCode::MissingField,
                    };
                    let at = line.position.map_or_else(String::new, |p| format!("position {p}: "));
                    let message = format!("{at}{} is required of this partner", field.name());
                    let known = |f: &Fault| {
                        f.line.is_some() && f.line == line.said_in.first().copied() && f.field == Some(*field)
                    };
                    if !faults.iter().any(known) {
                        faults.push(self.line_fault(line, code, *field, message));
                    }
                }
            }
        }
    }

    fn is_missing(&self, line: &Line, field: Field) -> bool {
        let coming = line.quantity_confirmed > Decimal::ZERO || line.quantity_backordered > Decimal::ZERO;
        let by_person = line.filled.get(&field).is_some_and(|by| by.starts_with("person"));
        let said = |field: Field| {
            let lines = said_lines(self.response).filter(|said| line.said_in.contains(&said.index));
            by_person || lines.into_iter().any(|said| said.value(field).is_some())
        };
        match field {
            Field::ConfirmedDate => line.quantity_confirmed > Decimal::ZERO && line.confirmed_date.is_none(),
            Field::BackorderedDate => line.quantity_backordered > Decimal::ZERO && line.backordered_date.is_none(),
            Field::PriceNet => coming && line.price_net.is_none(),
            Field::Status => line.status.is_none(),
            other => coming && !said(other),
        }
    }

    /// An INITIAL response answers every position; a partner that must mention every one, always.
    fn complete(&self, faults: &mut Vec<Fault>) {
        let every_time = self.response.message.habits.missing == MissingPolicy::Error;
        let initial = self.response.response_type == ResponseType::Initial && self.response.course.only.is_none();
        let nothing_read = self.lines.is_empty() && !faults.is_empty();
        if !(initial || every_time) || nothing_read {
            return;
        }
        // A line that is faulty itself is told once.
        let spoken: BTreeSet<u32> =
            self.lines.iter().filter_map(|l| l.position).chain(faults.iter().filter_map(|f| f.position)).collect();
        let silent = |p: &&crate::model::Position| {
            let left = open(p).saturating_sub(p.quantity_dispatched);
            // What was answered before its order was merged into this one need not be answered again.
            let answered = p.origin.is_some() && p.announced.is_some() && !every_time;
            !spoken.contains(&p.position) && !p.added && !answered && left > Decimal::ZERO
        };
        let missing: Vec<u32> = spoken_of(self.order, self.response).filter(silent).map(|p| p.position).collect();
        for position in &missing {
            let message =
                format!("position {position} is not answered; the first response must answer {}", list(&missing));
            faults.push(Fault { position: Some(*position), ..bare(FaultCode::IncompleteInitial, message) });
        }
    }
}
