//! Header fields: split, unfolded, in order, every occurrence; encoded words, parameters, addresses.
//!
//! Read here and not by the MIME library, since trust hangs on seeing *every* occurrence in the order
//! in which servers wrote them, and since names in broken encodings shall come out as the author
//! meant them. It must never know what a field is for.

use serde::{Deserialize, Serialize};

use super::transfer;

/// All header fields of a mail or part, topmost first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers {
    fields: Vec<Field>,
}

/// One field, unfolded; encoded words as they came.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub name: String,
    pub value: String,
}

/// A mailbox (RFC 5322 section 3.4): the bare address as written, and the display name if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    pub name: Option<String>,
    pub address: String,
}

impl Address {
    /// The part behind the last `@`, in lower case.
    pub fn domain(&self) -> Option<String> {
        self.address.rsplit_once('@').map(|(_, domain)| domain.trim_end_matches('.').to_lowercase())
    }

    /// For comparing: lower case. (Local parts may legally differ by case; no server in use does.)
    pub fn key(&self) -> String {
        self.address.to_lowercase()
    }
}

impl Headers {
    /// Splits a header block. Lines that are no field are left out and counted.
    pub fn split(block: &[u8], count_max: usize, bytes_max: usize) -> (Headers, Broken) {
        let mut broken = Broken { truncated: block.len() > bytes_max, ..Broken::default() };
        let block = block.get(..bytes_max).unwrap_or(block);
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        let mut lost = false;
        for (number, line) in block.split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) && (lost || !fields.is_empty()) {
                if !lost && let Some((_, value)) = fields.last_mut() {
                    value.push(b' ');
                    value.extend_from_slice(line.trim_ascii());
                }
                continue;
            }
            let line = if fields.is_empty() { line.trim_ascii_start() } else { line };
            if line.is_empty() {
                continue;
            }
            let envelope = number == 0 && (line.starts_with(b"From ") || line.starts_with(b">From "));
            let colon = line.iter().position(|&byte| byte == b':').filter(|_| !envelope);
            let name = colon.and_then(|at| line.get(..at)).map(<[u8]>::trim_ascii).filter(|name| is_name(name));
            lost = name.is_none();
            let (Some(name), Some(value)) = (name, colon.and_then(|at| line.get(at + 1..))) else {
                broken.lines += usize::from(!envelope);
                continue;
            };
            if fields.len() >= count_max {
                broken.truncated = true;
                break;
            }
            fields.push((String::from_utf8_lossy(name).into_owned(), value.trim_ascii().to_vec()));
        }
        let fields = fields.into_iter().map(|(name, value)| Field { name, value: transfer::guess(&value) }).collect();
        (Headers { fields }, broken)
    }

    /// The topmost occurrence.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.as_str())
    }

    /// Every occurrence, topmost first.
    pub fn all<'a, 'n>(&'a self, name: &'n str) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value.as_str())
    }

    /// The topmost occurrence with its encoded words decoded.
    pub fn decoded(&self, name: &str) -> Option<String> {
        self.get(name).map(words)
    }

    /// All addresses of all occurrences.
    pub fn addresses(&self, name: &str) -> Vec<Address> {
        self.all(name).flat_map(addresses).collect()
    }

    /// The ids of all occurrences, without angle brackets.
    pub fn ids(&self, name: &str) -> Vec<String> {
        self.all(name).flat_map(ids).collect()
    }

    /// In order, topmost first.
    pub fn iter(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

/// What was wrong with a header block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broken {
    /// Lines that were no field.
    pub lines: usize,
    /// More fields or bytes than allowed: the rest was not read.
    pub truncated: bool,
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= 200 && name.iter().all(|byte| byte.is_ascii_graphic())
}

/// Message ids (RFC 5322 section 3.6.4), without angle brackets; a bare word counts as one.
pub fn ids(value: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((id, tail)) = after.split_once('>') else { break };
        let id: String = id.chars().filter(|c| !c.is_whitespace()).collect();
        if !id.is_empty() {
            found.push(id);
        }
        rest = tail;
        if found.len() >= 1_000 {
            return found;
        }
    }
    if found.is_empty() {
        found.extend(
            value
                .split_whitespace()
                .map(|word| word.trim_matches(['<', '>']))
                .find(|word| !word.is_empty())
                .map(String::from),
        );
    }
    found
}

