//! What each input does before the responses run to rest: the order and its dispatches, bounces, and the
//! way to the files that know the rest.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::approve::{self, retire};
use super::input::{Input, Refused, Reread};
use super::prepare::list;
use super::run::Run;
use super::table::{Answer, row_of};
use super::{merge, person, recall, receive, wait};
use crate::model::{AlarmKind, FaultCode, Order, Response, ResponseId, Status, TransmissionId};

pub fn take(run: &mut Run<'_, '_>, input: Input) {
    let into = run.dossier.order.as_ref().and_then(|order| order.merged.into.clone());
    let input = match into {
        Some(into) => match merge::pass_on(run, &into, input) {
            Some(input) => input,
            None => return,
        },
        None => input,
    };
    match input {
        Input::OrderRegistered(order) => register(run, order),
        Input::OrderCanceled { by } => cancel_order(run, &by),
        Input::Dispatched { positions, by } => dispatched(run, &positions, &by),
        Input::DispatchedOf { order, positions, by } => match merge::dispatched_of(run, &order, &positions) {
            Ok(positions) => dispatched(run, &positions, &by),
            Err(why) => run.refuse(Refused::Unknown(why)),
        },
        Input::Join(joined) => merge::join(run, *joined),
        Input::HoldOver { mapping, rereads, by } => hold_over(run, &mapping, rereads, by),
        Input::AlarmClosed { kind, subject, by } => alarm_closed(run, kind, &subject, by),
        Input::ResponseReceived(received) => receive::receive(run, *received),
        Input::Decision(decision) => approve::decide(run, decision),
        Input::RecallAnswer { recall, partner, answer, by } => recall::answered(run, recall, &partner, answer, &by),
        Input::QuestionAnswered(answered) => approve::partner_answered(run, answered),
        Input::Person(what) => person::act(run, what),
        Input::Timer => wait::timer(run),
        Input::Bounced { transmission, reason } => bounced(run, transmission, &reason),
        Input::Absent { transmission, by, delegate } => approve::absent(run, transmission, &by, delegate.as_deref()),
    }
}

fn register(run: &mut Run<'_, '_>, mut order: Order) {
    if order.order_number != run.dossier.number {
        let why = format!("order {} does not belong to order {}", order.order_number, run.dossier.number);
        return run.refuse(Refused::NotPossible(why));
    }
    run.by = "order registered".into();
    let on = format!("order {}", order.order_number);
    let Some(known) = &run.dossier.order else {
        run.audit("gateway", "order registered", on, format!("{} positions", order.positions.len()));
        run.dossier.order = Some(order);
        run.forget_settings();
        return recheck_unknown(run);
    };
    if known.same_as(&order) {
        return;
    }
    order.revision = known.revision.saturating_add(1);
    order.registered_at = known.registered_at;
    order.merged.clone_from(&known.merged);
    order.supplier_order_number = order.supplier_order_number.take().or_else(|| known.supplier_order_number.clone());
    // What responses, returns and dispatches have written stays with its position.
    for position in &mut order.positions {
        if let Some(before) = known.position(position.position).filter(|before| before.partner == position.partner) {
            position.announced.clone_from(&before.announced);
            position.quantity_canceled = before.quantity_canceled.min(position.quantity);
            position.quantity_dispatched = before.quantity_dispatched;
            position.origin.clone_from(&before.origin);
        }
    }
    // What partners added, and what came with a merged order, is not of this registration.
    let stays = |before: &&crate::model::Position| before.added || before.origin.is_some();
    let added = known.positions.iter().filter(|before| stays(before) && order.position(before.position).is_none());
    let added: Vec<_> = added.cloned().collect();
    order.positions.extend(added);
    run.by = format!("order revised ({})", order.revision);
    run.audit("gateway", "order revised", on, format!("revision {}", order.revision));
    run.dossier.order = Some(order);
    run.forget_settings();
    order_changed(run, "the order was revised");
}

/// Responses that came before their order are checked again by themselves.
fn recheck_unknown(run: &mut Run<'_, '_>) {
    let unknown = |r: &&Response| {
        row_of(Some(r.status), Answer::OrderRegistered).is_some()
            && r.faults.iter().any(|fault| fault.code == FaultCode::UnknownOrder)
    };
    let waiting: Vec<ResponseId> = run.dossier.responses.values().filter(unknown).map(|r| r.id).collect();
    for id in waiting {
        retire(run, id, Answer::OrderRegistered, None, "", false, |_| {});
    }
}

fn cancel_order(run: &mut Run<'_, '_>, by: &str) {
    let Some(order) = &mut run.dossier.order else {
        let why = format!("order {} is not registered", run.dossier.number);
        return run.refuse(Refused::Unknown(why));
    };
    if order.canceled {
        return;
    }
    order.canceled = true;
    order.revision = order.revision.saturating_add(1);
    run.by = format!("order canceled by {by}");
    run.audit(by, "order canceled", format!("order {}", run.dossier.number), "");
    order_changed(run, "the order was canceled");
}

