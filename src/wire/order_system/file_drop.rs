//! An order system that exchanges files: orders are put into one folder, answers are found in another.
//!
//! ```text
//! FOLDER/orders          an order appears whole, by a rename; the order system takes it away
//! FOLDER/orders/.staging orders that are being written
//! FOLDER/sent            one empty file for each key that was handed over
//! FOLDER/answers         answers; taken when they have stopped growing, or when their marker is there
//! FOLDER/answers/done    answers that were taken
//! FOLDER/answers/error   answers that nobody can make anything of, each with a NAME.reason.txt
//! ```
//!
//! Exactly once, whenever it is interrupted: the order is written to `.staging`, its key noted in `sent`, and then the
//! file is renamed into `orders`. A repeated key that is noted and no longer staged lies in `orders` or was taken from
//! there already. All folders are of one file system, else the rename is refused.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

use super::{ANSWER_BYTES_MAX, Answer, HandOver, HandOverError, Handed, OrderSystem, Verdict};
use crate::wire::WireError;
use crate::wire::net::one_line;

/// Where files go and come from.
#[derive(Clone, Debug)]
pub struct FileDropSettings {
    pub orders: PathBuf,
    pub sent: PathBuf,
    pub answers: PathBuf,
    pub done: PathBuf,
    pub error: PathBuf,
    pub ripe: Ripe,
    /// How often the folder is looked at.
    pub poll: Duration,
}

/// When an answer is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ripe {
    /// Size and time of change have stayed as they are for so long.
    Stable(Duration),
    /// `NAME` with this ending lies beside it (`.ok`); the marker goes when the answer is settled.
    Marker(String),
}

impl FileDropSettings {
    /// The usual folders below one.
    pub fn in_folder(folder: &Path) -> FileDropSettings {
        let answers = folder.join("answers");
        FileDropSettings {
            orders: folder.join("orders"),
            sent: folder.join("sent"),
            done: answers.join("done"),
            error: answers.join("error"),
            answers,
            ripe: Ripe::Stable(Duration::from_secs(2)),
            poll: Duration::from_secs(5),
        }
    }
}

/// More files than this are looked at next time.
const FILES_MAX: usize = 10_000;
const STAGING: &str = ".staging";

pub struct FileDrop {
    name: String,
    inner: Arc<Inner>,
}

struct Inner {
    settings: FileDropSettings,
    /// How each file looked when it was first seen so.
    seen: Mutex<BTreeMap<String, Seen>>,
    /// One hand-over at a time: two of one key would race between note and rename.
    handing: Mutex<()>,
}

struct Seen {
    size: u64,
    changed: Option<std::time::SystemTime>,
    since: Instant,
}

impl FileDrop {
    /// Makes the folders that are missing.
    pub fn open(settings: FileDropSettings) -> Result<FileDrop, WireError> {
        let staging = settings.orders.join(STAGING);
        for dir in [&settings.orders, &staging, &settings.sent, &settings.answers, &settings.done, &settings.error] {
            fs::create_dir_all(dir)
                .map_err(|error| WireError::Refused(format!("the folder {} cannot be made: {error}", dir.display())))?;
        }
        let name = format!("file://{}", settings.orders.display());
        let (seen, handing) = (Mutex::default(), Mutex::new(()));
        Ok(FileDrop { name, inner: Arc::new(Inner { settings, seen, handing }) })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner)).await.map_err(io::Error::other)?
    }
}

#[async_trait]
impl OrderSystem for FileDrop {
    fn name(&self) -> &str {
        &self.name
    }

    async fn hand_over(&self, order: &HandOver) -> Result<Handed, HandOverError> {
        let refused = |said: String| HandOverError { retryable: false, after: None, said };
        let (key, name) = (safe(&order.key), safe(&order.name));
        if key.is_empty() || key != order.key || name.is_empty() {
            return Err(refused(format!("`{}` cannot name a file", one_line(&order.key))));
        }
        let body = order.body.clone();
        let placed = self.blocking(move |inner| inner.place(&key, &name, &body)).await;
        match placed {
            Ok(path) => Ok(Handed { reference: None, said: path.display().to_string(), answer: None }),
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                Err(refused(format!("{}: the folders are on different file systems: {error}", self.name)))
            }
            Err(error) => {
                Err(HandOverError { retryable: true, after: None, said: one_line(&format!("{}: {error}", self.name)) })
            }
        }
    }

    async fn answers(&self, count_max: usize) -> Result<Vec<Answer>, WireError> {
        let away = |error: io::Error| {
            WireError::Away(format!("the folder {}: {error}", self.inner.settings.answers.display()))
        };
        self.blocking(move |inner| inner.ripe(count_max)).await.map_err(away)
    }

    async fn settle(&self, answer: &str, verdict: &Verdict) -> Result<(), WireError> {
        let (answer, verdict) = (answer.to_string(), verdict.clone());
        let away = |error: io::Error| WireError::Away(format!("an answer cannot be moved: {error}"));
        self.blocking(move |inner| inner.settle(&answer, &verdict)).await.map_err(away)
    }

    async fn wait(&self, at_most: Duration) {
        tokio::time::sleep(at_most.min(self.inner.settings.poll)).await;
    }
}

