//! What EDIFACT segments say, for every message type: dates, articles, quantities, prices, parties.
//!
//! Source: UN/EDIFACT directories D.96A and D.01B (segments, code lists 2005, 2379, 5125, 6063, 7143) and
//! EANCOM's guides to ORDERS, ORDRSP and DESADV.

use super::super::take::{Fields, Found, Take, iso_date, sane, shorten};
use super::interchange::Placed;
use crate::model::{Date, Decimal, Field, Value};

/// DTM: 2005 what for, 2380 when, 2379 how it is written.
pub fn moment(take: &mut Take, placed: &Placed) -> Option<(Date, Found)> {
    let rule = format!("DTM+{}", placed.text(1, 1));
    let found = placed.found(1, 2, "2380", &rule)?;
    match day(&found.raw, placed.text(1, 3)) {
        Ok(date) => Some((date, found)),
        Err(why) => {
            take.invalid(&found, why);
            None
        }
    }
}

/// Periods and weeks count to their last day: what comes within them has come by then.
fn day(text: &str, format: &str) -> Result<Date, String> {
    let complaint =
        || format!("`{}` is no date in format {}", shorten(text), if format.is_empty() { "102" } else { format });
    let slice = |from: usize, to: usize| text.get(from..to).ok_or_else(complaint);
    let long = |from: usize| -> Result<Date, String> {
        let (year, month, day) = (slice(from, from + 4)?, slice(from + 4, from + 6)?, slice(from + 6, from + 8)?);
        iso_date(&format!("{year}-{month}-{day}")).map_err(|_| complaint())
    };
    if !text.is_ascii() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(complaint());
    }
    let exactly = |length: usize| if text.len() == length { Ok(()) } else { Err(complaint()) };
    match format {
        "102" => exactly(8).and_then(|()| long(0)),
        "203" => exactly(12).and_then(|()| long(0)),
        "204" => exactly(14).and_then(|()| long(0)),
        "" if matches!(text.len(), 8 | 12 | 14) => long(0),
        "101" => {
            exactly(6)?;
            iso_date(&format!("20{}-{}-{}", slice(0, 2)?, slice(2, 4)?, slice(4, 6)?)).map_err(|_| complaint())
        }
        "2" => {
            exactly(6)?;
            iso_date(&format!("20{}-{}-{}", slice(4, 6)?, slice(2, 4)?, slice(0, 2)?)).map_err(|_| complaint())
        }
        "718" => exactly(16).and_then(|()| long(8)),
        "719" => exactly(24).and_then(|()| long(12)),
        "610" => {
            exactly(6)?;
            let first = iso_date(&format!("{}-{}-01", slice(0, 4)?, slice(4, 6)?)).map_err(|_| complaint())?;
            Ok(first.last_of_month())
        }
        "616" => {
            exactly(6)?;
            let year: i16 = slice(0, 4)?.parse().map_err(|_| complaint())?;
            let week: i8 = slice(4, 6)?.parse().map_err(|_| complaint())?;
            let sunday = jiff::civil::ISOWeekDate::new(year, week, jiff::civil::Weekday::Sunday);
            sunday.ok().and_then(|date| sane(date.date())).ok_or_else(complaint)
        }
        other => Err(format!("dates in format `{}` are not read", shorten(other))),
    }
}

/// Delivery dates an answer can give (2005), the firmest first: current schedule, promised, confirmed,
/// scheduled, estimated, available, latest. What was requested comes last, despatch dates behind it.
pub const ANSWERED: [&str; 7] = ["67", "69", "55", "76", "17", "44", "63"];
pub const REQUESTED: &str = "2";
/// Despatch, shipment planned, shipped: goods cannot arrive before.
pub const DESPATCHED: [&str; 3] = ["11", "10", "79"];

/// Which field an article number fills (7143); `None` = a classification, a batch, somebody else's number.
pub fn article(kind: &str, number: &str) -> Option<Field> {
    match kind {
        "SA" | "VN" | "VP" | "VS" => Some(Field::SupplierSku),
        "IN" | "BP" => Some(Field::ShopSku),
        "EN" | "SRV" | "UP" | "EU" => Some(Field::Gtin),
        // An ISBN of 13 digits is a GTIN, one of ten is not.
        "IB" if number.len() == 13 => Some(Field::Gtin),
        "IB" => Some(Field::ProductId),
        _ => None,
    }
}

