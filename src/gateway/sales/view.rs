//! A sale as its letters tell it.

use crate::gateway::Live;
use crate::model::{
    Date, Decimal, Difference, Fault, FaultCode, Field, Message, Said, Sale, SaleAbout as About, SaleOwed, SaleStatus,
    Shown as ModelShown, Timestamp, Tolerated as ModelTolerated, TransmissionId, TransmissionKind as Kind,
};
use crate::process::sale::compare::{ARTICLES, article_of, date, number, position_of, text};
use crate::template::sale::{SaleAbout, SaleAmount, SaleDifference, SaleFault, SaleLetter, SaleLine, Shown, Tolerated};

type Line = std::collections::BTreeMap<Field, Said>;

/// What surrounds the letter.
pub(super) struct Around<'a> {
    pub id: TransmissionId,
    pub live: &'a Live,
    pub now: Timestamp,
    pub token: Option<String>,
    pub reply_to: Option<String>,
    pub customer_words: Option<String>,
}

/// Whether the sales desk reads it, not the customer.
pub(super) fn for_the_desk(owed: &SaleOwed) -> bool {
    match (&owed.about, owed.kind) {
        (About::Reminder { of_kind, .. }, _) => *of_kind == Kind::ConfirmOrder,
        (_, Kind::ConfirmOrder | Kind::Receipt | Kind::Withdrawal) => true,
        _ => false,
    }
}

pub(super) fn letter(owed: &SaleOwed, sale: &Sale, around: Around<'_>) -> SaleLetter {
    let live = around.live;
    let policies = &live.loaded.policies;
    let settings = policies.sale_settings(&sale.customer);
    let customer = policies.customers.get(&sale.customer);
    let desk = for_the_desk(owed);
    let name = customer.map(|customer| customer.name.clone()).filter(|name| !name.is_empty());
    let confirmed = confirmed_of(owed, sale, &settings);
    let head = confirmed.as_ref().unwrap_or(&sale.wanted);
    let differences = match (&sale.confirmation, owed.kind) {
        (Some(confirmation), Kind::SendOrderConfirmation) => &confirmation.changes,
        _ => &sale.differences,
    };
    let ordered = match owed.kind {
        // The customer reads what it ordered itself, not what the desk made of it.
        Kind::SendOrderConfirmation => sale.versions.last().map_or_else(
            || sale.wanted.clone(),
            |version| crate::process::sale::wanted(&version.message, sale, &settings),
        ),
        _ => sale.wanted.clone(),
    };
    let said = |field: Field| head.text(field).map(str::to_string);
    let question = sale.open_question();
    let seller = policies.sales.name.clone().or_else(|| live.loaded.config.gateway.name.clone());
    SaleLetter {
        kind: owed.kind,
        about: about(owed, sale),
        transmission: around.id,
        language: if desk { settings.sales_language.clone() } else { settings.language.clone() },
        time_zone: settings.time_zone.clone(),
        now: around.now,
        sale: sale.id.to_string(),
        order: sale.number.clone(),
        order_system_number: sale.system_number().map(str::to_string),
        changed: sale.versions.len() > 1,
        customer: (sale.customer.to_string(), name.unwrap_or_else(|| sale.customer.to_string())),
        customer_number: said(Field::CustomerNumber),
        seller: seller.unwrap_or_else(|| "Postern".into()),
        seller_address: policies.sales.address.clone(),
        received_at: sale.received_at,
        ordered_on: ordered.date(Field::EntryDate),
        currency: said(Field::Currency),
        billing_address: said(Field::BillingAddress),
        delivery_address: said(Field::DeliveryAddress),
        contact: said(Field::Contact),
        payment_terms: said(Field::PaymentTerms),
        delivery_terms: said(Field::DeliveryTerms),
        comment: ordered.text(Field::Note).map(str::to_string),
        answered: confirmed.is_some(),
        lines: lines(&ordered, confirmed.as_ref()),
        total: confirmed.as_ref().and_then(total),
        differences: rejection(owed, sale).into_iter().chain(differences.iter().map(difference)).collect(),
        customer_words: around.customer_words,
        token: around.token,
        reply_to: around.reply_to,
        due: question.and(sale.remind_at),
        expires: None,
        asked: settings.sales.clone(),
        next_asked: Vec::new(),
    }
}

