//! Style as far as it decides whether and where words show: display, visibility, size, colour, white space.

use std::collections::HashMap;

use scraper::{ElementRef, Html, Selector};

/// How many rules of style sheets are looked at, and how many bytes of them.
const RULES_MAX: usize = 2_000;
const SHEET_MAX: usize = 512 << 10;

pub(super) type Colour = (u8, u8, u8);

/// What an element hands down to what is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Inherited {
    /// Nothing below can be seen (display none, clipped to nothing, opacity 0).
    pub gone: bool,
    /// `visibility`, which an element below may take back.
    pub invisible: bool,
    /// The font size in pixels; relative sizes build on it.
    pub size: f32,
    /// None: not known (an image, a value we cannot read).
    pub colour: Option<Colour>,
    pub background: Option<Colour>,
    /// Line ends and runs of spaces stand as they are.
    pub keeps_lines: bool,
    pub keeps_spaces: bool,
    /// List items show a bullet or number.
    pub marks: bool,
}

impl Inherited {
    pub(super) const ROOT: Inherited = Inherited {
        gone: false,
        invisible: false,
        size: 16.0,
        colour: Some((0, 0, 0)),
        background: Some((255, 255, 255)),
        keeps_lines: false,
        keeps_spaces: false,
        marks: true,
    };

    /// Whether words with this style cannot be seen by a reader.
    pub(super) fn hides(&self) -> bool {
        self.gone
            || self.invisible
            || self.size < 2.0
            || self.colour.zip(self.background).is_some_and(|(a, b)| alike(a, b))
    }
}

/// Too close to tell apart by eye.
fn alike(a: Colour, b: Colour) -> bool {
    let far = |a: u8, b: u8| u32::from(a.abs_diff(b));
    far(a.0, b.0) + far(a.1, b.1) + far(a.2, b.2) <= 18
}

/// How an element takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Display {
    Inline,
    Block,
    /// Stands beside its neighbours as a box (inline-block, float, inline-table).
    Beside,
    /// Its children stand side by side.
    Row,
    Table,
    ListItem,
}

/// The style of one element: what it hands down and how it stands itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub inherited: Inherited,
    pub display: Display,
    /// Outer space above and below, as paragraphs have it.
    pub margin: bool,
    /// A table that leaves room for neighbours.
    pub floats: bool,
}

// --- sheets ----------------------------------------------------------------------------------

struct Rule {
    selector: Selector,
    specificity: (usize, usize, usize),
    declarations: Vec<(String, String)>,
}

/// The rules of all `<style>` elements that could hide or place something.
#[derive(Default)]
pub(super) struct Sheet {
    rules: Vec<Rule>,
    /// Rules by the last simple selector (`.class`, `#id`, `tag`, `*`) of theirs.
    by_key: HashMap<String, Vec<usize>>,
}

impl Sheet {
    pub(super) fn of(document: &Html) -> Sheet {
        let mut sheet = Sheet::default();
        let Ok(styles) = Selector::parse("style") else { return sheet };
        let mut read = 0;
        for style in document.select(&styles) {
            let text: String = style.text().collect();
            read += text.len();
            if read > SHEET_MAX {
                break;
            }
            let media = style.attr("media").unwrap_or_default().trim().to_ascii_lowercase();
            if matches!(media.as_str(), "" | "all" | "screen") {
                sheet.add(&uncommented(&text));
            }
        }
        sheet
    }

    fn add(&mut self, css: &str) {
        let mut rest = css;
        while let Some(open) = rest.find('{') {
            let head = rest.get(..open).unwrap_or_default();
            let body_on = rest.get(open + 1..).unwrap_or_default();
            let close = matching(body_on);
            let body = body_on.get(..close).unwrap_or_default();
            rest = body_on.get(close + 1..).unwrap_or_default();
            // `@import x; .a` : what stands before the last semicolon is a statement of its own.
            let head = head.rsplit(';').next().unwrap_or_default().trim();
            if let Some(at) = head.strip_prefix('@') {
                let at = at.to_ascii_lowercase();
                let plain = at.strip_prefix("media").map(str::trim).is_some_and(|media| {
                    media.split(',').any(|one| matches!(one.trim(), "all" | "screen" | "only screen" | ""))
                });
                if plain {
                    self.add(body);
                }
                continue;
            }
            let declarations: Vec<(String, String)> = declarations(body).filter(|(name, _)| matters(name)).collect();
            if declarations.is_empty() {
                continue;
            }
            for one in head.split(',') {
                self.rule(one.trim(), &declarations);
            }
        }
    }

