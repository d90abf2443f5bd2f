//! Words of the eleven languages that partners write in: months, signs of currencies, words that end a
//! table, and enough small words to tell the languages apart.
//!
//! Data and comparing only; it must never know a mapping or a document.

/// A language by its ISO 639-1 code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(&'static str);

#[rustfmt::skip]
const MONTHS: &[(&str, [&str; 12])] = &[
    ("da", ["januar", "februar", "marts", "april", "maj", "juni", "juli", "august", "september", "oktober", "november", "december"]),
    ("de", ["januar", "februar", "märz", "april", "mai", "juni", "juli", "august", "september", "oktober", "november", "dezember"]),
    ("en", ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"]),
    ("es", ["enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"]),
    ("fi", ["tammikuuta", "helmikuuta", "maaliskuuta", "huhtikuuta", "toukokuuta", "kesäkuuta", "heinäkuuta", "elokuuta", "syyskuuta", "lokakuuta", "marraskuuta", "joulukuuta"]),
    ("fr", ["janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre", "décembre"]),
    ("it", ["gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre"]),
    ("nb", ["januar", "februar", "mars", "april", "mai", "juni", "juli", "august", "september", "oktober", "november", "desember"]),
    ("nl", ["januari", "februari", "maart", "april", "mei", "juni", "juli", "augustus", "september", "oktober", "november", "december"]),
    ("pl", ["stycznia", "lutego", "marca", "kwietnia", "maja", "czerwca", "lipca", "sierpnia", "września", "października", "listopada", "grudnia"]),
    ("sv", ["januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november", "december"]),
];

/// Further ways to write a month, beyond the name and its first letters.
#[rustfmt::skip]
const MONTHS_TOO: &[(&str, &[(&str, usize)])] = &[
    ("de", &[("jänner", 1), ("jan", 1), ("feber", 2), ("mrz", 3), ("maerz", 3), ("sept", 9)]),
    ("en", &[("sept", 9)]),
    ("es", &[("setiembre", 9), ("sept", 9)]),
    ("fi", &[("tammikuu", 1), ("helmikuu", 2), ("maaliskuu", 3), ("huhtikuu", 4), ("toukokuu", 5), ("kesäkuu", 6), ("heinäkuu", 7),
        ("elokuu", 8), ("syyskuu", 9), ("lokakuu", 10), ("marraskuu", 11), ("joulukuu", 12)]),
    ("fr", &[("janv", 1), ("févr", 2), ("fevrier", 2), ("avr", 4), ("juil", 7), ("aout", 8), ("sept", 9), ("decembre", 12)]),
    ("it", &[("sett", 9)]),
    ("nl", &[("mrt", 3)]),
    ("pl", &[("styczeń", 1), ("luty", 2), ("marzec", 3), ("kwiecień", 4), ("maj", 5), ("czerwiec", 6), ("lipiec", 7), ("sierpień", 8),
        ("wrzesień", 9), ("październik", 10), ("listopad", 11), ("grudzień", 12), ("sty", 1), ("lut", 2), ("kwi", 4), ("cze", 6), ("lip", 7),
        ("sie", 8), ("wrz", 9), ("paź", 10), ("lis", 11), ("gru", 12)]),
];

#[rustfmt::skip]
const WEEKDAYS: &[(&str, [&str; 7])] = &[
    ("da", ["mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag"]),
    ("de", ["montag", "dienstag", "mittwoch", "donnerstag", "freitag", "samstag", "sonntag"]),
    ("en", ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]),
    ("es", ["lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"]),
    ("fi", ["maanantai", "tiistai", "keskiviikko", "torstai", "perjantai", "lauantai", "sunnuntai"]),
    ("fr", ["lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"]),
    ("it", ["lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"]),
    ("nb", ["mandag", "tirsdag", "onsdag", "torsdag", "fredag", "lørdag", "søndag"]),
    ("nl", ["maandag", "dinsdag", "woensdag", "donderdag", "vrijdag", "zaterdag", "zondag"]),
    ("pl", ["poniedziałek", "wtorek", "środa", "czwartek", "piątek", "sobota", "niedziela"]),
    ("sv", ["måndag", "tisdag", "onsdag", "torsdag", "fredag", "lördag", "söndag"]),
];

