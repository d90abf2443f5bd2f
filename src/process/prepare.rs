//! C4: the lines of a response from what the message says, with the order's help. Gaps are filled only
//! where the partner accepted, and everything filled in is marked. It must never decide whether the result
//! is right: that is `validate` and `deviate`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::merge::spoken_of;
use super::said::{NUMBER_MAX, SaidLine, Target, resolve, said_lines};
use super::split::{Amounts, split};
use crate::model::policy::AdditionalPositions;
use crate::model::{
    BackorderEncoding, EditTarget, Fault, FaultCode, Field, HeadState, Line, LineStatus, MissingPolicy, Order,
    Position, Response, Schedule, Settings, Value,
};

pub struct Prepared {
    /// By position; lines that are not processed come last.
    pub lines: Vec<Line>,
    pub faults: Vec<Fault>,
}

/// What the partner says of the order as a whole, or what a person set there.
pub fn head_state(response: &Response) -> Option<HeadState> {
    match head_edit(response, Field::State) {
        Some(Value::State(state)) => Some(*state),
        _ => response.message.state(),
    }
}

pub fn head_edit(response: &Response, field: Field) -> Option<&Value> {
    let edits = response.course.edits.iter().rev();
    edits.filter(|e| e.target == EditTarget::Head).find(|e| e.field == field).map(|e| &e.value)
}

pub fn prepare(order: &Order, response: &Response, settings: &Settings) -> Prepared {
    let state = head_state(response);
    let mut work = Work { order, response, settings, state, lines: Vec::new(), faults: Vec::new() };
    if state == Some(HeadState::Received) {
        work.keep_all_unprocessed("the partner only confirms that the order was received");
    } else {
        work.read_lines();
        work.add_unmentioned();
        work.apply_edits();
        work.narrow();
    }
    work.lines.sort_by_key(|line| (line.ignored.is_some(), line.position.unwrap_or(u32::MAX)));
    Prepared { lines: work.lines, faults: work.faults }
}

struct Work<'a> {
    order: &'a Order,
    response: &'a Response,
    settings: &'a Settings,
    state: Option<HeadState>,
    lines: Vec<Line>,
    faults: Vec<Fault>,
}

/// What one line of the message says of its position.
#[derive(Default)]
struct Part {
    status: Option<LineStatus>,
    amounts: Amounts,
    /// Which amount takes what the other lines of the position leave, and whether that is filling in.
    rest: Option<(Slot, bool)>,
    confirmed_date: Option<Date>,
    backordered_date: Option<Date>,
    schedule: Vec<Schedule>,
    missing: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    Confirmed,
    Backordered,
    Canceled,
}

