//! The visible reply: the author's new words, without quotations, originals, signatures, banners.
//!
//! Two things matter, in this order: no quoted word is ever taken for the author's (a quoted "approve" would decide), and
//! none of the author's words is lost. It works line by line on what [`super::html`] and the text body
//! show, in one pass with bounded look-ahead: linear in the mail, whatever the mail. Names used by clients stand in
//! `words/reply.toml`. It must never know what the words are for.

mod separator;
mod trim;
mod words;

use super::{Mail, html};

/// What of a mail its author wrote new, and the rest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// Lines joined by `\n`, without blank ones at start and end.
    pub visible: String,
    /// What was cut as quoted (with its marks) or as the original: the fill-in block comes back in it.
    pub quoted: String,
    /// Something was recognised as quoted or as the original.
    pub answers: bool,
}

/// The reply in a mail: its text body, or its HTML body when that marks more clearly what is quoted.
pub fn read(mail: &Mail) -> Reply {
    let text = mail.text.as_deref().filter(|text| !text.trim().is_empty());
    let from_text = text.map(|text| {
        let more = mail.more_text.iter().flat_map(|more| ["\n", more.as_str()]);
        of_text(&std::iter::once(text).chain(more).collect::<String>())
    });
    match (from_text, &mail.html) {
        (Some(reply), None) => reply,
        (Some(reply), Some(_)) if reply.answers => reply,
        (Some(reply), Some(html)) => {
            let marked = of_html(html);
            if marked.answers { marked } else { reply }
        }
        (None, Some(html)) => of_html(html),
        (None, None) => Reply::default(),
    }
}

/// The reply in what may be a whole mail, or just its body (text or HTML), as it comes out of a pipe.
pub fn of_bytes(raw: &[u8]) -> Reply {
    if is_mail(raw) {
        return read(&Mail::parse(raw));
    }
    let text = super::transfer::guess(raw);
    match text.trim_start().starts_with('<')
        || text.contains("</")
            && (text.contains("<div") || text.contains("<br") || text.contains("<blockquote") || text.contains("<p>"))
    {
        true => of_html(&text),
        false => of_text(&text),
    }
}

/// Whether bytes begin with the header of a mail: at least two of the fields that every mail has.
fn is_mail(raw: &[u8]) -> bool {
    const FIELDS: [&str; 12] = [
        "from",
        "to",
        "date",
        "subject",
        "message-id",
        "received",
        "return-path",
        "mime-version",
        "content-type",
        "delivered-to",
        "in-reply-to",
        "x-mailer",
    ];
    let head = raw
        .trim_ascii_start()
        .split(|&byte| byte == b'\n')
        .take(200)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut known = 0;
    for (number, line) in head.take_while(|line| !line.is_empty()).enumerate() {
        let name = line
            .split(|&byte| byte == b':')
            .next()
            .filter(|name| name.len() < line.len())
            .map(|name| String::from_utf8_lossy(name).to_ascii_lowercase());
        match name {
            Some(name) if !name.contains(' ') && !name.is_empty() => {
                known += usize::from(FIELDS.contains(&name.as_str()))
            }
            _ if number == 0 && !line.starts_with(b"From ") => return false,
            _ => {}
        }
    }
    known >= 2
}

/// The reply in a plain text body.
pub fn of_text(text: &str) -> Reply {
    let lines = text.split('\n').map(|line| {
        let raw = line.trim_end_matches('\r');
        let clean = clean(raw);
        let quoted = is_quoted(&clean);
        Line { quoted, marked: quoted, foreign: false, signature: false, text: clean }
    });
    sift(lines.collect())
}

/// The reply in an HTML body.
pub fn of_html(html: &str) -> Reply {
    let lines = html::lines(html).into_iter().map(|line| {
        let text = clean(&line.text);
        let quoted = line.quote > 0 || is_quoted(&text);
        Line { quoted, marked: line.cited || is_quoted(&text), foreign: line.foreign, signature: line.signature, text }
    });
    sift(lines.collect())
}

