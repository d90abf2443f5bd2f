//! Returned mail: delivery status notifications (RFC 3464), and the free-text notices of servers that write none.

use super::{Action, Dsn, DsnRecipient, Said, bare, null_sender, report, text_of, words};
use crate::mail::Mail;
use crate::mail::header::{self, Headers};

/// RFC 3464: by its machine-readable part.
pub(super) fn delivery_status(mail: &Mail) -> Option<Dsn> {
    let part = mail.attachments.iter().find(|part| {
        matches!(part.media_type.as_str(), "message/delivery-status" | "message/global-delivery-status")
    })?;
    // A person who forwards a bounce attaches it; the report itself is the mail.
    let daemon = is_returner(mail);
    if !daemon && !report(mail, "delivery-status") && !null_sender(&mail.headers) {
        return None;
    }
    let mut recipients: Vec<DsnRecipient> = Vec::new();
    for block in blocks(&part.text()) {
        let field = |name: &str| block.get(name).map(|value| value.trim().to_string());
        let typed = |name: &str| {
            field(name).map(|value| value.split_once(';').map_or(value.clone(), |(_, rest)| rest.trim().to_string()))
        };
        let Some(address) =
            typed("Final-Recipient").or_else(|| typed("Original-Recipient")).and_then(|address| bare(&address))
        else {
            continue;
        };
        let diagnostic = typed("Diagnostic-Code").filter(|text| !text.is_empty());
        let status =
            field("Status").and_then(|text| enhanced(&text)).or_else(|| diagnostic.as_deref().and_then(code_in));
        let action = match field("Action").unwrap_or_default().to_ascii_lowercase().split_whitespace().next() {
            Some("delayed") => Action::Delayed,
            Some("delivered") => Action::Delivered,
            Some("relayed") => Action::Relayed,
            Some("expanded") => Action::Expanded,
            Some("failed" | "failure") => Action::Failed,
            _ if status.as_deref().is_some_and(|status| status.starts_with('4')) => Action::Delayed,
            _ if status.as_deref().is_some_and(|status| status.starts_with('2')) => Action::Delivered,
            _ => Action::Failed,
        };
        if recipients.len() < 1_000 {
            recipients.push(DsnRecipient { address, action, status, diagnostic });
        }
    }
    let text = text_of(mail);
    if recipients.is_empty() {
        recipients = guessed_recipients(mail, &text);
    }
    Some(Dsn { recipients, original_message_id: original_id(mail, &text) })
}

/// Groups of fields divided by blank lines; a group that names two recipients is two.
pub(super) fn blocks(text: &str) -> Vec<Headers> {
    let mut groups: Vec<String> = vec![String::new()];
    for line in text.split('\n') {
        let lower = line.to_ascii_lowercase();
        let current = groups.last().map(String::as_str).unwrap_or_default();
        let again = lower.starts_with("final-recipient:") && current.to_ascii_lowercase().contains("final-recipient:");
        if line.trim().is_empty() || again {
            groups.push(String::new());
        }
        if let Some(group) = groups.last_mut().filter(|_| !line.trim().is_empty()) {
            group.push_str(line);
            group.push('\n');
        }
    }
    groups
        .iter()
        .filter(|group| !group.is_empty())
        .map(|group| Headers::split(group.as_bytes(), 200, 100_000).0)
        .collect()
}

pub(super) fn local_part(mail: &Mail) -> String {
    let address = mail.from_address().unwrap_or_default();
    address.split('@').next().unwrap_or_default().to_lowercase()
}

pub(super) fn is_returner(mail: &Mail) -> bool {
    let local = local_part(mail);
    let path = mail.headers.get("Return-Path").unwrap_or_default().trim_matches(['<', '>', ' ']).to_lowercase();
    words().bounce.senders.iter().any(|sender| local == *sender || path.split('@').next() == Some(sender))
}

pub(super) fn non_standard_bounce(mail: &Mail, text: &Said<'_>) -> Option<Dsn> {
    let words = &words().bounce;
    let subject = mail.subject.to_lowercase();
    let name = mail.from.first().and_then(|from| from.name.as_deref()).unwrap_or_default().to_lowercase();
    let local = local_part(mail);
    let titled = words.subjects.iter().any(|phrase| subject.contains(phrase.as_str()));
    let said = || {
        let body = text.to_lowercase().replace('\n', " ");
        words.bodies.iter().any(|phrase| body.contains(phrase.as_str()))
    };
    let office = words.offices.iter().any(|office| local == *office || name == *office);
    let failed = mail.headers.get("X-Failed-Recipients").is_some();
    let null = null_sender(&mail.headers);
    // Three of a kind is needed from whoever is no mailer daemon: a person may well write "delivery failed".
    let bounce = match (is_returner(mail), null || office) {
        (true, _) => titled || failed || null || said(),
        (false, true) => {
            let said = said();
            failed || titled && said || (titled || said) && office && null || said && office && code_in(text).is_some()
        }
        (false, false) => failed && titled,
    };
    if !bounce {
        return None;
    }
    let mut recipients = guessed_recipients(mail, text);
    let delayed = words.delayed.iter().any(|phrase| subject.contains(phrase.as_str()))
        || recipients.iter().all(|recipient| recipient.status.as_deref().is_some_and(|status| status.starts_with('4')))
            && !recipients.is_empty();
    if delayed {
        recipients.iter_mut().for_each(|recipient| recipient.action = Action::Delayed);
    }
    Some(Dsn { recipients, original_message_id: original_id(mail, text) })
}

