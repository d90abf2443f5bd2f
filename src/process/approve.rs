//! C12-C13: the order channel's decision on deviations. First valid decision wins, line by line; reminders,
//! then the next approver; expiry means hold, never a decision. It must never know how a reply was read.

use std::collections::{BTreeMap, BTreeSet};

use super::input::{Command, Decision, DecisionKind, QuestionAnswered, Refused, Scope, Verb};
use super::run::Run;
use super::said::same_product;
use super::table::{Answer, row_of};
use super::{recall, wait};
use crate::model::owed::Outcome as Understood;
use crate::model::{
    About, AlarmKind, Approval, Line, LineDecision, Owed, Pause, Receipt, Recipient, Response, ResponseId, Settings,
    Status, TransmissionId, TransmissionKind,
};

/// What approvers wrote is kept up to this many remarks.
const COMMENTS_MAX: usize = 200;
/// A question can be put on hold this long at most.
const HOLD_MAX: Pause = Pause::Calendar { seconds: 90 * 86_400 };
/// More people than decide one question.
const APPROVERS_MAX: usize = 50;

/// C12: the deviations are put to the first approvers.
pub fn ask(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    let partner = response.partner.clone();
    let settings = run.settings(&partner);
    let Some(first) = settings.approvers.first().filter(|addresses| !addresses.is_empty()).cloned() else {
        return run.fail(id, format!("no approver is configured for channel {}", run.channel()));
    };
    let Some(response) = run.response(id) else { return };
    let version = response.approval.as_ref().map_or(0, |approval| approval.version) + 1;
    let lines = in_question(response).into_iter().map(|position| (position, LineDecision::Open)).collect();
    let codes: BTreeSet<&str> = response.deviations.iter().filter(|d| !d.within).map(|d| d.code.name()).collect();
    let note = (!codes.is_empty()).then(|| codes.into_iter().collect::<Vec<_>>().join(", "));
    let owed = question(run, id, first.clone());
    let now = run.now();
    let approval = Approval {
        version,
        question: Some(owed.id),
        asked_at: now,
        rank: 0,
        approvers: first,
        expires_at: wait::later(settings.approval_expiry, now, &settings),
        on_hold: false,
        lines,
        decided_by: None,
        comments: Vec::new(),
        earlier: Vec::new(),
        whole: false,
    };
    run.walk_owing(id, Answer::Deviating, note, vec![owed], |response| {
        let comments = response.approval.take().map(|approval| approval.comments).unwrap_or_default();
        response.approval = Some(Approval { comments, ..approval });
    });
}

fn question(run: &mut Run<'_, '_>, id: ResponseId, addresses: Vec<String>) -> Owed {
    let to = Recipient::Approvers { channel: run.channel(), addresses };
    run.owed(TransmissionKind::ConfirmResponse, to, Some(id), About::Response)
}

/// The positions that deviate beyond tolerance; all of them where everything is asked about.
fn in_question(response: &Response) -> BTreeSet<u32> {
    let deviating: BTreeSet<u32> =
        response.deviations.iter().filter(|d| !d.within).filter_map(|d| d.position).collect();
    if deviating.is_empty() { response.covers() } else { deviating }
}

/// All is decided; the row is still to be walked.
pub fn is_settled(response: &Response) -> bool {
    response.status == Status::NotCheckedDoApprove
        && response.approval.as_ref().is_some_and(|a| !a.lines.values().any(|line| *line == LineDecision::Open))
}

