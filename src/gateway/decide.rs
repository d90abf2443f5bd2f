//! Deciding and committing: inputs meet their dossiers, the process runs them to rest in memory, and
//! everything they changed lands in one commit. A commit that was decided on an old revision is
//! thrown away and decided again.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jiff::Timestamp;

use super::digest::DigestReply;
use super::drift::Judged;
use super::envelope::{Fresh, Written};
use super::letter::LetterWriter;
use super::numbers::Handout;
use super::sales::{SaleDone, SaleTask};
use super::{Gateway, News, outbox};
use crate::model::{
    About, Alarm, AlarmKind, AlarmNews, AuditEntry, Dossier, OrderNumber, Owed, Recipient, ResponseId, Step,
    Transmission, TransmissionId, TransmissionKind, TransmissionStatus, Writer as _,
};
use crate::process::{self, AlarmChange, Input, Refused, World};
use crate::store::{Commit, Content, DossierChange, MailTaken, StoreError};

/// How often a stale decision is made again before giving up; each time somebody else got ahead.
const TRIES_MAX: usize = 50;
/// Inputs of one task, with what follows for other orders.
const FOLLOWS_MAX: usize = 10_000;
/// Alarms looked through for one that is open already.
const ALARMS_MAX: usize = 10_000;

/// What one input did.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    pub changed: bool,
    pub order_revision: Option<u32>,
    /// Why the input changed nothing, when a person or approver should know.
    pub refused: Option<Refused>,
    pub walked: Vec<(ResponseId, Step)>,
    pub touched: BTreeSet<ResponseId>,
    /// What it did to a sale, where it was for one.
    pub sale: Option<SaleDone>,
    /// The decision ended badly, and the mail was kept for a person instead.
    pub set_aside: bool,
}

/// What shall land together: the inputs of one mail (or one of a person, or of time), the mail itself.
#[derive(Default)]
pub(super) struct Task {
    pub inputs: Vec<(OrderNumber, Input)>,
    pub sales: Vec<SaleTask>,
    pub mail: Option<(MailTaken, Fresh)>,
    /// The mail names an order by a number that a mail before it may have brought.
    pub early: bool,
    /// When the mail came to its mailbox.
    pub arrived: Option<Timestamp>,
    /// What else the mail changes: tokens used, transmissions answered, alarms.
    pub extra: Commit,
    /// Set when the mail answers a digest: its receipts become one letter.
    pub digest: Option<DigestReply>,
    /// What came of judging its inputs: once, however often they are decided.
    pub judged: RefCell<BTreeMap<usize, Option<Judged>>>,
}

impl Task {
    /// Leaves only the mail of it, for a person to see. `false` where there is none to be kept.
    fn set_aside(&mut self) -> bool {
        let Some((MailTaken { record, raw: Some(_) }, _)) = &mut self.mail else { return false };
        record.drawer = "unreadable".to_string();
        record.reason = "deciding on it ended badly".to_string();
        record.review = true;
        record.linked.clear();
        self.inputs.clear();
        self.sales.clear();
        self.extra = Commit::default();
        self.digest = None;
        self.judged.borrow_mut().clear();
        true
    }
}

/// A task, how often it was decided before, and what it came to.
type Considered = (Task, usize, Result<(Commit, Vec<Decided>), StoreError>);

impl Gateway {
    /// One input, decided and committed.
    pub fn decide_one(&self, number: &OrderNumber, input: Input) -> Result<Decided, StoreError> {
        let task = Task { inputs: vec![(number.clone(), input)], ..Task::default() };
        let mut all = self.settle(vec![task]);
        all.pop().unwrap_or_else(|| Ok(Vec::new())).map(|mut decided| decided.pop().unwrap_or_default())
    }

