//! Bytes of any kind to parts: what they are is told by the bytes, the name and the declared type are hints.

use super::{Input, Kind, Limits, Part, charset, html, pdf, text};

/// How deep files are opened within files.
const DEPTH_MAX: usize = 2;

/// Reads bytes into parts, in this process and within the limits; never fails, never panics: what cannot be
/// read is a part with faults. One input may give several parts (a zip, a PDF with XML inside).
pub fn read(input: &Input<'_>, limits: &Limits) -> Vec<Part> {
    let mut parts = Vec::new();
    Reader { limits, parts: &mut parts }.read(input, 0);
    parts
}

/// One round of reading, files within files included.
struct Reader<'a> {
    limits: &'a Limits,
    parts: &'a mut Vec<Part>,
}

impl Reader<'_> {
    fn read(&mut self, input: &Input<'_>, depth: usize) {
        if let Some(part) = self.refused(input, depth) {
            self.parts.push(part);
            return;
        }
        if is_pdf(input.bytes) {
            let read = pdf::read(input.name, input.bytes, self.limits);
            self.parts.push(read.part);
            self.inside(read.embedded, depth);
            return;
        }
        let text = charset::decode_bytes(input.bytes, charset_of(input.media_type));
        let part = if looks_like_html(input, &text) {
            html::part(input.name, &text, self.limits)
        } else {
            text::part_within(input.name, &text, self.limits)
        };
        self.parts.push(part);
    }

    /// Files that were found in a file.
    fn inside(&mut self, files: Vec<(String, Vec<u8>)>, depth: usize) {
        for (name, bytes) in files {
            self.read(&Input { name: &name, media_type: "", bytes: &bytes }, depth + 1);
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

fn is_pdf(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(1024)).unwrap_or_default();
    head.windows(5).any(|window| window == b"%PDF-")
}

/// The charset parameter of a media type.
fn charset_of(media_type: &str) -> Option<&str> {
    let at = media_type.to_ascii_lowercase().find("charset=")?;
    let value = media_type.get(at + "charset=".len()..)?;
    Some(value.split(';').next().unwrap_or(value).trim().trim_matches(['"', '\'']))
}

fn looks_like_html(input: &Input<'_>, text: &str) -> bool {
    let name = input.name.to_ascii_lowercase();
    let head: String = text.trim_start().chars().take(256).collect::<String>().to_ascii_lowercase();
    input.media_type.to_ascii_lowercase().starts_with("text/html")
        || head.starts_with("<!doctype html")
        || head.starts_with("<html")
        || (name.ends_with(".html") || name.ends_with(".htm")) && head.contains('<')
}