impl Work<'_> {
    fn keep_all_unprocessed(&mut self, why: &str) {
        for said in said_lines(self.response) {
            let mut line = self.describe(&said);
            line.ignored = Some(why.to_string());
            self.lines.push(line);
        }
    }

    /// Finds each line's position, gathers the lines of one position, and reads the amounts.
    fn read_lines(&mut self) {
        let mut groups: BTreeMap<Vec<u32>, (bool, Vec<SaidLine<'_>>)> = BTreeMap::new();
        for said in said_lines(self.response) {
            match resolve(&said, self.order, self.response, self.settings) {
                Target::Position(position) => groups.entry(vec![position]).or_default().1.push(said),
                Target::ByProduct(position) => {
                    let group = groups.entry(vec![position]).or_default();
                    group.0 = true;
                    group.1.push(said);
                }
                Target::Merged(positions) => groups.entry(positions).or_default().1.push(said),
                Target::Nowhere(reason) => self.without_reference(&said, reason),
                Target::Ambiguous(positions) => {
                    let reason = format!("{} stands on positions {}", said.words(), list(&positions));
                    self.refuse(&said, FaultCode::AmbiguousProduct, Field::Position, reason);
                }
                Target::Conflict(reason) => self.refuse(&said, FaultCode::UnknownPosition, Field::Position, reason),
            }
        }
        // A merging partner that answers position by position after all is taken at its word.
        let (order, merges) = (self.order, self.settings.merges_positions);
        let groups: Vec<_> =
            groups.into_iter().flat_map(|(positions, group)| untangle(positions, group, order, merges)).collect();
        for (positions, by_product, group) in groups {
            self.read_group(&positions, by_product, &group);
        }
    }

    fn without_reference(&mut self, said: &SaidLine<'_>, reason: String) {
        match self.settings.additional_positions {
            AdditionalPositions::Ignore => {
                let mut line = self.describe(said);
                line.ignored = Some(reason);
                self.lines.push(line);
            }
            AdditionalPositions::Error => self.refuse(said, FaultCode::UnknownPosition, Field::Position, reason),
            AdditionalPositions::Deviation => {
                let taken =
                    |n: &u32| self.order.position(*n).is_some() || self.lines.iter().any(|l| l.position == Some(*n));
                let free = || {
                    let ordered = self.order.positions.iter().map(|p| p.position);
                    let last = ordered.chain(self.lines.iter().filter_map(|l| l.position)).max().unwrap_or(0);
                    last.saturating_add(1)
                };
                let position = said.position().filter(|n| *n > 0 && !taken(n)).unwrap_or_else(free);
                let part = self.part(said, Some(LineStatus::Added));
                if part.missing {
                    self.missing_quantity(said);
                }
                let mut line = self.describe(said);
                line.position = Some(position);
                line.status = Some(LineStatus::Added);
                (line.quantity_confirmed, line.quantity_backordered) =
                    (part.amounts.confirmed, part.amounts.backordered);
                (line.confirmed_date, line.backordered_date) = (part.confirmed_date, part.backordered_date);
                line.price_net = self.number(said, Field::PriceNet);
                self.lines.push(line);
            }
        }
    }

    fn refuse(&mut self, said: &SaidLine<'_>, code: FaultCode, field: Field, reason: String) {
        self.faults.push(said.fault(code, Some(field), reason.clone()));
        let mut line = self.describe(said);
        line.ignored = Some(reason);
        self.lines.push(line);
    }

    /// The words of a line, without amounts.
    fn describe(&self, said: &SaidLine<'_>) -> Line {
        let text = |field| said.text(field).map(str::to_string);
        let reason = text(Field::Reason);
        Line {
            said_in: vec![said.index],
            status: said.status(),
            supplier_sku: text(Field::SupplierSku),
            shop_sku: text(Field::ShopSku),
            gtin: text(Field::Gtin),
            product_id: text(Field::ProductId),
            name: text(Field::Name),
            unit: text(Field::Unit),
            substitute_sku: text(Field::SubstituteSku),
            rcl: rcl(reason.as_deref(), self.settings),
            reason,
            note: text(Field::Note),
            ..Line::default()
        }
    }

    /// One position (or the positions of a merged line) from the lines that speak of it.
    fn read_group(&mut self, positions: &[u32], by_product: bool, group: &[SaidLine<'_>]) {
        let ordered: Vec<&Position> = positions.iter().filter_map(|n| self.order.position(*n)).collect();
        let Some(first) = group.first() else { return };
        let two_lines = matches!(
            self.response.message.habits.backorder,
            BackorderEncoding::TwoLines | BackorderEncoding::TwoLinesPartial
        );
        if group.len() > 1
            && !two_lines
            && let Some(second) = group.get(1)
        {
            let message = format!("{} is answered {} times", said_position(positions), group.len());
            self.faults.push(second.fault(FaultCode::DuplicatePosition, Some(Field::Position), message));
        }
        let open = ordered.iter().fold(Decimal::ZERO, |sum, p| sum.saturating_add(open(p)));
        let mut line = self.describe(first);
        line.said_in = group.iter().map(|said| said.index).collect();
        let factor = self.unit_factor(first, ordered.first().copied());
        let mut parts = Vec::with_capacity(group.len());
        for said in group {
            let status = said.status().or(match self.state {
                Some(HeadState::Accepted) => Some(LineStatus::Accepted),
                Some(HeadState::Canceled) => Some(LineStatus::Canceled),
                _ => None,
            });
            let mut part = self.part(said, status);
            part.convert(factor);
            if status == Some(LineStatus::Unchanged) && !has_amount(said) {
                self.unchanged(&mut part, &mut line, &ordered);
            }
            parts.push(part);
        }
        settle_rest(&mut parts, open, &mut line);
        for (part, said) in parts.iter().zip(group) {
            if part.missing {
                self.missing_quantity(said);
            }
        }
        let accepted = parts.iter().any(|part| part.status == Some(LineStatus::Accepted));
        combine(&mut line, &parts);
        line.price_net = group.iter().find_map(|said| self.number(said, Field::PriceNet));
        if let (Some(price), Some(factor)) = (line.price_net, factor) {
            line.price_net = price.checked_div(factor).map(|p| p.round_dp(6).normalize());
        }
        if by_product || positions.len() > 1 {
            line.filled.insert(Field::Position, "order, by its product".into());
        }
        self.place(line, &ordered, accepted);
    }

    /// Puts a line on its position, or splits it over several, and fills in what acceptance allows.
    fn place(&mut self, line: Line, ordered: &[&Position], accepted: bool) {
        let total = Amounts {
            confirmed: line.quantity_confirmed,
            backordered: line.quantity_backordered,
            canceled: line.quantity_canceled,
        };
        let caps: Vec<Decimal> = ordered.iter().map(|p| p.quantity).collect();
        let parts = if caps.len() > 1 { split(total, &caps) } else { vec![total] };
        for (position, amounts) in ordered.iter().zip(parts) {
            let mut line = line.clone();
            line.position = Some(position.position);
            line.quantity_confirmed = amounts.confirmed;
            line.quantity_backordered = amounts.backordered;
            line.quantity_canceled = amounts.canceled;
            if ordered.len() > 1 {
                line.schedule.clear();
            }
            self.fill(&mut line, position, accepted);
            self.lines.push(line);
        }
    }

    fn fill(&self, line: &mut Line, position: &Position, accepted: bool) {
        let unread = |field: Field| line.said_in.iter().any(|said| self.unread(Some(*said), |f| f == Some(field)));
        let (date_unread, price_unread) = (unread(Field::ConfirmedDate), unread(Field::PriceNet));
        let required = |field: Field| {
            self.settings.required_fields.contains(&field)
                || (field == Field::ConfirmedDate && date_unread)
                || (field == Field::PriceNet && price_unread)
        };
        if line.supplier_sku.is_none() && line.shop_sku.is_none() && line.gtin.is_none() && line.product_id.is_none() {
            for (field, slot, ordered) in [
                (Field::SupplierSku, &mut line.supplier_sku, &position.supplier_sku),
                (Field::ShopSku, &mut line.shop_sku, &position.shop_sku),
                (Field::Gtin, &mut line.gtin, &position.gtin),
                (Field::ProductId, &mut line.product_id, &position.product_id),
            ] {
                if ordered.is_some() && !required(field) {
                    slot.clone_from(ordered);
                    line.filled.insert(field, "order".into());
                }
            }
        }
        if line.name.is_none() && position.name.is_some() {
            line.name.clone_from(&position.name);
            line.filled.insert(Field::Name, "order".into());
        }
        if position.unit.is_some() {
            line.unit.clone_from(&position.unit);
        }
        let coming = line.quantity_confirmed > Decimal::ZERO;
        if coming && line.confirmed_date.is_none() {
            if let Some(date) = self.response.message.date(Field::DeliveryDate) {
                line.confirmed_date = Some(date);
                line.filled.insert(Field::ConfirmedDate, "head of the message".into());
            } else if accepted && position.requested_date.is_some() && !required(Field::ConfirmedDate) {
                line.confirmed_date = position.requested_date;
                line.filled.insert(Field::ConfirmedDate, "order".into());
            }
        }
        if accepted && line.price_net.is_none() && position.price_net.is_some() && !required(Field::PriceNet) {
            line.price_net = position.price_net;
            line.filled.insert(Field::PriceNet, "order".into());
        }
    }

    /// Bare acceptance or cancellation stands for all positions; else the partner's way of leaving out lines.
    fn add_unmentioned(&mut self) {
        // What could not be read at all may have said otherwise.
        let bare = said_lines(self.response).next().is_none();
        let (status, why) = match (bare, self.state, self.response.message.habits.missing) {
            (true, Some(HeadState::Accepted), _) => (LineStatus::Accepted, "head of the message"),
            (true, Some(HeadState::Canceled), _) => (LineStatus::Canceled, "head of the message"),
            (true, None, _) => return,
            _ if self.unread(None, |field| field.is_none()) => return,
            (_, _, MissingPolicy::Accepted) => (LineStatus::Accepted, "not mentioned"),
            (_, _, MissingPolicy::Canceled) => (LineStatus::Canceled, "not mentioned"),
            (_, _, MissingPolicy::Unchanged | MissingPolicy::Error) => return,
        };
        let spoken: BTreeSet<u32> = self.lines.iter().filter_map(|line| line.position).collect();
        for position in spoken_of(self.order, self.response) {
            let left = open(position);
            if let Some(recall) = self.response.course.answers_recall.get(&position.position)
                && !spoken.contains(&position.position)
            {
                let filled = [(Field::Position, format!("recall {recall}"))].into();
                self.lines.push(Line {
                    position: Some(position.position),
                    status: Some(status),
                    filled,
                    ..Line::default()
                });
                continue;
            }
            if spoken.contains(&position.position) || left.saturating_sub(position.quantity_dispatched) <= Decimal::ZERO
            {
                continue;
            }
            let mut line = Line { position: Some(position.position), status: Some(status), ..Line::default() };
            let field = if status == LineStatus::Accepted {
                line.quantity_confirmed = left;
                Field::QuantityConfirmed
            } else {
                line.quantity_canceled = left;
                line.rcl = rcl(self.response.message.text(Field::Note), self.settings);
                Field::QuantityCanceled
            };
            line.filled.insert(Field::Position, why.into());
            line.filled.insert(field, why.into());
            self.fill(&mut line, position, status == LineStatus::Accepted);
            self.lines.push(line);
        }
    }

    /// Values that a person set win over everything that was read.
    fn apply_edits(&mut self) {
        for edit in &self.response.course.edits {
            let EditTarget::Position(position) = edit.target else { continue };
            if !self.lines.iter().any(|line| line.position == Some(position)) {
                let mut line = Line { position: Some(position), ..Line::default() };
                if let Some(ordered) = self.order.position(position) {
                    self.fill(&mut line, ordered, false);
                }
                self.lines.push(line);
            }
            let Some(line) = self.lines.iter_mut().find(|line| line.position == Some(position)) else { continue };
            set(line, edit.field, &edit.value);
            if edit.field == Field::Reason {
                line.rcl = rcl(line.reason.as_deref(), self.settings);
            }
            line.filled.insert(edit.field, format!("person {}", edit.by));
            let said_in = line.said_in.clone();
            let settled = |fault: &Fault| {
                fault.line.is_some_and(|at| said_in.contains(&at))
                    && (fault.field == Some(edit.field)
                        || (is_quantity(edit.field) && fault.code == FaultCode::MissingQuantity))
            };
            self.faults.retain(|fault| !settled(fault));
        }
    }

    /// A response made for some positions only says nothing of the others; lines that answer a recall are done.
    fn narrow(&mut self) {
        for line in &mut self.lines {
            let Some(position) = line.position else { continue };
            if self.response.course.only.as_ref().is_some_and(|only| !only.contains(&position)) {
                line.ignored = Some("decided before".into());
            }
            if let Some(recall) = self.response.course.answers_recall.get(&position) {
                line.ignored = Some(format!("answers the recall {recall}"));
            }
        }
        if let Some(only) = &self.response.course.only {
            self.faults.retain(|fault| fault.position.is_none_or(|position| only.contains(&position)));
        }
    }

    /// What a line says, by its status and the partner's way of writing backorders.
    fn part(&mut self, said: &SaidLine<'_>, status: Option<LineStatus>) -> Part {
        let confirmed = self.number(said, Field::QuantityConfirmed);
        let backordered = self.number(said, Field::QuantityBackordered);
        let canceled = self.number(said, Field::QuantityCanceled);
        let quantity = self.number(said, Field::Quantity);
        let mut part = Part {
            status,
            confirmed_date: said.date(Field::ConfirmedDate),
            backordered_date: said.date(Field::BackorderedDate),
            ..Part::default()
        };
        let explicit = confirmed.is_some() || backordered.is_some() || canceled.is_some();
        part.amounts.backordered = backordered.unwrap_or_default();
        part.amounts.canceled = canceled.unwrap_or_default();
        if let Some(deliveries) = said.value(Field::Schedule).and_then(Value::as_schedule)
            && status != Some(LineStatus::Canceled)
            && backordered.is_none()
            && !deliveries.is_empty()
        {
            self.scheduled(said, deliveries, confirmed, &mut part);
            return part;
        }
        match status {
            Some(LineStatus::Accepted) => match confirmed.or(quantity) {
                Some(amount) => part.amounts.confirmed = amount,
                None if self.unread(Some(said.index), |field| field.is_some_and(is_quantity)) => part.missing = true,
                None => part.rest = Some((Slot::Confirmed, true)),
            },
            Some(LineStatus::Backordered) => self.backorder(&mut part, [confirmed, backordered, quantity]),
            Some(LineStatus::Canceled) => match (canceled, confirmed.filter(|n| !n.is_zero()).or(quantity)) {
                (Some(_), _) => part.amounts.confirmed = confirmed.unwrap_or_default(),
                (None, Some(said)) => part.amounts.canceled = said,
                // "0 confirmed, canceled" says it all; a head that cancels everything does too.
                (None, None) if confirmed.is_some() => part.rest = Some((Slot::Canceled, false)),
                (None, None) if self.state == Some(HeadState::Canceled) => part.rest = Some((Slot::Canceled, true)),
                (None, None) => part.missing = true,
            },
            Some(LineStatus::Added) => match confirmed.or(quantity) {
                Some(said) => part.amounts.confirmed = said,
                None => part.missing = !explicit,
            },
            Some(LineStatus::Changed | LineStatus::Unchanged) | None => {
                part.amounts.confirmed = confirmed.unwrap_or_default();
                part.missing = !explicit;
            }
        }
        part
    }

    /// The four encodings of a partial backorder.
    fn backorder(&self, part: &mut Part, [confirmed, backordered, quantity]: [Option<Decimal>; 3]) {
        let habit = self.response.message.habits.backorder;
        let one_line = matches!(habit, BackorderEncoding::AcceptedRest | BackorderEncoding::BackorderedOnly);
        match (backordered, confirmed.or(quantity)) {
            (Some(_), Some(_)) if confirmed.is_some() => part.amounts.confirmed = confirmed.unwrap_or_default(),
            (Some(_), _) => part.rest = one_line.then_some((Slot::Confirmed, false)),
            (None, Some(said)) if habit == BackorderEncoding::AcceptedRest => {
                part.amounts.confirmed = said;
                part.rest = Some((Slot::Backordered, false));
                return;
            }
            (None, Some(said)) => {
                part.amounts.backordered = said;
                part.rest = one_line.then_some((Slot::Confirmed, false));
            }
            (None, None) if habit == BackorderEncoding::TwoLinesPartial => {
                part.rest = Some((Slot::Backordered, false));
            }
            (None, None) => part.missing = true,
        }
        // The only date on a line that speaks of a backorder is the backorder's.
        if part.backordered_date.is_none() && confirmed.is_none_or(|_| backordered.is_none()) {
            part.backordered_date = part.confirmed_date.take();
        }
    }

    fn scheduled(&mut self, said: &SaidLine<'_>, deliveries: &[Schedule], confirmed: Option<Decimal>, part: &mut Part) {
        let mut deliveries = deliveries.to_vec();
        deliveries.truncate(DELIVERIES_MAX);
        if deliveries.iter().any(|d| d.quantity < Decimal::ZERO || d.quantity > NUMBER_MAX) {
            let message = format!("{}: a delivery's quantity is no number of a real order", said.words());
            self.faults.push(said.fault(FaultCode::InvalidValue, Some(Field::Schedule), message));
            return;
        }
        deliveries.sort_by_key(|d| (d.date.is_none(), d.date));
        let total = deliveries.iter().fold(Decimal::ZERO, |sum, d| sum.saturating_add(d.quantity));
        let first = deliveries.first().map(|d| d.quantity);
        if confirmed.is_some_and(|said| said != total && Some(said) != first) {
            let said_total = confirmed.unwrap_or_default();
            let message = format!("{}: its deliveries add up to {total}, its quantity is {said_total}", said.words());
            self.faults.push(said.fault(FaultCode::InvalidValue, Some(Field::Schedule), message));
        }
        part.schedule = deliveries;
    }

    /// UNC: what the last response announced.
    fn unchanged(&self, part: &mut Part, line: &mut Line, ordered: &[&Position]) {
        let [position] = ordered else { return };
        let Some(announced) = &position.announced else { return };
        part.amounts.confirmed = announced.quantity_confirmed;
        part.amounts.backordered = announced.quantity_backordered;
        part.confirmed_date = part.confirmed_date.or(announced.confirmed_delivery_date);
        part.backordered_date = part.backordered_date.or(announced.backordered_delivery_date);
        part.missing = false;
        let from = announced.response.to_string();
        line.filled.insert(Field::QuantityConfirmed, from.clone());
        line.filled.insert(Field::QuantityBackordered, from);
    }

    /// Whether something stands there that could not be read; that is a fault, and never filled in.
    fn unread(&self, line: Option<usize>, is: impl Fn(Option<Field>) -> bool) -> bool {
        let mut faults = self.response.course.read_faults.iter().chain(&self.faults);
        faults.any(|fault| fault.line == line && is(fault.field))
    }

    fn missing_quantity(&mut self, said: &SaidLine<'_>) {
        if self.unread(Some(said.index), |field| field.is_none_or(is_quantity)) {
            return;
        }
        let message = format!("{} has no quantity", said.words());
        let mut fault = said.fault(FaultCode::MissingQuantity, Some(Field::QuantityConfirmed), message);
        fault.needed = Some("how many are confirmed, come later, or do not come".into());
        self.faults.push(fault);
    }

    /// A number that an order can hold; else a fault.
    fn number(&mut self, said: &SaidLine<'_>, field: Field) -> Option<Decimal> {
        let number = said.number(field)?;
        if number < Decimal::ZERO || number > NUMBER_MAX {
            let known = |f: &Fault| f.line == Some(said.index) && f.field == Some(field);
            if !self.faults.iter().any(known) {
                let message = format!("{}: {number} cannot be its {}", said.words(), field.name());
                self.faults.push(said.fault(FaultCode::InvalidValue, Some(field), message));
            }
            return None;
        }
        Some(number)
    }

    /// How many of the order's units are in one of the partner's; a fault when nobody knows.
    fn unit_factor(&mut self, said: &SaidLine<'_>, position: Option<&Position>) -> Option<Decimal> {
        let (unit, ordered) = (said.text(Field::Unit)?, position?.unit.as_deref()?);
        if unit.eq_ignore_ascii_case(ordered.trim()) {
            return None;
        }
        let known = self.settings.units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, to)| to);
        match known.filter(|to| to.unit.eq_ignore_ascii_case(ordered.trim()) && to.factor > Decimal::ZERO) {
            Some(to) => Some(to.factor),
            None => {
                let message = format!("{} is in {unit}, the order in {ordered}", said.words());
                let mut fault = said.fault(FaultCode::WrongUnit, Some(Field::Unit), message);
                fault.needed = Some(ordered.to_string());
                self.faults.push(fault);
                None
            }
        }
    }
}

