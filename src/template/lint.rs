//! What is wrong with a folder of letters: found by compiling every file and writing every example.

use std::collections::BTreeSet;
use std::path::Path;

use super::sources::{self, Chain, LAYOUT};
use super::variables::top_names;
use super::{Compiled, Templates, example};
use crate::diagnostic::{Diagnostic, nearest};

/// Names that the engine brings along.
const ENGINE_NAMES: &[&str] = &["super", "loop", "self", "range", "dict", "namespace", "debug", "caller"];

/// All complaints about the letters of a folder (over the builtin ones), or about the builtin ones
/// alone. The templates are returned to draw the complaints with.
pub fn lint(dir: Option<&Path>) -> Result<(Templates, Vec<Diagnostic>), Vec<Diagnostic>> {
    let sources = match dir {
        Some(dir) => sources::load(dir)?,
        None => sources::builtin(),
    };
    let (templates, mut complaints) = Templates::compile(sources);
    for compiled in templates.languages.values() {
        complaints.extend(missing(&templates, compiled));
        complaints.extend(names(&templates, compiled));
    }
    if !complaints.iter().any(Diagnostic::is_error) {
        for compiled in templates.languages.values() {
            complaints.extend(written(&templates, compiled));
        }
    }
    let mut seen = BTreeSet::new();
    complaints.retain(|complaint| seen.insert(complaint.to_string()));
    Ok((templates, complaints))
}

/// Letters that a language lacks.
fn missing(templates: &Templates, compiled: &Compiled) -> Vec<Diagnostic> {
    let code = &compiled.language.code;
    let letters = sources::letters(&templates.sources).into_iter();
    letters
        .filter(|file| !templates.sources.contains_key(&format!("{code}/{file}")))
        .map(|file| {
            let message = format!("the letter `{file}` is missing in `{code}`");
            Diagnostic::warning("TPL014", message).in_file(&format!("{code}/{file}")).help("it is written in English")
        })
        .collect()
}

/// Variables that no letter has, and blocks that no layout shows.
fn names(templates: &Templates, compiled: &Compiled) -> Vec<Diagnostic> {
    let mut complaints = Vec::new();
    let known: BTreeSet<&str> = top_names().chain(ENGINE_NAMES.iter().copied()).collect();
    let code = &compiled.language.code;
    let shown = blocks(templates.source(&format!("{code}/{LAYOUT}")));
    let shown = if shown.is_empty() { blocks(templates.source(&format!("en/{LAYOUT}"))) } else { shown };
    for (path, text) in templates.sources.iter().filter(|(path, _)| path.ends_with(".j2")) {
        let parts: Vec<&str> = path.split('/').collect();
        let (own, file) = match parts.as_slice() {
            ["shared", file] => (code == "en", *file),
            [lang, file] => (*lang == code, *file),
            ["partner" | "channel", _, lang, file] => (*lang == code, *file),
            ["partner" | "channel", _, file] => (code == "en", *file),
            _ => (false, ""),
        };
        if !own {
            continue;
        }
        let shared = format!("shared/{file}");
        if !templates.sources.contains_key(&format!("en/{file}")) && !templates.sources.contains_key(&shared) {
            let mut warning =
                Diagnostic::warning("TPL015", "there is no such letter; nothing uses this file").in_file(path);
            let letters: Vec<String> =
                sources::letters(&templates.sources).into_iter().chain(sources::tables(&templates.sources)).collect();
            if let Some(meant) = nearest(file, letters.iter().map(String::as_str)) {
                warning = warning.help(format!("did you mean `{meant}`?"));
            }
            complaints.push(warning);
            continue;
        }
        if let Ok(template) = compiled.environment.template_from_named_str(path, text) {
            let undeclared: BTreeSet<String> = template.undeclared_variables(false).into_iter().collect();
            for name in undeclared.iter().filter(|name| !known.contains(name.as_str())) {
                let mut error = Diagnostic::error("TPL005", format!("there is no variable `{name}`"))
                    .at(path, text, word(text, name))
                    .label("not known");
                if let Some(meant) = nearest(name, known.iter().copied()) {
                    error = error.help(format!("did you mean `{meant}`?"));
                }
                complaints.push(error);
            }
        }
        let mut allowed = shown.clone();
        allowed.extend(blocks(templates.source(&shared)));
        if parts.len() > 2 {
            allowed.extend(blocks(templates.source(&format!("{code}/{file}"))));
        }
        let nested = file == LAYOUT && parts.len() == 2;
        for block in blocks(text).into_iter().filter(|block| !nested && !allowed.contains(block)) {
            let mut warning = Diagnostic::warning("TPL016", format!("no letter shows the block `{block}`"))
                .at(path, text, word(text, &block))
                .label("not shown");
            if let Some(meant) = nearest(&block, allowed.iter().map(String::as_str)) {
                warning = warning.help(format!("did you mean `{meant}`?"));
            }
            complaints.push(warning);
        }
    }
    complaints
}

