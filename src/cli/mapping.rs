//! `postern mapping`: lint, test, try, diff, replay, release, schema and new.
//!
//! Documents are read as the gateway reads them: by its configuration, in processes of their own.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use serde_json::Value as Json;

use super::{Adapters, COMPLAINTS, DONE, USAGE, client, view};
use crate::config::Loaded;
use crate::diagnostic::{Diagnostic, Severity};
use crate::document::{Input, Limits, Part};
use crate::gateway::Reader;
use crate::gateway::desk::{Reply, Request};
use crate::mail::Mail;
use crate::mapping::mails::{self, MailReading};
use crate::mapping::material::Material;
use crate::mapping::{self, Kind, Library, Mapping, compare, explain, json, learn, samples};
use crate::model::{MailId, PartnerId, Pause, Timestamp};

#[derive(Args, Debug)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Reads stored mails anew, by the mappings as they are now, and shows field by field what would change.
    Replay {
        /// How far back: `90d`, `12h`.
        #[arg(long, default_value = "90d")]
        since: String,
        #[arg(long)]
        partner: Option<String>,
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
        #[arg(long)]
        json: bool,
    },
    /// Checks every mapping below a folder: mistakes with their place, and mappings that can match one mail.
    Lint {
        /// The folder of mappings, or one file; that of the configuration, else `mappings`.
        dir: Option<PathBuf>,
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
    /// Reads all samples and compares with what is expected.
    Test {
        /// The folder of mappings, or one file; that of the configuration, else `mappings`.
        dir: Option<PathBuf>,
        /// Writes the expected files of samples that have none or differ.
        #[arg(long)]
        write: bool,
        #[arg(long)]
        json: bool,
    },
    /// Reads a mail (.eml) or a bare document and shows what was understood.
    Try {
        file: PathBuf,
        /// A mapping file, or the name of one below the folder (`nordwind/bestaetigung`).
        #[arg(long)]
        mapping: Option<String>,
        /// The folder of mappings; that of the configuration, else `mappings`.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Draws the document with each value's place and rule.
        #[arg(long)]
        explain: bool,
        #[arg(long)]
        json: bool,
    },
    /// Reads mails with two mappings and shows field by field what differs.
    Diff {
        /// A mapping file.
        old: PathBuf,
        /// Another one.
        new: PathBuf,
        /// Mails or bare documents; the samples of both when none is given.
        mails: Vec<PathBuf>,
        #[arg(long)]
        json: bool,
    },
    /// Prints the JSON Schema of mapping files.
    Schema,
    /// Makes a mapping by example: sample mails, and the orders they answer as the answer key.
    New {
        partner: String,
        #[arg(required = true)]
        mails: Vec<PathBuf>,
        /// Orders in the shape of `order add` (JSON, an array, or JSON Lines).
        #[arg(long)]
        orders: Option<PathBuf>,
        /// The folder of mappings to write into; that of the configuration, else `mappings`.
        #[arg(long)]
        out: Option<PathBuf>,
        /// What the mails are: `response` to our orders, or `order` (of a customer: earlier orders or a price
        /// list in the shape of orders are the answer key).
        #[arg(long, default_value = "response")]
        kind: String,
        /// The layout's name; the kind when it is left out.
        #[arg(long)]
        layout: Option<String>,
    },
    /// What was held because a mapping drifted goes on: a person looked, and what it reads is right.
    Release {
        /// The mapping, as `status` names it (`nordwind/bestaetigung`).
        mapping: String,
        #[arg(long)]
        by: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Json,
}

pub fn run(arguments: &Arguments, adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<u8> {
    match &arguments.command {
        Command::Replay { since, partner, limit, json } => {
            let back = Pause::parse(since).map_err(anyhow::Error::msg)?;
            let now = Timestamp::now();
            let since = now.saturating_sub(back.after(now, "UTC").duration_since(now))?;
            let partner = partner.clone().map(PartnerId);
            let reply = replay(adapters, config, since, partner, *limit)?;
            Ok(client::show(&reply, *json, |value| {
                let heads = [
                    ("mail", "mail"),
                    ("response", "response"),
                    ("subject", "subject"),
                    ("changes", "changes"),
                    ("now read by", "now_read_by"),
                ];
                format!(
                    "{} responses read the same\n{}",
                    view::word(value.get("same").unwrap_or(&Json::Null)),
                    view::list(value, "changed", &heads)
                )
            }))
        }
        Command::Lint { dir, format } => lint(&House::new(adapters, config)?.dir(dir), *format),
        Command::Test { dir, write, json } => {
            let house = House::new(adapters, config)?;
            test(&house, &house.dir(dir), *write, *json)
        }
        Command::Try { file, mapping, dir, explain, json } => {
            let house = House::new(adapters, config)?;
            try_one(&house, file, mapping.as_deref(), &house.dir(dir), *explain, *json)
        }
        Command::Diff { old, new, mails, json } => diff(&House::new(adapters, config)?, (old, new), mails, *json),
        Command::New { partner, mails, orders, out, kind, layout } => {
            let house = House::new(adapters, config)?;
            let layout = layout.as_deref().unwrap_or(kind);
            new(&house, (partner, layout, kind), mails, orders.as_deref(), &house.dir(out))
        }
        Command::Release { mapping, by, json } => {
            let request = Request::MappingRelease { mapping: mapping.clone(), by: client::who(by) };
            let reply = client::ask(adapters, config, request)?;
            Ok(client::show(&reply, *json, |value| format!("{} responses go on", view::word(&value["released"]))))
        }
        Command::Schema => {
            print!("{}", mapping::schema());
            Ok(DONE)
        }
    }
}

/// The house whose mappings these are: its configuration, when there is one, and its reader of documents.
struct House {
    loaded: Option<Loaded>,
    reader: Reader,
}

impl House {
    fn new(adapters: &Adapters, config: &Option<PathBuf>) -> anyhow::Result<House> {
        let usual = Path::new("postern.toml");
        let loaded = if config.is_some() || usual.exists() { Some(client::load(config)?) } else { None };
        let reader = (adapters.reader)(loaded.as_ref().unwrap_or(&Loaded::default()));
        Ok(House { loaded, reader })
    }

    /// The folder given, else that of the configuration.
    fn dir(&self, given: &Option<PathBuf>) -> PathBuf {
        let configured = || self.loaded.as_ref().map(Loaded::mappings_dir);
        given.clone().or_else(configured).unwrap_or_else(|| PathBuf::from("mappings"))
    }

    fn read(&self, input: &Input<'_>) -> Vec<Part> {
        (self.reader)(input)
    }

    /// Whose mappings the gateway would ask.
    fn partner_of(&self, material: &Material<'_>) -> Option<PartnerId> {
        let (loaded, from) = (self.loaded.as_ref()?, material.from.as_deref()?);
        loaded.policies.partner_of_address(from).cloned()
    }
}

/// Replays page by page, so that one sees how far it is.
fn replay(
    adapters: &Adapters,
    config: &Option<PathBuf>,
    since: Timestamp,
    partner: Option<PartnerId>,
    limit: usize,
) -> anyhow::Result<Reply> {
    const PAGE: usize = 50;
    let bar = indicatif::ProgressBar::new(limit as u64).with_message("mails read anew");
    bar.set_style(super::bar_style());
    let (mut same, mut mails, mut changed, mut before) = (0, 0, Vec::new(), None);
    while mails < limit {
        let page = PAGE.min(limit - mails);
        let request = Request::MailReplay { since, partner: partner.clone(), before, limit: page };
        let reply = client::ask(adapters, config, request)?;
        if !reply.ok {
            bar.finish_and_clear();
            return Ok(reply);
        }
        let count = |key: &str| reply.value.get(key).and_then(Json::as_u64).unwrap_or(0);
        same += count("same");
        mails += usize::try_from(count("mails")).unwrap_or(page);
        changed.extend(view::rows(&reply.value, "changed").iter().cloned());
        bar.set_position(mails as u64);
        before = reply
            .value
            .get("next")
            .and_then(|next| serde_json::from_value::<Option<MailId>>(next.clone()).ok())
            .flatten();
        if before.is_none() {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(Reply::done(serde_json::json!({"v": 1, "mails": mails, "same": same, "changed": changed})))
}

/// Prints complaints, each drawn in its file.
fn complain(found: &[Diagnostic]) {
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let mut files: std::collections::BTreeMap<&str, String> = std::collections::BTreeMap::new();
    for d in found {
        let text = files.entry(&d.file).or_insert_with(|| {
            if d.span.is_some() { std::fs::read_to_string(&d.file).unwrap_or_default() } else { String::new() }
        });
        eprintln!("{}\n", d.draw(text, colour));
    }
}

fn has_errors(found: &[Diagnostic]) -> bool {
    found.iter().any(|d| d.severity == Severity::Error)
}

/// The library below a folder, or of one file.
fn load(path: &Path) -> (Library, Vec<Diagnostic>) {
    if path.is_dir() {
        return Library::load(path);
    }
    match load_file(path) {
        Ok((mapping, found)) => (Library { mappings: mapping.into_iter().collect() }, found),
        Err(error) => {
            let d =
                Diagnostic::error("MAP001", format!("cannot be read: {error}")).in_file(&path.display().to_string());
            (Library::default(), vec![d])
        }
    }
}

fn load_file(path: &Path) -> std::io::Result<(Option<Mapping>, Vec<Diagnostic>)> {
    let text = std::fs::read_to_string(path)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().to_string()).unwrap_or_default();
    Ok(mapping::check(&name, &path.display().to_string(), &text))
}

fn lint(dir: &Path, format: Format) -> anyhow::Result<u8> {
    let (library, found) = load(dir);
    match format {
        Format::Json => println!("{}", serde_json::to_string_pretty(&found)?),
        Format::Text => {
            complain(&found);
            let errors = found.iter().filter(|d| d.is_error()).count();
            eprintln!(
                "{} sound mappings, {errors} errors, {} other remarks",
                library.mappings.len(),
                found.len() - errors
            );
        }
    }
    Ok(if has_errors(&found) { COMPLAINTS } else { DONE })
}

fn test(house: &House, dir: &Path, write: bool, as_json: bool) -> anyhow::Result<u8> {
    let (library, mut found) = load(dir);
    let bar = indicatif::ProgressBar::new(library.mappings.len() as u64).with_message("mappings tested");
    bar.set_style(super::bar_style());
    let reader = |input: &Input<'_>| house.read(input);
    let say = |words: String| bar.suspend(|| if as_json { eprintln!("{words}") } else { println!("{words}") });
    let (mut read, mut wrong) = (0, 0);
    let mut told = Vec::new();
    for mapping in &library.mappings {
        let (samples, mut complaints) = samples::test(mapping, &library, &reader);
        bar.inc(1);
        let is_bad = |sample: &&samples::Sample| !sample.differences.is_empty() || sample.expected.is_none();
        let mut bad = samples.iter().filter(is_bad).count();
        told.extend(samples.iter().map(|sample| {
            serde_json::json!({
                "mapping": mapping.name, "sample": sample.mail, "as_expected": !is_bad(&sample),
                "expected": sample.expected.is_some(), "written": write && is_bad(&sample), "differences": sample.differences,
            })
        }));
        if write && bad > 0 {
            for sample in samples.iter().filter(is_bad) {
                let path = sample.mail.with_extension("expected.json");
                std::fs::write(&path, serde_json::to_string_pretty(&json::expected(&sample.reading))? + "\n")?;
                say(format!("written {}", path.display()));
            }
            complaints.retain(|d| !d.is_error());
            bad = 0;
        }
        if !as_json {
            let verdict = if bad == 0 { "ok  " } else { "FAIL" };
            let good = samples.len() - bad;
            say(format!("{verdict} {}: {good} of {} samples as expected", mapping.name, samples.len()));
        }
        read += samples.len();
        wrong += bad;
        found.extend(complaints);
    }
    bar.finish_and_clear();
    let well = !has_errors(&found) && wrong == 0;
    if as_json {
        let mappings = library.mappings.len();
        let all = serde_json::json!({
            "v": 1, "ok": well, "mappings": mappings, "wrong": wrong, "samples": told, "diagnostics": found,
        });
        println!("{}", serde_json::to_string_pretty(&all)?);
    } else {
        complain(&found);
        println!("{} mappings, {read} samples, {wrong} not as expected", library.mappings.len());
    }
    Ok(if well { DONE } else { COMPLAINTS })
}

/// Whether the bytes are a mail rather than a bare document.
fn is_mail(path: &Path, raw: &[u8]) -> bool {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("eml")) {
        return true;
    }
    let head = String::from_utf8_lossy(raw.get(..raw.len().min(2_000)).unwrap_or_default()).to_lowercase();
    let mut fields = head.lines().take_while(|line| !line.trim().is_empty());
    fields.clone().next().is_some_and(|line| {
        line.split_once(':').is_some_and(|(name, _)| !name.is_empty() && !name.contains(char::is_whitespace))
    }) && fields
        .any(|line| line.starts_with("from:") || line.starts_with("subject:") || line.starts_with("mime-version:"))
}

fn try_one(
    house: &House,
    file: &Path,
    wanted: Option<&str>,
    dir: &Path,
    explained: bool,
    as_json: bool,
) -> anyhow::Result<u8> {
    let reader = |input: &Input<'_>| house.read(input);
    let raw = std::fs::read(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
    let mut library = Library::default();
    let chosen = match wanted {
        Some(path) if Path::new(path).is_file() => {
            let (mapping, found) = load_file(Path::new(path))?;
            if mapping.is_none() && as_json {
                let refused =
                    serde_json::json!({"v": 1, "mapping": null, "kind": null, "responses": [], "faults": found});
                println!("{}", serde_json::to_string_pretty(&refused)?);
                return Ok(COMPLAINTS);
            } else if mapping.is_none() {
                complain(&found);
                return Ok(COMPLAINTS);
            }
            mapping
        }
        wanted => {
            if dir.is_dir() {
                let (loaded, found) = Library::load(dir);
                library = loaded;
                if !as_json && has_errors(&found) {
                    eprintln!(
                        "postern: {} complaints about {} (see `postern mapping lint`)",
                        found.len(),
                        dir.display()
                    );
                }
            }
            match wanted {
                Some(name) => match library.get(name) {
                    Some(mapping) => Some(mapping.clone()),
                    None => {
                        let known = library.mappings.iter().map(|mapping| mapping.name.as_str());
                        let near = crate::diagnostic::nearest(name, known)
                            .map(|near| format!("; did you mean `{near}`?"))
                            .unwrap_or_default();
                        eprintln!("postern: there is no mapping `{name}` in {}{near}", dir.display());
                        return Ok(USAGE);
                    }
                },
                None => None,
            }
        }
    };
    let mail = is_mail(file, &raw).then(|| Mail::parse(&raw));
    let material = material(file, &raw, mail.as_ref(), &reader);
    let reading = match &chosen {
        Some(mapping) => mails::read_with(mapping, &material),
        None => mails::read_material(&material, &library, house.partner_of(&material).as_ref()),
    };
    let faults: Vec<Diagnostic> = reading.all_faults().map(json::diagnostic).collect();
    if as_json {
        println!("{}", serde_json::to_string_pretty(&json::full(&reading))?);
    } else if explained {
        print!("{}", drawn(&reading, &material));
    } else {
        println!("{}", serde_json::to_string_pretty(&json::expected(&reading))?);
    }
    if !as_json {
        complain(&faults);
        if mail.is_none() && reading.mapping.is_none() {
            eprintln!("postern: a document by itself has no sender: say by which mapping it is read (--mapping)");
        }
    }
    Ok(if faults.is_empty() { DONE } else { COMPLAINTS })
}

/// A file as rules see it: a mail with what it links to, or a document by itself.
fn material<'m>(
    file: &Path,
    raw: &'m [u8],
    mail: Option<&'m Mail>,
    reader: &'m mapping::material::Reader<'m>,
) -> Material<'m> {
    let name = file.file_name().map(|name| name.to_string_lossy().to_string()).unwrap_or_default();
    let Some(mail) = mail else { return Material::of_file(&name, raw, reader) };
    let mut material = Material::of_mail(mail, &Limits::default(), reader);
    material.linked = samples::linked(file, reader);
    material
}

fn drawn(reading: &MailReading, material: &Material<'_>) -> String {
    let mut out = String::new();
    let bodies = [material.text.as_ref(), material.html.as_ref()];
    let attached = material.files.iter().flat_map(|file| material.parts(file));
    let parts: Vec<&Part> = bodies.into_iter().flatten().chain(attached).collect();
    for message in &reading.messages {
        let with_words = |part: &&&Part| part.name == message.part && !part.pages.is_empty();
        let part = parts.iter().find(with_words).or_else(|| parts.iter().find(|part| part.name == message.part));
        match part {
            Some(part) => out.push_str(&explain::draw(message, part)),
            None => out.push_str(&explain::list(message)),
        }
        out.push('\n');
    }
    out
}

fn diff(house: &House, (old, new): (&Path, &Path), given: &[PathBuf], as_json: bool) -> anyhow::Result<u8> {
    let mut both = Vec::new();
    for path in [old, new] {
        let (mapping, found) = load_file(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        complain(&found);
        both.extend(mapping);
    }
    let [first, second] = both.as_slice() else { return Ok(COMPLAINTS) };
    let mut files = given.to_vec();
    if files.is_empty() {
        for mapping in [first, second] {
            let entries = std::fs::read_dir(samples::folder(mapping)).into_iter().flatten().filter_map(Result::ok);
            files.extend(entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "eml")));
        }
        files.sort();
        files.dedup();
    }
    let mut different = Vec::new();
    for file in &files {
        let raw = std::fs::read(file).map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))?;
        let mail = is_mail(file, &raw).then(|| Mail::parse(&raw));
        let reader = |input: &Input<'_>| house.read(input);
        let material = material(file, &raw, mail.as_ref(), &reader);
        let mut found = compare::mails(&mails::read_with(first, &material), &mails::read_with(second, &material));
        found.retain(|difference| difference.at != "mapping");
        if !found.is_empty() {
            different.push((file, found));
        }
    }
    if as_json {
        let rows = different.iter().map(|(file, found)| {
            let changes = found.iter().map(|d| serde_json::json!({"at": d.at, "old": d.old, "new": d.new}));
            serde_json::json!({"file": file.display().to_string(), "changes": changes.collect::<Vec<_>>()})
        });
        let rows: Vec<Json> = rows.collect();
        println!("{}", serde_json::json!({"v": 1, "mails": files.len(), "different": rows}));
    } else {
        for (file, found) in &different {
            println!("{}", file.display());
            for difference in found {
                println!("  {difference}");
            }
        }
        println!("{} of {} mails are read differently", different.len(), files.len());
    }
    Ok(if different.is_empty() { DONE } else { COMPLAINTS })
}

