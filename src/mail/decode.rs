//! A raw mail as parts with real names, types and text. Never fails: what is wrong is listed as faults.
//!
//! mail-parser finds the structure (which bytes are which part); the bytes themselves are read by
//! [`super::transfer`] and [`super::header`], since the library's reading loses what was sent (the
//! raw bytes behind a wrong charset, the rest of a broken base64 stretch). It must never know
//! what a mail is for: no order, no partner, no trust.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use mail_parser::{HeaderName, Message, MessageParser, MessagePart, PartType};
use sha2::{Digest as _, Sha256};

use super::header::{self, Address, Headers, Parameters};
use super::html;
use super::transfer::{self, Transfer};
use crate::diagnostic::Diagnostic;

/// Ceilings for one mail; what passes them is a fault, never a crash.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub bytes_max: usize,
    /// Decoded bytes of all parts together, nested mails included.
    pub decoded_bytes_max: usize,
    pub parts_max: usize,
    pub depth_max: usize,
    pub headers_max: usize,
    pub header_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes_max: 40 << 20,
            decoded_bytes_max: 120 << 20,
            parts_max: 1_000,
            depth_max: 50,
            headers_max: 2_000,
            header_bytes_max: 1 << 20,
        }
    }
}

/// A mail as its author meant it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mail {
    /// Hex SHA-256 of the raw bytes; see [`digest`].
    pub digest: String,
    /// Bytes of the raw mail.
    pub size: usize,
    pub headers: Headers,
    /// Decoded; empty when there is none.
    pub subject: String,
    /// Without angle brackets.
    pub message_id: Option<String>,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    /// Every address of every From field: more than one is suspicious, see [`super::trust`].
    pub from: Vec<Address>,
    pub sender: Option<Address>,
    pub reply_to: Vec<Address>,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    pub date: Option<Timestamp>,
    /// The text body: the first text/plain part that is no attachment, line ends as `\n`, flowed lines joined.
    pub text: Option<String>,
    /// Further text/plain parts that a reader would see below the first (mailing list footers; text
    /// written behind an inline picture). They are attachments, too.
    pub more_text: Vec<String>,
    /// The HTML body.
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
    /// `multipart/signed`, or a p7m that holds a signed or encrypted mail.
    pub sealed: Option<Seal>,
    /// What could not be read, and why; the places are parts of the mail.
    pub faults: Vec<Diagnostic>,
}

/// How a mail is signed or encrypted. Nothing is verified here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// multipart/signed: the content is readable, the signature is an attachment.
    Signed,
    /// An opaque p7m that was signed only: its content was read.
    SignedOpaque,
    /// Cannot be read without a key.
    Encrypted,
}

/// A part that is not the body.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attachment {
    /// As the author named it; never a path to write to.
    pub name: Option<String>,
    /// As declared, in lower case: `application/pdf`.
    pub media_type: String,
    /// Transfer-decoded.
    pub bytes: Vec<u8>,
    /// Hex SHA-256 of `bytes`.
    pub sha256: String,
    /// Shown within the body (a logo, a further text part) rather than as a file.
    pub inline: bool,
    /// Without angle brackets.
    pub content_id: Option<String>,
    /// The charset parameter of a text part.
    pub charset: Option<String>,
    /// A forwarded or returned mail.
    pub nested: Option<Box<Mail>>,
}

impl Attachment {
    /// The bytes of a textual part in its charset.
    pub fn text(&self) -> String {
        transfer::decode(&self.bytes, self.charset.as_deref()).0.replace("\r\n", "\n")
    }
}

/// Hex SHA-256: by this (and its Message-ID) a mail is known again.
pub fn digest(raw: &[u8]) -> String {
    hex::encode(Sha256::digest(raw))
}

impl Mail {
    /// When it came to its mailbox: what the server that took it in last says (the topmost `Received`, RFC 5321 4.4), else
    /// what its sender says, whose clock may be wrong.
    pub fn arrived(&self) -> Option<Timestamp> {
        let stated = self.headers.get("Received").and_then(|field| date(field.rsplit_once(';')?.1));
        stated.or(self.date)
    }

    /// Reads a raw mail with the default [`Limits`].
    pub fn parse(raw: &[u8]) -> Mail {
        Mail::parse_within(raw, &Limits::default())
    }

    pub fn parse_within(raw: &[u8], limits: &Limits) -> Mail {
        let mut reader = Reader { limits, decoded_bytes: 0, parts: 0 };
        reader.mail(raw, 0)
    }

