//! One line of a reply: a command, a courtesy, a comment, or something that makes the reply unclear.

use std::fmt;

use jiff::SignedDuration;
use unicode_normalization::UnicodeNormalization as _;

use super::words::{Meaning, Words};
use super::{Argument, Change, Command, Lines, Scope, Verb};
use crate::mail::fill_in;

pub(super) enum Read {
    Command(Command),
    Courtesy(&'static str),
    Comment,
    Doubt(Doubt),
}

/// Why a line makes the whole reply unclear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doubt {
    Conditional,
    /// Two verbs in one line.
    Contradictory,
    /// A verb, and something behind it that is no scope.
    Unfinished(Verb),
    Question,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Conditional => f.write_str("a condition or a limit: decides nothing"),
            Doubt::Contradictory => f.write_str("two answers in one line: decides nothing"),
            Doubt::Unfinished(Verb::Delegate) => f.write_str("DELEGATE without a mail address: decides nothing"),
            Doubt::Unfinished(Verb::Hold) => f.write_str("HOLD without a time such as 2d: decides nothing"),
            Doubt::Unfinished(Verb::Ask) => f.write_str("ASK without a question: decides nothing"),
            Doubt::Unfinished(Verb::Change) => f.write_str("CHANGE that cannot be read: decides nothing"),
            Doubt::Unfinished(verb) => write!(f, "begins like {verb}, but goes on: decides nothing"),
            Doubt::Question => f.write_str("a question: decides nothing"),
        }
    }
}

pub(super) fn read_line(line: &str, words: &Words, language: &str) -> Read {
    let bare = line.trim_start_matches(|c: char| {
        matches!(c, '-' | '*' | '•' | '·' | '–' | '>' | ' ' | '“' | '"' | '\'' | '(' | '[')
    });
    let tokens = tokens(bare);
    if let Some(read) = with_argument(bare, &tokens, words, language) {
        return read;
    }
    if let Some(read) = courtesy(&tokens, words, language) {
        return read;
    }
    match command(&tokens, words, language) {
        // A question is no answer.
        Some(Ok(_)) if line.trim_end().ends_with('?') => Read::Doubt(Doubt::Question),
        Some(Ok(command)) => Read::Command(command),
        Some(Err(doubt)) => Read::Doubt(doubt),
        None if words.conditional(&tokens) => Read::Doubt(Doubt::Conditional),
        None if is_number_sign(&tokens, 0) => Read::Comment,
        None => match words.verb_at(&tokens, 0, language) {
            Some((verb, _)) => Read::Doubt(Doubt::Unfinished(verb)),
            None => Read::Comment,
        },
    }
}

#[derive(Clone, Debug)]
pub(super) struct Token {
    /// Folded, without punctuation around.
    pub(super) word: String,
    pub(super) raw: String,
}

pub(super) fn tokens(line: &str) -> Vec<Token> {
    // "30 - 50" is a range as "30-50" is.
    let line = &line.replace(" - ", "-").replace(" – ", "-");
    let split = line.split(|c: char| {
        c.is_whitespace() || matches!(c, ',' | ';' | ':' | '=' | '/' | '(' | ')' | '!' | '"' | '“' | '”' | '„')
    });
    let tokens = split.filter(|raw| !raw.is_empty()).take(200).map(|raw| {
        let inner = raw.trim_matches(|c: char| !c.is_alphanumeric());
        Token { word: fold(inner), raw: raw.to_string() }
    });
    tokens.filter(|token| !token.word.is_empty()).collect()
}

/// Lower case without accents: `Godkänt` and `godkant` are one word.
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)).flat_map(char::to_lowercase) {
        match c {
            'ß' => out.push_str("ss"),
            'ø' => out.push('o'),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            'ł' => out.push('l'),
            'đ' | 'ð' => out.push('d'),
            '’' | '‘' | '´' | '`' => out.push('\''),
            other => out.push(other),
        }
    }
    out
}

