//! The visible reply: the author's new words, without quotations, originals, signatures, banners.
//!
//! Two things matter, in this order: no quoted word is ever taken for the author's (a quoted "approve" would decide), and
//! none of the author's words is lost. It works line by line on what [`super::html`] and the text body
//! show, in one pass with bounded look-ahead: linear in the mail, whatever the mail. Names used by clients stand in
//! `words/reply.toml`. It must never know what the words are for.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::{Mail, html};

/// What of a mail its author wrote new, and the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Lines joined by `\n`, without blank ones at start and end.
    pub visible: String,
    /// What was cut as quoted (with its marks) or as the original: the fill-in block comes back in it.
    pub quoted: String,
    /// Something was recognised as quoted or as the original.
    pub answers: bool,
}

/// The reply in a mail: its text body, or its HTML body when that marks more clearly what is quoted.
pub fn read(mail: &Mail) -> Reply {
    let text = mail.text.as_deref().filter(|text| !text.trim().is_empty());
    let from_text = text.map(|text| {
        let more = mail.more_text.iter().flat_map(|more| ["\n", more.as_str()]);
        of_text(&std::iter::once(text).chain(more).collect::<String>())
    });
    match (from_text, &mail.html) {
        (Some(reply), None) => reply,
        (Some(reply), Some(_)) if reply.answers => reply,
        (Some(reply), Some(html)) => {
            let marked = of_html(html);
            if marked.answers { marked } else { reply }
        }
        (None, Some(html)) => of_html(html),
        (None, None) => Reply::default(),
    }
}

/// The reply in what may be a whole mail, or just its body (text or HTML), as it comes out of a pipe.
pub fn of_bytes(raw: &[u8]) -> Reply {
    if is_mail(raw) {
        return read(&Mail::parse(raw));
    }
    let text = super::transfer::guess(raw);
    match text.trim_start().starts_with('<')
        || text.contains("</")
            && (text.contains("<div") || text.contains("<br") || text.contains("<blockquote") || text.contains("<p>"))
    {
        true => of_html(&text),
        false => of_text(&text),
    }
}

/// Whether bytes begin with the header of a mail: at least two of the fields that every mail has.
fn is_mail(raw: &[u8]) -> bool {
    const FIELDS: [&str; 12] = [
        "from",
        "to",
        "date",
        "subject",
        "message-id",
        "received",
        "return-path",
        "mime-version",
        "content-type",
        "delivered-to",
        "in-reply-to",
        "x-mailer",
    ];
    let head = raw
        .trim_ascii_start()
        .split(|&byte| byte == b'\n')
        .take(200)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut known = 0;
    for (number, line) in head.take_while(|line| !line.is_empty()).enumerate() {
        let name = line
            .split(|&byte| byte == b':')
            .next()
            .filter(|name| name.len() < line.len())
            .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase());
        match name {
            Some(name) if !name.contains(' ') && !name.is_empty() => {
                known += usize::from(FIELDS.contains(&name.as_str()))
            }
            _ if number == 0 && !line.starts_with(b"From ") => return false,
            _ => {}
        }
    }
    known >= 2
}

/// The reply in a plain text body.
pub fn of_text(text: &str) -> Reply {
    let lines = text.split('\n').map(|line| {
        let raw = line.trim_end_matches('\r');
        let clean = clean(raw);
        let quoted = is_quoted(&clean);
        Line { quoted, marked: quoted, foreign: false, signature: false, text: clean }
    });
    sift(lines.collect())
}

/// The reply in an HTML body.
pub fn of_html(html: &str) -> Reply {
    let lines = html::lines(html).into_iter().map(|line| {
        let text = clean(&line.text);
        let quoted = line.quote > 0 || is_quoted(&text);
        Line { quoted, marked: line.cited || is_quoted(&text), foreign: line.foreign, signature: line.signature, text }
    });
    sift(lines.collect())
}

