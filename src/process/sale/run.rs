//! One input's way through the table of sales: walking rows, owing what they owe, and running to rest. `walk` is
//! the only place where a sale's status moves.

use super::input::{SaleOutcome, SaleRefused, SaleWorld};
use super::table::{Answer, Question, row_of};
use super::{check, confirm, wait};
use crate::model::{
    AlarmKind, AuditEntry, Sale, SaleAbout, SaleOwed, SaleStatus, SaleStep, Timestamp, TransmissionId, TransmissionKind,
};
use crate::process::AlarmChange;

pub struct Run<'a, 'w> {
    pub sale: &'a mut Sale,
    pub world: &'a mut SaleWorld<'w>,
    /// Who or what caused all this: `mail M5`, `jo@shop.example`, `timer`.
    pub by: String,
    pub out: SaleOutcome,
    /// Tried in this run without getting on.
    stuck: bool,
    /// Rows that may still be walked; the table cannot lead in circles by itself, and this makes sure of it.
    rows_left: usize,
}

const ROWS_MAX: usize = 40;
/// Courtesies that cannot be written are kept; no more than so many.
const UNWRITTEN_MAX: usize = 50;

impl<'a, 'w> Run<'a, 'w> {
    pub fn new(sale: &'a mut Sale, world: &'a mut SaleWorld<'w>) -> Run<'a, 'w> {
        Run { sale, world, by: String::new(), out: SaleOutcome::default(), stuck: false, rows_left: ROWS_MAX }
    }

    pub fn now(&self) -> Timestamp {
        self.world.now
    }

    pub fn refuse(&mut self, why: SaleRefused) {
        if self.out.refused.is_none() {
            self.out.refused = Some(why);
        }
    }

    pub fn not_possible(&mut self, why: impl Into<String>) {
        self.refuse(SaleRefused::NotPossible(why.into()));
    }

    /// Changes something else than the status.
    pub fn touch(&mut self) -> &mut Sale {
        self.out.changed = true;
        self.sale
    }

    pub fn audit(&mut self, who: &str, what: &str, detail: impl Into<String>) {
        self.out.changed = true;
        self.out.audit.push(AuditEntry {
            number: 0,
            at: self.world.now,
            who: who.to_string(),
            what: what.to_string(),
            on: format!("{} ({})", self.sale.id, self.sale.order),
            detail: detail.into(),
            chain: None,
        });
    }

    /// S1: the sale begins.
    pub fn begin(&mut self) {
        let Some(row) = row_of(None, Answer::OrderStored) else { return };
        let step = self.step_of(row.step, None, row.answer, row.to, None);
        let now = self.now();
        let sale = self.touch();
        (sale.status, sale.entered_at, sale.received_at) = (row.to, now, now);
        sale.history.push(step.clone());
        self.out.rows.push(step);
    }

    fn step_of(
        &self,
        step: &str,
        from: Option<SaleStatus>,
        answer: Answer,
        to: SaleStatus,
        note: Option<String>,
    ) -> SaleStep {
        SaleStep {
            step: step.to_string(),
            from,
            answer: answer.name().to_string(),
            to,
            at: self.world.now,
            by: self.by.clone(),
            note,
        }
    }

    /// Walks the row of this answer. `false` = it stays where it is: there is no such row, or what the row owes
    /// could not be written, in which case the error is kept and it is tried again.
    pub fn walk(&mut self, answer: Answer, note: Option<String>) -> bool {
        self.walk_owing(answer, note, Vec::new(), |_| {})
    }

    /// Same, with what the row owes and what changes in the sale with it.
    pub fn walk_owing(
        &mut self,
        answer: Answer,
        note: Option<String>,
        owed: Vec<SaleOwed>,
        change: impl FnOnce(&mut Sale),
    ) -> bool {
        let from = self.sale.status;
        let Some(row) = row_of(Some(from), answer) else { return false };
        let missing = row.owes.iter().find(|kind| !is_courtesy(**kind) && !owed.iter().any(|o| o.kind == **kind));
        let beside = owed.iter().find(|owed| !row.owes.contains(&owed.kind) && !is_courtesy(owed.kind));
        if missing.is_some() || beside.is_some() || self.rows_left == 0 {
            self.fail(format!("{from}, {}: the row and what is owed do not agree", answer.name()));
            return false;
        }
        self.rows_left -= 1;
        let (essential, courtesies): (Vec<_>, Vec<_>) = owed.into_iter().partition(|owed| !is_courtesy(owed.kind));
        let step = self.step_of(row.step, Some(from), answer, row.to, note);
        let now = self.now();
        let before = (!essential.is_empty()).then(|| self.sale.clone());
        let sale = self.touch();
        if row.to != from {
            (sale.reminders, sale.remind_at, sale.entered_at) = (0, None, now);
        }
        (sale.error, sale.retries, sale.retry_at) = (None, 0, None);
        change(sale);
        sale.status = row.to;
        sale.history.push(step.clone());
        for owed in &essential {
            if let Err(error) = self.world.writer.write(owed, self.sale) {
                if let Some(before) = before {
                    *self.sale = before;
                }
                self.fail(format!("{}: {error}", owed.kind));
                return false;
            }
        }
        self.out.rows.push(step);
        self.alarms_of_row(from != row.to, row.alarm);
        for owed in courtesies {
            self.courtesy(owed);
        }
        true
    }

