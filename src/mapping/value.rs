//! A partner's way of writing -> a value: numbers, dates, currencies, schedules.
//!
//! Strict on purpose: what cannot be read for certain is an error with the reason, never a guess. It
//! must never know where a text stands or which rule found it.

use jiff::civil::{Date, ISOWeekDate, Weekday};
use rust_decimal::Decimal;

use crate::model::Schedule;

use super::words::{self, Language};

/// How a partner writes numbers and dates (`[formats]`).
#[derive(Clone, Debug, Default)]
pub struct Formats {
    /// The sign before the decimals.
    pub decimal: Option<char>,
    /// The signs between groups of three digits; derived from `decimal` when not said.
    pub thousands: Option<Vec<char>>,
    pub dates: Vec<DatePattern>,
    pub locale: Option<Language>,
    /// The currency when the mail does not name one.
    pub currency: Option<String>,
    /// Prices are for so many units; a column may say it instead.
    pub price_per: Option<Decimal>,
    /// Words that say nothing ("offen", "n/a"): as if the cell were empty.
    pub empty: Vec<String>,
}

/// A number with what stood beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct Number {
    pub value: Decimal,
    /// ISO 4217, when a sign or code stood beside it.
    pub currency: Option<&'static str>,
    /// A word behind it ("Stk").
    pub unit: Option<String>,
}

/// Longer texts are no value of any kind.
const LENGTH_MAX: usize = 4_000;
const NUMBER_LENGTH_MAX: usize = 60;

impl Formats {
    /// Whether a text says nothing: empty, only dashes, or one of the `empty` words.
    pub fn is_empty(&self, text: &str) -> bool {
        let text = text.trim();
        text.chars().all(|c| matches!(c, '-' | '–' | '—' | '−' | '_' | '.' | '/') || c.is_whitespace())
            || self.empty.iter().any(|word| words::plain(word) == words::plain(text))
    }

    /// A number with its currency or unit: `1.768,40 EUR`, `€ 12,50`, `10 Stk`, `5-`, `12.–`.
    pub fn number(&self, text: &str) -> Result<Number, String> {
        let text = text.trim();
        if text.chars().count() > NUMBER_LENGTH_MAX {
            return Err("it is too long for a number".into());
        }
        let begin = text.find(|c: char| c.is_ascii_digit()).ok_or("there is no digit in it")?;
        let (before, rest) = text.split_at(begin);
        let end = self.digits_end(rest);
        let (digits, after) = rest.split_at(end);
        let (mut negative, mut currency, mut unit) = (false, None, None);
        for word in before.split_whitespace().flat_map(split_sign) {
            match word {
                "-" | "−" | "–" => negative = !negative,
                "+" => {}
                word if words::is_currency_sign(word) => currency = words::currency(word).or(currency),
                word => return Err(format!("`{word}` stands before the number")),
            }
        }
        let mut after = after;
        for dashes in ["--", "-", "–", "—"] {
            if let Some(rest) = after.strip_prefix(dashes)
                && !rest.starts_with(|c: char| c.is_alphanumeric())
            {
                // `12.--` and `12,-`: no cents; `12-`: below zero.
                if !digits.ends_with(['.', ',']) {
                    negative = !negative;
                }
                after = rest;
                break;
            }
        }
        let mut behind = after.split_whitespace().peekable();
        while let Some(word) = behind.next() {
            // `EUR*`: the sign of a footnote.
            let word = if word.starts_with('*') { word } else { word.trim_end_matches('*') };
            if words::is_net(word) || word == "+" && behind.peek().is_some_and(|next| words::is_net(next)) {
                continue;
            }
            if words::is_currency_sign(word) && currency.is_none() {
                currency = words::currency(word);
            } else if let Some((sign, each)) = word.split_once('/').filter(|(sign, _)| words::is_currency_sign(sign)) {
                // `EUR/Stk`; a price for a hundred is no price for one.
                if currency.is_some() || unit.is_some() || !is_unit(each) || words::is_many(each) {
                    return Err(format!("`{word}` stands behind the number"));
                }
                currency = words::currency(sign);
                unit = Some(each.to_string());
            } else if unit.is_none() && is_unit(word) {
                unit = Some(word.to_string());
            } else {
                return Err(format!("`{word}` stands behind the number"));
            }
        }
        let digits = digits.trim_end_matches(['.', ',']).trim_end();
        let mut value = self.digits(digits)?;
        if negative {
            value = -value;
        }
        Ok(Number { value, currency, unit })
    }

