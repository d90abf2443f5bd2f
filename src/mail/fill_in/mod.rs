//! The fill-in block of a request for a new response: sent out as text, understood when it comes back.
//!
//! ```text
//! #--- change the values after "=" --- R18342 7Q2K-9MXT-4CHB
//! line 20  B63905-BL  status = accepted  qty = ?  price = 176.80 EUR  date = 2026-12-21
//! #--- end
//! ```
//!
//! It comes back quoted, rewrapped, through HTML, with local decimals; it is understood since we know what we
//! sent: the words in it are ours. A value that could mean two things is a fault, never a guess. It
//! must never know orders.

mod local;

use std::fmt::Write as _;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::decision::fold;
use super::token::Token;
use crate::model::Place;

pub use self::local::{amount, date, decimal};

/// A block to send.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Block {
    /// In the reader's language: `change the values after "="`.
    pub instruction: String,
    /// The response, e.g. `R18342`.
    pub reference: String,
    pub token: String,
    pub rows: Vec<Row>,
}

/// One line of the block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// `None`: about the response as a whole (its order number).
    pub position: Option<u32>,
    pub sku: String,
    /// What is known stands there to be confirmed; `None` is shown as `?`.
    pub values: Vec<(Field, Option<Value>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Status,
    Quantity,
    Price,
    Date,
    Sku,
    /// The number of the order that a response is for.
    Order,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Lower case: `accepted`.
    Word(String),
    Number(Decimal),
    /// With the currency, if one was written.
    Amount(Decimal, Option<String>),
    Date(Date),
}

/// A block that came back.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filled {
    pub reference: String,
    pub token: Option<Token>,
    pub rows: Vec<FilledRow>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct FilledRow {
    pub position: Option<u32>,
    pub sku: Option<String>,
    /// Only what was answered: `?` and nothing are left out.
    pub values: Vec<Entry>,
}

/// One answered value, read or not, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub field: Field,
    pub raw: String,
    /// Or why it cannot be read.
    pub value: Result<Value, String>,
    pub place: Place,
}

/// The block as text; every row on one line.
pub fn render(block: &Block) -> String {
    let mut out = format!("#--- {} --- {} {}\n", block.instruction, block.reference, block.token);
    for row in &block.rows {
        match row.position {
            Some(position) => {
                let _ = write!(out, "line {position}");
            }
            None => out.push_str("order"),
        }
        if !row.sku.is_empty() {
            let _ = write!(out, "  {}", row.sku);
        }
        for (field, value) in &row.values {
            let value = value.as_ref().map_or("?".to_string(), Value::to_string);
            let _ = write!(out, "  {} = {value}", field.name());
        }
        out.push('\n');
    }
    out.push_str("#--- end\n");
    out
}

/// Finds the topmost block in the readable text of a reply ([`super::Mail::readable`]) and reads it. `None` when there
/// is none. Places count lines of that text.
pub fn read(text: &str) -> Option<Filled> {
    let words = words(text);
    let start = words.iter().position(|word| is_mark(&word.text))?;
    let words = words.get(start + 1..)?;
    // The instruction is ours in any language: skip to what follows it.
    let rows = words.iter().enumerate().position(|(at, word)| opens_row(words, at) || is_mark(&word.text))?;
    let head = words.get(..rows)?;
    let token = head
        .iter()
        .rev()
        .find_map(|word| Token::parse(&word.text).filter(|_| word.text.contains(['-', '\u{2011}', '\u{2010}'])));
    let reference = head.iter().rev().map(|word| word.text.as_str()).find(|word| {
        word.starts_with(['R', 'r']) && word.len() > 1 && word.chars().skip(1).all(|c| c.is_ascii_digit())
    });
    let body = words.get(rows..)?;
    let end = body.iter().position(|word| is_mark(&word.text)).unwrap_or(body.len());
    let body = body.get(..end)?;
    Some(Filled { reference: reference.unwrap_or_default().to_ascii_uppercase(), token, rows: read_rows(body) })
}

fn read_rows(words: &[Word]) -> Vec<FilledRow> {
    let starts: Vec<usize> = (0..words.len()).filter(|&at| opens_row(words, at)).take(2_000).collect();
    let ends = starts.iter().skip(1).copied().chain([words.len()]);
    let rows = starts.iter().zip(ends).filter_map(|(&start, end)| words.get(start..end));
    rows.map(read_row).collect()
}