/// More deliveries of one line than anybody plans.
const DELIVERIES_MAX: usize = 1_000;

impl Part {
    fn convert(&mut self, factor: Option<Decimal>) {
        let Some(factor) = factor else { return };
        let amounts = &mut self.amounts;
        for slot in [&mut amounts.confirmed, &mut amounts.backordered, &mut amounts.canceled] {
            *slot = slot.saturating_mul(factor).normalize();
        }
        for delivery in &mut self.schedule {
            delivery.quantity = delivery.quantity.saturating_mul(factor).normalize();
        }
    }
}

/// What is ordered and not canceled.
pub fn open(position: &Position) -> Decimal {
    position.quantity.saturating_sub(position.quantity_canceled)
}

/// A line that says how much is left without a number gets what the others leave.
fn settle_rest(parts: &mut [Part], open: Decimal, line: &mut Line) {
    let said = parts.iter().fold(Decimal::ZERO, |sum, part| {
        let scheduled = part.schedule.iter().fold(Decimal::ZERO, |sum, d| sum.saturating_add(d.quantity));
        sum.saturating_add(part.amounts.sum()).saturating_add(scheduled)
    });
    let mut left = open.saturating_sub(said).max(Decimal::ZERO);
    for part in parts {
        let Some((slot, filled)) = part.rest else { continue };
        let (amount, field) = match slot {
            Slot::Confirmed => (&mut part.amounts.confirmed, Field::QuantityConfirmed),
            Slot::Backordered => (&mut part.amounts.backordered, Field::QuantityBackordered),
            Slot::Canceled => (&mut part.amounts.canceled, Field::QuantityCanceled),
        };
        *amount = left;
        left = Decimal::ZERO;
        if filled {
            line.filled.insert(field, "order".into());
        }
    }
}

