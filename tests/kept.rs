//! Inputs that fuzzing found, replayed: `tests/kept/TARGET/*`. And fuzzing without a nightly toolchain:
//!
//! `POSTERN_FUZZ_SECONDS=60 cargo test --test kept -- --ignored --nocapture` mutates our own samples and
//! the kept inputs for so long, target by target; what it finds is written to `tests/kept/TARGET/` at once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test that cannot go on stops")]

#[path = "../fuzz/entries.rs"]
mod entries;
#[path = "documents/pdf.rs"]
#[allow(dead_code)]
mod pdf;

use std::io::{Cursor, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An input that takes longer than this is a find.
const SLOW: Duration = Duration::from_secs(5);
const LENGTH_MAX: usize = 1 << 16;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kept")
}

fn kept(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let files = std::fs::read_dir(folder().join(name)).into_iter().flatten().flatten();
    files.map(|file| (file.path(), std::fs::read(file.path()).unwrap())).collect()
}

/// A mail that once stopped the gateway must never stop it again.
#[test]
fn kept_inputs_do_no_harm() {
    let mut replayed = 0;
    for (name, entry) in entries::ALL {
        for (path, bytes) in kept(name) {
            eprintln!("{name}: {}", path.display());
            let begin = Instant::now();
            entry(&bytes);
            assert!(begin.elapsed() < 2 * SLOW, "{} took {:?}", path.display(), begin.elapsed());
            replayed += 1;
        }
    }
    eprintln!("{replayed} kept inputs replayed");
}

/// Whatever a partner's program or an attacker makes of a document, reading it ends and does not panic.
#[test]
#[ignore = "runs for POSTERN_FUZZ_SECONDS (default 10) a target"]
fn mutated_inputs_do_no_harm() {
    let seconds = std::env::var("POSTERN_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(10);
    let only = std::env::var("POSTERN_FUZZ_TARGET").ok();
    let seed = std::env::var("POSTERN_FUZZ_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(4711);
    entries::tolerate();
    let mut finds = Vec::new();
    for (name, entry) in entries::ALL.into_iter().filter(|target| only.as_deref().is_none_or(|only| only == target.0)) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut samples = samples(name);
        samples.extend(kept(name).into_iter().map(|(_, bytes)| bytes));
        let begin = Instant::now();
        let (mut runs, mut found) = (0u64, 0);
        while begin.elapsed() < Duration::from_secs(seconds) && found < 5 {
            let input = mutated(&samples, &mut random);
            let started = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| entry(&input)));
            runs += 1;
            if outcome.is_err() || started.elapsed() > SLOW {
                let file = folder().join(name).join(format!("{:08x}", random.u32(..)));
                std::fs::create_dir_all(folder().join(name)).unwrap();
                std::fs::write(&file, &input).unwrap();
                finds.push(format!("{} ({:?}, panic {})", file.display(), started.elapsed(), outcome.is_err()));
                found += 1;
            }
        }
        eprintln!("{name}: {runs} runs, {found} finds");
    }
    assert!(finds.is_empty(), "{finds:#?}");
}

/// Writes what the mutations begin with into `$POSTERN_FUZZ_SEEDS/TARGET/`, for `scripts/fuzz`.
#[test]
#[ignore = "only for the fuzzer"]
fn samples_for_the_fuzzer() {
    let Some(to) = std::env::var_os("POSTERN_FUZZ_SEEDS").map(PathBuf::from) else { return };
    for (name, _) in entries::ALL {
        std::fs::create_dir_all(to.join(name)).unwrap();
        for (at, sample) in samples(name).into_iter().enumerate() {
            std::fs::write(to.join(name).join(format!("sample-{at}")), sample).unwrap();
        }
    }
}

