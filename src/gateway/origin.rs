//! Our own check of a mail's origin, for the rounds, which look at mails on plain threads; and the mails whose origin
//! could not be checked because DNS did not answer: they are kept, never believed, and looked at again.
//!
//! It must never know what DKIM or SPF are, nor what follows from a verdict.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Runtime;

use super::Gateway;
use crate::config::access::resolver;
use crate::config::{Loaded, OwnCheckConfig};
use crate::mail::Mail;
use crate::mail::dns::Dns;
use crate::mail::own_check::{self, OwnCheck};
use crate::model::MailId;
use crate::model::policy::Pause;
use crate::store::{MailFilter, StoreError};

/// Where mails lie whose origin could not be checked yet.
pub(super) const DEFERRED: &str = "deferred";
/// So many of them are looked at in one sweep, and for so long: other work waits.
const AGAIN_MAX: usize = 500;
const AGAIN_FOR: Duration = Duration::from_secs(10);
/// The first pause before a mail is looked at again; it doubles up to the longest.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_secs(30);
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_mins(30);

/// Asks DNS on a thread of its own.
pub struct OriginCheck {
    runtime: Option<Runtime>,
    dns: Arc<Dns>,
    wait: Duration,
    received_by: Option<Arc<str>>,
}

impl OriginCheck {
    /// As it is configured; `None` when our own mail server's word is all that counts.
    pub fn from_config(loaded: &Loaded) -> Result<Option<OriginCheck>, String> {
        let Some(config) = &loaded.config.gateway.own_check else { return Ok(None) };
        let wait = config.timeout()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("origin")
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let servers =
            config.resolvers.iter().map(|text| resolver(text)).collect::<Result<Vec<SocketAddr>, String>>()?;
        let dns = {
            let _inside = runtime.enter();
            if servers.is_empty() { Dns::system(wait)? } else { Dns::servers(&servers, wait)? }
        };
        let received_by = config.received_by.as_deref().map(Arc::from);
        Ok(Some(OriginCheck { runtime: Some(runtime), dns: Arc::new(dns), wait, received_by }))
    }

    /// What we find out about a mail; after the time limit, that DNS did not answer.
    pub fn check(&self, raw: &Arc<Vec<u8>>) -> OwnCheck {
        let late = || OwnCheck {
            unsure: Some("DNS did not answer in time".into()),
            temporary: true,
            from_domain: Mail::parse(raw).author().and_then(|author| author.domain()).unwrap_or_default(),
            ..OwnCheck::default()
        };
        let Some(runtime) = &self.runtime else { return late() };
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let (dns, raw, received_by) = (Arc::clone(&self.dns), Arc::clone(raw), self.received_by.clone());
        runtime.spawn(async move {
            let mail = Mail::parse(&raw);
            let _ = sender.send(own_check::check(&raw, &mail, &*dns, received_by.as_deref()).await);
        });
        receiver.recv_timeout(self.wait.saturating_mul(2)).unwrap_or_else(|_| late())
    }
}

impl Drop for OriginCheck {
    fn drop(&mut self) {
        // A reload may happen on a thread that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// When each deferred mail is looked at next; forgotten at a restart, after which all are due.
#[derive(Default)]
pub(super) struct Deferred(Mutex<BTreeMap<MailId, (Timestamp, SignedDuration)>>);

impl Deferred {
    fn is_due(&self, id: MailId, now: Timestamp) -> bool {
        let Ok(mut all) = self.0.lock() else { return true };
        match all.get_mut(&id) {
            Some((at, _)) if *at > now => false,
            Some((at, pause)) => {
                *pause = pause.saturating_add(*pause).min(LONGEST_PAUSE);
                *at = now.saturating_add(*pause).unwrap_or(now);
                true
            }
            None => {
                all.insert(id, (now.saturating_add(FIRST_PAUSE).unwrap_or(now), FIRST_PAUSE));
                true
            }
        }
    }

    fn keep_only(&self, waiting: &[MailId]) {
        if let Ok(mut all) = self.0.lock() {
            all.retain(|id, _| waiting.contains(id));
        }
    }
}

impl Gateway {
    /// So long a mail whose origin cannot be checked is looked at again; then it counts as not proved.
    pub(super) fn give_up_at(&self, received_at: Timestamp) -> Timestamp {
        let live = self.live();
        let pause = live.loaded.config.gateway.own_check.as_ref().map_or(Pause::NONE, OwnCheckConfig::give_up);
        pause.after(received_at, "UTC")
    }

    /// Mails that could not be checked are looked at again, oldest first.
    pub(super) fn look_again(&self) -> Result<(), StoreError> {
        let filter = MailFilter { drawer: Some(DEFERRED.into()), limit: AGAIN_MAX, ..MailFilter::default() };
        let mut waiting = self.store().mails(&filter)?;
        waiting.reverse();
        let ids: Vec<MailId> = waiting.iter().map(|record| record.id).collect();
        self.inner.deferred.keep_only(&ids);
        let began = Instant::now();
        for id in ids {
            if began.elapsed() > AGAIN_FOR {
                break;
            }
            if self.inner.deferred.is_due(id, self.now()) {
                let reply = self.rerun(id, "gateway")?;
                tracing::info!(mail = %id, "looked at again: {}", reply.value.pointer("/mail/drawer").and_then(|word| word.as_str()).unwrap_or(""));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A typing mistake in the address of the resolver would send every question nowhere.
    #[test]
    fn servers_are_addresses() {
        for (text, wanted) in [("9.9.9.9", "9.9.9.9:53"), ("127.0.0.1:5353", "127.0.0.1:5353"), ("::1", "[::1]:53")] {
            assert_eq!(resolver(text).unwrap().to_string(), wanted);
        }
        assert!(resolver("dns.example").is_err());
    }

    /// With DNS down for a day, thousands of mails would be looked at every minute.
    #[test]
    fn pauses_double() {
        let deferred = Deferred::default();
        let start: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let mut looked = Vec::new();
        for second in 0..7_200 {
            if deferred.is_due(MailId(1), start + SignedDuration::from_secs(second)) {
                looked.push(second);
            }
        }
        assert_eq!(looked, [0, 30, 90, 210, 450, 930, 1890, 3690, 5490]);
        deferred.keep_only(&[]);
        assert!(deferred.is_due(MailId(1), start));
    }
}
