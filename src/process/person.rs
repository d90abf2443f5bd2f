//! What people do in shell and console; what cannot be done is refused with the reason. Every action lands
//! in the audit log. It must never know who may do what: whoever calls has checked that.

use super::approve::{ask_again, retire};
use super::input::{Person, PersonAction, Refused, Reread};
use super::prepare::can_set;
use super::run::Run;
use super::said::said_lines;
use super::table::{Answer, row_of};
use super::{recall, receive, turn};
use crate::model::{
    Course, Edit, EditTarget, Field, OrderNumber, Override, Response, ResponseId, ResponseType, Status,
};

/// More values than a person sets at once.
const EDITS_MAX: usize = 1_000;

pub fn act(run: &mut Run<'_, '_>, person: Person) {
    let Person { by, reason, response, action } = person;
    run.by.clone_from(&by);
    let what = name(&action);
    let done = match (&action, response) {
        (PersonAction::Merge { with }, None) => merge(run, with),
        (PersonAction::MergeInto { into }, None) => super::merge::go_into(run, into, &by),
        (PersonAction::ReleaseMerge, None) => release_merge(run),
        (PersonAction::Merge { .. } | PersonAction::MergeInto { .. } | PersonAction::ReleaseMerge, Some(_)) => {
            Err("orders are merged, not responses".into())
        }
        (_, None) => Err(format!("{what} needs a response")),
        (_, Some(id)) if run.response(id).is_none() => {
            return run.refuse(Refused::Unknown(format!("order {} has no response {id}", run.dossier.number)));
        }
        (_, Some(id)) => one(run, id, action, &by, &reason),
    };
    match done {
        Ok(()) => {
            let on = response.map_or_else(|| format!("order {}", run.dossier.number), |id| id.to_string());
            run.audit(&by, what, on, reason);
        }
        Err(why) => run.refuse(Refused::NotPossible(why)),
    }
}

fn name(action: &PersonAction) -> &'static str {
    match action {
        PersonAction::Correct(None) => "rechecked",
        PersonAction::Correct(Some(_)) => "read again",
        PersonAction::Edit(_) => "edited",
        PersonAction::Force => "forced",
        PersonAction::Fail => "given up",
        PersonAction::Release => "released",
        PersonAction::Promote => "promoted",
        PersonAction::AskAgain => "asked again",
        PersonAction::ErrorsHandled => "errors handled",
        PersonAction::SetToAnnounce => "set to DO_ANNOUNCE",
        PersonAction::UndoDecline => "undo decline",
        PersonAction::AcceptAfterTooLate => "accepted after all",
        PersonAction::Merge { .. } | PersonAction::MergeInto { .. } => "orders merged",
        PersonAction::ReleaseMerge => "merge released",
    }
}

