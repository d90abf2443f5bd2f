//! S4, S7, S9 and S10: the document for the order system, what its answer comes to, the confirmation, and the order
//! that the response process goes on with.

use super::compare::{ARTICLES, articles, compare as compare_messages, date, number, position_of, text};
use super::input::key_of;
use super::run::Run;
use super::table::Answer;
use super::{check, desk};
use crate::model::{
    Confirmation, Decimal, Difference, DifferenceCode, Field, HandOver, Handing, Message, Order, PartnerId, Position,
    Sale, SaleAbout, SaleSettings, Shown, TransmissionKind,
};

/// S4: the document is made and gets its key before anybody tries to hand it over.
pub fn prepare(run: &mut Run<'_, '_>) {
    let Some(handing) = make(run, Handing::Order) else { return };
    if !run.world.settings.by_mail {
        run.walk_owing(Answer::ToBeHandedOver, Some(format!("version {}", handing.version)), Vec::new(), |sale| {
            sale.hand_overs.push(handing);
        });
        return;
    }
    let owed = run.owed(TransmissionKind::SendOrder, Vec::new(), SaleAbout::Sale);
    let handing = by_mail(run, handing, &owed.id.to_string());
    run.walk_owing(Answer::HandedOverByMail, Some(format!("version {}", handing.version)), vec![owed], |sale| {
        sale.hand_overs.push(handing);
    });
}

/// A document with its key; `None` when it cannot be made, which is tried again.
pub fn make(run: &mut Run<'_, '_>, what: Handing) -> Option<HandOver> {
    match run.world.writer.document(what, run.sale) {
        Ok(document) => {
            let version = run.sale.version;
            let key = key_of(run.sale.id, version, &document);
            let key = if what == Handing::Cancellation { format!("{key}-C") } else { key };
            Some(HandOver {
                key,
                version,
                what,
                document,
                made_at: run.now(),
                tries: 0,
                next_try: Some(run.now()),
                error: None,
                handed_at: None,
                said: None,
            })
        }
        Err(error) => {
            run.fail(format!("the document for the order system: {error}"));
            None
        }
    }
}

/// Handed to the mails that go out; what becomes of it then is the transmission's affair.
fn by_mail(run: &Run<'_, '_>, handing: HandOver, transmission: &str) -> HandOver {
    let now = run.now();
    HandOver { tries: 1, next_try: None, handed_at: Some(now), said: Some(transmission.to_string()), ..handing }
}

/// S11 where the order system is reached by mail.
pub fn cancel_by_mail(run: &mut Run<'_, '_>) {
    let Some(handing) = run.sale.hand_over().cloned() else { return };
    let send = run.owed(TransmissionKind::SendOrder, Vec::new(), SaleAbout::Sale);
    let tell = desk::refusal(run);
    let handing = by_mail(run, handing, &send.id.to_string());
    run.walk_owing(Answer::CanceledByMail, None, vec![send, tell], |sale| {
        if let Some(last) = sale.hand_overs.last_mut() {
            *last = handing;
        }
    });
}

/// S7.
pub fn compare(run: &mut Run<'_, '_>) {
    let Some(answer) = run.sale.answer() else { return run.fail("there is no answer to compare".into()) };
    let mut found = compare_messages(&run.sale.wanted, &answer.message, run.world.settings);
    if run.sale.ask_anyway && !found.rejected {
        let versions = run.sale.versions.len();
        found.differences.insert(
            0,
            Difference {
                code: DifferenceCode::Changed,
                position: None,
                article: None,
                wanted: Shown::Text(format!("version {}", versions.saturating_sub(1))),
                confirmed: Shown::Text(format!("version {versions}")),
                tolerance: None,
                within: false,
                impact: None,
            },
        );
    }
    let asks = found.asks();
    let note = codes(&found.differences);
    run.touch().differences = found.differences;
    if found.rejected {
        let reason = run.sale.answer().and_then(|answer| answer.message.text(Field::Note)).map(str::to_string);
        desk::ask_after(run, Answer::Rejected, reason);
    } else if asks {
        desk::ask_after(run, Answer::Differs, Some(note));
    } else {
        run.walk(Answer::Matches, Some(note).filter(|note| !note.is_empty()));
    }
}

fn codes(differences: &[Difference]) -> String {
    let mut codes: Vec<&str> =
        differences.iter().filter(|difference| !difference.within).map(|difference| difference.code.name()).collect();
    codes.dedup();
    codes.join(", ")
}

