//! What attackers and robots try by mail, as tables: every counter-measure has rows that fail without it.
//!
//! Here is what can be judged by the mail alone (origin, tokens, quotations, robots); what needs orders and
//! partners is tested where these are known. Each counter-measure was taken out by hand, one after the other, and the test
//! beside it failed:
//!
//! | threat | counter-measure | fails without it |
//! |---|---|---|
//! | **Who decides** |  |  |
//! | a reply on the thread alone, without the token | a decision takes the token of its question | `conversation::tokens_and_replies_cannot_be_used_again_or_by_others` |
//! | the token of somebody else, forwarded or found | a token is bound to its recipient; so is a digest's | `conversation::tokens_and_replies_...`, `conversation::a_digest_is_answered_line_by_line`, `tokens_do_not_cross` |
//! | yesterday's token | used, expired and older versions are good for nothing | `conversation::a_token_is_good_for_one_decision`, `journeys` |
//! | who was never asked; a question that expired or is decided | the process looks again at approver, version and state | `journeys`, `conversation::tokens_and_replies_...` |
//! | tokens read from the store | only fingerprints are stored | `mail::token::tests::a_token_is_good_for_one_thing` |
//! | a decline by mistake | recalls are held back; UNDO by the same approver, in time | `conversation::a_decline_is_undone_by_reply` |
//! | **Who really wrote it** |  |  |
//! | a decision, a digest's answer, a response, a recall's answer, an absence without proof | each asks for proof by its policy | `origin::decisions_are_proved_by_our_own_check`, `conversation::a_digest_...`, `origin::responses_are_held_to_what_their_domain_says`, `conversation::answers_of_partners_are_held_to_their_origin`, `conversation::absent_approvers_are_replaced` |
//! | forged results: another server's, below ours, in comments and strings, spoilt, of another domain | the grammar read whole or not at all; the topmost field of the pinned server; the domain that it names | `origin_matrix`, `several_fields_of_our_server` |
//! | results that our server lets pass | counted, warned of | `origin::results_that_our_server_did_not_strip_are_told` |
//! | two From fields, a From that reads two ways, another's identity under a signature | one author, readable one way | `origin_matrix`, `broken_headers_are_not_believed` |
//! | display names and look-alike domains | measured by the domains that matter | `origin_matrix` |
//! | a second From, Reply-To or Subject above a signature | each field is signed once more than it stands there | `mail::own_check::tests::signatures_hold_or_not`, `servers::what_arrives_is_signed_and_complete` |
//! | the check of another domain; SPF by a Received of anybody; a seal of anybody | only the From domain; the topmost Received of our server; named sealers | `mail::trust::tests::our_own_check_and_sealed_chains`, `mail::own_check::tests::spf_counts_by_our_own_servers_word`, `origin::seals_of_known_forwarders_count` |
//! | DNS that is silent | neither believed nor refused; looked at again, for a day | `origin::silent_dns_defers`, `origin::what_cannot_be_checked_for_a_day_is_not_proved` |
//! | **What was said** |  |  |
//! | quoted words | only new text counts: attributions, header blocks, clients' containers | `quoted_decisions_decide_nothing` |
//! | conditions, verbs within sentences, contradictions | one whole-line command; anything else decides nothing | `mail::decision::tests::what_decides_and_what_does_not`, `mail::decision::digest::tests::lines_find_their_questions` |
//! | **Whose order it is** |  |  |
//! | partner B answers a request or recall of A | an answer counts from who was asked, at the gateway and in the process | `conversation::the_fill_in_block_comes_back_as_people_send_it`, `conversation::partners_cannot_answer_for_each_other`, `journeys` |
//! | a response to an order of others | it is faulty and changes nothing | `journeys` |
//! | asking for orders of others | an order of others looks like none; lines of others are not told | `letters::an_order_of_others_looks_like_no_order`, `letters::partners_see_nothing_of_the_house` |
//! | **Programs** |  |  |
//! | robots that decide or are answered | marks, receipts, bounces, lists, subjects in many languages | `robots_decide_nothing`, `conversation::robots_get_no_answer`, `conversation::bounces_come_back_to_their_transmission` |
//! | loops, with unmarked programs, over restarts | answers an hour and explanations an order, counted from the store | `conversation::answers_are_capped`, `conversation::unmarked_robots_come_to_rest`, `conversation::a_restart_does_not_feed_a_loop` |
//! | programs that answer us | our mails say that a machine wrote them | `mail::encode::tests::what_is_built_is_what_is_read`, `servers::two_gateways_that_write_to_each_other_come_to_rest` |
//! | bounces and absences of mails we never sent | Message-IDs that cannot be guessed | `conversation::bounces_come_back_to_their_transmission` |
//! | an absence that names a stranger as delegate | delegates are of the house | `conversation::absent_approvers_are_replaced` |
//! | **Again and again** |  |  |
//! | replays in other bytes; a forger who is first | the same words are a duplicate; one that was refused silences nobody | `gateway::copies_do_nothing_twice`, `origin::decisions_are_proved_by_our_own_check` |
//! | the same bytes again, UIDs given anew | known by digest, in the ledger's own commit; keys carry their UIDVALIDITY | `store::redb_keeps_the_contract`, `sandbox::imap::keys_of_another_validity_file_nothing` |
//! | **On the wire** |  |  |
//! | a tagged NO taken for success; an answer to another command | the tagged status of the own tag | `sandbox::imap_faults::every_script_ends_as_in_calm_weather`, `sandbox::cuts` |
//! | answers without end, nested without end; a mail that cannot be had | bytes and brackets are counted; given up after two refusals and put to Review | `sandbox::imap_faults::every_script_...`, `wire::imap::guard::tests::depth_counts_outside_literals_and_quotes` |
//! | answers slipped in before TLS, to us and to our listener; capabilities from before | refused, forgotten | `sandbox::starttls`, `wire::inlet::tests::starttls_protects_and_forgets` |
//! | commands in folder names; SMTP smuggling; header injection | quoting; every line end CRLF; no line end in a value | `sandbox::imap::folders_have_peoples_names`, `wire::smtp::body::tests::line_ends_are_crlf`, `mail::encode::tests::nothing_can_be_injected` |
//! | an open inlet | recipients are named | `wire::inlet::tests::refusals` |
//! | secrets in logs, refresh tokens in the clear | secrets show as stars; https but on loopback | `wire::login::tests::secrets_do_not_show`, `sandbox::secrets`, `wire::login::tests::refresh_needs_https` |
//! | **What a document holds** |  |  |
//! | parts, mails and tags nested without end | counted before anything is built | `mail::decode::tests::hostile_mails_are_faults`, `mail::html::tests::nesting_costs_nothing` |
//! | XML that explodes; sheets and PDFs that do | no declarations, depths and counts; a process of its own with ceilings | `standard::tests::ubl::hostile_and_broken_xml`, `documents::bombs_do_no_harm` |
//! | links inwards, to other hosts, by redirect, pages without end | listed hosts, public addresses, each hop checked, bytes counted | `wire::web::tests`, `links` |
//! | HTML and markup in values | values are escaped | `letters::hostile_values_stay_values`, `letters::hostile_orders_stay_values` |

