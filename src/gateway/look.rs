//! Looking at one mail: what is it, who really sent it, what does it say, and which dossier does it
//! concern? Nothing is decided here and nothing is written; the answer is a task and a drawer.
//!
//! The order of the questions matters. A robot never decides and never gets an answer, so robots are
//! sorted out first; a token names a question of ours, so it is asked before partners are; a mail in an
//! unknown layout is never forced through the nearest mapping.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::decide::Task;
use super::envelope::Fresh;
use super::origin::DEFERRED;
use super::question::Question;
use super::{Gateway, Live};
use crate::mail::Mail;
use crate::mail::own_check::OwnCheck;
use crate::mail::sort::{self, Nature};
use crate::mail::trust::{self, Trust};
use crate::mapping::MailReading;
use crate::model::policy::Trust as TrustPolicy;
use crate::model::{
    Fault, FaultCode, Field, HeadState, MailId, Message, MessageKind, OrderNumber, PartnerId, Place, ResponseId,
};
use crate::process::{Input, Received};
use crate::store::{Commit, Content, Linked, MailRecord, MailTaken, StoreError};
use crate::wire::Drawer;

/// Texts of headers kept in the record are cut here.
const HEADER_CHARS_MAX: usize = 500;

/// The note on the latest mail that came with results in our server's name which our server did not write.
pub(super) const UNSTRIPPED: &str = "unstripped-results";

/// What a look comes to.
pub(super) enum Seen {
    /// Taken before: only to be filed.
    Known {
        review: bool,
    },
    New {
        task: Box<Task>,
        drawer: Drawer,
    },
}

/// Where a mail ends and why; with what it sets in motion.
pub(super) struct Finding {
    pub drawer: &'static str,
    pub reason: String,
    pub inputs: Vec<(OrderNumber, Input)>,
    pub sales: Vec<super::sales::SaleTask>,
    pub extra: Commit,
    pub order: Option<OrderNumber>,
    pub mapping: Option<String>,
    /// Pages that its links led to.
    pub linked: Vec<Linked>,
    pub digest: Option<super::digest::DigestReply>,
    /// A person should see it.
    pub review: bool,
    /// It names an order by a partner's number that no order carries, or speaks of a customer's order that is not here: a
    /// mail before it may bring that.
    pub early: bool,
}

impl Finding {
    pub fn new(drawer: &'static str, reason: impl Into<String>) -> Finding {
        Finding {
            drawer,
            reason: reason.into(),
            inputs: Vec::new(),
            sales: Vec::new(),
            extra: Commit::default(),
            order: None,
            mapping: None,
            linked: Vec::new(),
            digest: None,
            review: false,
            early: false,
        }
    }

    pub fn review(mut self) -> Finding {
        self.review = true;
        self
    }
}

/// A mail that is looked at: what it says, its bytes, and what our own check of its origin found, made at most once and
/// only when a policy asks for it.
pub(super) struct Sighted {
    mail: Mail,
    raw: Arc<Vec<u8>>,
    received_at: Timestamp,
    own: OnceLock<OwnCheck>,
}

impl Sighted {
    pub fn new(raw: &Arc<Vec<u8>>, received_at: Timestamp) -> Sighted {
        Sighted { mail: Mail::parse(raw), raw: Arc::clone(raw), received_at, own: OnceLock::new() }
    }
}

impl std::ops::Deref for Sighted {
    type Target = Mail;

    fn deref(&self) -> &Mail {
        &self.mail
    }
}

impl Gateway {
    /// Looks at a mail that is not known yet. `unread` says why its bytes are not all here.
    pub(super) fn look(
        &self,
        content: Content,
        size: u64,
        mailbox: &str,
        unread: Option<String>,
    ) -> Result<Seen, StoreError> {
        let id = self.inner.numbers.mail()?;
        let live = self.live();
        let mail = Sighted::new(&content.shared(), self.now());
        let partner =
            mail.author().and_then(|author| live.loaded.policies.partner_of_address(&author.address)).cloned();
        let finding = match unread {
            Some(why) => Finding::new("unreadable", why).review(),
            None => self.sort(id, &mail, partner.as_ref(), &live)?,
        };
        let mut finding = finding;
        self.note_unstripped(&mut finding, id, &mail, &live);
        let record = MailRecord {
            id,
            digest: content.digest(),
            message_id: mail.message_id.clone(),
            mailbox: mailbox.to_string(),
            from: short(mail.from_address().unwrap_or("")),
            subject: short(&mail.subject),
            date: mail.date,
            received_at: self.now(),
            size,
            drawer: finding.drawer.to_string(),
            reason: finding.reason,
            review: finding.review,
            partner,
            order: finding.order.or_else(|| finding.inputs.first().map(|(number, _)| number.clone())),
            responses: Vec::new(),
            mapping: finding.mapping,
            linked: finding.linked,
        };
        let fresh = Fresh::of(&mail, content.shared());
        let (drawer, arrived) = (super::take_in::drawer_of(finding.review), mail.arrived());
        let mail = Some((MailTaken { record, raw: Some(content) }, fresh));
        let (inputs, sales, extra, digest) = (finding.inputs, finding.sales, finding.extra, finding.digest);
        let task = Task { inputs, sales, mail, arrived, early: finding.early, extra, digest, ..Task::default() };
        Ok(Seen::New { task: Box::new(task), drawer })
    }

