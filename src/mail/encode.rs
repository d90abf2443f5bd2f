//! Finished MIME: one transmission, one byte string for ever.
//!
//! The same input gives the same bytes (date, ids and boundaries come from the caller's values), so that a second
//! sending is identical. No value can start a header of its own: CR, LF and NUL are refused, never
//! repaired in silence. It must never know why a mail is sent.

use jiff::Timestamp;
use lettre::message::header::{ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, MessageBuilder, MultiPart, SinglePart};
use memchr::{memchr, memchr3, memmem};
use sha2::{Digest as _, Sha256};

use super::dkim::Signer;
use super::header::Address;

/// A mail to build.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    pub from: Address,
    pub to: Vec<Address>,
    pub cc: Vec<Address>,
    /// Usually the address that carries the token.
    pub reply_to: Option<Address>,
    pub subject: String,
    pub date: Timestamp,
    /// Without angle brackets; made from the transmission's id.
    pub message_id: String,
    /// Without angle brackets. Foreign ids that are not well formed are left out: threading is a courtesy.
    pub in_reply_to: Option<String>,
    pub references: Vec<String>,
    pub automatic: Automatic,
    pub text: String,
    pub html: Option<String>,
    pub enclosures: Vec<Enclosure>,
    /// Further fields; those that this builder writes itself are refused.
    pub headers: Vec<(String, String)>,
}

/// RFC 3834 section 5.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Automatic {
    /// Not in answer to a mail.
    #[default]
    Generated,
    /// In answer to a mail.
    Replied,
    /// Sent for a person.
    No,
}

/// A file that goes along.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enclosure {
    pub name: String,
    /// `application/json`; `message/rfc822` for an original mail.
    pub media_type: String,
    pub bytes: Vec<u8>,
}

/// Why a mail cannot be built; always a fault of the caller's values, with the value named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("`{field}` holds a line break or a NUL: {value:?}")]
    Unsafe { field: String, value: String },
    #[error("`{0}` is no mail address")]
    Address(String),
    #[error("nobody to send to")]
    NoRecipient,
    #[error("`{0}` is no usable message id")]
    MessageId(String),
    #[error("the field `{0}` cannot be set")]
    Header(String),
    #[error("`{0}` is no media type")]
    MediaType(String),
    #[error("the mail cannot be built: {0}")]
    Build(String),
    #[error("the mail cannot be signed: {0}")]
    Sign(String),
}

/// Lines of plain text up to this go as they are; longer ones as quoted-printable (RFC 5322 section 2.1.1: what a
/// person may see as it is should not be longer).
const LINE_MAX: usize = 78;
/// The ceiling of RFC 5322 for every line, and ours for what nobody reads as it is: HTML and data.
const RAW_LINE_MAX: usize = 998;
const REFERENCES_MAX: usize = 20;

impl Outgoing {
    /// The finished message, CRLF line ends, ready for DATA (dots are stuffed by the transport).
    pub fn build(&self, signer: Option<&Signer>) -> Result<Vec<u8>, EncodeError> {
        let builder = self.head()?;
        let message = match self.body(&[self.boundary(1), self.boundary(2)])? {
            Content::Single(part) => builder.singlepart(part),
            Content::Multi(part) => builder.multipart(part),
        };
        let raw = message.map_err(|error| EncodeError::Build(error.to_string()))?.formatted();
        match signer {
            Some(signer) => signer.sign(&raw, self.date).map_err(EncodeError::Sign),
            None => Ok(raw),
        }
    }