/// An encoded word may be 75 bytes long; some writers put a whole subject into one.
const WORD_BYTES_MAX: usize = 8_192;

/// Decodes encoded words (RFC 2047). Neighbours of one charset are joined before decoding, since many
/// writers cut characters in half; white space between neighbours goes.
pub fn words(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut run: Option<(String, Vec<u8>)> = None;
    let mut rest = value;
    while let Some(at) = rest.find("=?") {
        let (before, from) = rest.split_at(at);
        match encoded_word(from) {
            Some((charset, bytes, length)) => {
                let joins = before.trim().is_empty() && run.is_some();
                if !joins {
                    flush_run(&mut out, &mut run);
                    out.push_str(before);
                }
                match &mut run {
                    Some((known, all)) if *known == charset => all.extend_from_slice(&bytes),
                    _ => {
                        flush_run(&mut out, &mut run);
                        run = Some((charset, bytes));
                    }
                }
                rest = from.get(length..).unwrap_or_default();
            }
            None => {
                flush_run(&mut out, &mut run);
                out.push_str(before);
                out.push_str("=?");
                rest = from.get(2..).unwrap_or_default();
            }
        }
    }
    flush_run(&mut out, &mut run);
    out.push_str(rest);
    out
}

fn flush_run(out: &mut String, run: &mut Option<(String, Vec<u8>)>) {
    if let Some((charset, bytes)) = run.take() {
        let text = transfer::decode(&bytes, Some(&charset)).0;
        out.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
}

/// Reads one encoded word at the start: charset, bytes, length. A missing end is forgiven at the end of
/// the text or before a blank.
fn encoded_word(text: &str) -> Option<(String, Vec<u8>, usize)> {
    let after = text.strip_prefix("=?")?;
    let (charset, after) = after.split_once('?')?;
    if charset.is_empty() || charset.len() > 60 || charset.contains([' ', '=', '\t', '<']) {
        return None;
    }
    let (kind, data) = after.split_once('?')?;
    let mut window = data.len().min(WORD_BYTES_MAX);
    while !data.is_char_boundary(window) {
        window -= 1;
    }
    let data = data.get(..window)?;
    let base64 = match kind.trim() {
        "b" | "B" => true,
        "q" | "Q" => false,
        _ => return None,
    };
    let end = data.find("?=");
    let next = data.find("=?").filter(|&at| end.is_none_or(|end| at < end.saturating_sub(1)));
    let (body, closed) = match (end, next) {
        (Some(end), None) => (data.get(..end)?, 2),
        (_, Some(next)) => (data.get(..next)?.trim_end(), 0),
        (None, None) => {
            let length = data.find([' ', '\t', '"', '>']).unwrap_or(data.len());
            (data.get(..length)?, 0)
        }
    };
    let bytes =
        if base64 { transfer::base64(body.as_bytes()) } else { transfer::q_word(&transfer::encode(body, charset)) };
    let length = 2 + charset.len() + 1 + kind.len() + 1 + body.len() + closed;
    Some((charset.to_ascii_lowercase(), bytes, length))
}

/// A structured value with parameters (Content-Type, Content-Disposition): RFC 2045, RFC 2231, and the
/// encoded words and unquoted blanks that writers really send.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    /// In lower case, without comments: `text/plain`, `attachment`.
    pub value: String,
    list: Vec<(String, String)>,
}

