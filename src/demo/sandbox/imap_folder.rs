//! What IMAP commands do to the sandbox's folders.

use std::fmt::Write as _;

use imap_codec::imap_types::command::CommandBody;
use imap_codec::imap_types::flag::StoreResponse;
use imap_codec::imap_types::mailbox::{ListMailbox, Mailbox};

use super::fault::Fault;
use super::imap_view::{View, fetch, store};
use super::world::{Folder, StoredMail, World};
use crate::wire::utf7;

/// Commands on the selected folder. Returns the tagged answer without its tag.
pub(super) fn selected(
    world: &World,
    account: &str,
    view: &mut View,
    body: &CommandBody<'_>,
    fault: Option<&Fault>,
    out: &mut Vec<u8>,
) -> String {
    let mails_of = |uids: &[u32]| {
        let look = |folder: &Folder| -> Vec<StoredMail> {
            uids.iter().filter_map(|uid| folder.mails.get(uid).cloned()).collect()
        };
        world.look(account, &view.folder, look).unwrap_or_default()
    };
    let writes = matches!(body, CommandBody::Store { .. } | CommandBody::Move { .. } | CommandBody::Expunge);
    if writes && view.read_only {
        return "NO [READ-ONLY] folder is read-only".to_string();
    }
    match body {
        CommandBody::Fetch { sequence_set, macro_or_item_names, uid } => {
            let mails = mails_of(&view.resolve(sequence_set, *uid));
            match fetch(view, &mails, macro_or_item_names, *uid, fault) {
                Some(answer) => {
                    out.extend(answer);
                    "OK done".to_string()
                }
                None => "BAD the sandbox does not know this item".to_string(),
            }
        }
        CommandBody::Search { criteria, uid, .. } => {
            let mut line = "* SEARCH".to_string();
            for mail in mails_of(&view.uids) {
                let number = view.uids.iter().position(|uid| *uid == mail.uid).map_or(0, |at| at + 1);
                match view.search(&mail, criteria) {
                    Some(true) if *uid => line.push_str(&format!(" {}", mail.uid)),
                    Some(true) => line.push_str(&format!(" {number}")),
                    Some(false) => {}
                    None => return "BAD the sandbox does not know this key".to_string(),
                }
            }
            out.extend_from_slice(format!("{line}\r\n").as_bytes());
            "OK done".to_string()
        }
        CommandBody::Store { sequence_set, kind, response, flags, uid } => {
            let uids = view.resolve(sequence_set, *uid);
            store(world, account, &view.folder, &uids, kind, flags);
            if *response == StoreResponse::Answer {
                for mail in mails_of(&uids) {
                    let number = view.uids.iter().position(|uid| *uid == mail.uid).map_or(0, |at| at + 1);
                    let flags: Vec<&str> = mail.flags.iter().map(String::as_str).collect();
                    let line = format!("* {number} FETCH (UID {} FLAGS ({}))\r\n", mail.uid, flags.join(" "));
                    out.extend_from_slice(line.as_bytes());
                }
            }
            "OK done".to_string()
        }
        CommandBody::Copy { sequence_set, mailbox, uid } => {
            let uids = view.resolve(sequence_set, *uid);
            match world.copy(account, &view.folder, &name_of(mailbox), &uids) {
                Some(copied) => format!("OK {}done", copy_uid(world, &copied)),
                None => "NO [TRYCREATE] no such folder".to_string(),
            }
        }
        CommandBody::Move { sequence_set, mailbox, uid } => {
            if !world.settings.imap_capabilities.contains("MOVE") {
                return "BAD no MOVE here".to_string();
            }
            let uids = view.resolve(sequence_set, *uid);
            let Some(copied) = world.copy(account, &view.folder, &name_of(mailbox), &uids) else {
                return "NO [TRYCREATE] no such folder".to_string();
            };
            world.expunge(account, &view.folder, &uids);
            let code = copy_uid(world, &copied);
            if !code.is_empty() {
                out.extend_from_slice(format!("* OK {code}moved\r\n").as_bytes());
            }
            "OK done".to_string()
        }
        CommandBody::Expunge => {
            expunge(world, account, &view.folder, None);
            "OK done".to_string()
        }
        _ => "BAD the sandbox does not know this command".to_string(),
    }
}

/// Removes mails that are marked as deleted: all, or those of the given UIDs.
pub(super) fn expunge(world: &World, account: &str, folder: &str, uids: Option<&[u32]>) {
    world.with(account, folder, |folder| {
        folder.mails.retain(|uid, mail| {
            let meant = uids.is_none_or(|uids| uids.contains(uid));
            !(meant && mail.flags.contains("\\Deleted"))
        });
    });
}

pub(super) fn list(world: &World, account: &str, wildcard: &ListMailbox<'_>, told: &mut String) -> String {
    let pattern = match wildcard {
        ListMailbox::Token(token) => String::from_utf8_lossy(token.as_ref()).into_owned(),
        ListMailbox::String(string) => String::from_utf8_lossy(string.as_ref()).into_owned(),
    };
    if pattern.is_empty() {
        told.push_str("* LIST (\\Noselect) \"/\" \"\"\r\n");
    }
    for folder in world.folders(account) {
        let name = utf7::encode(&folder);
        if pattern == "*" || pattern == "%" || pattern.eq_ignore_ascii_case(&name) {
            let _ = write!(told, "* LIST () \"/\" \"{name}\"\r\n");
        }
    }
    "OK done".to_string()
}

fn copy_uid(world: &World, (validity, pairs): &(u32, Vec<(u32, u32)>)) -> String {
    if pairs.is_empty() || !world.settings.imap_capabilities.contains("UIDPLUS") {
        return String::new();
    }
    let join = |uids: Vec<String>| uids.join(",");
    let from = join(pairs.iter().map(|(from, _)| from.to_string()).collect());
    let to = join(pairs.iter().map(|(_, to)| to.to_string()).collect());
    format!("[COPYUID {validity} {from} {to}] ")
}

pub(super) fn name_of(mailbox: &Mailbox<'_>) -> String {
    match mailbox {
        Mailbox::Inbox => "INBOX".to_string(),
        Mailbox::Other(other) => {
            let name = String::from_utf8_lossy(other.as_ref()).into_owned();
            utf7::decode(&name).unwrap_or(name)
        }
    }
}
