//! Who really said it: a verdict on the From address of a mail.
//!
//! Evidence is the `Authentication-Results` field of our own server (RFC 8601; topmost, pinned by its authserv-id), our own
//! check ([`super::own_check`]), or an ARC chain whose sealer is trusted. Everything else in a mail can be written by
//! anybody. It must never know who may say what: it only says who it was.

mod alike;
mod results;

use serde::{Deserialize, Serialize};

use self::alike::skeleton;
use self::results::{Outcome, results};
use super::Mail;
use super::header::Address;
use super::own_check::OwnCheck;

/// How much is asked before a From address is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Only with proof. The default for decisions.
    #[default]
    Require,
    /// Proof when there is evidence; a mail nobody checked passes, a mail that failed does not.
    Prefer,
    /// Nothing is looked at but that the From field is sound.
    Off,
}

/// What our side knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustSettings {
    pub policy: Policy,
    /// The authserv-ids by which our own servers sign their results, e.g. `mx.shop.example`.
    pub authserv_ids: Vec<String>,
    /// How many fields of that id our server adds to one mail; 0 counts as 1. (OpenDKIM and OpenDMARC add one each.)
    pub header_count: usize,
    /// Named quirk: Exchange Online writes its results without an authserv-id.
    pub quirk_no_authserv_id: bool,
    /// Domains of ours, of approvers and partners: what looks like one and is none is refused.
    pub guarded_domains: Vec<String>,
    /// Forwarders whose ARC seals are believed, by the `d=` of their seal.
    pub arc_sealers: Vec<String>,
}

/// The verdict; the reasons are for people on our side, never for the sender.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "trust", rename_all = "snake_case")]
pub enum Trust {
    Authentic {
        by: String,
    },
    NotAuthentic {
        reason: String,
    },
    /// Nobody who is trusted said anything.
    Unknown {
        reason: String,
    },
}

impl Trust {
    /// Whether a mail may be believed under a policy.
    pub fn suffices(&self, policy: Policy) -> bool {
        match (self, policy) {
            (Trust::Authentic { .. }, _) => true,
            (Trust::Unknown { .. }, Policy::Prefer | Policy::Off) => true,
            (Trust::Unknown { .. }, Policy::Require) | (Trust::NotAuthentic { .. }, _) => false,
        }
    }
}

/// Judges the From address of a mail. With [`Policy::Off`] only the soundness of the From field counts.
pub fn verdict(mail: &Mail, settings: &TrustSettings, own: Option<&OwnCheck>) -> Trust {
    let author = match sole_author(mail, settings) {
        Ok(author) => author,
        Err(reason) => return Trust::NotAuthentic { reason },
    };
    let Some(domain) = author.domain().filter(|domain| !domain.is_empty()) else {
        return Trust::NotAuthentic { reason: format!("`{}` is no mail address", author.address) };
    };
    if let Some(reason) = disguise(author, &domain, settings) {
        return Trust::NotAuthentic { reason };
    }
    if settings.policy == Policy::Off {
        return Trust::Unknown { reason: "origin is not checked (policy off)".to_string() };
    }
    if settings.policy == Policy::Require && mail.faults.iter().any(|fault| fault.code == "BROKEN_HEADER") {
        // Readers disagree on broken headers; whoever checked it may have seen another From.
        return Trust::NotAuthentic { reason: "the header is broken".to_string() };
    }
    let ours = ours(mail, settings);
    let stated = ours.map(|results| judge(&results, &domain));
    let checked = own.map(|own| own_verdict(own, &domain, settings));
    match (stated, checked) {
        (Some(trust @ Trust::Authentic { .. }), _) | (_, Some(trust @ Trust::Authentic { .. })) => trust,
        (Some(trust @ Trust::NotAuthentic { .. }), _) | (_, Some(trust @ Trust::NotAuthentic { .. })) => trust,
        (Some(trust), _) | (None, Some(trust)) => trust,
        (None, None) => {
            Trust::Unknown { reason: "no result of our own mail server, and not checked by us".to_string() }
        }
    }
}

/// The one author, or why there is none: several From fields or addresses are a known way to show one and check another.
fn sole_author<'a>(mail: &'a Mail, settings: &TrustSettings) -> Result<&'a Address, String> {
    let fields: Vec<&str> = mail.headers.all("From").collect();
    let [field] = fields.as_slice() else {
        return Err(match fields.len() {
            0 => "there is no From field".to_string(),
            count => format!("there are {count} From fields"),
        });
    };
    let [author] = mail.from.as_slice() else {
        return Err(format!("the From field names {} addresses", mail.from.len()));
    };
    // Under `off` sloppy senders pass as they do everywhere; a checked From must be readable one way only.
    if settings.policy != Policy::Off && !plain(field, &author.address) {
        return Err("the From field can be read in more than one way".to_string());
    }
    Ok(author)
}