    /// Results fields in our server's name beyond those it writes came from outside, and it let them pass. They count for
    /// nothing where ours stands above them; a mail that ours did not check would be believed.
    fn note_unstripped(&self, finding: &mut Finding, id: MailId, mail: &Sighted, live: &Live) {
        let settings = live.trust(trust::Policy::Require);
        let fields = trust::fields_of_ours(mail, &settings);
        if fields > settings.header_count.max(1) {
            let from = mail.from_address().unwrap_or("nobody");
            tracing::warn!(mail = %id, from, fields, "Authentication-Results in our server's name came from outside");
            let note = serde_json::json!({"mail": id, "from": from, "fields": fields, "at": self.now()});
            finding.extra.notes.push((UNSTRIPPED.to_string(), note.to_string()));
        }
    }

    fn sort(
        &self,
        id: MailId,
        mail: &Sighted,
        partner: Option<&PartnerId>,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        if let Some(of) = self.duplicate_of(mail)? {
            return Ok(Finding::new("duplicate", format!("the same mail as {of}")));
        }
        match sort::sort(mail) {
            Nature::Ordinary => {}
            // By a program on its own, as an ERP writes: it may be a response, it never decides.
            Nature::Generated { .. } if partner.is_some() || self.may_be_generated(mail, live) => {}
            Nature::Bounce(dsn) => return self.bounce(&dsn, live),
            Nature::AutoReply(auto) => return self.auto_reply(mail, &auto, live),
            Nature::Receipt(mdn) => return Ok(Finding::new("auto-reply", format!("a receipt: {}", mdn.disposition))),
            Nature::Generated { mark } => return Ok(Finding::new("auto-reply", format!("by a program: {mark}"))),
            Nature::MailingList { list } => {
                return Ok(Finding::new("auto-reply", format!("traffic of the mailing list {list}")));
            }
        }
        self.of_somebody(id, mail, partner, live)
    }

    /// A mail that no robot wrote: an answer to a question of ours, a partner's, or another's.
    pub(super) fn of_somebody(
        &self,
        id: MailId,
        mail: &Sighted,
        partner: Option<&PartnerId>,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        match (self.question(mail, live)?, partner) {
            (Some(question), _) => self.answer(id, mail, question, partner, live),
            (None, Some(partner)) => self.partner_mail(id, mail, partner, None, live),
            (None, None) => self.other_mail(id, mail, live),
        }
    }

    /// A mail of nobody's partner: a customer's order, the order system's answer, or a stranger's.
    fn other_mail(&self, id: MailId, mail: &Sighted, live: &Live) -> Result<Finding, StoreError> {
        let author = mail.author().map(|author| author.address.clone()).unwrap_or_default();
        if let Some(customer) = live.loaded.policies.customer_of_address(&author) {
            return self.customer_mail(id, mail, customer, None, live);
        }
        if self.is_order_system(&author, live) {
            return self.order_system_mail(id, mail, None, live);
        }
        let reason = match (mail.from.as_slice(), author.as_str()) {
            ([], _) => "it says nobody it is from".to_string(),
            ([_, _, ..], _) => "it says it is from several people, so nobody can be believed".to_string(),
            (_, who) => format!("{who} is no address of a partner or customer"),
        };
        Ok(Finding::new("stranger", reason).review())
    }

    /// Programs of customers and the order system write mails, too; they order and answer, they never decide.
    fn may_be_generated(&self, mail: &Mail, live: &Live) -> bool {
        let author = mail.author().map(|author| author.address.clone()).unwrap_or_default();
        live.loaded.policies.customer_of_address(&author).is_some() || self.is_order_system(&author, live)
    }

    /// The same Message-ID, sender and content in other bytes (another mailbox, a relay that added headers). A copy that
    /// was refused or waits is no reason to leave this one: whoever forges a mail first would silence its author.
    pub(super) fn duplicate_of(&self, mail: &Mail) -> Result<Option<MailId>, StoreError> {
        let Some(message_id) = &mail.message_id else { return Ok(None) };
        for record in self.store().mail_by_message_id(message_id)? {
            if ["stranger", DEFERRED, "duplicate"].contains(&record.drawer.as_str()) {
                continue;
            }
            let Some(raw) = self.store().blob(&record.digest)? else { continue };
            let other = Mail::parse(&raw);
            let files = |mail: &Mail| mail.attachments.iter().map(|a| a.sha256.clone()).collect::<Vec<_>>();
            if other.from == mail.from
                && other.text == mail.text
                && other.html == mail.html
                && files(&other) == files(mail)
            {
                return Ok(Some(record.id));
            }
        }
        Ok(None)
    }

