//! A table of a process as people and programs are shown it: Markdown beside the reference, a Mermaid diagram, JSON for
//! whoever draws or checks it. Both processes are drawn here; what is drawn is their tables and nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

pub(super) struct Picture {
    /// Name, number, whether it is an end.
    pub statuses: Vec<(&'static str, u32, bool)>,
    pub rows: Vec<Entry>,
}

/// A row of the table; statuses by their place in [`Picture::statuses`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub step: &'static str,
    pub from: Option<usize>,
    pub answer: &'static str,
    pub to: usize,
    /// The transmissions it owes, and `ALARM` when it starts one.
    pub owes: Vec<&'static str>,
}

impl Picture {
    pub fn name(&self, at: usize) -> &'static str {
        self.statuses.get(at).map_or("", |status| status.0)
    }

    /// `{v, statuses: [{name, id, end}], rows: [{step, from, answer, to, owes}]}`
    pub fn json(&self) -> Value {
        let statuses = self.statuses.iter().map(|(name, id, end)| json!({ "name": name, "id": id, "end": end }));
        let row = |row: &Entry| {
            let (from, to) = (row.from.map(|at| self.name(at)), self.name(row.to));
            json!({ "step": row.step, "from": from, "answer": row.answer, "to": to, "owes": row.owes })
        };
        let (statuses, rows): (Vec<Value>, Vec<Value>) = (statuses.collect(), self.rows.iter().map(row).collect());
        json!({ "v": 1, "statuses": statuses, "rows": rows })
    }

    /// The statuses, and the rows that `alike` puts together as one line each; `told` says where a line begins, its
    /// answer and where it leads.
    pub fn markdown(&self, alike: impl Fn(&Entry, &Entry) -> bool, told: impl Fn(&[&Entry]) -> [String; 3]) -> String {
        let mut page = String::from("| status | id | end |\n|---|---|---|\n");
        for (name, id, end) in &self.statuses {
            let _ = writeln!(page, "| {name} | {id} | {} |", if *end { "yes" } else { "" });
        }
        page.push_str("\n| step | in status | answer | next | owes |\n|---|---|---|---|---|\n");
        let mut rest: Vec<&Entry> = self.rows.iter().collect();
        while let Some(first) = rest.first().copied() {
            let (group, others): (Vec<&Entry>, Vec<&Entry>) = rest.into_iter().partition(|row| alike(first, row));
            rest = others;
            let [from, answer, to] = told(&group);
            let step = if first.step == "-" { "–" } else { first.step };
            let _ = writeln!(page, "| {step} | {from} | {answer} | {to} | {} |", first.owes.join(", "));
        }
        page
    }

    /// The statuses in which the rows of a line begin.
    pub fn begin(&self, group: &[&Entry]) -> String {
        let names: Vec<&str> = group.iter().map(|row| row.from.map_or("–", |at| self.name(at))).collect();
        names.join(", ")
    }

    /// A state diagram of the rows that are `drawn`; `first` names what leads to the first status.
    pub fn mermaid(&self, first: &str, drawn: impl Fn(&Entry) -> bool) -> String {
        let mut edges: BTreeMap<(usize, usize), Vec<String>> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| drawn(row)) {
            let Some(from) = row.from else { continue };
            let step = if row.step == "-" { String::new() } else { format!("{} ", row.step) };
            edges.entry((from, row.to)).or_default().push(format!("{step}{}", row.answer));
        }
        let mut diagram = format!("stateDiagram-v2\n    [*] --> INITIAL: {first}\n");
        for ((from, to), answers) in edges {
            let _ = writeln!(diagram, "    {} --> {}: {}", self.name(from), self.name(to), answers.join(" / "));
        }
        for (name, ..) in self.statuses.iter().filter(|status| status.2) {
            let _ = writeln!(diagram, "    {name} --> [*]");
        }
        diagram
    }
}
