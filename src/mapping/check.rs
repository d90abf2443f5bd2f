//! What an admin wrote -> a [`Mapping`], or every complaint at once with its place.
//!
//! It must never read a mail.

mod fields;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use rust_decimal::Decimal;
use toml::de::DeValue;

pub(super) use self::rows::REFERENCES;
use super::file::{Sink, Table, Value};
use super::link::{self, LinkRule};
use super::rule::{
    CellLine, Code, Codes, Column, FieldRule, Kind, LinesRule, Mapping, Matching, Pattern, Rows, Select, Side, Source,
    Status, TableRule, Whence,
};
use super::value::{DatePattern, Formats};
use super::words::{self, Language};
use super::xpath::XPath;
use crate::diagnostic::Diagnostic;
use crate::model::message::{FieldType, Where};
use crate::model::{BackorderEncoding, Field, Habits, HeadState, LineStatus, MissingPolicy, PartnerId};

/// The keys of each table; a test holds the JSON Schema against them.
pub(super) const KEYS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "partner", "kind", "status", "note", "match", "source", "formats", "fields", "table", "lines", "codes",
            "line",
        ],
    ),
    ("[match]", &["from", "subject", "attachment", "contains", "excludes", "language"]),
    ("[source]", &["part", "hosts", "url"]),
    ("[formats]", &["decimal", "thousands", "date", "locale", "currency", "price_per", "empty"]),
    ("[fields]", &["label", "side", "find", "between", "value", "css", "attr", "xpath", "cell", "from", "required"]),
    ("[table]", &["start", "first", "more", "skip", "end", "schedule", "rows", "columns"]),
    ("[table.columns]", &["column", "find", "label", "line", "value", "required"]),
    ("[lines]", &["start", "line", "more", "skip", "end", "schedule", "values"]),
    ("[line]", &["backorder", "missing"]),
];

const LIST_MAX: usize = 200;

/// Reads a mapping file. `name` is `partner/layout`; the mapping is `None` when a complaint is an error.
pub fn check(name: &str, file: &str, text: &str) -> (Option<Mapping>, Vec<Diagnostic>) {
    let mut sink = Sink::new(file, text);
    let mapping = read(&mut sink, name);
    let mut found = sink.found;
    found.sort_by_key(|d| (d.line, d.column));
    let mapping = mapping.filter(|_| !found.iter().any(Diagnostic::is_error));
    (mapping, found)
}

fn keys(table: &str) -> &'static [&'static str] {
    KEYS.iter().find(|row| row.0 == table).map_or(&[], |row| row.1)
}

fn read(sink: &mut Sink<'_>, name: &str) -> Option<Mapping> {
    let root = sink.parse()?;
    let root = Table::new("", 0..0, root.get_ref());
    root.only(sink, keys(""));
    let partner = need(sink, &root, "partner").and_then(|value| {
        let partner = sink.string("partner", value)?;
        let folder = name.split_once('/').map(|(folder, _)| folder);
        if partner.trim().is_empty() || partner.len() > 100 {
            sink.error("MAP003", value.span(), "`partner` takes 1 to 100 characters", "here");
        } else if let Some(folder) = folder.filter(|folder| *folder != partner) {
            let message = format!("the mapping is for `{partner}` but lies in the folder `{folder}`");
            sink.error("MAP020", value.span(), message, "another partner");
        }
        Some(PartnerId::new(partner))
    });
    let kind = need(sink, &root, "kind").and_then(|value| sink.word("kind", value, &Kind::NAMES));
    let status = match root.get("status") {
        Some(value) => sink.word("status", value, &Status::NAMES),
        None => Some(Status::default()),
    };
    if let Some(note) = root.get("note") {
        sink.string("note", note);
    }
    let matching = need(sink, &root, "match").and_then(|value| matching(sink, value));
    let source = need(sink, &root, "source").and_then(|value| {
        let table = sink.table("[source]", value)?;
        table.only(sink, keys("[source]"));
        let part = need(sink, &table, "part")?;
        let part = sink.word("part", part, &Source::NAMES)?;
        Some((part, link_rule(sink, &table, part)))
    });
    let (source, link) = source.map_or((None, LinkRule::default()), |(part, link)| (Some(part), link));
    let mut price: Price = None;
    let formats = match root.get("formats") {
        Some(value) => formats(sink, value, &mut price),
        None => Some(Formats::default()),
    };
    let orders = kind == Some(Kind::Order);
    let fields = match root.get("fields") {
        Some(value) => fields::fields(sink, value, source),
        None => Vec::new(),
    };
    let rows = rows::rows(sink, &root, source, price);
    let codes = match root.get("codes") {
        Some(value) => codes(sink, value),
        None => Codes::default(),
    };
    let habits = match root.get("line") {
        Some(value) => habits(sink, value),
        None => Habits::default(),
    };
    let mapping = Mapping {
        name: name.to_string(),
        partner: partner?,
        kind: kind?,
        status: status?,
        matching: matching?,
        match_span: root.get("match").map_or(0..0, |value| value.span()),
        source: source?,
        link,
        formats: formats?,
        fields,
        rows,
        codes,
        habits,
        file: sink.file.to_string(),
        text: sink.text.to_string(),
    };
    whole(sink, &mapping, &root, orders);
    Some(mapping)
}