    /// Where the run of digits and signs between them ends.
    fn digits_end(&self, text: &str) -> usize {
        let mut end = 0;
        let mut chars = text.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            let next = chars.peek().map(|next| next.1);
            let inner = matches!(c, '.' | ',' | '\'' | '’' | '\u{a0}' | '\u{202f}' | '\u{2009}' | ' ');
            let takes = c.is_ascii_digit()
                || inner && next.is_some_and(|next| next.is_ascii_digit()) && (c != ' ' || three_digits(text, at + 1))
                || matches!(c, '.' | ',') && next.is_none_or(|next| !next.is_alphanumeric());
            if !takes {
                break;
            }
            end = at + c.len_utf8();
        }
        end
    }

    /// Digits with a decimal sign and groups of three.
    fn digits(&self, text: &str) -> Result<Decimal, String> {
        let plain = || {
            Decimal::from_str_exact(text).map(|d| d.normalize()).map_err(|_| format!("`{text}` has too many digits"))
        };
        if text.chars().all(|c| c.is_ascii_digit()) {
            return plain();
        }
        let Some(decimal) = self.decimal else {
            return Err(format!("`{text}` needs [formats] decimal, to tell the decimals from the thousands"));
        };
        let usual: &[char] = if decimal == ',' {
            &['.', '\'', '’', ' ', '\u{a0}', '\u{202f}', '\u{2009}']
        } else {
            &[',', '\'', '’', ' ', '\u{a0}', '\u{202f}', '\u{2009}']
        };
        let thousands = self.thousands.as_deref().unwrap_or(usual);
        let (whole, cents) = match text.split_once(decimal) {
            Some((whole, cents)) => (whole, Some(cents)),
            None => (text, None),
        };
        if let Some(cents) = cents
            && !cents.chars().all(|c| c.is_ascii_digit())
        {
            return Err(format!("`{cents}` behind the decimal sign `{decimal}` are not only digits"));
        }
        let mut digits = String::with_capacity(text.len());
        let mut sign = None;
        for (index, group) in whole.split(|c: char| !c.is_ascii_digit()).enumerate() {
            if index > 0 {
                if group.chars().count() != 3 {
                    return Err(format!("`{group}` is no group of three digits; the decimal sign is `{decimal}`"));
                }
            } else if group.len() > 3 && whole.len() > group.len() || group.is_empty() {
                return Err(format!("`{text}` is not grouped by three digits; the decimal sign is `{decimal}`"));
            }
            digits.push_str(group);
        }
        for c in whole.chars().filter(|c| !c.is_ascii_digit()) {
            if !thousands.contains(&c) {
                return Err(format!("`{c}` is no thousands sign here; the decimal sign is `{decimal}`"));
            }
            if sign.is_some_and(|sign| sign != c) {
                return Err("two different signs stand between its groups".into());
            }
            sign = Some(c);
        }
        if let Some(cents) = cents {
            digits.push('.');
            digits.push_str(cents);
        }
        Decimal::from_str_exact(&digits).map(|d| d.normalize()).map_err(|_| format!("`{text}` has too many digits"))
    }

    /// A date by the first pattern that fits the whole text.
    pub fn date(&self, text: &str) -> Result<Date, String> {
        let text = text.trim();
        if text.chars().count() > 80 {
            return Err("it is too long for a date".into());
        }
        if self.dates.is_empty() {
            return text.parse().map_err(|_| "it is no date like 2026-12-21 ([formats] date names others)".into());
        }
        let mut reason = None;
        for pattern in &self.dates {
            match pattern.read(text, self.locale) {
                Ok(date) => return Ok(date),
                Err(why) => reason = reason.or(why),
            }
        }
        let patterns: Vec<&str> = self.dates.iter().map(|pattern| pattern.written.as_str()).collect();
        Err(reason.unwrap_or_else(|| format!("it is not written like {}", patterns.join(" or "))))
    }

    /// Several deliveries in one text: `18 am 01.12.2026, 4 am 08.12.2026`.
    pub fn schedule(&self, text: &str) -> Result<Vec<Schedule>, String> {
        if text.len() > LENGTH_MAX {
            return Err("it is too long for a schedule".into());
        }
        let mut deliveries = Vec::new();
        for piece in
            text.split([';', '\n', '+']).flat_map(split_deliveries).map(str::trim).filter(|piece| !piece.is_empty())
        {
            let (first, rest) = piece.split_once(char::is_whitespace).unwrap_or((piece, ""));
            let quantity = self.number(first)?.value;
            let words: Vec<&str> = rest.split_whitespace().collect();
            let date = if words.is_empty() {
                None
            } else {
                let mut found = Err(format!("`{rest}` holds no date"));
                for skip in 0..words.len() {
                    found = self.date(&words.get(skip..).unwrap_or_default().join(" "));
                    if found.is_ok() {
                        break;
                    }
                }
                Some(found?)
            };
            deliveries.push(Schedule { quantity, date });
            if deliveries.len() > 1_000 {
                return Err("it has more than 1,000 deliveries".into());
            }
        }
        if deliveries.is_empty() { Err("there is no delivery in it".into()) } else { Ok(deliveries) }
    }
}

