//! What a letter may say: the dossier as its reader may see it, with words for codes.
//!
//! Here is decided what a reader never sees. A partner sees its own positions only, no sales prices,
//! no tolerances; and an order that is not the partner's looks exactly like one that does not exist.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use serde::Serialize;

use super::Letter;
use super::deviation::{DeviationView, deviations};
use super::fault::{FaultView, faults};
use super::language::Language;
use crate::model::owed::{About, AlarmNews, DigestAnswer, DigestQuestion, Outcome, Receipt};
use crate::model::{
    Alarm, AlarmKind, ChannelId, FaultCode, Field, Line, LineDecision, LineStatus, Order, Owed, PartnerId, Position,
    Recipient, Response, ResponseType, Schedule, Settings, Status, TransmissionKind,
};

/// No letter shows more rows; the data goes along as an attachment.
pub const ROWS_MAX: usize = 1_000;
/// Lines and characters of a partner's words that are quoted.
const QUOTED_LINES_MAX: usize = 60;
const QUOTED_CHARS_MAX: usize = 6_000;

/// Who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reader {
    Partner,
    Channel,
    Operator,
}

/// Whose letter it is: who reads it, and which settings hold.
pub struct Frame<'a> {
    pub reader: Reader,
    pub language: String,
    pub zone: TimeZone,
    pub partner: Option<&'a PartnerId>,
    pub channel: Option<&'a ChannelId>,
    /// `None` also where the reader must not learn that there is one.
    pub order: Option<&'a Order>,
    pub response: Option<&'a Response>,
    pub settings: Settings,
}

impl<'a> Frame<'a> {
    pub fn of(letter: &Letter<'a>) -> Frame<'a> {
        let (owed, policies) = (letter.owed, letter.policies);
        let response = owed.response.and_then(|id| letter.dossier.responses.get(&id));
        let about = match &owed.about {
            About::Unanswered { partner, .. } => Some(partner),
            _ => response.map(|response| &response.partner),
        };
        let (reader, partner) = match &owed.recipient {
            Recipient::Partner(partner) => (Reader::Partner, Some(partner)),
            Recipient::Operators => (Reader::Operator, about),
            Recipient::Address(address) => match policies.partner_of_address(address) {
                Some(partner) => (Reader::Partner, Some(partner)),
                None => (Reader::Channel, about),
            },
            Recipient::Approvers { .. } | Recipient::Channel(_) | Recipient::Documents(_) => (Reader::Channel, about),
        };
        let mut order = letter.dossier.order.as_ref();
        if let (Reader::Partner, Some(partner)) = (reader, partner) {
            order = order.filter(|order| order.positions_of(partner).next().is_some());
        }
        let channel = match &owed.recipient {
            Recipient::Approvers { channel, .. } | Recipient::Channel(channel) | Recipient::Documents(channel) => {
                Some(channel)
            }
            _ => order.map(|order| &order.channel),
        };
        let (nobody, nowhere) = (PartnerId::default(), ChannelId::default());
        let settings = policies.settings(channel.unwrap_or(&nowhere), partner.unwrap_or(&nobody));
        let (language, zone) = match reader {
            Reader::Partner => (settings.language.clone(), settings.time_zone.clone()),
            Reader::Channel => {
                let own = policies.settings(channel.unwrap_or(&nowhere), &nobody);
                (own.channel_language, own.time_zone)
            }
            Reader::Operator => {
                let own = policies.settings(&nowhere, &nobody);
                (own.channel_language, own.time_zone)
            }
        };
        Frame {
            reader,
            language,
            zone: TimeZone::get(&zone).unwrap_or(TimeZone::UTC),
            partner,
            channel,
            order,
            response,
            settings,
        }
    }

    /// The order is not to be spoken of: unknown, or not this partner's.
    pub fn hides_order(&self) -> bool {
        self.reader == Reader::Partner && self.order.is_none()
    }

    pub fn position(&self, number: Option<u32>) -> Option<&'a Position> {
        let position = self.order?.position(number?)?;
        let visible = self.reader != Reader::Partner || Some(&position.partner) == self.partner;
        visible.then_some(position)
    }

