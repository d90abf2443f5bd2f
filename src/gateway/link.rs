//! Mails whose values stand on a page that they link to: the page is fetched once, kept with the mail, and read.
//!
//! What was fetched lies as a blob beside the raw mail, so that reading the mail again (`mail rerun`, `mapping replay`)
//! reads the same. A page that cannot be had now is asked for again by itself, for a day; a page that may not be asked for
//! or is no page is a fault that names the link. Only a mail of a known sender with a proved origin comes here.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Gateway, Live};
use crate::document::{self, Limits, Part};
use crate::mail::Mail;
use crate::mapping::link::{self, FETCHED_MAX, Wanted};
use crate::mapping::{self, Choice, MailReading, Material};
use crate::model::{Digest, Fault, FaultCode, MailId, PartnerId, Place};
use crate::store::{Linked, MailFilter, MailRecord, StoreError};
use crate::wire::web::{self, SystemResolver, WebError, WebPage, WebRules};

/// Where mails wait whose page cannot be had now.
pub(super) const DRAWER: &str = "waits-for-link";
/// After that the page is given up.
const WAITS_MAX: SignedDuration = SignedDuration::from_hours(24);
const PAUSE_MIN: SignedDuration = SignedDuration::from_secs(60);
const PAUSE_MAX: SignedDuration = SignedDuration::from_hours(1);
const WAITING_MAX: usize = 200;

/// What a mail says, with what its links led to.
#[derive(Default)]
pub(super) struct LinkedReading {
    pub reading: MailReading,
    /// Pages that are new: to be committed with the mail, each with its bytes.
    pub fetched: Vec<(Linked, Vec<u8>)>,
    /// Why it cannot be read now, but perhaps later.
    pub waits: Option<String>,
}

impl Gateway {
    /// A test switch: links may lead to loopback addresses.
    pub fn allow_loopback_links(&self) {
        self.inner.loopback_links.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// What a mail says. `record` is the mail as it was kept before, with the pages of then; with `fetch` pages that are
    /// missing are asked for.
    pub(super) fn read_linked(
        &self,
        mail: &Mail,
        partner: Option<&PartnerId>,
        record: Option<&MailRecord>,
        fetch: bool,
        live: &Live,
    ) -> Result<LinkedReading, StoreError> {
        let reader = |input: &document::Input<'_>| (self.inner.reader)(input);
        let limits = Limits { cells_of_text: false, ..Limits::default() };
        let mut material = Material::of_mail(mail, &limits, &reader);
        if matches!(live.library.choose(&material, partner), Choice::None(_))
            && let Some(subject) = self.continued_subject(mail, live)?
        {
            // Who answers our question writes under our subject; mappings know the usual one.
            let own = std::mem::replace(&mut material.subject, subject);
            if matches!(live.library.choose(&material, partner), Choice::None(_)) {
                material.subject = own;
            }
        }
        let wanted = link::wanted(mail, &material, &live.library, partner);
        if wanted.is_empty() || !matches!(live.library.choose(&material, partner), Choice::None(_)) {
            let reading = mapping::mails::read_material(&material, &live.library, partner);
            return Ok(LinkedReading { reading, ..LinkedReading::default() });
        }
        let plain = mapping::mails::read_material(&material, &live.library, partner);
        if !plain.messages.is_empty() {
            return Ok(LinkedReading { reading: plain, ..LinkedReading::default() });
        }
        let mut out = LinkedReading::default();
        for linked in record.map(|record| record.linked.as_slice()).unwrap_or_default() {
            if let Some(bytes) = self.store().blob(&linked.digest)? {
                material.linked.extend(parts(linked, &bytes, &reader));
            }
        }
        let kept = !material.linked.is_empty();
        let mut faults = Vec::new();
        if !kept && wanted.len() > FETCHED_MAX {
            let several = format!(
                "{} links could be meant, at most {FETCHED_MAX} are followed; `url` in [source] tells which",
                wanted.len()
            );
            faults.push(fault(several, None));
        } else if !kept && fetch {
            let given_up = record.is_some_and(|record| self.now().duration_since(record.received_at) > WAITS_MAX);
            for (one, got) in wanted.iter().zip(self.fetch_all(&wanted)) {
                match got {
                    Ok(page) => {
                        let linked = Linked {
                            link: one.url.clone(),
                            url: page.url,
                            content_type: page.content_type,
                            digest: Digest::of(&page.bytes),
                            fetched_at: self.now(),
                        };
                        material.linked.extend(parts(&linked, &page.bytes, &reader));
                        out.fetched.push((linked, page.bytes));
                    }
                    Err(WebError::Later(why)) if !given_up => {
                        out.waits = Some(format!("the page {} cannot be had now: {why}", shown(&one.url)));
                    }
                    Err(WebError::Later(why) | WebError::Refused(why)) => {
                        faults.push(fault(format!("the page {} is not read: {why}", shown(&one.url)), Some(&one.url)));
                    }
                }
            }
        }
        if out.waits.is_some() {
            // All or nothing: half of an answer would be taken for the whole.
            out.fetched.clear();
            return Ok(out);
        }
        out.reading = mapping::mails::read_material(&material, &live.library, partner);
        if !faults.is_empty() && out.reading.messages.is_empty() {
            out.reading.faults = faults;
        } else {
            out.reading.faults.extend(faults);
        }
        Ok(out)
    }

    /// The subject of the mail that we asked about, when this one answers our question.
    fn continued_subject(&self, mail: &Mail, live: &Live) -> Result<Option<String>, StoreError> {
        let Some(question) = self.question(mail, live)? else { return Ok(None) };
        let about = match (self.sale_of_question(&question)?, &question.transmission.order) {
            (Some(sale), _) => sale.versions.last().and_then(|version| version.mail),
            (None, Some(order)) => {
                let dossier = self.store().dossier(order)?;
                let asked = question.transmission.response;
                dossier
                    .zip(asked)
                    .and_then(|(dossier, id)| dossier.responses.get(&id).and_then(|response| response.mail))
            }
            (None, None) => None,
        };
        Ok(match about {
            Some(id) => self.store().mail(id)?.map(|record| record.subject),
            None => None,
        })
    }

    /// Fetches on a thread of its own: whoever looks at a mail may or may not stand in a runtime.
    fn fetch_all(&self, wanted: &[Wanted]) -> Vec<Result<WebPage, WebError>> {
        let loopback = self.inner.loopback_links.load(std::sync::atomic::Ordering::Relaxed);
        let away = |why: &str| WebError::Later(why.to_string());
        let work = || -> Vec<Result<WebPage, WebError>> {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return wanted.iter().map(|_| Err(away(&error.to_string()))).collect(),
            };
            runtime.block_on(async {
                let mut pages = Vec::with_capacity(wanted.len());
                for one in wanted {
                    let rules = WebRules { loopback, ..WebRules::new(one.hosts.clone()) };
                    pages.push(web::fetch(&one.url, &rules, &SystemResolver).await);
                }
                pages
            })
        };
        std::thread::scope(|scope| scope.spawn(work).join())
            .unwrap_or_else(|_| wanted.iter().map(|_| Err(away("fetching it ended badly"))).collect())
    }