/// Why the order system does not have the order, for the desk.
fn rejection(owed: &SaleOwed, sale: &Sale) -> Option<SaleDifference> {
    let asks = owed.kind == Kind::ConfirmOrder && sale.status == SaleStatus::NotAnnounced;
    let refused =
        sale.history.iter().rev().find(|step| step.to == SaleStatus::NotAnnounced && step.from != Some(step.to));
    let why = refused.filter(|_| asks)?.note.clone();
    Some(SaleDifference {
        code: "REJECTED".into(),
        position: None,
        article: None,
        ordered: Shown::Nothing,
        confirmed: why.map_or(Shown::Nothing, Shown::Text),
        tolerance: None,
        within: false,
        impact: None,
    })
}

/// The order as the order system has it, where the letter tells of it.
fn confirmed_of(owed: &SaleOwed, sale: &Sale, settings: &crate::model::SaleSettings) -> Option<Message> {
    match owed.kind {
        Kind::SendOrderConfirmation => sale.confirmation.as_ref().map(|confirmation| confirmation.message.clone()),
        Kind::ConfirmOrder | Kind::Receipt | Kind::Reminder if sale.status == SaleStatus::CheckAnnounced => {
            let answer = sale.answer()?;
            Some(crate::process::sale::compare::compare(&sale.wanted, &answer.message, settings).confirmed)
        }
        _ => None,
    }
}

fn about(owed: &SaleOwed, sale: &Sale) -> SaleAbout {
    match (&owed.about, owed.kind) {
        (About::Sale, Kind::RequestNewOrder) => SaleAbout::Faults(sale.faults.iter().map(fault).collect()),
        (About::Sale, _) => SaleAbout::Order,
        (About::Declined { reason }, _) => SaleAbout::Declined { reason: reason.clone() },
        (About::Question { by, text }, _) => SaleAbout::Question { by: by.clone(), text: text.clone() },
        (About::Receipt(receipt), _) => SaleAbout::Receipt(receipt.clone()),
        (About::Reminder { of, of_kind, count }, _) => {
            let asked_at = sale.open_question().map_or(sale.entered_at, |question| question.asked_at);
            SaleAbout::Reminder { of: *of, of_kind: *of_kind, count: *count, asked_at: Some(asked_at) }
        }
        (About::Withdrawal { of, reason }, _) => SaleAbout::Withdrawal { of: *of, reason: reason.clone() },
    }
}

fn fault(fault: &Fault) -> SaleFault {
    let code = match fault.code {
        FaultCode::MissingQuantity | FaultCode::MissingDate | FaultCode::MissingField => "MISSING_FIELD",
        FaultCode::UnknownPosition | FaultCode::AmbiguousProduct => "UNKNOWN_ARTICLE",
        other => other.name(),
    };
    SaleFault {
        code: code.to_string(),
        position: fault.position.or_else(|| fault.line.and_then(|line| u32::try_from(line + 1).ok())),
        field: fault.field.map(|field| field.name().to_string()),
        read: fault.read.clone(),
        place: fault.place.clone(),
        detail: Some(fault.message.clone()),
    }
}

fn lines(ordered: &Message, confirmed: Option<&Message>) -> Vec<SaleLine> {
    let same = |one: &Line, other: &Line| position_of(one).is_some() && position_of(one) == position_of(other);
    let mut found: Vec<SaleLine> = ordered
        .lines
        .iter()
        .map(|line| {
            let answer = confirmed.and_then(|message| message.lines.iter().find(|other| same(line, other)));
            sale_line(Some(line), answer, ordered)
        })
        .collect();
    for line in confirmed.into_iter().flat_map(|message| &message.lines) {
        if !ordered.lines.iter().any(|own| same(own, line)) {
            found.push(sale_line(None, Some(line), ordered));
        }
    }
    found
}