fn read_row(words: &[Word]) -> FilledRow {
    let mut row = FilledRow::default();
    let order = words.first().is_some_and(|word| fold(&word.text) == "order");
    row.position = words.get(1).filter(|_| !order).and_then(|word| number_word(&word.text));
    let first = (1..words.len()).find(|&at| assigns(words, at)).unwrap_or(words.len());
    let sku: Vec<&str> =
        words.get(if order { 1 } else { 2 }..first).unwrap_or_default().iter().map(|word| word.text.as_str()).collect();
    row.sku = Some(sku.join(" ")).filter(|sku| !sku.is_empty());
    let mut at = first;
    while at < words.len() {
        let Some(skip) = assigned(words, at) else { break };
        let name = words.get(at).and_then(|word| field(&word.text));
        let from = at + skip;
        let to = (from..words.len()).find(|&next| assigns(words, next)).unwrap_or(words.len());
        let value = words.get(from..to).unwrap_or_default();
        row.values.extend(name.and_then(|name| entry(name, value)));
        at = to;
    }
    row
}

fn entry(field: Field, words: &[Word]) -> Option<Entry> {
    let raw = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let raw = raw.trim().trim_matches(['"', '“', '”', '\'']).trim().to_string();
    if raw.is_empty() || raw.chars().all(|c| matches!(c, '?' | '_' | '-' | '.')) {
        return None;
    }
    let first = words.first()?;
    let last = words.iter().take_while(|word| word.line == first.line).last().unwrap_or(first);
    let place = Place::text("text", first.line, first.column, last.end);
    Some(Entry { field, value: value(field, &raw), raw, place })
}

fn value(field: Field, raw: &str) -> Result<Value, String> {
    match field {
        Field::Status => Ok(Value::Word(raw.to_lowercase())),
        Field::Sku | Field::Order => Ok(Value::Word(raw.to_string())),
        Field::Quantity => decimal(strip_unit(raw))
            .map(Value::Number)
            .ok_or_else(|| format!("`{raw}` is no number that can be read only one way")),
        Field::Price => amount(raw)
            .map(|(value, currency)| Value::Amount(value, currency))
            .ok_or_else(|| format!("`{raw}` is no price that can be read only one way")),
        Field::Date => date(raw)
            .map(Value::Date)
            .ok_or_else(|| format!("`{raw}` is no date that can be read only one way; write it as 2026-12-21")),
    }
}

/// `8 pcs`: a unit behind a number does no harm.
fn strip_unit(raw: &str) -> &str {
    raw.trim_end_matches(|c: char| c.is_alphabetic() || matches!(c, '.' | ' ' | '\u{a0}')).trim()
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Field::Status => "status",
            Field::Quantity => "qty",
            Field::Price => "price",
            Field::Date => "date",
            Field::Sku => "sku",
            Field::Order => "number",
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Value::Word(word) => f.write_str(word),
            Value::Number(number) => write!(f, "{number}"),
            Value::Amount(amount, Some(currency)) => write!(f, "{amount} {currency}"),
            Value::Amount(amount, None) => write!(f, "{amount}"),
            Value::Date(date) => write!(f, "{date}"),
        }
    }
}

/// The field of a name, ours or as people put it.
pub fn field(name: &str) -> Option<Field> {
    Some(match fold(name.trim_matches(|c: char| !c.is_alphanumeric())).as_str() {
        "status" | "state" | "statut" | "estado" | "stato" | "tila" => Field::Status,
        "qty" | "quantity" | "menge" | "anzahl" | "antal" | "antall" | "quantite" | "qte" | "cantidad" | "quantita"
        | "aantal" | "maara" | "ilosc" | "pcs" => Field::Quantity,
        "price" | "preis" | "pris" | "prix" | "precio" | "prezzo" | "prijs" | "hinta" | "cena" => Field::Price,
        "date" | "datum" | "dato" | "fecha" | "data" | "delivery" | "paiva" | "termin" => Field::Date,
        "sku" | "article" | "artikel" => Field::Sku,
        "number" | "nummer" | "numero" | "numer" => Field::Order,
        _ => return None,
    })
}

/// `qty = 8 price = 12,50`: every name with its text; `None` when something else stands there, or twice the same.
pub fn assignments(text: &str) -> Option<Vec<(Field, String)>> {
    let words = words(text);
    let mut found: Vec<(Field, String)> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let skip = assigned(&words, at)?;
        let name = field(&words.get(at)?.text)?;
        let from = at + skip;
        let to = (from..words.len()).find(|&next| assigns(&words, next)).unwrap_or(words.len());
        let value = words.get(from..to)?.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        let value = value.trim_end_matches([',', ';']).trim().to_string();
        if value.is_empty() || found.iter().any(|(known, _)| *known == name) {
            return None;
        }
        found.push((name, value));
        at = to;
    }
    (!found.is_empty()).then_some(found)
}

/// A word of the text; lines and columns from 1, `end` behind the last character.
#[derive(Clone, Debug, PartialEq)]
struct Word {
    text: String,
    line: usize,
    column: usize,
    end: usize,
}

