//! S8: the talk with the sales desk. What is asked, what a reply decides, and what a person does in shell or
//! console. The first valid decision wins; what is not clear decides nothing and is answered.

use rust_decimal::Decimal;

use super::compare::{articles, position_of};
use super::input::{LineValue, Lines, SaleAction, SaleCommand, SaleDecision, SalePerson, SaleRefused};
use super::run::Run;
use super::table::{Answer, row_of};
use super::{check, confirm, take};
use crate::model::{
    Field, Handing, Outcome, Override, Receipt, Said, Sale, SaleAbout, SaleComment, SaleOwed, SaleStatus,
    SalesQuestion, TransmissionKind, Value,
};
use crate::process::{DecisionKind, NUMBER_MAX};

/// Words of the desk that are kept.
const COMMENTS_MAX: usize = 50;

/// Walks a row that asks the sales desk: one mail each, the question's version counts up.
pub fn ask_after(run: &mut Run<'_, '_>, answer: Answer, note: Option<String>) {
    let desk = run.world.settings.sales.clone();
    if desk.is_empty() {
        return run.fail("sales.addresses names nobody who could decide".into());
    }
    let owed: Vec<SaleOwed> = desk
        .into_iter()
        .map(|address| run.owed(TransmissionKind::ConfirmOrder, vec![address], SaleAbout::Sale))
        .collect();
    let settings = run.world.settings;
    let now = run.now();
    let remind_at = settings.reminder.after(now, &settings.time_zone);
    let remind_at = Some(remind_at).filter(|_| !settings.reminder.is_none());
    let before = run.sale.open_question().map(|question| question.transmissions.clone()).unwrap_or_default();
    let question = SalesQuestion {
        version: run.sale.question.as_ref().map_or(0, |question| question.version).saturating_add(1),
        transmissions: owed.iter().map(|owed| owed.id).collect(),
        asked_at: now,
        decided_by: None,
        comments: run.sale.question.as_ref().map(|question| question.comments.clone()).unwrap_or_default(),
    };
    let walked = run.walk_owing(answer, note, owed, |sale| {
        (sale.question, sale.remind_at) = (Some(question), remind_at);
    });
    if walked {
        before.into_iter().for_each(|id| run.cancel_transmission(Some(id)));
    }
}

/// Ends the question: nobody else decides it. `withdraw` tells the desk so.
pub fn end_question(run: &mut Run<'_, '_>, by: &str, withdraw: Option<&str>) -> Vec<SaleOwed> {
    let Some(question) = run.sale.open_question().cloned() else { return Vec::new() };
    if let Some(open) = &mut run.touch().question {
        open.decided_by = Some(by.to_string());
    }
    let Some(reason) = withdraw else {
        question.transmissions.iter().for_each(|id| run.confirm_transmission(Some(*id)));
        return Vec::new();
    };
    question.transmissions.iter().for_each(|id| run.cancel_transmission(Some(*id)));
    let desk = run.world.settings.sales.clone();
    let pairs = desk.into_iter().zip(question.transmissions);
    pairs
        .map(|(address, of)| {
            let about = SaleAbout::Withdrawal { of, reason: reason.to_string() };
            run.owed(TransmissionKind::Withdrawal, vec![address], about)
        })
        .collect()
}

/// What tells the customer that the order is not taken.
pub fn refusal(run: &mut Run<'_, '_>) -> SaleOwed {
    let reason = run.sale.canceled_because.clone().unwrap_or_default();
    run.owed(TransmissionKind::RequestNewOrder, run.customer(), SaleAbout::Declined { reason })
}