/// C13: walks what was decided.
pub fn settle(run: &mut Run<'_, '_>, id: ResponseId) {
    let Some(response) = run.response(id) else { return };
    let Some(approval) = &response.approval else { return };
    let questions: Vec<TransmissionId> = approval.earlier.iter().copied().chain(approval.question).collect();
    let by = approval.decided_by.clone().unwrap_or_default();
    let declined: BTreeSet<u32> = declined_lines(approval);
    let covered = response.covers();
    let left = covered.iter().any(|position| !declined.contains(position));
    let walked = if declined.is_empty() {
        run.walk_owing(id, Answer::Approved, Some(format!("by {by}")), Vec::new(), |response| response.approved = true)
    } else if approval.whole || !left {
        let positions = if approval.whole { covered } else { declined };
        let reason = format!("declined by {by}");
        recall::send(run, id, Answer::Declined, &positions, |response| response.failed_because = Some(reason))
    } else {
        let reason = format!("declined by {by}");
        recall::send(run, id, Answer::ApprovedInPart, &declined, |response| {
            response.approved = true;
            let taken_out = |line: &&mut Line| line.position.is_some_and(|position| declined.contains(&position));
            for line in response.lines.iter_mut().filter(taken_out) {
                line.ignored = Some(reason.clone());
            }
        })
    };
    if walked {
        for question in questions {
            run.confirm_transmission(Some(question));
        }
    }
}

fn declined_lines(approval: &Approval) -> BTreeSet<u32> {
    let declined = |line: &LineDecision| matches!(line, LineDecision::Declined { .. });
    approval.lines.iter().filter(|(_, line)| declined(line)).map(|(position, _)| *position).collect()
}

/// An approver's reply. Every reply of somebody who may answer gets a receipt.
pub fn decide(run: &mut Run<'_, '_>, decision: Decision) {
    let id = decision.response;
    run.by.clone_from(&decision.by);
    let Some(response) = run.response(id) else {
        return run.refuse(Refused::Unknown(format!("order {} has no response {id}", run.dossier.number)));
    };
    let Some(approval) = &response.approval else {
        return run.refuse(Refused::Unknown(format!("nothing was asked about {id}")));
    };
    if !approval.approvers.iter().any(|address| address.eq_ignore_ascii_case(&decision.by)) {
        return run.refuse(Refused::NotAllowed(format!("{} was not asked about {id}", decision.by)));
    }
    let live = response.status == Status::NotCheckedDoApprove
        && approval.version == decision.version
        && !approval.on_hold
        && !is_settled(response);
    let stale = match &approval.decided_by {
        Some(by) => (Understood::AlreadyDecided, Some(by.clone())),
        None => (Understood::NoLongerAsked, None),
    };
    let wants = |verb: fn(&Verb) -> bool| decision.commands.iter().any(|command| verb(&command.verb));
    let understood = decision.kind == DecisionKind::Decision;
    if understood && wants(|verb| *verb == Verb::Undo) {
        let undone = decision.commands.len() == 1 && recall::undo(run, id, &decision.by);
        if undone {
            receipt(run, &decision, Understood::Undone, None);
        } else {
            receipt(
                run,
                &decision,
                Understood::NoLongerAsked,
                Some("there is no decline that can still be undone".into()),
            );
            run.refuse(Refused::NotPossible(format!("no decline of {id} can still be undone")));
        }
        return;
    }
    if understood
        && !decision.commands.is_empty()
        && decision.commands.iter().all(|c| matches!(c.verb, Verb::Status | Verb::Help))
    {
        let outcome = if wants(|verb| *verb == Verb::Help) { Understood::Help } else { Understood::Status };
        return receipt(run, &decision, outcome, None);
    }
    if !live {
        receipt(run, &decision, stale.0, stale.1);
        return run.refuse(Refused::NotPossible(format!("{id} is not asked about any more")));
    }
    match decision.kind {
        DecisionKind::Decision if !decision.commands.is_empty() => apply(run, decision),
        DecisionKind::Decision | DecisionKind::Comment => {
            remark(run, &decision);
            receipt(run, &decision, Understood::Comment, None);
        }
        DecisionKind::Ambiguous => not_understood(run, &decision, "the reply can be read in more than one way".into()),
    }
}

fn not_understood(run: &mut Run<'_, '_>, decision: &Decision, why: String) {
    remark(run, decision);
    receipt(run, decision, Understood::NotUnderstood, Some(why.clone()));
    run.refuse(Refused::NotPossible(why));
}