    /// Mails that wait for a page are looked at again, rarer the longer they wait. Returns how many were.
    pub fn follow_links_again(&self) -> Result<usize, StoreError> {
        let filter = MailFilter { drawer: Some(DRAWER.into()), limit: WAITING_MAX, ..MailFilter::default() };
        let waiting = self.store().mails(&filter)?;
        let mut count = 0;
        for record in &waiting {
            if !self.link_is_due(record) {
                continue;
            }
            count += 1;
            if let Err(error) = self.rerun(record.id, "postern") {
                tracing::error!(mail = %record.id, %error, "a mail that waits for a page cannot be looked at");
            }
        }
        Ok(count)
    }

    /// Whether a waiting mail's page is to be asked for now; notes that it is.
    fn link_is_due(&self, record: &MailRecord) -> bool {
        let now = self.now();
        let Ok(mut tried) = self.inner.links_tried.lock() else { return true };
        tried.retain(|_, at| now.duration_since(*at) < WAITS_MAX);
        let last = tried.get(&record.id).copied().unwrap_or(record.received_at);
        let due = is_due(record.received_at, last, now);
        if due {
            tried.insert(record.id, now);
        }
        due
    }
}

/// A mail that waits for half an hour is asked for after another quarter.
fn is_due(received: Timestamp, tried: Timestamp, now: Timestamp) -> bool {
    let half = SignedDuration::from_secs(now.duration_since(received).as_secs() / 2);
    now.duration_since(tried) >= half.clamp(PAUSE_MIN, PAUSE_MAX)
}

pub(super) type Tried = BTreeMap<MailId, Timestamp>;

/// The parts of a page, named by its link.
fn parts(linked: &Linked, bytes: &[u8], reader: &dyn Fn(&document::Input<'_>) -> Vec<Part>) -> Vec<Part> {
    let name = if linked.content_type.starts_with("application/pdf") { "page.pdf" } else { "page.html" };
    let mut parts = reader(&document::Input { name, media_type: &linked.content_type, bytes });
    parts.retain(|part| mapping::rule::Source::Link.takes(part.kind));
    for part in &mut parts {
        part.name = shown(&linked.link);
    }
    parts
}

/// A link for people: without its query, which may hold a key.
fn shown(link: &str) -> String {
    let bare = link.split(['?', '#']).next().unwrap_or_default();
    bare.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn fault(message: String, link: Option<&str>) -> Fault {
    Fault {
        code: FaultCode::Unreadable,
        message,
        position: None,
        line: None,
        field: None,
        read: link.map(shown),
        needed: None,
        place: Some(Place::whole("link")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A portal that is down must be asked again, but not hammered.
    #[test]
    fn waiting_mails_are_asked_for_rarer_and_rarer() {
        let start: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let after = |minutes: i64| start + SignedDuration::from_mins(minutes);
        let mut tried = start;
        let mut asked = Vec::new();
        for minute in 0..24 * 60 {
            if is_due(start, tried, after(minute)) {
                tried = after(minute);
                asked.push(minute);
            }
        }
        assert_eq!(asked.get(..6), Some([1, 2, 4, 8, 16, 32].as_slice()), "{asked:?}");
        assert!((25..40).contains(&asked.len()), "{asked:?}");
        assert_eq!(shown("https://x.example/ab/1?key=secret#y"), "https://x.example/ab/1");
    }
}
