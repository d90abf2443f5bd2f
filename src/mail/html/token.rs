//! A forgiving tokenizer for HTML.

use std::borrow::Cow;

/// HTML above this is cut off: no reply is that long.
pub(super) const BYTES_MAX: usize = 4 << 20;

/// Decodes character references.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
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
pub(super) enum Token<'a> {
    Open { name: Cow<'a, str>, attributes: Vec<(String, String)> },
    Close(Cow<'a, str>),
    Text(Cow<'a, str>),
}

/// A forgiving tokenizer: whatever is no tag is text.
pub(super) struct Tokens<'a> {
    rest: &'a str,
    /// Text of this element runs to its end tag.
    raw: Option<&'static str>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(html: &'a str) -> Tokens<'a> {
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
        let name = match name.contains(|c: char| c.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        let (attributes, rest) = attributes(after);
        self.rest = rest;
        if closing {
            return Some(Token::Close(name));
        }
        self.raw = match name.as_ref() {
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

pub(super) fn end_of_raw(text: &str, name: &str) -> usize {
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
pub(super) fn attributes(text: &str) -> (Vec<(String, String)>, &str) {
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