/// A reply of the sales desk.
pub fn decide(run: &mut Run<'_, '_>, decision: SaleDecision) {
    run.by.clone_from(&decision.by);
    let by = decision.by.clone();
    let question = run.sale.question.clone();
    let open = run.sale.open_question().is_some_and(|question| question.version == decision.version);
    if !open {
        let decided = question.and_then(|question| question.decided_by).filter(|_| run.sale.open_question().is_none());
        let outcome = if decided.is_some() { Outcome::AlreadyDecided } else { Outcome::NoLongerAsked };
        receipt(run, &by, outcome, decided, Vec::new());
        return run.not_possible(format!("{} is not asked about any more", run.sale.id));
    }
    let lines = decision.lines.clone();
    match decision.kind {
        DecisionKind::Comment => {
            comment(run, &by, &lines);
            return receipt(run, &by, Outcome::Comment, None, lines);
        }
        DecisionKind::Ambiguous => return receipt(run, &by, Outcome::NotUnderstood, None, lines),
        DecisionKind::Decision => {}
    }
    match Wish::of(&decision.commands, run.sale) {
        Err(why) => receipt(run, &by, Outcome::NotUnderstood, Some(why), lines),
        Ok(Wish::Status) => {
            let stands = format!("{} since {}", run.sale.status, run.sale.entered_at);
            receipt(run, &by, Outcome::Status, Some(stands), lines);
        }
        Ok(Wish::Help) => receipt(run, &by, Outcome::Help, None, lines),
        Ok(Wish::Ask(text)) => {
            ask_customer(run, &by, text);
            receipt(run, &by, Outcome::Asked, None, lines);
        }
        Ok(wish) => {
            let comments: Vec<_> = lines.iter().filter(|(_, read)| read == "comment").cloned().collect();
            comment(run, &by, &comments);
            let done = wish.name();
            if settle(run, &by, wish, &comments) {
                receipt(run, &by, Outcome::Decided, Some(done.into()), lines);
            }
        }
    }
}

/// What a reply as a whole wants.
enum Wish {
    Release,
    Decline,
    Change(Vec<(Lines, Vec<LineValue>)>),
    Ask(String),
    Status,
    Help,
}

impl Wish {
    fn of(commands: &[SaleCommand], sale: &Sale) -> Result<Wish, String> {
        if let Some(SaleCommand::OutOfPlace(words)) =
            commands.iter().find(|command| matches!(command, SaleCommand::OutOfPlace(_)))
        {
            return Err(words.clone());
        }
        let has = |wanted: fn(&SaleCommand) -> bool| commands.iter().any(wanted);
        let release = has(|c| matches!(c, SaleCommand::Release));
        let decline = has(|c| matches!(c, SaleCommand::Decline));
        let changes: Vec<(Lines, Vec<LineValue>)> = commands
            .iter()
            .filter_map(|command| match command {
                SaleCommand::Change { lines, values } => Some((lines.clone(), values.clone())),
                _ => None,
            })
            .collect();
        let asked = commands.iter().find_map(|command| match command {
            SaleCommand::Ask(text) => Some(text.clone()),
            _ => None,
        });
        if [decline, release || !changes.is_empty(), asked.is_some()].iter().filter(|wish| **wish).count() > 1 {
            return Err("it wants several things that do not go together".into());
        }
        if let Some(text) = asked {
            return Ok(Wish::Ask(text));
        }
        if decline {
            return Ok(Wish::Decline);
        }
        // RELEASE beside CHANGE: what the order system makes of the change is compared again in any case.
        if !changes.is_empty() {
            return Ok(Wish::Change(changes));
        }
        if release {
            if sale.status == SaleStatus::NotAnnounced {
                return Err("the order system does not have the order: CHANGE it, or DECLINE".into());
            }
            return Ok(Wish::Release);
        }
        if has(|c| matches!(c, SaleCommand::Status)) {
            return Ok(Wish::Status);
        }
        Ok(Wish::Help)
    }

    fn name(&self) -> &'static str {
        match self {
            Wish::Release => "RELEASE",
            Wish::Decline => "DECLINE",
            Wish::Change(_) => "CHANGE",
            Wish::Ask(_) => "ASK",
            Wish::Status => "STATUS",
            Wish::Help => "HELP",
        }
    }
}

