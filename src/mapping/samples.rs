//! The samples beside a mapping: `<layout>/samples/NAME.eml` (or another document), `NAME.expected.json`,
//! `NAME.order.json`. Reading them again must give what is expected, by the mapping that claims them.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::library::{Choice, Library};
use super::mails::{MailReading, read_with};
use super::material::{Material, Reader};
use super::rule::{Mapping, Source, Status};
use super::{json, structured};
use crate::diagnostic::Diagnostic;
use crate::document::{Input, Limits, Part};
use crate::mail::Mail;

/// One sample, read.
pub struct Sample {
    pub mail: PathBuf,
    pub reading: MailReading,
    /// `None`: there is no expected file.
    pub expected: Option<Json>,
    /// What differs, in words; empty = as expected.
    pub differences: Vec<String>,
}

const SAMPLES_MAX: usize = 1_000;
const SAMPLE_BYTES_MAX: u64 = 60 << 20;

/// The folder of a mapping's samples.
pub fn folder(mapping: &Mapping) -> PathBuf {
    Path::new(&mapping.file).with_extension("").join("samples")
}

/// Reads all samples of a mapping.
pub fn test(mapping: &Mapping, library: &Library, reader: &Reader<'_>) -> (Vec<Sample>, Vec<Diagnostic>) {
    let (mut samples, mut found) = (Vec::new(), Vec::new());
    let folder = folder(mapping);
    let mut mails: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|e| e == "eml"))
            .collect(),
        Err(_) => Vec::new(),
    };
    mails.sort();
    if mails.is_empty() {
        let message = format!("`{}` has no samples: nothing shows that it reads", mapping.name);
        let d = if mapping.status == Status::Live { Diagnostic::warning("MAP021", message) } else { note(message) };
        found.push(d.in_file(&folder.display().to_string()));
    }
    for mail in mails.into_iter().take(SAMPLES_MAX) {
        match sample(mapping, library, &mail, reader) {
            Ok(sample) => {
                if sample.expected.is_none() {
                    let message = "the sample has no expected file (`postern mapping test --write` writes it)";
                    found.push(Diagnostic::error("MAP021", message).in_file(&mail.display().to_string()));
                }
                for difference in &sample.differences {
                    found.push(Diagnostic::error("MAP021", difference.clone()).in_file(&mail.display().to_string()));
                }
                samples.push(sample);
            }
            Err(message) => found.push(Diagnostic::error("MAP021", message).in_file(&mail.display().to_string())),
        }
    }
    (samples, found)
}

fn note(message: String) -> Diagnostic {
    Diagnostic { severity: crate::diagnostic::Severity::Note, ..Diagnostic::warning("MAP021", message) }
}

fn sample(mapping: &Mapping, library: &Library, path: &Path, reader: &Reader<'_>) -> Result<Sample, String> {
    let raw = load(path)?;
    let mail = Mail::parse(&raw);
    let limits = Limits::default();
    let mut material = Material::of_mail(&mail, &limits, reader);
    material.linked = linked(path, reader);
    let mut differences = Vec::new();
    if let Some(standard) = structured::read(&material) {
        differences.push(format!("no mapping is asked: it is a {}", standard.mapping.unwrap_or_default()));
    }
    if let Some(reason) = mapping.refuses(&material) {
        differences.push(format!("`{}` does not take it: {reason}", mapping.name));
    } else if let Choice::Several(several) = library.choose(&material, None) {
        let names: Vec<&str> = several.iter().map(|mapping| mapping.name.as_str()).collect();
        differences.push(format!("several mappings take it: {}", names.join(", ")));
    }
    let reading = read_with(mapping, &material);
    let expected_path = path.with_extension("expected.json");
    let expected: Option<Json> = match std::fs::read_to_string(&expected_path) {
        Ok(text) => Some(serde_json::from_str(&text).map_err(|error| format!("{}: {error}", expected_path.display()))?),
        Err(_) => None,
    };
    if let Some(expected) = &expected {
        compare("", expected, &json::expected(&reading), &mut differences);
    }
    let order_path = path.with_extension("order.json");
    if let Ok(text) = std::fs::read_to_string(&order_path)
        && let Err(error) = crate::model::Order::read(&text, jiff::Timestamp::UNIX_EPOCH)
    {
        differences.push(format!("{}: {error}", order_path.display()));
    }
    Ok(Sample { mail: path.to_path_buf(), reading, expected, differences })
}

