//! S7: the order system's order against the one that was wanted, line by line, and the order as it is then
//! confirmed. It must never know who is asked about it.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::model::{
    Date, Difference, DifferenceCode, Field, HeadState, LineStatus, Message, MessageKind, MissingPolicy, Said,
    SaleSettings, Shown, Tolerated, Value,
};
use crate::process::NUMBER_MAX;

type Line = BTreeMap<Field, Said>;

/// What a comparison came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The order system will not deliver anything of it.
    pub rejected: bool,
    /// Those within tolerance among them.
    pub differences: Vec<Difference>,
    /// The order as the order system has it.
    pub confirmed: Message,
}

impl Comparison {
    pub fn asks(&self) -> bool {
        self.differences.iter().any(|difference| !difference.within)
    }
}

/// Compares what was wanted with an answer: an order response, or the order as the order system has it.
pub fn compare(wanted: &Message, answer: &Message, settings: &SaleSettings) -> Comparison {
    let mut compare = Compare { wanted, answer, settings, differences: Vec::new(), confirmed: wanted.clone() };
    compare.confirmed.lines.clear();
    compare.head();
    let rejected = compare.lines();
    Comparison { rejected, differences: compare.differences, confirmed: compare.confirmed }
}

/// A message that says neither yes nor no nor what: received, not processed yet.
pub fn is_acknowledgement(answer: &Message) -> bool {
    answer.state() == Some(HeadState::Received)
}

struct Compare<'a> {
    wanted: &'a Message,
    answer: &'a Message,
    settings: &'a SaleSettings,
    differences: Vec<Difference>,
    confirmed: Message,
}

/// A line of the answer, with what it leaves unsaid filled in from what was wanted.
struct Answered {
    now: Decimal,
    later: Decimal,
    price: Option<Decimal>,
    date: Option<Date>,
    later_date: Option<Date>,
}

