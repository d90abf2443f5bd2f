//! Bytes of any kind to parts: what they are is told by the bytes; the name and the declared type are hints.

use super::archive::{self, Holds};
use super::{
    Input, Kind, Limits, Part, charset, csv, edifact, html, letter, ocr, outlook, pdf, rtf, sheet, signed, text, tnef,
    xml,
};

/// How deep files are opened within files.
const DEPTH_MAX: usize = 2;

/// Reads bytes into parts, in this process and within the limits. Never fails: what cannot be read is a
/// part with faults. One input may give several parts (a zip, a PDF with XML inside).
pub fn read(input: &Input<'_>, limits: &Limits) -> Vec<Part> {
    let mut parts = Vec::new();
    Reader { limits, parts: &mut parts }.read(input, 0);
    parts
}

/// Whether reading these bytes can explode, so that it belongs into a process of its own.
pub(super) fn is_risky(input: &Input<'_>) -> bool {
    let bytes = input.bytes;
    is_pdf(bytes)
        || archive::is_zip(bytes)
        || is_compound(bytes)
        || tnef::is_tnef(bytes)
        || bytes.len() > 1 << 20
        || picture(bytes).is_some()
}

/// One round of reading, files within files included.
struct Reader<'a> {
    limits: &'a Limits,
    parts: &'a mut Vec<Part>,
}

impl Reader<'_> {
    fn read(&mut self, input: &Input<'_>, depth: usize) {
        let (name, bytes, limits) = (input.name, input.bytes, self.limits);
        if let Some(part) = self.refused(input, depth) {
            self.parts.push(part);
        } else if is_signature(input) {
            // What it signs stands beside it, or once more within.
            self.parts.push(Part::new(Kind::Other, name));
        } else if is_pdf(bytes) {
            let mut read = pdf::read(name, bytes, limits);
            if !limits.ocr.is_zero() && read.part.faults.iter().any(|fault| fault.code == "SCANNED") {
                ocr::pdf(&mut read.part, bytes, limits);
            }
            self.parts.push(read.part);
            self.inside(read.embedded, depth);
        } else if tnef::is_tnef(bytes) {
            self.mail(input, tnef::read(bytes), depth);
        } else if archive::is_zip(bytes) {
            self.zip(input, depth);
        } else if is_compound(bytes) && outlook::is_message(bytes) {
            self.mail(input, outlook::read(bytes, limits.bytes_max), depth);
        } else if is_compound(bytes) {
            self.parts.push(sheet::guarded(name, bytes, limits));
        } else if let Some(kind) = picture(bytes) {
            let mut part = Part::new(Kind::Image, name);
            part.fault("SCANNED", format!("it is a picture ({kind}): it has no text that could be read"));
            if !limits.ocr.is_zero() {
                ocr::picture(&mut part, bytes, limits);
            }
            self.parts.push(part);
        } else if let Some(content) = signed::read(bytes) {
            match content {
                signed::Content::Document(inner) => {
                    let name = name.strip_suffix(".p7m").unwrap_or(name);
                    self.read(&Input { name, media_type: "", bytes: &inner }, depth + 1);
                }
                signed::Content::Encrypted(with) => {
                    let message = format!("it is encrypted with {with} and needs a key");
                    self.parts.push(Part::faulty(Kind::Other, name, "ENCRYPTED", message));
                }
                signed::Content::Signature => self.parts.push(Part::new(Kind::Other, name)),
            }
        } else if bytes.starts_with(b"{\\rtf") {
            let mut part = match rtf::read(bytes) {
                rtf::Content::Html(source) => html::part(name, &source, limits),
                rtf::Content::Text(source) => text::part_within(name, &source, limits),
            };
            part.name = name.to_owned();
            self.parts.push(part);
        } else if let Some(kind) = unreadable(bytes) {
            self.parts.push(Part::faulty(Kind::Other, name, "UNKNOWN_KIND", format!("nobody here reads {kind}")));
        } else {
            self.parts.push(textual(input, limits));
        }
    }

    /// Files that were found in a file.
    fn inside(&mut self, files: Vec<(String, Vec<u8>)>, depth: usize) {
        for (name, bytes) in files {
            self.read(&Input { name: &name, media_type: "", bytes: &bytes }, depth + 1);
        }
    }

    fn zip(&mut self, input: &Input<'_>, depth: usize) {
        match archive::holds(input.bytes) {
            Holds::Workbook => self.parts.push(sheet::guarded(input.name, input.bytes, self.limits)),
            Holds::Letter => self.parts.push(letter::part(input.name, input.bytes, self.limits)),
            Holds::OtherDocument => {
                let message = "it is a document of a program whose documents nobody here reads";
                self.parts.push(Part::faulty(Kind::Other, input.name, "UNKNOWN_KIND", message));
            }
            Holds::Files => match archive::entries(input.bytes, self.limits) {
                Ok(entries) => {
                    for entry in entries {
                        match entry.bytes {
                            Ok(bytes) => {
                                self.read(&Input { name: &entry.name, media_type: "", bytes: &bytes }, depth + 1)
                            }
                            Err((code, message)) => {
                                self.parts.push(Part::faulty(Kind::Other, &entry.name, code, message))
                            }
                        }
                    }
                }
                Err((code, message)) => self.parts.push(Part::faulty(Kind::Other, input.name, code, message)),
            },
        }
    }

    fn mail(&mut self, input: &Input<'_>, contents: tnef::Contents, depth: usize) {
        if contents.broken {
            self.parts.push(Part::faulty(
                Kind::Other,
                input.name,
                "BROKEN",
                "it ends before its end; what stands before was read",
            ));
        }
        if let Some(subject) = contents.subject {
            self.parts.push(text::part_within("subject", &subject, self.limits));
        }
        if let Some(source) = contents.html {
            self.parts.push(html::part("html", &source, self.limits));
        } else if let Some(source) = contents.text {
            self.parts.push(text::part_within("text", &source, self.limits));
        }
        for file in contents.files {
            self.read(&Input { name: &file.name, media_type: &file.media_type, bytes: &file.bytes }, depth + 1);
        }
    }

    fn refused(&self, input: &Input<'_>, depth: usize) -> Option<Part> {
        let (code, message) = if input.bytes.len() > self.limits.bytes_max {
            ("TOO_LARGE", format!("{} bytes; at most {} are read", input.bytes.len(), self.limits.bytes_max))
        } else if depth > DEPTH_MAX {
            ("TOO_DEEP", format!("files within files are opened {DEPTH_MAX} deep"))
        } else if self.parts.len() >= self.limits.parts_max {
            ("TOO_LARGE", format!("more than {} files", self.limits.parts_max))
        } else {
            return None;
        };
        Some(Part::faulty(Kind::Other, input.name, code, message))
    }
}

