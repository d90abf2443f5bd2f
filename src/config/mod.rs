//! `postern.toml` -> [`Config`], or diagnostics with file, line and column.
//!
//! The configuration is data: nothing is computed in it, secrets are named by file or environment
//! variable and read when they are needed, and a file with an error never replaces a loaded one.

pub mod access;
mod reference;
mod sales;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Diagnostic, nearest};
use crate::model::policy::{Options, Pause};
use crate::model::{
    Channel, ChannelId, Customer, CustomerId, Partner, PartnerId, Policies, SalesDesk, TransmissionKind,
};

pub use access::{OAuthConfig, OwnCheckConfig};
pub use reference::{EXAMPLE, reference, schema};
pub use sales::OrderSystemConfig;

/// The whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where state lives: the store, large mails, the control socket. Default `data`. Relative paths count from this file.
    pub data_dir: Option<PathBuf>,
    /// The folder of mappings, one folder a partner. Default `mappings`.
    pub mappings: Option<PathBuf>,
    /// A folder whose templates win over the built-in ones. Default: none.
    pub templates: Option<PathBuf>,
    /// Addresses of the people who run the gateway; they get the alarms. Default: none, alarms are only logged.
    pub operators: Vec<String>,
    pub gateway: GatewayConfig,
    /// The mailboxes that are read, each `[[mailbox]]`.
    #[serde(rename = "mailbox")]
    pub mailboxes: Vec<MailboxConfig>,
    pub relay: RelayConfig,
    /// Who answers orders, each `[partners.NAME]`.
    pub partners: BTreeMap<String, Partner>,
    /// Who placed the orders, each `[channels.NAME]`.
    pub channels: BTreeMap<String, Channel>,
    /// Who orders by mail, each `[customers.NAME]`.
    pub customers: BTreeMap<String, Customer>,
    pub sales: SalesDesk,
    pub order_system: OrderSystemConfig,
    /// Options for all; channels and partners override them.
    pub defaults: Options,
    /// How long raw mails are kept, by drawer (`response`, `stranger` ...), e.g. `"auto-reply" = "30d"`. Default: for ever.
    pub retention: BTreeMap<String, String>,
    pub limits: LimitsConfig,
    /// Retries per kind of transmission, e.g. `[retries.CONFIRM_RESPONSE]`; `[retries.default]` for all others.
    pub retries: BTreeMap<String, RetryConfig>,
}

/// Who the gateway is in its own mails.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// The From address of all mails. Required for `run`.
    pub address: String,
    /// The name beside it. Default `Postern`.
    pub name: Option<String>,
    /// Where replies go; `{token}` stands for the question's token. Default: plus-addressing on `address`
    /// (`orders+{token}@shop.example`). A catch-all looks like `{token}@reply.shop.example`.
    pub reply_address: Option<String>,
    /// The name that our own receiving server writes into Authentication-Results (RFC 8601). That server must remove
    /// such fields with its own name from mail that comes from outside. Without it and without `own_check` no mail can be
    /// proved authentic.
    pub authserv_id: Option<String>,
    /// How many Authentication-Results fields our server adds to a mail. Default 1.
    pub authserv_headers: Option<usize>,
    /// Forwarders whose ARC seals are believed, by the domain (`d=`) of their seal. Default: none.
    pub arc_sealers: Vec<String>,
    pub own_check: Option<OwnCheckConfig>,
    /// An approver with several open questions gets them all in one mail, at most so often, e.g. `1d`. Each question is
    /// asked, reminded of and answered by itself as well. Default: never.
    pub digest: Option<String>,
    /// The key that tokens are made with (at least 32 bytes). Default: made at first start in `data_dir/secret`.
    pub secret_file: Option<PathBuf>,
    /// At most so many of our automatic answers go to one address within an hour (RFC 3834). Default 20.
    pub answers_per_hour: Option<u32>,
    pub dkim: Option<DkimConfig>,
}

/// DKIM signing of outgoing mails (RFC 6376).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DkimConfig {
    pub domain: String,
    pub selector: String,
    /// An RSA or Ed25519 key in PEM.
    pub key_file: PathBuf,
}

