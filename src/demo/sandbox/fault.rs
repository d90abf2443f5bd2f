//! What can go wrong with a mail server, and when. A script for the sandbox.

use std::time::Duration;

/// The occasion of a fault.
#[derive(Clone, Debug)]
pub struct Rule {
    word: String,
    containing: Option<String>,
    about: Option<u32>,
    skip: usize,
    times: usize,
}

impl Rule {
    /// On a command: `SELECT`, `UID FETCH`, `IDLE`, `RCPT`, `DATA`; on `GREETING` (IMAP), `SMTP GREETING`; on `MESSAGE`, the
    /// end of the data that follows DATA; on `*`, any of them.
    pub fn on(word: &str) -> Rule {
        Rule { word: word.to_ascii_uppercase(), containing: None, about: None, skip: 0, times: 1 }
    }

    /// Only when the command line contains this (any case).
    pub fn containing(mut self, text: &str) -> Rule {
        self.containing = Some(text.to_ascii_uppercase());
        self
    }

    /// Only when the command is about the mail of this UID.
    pub fn about(mut self, uid: u32) -> Rule {
        self.about = Some(uid);
        self
    }

    /// Not the first `count` times.
    pub fn skip(mut self, count: usize) -> Rule {
        self.skip = count;
        self
    }

    /// That many times in all; once unless said.
    pub fn times(mut self, count: usize) -> Rule {
        self.times = count;
        self
    }

    /// Every time.
    pub fn always(self) -> Rule {
        self.times(usize::MAX)
    }

    fn fits(&self, word: &str, line: &str, uids: &[u32]) -> bool {
        (self.word == "*" || self.word == word)
            && self.containing.as_ref().is_none_or(|text| line.to_ascii_uppercase().contains(text))
            && self.about.is_none_or(|uid| uids.contains(&uid))
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers this instead of doing it: `NO [LIMIT] not now`, `BAD what?`, `451 4.3.0 later`. IMAP puts the tag in front.
    Answer(String),
    /// Sends these lines before doing it as usual (each ended by CRLF): `* 5 EXISTS\r\n`.
    Tell(String),
    /// Does it, but sends these bytes instead of the answer; `{tag}` stands for the tag.
    Say(String),
    /// `* BYE` or `421`, and hangs up, without doing it.
    Bye,
    /// Hangs up without a word, without doing it.
    Drop,
    /// Does it and hangs up instead of answering.
    DropAfter,
    /// Answers and hangs up.
    AnswerAndDrop,
    /// Does it, sends the first bytes of the answer and hangs up.
    Cut(usize),
    /// Does it and hangs up in the middle of the first literal.
    CutInLiteral,
    /// Never answers, does nothing.
    Silence,
    /// Waits, then does it as usual.
    Delay(Duration),
    /// Says OK and does nothing.
    Pretend,
    /// FETCH: leaves out what it was asked for of this mail and says OK.
    Omit(u32),
    /// FETCH: gives this mail's body as NIL.
    Nil(u32),
    /// FETCH: states this size for each mail.
    Size(u64),
    /// FETCH: states literals longer by this many bytes than they are; the client waits for them in vain.
    LongLiteral(usize),
    /// The mails the command is about vanish before it is done.
    Vanish,
    /// The folder gets a new UIDVALIDITY; the connection goes on as if nothing had happened.
    NewValidity,
}

#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<(Rule, Fault)>,
    pub used: usize,
}

impl Faults {
    pub fn push(&mut self, rule: Rule, fault: Fault) {
        self.rules.push((rule, fault));
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The fault that is due on this occasion.
    pub fn due(&mut self, word: &str, line: &str, uids: &[u32]) -> Option<Fault> {
        for (rule, fault) in &mut self.rules {
            if rule.times == 0 || !rule.fits(word, line, uids) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            if rule.times != usize::MAX {
                rule.times -= 1;
            }
            self.used += 1;
            return Some(fault.clone());
        }
        None
    }
}
