//! Questions: each looks at one moment of the store (a read transaction) and walks as few rows as it can.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::path::Path;

use redb::{ReadOnlyTable, ReadTransaction};
use serde::de::DeserializeOwned;

use super::keys::{self, Key, key, moment_of, number_of};
use super::prepare::Card;
use super::write::Job;
use super::{BLOBS, INDEX, RAWS, RECORDS, Redb, Shared, State, blobs, damaged_key, told};
use crate::model::{
    Alarm, AuditEntry, Digest, Dossier, MailId, OrderNumber, PartnerId, Response, ResponseId, Timestamp, Transmission,
    TransmissionId,
};
use crate::store::written::{self, Walk};
use crate::store::{
    Commit, Counts, Health, MailFilter, MailRecord, Receipt, ResponseFilter, Result, Sequence, Store, StoreError,
    TokenRecord, TransmissionFilter,
};

/// The store at one moment.
pub(super) struct Look {
    pub records: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub index: ReadOnlyTable<&'static [u8], ()>,
    pub raws: ReadOnlyTable<u64, &'static [u8]>,
    pub blobs: ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
}

/// redb's errors on the way, ours at the end.
type Seen<T> = std::result::Result<T, redb::StorageError>;

impl Look {
    pub fn new(transaction: ReadTransaction) -> std::result::Result<Look, redb::Error> {
        Ok(Look {
            records: transaction.open_table(RECORDS)?,
            index: transaction.open_table(INDEX)?,
            raws: transaction.open_table(RAWS)?,
            blobs: transaction.open_table(BLOBS)?,
        })
    }

    pub fn record<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>> {
        match self.records.get(key).map_err(storage)? {
            Some(kept) => written::read(key.escape_ascii(), kept.value()).map(Some),
            None => Ok(None),
        }
    }

    /// A record that the index speaks of.
    fn indexed<T: DeserializeOwned>(&self, key: &[u8]) -> Result<T> {
        let missing = || StoreError::Damaged(format!("the index speaks of `{}`, which is missing", key.escape_ascii()));
        self.record(key)?.ok_or_else(missing)
    }

    pub fn state(&self) -> Result<State> {
        Ok(self.record(b"=")?.unwrap_or_default())
    }

    /// Rows of the index that begin with `prefix`, in their order, until `each` says that it has enough.
    pub fn walk_index(&self, prefix: &[u8], each: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        self.walk_between(prefix, &keys::behind(prefix), each)
    }

    fn walk_between(&self, start: &[u8], end: &[u8], mut each: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        for row in self.index.range(start..end).map_err(storage)? {
            if !each(row.map_err(storage)?.0.value())? {
                break;
            }
        }
        Ok(())
    }

    /// The numbers behind `prefix`, highest first, below `before`, that `keep` and no more than `limit`.
    fn newest(
        &self,
        prefix: Key,
        before: Option<u64>,
        limit: usize,
        mut keep: impl FnMut(u64) -> Result<bool>,
    ) -> Result<()> {
        let end = match before {
            Some(before) => [prefix.as_slice(), &before.to_be_bytes()].concat(),
            None => keys::behind(&prefix),
        };
        let mut left = limit;
        for row in self.index.range(prefix.as_slice()..end.as_slice()).map_err(storage)?.rev() {
            if left == 0 {
                break;
            }
            let row = row.map_err(storage)?.0;
            let number = number_of(row.value()).ok_or_else(|| damaged_key(row.value()))?;
            left -= usize::from(keep(number)?);
        }
        Ok(())
    }

    /// Records of a kind that has no name in its key, highest number first.
    fn newest_records<T: DeserializeOwned>(
        &self,
        kind: &str,
        before: Option<u64>,
        limit: usize,
        keep: impl Fn(&T) -> bool,
    ) -> Result<Vec<T>> {
        let start = key(kind).done();
        let end = before.map_or_else(|| keys::behind(&start), |before| key(kind).number(before).done());
        let mut found = Vec::new();
        for row in self.records.range(start.as_slice()..end.as_slice()).map_err(storage)?.rev() {
            if found.len() >= limit {
                break;
            }
            let (key, kept) = row.map_err(storage)?;
            let record = written::read(key.value().escape_ascii(), kept.value())?;
            if keep(&record) {
                found.push(record);
            }
        }
        Ok(found)
    }

    fn has(&self, row: Key) -> Result<bool> {
        Ok(self.index.get(row.as_slice()).map_err(storage)?.is_some())
    }

