//! C14 and what follows: a declined response is recalled at the partner, held back for a while so that a
//! mistake can be undone, and followed to its end. It must never know how the letter is worded.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::announce::cancel;
use super::input::{AlarmChange, RecallAnswer, Refused};
use super::prepare::{list, open};
use super::run::Run;
use super::table::Answer;
use super::{approve, receive, wait};
use crate::model::owed::Outcome as Understood;
use crate::model::{
    About, AlarmKind, Dossier, LineDecision, PartnerId, Recall, RecallState, Recipient, Response, ResponseId, Status,
    TransmissionId, TransmissionKind,
};

/// Walks a row that owes SEND_ORDER_RECALL for these positions of the response.
pub fn send(
    run: &mut Run<'_, '_>,
    id: ResponseId,
    answer: Answer,
    positions: &BTreeSet<u32>,
    change: impl FnOnce(&mut Response),
) -> bool {
    let Some(response) = run.response(id) else { return false };
    let partner = response.partner.clone();
    let by = response.approval.as_ref().and_then(|a| a.decided_by.clone()).unwrap_or_default();
    let quantities = quantities(run.dossier, response, positions);
    let settings = run.settings(&partner);
    let now = run.now();
    let held = wait::later(settings.recall_hold, now, &settings);
    let reason = format!("declined by {by}");
    let about = About::Recall { positions: quantities.clone(), reason: reason.clone() };
    let mut owed = run.owed(TransmissionKind::SendOrderRecall, Recipient::Partner(partner.clone()), Some(id), about);
    owed.not_before = held;
    let transmission = owed.id;
    let words: Vec<u32> = positions.iter().copied().collect();
    let note = format!("by {by}; positions {} recalled", list(&words));
    if !run.walk_owing(id, answer, Some(note), vec![owed], change) {
        return false;
    }
    run.dossier.recalls.push(Recall {
        transmission,
        response: id,
        partner,
        positions: quantities,
        reason,
        state: RecallState::Open,
        asked_at: now,
        held_until: held,
        reminders: 0,
        due: wait::later(settings.recall_reminder, held.unwrap_or(now), &settings),
        answered_at: None,
        taken: BTreeMap::new(),
        alarmed: false,
    });
    true
}

/// What is taken back is what was ordered of the position and is still open; of an added one, what was offered.
fn quantities(dossier: &Dossier, response: &Response, positions: &BTreeSet<u32>) -> BTreeMap<u32, Decimal> {
    let quantity = |number: &u32| {
        let ordered = dossier.order.as_ref().and_then(|order| order.position(*number));
        let left = ordered.map(|p| open(p).saturating_sub(p.quantity_dispatched)).filter(|left| *left > Decimal::ZERO);
        let said = || {
            let line = response.lines.iter().find(|line| line.position == Some(*number));
            line.map_or(Decimal::ZERO, |line| line.quantity_confirmed.saturating_add(line.quantity_backordered))
        };
        (*number, left.unwrap_or_else(said))
    };
    positions.iter().map(quantity).collect()
}

/// RECALLED or TOO LATE by the partner.
pub fn answered(
    run: &mut Run<'_, '_>,
    recall: Option<TransmissionId>,
    partner: &PartnerId,
    answer: RecallAnswer,
    by: &str,
) {
    run.by = by.to_string();
    let theirs = |recall: &&Recall| recall.partner == *partner;
    let open: Vec<TransmissionId> = run
        .dossier
        .recalls
        .iter()
        .filter(theirs)
        .filter(|r| r.state == RecallState::Open)
        .map(|r| r.transmission)
        .collect();
    let meant = match (recall, open.as_slice()) {
        (Some(recall), _) if run.dossier.recalls.iter().filter(theirs).any(|r| r.transmission == recall) => recall,
        (Some(recall), _) => return run.refuse(Refused::Unknown(format!("{recall} is no recall of {partner}"))),
        (None, [one]) => *one,
        (None, []) => return run.refuse(Refused::Unknown(format!("{partner} was asked to take back nothing"))),
        (None, _) => return run.refuse(Refused::NotPossible("several recalls are open; the answer names none".into())),
    };
    if !open.contains(&meant) {
        return run.refuse(Refused::NotPossible(format!("{meant} was answered before or withdrawn")));
    }
    end(run, meant, answer, by);
    let detail = match answer {
        RecallAnswer::Recalled => "RECALLED",
        RecallAnswer::TooLate => "TOO LATE",
    };
    approve::tell(run, None, by.to_string(), Understood::RecallAnswered, detail.to_string());
}

