//! Listing and fetching mails so that one bad mail never blocks the next and none is taken for absent.

use std::collections::{BTreeMap, BTreeSet};

use super::session::{Harvest, Refused, Session, Verdict, judge};
use super::{ImapMailbox, uids};
use crate::wire::header::{HEADER_BYTES_MAX, header_of};
use crate::wire::{Batch, Body, Fetched, MailKey, WireError};

/// Mails listed at a time: a SEARCH answer of 20,000 UIDs is about 150 KB.
const WINDOW: u32 = 20_000;
const TALK_BYTES_MAX: u64 = 4 << 20;
/// Pieces in which a mail is fetched that two connections broke over; smaller after each break without progress.
const PIECE_FIRST: usize = 64 << 10;
const PIECE_LEAST: usize = 512;
/// A mail is given up when the server, asked for it alone, refuses as often.
const REFUSALS_MAX: u32 = 2;
/// Connections lost over one mail before it is fetched in pieces.
const LOSSES_BEFORE_PIECES: u32 = 2;
const NOT_SHOWN: &str = "the server lists this mail and does not show it";

/// What is known of a mail that did not come when it was asked for.
#[derive(Debug)]
pub(super) struct Suspect {
    /// The server answered, but without this mail.
    refusals: u32,
    /// The connection broke while this mail alone was asked for.
    losses: u32,
    reason: String,
    /// What came of it in pieces.
    part: Vec<u8>,
    piece: usize,
}

impl Default for Suspect {
    fn default() -> Suspect {
        Suspect { refusals: 0, losses: 0, reason: String::new(), part: Vec::new(), piece: PIECE_FIRST }
    }
}

impl ImapMailbox {
    pub(super) async fn fetch_batch(&mut self, batch: Batch) -> Result<Vec<Fetched>, WireError> {
        self.connected().await?;
        if self.waiting.is_empty() {
            self.list().await?;
        }
        let mut taken = Vec::new();
        while taken.is_empty() && !self.waiting.is_empty() {
            let lot = self.next_lot(batch);
            let result = match lot.as_slice() {
                [only] if self.suspects.contains_key(only) => self.fetch_suspect(*only, batch, &mut taken).await,
                _ => self.fetch_lot(&lot, batch, &mut taken).await,
            };
            match result {
                Ok(()) => self.at_once = self.at_once.saturating_mul(2),
                Err(error) => {
                    self.blame(&lot, &taken, &error);
                    if taken.is_empty() {
                        return Err(error);
                    }
                    // What came whole is handed out; the next call connects again.
                    let _ = self.settle::<()>(Err(error));
                }
            }
        }
        taken.sort_by(|a: &Fetched, b| a.key.cmp(&b.key));
        self.handed.extend(taken.iter().filter_map(|mail| match mail.key {
            MailKey::Imap { uid, .. } => Some(uid),
            _ => None,
        }));
        Ok(taken)
    }

    /// Who may have broken the connection: one mail that was asked for alone, else too many at once. Nobody when the
    /// server said that it is busy.
    fn blame(&mut self, lot: &[u32], taken: &[Fetched], error: &WireError) {
        match (error, lot) {
            (WireError::Refused(_), _) => {}
            (WireError::Away(text), _) if matches!(judge(text), Refused::Busy(_)) => {}
            (_, [only]) => {
                let suspect = self.suspects.entry(*only).or_default();
                suspect.losses += 1;
                suspect.reason = error.to_string();
            }
            _ => self.at_once = (lot.len() / 2).max(taken.len()).max(1),
        }
    }

    /// Suspects come one by one, after all others.
    fn next_lot(&mut self, batch: Batch) -> Vec<u32> {
        let count = batch.count_max.min(self.at_once).min(self.settings.quirks.batch_max.unwrap_or(usize::MAX)).max(1);
        let innocent = self.waiting.iter().take_while(|uid| !self.suspects.contains_key(uid)).take(count).count();
        self.waiting.drain(..innocent.max(1).min(self.waiting.len())).collect()
    }