/// One mailbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MailboxConfig {
    /// As it is called in logs and `status`. Required, unique.
    pub name: String,
    /// `imaps://user@host[:port][/folder]`, `imap://` (STARTTLS; plain only on loopback), `maildir:///path`,
    /// `smtp://host:port` or `lmtp://host:port` to listen (`smtps://`, `lmtps://`: TLS from the first byte). A user with
    /// @ is written `%40`.
    pub url: String,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// An environment variable that holds the password.
    pub password_env: Option<String>,
    /// A file that holds an OAuth 2 access token (XOAUTH2), re-read for each connection; for who refreshes it himself.
    pub token_file: Option<PathBuf>,
    pub oauth: Option<OAuthConfig>,
    /// Where mails go that were understood. Default `Processed`.
    pub processed: Option<String>,
    /// Where mails go that a person should see. Default `Review`.
    pub review: Option<String>,
    /// Ask for new mails at least this often, besides IDLE. Default `60s`.
    pub poll: Option<String>,
    /// Raise NO_MAIL_SINCE when nothing came for so long. Default: never.
    pub no_mail_alarm: Option<String>,
    /// A PEM file with the certificate authority of the server, besides the system's.
    pub ca_file: Option<PathBuf>,
    /// `smtp://` and `lmtp://` only: addresses or domains that are taken. Default: any.
    pub recipients: Vec<String>,
    /// Listening mailboxes only: the certificate chain in PEM. `smtp://` and `lmtp://` then offer STARTTLS. Read anew when
    /// the file changes.
    pub tls_cert_file: Option<PathBuf>,
    /// Its key in PEM.
    pub tls_key_file: Option<PathBuf>,
    /// Listening mailboxes only: no mail is taken without TLS. Default false.
    pub tls_required: bool,
    /// Named quirks of servers: `gmail`, `exchange`.
    pub quirks: Vec<String>,
}

/// Where outgoing mails go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RelayConfig {
    /// `smtps://user@host[:port]`, `smtp://` (STARTTLS; plain only on loopback); several, tried in order. Required for `run`.
    pub urls: Vec<String>,
    /// A file whose first line is the password.
    pub password_file: Option<PathBuf>,
    /// An environment variable that holds the password.
    pub password_env: Option<String>,
    /// A file that holds an OAuth 2 access token (XOAUTH2), re-read for each connection.
    pub token_file: Option<PathBuf>,
    pub oauth: Option<OAuthConfig>,
    /// Connections kept open at most. Default 4.
    pub connections: Option<usize>,
    pub ca_file: Option<PathBuf>,
    /// How we call ourselves in EHLO: a host name. Default: the domain of the gateway's address.
    pub hello: Option<String>,
    /// The envelope sender. Default: the gateway's address.
    pub envelope_from: Option<String>,
}

/// Ceilings; each has a default that real mail stays below.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// A mail above this goes to Review unread, in MiB. Default 40.
    pub mail_mib: Option<usize>,
    /// Mails fetched at a time; more share fewer commits and take more memory, some 200 KiB each. Default 24.
    pub batch: Option<usize>,
    /// Memory of the process that reads PDFs and sheets, in MiB. Default 512.
    pub reader_mib: Option<u64>,
    /// Seconds one document may take. Default 10.
    pub reader_seconds: Option<u64>,
    /// Processes that read documents. Default: one a core, at most 4.
    pub readers: Option<usize>,
    /// The store's cache in MiB. Default 3.
    pub cache_mib: Option<usize>,
    /// Polling stops when less is free on the disk of `data_dir`, in MiB. Default 256.
    pub disk_free_mib: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryConfig {
    /// Tries before DO_MANUAL_CHECK. Default 12.
    pub max: Option<u32>,
    /// The first pause between tries; it doubles each time. Default `30s`.
    pub delay: Option<String>,
    /// The longest pause. Default `2h`.
    pub delay_max: Option<String>,
}