fn one(run: &mut Run<'_, '_>, id: ResponseId, action: PersonAction, by: &str, reason: &str) -> Result<(), String> {
    let note = (!reason.trim().is_empty()).then(|| reason.to_string());
    let Some(status) = run.status(id) else { return Err(format!("there is no response {id}")) };
    match action {
        PersonAction::Correct(reread) => correct(run, id, status, reread, note),
        PersonAction::Edit(sets) => edit(run, id, status, sets, by, note),
        PersonAction::Force => {
            let Some(reason) = note else { return Err("forcing needs a reason".into()) };
            let forced = Override { by: by.to_string(), reason: reason.clone(), at: run.now() };
            let change = |response: &mut Response| response.forced = Some(forced);
            walked(retire(run, id, Answer::Forced, Some(reason), "", false, change), id, status, "forced")
        }
        PersonAction::Fail => fail(run, id, status, note, reason),
        PersonAction::Release if status == Status::WaitMerge => {
            release_one(run, id).then_some(()).ok_or_else(|| format!("{id} cannot be released"))
        }
        PersonAction::Release if run.response(id).is_some_and(|r| r.course.held.is_some()) => {
            receive::take_up(run, id);
            Ok(())
        }
        PersonAction::Release => {
            let change = |response: &mut Response| response.course.released = true;
            walked(run.walk_owing(id, Answer::TurnCame, note, Vec::new(), change), id, status, "released")
        }
        PersonAction::Promote => {
            let change = |response: &mut Response| {
                response.response_type = ResponseType::Initial;
                (response.course.type_fixed, response.course.released) = (true, true);
            };
            walked(run.walk_owing(id, Answer::TurnCame, note, Vec::new(), change), id, status, "promoted")
        }
        PersonAction::AskAgain => ask_again(run, id),
        PersonAction::ErrorsHandled => walked(run.walk(id, Answer::ErrorsHandled, note), id, status, "announced again"),
        PersonAction::SetToAnnounce => {
            let handled_badly = run
                .response(id)
                .and_then(|r| r.history.last())
                .is_some_and(|step| step.answer == Answer::HandlingFailed.name());
            if !handled_badly {
                return Err(format!("{id} stands in {status} and did not come there from NOT_ANNOUNCED"));
            }
            let change = |response: &mut Response| response.failed_because = None;
            walked(run.walk_owing(id, Answer::SetToAnnounce, note, Vec::new(), change), id, status, "announced")
        }
        PersonAction::UndoDecline => {
            let undone = recall::undo(run, id, by);
            undone.then_some(()).ok_or_else(|| format!("there is no decline of {id} that can still be undone"))
        }
        PersonAction::AcceptAfterTooLate => recall::accept_after_too_late(run, id),
        PersonAction::Merge { .. } | PersonAction::MergeInto { .. } | PersonAction::ReleaseMerge => {
            Err("orders are merged, not responses".into())
        }
    }
}

fn walked(done: bool, id: ResponseId, status: Status, what: &str) -> Result<(), String> {
    if done { Ok(()) } else { Err(format!("{id} stands in {status} and cannot be {what}")) }
}

/// C11; and a step that failed is tried again at once.
fn correct(
    run: &mut Run<'_, '_>,
    id: ResponseId,
    status: Status,
    reread: Option<Box<Reread>>,
    note: Option<String>,
) -> Result<(), String> {
    let now = run.now();
    if run.response(id).is_some_and(|response| response.error.is_some()) && reread.is_none() {
        if let Some(response) = run.touch(id) {
            response.due = Some(now);
        }
        return Ok(());
    }
    let reread = reread.map(|mut reread| {
        super::merge::translate(run.dossier.order.as_ref(), &mut reread.message);
        reread
    });
    let change = |response: &mut Response| {
        if let Some(reread) = reread {
            response.message = reread.message;
            response.course.read_faults = reread.faults;
        }
    };
    walked(retire(run, id, Answer::Corrected, note, "", false, change), id, status, "checked again")
}

fn fail(
    run: &mut Run<'_, '_>,
    id: ResponseId,
    status: Status,
    note: Option<String>,
    reason: &str,
) -> Result<(), String> {
    let answer = if status == Status::NotAnnounced { Answer::HandlingFailed } else { Answer::GivenUp };
    let because = if reason.trim().is_empty() { "given up".to_string() } else { format!("given up: {reason}") };
    let change = |response: &mut Response| response.failed_because = Some(because);
    walked(retire(run, id, answer, note, "the response was given up", false, change), id, status, "given up")
}

