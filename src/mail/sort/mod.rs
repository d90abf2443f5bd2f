//! What kind of mail it is by its own marks: written by a person, returned, a receipt, an absence, a list.
//!
//! Machines never decide and never get an answer (RFC 3834), so nothing a machine writes may pass as a person's; and no
//! person's mail may be taken for a machine's, or it would be lost in the wrong drawer. The words stand in
//! `words/robots.toml`. It must never know who the sender is to us.

mod bounce;

use std::cell::LazyCell;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use self::bounce::{blocks, delivery_status, non_standard_bounce};
use super::header::{self, Headers};
use super::{Mail, html};

/// What a mail is by its own marks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "nature", rename_all = "snake_case")]
pub enum Nature {
    /// By a person, or nothing says otherwise.
    Ordinary,
    /// A delivery status (RFC 3464), or a non-standard notice of the same.
    Bounce(Dsn),
    /// It was displayed or deleted (RFC 8098).
    Receipt(Mdn),
    /// A vacation program's answer, or another automatic answer.
    AutoReply(AutoReply),
    /// By a program on its own: an ERP's order response may be one. May be a response, never decides.
    Generated { mark: String },
    /// Traffic of a mailing list.
    MailingList { list: String },
}

/// A delivery status notification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dsn {
    pub recipients: Vec<DsnRecipient>,
    /// Of the mail that was returned, without angle brackets.
    pub original_message_id: Option<String>,
}

/// What became of the mail for one recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DsnRecipient {
    /// Bare address.
    pub address: String,
    pub action: Action,
    /// RFC 3463: `5.1.1`.
    pub status: Option<String>,
    /// What the other server said.
    pub diagnostic: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    #[default]
    Failed,
    /// The other side keeps trying.
    Delayed,
    Delivered,
    /// Passed on to a server that sends no notices.
    Relayed,
    Expanded,
}

/// A message disposition notification.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mdn {
    pub original_message_id: Option<String>,
    /// `displayed`, `deleted`, `dispatched` ...
    pub disposition: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoReply {
    /// The person is away; otherwise it is an acknowledgement of some kind.
    pub out_of_office: bool,
    /// The address named to turn to instead, when exactly one is.
    pub delegate: Option<String>,
}

impl Nature {
    /// Never decides, never gets an answer.
    pub fn is_automatic(&self) -> bool {
        *self != Nature::Ordinary
    }

    /// Returned for good: at least one recipient did not get it.
    pub fn has_failed(&self) -> bool {
        matches!(self, Nature::Bounce(dsn) if dsn.recipients.is_empty() || dsn.recipients.iter().any(|recipient| recipient.action == Action::Failed))
    }
}

/// Sorts a mail by its own marks.
pub fn sort(mail: &Mail) -> Nature {
    if let Some(dsn) = delivery_status(mail) {
        return Nature::Bounce(dsn);
    }
    if let Some(mdn) = disposition(mail) {
        return Nature::Receipt(mdn);
    }
    if let Some(mark) = feedback(mail) {
        return Nature::Generated { mark };
    }
    // Most mails are ordinary by their headers, and nobody looks at their words.
    let text: Said<'_> = LazyCell::new(Box::new(|| text_of(mail)));
    if let Some(dsn) = non_standard_bounce(mail, &text) {
        return Nature::Bounce(dsn);
    }
    if let Some(reply) = auto_reply(mail, &text) {
        return Nature::AutoReply(reply);
    }
    if let Some(list) = mailing_list(&mail.headers) {
        return Nature::MailingList { list };
    }
    match machine_mark(&mail.headers) {
        Some(mark) => Nature::Generated { mark },
        None => Nature::Ordinary,
    }
}

/// The words of a mail, put together when somebody asks for them.
type Said<'m> = LazyCell<String, Box<dyn FnOnce() -> String + 'm>>;

