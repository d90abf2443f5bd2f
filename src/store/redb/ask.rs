//! The trait's questions and commands, each handed to a look at one moment or to the writer.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Redb;
use super::damaged_key;
use super::keys::{self, Key, key, moment_of, number_of};
use super::prepare::named_in;
use super::read::{Look, storage};
use super::write::Job;
use crate::model::{
    Alarm, AuditEntry, CustomerId, Digest, Dossier, MailId, OrderNumber, PartnerId, Response, ResponseId, Sale, SaleId,
    Timestamp, Transmission, TransmissionId,
};
use crate::store::written;
use crate::store::{
    Commit, Counts, Health, MailFilter, MailRecord, Receipt, ResponseFilter, Result, SAME_MESSAGE_ID_MAX, SaleFilter,
    Sequence, Store, StoreError, TokenRecord, TransmissionFilter,
};

/// redb's errors on the way, ours at the end.
type Seen<T> = std::result::Result<T, redb::StorageError>;

/// Behind the rows of a kind up to a moment, that moment included.
fn up_to(kind: &str, now: Timestamp) -> Key {
    keys::behind(&key(kind).moment(now).done())
}

impl Redb {
    /// Takes a look; when the disk refuses meanwhile, the next look opens the database again.
    fn look<T>(&self, ask: impl FnOnce(&Look) -> Result<T>) -> Result<T> {
        let answer = self.shared.look().and_then(|look| ask(&look));
        if let Err(StoreError::Away(_)) = &answer {
            self.shared.broken.store(true, Ordering::Release);
        }
        answer
    }
}

impl Store for Redb {
    fn commit(&self, commit: Commit) -> Result<Receipt> {
        self.commit_one(commit)
    }

    fn commit_many(&self, commits: Vec<Commit>) -> Vec<Result<Receipt>> {
        self.commit_all(commits, Duration::ZERO)
    }

    fn commit_with_others(&self, commits: Vec<Commit>, patience: Duration) -> Vec<Result<Receipt>> {
        self.commit_all(commits, patience)
    }

    fn reserve(&self, sequence: Sequence, count: u64) -> Result<u64> {
        Ok(self.reserve_numbers(sequence, count))
    }

    fn dossier(&self, number: &OrderNumber) -> Result<Option<Dossier>> {
        self.look(|look| look.dossier(number))
    }

    fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<OrderNumber>> {
        self.look(|look| {
            let mut due = Vec::new();
            look.walk_between(b"dd", &up_to("dd", now), |row| {
                if due.len() < limit {
                    let (_, name) = moment_of(row).ok_or_else(|| damaged_key(row))?;
                    due.push(OrderNumber::new(std::str::from_utf8(name).map_err(|_| damaged_key(row))?));
                }
                Ok(due.len() < limit)
            })?;
            Ok(due)
        })
    }

    fn orders(&self, after: Option<&OrderNumber>, limit: usize) -> Result<Vec<OrderNumber>> {
        self.look(|look| {
            let mut start = key("do").last(after.map_or("", OrderNumber::as_str));
            if after.is_some() {
                start.push(0);
            }
            let mut numbers = Vec::new();
            look.walk_between(&start, &keys::behind(b"do"), |row| {
                if numbers.len() < limit {
                    let name = row.get(2..).and_then(|name| std::str::from_utf8(name).ok());
                    numbers.push(OrderNumber::new(name.ok_or_else(|| damaged_key(row))?));
                }
                Ok(numbers.len() < limit)
            })?;
            Ok(numbers)
        })
    }

    fn order_by_supplier_number(&self, partner: &PartnerId, number: &str) -> Result<Option<OrderNumber>> {
        self.look(|look| {
            let prefix = key("ds").hash(&[partner.as_str(), number]).done();
            let mut found = Vec::new();
            look.walk_index(&prefix, |row| {
                let name = row.get(prefix.len()..).and_then(|name| std::str::from_utf8(name).ok());
                found.push(OrderNumber::new(name.ok_or_else(|| damaged_key(row))?));
                Ok(found.len() < 2)
            })?;
            Ok(found.pop().filter(|_| found.is_empty()))
        })
    }

    fn response(&self, id: ResponseId) -> Result<Option<Response>> {
        self.look(|look| look.record(&key("r").number(id.0).done()))
    }

    fn responses(&self, filter: &ResponseFilter) -> Result<Vec<Response>> {
        self.look(|look| look.responses(filter))
    }

    fn sale(&self, id: SaleId) -> Result<Option<Sale>> {
        self.look(|look| look.record(&key("s").number(id.0).done()))
    }

    fn sale_by_customer_order(&self, customer: &CustomerId, number: &str) -> Result<Option<Sale>> {
        self.look(|look| look.sale_at(&key("sn").hash(&[customer.as_str(), number]).done()))
    }

    fn sale_by_order(&self, order: &OrderNumber) -> Result<Option<Sale>> {
        self.look(|look| look.sale_at(&key("so").name(order.as_str()).done()))
    }

    fn sales(&self, filter: &SaleFilter) -> Result<Vec<Sale>> {
        self.look(|look| look.sales(filter))
    }

    fn sales_due(&self, now: Timestamp, limit: usize) -> Result<Vec<SaleId>> {
        self.look(|look| {
            let mut due = Vec::new();
            look.walk_between(b"sd", &up_to("sd", now), |row| {
                if due.len() < limit {
                    due.push(SaleId(number_of(row).ok_or_else(|| damaged_key(row))?));
                }
                Ok(due.len() < limit)
            })?;
            Ok(due)
        })
    }