    fn head(&self) -> Result<MessageBuilder, EncodeError> {
        if self.to.is_empty() {
            return Err(EncodeError::NoRecipient);
        }
        let mut builder = lettre::Message::builder().from(mailbox("From", &self.from)?);
        for to in &self.to {
            builder = builder.to(mailbox("To", to)?);
        }
        for cc in &self.cc {
            builder = builder.cc(mailbox("Cc", cc)?);
        }
        if let Some(reply_to) = &self.reply_to {
            builder = builder.reply_to(mailbox("Reply-To", reply_to)?);
        }
        let id = usable_id(&self.message_id).ok_or_else(|| EncodeError::MessageId(self.message_id.clone()))?;
        builder =
            builder.subject(safe("Subject", &self.subject)?).date(self.date.into()).message_id(Some(format!("<{id}>")));
        if let Some(id) = self.in_reply_to.as_deref().and_then(usable_id) {
            builder = builder.in_reply_to(format!("<{id}>"));
        }
        let references: Vec<String> =
            self.references.iter().filter_map(|id| usable_id(id)).map(|id| format!("<{id}>")).collect();
        if !references.is_empty() {
            // The first id names the thread, the last ones the branch (RFC 5322 section 3.6.4 allows shortening).
            let skip = references.len().saturating_sub(REFERENCES_MAX);
            let kept: Vec<&str> = references
                .iter()
                .enumerate()
                .filter(|(at, _)| *at == 0 || *at > skip)
                .map(|(_, id)| id.as_str())
                .collect();
            builder = builder.references(kept.join(" "));
        }
        match self.automatic {
            Automatic::Generated => builder = raw(builder, "Auto-Submitted", "auto-generated")?,
            Automatic::Replied => builder = raw(builder, "Auto-Submitted", "auto-replied")?,
            Automatic::No => {}
        }
        if self.automatic != Automatic::No {
            builder = raw(builder, "X-Auto-Response-Suppress", "All")?;
        }
        for (name, value) in &self.headers {
            let own = [
                "from",
                "to",
                "cc",
                "bcc",
                "sender",
                "reply-to",
                "subject",
                "date",
                "message-id",
                "in-reply-to",
                "references",
                "mime-version",
                "auto-submitted",
                "return-path",
                "dkim-signature",
            ];
            let lower = name.to_ascii_lowercase();
            if own.contains(&lower.as_str()) || lower.starts_with("content-") {
                return Err(EncodeError::Header(name.clone()));
            }
            builder = raw(builder, name, value)?;
        }
        Ok(builder)
    }

    fn body(&self, [inner, outer]: &[String; 2]) -> Result<Content, EncodeError> {
        let plain = text_part("text/plain; charset=utf-8", &self.text, LINE_MAX)?;
        let content = match &self.html {
            None => Content::Single(plain),
            Some(html) => {
                let part = MultiPart::alternative().boundary(inner).singlepart(plain);
                Content::Multi(part.singlepart(text_part("text/html; charset=utf-8", html, RAW_LINE_MAX)?))
            }
        };
        if self.enclosures.is_empty() {
            return Ok(content);
        }
        let mixed = MultiPart::mixed().boundary(outer);
        let mut mixed = match content {
            Content::Single(part) => mixed.singlepart(part),
            Content::Multi(part) => mixed.multipart(part),
        };
        for enclosure in &self.enclosures {
            mixed = mixed.singlepart(enclosed(enclosure, &[inner, outer])?);
        }
        Ok(Content::Multi(mixed))
    }

    /// `=_` occurs in no quoted-printable and no base64 body.
    fn boundary(&self, number: u8) -> String {
        let hash = Sha256::new().chain_update(self.message_id.as_bytes()).chain_update([0, number]).finalize();
        let hash = hex::encode(hash);
        format!("=_{}", hash.get(..32).unwrap_or(&hash))
    }
}

enum Content {
    Single(SinglePart),
    Multi(MultiPart),
}

fn enclosed(enclosure: &Enclosure, boundaries: &[&String; 2]) -> Result<SinglePart, EncodeError> {
    let name = safe("filename", &enclosure.name)?;
    let mut media_type = enclosure.media_type.trim().to_ascii_lowercase();
    // A mail within a mail may not be encoded (RFC 2046 section 5.2.1): one that cannot go as it is goes as a file.
    // Data whose line ends mean nothing goes as it is where it can: a third shorter, and to be read in the mail.
    // (A line that begins with "From " is changed by programs that keep mails in one file.)
    let is_data = matches!(media_type.as_str(), "application/json" | "application/xml");
    let changed_on_the_way = lines(&enclosure.bytes).any(|line| line.starts_with(b"From "));
    let as_it_is =
        (media_type == "message/rfc822" || is_data && !changed_on_the_way) && fits(&enclosure.bytes, boundaries);
    if media_type.starts_with("message/") && !as_it_is {
        media_type = "application/octet-stream".to_string();
    }
    let content_type =
        ContentType::parse(&media_type).map_err(|_| EncodeError::MediaType(enclosure.media_type.clone()))?;
    let body = match as_it_is {
        true => Body::dangerous_pre_encoded(crlf_bytes(&enclosure.bytes), ContentTransferEncoding::SevenBit),
        false => encoded(enclosure.bytes.clone(), ContentTransferEncoding::Base64)?,
    };
    Ok(SinglePart::builder().header(content_type).header(ContentDisposition::attachment(&name)).body(body))
}