    /// Fills `waiting` with what lies in the folder and was not handed out. Mails marked as deleted are somebody's waste.
    async fn list(&mut self) -> Result<(), WireError> {
        let (session, is_new) = self.connected().await?;
        if !is_new && !session.has_news() {
            session.must("NOOP").await?;
        }
        session.news_read();
        let mut from = 1;
        loop {
            let Some(session) = self.session.as_mut() else {
                return Ok(());
            };
            let exists = session.exists;
            if exists < from {
                return Ok(());
            }
            let whole = from == 1 && exists <= WINDOW;
            let to = from.saturating_add(WINDOW - 1);
            let window = match (whole, to >= exists) {
                (true, _) => String::new(),
                (false, true) => format!("{from}:* "),
                (false, false) => format!("{from}:{to} "),
            };
            let found: BTreeSet<u32> = session.search(&format!("{window}UNDELETED")).await?.into_iter().collect();
            if whole {
                self.handed.retain(|uid| found.contains(uid));
                self.suspects.retain(|uid, _| found.contains(uid));
            }
            let (late, soon): (Vec<u32>, Vec<u32>) =
                found.difference(&self.handed).partition(|uid| self.suspects.contains_key(uid));
            self.waiting.extend(soon);
            self.waiting.extend(late);
            if !self.waiting.is_empty() {
                return Ok(());
            }
            from = to.saturating_add(1);
        }
    }

    fn session(&mut self) -> Result<&mut Session, WireError> {
        self.session.as_mut().ok_or_else(|| WireError::Away(format!("{}: not connected", self.settings.server)))
    }

    fn key(&self, uid: u32) -> MailKey {
        MailKey::Imap { uid_validity: self.uid_validity, uid }
    }

    /// The server answered, but not with this mail: it is tried alone after the others.
    fn suspect(&mut self, uid: u32, reason: String) {
        self.suspects.entry(uid).or_default().reason = reason;
        self.waiting.push_back(uid);
    }

    /// Sizes first, then the bodies of as many as fit.
    async fn fetch_lot(&mut self, lot: &[u32], batch: Batch, taken: &mut Vec<Fetched>) -> Result<(), WireError> {
        let sizes = self.sizes(lot).await?;
        let mut wanted = BTreeMap::new();
        let mut bytes = 0u64;
        let limit = self.size_limit(batch);
        let most = u64::try_from(batch.bytes_max).unwrap_or(u64::MAX);
        let mut rest = lot.iter();
        for uid in rest.by_ref() {
            match sizes.get(uid) {
                Some(size) if *size > limit => {
                    let header = self.header(*uid).await?;
                    taken.push(Fetched { key: self.key(*uid), size: *size, body: Body::TooLarge { header } });
                }
                Some(size) => {
                    wanted.insert(*uid, *size);
                    bytes = bytes.saturating_add(*size);
                    if bytes > most {
                        break;
                    }
                }
                // Gone, or left out.
                None => self.suspect(*uid, NOT_SHOWN.to_string()),
            }
        }
        for uid in rest.rev() {
            self.waiting.push_front(*uid);
        }
        for (uid, reason) in self.bodies(&wanted, batch, taken).await? {
            self.suspect(uid, reason);
        }
        Ok(())
    }

    fn size_limit(&self, batch: Batch) -> u64 {
        let limit = u64::try_from(batch.mail_bytes_max).unwrap_or(u64::MAX);
        if self.settings.quirks.sizes_estimated { limit.saturating_add(limit / 10) } else { limit }
    }

    /// The sizes the server states; a UID that is missing was not told.
    async fn sizes(&mut self, uids: &[u32]) -> Result<BTreeMap<u32, u64>, WireError> {
        let mut sizes = BTreeMap::new();
        for (set, members) in uids::sets(uids) {
            let session = self.session()?;
            let (verdict, harvest) =
                session.command(&format!("UID FETCH {set} (UID RFC822.SIZE)"), TALK_BYTES_MAX).await?;
            if let Verdict::Refused(text) = verdict {
                session.sort(&text)?;
            }
            let told = harvest.mails.iter().filter(|mail| members.binary_search(&mail.uid).is_ok());
            sizes.extend(told.filter_map(|mail| Some((mail.uid, mail.size?))));
        }
        Ok(sizes)
    }

