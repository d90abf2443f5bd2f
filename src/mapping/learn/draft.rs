//! A mapping in the making, and its TOML.

use super::super::rule::Source;
use super::super::words;
use super::evidence::{Placed, Proof, Spot, Word};
use super::formats::Proved;
use super::vocabulary;
use crate::model::{Field, LineStatus};

#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The mails are a customer's orders: what is ordered, not what is confirmed.
    pub is_order: bool,
    pub partner: String,
    pub status: Option<&'static str>,
    pub comment: String,
    pub from: Vec<String>,
    pub subject: Option<String>,
    pub attachment: Option<String>,
    pub source: Option<Source>,
    pub proved: Proved,
    pub currency: Option<String>,
    /// Field and its rule as TOML.
    pub fields: Vec<(Field, String)>,
    pub proof: Proof,
    pub end: Option<String>,
    /// `[lines]` instead of `[table]`.
    pub lines: Option<Patterns>,
    pub reasons: Vec<(String, &'static str)>,
}

#[derive(Clone, Debug, Default)]
pub struct Patterns {
    pub line: String,
    pub more: Vec<String>,
    pub end: Option<String>,
}

/// A text as TOML: literal where it can be, so that patterns stay readable.
pub fn quoted(text: &str) -> String {
    if !text.contains('\'') && !text.chars().any(char::is_control) && (text.contains('\\') || text.contains('"')) {
        return format!("'{text}'");
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn list(texts: &[String]) -> String {
    match texts {
        [one] => quoted(one),
        all => format!("[{}]", all.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")),
    }
}

impl Draft {
    pub fn toml(&self) -> String {
        let mut out = String::from("#:schema ../../schema/mapping.schema.json\n");
        for line in self.comment.lines() {
            out.push_str(&format!("# {line}\n"));
        }
        let kind = if self.is_order { "order" } else { "response" };
        out.push_str(&format!("partner = {}\nkind    = \"{kind}\"\n", quoted(&self.partner)));
        if let Some(status) = self.status {
            out.push_str(&format!("status  = \"{status}\"\n"));
        }
        out.push_str(&format!("\n[match]\nfrom = {}\n", list(&self.from)));
        if let Some(subject) = &self.subject {
            out.push_str(&format!("subject = {}\n", quoted(subject)));
        }
        if let Some(attachment) = &self.attachment {
            out.push_str(&format!("attachment = {}\n", quoted(attachment)));
        }
        out.push_str(&format!("\n[source]\npart = \"{}\"\n\n[formats]\n", self.source.map_or("text", Source::name)));
        if let Some(decimal) = self.proved.formats.decimal {
            out.push_str(&format!("decimal = \"{decimal}\"\n"));
        }
        if !self.proved.dates.is_empty() {
            out.push_str(&format!("date = {}\n", list(&self.proved.dates)));
        }
        if let Some(locale) = self.proved.formats.locale {
            out.push_str(&format!("locale = \"{}\"\n", locale.code()));
        }
        if let Some(currency) = &self.currency {
            out.push_str(&format!("currency = \"{currency}\"\n"));
        }
        if let Some(head) = &self.proof.price_column {
            out.push_str(&format!("price_per = {}\n", quoted(head)));
        } else if let Some(number) = self.proof.price_number {
            out.push_str(&format!("price_per = {number}\n"));
        }
        out.push_str("\n[fields]\n");
        for (field, rule) in &self.fields {
            out.push_str(&format!("{} = {rule}\n", field.name()));
        }
        if let Some(patterns) = &self.lines {
            let in_words = |pattern: &String| self.groups(pattern);
            out.push_str(&format!("\n[lines]\nline = {}\n", quoted(&in_words(&patterns.line))));
            if !patterns.more.is_empty() {
                let more: Vec<String> = patterns.more.iter().map(in_words).collect();
                out.push_str(&format!("more = {}\n", list(&more)));
            }
            if let Some(end) = &patterns.end {
                out.push_str(&format!("end = {}\n", quoted(end)));
            }
        } else if !self.proof.placed.is_empty() {
            out.push_str("\n[table]\n");
            if let Some(end) = &self.end {
                out.push_str(&format!("end = {}\n", quoted(end)));
            }
            out.push_str("\n[table.columns]\n");
            for placed in &self.proof.placed {
                if let Some(field) = self.named(placed.field) {
                    out.push_str(&format!("{} = {}\n", field.name(), self.rule(placed)));
                }
            }
        }
        self.codes(&mut out);
        if let Some(backorder) = self.proof.backorder.filter(|_| !self.is_order) {
            out.push_str(&format!("\n[line]\nbackorder = \"{backorder}\"\n"));
        }
        out
    }

    /// The field's name in an order: a quantity is ordered there, and a date is wished for.
    fn named(&self, field: Field) -> Option<Field> {
        if !self.is_order {
            return Some(field);
        }
        let placed = |field: Field| self.proof.placed.iter().any(|placed| placed.field == field);
        match field {
            Field::QuantityConfirmed if placed(Field::Quantity) => None,
            Field::QuantityConfirmed => Some(Field::Quantity),
            Field::ConfirmedDate => Some(Field::RequestedDate),
            Field::Status | Field::QuantityBackordered | Field::QuantityCanceled | Field::BackorderedDate => None,
            other => Some(other),
        }
    }

    fn groups(&self, pattern: &str) -> String {
        if !self.is_order {
            return pattern.to_string();
        }
        pattern
            .replace("?<quantity_confirmed>", "?<quantity>")
            .replace("?<confirmed_date>", "?<requested_date>")
            .replace("?<status>", "?:")
    }

    fn codes(&self, out: &mut String) {
        let status = !self.is_order
            && (self.proof.placed.iter().any(|placed| placed.field == Field::Status)
                || self.lines.as_ref().is_some_and(|lines| {
                    lines.line.contains("<status>") || lines.more.iter().any(|more| more.contains("<status>"))
                }));
        if status {
            out.push_str("\n[codes.status]\n");
            for (word, status) in &self.proof.states {
                match status {
                    Some(status) => out.push_str(&format!("{} = \"{}\"\n", quoted(word), name(*status))),
                    None => out.push_str(&format!("# could not be proved, please say: {} = \"...\"\n", quoted(word))),
                }
            }
            let known =
                |word: &str| self.proof.states.iter().any(|(other, _)| words::plain(other) == words::plain(word));
            let usual =
                self.proved.formats.locale.map(|locale| vocabulary::states_of(locale.code())).unwrap_or_default();
            // `lieferbar` within "storniert (nicht mehr lieferbar)" would say two things at once.
            let other = |status: LineStatus, word: &str| {
                let word = word.to_lowercase();
                self.proof.said.iter().any(|(text, meant)| *meant != status && text.contains(&word))
            };
            let unseen: Vec<_> =
                usual.into_iter().filter(|(status, word)| !known(word) && !other(*status, word)).collect();
            if !unseen.is_empty() {
                out.push_str("# usual words of the language that no sample held:\n");
            }
            for (status, word) in unseen {
                out.push_str(&format!("{} = \"{}\"\n", quoted(word), name(status)));
            }
        }
        if !self.reasons.is_empty() {
            out.push_str("\n[codes.reason]\n");
            for (word, code) in &self.reasons {
                out.push_str(&format!("{} = \"{code}\"\n", quoted(word)));
            }
        }
        if !self.proof.units.is_empty() {
            out.push_str("\n[codes.unit]\n");
            for (word, unit) in &self.proof.units {
                out.push_str(&format!("{} = {}\n", quoted(word), quoted(unit)));
            }
        }
    }
}

fn name(status: LineStatus) -> &'static str {
    status.name()
}

impl Draft {
    /// A column's rule as TOML.
    fn rule(&self, placed: &Placed) -> String {
        let (head, line, word) = match &placed.spot {
            Spot::Label(label) => return format!("{{ label = {} }}", quoted(label)),
            Spot::Cell(head, line, word) => (head, line, word),
        };
        let find = match word {
            Word::All => None,
            Word::First => Some(r"^\s*(\S+)"),
            Word::Last => Some(r"(\S+)\s*$"),
        };
        // Other lines of the cell belong to another field.
        let shared = self.proof.placed.iter().any(|other| match &other.spot {
            Spot::Cell(other_head, other_line, _) => other_head == head && other_line != line,
            Spot::Label(_) => false,
        });
        match (line, find) {
            (1, None) if !shared => quoted(head),
            (line, None) => format!("{{ column = {}, line = {line} }}", quoted(head)),
            (line, Some(find)) => format!("{{ column = {}, line = {line}, find = {} }}", quoted(head), quoted(find)),
        }
    }
}
