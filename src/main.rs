//! The front door; the only file that names adapters: which store, which wires, which readers.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use postern::cli::Adapters;
use postern::config::{Loaded, MailboxConfig, OAuthConfig, OrderSystemConfig, Target};
use postern::document::worker::{Ceilings, Pool};
use postern::document::{Input, Limits};
use postern::gateway::Reader;
use postern::model::Pause;
use postern::store::redb::{Options, Redb};
use postern::store::{Store, StoreError};
use postern::wire::imap::{ImapMailbox, ImapSettings, Quirks};
use postern::wire::inlet::{Dialect, Inlet, InletSettings, InletTls};
use postern::wire::login::{Login, RefreshSettings, RefreshToken, Secret, TokenFile, TokenRefresh};
use postern::wire::maildir::{MaildirMailbox, MaildirSettings};
use postern::wire::net::{Server, Trust};
use postern::wire::order_system::OrderSystem;
use postern::wire::order_system::file_drop::{FileDrop, FileDropSettings, Ripe};
use postern::wire::order_system::http::{HttpOrderSystem, HttpSettings, WebhookSettings};
use postern::wire::smtp::{RelayServer, SmtpRelay, SmtpSettings};
use postern::wire::{Mailbox, Relay};

/// A mail is many small values that live shortly, made and dropped on several threads: the C library's allocator
/// keeps an arena for each of them and holds twice the memory (measured by `scripts/load`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// mimalloc's `purge_delay` (`mi_option_t` of its mimalloc.h; the binding has no name for it).
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;
/// Milliseconds after which memory that nobody uses goes back: at once. The allocator's own second keeps what the last
/// batches of mails took, a quarter of the whole; ten milliseconds still keep 4 MiB, and are no faster that could be
/// seen (measured by `scripts/load`). `MIMALLOC_PURGE_DELAY` in the environment wins.
const GIVEN_BACK_AFTER: std::ffi::c_long = 0;

fn main() -> ExitCode {
    #[expect(unsafe_code, reason = "the allocator has no other door for this; the call sets one number")]
    // SAFETY: stores one word under a known option (mimalloc, options.c); no other thread runs yet.
    unsafe {
        libmimalloc_sys::mi_option_set_default(PURGE_DELAY, GIVEN_BACK_AFTER);
    }
    postern::cli::main(&Adapters {
        open_store,
        mailbox,
        relay,
        order_system: |loaded| Box::pin(order_system(loaded)),
        reader,
        check,
    })
}

fn open_store(loaded: &Loaded) -> Result<Arc<dyn Store>, StoreError> {
    let mut options = Options::default();
    if let Some(mib) = loaded.config.limits.cache_mib {
        options.cache_bytes = mib << 20;
    }
    Ok(Arc::new(Redb::open(&loaded.data_dir(), options)?))
}

