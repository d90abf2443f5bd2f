//! The numbers and bullets that a word processor puts before paragraphs (`numbering.xml`): a position that
//! nobody typed is a position all the same. Source: ECMA-376, Part 1, 17.9.

use std::collections::{HashMap, HashSet};

use roxmltree::{Document, Node};

use super::styles::Styles;
use super::{element, value};

/// By the format.
const LEVELS: usize = 9;
const LISTS_MAX: usize = 10_000;

/// The lists of a document, and how far they have counted.
#[derive(Default)]
pub(super) struct Numbering {
    lists: HashMap<u32, [Level; LEVELS]>,
    uses: HashMap<u32, Use>,
    counts: HashMap<u32, [Option<u32>; LEVELS]>,
    /// Uses of lists that have begun anew, by level.
    begun: HashSet<(u32, usize)>,
}

/// A list as paragraphs name it.
#[derive(Default)]
struct Use {
    list: u32,
    /// Levels that begin at another number here, or look otherwise.
    begins: HashMap<usize, u32>,
    levels: HashMap<usize, Level>,
}

#[derive(Clone, Default)]
struct Level {
    begin: u32,
    format: String,
    /// `%1.%2`: the counts of levels, from 1.
    text: String,
    /// What parts the number from the text.
    then: Then,
    /// Begins anew behind a paragraph of this level (from 1) or above; none: of any above.
    restart: Option<usize>,
    /// All counts in Arabic numerals.
    legal: bool,
    hidden: bool,
    /// The style whose paragraphs stand at this level.
    style: Option<String>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Then {
    #[default]
    Tab,
    Space,
    Nothing,
}

impl Numbering {
    pub(super) fn of(document: &Document<'_>, styles: &Styles) -> Numbering {
        let mut numbering = Numbering::default();
        let mut links: Vec<(u32, String)> = Vec::new();
        let root = document.root_element();
        for node in root.children().filter(|node| node.tag_name().name() == "abstractNum").take(LISTS_MAX) {
            let Some(list) = attribute(node, "abstractNumId") else { continue };
            if let Some(style) = element(node, "numStyleLink").and_then(value) {
                links.push((list, style.to_owned()));
            }
            let mut levels = <[Level; LEVELS]>::default();
            for (at, level) in levels_of(node) {
                if let Some(slot) = levels.get_mut(at) {
                    *slot = level;
                }
            }
            numbering.lists.insert(list, levels);
        }
        for node in root.children().filter(|node| node.tag_name().name() == "num").take(LISTS_MAX) {
            let list = element(node, "abstractNumId").and_then(value).and_then(|list| list.parse().ok());
            let (Some(id), Some(list)) = (attribute(node, "numId"), list) else { continue };
            let mut own = Use { list, ..Use::default() };
            for over in node.children().filter(|node| node.tag_name().name() == "lvlOverride") {
                let Some(level) = attribute(over, "ilvl").map(|level| level as usize) else { continue };
                let begin = element(over, "startOverride").and_then(value).and_then(|begin| begin.parse().ok());
                own.begins.extend(begin.map(|begin| (level, begin)));
                own.levels.extend(levels_of(over));
            }
            numbering.uses.insert(id, own);
        }
        // A list may be that of a style.
        for (list, style) in links {
            let real = styles.list(Some(&style)).and_then(|(id, ..)| Some(numbering.uses.get(&id)?.list));
            if let Some(levels) = real.and_then(|real| numbering.lists.get(&real)).cloned() {
                numbering.lists.insert(list, levels);
            }
        }
        numbering
    }