fn sale_line(ordered: Option<&Line>, confirmed: Option<&Line>, order: &Message) -> SaleLine {
    let any = ordered.or(confirmed);
    let article = any.and_then(article_of);
    let substitute = ordered.zip(confirmed).and_then(|(own, other)| {
        let said = text(other, Field::SubstituteSku).map(str::to_string);
        said.or_else(|| {
            let changed = |field: &Field| text(own, *field).zip(text(other, *field)).filter(|(a, b)| a != b);
            ARTICLES.iter().find_map(changed).map(|(_, other)| other.to_string())
        })
    });
    SaleLine {
        position: any.and_then(position_of),
        article,
        name: ordered
            .and_then(|line| text(line, Field::Name))
            .or_else(|| confirmed.and_then(|line| text(line, Field::Name)))
            .map(str::to_string),
        ordered: ordered.map(|line| SaleAmount {
            quantity: number(line, Field::Quantity),
            unit: text(line, Field::Unit).map(str::to_string),
            price: number(line, Field::PriceNet),
            date: date(line, Field::RequestedDate).or_else(|| order.date(Field::RequestedDate)),
        }),
        confirmed: confirmed.map(|line| SaleAmount {
            quantity: number(line, Field::Quantity),
            unit: text(line, Field::Unit).map(str::to_string),
            price: number(line, Field::PriceNet),
            date: confirmed_date(line),
        }),
        substitute,
        comment: ordered.and_then(|line| text(line, Field::Note)).map(str::to_string),
        reason: confirmed.and_then(reason),
    }
}

fn confirmed_date(line: &Line) -> Option<Date> {
    date(line, Field::ConfirmedDate).or_else(|| date(line, Field::BackorderedDate))
}

/// The order system's words, and what comes later.
fn reason(line: &Line) -> Option<String> {
    let said = text(line, Field::Reason).map(str::to_string);
    let later = number(line, Field::QuantityBackordered).filter(|later| !later.is_zero()).map(|later| {
        let when = date(line, Field::BackorderedDate).map(|date| format!(" {date}")).unwrap_or_default();
        format!("+ {}{when}", later.normalize())
    });
    match (said, later) {
        (Some(said), Some(later)) => Some(format!("{said}; {later}")),
        (said, later) => said.or(later),
    }
}

fn total(message: &Message) -> Option<Decimal> {
    if let Some(said) = message.fields.get(&Field::Total) {
        return said.value.as_number();
    }
    message.lines.iter().try_fold(Decimal::ZERO, |sum, line| {
        let amount = number(line, Field::PriceNet)?.checked_mul(number(line, Field::Quantity)?)?;
        sum.checked_add(amount)
    })
}

fn difference(difference: &Difference) -> SaleDifference {
    SaleDifference {
        code: difference.code.name().to_string(),
        position: difference.position,
        article: difference.article.clone(),
        ordered: shown(&difference.wanted),
        confirmed: shown(&difference.confirmed),
        tolerance: difference.tolerance.as_ref().map(tolerated),
        within: difference.within,
        impact: difference.impact,
    }
}

fn shown(value: &ModelShown) -> Shown {
    match value {
        ModelShown::Nothing => Shown::Nothing,
        ModelShown::Money(amount) => Shown::Money(*amount),
        ModelShown::Quantity(quantity, unit) => Shown::Quantity(*quantity, unit.clone()),
        ModelShown::Date(date) => Shown::Date(*date),
        ModelShown::Text(text) => Shown::Text(text.clone()),
    }
}

fn tolerated(value: &ModelTolerated) -> Tolerated {
    match value {
        ModelTolerated::Percent(percent) => Tolerated::Percent(*percent),
        ModelTolerated::Money(amount) => Tolerated::Money(*amount),
        ModelTolerated::PercentOrMoney(percent, amount) => Tolerated::PercentOrMoney(*percent, *amount),
        ModelTolerated::Quantity(quantity) => Tolerated::Quantity(*quantity),
        ModelTolerated::Days(days) => Tolerated::Days(*days),
    }
}