/// A recall comes to its end with the partner.
fn end(run: &mut Run<'_, '_>, transmission: TransmissionId, answer: RecallAnswer, by: &str) {
    let now = run.now();
    let Dossier { recalls, order, .. } = &mut *run.dossier;
    let Some(recall) = recalls.iter_mut().find(|recall| recall.transmission == transmission) else { return };
    if answer == RecallAnswer::Recalled {
        for (number, quantity) in &recall.positions {
            if recall.taken.contains_key(number) {
                continue;
            }
            let position = order.as_mut().and_then(|order| order.position_mut(*number));
            let taken = position.map_or(Decimal::ZERO, |position| cancel(position, *quantity));
            recall.taken.insert(*number, taken);
        }
    }
    recall.state = match answer {
        RecallAnswer::Recalled => RecallState::Recalled,
        RecallAnswer::TooLate => RecallState::TooLate,
    };
    (recall.answered_at, recall.due) = (Some(now), None);
    let too_late = answer == RecallAnswer::TooLate;
    let (alarmed, id, partner) = (std::mem::take(&mut recall.alarmed), recall.response, recall.partner.clone());
    let positions: Vec<u32> = recall.positions.keys().copied().collect();
    run.confirm_transmission(Some(transmission));
    let what = match answer {
        RecallAnswer::Recalled => "recalled",
        RecallAnswer::TooLate => "too late to recall",
    };
    run.audit(by, what, id.to_string(), format!("{transmission}, positions {}", list(&positions)));
    if alarmed {
        run.out.alarms.push(AlarmChange::End { kind: AlarmKind::RecallUnanswered, subject: transmission.to_string() });
    }
    if too_late {
        remind_later(run, transmission, &partner);
        let message = format!(
            "{partner} delivers positions {} of order {}, declined with {id}",
            list(&positions),
            run.dossier.number
        );
        let (kind, subject) = (AlarmKind::RecallTooLate, transmission.to_string());
        run.out.alarms.push(AlarmChange::Raise {
            kind,
            subject,
            message,
            response: Some(id),
            transmission: Some(transmission),
        });
    }
    let decider = run.response(id).and_then(|r| r.approval.as_ref()).and_then(|a| a.decided_by.clone());
    if let Some(decider) = decider.filter(|decider| decider != by) {
        let words = match answer {
            RecallAnswer::Recalled => "RECALLED",
            RecallAnswer::TooLate => "TOO LATE",
        };
        approve::tell(run, Some(id), decider, Understood::RecallAnswered, format!("{partner}: {words}"));
    }
}

/// A response that cancels what we recalled *is* the recall's answer, never a new question.
pub fn answered_by_response(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    let partner = response.partner.clone();
    let is_open = |recall: &&Recall| recall.partner == partner && recall.state == RecallState::Open;
    if !run.dossier.recalls.iter().any(|recall| is_open(&recall)) {
        return;
    }
    let settings = run.settings(&partner);
    let Some(response) = run.response(id) else { return };
    let canceled = receive::cancels(run.dossier, response, &settings);
    let by = run.by.clone();
    let mut done = Vec::new();
    let mut answers = BTreeMap::new();
    let Dossier { recalls, order, .. } = &mut *run.dossier;
    for recall in recalls.iter_mut().filter(|recall| recall.partner == partner && recall.state == RecallState::Open) {
        for (number, quantity) in &recall.positions {
            let all = canceled.get(number).is_some_and(|canceled| canceled >= quantity);
            if !all || recall.taken.contains_key(number) {
                continue;
            }
            let position = order.as_mut().and_then(|order| order.position_mut(*number));
            let taken = position.map_or(Decimal::ZERO, |position| cancel(position, *quantity));
            recall.taken.insert(*number, taken);
            answers.insert(*number, recall.transmission);
        }
        if recall.positions.keys().all(|number| recall.taken.contains_key(number)) {
            done.push(recall.transmission);
        }
    }
    if let Some(response) = run.touch(id).filter(|_| !answers.is_empty()) {
        response.course.answers_recall = answers;
    }
    for recall in done {
        end(run, recall, RecallAnswer::Recalled, &by);
    }
}