/// A comma followed by a space parts deliveries; a decimal comma has none behind it.
fn split_deliveries(text: &str) -> impl Iterator<Item = &str> {
    text.split(", ")
}

fn split_sign(word: &str) -> Vec<&str> {
    for sign in ["-", "−", "–", "+"] {
        if let Some(rest) = word.strip_prefix(sign) {
            return [sign, rest].into_iter().filter(|part| !part.is_empty()).collect();
        }
        if let Some(rest) = word.strip_suffix(sign) {
            return [rest, sign].into_iter().filter(|part| !part.is_empty()).collect();
        }
    }
    vec![word]
}

fn three_digits(text: &str, from: usize) -> bool {
    let rest = text.get(from..).unwrap_or_default();
    rest.chars().take(3).filter(char::is_ascii_digit).count() == 3
        && !rest.chars().nth(3).is_some_and(|c| c.is_ascii_digit())
}

/// A word that may stand behind a quantity: letters, with dots or a slash, not too many.
fn is_unit(word: &str) -> bool {
    word.chars().count() <= 12
        && word.chars().any(char::is_alphabetic)
        && word.chars().all(|c| c.is_alphabetic() || matches!(c, '.' | '/' | '²' | '³' | '(' | ')' | '%'))
}

/// A way to write dates: `%d.%m.%Y`, `%d. %B %Y`, `KW %V/%G`.
#[derive(Clone, Debug)]
pub struct DatePattern {
    pub written: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Day,
    Month,
    MonthName,
    Year,
    YearShort,
    Weekday,
    Week,
    Space,
    Char(char),
}

impl DatePattern {
    /// The error names the byte of the pattern at which it stands.
    pub fn parse(written: &str) -> Result<DatePattern, (usize, String)> {
        let mut pieces = Vec::new();
        let mut chars = written.char_indices();
        while let Some((at, c)) = chars.next() {
            let piece = match c {
                '%' => match chars.next().map(|next| next.1) {
                    Some('d' | 'e') => Piece::Day,
                    Some('m') => Piece::Month,
                    Some('B' | 'b' | 'h') => Piece::MonthName,
                    Some('Y' | 'G') => Piece::Year,
                    Some('y' | 'g') => Piece::YearShort,
                    Some('A' | 'a') => Piece::Weekday,
                    Some('V') => Piece::Week,
                    Some('%') => Piece::Char('%'),
                    Some(other) => {
                        return Err((at, format!("`%{other}` is none of %d %m %Y %y %B %b %A %a %V %G")));
                    }
                    None => return Err((at, "a lone `%` at the end".into())),
                },
                c if c.is_whitespace() => Piece::Space,
                c => Piece::Char(c),
            };
            pieces.push(piece);
        }
        let has = |wanted: &[Piece]| pieces.iter().filter(|piece| wanted.contains(piece)).count();
        let (day, month, year, week) = (
            has(&[Piece::Day]),
            has(&[Piece::Month, Piece::MonthName]),
            has(&[Piece::Year, Piece::YearShort]),
            has(&[Piece::Week]),
        );
        match (day, month, year, week) {
            (1, 1, 1, 0) | (0, 0, 1, 1) => Ok(DatePattern { written: written.to_string(), pieces }),
            _ => Err((0, "a date needs a day, a month and a year once each (or a week and a year): `%d.%m.%Y`".into())),
        }
    }