/// What only the whole mapping shows.
fn whole(sink: &mut Sink<'_>, mapping: &Mapping, root: &Table<'_, '_>, orders: bool) {
    let mapped: Vec<Field> = all_fields(mapping);
    if !mapped.contains(&Field::OrderNumber) && !orders {
        let span = root.get("fields").map_or(0..0, |value| value.span());
        let help = "e.g. order_number = { label = \"Your order\" }";
        sink.error_help("MAP022", span, "no rule finds the order number", "here", Some(help.into()));
    }
    let needs_decimal = mapped.iter().any(|field| {
        matches!(
            field,
            Field::Quantity
                | Field::QuantityConfirmed
                | Field::QuantityBackordered
                | Field::QuantityCanceled
                | Field::PriceNet
                | Field::LineTotal
                | Field::Total
        )
    });
    let span = root.get("formats").map_or(0..0, |value| value.span());
    if needs_decimal && mapping.formats.decimal.is_none() && mapping.source != Source::Xml {
        let message = "numbers are read, but [formats] does not say the decimal sign";
        sink.error_help("MAP023", span.clone(), message, "here", Some("decimal = \",\" or decimal = \".\"".into()));
    }
    if mapped.iter().any(|field| field.field_type() == FieldType::Date)
        && mapping.formats.dates.is_empty()
        && mapping.source != Source::Xml
    {
        let message = "dates are read, but [formats] does not say how they are written";
        sink.error_help("MAP023", span, message, "here", Some("date = \"%d.%m.%Y\"".into()));
    }
    if let Some(names) = mapping.formats.dates.iter().find(|date| date.has_names())
        && mapping.formats.locale.is_none()
        && let Some(span) = root.get("formats").map(|value| value.span())
    {
        let message = format!("`{}` holds names, but [formats] does not say the language", names.written);
        sink.error_help("MAP023", span, message, "here", Some("locale = \"de\"".into()));
    }
    for field in [Field::Status, Field::State] {
        if mapped.contains(&field) && !mapping.codes.fields.contains_key(&field) {
            let name = field.name();
            let message = format!("`{name}` is read, but [codes.{name}] does not say what the partner's words mean");
            let span = root.get("codes").map_or(0..0, |value| value.span());
            sink.error_help(
                "MAP012",
                span,
                message,
                "here",
                Some(format!("[codes.{name}]\n\"bestätigt\" = \"accepted\"")),
            );
        }
    }
}

