//! The grammar of replies: one command a line, the whole line must match (MAIL.md).
//!
//! What is not clear decides nothing: a condition, a contradiction, a command in the middle of a sentence. Every line is
//! reported with how it was read. The words stand in `words/decision.toml`. It must never know
//! which question is answered, nor whether the verb fits it.

pub mod digest;
mod line;
mod words;

use std::fmt;

use jiff::SignedDuration;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize, Serializer};

use self::line::{Doubt, Read, read_line};
use self::words::words;
use super::{Mail, reply, sort};

pub use self::line::fold;

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::words::{File, PHRASE_MAX, meaning, phrase};
    use super::*;

    fn short(reading: &Reading) -> String {
        let commands: Vec<String> = reading.commands.iter().map(Command::to_string).collect();
        format!("{:?} {}", reading.kind, commands.join("; ")).trim().to_string()
    }

    /// A word with two meanings would decide one thing for one person and another for the next.
    #[test]
    fn no_word_means_two_things() {
        let file: File = toml::from_str(include_str!("../words/decision.toml")).unwrap();
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
