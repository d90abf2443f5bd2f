//! The part of XPath that mappings need, over a document's elements: `/Order/ID`, `//cbc:ID`, `Line[2]`,
//! `Line[@type='a']`, `Party[Name='Nordwind']`, `@currencyID`, `text()`, `.`; prefixes are compared with
//! those of the document, a step without a prefix takes any.
//!
//! No functions, no arithmetic: it cannot loop, and what it looks at is counted.

use roxmltree::{Document, Node};

/// A compiled path.
#[derive(Clone, Debug, PartialEq)]
pub struct XPath {
    pub written: String,
    absolute: bool,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
struct Step {
    /// `//` before it.
    deep: bool,
    test: Test,
    predicates: Vec<Predicate>,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Here,
    Any,
    Text,
    Element(Name),
    Attribute(Name),
}

#[derive(Clone, Debug, PartialEq)]
struct Name {
    prefix: Option<String>,
    local: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Predicate {
    Nth(usize),
    Attribute(Name, Option<String>),
    Child(Name, Option<String>),
}

/// What was found, with the path of its element.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub text: String,
    pub path: String,
}

const STEPS_MAX: usize = 32;
const VISITS_MAX: usize = 2_000_000;

impl XPath {
    /// The error names the byte at which it stands.
    pub fn parse(written: &str) -> Result<XPath, (usize, String)> {
        let mut rest = written.trim();
        let at = |rest: &str| written.trim_end().len().saturating_sub(rest.len());
        let absolute = rest.starts_with('/');
        let mut steps = Vec::new();
        let mut first = true;
        while !rest.is_empty() {
            let deep = rest.starts_with("//");
            let slash = if deep { 2 } else { usize::from(rest.starts_with('/')) };
            if !first && slash == 0 {
                return Err((at(rest), format!("`/` expected before `{rest}`")));
            }
            rest = rest.get(slash..).unwrap_or_default();
            let (test, mut tail) = step_test(rest)
                .ok_or_else(|| (at(rest), "a name, `@name`, `*`, `.` or `text()` expected".to_string()))?;
            let mut predicates = Vec::new();
            while let Some(inner) = tail.strip_prefix('[') {
                let end = predicate_end(inner).ok_or_else(|| (at(tail), "this `[` is not closed".to_string()))?;
                let (text, more) = inner.split_at(end);
                predicates.push(predicate(text).ok_or_else(|| {
                    (at(inner), format!("`[{text}]` is none of [2], [@name], [@name='x'], [Name], [Name='x']"))
                })?);
                tail = more.get(1..).unwrap_or_default();
            }
            steps.push(Step { deep, test, predicates });
            rest = tail;
            first = false;
        }
        if steps.is_empty() || steps.len() > STEPS_MAX {
            return Err((0, format!("a path has 1 to {STEPS_MAX} steps")));
        }
        if let Some(index) = steps.iter().position(|step| matches!(step.test, Test::Attribute(_) | Test::Text))
            && index + 1 < steps.len()
        {
            return Err((0, "`@name` and `text()` stand only at the end".into()));
        }
        Ok(XPath { written: written.to_string(), absolute, steps })
    }

    /// Everything that the path finds, in document order, at most `most`.
    pub fn find(&self, document: &Document<'_>, most: usize) -> Vec<Found> {
        let start = if self.absolute { document.root() } else { document.root_element() };
        self.from(start, most)
    }

    /// What the path finds from an element on; an absolute path looks at the whole document.
    pub fn find_below(&self, node: Node<'_, '_>, most: usize) -> Vec<Found> {
        let start = if self.absolute { node.document().root() } else { node };
        self.from(start, most)
    }

    /// The elements that the path finds, in document order, at most `most`.
    pub fn elements<'a, 'i>(&self, document: &'a Document<'i>, most: usize) -> Vec<Node<'a, 'i>> {
        let start = if self.absolute { document.root() } else { document.root_element() };
        let mut found: Vec<Node<'a, 'i>> = self.nodes(start).into_iter().filter(Node::is_element).collect();
        found.sort_by_key(|node| (node.range().start, node.id().get()));
        found.dedup_by_key(|node| node.id());
        found.truncate(most);
        found
    }