    fn rule(&mut self, selector: &str, declarations: &[(String, String)]) {
        if self.rules.len() >= RULES_MAX || selector.contains(':') {
            return;
        }
        let Ok(parsed) = Selector::parse(selector) else { return };
        let last = selector.rsplit([' ', '>', '+', '~']).next().unwrap_or_default();
        let key = key_of(last);
        self.by_key.entry(key).or_default().push(self.rules.len());
        let count = |mark: char| selector.matches(mark).count();
        let tags = selector
            .split([' ', '>', '+', '~'])
            .filter(|part| part.starts_with(|c: char| c.is_ascii_alphabetic()))
            .count();
        let specificity = (count('#'), count('.') + count('['), tags);
        self.rules.push(Rule { selector: parsed, specificity, declarations: declarations.to_vec() });
    }

    /// All declarations for an element, weakest first: sheets by specificity, the element's own,
    /// then those marked important.
    fn declarations(&self, element: &ElementRef<'_>) -> Vec<(String, String)> {
        let mut all = Vec::new();
        if !self.rules.is_empty() {
            let value = element.value();
            let mut found: Vec<usize> = Vec::new();
            let mut gather = |key: String| found.extend(self.by_key.get(&key).into_iter().flatten());
            gather(value.name().to_ascii_lowercase());
            gather("*".into());
            value.classes().for_each(|class| gather(format!(".{class}")));
            value.id().into_iter().for_each(|id| gather(format!("#{id}")));
            found.sort_unstable();
            let mut rules: Vec<&Rule> = found.iter().filter_map(|index| self.rules.get(*index)).collect();
            rules.retain(|rule| rule.selector.matches(element));
            rules.sort_by_key(|rule| rule.specificity);
            all.extend(rules.iter().flat_map(|rule| rule.declarations.iter().cloned()));
        }
        if let Some(own) = element.attr("style") {
            all.extend(declarations(own));
        }
        let (strong, mut weak): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, value)| value.ends_with("!important"));
        weak.extend(
            strong.into_iter().map(|(name, value)| (name, value.trim_end_matches("!important").trim().to_owned())),
        );
        weak
    }

    /// The style of an element within what is handed down to it.
    pub(super) fn style(&self, element: &ElementRef<'_>, outer: &Inherited) -> Style {
        let mut style = initial(element, outer);
        let declarations = self.declarations(element);
        apply(&mut style, &declarations, outer, element.value().name() == "a");
        style
    }
}

fn key_of(compound: &str) -> String {
    for mark in ['#', '.'] {
        if let Some(at) = compound.find(mark) {
            let name = compound.get(at + 1..).unwrap_or_default();
            let end = name.find(['.', '#', '[', ':']).unwrap_or(name.len());
            return format!("{mark}{}", name.get(..end).unwrap_or_default());
        }
    }
    let end = compound.find(['[', ':']).unwrap_or(compound.len());
    let tag = compound.get(..end).unwrap_or_default().to_ascii_lowercase();
    if tag.is_empty() { "*".into() } else { tag }
}

fn uncommented(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(open) = rest.find("/*") {
        out.push_str(rest.get(..open).unwrap_or_default());
        let after = rest.get(open + 2..).unwrap_or_default();
        rest = after.find("*/").map_or("", |close| after.get(close + 2..).unwrap_or_default());
    }
    out.push_str(rest);
    // Outlook wraps whole sheets in an HTML comment.
    out.replace("<!--", " ").replace("-->", " ")
}