/// LIN and PIA. PIA+3 "substituted by" and PIA+4 "substituted for" tell a substitute from the original.
pub fn articles(take: &Take, fields: &mut Fields, line: &[Placed]) {
    let replaces = line.iter().any(|placed| placed.is("PIA") && placed.text(1, 1) == "4");
    if let Some(lin) = line.first()
        && let Some(found) = lin.found(3, 1, "7140", "LIN")
    {
        let field = match lin.text(3, 2) {
            "" if is_gtin(&found.raw) => Some(Field::Gtin),
            "" => Some(Field::SupplierSku),
            kind => article(kind, &found.raw),
        };
        match field {
            Some(_) if replaces => take.text(fields, Field::SubstituteSku, Some(found)),
            Some(field) => take.text(fields, field, Some(found)),
            None => {}
        }
    }
    for placed in line.iter().filter(|placed| placed.is("PIA")) {
        let role = placed.text(1, 1);
        for element in 2..=6 {
            let kind = placed.text(element, 2);
            let rule = format!("PIA+{role} {kind}");
            let Some(found) = placed.found(element, 1, "7140", &rule) else { continue };
            match (role, article(kind, &found.raw)) {
                ("3", Some(_)) => take.text(fields, Field::SubstituteSku, Some(found)),
                ("2", _) => {}
                (_, Some(field)) => take.text(fields, field, Some(found)),
                _ => {}
            }
        }
    }
}

fn is_gtin(text: &str) -> bool {
    matches!(text.len(), 8 | 12 | 13 | 14) && text.bytes().all(|b| b.is_ascii_digit())
}

/// IMD: the coded or free description.
pub fn name(take: &Take, fields: &mut Fields, line: &[Placed]) {
    let mut pieces: Option<Found> = None;
    for placed in line.iter().filter(|placed| placed.is("IMD")) {
        for component in [4, 5] {
            let Some(found) = placed.found(3, component, "7008", "IMD") else { continue };
            match &mut pieces {
                Some(before) => before.raw = format!("{} {}", before.raw, found.raw),
                None => pieces = Some(found),
            }
        }
    }
    take.text(fields, Field::Name, pieces);
}

/// FTX: words for people, and a coded reason (4441) where there is one.
pub fn words(take: &Take, fields: &mut Fields, placed: &Placed, reasons: bool) {
    let rule = format!("FTX+{}", placed.text(1, 1));
    let words: Vec<String> = (1..=5).map(|n| placed.text(4, n).to_string()).filter(|piece| !piece.is_empty()).collect();
    if let Some(found) = (1..=5).find_map(|n| placed.found(4, n, "4440", &rule)) {
        take.more_text(fields, Field::Note, Some(Found { raw: words.join(" "), ..found }));
    }
    if reasons && let Some(code) = placed.found(3, 1, "4441", &rule) {
        take.text(fields, Field::Reason, Some(code));
    }
}

/// Where the price of one unit stands, the firmest first: the net calculation price (AAA), then a price
/// that calls itself net or confirmed (5387 NTP, CUP), then calculation and invoice prices. AAB is gross,
/// AAE and AAF are information, a retail price (SRP, RTP) is somebody else's: none of them is taken.
pub fn price(take: &mut Take, fields: &mut Fields, line: &[Placed]) {
    let rank = |placed: &Placed| -> Option<usize> {
        let (qualifier, kind) = (placed.text(1, 1), placed.text(1, 4));
        if matches!(kind, "SRP" | "RTP" | "MSR") {
            return None;
        }
        match (qualifier, kind) {
            ("AAA", _) => Some(0),
            ("AAB" | "AAE" | "AAF", _) => None,
            (_, "NTP") => Some(1),
            (_, "CUP") => Some(2),
            ("CAL", _) => Some(3),
            ("INV", _) => Some(4),
            _ => None,
        }
    };
    let prices = line.iter().filter(|placed| placed.is("PRI"));
    let Some((_, placed)) = prices.filter_map(|placed| Some((rank(placed)?, placed))).min_by_key(|(rank, _)| *rank)
    else {
        return;
    };
    let rule = format!("PRI+{}", placed.text(1, 1));
    let basis = placed.found(1, 5, "5284", &format!("{rule} 5284"));
    take.price(fields, placed.found(1, 2, "5118", &rule), basis, Decimal::ONE);
}

