//! An order by mail as its reader may see it, with words for codes: the variables of the letters of the sales side.
//!
//! Here is decided what a customer never sees: tolerances, who is asked, what is within what.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;

use super::fault::place_words;
use super::language::Language;
use super::sale::{SaleAbout, SaleAmount, SaleDifference, SaleFault, SaleLetter, SaleLine, Shown, Tolerated};
use super::view::{Party, QuestionView, ROWS_MAX, Reading, ReceiptView, ReminderView, WithdrawalView, quoted};
use crate::model::TransmissionKind;

/// Lines of an address, and ready CHANGE answers, that a letter shows.
const ADDRESS_LINES_MAX: usize = 8;
const CHANGES_MAX: usize = 4;

/// Who reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleReader {
    Customer,
    Sales,
    OrderSystem,
}

/// The variables of a letter of the sales side. Every one is always there; what is not known is none.
#[derive(Serialize)]
pub struct SaleView {
    pub kind: TransmissionKind,
    pub transmission: String,
    pub reader: SaleReader,
    pub lang: String,
    pub now: Timestamp,
    pub sale: String,
    pub order: String,
    pub order_system_number: Option<String>,
    pub changed: bool,
    pub customer: Party,
    pub customer_number: Option<String>,
    pub seller: String,
    pub seller_address: Vec<String>,
    /// Who signs; for the layout that all letters share.
    pub channel: Option<Party>,
    /// Always none: there is no response of a partner.
    pub response: Option<()>,
    pub received_at: Timestamp,
    pub ordered_on: Option<Date>,
    pub currency: Option<String>,
    pub billing_address: Vec<String>,
    pub delivery_address: Vec<String>,
    pub contact: Option<String>,
    pub payment_terms: Option<String>,
    pub delivery_terms: Option<String>,
    pub comment: Vec<String>,
    pub answered: bool,
    pub items: Vec<ItemView>,
    pub more_items: usize,
    pub total: Option<Decimal>,
    pub differences: Vec<SaleDifferenceView>,
    pub within: Vec<SaleDifferenceView>,
    pub impact: Option<Decimal>,
    pub open: Vec<u32>,
    pub example: Option<String>,
    pub changes: Vec<String>,
    pub customer_words: Option<Vec<String>>,
    pub faults: Vec<SaleFaultView>,
    pub reason: Option<String>,
    pub token: Option<String>,
    pub reply_to: Option<String>,
    pub due: Option<Timestamp>,
    pub expires: Option<Timestamp>,
    pub asked: Vec<String>,
    pub next_asked: Vec<String>,
    pub receipt: Option<ReceiptView>,
    pub reminder: Option<ReminderView>,
    pub withdrawal: Option<WithdrawalView>,
    pub question: Option<QuestionView>,
    #[serde(skip)]
    pub zone: TimeZone,
}