    /// A mail of a partner: structured document, fill-in block or mapping; each message goes to its dossier.
    pub(super) fn partner_mail(
        &self,
        id: MailId,
        mail: &Sighted,
        partner: &PartnerId,
        question: Option<&Question>,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        let asked = question.filter(|q| q.transmission.order.is_some());
        let asked_order = asked.and_then(|q| q.transmission.order.clone());
        // An answer is one only from the partner that was asked; another's thread is no reference.
        let own_question = match (&asked_order, asked.and_then(|q| q.transmission.response)) {
            (Some(order), Some(response)) => {
                let dossier = self.store().dossier(order)?;
                dossier.and_then(|d| d.responses.get(&response).map(|r| r.partner == *partner)).unwrap_or(false)
            }
            _ => asked.is_some_and(|q| q.transmission.recipient == crate::model::Recipient::Partner(partner.clone())),
        };
        let (asked_order, answers) =
            if own_question { (asked_order, asked.and_then(|q| q.transmission.response)) } else { (None, None) };
        let channel = match &asked_order {
            Some(order) => self.channel_of(order)?,
            None => "".into(),
        };
        let settings = live.loaded.policies.settings(&channel, partner);
        if let Err(refused) = self.trusted(mail, settings.response_trust, live) {
            return Ok(*refused);
        }
        if let (Some(order), Some(response), Some(question)) = (&asked_order, answers, question)
            && let Some((message, faults)) = self.filled_in(mail, order, response, question)?
        {
            let mut finding = Finding::new("response", "the fill-in block was filled in");
            finding.mapping = Some("fill-in".into());
            // A corrected order number sends it to that order's dossier.
            let number = message.text(Field::OrderNumber).map_or_else(|| order.clone(), OrderNumber::new);
            let answers = Some(response).filter(|_| number == *order);
            finding.inputs.push((number, self.received(id, partner, message, answers, faults)));
            return Ok(finding);
        }
        let record = self.store().mail(id)?;
        let read = self.read_linked(mail, Some(partner), record.as_ref(), true, live)?;
        if let Some(why) = read.waits {
            return Ok(Finding::new(super::link::DRAWER, why));
        }
        if let Some(question) = question
            && let Some(finding) = self.words_to_a_question(mail, partner, question, &read.reading)?
        {
            return Ok(finding);
        }
        let mut finding = self.sort_reading(id, mail, partner, read.reading, asked_order, answers)?;
        finding.linked = record.map(|record| record.linked).unwrap_or_default();
        for (linked, bytes) in read.fetched {
            finding.linked.push(linked);
            finding.extra.blobs.push(bytes.into());
        }
        Ok(finding)
    }

    fn sort_reading(
        &self,
        id: MailId,
        mail: &Mail,
        partner: &PartnerId,
        reading: MailReading,
        asked_order: Option<OrderNumber>,
        answers: Option<ResponseId>,
    ) -> Result<Finding, StoreError> {
        let mut finding = Finding::new("response", String::new());
        finding.mapping = reading.mapping.clone();
        self.report_shadows(&reading, &mut finding.extra)?;
        let mut orphans = Vec::new();
        let mut acknowledged = 0;
        let count = reading.messages.len();
        for read in reading.messages {
            let message = read.message;
            match message.kind {
                MessageKind::Response => {}
                MessageKind::RecallAnswer | MessageKind::Order => {
                    orphans.push(format!("a message of kind {:?} from a partner", message.kind).to_lowercase());
                    continue;
                }
            }
            if message.state() == Some(HeadState::Received) {
                acknowledged += 1;
                finding.order = finding.order.or_else(|| message.text(Field::OrderNumber).map(OrderNumber::new));
                continue;
            }
            let faults = read.faults;
            let number = match message.text(Field::OrderNumber) {
                Some(number) => Some(OrderNumber::new(number)),
                None => match &asked_order {
                    Some(order) => Some(order.clone()),
                    None => match message.text(Field::SupplierOrderNumber) {
                        Some(number) => self.store().order_by_supplier_number(partner, number)?,
                        None => None,
                    },
                },
            };
            match number {
                // Only a message for the order that was asked about answers the question.
                Some(number) => {
                    let answers = answers.filter(|_| asked_order.as_ref() == Some(&number));
                    finding.inputs.push((number, self.received(id, partner, message, answers, faults)));
                }
                None => {
                    finding.early |= message.text(Field::SupplierOrderNumber).is_some();
                    let why = faults.first().map_or_else(|| "it names no order".to_string(), |d| d.message.clone());
                    orphans.push(why);
                }
            }
        }
        if count == 0 {
            let why = reading
                .faults
                .first()
                .map_or_else(|| "no mapping knows this layout".to_string(), |d| d.message.clone());
            // With a known order it becomes a response with the fault; without, a person looks.
            match asked_order {
                Some(order) if answers.is_some() && has_content(mail) => {
                    let message = Message::new(MessageKind::Response);
                    let unreadable = Fault {
                        code: FaultCode::Unreadable,
                        message: why.clone(),
                        position: None,
                        line: None,
                        field: None,
                        read: None,
                        needed: Some("an answer in the usual form, or the filled-in block".into()),
                        place: Some(Place::whole("text")),
                    };
                    finding.reason = why;
                    finding.inputs.push((order, self.received(id, partner, message, answers, vec![unreadable])));
                }
                _ => return Ok(Finding { mapping: finding.mapping, ..Finding::new("unreadable", why).review() }),
            }
        }
        if finding.inputs.is_empty() {
            let (drawer, reason) = if acknowledged > 0 {
                ("acknowledgement", "received, not processed yet: another response will follow".to_string())
            } else {
                ("unreadable", orphans.join("; "))
            };
            let review = acknowledged == 0;
            return Ok(Finding { drawer, reason, review, ..finding });
        }
        if !orphans.is_empty() {
            finding.reason = format!("partly read: {}", orphans.join("; "));
            finding.review = true;
        }
        Ok(finding)
    }

