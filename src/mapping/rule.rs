//! What a mapping says, checked and ready to read with. Made by [`super::check`] alone.

use std::collections::BTreeMap;

use regex::Regex;

use super::link::LinkRule;
use super::value::Formats;
use super::words::{self, Language};
use super::xpath::XPath;
use crate::document;
use crate::model::{Field, Habits, MessageKind, PartnerId, ResponseType};

/// One layout of one partner.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// `partner/layout`, by its place on disk.
    pub name: String,
    pub partner: PartnerId,
    pub kind: Kind,
    pub status: Status,
    pub matching: Matching,
    /// The bytes of [match] in the file.
    pub match_span: std::ops::Range<usize>,
    pub source: Source,
    /// Where links may lead; empty for other sources.
    pub link: LinkRule,
    pub formats: Formats,
    pub fields: Vec<FieldRule>,
    pub rows: Option<Rows>,
    pub codes: Codes,
    pub habits: Habits,
    /// The file as it was read, for carets in complaints that come later.
    pub file: String,
    pub text: String,
}

impl Mapping {
    /// Whether it says how many units a price is for.
    pub fn knows_price_basis(&self) -> bool {
        let column = |column: &Column| column.field == Field::PriceBasis;
        self.formats.price_per.is_some()
            || matches!(&self.rows, Some(Rows::Table(table)) if table.columns.iter().any(column))
    }
}

/// What a mail that this mapping reads is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// INITIAL or CONTINUOUS is derived (PROCESS: "Type").
    Response,
    Initial,
    Continuous,
    Order,
    RecallAnswer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// Never asked by the gateway; for `try` and `test`.
    Draft,
    /// Read beside the live one; only reported.
    Shadow,
    #[default]
    Live,
}

/// A regular expression with what was written.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub regex: Regex,
    pub written: String,
}

/// `[match]`: all must hold.
#[derive(Clone, Debug)]
pub struct Matching {
    /// Addresses (`ab@x.example`) and domains (`@x.example`), in lower case.
    pub from: Vec<String>,
    pub subject: Option<Pattern>,
    pub attachment: Option<Pattern>,
    pub contains: Vec<String>,
    pub excludes: Vec<String>,
    pub language: Option<Language>,
}

/// `[source] part`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Text,
    Html,
    Pdf,
    Csv,
    Xlsx,
    Xml,
    /// A page or PDF that the mail links to; fetched by the gateway.
    Link,
}

/// One entry of `[fields]`.
#[derive(Clone, Debug)]
pub struct FieldRule {
    pub field: Field,
    pub select: Select,
    pub whence: Whence,
    pub required: bool,
    /// As shown to people: `fields.order_number label "Ihre Bestellung"`.
    pub rule: String,
}

#[derive(Clone, Debug)]
pub enum Select {
    Label {
        labels: Vec<String>,
        side: Option<Side>,
    },
    Find(Pattern),
    Between {
        start: String,
        end: String,
    },
    Value(String),
    Css {
        selector: String,
        attr: Option<String>,
    },
    XPath(XPath),
    Cell {
        sheet: Option<String>,
        row: usize,
        column: usize,
    },
    /// The whole of the subject or file name.
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Beside,
    Below,
}

/// Where a field is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Whence {
    #[default]
    Source,
    Subject,
    Filename,
    Body,
}

#[derive(Clone, Debug)]
pub enum Rows {
    Table(TableRule),
    Lines(LinesRule),
}

/// `[table]`: lines by column heads.
#[derive(Clone, Debug, Default)]
pub struct TableRule {
    pub start: Option<Pattern>,
    pub first: Option<Pattern>,
    pub more: Option<Pattern>,
    pub skip: Option<Pattern>,
    pub end: Option<Pattern>,
    pub schedule: Option<Pattern>,
    /// Of XML: the elements that are lines.
    pub rows: Option<XPath>,
    pub columns: Vec<Column>,
}

