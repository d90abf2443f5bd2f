//! Connections to one relay, kept for the next message.

use std::time::Duration;

use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;

use super::dialogue::{Dialogue, Trouble};
use super::{RelayServer, SmtpSettings};
use crate::wire::Envelope;
use crate::wire::net::Timeouts;

pub(super) struct Pool {
    relay: RelayServer,
    hello: String,
    timeouts: Timeouts,
    idle_max: Duration,
    permits: Semaphore,
    /// The one used last is used first: the others may grow old and go.
    idle: Mutex<Vec<(Dialogue, Instant)>>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pool").field("relay", &self.relay).finish_non_exhaustive()
    }
}

impl Pool {
    pub fn new(relay: RelayServer, settings: &SmtpSettings) -> Pool {
        Pool {
            relay,
            hello: settings.hello.clone(),
            timeouts: settings.timeouts,
            idle_max: settings.idle,
            permits: Semaphore::new(settings.connections.clamp(1, 1000)),
            idle: Mutex::default(),
        }
    }

    /// Hands one message over. A kept connection that turns out to be dead is replaced once, as long as the message has
    /// not been sent.
    pub async fn send(&self, envelope: &Envelope, body: &[u8]) -> Result<String, Trouble> {
        let _permit = self.permits.acquire().await.map_err(|_| Trouble::Unreachable("closed".to_string()))?;
        if let Some(mut dialogue) = self.take().await {
            match dialogue.send(envelope, body).await {
                Err(Trouble::Unreachable(_)) => {}
                result => {
                    self.keep(dialogue).await;
                    return result;
                }
            }
        }
        let mut dialogue = self.open().await?;
        let result = dialogue.send(envelope, body).await;
        self.keep(dialogue).await;
        result
    }

    pub async fn probe(&self) -> Result<(), Trouble> {
        let dialogue = self.open().await?;
        self.keep(dialogue).await;
        Ok(())
    }

    async fn open(&self) -> Result<Dialogue, Trouble> {
        Dialogue::open(&self.relay, &self.hello, &self.timeouts).await
    }

    async fn take(&self) -> Option<Dialogue> {
        let mut idle = self.idle.lock().await;
        let fresh = Instant::now().checked_sub(self.idle_max);
        idle.retain(|(_, since)| fresh.is_none_or(|fresh| *since >= fresh));
        idle.pop().map(|(dialogue, _)| dialogue)
    }

    async fn keep(&self, dialogue: Dialogue) {
        if dialogue.sound {
            self.idle.lock().await.push((dialogue, Instant::now()));
        }
    }

    pub async fn close(&self) {
        let idle = std::mem::take(&mut *self.idle.lock().await);
        for (dialogue, _) in idle {
            dialogue.close().await;
        }
    }
}
