//! A Maildir on this machine as a [`Mailbox`]: one file a mail, filed by renaming.
//!
//! Knows file names and nothing of what mails say. Sub-folders are Maildir++ (`.Processed` beside `new` and `cur`), as
//! Dovecot and Courier keep them. Renames are atomic and their folders are synced before filing is said to be done.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::header::{HEADER_BYTES_MAX, header_of};
use super::{Batch, Body, Drawer, Fetched, MailKey, Mailbox, WireError, utf7};

/// Which Maildir, and where its mails are filed.
#[derive(Clone, Debug)]
pub struct MaildirSettings {
    /// The mailbox's name in the configuration.
    pub name: String,
    /// The folder that holds `new` and `cur`.
    pub path: PathBuf,
    /// Sub-folders; `/` separates levels.
    pub processed: String,
    pub review: String,
    /// How often to look for new files.
    pub poll: Duration,
}

impl MaildirSettings {
    /// Everything else as it usually is.
    pub fn new(name: impl Into<String>, path: impl Into<PathBuf>) -> MaildirSettings {
        MaildirSettings {
            name: name.into(),
            path: path.into(),
            processed: "Processed".to_string(),
            review: "Review".to_string(),
            poll: Duration::from_secs(1),
        }
    }
}

/// See the module's head.
pub struct MaildirMailbox {
    settings: MaildirSettings,
    waiting: VecDeque<(String, PathBuf)>,
    /// Base names handed out since the last [`Mailbox::close`].
    handed: BTreeSet<String>,
}

impl MaildirMailbox {
    pub fn new(settings: MaildirSettings) -> MaildirMailbox {
        MaildirMailbox { settings, waiting: VecDeque::new(), handed: BTreeSet::new() }
    }

    async fn listed(&self) -> Result<BTreeMap<String, PathBuf>, WireError> {
        let path = self.settings.path.clone();
        blocking(move || list(&path)).await
    }

    async fn refill(&mut self) -> Result<(), WireError> {
        let listed = self.listed().await?;
        self.handed.retain(|base| listed.contains_key(base));
        let mut fresh: Vec<(String, PathBuf)> =
            listed.into_iter().filter(|(base, _)| !self.handed.contains(base)).collect();
        fresh.sort_by_cached_key(|(base, _)| (arrival(base), base.clone()));
        self.waiting = fresh.into();
        Ok(())
    }

    fn drawer(&self, drawer: Drawer) -> Result<PathBuf, WireError> {
        let name = match drawer {
            Drawer::Processed => &self.settings.processed,
            Drawer::Review => &self.settings.review,
        };
        let levels: Vec<&str> = name.split('/').collect();
        if levels.iter().any(|level| level.is_empty() || level.contains(['.', '\0'])) {
            return Err(WireError::Refused(format!("`{name}` is no name for a folder in a Maildir")));
        }
        Ok(self.settings.path.join(format!(".{}", utf7::encode(&levels.join(".")))))
    }
}

#[async_trait]
impl Mailbox for MaildirMailbox {
    fn name(&self) -> &str {
        &self.settings.name
    }

    async fn fetch(&mut self, batch: Batch) -> Result<Vec<Fetched>, WireError> {
        if self.waiting.is_empty() {
            self.refill().await?;
        }
        let lot: Vec<(String, PathBuf)> =
            self.waiting.drain(..batch.count_max.max(1).min(self.waiting.len())).collect();
        let (fetched, rest) = blocking(move || Ok(read_lot(lot, batch))).await?;
        for left in rest.into_iter().rev() {
            self.waiting.push_front(left);
        }
        self.handed.extend(fetched.iter().filter_map(|mail| match &mail.key {
            MailKey::Maildir(base) => Some(base.clone()),
            _ => None,
        }));
        Ok(fetched)
    }

    async fn file(&mut self, filings: &[(MailKey, Drawer)]) -> Result<(), WireError> {
        if filings.is_empty() {
            return Ok(());
        }
        let listed = self.listed().await?;
        let mut moves = Vec::new();
        for (key, drawer) in filings {
            let MailKey::Maildir(base) = key else { continue };
            if let Some(from) = listed.get(base) {
                moves.push((from.clone(), base.clone(), self.drawer(*drawer)?));
            }
        }
        let path = self.settings.path.clone();
        blocking(move || move_all(&path, &moves)).await
    }

    async fn wait(&mut self, at_most: Duration) -> Result<(), WireError> {
        let until = Instant::now() + at_most;
        loop {
            if !self.waiting.is_empty() || self.listed().await?.keys().any(|base| !self.handed.contains(base)) {
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::time::sleep(left.min(self.settings.poll)).await;
        }
    }

    async fn close(&mut self) {
        self.waiting.clear();
        self.handed.clear();
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WireError> + Send + 'static,
) -> Result<T, WireError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => Err(WireError::Away("reading the Maildir was interrupted".to_string())),
    }
}

fn trouble(path: &Path, error: &io::Error) -> WireError {
    let why = format!("{}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::NotADirectory => {
            WireError::Refused(why)
        }
        _ => WireError::Away(why),
    }
}

