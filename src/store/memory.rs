//! The keeper that forgets at exit: the reference that the others are compared with. Plain maps behind one
//! lock and answers by looking at everything, so that one sees that it is right. Knows no file.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::written::{Walk, chained};
use super::{
    Commit, Content, Counts, DossierChange, Health, MailFilter, MailRecord, MailTaken, Receipt, ResponseFilter, Result,
    SAME_MESSAGE_ID_MAX, SaleFilter, Sequence, Store, StoreError, TokenRecord, TransmissionFilter, sound,
};
use crate::model::{
    Alarm, AlarmId, AuditEntry, CustomerId, Digest, Dossier, MailId, OrderNumber, PartnerId, Response, ResponseId,
    Sale, SaleId, Transmission, TransmissionId, TransmissionStatus,
};

/// A store that lasts as long as the process.
#[derive(Default)]
pub struct Memory(Mutex<Ledger>);

#[derive(Default)]
struct Ledger {
    sequence: u64,
    /// The highest number used or reserved.
    numbers: BTreeMap<Sequence, u64>,
    mails: BTreeMap<MailId, MailRecord>,
    raws: BTreeMap<MailId, Content>,
    dossiers: BTreeMap<OrderNumber, Dossier>,
    sales: BTreeMap<SaleId, Sale>,
    transmissions: BTreeMap<TransmissionId, Transmission>,
    blobs: BTreeMap<Digest, Content>,
    tokens: BTreeMap<Digest, TokenRecord>,
    alarms: BTreeMap<AlarmId, Alarm>,
    audit: Vec<AuditEntry>,
    notes: BTreeMap<String, String>,
}

