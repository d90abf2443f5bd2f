//! The tables within one transaction. A commit that is refused leaves nothing in the transaction that it
//! shares with others: [`Rows::check`] looks at all of it before [`Rows::write`] writes anything.

use std::collections::BTreeMap;

use redb::{Database, ReadableTable, Table, WriteTransaction};

use super::keys::{Key, key};
use super::prepare::{
    Card, Change, Mail, Prepared, index_alarm, index_mail, index_sale, index_token, index_transmission,
};
use super::{BLOBS, INDEX, RAWS, RECORDS, State, blobs, damaged_key, keys};
use crate::model::{Alarm, Digest, MailId, ResponseId, Sale, SaleId, Timestamp, Transmission};
use crate::store::{MailRecord, Result, StoreError, TokenRecord, written};

/// Why a transaction ended.
pub(super) enum Trouble {
    /// This commit alone cannot land.
    Refused(StoreError),
    /// Nothing of the transaction can.
    Broken(redb::Error),
}

impl From<redb::StorageError> for Trouble {
    fn from(error: redb::StorageError) -> Trouble {
        Trouble::Broken(error.into())
    }
}

impl From<redb::TableError> for Trouble {
    fn from(error: redb::TableError) -> Trouble {
        Trouble::Broken(error.into())
    }
}

fn refused<T>(error: StoreError) -> std::result::Result<T, Trouble> {
    Err(Trouble::Refused(error))
}

fn sound<T>(result: Result<T>) -> std::result::Result<T, Trouble> {
    result.map_err(Trouble::Refused)
}

type Written<T> = std::result::Result<T, Trouble>;

/// Two-phase and with the allocator's state, so that it opens in milliseconds after a crash.
pub(super) fn durable(mut transaction: WriteTransaction) -> WriteTransaction {
    transaction.set_two_phase_commit(true);
    transaction.set_quick_repair(true);
    transaction
}

/// What every database has before its first commit.
pub(super) fn make_tables(database: &Database) -> std::result::Result<(), redb::Error> {
    let transaction = durable(database.begin_write()?);
    transaction.open_table(RECORDS)?;
    transaction.open_table(INDEX)?;
    transaction.open_table(RAWS)?;
    transaction.open_table(BLOBS)?;
    Ok(transaction.commit()?)
}

/// The tables within a transaction.
pub(super) struct Rows<'t> {
    records: Table<'t, &'static [u8], &'static [u8]>,
    index: Table<'t, &'static [u8], ()>,
    raws: Table<'t, u64, &'static [u8]>,
    blobs: Table<'t, &'static [u8; 32], &'static [u8]>,
}

/// What stood before, as far as it is replaced.
#[derive(Default)]
pub(super) struct Stood {
    mails: BTreeMap<MailId, MailRecord>,
    cards: Vec<Option<Card>>,
    sales: Vec<Option<Sale>>,
    transmissions: Vec<Option<Transmission>>,
    tokens: Vec<Option<TokenRecord>>,
    alarms: Vec<Option<Alarm>>,
}