/// Every field that some rule of the mapping finds.
pub(super) fn all_fields(mapping: &Mapping) -> Vec<Field> {
    let mut all: Vec<Field> = mapping.fields.iter().map(|rule| rule.field).collect();
    match &mapping.rows {
        Some(Rows::Table(table)) => all.extend(table.columns.iter().map(|column| column.field)),
        Some(Rows::Lines(lines)) => {
            all.extend(
                lines.line.groups.iter().chain(lines.more.iter().flat_map(|more| &more.groups)).map(|group| group.1),
            );
            all.extend(lines.values.iter().map(|value| value.0));
        }
        None => {}
    }
    all
}

fn need<'t, 'f>(sink: &mut Sink<'_>, table: &Table<'t, 'f>, key: &str) -> Option<&'t Value<'f>> {
    let value = table.get(key);
    if value.is_none() {
        let what = if matches!(key, "match" | "source" | "columns") { format!("[{key}]") } else { format!("`{key}`") };
        let place = if table.name.is_empty() { "the mapping".to_string() } else { table.name.clone() };
        sink.error("MAP004", table.span.clone(), format!("{place} lacks {what}"), "here");
    }
    value
}

fn matching(sink: &mut Sink<'_>, value: &Value<'_>) -> Option<Matching> {
    let table = sink.table("[match]", value)?;
    table.only(sink, keys("[match]"));
    let from = need(sink, &table, "from").and_then(|value| sink.strings("from", value));
    let mut addresses = Vec::new();
    for (address, span) in from.unwrap_or_default() {
        let domain = address.rsplit_once('@').map(|(_, domain)| domain);
        if domain.is_none_or(|domain| domain.is_empty() || domain.contains(char::is_whitespace)) {
            let message = format!("`{address}` is neither an address nor a domain");
            sink.error_help(
                "MAP003",
                span,
                message,
                "here",
                Some("\"@partner.example\" or \"orders@partner.example\"".into()),
            );
        } else {
            let lower = address.to_lowercase();
            if addresses.contains(&lower) {
                sink.error("MAP014", span, format!("`{address}` stands twice"), "again");
            } else {
                addresses.push(lower);
            }
        }
    }
    let subject = table.get("subject").and_then(|value| sink.pattern("subject", value));
    let attachment = table.get("attachment").and_then(|value| sink.pattern("attachment", value));
    let mut list = |key: &str| -> Vec<String> {
        let texts = table.get(key).and_then(|value| sink.strings(key, value)).unwrap_or_default();
        texts.into_iter().map(|(text, _)| text.to_string()).collect()
    };
    let (contains, excludes) = (list("contains"), list("excludes"));
    let languages = Language::ALL.map(|language| (language, language.code()));
    let language = table.get("language").and_then(|value| sink.word("language", value, &languages));
    Some(Matching { from: addresses, subject, attachment, contains, excludes, language })
}

/// `hosts` and `url`: only links have them, and links need hosts.
fn link_rule(sink: &mut Sink<'_>, table: &Table<'_, '_>, part: Source) -> LinkRule {
    if part != Source::Link {
        for key in ["hosts", "url"] {
            if let Some(value) = table.get(key) {
                let message = format!("`{key}` belongs to links");
                sink.error("MAP018", value.span(), message, format!("the source is {}", part.name()));
            }
        }
        return LinkRule::default();
    }
    let mut hosts = Vec::new();
    for (host, span) in need(sink, table, "hosts").and_then(|value| sink.strings("hosts", value)).unwrap_or_default() {
        if link::is_host(host) {
            hosts.push(host.to_string());
        } else {
            let help = "\"portal.example.com\" or \"*.example.com\", in lower case; with a port only where it is not the usual one";
            sink.error_help("MAP003", span, format!("`{host}` is no host"), "here", Some(help.into()));
        }
    }
    LinkRule { hosts, url: table.get("url").and_then(|value| sink.pattern("url", value)) }
}

/// `price_per` when it is a column: its heads and its bytes.
type Price = Option<(Vec<String>, Range<usize>)>;