    /// The only From address; `None` when there is none or more than one.
    pub fn author(&self) -> Option<&Address> {
        match self.from.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The first From address, for display and for finding a thread; never for trust.
    pub fn from_address(&self) -> Option<&str> {
        self.from.iter().map(|from| from.address.as_str()).find(|address| !address.is_empty())
    }

    /// What a reader sees: the text body, or the HTML body as text.
    pub fn readable(&self) -> String {
        match (&self.text, &self.html) {
            (Some(text), None) => text.clone(),
            (Some(text), Some(_)) if !text.trim().is_empty() => text.clone(),
            (_, Some(html)) => html::to_text(html),
            (None, None) => String::new(),
        }
    }

    /// All mails within this one, nearest first (forwarded, returned, digests).
    pub fn nested(&self) -> Vec<&Mail> {
        let mut found: Vec<&Mail> = Vec::new();
        let mut waiting = vec![self];
        while let Some(mail) = waiting.pop() {
            for inner in mail.attachments.iter().filter_map(|attachment| attachment.nested.as_deref()) {
                found.push(inner);
                waiting.push(inner);
            }
        }
        found
    }

    fn fault(&mut self, code: &str, message: impl Into<String>) {
        if self.faults.len() < 100 {
            self.faults.push(Diagnostic::warning(code, message));
        }
    }
}

struct Reader<'l> {
    limits: &'l Limits,
    decoded_bytes: usize,
    parts: usize,
}

/// Headers of a part that say how to read it.
struct Kind {
    content_type: Parameters,
    disposition: Parameters,
    transfer: Transfer,
    name: Option<String>,
    content_id: Option<String>,
}

