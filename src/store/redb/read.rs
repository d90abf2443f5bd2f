//! The store at one moment (a read transaction), asked by walking as few rows as possible.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use redb::{ReadOnlyTable, ReadTransaction};
use serde::de::DeserializeOwned;

use super::keys::{self, Key, key, number_of};
use super::prepare::{Card, Mark};
use super::{BLOBS, INDEX, RAWS, RECORDS, Shared, State, blobs, damaged_key, told};
use crate::model::{Digest, Dossier, OrderNumber, Response, ResponseId, Sale, Timestamp, Transmission};
use crate::store::written::{self, Walk};
use crate::store::{MailFilter, MailRecord, ResponseFilter, Result, SaleFilter, StoreError, TransmissionFilter};

/// The store at one moment.
pub(super) struct Look {
    pub records: ReadOnlyTable<&'static [u8], &'static [u8]>,
    pub index: ReadOnlyTable<&'static [u8], ()>,
    pub raws: ReadOnlyTable<u64, &'static [u8]>,
    pub blobs: ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
}

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
    pub fn indexed<T: DeserializeOwned>(&self, key: &[u8]) -> Result<T> {
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

    pub fn walk_between(&self, start: &[u8], end: &[u8], mut each: impl FnMut(&[u8]) -> Result<bool>) -> Result<()> {
        for row in self.index.range(start..end).map_err(storage)? {
            if !each(row.map_err(storage)?.0.value())? {
                break;
            }
        }
        Ok(())
    }

    /// The numbers behind `prefix`, highest first, below `before`, that `keep` and no more than `limit`.
    pub fn newest(
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
    pub fn newest_records<T: DeserializeOwned>(
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

    pub fn first(&self, prefix: &[u8]) -> Result<Option<Key>> {
        let mut found = None;
        self.walk_index(prefix, |row| {
            found = Some(row.to_vec());
            Ok(false)
        })?;
        Ok(found)
    }

    pub fn dossier(&self, number: &OrderNumber) -> Result<Option<Dossier>> {
        let Some(mut dossier) = self.record::<Dossier>(&key("d").last(number.as_str()))? else { return Ok(None) };
        dossier.responses = self.responses_in(number, |_, _| true)?;
        Ok(Some(dossier))
    }

    fn responses_in(
        &self,
        number: &OrderNumber,
        wanted: impl Fn(ResponseId, &Mark) -> bool,
    ) -> Result<BTreeMap<ResponseId, Response>> {
        let Some(card) = self.record::<Card>(&key("c").last(number.as_str()))? else { return Ok(BTreeMap::new()) };
        let wanted = card.responses.iter().filter(|(id, mark)| wanted(**id, mark));
        wanted.map(|(id, _)| Ok((*id, self.response(*id)?))).collect()
    }

    fn response(&self, id: ResponseId) -> Result<Response> {
        self.indexed(&key("r").number(id.0).done())
    }

    pub fn mail(&self, id: u64) -> Result<MailRecord> {
        self.indexed(&key("m").number(id).done())
    }

    pub fn mail_with(&self, digest: &Digest) -> Result<Option<u64>> {
        let row = self.first(&key("md").bytes(&digest.0).done())?;
        row.map(|row| number_of(&row).ok_or_else(|| damaged_key(&row))).transpose()
    }

    pub fn transmission(&self, id: u64) -> Result<Transmission> {
        self.indexed(&key("t").number(id).done())
    }

    pub fn responses(&self, filter: &ResponseFilter) -> Result<Vec<Response>> {
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

    pub fn mails(&self, filter: &MailFilter) -> Result<Vec<MailRecord>> {
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

    pub fn transmissions(&self, filter: &TransmissionFilter) -> Result<Vec<Transmission>> {
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

    /// The one sale whose number stands behind `prefix`.
    pub fn sale_at(&self, prefix: &[u8]) -> Result<Option<Sale>> {
        let row = self.first(prefix)?;
        let id = row.map(|row| number_of(&row).ok_or_else(|| damaged_key(&row))).transpose()?;
        id.map(|id| self.indexed(&key("s").number(id).done())).transpose()
    }

    pub fn sales(&self, filter: &SaleFilter) -> Result<Vec<Sale>> {
        let SaleFilter { status, customer, before, limit } = filter;
        let before = before.map(|before| before.0);
        let wanted = |sale: &Sale| {
            status.is_none_or(|status| status == sale.status)
                && customer.as_ref().is_none_or(|customer| *customer == sale.customer)
        };
        let prefix = match (status, customer) {
            (Some(status), _) => key("ss").name(status.name()),
            (None, Some(customer)) => key("sc").name(customer.as_str()),
            (None, None) => return self.newest_records("s", before, *limit, wanted),
        };
        let mut found = Vec::new();
        self.newest(prefix.done(), before, *limit, |id| {
            let sale: Sale = self.indexed(&key("s").number(id).done())?;
            let keep = wanted(&sale);
            if keep {
                found.push(sale);
            }
            Ok(keep)
        })?;
        Ok(found)
    }

    pub fn blob(&self, shared: &Shared, digest: &Digest) -> Result<Option<Vec<u8>>> {
        if let Some(id) = self.mail_with(digest)?
            && let Some(row) = self.raws.get(id).map_err(storage)?
        {
            return shared.folder.unpack(blobs::RAW, digest, row.value()).map(Some);
        }
        let row = self.blobs.get(&digest.0).map_err(storage)?;
        row.map(|row| shared.folder.unpack(blobs::BLOB, digest, row.value())).transpose()
    }

    pub fn audit_verify(&self) -> Result<u64> {
        let (start, mut walk) = (key("a").done(), Walk::default());
        for row in self.records.range(start.as_slice()..keys::behind(&start).as_slice()).map_err(storage)? {
            let (key, kept) = row.map_err(storage)?;
            walk.step(written::read(key.value().escape_ascii(), kept.value())?)?;
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
pub(super) fn storage(error: redb::StorageError) -> StoreError {
    told(error.into())
}