/// `VERB [scope]` or `scope VERB`, with politeness; `None` when the line is no such thing.
pub(super) fn command(tokens: &[Token], words: &Words, language: &str) -> Option<Result<Command, Doubt>> {
    let (mut verb, mut lines, mut all, mut rest) = (None, Vec::new(), false, false);
    let (mut at, mut clash, mut filler, mut until, mut thanked) = (0, false, false, false, false);
    while at < tokens.len() {
        let token = tokens.get(at)?;
        let number_sign = is_number_sign(tokens, at);
        if let Some((found, length)) = words.verb_at(tokens, at, language).filter(|_| !number_sign) {
            clash |= verb.is_some_and(|known| known != found);
            verb = Some(found);
            at += length;
            continue;
        }
        if let Some((meaning, length)) = words.other_at(tokens, at, language) {
            match meaning {
                Meaning::All => all = true,
                Meaning::Rest => rest = true,
                Meaning::Filler => filler = true,
                Meaning::Polite => thanked = true,
                Meaning::Until if matches!(lines.last(), Some(Lines::Position(_))) => until = true,
                _ => return None,
            }
            at += length;
            continue;
        }
        match scope_of(token) {
            Some(Lines::Position(to)) if until => {
                // "20 to 50": the number before opened a range.
                match lines.pop() {
                    Some(Lines::Position(from)) if from <= to => lines.push(Lines::Range(from, to)),
                    _ => return None,
                }
            }
            Some(_) if until => return None,
            Some(line) => lines.push(line),
            // "OK, thanks Anna".
            None if thanked
                && tokens.len() - at <= 2
                && tokens.iter().skip(at).all(|name| name.raw.starts_with(char::is_uppercase)) =>
            {
                break;
            }
            None if number_sign => {}
            None => return None,
        }
        until = false;
        at += 1;
    }
    let verb = verb?;
    if clash {
        return Some(Err(Doubt::Contradictory));
    }
    if matches!(verb, Verb::Ask | Verb::Delegate | Verb::Hold | Verb::Change) {
        return Some(Err(Doubt::Unfinished(verb)));
    }
    let scope = match (all, rest, lines.is_empty()) {
        (false, false, false) => {
            lines.sort();
            lines.dedup();
            Scope::Lines(lines)
        }
        (false, true, true) | (true, true, true) => Scope::Rest,
        (_, false, true) if !filler || all => Scope::All,
        // "Approve this order" is clear; "approve lines" is half a sentence.
        (false, false, true) => Scope::All,
        _ => return Some(Err(Doubt::Contradictory)),
    };
    Some(Ok(Command { verb, scope, argument: Argument::None }))
}

/// "No. 20" is a number, not a refusal.
pub(super) fn is_number_sign(tokens: &[Token], at: usize) -> bool {
    let numbered = tokens.get(at + 1).is_some_and(|next| next.word.starts_with(|c: char| c.is_ascii_digit()));
    numbered && tokens.get(at).is_some_and(|token| token.word == "no" && token.raw.ends_with('.'))
}

/// `20`, `30-50`, `B63905-BL`.
pub(super) fn scope_of(token: &Token) -> Option<Lines> {
    let text: String = token.raw.trim_matches(|c: char| !c.is_alphanumeric()).replace(['–', '—', '\u{2011}'], "-");
    let position = |text: &str| {
        (!text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| text.parse::<u32>().ok())?
    };
    if let Some(number) = position(&text) {
        return Some(Lines::Position(number));
    }
    if let Some((Some(from), Some(to))) = text.split_once('-').map(|(from, to)| (position(from), position(to))) {
        return (from <= to).then_some(Lines::Range(from, to));
    }
    let sku = text.len() >= 3 && text.len() <= 60 && text.is_ascii() && text.contains(|c: char| c.is_ascii_digit());
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '#' | '+'));
    (sku && plain).then(|| Lines::Sku(text.to_ascii_uppercase()))
}

/// Verbs that take more than a scope: ASK, DELEGATE, HOLD, CHANGE. They open the line.
pub(super) fn with_argument(line: &str, tokens: &[Token], words: &Words, language: &str) -> Option<Read> {
    let (verb, length) = words.verb_at(tokens, 0, language)?;
    if !matches!(verb, Verb::Ask | Verb::Delegate | Verb::Hold | Verb::Change) {
        return None;
    }
    let argument = match verb {
        Verb::Ask => Some(rest_of(line, tokens, length))
            .filter(|text| text.chars().filter(|c| c.is_alphanumeric()).count() >= 2)
            .map(Argument::Text),
        Verb::Delegate => one_address(line).map(Argument::Address),
        Verb::Hold => duration(tokens.get(length..)?).map(Argument::For),
        _ => return Some(change(line, tokens, length, words, language)),
    };
    Some(match argument {
        Some(argument) => Read::Command(Command { verb, scope: Scope::All, argument }),
        None => Read::Doubt(Doubt::Unfinished(verb)),
    })
}

/// What stands behind the first `count` tokens, as written.
pub(super) fn rest_of(line: &str, tokens: &[Token], count: usize) -> String {
    let mut rest = line;
    for token in tokens.iter().take(count) {
        rest = rest.find(token.raw.as_str()).and_then(|at| rest.get(at + token.raw.len()..)).unwrap_or("");
    }
    rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | '-')).trim().to_string()
}

pub(super) fn one_address(line: &str) -> Option<String> {
    let words: Vec<&str> = line
        .split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '(' | ')' | '"'))
        .filter(|word| word.contains('@'))
        .collect();
    let first = words.first()?.trim_start_matches("mailto:").trim_matches(|c: char| !c.is_alphanumeric());
    let (local, domain) = first.split_once('@')?;
    // `anna@x.de <anna@x.de>` names one; two different ones are unclear.
    let same = words.iter().all(|word| {
        word.trim_start_matches("mailto:").trim_matches(|c: char| !c.is_alphanumeric()).eq_ignore_ascii_case(first)
    });
    let fine = !local.is_empty()
        && domain.contains('.')
        && !domain.contains('@')
        && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'));
    (same && fine).then(|| first.to_lowercase())
}