/// What somebody wrote besides commands is kept.
fn remark(run: &mut Run<'_, '_>, decision: &Decision) {
    let text: Vec<&str> = decision.lines.iter().map(|(line, _)| line.as_str()).collect();
    let text: String = text.join(" / ").chars().take(2_000).collect();
    let Some(approval) = run.touch(decision.response).and_then(|r| r.approval.as_mut()) else { return };
    if approval.comments.len() < COMMENTS_MAX && !text.is_empty() {
        approval.comments.push(format!("{}: {text}", decision.by));
    }
}

fn apply(run: &mut Run<'_, '_>, decision: Decision) {
    let id = decision.response;
    let Some(response) = run.response(id) else { return };
    let chosen = match choose(response, &decision.commands) {
        Ok(chosen) => chosen,
        Err(why) => return not_understood(run, &decision, why),
    };
    let now = run.now();
    let whole =
        decision.commands.iter().any(|c| c.verb == Verb::Decline && c.scope != Scope::Rest && c.scope == Scope::All);
    let Some(approval) = run.touch(id).and_then(|response| response.approval.as_mut()) else { return };
    for (position, approved) in &chosen {
        let by = decision.by.clone();
        let line =
            if *approved { LineDecision::Approved { by, at: now } } else { LineDecision::Declined { by, at: now } };
        approval.lines.insert(*position, line);
    }
    approval.whole = whole && declined_lines(approval).len() == approval.lines.len();
    let open = approval.lines.values().any(|line| *line == LineDecision::Open);
    if !open {
        approval.decided_by = Some(decision.by.clone());
    }
    let mut outcome = Understood::Comment;
    let mut detail = None;
    for command in &decision.commands {
        match &command.verb {
            Verb::Ask(text) => {
                outcome = Understood::Asked;
                ask_partner(run, id, &decision.by, text);
            }
            Verb::Delegate(address) => match delegate(run, id, address) {
                Ok(()) => (outcome, detail) = (Understood::Delegated, Some(address.clone())),
                Err(error) => detail = Some(error),
            },
            Verb::Hold(pause) => (outcome, detail) = (Understood::OnHold, hold(run, id, *pause)),
            Verb::Approve | Verb::Decline | Verb::Status | Verb::Help | Verb::Undo => {}
        }
    }
    if !chosen.is_empty() {
        run.out.decided.insert(id);
        let words = |approved: bool| {
            chosen.iter().filter(|(_, a)| **a == approved).map(|(p, _)| p.to_string()).collect::<Vec<_>>().join(", ")
        };
        for (approved, what) in [(true, "approved"), (false, "declined")] {
            let lines = words(approved);
            if !lines.is_empty() {
                run.audit(&decision.by, what, id.to_string(), format!("lines {lines}"));
            }
        }
        if open {
            let owed = receipt_owed(run, &decision, Understood::Partly, detail);
            let note = format!("by {}", decision.by);
            run.walk_owing(id, Answer::PartlyDecided, Some(note), vec![owed], |_| {});
            return;
        }
        outcome = Understood::Decided;
        settle(run, id);
    }
    receipt(run, &decision, outcome, detail);
}