/// Carries a decision out; `false` = it was answered that it cannot be.
fn settle(run: &mut Run<'_, '_>, by: &str, wish: Wish, comments: &[(String, String)]) -> bool {
    match wish {
        Wish::Release => {
            end_question(run, by, None);
            run.audit(by, "order released", "");
            run.walk(Answer::Released, Some(format!("by {by}")))
        }
        Wish::Decline => {
            let words: Vec<&str> = comments.iter().map(|(text, _)| text.as_str()).collect();
            decline(run, by, &words.join(" "))
        }
        Wish::Change(changes) => match changed(run.sale, &changes, by) {
            Ok((lines, words)) => {
                end_question(run, by, None);
                run.audit(by, "order changed", words.clone());
                run.walk_owing(Answer::ChangedByDesk, Some(format!("{words} (by {by})")), Vec::new(), |sale| {
                    sale.wanted.lines = lines;
                    sale.version = sale.version.saturating_add(1);
                    // What the desk changed it has seen.
                    sale.ask_anyway = false;
                })
            }
            Err(why) => {
                receipt(run, by, Outcome::NotUnderstood, Some(why.clone()), Vec::new());
                run.not_possible(why);
                false
            }
        },
        Wish::Ask(_) | Wish::Status | Wish::Help => false,
    }
}

/// The order is not taken: what the order system may have is taken back first.
pub fn decline(run: &mut Run<'_, '_>, by: &str, reason: &str) -> bool {
    let words = if reason.is_empty() { format!("declined by {by}") } else { format!("declined by {by}: {reason}") };
    let answer = match run.sale.status {
        SaleStatus::CheckAnnounced | SaleStatus::NotAnnounced => Answer::Declined,
        _ => Answer::GivenUp,
    };
    let Some(row) = row_of(Some(run.sale.status), answer) else {
        run.not_possible(format!("{} stands in {}: nothing can be declined", run.sale.id, run.sale.status));
        return false;
    };
    run.touch().canceled_because = Some(reason.to_string());
    if row.to == SaleStatus::NotAnnouncedDoCancel {
        let Some(handing) = confirm::make(run, Handing::Cancellation) else { return false };
        let request = run.sale.request;
        end_question(run, by, None);
        run.audit(by, "order declined", reason);
        run.cancel_transmission(request);
        return run.walk_owing(answer, Some(words), Vec::new(), |sale| sale.hand_overs.push(handing));
    }
    let request = run.sale.request;
    let owed: Vec<SaleOwed> = if row.owes.is_empty() { Vec::new() } else { vec![refusal(run)] };
    end_question(run, by, None);
    run.audit(by, "order declined", reason);
    run.cancel_transmission(request);
    run.walk_owing(answer, Some(words), owed, |sale| sale.request = None)
}

fn ask_customer(run: &mut Run<'_, '_>, by: &str, text: String) {
    let about = SaleAbout::Question { by: by.to_string(), text: text.clone() };
    let owed = run.owed(TransmissionKind::Question, run.customer(), about);
    run.audit(by, "customer asked", text.clone());
    run.walk_owing(Answer::CustomerAsked, Some(text), vec![owed], |_| {});
}

/// The lines as they are wanted now, and the changes in words.
fn changed(
    sale: &Sale,
    changes: &[(Lines, Vec<LineValue>)],
    by: &str,
) -> Result<(Vec<std::collections::BTreeMap<Field, Said>>, String), String> {
    let mut lines = sale.wanted.lines.clone();
    let mut words = Vec::new();
    for (which, values) in changes {
        if values.is_empty() {
            return Err("a CHANGE says no new value, like qty = 8 or price = 12.50".into());
        }
        let mut found = 0;
        for line in lines.iter_mut().filter(|line| names(which, line)) {
            found += 1;
            let position = position_of(line).unwrap_or_default();
            for value in values {
                let (field, value) = new_value(value)?;
                words.push(format!("line {position} {} = {value}", field.name()));
                if field == Field::SupplierSku {
                    // The numbers and the name of the article that was ordered are not those of the other one.
                    super::compare::ARTICLES.iter().for_each(|other| drop(line.remove(other)));
                    line.remove(&Field::Name);
                }
                line.insert(field, Said::filled(value, by));
            }
        }
        // Each line or article that is named must be there; a range must have a line.
        if found == 0 || (matches!(which, Lines::Some { .. }) && missing(which, &sale.wanted.lines)) {
            return Err(format!("the order has no such line ({})", describe(which)));
        }
    }
    // Nothing left is no order: DECLINE says that.
    lines.retain(|line| super::compare::number(line, Field::Quantity).is_none_or(|quantity| quantity > Decimal::ZERO));
    if lines.is_empty() {
        return Err("nothing would be left of the order: DECLINE it".into());
    }
    Ok((lines, words.join(", ")))
}