    /// Takes the bodies that come; returns those that did not, each with the reason.
    async fn bodies(
        &mut self,
        wanted: &BTreeMap<u32, u64>,
        batch: Batch,
        taken: &mut Vec<Fetched>,
    ) -> Result<Vec<(u32, String)>, WireError> {
        let mut missing = Vec::new();
        let uids: Vec<u32> = wanted.keys().copied().collect();
        for (set, members) in uids::sets(&uids) {
            let stated: u64 = members.iter().filter_map(|uid| wanted.get(uid)).sum();
            let spare = u64::try_from(members.len()).unwrap_or(u64::MAX).saturating_mul(16 << 10);
            let allowed = stated.saturating_add(spare).saturating_add(self.size_limit(batch));
            let session = self.session()?;
            let (verdict, harvest) = session.fetch(&format!("UID FETCH {set} (UID BODY.PEEK[])"), allowed).await;
            let reason = match &verdict {
                Ok(Verdict::Ok) => NOT_SHOWN.to_string(),
                Ok(Verdict::Refused(text)) => {
                    session.sort(text)?;
                    text.clone()
                }
                Err(error) => error.to_string(),
            };
            let mut got = whole_bodies(harvest);
            for uid in members {
                match got.remove(&uid) {
                    Some(body) if body.len() <= batch.mail_bytes_max => {
                        let size = wanted.get(&uid).copied().unwrap_or_default();
                        taken.push(Fetched { key: self.key(uid), size, body: Body::Whole(body) });
                    }
                    // The stated size was far too small.
                    Some(body) => taken.push(self.too_large(uid, &body)),
                    None => missing.push((uid, reason.clone())),
                }
            }
            verdict?;
        }
        Ok(missing)
    }

    fn too_large(&self, uid: u32, body: &[u8]) -> Fetched {
        let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        Fetched { key: self.key(uid), size, body: Body::TooLarge { header: header_of(body) } }
    }

    /// The header of a mail that is not fetched; empty when the server does not give it.
    async fn header(&mut self, uid: u32) -> Result<Vec<u8>, WireError> {
        let command = format!("UID FETCH {uid} (UID BODY.PEEK[HEADER]<0.{HEADER_BYTES_MAX}>)");
        let session = self.session()?;
        let (verdict, harvest) = session.command(&command, TALK_BYTES_MAX).await?;
        if let Verdict::Refused(text) = verdict {
            session.sort(&text)?;
        }
        Ok(whole_bodies(harvest).remove(&uid).unwrap_or_default())
    }

    /// One mail that did not come among others: alone, then in pieces, then given up with the reason.
    async fn fetch_suspect(&mut self, uid: u32, batch: Batch, taken: &mut Vec<Fetched>) -> Result<(), WireError> {
        if self.suspects.get(&uid).is_some_and(|suspect| suspect.losses >= LOSSES_BEFORE_PIECES) {
            return self.fetch_in_pieces(uid, batch, taken).await;
        }
        let Some(reason) = self.fetch_alone(uid, batch, taken).await? else {
            self.suspects.remove(&uid);
            return Ok(());
        };
        let suspect = self.suspects.entry(uid).or_default();
        suspect.refusals += 1;
        suspect.reason.clone_from(&reason);
        if suspect.refusals >= REFUSALS_MAX {
            self.give_up(uid, reason, taken);
        } else {
            self.waiting.push_back(uid);
        }
        Ok(())
    }