/// The retry rules of one kind, every value decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub max: u32,
    pub delay: Pause,
    pub delay_max: Pause,
}

/// A configuration with the place it came from.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    pub config: Config,
    /// The file, for messages.
    pub file: PathBuf,
    /// Relative paths count from here.
    pub base: PathBuf,
    pub policies: Policies,
    /// What is allowed but worth a look.
    pub warnings: Vec<Diagnostic>,
    /// When each password file changed last, and how long it is: the secrets themselves are read by whoever logs in.
    passwords: Vec<Option<(SystemTime, u64)>>,
}

impl Loaded {
    /// Reads and checks a file; every complaint at once.
    pub fn read(file: &Path) -> Result<Loaded, Complaints> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|e| Complaints {
            text: String::new(),
            list: vec![Diagnostic::error("CFG001", format!("cannot be read: {e}")).in_file(&name)],
        })?;
        let base = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_path_buf();
        Loaded::parse(&text, &name, base)
    }

    pub fn parse(text: &str, name: &str, base: PathBuf) -> Result<Loaded, Complaints> {
        let complain = |list| Complaints { text: text.to_string(), list };
        let config: Config = toml::from_str(text).map_err(|error| complain(vec![from_toml(name, text, &error)]))?;
        let list = check(&config, name, text);
        if list.iter().any(Diagnostic::is_error) {
            return Err(complain(list));
        }
        let policies = Policies {
            partners: config.partners.iter().map(|(id, p)| (PartnerId::new(id.as_str()), p.clone())).collect(),
            channels: config.channels.iter().map(|(id, c)| (ChannelId::new(id.as_str()), c.clone())).collect(),
            defaults: config.defaults.clone(),
            operators: config.operators.clone(),
            customers: config.customers.iter().map(|(id, c)| (CustomerId::new(id.as_str()), c.clone())).collect(),
            sales: config.sales.clone(),
            order_system: config.order_system.policy(),
            price_lists: BTreeMap::new(),
        };
        let mut loaded =
            Loaded { config, file: PathBuf::from(name), base, policies, warnings: list, passwords: Vec::new() };
        let mailboxes = loaded.config.mailboxes.iter().map(|mailbox| &mailbox.password_file);
        let files = mailboxes.chain([&loaded.config.relay.password_file]);
        let mark = |file: &Option<PathBuf>| {
            let kept = std::fs::metadata(loaded.resolve(file.as_ref()?)).ok()?;
            Some((kept.modified().ok()?, kept.len()))
        };
        loaded.passwords = files.map(mark).collect();
        Ok(loaded)
    }

    fn path(&self, configured: &Option<PathBuf>, default: &str) -> PathBuf {
        self.base.join(configured.as_deref().unwrap_or(Path::new(default)))
    }

    pub fn data_dir(&self) -> PathBuf {
        self.path(&self.config.data_dir, "data")
    }

    pub fn mappings_dir(&self) -> PathBuf {
        self.path(&self.config.mappings, "mappings")
    }

    pub fn templates_dir(&self) -> Option<PathBuf> {
        self.config.templates.as_ref().map(|dir| self.base.join(dir))
    }

    /// A configured path, counted from the file's folder.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    pub fn retry(&self, kind: TransmissionKind) -> Retry {
        let own = self.config.retries.get(kind.name());
        let all = self.config.retries.get("default");
        let pick = |get: fn(&RetryConfig) -> Option<String>, default: &str| {
            let text = own.and_then(get).or_else(|| all.and_then(get)).unwrap_or_else(|| default.to_string());
            Pause::parse(&text).unwrap_or(Pause::NONE)
        };
        Retry {
            max: own.and_then(|r| r.max).or_else(|| all.and_then(|r| r.max)).unwrap_or(12),
            delay: pick(|r| r.delay.clone(), "30s"),
            delay_max: pick(|r| r.delay_max.clone(), "2h"),
        }
    }
}

