//! A mapping by example: sample mails and the orders that they answer, which are the answer key.
//!
//! Order number, products, quantities, prices and dates are known; where they stand in the mails tells
//! the labels, columns and rows; how they are written tells the formats. Several drafts are made (body or
//! attachment, heads of one to three rows, table or patterns), each is tried on all samples exactly as the
//! gateway would, and the one that agrees most is taken. Without orders, labels alone make a draft.

mod case;
mod draft;
mod evidence;
mod fields;
mod formats;
mod grid;
mod matching;
mod patterns;
mod vocabulary;

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::agreement::Agreement;
use super::check::check;
use super::json;
use super::mails::{MailReading, read_with};
use super::material::{Material, Reader};
use super::rule::{Kind, Mapping, Source};
use super::view::View;
use super::words::{self, Language};
use crate::document::Limits;
use crate::mail::Mail;
use crate::model::{Field, Order};
use case::Case;
use draft::Draft;
use fields::{Found, Views};

/// What was learned, ready to be written.
#[derive(Debug)]
pub struct Learned {
    /// The mapping file.
    pub toml: String,
    pub mapping: Mapping,
    pub samples: Vec<LearnedSample>,
    /// For people: what was proved, field by field, and what was not.
    pub report: Vec<String>,
    /// Agreement with the orders over all samples.
    pub agreement: Agreement,
    /// No order proved it, or it does not read its own samples: marked `draft`.
    pub is_draft: bool,
}

#[derive(Debug)]
pub struct LearnedSample {
    /// The file's name without its ending.
    pub name: String,
    pub raw: Vec<u8>,
    pub order: Option<String>,
    /// The expected file.
    pub expected: String,
}

/// A sample mail.
pub struct Example {
    pub name: String,
    pub raw: Vec<u8>,
}

/// Learns one layout of a partner's responses. `Err`: why nothing could be learned.
pub fn learn(
    partner: &str,
    layout: &str,
    examples: &[Example],
    orders: &[Order],
    reader: &Reader<'_>,
) -> Result<Learned, String> {
    learn_kind(Kind::Response, partner, layout, examples, orders, reader)
}