/// One of the samples, changed in a few places.
fn mutated(samples: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    const TOKENS: &[&str] = &[
        "'",
        "+",
        ":",
        "?",
        "\"",
        "<",
        ">",
        "</",
        "/>",
        "<!--",
        "<![CDATA[",
        "&amp;",
        "&#0;",
        "\r\n",
        "\n\n",
        "\t",
        ";",
        "|",
        "=",
        "--",
        "obj",
        "endobj",
        "stream\n",
        "endstream",
        "<<",
        ">>",
        "[",
        "]",
        " 0 R",
        "/Kids",
        "/Count",
        "/Type",
        "/Length",
        "-1",
        "0",
        "99999999999999999999",
        "4294967295",
        "1e308",
        "NaN",
        "[table]",
        "[table.columns]",
        "(?<quantity>",
        "*",
        "{",
        "}",
        "UNH+",
        "LIN+",
        "QTY+",
        "DTM+",
        "Content-Type: ",
        "boundary=",
        "multipart/mixed",
        "base64",
        "=?utf-8?Q?",
        "?=",
        "\0",
        "\u{feff}",
        "\u{202e}",
        "ä",
        "€",
        "𝟙",
        "colspan=9999",
        "rowspan=9999",
        "<table>",
        "<tr>",
        "<td>",
        "style=\"display:none\"",
    ];
    let mut input = samples.get(random.usize(..samples.len().max(1))).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..8) {
        let at = random.usize(..=input.len());
        let end = (at + random.usize(..64)).min(input.len());
        match random.u8(..9) {
            0 => input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.u8(..8)),
            1 => input
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte = *random.choice(&[0, 1, 0x7f, 0x80, 0xff, b'9']).unwrap()),
            2 => drop(input.drain(at..end)),
            3 => {
                let piece = input[at..end].to_vec();
                let times = 1 << random.u8(..6);
                input.splice(at..at, piece.repeat(times));
            }
            4 | 5 => drop(input.splice(at..at, random.choice(TOKENS).unwrap().bytes())),
            6 => {
                let other = &samples[random.usize(..samples.len())];
                let from = random.usize(..=other.len());
                let to = (from + random.usize(..512)).min(other.len());
                input.splice(at..end, other[from..to].iter().copied());
            }
            7 => input.truncate(at),
            _ => {
                let number = random.u32(..).to_le_bytes();
                input.iter_mut().skip(at).zip(number).take(random.usize(1..5)).for_each(|(byte, new)| *byte = new);
            }
        }
        input.truncate(LENGTH_MAX);
    }
    input
}

