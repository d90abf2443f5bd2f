//! Invented orders by mail, one for each letter of the sales side.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::sale::{SaleAbout, SaleAmount, SaleDifference, SaleFault, SaleLetter, SaleLine, Shown, Tolerated};
use crate::model::owed::{Outcome, Receipt};
use crate::model::{Place, TransmissionId, TransmissionKind};

/// A letter about an order by mail with all that it is written from.
pub struct SaleExample {
    /// The letter's name, and after a `-` which of several: `sale_receipt-comment`.
    pub name: String,
    pub letter: SaleLetter,
}

impl SaleExample {
    /// The same in another language.
    pub fn in_language(mut self, lang: &str) -> SaleExample {
        self.letter.language = lang.to_string();
        self
    }

    /// The letter's file without its ending: `sale_receipt` of `sale_receipt-comment`.
    pub fn letter_name(&self) -> &str {
        self.name.split('-').next().unwrap_or(&self.name)
    }
}

const TOKEN: &str = "7Q2K-9MXT-4CHB";
const REPLY_TO: &str = "orders+7Q2K9MXT4CHB@gateway.example";
const CUSTOMER_WORDS: &str = "Hej!\n\nVi beställer enligt nedan. Stolarna måste vara framme före julhelgen, annars hör av er.\nHylla 40 gärna i ek om björk är slut.\n\nVänliga hälsningar\nElin Ek";

/// One example for each letter, several where a letter has several faces.
pub fn sales() -> Vec<SaleExample> {
    use TransmissionKind as Kind;
    let of = TransmissionId(77);
    let reminder = |of_kind| SaleAbout::Reminder { of, of_kind, count: 1, asked_at: Some(hours(-24)) };
    let mut all = vec![
        example("send_order", Kind::SendOrder, SaleAbout::Order, as_received()),
        example("confirm_order", Kind::ConfirmOrder, SaleAbout::Order, differing()),
        example("confirm_order-sound", Kind::ConfirmOrder, SaleAbout::Order, sound()),
        example("reminder_confirm_order", Kind::Reminder, reminder(Kind::ConfirmOrder), differing()),
        example("send_order_confirmation", Kind::SendOrderConfirmation, SaleAbout::Order, differing()),
        example("send_order_confirmation-sound", Kind::SendOrderConfirmation, SaleAbout::Order, sound()),
        example("request_new_order", Kind::RequestNewOrder, SaleAbout::Faults(faults()), as_received()),
        example("request_new_order-declined", Kind::RequestNewOrder, declined(), as_received()),
        example("reminder_request_new_order", Kind::Reminder, reminder(Kind::RequestNewOrder), as_received()),
        example("sale_question", Kind::Question, question(), as_received()),
        example(
            "sale_withdrawal",
            Kind::Withdrawal,
            SaleAbout::Withdrawal { of, reason: "Ek & Söner changed the order".into() },
            differing(),
        ),
    ];
    // A reminder tells again what is in the way.
    for one in all.iter_mut().filter(|one| one.name == "reminder_request_new_order") {
        one.letter.comment = None;
    }
    all.extend(receipts());
    all
}

fn receipts() -> Vec<SaleExample> {
    use Outcome as O;
    let rows = [
        ("decided", O::Decided, Some("released")),
        ("changed", O::Partly, Some("changed")),
        ("already_decided", O::AlreadyDecided, Some("ben@nordlicht.example")),
        ("not_understood", O::NotUnderstood, Some("line 50 is not in question")),
        ("comment", O::Comment, None),
        ("asked", O::Asked, None),
        ("on_hold", O::OnHold, Some("2026-11-24T09:00:00Z")),
        ("delegated", O::Delegated, Some("ben@nordlicht.example")),
        ("no_longer_asked", O::NoLongerAsked, None),
        ("status", O::Status, None),
        ("help", O::Help, None),
    ];
    let build = |(name, outcome, detail): (&str, Outcome, Option<&str>)| {
        let receipt = Receipt {
            outcome,
            lines: vec![
                ("ja, wenn der Kunde wartet".into(), "a condition or a limit: decides nothing".into()),
                ("Danke | Anna".into(), "comment".into()),
            ],
            approved: Vec::new(),
            declined: Vec::new(),
            open: Vec::new(),
            detail: detail.map(str::to_string),
        };
        let mut one = example(
            &format!("sale_receipt-{name}"),
            TransmissionKind::Receipt,
            SaleAbout::Receipt(receipt),
            differing(),
        );
        if matches!(outcome, O::Decided | O::Partly | O::AlreadyDecided | O::NoLongerAsked) {
            one.letter.token = None;
        }
        one
    };
    rows.into_iter().map(build).collect()
}

