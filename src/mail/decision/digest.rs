//! A reply to a mail with several questions: which lines answer which question. A line names its question by the label
//! (`R12`), alone above its commands or within one; `APPROVE ALL` answers every question when no line names one, `APPROVE REST`
//! those that no line names, unless it may as well mean the rest of a question's lines. A command that names no question
//! decides nothing.

use std::collections::BTreeMap;

use super::line::{Read, read_line, tokens};
use super::words::{Meaning, words};
use super::{Kind, ReadLine, Scope, Verb, decide};

/// A reply taken apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// What was said to each question, without its label; read each by [`decide`].
    pub named: BTreeMap<String, String>,
    /// A command names no question, or the reply contradicts itself: nothing may be decided.
    pub unclear: bool,
    /// Each line and how it was read.
    pub lines: Vec<ReadLine>,
}

/// Takes a visible reply apart by the labels of the questions.
pub fn split(text: &str, labels: &[String], language: &str) -> Split {
    let language = language.split(['-', '_']).next().unwrap_or("").to_lowercase();
    let mut split = Split::default();
    let mut heading: Vec<String> = Vec::new();
    let mut loose = String::new();
    let mut across: Option<Across> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()).take(500) {
        let (found, rest) = labelled(line, labels);
        let bare = rest.chars().all(|c| !c.is_alphanumeric());
        let read_as = match (found.is_empty(), bare, heading.is_empty()) {
            (false, true, _) => {
                let name = found.join(", ");
                heading = found;
                name
            }
            (false, false, _) => {
                heading.clear();
                let said = read_of(&rest, &language);
                let name = format!("{}: {said}", found.join(", "));
                say(&mut split, &found, &rest);
                name
            }
            (true, _, false) => {
                let said = read_of(line, &language);
                let name = format!("{}: {said}", heading.join(", "));
                say(&mut split, &heading, line);
                name
            }
            (true, _, true) => match Across::of(line, &language) {
                Some(said) if across.as_ref().is_none_or(|known| *known == said) => {
                    let name = said.to_string();
                    across = Some(said);
                    name
                }
                _ => {
                    loose.push_str(line);
                    loose.push('\n');
                    match decide(line, &language).kind {
                        Kind::Decision => {
                            format!("{}: names no question, so nothing is decided", verbs(line, &language))
                        }
                        _ => read_of(line, &language),
                    }
                }
            },
        };
        split.lines.push(ReadLine { text: line.to_string(), read_as });
    }
    split.unclear = matches!(decide(&loose, &language).kind, Kind::Decision | Kind::Ambiguous);
    if let Some(across) = across {
        split.unclear |= match across.rest {
            false => !split.named.is_empty(),
            true => split.named.values().any(|said| names_lines(said, &language)),
        };
        for label in labels {
            split.named.entry(label.clone()).or_insert_with(|| across.verb.clone());
        }
    }
    if split.unclear {
        split.named.clear();
    }
    split
}

fn say(split: &mut Split, labels: &[String], text: &str) {
    for label in labels {
        let said = split.named.entry(label.clone()).or_default();
        said.push_str(text);
        said.push('\n');
    }
}

fn read_of(line: &str, language: &str) -> String {
    decide(line, language).lines.into_iter().map(|line| line.read_as).collect::<Vec<_>>().join(", ")
}

fn verbs(line: &str, language: &str) -> String {
    decide(line, language).commands.iter().map(|command| command.verb.to_string()).collect::<Vec<_>>().join(", ")
}

/// The labels in a line, as they are known, and the line without them.
fn labelled(line: &str, labels: &[String]) -> (Vec<String>, String) {
    let mut found: Vec<String> = Vec::new();
    let mut rest = Vec::new();
    for word in line.split_whitespace() {
        let inner = word.trim_matches(|c: char| !c.is_alphanumeric());
        match labels.iter().find(|label| label.eq_ignore_ascii_case(inner)) {
            Some(label) => {
                if !found.contains(label) {
                    found.push(label.clone());
                }
            }
            None => rest.push(word),
        }
    }
    let rest = rest.join(" ");
    (found, rest.trim_start_matches([':', ',', '-', '–']).trim().to_string())
}