impl Compare<'_> {
    fn head(&mut self) {
        for field in [Field::SupplierOrderNumber, Field::Total, Field::PaymentTerms, Field::DeliveryTerms] {
            if let Some(said) = self.answer.fields.get(&field) {
                self.confirmed.fields.insert(field, said.clone());
            }
        }
        for (field, code) in [
            (Field::Currency, DifferenceCode::Currency),
            (Field::DeliveryAddress, DifferenceCode::Address),
            (Field::BillingAddress, DifferenceCode::Address),
        ] {
            let Some(said) = self.answer.fields.get(&field) else { continue };
            if let (Some(wanted), Some(confirmed)) = (self.wanted.text(field), said.value.as_text())
                && words(wanted) != words(confirmed)
            {
                let (wanted, confirmed) = (Shown::Text(wanted.to_string()), Shown::Text(confirmed.to_string()));
                self.differs(code, None, wanted, confirmed);
            }
            self.confirmed.fields.insert(field, said.clone());
        }
        // A total that the customer worked out is not the order system's.
        if !self.answer.fields.contains_key(&Field::Total) {
            self.confirmed.fields.remove(&Field::Total);
        }
    }

    /// Every line; true when nothing is delivered at all.
    fn lines(&mut self) -> bool {
        if self.answer.state() == Some(HeadState::Canceled) {
            return true;
        }
        let answers = assign(self.wanted, self.answer);
        let mut added: BTreeSet<usize> = (0..self.answer.lines.len()).collect();
        let mut coming = false;
        for (index, line) in self.wanted.lines.iter().enumerate() {
            let own: Vec<&Line> = answers
                .iter()
                .filter(|(_, to)| *to == index)
                .filter_map(|(from, _)| self.answer.lines.get(*from))
                .collect();
            added.retain(|from| !answers.contains(&(*from, index)));
            coming |= self.line(line, &own);
        }
        for index in added {
            if let Some(line) = self.answer.lines.get(index) {
                coming |= self.added(line);
            }
        }
        !coming
    }

    /// One wanted line; true when something of it comes.
    fn line(&mut self, wanted: &Line, answers: &[&Line]) -> bool {
        let position = position_of(wanted);
        let quantity = number(wanted, Field::Quantity).unwrap_or_default();
        let unit = text(wanted, Field::Unit).map(str::to_string);
        let answered = match answers {
            [] if self.unmentioned_is_fine() => as_wanted(wanted, self.wanted),
            [] => Answered { now: Decimal::ZERO, later: Decimal::ZERO, ..as_wanted(wanted, self.wanted) },
            lines => answered(wanted, lines, self.wanted, self.answer),
        };
        let coming = answered.now.saturating_add(answered.later);
        if coming.is_zero() {
            self.differs(DifferenceCode::Missing, Some(wanted), Shown::Quantity(quantity, unit), Shown::Nothing);
            return false;
        }
        self.article(wanted, answers);
        self.unit(wanted, answers);
        self.quantity(wanted, quantity, coming, unit.clone());
        self.price(wanted, answered.price, coming);
        self.date(wanted, &answered, unit);
        self.confirm(wanted, answers, &answered, position);
        true
    }

    fn unmentioned_is_fine(&self) -> bool {
        self.answer.kind == MessageKind::Response
            && (self.answer.habits.missing == MissingPolicy::Accepted
                || (self.answer.lines.is_empty() && self.answer.state() == Some(HeadState::Accepted)))
    }

    fn article(&mut self, wanted: &Line, answers: &[&Line]) {
        let Some(line) = answers.first() else { return };
        let ordered = articles(wanted);
        let other = match text(line, Field::SubstituteSku) {
            Some(substitute) if ordered.iter().all(|(_, own)| *own != substitute.to_lowercase()) => substitute,
            Some(_) => return,
            None => {
                let said = articles(line);
                let common = |(field, _): &&(Field, String)| ordered.iter().any(|(own, _)| own == field);
                let known: Vec<&(Field, String)> = said.iter().filter(common).collect();
                if known.is_empty() || known.iter().any(|known| ordered.contains(known)) {
                    return;
                }
                known.first().and_then(|(field, _)| text(line, *field)).unwrap_or("")
            }
        };
        let own = article_of(wanted).unwrap_or_default();
        self.differs(DifferenceCode::Article, Some(wanted), Shown::Text(own), Shown::Text(other.to_string()));
    }

    fn unit(&mut self, wanted: &Line, answers: &[&Line]) {
        let other = answers.iter().find_map(|line| text(line, Field::Unit));
        if let (Some(own), Some(other)) = (text(wanted, Field::Unit), other)
            && !same_unit(own, other)
        {
            let (own, other) = (Shown::Text(own.to_string()), Shown::Text(other.to_string()));
            self.differs(DifferenceCode::Unit, Some(wanted), own, other);
        }
    }

    fn quantity(&mut self, wanted: &Line, quantity: Decimal, coming: Decimal, unit: Option<String>) {
        if coming == quantity {
            return;
        }
        let change = coming.saturating_sub(quantity);
        let tolerance = if change < Decimal::ZERO { self.settings.quantity_less } else { self.settings.quantity_more };
        let price = number(wanted, Field::PriceNet);
        let tolerated = (!tolerance.is_zero()).then_some(Tolerated::Quantity(tolerance));
        let difference = self.differs(
            DifferenceCode::Quantity,
            Some(wanted),
            Shown::Quantity(quantity, unit.clone()),
            Shown::Quantity(coming, unit),
        );
        difference.within = change.abs() <= tolerance;
        difference.tolerance = tolerated;
        difference.impact = price.map(|price| price.saturating_mul(change).normalize());
    }

    fn price(&mut self, wanted: &Line, price: Option<Decimal>, coming: Decimal) {
        let (Some(own), Some(other)) = (number(wanted, Field::PriceNet), price) else { return };
        if own == other {
            return;
        }
        let settings = self.settings;
        let change = other.saturating_sub(own);
        let limit = own.saturating_mul(settings.price_percent).checked_div(Decimal::ONE_HUNDRED).unwrap_or_default();
        let small = change.abs() <= limit || change.abs() <= settings.price_absolute;
        let tolerance = match (settings.price_percent.is_zero(), settings.price_absolute.is_zero()) {
            (true, true) => None,
            (false, true) => Some(Tolerated::Percent(settings.price_percent)),
            (true, false) => Some(Tolerated::Money(settings.price_absolute)),
            (false, false) => Some(Tolerated::PercentOrMoney(settings.price_percent, settings.price_absolute)),
        };
        let welcome = change < Decimal::ZERO && settings.price_lower_ok;
        let difference = self.differs(DifferenceCode::Price, Some(wanted), Shown::Money(own), Shown::Money(other));
        difference.within = small || welcome;
        difference.tolerance = tolerance;
        difference.impact = Some(change.saturating_mul(coming).normalize());
    }

    fn date(&mut self, wanted: &Line, answered: &Answered, unit: Option<String>) {
        let own = date(wanted, Field::RequestedDate).or_else(|| self.wanted.date(Field::RequestedDate));
        let days = |own: Date, other: Date| i64::from((other - own).get_days());
        let (late, early) = (i64::from(self.settings.days_late), i64::from(self.settings.days_early));
        if let (Some(own), Some(other)) = (own, answered.date.filter(|_| !answered.now.is_zero()))
            && own != other
        {
            let days = days(own, other);
            let tolerance = if days > 0 { late } else { early };
            let difference = self.differs(DifferenceCode::Date, Some(wanted), Shown::Date(own), Shown::Date(other));
            difference.within = days.abs() <= tolerance;
            difference.tolerance = (tolerance > 0).then_some(Tolerated::Days(tolerance));
        }
        if answered.later.is_zero() {
            return;
        }
        let in_time = own.zip(answered.later_date).is_some_and(|(own, other)| days(own, other) <= late);
        let when = answered.later_date.map_or_else(String::new, |date| format!(" {date}"));
        let unit = unit.map(|unit| format!(" {unit}")).unwrap_or_default();
        let confirmed = Shown::Text(format!("{}{unit}{when}", answered.later.normalize()));
        let wanted_words = own.map_or(Shown::Nothing, Shown::Date);
        let difference = self.differs(DifferenceCode::Later, Some(wanted), wanted_words, confirmed);
        difference.within = in_time;
        difference.tolerance = (late > 0).then_some(Tolerated::Days(late));
    }

    /// The line as it is confirmed.
    fn confirm(&mut self, wanted: &Line, answers: &[&Line], answered: &Answered, position: Option<u32>) {
        let mut line = wanted.clone();
        let by = "order system";
        let mut put = |field: Field, value: Option<Value>| match value {
            Some(value) => drop(line.insert(field, Said::filled(value, by))),
            None => drop(line.remove(&field)),
        };
        put(Field::Quantity, Some(Value::Number(answered.now.saturating_add(answered.later))));
        put(Field::QuantityConfirmed, Some(Value::Number(answered.now)));
        put(Field::QuantityBackordered, (!answered.later.is_zero()).then_some(Value::Number(answered.later)));
        put(Field::PriceNet, answered.price.map(Value::Number));
        put(Field::ConfirmedDate, answered.date.map(Value::Date));
        put(Field::BackorderedDate, answered.later_date.map(Value::Date));
        put(Field::LineTotal, None);
        for field in [Field::SubstituteSku, Field::Name, Field::Reason, Field::Unit] {
            if let Some(said) = answers.iter().find_map(|line| line.get(&field)) {
                line.insert(field, said.clone());
            }
        }
        if let Some(other) = answers.first().filter(|line| !line.contains_key(&Field::SubstituteSku)) {
            for field in ARTICLES {
                if let Some(said) = other.get(&field).filter(|_| line.contains_key(&field)) {
                    line.insert(field, said.clone());
                }
            }
        }
        if let Some(position) = position {
            line.insert(Field::Position, Said::filled(Value::Number(position.into()), "postern"));
        }
        self.confirmed.lines.push(line);
    }

    /// A line that nobody ordered; true when something of it comes.
    fn added(&mut self, line: &Line) -> bool {
        let quantity = number(line, Field::QuantityConfirmed)
            .or_else(|| number(line, Field::Quantity))
            .unwrap_or_default()
            .saturating_add(number(line, Field::QuantityBackordered).unwrap_or_default());
        if quantity.is_zero() {
            return false;
        }
        let shown = Shown::Quantity(quantity, text(line, Field::Unit).map(str::to_string));
        let price = number(line, Field::PriceNet);
        let difference = self.differs(DifferenceCode::Added, Some(line), Shown::Nothing, shown);
        difference.impact = price.map(|price| price.saturating_mul(quantity).normalize());
        let mut line = line.clone();
        line.insert(Field::Quantity, Said::filled(Value::Number(quantity), "order system"));
        let taken: BTreeSet<u32> =
            self.wanted.lines.iter().chain(&self.confirmed.lines).filter_map(position_of).collect();
        if position_of(&line).is_none_or(|position| taken.contains(&position)) {
            let free = (1..).find(|number| !taken.contains(number)).unwrap_or_default();
            line.insert(Field::Position, Said::filled(Value::Number(free.into()), "counted"));
        }
        self.confirmed.lines.push(line);
        true
    }

    fn differs(
        &mut self,
        code: DifferenceCode,
        line: Option<&Line>,
        wanted: Shown,
        confirmed: Shown,
    ) -> &mut Difference {
        let difference = Difference {
            code,
            position: line.and_then(position_of),
            article: line.and_then(article_of),
            wanted,
            confirmed,
            tolerance: None,
            within: false,
            impact: None,
        };
        let at = self.differences.len();
        self.differences.push(difference);
        #[expect(clippy::indexing_slicing, reason = "it was pushed there")]
        &mut self.differences[at]
    }
}

