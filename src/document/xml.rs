//! XML: every value with the path to it, one a line; the text itself is kept for readers of standards.

use roxmltree::{Document, Node, NodeType, ParsingOptions};

use super::{Kind, Limits, Line, Part, grid};

/// Reads a decoded XML text. A document type is never read: it could reach for files and grow without
/// end. Faults: `BROKEN`, `TOO_DEEP`, `TOO_LARGE`.
pub(super) fn part(name: &str, text: &str, limits: &Limits) -> Part {
    let mut part = Part::new(Kind::Xml, name);
    let text = without_doctype(text.trim_start_matches('\u{feff}').trim_start());
    if depth(&text, limits.depth_max) > limits.depth_max {
        part.fault("TOO_DEEP", format!("elements nest more than {} deep", limits.depth_max));
        return part;
    }
    let options =
        ParsingOptions { nodes_limit: limits.words_max.min(u32::MAX as usize) as u32, ..ParsingOptions::default() };
    match Document::parse_with_options(&text, options) {
        Ok(document) => {
            let mut lines = Lines { lines: Vec::new(), left: limits.words_max, cut: false };
            lines.element(document.root_element(), &format!("/{}", document.root_element().tag_name().name()));
            if lines.cut {
                part.fault("TOO_LARGE", format!("more than {} words; the rest is not shown", limits.words_max));
            }
            part.pages.push(grid::page(lines.lines));
        }
        Err(roxmltree::Error::NodesLimitReached) => {
            part.fault("TOO_LARGE", format!("more than {} elements", limits.words_max))
        }
        Err(error) => part.fault("BROKEN", format!("it is not well-formed XML: {error}")),
    }
    part.source = Some(text);
    part
}

struct Lines {
    lines: Vec<Line>,
    left: usize,
    cut: bool,
}

impl Lines {
    /// Depth is limited before; one call a level.
    fn element(&mut self, element: Node<'_, '_>, path: &str) {
        for attribute in element.attributes() {
            self.value(&format!("{path}@{}", attribute.name()), attribute.value());
        }
        let mut said = String::new();
        for child in element.children() {
            if self.cut {
                return;
            }
            match child.node_type() {
                NodeType::Text => said.push_str(child.text().unwrap_or_default()),
                NodeType::Element => self.element(child, &self::path(path, child)),
                _ => {}
            }
        }
        self.value(path, &said);
    }

    fn value(&mut self, path: &str, value: &str) {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        if value.is_empty() {
            return;
        }
        let line = grid::line(&format!("{path}  {value}"), self.lines.len());
        match self.left.checked_sub(line.words.len()) {
            Some(left) => {
                self.left = left;
                self.lines.push(line);
            }
            None => self.cut = true,
        }
    }
}

/// The path of a child: its name, numbered from 1 where siblings share it.
fn path(parent: &str, child: Node<'_, '_>) -> String {
    const LOOK: usize = 10_000;
    let name = child.tag_name().name();
    let same = |node: &Node<'_, '_>| node.is_element() && node.tag_name().name() == name;
    let before = child.prev_siblings().skip(1).take(LOOK).filter(same).count();
    let after = child.next_siblings().skip(1).take(LOOK).any(|node| same(&node));
    if before > 0 || after { format!("{parent}/{name}[{}]", before + 1) } else { format!("{parent}/{name}") }
}

/// How deep elements nest, by their tags alone; stops counting beyond `most`.
pub(super) fn depth(text: &str, most: usize) -> usize {
    let (mut open, mut deepest) = (0usize, 0usize);
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        rest = rest.get(at..).unwrap_or_default();
        let skip = |end: &str| rest.find(end).map_or(rest.len(), |at| at + end.len());
        let end = if rest.starts_with("<!--") {
            skip("-->")
        } else if rest.starts_with("<![CDATA[") {
            skip("]]>")
        } else {
            let end = skip(">");
            let tag = rest.get(..end).unwrap_or_default();
            if tag.starts_with("</") {
                open = open.saturating_sub(1);
            } else if !tag.starts_with("<?") && !tag.starts_with("<!") && !tag.ends_with("/>") {
                open += 1;
                deepest = deepest.max(open);
            }
            end
        };
        if deepest > most {
            break;
        }
        rest = rest.get(end..).unwrap_or_default();
    }
    deepest
}

/// The text with its document type blanked out, so that places in it stay what they are.
fn without_doctype(text: &str) -> String {
    let Some(begin) = text.find("<!DOCTYPE") else { return text.to_owned() };
    // Only before the first element.
    if text
        .get(..begin)
        .is_some_and(|before| before.contains("<!--") || before.bytes().filter(|byte| *byte == b'<').count() > 8)
    {
        return text.to_owned();
    }
    let (mut brackets, mut quote) = (0i32, None);
    let end = text.get(begin..).unwrap_or_default().char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[') => brackets += 1,
            (None, ']') => brackets -= 1,
            (None, '>') if brackets <= 0 => return Some(begin + at + 1),
            _ => {}
        }
        None
    });
    let Some(end) = end else { return text.to_owned() };
    let blank: String =
        text.get(begin..end).unwrap_or_default().chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
    format!("{}{blank}{}", text.get(..begin).unwrap_or_default(), text.get(end..).unwrap_or_default())
}

/// The encoding that the declaration of XML bytes names.
pub(super) fn declared_encoding(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(bytes.get(..bytes.len().min(200))?).into_owned();
    let at = head.find("<?xml")?;
    let declaration = head.get(at..)?.split("?>").next()?;
    let value = declaration.split("encoding").nth(1)?.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    Some(value.get(1..)?.split(quote).next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A person who checks a structured response sees each value and where it stands.
    #[test]
    fn values_stand_beside_their_paths() {
        let part = part(
            "r.xml",
            "<?xml version='1.0'?>\n<!DOCTYPE R SYSTEM \"http://x.example/r.dtd\">\n\
             <R xmlns='urn:x'><ID>4711</ID><Line n='1'><Qty unit=\"EA\">5</Qty></Line><Line><Qty>7</Qty></Line></R>",
            &Limits::default(),
        );
        assert_eq!(part.faults, []);
        assert_eq!(
            part.text(),
            "/R/ID  4711\n/R/Line[1]@n  1\n/R/Line[1]/Qty@unit  EA\n/R/Line[1]/Qty  5\n/R/Line[2]/Qty  7\n"
        );
        assert_eq!(part.place_of_line(0, &part.pages[0].lines[0]), crate::model::Place::path("r.xml", "/R/ID"));
    }

    /// Entities that multiply, and elements without end, are the classic bombs.
    #[test]
    fn bombs_are_faults() {
        let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]><l>&b;</l>";
        assert_eq!(part("l.xml", laughs, &Limits::default()).faults[0].code, "BROKEN");
        let outside = "<!DOCTYPE l [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><l>&a;</l>";
        let read = part("l.xml", outside, &Limits::default());
        assert!(read.faults[0].code == "BROKEN" && read.pages.is_empty());
        assert_eq!(part("d.xml", &"<a>".repeat(100_000), &Limits::default()).faults[0].code, "TOO_DEEP");
    }

    /// An invoice in ISO-8859-1 must not lose its umlauts.
    #[test]
    fn encoding_is_read_from_the_declaration() {
        assert_eq!(
            declared_encoding(b"<?xml version='1.0' encoding='ISO-8859-1'?><a/>").as_deref(),
            Some("ISO-8859-1")
        );
        assert_eq!(declared_encoding(b"<a encoding='x'/>"), None);
    }
}