/// Text of some kind.
fn textual(input: &Input<'_>, limits: &Limits) -> Part {
    let name = input.name.to_ascii_lowercase();
    let media_type = input.media_type.to_ascii_lowercase();
    let within =
        xml::declared_encoding(input.bytes).or_else(|| edifact::declared_encoding(input.bytes).map(str::to_owned));
    let text = charset::decode_bytes(input.bytes, charset_of(input.media_type).or(within.as_deref()));
    let says = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    let head: String =
        text.trim_start_matches('\u{feff}').trim_start().chars().take(1_000).collect::<String>().to_ascii_lowercase();
    let is_html = head.starts_with("<!doctype html")
        || head.starts_with("<html")
        || head.starts_with("<?xml") && head.contains("<html");
    if is_html || head.contains('<') && (media_type.starts_with("text/html") || says(&[".html", ".htm"])) {
        html::part(input.name, &text, limits)
    } else if head.starts_with("<?xml")
        || head.starts_with('<') && (media_type.contains("xml") || says(&[".xml"]))
        || is_bare_xml(&head)
    {
        xml::part(input.name, &text, limits)
    } else if edifact::is_interchange(&text) {
        edifact::part(input.name, &text, limits)
    } else if media_type.starts_with("text/csv")
        || media_type.starts_with("text/tab-separated-values")
        || says(&[".csv", ".tsv"])
        || head.starts_with("sep=")
    {
        csv::part(input.name, &text, limits)
    } else {
        text::part_within(input.name, &text, limits)
    }
}

/// `<Order xmlns="...">` without a declaration.
fn is_bare_xml(head: &str) -> bool {
    let Some(tag) = head.strip_prefix('<').and_then(|rest| rest.split('>').next()) else { return false };
    tag.contains("xmlns") || tag.starts_with("!doctype cxml")
}

