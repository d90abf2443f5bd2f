//! The demo's stories: what is ordered, what the partner answers, what people do, how it must end.

use std::collections::BTreeMap;

use super::customers::SALES;
use super::partners::{Answer, AnswerLine, Writing};
use crate::mail::Mail;
use crate::model::{Response, Status};

/// One order and what becomes of it.
pub struct Story {
    pub order: &'static str,
    pub title: &'static str,
    pub writing: Writing,
    /// What the partner writes first, and (asked again) second.
    first: &'static [AnswerLine],
    second: Option<&'static [AnswerLine]>,
    pub approver: Option<&'static str>,
    pub recall_answer: Option<&'static str>,
    /// The order is registered only after the answer came.
    pub order_late: bool,
    /// The statuses of its responses at the end, oldest first.
    ends: &'static [Status],
}

const fn line(
    position: u32,
    sku: &'static str,
    quantity: &'static str,
    price: &'static str,
    date: &'static str,
) -> AnswerLine {
    AnswerLine { position, sku, quantity, price, date, canceled: false }
}

const fn canceled(
    position: u32,
    sku: &'static str,
    quantity: &'static str,
    price: &'static str,
    date: &'static str,
) -> AnswerLine {
    AnswerLine { canceled: true, ..line(position, sku, quantity, price, date) }
}

const CLEAN: &[AnswerLine] =
    &[line(10, "NW-1001", "8", "176.80", "2026-12-21"), line(20, "NW-2040", "25", "3.45", "2026-12-21")];

pub const STORIES: &[Story] = &[
    Story {
        order: "4500001",
        title: "a clean confirmation as plain text closes by itself",
        writing: Writing::Text,
        first: CLEAN,
        second: None,
        approver: None,
        recall_answer: None,
        order_late: false,
        ends: &[Status::Closed],
    },
    Story {
        order: "4500002",
        title: "a clean confirmation as an HTML table closes by itself",
        writing: Writing::Html,
        first: CLEAN,
        second: None,
        approver: None,
        recall_answer: None,
        order_late: false,
        ends: &[Status::Closed],
    },
    Story {
        order: "4500003",
        title: "a clean confirmation as a PDF closes by itself",
        writing: Writing::Pdf,
        first: CLEAN,
        second: None,
        approver: None,
        recall_answer: None,
        order_late: false,
        ends: &[Status::Closed],
    },
    Story {
        order: "4500004",
        title: "dearer and later than ordered: the approver replies APPROVE",
        writing: Writing::Text,
        first: &[line(10, "NW-1001", "8", "189.00", "2026-12-21"), line(20, "NW-2040", "25", "3.45", "2027-01-11")],
        second: None,
        approver: Some("APPROVE"),
        recall_answer: None,
        order_late: false,
        ends: &[Status::Closed],
    },
    Story {
        order: "4500005",
        title: "far too late: the approver declines, the partner takes it back",
        writing: Writing::Html,
        first: &[line(10, "NW-1001", "8", "176.80", "2027-03-31"), line(20, "NW-2040", "25", "3.45", "2026-12-21")],
        second: None,
        approver: Some("DECLINE"),
        recall_answer: Some("RECALLED"),
        order_late: false,
        ends: &[Status::Failed],
    },
    Story {
        order: "4500006",
        title: "more confirmed than ordered: the partner is asked again and corrects it",
        writing: Writing::Pdf,
        first: &[line(10, "NW-1001", "80", "176.80", "2026-12-21"), line(20, "NW-2040", "25", "3.45", "2026-12-21")],
        second: Some(CLEAN),
        approver: None,
        recall_answer: None,
        order_late: false,
        ends: &[Status::Failed, Status::Closed],
    },
    Story {
        order: "4500007",
        title: "one line is canceled: approved, and a return is made of it",
        writing: Writing::Text,
        first: &[line(10, "NW-1001", "8", "176.80", "2026-12-21"), canceled(20, "NW-2040", "25", "3.45", "2026-12-21")],
        second: None,
        approver: Some("Approved.\n\nBest regards\nAnna"),
        recall_answer: None,
        order_late: false,
        ends: &[Status::Closed],
    },
    Story {
        order: "4500008",
        title: "the answer comes before the order is registered",
        writing: Writing::Html,
        first: CLEAN,
        second: None,
        approver: None,
        recall_answer: None,
        order_late: true,
        ends: &[Status::Closed],
    },
];

