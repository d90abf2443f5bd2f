//! Postern as a program of its own on the lab's servers: started, stopped, asked, and written to by mail.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use postern::mail::Mail;
use postern::wire::imap::ImapMailbox;
use postern::wire::smtp::{SmtpRelay, SmtpSettings};
use postern::wire::{Batch, Body, Drawer, Envelope, Mailbox, Relay};
use serde_json::Value as Json;

use crate::maillab::Lab;

/// The lab's mailboxes are shared: one test at a time.
pub static LAB: Mutex<()> = Mutex::new(());

/// Longer than any answer takes on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub struct Program {
    pub lab: Lab,
    /// Where its `postern.toml` lies, and all that it keeps.
    pub folder: tempfile::TempDir,
    pub runtime: tokio::runtime::Runtime,
    relay: Arc<dyn Relay>,
    running: Option<Child>,
}

#[allow(dead_code, reason = "each test file uses its share")]
impl Program {
    /// Not started, without a configuration, the password of all mailboxes in the file `password`.
    pub fn new(lab: Lab) -> Program {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("password"), lab.get("PASSWORD")).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let relay = Arc::new(SmtpRelay::new(SmtpSettings::new(vec![lab.smtp()])));
        Program { lab, folder, runtime, relay, running: None }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.arg("--config").arg(self.folder.path().join("postern.toml"));
        // A customer's portal in a test listens on loopback.
        command.env("POSTERN_LOOPBACK_LINKS", "1");
        command
    }

    pub fn start(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.log_file()).unwrap();
        self.running = Some(self.command().arg("run").stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    pub fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// The end of what it logged.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let from = log.lines().count().saturating_sub(200);
        log.lines().skip(from).collect::<Vec<_>>().join("\n")
    }

    /// As an operator stops it: what is under way is finished.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
            assert!(child.wait().unwrap().success());
        }
    }

    /// As a power cut.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn ask(&self, arguments: &[&str]) -> Json {
        let out = self.command().args(arguments).arg("--json").output().unwrap();
        serde_json::from_slice(&out.stdout)
            .unwrap_or_else(|_| panic!("{arguments:?}: {}", String::from_utf8_lossy(&out.stderr)))
    }

    pub fn send(&self, from: &str, to: &str, raw: &[u8]) {
        let envelope = Envelope { from: from.to_string(), to: vec![to.to_string()] };
        self.runtime.block_on(self.relay.send(&envelope, raw)).unwrap();
    }

    /// All mails of an account, moved out of its inbox.
    pub fn drain(&self, account: &str) -> Vec<Vec<u8>> {
        let mut mailbox = ImapMailbox::new(self.lab.imap(account));
        self.runtime.block_on(async {
            let mut all = Vec::new();
            loop {
                let mails = mailbox.fetch(Batch::default()).await.unwrap();
                if mails.is_empty() {
                    break;
                }
                let filings: Vec<_> = mails.iter().map(|mail| (mail.key.clone(), Drawer::Processed)).collect();
                all.extend(mails.into_iter().filter_map(|mail| match mail.body {
                    Body::Whole(raw) => Some(raw),
                    _ => None,
                }));
                mailbox.file(&filings).await.unwrap();
            }
            mailbox.close().await;
            all
        })
    }

    /// The next mail to an account whose subject has these words; the server says when one arrives.
    pub fn await_mail(&self, account: &str, words: &str) -> Mail {
        Mail::parse(&self.await_raw(account, words))
    }

    /// Its bytes.
    pub fn await_raw(&self, account: &str, words: &str) -> Vec<u8> {
        let mut mailbox = ImapMailbox::new(self.lab.imap(account));
        let began = Instant::now();
        let found = self.runtime.block_on(async {
            while began.elapsed() < PATIENCE {
                for mail in mailbox.fetch(Batch::default()).await.unwrap() {
                    let Body::Whole(raw) = &mail.body else { continue };
                    if Mail::parse(raw).subject.contains(words) {
                        mailbox.file(&[(mail.key.clone(), Drawer::Processed)]).await.unwrap();
                        return Some(raw.clone());
                    }
                }
                mailbox.wait(Duration::from_secs(2)).await.unwrap();
            }
            None
        });
        let told = || format!("{:#}\n{}", self.ask(&["mail", "list"]), self.log());
        found.unwrap_or_else(|| panic!("no mail with `{words}` came to {account}\n{}", told()))
    }

    /// Every mail of the account was filed: the last move comes a moment after its commit.
    pub fn await_empty(&self, account: &str) {
        self.until("the inbox is not empty", || {
            let mut mailbox = ImapMailbox::new(self.lab.imap(account));
            let left = self.runtime.block_on(mailbox.fetch(Batch::default())).unwrap().len();
            self.runtime.block_on(mailbox.close());
            (left == 0, left)
        });
    }

    /// Waits until something holds; what it says last is told when it never does.
    pub fn until<T: std::fmt::Debug>(&self, what: &str, look: impl Fn() -> (bool, T)) -> T {
        let began = Instant::now();
        loop {
            let (holds, seen) = look();
            if holds {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE * 2, "{what}: {seen:?}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}