fn example(name: &str, kind: TransmissionKind, about: SaleAbout, letter: SaleLetter) -> SaleExample {
    let mut letter = SaleLetter { kind, about, ..letter };
    if matches!(kind, TransmissionKind::SendOrder | TransmissionKind::SendOrderConfirmation) {
        letter.token = None;
        letter.due = None;
        letter.expires = None;
    }
    SaleExample { name: name.to_string(), letter }
}

fn now() -> Timestamp {
    // 2026-11-22T08:30:00Z
    Timestamp::from_second(1_795_336_200).unwrap_or_default()
}

fn hours(hours: i64) -> Timestamp {
    now().saturating_add(SignedDuration::from_hours(hours)).unwrap_or_default()
}

fn amount(quantity: i64, cents: i64, day: Date) -> SaleAmount {
    SaleAmount {
        quantity: Some(Decimal::from(quantity)),
        unit: Some("PCE".into()),
        price: Some(Decimal::new(cents, 2)),
        date: Some(day),
    }
}

fn wish() -> Date {
    date(2026, 12, 15)
}

/// The order as it came in.
fn as_received() -> SaleLetter {
    let rows = [
        (10, "B12001", "Desk 160 x 80", 4, 34_900),
        (20, "B63905-BL", "Swivel chair, blue", 10, 17_680),
        (30, "B70011", "Cable tray", 60, 435),
        (40, "B99002", "Shelf <birch> | 80", 5, 8_950),
    ];
    let line = |(position, article, name, quantity, cents): (u32, &str, &str, i64, i64)| SaleLine {
        position: Some(position),
        article: Some(article.into()),
        name: Some(name.into()),
        ordered: Some(amount(quantity, cents, wish())),
        comment: (position == 40).then(|| "gärna i ek".into()),
        ..SaleLine::default()
    };
    SaleLetter {
        kind: TransmissionKind::SendOrder,
        about: SaleAbout::Order,
        transmission: TransmissionId(91),
        language: "en".into(),
        time_zone: "Europe/Berlin".into(),
        now: now(),
        sale: "S12".into(),
        order: "4500112233".into(),
        order_system_number: Some("SO-90417".into()),
        changed: false,
        customer: ("ek".into(), "Ek & Söner AB".into()),
        customer_number: Some("K-2044".into()),
        seller: "Nordlicht Handel".into(),
        seller_address: Some("Nordlicht Handel GmbH\nHafenstraße 9\n24103 Kiel\nGermany".into()),
        received_at: hours(-1),
        ordered_on: Some(date(2026, 11, 21)),
        currency: Some("EUR".into()),
        billing_address: Some("Ek & Söner AB\nBox 114\n211 20 Malmö\nSweden".into()),
        delivery_address: Some("Ek & Söner AB, lager 2\nHamngatan 7\n211 22 Malmö\nSweden".into()),
        contact: Some("Elin Ek, +46 40 123 456".into()),
        payment_terms: Some("30 days net".into()),
        delivery_terms: Some("DAP Malmö".into()),
        comment: Some("The chairs must be there before Christmas.".into()),
        answered: false,
        lines: rows.into_iter().map(line).collect(),
        total: None,
        differences: Vec::new(),
        customer_words: Some(CUSTOMER_WORDS.into()),
        token: Some(TOKEN.into()),
        reply_to: Some(REPLY_TO.into()),
        due: Some(hours(4)),
        expires: Some(hours(72)),
        asked: vec!["anna@nordlicht.example".into()],
        next_asked: vec!["ben@nordlicht.example".into()],
    }
}