/// Words without quotation marks of the mail; `=` is a word of its own.
fn words(text: &str) -> Vec<Word> {
    let mut found: Vec<Word> = Vec::new();
    for (number, line) in text.split('\n').enumerate().take(50_000) {
        let mut current: Option<Word> = None;
        let mut leading = true;
        for (column, c) in line.chars().enumerate() {
            let column = column + 1;
            let blank = c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}' | '\u{ad}' | '\u{2060}');
            let mark = leading && matches!(c, '>' | '|');
            leading &= blank || mark;
            if blank || mark || c == '=' {
                found.extend(current.take());
                if c == '=' {
                    found.push(Word { text: "=".to_string(), line: number + 1, column, end: column + 1 });
                }
                continue;
            }
            let word =
                current.get_or_insert_with(|| Word { text: String::new(), line: number + 1, column, end: column });
            word.text.push(c);
            word.end = column + 1;
        }
        found.extend(current);
        if found.len() > 100_000 {
            break;
        }
    }
    found
}

/// `#---`, also with the dashes that word processors make of it.
fn is_mark(text: &str) -> bool {
    let Some(rest) = text.trim_start_matches(['*', '\\']).strip_prefix('#') else { return false };
    let dashes = rest.chars().take_while(|c| matches!(c, '-' | '–' | '—' | '\u{2011}')).count();
    dashes > 0 && dashes == rest.chars().count()
}

/// `line 20`, or `order` with its number to come.
fn opens_row(words: &[Word], at: usize) -> bool {
    let word = |offset: usize| words.get(at + offset).map(|word| word.text.as_str()).unwrap_or_default();
    let name = fold(word(0));
    if name == "order" {
        return (1..=3).any(|offset| field(word(offset)) == Some(Field::Order) && assigns(words, at + offset));
    }
    name == "line" && number_word(word(1)).is_some()
}

fn number_word(text: &str) -> Option<u32> {
    let text = text.trim_end_matches([':', '.', ',']);
    (!text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())?
}

fn assigns(words: &[Word], at: usize) -> bool {
    assigned(words, at).is_some()
}