impl Parameters {
    pub fn read(text: &str) -> Parameters {
        let mut pieces = split_outside(text, &[';']).into_iter();
        let value = pieces.next().map(|piece| strip_comments(piece).trim().to_ascii_lowercase()).unwrap_or_default();
        let mut plain: Vec<(String, String)> = Vec::new();
        let mut sections: Vec<(String, u32, bool, String)> = Vec::new();
        for piece in pieces.take(200) {
            let Some((name, raw)) = piece.split_once('=') else { continue };
            let name = strip_comments(name).trim().to_ascii_lowercase();
            let raw = raw.trim();
            let (base, star) = match name.split_once('*') {
                None => {
                    plain.push((name, words(&unquote(raw))));
                    continue;
                }
                Some((base, star)) => (base.to_string(), star),
            };
            let encoded = star.is_empty() || star.ends_with('*');
            let section = star.trim_end_matches('*').parse().unwrap_or(0);
            sections.push((base, section, encoded, unquote(raw)));
        }
        sections.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let mut list: Vec<(String, String)> = Vec::new();
        let mut sections = sections.into_iter().peekable();
        while let Some((base, number, encoded, text)) = sections.next() {
            let mut all = vec![(number, encoded, text)];
            while let Some((_, number, encoded, text)) = sections.next_if(|next| next.0 == base) {
                all.push((number, encoded, text));
            }
            list.push((base, extended(&all)));
        }
        list.extend(plain);
        Parameters { value, list }
    }

    /// A parameter; the extended form (`name*`) wins over the plain one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }
}

/// Joins the sections of an RFC 2231 value: bytes first, charset last, since writers cut characters.
fn extended(sections: &[(u32, bool, String)]) -> String {
    let mut charset = None;
    let mut bytes = Vec::new();
    for (at, (_, encoded, text)) in sections.iter().enumerate() {
        let mut text = text.as_str();
        if at == 0 && *encoded {
            let mut parts = text.splitn(3, '\'');
            if let (Some(label), Some(_), Some(rest)) = (parts.next(), parts.next(), parts.next()) {
                charset = Some(label.to_string()).filter(|label| !label.is_empty());
                text = rest;
            }
        }
        match encoded {
            true => bytes.extend(transfer::percent(text)),
            false => bytes.extend_from_slice(text.as_bytes()),
        }
    }
    let text = transfer::decode(&bytes, charset.as_deref()).0;
    if text.contains("=?") { words(&text) } else { text }
}

fn unquote(raw: &str) -> String {
    let raw = raw.trim();
    let Some(inner) = raw.strip_prefix('"') else {
        return strip_comments(raw).trim().trim_end_matches('"').to_string();
    };
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            // Windows paths are sent unescaped: a backslash escapes only what needs it.
            '\\' => match chars.next() {
                Some(next @ ('"' | '\\')) => out.push(next),
                Some(next) => out.extend(['\\', next]),
                None => out.push('\\'),
            },
            other => out.push(other),
        }
    }
    out
}

/// Splits at `separators` outside of quoted strings and comments.
fn split_outside<'a>(text: &'a str, separators: &[char]) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let (mut start, mut quoted, mut escaped, mut depth) = (0, false, false, 0usize);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted || depth > 0 => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted && (depth > 0 || closes(text, at)) => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            c if !quoted && depth == 0 && separators.contains(&c) => {
                pieces.push(text.get(start..at).unwrap_or_default());
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    pieces.push(text.get(start..).unwrap_or_default());
    pieces
}

fn closes(text: &str, at: usize) -> bool {
    // Looks no further than a header line is long: keeps the whole linear.
    text.bytes().skip(at).take(300).any(|byte| byte == b')')
}

/// Removes comments (RFC 5322 CFWS) outside of quoted strings; an unclosed one stays.
pub fn strip_comments(text: &str) -> String {
    if !text.contains('(') {
        return text.to_string();
    }
    let mut out = String::with_capacity(text.len());
    let (mut quoted, mut escaped, mut depth) = (false, false, 0usize);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                escaped = false;
                if depth == 0 {
                    out.push(c);
                }
                continue;
            }
            '\\' if quoted || depth > 0 => {
                escaped = true;
                if depth > 0 {
                    continue;
                }
            }
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted && (depth > 0 || closes(text, at)) => {
                depth += 1;
                continue;
            }
            ')' if !quoted && depth > 0 => {
                depth -= 1;
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            out.push(c);
        }
    }
    out
}

