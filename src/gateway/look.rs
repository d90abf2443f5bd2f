//! Looking at one mail: what is it, who really sent it, what does it say, and which dossier does it
//! concern? Nothing is decided here and nothing is written; the answer is a task and a drawer.
//!
//! The order of the questions matters. A robot never decides and never gets an answer, so robots are
//! sorted out first; a token names a question of ours, so it is asked before partners are; a mail in an
//! unknown layout is never forced through the nearest mapping.

use std::sync::{Arc, OnceLock};

use jiff::Timestamp;

use super::decide::Task;
use super::envelope::{self, Fresh};
use super::letter;
use super::origin::DEFERRED;
use super::{Gateway, Live};
use crate::mail::Mail;
use crate::mail::decision::{self, Argument, Lines as ReadLines, Scope as ReadScope, Verb as ReadVerb};
use crate::mail::own_check::OwnCheck;
use crate::mail::sort::{self, AutoReply, Dsn, Nature};
use crate::mail::token::{self, Secret};
use crate::mail::trust::{self, Trust};
use crate::mapping::MailReading;
use crate::model::policy::Trust as TrustPolicy;
use crate::model::{
    Attempt, Digest, Fault, FaultCode, Field, HeadState, MailId, Message, MessageKind, OrderNumber, PartnerId, Pause,
    Place, Response, ResponseId, Said, Transmission, TransmissionKind, TransmissionStatus,
};
use crate::process::{Command, Decision, DecisionKind, Input, RecallAnswer, Received, Reread, Scope, Verb};
use crate::store::{Commit, Content, Linked, MailRecord, MailTaken, StoreError, TokenRecord};
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
    review: bool,
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
    fn new(raw: &Arc<Vec<u8>>, received_at: Timestamp) -> Sighted {
        Sighted { mail: Mail::parse(raw), raw: Arc::clone(raw), received_at, own: OnceLock::new() }
    }
}

impl std::ops::Deref for Sighted {
    type Target = Mail;

    fn deref(&self) -> &Mail {
        &self.mail
    }
}

/// A question of ours that a mail answers.
pub(super) struct Question {
    pub transmission: Transmission,
    /// Set when it was found by a token, not only by the thread.
    pub token: Option<TokenRecord>,
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
        let drawer = super::take_in::drawer_of(finding.review);
        let mail = Some((MailTaken { record, raw: Some(content) }, fresh));
        let (inputs, sales, extra, digest) = (finding.inputs, finding.sales, finding.extra, finding.digest);
        let task = Task { inputs, sales, mail, extra, digest, ..Task::default() };
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
        if let Some(question) = self.question(mail, live)? {
            return self.answer(id, mail, question, partner, live);
        }
        match partner {
            Some(partner) => self.partner_mail(id, mail, partner, None, live),
            None => self.other_mail(id, mail, live),
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
        let who = mail.from_address().unwrap_or("nobody");
        Ok(Finding::new("stranger", format!("{who} is no address of a partner or customer")).review())
    }

    /// Programs of customers and the order system write mails, too; they order and answer, they never decide.
    fn may_be_generated(&self, mail: &Mail, live: &Live) -> bool {
        let author = mail.author().map(|author| author.address.clone()).unwrap_or_default();
        live.loaded.policies.customer_of_address(&author).is_some() || self.is_order_system(&author, live)
    }