/// The order system took it as it was ordered.
fn sound() -> SaleLetter {
    let mut letter = as_received();
    letter.answered = true;
    for line in &mut letter.lines {
        line.confirmed.clone_from(&line.ordered);
    }
    letter
}

/// The order system made something else of it.
fn differing() -> SaleLetter {
    let mut letter = sound();
    let late = date(2026, 12, 21);
    for line in &mut letter.lines {
        match line.position {
            Some(10) => line.confirmed = Some(amount(4, 34_950, wish())),
            Some(20) => {
                line.confirmed = Some(amount(8, 18_110, late));
                line.reason = Some("two chairs are discontinued".into());
            }
            Some(40) => line.confirmed = None,
            _ => {}
        }
    }
    letter.lines.push(SaleLine {
        article: Some("V-100".into()),
        name: Some("Freight".into()),
        confirmed: Some(SaleAmount { date: None, ..amount(1, 2_500, wish()) }),
        ..SaleLine::default()
    });
    let difference = |code: &str, position, article: &str, ordered, confirmed| SaleDifference {
        code: code.into(),
        position,
        article: Some(article.into()).filter(|article: &String| !article.is_empty()),
        ordered,
        confirmed,
        tolerance: None,
        within: false,
        impact: None,
    };
    let money = |cents| Shown::Money(Decimal::new(cents, 2));
    let pieces = |quantity| Shown::Quantity(Decimal::from(quantity), Some("PCE".into()));
    let text = |text: &str| Shown::Text(text.into());
    let percent = Some(Tolerated::PercentOrMoney(Decimal::from(2), Decimal::ONE));
    letter.differences = vec![
        SaleDifference {
            tolerance: percent.clone(),
            within: true,
            impact: Some(Decimal::from(2)),
            ..difference("PRICE", Some(10), "B12001", money(34_900), money(34_950))
        },
        difference("QUANTITY", Some(20), "B63905-BL", pieces(10), pieces(8)),
        SaleDifference {
            tolerance: percent,
            impact: Some(Decimal::new(3_440, 2)),
            ..difference("PRICE", Some(20), "B63905-BL", money(17_680), money(18_110))
        },
        SaleDifference {
            tolerance: Some(Tolerated::Days(2)),
            ..difference("DATE", Some(20), "B63905-BL", Shown::Date(wish()), Shown::Date(late))
        },
        difference("MISSING", Some(40), "B99002", pieces(5), Shown::Nothing),
        SaleDifference {
            impact: Some(Decimal::from(25)),
            ..difference("ADDED", None, "V-100", Shown::Nothing, text("Freight"))
        },
        difference(
            "DELIVERY_ADDRESS",
            None,
            "",
            text("Ek & Söner AB, lager 2\nHamngatan 7"),
            text("Ek & Söner AB\nBox 114"),
        ),
    ];
    letter
}

fn declined() -> SaleAbout {
    SaleAbout::Declined { reason: "The shelf is no longer made, and you asked for all or nothing.".into() }
}

fn question() -> SaleAbout {
    let text = "Line 40 is sold out in birch.\nIs oak all right, at 92.00 EUR?".to_string();
    SaleAbout::Question { by: "anna@nordlicht.example".into(), text }
}

fn faults() -> Vec<SaleFault> {
    let fault = |code: &str, position, field: Option<&str>, read: Option<&str>| SaleFault {
        code: code.into(),
        position,
        field: field.map(str::to_string),
        read: read.map(str::to_string),
        place: read.map(|_| Place::text("text", 12, 1, 10)),
        detail: None,
    };
    vec![
        fault("INVALID_VALUE", Some(20), Some("quantity"), Some("ett dussin")),
        fault("UNKNOWN_ARTICLE", Some(30), None, Some("B7OO11")),
        SaleFault { detail: Some("credit limit".into()), ..fault("REFUSED_BY_ORDER_SYSTEM", None, None, None) },
    ]
}
