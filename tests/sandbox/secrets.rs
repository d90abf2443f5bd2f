//! Passwords appear neither in errors nor in any log, however loud.

use std::io::Write;
use std::sync::{Arc, Mutex};

use postern::demo::sandbox::{Sandbox, SandboxSettings};
use postern::wire::imap::{ImapMailbox, ImapSettings};
use postern::wire::login::{Login, Secret};
use postern::wire::smtp::{RelayServer, SmtpRelay, SmtpSettings};
use postern::wire::{Batch, Envelope, Mailbox, Relay};

use super::{login, plain, sample};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Logs are mailed to suppliers and pasted into tickets.
#[tokio::test]
async fn no_password_in_errors_and_trace_logs() {
    let log = Log::default();
    let writer = log.clone();
    // Every target at the loudest level, with what libraries log through `log`.
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).init();
    const SECRET: &str = "hunter2-geheim";
    let capabilities = ["IMAP4rev1", "IMAP4rev1 AUTH=PLAIN", "IMAP4rev1 AUTH=PLAIN SASL-IR"];
    for (capabilities, right) in capabilities.iter().flat_map(|c| [(c, true), (c, false)]) {
        let sandbox = Sandbox::start_with(SandboxSettings {
            imap_capabilities: (*capabilities).to_string(),
            password: if right { SECRET } else { "another" }.to_string(),
            smtp_login: true,
            ..SandboxSettings::default()
        })
        .await
        .unwrap();
        let secret = Login::Password { user: sandbox.address("gateway"), password: Secret::new(SECRET) };
        let mut mailbox = ImapMailbox::new(ImapSettings::new("orders", plain(sandbox.imap_addr), secret.clone()));
        let fetched = mailbox.fetch(Batch::default()).await;
        assert_eq!(fetched.is_ok(), right);
        let server = RelayServer { server: plain(sandbox.smtp_addr), trust: Default::default(), login: Some(secret) };
        let relay = SmtpRelay::new(SmtpSettings::new(vec![server]));
        let envelope = Envelope { from: String::new(), to: vec![sandbox.address("partner")] };
        let sent = relay.send(&envelope, &sample(1)).await;
        assert_eq!(sent.is_ok(), right, "{sent:?}");
        let shown = format!("{fetched:?} {sent:?} {relay:?} {:?}", login(&sandbox, "gateway"));
        assert!(!shown.contains(SECRET), "{shown}");
    }
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("async_imap"), "the loud logs were on");
    use base64::Engine as _;
    let coded = base64::engine::general_purpose::STANDARD.encode(format!("\0gateway@sandbox.test\0{SECRET}"));
    for secret in [SECRET, &coded, &base64::engine::general_purpose::STANDARD.encode(SECRET)] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}
