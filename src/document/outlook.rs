//! Mails as Outlook saves them (`.msg`): the body, the subject and the attached files ([MS-OXMSG]).
//!
//! The same properties as in `winmail.dat`, in a compound file: one stream each.

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use super::compound;
use super::tnef::{Bodies, Contents, File, Target, settle};

type Compound<'a> = cfb::CompoundFile<Cursor<&'a [u8]>>;

/// What every message and attachment has, and nothing else that is kept in compound files.
const PROPERTIES: &str = "__properties_version1.0";
const ENTRIES_MAX: usize = 20_000;
/// Mails within mails.
const DEPTH_MAX: usize = 3;

/// Whether a compound file is a mail, whatever it is called.
pub(super) fn is_message(bytes: &[u8]) -> bool {
    cfb::CompoundFile::open(Cursor::new(bytes)).is_ok_and(|file| file.is_stream(Path::new("/").join(PROPERTIES)))
}

/// Reads a mail; what is found within attached mails stands behind what is attached here.
pub(super) fn read(bytes: &[u8], bytes_max: usize) -> Contents {
    let mut contents = Contents::default();
    match cfb::CompoundFile::open(Cursor::new(bytes)) {
        Ok(file) if !compound::runs_in_circles(bytes) => {
            Reader { file, left: bytes_max, entries: ENTRIES_MAX }.message(Path::new("/"), &mut contents, 0)
        }
        _ => contents.broken = true,
    }
    contents
}

struct Reader<'a> {
    file: Compound<'a>,
    /// Bytes and entries that may still be read.
    left: usize,
    entries: usize,
}

impl Reader<'_> {
    fn message(&mut self, at: &Path, contents: &mut Contents, depth: usize) {
        let (streams, storages) = self.children(at);
        let fixed = self.fixed(at);
        let code_page = fixed.get(&0x3ffd).or_else(|| fixed.get(&0x3fde)).copied().unwrap_or(1252);
        let mut bodies = Bodies::default();
        for stream in &streams {
            self.property(stream, code_page, &mut Target::Message(&mut bodies), contents);
        }
        for storage in storages.iter().filter(|storage| named(storage, "__attach_version1.0_").is_some()) {
            self.attachment(storage, code_page, contents, depth);
        }
        // The HTML is in the character set of the internet, the rest in that of the store.
        let code_page_of_html = fixed.get(&0x3fde).copied().unwrap_or(code_page);
        let mut own = Contents::default();
        settle(bodies, code_page_of_html, &mut own);
        if depth == 0 {
            (contents.html, contents.text, contents.subject) = (own.html, own.text, own.subject);
        } else if let Some((name, media_type, text)) = (own.html.map(|html| ("message.html", "text/html", html)))
            .or_else(|| own.text.map(|text| ("message.txt", "text/plain", text)))
        {
            let media_type = format!("{media_type}; charset=utf-8");
            contents.files.push(File { name: name.into(), media_type, bytes: text.into_bytes() });
        }
    }

    fn attachment(&mut self, at: &Path, code_page: u32, contents: &mut Contents, depth: usize) {
        let (streams, storages) = self.children(at);
        let mut file = File::default();
        for stream in &streams {
            self.property(stream, code_page, &mut Target::File(&mut file), contents);
        }
        if !file.bytes.is_empty() {
            contents.files.push(file);
        }
        for inner in storages.iter().filter(|storage| named(storage, "__substg1.0_3701000D").is_some()) {
            if depth < DEPTH_MAX && self.file.is_stream(inner.join(PROPERTIES)) {
                self.message(inner, contents, depth + 1);
            } else {
                contents.broken |= depth >= DEPTH_MAX;
            }
        }
    }

    /// One property of variable length: the name of its stream says which and of what type.
    fn property(&mut self, stream: &Path, code_page: u32, target: &mut Target<'_>, contents: &mut Contents) {
        let Some(tag) = named(stream, "__substg1.0_").and_then(|tag| u32::from_str_radix(tag.get(..8)?, 16).ok())
        else {
            return;
        };
        let (id, kind) = ((tag >> 16) as u16, (tag & 0xffff) as u16);
        if target.wants(id) {
            match self.bytes(stream) {
                Some(value) => target.take(id, kind, &value, code_page),
                None => contents.broken = true,
            }
        }
    }

    /// The streams and storages in a storage.
    fn children(&mut self, at: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let Ok(entries) = self.file.read_storage(at) else { return Default::default() };
        let (mut streams, mut storages) = (Vec::new(), Vec::new());
        for entry in entries.take(self.entries) {
            let list = if entry.is_stream() { &mut streams } else { &mut storages };
            list.push(entry.path().to_path_buf());
        }
        self.entries -= streams.len() + storages.len();
        (streams, storages)
    }

    /// The numbers among the properties of fixed length of a message, by identifier.
    fn fixed(&mut self, at: &Path) -> std::collections::BTreeMap<u16, u32> {
        // The head of the stream is longer at the top than in an attached mail.
        let head = if at == Path::new("/") { 32 } else { 24 };
        let bytes = self.bytes(&at.join(PROPERTIES)).unwrap_or_default();
        let entries = bytes.get(head..).unwrap_or_default().chunks_exact(16);
        entries
            .filter_map(|entry| {
                let (tag, value) = (entry.first_chunk::<4>()?, entry.get(8..)?.first_chunk::<4>()?);
                let tag = u32::from_le_bytes(*tag);
                (tag & 0xffff == 3).then(|| ((tag >> 16) as u16, u32::from_le_bytes(*value)))
            })
            .collect()
    }

    fn bytes(&mut self, stream: &Path) -> Option<Vec<u8>> {
        let stream = self.file.open_stream(stream).ok()?;
        if stream.len() > self.left as u64 {
            return None;
        }
        let mut bytes = Vec::new();
        stream.take(self.left as u64).read_to_end(&mut bytes).ok()?;
        self.left -= bytes.len();
        Some(bytes)
    }
}