/// A command for every question, or for all that no line names.
#[derive(Clone, Debug, PartialEq)]
struct Across {
    verb: String,
    rest: bool,
}

impl std::fmt::Display for Across {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, if self.rest { "REST" } else { "ALL" })
    }
}

impl Across {
    /// `APPROVE ALL`, where ALL is said, or `APPROVE REST`.
    fn of(line: &str, language: &str) -> Option<Across> {
        let Read::Command(command) = read_line(line, words(), language) else { return None };
        let verb = command.verb.to_string();
        let tokens = tokens(line);
        let says_all = (0..tokens.len())
            .any(|at| words().other_at(&tokens, at, language).is_some_and(|(meaning, _)| meaning == Meaning::All));
        let decides = matches!(command.verb, Verb::Approve | Verb::Decline);
        match command.scope {
            Scope::All if says_all => Some(Across { verb, rest: false }),
            Scope::Rest if decides => Some(Across { verb, rest: true }),
            _ => None,
        }
    }
}

/// Whether single lines of a question are named, so that a rest may be theirs.
fn names_lines(said: &str, language: &str) -> bool {
    decide(said, language).commands.iter().any(|command| command.scope != Scope::All)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> (Vec<String>, bool) {
        let labels = ["R12".to_string(), "R13".to_string(), "R131".to_string()];
        let split = split(text, &labels, "de");
        (split.named.iter().map(|(label, said)| format!("{label}: {}", said.trim())).collect(), split.unclear)
    }

    /// An answer to one question would decide another, or a command that names none would decide whichever comes first.
    #[test]
    fn lines_find_their_questions() {
        let cases: [(&str, &[&str], bool); 21] = [
            ("R12 APPROVE", &["R12: APPROVE"], false),
            ("APPROVE R12", &["R12: APPROVE"], false),
            ("r12: genehmigt\nR13: DECLINE 20", &["R12: genehmigt", "R13: DECLINE 20"], false),
            (
                "R12\nAPPROVE\n\nR13\nDECLINE 20\nAPPROVE REST",
                &["R12: APPROVE", "R13: DECLINE 20\nAPPROVE REST"],
                false,
            ),
            ("APPROVE R12, R13", &["R12: APPROVE", "R13: APPROVE"], false),
            ("Hallo,\nR131 APPROVE\nViele Grüße\nAnna", &["R131: APPROVE"], false),
            ("APPROVE ALL", &["R12: APPROVE", "R13: APPROVE", "R131: APPROVE"], false),
            ("alle genehmigt", &["R12: APPROVE", "R13: APPROVE", "R131: APPROVE"], false),
            ("APPROVE", &[], true),
            ("R12 APPROVE\nDECLINE", &[], true),
            ("R12 APPROVE\nDECLINE ALL", &[], true),
            ("APPROVE ALL\nDECLINE ALL", &[], true),
            ("APPROVE REST", &["R12: APPROVE", "R13: APPROVE", "R131: APPROVE"], false),
            ("R12 DECLINE\nAPPROVE REST", &["R12: DECLINE", "R13: APPROVE", "R131: APPROVE"], false),
            ("Rest genehmigt\nR131: ASK why?", &["R12: APPROVE", "R13: APPROVE", "R131: ASK why?"], false),
            ("R12 APPROVE 20\nDECLINE REST", &[], true),
            ("APPROVE ALL\nDECLINE REST", &[], true),
            ("APPROVE REST\nDECLINE REST", &[], true),
            ("R99 APPROVE", &[], true),
            ("ich schaue es mir morgen an", &[], false),
            ("", &[], false),
        ];
        for (text, named, unclear) in cases {
            assert_eq!(told(text), (named.iter().map(ToString::to_string).collect(), unclear), "{text}");
        }
        let contradicting = split("R12 APPROVE\nR12 DECLINE", &["R12".to_string()], "en");
        assert_eq!(decide(&contradicting.named["R12"], "en").kind, Kind::Ambiguous);
        let loose = split("APPROVE", &["R12".to_string()], "en");
        assert_eq!(loose.lines[0].read_as, "APPROVE: names no question, so nothing is decided");
    }
}
