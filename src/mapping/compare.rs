//! Two readings of one mail, field by field: for `diff`, `replay`, `test`, and shadow mappings.

use std::collections::BTreeMap;

use super::library::Library;
use super::mails::{MailReading, read_mail};
use super::material::Reader;
use super::read::Reading;
use crate::document::Limits;
use crate::mail::Mail;
use crate::model::{Field, PartnerId, Said};

/// One difference; `None` = not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `message 1, line 2, quantity_confirmed`; `mapping`; `fault INVALID_VALUE`.
    pub at: String,
    pub old: Option<String>,
    pub new: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(nothing)".into());
        write!(f, "{}: {} -> {}", self.at, shown(&self.old), shown(&self.new))
    }
}

/// Reads a raw mail with two libraries and says what would change.
pub fn replay(
    raw: &[u8],
    partner: Option<&PartnerId>,
    old: &Library,
    new: &Library,
    limits: &Limits,
    reader: &Reader<'_>,
) -> Vec<Difference> {
    let mail = Mail::parse(raw);
    let old = read_mail(&mail, old, partner, limits, reader);
    let new = read_mail(&mail, new, partner, limits, reader);
    mails(&old, &new)
}

/// What differs between two readings of one mail.
pub fn mails(old: &MailReading, new: &MailReading) -> Vec<Difference> {
    let mut found = Vec::new();
    note(&mut found, "mapping", old.mapping.clone(), new.mapping.clone());
    note(&mut found, "kind", old.kind.map(|kind| kind.name().into()), new.kind.map(|kind| kind.name().into()));
    messages(&old.messages, &new.messages, &mut found);
    let faults = |reading: &MailReading| -> Vec<String> {
        reading.all_faults().map(|fault| format!("{} {}", fault.code, fault.message)).collect()
    };
    let (old, new) = (faults(old), faults(new));
    for fault in old.iter().filter(|fault| !new.contains(fault)) {
        found.push(Difference { at: "fault".into(), old: Some(fault.clone()), new: None });
    }
    for fault in new.iter().filter(|fault| !old.contains(fault)) {
        found.push(Difference { at: "fault".into(), old: None, new: Some(fault.clone()) });
    }
    found
}

/// What differs between the messages of two readings.
pub fn messages(old: &[Reading], new: &[Reading], found: &mut Vec<Difference>) {
    for index in 0..old.len().max(new.len()) {
        let name = format!("message {}", index + 1);
        let empty = BTreeMap::new();
        match (old.get(index), new.get(index)) {
            (Some(old), Some(new)) => {
                let kind = |reading: &Reading| reading.message.response_type.map(|kind| kind.name().to_string());
                note(found, &format!("{name}, type"), kind(old), kind(new));
                fields(&name, &old.message.fields, &new.message.fields, found);
                for line in 0..old.message.lines.len().max(new.message.lines.len()) {
                    let name = format!("{name}, line {}", line + 1);
                    let of = |reading: &Reading| reading.message.lines.get(line).cloned();
                    fields(&name, &of(old).unwrap_or_default(), &of(new).unwrap_or_default(), found);
                }
            }
            (Some(old), None) => fields(&name, &old.message.fields, &empty, found),
            (None, Some(new)) => fields(&name, &empty, &new.message.fields, found),
            (None, None) => {}
        }
    }
}

fn fields(name: &str, old: &BTreeMap<Field, Said>, new: &BTreeMap<Field, Said>, found: &mut Vec<Difference>) {
    for (field, ..) in crate::model::message::Field::ALL {
        let value = |fields: &BTreeMap<Field, Said>| fields.get(field).map(|said| said.value.to_string());
        note(found, &format!("{name}, {}", field.name()), value(old), value(new));
    }
}

fn note(found: &mut Vec<Difference>, at: &str, old: Option<String>, new: Option<String>) {
    if old != new {
        found.push(Difference { at: at.to_string(), old, new });
    }
}
