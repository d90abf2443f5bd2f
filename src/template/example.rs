//! Invented dossiers, one for each letter: what the preview shows, the lint writes and the tests compare.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::Letter;
pub use super::example_sale::{SaleExample, sales};
use crate::model::alarm::{Alarm, AlarmKind};
use crate::model::owed::{About, AlarmNews, DigestAnswer, DigestQuestion, Outcome, Receipt};
use crate::model::response::RecallState;
use crate::model::{
    AlarmId, Approval, Channel, ChannelId, Deviation, DeviationCode, Dossier, Fault, FaultCode, Field, Line,
    LineDecision, LineStatus, Message, MessageKind, Order, OrderNumber, Owed, Partner, PartnerId, Place, Policies,
    Position, Recall, Recipient, Response, ResponseId, Status, TransmissionId, TransmissionKind,
};

/// A letter with all that it is written from.
pub struct Example {
    /// The letter's name, and after a `-` which of several: `receipt-partly`.
    pub name: String,
    pub owed: Owed,
    pub dossier: Dossier,
    pub policies: Policies,
    token: Option<&'static str>,
    partner_words: Option<&'static str>,
    fill_in: Option<&'static str>,
}

const RESPONSE: ResponseId = ResponseId(18_342);
const QUESTION: TransmissionId = TransmissionId(77);
const TOKEN: &str = "7Q2K-9MXT-4CHB";
const REPLY_TO: &str = "orders+7Q2K9MXT4CHB@gateway.example";
const PARTNER_WORDS: &str = "Guten Tag,\n\nLeider müssen wir bei Position 20 den Preis anpassen (Rohstoffe) und liefern erst am 21.12.\nPos. 30: 40 Stück sofort, der Rest Anfang Januar.\nPos. 40 ist ausgelaufen.\n\nMit freundlichen Grüßen\nAnke Brandt";
const FILL_IN: &str = "#--- change the values after \"=\" --- R18342 7Q2K-9MXT-4CHB\nline 20  B63905-BL  status = accepted  qty = 10  price = 176.80 EUR  date = ?\nline 30  B70011  status = accepted  qty = ?  price = 4.35 EUR  date = 2026-12-15\n#--- end";

impl Example {
    pub fn letter(&self) -> Letter<'_> {
        Letter {
            owed: &self.owed,
            dossier: &self.dossier,
            policies: &self.policies,
            token: self.token,
            reply_to: Some(REPLY_TO),
            partner_words: self.partner_words,
            fill_in: self.fill_in,
            now: now(),
        }
    }

    /// The same in another language.
    pub fn in_language(mut self, lang: &str) -> Example {
        self.policies.defaults.language = Some(lang.to_string());
        self
    }

    /// The letter's file without its ending: `receipt` of `receipt-partly`.
    pub fn letter_name(&self) -> &str {
        self.name.split('-').next().unwrap_or(&self.name)
    }
}

/// One example for each letter, several where a letter has several faces.
pub fn all() -> Vec<Example> {
    use TransmissionKind as Kind;
    let partner = || Recipient::Partner(partner_id());
    let approvers = || Recipient::Approvers { channel: channel_id(), addresses: vec!["anna@nordlicht.example".into()] };
    let channel = || Recipient::Channel(channel_id());
    let reminder = |of_kind| About::Reminder { of: QUESTION, of_kind, count: 1 };
    let mut all = vec![
        example("request_new_response", Kind::RequestNewResponse, partner(), About::Response, faulty()),
        example(
            "request_new_response-unknown_order",
            Kind::RequestNewResponse,
            partner(),
            About::Response,
            unknown_order(),
        ),
        example(
            "reminder_request_new_response",
            Kind::Reminder,
            partner(),
            reminder(Kind::RequestNewResponse),
            faulty(),
        ),
        example("confirm_response", Kind::ConfirmResponse, approvers(), About::Response, deviating()),
        example("confirm_response-sound", Kind::ConfirmResponse, approvers(), About::Response, sound()),
        example(
            "reminder_confirm_response",
            Kind::Reminder,
            approvers(),
            reminder(Kind::ConfirmResponse),
            partly_decided(),
        ),
        example("send_order_recall", Kind::SendOrderRecall, partner(), recall(), declined()),
        example("reminder_send_order_recall", Kind::Reminder, partner(), reminder(Kind::SendOrderRecall), declined()),
        example("send_response_initial", Kind::SendResponseInitial, channel(), About::Response, composed()),
        example("send_response_continuous", Kind::SendResponseContinuous, channel(), About::Response, composed()),
        example(
            "create_documents",
            Kind::CreateDocuments,
            Recipient::Documents(channel_id()),
            About::Response,
            composed(),
        ),
        example("unanswered", Kind::Reminder, partner(), unanswered(), ordered()),
        example("question", Kind::Question, partner(), question(), deviating()),
        example("withdrawal", Kind::Withdrawal, approvers(), withdrawal(), deviating()),
    ];
    all.push(example("digest", Kind::Reminder, approvers(), digest(Vec::new()), Dossier::new("".into())));
    let readings = vec![("APPROVE".into(), "APPROVE: names no question, so nothing is decided".into())];
    all.push(example("digest-unclear", Kind::Reminder, approvers(), digest(readings), Dossier::new("".into())));
    all.push(example("digest_receipt", Kind::Receipt, approvers(), answered(), Dossier::new("".into())));
    all.extend(receipts());
    for (name, news) in [
        ("alarm-started", AlarmNews::Started),
        ("alarm-reminder", AlarmNews::Reminder),
        ("alarm-over", AlarmNews::Over),
    ] {
        all.push(example(name, Kind::Alarm, Recipient::Operators, alarm(news), faulty()));
    }
    all
}

