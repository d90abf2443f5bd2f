//! `order merge`: the positions of one order go on in another. Whatever is open in both waits until a person
//! releases it; what a partner says afterwards, of either number or of both as one, finds its positions.
//! A product that stood in both orders and is answered as one line is split again (see `split`). It must
//! never know what a response says of its positions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::approve::retire;
use super::input::{Input, Received, Refused};
use super::prepare::list;
use super::run::Run;
use super::table::{Answer, row_of};
use super::turn;
use crate::model::order::Origin;
use crate::model::{
    Course, EditTarget, Field, Message, Order, OrderNumber, Place, Position, RecallState, Response, ResponseId, Said,
    Status, Value, Wait,
};

/// More positions than any real order has.
const POSITIONS_MAX: usize = 10_000;

/// What is carried from one order to the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Joined {
    /// The order that is merged into the one that takes this.
    pub order: Order,
    /// Its open responses, as new ones with numbers of their own and their messages as they were received; and
    /// where each stood.
    pub responses: Vec<(Response, Status)>,
    pub by: String,
}

/// Of an order with joined positions: those that a response speaks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    All,
    /// It names the order that was joined.
    Of(OrderNumber),
    /// It arrived before these were joined, and names none of them.
    Without(BTreeSet<OrderNumber>),
}

impl Whose {
    pub fn of(order: &Order, response: &Response) -> Whose {
        if order.merged.from.is_empty() {
            return Whose::All;
        }
        if let Some(named) = named(order, &response.message) {
            return Whose::Of(named);
        }
        let later = order.merged.from.iter().filter(|(_, at)| response.arrived_at < **at);
        let later: BTreeSet<OrderNumber> = later.map(|(number, _)| number.clone()).collect();
        if later.is_empty() { Whose::All } else { Whose::Without(later) }
    }

    pub fn takes(&self, position: &Position) -> bool {
        match self {
            Whose::All => true,
            Whose::Of(order) => position.origin.as_ref().is_some_and(|origin| origin.order == *order),
            Whose::Without(orders) => position.origin.as_ref().is_none_or(|origin| !orders.contains(&origin.order)),
        }
    }

    /// Whether two responses cannot speak of one position.
    fn is_apart(&self, other: &Whose) -> bool {
        match (self, other) {
            (Whose::Of(one), Whose::Of(other)) => one != other,
            (Whose::Of(one), Whose::Without(orders)) | (Whose::Without(orders), Whose::Of(one)) => orders.contains(one),
            _ => false,
        }
    }
}

/// The partner's positions that a response speaks of.
pub fn spoken_of<'a>(order: &'a Order, response: &'a Response) -> impl Iterator<Item = &'a Position> {
    let whose = Whose::of(order, response);
    order.positions_of(&response.partner).filter(move |position| whose.takes(position))
}

/// Whether the two speak of orders that were merged, each of its own.
pub fn are_apart(order: Option<&Order>, one: &Response, other: &Response) -> bool {
    order.is_some_and(|order| !order.merged.from.is_empty() && Whose::of(order, one).is_apart(&Whose::of(order, other)))
}

/// Whether the product stood in more than one of the merged orders.
pub fn is_joined(order: &Order, positions: &[u32]) -> bool {
    let origins: BTreeSet<Option<&OrderNumber>> = positions
        .iter()
        .filter_map(|number| order.position(*number))
        .map(|position| position.origin.as_ref().map(|origin| &origin.order))
        .collect();
    origins.len() > 1
}

fn named(order: &Order, message: &Message) -> Option<OrderNumber> {
    let said = message.text(Field::OrderNumber)?.trim();
    order.merged.from.keys().find(|number| number.as_str().eq_ignore_ascii_case(said)).cloned()
}

/// A message that names an order that was joined counts positions as that order did.
pub fn translate(order: Option<&Order>, message: &mut Arc<Message>) {
    let Some((order, named)) = order.and_then(|order| Some((order, named(order, message)?))) else { return };
    for line in &mut Arc::make_mut(message).lines {
        translate_line(order, &named, line);
    }
}

fn translate_line(order: &Order, named: &OrderNumber, line: &mut BTreeMap<Field, Said>) {
    let Some(said) = line.get_mut(&Field::Position) else { return };
    let number = said.value.as_number().filter(|number| number.fract().is_zero()).and_then(|number| number.to_u32());
    if let Some(position) = number.and_then(|number| joined_position(order, named, number)) {
        said.value = Value::Number(Decimal::from(position));
        said.filled = Some(format!("order {named}"));
    }
}

/// Where a position of the joined order stands now.
fn joined_position(order: &Order, named: &OrderNumber, number: u32) -> Option<u32> {
    let is = |position: &&Position| {
        position.origin.as_ref().is_some_and(|origin| origin.order == *named && origin.position == number)
    };
    order.positions.iter().find(is).map(|position| position.position)
}