/// Which line of the answer speaks of which wanted line (both from 0): by position, else by an article that only one
/// line has.
fn assign(wanted: &Message, answer: &Message) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (from, line) in answer.lines.iter().enumerate() {
        let said = articles(line);
        let same_article = |own: &Line| articles(own).iter().any(|article| said.contains(article));
        let by_position = position_of(line)
            .filter(|_| line.get(&Field::Status).and_then(|said| said.value.as_status()) != Some(LineStatus::Added))
            .and_then(|position| wanted.lines.iter().position(|own| position_of(own) == Some(position)));
        let mut same = wanted.lines.iter().enumerate().filter(|(_, own)| same_article(own)).map(|(to, _)| to);
        let by_article = same.next().filter(|_| same.next().is_none());
        // The order system may count lines in its own way: where position and article disagree, the article counts.
        let to = match (by_position, by_article) {
            (Some(position), Some(article)) if position != article => {
                let agrees = wanted.lines.get(position).is_some_and(same_article);
                Some(if agrees { position } else { article })
            }
            (position, article) => position.or(article),
        };
        found.extend(to.map(|to| (from, to)));
    }
    found
}

fn as_wanted(wanted: &Line, order: &Message) -> Answered {
    Answered {
        now: number(wanted, Field::Quantity).unwrap_or_default(),
        later: Decimal::ZERO,
        price: number(wanted, Field::PriceNet),
        date: date(wanted, Field::RequestedDate).or_else(|| order.date(Field::RequestedDate)),
        later_date: None,
    }
}