    /// The same Message-ID, sender and content in other bytes (another mailbox, a relay that added headers). A copy that
    /// was refused or waits is no reason to leave this one: whoever forges a mail first would silence its author.
    fn duplicate_of(&self, mail: &Mail) -> Result<Option<MailId>, StoreError> {
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

    /// The transmission of ours that a mail answers: by token, else by thread.
    pub(super) fn question(&self, mail: &Mail, live: &Live) -> Result<Option<Question>, StoreError> {
        let Ok(secret) = Secret::new(self.inner.secret.clone()) else { return Ok(None) };
        for (token, _) in token::find(mail, &envelope::tagging(live)) {
            let Ok(hash) = secret.fingerprint(&token).parse::<Digest>() else { continue };
            if let Some(record) = self.store().token(&hash)?
                && let Some(transmission) = self.store().transmission(record.transmission)?
            {
                return Ok(Some(Question { transmission, token: Some(record) }));
            }
        }
        for id in mail.in_reply_to.iter().chain(mail.references.iter().rev()) {
            if envelope::transmission_of(id, live).is_some()
                && let Some(transmission) = self.store().transmission_by_message_id(id)?
            {
                return Ok(Some(Question { transmission, token: None }));
            }
        }
        Ok(None)
    }

    fn answer(
        &self,
        id: MailId,
        mail: &Sighted,
        question: Question,
        partner: Option<&PartnerId>,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        if let Some(sale) = self.sale_of_question(&question)? {
            return self.sale_answer(id, mail, &question, &sale, live);
        }
        let author = mail.author().map(|author| author.address.clone()).unwrap_or_default();
        let purpose = self.purpose(&question)?;
        match (purpose, &question.token) {
            (Some("digest"), Some(record)) => self.digest_answer(mail, &author, record, live),
            // A decision takes the token; a reply that lost it is told so by nobody: it decides nothing.
            (Some("decision"), Some(record)) => self.decision(mail, &author, record.clone(), live),
            (Some("decision"), None) => {
                Ok(Finding::new("stranger", "an answer to a question of ours, without its token").review())
            }
            (Some("recall"), _) => match partner {
                Some(partner) => self.recall_answer(id, mail, partner, &question, live),
                None => Ok(Finding::new("stranger", format!("{author} is no address of a partner")).review()),
            },
            (_, _) => match partner {
                Some(partner) => self.partner_mail(id, mail, partner, Some(&question), live),
                None => Ok(Finding::new("stranger", format!("{author} is no address of a partner")).review()),
            },
        }
    }

    /// What kind of answer a transmission expects; a reminder expects what it reminds of.
    fn purpose(&self, question: &Question) -> Result<Option<&'static str>, StoreError> {
        if let Some(purpose) = letter::purpose(question.transmission.kind) {
            return Ok(Some(purpose));
        }
        let Some(record) = &question.token else { return Ok(None) };
        // Reminders and receipts carry tokens of their own; what they are good for shows in what they are bound to.
        if record.version > 0 {
            return Ok(Some("decision"));
        }
        if record.order.is_none() && record.sale.is_none() {
            return Ok(Some("digest"));
        }
        let recalls = match &record.order {
            Some(order) => self.store().dossier(order)?.map(|dossier| dossier.recalls).unwrap_or_default(),
            None => Vec::new(),
        };
        let recall = recalls
            .iter()
            .any(|recall| Some(recall.response) == record.response && recall.state == crate::model::RecallState::Open);
        Ok(Some(if recall { "recall" } else { "correction" }))
    }

    /// A decision counts only when all hold: the token is good and unused, it was sent to this very
    /// address, the origin is authentic, and the question still stands (the process sees to the last).
    fn decision(&self, mail: &Sighted, author: &str, record: TokenRecord, live: &Live) -> Result<Finding, StoreError> {
        let now = self.now();
        let refuse = |reason: String| Ok(Finding::new("stranger", reason).review());
        if !record.recipient.eq_ignore_ascii_case(author) {
            return refuse(format!("the token was sent to {}, not to {author}", record.recipient));
        }
        let (Some(order), Some(response)) = (record.order.clone(), record.response) else {
            return refuse("the token is bound to no response".into());
        };
        let Some(dossier) = self.store().dossier(&order)? else { return refuse(format!("order {order} is gone")) };
        let (channel, partner) = pair(&dossier, response);
        let settings = live.loaded.policies.settings(&channel, &partner);
        if let Err(refused) = self.trusted(mail, settings.decision_trust, live) {
            return Ok(*refused);
        }
        let reading = decision::decide_mail(mail, &settings.channel_language);
        let (input, used) = decision_of(&reading, record, response, author, now);
        let mut finding =
            Finding::new("decision", format!("{:?} of {author} on {response}", input.kind).to_lowercase());
        finding.extra.tokens.extend(used);
        finding.inputs.push((order, Input::Decision(input)));
        Ok(finding)
    }