/// The charset parameter of a media type.
fn charset_of(media_type: &str) -> Option<&str> {
    let at = media_type.to_ascii_lowercase().find("charset=")?;
    let value = media_type.get(at + "charset=".len()..)?;
    Some(value.split(';').next().unwrap_or(value).trim().trim_matches(['"', '\'']))
}

fn is_pdf(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    head.windows(5).any(|window| window == b"%PDF-")
}

/// The container of old office files.
fn is_compound(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1])
}

/// The kind of picture that bytes are.
fn picture(bytes: &[u8]) -> Option<&'static str> {
    let kind = infer::get(bytes.get(..bytes.len().min(64)).unwrap_or_default())?;
    (kind.matcher_type() == infer::MatcherType::Image).then(|| kind.extension())
}

/// Whether it is a signature by its name or declared type; the bytes tell of others.
fn is_signature(input: &Input<'_>) -> bool {
    let media_type = input.media_type.to_ascii_lowercase();
    ["application/pkcs7-signature", "application/x-pkcs7-signature"].iter().any(|kind| media_type.starts_with(kind))
        || input.name.to_ascii_lowercase().ends_with(".p7s")
}

/// What bytes are when they are not text: the kind that their beginning shows, or just bytes.
fn unreadable(bytes: &[u8]) -> Option<String> {
    let sample = bytes.get(..bytes.len().min(4096)).unwrap_or_default();
    if sample.starts_with(&[0xff, 0xfe]) || sample.starts_with(&[0xfe, 0xff]) {
        return None;
    }
    let zeros = sample.iter().filter(|byte| **byte == 0).count();
    let controls = sample.iter().filter(|byte| matches!(**byte, 1..=8 | 14..=26 | 28..=31)).count();
    if charset::is_wide(sample) || zeros == 0 && controls * 20 <= sample.len() {
        return None;
    }
    Some(match infer::get(bytes) {
        Some(kind) => format!("files of the kind {} ({})", kind.extension(), kind.mime_type()),
        None => "bytes of this kind".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes decide: a PDF called .txt is a PDF, a page called .dat is a page.
    #[test]
    fn bytes_decide_what_they_are() {
        let cases: &[(&str, &str, &[u8], Kind)] = &[
            ("x.dat", "", b"<!DOCTYPE html><p>x", Kind::Html),
            ("x", "text/html; charset=utf-8", b"<p>x", Kind::Html),
            ("x", "", b"<?xml version='1.0'?><a>1</a>", Kind::Xml),
            ("x", "", b"<Order xmlns='urn:x'><ID>1</ID></Order>", Kind::Xml),
            ("x.edi", "", b"UNB+UNOC:3+A+B'UNZ+0'", Kind::Edifact),
            ("x.csv", "", b"a;b\n1;2\n", Kind::Csv),
            ("x.txt", "text/plain", b"hello", Kind::Text),
            ("x.bin", "", b"\x01\x02\x00\x03", Kind::Other),
            ("x.png", "", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", Kind::Image),
            ("x.txt", "", b"%PDF-1.4 broken", Kind::Pdf),
            ("x.rtf", "", b"{\\rtf1 hello}", Kind::Text),
        ];
        for (name, media_type, bytes, kind) in cases {
            let parts = read(&Input { name, media_type, bytes }, &Limits::default());
            assert_eq!(parts.iter().map(|part| part.kind).collect::<Vec<_>>(), [*kind], "{name}");
        }
    }

    /// Files within files are opened, but not without end.
    #[test]
    fn archives_are_opened_two_deep() {
        let zip = |name: &str, bytes: &[u8]| {
            use std::io::Write;
            let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
            writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap().into_inner()
        };
        let one = zip("a/order.csv", b"Pos;Menge\n10;5\n");
        let kinds = |bytes: &[u8]| {
            let parts = read(&Input { name: "x.zip", media_type: "", bytes }, &Limits::default());
            parts
                .into_iter()
                .map(|part| (part.kind, part.name, part.faults.first().map(|fault| fault.code.clone())))
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(&one), [(Kind::Csv, "a/order.csv".into(), None)]);
        let two = zip("in.zip", &one);
        assert_eq!(kinds(&two), [(Kind::Csv, "a/order.csv".into(), None)]);
        assert_eq!(kinds(&zip("out.zip", &two)), [(Kind::Other, "a/order.csv".into(), Some("TOO_DEEP".into()))]);
    }
}
