//! How the gateway gets at mail and believes it: log-ins with OAuth, certificates of its own listener, its own check of
//! origins. Types, and what can be wrong with them; secrets are read when they are needed.

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Checker, Config, Loaded, Target};
use crate::model::policy::{Pause, Trust};

/// Our own check of DKIM, SPF, DMARC and ARC (RFC 6376, 7208, 7489, 8617), for where no server of ours states results,
/// or where it states none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OwnCheckConfig {
    /// DNS servers that are asked: `9.9.9.9`, `127.0.0.1:5353`, `::1`. Default: those of the system.
    pub resolvers: Vec<String>,
    /// So long the check of one mail may take. Default `5s`.
    pub timeout: Option<String>,
    /// A mail that could not be checked because DNS did not answer waits in the drawer `deferred` and is looked at again
    /// for so long; then it counts as not proved. Default `1d`.
    pub give_up: Option<String>,
    /// The name of our own receiving server in the `Received` field that it writes; with it SPF counts, too. Default: SPF
    /// is not looked at, since nobody else knows which address delivered a mail.
    pub received_by: Option<String>,
}

impl OwnCheckConfig {
    pub fn timeout(&self) -> Result<Duration, String> {
        match Pause::parse(self.timeout.as_deref().unwrap_or("5s"))? {
            Pause::Calendar { seconds } if (1..=60).contains(&seconds) => {
                Ok(Duration::from_secs(seconds.unsigned_abs()))
            }
            _ => Err("timeout: from 1s to 60s".into()),
        }
    }

    pub fn give_up(&self) -> Pause {
        Pause::parse(self.give_up.as_deref().unwrap_or("1d")).unwrap_or(Pause::NONE)
    }
}

/// OAuth 2 access tokens (XOAUTH2), asked for with a refresh token (RFC 6749 section 6) and renewed before they expire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OAuthConfig {
    /// The token endpoint, e.g. `https://oauth2.googleapis.com/token` or
    /// `https://login.microsoftonline.com/TENANT/oauth2/v2.0/token`. Required; http only on loopback.
    pub endpoint: String,
    /// Required.
    pub client_id: String,
    /// A file whose first line is the client secret. Default: a public client without one.
    pub client_secret_file: Option<PathBuf>,
    /// An environment variable that holds the client secret.
    pub client_secret_env: Option<String>,
    /// A file that holds the refresh token. When the endpoint hands out a new one, the file is replaced, whole or not at
    /// all; its folder must be writable for us. Read anew for each refresh.
    pub refresh_token_file: Option<PathBuf>,
    /// An environment variable that holds the refresh token; for endpoints that never change it.
    pub refresh_token_env: Option<String>,
    /// What is asked for, e.g. `https://outlook.office.com/IMAP.AccessAsUser.All offline_access`. Default: what the
    /// refresh token was given for.
    pub scope: Option<String>,
    /// A PEM file with the certificate authority of the endpoint, besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl OAuthConfig {
    pub fn client_secret(&self, loaded: &Loaded) -> Result<Option<String>, String> {
        secret(loaded, "client_secret", &self.client_secret_env, &self.client_secret_file)
    }

    /// The refresh token of the environment; `None` when it stands in a file.
    pub fn refresh_token(&self, loaded: &Loaded) -> Result<Option<String>, String> {
        secret(loaded, "refresh_token", &self.refresh_token_env, &None)
    }
}

/// A secret by environment variable or file, read now; `None` when none is configured. It never stands in the
/// configuration itself.
pub(super) fn secret(
    loaded: &Loaded,
    key: &str,
    env: &Option<String>,
    file: &Option<PathBuf>,
) -> Result<Option<String>, String> {
    if let Some(name) = env {
        return std::env::var(name)
            .map(Some)
            .map_err(|_| format!("the environment variable {name} ({key}_env) is not set"));
    }
    let Some(file) = file else { return Ok(None) };
    let file = loaded.resolve(file);
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{} ({key}_file): {e}", file.display()))?;
    Ok(Some(text.lines().next().unwrap_or("").to_string()))
}

