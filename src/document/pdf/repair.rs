//! A second opinion on files that the interpreter refuses: lopdf decrypts or repairs, and writes them anew.

use lopdf::{Document, LoadOptions};

use crate::document::Limits;

/// The file without encryption (of the empty password) and with a fresh table of objects.
pub(super) fn rewritten(bytes: &[u8], limits: &Limits) -> Option<Vec<u8>> {
    let options = LoadOptions { max_decompressed_size: Some(limits.bytes_max), ..LoadOptions::default() };
    let mut document = Document::load_mem_with_options(bytes, options).ok()?;
    if document.is_encrypted() {
        document.decrypt("").ok()?;
    }
    if document.get_pages().is_empty() {
        return None;
    }
    let mut out = Vec::new();
    document.save_to(&mut out).ok()?;
    Some(out)
}
