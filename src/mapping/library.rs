//! All mappings of a folder: loading them, and choosing the one that reads a mail.
//!
//! A mail in an unknown layout is never forced through the nearest mapping: either one mapping takes
//! it, or none does, or several do and that is an error.

use std::path::Path;

use super::check::check;
use super::material::{File, Material};
use super::rule::{Mapping, Matching, Source, Status};
use super::words::Language;
use crate::diagnostic::Diagnostic;
use crate::document::{Kind, Part};
use crate::model::PartnerId;

/// More mappings than anybody keeps.
const MAPPINGS_MAX: usize = 20_000;

/// Checked mappings, by name.
#[derive(Clone, Debug, Default)]
pub struct Library {
    pub mappings: Vec<Mapping>,
}

/// Which mapping takes a mail.
#[derive(Debug)]
pub enum Choice<'l> {
    One(&'l Mapping),
    /// Why each mapping that was asked does not take it: name and reason.
    None(Vec<(String, String)>),
    /// Two mappings must never guess whose mail it is.
    Several(Vec<&'l Mapping>),
}

impl Library {
    /// Reads `DIR/<partner>/<layout>.toml`. Sound mappings are in the library, complaints in the list;
    /// whether a library with complaints replaces another one is the caller's decision (it should not).
    pub fn load(dir: &Path) -> (Library, Vec<Diagnostic>) {
        let mut library = Library::default();
        let mut found = Vec::new();
        let mut partners = entries(dir, &mut found);
        partners.retain(|path| path.is_dir());
        for partner in partners {
            let files =
                entries(&partner, &mut found).into_iter().filter(|path| path.extension().is_some_and(|e| e == "toml"));
            for file in files {
                let shown = file.display().to_string();
                let names = (file_name(&partner), file.file_stem().map(|stem| stem.to_string_lossy().to_string()));
                let (Some(partner), Some(layout)) = names else { continue };
                if library.mappings.len() >= MAPPINGS_MAX {
                    found.push(
                        Diagnostic::error("MAP019", format!("more than {MAPPINGS_MAX} mappings")).in_file(&shown),
                    );
                    return (library, found);
                }
                match read(&file) {
                    Ok(text) => {
                        let (mapping, complaints) = check(&format!("{partner}/{layout}"), &shown, &text);
                        library.mappings.extend(mapping);
                        found.extend(complaints);
                    }
                    Err(error) => {
                        found.push(Diagnostic::error("MAP001", format!("cannot be read: {error}")).in_file(&shown))
                    }
                }
            }
        }
        found.extend(library.overlaps());
        (library, found)
    }

    pub fn get(&self, name: &str) -> Option<&Mapping> {
        self.mappings.iter().find(|mapping| mapping.name == name)
    }

    /// The live mapping that takes the mail; with `partner`, only that partner's mappings are asked.
    pub fn choose<'l>(&'l self, material: &Material<'_>, partner: Option<&PartnerId>) -> Choice<'l> {
        let mut fitting = Vec::new();
        let mut reasons = Vec::new();
        for mapping in self.of(partner).filter(|mapping| mapping.status == Status::Live) {
            match mapping.refuses(material) {
                None => fitting.push(mapping),
                Some(reason) => reasons.push((mapping.name.clone(), reason)),
            }
        }
        match fitting.as_slice() {
            [] => Choice::None(reasons),
            [one] => Choice::One(one),
            _ => Choice::Several(fitting),
        }
    }

    /// The shadow mappings that would take the mail.
    pub fn shadows<'l>(&'l self, material: &Material<'_>, partner: Option<&PartnerId>) -> Vec<&'l Mapping> {
        self.of(partner)
            .filter(|mapping| mapping.status == Status::Shadow && mapping.refuses(material).is_none())
            .collect()
    }

    fn of<'l>(&'l self, partner: Option<&PartnerId>) -> impl Iterator<Item = &'l Mapping> {
        let partner = partner.cloned();
        self.mappings.iter().filter(move |mapping| partner.as_ref().is_none_or(|partner| mapping.partner == *partner))
    }

    /// Pairs of live mappings that can match one mail.
    pub fn overlaps(&self) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let live: Vec<&Mapping> = self.mappings.iter().filter(|mapping| mapping.status == Status::Live).collect();
        for (index, first) in live.iter().enumerate() {
            for second in live.get(index + 1..).unwrap_or_default() {
                if can_both_match(&first.matching, &second.matching) {
                    let message = format!("`{}` and `{}` can match one mail", first.name, second.name);
                    let help = "tell them apart by subject, attachment, contains or excludes";
                    let d = Diagnostic::error("MAP020", message);
                    found.push(
                        d.at(&second.file, &second.text, second.match_span.clone())
                            .label("matches the other's mails")
                            .help(help),
                    );
                }
            }
        }
        found
    }
}