/// Whether a From field has a form that every reader takes the same way: `address`, `<address>`, `name <address>`.
fn plain(field: &str, address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else { return false };
    let local_fine =
        !local.is_empty() && local.chars().all(|c| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c));
    let domain_fine = domain.contains('.')
        && domain.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
        && !domain.starts_with(['.', '-'])
        && !domain.contains("..");
    if !local_fine || !domain_fine || field.contains('\0') {
        return false;
    }
    let field = field.trim();
    if field == address {
        return true;
    }
    let bracketed = format!("<{address}>");
    let Some(name) = field.strip_suffix(bracketed.as_str()) else {
        // `anna@shop.example (Anna)`
        return field.strip_prefix(address).map(str::trim).is_some_and(|rest| {
            rest.starts_with('(')
                && rest.ends_with(')')
                && rest.matches(['(', ')', '\\', '<', '>', ',', ';']).count() == 2
        });
    };
    let name = name.trim();
    if let Some(quoted) = name.strip_prefix('"') {
        // The closing quotation mark is the last character and the only one that is not escaped.
        let mut escaped = false;
        let mut closed_at = None;
        for (at, c) in quoted.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    closed_at = Some(at);
                    break;
                }
                _ => {}
            }
        }
        return closed_at.is_some_and(|at| at + 1 == quoted.len());
    }
    !name.contains(['<', '>', '"', ';', ':', '@', '\\'])
}

/// Display-name tricks and look-alike domains, measured by the domains that matter to us.
fn disguise(author: &Address, domain: &str, settings: &TrustSettings) -> Option<String> {
    let guarded: Vec<String> = settings.guarded_domains.iter().map(|domain| domain.to_lowercase()).collect();
    let name = author.name.as_deref().unwrap_or_default().to_lowercase();
    for word in name.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | '\'' | ',' | ';')) {
        if let Some((local, shown)) = word.rsplit_once('@')
            && !local.is_empty()
            && shown != domain
            && guarded.iter().any(|known| known == shown)
        {
            return Some(format!("the display name shows `{word}`, but the mail is from `{}`", author.address));
        }
    }
    if guarded.iter().any(|known| known == domain) {
        return None;
    }
    let shape = skeleton(domain);
    let alike = guarded.iter().find(|known| {
        let other = skeleton(known);
        shape == other || known.chars().count() >= 8 && strsim::damerau_levenshtein(&shape, &other) == 1
    });
    alike.map(|known| format!("`{domain}` looks like `{known}` and is not"))
}

/// The results that our own server stated: the topmost field with our id, and no more than it adds.
fn ours(mail: &Mail, settings: &TrustSettings) -> Option<Vec<Outcome>> {
    let mut found: Option<Vec<Outcome>> = None;
    let mut left = settings.header_count.max(1);
    for field in mail.headers.iter() {
        // What stands below a hop that came after ours began was there before our server saw the mail.
        if field.name.eq_ignore_ascii_case("Received") && found.is_some() {
            break;
        }
        if !field.name.eq_ignore_ascii_case("Authentication-Results") {
            continue;
        }
        // A field that cannot be read may be ours, spoilt by what the sender put into it: nothing below it counts.
        let Some((id, outcomes)) = results(&field.value) else { break };
        let pinned = match &id {
            Some(id) => settings.authserv_ids.iter().any(|known| known.eq_ignore_ascii_case(id)),
            None => settings.quirk_no_authserv_id,
        };
        if pinned {
            found.get_or_insert_default().extend(outcomes);
            left -= 1;
            if left == 0 {
                break;
            }
        } else if found.is_some() {
            // Ours come in one block; the first of another author ends it.
            break;
        }
    }
    found
}

/// How many results fields bear the name of our server. More than it adds means that it does not remove the copies that
/// others write into their mails (RFC 8601 section 5).
pub fn fields_of_ours(mail: &Mail, settings: &TrustSettings) -> usize {
    let named = mail.headers.all("Authentication-Results").filter_map(|value| results(value)?.0);
    named.filter(|id| settings.authserv_ids.iter().any(|known| known.eq_ignore_ascii_case(id))).count()
}