fn receipts() -> Vec<Example> {
    use Outcome as O;
    let receipt = |outcome, approved: &[u32], declined: &[u32], open: &[u32], detail: Option<&str>| {
        About::Receipt(Receipt {
            outcome,
            lines: vec![
                ("ja, aber nur wenn 20 pünktlich kommt".into(), "a condition or a limit: decides nothing".into()),
                ("Danke | Anna".into(), "comment".into()),
            ],
            approved: approved.to_vec(),
            declined: declined.to_vec(),
            open: open.to_vec(),
            detail: detail.map(str::to_string),
        })
    };
    let rows = [
        ("decided", receipt(O::Decided, &[20, 30], &[40], &[], None), declined()),
        ("partly", receipt(O::Partly, &[20], &[], &[30, 40], None), partly_decided()),
        ("already_decided", receipt(O::AlreadyDecided, &[], &[], &[], Some("ben@nordlicht.example")), declined()),
        ("no_longer_asked", receipt(O::NoLongerAsked, &[], &[], &[], None), deviating()),
        (
            "not_understood",
            receipt(O::NotUnderstood, &[], &[], &[20, 30, 40], Some("line 50 is not in question")),
            deviating(),
        ),
        ("comment", receipt(O::Comment, &[], &[], &[20, 30, 40], None), deviating()),
        ("asked", receipt(O::Asked, &[], &[], &[20, 30, 40], None), deviating()),
        ("on_hold", receipt(O::OnHold, &[], &[], &[20, 30, 40], Some("2026-11-24T09:00:00Z")), deviating()),
        ("delegated", receipt(O::Delegated, &[], &[], &[20, 30, 40], Some("ben@nordlicht.example")), deviating()),
        ("status", receipt(O::Status, &[], &[], &[20, 30, 40], None), deviating()),
        ("help", receipt(O::Help, &[], &[], &[20, 30, 40], None), deviating()),
        ("recall_answered", receipt(O::RecallAnswered, &[], &[], &[], Some("RECALLED")), declined()),
        (
            "recall_answered_to_channel",
            receipt(O::RecallAnswered, &[], &[], &[], Some("nordwind: TOO LATE")),
            declined(),
        ),
        ("undone", receipt(O::Undone, &[], &[], &[20, 30, 40], None), deviating()),
        ("partner_answered", receipt(O::PartnerAnswered, &[], &[], &[20, 30, 40], None), deviating()),
        ("partner_answered_late", receipt(O::PartnerAnswered, &[], &[], &[], None), declined()),
    ];
    let build = |(name, about, dossier)| {
        let address = if name == "recall_answered" { "orders@nordwind.example" } else { "anna@nordlicht.example" };
        let recipient = Recipient::Address(address.to_string());
        example(&format!("receipt-{name}"), TransmissionKind::Receipt, recipient, about, dossier)
    };
    rows.into_iter().map(build).collect()
}

fn example(name: &str, kind: TransmissionKind, recipient: Recipient, about: About, dossier: Dossier) -> Example {
    let response = dossier.responses.keys().next().copied();
    let asks = !matches!(
        kind,
        TransmissionKind::SendResponseInitial | TransmissionKind::SendResponseContinuous | TransmissionKind::Alarm
    );
    Example {
        name: name.to_string(),
        owed: Owed { id: TransmissionId(91), kind, recipient, response, about, not_before: None },
        dossier,
        policies: policies(),
        token: asks.then_some(TOKEN),
        partner_words: name.contains("confirm_response").then_some(PARTNER_WORDS),
        fill_in: name.contains("request_new_response").then_some(FILL_IN),
    }
}