/// Which line is approved (true) or declined; `Err` = it can be read in more than one way.
fn choose(response: &Response, commands: &[Command]) -> Result<BTreeMap<u32, bool>, String> {
    let Some(approval) = &response.approval else { return Err("nothing is asked".into()) };
    let is_open = |position: &u32| approval.lines.get(position) == Some(&LineDecision::Open);
    let open: BTreeSet<u32> = approval.lines.keys().copied().filter(is_open).collect();
    let verdict = |verb: &Verb| match verb {
        Verb::Approve => Some(true),
        Verb::Decline => Some(false),
        _ => None,
    };
    let mut named: Vec<(bool, BTreeSet<u32>)> = Vec::new();
    for command in commands {
        let (Some(approved), Scope::Lines { ranges, products }) = (verdict(&command.verb), &command.scope) else {
            continue;
        };
        let mut lines = BTreeSet::new();
        for (from, to) in ranges {
            let within: Vec<u32> =
                approval.lines.range(*from..=(*to).max(*from)).map(|(position, _)| *position).collect();
            if within.is_empty() {
                let range = if from == to { from.to_string() } else { format!("{from}-{to}") };
                return Err(format!("line {range} is not in question"));
            }
            lines.extend(within);
        }
        for product in products {
            lines.insert(position_of_product(response, approval, product)?);
        }
        if let Some(decided) = lines.iter().find(|line| !open.contains(line)) {
            let by = match approval.lines.get(decided) {
                Some(LineDecision::Approved { by, .. } | LineDecision::Declined { by, .. }) => by.as_str(),
                _ => "somebody",
            };
            return Err(format!("line {decided} was decided by {by} already"));
        }
        named.push((approved, lines));
    }
    let by_name: BTreeSet<u32> = named.iter().flat_map(|(_, lines)| lines).copied().collect();
    for command in commands {
        let Some(approved) = verdict(&command.verb) else { continue };
        match command.scope {
            Scope::All => named.push((approved, open.clone())),
            Scope::Rest => named.push((approved, open.difference(&by_name).copied().collect())),
            Scope::Lines { .. } => {}
        }
    }
    let mut chosen = BTreeMap::new();
    for (approved, lines) in named {
        for line in lines {
            if chosen.insert(line, approved).is_some_and(|before| before != approved) {
                return Err(format!("line {line} is both approved and declined"));
            }
        }
    }
    Ok(chosen)
}

fn position_of_product(response: &Response, approval: &Approval, product: &str) -> Result<u32, String> {
    let is = |line: &&Line| {
        [&line.supplier_sku, &line.shop_sku, &line.gtin, &line.product_id]
            .into_iter()
            .flatten()
            .any(|known| same_product(known, product))
    };
    let found: BTreeSet<u32> = response.lines.iter().filter(is).filter_map(|line| line.position).collect();
    let asked: Vec<u32> = found.into_iter().filter(|position| approval.lines.contains_key(position)).collect();
    match asked.as_slice() {
        [one] => Ok(*one),
        [] => Err(format!("{product} is not in question")),
        _ => Err(format!("{product} stands on several lines")),
    }
}

fn receipt_owed(run: &mut Run<'_, '_>, decision: &Decision, outcome: Understood, detail: Option<String>) -> Owed {
    let approval = run.response(decision.response).and_then(|response| response.approval.as_ref());
    let lines_that = |is: fn(&LineDecision) -> bool| -> Vec<u32> {
        let lines =
            approval.map(|approval| approval.lines.iter().filter(|(_, line)| is(line)).map(|(p, _)| *p).collect());
        lines.unwrap_or_default()
    };
    let receipt = Receipt {
        outcome,
        lines: decision.lines.clone(),
        approved: lines_that(|line| matches!(line, LineDecision::Approved { .. })),
        declined: lines_that(|line| matches!(line, LineDecision::Declined { .. })),
        open: lines_that(|line| *line == LineDecision::Open),
        detail,
    };
    let to = Recipient::Address(decision.by.clone());
    run.owed(TransmissionKind::Receipt, to, Some(decision.response), About::Receipt(receipt))
}

fn receipt(run: &mut Run<'_, '_>, decision: &Decision, outcome: Understood, detail: Option<String>) {
    let owed = receipt_owed(run, decision, outcome, detail);
    run.courtesy(owed);
}

/// A word to an approver (or a partner) that answers no reply of theirs in this run.
pub fn tell(run: &mut Run<'_, '_>, id: Option<ResponseId>, to: String, outcome: Understood, detail: String) {
    let receipt = Receipt {
        outcome,
        lines: Vec::new(),
        approved: Vec::new(),
        declined: Vec::new(),
        open: Vec::new(),
        detail: Some(detail),
    };
    let owed = run.owed(TransmissionKind::Receipt, Recipient::Address(to), id, About::Receipt(receipt));
    run.courtesy(owed);
}