impl Reader<'_> {
    fn mail(&mut self, raw: &[u8], depth: usize) -> Mail {
        let mut mail = Mail { digest: digest(raw), size: raw.len(), ..Mail::default() };
        // Blank lines in front of everything are no end of a header that has not begun.
        let raw = raw.trim_ascii_start();
        if raw.len() > self.limits.bytes_max {
            mail.fault(
                "TOO_LARGE",
                format!(
                    "{} bytes are more than the {} allowed; only the header was read",
                    raw.len(),
                    self.limits.bytes_max
                ),
            );
            let head = raw.get(..self.limits.header_bytes_max).unwrap_or(raw);
            let end = header_end(head);
            self.head(&mut mail, head.get(..end).unwrap_or(head));
            return mail;
        }
        if nesting(raw) > self.limits.parts_max {
            mail.fault("TOO_DEEP", "too many mails within mails; only the header was read");
            self.head(&mut mail, raw.get(..header_end(raw)).unwrap_or(raw));
            return mail;
        }
        let Some(structure) = structure(raw) else {
            let end = header_end(raw);
            self.head(&mut mail, raw.get(..end).unwrap_or_default());
            mail.fault("BROKEN", "no MIME structure could be found; the body was read as plain text");
            mail.text = raw.get(end..).filter(|body| !body.is_empty()).map(|body| lines(transfer::guess(body)));
            return mail;
        };
        let body = structure.parts.first().map_or(raw.len(), |root| root.offset_body as usize);
        self.head(&mut mail, raw.get(..body).unwrap_or(raw));
        self.body(&mut mail, &structure, raw, depth);
        dismantle(structure);
        mail
    }

    fn head(&mut self, mail: &mut Mail, block: &[u8]) {
        let (headers, broken) = Headers::split(block, self.limits.headers_max, self.limits.header_bytes_max);
        if broken.truncated {
            mail.fault("TOO_LARGE", "the header has more or longer fields than allowed; the rest of it was not read");
        }
        if broken.lines > 0 {
            mail.fault("BROKEN_HEADER", format!("{} lines of the header are no fields", broken.lines));
        }
        mail.subject = headers.decoded("Subject").map(|text| text.trim().to_string()).unwrap_or_default();
        mail.message_id = headers.ids("Message-ID").into_iter().next();
        mail.in_reply_to = headers.ids("In-Reply-To");
        mail.references = headers.ids("References");
        mail.from = headers.addresses("From");
        mail.sender = headers.addresses("Sender").into_iter().next();
        mail.reply_to = headers.addresses("Reply-To");
        mail.to = headers.addresses("To");
        mail.cc = headers.addresses("Cc");
        mail.date = headers.get("Date").and_then(date);
        mail.headers = headers;
    }

    /// Walks the parts in the order of the mail; the stack is explicit, hostile depth costs no frames.
    fn body(&mut self, mail: &mut Mail, structure: &Message<'_>, raw: &[u8], depth: usize) {
        struct Step {
            part: usize,
            level: usize,
            parent: &'static str,
            alternative: usize,
        }
        let mut waiting = vec![Step { part: 0, level: 0, parent: "", alternative: 0 }];
        let alone = structure.parts.len() == 1;
        let mut html_alternative = 0;
        // Some writers name even the body; it is one when nothing else is.
        let mut named_text = None;
        while let Some(step) = waiting.pop() {
            let Some(part) = structure.parts.get(step.part) else { continue };
            self.parts += 1;
            if self.parts > self.limits.parts_max {
                mail.fault(
                    "TOO_MANY_PARTS",
                    format!("more than {} parts; the rest was not read", self.limits.parts_max),
                );
                break;
            }
            if step.level > self.limits.depth_max {
                mail.fault(
                    "TOO_DEEP",
                    format!("parts nested deeper than {}; these were not read", self.limits.depth_max),
                );
                continue;
            }
            let kind = self.kind(part, raw);
            if let PartType::Multipart(children) = &part.body {
                if kind.content_type.value == "multipart/signed" {
                    mail.sealed = Some(Seal::Signed);
                } else if kind.content_type.value == "multipart/encrypted" {
                    mail.sealed = Some(Seal::Encrypted);
                    mail.fault("ENCRYPTED", "the mail is encrypted and cannot be read");
                }
                let parent = multipart(&kind.content_type.value);
                let alternative = if parent == "alternative" { step.part + 1 } else { step.alternative };
                let parent = if parent.is_empty() { step.parent } else { parent };
                waiting.extend(children.iter().rev().map(|&child| Step {
                    part: child as usize,
                    level: step.level + 1,
                    parent,
                    alternative,
                }));
                continue;
            }
            let bytes =
                raw.get(part.offset_body as usize..(part.offset_end as usize).min(raw.len())).unwrap_or_default();
            let bytes = kind.transfer.decode(bytes);
            self.decoded_bytes += bytes.len();
            if self.decoded_bytes > self.limits.decoded_bytes_max {
                mail.fault("TOO_LARGE", "the parts together are larger than allowed; the rest was not read");
                break;
            }
            let media_type = self.media_type(part, &kind, step.parent, alone);
            let attached = kind.disposition.value == "attachment" || (kind.name.is_some() && !alone);
            let plain = media_type == "text/plain" || (alone && media_type.starts_with("multipart/"));
            if plain && !attached && mail.text.is_none() {
                mail.text = Some(text(&bytes, &kind, mail));
                html_alternative = if mail.html.is_some() { html_alternative } else { step.alternative };
                continue;
            }
            if media_type == "text/html"
                && !attached
                && mail.html.is_none()
                && (mail.text.is_none() || html_alternative == step.alternative || step.parent != "alternative")
            {
                mail.html = Some(text(&bytes, &kind, mail));
                html_alternative = step.alternative;
                continue;
            }
            if (media_type == "text/plain" || media_type.starts_with("multipart/"))
                && kind.disposition.value != "attachment"
                && named_text.is_none()
            {
                named_text = Some(text(&bytes, &kind, mail));
            }
            if plain && !attached && step.parent != "alternative" && step.parent != "report" {
                let more = text(&bytes, &kind, mail);
                mail.more_text.push(more);
            }
            self.attach(mail, kind, media_type, &bytes, step.parent, depth);
        }
        if mail.text.is_none() && mail.html.is_none() {
            mail.text = named_text;
        }
    }

    fn attach(&mut self, mail: &mut Mail, kind: Kind, media_type: String, bytes: &[u8], parent: &str, depth: usize) {
        let message = matches!(media_type.as_str(), "message/rfc822" | "message/global" | "message/news");
        let nested = match message {
            true if depth < self.limits.depth_max => Some(Box::new(self.mail(bytes, depth + 1))),
            true => {
                mail.fault(
                    "TOO_DEEP",
                    format!("mails nested deeper than {}; the innermost were not read", self.limits.depth_max),
                );
                None
            }
            false => None,
        };
        if media_type.ends_with("pkcs7-mime") {
            self.open_p7m(mail, &kind, bytes, depth);
        }
        let inline = kind.disposition.value != "attachment"
            && (kind.disposition.value == "inline" || parent == "related" || kind.name.is_none());
        mail.attachments.push(Attachment {
            name: kind.name,
            sha256: digest(bytes),
            bytes: bytes.to_vec(),
            inline,
            content_id: kind.content_id,
            charset: kind.content_type.get("charset").map(String::from),
            media_type,
            nested,
        });
    }

    /// S/MIME without a detached signature: the signed content is a mail part of its own.
    fn open_p7m(&mut self, mail: &mut Mail, kind: &Kind, bytes: &[u8], depth: usize) {
        let content = if kind.content_type.get("smime-type") == Some("enveloped-data") {
            None
        } else {
            super::p7m::signed_content(bytes)
        };
        let Some(content) = content.filter(|_| depth < self.limits.depth_max) else {
            mail.sealed = Some(Seal::Encrypted);
            mail.fault("ENCRYPTED", "the mail is encrypted, or signed in a form that cannot be read");
            return;
        };
        self.decoded_bytes += content.len();
        let inner = self.mail(&content, depth + 1);
        mail.sealed = Some(Seal::SignedOpaque);
        mail.text = mail.text.take().or(inner.text);
        mail.html = mail.html.take().or(inner.html);
        mail.more_text.extend(inner.more_text);
        mail.attachments.extend(inner.attachments);
        mail.faults.extend(inner.faults);
    }

    fn kind(&self, part: &MessagePart<'_>, raw: &[u8]) -> Kind {
        let block = raw.get(part.offset_header as usize..part.offset_body as usize).unwrap_or_default();
        let (headers, _) = Headers::split(block, self.limits.headers_max, self.limits.header_bytes_max);
        let content_type = Parameters::read(headers.get("Content-Type").unwrap_or_default());
        let disposition = Parameters::read(headers.get("Content-Disposition").unwrap_or_default());
        let name = disposition
            .get("filename")
            .or_else(|| content_type.get("name"))
            .or_else(|| disposition.get("name"))
            .or_else(|| content_type.get("filename"));
        Kind {
            name: name.map(|name| name.trim().to_string()).filter(|name| !name.is_empty()),
            transfer: Transfer::named(headers.get("Content-Transfer-Encoding").unwrap_or_default()),
            content_id: headers.ids("Content-ID").into_iter().next(),
            content_type,
            disposition,
        }
    }

    fn media_type(&self, part: &MessagePart<'_>, kind: &Kind, parent: &str, alone: bool) -> String {
        let declared = kind.content_type.value.as_str();
        match part.body {
            _ if declared.contains('/') => declared.to_string(),
            PartType::Message(_) => "message/rfc822".to_string(),
            _ if declared.is_empty() && parent == "digest" => "message/rfc822".to_string(),
            // "Content-Type: text" and the like: a mail of one part is text whatever it calls itself.
            _ if alone || declared.is_empty() || declared == "text" || declared == "plain" => "text/plain".to_string(),
            _ => "application/octet-stream".to_string(),
        }
    }
}