/// The same for responses or for a customer's orders; there earlier orders of the customer are the answer key.
pub fn learn_kind(
    kind: Kind,
    partner: &str,
    layout: &str,
    examples: &[Example],
    orders: &[Order],
    reader: &Reader<'_>,
) -> Result<Learned, String> {
    if examples.is_empty() {
        return Err("no mail was given".into());
    }
    let partners: BTreeSet<&str> =
        orders.iter().flat_map(|order| &order.positions).map(|position| position.partner.0.as_str()).collect();
    if kind == Kind::Response && !orders.is_empty() && !partners.contains(partner) {
        let others = partners.into_iter().collect::<Vec<_>>().join("`, `");
        return Err(format!("the orders are for `{others}`, none of them is for `{partner}`"));
    }
    let mails: Vec<Mail> = examples.iter().map(|example| Mail::parse(&example.raw)).collect();
    let limits = Limits::default();
    let mut cases = Vec::new();
    let mut doubts = Vec::new();
    for (mail, example) in mails.iter().zip(examples) {
        let material = Material::of_mail(mail, &limits, reader);
        if material.from.is_none() {
            return Err(format!("{}: the mail has no sender, or several", example.name));
        }
        if let Some(standard) = super::structured::read(&material) {
            return Err(format!(
                "{}: needs no mapping, it is a {}",
                example.name,
                standard.mapping.unwrap_or_default()
            ));
        }
        let order = case::order_of(&material, orders);
        // A customer's mail is an order of its own; earlier ones only teach what is in it.
        let absent = if kind == Kind::Response { "its order is not in ORDERS: " } else { "" };
        match order {
            Some((order, false)) => doubts.push(format!(
                "{}.eml: {absent}it names none of the orders; order {} has most of its products",
                example.name, order.order_number
            )),
            None if !orders.is_empty() => {
                doubts.push(format!("{}.eml: {absent}none of the orders is the one it answers", example.name))
            }
            Some((order, true))
                if kind == Kind::Response && !order.positions.iter().any(|position| position.partner.0 == partner) =>
            {
                doubts
                    .push(format!("{}.eml: order {} has no position for `{partner}`", example.name, order.order_number))
            }
            _ => {}
        }
        let day = mail.date.map(|date| date.to_zoned(TimeZone::UTC).date());
        cases.push(Case { material, order: order.map(|order| order.0), day });
    }
    let mut best: Option<(f64, Draft, Mapping, Agreement, Vec<String>)> = None;
    let mut complaints = Vec::new();
    for source in sources(&cases) {
        for draft in drafts(kind, partner, &cases, source) {
            let (draft, notes) = draft;
            let (mapping, found) = check(&format!("{partner}/{layout}"), layout, &draft.toml());
            let Some(mapping) = mapping else {
                complaints.extend(found.iter().map(ToString::to_string));
                continue;
            };
            let (agreement, faults) = tried(&mapping, &cases);
            let rows = agreement.positions.share();
            let score = agreement.share() + rows - 0.02 * faults.min(25) as f64
                + 0.1 * proved(&agreement)
                + 0.01 * mapping.fields.len() as f64
                + 0.01 * fields_read(&draft) as f64;
            if best.as_ref().is_none_or(|best| score > best.0 + 1e-9) {
                best = Some((score, draft, mapping, agreement, notes));
            }
        }
    }
    let Some((_, mut draft, mapping, agreement, mut report)) = best else {
        doubts.push("no order number, product or label was found in the mails".into());
        doubts.extend(complaints.first().cloned());
        return Err(doubts.join("; "));
    };
    report.splice(0..0, doubts);
    let unproved = cases.iter().any(|case| case.order.is_none()) || agreement.positions.share() < 0.5;
    let Shortfalls { grave, slight } = shortfalls(kind, &mapping, &cases, examples);
    let is_draft = unproved || !grave.is_empty();
    if is_draft {
        draft.status = Some("draft");
        let why = if unproved { "not every mail has an order that proves it" } else { "the samples are not read well" };
        report.push(format!("marked `draft`: {why}"));
    }
    report.extend(grave.into_iter().chain(slight));
    tell(&agreement, &draft, &mut report);
    draft.comment = comment(&report);
    let toml = draft.toml();
    let mapping = check(&format!("{partner}/{layout}"), layout, &toml).0.unwrap_or(mapping);
    let samples = cases.iter().zip(examples).map(|(case, example)| {
        let expected = serde_json::to_string_pretty(&json::expected(&read_with(&mapping, &case.material)))
            .unwrap_or_default()
            + "\n";
        LearnedSample { name: example.name.clone(), raw: example.raw.clone(), order: case.order.map(written), expected }
    });
    Ok(Learned { toml, samples: samples.collect(), mapping, report, agreement, is_draft })
}

/// How many values a position are as ordered. A column that is left out never differs: what agrees must count
/// for more than what does not count against it.
fn proved(agreement: &Agreement) -> f64 {
    let of_lines = agreement.fields.iter().filter(|(field, _)| !super::read::is_head(**field));
    let agreed: usize = of_lines.map(|(_, count)| count.agreed).sum();
    agreed as f64 / agreement.positions.of.max(1) as f64
}

fn fields_read(draft: &Draft) -> usize {
    draft.proof.placed.len()
}

