//! Blocks to HTML that mail readers show alike: tables with `<th scope>`, inline styles for what stands once, classes
//! for the dark scheme, nothing from the network, no scripts, no images.
//!
//! A table's cells have their look from the frame's style sheet and, for readers that drop it (a quoted reply, some
//! apps), from the table's own attributes: styles repeated in every cell would be most of the mail. What is not ASCII
//! is written as character references and lines stay short of 998 characters, so that the part can go as it is.

use std::fmt::Write as _;

use super::markup::{Block, Inline, Link, Table, plain};

/// How ready answers are addressed.
pub struct Answers<'a> {
    /// Without it an answer is shown as its words alone.
    pub to: Option<&'a str>,
    pub subject: &'a str,
}

const H2: &str = "margin:24px 0 8px;font-size:17px;line-height:1.3;font-weight:600";
const P: &str = "margin:0 0 12px";
const UL: &str = "margin:0 0 12px;padding-left:20px";
const LI: &str = "margin:0 0 6px";
/// A ready answer needs no bullet.
const ANSWER: &str = "margin:0 0 6px -20px;list-style:none";
/// Tables with so many columns do not fit a phone.
const WIDE: usize = 4;
/// A table's row is a line of the mail unless it is longer: mail carries no more than 998 characters a line.
const LINE_BYTES: usize = 700;
/// Amounts and dates hold themselves together by no-break spaces; longer cells may break between them.
const WHOLE_CHARS: usize = 13;
const QUOTE: &str = "margin:0 0 12px;padding:8px 12px;border-left:4px solid #8c959f;background:#f6f8fa;color:#3d444d";
const PRE: &str = "margin:0 0 12px;padding:10px 12px;border:1px solid #d0d7de;background:#f6f8fa;font-family:Consolas,Menlo,'Liberation Mono',monospace;font-size:13px;white-space:pre-wrap;overflow-wrap:anywhere";
const TABLE: &str = "border-collapse:collapse;margin:0 0 12px;font-size:14px";
const BUTTON: &str = "display:inline-block;padding:4px 12px;border:1px solid #0b5cad;background:#e8f1fb;color:#0a4a8c;font-weight:600;text-decoration:none;white-space:nowrap";
/// Longer ones may break on a phone.
const BUTTON_CHARS: usize = 20;
const LINK: &str = "color:#0b5cad";

pub fn render(blocks: &[Block], answers: &Answers<'_>) -> String {
    let mut out = String::new();
    for block in blocks {
        match block {
            Block::Heading(inline) => {
                out.push_str(&format!("<h2 style=\"{H2}\">{}</h2>\n", words(inline, answers)));
            }
            Block::Paragraph(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| words(line, answers)).collect();
                out.push_str(&format!("<p style=\"{P}\">{}</p>\n", lines.join("<br>\n")));
            }
            Block::List(items) => {
                out.push_str(&format!("<ul style=\"{UL}\">\n"));
                for item in items {
                    let answer = matches!(item.as_slice(), [span] if matches!(span.link, Some(Link::Answer(_))));
                    let style = if answer { ANSWER } else { LI };
                    out.push_str(&format!("<li style=\"{style}\">{}</li>\n", words(item, answers)));
                }
                out.push_str("</ul>\n");
            }
            Block::Quote(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
                let lines = lines.join("<br>\n");
                out.push_str(&format!("<blockquote class=\"quote\" style=\"{QUOTE}\">{lines}</blockquote>\n"));
            }
            Block::Verbatim(lines) => {
                let lines: Vec<String> = lines.iter().map(|line| escape(line)).collect();
                out.push_str(&format!("<pre class=\"quote\" style=\"{PRE}\">{}</pre>\n", lines.join("\n")));
            }
            Block::Table(table) => draw(table, answers, &mut out),
        }
    }
    out
}