/// Small words that texts of a language cannot do without and its neighbours do not have.
#[rustfmt::skip]
const SMALL: &[(&str, &[&str])] = &[
    ("da", &["og", "vi", "ikke", "til", "med", "jeres", "deres", "tak", "hilsen", "ordre", "bekræfter", "levering", "antal", "af", "varenr"]),
    ("de", &["und", "der", "die", "das", "wir", "nicht", "ihre", "ihr", "mit", "für", "vielen", "dank", "grüßen", "bestellung", "menge", "sie", "artikel"]),
    ("en", &["and", "the", "we", "not", "your", "with", "for", "thank", "you", "regards", "order", "quantity", "of", "is", "price", "item"]),
    ("es", &["y", "el", "los", "su", "con", "para", "gracias", "pedido", "cantidad", "saludos", "precio", "fecha", "artículo", "del", "nuestro"]),
    ("fi", &["ja", "ei", "tilaus", "tilauksenne", "kiitos", "määrä", "hinta", "toimitus", "terveisin", "teidän", "tuote", "vahvistamme", "pvm"]),
    ("fr", &["et", "le", "les", "votre", "vous", "avec", "pour", "merci", "commande", "quantité", "nous", "prix", "de", "du", "cordialement", "livraison"]),
    ("it", &["e", "il", "di", "la", "vostro", "con", "per", "grazie", "ordine", "quantità", "prezzo", "saluti", "articolo", "della", "consegna"]),
    ("nb", &["og", "vi", "ikke", "til", "med", "deres", "takk", "hilsen", "ordre", "bekrefter", "levering", "antall", "av", "varenr", "bestilling"]),
    ("nl", &["en", "de", "het", "uw", "met", "voor", "bedankt", "bestelling", "aantal", "wij", "prijs", "niet", "een", "groet", "artikel", "levering"]),
    ("pl", &["i", "nie", "na", "dziękujemy", "zamówienie", "ilość", "cena", "państwa", "termin", "dostawy", "pozdrawiamy", "zamówienia", "oraz", "do", "w"]),
    ("sv", &["och", "vi", "inte", "er", "till", "med", "tack", "beställning", "antal", "pris", "hälsningar", "ordern", "order", "leverans", "av", "ert"]),
];

/// Words before another word that turn its meaning round.
const NEGATIONS: &[&str] = &[
    "nicht", "kein", "keine", "nie", "not", "no", "never", "non", "pas", "jamais", "niet", "geen", "inte", "ej",
    "ikke", "ingen", "ei", "nie", "sin",
];

/// How rows begin that close a table or carry its sum over the page.
#[rustfmt::skip]
const STOPS: &[&str] = &[
    "zwischensumme", "gesamtsumme", "gesamtbetrag", "summe", "gesamt", "nettobetrag", "netto", "positionssumme", "warenwert", "übertrag", "rechnungsbetrag", "endbetrag", "mwst", "umsatzsteuer", "versandkosten",
    "subtotal", "sub-total", "net total", "total", "grand total", "carried forward", "brought forward", "amount due", "vat",
    "sous-total", "montant total", "total ht", "report", "tva", "à reporter",
    "subtotaal", "totaal", "btw", "totale", "subtotale", "totale parziale", "iva", "imponibile",
    "importe total", "suma", "delsumma", "summa", "moms", "sum", "i alt", "mva", "yhteensä", "välisumma", "alv", "razem", "podsumowanie", "wartość", "delsum",
];

