//! Our own check of DKIM, SPF, ARC and DMARC, for where no mail server of ours states results.
//!
//! The arithmetic is mail-auth's; DNS stands behind [`Resolver`], so that tests and simulations answer from a table and
//! every question asked is known beforehand. SPF needs the address that delivered the mail; it stands in the `Received`
//! field of our own receiving server, whose name somebody must tell. It must never know what follows from the result.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc as Shared;
use std::time::Instant;

use async_trait::async_trait;
use mail_auth::common::cache::NoCache;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::dmarc::Dmarc;
use mail_auth::dmarc::verify::DmarcParameters;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{
    AuthenticatedMessage, DkimResult, DmarcResult, DnsError, Error, MX, MessageAuthenticator, Parameters, RecordSet,
    ResolverCache, SpfOutput, SpfResult, Txt,
};

use super::Mail;
use super::header::Headers;

/// Answers questions for TXT records.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All TXT records of a name, each joined to one string; none when there are none. An error when the answer
    /// cannot be had now.
    async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, String>;

    /// Whether the envelope sender's domain lets this address deliver (RFC 7208); an error when it cannot be had now.
    async fn spf(&self, _hop: &Hop) -> Result<bool, String> {
        Ok(false)
    }
}

/// How a mail came to our receiving server, as that server wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    pub address: IpAddr,
    pub helo: String,
    /// The envelope sender.
    pub mail_from: String,
    /// Our server.
    pub received_by: String,
}

/// What we found out about the From domain of a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnCheck {
    /// The domain that was checked, lower case.
    pub from_domain: String,
    /// Domains with a valid signature over the whole mail.
    pub dkim: Vec<String>,
    /// The envelope sender's domain, when SPF lets it pass.
    pub spf: Option<String>,
    /// One of them is aligned by the domain's DMARC policy.
    pub dmarc_pass: bool,
    /// The domain publishes a DMARC policy.
    pub published: bool,
    /// A chain of seals that holds.
    pub arc: Option<Arc>,
    /// Why the check could not be finished, if so.
    pub unsure: Option<String>,
    /// It may come out otherwise later: DNS did not answer.
    pub temporary: bool,
}

/// The last link of a valid ARC chain (RFC 8617).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arc {
    /// `d=` of its seal.
    pub sealer: String,
    /// What it says it found, in the form of Authentication-Results.
    pub results: String,
}

/// More signatures than this, or more names to ask for, no honest mail has.
const SIGNATURES_MAX: usize = 20;
const NAMES_MAX: usize = 60;