use postern::mail::decision::{Kind, decide_mail};
use postern::mail::token::{Bound, Carrier, Secret, Tagging, Token, find};
use postern::mail::trust::{Policy, Trust, TrustSettings, verdict};
use postern::mail::{Mail, reply, sort};

fn settings(policy: Policy) -> TrustSettings {
    TrustSettings {
        policy,
        authserv_ids: vec!["mx.shop.example".into()],
        guarded_domains: vec!["shop.example".into(), "partner.example".into()],
        ..TrustSettings::default()
    }
}

fn letter(trust: &Trust) -> char {
    match trust {
        Trust::Authentic { .. } => 'A',
        Trust::NotAuthentic { .. } => 'N',
        Trust::Unknown { .. } => 'U',
    }
}

/// Header lines that state origin, and what they prove for a From of shop.example: A proved, N disproved, U nothing.
const STATED: &[(&str, char, &str)] = &[
    ("nothing", 'U', ""),
    ("dmarc pass", 'A', "Authentication-Results: mx.shop.example; dmarc=pass header.from=shop.example"),
    ("dmarc pass, other case", 'A', "AUTHENTICATION-RESULTS: MX.SHOP.EXAMPLE; DMARC=Pass header.From=Shop.Example"),
    ("dmarc fail", 'N', "Authentication-Results: mx.shop.example; dmarc=fail header.from=shop.example"),
    ("dmarc of another domain", 'N', "Authentication-Results: mx.shop.example; dmarc=pass header.from=evil.example"),
    ("dmarc without a domain", 'U', "Authentication-Results: mx.shop.example; dmarc=pass"),
    ("dmarc temperror", 'U', "Authentication-Results: mx.shop.example; dmarc=temperror header.from=shop.example"),
    (
        "dmarc twice, contradicting",
        'N',
        "Authentication-Results: mx.shop.example; dmarc=pass header.from=shop.example; dmarc=fail header.from=shop.example",
    ),
    ("aligned dkim", 'A', "Authentication-Results: mx.shop.example; dkim=pass header.d=shop.example"),
    ("aligned dkim by identity", 'A', "Authentication-Results: mx.shop.example; dkim=pass header.i=anna@shop.example"),
    ("dkim of another domain", 'U', "Authentication-Results: mx.shop.example; dkim=pass header.d=evil.example"),
    (
        "dkim of another domain with our identity",
        'U',
        "Authentication-Results: mx.shop.example; dkim=pass header.d=evil.example header.i=@shop.example",
    ),
    ("dkim of a subdomain", 'U', "Authentication-Results: mx.shop.example; dkim=pass header.d=x.shop.example"),
    ("dkim fail", 'N', "Authentication-Results: mx.shop.example; dkim=fail header.d=shop.example"),
    ("aligned spf", 'A', "Authentication-Results: mx.shop.example; spf=pass smtp.mailfrom=anna@shop.example"),
    ("spf of another domain", 'U', "Authentication-Results: mx.shop.example; spf=pass smtp.mailfrom=eve@evil.example"),
    ("spf by helo", 'U', "Authentication-Results: mx.shop.example; spf=pass smtp.helo=shop.example"),
    ("spf fail", 'N', "Authentication-Results: mx.shop.example; spf=fail smtp.mailfrom=anna@shop.example"),
    ("none", 'U', "Authentication-Results: mx.shop.example; none"),
    ("foreign server", 'U', "Authentication-Results: mx.evil.example; dmarc=pass header.from=shop.example"),
    (
        "our id as a prefix",
        'U',
        "Authentication-Results: mx.shop.example.evil.example; dmarc=pass header.from=shop.example",
    ),
    ("our id as a suffix", 'U', "Authentication-Results: evil-mx.shop.example; dmarc=pass header.from=shop.example"),
    (
        "our id in a comment",
        'U',
        "Authentication-Results: (mx.shop.example) evil.example; dmarc=pass header.from=shop.example",
    ),
    (
        "our id behind a comment that is not closed",
        'U',
        "Authentication-Results: (x mx.shop.example; dmarc=pass header.from=shop.example",
    ),
    (
        "our id in look-alike letters",
        'U',
        "Authentication-Results: mx.sh\u{43e}p.example; dmarc=pass header.from=shop.example",
    ),
    ("our domain instead of our id", 'U', "Authentication-Results: shop.example; dmarc=pass header.from=shop.example"),
    ("no id", 'U', "Authentication-Results: dmarc=pass header.from=shop.example"),
    ("empty id", 'U', "Authentication-Results: ; dmarc=pass header.from=shop.example"),
    ("another field", 'U', "X-Authentication-Results: mx.shop.example; dmarc=pass header.from=shop.example"),
    ("renamed field", 'U', "Authentication-Results-Original: mx.shop.example; dmarc=pass header.from=shop.example"),
    (
        "a seal nobody checked",
        'U',
        "ARC-Authentication-Results: i=1; mx.shop.example; dmarc=pass header.from=shop.example",
    ),
    (
        "pass in a comment",
        'N',
        "Authentication-Results: mx.shop.example; spf=fail (; dmarc=pass header.from=shop.example) smtp.mailfrom=evil.example",
    ),
    (
        "pass in a nested comment",
        'N',
        "Authentication-Results: mx.shop.example; spf=fail (a (b) ; dmarc=pass header.from=shop.example) smtp.mailfrom=evil.example",
    ),
    (
        "pass behind an escaped parenthesis",
        'N',
        "Authentication-Results: mx.shop.example; spf=fail (a \\) ; dmarc=pass header.from=shop.example) smtp.mailfrom=evil.example",
    ),
    (
        "pass in a quoted string",
        'N',
        "Authentication-Results: mx.shop.example; spf=fail reason=\"; dmarc=pass header.from=shop.example\" smtp.mailfrom=evil.example",
    ),
    (
        "pass in a quoted local part",
        'U',
        "Authentication-Results: mx.shop.example; spf=pass smtp.mailfrom=\"x; dmarc=pass header.from=shop.example; y\"@evil.example",
    ),
    ("comment not closed", 'U', "Authentication-Results: mx.shop.example; spf=pass (x smtp.mailfrom=anna@shop.example"),
    ("string not closed", 'U', "Authentication-Results: mx.shop.example; dmarc=pass header.from=\"shop.example"),
    ("property without a value", 'U', "Authentication-Results: mx.shop.example; dmarc=pass header.from="),
    (
        "domain with a tail",
        'N',
        "Authentication-Results: mx.shop.example; dmarc=pass header.from=shop.example.evil.example",
    ),
    (
        "fail above, forged pass below",
        'N',
        "Authentication-Results: mx.shop.example; dmarc=fail header.from=shop.example\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=shop.example",
    ),
    (
        "fail above, forged pass below a hop",
        'N',
        "Authentication-Results: mx.shop.example; dmarc=fail header.from=shop.example\nReceived: from evil\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=shop.example",
    ),
    (
        "nothing proved above, forged pass below",
        'U',
        "Authentication-Results: mx.shop.example; none\nReceived: from evil\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=shop.example",
    ),
    (
        "ours spoilt, forged pass below",
        'U',
        "Authentication-Results: mx.shop.example; spf=fail (x smtp.mailfrom=evil\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=shop.example",
    ),
    (
        "foreign above, ours below",
        'A',
        "Authentication-Results: relay.example; dmarc=fail header.from=shop.example\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=shop.example",
    ),
];