impl Memory {
    pub fn new() -> Memory {
        Memory::default()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// Everything that can refuse the commit; nothing is changed.
    fn check(&self, commit: &Commit) -> Result<()> {
        sound::check(commit).map_err(StoreError::Invalid)?;
        commit.mails.iter().try_for_each(|mail| self.check_mail(mail))?;
        commit.dossiers.iter().try_for_each(|change| self.check_dossier(change))?;
        commit.sales.iter().try_for_each(|sale| self.check_sale(sale))?;
        for transmission in &commit.transmissions {
            let stored = self.transmissions.get(&transmission.id).map_or(0, |stored| stored.revision);
            if stored != transmission.revision {
                return Err(StoreError::Stale(transmission.id.to_string()));
            }
        }
        Ok(())
    }

    fn check_mail(&self, mail: &MailTaken) -> Result<()> {
        let record = &mail.record;
        let same = self.mails.values().find(|other| other.digest == record.digest).map(|other| other.id);
        match same {
            Some(id) if mail.raw.is_some() || id != record.id => Err(StoreError::Known(id)),
            None if self.mails.contains_key(&record.id) => {
                Err(StoreError::Invalid(format!("mail {} has other bytes", record.id)))
            }
            _ => Ok(()),
        }
    }

    /// Two sales of one name would be one order taken twice: whoever comes second looks again.
    fn check_sale(&self, sale: &Sale) -> Result<()> {
        let stored = self.sales.get(&sale.id).map_or(0, |stored| stored.revision);
        let same = |other: &&Sale| {
            other.id != sale.id
                && (other.order == sale.order || (&other.customer, &other.number) == (&sale.customer, &sale.number))
        };
        if stored != sale.revision || self.sales.values().any(|other| same(&other)) {
            return Err(StoreError::Stale(sale.id.to_string()));
        }
        Ok(())
    }

    fn check_dossier(&self, change: &DossierChange) -> Result<()> {
        let DossierChange { dossier, touched } = change;
        let stored = self.dossiers.get(&dossier.number);
        if stored.map_or(0, |stored| stored.revision) != dossier.revision {
            return Err(StoreError::Stale(format!("order {}", dossier.number)));
        }
        let stored = stored.map(|stored| &stored.responses);
        for id in stored.into_iter().flat_map(|responses| responses.keys()) {
            if !dossier.responses.contains_key(id) {
                return Err(StoreError::Invalid(format!("{id} is missing in dossier {}", dossier.number)));
            }
        }
        for (id, response) in &dossier.responses {
            match stored.and_then(|responses| responses.get(id)) {
                Some(old) if !touched.contains(id) => {
                    if (old.status, &old.partner) != (response.status, &response.partner) {
                        return Err(StoreError::Invalid(format!("{id} moved and was not touched")));
                    }
                }
                Some(_) => {}
                None if !touched.contains(id) => {
                    return Err(StoreError::Invalid(format!("{id} is new and was not touched")));
                }
                None => {
                    if let Some(other) = self.dossiers.values().find(|other| other.responses.contains_key(id)) {
                        return Err(StoreError::Invalid(format!("{id} lies in dossier {}", other.number)));
                    }
                }
            }
        }
        Ok(())
    }

    fn land(&mut self, commit: Commit) -> Receipt {
        for MailTaken { record, raw } in commit.mails {
            self.used(Sequence::Mail, record.id.0);
            if let Some(raw) = raw {
                self.raws.insert(record.id, raw);
            }
            self.mails.insert(record.id, record);
        }
        for DossierChange { mut dossier, touched } in commit.dossiers {
            touched.iter().for_each(|id| self.used(Sequence::Response, id.0));
            dossier.revision += 1;
            for (id, old) in self.dossiers.remove(&dossier.number).into_iter().flat_map(|stored| stored.responses) {
                if !touched.contains(&id) {
                    dossier.responses.insert(id, old);
                }
            }
            self.dossiers.insert(dossier.number.clone(), dossier);
        }
        for mut sale in commit.sales {
            self.used(Sequence::Sale, sale.id.0);
            sale.revision += 1;
            self.sales.insert(sale.id, sale);
        }
        for mut transmission in commit.transmissions {
            self.used(Sequence::Transmission, transmission.id.0);
            transmission.revision += 1;
            self.transmissions.insert(transmission.id, transmission);
        }
        self.blobs.extend(commit.blobs.into_iter().map(|blob| (blob.digest(), blob)));
        self.tokens.extend(commit.tokens.into_iter().map(|token| (token.hash, token)));
        for alarm in commit.alarms {
            self.used(Sequence::Alarm, alarm.id.0);
            self.alarms.insert(alarm.id, alarm);
        }
        for entry in commit.audit {
            let last = self.audit.last();
            let (number, chain) = last.map_or((1, None), |last| (last.number + 1, last.chain));
            self.audit.push(chained(entry, number, chain));
        }
        self.notes.extend(commit.notes);
        self.sequence += 1;
        Receipt { sequence: self.sequence }
    }

    fn used(&mut self, sequence: Sequence, number: u64) {
        let highest = self.numbers.entry(sequence).or_default();
        *highest = number.max(*highest);
    }

    fn responses(&self) -> impl Iterator<Item = &Response> {
        self.dossiers.values().flat_map(|dossier| dossier.responses.values())
    }

    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for mail in self.mails.values() {
            *counts.mails.entry(mail.drawer.clone()).or_default() += 1;
        }
        for response in self.responses() {
            *counts.responses.entry(response.status.name().to_string()).or_default() += 1;
        }
        for transmission in self.transmissions.values() {
            let by_status = counts.transmissions.entry(transmission.kind.name().to_string()).or_default();
            *by_status.entry(transmission.status.name().to_string()).or_default() += 1;
        }
        for sale in self.sales.values() {
            *counts.sales.entry(sale.status.name().to_string()).or_default() += 1;
        }
        counts.orders = self.dossiers.values().filter(|dossier| dossier.order.is_some()).count() as u64;
        counts.alarms_open = self.alarms.values().filter(|alarm| alarm.ended_at.is_none()).count() as u64;
        counts
    }
}

/// `None` in a filter asks for nothing.
fn asked<T: PartialEq>(filter: &Option<T>, value: &T) -> bool {
    filter.as_ref().is_none_or(|wanted| wanted == value)
}

fn asked_some<T: PartialEq>(filter: &Option<T>, value: &Option<T>) -> bool {
    filter.is_none() || filter == value
}

fn below<T: PartialOrd>(limit: Option<T>, id: T) -> bool {
    limit.is_none_or(|limit| id < limit)
}

/// The moment a transmission waits for.
fn waits_for(transmission: &Transmission) -> Option<Timestamp> {
    let waits = transmission.status == TransmissionStatus::DoPush;
    waits.then(|| transmission.next_retry.unwrap_or(Timestamp::MIN))
}

impl Store for Memory {
    fn commit(&self, commit: Commit) -> Result<Receipt> {
        let mut ledger = self.ledger();
        ledger.check(&commit)?;
        Ok(ledger.land(commit))
    }

    fn reserve(&self, sequence: Sequence, count: u64) -> Result<u64> {
        let mut ledger = self.ledger();
        let highest = ledger.numbers.entry(sequence).or_default();
        let first = *highest + 1;
        *highest += count;
        Ok(first)
    }