fn now() -> Timestamp {
    // 2026-11-22T08:30:00Z
    Timestamp::from_second(1_795_336_200).unwrap_or_default()
}

fn hours(hours: i64) -> Timestamp {
    now().saturating_add(SignedDuration::from_hours(hours)).unwrap_or_default()
}

fn partner_id() -> PartnerId {
    PartnerId::from("nordwind")
}

fn channel_id() -> ChannelId {
    ChannelId::from("nordlicht")
}

/// The people of the example, and what they tolerate.
pub fn policies() -> Policies {
    let mut policies = Policies::default();
    let partner = Partner {
        name: "Nordwind Büromöbel".into(),
        addresses: vec!["orders@nordwind.example".into()],
        ..Partner::default()
    };
    let mut channel = Channel {
        name: "Nordlicht Handel".into(),
        addresses: vec!["purchase@nordlicht.example".into()],
        approvers: vec!["anna@nordlicht.example".into(), "ben@nordlicht.example".into()],
        documents_to: vec!["documents@nordlicht.example".into()],
        ..Channel::default()
    };
    channel.options.time_zone = Some("Europe/Berlin".into());
    channel.options.tolerances.price_percent = Some(Decimal::from(2));
    channel.options.tolerances.price_absolute = Some(Decimal::from(1));
    channel.options.tolerances.days_late = Some(2);
    policies.partners.insert(partner_id(), partner);
    policies.channels.insert(channel_id(), channel);
    policies.operators = vec!["operations@gateway.example".into()];
    policies
}

fn order() -> Order {
    let rows = [
        (10, "B12001", "Desk 160 x 80", 4, 34_900, 31_000),
        (20, "B63905-BL", "Swivel chair, blue", 10, 17_680, 24_900),
        (30, "B70011", "Cable tray", 60, 435, 990),
        (40, "B99002", "Monitor arm <twin> | black", 5, 8_950, 12_900),
        (50, "B40010", "Pinboard", 2, 6_200, 8_900),
    ];
    let position = |(position, sku, name, quantity, cost, sales): (u32, &str, &str, i64, i64, i64)| Position {
        position,
        partner: partner_id(),
        product_id: None,
        supplier_sku: Some(sku.into()),
        shop_sku: None,
        gtin: None,
        name: Some(name.into()),
        quantity: Decimal::from(quantity),
        unit: Some("PCE".into()),
        price_net: Some(Decimal::new(cost, 2)),
        price_sales_net: Some(Decimal::new(sales, 2)),
        requested_date: Some(wish()),
        announced: None,
        quantity_canceled: Decimal::ZERO,
        quantity_dispatched: Decimal::ZERO,
        added: false,
        origin: None,
    };
    Order {
        order_number: number(),
        channel: channel_id(),
        currency: "EUR".into(),
        ordered_at: Some(hours(-96)),
        supplier_order_number: Some("AB-55120".into()),
        revision: 1,
        canceled: false,
        registered_at: hours(-96),
        positions: rows.into_iter().map(position).collect(),
        merged: Default::default(),
    }
}

fn number() -> OrderNumber {
    OrderNumber::from("2026-4711")
}

fn wish() -> Date {
    date(2026, 12, 15)
}

fn ordered() -> Dossier {
    let mut dossier = Dossier::new(number());
    dossier.order = Some(order());
    dossier
}

fn response(status: Status) -> Response {
    let mut response = Response::new(RESPONSE, number(), partner_id(), message(), hours(-2));
    response.status = status;
    response.entry_date = Some(date(2026, 11, 21));
    response.due = Some(hours(48));
    response
}

fn message() -> Message {
    use crate::model::{Said, Value};
    let mut message = Message::new(MessageKind::Response);
    for (field, text) in [(Field::ResponseNumber, "AB-55120"), (Field::Note, "Lieferung frei Haus")] {
        let said = Said::new(Value::Text(text.into()), text, "example", Place::whole("text"));
        message.fields.insert(field, said);
    }
    message
}

fn dossier(response: Response) -> Dossier {
    let mut dossier = ordered();
    dossier.responses.insert(response.id, response);
    dossier
}