fn missing(which: &Lines, lines: &[std::collections::BTreeMap<Field, Said>]) -> bool {
    let Lines::Some { ranges, articles: wanted } = which else { return false };
    let inside = |(from, to): &(u32, u32)| {
        lines.iter().filter_map(position_of).any(|position| (*from..=*to).contains(&position))
    };
    let there = |article: &String| {
        lines.iter().any(|line| articles(line).iter().any(|(_, own)| own.eq_ignore_ascii_case(article)))
    };
    !ranges.iter().all(inside) || !wanted.iter().all(there)
}

fn describe(which: &Lines) -> String {
    match which {
        Lines::All => "it has none".into(),
        Lines::Some { ranges, articles } => {
            let ranges =
                ranges.iter().map(|(from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") });
            ranges.chain(articles.iter().cloned()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn names(which: &Lines, line: &std::collections::BTreeMap<Field, Said>) -> bool {
    match which {
        Lines::All => true,
        Lines::Some { ranges, articles: wanted } => {
            let position = position_of(line);
            position.is_some_and(|position| ranges.iter().any(|(from, to)| (*from..=*to).contains(&position)))
                || articles(line).iter().any(|(_, own)| wanted.iter().any(|article| own.eq_ignore_ascii_case(article)))
        }
    }
}

fn new_value(value: &LineValue) -> Result<(Field, Value), String> {
    let sound = |number: Decimal| (Decimal::ZERO..=NUMBER_MAX).contains(&number);
    match value {
        LineValue::Quantity(quantity) if sound(*quantity) => Ok((Field::Quantity, Value::Number(*quantity))),
        LineValue::Price(price) if sound(*price) => Ok((Field::PriceNet, Value::Number(*price))),
        LineValue::Quantity(number) | LineValue::Price(number) => Err(format!("{number} cannot be ordered")),
        LineValue::Date(date) => Ok((Field::RequestedDate, Value::Date(*date))),
        LineValue::Article(article) => Ok((Field::SupplierSku, Value::Text(article.clone()))),
    }
}

fn comment(run: &mut Run<'_, '_>, by: &str, lines: &[(String, String)]) {
    let words: Vec<&str> = lines.iter().map(|(text, _)| text.as_str()).collect();
    let now = run.now();
    if words.is_empty() {
        return;
    }
    if let Some(question) = &mut run.touch().question
        && question.comments.len() < COMMENTS_MAX
    {
        question.comments.push(SaleComment { by: by.to_string(), at: now, words: words.join("\n") });
    }
}

/// Every reply gets a short answer: what was understood.
fn receipt(run: &mut Run<'_, '_>, to: &str, outcome: Outcome, detail: Option<String>, lines: Vec<(String, String)>) {
    let receipt = Receipt { outcome, lines, approved: Vec::new(), declined: Vec::new(), open: Vec::new(), detail };
    let owed = run.owed(TransmissionKind::Receipt, vec![to.to_string()], SaleAbout::Receipt(receipt));
    run.courtesy(owed);
}

/// The customer answered with words that are no order.
pub fn customer_wrote(run: &mut Run<'_, '_>, mail: crate::model::MailId, by: &str) {
    run.by = format!("mail {mail}");
    if row_of(Some(run.sale.status), Answer::AskedAgain).is_none() {
        return run.not_possible(format!("{} does not wait for words of the customer", run.sale.id));
    }
    run.audit(by, "customer wrote", mail.to_string());
    ask_after(run, Answer::AskedAgain, Some(format!("the customer answered ({mail})")));
}

/// What a person does in shell or console.
pub fn act(run: &mut Run<'_, '_>, person: SalePerson) {
    run.by.clone_from(&person.by);
    let SalePerson { by, reason, action } = person;
    let can = |run: &Run<'_, '_>, answer| row_of(Some(run.sale.status), answer).is_some();
    match action {
        SaleAction::Recheck(order) => recheck(run, &by, &reason, order.map(|order| *order)),
        SaleAction::Force if can(run, Answer::Forced) => {
            if reason.is_empty() {
                return run.not_possible("an override needs a reason");
            }
            let (now, request) = (run.now(), run.sale.request);
            run.audit(&by, "order forced", reason.clone());
            run.cancel_transmission(request);
            run.walk_owing(Answer::Forced, Some(format!("{reason} (by {by})")), Vec::new(), |sale| {
                sale.forced = Some(Override { by, reason, at: now });
                sale.request = None;
            });
        }
        SaleAction::Decline => drop(decline(run, &by, &reason)),
        SaleAction::Release if can(run, Answer::Released) => drop(settle(run, &by, Wish::Release, &[])),
        SaleAction::Change { lines, values } if can(run, Answer::ChangedByDesk) => {
            match changed(run.sale, &[(lines.clone(), values.clone())], &by) {
                Ok(_) => drop(settle(run, &by, Wish::Change(vec![(lines, values)]), &[])),
                Err(why) => run.not_possible(why),
            }
        }
        SaleAction::Ask(text) if can(run, Answer::CustomerAsked) => ask_customer(run, &by, text),
        SaleAction::AskAgain if can(run, Answer::AskedAgain) => {
            run.audit(&by, "asked again", reason);
            ask_after(run, Answer::AskedAgain, Some(format!("by {by}")));
        }
        SaleAction::HandOver => hand_over(run, &by, &reason),
        other => {
            let words = format!("{other:?}");
            let name = words.split(['(', ' ', '{']).next().unwrap_or("").to_lowercase();
            run.refuse(SaleRefused::NotPossible(format!(
                "{} stands in {}: {name} is not possible there",
                run.sale.id, run.sale.status
            )));
        }
    }
}

fn recheck(run: &mut Run<'_, '_>, by: &str, reason: &str, order: Option<super::ReceivedOrder>) {
    if run.sale.error.is_some() {
        run.audit(by, "tried again", reason);
        run.touch().retry_at = None;
        run.touch().error = None;
        run.alarm_over(crate::model::AlarmKind::StepFailed);
        return;
    }
    if run.sale.status != SaleStatus::NotChecked {
        return run.not_possible(format!("{} stands in {}: nothing is to be checked", run.sale.id, run.sale.status));
    }
    run.audit(by, "checked again", reason);
    let request = run.sale.request;
    if let Some(order) = order {
        // The same mail read by a mended mapping takes the place of what was read before.
        run.touch().versions.pop();
        take::keep(run, order);
    } else if let Some(version) = run.sale.versions.last() {
        let wanted = check::wanted(&version.message, run.sale, run.world.settings);
        run.touch().wanted = wanted;
    }
    run.cancel_transmission(request);
    run.walk_owing(Answer::Corrected, Some(reason.to_string()).filter(|r| !r.is_empty()), Vec::new(), |sale| {
        sale.request = None;
    });
}

/// Now, not when its turn comes: the same key. After a refusal it is a new version under a new key.
fn hand_over(run: &mut Run<'_, '_>, by: &str, reason: &str) {
    let now = run.now();
    match run.sale.status {
        status if status.hands_over() => {
            run.audit(by, "hand over now", reason);
            if let Some(handing) = run.touch().hand_overs.last_mut() {
                handing.next_try = Some(now);
            }
        }
        SaleStatus::CreatedTransmission if run.world.settings.by_mail => {
            run.not_possible("it went by mail: resend the transmission");
        }
        SaleStatus::CreatedTransmission => {
            run.audit(by, "hand over again", reason);
            run.walk_owing(Answer::HandedOverAgain, Some(format!("by {by}")), Vec::new(), |sale| {
                if let Some(handing) = sale.hand_overs.last_mut() {
                    (handing.next_try, handing.handed_at) = (Some(now), None);
                }
            });
        }
        SaleStatus::NotAnnounced => {
            run.audit(by, "hand over again", reason);
            end_question(run, by, None);
            run.walk_owing(Answer::HandedOverAgain, Some(format!("by {by}")), Vec::new(), |sale| {
                sale.version = sale.version.saturating_add(1);
            });
        }
        status => run.not_possible(format!("{} stands in {status}: there is nothing to hand over", run.sale.id)),
    }
}
