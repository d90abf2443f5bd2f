//! C1: a message is stored as a response, takes the place of the older one it makes pointless, and answers
//! the recall it is the answer to. It must never judge what the message says.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::input::{Received, Refused};
use super::prepare::{head_state, prepare};
use super::run::{RESPONSES_MAX, Run};
use super::said::{SaidLine, Target, resolve, said_lines};
use super::table::Answer;
use super::{approve, recall, turn, validate};
use crate::model::{
    Dossier, Fault, FaultCode, Field, HeadState, Line, Message, MessageKind, Response, ResponseId, Said, Settings,
    Status, Value,
};

/// More lines than any real response has.
const LINES_MAX: usize = 10_000;

pub fn receive(run: &mut Run<'_, '_>, received: Received) {
    let mut received = received;
    super::merge::as_counted_here(run, &mut received);
    let Received { partner, message, mail, arrived_at, answers, faults, held } = received;
    run.by = mail.map_or_else(|| format!("partner {partner}"), |mail| format!("mail {mail}"));
    if message.kind != MessageKind::Response {
        return run.refuse(Refused::NotPossible("the message is no order response".into()));
    }
    if run.dossier.responses.len() >= RESPONSES_MAX || message.lines.len() > LINES_MAX {
        let what = format!(
            "order {} has {RESPONSES_MAX} responses, or the message more than {LINES_MAX} lines",
            run.dossier.number
        );
        return run.refuse(Refused::TooMuch(what));
    }
    if faults.is_empty()
        && let Some(same) = says_the_same(run.dossier, &partner, &message)
    {
        return run.refuse(Refused::Duplicate(same));
    }
    let id = run.world.numbers.response();
    let mut response = Response::new(id, run.dossier.number.clone(), partner, message, arrived_at);
    response.mail = mail;
    response.course.type_fixed = response.message.response_type.is_some();
    response.course.read_faults = faults;
    response.course.turn = Some(turn::turn(&response));
    response.response_type = turn::response_type(run.dossier, &response);
    let waits = held.is_some();
    response.course.held = held;
    run.begin(response);
    // What is perhaps read wrongly takes nobody's place and answers nothing.
    if !waits {
        supersede(run, id, answers);
        recall::answered_by_response(run, id);
    }
}

/// What was held is believed from now on.
pub fn take_up(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.touch(id) else { return };
    response.course.held = None;
    if response.status.is_end() {
        return;
    }
    supersede(run, id, None);
    recall::answered_by_response(run, id);
}

/// The partner's latest response says exactly this and still stands.
fn says_the_same(dossier: &Dossier, partner: &crate::model::PartnerId, message: &Message) -> Option<ResponseId> {
    let latest = dossier.responses.values().filter(|r| r.partner == *partner).max_by_key(|r| (r.arrived_at, r.id))?;
    let revision = dossier.order.as_ref().map_or(0, |order| order.revision);
    let stands = !matches!(latest.status, Status::Failed | Status::CopiedForManualEdit)
        && (revision == latest.course.order_revision || !latest.status.is_end());
    let read = latest.course.read_faults.is_empty() && (message.state().is_some() || !message.lines.is_empty());
    (stands && read && latest.message.says_the_same(message)).then_some(latest.id)
}

/// What a response speaks of, to be compared with another one of the partner.
struct Reach {
    all: bool,
    keys: BTreeSet<String>,
}

impl Reach {
    fn of(dossier: &Dossier, response: &Response, settings: &Settings) -> Reach {
        let bare = said_lines(response).next().is_none()
            && matches!(head_state(response), Some(HeadState::Accepted | HeadState::Canceled));
        let key = |line: SaidLine<'_>| keys(dossier, response, &line, settings);
        Reach { all: bare, keys: said_lines(response).flat_map(key).collect() }
    }

    fn covers(&self, older: &Reach) -> bool {
        self.all || (!self.keys.is_empty() && !older.all && older.keys.is_subset(&self.keys))
    }
}

/// The positions a line means, or its own words while the order does not tell.
fn keys(dossier: &Dossier, response: &Response, line: &SaidLine<'_>, settings: &Settings) -> Vec<String> {
    let target = dossier.order.as_ref().map(|order| resolve(line, order, response, settings));
    match target {
        Some(Target::Position(position) | Target::ByProduct(position)) => vec![position.to_string()],
        Some(Target::Merged(positions)) => positions.iter().map(u32::to_string).collect(),
        Some(Target::Nowhere(_) | Target::Ambiguous(_) | Target::Conflict(_)) => Vec::new(),
        None => vec![line.key()],
    }
}

