//! The grammar of replies: one command a line, the whole line must match (MAIL.md).
//!
//! What is not clear decides nothing: a condition, a contradiction, a command in the middle of a sentence. Every line is
//! reported with how it was read. The words stand in `words/decision.toml`. It must never know
//! which question is answered, nor whether the verb fits it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::LazyLock;

use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, Serializer};
use unicode_normalization::UnicodeNormalization as _;

use super::{Mail, fill_in, reply, sort};

/// How a reply was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reading {
    pub kind: Kind,
    pub lines: Vec<ReadLine>,
    /// Empty unless `kind` is [`Kind::Decision`].
    pub commands: Vec<Command>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Decision,
    /// Words without a command: kept, decides nothing.
    Comment,
    /// Conditional, contradictory or half a command: decides nothing and is answered.
    Ambiguous,
    /// Written by a machine: decides nothing and is never answered.
    Automatic,
    /// Nothing new was written.
    None,
}

/// A line of the reply and how it was read, for the answer that explains it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReadLine {
    pub text: String,
    pub read_as: String,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Command {
    pub verb: Verb,
    pub scope: Scope,
    pub argument: Argument,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verb {
    Approve,
    Decline,
    /// A question to the supplier.
    Ask,
    Delegate,
    Hold,
    Status,
    Help,
    /// Takes a decline back while its recall is still held.
    Undo,
    /// A supplier's answer to a recall: it was stopped.
    Recalled,
    /// A supplier's answer to a recall: it was not.
    TooLate,
    /// The sales desk lets an order go.
    Release,
    /// The sales desk changes a line.
    Change,
}

/// Which lines a command is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    All,
    /// Those that no other command names.
    Rest,
    /// Positions, ranges of positions (both ends included), article numbers.
    Lines(Vec<Lines>),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lines {
    Position(u32),
    Range(u32, u32),
    /// As written, upper case.
    Sku(String),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    None,
    Text(String),
    /// A bare mail address.
    Address(String),
    For(SignedDuration),
    Changes(Vec<Change>),
}

/// One new value of a line.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Quantity(Decimal),
    Price(Decimal),
    Date(jiff::civil::Date),
    Sku(String),
}

/// Reads a mail: automatic mails decide nothing, whatever they say.
pub fn decide_mail(mail: &Mail, language: &str) -> Reading {
    if sort::sort(mail).is_automatic() {
        let lines = reply::read(mail)
            .visible
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| ReadLine { text: line.to_string(), read_as: "automatic mail".into() })
            .collect();
        return Reading { kind: Kind::Automatic, lines, commands: Vec::new() };
    }
    decide(&reply::read(mail).visible, language)
}

/// Reads the visible reply. `language` is the recipient's (`de`, `pt-BR` ...); its own words count first.
pub fn decide(text: &str, language: &str) -> Reading {
    let words = words();
    let language = language.split(['-', '_']).next().unwrap_or("").to_lowercase();
    let mut lines = Vec::new();
    let mut commands: Vec<Command> = Vec::new();
    let mut closed = false;
    let mut doubts: Vec<(usize, Doubt)> = Vec::new();
    let mut mentions: Vec<Verb> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()).take(500) {
        let read = read_line(line, words, &language);
        let read_as = match read {
            Read::Command(command) => {
                let name = command.to_string();
                commands.push(command);
                name
            }
            Read::Courtesy(kind) => {
                closed |= kind == "closing";
                kind.to_string()
            }
            // Below "Kind regards" stands who wrote, not what.
            Read::Comment | Read::Doubt(_) if closed => "signature".to_string(),
            Read::Comment => {
                mentions.extend(words.mentioned(line, &language));
                "comment".to_string()
            }
            Read::Doubt(doubt) => {
                let name = doubt.to_string();
                doubts.push((lines.len(), doubt));
                name
            }
        };
        lines.push(ReadLine { text: line.to_string(), read_as });
    }
    let kind = if lines.is_empty() {
        Kind::None
    } else if commands.is_empty() {
        let half = doubts.iter().any(|(at, doubt)| {
            *doubt != Doubt::Conditional
                || lines.get(*at).is_some_and(|line: &ReadLine| {
                    words.starts_with_verb(&line.text, &language) || !words.mentioned(&line.text, &language).is_empty()
                })
        });
        let serious = half || !mentions.is_empty();
        if serious { Kind::Ambiguous } else { Kind::Comment }
    } else if let Some(reason) = contradiction(&commands) {
        for line in lines.iter_mut().filter(|line| commands.iter().any(|command| command.to_string() == line.read_as)) {
            line.read_as = format!("{}: {reason}", line.read_as);
        }
        Kind::Ambiguous
    } else if doubts.is_empty() && mentions.iter().all(|verb| commands.iter().any(|command| command.verb == *verb)) {
        Kind::Decision
    } else {
        Kind::Ambiguous
    };
    if kind != Kind::Decision {
        commands.clear();
    }
    Reading { kind, lines, commands }
}