fn text_of(mail: &Mail) -> String {
    let mut text = match (&mail.text, &mail.html) {
        (Some(text), _) if !text.trim().is_empty() => text.clone(),
        (_, Some(html)) => html::to_text(html),
        (Some(text), None) => text.clone(),
        (None, None) => String::new(),
    };
    let mut end = text.len().min(100_000);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

fn report(mail: &Mail, kind: &str) -> bool {
    let content_type = header::Parameters::read(mail.headers.get("Content-Type").unwrap_or_default());
    content_type.value == "multipart/report"
        && content_type.get("report-type").is_some_and(|found| found.eq_ignore_ascii_case(kind))
}

fn disposition(mail: &Mail) -> Option<Mdn> {
    let part = mail.attachments.iter().find(|part| {
        matches!(
            part.media_type.as_str(),
            "message/disposition-notification" | "message/global-disposition-notification"
        )
    });
    if part.is_none() && !report(mail, "disposition-notification") {
        return None;
    }
    let fields = part.map(|part| blocks(&part.text())).unwrap_or_default();
    let field = |name: &str| fields.iter().find_map(|block| block.get(name));
    let disposition = field("Disposition").unwrap_or_default();
    let disposition = disposition
        .rsplit(';')
        .next()
        .unwrap_or_default()
        .split('/')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let original_message_id = field("Original-Message-ID")
        .and_then(|value| header::ids(value).into_iter().next())
        .or_else(|| mail.in_reply_to.first().cloned());
    Some(Mdn { original_message_id, disposition })
}

fn feedback(mail: &Mail) -> Option<String> {
    let part = mail.attachments.iter().any(|part| part.media_type == "message/feedback-report");
    (part || report(mail, "feedback-report")).then(|| "feedback report".to_string())
}

fn null_sender(headers: &Headers) -> bool {
    let empty = |value: &str| value.chars().filter(|c| !c.is_whitespace()).collect::<String>() == "<>";
    headers.get("Return-Path").is_some_and(empty) || headers.get("From").is_some_and(empty)
}

fn bare(text: &str) -> Option<String> {
    let text = text
        .trim()
        .trim_matches(['<', '>', '"', '\'', ':', '.', ',', ';', '(', ')'])
        .trim_start_matches("mailto:")
        .trim_start_matches("rfc822;");
    let (local, domain) = text.rsplit_once('@')?;
    let fine = !local.is_empty()
        && !domain.is_empty()
        && text.len() <= 320
        && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':'))
        && domain.contains(|c: char| c.is_alphanumeric())
        && !local.contains([' ', '<', '=']);
    fine.then(|| text.to_string())
}

/// RFC 3834 and the fields that came before it.
fn auto_reply(mail: &Mail, text: &Said<'_>) -> Option<AutoReply> {
    let headers = &mail.headers;
    let words = &words().automatic;
    let submitted = headers
        .get("Auto-Submitted")
        .map(|value| header::strip_comments(value).trim().to_ascii_lowercase())
        .unwrap_or_default();
    let precedence = headers.get("Precedence").map(|value| value.trim().to_ascii_lowercase()).unwrap_or_default();
    let fields = [
        "X-Autoreply",
        "X-Autorespond",
        "X-Autoresponder",
        "X-Auto-Reply-From",
        "X-Autoreply-From",
        "X-Mail-Autoreply",
        "X-AutoReply-From",
        "X-Autoresponse",
        "X-Autogenerated",
        "X-Auto-Reply",
        "X-Vacation",
    ];
    let marked = submitted.starts_with("auto-replied")
        || matches!(precedence.as_str(), "auto_reply" | "auto-reply" | "auto_replied")
        || fields.iter().any(|name| {
            headers.get(name).is_some_and(|value| {
                !value.trim().eq_ignore_ascii_case("no")
                    && (*name != "X-Autogenerated" || value.to_ascii_lowercase().contains("reply"))
            })
        })
        || headers.get("X-POST-MessageClass").is_some_and(|value| value.to_ascii_lowercase().contains("autoresponder"))
        || headers.get("Delivered-To").is_some_and(|value| value.trim().eq_ignore_ascii_case("autoresponder"));
    let subject = stem(&mail.subject);
    let titled = words.subjects.iter().any(|phrase| subject.starts_with(phrase.as_str()));
    let weak = machine_mark(headers).is_some();
    let may_answer = weak && !mail.in_reply_to.is_empty();
    if !(marked || titled || may_answer) {
        return None;
    }
    let lower = text.to_lowercase();
    let away = titled && words.away.iter().any(|phrase| subject.contains(phrase.as_str()))
        || words.away.iter().any(|phrase| lower.contains(phrase.as_str()));
    let is_reply = marked || titled || away;
    // A person who plans a trip writes "Out of office next week", too, but not in answer to a mail.
    if !is_reply || titled && !marked && !weak && is_absence(&subject) && !answers(mail) {
        return None;
    }
    Some(AutoReply { out_of_office: away || titled && is_absence(&subject), delegate: delegate(mail, text) })
}