fn ask_partner(run: &mut Run<'_, '_>, id: ResponseId, by: &str, text: &str) {
    let Some(partner) = run.response(id).map(|response| response.partner.clone()) else { return };
    let about = About::Question { by: by.to_string(), text: text.chars().take(2_000).collect() };
    let owed = run.owed(TransmissionKind::Question, Recipient::Partner(partner), Some(id), about);
    run.audit(by, "asked the partner", id.to_string(), text);
    if let Some(response) = run.touch(id) {
        response.course.asked.insert(owed.id, by.to_string());
    }
    run.courtesy(owed);
}

/// The partner's words go to whoever asked, with the question as it stands now: they decide nothing.
pub fn partner_answered(run: &mut Run<'_, '_>, answered: QuestionAnswered) {
    let QuestionAnswered { question, response: id, partner, by, words } = answered;
    run.by.clone_from(&by);
    let Some(response) = run.response(id) else {
        return run.refuse(Refused::Unknown(format!("order {} has no response {id}", run.dossier.number)));
    };
    if response.partner != partner {
        return run.refuse(Refused::NotAllowed(format!("{partner} was not asked about {id}")));
    }
    let approval = response.approval.as_ref();
    let asked = response.course.asked.get(&question).cloned();
    // A question from before it was kept who asks: all who may decide should hear of it.
    let all = || approval.map(|approval| approval.approvers.clone()).unwrap_or_default();
    let readers = asked.map_or_else(all, |asked| vec![asked]);
    let stands = response.status == Status::NotCheckedDoApprove && !is_settled(response);
    let open = |reader: &String| -> Vec<u32> {
        let may_decide = |approval: &&Approval| {
            stands && !approval.on_hold && approval.approvers.iter().any(|known| known.eq_ignore_ascii_case(reader))
        };
        let lines = approval.filter(may_decide).map(|approval| &approval.lines);
        lines.into_iter().flatten().filter(|(_, line)| **line == LineDecision::Open).map(|(p, _)| *p).collect()
    };
    let receipts: Vec<(String, Receipt)> = readers
        .into_iter()
        .map(|reader| {
            let receipt = Receipt {
                outcome: Understood::PartnerAnswered,
                lines: words.iter().map(|line| (line.clone(), String::new())).collect(),
                approved: Vec::new(),
                declined: Vec::new(),
                open: open(&reader),
                detail: None,
            };
            (reader, receipt)
        })
        .collect();
    run.confirm_transmission(Some(question));
    let text: String = words.join(" / ").chars().take(2_000).collect();
    run.audit(&by, "answered the question", id.to_string(), text.clone());
    if let Some(approval) = run.touch(id).and_then(|response| response.approval.as_mut())
        && approval.comments.len() < COMMENTS_MAX
        && !text.is_empty()
    {
        approval.comments.push(format!("{by}: {text}"));
    }
    for (reader, receipt) in receipts {
        let to = Recipient::Address(reader);
        let owed = run.owed(TransmissionKind::Receipt, to, Some(id), About::Receipt(receipt));
        run.courtesy(owed);
    }
}

/// Another address may decide too, and is asked at once.
fn delegate(run: &mut Run<'_, '_>, id: ResponseId, address: &str) -> Result<(), String> {
    let plain = address.trim();
    if plain.len() > 320
        || !plain.contains('@')
        || plain.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',')
    {
        return Err(format!("`{address}` is no address"));
    }
    ask_also(run, id, vec![plain.to_string()], None)
}

/// Asks more approvers the question that stands; those asked before may still answer.
fn ask_also(run: &mut Run<'_, '_>, id: ResponseId, addresses: Vec<String>, rank: Option<usize>) -> Result<(), String> {
    let known = run.response(id).and_then(|r| r.approval.as_ref()).map_or(0, |approval| approval.approvers.len());
    if known + addresses.len() > APPROVERS_MAX {
        return Err(format!("more than {APPROVERS_MAX} people were asked already"));
    }
    let owed = question(run, id, addresses.clone());
    run.world.writer.write(&owed, run.dossier)?;
    let Some(approval) = run.touch(id).and_then(|response| response.approval.as_mut()) else { return Ok(()) };
    approval.earlier.extend(approval.question.replace(owed.id));
    approval.rank = rank.unwrap_or(approval.rank);
    for address in addresses {
        if !approval.approvers.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
            approval.approvers.push(address);
        }
    }
    Ok(())
}

