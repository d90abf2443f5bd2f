//! What one IMAP connection sees of its selected folder: sequence numbers, sets, searches, FETCH items.

use std::fmt::Write as _;
use std::num::NonZeroU32;

use imap_codec::imap_types::fetch::{MacroOrMessageDataItemNames, MessageDataItemName, Section};
use imap_codec::imap_types::flag::{Flag, StoreType};
use imap_codec::imap_types::search::SearchKey;
use imap_codec::imap_types::sequence::{SeqOrUid, Sequence, SequenceSet};

use super::fault::Fault;
use super::world::{StoredMail, World};

/// The selected folder as told to the client.
pub(super) struct View {
    pub folder: String,
    pub read_only: bool,
    /// UIDs by sequence number, as last told.
    pub uids: Vec<u32>,
}

impl View {
    /// Tells what changed since: EXPUNGE for each mail that went, EXISTS when some came.
    pub fn sync(&mut self, world: &World, account: &str, out: &mut String) {
        let now: Vec<u32> =
            world.look(account, &self.folder, |folder| folder.mails.keys().copied().collect()).unwrap_or_default();
        let mut at = 0;
        self.uids.retain(|uid| {
            let stays = now.binary_search(uid).is_ok();
            if stays {
                at += 1;
            } else {
                let _ = write!(out, "* {} EXPUNGE\r\n", at + 1);
            }
            stays
        });
        if now.len() > self.uids.len() {
            self.uids = now;
            let _ = write!(out, "* {} EXISTS\r\n* 0 RECENT\r\n", self.uids.len());
        }
    }

    /// The UIDs that a set names.
    pub fn resolve(&self, set: &SequenceSet, by_uid: bool) -> Vec<u32> {
        let last =
            if by_uid { self.uids.last().copied().unwrap_or(0) } else { u32::try_from(self.uids.len()).unwrap_or(0) };
        let value = |end: &SeqOrUid| match end {
            SeqOrUid::Value(value) => value.get(),
            SeqOrUid::Asterisk => last,
        };
        let within = |number: u32| {
            set.0.as_ref().iter().any(|part| match part {
                Sequence::Single(one) => value(one) == number,
                Sequence::Range(a, b) => (value(a).min(value(b))..=value(a).max(value(b))).contains(&number),
            })
        };
        let numbered = (1u32..).zip(self.uids.iter().copied());
        numbered.filter(|(number, uid)| within(if by_uid { *uid } else { *number })).map(|(_, uid)| uid).collect()
    }

    pub fn search(&self, mail: &StoredMail, key: &SearchKey<'_>) -> Option<bool> {
        let flagged = |flag: &str| mail.flags.contains(flag);
        Some(match key {
            SearchKey::All => true,
            SearchKey::And(keys) => {
                let found: Option<Vec<bool>> = keys.as_ref().iter().map(|key| self.search(mail, key)).collect();
                found?.into_iter().all(|found| found)
            }
            SearchKey::Or(a, b) => self.search(mail, a)? || self.search(mail, b)?,
            SearchKey::Not(key) => !self.search(mail, key)?,
            SearchKey::Uid(set) => self.resolve(set, true).contains(&mail.uid),
            SearchKey::SequenceSet(set) => self.resolve(set, false).contains(&mail.uid),
            SearchKey::Deleted => flagged("\\Deleted"),
            SearchKey::Undeleted => !flagged("\\Deleted"),
            SearchKey::Seen => flagged("\\Seen"),
            SearchKey::Unseen => !flagged("\\Seen"),
            _ => return None,
        })
    }
}