    /// What a kept mail says now, by a standard or by its mapping, with the pages of then.
    pub(super) fn read(
        &self,
        mail: &Mail,
        record: &MailRecord,
        partner: &PartnerId,
        live: &Live,
    ) -> Result<MailReading, StoreError> {
        Ok(self.read_linked(mail, Some(partner), Some(record), false, live)?.reading)
    }

    fn received(
        &self,
        id: MailId,
        partner: &PartnerId,
        message: Message,
        answers: Option<ResponseId>,
        faults: Vec<Fault>,
    ) -> Input {
        Input::ResponseReceived(Box::new(Received {
            partner: partner.clone(),
            message: message.into(),
            mail: Some(id),
            arrived_at: self.now(),
            answers,
            faults,
            held: None,
        }))
    }

    /// What the fill-in block of our REQUEST_NEW_RESPONSE came back with.
    fn filled_in(
        &self,
        mail: &Mail,
        order: &OrderNumber,
        response: ResponseId,
        question: &Question,
    ) -> Result<Option<(Message, Vec<Fault>)>, StoreError> {
        let Some(dossier) = self.store().dossier(order)? else { return Ok(None) };
        let Some(asked) = dossier.responses.get(&response) else { return Ok(None) };
        let sent = self.store().blob(&question.transmission.content)?.map(|raw| Mail::parse(&raw));
        Ok(super::filled::read(mail, asked, sent.as_ref()))
    }

    /// Whether a mail may count as coming from whom it says, by the policy; if not, where it ends instead. What our own
    /// check could not find out because DNS did not answer is neither believed nor refused yet.
    pub(super) fn trusted(&self, mail: &Sighted, policy: TrustPolicy, live: &Live) -> Result<(), Box<Finding>> {
        let policy = match policy {
            TrustPolicy::Require => trust::Policy::Require,
            TrustPolicy::Prefer => trust::Policy::Prefer,
            TrustPolicy::Off => trust::Policy::Off,
        };
        let settings = live.trust(policy);
        let mut verdict = trust::verdict(mail, &settings, None);
        let mut unchecked = false;
        if policy != trust::Policy::Off
            && matches!(verdict, Trust::Unknown { .. })
            && let Some(origin) = &live.origin
        {
            let own = mail.own.get_or_init(|| origin.check(&mail.raw));
            verdict = trust::verdict(mail, &settings, Some(own));
            unchecked = own.temporary && matches!(verdict, Trust::Unknown { .. });
        }
        if !unchecked && verdict.suffices(policy) {
            return Ok(());
        }
        let reason = match verdict {
            Trust::Authentic { by } => format!("authentic by {by}"),
            Trust::NotAuthentic { reason } => format!("not authentic: {reason}"),
            Trust::Unknown { reason } => format!("the origin is not proved: {reason}"),
        };
        let finding = if unchecked && self.now() < self.give_up_at(mail.received_at) {
            Finding::new(DEFERRED, format!("{reason}; it is looked at again"))
        } else {
            Finding::new("stranger", reason)
        };
        Err(Box::new(finding.review()))
    }
}

fn short(text: &str) -> String {
    text.chars().take(HEADER_CHARS_MAX).collect()
}

fn has_content(mail: &Mail) -> bool {
    !mail.readable().trim().is_empty() || !mail.attachments.is_empty()
}
