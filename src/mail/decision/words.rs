//! What words mean, from `words/decision.toml`: one meaning each, in all languages together.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::Verb;
use super::line::{Token, tokens};

/// What a word that is no verb means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Meaning {
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

pub(super) type Table = BTreeMap<String, Vec<String>>;

#[derive(Deserialize, Default)]
pub(super) struct File {
    #[serde(default)]
    pub(super) own: BTreeMap<String, Table>,
    #[serde(flatten)]
    pub(super) languages: BTreeMap<String, Table>,
}

#[derive(Default)]
pub(super) struct Words {
    pub(super) known: HashMap<String, Meaning>,
    pub(super) own: HashMap<String, HashMap<String, Meaning>>,
    pub(super) unless: HashSet<String>,
}

/// The most words in one phrase of the file.
pub(super) const PHRASE_MAX: usize = 5;

pub(super) fn words() -> &'static Words {
    static WORDS: LazyLock<Words> = LazyLock::new(|| {
        let file: File = toml::from_str(include_str!("../words/decision.toml")).unwrap_or_default();
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
pub(super) fn phrase(text: &str) -> String {
    tokens(text).iter().map(|token| token.word.as_str()).collect::<Vec<_>>().join(" ")
}

pub(super) fn meaning(name: &str) -> Option<Meaning> {
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
    pub(super) fn at(&self, tokens: &[Token], at: usize, language: &str) -> Option<(Meaning, usize)> {
        let own = self.own.get(language);
        (1..=PHRASE_MAX).rev().find_map(|length| {
            let slice = tokens.get(at..at + length)?;
            let text = slice.iter().map(|token| token.word.as_str()).collect::<Vec<_>>().join(" ");
            let found = own.and_then(|own| own.get(&text)).or_else(|| self.known.get(&text))?;
            Some((*found, length))
        })
    }

    pub(super) fn verb_at(&self, tokens: &[Token], at: usize, language: &str) -> Option<(Verb, usize)> {
        match self.at(tokens, at, language)? {
            (Meaning::Verb(verb), length) => Some((verb, length)),
            _ => None,
        }
    }

    pub(super) fn other_at(&self, tokens: &[Token], at: usize, language: &str) -> Option<(Meaning, usize)> {
        self.at(tokens, at, language).filter(|(meaning, _)| !matches!(meaning, Meaning::Verb(_)))
    }

    pub(super) fn verb_within(&self, tokens: &[Token], from: usize, language: &str) -> Option<Verb> {
        (from..tokens.len()).find_map(|at| self.verb_at(tokens, at, language)).map(|(verb, _)| verb)
    }

    /// Verbs of deciding in the middle of other words: the author may have meant to decide. Words as short as "no" stand in
    /// too many sentences to mean anything there.
    pub(super) fn mentioned(&self, line: &str, language: &str) -> Vec<Verb> {
        let tokens = tokens(line);
        let found = (0..tokens.len()).filter_map(|at| {
            let (verb, length) = self.verb_at(&tokens, at, language)?;
            let long = length > 1 || tokens.get(at).is_some_and(|token| token.word.chars().count() > 3);
            (long && matches!(verb, Verb::Approve | Verb::Decline | Verb::Recalled | Verb::TooLate | Verb::Release))
                .then_some(verb)
        });
        found.collect()
    }

    pub(super) fn starts_with_verb(&self, line: &str, language: &str) -> bool {
        self.verb_at(&tokens(line), 0, language).is_some()
    }

    pub(super) fn conditional(&self, tokens: &[Token]) -> bool {
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
