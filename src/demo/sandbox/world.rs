//! Accounts, folders and mails in memory, shared by the sandbox's servers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::SandboxSettings;
use super::fault::Faults;

/// A mail as it lies in a folder.
#[derive(Clone, Debug)]
pub struct StoredMail {
    pub uid: u32,
    pub raw: Arc<[u8]>,
    pub flags: BTreeSet<String>,
}

impl StoredMail {
    /// The bytes as text, for looking into in tests.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

#[derive(Debug)]
pub(super) struct Folder {
    pub uid_validity: u32,
    pub uid_next: u32,
    pub mails: BTreeMap<u32, StoredMail>,
    pub read_only: bool,
}

type Account = BTreeMap<String, Folder>;

pub(super) struct World {
    pub settings: SandboxSettings,
    accounts: Mutex<Accounts>,
    faults: Mutex<Faults>,
    heard: Mutex<Vec<String>>,
    /// Counts the changes of any folder.
    pub changed: watch::Sender<u64>,
}

struct Accounts {
    by_name: BTreeMap<String, Account>,
    last_validity: u32,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub fn new(settings: SandboxSettings) -> World {
        let mut accounts = Accounts { by_name: BTreeMap::new(), last_validity: 1000 };
        for name in &settings.accounts {
            let inbox = accounts.new_folder();
            accounts.by_name.insert(name.to_ascii_lowercase(), Account::from([("INBOX".to_string(), inbox)]));
        }
        World {
            settings,
            accounts: Mutex::new(accounts),
            faults: Mutex::default(),
            heard: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub fn hear(&self, line: &str) {
        lock(&self.heard).push(line.to_string());
    }

    pub fn heard(&self) -> Vec<String> {
        lock(&self.heard).clone()
    }

    /// The account an address or local part belongs to.
    pub fn account_of(&self, address: &str) -> Option<String> {
        if let Some((_, account)) = self.settings.aliases.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(address))
        {
            return Some(account.clone());
        }
        let local = match address.rsplit_once('@') {
            Some((local, domain)) if domain.eq_ignore_ascii_case(&self.settings.domain) => local,
            Some(_) => return None,
            None => address,
        };
        let name = local.split('+').next().unwrap_or(local).to_ascii_lowercase();
        lock(&self.accounts).by_name.contains_key(&name).then_some(name)
    }

    pub fn deliver(&self, address: &str, raw: &[u8]) -> Option<u32> {
        self.store(&self.account_of(address)?, "INBOX", raw)
    }

    pub fn store(&self, account: &str, folder: &str, raw: &[u8]) -> Option<u32> {
        self.create(account, folder);
        self.with(account, folder, |folder| folder.add(raw.into(), BTreeSet::new()))
    }

    /// Changes a folder; everybody who waits looks again.
    pub fn with<T>(&self, account: &str, folder: &str, change: impl FnOnce(&mut Folder) -> T) -> Option<T> {
        let result = lock(&self.accounts).by_name.get_mut(account)?.get_mut(&canonical(folder)).map(change);
        self.changed.send_modify(|count| *count += 1);
        result
    }

    /// Looks at a folder.
    pub fn look<T>(&self, account: &str, folder: &str, look: impl FnOnce(&Folder) -> T) -> Option<T> {
        lock(&self.accounts).by_name.get(account)?.get(&canonical(folder)).map(look)
    }

    pub fn mails(&self, account: &str, folder: &str) -> Vec<StoredMail> {
        self.look(account, folder, |folder| folder.mails.values().cloned().collect()).unwrap_or_default()
    }

    pub fn folders(&self, account: &str) -> Vec<String> {
        lock(&self.accounts).by_name.get(account).map(|account| account.keys().cloned().collect()).unwrap_or_default()
    }

    /// `false` when it is there already.
    pub fn create(&self, account: &str, folder: &str) -> bool {
        let mut accounts = lock(&self.accounts);
        let fresh = accounts.new_folder();
        let Some(account) = accounts.by_name.get_mut(account) else {
            return false;
        };
        let missing = !account.contains_key(&canonical(folder));
        if missing {
            account.insert(canonical(folder), fresh);
        }
        missing
    }

    /// Copies mails; returns pairs of old and new UIDs and the target's UIDVALIDITY, `None` when there is no such folder.
    pub fn copy(&self, account: &str, from: &str, to: &str, uids: &[u32]) -> Option<(u32, Vec<(u32, u32)>)> {
        let mails: Vec<StoredMail> =
            self.look(account, from, |folder| uids.iter().filter_map(|uid| folder.mails.get(uid).cloned()).collect())?;
        self.with(account, to, |folder| {
            let pairs = mails.into_iter().map(|mail| (mail.uid, folder.add(mail.raw, mail.flags))).collect();
            (folder.uid_validity, pairs)
        })
    }

    pub fn expunge(&self, account: &str, folder: &str, uids: &[u32]) {
        self.with(account, folder, |folder| folder.mails.retain(|uid, _| !uids.contains(uid)));
    }

    pub fn flag(&self, account: &str, folder: &str, uid: u32, flag: &str) {
        self.with(account, folder, |folder| {
            if let Some(mail) = folder.mails.get_mut(&uid) {
                mail.flags.insert(flag.to_string());
            }
        });
    }

    pub fn set_read_only(&self, account: &str, folder: &str, read_only: bool) {
        self.with(account, folder, |folder| folder.read_only = read_only);
    }

    pub fn renew_validity(&self, account: &str, folder: &str) {
        let mut fresh = lock(&self.accounts).new_folder();
        // Restored folders begin to count anew, so that old UIDs name other mails.
        fresh.uid_next = 1;
        self.with(account, folder, |folder| {
            for mail in std::mem::take(&mut folder.mails).into_values().rev() {
                fresh.add(mail.raw, mail.flags);
            }
            fresh.read_only = folder.read_only;
            *folder = fresh;
        });
    }
}

impl Accounts {
    fn new_folder(&mut self) -> Folder {
        self.last_validity += 1;
        Folder { uid_validity: self.last_validity, uid_next: 1, mails: BTreeMap::new(), read_only: false }
    }
}

impl Folder {
    fn add(&mut self, raw: Arc<[u8]>, flags: BTreeSet<String>) -> u32 {
        let uid = self.uid_next;
        self.uid_next += 1;
        self.mails.insert(uid, StoredMail { uid, raw, flags });
        uid
    }
}

fn canonical(folder: &str) -> String {
    if folder.eq_ignore_ascii_case("INBOX") { "INBOX".to_string() } else { folder.to_string() }
}