fn fault(code: FaultCode, position: Option<u32>, field: Option<Field>, read: Option<&str>, line: usize) -> Fault {
    Fault {
        code,
        message: code.explained().to_string(),
        position,
        line: None,
        field,
        read: read.map(str::to_string),
        needed: None,
        place: read.map(|_| Place::text("text", line, 1, 10)),
    }
}

fn faulty() -> Dossier {
    let mut response = response(Status::InExternalProcessing);
    response.faults = vec![
        fault(FaultCode::InvalidValue, Some(20), Some(Field::ConfirmedDate), Some("51. KW"), 12),
        fault(FaultCode::MissingQuantity, Some(30), Some(Field::QuantityConfirmed), None, 0),
        fault(FaultCode::IncompleteInitial, Some(40), None, None, 0),
        fault(FaultCode::WrongCurrency, None, Some(Field::Currency), Some("CHF"), 3),
    ];
    dossier(response)
}

fn unknown_order() -> Dossier {
    let mut response = response(Status::InExternalProcessing);
    response.faults = vec![fault(FaultCode::UnknownOrder, None, Some(Field::OrderNumber), Some("2026-4711"), 2)];
    let mut dossier = dossier(response);
    dossier.order = None;
    dossier
}

fn line(position: u32, status: LineStatus, confirmed: i64, price: i64, day: Date) -> Line {
    Line {
        position: Some(position),
        status: Some(status),
        quantity_confirmed: Decimal::from(confirmed),
        confirmed_date: Some(day),
        price_net: Some(Decimal::new(price, 2)),
        unit: Some("PCE".into()),
        ..Line::default()
    }
}

fn lines() -> Vec<Line> {
    let mut late = line(20, LineStatus::Changed, 10, 18_110, date(2026, 12, 21));
    late.reason = Some("Rohstoffe".into());
    let mut split = line(30, LineStatus::Backordered, 40, 435, wish());
    split.quantity_backordered = Decimal::from(20);
    split.backordered_date = Some(date(2027, 1, 8));
    split.filled = BTreeMap::from([(Field::PriceNet, "order".to_string())]);
    let mut gone = line(40, LineStatus::Canceled, 0, 8_950, wish());
    gone.quantity_canceled = Decimal::from(5);
    gone.note = Some("ausgelaufen".into());
    let board = line(50, LineStatus::Accepted, 2, 6_200, wish());
    vec![line(10, LineStatus::Accepted, 4, 34_950, wish()), late, split, gone, board]
}

/// Two questions that wait for the same approver.
fn digest(lines: Vec<(String, String)>) -> About {
    let mut other = deviating();
    other.number = OrderNumber::new("2026-4712");
    if let Some((_, mut response)) = other.responses.pop_first() {
        response.id = ResponseId(18_350);
        response.deviations.retain(|deviation| deviation.position == Some(20));
        if let Some(approval) = &mut response.approval {
            approval.lines.retain(|position, _| *position == 20);
        }
        other.responses.insert(response.id, response);
    }
    let questions = vec![
        DigestQuestion { dossier: deviating(), response: RESPONSE },
        DigestQuestion { dossier: other, response: ResponseId(18_350) },
    ];
    About::Digest { questions, lines, answers: Vec::new() }
}

/// Three questions answered by one reply: one whole, one in part, one in words that nobody understands.
fn answered() -> About {
    let receipt = |outcome, approved: &[u32], declined: &[u32], open: &[u32]| Receipt {
        outcome,
        lines: vec![("nur wenn 20 pünktlich kommt".into(), "a condition or a limit: decides nothing".into())],
        approved: approved.to_vec(),
        declined: declined.to_vec(),
        open: open.to_vec(),
        detail: None,
    };
    let renumbered = |mut dossier: Dossier, number: &str, id: u64| {
        dossier.number = OrderNumber::new(number);
        if let Some((_, mut response)) = dossier.responses.pop_first() {
            response.id = ResponseId(id);
            dossier.responses.insert(response.id, response);
        }
        (dossier, ResponseId(id))
    };
    let (partly, partly_id) = renumbered(partly_decided(), "2026-4712", 18_350);
    let (unclear, unclear_id) = renumbered(deviating(), "2026-4713", 18_351);
    let open = [(partly.clone(), partly_id), (unclear.clone(), unclear_id)];
    let questions = open.into_iter().map(|(dossier, response)| DigestQuestion { dossier, response }).collect();
    let mut done = declined();
    done.responses.values_mut().for_each(|response| response.status = Status::Closed);
    let answers = vec![
        DigestAnswer { dossier: done, response: RESPONSE, receipt: receipt(Outcome::Decided, &[20, 30], &[40], &[]) },
        DigestAnswer { dossier: partly, response: partly_id, receipt: receipt(Outcome::Partly, &[20], &[], &[30, 40]) },
        DigestAnswer {
            dossier: unclear,
            response: unclear_id,
            receipt: receipt(Outcome::NotUnderstood, &[], &[], &[20, 30, 40]),
        },
    ];
    About::Digest { questions, lines: Vec::new(), answers }
}