/// Checks a raw mail; `mail` is the same one, parsed. `received_by` is the name of our own receiving server in its
/// `Received` field; without it SPF is not looked at.
pub async fn check(raw: &[u8], mail: &Mail, resolver: &dyn Resolver, received_by: Option<&str>) -> OwnCheck {
    let from_domain = mail.author().and_then(|author| author.domain()).unwrap_or_default();
    let unsure = |reason: &str| OwnCheck {
        from_domain: from_domain.clone(),
        unsure: Some(reason.to_string()),
        ..OwnCheck::default()
    };
    if from_domain.is_empty() {
        return unsure("there is no single From address");
    }
    let names = match names(&mail.headers, &from_domain) {
        Some(names) => names,
        None => return unsure("more signatures than are checked"),
    };
    let hop = received_by.and_then(|name| hop(&mail.headers, name));
    let (answers, spf) = futures_util::future::join(Answers::gather(&names, resolver), async {
        match &hop {
            Some(hop) => resolver.spf(hop).await,
            None => Ok(false),
        }
    })
    .await;
    let Ok(authenticator) =
        MessageAuthenticator::new(ResolverConfig::from_name_servers(Vec::new()), ResolverOpts::default())
    else {
        return unsure("the checker cannot be set up");
    };
    // The checker reads the mail with the same library as we do: its assertions must not cost the process.
    let Ok(Some(message)) = catch_unwind(AssertUnwindSafe(|| AuthenticatedMessage::parse(raw))) else {
        return unsure("the mail cannot be read by the checker");
    };
    let none = NoneAtAll;
    let with = |message| Parameters::<
        _,
        Answers,
        NoneAtAll,
        NoneAtAll,
        NoneAtAll,
        NoCache<std::net::IpAddr, RecordSet<Box<str>>>,
    > {
        params: message,
        cache_txt: Some(&answers),
        cache_mx: Some(&none),
        cache_ptr: None,
        cache_ipv4: Some(&none),
        cache_ipv6: Some(&none),
    };
    let signatures = authenticator.verify_dkim(with(&message)).await;
    let passing = signatures
        .iter()
        .filter(|signature| *signature.result() == DkimResult::Pass)
        .filter_map(|signature| signature.signature());
    let dkim: BTreeSet<String> = passing.map(|signature| signature.d.to_lowercase()).collect();
    let mail_from = hop.as_ref().and_then(|hop| hop.mail_from.rsplit_once('@')).map_or("", |(_, domain)| domain);
    let mail_from = mail_from.to_lowercase();
    let spf_passes = spf == Ok(true) && !mail_from.is_empty();
    let spf_output = SpfOutput::new(mail_from.clone());
    let spf_output = if spf_passes { spf_output.with_result(SpfResult::Pass) } else { spf_output };
    let dmarc = authenticator
        .verify_dmarc(Parameters::<
            _,
            Answers,
            NoneAtAll,
            NoneAtAll,
            NoneAtAll,
            NoCache<std::net::IpAddr, RecordSet<Box<str>>>,
        > {
            params: DmarcParameters {
                message: &message,
                dkim_output: &signatures,
                dkim2_output: None,
                rfc5321_mail_from_domain: &mail_from,
                spf_output: &spf_output,
            },
            cache_txt: Some(&answers),
            cache_mx: Some(&none),
            cache_ptr: None,
            cache_ipv4: Some(&none),
            cache_ipv6: Some(&none),
        })
        .await;
    let chain = authenticator.verify_arc(with(&message)).await;
    let arc = (*chain.result() == DkimResult::Pass).then(|| last_link(&mail.headers)).flatten();
    let waiting = spf.is_err()
        || signatures.iter().any(|signature| matches!(signature.result(), DkimResult::TempError(_)))
        || matches!(dmarc.dkim_result(), DmarcResult::TempError(_));
    OwnCheck {
        dmarc_pass: (*dmarc.dkim_result() == DmarcResult::Pass || *dmarc.spf_result() == DmarcResult::Pass)
            && dmarc.domain() == from_domain,
        spf: spf_passes.then_some(mail_from),
        published: dmarc.dmarc_record().is_some(),
        dkim: dkim.into_iter().collect(),
        arc,
        unsure: waiting.then(|| "DNS did not answer".to_string()),
        temporary: waiting,
        from_domain,
    }
}

/// Every name that the check may ask for, with what is expected there.
fn names(headers: &Headers, from_domain: &str) -> Option<BTreeSet<(Wanted, String)>> {
    let mut names = BTreeSet::new();
    let mut domains = BTreeSet::from([from_domain.to_string()]);
    let mut signatures = 0;
    for field in ["DKIM-Signature", "ARC-Message-Signature", "ARC-Seal"] {
        for value in headers.all(field) {
            signatures += 1;
            if signatures > SIGNATURES_MAX * 3 {
                return None;
            }
            if let (Some(domain), Some(selector)) = (tag(value, "d"), tag(value, "s")) {
                names.insert((Wanted::Key, format!("{selector}._domainkey.{domain}.").to_lowercase()));
                domains.insert(domain.to_lowercase());
            }
        }
    }
    for domain in domains {
        let labels: Vec<&str> = domain.split('.').filter(|label| !label.is_empty()).collect();
        for at in 0..labels.len().min(9) {
            let rest = labels.get(at..).unwrap_or_default().join(".");
            names.insert((Wanted::Policy, format!("_dmarc.{rest}.")));
        }
    }
    (names.len() <= NAMES_MAX).then_some(names)
}

