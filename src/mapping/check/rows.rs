//! `[table]` and `[lines]`: where the lines of a response stand.

use super::fields::{constant, labels, shorten};
use super::*;

pub(super) fn rows(sink: &mut Sink<'_>, root: &Table<'_, '_>, source: Option<Source>, price: Price) -> Option<Rows> {
    let (table, lines) = (root.get("table"), root.get("lines"));
    if let (Some(table), Some(lines)) = (table, lines) {
        let span = if table.span().start > lines.span().start { table.span() } else { lines.span() };
        sink.error("MAP008", span, "[table] and [lines] exclude one another", "the other stands above");
        return None;
    }
    if let Some(value) = table {
        return table_rule(sink, value, price, source == Some(Source::Xml)).map(Rows::Table);
    }
    if let Some((_, span)) = price {
        sink.error("MAP008", span, "`price_per` names a column, but there is no [table]", "here");
    }
    lines.and_then(|value| lines_rule(sink, value)).map(Rows::Lines)
}

/// `rows`: which elements of an XML are lines.
fn xml_rows(sink: &mut Sink<'_>, table: &Table<'_, '_>, xml: bool) -> Option<XPath> {
    let named = |key: &str| table.entries().find(|entry| entry.0 == key);
    if !xml {
        if let Some(entry) = named("rows") {
            sink.error("MAP018", entry.1.clone(), "`rows` needs the source xml", "rows are found by column heads here");
        }
        return None;
    }
    for key in ["start", "first", "more", "end"] {
        if let Some(entry) = named(key) {
            let help = Some("`rows` names the elements that are lines; `skip` leaves some of them out".into());
            sink.error_help("MAP018", entry.1.clone(), format!("`{key}` cannot be used on xml"), "here", help);
        }
    }
    let Some(value) = table.get("rows") else {
        let help = Some("rows = \"//Line\"".into());
        sink.error_help("MAP004", table.span.clone(), "[table] lacks `rows`: which elements are lines", "here", help);
        return None;
    };
    let written = sink.string("rows", value)?;
    match XPath::parse(written) {
        Ok(path) if path.is_of_elements() => Some(path),
        Ok(_) => {
            sink.error("MAP016", value.span(), "`rows` names elements, not attributes or texts", "here");
            None
        }
        Err((at, reason)) => {
            let place = sink.within(&value.span(), at..written.len());
            sink.error("MAP016", place, "`rows` has no path that can be followed", reason);
            None
        }
    }
}

/// The heads of a column as paths below the row.
fn paths(sink: &mut Sink<'_>, column: &mut Column, value: &Value<'_>) {
    if !column.labels.is_empty() {
        let message = "`label` cannot be used on xml: name the path of the value";
        sink.error("MAP018", value.span(), message, "here");
    }
    for head in &column.heads {
        match XPath::parse(head) {
            Ok(path) => column.paths.push(path),
            Err((_, reason)) => {
                sink.error("MAP016", value.span(), format!("`{head}` is no path that can be followed"), reason);
            }
        }
    }
}

fn optional(sink: &mut Sink<'_>, table: &Table<'_, '_>, key: &str) -> Option<Pattern> {
    table.get(key).and_then(|value| sink.pattern(key, value))
}

