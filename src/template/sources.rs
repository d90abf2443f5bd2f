//! The files letters are made of: those built in, and a folder's over them.
//!
//! `LANG/words.toml`, `LANG/LETTER.j2`; tables that all languages share, `shared/TABLE.j2`; the page of
//! the HTML part, `frame.html`; and blocks overridden for one partner or channel
//! in `partner/ID/[LANG/]LETTER.j2` and `channel/ID/[LANG/]LETTER.j2`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::diagnostic::Diagnostic;

/// Texts by path, with `/` between folders.
pub type Sources = BTreeMap<String, String>;

macro_rules! built_in {
    ($($lang:literal: [$($file:literal),* $(,)?],)*) => {
        const BUILTIN: &[(&str, &str)] = &[
            ("frame.html", include_str!("../../templates/frame.html")),
            ("shared/alarm_facts.j2", include_str!("../../templates/shared/alarm_facts.j2")),
            ("shared/deviations.j2", include_str!("../../templates/shared/deviations.j2")),
            ("shared/lines.j2", include_str!("../../templates/shared/lines.j2")),
            ("shared/ordered.j2", include_str!("../../templates/shared/ordered.j2")),
            ("shared/readings.j2", include_str!("../../templates/shared/readings.j2")),
            ("shared/recalled.j2", include_str!("../../templates/shared/recalled.j2")),
            ("shared/sale_both.j2", include_str!("../../templates/shared/sale_both.j2")),
            ("shared/sale_differences.j2", include_str!("../../templates/shared/sale_differences.j2")),
            ("shared/sale_head.j2", include_str!("../../templates/shared/sale_head.j2")),
            ("shared/sale_items.j2", include_str!("../../templates/shared/sale_items.j2")),
            $($((concat!($lang, "/", $file), include_str!(concat!("../../templates/", $lang, "/", $file))),)*)*
        ];
    };
}

macro_rules! languages {
    ($($lang:literal),*) => {
        built_in! {
            $($lang: [
                "words.toml",
                "letter.j2",
                "alarm.j2",
                "confirm_order.j2",
                "confirm_response.j2",
                "create_documents.j2",
                "digest.j2",
                "digest_receipt.j2",
                "question.j2",
                "receipt.j2",
                "reminder_confirm_order.j2",
                "reminder_confirm_response.j2",
                "reminder_request_new_order.j2",
                "reminder_request_new_response.j2",
                "reminder_send_order_recall.j2",
                "request_new_order.j2",
                "request_new_response.j2",
                "sale_question.j2",
                "sale_receipt.j2",
                "sale_withdrawal.j2",
                "send_order.j2",
                "send_order_confirmation.j2",
                "send_order_recall.j2",
                "send_response_continuous.j2",
                "send_response_initial.j2",
                "unanswered.j2",
                "withdrawal.j2",
            ],)*
        }
    };
}

languages!("en", "de", "sv", "fr");

/// Larger files are no letters.
const FILE_BYTES_MAX: u64 = 256 * 1024;
const FILES_MAX: usize = 5_000;
/// `partner/ID/LANG/LETTER.j2`
const DEPTH_MAX: usize = 4;

/// The layout that every letter extends.
pub const LAYOUT: &str = "letter.j2";

pub fn builtin() -> Sources {
    BUILTIN.iter().map(|(path, text)| ((*path).to_string(), (*text).to_string())).collect()
}

/// The folder's files over the builtin ones.
pub fn load(dir: &Path) -> Result<Sources, Vec<Diagnostic>> {
    let mut own = Sources::new();
    let mut complaints = Vec::new();
    walk(dir, "", 1, &mut own, &mut complaints);
    if !complaints.is_empty() {
        return Err(complaints);
    }
    let mut all = builtin();
    all.extend(own);
    Ok(all)
}

fn walk(dir: &Path, prefix: &str, depth: usize, own: &mut Sources, complaints: &mut Vec<Diagnostic>) {
    let shown = |name: &str| dir.join(name).display().to_string();
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            complaints.push(Diagnostic::error("TPL001", format!("cannot be read: {error}")).in_file(&shown("")));
            return;
        }
    };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || own.len() >= FILES_MAX {
            continue;
        }
        let path = format!("{prefix}{name}");
        // Follows links, so that a folder of a package may be linked in.
        let Ok(meta) = std::fs::metadata(entry.path()) else { continue };
        if meta.is_dir() {
            if depth < DEPTH_MAX {
                walk(&entry.path(), &format!("{path}/"), depth + 1, own, complaints);
            }
        } else if name.ends_with(".j2") || name == "words.toml" || path == "frame.html" {
            if meta.len() > FILE_BYTES_MAX {
                complaints.push(Diagnostic::error("TPL001", "larger than 256 KiB").in_file(&shown(&name)));
                continue;
            }
            match std::fs::read_to_string(entry.path()) {
                Ok(text) => {
                    own.insert(path, text.replace("\r\n", "\n"));
                }
                Err(error) => {
                    let message = format!("cannot be read: {error}");
                    complaints.push(Diagnostic::error("TPL001", message).in_file(&shown(&name)));
                }
            }
        }
    }
}