fn judge(outcomes: &[Outcome], domain: &str) -> Trust {
    let of = |method: &'static str| outcomes.iter().filter(move |outcome| outcome.method == method);
    let about_from = |outcome: &&Outcome| outcome.domain(&["header.from"]).is_none_or(|stated| stated == domain);
    if let Some(other) = of("dmarc").find(|outcome| !about_from(outcome)) {
        let stated = other.domain(&["header.from"]).unwrap_or_default();
        return Trust::NotAuthentic {
            reason: format!("our server checked `{stated}`, but the mail says it is from `{domain}`"),
        };
    }
    if let Some(bad) = of("dmarc").find(|outcome| matches!(outcome.result.as_str(), "fail" | "permerror")) {
        return Trust::NotAuthentic { reason: format!("dmarc={} for `{domain}`", bad.result) };
    }
    // A pass must name the domain that it is for.
    if of("dmarc")
        .any(|outcome| outcome.result == "pass" && outcome.domain(&["header.from"]).as_deref() == Some(domain))
    {
        return Trust::Authentic { by: format!("dmarc=pass for {domain}") };
    }
    if of("dkim").any(|outcome| outcome.result == "pass" && dkim_domain(outcome).as_deref() == Some(domain)) {
        return Trust::Authentic { by: format!("aligned dkim=pass for {domain}") };
    }
    if of("spf").any(|outcome| {
        outcome.result == "pass"
            && outcome.domain(&["smtp.mailfrom", "smtp.mfrom", "smtp.envelope-from"]).as_deref() == Some(domain)
    }) {
        return Trust::Authentic { by: format!("aligned spf=pass for {domain}") };
    }
    let failed: Vec<String> = outcomes
        .iter()
        .filter(|outcome| {
            matches!(outcome.method.as_str(), "dkim" | "spf")
                && matches!(outcome.result.as_str(), "fail" | "permerror" | "policy" | "hardfail")
        })
        .map(|outcome| format!("{}={}", outcome.method, outcome.result))
        .collect();
    match failed.is_empty() {
        false => {
            Trust::NotAuthentic { reason: format!("{} and nothing that passes for `{domain}`", failed.join(", ")) }
        }
        true => Trust::Unknown { reason: format!("our server found no proof for `{domain}`") },
    }
}

/// `header.d`, or the domain of `header.i`; when both are there they must agree.
fn dkim_domain(outcome: &Outcome) -> Option<String> {
    let signer = outcome.domain(&["header.d"]);
    let identity = outcome.domain(&["header.i"]);
    match (signer, identity) {
        (Some(signer), Some(identity)) => {
            (identity == signer || identity.ends_with(&format!(".{signer}"))).then_some(signer)
        }
        (one, other) => one.or(other),
    }
}