fn multipart(media_type: &str) -> &'static str {
    match media_type {
        "multipart/alternative" => "alternative",
        "multipart/related" => "related",
        "multipart/digest" => "digest",
        "multipart/report" => "report",
        "multipart/mixed" | "multipart/signed" => "mixed",
        _ => "",
    }
}

/// The structure alone. Two guards at this one seam:
/// - Content-Transfer-Encoding is hidden from the library, so that it never decodes and never descends into
///   encoded mails by recursion; we do both, with our own limits.
/// - A few malformed mails (the smallest known has 240 bytes) trip a debug assertion inside the library. That must
///   cost one mail its structure, not the process its life.
fn structure(raw: &[u8]) -> Option<Message<'_>> {
    let parser = MessageParser::new()
        .header_content_type(HeaderName::ContentType)
        .header_content_type(HeaderName::ContentDisposition)
        .default_header_ignore();
    catch_unwind(AssertUnwindSafe(|| parser.parse(raw))).ok().flatten()
}

/// Drops nested messages one by one: their own drop would recurse as deep as they nest.
fn dismantle(message: Message<'_>) {
    let mut waiting = vec![message];
    while let Some(mut message) = waiting.pop() {
        for part in message.parts.drain(..) {
            if let PartType::Message(inner) = part.body {
                waiting.push(inner);
            }
        }
    }
}

/// An upper bound for how deep messages nest: how often something in the bytes could open one.
fn nesting(raw: &[u8]) -> usize {
    let opens = |window: &[u8]| {
        window.eq_ignore_ascii_case(b"rfc822")
            || window.eq_ignore_ascii_case(b"global")
            || window.eq_ignore_ascii_case(b"digest")
    };
    raw.windows(6)
        .filter(|window| matches!(window.first(), Some(b'r' | b'R' | b'g' | b'G' | b'd' | b'D')) && opens(window))
        .count()
}