impl Loaded {
    /// What differs from what was read at the start and is read there only: who is connected to, and how.
    pub fn needs_restart(&self, started: &Loaded) -> Vec<String> {
        let (now, then) = (&self.config, &started.config);
        let mut found = Vec::new();
        let mut differs = |what: &str, differs: bool| {
            if differs {
                found.push(what.to_string());
            }
        };
        differs("`data_dir`", now.data_dir != then.data_dir);
        differs("the mailboxes", now.mailboxes != then.mailboxes);
        differs("`[relay]`", now.relay != then.relay);
        differs("`[order_system]`", now.order_system != then.order_system);
        differs("`limits.cache_mib`", now.limits.cache_mib != then.limits.cache_mib);
        let readers = |limits: &LimitsConfig| (limits.readers, limits.reader_mib, limits.reader_seconds);
        differs("the limits of readers", readers(&now.limits) != readers(&then.limits));
        differs("a password", self.passwords != started.passwords);
        found
    }
}

impl MailboxConfig {
    pub fn password(&self, loaded: &Loaded) -> Result<Option<String>, String> {
        access::secret(loaded, "password", &self.password_env, &self.password_file)
    }
}

impl RelayConfig {
    pub fn password(&self, loaded: &Loaded) -> Result<Option<String>, String> {
        access::secret(loaded, "password", &self.password_env, &self.password_file)
    }
}

/// A mailbox or relay URL in its pieces: `scheme://[user@]host[:port][/path]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub scheme: String,
    /// Percent-decoded: a user with @ is written `%40`.
    pub user: Option<String>,
    /// Without user and path, for whoever connects.
    pub server: String,
    /// The folder, or a file path for `maildir`; percent-decoded.
    pub path: String,
}

impl Target {
    pub fn parse(url: &str) -> Result<Target, String> {
        let decode = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8()
                .map(String::from)
                .map_err(|_| format!("`{url}`: `{text}` is no UTF-8"))
        };
        let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("`{url}` is no URL: no `://` in it"))?;
        if scheme == "maildir" {
            return Ok(Target { scheme: scheme.into(), user: None, server: String::new(), path: decode(rest)? });
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) if user.contains('@') => {
                return Err(format!("`{url}`: an @ in the user `{user}` of {host} is written %40"));
            }
            Some((user, host)) => (Some(decode(user)?), host),
            None => (None, authority),
        };
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            return Err("a password does not belong into a URL: use password_file or password_env".into());
        }
        Ok(Target { scheme: scheme.into(), user, server: format!("{scheme}://{host}"), path: decode(path)? })
    }
}

/// All complaints about one text.
#[derive(Clone, Debug)]
pub struct Complaints {
    pub text: String,
    pub list: Vec<Diagnostic>,
}

impl Complaints {
    pub fn draw(&self, colour: bool) -> String {
        self.list.iter().map(|d| d.draw(&self.text, colour)).collect::<Vec<_>>().join("\n\n")
    }
}

impl std::fmt::Display for Complaints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.list.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n"))
    }
}

impl std::error::Error for Complaints {}

/// The TOML reader's complaint with its place; an unknown key gets a "did you mean".
fn from_toml(file: &str, text: &str, error: &toml::de::Error) -> Diagnostic {
    let message = error.message().trim().to_string();
    let mut diagnostic = Diagnostic::error("CFG002", message.clone());
    if let Some(span) = error.span() {
        diagnostic = diagnostic.at(file, text, span);
    } else {
        diagnostic = diagnostic.in_file(file);
    }
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((name, known)) = rest.split_once('`')
    {
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        diagnostic = diagnostic.label("not known here");
        if let Some(near) = nearest(name, known.iter().copied()) {
            diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
        }
    }
    diagnostic
}

