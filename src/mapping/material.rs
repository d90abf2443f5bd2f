//! What rules may look at: the mail's subject, bodies and attachments, each read when first asked for.
//!
//! It must never know a mapping.

use std::cell::OnceCell;

use crate::document::{self, Input, Kind, Limits, Part};
use crate::mail::{Attachment, Mail};

/// Reads bytes as parts; usually a worker process.
pub type Reader<'r> = dyn Fn(&Input<'_>) -> Vec<Part> + 'r;

pub struct Material<'m> {
    pub subject: String,
    /// The only From address, in lower case; `None` when there is none or more than one.
    pub from: Option<String>,
    pub text: Option<Part>,
    /// The text body as it was written, for structured documents.
    pub raw_text: Option<&'m str>,
    pub html: Option<Part>,
    pub files: Vec<File<'m>>,
    /// Pages and PDFs that the mail links to, fetched by the caller.
    pub linked: Vec<Part>,
    reader: &'m Reader<'m>,
}

/// An attachment.
pub struct File<'m> {
    pub name: String,
    pub media_type: &'m str,
    pub bytes: &'m [u8],
    parts: OnceCell<Vec<Part>>,
}

/// Attachments of mails within mails are looked at so deep.
const NESTED_MAX: usize = 4;
const FILES_MAX: usize = 200;

impl<'m> Material<'m> {
    pub fn of_mail(mail: &'m Mail, limits: &Limits, reader: &'m Reader<'m>) -> Material<'m> {
        let mut files = Vec::new();
        collect(&mail.attachments, 0, &mut files);
        Material {
            subject: mail.subject.clone(),
            from: mail.author().map(|author| author.address.to_lowercase()),
            text: mail
                .text
                .as_deref()
                .filter(|text| !text.trim().is_empty())
                .map(|text| document::text::part_within("text", text, limits)),
            raw_text: mail.text.as_deref(),
            html: mail.html.as_deref().map(|html| document::html::part("html", html, limits)),
            files,
            linked: Vec::new(),
            reader,
        }
    }

    /// A document by itself, without a mail around it: all its parts are one attachment.
    pub fn of_file(name: &str, bytes: &'m [u8], reader: &'m Reader<'m>) -> Material<'m> {
        let file = File { name: name.to_string(), media_type: "", bytes, parts: OnceCell::new() };
        Material {
            subject: String::new(),
            from: None,
            text: None,
            raw_text: None,
            html: None,
            files: vec![file],
            linked: Vec::new(),
            reader,
        }
    }

    /// The parts of one attachment.
    pub fn parts<'s>(&'s self, file: &'s File<'m>) -> &'s [Part] {
        file.parts
            .get_or_init(|| (self.reader)(&Input { name: &file.name, media_type: file.media_type, bytes: file.bytes }))
    }

    /// The body that a reader sees: text, else HTML.
    pub fn body(&self) -> Option<&Part> {
        self.text.as_ref().or(self.html.as_ref())
    }
}

fn collect<'m>(attachments: &'m [Attachment], depth: usize, files: &mut Vec<File<'m>>) {
    for attachment in attachments {
        if files.len() >= FILES_MAX {
            return;
        }
        if let Some(nested) = &attachment.nested {
            if depth < NESTED_MAX {
                collect(&nested.attachments, depth + 1, files);
            }
            continue;
        }
        let name = attachment.name.clone().unwrap_or_else(|| format!("attachment {}", files.len() + 1));
        files.push(File { name, media_type: &attachment.media_type, bytes: &attachment.bytes, parts: OnceCell::new() });
    }
}

impl File<'_> {
    /// Whether the file may hold a part of this kind, by its name and first bytes: reading PDFs in
    /// search of a CSV would be waste.
    pub fn may_hold(&self, kind: Kind) -> bool {
        let name = self.name.to_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        let starts = |magic: &[u8]| {
            self.bytes
                .get(..1_024.min(self.bytes.len()))
                .is_some_and(|head| head.windows(magic.len()).any(|w| w == magic))
        };
        // What may hold anything: archives, mails as Outlook writes and saves them, what is signed.
        let archive = ends(&[".zip", ".dat", ".p7m"])
            || starts(b"PK\x03\x04")
            || starts(b"\x78\x9f\x3e\x22")
            || starts(b"\xd0\xcf\x11\xe0")
            || self.media_type.ends_with("pkcs7-mime");
        let rich = starts(b"{\\rtf");
        match kind {
            Kind::Pdf => starts(b"%PDF") || ends(&[".pdf"]) || archive,
            Kind::Xlsx => archive || ends(&[".xls", ".ods", ".xlsb"]),
            Kind::Csv => ends(&[".csv", ".tsv", ".txt"]) || self.media_type.contains("csv") || archive,
            Kind::Html => ends(&[".html", ".htm", ".xhtml"]) || self.media_type.contains("html") || archive || rich,
            Kind::Xml => {
                ends(&[".xml"]) || self.media_type.contains("xml") || starts(b"<?xml") || starts(b"%PDF") || archive
            }
            Kind::Text => {
                ends(&[".txt", ".text", ".asc", ".md"]) || self.media_type.starts_with("text/plain") || archive || rich
            }
            _ => true,
        }
    }
}