fn entries(dir: &Path, found: &mut Vec<Diagnostic>) -> Vec<std::path::PathBuf> {
    match std::fs::read_dir(dir) {
        Ok(entries) => {
            let mut paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
            paths.sort();
            paths
        }
        Err(error) => {
            let shown = dir.display().to_string();
            let complaint = Diagnostic::error("MAP001", format!("the folder cannot be read: {error}")).in_file(&shown);
            // A folder that was moved must not look like partners that need no mappings.
            found.push(match error.kind() {
                std::io::ErrorKind::NotFound => complaint.help(
                    "without mappings (only standard documents are read, or nobody is a partner yet) make it, empty",
                ),
                _ => complaint,
            });
            Vec::new()
        }
    }
}

fn read(file: &Path) -> std::io::Result<String> {
    let size = std::fs::metadata(file)?.len();
    if size > super::file::FILE_BYTES_MAX as u64 {
        return Err(std::io::Error::other(format!(
            "it has {size} bytes, a mapping at most {}",
            super::file::FILE_BYTES_MAX
        )));
    }
    std::fs::read_to_string(file)
}

fn file_name(path: &Path) -> Option<String> {
    path.file_name().map(|name| name.to_string_lossy().to_string())
}

impl Mapping {
    /// Why this mapping does not take the mail; `None` when it does.
    pub fn refuses(&self, material: &Material<'_>) -> Option<String> {
        if let Some(reason) = self.refuses_mail(material) {
            return Some(reason);
        }
        let parts = self.parts(material);
        if parts.is_empty() {
            return Some(format!("it has no {} part", self.source.name()));
        }
        if parts.iter().all(|(_, part)| self.refuses_part(part).is_some()) {
            return parts.first().and_then(|(_, part)| self.refuses_part(part));
        }
        None
    }

    /// The same by sender, subject and names of attachments alone: what is known before a link is followed.
    pub fn refuses_mail(&self, material: &Material<'_>) -> Option<String> {
        let m = &self.matching;
        let from = material.from.as_deref().unwrap_or_default();
        if !m.from.iter().any(|pattern| address_fits(pattern, from)) {
            return Some(format!("`{from}` is not in [match] from"));
        }
        if let Some(subject) = m.subject.as_ref().filter(|subject| !subject.is_match(&material.subject)) {
            return Some(format!("the subject does not fit '{}'", subject.written));
        }
        if let Some(attachment) = &m.attachment
            && !material.files.iter().any(|file| attachment.is_match(&file.name))
        {
            return Some(format!("no attachment fits '{}'", attachment.written));
        }
        None
    }

    /// Why a part is not of this layout, by its words.
    pub fn refuses_part(&self, part: &Part) -> Option<String> {
        let m = &self.matching;
        if m.contains.is_empty() && m.excludes.is_empty() && m.language.is_none() {
            return None;
        }
        let text = part.text();
        let plain = squeeze(&text);
        if let Some(words) = m.contains.iter().find(|words| !plain.contains(&squeeze(words))) {
            return Some(format!("`{words}` does not stand in the {}", self.source.name()));
        }
        if let Some(words) = m.excludes.iter().find(|words| plain.contains(&squeeze(words))) {
            return Some(format!("`{words}` stands in the {}", self.source.name()));
        }
        let language = m.language?;
        match Language::of(&text) {
            Some(found) if found == language => None,
            Some(found) => Some(format!("its language is {}, not {}", found.code(), language.code())),
            None => Some(format!("its language is not clear, {} is wanted", language.code())),
        }
    }

    /// The parts of the mail that are this mapping's source, with the name of the file.
    pub fn parts<'s>(&self, material: &'s Material<'_>) -> Vec<(&'s str, &'s Part)> {
        let attached = |kinds: &[Kind]| -> Vec<(&'s str, &'s Part)> {
            let named = |file: &&'s File<'_>| {
                self.matching.attachment.as_ref().is_none_or(|pattern| pattern.is_match(&file.name))
            };
            let files =
                material.files.iter().filter(named).filter(|file| kinds.iter().any(|kind| file.may_hold(*kind)));
            files
                .flat_map(|file| {
                    material
                        .parts(file)
                        .iter()
                        .filter(|part| kinds.contains(&part.kind))
                        .map(|part| (file.name.as_str(), part))
                })
                .collect()
        };
        let body = |part: &'s Option<Part>, kind: Kind| match (part, &self.matching.attachment) {
            (Some(part), None) => vec![(part.name.as_str(), part)],
            (None, None) if material.from.is_some() => Vec::new(),
            _ => attached(&[kind]),
        };
        match self.source {
            Source::Text => body(&material.text, Kind::Text),
            Source::Html => body(&material.html, Kind::Html),
            Source::Pdf => attached(&[Kind::Pdf]),
            Source::Csv => attached(&[Kind::Csv]),
            Source::Xlsx => attached(&[Kind::Xlsx]),
            Source::Xml => attached(&[Kind::Xml]),
            Source::Link => material.linked.iter().map(|part| (part.name.as_str(), part)).collect(),
        }
    }
}