    pub fn currency(&self) -> &'a str {
        self.order.map_or("", |order| order.currency.as_str())
    }

    /// The number a reader knows the article by.
    pub fn article(&self, position: Option<&Position>, line: Option<&Line>) -> Option<String> {
        let supplier = position.and_then(|p| p.supplier_sku.as_ref()).or(line.and_then(|l| l.supplier_sku.as_ref()));
        let shop = position.and_then(|p| p.shop_sku.as_ref()).or(line.and_then(|l| l.shop_sku.as_ref()));
        let other = position
            .and_then(|p| p.product_id.as_ref().or(p.gtin.as_ref()))
            .or(line.and_then(|l| l.product_id.as_ref().or(l.gtin.as_ref())));
        match self.reader {
            Reader::Partner => supplier.or(shop).or(other),
            Reader::Channel | Reader::Operator => shop.or(supplier).or(other),
        }
        .cloned()
    }
}

/// The variables of a letter. Every one is always there; what is not known is none. Numbers are
/// written `1768.4`, dates `2026-12-21`: filters put them into the language's form.
#[derive(Serialize)]
pub struct View {
    pub kind: TransmissionKind,
    pub transmission: String,
    pub reader: Reader,
    pub lang: String,
    pub now: Timestamp,
    pub order: Option<String>,
    pub ordered_at: Option<Timestamp>,
    pub currency: Option<String>,
    pub supplier_order_number: Option<String>,
    pub partner: Option<Party>,
    pub channel: Option<Party>,
    pub response: Option<ResponseView>,
    /// Always none: letters about orders by mail have a view of their own.
    pub sale: Option<String>,
    pub token: Option<String>,
    pub reply_to: Option<String>,
    pub partner_words: Option<Vec<String>>,
    pub fill_in: Option<String>,
    pub due: Option<Timestamp>,
    pub expires: Option<Timestamp>,
    pub asked: Vec<String>,
    pub next_asked: Vec<String>,
    pub ordered: Vec<OrderedView>,
    pub lines: Vec<LineView>,
    pub more_lines: usize,
    pub total: Option<Decimal>,
    pub faults: Vec<FaultView>,
    pub deviations: Vec<DeviationView>,
    pub within: Vec<DeviationView>,
    pub impact: Option<Decimal>,
    pub days_late: Option<i32>,
    pub open: Vec<u32>,
    pub as_ordered: Vec<u32>,
    pub approved: Vec<u32>,
    pub declined: Vec<u32>,
    pub recall: Option<RecallView>,
    pub receipt: Option<ReceiptView>,
    pub reminder: Option<ReminderView>,
    pub unanswered: Option<UnansweredView>,
    pub withdrawal: Option<WithdrawalView>,
    pub question: Option<QuestionView>,
    pub alarm: Option<AlarmView>,
    pub digest: Option<DigestView>,
}

#[derive(Serialize)]
pub struct DigestView {
    pub questions: Vec<DigestEntry>,
    /// How an unclear reply was read.
    pub lines: Vec<Reading>,
    pub answers: Vec<DigestAnswered>,
    /// None of the answers changed anything.
    pub nothing: bool,
    /// A question whose decline may be undone.
    pub undo: Option<String>,
}

/// What became of one question that a reply named.
#[derive(Serialize)]
pub struct DigestAnswered {
    pub order: String,
    pub response: String,
    pub partner: String,
    pub outcome: Outcome,
    /// The outcome in words.
    pub understood: String,
    /// Where the response stands now, in words.
    pub stands: String,
    pub lines: Vec<Reading>,
    pub approved: Vec<u32>,
    pub declined: Vec<u32>,
    pub open: Vec<u32>,
    pub detail: Option<String>,
}

/// One question of a digest.
#[derive(Serialize)]
pub struct DigestEntry {
    pub order: String,
    /// What answers name it by.
    pub response: String,
    pub partner: String,
    pub asked_at: Option<Timestamp>,
    pub expires: Option<Timestamp>,
    pub deviations: Vec<DeviationView>,
    pub open: Vec<u32>,
    pub impact: Option<Decimal>,
    pub currency: Option<String>,
}

#[derive(Serialize)]
pub struct Party {
    pub id: String,
    pub name: String,
}

#[derive(Serialize)]
pub struct ResponseView {
    pub id: String,
    #[serde(rename = "type")]
    pub response_type: ResponseType,
    pub number: Option<String>,
    pub entry_date: Option<Date>,
    pub arrived_at: Timestamp,
    pub note: Option<String>,
    /// Where it stands, in words.
    pub stands: String,
}

