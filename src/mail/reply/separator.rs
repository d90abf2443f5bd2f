//! Where the author's words end and the original begins: attributions, header blocks, dividers.

use super::words::{FieldKind, Words, fold_line, words};
use super::{Fate, Line, is_bar, mark};

/// An attribution is no longer than this, over all its lines.
pub(super) const ATTRIBUTION_MAX: usize = 400;

/// Finds separators: attributions, header blocks, dividers. What follows one is the original to the end, or,
/// where quoted lines follow, just those.
pub(super) fn cut(lines: &[Line], fates: &mut [Fate]) -> bool {
    let mut answers = false;
    let mut at = 0;
    while at < lines.len() {
        let Some(line) = lines.get(at) else { break };
        if line.quoted && line.marked || line.foreign || line.text.is_empty() {
            at += 1;
            continue;
        }
        let Some(found) = separator(lines, at) else {
            at += 1;
            continue;
        };
        answers = true;
        mark(fates, at, at + found.lines, Fate::Quoted);
        let next = at + found.lines;
        match quoting(lines, next) {
            // The original follows unmarked.
            None => {
                mark(fates, next, lines.len(), Fate::Quoted);
                return true;
            }
            Some(Quoting::Marked) if found.ends => {
                // A header block, then a quotation: all of it is the original.
                mark(fates, next, lines.len(), Fate::Quoted);
                return true;
            }
            Some(Quoting::Marked) => at = next.max(at + 1),
            Some(Quoting::Bars) => {
                let end = lines.iter().skip(next).take_while(|line| line.text.is_empty() || is_bar(&line.text)).count();
                mark(fates, next, next + end, Fate::Quoted);
                at = next + end.max(1);
            }
        }
    }
    answers
}

pub(super) enum Quoting {
    Marked,
    Bars,
}

/// How the first line behind a separator is quoted; `None` when it is not.
pub(super) fn quoting(lines: &[Line], from: usize) -> Option<Quoting> {
    let next = lines.iter().skip(from).find(|line| !line.text.is_empty())?;
    if next.quoted || next.foreign {
        return Some(Quoting::Marked);
    }
    is_bar(&next.text).then_some(Quoting::Bars)
}

pub(super) struct Separator {
    lines: usize,
    /// Everything below is the original, quoted or not.
    ends: bool,
}

pub(super) fn separator(lines: &[Line], at: usize) -> Option<Separator> {
    let text = lines.get(at)?.text.as_str();
    if let Some(count) = attribution(lines, at) {
        return Some(Separator { lines: count, ends: false });
    }
    if divider(lines, at, text) || reply_above(text) {
        return Some(Separator { lines: 1, ends: true });
    }
    let block = header_block(lines, at).or_else(|| notes_block(lines, at));
    block.map(|count| Separator { lines: count, ends: true })
}

/// Notes writes who and when, and below it the names of fields above their values: `To`, then `Subject`, each alone on
/// its line.
fn notes_block(lines: &[Line], at: usize) -> Option<usize> {
    let full = || lines.iter().enumerate().skip(at).filter(|(_, line)| !line.text.is_empty());
    let bare = |line: &Line| words().fields.get(&fold_line(&line.text)).copied();
    let named = |kind: FieldKind| move |line: &Line| line.text.chars().count() <= 24 && bare(line) == Some(kind);
    let first = &lines.get(at)?.text;
    // `Anna Berg/Shop@Shop`, `anna@shop.example`, or the date at once: what the author wrote above is none of it.
    if ends_sentence(first) || !(first.contains(['@', '/']) || Evidence::of(first).date) {
        return None;
    }
    let (head, (to, _)) = (1..=3).find_map(|head| {
        let found = full().nth(head).filter(|(_, line)| named(FieldKind::To)(line))?;
        Some((head, found))
    })?;
    let dated = full().take(head).any(|(_, line)| {
        let evidence = Evidence::of(&line.text);
        evidence.date && evidence.time && line.text.chars().count() <= 80
    });
    let subject = lines.iter().enumerate().skip(to + 1).take(14).find(|(_, line)| named(FieldKind::Subject)(line));
    subject.filter(|_| dated).map(|(subject, _)| subject + 1 - at)
}