/// A decline is taken back while its recall has not gone out. `false` = there is nothing to undo.
pub fn undo(run: &mut Run<'_, '_>, id: ResponseId, by: &str) -> bool {
    let now = run.now();
    let held = |recall: &Recall| {
        recall.response == id && recall.state == RecallState::Open && recall.held_until.is_some_and(|until| until > now)
    };
    let Some(recall) = run.dossier.recalls.iter_mut().find(|recall| held(recall)) else { return false };
    recall.state = RecallState::Canceled;
    (recall.answered_at, recall.due) = (Some(now), None);
    let (transmission, positions) = (recall.transmission, recall.positions.keys().copied().collect::<BTreeSet<u32>>());
    run.cancel_transmission(Some(transmission));
    run.audit(by, "decline undone", id.to_string(), format!("{transmission} is not sent"));
    bring_back(run, id, Answer::DeclineUndone, positions, false);
    true
}

/// After TOO LATE the channel accepts the deviations after all.
pub fn accept_after_too_late(run: &mut Run<'_, '_>, id: ResponseId) -> Result<(), String> {
    let too_late = |recall: &&Recall| recall.response == id && recall.state == RecallState::TooLate;
    let Some(recall) = run.dossier.recalls.iter().find(too_late) else {
        return Err(format!("no recall of {id} was answered TOO LATE"));
    };
    let (transmission, positions) = (recall.transmission, recall.positions.keys().copied().collect::<BTreeSet<u32>>());
    let accepted = |r: &Response| r.copied_from == Some(id) && r.approved && r.course.only.as_ref() == Some(&positions);
    if run.dossier.responses.values().any(accepted) {
        return Err(format!("{id} was accepted after all before"));
    }
    if !bring_back(run, id, Answer::AcceptedAfterAll, positions, true) {
        return Err(format!("{id} was not declined"));
    }
    settled(run, &transmission.to_string());
    run.out.alarms.push(AlarmChange::End { kind: AlarmKind::RecallTooLate, subject: transmission.to_string() });
    Ok(())
}

/// RECALL_TOO_LATE stands until the deviations are accepted after all or a person closes it.
fn remind_later(run: &mut Run<'_, '_>, transmission: TransmissionId, partner: &PartnerId) {
    let settings = run.settings(partner);
    let due = wait::later(settings.alarm_reminder, run.now(), &settings);
    if let Some(recall) = run.dossier.recalls.iter_mut().find(|recall| recall.transmission == transmission) {
        recall.due = due;
        run.out.changed = true;
    }
}

/// What was too late to recall is settled: nobody is reminded of it any more.
pub fn settled(run: &mut Run<'_, '_>, subject: &str) {
    let too_late = |recall: &&mut Recall| {
        recall.state == RecallState::TooLate && recall.due.is_some() && recall.transmission.to_string() == subject
    };
    if let Some(recall) = run.dossier.recalls.iter_mut().find(too_late) {
        recall.due = None;
        run.out.changed = true;
    }
}

/// What was declined is looked at again: the failed response itself, or, when the rest of it went on, a
/// new one for the lines that were taken out.
fn bring_back(run: &mut Run<'_, '_>, id: ResponseId, answer: Answer, positions: BTreeSet<u32>, approved: bool) -> bool {
    if run.response(id).is_some_and(is_declined) {
        return run.walk_owing(id, answer, None, Vec::new(), |response| {
            response.approved = approved;
            response.failed_because = None;
            if let Some(approval) = &mut response.approval {
                approval.decided_by = None;
                approval.whole = false;
                approval.lines.values_mut().for_each(|line| *line = LineDecision::Open);
            }
        });
    }
    let went_on = run.response(id).is_some_and(|response| response.status != Status::Failed);
    went_on && receive::make_from(run, id, positions, approved).is_some()
}