/// The answer to a FETCH of these mails, `None` for items the sandbox does not know.
pub(super) fn fetch(
    view: &View,
    mails: &[StoredMail],
    items: &MacroOrMessageDataItemNames<'_>,
    by_uid: bool,
    fault: Option<&Fault>,
) -> Option<Vec<u8>> {
    let items = match items {
        MacroOrMessageDataItemNames::Macro(_) => return None,
        MacroOrMessageDataItemNames::MessageDataItemNames(items) => items,
    };
    let mut out = Vec::new();
    for mail in mails {
        if matches!(fault, Some(Fault::Omit(uid)) if *uid == mail.uid) {
            continue;
        }
        let number = view.uids.iter().position(|uid| *uid == mail.uid)? + 1;
        out.extend_from_slice(format!("* {number} FETCH (").as_bytes());
        let mut first = true;
        if by_uid && !items.iter().any(|item| matches!(item, MessageDataItemName::Uid)) {
            out.extend_from_slice(format!("UID {}", mail.uid).as_bytes());
            first = false;
        }
        for item in items {
            if !first {
                out.push(b' ');
            }
            first = false;
            fetch_item(&mut out, mail, item, fault)?;
        }
        out.extend_from_slice(b")\r\n");
    }
    Some(out)
}

fn fetch_item(
    out: &mut Vec<u8>,
    mail: &StoredMail,
    item: &MessageDataItemName<'_>,
    fault: Option<&Fault>,
) -> Option<()> {
    match item {
        MessageDataItemName::Uid => out.extend_from_slice(format!("UID {}", mail.uid).as_bytes()),
        MessageDataItemName::Flags => {
            let flags: Vec<&str> = mail.flags.iter().map(String::as_str).collect();
            out.extend_from_slice(format!("FLAGS ({})", flags.join(" ")).as_bytes());
        }
        MessageDataItemName::Rfc822Size => {
            let size = match fault {
                Some(Fault::Size(size)) => *size,
                _ => u64::try_from(mail.raw.len()).ok()?,
            };
            out.extend_from_slice(format!("RFC822.SIZE {size}").as_bytes());
        }
        MessageDataItemName::InternalDate => out.extend_from_slice(b"INTERNALDATE \"22-Nov-2026 05:00:00 +0000\""),
        MessageDataItemName::BodyExt { section, partial, .. } => {
            let (name, bytes): (&str, &[u8]) = match section {
                None => ("", &mail.raw),
                Some(Section::Header(None)) => ("HEADER", header(&mail.raw)),
                Some(Section::Text(None)) => ("TEXT", mail.raw.get(header(&mail.raw).len()..)?),
                _ => return None,
            };
            let (origin, bytes) = match partial {
                None => (String::new(), bytes),
                Some((at, count)) => (format!("<{at}>"), part(bytes, *at, *count)),
            };
            out.extend_from_slice(format!("BODY[{name}]{origin} ").as_bytes());
            match fault {
                Some(Fault::Nil(uid)) if *uid == mail.uid => out.extend_from_slice(b"NIL"),
                _ => {
                    let extra = if let Some(Fault::LongLiteral(extra)) = fault { *extra } else { 0 };
                    out.extend_from_slice(format!("{{{}}}\r\n", bytes.len() + extra).as_bytes());
                    out.extend_from_slice(bytes);
                }
            }
        }
        _ => return None,
    }
    Some(())
}

fn header(raw: &[u8]) -> &[u8] {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n").map_or(raw.len(), |at| at + 4);
    raw.get(..end).unwrap_or(raw)
}

fn part(bytes: &[u8], at: u32, count: NonZeroU32) -> &[u8] {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    let end = at.saturating_add(usize::try_from(count.get()).unwrap_or(usize::MAX)).min(bytes.len());
    bytes.get(at..end).unwrap_or_default()
}

/// Changes the flags of mails.
pub(super) fn store(world: &World, account: &str, folder: &str, uids: &[u32], kind: &StoreType, flags: &[Flag<'_>]) {
    let flags: Vec<String> = flags.iter().map(Flag::to_string).collect();
    world.with(account, folder, |folder| {
        for uid in uids {
            let Some(mail) = folder.mails.get_mut(uid) else { continue };
            match kind {
                StoreType::Replace => mail.flags = flags.iter().cloned().collect(),
                StoreType::Add => mail.flags.extend(flags.iter().cloned()),
                StoreType::Remove => mail.flags.retain(|flag| !flags.contains(flag)),
            }
        }
    });
}