/// `On ... wrote:` in many languages, over up to six lines. How many lines it takes.
pub(super) fn attribution(lines: &[Line], at: usize) -> Option<usize> {
    let words = words();
    let (mut joined, mut first) = (String::new(), String::new());
    let mut full = 0;
    for count in 1..=8 {
        let line = lines.get(at + count - 1)?;
        // The tail of a broken one may look quoted: `> wrote:`.
        let text = if count > 1 && joined.ends_with('>') {
            line.text.as_str()
        } else {
            line.text.trim_start_matches("> ").trim_start()
        };
        if count > 1 && line.marked && !broken_tail(&line.text) {
            break;
        }
        if text.is_empty() {
            if full > 1 || joined.is_empty() || !joined.contains(|c: char| c.is_ascii_digit()) {
                break;
            }
            continue;
        }
        if joined.len() + text.len() > ATTRIBUTION_MAX {
            return None;
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(text);
        full += 1;
        if full > 6 || count == 1 && !may_open(&joined) || full == 2 && !opens_long(&first) {
            return None;
        }
        if full == 1 {
            first.clone_from(&joined);
        }
        let followed = || quoting(lines, at + count).is_some();
        if ends_with_verb(&joined, words, followed) || dated_sender(&joined, full, followed) {
            return Some(count);
        }
    }
    None
}

pub(super) fn broken_tail(text: &str) -> bool {
    let rest = text.trim_start_matches('>').trim();
    !rest.is_empty() && rest.len() < 60 && words().verb_at_end(&fold_line(rest)).is_some()
}

/// Whether a line can be the first of an attribution: cheap, for every line of every mail.
pub(super) fn may_open(text: &str) -> bool {
    text.contains('@')
        || text.contains('<')
        || text.contains(|c: char| c.is_ascii_digit())
        || text.ends_with([':', '：'])
        || text.ends_with("----")
}

/// Whether a line can be the first of several: it opens as attributions do, not as a sentence of the author.
pub(super) fn opens_long(text: &str) -> bool {
    let dated = text.starts_with(|c: char| c.is_ascii_digit()) || words().opens(&fold_line(text));
    (dated && text.contains(|c: char| c.is_ascii_digit()) || text.contains('@') || text.contains('<'))
        && !ends_sentence(text)
        || dated && Evidence::of(text).date
}

pub(super) fn ends_sentence(text: &str) -> bool {
    let before = text.strip_suffix(['.', '!', '?']);
    before.is_some_and(|before| !before.ends_with(|c: char| c.is_ascii_digit()))
}

pub(super) fn ends_with_verb(joined: &str, words: &Words, followed: impl Fn() -> bool) -> bool {
    let line = fold_line(joined);
    let evidence = Evidence::of(joined);
    let colon = joined.trim_end_matches(['-', ' ', '*', '_']).ends_with([':', '：']);
    if let Some(before) = words.verb_at_end(&line) {
        let opened = words.opens(&line) || before.starts_with(|c: char| c.is_ascii_digit());
        // `---- Anna wrote ----`
        let drawn = joined.starts_with("--") && joined.ends_with("--");
        if drawn || evidence.email && (colon || opened) || evidence.date && evidence.time && opened {
            return true;
        }
        // With a quotation below, less suffices: `On Monday, Anna wrote:`, or just `Anna wrote:`.
        let dated = (evidence.date || evidence.time) && opened;
        return (dated || colon && before.chars().count() < 80) && followed();
    }
    // Languages without a known verb: `... <g@example.com>:` with a date and a clock, or `Quoting g@example.com:`.
    if colon && evidence.email && (evidence.date && evidence.time || words.opens(&line)) && followed() {
        return true;
    }
    // The date stands behind the verb: `Max <m@x> schrieb am Fr., 28. Apr. 2017 um 11:53 Uhr:`.
    // Thunderbird has no address there: `Am 02.11.26 um 10:00 schrieb Max:`, and always quotes with marks.
    let dated = evidence.date && (evidence.time || words.opens(&line));
    colon && (evidence.date || evidence.time) && words.verb_within(&line) && (evidence.email || dated && followed())
}

/// `2013/7/20 Anna <anna@example.com>` above a quotation, or with a clock and a colon above anything: an attribution
/// without a verb.
pub(super) fn dated_sender(joined: &str, full: usize, followed: impl Fn() -> bool) -> bool {
    let evidence = Evidence::of(joined);
    let dated = joined.starts_with(|c: char| c.is_ascii_digit())
        || evidence.date && evidence.time && words().opens(&fold_line(joined));
    let sender = full <= 2 && evidence.email && evidence.date && dated;
    let colon = evidence.time && joined.ends_with([':', '：']);
    sender && (colon || joined.ends_with(['>', ':', ')']) && followed())
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Evidence {
    email: bool,
    date: bool,
    time: bool,
}

impl Evidence {
    fn of(text: &str) -> Evidence {
        let mut evidence = Evidence::default();
        if let Some((before, after)) = text.split_once('@') {
            let left = before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '+'));
            evidence.email = left && after.starts_with(|c: char| c.is_alphanumeric());
        }
        evidence.email |= text.contains("mailto:");
        let mut numbers: Vec<(&str, Option<char>)> = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let from = rest.get(start..).unwrap_or_default();
            let length = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
            let (digits, after) = from.split_at_checked(length).unwrap_or((from, ""));
            numbers.push((digits, after.chars().next()));
            rest = after;
            if numbers.len() >= 24 {
                break;
            }
        }
        let value = |digits: &str| digits.parse::<u32>().unwrap_or(u32::MAX);
        evidence.date = numbers.iter().any(|(digits, after)| {
            (digits.len() == 4 && (1980..2100).contains(&value(digits))) || matches!(after, Some('年' | '月' | '년'))
        });
        for pair in numbers.windows(2) {
            if let [(a, between), (b, after)] = pair {
                let clock = matches!(between, Some(':' | '.' | 'h')) && b.len() == 2 && value(a) < 24 && value(b) < 60;
                evidence.time |= clock;
                // 28.02.25, 9/30/14
                evidence.date |=
                    matches!(between, Some('.' | '/' | '-')) && between == after && value(a) <= 31 && value(b) <= 31;
            }
        }
        evidence
    }
}

