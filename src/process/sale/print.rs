//! The table of sales for people and programs, in the same forms as that of responses. It must never say anything
//! that the table does not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::table::{Row, TABLE};
use crate::model::SaleStatus;

/// The transmissions a row owes, and `ALARM` when it starts one.
fn owes(row: &Row) -> Vec<&'static str> {
    row.owes.iter().map(|kind| kind.name()).chain(row.alarm.map(|_| "ALARM")).collect()
}

/// `{v, statuses: [{name, id, end}], rows: [{step, from, answer, to, owes}]}`
pub fn json() -> Value {
    let statuses = SaleStatus::ALL.map(|(status, name, id)| json!({ "name": name, "id": id, "end": status.is_end() }));
    let row = |row: &Row| {
        json!({
            "step": row.step,
            "from": row.from.map(SaleStatus::name),
            "answer": row.answer.name(),
            "to": row.to.name(),
            "owes": owes(row),
        })
    };
    let rows: Vec<Value> = TABLE.iter().map(row).collect();
    json!({ "v": 1, "statuses": statuses, "rows": rows })
}

/// The statuses and the table as one page; rows that differ only in where they begin stand together.
pub fn markdown() -> String {
    let mut page = String::from("| status | id | end |\n|---|---|---|\n");
    for (status, name, id) in SaleStatus::ALL {
        let end = if status.is_end() { "yes" } else { "" };
        let _ = writeln!(page, "| {name} | {id} | {end} |");
    }
    page.push_str("\n| step | in status | answer | next | owes |\n|---|---|---|---|---|\n");
    let mut rest: Vec<&Row> = TABLE.iter().collect();
    while let Some(first) = rest.first().copied() {
        let alike = |row: &&Row| {
            let next = (row.to == first.to) || (row.from == Some(row.to) && first.from == Some(first.to));
            row.answer == first.answer && next && owes(row) == owes(first)
        };
        let (group, others): (Vec<&Row>, Vec<&Row>) = rest.into_iter().partition(alike);
        rest = others;
        let from: Vec<&str> = group.iter().map(|row| row.from.map_or("–", SaleStatus::name)).collect();
        let stays = group.len() > 1 && group.iter().all(|row| row.from == Some(row.to));
        let to = if stays { "stays" } else { first.to.name() };
        let step = if first.step == "-" { "–" } else { first.step };
        let owed = owes(first).join(", ");
        let _ = writeln!(page, "| {step} | {} | {} | {to} | {owed} |", from.join(", "), first.answer.name());
    }
    page
}

/// A state diagram for Mermaid.
pub fn mermaid() -> String {
    let mut edges: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
    let place = |status: SaleStatus| SaleStatus::ALL.iter().position(|row| row.0 == status).unwrap_or(0);
    for row in TABLE {
        let Some(from) = row.from else { continue };
        let step = if row.step == "-" { String::new() } else { format!("{} ", row.step) };
        edges.entry((place(from), place(row.to))).or_default().push(format!("{step}{}", row.answer.name()));
    }
    let mut diagram = String::from("stateDiagram-v2\n    [*] --> INITIAL: S1 order stored\n");
    let name = |at: usize| SaleStatus::ALL.get(at).map_or("", |row| row.1);
    for ((from, to), answers) in edges {
        let _ = writeln!(diagram, "    {} --> {}: {}", name(from), name(to), answers.join(" / "));
    }
    for (_, name, _) in SaleStatus::ALL.iter().filter(|row| row.0.is_end()) {
        let _ = writeln!(diagram, "    {name} --> [*]");
    }
    diagram
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that is not drawn is a row that nobody finds.
    #[test]
    fn every_row_is_shown() {
        let (page, diagram) = (markdown(), mermaid());
        for row in TABLE {
            assert!(page.contains(row.answer.name()) && diagram.contains(row.answer.name()), "{}", row.answer.name());
        }
        assert!(page.contains("| S2 | INITIAL, DO_CHECK | faulty, customer told | NOT_CHECKED | REQUEST_NEW_ORDER |"));
        let json = json();
        assert_eq!(json["rows"].as_array().map(Vec::len), Some(TABLE.len()));
        assert!(json["rows"][0]["from"].is_null());
    }
}