/// A tag of a tag list (RFC 6376 section 3.2).
fn tag(value: &str, name: &str) -> Option<String> {
    let mut tags = value.split(';').filter_map(|tag| tag.split_once('='));
    let (_, found) = tags.find(|(known, _)| known.trim() == name)?;
    Some(found.split_whitespace().collect())
}

/// The hop by which a mail came to us: the topmost `Received` field that our server wrote, and the `Return-Path` that was
/// added above it. What stands below was there before our server saw the mail, and anybody may have written it.
fn hop(headers: &Headers, received_by: &str) -> Option<Hop> {
    let mut mail_from = None;
    for field in headers.iter() {
        if field.name.eq_ignore_ascii_case("Return-Path") && mail_from.is_none() {
            let address = field.value.trim().trim_start_matches('<').trim_end_matches('>').trim();
            mail_from = Some(address.to_string()).filter(|address| address.contains('@'));
        }
        if !field.name.eq_ignore_ascii_case("Received") {
            continue;
        }
        let value = field.value.split_whitespace().collect::<Vec<_>>().join(" ");
        let Some((from, by)) = clauses(&value) else { continue };
        if by.eq_ignore_ascii_case(received_by) {
            return Some(Hop {
                address: delivering_address(from)?,
                helo: from.split([' ', '(']).next().unwrap_or_default().to_string(),
                mail_from: mail_from?,
                received_by: received_by.to_string(),
            });
        }
    }
    None
}

/// `from ... by NAME`: what stands behind `from`, and the name; comments may hold anything.
fn clauses(value: &str) -> Option<(&str, &str)> {
    let rest = value.get(..5).filter(|start| start.eq_ignore_ascii_case("from ")).and(value.get(5..))?;
    let mut depth = 0_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.checked_sub(1)?,
            ' ' if depth == 0 && rest.get(at + 1..at + 4).is_some_and(|word| word.eq_ignore_ascii_case("by ")) => {
                let by = rest.get(at + 4..)?.split([' ', '(', ';']).next()?;
                return Some((rest.get(..at)?, by));
            }
            _ => {}
        }
    }
    None
}

/// `mail.nord.example (mail.nord.example [203.0.113.5])`, `host (203.0.113.5)`, `[IPv6:2001:db8::1]`: the last address
/// in brackets, since what comes before it is what the other side said of itself.
fn delivering_address(from: &str) -> Option<IpAddr> {
    let mut found = from.split(['[', ']', '(', ')', ' ']).filter_map(|word| {
        let word = word.strip_prefix("IPv6:").or_else(|| word.strip_prefix("ipv6:")).unwrap_or(word);
        word.parse::<IpAddr>().ok()
    });
    // A HELO that is itself an address is a claim, not a fact.
    let first = found.next()?;
    Some(found.next_back().unwrap_or(first)).filter(|_| from.contains(['[', '(']))
}