fn answers(mail: &Mail) -> bool {
    !mail.in_reply_to.is_empty() || !mail.references.is_empty()
}

fn is_absence(subject: &str) -> bool {
    !["automat", "auto", "risposta", "resposta", "respuesta", "réponse"].iter().any(|start| subject.starts_with(start))
}

/// The subject without `Re:`, `AW:` and their kin, lower case.
fn stem(subject: &str) -> String {
    let mut subject = subject.trim().to_lowercase();
    for _ in 0..5 {
        let rest = ["re:", "aw:", "sv:", "vs:", "antw:", "odp:", "r:", "rif:", "fwd:", "fw:", "wg:"]
            .iter()
            .find_map(|prefix| subject.strip_prefix(prefix));
        match rest.map(|rest| rest.trim().to_string()) {
            Some(rest) => subject = rest,
            None => break,
        }
    }
    subject
}

/// Who is to be asked instead: the only address behind a phrase that says so.
fn delegate(mail: &Mail, text: &str) -> Option<String> {
    let own: Vec<String> =
        mail.from.iter().chain(&mail.to).chain(&mail.reply_to).map(|address| address.key()).collect();
    let visible = super::reply::of_text(text).visible;
    let lower = visible.to_lowercase();
    if !words().automatic.instead.iter().any(|phrase| lower.contains(phrase.as_str())) {
        return None;
    }
    let mut found: Vec<String> = Vec::new();
    for word in
        visible.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '[' | ']' | '"'))
    {
        if let Some(address) = bare(word)
            .map(|address| address.to_lowercase())
            .filter(|address| !own.contains(address) && !found.contains(address))
        {
            found.push(address);
        }
    }
    match found.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    }
}

fn mailing_list(headers: &Headers) -> Option<String> {
    let precedence = headers.get("Precedence").map(|value| value.trim().to_ascii_lowercase());
    let list = headers.get("List-Id").map(|value| value.trim().to_string());
    let posted = headers.get("List-Post").is_some()
        || headers.get("X-Mailman-Version").is_some()
        || headers.get("Mailing-List").is_some();
    let bulk = precedence.as_deref().is_some_and(|value| matches!(value, "list" | "bulk"));
    let known = posted || list.is_some() && bulk || precedence.as_deref() == Some("list");
    known.then(|| list.unwrap_or_default())
}

/// Marks of programs that are no answer to anything.
fn machine_mark(headers: &Headers) -> Option<String> {
    let submitted =
        headers.get("Auto-Submitted").map(|value| header::strip_comments(value).trim().to_ascii_lowercase());
    if let Some(value) = submitted.filter(|value| !value.is_empty() && value != "no") {
        return Some(format!("Auto-Submitted: {value}"));
    }
    let precedence = headers.get("Precedence").map(|value| value.trim().to_ascii_lowercase());
    if let Some(value) = precedence.filter(|value| matches!(value.as_str(), "bulk" | "junk" | "list" | "auto_reply")) {
        return Some(format!("Precedence: {value}"));
    }
    if null_sender(headers) {
        return Some("Return-Path: <>".to_string());
    }
    if let Some(value) = headers
        .get("X-Auto-Response-Suppress")
        .map(str::trim)
        .filter(|value| !value.is_empty() && !value.eq_ignore_ascii_case("none"))
    {
        return Some(format!("X-Auto-Response-Suppress: {value}"));
    }
    let machine = headers.get("X-FC-MachineGenerated").is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    (machine || headers.get("X-Autogenerated").is_some()).then(|| "X-Autogenerated".to_string())
}

#[derive(Deserialize, Default)]
struct Words {
    bounce: Bounce,
    automatic: Automatic,
}