    /// Independent inputs, each in a commit of its own, with as few syncs as the keeper can.
    pub fn decide_each(&self, inputs: Vec<(OrderNumber, Input)>) -> Vec<(OrderNumber, Result<Decided, StoreError>)> {
        let numbers: Vec<OrderNumber> = inputs.iter().map(|(number, _)| number.clone()).collect();
        let tasks = inputs.into_iter().map(|input| Task { inputs: vec![input], ..Task::default() }).collect();
        let settled =
            self.settle(tasks).into_iter().map(|result| result.map(|mut decided| decided.pop().unwrap_or_default()));
        numbers.into_iter().zip(settled).collect()
    }

    /// Decides and commits tasks. Tasks on the same dossier follow one another in the given order;
    /// all others go together.
    pub(super) fn settle(&self, tasks: Vec<Task>) -> Vec<Result<Vec<Decided>, StoreError>> {
        let mut results: Vec<Option<Result<Vec<Decided>, StoreError>>> = tasks.iter().map(|_| None).collect();
        let mut waiting: Vec<(usize, Task, usize)> =
            tasks.into_iter().enumerate().map(|(index, task)| (index, task, 0)).collect();
        while !waiting.is_empty() {
            let mut busy: BTreeSet<OrderNumber> = BTreeSet::new();
            let mut busy_sales: BTreeSet<String> = BTreeSet::new();
            let mut later = Vec::new();
            let mut wave = Vec::new();
            for (index, task, tries) in waiting {
                let free = task.inputs.iter().all(|(number, _)| !busy.contains(number))
                    && task.sales.iter().all(|sale| !busy_sales.contains(&sale.key.name()));
                busy.extend(task.inputs.iter().map(|(number, _)| number.clone()));
                busy_sales.extend(task.sales.iter().map(|sale| sale.key.name()));
                if free {
                    wave.push((index, task, tries));
                } else {
                    later.push((index, task, tries));
                }
            }
            let mut commits = Vec::with_capacity(wave.len());
            let mut decided = Vec::with_capacity(wave.len());
            let mut going = Vec::with_capacity(wave.len());
            let indices: Vec<usize> = wave.iter().map(|(index, ..)| *index).collect();
            let mut again = Vec::new();
            let mut raised = BTreeSet::new();
            for (index, one) in indices.into_iter().zip(self.decide_wave(wave)) {
                match one {
                    // One alarm tells of all: when it has landed, the others see it.
                    Some((task, tries, Ok((commit, _)))) if !raised.is_disjoint(&new_alarms(&commit)) => {
                        again.push((index, task, tries));
                    }
                    Some((task, tries, Ok((commit, done)))) => {
                        raised.extend(new_alarms(&commit));
                        commits.push(commit);
                        decided.push(done);
                        going.push((index, task, tries));
                    }
                    Some((_, _, Err(error))) => put(&mut results, index, Err(error)),
                    None => put(&mut results, index, Err(StoreError::Away("deciding ended badly".into()))),
                }
            }
            if let Err(why) = crate::drill::pass("take_in.decided") {
                for (index, ..) in going {
                    put(&mut results, index, Err(StoreError::Away(why.clone())));
                }
                again.extend(later);
                again.sort_by_key(|(index, ..)| *index);
                waiting = again;
                continue;
            }
            let news: Vec<(Wake, Vec<Content>)> =
                commits.iter().map(|commit| (Wake::of(commit), outbox::owed(commit))).collect();
            for (((landed, (index, task, tries)), done), (wake, owed)) in
                self.store().commit_many(commits).into_iter().zip(going).zip(decided).zip(news)
            {
                match landed {
                    Ok(_) => {
                        self.inner.outbox.put(owed);
                        self.landed(&task, &done, &wake);
                        put(&mut results, index, Ok(done));
                    }
                    Err(StoreError::Stale(what)) if tries < TRIES_MAX => {
                        tracing::debug!(%what, "decided on an old revision; deciding again");
                        again.push((index, task, tries + 1));
                    }
                    Err(error) => put(&mut results, index, Err(error)),
                }
            }
            // What is decided again keeps its place before what waited for it.
            again.extend(later);
            again.sort_by_key(|(index, ..)| *index);
            waiting = again;
        }
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(|| Err(StoreError::Away("not decided".into()))))
            .collect()
    }

    /// Decides tasks that touch nothing of one another, on several threads; in their order, none where it died. A new mail
    /// over which it dies is kept for a person: it must not come again for ever.
    fn decide_wave(&self, wave: Vec<(usize, Task, usize)>) -> Vec<Option<Considered>> {
        let gateway = self.clone();
        let decide = move |(_, mut task, tries): (usize, Task, usize)| {
            let decided = catch_unwind(AssertUnwindSafe(|| gateway.decide(&task)));
            let came_to = match decided {
                Ok(came_to) => came_to,
                Err(_) if task.set_aside() => {
                    let set_aside = || vec![Decided { set_aside: true, ..Decided::default() }];
                    gateway.decide(&task).map(|(commit, _)| (commit, set_aside()))
                }
                Err(cause) => resume_unwind(cause),
            };
            (task, tries, came_to)
        };
        crate::crew::each(wave, decide)
    }

    /// Decides one task in memory.
    fn decide(&self, task: &Task) -> Result<(Commit, Vec<Decided>), StoreError> {
        crate::drill::pass("take_in.deciding").map_err(StoreError::Away)?;
        let live = self.live();
        let now = self.now();
        let mut commit = task.extra.clone();
        let mut fresh = BTreeMap::new();
        let mut cause = None;
        if let Some((taken, words)) = &task.mail {
            fresh.insert(taken.record.id, words.clone());
            cause = Some(taken.record.id);
        }
        let mut numbers = Handout::new(&self.inner.numbers);
        let mut writer = LetterWriter::new(self, &live, now, &fresh);
        writer.cause = cause;
        writer.gathers = task.digest.as_ref().map(|reply| reply.by.as_str());
        let mut dossiers: BTreeMap<OrderNumber, (Dossier, BTreeSet<ResponseId>)> = BTreeMap::new();
        let mut all: Vec<Decided> = Vec::with_capacity(task.inputs.len());
        let mut sales = self.decide_sales(&task.sales, &mut commit, &fresh, cause, &live, now)?;
        let mut canceled = std::mem::take(&mut sales.canceled);
        let mut confirmed = std::mem::take(&mut sales.confirmed);
        // A confirmed order is registered in the commit that confirms it.
        let registered = std::mem::take(&mut sales.inputs);
        let inputs = task.inputs.iter().cloned().chain(registered);
        let mut waiting: VecDeque<(usize, OrderNumber, Input)> =
            inputs.enumerate().map(|(at, (number, input))| (at, number, input)).collect();
        let mut changed = BTreeSet::new();
        let mut accepted = BTreeSet::new();
        let mut steps = 0;
        while let Some((at, number, mut input)) = waiting.pop_front() {
            steps += 1;
            let number = &number;
            if !dossiers.contains_key(number) {
                let dossier = self.store().dossier(number)?.unwrap_or_else(|| Dossier::new(number.clone()));
                dossiers.insert(number.clone(), (dossier, BTreeSet::new()));
            }
            let Some((dossier, touched)) = dossiers.get_mut(number) else { continue };
            if let Input::ResponseReceived(received) = &mut input {
                received.held = self.judged(task, at, received, dossier, &mut commit)?;
            }
            let mut world = World { now, policies: &live.loaded.policies, numbers: &mut numbers, writer: &mut writer };
            let outcome = process::step(dossier, input, &mut world);
            touched.extend(outcome.touched.iter().copied());
            canceled.extend(outcome.canceled_transmissions.iter().copied());
            confirmed.extend(outcome.confirmed_transmissions.iter().copied());
            accepted.extend(outcome.decided);
            commit.audit.extend(outcome.audit);
            self.alarms(&mut commit, &mut writer, &outcome.alarms, dossier, now)?;
            if outcome.changed {
                changed.insert(number.clone());
            }
            let one = Decided {
                changed: outcome.changed,
                order_revision: dossier.order.as_ref().map(|order| order.revision),
                refused: outcome.refused,
                walked: outcome.rows,
                touched: outcome.touched,
                ..Decided::default()
            };
            // What follows for another order is part of the same deed: whole, or not at all.
            if let Some(first) = all.get_mut(at) {
                first.changed |= one.changed;
                first.walked.extend(one.walked);
                first.touched.extend(one.touched);
                if one.refused.is_some() && task.mail.is_none() {
                    return Ok((Commit::default(), vec![Decided { refused: one.refused, ..Decided::default() }]));
                }
                first.refused = first.refused.take().or(one.refused);
            } else {
                all.push(one);
            }
            if steps > FOLLOWS_MAX {
                return Err(StoreError::Invalid("orders that went into one another without end".into()));
            }
            for (other, input) in outcome.passed_on.into_iter().rev() {
                waiting.push_front((at, other, input));
            }
        }
        // A reply that decided nothing leaves its question open to the next one.
        commit.tokens.retain(|token| {
            token.used_at.is_none() || token.response.is_none_or(|response| accepted.contains(&response))
        });
        for (order, changes) in &sales.alarms {
            self.alarms(&mut commit, &mut writer, changes, &Dossier::new(order.clone()), now)?;
        }
        if let Some(reply) = &task.digest {
            self.digest_receipt(&mut writer, reply, &dossiers)?;
        }
        let mut written = writer.written.into_inner();
        written.append(&mut sales.written);
        if let Some(error) = numbers.failed() {
            return Err(error);
        }
        self.settle_transmissions(&mut commit, &mut written, &canceled, &confirmed, now)?;
        for one in written {
            commit.transmissions.push(one.transmission);
            commit.blobs.push(one.mime);
            commit.tokens.extend(one.tokens);
        }
        if let Some((taken, _)) = &task.mail {
            let mut taken = taken.clone();
            let own = |id: &&ResponseId| {
                dossiers.values().any(|(d, _)| d.responses.get(id).is_some_and(|r| r.mail == Some(taken.record.id)))
            };
            let made: BTreeSet<ResponseId> = all.iter().flat_map(|d| d.touched.iter()).filter(own).copied().collect();
            taken.record.responses = made.into_iter().collect();
            taken.record.order = taken.record.order.take().or_else(|| sales.order.clone());
            if let Some(why) = &sales.duplicate {
                (taken.record.drawer, taken.record.reason) = ("duplicate".into(), why.clone());
            } else if let Some(why) = sales.reason.as_ref().filter(|_| taken.record.reason.is_empty()) {
                taken.record.reason.clone_from(why);
            }
            commit.mails.push(taken);
        }
        for (number, (dossier, touched)) in dossiers {
            if changed.contains(&number) || !touched.is_empty() {
                commit.dossiers.push(DossierChange { dossier, touched });
            }
        }
        all.append(&mut sales.decided);
        Ok((commit, all))
    }

    /// Whether what a mapping read is to be held; each input is judged once.
    fn judged(
        &self,
        task: &Task,
        at: usize,
        received: &process::Received,
        dossier: &Dossier,
        commit: &mut Commit,
    ) -> Result<Option<String>, StoreError> {
        let known = task.judged.borrow().get(&at).cloned();
        let judged = match known {
            Some(known) => known,
            None => {
                let mapping = task.mail.as_ref().and_then(|(taken, _)| taken.record.mapping.clone());
                let judged = match (mapping.filter(|mapping| mapping != "fill-in"), &dossier.order) {
                    (Some(mapping), Some(order)) => {
                        let said = (&*received.message, received.faults.as_slice());
                        self.judge(&mapping, &received.partner, said, order)?
                    }
                    _ => None,
                };
                task.judged.borrow_mut().insert(at, judged.clone());
                judged
            }
        };
        let Some(judged) = judged else { return Ok(None) };
        self.note_judged(commit, &judged)?;
        Ok(judged.held())
    }

    /// Questions taken back are not sent any more, or marked; questions answered are confirmed.
    fn settle_transmissions(
        &self,
        commit: &mut Commit,
        written: &mut [Written],
        canceled: &BTreeSet<TransmissionId>,
        confirmed: &BTreeSet<TransmissionId>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use TransmissionStatus as S;
        for (ids, to) in [(canceled, S::Canceled), (confirmed, S::Confirmed)] {
            for id in ids {
                let change = |transmission: &mut Transmission| match (to, transmission.status) {
                    (S::Canceled, S::Initial | S::DoPush | S::DoManualCheck | S::Checked)
                    | (S::Confirmed, S::Transmissioned | S::Pushed) => {
                        transmission.status = to;
                        transmission.next_retry = None;
                        true
                    }
                    // An answer to what we believed stuck, or whose 250 is not committed yet: it did arrive. And what
                    // was answered before it was sent need not be sent any more.
                    (S::Confirmed, S::DoPush | S::DoManualCheck) => {
                        transmission.status = to;
                        transmission.next_retry = None;
                        true
                    }
                    _ => false,
                };
                if let Some(one) = written.iter_mut().find(|one| one.transmission.id == *id) {
                    change(&mut one.transmission);
                } else if let Some(one) = commit.transmissions.iter_mut().find(|one| one.id == *id) {
                    change(one);
                } else if let Some(mut stored) = self.store().transmission(*id)?
                    && change(&mut stored)
                {
                    self.end_alarm(commit, AlarmKind::TransmissionStuck, &id.to_string(), now);
                    commit.transmissions.push(stored);
                }
                if to == S::Canceled {
                    for mut token in self.store().tokens_of(*id)? {
                        if token.used_at.is_none() {
                            token.used_at = Some(now);
                            commit.tokens.push(token);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn alarms(
        &self,
        commit: &mut Commit,
        writer: &mut LetterWriter<'_>,
        changes: &[AlarmChange],
        dossier: &Dossier,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let open = self.store().alarms(true, ALARMS_MAX)?;
        for change in changes {
            match change {
                AlarmChange::Raise { kind, subject, message, response, transmission } => {
                    let is_open =
                        |alarm: &Alarm| alarm.kind == *kind && alarm.subject == *subject && alarm.ended_at.is_none();
                    if open.iter().chain(&commit.alarms).any(is_open) {
                        continue;
                    }
                    let alarm = Alarm {
                        id: self.inner.numbers.alarm()?,
                        kind: *kind,
                        subject: subject.clone(),
                        message: message.clone(),
                        order: Some(dossier.number.clone()),
                        response: *response,
                        transmission: *transmission,
                        started_at: now,
                        reminded_at: None,
                        ended_at: None,
                    };
                    self.alarm_letter(writer, &alarm, AlarmNews::Started, dossier);
                    commit.alarms.push(alarm);
                }
                AlarmChange::Remind { kind, subject } => {
                    if let Some(alarm) = open.iter().find(|a| a.kind == *kind && a.subject == *subject) {
                        let mut alarm = alarm.clone();
                        alarm.reminded_at = Some(now);
                        self.alarm_letter(writer, &alarm, AlarmNews::Reminder, dossier);
                        commit.alarms.push(alarm);
                    }
                }
                AlarmChange::End { kind, subject } => {
                    if let Some(alarm) = commit
                        .alarms
                        .iter_mut()
                        .find(|a| a.kind == *kind && a.subject == *subject && a.ended_at.is_none())
                    {
                        alarm.ended_at = Some(now);
                        continue;
                    }
                    if let Some(alarm) = open.iter().find(|a| a.kind == *kind && a.subject == *subject) {
                        let mut alarm = alarm.clone();
                        alarm.ended_at = Some(now);
                        self.alarm_letter(writer, &alarm, AlarmNews::Over, dossier);
                        commit.alarms.push(alarm);
                    }
                }
            }
        }
        Ok(())
    }

    /// An alarm that cannot be worded must not stop what raised it: it is logged in any case.
    fn alarm_letter(&self, writer: &mut LetterWriter<'_>, alarm: &Alarm, news: AlarmNews, dossier: &Dossier) {
        tracing::warn!(alarm = %alarm.kind.name(), about = %alarm.subject, over = news == AlarmNews::Over, "{}", alarm.message);
        let Ok(id) = self.inner.numbers.transmission() else { return };
        let owed = Owed {
            id,
            kind: TransmissionKind::Alarm,
            recipient: Recipient::Operators,
            response: alarm.response,
            about: About::Alarm { alarm: alarm.clone(), news },
            not_before: None,
        };
        if let Err(error) = writer.write(&owed, dossier) {
            tracing::error!(%error, "the alarm could not be put into a mail");
        }
    }

    /// Raises an alarm that belongs to no decision: a mailbox, a transmission, the disk.
    #[expect(clippy::too_many_arguments, reason = "an alarm has that many sides, and this is its one door")]
    pub(super) fn raise_alarm(
        &self,
        commit: &mut Commit,
        kind: AlarmKind,
        subject: &str,
        message: &str,
        order: Option<&OrderNumber>,
        response: Option<ResponseId>,
        now: Timestamp,
    ) {
        let change = AlarmChange::Raise {
            kind,
            subject: subject.to_string(),
            message: message.to_string(),
            response,
            transmission: None,
        };
        self.alarm_outside(commit, &change, order, now);
    }

    pub(super) fn end_alarm(&self, commit: &mut Commit, kind: AlarmKind, subject: &str, now: Timestamp) {
        self.alarm_outside(commit, &AlarmChange::End { kind, subject: subject.to_string() }, None, now);
    }

    fn alarm_outside(&self, commit: &mut Commit, change: &AlarmChange, order: Option<&OrderNumber>, now: Timestamp) {
        let live = self.live();
        let fresh = BTreeMap::new();
        let dossier = Dossier::new(order.cloned().unwrap_or_default());
        let mut writer = LetterWriter::new(self, &live, now, &fresh);
        if let Err(error) = self.alarms(commit, &mut writer, std::slice::from_ref(change), &dossier, now) {
            tracing::error!(%error, "an alarm could not be looked up");
        }
        keep_written(commit, writer, order);
        // An alarm without an order must not be filed under an empty number.
        if order.is_none() {
            commit
                .alarms
                .iter_mut()
                .filter(|alarm| alarm.order.as_ref().is_some_and(|o| o.as_str().is_empty()))
                .for_each(|alarm| alarm.order = None);
        }
    }

    /// Writes a letter that belongs to no decision into a commit.
    pub(super) fn write_into(&self, commit: &mut Commit, owed: &Owed, dossier: &Dossier) {
        let live = self.live();
        let fresh = BTreeMap::new();
        let mut writer = LetterWriter::new(self, &live, self.now(), &fresh);
        if let Err(error) = writer.write(owed, dossier) {
            tracing::error!(%error, kind = %owed.kind, "a mail could not be put into words");
        }
        keep_written(commit, writer, Some(&dossier.number).filter(|number| !number.as_str().is_empty()));
    }

    pub(super) fn audit(&self, who: &str, what: &str, on: &str, detail: &str) -> AuditEntry {
        AuditEntry {
            number: 0,
            at: self.now(),
            who: who.into(),
            what: what.into(),
            on: on.into(),
            detail: detail.into(),
            chain: None,
        }
    }

    /// After a commit is on disk: tell whoever watches, wake whoever has work.
    fn landed(&self, task: &Task, done: &[Decided], wake: &Wake) {
        let watched = self.is_watched();
        if let Some((taken, _)) = task.mail.as_ref().filter(|_| watched) {
            let r = &taken.record;
            self.tell(News::MailTaken {
                mail: r.id,
                mailbox: r.mailbox.clone(),
                from: r.from.clone(),
                subject: r.subject.clone(),
                drawer: r.drawer.clone(),
                reason: r.reason.clone(),
                partner: r.partner.clone(),
            });
        }
        for ((number, _), decided) in task.inputs.iter().zip(done) {
            for (response, step) in &decided.walked {
                tracing::debug!(order = %number, %response, step = %step.step, to = %step.to, "walked");
                if watched {
                    self.tell(News::Walked { order: number.clone(), response: *response, step: step.clone() });
                }
            }
        }
        for sale in done.iter().filter_map(|decided| decided.sale.as_ref()) {
            for step in &sale.steps {
                tracing::debug!(sale = %sale.id, order = %sale.order, step = %step.step, to = %step.to, "walked");
                self.tell(News::SaleWalked { sale: sale.id, order: sale.order.clone(), step: step.clone() });
            }
        }
        for (kind, subject, message, over) in &wake.alarms {
            self.tell(News::Alarm { kind: *kind, subject: subject.clone(), message: message.clone(), over: *over });
        }
        if wake.sender {
            self.inner.wake_sender.notify_one();
        }
        if wake.sales {
            self.inner.wake_sales.notify_one();
        }
        if wake.timer {
            self.inner.wake_timer.notify_one();
        }
    }

    /// Commits what belongs to no decision, and wakes whoever has work because of it.
    pub(super) fn commit_extra(&self, commit: Commit) -> Result<(), StoreError> {
        let wake = Wake::of(&commit);
        self.store().commit(commit)?;
        self.landed(&Task::default(), &[], &wake);
        Ok(())
    }
}

/// Kind and subject of the alarms that a commit raises.
fn new_alarms(commit: &Commit) -> BTreeSet<(&'static str, String)> {
    let new = commit.alarms.iter().filter(|alarm| alarm.ended_at.is_none() && alarm.reminded_at.is_none());
    new.map(|alarm| (alarm.kind.name(), alarm.subject.clone())).collect()
}

/// What a commit sets in motion once it landed.
struct Wake {
    sender: bool,
    timer: bool,
    /// Something is to be handed to the order system.
    sales: bool,
    alarms: Vec<(AlarmKind, String, String, bool)>,
}

impl Wake {
    fn of(commit: &Commit) -> Wake {
        Wake {
            sender: commit.transmissions.iter().any(|t| t.status == TransmissionStatus::DoPush),
            timer: commit.dossiers.iter().any(|d| d.dossier.next_due.is_some())
                || commit.sales.iter().any(|sale| sale.due.is_some()),
            sales: commit.sales.iter().any(|sale| sale.status.hands_over()),
            alarms: commit
                .alarms
                .iter()
                .map(|a| (a.kind, a.subject.clone(), a.message.clone(), a.ended_at.is_some()))
                .collect(),
        }
    }
}

fn keep_written(commit: &mut Commit, writer: LetterWriter<'_>, order: Option<&OrderNumber>) {
    for mut one in writer.written.into_inner() {
        if order.is_none() {
            one.transmission.order = None;
        }
        commit.transmissions.push(one.transmission);
        commit.blobs.push(one.mime);
        commit.tokens.extend(one.tokens);
    }
}

fn put(
    results: &mut [Option<Result<Vec<Decided>, StoreError>>],
    index: usize,
    result: Result<Vec<Decided>, StoreError>,
) {
    if let Some(slot) = results.get_mut(index) {
        *slot = Some(result);
    }
}
