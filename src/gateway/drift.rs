//! Drift: how far what a mapping reads agrees with the orders, kept per mapping across restarts. When the
//! agreement falls suddenly, the partner's layout has changed: what is read then is held and one alarm is
//! raised, rather than that every approver (or the partner) gets a mail for each.
//!
//! What is held goes on when a person lets it, when the mapping was mended (it is read anew), or when it
//! agrees again. Beside it: what shadow mappings read otherwise than the live one, to be reported only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::desk::Reply;
use super::{Gateway, Live};
use crate::mapping::agreement::Agreement;
use crate::mapping::drift::Drift;
use crate::mapping::{MailReading, compare};
use crate::model::{AlarmKind, Digest, Fault, HeadState, Message, Order, OrderNumber, PartnerId, ResponseId, Status};
use crate::process::{Input, Reread};
use crate::store::{Commit, ResponseFilter, StoreError};

/// The names of all mappings that are watched.
const INDEX: &str = "drift";
/// Held responses looked through at a time.
const HELD_MAX: usize = 10_000;
/// Differences of a shadow mapping that are kept, the newest last.
const SHADOW_WORDS_MAX: usize = 20;

/// What is known of one mapping of one partner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Watched {
    /// Of the mapping's text; another one means that it was mended.
    version: Option<Digest>,
    drift: Drift,
    messages: u64,
    /// The agreement of the last message, in percent.
    last_percent: u8,
    last_at: Option<Timestamp>,
    /// The alarm stands; set when it starts, so that a restart ends it too.
    alarmed: bool,
}

/// What a shadow mapping read beside the live one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Shadowed {
    mails: u64,
    same: u64,
    differences: Vec<String>,
}

/// What came of judging one message.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    name: String,
    held: bool,
    /// Of the drift that it was the first to show.
    words: Option<String>,
}

impl Judged {
    /// The mapping because of which it is held.
    pub fn held(&self) -> Option<String> {
        self.held.then(|| self.name.clone())
    }
}

/// What is known of all mappings since the start. The store has it, too, but mails of one batch are read and judged before
/// the first of them is committed.
#[derive(Default)]
pub(super) struct WatchedAll {
    drifts: BTreeMap<String, Watched>,
    shadows: BTreeMap<String, Shadowed>,
    /// Names that were seen in the store's list.
    listed: BTreeSet<String>,
}

impl Gateway {
    /// Takes in what a mapping read of an order; once for each message, however often it is decided.
    pub(super) fn judge(
        &self,
        mapping: &str,
        partner: &PartnerId,
        (message, faults): (&Message, &[Fault]),
        order: &Order,
    ) -> Result<Option<Judged>, StoreError> {
        let Some(share) = share(message, faults, order, partner) else { return Ok(None) };
        let name = key(mapping, partner);
        let version = version(&self.live(), &name);
        // Mails are decided side by side: each counts, on top of the one before.
        let mut all = self.inner.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let mut watched = match all.drifts.get(&name) {
            Some(known) => known.clone(),
            None => self.watched_before(&name)?,
        };
        if watched.version != version {
            // A mended mapping has no past.
            watched = Watched { version, alarmed: watched.alarmed, ..Watched::default() };
        }
        let fallen = watched.drift.is_fallen(share);
        let words = watched.drift.feed_share(share);
        watched.messages += 1;
        watched.last_percent = percent(share);
        watched.last_at = Some(self.now());
        watched.alarmed |= watched.drift.holds();
        let held = watched.drift.holds() && fallen;
        all.drifts.insert(name.clone(), watched);
        Ok(Some(Judged { name, held, words }))
    }

