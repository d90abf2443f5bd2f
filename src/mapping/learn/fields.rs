//! Head fields: where the order number stands, and what labels tell of the rest.

use regex::Regex;

use super::super::check::check;
use super::super::rule::{FieldRule, Mapping, Source};
use super::super::select::{self, Around};
use super::super::value::Formats;
use super::super::view::{Row, View};
use super::super::words;
use super::case::Case;
use super::draft::quoted;
use super::vocabulary;
use crate::model::message::FieldType;
use crate::model::{Date, Field};

/// How one field of the head is found, with how many samples prove it.
pub struct Found {
    pub field: Field,
    pub rule: String,
    pub agreed: usize,
    pub note: String,
}

/// A mapping with one rule, to try a selector exactly as reading will.
fn trial(source: Source, dates: &[String], locale: Option<&str>, field: Field, rule: &str) -> Option<Mapping> {
    let dates: Vec<String> = dates.iter().map(|date| quoted(date)).collect();
    let date = if dates.is_empty() { String::new() } else { format!("date = [{}]\n", dates.join(", ")) };
    let locale = locale.map(|locale| format!("locale = \"{locale}\"\n")).unwrap_or_default();
    let number = if field == Field::OrderNumber { String::new() } else { "order_number = { value = \"x\" }\n".into() };
    let text = format!(
        "partner = \"p\"\nkind = \"response\"\n[match]\nfrom = \"@p\"\n[source]\npart = \"{}\"\n[formats]\ndecimal = \",\"\n{date}{locale}[fields]\n{number}{} = {rule}\n",
        source.name(),
        field.name()
    );
    check("p", "trial", &text).0
}

/// What a rule finds in a sample: the first candidate.
fn first(mapping: &Mapping, field: Field, view: &View<'_>, case: &Case<'_>, filename: &str) -> Option<String> {
    let rule: &FieldRule = mapping.fields.iter().find(|rule| rule.field == field)?;
    let body = case.material.body().map(View::new);
    let around = Around { subject: &case.material.subject, filename, body: body.as_ref() };
    let candidates = select::candidates(mapping, rule, view, &around);
    let reads = |text: &str| super::super::interpret::interpret(mapping, field, text).ok().flatten();
    candidates.iter().find_map(|candidate| reads(&candidate.text)).map(|read| read.value.to_string())
}

/// The samples as their views, for trying rules.
pub struct Views<'v> {
    pub source: Source,
    pub dates: Vec<String>,
    pub locale: Option<&'static str>,
    pub formats: Formats,
    pub all: Vec<(&'v Case<'v>, String, View<'v>)>,
}