impl Language {
    pub const ALL: [Language; 11] = [
        Language("da"),
        Language("de"),
        Language("en"),
        Language("es"),
        Language("fi"),
        Language("fr"),
        Language("it"),
        Language("nb"),
        Language("nl"),
        Language("pl"),
        Language("sv"),
    ];

    pub fn from_code(code: &str) -> Option<Language> {
        Language::ALL.into_iter().find(|language| language.0 == code)
    }

    pub fn code(self) -> &'static str {
        self.0
    }

    /// The language whose small words a text has most of; none when two are level or fewer than three were found.
    pub fn of(text: &str) -> Option<Language> {
        let mut votes: Vec<(usize, Language)> = Language::ALL.map(|language| (0, language)).to_vec();
        for word in text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).take(5_000) {
            let lower = word.to_lowercase();
            for (count, language) in &mut votes {
                let small = SMALL.iter().find(|row| row.0 == language.0).map_or(&[][..], |row| row.1);
                *count += usize::from(small.contains(&lower.as_str()));
            }
        }
        votes.sort_by_key(|vote| std::cmp::Reverse(vote.0));
        match votes.as_slice() {
            [(first, language), (second, _), ..] if *first >= 3 && first > second => Some(*language),
            _ => None,
        }
    }

    /// The month (1 to 12) that a word names, by its name or at least three letters of it; a dot behind may stand.
    pub fn month(self, word: &str) -> Option<usize> {
        let word = word.trim_end_matches('.').to_lowercase();
        if let Some((_, number)) = of(MONTHS_TOO, self.0).and_then(|rows| rows.iter().find(|row| row.0 == word)) {
            return Some(*number);
        }
        begins_one(MONTHS.iter().find(|row| row.0 == self.0).map_or(&[][..], |row| &row.1), &word, 3)
            .map(|index| index + 1)
    }

    /// Whether a word is a day of the week, whole or shortened to at least two letters.
    pub fn is_weekday(self, word: &str) -> bool {
        let word = word.trim_end_matches('.').to_lowercase();
        begins_one(WEEKDAYS.iter().find(|row| row.0 == self.0).map_or(&[][..], |row| &row.1), &word, 2).is_some()
    }
}

fn of<T: ?Sized>(rows: &'static [(&str, &'static T)], code: &str) -> Option<&'static T> {
    rows.iter().find(|row| row.0 == code).map(|row| row.1)
}

/// The index of the only name that is, or begins with, `word` of at least `least` letters.
fn begins_one(names: &[&str], word: &str, least: usize) -> Option<usize> {
    if let Some(index) = names.iter().position(|name| *name == word) {
        return Some(index);
    }
    if word.chars().count() < least {
        return None;
    }
    let mut found = names.iter().enumerate().filter(|(_, name)| name.starts_with(word));
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Some(index),
        _ => None,
    }
}

/// Whether a word turns round the meaning of the next one ("nicht", "not", "pas").
pub fn is_negation(word: &str) -> bool {
    NEGATIONS.contains(&word.to_lowercase().as_str())
}

/// Whether a row that begins so closes a table or carries its sum ("Zwischensumme", "Übertrag", "Total").
pub fn is_stop(row: &str) -> bool {
    let row = row.trim().to_lowercase();
    STOPS.iter().any(|stop| {
        row.strip_prefix(stop)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '-' || c == '/'))
    })
}