fn last_link(headers: &Headers) -> Option<Arc> {
    let number = |value: &str| tag(value, "i").and_then(|number| number.parse::<u32>().ok());
    let (last, seal) =
        headers.all("ARC-Seal").filter_map(|seal| Some((number(seal)?, seal))).max_by_key(|(number, _)| *number)?;
    let results = headers.all("ARC-Authentication-Results").find(|results| number(results) == Some(last))?;
    let (_, results) = results.split_once(';')?;
    Some(Arc { sealer: tag(seal, "d")?.to_lowercase(), results: results.trim().to_string() })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Wanted {
    Key,
    Policy,
}

/// What DNS said, asked before the check began; the check itself asks nobody.
struct Answers(HashMap<Box<str>, Txt>);

impl Answers {
    async fn gather(names: &BTreeSet<(Wanted, String)>, resolver: &dyn Resolver) -> Answers {
        let asked = names.iter().map(|(wanted, name)| async move {
            let text = match resolver.txt(name.trim_end_matches('.')).await {
                Ok(records) => parse(*wanted, &records),
                Err(reason) => Txt::Error(Error::Dns(DnsError::Resolver(reason))),
            };
            (name.clone().into_boxed_str(), text)
        });
        Answers(futures_util::future::join_all(asked).await.into_iter().collect())
    }
}

fn parse(wanted: Wanted, records: &[Vec<u8>]) -> Txt {
    let missing = Txt::Error(Error::Dns(DnsError::InvalidRecordType));
    match wanted {
        Wanted::Key => records
            .iter()
            .find_map(|record| DomainKey::parse(record).ok())
            .map_or(missing, |key| Txt::DomainKey(Shared::new(key))),
        Wanted::Policy => {
            let policies: Vec<Dmarc> = records.iter().filter_map(|record| Dmarc::parse(record).ok()).collect();
            // Two policies are none (RFC 7489 section 6.6.3).
            match <[Dmarc; 1]>::try_from(policies) {
                Ok([policy]) => Txt::Dmarc(Shared::new(policy)),
                Err(_) => missing,
            }
        }
    }
}

impl ResolverCache<Box<str>, Txt> for Answers {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        Some(self.0.get(name).cloned().unwrap_or(Txt::Error(Error::Dns(DnsError::InvalidRecordType))))
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: Instant) {}
}

/// Stands for all other records: there are none, and nobody is asked.
struct NoneAtAll;

macro_rules! none_at_all {
    ($record:ty) => {
        impl ResolverCache<Box<str>, RecordSet<$record>> for NoneAtAll {
            fn get<Q>(&self, _: &Q) -> Option<RecordSet<$record>>
            where
                Box<str>: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                Some(RecordSet { rrset: Shared::new([]), dnssec_status: mail_auth::DnssecStatus::Indeterminate })
            }

            fn remove<Q>(&self, _: &Q) -> Option<RecordSet<$record>>
            where
                Box<str>: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }

            fn insert(&self, _: Box<str>, _: RecordSet<$record>, _: Instant) {}
        }
    };
}