/// From fields. `Some(true)`: sound and of shop.example. `Some(false)`: never believed, whatever the policy. `None`: not under a policy
/// that checks.
const FROM: &[(&str, Option<bool>, &str)] = &[
    ("bare", Some(true), "From: anna@shop.example"),
    ("with a name", Some(true), "From: Anna <anna@shop.example>"),
    ("quoted name", Some(true), "From: \"Nilsson, Anna\" <anna@shop.example>"),
    ("encoded name", Some(true), "From: =?utf-8?Q?=C3=85sa_Nilsson?= <anna@shop.example>"),
    ("name in a comment", Some(true), "From: anna@shop.example (Anna)"),
    ("upper case", Some(true), "From: ANNA@SHOP.EXAMPLE"),
    ("own address as name", Some(true), "From: \"anna@shop.example\" <anna@shop.example>"),
    ("none", Some(false), "Sender: anna@shop.example"),
    ("two fields", Some(false), "From: anna@shop.example\nFrom: eve@evil.example"),
    ("two fields, one with a blank", Some(false), "From: anna@shop.example\nFrom : eve@evil.example"),
    ("two fields, one empty", Some(false), "From: anna@shop.example\nFrom: "),
    ("two fields, one a name alone", Some(false), "From: anna@shop.example\nFrom: Eve"),
    ("two addresses", Some(false), "From: anna@shop.example, eve@evil.example"),
    ("two addresses of one domain", Some(false), "From: anna@shop.example, bob@shop.example"),
    ("empty", Some(false), "From: "),
    ("no domain", Some(false), "From: anna"),
    ("our address as the name of another", Some(false), "From: \"anna@shop.example\" <eve@evil.example>"),
    (
        "our address as the encoded name of another",
        Some(false),
        "From: =?utf-8?Q?anna=40shop.example?= <eve@evil.example>",
    ),
    (
        "our address within the name of another",
        Some(false),
        "From: Anna (anna@shop.example) via Eve anna@shop.example <eve@evil.example>",
    ),
    ("look-alike by a digit", Some(false), "From: Anna <anna@sh0p.example>"),
    ("look-alike by a letter", Some(false), "From: Anna <anna@sh\u{43e}p.example>"),
    ("look-alike in punycode", Some(false), "From: Anna <anna@xn--shp-ted.example>"),
    ("look-alike by one more letter", Some(false), "From: Anna <anna@shopp.example>"),
    ("look-alike of the partner", Some(false), "From: Anna <anna@paitner.example>"),
    ("two brackets", None, "From: <eve@evil.example> <anna@shop.example>"),
    ("address unquoted before the bracket", Some(false), "From: anna@shop.example <eve@evil.example>"),
    ("quoted local part", None, "From: \"anna\"@shop.example"),
    ("source route", None, "From: <@evil.example:anna@shop.example>"),
    ("group", None, "From: team: anna@shop.example;"),
    ("two at signs", None, "From: anna@evil.example@shop.example"),
];