/// The ISO 4217 code of a currency sign or code.
pub fn currency(word: &str) -> Option<&'static str> {
    const SIGNS: &[(&str, &str)] = &[
        ("€", "EUR"),
        ("eur", "EUR"),
        ("euro", "EUR"),
        ("euros", "EUR"),
        ("chf", "CHF"),
        ("sfr", "CHF"),
        ("fr", "CHF"),
        ("$", "USD"),
        ("usd", "USD"),
        ("£", "GBP"),
        ("gbp", "GBP"),
        ("sek", "SEK"),
        ("nok", "NOK"),
        ("dkk", "DKK"),
        ("zł", "PLN"),
        ("pln", "PLN"),
        ("czk", "CZK"),
        ("kč", "CZK"),
        ("huf", "HUF"),
        ("ft", "HUF"),
        ("jpy", "JPY"),
        ("¥", "JPY"),
        ("cny", "CNY"),
        ("ron", "RON"),
        ("bgn", "BGN"),
        ("isk", "ISK"),
        ("try", "TRY"),
        ("cad", "CAD"),
        ("aud", "AUD"),
    ];
    let lower = word.trim_end_matches('.').to_lowercase();
    SIGNS.iter().find(|row| row.0 == lower).map(|row| row.1)
}

/// Crowns of three countries share one sign; it may stand beside a number but names no currency.
pub fn is_currency_sign(word: &str) -> bool {
    currency(word).is_some() || matches!(word.trim_end_matches('.').to_lowercase().as_str(), "kr" | "kr:")
}

/// Whether a word behind a price or quantity changes nothing of it: net of tax, an offer.
pub fn is_net(word: &str) -> bool {
    const NET: &[&str] = &[
        "net",
        "nett",
        "netto",
        "neto",
        "ht",
        "h.t",
        "mwst",
        "ust",
        "vat",
        "iva",
        "tva",
        "btw",
        "moms",
        "mva",
        "alv",
        "angebot",
        "aktion",
        "offer",
        "oferta",
        "offerta",
        "offre",
        "promo",
        "aanbieding",
        "actie",
        "tilbud",
    ];
    let bare = word.strip_prefix('(').and_then(|word| word.strip_suffix(')')).unwrap_or(word);
    NET.contains(&bare.trim_end_matches('.').to_lowercase().as_str())
}

/// Whether a word counts many: what follows the slash of a price for a hundred.
pub fn is_many(word: &str) -> bool {
    const MANY: &[&str] = &[
        "hundert", "tausend", "tsd", "hundred", "thousand", "cent", "cento", "mille", "cien", "ciento", "mil",
        "honderd", "duizend", "hundra", "tusen", "hundre", "hundrede", "tusind", "sata", "tuhat", "sto", "tysiąc",
    ];
    word.chars().any(|c| c.is_ascii_digit())
        || MANY.contains(&word.trim_end_matches(['.', '%']).to_lowercase().as_str())
}

/// The words of a text with the byte each begins at.
pub fn offsets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut rest = 0;
    for word in text.split_whitespace() {
        let at = text.get(rest..).and_then(|tail| tail.find(word)).map_or(rest, |at| rest + at);
        found.push((at, word));
        rest = at + word.len();
    }
    found
}

/// Where a list of numbers of one shape ends that a text begins with: `4500103, 4500104`, `K-4401 und K-4402`;
/// `None` for one number, whatever stands behind it.
pub fn listed(text: &str) -> Option<usize> {
    const JOINS: &[&str] =
        &["und", "and", "et", "en", "y", "e", "og", "och", "ja", "i", "oraz", "sowie", "u.", "&", "+", "/", ",", ";"];
    let shape = |word: &str| -> String {
        word.chars()
            .map(|c| {
                if c.is_numeric() {
                    '0'
                } else if c.is_alphabetic() {
                    'a'
                } else {
                    c
                }
            })
            .collect()
    };
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_string();
    let mut words = offsets(text).into_iter();
    let (_, first) = words.next()?;
    let joins = |word: &str| word.ends_with([',', ';', '/', '+', '&']);
    let (mut joined, mut end) = (joins(first), None);
    let first = bare(first);
    // Years and counts are shorter, or not joined.
    if first.chars().filter(char::is_ascii_digit).count() < 4 {
        return None;
    }
    for (at, word) in words {
        if JOINS.contains(&word.to_lowercase().as_str()) {
            joined = true;
            continue;
        }
        let other = bare(word);
        if !joined || shape(&other) != shape(&first) {
            break;
        }
        if other != first {
            end = Some(at + word.find(&other).unwrap_or(0) + other.len());
        }
        joined = joins(word);
    }
    end
}

