//! HTML bodies as lines of text, each with what its surroundings say: quoted, cut off, signature.
//!
//! One pass over the bytes with an explicit stack: no tree, no recursion, linear in the input however
//! deep it nests (tree builders need seconds for 50,000 nested elements). Hidden text is left out: what
//! the author did not see was not said. It must never know what the lines mean.

mod role;
mod token;

use self::role::{Role, cuts, is_divider, is_ruled, role};
use self::token::{Token, Tokens};

/// One line as it would be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    /// How many `<blockquote>`s are around it.
    pub quote: usize,
    /// At least one of them is marked as a client's quotation (`type=cite`, a class of its own).
    pub cited: bool,
    /// Within a container that mail clients put around the original, or behind their divider.
    pub foreign: bool,
    /// Within a container that mail clients put around the signature.
    pub signature: bool,
    /// Foreign only for a container that may hold answers in between.
    soft: bool,
    /// Behind a ruling line (`<hr>`, or the top border Outlook draws): the line before it ended there.
    pub ruled: bool,
}

const DEPTH_MAX: usize = 512;

/// The body as plain text; quoted lines with `> `.
pub fn to_text(html: &str) -> String {
    let mut out = String::with_capacity(html.len() / 2);
    for line in lines(html) {
        for _ in 0..line.quote.min(20) {
            out.push_str("> ");
        }
        out.push_str(&line.text);
        out.push('\n');
    }
    out
}

/// The body line by line; runs of blank lines are one.
pub fn lines(html: &str) -> Vec<Line> {
    let mut page = Page::default();
    for token in Tokens::new(html) {
        match token {
            Token::Open { name, attributes } => page.open(&name, &attributes),
            Token::Close(name) => page.close(&name),
            Token::Text(text) => page.text(&text),
        }
    }
    page.finish()
}

struct Open {
    name: String,
    role: Role,
    /// The first line within it.
    line: usize,
    /// A blockquote was seen within it.
    quoting: bool,
}

#[derive(Default)]
struct Page {
    done: Vec<Line>,
    current: String,
    open: Vec<Open>,
    unseen: usize,
    quote: usize,
    cite: usize,
    foreign: usize,
    soft: usize,
    signature: usize,
    preformatted: usize,
    /// From here to the end everything is the original.
    cut: bool,
    ruled: bool,
    blank: bool,
}

impl Page {
    fn open(&mut self, name: &str, attributes: &[(String, String)]) {
        match name {
            "br" => return self.end_line(true),
            "hr" => {
                self.end_line(false);
                self.ruled = true;
                self.cut |= is_divider(attributes);
                return;
            }
            "img" | "input" | "meta" | "link" | "base" | "col" | "wbr" | "area" | "source" | "embed" | "param"
            | "track" => return,
            "td" | "th" => self.cell(),
            "body" => self.leave_head(),
            _ if is_block(name) => self.end_line(false),
            _ => {}
        }
        // Elements whose end tag is often left out.
        if matches!(name, "p" | "li" | "tr" | "td" | "th" | "option" | "dt" | "dd")
            && self.open.last().is_some_and(|open| open.name == name)
        {
            self.pop();
        }
        let role = role(name, attributes);
        if matches!(name, "p" | "h1" | "h2" | "h3") {
            self.blank = true;
        }
        if cuts(attributes) {
            self.end_line(false);
            self.cut = true;
        }
        if is_ruled(attributes) {
            self.end_line(false);
            self.ruled = true;
        }
        if !matches!(role, Role::None | Role::Preformatted) {
            self.end_line(false);
        }
        if self.open.len() >= DEPTH_MAX {
            return;
        }
        match role {
            Role::None => {}
            Role::Unseen => self.unseen += 1,
            Role::Quote | Role::Cite => {
                self.quote += 1;
                self.cite += usize::from(role == Role::Cite);
                self.open.iter_mut().for_each(|open| open.quoting = true);
            }
            Role::Foreign => self.foreign += 1,
            Role::ForeignUnlessQuoting => self.soft += 1,
            Role::Signature => self.signature += 1,
            Role::Preformatted => self.preformatted += 1,
        }
        self.open.push(Open { name: name.to_string(), role, line: self.done.len(), quoting: false });
    }

