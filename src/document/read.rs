//! Bytes of any kind to parts: what they are is told by the bytes, the name and the declared type are hints.

use super::{Input, Kind, Limits, Part, charset, html, text};

/// Reads bytes into parts, in this process and within the limits; never fails, never panics: what cannot be
/// read is a part with faults. One input may give several parts (a zip, a PDF with XML inside).
pub fn read(input: &Input<'_>, limits: &Limits) -> Vec<Part> {
    if input.bytes.len() > limits.bytes_max {
        let message = format!("{} bytes; at most {} are read", input.bytes.len(), limits.bytes_max);
        return vec![Part::faulty(Kind::Other, input.name, "TOO_LARGE", message)];
    }
    let text = charset::decode_bytes(input.bytes, charset_of(input.media_type));
    if looks_like_html(input, &text) {
        return vec![html::part(input.name, &text, limits)];
    }
    vec![text::part_within(input.name, &text, limits)]
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