/// Everything open waits until the merge is released.
pub fn park(run: &mut Run<'_, '_>, with: &OrderNumber) -> usize {
    let open = |r: &&Response| row_of(Some(r.status), Answer::OrdersMerged).is_some();
    let open: Vec<ResponseId> = run.dossier.responses.values().filter(open).map(|r| r.id).collect();
    open.into_iter().filter(|id| park_one(run, *id, with)).count()
}

fn park_one(run: &mut Run<'_, '_>, id: ResponseId, with: &OrderNumber) -> bool {
    let Some(left) = run.status(id) else { return false };
    let reason = format!("orders {} and {with} are being merged", run.dossier.number);
    let since = run.now();
    run.walk_owing(id, Answer::OrdersMerged, Some(format!("with order {with}")), Vec::new(), |response| {
        response.waits_for = Some(Wait { reason, behind: None, left: Some(left), since });
    })
}

/// This order's positions and open responses go into another one. Done whole, or refused.
pub fn go_into(run: &mut Run<'_, '_>, into: &OrderNumber, by: &str) -> Result<(), String> {
    let number = run.dossier.number.clone();
    if *into == number {
        return Err("an order cannot be merged with itself".into());
    }
    let Some(order) = run.dossier.order.clone() else { return Err(format!("order {number} is not registered")) };
    if order.canceled {
        return Err(format!("order {number} is canceled"));
    }
    if let Some(into) = &order.merged.into {
        return Err(format!("order {number} was merged into {into}"));
    }
    if !order.merged.from.is_empty() {
        return Err(format!("other orders were merged into {number}: merge {into} into it instead"));
    }
    let unsettled = |state: RecallState| matches!(state, RecallState::Open | RecallState::TooLate);
    let asked = run.dossier.recalls.iter().find(|recall| unsettled(recall.state) && recall.due.is_some());
    if let Some(recall) = asked {
        return Err(format!("the recall {} of order {number} is not settled yet", recall.transmission));
    }
    let open = |r: &&Response| row_of(Some(r.status), Answer::OrdersMerged).is_some();
    let announced = |r: &&Response| r.history.iter().any(|step| step.to == Status::Announced);
    if let Some(half) = run.dossier.responses.values().find(|r| open(r) && announced(r)) {
        return Err(format!("{} stands in {}: it must come to its end first", half.id, half.status));
    }
    let open: Vec<ResponseId> = run.dossier.responses.values().filter(open).map(|r| r.id).collect();
    let mut responses = Vec::with_capacity(open.len());
    let mut waited = Vec::with_capacity(open.len());
    for id in open {
        if !park_one(run, id, into) {
            return Err(format!("{id} cannot wait for the merge"));
        }
        let new = run.world.numbers.response();
        let Some(old) = run.response(id) else { continue };
        responses.push(carried(old, new, into));
        let left = old.waits_for.as_ref().and_then(|wait| wait.left).filter(|left| left.is_before_checked());
        waited.push(left.unwrap_or(Status::Initial));
        let why = format!("order {number} was merged into {into}");
        retire(run, id, Answer::WentOver, Some(format!("as {new} of order {into}")), &why, false, |response| {
            response.failed_because = Some(format!("goes on as {new} of order {into}"));
            response.copied_to = Some(new);
        });
    }
    if let Some(order) = &mut run.dossier.order {
        order.merged.into = Some(into.clone());
        order.revision = order.revision.saturating_add(1);
    }
    run.out.changed = true;
    let responses = responses.into_iter().zip(waited).collect();
    let joined = Joined { order, responses, by: by.to_string() };
    run.out.passed_on.push((into.clone(), Input::Join(Box::new(joined))));
    Ok(())
}

/// The same message as a new response of the other order.
fn carried(old: &Response, id: ResponseId, into: &OrderNumber) -> Response {
    let fresh = Response::new(id, into.clone(), old.partner.clone(), old.message.clone(), old.arrived_at);
    let course = Course {
        read_faults: old.course.read_faults.clone(),
        taken_over: old.course.taken_over.clone(),
        edits: old.course.edits.clone(),
        turn: Some(crate::model::Turn { id, ..turn::turn(old) }),
        type_fixed: true,
        held: old.course.held.clone(),
        ..Course::default()
    };
    Response { mail: old.mail, copied_from: Some(old.id), response_type: old.response_type, course, ..fresh }
}

/// Another order's positions come into this one; everything open in both waits.
pub fn join(run: &mut Run<'_, '_>, joined: Joined) {
    let Joined { order: theirs, responses, by } = joined;
    let (number, other) = (run.dossier.number.clone(), theirs.order_number.clone());
    if let Err(why) = fits(run, &theirs) {
        return run.refuse(Refused::NotPossible(why));
    }
    run.by = format!("merge by {by}");
    let now = run.now();
    park(run, &other);
    let Some(ours) = &mut run.dossier.order else { return };
    let mut numbers = Numbering::after(&ours.positions);
    let mut words = Vec::new();
    for mut position in theirs.positions {
        let origin = Origin { order: other.clone(), position: position.position };
        position.position = numbers.next();
        words.push(format!("{} is {}", origin.position, position.position));
        position.origin = Some(origin);
        ours.positions.push(position);
    }
    ours.merged.from.insert(other.clone(), now);
    ours.revision = ours.revision.saturating_add(1);
    let ours = ours.clone();
    let detail = format!("positions of {other}: {}", words.join(", "));
    run.audit(&by, "orders merged", format!("order {number}"), detail);
    for (mut response, stood) in responses {
        let id = response.id;
        name(&mut response.message, &other);
        translate(Some(&ours), &mut response.message);
        for line in &mut response.course.taken_over {
            translate_line(&ours, &other, line);
        }
        for edit in &mut response.course.edits {
            if let EditTarget::Position(position) = &mut edit.target
                && let Some(now) = joined_position(&ours, &other, *position)
            {
                *position = now;
            }
        }
        run.begin(response);
        park_one(run, id, &other);
        if let Some(wait) = run.touch(id).and_then(|response| response.waits_for.as_mut()) {
            wait.left = Some(stood);
        }
    }
}

