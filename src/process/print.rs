//! The table for people and programs: Markdown beside the reference, a Mermaid diagram for the README,
//! JSON for whoever draws or checks it. It must never say anything that the table does not.

use serde_json::Value;

use super::picture::{Entry, Picture};
use super::table::{Answer, Row, TABLE};
use crate::model::{Status, TransmissionKind};

fn place(status: Status) -> usize {
    Status::ALL.iter().position(|row| row.0 == status).unwrap_or(0)
}

fn entry(row: &Row) -> Entry {
    let owes = row.owes.iter().map(|kind| kind.name()).chain(row.alarm.map(|_| "ALARM")).collect();
    Entry { step: row.step, from: row.from.map(place), answer: row.answer.name(), to: place(row.to), owes }
}

fn picture() -> Picture {
    let statuses = Status::ALL.iter().map(|(status, name, id)| (*name, *id, status.is_end())).collect();
    Picture { statuses, rows: TABLE.iter().map(entry).collect() }
}

/// Merging orders leads from any open status to WAIT_MERGE, and a person leads back.
fn merges(row: &Entry) -> bool {
    row.answer == Answer::OrdersMerged.name() || releases(row)
}

fn releases(row: &Entry) -> bool {
    TABLE.iter().any(|one| matches!(one.answer, Answer::ReleasedTo(_)) && one.answer.name() == row.answer)
}

/// `{v, statuses: [{name, id, end}], rows: [{step, from, answer, to, owes}]}`
pub fn json() -> Value {
    picture().json()
}

/// The statuses and the table as one page; rows that differ only in where they begin stand together.
pub fn markdown() -> String {
    let picture = picture();
    let alike = |first: &Entry, other: &Entry| {
        let same = first.answer == other.answer && first.to == other.to && first.step == other.step;
        // A withdrawn question is owed only where one was asked; that makes no other line.
        let withdrawn = first.owes.is_empty() && other.owes == [TransmissionKind::Withdrawal.name()];
        releases(first) && releases(other) || same && (first.owes == other.owes || withdrawn)
    };
    picture.markdown(alike, |group| {
        let from = picture.begin(group);
        match group.first() {
            Some(row) if releases(row) => [from, "released by a person".into(), "the status it left".into()],
            Some(row) if merges(row) => ["any open".into(), row.answer.into(), picture.name(row.to).into()],
            Some(row) => [from, row.answer.into(), picture.name(row.to).into()],
            None => [from, String::new(), String::new()],
        }
    })
}

/// A state diagram for Mermaid. Merging orders, which leads from any open status to WAIT_MERGE and back, is a note.
pub fn mermaid() -> String {
    let mut diagram = picture().mermaid("C1 response message stored", |row| !merges(row));
    diagram.push_str("    note right of WAIT_MERGE: orders merged, from any open status and back by a person\n");
    diagram
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
