//! A commit made ready to be written: everything that takes time and needs no look at the store (checking,
//! serializing, compressing, hashing) is done by the caller, so that the one writer only looks and writes.

use std::collections::BTreeMap;
use std::mem;

use serde::{Deserialize, Serialize};

use super::blobs::{self, Folder};
use super::keys::{Key, key};
use crate::model::{
    Alarm, AuditEntry, Digest, Dossier, MailId, OrderNumber, PartnerId, ResponseId, Sale, Status, Timestamp,
    Transmission, TransmissionId, TransmissionStatus,
};
use crate::store::{
    Commit, Content, DossierChange, MailRecord, MailTaken, Result, StoreError, TokenRecord, sound, written,
};

pub(super) struct Prepared {
    pub mails: Vec<Mail>,
    pub dossiers: Vec<Change>,
    pub sales: Vec<(Sale, Vec<u8>)>,
    pub transmissions: Vec<(Transmission, Vec<u8>)>,
    pub blobs: Vec<(Digest, Vec<u8>)>,
    pub tokens: Vec<(TokenRecord, Vec<u8>)>,
    pub alarms: Vec<(Alarm, Vec<u8>)>,
    pub audit: Vec<AuditEntry>,
    pub notes: Vec<(String, Vec<u8>)>,
    /// Bytes to be written, so that a group does not grow too large.
    pub weight: usize,
    /// Some of its bytes lie in files whose names are not on disk for sure yet.
    pub has_files: bool,
}

pub(super) struct Mail {
    pub record: MailRecord,
    pub written: Vec<u8>,
    pub raw: Option<Vec<u8>>,
}

pub(super) struct Change {
    pub number: OrderNumber,
    /// The revision it was decided on.
    pub revision: u64,
    pub card: Card,
    pub written_card: Vec<u8>,
    pub written: Vec<u8>,
    pub responses: BTreeMap<ResponseId, Vec<u8>>,
}

/// The little that a writer must know of a dossier: what it is found by, and what stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Card {
    pub revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_due: Option<Timestamp>,
    /// There is an order in it.
    #[serde(default)]
    pub registered: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<SupplierNumber>,
    pub responses: BTreeMap<ResponseId, Mark>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SupplierNumber {
    pub number: String,
    pub partners: Vec<PartnerId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    pub status: Status,
    pub partner: PartnerId,
}

impl Prepared {
    /// Writes large bytes to files beside the store; the rest stays in memory.
    pub fn new(commit: Commit, folder: &Folder) -> Result<Prepared> {
        sound::check(&commit).map_err(StoreError::Invalid)?;
        let mut has_files = false;
        let mut pack = |kind, content: &Content| -> Result<Vec<u8>> {
            let packed = folder.pack(kind, &content.digest(), content.bytes())?;
            has_files |= blobs::is_file(&packed);
            Ok(packed)
        };
        let mut mails = Vec::with_capacity(commit.mails.len());
        for MailTaken { record, raw } in commit.mails {
            let raw = raw.map(|raw| pack(blobs::RAW, &raw)).transpose()?;
            mails.push(Mail { written: written::write(&record)?, record, raw });
        }
        let mut packed = Vec::with_capacity(commit.blobs.len());
        for blob in commit.blobs {
            packed.push((blob.digest(), pack(blobs::BLOB, &blob)?));
        }
        let mut prepared = Prepared {
            mails,
            dossiers: commit.dossiers.into_iter().map(Change::new).collect::<Result<_>>()?,
            sales: with_written(commit.sales.into_iter().map(|mut sale| {
                sale.revision += 1;
                sale
            }))?,
            transmissions: with_written(commit.transmissions.into_iter().map(|mut transmission| {
                transmission.revision += 1;
                transmission
            }))?,
            blobs: packed,
            tokens: with_written(commit.tokens.into_iter())?,
            alarms: with_written(commit.alarms.into_iter())?,
            audit: commit.audit,
            notes: commit
                .notes
                .into_iter()
                .map(|(name, text)| Ok((name, written::write(&text)?)))
                .collect::<Result<_>>()?,
            weight: 0,
            has_files,
        };
        prepared.weight = prepared.weigh();
        Ok(prepared)
    }

    fn weigh(&self) -> usize {
        let mails = self.mails.iter().map(|mail| mail.written.len() + mail.raw.as_ref().map_or(0, Vec::len));
        let dossiers = self.dossiers.iter().map(|change| {
            change.written.len() + change.written_card.len() + change.responses.values().map(Vec::len).sum::<usize>()
        });
        let sales = self.sales.iter().map(|(_, bytes)| bytes.len());
        let sends = self.transmissions.iter().map(|(_, bytes)| bytes.len());
        let blobs = self.blobs.iter().map(|(_, bytes)| bytes.len());
        let tokens = self.tokens.iter().map(|(_, bytes)| bytes.len());
        let notes = self.notes.iter().map(|(_, bytes)| bytes.len());
        let small = 512 * (1 + self.alarms.len() + self.audit.len());
        mails.chain(dossiers).chain(sales).chain(sends).chain(blobs).chain(tokens).chain(notes).sum::<usize>() + small
    }
}

fn with_written<T: Serialize>(values: impl Iterator<Item = T>) -> Result<Vec<(T, Vec<u8>)>> {
    values.map(|value| written::write(&value).map(|bytes| (value, bytes))).collect()
}

