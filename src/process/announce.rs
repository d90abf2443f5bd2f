//! N1: the five fields are copied to the order positions, all or none. The order refuses what it cannot
//! hold: a position that is gone, canceled, dispatched or smaller than the response says. It must never
//! change anything else of the order.

use rust_decimal::Decimal;

use super::deviate::price_is_fine;
use super::prepare::open;
use super::run::Run;
use super::table::Answer;
use super::turn;
use crate::model::{Announced, Dossier, Line, LineStatus, Order, Position, Response, ResponseId, Settings};

/// How much of a position this line cancels beyond what is canceled already. Partners restate earlier
/// cancellations or leave them out; what does not fit into what is open is a restatement.
pub fn newly_canceled(line: &Line, position: &Position) -> Decimal {
    let coming = line.quantity_confirmed.saturating_add(line.quantity_backordered);
    let canceled = line.quantity_canceled;
    if coming.saturating_add(canceled) > open(position) {
        canceled.saturating_sub(position.quantity_canceled).max(Decimal::ZERO)
    } else {
        canceled
    }
}

pub fn announce(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    let partner = response.partner.clone();
    let settings = run.settings(&partner);
    let Some(response) = run.response(id) else { return };
    if let Err(refusal) = order_takes(run.dossier, response) {
        run.walk(id, Answer::OrderRefused, Some(refusal));
        return;
    }
    let now = run.now();
    // The order is written in the same breath as the row is walked; nothing in between can fail.
    if run.walk(id, Answer::OrderTookIt, None) {
        let Dossier { order, responses, .. } = &mut *run.dossier;
        if let (Some(order), Some(response)) = (order, responses.get(&id)) {
            write(order, response, &settings, now);
        }
    }
}

/// Whether every line fits; the reason when one does not.
fn order_takes(dossier: &Dossier, response: &Response) -> Result<(), String> {
    if dossier.order.as_ref().is_some_and(|order| order.positions_of(&response.partner).next().is_none()) {
        return Err(format!("order {} has no position of {}", response.order, response.partner));
    }
    let processed = response.lines.iter().filter(|line| line.ignored.is_none());
    for line in processed {
        let Some(number) = line.position else { continue };
        let Some(order) = &dossier.order else {
            return Err(format!("order {} is not registered", response.order));
        };
        let Some(position) = order.position(number) else {
            if line.status == Some(LineStatus::Added) && !order.canceled {
                continue;
            }
            return Err(format!("position {number} is gone"));
        };
        if position.partner != response.partner {
            return Err(format!("position {number} is not {}'s", response.partner));
        }
        fits(dossier, order, position, line, response)?;
    }
    if dossier.order.is_none() {
        return Err(format!("order {} is not registered", response.order));
    }
    Ok(())
}

fn fits(dossier: &Dossier, order: &Order, position: &Position, line: &Line, response: &Response) -> Result<(), String> {
    let number = position.position;
    let coming = line.quantity_confirmed.saturating_add(line.quantity_backordered);
    let canceled = newly_canceled(line, position);
    let left = open(position);
    if coming > Decimal::ZERO {
        if order.canceled {
            return Err("the order is canceled".into());
        }
        if left <= Decimal::ZERO {
            return Err(format!("position {number} is canceled"));
        }
        if position.quantity_dispatched >= left {
            return Err(format!("position {number} is dispatched"));
        }
    }
    if coming.saturating_add(canceled) > left {
        return Err(format!(
            "position {number} has {}, the response says {}",
            left.normalize(),
            coming.saturating_add(canceled).normalize()
        ));
    }
    if position.quantity_dispatched > left.saturating_sub(canceled)
        || (coming > Decimal::ZERO && position.quantity_dispatched > coming)
    {
        return Err(format!("{} of position {number} are dispatched", position.quantity_dispatched.normalize()));
    }
    let announced = position.announced.as_ref().map(|announced| announced.response);
    let newer = announced.and_then(|id| dossier.responses.get(&id));
    match newer.filter(|newer| newer.id != response.id && turn::turn(newer) > turn::turn(response)) {
        Some(newer) => Err(format!("position {number} was announced by the newer {}", newer.id)),
        None => Ok(()),
    }
}

fn write(order: &mut Order, response: &Response, settings: &Settings, now: jiff::Timestamp) {
    let said = response.message.text(crate::model::Field::SupplierOrderNumber).map(str::trim);
    if order.supplier_order_number.is_none() {
        order.supplier_order_number = said.filter(|number| !number.is_empty()).map(str::to_string);
    }
    for line in response.lines.iter().filter(|line| line.ignored.is_none()) {
        let Some(number) = line.position else { continue };
        if order.position(number).is_none() {
            order.positions.push(added_position(number, response, line));
        }
        let fine = response.approved || order.position(number).is_some_and(|p| price_is_fine(order, p, line, settings));
        let Some(position) = order.position_mut(number) else { continue };
        let before = position.announced.take();
        let known = |get: fn(&Announced) -> Option<jiff::civil::Date>| before.as_ref().and_then(get);
        let date = |amount: Decimal, said: Option<jiff::civil::Date>, known: Option<jiff::civil::Date>| {
            if amount > Decimal::ZERO { said.or(known) } else { None }
        };
        position.announced = Some(Announced {
            quantity_confirmed: line.quantity_confirmed,
            quantity_backordered: line.quantity_backordered,
            confirmed_delivery_date: date(
                line.quantity_confirmed,
                line.confirmed_date,
                known(|a| a.confirmed_delivery_date),
            ),
            backordered_delivery_date: date(
                line.quantity_backordered,
                line.backordered_date,
                known(|a| a.backordered_delivery_date),
            ),
            supplier_confirmed_purchase_item_net: line
                .price_net
                .filter(|_| fine)
                .or(before.as_ref().and_then(|a| a.supplier_confirmed_purchase_item_net)),
            response: response.id,
            at: now,
        });
    }
}

fn added_position(number: u32, response: &Response, line: &Line) -> Position {
    Position {
        position: number,
        partner: response.partner.clone(),
        product_id: line.product_id.clone(),
        supplier_sku: line.supplier_sku.clone(),
        shop_sku: line.shop_sku.clone(),
        gtin: line.gtin.clone(),
        name: line.name.clone(),
        quantity: line.quantity_confirmed.saturating_add(line.quantity_backordered),
        unit: line.unit.clone(),
        price_net: line.price_net,
        price_sales_net: None,
        requested_date: line.confirmed_date,
        announced: None,
        quantity_canceled: Decimal::ZERO,
        quantity_dispatched: Decimal::ZERO,
        added: true,
        origin: None,
    }
}

/// Takes back a quantity of a position: it is canceled, and what was announced shrinks to what is left.
pub fn cancel(position: &mut Position, quantity: Decimal) -> Decimal {
    let taken = quantity.min(open(position)).max(Decimal::ZERO);
    position.quantity_canceled = position.quantity_canceled.saturating_add(taken);
    let left = open(position);
    if let Some(announced) = &mut position.announced {
        announced.quantity_confirmed = announced.quantity_confirmed.min(left);
        announced.quantity_backordered = announced.quantity_backordered.min(left - announced.quantity_confirmed);
    }
    taken
}