struct Line {
    text: String,
    quoted: bool,
    /// Quoted by a mark that only mail clients make (`>`, `type=cite`); a bare `<blockquote>` may be the author's.
    marked: bool,
    foreign: bool,
    signature: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Own,
    /// Quoted or of the original.
    Quoted,
    /// Signature, banner, disclaimer: nobody's news.
    Dropped,
}

const LINES_MAX: usize = 50_000;
/// An attribution is no longer than this, over all its lines.
const ATTRIBUTION_MAX: usize = 400;

fn sift(mut lines: Vec<Line>) -> Reply {
    lines.truncate(LINES_MAX);
    let mut fates = vec![Fate::Own; lines.len()];
    let mut answers = cut(&lines, &mut fates);
    // A bare blockquote is the author's own only when the client's own marks are elsewhere in the mail.
    let bare = |line: &Line| line.quoted && !line.marked && !line.foreign;
    let above = fates.iter().position(|fate| *fate == Fate::Quoted).unwrap_or(0);
    for (at, (line, fate)) in lines.iter().zip(fates.iter_mut()).enumerate() {
        let own = bare(line) && at < above;
        if (line.quoted || line.foreign) && !own && *fate != Fate::Quoted {
            *fate = Fate::Quoted;
            answers = true;
        }
        if line.signature && *fate == Fate::Own {
            *fate = Fate::Dropped;
        }
    }
    rewrapped(&lines, &mut fates);
    trim(&lines, &mut fates);
    collect(&lines, &fates, answers)
}