fn new(
    house: &House,
    (partner, layout, kind): (&str, &str, &str),
    mails: &[PathBuf],
    orders: Option<&Path>,
    out: &Path,
) -> anyhow::Result<u8> {
    let kind = match kind {
        "response" => Kind::Response,
        "order" => Kind::Order,
        other => {
            eprintln!("postern: `{other}` is nothing that can be learned: response or order");
            return Ok(USAGE);
        }
    };
    let reader = |input: &Input<'_>| house.read(input);
    let named = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'))
            && !name.starts_with('.')
    };
    for name in [partner, layout] {
        if !named(name) {
            eprintln!("postern: `{name}` cannot be the name of a folder or file: letters, digits, `-`, `_`");
            return Ok(USAGE);
        }
    }
    let file = out.join(partner).join(format!("{layout}.toml"));
    if file.exists() {
        eprintln!("postern: {} is there already; give another --layout, or --out", file.display());
        return Ok(COMPLAINTS);
    }
    let mut examples = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for path in mails {
        let raw = std::fs::read(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        let mut name = path.file_stem().map(|stem| stem.to_string_lossy().to_string()).unwrap_or_default();
        while !names.insert(name.clone()) {
            name.push('x');
        }
        examples.push(learn::Example { name, raw });
    }
    let orders = match orders {
        None => Vec::new(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
            match crate::model::Order::read(&text, jiff::Timestamp::now()) {
                Ok(orders) => orders,
                Err(error) => {
                    eprintln!("{}:{}:{}: {error}", path.display(), error.line, error.column);
                    return Ok(COMPLAINTS);
                }
            }
        }
    };
    let learned = match learn::learn_kind(kind, partner, layout, &examples, &orders, &reader) {
        Ok(learned) => learned,
        Err(why) => {
            eprintln!("postern: nothing could be learned: {why}");
            return Ok(COMPLAINTS);
        }
    };
    let samples = file.with_extension("").join("samples");
    std::fs::create_dir_all(&samples)?;
    for sample in &learned.samples {
        std::fs::write(samples.join(format!("{}.eml", sample.name)), &sample.raw)?;
        std::fs::write(samples.join(format!("{}.expected.json", sample.name)), &sample.expected)?;
        if let Some(order) = &sample.order {
            std::fs::write(samples.join(format!("{}.order.json", sample.name)), order)?;
        }
    }
    std::fs::write(&file, &learned.toml)?;
    println!("{}", file.display());
    for line in &learned.report {
        println!("  {line}");
    }
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(&file)?;
    let (mapping, mut found) = mapping::check(&format!("{partner}/{layout}"), &shown, &text);
    if let Some(mapping) = mapping {
        let library = Library { mappings: vec![mapping.clone()] };
        found.extend(samples::test(&mapping, &library, &reader).1);
    }
    complain(&found);
    Ok(if has_errors(&found) || learned.is_draft { COMPLAINTS } else { DONE })
}