#[derive(Deserialize, Default)]
struct Bounce {
    senders: Vec<String>,
    offices: Vec<String>,
    subjects: Vec<String>,
    bodies: Vec<String>,
    delayed: Vec<String>,
    originals: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Automatic {
    subjects: Vec<String>,
    away: Vec<String>,
    instead: Vec<String>,
}

fn words() -> &'static Words {
    static WORDS: LazyLock<Words> =
        LazyLock::new(|| toml::from_str(include_str!("../words/robots.toml")).unwrap_or_default());
    &WORDS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(raw: &str) -> Nature {
        sort(&Mail::parse(raw.replace('\n', "\r\n").as_bytes()))
    }

    fn name(nature: &Nature) -> String {
        match nature {
            Nature::Ordinary => "ordinary".into(),
            Nature::Bounce(dsn) => {
                let recipients: Vec<String> = dsn
                    .recipients
                    .iter()
                    .map(|r| format!("{} {:?} {}", r.address, r.action, r.status.as_deref().unwrap_or("-")))
                    .collect();
                format!("bounce {} of {}", recipients.join(", "), dsn.original_message_id.as_deref().unwrap_or("-"))
            }
            Nature::Receipt(mdn) => {
                format!("receipt {} of {}", mdn.disposition, mdn.original_message_id.as_deref().unwrap_or("-"))
            }
            Nature::AutoReply(reply) => format!(
                "{} {}",
                if reply.out_of_office { "away" } else { "auto" },
                reply.delegate.as_deref().unwrap_or("-")
            ),
            Nature::Generated { mark } => format!("generated {mark}"),
            Nature::MailingList { list } => format!("list {list}"),
        }
    }

    /// The word files are read at run time: broken, every robot would pass for a person.
    #[test]
    fn the_word_file_is_whole() {
        let words: Words = toml::from_str(include_str!("../words/robots.toml")).unwrap();
        let lists = [
            &words.bounce.senders,
            &words.bounce.offices,
            &words.bounce.subjects,
            &words.bounce.bodies,
            &words.bounce.delayed,
            &words.bounce.originals,
            &words.automatic.subjects,
            &words.automatic.away,
            &words.automatic.instead,
        ];
        for word in lists.into_iter().flatten() {
            assert!(!word.trim().is_empty());
            assert_eq!(*word, word.to_lowercase());
        }
    }