/// Whether bytes can go as they are.
fn fits(bytes: &[u8], boundaries: &[&String; 2]) -> bool {
    let line_ok = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.len() <= RAW_LINE_MAX && memchr(b'\r', line).is_none()
    };
    bytes.is_ascii()
        && memchr(0, bytes).is_none()
        && lines(bytes).all(line_ok)
        && !boundaries.iter().any(|boundary| memmem::find(bytes, boundary.as_bytes()).is_some())
}

/// Without their line feeds; a carriage return stays.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        let (line, after) = match memchr(b'\n', bytes) {
            Some(at) => (bytes.get(..at)?, bytes.get(at + 1..)),
            None => (bytes, None),
        };
        rest = after;
        Some(line)
    })
}

fn text_part(content_type: &str, text: &str, longest: usize) -> Result<SinglePart, EncodeError> {
    let content_type =
        ContentType::parse(content_type).map_err(|_| EncodeError::MediaType(content_type.to_string()))?;
    let text = crlf(text);
    // Every line feed has its carriage return by now.
    let clean = |line: &[u8]| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.len() <= longest && !matches!(line.last(), Some(b' ' | b'\t')) && !line.starts_with(b"From ")
    };
    // Counted, not searched for: without a branch a whole register is looked at in one go.
    let odd = text.bytes().filter(|byte| !matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')).count();
    let plain = odd == 0;
    let body = if plain && lines(text.as_bytes()).all(clean) {
        // Proved to be 7bit just now; the library's own guess also weighs which encoding is shorter.
        Body::dangerous_pre_encoded(text.into_bytes(), ContentTransferEncoding::SevenBit)
    } else {
        encoded(text, ContentTransferEncoding::QuotedPrintable)?
    };
    Ok(SinglePart::builder().header(content_type).body(body))
}

fn encoded(
    content: impl Into<lettre::message::MaybeString>,
    encoding: ContentTransferEncoding,
) -> Result<Body, EncodeError> {
    Body::new_with_encoding(content, encoding)
        .map_err(|_| EncodeError::Build(format!("content does not fit {encoding}")))
}

