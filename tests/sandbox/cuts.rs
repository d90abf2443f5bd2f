//! Sessions cut at every byte, in both directions, and spoilt at every byte.
//!
//! The normal run takes a share of the offsets; with `POSTERN_LONG` set, all.

use std::collections::BTreeSet;

use postern::demo::sandbox::proxy::{Proxy, Weather};
use postern::demo::sandbox::{Sandbox, SandboxSettings};
use postern::wire::{Batch, Refusal, Relay};

use super::smtp::{arrived, relay_at, to_partner};
use super::{mailbox_at, plain, walk};

const AT_ONCE: usize = 16;

fn long() -> bool {
    std::env::var_os("POSTERN_LONG").is_some()
}

/// The mails of an IMAP session: about 3 KB, or 6 KB.
fn numbers() -> Vec<usize> {
    if long() { vec![1, 3, 4, 8, 12] } else { vec![1, 3, 4] }
}

/// The messages of an SMTP session.
fn messages() -> usize {
    if long() { 9 } else { 3 }
}

fn message(n: usize) -> Vec<u8> {
    format!("Subject: mail {n}\r\n\r\n{}.\r\nend", "a line of this mail\r\n".repeat(20)).into_bytes()
}

async fn inbox() -> Sandbox {
    let sandbox = Sandbox::start_with(SandboxSettings::default()).await.unwrap();
    for n in numbers() {
        sandbox.deliver("gateway", &super::sample(n)).unwrap();
    }
    sandbox
}

/// Offsets of a stream of `length` bytes: all of them, or every few.
fn offsets(length: u64, share: u64) -> Vec<u64> {
    let step = if long() { 1 } else { (length / share).max(1) };
    let offsets: Vec<u64> = (0..=length).step_by(usize::try_from(step).unwrap()).collect();
    println!("{} of {length} offsets", offsets.len());
    offsets
}

/// Runs one job an offset, a few at a time.
async fn for_each<F>(offsets: Vec<u64>, job: impl Fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut running = tokio::task::JoinSet::new();
    for offset in offsets {
        if running.len() >= AT_ONCE {
            running.join_next().await.unwrap().unwrap();
        }
        running.spawn(job(offset));
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
}

async fn imap_length() -> (u64, u64) {
    let sandbox = inbox().await;
    let proxy = Proxy::start(sandbox.imap_addr, |_| Weather::default()).await.unwrap();
    let walked = walk(&mut mailbox_at(&sandbox, proxy.addr), &sandbox, Batch::default()).await;
    assert!(walked.errors.is_empty(), "{walked:?}");
    proxy.passed()
}

fn first(number: u64, weather: Weather) -> Weather {
    if number == 0 { weather } else { Weather::default() }
}

async fn imap_through(weather: Weather) {
    let sandbox = inbox().await;
    let told = weather.clone();
    let proxy = Proxy::start(sandbox.imap_addr, move |number| first(number, weather.clone())).await.unwrap();
    let walked = walk(&mut mailbox_at(&sandbox, proxy.addr), &sandbox, Batch::default()).await;
    assert_eq!(walked.lies, 0, "{told:?}: {walked:?}");
    assert_eq!(walked.handed.keys().copied().collect::<Vec<_>>(), numbers(), "{told:?}: {walked:?}");
    assert!(walked.handed.values().flatten().all(|word| word == "whole"), "{told:?}: {walked:?}");
    assert_eq!(sandbox.mails("gateway", "Processed").len(), numbers().len(), "{told:?}: {walked:?}");
}

/// A connection may break at any byte: nothing is lost, nothing is taken for absent, nothing comes cut.
#[tokio::test(flavor = "multi_thread")]
async fn imap_cut_at_every_byte() {
    let (up, down) = imap_length().await;
    for_each(offsets(down, 400), |at| imap_through(Weather { cut_down: Some(at), ..Weather::default() })).await;
    for_each(offsets(up, 200), |at| imap_through(Weather { cut_up: Some(at), ..Weather::default() })).await;
}

/// A connection that goes silent at any byte is noticed.
#[tokio::test(flavor = "multi_thread")]
async fn imap_stalled_at_every_byte() {
    let (_, down) = imap_length().await;
    for_each(offsets(down, 60), |at| imap_through(Weather { stall_down: Some(at), ..Weather::default() })).await;
}

/// A flipped bit in the clear may spoil a mail, which no client can see; it must not lose one, nor hang, nor panic.
#[tokio::test(flavor = "multi_thread")]
async fn imap_spoilt_at_every_byte() {
    let (_, down) = imap_length().await;
    for_each(offsets(down, 300), |at| async move {
        let sandbox = inbox().await;
        let weather = Weather { corrupt_down: Some(at), ..Weather::default() };
        let proxy = Proxy::start(sandbox.imap_addr, move |number| first(number, weather.clone())).await.unwrap();
        let mut mailbox = mailbox_at(&sandbox, proxy.addr);
        let walked = walk(&mut mailbox, &sandbox, Batch::default()).await;
        let mut left: BTreeSet<usize> = BTreeSet::new();
        for folder in sandbox.folders("gateway") {
            left.extend(sandbox.mails("gateway", &folder).iter().map(|mail| super::number(&mail.raw)));
        }
        assert_eq!(left.into_iter().collect::<Vec<_>>(), numbers(), "spoilt at {at}: {walked:?}");
    })
    .await;
}

async fn smtp_length() -> (u64, u64) {
    let sandbox = Sandbox::start().await.unwrap();
    let proxy = Proxy::start(sandbox.smtp_addr, |_| Weather::default()).await.unwrap();
    let relay = relay_at(&sandbox, plain(proxy.addr));
    for n in 0..messages() {
        relay.send(&to_partner(&sandbox), &message(n)).await.unwrap();
    }
    proxy.passed()
}

async fn smtp_through(weather: Weather) {
    let sandbox = Sandbox::start().await.unwrap();
    let told = weather.clone();
    let proxy = Proxy::start(sandbox.smtp_addr, move |number| first(number, weather.clone())).await.unwrap();
    let relay = relay_at(&sandbox, plain(proxy.addr));
    let mut unsure = 0;
    for n in 0..messages() {
        for attempt in 0.. {
            match relay.send(&to_partner(&sandbox), &message(n)).await {
                Ok(_) => break,
                Err(Refusal::Unsure { .. }) => unsure += 1,
                Err(Refusal::Temporary { .. }) => {}
                Err(refused @ Refusal::Permanent { .. }) => panic!("{told:?}: {refused}"),
            }
            assert!(attempt < 5, "{told:?}: never taken");
        }
    }
    let arrived = arrived(&sandbox);
    let distinct: BTreeSet<&Vec<u8>> = arrived.iter().collect();
    let expected: Vec<Vec<u8>> = (0..messages()).map(|n| [message(n), b"\r\n".to_vec()].concat()).collect();
    assert_eq!(distinct, expected.iter().collect::<BTreeSet<_>>(), "{told:?}: {unsure} unsure");
    assert!(arrived.len() <= messages() + unsure, "{told:?}: {} arrived, {unsure} unsure", arrived.len());
}

/// A relay's connection may break at any byte: every message arrives whole, twice only where no answer came.
#[tokio::test(flavor = "multi_thread")]
async fn smtp_cut_at_every_byte() {
    let (up, down) = smtp_length().await;
    for_each(offsets(down, 300), |at| smtp_through(Weather { cut_down: Some(at), ..Weather::default() })).await;
    for_each(offsets(up, 300), |at| smtp_through(Weather { cut_up: Some(at), ..Weather::default() })).await;
}