    /// Whether the locale's month names are needed.
    pub fn has_names(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::MonthName | Piece::Weekday))
    }

    /// `Err(Some(..))` when it is written so but is no date (30 February).
    fn read(&self, text: &str, locale: Option<Language>) -> Result<Date, Option<String>> {
        let mut rest = text;
        let (mut day, mut month, mut year, mut week) = (None, None, None, None);
        for (index, piece) in self.pieces.iter().enumerate() {
            match piece {
                Piece::Space => {
                    let trimmed = rest.trim_start();
                    // A dot before the month's name may stand without a space behind it.
                    if trimmed.len() == rest.len()
                        && !rest.is_empty()
                        && self.pieces.get(index.wrapping_sub(1)) != Some(&Piece::Char('.'))
                    {
                        return Err(None);
                    }
                    rest = trimmed;
                }
                Piece::Char(c) => rest = strip_char(rest, *c).ok_or(None)?,
                Piece::Day => day = Some(take_digits(&mut rest, 1, 2).ok_or(None)?),
                Piece::Month => month = Some(take_digits(&mut rest, 1, 2).ok_or(None)?),
                Piece::Week => week = Some(take_digits(&mut rest, 1, 2).ok_or(None)?),
                Piece::Year => year = Some(take_digits(&mut rest, 4, 4).ok_or(None)?),
                Piece::YearShort => {
                    let short = take_digits(&mut rest, 2, 2).ok_or(None)?;
                    year = Some(if short < 80 { 2000 + short } else { 1900 + short });
                }
                Piece::MonthName => {
                    let word = take_word(&mut rest);
                    let known = |language: &Language| language.month(word);
                    let number = match locale {
                        Some(language) => known(&language),
                        None => Language::ALL.iter().find_map(known),
                    };
                    month = Some(number.ok_or_else(|| Some(format!("`{word}` is no month's name")))? as i16);
                    rest = rest
                        .strip_prefix('.')
                        .filter(|_| self.pieces.get(index + 1) != Some(&Piece::Char('.')))
                        .unwrap_or(rest);
                }
                Piece::Weekday => {
                    let word = take_word(&mut rest);
                    let known = |language: &Language| language.is_weekday(word);
                    if !locale.map_or_else(|| Language::ALL.iter().any(known), |language| known(&language)) {
                        return Err(None);
                    }
                    rest = rest
                        .strip_prefix('.')
                        .filter(|_| self.pieces.get(index + 1) != Some(&Piece::Char('.')))
                        .unwrap_or(rest);
                }
            }
        }
        if !rest.trim().is_empty() {
            return Err(None);
        }
        let year = year.ok_or(None)?;
        if let Some(week) = week {
            // A week is a period; it ends with its Sunday.
            let date = ISOWeekDate::new(year, i8::try_from(week).map_err(|_| None)?, Weekday::Sunday);
            return date.map(|date| date.date()).map_err(|_| Some(format!("the year {year} has no week {week}")));
        }
        let (day, month) = (day.ok_or(None)?, month.ok_or(None)?);
        let date = Date::new(year, i8::try_from(month).map_err(|_| None)?, i8::try_from(day).map_err(|_| None)?);
        date.map_err(|_| Some(format!("there is no day {day} in month {month} of {year}")))
    }
}

fn strip_char(text: &str, c: char) -> Option<&str> {
    let mut chars = text.chars();
    let first = chars.next()?;
    (first == c || first.to_lowercase().eq(c.to_lowercase())).then_some(chars.as_str())
}

fn take_digits(rest: &mut &str, least: usize, most: usize) -> Option<i16> {
    let count = rest.chars().take(most).take_while(char::is_ascii_digit).count();
    if count < least {
        return None;
    }
    let (digits, tail) = rest.split_at(count);
    *rest = tail;
    digits.parse().ok()
}