/// The pages that a sample links to, as they lie beside it: `NAME.linked.html`, `NAME.linked-2.pdf` ...
pub fn linked(mail: &Path, reader: &Reader<'_>) -> Vec<Part> {
    let endings = ["", "-2", "-3"].into_iter().flat_map(|n| [format!("linked{n}.html"), format!("linked{n}.pdf")]);
    let pages = endings.map(|ending| mail.with_extension(ending)).filter(|path| path.is_file());
    pages
        .filter_map(|path| Some((path.file_name()?.to_string_lossy().into_owned(), load(&path).ok()?)))
        .flat_map(|(name, bytes)| {
            let media_type = if name.ends_with(".pdf") { "application/pdf" } else { "text/html" };
            let mut parts = reader(&Input { name: &name, media_type, bytes: &bytes });
            parts.retain(|part| Source::Link.takes(part.kind));
            parts
        })
        .collect()
}

pub(super) fn load(path: &Path) -> Result<Vec<u8>, String> {
    let size = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if size > SAMPLE_BYTES_MAX {
        return Err(format!("it has {size} bytes; samples have at most {SAMPLE_BYTES_MAX}"));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}

/// Every place at which two JSON values differ.
fn compare(at: &str, expected: &Json, got: &Json, differences: &mut Vec<String>) {
    match (expected, got) {
        (Json::Object(a), Json::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let name = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                compare(&name, a.get(key).unwrap_or(&Json::Null), b.get(key).unwrap_or(&Json::Null), differences);
            }
        }
        (Json::Array(a), Json::Array(b)) => {
            for index in 0..a.len().max(b.len()) {
                let name = format!("{at}[{}]", index + 1);
                compare(&name, a.get(index).unwrap_or(&Json::Null), b.get(index).unwrap_or(&Json::Null), differences);
            }
        }
        (a, b) if a == b => {}
        (a, b) => differences.push(format!("{at}: expected {}, read {}", shown(a), shown(b))),
    }
}

fn shown(value: &Json) -> String {
    match value {
        Json::Null => "nothing".into(),
        Json::String(text) => format!("`{text}`"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples that newcomers copy, and that the demo runs on, must be read as they say.
    #[test]
    fn the_examples_are_read_as_expected() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings"));
        let (library, found) = Library::load(dir);
        assert_eq!(found, []);
        assert_eq!(library.mappings.len(), 3);
        for mapping in &library.mappings {
            let (samples, found) = test(mapping, &library, &super::super::mails::in_process);
            assert_eq!(found, [], "{}", mapping.name);
            assert!(samples.len() >= 2, "{}", mapping.name);
            for sample in samples {
                assert_eq!(sample.reading.all_faults().count(), 0, "{}", sample.mail.display());
                let mail = Mail::parse(&load(&sample.mail).unwrap());
                let chosen = super::super::read_mail(
                    &mail,
                    &library,
                    Some(&mapping.partner),
                    &Limits::default(),
                    &super::super::mails::in_process,
                );
                assert_eq!(chosen.messages, sample.reading.messages, "chosen by its sender and subject");
            }
        }
    }

    /// A mail in an unknown layout must not be forced through the nearest mapping.
    #[test]
    fn unknown_layouts_are_refused() {
        let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/mappings"));
        let (library, _) = Library::load(dir);
        let raw = load(&dir.join("nordwind/bestaetigung/samples/changed.eml")).unwrap();
        let text = String::from_utf8(raw).unwrap();
        let read = |text: &str| {
            super::super::read_mail(
                &Mail::parse(text.as_bytes()),
                &library,
                None,
                &Limits::default(),
                &super::super::mails::in_process,
            )
        };
        let stranger = read(&text.replace("@nordwind.example", "@nordwind.example.net"));
        assert_eq!(stranger.mapping, None);
        assert!(stranger.faults[0].message.contains("is not in [match] from"), "{:?}", stranger.faults);
        let other = read(&text.replace("Pos  Artikel-Nr.", "Nr.  Artikelnummer"));
        assert!(other.messages[0].message.lines.is_empty());
        assert!(
            other.messages[0].faults.iter().any(|fault| fault.message.contains("no row")),
            "{:?}",
            other.messages[0].faults
        );
    }
}