fn formats(sink: &mut Sink<'_>, value: &Value<'_>, price: &mut Price) -> Option<Formats> {
    let table = sink.table("[formats]", value)?;
    table.only(sink, keys("[formats]"));
    let mut formats = Formats::default();
    if let Some(value) = table.get("decimal") {
        formats.decimal = sink.word("decimal", value, &[(',', ","), ('.', ".")]);
    }
    if let Some(value) = table.get("thousands") {
        let mut signs = Vec::new();
        for (text, span) in sink.strings("thousands", value).unwrap_or_default() {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (Some(sign), None) if !sign.is_alphanumeric() && Some(sign) != formats.decimal => signs.push(sign),
                _ => sink.error("MAP003", span, "a thousands sign is one sign, and not the decimal one", "here"),
            }
        }
        formats.thousands = Some(signs);
    }
    if let Some(value) = table.get("date") {
        for (text, span) in sink.strings("date", value).unwrap_or_default() {
            match DatePattern::parse(text) {
                Ok(pattern) if formats.dates.iter().any(|other| other.written == pattern.written) => {
                    sink.error("MAP014", span, format!("`{text}` stands twice"), "again");
                }
                Ok(pattern) => formats.dates.push(pattern),
                Err((at, reason)) => {
                    let end = if at == 0 { text.len() } else { at + 2 };
                    let place = sink.within(&span, at..end.min(text.len()));
                    sink.error("MAP013", place, format!("`{text}` is no date pattern"), reason);
                }
            }
        }
    }
    let languages = Language::ALL.map(|language| (language, language.code()));
    formats.locale = table.get("locale").and_then(|value| sink.word("locale", value, &languages));
    if let Some(value) = table.get("currency")
        && let Some(code) = sink.string("currency", value)
    {
        if is_currency_code(code) {
            formats.currency = Some(code.to_string());
        } else {
            sink.error("MAP012", value.span(), format!("`{code}` is no ISO 4217 code like EUR"), "here");
        }
    }
    if let Some(value) = table.get("price_per") {
        match value.get_ref() {
            DeValue::Integer(number) => {
                let digits = number.as_str().replace('_', "");
                match Decimal::from_str_exact(&digits).ok().filter(|n| *n > Decimal::ZERO && number.radix() == 10) {
                    Some(number) => formats.price_per = Some(number),
                    None => sink.error("MAP003", value.span(), "prices are for one or more units", "here"),
                }
            }
            DeValue::String(_) | DeValue::Array(_) => {
                let heads = sink.strings("price_per", value).unwrap_or_default();
                *price = Some((heads.into_iter().map(|(head, _)| head.to_string()).collect(), value.span()));
            }
            other => sink.wrong_kind("price_per", value.span(), "a number or a column's head", other),
        }
    }
    if let Some(value) = table.get("empty") {
        formats.empty =
            sink.strings("empty", value).unwrap_or_default().into_iter().map(|(word, _)| word.to_string()).collect();
    }
    Some(formats)
}

fn is_currency_code(code: &str) -> bool {
    code.len() == 3 && code.chars().all(|c| c.is_ascii_uppercase())
}

fn codes(sink: &mut Sink<'_>, value: &Value<'_>) -> Codes {
    let mut codes = Codes::default();
    let Some(table) = sink.table("[codes]", value) else { return codes };
    for (key, span, value) in table.entries() {
        let Some(field) = sink.field(key, span.clone(), "MAP006") else { continue };
        if !matches!(field.field_type(), FieldType::Text | FieldType::Status | FieldType::State) {
            let message = format!("`{key}` is a {:?}: it has no codes", field.field_type()).to_lowercase();
            sink.error("MAP012", span.clone(), message, "here");
            continue;
        }
        let Some(words_of) = sink.table(&format!("[codes.{key}]"), value) else { continue };
        let mut list: Vec<Code> = Vec::new();
        for (word, word_span, value) in words_of.entries() {
            let plain = words::plain(word);
            if list.iter().any(|code| code.plain == plain) {
                sink.error(
                    "MAP014",
                    word_span.clone(),
                    format!("`{word}` stands twice"),
                    "the same, but for case and spaces",
                );
                continue;
            }
            if let Some((value, factor)) = code(sink, field, value) {
                list.push(Code { word: word.to_string(), plain, value, factor });
            }
        }
        codes.fields.insert(field, list);
    }
    codes
}