/// A position as it was ordered.
#[derive(Serialize)]
pub struct OrderedView {
    pub position: u32,
    pub article: Option<String>,
    pub name: Option<String>,
    pub quantity: Decimal,
    pub unit: Option<String>,
    pub price: Option<Decimal>,
    pub date: Option<Date>,
}

/// A position as it was answered.
#[derive(Serialize)]
pub struct LineView {
    pub position: Option<u32>,
    pub article: Option<String>,
    pub name: Option<String>,
    pub unit: Option<String>,
    pub status: Option<LineStatus>,
    pub ordered: Option<Decimal>,
    pub confirmed: Option<Decimal>,
    pub confirmed_date: Option<Date>,
    pub backordered: Option<Decimal>,
    pub backordered_date: Option<Date>,
    pub canceled: Option<Decimal>,
    pub price: Option<Decimal>,
    pub substitute: Option<String>,
    pub reason: Option<String>,
    pub note: Option<String>,
    pub schedule: Vec<Schedule>,
    /// Fields that nobody said and that were filled in, by their words.
    pub filled: Vec<String>,
}

#[derive(Serialize)]
pub struct RecallView {
    pub reason: String,
    pub positions: Vec<RecallLine>,
    pub asked_at: Option<Timestamp>,
}

#[derive(Serialize)]
pub struct RecallLine {
    pub position: u32,
    pub article: Option<String>,
    pub name: Option<String>,
    pub quantity: Decimal,
    pub unit: Option<String>,
    /// What differs: `Price: 181.10 EUR (ordered 176.80 EUR)`.
    pub why: Vec<String>,
}

#[derive(Serialize)]
pub struct ReceiptView {
    pub outcome: Outcome,
    pub lines: Vec<Reading>,
    pub approved: Vec<u32>,
    pub declined: Vec<u32>,
    pub open: Vec<u32>,
    pub detail: Option<String>,
}

#[derive(Serialize)]
pub struct Reading {
    pub said: String,
    pub read_as: String,
}

#[derive(Serialize)]
pub struct ReminderView {
    pub of: String,
    pub of_kind: TransmissionKind,
    pub count: u32,
    pub asked_at: Option<Timestamp>,
}

#[derive(Serialize)]
pub struct UnansweredView {
    pub positions: Vec<OrderedView>,
    pub count: u32,
}

#[derive(Serialize)]
pub struct WithdrawalView {
    pub of: String,
    pub reason: String,
}

#[derive(Serialize)]
pub struct QuestionView {
    pub by: String,
    pub text: Vec<String>,
}

#[derive(Serialize)]
pub struct AlarmView {
    pub id: String,
    pub kind: String,
    pub title: String,
    pub todo: String,
    pub news: AlarmNews,
    pub subject: String,
    pub message: String,
    pub started_at: Timestamp,
    pub ended_at: Option<Timestamp>,
}