    /// What a judgement leaves in a commit: the alarm where none stands, and the count. A commit that is thrown away and
    /// decided again must bring both again, or nobody would hear of what is held.
    pub(super) fn note_judged(&self, commit: &mut Commit, judged: &Judged) -> Result<(), StoreError> {
        let watched = self.watched(&judged.name)?;
        if watched.drift.holds() {
            let words = judged.words.as_deref();
            let words = words.unwrap_or("what it reads agrees with the orders much less than usual");
            let subject = subject(&judged.name);
            self.raise_alarm(commit, AlarmKind::MappingDrift, &subject, words, None, None, self.now());
        }
        self.note_watched(commit, &judged.name, &watched)
    }

    /// Shadow mappings only report.
    pub(super) fn report_shadows(&self, reading: &MailReading, commit: &mut Commit) -> Result<(), StoreError> {
        let mut names: Vec<&str> = reading.shadows.iter().map(|shadow| shadow.mapping.as_str()).collect();
        names.dedup();
        for name in names {
            let read: Vec<_> = reading.shadows.iter().filter(|shadow| shadow.mapping == name).cloned().collect();
            let mut differences = Vec::new();
            compare::messages(&reading.messages, &read, &mut differences);
            let faults = read.iter().flat_map(|shadow| &shadow.faults).map(|fault| fault.message.clone());
            let mut words: Vec<String> = differences.iter().map(ToString::to_string).chain(faults).collect();
            tracing::info!(mapping = name, differs = words.len(), "a shadow mapping read beside the live one");
            let mut all = self.inner.watched.lock().unwrap_or_else(PoisonError::into_inner);
            let mut shadowed = match all.shadows.get(name) {
                Some(known) => known.clone(),
                None => self.shadowed_before(name)?,
            };
            shadowed.mails += 1;
            shadowed.same += u64::from(words.is_empty());
            words.truncate(SHADOW_WORDS_MAX);
            shadowed.differences.extend(words);
            let excess = shadowed.differences.len().saturating_sub(SHADOW_WORDS_MAX);
            shadowed.differences.drain(..excess);
            note(commit, shadow_note(name), &shadowed);
            all.shadows.insert(name.to_string(), shadowed);
        }
        Ok(())
    }

    /// Mappings whose alarm stands: mended ones are read with again, and what agrees again goes on.
    pub(super) fn review_drift(&self) -> Result<(), StoreError> {
        let live = self.live();
        for name in self.watched_names()? {
            let mut watched = self.watched(&name)?;
            if !watched.alarmed {
                continue;
            }
            let version = version(&live, &name);
            if watched.version != version {
                tracing::info!(mapping = %name, "mended: what was held is read anew");
                watched = Watched { version, ..Watched::default() };
                self.end_drift(&name, watched, "gateway", "the mapping was changed")?;
                self.let_go(&name, "mapping mended", |_| true)?;
            } else if !watched.drift.holds() {
                let left = self.let_go(&name, "mapping reads as usual", |share| !watched.drift.is_fallen(share))?;
                if left == 0 {
                    self.end_drift(&name, watched, "gateway", "it agrees as usual")?;
                }
            }
        }
        Ok(())
    }

    /// A person looked: what the mapping reads is right, whatever it was before.
    pub(super) fn release_mapping(&self, name: &str, by: &str) -> Result<Reply, StoreError> {
        let Some(name) = self.watched_names()?.into_iter().find(|known| known == name) else {
            return Ok(Reply::refused(format!("nothing was read by a mapping `{name}`")));
        };
        let watched = self.watched(&name)?;
        if !watched.alarmed {
            return Ok(Reply::refused(format!("nothing is held because of `{name}`")));
        }
        let settled = Watched { version: watched.version, messages: watched.messages, ..Watched::default() };
        self.end_drift(&name, settled, by, "released by a person")?;
        let before = self.held(&name)?.len();
        let left = self.let_go(&name, by, |_| true)?;
        Ok(Reply::done(json!({"v": 1, "mapping": name, "released": before.saturating_sub(left)})))
    }

    /// The mapping that an alarm's subject names.
    pub(super) fn mapping_of_alarm(subject: &str) -> Option<&str> {
        subject.strip_prefix("mapping ")
    }