/// A line as it will be delivered (as ordered, before the order system answered).
#[derive(Clone, Debug, Serialize)]
pub struct ItemView {
    pub position: Option<u32>,
    pub article: Option<String>,
    pub name: Option<String>,
    pub state: &'static str,
    /// The state in words.
    pub stands: String,
    pub quantity: Option<Decimal>,
    pub unit: Option<String>,
    pub price: Option<Decimal>,
    pub amount: Option<Decimal>,
    pub date: Option<Date>,
    /// `10 PCE at 12.00 EUR, 15 Dec 2026`: as ordered, and as the order system has it.
    pub ordered: Option<String>,
    pub confirmed: Option<String>,
    pub substitute: Option<String>,
    /// What is other than ordered: `Quantity 8 PCE instead of 10 PCE`.
    pub changes: Vec<String>,
    pub comment: Option<String>,
    pub reason: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct SaleDifferenceView {
    pub code: String,
    pub what: String,
    pub position: Option<u32>,
    pub article: Option<String>,
    pub ordered: String,
    pub confirmed: String,
    pub difference: String,
    pub tolerance: String,
    pub impact: Option<String>,
    pub within: bool,
    /// The whole difference in one sentence, for the customer.
    pub sentence: String,
}

#[derive(Serialize)]
pub struct SaleFaultView {
    pub code: String,
    pub position: Option<u32>,
    pub said: String,
    pub read: Option<String>,
    pub place: Option<String>,
    pub needed: String,
    pub detail: Option<String>,
}

impl SaleView {
    pub fn of(letter: &SaleLetter, language: &Language) -> SaleView {
        let words = Words { letter, language };
        let reader = reader(letter);
        let zone = zone(letter);
        let (within, asked): (Vec<_>, Vec<_>) = letter.differences.iter().partition(|one| one.within);
        let differences: Vec<SaleDifferenceView> =
            asked.iter().take(ROWS_MAX).map(|one| words.difference(one, reader)).collect();
        let mut open: Vec<u32> = asked.iter().filter_map(|one| one.position).collect();
        open.sort_unstable();
        open.dedup();
        let changes = words.changes(&open);
        SaleView {
            kind: letter.kind,
            transmission: letter.transmission.to_string(),
            reader,
            lang: language.code.clone(),
            now: letter.now,
            sale: letter.sale.clone(),
            order: letter.order.clone(),
            order_system_number: letter.order_system_number.clone(),
            changed: letter.changed,
            customer: super::view::party(&letter.customer.0, &letter.customer.1),
            customer_number: letter.customer_number.clone(),
            seller: letter.seller.clone(),
            seller_address: address(letter.seller_address.as_deref()),
            channel: Some(&letter.seller).filter(|name| !name.is_empty()).map(|name| super::view::party("sales", name)),
            response: None,
            received_at: letter.received_at,
            ordered_on: letter.ordered_on,
            currency: letter.currency.clone(),
            billing_address: address(letter.billing_address.as_deref()),
            delivery_address: address(letter.delivery_address.as_deref()),
            contact: line(letter.contact.as_deref()),
            payment_terms: line(letter.payment_terms.as_deref()),
            delivery_terms: line(letter.delivery_terms.as_deref()),
            comment: letter.comment.as_deref().map(quoted).unwrap_or_default(),
            answered: letter.answered,
            items: letter.lines.iter().take(ROWS_MAX).map(|line| words.item(line)).collect(),
            more_items: letter.lines.len().saturating_sub(ROWS_MAX),
            total: letter.total.or_else(|| words.total()),
            impact: impact(&asked),
            differences,
            within: within.iter().take(ROWS_MAX).map(|one| words.difference(one, reader)).collect(),
            open,
            example: changes.first().cloned(),
            changes,
            customer_words: letter.customer_words.as_deref().map(quoted).filter(|lines| !lines.is_empty()),
            faults: match &letter.about {
                SaleAbout::Faults(faults) => faults.iter().take(ROWS_MAX).map(|fault| words.fault(fault)).collect(),
                _ => Vec::new(),
            },
            reason: match &letter.about {
                SaleAbout::Declined { reason } => Some(language.phrase(reason.trim())).filter(|why| !why.is_empty()),
                _ => None,
            },
            token: letter.token.clone(),
            reply_to: letter.reply_to.clone(),
            due: letter.due,
            expires: letter.expires,
            asked: if reader == SaleReader::Customer { Vec::new() } else { letter.asked.clone() },
            next_asked: if reader == SaleReader::Customer { Vec::new() } else { letter.next_asked.clone() },
            receipt: match &letter.about {
                SaleAbout::Receipt(receipt) => Some(ReceiptView {
                    outcome: receipt.outcome,
                    lines: receipt
                        .lines
                        .iter()
                        .take(60)
                        .map(|(said, read_as)| Reading { said: said.clone(), read_as: language.phrase(read_as) })
                        .collect(),
                    approved: receipt.approved.clone(),
                    declined: receipt.declined.clone(),
                    open: receipt.open.clone(),
                    detail: receipt.detail.as_deref().map(|detail| match detail.parse::<Timestamp>() {
                        Ok(at) => language.time(at, &zone),
                        Err(_) => language.phrase(detail),
                    }),
                }),
                _ => None,
            },
            reminder: match &letter.about {
                SaleAbout::Reminder { of, of_kind, count, asked_at } => {
                    Some(ReminderView { of: of.to_string(), of_kind: *of_kind, count: *count, asked_at: *asked_at })
                }
                _ => None,
            },
            withdrawal: match &letter.about {
                SaleAbout::Withdrawal { of, reason } => {
                    Some(WithdrawalView { of: of.to_string(), reason: language.phrase(reason) })
                }
                _ => None,
            },
            question: match &letter.about {
                SaleAbout::Question { by, text } => Some(QuestionView { by: by.clone(), text: quoted(text) }),
                _ => None,
            },
            zone,
        }
    }
}

pub fn zone(letter: &SaleLetter) -> TimeZone {
    TimeZone::get(&letter.time_zone).unwrap_or(TimeZone::UTC)
}

fn reader(letter: &SaleLetter) -> SaleReader {
    use TransmissionKind as Kind;
    match (letter.kind, &letter.about) {
        (Kind::SendOrder, _) => SaleReader::OrderSystem,
        (Kind::SendOrderConfirmation | Kind::RequestNewOrder | Kind::Question, _)
        | (_, SaleAbout::Reminder { of_kind: Kind::RequestNewOrder | Kind::Question, .. }) => SaleReader::Customer,
        _ => SaleReader::Sales,
    }
}

/// The lines of an address; a written one-liner stays one.
fn address(text: Option<&str>) -> Vec<String> {
    let lines = text.unwrap_or_default().lines().map(str::trim).filter(|line| !line.is_empty());
    lines.take(ADDRESS_LINES_MAX).map(str::to_string).collect()
}

fn line(text: Option<&str>) -> Option<String> {
    let words: Vec<&str> = text?.split_whitespace().collect();
    Some(words.join(" ")).filter(|text| !text.is_empty())
}

fn impact(differences: &[&SaleDifference]) -> Option<Decimal> {
    let mut impacts = differences.iter().filter_map(|one| one.impact).peekable();
    impacts.peek()?;
    impacts.try_fold(Decimal::ZERO, |sum, impact| sum.checked_add(impact)).filter(|sum| !sum.is_zero())
}

/// Puts single values into words.
pub struct Words<'a> {
    pub letter: &'a SaleLetter,
    pub language: &'a Language,
}