/// The unique part of a file name; flags follow behind `:`.
fn base_of(name: &str) -> &str {
    name.split(':').next().unwrap_or(name)
}

/// File names begin with the second of arrival.
fn arrival(base: &str) -> u64 {
    base.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(u64::MAX)
}

/// The mails in `new` and `cur` by base name, without those marked as trashed.
fn list(maildir: &Path) -> Result<BTreeMap<String, PathBuf>, WireError> {
    let mut mails = BTreeMap::new();
    for folder in ["cur", "new"] {
        let path = maildir.join(folder);
        for entry in fs::read_dir(&path).map_err(|error| trouble(&path, &error))? {
            let entry = entry.map_err(|error| trouble(&path, &error))?;
            // A name that is no UTF-8 is none that mail software makes.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let trashed = name.rsplit_once(":2,").is_some_and(|(_, flags)| flags.contains('T'));
            if name.starts_with('.') || trashed || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            mails.insert(base_of(&name).to_string(), entry.path());
        }
    }
    Ok(mails)
}

type Lot = Vec<(String, PathBuf)>;

/// Reads mails until the batch is full; returns what is left over.
fn read_lot(lot: Lot, batch: Batch) -> (Vec<Fetched>, Lot) {
    let mut fetched = Vec::new();
    let mut bytes = 0usize;
    let mut lot = lot.into_iter();
    for (base, path) in lot.by_ref() {
        let (size, body) = match read(&path, batch.mail_bytes_max) {
            Ok(read) => read,
            // Renamed or removed by somebody else: the next listing knows.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => (0, Body::Unfetchable { reason: error.to_string() }),
        };
        if let Body::Whole(raw) = &body {
            bytes = bytes.saturating_add(raw.len());
        }
        fetched.push(Fetched { key: MailKey::Maildir(base), size, body });
        if bytes > batch.bytes_max {
            break;
        }
    }
    (fetched, lot.collect())
}

fn read(path: &Path, bytes_max: usize) -> io::Result<(u64, Body)> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    let mut raw = Vec::new();
    if size > limit {
        let most = u64::try_from(HEADER_BYTES_MAX).unwrap_or(u64::MAX);
        file.take(most).read_to_end(&mut raw)?;
        return Ok((size, Body::TooLarge { header: header_of(&raw) }));
    }
    file.by_ref().take(limit).read_to_end(&mut raw)?;
    Ok((size, Body::Whole(raw)))
}

/// Renames mails into their drawers, then syncs every folder that changed.
fn move_all(maildir: &Path, moves: &[(PathBuf, String, PathBuf)]) -> Result<(), WireError> {
    let mut touched = BTreeSet::new();
    for (from, base, drawer) in moves {
        let target = drawer.join("cur");
        if !target.is_dir() {
            for part in ["cur", "new", "tmp"] {
                let path = drawer.join(part);
                fs::create_dir_all(&path).map_err(|error| trouble(&path, &error))?;
            }
            // Says that this is a folder within a Maildir, not a Maildir of its own (Maildir++).
            let marker = drawer.join("maildirfolder");
            File::create(&marker).map_err(|error| trouble(&marker, &error))?;
            touched.extend([maildir.to_path_buf(), drawer.clone()]);
        }
        let name = from.file_name().and_then(|name| name.to_str()).unwrap_or(base);
        let flags = name.split_once(':').map_or("2,", |(_, flags)| flags);
        let to = free_name(&target, base, flags);
        match fs::rename(from, &to) {
            Ok(()) => touched.extend([target, from.parent().unwrap_or(maildir).to_path_buf()]),
            // Somebody else was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(trouble(&to, &error)),
        }
    }
    for folder in touched {
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(|error| trouble(&folder, &error))?;
    }
    Ok(())
}