/// The sources worth trying, the one that names most of the orders' products first.
fn sources(cases: &[Case<'_>]) -> Vec<Source> {
    let mut sources: Vec<(usize, Source)> = Vec::new();
    for source in [Source::Pdf, Source::Html, Source::Text, Source::Xlsx, Source::Csv] {
        let parts: Vec<_> = cases.iter().map(|case| case.part(source).map(|part| case.hits(part.1))).collect();
        if parts.iter().all(Option::is_some) {
            sources.push((parts.iter().flatten().sum(), source));
        }
    }
    sources.sort_by_key(|entry| std::cmp::Reverse(entry.0));
    let most = sources.first().map_or(0, |entry| entry.0);
    sources.into_iter().filter(|entry| entry.0 * 5 >= most * 4).map(|entry| entry.1).take(3).collect()
}

/// Drafts of one source.
fn drafts(kind: Kind, partner: &str, cases: &[Case<'_>], source: Source) -> Vec<(Draft, Vec<String>)> {
    let proved = formats::prove(cases, source);
    let parts: Vec<_> = cases.iter().filter_map(|case| Some((case, case.part(source)?))).collect();
    let views = Views {
        source,
        dates: proved.dates.clone(),
        locale: proved.formats.locale.map(Language::code),
        formats: proved.formats.clone(),
        all: parts.iter().map(|(case, (filename, part))| (*case, (*filename).to_string(), View::new(part))).collect(),
    };
    let mut notes = proved.notes.clone();
    let heads = head_fields(kind, &views, &mut notes);
    let attached = !matches!(source, Source::Text | Source::Html);
    let names: Vec<String> = views.all.iter().map(|(_, filename, _)| filename.clone()).collect();
    let base = Draft {
        is_order: kind == Kind::Order,
        partner: partner.to_string(),
        from: matching::from(cases),
        subject: matching::subject(cases),
        attachment: attached.then(|| matching::attachment(&names)).flatten(),
        source: Some(source),
        currency: currency(cases),
        fields: heads,
        proved,
        ..Draft::default()
    };
    let mut drafts = Vec::new();
    let mut add = |grids: Vec<(&Case<'_>, Vec<grid::Grid>)>| {
        let proof = evidence::prove(&base.proved.formats, &grids);
        if proof.rows > 0 {
            let end = end_of(&grids);
            drafts.push((
                Draft { proof: proof.clone(), end: end.clone(), reasons: Vec::new(), ..base.clone() },
                notes.clone(),
            ));
            if end.is_some() {
                drafts.push((Draft { proof, ..base.clone() }, notes.clone()));
            }
        }
    };
    let formats = &base.proved.formats;
    let mut cells: Vec<(&Case<'_>, Vec<grid::Grid>)> = Vec::new();
    if views.all.iter().all(|(.., view)| view.has_cells()) {
        cells = views.all.iter().map(|(case, _, view)| (*case, grid::by_cells(case, view, formats))).collect();
    }
    // Where tables have cells, reading takes them, not the words.
    let has_cells = cells.iter().any(|(_, grids)| !grids.is_empty());
    add(cells);
    for lines in (1..=3).filter(|_| !has_cells) {
        let grids: Vec<(&Case<'_>, Vec<grid::Grid>)> = views
            .all
            .iter()
            .map(|(case, _, view)| (*case, grid::by_words(case, view, formats, lines).into_iter().collect()))
            .collect();
        if grids.iter().any(|(_, grids)| !grids.is_empty()) {
            add(grids);
        }
    }
    drafts.extend(patterns::draft(&base, &views).map(|draft| (draft, notes.clone())));
    if drafts.is_empty() {
        drafts.push((base, notes));
    }
    drafts
}

fn head_fields(kind: Kind, views: &Views<'_>, notes: &mut Vec<String>) -> Vec<(Field, String)> {
    let mut found: Vec<Found> = Vec::new();
    let number = |case: &Case<'_>| case.order.map(|order| order.order_number.to_string());
    let same = |wanted: Option<String>, text: &str| {
        wanted.is_some_and(|wanted| {
            words::plain(&wanted) == words::plain(text) || case::bare(&wanted) == case::bare(text)
        })
    };
    match views.known(Field::OrderNumber, &number, &|case, text| same(number(case), text)) {
        Some(field) => found.push(field),
        None => {
            // In a customer's order its own number is what in an answer would be the supplier's.
            let numbered = |_: &Case<'_>, value: &str| fields::numbered(Field::OrderNumber, value);
            let own = |found: Found| Found { field: Field::OrderNumber, ..found };
            let by_own = || views.by_labels(Field::SupplierOrderNumber, &numbered).filter(|_| kind == Kind::Order);
            found.extend(views.by_labels(Field::OrderNumber, &numbered).or_else(|| by_own().map(own)));
        }
    }
    let theirs = |case: &Case<'_>| case.order.and_then(|order| order.supplier_order_number.clone());
    let other = |case: &Case<'_>, value: &str| {
        fields::numbered(Field::SupplierOrderNumber, value)
            && case.order.is_none_or(|order| order.order_number.as_str() != value)
    };
    let supplier = views
        .known(Field::SupplierOrderNumber, &theirs, &|case, text| same(theirs(case), text))
        .or_else(|| views.by_labels(Field::SupplierOrderNumber, &other));
    found.extend(supplier.filter(|_| kind != Kind::Order));
    let formats = &views.formats;
    let day = |case: &Case<'_>, text: &str| case.day.is_some_and(|day| formats.date(text) == Ok(day));
    let near = |case: &Case<'_>, value: &str| fields::near(case.day, value);
    let entry = views.by_labels(Field::EntryDate, &near).or_else(|| {
        views
            .known(Field::EntryDate, &|case| case.day.map(|day| day.to_string()), &day)
            .filter(|found| found.agreed == views.all.len())
    });
    found.extend(entry);
    for field in &found {
        notes.push(format!("{}: {}", field.field.name(), field.note));
    }
    found.into_iter().map(|found| (found.field, found.rule)).collect()
}

/// The currency of the orders, when they have one.
fn currency(cases: &[Case<'_>]) -> Option<String> {
    let mut all: Vec<&str> = cases.iter().filter_map(|case| case.order).map(|order| order.currency.as_str()).collect();
    all.sort_unstable();
    all.dedup();
    match all.as_slice() {
        [one] => Some((*one).to_string()),
        _ => None,
    }
}

/// The words that begin the first row behind the lines, when they are the same in every sample.
fn end_of(grids: &[(&Case<'_>, Vec<grid::Grid>)]) -> Option<String> {
    let mut words: Option<String> = None;
    for (_, grids) in grids {
        let grid = grids.last()?;
        let row = grid.behind.iter().map(|row| row.trim()).find(|row| super::words::is_stop(row))?;
        let word: String = row
            .split(|c: char| c.is_ascii_digit())
            .next()?
            .split("  ")
            .next()?
            .trim()
            .trim_end_matches(':')
            .to_string();
        if word.chars().filter(|c| c.is_alphabetic()).count() < 3 || words.as_ref().is_some_and(|words| *words != word)
        {
            return None;
        }
        words = Some(word);
    }
    words.map(|words| format!(r"^\s*{}", regex::escape(&words)))
}

/// Reads all samples; agreement with the orders, and how many faults.
fn tried(mapping: &Mapping, cases: &[Case<'_>]) -> (Agreement, usize) {
    let mut agreement = Agreement::default();
    let mut faults = 0;
    for case in cases {
        let reading: MailReading = read_with(mapping, &case.material);
        faults += reading.all_faults().count();
        let Some(order) = case.order else { continue };
        match reading.messages.first() {
            Some(first) => agreement.add(&Agreement::of(&first.message, order, &mapping.partner)),
            None => agreement.add(&Agreement::of(
                &crate::model::Message::new(mapping.kind.message_kind()),
                order,
                &mapping.partner,
            )),
        }
    }
    (agreement, faults)
}

/// What a mapping does not do for its own samples, in words.
#[derive(Default)]
struct Shortfalls {
    /// Whoever took the mapping live would read wrong or nothing.
    grave: Vec<String>,
    slight: Vec<String>,
}

/// Rows that nobody ordered, fields that the orders know and no mail gave, and faults: a person must look first.
fn shortfalls(kind: Kind, mapping: &Mapping, cases: &[Case<'_>], examples: &[Example]) -> Shortfalls {
    let mut short = Shortfalls::default();
    let fields = match kind {
        Kind::Order => [Field::Quantity, Field::PriceNet, Field::RequestedDate],
        _ => [Field::QuantityConfirmed, Field::PriceNet, Field::ConfirmedDate],
    };
    let [quantity, price, _] = fields;
    let (mut found, mut faulty, mut faults) = (BTreeSet::new(), Vec::new(), 0);
    for (case, example) in cases.iter().zip(examples) {
        let reading: MailReading = read_with(mapping, &case.material);
        let count = reading.all_faults().count();
        if count > 0 {
            faults += count;
            faulty.push(format!("{}.eml", example.name));
        }
        for line in reading.messages.iter().flat_map(|reading| &reading.message.lines) {
            found.extend(line.keys().copied());
        }
        let (Some(order), Some(first)) = (case.order, reading.messages.first()) else { continue };
        let lines = &first.message.lines;
        let agreement = Agreement::of(&first.message, order, &mapping.partner);
        let ordered = agreement.positions.of;
        // A line in two deliveries stands there twice; together they are no more than was ordered.
        let said = |line: &super::columns::Line| line.get(&quantity).and_then(|said| said.value.as_number());
        let sum: Option<Decimal> = lines.iter().map(said).sum();
        let wanted: Decimal = order.positions.iter().map(|position| position.quantity).sum();
        let unknown = agreement.lines.of - agreement.lines.agreed;
        if lines.len() > ordered && (unknown > 0 || sum.is_none_or(|sum| sum > wanted)) {
            short.grave.push(format!(
                "{}.eml: {} lines were read where {ordered} are ordered",
                example.name,
                lines.len()
            ));
        } else if unknown > 0 {
            short.grave.push(format!("{}.eml: {unknown} of the lines read were not ordered", example.name));
        }
    }
    let positions = || cases.iter().flat_map(Case::positions);
    for field in fields {
        let known = field == quantity
            || positions().any(|position| {
                if field == price { position.price_net.is_some() } else { position.requested_date.is_some() }
            });
        if known && !found.contains(&field) {
            // Customers may leave prices and dates to us.
            let grave = kind != Kind::Order || field == quantity;
            let list = if grave { &mut short.grave } else { &mut short.slight };
            list.push(format!("{}: found in none of the mails", field.name()));
        }
    }
    if faults > 0 {
        let unit = if faults == 1 { "fault" } else { "faults" };
        short.grave.push(format!("{}: {faults} {unit} (`postern mapping try` shows them)", faulty.join(", ")));
    }
    short
}

/// Confidence, field by field.
fn tell(agreement: &Agreement, draft: &Draft, report: &mut Vec<String>) {
    for (field, count) in &agreement.fields {
        let (agreed, of) = (count.agreed, count.of);
        let rest = if agreed == of { String::new() } else { format!("; the other {} differ", of - agreed) };
        let unit = if *field == Field::OrderNumber || *field == Field::Currency { "mails" } else { "rows" };
        report.push(format!("{} agreed on {agreed} of {of} {unit}{rest}", field.name()));
    }
    let positions = agreement.positions;
    if positions.of > 0 {
        report.push(format!("{} of {} ordered positions were found in the mails", positions.agreed, positions.of));
    }
    for (word, status) in &draft.proof.states {
        if status.is_none() {
            report.push(format!("the word `{word}` could not be proved: say in [codes.status] what it means"));
        }
    }
    for (place, word) in &draft.proof.unread {
        report.push(format!("`{place}` says `{word}`, and is not read: a rule for status would"));
    }
}

fn comment(report: &[String]) -> String {
    let mut out = String::from("Learned from samples:");
    for line in report.iter().take(40) {
        out.push_str("\n  ");
        out.push_str(line);
    }
    out
}

/// An order in the shape of `order add`.
fn written(order: &Order) -> String {
    let positions: Vec<serde_json::Value> = order
        .positions
        .iter()
        .map(|position| {
            serde_json::json!({
                "position": position.position, "partner": position.partner, "product_id": position.product_id, "supplier_sku": position.supplier_sku, "shop_sku": position.shop_sku,
                "gtin": position.gtin, "name": position.name, "quantity": position.quantity, "unit": position.unit, "price_net": position.price_net,
                "price_sales_net": position.price_sales_net, "requested_date": position.requested_date,
            })
        })
        .collect();
    let order = serde_json::json!({
        "order_number": order.order_number, "channel": order.channel, "currency": order.currency, "ordered_at": order.ordered_at.map(|at| at.to_string()),
        "supplier_order_number": order.supplier_order_number, "positions": positions,
    });
    serde_json::to_string_pretty(&without_nulls(order)).unwrap_or_default() + "\n"
}

fn without_nulls(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => map
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key, without_nulls(value)))
            .collect(),
        serde_json::Value::Array(list) => list.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests;