/// What the types cannot say of all this.
pub(super) fn check(config: &Config, checker: &mut Checker<'_>) {
    if let Some(own) = &config.gateway.own_check {
        for resolver in &own.resolvers {
            if let Err(message) = self::resolver(resolver) {
                checker.error("CFG031", &["gateway", "own_check", "resolvers"], &message, "9.9.9.9 or 127.0.0.1:5353");
            }
        }
        if let Err(message) = own.timeout() {
            checker.error("CFG032", &["gateway", "own_check", "timeout"], &message, "");
        }
        if let Some(pause) = &own.give_up {
            checker.pause(pause, &["gateway", "own_check", "give_up"]);
        }
    }
    for mailbox in &config.mailboxes {
        oauth(mailbox.oauth.as_ref(), &["mailbox"], checker);
        let scheme = Target::parse(&mailbox.url).map(|target| target.scheme).unwrap_or_default();
        let listens = ["smtp", "smtps", "lmtp", "lmtps"].contains(&scheme.as_str());
        if mailbox.tls_cert_file.is_some() != mailbox.tls_key_file.is_some() {
            checker.error(
                "CFG035",
                &["mailbox"],
                "tls_cert_file and tls_key_file belong together",
                "a chain and its key, both in PEM",
            );
        }
        if listens && mailbox.tls_cert_file.is_none() && (scheme.ends_with("tps") || mailbox.tls_required) {
            checker.error(
                "CFG036",
                &["mailbox"],
                &format!("`{}` needs a certificate", mailbox.url),
                "tls_cert_file, tls_key_file",
            );
        }
        if !listens && (mailbox.tls_cert_file.is_some() || mailbox.tls_required) {
            checker.error(
                "CFG037",
                &["mailbox"],
                "a certificate of ours is for mailboxes that listen",
                "smtp://, smtps://, lmtp://, lmtps://; ca_file is for the certificate of an IMAP server",
            );
        }
    }
    oauth(config.relay.oauth.as_ref(), &["relay", "oauth"], checker);
    forged_results(config, checker);
}

/// An address of a DNS server.
pub fn resolver(text: &str) -> Result<std::net::SocketAddr, String> {
    text.parse::<std::net::SocketAddr>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(|address| std::net::SocketAddr::new(address, 53)))
        .map_err(|_| format!("`{text}` is no address of a DNS server"))
}

fn oauth(config: Option<&OAuthConfig>, path: &[&str], checker: &mut Checker<'_>) {
    let Some(config) = config else { return };
    let loopback = ["http://127.0.0.1:", "http://localhost:", "http://[::1]:"];
    if !config.endpoint.starts_with("https://") && !loopback.iter().any(|start| config.endpoint.starts_with(start)) {
        checker.error(
            "CFG033",
            path,
            &format!("the token endpoint `{}` is no https:// URL", config.endpoint),
            "https://oauth2.googleapis.com/token",
        );
    }
    if config.client_id.is_empty() {
        checker.error("CFG034", path, "oauth needs a client_id", "");
    }
    if config.refresh_token_file.is_none() && config.refresh_token_env.is_none() {
        checker.error("CFG034", path, "oauth needs a refresh token", "refresh_token_file = \"/etc/postern/refresh\"");
    }
}