/// Folders with a `words.toml`.
pub fn languages(sources: &Sources) -> Vec<String> {
    let codes = sources.keys().filter_map(|path| path.strip_suffix("/words.toml"));
    codes.filter(|code| !code.contains('/')).map(str::to_string).collect()
}

/// The names of letters: all that English has.
pub fn letters(sources: &Sources) -> Vec<String> {
    files_of(sources, "en/")
}

/// The names of the tables that letters share.
pub fn tables(sources: &Sources) -> Vec<String> {
    files_of(sources, "shared/")
}

fn files_of(sources: &Sources, folder: &str) -> Vec<String> {
    let files = sources.keys().filter_map(|path| path.strip_prefix(folder));
    files.filter(|file| file.ends_with(".j2")).map(str::to_string).collect()
}

/// Partners or channels (`owner`) with blocks of their own.
pub fn owners(sources: &Sources, owner: &str) -> Vec<String> {
    let prefix = format!("{owner}/");
    let mut ids: Vec<String> =
        sources.keys().filter_map(|path| path.strip_prefix(&prefix)?.split('/').next()).map(str::to_string).collect();
    ids.dedup();
    ids
}

/// For whom a letter is compiled: one more level for a channel and one for a partner that has blocks of
/// its own. A template's name says all of it: `confirm_response.j2|CHANNEL|PARTNER|LEVEL`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain<'a> {
    pub file: &'a str,
    pub channel: &'a str,
    pub partner: &'a str,
    pub level: u8,
}

impl<'a> Chain<'a> {
    pub fn parse(name: &'a str) -> Option<Chain<'a>> {
        let mut parts = name.split('|');
        let (file, channel, partner) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Chain { file, channel, partner, level: parts.next()?.parse().ok()? })
    }

    pub fn name(&self) -> String {
        format!("{}|{}|{}|{}", self.file, self.channel, self.partner, self.level)
    }

    /// The file that stands at this level, if there is one.
    pub fn path(&self, lang: &str, sources: &Sources) -> Option<String> {
        let (owner, id) = match self.level {
            0 => {
                let paths = [lang, "shared", "en"].into_iter().map(|folder| format!("{folder}/{}", self.file));
                return paths.into_iter().find(|path| sources.contains_key(path));
            }
            1 => ("channel", self.channel),
            _ => ("partner", self.partner),
        };
        if id.is_empty() {
            return None;
        }
        let folders = [format!("{owner}/{id}/{lang}"), format!("{owner}/{id}")];
        folders.into_iter().map(|folder| format!("{folder}/{}", self.file)).find(|path| sources.contains_key(path))
    }

    /// The highest level below `below` that has a file.
    pub fn top(&self, below: u8, lang: &str, sources: &Sources) -> Option<Chain<'a>> {
        let levels = (0..below).rev().map(|level| Chain { level, ..self.clone() });
        levels.into_iter().find(|chain| chain.path(lang, sources).is_some())
    }
}

/// The files that speak of `word`, themselves or in what they extend or include.
pub fn that_mention(sources: &Sources, word: &str) -> BTreeSet<String> {
    let file = |path: &str| path.rsplit('/').next().unwrap_or(path).to_string();
    let mut words = BTreeSet::from([word.to_string()]);
    let mut found = BTreeSet::new();
    loop {
        let says = |text: &str| words.iter().any(|word| text.contains(word.as_str()));
        let mut more: BTreeSet<String> =
            sources.iter().filter(|(_, text)| says(text)).map(|(path, _)| file(path)).collect();
        // Every letter extends the layout without a word.
        if more.contains(LAYOUT) {
            more.extend(sources.keys().map(|path| file(path)));
        }
        if more.len() == found.len() {
            return found;
        }
        words.extend(more.iter().cloned());
        found = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that is not on the list would be missing from the binary, and a letter would be English.
    #[test]
    fn every_file_is_built_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        let mut on_disk = Sources::new();
        walk(&root, "", 1, &mut on_disk, &mut Vec::new());
        let built_in = builtin();
        let missing: Vec<_> = on_disk.keys().filter(|path| !built_in.contains_key(*path)).collect();
        assert!(missing.is_empty(), "not on the list: {missing:?}");
        assert_eq!(on_disk.len(), built_in.len());
    }

    /// A house's letter that quotes the partner's mail, itself or by a table, would go out without the quotation.
    #[test]
    fn whoever_mentions_a_word_is_found_through_what_it_includes() {
        let mut sources = builtin();
        let quoting = ["confirm_response.j2", "reminder_confirm_response.j2"].map(String::from);
        assert_eq!(that_mention(&sources, "partner_words"), BTreeSet::from(quoting));
        sources.insert("shared/said.j2".into(), "{{ partner_words }}".into());
        sources.insert(
            "partner/nordwind/receipt.j2".into(),
            "{% block body %}{% include \"said.j2\" %}{% endblock %}".into(),
        );
        let found = that_mention(&sources, "partner_words");
        assert!(found.contains("receipt.j2") && !found.contains("alarm.j2"), "{found:?}");
        sources.insert("channel/shop/letter.j2".into(), "{{ partner_words }}".into());
        assert!(that_mention(&sources, "partner_words").contains("alarm.j2"));
    }
}