fn header_end(raw: &[u8]) -> usize {
    let mut at = 0;
    for line in raw.split_inclusive(|&byte| byte == b'\n') {
        at += line.len();
        if line.trim_ascii().is_empty() && at > line.len() {
            return at;
        }
    }
    raw.len()
}

fn text(bytes: &[u8], kind: &Kind, mail: &mut Mail) -> String {
    let charset = kind.content_type.get("charset");
    let (text, fits) = transfer::decode(bytes, charset);
    if !fits && let Some(charset) = charset {
        mail.fault(
            "CHARSET",
            format!("the text does not fit its charset `{charset}`; it was read as what it seems to be"),
        );
    }
    let flowed = kind.content_type.get("format").is_some_and(|format| format.eq_ignore_ascii_case("flowed"));
    let delete_space = kind.content_type.get("delsp").is_some_and(|value| value.eq_ignore_ascii_case("yes"));
    let text = lines(text);
    if flowed && kind.content_type.value == "text/plain" { transfer::unflow(&text, delete_space) } else { text }
}

/// Line ends as `\n`.
fn lines(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

fn date(value: &str) -> Option<Timestamp> {
    let found = mail_parser::DateTime::parse_rfc822(&header::strip_comments(value))?;
    found.is_valid().then(|| Timestamp::from_second(found.to_timestamp()).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(raw: &str) -> Mail {
        Mail::parse(raw.replace('\n', "\r\n").as_bytes())
    }

    /// Operators would be told of mails that wait for days, or not be told, by a sender whose clock is wrong.
    #[test]
    fn a_mail_arrived_when_our_server_says_so() {
        let arrived = |fields: &str| {
            parse(&format!("{fields}From: a@b.example\n\nx\n")).arrived().map(|at| at.to_string()).unwrap_or_default()
        };
        let sent = "Date: Tue, 02 Jun 2020 10:00:00 +0200\n";
        let far = "Received: from a by b; Wed, 03 Jun 2026 10:00:00 +0200\n";
        let ours = "Received: from b (b [192.0.2.1]; by chance)\n by mx.shop.example with LMTP;\n Wed, 03 Jun 2026 10:00:05 +0200 (CEST)\n";
        assert_eq!(arrived(&format!("{ours}{far}{sent}")), "2026-06-03T08:00:05Z");
        assert_eq!(arrived(sent), "2020-06-02T08:00:00Z");
        assert_eq!(arrived(&format!("Received: by nobody knows whom; some day\n{sent}")), "2020-06-02T08:00:00Z");
        assert_eq!(arrived(""), "");
    }

    /// The everyday mail: text, HTML, a logo, a PDF with a name in an odd encoding.
    #[test]
    fn an_everyday_mail() {
        let mail = parse(
            "From: \"Nord, Lager\" <lager@nord.example>\nTo: orders@shop.example\nSubject: =?utf-8?Q?Auftragsbest=C3=A4tigung?= 4711\n\
             Message-ID: <1@nord.example>\nIn-Reply-To: <0@shop.example>\nReferences: <a@b>\n <c@d>\nDate: Tue, 02 Jun 2026 10:00:00 +0200\n\
             Content-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/alternative; boundary=a\n\n--a\n\
             Content-Type: text/plain; charset=iso-8859-1; format=flowed\nContent-Transfer-Encoding: quoted-printable\n\nWir best=E4tigen=20\n20 St=FCck\n\n--a\n\
             Content-Type: multipart/related; boundary=r\n\n--r\nContent-Type: text/html\n\n<p>Wir</p>\n--r\nContent-Type: image/png; name=logo.png\n\
             Content-ID: <logo@x>\nContent-Transfer-Encoding: base64\n\niVBORw==\n--r--\n--a--\n--m\nContent-Type: application/pdf\n\
             Content-Disposition: attachment; filename*=iso-8859-1''M%FCller.pdf\nContent-Transfer-Encoding: base64\n\nJVBERi0=\n--m--\n",
        );
        assert_eq!(mail.subject, "Auftragsbestätigung 4711");
        assert_eq!(mail.author().map(|from| from.address.as_str()), Some("lager@nord.example"));
        assert_eq!(
            (mail.message_id.as_deref(), mail.in_reply_to.as_slice()),
            (Some("1@nord.example"), &["0@shop.example".to_string()][..])
        );
        assert_eq!(mail.references, ["a@b", "c@d"]);
        assert_eq!(mail.date.unwrap().to_string(), "2026-06-02T08:00:00Z");
        assert_eq!(mail.text.as_deref(), Some("Wir bestätigen 20 Stück\n"));
        assert_eq!(mail.html.as_deref(), Some("<p>Wir</p>"));
        let names: Vec<_> = mail
            .attachments
            .iter()
            .map(|a| (a.name.as_deref(), a.media_type.as_str(), a.bytes.len(), a.inline))
            .collect();
        assert_eq!(
            names,
            [(Some("logo.png"), "image/png", 4, true), (Some("Müller.pdf"), "application/pdf", 5, false)]
        );
        assert!(mail.faults.is_empty(), "{:?}", mail.faults);
    }

    /// A forwarded order response would be out of reach.
    #[test]
    fn forwarded_mails_are_reached() {
        let inner = "Subject: inner\nContent-Type: multipart/mixed; boundary=i\n\n--i\n\ntext\n--i\nContent-Type: application/pdf; name=a.pdf\n\npdf\n--i--\n";
        let mail = parse(&format!(
            "Subject: Fwd\nContent-Type: multipart/mixed; boundary=o\n\n--o\n\nsee below\n--o\nContent-Type: message/rfc822\n\n{inner}\n--o--\n"
        ));
        let nested = mail.nested();
        assert_eq!((mail.text.as_deref(), nested.len()), (Some("see below"), 1));
        assert_eq!((nested[0].subject.as_str(), nested[0].text.as_deref()), ("inner", Some("text")));
        assert_eq!(nested[0].attachments[0].name.as_deref(), Some("a.pdf"));
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(inner);
        let mail = parse(&format!("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\n{encoded}\n"));
        assert_eq!(mail.nested().len(), 1);
        assert_eq!(mail.nested()[0].subject, "inner");
    }

    /// One hostile mail would stop the gateway or eat its memory.
    #[test]
    fn hostile_mails_are_faults() {
        let has = |mail: &Mail, code: &str| mail.faults.iter().any(|fault| fault.code == code);
        assert!(has(&Mail::parse(&vec![b'x'; (40 << 20) + 1]), "TOO_LARGE"));
        let parts = format!("Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n", "--b\n\nx\n".repeat(1_500));
        assert!(has(&parse(&parts), "TOO_MANY_PARTS"));
        let deep: String =
            (0..200).map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}x\n\n--b{n}x\n")).collect();
        assert!(has(&parse(&(deep + "\nx\n")), "TOO_DEEP"));
        let nested = "Content-Type: message/rfc822\n\n".repeat(300) + "Subject: x\n\nx";
        assert!(has(Mail::parse(nested.as_bytes()).nested().last().unwrap(), "TOO_DEEP"));
        assert!(has(&Mail::parse("Content-Type: message/rfc822\n\n".repeat(100_000).as_bytes()), "TOO_DEEP"));
        assert!(has(&Mail::parse("A: b\n".repeat(5_000).as_bytes()), "TOO_LARGE"));
        for raw in [
            &b""[..],
            b"\n",
            b"\r\n\r\n",
            b"\0",
            b"no header at all",
            b"From",
            b":\n",
            b"From: <\"\n\nx",
            b"Content-Type: multipart/mixed; boundary=\"\"\n\n--\n",
        ] {
            let _ = Mail::parse(raw);
        }
    }

    /// Random damage must never be a panic, in the debug build neither (where the library asserts).
    #[test]
    fn damaged_mails_are_read() {
        let seed = "From: a@b\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Type: multipart/digest; boundary=d\n\n--d\n\nSubject: x\n\nx\n--d--\n\
                    --m\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=m\n\n--m\nContent-Transfer-Encoding: base64\n\neHg=\n--m--\n--m--\n";
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..2_000 {
            let mut bytes = seed.as_bytes().to_vec();
            for _ in 0..random.usize(1..6) {
                let (at, length) = (random.usize(..bytes.len()), random.usize(..40));
                let piece: Vec<u8> = bytes.iter().skip(random.usize(..bytes.len())).take(length).copied().collect();
                match random.u8(..3) {
                    0 => bytes.truncate(at.max(1)),
                    1 => drop(bytes.splice(at..at, piece)),
                    _ => drop(bytes.drain(at..(at + length).min(bytes.len() - 1).max(at))),
                }
            }
            let _ = Mail::parse(&bytes).readable();
        }
    }
}