/// Finds separators: attributions, header blocks, dividers. What follows one is the original to the end, or,
/// where quoted lines follow, just those.
fn cut(lines: &[Line], fates: &mut [Fate]) -> bool {
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

fn mark(fates: &mut [Fate], from: usize, to: usize, fate: Fate) {
    fates.iter_mut().take(to).skip(from).for_each(|known| *known = fate);
}

enum Quoting {
    Marked,
    Bars,
}

/// How the first line behind a separator is quoted; `None` when it is not.
fn quoting(lines: &[Line], from: usize) -> Option<Quoting> {
    let next = lines.iter().skip(from).find(|line| !line.text.is_empty())?;
    if next.quoted || next.foreign {
        return Some(Quoting::Marked);
    }
    is_bar(&next.text).then_some(Quoting::Bars)
}

struct Separator {
    lines: usize,
    /// Everything below is the original, quoted or not.
    ends: bool,
}

fn separator(lines: &[Line], at: usize) -> Option<Separator> {
    let text = lines.get(at)?.text.as_str();
    if let Some(count) = attribution(lines, at) {
        return Some(Separator { lines: count, ends: false });
    }
    if divider(lines, at, text) || reply_above(text) {
        return Some(Separator { lines: 1, ends: true });
    }
    header_block(lines, at).map(|count| Separator { lines: count, ends: true })
}

/// `On ... wrote:` in many languages, over up to six lines. How many lines it takes.
fn attribution(lines: &[Line], at: usize) -> Option<usize> {
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

fn broken_tail(text: &str) -> bool {
    let rest = text.trim_start_matches('>').trim();
    !rest.is_empty() && rest.len() < 60 && words().verb_at_end(&fold_line(rest)).is_some()
}

/// Whether a line can be the first of an attribution: cheap, for every line of every mail.
fn may_open(text: &str) -> bool {
    text.contains('@')
        || text.contains('<')
        || text.contains(|c: char| c.is_ascii_digit())
        || text.ends_with([':', '：'])
        || text.ends_with("----")
}

/// Whether a line can be the first of several: it opens as attributions do, not as a sentence of the author.
fn opens_long(text: &str) -> bool {
    let dated = text.starts_with(|c: char| c.is_ascii_digit()) || words().opens(&fold_line(text));
    (dated && text.contains(|c: char| c.is_ascii_digit()) || text.contains('@') || text.contains('<'))
        && !ends_sentence(text)
        || dated && Evidence::of(text).date
}

fn ends_sentence(text: &str) -> bool {
    let before = text.strip_suffix(['.', '!', '?']);
    before.is_some_and(|before| !before.ends_with(|c: char| c.is_ascii_digit()))
}

fn ends_with_verb(joined: &str, words: &Words, followed: impl Fn() -> bool) -> bool {
    let line = fold_line(joined);
    let evidence = Evidence::of(joined);
    let colon = joined.trim_end_matches(['-', ' ', '*', '_']).ends_with([':', '：']);
    if let Some(before) = words.verb_at_end(&line) {
        let opened = words.opens(&line) || before.starts_with(|c: char| c.is_ascii_digit());
        let strong = evidence.email || evidence.date && (evidence.time || opened) || evidence.time && opened;
        // With a colon and a quotation below, a bare name suffices: `Anna wrote:`.
        return strong && (colon || opened || evidence.email) || colon && followed() && before.chars().count() < 80;
    }
    // The date stands behind the verb: `Max <m@x> schrieb am Fr., 28. Apr. 2017 um 11:53 Uhr:`.
    // Thunderbird has no address there: `Am 02.11.26 um 10:00 schrieb Max:`, and always quotes with marks.
    let dated = evidence.date && (evidence.time || words.opens(&line));
    colon && (evidence.date || evidence.time) && words.verb_within(&line) && (evidence.email || dated && followed())
}

/// `2013/7/20 Anna <anna@example.com>` above a quotation, or with a clock and a colon above anything: an attribution
/// without a verb.
fn dated_sender(joined: &str, full: usize, followed: impl Fn() -> bool) -> bool {
    let evidence = Evidence::of(joined);
    let sender = full <= 2 && evidence.email && evidence.date && joined.starts_with(|c: char| c.is_ascii_digit());
    let colon = evidence.time && joined.ends_with([':', '：']);
    sender && (colon || joined.ends_with(['>', ':', ')']) && followed())
}

#[derive(Clone, Copy, Debug, Default)]
struct Evidence {
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
fn divider(lines: &[Line], at: usize, text: &str) -> bool {
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

fn reply_above(text: &str) -> bool {
    if text.len() > 200 {
        return false;
    }
    let folded = fold_line(text);
    words().file.dividers.reply_above.iter().any(|marker| folded.contains(marker.as_str()))
}

/// The header block of an original: From and two more fields, or From with an address and one more.
fn header_block(lines: &[Line], at: usize) -> Option<usize> {
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FieldKind {
    From = 0,
    Date = 1,
    To = 2,
    Copy = 3,
    Subject = 4,
    Other = 5,
}

fn field(text: &str) -> Option<FieldKind> {
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

/// Lines of a quotation that some server broke: the tail stands unmarked between two quoted lines.
fn rewrapped(lines: &[Line], fates: &mut [Fate]) {
    for at in 1..lines.len().saturating_sub(1) {
        let (Some(before), Some(line), Some(after)) = (lines.get(at - 1), lines.get(at), lines.get(at + 1)) else {
            continue;
        };
        if line.text.is_empty() || line.quoted || !before.marked || !after.marked || fates.get(at) != Some(&Fate::Own) {
            continue;
        }
        let length = before.text.chars().count();
        let word = line.text.split(' ').next().map_or(0, |word| word.chars().count());
        let tail = line.text.starts_with(|c: char| c.is_lowercase() || !c.is_alphanumeric());
        let link = !line.text.contains(' ') && before.text.rsplit(' ').next().is_some_and(|word| word.contains("://"));
        if link || tail && length >= 55 && length + 1 + word >= 66 {
            mark(fates, at, at + 1, Fate::Quoted);
        }
    }
}

/// Signatures, device lines, banners, disclaimers, list footers within what is left.
fn trim(lines: &[Line], fates: &mut [Fate]) {
    let own: Vec<usize> = fates.iter().enumerate().filter(|(_, fate)| **fate == Fate::Own).map(|(at, _)| at).collect();
    // Stretches of the author's lines between quotations: each may end with a signature.
    let mut stretch: Vec<usize> = Vec::new();
    let mut first = true;
    for (number, at) in own.iter().enumerate() {
        stretch.push(*at);
        if own.get(number + 1).is_none_or(|next| *next != at + 1) {
            trim_stretch(lines, fates, &stretch, first);
            first = false;
            stretch.clear();
        }
    }
}

fn trim_stretch(lines: &[Line], fates: &mut [Fate], stretch: &[usize], first: bool) {
    let words = words();
    let text = |at: &usize| lines.get(*at).map_or("", |line| line.text.as_str());
    if first {
        drop_banner(lines, fates, stretch);
    }
    // From the bottom: the last line that is the author's.
    let mut end = stretch.len();
    for (number, at) in stretch.iter().enumerate() {
        let line = text(at);
        let left = stretch.len() - number;
        let starts = is_delimiter(line) && left <= 30
            || is_footer(lines, stretch, number)
            || words.notice_below(line) && notice_ends(lines, stretch, number);
        if starts {
            end = number;
            break;
        }
    }
    for at in stretch.iter().skip(end) {
        mark(fates, *at, at + 1, Fate::Dropped);
    }
    let mut bottom = true;
    for at in stretch.iter().take(end).rev() {
        let line = text(at);
        if line.is_empty() {
            continue;
        }
        if words.device(line, bottom) {
            mark(fates, *at, at + 1, Fate::Dropped);
        } else {
            bottom = false;
        }
    }
}

fn drop_banner(lines: &[Line], fates: &mut [Fate], stretch: &[usize]) {
    let words = words();
    let mut inside = false;
    for at in stretch.iter().take(14) {
        let Some(line) = lines.get(*at) else { break };
        if line.text.is_empty() || line.text.chars().all(|c| matches!(c, '-' | '_' | '=' | '*')) {
            inside = false;
            continue;
        }
        if !inside && !words.notice_above(&line.text) {
            break;
        }
        // The banner is its paragraph.
        inside = true;
        mark(fates, *at, at + 1, Fate::Dropped);
    }
}

/// `-- ` (RFC 3676 section 4.3) and what clients make of it.
fn is_delimiter(line: &str) -> bool {
    matches!(line.trim_end(), "--" | "- --" | "---")
}

/// A mailing list's footer: a drawn line, then the list.
fn is_footer(lines: &[Line], stretch: &[usize], number: usize) -> bool {
    let text = |offset: usize| {
        stretch.get(number + offset).and_then(|at| lines.get(*at)).map_or("", |line| line.text.as_str())
    };
    let drawn = text(0).len() >= 10 && text(0).chars().all(|c| matches!(c, '_' | '-' | '='));
    drawn
        && (1..=4).any(|offset| {
            let line = text(offset).to_lowercase();
            line.contains("mailing list") || line.contains("mailman/listinfo") || line.contains("unsubscribe")
        })
}

/// A notice cuts off only what is no longer than notices are: nothing but more of them, or long prose, may follow.
fn notice_ends(lines: &[Line], stretch: &[usize], number: usize) -> bool {
    let rest = stretch.iter().skip(number).filter_map(|at| lines.get(*at)).filter(|line| !line.text.is_empty());
    let (count, bytes) = rest.fold((0, 0), |(count, bytes), line| (count + 1, bytes + line.text.len()));
    number > 0 && count <= 60 && bytes >= 40
}

fn collect(lines: &[Line], fates: &[Fate], answers: bool) -> Reply {
    let mut reply = Reply { answers, ..Reply::default() };
    for (line, fate) in lines.iter().zip(fates) {
        match fate {
            Fate::Own => {
                reply.visible.push_str(&line.text);
                reply.visible.push('\n');
            }
            Fate::Quoted => {
                reply.quoted.push_str(&line.text);
                reply.quoted.push('\n');
            }
            Fate::Dropped => {}
        }
    }
    reply.visible = reply.visible.trim_matches('\n').trim_end().to_string();
    reply
}

fn is_quoted(text: &str) -> bool {
    text.trim_start().starts_with('>')
}

fn is_bar(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("| ") || text == "|"
}

/// Blanks of all kinds as blanks; what nobody sees, out.
fn clean(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{3000}' | '\t' => out.push(' '),
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{ad}'
            | '\0' => {}
            other => out.push(other),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

/// For comparing: lower case, no marks around, single blanks.
fn fold_line(text: &str) -> String {
    let inner = text.trim_start_matches(['<', '(']).trim_matches(|c: char| {
        matches!(c, '-' | '*' | '_' | ' ' | '>' | ':' | '：' | '"' | '[' | ']' | '/' | '=' | '|' | '#' | '~')
    });
    inner.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Deserialize, Default)]
struct File {
    fields: HashMap<String, Vec<String>>,
    attribution: Attribution,
    dividers: Dividers,
    devices: Devices,
    notices: Notices,
}

#[derive(Deserialize, Default)]
struct Attribution {
    verbs: Vec<String>,
    openers: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Dividers {
    words: Vec<String>,
    reply_above: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Devices {
    sure: Vec<String>,
    last: Vec<String>,
    things: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Notices {
    below: Vec<String>,
    above: Vec<String>,
}

#[derive(Default)]
struct Words {
    file: File,
    fields: HashMap<String, FieldKind>,
}

/// The words of `words/reply.toml`, read once; a test keeps the file readable.
fn words() -> &'static Words {
    static WORDS: LazyLock<Words> = LazyLock::new(|| {
        let file: File = toml::from_str(include_str!("words/reply.toml")).unwrap_or_default();
        let kinds = [
            ("from", FieldKind::From),
            ("date", FieldKind::Date),
            ("to", FieldKind::To),
            ("copy", FieldKind::Copy),
            ("subject", FieldKind::Subject),
            ("other", FieldKind::Other),
        ];
        let mut fields = HashMap::new();
        for (name, kind) in kinds.into_iter().rev() {
            fields.extend(file.fields.get(name).into_iter().flatten().map(|word| (word.clone(), kind)));
        }
        Words { file, fields }
    });
    &WORDS
}

impl Words {
    /// What stands before the verb, when the (folded) line ends with one.
    fn verb_at_end<'a>(&self, line: &'a str) -> Option<&'a str> {
        self.file.attribution.verbs.iter().find_map(|verb| {
            let before = line.strip_suffix(verb.as_str())?;
            let bounded = before.is_empty()
                || !before.ends_with(char::is_alphanumeric)
                || !verb.is_ascii() && !verb.starts_with(|c: char| c.is_alphabetic() && (c as u32) < 0x500);
            bounded.then_some(before.trim_end())
        })
    }

    fn verb_within(&self, line: &str) -> bool {
        let padded = format!(" {line} ");
        self.file.attribution.verbs.iter().any(|verb| padded.contains(&format!(" {verb} ")))
    }

    fn opens(&self, line: &str) -> bool {
        self.file
            .attribution
            .openers
            .iter()
            .any(|opener| line.strip_prefix(opener.as_str()).is_some_and(|rest| rest.starts_with([' ', '.', ','])))
    }

    fn device(&self, line: &str, bottom: bool) -> bool {
        if line.len() > 160 {
            return false;
        }
        let folded = fold_line(line);
        let starts = |list: &[String]| {
            list.iter().any(|phrase| folded.starts_with(phrase.trim_end()) && folded.len() >= phrase.trim_end().len())
        };
        starts(&self.file.devices.sure)
            || bottom
                && folded.split(' ').count() <= 14
                && starts(&self.file.devices.last)
                && self.file.devices.things.iter().any(|thing| folded.contains(thing.as_str()))
    }

    fn notice_below(&self, line: &str) -> bool {
        let folded = fold_line(line.get(..floor(line, 120)).unwrap_or(line));
        self.file.notices.below.iter().any(|phrase| folded.starts_with(phrase.trim_end()))
    }

    fn notice_above(&self, line: &str) -> bool {
        let folded = line.trim_start_matches(['*', '_', ' ', '⚠', '\u{fe0f}', '!']).to_lowercase();
        self.file.notices.above.iter().any(|phrase| folded.starts_with(phrase.as_str()))
    }
}

fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that clients use are read from a file: broken, nothing would be recognised.
    #[test]
    fn the_word_file_is_whole() {
        let file: File = toml::from_str(include_str!("words/reply.toml")).unwrap();
        assert_eq!(file.fields.len(), 6);
        let lists = [
            &file.attribution.verbs,
            &file.attribution.openers,
            &file.dividers.words,
            &file.dividers.reply_above,
            &file.devices.sure,
            &file.devices.last,
            &file.devices.things,
            &file.notices.below,
            &file.notices.above,
        ];
        for word in lists.into_iter().chain(file.fields.values()).flatten() {
            assert_eq!(*word, word.to_lowercase());
            assert!(!word.trim().is_empty());
        }
    }

    /// A quoted "approve" would decide, or the author's own would be lost.
    #[test]
    fn what_is_new_in_text() {
        for (name, text, want) in [
            (
                "gmail",
                "APPROVE\n\nOn Mon, 2 Nov 2026 at 10:00, Gateway <g@shop.example> wrote:\n\n> DECLINE\n> or\n",
                "APPROVE",
            ),
            (
                "gmail, broken attribution",
                "ok\n\nOn Mon, 2 Nov 2026 at 10:00, Gateway of the Shop\n<g@shop.example> wrote:\n> DECLINE\n",
                "ok",
            ),
            (
                "outlook",
                "Ja\n\nVon: Gateway <g@shop.example>\nGesendet: Montag, 2. November 2026 10:00\nAn: Anna\nBetreff: Frage\n\nDECLINE\n",
                "Ja",
            ),
            (
                "outlook with a line",
                "oui\n________________________________\nDe : Gateway <g@shop.example>\nEnvoyé : lundi\nÀ : Anna\nObjet : Q\n\nnon\n",
                "oui",
            ),
            (
                "outlook, swedish",
                "Godkänt\n\nFrån: G <g@x.se>\nSkickat: den 2 november 2026\nTill: A\nÄmne: F\n\nnej\n",
                "Godkänt",
            ),
            ("original message", "yes\n\n-----Original Message-----\nFrom: x\n\nno\n", "yes"),
            ("apple mail, german", "ja\n\n> Am 02.11.2026 um 10:00 schrieb G <g@x.de>:\n> \n> nein\n", "ja"),
            (
                "thunderbird, bottom-posted",
                "Am 02.11.26 um 10:00 schrieb G:\n> nein\n\nGenehmigt\n-- \nAnna",
                "Genehmigt",
            ),
            ("inline", "> Line 20: accept?\nyes\n> Line 30: accept?\nno\n", "yes\nno"),
            (
                "lotus",
                "ok\n\nG/Shop@Shop\n02.11.2026 10:00\n\nAn\nAnna\n",
                "ok\n\nG/Shop@Shop\n02.11.2026 10:00\n\nAn\nAnna",
            ),
            ("phone", "ok\n\nVon meinem iPhone gesendet\n\n> Am 02.11.2026 um 10:00 schrieb G <g@x.de>:\n> no\n", "ok"),
            ("date behind the verb", "ja\n\nG <g@x.de> schrieb am Mo., 2. Nov. 2026 um 10:00 Uhr:\n\n> nein\n", "ja"),
            ("japanese", "はい\n\n2026年11月2日(月) 10:00 G <g@x.jp>:\n\n> いいえ\n", "はい"),
            ("forwarded", "see below\n\n---------- Forwarded message ---------\nFrom: x\n\nAPPROVE\n", "see below"),
            ("only forwarded", "---------- Forwarded message ---------\nFrom: B <b@x.y>\nDate: Mon\n\nAPPROVE\n", ""),
            ("banner", "CAUTION: This email originated from outside of the organization.\nDo not click.\n\nok\n", "ok"),
            ("disclaimer", "ok\n\nThis e-mail and any attachments are confidential and may be privileged.\n", "ok"),
            ("reply above", "ok\n\n##- Please type your reply above this line -##\nold\n", "ok"),
            (
                "own words with a time",
                "I wrote: on 12.05. at 10:30 we ship.\nok",
                "I wrote: on 12.05. at 10:30 we ship.\nok",
            ),
            ("own words, no attribution", "My colleague wrote:\nplease wait\n", "My colleague wrote:\nplease wait"),
            ("own list", "To: warehouse\nplease ship", "To: warehouse\nplease ship"),
            (
                "wrapped quotation",
                "> this line of the quotation was too long for the server so that its\ntail stands alone\n> and goes on\nok",
                "ok",
            ),
            ("hidden characters", "app\u{200b}rove\u{a0}20", "approve 20"),
        ] {
            assert_eq!(of_text(text).visible, want, "{name}");
        }
    }

    /// As above, for clients that mark the original in HTML only.
    #[test]
    fn what_is_new_in_html() {
        for (name, html, want) in [
            (
                "gmail",
                "<div>ok</div><div class=gmail_quote><div class=gmail_attr>On x</div><blockquote class=gmail_quote>no</blockquote></div>",
                "ok",
            ),
            (
                "gmail, answered in between",
                "<div class=gmail_quote>On Mon, 2 Nov 2026 G &lt;g@x.y&gt; wrote:<blockquote class=gmail_quote>20?</blockquote><div>yes</div><blockquote class=gmail_quote>30?</blockquote><div>no</div></div>",
                "yes\nno",
            ),
            (
                "outlook web",
                "<div>ok</div><div id=appendonsend></div><hr><div id=divRplyFwdMsg>From: x</div><div>no</div>",
                "ok",
            ),
            (
                "outlook desktop",
                "<p class=MsoNormal>ok</p><div style='border:none;border-top:solid #E1E1E1 1.0pt'><p><b>Von:</b> G &lt;g@x.de&gt;<br><b>Gesendet:</b> Montag<br><b>An:</b> A<br><b>Betreff:</b> F</p></div><p>nein</p>",
                "ok",
            ),
            (
                "apple mail",
                "ok<br><blockquote type=cite><div>On 2 Nov 2026, at 10:00, G wrote:</div>no</blockquote>",
                "ok",
            ),
            (
                "thunderbird, bottom",
                "<div class=moz-cite-prefix>On 02.11.26 G wrote:</div><blockquote type=cite>no</blockquote><p>ok</p><div class=moz-signature>-- <br>me</div>",
                "ok",
            ),
            ("yahoo", "<div>ok</div><div id=yahoo_quoted_1 class=yahoo_quoted>On x, G wrote:<div>no</div></div>", "ok"),
            (
                "own indentation",
                "<p>as agreed:</p><blockquote>20 pieces</blockquote><div class=gmail_quote>no</div>",
                "as agreed:",
            ),
            ("hidden", "ok<div style='display:none'>decline</div>", "ok"),
        ] {
            assert_eq!(of_html(html).visible.replace("\n\n", "\n"), want, "{name}");
        }
    }

    /// The scripts that pipe a body instead of a mail would get nothing.
    #[test]
    fn bodies_without_a_header() {
        assert_eq!(of_bytes(b"ok\n\n> no\n").visible, "ok");
        assert_eq!(of_bytes(b"<p>ok</p><blockquote type=cite>no</blockquote>").visible, "ok");
        assert_eq!(of_bytes(b"From: a@b\nSubject: x\n\nok\n\n> no\n").visible, "ok");
        assert_eq!(of_bytes(b"Note: x\nok\n").visible, "Note: x\nok");
    }

    /// One mail would hold the gateway for minutes.
    #[test]
    fn time_is_linear() {
        let started = std::time::Instant::now();
        for line in [
            "On 2026-11-02 at 10:00 a@b <\n",
            "> ",
            "\u{a0}",
            "From: a@b\n",
            "_",
            "Date: 10:00\n\n",
            "a wrote 10:00 2026\n",
            "<blockquote>",
            "wrote:\n",
        ] {
            let text = line.repeat(100_000 / line.len());
            let _ = of_text(&text);
            let _ = of_html(&text);
        }
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }
}