fn code(sink: &mut Sink<'_>, field: Field, value: &Value<'_>) -> Option<(String, Option<Decimal>)> {
    if field == Field::Unit
        && let DeValue::Table(_) = value.get_ref()
    {
        let table = sink.table("[codes.unit]", value)?;
        table.only(sink, &["unit", "factor"]);
        let unit = need(sink, &table, "unit").and_then(|value| sink.string("unit", value))?;
        let factor = need(sink, &table, "factor")?;
        let number = match factor.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => {
                Decimal::from_str_exact(&number.as_str().replace('_', "")).ok()
            }
            DeValue::Float(number) => Decimal::from_str_exact(&number.as_str().replace('_', "")).ok(),
            other => {
                sink.wrong_kind("factor", factor.span(), "a number", other);
                return None;
            }
        };
        let Some(number) = number.filter(|number| *number > Decimal::ZERO) else {
            sink.error("MAP003", factor.span(), "`factor` is above zero", "here");
            return None;
        };
        return Some((unit.to_string(), Some(number)));
    }
    let text = sink.string(&format!("[codes.{}]", field.name()), value)?;
    let (known, help): (bool, Vec<&str>) = match field {
        Field::Status => (LineStatus::from_name(text).is_some(), LineStatus::NAMES.iter().map(|row| row.1).collect()),
        Field::State => (HeadState::from_name(text).is_some(), vec!["ACC", "AWC", "CAN", "AB"]),
        Field::Reason => (RCL.contains(&text), RCL.to_vec()),
        Field::Currency => (is_currency_code(text), vec!["EUR", "CHF", "..."]),
        _ => (!text.trim().is_empty(), vec![]),
    };
    if known {
        return Some((text.to_string(), None));
    }
    let near = crate::diagnostic::nearest(text, help.iter().copied());
    let help = near.map_or_else(|| format!("one of {}", help.join(", ")), |near| format!("did you mean `{near}`?"));
    let message = format!("`{text}` is no code of `{}`", field.name());
    sink.error_help("MAP012", value.span(), message, "not known", Some(help));
    None
}

/// The reference's reasons for returns.
pub(super) const RCL: [&str; 15] = [
    "RCL010", "RCL015", "RCL020", "RCL021", "RCL023", "RCL024", "RCL025", "RCL030", "RCL040", "RCL045", "RCL200",
    "RCL300", "RCL400", "RCL980", "RCL990",
];