    fn first(&self, prefix: &[u8]) -> Result<Option<Key>> {
        let mut found = None;
        self.walk_index(prefix, |row| {
            found = Some(row.to_vec());
            Ok(false)
        })?;
        Ok(found)
    }

    fn dossier(&self, number: &OrderNumber) -> Result<Option<Dossier>> {
        let Some(mut dossier) = self.record::<Dossier>(&key("d").last(number.as_str()))? else { return Ok(None) };
        dossier.responses = self.responses_in(number, |_, _| true)?;
        Ok(Some(dossier))
    }

    fn responses_in(
        &self,
        number: &OrderNumber,
        wanted: impl Fn(ResponseId, &super::prepare::Mark) -> bool,
    ) -> Result<BTreeMap<ResponseId, Response>> {
        let Some(card) = self.record::<Card>(&key("c").last(number.as_str()))? else { return Ok(BTreeMap::new()) };
        let wanted = card.responses.iter().filter(|(id, mark)| wanted(**id, mark));
        wanted.map(|(id, _)| Ok((*id, self.response(*id)?))).collect()
    }

    fn response(&self, id: ResponseId) -> Result<Response> {
        self.indexed(&key("r").number(id.0).done())
    }

    fn mail(&self, id: u64) -> Result<MailRecord> {
        self.indexed(&key("m").number(id).done())
    }

    fn mail_with(&self, digest: &Digest) -> Result<Option<u64>> {
        let row = self.first(&key("md").bytes(&digest.0).done())?;
        row.map(|row| number_of(&row).ok_or_else(|| damaged_key(&row))).transpose()
    }

    fn transmission(&self, id: u64) -> Result<Transmission> {
        self.indexed(&key("t").number(id).done())
    }

    fn responses(&self, filter: &ResponseFilter) -> Result<Vec<Response>> {
        let ResponseFilter { status, order, partner, before, limit } = filter;
        if let Some(number) = order {
            let mut found: Vec<_> = self
                .responses_in(number, |id, mark| {
                    status.is_none_or(|status| status == mark.status)
                        && partner.as_ref().is_none_or(|partner| *partner == mark.partner)
                        && before.is_none_or(|before| id < before)
                })?
                .into_values()
                .collect();
            found.reverse();
            found.truncate(*limit);
            return Ok(found);
        }
        let before = before.map(|before| before.0);
        let by_status = |id| status.map(|status| key("rs").name(status.name()).number(id).done());
        let mut found = Vec::new();
        let mut keep = |id| {
            found.push(self.response(ResponseId(id))?);
            Ok(true)
        };
        match (partner, status) {
            (Some(partner), _) => self.newest(key("rp").name(partner.as_str()).done(), before, *limit, |id| {
                let other_status = match by_status(id) {
                    Some(row) => !self.has(row)?,
                    None => false,
                };
                if other_status { Ok(false) } else { keep(id) }
            })?,
            (None, Some(status)) => self.newest(key("rs").name(status.name()).done(), before, *limit, keep)?,
            (None, None) => return self.newest_records("r", before, *limit, |_: &Response| true),
        }
        Ok(found)
    }

    fn mails(&self, filter: &MailFilter) -> Result<Vec<MailRecord>> {
        let MailFilter { drawer, order, since, before, limit } = filter;
        let before = before.map(|before| before.0);
        let in_drawer = |id| match drawer {
            Some(drawer) => self.has(key("mw").name(drawer).number(id).done()),
            None => Ok(true),
        };
        let of_order = |id| match order {
            Some(order) => self.has(key("mo").name(order.as_str()).number(id).done()),
            None => Ok(true),
        };
        let mut found = Vec::new();
        let mut keep = |id: u64| -> Result<bool> {
            let mail = self.mail(id)?;
            let recent = since.is_none_or(|since| mail.received_at >= since);
            if recent {
                found.push(mail);
            }
            Ok(recent)
        };
        match (order, since, drawer) {
            (Some(order), ..) => self
                .newest(key("mo").name(order.as_str()).done(), before, *limit, |id| Ok(in_drawer(id)? && keep(id)?))?,
            (None, Some(since), _) => {
                for id in self.newest_since(*since, before, *limit, |id| Ok(in_drawer(id)? && of_order(id)?))? {
                    keep(id)?;
                }
            }
            (None, None, Some(drawer)) => self.newest(key("mw").name(drawer).done(), before, *limit, keep)?,
            (None, None, None) => return self.newest_records("m", before, *limit, |_: &MailRecord| true),
        }
        Ok(found)
    }