impl Inner {
    fn place(&self, key: &str, name: &str, body: &[u8]) -> io::Result<PathBuf> {
        let _one = self.handing.lock().map_err(|_| io::Error::other("an earlier hand-over ended badly"))?;
        let folder = &self.settings.orders;
        let staging = folder.join(STAGING);
        let (target, staged, noted) = (folder.join(name), staging.join(name), self.settings.sent.join(key));
        let is_noted = noted.try_exists()?;
        if is_noted && !staged.try_exists()? {
            return Ok(target);
        }
        if !is_noted {
            let part = staging.join(format!("{name}.part"));
            let mut file = File::create(&part)?;
            file.write_all(body)?;
            file.sync_all()?;
            fs::rename(&part, &staged)?;
            sync_dir(&staging)?;
            File::create(&noted)?.sync_all()?;
            sync_dir(&self.settings.sent)?;
        }
        fs::rename(&staged, &target)?;
        sync_dir(folder)?;
        sync_dir(&staging)?;
        Ok(target)
    }

    /// Answers that are whole, by age and name.
    fn ripe(&self, count_max: usize) -> io::Result<Vec<Answer>> {
        let mut seen = self.seen.lock().map_err(|_| io::Error::other("an earlier look ended badly"))?;
        let now = Instant::now();
        let mut files = Vec::new();
        let mut present = BTreeMap::new();
        for entry in fs::read_dir(&self.settings.answers)?.take(FILES_MAX) {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(meta) = entry.metadata() else { continue };
            if !meta.is_file() || unfinished(&name) {
                continue;
            }
            if let Ripe::Marker(ending) = &self.settings.ripe {
                if name.ends_with(ending.as_str()) || self.marker(&name, ending).is_none() {
                    continue;
                }
            } else if let Ripe::Stable(pause) = &self.settings.ripe {
                let (size, changed) = (meta.len(), meta.modified().ok());
                let since = match seen.remove(&name) {
                    Some(before) if before.size == size && before.changed == changed => before.since,
                    _ => now,
                };
                let ripe = now.duration_since(since) >= *pause;
                present.insert(name.clone(), Seen { size, changed, since });
                if !ripe {
                    continue;
                }
            }
            files.push((meta.modified().ok(), name, meta.len()));
        }
        *seen = present;
        drop(seen);
        files.sort();
        files.into_iter().take(count_max).map(|(_, name, size)| self.read(name, size)).filter_map(gone).collect()
    }

    fn read(&self, name: String, size: u64) -> io::Result<Answer> {
        let mut body = Vec::new();
        let most = ANSWER_BYTES_MAX as u64;
        File::open(self.settings.answers.join(&name))?.take(most).read_to_end(&mut body)?;
        let unread = (size > most).then(|| format!("{size} bytes, more than {most} are not read"));
        let content_type = match Path::new(&name).extension().and_then(|ending| ending.to_str()) {
            Some(ending) if ending.eq_ignore_ascii_case("xml") => "application/xml",
            _ => "",
        };
        Ok(Answer {
            id: id_of(&name, &body),
            key: self.key(&name),
            content_type: content_type.to_string(),
            body,
            name,
            reference: None,
            unread,
        })
    }

    /// The key in a file's name, where it is one that was handed over: `S12-1.xml`, `S12-1_answer.xml`.
    fn key(&self, name: &str) -> Option<String> {
        let ends = name.char_indices().filter(|(_, c)| matches!(c, '.' | '_')).map(|(at, _)| at);
        let candidates = ends.filter_map(|end| name.get(..end)).filter(|key| !key.is_empty() && *key == safe(key));
        candidates.take(8).find(|key| self.settings.sent.join(key).is_file()).map(str::to_string)
    }

    /// `NAME.ok`, or `STEM.ok` beside `STEM.xml`.
    fn marker(&self, name: &str, ending: &str) -> Option<PathBuf> {
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let beside = [format!("{name}{ending}"), format!("{stem}{ending}")];
        beside.into_iter().map(|marker| self.settings.answers.join(marker)).find(|path| path.is_file())
    }

