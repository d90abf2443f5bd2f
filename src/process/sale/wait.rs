//! What time does to a sale: reminders, alarms, another try of what could not be done.

use super::run::Run;
use super::table::Answer;
use crate::model::{
    AlarmKind, Pause, Sale, SaleAbout, SaleSettings, SaleStatus, Timestamp, TransmissionId, TransmissionKind,
};

/// The pause before a step that could not be done is tried again: a minute, then twice as long, an hour at most.
pub fn retry_at(now: Timestamp, retries: u32) -> Timestamp {
    let seconds = 60_i64.saturating_mul(1 << retries.saturating_sub(1).min(6)).min(3_600);
    Pause::Calendar { seconds }.after(now, "UTC")
}

/// When the order system is tried again after so many tries.
pub fn next_try(settings: &SaleSettings, now: Timestamp, tries: u32) -> Timestamp {
    let seconds = |pause: Pause| match pause {
        Pause::Calendar { seconds } | Pause::Working { seconds } => seconds.max(1),
    };
    let (first, longest) = (seconds(settings.retry.0), seconds(settings.retry.1));
    let pause = first.saturating_mul(1 << tries.saturating_sub(1).min(20)).min(longest.max(first));
    Pause::Calendar { seconds: pause }.after(now, "UTC")
}

/// The earliest moment at which time alone changes something. Tries to reach the order system are the gateway's.
pub fn due(sale: &Sale, settings: &SaleSettings, now: Timestamp) -> Option<Timestamp> {
    let unwritten = (!sale.unwritten.is_empty()).then(|| sale.retry_at.unwrap_or_else(|| retry_at(now, 1)));
    [sale.retry_at, sale.remind_at, still_at(sale, settings), unwritten].into_iter().flatten().min()
}

/// When it will have stood still for too long; `None` when it has ended or the alarm is up.
fn still_at(sale: &Sale, settings: &SaleSettings) -> Option<Timestamp> {
    let watched = !sale.status.is_end() && !sale.alarms.contains(&AlarmKind::OrderStandsStill);
    let limit = settings.still_limit;
    (watched && !limit.is_none() && sale.status.asks().waits())
        .then(|| limit.after(sale.entered_at, &settings.time_zone))
}

pub fn timer(run: &mut Run<'_, '_>) {
    run.by = "timer".into();
    let now = run.now();
    let passed = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
    if !run.sale.unwritten.is_empty() {
        let again = std::mem::take(&mut run.touch().unwritten);
        for owed in again {
            run.courtesy(owed);
        }
        if run.sale.unwritten.is_empty() && run.sale.error.is_none() {
            run.alarm_over(AlarmKind::StepFailed);
        }
        let retry = (!run.sale.unwritten.is_empty()).then(|| retry_at(now, 3));
        run.touch().retry_at = retry.or(run.sale.retry_at.filter(|_| run.sale.error.is_some()));
    }
    if passed(still_at(run.sale, run.world.settings)) {
        run.walk(Answer::StandsStill, None);
    }
    if passed(run.sale.remind_at) {
        remind(run);
    }
}

/// Somebody was asked and does not answer.
fn remind(run: &mut Run<'_, '_>) {
    let settings = run.world.settings;
    let (asked, limit, pause) = match run.sale.status {
        SaleStatus::NotChecked => (run.sale.request, settings.request_reminders, settings.request_reminder),
        _ => {
            let first = run.sale.open_question().and_then(|question| question.transmissions.first().copied());
            (first, settings.reminders, settings.reminder)
        }
    };
    run.touch().remind_at = None;
    let Some(of) = asked else { return };
    if run.sale.reminders >= limit {
        return stays_silent(run, None);
    }
    let (kind, answer, to) = match run.sale.status {
        SaleStatus::NotChecked => (TransmissionKind::RequestNewOrder, Answer::CustomerSilent, vec![run.customer()]),
        _ => {
            let desk = run.world.settings.sales.iter().map(|address| vec![address.clone()]).collect();
            (TransmissionKind::ConfirmOrder, Answer::DeskSilent, desk)
        }
    };
    let count = run.sale.reminders.saturating_add(1);
    let owed = to
        .into_iter()
        .map(|to| run.owed(TransmissionKind::Reminder, to, SaleAbout::Reminder { of, of_kind: kind, count }))
        .collect();
    let next = pause.after(run.now(), &settings.time_zone);
    run.walk_owing(answer, None, owed, |sale| {
        (sale.reminders, sale.remind_at) = (count, Some(next));
    });
}

/// A person must know that nobody answers.
fn stays_silent(run: &mut Run<'_, '_>, why: Option<String>) {
    let answer = match run.sale.status {
        SaleStatus::NotChecked => Answer::CustomerStaysSilent,
        SaleStatus::CheckAnnounced | SaleStatus::NotAnnounced => Answer::DeskStaysSilent,
        _ => return,
    };
    run.walk(answer, why);
}

/// A letter did not arrive: whoever waits for its answer does not wait any longer.
pub fn bounced(run: &mut Run<'_, '_>, transmission: TransmissionId, reason: &str) {
    run.by = format!("bounce of {transmission}");
    let question = run.sale.open_question().is_some_and(|q| q.transmissions.contains(&transmission));
    if run.sale.request == Some(transmission) && run.sale.status == SaleStatus::NotChecked {
        run.touch().remind_at = None;
        return stays_silent(run, Some(reason.to_string()));
    }
    // Another colleague of the desk may still answer; the last one that bounces leaves nobody.
    if question && run.world.settings.sales.len() <= 1 {
        run.touch().remind_at = None;
        return stays_silent(run, Some(reason.to_string()));
    }
    let handed = run.sale.hand_over().and_then(|handed| handed.said.as_deref()) == Some(&transmission.to_string());
    if handed && run.sale.status == SaleStatus::CreatedTransmission {
        super::desk::ask_after(run, Answer::HandOverBounced, Some(reason.to_string()));
    }
}

pub fn alarm_words(kind: AlarmKind, sale: &Sale) -> String {
    let order = format!("{} (order {} of {})", sale.id, sale.number, sale.customer);
    match kind {
        AlarmKind::Faulty => {
            let first = sale.faults.first().map_or("", |fault| fault.message.as_str());
            format!("{order} cannot be taken as it is: {first}")
        }
        AlarmKind::CustomerSilent => format!("{order}: the customer was asked for a new order and does not answer"),
        AlarmKind::OrderStandsStill => format!("{order} stands still in {} since {}", sale.status, sale.entered_at),
        AlarmKind::ApprovalOverdue => format!("{order}: the sales desk was asked and does not answer"),
        AlarmKind::CancellationRefused => {
            let why = sale.hand_over().and_then(|handed| handed.error.as_deref()).unwrap_or("no reason given");
            format!("{order}: the order system would not cancel it ({why}); cancel it there")
        }
        _ => order,
    }
}