/// The received original is kept; a copy with the person's values goes on.
fn edit(
    run: &mut Run<'_, '_>,
    id: ResponseId,
    status: Status,
    sets: Vec<(EditTarget, Field, String)>,
    by: &str,
    note: Option<String>,
) -> Result<(), String> {
    if row_of(Some(status), Answer::Edited).is_none() {
        return Err(format!("{id} stands in {status}: values can be set before CHECKED only"));
    }
    let Some(original) = run.response(id) else { return Err(format!("there is no response {id}")) };
    if sets.is_empty() || sets.len() > EDITS_MAX {
        return Err(format!("1 to {EDITS_MAX} values can be set at once, not {}", sets.len()));
    }
    let lines = said_lines(original).count();
    let mut edits = Vec::with_capacity(sets.len());
    for (target, field, text) in sets {
        let value = receive::read_value(field, &text).map_err(|error| format!("{}: {error}", field.name()))?;
        let known = match target {
            EditTarget::Head => matches!(field, Field::State | Field::EntryDate | Field::Currency),
            EditTarget::Line(line) => line < lines,
            EditTarget::Position(position) => {
                let answered = original.lines.iter().any(|line| line.position == Some(position));
                let ordered = run.dossier.order.as_ref().and_then(|order| order.position(position));
                let theirs = ordered.map_or(answered, |ordered| ordered.partner == original.partner);
                if !theirs {
                    return Err(format!("order {} has no position {position} of {}", original.order, original.partner));
                }
                can_set(field)
            }
        };
        if !known {
            return Err(format!("{} cannot be set there", field.name()));
        }
        if value.as_number().is_some_and(|n| n.is_sign_negative() || n > super::said::NUMBER_MAX) {
            return Err(format!("{}: {text} is no number of a real order", field.name()));
        }
        edits.push(Edit { target, field, value, by: by.to_string() });
    }
    let copy = run.world.numbers.response();
    let Some(original) = run.response(id).cloned() else { return Err(format!("there is no response {id}")) };
    let turn = turn::turn(&original);
    let because = format!("edited as {copy}");
    retire(run, id, Answer::Edited, Some(because.clone()), "its values were edited", false, |response| {
        response.copied_to = Some(copy);
    });
    let mut course =
        Course { turn: Some(turn), order_revision: 0, retries: 0, alarms: Default::default(), ..original.course };
    course.edits.extend(edits);
    let fresh = Response::new(copy, original.order, original.partner, original.message, original.arrived_at);
    let copied = Response {
        response_type: original.response_type,
        status: Status::CopiedForManualEdit,
        mail: original.mail,
        lines: original.lines,
        copied_from: Some(id),
        course,
        ..fresh
    };
    run.dossier.responses.insert(copy, copied);
    run.walk(copy, Answer::CopyGoesOn, note);
    Ok(())
}

/// Everything open waits until the merge is released.
fn merge(run: &mut Run<'_, '_>, with: &OrderNumber) -> Result<(), String> {
    if *with == run.dossier.number {
        return Err("an order cannot be merged with itself".into());
    }
    if super::merge::park(run, with) == 0 {
        return Err(format!("order {} has no open response that could wait", run.dossier.number));
    }
    Ok(())
}

fn release_merge(run: &mut Run<'_, '_>) -> Result<(), String> {
    let waiting = |r: &&Response| r.status == Status::WaitMerge;
    let waiting: Vec<ResponseId> = run.dossier.responses.values().filter(waiting).map(|r| r.id).collect();
    let released: Vec<ResponseId> = waiting.into_iter().filter(|id| back(run, *id)).collect();
    // What came meanwhile may answer what stood in question.
    let newer = |r: &&Response| r.status == Status::WaitPending && r.course.held.is_none();
    let newer: Vec<ResponseId> = run.dossier.responses.values().filter(newer).map(|r| r.id).collect();
    for id in newer {
        receive::supersede(run, id, None);
    }
    for id in &released {
        recheck(run, *id);
    }
    if released.is_empty() { Err(format!("nothing of order {} waits for merging", run.dossier.number)) } else { Ok(()) }
}

fn release_one(run: &mut Run<'_, '_>, id: ResponseId) -> bool {
    back(run, id) && {
        recheck(run, id);
        true
    }
}

/// Back to where it stood.
fn back(run: &mut Run<'_, '_>, id: ResponseId) -> bool {
    let left = run.response(id).and_then(|response| response.waits_for.as_ref()).and_then(|wait| wait.left);
    left.is_some_and(|left| run.walk(id, Answer::ReleasedTo(left), None))
}

/// When the order changed meanwhile, or it came from another order, it is checked again.
fn recheck(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    let checked = response.course.order_revision;
    let came = checked == 0 && response.copied_from.is_some_and(|from| !run.dossier.responses.contains_key(&from));
    let revision = run.dossier.order.as_ref().map_or(0, |order| order.revision);
    if response.status.is_before_checked() && (came || checked != 0 && checked != revision) {
        retire(run, id, Answer::OrderChanged, None, "the order was changed", false, |response| {
            response.approved = false
        });
    }
}
