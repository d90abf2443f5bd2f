//! What time alone changes: reminders, alarms for what waits too long, orders that nobody answers, steps
//! and courtesies to be tried again. Every wait has a due time. It must never read a clock.

use super::input::AlarmChange;
use super::run::Run;
use super::table::{Answer, Question};
use super::{approve, recall};
use crate::model::{
    About, AlarmKind, HeadState, Owed, PartnerId, Pause, Recipient, Response, ResponseId, Settings, Timestamp,
    TransmissionKind, Unanswered, Unwritten,
};

/// When a pause is over; `None` = it was configured away.
pub fn later(pause: Pause, from: Timestamp, settings: &Settings) -> Option<Timestamp> {
    (!pause.is_none()).then(|| pause.after(from, &settings.time_zone))
}

/// A step or courtesy that failed is tried again after one minute, two, four ... at most an hour.
pub fn retry_at(now: Timestamp, tries: u32) -> Timestamp {
    let minutes = 1_i64 << tries.saturating_sub(1).min(6);
    Pause::Calendar { seconds: minutes.min(60) * 60 }.after(now, "UTC")
}

/// When somebody is to be reminded of a response that has just come to where it stands.
pub fn due_on_entry(response: &Response, settings: &Settings, now: Timestamp) -> Option<Timestamp> {
    let later = |pause: Pause| later(pause, now, settings);
    match response.status.asks() {
        Question::AwaitTurn | Question::AwaitRelease => later(settings.pending_limit),
        Question::AwaitPerson | Question::AwaitErrorHandling => later(settings.alarm_reminder),
        Question::AwaitPartner => later(settings.request_reminder),
        Question::AwaitApproval => {
            let expiry = response.approval.as_ref().filter(|a| !a.on_hold).and_then(|approval| approval.expires_at);
            later(settings.approval_reminder).into_iter().chain(expiry).min()
        }
        Question::Examine
        | Question::HandOver
        | Question::BeginNotification
        | Question::Announce
        | Question::AfterAnnouncing
        | Question::CreateReturn
        | Question::AfterReturning
        | Question::Compose
        | Question::AfterComposing
        | Question::RecreateDocuments
        | Question::PrepareDocuments
        | Question::AfterPreparing
        | Question::Close
        | Question::Over
        | Question::TakenUpAgain
        | Question::Copied => None,
    }
}

/// Whatever is due at `now` happens. Steps that failed are tried again by running to rest.
pub fn timer(run: &mut Run<'_, '_>) {
    run.by = "timer".into();
    let now = run.now();
    let is_due = |r: &&Response| r.error.is_none() && r.due.is_some_and(|due| due <= now);
    let due: Vec<ResponseId> = run.dossier.responses.values().filter(is_due).map(|r| r.id).collect();
    for id in due {
        respond(run, id);
    }
    recall::overdue(run);
    orders_unanswered(run);
    write_again(run);
}

fn respond(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    let (order, partner, waits) = (response.order.clone(), response.partner.clone(), response.waits_for.clone());
    match response.status.asks() {
        Question::AwaitTurn | Question::AwaitRelease => {
            let reason = waits.map(|wait| wait.reason).unwrap_or_default();
            let message = format!("{id} of {partner} to order {order} has waited for long: {reason}");
            alarm_or_remind(run, id, AlarmKind::WaitsTooLong, message);
        }
        Question::AwaitPerson | Question::AwaitErrorHandling => remind_again(run, id),
        Question::AwaitPartner => partner_silent(run, id),
        Question::AwaitApproval => approve::overdue(run, id),
        // Whatever goes on by itself has no due time, but for a step that failed.
        _ => {
            if let Some(response) = run.touch(id) {
                response.due = None;
            }
        }
    }
}

/// C10: the partner does not answer in time.
fn partner_silent(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    let (partner, reminders, request) = (response.partner.clone(), response.reminders, response.request);
    let told = response.course.alarms.contains(&AlarmKind::RequestUnanswered);
    let settings = run.settings(&partner);
    let now = run.now();
    match request {
        Some(of) if reminders < settings.request_reminders => {
            let count = reminders + 1;
            let about = About::Reminder { of, of_kind: TransmissionKind::RequestNewResponse, count };
            let owed = run.owed(TransmissionKind::Reminder, Recipient::Partner(partner), Some(id), about);
            run.walk_owing(id, Answer::PartnerSilent, Some(format!("reminder {count}")), vec![owed], |response| {
                response.reminders = count;
                response.due = later(settings.request_reminder, now, &settings);
            });
        }
        _ if told => remind_again(run, id),
        _ => {
            run.walk_owing(id, Answer::PartnerStaysSilent, None, Vec::new(), |response| {
                response.due = later(settings.alarm_reminder, now, &settings);
            });
        }
    }
}

/// Raises an alarm, or tells it again when it stands; the next time is set.
pub fn alarm_or_remind(run: &mut Run<'_, '_>, id: ResponseId, kind: AlarmKind, message: String) {
    let stands = run.response(id).is_some_and(|response| response.course.alarms.contains(&kind));
    if stands {
        run.out.alarms.push(AlarmChange::Remind { kind, subject: id.to_string() });
    } else {
        run.raise(id, kind, message);
    }
    next_alarm(run, id);
}

fn remind_again(run: &mut Run<'_, '_>, id: ResponseId) {
    let kinds = run.response(id).map(|response| response.course.alarms.clone()).unwrap_or_default();
    for kind in kinds {
        run.out.alarms.push(AlarmChange::Remind { kind, subject: id.to_string() });
    }
    next_alarm(run, id);
}

