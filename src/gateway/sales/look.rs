//! Looking at the mails of the sales side: a customer's order, an answer to a question of ours, the sales desk's
//! decision, the order system's answer where it writes mails.

use super::decide::{SaleKey, SaleTask};
use super::letter;
use crate::gateway::look::{Finding, Sighted};
use crate::gateway::question::Question;
use crate::gateway::{Gateway, Live};
use crate::mail::decision::{self, Argument, Change, Lines as ReadLines, Scope as ReadScope, Verb as ReadVerb};
use crate::model::{
    AlarmKind, CustomerId, Digest, Fault, Field, MailId, Message, MessageKind, PartnerId, Sale, SystemAnswer,
    TransmissionKind as Kind,
};
use crate::process::DecisionKind;
use crate::process::sale::{LineValue, Lines, ReceivedOrder, SaleCommand, SaleDecision, SaleInput};
use crate::standard;
use crate::store::{StoreError, TokenRecord};

impl Gateway {
    /// The sale that a mail of ours was about, if it was about one.
    pub(in crate::gateway) fn sale_of_question(&self, question: &Question) -> Result<Option<Sale>, StoreError> {
        if let Some(id) = question.token.as_ref().and_then(|token| token.sale) {
            return self.store().sale(id);
        }
        let transmission = &question.transmission;
        let Some(order) = &transmission.order else { return Ok(None) };
        let sale = self.store().sale_by_order(order)?;
        Ok(sale.filter(|sale| letter::is_sales(transmission.kind, transmission.id, sale)))
    }

    /// An answer to a mail of the sales side.
    pub(in crate::gateway) fn sale_answer(
        &self,
        id: MailId,
        mail: &Sighted,
        question: &Question,
        sale: &Sale,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        let author = mail.author().map(|author| author.address.clone()).unwrap_or_default();
        let settings = live.loaded.policies.sale_settings(&sale.customer);
        if settings.sales.iter().any(|address| address.eq_ignore_ascii_case(&author))
            && !matches!(question.transmission.kind, Kind::SendOrder | Kind::SendOrderConfirmation)
        {
            return match &question.token {
                Some(record) => self.sale_decision(mail, &author, record.clone(), sale, live),
                None => Ok(Finding::new("stranger", "an answer to a question of ours, without its token").review()),
            };
        }
        if self.is_order_system(&author, live) {
            return self.order_system_mail(id, mail, Some(sale), live);
        }
        match live.loaded.policies.customer_of_address(&author) {
            Some(customer) if *customer == sale.customer => {
                let asked = (question.transmission.kind != Kind::ConfirmOrder).then_some(sale);
                self.customer_mail(id, mail, customer, asked, live)
            }
            Some(customer) => self.customer_mail(id, mail, customer, None, live),
            None => Ok(Finding::new("stranger", format!("{author} has no say in this order")).review()),
        }
    }

    /// A mail of a customer: each order in it goes to its sale.
    pub(in crate::gateway) fn customer_mail(
        &self,
        id: MailId,
        mail: &Sighted,
        customer: &CustomerId,
        asked: Option<&Sale>,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        let settings = live.loaded.policies.sale_settings(customer);
        if let Err(refused) = self.trusted(mail, settings.order_trust, live) {
            return Ok(*refused);
        }
        let author = mail.author().map(|author| author.address.clone()).unwrap_or_default();
        let mut finding = Finding::new("order", String::new());
        let record = self.store().mail(id)?;
        // A customer's mappings stand in a folder of its name, like a partner's.
        let reads = PartnerId::new(customer.as_str());
        let read = self.read_linked(mail, Some(&reads), record.as_ref(), true, live)?;
        if let Some(why) = read.waits {
            return Ok(Finding::new(crate::gateway::link::DRAWER, why));
        }
        finding.linked = record.map(|record| record.linked).unwrap_or_default();
        for (linked, bytes) in read.fetched {
            finding.linked.push(linked);
            finding.extra.blobs.push(bytes.into());
        }
        let reading = read.reading;
        finding.mapping = reading.mapping.clone();
        let mut orphans = Vec::new();
        let why = reading.faults.first().map(|fault| fault.message.clone());
        let several = reading.messages.len() > 1;
        for (index, read) in reading.messages.into_iter().enumerate() {
            if read.message.kind != MessageKind::Order {
                orphans.push(format!("a message of kind {:?} from a customer", read.message.kind).to_lowercase());
                continue;
            }
            if read.message.lines.is_empty() {
                // Thanks, questions, signatures: words on the thread of an order are no new order.
                let number = read.message.text(Field::OrderNumber).map(str::trim).filter(|number| !number.is_empty());
                let about = match (number, asked) {
                    (Some(number), _) => self.store().sale_by_customer_order(customer, number)?,
                    (None, asked) => asked.cloned(),
                };
                match about {
                    Some(sale) => {
                        finding.drawer = "comment";
                        let input = SaleInput::CustomerWrote { mail: id, by: author.clone() };
                        finding.sales.push(SaleTask { key: SaleKey::Id(sale.id), input });
                        continue;
                    }
                    None if number.is_none() => {
                        orphans.push("it has neither an order number nor lines".into());
                        continue;
                    }
                    None => finding.early = true,
                }
            }
            let name = if several { format!("{id}-{}", index + 1) } else { id.to_string() };
            let key = self.key_of(customer, &read.message, asked.filter(|_| !several), &name)?;
            let input = SaleInput::OrderReceived(Box::new(received(id, &author, read.message, read.faults)));
            finding.sales.push(SaleTask { key, input });
        }
        if !finding.sales.is_empty() {
            finding.reason = orphans.join("; ");
            return Ok(finding);
        }
        if let Some(sale) = asked {
            let by = author.clone();
            finding.drawer = "comment";
            finding.reason = format!("an answer of {author} without an order, about {}", sale.id);
            finding
                .sales
                .push(SaleTask { key: SaleKey::Id(sale.id), input: SaleInput::CustomerWrote { mail: id, by } });
            return Ok(finding.review());
        }
        let why = why.or_else(|| orphans.first().cloned()).unwrap_or_else(|| "no mapping knows this layout".into());
        let message = format!("a mail of customer {customer} ({author}) is no order that can be read: {why}");
        self.raise_alarm(
            &mut finding.extra,
            AlarmKind::OrderUnreadable,
            &format!("mail {id}"),
            &message,
            None,
            None,
            self.now(),
        );
        finding.drawer = "unreadable";
        finding.reason = why;
        Ok(finding.review())
    }

