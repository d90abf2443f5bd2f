//! What elements say about the text within them, by the names that mail clients give them.

/// What an element does to the lines within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Role {
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

pub(super) fn role(name: &str, attributes: &[(String, String)]) -> Role {
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

pub(super) fn unseen_size(style: &str) -> bool {
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
pub(super) fn cuts(attributes: &[(String, String)]) -> bool {
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

pub(super) fn is_divider(attributes: &[(String, String)]) -> bool {
    let id = attribute(attributes, "id").to_ascii_lowercase();
    matches!(plain_name(&id), "stopspelling" | "zwchr" | "previousmessage")
        || attribute(attributes, "data-marker") == "__DIVIDER__"
}

/// Outlook draws the line above the original as a border.
pub(super) fn is_ruled(attributes: &[(String, String)]) -> bool {
    let style = attribute(attributes, "style").to_ascii_lowercase();
    style.contains("border-top") && style.contains("solid") && style.contains("border:none")
}

/// Clients that pass a mail on put `x_` or `ecx` before the names of others.
pub(super) fn plain_name(name: &str) -> &str {
    let mut name = name;
    while let Some(rest) = name.strip_prefix("x_").or_else(|| name.strip_prefix("ecx")) {
        name = rest;
    }
    name
}

pub(super) fn attribute<'a>(attributes: &'a [(String, String)], name: &str) -> &'a str {
    attributes.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str())
}