impl View {
    pub fn of(letter: &Letter<'_>, frame: &Frame<'_>, language: &Language) -> View {
        let owed = letter.owed;
        let response = frame.response;
        let hidden = frame.hides_order();
        let (deviations, within, open) = questions(letter, frame, language);
        let decided = |wanted: fn(&LineDecision) -> bool| -> Vec<u32> {
            let lines = response.and_then(|r| r.approval.as_ref()).map(|approval| &approval.lines);
            lines.into_iter().flatten().filter(|(_, one)| wanted(one)).map(|(position, _)| *position).collect()
        };
        let (lines, more_lines) = if hidden { (Vec::new(), 0) } else { lines(letter, frame, language) };
        let approval = response.and_then(|r| r.approval.as_ref()).filter(|_| frame.reader != Reader::Partner);
        let number = letter.dossier.number.as_str();
        let order = match &owed.about {
            About::Alarm { alarm, .. } if number.is_empty() => alarm.order.as_ref().map(ToString::to_string),
            _ => Some(number.to_string()).filter(|number| !number.is_empty()),
        };
        View {
            kind: owed.kind,
            transmission: owed.id.to_string(),
            reader: frame.reader,
            lang: language.code.clone(),
            now: letter.now,
            order,
            ordered_at: frame.order.and_then(|order| order.ordered_at),
            currency: frame.order.map(|order| order.currency.clone()),
            supplier_order_number: frame.order.and_then(|order| order.supplier_order_number.clone()),
            partner: frame.partner.map(|id| {
                let name = letter.policies.partners.get(id).map_or("", |partner| partner.name.as_str());
                party(id.as_str(), name)
            }),
            channel: frame.channel.map(|id| {
                let name = letter.policies.channels.get(id).map_or("", |channel| channel.name.as_str());
                party(id.as_str(), name)
            }),
            sale: None,
            response: response.map(|response| ResponseView {
                id: response.id.to_string(),
                response_type: response.response_type,
                number: response.message.text(Field::ResponseNumber).map(str::to_string),
                entry_date: response.entry_date,
                arrived_at: response.arrived_at,
                note: response.message.text(Field::Note).map(str::to_string),
                stands: stands(response.status, language),
            }),
            token: letter.token.map(str::to_string),
            reply_to: letter.reply_to.map(str::to_string),
            partner_words: letter.partner_words.map(quoted).filter(|lines| !lines.is_empty()),
            fill_in: letter.fill_in.filter(|_| !hidden).map(str::to_string),
            due: response.and_then(|response| response.due),
            expires: approval.and_then(|approval| approval.expires_at),
            asked: approval.map(|approval| approval.approvers.clone()).unwrap_or_default(),
            next_asked: approval
                .and_then(|approval| frame.settings.approvers.get(approval.rank.saturating_add(1)))
                .cloned()
                .unwrap_or_default(),
            ordered: ordered(frame),
            total: total(&lines).filter(|_| more_lines == 0),
            lines,
            more_lines,
            faults: faults(letter, frame, language),
            impact: sum(&deviations),
            days_late: deviations.iter().filter_map(|deviation| deviation.days).max().filter(|days| *days > 0),
            as_ordered: as_ordered(frame, &deviations, &within),
            deviations,
            within,
            open,
            approved: decided(|one| matches!(one, LineDecision::Approved { .. })),
            declined: decided(|one| matches!(one, LineDecision::Declined { .. })),
            recall: recall(letter, frame, language),
            receipt: match &owed.about {
                About::Receipt(receipt) => Some(ReceiptView {
                    outcome: receipt.outcome,
                    lines: readings(&receipt.lines, language),
                    approved: receipt.approved.clone(),
                    declined: receipt.declined.clone(),
                    open: receipt.open.clone(),
                    detail: detail(receipt, frame, language),
                }),
                _ => None,
            },
            reminder: reminder(letter, frame),
            unanswered: match &owed.about {
                About::Unanswered { positions, count, .. } => {
                    let positions = positions.iter().filter_map(|number| frame.position(Some(*number)));
                    Some(UnansweredView {
                        positions: positions.take(ROWS_MAX).map(|position| ordered_view(position, frame)).collect(),
                        count: *count,
                    })
                }
                _ => None,
            },
            withdrawal: match &owed.about {
                About::Withdrawal { of, reason } => {
                    Some(WithdrawalView { of: of.to_string(), reason: language.phrase(reason) })
                }
                _ => None,
            },
            question: match &owed.about {
                About::Question { by, text } => Some(QuestionView { by: by.clone(), text: quoted(text) }),
                _ => None,
            },
            digest: match &owed.about {
                About::Digest { questions, lines, answers } => Some(DigestView {
                    questions: questions.iter().filter_map(|one| digest_entry(one, letter, language)).collect(),
                    lines: readings(lines, language),
                    answers: answers.iter().filter_map(|one| digest_answered(one, letter, frame, language)).collect(),
                    nothing: answers.iter().all(|one| idle(one.receipt.outcome)),
                    undo: answers
                        .iter()
                        .find(|one| !one.receipt.declined.is_empty())
                        .map(|one| one.response.to_string()),
                }),
                _ => None,
            },
            alarm: match &owed.about {
                About::Alarm { alarm, news } => {
                    let kind = alarm.kind.name();
                    Some(AlarmView {
                        id: alarm.id.to_string(),
                        title: language.text(&format!("alarm.{kind}.title")).to_string(),
                        todo: language.text(&format!("alarm.{kind}.todo")).to_string(),
                        kind: kind.to_string(),
                        news: *news,
                        subject: language.phrase(&alarm.subject),
                        message: alarm_message(alarm, letter, frame, language),
                        started_at: alarm.started_at,
                        ended_at: alarm.ended_at,
                    })
                }
                _ => None,
            },
        }
    }
}

