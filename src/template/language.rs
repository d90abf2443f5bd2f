//! One language: its words (`words.toml`) and how it writes numbers, money and dates.
//!
//! A word that a language lacks is taken from English; the lint tells.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::{Decimal, RoundingStrategy};

use crate::diagnostic::{Diagnostic, nearest};

/// The words of one language, by dotted key: `fault.MISSING_DATE.said`.
#[derive(Clone, Debug, Default)]
pub struct Language {
    pub code: String,
    words: BTreeMap<String, String>,
    /// The same words as a tree, for templates: `words.column.line`.
    pub tree: toml::Table,
}

/// Tables whose keys each language chooses itself.
const OPEN_TABLES: &[&str] = &["format.currency.", "phrase."];
/// Sentences that other rooms write in English; a language lists them with `{}` for what changes.
const PHRASES: &str = "phrase.";

impl Language {
    /// Reads a `words.toml`; what is missing comes from `english`. Warnings name missing and unknown keys.
    pub fn read(
        code: &str,
        path: &str,
        text: &str,
        english: Option<&Language>,
    ) -> Result<(Language, Vec<Diagnostic>), Diagnostic> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            Diagnostic::error("TPL010", error.message()).at(path, text, span)
        })?;
        let mut words = BTreeMap::new();
        flatten("", &table, &mut words).map_err(|key| {
            let message = format!("`{key}` is no text; every word stands in quotes");
            Diagnostic::error("TPL010", message).at(path, text, place_of(&key, text))
        })?;
        for key in ["format.date", "format.time"] {
            let pattern = words.get(key).map_or("", String::as_str);
            if strftime(pattern, Timestamp::UNIX_EPOCH, &TimeZone::UTC).is_err() {
                let message = format!("`{pattern}` is no date pattern like %d.%m.%Y");
                return Err(Diagnostic::error("TPL011", message).at(path, text, place_of(key, text)));
            }
        }
        let mut warnings = Vec::new();
        if let Some(english) = english {
            for key in words.keys().filter(|key| !english.words.contains_key(*key)) {
                if OPEN_TABLES.iter().any(|table| key.starts_with(table)) {
                    continue;
                }
                let meant = nearest(key, english.words.keys().map(String::as_str));
                let mut warning = Diagnostic::warning("TPL012", format!("no letter uses the word `{key}`"))
                    .at(path, text, place_of(key, text))
                    .label("not known");
                if let Some(meant) = meant {
                    warning = warning.help(format!("did you mean `{meant}`?"));
                }
                warnings.push(warning);
            }
            let missing: Vec<&String> = english
                .words
                .keys()
                .filter(|key| !words.contains_key(*key))
                .filter(|key| !OPEN_TABLES.iter().any(|table| key.starts_with(table)))
                .collect();
            for key in missing {
                let help = format!("the English one is taken: {:?}", english.text(key));
                warnings.push(
                    Diagnostic::warning("TPL013", format!("the word `{key}` is missing")).in_file(path).help(help),
                );
            }
        }
        let mut all = english.map(|english| english.words.clone()).unwrap_or_default();
        all.extend(words);
        let mut tree = english.map(|english| english.tree.clone()).unwrap_or_default();
        merge(&mut tree, table);
        Ok((Language { code: code.to_string(), words: all, tree }, warnings))
    }

    /// The word, or the key itself where nobody has one (a test keeps that from happening).
    pub fn text<'a>(&'a self, key: &'a str) -> &'a str {
        self.words.get(key).map_or(key, String::as_str)
    }

    /// A word with `{name}` replaced.
    pub fn fill(&self, key: &str, values: &[(&str, &str)]) -> String {
        fill(self.text(key), values)
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.words.get(key).map(String::as_str)
    }

    pub fn has(&self, key: &str) -> bool {
        self.words.contains_key(key)
    }

    /// A sentence of another room (why a question was withdrawn, how a line was read) in this language;
    /// as it is where the language does not list it.
    pub fn phrase(&self, said: &str) -> String {
        self.phrase_within(said, 2)
    }

    /// Sentences within sentences are translated, too, so deep.
    fn phrase_within(&self, said: &str, depth: usize) -> String {
        let listed = self.words.range(PHRASES.to_string()..).take_while(|(key, _)| key.starts_with(PHRASES));
        let matching = listed.filter_map(|(key, translated)| {
            let pattern = key.get(PHRASES.len()..)?;
            Some((pattern.len(), capture(pattern, said)?, translated))
        });
        // The one that says most of the sentence itself.
        let Some((_, found, translated)) = matching.max_by_key(|(length, ..)| *length) else { return said.to_string() };
        let mut found = found.into_iter();
        let mut parts = translated.split("{}");
        let mut out = parts.next().unwrap_or("").to_string();
        for part in parts {
            let inner = found.next().unwrap_or("");
            match depth > 0 && inner.contains(' ') {
                true => out.push_str(&self.phrase_within(inner, depth - 1)),
                false => out.push_str(inner),
            }
            out.push_str(part);
        }
        out
    }

    /// `1.768,40`: at least `least` decimals, never rounded off beyond `most`.
    fn number(&self, value: Decimal, least: u32, most: u32) -> String {
        let value = value.round_dp_with_strategy(most, RoundingStrategy::MidpointAwayFromZero).normalize();
        let mut value = value;
        if value.scale() < least {
            value.rescale(least);
        }
        let plain = value.abs().to_string();
        let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
        let mut out = String::new();
        if value.is_sign_negative() && !value.is_zero() {
            out.push('-');
        }
        // Four digits stay together where the language says so (1768,40 in Swedish would too).
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                out.push_str(self.text("format.group"));
            }
            out.push(digit);
        }
        if !fraction.is_empty() {
            out.push_str(self.text("format.decimal"));
            out.push_str(fraction);
        }
        out
    }

    pub fn quantity(&self, value: Decimal) -> String {
        self.number(value, 0, 9)
    }

    /// `1.768,40 €`; a unit price keeps its further decimals.
    pub fn money(&self, amount: Decimal, currency: &str) -> String {
        let amount = self.number(amount, minor_digits(currency), 6);
        if currency.is_empty() {
            return amount;
        }
        let key = format!("format.currency.{currency}");
        let sign = if self.has(&key) { self.text(&key) } else { currency };
        self.fill("format.money", &[("amount", &amount), ("currency", sign)])
    }

    pub fn signed_money(&self, amount: Decimal, currency: &str) -> String {
        format!("{}{}", plus(amount), self.money(amount, currency))
    }

    pub fn percent(&self, value: Decimal) -> String {
        self.fill("format.percent", &[("number", &self.number(value, 0, 1))])
    }

    pub fn signed_percent(&self, value: Decimal) -> String {
        format!("{}{}", plus(value), self.percent(value))
    }

    /// `6 days`.
    pub fn days(&self, days: i64) -> String {
        let key = if days.abs() == 1 { "count.day" } else { "count.days" };
        self.fill(key, &[("n", &days.to_string())])
    }

    pub fn date(&self, date: Date) -> String {
        let midnight = date.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp());
        midnight
            .ok()
            .and_then(|at| strftime(self.text("format.date"), at, &TimeZone::UTC).ok())
            .unwrap_or_else(|| date.to_string())
    }

    pub fn time(&self, at: Timestamp, zone: &TimeZone) -> String {
        strftime(self.text("format.time"), at, zone).unwrap_or_else(|_| at.to_string())
    }

    /// `20`, `20 and 30`, `20, 30 and 40`.
    pub fn list(&self, items: &[String]) -> String {
        match items {
            [] => String::new(),
            [one] => one.clone(),
            [first @ .., last] => format!("{} {} {last}", first.join(", "), self.text("count.and")),
        }
    }
}