/// The mailboxes of an address list (RFC 5322 section 3.4, obsolete and broken forms included).
pub fn addresses(value: &str) -> Vec<Address> {
    let mut found = Vec::new();
    let mut item = Item::default();
    let (mut escaped, mut quoted, mut depth) = (false, false, 0usize);
    let (mut angle, mut seen_angle) = (false, false);
    let last_close = value.rfind('>');
    for (at, c) in value.char_indices() {
        if found.len() >= 2_000 {
            break;
        }
        match c {
            _ if escaped => {
                escaped = false;
                item.push(c, angle, depth);
            }
            '\\' if quoted || depth > 0 => escaped = true,
            '"' if depth == 0 => {
                quoted = !quoted;
                if angle {
                    item.angle.push('"');
                }
                item.quoted |= !angle;
            }
            _ if quoted => item.push(c, angle, 0),
            '(' if depth > 0 || closes(value, at) => depth += 1,
            ')' if depth > 0 => depth -= 1,
            _ if depth > 0 => item.comment.push(c),
            '<' if !angle => {
                (angle, seen_angle) = (true, true);
                item.angle.clear();
            }
            '>' => angle = false,
            ',' | ';' if !angle || last_close.is_none_or(|close| close < at) => {
                angle = false;
                found.extend(std::mem::take(&mut item).finish(seen_angle));
                seen_angle = false;
            }
            ':' if !angle && !seen_angle && !item.phrase.contains('@') => {
                item = Item::default();
            }
            c => item.push(c, angle, 0),
        }
    }
    found.extend(item.finish(seen_angle));
    found
}

#[derive(Default)]
struct Item {
    phrase: String,
    angle: String,
    comment: String,
    quoted: bool,
}

impl Item {
    fn push(&mut self, c: char, angle: bool, depth: usize) {
        match (depth > 0, angle) {
            (true, _) => self.comment.push(c),
            (_, true) => self.angle.push(c),
            _ => self.phrase.push(c),
        }
    }

