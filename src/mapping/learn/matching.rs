//! The match section: sender, what all subjects share, how attachments are named.

use super::case::Case;

/// Domains that anybody can have an address at.
const FREE: &[&str] = &[
    "gmail.com",
    "googlemail.com",
    "outlook.com",
    "hotmail.com",
    "live.com",
    "yahoo.com",
    "yahoo.de",
    "gmx.de",
    "gmx.net",
    "gmx.at",
    "gmx.ch",
    "web.de",
    "t-online.de",
    "freenet.de",
    "icloud.com",
    "me.com",
    "aol.com",
    "orange.fr",
    "wanadoo.fr",
    "free.fr",
    "laposte.net",
    "libero.it",
    "bluewin.ch",
    "ziggo.nl",
    "kpnmail.nl",
    "telia.com",
    "wp.pl",
    "o2.pl",
    "onet.pl",
    "mail.com",
    "proton.me",
    "protonmail.com",
    "seznam.cz",
];

/// The senders: their domains, or whole addresses where a domain says nothing.
pub fn from(cases: &[Case<'_>]) -> Vec<String> {
    let mut all: Vec<String> = cases
        .iter()
        .filter_map(|case| case.material.from.as_deref())
        .map(|address| match address.rsplit_once('@') {
            Some((_, domain)) if !FREE.contains(&domain) => format!("@{domain}"),
            _ => address.to_string(),
        })
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The longest run of words that all subjects share, as a pattern; words with digits differ from mail to mail.
pub fn subject(cases: &[Case<'_>]) -> Option<String> {
    let subjects: Vec<Vec<&str>> =
        cases.iter().map(|case| bare(&case.material.subject).split_whitespace().collect()).collect();
    let (first, others) = subjects.split_first()?;
    let fixed = |word: &&str| !word.chars().any(|c| c.is_ascii_digit());
    let mut best: Vec<&str> = Vec::new();
    for begin in 0..first.len() {
        for end in begin + 1..=first.len() {
            let run = first.get(begin..end)?;
            if !run.iter().all(fixed) || run.join(" ").len() <= best.join(" ").len() {
                continue;
            }
            if others.iter().all(|words| words.windows(run.len()).any(|window| window == run)) {
                best = run.to_vec();
            }
        }
    }
    let letters = best.join("").chars().filter(|c| c.is_alphabetic()).count();
    (letters >= 4).then(|| {
        best.iter().map(|word| regex::escape(word.trim_end_matches([':', ',', ';']))).collect::<Vec<_>>().join(r"\W+")
    })
}

/// A subject without the reply and forward marks before it.
fn bare(subject: &str) -> &str {
    let mut rest = subject.trim();
    while let Some((mark, tail)) = rest.split_once(':')
        && matches!(
            mark.trim().to_lowercase().as_str(),
            "re" | "aw" | "fw" | "fwd" | "wg" | "sv" | "vs" | "tr" | "rv" | "antw" | "odp" | "ri"
        )
    {
        rest = tail.trim();
    }
    rest
}

/// How the attachments' names are made: digits stand for any digits.
pub fn attachment(names: &[String]) -> Option<String> {
    let (first, others) = names.split_first()?;
    let shape = |name: &str| -> String {
        let mut out = String::new();
        let mut digits = false;
        for c in name.chars() {
            if c.is_ascii_digit() {
                if !digits {
                    out.push_str(r"\d+");
                }
                digits = true;
            } else {
                out.push_str(&regex::escape(&c.to_string()));
                digits = false;
            }
        }
        out
    };
    let whole = shape(first);
    if others.iter().all(|name| shape(name) == whole) {
        return Some(format!("(?i)^{whole}$"));
    }
    // What they begin with, and their ending.
    let mut common = first.as_str();
    for name in others {
        let length = common
            .char_indices()
            .zip(name.chars())
            .take_while(|((_, a), b)| a == b)
            .map(|((at, a), _)| at + a.len_utf8())
            .last()
            .unwrap_or(0);
        common = common.get(..length)?;
    }
    let ending = first.rsplit_once('.').map(|(_, ending)| ending)?;
    let common = common.trim_end_matches(|c: char| c.is_ascii_digit());
    others
        .iter()
        .all(|name| name.ends_with(ending))
        .then(|| format!(r"(?i)^{}.*\.{}$", regex::escape(common), regex::escape(ending)))
}
