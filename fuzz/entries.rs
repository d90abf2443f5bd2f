//! What fuzzing calls, by target: the fuzzer feeds bytes, `tests/kept.rs` replays the inputs that were kept.
//!
//! Whatever comes in, these return; a panic, a hang or a memory blow-up is the find.

use postern::document::{self, Input, Limits};
use postern::{mail, mapping, standard};

/// A target and its name.
pub type Target = (&'static str, fn(&[u8]));

/// Every target, as `fuzz/fuzz_targets/NAME.rs` and `tests/kept/NAME/` call it.
pub const ALL: [Target; 9] = [
    ("edifact", edifact),
    ("xml", xml),
    ("csv", csv),
    ("html", html),
    ("pdf", pdf),
    ("mime", mime),
    ("tnef", tnef),
    ("mapping", mapping),
    ("office", office),
];

/// A library's panic that we catch where we call it is no find; one that comes through is. Without this the
/// fuzzer stops at either.
pub fn tolerate() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// EDIFACT and X12: anything behind the first bytes of an interchange.
pub fn edifact(data: &[u8]) {
    structured(data);
    structured(&[b"UNB+UNOC:3+S+B+261120:1200+7'UNH+1+ORDRSP:D:96A:UN'".as_slice(), data].concat());
}

/// The XML standards.
pub fn xml(data: &[u8]) {
    structured(data);
    let head = "<OrderResponse xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:OrderResponse-2\">";
    structured(&[head.as_bytes(), data, b"</OrderResponse>"].concat());
}

fn structured(data: &[u8]) {
    let text = standard::decode(data, "");
    let recognised = standard::recognise(&text);
    let reading = standard::read(&text, "fuzz");
    assert_eq!(recognised.is_some(), reading.is_some());
    let Some(reading) = reading else { return };
    assert_eq!(reading.messages.len(), reading.message_faults.len());
    for fault in &reading.faults {
        let _ = fault.draw(&text, false);
    }
    for message in &reading.messages {
        // What was read can be written, and what was written is well formed.
        if message.kind == postern::model::MessageKind::Order {
            let again = standard::read(&standard::ubl_write::order(message, "seller"), "again");
            let lines = again.and_then(|again| again.messages.first().map(|again| again.lines.len()));
            assert_eq!(lines, Some(message.lines.len()), "our own UBL is read back");
        }
    }
}

fn part(name: &str, media_type: &str, data: &[u8]) {
    let limits =
        Limits { bytes_max: 1 << 20, pages_max: 20, words_max: 20_000, cells_max: 20_000, ..Limits::default() };
    let _ = document::read(&Input { name, media_type, bytes: data }, &limits);
}

pub fn csv(data: &[u8]) {
    part("order.csv", "text/csv", data);
}

pub fn html(data: &[u8]) {
    part("mail.html", "text/html", data);
}

pub fn pdf(data: &[u8]) {
    part("order.pdf", "application/pdf", data);
    part("order.pdf", "application/pdf", &[b"%PDF-1.7\n".as_slice(), data].concat());
}

pub fn tnef(data: &[u8]) {
    part("winmail.dat", "application/ms-tnef", data);
    part("winmail.dat", "application/ms-tnef", &[[0x78, 0x9f, 0x3e, 0x22, 0, 0].as_slice(), data].concat());
}

/// Documents of word processors, workbooks, saved mails, archives: the bytes decide.
pub fn office(data: &[u8]) {
    part("order.docx", "", data);
}

/// A mail from the wire to its visible reply, its decision and its kind.
pub fn mime(data: &[u8]) {
    let mail = mail::Mail::parse(data);
    let _ = mail::reply::read(&mail);
    let _ = mail::sort::sort(&mail);
    let _ = mail::decision::decide_mail(&mail, "en");
}

/// A mapping file that somebody wrote.
pub fn mapping(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (_, complaints) = mapping::check("partner/layout", "layout.toml", &text);
    for complaint in &complaints {
        let _ = complaint.draw(&text, false);
    }
}