fn table_rule(sink: &mut Sink<'_>, value: &Value<'_>, price: Price, xml: bool) -> Option<TableRule> {
    let table = sink.table("[table]", value)?;
    table.only(sink, keys("[table]"));
    let mut rule = TableRule {
        start: optional(sink, &table, "start"),
        first: optional(sink, &table, "first"),
        more: optional(sink, &table, "more"),
        skip: optional(sink, &table, "skip"),
        end: optional(sink, &table, "end"),
        schedule: schedule(sink, &table),
        rows: xml_rows(sink, &table, xml),
        columns: Vec::new(),
    };
    let columns = need(sink, &table, "columns")?;
    let columns = sink.table("[table.columns]", columns)?;
    let mut heads: BTreeMap<String, (Field, bool)> = BTreeMap::new();
    for (key, span, value) in columns.entries() {
        let Some(field) = sink.field(key, span.clone(), "MAP006") else { continue };
        if field.stands() == Where::Head {
            let message = format!("`{key}` belongs to the head, not to a line");
            sink.error_help("MAP007", span.clone(), message, "not of a line", Some("it belongs in [fields]".into()));
            continue;
        }
        let Some(mut column) = column(sink, field, value) else { continue };
        if xml {
            paths(sink, &mut column, value);
        }
        for head in &column.heads {
            let whole = column.find.is_none() && column.line == CellLine::Usual;
            match heads.insert(words::plain(head), (field, whole)) {
                Some((other, other_whole)) if whole && other_whole => {
                    let message = format!("the column `{head}` is `{}` already", other.name());
                    let help = "give each its part of the cell: { column = \"...\", find = '...' }".to_string();
                    sink.error_help("MAP014", value.span(), message, "the same column again", Some(help));
                }
                _ => {}
            }
        }
        rule.columns.push(column);
    }
    if let Some((heads, span)) = price {
        if rule.columns.iter().any(|column| column.field == Field::PriceBasis) {
            sink.error("MAP008", span, "`price_per` and the column `price_basis` exclude one another", "said twice");
        } else {
            rule.columns.push(Column {
                field: Field::PriceBasis,
                paths: if xml { heads.iter().filter_map(|head| XPath::parse(head).ok()).collect() } else { Vec::new() },
                heads,
                find: None,
                value: None,
                labels: Vec::new(),
                line: CellLine::Usual,
                required: None,
                rule: "formats.price_per".into(),
            });
        }
    }
    reference(sink, columns.span.clone(), &rule.columns.iter().map(|column| column.field).collect::<Vec<_>>());
    if !rule.columns.iter().any(|column| !column.heads.is_empty()) {
        sink.error("MAP004", columns.span.clone(), "[table.columns] names no column's head", "here");
    }
    Some(rule)
}

/// A line must say what it speaks of.
fn reference(sink: &mut Sink<'_>, span: Range<usize>, fields: &[Field]) {
    if !fields.iter().any(|field| REFERENCES.contains(field)) {
        let names: Vec<&str> = REFERENCES.iter().map(|field| field.name()).collect();
        let message = "the lines name neither a position nor a product";
        sink.error_help("MAP022", span, message, "here", Some(format!("one of {}", names.join(", "))));
    }
}

/// The fields by which a line finds its order position.
pub(in crate::mapping) const REFERENCES: [Field; 5] =
    [Field::Position, Field::SupplierSku, Field::ShopSku, Field::Gtin, Field::ProductId];

fn column(sink: &mut Sink<'_>, field: Field, value: &Value<'_>) -> Option<Column> {
    let name = format!("table.columns.{}", field.name());
    let mut column = Column {
        field,
        heads: Vec::new(),
        paths: Vec::new(),
        find: None,
        value: None,
        labels: Vec::new(),
        line: CellLine::Usual,
        required: None,
        rule: name.clone(),
    };
    if !matches!(value.get_ref(), DeValue::Table(_)) {
        column.heads = labels(sink, &name, value)?;
        column.rule = format!("{name} {}", shorten(sink.text.get(value.span()).unwrap_or_default()));
        return Some(column);
    }
    let table = sink.table(&name, value)?;
    table.only(sink, keys("[table.columns]"));
    if let Some(value) = table.get("column") {
        column.heads = labels(sink, "column", value)?;
    }
    if let Some(value) = table.get("find") {
        column.find = Some(sink.pattern_of_one("find", value)?);
    }
    if let Some(value) = table.get("value") {
        let text = sink.string("value", value)?;
        constant(sink, field, text, value.span());
        column.value = Some(text.to_string());
        if let Some(other) = table.entries().find(|entry| ["column", "find", "label", "line"].contains(&entry.0)) {
            sink.error("MAP008", other.1.clone(), format!("`{}` and `value` exclude one another", other.0), "here");
            return None;
        }
        column.rule = format!("{name} value {}", shorten(sink.text.get(value.span()).unwrap_or_default()));
        return Some(column);
    }
    if let Some(value) = table.get("label") {
        column.labels = labels(sink, "label", value)?;
    }
    if let Some(value) = table.get("line") {
        column.line = match value.get_ref() {
            DeValue::String(word) if word.as_ref() == "all" => CellLine::All,
            DeValue::Integer(number) if number.as_str().parse::<usize>().is_ok_and(|n| (1..=20).contains(&n)) => {
                CellLine::Nth(number.as_str().parse().unwrap_or(1))
            }
            other => {
                sink.wrong_kind("line", value.span(), "1 to 20, or \"all\"", other);
                return None;
            }
        };
    }
    if let Some(value) = table.get("required") {
        column.required = sink.boolean("required", value);
    }
    if column.heads.is_empty() && column.find.is_none() && column.labels.is_empty() {
        let message = format!("{name} does not say where the value stands");
        sink.error_help(
            "MAP008",
            value.span(),
            message,
            "no selector",
            Some("column = \"...\", or a label or find within the row".into()),
        );
        return None;
    }
    if !column.labels.is_empty() && (column.find.is_some() || !column.heads.is_empty()) {
        let span = table.get("label").map_or(value.span(), |value| value.span());
        sink.error("MAP008", span, "`label` looks in the whole row: it excludes `column` and `find`", "here");
        return None;
    }
    column.rule = format!("{name} {}", shorten(sink.text.get(value.span()).unwrap_or_default()));
    Some(column)
}

