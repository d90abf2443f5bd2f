//! HTML bodies as lines of text, each with what its surroundings say: quoted, cut off, signature.
//!
//! One pass over the bytes with an explicit stack: no tree, no recursion, linear in the input however
//! deep it nests (tree builders need seconds for 50,000 nested elements). Hidden text is left out: what
//! the author did not see was not said. It must never know what the lines mean.

use std::borrow::Cow;

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

/// HTML above this is cut off: no reply is that long.
const BYTES_MAX: usize = 4 << 20;
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

/// What an element does to the lines within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    #[default]
    None,
    /// Head, style, script, or hidden by its style: not seen.
    Unseen,
    Quote,
    /// A blockquote with a client's mark.
    Cite,
    /// A client's container of the original.
    Foreign,
    /// Like `Foreign` while nothing in it is a blockquote; else only that is.
    ForeignUnlessQuoting,
    Signature,
    Preformatted,
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

fn role(name: &str, attributes: &[(String, String)]) -> Role {
    if matches!(name, "head" | "style" | "script" | "title" | "template" | "noframes" | "object" | "svg") {
        return Role::Unseen;
    }
    let style = attribute(attributes, "style");
    let squeezed: String = style.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    if squeezed.contains("display:none")
        || squeezed.contains("visibility:hidden")
        || attributes.iter().any(|(name, _)| name == "hidden")
        || unseen_size(&squeezed)
    {
        return Role::Unseen;
    }
    let class = attribute(attributes, "class").to_ascii_lowercase();
    let id = attribute(attributes, "id").to_ascii_lowercase();
    let named = attribute(attributes, "name").to_ascii_lowercase();
    let classes: Vec<&str> = class.split_ascii_whitespace().map(plain_name).collect();
    let has = |names: &[&str]| classes.iter().any(|class| names.contains(class));
    if name == "blockquote" {
        let cite = attribute(attributes, "type").eq_ignore_ascii_case("cite")
            || !class.is_empty()
            || !id.is_empty()
            || squeezed.contains("border-left");
        return if cite { Role::Cite } else { Role::Quote };
    }
    if has(&["gmail_quote", "gmail_quote_container", "protonmail_quote", "tutanota_quote", "zmail_extra"]) {
        return Role::ForeignUnlessQuoting;
    }
    if has(&[
        "yahoo_quoted",
        "moz-cite-prefix",
        "gmail_attr",
        "outlookmessageheader",
        "moz-email-headers-table",
        "freebirdquote",
        "ymail_quote",
    ]) || matches!(
        plain_name(&id),
        "yahoo_quoted" | "reply-intro" | "olk_src_body_section" | "mac_outlook_attribution_blockquote"
    ) || id.starts_with("yahoo_quoted_")
        || matches!(named.as_str(), "quote" | "messagereplysection")
    {
        return Role::Foreign;
    }
    if has(&[
        "gmail_signature",
        "moz-signature",
        "yahoo-signature",
        "protonmail_signature_block",
        "ms-outlook-ios-signature",
        "bloop_sign",
        "gmail_signature_prefix",
    ]) || matches!(
        plain_name(&id),
        "signature"
            | "applemailsignature"
            | "ms-outlook-mobile-signature"
            | "lineBreakAtBeginningOfSignature"
            | "ymail_android_signature"
    ) || attribute(attributes, "data-smartmail") == "gmail_signature"
        || named == "messagesignaturesection"
    {
        return Role::Signature;
    }
    if name == "pre" || squeezed.contains("white-space:pre-wrap") && name == "div" {
        return Role::Preformatted;
    }
    Role::None
}

fn unseen_size(style: &str) -> bool {
    let zero = |property: &str| {
        style.find(property).is_some_and(|at| {
            let value = style.get(at + property.len()..).unwrap_or_default();
            let number =
                value.split(|c: char| c.is_ascii_alphabetic() || c == ';' || c == '%').next().unwrap_or_default();
            !number.is_empty() && number.chars().all(|c| c == '0' || c == '.')
        })
    };
    zero("font-size:") || style.contains("mso-hide:all") || zero("opacity:")
}

/// The divider behind which the original follows to the end.
fn cuts(attributes: &[(String, String)]) -> bool {
    let id = attribute(attributes, "id").to_ascii_lowercase();
    matches!(
        plain_name(&id),
        "divrplyfwdmsg"
            | "appendonsend"
            | "mail-editor-reference-message-container"
            | "ms-outlook-mobile-reference-message"
            | "ms-outlook-mobile-body-separator-line-original"
            | "spark-original-message"
    )
}

fn is_divider(attributes: &[(String, String)]) -> bool {
    let id = attribute(attributes, "id").to_ascii_lowercase();
    matches!(plain_name(&id), "stopspelling" | "zwchr" | "previousmessage")
        || attribute(attributes, "data-marker") == "__DIVIDER__"
}