struct Line {
    text: String,
    quoted: bool,
    /// Quoted by a mark that only mail clients make (`>`, `type=cite`); a bare `<blockquote>` may be the author's.
    marked: bool,
    foreign: bool,
    signature: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Own,
    /// Quoted or of the original.
    Quoted,
    /// Signature, banner, disclaimer: nobody's news.
    Dropped,
}

const LINES_MAX: usize = 50_000;

fn sift(mut lines: Vec<Line>) -> Reply {
    lines.truncate(LINES_MAX);
    let mut fates = vec![Fate::Own; lines.len()];
    let mut answers = separator::cut(&lines, &mut fates);
    // A bare blockquote is the author's own only when the client's own marks are elsewhere in the mail.
    let bare = |line: &Line| line.quoted && !line.marked && !line.foreign;
    let above = fates.iter().position(|fate| *fate == Fate::Quoted).unwrap_or(0);
    for (at, (line, fate)) in lines.iter().zip(fates.iter_mut()).enumerate() {
        let own = bare(line) && at < above;
        if (line.quoted || line.foreign) && !own && *fate != Fate::Quoted {
            *fate = Fate::Quoted;
            answers = true;
        }
        if line.signature && *fate == Fate::Own {
            *fate = Fate::Dropped;
        }
    }
    trim::rewrapped(&lines, &mut fates);
    trim::trim(&lines, &mut fates);
    collect(&lines, &fates, answers)
}

fn mark(fates: &mut [Fate], from: usize, to: usize, fate: Fate) {
    fates.iter_mut().take(to).skip(from).for_each(|known| *known = fate);
}

fn collect(lines: &[Line], fates: &[Fate], answers: bool) -> Reply {
    let mut reply = Reply { answers, ..Reply::default() };
    for (line, fate) in lines.iter().zip(fates) {
        match fate {
            Fate::Own => {
                reply.visible.push_str(&line.text);
                reply.visible.push('\n');
            }
            Fate::Quoted => {
                reply.quoted.push_str(&line.text);
                reply.quoted.push('\n');
            }
            Fate::Dropped => {}
        }
    }
    reply.visible = reply.visible.trim_matches('\n').trim_end().to_string();
    reply
}

fn is_quoted(text: &str) -> bool {
    // `>>> look here <<<` is decoration.
    text.trim_start().starts_with('>') && !(text.trim_start().starts_with(">>") && text.ends_with("<<"))
}

fn is_bar(text: &str) -> bool {
    let text = text.trim_start();
    text.starts_with("| ") || text == "|"
}

