//! Looks at every row and works out again what others were derived from: the index, the counts, the chain of
//! the audit log, the digests of all bytes. Says nothing when all is as it was written.

use redb::ReadableTableMetadata;

use super::keys::{Key, key, number_of};
use super::prepare::{
    Card, index_alarm, index_mail, index_message_id, index_sale, index_token, index_transmission, named_in,
};
use super::read::Look;
use super::{Redb, Shared, blobs, damaged_key, told};
use crate::model::{Alarm, Digest, Dossier, OrderNumber, Response, Sale, Transmission};
use crate::store::{Counts, MailRecord, Result, StoreError, TokenRecord, written};

impl Redb {
    /// Reads the whole store; `Damaged` names the first row that is not as it should be. Returns how many
    /// records there are.
    pub fn verify(&self) -> Result<u64> {
        let look = self.shared.look()?;
        let mut found = Found::default();
        let mut records = 0;
        for row in look.records.range::<&[u8]>(..).map_err(|e| told(e.into()))? {
            let (key, kept) = row.map_err(|e| told(e.into()))?;
            found.record(&look, key.value(), kept.value())?;
            records += 1;
        }
        found.bytes(&self.shared, &look)?;
        found.compare(&look)?;
        crate::store::Store::audit_verify(self)?;
        Ok(records)
    }
}

#[derive(Default)]
struct Found {
    /// Rows that the index must have, and has.
    index: u64,
    counts: Counts,
    file_bytes: u64,
}

impl Found {
    /// The index has these rows.
    fn indexed(&mut self, look: &Look, rows: impl IntoIterator<Item = Key>) -> Result<()> {
        for row in rows {
            if look.index.get(row.as_slice()).map_err(|e| told(e.into()))?.is_none() {
                return Err(StoreError::Damaged(format!("the index lacks the row `{}`", row.escape_ascii())));
            }
            self.index += 1;
        }
        Ok(())
    }

    fn record(&mut self, look: &Look, key: &[u8], kept: &[u8]) -> Result<()> {
        let name = key.escape_ascii();
        let Some((kind, rest)) = key.split_first() else { return Err(damaged_key(key)) };
        match kind {
            b'm' => {
                let mail: MailRecord = written::read(name, kept)?;
                let has_bytes = look.raws.get(mail.id.0).map_err(|e| told(e.into()))?.is_some();
                self.indexed(look, index_mail(&mail, has_bytes))?;
                *self.counts.mails.entry(mail.drawer).or_default() += 1;
            }
            b'c' => self.card(look, rest, &written::read(name, kept)?)?,
            b't' => {
                let sent: Transmission = written::read(name, kept)?;
                self.indexed(look, index_transmission(&sent))?;
                let early = index_message_id(&sent);
                if named_in(&sent.message_id) == Some(sent.id)
                    && look.index.get(early.as_slice()).map_err(|e| told(e.into()))?.is_some()
                {
                    self.index += 1;
                }
                let by_status = self.counts.transmissions.entry(sent.kind.name().into()).or_default();
                *by_status.entry(sent.status.name().into()).or_default() += 1;
            }
            b's' => {
                let sale: Sale = written::read(name, kept)?;
                self.indexed(look, index_sale(&sale))?;
                *self.counts.sales.entry(sale.status.name().into()).or_default() += 1;
            }
            b'k' => self.indexed(look, [index_token(&written::read::<TokenRecord>(name, kept)?)])?,
            b'l' => {
                let row = index_alarm(&written::read::<Alarm>(name, kept)?);
                self.counts.alarms_open += u64::from(row.is_some());
                self.indexed(look, row)?;
            }
            b'r' => {
                let response: Response = written::read(&name, kept)?;
                let card = look.record::<Card>(&super::keys::key("c").last(response.order.as_str()))?;
                if !card.is_some_and(|card| card.responses.contains_key(&response.id)) {
                    return Err(StoreError::Damaged(format!("dossier {} knows nothing of {name}", response.order)));
                }
            }
            b'd' | b'a' | b'n' | b'=' => {}
            _ => return Err(damaged_key(key)),
        }
        Ok(())
    }

    /// The card must say what the dossier and its responses say.
    fn card(&mut self, look: &Look, number: &[u8], card: &Card) -> Result<()> {
        let number = std::str::from_utf8(number).map_err(|_| damaged_key(number))?;
        let damaged = |words: &str| StoreError::Damaged(format!("dossier {number}: {words}"));
        let dossier = look.record::<Dossier>(&key("d").last(number))?;
        let mut dossier = dossier.ok_or_else(|| damaged("there is a card alone"))?;
        for id in card.responses.keys() {
            let response = look.record::<Response>(&key("r").number(id.0).done())?;
            dossier.responses.insert(*id, response.ok_or_else(|| damaged("a response is missing"))?);
        }
        if Card::of(&dossier) != *card {
            return Err(damaged("its card says something else"));
        }
        for response in dossier.responses.values() {
            *self.counts.responses.entry(response.status.name().into()).or_default() += 1;
        }
        self.counts.orders += u64::from(card.registered);
        self.indexed(look, card.index(&OrderNumber::new(number)))
    }

    /// All bytes have their digests, and the files that they need.
    fn bytes(&mut self, shared: &Shared, look: &Look) -> Result<()> {
        for row in look.raws.range::<u64>(..).map_err(|e| told(e.into()))? {
            let (id, row) = row.map_err(|e| told(e.into()))?;
            let mail = look.record::<MailRecord>(&key("m").number(id.value()).done())?;
            let nobody = || StoreError::Damaged(format!("bytes of mail {} without the mail", id.value()));
            self.one(shared, look, blobs::RAW, &mail.ok_or_else(nobody)?.digest, row.value())?;
        }
        for row in look.blobs.range::<&[u8; 32]>(..).map_err(|e| told(e.into()))? {
            let (digest, row) = row.map_err(|e| told(e.into()))?;
            self.one(shared, look, blobs::BLOB, &Digest(*digest.value()), row.value())?;
        }
        Ok(())
    }

    fn one(&mut self, shared: &Shared, look: &Look, kind: char, digest: &Digest, row: &[u8]) -> Result<()> {
        shared.folder.unpack(kind, digest, row)?;
        if let Some(bytes) = blobs::file_bytes(row) {
            self.indexed(look, [blobs::index_file(kind, digest)])?;
            self.file_bytes += bytes;
        }
        Ok(())
    }

    fn compare(&self, look: &Look) -> Result<()> {
        let stored = look.index.len().map_err(|e| told(e.into()))?;
        if stored != self.index {
            return Err(StoreError::Damaged(format!("the index has {stored} rows instead of {}", self.index)));
        }
        let state = look.state()?;
        if state.counts != self.counts || state.file_bytes != self.file_bytes {
            let words = format!("counts {:?} instead of {:?}", state.counts, self.counts);
            return Err(StoreError::Damaged(words));
        }
        let highest = |kind: &str| -> Result<u64> {
            let start = key(kind).done();
            let mut rows = look.records.range(start.as_slice()..super::keys::behind(&start).as_slice());
            let last = rows.as_mut().ok().and_then(|rows| rows.next_back()).transpose().map_err(|e| told(e.into()))?;
            Ok(last.and_then(|(key, _)| number_of(key.value())).unwrap_or(0))
        };
        for (kind, name) in [("m", "mail"), ("r", "response"), ("t", "transmission"), ("l", "alarm"), ("s", "sale")] {
            if highest(kind)? > state.used.get(name).copied().unwrap_or(0) {
                return Err(StoreError::Damaged(format!("{name} numbers would be given twice")));
            }
        }
        Ok(())
    }
}