/// S9: what the order system has is what the customer is told, with what is not as ordered named.
pub fn confirm(run: &mut Run<'_, '_>) {
    let Some(answer) = run.sale.answer() else { return run.fail("there is no answer to confirm".into()) };
    let settings = run.world.settings;
    let message = compare_messages(&run.sale.wanted, &answer.message, settings).confirmed;
    let changes = match run.sale.versions.last() {
        Some(version) => {
            let ordered = check::wanted(&version.message, run.sale, settings);
            compare_messages(&ordered, &message, settings).differences
        }
        None => Vec::new(),
    };
    let owed = run.owed(TransmissionKind::SendOrderConfirmation, run.customer(), SaleAbout::Sale);
    let confirmation = Confirmation { message, changes, at: run.now(), transmission: owed.id };
    let before = run.sale.confirmation.clone();
    // The letter is written from the confirmation, so it stands there before the row is walked.
    run.touch().confirmation = Some(confirmation);
    let note = run.sale.confirmation.as_ref().map(|c| codes_of_all(&c.changes)).filter(|note| !note.is_empty());
    if !run.walk_owing(Answer::Confirmed, note, vec![owed], |sale| sale.ask_anyway = false) {
        run.touch().confirmation = before;
    }
}

fn codes_of_all(differences: &[Difference]) -> String {
    let mut codes: Vec<&str> = differences.iter().map(|difference| difference.code.name()).collect();
    codes.dedup();
    codes.join(", ")
}

/// S10.
pub fn register(run: &mut Run<'_, '_>) {
    let order = run
        .sale
        .confirmation
        .as_ref()
        .map(|confirmation| order_of(run.sale, &confirmation.message, run.world.settings, run.world.now));
    match order {
        Some(Ok(Some(order))) => {
            let note = format!("order {} of channel {}", order.order_number, order.channel);
            if run.walk(Answer::Registered, Some(note)) {
                run.out.register = Some(order);
            }
        }
        Some(Ok(None)) => drop(run.walk(Answer::NothingToRegister, None)),
        Some(Err(error)) => run.fail(format!("the order cannot be registered: {error}")),
        None => run.fail("there is no confirmation to register".into()),
    }
}

/// The confirmed order as the response process knows orders; `None` = nothing is registered.
fn order_of(
    sale: &Sale,
    message: &Message,
    settings: &SaleSettings,
    now: crate::model::Timestamp,
) -> Result<Option<Order>, String> {
    let Some((channel, supplier)) = &settings.register else { return Ok(None) };
    let currency = message.text(Field::Currency).ok_or("it names no currency")?.trim().to_uppercase();
    let mut positions: Vec<Position> = Vec::with_capacity(message.lines.len());
    for line in &message.lines {
        let said = |field: Field| text(line, field).map(str::to_string);
        let listed = articles(line).into_iter().find_map(|(_, article)| settings.prices.get(&article));
        let partner: PartnerId = listed.and_then(|listed| listed.supplier.clone()).unwrap_or_else(|| supplier.clone());
        positions.push(Position {
            position: position_of(line).ok_or("a line has no number")?,
            partner,
            product_id: said(ARTICLES[3]),
            supplier_sku: said(Field::SubstituteSku).or_else(|| said(ARTICLES[0])),
            shop_sku: said(ARTICLES[1]),
            gtin: said(ARTICLES[2]),
            name: said(Field::Name),
            quantity: number(line, Field::Quantity).unwrap_or_default(),
            unit: said(Field::Unit),
            // What the supplier takes is not the customer's affair; what the customer pays is the most it may be.
            price_net: None,
            price_sales_net: number(line, Field::PriceNet),
            requested_date: date(line, Field::ConfirmedDate).or_else(|| date(line, Field::RequestedDate)),
            announced: None,
            quantity_canceled: Decimal::ZERO,
            quantity_dispatched: Decimal::ZERO,
            added: false,
            origin: None,
        });
    }
    Ok(Some(Order {
        order_number: sale.order.clone(),
        channel: channel.clone(),
        currency,
        ordered_at: Some(sale.received_at),
        supplier_order_number: None,
        revision: 1,
        canceled: false,
        registered_at: now,
        positions,
        merged: crate::model::Merged::default(),
    }))
}
