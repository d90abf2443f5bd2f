//! The table of sales for people and programs, in the same forms as that of responses. It must never say anything
//! that the table does not.

use serde_json::Value;

use super::super::picture::{Entry, Picture};
use super::table::{Row, TABLE};
use crate::model::SaleStatus;

fn place(status: SaleStatus) -> usize {
    SaleStatus::ALL.iter().position(|row| row.0 == status).unwrap_or(0)
}

fn entry(row: &Row) -> Entry {
    let owes = row.owes.iter().map(|kind| kind.name()).chain(row.alarm.map(|_| "ALARM")).collect();
    Entry { step: row.step, from: row.from.map(place), answer: row.answer.name(), to: place(row.to), owes }
}

fn picture() -> Picture {
    let statuses = SaleStatus::ALL.iter().map(|(status, name, id)| (*name, *id, status.is_end())).collect();
    Picture { statuses, rows: TABLE.iter().map(entry).collect() }
}

/// `{v, statuses: [{name, id, end}], rows: [{step, from, answer, to, owes}]}`
pub fn json() -> Value {
    picture().json()
}

/// The statuses and the table as one page; rows that differ only in where they begin stand together.
pub fn markdown() -> String {
    let picture = picture();
    let stays = |row: &Entry| row.from == Some(row.to);
    let alike = |first: &Entry, other: &Entry| {
        let next = other.to == first.to || stays(other) && stays(first);
        other.answer == first.answer && next && other.owes == first.owes
    };
    picture.markdown(alike, |group| {
        let (answer, to) = group.first().map_or(("", ""), |row| (row.answer, picture.name(row.to)));
        let to = if group.len() > 1 && group.iter().all(|row| stays(row)) { "stays" } else { to };
        [picture.begin(group), answer.into(), to.into()]
    })
}

/// A state diagram for Mermaid.
pub fn mermaid() -> String {
    picture().mermaid("S1 order stored", |_| true)
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
