//! The shape of a mapping file as a JSON Schema, so that editors complete and explain it
//! (`#:schema ../../schema/mapping.schema.json`). The checks themselves are [`super::check`]; a test
//! holds the two against each other.

#![allow(dead_code, reason = "read by schemars alone")]

use std::collections::BTreeMap;

use schemars::JsonSchema;

/// One layout of one partner: which mails it reads and where the values stand.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields, title = "Postern mapping")]
struct File {
    /// The partner's name in the configuration, and of the folder that the file lies in.
    partner: String,
    kind: Kind,
    /// `draft`: never asked by the gateway. `shadow`: read beside the live one, only reported. Default `live`.
    status: Option<Status>,
    /// For people.
    note: Option<String>,
    r#match: Match,
    source: Source,
    formats: Option<Formats>,
    fields: Option<BTreeMap<HeadField, FieldRule>>,
    table: Option<Table>,
    lines: Option<Lines>,
    codes: Option<Codes>,
    line: Option<Line>,
}

/// What a mail that this mapping reads is. `response`: INITIAL or CONTINUOUS is derived from the order.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Kind {
    Response,
    Initial,
    Continuous,
    Order,
    RecallAnswer,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Status {
    Draft,
    Shadow,
    Live,
}

/// All of these must hold for a mail to be read by this mapping.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Match {
    /// Addresses (`ab@partner.example`) or domains (`@partner.example`) of the sender.
    from: OneOrMore,
    /// A regular expression found in the subject.
    subject: Option<String>,
    /// A regular expression found in the attachment's name; only such attachments are read.
    attachment: Option<String>,
    /// Words that all stand in the source.
    contains: Option<OneOrMore>,
    /// Words none of which stands in the source.
    excludes: Option<OneOrMore>,
    language: Option<Language>,
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Source {
    /// What is read. Two fitting attachments are two messages.
    part: Part,
    /// Hosts that a link may lead to, redirects included: `portal.example.com`, `*.example.com`. Needed for links.
    hosts: Option<OneOrMore>,
    /// Which links are meant; all to these hosts without it.
    url: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Part {
    Text,
    Html,
    Pdf,
    Csv,
    Xlsx,
    Xml,
    Link,
}

/// How the partner writes numbers and dates.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Formats {
    decimal: Option<DecimalSign>,
    /// The signs between groups of three digits. Default: all usual ones but the decimal sign.
    thousands: Option<OneOrMore>,
    /// Date patterns of %d %m %Y %y %B %b %A %a %V %G, e.g. `%d.%m.%Y`.
    date: Option<OneOrMore>,
    /// The language of month and day names.
    locale: Option<Language>,
    /// ISO 4217; the currency when the mail does not name one.
    currency: Option<String>,
    /// Prices are for so many units: a number, or the head of the column that says it.
    price_per: Option<NumberOrHeads>,
    /// Words that say nothing, as if the cell were empty.
    empty: Option<OneOrMore>,
}

#[derive(JsonSchema)]
enum DecimalSign {
    #[schemars(rename = ",")]
    Comma,
    #[schemars(rename = ".")]
    Point,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Language {
    Da,
    De,
    En,
    Es,
    Fi,
    Fr,
    It,
    Nb,
    Nl,
    Pl,
    Sv,
}

/// Where one value of the head stands. Exactly one of label, find, between, value, css, xpath, cell.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FieldRule {
    /// The words before or above the value.
    label: Option<OneOrMore>,
    /// Where the value stands from its label; both are tried when left out.
    side: Option<Side>,
    /// A regular expression with one group: the value.
    find: Option<String>,
    /// The words before the value and those behind it; `""` as the second is the end of the line.
    between: Option<[String; 2]>,
    /// A constant.
    value: Option<String>,
    /// A CSS selector (html).
    css: Option<String>,
    /// The attribute to take instead of the text (with `css`).
    attr: Option<String>,
    /// A path such as `/Order/ID` or `//Line[@type='a']/@no` (xml).
    xpath: Option<String>,
    /// A cell such as `B4` or `Sheet1!B4` (csv, xlsx).
    cell: Option<String>,
    /// Where to look instead of the source.
    from: Option<Whence>,
    /// `false`: the value may be missing. Default `true`.
    required: Option<bool>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Side {
    Beside,
    Below,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Whence {
    Subject,
    Filename,
    Body,
}

/// The lines, by the heads of their columns.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Table {
    /// The heads are looked for from this line on.
    start: Option<String>,
    /// A row that begins a line. Default: one that fills the position's column (or a number's, without positions).
    first: Option<String>,
    /// A row that continues a line.
    more: Option<String>,
    /// Rows left out.
    skip: Option<String>,
    /// The row behind the last line.
    end: Option<String>,
    /// Several deliveries within a row: the groups `quantity` and `date`.
    schedule: Option<String>,
    /// Of XML only: the path of the elements that are lines, e.g. `//Line`; columns are paths below them (`Item/SKU`, `Qty/@unit`).
    rows: Option<String>,
    columns: BTreeMap<LineField, Column>,
}

/// The head of a column and its synonyms, or more to say of it.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Column {
    Heads(OneOrMore),
    Rule(ColumnRule),
}