fn order_changed(run: &mut Run<'_, '_>, why: &str) {
    let before_checked: Vec<ResponseId> =
        run.dossier.responses.values().filter(|r| r.status.is_before_checked()).map(|r| r.id).collect();
    for id in before_checked {
        retire(run, id, Answer::OrderChanged, Some(why.to_string()), why, false, |response| response.approved = false);
    }
}

/// KB 306C45: what left cannot be recalled, and open responses for it are pointless.
fn dispatched(run: &mut Run<'_, '_>, positions: &BTreeMap<u32, Decimal>, by: &str) {
    let number = run.dossier.number.clone();
    let Some(order) = &mut run.dossier.order else {
        return run.refuse(Refused::Unknown(format!("order {number} is not registered")));
    };
    if positions.is_empty() {
        return run.refuse(Refused::NotPossible("the dispatch notice names no position".into()));
    }
    if let Some(unknown) = positions.keys().find(|position| order.position(**position).is_none()) {
        return run.refuse(Refused::Unknown(format!("order {number} has no position {unknown}")));
    }
    if let Some((position, _)) = positions.iter().find(|(_, quantity)| **quantity <= Decimal::ZERO) {
        return run.refuse(Refused::NotPossible(format!("position {position}: nothing was dispatched")));
    }
    for (position, quantity) in positions {
        if let Some(position) = order.position_mut(*position) {
            position.quantity_dispatched = position.quantity_dispatched.saturating_add(*quantity);
        }
    }
    run.by = format!("dispatch notice by {by}");
    let words: Vec<String> = positions.iter().map(|(p, quantity)| format!("{p}: {quantity}")).collect();
    run.audit(by, "dispatched", format!("order {number}"), words.join(", "));
    let gone: BTreeSet<u32> = positions.keys().copied().collect();
    let open = |r: &&Response| {
        matches!(r.status, Status::NotChecked | Status::InExternalProcessing | Status::NotCheckedDoApprove)
            && !r.covers().is_disjoint(&gone)
    };
    let open: Vec<ResponseId> = run.dossier.responses.values().filter(open).map(|r| r.id).collect();
    let words: Vec<u32> = gone.iter().copied().collect();
    for id in open {
        let note = format!("positions {}", list(&words));
        retire(run, id, Answer::Dispatched, Some(note), "the goods were dispatched", false, |response| {
            response.failed_because = Some("dispatched".into());
        });
    }
    recall::dispatched(run, positions);
}

/// What was held because its mapping drifted goes on, with what was read anew.
fn hold_over(run: &mut Run<'_, '_>, mapping: &str, mut rereads: BTreeMap<ResponseId, Reread>, by: String) {
    run.by = by;
    let held = |r: &&Response| r.course.held.as_deref() == Some(mapping);
    let held: Vec<ResponseId> = run.dossier.responses.values().filter(held).map(|r| r.id).collect();
    for id in held {
        if let Some(Reread { mut message, faults }) = rereads.remove(&id) {
            merge::translate(run.dossier.order.as_ref(), &mut message);
            if let Some(response) = run.touch(id) {
                response.message = message;
                response.course.read_faults = faults;
            }
        }
        receive::take_up(run, id);
    }
}

/// An alarm that a person closed is not told again, whatever it was about.
fn alarm_closed(run: &mut Run<'_, '_>, kind: AlarmKind, subject: &str, by: String) {
    run.by = by;
    let ours = |r: &&Response| r.id.to_string() == subject && r.course.alarms.contains(&kind);
    if let Some(id) = run.dossier.responses.values().find(ours).map(|r| r.id)
        && let Some(response) = run.touch(id)
    {
        response.course.alarms.remove(&kind);
    }
    if kind == AlarmKind::RecallTooLate {
        recall::settled(run, subject);
    }
}

/// A letter did not arrive: whoever waits for its answer does not wait any longer.
fn bounced(run: &mut Run<'_, '_>, transmission: TransmissionId, reason: &str) {
    run.by = format!("bounce of {transmission}");
    let asked = |r: &&Response| {
        let question = r.approval.as_ref().is_some_and(|a| a.question == Some(transmission));
        (r.status == Status::InExternalProcessing && r.request == Some(transmission))
            || (r.status == Status::NotCheckedDoApprove && question)
    };
    let asked = run.dossier.responses.values().find(asked).map(|r| (r.id, r.status, r.partner.clone()));
    match asked {
        Some((id, Status::InExternalProcessing, partner)) => {
            let message = format!("{partner} could not be asked for a new response ({id}): {reason}");
            wait::alarm_or_remind(run, id, AlarmKind::RequestUnanswered, message);
        }
        Some((id, ..)) => nobody_asked(run, id, reason),
        None if run.dossier.recalls.iter().any(|r| r.transmission == transmission && r.due.is_some()) => {
            recall::unanswered(run, transmission, &format!("did not get the recall ({reason})"));
        }
        None => {}
    }
}

/// The next approver is asked at once; when there is none, a person must know.
fn nobody_asked(run: &mut Run<'_, '_>, id: ResponseId, reason: &str) {
    if approve::escalate(run, id) {
        return;
    }
    let message = format!("nobody could be asked about {id}: {reason}");
    wait::alarm_or_remind(run, id, AlarmKind::ApprovalOverdue, message);
}
