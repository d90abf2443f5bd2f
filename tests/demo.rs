//! The newcomer's first minute, and the commands that others rely on, run as programs.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::process::Command;

use serde_json::Value as Json;

fn postern(arguments: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_postern")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

/// A demo that fails, or that says it went well when it did not, is the last that a newcomer sees.
#[test]
fn the_demo_comes_out_as_its_stories_say() {
    let (code, out, err) = postern(&["demo", "--once", "--json"]);
    let summary: Json = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}\n{out}\n{err}"));
    assert_eq!((code, &summary["ok"]), (0, &Json::Bool(true)), "{summary:#}\n{err}");
    assert_eq!(summary["v"], 1);
    assert_eq!(summary["responses"]["CLOSED"], 9);
    assert_eq!(summary["mails"]["decision"], 4);
    assert_eq!((&summary["mails"]["order"], &summary["sales"][0]["status"]), (&Json::from(2), &Json::from("CLOSED")));
    assert_eq!(summary["transmissions"]["SEND_ORDER_CONFIRMATION"]["TRANSMISSIONED"], 2);
    let story = &summary["stories"][0];
    for key in ["order", "partner", "response", "status"] {
        assert!(story[key].is_string(), "{key} in {story}");
    }
    let step = &story["path"][0];
    assert_eq!((&step["step"], &step["from"], &step["to"]), (&Json::from("C1"), &Json::Null, &Json::from("INITIAL")));
}

/// Scripts tell done, complaints and usage apart by the exit code, and read JSON from stdout alone.
#[test]
fn commands_keep_their_contract() {
    let (code, out, _) = postern(&["process", "--format", "json"]);
    let table: Json = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 0);
    assert_eq!(table["statuses"].as_array().unwrap().len(), 23);
    let row = &table["rows"][0];
    assert!(row["step"].is_string() && row["owes"].is_array() && row.get("from").is_some(), "{row}");
    assert_eq!(postern(&["no-such-command"]).0, 2, "usage");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.toml");
    let (code, example, _) = postern(&["config", "example"]);
    assert_eq!(code, 0);
    std::fs::write(&file, example).unwrap();
    let (code, out, _) = postern(&["--config", file.to_str().unwrap(), "check", "--json"]);
    let found: Json = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &found["ok"]), (1, &Json::Bool(false)), "the example's password files do not exist: {found:#}");
    std::fs::write(&file, "[gatway]\n").unwrap();
    let (code, out, _) = postern(&["--config", file.to_str().unwrap(), "check", "--json"]);
    let found: Json = serde_json::from_str(&out).unwrap();
    let first = &found["diagnostics"][0];
    assert_eq!((code, &first["line"], &first["column"]), (2, &Json::from(1), &Json::from(2)), "{found:#}");
    assert_eq!(first["help"], "did you mean `gateway`?");
}

/// What an operator does without a running gateway must work on the store itself.
#[test]
fn orders_are_registered_and_shown_without_a_running_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("postern.toml");
    std::fs::write(
        &file,
        "[gateway]\naddress = \"orders@shop.example\"\n[channels.shop]\napprovers = [\"anna@shop.example\"]\n",
    )
    .unwrap();
    let order = folder.path().join("order.json");
    std::fs::write(&order, r#"{"order_number":"4711","channel":"shop","currency":"EUR","partner":"nord","positions":[{"position":10,"quantity":"8"}]}"#).unwrap();
    std::fs::create_dir(folder.path().join("mappings")).unwrap();
    let config = file.to_str().unwrap();
    let (code, out, err) = postern(&["--config", config, "order", "add", order.to_str().unwrap(), "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, out, _) = postern(&["--config", config, "order", "show", "4711", "--json"]);
    let shown: Json = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &shown["order"]["positions"][0]["quantity"]), (0, &Json::from("8")));
    let (code, _, err) = postern(&["--config", config, "order", "show", "4712"]);
    assert_eq!(code, 1);
    assert!(err.contains("order 4712 is not known"), "{err}");
    let backup = folder.path().join("backup");
    assert_eq!(postern(&["--config", config, "backup", backup.to_str().unwrap()]).0, 0);
    assert_eq!(postern(&["--config", config, "audit", "verify"]).0, 0);

    // Restored beside a living store it would mix two truths; in an empty place it is the store of the backup's time.
    let (code, _, err) = postern(&["--config", config, "restore", backup.to_str().unwrap()]);
    assert!(code == 1 && err.contains("is not empty"), "{code} {err}");
    let secret = std::fs::read(folder.path().join("data/secret")).unwrap();
    std::fs::rename(folder.path().join("data"), folder.path().join("lost")).unwrap();
    assert_eq!(postern(&["--config", config, "order", "show", "4711"]).0, 1, "nothing is there any more");
    std::fs::remove_dir_all(folder.path().join("data")).unwrap();
    let (code, out, err) = postern(&["--config", config, "restore", backup.to_str().unwrap(), "--json"]);
    let told: Json = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    assert_eq!((code, &told["audit_entries"]), (0, &Json::from(1)), "{out}{err}");
    assert_eq!(postern(&["--config", config, "order", "show", "4711"]).0, 0);
    assert_eq!(std::fs::read(folder.path().join("data/secret")).unwrap(), secret, "tokens of before count again");
}