/// Where the brace that was opened before `text` closes.
fn matching(text: &str) -> usize {
    let mut depth = 1;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn declarations(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split(';').filter_map(|one| {
        let (name, value) = one.split_once(':')?;
        let value = value.trim().to_ascii_lowercase().replace("! important", "!important");
        Some((name.trim().to_ascii_lowercase(), value))
    })
}

fn matters(name: &str) -> bool {
    matches!(
        name,
        "display"
            | "visibility"
            | "font-size"
            | "font"
            | "color"
            | "background"
            | "background-color"
            | "background-image"
            | "mso-hide"
            | "opacity"
            | "max-height"
            | "height"
            | "max-width"
            | "width"
            | "overflow"
            | "white-space"
            | "float"
            | "flex-direction"
            | "text-indent"
            | "position"
            | "left"
            | "top"
            | "clip"
            | "list-style"
            | "list-style-type"
            | "margin"
            | "margin-top"
            | "margin-bottom"
    )
}

// --- one element -----------------------------------------------------------------------------

/// What the kind of element and its attributes say before any style sheet.
fn initial(element: &ElementRef<'_>, outer: &Inherited) -> Style {
    let mut inherited = *outer;
    let name = element.value().name();
    let display = match name {
        "address" | "article" | "aside" | "blockquote" | "body" | "center" | "dd" | "details" | "dir" | "div"
        | "dl" | "dt" | "fieldset" | "figcaption" | "figure" | "footer" | "form" | "h1" | "h2" | "h3" | "h4" | "h5"
        | "h6" | "header" | "hgroup" | "hr" | "html" | "legend" | "main" | "menu" | "nav" | "ol" | "p" | "pre"
        | "section" | "summary" | "ul" | "listing" | "plaintext" | "xmp" | "caption" | "search" | "optgroup" => {
            Display::Block
        }
        "li" => Display::ListItem,
        "table" => Display::Table,
        _ => Display::Inline,
    };
    let margin = matches!(
        name,
        "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "dl" | "blockquote" | "pre" | "figure" | "hr"
    );
    match name {
        "head" | "title" | "style" | "script" | "template" | "meta" | "link" | "object" | "iframe" | "audio"
        | "video" | "canvas" | "svg" | "math" | "map" | "datalist" | "noframes" | "noembed" => inherited.gone = true,
        "pre" | "listing" | "plaintext" | "xmp" | "textarea" => {
            inherited.keeps_lines = true;
            inherited.keeps_spaces = true;
        }
        "h1" => inherited.size *= 2.0,
        "sup" | "sub" | "small" => inherited.size *= 0.8,
        "a" => inherited.colour = Some((0, 0, 238)),
        "table" => inherited.keeps_spaces = false,
        _ => {}
    }
    if element.attr("hidden").is_some() {
        inherited.gone = true;
    }
    if let Some(background) = element.attr("bgcolor") {
        inherited.background = legacy_colour(background);
    }
    if element.attr("background").is_some() {
        inherited.background = None;
    }
    if matches!(name, "font" | "basefont" | "body") {
        if let Some(colour) = element.attr("color").or_else(|| element.attr("text")) {
            inherited.colour = legacy_colour(colour);
        }
        if let Some(size) = element.attr("size").and_then(|size| size.trim().parse::<i32>().ok()) {
            inherited.size = if size >= 1 { 8.0 + 2.0 * size.min(7) as f32 } else { inherited.size };
        }
    }
    let half = element.attr("width").is_some_and(|width| match width.trim().strip_suffix('%') {
        Some(percent) => percent.parse::<f32>().is_ok_and(|percent| percent <= 70.0),
        None => pixels(width).is_some_and(|width| width <= 340.0),
    });
    let floats =
        name == "table" && half && element.attr("align").is_some_and(|align| matches!(align, "left" | "right"));
    Style { inherited, display, margin, floats }
}

fn apply(style: &mut Style, declarations: &[(String, String)], outer: &Inherited, link: bool) {
    let mut none = false;
    let mut low = false;
    let mut clipped = false;
    let mut absolute = false;
    let mut away = false;
    let mut whole_width = false;
    let mut narrow = false;
    for (name, value) in declarations {
        let value = value.as_str();
        match name.as_str() {
            "display" => {
                none = value == "none";
                style.display = match value {
                    _ if style.display == Display::Table && !value.starts_with("inline-") => Display::Table,
                    "block" | "grid" | "flow-root" | "table-row" | "table-caption" | "table-row-group" => {
                        Display::Block
                    }
                    "list-item" => Display::ListItem,
                    "inline" | "contents" => Display::Inline,
                    // Words in a sentence stay there, however they are boxed.
                    "inline-block" if style.display == Display::Inline => Display::Inline,
                    "inline-block" | "inline-table" if style.display == Display::Table => {
                        style.floats = true;
                        Display::Table
                    }
                    _ if style.display == Display::Table => Display::Table,
                    "inline-block" | "inline-table" | "inline-flex" | "inline-grid" => Display::Beside,
                    "table-cell" if style.display != Display::Table => Display::Beside,
                    "flex" => Display::Row,
                    // A real table stays one whatever it is called; `display: table` on a box is a block.
                    "table" if style.display != Display::Table => Display::Block,
                    _ => style.display,
                }
            }
            "visibility" => style.inherited.invisible = matches!(value, "hidden" | "collapse"),
            "font-size" => style.inherited.size = size(value, outer.size).unwrap_or(style.inherited.size),
            "font" => {
                let found =
                    value.split_whitespace().find_map(|part| size(part.split('/').next().unwrap_or(part), outer.size));
                style.inherited.size = found.unwrap_or(style.inherited.size);
            }
            "color" => match value {
                "inherit" => style.inherited.colour = outer.colour,
                "transparent" => style.inherited.gone = true,
                _ => style.inherited.colour = colour(value),
            },
            "background-color" | "background" => style.inherited.background = background(value, outer.background),
            "background-image" if value != "none" => style.inherited.background = None,
            "mso-hide" if value == "all" && !link => none = true,
            "opacity" => style.inherited.gone |= value.parse::<f32>().is_ok_and(|opacity| opacity < 0.05),
            "max-height" | "height" => low |= is_zero(value),
            "max-width" => narrow = !matches!(value, "100%" | "none"),
            "width" => {
                low |= is_zero(value);
                whole_width = value == "100%";
            }
            "overflow" => clipped = matches!(value, "hidden" | "clip"),
            "white-space" => {
                style.inherited.keeps_lines = matches!(value, "pre" | "pre-wrap" | "pre-line" | "break-spaces");
                style.inherited.keeps_spaces = matches!(value, "pre" | "pre-wrap" | "break-spaces");
            }
            "float" if matches!(value, "left" | "right") => match style.display {
                Display::Table => style.floats = true,
                _ => style.display = Display::Beside,
            },
            "flex-direction" if value.starts_with("column") && style.display == Display::Row => {
                style.display = Display::Block
            }
            "position" => absolute = matches!(value, "absolute" | "fixed"),
            "text-indent" => style.inherited.gone |= pixels(value).is_some_and(|indent| indent < -500.0),
            "left" | "top" => away |= pixels(value).is_some_and(|offset| offset < -500.0),
            "clip" => away |= value.starts_with("rect(0") || value.starts_with("rect(1px"),
            "list-style" | "list-style-type" => style.inherited.marks = !value.contains("none"),
            "margin" | "margin-top" | "margin-bottom" => {
                style.margin &= !value.split_whitespace().next().is_some_and(is_zero)
            }
            _ => {}
        }
    }
    style.inherited.gone |= none || low && clipped || absolute && away;
    if style.display == Display::Beside && whole_width && !narrow {
        style.display = Display::Block;
    }
}

fn is_zero(value: &str) -> bool {
    pixels(value).is_some_and(|length| length.abs() < 0.01)
}

fn number(value: &str) -> Option<(f32, &str)> {
    let end = value.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '+'))).unwrap_or(value.len());
    let (digits, unit) = value.split_at(end);
    Some((digits.parse().ok()?, unit.trim()))
}