impl Words<'_> {
    fn currency(&self) -> &str {
        self.letter.currency.as_deref().unwrap_or_default()
    }

    fn money(&self, amount: Decimal) -> String {
        self.language.money(amount, self.currency())
    }

    fn quantity(&self, quantity: Decimal, unit: Option<&str>) -> String {
        match unit.filter(|unit| !unit.is_empty()) {
            Some(unit) => format!("{}\u{a0}{unit}", self.language.quantity(quantity)),
            None => self.language.quantity(quantity),
        }
    }

    fn shown(&self, value: &Shown) -> String {
        match value {
            Shown::Nothing => String::new(),
            Shown::Money(amount) => self.money(*amount),
            Shown::Quantity(quantity, unit) => self.quantity(*quantity, unit.as_deref()),
            Shown::Date(date) => self.language.date(*date),
            Shown::Text(text) => address(Some(text)).join(", "),
        }
    }

    /// `10 PCE at 12.00 EUR, 15 Dec 2026`.
    fn amount(&self, amount: &SaleAmount) -> Option<String> {
        let quantity = amount.quantity.map(|quantity| self.quantity(quantity, amount.unit.as_deref()));
        let price = amount.price.map(|price| self.money(price));
        let much = match (quantity, price) {
            (Some(quantity), Some(price)) => {
                Some(self.language.fill("sale_change.priced", &[("quantity", &quantity), ("price", &price)]))
            }
            (quantity, price) => quantity.or(price),
        };
        let date = amount.date.map(|date| self.language.date(date));
        match (much, date) {
            (Some(much), Some(date)) => Some(format!("{much}, {date}")),
            (much, date) => much.or(date),
        }
    }

    pub fn item(&self, line: &SaleLine) -> ItemView {
        let letter = self.letter;
        let gone = letter.answered && line.confirmed.is_none();
        let state = match (&line.ordered, &line.confirmed) {
            _ if gone => "canceled",
            (None, Some(_)) => "added",
            (Some(ordered), Some(confirmed)) if differs(ordered, confirmed) || line.substitute.is_some() => "changed",
            _ => "as_ordered",
        };
        let shown = line.confirmed.as_ref().or(line.ordered.as_ref());
        let (quantity, price) = match shown {
            Some(_) if gone => (Some(Decimal::ZERO), None),
            Some(amount) => (amount.quantity, amount.price),
            None => (None, None),
        };
        let change = |code: &str, ordered: Option<String>, confirmed: Option<String>| match (ordered, confirmed) {
            (Some(ordered), Some(confirmed)) if ordered != confirmed => {
                let what = self.language.text(&format!("sale_difference.{code}")).to_string();
                let values = [("what", &*what), ("confirmed", &*confirmed), ("ordered", &*ordered)];
                Some(self.language.fill("sale_change.short", &values))
            }
            _ => None,
        };
        let mut changes = Vec::new();
        match (state, &line.ordered, &line.confirmed) {
            ("canceled", ..) => changes.push(self.language.text("sale_change.missing").to_string()),
            ("added", ..) => changes.push(self.language.text("sale_change.added").to_string()),
            (_, Some(ordered), Some(confirmed)) => {
                let much = |amount: &SaleAmount| amount.quantity.map(|q| self.quantity(q, amount.unit.as_deref()));
                let cost = |amount: &SaleAmount| amount.price.map(|price| self.money(price));
                let day = |amount: &SaleAmount| amount.date.map(|date| self.language.date(date));
                changes.extend(change("ARTICLE", line.article.clone(), line.substitute.clone()));
                changes.extend(change("QUANTITY", much(ordered), much(confirmed)));
                changes.extend(change("PRICE", cost(ordered), cost(confirmed)));
                changes.extend(change("DATE", day(ordered), day(confirmed)));
            }
            _ => {}
        }
        ItemView {
            position: line.position,
            article: line.article.clone(),
            name: line.name.clone(),
            state,
            stands: self.language.text(&format!("sale_state.{state}")).to_string(),
            quantity,
            unit: shown.and_then(|amount| amount.unit.clone()),
            price,
            amount: quantity.and_then(|quantity| quantity.checked_mul(price?)).map(cents),
            date: shown.filter(|_| !gone).and_then(|amount| amount.date),
            ordered: line.ordered.as_ref().and_then(|amount| self.amount(amount)),
            confirmed: line.confirmed.as_ref().and_then(|amount| self.amount(amount)),
            substitute: line.substitute.clone(),
            changes,
            comment: self::line(line.comment.as_deref()),
            reason: self::line(line.reason.as_deref()),
        }
    }

    /// The sum of the lines; none where a price is missing.
    pub fn total(&self) -> Option<Decimal> {
        let mut total = Decimal::ZERO;
        for line in &self.letter.lines {
            let item = self.item(line);
            if item.quantity.is_none_or(|quantity| !quantity.is_zero()) {
                total = total.checked_add(item.amount?)?;
            }
        }
        Some(total).filter(|_| !self.letter.lines.is_empty())
    }

    fn difference(&self, one: &SaleDifference, reader: SaleReader) -> SaleDifferenceView {
        let key = format!("sale_difference.{}", one.code);
        let what = self.language.get(&key).unwrap_or(&one.code).to_string();
        let nothing = || self.language.text("deviating.nothing").to_string();
        let (ordered, confirmed) = (self.shown(&one.ordered), self.shown(&one.confirmed));
        let difference = self.subtract(&one.ordered, &one.confirmed);
        let sentence = match (ordered.is_empty(), confirmed.is_empty()) {
            (false, true) => self.language.text("sale_change.missing").to_string(),
            (true, false) if one.code == "ADDED" => {
                format!("{}: {confirmed}", self.language.text("sale_change.added"))
            }
            _ => {
                let ordered = if ordered.is_empty() { nothing() } else { ordered.clone() };
                let values = [("what", &*what), ("confirmed", &*confirmed), ("ordered", &*ordered)];
                self.language.fill("sale_change.sentence", &values)
            }
        };
        let told = reader != SaleReader::Customer;
        SaleDifferenceView {
            code: one.code.clone(),
            what,
            position: one.position,
            article: one.article.clone(),
            ordered: if ordered.is_empty() { nothing() } else { ordered },
            confirmed: if confirmed.is_empty() { nothing() } else { confirmed },
            difference,
            tolerance: one.tolerance.as_ref().filter(|_| told).map(|one| self.tolerance(one)).unwrap_or_default(),
            impact: one
                .impact
                .filter(|impact| told && !impact.is_zero())
                .map(|impact| self.language.signed_money(impact, self.currency())),
            within: one.within,
            sentence,
        }
    }

    /// With its sign; empty where values of this kind have no difference.
    fn subtract(&self, ordered: &Shown, confirmed: &Shown) -> String {
        match (ordered, confirmed) {
            (Shown::Money(a), Shown::Money(b)) => {
                let Some(more) = b.checked_sub(*a) else { return String::new() };
                let amount = self.language.signed_money(more, self.currency());
                let percent = more.checked_mul(Decimal::ONE_HUNDRED).and_then(|more| more.checked_div(*a));
                match percent {
                    Some(percent) => format!("{amount} ({})", self.language.signed_percent(percent)),
                    None => amount,
                }
            }
            (Shown::Quantity(a, one), Shown::Quantity(b, other)) if one == other => match b.checked_sub(*a) {
                Some(more) if more.is_sign_positive() => format!("+{}", self.language.quantity(more)),
                Some(less) => self.language.quantity(less),
                None => String::new(),
            },
            (Shown::Date(a), Shown::Date(b)) => match a.until(*b) {
                Ok(span) => {
                    let days = i64::from(span.get_days());
                    let plus = if days > 0 { "+" } else { "" };
                    format!("{plus}{}", self.language.days(days))
                }
                Err(_) => String::new(),
            },
            _ => String::new(),
        }
    }

    fn tolerance(&self, tolerated: &Tolerated) -> String {
        match tolerated {
            Tolerated::Percent(percent) => self.language.percent(*percent),
            Tolerated::Money(amount) => self.money(*amount),
            Tolerated::PercentOrMoney(percent, amount) => {
                let (one, other) = (self.language.percent(*percent), self.money(*amount));
                self.language.fill("tolerance.either", &[("one", &one), ("other", &other)])
            }
            Tolerated::Quantity(quantity) => self.language.quantity(*quantity),
            Tolerated::Days(days) => self.language.days(*days),
        }
    }

    /// Ready commands that bring differing lines back to what was ordered. Numbers and dates are written as every
    /// language reads them.
    fn changes(&self, open: &[u32]) -> Vec<String> {
        let verb = self.language.text("verb.change");
        let lines = open.iter().filter_map(|position| {
            let line = self.letter.lines.iter().find(|line| line.position == Some(*position))?;
            let (ordered, confirmed) = (line.ordered.as_ref()?, line.confirmed.as_ref()?);
            let mut command = format!("{verb} {position}");
            if ordered.quantity != confirmed.quantity {
                command.push_str(&format!(" qty = {}", plain(ordered.quantity?)));
            }
            if ordered.price != confirmed.price {
                command.push_str(&format!(" price = {}", plain(ordered.price?)));
            }
            if ordered.date != confirmed.date {
                command.push_str(&format!(" date = {}", ordered.date?));
            }
            command.contains('=').then_some(command)
        });
        lines.take(CHANGES_MAX).collect()
    }

    fn fault(&self, fault: &SaleFault) -> SaleFaultView {
        let known = self.language.has(&format!("sale_fault.{}.said", fault.code));
        let code = if known { fault.code.as_str() } else { "UNREADABLE" };
        let key = format!("field.{}", fault.field.as_deref().unwrap_or_default());
        let field = self.language.get(&key).or(fault.field.as_deref()).unwrap_or_default().to_string();
        let text = |part: &str| self.language.fill(&format!("sale_fault.{code}.{part}"), &[("field", &field)]);
        SaleFaultView {
            code: fault.code.clone(),
            position: fault.position,
            said: text("said"),
            read: fault.read.as_deref().and_then(|read| line(Some(read))),
            place: fault.place.as_ref().filter(|_| fault.read.is_some()).map(|one| place_words(one, self.language)),
            needed: text("needed"),
            detail: fault.detail.as_deref().and_then(|detail| line(Some(detail))),
        }
    }
}

/// Silent where either side does not say it.
fn differs(ordered: &SaleAmount, confirmed: &SaleAmount) -> bool {
    fn other<T: PartialEq>(a: Option<T>, b: Option<T>) -> bool {
        matches!((a, b), (Some(a), Some(b)) if a != b)
    }
    other(ordered.quantity, confirmed.quantity)
        || other(ordered.price, confirmed.price)
        || other(ordered.date, confirmed.date)
        || other(ordered.unit.as_ref(), confirmed.unit.as_ref())
}

fn cents(amount: Decimal) -> Decimal {
    amount.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero)
}

/// `12.50`, `8`, `4.3550`: never three decimals, which some languages read as thousands.
fn plain(value: Decimal) -> String {
    let mut value = value.normalize();
    if value.scale() == 3 || value.scale() == 1 {
        value.rescale(value.scale() + 1);
    }
    value.to_string()
}
