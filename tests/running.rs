//! The program as it runs beside its mailbox, without servers: a Maildir, and a relay that is away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// Longer than any answer takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    folder: tempfile::TempDir,
    child: Child,
}

impl Running {
    /// With this in its configuration, and these mails in its mailbox.
    fn new(gateway: &str, mails: &[&str]) -> Running {
        Running::drilled(gateway, mails, "")
    }

    /// The same, with a drill (`src/drill.rs`).
    fn drilled(gateway: &str, mails: &[&str], drill: &str) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let maildir = folder.path().join("Maildir");
        for part in ["cur", "new", "tmp"] {
            std::fs::create_dir_all(maildir.join(part)).unwrap();
        }
        for (at, mail) in mails.iter().enumerate() {
            std::fs::write(maildir.join(format!("new/{at}.mail")), mail).unwrap();
        }
        std::fs::create_dir(folder.path().join("mappings")).unwrap();
        // Nobody listens there: the port was free a moment ago.
        let away = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = format!(
            "[gateway]\naddress = \"gateway@shop.example\"\n{gateway}\n[[mailbox]]\nname = \"orders\"\nurl = \"maildir://{}\"\npoll = \"1s\"\n[relay]\nurls = [\"smtp://{away}\"]\n[channels.shop]\naddresses = [\"shop@shop.example\"]\n[partners.nordwind]\naddresses = [\"ab@nordwind.example\"]\n",
            maildir.display()
        );
        std::fs::write(folder.path().join("postern.toml"), config).unwrap();
        let mut program = command(folder.path());
        if !drill.is_empty() {
            program.env("POSTERN_DRILL", drill);
        }
        let child = program.arg("run").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Running { folder, child }
    }

    /// `None` while it is still starting.
    fn ask(&self, arguments: &[&str]) -> Option<Json> {
        let out = command(self.folder.path()).args(arguments).arg("--json").output().unwrap();
        serde_json::from_slice(&out.stdout).ok()
    }

    /// What a command says once it says what is waited for.
    fn until(&self, arguments: &[&str], holds: impl Fn(&Json) -> bool) -> Json {
        let began = Instant::now();
        loop {
            let said = self.ask(arguments);
            if let Some(said) = said.as_ref().filter(|said| holds(said)) {
                return said.clone();
            }
            assert!(began.elapsed() < PATIENCE, "{arguments:?}: {said:#?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.arg("--config").arg(folder.join("postern.toml"));
    command
}

/// Whoever looks at numbers that stand still must see that nobody works on them.
#[test]
fn status_says_whether_a_gateway_runs() {
    let mut house = Running::new("", &[]);
    house.until(&["status"], |said| said["running"] == true);
    house.child.kill().unwrap();
    house.child.wait().unwrap();
    assert_eq!(house.ask(&["status"]).unwrap()["running"], false);
    let said = command(house.folder.path()).arg("status").output().unwrap();
    assert!(String::from_utf8_lossy(&said.stdout).starts_with("No gateway is running"), "{said:?}");
}

/// A server that lets fields in its own name pass makes everybody a partner; nobody would hear of it before the first
/// forged order response.
#[test]
fn forged_results_seen_in_real_mail_are_told_by_check() {
    let results = "Authentication-Results: mx.shop.example; dmarc=pass header.from=nordwind.example\n";
    let mail = |fields: &str| {
        format!(
            "{fields}From: ab@nordwind.example\nTo: gateway@shop.example\nSubject: AB 1\nMessage-ID: <{}@n>\n\nhello\n",
            fields.len()
        )
    };
    let told = |said: &Json| {
        let list = said["diagnostics"].as_array().cloned().unwrap_or_default();
        list.iter().find(|d| d["code"] == "CFG047").map(|d| d["message"].as_str().unwrap().to_string())
    };
    let settings = "authserv_id = \"mx.shop.example\"";
    let honest = Running::new(settings, &[&mail(results)]);
    honest.until(&["status"], |said| said["mails"].as_object().is_some_and(|drawers| !drawers.is_empty()));
    assert_eq!(told(&honest.ask(&["check"]).unwrap()), None, "one field is the server's own");
    let forged = Running::new(settings, &[&mail(&results.repeat(2))]);
    let said = forged.until(&["check"], |said| told(said).is_some());
    let message = told(&said).unwrap();
    assert!(
        message.contains("ab@nordwind.example") && message.contains("came with 2 Authentication-Results"),
        "{message}"
    );
    assert_eq!(said["ok"], true, "a warning stops nobody");
}

/// A mail over which a decision dies would come again for ever, and be seen by nobody.
#[test]
fn a_mail_that_kills_its_decision_is_kept_for_a_person() {
    let mail = |name: &str| format!("From: {name}@x.example\nSubject: hello\nMessage-ID: <{name}@x>\n\nhello {name}\n");
    let (first, second) = (mail("anna"), mail("ben"));
    let house = Running::drilled("", &[&first, &second], "take_in.deciding=panic@1");
    let said = house.until(&["mail", "list"], |said| said["mails"].as_array().is_some_and(|mails| mails.len() == 2));
    let mut drawers: Vec<&str> =
        said["mails"].as_array().unwrap().iter().map(|m| m["drawer"].as_str().unwrap()).collect();
    drawers.sort_unstable();
    assert_eq!(drawers, ["stranger", "unreadable"], "{said:#}");
    let kept = said["mails"].as_array().unwrap().iter().find(|mail| mail["drawer"] == "unreadable").unwrap();
    assert_eq!((kept["reason"].as_str(), kept["review"].as_bool()), (Some("deciding on it ended badly"), Some(true)));
    let review = house.folder.path().join("Maildir/.Review");
    let filed = || walk(&review).len();
    let began = Instant::now();
    while filed() < 2 {
        assert!(began.elapsed() < PATIENCE, "both are strangers' or for a person: they go to Review");
        std::thread::sleep(Duration::from_millis(50));
    }
    // What a defect hid is read once the defect is mended.
    let again = house.ask(&["mail", "rerun", kept["id"].as_str().unwrap()]).unwrap();
    assert_eq!(again["mail"]["drawer"], "stranger", "{again:#}");
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let parts = ["cur", "new"].into_iter().filter_map(|part| std::fs::read_dir(folder.join(part)).ok());
    parts.flatten().map(|entry| entry.unwrap().path()).collect()
}