fn pixels(value: &str) -> Option<f32> {
    let (length, unit) = number(value.trim())?;
    match unit {
        "" | "px" => Some(length),
        "pt" => Some(length * 4.0 / 3.0),
        "em" | "rem" | "ex" => Some(length * 16.0),
        _ if length.abs() < 0.001 => Some(0.0),
        _ => None,
    }
}

fn size(value: &str, outer: f32) -> Option<f32> {
    let value = value.trim();
    match value {
        "inherit" => return Some(outer),
        "smaller" => return Some(outer * 0.83),
        "larger" => return Some(outer * 1.2),
        "xx-small" | "x-small" | "small" => return Some(12.0),
        "medium" | "large" | "x-large" | "xx-large" => return Some(16.0),
        _ => {}
    }
    let (length, unit) = number(value)?;
    match unit {
        "px" => Some(length),
        "pt" => Some(length * 4.0 / 3.0),
        "em" => Some(length * outer),
        "%" => Some(length * outer / 100.0),
        "rem" => Some(length * 16.0),
        "" if length.abs() < 0.001 => Some(0.0),
        _ => None,
    }
}

fn background(value: &str, outer: Option<Colour>) -> Option<Colour> {
    if value.contains("url(") || value.contains("gradient") {
        return None;
    }
    if matches!(value, "none" | "transparent" | "inherit" | "initial" | "unset" | "0" | "0 0") {
        return outer;
    }
    if let Some(whole) = colour(value) {
        return Some(whole);
    }
    value.split_whitespace().find_map(colour)
}