/// How many words `name =` takes.
fn assigned(words: &[Word], at: usize) -> Option<usize> {
    let name = words.get(at)?;
    field(&name.text)?;
    if words.get(at + 1).is_some_and(|next| next.text == "=" || next.text == ":") {
        return Some(2);
    }
    name.text.ends_with(':').then_some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> Block {
        let number = |text: &str| Some(Value::Number(text.parse().unwrap()));
        Block {
            instruction: "change the values after \"=\"".into(),
            reference: "R18342".into(),
            token: "7Q2K-9MXT-4CHB".into(),
            rows: vec![
                Row { position: None, sku: String::new(), values: vec![(Field::Order, None)] },
                Row {
                    position: Some(20),
                    sku: "B63905-BL".into(),
                    values: vec![
                        (Field::Status, Some(Value::Word("accepted".into()))),
                        (Field::Quantity, None),
                        (Field::Price, Some(Value::Amount("176.80".parse().unwrap(), Some("EUR".into())))),
                        (Field::Date, date("2026-12-21").map(Value::Date)),
                    ],
                },
                Row { position: Some(30), sku: "AB 12".into(), values: vec![(Field::Quantity, number("5"))] },
            ],
        }
    }

    fn told(text: &str) -> String {
        let Some(filled) = read(text) else { return "none".into() };
        let mut out =
            format!("{} {}", filled.reference, filled.token.map(|token| token.to_string()).unwrap_or_default());
        for row in filled.rows {
            let _ = write!(
                out,
                " | {} {}:",
                row.position.map_or("order".into(), |at| at.to_string()),
                row.sku.unwrap_or_default()
            );
            for entry in row.values {
                let value = entry.value.map_or("FAULT".to_string(), |value| value.to_string());
                let _ = write!(out, " {}={value}@{}", entry.field.name(), entry.place);
            }
        }
        out
    }

    /// What we ask would not be what a partner can answer.
    #[test]
    fn the_block_is_readable() {
        let want = "#--- change the values after \"=\" --- R18342 7Q2K-9MXT-4CHB\n\
                    order  number = ?\n\
                    line 20  B63905-BL  status = accepted  qty = ?  price = 176.80 EUR  date = 2026-12-21\n\
                    line 30  AB 12  qty = 5\n\
                    #--- end\n";
        assert_eq!(render(&block()), want);
    }

    /// A partner who filled in the block in any mail client would get the same question again.
    #[test]
    fn it_is_understood_however_it_comes_back() {
        let plain = render(&block()).replace("qty = ?", "qty = 8");
        let want = "R18342 7Q2K-9MXT-4CHB | order : | 20 B63905-BL: status=accepted@text:3:30 qty=8@text:3:46 price=176.80 EUR@text:3:57 date=2026-12-21@text:3:76 | 30 AB 12: qty=5@text:4:23";
        assert_eq!(told(&plain), want);
        let quoted: String = plain.lines().map(|line| format!("> {line}\n")).collect();
        assert!(
            told(&format!("See below\n\n{quoted}")).contains("20 B63905-BL: status=accepted@text:5:32 qty=8@text:5:48")
        );
        for (name, text) in [
            ("rewrapped", plain.replace("  price", "\n  price").replace("R18342 7Q", "R18342\n7Q")),
            (
                "rewrapped and quoted",
                plain.replace("  price", "\nprice").lines().map(|line| format!("> > {line}\n")).collect(),
            ),
            ("one line (HTML)", plain.replace('\n', " ")),
            ("non-breaking blanks", plain.replace("  ", "\u{a0} ").replace(" = ", "\u{a0}=\u{a0}")),
            ("long dashes", plain.replace("#---", "#—-")),
            ("no blanks", plain.replace(" = ", "=")),
            ("local decimals", plain.replace("176.80 EUR", "176,80 €")),
            ("local date", plain.replace("2026-12-21", "21.12.2026")),
            ("a unit", plain.replace("qty = 8", "qty = 8 Stück")),
            ("our block above, the old one below", format!("{plain}\n> {}", render(&block()))),
        ] {
            let told = told(&text);
            let bare: String = told
                .split('@')
                .map(|piece| {
                    piece.split_once(' ').filter(|_| piece.starts_with("text:")).map_or(
                        piece.trim_start_matches(|c: char| {
                            c.is_ascii_digit() || c == ':' || c == 't' || c == 'e' || c == 'x'
                        }),
                        |(_, rest)| rest,
                    )
                })
                .collect::<Vec<_>>()
                .join(" ");
            for value in [
                "R18342 7Q2K-9MXT-4CHB",
                "20 B63905-BL: status=accepted",
                "qty=8",
                "price=176.80 EUR",
                "date=2026-12-21",
                "30 AB 12: qty=5",
            ] {
                assert!(bare.contains(value), "{name}: {value} is not in {told}");
            }
        }
        assert_eq!(told("no block here, line 20 qty = 5"), "none");
        assert!(told(&plain.replace("qty = 8", "qty = 1.234")).contains("qty=FAULT"));
        assert!(told(&plain.replace("2026-12-21", "05/06/2026")).contains("date=FAULT"));
        assert!(told(&plain.replace("number = ?", "number = 4500012345")).contains("order : number=4500012345"));
    }

    /// Twelve and a half would become one hundred and twenty-five.
    #[test]
    fn numbers_are_read_one_way_or_not() {
        for (text, want) in [
            ("8", Some("8")),
            ("12,5", Some("12.5")),
            ("12.50", Some("12.50")),
            ("1.234,50", Some("1234.50")),
            ("1,234.50", Some("1234.50")),
            ("1 234,50", Some("1234.50")),
            ("1'234.50", Some("1234.50")),
            ("1\u{a0}234\u{a0}567", Some("1234567")),
            ("1.234.567", Some("1234567")),
            ("-3", Some("-3")),
            ("0.125", Some("0.125")),
            ("1234.567", Some("1234.567")),
            ("12,-", Some("12")),
            ("1.234", None),
            ("1,234", None),
            ("", None),
            ("x", None),
            ("1.2.3", None),
            ("1,2.3,4", None),
            (",5", None),
            ("5,", None),
            ("1e5", None),
            ("1.23.456", None),
            ("99999999999999999999999999999", None),
        ] {
            assert_eq!(decimal(text).map(|value| value.to_string()).as_deref(), want, "{text}");
        }
        for (text, want) in [
            ("176,80 EUR", "176.80 EUR"),
            ("€ 5", "5 EUR"),
            ("kr 12,50", "12.50"),
            ("SEK 1 200,00", "1200.00 SEK"),
            ("5", "5"),
            ("5 pcs each", "none"),
            ("EUR 5 net", "none"),
            ("free", "none"),
        ] {
            assert_eq!(
                amount(text).map_or("none".to_string(), |(value, currency)| Value::Amount(value, currency).to_string()),
                want,
                "{text}"
            );
        }
        for (text, want) in [
            ("2026-12-21", Some("2026-12-21")),
            ("21.12.2026", Some("2026-12-21")),
            ("1.2.26", Some("2026-02-01")),
            ("21/12/2026", Some("2026-12-21")),
            ("12/21/2026", Some("2026-12-21")),
            ("05/05/2026", Some("2026-05-05")),
            ("05/06/2026", None),
            ("31.2.2026", None),
            ("soon", None),
            ("2026", None),
        ] {
            assert_eq!(date(text).map(|date| date.to_string()).as_deref(), want, "{text}");
        }
    }
}