/// The two slots of the reference (confirmed, backordered) from all that was said of a position.
fn combine(line: &mut Line, parts: &[Part]) {
    let mut deliveries: Vec<Schedule> = Vec::new();
    let mut confirmed_dates = BTreeSet::new();
    for part in parts {
        line.quantity_canceled = line.quantity_canceled.saturating_add(part.amounts.canceled);
        if !part.schedule.is_empty() {
            deliveries.extend(part.schedule.iter().cloned());
            confirmed_dates.extend(part.schedule.iter().map(|d| d.date));
            continue;
        }
        line.quantity_confirmed = line.quantity_confirmed.saturating_add(part.amounts.confirmed);
        line.quantity_backordered = line.quantity_backordered.saturating_add(part.amounts.backordered);
        line.confirmed_date = line.confirmed_date.or(part.confirmed_date);
        line.backordered_date = line.backordered_date.max(part.backordered_date);
        if part.amounts.confirmed > Decimal::ZERO {
            confirmed_dates.insert(part.confirmed_date);
            deliveries.push(Schedule { quantity: part.amounts.confirmed, date: part.confirmed_date });
        }
        if part.amounts.backordered > Decimal::ZERO {
            deliveries.push(Schedule { quantity: part.amounts.backordered, date: part.backordered_date });
        }
    }
    if parts.iter().all(|part| part.schedule.is_empty()) && confirmed_dates.len() < 2 {
        return;
    }
    deliveries.sort_by_key(|d| (d.date.is_none(), d.date));
    deliveries.dedup_by(|later, first| {
        let same = later.date == first.date;
        if same {
            first.quantity = first.quantity.saturating_add(later.quantity);
        }
        same
    });
    let mut rest = deliveries.iter();
    let first = rest.next();
    line.quantity_confirmed = first.map(|d| d.quantity).unwrap_or_default();
    line.confirmed_date = first.and_then(|d| d.date);
    line.quantity_backordered = rest.clone().fold(Decimal::ZERO, |sum, d| sum.saturating_add(d.quantity));
    line.backordered_date = rest.filter_map(|d| d.date).max();
    if deliveries.len() > 2 {
        line.schedule = deliveries;
    }
}

