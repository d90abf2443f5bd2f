//! Numbers, prices and dates as people write them anywhere; what could be two things is nothing.

use jiff::civil::Date;
use rust_decimal::Decimal;

/// A number as people write it anywhere: `8`, `1.234,50`, `1,234.50`, `1 234,50`, `1'234.50`. `None` when it is
/// none, or could be two (`1.234` may be a thousand and more, or one and a bit).
pub fn decimal(text: &str) -> Option<Decimal> {
    let text: String =
        text.chars().filter(|c| !matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\'' | '’')).collect();
    let (sign, digits) = text.strip_prefix(['-', '−']).map_or(("", text.as_str()), |digits| ("-", digits));
    let digits = digits
        .strip_suffix(",-")
        .or_else(|| digits.strip_suffix(".-"))
        .or_else(|| digits.strip_suffix(",–"))
        .unwrap_or(digits);
    if digits.is_empty()
        || digits.len() > 28
        || !digits.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
        || !digits.starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let last = digits.rfind(['.', ',']);
    let plain = match last {
        None => digits.to_string(),
        Some(at) => {
            let (whole, rest) = digits.split_at_checked(at)?;
            let mark = rest.chars().next()?;
            let fraction = rest.get(1..)?;
            let other = if mark == '.' { ',' } else { '.' };
            if whole.contains(mark) {
                // 1.234.567: groups only.
                if whole.contains(other) || !grouped(digits, mark) {
                    return None;
                }
                digits.replace(mark, "")
            } else if whole.contains(other) {
                if !grouped(whole, other) || fraction.is_empty() {
                    return None;
                }
                format!("{}.{fraction}", whole.replace(other, ""))
            } else if fraction.is_empty() || fraction.len() == 3 && whole.len() <= 3 && whole != "0" {
                return None;
            } else {
                format!("{whole}.{fraction}")
            }
        }
    };
    Decimal::from_str_exact(&format!("{sign}{plain}")).ok()
}

fn grouped(text: &str, mark: char) -> bool {
    let mut groups = text.split(mark);
    groups.next().is_some_and(|first| (1..=3).contains(&first.len())) && groups.all(|group| group.len() == 3)
}

/// A price with or without its currency, on either side: `176.80 EUR`, `€ 176,80`, `kr 12,50`.
pub fn amount(text: &str) -> Option<(Decimal, Option<String>)> {
    let text = text.trim();
    let is_number =
        |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’' | '-' | '−');
    let start = text.find(|c: char| c.is_ascii_digit() || matches!(c, '-' | '−'))?;
    let (before, rest) = text.split_at_checked(start)?;
    let end = rest.find(|c: char| !is_number(c)).unwrap_or(rest.len());
    let (number, after) = rest.split_at_checked(end)?;
    let before = before.trim().trim_end_matches('.');
    let after = after.trim().trim_end_matches('.');
    let mark = match (before.is_empty(), after.is_empty()) {
        (true, true) => None,
        (false, true) => Some(before),
        (true, false) => Some(after),
        (false, false) => return None,
    };
    let currency = match mark {
        None => None,
        Some("€" | "Euro" | "euro" | "EURO") => Some("EUR".to_string()),
        Some("$" | "US$") => Some("USD".to_string()),
        Some("£") => Some("GBP".to_string()),
        Some("zł" | "zl") => Some("PLN".to_string()),
        // Three kingdoms have a krona; whose it is, the order says.
        Some("kr" | "Kr" | ":-") => None,
        Some(code) if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_alphabetic()) => {
            Some(code.to_ascii_uppercase())
        }
        Some(_) => return None,
    };
    Some((decimal(number.trim())?, currency))
}

/// A date: `2026-12-21`, `21.12.2026`, `21.12.26`, `21/12/2026`, `21-12-2026`. With slashes, day and month must be told apart
/// by their size.
pub fn date(text: &str) -> Option<Date> {
    let text: String = text.trim().trim_end_matches(['.', ',']).chars().filter(|c| !c.is_whitespace()).collect();
    let mark = text.chars().find(|c| !c.is_ascii_digit()).filter(|c| matches!(c, '-' | '.' | '/'))?;
    let parts: Vec<&str> = text.split(mark).collect();
    let [a, b, c] = parts.as_slice() else { return None };
    if parts.iter().any(|part| part.is_empty() || part.len() > 4 || !part.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let number = |text: &str| text.parse::<i16>().ok();
    let (year, month, day) = if a.len() == 4 {
        (number(a)?, number(b)?, number(c)?)
    } else {
        let year = match c.len() {
            4 => number(c)?,
            2 => 2000 + number(c)?,
            _ => return None,
        };
        let (first, second) = (number(a)?, number(b)?);
        match mark {
            '/' if first <= 12 && second <= 12 && first != second => return None,
            '/' if second > 12 => (year, first, second),
            _ => (year, second, first),
        }
    };
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}