/// Writes every example in the language, for every partner and channel with blocks of its own.
fn written(templates: &Templates, compiled: &Compiled) -> Vec<Diagnostic> {
    let mut complaints = Vec::new();
    let code = &compiled.language.code;
    let partners = sources::owners(&templates.sources, "partner");
    let channels = sources::owners(&templates.sources, "channel");
    for example in example::all() {
        let example = example.in_language(code);
        let letter = example.letter();
        let frame = super::Frame::of(&letter);
        let view = super::View::of(&letter, &frame, &compiled.language);
        let Ok(file) = super::file_of(letter.owed) else { continue };
        let none = String::new();
        let owners = std::iter::once((&none, &none))
            // Nobody's blocks are used where the letter does not know the channel or partner.
            .chain(channels.iter().filter(|_| frame.channel.is_some()).map(|channel| (channel, &none)))
            .chain(partners.iter().filter(|_| frame.partner.is_some()).map(|partner| (&none, partner)));
        for (channel, partner) in owners {
            let chain = Chain { file, channel, partner, level: 0 };
            let Some(chain) = chain.top(3, code, &templates.sources) else { continue };
            let path = chain.path(code, &templates.sources).unwrap_or_default();
            match compiled.render(&templates.sources, &chain, &view, view.reply_to.as_deref(), &frame.zone) {
                Ok(words) => {
                    for (part, text) in [("subject", &words.subject), ("text", &words.text)] {
                        if text.trim().is_empty() {
                            let message = format!("the {part} of `{}` is empty", example.name);
                            complaints.push(Diagnostic::error("TPL017", message).in_file(&path));
                        }
                    }
                }
                Err(complaint) => complaints.push(complaint),
            }
        }
    }
    for example in example::sales() {
        let example = example.in_language(code);
        let letter = &example.letter;
        let Ok(file) = super::file_of_sale(letter) else { continue };
        for channel in std::iter::once(&String::new()).chain(&channels) {
            let mut own = letter.clone();
            own.customer.0.clone_from(channel);
            match compiled.write_sale(&templates.sources, &own, file) {
                Ok(words) if words.subject.trim().is_empty() || words.text.trim().is_empty() => {
                    let message = format!("the subject or text of `{}` is empty", example.name);
                    complaints.push(Diagnostic::error("TPL017", message).in_file(&format!("{code}/{file}")));
                }
                Ok(_) => {}
                Err(complaint) => complaints.push(complaint),
            }
        }
    }
    complaints
}

/// The names of the blocks a file declares.
fn blocks(text: &str) -> BTreeSet<String> {
    let starts = text.split("{%").skip(1).filter_map(|rest| {
        let rest = rest.trim_start_matches(['-', '+']).trim_start();
        rest.strip_prefix("block ")?.split(|c: char| !c.is_alphanumeric() && c != '_').find(|name| !name.is_empty())
    });
    starts.map(str::to_string).collect()
}

/// The first place where a name stands as a whole word, within a tag.
fn word(text: &str, name: &str) -> std::ops::Range<usize> {
    let whole = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    for (at, _) in text.match_indices(name) {
        let before = text.get(..at).unwrap_or("");
        let after = text.get(at + name.len()..).unwrap_or("");
        let opened = before.rfind("{{").max(before.rfind("{%"));
        let closed = before.rfind("}}").max(before.rfind("%}"));
        if opened > closed && whole(before.chars().last().filter(|c| *c != '.')) && whole(after.chars().next()) {
            return at..at + name.len();
        }
    }
    0..0
}