/// What the types cannot say: pauses, addresses, names, URLs. All at once.
fn check(config: &Config, file: &str, text: &str) -> Vec<Diagnostic> {
    let mut checker = Checker { file, text, tree: toml_edit::Document::parse(text).ok(), found: Vec::new() };
    checker.options(&config.defaults, &["defaults"]);
    for (name, partner) in &config.partners {
        checker.options(&partner.options, &["partners", name, "options"]);
        if partner.addresses.is_empty() {
            checker.error(
                "CFG010",
                &["partners", name],
                "a partner needs at least one address",
                "addresses = [\"orders@partner.example\"]",
            );
        }
        for address in &partner.addresses {
            checker.address(address, true, &["partners", name, "addresses"]);
        }
        for address in &partner.send_to {
            checker.address(address, false, &["partners", name, "send_to"]);
        }
        if partner.recipients().is_empty() {
            let help = "name an exact address in `addresses`, or set `send_to`";
            checker.warning("CFG011", &["partners", name], "mails to this partner have no address to go to", help);
        }
        for rcl in partner.reasons.values() {
            if !RCL.contains(&rcl.as_str()) {
                let help = nearest(rcl, RCL.iter().copied())
                    .map_or_else(|| RCL.join(", "), |near| format!("did you mean `{near}`?"));
                checker.error("CFG012", &["partners", name, "reasons"], &format!("`{rcl}` is no RCL code"), &help);
            }
        }
    }
    for (name, channel) in &config.channels {
        checker.options(&channel.options, &["channels", name, "options"]);
        for address in
            channel.addresses.iter().chain(&channel.documents_to).chain(channel.approvers_in_order().iter().flatten())
        {
            checker.address(address, false, &["channels", name]);
        }
        if channel.approvers.is_empty() {
            checker.warning(
                "CFG013",
                &["channels", name],
                "nobody can approve deviations for this channel",
                "approvers = [\"anna@shop.example\"]",
            );
        }
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, partner) in &config.partners {
        for address in &partner.addresses {
            if let Some(other) = seen.insert(address.as_str(), name) {
                checker.error(
                    "CFG014",
                    &["partners", name, "addresses"],
                    &format!("`{address}` belongs to partner `{other}` too"),
                    "an address speaks for one partner",
                );
            }
        }
    }
    let mut names = std::collections::BTreeSet::new();
    for mailbox in &config.mailboxes {
        if mailbox.name.is_empty() || !names.insert(mailbox.name.as_str()) {
            checker.error(
                "CFG020",
                &["mailbox"],
                &format!("a mailbox needs a name of its own, not `{}`", mailbox.name),
                "name = \"orders\"",
            );
        }
        let target = Target::parse(&mailbox.url);
        let known = ["imaps", "imap", "imap+starttls", "maildir", "smtp", "smtps", "lmtp", "lmtps"];
        if !target.is_ok_and(|target| known.contains(&target.scheme.as_str())) {
            checker.error(
                "CFG021",
                &["mailbox"],
                &format!("`{}` is no mailbox URL", mailbox.url),
                "imaps://user@host/INBOX, imap://..., maildir:///path, smtp://host:port, smtps://, lmtp://, lmtps://",
            );
        }
        for pause in [&mailbox.poll, &mailbox.no_mail_alarm].into_iter().flatten() {
            checker.pause(pause, &["mailbox"]);
        }
        for quirk in &mailbox.quirks {
            if !["gmail", "exchange"].contains(&quirk.as_str()) {
                checker.error("CFG022", &["mailbox"], &format!("`{quirk}` is no quirk we know"), "gmail, exchange");
            }
        }
    }
    access::check(config, &mut checker);
    if let Some(pause) = &config.gateway.digest {
        checker.pause(pause, &["gateway", "digest"]);
    }
    for url in &config.relay.urls {
        if !url.starts_with("smtp://") && !url.starts_with("smtps://") {
            checker.error(
                "CFG023",
                &["relay", "urls"],
                &format!("`{url}` is no relay URL"),
                "smtps://user@host or smtp://host:port",
            );
        }
    }
    if !config.gateway.address.is_empty() {
        checker.address(&config.gateway.address, false, &["gateway", "address"]);
    }
    if let Some(reply) = &config.gateway.reply_address
        && !(reply.matches("{token}").count() == 1 && (reply.starts_with("{token}@") || reply.contains("+{token}@")))
    {
        checker.error(
            "CFG024",
            &["gateway", "reply_address"],
            "a reply address has {token} in it once",
            "orders+{token}@shop.example",
        );
    }
    for address in &config.operators {
        checker.address(address, false, &["operators"]);
    }
    for (drawer, pause) in &config.retention {
        checker.pause(pause, &["retention", drawer]);
    }
    for (kind, retry) in &config.retries {
        if kind != "default" && TransmissionKind::from_name(kind).is_none() {
            let known = TransmissionKind::ALL.iter().map(|kind| kind.name());
            let help = nearest(kind, known).map_or_else(
                || "e.g. CONFIRM_RESPONSE or default".to_string(),
                |near| format!("did you mean `{near}`?"),
            );
            checker.error("CFG025", &["retries", kind], &format!("`{kind}` is no kind of transmission"), &help);
        }
        for pause in [&retry.delay, &retry.delay_max].into_iter().flatten() {
            checker.pause(pause, &["retries", kind]);
        }
    }
    sales::check(config, &mut checker);
    if config.defaults.decision_trust == Some(crate::model::policy::Trust::Off) {
        let help =
            "decision_trust = \"require\" and gateway.authserv_id make sure that a decision comes from whom it says";
        checker.warning(
            "CFG030",
            &["defaults", "decision_trust"],
            "decisions are taken without proof of their origin",
            help,
        );
    }
    checker.found
}