/// Outlook draws the line above the original as a border.
fn is_ruled(attributes: &[(String, String)]) -> bool {
    let style = attribute(attributes, "style").to_ascii_lowercase();
    style.contains("border-top") && style.contains("solid") && style.contains("border:none")
}

/// Clients that pass a mail on put `x_` or `ecx` before the names of others.
fn plain_name(name: &str) -> &str {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("x_").or_else(|| name.strip_prefix("ecx")) {
        name = rest;
    }
    name
}

fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> &'a str {
    attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}

/// Decodes character references.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let length = after
            .bytes()
            .take(32)
            .position(|byte| !byte.is_ascii_alphanumeric() && byte != b'#')
            .unwrap_or(after.len().min(32));
        let (name, tail) = after.split_at_checked(length).unwrap_or((after, ""));
        let mut decoded = String::new();
        mail_parser::decoders::html::add_html_token(&mut decoded, format!("&{name};").as_bytes(), false);
        match decoded.starts_with('&') && decoded.len() > 1 {
            true => {
                out.push('&');
                rest = after;
            }
            false => {
                out.push_str(&decoded);
                rest = tail.strip_prefix(';').unwrap_or(tail);
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[derive(Debug, PartialEq)]
enum Token<'a> {
    Open { name: String, attributes: Vec<(String, String)> },
    Close(String),
    Text(Cow<'a, str>),
}

/// A forgiving tokenizer: whatever is no tag is text.
struct Tokens<'a> {
    rest: &'a str,
    /// Text of this element runs to its end tag.
    raw: Option<&'static str>,
}

impl<'a> Tokens<'a> {
    fn new(html: &'a str) -> Tokens<'a> {
        let mut end = html.len().min(BYTES_MAX);
        while !html.is_char_boundary(end) {
            end -= 1;
        }
        Tokens { rest: html.get(..end).unwrap_or_default(), raw: None }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Skips `<!-- -->`, `<!DOCTYPE>`, `<?xml ?>`.
    fn skip_declaration(&mut self) -> bool {
        let end = if self.rest.starts_with("<!--") {
            self.rest.find("-->").map(|at| at + 3)
        } else if self.rest.starts_with("<!") || self.rest.starts_with("<?") {
            self.rest.find('>').map(|at| at + 1)
        } else {
            return false;
        };
        self.take(end.unwrap_or(self.rest.len()));
        true
    }

    fn tag(&mut self) -> Option<Token<'a>> {
        let after = self.rest.strip_prefix('<')?;
        let (closing, after) = after.strip_prefix('/').map_or((false, after), |after| (true, after));
        if !after.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let length = after.find(|c: char| c.is_whitespace() || c == '>' || c == '/').unwrap_or(after.len());
        let (name, after) = after.split_at_checked(length)?;
        // Outlook's `<o:p>` is nothing but an inline wrapper.
        let name = name.to_ascii_lowercase();
        let (attributes, rest) = attributes(after);
        self.rest = rest;
        if closing {
            return Some(Token::Close(name));
        }
        self.raw = match name.as_str() {
            "style" => Some("style"),
            "script" => Some("script"),
            "title" => Some("title"),
            _ => None,
        };
        Some(Token::Open { name, attributes })
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            if let Some(name) = self.raw.take() {
                let end = end_of_raw(self.rest, name);
                return Some(Token::Text(Cow::Borrowed(self.take(end))));
            }
            if self.rest.starts_with('<') {
                if self.skip_declaration() {
                    continue;
                }
                if let Some(tag) = self.tag() {
                    return Some(tag);
                }
                return Some(Token::Text(Cow::Borrowed(self.take(1))));
            }
            let end = self.rest.find('<').unwrap_or(self.rest.len());
            return Some(Token::Text(unescape(self.take(end))));
        }
    }
}

fn end_of_raw(text: &str, name: &str) -> usize {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| rest.find("</")) {
        let at = from + at;
        let found = text.get(at + 2..at + 2 + name.len());
        if found.is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return at;
        }
        from = at + 2;
    }
    text.len()
}

/// Reads attributes up to the `>`; returns what follows it.
fn attributes(text: &str) -> (Vec<(String, String)>, &str) {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return (found, after);
        }
        if rest.is_empty() {
            return (found, "");
        }
        let length =
            rest.find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/')).unwrap_or(rest.len()).max(1);
        let Some((name, after)) = rest.split_at_checked(length) else { return (found, "") };
        rest = after;
        let mut value = String::new();
        let spaced = rest.trim_start();
        if let Some(after) = spaced.strip_prefix('=') {
            let after = after.trim_start();
            let (raw, tail) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let inner = after.get(1..).unwrap_or_default();
                    inner.split_once(quote).unwrap_or((inner, ""))
                }
                _ => after
                    .split_at_checked(after.find(|c: char| c.is_whitespace() || c == '>').unwrap_or(after.len()))
                    .unwrap_or((after, "")),
            };
            value = unescape(raw).into_owned();
            rest = tail;
        }
        if found.len() < 50 {
            found.push((name.to_ascii_lowercase(), value));
        }
    }
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