    fn settle(&self, id: &str, verdict: &Verdict) -> io::Result<()> {
        let Some((name, _)) = id.rsplit_once('#').filter(|(name, _)| *name == bare(name)) else { return Ok(()) };
        let from = self.settings.answers.join(name);
        let mut body = Vec::new();
        match File::open(&from) {
            Ok(file) => file.take(ANSWER_BYTES_MAX as u64).read_to_end(&mut body)?,
            // Settled before.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if id_of(name, &body) != id {
            // Another answer of the same name has come since: it is not settled.
            return Ok(());
        }
        let folder = match verdict {
            Verdict::Taken => &self.settings.done,
            Verdict::Refused { .. } => &self.settings.error,
        };
        let mut to = folder.join(name);
        for n in 2..1_000 {
            if !to.try_exists()? {
                break;
            }
            to = folder.join(format!("{n}-{name}"));
        }
        if let Verdict::Refused { reason } = verdict {
            let mut beside = to.clone().into_os_string();
            beside.push(".reason.txt");
            let mut file = File::create(&beside)?;
            writeln!(file, "{reason}")?;
            file.sync_all()?;
        }
        let marker = match &self.settings.ripe {
            Ripe::Marker(ending) => self.marker(name, ending),
            Ripe::Stable(_) => None,
        };
        fs::rename(&from, &to)?;
        if let Some(marker) = marker {
            fs::remove_file(marker)?;
        }
        sync_dir(folder)?;
        sync_dir(&self.settings.answers)
    }
}

/// A file that vanished while we looked is no trouble.
fn gone(read: io::Result<Answer>) -> Option<io::Result<Answer>> {
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other),
    }
}

fn id_of(name: &str, body: &[u8]) -> String {
    format!("{name}#{}", hex::encode(Sha256::digest(body).get(..12).unwrap_or_default()))
}

/// Names that programs give to files they are still writing.
fn unfinished(name: &str) -> bool {
    let lower = name.to_lowercase();
    name.starts_with(['.', '~'])
        || [".part", ".tmp", ".temp", ".filepart", ".crdownload"].iter().any(|e| lower.ends_with(e))
}

/// Letters, digits, `-`, `_`, `.`; never a path, never hidden.
fn safe(name: &str) -> String {
    let clean: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }).collect();
    clean.trim_start_matches('.').chars().take(200).collect()
}