/// Replaces `{name}` once each, left to right, so that a value that looks like a name stays as it is.
pub fn fill(pattern: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(pattern.len() + 32);
    let mut rest = pattern;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let known = values.iter().find_map(|(name, value)| {
            from.strip_prefix('{')?.strip_prefix(*name)?.strip_prefix('}').map(|after| (value, after))
        });
        match known {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = from.get(1..).unwrap_or("");
            }
        }
    }
    out.push_str(rest);
    out
}

/// What stands for each `{}` of the pattern, where the text matches.
fn capture<'a>(pattern: &str, text: &'a str) -> Option<Vec<&'a str>> {
    let mut parts = pattern.split("{}");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut found = Vec::new();
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let at = match parts.peek() {
            Some(_) => rest.find(part)?,
            None if rest.ends_with(part) => rest.len() - part.len(),
            None => return None,
        };
        found.push(rest.get(..at)?);
        rest = rest.get(at + part.len()..)?;
    }
    rest.is_empty().then_some(found)
}

fn strftime(pattern: &str, at: Timestamp, zone: &TimeZone) -> Result<String, jiff::Error> {
    jiff::fmt::strtime::format(pattern, &at.to_zoned(zone.clone()))
}

fn plus(value: Decimal) -> &'static str {
    if value.is_sign_positive() && !value.is_zero() { "+" } else { "" }
}