impl Change {
    fn new(change: DossierChange) -> Result<Change> {
        let DossierChange { mut dossier, touched } = change;
        let revision = dossier.revision;
        dossier.revision += 1;
        let card = Card::of(&dossier);
        let mut responses = mem::take(&mut dossier.responses);
        responses.retain(|id, _| touched.contains(id));
        let responses = responses.iter().map(|(id, response)| Ok((*id, written::write(response)?)));
        Ok(Change {
            revision,
            responses: responses.collect::<Result<_>>()?,
            written_card: written::write(&card)?,
            written: written::write(&dossier)?,
            number: dossier.number,
            card,
        })
    }
}

impl Card {
    pub fn of(dossier: &Dossier) -> Card {
        let supplier = dossier.order.as_ref().and_then(|order| {
            let partners = order.partners().cloned().collect();
            Some(SupplierNumber { number: order.supplier_order_number.clone()?, partners })
        });
        let mark = |(id, response): (&ResponseId, &crate::model::Response)| {
            (*id, Mark { status: response.status, partner: response.partner.clone() })
        };
        Card {
            revision: dossier.revision,
            next_due: dossier.next_due,
            registered: dossier.order.is_some(),
            supplier,
            responses: dossier.responses.iter().map(mark).collect(),
        }
    }

    /// The rows of the index that find the dossier and its responses.
    pub fn index(&self, number: &OrderNumber) -> Vec<Key> {
        let number = number.as_str();
        let mut keys = Vec::with_capacity(3 + 2 * self.responses.len());
        if self.registered {
            keys.push(key("do").last(number));
        }
        keys.extend(self.next_due.map(|at| key("dd").moment(at).last(number)));
        for partner in self.supplier.iter().flat_map(|supplier| &supplier.partners) {
            let said = self.supplier.as_ref().map_or("", |supplier| &supplier.number);
            keys.push(key("ds").hash(&[partner.as_str(), said]).last(number));
        }
        for (id, mark) in &self.responses {
            keys.push(key("rs").name(mark.status.name()).number(id.0).done());
            keys.push(key("rp").name(mark.partner.as_str()).number(id.0).done());
        }
        keys
    }
}

/// The rows of the index that find a mail; `kept` = its bytes are there.
pub(super) fn index_mail(mail: &MailRecord, kept: bool) -> Vec<Key> {
    let MailId(id) = mail.id;
    let mut keys = vec![
        key("md").bytes(&mail.digest.0).number(id).done(),
        key("mw").name(&mail.drawer).number(id).done(),
        key("mt").moment(mail.received_at).number(id).done(),
    ];
    keys.extend(mail.message_id.as_deref().map(|words| key("mm").hash(&[words]).number(id).done()));
    keys.extend(mail.order.as_ref().map(|order| key("mo").name(order.as_str()).number(id).done()));
    if kept {
        keys.push(key("mk").name(&mail.drawer).moment(mail.received_at).number(id).done());
    }
    keys
}

/// The transmission that its Message-ID names (`T17.…`): it is found without a row, which would lie anywhere in the
/// index and cost every commit a page for each of its letters.
pub(super) fn named_in(message_id: &str) -> Option<TransmissionId> {
    message_id.split_once('.')?.0.parse().ok()
}

/// The row that finds a transmission by a Message-ID that does not name it. Earlier versions wrote it for each.
pub(super) fn index_message_id(transmission: &Transmission) -> Key {
    key("tm").hash(&[&transmission.message_id]).number(transmission.id.0).done()
}

/// The rows of the index that find a transmission.
pub(super) fn index_transmission(transmission: &Transmission) -> Vec<Key> {
    let id = transmission.id.0;
    let mut keys = vec![key("ts").name(transmission.status.name()).number(id).done()];
    if named_in(&transmission.message_id) != Some(transmission.id) {
        keys.push(index_message_id(transmission));
    }
    if transmission.status == TransmissionStatus::DoPush {
        let at = transmission.next_retry.unwrap_or(Timestamp::MIN);
        keys.push(key("td").moment(at).number(id).done());
    }
    keys.extend(transmission.response.map(|response| key("tr").number(response.0).number(id).done()));
    keys.extend(transmission.order.as_ref().map(|order| key("to").name(order.as_str()).number(id).done()));
    keys
}

/// The rows of the index that find a sale.
pub(super) fn index_sale(sale: &Sale) -> Vec<Key> {
    let id = sale.id.0;
    let mut keys = vec![
        key("ss").name(sale.status.name()).number(id).done(),
        key("sc").name(sale.customer.as_str()).number(id).done(),
        key("so").name(sale.order.as_str()).number(id).done(),
        key("sn").hash(&[sale.customer.as_str(), &sale.number]).number(id).done(),
    ];
    keys.extend(sale.due.map(|at| key("sd").moment(at).number(id).done()));
    keys
}

pub(super) fn index_token(token: &TokenRecord) -> Key {
    key("kt").number(token.transmission.0).bytes(&token.hash.0).done()
}

/// The row of the index that finds an alarm while it stands.
pub(super) fn index_alarm(alarm: &Alarm) -> Option<Key> {
    alarm.ended_at.is_none().then(|| key("lo").number(alarm.id.0).done())
}