fn readings(lines: &[(String, String)], language: &Language) -> Vec<Reading> {
    let lines = lines.iter().take(QUOTED_LINES_MAX);
    lines.map(|(said, read_as)| Reading { said: said.clone(), read_as: language.phrase(read_as) }).collect()
}

/// A receipt's free remark: a moment in the reader's time, or a sentence in the reader's language.
fn detail(receipt: &Receipt, frame: &Frame<'_>, language: &Language) -> Option<String> {
    receipt.detail.as_deref().map(|detail| match detail.parse::<Timestamp>() {
        Ok(at) => language.time(at, &frame.zone),
        Err(_) => language.phrase(detail),
    })
}

/// The answer changed nothing.
fn idle(outcome: Outcome) -> bool {
    use Outcome as O;
    matches!(outcome, O::AlreadyDecided | O::NoLongerAsked | O::NotUnderstood | O::Comment | O::Status | O::Help)
}

fn digest_answered(
    answer: &DigestAnswer,
    letter: &Letter<'_>,
    frame: &Frame<'_>,
    language: &Language,
) -> Option<DigestAnswered> {
    let response = answer.dossier.responses.get(&answer.response)?;
    let receipt = &answer.receipt;
    let partner = letter.policies.partners.get(&response.partner).map(|partner| partner.name.clone());
    let unclear = matches!(receipt.outcome, Outcome::NotUnderstood | Outcome::Comment);
    let code = serde_json::to_value(receipt.outcome).ok();
    let code = code.as_ref().and_then(|code| code.as_str()).unwrap_or_default();
    Some(DigestAnswered {
        order: answer.dossier.number.to_string(),
        response: response.id.to_string(),
        partner: partner.filter(|name| !name.is_empty()).unwrap_or_else(|| response.partner.to_string()),
        outcome: receipt.outcome,
        understood: language.text(&format!("outcome.{code}")).to_string(),
        stands: stands(response.status, language),
        lines: if unclear { readings(&receipt.lines, language) } else { Vec::new() },
        approved: receipt.approved.clone(),
        declined: receipt.declined.clone(),
        open: receipt.open.clone(),
        detail: detail(receipt, frame, language),
    })
}

fn digest_entry(question: &DigestQuestion, letter: &Letter<'_>, language: &Language) -> Option<DigestEntry> {
    let owed = Owed {
        kind: TransmissionKind::ConfirmResponse,
        response: Some(question.response),
        about: About::Response,
        ..letter.owed.clone()
    };
    let own = Letter { owed: &owed, dossier: &question.dossier, ..*letter };
    let frame = Frame::of(&own);
    let response = frame.response?;
    let (deviations, _, open) = questions(&own, &frame, language);
    let partner = letter.policies.partners.get(&response.partner).map(|partner| partner.name.clone());
    Some(DigestEntry {
        order: question.dossier.number.to_string(),
        response: response.id.to_string(),
        partner: partner.filter(|name| !name.is_empty()).unwrap_or_else(|| response.partner.to_string()),
        asked_at: response.approval.as_ref().map(|approval| approval.asked_at),
        expires: response.approval.as_ref().and_then(|approval| approval.expires_at),
        impact: sum(&deviations),
        deviations,
        open,
        currency: frame.order.map(|order| order.currency.clone()),
    })
}

/// What an alarm says, in the reader's language: faults by their own words, the other sentences as phrases.
fn alarm_message(alarm: &Alarm, letter: &Letter<'_>, frame: &Frame<'_>, language: &Language) -> String {
    let said: Vec<String> = faults(letter, frame, language)
        .into_iter()
        .map(|fault| match fault.position {
            Some(position) => format!("{} {position}: {}", language.text("column.line"), fault.said),
            None => fault.said,
        })
        .collect();
    // In English the process's own sentences say more.
    let whole = alarm.kind != AlarmKind::Faulty || language.code == "en" || said.is_empty();
    let (head, faults) = match alarm.message.split_once(" is faulty: ") {
        Some((head, _)) if !whole => (format!("{head} is faulty"), said.join("; ")),
        _ => return language.phrase(&alarm.message),
    };
    format!("{}: {faults}", language.phrase(&head))
}

/// Statuses that mean something to people outside have words of their own; the others are on their way.
fn stands(status: Status, language: &Language) -> String {
    let key = format!("stands.{}", status.name());
    language.get(&key).unwrap_or_else(|| language.text("stands.OTHER")).to_string()
}

