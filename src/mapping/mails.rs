//! A mail -> what it says: structured documents first, then the mapping that takes it, with shadow
//! mappings read beside.
//!
//! It must never know orders, responses, or what becomes of a fault.

use super::library::{Choice, Library};
use super::material::{Material, Reader};
use super::read::{Reading, Surroundings, read};
use super::rule::{Kind, Mapping};
use crate::document::{self, Limits};
use crate::mail::Mail;
use crate::model::{Fault, FaultCode, PartnerId, Place};

/// What a mail says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MailReading {
    /// The mapping (`partner/layout`) or standard that read it; `None` when none did.
    pub mapping: Option<String>,
    pub kind: Option<Kind>,
    /// One for each part that was read: two PDFs are two. Each with its own faults.
    pub messages: Vec<Reading>,
    /// Faults of the mail as a whole: no mapping takes it, or several do.
    pub faults: Vec<Fault>,
    /// What shadow mappings read; only to be reported.
    pub shadows: Vec<Reading>,
    /// Dispatch notices of structured documents.
    pub dispatches: Vec<crate::standard::Dispatch>,
}

impl MailReading {
    /// Every fault, the mail's first.
    pub fn all_faults(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().chain(self.messages.iter().flat_map(|reading| &reading.faults))
    }
}

/// Reads a mail of `partner` (any partner's mappings are asked when it is not known).
pub fn read_mail(
    mail: &Mail,
    library: &Library,
    partner: Option<&PartnerId>,
    limits: &Limits,
    reader: &Reader<'_>,
) -> MailReading {
    read_material(&Material::of_mail(mail, limits, reader), library, partner)
}

/// The same for what was gathered already (linked pages among it).
pub fn read_material(material: &Material<'_>, library: &Library, partner: Option<&PartnerId>) -> MailReading {
    if let Some(reading) = super::structured::read(material) {
        return reading;
    }
    let mut reading = match library.choose(material, partner) {
        Choice::One(mapping) => read_with(mapping, material),
        Choice::None(reasons) => {
            let mut message = "no mapping takes this mail".to_string();
            for (name, reason) in reasons.iter().take(10) {
                message.push_str(&format!("; {name}: {reason}"));
            }
            MailReading { faults: vec![unreadable(message)], ..MailReading::default() }
        }
        Choice::Several(mappings) => {
            let names: Vec<&str> = mappings.iter().map(|mapping| mapping.name.as_str()).collect();
            let message = format!("several mappings take this mail, so none reads it: {}", names.join(", "));
            MailReading { faults: vec![unreadable(message)], ..MailReading::default() }
        }
    };
    for shadow in library.shadows(material, partner) {
        reading.shadows.extend(read_with(shadow, material).messages);
    }
    reading
}

/// Reads with one mapping, whatever its [match] says of sender and subject (for `try` and `test`).
pub fn read_with(mapping: &Mapping, material: &Material<'_>) -> MailReading {
    let mut reading =
        MailReading { mapping: Some(mapping.name.clone()), kind: Some(mapping.kind), ..MailReading::default() };
    let parts = mapping.parts(material);
    if parts.is_empty() {
        let message = format!("the mail has no {} part that {} could read", mapping.source.name(), mapping.name);
        reading.faults.push(unreadable(message));
        return reading;
    }
    for (filename, part) in &parts {
        if parts.len() > 1 && mapping.refuses_part(part).is_some() {
            continue;
        }
        let around = Surroundings { subject: &material.subject, filename, body: material.body() };
        reading.messages.push(read(mapping, part, &around));
    }
    // Terms and conditions come along as a second PDF: what says nothing at all beside one that does is none.
    if reading.messages.iter().any(says_something) {
        reading.messages.retain(says_something);
    }
    reading
}

/// Whether anything but constants was found in the part itself.
fn says_something(reading: &Reading) -> bool {
    !reading.message.lines.is_empty() || reading.message.fields.values().any(|said| said.place.part == reading.part)
}

pub(super) fn unreadable(message: String) -> Fault {
    Fault {
        code: FaultCode::Unreadable,
        message,
        position: None,
        line: None,
        field: None,
        read: None,
        needed: None,
        place: Some(Place::whole("mail")),
    }
}

/// Reads in this process, within the usual limits; the gateway passes a reader of its own.
pub fn in_process(input: &document::Input<'_>) -> Vec<document::Part> {
    document::read(input, &Limits::default())
}
