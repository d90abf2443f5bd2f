//! Moving mails out of the inbox, and making sure that they went.

use super::greet::quote;
use super::session::{Session, Verdict};
use super::{ImapMailbox, uids};
use crate::wire::{Drawer, MailKey, WireError};

/// Mails a command: bounded so that one command does not take a slow server minutes.
const MOVED_AT_ONCE: usize = 500;
const TALK_BYTES_MAX: u64 = 4 << 20;
const PUT_ATTEMPTS: usize = 4;

impl ImapMailbox {
    pub(super) async fn file_all(&mut self, filings: &[(MailKey, Drawer)]) -> Result<(), WireError> {
        if filings.is_empty() {
            return Ok(());
        }
        self.connected().await?;
        for drawer in [Drawer::Processed, Drawer::Review] {
            let validity = self.uid_validity;
            // UIDs of another validity name other mails now. Theirs are fetched again, known again and filed then.
            let uids: Vec<u32> = filings
                .iter()
                .filter_map(|(key, wanted)| match key {
                    MailKey::Imap { uid_validity, uid } if *wanted == drawer && *uid_validity == validity => Some(*uid),
                    _ => None,
                })
                .collect();
            let folder = match drawer {
                Drawer::Processed => self.settings.processed.clone(),
                Drawer::Review => self.settings.review.clone(),
            };
            for lot in uids.chunks(MOVED_AT_ONCE) {
                for (set, members) in uids::sets(lot) {
                    let no_move = self.settings.quirks.no_move;
                    let (session, _) = self.connected().await?;
                    if session.capabilities.has("MOVE") && !no_move {
                        session.move_out(&set, &members, &folder).await?;
                    } else {
                        session.copy_out(&set, &members, &folder).await?;
                    }
                    for uid in &members {
                        self.handed.remove(uid);
                        self.suspects.remove(uid);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Session {
    /// RFC 6851.
    async fn move_out(&mut self, set: &str, members: &[u32], folder: &str) -> Result<(), WireError> {
        let copied = self.put_into("UID MOVE", members, folder).await?;
        self.verify_gone(set, members, &copied).await
    }

    /// Without MOVE: copy, mark as deleted, remove just these. Without UIDPLUS a plain EXPUNGE would also remove what
    /// others marked, so it is given only when nothing else is marked; otherwise ours stay behind, marked, and are not
    /// fetched again.
    async fn copy_out(&mut self, set: &str, members: &[u32], folder: &str) -> Result<(), WireError> {
        let there = self.still_there(members).await?;
        self.put_into("UID COPY", &there, folder).await?;
        for (set, _) in uids::sets(&there) {
            self.must(&format!("UID STORE {set} +FLAGS.SILENT (\\Deleted)")).await?;
        }
        if self.capabilities.has("UIDPLUS") {
            self.must(&format!("UID EXPUNGE {set}")).await?;
        } else {
            let marked = self.search("DELETED").await?;
            if !marked.is_empty() && marked.iter().all(|uid| members.binary_search(uid).is_ok()) {
                self.must("EXPUNGE").await?;
            }
        }
        self.verify_gone(set, members, &[]).await
    }

    /// COPY or MOVE. A folder that is missing is created; a command refused because others were faster is given again for
    /// the mails that are left. Returns the UIDs the server says it took.
    async fn put_into(&mut self, word: &str, members: &[u32], folder: &str) -> Result<Vec<u32>, WireError> {
        let name = quote(&self.wire_name(folder));
        let mut left = members.to_vec();
        let mut copied = Vec::new();
        let mut why = String::new();
        for attempt in 0..PUT_ATTEMPTS {
            let mut refused = None;
            for (set, _) in uids::sets(&left) {
                let (verdict, harvest) = self.command(&format!("{word} {set} {name}"), TALK_BYTES_MAX).await?;
                copied.extend(harvest.copied);
                if let Verdict::Refused(text) = verdict {
                    refused = Some(text);
                    break;
                }
            }
            let Some(text) = refused else {
                return Ok(copied);
            };
            self.sort(&text)?;
            if attempt == 0 {
                self.create(folder).await?;
            }
            left = self.still_there(&left).await?;
            why = text;
        }
        // RFC 5530: somebody else removes mails as fast as we ask for them.
        if why.to_ascii_uppercase().contains("EXPUNGEISSUED") {
            return Err(self.away(&why));
        }
        Err(WireError::Refused(format!("mails cannot be filed in `{folder}`: {why}")))
    }

    async fn still_there(&mut self, members: &[u32]) -> Result<Vec<u32>, WireError> {
        let mut there = Vec::new();
        for (set, members) in uids::sets(members) {
            there.extend(only(&self.search(&format!("UID {set} UNDELETED")).await?, &members));
        }
        Ok(there)
    }

    /// OK is given for mails that are not there as well as for mails that were moved: look.
    async fn verify_gone(&mut self, set: &str, members: &[u32], copied: &[u32]) -> Result<(), WireError> {
        if members.iter().all(|uid| copied.contains(uid)) {
            return Ok(());
        }
        match only(&self.search(&format!("UID {set} UNDELETED")).await?, members).as_slice() {
            [] => Ok(()),
            [first, ..] => Err(self.away(&format!("said it moved mail UID {first}, but it is still there"))),
        }
    }
}

fn only(found: &[u32], members: &[u32]) -> Vec<u32> {
    found.iter().copied().filter(|uid| members.binary_search(uid).is_ok()).collect()
}
