//! One input's way through the table: walking rows, owing what they owe, and running every response to
//! rest. `walk` is the only place where a response's status moves.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::input::{AlarmChange, Outcome, Refused, World};
use super::table::{Answer, Question, row_of};
use super::{announce, approve, examine, finish, turn, wait};
use crate::model::{
    About, AlarmKind, AuditEntry, ChannelId, Dossier, Owed, PartnerId, Recipient, Response, ResponseId, Settings,
    Status, Step, Timestamp, TransmissionId, TransmissionKind, Unwritten,
};

pub struct Run<'a, 'w> {
    pub dossier: &'a mut Dossier,
    pub world: &'a mut World<'w>,
    /// Who or what caused all this: `mail M5`, `anna@shop.example`, `timer`.
    pub by: String,
    pub out: Outcome,
    settings: BTreeMap<PartnerId, Rc<Settings>>,
    /// Tried in this run without getting on.
    stuck: BTreeSet<ResponseId>,
    /// Rows that may still be walked; the table cannot lead in circles, and this makes sure of it.
    rows_left: usize,
}

/// A dossier with more responses than this is no order any more.
pub const RESPONSES_MAX: usize = 1_000;
const ROWS_PER_RESPONSE: usize = 40;

impl<'a, 'w> Run<'a, 'w> {
    pub fn new(dossier: &'a mut Dossier, world: &'a mut World<'w>) -> Run<'a, 'w> {
        let rows_left = (dossier.responses.len() + 2) * ROWS_PER_RESPONSE;
        Run {
            dossier,
            world,
            by: String::new(),
            out: Outcome::default(),
            settings: BTreeMap::new(),
            stuck: BTreeSet::new(),
            rows_left,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.world.now
    }

    pub fn channel(&self) -> ChannelId {
        self.dossier.order.as_ref().map(|order| order.channel.clone()).unwrap_or_default()
    }

    pub fn settings(&mut self, partner: &PartnerId) -> Rc<Settings> {
        if let Some(known) = self.settings.get(partner) {
            return Rc::clone(known);
        }
        let settings = Rc::new(self.world.policies.settings(&self.channel(), partner));
        self.settings.insert(partner.clone(), Rc::clone(&settings));
        settings
    }

    /// The order's channel may have changed.
    pub fn forget_settings(&mut self) {
        self.settings.clear();
    }

    pub fn refuse(&mut self, why: Refused) {
        if self.out.refused.is_none() {
            self.out.refused = Some(why);
        }
    }

    pub fn response(&self, id: ResponseId) -> Option<&Response> {
        self.dossier.responses.get(&id)
    }

    pub fn status(&self, id: ResponseId) -> Option<Status> {
        self.response(id).map(|response| response.status)
    }

    /// Changes something else than the status.
    pub fn touch(&mut self, id: ResponseId) -> Option<&mut Response> {
        self.out.changed = true;
        self.out.touched.insert(id);
        self.dossier.responses.get_mut(&id)
    }

    pub fn audit(&mut self, who: &str, what: &str, on: String, detail: impl Into<String>) {
        self.out.changed = true;
        self.out.audit.push(AuditEntry {
            number: 0,
            at: self.world.now,
            who: who.to_string(),
            what: what.to_string(),
            on,
            detail: detail.into(),
            chain: None,
        });
    }

    /// C1: a new response begins.
    pub fn begin(&mut self, mut response: Response) {
        let Some(row) = row_of(None, Answer::MessageStored) else { return };
        let step = self.step_of(row.step, None, row.answer, row.to, None);
        response.status = row.to;
        response.history.push(step.clone());
        self.out.rows.push((response.id, step));
        self.out.touched.insert(response.id);
        self.out.changed = true;
        self.rows_left = self.rows_left.saturating_add(ROWS_PER_RESPONSE);
        self.dossier.responses.insert(response.id, response);
    }

    fn step_of(&self, step: &str, from: Option<Status>, answer: Answer, to: Status, note: Option<String>) -> Step {
        Step {
            step: step.to_string(),
            from,
            answer: answer.name().to_string(),
            to,
            at: self.world.now,
            by: self.by.clone(),
            note,
        }
    }

    /// Walks the row of this answer. `false` = it stays where it is: there is no such row, or what the
    /// row owes could not be written, in which case the error is kept and it is tried again.
    pub fn walk(&mut self, id: ResponseId, answer: Answer, note: Option<String>) -> bool {
        self.walk_owing(id, answer, note, Vec::new(), |_| {})
    }

    /// Same, with what the row owes and what changes in the response with it.
    pub fn walk_owing(
        &mut self,
        id: ResponseId,
        answer: Answer,
        note: Option<String>,
        owed: Vec<Owed>,
        change: impl FnOnce(&mut Response),
    ) -> bool {
        let Some(from) = self.status(id) else { return false };
        let Some(row) = row_of(Some(from), answer) else { return false };
        let missing = row.owes.iter().find(|kind| !is_courtesy(**kind) && !owed.iter().any(|o| o.kind == **kind));
        let beside = owed.iter().find(|owed| !row.owes.contains(&owed.kind)).map(|owed| owed.kind);
        if missing.is_some() || beside.is_some() || self.rows_left == 0 {
            self.fail(id, format!("{from}, {}: the row and what is owed do not agree", answer.name()));
            return false;
        }
        self.rows_left -= 1;
        let (essential, courtesies): (Vec<_>, Vec<_>) = owed.into_iter().partition(|owed| !is_courtesy(owed.kind));
        let step = self.step_of(row.step, Some(from), answer, row.to, note);
        let partner = self.response(id).map(|response| response.partner.clone()).unwrap_or_default();
        let settings = self.settings(&partner);
        let now = self.now();
        let Some(response) = self.touch(id) else { return false };
        let before = (!essential.is_empty()).then(|| response.clone());
        if row.to != from {
            (response.reminders, response.waits_for) = (0, None);
        }
        (response.error, response.course.retries) = (None, 0);
        change(response);
        response.status = row.to;
        response.history.push(step.clone());
        if row.to != from {
            response.due = wait::due_on_entry(response, &settings, now);
        }
        for owed in &essential {
            if let Err(error) = self.world.writer.write(owed, self.dossier) {
                if let Some(before) = before {
                    self.dossier.responses.insert(id, before);
                }
                self.fail(id, format!("{}: {error}", owed.kind));
                return false;
            }
        }
        self.out.rows.push((id, step));
        self.alarms_of_row(id, from != row.to, row.alarm);
        for owed in courtesies {
            self.courtesy(owed);
        }
        true
    }

    /// Leaving a status ends its alarms; a row may start one.
    fn alarms_of_row(&mut self, id: ResponseId, moved: bool, starts: Option<AlarmKind>) {
        let Some(response) = self.dossier.responses.get_mut(&id) else { return };
        let over = |kind: &AlarmKind| Some(*kind) != starts && (moved || *kind == AlarmKind::StepFailed);
        let ended: Vec<AlarmKind> = response.course.alarms.iter().copied().filter(over).collect();
        for kind in ended {
            self.alarm_over(id, kind);
        }
        if let Some(kind) = starts {
            let message = self.response(id).map(|response| alarm_words(kind, response)).unwrap_or_default();
            self.raise(id, kind, message);
        }
    }

    /// A step that cannot be done: it stays where it is, is shown, and is tried again.
    pub fn fail(&mut self, id: ResponseId, error: String) {
        let now = self.now();
        let message = format!("{id}: {error}");
        let Some(response) = self.touch(id) else { return };
        response.course.retries = response.course.retries.saturating_add(1);
        response.due = Some(wait::retry_at(now, response.course.retries));
        response.error = Some(error);
        self.stuck.insert(id);
        self.raise(id, AlarmKind::StepFailed, message);
    }

    /// An alarm about a response; raised once while it stands.
    pub fn raise(&mut self, id: ResponseId, kind: AlarmKind, message: String) {
        let Some(response) = self.touch(id) else { return };
        if response.course.alarms.insert(kind) {
            let subject = id.to_string();
            self.out.alarms.push(AlarmChange::Raise { kind, subject, message, response: Some(id), transmission: None });
        }
    }

    pub fn alarm_over(&mut self, id: ResponseId, kind: AlarmKind) {
        let Some(response) = self.touch(id) else { return };
        if response.course.alarms.remove(&kind) {
            self.out.alarms.push(AlarmChange::End { kind, subject: id.to_string() });
        }
    }

    /// A receipt, reminder, withdrawal or question: owed, but nothing waits for it. One that cannot be
    /// written is kept and tried again.
    pub fn courtesy(&mut self, owed: Owed) {
        self.out.changed = true;
        if let Err(error) = self.world.writer.write(&owed, self.dossier) {
            let due = wait::retry_at(self.now(), 1);
            self.dossier.unwritten.push(Unwritten { owed, error, tries: 1, due });
        }
    }

    pub fn owed(&mut self, kind: TransmissionKind, to: Recipient, response: Option<ResponseId>, about: About) -> Owed {
        Owed { id: self.world.numbers.transmission(), kind, recipient: to, response, about, not_before: None }
    }

    pub fn cancel_transmission(&mut self, id: Option<TransmissionId>) {
        self.out.canceled_transmissions.extend(id);
    }

    pub fn confirm_transmission(&mut self, id: Option<TransmissionId>) {
        self.out.confirmed_transmissions.extend(id);
    }

    /// Until every response has ended or waits for the outside world.
    pub fn come_to_rest(&mut self) {
        while let Some(id) = self.next_ready() {
            while self.is_ready(id) {
                let walked = self.out.rows.len();
                self.advance(id);
                if self.out.rows.len() == walked {
                    self.stuck.insert(id);
                }
            }
        }
    }

    fn next_ready(&self) -> Option<ResponseId> {
        let ready = self.dossier.responses.values().filter(|response| self.is_ready(response.id));
        ready.min_by_key(|response| turn::turn(response)).map(|response| response.id)
    }

    fn is_ready(&self, id: ResponseId) -> bool {
        if self.stuck.contains(&id) {
            return false;
        }
        let Some(response) = self.response(id) else { return false };
        if response.error.is_some() && response.due.is_some_and(|due| due > self.world.now) {
            return false;
        }
        match response.status.asks() {
            Question::AwaitTurn => !matches!(turn::standing(self.dossier, response), turn::Standing::Waits(_)),
            Question::AwaitApproval => approve::is_settled(response),
            Question::AwaitPerson
            | Question::AwaitPartner
            | Question::AwaitErrorHandling
            | Question::AwaitRelease
            | Question::Over
            | Question::TakenUpAgain
            | Question::Copied => false,
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
            | Question::Close => true,
        }
    }

    /// Answers the question of its status, if it can be answered without the outside world.
    fn advance(&mut self, id: ResponseId) {
        let Some(status) = self.status(id) else { return };
        match status.asks() {
            Question::Examine => examine::examine(self, id),
            Question::AwaitTurn => turn::end_wait(self, id),
            Question::AwaitApproval => approve::settle(self, id),
            Question::HandOver => {
                self.walk(id, Answer::HandedOver, None);
            }
            Question::BeginNotification => {
                self.walk(id, Answer::Ready, None);
            }
            Question::Announce => announce::announce(self, id),
            Question::AfterAnnouncing => finish::after_announcing(self, id),
            Question::CreateReturn => finish::create_return(self, id),
            Question::AfterReturning => finish::after_returning(self, id),
            Question::Compose => finish::compose(self, id),
            Question::AfterComposing | Question::AfterPreparing => {
                self.walk(id, Answer::NothingLeft, None);
            }
            Question::RecreateDocuments => finish::recreate_documents(self, id),
            Question::PrepareDocuments => finish::prepare_documents(self, id),
            Question::Close => finish::close(self, id),
            Question::AwaitPerson
            | Question::AwaitPartner
            | Question::AwaitErrorHandling
            | Question::AwaitRelease
            | Question::Over
            | Question::TakenUpAgain
            | Question::Copied => {}
        }
    }

    /// An alarm that ended and began again in one go stood all the time.
    fn settle_alarms(&mut self) {
        let mut kept: Vec<AlarmChange> = Vec::with_capacity(self.out.alarms.len());
        for change in std::mem::take(&mut self.out.alarms) {
            let ended = match &change {
                AlarmChange::Raise { kind, subject, .. } => kept.iter().position(
                    |before| matches!(before, AlarmChange::End { kind: k, subject: s } if k == kind && s == subject),
                ),
                AlarmChange::Remind { .. } | AlarmChange::End { .. } => None,
            };
            match ended {
                Some(at) => drop(kept.remove(at)),
                None => kept.push(change),
            }
        }
        self.out.alarms = kept;
    }

    /// The earliest moment at which time alone changes something is always known.
    pub fn finish(mut self) -> Outcome {
        wait::watch_order(&mut self);
        turn::refresh_waits(&mut self);
        self.settle_alarms();
        let dossier = &mut *self.dossier;
        let dues = dossier.responses.values().filter_map(|response| response.due);
        let dues = dues.chain(dossier.recalls.iter().filter_map(|recall| recall.due));
        let dues = dues.chain(dossier.unanswered.values().filter_map(|unanswered| unanswered.due));
        let next = dues.chain(dossier.unwritten.iter().map(|unwritten| unwritten.due)).min();
        if dossier.next_due != next {
            dossier.next_due = next;
            self.out.changed = true;
        }
        self.out
    }
}

/// Nothing of the business waits for these: a row that owes them is walked even while they cannot be written.
fn is_courtesy(kind: TransmissionKind) -> bool {
    matches!(
        kind,
        TransmissionKind::Receipt
            | TransmissionKind::Reminder
            | TransmissionKind::Withdrawal
            | TransmissionKind::Question
    )
}

fn alarm_words(kind: AlarmKind, response: &Response) -> String {
    let (id, order, partner) = (response.id, &response.order, &response.partner);
    let faults: Vec<String> = response.faults.iter().map(|fault| fault.message.clone()).collect();
    match kind {
        AlarmKind::UnknownOrder => format!("{id} of {partner} names order {order}, which is not registered"),
        AlarmKind::Faulty => format!("{id} of {partner} to order {order} is faulty: {}", faults.join("; ")),
        AlarmKind::NotAnnounced => {
            let why = response.history.last().and_then(|step| step.note.clone()).unwrap_or_default();
            format!("order {order} refused the values of {id} of {partner}: {why}")
        }
        AlarmKind::RequestUnanswered => {
            format!("{partner} does not answer the request for a new response to order {order} ({id})")
        }
        other => format!("{}: {id} of {partner} to order {order}", other.name()),
    }
}