fn mail(from: &str, stated: &str) -> Mail {
    let lines: Vec<&str> = stated.split('\n').chain(from.split('\n')).filter(|line| !line.is_empty()).collect();
    Mail::parse(format!("{}\r\nTo: gateway@shop.example\r\n\r\nAPPROVE\r\n", lines.join("\r\n")).as_bytes())
}

/// Somebody else's mail would decide, or an honest approver's would not.
#[test]
fn origin_matrix() {
    let (mut cases, mut wrong) = (0, Vec::new());
    for (form, sound, from) in FROM {
        for (name, proved, stated) in STATED {
            for policy in [Policy::Require, Policy::Prefer, Policy::Off] {
                let trust = verdict(&mail(from, stated), &settings(policy), None);
                let want = match (sound, policy) {
                    (Some(true), Policy::Off) => 'U',
                    (Some(true), _) => *proved,
                    (Some(false), _) | (None, Policy::Require | Policy::Prefer) => 'N',
                    (None, Policy::Off) => 'U',
                };
                cases += 1;
                if letter(&trust) != want {
                    wrong.push(format!("From {form}, {name}, {policy:?}: {trust:?} instead of {want}"));
                }
                let passes = matches!((want, policy), ('A', _) | ('U', Policy::Prefer | Policy::Off));
                assert_eq!(
                    trust.suffices(policy),
                    passes || letter(&trust) != want && trust.suffices(policy),
                    "{form}, {name}"
                );
            }
        }
    }
    println!("{cases} cases");
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 486);
}

