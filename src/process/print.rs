//! The table for people and programs: Markdown beside the reference, a Mermaid diagram for the README,
//! JSON for whoever draws or checks it. It must never say anything that the table does not.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::table::{Answer, Row, TABLE};
use crate::model::Status;

/// The transmissions a row owes, and `ALARM` when it starts one.
fn owes(row: &Row) -> Vec<&'static str> {
    row.owes.iter().map(|kind| kind.name()).chain(row.alarm.map(|_| "ALARM")).collect()
}

/// `{v, statuses: [{name, id, end}], rows: [{step, from, answer, to, owes}]}`
pub fn json() -> Value {
    let statuses = Status::ALL.map(|(status, name, id)| json!({ "name": name, "id": id, "end": status.is_end() }));
    let row = |row: &Row| {
        json!({
            "step": row.step,
            "from": row.from.map(Status::name),
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
    for (status, name, id) in Status::ALL {
        let end = if status.is_end() { "yes" } else { "" };
        let _ = writeln!(page, "| {name} | {id} | {end} |");
    }
    page.push_str("\n| step | in status | answer | next | owes |\n|---|---|---|---|---|\n");
    let mut rest: Vec<&Row> = TABLE.iter().collect();
    while let Some(row) = rest.first().copied() {
        let alike = |other: &&Row| same_line(row, other);
        let (group, others): (Vec<&Row>, Vec<&Row>) = rest.into_iter().partition(alike);
        rest = others;
        let from: Vec<&str> = group.iter().map(|row| row.from.map_or("–", Status::name)).collect();
        let (from, answer, to) = match row.answer {
            Answer::OrdersMerged => ("any open".to_string(), row.answer.name(), row.to.name()),
            Answer::ReleasedTo(_) => (from.join(", "), "released by a person", "the status it left"),
            answer => (from.join(", "), answer.name(), row.to.name()),
        };
        let step = if row.step == "-" { "–" } else { row.step };
        let _ = writeln!(page, "| {step} | {from} | {answer} | {to} | {} |", owes(row).join(", "));
    }
    page
}

fn same_line(row: &Row, other: &Row) -> bool {
    let released = matches!((row.answer, other.answer), (Answer::ReleasedTo(_), Answer::ReleasedTo(_)));
    let same = row.answer == other.answer && row.to == other.to && row.step == other.step && row.alarm == other.alarm;
    // A withdrawn question is owed only where one was asked; that makes no other line.
    let owes =
        row.owes == other.owes || (row.owes.is_empty() && other.owes == [crate::model::TransmissionKind::Withdrawal]);
    released || (same && owes)
}

/// A state diagram for Mermaid. Merging orders, which leads from any open status to WAIT_MERGE and back, is a note.
pub fn mermaid() -> String {
    let mut edges: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
    let place = |status: Status| Status::ALL.iter().position(|row| row.0 == status).unwrap_or(0);
    for row in TABLE {
        let Some(from) = row.from else { continue };
        if matches!(row.answer, Answer::OrdersMerged | Answer::ReleasedTo(_)) {
            continue;
        }
        let step = if row.step == "-" { String::new() } else { format!("{} ", row.step) };
        edges.entry((place(from), place(row.to))).or_default().push(format!("{step}{}", row.answer.name()));
    }
    let mut diagram = String::from("stateDiagram-v2\n    [*] --> INITIAL: C1 response message stored\n");
    let name = |at: usize| Status::ALL.get(at).map_or("", |row| row.1);
    for ((from, to), answers) in edges {
        let _ = writeln!(diagram, "    {} --> {}: {}", name(from), name(to), answers.join(" / "));
    }
    for (_, name, _) in Status::ALL.iter().filter(|row| row.0.is_end()) {
        let _ = writeln!(diagram, "    {name} --> [*]");
    }
    diagram.push_str("    note right of WAIT_MERGE: orders merged, from any open status and back by a person\n");
    diagram
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever checks or draws the process by its JSON relies on the keys and on one row per (from, answer).
    #[test]
    fn the_json_keeps_its_contract() {
        let json = json();
        let rows = json["rows"].as_array().unwrap();
        assert_eq!(
            (json["v"].as_u64(), rows.len(), json["statuses"].as_array().unwrap().len()),
            (Some(1), TABLE.len(), 23)
        );
        assert!(rows[0]["from"].is_null() && rows[1..].iter().all(|row| row["from"].is_string()));
        assert_eq!(json["statuses"][17], json!({ "name": "CLOSED", "id": 8000, "end": true }));
        assert_eq!(rows[1]["owes"], json!(["ALARM"]));
        let pairs: std::collections::BTreeSet<_> =
            rows.iter().map(|r| (r["from"].to_string(), r["answer"].to_string())).collect();
        assert_eq!(pairs.len(), rows.len());
    }

    /// A row that is not drawn is a row that nobody finds beside the reference.
    #[test]
    fn every_row_is_shown() {
        let (page, diagram) = (markdown(), mermaid());
        for row in TABLE {
            if !matches!(row.answer, Answer::OrdersMerged | Answer::ReleasedTo(_)) {
                assert!(
                    page.contains(row.answer.name()) && diagram.contains(row.answer.name()),
                    "{}",
                    row.answer.name()
                );
            }
        }
        assert!(page.contains(
            "| C2 | INITIAL, DO_CHECK | no order found, partner told | IN_EXTERNAL_PROCESSING | REQUEST_NEW_RESPONSE |"
        ));
        assert!(page.contains("| – | any open | orders merged | WAIT_MERGE |  |"));
        assert!(page.contains("| the status it left |"));
    }

    /// The picture in the README is the table of the program, not of the day somebody drew it. `UPDATE_README=1` draws it anew.
    #[test]
    fn the_readme_shows_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
        let readme = std::fs::read_to_string(path).unwrap();
        let (before, rest) = readme.split_once("<!-- process -->").unwrap();
        let (shown, after) = rest.split_once("<!-- /process -->").unwrap();
        let wanted = format!("\n```mermaid\n{}```\n", mermaid());
        if std::env::var_os("UPDATE_README").is_some() && shown != wanted {
            std::fs::write(path, format!("{before}<!-- process -->{wanted}<!-- /process -->{after}")).unwrap();
            return;
        }
        assert_eq!(shown, wanted, "UPDATE_README=1 cargo test --lib process::print");
    }
}