fn next_alarm(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(partner) = run.response(id).map(|response| response.partner.clone()) else { return };
    let settings = run.settings(&partner);
    let now = run.now();
    if let Some(response) = run.touch(id) {
        response.due = later(settings.alarm_reminder, now, &settings);
    }
}

/// Courtesies that could not be written are tried again.
fn write_again(run: &mut Run<'_, '_>) {
    let now = run.now();
    let (due, waiting): (Vec<Unwritten>, Vec<Unwritten>) =
        std::mem::take(&mut run.dossier.unwritten).into_iter().partition(|unwritten| unwritten.due <= now);
    run.dossier.unwritten = waiting;
    for mut unwritten in due {
        run.out.changed = true;
        let owed: Owed = unwritten.owed.clone();
        if let Err(error) = run.world.writer.write(&owed, run.dossier) {
            unwritten.tries = unwritten.tries.saturating_add(1);
            unwritten.due = retry_at(now, unwritten.tries);
            unwritten.error = error;
            run.dossier.unwritten.push(unwritten);
        }
    }
}

/// Keeps an eye on partners that have not answered the order; called whenever anything happened to it.
pub fn watch_order(run: &mut Run<'_, '_>) {
    let Some(order) = &run.dossier.order else { return };
    let silent: Vec<PartnerId> = if order.canceled {
        Vec::new()
    } else {
        order.partners().filter(|partner| !has_answered(run.dossier, partner)).cloned().collect()
    };
    let registered_at = order.registered_at;
    let over: Vec<PartnerId> = run.dossier.unanswered.keys().filter(|p| !silent.contains(p)).cloned().collect();
    for partner in over {
        run.out.changed = true;
        let watched = run.dossier.unanswered.remove(&partner);
        if watched.is_some_and(|watched| watched.alarmed) {
            let subject = subject(run, &partner);
            run.out.alarms.push(AlarmChange::End { kind: AlarmKind::OrderUnanswered, subject });
        }
    }
    for partner in silent {
        if run.dossier.unanswered.contains_key(&partner) {
            continue;
        }
        let settings = run.settings(&partner);
        if let Some(due) = later(settings.unanswered_reminder, registered_at, &settings) {
            run.out.changed = true;
            run.dossier.unanswered.insert(partner, Unanswered { reminders: 0, due: Some(due), alarmed: false });
        }
    }
}

fn has_answered(dossier: &crate::model::Dossier, partner: &PartnerId) -> bool {
    let answers = |r: &Response| r.partner == *partner && super::prepare::head_state(r) != Some(HeadState::Received);
    let all_gone = || {
        let order = dossier.order.as_ref();
        order.is_some_and(|o| o.positions_of(partner).all(|p| p.quantity_dispatched >= super::prepare::open(p)))
    };
    // Positions that came with a merged order are answered when something was said of them.
    let silent = |p: &&crate::model::Position| {
        let spoken = || dossier.responses.values().any(|r| r.covers().contains(&p.position) || waits_unread(r, p));
        p.origin.is_some() && p.announced.is_none() && p.quantity_dispatched < super::prepare::open(p) && !spoken()
    };
    let joined_silent = || dossier.order.as_ref().is_some_and(|order| order.positions_of(partner).any(|p| silent(&p)));
    (dossier.responses.values().any(answers) && !joined_silent()) || all_gone()
}

/// It waits for its first look, and names the order that the position came from.
fn waits_unread(response: &Response, position: &crate::model::Position) -> bool {
    let named = response.message.text(crate::model::Field::OrderNumber);
    let origin = position.origin.as_ref().map(|origin| origin.order.as_str());
    !response.status.is_end() && response.lines.is_empty() && named.is_some() && named == origin
}

fn subject(run: &Run<'_, '_>, partner: &PartnerId) -> String {
    format!("order {} {partner}", run.dossier.number)
}

/// ORDER_UNANSWERED: a reminder to the partner, then an alarm.
fn orders_unanswered(run: &mut Run<'_, '_>) {
    let now = run.now();
    let due: Vec<PartnerId> = run
        .dossier
        .unanswered
        .iter()
        .filter(|(_, watched)| watched.due.is_some_and(|due| due <= now))
        .map(|(partner, _)| partner.clone())
        .collect();
    for partner in due {
        let settings = run.settings(&partner);
        let known = run.world.policies.partners.contains_key(&partner);
        let number = run.dossier.number.clone();
        let Some(watched) = run.dossier.unanswered.get_mut(&partner) else { continue };
        run.out.changed = true;
        if known && watched.reminders < settings.unanswered_reminders {
            watched.reminders += 1;
            watched.due = later(settings.unanswered_reminder, now, &settings);
            let count = watched.reminders;
            let order = run.dossier.order.as_ref();
            let positions = order.map(|o| o.positions_of(&partner).map(|p| p.position).collect()).unwrap_or_default();
            let about = About::Unanswered { partner: partner.clone(), positions, count };
            let owed = run.owed(TransmissionKind::Reminder, Recipient::Partner(partner), None, about);
            run.courtesy(owed);
        } else {
            let stood = std::mem::replace(&mut watched.alarmed, true);
            watched.due = later(settings.alarm_reminder, now, &settings);
            let (kind, subject) = (AlarmKind::OrderUnanswered, subject(run, &partner));
            let message = format!("{partner} has not answered order {number}");
            run.out.alarms.push(if stood {
                AlarmChange::Remind { kind, subject }
            } else {
                AlarmChange::Raise { kind, subject, message, response: None, transmission: None }
            });
        }
    }
}