/// Lines of a merged product that name all its positions one by one belong to these.
fn untangle<'s>(
    positions: Vec<u32>,
    (by_product, group): (bool, Vec<SaidLine<'s>>),
    order: &Order,
    merges: bool,
) -> Vec<(Vec<u32>, bool, Vec<SaidLine<'s>>)> {
    let named: BTreeSet<u32> = group.iter().filter_map(SaidLine::position).collect();
    // Orders were merged, the partner was not asked to: a line that names its position and fits there means it.
    let fits = |said: &SaidLine<'_>| {
        let position = said.position().filter(|n| positions.contains(n)).and_then(|n| order.position(n));
        position.is_some_and(|position| said.amount() <= position.quantity)
    };
    if positions.len() > 1 && !merges && group.iter().all(fits) {
        let of = |position: u32| -> Vec<_> {
            group.iter().filter(|said| said.position() == Some(position)).copied().collect()
        };
        return named.iter().map(|position| (vec![*position], false, of(*position))).collect();
    }
    if positions.len() > 1 && named.len() == positions.len() && positions.iter().all(|p| named.contains(p)) {
        let of = |position: u32| group.iter().filter(|said| said.position() == Some(position)).copied().collect();
        return positions.iter().map(|position| (vec![*position], false, of(*position))).collect();
    }
    vec![(positions, by_product, group)]
}