    /// Which sale an order belongs to: the one that we asked about when it says nothing else, else that of its number.
    fn key_of(
        &self,
        customer: &CustomerId,
        message: &Message,
        asked: Option<&Sale>,
        name: &str,
    ) -> Result<SaleKey, StoreError> {
        let number = message.text(Field::OrderNumber).map(str::trim).filter(|number| !number.is_empty());
        let Some(number) = number else {
            return Ok(match asked {
                Some(sale) => SaleKey::Id(sale.id),
                None => SaleKey::Order { customer: customer.clone(), number: name.to_string() },
            });
        };
        // Corrected, the order may get the number that it lacked, as long as nobody outside knows it by another one.
        let corrects = asked.filter(|sale| sale.number != number && sale.hand_overs.is_empty());
        if let Some(sale) = corrects
            && self.store().sale_by_customer_order(customer, number)?.is_none()
        {
            return Ok(SaleKey::Id(sale.id));
        }
        Ok(SaleKey::Order { customer: customer.clone(), number: number.to_string() })
    }

    /// A decision counts only when all hold: the token is good and unused, it was sent to this very address, the origin
    /// is authentic, and the question still stands (the process sees to the last).
    fn sale_decision(
        &self,
        mail: &Sighted,
        author: &str,
        record: TokenRecord,
        sale: &Sale,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        let refuse = |reason: String| Ok(Finding::new("stranger", reason).review());
        if !record.recipient.eq_ignore_ascii_case(author) {
            return refuse(format!("the token was sent to {}, not to {author}", record.recipient));
        }
        let settings = live.loaded.policies.sale_settings(&sale.customer);
        if let Err(refused) = self.trusted(mail, settings.decision_trust, live) {
            return Ok(*refused);
        }
        let reading = decision::decide_mail(mail, &settings.sales_language);
        let used = record.used_at.is_some() || record.expires_at.is_some_and(|at| at <= self.now());
        let decision = SaleDecision {
            version: if used { 0 } else { record.version },
            by: author.to_string(),
            kind: match reading.kind {
                decision::Kind::Decision => DecisionKind::Decision,
                decision::Kind::Ambiguous => DecisionKind::Ambiguous,
                decision::Kind::Comment | decision::Kind::None | decision::Kind::Automatic => DecisionKind::Comment,
            },
            commands: reading.commands.iter().map(command).collect(),
            lines: reading.lines.iter().map(|line| (line.text.clone(), line.read_as.clone())).collect(),
        };
        let words = format!("{:?} of {author} on {}", decision.kind, sale.id).to_lowercase();
        let mut finding = Finding::new("decision", words);
        finding.order = Some(sale.order.clone());
        let input = SaleInput::Decision(decision);
        finding.sales.push(SaleTask { key: SaleKey::Id(sale.id), input });
        Ok(finding)
    }

    pub(in crate::gateway) fn is_order_system(&self, address: &str, live: &Live) -> bool {
        let domain = address.rsplit_once('@').map(|(_, domain)| format!("@{domain}")).unwrap_or_default();
        let known = &live.loaded.config.order_system.addresses;
        known.iter().any(|known| known.eq_ignore_ascii_case(address) || known.eq_ignore_ascii_case(&domain))
    }

