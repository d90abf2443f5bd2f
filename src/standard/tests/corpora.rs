//! Real documents of public projects, where they are at hand (`POSTERN_SHARED` or `../shared`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::super::{Reading, decode, read};
use crate::model::{Decimal, Field, HeadState, LineStatus, Said, Value};

fn structured() -> Option<PathBuf> {
    let shared = std::env::var_os("POSTERN_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    let folder = shared.join("corpora/structured");
    folder.is_dir().then_some(folder)
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else {
            out.push(path);
        }
    }
    out.sort();
}

fn text(fields: &BTreeMap<Field, Said>, field: Field) -> String {
    fields.get(&field).map(|said| said.value.to_string()).unwrap_or_default()
}

fn number(text: &str) -> Option<Decimal> {
    Decimal::from_str_exact(text).ok().map(|number| number.normalize())
}

/// What the truth says of the head that is not read so.
fn head(truth: &Json, reading: &Reading) -> Vec<String> {
    let mut wrong = Vec::new();
    let Some(message) = reading.messages.first() else { return vec!["no message".into()] };
    let mut same = |what: &str, expected: Option<&str>, read: String| {
        if let Some(expected) = expected
            && !(expected == read || number(expected).is_some() && number(expected) == number(&read))
        {
            wrong.push(format!("{what}: `{expected}` was read as `{read}`"));
        }
    };
    let said = |key: &str| truth.get(key).and_then(Json::as_str);
    same("order", said("order_ref"), text(&message.fields, Field::OrderNumber));
    same("response", said("response_no"), text(&message.fields, Field::ResponseNumber));
    same("note", said("note"), text(&message.fields, Field::Note));
    same("currency", said("currency"), text(&message.fields, Field::Currency));
    same("total", said("total"), text(&message.fields, Field::Total));
    let date = said("date").map(|date| date.get(..10).unwrap_or(date).replace('-', ""));
    same("date", date.as_deref(), text(&message.fields, Field::EntryDate).replace('-', ""));
    let state = said("decision").map(|decision| match decision {
        "accepted" => HeadState::Accepted,
        "rejected" => HeadState::Canceled,
        _ => HeadState::AcceptedWithChanges,
    });
    same("state", state.map(HeadState::name), text(&message.fields, Field::State));
    let lines = truth.get("lines").and_then(Json::as_array).map_or(0, Vec::len);
    same("lines", Some(&lines.to_string()), message.lines.len().to_string());
    wrong
}

fn status(decision: &str) -> LineStatus {
    match decision {
        "accepted" => LineStatus::Accepted,
        "rejected" | "deleted" => LineStatus::Canceled,
        "no-action" => LineStatus::Unchanged,
        _ => LineStatus::Changed,
    }
}

/// What the truth says of one line that is not read so.
fn line(truth: &Json, fields: &BTreeMap<Field, Said>) -> Vec<String> {
    let mut wrong = Vec::new();
    let all: Vec<String> = fields.values().map(|said| said.value.to_string()).collect();
    let reads = |expected: &str| {
        let expected_number = number(expected);
        all.iter().any(|read| {
            read == expected || read.contains(expected) || expected_number.is_some() && number(read) == expected_number
        })
    };
    let mut values: Vec<String> = Vec::new();
    let parts = truth.get("statuses").and_then(Json::as_array).cloned().unwrap_or_default();
    for source in std::iter::once(truth).chain(&parts) {
        for key in [
            "order_line_ref",
            "qty",
            "unit",
            "note",
            "name",
            "seller_item",
            "item",
            "gtin",
            "substitute",
            "promised_end",
        ] {
            values.extend(source.get(key).and_then(Json::as_str).map(str::to_string));
        }
        for (qualifier, quantity) in source.get("qty").and_then(Json::as_object).into_iter().flatten() {
            // A split by place within an unchanged line is no answer.
            if qualifier != "11" {
                values.extend(quantity.as_str().map(str::to_string));
            }
        }
        for date in source.get("dates").and_then(Json::as_object).into_iter().flat_map(|dates| dates.values()) {
            let date = date.as_str().unwrap_or_default();
            values.push(format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]));
        }
        if let Some(decision) = source.get("decision").and_then(Json::as_str) {
            values.push(status(decision).name().to_string());
        }
        let net = source.get("price").and_then(|price| price.get("AAA").or(Some(price))).and_then(Json::as_str);
        if let Some(price) = net.and_then(number) {
            let per = fields.get(&Field::PriceBasis).and_then(|said| said.value.as_number()).unwrap_or(Decimal::ONE);
            values.push((price / per).normalize().to_string());
        }
        values.extend(
            source
                .get("reason")
                .and_then(Json::as_str)
                .map(|reason| reason.split(':').next().unwrap_or_default().to_string()),
        );
    }
    for value in values {
        if !reads(&value) {
            wrong.push(format!("`{value}` was not read: {all:?}"));
        }
    }
    wrong
}