/// A newer response takes type and place of the older one that it answers for or covers.
pub fn supersede(run: &mut Run<'_, '_>, id: ResponseId, answers: Option<ResponseId>) {
    let Some(newer) = run.response(id) else { return };
    if head_state(newer) == Some(HeadState::Received) {
        return;
    }
    let partner = newer.partner.clone();
    let settings = run.settings(&partner);
    let Some(newer) = run.response(id) else { return };
    let reach = Reach::of(run.dossier, newer, &settings);
    let says_something = reach.all || !reach.keys.is_empty();
    let others = || run.dossier.responses.values().filter(|r| r.partner == partner && r.id != id);
    let stuck = |r: &Response| {
        matches!(r.status, Status::NotChecked | Status::InExternalProcessing | Status::NotCheckedDoApprove)
    };
    // Words that name no line answer our request, too: behind it nobody would see them. What approvers look at and what
    // was not asked for stands in spite of them.
    let answers_all = |r: &Response| {
        says_something || r.status == Status::InExternalProcessing || (stuck(r) && r.course.unread_answers > 0)
    };
    let answered = answers.map(|asked| asked_last(run.dossier, asked));
    let answered = answered.filter(|answered| others().any(|r| r.id == *answered && stuck(r) && answers_all(r)));
    let is_newer = |r: &Response| turn::turn(r) < turn::turn(newer) || Some(r.id) == answered;
    let covered = |r: &Response| is_newer(r) && reach.covers(&Reach::of(run.dossier, r, &settings));
    let mut gone: Vec<ResponseId> =
        others().filter(|r| stuck(r) && (Some(r.id) == answered || covered(r))).map(|r| r.id).collect();
    if gone.is_empty() {
        return;
    }
    // What waited behind them and is said anew is pointless too.
    gone.extend(others().filter(|r| r.status == Status::WaitPending && covered(r)).map(|r| r.id));
    let first = others().filter(|r| gone.contains(&r.id)).min_by_key(|r| turn::place(run.dossier, r));
    let inherited = first.map(|first| turn::place(run.dossier, first));
    let taken = answered.map(|answered| lines_not_named(run.dossier, answered, &reach, &settings)).unwrap_or_default();
    let unread = answered.and_then(|answered| run.response(answered)).filter(|_| !says_something);
    let unread = unread.map(|older| (older.course.unread_answers.saturating_add(1), faults_of_head(older)));
    if let Some(newer) = run.touch(id) {
        if let Some((response_type, turn)) = inherited {
            newer.response_type = response_type;
            newer.course.type_fixed = true;
            newer.course.turn = Some(turn);
        }
        newer.course.supersedes.clone_from(&gone);
        let (lines, faults) = taken;
        let own = newer.message.lines.len();
        newer.course.taken_over = lines;
        newer
            .course
            .read_faults
            .extend(faults.into_iter().map(|(line, fault)| Fault { line: Some(own + line), ..fault }));
        if let Some((count, faults)) = unread {
            newer.course.unread_answers = count;
            unreadable(&mut newer.course.read_faults, faults);
        }
    }
    for older in gone {
        let note = format!("by {id}");
        let reason = format!("{partner} sent a newer response");
        approve::retire(run, older, Answer::Superseded, Some(note), &reason, true, |response| {
            response.failed_because = Some(format!("superseded by {id}"));
            response.superseded_by = Some(id);
        });
    }
}

/// The response that stands for the one that was asked about: answers that said nothing took its place.
fn asked_last(dossier: &Dossier, asked: ResponseId) -> ResponseId {
    let mut last = asked;
    for _ in 0..dossier.responses.len() {
        let by = dossier.responses.get(&last).and_then(|response| response.superseded_by);
        match by.filter(|by| dossier.responses.get(by).is_some_and(|newer| newer.course.unread_answers > 0)) {
            Some(by) => last = by,
            None => break,
        }
    }
    last
}