none_at_all!(Ipv4Addr);
none_at_all!(Ipv6Addr);
none_at_all!(MX);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::dkim::Signer;
    use crate::mail::encode::Outgoing;
    use crate::mail::header::Address;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    /// A key made for these tests; nobody else uses it.
    const RSA: &str = include_str!("../../tests/keys/dkim-rsa.pem");
    const RSA_PUBLIC: &str = include_str!("../../tests/keys/dkim-rsa.pub");

    struct Table(HashMap<&'static str, String>);

    #[async_trait]
    impl Resolver for Table {
        async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, String> {
            match self.0.get(name).map(String::as_str) {
                Some("down") => Err("no answer".to_string()),
                Some(record) => Ok(vec![record.as_bytes().to_vec()]),
                None => Ok(Vec::new()),
            }
        }

        async fn spf(&self, hop: &Hop) -> Result<bool, String> {
            Ok(hop.address.to_string() == "203.0.113.5" && hop.mail_from.ends_with("@shop.example"))
        }
    }

    fn table() -> Table {
        let key = RSA_PUBLIC.lines().filter(|line| !line.starts_with('-')).collect::<String>();
        Table(HashMap::from([
            ("s1._domainkey.shop.example", format!("v=DKIM1; k=rsa; p={key}")),
            ("s1._domainkey.mail.shop.example", format!("v=DKIM1; k=rsa; p={key}")),
            ("s1._domainkey.evil.example", format!("v=DKIM1; k=rsa; p={key}")),
            ("_dmarc.shop.example", "v=DMARC1; p=reject".to_string()),
        ]))
    }

    fn signed(domain: &str) -> String {
        let mail = Outgoing {
            from: Address { name: Some("Anna Ä.".into()), address: "anna@shop.example".into() },
            to: vec![Address { name: None, address: "gateway@shop.example".into() }],
            subject: "Re: Frage – bitte".into(),
            message_id: "1@shop.example".into(),
            text: "APPROVE\n\n  two  blanks \n\n\n".into(),
            date: "2026-11-22T08:00:00Z".parse().unwrap(),
            ..Outgoing::default()
        };
        let signer = Signer::new(domain, "s1", RSA).unwrap();
        assert_eq!(mail.build(Some(&signer)).unwrap(), mail.build(Some(&signer)).unwrap());
        String::from_utf8(mail.build(Some(&signer)).unwrap()).unwrap()
    }

    fn run(raw: &str, table: &Table) -> OwnCheck {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(raw.as_bytes(), &Mail::parse(raw.as_bytes()), table, Some("mx.shop.example")))
    }

    /// What we sign would not verify, or what somebody changed would.
    #[test]
    fn signatures_hold_or_not() {
        let raw = signed("shop.example");
        let good = run(&raw, &table());
        assert_eq!(
            (good.dkim.as_slice(), good.dmarc_pass, good.published),
            (&["shop.example".to_string()][..], true, true),
            "{good:?}"
        );
        // The organisation's other domain is aligned by its policy.
        assert!(run(&signed("mail.shop.example"), &table()).dmarc_pass);
        let foreign = run(&signed("evil.example"), &table());
        assert_eq!((foreign.dkim.as_slice(), foreign.dmarc_pass), (&["evil.example".to_string()][..], false));
        for (name, changed) in [
            ("body", raw.replace("APPROVE", "DECLINE")),
            ("subject", raw.replace("Subject: ", "Subject: x")),
            ("from", raw.replace("anna@shop.example", "bob@shop.example")),
            ("appended", raw.clone() + "APPROVE\r\n"),
            ("length tag", raw.replace("c=relaxed", "l=1; c=relaxed")),
            ("second From", format!("From: eve@shop.example\r\n{raw}")),
            ("second Subject", format!("Subject: APPROVED\r\n{raw}")),
            ("added Reply-To", format!("Reply-To: eve@evil.example\r\n{raw}")),
        ] {
            let check = run(&changed, &table());
            assert!(!check.dmarc_pass && check.dkim.is_empty(), "{name}: {check:?}");
        }
        let mut down = table();
        down.0.insert("s1._domainkey.shop.example", "down".into());
        assert_eq!(run(&raw, &down).unsure.as_deref(), Some("DNS did not answer"));
        let unsigned = run("From: anna@shop.example\r\n\r\nx", &table());
        assert_eq!((unsigned.published, unsigned.dmarc_pass, unsigned.unsure), (true, false, None));
        let many: String = (0..100).map(|n| format!("DKIM-Signature: v=1; d=d{n}.example; s=s\r\n")).collect();
        assert!(run(&format!("{many}From: anna@shop.example\r\n\r\nx"), &table()).unsure.is_some());
    }

    /// A partner without DKIM would never be believed, or anybody would who writes our server's field himself.
    #[test]
    fn spf_counts_by_our_own_servers_word() {
        let ours = "Received: from mail.shop.example (mail.shop.example [203.0.113.5])\r\n\tby mx.shop.example (Postfix) with ESMTPS id 1\r\n\tfor <g@shop.example>; Sun, 22 Nov 2026 08:00:00 +0000\r\n";
        let evil = ours.replace("203.0.113.5", "198.51.100.9");
        let path = "Return-Path: <anna@shop.example>\r\n";
        let inner = "Received: from mx.shop.example (mx.shop.example [10.0.0.2]) by imap.shop.example with LMTP; Sun, 22 Nov 2026 08:00:01 +0000\r\n";
        let from = "From: anna@shop.example\r\n\r\nAPPROVE\r\n";
        for (name, head, passes) in [
            ("ours", format!("{path}{ours}"), true),
            ("with an inner hop above", format!("{path}{inner}{ours}"), true),
            ("from elsewhere", format!("{path}{evil}"), false),
            ("ours, and a forged one below", format!("{path}{evil}{ours}"), false),
            ("a forged path below", format!("{ours}{path}"), false),
            ("another's envelope", format!("Return-Path: <eve@evil.example>\r\n{ours}"), false),
            ("empty path", format!("Return-Path: <>\r\n{ours}"), false),
            ("only a foreign server's", format!("{path}{}", ours.replace("by mx.shop", "by mx.evil")), false),
            (
                "our name in a comment",
                format!("{path}Received: from x (y by mx.shop.example [203.0.113.5]) by mx.evil.example; x\r\n"),
                false,
            ),
            ("an address as HELO", format!("{path}Received: from 203.0.113.5 by mx.shop.example; x\r\n"), false),
            (
                "an address as HELO, another in brackets",
                format!("{path}Received: from [203.0.113.5] ([198.51.100.9]) by mx.shop.example; x\r\n"),
                false,
            ),
        ] {
            let check = run(&format!("{head}{from}"), &table());
            assert_eq!((check.dmarc_pass, check.spf.is_some()), (passes, passes), "{name}: {check:?}");
        }
    }

    /// A list or forwarder that seals what it passes on could never be trusted.
    #[test]
    fn sealed_chains_hold_or_not() {
        use mail_auth::arc::ArcSealer;
        use mail_auth::common::crypto::{RsaKey, Sha256};
        use mail_auth::common::headers::HeaderWriter as _;
        use mail_auth::{ArcOutput, AuthenticationResults};
        use rustls_pki_types::PrivateKeyDer;
        use rustls_pki_types::pem::PemObject as _;

        let key = RsaKey::<Sha256>::from_key_der(PrivateKeyDer::from_pem_slice(RSA.as_bytes()).unwrap()).unwrap();
        let raw = "From: anna@shop.example\r\nSubject: x\r\nTo: g@shop.example\r\n\r\nAPPROVE\r\n";
        let message = AuthenticatedMessage::parse(raw.as_bytes()).unwrap();
        let results = AuthenticationResults::new("mx.evil.example");
        let sealer = ArcSealer::from_key(key).domain("evil.example").selector("s1").headers(["From", "Subject", "To"]);
        let set = sealer.seal(&message, &results, &ArcOutput::default()).unwrap();
        let sealed = format!("{}{raw}", set.to_header());
        let link = run(&sealed, &table()).arc.unwrap();
        assert_eq!(link.sealer, "evil.example");
        assert!(link.results.starts_with("mx.evil.example"), "{link:?}");
        assert_eq!(run(&sealed.replace("APPROVE", "DECLINE"), &table()).arc, None);
        assert_eq!(
            run(
                &sealed.replace("ARC-Authentication-Results: i=1; mx", "ARC-Authentication-Results: i=1; my"),
                &table()
            )
            .arc,
            None
        );
    }

    /// A domain that signs with Ed25519 could not send through us.
    #[test]
    fn ed25519_signatures_hold() {
        let der = mail_auth::common::crypto::Ed25519Key::generate_pkcs8().unwrap();
        let public = mail_auth::common::crypto::Ed25519Key::from_pkcs8_maybe_unchecked_der(&der).unwrap().public_key();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&der));
        let signer = Signer::new("shop.example", "s1", &pem).unwrap();
        let raw = signer
            .sign(b"From: anna@shop.example\r\nTo: x@y.z\r\n\r\nhello\r\n", "2026-11-22T08:00:00Z".parse().unwrap())
            .unwrap();
        let mut table = table();
        table.0.insert("s1._domainkey.shop.example", format!("v=DKIM1; k=ed25519; p={}", STANDARD.encode(public)));
        assert!(run(&String::from_utf8(raw).unwrap(), &table).dmarc_pass);
        assert!(Signer::new("bad domain", "s1", &pem).is_err());
        assert!(Signer::new("shop.example", "s1", "no key").is_err());
    }
}
