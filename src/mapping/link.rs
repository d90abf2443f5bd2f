//! `[source] part = "link"`: which links of a mail lead to the page that a mapping reads.
//!
//! Pure: it finds and chooses, the caller fetches (and refuses what is not allowed; the list of hosts here is the
//! mapping's, and a link that is chosen may still lead nowhere that may be asked).

use std::sync::LazyLock;

use regex::Regex;

use super::library::Library;
use super::material::Material;
use super::rule::{Mapping, Pattern, Source, Status};
use crate::mail::Mail;
use crate::model::PartnerId;

/// `hosts` and `url` of `[source]`.
#[derive(Clone, Debug, Default)]
pub struct LinkRule {
    /// Hosts that may be asked, redirects included: `portal.example.com`, `*.example.com`, `portal.example.com:8443`.
    pub hosts: Vec<String>,
    /// Which links are meant; all to these hosts without it.
    pub url: Option<Pattern>,
}

/// A link that is to be fetched, and on whose behalf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub url: String,
    pub hosts: Vec<String>,
    /// The mapping that asks for it.
    pub mapping: String,
}

/// Links of one mail that are looked at, and fetched.
const LINKS_MAX: usize = 500;
pub const FETCHED_MAX: usize = 3;
const LINK_BYTES_MAX: usize = 2_048;
const HTML_BYTES_MAX: usize = 4 << 20;

#[expect(clippy::unwrap_used, reason = "constants, compiled by the tests")]
static HREF: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"(?i)\bhref\s*=\s*(?:"([^"<>]+)"|'([^'<>]+)'|([^\s"'<>]+))"#).unwrap());
#[expect(clippy::unwrap_used, reason = "constants, compiled by the tests")]
static BARE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"(?i)\bhttps?://[^\s<>"'`\\^{}|]+"#).unwrap());

/// The links that mappings want read, when no mapping reads the mail without them. Several layouts of one partner may
/// want one link.
pub fn wanted(mail: &Mail, material: &Material<'_>, library: &Library, partner: Option<&PartnerId>) -> Vec<Wanted> {
    let asking = |mapping: &&Mapping| {
        mapping.source == Source::Link
            && mapping.status != Status::Draft
            && partner.is_none_or(|partner| mapping.partner == *partner)
            && mapping.refuses_mail(material).is_none()
    };
    let mut found: Vec<Wanted> = Vec::new();
    let mut links = None;
    for mapping in library.mappings.iter().filter(asking) {
        let links = links.get_or_insert_with(|| links_of(mail));
        for url in links.iter().filter(|url| mapping.link.means(url)) {
            match found.iter_mut().find(|one| one.url == *url) {
                Some(known) => known.hosts.extend(mapping.link.hosts.iter().cloned()),
                None => found.push(Wanted {
                    url: url.clone(),
                    hosts: mapping.link.hosts.clone(),
                    mapping: mapping.name.clone(),
                }),
            }
        }
    }
    found
}

impl LinkRule {
    fn means(&self, link: &str) -> bool {
        let Ok(url) = url::Url::parse(link) else { return false };
        let Some(host) = url.host_str() else { return false };
        let host = match url.port() {
            Some(port) => format!("{}:{port}", host.trim_end_matches('.')),
            None => host.trim_end_matches('.').to_string(),
        };
        let allowed = self.hosts.iter().any(|allowed| match allowed.strip_prefix("*.") {
            Some(domain) => host.strip_suffix(domain).is_some_and(|sub| sub.ends_with('.')),
            None => *allowed == host,
        });
        matches!(url.scheme(), "http" | "https")
            && allowed
            && self.url.as_ref().is_none_or(|pattern| pattern.is_match(link))
    }
}

/// All web links of a mail, in its order, each once; without what comes after `#`.
pub fn links_of(mail: &Mail) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut take = |link: &str| {
        let link = link.trim();
        let known = |link: &str| found.iter().any(|one| one == link);
        let link = link.split('#').next().unwrap_or_default();
        if found.len() < LINKS_MAX
            && link.len() <= LINK_BYTES_MAX
            && link.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http"))
            && !known(link)
        {
            found.push(link.to_string());
        }
    };
    let html = mail.html.as_deref().unwrap_or_default();
    let end = (0..=html.len().min(HTML_BYTES_MAX)).rev().find(|at| html.is_char_boundary(*at)).unwrap_or(0);
    for caught in HREF.captures_iter(html.get(..end).unwrap_or_default()) {
        if let Some(link) = caught.get(1).or_else(|| caught.get(2)).or_else(|| caught.get(3)) {
            take(&unescape(link.as_str()));
        }
    }
    for link in BARE.find_iter(mail.text.as_deref().unwrap_or_default()) {
        take(trimmed(link.as_str()));
    }
    found
}