pub fn party(id: &str, name: &str) -> Party {
    Party { id: id.to_string(), name: if name.is_empty() { id } else { name }.to_string() }
}

/// The partner's own words, without trailing blank lines, cut where nobody reads on.
pub fn quoted(words: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut chars = 0;
    for line in words.trim().lines() {
        chars += line.chars().count() + 1;
        if lines.len() == QUOTED_LINES_MAX || chars > QUOTED_CHARS_MAX {
            lines.push("[...]".to_string());
            break;
        }
        let blank_twice = line.trim().is_empty() && lines.last().is_some_and(String::is_empty);
        if !blank_twice {
            lines.push(line.trim().to_string());
        }
    }
    lines
}

/// The deviations in question, those within tolerance, and the positions still open.
fn questions(
    letter: &Letter<'_>,
    frame: &Frame<'_>,
    language: &Language,
) -> (Vec<DeviationView>, Vec<DeviationView>, Vec<u32>) {
    let Some(response) = frame.response.filter(|_| frame.reader != Reader::Partner) else {
        return (Vec::new(), Vec::new(), Vec::new());
    };
    let (within, asked): (Vec<_>, Vec<_>) =
        deviations(response, frame, language).into_iter().partition(|deviation| deviation.within);
    let receipt_open = match &letter.owed.about {
        About::Receipt(receipt) if !receipt.open.is_empty() => Some(receipt.open.clone()),
        _ => None,
    };
    let open: Vec<u32> = match (&response.approval, receipt_open) {
        (_, Some(open)) => open,
        (Some(approval), None) if !approval.lines.is_empty() => {
            let open = approval.lines.iter().filter(|(_, one)| matches!(one, LineDecision::Open));
            open.map(|(position, _)| *position).collect()
        }
        _ => asked.iter().filter_map(|deviation| deviation.position).collect::<BTreeSet<_>>().into_iter().collect(),
    };
    let asked = asked.into_iter().filter(|one| one.position.is_none_or(|position| open.contains(&position)));
    (asked.take(ROWS_MAX).collect(), within.into_iter().take(ROWS_MAX).collect(), open)
}

fn sum(deviations: &[DeviationView]) -> Option<Decimal> {
    let mut impacts = deviations.iter().filter_map(|deviation| deviation.impact_amount).peekable();
    impacts.peek()?;
    impacts.try_fold(Decimal::ZERO, |sum, impact| sum.checked_add(impact))
}

fn as_ordered(frame: &Frame<'_>, asked: &[DeviationView], within: &[DeviationView]) -> Vec<u32> {
    let Some(response) = frame.response.filter(|_| frame.reader != Reader::Partner) else { return Vec::new() };
    let differing: BTreeSet<u32> = response.deviations.iter().filter_map(|deviation| deviation.position).collect();
    let shown = asked.iter().chain(within).filter_map(|one| one.position);
    let differing: BTreeSet<u32> = differing.into_iter().chain(shown).collect();
    response.covers().into_iter().filter(|position| !differing.contains(position)).collect()
}

/// The lines of the response, as announced where it was, as answered else.
fn lines(letter: &Letter<'_>, frame: &Frame<'_>, language: &Language) -> (Vec<LineView>, usize) {
    let Some(response) = frame.response else { return (Vec::new(), 0) };
    let announced = matches!(
        letter.owed.kind,
        TransmissionKind::SendResponseInitial
            | TransmissionKind::SendResponseContinuous
            | TransmissionKind::CreateDocuments
    );
    let all = response.composed.as_ref().filter(|_| announced).unwrap_or(&response.lines);
    let told: Vec<&Line> = all.iter().filter(|line| line.ignored.is_none()).collect();
    let views = told.iter().take(ROWS_MAX).map(|line| line_view(line, frame, language)).collect();
    (views, told.len().saturating_sub(ROWS_MAX))
}