fn answered(wanted: &Line, lines: &[&Line], order: &Message, answer: &Message) -> Answered {
    let unsaid = as_wanted(wanted, order);
    let sum = |field: Field| -> Option<Decimal> {
        let said: Vec<Decimal> = lines.iter().filter_map(|line| number(line, field)).collect();
        (!said.is_empty()).then(|| said.into_iter().fold(Decimal::ZERO, Decimal::saturating_add))
    };
    let status = lines.first().and_then(|line| line.get(&Field::Status)).and_then(|said| said.value.as_status());
    let canceled = sum(Field::QuantityCanceled);
    let later = sum(Field::QuantityBackordered);
    let whole = unsaid.now;
    let now = match (status, answer.kind) {
        (Some(LineStatus::Canceled), _) => sum(Field::QuantityConfirmed).unwrap_or(Decimal::ZERO),
        (_, MessageKind::Order) => {
            sum(Field::Quantity).map_or(whole, |all| all.saturating_sub(later.unwrap_or_default()))
        }
        _ => sum(Field::QuantityConfirmed).unwrap_or_else(|| match (later, canceled) {
            (None, None) if status == Some(LineStatus::Changed) => sum(Field::Quantity).unwrap_or(whole),
            (later, canceled) => {
                let rest = whole.saturating_sub(later.unwrap_or_default()).saturating_sub(canceled.unwrap_or_default());
                rest.max(Decimal::ZERO)
            }
        }),
    };
    let schedule = lines.iter().find_map(|line| line.get(&Field::Schedule)).and_then(|said| said.value.as_schedule());
    let first_date =
        |fields: &[Field]| fields.iter().find_map(|field| lines.iter().find_map(|line| date(line, *field)));
    let said_date = match answer.kind {
        MessageKind::Order => first_date(&[Field::ConfirmedDate, Field::RequestedDate])
            .or_else(|| answer.date(Field::DeliveryDate))
            .or_else(|| answer.date(Field::RequestedDate)),
        _ => first_date(&[Field::ConfirmedDate]).or_else(|| answer.date(Field::DeliveryDate)),
    };
    let mut answered = Answered {
        now,
        later: later.unwrap_or_default(),
        price: lines.iter().find_map(|line| number(line, Field::PriceNet)).or(unsaid.price),
        date: said_date.or(unsaid.date),
        later_date: first_date(&[Field::BackorderedDate]),
    };
    if let (Some(schedule), true) = (schedule, answered.later.is_zero()) {
        let total = schedule.iter().fold(Decimal::ZERO, |sum, delivery| sum.saturating_add(delivery.quantity));
        let first = schedule.first().map_or(total, |delivery| delivery.quantity);
        answered.now = first;
        answered.later = total.saturating_sub(first);
        answered.later_date = schedule.iter().skip(1).filter_map(|delivery| delivery.date).max();
    }
    answered
}