    /// The highest numbers of mails received since then, highest first. Numbers and times go hand in hand but
    /// for a clock that was set, so the walk goes from the newest and rarely looks closer.
    fn newest_since(
        &self,
        since: Timestamp,
        before: Option<u64>,
        limit: usize,
        wanted: impl Fn(u64) -> Result<bool>,
    ) -> Result<Vec<u64>> {
        let (start, end) = (key("mt").moment(since).done(), keys::behind(b"mt"));
        let mut highest: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
        if limit == 0 {
            return Ok(Vec::new());
        }
        for row in self.index.range(start.as_slice()..end.as_slice()).map_err(storage)?.rev() {
            let row = row.map_err(storage)?.0;
            let id = number_of(row.value()).ok_or_else(|| damaged_key(row.value()))?;
            let low = highest.len() >= limit && highest.peek().is_some_and(|Reverse(lowest)| id < *lowest);
            if low || before.is_some_and(|before| id >= before) || !wanted(id)? {
                continue;
            }
            highest.push(Reverse(id));
            if highest.len() > limit {
                highest.pop();
            }
        }
        Ok(highest.into_sorted_vec().into_iter().map(|Reverse(id)| id).collect())
    }

    fn transmissions(&self, filter: &TransmissionFilter) -> Result<Vec<Transmission>> {
        let TransmissionFilter { status, order, response, before, limit } = filter;
        let before = before.map(|before| before.0);
        let wanted = |transmission: &Transmission| {
            status.is_none_or(|status| status == transmission.status)
                && (order.is_none() || *order == transmission.order)
                && (response.is_none() || *response == transmission.response)
        };
        let prefix = match (response, order, status) {
            (Some(response), ..) => key("tr").number(response.0),
            (None, Some(order), _) => key("to").name(order.as_str()),
            (None, None, Some(status)) => key("ts").name(status.name()),
            (None, None, None) => return self.newest_records("t", before, *limit, wanted),
        };
        let mut found = Vec::new();
        self.newest(prefix.done(), before, *limit, |id| {
            let transmission = self.transmission(id)?;
            let keep = wanted(&transmission);
            if keep {
                found.push(transmission);
            }
            Ok(keep)
        })?;
        Ok(found)
    }

    fn blob(&self, shared: &Shared, digest: &Digest) -> Result<Option<Vec<u8>>> {
        if let Some(id) = self.mail_with(digest)?
            && let Some(row) = self.raws.get(id).map_err(storage)?
        {
            return shared.folder.unpack(blobs::RAW, digest, row.value()).map(Some);
        }
        let row = self.blobs.get(&digest.0).map_err(storage)?;
        row.map(|row| shared.folder.unpack(blobs::BLOB, digest, row.value())).transpose()
    }

    fn audit_verify(&self) -> Result<u64> {
        let (start, mut walk) = (key("a").done(), Walk::default());
        for row in self.records.range(start.as_slice()..keys::behind(&start).as_slice()).map_err(storage)? {
            let (key, kept) = row.map_err(storage)?;
            walk.step(&written::read(key.value().escape_ascii(), kept.value())?)?;
        }
        let state = self.state()?;
        if (walk.count, walk.chain) != (state.audit_count, state.audit_chain) {
            let missing = walk.count + 1;
            return Err(StoreError::Damaged(format!(
                "audit entry {missing} is missing: there were {} and the last ones are gone or changed",
                state.audit_count
            )));
        }
        Ok(walk.count)
    }
}

/// An error of the disk while a look was taken.
fn storage(error: redb::StorageError) -> StoreError {
    told(error.into())
}

/// `DO_PUSH` rows up to a moment, that moment included.
fn up_to(kind: &str, now: Timestamp) -> Key {
    let mut end = key(kind).moment(now).done();
    end = keys::behind(&end);
    end
}

impl Redb {
    /// Takes a look; when the disk refuses meanwhile, the next look opens the database again.
    fn look<T>(&self, ask: impl FnOnce(&Look) -> Result<T>) -> Result<T> {
        let answer = self.shared.look().and_then(|look| ask(&look));
        if let Err(StoreError::Away(_)) = &answer {
            self.shared.broken.store(true, std::sync::atomic::Ordering::Release);
        }
        answer
    }
}

impl Store for Redb {
    fn commit(&self, commit: Commit) -> Result<Receipt> {
        self.commit_one(commit)
    }

    fn commit_many(&self, commits: Vec<Commit>) -> Vec<Result<Receipt>> {
        self.commit_all(commits)
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
                Ok(true)
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
        self.look(|look| match look.first(&key("tm").hash(&[message_id]).done())? {
            Some(row) => look.transmission(number_of(&row).ok_or_else(|| damaged_key(&row))?).map(Some),
            None => Ok(None),
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
