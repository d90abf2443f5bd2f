//! Answers: what the order system sends is committed before it is acknowledged. What nobody can read, or what belongs
//! to no order, is kept as it came, with the reason and an alarm.

use std::sync::Arc;

use super::decide::{SaleKey, SaleTask};
use crate::document::Input;
use crate::gateway::Gateway;
use crate::gateway::decide::Task;
use crate::gateway::envelope::Fresh;
use crate::gateway::send_out::blocking;
use crate::mail::Mail;
use crate::mapping::{self, Material};
use crate::model::{
    AlarmKind, Digest, Field, Message, MessageKind, OrderNumber, PartnerId, Sale, SaleId, SystemAnswer,
};
use crate::process::sale::SaleInput;
use crate::standard;
use crate::store::{Content, MailRecord, MailTaken, StoreError};
use crate::wire::order_system::{Answer, OrderSystem, Verdict};

/// What its answers are filed under, beside the mailboxes.
const MAILBOX: &str = "order-system";
/// The folder of mappings that read its answers where they are no standard.
const MAPPINGS: &str = "order-system";
const BATCH: usize = 100;
/// Names from outside are cut here.
const NAME_CHARS_MAX: usize = 200;

impl Gateway {
    /// Takes the answers that wait; returns how many.
    pub async fn take_answers(&self, system: &Arc<dyn OrderSystem>) -> Result<usize, String> {
        let answers = match system.answers(BATCH).await {
            Ok(answers) => answers,
            Err(error) => {
                let (gateway, why) = (self.clone(), error.to_string());
                let told = blocking(move || {
                    gateway.system_away(&why, None);
                    Ok::<(), StoreError>(())
                });
                return told.await.map(|()| 0).map_err(|error| error.to_string());
            }
        };
        let count = answers.len();
        for answer in answers {
            crate::drill::pass("answers.fetched")?;
            let (gateway, taken) = (self.clone(), answer.clone());
            let verdict = blocking(move || gateway.take_answer(&taken)).await.map_err(|error| error.to_string())?;
            crate::drill::pass("answers.committed")?;
            if let Err(error) = system.settle(&answer.id, &verdict).await {
                tracing::warn!(answer = %answer.name, %error, "an answer is committed, but could not be acknowledged; it comes again");
            }
            crate::drill::pass("answers.settled")?;
        }
        Ok(count)
    }

    /// Commits one answer; says what it is acknowledged with.
    fn take_answer(&self, answer: &Answer) -> Result<Verdict, StoreError> {
        let messages = match self.understood(answer) {
            Ok(messages) => messages,
            Err(why) => return self.keep_unknown(answer, &why),
        };
        let mut tasks = Vec::new();
        for message in messages {
            match self.sale_of(answer, &message)? {
                Some((sale, version)) => {
                    if let Err(why) = super::hand_over::same_order(&sale, &message) {
                        return self.keep_unknown(answer, &why);
                    }
                    let input = SaleInput::Answered(Box::new(self.system_answer(answer, message, version)));
                    tasks.push(SaleTask { key: SaleKey::Id(sale.id), input });
                }
                None => {
                    let number = message.text(Field::OrderNumber).unwrap_or("none");
                    return self.keep_unknown(answer, &format!("it answers order `{number}`, which is not here"));
                }
            }
        }
        self.keep_answer(answer, "order-answer", "", tasks)?;
        Ok(Verdict::Taken)
    }

    /// What it says: by a standard, else by a mapping of the folder `order-system`.
    pub(super) fn understood(&self, answer: &Answer) -> Result<Vec<Message>, String> {
        if let Some(why) = &answer.unread {
            return Err(why.clone());
        }
        self.understood_bytes(&answer.name, &answer.body)
    }

    pub(super) fn understood_bytes(&self, name: &str, bytes: &[u8]) -> Result<Vec<Message>, String> {
        let live = self.live();
        let reader = |input: &Input<'_>| (self.inner.reader)(input);
        let file = if name.contains('.') { name.to_string() } else { format!("{name}.xml") };
        let text = standard::decode(bytes, "application/xml");
        if standard::recognise(&text).is_none() {
            let material = Material::of_file(&file, bytes, &reader);
            let reading = mapping::mails::read_material(&material, &live.library, Some(&PartnerId::new(MAPPINGS)));
            if let Some(fault) = reading.all_faults().next() {
                return Err(format!("it cannot be read: {}", fault.message));
            }
            let messages = reading.messages.into_iter().map(|read| read.message).collect();
            return sound(messages);
        }
        let reading = standard::read(&text, "answer").ok_or("it cannot be read")?;
        if let Some(fault) = reading.faults.iter().find(|fault| fault.is_error()) {
            return Err(format!("it cannot be read: {}", fault.message));
        }
        if let Some(what) = reading.not_ours {
            return Err(format!("it is no answer to an order: {what}"));
        }
        sound(reading.messages)
    }