    /// Leaving a status ends its alarms; a row may start one.
    fn alarms_of_row(&mut self, moved: bool, starts: Option<AlarmKind>) {
        let over = |kind: &AlarmKind| Some(*kind) != starts && (moved || *kind == AlarmKind::StepFailed);
        let ended: Vec<AlarmKind> = self.sale.alarms.iter().copied().filter(over).collect();
        for kind in ended {
            self.alarm_over(kind);
        }
        if let Some(kind) = starts {
            let message = wait::alarm_words(kind, self.sale);
            self.raise(kind, message);
        }
    }

    /// A step that cannot be done: it stays where it is, is shown, and is tried again.
    pub fn fail(&mut self, error: String) {
        let now = self.now();
        let message = format!("{}: {error}", self.sale.id);
        let sale = self.touch();
        sale.retries = sale.retries.saturating_add(1);
        sale.retry_at = Some(wait::retry_at(now, sale.retries));
        sale.error = Some(error);
        self.stuck = true;
        self.raise(AlarmKind::StepFailed, message);
    }

    /// An alarm about the sale; raised once while it stands.
    pub fn raise(&mut self, kind: AlarmKind, message: String) {
        let sale = self.touch();
        if sale.alarms.insert(kind) {
            let subject = sale.id.to_string();
            self.out.alarms.push(AlarmChange::Raise { kind, subject, message, response: None, transmission: None });
        }
    }

    pub fn alarm_over(&mut self, kind: AlarmKind) {
        let sale = self.touch();
        if sale.alarms.remove(&kind) {
            self.out.alarms.push(AlarmChange::End { kind, subject: self.sale.id.to_string() });
        }
    }

    /// A receipt, reminder or withdrawal: owed, but nothing waits for it. One that cannot be written is kept and
    /// tried again.
    pub fn courtesy(&mut self, owed: SaleOwed) {
        self.out.changed = true;
        if let Err(error) = self.world.writer.write(&owed, self.sale) {
            let message = format!("{}: {}: {error}", self.sale.id, owed.kind);
            if self.sale.unwritten.len() < UNWRITTEN_MAX {
                self.sale.unwritten.push(owed);
            }
            self.raise(AlarmKind::StepFailed, message);
        }
    }

    pub fn owed(&mut self, kind: TransmissionKind, to: Vec<String>, about: SaleAbout) -> SaleOwed {
        SaleOwed { id: self.world.numbers.transmission(), kind, to, about }
    }

    /// Where our mails to the customer go.
    pub fn customer(&self) -> Vec<String> {
        let configured = &self.world.settings.send_to;
        if configured.is_empty() { vec![self.sale.sender().to_string()] } else { configured.clone() }
    }

    pub fn cancel_transmission(&mut self, id: Option<TransmissionId>) {
        self.out.canceled_transmissions.extend(id);
    }

    pub fn confirm_transmission(&mut self, id: Option<TransmissionId>) {
        self.out.confirmed_transmissions.extend(id);
    }

    /// Until it has ended or waits for the outside world.
    pub fn come_to_rest(&mut self) {
        while self.is_ready() {
            let walked = self.out.rows.len();
            self.advance();
            if self.out.rows.len() == walked {
                self.stuck = true;
            }
        }
    }

    fn is_ready(&self) -> bool {
        let by_itself = match self.sale.status.asks() {
            Question::Cancel => self.world.settings.by_mail,
            other => !other.waits(),
        };
        let failed_before = self.sale.error.is_some() && self.sale.retry_at.is_some_and(|at| at > self.world.now);
        !self.stuck && by_itself && !failed_before && !self.sale.history.is_empty()
    }

    /// Answers the question of its status, if it can be answered without the outside world.
    fn advance(&mut self) {
        match self.sale.status.asks() {
            Question::Check => check::check(self),
            Question::Prepare => confirm::prepare(self),
            Question::Compare => confirm::compare(self),
            Question::BeginConfirmation => {
                self.walk(Answer::ToBeConfirmed, None);
            }
            Question::Confirm => confirm::confirm(self),
            Question::Register => confirm::register(self),
            Question::Cancel => confirm::cancel_by_mail(self),
            Question::AwaitCustomer
            | Question::HandOver
            | Question::AwaitAnswer
            | Question::AwaitDesk
            | Question::AwaitRepair
            | Question::Over
            | Question::GivenUp => {}
        }
    }

    /// An alarm that ended and began again in one go stood all the time.
    fn settle_alarms(&mut self) {
        let mut kept: Vec<AlarmChange> = Vec::with_capacity(self.out.alarms.len());
        for change in std::mem::take(&mut self.out.alarms) {
            let ended = match &change {
                AlarmChange::Raise { kind, .. } => {
                    kept.iter().position(|before| matches!(before, AlarmChange::End { kind: k, .. } if k == kind))
                }
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
    pub fn finish(mut self) -> SaleOutcome {
        self.settle_alarms();
        let due = wait::due(self.sale, self.world.settings, self.world.now);
        if self.sale.due != due {
            self.sale.due = due;
            self.out.changed = true;
        }
        self.out
    }
}

/// Nothing waits for it.
fn is_courtesy(kind: TransmissionKind) -> bool {
    matches!(kind, TransmissionKind::Receipt | TransmissionKind::Reminder | TransmissionKind::Withdrawal)
}