    /// Whether it names elements, not attributes or texts.
    pub fn is_of_elements(&self) -> bool {
        !matches!(self.steps.last().map(|step| &step.test), Some(Test::Attribute(_) | Test::Text))
    }

    fn nodes<'a, 'i>(&self, start: Node<'a, 'i>) -> Vec<Node<'a, 'i>> {
        let mut visits = 0;
        let mut nodes = vec![start];
        for step in &self.steps {
            let mut next: Vec<Node<'a, 'i>> = Vec::new();
            if matches!(step.test, Test::Attribute(_) | Test::Text) {
                if step.deep {
                    nodes = nodes.iter().flat_map(|node| node.descendants()).take(VISITS_MAX).collect();
                }
                break;
            }
            for node in &nodes {
                let candidates: Box<dyn Iterator<Item = Node<'a, 'i>>> = match (&step.test, step.deep) {
                    (Test::Here, _) => Box::new(std::iter::once(*node)),
                    (_, true) => Box::new(node.descendants().skip(1)),
                    (_, false) => Box::new(node.children()),
                };
                let mut count = 0;
                for candidate in candidates {
                    visits += 1;
                    if visits > VISITS_MAX {
                        break;
                    }
                    let fits = match &step.test {
                        Test::Here => true,
                        Test::Any => candidate.is_element(),
                        Test::Element(name) => candidate.is_element() && is_named(candidate, name),
                        _ => false,
                    };
                    if !fits {
                        continue;
                    }
                    count += 1;
                    if step.predicates.iter().all(|predicate| holds(candidate, predicate, count)) {
                        next.push(candidate);
                    }
                }
            }
            nodes = next;
        }
        nodes
    }

    fn from(&self, start: Node<'_, '_>, most: usize) -> Vec<Found> {
        let nodes = self.nodes(start);
        let last = self.steps.last().map(|step| &step.test);
        let mut found = Vec::new();
        for node in nodes {
            let text = match last {
                Some(Test::Attribute(name)) => {
                    node.attributes().find(|a| a.name() == name.local).map(|a| a.value().to_string())
                }
                Some(Test::Text) => node.text().map(str::to_string),
                _ => Some(
                    node.descendants().filter(|n| n.is_text()).filter_map(|n| n.text()).take(1_000).collect::<String>(),
                ),
            };
            if let Some(text) = text {
                let attribute = match last {
                    Some(Test::Attribute(name)) => format!("@{}", name.local),
                    _ => String::new(),
                };
                found.push(Found { text: text.trim().to_string(), path: path_of(node) + &attribute });
            }
            if found.len() >= most {
                break;
            }
        }
        found
    }
}

fn step_test(text: &str) -> Option<(Test, &str)> {
    if let Some(rest) = text.strip_prefix("text()") {
        return Some((Test::Text, rest));
    }
    if let Some(rest) = text.strip_prefix('*') {
        return Some((Test::Any, rest));
    }
    if let Some(rest) = text.strip_prefix('@') {
        let (name, rest) = name(rest)?;
        return Some((Test::Attribute(name), rest));
    }
    if let Some(rest) = text.strip_prefix('.')
        && !rest.starts_with('.')
    {
        return Some((Test::Here, rest));
    }
    let (name, rest) = name(text)?;
    Some((Test::Element(name), rest))
}

fn name(text: &str) -> Option<(Name, &str)> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let (prefix, local) = match word.split_once(':') {
        Some((prefix, local)) => (Some(prefix.to_string()), local),
        None => (None, word),
    };
    let begins = local.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    begins.then(|| (Name { prefix, local: local.to_string() }, rest))
}

fn predicate_end(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, ']') => return Some(at),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