/// A stranger whose own domain passes must be known as himself, never as the approver.
#[test]
fn a_stranger_is_himself() {
    for stated in [
        "dmarc=pass header.from=evil.example",
        "dkim=pass header.d=evil.example",
        "spf=pass smtp.mailfrom=eve@evil.example",
    ] {
        let mail = mail(
            "From: Anna <eve@evil.example>\nReply-To: anna@shop.example\nSender: anna@shop.example",
            &format!("Authentication-Results: mx.shop.example; {stated}"),
        );
        assert!(matches!(verdict(&mail, &settings(Policy::Require), None), Trust::Authentic { .. }));
        assert_eq!(mail.author().unwrap().address, "eve@evil.example");
    }
}

/// A broken header that hides a second From from one of two readers would pass.
#[test]
fn broken_headers_are_not_believed() {
    let mail = mail(
        "nonsense line\nFrom: anna@shop.example",
        "Authentication-Results: mx.shop.example; dmarc=pass header.from=shop.example",
    );
    assert_eq!(letter(&verdict(&mail, &settings(Policy::Require), None)), 'N');
    assert_eq!(letter(&verdict(&mail, &settings(Policy::Prefer), None)), 'A');
}

/// Two fields of one server (OpenDKIM and OpenDMARC) count only where somebody said that there are two.
#[test]
fn several_fields_of_our_server() {
    let mail = mail(
        "From: anna@shop.example",
        "Authentication-Results: mx.shop.example; dkim=none\nAuthentication-Results: mx.shop.example; dmarc=pass header.from=shop.example",
    );
    assert_eq!(letter(&verdict(&mail, &settings(Policy::Require), None)), 'U');
    let two = TrustSettings { header_count: 2, ..settings(Policy::Require) };
    assert_eq!(letter(&verdict(&mail, &two, None)), 'A');
}