    /// Counts a paragraph; what stands before its text.
    ///
    /// `level` is what the paragraph says, from 0; else that of the style by which it is numbered.
    pub(super) fn next(&mut self, id: u32, level: Option<usize>, style: Option<&str>) -> Option<String> {
        let own = self.uses.get(&id)?;
        let levels = self.lists.get(&own.list)?;
        let level_of_style = || levels.iter().position(|level| style.is_some() && level.style.as_deref() == style);
        let at = level.or_else(level_of_style).unwrap_or(0).min(LEVELS - 1);
        let level = own.levels.get(&at).or(levels.get(at))?;
        let begin = own.begins.get(&at).copied();
        let counts = self.counts.entry(own.list).or_default();
        if begin.is_some() && self.begun.insert((id, at)) {
            *counts.get_mut(at)? = None;
        }
        let count = counts.get_mut(at)?;
        *count = Some(count.map_or(begin.unwrap_or(level.begin), |count| count.saturating_add(1)));
        for (below, count) in counts.iter_mut().enumerate().skip(at + 1) {
            let restart = levels.get(below).and_then(|level| level.restart);
            if restart.is_none_or(|restart| at < restart) {
                *count = None;
            }
        }
        if level.hidden {
            return None;
        }
        let mut text = String::new();
        let mut characters = level.text.chars().peekable();
        while let Some(c) = characters.next() {
            let shown = characters.peek().and_then(|c| c.to_digit(10)).filter(|digit| c == '%' && *digit > 0);
            match shown {
                Some(digit) => {
                    characters.next();
                    let at = digit as usize - 1;
                    let Some(level_shown) = own.levels.get(&at).or(levels.get(at)) else { continue };
                    let count = counts.get(at).copied().flatten().unwrap_or(level_shown.begin);
                    let format = if level.legal { "decimal" } else { &level_shown.format };
                    text.push_str(&written(count, format));
                }
                // Bullets come from fonts of pictures.
                None if ('\u{e000}'..='\u{f8ff}').contains(&c) => text.push('\u{2022}'),
                None => text.push(c),
            }
        }
        let then = match level.then {
            _ if text.is_empty() => "",
            Then::Tab => "\t",
            Then::Space => " ",
            Then::Nothing => "",
        };
        Some(text + then)
    }
}

fn attribute(node: Node<'_, '_>, name: &str) -> Option<u32> {
    node.attributes().find(|attribute| attribute.name() == name)?.value().parse().ok()
}

fn levels_of<'a>(node: Node<'a, '_>) -> impl Iterator<Item = (usize, Level)> {
    let levels = node.children().filter(|node| node.tag_name().name() == "lvl").take(LEVELS);
    levels.filter_map(|node| Some((attribute(node, "ilvl")? as usize, level(node))))
}

fn level(node: Node<'_, '_>) -> Level {
    let said = |name: &str| element(node, name).and_then(value);
    let on = |node: Node<'_, '_>| !matches!(value(node), Some("0" | "false" | "off"));
    Level {
        begin: said("start").and_then(|begin| begin.parse().ok()).unwrap_or(0),
        format: said("numFmt").unwrap_or("decimal").to_owned(),
        text: said("lvlText").unwrap_or_default().chars().take(200).collect(),
        then: match said("suff") {
            Some("space") => Then::Space,
            Some("nothing") => Then::Nothing,
            _ => Then::Tab,
        },
        restart: said("lvlRestart").and_then(|level| level.parse().ok()),
        legal: element(node, "isLgl").is_some_and(on),
        hidden: element(node, "rPr").and_then(|look| element(look, "vanish")).is_some_and(on),
        style: said("pStyle").map(str::to_owned),
    }
}

/// A count as its format writes it; what only a language could write (`first`) in numerals.
fn written(count: u32, format: &str) -> String {
    match format {
        "none" | "bullet" => String::new(),
        "decimalZero" => format!("{count:02}"),
        "upperLetter" => letters(count).to_uppercase(),
        "lowerLetter" => letters(count),
        "upperRoman" => roman(count).to_uppercase(),
        "lowerRoman" => roman(count),
        "ordinal" => format!("{count}."),
        "numberInDash" => format!("- {count} -"),
        "decimalEnclosedParen" => format!("({count})"),
        _ => count.to_string(),
    }
}

/// a ... z, aa, bb ...
fn letters(count: u32) -> String {
    match count.checked_sub(1) {
        Some(at @ ..520) => {
            let letter = char::from(b'a' + (at % 26) as u8);
            std::iter::repeat_n(letter, at as usize / 26 + 1).collect()
        }
        _ => count.to_string(),
    }
}