/// Where a forged `Authentication-Results` could count, or no origin can be proved at all.
fn forged_results(config: &Config, checker: &mut Checker<'_>) {
    let gateway = &config.gateway;
    let usual = config.defaults.decision_trust.unwrap_or(Trust::Require);
    let requires =
        config.channels.values().any(|channel| channel.options.decision_trust.unwrap_or(usual) == Trust::Require);
    if requires && gateway.authserv_id.is_none() && gateway.own_check.is_none() {
        checker.warning(
            "CFG043",
            &["gateway"],
            "no decision can be proved authentic, so that every one will be refused",
            "set authserv_id (the name your receiving server writes into Authentication-Results), or [gateway.own_check]",
        );
    }
    if gateway.authserv_id.is_none() {
        return;
    }
    for mailbox in &config.mailboxes {
        let Ok(target) = Target::parse(&mailbox.url) else { continue };
        if ["smtp", "smtps", "lmtp", "lmtps"].contains(&target.scheme.as_str()) {
            let host = target.server.rsplit_once("://").map_or("", |(_, host)| host);
            let inside = ["127.", "localhost:", "[::1]:"].iter().any(|start| host.starts_with(start));
            if !inside {
                checker.warning(
                    "CFG044",
                    &["mailbox"],
                    &format!(
                        "`{}` takes mails from anybody who can reach it, and whoever does so writes Authentication-Results himself",
                        mailbox.url
                    ),
                    "listen on loopback behind the mail server that checks and strips that field, or use [gateway.own_check] instead of authserv_id",
                );
            }
        }
        if mailbox.quirks.iter().any(|quirk| quirk == "exchange") {
            checker.warning(
                "CFG045",
                &["mailbox"],
                "with the quirk `exchange` an Authentication-Results field without a name counts as our server's",
                "make sure that mail reaches the mailbox only through Exchange Online (a connector that refuses others); only the topmost field counts",
            );
        }
    }
    if gateway.authserv_headers.unwrap_or(1) > 1 {
        checker.warning(
            "CFG046",
            &["gateway", "authserv_headers"],
            "when your server adds fewer fields to a mail than this, a forged one below them counts",
            "1 where one filter states all results; else let the server remove Authentication-Results with its own name from incoming mail (RFC 8601 section 5)",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = "[gateway]\naddress = 'orders@shop.example'\nauthserv_id = 'mx.shop.example'\n[channels.shop]\naddresses = ['a@shop.example']\napprovers = ['anna@shop.example']\n[[mailbox]]\nname = 'in'\nurl = 'imaps://orders@imap.shop.example'\n";

    fn warnings(text: &str) -> Vec<String> {
        let loaded = Loaded::parse(text, "postern.toml", PathBuf::new()).unwrap_or_else(|c| panic!("{text}: {c}"));
        loaded.warnings.iter().map(ToString::to_string).collect()
    }

    /// An admin whose configuration lets a forged origin count, or none be proved, must be told before somebody uses it.
    #[test]
    fn forged_results_are_warned_of() {
        assert_eq!(warnings(SOUND), [""; 0]);
        let change = |from: &str, to: &str| {
            let text = SOUND.replace(from, to);
            assert_ne!(text, SOUND, "{from}");
            text
        };
        let imap = "imaps://orders@imap.shop.example'";
        let cases = [
            (
                "no results",
                change("authserv_id = 'mx.shop.example'\n", ""),
                Some(("postern.toml:1:2: CFG043", "refused")),
            ),
            (
                "no results for one channel",
                change(
                    "authserv_id = 'mx.shop.example'\n",
                    "[defaults]\ndecision_trust = 'prefer'\n[channels.b]\naddresses = ['b@shop.example']\napprovers = ['ben@shop.example']\noptions = { decision_trust = 'require' }\n",
                ),
                Some(("CFG043", "no decision can be proved")),
            ),
            (
                "no proof wanted",
                change("authserv_id = 'mx.shop.example'\n", "[defaults]\ndecision_trust = 'off'\n"),
                Some(("CFG030", "without proof")),
            ),
            ("own check", change("authserv_id = 'mx.shop.example'\n", "[gateway.own_check]\n"), None),
            (
                "a listener for all",
                change(imap, "smtp://0.0.0.0:25'"),
                Some(("postern.toml:7:3: CFG044", "smtp://0.0.0.0:25")),
            ),
            ("a listener on loopback", change(imap, "lmtp://127.0.0.1:24'"), None),
            ("a listener on loopback of IPv6", change(imap, "smtp://[::1]:25'"), None),
            (
                "exchange",
                change(imap, "imaps://orders@outlook.office365.com'\nquirks = ['exchange']"),
                Some(("postern.toml:7:3: CFG045", "only through Exchange Online")),
            ),
            (
                "two fields",
                change("authserv_id", "authserv_headers = 2\nauthserv_id"),
                Some(("postern.toml:3:20: CFG046", "a forged one below them counts")),
            ),
        ];
        for (name, text, wanted) in cases {
            let found = warnings(&text);
            match wanted {
                None => assert_eq!(found, [""; 0], "{name}"),
                Some((place, words)) => {
                    assert_eq!(found.len(), 1, "{name}: {found:?}");
                    assert!(found[0].contains(place) && found[0].contains(words), "{name}: {found:?}");
                }
            }
        }
    }
}