    fn recall_answer(
        &self,
        id: MailId,
        mail: &Sighted,
        partner: &PartnerId,
        question: &Question,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        let Some(order) = question.transmission.order.clone() else {
            return Ok(Finding::new("unreadable", "the recall belongs to no order").review());
        };
        let settings = live.loaded.policies.settings(&self.channel_of(&order)?, partner);
        if let Err(refused) = self.trusted(mail, settings.response_trust, live) {
            return Ok(*refused);
        }
        let reading = decision::decide_mail(mail, &settings.language);
        let answers: Vec<RecallAnswer> = reading
            .commands
            .iter()
            .filter_map(|command| match command.verb {
                ReadVerb::Recalled => Some(RecallAnswer::Recalled),
                ReadVerb::TooLate => Some(RecallAnswer::TooLate),
                _ => None,
            })
            .collect();
        let first = answers.first().copied();
        match first
            .filter(|first| answers.iter().all(|answer| answer == first) && reading.kind == decision::Kind::Decision)
        {
            Some(_) if question.transmission.recipient != crate::model::Recipient::Partner(partner.clone()) => {
                Ok(Finding::new("stranger", format!("{partner} answers a recall that was sent to somebody else"))
                    .review())
            }
            Some(answer) => {
                let recall = self.recall_of(&order, question)?;
                let by = mail.author().map(|a| a.address.clone()).unwrap_or_default();
                let mut finding = Finding::new("recall-answer", format!("{answer:?} by {partner}"));
                finding.inputs.push((order, Input::RecallAnswer { recall, partner: partner.clone(), answer, by }));
                Ok(finding)
            }
            // Perhaps a CAN response to the recalled lines: that is the recall's answer too.
            None => self.partner_mail(id, mail, partner, Some(question), live),
        }
    }

    /// The recall that a question (or its reminder) is about.
    fn recall_of(
        &self,
        order: &OrderNumber,
        question: &Question,
    ) -> Result<Option<crate::model::TransmissionId>, StoreError> {
        if question.transmission.kind == TransmissionKind::SendOrderRecall {
            return Ok(Some(question.transmission.id));
        }
        let recalls = self.store().dossier(order)?.map(|dossier| dossier.recalls).unwrap_or_default();
        Ok(recalls
            .iter()
            .find(|recall| Some(recall.response) == question.transmission.response)
            .map(|recall| recall.transmission))
    }