fn has_amount(said: &SaidLine<'_>) -> bool {
    [Field::QuantityConfirmed, Field::QuantityBackordered, Field::QuantityCanceled, Field::Schedule]
        .iter()
        .any(|field| said.value(*field).is_some())
}

pub fn is_quantity(field: Field) -> bool {
    matches!(
        field,
        Field::Quantity
            | Field::QuantityConfirmed
            | Field::QuantityBackordered
            | Field::QuantityCanceled
            | Field::Schedule
    )
}

fn said_position(positions: &[u32]) -> String {
    format!("position {}", list(positions))
}

/// `10, 20 and 30`.
pub fn list(positions: &[u32]) -> String {
    let words: Vec<String> = positions.iter().map(u32::to_string).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
        None => String::new(),
    }
}

/// The RCL codes of the reference (KB 277G04).
const RCL: [&str; 17] = [
    "RCL010", "RCL015", "RCL020", "RCL021", "RCL023", "RCL024", "RCL025", "RCL030", "RCL040", "RCL041", "RCL045",
    "RCL050", "RCL200", "RCL300", "RCL400", "RCL980", "RCL990",
];

/// The code that the mapping or the partner's own words give for a reason.
fn rcl(reason: Option<&str>, settings: &Settings) -> Option<String> {
    let reason = reason?.trim();
    let known = |code: &str| RCL.iter().find(|rcl| rcl.eq_ignore_ascii_case(code)).map(|rcl| (*rcl).to_string());
    let own = settings.reasons.iter().find(|(words, _)| words.to_lowercase() == reason.to_lowercase());
    known(reason).or_else(|| own.and_then(|(_, code)| known(code)))
}