/// `2d`, `3 days`, `48 h`, `1 Woche`.
pub(super) fn duration(tokens: &[Token]) -> Option<SignedDuration> {
    let text: String = tokens.iter().map(|token| token.word.as_str()).collect();
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at_checked(end)?;
    let number: i64 = digits.parse().ok()?;
    let hours = match unit {
        "h" | "hour" | "hours" | "hr" | "hrs" | "std" | "stunde" | "stunden" | "timme" | "timmar" | "time"
        | "timer" | "heure" | "heures" | "hora" | "horas" | "ora" | "ore" | "uur" | "tunti" | "tuntia" | "godzina"
        | "godziny" | "godzin" => 1,
        "d" | "day" | "days" | "t" | "tag" | "tage" | "tagen" | "dag" | "dagar" | "dage" | "dager" | "dagen" | "j"
        | "jour" | "jours" | "dia" | "dias" | "g" | "giorno" | "giorni" | "pv" | "paiva" | "paivaa" | "dzien"
        | "dni" => 24,
        "w" | "week" | "weeks" | "woche" | "wochen" | "vecka" | "veckor" | "semaine" | "semaines" | "semana"
        | "semanas" | "settimana" | "settimane" | "weken" | "uge" | "uger" | "uke" | "uker" | "viikko" | "viikkoa"
        | "tydzien" | "tygodnie" | "tygodni" => 24 * 7,
        _ => return None,
    };
    (1..=90).contains(&number).then(|| SignedDuration::from_hours(number * hours))
}

/// `CHANGE line 20 qty = 8 price = 12.50`.
pub(super) fn change(line: &str, tokens: &[Token], length: usize, words: &Words, language: &str) -> Read {
    let unfinished = || Read::Doubt(Doubt::Unfinished(Verb::Change));
    let mut at = length;
    let mut lines = Vec::new();
    while let Some(token) = tokens.get(at) {
        if fill_in::field(&token.word).is_some() {
            break;
        }
        if let Some((Meaning::Filler, count)) = words.other_at(tokens, at, language) {
            at += count;
            continue;
        }
        match scope_of(token) {
            Some(found) => lines.push(found),
            None => return unfinished(),
        }
        at += 1;
    }
    if lines.len() != 1 {
        return unfinished();
    }
    let rest = rest_of(line, tokens, at);
    let Some(values) = fill_in::assignments(&rest) else { return unfinished() };
    let mut changes = Vec::new();
    for (field, text) in values {
        let change = match field {
            fill_in::Field::Quantity => fill_in::decimal(&text).map(Change::Quantity),
            fill_in::Field::Price => fill_in::amount(&text).map(|(price, _)| Change::Price(price)),
            fill_in::Field::Date => fill_in::date(&text).map(Change::Date),
            fill_in::Field::Sku => Some(Change::Sku(text.trim().to_string())),
            fill_in::Field::Status | fill_in::Field::Order => None,
        };
        match change {
            Some(change) => changes.push(change),
            None => return unfinished(),
        }
    }
    if changes.is_empty() {
        return unfinished();
    }
    Read::Command(Command { verb: Verb::Change, scope: Scope::Lines(lines), argument: Argument::Changes(changes) })
}

/// Greetings, thanks, names: they do not spoil a decision.
pub(super) fn courtesy(tokens: &[Token], words: &Words, language: &str) -> Option<Read> {
    if tokens.len() > 8 {
        return None;
    }
    let (meaning, length) = words.other_at(tokens, 0, language)?;
    let polite = || {
        let mut at = 0;
        while let Some((_, length)) =
            words.other_at(tokens, at, language).filter(|(found, _)| *found == Meaning::Polite)
        {
            at += length;
        }
        at
    };
    match meaning {
        Meaning::Closing if tokens.len() <= length + 4 && !words.conditional(tokens) => Some(Read::Courtesy("closing")),
        Meaning::Greeting
            if tokens.len() <= length + 5
                && !words.conditional(tokens)
                && words.verb_within(tokens, length, language).is_none() =>
        {
            Some(Read::Courtesy("greeting"))
        }
        Meaning::Polite => {
            let name = tokens.get(polite()..)?;
            // "Thanks, Anna" and "Thanks and regards".
            let named = name.len() <= 3
                && name.iter().all(|token| {
                    token.raw.starts_with(char::is_uppercase)
                        || words.other_at(std::slice::from_ref(token), 0, language).is_some()
                });
            (named && words.verb_within(name, 0, language).is_none() && !words.conditional(name))
                .then_some(Read::Courtesy("thanks"))
        }
        _ => None,
    }
}
