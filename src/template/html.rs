//! Blocks to HTML that mail readers show alike: tables with `<th scope>`, inline styles (Outlook and
//! Gmail read no other), classes for the dark scheme, nothing from the network, no scripts, no images.

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
/// Amounts and dates hold themselves together by no-break spaces; longer cells may break between them.
const WHOLE_CHARS: usize = 13;
const QUOTE: &str = "margin:0 0 12px;padding:8px 12px;border-left:4px solid #8c959f;background:#f6f8fa;color:#3d444d";
const PRE: &str = "margin:0 0 12px;padding:10px 12px;border:1px solid #d0d7de;background:#f6f8fa;font-family:Consolas,Menlo,'Liberation Mono',monospace;font-size:13px;white-space:pre-wrap;overflow-wrap:anywhere";
const TABLE: &str = "border-collapse:collapse;width:100%;margin:0 0 12px;font-size:14px";
const TH: &str = "padding:6px 8px;border:1px solid #d0d7de;background:#eef1f4;font-weight:600;vertical-align:bottom";
const TD: &str = "padding:6px 8px;border:1px solid #d0d7de;vertical-align:top;font-weight:400";
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
    let align = |index: usize| if table.right.get(index) == Some(&true) { "right" } else { "left" };
    let wide = table.head.len() >= WIDE;
    let mark = if wide { " data-wide=\"yes\"" } else { "" };
    out.push_str(&format!(
        "<div style=\"overflow-x:auto\"><table class=\"grid\"{mark} style=\"{TABLE}\">\n<thead><tr>"
    ));
    for (index, cell) in table.head.iter().enumerate() {
        let align = align(index);
        let cell = words(cell, answers);
        out.push_str(&format!("<th scope=\"col\" align=\"{align}\" style=\"{TH};text-align:{align}\">{cell}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in &table.rows {
        out.push_str("<tr>");
        for (index, cell) in row.iter().enumerate() {
            let align = align(index);
            // An amount or an article number that breaks is read wrong.
            let length = plain(cell).chars().count();
            let short = index == 0 && length < 20 || align == "right" && length < WHOLE_CHARS;
            let whole = if short { ";white-space:nowrap" } else { "" };
            let label = table.head.get(index).filter(|_| wide).map(|head| escape(&plain(head)));
            let label = label.map(|label| format!("data-label=\"{label}\" ")).unwrap_or_default();
            let cell = words(cell, answers);
            let style = format!("{label}align=\"{align}\" style=\"{TD};text-align:{align}{whole}\"");
            out.push_str(&match index {
                0 => format!("<th scope=\"row\" {style}>{cell}</th>"),
                _ => format!("<td {style}>{cell}</td>"),
            });
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

fn words(inline: &Inline, answers: &Answers<'_>) -> String {
    let mut out = String::new();
    for span in inline {
        let text = escape(&span.text);
        let text = match &span.link {
            Some(Link::Url(url)) => {
                format!("<a class=\"link\" style=\"{LINK}\" href=\"{}\">{text}</a>", escape(url))
            }
            Some(Link::Answer(words)) => match answers.to {
                Some(to) => format!(
                    "<a class=\"{}\" style=\"{BUTTON}\" href=\"{}\">{text}</a>",
                    if words.chars().count() > BUTTON_CHARS { "button long" } else { "button" },
                    escape(&mailto(to, answers.subject, words))
                ),
                None => format!("<strong>{text}</strong>"),
            },
            None => text,
        };
        out.push_str(&if span.strong { format!("<strong>{text}</strong>") } else { text });
    }
    out
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
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
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