/// The reference's return reasons (KB 277G04).
pub const RCL: [&str; 17] = [
    "RCL010", "RCL015", "RCL020", "RCL021", "RCL023", "RCL024", "RCL025", "RCL030", "RCL040", "RCL041", "RCL045",
    "RCL050", "RCL200", "RCL300", "RCL400", "RCL980", "RCL990",
];

struct Checker<'a> {
    file: &'a str,
    text: &'a str,
    tree: Option<toml_edit::Document<&'a str>>,
    found: Vec<Diagnostic>,
}

impl Checker<'_> {
    fn options(&mut self, options: &Options, path: &[&str]) {
        let waits = &options.waits;
        let pauses = [
            ("request_reminder", &waits.request_reminder),
            ("approval_reminder", &waits.approval_reminder),
            ("approval_expiry", &waits.approval_expiry),
            ("recall_reminder", &waits.recall_reminder),
            ("recall_hold", &waits.recall_hold),
            ("pending_limit", &waits.pending_limit),
            ("unanswered_reminder", &waits.unanswered_reminder),
            ("alarm_reminder", &waits.alarm_reminder),
        ];
        for (key, pause) in pauses {
            if let Some(pause) = pause {
                self.pause(pause, &[path, &["waits", key]].concat());
            }
        }
        if let Some(zone) = &options.time_zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            self.error(
                "CFG016",
                &[path, &["time_zone"]].concat(),
                &format!("`{zone}` is no IANA time zone"),
                "Europe/Berlin, Europe/Stockholm, UTC",
            );
        }
        for (unit, conversion) in &options.units {
            if conversion.factor <= rust_decimal::Decimal::ZERO {
                self.error("CFG017", &[path, &["units", unit]].concat(), "a unit's factor is above zero", "");
            }
        }
    }

    fn pause(&mut self, text: &str, path: &[&str]) {
        if let Err(message) = Pause::parse(text) {
            self.error("CFG015", path, &message, "");
        }
    }

    fn address(&mut self, address: &str, domain_allowed: bool, path: &[&str]) {
        let bare = address
            .strip_prefix('@')
            .filter(|_| domain_allowed)
            .map_or_else(|| address.to_string(), |domain| format!("x@{domain}"));
        let good = bare.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && !domain.is_empty()
                && !domain.contains('@')
                && !bare.contains(|c: char| c.is_whitespace() || c.is_control() || "<>,;\"".contains(c))
        });
        if !good {
            let help = if domain_allowed {
                "orders@nordwind.example, or @nordwind.example for a whole domain"
            } else {
                "anna@shop.example"
            };
            self.error("CFG018", path, &format!("`{address}` is no mail address"), help);
        }
    }

    fn error(&mut self, code: &str, path: &[&str], message: &str, help: &str) {
        self.say(Diagnostic::error(code, message), path, help);
    }

    fn warning(&mut self, code: &str, path: &[&str], message: &str, help: &str) {
        self.say(Diagnostic::warning(code, message), path, help);
    }

    fn say(&mut self, diagnostic: Diagnostic, path: &[&str], help: &str) {
        let diagnostic = match self.span(path) {
            Some(span) => diagnostic.at(self.file, self.text, span),
            None => diagnostic.in_file(self.file),
        };
        self.found.push(if help.is_empty() { diagnostic } else { diagnostic.help(help) });
    }

    /// The place of the deepest part of the path that stands in the text.
    fn span(&self, path: &[&str]) -> Option<Range<usize>> {
        let mut item = self.tree.as_ref()?.as_item();
        let mut span = None;
        for key in path {
            let Some(table) = item.as_table_like() else { break };
            let Some((key, next)) = table.get_key_value(key) else { break };
            span = next.span().filter(|_| next.is_value()).or_else(|| key.span()).or_else(|| next.span()).or(span);
            item = next;
        }
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<Diagnostic> {
        match Loaded::parse(text, "postern.toml", PathBuf::new()) {
            Ok(_) => Vec::new(),
            Err(complaints) => complaints.list,
        }
    }

    /// An admin must be shown every mistake at once, each at its line, with what was meant.
    #[test]
    fn mistakes_are_shown_where_they_stand() {
        let cases = [
            ("[gatway]\naddress = 'x'\n", "postern.toml:1:2: CFG002", "did you mean `gateway`?"),
            ("[partners.n]\naddresses = ['a b@c']\n", "postern.toml:2:13: CFG018", "no mail address"),
            ("[defaults.waits]\nrecall_hold = '5 minutes'\n", "postern.toml:2:15: CFG015", "`5 minutes`"),
            ("[retries.CONFIRM_RESPONS]\nmax = 3\n", "CFG025", "did you mean `CONFIRM_RESPONSE`?"),
            (
                "[partners.a]\naddresses=['x@y.z']\n[partners.b]\naddresses=['x@y.z']\n",
                "postern.toml:4:11: CFG014",
                "belongs to partner `a` too",
            ),
            ("[partners.a]\naddresses=['x@y.z']\nreasons = {'weg'='RCL21'}\n", "CFG012", "`RCL21` is no RCL code"),
            ("[[mailbox]]\nname='a'\nurl='pop3://x'\n", "CFG021", "is no mailbox URL"),
            (
                "[[mailbox]]\nname='a'\nurl='maildir:///x'\npasword_env='X'\n",
                "postern.toml:4:1: CFG002",
                "did you mean `password_env`?",
            ),
            ("[customers.c]\naddresses=['x@y.z']\n", "postern.toml:1:2: CFG056", "no sales desk"),
            ("[order_system]\nurl = 'ftp://x'\n", "postern.toml:2:7: CFG058", "no place to hand orders to"),
            ("[sales]\nregister_as = 'shop'\n", "postern.toml:2:15: CFG052", "no channel `shop`"),
            ("[order_system]\nurl='file:///x'\nlisten='127.0.0.1:1'\n", "postern.toml:3:8: CFG063", "anybody's"),
            ("data_dir = 5\n", "postern.toml:1:12: CFG002", "invalid type"),
        ];
        for (text, place, words) in cases {
            let found = complaints(text).iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n");
            assert!(found.contains(place) && found.contains(words), "{text}\n-> {found}");
        }
    }

    /// The example is what a newcomer starts from: it must be accepted as it is, and name every key.
    #[test]
    fn the_example_is_complete_and_sound() {
        let loaded = Loaded::parse(EXAMPLE, "example", PathBuf::new()).unwrap_or_else(|c| panic!("{c}"));
        assert_eq!(loaded.config.mailboxes.len(), 1);
        for (path, _) in reference::keys() {
            let key = path.rsplit('.').next().unwrap_or("");
            assert!(EXAMPLE.contains(key), "the example does not show `{path}`");
        }
    }
}