    fn close(&mut self, name: &str) {
        if name == "br" {
            return self.end_line(true);
        }
        if is_block(name) {
            self.end_line(false);
        }
        if matches!(name, "p") {
            self.blank = true;
        }
        let Some(at) = self.open.iter().rposition(|open| open.name == name) else { return };
        while self.open.len() > at {
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if !matches!(open.role, Role::None | Role::Preformatted) {
            self.end_line(false);
        }
        match open.role {
            Role::None => {}
            Role::Unseen => self.unseen = self.unseen.saturating_sub(1),
            Role::Quote => self.quote = self.quote.saturating_sub(1),
            Role::Cite => {
                self.quote = self.quote.saturating_sub(1);
                self.cite = self.cite.saturating_sub(1);
            }
            Role::Foreign => self.foreign = self.foreign.saturating_sub(1),
            Role::ForeignUnlessQuoting => {
                self.soft = self.soft.saturating_sub(1);
                if open.quoting && self.soft == 0 {
                    let outside = self.quote;
                    let answers =
                        self.done.iter_mut().skip(open.line).filter(|line| line.soft && line.quote == outside);
                    answers.for_each(|line| line.foreign = false);
                }
            }
            Role::Signature => self.signature = self.signature.saturating_sub(1),
            Role::Preformatted => self.preformatted = self.preformatted.saturating_sub(1),
        }
    }

    /// A head that was never closed must not swallow the body.
    fn leave_head(&mut self) {
        while self.open.iter().any(|open| open.role == Role::Unseen) {
            self.pop();
        }
    }

    fn text(&mut self, text: &str) {
        if self.unseen > 0 {
            return;
        }
        if self.preformatted > 0 {
            for (number, line) in text.split('\n').enumerate() {
                if number > 0 {
                    self.end_line(true);
                }
                self.current.push_str(line.trim_end_matches('\r'));
            }
            return;
        }
        for c in text.chars() {
            match c {
                ' ' | '\n' | '\t' | '\r' | '\u{c}' => {
                    if !self.current.is_empty() && !self.current.ends_with(' ') {
                        self.current.push(' ');
                    }
                }
                '\u{a0}' => self.current.push(' '),
                '\u{ad}' | '\u{200b}' | '\u{feff}' => {}
                other => self.current.push(other),
            }
        }
    }

    fn cell(&mut self) {
        if self.unseen == 0 && !self.current.trim().is_empty() {
            self.current.push_str("  ");
        }
    }

    /// Ends the line; an empty one is kept only when `forced` (a `<br>`).
    fn end_line(&mut self, forced: bool) {
        if self.unseen > 0 {
            self.current.clear();
            return;
        }
        let text = self.current.trim_end().to_string();
        self.current.clear();
        if text.is_empty() && !forced && !self.blank {
            return;
        }
        let line = Line {
            text,
            quote: self.quote,
            cited: self.cite > 0,
            foreign: self.foreign > 0 || self.soft > 0 || self.cut,
            soft: self.foreign == 0 && !self.cut,
            signature: self.signature > 0,
            ruled: self.ruled,
        };
        if self.blank && !line.text.is_empty() {
            self.push(Line { text: String::new(), ..line });
        }
        self.blank = false;
        self.push(line);
    }

    fn push(&mut self, line: Line) {
        if line.text.is_empty() {
            if self.done.last().is_none_or(|last| last.text.is_empty() && last.quote == line.quote) {
                return;
            }
            self.done.push(Line { ruled: false, ..line });
        } else {
            self.ruled = false;
            self.done.push(line);
        }
    }

    fn finish(mut self) -> Vec<Line> {
        self.end_line(false);
        while !self.open.is_empty() {
            self.pop();
        }
        while self.done.last().is_some_and(|line| line.text.is_empty()) {
            self.done.pop();
        }
        self.done
    }
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "p" | "div"
            | "tr"
            | "li"
            | "ul"
            | "ol"
            | "dl"
            | "dt"
            | "dd"
            | "table"
            | "tbody"
            | "thead"
            | "tfoot"
            | "blockquote"
            | "pre"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "center"
            | "address"
            | "section"
            | "article"
            | "header"
            | "footer"
            | "main"
            | "form"
            | "fieldset"
            | "body"
            | "html"
            | "caption"
            | "title"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that a person sees would be missing, or markup would be taken for words.
    #[test]
    fn text_as_a_person_sees_it() {
        for (html, want) in [
            ("<p>One</p><p>Two<br>Three", "One\n\nTwo\nThree\n"),
            ("a &amp; b &lt;c&gt; &euro;&#53;&#x35; &nbsp;x &nosuch; R&D", "a & b <c> €55  x &nosuch; R&D\n"),
            ("<style>p{}</style><div>a<!-- no --></div><script>b</script>c", "a\nc\n"),
            ("<table><tr><td>20<td>8 pcs</tr></table>", "20  8 pcs\n"),
            ("<div>reply</div><blockquote>old<blockquote>older</blockquote></blockquote>", "reply\n> old\n> > older\n"),
            ("1 < 2 and <b>bold</b>", "1 < 2 and bold\n"),
            ("<pre>a\n  b</pre>", "a\n  b\n"),
            (
                "a<span style=\"display: none\">hidden</span>b<font style='font-size:0px'>x</font><p style='font-size:0.9em'>y</p>",
                "a\nb\n\ny\n",
            ),
            ("<html><head><title>t</title><body>x", "x\n"),
            ("x<img alt='>' src=a>y", "xy\n"),
        ] {
            assert_eq!(to_text(html), want, "{html}");
        }
    }

    /// A mail that nests without end would stop the gateway.
    #[test]
    fn nesting_costs_nothing() {
        let deep = "<div>".repeat(200_000) + "x" + &"</div>".repeat(200_000);
        assert_eq!(to_text(&deep), "x\n");
        let quotes = "<blockquote>".repeat(100_000) + "x";
        assert!(to_text(&quotes).contains('x'));
        assert_eq!(to_text(&"<".repeat(100_000)).trim().len(), 100_000);
        // Each of these ends is looked for among all that is open.
        let started = std::time::Instant::now();
        assert_eq!(to_text(&("<div>".repeat(60_000) + &"</i>".repeat(60_000) + "x")).trim(), "x");
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }

    /// The original, marked as such by the client, would be read as the author's words.
    #[test]
    fn containers_of_clients_are_known() {
        let flags =
            |html: &str| lines(html).into_iter().map(|l| (l.text, l.quote, l.foreign, l.signature)).collect::<Vec<_>>();
        let line = |text: &str, quote, foreign, signature| (text.to_string(), quote, foreign, signature);
        assert_eq!(flags("a<div class=gmail_quote>b</div>"), [line("a", 0, false, false), line("b", 0, true, false)]);
        assert_eq!(
            flags("<div class=\"x_gmail_quote\">wrote:<blockquote>b</blockquote>inline</div>"),
            [line("wrote:", 0, false, false), line("b", 1, true, false), line("inline", 0, false, false)]
        );
        assert_eq!(
            flags("a<div id=divRplyFwdMsg>From</div>b"),
            [line("a", 0, false, false), line("From", 0, true, false), line("b", 0, true, false)]
        );
        assert_eq!(
            flags("a<div class=gmail_signature>me</div>"),
            [line("a", 0, false, false), line("me", 0, false, true)]
        );
        assert!(lines("a<hr>b").iter().any(|line| line.ruled && line.text == "b"));
    }
}