/// HOLD: asked again after a while; the question does not expire before.
fn hold(run: &mut Run<'_, '_>, id: ResponseId, pause: Pause) -> Option<String> {
    let partner = run.response(id)?.partner.clone();
    let settings = run.settings(&partner);
    let now = run.now();
    let until = pause.after(now, &settings.time_zone).min(HOLD_MAX.after(now, "UTC")).max(now);
    let response = run.touch(id)?;
    response.due = Some(until);
    response.reminders = 0;
    let approval = response.approval.as_mut()?;
    let grace = wait::later(settings.approval_reminder, until, &settings).unwrap_or(until);
    approval.expires_at = approval.expires_at.map(|expiry| expiry.max(grace));
    Some(until.to_string())
}

/// Time passed without a decision: remind, ask the next approver, expire.
pub fn overdue(run: &mut Run<'_, '_>, id: ResponseId) {
    let now = run.now();
    let Some(response) = run.response(id) else { return };
    let (partner, reminders, order) = (response.partner.clone(), response.reminders, response.order.clone());
    let settings = run.settings(&partner);
    let Some(approval) = run.response(id).and_then(|response| response.approval.as_ref()) else { return };
    let (rank, on_hold, question) = (approval.rank, approval.on_hold, approval.question);
    let expired = approval.expires_at.is_some_and(|expiry| expiry <= now);
    let expires_at = approval.expires_at;
    let overdue = format!("nobody decided {id} of {partner} to order {order}");
    if expired || on_hold {
        if let Some(approval) = run.touch(id).and_then(|response| response.approval.as_mut()) {
            approval.on_hold = true;
        }
        wait::alarm_or_remind(
            run,
            id,
            AlarmKind::ApprovalOverdue,
            format!("{overdue}; the question has expired and is on hold"),
        );
        return;
    }
    let next = |settings: &Settings| {
        wait::later(settings.approval_reminder, now, settings).into_iter().chain(expires_at).min()
    };
    if reminders < settings.approval_reminders {
        let addresses = current_rank(&settings, rank);
        let count = reminders + 1;
        if let (Some(of), false) = (question, addresses.is_empty()) {
            let to = Recipient::Approvers { channel: run.channel(), addresses };
            let about = About::Reminder { of, of_kind: TransmissionKind::ConfirmResponse, count };
            let owed = run.owed(TransmissionKind::Reminder, to, Some(id), about);
            run.courtesy(owed);
        }
        if let Some(response) = run.touch(id) {
            (response.reminders, response.due) = (count, next(&settings));
        }
        return;
    }
    if escalate(run, id) {
        return;
    }
    wait::alarm_or_remind(run, id, AlarmKind::ApprovalOverdue, overdue);
    if let Some(response) = run.touch(id) {
        response.due = response.due.into_iter().chain(expires_at).min();
    }
}

fn current_rank(settings: &Settings, rank: usize) -> Vec<String> {
    settings.approvers.get(rank).or_else(|| settings.approvers.last()).cloned().unwrap_or_default()
}

/// The next approver in order is asked; `false` = there is none, or it could not be written.
pub fn escalate(run: &mut Run<'_, '_>, id: ResponseId) -> bool {
    let Some(response) = run.response(id) else { return false };
    let partner = response.partner.clone();
    let rank = response.approval.as_ref().map_or(0, |approval| approval.rank) + 1;
    let settings = run.settings(&partner);
    let Some(addresses) = settings.approvers.get(rank).filter(|addresses| !addresses.is_empty()).cloned() else {
        return false;
    };
    let now = run.now();
    match ask_also(run, id, addresses, Some(rank)) {
        Ok(()) => {
            if let Some(response) = run.touch(id) {
                response.reminders = 0;
                response.due = wait::due_on_entry(response, &settings, now);
            }
            true
        }
        Err(_) => false,
    }
}