/// Reads documents in worker processes with memory and time limits; in this process only when our own
/// program cannot be found.
fn reader(loaded: &Loaded) -> Reader {
    let limits = &loaded.config.limits;
    let mut ceilings = Ceilings::default();
    if let Some(mib) = limits.reader_mib {
        ceilings.memory = mib << 20;
    }
    if let Some(seconds) = limits.reader_seconds {
        ceilings.wall = Duration::from_secs(seconds);
    }
    let workers = limits.readers.unwrap_or_else(|| std::thread::available_parallelism().map_or(2, usize::from).min(4));
    match std::env::current_exe() {
        Ok(program) => {
            let pool = Pool::new(program, workers, ceilings);
            Arc::new(move |input: &Input<'_>| pool.read(input, &Limits::default()))
        }
        Err(error) => {
            tracing::warn!(%error, "documents are read in this process: our own program cannot be found");
            Arc::new(|input: &Input<'_>| postern::document::read(input, &Limits::default()))
        }
    }
}

fn mailbox(loaded: &Loaded, config: &MailboxConfig) -> Result<Box<dyn Mailbox>, String> {
    let target = Target::parse(&config.url)?;
    match target.scheme.as_str() {
        "maildir" => {
            let mut settings = MaildirSettings::new(&config.name, &target.path);
            settings.processed = config.processed.clone().unwrap_or(settings.processed);
            settings.review = config.review.clone().unwrap_or(settings.review);
            Ok(Box::new(MaildirMailbox::new(settings)))
        }
        "smtp" | "lmtp" | "smtps" | "lmtps" => {
            let listen = target.server.rsplit_once("://").map_or("", |(_, host)| host);
            let listen =
                listen.parse().map_err(|_| format!("`{listen}` is no address to listen on, like 127.0.0.1:2525"))?;
            let dialect = if target.scheme.starts_with("smtp") { Dialect::Smtp } else { Dialect::Lmtp };
            let mut settings = InletSettings::new(&config.name, listen, dialect);
            settings.recipients = config.recipients.clone();
            settings.mail_bytes_max = loaded.config.limits.mail_mib.unwrap_or(40) << 20;
            if let (Some(cert), Some(key)) = (&config.tls_cert_file, &config.tls_key_file) {
                let tls = InletTls {
                    cert_file: loaded.resolve(cert),
                    key_file: loaded.resolve(key),
                    implicit: target.scheme.ends_with("tps"),
                    required: config.tls_required,
                };
                tls.check().map_err(|error| error.to_string())?;
                settings.tls = Some(tls);
            }
            Ok(Box::new(Inlet::new(settings)))
        }
        _ => {
            let server = Server::parse(&target.server)?;
            let tokens = Tokens { file: config.token_file.as_ref(), oauth: config.oauth.as_ref() };
            let login = login(loaded, &target, config.password(loaded)?, tokens)?
                .ok_or("no password_file, password_env, token_file or oauth")?;
            let mut settings = ImapSettings::new(&config.name, server, login);
            settings.trust = Trust { ca_file: config.ca_file.as_ref().map(|file| loaded.resolve(file)) };
            if !target.path.is_empty() {
                settings.folder = target.path.clone();
            }
            settings.processed = config.processed.clone().unwrap_or(settings.processed);
            settings.review = config.review.clone().unwrap_or(settings.review);
            if let Some(Ok(Pause::Calendar { seconds })) = config.poll.as_deref().map(Pause::parse) {
                settings.poll = Duration::from_secs(u64::try_from(seconds).unwrap_or(60).max(1));
            }
            for quirk in &config.quirks {
                let named = Quirks::named(quirk).ok_or_else(|| format!("no quirk `{quirk}`"))?;
                settings.quirks = settings.quirks.and(named);
            }
            Ok(Box::new(ImapMailbox::new(settings)))
        }
    }
}

fn relay(loaded: &Loaded) -> Result<Arc<dyn Relay>, String> {
    let config = &loaded.config.relay;
    let mut relays = Vec::new();
    for url in &config.urls {
        let target = Target::parse(url)?;
        let server = Server::parse(&target.server)?;
        let tokens = Tokens { file: config.token_file.as_ref(), oauth: config.oauth.as_ref() };
        let login = login(loaded, &target, config.password(loaded)?, tokens)?;
        let trust = Trust { ca_file: config.ca_file.as_ref().map(|file| loaded.resolve(file)) };
        relays.push(RelayServer { server, trust, login });
    }
    if relays.is_empty() {
        return Err("relay.urls names no relay".into());
    }
    let mut settings = SmtpSettings::new(relays);
    let own_domain = loaded.config.gateway.address.rsplit_once('@').map(|(_, domain)| domain.to_string());
    settings.hello = config.hello.clone().or(own_domain).unwrap_or(settings.hello);
    settings.connections = config.connections.unwrap_or(settings.connections).clamp(1, 64);
    Ok(Arc::new(SmtpRelay::new(settings)))
}

/// Where access tokens come from, if it is they that log us in.
struct Tokens<'a> {
    file: Option<&'a PathBuf>,
    oauth: Option<&'a OAuthConfig>,
}

fn login(
    loaded: &Loaded,
    target: &Target,
    password: Option<String>,
    tokens: Tokens<'_>,
) -> Result<Option<Login>, String> {
    let Some(user) = &target.user else {
        return if password.is_some() || tokens.file.is_some() || tokens.oauth.is_some() {
            Err(format!("`{}` names no user (user@host)", target.server))
        } else {
            Ok(None)
        };
    };
    let user = user.clone();
    match (tokens.oauth, tokens.file, password) {
        (Some(oauth), _, _) => Ok(Some(Login::OAuth { user, tokens: Arc::new(refresh(loaded, oauth)?) })),
        (None, Some(file), _) => Ok(Some(Login::OAuth { user, tokens: Arc::new(TokenFile(loaded.resolve(file))) })),
        (None, None, Some(password)) => Ok(Some(Login::Password { user, password: Secret::new(password) })),
        (None, None, None) => {
            Err(format!("a password is needed for {user}: password_file, password_env, token_file or oauth"))
        }
    }
}

fn refresh(loaded: &Loaded, oauth: &OAuthConfig) -> Result<TokenRefresh, String> {
    let refresh_token = match (&oauth.refresh_token_file, oauth.refresh_token(loaded)?) {
        (Some(file), _) => {
            let file = loaded.resolve(file);
            std::fs::metadata(&file).map_err(|error| format!("{} (refresh_token_file): {error}", file.display()))?;
            RefreshToken::File(file)
        }
        (None, Some(token)) => RefreshToken::Given(Secret::new(token)),
        (None, None) => return Err("oauth: neither refresh_token_file nor refresh_token_env".into()),
    };
    Ok(TokenRefresh::new(RefreshSettings {
        endpoint: oauth.endpoint.clone(),
        client_id: oauth.client_id.clone(),
        client_secret: oauth.client_secret(loaded)?.map(Secret::new),
        refresh_token,
        scope: oauth.scope.clone(),
        trust: Trust { ca_file: oauth.ca_file.as_ref().map(|file| loaded.resolve(file)) },
    }))
}

/// The order system that customers' orders are handed to, where it is not reached by mail.
async fn order_system(loaded: &Loaded) -> Result<Option<Arc<dyn OrderSystem>>, String> {
    let config = &loaded.config.order_system;
    let seconds = |text: &Option<String>, default| Duration::from_secs(OrderSystemConfig::seconds(text, default));
    if !config.is_configured() || config.mail_address().is_some() {
        return Ok(None);
    }
    if let Some(folder) = config.url.strip_prefix("file://") {
        let mut settings = FileDropSettings::in_folder(Path::new(folder));
        settings.poll = seconds(&config.poll, 5);
        if config.ripe.as_deref() == Some("marker") {
            settings.ripe = Ripe::Marker("ok".into());
        }
        return Ok(Some(Arc::new(FileDrop::open(settings).map_err(|e| e.to_string())?)));
    }
    let settings = http_order_system(loaded)?;
    let system = HttpOrderSystem::start(settings).await.map_err(|e| e.to_string())?;
    Ok(Some(Arc::new(system)))
}

fn http_order_system(loaded: &Loaded) -> Result<HttpSettings, String> {
    let config = &loaded.config.order_system;
    let first_line = |file: &PathBuf| {
        let file = loaded.resolve(file);
        let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok::<String, String>(text.lines().next().unwrap_or("").to_string())
    };
    let mut settings = HttpSettings::new(&config.url);
    settings.timeout = Duration::from_secs(OrderSystemConfig::seconds(&config.timeout, 30));
    settings.trust = Trust { ca_file: config.ca_file.as_ref().map(|file| loaded.resolve(file)) };
    settings.plain_http = config.url.starts_with("http://");
    settings.bearer = match (&config.token_file, &config.token_env) {
        (Some(file), _) => Some(Secret::new(first_line(file)?)),
        (None, Some(name)) => {
            Some(Secret::new(std::env::var(name).map_err(|_| format!("the variable {name} (token_env) is not set"))?))
        }
        (None, None) => None,
    };
    if let (Some(listen), Some(file)) = (&config.listen, &config.webhook_secret_file) {
        let secret = first_line(file)?;
        if secret.len() < 32 {
            return Err("webhook_secret_file: the secret is shorter than 32 bytes".into());
        }
        settings.webhook = Some(WebhookSettings::new(listen, Secret::new(secret)));
    }
    Ok(settings)
}

/// What cannot be seen in the configuration's text: URLs, secrets, files.
fn check(loaded: &Loaded) -> Vec<String> {
    let mut problems = Vec::new();
    for config in &loaded.config.mailboxes {
        if let Err(problem) = mailbox(loaded, config) {
            problems.push(format!("mailbox {}: {problem}", config.name));
        }
    }
    if let Err(problem) = relay(loaded) {
        problems.push(format!("relay: {problem}"));
    }
    if loaded.config.order_system.url.starts_with("http")
        && let Err(problem) = http_order_system(loaded)
    {
        problems.push(format!("order system: {problem}"));
    }
    if loaded.config.gateway.address.is_empty() {
        problems.push("gateway.address is not set: our mails need a From".into());
    }
    problems
}