fn deviating() -> Dossier {
    let deviation = |code, position, impact: Option<i64>, days, within| Deviation {
        code,
        position: Some(position),
        ordered: String::new(),
        confirmed: String::new(),
        difference: String::new(),
        tolerance: String::new(),
        impact: impact.map(|cents| Decimal::new(cents, 2)),
        days,
        within,
    };
    let mut response = response(Status::NotCheckedDoApprove);
    response.lines = lines();
    response.deviations = vec![
        deviation(DeviationCode::PriceChanged, 10, Some(200), None, true),
        deviation(DeviationCode::PriceChanged, 20, Some(4_300), None, false),
        deviation(DeviationCode::DateLater, 20, None, Some(6), false),
        deviation(DeviationCode::Backordered, 30, None, Some(24), false),
        deviation(DeviationCode::PositionCanceled, 40, None, None, false),
    ];
    response.approval = Some(Approval {
        version: 1,
        question: Some(QUESTION),
        asked_at: hours(-24),
        rank: 0,
        approvers: vec!["anna@nordlicht.example".into()],
        expires_at: Some(hours(14 * 24)),
        on_hold: false,
        lines: [20, 30, 40].into_iter().map(|position| (position, LineDecision::Open)).collect(),
        decided_by: None,
        comments: Vec::new(),
        earlier: Vec::new(),
        whole: false,
    });
    dossier(response)
}

fn sound() -> Dossier {
    let mut dossier = deviating();
    for response in dossier.responses.values_mut() {
        response.deviations.clear();
        response.lines =
            vec![line(10, LineStatus::Accepted, 4, 34_900, wish()), line(20, LineStatus::Accepted, 10, 17_680, wish())];
        if let Some(approval) = &mut response.approval {
            approval.lines.clear();
        }
    }
    dossier
}

fn partly_decided() -> Dossier {
    let mut dossier = deviating();
    for approval in dossier.responses.values_mut().filter_map(|response| response.approval.as_mut()) {
        let by = "anna@nordlicht.example".to_string();
        approval.lines.insert(20, LineDecision::Approved { by, at: hours(-1) });
    }
    dossier
}

fn declined() -> Dossier {
    let mut dossier = deviating();
    dossier.recalls.push(Recall {
        transmission: QUESTION,
        response: RESPONSE,
        partner: partner_id(),
        positions: recalled(),
        reason: "declined by anna@nordlicht.example".into(),
        state: RecallState::Open,
        asked_at: hours(-24),
        held_until: None,
        reminders: 0,
        due: None,
        answered_at: None,
        taken: BTreeMap::new(),
        alarmed: false,
    });
    dossier
}

fn recalled() -> BTreeMap<u32, Decimal> {
    BTreeMap::from([(20, Decimal::from(10)), (30, Decimal::from(60))])
}

fn recall() -> About {
    About::Recall { positions: recalled(), reason: "declined by anna@nordlicht.example".into() }
}

fn composed() -> Dossier {
    let mut response = response(Status::DoClose);
    response.lines = lines();
    response.composed = Some(lines());
    dossier(response)
}

fn unanswered() -> About {
    About::Unanswered { partner: partner_id(), positions: vec![10, 20, 30, 40], count: 1 }
}

fn question() -> About {
    let text = "Can you deliver line 30 in one go?\nOtherwise we take another article.".to_string();
    About::Question { by: "anna@nordlicht.example".into(), text }
}

fn withdrawal() -> About {
    About::Withdrawal { of: QUESTION, reason: "nordwind sent a newer response".into() }
}

fn alarm(news: AlarmNews) -> About {
    let alarm = Alarm {
        id: AlarmId(3),
        kind: AlarmKind::RequestUnanswered,
        subject: RESPONSE.to_string(),
        message: "REQUEST_NEW_RESPONSE T77 to nordwind has had no answer since 2026-11-18; 2 reminders were sent."
            .into(),
        order: Some(number()),
        response: Some(RESPONSE),
        transmission: Some(QUESTION),
        started_at: hours(-24),
        reminded_at: None,
        ended_at: matches!(news, AlarmNews::Over).then(|| hours(-1)),
    };
    About::Alarm { alarm, news }
}
