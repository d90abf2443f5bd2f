//! `postern document FILE`: the lines, words and tables that rules see, for a file of any kind.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::document::worker::{Ceilings, Pool};
use crate::document::{self, Document, Input, Limits, Part};
use crate::mail::Mail;

/// How long a person waits for scans to be recognised.
const OCR: Duration = Duration::from_secs(5);

/// Shows what a reader of a file would see: lines, words and tables, as rules see them.
#[derive(Args, Debug)]
pub struct Arguments {
    /// A mail, PDF, HTML page, text, sheet, XML ... (`-`: standard input).
    file: String,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The hidden command that reads documents for the other ones, in a process of its own.
#[derive(Args, Debug)]
pub struct ReaderArguments {
    /// The most memory it may use, in bytes.
    memory: u64,
}

/// Answers questions on standard input until there are no more.
pub fn serve(arguments: &ReaderArguments) -> anyhow::Result<u8> {
    document::worker::serve(arguments.memory).context("reading for another process")?;
    Ok(super::DONE)
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// One line a visual row, a form feed between pages.
    Text,
    /// All tables, a line a row.
    Tsv,
    /// Parts, pages, lines, words and tables with their places.
    Json,
}

/// The written form; `source` stays out of it, the file is at hand.
#[derive(Serialize)]
struct Shown<'a> {
    v: u32,
    parts: &'a [Part],
}

/// Prints what can be read of the document; complaints when some part could not be.
pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let bytes = super::mail::read(&arguments.file)?;
    let name = arguments.file.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut document = read(name, &bytes)?;
    for part in &mut document.parts {
        part.source = None;
        for fault in &part.faults {
            eprintln!("{}: {}: {}", part.name, fault.code, fault.message);
        }
    }
    let text = match arguments.format {
        Format::Text => document.text(),
        Format::Tsv => document.tsv(),
        Format::Json => serde_json::to_string(&Shown { v: 1, parts: &document.parts }).context("writing JSON")? + "\n",
    };
    // A reader that closed the pipe has seen enough.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    let unread = |part: &Part| part.pages.is_empty() && !part.faults.is_empty();
    let read = document.parts.iter().any(|part| !part.pages.is_empty()) && !document.parts.iter().any(unread);
    Ok(if read { super::DONE } else { super::COMPLAINTS })
}

fn read(name: &str, bytes: &[u8]) -> anyhow::Result<Document> {
    let limits = Limits { ocr: OCR, ..Limits::default() };
    let program = std::env::current_exe().context("this program cannot be found")?;
    let pool = Pool::new(program, 1, Ceilings::default());
    let mut parts = Vec::new();
    if is_mail(name, bytes) {
        mail_parts(&Mail::parse(bytes), &pool, &limits, &mut parts);
    } else {
        parts = pool.read(&Input { name, media_type: "", bytes }, &limits);
    }
    Ok(Document { parts })
}

/// A raw mail, by its name or by a first line that only a header has.
fn is_mail(name: &str, bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(200)).unwrap_or_default().to_ascii_lowercase();
    let begins = ["return-path:", "received:", "delivered-to:", "mime-version:", "message-id:", "from:", "from "];
    name.to_ascii_lowercase().ends_with(".eml") || begins.iter().any(|begin| head.starts_with(begin.as_bytes()))
}

fn mail_parts(mail: &Mail, pool: &Pool, limits: &Limits, parts: &mut Vec<Part>) {
    if let Some(text) = &mail.text {
        parts.push(document::text::part("text", text));
    }
    if let Some(html) = &mail.html {
        parts.push(document::html::part("html", html, limits));
    }
    for attachment in &mail.attachments {
        if let Some(nested) = &attachment.nested {
            mail_parts(nested, pool, limits, parts);
            continue;
        }
        let name = attachment.name.as_deref().unwrap_or("attachment");
        parts.extend(pool.read(&Input { name, media_type: &attachment.media_type, bytes: &attachment.bytes }, limits));
    }
}