fn roman(count: u32) -> String {
    const SIGNS: [(u32, &str); 13] = [
        (1000, "m"),
        (900, "cm"),
        (500, "d"),
        (400, "cd"),
        (100, "c"),
        (90, "xc"),
        (50, "l"),
        (40, "xl"),
        (10, "x"),
        (9, "ix"),
        (5, "v"),
        (4, "iv"),
        (1, "i"),
    ];
    if !(1..4_000).contains(&count) {
        return count.to_string();
    }
    let mut left = count;
    let mut text = String::new();
    for (worth, sign) in SIGNS {
        while left >= worth {
            text.push_str(sign);
            left -= worth;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbering(lists: &str, styles: &str) -> Numbering {
        let root = |name: &str, inner: &str| format!("<w:{name} xmlns:w=\"w\">{inner}</w:{name}>");
        let styles = root("styles", styles);
        let styles = Styles::of(&Document::parse(&styles).unwrap());
        Numbering::of(&Document::parse(&root("numbering", lists)).unwrap(), &styles)
    }

    fn level(at: usize, format: &str, text: &str, more: &str) -> String {
        format!(
            "<w:lvl w:ilvl=\"{at}\"><w:start w:val=\"1\"/><w:numFmt w:val=\"{format}\"/><w:lvlText w:val=\"{text}\"/>{more}</w:lvl>"
        )
    }

    /// Positions that Word counts must be those that a reader of the paper sees.
    #[test]
    fn lists_count_as_on_paper() {
        let levels = [
            level(0, "decimal", "%1.", ""),
            level(1, "lowerLetter", "%1.%2)", "<w:suff w:val=\"space\"/>"),
            level(2, "lowerRoman", "%1.%2.%3", "<w:isLgl/><w:suff w:val=\"nothing\"/>"),
        ];
        let lists = format!(
            "<w:abstractNum w:abstractNumId=\"7\">{}</w:abstractNum>\
             <w:num w:numId=\"1\"><w:abstractNumId w:val=\"7\"/></w:num>\
             <w:num w:numId=\"2\"><w:abstractNumId w:val=\"7\"/><w:lvlOverride w:ilvl=\"0\"><w:startOverride w:val=\"10\"/></w:lvlOverride></w:num>",
            levels.concat()
        );
        let mut numbering = numbering(&lists, "");
        let steps = [
            (1, 0, "1.\t"),
            (1, 0, "2.\t"),
            (1, 1, "2.a) "),
            (1, 1, "2.b) "),
            (1, 2, "2.2.1"),
            (1, 0, "3.\t"),
            (1, 1, "3.a) "),
            (2, 0, "10.\t"),
            (2, 0, "11.\t"),
            (1, 0, "12.\t"),
        ];
        for (id, at, wanted) in steps {
            assert_eq!(numbering.next(id, Some(at), None).as_deref(), Some(wanted));
        }
        assert_eq!(numbering.next(99, Some(0), None), None);
    }

    /// Most lists are numbered by their style alone.
    #[test]
    fn styles_number_their_paragraphs() {
        let lists = format!(
            "<w:abstractNum w:abstractNumId=\"1\">{}{}</w:abstractNum>\
             <w:abstractNum w:abstractNumId=\"2\"><w:numStyleLink w:val=\"Lines\"/></w:abstractNum>\
             <w:num w:numId=\"5\"><w:abstractNumId w:val=\"1\"/></w:num>\
             <w:num w:numId=\"6\"><w:abstractNumId w:val=\"2\"/></w:num>",
            level(0, "upperRoman", "%1", ""),
            level(1, "bullet", "\u{f0b7}", "<w:pStyle w:val=\"Point\"/>"),
        );
        let style = "<w:style w:type=\"paragraph\" w:styleId=\"Lines\"><w:pPr><w:numPr><w:numId w:val=\"5\"/></w:numPr></w:pPr></w:style>";
        let mut numbering = numbering(&lists, style);
        assert_eq!(numbering.next(6, None, None).as_deref(), Some("I\t"));
        assert_eq!(numbering.next(5, None, Some("Point")).as_deref(), Some("\u{2022}\t"));
    }

    /// A list that counts to millions must not write millions of letters.
    #[test]
    fn counts_are_written() {
        for (count, format, wanted) in [
            (4, "decimalZero", "04"),
            (27, "lowerLetter", "aa"),
            (u32::MAX, "lowerLetter", "4294967295"),
            (1994, "upperRoman", "MCMXCIV"),
            (0, "lowerRoman", "0"),
            (3, "none", ""),
            (3, "cardinalText", "3"),
        ] {
            assert_eq!(written(count, format), wanted);
        }
    }
}