/// What a target's inputs look like.
fn samples(name: &str) -> Vec<Vec<u8>> {
    let texts: &[&str] = match name {
        "edifact" => &[
            "UNB+UNOC:3+S+B+261120:1200+7'UNH+1+ORDRSP:D:96A:UN'BGM+231+AB-1+4'DTM+137:20261120:102'RFF+ON:4711'NAD+SU+4012345000009::9'LIN+10+5+4000000000017:EN'PIA+1+A-1:SA'QTY+113:5:PCE'DTM+67:20261201:102'PRI+AAA:2.50::::PCE'UNS+S'UNT+12+1'UNZ+1+7'",
            "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *261120*1200*U*00401*000000001*0*P*>~GS*PR*S*R*20261120*1200*1*X*004010~ST*855*0001~BAK*00*AC*4711*20261120~PO1*10*5*EA*2.5**VP*A-1~ACK*IA*5*EA~SE*5*0001~GE*1*1~IEA*1*000000001~",
        ],
        "xml" => &[
            "<cbc:ID xmlns:cbc=\"c\">1</cbc:ID><OrderLine><LineItem><ID>10</ID><Quantity unitCode=\"EA\">5</Quantity><LineStatusCode>5</LineStatusCode></LineItem></OrderLine>",
            "<?xml version=\"1.0\"?><cXML payloadID=\"1\"><Request><ConfirmationRequest><ConfirmationHeader type=\"detail\" confirmID=\"1\" noticeDate=\"2026-11-20\"/><OrderReference orderID=\"4711\"/><ConfirmationItem lineNumber=\"10\" quantity=\"5\"><UnitOfMeasure>EA</UnitOfMeasure><ConfirmationStatus type=\"accept\" quantity=\"5\"/></ConfirmationItem></ConfirmationRequest></Request></cXML>",
            "<ORDERRESPONSE xmlns=\"http://www.opentrans.org/XMLSchema/2.1\"><ORDERRESPONSE_HEADER><ORDERRESPONSE_INFO><ORDER_ID>4711</ORDER_ID></ORDERRESPONSE_INFO></ORDERRESPONSE_HEADER><ORDERRESPONSE_ITEM_LIST><ORDERRESPONSE_ITEM><LINE_ITEM_ID>10</LINE_ITEM_ID><QUANTITY>5</QUANTITY></ORDERRESPONSE_ITEM></ORDERRESPONSE_ITEM_LIST></ORDERRESPONSE>",
        ],
        "csv" => &["Pos;Artikel;Menge;Preis\n10;A-1;5;2,50\n20;\"B;2\";1.000;3,00\n", "sep=,\npos,qty\n1,2\n"],
        "html" => &[
            "<html><head><style>.x{display:none}td{color:#fff}</style></head><body><p>Order <b>4711</b></p><table border=1><tr><th>Pos<th>Qty</tr><tr><td rowspan=2>10<td>5</tr><tr><td colspan=2>x<table><tr><td>in</table></tr></table><pre>a  b\n c</pre></body></html>",
            "<div style='display:none;max-height:0'>hidden</div><blockquote><ul><li>one<li>two</ul></blockquote>",
        ],
        "mime" => &[
            "From: Anna <anna@shop.example>\r\nTo: b@x.example\r\nSubject: =?utf-8?Q?Re=3A_Order_4711?=\r\nMessage-ID: <1@x>\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nAPPROVE\r\n\r\nOn Monday X wrote:\r\n> old\r\n--b\r\nContent-Type: text/csv; name=\"a.csv\"\r\nContent-Transfer-Encoding: base64\r\n\r\nYTti\r\n--b--\r\n",
            "From: MAILER-DAEMON@x.example\r\nSubject: Undelivered\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nfailed\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; a@x\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--\r\n",
        ],
        "mapping" => &[
            "partner = \"nordwind\"\n[match]\nfrom = \"@nordwind.example\"\nsubject = 'Order (\\d+)'\n[source]\npart = \"text\"\n[formats]\ndecimal = \",\"\ndate = [\"%d.%m.%Y\"]\n[fields]\norder_number = { label = \"Order\" }\ncurrency = { value = \"EUR\" }\n[table]\nstart = 'Pos'\nend = '^Sum'\n[table.columns]\nposition = \"Pos\"\nquantity_confirmed = [\"Qty\", \"Menge\"]\nprice_net = { column = \"Price\", find = '([\\d.,]+)' }\n[codes.status]\n\"ok\" = \"accepted\"\n",
        ],
        _ => &[],
    };
    let mut samples: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match name {
        "pdf" => {
            samples.push(pdf::confirmation(3));
            let mut maker = pdf::Maker::default();
            maker.page("0 0 m 100 0 l S 10 10 200 50 re f BT /F 12 Tf 3 Tr 1 0 0 1 20 700 Tm [(A) -120 (B)] TJ ET q 2 0 0 2 0 0 cm Q");
            maker.page(pdf::texts(&[
                (50.0, 700.0, 10.0, "Pos"),
                (120.0, 700.0, 10.0, "Qty"),
                (50.0, 680.0, 10.0, "1"),
            ]));
            samples.push(maker.finish(lopdf::Dictionary::new()));
        }
        "tnef" => {
            let mut bytes = 0x223e_9f78u32.to_le_bytes().to_vec();
            bytes.extend([1, 0]);
            let properties = [1u8, 0, 0, 0, 0x1f, 0, 0x07, 0x37, 1, 0, 0, 0, 4, 0, 0, 0, b'a', 0, 0, 0];
            let attributes: [(u8, u32, &[u8]); 5] = [
                (1, 0x0002_800c, b"text\0"),
                (2, 0x0006_9002, &[0; 14]),
                (2, 0x0001_8010, b"a.txt\0"),
                (2, 0x0006_800f, b"content"),
                (2, 0x0006_9005, &properties),
            ];
            for (level, id, data) in attributes {
                bytes.push(level);
                bytes.extend(id.to_le_bytes());
                bytes.extend((data.len() as u32).to_le_bytes());
                bytes.extend(data);
                bytes.extend([0, 0]);
            }
            samples.push(bytes);
        }
        "office" => samples.extend([docx(), msg(), xls()]),
        _ => {}
    }
    samples
}