fn fits(run: &Run<'_, '_>, theirs: &Order) -> Result<(), String> {
    let number = &run.dossier.number;
    let Some(ours) = &run.dossier.order else { return Err(format!("order {number} is not registered")) };
    if let Some(into) = &ours.merged.into {
        return Err(format!("order {number} was merged into {into}"));
    }
    if ours.canceled {
        return Err(format!("order {number} is canceled"));
    }
    if ours.merged.from.contains_key(&theirs.order_number) {
        return Err(format!("order {} was merged into {number} before", theirs.order_number));
    }
    if (&ours.channel, &ours.currency) != (&theirs.channel, &theirs.currency) {
        return Err(format!("orders {number} and {} differ in channel or currency", theirs.order_number));
    }
    if ours.positions.len() + theirs.positions.len() > POSITIONS_MAX {
        return Err(format!("merged they would have more than {POSITIONS_MAX} positions"));
    }
    Ok(())
}

/// A message without an order number that came to the joined order means that one.
fn name(message: &mut Arc<Message>, order: &OrderNumber) {
    let message = Arc::make_mut(message);
    message.fields.entry(Field::OrderNumber).or_insert_with(|| {
        let text = order.to_string();
        let said = Said::new(Value::Text(text.clone()), text, "the order it was asked about", Place::default());
        Said { filled: Some("merge".into()), ..said }
    });
}

/// New numbers as the order counts, often in tens.
struct Numbering {
    last: u32,
    step: u32,
}

impl Numbering {
    fn after(positions: &[Position]) -> Numbering {
        let tens = positions.iter().all(|position| position.position.is_multiple_of(10));
        let last = positions.iter().map(|position| position.position).max().unwrap_or(0);
        Numbering { last, step: if tens { 10 } else { 1 } }
    }

    fn next(&mut self) -> u32 {
        self.last = self.last.saturating_add(self.step);
        self.last
    }
}

/// What happens to an order that went into another one is told there. `Some` = it is this order's own affair.
pub fn pass_on(run: &mut Run<'_, '_>, into: &OrderNumber, input: Input) -> Option<Input> {
    let number = run.dossier.number.clone();
    match input {
        Input::ResponseReceived(mut received) => {
            received.answers = received.answers.map(|asked| {
                let went_on = run.response(asked).filter(|r| r.history.last().is_some_and(went_over));
                went_on.and_then(|response| response.copied_to).unwrap_or(asked)
            });
            name(&mut received.message, &number);
            run.out.passed_on.push((into.clone(), Input::ResponseReceived(received)));
            None
        }
        Input::Dispatched { positions, by } => {
            let input = Input::DispatchedOf { order: number, positions, by };
            run.out.passed_on.push((into.clone(), input));
            None
        }
        Input::OrderRegistered(order) if run.dossier.order.as_ref().is_some_and(|known| known.same_as(&order)) => None,
        Input::OrderRegistered(_) | Input::OrderCanceled { .. } | Input::Join(_) => {
            run.refuse(Refused::NotPossible(format!("order {number} was merged into {into}; change that one")));
            None
        }
        other => Some(other),
    }
}

fn went_over(step: &crate::model::Step) -> bool {
    step.answer == Answer::WentOver.name()
}

/// A dispatch notice that names an order that was joined.
pub fn dispatched_of(
    run: &mut Run<'_, '_>,
    named: &OrderNumber,
    positions: &BTreeMap<u32, Decimal>,
) -> Result<BTreeMap<u32, Decimal>, String> {
    let Some(order) = &run.dossier.order else { return Err(format!("order {} is not registered", run.dossier.number)) };
    let mut found = BTreeMap::new();
    let mut unknown = Vec::new();
    for (number, quantity) in positions {
        match joined_position(order, named, *number) {
            Some(position) => drop(found.insert(position, *quantity)),
            None => unknown.push(*number),
        }
    }
    if unknown.is_empty() { Ok(found) } else { Err(format!("order {named} has no position {}", list(&unknown))) }
}

/// A message as it comes in, its positions counted as this order counts them.
pub fn as_counted_here(run: &Run<'_, '_>, received: &mut Received) {
    translate(run.dossier.order.as_ref(), &mut received.message);
}