enum Read {
    Command(Command),
    Courtesy(&'static str),
    Comment,
    Doubt(Doubt),
}

/// Why a line makes the whole reply unclear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
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

fn read_line(line: &str, words: &Words, language: &str) -> Read {
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
struct Token {
    /// Folded, without punctuation around.
    word: String,
    raw: String,
}

fn tokens(line: &str) -> Vec<Token> {
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
fn command(tokens: &[Token], words: &Words, language: &str) -> Option<Result<Command, Doubt>> {
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
fn is_number_sign(tokens: &[Token], at: usize) -> bool {
    let numbered = tokens.get(at + 1).is_some_and(|next| next.word.starts_with(|c: char| c.is_ascii_digit()));
    numbered && tokens.get(at).is_some_and(|token| token.word == "no" && token.raw.ends_with('.'))
}

/// `20`, `30-50`, `B63905-BL`.
fn scope_of(token: &Token) -> Option<Lines> {
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
fn with_argument(line: &str, tokens: &[Token], words: &Words, language: &str) -> Option<Read> {
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
fn rest_of(line: &str, tokens: &[Token], count: usize) -> String {
    let mut rest = line;
    for token in tokens.iter().take(count) {
        rest = rest.find(token.raw.as_str()).and_then(|at| rest.get(at + token.raw.len()..)).unwrap_or("");
    }
    rest.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, ':' | ',' | '-')).trim().to_string()
}

fn one_address(line: &str) -> Option<String> {
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
fn duration(tokens: &[Token]) -> Option<SignedDuration> {
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
fn change(line: &str, tokens: &[Token], length: usize, words: &Words, language: &str) -> Read {
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
fn courtesy(tokens: &[Token], words: &Words, language: &str) -> Option<Read> {
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

/// Why commands cannot all hold.
fn contradiction(commands: &[Command]) -> Option<&'static str> {
    let decides = |verb: Verb| !matches!(verb, Verb::Status | Verb::Help);
    for (at, one) in commands.iter().enumerate() {
        for other in commands.iter().skip(at + 1) {
            if !decides(one.verb) || !decides(other.verb) {
                continue;
            }
            let same = one.verb == other.verb;
            // Changes and then the release of the order go together; so do two changes of two lines.
            let together = matches!(
                (one.verb, other.verb),
                (Verb::Change, Verb::Release) | (Verb::Release, Verb::Change) | (Verb::Ask, Verb::Ask)
            );
            if together || same && one.verb != Verb::Change && one.argument == other.argument {
                continue;
            }
            if overlap(&one.scope, &other.scope) {
                return Some("contradicts another line, so nothing is decided");
            }
        }
    }
    None
}

fn overlap(one: &Scope, other: &Scope) -> bool {
    match (one, other) {
        (Scope::All, _) | (_, Scope::All) => true,
        (Scope::Rest, Scope::Rest) => true,
        (Scope::Rest, _) | (_, Scope::Rest) => false,
        (Scope::Lines(one), Scope::Lines(other)) => one.iter().any(|one| other.iter().any(|other| one.meets(other))),
    }
}

impl Lines {
    fn meets(&self, other: &Lines) -> bool {
        let range = |lines: &Lines| match lines {
            Lines::Position(at) => Some((*at, *at)),
            Lines::Range(from, to) => Some((*from, *to)),
            Lines::Sku(_) => None,
        };
        match (range(self), range(other)) {
            (Some((a, b)), Some((c, d))) => a <= d && c <= b,
            (None, None) => self == other,
            // A position and an article may be the same line; whoever knows the order sees it.
            _ => false,
        }
    }
}

impl Scope {
    /// Whether a command names this line. `Rest` and `All` are for the caller, who knows the other commands.
    pub fn names(&self, position: u32, skus: &[&str]) -> bool {
        match self {
            Scope::All => true,
            Scope::Rest => false,
            Scope::Lines(lines) => lines.iter().any(|line| match line {
                Lines::Position(at) => *at == position,
                Lines::Range(from, to) => (*from..=*to).contains(&position),
                Lines::Sku(sku) => skus.iter().any(|known| known.eq_ignore_ascii_case(sku)),
            }),
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verb::Approve => "APPROVE",
            Verb::Decline => "DECLINE",
            Verb::Ask => "ASK",
            Verb::Delegate => "DELEGATE",
            Verb::Hold => "HOLD",
            Verb::Status => "STATUS",
            Verb::Help => "HELP",
            Verb::Undo => "UNDO",
            Verb::Recalled => "RECALLED",
            Verb::TooLate => "TOO LATE",
            Verb::Release => "RELEASE",
            Verb::Change => "CHANGE",
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::All => f.write_str("ALL"),
            Scope::Rest => f.write_str("REST"),
            Scope::Lines(lines) => {
                for (at, line) in lines.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    match line {
                        Lines::Position(position) => write!(f, "{position}")?,
                        Lines::Range(from, to) => write!(f, "{from}-{to}")?,
                        Lines::Sku(sku) => f.write_str(sku)?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Argument::None => Ok(()),
            Argument::Text(text) | Argument::Address(text) => f.write_str(text),
            Argument::For(duration) => match duration.as_hours() {
                hours if hours % 24 == 0 => write!(f, "{}d", hours / 24),
                hours => write!(f, "{hours}h"),
            },
            Argument::Changes(changes) => {
                for (at, change) in changes.iter().enumerate() {
                    if at > 0 {
                        f.write_str(", ")?;
                    }
                    match change {
                        Change::Quantity(value) => write!(f, "qty = {value}")?,
                        Change::Price(value) => write!(f, "price = {value}")?,
                        Change::Date(value) => write!(f, "date = {value}")?,
                        Change::Sku(value) => write!(f, "sku = {value}")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verb)?;
        match (&self.argument, self.verb) {
            (Argument::None, Verb::Status | Verb::Help | Verb::Undo) => Ok(()),
            (Argument::None, _) => write!(f, " {}", self.scope),
            (argument, Verb::Change) => write!(f, " {} {argument}", self.scope),
            (argument, _) => write!(f, " {argument}"),
        }
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Argument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Argument::None => serializer.serialize_none(),
            argument => serializer.collect_str(argument),
        }
    }
}

/// What a word that is no verb means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Meaning {
    Verb(Verb),
    All,
    Rest,
    /// "20 to 50".
    Until,
    Filler,
    Polite,
    Greeting,
    Closing,
}

type Table = BTreeMap<String, Vec<String>>;

#[derive(Deserialize, Default)]
struct File {
    #[serde(default)]
    own: BTreeMap<String, Table>,
    #[serde(flatten)]
    languages: BTreeMap<String, Table>,
}

#[derive(Default)]
struct Words {
    known: HashMap<String, Meaning>,
    own: HashMap<String, HashMap<String, Meaning>>,
    unless: HashSet<String>,
}

/// The most words in one phrase of the file.
const PHRASE_MAX: usize = 5;

fn words() -> &'static Words {
    static WORDS: LazyLock<Words> = LazyLock::new(|| {
        let file: File = toml::from_str(include_str!("words/decision.toml")).unwrap_or_default();
        let mut words = Words::default();
        for table in file.languages.values() {
            for (name, list) in table {
                for word in list.iter().map(|word| phrase(word)) {
                    match meaning(name) {
                        Some(meaning) => drop(words.known.insert(word, meaning)),
                        None => drop(words.unless.insert(word)),
                    }
                }
            }
        }
        for (language, table) in &file.own {
            let own = words.own.entry(language.clone()).or_default();
            for (name, list) in table {
                own.extend(
                    meaning(name).into_iter().flat_map(|meaning| list.iter().map(move |word| (phrase(word), meaning))),
                );
            }
        }
        words
    });
    &WORDS
}

/// A phrase of the file as tokens of a line would spell it.
fn phrase(text: &str) -> String {
    tokens(text).iter().map(|token| token.word.as_str()).collect::<Vec<_>>().join(" ")
}

fn meaning(name: &str) -> Option<Meaning> {
    Some(match name {
        "approve" => Meaning::Verb(Verb::Approve),
        "decline" => Meaning::Verb(Verb::Decline),
        "ask" => Meaning::Verb(Verb::Ask),
        "delegate" => Meaning::Verb(Verb::Delegate),
        "hold" => Meaning::Verb(Verb::Hold),
        "status" => Meaning::Verb(Verb::Status),
        "help" => Meaning::Verb(Verb::Help),
        "undo" => Meaning::Verb(Verb::Undo),
        "recalled" => Meaning::Verb(Verb::Recalled),
        "too_late" => Meaning::Verb(Verb::TooLate),
        "release" => Meaning::Verb(Verb::Release),
        "change" => Meaning::Verb(Verb::Change),
        "all" => Meaning::All,
        "rest" => Meaning::Rest,
        "until" => Meaning::Until,
        "filler" => Meaning::Filler,
        "polite" => Meaning::Polite,
        "greeting" => Meaning::Greeting,
        "closing" => Meaning::Closing,
        _ => return None,
    })
}

impl Words {
    /// The longest phrase that begins at a token.
    fn at(&self, tokens: &[Token], at: usize, language: &str) -> Option<(Meaning, usize)> {
        let own = self.own.get(language);
        (1..=PHRASE_MAX).rev().find_map(|length| {
            let slice = tokens.get(at..at + length)?;
            let text = slice.iter().map(|token| token.word.as_str()).collect::<Vec<_>>().join(" ");
            let found = own.and_then(|own| own.get(&text)).or_else(|| self.known.get(&text))?;
            Some((*found, length))
        })
    }

    fn verb_at(&self, tokens: &[Token], at: usize, language: &str) -> Option<(Verb, usize)> {
        match self.at(tokens, at, language)? {
            (Meaning::Verb(verb), length) => Some((verb, length)),
            _ => None,
        }
    }

    fn other_at(&self, tokens: &[Token], at: usize, language: &str) -> Option<(Meaning, usize)> {
        self.at(tokens, at, language).filter(|(meaning, _)| !matches!(meaning, Meaning::Verb(_)))
    }

    fn verb_within(&self, tokens: &[Token], from: usize, language: &str) -> Option<Verb> {
        (from..tokens.len()).find_map(|at| self.verb_at(tokens, at, language)).map(|(verb, _)| verb)
    }

    /// Verbs of deciding in the middle of other words: the author may have meant to decide. Words as short as "no" stand in
    /// too many sentences to mean anything there.
    fn mentioned(&self, line: &str, language: &str) -> Vec<Verb> {
        let tokens = tokens(line);
        let found = (0..tokens.len()).filter_map(|at| {
            let (verb, length) = self.verb_at(&tokens, at, language)?;
            let long = length > 1 || tokens.get(at).is_some_and(|token| token.word.chars().count() > 3);
            (long && matches!(verb, Verb::Approve | Verb::Decline | Verb::Recalled | Verb::TooLate | Verb::Release))
                .then_some(verb)
        });
        found.collect()
    }

    fn starts_with_verb(&self, line: &str, language: &str) -> bool {
        self.verb_at(&tokens(line), 0, language).is_some()
    }

    fn conditional(&self, tokens: &[Token]) -> bool {
        (0..tokens.len()).any(|at| {
            (1..=2).any(|length| {
                let slice = tokens.get(at..at + length);
                slice.is_some_and(|slice| {
                    self.unless.contains(&slice.iter().map(|token| token.word.as_str()).collect::<Vec<_>>().join(" "))
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(reading: &Reading) -> String {
        let commands: Vec<String> = reading.commands.iter().map(Command::to_string).collect();
        format!("{:?} {}", reading.kind, commands.join("; ")).trim().to_string()
    }

    /// A word with two meanings would decide one thing for one person and another for the next.
    #[test]
    fn no_word_means_two_things() {
        let file: File = toml::from_str(include_str!("words/decision.toml")).unwrap();
        assert_eq!(file.languages.len(), 11);
        let mut seen: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (language, table) in &file.languages {
            for name in ["approve", "decline", "polite", "greeting", "closing", "unless"] {
                assert!(table.get(name).is_some_and(|list| !list.is_empty()), "{language} has no words for {name}");
            }
            for (name, list) in table.iter().filter(|(name, _)| meaning(name).is_some()) {
                for word in list {
                    let folded = phrase(word);
                    assert!(!folded.is_empty() && folded.split(' ').count() <= PHRASE_MAX, "{language}.{name}: {word}");
                    let known = seen.entry(folded).or_insert_with(|| (name.clone(), language.clone()));
                    assert_eq!(known.0, *name, "`{word}` is {name} in {language} and {} in {}", known.0, known.1);
                }
            }
        }
        for table in file.own.values() {
            assert!(table.keys().all(|name| meaning(name).is_some()));
        }
    }

    /// An approver's clear answer would not count, or an unclear one would.
    #[test]
    fn what_decides_and_what_does_not() {
        let mut wrong = Vec::new();
        for (language, text, want) in [
            ("en", "APPROVE", "Decision APPROVE ALL"),
            ("en", "Approved.\nRegards, Anna", "Decision APPROVE ALL"),
            (
                "en",
                "Hi there,\n\nyes, approved!\n\nThanks\nAnna Nilsson\nHead of No Returns\n+49 30 1234",
                "Decision APPROVE ALL",
            ),
            ("en", "Hi,\nyes, approved!\nThanks and best regards\nAnna Nilsson", "Decision APPROVE ALL"),
            ("en", "Hi,\nyes, approved!\nBest regards\nAnna Nilsson\nHead of No Returns", "Decision APPROVE ALL"),
            ("en", "ok thanks Anna", "Decision APPROVE ALL"),
            ("en", "approve all", "Decision APPROVE ALL"),
            ("en", "approve 20, 30-50", "Decision APPROVE 20, 30-50"),
            ("en", "approve lines 20 and 30 to 50\ndecline rest", "Decision APPROVE 20, 30-50; DECLINE REST"),
            ("en", "20: yes\n30: no", "Decision APPROVE 20; DECLINE 30"),
            ("en", "approve B63905-BL", "Decision APPROVE B63905-BL"),
            ("en", "APPROVE\nPlease send it to the new address.", "Decision APPROVE ALL"),
            ("en", "ask when will the rest arrive?", "Decision ASK when will the rest arrive?"),
            ("en", "delegate to Bob <Bob@Shop.example>", "Decision DELEGATE bob@shop.example"),
            ("en", "hold 2d", "Decision HOLD 2d"),
            ("en", "hold 48 hours", "Decision HOLD 2d"),
            ("en", "status", "Decision STATUS"),
            ("en", "help", "Decision HELP"),
            ("en", "RECALLED", "Decision RECALLED ALL"),
            ("en", "TOO LATE", "Decision TOO LATE ALL"),
            (
                "en",
                "RELEASE\nCHANGE line 20 qty = 8 price = 12,50",
                "Decision RELEASE ALL; CHANGE 20 qty = 8, price = 12.50",
            ),
            ("en", "change 20 qty=8\nchange 30 qty=1", "Decision CHANGE 20 qty = 8; CHANGE 30 qty = 1"),
            ("de", "Genehmigt", "Decision APPROVE ALL"),
            ("de", "Ja, einverstanden.\n\nMit freundlichen Grüßen\nAnna", "Decision APPROVE ALL"),
            ("de", "Zeile 20 abgelehnt", "Decision DECLINE 20"),
            ("de", "Nein danke", "Decision DECLINE ALL"),
            ("sv", "Godkänt!\nMvh Anna", "Decision APPROVE ALL"),
            ("sv", "GODKANT", "Decision APPROVE ALL"),
            ("fr", "D'accord, merci", "Decision APPROVE ALL"),
            ("fr", "Refusé.", "Decision DECLINE ALL"),
            ("es", "Sí", "Decision APPROVE ALL"),
            ("it", "Va bene, grazie", "Decision APPROVE ALL"),
            ("nl", "Akkoord", "Decision APPROVE ALL"),
            ("da", "Godkendt\nTak", "Decision APPROVE ALL"),
            ("nb", "Godkjent", "Decision APPROVE ALL"),
            ("fi", "Hyväksytty\nTerveisin Anna", "Decision APPROVE ALL"),
            ("pl", "Zatwierdzam", "Decision APPROVE ALL"),
            ("pl", "Tak", "Decision APPROVE ALL"),
            ("da", "Tak", "Comment"),
            ("de", "approuvé", "Decision APPROVE ALL"),
            ("en", "", "None"),
            ("en", "I am on it, more tomorrow.", "Comment"),
            ("en", "Thanks\nAnna", "Comment"),
            ("en", "yes, but only if the price stays", "Ambiguous"),
            ("en", "APPROVE\nbut only line 20", "Ambiguous"),
            ("en", "APPROVE\nif the price stays", "Ambiguous"),
            ("en", "approve\ndecline", "Ambiguous"),
            ("en", "approve 20\ndecline 10-30", "Ambiguous"),
            ("en", "approve\ndecline 30", "Ambiguous"),
            ("en", "approve or decline", "Ambiguous"),
            ("en", "yes no", "Ambiguous"),
            ("en", "not approved", "Decision DECLINE ALL"),
            ("en", "I do not approve of this at all", "Ambiguous"),
            ("en", "approved?", "Ambiguous"),
            ("en", "approve everything except 20", "Ambiguous"),
            ("en", "I approve this order", "Decision APPROVE ALL"),
            ("en", "We already approved something like this", "Ambiguous"),
            ("en", "approve the day after tomorrow", "Ambiguous"),
            ("en", "hold", "Ambiguous"),
            ("en", "delegate to Bob", "Ambiguous"),
            ("en", "delegate a@b.cc and c@d.ee", "Ambiguous"),
            ("en", "ask", "Ambiguous"),
            ("en", "change 20 qty = many", "Ambiguous"),
            ("en", "change qty = 8", "Ambiguous"),
            ("en", "No. 20", "Comment"),
            ("en", "approve 20\nhold 2d", "Ambiguous"),
            ("de", "ja, aber nicht Zeile 20", "Ambiguous"),
            ("de", "Genehmigt, sofern der Preis bleibt", "Ambiguous"),
            ("sv", "ja men bara rad 20", "Ambiguous"),
            ("fr", "oui mais pas la ligne 20", "Ambiguous"),
        ] {
            let reading = decide(text, language);
            if short(&reading) != want {
                wrong.push(format!("{language}: {text:?}: {} instead of {want}: {:?}", short(&reading), reading.lines));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// The answer that explains how a reply was read would be missing a line.
    #[test]
    fn every_line_is_reported() {
        let reading = decide("Hello,\nAPPROVE 20\nif it arrives\nBest regards\nAnna", "en");
        let lines: Vec<(&str, &str)> =
            reading.lines.iter().map(|line| (line.text.as_str(), line.read_as.as_str())).collect();
        assert_eq!(
            lines,
            [
                ("Hello,", "greeting"),
                ("APPROVE 20", "APPROVE 20"),
                ("if it arrives", "a condition or a limit: decides nothing"),
                ("Best regards", "closing"),
                ("Anna", "signature")
            ]
        );
        let json = serde_json::to_value(decide("approve 20, 30-50", "en")).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"kind": "decision", "lines": [{"text": "approve 20, 30-50", "read_as": "APPROVE 20, 30-50"}], "commands": [{"verb": "APPROVE", "scope": "20, 30-50", "argument": null}]})
        );
    }

    /// A vacation program that quotes the question would approve it.
    #[test]
    fn machines_decide_nothing() {
        let mail = Mail::parse(b"From: a@b.c\nAuto-Submitted: auto-replied\n\nAPPROVE\n");
        assert_eq!(decide_mail(&mail, "en").kind, Kind::Automatic);
        assert!(decide_mail(&mail, "en").commands.is_empty());
        assert_eq!(decide_mail(&Mail::parse(b"From: a@b.c\n\nAPPROVE\n\n> DECLINE\n"), "en").kind, Kind::Decision);
    }
}
