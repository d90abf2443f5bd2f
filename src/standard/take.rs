//! Values as they are taken out of a structured document: each with its witness, or a fault.
//!
//! Every reader of a standard finds words ([`Found`]) and hands them to a [`Take`], which types them and
//! collects all faults at once. It must never know which standard the words came from.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::diagnostic::Diagnostic;
use crate::model::{Date, Decimal, Fault, FaultCode, Field, HeadState, LineStatus, Message, Place, Said, Value};

/// The fields of a head or of a line.
pub type Fields = BTreeMap<Field, Said>;

/// No name, address or note of a real order is longer; heads are copied for every order a document names.
const TEXT_CHARS_MAX: usize = 10_000;

/// More complaints than that help nobody; the rest is counted.
const FAULTS_MAX: usize = 200;

/// Words found in the document: what they are, by which rule, and where.
#[derive(Clone, Debug)]
pub struct Found {
    pub raw: String,
    /// As the standard names it, without the standard's own name: `OrderReference/ID`, `RFF+ON`.
    pub rule: String,
    /// The path a person can follow: `/OrderResponse/OrderLine[2]/LineItem/Quantity`, `LIN[2]/1229`.
    pub path: String,
    /// Bytes of the text.
    pub span: Range<usize>,
}

impl Found {
    /// The same words with a remark on how they were understood.
    pub fn remark(mut self, remark: &str) -> Found {
        self.rule = format!("{} ({remark})", self.rule);
        self
    }
}

/// Takes values and keeps the complaints.
pub struct Take<'t> {
    /// How rules begin: `ubl`, `edifact`, `cxml`, `opentrans`, `x12`.
    pub standard: &'static str,
    text: &'t str,
    part: &'t str,
    complaints: Vec<Complaint>,
    untold: usize,
    /// The message of an interchange that is being read, from 1; 0 = the document as a whole.
    source: usize,
    sources: usize,
    /// The line that is being read, counted over the whole document from 1; 0 = none.
    line: usize,
    lines: usize,
    /// The field that is being read.
    field: Option<Field>,
}

struct Complaint {
    diagnostic: Diagnostic,
    /// Errors only.
    fault: Option<Fault>,
    source: usize,
    line: usize,
}

/// A message as it was read: which lines of the document it is made of.
pub struct Heard {
    pub message: Message,
    pub lines: Vec<usize>,
    pub source: usize,
}

