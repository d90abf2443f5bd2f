//! Scans: pictures of pages to words, by the program `tesseract` where it is installed.
//!
//! What is recognised is a guess (about nine words in ten are right), so the parts say so; nobody may
//! act on it without checking.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::pdf::{self, Turned};
use super::{Kind, Limits, Page, Part, Word};

const PAGES_MAX: usize = 20;
/// Dots an inch; recognition is made for this.
const DPI: f64 = 300.0;
/// Pictures larger than this are drawn smaller, in dots along a side.
const SIDE_MAX: f64 = 4_000.0;
/// Words that tesseract itself believes less in are noise.
const CONFIDENCE_MIN: f64 = 30.0;
/// The dots an inch that a picture without a page is taken for.
const PICTURE_DPI: f64 = 200.0;

/// Whether the recogniser is there.
pub fn is_installed() -> bool {
    Command::new("tesseract")
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

/// Recognises the scanned pages of a PDF part.
pub(super) fn pdf(part: &mut Part, bytes: &[u8], limits: &Limits) {
    let scanned: Vec<usize> = part
        .pages
        .iter()
        .enumerate()
        .filter(|(_, page)| page.lines.iter().all(|line| line.visible().next().is_none()))
        .map(|(at, _)| at)
        .collect();
    let end = Instant::now() + limits.ocr;
    for index in scanned.into_iter().take(PAGES_MAX) {
        if Instant::now() > end {
            part.fault("TIMED_OUT", "there was no time to recognise all pages");
            break;
        }
        let Some(size) = part.pages.get(index).map(|page| (page.width, page.height)) else { continue };
        let scale = (DPI / 72.0).min(SIDE_MAX / size.0.max(size.1).max(1.0));
        let Some(picture) = pdf::picture(bytes, index, scale as f32, limits) else { continue };
        let Some(found) = recognised(&picture, end) else { break };
        if let Some(page) = part.pages.get_mut(index) {
            let hidden = std::mem::take(&mut page.lines);
            *page = page_of(found, 1.0 / scale, size);
            page.lines.extend(hidden);
        }
        part.fault("RECOGNISED", format!("page {} is a picture; its text was recognised and may be wrong", index + 1));
    }
}

/// Recognises a picture.
pub(super) fn picture(part: &mut Part, bytes: &[u8], limits: &Limits) {
    if let Some(found) = recognised(bytes, Instant::now() + limits.ocr) {
        let scale = 72.0 / PICTURE_DPI;
        let size = (found.size.0 * scale, found.size.1 * scale);
        part.pages.push(page_of(found, scale, size));
        part.fault("RECOGNISED", "it is a picture; its text was recognised and may be wrong");
    }
    part.kind = Kind::Image;
}

fn page_of(found: Found, scale: f64, (width, height): (f64, f64)) -> Page {
    let words = found.words.into_iter().map(|word| {
        let word = Word { x0: word.x0 * scale, y0: word.y0 * scale, x1: word.x1 * scale, y1: word.y1 * scale, ..word };
        Turned { word, turn: 0 }
    });
    pdf::page_of_words(words.collect(), Vec::new(), (width, height))
}

/// Words in dots, and the size of the picture.
struct Found {
    words: Vec<Word>,
    size: (f64, f64),
}

/// Feeds a picture to tesseract; none when it is not there, fails, or takes too long.
fn recognised(picture: &[u8], end: Instant) -> Option<Found> {
    let mut command = Command::new("tesseract");
    command.args(["-", "-", "--psm", "6"]);
    if let Some(languages) = languages() {
        command.args(["-l", &languages]);
    }
    command.arg("tsv").env("OMP_THREAD_LIMIT", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let (mut stdin, mut stdout) = (child.stdin.take()?, child.stdout.take()?);
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(picture));
        let reading = scope.spawn(move || {
            let mut text = String::new();
            std::io::Read::read_to_string(&mut stdout, &mut text).map(|_| text).ok()
        });
        while !reading.is_finished() {
            if Instant::now() > end {
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        reading.join().ok().flatten()
    });
    let good = child.wait().is_ok_and(|status| status.success());
    output.filter(|_| good).map(|text| parsed(&text))
}

/// The languages that are installed, of those that our partners write.
fn languages() -> Option<String> {
    const WANTED: [&str; 12] = ["eng", "deu", "fra", "ita", "spa", "nld", "pol", "ces", "dan", "swe", "por", "hun"];
    let output =
        Command::new("tesseract").arg("--list-langs").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let found: Vec<&str> =
        WANTED.into_iter().filter(|wanted| text.lines().any(|line| line.trim() == *wanted)).take(4).collect();
    (!found.is_empty()).then(|| found.join("+"))
}

/// Reads tesseract's table: `level page block par line word left top width height conf text`.
fn parsed(table: &str) -> Found {
    let mut found = Found { words: Vec::new(), size: (0.0, 0.0) };
    // Letters are of different heights; all words of a line get the box of the line.
    let mut lines: BTreeMap<(usize, usize, usize), (f64, f64)> = BTreeMap::new();
    let mut keys = Vec::new();
    for row in table.lines().skip(1) {
        let fields: Vec<&str> = row.splitn(12, '\t').collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
        let (left, top, width, height) = (number(6), number(7), number(8), number(9));
        match number(0) as i64 {
            1 => found.size = (width, height),
            5 if number(10) >= CONFIDENCE_MIN => {
                let text = fields.get(11).map_or("", |text| text.trim());
                if text.is_empty() {
                    continue;
                }
                let key = (number(2) as usize, number(3) as usize, number(4) as usize);
                let span = lines.entry(key).or_insert((top, top + height));
                *span = (span.0.min(top), span.1.max(top + height));
                keys.push(key);
                let word =
                    Word { text: text.into(), x0: left, y0: top, x1: left + width, y1: top + height, hidden: false };
                found.words.push(word);
            }
            _ => {}
        }
    }
    for (word, key) in found.words.iter_mut().zip(&keys) {
        if let Some((top, bottom)) = lines.get(key) {
            (word.y0, word.y1) = (*top, *bottom);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recognised line must be a line, whatever the heights of its letters.
    #[test]
    fn reads_the_table_of_tesseract() {
        let table = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
                     1\t1\t0\t0\t0\t0\t0\t0\t2480\t3508\t-1\t\n\
                     5\t1\t1\t1\t1\t1\t100\t50\t80\t20\t96.5\tMenge\n\
                     5\t1\t1\t1\t1\t2\t300\t55\t30\t12\t95.0\t10\n\
                     5\t1\t1\t1\t2\t1\t100\t90\t30\t12\t5.0\t~~\n";
        let found = parsed(table);
        assert_eq!(found.size, (2480.0, 3508.0));
        let words: Vec<_> = found.words.iter().map(|word| (word.text.as_str(), word.x0, word.y0, word.y1)).collect();
        assert_eq!(words, [("Menge", 100.0, 50.0, 70.0), ("10", 300.0, 50.0, 70.0)]);
    }
}
