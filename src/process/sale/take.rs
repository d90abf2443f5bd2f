//! What each input does before the sale runs to rest.

use super::compare::is_acknowledgement;
use super::input::{ReceivedOrder, SaleInput, SaleRefused, Tried};
use super::run::Run;
use super::table::{Answer, row_of};
use super::{check, desk, wait};
use crate::model::{Field, Handing, OrderVersion, SaleStatus, SystemAnswer, Timestamp};

/// A customer that changes an order more often than this is a loop.
const VERSIONS_MAX: usize = 100;
/// An order system that answers one order more often than this is one, too.
const ANSWERS_MAX: usize = 200;

pub fn take(run: &mut Run<'_, '_>, input: SaleInput) {
    match input {
        SaleInput::OrderReceived(order) => received(run, *order),
        SaleInput::Tried { key, result } => tried(run, &key, result),
        SaleInput::Answered(answer) => answered(run, *answer),
        SaleInput::Decision(decision) => desk::decide(run, decision),
        SaleInput::CustomerWrote { mail, by } => desk::customer_wrote(run, mail, &by),
        SaleInput::Person(person) => desk::act(run, person),
        SaleInput::Timer => wait::timer(run),
        SaleInput::Bounced { transmission, reason } => wait::bounced(run, transmission, &reason),
    }
}

fn received(run: &mut Run<'_, '_>, order: ReceivedOrder) {
    run.by = order.mail.map_or_else(|| order.from.clone(), |mail| format!("mail {mail}"));
    if run.sale.history.is_empty() {
        keep(run, order);
        run.audit("gateway", "order received", "");
        return run.begin();
    }
    let same = run.sale.versions.last().is_some_and(|last| check::same_order(&last.message, &order.message));
    if same && run.sale.status != SaleStatus::NotChecked {
        return run.refuse(SaleRefused::Duplicate(format!("{} is this order already", run.sale.id)));
    }
    if run.sale.versions.len() >= VERSIONS_MAX {
        return run.refuse(SaleRefused::TooMuch(format!("{} was changed {VERSIONS_MAX} times", run.sale.id)));
    }
    if row_of(Some(run.sale.status), Answer::OrderChanged).is_none() {
        return run.refuse(SaleRefused::NotPossible(format!("{} cannot be changed now", run.sale.id)));
    }
    let known = check::may_be_known(run.sale);
    let withdrawn = desk::end_question(run, "customer", Some("the customer sent a changed order"));
    let request = run.sale.request;
    run.confirm_transmission(request);
    keep(run, order);
    run.audit("gateway", "order changed by the customer", format!("version {}", run.sale.versions.len()));
    run.walk_owing(Answer::OrderChanged, None, withdrawn, |sale| {
        (sale.ask_anyway, sale.request, sale.canceled_because) = (known, None, None);
        sale.differences.clear();
    });
}

/// A version of the customer's order becomes what is wanted.
pub fn keep(run: &mut Run<'_, '_>, order: ReceivedOrder) {
    let now = run.now();
    if let Some(number) = order.message.text(Field::OrderNumber).map(str::trim).filter(|number| !number.is_empty())
        && run.sale.hand_overs.is_empty()
    {
        // The first mail named none, or a wrong one; nobody outside knows it by that.
        let number = number.to_string();
        let sale = run.touch();
        sale.number = number;
        if let Some(called) = order.called.clone() {
            sale.order = called;
        }
    }
    let wanted = check::wanted(&order.message, run.sale, run.world.settings);
    let sale = run.touch();
    sale.wanted = wanted;
    sale.version = sale.version.saturating_add(1);
    let ReceivedOrder { message, mail, from, faults, .. } = order;
    sale.versions.push(OrderVersion { message, mail, from, at: now, faults });
}