/// A rename overwrites without asking: a mail of the same name keeps its own.
fn free_name(folder: &Path, base: &str, flags: &str) -> PathBuf {
    let plain = folder.join(format!("{base}:{flags}"));
    if !plain.exists() {
        return plain;
    }
    (1..u32::MAX).map(|n| folder.join(format!("{base}_{n}:{flags}"))).find(|path| !path.exists()).unwrap_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn maildir(mails: &[(&str, &str)]) -> (tempfile::TempDir, MaildirMailbox) {
        let home = tempfile::tempdir().unwrap();
        for part in ["new", "cur", "tmp"] {
            fs::create_dir(home.path().join(part)).unwrap();
        }
        for (path, text) in mails {
            fs::write(home.path().join(path), text).unwrap();
        }
        let mut settings = MaildirSettings::new("orders", home.path());
        settings.poll = Duration::from_millis(5);
        (home, MaildirMailbox::new(settings))
    }

    fn keys(mails: &[Fetched]) -> Vec<String> {
        let key = |mail: &Fetched| match &mail.key {
            MailKey::Maildir(base) => base.clone(),
            other => panic!("{other:?}"),
        };
        mails.iter().map(key).collect()
    }

    fn files(folder: PathBuf) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Mails come oldest first, once, and are filed with their flags; what somebody trashed stays where it is.
    #[tokio::test]
    async fn fetched_once_and_filed() {
        let (home, mut mailbox) = maildir(&[
            ("new/30.c.host", "three"),
            ("cur/4.a.host:2,S", "one"),
            ("new/5.b.host", "two"),
            ("cur/1.x.host:2,ST", "trashed"),
            ("new/.hidden", "no mail"),
        ]);
        let first = mailbox.fetch(Batch { count_max: 2, ..Batch::default() }).await.unwrap();
        assert_eq!(keys(&first), ["4.a.host", "5.b.host"]);
        let second = mailbox.fetch(Batch::default()).await.unwrap();
        assert_eq!(keys(&second), ["30.c.host"]);
        assert!(mailbox.fetch(Batch::default()).await.unwrap().is_empty());
        // A mail program moves one to `cur` meanwhile.
        fs::rename(home.path().join("new/5.b.host"), home.path().join("cur/5.b.host:2,F")).unwrap();
        let mut filings: Vec<_> = first.into_iter().map(|mail| (mail.key, Drawer::Processed)).collect();
        filings.push((second[0].key.clone(), Drawer::Review));
        filings.push((MailKey::Maildir("9.gone.host".into()), Drawer::Review));
        mailbox.file(&filings).await.unwrap();
        mailbox.file(&filings).await.unwrap();
        assert_eq!(files(home.path().join(".Processed/cur")), ["4.a.host:2,S", "5.b.host:2,F"]);
        assert_eq!(files(home.path().join(".Review/cur")), ["30.c.host:2,"]);
        assert_eq!(files(home.path().join("cur")), ["1.x.host:2,ST"]);
        assert_eq!(files(home.path().join("new")), [".hidden"]);
    }

    /// A huge mail comes as its header; an unreadable one does not hold up the next; a full batch ends.
    #[tokio::test]
    async fn odd_mails_do_not_block() {
        let huge = format!("Subject: huge\n\n{}", "x".repeat(5_000));
        let (home, mut mailbox) =
            maildir(&[("new/1.a.host", &huge), ("new/2.b.host", "two"), ("new/3.c.host", "three")]);
        let batch = Batch { mail_bytes_max: 1_000, bytes_max: 2, ..Batch::default() };
        let mails = mailbox.fetch(batch).await.unwrap();
        assert_eq!(keys(&mails), ["1.a.host", "2.b.host"]);
        assert!(matches!(&mails[0].body, Body::TooLarge { header } if header == b"Subject: huge\n\n"));
        fs::remove_file(home.path().join("new/3.c.host")).unwrap();
        fs::write(home.path().join("new/4.d.host"), "four").unwrap();
        assert!(mailbox.fetch(batch).await.unwrap().is_empty(), "the third is gone");
        assert_eq!(keys(&mailbox.fetch(batch).await.unwrap()), ["4.d.host"]);
    }

    /// A mail is noticed when it arrives, not a poll later than told.
    #[tokio::test]
    async fn waits_end_with_a_mail() {
        let (home, mut mailbox) = maildir(&[]);
        mailbox.wait(Duration::from_millis(20)).await.unwrap();
        let path = home.path().join("new/1.a.host");
        let (waited, ()) = tokio::join!(mailbox.wait(Duration::from_secs(20)), async {
            fs::write(path, "one").unwrap();
        });
        waited.unwrap();
        assert_eq!(mailbox.fetch(Batch::default()).await.unwrap().len(), 1);
        mailbox.close().await;
        assert_eq!(mailbox.fetch(Batch::default()).await.unwrap().len(), 1, "not filed: comes again");
    }

    /// Two mails of one name (copied by hand) are both kept; names from the configuration never leave the Maildir.
    #[tokio::test]
    async fn nothing_is_overwritten_or_escapes() {
        let (home, mut mailbox) = maildir(&[("new/1.a.host", "one")]);
        let key = MailKey::Maildir("1.a.host".into());
        mailbox.file(&[(key.clone(), Drawer::Processed)]).await.unwrap();
        fs::write(home.path().join("new/1.a.host"), "another").unwrap();
        mailbox.file(&[(key.clone(), Drawer::Processed)]).await.unwrap();
        assert_eq!(files(home.path().join(".Processed/cur")), ["1.a.host:2,", "1.a.host_1:2,"]);
        fs::write(home.path().join("new/1.a.host"), "third").unwrap();
        for name in ["../out", "", "a//b", "..", "a.b"] {
            mailbox.settings.processed = name.to_string();
            let error = mailbox.file(&[(key.clone(), Drawer::Processed)]).await.unwrap_err();
            assert!(matches!(error, WireError::Refused(_)), "{name}");
        }
        mailbox.settings.processed = "Erledigt/Bestätigt".to_string();
        mailbox.file(&[(key, Drawer::Processed)]).await.unwrap();
        assert!(home.path().join(".Erledigt.Best&AOQ-tigt/cur/1.a.host:2,").is_file());
    }

    /// A path that is no Maildir is said to be none.
    #[tokio::test]
    async fn no_maildir_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let mut mailbox = MaildirMailbox::new(MaildirSettings::new("orders", home.path()));
        assert!(matches!(mailbox.fetch(Batch::default()).await, Err(WireError::Refused(_))));
    }
}