/// What follows `prefix` in the last part of a path.
fn named<'a>(path: &'a Path, prefix: &str) -> Option<&'a str> {
    path.file_name()?.to_str()?.strip_prefix(prefix)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::document::{Input, Limits};

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn sample() -> Vec<u8> {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        let mut put = |path: &str, bytes: &[u8]| file.create_new_stream(path).unwrap().write_all(bytes).unwrap();
        put("/__properties_version1.0", &[0; 32]);
        put("/__substg1.0_0037001F", &wide("Order 4711"));
        put("/__substg1.0_1000001F", &wide("Best\u{e4}tigt: 5 St\u{fc}ck"));
        file.create_storage("/__attach_version1.0_#00000000").unwrap();
        let mut put = |path: &str, bytes: &[u8]| {
            file.create_new_stream(format!("/__attach_version1.0_#00000000/{path}")).unwrap().write_all(bytes).unwrap()
        };
        put("__properties_version1.0", &[0; 8]);
        put("__substg1.0_3707001F", &wide("lines.csv"));
        put("__substg1.0_37010102", b"pos;qty\n10;5\n");
        file.flush().unwrap();
        file.into_inner().into_inner()
    }

    /// A forwarded mail that somebody dragged out of Outlook must be read like the mail itself.
    #[test]
    fn subject_body_and_files_come_out() {
        let bytes = sample();
        let parts = crate::document::read(&Input { name: "a.msg", media_type: "", bytes: &bytes }, &Limits::default());
        let shown: Vec<(&str, String)> = parts.iter().map(|part| (part.name.as_str(), part.text())).collect();
        assert_eq!(
            shown,
            [
                ("subject", "Order 4711\n".to_string()),
                ("text", "Bestätigt: 5 Stück\n".to_string()),
                ("lines.csv", "pos  qty\n10   5\n".to_string())
            ]
        );
    }

    /// A cut-off file is a fault, not a crash.
    #[test]
    fn any_truncation_is_survived() {
        let sample = sample();
        for end in (0..sample.len()).step_by(97) {
            let _ = read(&sample[..end], 1 << 20);
        }
        assert!(read(&sample[..600], 1 << 20).broken);
    }
}