impl Views<'_> {
    /// In how many samples a rule finds what is expected there.
    fn holds(&self, field: Field, rule: &str, expected: &dyn Fn(&Case<'_>) -> Option<String>) -> (usize, usize) {
        let Some(mapping) = trial(self.source, &self.dates, self.locale, field, rule) else { return (0, 0) };
        let (mut right, mut of) = (0, 0);
        for (case, filename, view) in &self.all {
            let Some(wanted) = expected(case) else { continue };
            of += 1;
            right += usize::from(
                first(&mapping, field, view, case, filename)
                    .is_some_and(|found| words::plain(&found) == words::plain(&wanted)),
            );
        }
        (right, of)
    }

    /// The shortest label that finds a known value in every sample; else a pattern for subject or file name.
    pub fn known(
        &self,
        field: Field,
        expected: &dyn Fn(&Case<'_>) -> Option<String>,
        fits: &dyn Fn(&Case<'_>, &str) -> bool,
    ) -> Option<Found> {
        let mut labels: Vec<String> = Vec::new();
        for (case, _, view) in &self.all {
            if expected(case).is_none() {
                continue;
            }
            for row in 0..view.rows.len() {
                labels.extend(labels_before(view, row, &|text| fits(case, text)));
            }
        }
        labels.sort_by_key(|label| (label.split_whitespace().count(), label.chars().count(), label.clone()));
        labels.dedup();
        let mut best: Option<Found> = None;
        for label in labels.iter().take(200) {
            let rule = format!("{{ label = {} }}", quoted(label));
            let (agreed, of) = self.holds(field, &rule, expected);
            if agreed > best.as_ref().map_or(0, |best| best.agreed) {
                let note = format!("label \"{label}\" finds it in {agreed} of {of} mails");
                best = Some(Found { field, rule, agreed, note });
                if agreed == of && of > 0 {
                    break;
                }
            }
        }
        let all = self.all.iter().filter(|(case, ..)| expected(case).is_some()).count();
        if best.as_ref().is_some_and(|best| best.agreed == all) {
            return best;
        }
        for whence in ["subject", "filename"] {
            for pattern in self.patterns(whence, expected) {
                let rule = format!("{{ from = \"{whence}\", find = {} }}", quoted(&pattern));
                let (agreed, of) = self.holds(field, &rule, expected);
                if agreed > best.as_ref().map_or(0, |best| best.agreed) {
                    let note = format!("the {whence} holds it in {agreed} of {of} mails");
                    best = Some(Found { field, rule, agreed, note });
                }
            }
        }
        best.filter(|best| best.agreed * 2 > all)
    }

    /// Patterns by the words before and behind the value in subjects or file names.
    fn patterns(&self, whence: &str, expected: &dyn Fn(&Case<'_>) -> Option<String>) -> Vec<String> {
        let mut found = Vec::new();
        for (case, filename, _) in &self.all {
            let line = if whence == "subject" { case.material.subject.as_str() } else { filename.as_str() };
            let Some(wanted) = expected(case) else { continue };
            let Some(at) = line.find(&wanted) else { continue };
            let before: String = line
                .get(..at)
                .unwrap_or_default()
                .chars()
                .rev()
                .take(24)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect();
            let fixed = before.rsplit(|c: char| c.is_ascii_digit()).next().unwrap_or_default().trim_start();
            let value = if wanted.chars().all(|c| c.is_ascii_digit()) { r"(\d+)" } else { r"([\w./-]*\w)" };
            if fixed.trim().is_empty() {
                found.push(format!("^{value}"));
            } else {
                found.push(format!("{}{value}", regex::escape(fixed).replace(' ', r"\s+")));
            }
        }
        found.sort();
        found.dedup();
        found
    }

    /// A field by the labels that everybody uses, where what they find can be one.
    pub fn by_labels(&self, field: Field, plausible: &dyn Fn(&Case<'_>, &str) -> bool) -> Option<Found> {
        let mut best: Option<Found> = None;
        for label in vocabulary::labels(field) {
            let Some(written) = self.as_written(label) else { continue };
            let rule = format!("{{ label = {} }}", quoted(&written));
            let Some(mapping) = trial(self.source, &self.dates, self.locale, field, &rule) else { continue };
            let values: Vec<Option<String>> = self
                .all
                .iter()
                .map(|(case, filename, view)| {
                    first(&mapping, field, view, case, filename).filter(|value| plausible(case, value))
                })
                .collect();
            let agreed = values.iter().flatten().count();
            if agreed == self.all.len() && best.as_ref().is_none_or(|best| agreed > best.agreed) {
                let note =
                    format!("label \"{written}\" finds a plausible value in {agreed} of {} mails", self.all.len());
                best = Some(Found { field, rule, agreed, note });
            }
        }
        best
    }

    /// A label as the samples write it, when it stands in all of them as whole words.
    fn as_written(&self, label: &str) -> Option<String> {
        let pattern = regex::escape(label).replace(' ', r"[\s.:]*\s");
        let finder = Regex::new(&format!(r"(?i)(?:^|[^\pL\pN])({pattern}\.?)(?:$|[^\pL\pN])")).ok()?;
        let mut written = None;
        for (.., view) in &self.all {
            let groups = finder.captures(&view.text)?;
            written = Some(groups.get(1)?.as_str().trim_end_matches('.').to_string());
        }
        written
    }
}

/// The labels that could stand for a value in a row: the words before it in its phrase, the phrase before it, the
/// phrase above it.
fn labels_before(view: &View<'_>, index: usize, fits: &dyn Fn(&str) -> bool) -> Vec<String> {
    let Some(row) = view.rows.get(index) else { return Vec::new() };
    let mut found = Vec::new();
    for (at, phrase) in row.phrases.iter().enumerate() {
        let pieces = row.words.get(phrase.words.clone()).unwrap_or_default();
        let text = |range: std::ops::Range<usize>| super::super::view::join(pieces.get(range).unwrap_or_default());
        for hit in 0..pieces.len() {
            let run = (hit + 1..=pieces.len().min(hit + 4))
                .any(|end| fits(text(hit..end).trim_end_matches([',', ';', '.', ')'])));
            if !run {
                continue;
            }
            for begin in hit.saturating_sub(5)..hit {
                found.extend(as_label(&text(begin..hit)));
            }
            if hit == 0 {
                found.extend(
                    at.checked_sub(1)
                        .and_then(|before| row.phrases.get(before))
                        .and_then(|before| as_label(&row.phrase_text(before))),
                );
                found.extend(above(view, index, phrase.area.x0, phrase.area.x1).and_then(|text| as_label(&text)));
            }
        }
        // Label and value in one word: `Bestellung:4711`.
        for word in pieces {
            if let Some((label, value)) = word.text.split_once([':', '=', '#'])
                && fits(value)
            {
                found.extend(as_label(label));
            }
        }
    }
    found
}

/// Words that can be a label: no digits, at least two letters, not too long.
fn as_label(text: &str) -> Option<String> {
    let label = text
        .trim()
        .trim_end_matches([':', '=', '#', '-', '–'])
        .trim_start_matches(['(', '-', '·', '|', '*', ','])
        .trim();
    let letters = label.chars().filter(|c| c.is_alphabetic()).count();
    ((2..=50).contains(&letters) && !label.chars().any(|c| c.is_ascii_digit())).then(|| label.to_string())
}

fn above(view: &View<'_>, index: usize, x0: f64, x1: f64) -> Option<String> {
    let row: &Row = view.rows.get(index)?;
    let upper = (0..index).rev().take(3).filter_map(|at| view.rows.get(at)).find(|row| !row.is_blank())?;
    if upper.page != row.page {
        return None;
    }
    upper
        .phrases
        .iter()
        .find(|phrase| phrase.area.x0 < x1 && x0 < phrase.area.x1)
        .map(|phrase| upper.phrase_text(phrase))
}

/// Whether a date is about the day of the mail.
pub fn near(day: Option<Date>, value: &str) -> bool {
    let Ok(date) = value.parse::<Date>() else { return false };
    day.is_none_or(|day| (day - date).get_days().abs() <= 10)
}

/// Fields whose type is known to be text with a digit in it.
pub fn numbered(field: Field, value: &str) -> bool {
    field.field_type() != FieldType::Text || value.chars().any(|c| c.is_ascii_digit())
}
