//! SMTP relays as a [`Relay`]: pooled connections, several servers, answers sorted by what to do.
//!
//! Knows SMTP and nothing of what mails say. lettre speaks the dialogue; the sockets are ours, because lettre's own never
//! switch off Nagle's algorithm and so wait 40 ms a mail (21 mails/s over one connection instead of hundreds).

mod body;
mod dialogue;
mod pool;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use self::dialogue::Trouble;
use self::pool::Pool;
use super::login::Login;
use super::net::{Server, Timeouts, Trust};
use super::{Accepted, Envelope, Refusal, Relay};

/// One server that takes our mails.
#[derive(Clone, Debug)]
pub struct RelayServer {
    pub server: Server,
    pub trust: Trust,
    pub login: Option<Login>,
}

/// Where mails are handed to, in the order of preference.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    pub relays: Vec<RelayServer>,
    /// Connections to each relay at the same time.
    pub connections: usize,
    /// How we call ourselves in EHLO: a host name, or an address literal such as `[127.0.0.1]`.
    pub hello: String,
    /// A connection that was idle longer is not used again: servers close them without a word.
    pub idle: Duration,
    /// `read`: each answer of the dialogue. `command`: the answer to a whole message (RFC 5321 asks for 10 minutes).
    pub timeouts: Timeouts,
    /// A relay that could not be reached is asked last for so long.
    pub shun: Duration,
}

impl SmtpSettings {
    /// Everything else as it usually is.
    pub fn new(relays: Vec<RelayServer>) -> SmtpSettings {
        SmtpSettings {
            relays,
            connections: 4,
            hello: "[127.0.0.1]".to_string(),
            idle: Duration::from_secs(30),
            timeouts: Timeouts::default(),
            shun: Duration::from_secs(60),
        }
    }
}

/// See the module's head.
#[derive(Debug)]
pub struct SmtpRelay {
    pools: Vec<Shunnable>,
    shun: Duration,
    born: Instant,
}

#[derive(Debug)]
struct Shunnable {
    pool: Pool,
    /// Milliseconds since the relay was made until which this server is asked last.
    until: AtomicU64,
}

impl SmtpRelay {
    pub fn new(settings: SmtpSettings) -> SmtpRelay {
        let pools = settings
            .relays
            .iter()
            .map(|relay| Shunnable { pool: Pool::new(relay.clone(), &settings), until: AtomicU64::new(0) });
        SmtpRelay { pools: pools.collect(), shun: settings.shun, born: Instant::now() }
    }

    /// Says QUIT on idle connections.
    pub async fn close(&self) {
        for relay in &self.pools {
            relay.pool.close().await;
        }
    }

    /// Connects and logs in to each relay without sending anything: what `check` asks. The first trouble is told.
    pub async fn probe(&self) -> Result<(), Refusal> {
        for relay in &self.pools {
            relay.pool.probe().await.map_err(refusal)?;
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Servers that were reached lately first, each group in the configured order.
    fn order(&self) -> Vec<&Shunnable> {
        let now = self.now();
        let (well, shunned): (Vec<_>, Vec<_>) =
            self.pools.iter().partition(|relay| relay.until.load(Ordering::Relaxed) <= now);
        well.into_iter().chain(shunned).collect()
    }
}

#[async_trait]
impl Relay for SmtpRelay {
    async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<Accepted, Refusal> {
        let body = body::canonical(message);
        let mut last = Refusal::Temporary { answer: "no relay is configured".to_string() };
        for relay in self.order() {
            match relay.pool.send(envelope, &body).await {
                Ok(answer) => {
                    relay.until.store(0, Ordering::Relaxed);
                    return Ok(Accepted { answer });
                }
                // Nothing was handed over: the next server may take it.
                Err(trouble @ Trouble::Unreachable(_)) => {
                    let shun = u64::try_from(self.shun.as_millis()).unwrap_or(u64::MAX);
                    relay.until.store(self.now().saturating_add(shun), Ordering::Relaxed);
                    last = refusal(trouble);
                }
                Err(trouble) => return Err(refusal(trouble)),
            }
        }
        Err(last)
    }
}

fn refusal(trouble: Trouble) -> Refusal {
    match trouble {
        Trouble::Unreachable(answer) => Refusal::Temporary { answer },
        Trouble::Unsure(answer) => Refusal::Unsure { answer },
        // Asking for a log-in or encryption is about us, not about this mail: someone mends the configuration.
        Trouble::Said { code: 530 | 534 | 535 | 538, answer } => Refusal::Temporary { answer },
        Trouble::Said { code: 500..=599, answer } | Trouble::Unfit(answer) => Refusal::Permanent { answer },
        Trouble::Said { answer, .. } => Refusal::Temporary { answer },
    }
}