fn take_word<'t>(rest: &mut &'t str) -> &'t str {
    let end = rest.find(|c: char| !c.is_alphabetic()).unwrap_or(rest.len());
    let (word, tail) = rest.split_at(end);
    *rest = tail;
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats(decimal: char, dates: &[&str], locale: &str) -> Formats {
        Formats {
            decimal: Some(decimal),
            dates: dates.iter().map(|date| DatePattern::parse(date).unwrap()).collect(),
            locale: Language::from_code(locale),
            ..Formats::default()
        }
    }

    /// A price misread by a factor of a thousand is the worst thing a gateway can do.
    #[test]
    fn numbers_as_partners_write_them() {
        let german = formats(',', &[], "de");
        let swiss = formats('.', &[], "de");
        for (formats, text, value) in [
            (&german, "1.768,40", "1768.4"),
            (&german, "1 768,40 €", "1768.4"),
            (&german, "EUR 12,50", "12.5"),
            (&german, "1.000", "1000"),
            (&german, "10 Stk", "10"),
            (&german, "5-", "-5"),
            (&german, "-5,5", "-5.5"),
            (&german, "12,--", "12"),
            (&german, "0,5 kg", "0.5"),
            (&german, "1\u{a0}000\u{a0}000,25", "1000000.25"),
            (&swiss, "1'768.40", "1768.4"),
            (&swiss, "CHF 12.–", "12"),
            (&swiss, "1,000", "1000"),
            (&swiss, "1,000.5", "1000.5"),
            (&swiss, "1.000", "1"),
            (&swiss, "kr 5.00", "5"),
            (&german, "€1.234,00", "1234"),
            (&german, "12345,6", "12345.6"),
            (&german, "0", "0"),
            (&german, "1.012,75 EUR/ud.", "1012.75"),
            (&german, "1.012,75 EUR neto", "1012.75"),
            (&german, "1.012,75 EUR*", "1012.75"),
            (&german, "1.012,75 EUR + IVA", "1012.75"),
            (&german, "12,5 m²", "12.5"),
            (&german, "12,50 EUR zzgl. MwSt.", "12.5"),
            (&german, "50 uds. (oferta)", "50"),
        ] {
            assert_eq!(formats.number(text).map(|n| n.value.to_string()), Ok(value.to_string()), "{text}");
        }
        for (formats, text) in [
            (&german, "12.50"),
            (&german, "1.76,40"),
            (&german, "ca. 10"),
            (&german, "10 statt 12"),
            (&german, "abc"),
            (&german, "1,2,3"),
            (&swiss, "1.768,40"),
            (&german, "10 von 12"),
            (&german, "01.12.2026"),
            (&swiss, "12,50"),
            (&german, "1.000 000"),
            (&german, "12345.678,00"),
            (&german, "4711-A"),
            (&german, "12,50 EUR/100"),
            (&german, "12,50 EUR/Tausend"),
            (&german, "12,50 EUR per 100"),
            (&german, "50 uds. (2 cajas)"),
            (&german, "10 Stk storniert"),
            (&german, "10 + 2"),
            (&german, "10+"),
            (&german, "10*"),
            (&german, "12,50 EUR zzgl. Zuschlag"),
        ] {
            assert!(formats.number(text).is_err(), "{text} {:?}", formats.number(text));
        }
        assert!(Formats::default().number("12.50").unwrap_err().contains("[formats] decimal"));
        assert_eq!(Formats::default().number("1250").unwrap().value, Decimal::from(1250));
        assert_eq!(german.number("10 Stk").unwrap().unit.as_deref(), Some("Stk"));
        assert_eq!(german.number("10,00 €").unwrap().currency, Some("EUR"));
        assert_eq!(german.number("10,00 USD/pc").unwrap().currency, Some("USD"));
    }

    /// A date that cannot be read must be a fault, not another date.
    #[test]
    fn dates_as_partners_write_them() {
        for (pattern, locale, text, date) in [
            ("%d.%m.%Y", "de", "1.12.2026", "2026-12-01"),
            ("%d. %B %Y", "de", "21. Dezember 2026", "2026-12-21"),
            ("%d. %B %Y", "de", "21.Dez. 2026", "2026-12-21"),
            ("%d.%m.%y", "de", "21.12.26", "2026-12-21"),
            ("%d %B %Y", "fr", "1 août 2026", "2026-08-01"),
            ("%a, %d.%m.%Y", "de", "Mo, 21.12.2026", "2026-12-21"),
            ("%B %d, %Y", "en", "December 21, 2026", "2026-12-21"),
            ("KW %V/%Y", "de", "kw 52/2026", "2026-12-27"),
            ("%Y%m%d", "en", "20261221", "2026-12-21"),
            ("%d/%m/%Y", "es", "21/12/2026", "2026-12-21"),
            ("%e. %Bta %Y", "fi", "21. joulukuuta 2026", ""),
        ] {
            let got = formats(',', &[pattern], locale).date(text);
            if date.is_empty() {
                assert!(got.is_err());
            } else {
                assert_eq!(got.map(|d| d.to_string()), Ok(date.to_string()), "{pattern} {text}");
            }
        }
        let german = formats(',', &["%d.%m.%Y"], "de");
        for text in ["31.02.2026", "21.12.26", "ca. 21.12.2026", "21.12.2026 oder später", "", "21/12/2026"] {
            assert!(german.date(text).is_err(), "{text}");
        }
        for pattern in ["%d.%m", "%Q", "x", "%d.%d.%Y", "%"] {
            assert!(DatePattern::parse(pattern).is_err(), "{pattern}");
        }
    }

    /// A line that comes in two deliveries must not become one.
    #[test]
    fn schedules() {
        let german = formats(',', &["%d.%m.%Y"], "de");
        let deliveries = german.schedule("18 am 01.12.2026; 4,5 Stk zum 08.12.2026").unwrap();
        assert_eq!(deliveries.len(), 2);
        assert_eq!(deliveries[1].quantity.to_string(), "4.5");
        assert_eq!(deliveries[1].date.unwrap().to_string(), "2026-12-08");
        assert!(german.schedule("18 am Montag").is_err());
    }
}
