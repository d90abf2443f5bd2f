//! Our own check of DKIM, ARC and DMARC, for where no mail server of ours states results.
//!
//! The arithmetic is mail-auth's; DNS stands behind [`Resolver`], so that tests and simulations answer from a table and
//! every question asked is known beforehand. SPF is not checked: by IMAP nobody knows which address delivered the mail.
//! It must never know what follows from the result.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::net::{Ipv4Addr, Ipv6Addr};
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
    ResolverCache, SpfOutput, Txt,
};

use super::Mail;
use super::header::Headers;

/// Answers questions for TXT records.
#[async_trait]
pub trait Resolver: Send + Sync {
    /// All TXT records of a name, each joined to one string; none when there are none. An error when the answer
    /// cannot be had now.
    async fn txt(&self, name: &str) -> Result<Vec<Vec<u8>>, String>;
}

/// What we found out about the From domain of a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnCheck {
    /// The domain that was checked, lower case.
    pub from_domain: String,
    /// Domains with a valid signature over the whole mail.
    pub dkim: Vec<String>,
    /// One of them is aligned by the domain's DMARC policy.
    pub dmarc_pass: bool,
    /// The domain publishes a DMARC policy.
    pub published: bool,
    /// A chain of seals that holds.
    pub arc: Option<Arc>,
    /// Why the check could not be finished, if so.
    pub unsure: Option<String>,
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

/// Checks a raw mail; `mail` is the same one, parsed.
pub async fn check(raw: &[u8], mail: &Mail, resolver: &dyn Resolver) -> OwnCheck {
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
    let answers = Answers::gather(&names, resolver).await;
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
    let spf = SpfOutput::new(String::new());
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
                rfc5321_mail_from_domain: "",
                spf_output: &spf,
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
    let waiting = signatures.iter().any(|signature| matches!(signature.result(), DkimResult::TempError(_)))
        || matches!(dmarc.dkim_result(), DmarcResult::TempError(_));
    OwnCheck {
        dmarc_pass: *dmarc.dkim_result() == DmarcResult::Pass && dmarc.domain() == from_domain,
        published: dmarc.dmarc_record().is_some(),
        dkim: dkim.into_iter().collect(),
        arc,
        unsure: waiting.then(|| "DNS did not answer".to_string()),
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
        runtime.block_on(check(raw.as_bytes(), &Mail::parse(raw.as_bytes()), table))
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
