//! Structured documents in a mail (UBL, EDIFACT, cXML ...) are read without a mapping: as an attachment, in an
//! archive, or as the body itself.

use super::mails::MailReading;
use super::material::Material;
use super::read::Reading;
use super::rule::Kind;
use crate::document;
use crate::model::MessageKind;
use crate::standard;

/// What the structured documents of a mail say; `None` when there is none that speaks of orders.
pub fn read(material: &Material<'_>) -> Option<MailReading> {
    let mut reading = MailReading::default();
    for file in &material.files {
        if looks_structured(file.bytes) {
            let text = standard::decode(file.bytes, file.media_type);
            take(&mut reading, &text, &file.name);
        } else if file.bytes.starts_with(b"PK\x03\x04") && file.may_hold(document::Kind::Xml) {
            for part in material.parts(file) {
                if let Some(source) = part
                    .source
                    .as_deref()
                    .filter(|_| matches!(part.kind, document::Kind::Xml | document::Kind::Edifact))
                {
                    take(&mut reading, source, &part.name);
                }
            }
        }
    }
    if reading.mapping.is_none()
        && let Some(text) = material.raw_text.filter(|text| looks_structured(text.as_bytes()))
    {
        take(&mut reading, text, "text");
    }
    reading.mapping.is_some().then_some(reading)
}

/// How XML, EDIFACT and X12 begin; whatever else a file is, it is not decoded for nothing.
fn looks_structured(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(64)).unwrap_or_default();
    let text: Vec<u8> =
        head.iter().copied().filter(|byte| *byte != 0 && *byte < 0x80 && !byte.is_ascii_whitespace()).collect();
    text.starts_with(b"<")
        || text.starts_with(b"UNA")
        || text.starts_with(b"UNB")
        || text.starts_with(b"UNH")
        || text.starts_with(b"ISA")
}

fn take(reading: &mut MailReading, text: &str, part: &str) {
    let Some(found) = standard::read(text, part) else { return };
    if found.messages.is_empty() && found.dispatches.is_empty() {
        // An invoice beside the confirmation is none of ours; what is ours but broken must be told.
        if found.not_ours.is_none() && reading.mapping.is_none() {
            reading.mapping = Some(found.standard.to_string());
            reading.kind = Some(Kind::Response);
            let complaints = found.faults.iter().filter(|fault| fault.is_error());
            reading.faults.extend(complaints.map(|fault| super::mails::unreadable(fault.to_string())));
            if reading.faults.is_empty() {
                reading.faults.push(super::mails::unreadable(format!("the {} holds no message", found.standard)));
            }
        }
        return;
    }
    let name = found.standard.to_string();
    reading.kind = found.messages.first().map(|message| match message.kind {
        MessageKind::Response => Kind::Response,
        MessageKind::Order => Kind::Order,
        MessageKind::RecallAnswer => Kind::RecallAnswer,
    });
    let faults = found.message_faults.into_iter().chain(std::iter::repeat_with(Vec::new));
    for (message, faults) in found.messages.into_iter().zip(faults) {
        reading.messages.push(Reading { mapping: name.clone(), part: part.to_string(), message, faults });
    }
    reading.dispatches.extend(found.dispatches);
    reading.mapping = Some(name);
}

#[cfg(test)]
mod tests {
    use crate::document::{Input, Limits, Part};
    use crate::mail::Mail;
    use crate::mapping::{Library, read_mail};
    use crate::model::Field;

    const UBL: &str = r#"<?xml version="1.0"?>
<OrderResponse xmlns="urn:oasis:names:specification:ubl:schema:xsd:OrderResponse-2" xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2" xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2">
<cbc:ID>R1</cbc:ID><cbc:IssueDate>2026-11-20</cbc:IssueDate><cbc:OrderResponseCode>AP</cbc:OrderResponseCode><cac:OrderReference><cbc:ID>4711</cbc:ID></cac:OrderReference>
</OrderResponse>"#;

    /// A partner that sends UBL needs no mapping, in whatever mail it comes.
    #[test]
    fn standards_need_no_mapping() {
        let reader = |input: &Input<'_>| -> Vec<Part> { crate::document::read(input, &Limits::default()) };
        let attached = format!(
            "From: a@b.example\nSubject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nhello\n--b\nContent-Type: application/xml; name=r.xml\nContent-Disposition: attachment; filename=r.xml\n\n{UBL}\n--b--\n"
        );
        let body = format!("From: a@b.example\nSubject: x\n\n{UBL}\n");
        for raw in [attached, body] {
            let mail = Mail::parse(raw.as_bytes());
            let reading = read_mail(&mail, &Library::default(), None, &Limits::default(), &reader);
            assert_eq!(reading.mapping.as_deref(), Some("ubl-2.1 OrderResponse"), "{reading:?}");
            assert_eq!(reading.messages[0].message.text(Field::OrderNumber), Some("4711"));
        }
    }
}