impl Story {
    pub fn partner(&self) -> &'static str {
        self.writing.partner()
    }

    pub fn sender(&self) -> &'static str {
        self.writing.sender()
    }

    pub fn order_json(&self) -> String {
        format!(
            r#"{{"order_number":"{}","channel":"shop","currency":"{}","ordered_at":"2026-11-20T09:00:00Z","partner":"{}","positions":[
  {{"position":10,"supplier_sku":"NW-1001","name":"Desk lamp","quantity":"8","unit":"PCE","price_net":"176.80","requested_date":"2026-12-21"}},
  {{"position":20,"supplier_sku":"NW-2040","name":"Bulb","quantity":"25","unit":"PCE","price_net":"3.45","requested_date":"2026-12-21"}}]}}"#,
            self.order,
            self.writing.currency(),
            self.partner()
        )
    }

    /// What the partner writes by itself.
    pub fn mails(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        Ok(vec![self.answer(self.first, "1", None)?])
    }

    /// What the partner writes when it is asked again.
    pub fn corrected(&self, request: &Mail) -> anyhow::Result<Option<Vec<u8>>> {
        self.second.map(|lines| self.answer(lines, "2", request.message_id.as_deref())).transpose()
    }

    fn answer(&self, lines: &[AnswerLine], version: &str, in_reply_to: Option<&str>) -> anyhow::Result<Vec<u8>> {
        self.writing.mail(&Answer {
            order: self.order,
            number: &format!("{}{version}", self.order),
            date: "2026-11-22",
            lines,
            in_reply_to,
        })
    }

    /// Whether its responses stand where they should.
    pub fn came_out(&self, all: &[Response]) -> bool {
        let mut own: Vec<&Response> = all.iter().filter(|response| response.order.as_str() == self.order).collect();
        own.sort_by_key(|response| response.id);
        own.iter().map(|response| response.status).eq(self.ends.iter().copied())
    }
}

/// Mails beside the stories: a stranger, a robot, a copy.
pub fn asides(gateway: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let stranger = format!(
        "From: Somebody <somebody@nowhere.example>\r\nTo: {gateway}\r\nSubject: Great offers for order 4500001\r\nMessage-ID: <offer@nowhere.example>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n\r\nBuy now!\r\n"
    );
    let robot = format!(
        "From: Nordwind <auftrag@nordwind.example>\r\nTo: {gateway}\r\nSubject: Abwesenheitsnotiz: Bestellung\r\nAuto-Submitted: auto-replied\r\nMessage-ID: <away@nordwind.example>\r\nDate: Sun, 22 Nov 2026 08:01:00 +0000\r\n\r\nIch bin bis 30.11. nicht im Haus.\r\n"
    );
    let copy = STORIES.first().map(Story::mails).transpose()?.unwrap_or_default();
    Ok([vec![stranger.into_bytes(), robot.into_bytes()], copy].concat())
}

/// Strangers, robots and copies ended where they should; the copy is known and only filed.
pub fn mails_came_out(mails: &BTreeMap<String, u64>) -> bool {
    let count = |drawer: &str| mails.get(drawer).copied().unwrap_or(0);
    let answers = STORIES.len() + STORIES.iter().filter(|story| story.second.is_some()).count() + SALES.len();
    let asked = SALES.iter().filter(|story| story.desk.is_some()).count();
    let decisions = STORIES.iter().filter(|story| story.approver.is_some()).count() + asked;
    let recalls = STORIES.iter().filter(|story| story.recall_answer.is_some()).count();
    count("response") == answers as u64
        && count("decision") == decisions as u64
        && count("recall-answer") == recalls as u64
        && count("order") == SALES.len() as u64
        && count("stranger") == 1
        && count("auto-reply") == 1
        && count("unreadable") == 0
}

/// A reply as a mail client writes it: new words on top, the original quoted below.
pub fn reply(to: &Mail, from: &str, reply_to: &str, words: &str) -> String {
    let quoted: String = to.text.as_deref().unwrap_or("").lines().map(|line| format!("> {line}\r\n")).collect();
    let id = to.message_id.as_deref().unwrap_or("");
    let own = crate::model::Digest::of(format!("{from}{id}{words}").as_bytes()).to_string();
    let own = own.get(..20).unwrap_or(&own);
    let words = words.replace('\n', "\r\n");
    format!(
        "From: <{from}>\r\nTo: <{reply_to}>\r\nSubject: Re: {}\r\nMessage-ID: <{own}@people.example>\r\nIn-Reply-To: <{id}>\r\nReferences: <{id}>\r\nDate: Sun, 22 Nov 2026 09:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{words}\r\n\r\nOn Sun, Nov 22, 2026 at 9:00 AM Order desk wrote:\r\n{quoted}",
        encoded(&to.subject)
    )
}

/// A header value as RFC 2047 has it, when it needs that.
fn encoded(text: &str) -> String {
    use base64::Engine as _;
    if text.is_ascii() {
        return text.to_string();
    }
    let words = text
        .split_inclusive(' ')
        .map(|word| format!("=?utf-8?B?{}?=", base64::engine::general_purpose::STANDARD.encode(word)));
    words.collect::<Vec<_>>().join("\r\n ")
}