/// The last part of a path.
fn bare(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// The rename is on the disk. Where a file system cannot do that for folders, the rename is all there is.
fn sync_dir(dir: &Path) -> io::Result<()> {
    match File::open(dir).and_then(|file| file.sync_all()) {
        Err(error) if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::InvalidInput) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(key: &str) -> HandOver {
        HandOver {
            key: key.into(),
            name: format!("{key}.xml"),
            content_type: "application/xml".into(),
            body: b"<Order/>".to_vec(),
        }
    }

    fn drop_in(dir: &Path, ripe: Ripe) -> FileDrop {
        FileDrop::open(FileDropSettings { ripe, ..FileDropSettings::in_folder(dir) }).unwrap()
    }

    fn now_ripe() -> Ripe {
        Ripe::Stable(Duration::ZERO)
    }

    /// A second file for one key would be a second order at the customer's cost.
    #[tokio::test]
    async fn a_key_is_handed_over_once() {
        let dir = tempfile::tempdir().unwrap();
        let system = drop_in(dir.path(), now_ripe());
        system.hand_over(&order("S12-1")).await.unwrap();
        let placed = dir.path().join("orders/S12-1.xml");
        assert_eq!(fs::read(&placed).unwrap(), b"<Order/>");
        // The order system takes it away; the gateway did not hear of it and tries again, after a restart.
        fs::remove_file(&placed).unwrap();
        let system = drop_in(dir.path(), now_ripe());
        system.hand_over(&order("S12-1")).await.unwrap();
        assert!(!placed.exists());
        system.hand_over(&order("S12-2")).await.unwrap();
        assert!(dir.path().join("orders/S12-2.xml").exists());
    }

    /// A crash between the note and the rename must not lose the order; one before the note must not leave half a file.
    #[tokio::test]
    async fn every_interruption_is_made_good() {
        let dir = tempfile::tempdir().unwrap();
        let system = drop_in(dir.path(), now_ripe());
        let at = |path: &str| dir.path().join(path);
        fs::write(at("orders/.staging/S1-1.xml.part"), b"<Ord").unwrap();
        fs::write(at("orders/.staging/S2-1.xml"), b"<Order/>").unwrap();
        fs::write(at("orders/.staging/S3-1.xml"), b"<Order/>").unwrap();
        fs::write(at("sent/S3-1"), b"").unwrap();
        for key in ["S1-1", "S2-1", "S3-1"] {
            system.hand_over(&order(key)).await.unwrap();
            assert_eq!(fs::read(at(&format!("orders/{key}.xml"))).unwrap(), b"<Order/>");
            assert!(at(&format!("sent/{key}")).exists() && !at(&format!("orders/.staging/{key}.xml")).exists());
        }
    }

    /// A key that is a path would write anywhere on the disk.
    #[tokio::test]
    async fn keys_never_become_paths() {
        let dir = tempfile::tempdir().unwrap();
        let system = drop_in(dir.path(), now_ripe());
        for key in ["../S1", "a/b", "", ".hidden", "x\0y"] {
            let refused = system.hand_over(&order(key)).await.unwrap_err();
            assert!(!refused.retryable, "{key}");
        }
        system.settle("../../etc/passwd#00", &Verdict::Taken).await.unwrap();
    }

    /// An answer that is moved before it is committed is lost by a crash; one that stays for ever is taken again.
    #[tokio::test]
    async fn answers_stay_until_they_are_settled() {
        let dir = tempfile::tempdir().unwrap();
        let system = drop_in(dir.path(), now_ripe());
        system.hand_over(&order("S12-1")).await.unwrap();
        fs::write(dir.path().join("answers/S12-1.response.xml"), b"<OrderResponse/>").unwrap();
        fs::write(dir.path().join("answers/other.xml"), b"<nonsense").unwrap();
        fs::write(dir.path().join("answers/half.xml.part"), b"<Ord").unwrap();
        let first = system.answers(10).await.unwrap();
        assert_eq!(first, system.answers(10).await.unwrap(), "handed out again until settled");
        let by_name = |name: &str| first.iter().find(|one| one.name == name).unwrap().clone();
        let (ours, other) = (by_name("S12-1.response.xml"), by_name("other.xml"));
        assert_eq!((first.len(), ours.key.as_deref(), other.key.as_deref()), (2, Some("S12-1"), None));
        system.settle(&ours.id, &Verdict::Taken).await.unwrap();
        system.settle(&other.id, &Verdict::Refused { reason: "no order 77".into() }).await.unwrap();
        system.settle(&other.id, &Verdict::Refused { reason: "again".into() }).await.unwrap();
        assert!(system.answers(10).await.unwrap().is_empty());
        assert!(dir.path().join("answers/done/S12-1.response.xml").exists());
        let reason = fs::read_to_string(dir.path().join("answers/error/other.xml.reason.txt")).unwrap();
        assert_eq!(reason, "no order 77\n");
    }

    /// An answer of the same name that came after ours was read has not been committed.
    #[tokio::test]
    async fn a_newer_answer_of_the_same_name_stays() {
        let dir = tempfile::tempdir().unwrap();
        let system = drop_in(dir.path(), now_ripe());
        let path = dir.path().join("answers/answer.xml");
        fs::write(&path, b"<one/>").unwrap();
        let one = system.answers(1).await.unwrap().remove(0);
        fs::write(&path, b"<two/>").unwrap();
        system.settle(&one.id, &Verdict::Taken).await.unwrap();
        assert!(path.exists());
        let two = system.answers(1).await.unwrap().remove(0);
        assert_eq!(two.body, b"<two/>");
        system.settle(&two.id, &Verdict::Taken).await.unwrap();
        fs::write(&path, b"<three/>").unwrap();
        let three = system.answers(1).await.unwrap().remove(0);
        system.settle(&three.id, &Verdict::Taken).await.unwrap();
        assert_eq!(fs::read(dir.path().join("answers/done/2-answer.xml")).unwrap(), b"<three/>");
    }

    /// Half an answer compared with the whole order would look like a cut order.
    #[tokio::test]
    async fn answers_are_taken_when_they_are_whole() {
        let dir = tempfile::tempdir().unwrap();
        let growing = drop_in(dir.path(), Ripe::Stable(Duration::from_secs(3_600)));
        let path = dir.path().join("answers/a.xml");
        fs::write(&path, b"<a>").unwrap();
        assert!(growing.answers(9).await.unwrap().is_empty());
        let marked = drop_in(dir.path(), Ripe::Marker(".ok".into()));
        assert!(marked.answers(9).await.unwrap().is_empty());
        fs::write(dir.path().join("answers/a.xml.ok"), b"").unwrap();
        let answer = marked.answers(9).await.unwrap().remove(0);
        marked.settle(&answer.id, &Verdict::Taken).await.unwrap();
        assert!(!path.exists() && !dir.path().join("answers/a.xml.ok").exists());
    }

    /// A huge answer must not fill the memory, and must not be taken for a whole one.
    #[tokio::test]
    async fn a_huge_answer_is_not_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let system = drop_in(dir.path(), now_ripe());
        let file = File::create(dir.path().join("answers/huge.xml")).unwrap();
        file.set_len(ANSWER_BYTES_MAX as u64 + 1).unwrap();
        let answer = system.answers(9).await.unwrap().remove(0);
        assert!(answer.body.len() <= ANSWER_BYTES_MAX && answer.unread.is_some());
        system.settle(&answer.id, &Verdict::Refused { reason: "too large".into() }).await.unwrap();
        assert!(system.answers(9).await.unwrap().is_empty());
    }
}
