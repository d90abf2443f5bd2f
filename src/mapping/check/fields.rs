//! `[fields]`: where one value of the head stands.

use super::*;

pub(super) fn fields(sink: &mut Sink<'_>, value: &Value<'_>, source: Option<Source>) -> Vec<FieldRule> {
    let Some(table) = sink.table("[fields]", value) else { return Vec::new() };
    let mut rules = Vec::new();
    for (key, span, value) in table.entries() {
        let Some(field) = sink.field(key, span.clone(), "MAP006") else { continue };
        if field.stands() == Where::Line {
            let help = "it belongs in [table.columns] or [lines]".to_string();
            sink.error_help(
                "MAP007",
                span.clone(),
                format!("`{key}` is a field of a line"),
                "not of the head",
                Some(help),
            );
            continue;
        }
        if let Some(rule) = field_rule(sink, field, value, source) {
            rules.push(rule);
        }
    }
    rules
}

const SELECTORS: [&str; 7] = ["label", "find", "between", "value", "css", "xpath", "cell"];

fn field_rule(sink: &mut Sink<'_>, field: Field, value: &Value<'_>, source: Option<Source>) -> Option<FieldRule> {
    let name = format!("fields.{}", field.name());
    let table = sink.table(&name, value)?;
    table.only(sink, keys("[fields]"));
    let chosen: Vec<&(&str, Range<usize>, &Value<'_>)> =
        table.entries().filter(|entry| SELECTORS.contains(&entry.0)).collect();
    if let [first, second, ..] = chosen.as_slice() {
        let message = format!("`{}` and `{}` exclude one another", first.0, second.0);
        sink.error("MAP008", second.1.clone(), message, format!("{name} has `{}` already", first.0));
        return None;
    }
    let whences = [(Whence::Subject, "subject"), (Whence::Filename, "filename"), (Whence::Body, "body")];
    let whence = match table.get("from") {
        Some(value) => sink.word("from", value, &whences)?,
        None => Whence::Source,
    };
    for (key, only) in [("side", "label"), ("attr", "css")] {
        if let Some(entry) = table.entries().find(|entry| entry.0 == key)
            && table.get(only).is_none()
        {
            sink.error(
                "MAP008",
                entry.1.clone(),
                format!("`{key}` belongs to `{only}`"),
                format!("there is no `{only}` here"),
            );
        }
    }
    let mut rule = name.clone();
    let select = match chosen.first() {
        None if matches!(whence, Whence::Subject | Whence::Filename) => Select::Whole,
        None => {
            let message = format!("{name} does not say where the value stands");
            let help = format!("one of {}", SELECTORS.join(", "));
            sink.error_help("MAP008", value.span(), message, "no selector", Some(help));
            return None;
        }
        Some((key, key_span, value)) => {
            let select = selector(sink, &name, key, value, &table)?;
            fits(sink, key, key_span.clone(), source, whence);
            let shown = sink.text.get(value.span()).unwrap_or_default();
            rule = format!("{name} {key} {}", shorten(shown));
            select
        }
    };
    if let (Select::Value(text), Some(value)) = (&select, table.get("value")) {
        constant(sink, field, text, value.span());
    }
    let required = match table.get("required") {
        Some(value) => sink.boolean("required", value)?,
        None => true,
    };
    Some(FieldRule { field, select, whence, required, rule })
}

pub(super) fn shorten(text: &str) -> String {
    if text.chars().count() <= 80 { text.to_string() } else { text.chars().take(79).chain(['…']).collect() }
}

pub(super) fn selector(
    sink: &mut Sink<'_>,
    name: &str,
    key: &str,
    value: &Value<'_>,
    table: &Table<'_, '_>,
) -> Option<Select> {
    Some(match key {
        "label" => {
            let side = match table.get("side") {
                Some(value) => Some(sink.word("side", value, &[(Side::Beside, "beside"), (Side::Below, "below")])?),
                None => None,
            };
            Select::Label { labels: labels(sink, key, value)?, side }
        }
        "find" => Select::Find(sink.pattern_of_one("find", value)?),
        "between" => match sink.strings("between", value)?.as_slice() {
            [(start, span), (end, _)] => {
                if start.trim().is_empty() {
                    sink.error("MAP003", span.clone(), "`between` needs the words before the value", "empty");
                    return None;
                }
                Select::Between { start: start.to_string(), end: end.to_string() }
            }
            _ => {
                let help = Some("between = [\"Datum:\", \"Seite\"]; \"\" as the second is the end of the line".into());
                sink.error_help("MAP003", value.span(), "`between` takes two texts", "here", help);
                return None;
            }
        },
        "value" => Select::Value(sink.string("value", value)?.to_string()),
        "css" => {
            let selector = sink.string("css", value)?;
            if let Err(error) = scraper::Selector::parse(selector) {
                sink.error("MAP015", value.span(), format!("`css` is no selector: {error}"), "here");
                return None;
            }
            let attr = table.get("attr").and_then(|value| sink.string("attr", value)).map(str::to_string);
            Select::Css { selector: selector.to_string(), attr }
        }
        "xpath" => {
            let path = sink.string("xpath", value)?;
            match XPath::parse(path) {
                Ok(path) => Select::XPath(path),
                Err((at, reason)) => {
                    let place = sink.within(&value.span(), at..path.len());
                    sink.error("MAP016", place, format!("{name} has no path that can be followed"), reason);
                    return None;
                }
            }
        }
        "cell" => {
            let cell = sink.string("cell", value)?;
            match parse_cell(cell) {
                Some((sheet, row, column)) => Select::Cell { sheet, row, column },
                None => {
                    let message = format!("`{cell}` is no cell like B4 or Sheet1!B4");
                    sink.error("MAP017", value.span(), message, "here");
                    return None;
                }
            }
        }
        _ => return None,
    })
}

/// Labels and heads: none empty, none twice.
pub(super) fn labels(sink: &mut Sink<'_>, key: &str, value: &Value<'_>) -> Option<Vec<String>> {
    let mut labels = Vec::new();
    let mut seen = BTreeSet::new();
    for (label, span) in sink.strings(key, value)? {
        let plain = words::plain(label);
        if plain.is_empty() {
            sink.error("MAP003", span, format!("`{key}` has an empty text"), "here");
        } else if !seen.insert(plain) {
            sink.error("MAP014", span, format!("`{label}` stands twice"), "the same, but for case and spaces");
        } else {
            labels.push(label.to_string());
        }
    }
    (!labels.is_empty() && labels.len() <= LIST_MAX).then_some(labels)
}

/// `B4`, `Sheet1!B4` -> sheet, row and column from 0.
pub(in crate::mapping) fn parse_cell(text: &str) -> Option<(Option<String>, usize, usize)> {
    let (sheet, cell) = match text.rsplit_once('!') {
        Some((sheet, cell)) => (Some(sheet.trim_matches('\'').to_string()), cell),
        None => (None, text),
    };
    let letters: String = cell.chars().take_while(char::is_ascii_alphabetic).collect();
    let digits = cell.get(letters.len()..)?;
    let row: usize = digits.parse().ok().filter(|row| (1..=1_048_576).contains(row))?;
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let column = letters.to_ascii_uppercase().bytes().fold(0, |sum, b| sum * 26 + usize::from(b - b'A') + 1);
    Some((sheet, row - 1, column - 1))
}

/// Selectors that need a certain source.
pub(super) fn fits(sink: &mut Sink<'_>, key: &str, span: Range<usize>, source: Option<Source>, whence: Whence) {
    let Some(source) = source else { return };
    let wanted: &[Source] = match key {
        "css" => &[Source::Html, Source::Link],
        "xpath" => &[Source::Xml],
        "cell" => &[Source::Csv, Source::Xlsx],
        "label" | "between" if source == Source::Xml => &[],
        _ => return,
    };
    if whence != Whence::Source && key != "label" && key != "between" {
        sink.error("MAP008", span, format!("`{key}` and `from` exclude one another"), "here");
    } else if !wanted.contains(&source) && whence == Whence::Source {
        let names: Vec<&str> = wanted.iter().map(|source| source.name()).collect();
        let message = match names.as_slice() {
            [] => format!("`{key}` cannot be used on {}", source.name()),
            names => format!("`{key}` needs the source {}", names.join(" or ")),
        };
        sink.error("MAP018", span, message, format!("the source is {}", source.name()));
    }
}

/// A constant must be what its field can hold.
pub(super) fn constant(sink: &mut Sink<'_>, field: Field, text: &str, span: Range<usize>) {
    let wrong = match field.field_type() {
        FieldType::Text if field == Field::Currency && !is_currency_code(text) => {
            Some(format!("`{text}` is no ISO 4217 code like EUR"))
        }
        FieldType::Text => None,
        other => crate::model::Value::parse(other, text).err(),
    };
    if let Some(wrong) = wrong {
        sink.error("MAP012", span, wrong, "here");
    }
}