/// Stored, not deflated, so that mutations reach the text.
fn docx() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let document = "<w:document xmlns:w=\"w\"><w:body><w:p><w:pPr><w:pStyle w:val=\"L\"/></w:pPr></w:p><w:p><w:pPr><w:numPr><w:numId w:val=\"1\"/></w:numPr></w:pPr><w:r><w:rPr><w:color w:val=\"FFFFFF\"/></w:rPr><w:t>x</w:t><w:tab/><w:br/></w:r></w:p><w:tbl><w:tr><w:trPr><w:gridBefore w:val=\"1\"/></w:trPr><w:tc><w:tcPr><w:gridSpan w:val=\"2\"/><w:vMerge w:val=\"restart\"/></w:tcPr><w:p/></w:tc></w:tr><w:tr><w:tc><w:tcPr><w:vMerge/></w:tcPr></w:tc></w:tr></w:tbl></w:body></w:document>";
    let styles = "<w:styles xmlns:w=\"w\"><w:style w:type=\"paragraph\" w:styleId=\"L\"><w:basedOn w:val=\"M\"/><w:pPr><w:numPr><w:ilvl w:val=\"1\"/><w:numId w:val=\"1\"/></w:numPr></w:pPr><w:rPr><w:vanish w:val=\"0\"/></w:rPr></w:style></w:styles>";
    let numbering = "<w:numbering xmlns:w=\"w\"><w:abstractNum w:abstractNumId=\"0\"><w:lvl w:ilvl=\"0\"><w:start w:val=\"3\"/><w:numFmt w:val=\"lowerRoman\"/><w:lvlText w:val=\"%1.\"/></w:lvl><w:lvl w:ilvl=\"1\"><w:numFmt w:val=\"upperLetter\"/><w:lvlText w:val=\"%1%2)\"/><w:lvlRestart w:val=\"0\"/></w:lvl></w:abstractNum><w:num w:numId=\"1\"><w:abstractNumId w:val=\"0\"/><w:lvlOverride w:ilvl=\"1\"><w:startOverride w:val=\"7\"/></w:lvlOverride></w:num></w:numbering>";
    let files = [
        ("[Content_Types].xml", "<Types/>"),
        ("word/document.xml", document),
        ("word/styles.xml", styles),
        ("word/numbering.xml", numbering),
    ];
    for (name, text) in files {
        zip.start_file(name, stored).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn msg() -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_storage("/__attach_version1.0_#00000000").unwrap();
    let streams: [(&str, &[u8]); 6] = [
        ("/__properties_version1.0", &[0; 64]),
        ("/__substg1.0_0037001F", b"S\0u\0"),
        ("/__substg1.0_1000001E", b"text"),
        (
            "/__substg1.0_10090102",
            &[22, 0, 0, 0, 10, 0, 0, 0, 0x4d, 0x45, 0x4c, 0x41, 0, 0, 0, 0, b'{', b'\\', b'r', b't', b'f', b'}'],
        ),
        ("/__attach_version1.0_#00000000/__substg1.0_3707001F", b"a\0"),
        ("/__attach_version1.0_#00000000/__substg1.0_37010102", b"pos;qty\n1;2\n"),
    ];
    for (path, bytes) in streams {
        file.create_new_stream(path).unwrap().write_all(bytes).unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}

/// A workbook of every kind of cell, its texts cut in two.
fn xls() -> Vec<u8> {
    let record = |id: u16, data: &[u8]| [&id.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat();
    let globals = |begin: u32| {
        [
            record(0x809, &[0, 6, 5, 0]),
            record(0xe0, &[0, 0, 14, 0]),
            record(0x41e, b"\xa4\0\x06\0\x00000000"),
            record(0xfc, b"\x02\0\0\0\x02\0\0\0\x03\0\0Pos\x07\0\x0c\x01\0\x02\0\0\0Gro"),
            record(0x3c, b"\x01\xdf\0e\0 \0\xac\x20\0\0\0\0\0\0"),
            record(0x85, &[&begin.to_le_bytes()[..], &[0, 0, 1, 0, b'S']].concat()),
            record(0x0a, &[]),
        ]
        .concat()
    };
    let mut stream = globals(globals(0).len() as u32);
    for (id, data) in [
        (0x809, &b"\0\x06\x10\0"[..]),
        (0xfd, b"\0\0\0\0\0\0\x01\0\0\0"),
        (0x27e, b"\x01\0\0\0\0\0\x03\x10\0\0"),
        (0xbd, b"\x02\0\0\0\0\0\x2a\0\0\0\0\0\x2e\0\0\0\x01\0"),
        (0x06, b"\x03\0\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0"),
        (0x207, b"\x02\0\0ok"),
        (0x205, b"\x04\0\0\0\0\0\x07\x01"),
        (0x204, b"\x05\0\0\0\0\0\x01\0\0x"),
        (0x0a, b""),
    ] {
        stream.extend(record(id, data));
    }
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_new_stream("/Workbook").unwrap().write_all(&stream).unwrap();
    file.flush().unwrap();
    file.into_inner().into_inner()
}
