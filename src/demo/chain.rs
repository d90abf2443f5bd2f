//! The empty chain: mails in, one durable write a batch, one mail out for each, filed. What the gateway does without any
//! of its work, as the yardstick for it: measured in the same run, on the same servers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::wire::{Batch, Body, Drawer, Envelope, Fetched, MailKey, Mailbox, Refusal, Relay, WireError};

/// What the chain came to.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    pub mails: usize,
    pub bytes: u64,
    pub took: Duration,
}

impl Measured {
    pub fn mails_per_second(&self) -> f64 {
        f64::from(u32::try_from(self.mails).unwrap_or(u32::MAX)) / self.took.as_secs_f64().max(1e-9)
    }
}

/// Why it ended early.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("write: {0}")]
    Write(String),
}

/// Drains the mailbox until a fetch brings nothing. `write` makes a batch durable; `reply` is sent once for each mail. The
/// next batch is fetched while the replies to the last go out.
pub async fn empty_chain(
    mailbox: &mut dyn Mailbox,
    relay: Arc<dyn Relay>,
    batch: Batch,
    envelope: Envelope,
    reply: Vec<u8>,
    mut write: impl FnMut(&[Fetched]) -> Result<(), String>,
) -> Result<Measured, ChainError> {
    let begun = Instant::now();
    let (envelope, reply) = (Arc::new(envelope), Arc::new(reply));
    let mut measured = Measured { mails: 0, bytes: 0, took: Duration::ZERO };
    let mut mails = mailbox.fetch(batch).await?;
    while !mails.is_empty() {
        measured.mails += mails.len();
        measured.bytes += mails.iter().map(size).sum::<u64>();
        write(&mails).map_err(ChainError::Write)?;
        let mut replies = JoinSet::new();
        for _ in &mails {
            let (relay, envelope, reply) = (relay.clone(), envelope.clone(), reply.clone());
            replies.spawn(async move { relay.send(&envelope, &reply).await });
        }
        let filings: Vec<(MailKey, Drawer)> = mails.into_iter().map(|mail| (mail.key, Drawer::Processed)).collect();
        mailbox.file(&filings).await?;
        mails = mailbox.fetch(batch).await?;
        while let Some(sent) = replies.join_next().await {
            match sent {
                Ok(sent) => drop(sent?),
                Err(error) => return Err(ChainError::Write(error.to_string())),
            }
        }
    }
    measured.took = begun.elapsed();
    Ok(measured)
}

fn size(mail: &Fetched) -> u64 {
    match &mail.body {
        Body::Whole(raw) => u64::try_from(raw.len()).unwrap_or(0),
        Body::TooLarge { .. } | Body::Unfetchable { .. } => 0,
    }
}