/// The first column heads its row.
fn draw(table: &Table, answers: &Answers<'_>, out: &mut String) {
    let right = |index: usize| table.right.get(index) == Some(&true);
    let wide = table.head.len() >= WIDE;
    let labels: Vec<String> = match wide {
        true => table.head.iter().map(|head| escape(&plain(head))).collect(),
        false => Vec::new(),
    };
    let mark = if wide { " data-wide=\"yes\"" } else { "" };
    out.push_str(&format!(
        "<div style=\"overflow-x:auto\"><table class=\"grid\"{mark} width=\"100%\" border=\"1\" bordercolor=\"#d0d7de\" \
         cellpadding=\"6\" cellspacing=\"0\" style=\"{TABLE}\">\n<thead><tr valign=\"bottom\">"
    ));
    let mut line = out.len();
    let mut breathe = |out: &mut String| {
        if out.len() - line > LINE_BYTES {
            out.push('\n');
        }
        if out.ends_with('\n') {
            line = out.len();
        }
    };
    for (index, cell) in table.head.iter().enumerate() {
        breathe(out);
        let align = if right(index) { "right" } else { "left" };
        out.push_str(&format!("<th scope=\"col\" align=\"{align}\">"));
        write_words(cell, answers, out);
        out.push_str("</th>");
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        breathe(out);
        out.push_str("<tr valign=\"top\">");
        for (index, cell) in row.iter().enumerate() {
            breathe(out);
            let element = match index {
                0 => "th scope=\"row\"",
                _ => "td",
            };
            out.push('<');
            out.push_str(element);
            if let Some(label) = labels.get(index) {
                out.push_str(" data-label=\"");
                out.push_str(label);
                out.push('"');
            }
            match right(index) {
                true => out.push_str(" align=\"right\""),
                false if index == 0 => out.push_str(" align=\"left\""),
                false => {}
            }
            // An amount or an article number that breaks is read wrong.
            let length: usize = cell.iter().map(|span| span.text.chars().count()).sum();
            if index == 0 && length < 20 || right(index) && length < WHOLE_CHARS {
                out.push_str(" nowrap");
            }
            out.push('>');
            write_words(cell, answers, out);
            out.push_str(if index == 0 { "</th>" } else { "</td>" });
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn words(inline: &Inline, answers: &Answers<'_>) -> String {
    let mut out = String::new();
    write_words(inline, answers, &mut out);
    out
}

fn write_words(inline: &Inline, answers: &Answers<'_>, out: &mut String) {
    for span in inline {
        if span.strong {
            out.push_str("<strong>");
        }
        match &span.link {
            Some(Link::Url(url)) => {
                out.push_str(&format!("<a class=\"link\" style=\"{LINK}\" href=\"{}\">", escape(url)));
                write_escaped(&span.text, out);
                out.push_str("</a>");
            }
            Some(Link::Answer(words)) => match answers.to {
                Some(to) => {
                    let class = if words.chars().count() > BUTTON_CHARS { "button long" } else { "button" };
                    let href = escape(&mailto(to, answers.subject, words));
                    out.push_str(&format!("<a class=\"{class}\" style=\"{BUTTON}\" href=\"{href}\">"));
                    write_escaped(&span.text, out);
                    out.push_str("</a>");
                }
                None => {
                    out.push_str("<strong>");
                    write_escaped(&span.text, out);
                    out.push_str("</strong>");
                }
            },
            None => write_escaped(&span.text, out),
        }
        if span.strong {
            out.push_str("</strong>");
        }
    }
}

/// RFC 6068: the reply address, our subject answered, the words in the first line.
pub fn mailto(to: &str, subject: &str, words: &str) -> String {
    let (subject, body) = (percent(&format!("Re: {subject}"), ""), percent(&format!("{words}\r\n"), ""));
    format!("mailto:{}?subject={subject}&body={body}", percent(to, "@+"))
}

fn percent(text: &str, also: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || "-._~".contains(c) || also.contains(c) {
            out.push(c);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// For text and attribute values.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    write_escaped(text, &mut out);
    out
}

fn write_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_ascii() => out.push(c),
            c => out.push_str(&format!("&#{};", u32::from(c))),
        }
    }
}

/// What is left of other characters, such as a subject put into the frame, as references too. Not for what stands in
/// a style sheet or a comment, where they mean nothing: our frame has none there, and an admin's goes encoded.
pub fn ascii(page: String) -> String {
    if page.is_ascii()
        || page.split("<style").skip(1).any(|rest| rest.split("</style").next().is_some_and(|css| !css.is_ascii()))
    {
        return page;
    }
    let mut out = String::with_capacity(page.len() + page.len() / 8);
    let mut rest = page.as_str();
    while let Some(at) = rest.bytes().position(|byte| !byte.is_ascii()) {
        let (plain, odd) = rest.split_at(at);
        out.push_str(plain);
        let mut odd = odd.chars();
        if let Some(c) = odd.next() {
            let _ = write!(out, "&#{};", u32::from(c));
        }
        rest = odd.as_str();
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::markup::parse;

    /// An approver on a phone taps an answer; it must arrive at the question with the words in its first line.
    #[test]
    fn ready_answers_are_addressed() {
        let answers = Answers { to: Some("post+7Q2K@x.example"), subject: "Order 4711 & more" };
        let html = render(&parse("[[APPROVE 20, 30]]"), &answers);
        let href =
            "mailto:post+7Q2K@x.example?subject=Re%3A%20Order%204711%20%26%20more&amp;body=APPROVE%2020%2C%2030%0D%0A";
        assert!(html.contains(&format!("href=\"{href}\"")), "{html}");
        let html = render(&parse("[[APPROVE]]"), &Answers { to: None, subject: "" });
        assert!(html.contains("<strong>APPROVE</strong>") && !html.contains("href"), "{html}");
    }

    /// Whatever a partner writes must stay words in the approver's mail.
    #[test]
    fn nothing_becomes_html() {
        let answers = Answers { to: None, subject: "" };
        let html = render(
            &parse("<script>alert(1)</script> [x\" onclick](https://a\"b)\n> <img src=x>\n\n[a](javascript:alert)"),
            &answers,
        );
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("javascript"), "{html}");
        assert!(html.contains("href=\"https://a&quot;b\""), "{html}");
    }
}