    /// `None`: it came, or it is gone. Else why it did not come.
    async fn fetch_alone(
        &mut self,
        uid: u32,
        batch: Batch,
        taken: &mut Vec<Fetched>,
    ) -> Result<Option<String>, WireError> {
        if self.session()?.search(&format!("UID {uid} UNDELETED")).await?.is_empty() {
            return Ok(None);
        }
        let sizes = self.sizes(&[uid]).await?;
        match sizes.get(&uid) {
            None => Ok(Some(NOT_SHOWN.to_string())),
            Some(size) if *size > self.size_limit(batch) => {
                let header = self.header(uid).await?;
                taken.push(Fetched { key: self.key(uid), size: *size, body: Body::TooLarge { header } });
                Ok(None)
            }
            Some(_) => Ok(self.bodies(&sizes, batch, taken).await?.pop().map(|(_, reason)| reason)),
        }
    }

    fn give_up(&mut self, uid: u32, reason: String, taken: &mut Vec<Fetched>) {
        tracing::warn!(mailbox = %self.settings.name, uid, %reason, "a mail cannot be fetched");
        self.suspects.remove(&uid);
        self.waiting.retain(|waiting| *waiting != uid);
        taken.push(Fetched { key: self.key(uid), size: 0, body: Body::Unfetchable { reason } });
    }

    /// Piece by piece, going on where the last connection broke. Each break without progress makes the piece smaller.
    async fn fetch_in_pieces(&mut self, uid: u32, batch: Batch, taken: &mut Vec<Fetched>) -> Result<(), WireError> {
        let mut suspect = self.suspects.remove(&uid).unwrap_or_default();
        let before = suspect.part.len();
        let result = self.next_pieces(uid, batch, &mut suspect).await;
        match result {
            Ok(Pieces::Whole) => {
                let size = u64::try_from(suspect.part.len()).unwrap_or(u64::MAX);
                taken.push(Fetched { key: self.key(uid), size, body: Body::Whole(suspect.part) });
            }
            Ok(Pieces::TooLarge) => taken.push(self.too_large(uid, &suspect.part)),
            Ok(Pieces::Refused(reason)) => self.give_up(uid, reason, taken),
            Err(error) => {
                if suspect.part.len() == before {
                    suspect.piece /= 8;
                }
                if suspect.piece >= PIECE_LEAST {
                    self.suspects.insert(uid, suspect);
                    return Err(error);
                }
                self.give_up(uid, format!("every connection breaks over it: {error}"), taken);
                let _ = self.settle::<()>(Err(error));
            }
        }
        Ok(())
    }

    async fn next_pieces(&mut self, uid: u32, batch: Batch, suspect: &mut Suspect) -> Result<Pieces, WireError> {
        while suspect.part.len() <= batch.mail_bytes_max {
            let at = suspect.part.len();
            let command = format!("UID FETCH {uid} (UID BODY.PEEK[]<{at}.{}>)", suspect.piece);
            let session = self.session()?;
            let (verdict, harvest) = session.command(&command, TALK_BYTES_MAX).await?;
            if let Verdict::Refused(text) = verdict {
                session.sort(&text)?;
                return Ok(Pieces::Refused(text));
            }
            match whole_bodies(harvest).remove(&uid) {
                Some(piece) if piece.is_empty() && at > 0 => return Ok(Pieces::Whole),
                Some(piece) if !piece.is_empty() && piece.len() <= suspect.piece => suspect.part.extend(piece),
                // Past the end some servers answer NIL, as they do for a mail that is gone: ask how long it is.
                None if at > 0 && self.sizes(&[uid]).await?.get(&uid).copied() == u64::try_from(at).ok() => {
                    return Ok(Pieces::Whole);
                }
                _ => return Ok(Pieces::Refused(format!("not to be had in pieces either; {}", suspect.reason))),
            }
        }
        Ok(Pieces::TooLarge)
    }
}

enum Pieces {
    Whole,
    TooLarge,
    Refused(String),
}

/// The bodies that came, by UID; NIL is none.
fn whole_bodies(harvest: Harvest) -> BTreeMap<u32, Vec<u8>> {
    harvest.mails.into_iter().filter_map(|mail| Some((mail.uid, mail.body??))).collect()
}