fn line_view(line: &Line, frame: &Frame<'_>, language: &Language) -> LineView {
    let position = frame.position(line.position);
    let amount = |value: Decimal| Some(value).filter(|value| !value.is_zero());
    LineView {
        position: line.position,
        article: frame.article(position, Some(line)),
        name: position.and_then(|position| position.name.clone()).or_else(|| line.name.clone()),
        unit: position.and_then(|position| position.unit.clone()).or_else(|| line.unit.clone()),
        status: line.status,
        ordered: position.map(|position| position.quantity),
        confirmed: amount(line.quantity_confirmed),
        confirmed_date: line.confirmed_date.filter(|_| !line.quantity_confirmed.is_zero()),
        backordered: amount(line.quantity_backordered),
        backordered_date: line.backordered_date.filter(|_| !line.quantity_backordered.is_zero()),
        canceled: amount(line.quantity_canceled),
        price: line.price_net,
        substitute: line.substitute_sku.clone(),
        reason: line.reason.clone(),
        note: line.note.clone(),
        schedule: line.schedule.clone(),
        filled: line.filled.keys().map(|field| language.text(&format!("field.{}", field.name())).to_string()).collect(),
    }
}

/// Confirmed and backordered goods at their prices; none where a price is not known.
fn total(lines: &[LineView]) -> Option<Decimal> {
    let mut total = Decimal::ZERO;
    for line in lines {
        let quantity = line.confirmed.unwrap_or_default().checked_add(line.backordered.unwrap_or_default())?;
        if !quantity.is_zero() {
            total = total.checked_add(quantity.checked_mul(line.price?)?)?;
        }
    }
    Some(total).filter(|_| !lines.is_empty())
}

fn ordered(frame: &Frame<'_>) -> Vec<OrderedView> {
    let Some(order) = frame.order else { return Vec::new() };
    let own = order.positions.iter().filter(|position| frame.partner.is_none_or(|id| *id == position.partner));
    own.filter(|position| !position.added).take(ROWS_MAX).map(|position| ordered_view(position, frame)).collect()
}

fn ordered_view(position: &Position, frame: &Frame<'_>) -> OrderedView {
    OrderedView {
        position: position.position,
        article: frame.article(Some(position), None),
        name: position.name.clone(),
        quantity: position.quantity,
        unit: position.unit.clone(),
        price: position.price_net,
        date: position.requested_date,
    }
}

/// What is recalled: told by the owed recall, or by the dossier where a reminder speaks of one.
fn recall(letter: &Letter<'_>, frame: &Frame<'_>, language: &Language) -> Option<RecallView> {
    let known = |of| letter.dossier.recalls.iter().find(|recall| recall.transmission == of);
    let (positions, reason, asked_at) = match &letter.owed.about {
        About::Recall { positions, reason } => (positions, reason, None),
        About::Reminder { of, .. } | About::Withdrawal { of, .. } => {
            let recall = known(*of)?;
            (&recall.positions, &recall.reason, Some(recall.asked_at))
        }
        _ => return None,
    };
    let differing = match frame.response {
        Some(response) => deviations(response, frame, language),
        None => Vec::new(),
    };
    let lines = positions.iter().filter(|_| !frame.hides_order()).take(ROWS_MAX).map(|(number, quantity)| {
        let position = frame.position(Some(*number));
        let why = differing.iter().filter(|one| one.position == Some(*number) && !one.within && one.told_to_partner());
        RecallLine {
            position: *number,
            article: frame.article(position, None),
            name: position.and_then(|position| position.name.clone()),
            quantity: *quantity,
            unit: position.and_then(|position| position.unit.clone()),
            why: why
                .map(|one| {
                    let values = [("what", &*one.what), ("confirmed", &*one.confirmed), ("ordered", &*one.ordered)];
                    language.fill("deviating.why", &values)
                })
                .collect(),
        }
    });
    Some(RecallView { reason: language.phrase(reason), positions: lines.collect(), asked_at })
}

fn reminder(letter: &Letter<'_>, frame: &Frame<'_>) -> Option<ReminderView> {
    let About::Reminder { of, of_kind, count } = &letter.owed.about else { return None };
    let recall = letter.dossier.recalls.iter().find(|recall| recall.transmission == *of);
    let approval = frame.response.and_then(|response| response.approval.as_ref());
    let asked_at = match of_kind {
        TransmissionKind::SendOrderRecall => recall.map(|recall| recall.asked_at),
        TransmissionKind::ConfirmResponse => approval.map(|approval| approval.asked_at),
        _ => None,
    };
    Some(ReminderView { of: of.to_string(), of_kind: *of_kind, count: *count, asked_at })
}

/// Codes that a partner is told in the words of an unknown order.
pub fn is_unknown_order(code: FaultCode) -> bool {
    matches!(code, FaultCode::UnknownOrder | FaultCode::NotPartnerOfOrder)
}