pub const ARTICLES: [Field; 4] = [Field::SupplierSku, Field::ShopSku, Field::Gtin, Field::ProductId];

/// The numbers of its article, lower case, with what they are.
pub fn articles(line: &Line) -> Vec<(Field, String)> {
    let said = ARTICLES.iter().filter_map(|field| Some((*field, text(line, *field)?.to_lowercase())));
    said.collect()
}

/// The number people know the article by.
pub fn article_of(line: &Line) -> Option<String> {
    ARTICLES.iter().find_map(|field| text(line, *field)).or_else(|| text(line, Field::Name)).map(str::to_string)
}

pub fn position_of(line: &Line) -> Option<u32> {
    let number = number(line, Field::Position)?;
    number.fract().is_zero().then(|| number.to_u32()).flatten()
}

/// Numbers beyond what real orders have are cut, so that sums stay sums.
pub fn number(line: &Line, field: Field) -> Option<Decimal> {
    Some(line.get(&field)?.value.as_number()?.clamp(-NUMBER_MAX, NUMBER_MAX))
}

pub fn text(line: &Line, field: Field) -> Option<&str> {
    line.get(&field)?.value.as_text().map(str::trim).filter(|text| !text.is_empty())
}

pub fn date(line: &Line, field: Field) -> Option<Date> {
    line.get(&field)?.value.as_date()
}

/// An address is the same however its lines are broken.
fn words(text: &str) -> String {
    let plain = text.replace([',', ';', '\n', '\r'], " ").to_lowercase();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The codes of UN/ECE Recommendation 20 for a piece are one.
fn same_unit(one: &str, other: &str) -> bool {
    const PIECES: [&str; 8] = ["PCE", "PCS", "PC", "EA", "C62", "H87", "ST", "STK"];
    let piece = |unit: &str| PIECES.iter().any(|known| known.eq_ignore_ascii_case(unit.trim_end_matches('.')));
    one.eq_ignore_ascii_case(other) || (piece(one) && piece(other))
}
