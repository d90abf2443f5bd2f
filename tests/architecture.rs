//! The house rules, held by a test: who may import whom. A room that reached upwards would tie the
//! pure parts to sockets and disks, and nothing could be tested or replaced alone any more.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms it may name; the floor plan in `src/lib.rs` in one table.
#[rustfmt::skip]
const PLAN: &[(&str, &[&str])] = &[
    ("lib",        &["diagnostic", "process"]), // documentation links only
    ("main",       &["cli", "config", "gateway", "store", "wire", "document", "demo", "model"]),
    ("cli",        &["config", "demo", "diagnostic", "document", "drill", "gateway", "mail", "mapping", "model", "process", "standard", "store", "template", "wire"]),
    ("demo",       &["config", "diagnostic", "document", "gateway", "mail", "mapping", "model", "process", "standard", "store", "template", "wire"]),
    ("gateway",    &["config", "crew", "diagnostic", "document", "drill", "mail", "mapping", "model", "process", "standard", "store", "template", "wire"]),
    ("mapping",    &["diagnostic", "document", "mail", "model", "standard"]),
    ("standard",   &["diagnostic", "document", "model"]),
    ("template",   &["diagnostic", "model"]),
    ("config",     &["diagnostic", "model"]),
    ("process",    &["diagnostic", "model"]),
    ("document",   &["diagnostic", "model"]),
    ("mail",       &["diagnostic", "model"]),
    ("store",      &["crew", "model"]),
    ("wire",       &["model"]),
    ("crew",       &[]),
    ("drill",      &[]),
    ("diagnostic", &[]),
    ("model",      &[]),
];

/// What only `main` may name: the things that stand behind a trait.
const ADAPTERS: &[&str] = &[
    "store::redb",
    "wire::imap",
    "wire::smtp",
    "wire::maildir",
    "wire::inlet",
    "wire::order_system::file_drop",
    "wire::order_system::http",
];
/// Rooms that may name adapters: their own, and the demo, which is a main of its own.
const ADAPTER_ROOMS: &[&str] = &["main", "store", "wire", "demo"];

#[test]
fn imports_point_down() {
    let plan: BTreeMap<_, _> = PLAN.iter().copied().collect();
    let mut complaints = Vec::new();
    let files = rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(files.len() > 20, "the sources were not found");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let room = room_of(&file);
        let Some(allowed) = plan.get(room.as_str()) else {
            complaints.push(format!("{}: no room named `{room}` on the plan", file.display()));
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            for rest in code.split("crate::").skip(1).chain(code.split("postern::").skip(1)) {
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if name != room && !name.is_empty() && !allowed.contains(&name.as_str()) {
                    complaints.push(format!("{}:{}: `{room}` may not import `{name}`", file.display(), number + 1));
                }
                if ADAPTERS.iter().any(|adapter| rest.starts_with(adapter)) && !ADAPTER_ROOMS.contains(&room.as_str()) {
                    complaints.push(format!("{}:{}: only main names adapters", file.display(), number + 1));
                }
            }
        }
    }
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

fn room_of(file: &Path) -> String {
    let relative = file.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = relative.components().next().unwrap().as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_string()
}