/// `-----Original Message-----` and the like, or a line drawn right above a header block.
pub(super) fn divider(lines: &[Line], at: usize, text: &str) -> bool {
    let inner = text
        .trim_start_matches(['<', '('])
        .trim_matches(|c: char| matches!(c, '-' | '_' | '=' | '*' | '#' | '~' | '–' | '—' | ' ' | '>' | ':' | '|'));
    let drawn = text.chars().filter(|c| matches!(c, '-' | '_' | '=' | '*' | '~' | '–' | '—')).count();
    if inner.is_empty() {
        let next = lines.iter().enumerate().skip(at + 1).take(4).find(|(_, line)| !line.text.is_empty());
        return drawn >= 3 && next.is_some_and(|(next, _)| header_block(lines, next).is_some());
    }
    let words = words();
    let folded = fold_line(inner);
    let named = words.file.dividers.words.iter().any(|divider| {
        folded == *divider || folded.strip_prefix(divider.as_str()).is_some_and(|rest| rest.len() < 60 && drawn >= 4)
    });
    // Without dashes it needs its colon, or a header block below.
    named
        && (drawn >= 4
            || text.ends_with([':', '：'])
            || lines.iter().enumerate().skip(at + 1).take(3).any(|(next, _)| header_block(lines, next).is_some()))
}

pub(super) fn reply_above(text: &str) -> bool {
    if text.len() > 200 {
        return false;
    }
    let folded = fold_line(text);
    words().file.dividers.reply_above.iter().any(|marker| folded.contains(marker.as_str()))
}

/// The header block of an original: From and two more fields, or From with an address and one more.
pub(super) fn header_block(lines: &[Line], at: usize) -> Option<usize> {
    let first = field(&lines.get(at)?.text)?;
    if !matches!(first, FieldKind::From | FieldKind::Date | FieldKind::Subject | FieldKind::To) {
        return None;
    }
    let (mut seen, mut end, mut loose, mut address) = ([false; 5], at + 1, 0, false);
    for (number, line) in lines.iter().enumerate().skip(at).take(14) {
        match field(&line.text) {
            Some(kind) => {
                if let Some(slot) = seen.get_mut(kind as usize) {
                    *slot = true;
                }
                loose = 0;
                end = number + 1;
                address |= line.text.contains('@');
            }
            None if line.text.is_empty() => {
                // Some clients put blank lines between the fields.
                let next = lines.get(number + 1).map(|line| line.text.as_str()).unwrap_or_default();
                if field(next).is_none() {
                    break;
                }
            }
            None => {
                // A long recipient list runs over several lines.
                loose += 1;
                address |= line.text.contains('@');
                if loose > 3 {
                    break;
                }
            }
        }
    }
    let count = seen.iter().filter(|seen| **seen).count();
    let [from, date, to, copy, subject] = seen;
    let enough =
        from && (count >= 3 || count >= 2 && address && (date || to || subject || copy)) || date && to && subject;
    enough.then_some(end - at)
}

pub(super) fn field(text: &str) -> Option<FieldKind> {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '>' | '*' | '_' | '|'));
    let (at, colon) = text.char_indices().take(32).find(|(_, c)| matches!(c, ':' | '：'))?;
    let name = text.get(..at)?.trim_matches(|c: char| c.is_whitespace() || matches!(c, '*' | '_'));
    let rest = text.get(at + colon.len_utf8()..)?;
    // A clock or an address in front of the colon is no field name.
    if name.is_empty() || rest.starts_with("//") {
        return None;
    }
    words().fields.get(&name.to_lowercase()).copied()
}