    /// The order system answers by mail.
    pub(in crate::gateway) fn order_system_mail(
        &self,
        id: MailId,
        mail: &Sighted,
        asked: Option<&Sale>,
        live: &Live,
    ) -> Result<Finding, StoreError> {
        let trust = live.loaded.config.order_system.trust.unwrap_or(crate::model::policy::Trust::Require);
        if let Err(refused) = self.trusted(mail, trust, live) {
            return Ok(*refused);
        }
        let mut finding = Finding::new("order-answer", String::new());
        let mut unknown = Vec::new();
        let text = mail.text.as_deref().filter(|text| standard::recognise(text).is_some());
        let body = text.map(|text| ("body.xml".to_string(), text.as_bytes()));
        let files = mail
            .attachments
            .iter()
            .filter(|file| file.nested.is_none())
            .map(|file| (file.name.clone().unwrap_or_else(|| "answer.xml".into()), file.bytes.as_slice()));
        for (name, bytes) in files.chain(body) {
            match self.understood_bytes(&name, bytes) {
                Ok(messages) => {
                    for message in messages {
                        let number = message.text(Field::OrderNumber).map(str::trim);
                        let sale = match number {
                            Some(number) => self.store().sale_by_order(&crate::model::OrderNumber::new(number))?,
                            None => asked.cloned(),
                        };
                        let Some(sale) = sale else {
                            unknown.push(format!(
                                "{name} answers order `{}`, which is not here",
                                number.unwrap_or("none")
                            ));
                            continue;
                        };
                        let reference = message.text(Field::SupplierOrderNumber).map(str::to_string);
                        let answer = SystemAnswer {
                            digest: Digest::of(bytes),
                            at: self.now(),
                            version: None,
                            reference,
                            message,
                            by: format!("mail {id}"),
                            ignored: None,
                        };
                        let input = SaleInput::Answered(Box::new(answer));
                        finding.sales.push(SaleTask { key: SaleKey::Id(sale.id), input });
                    }
                }
                Err(why) => unknown.push(format!("{name}: {why}")),
            }
        }
        if finding.sales.is_empty() {
            let why = unknown.first().cloned().unwrap_or_else(|| "there is no document in it".into());
            self.raise_alarm(
                &mut finding.extra,
                AlarmKind::OrderAnswerUnknown,
                &format!("mail {id}"),
                &why,
                None,
                None,
                self.now(),
            );
            finding.drawer = "order-answer-unknown";
            finding.reason = why;
            return Ok(finding.review());
        }
        finding.reason = unknown.join("; ");
        Ok(finding)
    }
}

fn received(mail: MailId, from: &str, message: Message, faults: Vec<Fault>) -> ReceivedOrder {
    ReceivedOrder { message, mail: Some(mail), from: from.to_string(), faults, called: None }
}

/// A command as it was read, in the process's words.
pub(super) fn command(read: &decision::Command) -> SaleCommand {
    let whole = matches!(read.scope, ReadScope::All | ReadScope::Rest);
    match (read.verb, &read.argument) {
        // Whoever says yes to the question lets the order go.
        (ReadVerb::Release | ReadVerb::Approve, _) if whole => SaleCommand::Release,
        (ReadVerb::Decline, _) if whole => SaleCommand::Decline,
        (ReadVerb::Change, Argument::Changes(changes)) => {
            SaleCommand::Change { lines: lines(&read.scope), values: changes.iter().map(value).collect() }
        }
        (ReadVerb::Ask, Argument::Text(text)) => SaleCommand::Ask(text.clone()),
        (ReadVerb::Status, _) => SaleCommand::Status,
        (ReadVerb::Help, _) => SaleCommand::Help,
        (ReadVerb::Release | ReadVerb::Approve | ReadVerb::Decline, _) => {
            SaleCommand::OutOfPlace(format!("{read}: the order goes or does not go as a whole; CHANGE changes a line"))
        }
        _ => SaleCommand::OutOfPlace(format!("{read}: not possible for an order; RELEASE, CHANGE, DECLINE or ASK")),
    }
}

fn value(change: &Change) -> LineValue {
    match change {
        Change::Quantity(quantity) => LineValue::Quantity(*quantity),
        Change::Price(price) => LineValue::Price(*price),
        Change::Date(date) => LineValue::Date(*date),
        Change::Sku(sku) => LineValue::Article(sku.clone()),
    }
}

fn lines(scope: &ReadScope) -> Lines {
    let ReadScope::Lines(named) = scope else { return Lines::All };
    let (mut ranges, mut articles) = (Vec::new(), Vec::new());
    for line in named {
        match line {
            ReadLines::Position(position) => ranges.push((*position, *position)),
            ReadLines::Range(from, to) => ranges.push((*from, *to)),
            ReadLines::Sku(sku) => articles.push(sku.clone()),
        }
    }
    Lines::Some { ranges, articles }
}
