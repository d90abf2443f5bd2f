//! Zip archives, within caps on the number, size and ratio of what is in them.

use std::io::{Cursor, Read};

use zip::ZipArchive;

use super::Limits;

/// What deflate can gain at most; a small archive cannot hold a bomb and needs no look.
const RATIO_MAX: usize = 1_032;
/// How much more than a document may be inside it (a workbook's parts are text and shrink well).
const INSIDE_FACTOR: usize = 4;
const ENTRIES_MAX: usize = 5_000;

/// A file in an archive, or why it was not read.
pub(super) struct Entry {
    pub name: String,
    pub bytes: Result<Vec<u8>, (&'static str, String)>,
}

/// What stands in an archive, directories and resource forks left out; the error is a fault.
pub(super) fn entries(bytes: &[u8], limits: &Limits) -> Result<Vec<Entry>, (&'static str, String)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| ("BROKEN", format!("the archive cannot be read: {error}")))?;
    if archive.len() > limits.parts_max {
        return Err((
            "TOO_LARGE",
            format!("{} files in the archive; at most {} are read", archive.len(), limits.parts_max),
        ));
    }
    let mut left = limits.bytes_max;
    let mut found = Vec::new();
    for index in 0..archive.len() {
        let mut file = match archive.by_index(index) {
            Ok(file) => file,
            Err(zip::result::ZipError::UnsupportedArchive(reason)) => {
                let code = if reason.to_ascii_lowercase().contains("password") { "ENCRYPTED" } else { "UNKNOWN_KIND" };
                found.push(Entry { name: format!("file {}", index + 1), bytes: Err((code, reason.to_string())) });
                continue;
            }
            Err(error) => {
                found.push(Entry { name: format!("file {}", index + 1), bytes: Err(("BROKEN", error.to_string())) });
                continue;
            }
        };
        let name = file.name().map(|name| name.into_owned()).unwrap_or_default();
        let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
        if file.is_dir()
            || base.is_empty()
            || name.starts_with("__MACOSX/")
            || matches!(base, ".DS_Store" | "Thumbs.db")
        {
            continue;
        }
        let mut content = Vec::new();
        let outcome = file.by_ref().take(left as u64 + 1).read_to_end(&mut content);
        let bytes = match outcome {
            _ if content.len() > left => Err((
                "TOO_LARGE",
                format!("the files in the archive are larger than {} bytes together", limits.bytes_max),
            )),
            Err(error) => Err(("BROKEN", format!("it cannot be unpacked: {error}"))),
            Ok(_) => {
                left -= content.len();
                Ok(content)
            }
        };
        let full = matches!(bytes, Err(("TOO_LARGE", _)));
        found.push(Entry { name, bytes });
        if full {
            break;
        }
    }
    Ok(found)
}

/// Whether everything in an archive is within the limits when it is unpacked; `Ok` for other bytes.
pub(super) fn within(bytes: &[u8], limits: &Limits) -> Result<(), (&'static str, String)> {
    let most = limits.bytes_max.saturating_mul(INSIDE_FACTOR);
    if !is_zip(bytes) {
        return Ok(());
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| ("BROKEN", format!("the file cannot be opened: {error}")))?;
    if archive.len() > ENTRIES_MAX {
        return Err(("TOO_LARGE", format!("{} files inside; at most {ENTRIES_MAX} are read", archive.len())));
    }
    // Entries may overlap and so be counted many times.
    if bytes.len().saturating_mul(RATIO_MAX) <= most && archive.len() <= 200 {
        return Ok(());
    }
    let mut left = most as u64;
    for index in 0..archive.len() {
        let Ok(file) = archive.by_index(index) else { continue };
        let unpacked = std::io::copy(&mut file.take(left + 1), &mut std::io::sink()).unwrap_or(0);
        if unpacked > left {
            return Err(("TOO_LARGE", format!("it holds more than {most} bytes when it is unpacked")));
        }
        left -= unpacked;
    }
    Ok(())
}

/// One file of an archive by name.
pub(super) fn entry(bytes: &[u8], name: &str, limits: &Limits) -> Option<Vec<u8>> {
    if !is_zip(bytes) {
        return None;
    }
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let file = archive.by_name(name).ok()?;
    let mut content = Vec::new();
    file.take(limits.bytes_max.saturating_mul(INSIDE_FACTOR) as u64).read_to_end(&mut content).ok()?;
    Some(content)
}

/// Whether an archive has a file of that name.
pub(super) fn has(bytes: &[u8], name: &str) -> bool {
    ZipArchive::new(Cursor::new(bytes)).is_ok_and(|archive| archive.index_for_name(name).is_some())
}

/// The names of what stands in an archive.
pub(super) fn names(bytes: &[u8]) -> Vec<String> {
    let Ok(archive) = ZipArchive::new(Cursor::new(bytes)) else { return Vec::new() };
    archive.file_names().flatten().take(ENTRIES_MAX).map(|name| name.to_string()).collect()
}

/// What kind of document an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Workbook,
    /// A word processor's document.
    Letter,
    /// A presenter's document, a program ...
    OtherDocument,
    Files,
}

pub(super) fn holds(bytes: &[u8]) -> Holds {
    let Ok(archive) = ZipArchive::new(Cursor::new(bytes)) else { return Holds::Files };
    let has = |name: &str| archive.index_for_name(name).is_some();
    let names = || archive.file_names().flatten().take(200);
    if has("xl/workbook.xml") || has("xl/workbook.bin") || names().any(|name| name.starts_with("xl/worksheets/")) {
        return Holds::Workbook;
    }
    if has("[Content_Types].xml") && names().any(|name| name.starts_with("word/document")) {
        return Holds::Letter;
    }
    if has("content.xml") && has("mimetype") {
        let kind = entry(bytes, "mimetype", &Limits::default()).unwrap_or_default();
        let sheet = kind.windows(11).any(|window| window == b"spreadsheet");
        return if sheet { Holds::Workbook } else { Holds::OtherDocument };
    }
    if has("[Content_Types].xml") || has("META-INF/MANIFEST.MF") { Holds::OtherDocument } else { Holds::Files }
}

pub(super) fn is_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}