/// FAILED because the channel declined it.
pub fn is_declined(response: &Response) -> bool {
    response.status == Status::Failed
        && response.history.last().is_some_and(|step| step.answer == Answer::Declined.name())
}

/// Goods that left cannot be recalled (KB 306C45).
pub fn dispatched(run: &mut Run<'_, '_>, positions: &BTreeMap<u32, Decimal>) {
    let now = run.now();
    let mut over = Vec::new();
    for recall in run.dossier.recalls.iter_mut().filter(|recall| recall.state == RecallState::Open) {
        let before = recall.positions.len();
        recall.positions.retain(|number, _| !positions.contains_key(number));
        if recall.positions.is_empty() {
            recall.state = RecallState::Canceled;
            (recall.answered_at, recall.due) = (Some(now), None);
            over.push((recall.transmission, std::mem::take(&mut recall.alarmed)));
        } else if recall.positions.len() < before && recall.positions.keys().all(|n| recall.taken.contains_key(n)) {
            // What is left of it was taken back before.
            recall.state = RecallState::Recalled;
            (recall.answered_at, recall.due) = (Some(now), None);
            over.push((recall.transmission, std::mem::take(&mut recall.alarmed)));
        }
    }
    for (transmission, alarmed) in over {
        run.out.changed = true;
        run.cancel_transmission(Some(transmission));
        if alarmed {
            run.out
                .alarms
                .push(AlarmChange::End { kind: AlarmKind::RecallUnanswered, subject: transmission.to_string() });
        }
    }
}

/// Recalls that the partner does not answer: reminders, then an alarm.
pub fn overdue(run: &mut Run<'_, '_>) {
    let now = run.now();
    let is_due = |recall: &&Recall| recall.due.is_some_and(|due| due <= now);
    let unsettled = |recall: &&Recall| recall.state == RecallState::TooLate && is_due(recall);
    let unsettled: Vec<(TransmissionId, PartnerId)> =
        run.dossier.recalls.iter().filter(unsettled).map(|r| (r.transmission, r.partner.clone())).collect();
    for (transmission, partner) in unsettled {
        let subject = transmission.to_string();
        run.out.alarms.push(AlarmChange::Remind { kind: AlarmKind::RecallTooLate, subject });
        remind_later(run, transmission, &partner);
    }
    let due = |recall: &&Recall| recall.state == RecallState::Open && is_due(recall);
    let late: Vec<(TransmissionId, PartnerId)> =
        run.dossier.recalls.iter().filter(due).map(|r| (r.transmission, r.partner.clone())).collect();
    for (transmission, partner) in late {
        let settings = run.settings(&partner);
        let Some(recall) = run.dossier.recalls.iter_mut().find(|r| r.transmission == transmission) else { continue };
        run.out.changed = true;
        if recall.reminders < settings.recall_reminders {
            recall.reminders += 1;
            recall.due = wait::later(settings.recall_reminder, now, &settings);
            let about = About::Reminder {
                of: transmission,
                of_kind: TransmissionKind::SendOrderRecall,
                count: recall.reminders,
            };
            let response = Some(recall.response);
            let owed = run.owed(TransmissionKind::Reminder, Recipient::Partner(partner), response, about);
            run.courtesy(owed);
        } else {
            recall.due = wait::later(settings.alarm_reminder, now, &settings);
            unanswered(run, transmission, "does not answer the recall");
        }
    }
}

/// The alarm of a recall that nobody answers or that could not be delivered; told again when it stands.
pub fn unanswered(run: &mut Run<'_, '_>, transmission: TransmissionId, why: &str) {
    let number = run.dossier.number.clone();
    let Some(recall) = run.dossier.recalls.iter_mut().find(|r| r.transmission == transmission) else { return };
    let (kind, subject) = (AlarmKind::RecallUnanswered, transmission.to_string());
    let change = if std::mem::replace(&mut recall.alarmed, true) {
        AlarmChange::Remind { kind, subject }
    } else {
        let message = format!("{} {why} {transmission} to order {number}", recall.partner);
        AlarmChange::Raise { kind, subject, message, response: Some(recall.response), transmission: Some(transmission) }
    };
    run.out.changed = true;
    run.out.alarms.push(change);
}
