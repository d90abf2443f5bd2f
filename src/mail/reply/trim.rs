//! What the author did not write in what is left: signatures, device lines, banners, disclaimers, list footers.

use super::words::words;
use super::{Fate, Line, mark};

/// Lines of a quotation that some server broke: the tail stands unmarked between two quoted lines.
pub(super) fn rewrapped(lines: &[Line], fates: &mut [Fate]) {
    for at in 1..lines.len().saturating_sub(1) {
        let (Some(before), Some(line), Some(after)) = (lines.get(at - 1), lines.get(at), lines.get(at + 1)) else {
            continue;
        };
        if line.text.is_empty() || line.quoted || !before.marked || !after.marked || fates.get(at) != Some(&Fate::Own) {
            continue;
        }
        let length = before.text.chars().count();
        let word = line.text.split(' ').next().map_or(0, |word| word.chars().count());
        let tail = line.text.starts_with(|c: char| c.is_lowercase() || !c.is_alphanumeric());
        let link = !line.text.contains(' ') && before.text.rsplit(' ').next().is_some_and(|word| word.contains("://"));
        if link || tail && length >= 55 && length + 1 + word >= 66 {
            mark(fates, at, at + 1, Fate::Quoted);
        }
    }
}

/// Signatures, device lines, banners, disclaimers, list footers within what is left.
pub(super) fn trim(lines: &[Line], fates: &mut [Fate]) {
    let own: Vec<usize> = fates.iter().enumerate().filter(|(_, fate)| **fate == Fate::Own).map(|(at, _)| at).collect();
    // Stretches of the author's lines between quotations: each may end with a signature.
    let mut stretch: Vec<usize> = Vec::new();
    let mut first = true;
    for (number, at) in own.iter().enumerate() {
        stretch.push(*at);
        if own.get(number + 1).is_none_or(|next| *next != at + 1) {
            trim_stretch(lines, fates, &stretch, first);
            first = false;
            stretch.clear();
        }
    }
}

pub(super) fn trim_stretch(lines: &[Line], fates: &mut [Fate], stretch: &[usize], first: bool) {
    let words = words();
    let text = |at: &usize| lines.get(*at).map_or("", |line| line.text.as_str());
    if first {
        drop_banner(lines, fates, stretch);
    }
    // From the bottom: the last line that is the author's.
    let mut end = stretch.len();
    for (number, at) in stretch.iter().enumerate() {
        let line = text(at);
        let left = stretch.len() - number;
        let starts = is_delimiter(line) && left <= 30
            || is_footer(lines, stretch, number)
            || words.notice_below(line) && notice_ends(lines, stretch, number);
        if starts {
            end = number;
            break;
        }
    }
    for at in stretch.iter().skip(end) {
        mark(fates, *at, at + 1, Fate::Dropped);
    }
    let mut bottom = true;
    for at in stretch.iter().take(end).rev() {
        let line = text(at);
        if line.is_empty() {
            continue;
        }
        if words.device(line, bottom) {
            mark(fates, *at, at + 1, Fate::Dropped);
        } else {
            bottom = false;
        }
    }
}

pub(super) fn drop_banner(lines: &[Line], fates: &mut [Fate], stretch: &[usize]) {
    let words = words();
    let mut inside = false;
    for at in stretch.iter().take(14) {
        let Some(line) = lines.get(*at) else { break };
        if line.text.is_empty() || line.text.chars().all(|c| matches!(c, '-' | '_' | '=' | '*')) {
            inside = false;
            continue;
        }
        if !inside && !words.notice_above(&line.text) {
            break;
        }
        // The banner is its paragraph.
        inside = true;
        mark(fates, *at, at + 1, Fate::Dropped);
    }
}

/// `-- ` (RFC 3676 section 4.3) and what clients make of it.
pub(super) fn is_delimiter(line: &str) -> bool {
    matches!(line.trim_end(), "--" | "- --" | "---")
}

/// A mailing list's footer: a drawn line, then the list.
pub(super) fn is_footer(lines: &[Line], stretch: &[usize], number: usize) -> bool {
    let text = |offset: usize| {
        stretch.get(number + offset).and_then(|at| lines.get(*at)).map_or("", |line| line.text.as_str())
    };
    let drawn = text(0).len() >= 10 && text(0).chars().all(|c| matches!(c, '_' | '-' | '='));
    drawn
        && (1..=4).any(|offset| {
            let line = text(offset).to_lowercase();
            line.contains("mailing list") || line.contains("mailman/listinfo") || line.contains("unsubscribe")
        })
}

/// A notice cuts off only what is no longer than notices are: nothing but more of them, or long prose, may follow.
pub(super) fn notice_ends(lines: &[Line], stretch: &[usize], number: usize) -> bool {
    let rest = stretch.iter().skip(number).filter_map(|at| lines.get(*at)).filter(|line| !line.text.is_empty());
    let (count, bytes) = rest.fold((0, 0), |(count, bytes), line| (count + 1, bytes + line.text.len()));
    number > 0 && count <= 60 && bytes >= 40
}