impl<'t> Take<'t> {
    pub fn new(standard: &'static str, text: &'t str, part: &'t str) -> Take<'t> {
        Take {
            standard,
            text,
            part,
            complaints: Vec::new(),
            untold: 0,
            source: 0,
            sources: 0,
            line: 0,
            lines: 0,
            field: None,
        }
    }

    /// The next message of an interchange begins; what is wrong with it is not wrong with the others.
    pub fn begin_source(&mut self) {
        self.sources += 1;
        self.source = self.sources;
    }

    pub fn end_source(&mut self) {
        self.source = 0;
    }

    /// A line begins; complaints until [`Take::end_line`] are its own.
    pub fn begin_line(&mut self) -> usize {
        self.lines += 1;
        self.line = self.lines;
        self.line
    }

    pub fn end_line(&mut self) {
        self.line = 0;
    }

    pub fn heard(&self, message: Message, lines: Vec<usize>) -> Heard {
        Heard { message, lines, source: self.source }
    }

    /// The errors that concern a message, each with the index of its line.
    pub fn faults_of(&self, heard: &Heard) -> Vec<Fault> {
        let own = |complaint: &&Complaint| {
            (complaint.source == 0 || complaint.source == heard.source)
                && (complaint.line == 0 || heard.lines.contains(&complaint.line))
        };
        let fault = |complaint: &Complaint| {
            let mut fault = complaint.fault.clone()?;
            fault.line = heard.lines.iter().position(|line| *line == complaint.line);
            let said = fault.line.and_then(|line| heard.message.lines.get(line)?.get(&Field::Position));
            fault.position = said.and_then(|said| said.value.as_number()).and_then(|number| u32::try_from(number).ok());
            Some(fault)
        };
        self.complaints.iter().filter(own).filter_map(fault).collect()
    }

    pub fn into_faults(self) -> Vec<Diagnostic> {
        let mut all: Vec<Diagnostic> = self.complaints.into_iter().map(|complaint| complaint.diagnostic).collect();
        if self.untold > 0 {
            let rest = format!("and {} more complaints of this document", self.untold);
            all.push(Diagnostic::error(FaultCode::Unreadable.name(), rest).in_file(self.part));
        }
        all
    }

    fn keep(&mut self, diagnostic: Diagnostic, fault: Option<Fault>) {
        if self.complaints.len() < FAULTS_MAX {
            self.complaints.push(Complaint { diagnostic, fault, source: self.source, line: self.line });
        } else {
            self.untold += 1;
        }
    }

    /// A fault at a place.
    pub fn fault(&mut self, code: FaultCode, message: impl Into<String>, path: &str, span: Range<usize>) {
        self.fault_in(code, message.into(), path, span, None);
    }

    fn fault_in(&mut self, code: FaultCode, message: String, path: &str, span: Range<usize>, read: Option<String>) {
        let place = if path.is_empty() { Place::whole(self.part) } else { Place::path(self.part, path) };
        let fault = Fault {
            code,
            message: message.clone(),
            position: None,
            line: None,
            field: self.field,
            read,
            needed: None,
            place: Some(place),
        };
        let message = with_path(message, path);
        self.keep(Diagnostic::error(code.name(), message).at(self.part, self.text, span), Some(fault));
    }

    /// Odd, but the values stand.
    pub fn warn(&mut self, message: impl Into<String>, path: &str, span: Range<usize>) {
        let message = with_path(message.into(), path);
        let code = FaultCode::InvalidValue.name();
        self.keep(Diagnostic::warning(code, message).at(self.part, self.text, span), None);
    }

    /// A value that was found and cannot be read.
    pub fn invalid(&mut self, found: &Found, message: impl Into<String>) {
        let read = Some(shorten(&found.raw).into_owned());
        self.fault_in(FaultCode::InvalidValue, message.into(), &found.path, found.span.clone(), read);
    }

    /// A code that the standard's list does not have.
    pub fn unknown_code(&mut self, field: Field, found: &Found, what: &str) {
        self.field = Some(field);
        self.invalid(found, format!("`{}` is no {what}", shorten(&found.raw)));
        self.field = None;
    }

    pub fn said(&self, value: Value, found: &Found) -> Said {
        let rule = format!("{} {}", self.standard, found.rule);
        Said::new(value, Take::capped(&found.raw), rule, Place::path(self.part, found.path.clone()))
    }

    /// Texts end at a length no real one has; that it was cut is written where it was.
    fn capped(text: &str) -> String {
        match text.char_indices().nth(TEXT_CHARS_MAX) {
            Some((end, _)) => format!("{}… (cut)", text.get(..end).unwrap_or_default()),
            None => text.to_string(),
        }
    }

    /// The first who says a field is heard.
    pub fn put(&self, into: &mut Fields, field: Field, value: Value, found: &Found) {
        into.entry(field).or_insert_with(|| self.said(value, found));
    }

    pub fn text(&self, into: &mut Fields, field: Field, found: Option<Found>) {
        if let Some(found) = found {
            self.put(into, field, Value::Text(Take::capped(found.raw.trim())), &found);
        }
    }

    /// Adds to a text that may stand there already (notes, names in several pieces).
    pub fn more_text(&self, into: &mut Fields, field: Field, found: Option<Found>) {
        let Some(found) = found else { return };
        let text = found.raw.trim();
        match into.get_mut(&field) {
            Some(said) => {
                if let Value::Text(before) = &mut said.value
                    && before.len() < TEXT_CHARS_MAX
                {
                    *before = Take::capped(&format!("{before}\n{text}"));
                    said.raw = Take::capped(&format!("{}\n{}", said.raw, found.raw));
                }
            }
            None => self.put(into, field, Value::Text(Take::capped(text)), &found),
        }
    }

    pub fn status(&self, into: &mut Fields, status: LineStatus, found: &Found) {
        self.put(into, Field::Status, Value::Status(status), found);
    }

    pub fn state(&self, into: &mut Fields, state: HeadState, found: &Found) {
        self.put(into, Field::State, Value::State(state), found);
    }

    /// Reads a number that is not below zero, or complains.
    pub fn amount(&mut self, found: Option<&Found>) -> Option<Decimal> {
        let found = found?;
        match decimal(&found.raw) {
            Ok(number) if number.is_sign_negative() && !number.is_zero() => {
                self.invalid(found, format!("`{}` is below zero", shorten(&found.raw)));
                None
            }
            Ok(number) => Some(number),
            Err(why) => {
                self.invalid(found, why);
                None
            }
        }
    }

    pub fn number(&mut self, into: &mut Fields, field: Field, found: Option<Found>) -> Option<Decimal> {
        self.field = Some(field);
        let number = self.amount(found.as_ref());
        self.field = None;
        let number = number?;
        self.put(into, field, Value::Number(number), &found?);
        Some(number)
    }

    /// Reads an ISO 8601 date; a time behind it is left out.
    pub fn day(&mut self, found: Option<&Found>) -> Option<Date> {
        let found = found?;
        match iso_date(&found.raw) {
            Ok(date) => Some(date),
            Err(why) => {
                self.invalid(found, why);
                None
            }
        }
    }

    pub fn date(&mut self, into: &mut Fields, field: Field, found: Option<Found>) -> Option<Date> {
        self.field = Some(field);
        let date = self.day(found.as_ref());
        self.field = None;
        let date = date?;
        self.put(into, field, Value::Date(date), &found?);
        Some(date)
    }

    /// A reference to an order line. Position numbers are whole numbers from 1; a reference of another
    /// kind cannot be one, so it is kept among the partner's words and the line is found by its product.
    pub fn position(&mut self, into: &mut Fields, found: Option<Found>) -> bool {
        let Some(found) = found else { return false };
        match whole_number(&found.raw) {
            Some(number) => {
                self.put(into, Field::Position, Value::Number(number), &found);
                true
            }
            None => {
                let raw = shorten(&found.raw);
                let message = format!("the line reference `{raw}` is no position number; the product decides");
                self.warn(message, &found.path, found.span.clone());
                let note = Found { raw: format!("line reference {}", found.raw.trim()), ..found };
                self.more_text(into, Field::Note, Some(note));
                false
            }
        }
    }

    /// The net price of one unit: amount ÷ basis. Exact; only a quotient without an end is rounded, to
    /// ten places, half away from zero, and the rule says so.
    pub fn price(&mut self, into: &mut Fields, amount: Option<Found>, basis: Option<Found>, per: Decimal) {
        self.field = Some(Field::PriceNet);
        self.price_of(into, amount, basis, per);
        self.field = None;
    }

    fn price_of(&mut self, into: &mut Fields, amount: Option<Found>, basis: Option<Found>, per: Decimal) {
        let Some(amount_found) = amount else { return };
        let (amount, read) = (self.amount(Some(&amount_found)), self.amount(basis.as_ref()));
        if basis.is_some() && read.is_none() {
            return; // The complaint is made; a price without its basis would be wrong by that factor.
        }
        let Some(amount) = amount else { return };
        let divisor = read.unwrap_or(Decimal::ONE).checked_mul(per);
        let Some(divisor) = divisor.filter(|divisor| !divisor.is_zero()) else {
            let at = basis.as_ref().unwrap_or(&amount_found);
            self.invalid(at, format!("a price for `{}` units cannot be brought to one unit", shorten(&at.raw)));
            return;
        };
        let Some((price, exact)) = per_one(amount, divisor) else {
            self.invalid(&amount_found, format!("the price `{}` is out of range", shorten(&amount_found.raw)));
            return;
        };
        let mut witness = amount_found;
        if divisor != Decimal::ONE {
            let rounded = if exact { "" } else { ", rounded to 10 places" };
            witness.rule = format!("{} ÷ {divisor}{rounded}", witness.rule);
        }
        self.put(into, Field::PriceNet, Value::Number(price), &witness);
        if let (Some(basis), Some(read)) = (basis, read)
            && read != Decimal::ONE
        {
            self.put(into, Field::PriceBasis, Value::Number(read), &basis);
        }
    }
}

fn with_path(message: String, path: &str) -> String {
    if path.is_empty() { message } else { format!("{message}, at {path}") }
}

/// Enough of a hostile text to recognise it.
pub fn shorten(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    match text.char_indices().nth(60) {
        Some((end, _)) => Cow::Owned(format!("{}…", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// A decimal as standards write it: digits with at most one mark, point or comma (neither XML nor
/// EDIFACT has signs between thousands), no exponent.
pub fn decimal(text: &str) -> Result<Decimal, String> {
    let trimmed = text.trim();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let marks = digits.bytes().filter(|b| matches!(b, b'.' | b',')).count();
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b','));
    if !plain || marks > 1 || !digits.bytes().any(|b| b.is_ascii_digit()) {
        return Err(format!("`{}` is no decimal number", shorten(trimmed)));
    }
    let mut written = trimmed.trim_start_matches('+').replace(',', ".");
    if written.ends_with('.') {
        written.pop();
    }
    Decimal::from_str_exact(&written).map_err(|_| format!("`{}` has too many digits", shorten(trimmed)))
}

/// A whole number from 1 to 4294967295; leading zeros are allowed (`000010`).
pub fn whole_number(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    let number: u32 = digits.then(|| text.parse().ok())??;
    (number > 0).then(|| Decimal::from(number))
}

/// `amount ÷ divisor`, and whether that is exact. `None` = out of range.
pub fn per_one(amount: Decimal, divisor: Decimal) -> Option<(Decimal, bool)> {
    if divisor == Decimal::ONE {
        return Some((amount, true));
    }
    let quotient = amount.checked_div(divisor)?;
    let strategy = rust_decimal::RoundingStrategy::MidpointAwayFromZero;
    // A quotient that ends does so early; multiplying back shows it (28 digits would hide a third).
    let ended = quotient.round_dp_with_strategy(14, strategy);
    let exact = ended.checked_mul(divisor) == Some(amount);
    let price = if exact { ended } else { quotient.round_dp_with_strategy(10, strategy) };
    Some((price.normalize(), exact))
}

/// `2026-12-01`, with a time or a zone behind it or not. Years outside 1900..2200 are slips of a program
/// (`0021-02-01`), not dates of an order.
pub fn iso_date(text: &str) -> Result<Date, String> {
    let trimmed = text.trim();
    let complaint = || format!("`{}` is no date like 2026-12-01", shorten(trimmed));
    let day = trimmed.get(..10).ok_or_else(complaint)?;
    let rest = trimmed.get(10..).unwrap_or_default();
    if !(rest.is_empty() || rest.starts_with(['T', ' ', 'Z', '+', '-'])) {
        return Err(complaint());
    }
    let date: Date = day.parse().map_err(|_| complaint())?;
    sane(date).ok_or_else(complaint)
}

/// A date an order can have.
pub fn sane(date: Date) -> Option<Date> {
    (1900..2200).contains(&date.year()).then_some(date)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number read wrongly is an order confirmed wrongly.
    #[test]
    fn numbers_are_exact_or_refused() {
        let good =
            [("5", "5"), ("5.0", "5.0"), ("0,5", "0.5"), ("+7", "7"), ("12.", "12"), (".5", "0.5"), ("-3", "-3")];
        for (text, expected) in good {
            assert_eq!(decimal(text).unwrap().to_string(), expected, "{text}");
        }
        for text in
            ["", ".", "1.000,50", "1e5", "5 EUR", "٣", "--1", "12345678901234567890123456789012", "0x10", "1,2,3"]
        {
            assert!(decimal(text).is_err(), "{text}");
        }
        assert_eq!(whole_number("000010"), Some(Decimal::from(10)));
        for text in ["0", "1.5", "", "-1", "line-1", "99999999999", "+1"] {
            assert_eq!(whole_number(text), None, "{text}");
        }
    }

    /// A price per hundred must not become a price that differs from the order's by a hair.
    #[test]
    fn prices_come_out_per_one() {
        let d = |text: &str| Decimal::from_str_exact(text).unwrap();
        assert_eq!(per_one(d("0.9"), d("10")), Some((d("0.09"), true)));
        assert_eq!(per_one(d("0.12345"), d("1000")), Some((d("0.00012345"), true)));
        assert_eq!(per_one(d("10"), d("3")), Some((d("3.3333333333"), false)));
        assert_eq!(per_one(d("20"), d("3")), Some((d("6.6666666667"), false)));
        assert_eq!(per_one(Decimal::MAX, d("0.0001")), None);
    }

    /// A date read as another day would be compared with the wrong promise.
    #[test]
    fn dates_are_days_or_refused() {
        for text in ["2026-12-01", "2026-12-01T09:15:50", "2026-12-01Z", " 2026-12-01+02:00 "] {
            assert_eq!(iso_date(text).unwrap().to_string(), "2026-12-01", "{text}");
        }
        for text in ["", "0021-02-01", "2026-02-30", "2026-12-011", "01.12.2026", "2026-1-1", "ééééé-12-01"] {
            assert!(iso_date(text).is_err(), "{text}");
        }
    }
}