    fn next_sale_due(&self) -> Result<Option<Timestamp>> {
        self.look(|look| first_moment(look, b"sd"))
    }

    fn mail(&self, id: MailId) -> Result<Option<MailRecord>> {
        self.look(|look| look.record(&key("m").number(id.0).done()))
    }

    fn mail_by_digest(&self, digest: &Digest) -> Result<Option<MailRecord>> {
        self.look(|look| look.mail_with(digest)?.map(|id| look.mail(id)).transpose())
    }

    fn mail_by_message_id(&self, message_id: &str) -> Result<Vec<MailRecord>> {
        self.look(|look| {
            let mut found = Vec::new();
            look.walk_index(&key("mm").hash(&[message_id]).done(), |row| {
                found.push(look.mail(number_of(row).ok_or_else(|| damaged_key(row))?)?);
                Ok(found.len() < SAME_MESSAGE_ID_MAX)
            })?;
            Ok(found)
        })
    }

    fn mails(&self, filter: &MailFilter) -> Result<Vec<MailRecord>> {
        self.look(|look| look.mails(filter))
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        self.look(|look| look.blob(&self.shared, digest))
    }

    fn transmission(&self, id: TransmissionId) -> Result<Option<Transmission>> {
        self.look(|look| look.record(&key("t").number(id.0).done()))
    }

    fn transmission_by_message_id(&self, message_id: &str) -> Result<Option<Transmission>> {
        self.look(|look| {
            if let Some(id) = named_in(message_id)
                && let Some(found) = look.record::<Transmission>(&key("t").number(id.0).done())?
                && found.message_id == message_id
            {
                return Ok(Some(found));
            }
            match look.first(&key("tm").hash(&[message_id]).done())? {
                Some(row) => look.transmission(number_of(&row).ok_or_else(|| damaged_key(&row))?).map(Some),
                None => Ok(None),
            }
        })
    }

    fn transmissions(&self, filter: &TransmissionFilter) -> Result<Vec<Transmission>> {
        self.look(|look| look.transmissions(filter))
    }

    fn transmissions_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Transmission>> {
        self.look(|look| {
            let mut due = Vec::new();
            look.walk_between(b"td", &up_to("td", now), |row| {
                if due.len() < limit {
                    due.push(look.transmission(number_of(row).ok_or_else(|| damaged_key(row))?)?);
                }
                Ok(due.len() < limit)
            })?;
            Ok(due)
        })
    }

    fn next_transmission_due(&self) -> Result<Option<Timestamp>> {
        let earliest = self.look(|look| first_moment(look, b"td"))?;
        Ok(earliest.map(|at| if at == Timestamp::MIN { Timestamp::UNIX_EPOCH } else { at }))
    }

    fn next_dossier_due(&self) -> Result<Option<Timestamp>> {
        self.look(|look| first_moment(look, b"dd"))
    }

    fn token(&self, hash: &Digest) -> Result<Option<TokenRecord>> {
        self.look(|look| look.record(&key("k").bytes(&hash.0).done()))
    }

    fn tokens_of(&self, transmission: TransmissionId) -> Result<Vec<TokenRecord>> {
        self.look(|look| {
            let prefix = key("kt").number(transmission.0).done();
            let mut found = Vec::new();
            look.walk_index(&prefix, |row| {
                found.push(look.indexed(&key("k").bytes(row.get(prefix.len()..).unwrap_or_default()).done())?);
                Ok(true)
            })?;
            Ok(found)
        })
    }

    fn alarms(&self, open_only: bool, limit: usize) -> Result<Vec<Alarm>> {
        self.look(|look| {
            if !open_only {
                return look.newest_records("l", None, limit, |_| true);
            }
            let mut found = Vec::new();
            look.newest(key("lo").done(), None, limit, |id| {
                found.push(look.indexed(&key("l").number(id).done())?);
                Ok(true)
            })?;
            Ok(found)
        })
    }

    fn audit(&self, after: u64, limit: usize) -> Result<Vec<AuditEntry>> {
        self.look(|look| {
            let start = key("a").number(after.saturating_add(1)).done();
            let rows = look.records.range(start.as_slice()..keys::behind(b"a").as_slice()).map_err(storage)?;
            let read = |row: Seen<_>| -> Result<AuditEntry> {
                let (key, kept): (redb::AccessGuard<&[u8]>, redb::AccessGuard<&[u8]>) = row.map_err(storage)?;
                written::read(key.value().escape_ascii(), kept.value())
            };
            rows.take(limit).map(read).collect()
        })
    }

    fn audit_verify(&self) -> Result<u64> {
        self.look(Look::audit_verify)
    }

    fn note(&self, name: &str) -> Result<Option<String>> {
        self.look(|look| look.record(&key("n").last(name)))
    }

    fn counts(&self) -> Result<Counts> {
        self.look(|look| Ok(look.state()?.counts))
    }

    fn backup(&self, to: &Path) -> Result<()> {
        self.shared.backup(to)
    }

    fn forget_raw(&self, drawer: &str, before: Timestamp, limit: usize) -> Result<u64> {
        let drawer = drawer.to_string();
        self.ask(|answer| Job::Forget { drawer, before, limit, answer })?
    }

    fn health(&self) -> Health {
        self.shared.health()
    }
}

fn first_moment(look: &Look, kind: &[u8]) -> Result<Option<Timestamp>> {
    let row = look.first(kind)?;
    row.map(|row| moment_of(&row).map(|(at, _)| at).ok_or_else(|| damaged_key(&row))).transpose()
}