/// Blanks of all kinds as blanks; what nobody sees, out.
fn clean(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{3000}' | '\t' => out.push(' '),
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{ad}'
            | '\0' => {}
            other => out.push(other),
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that clients use are read from a file: broken, nothing would be recognised.
    #[test]
    fn the_word_file_is_whole() {
        let file: words::File = toml::from_str(include_str!("../words/reply.toml")).unwrap();
        assert_eq!(file.fields.len(), 6);
        let lists = [
            &file.attribution.verbs,
            &file.attribution.openers,
            &file.dividers.words,
            &file.dividers.reply_above,
            &file.devices.sure,
            &file.devices.last,
            &file.devices.things,
            &file.notices.below,
            &file.notices.above,
        ];
        for word in lists.into_iter().chain(file.fields.values()).flatten() {
            assert_eq!(*word, word.to_lowercase());
            assert!(!word.trim().is_empty());
        }
    }

    /// A quoted "approve" would decide, or the author's own would be lost.
    #[test]
    fn what_is_new_in_text() {
        for (name, text, want) in [
            (
                "gmail",
                "APPROVE\n\nOn Mon, 2 Nov 2026 at 10:00, Gateway <g@shop.example> wrote:\n\n> DECLINE\n> or\n",
                "APPROVE",
            ),
            (
                "gmail, broken attribution",
                "ok\n\nOn Mon, 2 Nov 2026 at 10:00, Gateway of the Shop\n<g@shop.example> wrote:\n> DECLINE\n",
                "ok",
            ),
            (
                "outlook",
                "Ja\n\nVon: Gateway <g@shop.example>\nGesendet: Montag, 2. November 2026 10:00\nAn: Anna\nBetreff: Frage\n\nDECLINE\n",
                "Ja",
            ),
            (
                "outlook with a line",
                "oui\n________________________________\nDe : Gateway <g@shop.example>\nEnvoyé : lundi\nÀ : Anna\nObjet : Q\n\nnon\n",
                "oui",
            ),
            (
                "outlook, swedish",
                "Godkänt\n\nFrån: G <g@x.se>\nSkickat: den 2 november 2026\nTill: A\nÄmne: F\n\nnej\n",
                "Godkänt",
            ),
            ("original message", "yes\n\n-----Original Message-----\nFrom: x\n\nno\n", "yes"),
            ("apple mail, german", "ja\n\n> Am 02.11.2026 um 10:00 schrieb G <g@x.de>:\n> \n> nein\n", "ja"),
            (
                "thunderbird, bottom-posted",
                "Am 02.11.26 um 10:00 schrieb G:\n> nein\n\nGenehmigt\n-- \nAnna",
                "Genehmigt",
            ),
            ("inline", "> Line 20: accept?\nyes\n> Line 30: accept?\nno\n", "yes\nno"),
            (
                "lotus",
                "ok\n\nG/Shop@Shop\n02.11.2026 10:00\n\nAn\nAnna\n",
                "ok\n\nG/Shop@Shop\n02.11.2026 10:00\n\nAn\nAnna",
            ),
            (
                "lotus, a whole original",
                "ok\n\nG/Shop@Shop\n02.11.2026 10:00\n\nAn\nAnna <a@x.de>\nKopie\n\nThema\nFrage\n\nnein\n",
                "ok",
            ),
            (
                "lotus, right below the answer",
                "ok\nG/Shop@Shop\n02.11.2026 10:00\n\nTo\nAnna <a@x.de>\n\nSubject\nQuestion\n\nno\n",
                "ok",
            ),
            ("own words between names", "An\nAnna\n\nThema\nFrage\n\nnein", "An\nAnna\n\nThema\nFrage\n\nnein"),
            ("gmail, russian", "да\n\nпн, 2 нояб. 2026 г. в 10:00, G <g@x.ru>:\n\nнет\n", "да"),
            (
                "apple mail, polish",
                "tak\n\nWiadomość napisana przez G <g@x.pl> w dniu 2 lis 2026, o godz. 10:00:\n\nnie\n",
                "tak",
            ),
            ("phone", "ok\n\nVon meinem iPhone gesendet\n\n> Am 02.11.2026 um 10:00 schrieb G <g@x.de>:\n> no\n", "ok"),
            ("date behind the verb", "ja\n\nG <g@x.de> schrieb am Mo., 2. Nov. 2026 um 10:00 Uhr:\n\n> nein\n", "ja"),
            ("japanese", "はい\n\n2026年11月2日(月) 10:00 G <g@x.jp>:\n\n> いいえ\n", "はい"),
            ("forwarded", "see below\n\n---------- Forwarded message ---------\nFrom: x\n\nAPPROVE\n", "see below"),
            ("only forwarded", "---------- Forwarded message ---------\nFrom: B <b@x.y>\nDate: Mon\n\nAPPROVE\n", ""),
            ("banner", "CAUTION: This email originated from outside of the organization.\nDo not click.\n\nok\n", "ok"),
            ("disclaimer", "ok\n\nThis e-mail and any attachments are confidential and may be privileged.\n", "ok"),
            ("reply above", "ok\n\n##- Please type your reply above this line -##\nold\n", "ok"),
            (
                "own words with a time",
                "I wrote: on 12.05. at 10:30 we ship.\nok",
                "I wrote: on 12.05. at 10:30 we ship.\nok",
            ),
            ("own words, no attribution", "My colleague wrote:\nplease wait\n", "My colleague wrote:\nplease wait"),
            ("own list", "To: warehouse\nplease ship", "To: warehouse\nplease ship"),
            (
                "wrapped quotation",
                "> this line of the quotation was too long for the server so that its\ntail stands alone\n> and goes on\nok",
                "ok",
            ),
            ("hidden characters", "app\u{200b}rove\u{a0}20", "approve 20"),
        ] {
            assert_eq!(of_text(text).visible, want, "{name}");
        }
    }

    /// As above, for clients that mark the original in HTML only.
    #[test]
    fn what_is_new_in_html() {
        for (name, html, want) in [
            (
                "gmail",
                "<div>ok</div><div class=gmail_quote><div class=gmail_attr>On x</div><blockquote class=gmail_quote>no</blockquote></div>",
                "ok",
            ),
            (
                "gmail, answered in between",
                "<div class=gmail_quote>On Mon, 2 Nov 2026 G &lt;g@x.y&gt; wrote:<blockquote class=gmail_quote>20?</blockquote><div>yes</div><blockquote class=gmail_quote>30?</blockquote><div>no</div></div>",
                "yes\nno",
            ),
            (
                "outlook web",
                "<div>ok</div><div id=appendonsend></div><hr><div id=divRplyFwdMsg>From: x</div><div>no</div>",
                "ok",
            ),
            (
                "outlook desktop",
                "<p class=MsoNormal>ok</p><div style='border:none;border-top:solid #E1E1E1 1.0pt'><p><b>Von:</b> G &lt;g@x.de&gt;<br><b>Gesendet:</b> Montag<br><b>An:</b> A<br><b>Betreff:</b> F</p></div><p>nein</p>",
                "ok",
            ),
            (
                "apple mail",
                "ok<br><blockquote type=cite><div>On 2 Nov 2026, at 10:00, G wrote:</div>no</blockquote>",
                "ok",
            ),
            (
                "thunderbird, bottom",
                "<div class=moz-cite-prefix>On 02.11.26 G wrote:</div><blockquote type=cite>no</blockquote><p>ok</p><div class=moz-signature>-- <br>me</div>",
                "ok",
            ),
            ("yahoo", "<div>ok</div><div id=yahoo_quoted_1 class=yahoo_quoted>On x, G wrote:<div>no</div></div>", "ok"),
            (
                "own indentation",
                "<p>as agreed:</p><blockquote>20 pieces</blockquote><div class=gmail_quote>no</div>",
                "as agreed:",
            ),
            ("hidden", "ok<div style='display:none'>decline</div>", "ok"),
        ] {
            assert_eq!(of_html(html).visible.replace("\n\n", "\n"), want, "{name}");
        }
    }

    /// The scripts that pipe a body instead of a mail would get nothing.
    #[test]
    fn bodies_without_a_header() {
        assert_eq!(of_bytes(b"ok\n\n> no\n").visible, "ok");
        assert_eq!(of_bytes(b"<p>ok</p><blockquote type=cite>no</blockquote>").visible, "ok");
        assert_eq!(of_bytes(b"From: a@b\nSubject: x\n\nok\n\n> no\n").visible, "ok");
        assert_eq!(of_bytes(b"Note: x\nok\n").visible, "Note: x\nok");
    }

    /// One mail would hold the gateway for minutes.
    #[test]
    fn time_is_linear() {
        let started = std::time::Instant::now();
        for line in [
            "On 2026-11-02 at 10:00 a@b <\n",
            "> ",
            "\u{a0}",
            "From: a@b\n",
            "_",
            "Date: 10:00\n\n",
            "a wrote 10:00 2026\n",
            "<blockquote>",
            "wrote:\n",
        ] {
            let text = line.repeat(100_000 / line.len());
            let _ = of_text(&text);
            let _ = of_html(&text);
        }
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
    }
}
