//! Readings as the JSON that others rely on (CONTRACTS: `postern mapping try --json`), and as the
//! shorter one of expected files.

use serde_json::{Map, Value as Json, json};

use super::mails::MailReading;
use super::read::Reading;
use crate::diagnostic::Diagnostic;
use crate::model::{Fault, Field, Said, Spot};

/// `{v, mapping, kind, responses: [{type, fields, lines}], faults}`, each value with its witness.
pub fn full(reading: &MailReading) -> Json {
    let responses: Vec<Json> = reading.messages.iter().map(|reading| response(reading, &witness)).collect();
    let faults: Vec<Json> = reading.all_faults().map(|fault| json!(diagnostic(fault))).collect();
    json!({
        "v": 1,
        "mapping": reading.mapping,
        "kind": reading.kind.map(|kind| kind.name()),
        "responses": responses,
        "faults": faults,
    })
}

/// What an expected file holds: kind, types, values alone, and the faults' codes with their words.
pub fn expected(reading: &MailReading) -> Json {
    let responses: Vec<Json> =
        reading.messages.iter().map(|reading| response(reading, &|said| json!(said.value.to_string()))).collect();
    let faults: Vec<Json> =
        reading.all_faults().map(|fault| json!({ "code": fault.code.name(), "message": fault.message })).collect();
    json!({ "kind": reading.kind.map(|kind| kind.name()), "responses": responses, "faults": faults })
}

fn response(reading: &Reading, said: &dyn Fn(&Said) -> Json) -> Json {
    let table = |fields: &std::collections::BTreeMap<Field, Said>| -> Json {
        Json::Object(fields.iter().map(|(field, value)| (field.name().to_string(), said(value))).collect::<Map<_, _>>())
    };
    let lines: Vec<Json> = reading.message.lines.iter().map(table).collect();
    json!({
        "type": reading.message.response_type.map(|kind| kind.name()),
        "fields": table(&reading.message.fields),
        "lines": lines,
    })
}

fn witness(said: &Said) -> Json {
    json!({ "value": said.value.to_string(), "raw": said.raw, "rule": said.rule, "place": said.place })
}

/// A fault as a complaint with a place: the file is the part of the mail.
pub fn diagnostic(fault: &Fault) -> Diagnostic {
    let mut d = Diagnostic::error(fault.code.name(), fault.message.clone());
    if let Some(place) = &fault.place {
        d.file = place.part.clone();
        if let Spot::Text { line, column, .. } = place.spot {
            (d.line, d.column) = (line, column);
        } else if !matches!(place.spot, Spot::Whole) {
            d.file = place.to_string();
        }
    }
    d.help = fault.needed.as_ref().map(|needed| format!("needed: {needed}"));
    d
}
