//! `postern explain [CODE]`: what a code in a complaint, letter or alarm means.

use std::io::Write;

use clap::Args;
use serde::Serialize;

use crate::diagnostic::nearest;
use crate::mapping;
use crate::model::{AlarmKind, DeviationCode, DifferenceCode, FaultCode};

/// Tells what a code means; without one, lists all of them.
#[derive(Args, Debug)]
pub struct Arguments {
    /// E.g. `QUANTITY_EXCEEDS_ORDER`, `MAP001`; upper or lower case.
    code: Option<String>,
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Explained {
    code: &'static str,
    /// `fault`, `deviation`, `difference`, `alarm` or `mapping`.
    kind: &'static str,
    meaning: &'static str,
}

#[derive(Serialize)]
struct Shown<'a> {
    v: u32,
    codes: &'a [Explained],
}

fn all() -> Vec<Explained> {
    let faults = FaultCode::ALL.iter().map(|(_, code, meaning)| Explained { code, kind: "fault", meaning });
    let deviations = DeviationCode::ALL.iter().map(|(_, code, meaning)| Explained { code, kind: "deviation", meaning });
    let differences =
        DifferenceCode::ALL.iter().map(|(_, code, meaning)| Explained { code, kind: "difference", meaning });
    let alarms = AlarmKind::ALL.iter().map(|(_, code, meaning)| Explained { code, kind: "alarm", meaning });
    let mappings = mapping::CODES.iter().map(|(code, meaning)| Explained { code, kind: "mapping", meaning });
    faults.chain(deviations).chain(differences).chain(alarms).chain(mappings).collect()
}

pub fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let mut codes = all();
    if let Some(asked) = &arguments.code {
        codes.retain(|explained| explained.code.eq_ignore_ascii_case(asked));
        if codes.is_empty() {
            let known = all();
            let near = nearest(&asked.to_ascii_uppercase(), known.iter().map(|explained| explained.code));
            let help = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            eprintln!("`{asked}` is no code{help}");
        }
    }
    let mut text = String::new();
    if arguments.json {
        text = serde_json::to_string_pretty(&Shown { v: 1, codes: &codes })? + "\n";
    } else {
        for Explained { code, kind, meaning } in &codes {
            text.push_str(&format!("{code} ({kind})\n    {meaning}\n"));
        }
    }
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(if codes.is_empty() { super::COMPLAINTS } else { super::DONE })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A code in a letter that nobody can look up is noise.
    #[test]
    fn every_code_is_explained_once_a_kind() {
        let all = all();
        let unique: std::collections::BTreeSet<_> = all.iter().map(|e| (e.code, e.kind)).collect();
        assert_eq!(unique.len(), all.len());
        assert!(all.iter().all(|explained| !explained.meaning.trim().is_empty()));
    }
}
