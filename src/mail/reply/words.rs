//! The words by which clients mark what is not new, from `words/reply.toml`, and how lines are compared with them.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    From = 0,
    Date = 1,
    To = 2,
    Copy = 3,
    Subject = 4,
    Other = 5,
}

/// For comparing: lower case, no marks around, single blanks.
pub(super) fn fold_line(text: &str) -> String {
    let inner = text.trim_start_matches(['<', '(']).trim_matches(|c: char| {
        matches!(c, '-' | '*' | '_' | ' ' | '>' | ':' | '：' | '"' | '[' | ']' | '/' | '=' | '|' | '#' | '~')
    });
    inner.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Deserialize, Default)]
pub(super) struct File {
    pub(super) fields: HashMap<String, Vec<String>>,
    pub(super) attribution: Attribution,
    pub(super) dividers: Dividers,
    pub(super) devices: Devices,
    pub(super) notices: Notices,
}

#[derive(Deserialize, Default)]
pub(super) struct Attribution {
    pub(super) verbs: Vec<String>,
    pub(super) openers: Vec<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Dividers {
    pub(super) words: Vec<String>,
    pub(super) reply_above: Vec<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Devices {
    pub(super) sure: Vec<String>,
    pub(super) last: Vec<String>,
    pub(super) things: Vec<String>,
}

#[derive(Deserialize, Default)]
pub(super) struct Notices {
    pub(super) below: Vec<String>,
    pub(super) above: Vec<String>,
}

#[derive(Default)]
pub(super) struct Words {
    pub(super) file: File,
    pub(super) fields: HashMap<String, FieldKind>,
}

/// The words of `words/reply.toml`, read once; a test keeps the file readable.
pub(super) fn words() -> &'static Words {
    static WORDS: LazyLock<Words> = LazyLock::new(|| {
        let file: File = toml::from_str(include_str!("../words/reply.toml")).unwrap_or_default();
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
    pub(super) fn verb_at_end<'a>(&self, line: &'a str) -> Option<&'a str> {
        self.file.attribution.verbs.iter().find_map(|verb| {
            let before = line.strip_suffix(verb.as_str())?;
            let bounded = before.is_empty()
                || !before.ends_with(char::is_alphanumeric)
                || !verb.is_ascii() && !verb.starts_with(|c: char| c.is_alphabetic() && (c as u32) < 0x500);
            bounded.then_some(before.trim_end())
        })
    }

    pub(super) fn verb_within(&self, line: &str) -> bool {
        let padded = format!(" {line} ");
        self.file.attribution.verbs.iter().any(|verb| padded.contains(&format!(" {verb} ")))
    }

    pub(super) fn opens(&self, line: &str) -> bool {
        self.file
            .attribution
            .openers
            .iter()
            .any(|opener| line.strip_prefix(opener.as_str()).is_some_and(|rest| rest.starts_with([' ', '.', ','])))
    }

    pub(super) fn device(&self, line: &str, bottom: bool) -> bool {
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

    pub(super) fn notice_below(&self, line: &str) -> bool {
        let folded = fold_line(line.get(..floor(line, 120)).unwrap_or(line));
        self.file.notices.below.iter().any(|phrase| folded.starts_with(phrase.trim_end()))
    }

    pub(super) fn notice_above(&self, line: &str) -> bool {
        let folded = line.trim_start_matches(['*', '_', ' ', '⚠', '\u{fe0f}', '!']).to_lowercase();
        self.file.notices.above.iter().any(|phrase| folded.starts_with(phrase.as_str()))
    }
}

pub(super) fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