/// What was wrong with the head, to be told once more; what is found anew by itself is not among it.
fn faults_of_head(older: &Response) -> Vec<Fault> {
    let read = older.course.read_faults.iter().filter(|fault| fault.line.is_none());
    let currency = older.faults.iter().filter(|fault| fault.code == FaultCode::WrongCurrency);
    read.chain(currency).cloned().collect()
}

/// An answer that said nothing is never sound, whatever was taken over for it. That it lacks a head is no fault of
/// words: what they answer is known.
fn unreadable(own: &mut Vec<Fault>, before: Vec<Fault>) {
    let lacks = |fault: &Fault| fault.line.is_none() && fault.read.is_none() && fault.code != FaultCode::Unreadable;
    own.retain(|fault| !lacks(fault));
    if !own.iter().any(|fault| fault.code == FaultCode::Unreadable) {
        let message = "it says of no line what is confirmed, and not of all either";
        own.push(validate::bare(FaultCode::Unreadable, message.into()));
    }
    for fault in before {
        if !own.iter().any(|known| (known.code, known.field, known.line) == (fault.code, fault.field, None)) {
            own.push(fault);
        }
    }
}

type TakenOver = (Vec<BTreeMap<Field, Said>>, Vec<(usize, Fault)>);

/// The older response's lines that an answer in part leaves as they were, marked so; and what could not be
/// read of them.
fn lines_not_named(dossier: &Dossier, older: ResponseId, reach: &Reach, settings: &Settings) -> TakenOver {
    let (mut lines, mut faults) = (Vec::new(), Vec::new());
    let Some(older) = dossier.responses.get(&older).filter(|_| !reach.all) else { return (lines, faults) };
    let names_some = !reach.keys.is_empty();
    let date = older.message.fields.get(&Field::DeliveryDate);
    let all = older.message.lines.iter().chain(&older.course.taken_over);
    for (said, values) in said_lines(older).zip(all) {
        let keys = keys(dossier, older, &said, settings);
        if names_some && (keys.is_empty() || keys.iter().any(|key| reach.keys.contains(key))) {
            continue;
        }
        let mark = |said: &Said| Said { filled: Some(older.id.to_string()), ..said.clone() };
        let mut line: BTreeMap<Field, Said> = values.iter().map(|(field, said)| (*field, mark(said))).collect();
        if let Some(date) = date.filter(|_| !line.contains_key(&Field::ConfirmedDate)) {
            line.insert(Field::ConfirmedDate, mark(date));
        }
        let unread = older.course.read_faults.iter().filter(|fault| fault.line == Some(said.index));
        faults.extend(unread.map(|fault| (lines.len(), fault.clone())));
        lines.push(line);
    }
    (lines, faults)
}

/// The canceled amounts of lines that cancel a position altogether.
pub fn cancels(dossier: &Dossier, response: &Response, settings: &Settings) -> BTreeMap<u32, Decimal> {
    let Some(order) = &dossier.order else { return BTreeMap::new() };
    let whole = |line: &Line| {
        line.ignored.is_none() && line.quantity_confirmed.is_zero() && line.quantity_backordered.is_zero()
    };
    let prepared = prepare(order, response, settings);
    let lines = prepared.lines.iter().filter(|line| whole(line) && line.quantity_canceled > Decimal::ZERO);
    lines.filter_map(|line| Some((line.position?, line.quantity_canceled))).collect()
}

/// A response made in the house for some positions of an older one (what was declined in part comes back).
pub fn make_from(run: &mut Run<'_, '_>, from: ResponseId, only: BTreeSet<u32>, approved: bool) -> Option<ResponseId> {
    let id = run.world.numbers.response();
    let from = run.response(from)?;
    let mut response = Response::new(id, from.order.clone(), from.partner.clone(), from.message.clone(), run.world.now);
    response.mail = from.mail;
    response.copied_from = Some(from.id);
    response.response_type = crate::model::ResponseType::Continuous;
    response.approved = approved;
    response.course.type_fixed = true;
    response.course.only = Some(only);
    response.course.taken_over.clone_from(&from.course.taken_over);
    response.course.edits.clone_from(&from.course.edits);
    response.course.turn = Some(turn::turn(&response));
    run.begin(response);
    Some(id)
}

/// Whether a person's value can be read for this field.
pub fn read_value(field: Field, text: &str) -> Result<Value, String> {
    Value::parse(field.field_type(), text)
}