    fn end_drift(&self, name: &str, watched: Watched, by: &str, why: &str) -> Result<(), StoreError> {
        let mut commit = Commit::default();
        commit.audit.push(self.audit(by, "mapping drift ended", name, why));
        self.end_alarm(&mut commit, AlarmKind::MappingDrift, &subject(name), self.now());
        self.keep(&mut commit, name, Watched { alarmed: false, ..watched })?;
        self.commit_extra(commit)
    }

    /// Reads what is held anew and lets go what may; returns how many stay held.
    fn let_go(&self, name: &str, by: &str, may: impl Fn(f64) -> bool) -> Result<usize, StoreError> {
        let mut by_order: BTreeMap<OrderNumber, BTreeMap<ResponseId, Reread>> = BTreeMap::new();
        let mut stay = 0;
        for response in self.held(name)? {
            let record = response.mail.map(|id| self.store().mail(id)).transpose()?.flatten();
            let raw = record.as_ref().map(|record| self.store().blob(&record.digest)).transpose()?.flatten();
            let reread = record.zip(raw).and_then(|(record, raw)| self.read_again(&raw, &record, &response));
            let order = self.store().dossier(&response.order)?.and_then(|dossier| dossier.order);
            let said = reread.as_ref().map_or(&response.message, |reread| &reread.message);
            let faults = reread.as_ref().map_or(&response.course.read_faults, |reread| &reread.faults);
            let agrees = order.and_then(|order| share(said, faults, &order, &response.partner)).unwrap_or(0.0);
            if !may(agrees) {
                stay += 1;
                continue;
            }
            let all = by_order.entry(response.order.clone()).or_default();
            let kept = Reread { message: response.message.clone(), faults: response.course.read_faults.clone() };
            all.insert(response.id, reread.unwrap_or(kept));
        }
        for (order, rereads) in by_order {
            let input = Input::HoldOver { mapping: name.to_string(), rereads, by: by.to_string() };
            self.decide_one(&order, input)?;
        }
        Ok(stay)
    }

    fn held(&self, name: &str) -> Result<Vec<crate::model::Response>, StoreError> {
        let mut found = Vec::new();
        for status in [Status::WaitPending, Status::WaitMerge] {
            let filter = ResponseFilter { status: Some(status), limit: HELD_MAX, ..Default::default() };
            found.extend(self.store().responses(&filter)?);
        }
        found.retain(|response| response.course.held.as_deref() == Some(name));
        found.reverse();
        Ok(found)
    }

    fn watched(&self, name: &str) -> Result<Watched, StoreError> {
        let known = self.inner.watched.lock().unwrap_or_else(PoisonError::into_inner).drifts.get(name).cloned();
        known.map_or_else(|| self.watched_before(name), Ok)
    }