fn squeeze(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Whether an address is the pattern, or of its domain (`@x.example` takes its subdomains not).
pub(super) fn address_fits(pattern: &str, address: &str) -> bool {
    if pattern.starts_with('@') { address.ends_with(pattern) } else { address == pattern }
}

/// Whether a mail can be made that both take. Judged by examples of each: a mail that just satisfies the one
/// and is taken by the other.
fn can_both_match(a: &Matching, b: &Matching) -> bool {
    let from = a.from.iter().any(|x| b.from.iter().any(|y| address_fits(x, y) || address_fits(y, x) || x == y));
    let languages = a.language.is_none() || b.language.is_none() || a.language == b.language;
    if !from || !languages {
        return false;
    }
    let hits = |words: &[String], others: &[String]| {
        words.iter().any(|w| others.iter().any(|o| squeeze(w).contains(&squeeze(o))))
    };
    if hits(&a.contains, &b.excludes) || hits(&b.contains, &a.excludes) {
        return false;
    }
    // Each asks for words of its own that the other does not ask for: told apart.
    let covers =
        |one: &[String], other: &[String]| other.iter().all(|o| one.iter().any(|w| squeeze(w).contains(&squeeze(o))));
    if !covers(&a.contains, &b.contains) && !covers(&b.contains, &a.contains) {
        return false;
    }
    let fits = |one: Option<&super::rule::Pattern>, other: Option<&super::rule::Pattern>| match (one, other) {
        (Some(one), Some(other)) => {
            let (x, y) = (example(&one.written), example(&other.written));
            x.is_some_and(|x| other.is_match(&x)) || y.is_some_and(|y| one.is_match(&y))
        }
        _ => true,
    };
    fits(a.subject.as_ref(), b.subject.as_ref()) && fits(a.attachment.as_ref(), b.attachment.as_ref())
}

/// A short text that a pattern matches.
fn example(pattern: &str) -> Option<String> {
    use regex_syntax::hir::{Class, Hir, HirKind};
    fn write(hir: &Hir, out: &mut String) {
        if out.len() > 1_000 {
            return;
        }
        match hir.kind() {
            HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Class(Class::Unicode(class)) => {
                let ranges = class.ranges();
                let likely = ['a', '1', ' ', '-', '.']
                    .into_iter()
                    .find(|c| ranges.iter().any(|r| r.start() <= *c && *c <= r.end()));
                out.extend(likely.or_else(|| ranges.first().map(|range| range.start())));
            }
            HirKind::Class(Class::Bytes(class)) => {
                out.extend(class.ranges().first().map(|range| char::from(range.start())))
            }
            HirKind::Repetition(repetition) => {
                for _ in 0..repetition.min.min(64) {
                    write(&repetition.sub, out);
                }
            }
            HirKind::Capture(capture) => write(&capture.sub, out),
            HirKind::Concat(all) => all.iter().for_each(|hir| write(hir, out)),
            HirKind::Alternation(all) => {
                if let Some(first) = all.first() {
                    write(first, out);
                }
            }
            HirKind::Empty | HirKind::Look(_) => {}
        }
    }
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut out = String::new();
    write(&hir, &mut out);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(matches: &[&str]) -> Library {
        let mappings = matches.iter().enumerate().map(|(index, rest)| {
            let text = format!(
                "partner = \"p\"\nkind = \"response\"\n[match]\nfrom = \"@p.example\"\n{rest}\n[source]\npart = \"text\"\n[fields]\norder_number = {{ label = \"x\" }}\n"
            );
            let (mapping, found) = check(&format!("p/{index}"), "f", &text);
            mapping.unwrap_or_else(|| panic!("{found:?}"))
        });
        Library { mappings: mappings.collect() }
    }

    /// Two mappings that both take a mail leave it unread: that must show before, not in the night.
    #[test]
    fn overlaps_are_found() {
        for (a, b, overlap) in [
            ("", "", true),
            ("subject = 'Bestätigung'", "", true),
            ("subject = 'Bestätigung'", "subject = 'Lieferschein'", false),
            ("subject = 'Bestätigung'", "subject = '^Auftrags?(bestätigung|Bestätigung)'", false),
            ("subject = '^AB \\d+'", "subject = 'AB [0-9]{2,}'", true),
            ("contains = \"Teil A\"", "contains = \"Teil B\"", false),
            ("contains = \"Teil A\"", "excludes = \"Teil A\"", false),
            ("contains = \"Teil A\"", "", true),
            ("language = \"de\"", "language = \"fr\"", false),
            ("attachment = '\\.pdf$'", "attachment = '\\.csv$'", false),
            ("status = \"x\"", "", true),
        ] {
            if a.starts_with("status") {
                continue;
            }
            assert_eq!(!library(&[a, b]).overlaps().is_empty(), overlap, "{a} / {b}");
        }
    }
}