#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ColumnRule {
    /// The head and its synonyms.
    column: Option<OneOrMore>,
    /// A regular expression with one group, within the cell; without `column`, within the whole row.
    find: Option<String>,
    /// A label within the whole row.
    label: Option<OneOrMore>,
    /// Which line of the cell: 1, 2 ... or `all`.
    line: Option<LineOrAll>,
    /// The same in every row.
    value: Option<String>,
    /// `true`: every row must have it. `false`: the column itself may be missing.
    required: Option<bool>,
}

/// The lines, by patterns.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Lines {
    /// The line before the first one.
    start: Option<String>,
    /// A regular expression whose named groups are fields, e.g. `(?<position>\d+)`.
    line: String,
    /// The same for the lines that continue one.
    more: Option<OneOrMore>,
    /// Lines left out.
    skip: Option<String>,
    /// The line behind the last one.
    end: Option<String>,
    /// Several deliveries within a line: the groups `quantity` and `date`.
    schedule: Option<String>,
    /// What every line means that does not say it, e.g. `quantity_confirmed = "1"`.
    values: Option<BTreeMap<LineField, String>>,
}

/// The partner's words -> ours, per field.
#[derive(JsonSchema)]
struct Codes {
    status: Option<BTreeMap<String, LineStatus>>,
    state: Option<BTreeMap<String, HeadState>>,
    /// RCL codes.
    reason: Option<BTreeMap<String, String>>,
    unit: Option<BTreeMap<String, Unit>>,
    currency: Option<BTreeMap<String, String>>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum LineStatus {
    Accepted,
    Unchanged,
    Changed,
    Backordered,
    Canceled,
    Added,
}

#[derive(JsonSchema)]
enum HeadState {
    #[schemars(rename = "ACC")]
    Accepted,
    #[schemars(rename = "AWC")]
    AcceptedWithChanges,
    #[schemars(rename = "CAN")]
    Canceled,
    #[schemars(rename = "AB")]
    Received,
}

/// Our unit, or our unit with how many of it make one of theirs.
#[derive(JsonSchema)]
#[schemars(untagged)]
enum Unit {
    Same(String),
    Times { unit: String, factor: f64 },
}

/// How this partner says things.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Line {
    backorder: Option<Backorder>,
    /// What a position means that is not mentioned. Default `unchanged`.
    missing: Option<Missing>,
}

/// How a partial backorder is written. `accepted+rest` (or `rest`): one line, quantity = accepted.
/// `backordered-only`: one line, quantity = backordered. `two-lines`, `two-lines-partial`: two lines.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
enum Backorder {
    #[schemars(rename = "accepted+rest")]
    AcceptedRest,
    Rest,
    BackorderedOnly,
    TwoLines,
    TwoLinesPartial,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
enum Missing {
    Unchanged,
    Accepted,
    Canceled,
    Error,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum NumberOrHeads {
    Number(u64),
    Head(String),
    Heads(Vec<String>),
}

#[derive(JsonSchema)]
#[schemars(untagged)]
enum LineOrAll {
    Line(u8),
    All(String),
}

/// A field of the head.
struct HeadField;
/// A field of a line.
struct LineField;

macro_rules! field_schema {
    ($name:ident, $not:ident) => {
        impl JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                use crate::model::message::{Field, Where};
                let names: Vec<&str> = Field::ALL.iter().filter(|row| row.3 != Where::$not).map(|row| row.1).collect();
                schemars::json_schema!({ "type": "string", "enum": names })
            }
        }
        impl PartialEq for $name {
            fn eq(&self, _: &$name) -> bool {
                true
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &$name) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, _: &$name) -> std::cmp::Ordering {
                std::cmp::Ordering::Equal
            }
        }
    };
}

field_schema!(HeadField, Line);
field_schema!(LineField, Head);

/// The JSON Schema, as it stands in `schema/mapping.schema.json`.
pub fn schema() -> String {
    let schema = schemars::schema_for!(File);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An editor that completes with last month's schema would underline what is right.
    #[test]
    fn the_schema_file_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema/mapping.schema.json");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::create_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
            std::fs::write(path, schema()).unwrap();
        }
        let file = std::fs::read_to_string(path).unwrap_or_default();
        assert!(file == schema(), "run `postern mapping schema > schema/mapping.schema.json`");
    }

    /// A key that the schema offers and the check refuses (or the other way) sends admins in circles.
    #[test]
    fn the_schema_knows_the_keys_of_the_check() {
        let schema: serde_json::Value = serde_json::from_str(&schema()).unwrap();
        for (table, definition) in [
            ("", ""),
            ("[match]", "Match"),
            ("[source]", "Source"),
            ("[formats]", "Formats"),
            ("[fields]", "FieldRule"),
            ("[table]", "Table"),
            ("[table.columns]", "ColumnRule"),
            ("[lines]", "Lines"),
            ("[line]", "Line"),
        ] {
            let object = if definition.is_empty() { &schema } else { &schema["$defs"][definition] };
            let mut offered: Vec<&str> = object["properties"].as_object().unwrap().keys().map(String::as_str).collect();
            let mut known = super::super::check::KEYS.iter().find(|row| row.0 == table).unwrap().1.to_vec();
            offered.sort_unstable();
            known.sort_unstable();
            assert_eq!(offered, known, "{table}");
        }
    }
}