/// The addresses that a free-text notice names before the original begins, without our own and the sender's.
pub(super) fn guessed_recipients(mail: &Mail, text: &str) -> Vec<DsnRecipient> {
    let notice = notice(text);
    let own: Vec<String> = mail.to.iter().chain(&mail.cc).chain(&mail.from).map(|address| address.key()).collect();
    let named =
        mail.headers.all("X-Failed-Recipients").flat_map(|value| value.split(',')).filter_map(bare).collect::<Vec<_>>();
    let mut found: Vec<String> = Vec::new();
    if named.is_empty() {
        for line in notice.lines() {
            let addresses = line
                .split(|c: char| {
                    c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '(' | ')' | '"' | '[' | ']' | '\'')
                })
                .filter_map(bare);
            for address in addresses.filter(|address| !own.contains(&address.to_lowercase())) {
                let daemon = address.to_lowercase();
                let daemon = daemon.starts_with("postmaster@")
                    || daemon.starts_with("mailer-daemon@")
                    || daemon.starts_with("abuse@");
                if !daemon && found.len() < 50 && !found.iter().any(|known| known.eq_ignore_ascii_case(&address)) {
                    found.push(address);
                }
            }
        }
    } else {
        found = named;
    }
    let status = code_in(notice);
    let diagnostic =
        notice.lines().map(str::trim).find(|line| code_in(line).is_some()).map(|line| line.chars().take(500).collect());
    found
        .into_iter()
        .map(|address| DsnRecipient {
            address,
            action: Action::Failed,
            status: status.clone(),
            diagnostic: Option::clone(&diagnostic),
        })
        .collect()
}

/// The notice without the original below it.
pub(super) fn notice(text: &str) -> &str {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let lower = line.trim().to_lowercase();
        if at > 0 && words().bounce.originals.iter().any(|mark| lower.starts_with(mark.as_str())) {
            return text.get(..at).unwrap_or(text);
        }
        at += line.len();
    }
    text
}

pub(super) fn original_id(mail: &Mail, text: &str) -> Option<String> {
    for part in &mail.attachments {
        if let Some(id) = part.nested.as_deref().and_then(|nested| nested.message_id.clone()) {
            return Some(id);
        }
        if matches!(
            part.media_type.as_str(),
            "text/rfc822-headers" | "message/rfc822-headers" | "message/global-headers"
        ) {
            let (headers, _) = Headers::split(&part.bytes, 500, 200_000);
            if let Some(id) = headers.ids("Message-ID").into_iter().next() {
                return Some(id);
            }
        }
    }
    // Non-standard notices quote the original's header in their text.
    let line = text
        .lines()
        .map(|line| line.trim_start_matches(['>', ' ', '\t', '|']))
        .find(|line| line.get(..11).is_some_and(|start| start.eq_ignore_ascii_case("message-id:")));
    let quoted = line
        .and_then(|line| line.split_once(':'))
        .and_then(|(_, value)| header::ids(value).into_iter().next())
        .filter(|id| id.contains('@'));
    quoted
        .or_else(|| mail.headers.ids("X-Original-Message-ID").into_iter().next())
        .or_else(|| mail.in_reply_to.first().cloned())
        .or_else(|| mail.references.last().cloned())
}

/// An enhanced status code at the start (RFC 3463).
pub(super) fn enhanced(text: &str) -> Option<String> {
    let word = text.trim().split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?;
    let parts: Vec<&str> = word.split('.').filter(|part| !part.is_empty()).collect();
    let [class, subject, detail] = parts.as_slice() else { return None };
    (matches!(*class, "2" | "4" | "5") && subject.len() <= 3 && detail.len() <= 3)
        .then(|| format!("{class}.{subject}.{detail}"))
}

/// The first status code in running text: enhanced, or an SMTP reply code as `5.0.0`.
pub(super) fn code_in(text: &str) -> Option<String> {
    let words = || {
        text.split(|c: char| {
            c.is_whitespace()
                || matches!(c, '#' | '(' | ')' | '<' | '>' | ',' | ';' | '"' | '\'' | '[' | ']' | '-' | ':' | '=')
        })
    };
    let found =
        words().find_map(|word| enhanced(word).filter(|_| word.matches('.').count() <= 3 && !word.starts_with('2')));
    found.or_else(|| {
        let reply = words().map(|word| word.trim_end_matches('.')).find(|word| {
            word.len() == 3
                && word.starts_with(['4', '5'])
                && word.bytes().all(|byte| byte.is_ascii_digit())
                && word.get(1..2).is_some_and(|second| matches!(second, "2" | "3" | "5"))
        });
        reply.and_then(|reply| reply.get(..1)).map(|class| format!("{class}.0.0"))
    })
}
