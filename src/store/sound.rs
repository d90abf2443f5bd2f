//! Whether a commit is sound in itself, whatever a store holds: one rule for all keepers. Knows no keeper.

use std::collections::BTreeSet;

use crate::model::Dossier;

use super::{Commit, DossierChange, MailTaken};

/// The longest name (order number, partner, drawer, note) that a keeper takes, in bytes.
pub(super) const NAME_MAX: usize = 1024;
/// The largest mail or blob, in bytes.
pub(super) const BLOB_MAX: usize = 1 << 30;

/// What contradicts itself in this commit.
pub(super) fn check(commit: &Commit) -> Result<(), String> {
    let mut digests = BTreeSet::new();
    for mail in &commit.mails {
        check_mail(mail)?;
        if !digests.insert(mail.record.digest) {
            return Err(format!("the bytes of mail {} stand in it twice", mail.record.id));
        }
    }
    once("mail", commit.mails.iter().map(|mail| mail.record.id))?;
    once("dossier", commit.dossiers.iter().map(|change| &change.dossier.number))?;
    once("response", commit.dossiers.iter().flat_map(|change| &change.touched))?;
    once("sale", commit.sales.iter().map(|sale| sale.id))?;
    once("sale of", commit.sales.iter().map(|sale| format!("{} {}", sale.customer, sale.number)))?;
    once("sale called", commit.sales.iter().map(|sale| &sale.order))?;
    for sale in &commit.sales {
        name("a customer", sale.customer.as_str())?;
        name("a customer's order number", &sale.number)?;
        name("an order number", sale.order.as_str())?;
    }
    once("transmission", commit.transmissions.iter().map(|transmission| transmission.id))?;
    once("token", commit.tokens.iter().map(|token| token.hash))?;
    once("alarm", commit.alarms.iter().map(|alarm| alarm.id))?;
    once("note", commit.notes.iter().map(|note| &note.0))?;
    commit.dossiers.iter().try_for_each(check_dossier)?;
    commit.blobs.iter().try_for_each(|blob| size("a blob", blob.bytes().len()))?;
    commit.notes.iter().try_for_each(|note| name("a note", &note.0))
}

fn check_mail(mail: &MailTaken) -> Result<(), String> {
    let record = &mail.record;
    name("a drawer", &record.drawer)?;
    if let Some(order) = &record.order {
        name("an order number", order.as_str())?;
    }
    let Some(raw) = &mail.raw else { return Ok(()) };
    size("a mail", raw.bytes().len())?;
    let digest = raw.digest();
    if digest != record.digest {
        return Err(format!("mail {} says digest {} and its bytes have {digest}", record.id, record.digest));
    }
    Ok(())
}

fn check_dossier(change: &DossierChange) -> Result<(), String> {
    let Dossier { number, responses, order, .. } = &change.dossier;
    name("an order number", number.as_str())?;
    if let Some(order) = order.as_ref().filter(|order| order.order_number != *number) {
        return Err(format!("order {} lies in dossier {number}", order.order_number));
    }
    for (id, response) in responses {
        if response.id != *id || response.order != *number {
            return Err(format!("{} of order {} lies as {id} in dossier {number}", response.id, response.order));
        }
        name("a partner", response.partner.as_str())?;
    }
    match change.touched.iter().find(|id| !responses.contains_key(id)) {
        Some(id) => Err(format!("{id} was touched and is not in dossier {number}")),
        None => Ok(()),
    }
}

fn once<K: Ord + std::fmt::Display>(what: &str, keys: impl Iterator<Item = K>) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for key in keys {
        if seen.contains(&key) {
            return Err(format!("{what} {key} stands in it twice"));
        }
        seen.insert(key);
    }
    Ok(())
}

fn name(what: &str, name: &str) -> Result<(), String> {
    if name.len() > NAME_MAX { Err(format!("{what} of {} bytes (at most {NAME_MAX})", name.len())) } else { Ok(()) }
}

fn size(what: &str, bytes: usize) -> Result<(), String> {
    if bytes > BLOB_MAX { Err(format!("{what} of {bytes} bytes (at most {BLOB_MAX})")) } else { Ok(()) }
}