/// "Everything in the structured folder is read as its truth says."
#[test]
fn real_responses_are_read_as_their_truth_says() {
    let Some(folder) = structured() else {
        eprintln!("skipped: no shared/corpora/structured here");
        return;
    };
    let mut all = Vec::new();
    files(&folder, &mut all);
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for path in all.iter().filter(|path| path.to_string_lossy().ends_with(".truth.json")) {
        let truth: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let document = path.to_string_lossy().trim_end_matches(".truth.json").to_string();
        let name = document.rsplit('/').next().unwrap_or_default().to_string();
        let Some(reading) = read(&decode(&std::fs::read(&document).unwrap(), ""), &name) else {
            wrong.push(format!("{name}: not recognised"));
            continue;
        };
        compared += 1;
        let mut faults = head(&truth, &reading);
        let lines = truth.get("lines").and_then(Json::as_array).into_iter().flatten();
        for (truth, fields) in lines.zip(reading.messages.iter().flat_map(|message| &message.lines)) {
            faults.extend(line(truth, fields));
        }
        let damaged = truth.get("damaged").is_some();
        let complaints: Vec<String> =
            reading.faults.iter().filter(|fault| fault.is_error()).map(ToString::to_string).collect();
        if damaged && complaints.is_empty() {
            faults.push("the damage is not told".into());
        } else if !damaged && !complaints.is_empty() {
            faults.push(format!("complains: {complaints:?}"));
        }
        wrong.extend(faults.into_iter().map(|fault| format!("{name}: {fault}")));
    }
    eprintln!("{compared} documents compared with their truth");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Real orders and dispatch notices are read without a complaint and with every line; the rest is named.
#[test]
fn real_orders_and_others() {
    let Some(folder) = structured() else {
        eprintln!("skipped: no shared/corpora/structured here");
        return;
    };
    let mut all = Vec::new();
    files(&folder, &mut all);
    let mut seen = BTreeMap::new();
    for path in all {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_string();
        let truth = PathBuf::from(format!("{}.truth.json", path.display()));
        if name.ends_with(".json") || truth.exists() || path.to_string_lossy().contains("/xlsx/") {
            continue;
        }
        let text = decode(&std::fs::read(&path).unwrap(), "");
        let Some(reading) = read(&text, &name) else {
            eprintln!("none of ours: {name}");
            continue;
        };
        let errors: Vec<String> =
            reading.faults.iter().filter(|fault| fault.is_error()).map(ToString::to_string).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let bare: String =
            text.split("<!--").map(|piece| piece.split_once("-->").map_or(piece, |(_, after)| after)).collect();
        let tags = ["<cac:OrderLine>", "<ItemOut ", "<ORDER_ITEM>", "<cac:DespatchLine>"];
        let expected: usize = tags.iter().map(|tag| bare.matches(*tag).count()).sum();
        let read = reading.messages.iter().map(|message| message.lines.len()).sum::<usize>()
            + reading.dispatches.iter().map(|dispatch| dispatch.lines.len()).sum::<usize>();
        if reading.not_ours.is_none() {
            assert_eq!(read, expected, "{name}");
            for message in &reading.messages {
                assert!(message.fields.contains_key(&Field::OrderNumber), "{name}");
                assert!(
                    message
                        .lines
                        .iter()
                        .all(|line| matches!(line.get(&Field::Quantity), Some(Said { value: Value::Number(_), .. }))),
                    "{name}"
                );
            }
        }
        *seen
            .entry(format!("{}{}", reading.standard, if reading.not_ours.is_some() { " (not ours)" } else { "" }))
            .or_insert(0) += 1;
    }
    eprintln!("{seen:#?}");
}

/// Peppol's own test sets: what its rules call an error must be a complaint here, and what they allow must not.
#[test]
fn peppol_rules() {
    let Some(folder) = structured() else {
        eprintln!("skipped: no shared/corpora/structured here");
        return;
    };
    // R002 (parties) and T116-R008 (AP without lines) are not ours to police: both can be read without doubt.
    let rules = ["T76-R003", "T76-R004", "T76-R005", "T116-R004", "T116-R007"];
    let mut checked = 0;
    for rule in rules {
        let Ok(text) = std::fs::read_to_string(folder.join(format!("peppol-unit/PEPPOL-{rule}.xml"))) else { continue };
        for test in text.split("<test>").skip(1) {
            let fails = test.contains("<error");
            let Some(start) = test.find("<OrderResponse") else { continue };
            let Some(end) = test.find("</OrderResponse>") else { continue };
            let document = &test[start..end + "</OrderResponse>".len()];
            let reading = read(document, "test").unwrap();
            let complains = reading.faults.iter().any(|fault| fault.is_error());
            assert_eq!(complains, fails, "{rule}: {:?}\n{document}", reading.faults);
            checked += 1;
        }
    }
    eprintln!("{checked} of Peppol's rule tests agree");
}