/// For comparing labels and words: lower case, no spaces, no punctuation at the end, ligatures and no-break
/// spaces resolved.
pub fn plain(text: &str) -> String {
    let mut folded = folded(text);
    folded.truncate(unpunctuated(&folded).len());
    folded
}

/// [`plain`] with the punctuation at the end: that of words in a row is that of each, one behind the other.
pub fn folded(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    if text.is_ascii() {
        // Most words of most documents: nothing to fold but the case.
        return text
            .bytes()
            .filter(|b| !b.is_ascii_whitespace() && *b != 0x0b)
            .map(|b| char::from(b.to_ascii_lowercase()))
            .collect();
    }
    text.nfkc().flat_map(char::to_lowercase).filter(|c| !c.is_whitespace() && *c != '\u{ad}').collect()
}

/// Folded words without the punctuation at their end.
pub fn unpunctuated(folded: &str) -> &str {
    folded.trim_end_matches([':', '.', '#', '*', ';'])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A partner's month read as another one would move a delivery by weeks.
    #[test]
    fn months_in_every_language() {
        let cases = [
            ("de", "Dezember", 12),
            ("de", "Dez.", 12),
            ("de", "Mrz", 3),
            ("fr", "août", 8),
            ("fr", "déc.", 12),
            ("fi", "joulukuuta", 12),
            ("pl", "grudnia", 12),
            ("sv", "maj", 5),
            ("nl", "mrt", 3),
            ("it", "dicembre", 12),
            ("es", "dic", 12),
            ("nb", "desember", 12),
            ("en", "Sept", 9),
            ("da", "okt.", 10),
        ];
        for (code, word, month) in cases {
            assert_eq!(Language::from_code(code).unwrap().month(word), Some(month), "{code} {word}");
        }
        let french = Language::from_code("fr").unwrap();
        assert_eq!(french.month("ju"), None);
        assert_eq!(french.month("jui"), None, "juin or juillet");
    }

    /// `language = "de"` in a mapping must tell a German mail from a Dutch one.
    #[test]
    fn languages_are_told_apart() {
        let cases = [
            ("Vielen Dank für Ihre Bestellung, wir liefern die Ware mit der Spedition.", "de"),
            ("Bedankt voor uw bestelling, wij leveren het artikel niet meer.", "nl"),
            ("Merci pour votre commande, nous vous confirmons les quantités.", "fr"),
            ("Thank you for your order, we confirm the quantity.", "en"),
            ("Tack för er beställning, vi bekräftar antal och pris.", "sv"),
        ];
        for (text, code) in cases {
            assert_eq!(Language::of(text).map(Language::code), Some(code), "{text}");
        }
        assert_eq!(Language::of("4711 10 12.50"), None);
    }

    /// The second order of a mail that answers two must not vanish; what else stands behind a number is no order.
    #[test]
    fn lists_of_numbers_are_seen() {
        for list in ["4500103, 4500104", "4500103 und 4500104", "K-4401 / K-4402", "4500103; 4500103, 4500105"] {
            assert_eq!(listed(list), Some(list.len()), "{list}");
        }
        for one in ["4500103", "4500103, vom 20.11.2026", "4500103 4500104", "4500103, 4500103", "4711 / 2", "12, 24"] {
            assert_eq!(listed(one), None, "{one}");
        }
    }

    /// A sum read as an order line would be a line nobody ordered.
    #[test]
    fn sums_end_tables() {
        assert!(is_stop("Zwischensumme 1.200,00"));
        assert!(is_stop("Total: 5"));
        assert!(!is_stop("Totalstation 4711"));
        assert!(!is_stop("10 Gesamtpaket"));
    }
}