/// The gateway tried to hand over what waits under this key.
fn tried(run: &mut Run<'_, '_>, key: &str, result: Tried) {
    run.by = "order system".into();
    let now = run.now();
    let current = run.sale.hand_over().filter(|handing| handing.key == key).map(|handing| handing.what);
    let Some(what) = current.filter(|_| run.sale.status.hands_over()) else {
        // It was changed or given up while it was under way: the order system may have it, and that is kept.
        if let Some(handing) = run.touch().hand_overs.iter_mut().find(|handing| handing.key == key) {
            handing.tries = handing.tries.saturating_add(1);
            if let Tried::Handed { said, .. } = &result {
                (handing.handed_at, handing.said, handing.next_try) = (Some(now), Some(said.clone()), None);
            }
        }
        if let Tried::Handed { answer: Some(answer), .. } = result {
            answered(run, *answer);
        }
        return;
    };
    match result {
        Tried::Handed { said, reference, answer } => {
            let row = if what == Handing::Cancellation { Answer::CancellationHanded } else { Answer::HandedOver };
            let owed = if what == Handing::Cancellation { vec![desk::refusal(run)] } else { Vec::new() };
            let note = Some(said.clone()).filter(|said| !said.is_empty());
            let walked = run.walk_owing(row, note, owed, |sale| {
                if let Some(handing) = sale.hand_overs.last_mut() {
                    handing.tries = handing.tries.saturating_add(1);
                    (handing.handed_at, handing.said) = (Some(now), Some(said));
                    (handing.next_try, handing.error) = (None, None);
                }
            });
            if let (true, Some(answer)) = (walked && what == Handing::Order, answer) {
                let answer = SystemAnswer { reference: answer.reference.clone().or(reference), ..*answer };
                answered(run, answer);
            }
        }
        Tried::Away { why, after } => {
            let settings = run.world.settings;
            let tries = run.sale.hand_over().map_or(0, |handing| handing.tries).saturating_add(1);
            let next = wait::next_try(settings, now, tries);
            let next = after.map_or(next, |after: Timestamp| after.max(next));
            // A row a try would make the history a log: it is walked when something new is said, the tries are counted.
            let said = run.sale.hand_over().and_then(|handing| handing.error.as_deref()) == Some(why.as_str());
            let stays = run.sale.status != SaleStatus::DoCreateTransmission && said;
            let change = |handing: &mut crate::model::HandOver| {
                (handing.tries, handing.next_try, handing.error) = (tries, Some(next), Some(why.clone()));
            };
            if stays {
                if let Some(handing) = run.touch().hand_overs.last_mut() {
                    change(handing);
                }
                return;
            }
            run.walk_owing(Answer::SystemAway, Some(why.clone()), Vec::new(), |sale| {
                if let Some(handing) = sale.hand_overs.last_mut() {
                    change(handing);
                }
            });
        }
        Tried::Refused { why } => {
            if let Some(handing) = run.touch().hand_overs.last_mut() {
                handing.tries = handing.tries.saturating_add(1);
                (handing.next_try, handing.error) = (None, Some(why.clone()));
            }
            if what == Handing::Cancellation {
                let owed = vec![desk::refusal(run)];
                run.walk_owing(Answer::CancellationRefused, Some(why), owed, |_| {});
            } else {
                run.touch().differences.clear();
                desk::ask_after(run, Answer::HandOverRefused, Some(why));
            }
        }
    }
}

fn answered(run: &mut Run<'_, '_>, mut answer: SystemAnswer) {
    run.by = format!("order system ({})", answer.by);
    if run.sale.answers.iter().any(|known| known.digest == answer.digest && known.version == answer.version) {
        return run.refuse(SaleRefused::Duplicate(format!("{} has this answer already", run.sale.id)));
    }
    if run.sale.answers.len() >= ANSWERS_MAX {
        return run.refuse(SaleRefused::TooMuch(format!("{} was answered {ANSWERS_MAX} times", run.sale.id)));
    }
    let before = run.sale.answer().map(|before| before.message.clone());
    let ignored = if is_acknowledgement(&answer.message) {
        Some("received, not processed yet: another answer will follow".to_string())
    } else if answer.version.is_some_and(|version| version != run.sale.version) {
        Some(format!("it answers version {}, not {}", answer.version.unwrap_or_default(), run.sale.version))
    } else if row_of(Some(run.sale.status), Answer::Answered).is_none() {
        Some(format!("{} stands in {}", run.sale.id, run.sale.status))
    } else if run.sale.status == SaleStatus::Closed
        && before.is_some_and(|before| check::same_order(&before, &answer.message))
    {
        Some("it says what was confirmed already".to_string())
    } else {
        None
    };
    let late = ignored.is_none();
    answer.ignored = ignored;
    let withdrawn =
        if late { desk::end_question(run, "order system", Some("the order system answered anew")) } else { Vec::new() };
    let by = run.by.clone();
    if let Some(why) = answer.ignored.clone() {
        run.audit(&by, "answer kept, not taken into account", why);
        run.touch().answers.push(answer);
        return;
    }
    let now = run.now();
    run.walk_owing(Answer::Answered, None, withdrawn, |sale| {
        // It has it, whatever our last try was told.
        if let Some(handing) = sale.hand_overs.last_mut() {
            handing.handed_at.get_or_insert(now);
            handing.next_try = None;
        }
        sale.answers.push(answer);
    });
}