fn habits(sink: &mut Sink<'_>, value: &Value<'_>) -> Habits {
    let mut habits = Habits::default();
    let Some(table) = sink.table("[line]", value) else { return habits };
    table.only(sink, keys("[line]"));
    let backorders = [
        (BackorderEncoding::AcceptedRest, "accepted+rest"),
        (BackorderEncoding::AcceptedRest, "rest"),
        (BackorderEncoding::BackorderedOnly, "backordered-only"),
        (BackorderEncoding::TwoLines, "two-lines"),
        (BackorderEncoding::TwoLinesPartial, "two-lines-partial"),
    ];
    if let Some(value) = table.get("backorder") {
        habits.backorder = sink.word("backorder", value, &backorders).unwrap_or_default();
    }
    let missing = [
        (MissingPolicy::Unchanged, "unchanged"),
        (MissingPolicy::Accepted, "accepted"),
        (MissingPolicy::Canceled, "canceled"),
        (MissingPolicy::Error, "error"),
    ];
    if let Some(value) = table.get("missing") {
        habits.missing = sink.word("missing", value, &missing).unwrap_or_default();
    }
    habits
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
partner = "nordwind"
kind    = "response"
[match]
from    = ["@nordwind.example"]
subject = 'Auftragsbestätigung'
[source]
part = "text"
[formats]
decimal = ","
date    = ["%d.%m.%Y", "%d. %B %Y"]
locale  = "de"
currency = "EUR"
[fields]
order_number = { label = "Ihre Bestellung" }
entry_date   = { between = ["Datum:", "Seite"] }
[table]
end = '^Zwischensumme'
[table.columns]
position           = "Pos"
supplier_sku       = ["Artikel-Nr.", "Art.Nr."]
quantity_confirmed = "Menge"
confirmed_date     = { label = "Liefertermin" }
status             = "Status"
[codes.status]
"bestätigt" = "accepted"
[codes.unit]
"Karton" = { unit = "PCE", factor = 12 }
[line]
backorder = "rest"
"#;

    /// What MAPPING.md shows must be taken as it stands.
    #[test]
    fn a_sound_mapping_has_no_complaints() {
        let (mapping, found) = check("nordwind/ab", "ab.toml", GOOD);
        assert_eq!(found, []);
        let mapping = mapping.unwrap();
        assert_eq!(mapping.table().unwrap().columns.len(), 5);
        assert_eq!(mapping.habits.backorder, BackorderEncoding::AcceptedRest);
        assert_eq!(mapping.fields[0].rule, "fields.order_number label \"Ihre Bestellung\"");
    }

    /// Each mistake an admin can make must be named at its place, all of them at once.
    #[test]
    fn every_mistake_is_found_at_its_place() {
        let cases: &[(&str, &str, &str, &str)] = &[
            ("order_number =", "ordr_number =", "MAP006", "ordr_number"),
            ("partner = \"nordwind\"", "partner = 5", "MAP003", "5"),
            ("partner = \"nordwind\"", "partner = \"ostwerk\"", "MAP020", "\"ostwerk\""),
            ("kind    = \"response\"", "kind = \"initail\"", "MAP005", "\"initail\""),
            ("from    = ", "form = ", "MAP002", "form"),
            ("'Auftragsbestätigung'", "'Auftrag(s'", "MAP009", "("),
            ("\"%d. %B %Y\"", "\"%d. %Q %Y\"", "MAP013", "%Q"),
            ("locale  = \"de\"\n", "", "MAP023", ""),
            ("decimal = \",\"", "decimal = \";\"", "MAP005", "\";\""),
            ("{ label = \"Ihre Bestellung\" }", "{ label = \"Ihre Bestellung\", find = 'x(.)' }", "MAP008", "find"),
            ("{ label = \"Ihre Bestellung\" }", "{ find = 'Nr (.)(.)' }", "MAP010", "'Nr (.)(.)'"),
            ("{ label = \"Ihre Bestellung\" }", "{ css = 'td' }", "MAP018", "css"),
            ("{ label = \"Ihre Bestellung\" }", "{ required = false }", "MAP008", "{ required = false }"),
            ("position           = \"Pos\"", "order_number = \"Pos\"", "MAP007", "order_number"),
            ("\"Art.Nr.\"]", "\"artikel-nr\"]", "MAP014", "\"artikel-nr\""),
            ("quantity_confirmed = \"Menge\"", "quantity_confirmed = \"Pos\"", "MAP014", "\"Pos\""),
            ("= \"accepted\"", "= \"acepted\"", "MAP012", "\"acepted\""),
            (
                "\"bestätigt\" = \"accepted\"",
                "\"bestätigt\" = \"accepted\"\n\"Bestätigt \" = \"canceled\"",
                "MAP014",
                "\"Bestätigt \"",
            ),
            ("factor = 12", "factor = 0", "MAP003", "0"),
            ("backorder = \"rest\"", "backorder = \"remainder\"", "MAP005", "\"remainder\""),
            ("\"@nordwind.example\"", "\"nordwind\"", "MAP003", "\"nordwind\""),
            ("[match]", "[matches]", "MAP004", ""),
            ("order_number = { label = \"Ihre Bestellung\" }\n", "", "MAP022", ""),
            ("end = '^Zwischensumme'", "end = '^Zwischensumme", "MAP001", ""),
            ("{ between = [\"Datum:\", \"Seite\"] }", "{ between = [\"Datum:\"] }", "MAP003", "[\"Datum:\"]"),
            ("{ between = [\"Datum:\", \"Seite\"] }", "{ xpath = '/a[' }", "MAP016", "["),
            ("{ between = [\"Datum:\", \"Seite\"] }", "{ cell = '4B' }", "MAP017", "'4B'"),
        ];
        for (from, to, code, marked) in cases {
            let text = GOOD.replacen(from, to, 1);
            assert_ne!(&text, GOOD, "{from}");
            let (mapping, found) = check("nordwind/ab", "ab.toml", &text);
            let hit = found.iter().find(|d| d.code == *code).unwrap_or_else(|| panic!("{to}: no {code} in {found:#?}"));
            assert!(mapping.is_none(), "{to}");
            if !marked.is_empty() {
                let span = hit.span.clone().unwrap();
                assert_eq!(&text[span], *marked, "{to}: {hit}");
            }
        }
    }

    /// An admin must not mend one mistake a minute.
    #[test]
    fn all_mistakes_at_once() {
        let text = GOOD
            .replace("order_number", "ordr_number")
            .replace("kind    = \"response\"", "knd = \"x\"")
            .replace("\"Menge\"", "5")
            .replace("\"rest\"", "\"r\"");
        let (_, found) = check("nordwind/ab", "ab.toml", &text);
        let codes: Vec<&str> = found.iter().map(|d| d.code.as_str()).collect();
        for code in ["MAP002", "MAP003", "MAP004", "MAP005", "MAP006"] {
            assert!(codes.contains(&code), "{codes:?}");
        }
    }

    /// Half a name is what people remember of a field; the complaint must lead to the whole one.
    #[test]
    fn half_a_name_leads_to_the_whole_one() {
        let (_, found) = check("nordwind/ab", "ab.toml", &GOOD.replace("supplier_sku ", "sku "));
        let help: Vec<&str> = found.iter().filter_map(|d| d.help.as_deref()).collect();
        assert!(help.iter().any(|help| help.contains("`supplier_sku`") && help.contains("`shop_sku`")), "{help:?}");
        let (_, found) = check("nordwind/ab", "ab.toml", &GOOD.replace("partner = \"nordwind\"", "partner = 5"));
        assert!(found.iter().any(|d| d.label == "this is an integer"), "{found:?}");
    }

    /// The caret must stand below the wrong name within the pattern.
    #[test]
    fn carets_within_patterns() {
        let text = GOOD.split("[table]").next().unwrap().to_string()
            + "[lines]\nline = '^(?<position>\\d+)\\s+(?<quantity_confirmd>\\d+)$'\n[codes.status]\n\"a\"=\"accepted\"\n";
        let (_, found) = check("nordwind/ab", "ab.toml", &text);
        let d = found.iter().find(|d| d.code == "MAP011").unwrap();
        assert_eq!(&text[d.span.clone().unwrap()], "quantity_confirmd");
        assert_eq!(d.help.as_deref(), Some("did you mean `quantity_confirmed`?"));
        let drawn = d.draw(&text, false);
        assert!(drawn.contains("^^^^^^^^^^^^^^^^^ not known"), "{drawn}");
    }

    /// Whatever somebody uploads as a mapping, the gateway must survive it.
    #[test]
    fn junk_is_complained_of() {
        for text in [
            "",
            "=",
            "[",
            "a.b.c = 1",
            "[fields]\nx = 1",
            "match = 1\nsource = []\nfields = 'x'\ntable = 3\ncodes = 1\nline = 2",
            "\u{0}",
            "[table.columns]\nposition = { }",
        ] {
            let (mapping, found) = check("a/b", "b.toml", text);
            assert!(mapping.is_none() && !found.is_empty(), "{text:?}");
        }
    }
}