    /// As the store has it, from before the last restart.
    fn watched_before(&self, name: &str) -> Result<Watched, StoreError> {
        let note = self.store().note(&drift_note(name))?;
        Ok(note.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    fn shadowed_before(&self, name: &str) -> Result<Shadowed, StoreError> {
        let note = self.store().note(&shadow_note(name))?;
        Ok(note.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    fn keep(&self, commit: &mut Commit, name: &str, watched: Watched) -> Result<(), StoreError> {
        self.note_watched(commit, name, &watched)?;
        self.inner.watched.lock().unwrap_or_else(PoisonError::into_inner).drifts.insert(name.to_string(), watched);
        Ok(())
    }

    fn note_watched(&self, commit: &mut Commit, name: &str, watched: &Watched) -> Result<(), StoreError> {
        note(commit, drift_note(name), watched);
        if self.inner.watched.lock().unwrap_or_else(PoisonError::into_inner).listed.contains(name) {
            return Ok(());
        }
        // Names never leave the list. One is known to be on it when it was seen there: until then each commit brings the
        // whole list, whichever of them lands last.
        let stored = self.stored_names()?;
        if stored.iter().any(|known| known == name) {
            self.inner.watched.lock().unwrap_or_else(PoisonError::into_inner).listed.insert(name.to_string());
            return Ok(());
        }
        let mut names = self.watched_names()?;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_string());
        }
        note(commit, INDEX.into(), &names);
        Ok(())
    }

    fn stored_names(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.store().note(INDEX)?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// All that were ever watched: those in the store, and those of this moment.
    fn watched_names(&self) -> Result<Vec<String>, StoreError> {
        let mut names = self.stored_names()?;
        let all = self.inner.watched.lock().unwrap_or_else(PoisonError::into_inner);
        names.extend(all.drifts.keys().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
        Ok(names)
    }

    /// For `status`: every mapping with its agreement, what is held because of it, and what shadows read.
    pub(super) fn mappings_json(&self) -> Result<Vec<Json>, StoreError> {
        let mut all = Vec::new();
        for name in self.watched_names()? {
            let watched = self.watched(&name)?;
            let held = if watched.alarmed { self.held(&name)?.len() } else { 0 };
            all.push(json!({"name": name, "messages": watched.messages, "usual_percent": percent(watched.drift.level()),
                "last_percent": watched.last_percent, "last_at": watched.last_at, "drifts": watched.alarmed, "held": held}));
        }
        let live = self.live();
        for mapping in live.library.mappings.iter().filter(|m| m.status == crate::mapping::Status::Shadow) {
            let known = {
                let all = self.inner.watched.lock().unwrap_or_else(PoisonError::into_inner);
                all.shadows.get(&mapping.name).cloned()
            };
            let shadowed = known.map_or_else(|| self.shadowed_before(&mapping.name), Ok)?;
            all.push(json!({"name": mapping.name, "shadow": true, "messages": shadowed.mails, "same": shadowed.same, "differences": shadowed.differences}));
        }
        Ok(all)
    }
}

/// Several messages of one mail are judged in one commit, in which a note stands once.
fn note(commit: &mut Commit, name: String, value: &impl Serialize) {
    commit.notes.retain(|(known, _)| *known != name);
    commit.notes.push((name, serde_json::to_string(value).unwrap_or_default()));
}

fn drift_note(name: &str) -> String {
    format!("drift {name}")
}

fn shadow_note(name: &str) -> String {
    format!("shadow {name}")
}

/// Mappings carry their partner in their name; standards do not.
fn key(mapping: &str, partner: &PartnerId) -> String {
    if mapping.contains('/') { mapping.to_string() } else { format!("{partner} {mapping}") }
}

fn subject(name: &str) -> String {
    format!("mapping {name}")
}

fn version(live: &Live, name: &str) -> Option<Digest> {
    live.library.get(name).map(|mapping| Digest::of(mapping.text.as_bytes()))
}

fn percent(share: f64) -> u8 {
    (share * 100.0).round().clamp(0.0, 100.0) as u8
}

/// The agreement of a message from 0 to 1; what could not be read in a line counts against it. `None`: there
/// is nothing to compare.
fn share(message: &Message, faults: &[Fault], order: &Order, partner: &PartnerId) -> Option<f64> {
    let bare = matches!(message.state(), Some(HeadState::Accepted | HeadState::Canceled | HeadState::Received));
    if message.lines.is_empty() && bare {
        return None;
    }
    let agreed = Agreement::of(message, order, partner).believed();
    let broken: std::collections::BTreeSet<usize> = faults.iter().filter_map(|fault| fault.line).collect();
    let whole = message.lines.is_empty() || faults.iter().any(|fault| fault.line.is_none());
    let unread =
        if whole && !faults.is_empty() { 1.0 } else { broken.len() as f64 / message.lines.len().max(1) as f64 };
    Some(agreed * (1.0 - 0.5 * unread.min(1.0)))
}