    /// A bounce would not reach its transmission; a robot would be answered; a person's mail would be lost.
    #[test]
    fn machines_and_people() {
        for (raw, want) in [
            (
                "From: MAILER-DAEMON@x.example\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nSorry.\n--b\n\
                 Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1 (bad)\n\
                 Diagnostic-Code: smtp; 550 no\n\nFinal-Recipient: rfc822;c@d.example\nAction: delayed\nStatus: 4.4.1\n--b\nContent-Type: text/rfc822-headers\n\n\
                 Message-ID: <T-1@shop.example>\n--b--\n",
                "bounce a@b.example Failed 5.1.1, c@d.example Delayed 4.4.1 of T-1@shop.example",
            ),
            (
                "Return-Path: <>\nFrom: MAILER-DAEMON@x.example\nTo: g@shop.example\nSubject: failure notice\n\nHi. This is the qmail-send program at x.example.\n\n<a@b.example>:\n\
                 Sorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\nMessage-ID: <T-2@shop.example>\nFrom: g@shop.example\n",
                "bounce a@b.example Failed 5.1.1 of T-2@shop.example",
            ),
            (
                "From: Mail Delivery System <Mailer-Daemon@x.example>\nX-Failed-Recipients: a@b.example\nSubject: Mail delivery failed: returning message to sender\n\n\
                 This message was created automatically by mail delivery software.\n\n  a@b.example\n    SMTP error: 550 unknown user\n",
                "bounce a@b.example Failed 5.0.0 of -",
            ),
            (
                "From: \"Microsoft Outlook\" <x@y.example>\nReturn-Path: <>\nSubject: Unzustellbar: Anfrage\n\nIhre Nachricht an a@b.example konnte nicht zugestellt werden.\n",
                "bounce a@b.example Failed - of -",
            ),
            (
                "From: a@b\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n--b\n\nread\n--b\nContent-Type: message/disposition-notification\n\n\
                 Original-Message-ID: <T-1@x>\nDisposition: manual-action/MDN-sent-manually; displayed\n--b--\n",
                "receipt displayed of T-1@x",
            ),
            (
                "From: a@b\nAuto-Submitted: auto-replied (vacation)\nSubject: Re: x\n\nI am on vacation until Monday. Please contact Bob <bob@shop.example>.\n",
                "away bob@shop.example",
            ),
            ("From: a@b\nSubject: Automatische Antwort: Frage\nIn-Reply-To: <1@x>\n\nIch bin im Urlaub.\n", "away -"),
            ("From: a@b\nSubject: Autosvar: x\nIn-Reply-To: <1@x>\n\nTack, vi har fått ditt mejl.\n", "auto -"),
            (
                "From: a@b\nSubject: Réponse automatique : x\nIn-Reply-To: <1@x>\n\nJe suis absent. Contactez b@c.example ou d@e.example.\n",
                "away -",
            ),
            ("From: a@b\nX-Autoreply: yes\nSubject: Re: x\n\nthanks\n", "auto -"),
            (
                "From: a@b\nSubject: ticket\nAuto-Submitted: auto-generated\n\nOrder confirmation 4711\n",
                "generated Auto-Submitted: auto-generated",
            ),
            ("From: a@b\nReturn-Path: <>\nSubject: x\n\nx\n", "generated Return-Path: <>"),
            ("From: a@b\nPrecedence: bulk\n\nx\n", "generated Precedence: bulk"),
            (
                "From: a@b\nList-Id: <l.example>\nList-Post: <mailto:l@example>\nPrecedence: list\n\nx\n",
                "list <l.example>",
            ),
            ("From: a@b\nAuto-Submitted: no\nReturn-Path: <a@b>\nList-Unsubscribe: <mailto:x@y>\n\nx\n", "ordinary"),
            (
                "From: Anna <anna@b>\nSubject: Re: undelivered mail returned to sender\n\nCan you look at this? The delivery failed, user unknown, 550.\n",
                "ordinary",
            ),
            (
                "From: Anna <anna@b>\nSubject: Out of office next week\n\nJust so that you know: order 4711 is confirmed.\n",
                "ordinary",
            ),
            (
                "From: Anna <anna@b>\nSubject: Re: order\nIn-Reply-To: <1@x>\n\nConfirmed. I am on vacation from Monday, please contact bob@b.example.\n",
                "ordinary",
            ),
            ("From: postmaster@b\nSubject: order 4711\n\nconfirmed\n", "ordinary"),
            (
                "From: a@b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nsee this bounce\n--b\nContent-Type: message/delivery-status\n\nFinal-Recipient: rfc822; a@b.example\n--b--\n",
                "ordinary",
            ),
        ] {
            assert_eq!(name(&sorted(raw)), want, "{raw}");
        }
    }

    /// Robots of all real systems known must be recognised, and no other mail be taken for one.
    #[test]
    fn the_corpus_of_bounces() {
        let Some(shared) = crate::mail::tests::shared() else { return };
        let (mut bounces, mut missed, mut named) = (0, Vec::new(), 0);
        for folder in ["mime/sisimai/bsd", "mime/sisimai/other"] {
            for entry in std::fs::read_dir(shared.join("corpora").join(folder)).unwrap().flatten() {
                let file = entry.file_name().to_string_lossy().into_owned();
                let raw = std::fs::read(entry.path()).unwrap();
                // Some are kept with the line ends of other systems.
                let raw: Vec<u8> = if file.starts_with("mac-") {
                    raw.iter().map(|&b| if b == b'\r' { b'\n' } else { b }).collect()
                } else {
                    raw
                };
                let nature = sort(&Mail::parse(&raw));
                if file.starts_with("not-") {
                    assert!(!matches!(nature, Nature::Bounce(_)), "{file}");
                } else if !file.contains("arf") {
                    bounces += 1;
                    match nature {
                        Nature::Bounce(dsn) => named += usize::from(!dsn.recipients.is_empty()),
                        other => missed.push(format!("{file}: {}", name(&other))),
                    }
                }
            }
        }
        println!("bounces {}/{bounces}, with their recipient {named}", bounces - missed.len());
        assert!(bounces > 0);
        assert!(missed.len() * 50 <= bounces, "{missed:#?}");
        assert!(named * 100 >= bounces * 90, "{named} of {bounces}");
    }
}