/// `schedule = '...'` with the groups `quantity` and `date`.
fn schedule(sink: &mut Sink<'_>, table: &Table<'_, '_>) -> Option<Pattern> {
    let value = table.get("schedule")?;
    let pattern = sink.pattern("schedule", value)?;
    let names: Vec<&str> = pattern.regex.capture_names().flatten().collect();
    if !names.contains(&"quantity") || names.iter().any(|name| !["quantity", "date"].contains(name)) {
        let help = Some("(?<quantity>\\d+) am (?<date>\\S+)".into());
        sink.error_help("MAP011", value.span(), "`schedule` takes the groups `quantity` and `date`", "here", help);
        return None;
    }
    Some(pattern)
}

fn lines_rule(sink: &mut Sink<'_>, value: &Value<'_>) -> Option<LinesRule> {
    let table = sink.table("[lines]", value)?;
    table.only(sink, keys("[lines]"));
    let takes = |field: Field| field.stands() != Where::Head;
    let start = optional(sink, &table, "start");
    let end = optional(sink, &table, "end");
    let skip = optional(sink, &table, "skip");
    let schedule = schedule(sink, &table);
    let line = need(sink, &table, "line").and_then(|value| sink.group_pattern("line", value, takes));
    let mut more = Vec::new();
    if let Some(value) = table.get("more") {
        match value.get_ref() {
            DeValue::Array(list) => {
                for entry in list.iter().take(LIST_MAX) {
                    more.extend(sink.group_pattern("more", entry, takes));
                }
            }
            _ => more.extend(sink.group_pattern("more", value, takes)),
        }
    }
    let line = line?;
    let all: Vec<Field> =
        line.groups.iter().chain(more.iter().flat_map(|more| &more.groups)).map(|group| group.1).collect();
    reference(sink, table.span.clone(), &all);
    let values = table.get("values").map(|value| values(sink, value)).unwrap_or_default();
    Some(LinesRule { start, end, skip, line, more, schedule, values })
}

/// `[lines.values]`: fields of lines and what they are in every line that does not say it.
fn values(sink: &mut Sink<'_>, value: &Value<'_>) -> Vec<(Field, String, String)> {
    let mut values = Vec::new();
    let Some(table) = sink.table("[lines.values]", value) else { return values };
    for (key, span, value) in table.entries() {
        let Some(field) = sink.field(key, span.clone(), "MAP006") else { continue };
        if field.stands() == Where::Head {
            let message = format!("`{key}` belongs to the head, not to a line");
            sink.error_help("MAP007", span.clone(), message, "not of a line", Some("it belongs in [fields]".into()));
            continue;
        }
        let Some(text) = sink.string(&format!("lines.values.{key}"), value) else { continue };
        constant(sink, field, text, value.span());
        values.push((field, text.to_string(), format!("lines.values.{key} {}", shorten(text))));
    }
    values
}