/// Punctuation of the sentence around is no part of a link.
fn trimmed(link: &str) -> &str {
    let mut link = link;
    loop {
        let shorter = link.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_', '"', '\'']);
        let shorter = match shorter.strip_suffix([')', ']']) {
            Some(inside) if !inside.contains(['(', '[']) => inside,
            _ => shorter,
        };
        if shorter.len() == link.len() {
            return link;
        }
        link = shorter;
    }
}

/// The entities that stand in addresses.
fn unescape(text: &str) -> String {
    let mut out = text.to_string();
    for (entity, sign) in
        [("&#38;", "&"), ("&#x26;", "&"), ("&quot;", "\""), ("&#39;", "'"), ("&equals;", "="), ("&amp;", "&")]
    {
        if out.contains(entity) {
            out = out.replace(entity, sign);
        }
    }
    out
}

/// Whether a host of `[source] hosts` can be one.
pub(super) fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
    let name = name.strip_prefix("*.").unwrap_or(name);
    let labels: Vec<&str> = name.split('.').collect();
    port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        && name.len() <= 253
        && labels.len() >= 2
        && labels.iter().all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Limits;
    use crate::mapping::mails::in_process;

    const MAPPING: &str = "partner = \"nordwind\"\nkind = \"response\"\n[match]\nfrom = \"@nordwind.example\"\nsubject = 'Bestätigung'\ncontains = \"Auftragsbestätigung\"\n\
        [source]\npart = \"link\"\nhosts = [\"portal.nordwind.example\", \"*.cdn.example:8443\"]\nurl = '/ab/'\n[fields]\norder_number = { label = \"Bestellung\" }\n";

    fn library() -> Library {
        let (mapping, found) = super::super::check("nordwind/portal", "portal.toml", MAPPING);
        assert_eq!(found, []);
        Library { mappings: vec![mapping.unwrap()] }
    }

    fn chosen(body: &str, html: bool) -> Vec<String> {
        let kind = if html { "html" } else { "plain" };
        let raw = format!(
            "From: a@nordwind.example\r\nSubject: =?utf-8?q?Best=C3=A4tigung?=\r\nMIME-Version: 1.0\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{body}\r\n"
        );
        let mail = Mail::parse(raw.as_bytes());
        let material = Material::of_mail(&mail, &Limits::default(), &in_process);
        wanted(&mail, &material, &library(), None).into_iter().map(|wanted| wanted.url).collect()
    }

    /// The wrong link fetched unsubscribes somebody, or reads the imprint for an order.
    #[test]
    fn only_the_links_meant_are_chosen() {
        let html = "<a href=\"https://portal.nordwind.example/ab/77?x=1&amp;y=2#top\">AB</a> <a href='https://portal.nordwind.example/ab/77?x=1&y=2'>AB</a>\
            <a href=https://portal.nordwind.example/unsubscribe>no</a> <a href=\"https://evil.example/ab/77\">no</a>\
            <a href=\"https://portal.nordwind.example.evil.example/ab/1\">no</a> <a href=\"javascript:alert(1)//portal.nordwind.example/ab/\">no</a>\
            <a href=\"https://portal.nordwind.example@evil.example/ab/1\">no</a> <a href=\"https://x.cdn.example:8443/ab/9.pdf\">yes</a>";
        assert_eq!(
            chosen(html, true),
            ["https://portal.nordwind.example/ab/77?x=1&y=2", "https://x.cdn.example:8443/ab/9.pdf"]
        );
        let text = "Ihre AB (https://portal.nordwind.example/ab/77). Mehr: <https://portal.nordwind.example/ab/78>, http://x.example/ab/";
        assert_eq!(
            chosen(text, false),
            ["https://portal.nordwind.example/ab/77", "https://portal.nordwind.example/ab/78"]
        );
        assert!(chosen("no link at all", false).is_empty());
    }

    /// An admin must hear that a mapping of links needs hosts, before a mail finds out.
    #[test]
    fn hosts_are_checked() {
        let codes = |text: &str| -> Vec<String> {
            super::super::check("nordwind/portal", "portal.toml", text).1.into_iter().map(|d| d.code).collect()
        };
        assert_eq!(
            codes(&MAPPING.replace("hosts = [\"portal.nordwind.example\", \"*.cdn.example:8443\"]\n", "")),
            ["MAP004"]
        );
        for bad in [
            "https://portal.example",
            "portal.example/ab",
            "*",
            "*.",
            "localhost",
            "Portal.Example",
            "a..b",
            "x.example:0",
        ] {
            assert_eq!(codes(&MAPPING.replace("portal.nordwind.example\"", &format!("{bad}\""))), ["MAP003"], "{bad}");
        }
        let html = MAPPING.replace("part = \"link\"", "part = \"html\"");
        assert_eq!(codes(&html), ["MAP018", "MAP018"]);
    }
}