    fn dossier(&self, number: &OrderNumber) -> Result<Option<Dossier>> {
        Ok(self.ledger().dossiers.get(number).cloned())
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<OrderNumber>> {
        let ledger = self.ledger();
        let mut due: Vec<_> = ledger.dossiers.values().filter_map(|d| Some((d.next_due?, &d.number))).collect();
        due.retain(|(at, _)| *at <= now);
        due.sort();
        Ok(due.into_iter().take(limit).map(|(_, number)| number.clone()).collect())
    }

    fn orders(&self, after: Option<&OrderNumber>, limit: usize) -> Result<Vec<OrderNumber>> {
        let ledger = self.ledger();
        let registered = ledger.dossiers.values().filter(|dossier| dossier.order.is_some());
        let numbers = registered.map(|dossier| &dossier.number);
        Ok(numbers.filter(|number| after.is_none_or(|after| *number > after)).take(limit).cloned().collect())
    }

    fn order_by_supplier_number(&self, partner: &PartnerId, number: &str) -> Result<Option<OrderNumber>> {
        let ledger = self.ledger();
        let mut found = ledger.dossiers.values().filter_map(|dossier| dossier.order.as_ref()).filter(|order| {
            order.supplier_order_number.as_deref() == Some(number) && order.positions_of(partner).next().is_some()
        });
        let first = found.next().map(|order| order.order_number.clone());
        Ok(first.filter(|_| found.next().is_none()))
    }

    fn response(&self, id: ResponseId) -> Result<Option<Response>> {
        Ok(self.ledger().responses().find(|response| response.id == id).cloned())
    }

    fn responses(&self, filter: &ResponseFilter) -> Result<Vec<Response>> {
        let ledger = self.ledger();
        let mut found: Vec<_> = ledger.responses().collect();
        found.retain(|response| {
            asked(&filter.status, &response.status)
                && asked(&filter.order, &response.order)
                && asked(&filter.partner, &response.partner)
                && below(filter.before, response.id)
        });
        found.sort_by_key(|response| std::cmp::Reverse(response.id));
        Ok(found.into_iter().take(filter.limit).cloned().collect())
    }

    fn sale(&self, id: SaleId) -> Result<Option<Sale>> {
        Ok(self.ledger().sales.get(&id).cloned())
    }

    fn sale_by_customer_order(&self, customer: &CustomerId, number: &str) -> Result<Option<Sale>> {
        let ledger = self.ledger();
        Ok(ledger.sales.values().find(|sale| sale.customer == *customer && sale.number == number).cloned())
    }

    fn sale_by_order(&self, order: &OrderNumber) -> Result<Option<Sale>> {
        Ok(self.ledger().sales.values().find(|sale| sale.order == *order).cloned())
    }

    fn sales(&self, filter: &SaleFilter) -> Result<Vec<Sale>> {
        let ledger = self.ledger();
        let found = ledger.sales.values().rev().filter(|sale| {
            asked(&filter.status, &sale.status)
                && asked(&filter.customer, &sale.customer)
                && below(filter.before, sale.id)
        });
        Ok(found.take(filter.limit).cloned().collect())
    }

    fn sales_due(&self, now: Timestamp, limit: usize) -> Result<Vec<SaleId>> {
        let ledger = self.ledger();
        let mut due: Vec<_> = ledger.sales.values().filter_map(|sale| Some((sale.due?, sale.id))).collect();
        due.retain(|(at, _)| *at <= now);
        due.sort();
        Ok(due.into_iter().take(limit).map(|(_, id)| id).collect())
    }

    fn next_sale_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.ledger().sales.values().filter_map(|sale| sale.due).min())
    }

    fn mail(&self, id: MailId) -> Result<Option<MailRecord>> {
        Ok(self.ledger().mails.get(&id).cloned())
    }

    fn mail_by_digest(&self, digest: &Digest) -> Result<Option<MailRecord>> {
        Ok(self.ledger().mails.values().find(|mail| mail.digest == *digest).cloned())
    }

    fn mail_by_message_id(&self, message_id: &str) -> Result<Vec<MailRecord>> {
        let ledger = self.ledger();
        let found = ledger.mails.values().filter(|mail| mail.message_id.as_deref() == Some(message_id));
        Ok(found.take(SAME_MESSAGE_ID_MAX).cloned().collect())
    }

    fn mails(&self, filter: &MailFilter) -> Result<Vec<MailRecord>> {
        let ledger = self.ledger();
        let found = ledger.mails.values().rev().filter(|mail| {
            asked(&filter.drawer, &mail.drawer)
                && asked_some(&filter.order, &mail.order)
                && filter.since.is_none_or(|since| mail.received_at >= since)
                && below(filter.before, mail.id)
        });
        Ok(found.take(filter.limit).cloned().collect())
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let ledger = self.ledger();
        let mail = ledger.mails.values().find(|mail| mail.digest == *digest);
        let raw = mail.and_then(|mail| ledger.raws.get(&mail.id));
        Ok(raw.or_else(|| ledger.blobs.get(digest)).map(|content| content.bytes().to_vec()))
    }

    fn transmission(&self, id: TransmissionId) -> Result<Option<Transmission>> {
        Ok(self.ledger().transmissions.get(&id).cloned())
    }

    fn transmission_by_message_id(&self, message_id: &str) -> Result<Option<Transmission>> {
        Ok(self.ledger().transmissions.values().find(|t| t.message_id == message_id).cloned())
    }

    fn transmissions(&self, filter: &TransmissionFilter) -> Result<Vec<Transmission>> {
        let ledger = self.ledger();
        let found = ledger.transmissions.values().rev().filter(|transmission| {
            asked(&filter.status, &transmission.status)
                && asked_some(&filter.order, &transmission.order)
                && asked_some(&filter.response, &transmission.response)
                && below(filter.before, transmission.id)
        });
        Ok(found.take(filter.limit).cloned().collect())
    }

    fn transmissions_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Transmission>> {
        let ledger = self.ledger();
        let mut due: Vec<_> = ledger.transmissions.values().filter_map(|t| Some((waits_for(t)?, t))).collect();
        due.retain(|(at, _)| *at <= now);
        due.sort_by_key(|(at, transmission)| (*at, transmission.id));
        Ok(due.into_iter().take(limit).map(|(_, transmission)| transmission.clone()).collect())
    }

    fn next_transmission_due(&self) -> Result<Option<Timestamp>> {
        let earliest = self.ledger().transmissions.values().filter_map(waits_for).min();
        Ok(earliest.map(|at| if at == Timestamp::MIN { Timestamp::UNIX_EPOCH } else { at }))
    }

    fn next_dossier_due(&self) -> Result<Option<Timestamp>> {
        Ok(self.ledger().dossiers.values().filter_map(|dossier| dossier.next_due).min())
    }

    fn token(&self, hash: &Digest) -> Result<Option<TokenRecord>> {
        Ok(self.ledger().tokens.get(hash).cloned())
    }

    fn tokens_of(&self, transmission: TransmissionId) -> Result<Vec<TokenRecord>> {
        Ok(self.ledger().tokens.values().filter(|token| token.transmission == transmission).cloned().collect())
    }

    fn alarms(&self, open_only: bool, limit: usize) -> Result<Vec<Alarm>> {
        let ledger = self.ledger();
        let found = ledger.alarms.values().rev().filter(|alarm| !open_only || alarm.ended_at.is_none());
        Ok(found.take(limit).cloned().collect())
    }

    fn audit(&self, after: u64, limit: usize) -> Result<Vec<AuditEntry>> {
        Ok(self.ledger().audit.iter().filter(|entry| entry.number > after).take(limit).cloned().collect())
    }

    fn audit_verify(&self) -> Result<u64> {
        let mut walk = Walk::default();
        for entry in &self.ledger().audit {
            walk.step(serde_json::to_value(entry).map_err(|e| StoreError::Damaged(e.to_string()))?)?;
        }
        Ok(walk.count)
    }

    fn note(&self, name: &str) -> Result<Option<String>> {
        Ok(self.ledger().notes.get(name).cloned())
    }

    fn counts(&self) -> Result<Counts> {
        Ok(self.ledger().counts())
    }

    fn backup(&self, _to: &std::path::Path) -> Result<()> {
        Err(StoreError::Away("this store lives in memory alone and cannot be backed up".into()))
    }

    fn forget_raw(&self, drawer: &str, before: Timestamp, limit: usize) -> Result<u64> {
        let mut ledger = self.ledger();
        let old = ledger.mails.values().filter(|mail| mail.drawer == drawer && mail.received_at < before);
        let mut old: Vec<_> = old.filter(|mail| ledger.raws.contains_key(&mail.id)).collect();
        old.sort_by_key(|mail| (mail.received_at, mail.id));
        let old: Vec<MailId> = old.into_iter().take(limit).map(|mail| mail.id).collect();
        old.iter().for_each(|id| drop(ledger.raws.remove(id)));
        Ok(old.len() as u64)
    }

    fn health(&self) -> Health {
        Health::default()
    }
}