impl<'t> Rows<'t> {
    pub fn open(transaction: &'t WriteTransaction) -> Written<Rows<'t>> {
        Ok(Rows {
            records: transaction.open_table(RECORDS)?,
            index: transaction.open_table(INDEX)?,
            raws: transaction.open_table(RAWS)?,
            blobs: transaction.open_table(BLOBS)?,
        })
    }

    fn record<T: serde::de::DeserializeOwned>(&self, key: &[u8]) -> Written<Option<T>> {
        match self.records.get(key)? {
            Some(kept) => sound(written::read(key.escape_ascii(), kept.value())).map(Some),
            None => Ok(None),
        }
    }

    pub fn state(&self) -> Written<State> {
        Ok(self.record(b"=")?.unwrap_or_default())
    }

    pub fn save(&mut self, state: &State) -> Written<()> {
        self.records.insert(b"=".as_slice(), sound(written::write(state))?.as_slice())?;
        Ok(())
    }

    /// The mail with these bytes.
    fn mail_with(&self, digest: &Digest) -> Written<Option<MailId>> {
        let prefix = key("md").bytes(&digest.0).done();
        let end = keys::behind(&prefix);
        match self.index.range(prefix.as_slice()..end.as_slice())?.next() {
            Some(row) => {
                let found = row?.0;
                let id = keys::number_of(found.value()).ok_or_else(|| Trouble::Refused(damaged_key(found.value())))?;
                Ok(Some(MailId(id)))
            }
            None => Ok(None),
        }
    }

    /// Everything that can refuse the commit; nothing is written.
    pub fn check(&self, commit: &Prepared) -> Written<Stood> {
        let mut stood = Stood::default();
        for mail in &commit.mails {
            if let Some(record) = self.check_mail(mail)? {
                stood.mails.insert(record.id, record);
            }
        }
        for change in &commit.dossiers {
            stood.cards.push(self.check_dossier(change)?);
        }
        for (sale, _) in &commit.sales {
            stood.sales.push(self.check_sale(sale)?);
        }
        for (transmission, _) in &commit.transmissions {
            let stored: Option<Transmission> = self.record(&key("t").number(transmission.id.0).done())?;
            if stored.as_ref().map_or(0, |stored| stored.revision) + 1 != transmission.revision {
                return refused(StoreError::Stale(transmission.id.to_string()));
            }
            stood.transmissions.push(stored);
        }
        for (token, _) in &commit.tokens {
            stood.tokens.push(self.record(&key("k").bytes(&token.hash.0).done())?);
        }
        for (alarm, _) in &commit.alarms {
            stood.alarms.push(self.record(&key("l").number(alarm.id.0).done())?);
        }
        Ok(stood)
    }

    fn check_mail(&self, mail: &Mail) -> Written<Option<MailRecord>> {
        let record = &mail.record;
        match self.mail_with(&record.digest)? {
            Some(id) if mail.raw.is_some() || id != record.id => return refused(StoreError::Known(id)),
            _ => {}
        }
        let stored: Option<MailRecord> = self.record(&key("m").number(record.id.0).done())?;
        match stored {
            Some(stored) if stored.digest != record.digest => {
                refused(StoreError::Invalid(format!("mail {} has other bytes", record.id)))
            }
            stored => Ok(stored),
        }
    }

    fn check_dossier(&self, change: &Change) -> Written<Option<Card>> {
        let number = &change.number;
        let stored: Option<Card> = self.record(&key("c").last(number.as_str()))?;
        if stored.as_ref().map_or(0, |card| card.revision) != change.revision {
            return refused(StoreError::Stale(format!("order {number}")));
        }
        let invalid = |words: String| refused(StoreError::Invalid(words));
        let stood = stored.as_ref().map(|card| &card.responses);
        for id in stood.into_iter().flat_map(|responses| responses.keys()) {
            if !change.card.responses.contains_key(id) {
                return invalid(format!("{id} is missing in dossier {number}"));
            }
        }
        for (id, mark) in &change.card.responses {
            let touched = change.responses.contains_key(id);
            match stood.and_then(|responses| responses.get(id)) {
                Some(old) if !touched && old != mark => return invalid(format!("{id} moved and was not touched")),
                Some(_) => {}
                None if !touched => return invalid(format!("{id} is new and was not touched")),
                None => self.check_new(*id)?,
            }
        }
        Ok(stored)
    }

    /// Two sales of one name would be one order taken twice: whoever comes second looks again.
    fn check_sale(&self, sale: &Sale) -> Written<Option<Sale>> {
        let stored: Option<Sale> = self.record(&key("s").number(sale.id.0).done())?;
        let mut stale = stored.as_ref().map_or(0, |stored| stored.revision) + 1 != sale.revision;
        for prefix in
            [key("sn").hash(&[sale.customer.as_str(), &sale.number]).done(), key("so").name(sale.order.as_str()).done()]
        {
            let end = keys::behind(&prefix);
            for row in self.index.range(prefix.as_slice()..end.as_slice())? {
                let found = row?.0;
                stale |= keys::number_of(found.value()).map(SaleId) != Some(sale.id);
            }
        }
        if stale { refused(StoreError::Stale(sale.id.to_string())) } else { Ok(stored) }
    }

    fn check_new(&self, id: ResponseId) -> Written<()> {
        match self.record::<crate::model::Response>(&key("r").number(id.0).done())? {
            Some(other) => refused(StoreError::Invalid(format!("{id} lies in dossier {}", other.order))),
            None => Ok(()),
        }
    }

    /// Writes a commit that was found good.
    pub fn write(&mut self, commit: &Prepared, stood: &Stood, state: &mut State) -> Written<()> {
        for mail in &commit.mails {
            self.write_mail(mail, stood.mails.get(&mail.record.id), state)?;
        }
        for (change, card) in commit.dossiers.iter().zip(&stood.cards) {
            self.write_dossier(change, card.as_ref(), state)?;
        }
        for ((sale, bytes), before) in commit.sales.iter().zip(&stood.sales) {
            self.write_sale(sale, bytes, before.as_ref(), state)?;
        }
        for ((transmission, bytes), before) in commit.transmissions.iter().zip(&stood.transmissions) {
            self.write_transmission(transmission, bytes, before.as_ref(), state)?;
        }
        for (digest, row) in &commit.blobs {
            if self.blobs.insert(&digest.0, row.as_slice())?.is_none() {
                self.note_file(blobs::BLOB, digest, row, state)?;
            }
        }
        for ((token, bytes), before) in commit.tokens.iter().zip(&stood.tokens) {
            self.put(key("k").bytes(&token.hash.0).done(), bytes)?;
            self.move_index(before.iter().map(index_token).collect(), vec![index_token(token)])?;
        }
        for ((alarm, bytes), before) in commit.alarms.iter().zip(&stood.alarms) {
            self.write_alarm(alarm, bytes, before.as_ref(), state)?;
        }
        for entry in &commit.audit {
            let entry = written::chained(entry.clone(), state.audit_count + 1, state.audit_chain);
            self.put(key("a").number(entry.number).done(), &sound(written::write(&entry))?)?;
            (state.audit_count, state.audit_chain) = (entry.number, entry.chain);
        }
        for (name, text) in &commit.notes {
            self.put(key("n").last(name), text)?;
        }
        state.sequence += 1;
        Ok(())
    }

    fn put(&mut self, key: Key, bytes: &[u8]) -> Written<()> {
        self.records.insert(key.as_slice(), bytes)?;
        Ok(())
    }

    /// Removes the rows that do not hold any more and adds the new ones.
    fn move_index(&mut self, mut before: Vec<Key>, mut now: Vec<Key>) -> Written<()> {
        before.sort_unstable();
        now.sort_unstable();
        for key in before.iter().filter(|key| now.binary_search(key).is_err()) {
            self.index.remove(key.as_slice())?;
        }
        for key in now.iter().filter(|key| before.binary_search(key).is_err()) {
            self.index.insert(key.as_slice(), ())?;
        }
        Ok(())
    }

    fn note_file(&mut self, kind: char, digest: &Digest, row: &[u8], state: &mut State) -> Written<()> {
        if let Some(bytes) = blobs::file_bytes(row) {
            self.index.insert(blobs::index_file(kind, digest).as_slice(), ())?;
            state.file_bytes += bytes;
        }
        Ok(())
    }

    fn write_mail(&mut self, mail: &Mail, before: Option<&MailRecord>, state: &mut State) -> Written<()> {
        let MailRecord { id, digest, drawer, .. } = &mail.record;
        let kept = match &mail.raw {
            Some(row) => {
                self.raws.insert(id.0, row.as_slice())?;
                self.note_file(blobs::RAW, digest, row, state)?;
                true
            }
            None => before.is_some() && self.raws.get(id.0)?.is_some(),
        };
        self.put(key("m").number(id.0).done(), &mail.written)?;
        self.move_index(
            before.map_or_else(Vec::new, |before| index_mail(before, kept)),
            index_mail(&mail.record, kept),
        )?;
        if let Some(before) = before {
            less(&mut state.counts.mails, &before.drawer);
        }
        more(&mut state.counts.mails, drawer);
        state.use_number("mail", id.0);
        Ok(())
    }

    fn write_dossier(&mut self, change: &Change, before: Option<&Card>, state: &mut State) -> Written<()> {
        let number = change.number.as_str();
        self.put(key("c").last(number), &change.written_card)?;
        self.put(key("d").last(number), &change.written)?;
        let index = before.map_or_else(Vec::new, |card| card.index(&change.number));
        self.move_index(index, change.card.index(&change.number))?;
        for (id, bytes) in &change.responses {
            self.put(key("r").number(id.0).done(), bytes)?;
            if let Some(mark) = before.and_then(|card| card.responses.get(id)) {
                less(&mut state.counts.responses, mark.status.name());
            }
            if let Some(mark) = change.card.responses.get(id) {
                more(&mut state.counts.responses, mark.status.name());
            }
            state.use_number("response", id.0);
        }
        let registered = [before.is_some_and(|card| card.registered), change.card.registered];
        match registered {
            [false, true] => state.counts.orders += 1,
            [true, false] => state.counts.orders = state.counts.orders.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    fn write_sale(&mut self, sale: &Sale, bytes: &[u8], before: Option<&Sale>, state: &mut State) -> Written<()> {
        self.put(key("s").number(sale.id.0).done(), bytes)?;
        self.move_index(before.map_or_else(Vec::new, index_sale), index_sale(sale))?;
        if let Some(before) = before {
            less(&mut state.counts.sales, before.status.name());
        }
        more(&mut state.counts.sales, sale.status.name());
        state.use_number("sale", sale.id.0);
        Ok(())
    }

    fn write_transmission(
        &mut self,
        transmission: &Transmission,
        bytes: &[u8],
        before: Option<&Transmission>,
        state: &mut State,
    ) -> Written<()> {
        self.put(key("t").number(transmission.id.0).done(), bytes)?;
        self.move_index(before.map_or_else(Vec::new, index_transmission), index_transmission(transmission))?;
        let counts = &mut state.counts.transmissions;
        if let Some(before) = before
            && let Some(by_status) = counts.get_mut(before.kind.name())
        {
            less(by_status, before.status.name());
            counts.retain(|_, by_status| !by_status.is_empty());
        }
        more(counts.entry(transmission.kind.name().to_string()).or_default(), transmission.status.name());
        state.use_number("transmission", transmission.id.0);
        Ok(())
    }

    fn write_alarm(&mut self, alarm: &Alarm, bytes: &[u8], before: Option<&Alarm>, state: &mut State) -> Written<()> {
        let before: Vec<Key> = before.and_then(index_alarm).into_iter().collect();
        let now: Vec<Key> = index_alarm(alarm).into_iter().collect();
        state.counts.alarms_open = (state.counts.alarms_open + now.len() as u64).saturating_sub(before.len() as u64);
        self.put(key("l").number(alarm.id.0).done(), bytes)?;
        self.move_index(before, now)?;
        state.use_number("alarm", alarm.id.0);
        Ok(())
    }

    /// Forgets bytes, oldest first; those that lie in files are named in `files`.
    pub fn forget(&mut self, drawer: &str, before: Timestamp, limit: usize, files: &mut Vec<Digest>) -> Written<u64> {
        let prefix = key("mk").name(drawer);
        let start = prefix.done();
        let end = key("mk").name(drawer).moment(before).done();
        let mut forgotten = Vec::new();
        for row in self.index.range(start.as_slice()..end.as_slice())?.take(limit) {
            forgotten.push(row?.0.value().to_vec());
        }
        let mut state = self.state()?;
        for row in &forgotten {
            let id = keys::number_of(row).ok_or_else(|| Trouble::Refused(damaged_key(row)))?;
            self.index.remove(row.as_slice())?;
            let bytes = self.raws.remove(id)?.and_then(|kept| blobs::file_bytes(kept.value()));
            if let Some(bytes) = bytes {
                let mail: Option<MailRecord> = self.record(&key("m").number(id).done())?;
                let mail = mail.ok_or_else(|| Trouble::Refused(damaged_key(row)))?;
                self.index.remove(blobs::index_file(blobs::RAW, &mail.digest).as_slice())?;
                state.file_bytes = state.file_bytes.saturating_sub(bytes);
                files.push(mail.digest);
            }
        }
        self.save(&state)?;
        Ok(forgotten.len() as u64)
    }
}

impl State {
    fn use_number(&mut self, sequence: &str, number: u64) {
        match self.used.get_mut(sequence) {
            Some(highest) => *highest = number.max(*highest),
            None => drop(self.used.insert(sequence.to_string(), number)),
        }
    }
}

fn more(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => drop(counts.insert(name.to_string(), 1)),
    }
}

/// A count of nothing is not told.
fn less(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        *count = count.saturating_sub(1);
        if *count == 0 {
            counts.remove(name);
        }
    }
}
