//! C2-C6: is there an order, is it its turn, is it sound? The first of this order counts: order, turn,
//! faults, deviations, sound.

use super::approve;
use super::deviate::deviations;
use super::prepare::{head_edit, head_state, prepare};
use super::run::Run;
use super::table::Answer;
use super::turn::{self, Standing};
use super::validate;
use crate::model::policy::Automation;
use crate::model::{About, Fault, Field, HeadState, Order, Recipient, Response, ResponseId, TransmissionKind, Value};

pub fn examine(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(partner) = run.response(id).map(|response| response.partner.clone()) else { return };
    let settings = run.settings(&partner);
    // Whoever does not answer in time is reminded so often; whoever answers nothing is asked no oftener.
    let unread = run.response(id).map_or(0, |response| response.course.unread_answers);
    let told = settings.tell_partner
        && unread <= settings.request_reminders
        && run.world.policies.partners.contains_key(&partner);
    let policies = run.world.policies;
    let Some(mut order) = run.dossier.order.take() else {
        let faults = run.response(id).map(|response| validate::without_order(response, policies)).unwrap_or_default();
        return faulty(run, id, faults, told, [Answer::UnknownOrder, Answer::UnknownOrderTold]);
    };
    // The order is put back before anything is walked; taken out, it can be read while the response changes.
    let finding = look(run, id, &mut order, &settings);
    run.dossier.order = Some(order);
    match finding {
        Finding::NotPartner => {
            let faults = run.response(id).map(|r| validate::not_partner_of_order(r, policies)).unwrap_or_default();
            faulty(run, id, faults, told, [Answer::Faulty, Answer::FaultyTold]);
        }
        Finding::Turn(Standing::Outdated(newer)) => turn::outdated(run, id, newer),
        Finding::Turn(Standing::Waits(mut wait)) => {
            wait.since = run.now();
            let note = wait.reason.clone();
            run.walk_owing(id, Answer::OutOfTurn, Some(note), Vec::new(), |response| response.waits_for = Some(wait));
        }
        Finding::Turn(Standing::Free) => {}
        Finding::Faulty(faults) => faulty(run, id, faults, told, [Answer::Faulty, Answer::FaultyTold]),
        Finding::Deviating => approve::ask(run, id),
        Finding::Sound => {
            run.walk(id, Answer::Sound, None);
        }
    }
}

enum Finding {
    NotPartner,
    Turn(Standing),
    Faulty(Vec<Fault>),
    Deviating,
    Sound,
}

/// Prepares the response against the order and says what was found. Changes no status.
fn look(run: &mut Run<'_, '_>, id: ResponseId, order: &mut Order, settings: &crate::model::Settings) -> Finding {
    let Some(response) = run.response(id) else { return Finding::Sound };
    let response_type = turn::response_type(run.dossier, response);
    let only_received = head_state(response) == Some(HeadState::Received);
    let policies = run.world.policies;
    let partner = response.partner.clone();
    let Some(response) = run.touch(id) else { return Finding::Sound };
    if order.positions_of(&partner).next().is_none() {
        (response.lines, response.deviations) = (Vec::new(), Vec::new());
        return Finding::NotPartner;
    }
    response.response_type = response_type;
    response.course.order_revision = order.revision;
    read_head(response);
    let prepared = prepare(order, response, settings);
    let faults = validate::validate(order, response, &prepared, settings, policies);
    response.lines = prepared.lines;
    response.deviations = deviations(order, &response.lines, settings);
    response.faults.clear();
    let asks = !response.approved && !order.canceled;
    let deviating = asks && response.deviations.iter().any(|deviation| !deviation.within);
    let always =
        asks && settings.automation == Automation::ApproveAll && response.lines.iter().any(|l| l.ignored.is_none());
    let standing = match run.response(id) {
        Some(response) => turn::standing(run.dossier, response),
        None => Standing::Free,
    };
    match standing {
        Standing::Free if !faults.is_empty() => Finding::Faulty(faults),
        Standing::Free if (deviating || always) && !only_received => Finding::Deviating,
        Standing::Free => Finding::Sound,
        other => Finding::Turn(other),
    }
}

/// What the head says, or what a person set there.
pub fn read_head(response: &mut Response) {
    response.state = head_state(response);
    response.entry_date = match head_edit(response, Field::EntryDate) {
        Some(Value::Date(date)) => Some(*date),
        _ => response.message.date(Field::EntryDate),
    };
}

/// C8: is the partner told?
fn faulty(run: &mut Run<'_, '_>, id: ResponseId, faults: Vec<Fault>, told: bool, [not_told, is_told]: [Answer; 2]) {
    let Some(response) = run.touch(id) else { return };
    let partner = response.partner.clone();
    let codes: std::collections::BTreeSet<&str> = faults.iter().map(|fault| fault.code.name()).collect();
    let note = Some(codes.into_iter().collect::<Vec<_>>().join(", "));
    if told {
        let owed =
            run.owed(TransmissionKind::RequestNewResponse, Recipient::Partner(partner), Some(id), About::Response);
        let request = owed.id;
        run.walk_owing(id, is_told, note, vec![owed], |response| {
            response.faults = faults;
            response.request = Some(request);
        });
    } else {
        run.walk_owing(id, not_told, note, Vec::new(), |response| response.faults = faults);
    }
}