/// Partner B would answer for partner A, or yesterday's yes would count for today's question.
#[test]
fn tokens_do_not_cross() {
    let secret = Secret::new(*b"0123456789abcdef0123456789abcdef").unwrap();
    let (purposes, transmissions, people) = (
        ["decision", "correction", "recall", "sales"],
        ["T-1", "T-2", "T-11", "T-1-1"],
        ["anna@shop.example", "bob@shop.example", "lager@nord.example", "lager@sud.example"],
    );
    let mut all = Vec::new();
    for purpose in purposes {
        for transmission in transmissions {
            for recipient in people {
                all.push(Bound { purpose, transmission, recipient });
            }
        }
    }
    let tokens: Vec<Token> = all.iter().map(|bound| secret.token(*bound)).collect();
    let mut crossed = 0;
    for (at, token) in tokens.iter().enumerate() {
        for (other, bound) in all.iter().enumerate() {
            assert_eq!(secret.verify(token, *bound), at == other, "{token} for {bound:?}");
            crossed += usize::from(at != other);
        }
    }
    println!("{crossed} crossings without effect");
    assert!(crossed >= 380);
    let fingerprints: std::collections::BTreeSet<String> =
        tokens.iter().map(|token| secret.fingerprint(token)).collect();
    assert_eq!(fingerprints.len(), tokens.len());
}

/// A token that somebody quotes in the text would weigh as much as the address that was written to.
#[test]
fn where_a_token_stands_is_told() {
    let tagging = Tagging::Plus { address: "gateway@shop.example".into() };
    let raw = "To: gateway+AAAA-BBBB-CCCC@evil.example\r\nCc: x+AAAA-BBBB-CCCC@shop.example\r\n\r\nmy token is AAAA-BBBB-CCCC\r\n";
    let found = find(&Mail::parse(raw.as_bytes()), &tagging);
    assert_eq!(found, [(Token::parse("AAAA-BBBB-CCCC").unwrap(), Carrier::Body)]);
}