    fn finish(self, seen_angle: bool) -> Option<Address> {
        let phrase = self.phrase.split_whitespace().collect::<Vec<_>>().join(" ");
        let comment = self.comment.split_whitespace().collect::<Vec<_>>().join(" ");
        let (address, name) = match seen_angle {
            true => {
                let bare: String = self.angle.chars().filter(|c| !c.is_whitespace()).collect();
                // An old source route: `<@relay,@other:user@domain>`.
                let bare = match bare.starts_with('@') {
                    true => bare.split_once(':').map_or(bare.clone(), |(_, rest)| rest.to_string()),
                    false => bare,
                };
                (bare, if phrase.is_empty() { comment } else { phrase })
            }
            false if phrase.contains('@') => {
                let joined = match phrase.matches(' ').count() {
                    0 => phrase,
                    // `user @ domain` is one address; `Name user@domain` is a name and one.
                    _ if phrase.contains(" @") || phrase.contains("@ ") => phrase.replace(' ', ""),
                    _ => phrase.split(' ').find(|word| word.contains('@')).unwrap_or_default().to_string(),
                };
                (joined, comment)
            }
            false if !phrase.contains(' ') && !self.quoted => (phrase, comment),
            false => (String::new(), phrase),
        };
        let address = words(&address);
        let name = Some(words(&name)).map(|name| name.trim().to_string()).filter(|name| !name.is_empty());
        (!address.is_empty() || name.is_some()).then_some(Address { name, address })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attachment or subject in a sloppy encoding would get a name that no rule matches.
    #[test]
    fn encoded_words_as_the_author_meant() {
        for (raw, want) in [
            ("=?utf-8?Q?Auftragsbest=C3=A4tigung?= 4711", "Auftragsbestätigung 4711"),
            ("=?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
            ("=?utf-8?B?w?= =?utf-8?B?7Q=?=", "í"),
            ("=?UTF-8?Q?Best=C3?= =?UTF-8?Q?=A4tigung?=", "Bestätigung"),
            ("=?iso-8859-1?q?M=FCller?=, Anna", "Müller, Anna"),
            ("Re:=?iso-8859-15?Q?_100_=A4?=", "Re: 100 €"),
            ("=?utf-8?q?open_end", "open end"),
            ("=?iso-8859-1?Q?Die_Fr\u{f6}sche_=FC?=", "Die Fr\u{f6}sche \u{fc}"),
            ("=?x?y?z", "=?x?y?z"),
            ("a =?= b", "a =?= b"),
        ] {
            assert_eq!(words(raw), want, "{raw}");
        }
    }

    /// A PDF called by an RFC 2231 name would be taken for one without a name.
    #[test]
    fn names_of_attachments() {
        for (raw, name, want) in [
            ("attachment; filename=\"a;b.pdf\"", "filename", Some("a;b.pdf")),
            ("attachment; filename*=utf-8''M%C3%BCller.pdf; filename=x.pdf", "filename", Some("Müller.pdf")),
            (
                "attachment; filename*0*=UTF-8''M%C3; filename*1*=%BCl; filename*2=\"ler.pdf\"",
                "filename",
                Some("Müller.pdf"),
            ),
            ("application/pdf; name=\"=?iso-8859-1?Q?M=FCller=2Epdf?=\"", "name", Some("Müller.pdf")),
            ("application/pdf; name=my order.pdf", "name", Some("my order.pdf")),
            ("application/pdf; name=order (1).pdf", "name", Some("order .pdf")),
            ("attachment; filename=\"C:\\temp\\a.pdf\"", "filename", Some("C:\\temp\\a.pdf")),
            ("text/plain (a comment; x=y); charset=\"utf-8\"", "charset", Some("utf-8")),
            ("text/plain", "charset", None),
        ] {
            assert_eq!(Parameters::read(raw).get(name), want, "{raw}");
        }
        assert_eq!(Parameters::read("Text/PLAIN (a comment; x=y); charset=utf-8").value, "text/plain");
    }

    /// A sender's address would be read from the display name.
    #[test]
    fn addresses_of_every_form() {
        for (raw, want) in [
            ("Anna <anna@example.com>", vec![("Anna", "anna@example.com")]),
            ("anna@example.com (Anna A.)", vec![("Anna A.", "anna@example.com")]),
            ("\"ceo@example.com\" <evil@example.net>", vec![("ceo@example.com", "evil@example.net")]),
            ("\"A, B\" <a@b.c>, d@e.f", vec![("A, B", "a@b.c"), ("", "d@e.f")]),
            ("Team: a@b.c, \"X\" <x@y.z>;", vec![("", "a@b.c"), ("X", "x@y.z")]),
            ("undisclosed-recipients:;", vec![]),
            ("=?utf-8?Q?M=C3=BCller=2C_Anna?= <a@b.c>", vec![("Müller, Anna", "a@b.c")]),
            ("<@relay.example,@b:a@b.c>", vec![("", "a@b.c")]),
            ("MAILER-DAEMON (Mail Delivery System)", vec![("Mail Delivery System", "MAILER-DAEMON")]),
            ("<>", vec![]),
            ("a @ b . c", vec![("", "a@b.c")]),
        ] {
            let found = addresses(raw);
            let found: Vec<(&str, &str)> =
                found.iter().map(|a| (a.name.as_deref().unwrap_or(""), a.address.as_str())).collect();
            assert_eq!(found, want, "{raw}");
        }
    }

    /// A header that an attacker slips in by a broken line would be believed.
    #[test]
    fn only_real_fields_count() {
        let (headers, broken) =
            Headers::split(b"From x Mon\r\nA: 1\r\n 2\r\nno field\r\n B: hidden\r\nA: 3\r\nC : 4\r\n", 100, 10_000);
        assert_eq!(headers.all("a").collect::<Vec<_>>(), ["1 2", "3"]);
        assert_eq!((headers.get("B"), headers.get("C")), (None, Some("4")));
        assert_eq!(broken, Broken { lines: 1, truncated: false });
        assert!(Headers::split(b"A: 1\nB: 2\n", 1, 100).1.truncated);
    }

    /// Threads would fall apart.
    #[test]
    fn ids_without_brackets() {
        assert_eq!(ids("<a@b> (x)\t<c@d>"), ["a@b", "c@d"]);
        assert_eq!(ids("a@b"), ["a@b"]);
        assert_eq!(ids("<a@\r\n b>"), ["a@b"]);
        assert!(ids("  ").is_empty());
    }
}