/// Colours in attributes, where the hash may be missing.
fn legacy_colour(value: &str) -> Option<Colour> {
    let value = value.trim().to_ascii_lowercase();
    colour(&value).or_else(|| colour(&format!("#{value}")))
}

/// A CSS colour; none when it is see-through or cannot be read.
fn colour(value: &str) -> Option<Colour> {
    let value = value.trim();
    if let Some(hex) = value.strip_prefix('#') {
        let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).map(|d| d as u8)).collect::<Option<_>>()?;
        return match digits.as_slice() {
            [r, g, b] | [r, g, b, 15] => Some((r * 17, g * 17, b * 17)),
            [a, b, c, d, e, f] | [a, b, c, d, e, f, 15, 15] => Some((a * 16 + b, c * 16 + d, e * 16 + f)),
            _ => None,
        };
    }
    if let Some(inner) = value.strip_prefix("rgba(").or_else(|| value.strip_prefix("rgb(")) {
        let inner = inner.strip_suffix(')')?;
        let parts: Vec<f32> = inner
            .split([',', '/', ' '])
            .filter(|part| !part.is_empty())
            .map(|part| match part.strip_suffix('%') {
                Some(percent) => percent.parse::<f32>().ok().map(|percent| percent * 2.55),
                None => part.parse().ok(),
            })
            .collect::<Option<_>>()?;
        return match parts.as_slice() {
            [r, g, b] => Some((*r as u8, *g as u8, *b as u8)),
            [r, g, b, alpha] if *alpha > 0.9 => Some((*r as u8, *g as u8, *b as u8)),
            _ => None,
        };
    }
    Some(match value {
        "black" | "windowtext" | "buttontext" | "canvastext" => (0, 0, 0),
        "white" | "window" | "canvas" => (255, 255, 255),
        "red" => (255, 0, 0),
        "green" => (0, 128, 0),
        "lime" => (0, 255, 0),
        "blue" => (0, 0, 255),
        "navy" => (0, 0, 128),
        "yellow" => (255, 255, 0),
        "orange" => (255, 165, 0),
        "purple" => (128, 0, 128),
        "maroon" => (128, 0, 0),
        "teal" => (0, 128, 128),
        "olive" => (128, 128, 0),
        "aqua" | "cyan" => (0, 255, 255),
        "fuchsia" | "magenta" => (255, 0, 255),
        "silver" => (192, 192, 192),
        "gray" | "grey" => (128, 128, 128),
        "darkgray" | "darkgrey" => (169, 169, 169),
        "lightgray" | "lightgrey" => (211, 211, 211),
        "whitesmoke" => (245, 245, 245),
        "snow" => (255, 250, 250),
        "ivory" => (255, 255, 240),
        "ghostwhite" => (248, 248, 255),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Text in a colour that we cannot see must not be taken for text that can be read, and the other way round.
    #[test]
    fn reads_colours_as_browsers_do() {
        let cases = [
            ("#fff", Some((255, 255, 255))),
            ("#0070ba", Some((0, 112, 186))),
            ("rgb(1, 2, 3)", Some((1, 2, 3))),
            ("rgba(255,255,255,0)", None),
            ("rgb(100% 0% 0%)", Some((255, 0, 0))),
            ("white", Some((255, 255, 255))),
            ("var(--x)", None),
        ];
        for (value, wanted) in cases {
            assert_eq!(colour(value), wanted, "{value}");
        }
        assert_eq!(background("#eee none repeat", None), Some((238, 238, 238)));
        assert_eq!(background("url(x.png) #fff", Some((0, 0, 0))), None);
    }
}