/// One entry of `[table.columns]`.
#[derive(Clone, Debug)]
pub struct Column {
    pub field: Field,
    /// The head and its synonyms; empty = no column, the value is looked for in the whole row.
    pub heads: Vec<String>,
    /// The same as paths below the row's element; of XML only.
    pub paths: Vec<XPath>,
    pub find: Option<Pattern>,
    /// The same in every row.
    pub value: Option<String>,
    /// A label within the row ("Liefertermin:" on its second line).
    pub labels: Vec<String>,
    pub line: CellLine,
    /// `true`: every row must have it. `false`: the column may be missing. Unsaid: the column must
    /// be there, its cells may be empty.
    pub required: Option<bool>,
    pub rule: String,
}

/// Which line of a cell holds the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellLine {
    /// By the field: free words take all lines, everything else the first one that is filled.
    Usual,
    All,
    Nth(usize),
}

/// `[lines]`: lines by patterns.
#[derive(Clone, Debug)]
pub struct LinesRule {
    pub start: Option<Pattern>,
    pub end: Option<Pattern>,
    pub skip: Option<Pattern>,
    pub line: GroupPattern,
    pub more: Vec<GroupPattern>,
    pub schedule: Option<Pattern>,
    /// What every line means and none says: a field, its value, and the rule as shown to people.
    pub values: Vec<(Field, String, String)>,
}

/// A pattern whose named groups are fields.
#[derive(Clone, Debug)]
pub struct GroupPattern {
    pub pattern: Pattern,
    /// The group's number, its field, and the rule as shown to people.
    pub groups: Vec<(usize, Field, String)>,
}

/// `[codes.*]`: the partner's words -> ours, per field.
#[derive(Clone, Debug, Default)]
pub struct Codes {
    pub fields: BTreeMap<Field, Vec<Code>>,
}

#[derive(Clone, Debug)]
pub struct Code {
    /// As written in the mapping.
    pub word: String,
    /// Without case and spaces.
    pub plain: String,
    pub value: String,
    /// For units: so many of `value` are one of `word`.
    pub factor: Option<rust_decimal::Decimal>,
}

impl Mapping {
    /// The price basis column, when prices are for many units.
    pub fn table(&self) -> Option<&TableRule> {
        match &self.rows {
            Some(Rows::Table(table)) => Some(table),
            _ => None,
        }
    }

    /// The layout's part of the name.
    pub fn layout(&self) -> &str {
        self.name.rsplit_once('/').map_or(self.name.as_str(), |(_, layout)| layout)
    }
}