fn own_verdict(own: &OwnCheck, domain: &str, settings: &TrustSettings) -> Trust {
    if own.from_domain != domain {
        return Trust::NotAuthentic {
            reason: format!("`{}` was checked, but the mail says it is from `{domain}`", own.from_domain),
        };
    }
    if own.dmarc_pass {
        return Trust::Authentic { by: format!("DMARC checked by us for {domain}") };
    }
    if own.dkim.iter().any(|signer| signer == domain) {
        return Trust::Authentic { by: format!("DKIM checked by us for {domain}") };
    }
    if own.spf.as_deref() == Some(domain) {
        return Trust::Authentic { by: format!("SPF checked by us for {domain}") };
    }
    if let Some(arc) = own
        .arc
        .as_ref()
        .filter(|arc| settings.arc_sealers.iter().any(|sealer| sealer.eq_ignore_ascii_case(&arc.sealer)))
    {
        let stated = results(&arc.results).map(|(_, outcomes)| judge(&outcomes, domain));
        if let Some(Trust::Authentic { by }) = stated {
            return Trust::Authentic { by: format!("{by}, sealed by {} (ARC)", arc.sealer) };
        }
    }
    match (&own.unsure, own.published) {
        (Some(reason), _) => Trust::Unknown { reason: format!("could not be checked: {reason}") },
        (None, true) => Trust::NotAuthentic {
            reason: format!("`{domain}` publishes DMARC, and no valid signature of it is on the mail"),
        },
        (None, false) => Trust::Unknown { reason: format!("no valid signature of `{domain}`") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> TrustSettings {
        TrustSettings {
            authserv_ids: vec!["mx.shop.example".into()],
            guarded_domains: vec!["shop.example".into(), "partner.example".into()],
            ..TrustSettings::default()
        }
    }

    fn judged(results: &str) -> Trust {
        verdict(
            &Mail::parse(
                format!("Authentication-Results: {results}\r\nFrom: Anna <anna@shop.example>\r\n\r\nAPPROVE\r\n")
                    .as_bytes(),
            ),
            &settings(),
            None,
        )
    }

    /// A real server's results would not be understood, and every decision refused.
    #[test]
    fn results_of_real_servers() {
        for results in [
            "mx.shop.example; dmarc=pass header.from=shop.example",
            "mx.shop.example 1; dmarc=pass (p=reject dis=none) header.from=shop.example",
            "MX.Shop.Example;\r\n\tdkim=pass (2048-bit key; unprotected) header.d=shop.example header.i=@shop.example header.b=\"AbC=\";\r\n\tdkim-atps=neutral",
            "mx.shop.example; dkim=pass header.i=@shop.example header.s=s1 header.b=ab12cd==; spf=pass (google.com: domain of anna@shop.example designates 1.2.3.4) smtp.mailfrom=anna@shop.example; dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=shop.example",
            "mx.shop.example; spf=pass smtp.mailfrom=\"anna\"@shop.example",
            "\"mx.shop.example\" ; dmarc = pass header.from = shop.example",
            "mx.shop.example (our server) ; (x) dmarc=pass (y) header.from=(z)shop.example",
            "mx.shop.example; dmarc/1=pass reason=\"all; fine\" header.from=shop.example",
        ] {
            assert!(matches!(judged(results), Trust::Authentic { .. }), "{results}: {:?}", judged(results));
        }
        let exchange = "spf=pass (sender IP is 1.2.3.4)\r\n smtp.mailfrom=shop.example; dkim=pass (signature was verified)\r\n header.d=shop.example;dmarc=pass action=none\r\n header.from=shop.example;compauth=pass reason=100";
        let mail =
            Mail::parse(format!("Authentication-Results: {exchange}\r\nFrom: anna@shop.example\r\n\r\nx").as_bytes());
        assert!(matches!(verdict(&mail, &settings(), None), Trust::Unknown { .. }));
        assert!(matches!(
            verdict(&mail, &TrustSettings { quirk_no_authserv_id: true, ..settings() }, None),
            Trust::Authentic { .. }
        ));
    }

    /// A punycode look-alike would pass for the shop.
    #[test]
    fn look_alikes() {
        assert_eq!(alike::punycode("bcher-kva").as_deref(), Some("bücher"));
        assert_eq!(alike::punycode("!"), None);
        assert_eq!(skeleton("xn--shp-ted.example"), skeleton("shop.example"));
        assert_eq!(skeleton("sh0p.exarnple"), skeleton("shop.example"));
        assert_ne!(skeleton("shop.example"), skeleton("ship.example"));
    }

    /// Forwarded mail would never count, or a stranger's seal would vouch for anything.
    #[test]
    fn our_own_check_and_sealed_chains() {
        let mail = Mail::parse(b"From: anna@shop.example\r\n\r\nx");
        let own = |change: fn(&mut OwnCheck)| {
            let mut own = OwnCheck { from_domain: "shop.example".into(), ..OwnCheck::default() };
            change(&mut own);
            verdict(&mail, &TrustSettings { arc_sealers: vec!["list.example".into()], ..settings() }, Some(&own))
        };
        let sealed = |sealer: &str, results: &str| crate::mail::own_check::Arc {
            sealer: sealer.into(),
            results: results.into(),
        };
        let _ = sealed;
        assert!(matches!(own(|own| own.dmarc_pass = true), Trust::Authentic { .. }));
        assert!(matches!(own(|own| own.dkim = vec!["shop.example".into()]), Trust::Authentic { .. }));
        assert!(matches!(own(|own| own.dkim = vec!["evil.example".into()]), Trust::Unknown { .. }));
        assert!(matches!(own(|own| own.spf = Some("shop.example".into())), Trust::Authentic { .. }));
        assert!(matches!(own(|own| own.spf = Some("evil.example".into())), Trust::Unknown { .. }));
        assert!(matches!(own(|own| own.published = true), Trust::NotAuthentic { .. }));
        assert!(matches!(
            own(|own| {
                own.published = true;
                own.unsure = Some("no answer".into());
            }),
            Trust::Unknown { .. }
        ));
        assert!(matches!(
            own(|own| {
                own.dmarc_pass = true;
                own.from_domain = "evil.example".into();
            }),
            Trust::NotAuthentic { .. }
        ));
        let arc = "mx.list.example; dmarc=pass header.from=shop.example";
        let mut check = OwnCheck {
            from_domain: "shop.example".into(),
            arc: Some(sealed("list.example", arc)),
            ..OwnCheck::default()
        };
        let trusting = TrustSettings { arc_sealers: vec!["list.example".into()], ..settings() };
        assert!(matches!(verdict(&mail, &trusting, Some(&check)), Trust::Authentic { .. }));
        check.arc = Some(sealed("evil.example", arc));
        assert!(matches!(verdict(&mail, &trusting, Some(&check)), Trust::Unknown { .. }));
    }
}