/// Line ends as CRLF; NUL, which no mail may hold, out.
fn crlf(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut rest = text;
    while let Some(at) = memchr3(b'\r', b'\n', 0, rest.as_bytes()) {
        let (line, end) = rest.split_at(at);
        out.push_str(line);
        if !end.starts_with('\0') {
            out.push_str("\r\n");
        }
        rest = end.strip_prefix("\r\n").or_else(|| end.get(1..)).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

fn crlf_bytes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 40);
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(body) => {
                out.extend_from_slice(body.strip_suffix(b"\r").unwrap_or(body));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

fn safe(field: &str, value: &str) -> Result<String, EncodeError> {
    match value.contains(['\r', '\n', '\0']) {
        true => Err(EncodeError::Unsafe { field: field.to_string(), value: value.to_string() }),
        false => Ok(value.to_string()),
    }
}

fn mailbox(field: &str, address: &Address) -> Result<Mailbox, EncodeError> {
    let bare = safe(field, &address.address)?.parse().map_err(|_| EncodeError::Address(address.address.clone()))?;
    let name = address.name.as_deref().map(|name| safe(field, name)).transpose()?;
    Ok(Mailbox::new(name.filter(|name| !name.trim().is_empty()), bare))
}

fn raw(builder: MessageBuilder, name: &str, value: &str) -> Result<MessageBuilder, EncodeError> {
    let token =
        !name.is_empty() && name.len() < 77 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let header = token.then(|| HeaderName::new_from_ascii(name.to_string()).ok()).flatten();
    let header = header.ok_or_else(|| EncodeError::Header(name.to_string()))?;
    Ok(builder.raw_header(HeaderValue::new(header, safe(name, value)?)))
}

/// An id as RFC 5322 section 3.6.4 has it, of a length that fits a line.
fn usable_id(id: &str) -> Option<&str> {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    let fine = id.len() <= 900
        && id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>' | b'(' | b')' | b',' | b'"' | b'\\'));
    (fine && id.contains('@')).then_some(id)
}

/// A `mailto:` link (RFC 6068) that opens a ready answer.
pub fn mailto(address: &str, subject: &str, body: &str) -> String {
    format!(
        "mailto:{}?subject={}&body={}",
        percent(address, "@+-._"),
        percent(subject, "-._~"),
        percent(&crlf(body), "-._~")
    )
}

fn percent(text: &str, kept: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || kept.as_bytes().contains(&byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Mail;

    fn address(name: &str, address: &str) -> Address {
        Address { name: (!name.is_empty()).then(|| name.to_string()), address: address.to_string() }
    }

    fn outgoing() -> Outgoing {
        Outgoing {
            from: address("Postern, Einkauf", "gateway@shop.example"),
            to: vec![address("Lager Süd", "lager@nord.example")],
            reply_to: Some(address("", "gateway+7Q2K-9MXT-4CHB@shop.example")),
            subject: "Rückfrage zu Ihrer Bestätigung B63905 – bitte prüfen, was wir nicht lesen konnten".into(),
            date: "2026-11-22T08:00:00Z".parse().unwrap(),
            message_id: "T-1.1@shop.example".into(),
            in_reply_to: Some("<1@nord.example>".into()),
            references: (0..60)
                .map(|n| format!("{n}.{}@nord.example", "x".repeat(60)))
                .chain(["bad id\r\nX: y".to_string()])
                .collect(),
            text: "Guten Tag,\n\n.\nFrom here on: ä\n".into(),
            html: Some(format!("<p>{}</p>", "Guten Tag ".repeat(300))),
            enclosures: vec![
                Enclosure {
                    name: "Bestätigung 4711.pdf".into(),
                    media_type: "application/pdf".into(),
                    bytes: vec![0, 13, 10, 255],
                },
                Enclosure {
                    name: "original.eml".into(),
                    media_type: "message/rfc822".into(),
                    bytes: b"Subject: x\n\nhello\n".to_vec(),
                },
                Enclosure {
                    name: "binary.eml".into(),
                    media_type: "message/rfc822".into(),
                    bytes: b"Subject: x\n\n\xff\n".to_vec(),
                },
            ],
            headers: vec![("X-Postern".into(), "T-1".into())],
            ..Outgoing::default()
        }
    }

    /// The mail would arrive garbled, unthreaded, or different the second time it is sent.
    #[test]
    fn what_is_built_is_what_is_read() {
        let raw = outgoing().build(None).unwrap();
        assert_eq!(raw, outgoing().build(None).unwrap());
        let text = String::from_utf8(raw.clone()).unwrap();
        assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])), "{text}");
        let mail = Mail::parse(&raw);
        assert!(mail.faults.is_empty(), "{:?}", mail.faults);
        assert_eq!(mail.subject, outgoing().subject);
        assert_eq!(mail.from, [address("Postern, Einkauf", "gateway@shop.example")]);
        assert_eq!(mail.to, [address("Lager Süd", "lager@nord.example")]);
        assert_eq!(mail.reply_to, [address("", "gateway+7Q2K-9MXT-4CHB@shop.example")]);
        assert_eq!(mail.message_id.as_deref(), Some("T-1.1@shop.example"));
        assert_eq!(mail.in_reply_to, ["1@nord.example"]);
        assert_eq!((mail.references.len(), mail.references.first().map(|id| id.starts_with("0."))), (20, Some(true)));
        assert!(mail.references.last().is_some_and(|id| id.starts_with("59.")));
        assert_eq!(mail.date.unwrap(), outgoing().date);
        assert_eq!(mail.headers.get("Auto-Submitted"), Some("auto-generated"));
        assert_eq!(mail.headers.get("X-Postern"), Some("T-1"));
        assert_eq!(mail.text.as_deref(), Some("Guten Tag,\n\n.\nFrom here on: ä\n"));
        assert_eq!(mail.html, outgoing().html);
        let files: Vec<_> =
            mail.attachments.iter().map(|a| (a.name.clone().unwrap(), a.media_type.as_str(), a.bytes.len())).collect();
        assert_eq!(
            files,
            [
                ("Bestätigung 4711.pdf".into(), "application/pdf", 4),
                ("original.eml".into(), "message/rfc822", 21),
                ("binary.eml".into(), "application/octet-stream", 14)
            ]
        );
        assert_eq!(mail.nested()[0].subject, "x");
    }

    /// An order system would read a note that a program on the way had changed, or data that was cut or recoded.
    #[test]
    fn data_goes_as_it_is_only_where_that_is_safe() {
        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000));
        for (data, encoding) in [
            ("{\"a\":\n1}\n", "7bit"),
            ("{\"a\":\"ä\"}", "base64"),
            ("<Note>x\nFrom here on</Note>", "base64"),
            (&long, "base64"),
        ] {
            let file = Enclosure { name: "d.json".into(), media_type: "application/json".into(), bytes: data.into() };
            let raw = Outgoing { enclosures: vec![file], ..outgoing() }.build(None).unwrap();
            let text = String::from_utf8(raw.clone()).unwrap();
            let head = text.split("application/json").nth(1).unwrap().split("\r\n\r\n").next().unwrap();
            assert!(head.contains(encoding), "{data}: {head}");
            let read = Mail::parse(&raw).attachments[0].bytes.clone();
            assert_eq!(String::from_utf8(read).unwrap().trim_end().replace("\r\n", "\n"), data.trim_end());
        }
    }

    /// A value from a partner's mail could add a recipient or a header.
    #[test]
    fn nothing_can_be_injected() {
        let refused = |change: fn(&mut Outgoing)| {
            let mut mail = outgoing();
            change(&mut mail);
            mail.build(None).unwrap_err()
        };
        for evil in ["x\r\nBcc: a@b.c", "x\nBcc: a@b.c", "x\rBcc: a@b.c", "x\0"] {
            let mut tries = vec![outgoing(), outgoing(), outgoing(), outgoing(), outgoing()];
            tries[0].subject = evil.into();
            tries[1].from.name = Some(evil.into());
            tries[2].to[0].address = format!("a@b.c{evil}");
            tries[3].enclosures[0].name = evil.into();
            tries[4].headers[0].1 = evil.into();
            for mail in tries {
                assert!(
                    matches!(mail.build(None), Err(EncodeError::Unsafe { .. } | EncodeError::Address(_))),
                    "{evil:?}"
                );
            }
        }
        assert_eq!(refused(|mail| mail.headers[0].0 = "X: y\r\nBcc".into()), EncodeError::Header("X: y\r\nBcc".into()));
        assert_eq!(refused(|mail| mail.headers[0].0 = "Bcc".into()), EncodeError::Header("Bcc".into()));
        assert_eq!(
            refused(|mail| mail.headers[0].0 = "Content-Type".into()),
            EncodeError::Header("Content-Type".into())
        );
        assert_eq!(refused(|mail| mail.message_id = "no id".into()), EncodeError::MessageId("no id".into()));
        assert_eq!(refused(|mail| mail.to.clear()), EncodeError::NoRecipient);
        assert_eq!(
            refused(|mail| mail.enclosures[0].media_type = "x\r\ny/z".into()),
            EncodeError::MediaType("x\r\ny/z".into())
        );
    }

    /// A ready answer would arrive cut at the first `&`.
    #[test]
    fn mailto_links_are_whole() {
        assert_eq!(
            mailto("g+7Q2K@x.example", "Re: 4711 & mehr", "APPROVE\n"),
            "mailto:g+7Q2K@x.example?subject=Re%3A%204711%20%26%20mehr&body=APPROVE%0D%0A"
        );
    }
}