/// An approver is away: the delegate is asked at once, else the next in order.
pub fn absent(run: &mut Run<'_, '_>, transmission: TransmissionId, by: &str, to: Option<&str>) {
    let asks = |response: &&Response| {
        response.status == Status::NotCheckedDoApprove
            && response
                .approval
                .as_ref()
                .is_some_and(|a| a.question == Some(transmission) || a.earlier.contains(&transmission))
    };
    let Some(id) = run.dossier.responses.values().find(asks).map(|response| response.id) else {
        return run.refuse(Refused::NotPossible(format!("{transmission} asks nothing any more")));
    };
    run.by = format!("{by} is away");
    let delegated = to.is_some_and(|address| delegate(run, id, address).is_ok());
    if !delegated && !escalate(run, id) {
        run.refuse(Refused::NotPossible(format!("{by} is away, and there is nobody else to ask about {id}")));
    }
}

/// A question that expired or was lost is asked anew: new version, new token, from the first approver on.
pub fn ask_again(run: &mut Run<'_, '_>, id: ResponseId) -> Result<(), String> {
    let Some(response) = run.response(id) else { return Err(format!("there is no response {id}")) };
    if response.status != Status::NotCheckedDoApprove || is_settled(response) {
        return Err(format!("{id} stands in {}: nothing is asked", response.status));
    }
    let partner = response.partner.clone();
    let settings = run.settings(&partner);
    let Some(first) = settings.approvers.first().cloned() else { return Err("no approver is configured".into()) };
    let now = run.now();
    let before = run.response(id).cloned();
    let owed = question(run, id, first.clone());
    if let Some(response) = run.touch(id) {
        response.reminders = 0;
        if let Some(approval) = response.approval.as_mut() {
            approval.version += 1;
            approval.earlier.extend(approval.question.replace(owed.id));
            (approval.asked_at, approval.rank, approval.approvers, approval.on_hold) = (now, 0, first, false);
            approval.expires_at = wait::later(settings.approval_expiry, now, &settings);
        }
        response.due = wait::due_on_entry(response, &settings, now);
    }
    if let Err(error) = run.world.writer.write(&owed, run.dossier) {
        if let Some(before) = before {
            run.dossier.responses.insert(id, before);
        }
        return Err(error);
    }
    run.alarm_over(id, AlarmKind::ApprovalOverdue);
    Ok(())
}

/// Leaves a status that waits for somebody: the question to approvers is withdrawn, the request to the
/// partner is answered or no longer wanted.
pub fn retire(
    run: &mut Run<'_, '_>,
    id: ResponseId,
    answer: Answer,
    note: Option<String>,
    reason: &str,
    request_answered: bool,
    change: impl FnOnce(&mut Response),
) -> bool {
    let Some(response) = run.response(id) else { return false };
    let Some(row) = row_of(Some(response.status), answer) else { return false };
    let withdraws = row.owes.contains(&TransmissionKind::Withdrawal);
    let request = response.request;
    let left = response.waits_for.as_ref().and_then(|wait| wait.left);
    let asks = [Some(response.status), left].contains(&Some(Status::NotCheckedDoApprove));
    let approval = response.approval.clone().filter(|_| withdraws && asks);
    let mut owed = Vec::new();
    if let Some(approval) = &approval
        && let Some(of) = approval.question
    {
        let to = Recipient::Approvers { channel: run.channel(), addresses: approval.approvers.clone() };
        let about = About::Withdrawal { of, reason: reason.to_string() };
        owed.push(run.owed(TransmissionKind::Withdrawal, to, Some(id), about));
    }
    let walked = run.walk_owing(id, answer, note, owed, |response| {
        response.request = None;
        if withdraws && let Some(approval) = &mut response.approval {
            approval.on_hold = true;
        }
        change(response);
    });
    if walked {
        if request_answered {
            run.confirm_transmission(request)
        } else {
            run.cancel_transmission(request)
        }
        for question in approval.iter().flat_map(|a| a.earlier.iter().copied().chain(a.question)) {
            run.cancel_transmission(Some(question));
        }
    }
    walked
}
