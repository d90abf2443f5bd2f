//! The grammar of Authentication-Results (RFC 8601 section 2.2), read whole or not at all.

/// One `method=result` with its properties, all in lower case but for values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) method: String,
    pub(super) result: String,
    pub(super) properties: Vec<(String, String)>,
}

impl Outcome {
    /// A property as a domain: `header.from=x`, `header.i=@x`, `smtp.mailfrom=a@x`.
    pub(super) fn domain(&self, names: &[&str]) -> Option<String> {
        let (_, value) = self.properties.iter().find(|(name, _)| names.contains(&name.as_str()))?;
        let domain = value.rsplit('@').next().unwrap_or(value);
        Some(domain.trim_end_matches('.').to_lowercase()).filter(|domain| !domain.is_empty())
    }
}

/// A field by the grammar of RFC 8601 section 2.2: the authserv-id and the results. `None` when the field does not
/// follow it: half-read results are what attackers work with.
pub(super) fn results(value: &str) -> Option<(Option<String>, Vec<Outcome>)> {
    let tokens = tokens(value)?;
    let mut segments = tokens.split(|token| *token == Token::End);
    let first = segments.next()?;
    let (id, mut outcomes) = match first {
        // `authserv-id`, maybe with a version.
        [Token::Word(id)] => (Some(id.clone()), Vec::new()),
        [Token::Word(id), Token::Word(version)] if version.bytes().all(|byte| byte.is_ascii_digit()) => {
            (Some(id.clone()), Vec::new())
        }
        // The quirk: results at once.
        other => (None, vec![outcome(other)?]),
    };
    for segment in segments {
        match segment {
            [] | [Token::Word(_)] => {}
            segment => outcomes.push(outcome(segment)?),
        }
    }
    Some((id, outcomes))
}

pub(super) fn outcome(segment: &[Token]) -> Option<Outcome> {
    let mut pairs = segment.chunks(3).map(|chunk| match chunk {
        [Token::Word(name), Token::Is, Token::Word(value)] => Some((name.to_ascii_lowercase(), value.clone())),
        _ => None,
    });
    let (method, result) = pairs.next()??;
    let method = method.split('/').next()?.trim().to_string();
    let properties = pairs.collect::<Option<Vec<_>>>()?;
    Some(Outcome { method, result: result.to_ascii_lowercase(), properties })
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(String),
    Is,
    End,
}

/// Words, `=` and `;` outside of comments and quoted strings. `None` for what is not closed.
pub(super) fn tokens(value: &str) -> Option<Vec<Token>> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    // Behind `=` stands a value, in which another `=` is only a character (`header.b=abc=`).
    let mut in_value = false;
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '(' => {
                flush(&mut word, &mut found, &mut in_value);
                skip_comment(&mut chars)?;
            }
            '"' => {
                let text = quoted(&mut chars)?;
                word.get_or_insert_default().push_str(&text);
            }
            ';' => {
                flush(&mut word, &mut found, &mut in_value);
                in_value = false;
                found.push(Token::End);
            }
            c if c.is_whitespace() => flush(&mut word, &mut found, &mut in_value),
            '=' if !in_value || word.is_none() && found.last() != Some(&Token::Is) => {
                flush(&mut word, &mut found, &mut in_value);
                found.push(Token::Is);
                in_value = true;
            }
            ')' => return None,
            c if c.is_control() => return None,
            other => word.get_or_insert_default().push(other),
        }
        if found.len() > 2_000 {
            return None;
        }
    }
    flush(&mut word, &mut found, &mut in_value);
    Some(found)
}

pub(super) fn flush(word: &mut Option<String>, found: &mut Vec<Token>, in_value: &mut bool) {
    if let Some(word) = word.take() {
        *in_value = false;
        found.push(Token::Word(word));
    }
}

pub(super) fn skip_comment(chars: &mut std::str::Chars<'_>) -> Option<()> {
    let mut depth = 1usize;
    loop {
        match chars.next()? {
            '\\' => drop(chars.next()?),
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(());
        }
    }
}

pub(super) fn quoted(chars: &mut std::str::Chars<'_>) -> Option<String> {
    let mut text = String::new();
    loop {
        match chars.next()? {
            '\\' => text.push(chars.next()?),
            '"' => return Some(text),
            other => text.push(other),
        }
    }
}