    /// A mail of a partner: structured document, fill-in block or mapping; each message goes to its dossier.
    fn partner_mail(
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
            message,
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

    fn bounce(&self, dsn: &Dsn, live: &Live) -> Result<Finding, StoreError> {
        let found = match dsn.original_message_id.as_deref() {
            Some(id) if envelope::transmission_of(id, live).is_some() => self.store().transmission_by_message_id(id)?,
            _ => None,
        };
        let words = dsn_words(dsn);
        let Some(mut transmission) = found else {
            return Ok(Finding::new("bounce", format!("{words}; of no mail of ours")));
        };
        let now = self.now();
        let failed = dsn.recipients.is_empty() || dsn.recipients.iter().any(|r| r.action == sort::Action::Failed);
        let mut finding = Finding::new("bounce", format!("{}: {words}", transmission.id));
        finding.order = transmission.order.clone();
        transmission.attempts.push(Attempt { at: now, answer: format!("delivery status: {words}"), ok: !failed });
        if failed {
            if matches!(transmission.status, TransmissionStatus::Transmissioned | TransmissionStatus::Pushed) {
                transmission.status = TransmissionStatus::DoManualCheck;
                transmission.error = Some(words.clone());
                self.stuck(&mut finding.extra, &transmission, now);
            }
            if let Some(order) = transmission.order.clone() {
                let question = Question { transmission: transmission.clone(), token: None };
                if let Some(sale) = self.sale_of_question(&question)? {
                    finding.sales.push(super::sales::SaleTask {
                        key: super::sales::SaleKey::Id(sale.id),
                        input: crate::process::sale::SaleInput::Bounced {
                            transmission: transmission.id,
                            reason: words.clone(),
                        },
                    });
                } else {
                    finding.inputs.push((order, Input::Bounced { transmission: transmission.id, reason: words }));
                }
            }
        }
        finding.extra.transmissions.push(transmission);
        Ok(finding)
    }

    /// A robot's answer decides nothing and gets none. An approver who is away: the delegate whom the notice names is
    /// asked, when the notice is proved to be the approver's and the delegate is of the house; else the next in order.
    fn auto_reply(&self, mail: &Sighted, auto: &AutoReply, live: &Live) -> Result<Finding, StoreError> {
        let mut finding =
            Finding::new("auto-reply", if auto.out_of_office { "out of office" } else { "an automatic answer" });
        if auto.out_of_office
            && let Some(question) = self.question(mail, live)?
            && let Some(order) = question.transmission.order.clone()
            && let Some(author) = mail.author()
            && question.transmission.to.iter().any(|to| to.eq_ignore_ascii_case(&author.address))
        {
            finding.order = Some(order.clone());
            let Some(dossier) = self.store().dossier(&order)? else { return Ok(finding) };
            let (channel, partner) = pair(&dossier, question.transmission.response.unwrap_or_default());
            let settings = live.loaded.policies.settings(&channel, &partner);
            if let Err(refused) = self.trusted(mail, settings.decision_trust, live) {
                finding.reason = format!("out of office, but {}; nobody else is asked", refused.reason);
                return Ok(finding);
            }
            let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
            let of_the_house =
                |address: &String| settings.approvers.iter().flatten().any(|known| domain(known) == domain(address));
            let delegate = auto.delegate.clone().filter(of_the_house);
            finding.inputs.push((
                order,
                Input::Absent { transmission: question.transmission.id, by: author.address.clone(), delegate },
            ));
        }
        Ok(finding)
    }

    fn channel_of(&self, order: &OrderNumber) -> Result<crate::model::ChannelId, StoreError> {
        Ok(self
            .store()
            .dossier(order)?
            .and_then(|dossier| dossier.order)
            .map(|order| order.channel)
            .unwrap_or_default())
    }

    /// A response's mail by the mappings as they are now; `None` when it does not read as one message for it.
    pub(super) fn read_again(&self, raw: &[u8], record: &MailRecord, response: &Response) -> Option<Reread> {
        let live = self.live();
        let mail = Mail::parse(raw);
        let reading = self.read(&mail, record, &response.partner, &live).ok()?;
        let own = |id: &ResponseId| *id == response.id || response.copied_from == Some(*id);
        let index = record.responses.iter().position(own).unwrap_or(0);
        let mut responses: Vec<_> =
            reading.messages.into_iter().filter(|read| read.message.kind == MessageKind::Response).collect();
        if index >= responses.len() {
            return None;
        }
        let read = responses.swap_remove(index);
        Some(Reread { message: read.message, faults: read.faults })
    }

    /// `mail rerun`: a mail that nobody could read is looked at anew, by the mappings as they are now.
    pub(super) fn rerun(&self, id: MailId, by: &str) -> Result<super::desk::Reply, StoreError> {
        use super::desk::Reply;
        let Some(record) = self.store().mail(id)? else { return Ok(Reply::refused(format!("mail {id} is not known"))) };
        if !record.responses.is_empty() {
            return Ok(Reply::refused(format!(
                "mail {id} became {}; use `response recheck`",
                record.responses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            )));
        }
        if record.drawer == "decision" || record.drawer == "recall-answer" {
            return Ok(Reply::refused(format!("mail {id} is a {} that was taken", record.drawer)));
        }
        let Some(raw) = self.store().blob(&record.digest)? else {
            return Ok(Reply::refused(format!("the bytes of mail {id} are not kept any more")));
        };
        let live = self.live();
        let raw = Arc::new(raw);
        let mail = Sighted::new(&raw, record.received_at);
        let partner =
            mail.author().and_then(|author| live.loaded.policies.partner_of_address(&author.address)).cloned();
        let mut finding = match sort::sort(&mail) {
            _ if record.drawer == DEFERRED
                && let Some(of) = self.duplicate_of(&mail)? =>
            {
                Finding::new("duplicate", format!("the same mail as {of}"))
            }
            Nature::Ordinary | Nature::Generated { .. } => match (self.question(&mail, &live)?, &partner) {
                (Some(question), _) => self.answer(id, &mail, question, partner.as_ref(), &live)?,
                (None, Some(partner)) => self.partner_mail(id, &mail, partner, None, &live)?,
                (None, None) => self.other_mail(id, &mail, &live)?,
            },
            _ => Finding::new("auto-reply", "a robot's mail"),
        };
        if finding.drawer == DEFERRED && record.drawer == DEFERRED {
            return Ok(Reply::done(serde_json::json!({"v": 1, "mail": record})));
        }
        finding.extra.audit.push(self.audit(by, "mail rerun", &id.to_string(), &format!("was {}", record.drawer)));
        let fresh = Fresh::of(&mail, raw);
        let record = MailRecord {
            drawer: finding.drawer.to_string(),
            reason: finding.reason.clone(),
            review: finding.review,
            partner,
            order: finding.order.clone().or_else(|| finding.inputs.first().map(|(number, _)| number.clone())),
            mapping: finding.mapping.clone(),
            linked: finding.linked.clone(),
            ..record
        };
        let mail = crate::store::MailTaken { record: record.clone(), raw: None };
        let settled = self.settle(vec![Task {
            inputs: finding.inputs,
            sales: finding.sales,
            mail: Some((mail, fresh)),
            extra: finding.extra,
            digest: finding.digest,
            ..Task::default()
        }]);
        for one in settled {
            one?;
        }
        let record = self.store().mail(id)?.unwrap_or(record);
        Ok(Reply::done(serde_json::json!({"v": 1, "mail": record})))
    }

    /// `mapping replay`: stored mails read by the mappings as they are now, compared with what was read then.
    pub(super) fn replay(
        &self,
        since: Timestamp,
        partner: Option<&PartnerId>,
        before: Option<MailId>,
        limit: usize,
    ) -> Result<super::desk::Reply, StoreError> {
        let filter = crate::store::MailFilter { since: Some(since), before, limit, ..Default::default() };
        let mut looked = 0_usize;
        let mut last = None;
        let mut changes = Vec::new();
        let mut same = 0_usize;
        for record in self.store().mails(&filter)? {
            looked += 1;
            last = Some(record.id);
            if partner.is_some_and(|partner| record.partner.as_ref() != Some(partner)) {
                continue;
            }
            let Some(raw) = self.store().blob(&record.digest)? else { continue };
            for id in &record.responses {
                let Some(response) = self.store().response(*id)? else { continue };
                let now = self.read_again(&raw, &record, &response).map(|reread| reread.message);
                let differences = differences(&response.message, now.as_ref());
                if differences.is_empty() {
                    same += 1;
                } else {
                    changes.push(serde_json::json!({"mail": record.id, "response": id, "subject": record.subject, "changes": differences}));
                }
            }
            if record.responses.is_empty() && record.drawer == "unreadable" {
                let live = self.live();
                let mail = Mail::parse(&raw);
                let Some(partner) = &record.partner else { continue };
                let reading = self.read(&mail, &record, partner, &live)?;
                if !reading.messages.is_empty() {
                    changes.push(serde_json::json!({"mail": record.id, "subject": record.subject, "now_read_by": reading.mapping}));
                }
            }
        }
        // Where to go on, when there may be more.
        let next = last.filter(|_| looked == limit);
        Ok(super::desk::Reply::done(
            serde_json::json!({"v": 1, "mails": looked, "same": same, "changed": changes, "next": next}),
        ))
    }
}

fn short(text: &str) -> String {
    text.chars().take(HEADER_CHARS_MAX).collect()
}

fn has_content(mail: &Mail) -> bool {
    !mail.readable().trim().is_empty() || !mail.attachments.is_empty()
}

pub(super) fn pair(dossier: &crate::model::Dossier, response: ResponseId) -> (crate::model::ChannelId, PartnerId) {
    let channel = dossier.order.as_ref().map(|order| order.channel.clone()).unwrap_or_default();
    let partner = dossier.responses.get(&response).map(|response| response.partner.clone()).unwrap_or_default();
    (channel, partner)
}

fn dsn_words(dsn: &Dsn) -> String {
    let told = dsn.recipients.iter().map(|r| {
        let details =
            [r.status.as_deref(), r.diagnostic.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
        format!("{} {:?} {details}", r.address, r.action).trim().to_string()
    });
    let words = told.collect::<Vec<_>>().join("; ");
    if words.is_empty() { "could not be delivered".to_string() } else { words }
}

/// Whether any of the commands decides (and so uses the token up); ASK, HOLD, STATUS and HELP do not.
fn decides(commands: &[Command]) -> bool {
    commands.iter().any(|command| matches!(command.verb, Verb::Approve | Verb::Decline))
}

/// A reply as the process takes it, and the token when it is used up by it.
pub(super) fn decision_of(
    reading: &decision::Reading,
    token: TokenRecord,
    response: ResponseId,
    author: &str,
    now: Timestamp,
) -> (Decision, Option<TokenRecord>) {
    let expired = token.expires_at.is_some_and(|at| at <= now);
    // A used or expired token is good for no version: the process answers who decided.
    let version = if token.used_at.is_some() || expired { 0 } else { token.version };
    let input = Decision {
        response,
        version,
        by: author.to_string(),
        kind: match reading.kind {
            decision::Kind::Decision => DecisionKind::Decision,
            decision::Kind::Ambiguous => DecisionKind::Ambiguous,
            decision::Kind::Comment | decision::Kind::None | decision::Kind::Automatic => DecisionKind::Comment,
        },
        commands: reading.commands.iter().filter_map(command).collect(),
        lines: reading.lines.iter().map(|line| (line.text.clone(), line.read_as.clone())).collect(),
    };
    let uses = input.kind == DecisionKind::Decision && version > 0 && decides(&input.commands);
    (input, uses.then_some(TokenRecord { used_at: Some(now), ..token }))
}

/// A command as it was read, in the process's words; recall answers and the sales desk's words are no decision here.
fn command(read: &decision::Command) -> Option<Command> {
    let verb = match (read.verb, &read.argument) {
        (ReadVerb::Approve, _) => Verb::Approve,
        (ReadVerb::Decline, _) => Verb::Decline,
        (ReadVerb::Ask, Argument::Text(text)) => Verb::Ask(text.clone()),
        (ReadVerb::Delegate, Argument::Address(address)) => Verb::Delegate(address.clone()),
        (ReadVerb::Hold, Argument::For(time)) => Verb::Hold(Pause::Calendar { seconds: time.as_secs() }),
        (ReadVerb::Status, _) => Verb::Status,
        (ReadVerb::Help, _) => Verb::Help,
        (ReadVerb::Undo, _) => Verb::Undo,
        _ => return None,
    };
    let scope = match &read.scope {
        ReadScope::All => Scope::All,
        ReadScope::Rest => Scope::Rest,
        ReadScope::Lines(lines) => {
            let mut ranges = Vec::new();
            let mut products = Vec::new();
            for line in lines {
                match line {
                    ReadLines::Position(position) => ranges.push((*position, *position)),
                    ReadLines::Range(from, to) => ranges.push((*from, *to)),
                    ReadLines::Sku(sku) => products.push(sku.clone()),
                }
            }
            Scope::Lines { ranges, products }
        }
    };
    Some(Command { verb, scope })
}

/// What a mail's message says now that it did not say then, field by field.
fn differences(then: &Message, now: Option<&Message>) -> Vec<String> {
    let Some(now) = now else { return vec!["it is not read any more".to_string()] };
    let mut found = Vec::new();
    let mut compare = |place: String,
                       then: &std::collections::BTreeMap<Field, Said>,
                       now: &std::collections::BTreeMap<Field, Said>| {
        let fields: std::collections::BTreeSet<&Field> = then.keys().chain(now.keys()).collect();
        for field in fields {
            let words = |said: Option<&Said>| said.map_or_else(|| "nothing".to_string(), |said| said.value.to_string());
            let (old, new) = (words(then.get(field)), words(now.get(field)));
            if old != new {
                found.push(format!("{place}{}: {old} -> {new}", field.name()));
            }
        }
    };
    compare(String::new(), &then.fields, &now.fields);
    let none = std::collections::BTreeMap::new();
    for index in 0..then.lines.len().max(now.lines.len()) {
        compare(
            format!("line {}, ", index + 1),
            then.lines.get(index).unwrap_or(&none),
            now.lines.get(index).unwrap_or(&none),
        );
    }
    found
}