    /// The sale that an answer belongs to, and the version where the envelope names one: by our key, else by the order
    /// number in it.
    fn sale_of(&self, answer: &Answer, message: &Message) -> Result<Option<(Sale, Option<u32>)>, StoreError> {
        if let Some(key) = &answer.key
            && let Some(id) = key.split('-').next().and_then(|id| id.parse::<SaleId>().ok())
            && let Some(sale) = self.store().sale(id)?
            && let Some(handing) = sale.hand_overs.iter().find(|handing| handing.key == *key)
        {
            let version = handing.version;
            return Ok(Some((sale, Some(version))));
        }
        match message.text(Field::OrderNumber) {
            Some(number) => Ok(self.store().sale_by_order(&OrderNumber::new(number.trim()))?.map(|sale| (sale, None))),
            None => Ok(None),
        }
    }

    pub(super) fn system_answer(&self, answer: &Answer, message: Message, version: Option<u32>) -> SystemAnswer {
        let said = message.text(Field::SupplierOrderNumber).or_else(|| message.text(Field::ResponseNumber));
        SystemAnswer {
            digest: Digest::of(&answer.body),
            at: self.now(),
            version,
            reference: answer.reference.clone().or_else(|| said.map(str::to_string)),
            message,
            by: short(&answer.name),
            ignored: None,
        }
    }

    /// What nobody can make anything of: kept, with an alarm.
    pub(super) fn keep_unknown(&self, answer: &Answer, why: &str) -> Result<Verdict, StoreError> {
        tracing::warn!(answer = %answer.name, "an answer of the order system is not understood: {why}");
        if self.keep_answer(answer, "order-answer-unknown", why, Vec::new())? {
            let mut commit = crate::store::Commit::default();
            let subject = format!("answer {}", short(&answer.name));
            self.raise_alarm(&mut commit, AlarmKind::OrderAnswerUnknown, &subject, why, None, None, self.now());
            self.commit_extra(commit)?;
        }
        Ok(Verdict::Refused { reason: why.to_string() })
    }

    /// Files the answer among the mails, so that it is seen, found and kept like any; `false` = it was there before.
    fn keep_answer(&self, answer: &Answer, drawer: &str, why: &str, sales: Vec<SaleTask>) -> Result<bool, StoreError> {
        let content = Content::of(as_mail(answer));
        if self.store().mail_by_digest(&content.digest())?.is_some() {
            return Ok(false);
        }
        let record = MailRecord {
            id: self.inner.numbers.mail()?,
            digest: content.digest(),
            message_id: None,
            mailbox: MAILBOX.to_string(),
            from: MAILBOX.to_string(),
            subject: short(&answer.name),
            date: None,
            received_at: self.now(),
            size: content.bytes().len() as u64,
            drawer: drawer.to_string(),
            reason: why.to_string(),
            review: false,
            partner: None,
            order: None,
            responses: Vec::new(),
            mapping: None,
            linked: Vec::new(),
        };
        let fresh = Fresh::of(&Mail::parse(content.bytes()), content.shared());
        let task = Task { sales, mail: Some((MailTaken { record, raw: Some(content) }, fresh)), ..Task::default() };
        for decided in self.settle(vec![task]) {
            match decided {
                Ok(_) => {}
                Err(StoreError::Known(_)) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Orders and order responses; anything else is no answer.
fn sound(messages: Vec<Message>) -> Result<Vec<Message>, String> {
    let known = |message: &Message| matches!(message.kind, MessageKind::Response | MessageKind::Order);
    if messages.is_empty() || !messages.iter().all(known) {
        return Err("it is neither an order nor an answer to one".into());
    }
    Ok(messages)
}

fn short(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(NAME_CHARS_MAX).collect()
}

/// The answer as a mail with one attachment; the same answer gives the same bytes.
fn as_mail(answer: &Answer) -> Vec<u8> {
    use base64::Engine as _;
    let plain = |text: &str| short(text).replace(['"', '\\'], "_");
    let mut mail = format!("From: order-system <order-system@localhost>\r\nSubject: {}\r\n", plain(&answer.name));
    for (name, value) in [("X-Postern-Key", &answer.key), ("X-Postern-Reference", &answer.reference)] {
        if let Some(value) = value {
            mail.push_str(&format!("{name}: {}\r\n", plain(value)));
        }
    }
    let media_type = if answer.content_type.is_empty() { "application/xml" } else { &answer.content_type };
    mail.push_str(&format!(
        "MIME-Version: 1.0\r\nContent-Type: {}; name=\"{}\"\r\nContent-Disposition: attachment; filename=\"{}\"\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        plain(media_type.split(';').next().unwrap_or("application/xml")),
        plain(&answer.name),
        plain(&answer.name)
    ));
    let body = base64::engine::general_purpose::STANDARD.encode(&answer.body);
    for line in body.as_bytes().chunks(76) {
        mail.push_str(&String::from_utf8_lossy(line));
        mail.push_str("\r\n");
    }
    mail.into_bytes()
}
