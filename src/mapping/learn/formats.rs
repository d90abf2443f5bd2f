//! How a partner writes numbers and dates, proved by the order: 1.768,40 is 1768.40 and not 1.76840.

use std::collections::BTreeMap;

use regex::Regex;
use rust_decimal::Decimal;

use super::super::rule::Source;
use super::super::value::{DatePattern, Formats};
use super::super::words::{self, Language};
use super::case::Case;
use crate::model::Date;

/// Ways to write a date, the likelier of two that read the same first; `%B` takes short names, too.
const PATTERNS: [&str; 20] = [
    "%d.%m.%Y",
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%d.%m.%y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%y",
    "%y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%d. %B %Y",
    "%d %B %Y",
    "%B %d, %Y",
    "%d-%B-%Y",
    "%d %B. %Y",
    "%d. %m. %Y",
    "%d de %B de %Y",
    "%Y%m%d",
];

#[derive(Clone, Debug, Default)]
pub struct Proved {
    pub formats: Formats,
    pub dates: Vec<String>,
    pub notes: Vec<String>,
}

/// Finds decimal sign, date patterns and language over all samples of a source.
pub fn prove(cases: &[Case<'_>], source: Source) -> Proved {
    let texts: Vec<(String, &Case<'_>)> =
        cases.iter().filter_map(|case| Some((case.part(source)?.1.text(), case))).collect();
    let mut proved = Proved::default();
    decimal(&texts, &mut proved);
    let all: String = texts.iter().map(|text| text.0.as_str()).collect::<Vec<_>>().join("\n");
    let language = Language::of(&all);
    dates(&texts, language, &mut proved);
    if proved.formats.locale.is_none() {
        proved.formats.locale = language;
    }
    proved
}

fn decimal(texts: &[(String, &Case<'_>)], proved: &mut Proved) {
    let mut votes: BTreeMap<char, usize> = BTreeMap::new();
    let mut looks: BTreeMap<char, usize> = BTreeMap::new();
    for (text, case) in texts {
        let mut wanted: Vec<Decimal> = Vec::new();
        for position in case.positions() {
            wanted.extend(position.price_net.iter().flat_map(|price| {
                [Decimal::ONE, Decimal::TEN, Decimal::ONE_HUNDRED, Decimal::ONE_THOUSAND, position.quantity]
                    .map(|basis| (price * basis).round_dp(4).normalize())
            }));
            wanted.push(position.quantity);
        }
        for word in text.split_whitespace().take(50_000) {
            let word = word.trim_matches(|c: char| !c.is_ascii_digit());
            if !word.contains([',', '.']) || word.matches('.').count() == 2 && word.len() <= 10 && !word.contains(',') {
                continue;
            }
            for decimal in [',', '.'] {
                let formats = Formats { decimal: Some(decimal), ..Formats::default() };
                if let Ok(number) = formats.number(word) {
                    *votes.entry(decimal).or_default() += usize::from(wanted.contains(&number.value));
                    let two = word.rsplit_once(decimal).is_some_and(|(_, cents)| cents.len() == 2);
                    *looks.entry(decimal).or_default() += usize::from(two);
                }
            }
        }
    }
    let most = |counts: &BTreeMap<char, usize>| {
        let (comma, point) = (counts.get(&',').copied().unwrap_or(0), counts.get(&'.').copied().unwrap_or(0));
        (comma != point).then_some(if comma > point { (',', comma, point) } else { ('.', point, comma) })
    };
    match (most(&votes), most(&looks)) {
        (Some((sign, count, other)), _) => {
            proved.formats.decimal = Some(sign);
            proved.notes.push(format!(
                "decimal sign `{sign}`: {count} numbers are the order's that way, {other} the other way"
            ));
        }
        (None, Some((sign, ..))) => {
            proved.formats.decimal = Some(sign);
            proved
                .notes
                .push(format!("decimal sign `{sign}`: by the look of the numbers; no price of the orders proves it"));
        }
        (None, None) => {
            proved.formats.decimal = Some(',');
            proved.notes.push("decimal sign `,`: a guess, no number has decimals".into());
        }
    }
}

/// The regular expression that finds what a pattern could read.
fn finder(pattern: &str) -> Option<Regex> {
    let mut regex = String::from(r"(?:^|[^\w.,/-])(");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => regex.push_str(match chars.next()? {
                'd' | 'm' => r"\d{1,2}",
                'y' => r"\d\d",
                'Y' => r"\d{4}",
                _ => r"\pL{3,}",
            }),
            ' ' => regex.push_str(r"\s+"),
            c => regex.push_str(&regex::escape(&c.to_string())),
        }
    }
    regex.push_str(r")(?:$|[^\w/-])");
    Regex::new(&regex).ok()
}

fn dates(texts: &[(String, &Case<'_>)], language: Option<Language>, proved: &mut Proved) {
    let mut found: Vec<(usize, usize, usize, &str, Option<Language>)> = Vec::new();
    for (rank, pattern) in PATTERNS.iter().enumerate() {
        let (Some(finder), Ok(parsed)) = (finder(pattern), DatePattern::parse(pattern)) else { continue };
        let locales: Vec<Option<Language>> =
            if parsed.has_names() { language.into_iter().chain(Language::ALL).map(Some).collect() } else { vec![None] };
        let mut best: Option<(usize, usize, Option<Language>)> = None;
        for locale in locales {
            let formats = Formats { dates: vec![parsed.clone()], locale, ..Formats::default() };
            let (mut equal, mut plausible, mut wild) = (0, 0, 0);
            for (text, case) in texts {
                let wanted: Vec<Date> =
                    case.positions().iter().filter_map(|position| position.requested_date).chain(case.day).collect();
                for line in text.lines().take(20_000) {
                    let mut from = 0;
                    while let Some(groups) = line.get(from..).and_then(|rest| finder.captures(rest)) {
                        let Some(group) = groups.get(1) else { break };
                        from += group.end().max(1);
                        let Ok(date) = formats.date(group.as_str()) else {
                            wild += 1;
                            continue;
                        };
                        let near = wanted.iter().any(|day| (*day - date).get_days().abs() <= 400);
                        equal += usize::from(wanted.contains(&date));
                        plausible += usize::from(near || wanted.is_empty());
                        wild += usize::from(!near && !wanted.is_empty());
                    }
                }
            }
            let value = (equal * 4 + plausible).saturating_sub(wild);
            if plausible > 0 && best.as_ref().is_none_or(|best| value > best.0) {
                best = Some((value, equal, locale));
            }
        }
        if let Some((value, equal, locale)) = best.filter(|best| best.0 > 0) {
            found.push((value, equal, usize::MAX - rank, pattern, locale));
        }
    }
    found.sort_by_key(|entry| std::cmp::Reverse((entry.0, entry.2)));
    let mut shapes: Vec<String> = Vec::new();
    for (_, equal, _, pattern, locale) in found {
        // Two patterns that read the same words exclude one another: the better proved one stays.
        let shape = pattern.replace("%m", "%d").replace("%Y", "%4");
        if shapes.contains(&shape) {
            continue;
        }
        let Ok(parsed) = DatePattern::parse(pattern) else { continue };
        shapes.push(shape);
        proved.formats.dates.push(parsed);
        proved.dates.push(pattern.to_string());
        proved.formats.locale = proved.formats.locale.or(locale);
        let words = if equal > 0 {
            format!("{equal} dates are the order's or the mail's that way")
        } else {
            "plausible, but equal to no date of the orders".into()
        };
        proved.notes.push(format!("date `{pattern}`: {words}"));
    }
}

/// Whether a text is a number or a date: such cells are no heads.
pub fn is_value(formats: &Formats, text: &str) -> bool {
    let text = text.trim();
    text.chars().any(|c| c.is_ascii_digit())
        && (formats.number(text).is_ok()
            || !formats.dates.is_empty() && formats.date(text).is_ok()
            || words::plain(text).chars().all(|c| c.is_ascii_digit() || !c.is_alphabetic()))
}
