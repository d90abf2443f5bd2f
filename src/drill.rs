//! Drills: named points in the way of a mail where a test makes the process die, fail or dawdle, to
//! prove that nothing is lost or doubled there. Off unless `POSTERN_DRILL` is set at start; a point
//! that is off costs one load of an atomic.
//!
//! `POSTERN_DRILL="take_in.committed=kill@7,send_out.accepted=delay:50@1-"`: at the seventh passing of
//! the first point the process is killed (SIGKILL, as a power cut); at every passing of the second it
//! waits 50 ms. Actions: `kill`, `error`, `panic`, `delay:MILLIS`; `@N` the N-th passing only, `@N-` from the
//! N-th on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

/// Every point there is, so that a drill cannot name one that does not exist.
pub const POINTS: &[&str] = &[
    "take_in.fetched",
    "take_in.looked",
    "take_in.deciding",
    "take_in.decided",
    "take_in.committed",
    "take_in.filed",
    "send_out.looked",
    "send_out.read",
    "send_out.accepted",
    "send_out.answered",
    "send_out.recorded",
    "remind.looked",
    "remind.decided",
    "hand_over.looked",
    "hand_over.answered",
    "hand_over.committed",
    "answers.fetched",
    "answers.committed",
    "answers.settled",
    "desk.asked",
    "desk.answered",
];

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Kill,
    Error,
    /// As a defect would, to show what is left of the work.
    Panic,
    Delay(Duration),
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    action: Action,
    from: u64,
    to: u64,
}

struct Drill {
    rules: BTreeMap<String, Vec<Rule>>,
    passed: Mutex<BTreeMap<&'static str, u64>>,
    killed: AtomicU64,
}

static ON: AtomicBool = AtomicBool::new(false);
static DRILL: LazyLock<Option<Drill>> = LazyLock::new(|| {
    let text = std::env::var("POSTERN_DRILL").ok()?;
    match parse(&text) {
        Ok(rules) => Some(Drill { rules, passed: Mutex::default(), killed: AtomicU64::new(0) }),
        Err(error) => {
            eprintln!("POSTERN_DRILL: {error}");
            std::process::exit(2);
        }
    }
});

thread_local! {
    static HERE: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// For tests within one process: this point fails on this thread until [`heal`].
pub fn fail_here(point: &'static str) {
    ON.store(true, Ordering::Relaxed);
    HERE.with(|here| here.set(Some(point)));
}

/// Ends what [`fail_here`] began.
pub fn heal() {
    HERE.with(|here| here.set(None));
}

/// Reads `POSTERN_DRILL`; called once at start.
pub fn arm() {
    ON.store(DRILL.is_some(), Ordering::Relaxed);
}

/// Passes a point; `Err` when the drill asks for a failure here.
#[inline]
pub fn pass(point: &'static str) -> Result<(), String> {
    if ON.load(Ordering::Relaxed) { drill(point) } else { Ok(()) }
}

#[cold]
fn drill(point: &'static str) -> Result<(), String> {
    debug_assert!(POINTS.contains(&point), "{point} is not on the list");
    if HERE.with(std::cell::Cell::get) == Some(point) {
        return Err(format!("drill at {point}"));
    }
    let Some(drill) = DRILL.as_ref() else { return Ok(()) };
    let count = match drill.passed.lock() {
        Ok(mut passed) => {
            let count = passed.entry(point).or_default();
            *count += 1;
            *count
        }
        Err(_) => return Ok(()),
    };
    for rule in drill.rules.get(point).into_iter().flatten().filter(|rule| (rule.from..=rule.to).contains(&count)) {
        match rule.action {
            Action::Kill => {
                drill.killed.fetch_add(1, Ordering::Relaxed);
                let pid = std::process::id().to_string();
                // As a power cut: no destructor, no flush.
                let _ = std::process::Command::new("kill").args(["-9", &pid]).status();
                std::process::abort();
            }
            #[allow(clippy::panic)]
            Action::Panic => panic!("drill at {point}"),
            Action::Error => return Err(format!("drill at {point}")),
            Action::Delay(time) => std::thread::sleep(time),
        }
    }
    Ok(())
}

fn parse(text: &str) -> Result<BTreeMap<String, Vec<Rule>>, String> {
    let mut rules: BTreeMap<String, Vec<Rule>> = BTreeMap::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (point, rest) = part.split_once('=').ok_or_else(|| format!("`{part}` is no point=action"))?;
        if !POINTS.contains(&point) {
            return Err(format!("`{point}` is no point; there are {}", POINTS.join(", ")));
        }
        let (action, when) = rest.split_once('@').unwrap_or((rest, "1-"));
        let action = match action.split_once(':') {
            None if action == "kill" => Action::Kill,
            None if action == "error" => Action::Error,
            None if action == "panic" => Action::Panic,
            Some(("delay", millis)) => {
                Action::Delay(Duration::from_millis(millis.parse().map_err(|_| format!("`{millis}` is no number"))?))
            }
            _ => return Err(format!("`{action}` is none of kill, error, panic, delay:MILLIS")),
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{when}` is no N or N-"));
        let (from, to) = match when.strip_suffix('-') {
            Some(from) => (number(from)?, u64::MAX),
            None => (number(when)?, number(when)?),
        };
        rules.entry(point.to_string()).or_default().push(Rule { action, from, to });
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A drill that is misspelt would prove nothing, silently.
    #[test]
    fn drills_are_read_or_refused() {
        let rules = parse("take_in.committed=kill@7, send_out.accepted=delay:50@3-").unwrap();
        assert_eq!(rules["take_in.committed"], [Rule { action: Action::Kill, from: 7, to: 7 }]);
        assert_eq!(
            rules["send_out.accepted"],
            [Rule { action: Action::Delay(Duration::from_millis(50)), from: 3, to: u64::MAX }]
        );
        for wrong in
            ["take_in.comitted=kill", "take_in.committed", "take_in.committed=explode", "take_in.committed=kill@x"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(pass("take_in.committed"), Ok(()));
    }
}