fn predicate(text: &str) -> Option<Predicate> {
    let text = text.trim();
    if let Ok(nth) = text.parse::<usize>() {
        return (nth > 0).then_some(Predicate::Nth(nth));
    }
    let attribute = text.starts_with('@');
    let (name, rest) = name(text.trim_start_matches('@'))?;
    let value = match rest.trim() {
        "" => None,
        rest => {
            let value = rest.strip_prefix('=')?.trim();
            let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
            Some(value.strip_prefix(quote)?.strip_suffix(quote)?.to_string())
        }
    };
    Some(if attribute { Predicate::Attribute(name, value) } else { Predicate::Child(name, value) })
}

fn is_named(node: Node<'_, '_>, name: &Name) -> bool {
    if node.tag_name().name() != name.local {
        return false;
    }
    match &name.prefix {
        None => true,
        Some(prefix) => match (node.tag_name().namespace(), node.lookup_namespace_uri(Some(prefix))) {
            (namespace, Some(uri)) => namespace == Some(uri),
            // The document does not know the prefix: its name is all there is to compare.
            (_, None) => true,
        },
    }
}

fn holds(node: Node<'_, '_>, predicate: &Predicate, count: usize) -> bool {
    match predicate {
        Predicate::Nth(nth) => *nth == count,
        Predicate::Attribute(name, value) => {
            node.attributes().any(|a| a.name() == name.local && value.as_ref().is_none_or(|value| a.value() == value))
        }
        Predicate::Child(name, value) => node.children().any(|child| {
            child.is_element()
                && is_named(child, name)
                && value.as_ref().is_none_or(|value| child.text().is_some_and(|text| text.trim() == value))
        }),
    }
}

/// `/Order/Line[2]/ID`, with the number where siblings share the name.
pub fn path_of(node: Node<'_, '_>) -> String {
    let mut pieces = Vec::new();
    for element in node.ancestors().filter(Node::is_element).take(200) {
        let name = element.tag_name().name();
        let same = |n: &Node<'_, '_>| n.is_element() && n.tag_name().name() == name;
        let before = element.prev_siblings().skip(1).filter(same).take(10_000).count();
        let more = element.next_siblings().skip(1).any(|n| same(&n));
        pieces.push(if before > 0 || more { format!("{name}[{}]", before + 1) } else { name.to_string() });
    }
    pieces.iter().rev().map(|piece| format!("/{piece}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An XML of a partner's own making is read by paths; a wrong one would name another line's value.
    #[test]
    fn finds_what_a_path_says() {
        let text = "<o:Order xmlns:o='urn:o' id='7'><Line t='a'><ID>1</ID></Line><Line t='b'><ID>2</ID><Note>x</Note></Line><o:ID> 4711 </o:ID></o:Order>";
        let document = Document::parse(text).unwrap();
        let find = |path: &str| -> Vec<String> {
            XPath::parse(path)
                .unwrap()
                .find(&document, 10)
                .into_iter()
                .map(|found| format!("{} {}", found.path, found.text))
                .collect()
        };
        assert_eq!(find("/Order/o:ID"), ["/Order/ID 4711"]);
        assert_eq!(find("//Line/ID"), ["/Order/Line[1]/ID 1", "/Order/Line[2]/ID 2"]);
        assert_eq!(find("/Order/Line[2]/ID"), ["/Order/Line[2]/ID 2"]);
        assert_eq!(find("Line[@t='b']/ID"), ["/Order/Line[2]/ID 2"]);
        assert_eq!(find("Line[Note='x']/@t"), ["/Order/Line[2]@t b"]);
        assert_eq!(find("/Order/@id"), ["/Order@id 7"]);
        assert_eq!(find("//Line[3]"), Vec::<String>::new());
    }

    /// A typing error must be shown where it stands.
    #[test]
    fn wrong_paths_are_refused_with_their_place() {
        for (path, at) in
            [("/Order/[1]", 7), ("/Order[", 6), ("", 0), ("/a b", 2), ("/@id/x", 0), ("/Order[position()=1]", 7)]
        {
            assert_eq!(XPath::parse(path).map_err(|e| e.0), Err(at), "{path}");
        }
    }
}