/// Which fields of a position's answer a person can set.
pub fn can_set(field: Field) -> bool {
    let mut line = Line::default();
    let value = match field.field_type() {
        crate::model::message::FieldType::Text => Value::Text(String::new()),
        crate::model::message::FieldType::Number => Value::Number(Decimal::ONE),
        crate::model::message::FieldType::Date => Value::Date(Date::default()),
        crate::model::message::FieldType::Status => Value::Status(LineStatus::Accepted),
        crate::model::message::FieldType::State => Value::State(HeadState::Accepted),
        crate::model::message::FieldType::Schedule => Value::Schedule(Vec::new()),
    };
    set(&mut line, field, &value)
}

fn set(line: &mut Line, field: Field, value: &Value) -> bool {
    let text = value.as_text().map(str::to_string);
    match (field, value) {
        (Field::QuantityConfirmed, Value::Number(number)) => line.quantity_confirmed = *number,
        (Field::QuantityBackordered, Value::Number(number)) => line.quantity_backordered = *number,
        (Field::QuantityCanceled, Value::Number(number)) => line.quantity_canceled = *number,
        (Field::PriceNet, Value::Number(number)) => line.price_net = Some(*number),
        (Field::ConfirmedDate, Value::Date(date)) => line.confirmed_date = Some(*date),
        (Field::BackorderedDate, Value::Date(date)) => line.backordered_date = Some(*date),
        (Field::Status, Value::Status(status)) => line.status = Some(*status),
        (Field::Reason, _) => line.reason = text,
        (Field::Note, _) => line.note = text,
        (Field::SubstituteSku, _) => line.substitute_sku = text,
        (Field::SupplierSku, _) => line.supplier_sku = text,
        _ => return false,
    }
    true
}