impl Kind {
    pub const NAMES: [(Kind, &'static str); 5] = [
        (Kind::Response, "response"),
        (Kind::Initial, "initial"),
        (Kind::Continuous, "continuous"),
        (Kind::Order, "order"),
        (Kind::RecallAnswer, "recall-answer"),
    ];

    pub fn name(self) -> &'static str {
        Kind::NAMES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    pub fn message_kind(self) -> MessageKind {
        match self {
            Kind::Response | Kind::Initial | Kind::Continuous => MessageKind::Response,
            Kind::Order => MessageKind::Order,
            Kind::RecallAnswer => MessageKind::RecallAnswer,
        }
    }

    pub fn response_type(self) -> Option<ResponseType> {
        match self {
            Kind::Initial => Some(ResponseType::Initial),
            Kind::Continuous => Some(ResponseType::Continuous),
            _ => None,
        }
    }
}

impl Status {
    pub const NAMES: [(Status, &'static str); 3] =
        [(Status::Draft, "draft"), (Status::Shadow, "shadow"), (Status::Live, "live")];
}

impl Source {
    pub const NAMES: [(Source, &'static str); 7] = [
        (Source::Text, "text"),
        (Source::Html, "html"),
        (Source::Pdf, "pdf"),
        (Source::Csv, "csv"),
        (Source::Xlsx, "xlsx"),
        (Source::Xml, "xml"),
        (Source::Link, "link"),
    ];

    pub fn name(self) -> &'static str {
        Source::NAMES.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// Whether a part of this kind is such a source.
    pub fn takes(self, kind: document::Kind) -> bool {
        use document::Kind;
        match self {
            Source::Text => kind == Kind::Text,
            Source::Html => kind == Kind::Html,
            Source::Pdf => kind == Kind::Pdf,
            Source::Csv => kind == Kind::Csv,
            Source::Xlsx => kind == Kind::Xlsx,
            Source::Xml => kind == Kind::Xml,
            Source::Link => matches!(kind, Kind::Html | Kind::Pdf | Kind::Text),
        }
    }
}

impl Pattern {
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }
}

impl Codes {
    /// Our value for a partner's word: the word itself, or the one of our words that stands in the text as
    /// whole words ("storniert (nicht mehr lieferbar)"). `Ok(None)`: none of them. `Err`: two that differ.
    pub fn find(&self, field: Field, text: &str) -> Result<Option<&Code>, String> {
        let Some(codes) = self.fields.get(&field) else { return Ok(None) };
        let plain = words::plain(text);
        if let Some(code) = codes.iter().find(|code| code.plain == plain) {
            return Ok(Some(code));
        }
        // The longest words first, so that "teilweise bestätigt" is not "bestätigt"; what is within a longer
        // one does not count.
        let mut hits: Vec<(usize, usize, &Code)> = Vec::new();
        let mut sorted: Vec<&Code> = codes.iter().filter(|code| !code.plain.is_empty()).collect();
        sorted.sort_by_key(|code| std::cmp::Reverse(code.plain.chars().count()));
        for code in sorted {
            if let Some((start, end)) = whole_words(text, &code.word)
                && !hits.iter().any(|hit| hit.0 <= start && end <= hit.1)
            {
                hits.push((start, end, code));
            }
        }
        let mut values: Vec<&str> = hits.iter().map(|hit| hit.2.value.as_str()).collect();
        values.sort_unstable();
        values.dedup();
        if values.len() > 1 {
            let said: Vec<&str> = hits.iter().map(|hit| hit.2.word.as_str()).collect();
            return Err(format!("it says both `{}`", said.join("` and `")));
        }
        Ok(hits.first().map(|hit| hit.2))
    }
}

/// Where `words` stand in `text` as whole words, whatever their case and spaces; not behind a negation.
fn whole_words(text: &str, words: &str) -> Option<(usize, usize)> {
    let tokens = |text: &str| -> Vec<(usize, String)> {
        let mut found: Vec<(usize, String)> = Vec::new();
        let mut open = false;
        for (at, c) in text.char_indices() {
            let inner = c.is_alphanumeric();
            if inner {
                if !open {
                    found.push((at, String::new()));
                }
                if let Some(last) = found.last_mut() {
                    last.1.extend(c.to_lowercase());
                }
            }
            open = inner;
        }
        found
    };
    let (text, words) = (tokens(text), tokens(words));
    if words.is_empty() || text.len() < words.len() {
        return None;
    }
    text.windows(words.len()).enumerate().find_map(|(index, window)| {
        let equal = window.iter().zip(&words).all(|(a, b)| a.1 == b.1);
        let negated = index
            .checked_sub(1)
            .and_then(|before| text.get(before))
            .is_some_and(|before| words::is_negation(&before.1));
        let (first, last) = (window.first()?, window.last()?);
        (equal && !negated).then(|| (first.0, last.0 + last.1.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(rows: &[(&str, &str)]) -> Codes {
        let rows = rows.iter().map(|(word, value)| Code {
            word: word.to_string(),
            plain: words::plain(word),
            value: value.to_string(),
            factor: None,
        });
        Codes { fields: BTreeMap::from([(Field::Status, rows.collect())]) }
    }

    /// "nicht storniert" read as canceled would send back goods that are on their way.
    #[test]
    fn codes_are_whole_words() {
        let codes = codes(&[
            ("bestätigt", "accepted"),
            ("teilweise bestätigt", "backordered"),
            ("storniert", "canceled"),
            ("Rückstand", "backordered"),
        ]);
        let find = |text: &str| codes.find(Field::Status, text).map(|code| code.map(|code| code.value.clone()));
        assert_eq!(find("Bestätigt "), Ok(Some("accepted".into())));
        assert_eq!(find("storniert (nicht mehr lieferbar)"), Ok(Some("canceled".into())));
        assert_eq!(find("nur teilweise  bestätigt"), Ok(Some("backordered".into())));
        assert_eq!(find("nicht storniert"), Ok(None));
        assert_eq!(find("unbestätigt"), Ok(None));
        assert!(find("bestätigt, Rest storniert").is_err());
        assert_eq!(find("Rückstand, teilweise bestätigt"), Ok(Some("backordered".into())));
    }
}