/// The words of the question, quoted below an empty or harmless reply, would decide it.
#[test]
fn quoted_decisions_decide_nothing() {
    let attributions = [
        "On Mon, 2 Nov 2026 at 10:00, Gateway <g@shop.example> wrote:",
        "On Nov 2, 2026, at 10:00 AM, Gateway <g@shop.example> wrote:",
        "Am 02.11.2026 um 10:00 schrieb Gateway <g@shop.example>:",
        "Am Mo., 2. Nov. 2026 um 10:00 Uhr schrieb Gateway <g@shop.example>:",
        "Gateway <g@shop.example> schrieb am Mo., 2. Nov. 2026, 10:00:",
        "Le lun. 2 nov. 2026 à 10:00, Gateway <g@shop.example> a écrit :",
        "Den mån 2 nov. 2026 kl 10:00 skrev Gateway <g@shop.example>:",
        "El lun, 2 nov 2026 a las 10:00, Gateway (<g@shop.example>) escribió:",
        "Il giorno lun 2 nov 2026 alle ore 10:00 Gateway <g@shop.example> ha scritto:",
        "Op ma 2 nov 2026 om 10:00 schreef Gateway <g@shop.example>:",
        "Den man. 2. nov. 2026 kl. 10.00 skrev Gateway <g@shop.example>:",
        "man. 2. nov. 2026 kl. 10:00 skrev Gateway <g@shop.example>:",
        "ma 2. marrask. 2026 klo 10.00 Gateway (g@shop.example) kirjoitti:",
        "pon., 2 lis 2026 o 10:00 Gateway <g@shop.example> napisał(a):",
        "2 ноября 2026 г., 10:00, Gateway <g@shop.example> написал:",
        "2026年11月2日(月) 10:00 Gateway <g@shop.example>:",
    ];
    let headers = [
        "From: Gateway <g@shop.example>\nSent: Monday, November 2, 2026 10:00 AM\nTo: Anna\nSubject: Question",
        "Von: Gateway <g@shop.example>\nGesendet: Montag, 2. November 2026 10:00\nAn: Anna\nBetreff: Frage",
        "De : Gateway <g@shop.example>\nEnvoyé : lundi 2 novembre 2026 10:00\nÀ : Anna\nObjet : Question",
        "Från: Gateway <g@shop.example>\nSkickat: den 2 november 2026 10:00\nTill: Anna\nÄmne: Fråga",
        "De: Gateway <g@shop.example>\nEnviado: lunes, 2 de noviembre de 2026 10:00\nPara: Anna\nAsunto: Pregunta",
        "Da: Gateway <g@shop.example>\nInviato: lunedì 2 novembre 2026 10:00\nA: Anna\nOggetto: Domanda",
        "Van: Gateway <g@shop.example>\nVerzonden: maandag 2 november 2026 10:00\nAan: Anna\nOnderwerp: Vraag",
        "Fra: Gateway <g@shop.example>\nSendt: 2. november 2026 10:00\nTil: Anna\nEmne: Spørgsmål",
        "Lähettäjä: Gateway <g@shop.example>\nLähetetty: maanantai 2. marraskuuta 2026 10:00\nVastaanottaja: Anna\nAihe: Kysymys",
        "Od: Gateway <g@shop.example>\nWysłano: poniedziałek, 2 listopada 2026 10:00\nDo: Anna\nTemat: Pytanie",
        "*From:* Gateway <g@shop.example>\n*Sent:* Monday\n*To:* Anna\n*Subject:* Question",
        "-----Original Message-----\nFrom: Gateway <g@shop.example>\nTo: Anna\nSubject: Question",
        "-----Ursprüngliche Nachricht-----\nVon: Gateway",
        "---------- Forwarded message ---------\nFrom: Gateway <g@shop.example>\nSubject: Question",
        "________________________________\nFrom: Gateway <g@shop.example>\nSent: Monday\nTo: Anna",
    ];
    let mut cases = 0;
    for own in ["", "I look at it tomorrow.\n"] {
        let quoted = attributions.iter().flat_map(|line| {
            [
                format!("{own}\n{line}\n\n> APPROVE\n> DECLINE 20\n"),
                format!("{own}\n> {line}\n>\n> APPROVE\n"),
                format!("{own}\n{line}\n\nAPPROVE\n"),
            ]
        });
        let blocks = headers.iter().flat_map(|block| {
            [format!("{own}\n{block}\n\nAPPROVE\n"), format!("{own}\n\n{block}\n\nHello,\n\nAPPROVE\n\nyes\n")]
        });
        for body in quoted.chain(blocks) {
            let raw = format!("From: anna@shop.example\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}");
            let reading = decide_mail(&Mail::parse(raw.as_bytes()), "en");
            assert!(matches!(reading.kind, Kind::None | Kind::Comment), "{body}\n{reading:?}");
            // And as the HTML that the same clients write.
            let html = body
                .split('\n')
                .map(|line| format!("<div>{}</div>", line.replace('<', "&lt;").replace('>', "&gt;")))
                .collect::<String>();
            assert!(!reply::of_html(&html).visible.contains("APPROVE"), "{body}");
            cases += 2;
        }
    }
    for html in [
        "<div>ok?</div><blockquote type=cite>APPROVE</blockquote>",
        "<div>ok?</div><div class=gmail_quote>APPROVE</div>",
        "<div>ok?</div><div class=\"x_gmail_quote\"><blockquote>APPROVE</blockquote></div>",
        "<div>ok?</div><div id=divRplyFwdMsg>From</div>APPROVE",
        "<div>ok?</div><div id=x_divRplyFwdMsg>From</div>APPROVE",
        "<div>ok?</div><hr id=stopSpelling>APPROVE",
        "<div>ok?</div><div class=yahoo_quoted>APPROVE</div>",
        "<div>ok?</div><div name=quote>APPROVE</div>",
        "<div>ok?</div><span style='display:none'>APPROVE</span>",
        "<div>ok?</div><span style='font-size:0'>APPROVE</span>",
        "<div>ok?</div><!-- APPROVE -->",
        "<div>ok?</div><style>APPROVE</style>",
        "<div>ok?</div><title>APPROVE</title>",
        "<blockquote>APPROVE</blockquote>",
    ] {
        assert!(!reply::of_html(html).visible.contains("APPROVE"), "{html}");
        cases += 1;
    }
    println!("{cases} quotations, 0 decisions");
}

