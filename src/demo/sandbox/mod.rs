//! Mail servers in this process, on loopback ports: an IMAP server and an SMTP server over mailboxes in memory.
//!
//! The demo runs the real gateway against it; tests script faults into it that real servers never show. It knows mail
//! protocols and nothing of the business. No TLS, one password, at most what a test needs: not for real mail.

pub mod fault;
mod imap;
mod imap_folder;
mod imap_view;
pub mod proxy;
mod smtp;
mod world;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use self::fault::{Fault, Rule};
pub use self::world::StoredMail;
use self::world::World;

/// What the sandbox's servers offer.
#[derive(Clone, Debug)]
pub struct SandboxSettings {
    /// The part of addresses behind the `@`.
    pub domain: String,
    /// Local parts of the accounts.
    pub accounts: Vec<String>,
    /// Further addresses, of any domain, and the account each belongs to.
    pub aliases: Vec<(String, String)>,
    /// The password of all accounts; also taken as a token.
    pub password: String,
    /// What IMAP announces. Leave out `MOVE`, `UIDPLUS`, `IDLE` to be a poorer server.
    pub imap_capabilities: String,
    /// What EHLO announces.
    pub smtp_features: Vec<String>,
    /// Whether SMTP asks for a log-in before MAIL.
    pub smtp_login: bool,
}

impl Default for SandboxSettings {
    fn default() -> SandboxSettings {
        SandboxSettings {
            domain: "sandbox.test".to_string(),
            accounts: ["gateway", "partner", "approver", "channel", "sales", "customer", "supplier"]
                .map(String::from)
                .to_vec(),
            aliases: Vec::new(),
            password: "sandbox-secret".to_string(),
            imap_capabilities: "IMAP4rev1 SASL-IR AUTH=PLAIN AUTH=XOAUTH2 ID IDLE MOVE UIDPLUS NAMESPACE".to_string(),
            smtp_features: ["PIPELINING", "SIZE 52428800", "8BITMIME", "SMTPUTF8", "AUTH PLAIN LOGIN XOAUTH2"]
                .map(String::from)
                .to_vec(),
            smtp_login: false,
        }
    }
}

/// The running servers. They end when it is dropped.
pub struct Sandbox {
    pub imap_addr: SocketAddr,
    pub smtp_addr: SocketAddr,
    world: Arc<World>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Sandbox {
    /// With the usual settings, on free loopback ports.
    pub async fn start() -> io::Result<Sandbox> {
        Sandbox::start_with(SandboxSettings::default()).await
    }

    pub async fn start_with(settings: SandboxSettings) -> io::Result<Sandbox> {
        let world = Arc::new(World::new(settings));
        let imap = TcpListener::bind("127.0.0.1:0").await?;
        let smtp = TcpListener::bind("127.0.0.1:0").await?;
        let (imap_addr, smtp_addr) = (imap.local_addr()?, smtp.local_addr()?);
        let tasks = vec![
            tokio::spawn(serve(imap, world.clone(), |socket, world| Box::pin(imap::converse(socket, world)))),
            tokio::spawn(serve(smtp, world.clone(), |socket, world| Box::pin(smtp::converse(socket, world)))),
        ];
        Ok(Sandbox { imap_addr, smtp_addr, world, tasks })
    }

    /// `imap://127.0.0.1:PORT`
    pub fn imap_url(&self) -> String {
        format!("imap://{}", self.imap_addr)
    }

    /// `smtp://127.0.0.1:PORT`
    pub fn smtp_url(&self) -> String {
        format!("smtp://{}", self.smtp_addr)
    }

    pub fn password(&self) -> &str {
        &self.world.settings.password
    }

    /// The address of an account, `NAME@DOMAIN`.
    pub fn address(&self, account: &str) -> String {
        format!("{account}@{}", self.world.settings.domain)
    }

    /// Puts a mail into an account's INBOX as if it had arrived. Returns its UID; `None` when there is no such account.
    /// `account` is a local part or an address; `+detail` is ignored.
    pub fn deliver(&self, account: &str, raw: &[u8]) -> Option<u32> {
        self.world.deliver(account, raw)
    }

    /// Puts a mail into any folder.
    pub fn store(&self, account: &str, folder: &str, raw: &[u8]) -> Option<u32> {
        self.world.store(account, folder, raw)
    }

    /// The mails of a folder, oldest first; empty when there is no such folder.
    pub fn mails(&self, account: &str, folder: &str) -> Vec<StoredMail> {
        self.world.mails(account, folder)
    }

    /// The folders of an account.
    pub fn folders(&self, account: &str) -> Vec<String> {
        self.world.folders(account)
    }

    /// Says when something changed in any mailbox.
    pub fn watch(&self) -> tokio::sync::watch::Receiver<u64> {
        self.world.changed.subscribe()
    }

    /// Waits until the folder satisfies the predicate and returns what it then holds; `None` when that does not come
    /// true in time. Looks again whenever something changed, never by the clock.
    pub async fn wait_for(
        &self,
        account: &str,
        folder: &str,
        mut predicate: impl FnMut(&[StoredMail]) -> bool,
        at_most: Duration,
    ) -> Option<Vec<StoredMail>> {
        let mut changed = self.world.changed.subscribe();
        let look = async {
            loop {
                changed.borrow_and_update();
                let mails = self.world.mails(account, folder);
                if predicate(&mails) {
                    return Some(mails);
                }
                changed.changed().await.ok()?;
            }
        };
        tokio::time::timeout(at_most, look).await.ok().flatten()
    }

    /// Scripts a fault into the servers; the first rule that fits an occasion takes effect.
    pub fn fault(&self, rule: Rule, fault: Fault) {
        self.world.faults().push(rule, fault);
    }

    /// Forgets all scripted faults.
    pub fn calm(&self) {
        self.world.faults().clear();
    }

    /// How often scripted faults took effect.
    pub fn faults_used(&self) -> usize {
        self.world.faults().used
    }

    /// The folder is another one now: new UIDVALIDITY, new UIDs, same mails.
    pub fn renew_validity(&self, account: &str, folder: &str) {
        self.world.renew_validity(account, folder);
    }

    /// Removes a mail behind everybody's back.
    pub fn expunge(&self, account: &str, folder: &str, uid: u32) {
        self.world.expunge(account, folder, &[uid]);
    }

    /// Sets a flag such as `\Deleted` on a mail.
    pub fn flag(&self, account: &str, folder: &str, uid: u32, flag: &str) {
        self.world.flag(account, folder, uid, flag);
    }

    /// Makes a folder read-only or writable again.
    pub fn set_read_only(&self, account: &str, folder: &str, read_only: bool) {
        self.world.set_read_only(account, folder, read_only);
    }

    /// Every command line the servers were sent, in order, without mails and secrets.
    pub fn heard(&self) -> Vec<String> {
        self.world.heard()
    }
}

type Conversation = std::pin::Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

async fn serve(
    listener: TcpListener,
    world: Arc<World>,
    converse: fn(tokio::net::TcpStream, Arc<World>) -> Conversation,
) {
    let mut conversations = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { return };
                let _ = socket.set_nodelay(true);
                conversations.spawn(converse(socket, world.clone()));
            }
            Some(_) = conversations.join_next() => {}
        }
    }
}