/// MOA with one of these qualifiers (5025), the first of them that is there.
pub fn money(take: &mut Take, fields: &mut Fields, field: Field, segments: &[Placed], qualifiers: &[&str]) {
    for qualifier in qualifiers {
        let moa = segments.iter().find(|placed| placed.is("MOA") && placed.text(1, 1) == *qualifier);
        if let Some(found) = moa.and_then(|placed| placed.found(1, 2, "5004", &format!("MOA+{qualifier}"))) {
            take.number(fields, field, Some(found));
            return;
        }
    }
}

/// RFF with this qualifier (1153).
pub fn reference(segments: &[Placed], qualifier: &str, component: usize) -> Option<Found> {
    let name = if component == 3 { "1156" } else { "1154" };
    let mut all = segments.iter().filter(|placed| placed.is("RFF") && placed.text(1, 1) == qualifier);
    all.find_map(|placed| placed.found(1, component, name, &format!("RFF+{qualifier}")))
}

/// Which order and which of its lines a line refers to: RFF+ON with 1156, RFF+LI, and only when there is
/// neither the line number of the message itself.
pub fn line_reference(line: &[Placed]) -> (Option<Found>, Option<Found>) {
    let order = reference(line, "ON", 2);
    let position = reference(line, "ON", 3).or_else(|| reference(line, "LI", 3)).or_else(|| reference(line, "LI", 2));
    (order, position)
}

/// The first DTM with one of these qualifiers, in their order.
pub fn first_date(take: &mut Take, segments: &[Placed], qualifiers: &[&str]) -> Option<(Date, Found)> {
    for qualifier in qualifiers {
        let mut all = segments.iter().filter(|placed| placed.is("DTM") && placed.text(1, 1) == *qualifier);
        if let Some(placed) = all.next() {
            return moment(take, placed);
        }
    }
    None
}

pub fn put_date(take: &mut Take, fields: &mut Fields, field: Field, segments: &[Placed], qualifiers: &[&str]) {
    if let Some((date, found)) = first_date(take, segments, qualifiers) {
        take.put(fields, field, Value::Date(date), &found);
    }
}

/// CUX with the reference currency (6347 = 2), else the first one.
pub fn currency(take: &Take, fields: &mut Fields, head: &[Placed]) {
    let all = || head.iter().filter(|placed| placed.is("CUX"));
    let cux = all().find(|placed| placed.text(1, 1) == "2").or_else(|| all().next());
    take.text(fields, Field::Currency, cux.and_then(|placed| placed.found(1, 2, "6345", "CUX")));
}

/// NAD: name, street, "postcode city", region, country, one line each.
pub fn label(placed: &Placed) -> Option<Found> {
    let rule = format!("NAD+{}", placed.text(1, 1));
    let mut lines: Vec<String> = Vec::new();
    for element in [3, 4, 5] {
        lines.extend((1..=5).map(|n| placed.text(element, n).to_string()).filter(|piece| !piece.is_empty()));
    }
    let city = [placed.text(8, 1), placed.text(6, 1)].into_iter().filter(|piece| !piece.is_empty());
    let city = city.collect::<Vec<_>>().join(" ");
    lines.extend([city, placed.text(7, 1).to_string(), placed.text(9, 1).to_string()]);
    lines.retain(|line| !line.is_empty());
    let span = placed.segment.span.clone();
    (!lines.is_empty()).then(|| Found { raw: lines.join("\n"), rule, path: placed.path.clone(), span })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A promised week read as its Monday would call a delivery on Friday late.
    #[test]
    fn dates_in_every_format() {
        let cases = [
            ("20261201", "102", "2026-12-01"),
            ("20261201", "", "2026-12-01"),
            ("202612011530", "203", "2026-12-01"),
            ("20261201153059", "204", "2026-12-01"),
            ("261201", "101", "2026-12-01"),
            ("011226", "2", "2026-12-01"),
            ("2026113020261201", "718", "2026-12-01"),
            ("202611300000202612012359", "719", "2026-12-01"),
            ("202649", "616", "2026-12-06"),
            ("202602", "610", "2026-02-28"),
        ];
        for (text, format, expected) in cases {
            assert_eq!(day(text, format).unwrap().to_string(), expected, "{text} {format}");
        }
        for (text, format) in [
            ("20261301", "102"),
            ("2026120", "102"),
            ("202654", "616"),
            ("20261201", "303"),
            ("", "102"),
            ("２０261201", "102"),
        ] {
            assert!(day(text, format).is_err(), "{text} {format}");
        }
    }
}