/// A vacation program that repeats the question would approve it, or be answered until the disk is full.
#[test]
fn robots_decide_nothing() {
    let subjects = [
        "Automatic reply: Question",
        "Out of Office: Question",
        "Automatische Antwort: Frage",
        "Abwesenheitsnotiz: Frage",
        "Réponse automatique : Question",
        "Absence du bureau : Question",
        "Automatiskt svar: Fråga",
        "Autosvar: Fråga",
        "Respuesta automática: Pregunta",
        "Fuera de la oficina: Pregunta",
        "Risposta automatica: Domanda",
        "Fuori sede: Domanda",
        "Automatisch antwoord: Vraag",
        "Afwezigheidsbericht: Vraag",
        "Automatisk svar: Spørgsmål",
        "Fravær: Spørsmål",
        "Automaattinen vastaus: Kysymys",
        "Poissa toimistosta: Kysymys",
        "Odpowiedź automatyczna: Pytanie",
        "Nieobecność: Pytanie",
        "Re: Question",
    ];
    let marks = [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: auto-replied (vacation)",
        "Auto-Submitted: auto-generated",
        "Auto-Submitted: AUTO-NOTIFIED",
        "X-Autoreply: yes",
        "X-Autorespond: x",
        "X-Auto-Reply-From: a@b",
        "Precedence: bulk",
        "Precedence: junk",
        "Precedence: auto_reply",
        "Precedence: list",
        "Return-Path: <>",
        "X-Auto-Response-Suppress: All",
        "X-Auto-Response-Suppress: OOF, AutoReply",
        "List-Id: <l.example>\r\nPrecedence: list",
        "X-Mail-Autoreply: x",
    ];
    let mut count = 0;
    for subject in subjects {
        for mark in marks {
            let raw = format!(
                "From: anna@shop.example\r\n{mark}\r\nSubject: {subject}\r\nIn-Reply-To: <T-1@shop.example>\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nAPPROVE\r\n"
            );
            let reading = decide_mail(&Mail::parse(raw.as_bytes()), "en");
            assert_eq!(reading.kind, Kind::Automatic, "{raw}");
            assert!(reading.commands.is_empty());
            count += 1;
        }
    }
    // Vacation programs of old leave no mark but their subject.
    for subject in subjects.iter().filter(|subject| !subject.starts_with("Re:")) {
        let raw = format!(
            "From: anna@shop.example\r\nSubject: {subject}\r\nIn-Reply-To: <T-1@shop.example>\r\n\r\nAPPROVE\r\n"
        );
        assert!(sort::sort(&Mail::parse(raw.as_bytes())).is_automatic(), "{subject}");
        count += 1;
    }
    println!("{count} robots, 0 decisions");
    assert!(count >= 300);
    // What we send ourselves is known as a machine's by the gateway on the other side.
    let own = "From: gateway@other.example\r\nAuto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n\r\nAPPROVE\r\n";
    assert!(sort::sort(&Mail::parse(own.as_bytes())).is_automatic());
}