/// ISO 4217: how many decimals an amount has; two but for these.
fn minor_digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "VND" | "VUV"
        | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

fn flatten(prefix: &str, table: &toml::Table, out: &mut BTreeMap<String, String>) -> Result<(), String> {
    for (key, value) in table {
        let key = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::String(text) => {
                out.insert(key, text.clone());
            }
            toml::Value::Table(table) => flatten(&key, table, out)?,
            _ => return Err(key),
        }
    }
    Ok(())
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(old)), toml::Value::Table(new)) => merge(old, new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// Where a key is written: the line that starts with its last part, in the table of the parts before.
fn place_of(key: &str, text: &str) -> std::ops::Range<usize> {
    let (table, name) = key.rsplit_once('.').unwrap_or(("", key));
    let mut inside = String::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim();
        if let Some(header) = trimmed.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            inside = header.trim().to_string();
        } else if let Some((written, _)) = trimmed.split_once('=') {
            let full = if inside.is_empty() { written.trim().into() } else { format!("{inside}.{}", written.trim()) };
            if full == key || (inside == table && written.trim().trim_matches('"') == name) {
                let start = offset + (line.len() - line.trim_start().len());
                return start..start + written.trim().len();
            }
        }
        offset += line.len();
    }
    0..0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::sources::builtin;

    fn language(code: &str) -> Language {
        let sources = builtin();
        let read = |code: &str, english: Option<&Language>| {
            let path = format!("{code}/words.toml");
            Language::read(code, &path, &sources[&path], english).unwrap()
        };
        let (english, _) = read("en", None);
        let (language, warnings) = read(code, Some(&english));
        assert!(warnings.is_empty(), "{warnings:?}");
        language
    }

    /// A German buyer who reads 1,768 as one and a bit approves the wrong price.
    #[test]
    fn numbers_are_written_as_the_language_does() {
        let amount = Decimal::new(-176_840, 2);
        let day = "2026-12-01".parse().unwrap();
        let cases = [("en", "-1,768.40 EUR", "0.0375 EUR", "1 Dec 2026", "+2.5 %", "1 day")];
        for (code, money, unit_price, date, percent, day_word) in cases {
            let language = language(code);
            let flat = |text: String| text.replace(['\u{a0}', '\u{202f}'], " ");
            assert_eq!(flat(language.money(amount, "EUR")), money, "{code}");
            assert_eq!(flat(language.money(Decimal::new(375, 4), "EUR")), unit_price, "{code}");
            assert_eq!(flat(language.date(day)), date, "{code}");
            assert_eq!(flat(language.signed_percent(Decimal::new(2_477, 3))), percent, "{code}");
            assert_eq!(flat(language.days(1)), day_word, "{code}");
        }
        assert_eq!(language("en").money(Decimal::new(1_200, 0), "JPY"), "1,200 JPY".replace(' ', "\u{a0}"));
        assert_eq!(language("en").quantity(Decimal::new(2500, 3)), "2.5");
    }

    /// An admin who writes a language of their own must see what is misspelt and what is missing.
    #[test]
    fn words_are_linted() {
        let english = language("en");
        let text = "[count]\ndais = \"dagar\"\n";
        let error = Language::read("xx", "xx/words.toml", "[count\n", Some(&english)).unwrap_err();
        assert_eq!((error.code.as_str(), error.line), ("TPL010", 1));
        let text_with_format = format!("[format]\ndate = \"%d\"\ntime = \"%d\"\n{text}");
        let (language, warnings) = Language::read("xx", "xx/words.toml", &text_with_format, Some(&english)).unwrap();
        let unknown = &warnings[0];
        assert_eq!((unknown.code.as_str(), unknown.line, unknown.column), ("TPL012", 5, 1));
        assert_eq!(unknown.help.as_deref(), Some("did you mean `count.days`?"));
        assert!(warnings.iter().any(|w| w.code == "TPL013" && w.message.contains("`count.days`")));
        assert_eq!(language.days(2), english.days(2), "the English word stands in");
        assert_eq!(
            capture("line {} was decided by {} already", "line 20 was decided by a@b already"),
            Some(vec!["20", "a@b"])
        );
        assert_eq!(capture("line {} is open", "line 20 is not open"), None);
        assert_eq!(fill("{a} {b} {c}", &[("a", "{b}"), ("b", "2")]), "{b} 2 {c}");
    }
}
