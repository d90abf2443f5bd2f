//! The commands for documents and mappings, run as a person or a script runs them: what they print, and how they end.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops"
)]

#[path = "documents/pdf.rs"]
#[allow(dead_code)]
mod pdf;

use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// How a command ended: its code, and what it printed.
struct Done {
    code: i32,
    out: String,
    err: String,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}\n{}", self.out, self.err))
    }
}

/// A folder of its own, without a configuration.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Desk {
        Desk(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Desk {
        std::fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        std::fs::write(self.path(name), bytes).unwrap();
        self
    }

    fn run(&self, arguments: &[&str]) -> Done {
        self.ask(arguments, b"")
    }

    fn ask(&self, arguments: &[&str], input: &[u8]) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(arguments).current_dir(self.0.path()).env_remove("POSTERN_CONFIG");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Whoever reads nothing may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input);
        let done = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Done { code: done.status.code().unwrap_or(-1), out: text(&done.stdout), err: text(&done.stderr) }
    }
}

fn house(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("mappings").join(path)
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn docx() -> Vec<u8> {
    let paragraph = |text: &str| format!("<w:p><w:r><w:t>{text}</w:t></w:r></w:p>");
    let row = |cells: &[&str]| {
        let cells: String = cells.iter().map(|cell| format!("<w:tc>{}</w:tc>", paragraph(cell))).collect();
        format!("<w:tr>{cells}</w:tr>")
    };
    let body = format!(
        "{}<w:tbl>{}{}</w:tbl>",
        paragraph("Order 4711"),
        row(&["Pos", "Article", "Quantity"]),
        row(&["10", "A-1", "5"])
    );
    let document = format!("<w:document xmlns:w=\"w\"><w:body>{body}</w:body></w:document>");
    zip(&[("[Content_Types].xml", b"<Types/>"), ("word/document.xml", document.as_bytes())])
}

fn msg() -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    file.create_storage("/__attach_version1.0_#00000000").unwrap();
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let streams: [(&str, Vec<u8>); 5] = [
        ("/__properties_version1.0", vec![0; 32]),
        ("/__substg1.0_0037001F", wide("Order 4711")),
        ("/__substg1.0_1000001F", wide("Please see the attached file.")),
        ("/__attach_version1.0_#00000000/__substg1.0_3707001F", wide("order.csv")),
        ("/__attach_version1.0_#00000000/__substg1.0_37010102", CSV.as_bytes().to_vec()),
    ];
    for (path, bytes) in streams {
        file.create_new_stream(path).unwrap().write_all(&bytes).unwrap();
    }
    file.flush().unwrap();
    file.into_inner().into_inner()
}

const CSV: &str = "Pos;Article;Quantity\n10;A-1;5\n";
const TABLE: &str = "Pos\tArticle\tQuantity\n10\tA-1\t5\n";

fn mail(parts: &str) -> String {
    format!(
        "From: Nora <nora@nordwind.example>\r\nTo: orders@shop.example\r\nSubject: Order 4711\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nGood day\r\n{parts}\r\n--b--\r\n"
    )
}

/// Whatever kind of file a partner sends: somebody who writes a mapping sees its lines and tables.
#[test]
fn documents_of_every_kind_are_shown() {
    let desk = Desk::new();
    let html = "<html><body><p>Order 4711</p><table><tr><th>Pos<th>Article<th>Quantity<tr><td>10<td>A-1<td>5</table>";
    let attached = "--b\r\nContent-Type: text/csv; name=order.csv\r\n\r\nPos;Article;Quantity\r\n10;A-1;5";
    let signature = "--b\r\nContent-Type: application/pgp-signature; name=signature.asc\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\niQEzBAEB\r\n-----END PGP SIGNATURE-----";
    let inner = mail(attached);
    let forwarded = mail(&format!(
        "--b\r\nContent-Type: message/rfc822\r\n\r\n{}",
        inner.replace("=b\r\n", "=c\r\n").replace("--b", "--c")
    ));
    for (name, bytes, kinds) in [
        ("order.csv", CSV.as_bytes().to_vec(), vec!["csv"]),
        ("order.html", html.as_bytes().to_vec(), vec!["html"]),
        ("order.txt", b"Order 4711\n\nPos  Article  Quantity\n10   A-1      5\n".to_vec(), vec!["text"]),
        ("order.docx", docx(), vec!["html"]),
        ("order.msg", msg(), vec!["text", "text", "csv"]),
        ("orders.zip", zip(&[("a/order.csv", CSV.as_bytes())]), vec!["csv"]),
        ("order.eml", inner.clone().into_bytes(), vec!["text", "csv"]),
        ("signed.eml", mail(&format!("{attached}\r\n{signature}")).into_bytes(), vec!["text", "csv", "other"]),
        ("forwarded.eml", forwarded.into_bytes(), vec!["text", "text", "csv"]),
    ] {
        desk.file(name, bytes);
        let shown = desk.run(&["document", name, "--format", "json"]);
        assert_eq!((shown.code, shown.err.as_str()), (0, ""), "{name}");
        let json = shown.json();
        assert_eq!(json["v"], 1);
        let parts = json["parts"].as_array().unwrap();
        let found: Vec<&str> = parts.iter().map(|part| part["kind"].as_str().unwrap()).collect();
        assert_eq!(found, kinds, "{name}");
        let pages = || parts.iter().flat_map(|part| part["pages"].as_array().unwrap());
        let cell = pages().find_map(|page| page["tables"].get(0)?["rows"][1].get(2).cloned()).unwrap_or_default();
        assert_eq!(cell["text"], "5", "{name}");
        assert!(["x0", "y0", "x1", "y1"].iter().all(|side| cell[side].is_number()), "{name}: {cell}");
        let word = &pages().next().unwrap()["lines"][0]["words"][0];
        assert!(word["text"].is_string() && word["hidden"] == false && word["x0"].is_number(), "{name}: {word}");
        assert_eq!(desk.run(&["document", name, "--format", "tsv"]).out, TABLE, "{name}");
        let text = desk.run(&["document", name]).out;
        assert!(text.lines().any(|line| line.split_whitespace().eq(["10", "A-1", "5"])), "{name}: {text}");
    }
}

/// Pages are parted by form feeds, and standard input is as good as a file.
#[test]
fn a_pdf_is_shown_page_by_page() {
    let desk = Desk::new();
    let mut maker = pdf::Maker::default();
    for page in ["one", "two"] {
        maker.page(pdf::texts(&[(50.0, 700.0, 10.0, page)]));
    }
    let bytes = maker.finish(lopdf::Dictionary::new());
    desk.file("order.pdf", &bytes);
    let shown = desk.run(&["document", "order.pdf"]);
    let pages: Vec<&str> = shown.out.split('\u{c}').map(str::trim).collect();
    assert_eq!((shown.code, pages), (0, vec!["one", "two"]));
    assert_eq!(desk.ask(&["document", "-"], &bytes).out, shown.out);
}

/// A file that cannot be read says why; a script sees it by the exit code, and JSON stays JSON.
#[test]
fn what_cannot_be_shown_says_why() {
    let desk = Desk::new();
    desk.file("broken.pdf", "%PDF-1.7\nnothing").file("old.doc", {
        let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        file.create_new_stream("/WordDocument").unwrap().write_all(&[0; 5_000]).unwrap();
        file.flush().unwrap();
        file.into_inner().into_inner()
    });
    desk.file("program.bin", [0u8, 1, 2, 3].repeat(1_000));
    for (name, code) in [("broken.pdf", "BROKEN"), ("old.doc", "UNKNOWN_KIND"), ("program.bin", "UNKNOWN_KIND")] {
        let shown = desk.run(&["document", name, "--format", "json"]);
        assert_eq!(shown.code, 1, "{name}");
        assert_eq!(shown.json()["parts"][0]["faults"][0]["code"], code, "{name}");
        assert!(shown.err.starts_with(&format!("{name}: {code}: ")), "{}", shown.err);
    }
    // What is readable of a mail is shown; that not all of it was, too.
    let mail = "From: a@b.example\nSubject: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: application/pdf\nContent-Disposition: attachment; filename=broken.pdf\n\n%PDF-1.7 nothing\n--b--\n";
    desk.file("half.eml", mail);
    let half = desk.run(&["document", "half.eml"]);
    assert_eq!((half.code, half.out.trim()), (1, "hello"));
    assert!(half.err.starts_with("broken.pdf: BROKEN: "), "{}", half.err);
    // A script that asked for JSON gets JSON, whatever went wrong.
    let refused = desk.run(&["order", "show", "nope", "--json"]).json();
    assert_eq!((&refused["ok"], &refused["diagnostics"][0]["severity"]), (&false.into(), &"error".into()));
    assert!(refused["diagnostics"][0]["message"].as_str().unwrap().contains("postern.toml"), "{refused}");
    let missing = desk.run(&["document", "missing.pdf"]);
    assert_eq!((missing.code, missing.out.as_str()), (1, ""));
    assert!(missing.err.contains("missing.pdf"), "{}", missing.err);
    assert_eq!(desk.run(&["document", "broken.pdf", "--format", "yaml"]).code, 2);
}

const ORDRSP: &str = "UNB+UNOC:3+S+B+261120:1200+7'UNH+1+ORDRSP:D:96A:UN'BGM+231+AB-1+4'DTM+137:20261120:102'RFF+ON:4711'LIN+10+5'PIA+1+A-1:SA'QTY+113:5:PCE'PRI+AAA:2.50'UNS+S'UNT+9+1'UNZ+1+7'";

/// A mail, a bare document and a standard are tried the same way; every value says where it stands.
#[test]
fn try_says_what_was_understood() {
    let desk = Desk::new();
    let mappings = house("");
    let mappings = mappings.to_str().unwrap();
    let sample = house("nordwind/bestaetigung/samples/changed.eml");
    let mail = desk.run(&["mapping", "try", sample.to_str().unwrap(), "--dir", mappings, "--json"]);
    let json = mail.json();
    assert_eq!((mail.code, &json["v"], &json["mapping"]), (0, &Value::from(1), &Value::from("nordwind/bestaetigung")));
    assert_eq!((&json["kind"], json["faults"].as_array().map(Vec::len)), (&Value::from("response"), Some(0)));
    let response = &json["responses"][0];
    for said in [&response["fields"]["order_number"], &response["lines"][1]["confirmed_date"]] {
        assert!(said["value"].is_string() && said["raw"].is_string() && said["rule"].is_string(), "{said}");
        assert_eq!(said["place"]["part"], "text", "{said}");
    }
    assert_eq!(response["lines"][1]["confirmed_date"]["value"], "2026-12-21");
    assert_eq!(response["lines"][1]["confirmed_date"]["raw"], "21. Dezember 2026");
    assert!(response.as_object().unwrap().contains_key("type"));

    let drawn = desk.run(&["mapping", "try", sample.to_str().unwrap(), "--dir", mappings, "--explain"]);
    let lines: Vec<&str> = drawn.out.lines().collect();
    let at = lines.iter().position(|line| line.contains("Liefertermin: 21. Dezember 2026")).unwrap();
    let column = |line: &str, words: &str| line.find(words).map(|byte| line[..byte].chars().count());
    assert_eq!(column(lines[at], "21. Dezember"), column(lines[at + 1], "^^^^^"), "{}", drawn.out);
    assert!(lines[at + 1].contains("2.confirmed_date = 2026-12-21"), "{}", drawn.out);
    assert!(drawn.out.contains("currency = EUR  (formats.currency)"), "{}", drawn.out);

    // A bare document has no sender: the mapping is named.
    let rule = "partner = \"p\"\nkind = \"response\"\n[match]\nfrom = \"@p.example\"\nsubject = 'x'\n[source]\npart = \"csv\"\n[formats]\ndecimal = \".\"\n[fields]\norder_number = { value = \"4711\" }\n[table.columns]\nposition = \"Pos\"\nsupplier_sku = \"Article\"\nquantity_confirmed = \"Quantity\"\n";
    desk.file("p/csv.toml", rule).file("order.csv", CSV);
    let bare = desk.run(&["mapping", "try", "order.csv", "--mapping", "p/csv.toml", "--json"]).json();
    assert_eq!(bare["responses"][0]["lines"][0]["quantity_confirmed"]["value"], "5");
    desk.file("order.msg", msg()).file("orders.zip", zip(&[("order.csv", CSV.as_bytes())]));
    for file in ["order.msg", "orders.zip"] {
        let within = desk.run(&["mapping", "try", file, "--mapping", "p/csv.toml", "--json"]).json();
        assert_eq!(within["responses"], bare["responses"], "{file}");
    }
    // A mistake in the mapping is JSON, too.
    desk.file("p/wrong.toml", rule.replace("decimal", "decimel"));
    let wrong = desk.run(&["mapping", "try", "order.csv", "--mapping", "p/wrong.toml", "--json"]);
    assert_eq!(
        (wrong.code, &wrong.json()["v"], &wrong.json()["responses"]),
        (1, &Value::from(1), &Value::Array(vec![]))
    );
    assert!(wrong.json()["faults"].to_string().contains("decimel"), "{}", wrong.out);
    let nobody = desk.run(&["mapping", "try", "order.csv"]);
    assert_eq!(nobody.code, 1);
    assert!(nobody.err.contains("--mapping"), "{}", nobody.err);

    // A standard needs none, attached or alone.
    desk.file("order.edi", ORDRSP);
    let standard = desk.run(&["mapping", "try", "order.edi", "--json"]).json();
    assert_eq!(standard["responses"][0]["fields"]["order_number"]["value"], "4711");
    assert_eq!(standard["responses"][0]["lines"][0]["status"]["value"], "accepted");
    assert!(desk.run(&["mapping", "try", "order.edi", "--explain"]).out.contains("1.price_net = 2.5"));
}

/// Mistakes in a mapping are told with their place; two mappings for one mail are found.
#[test]
fn lint_and_schema_guide_who_writes() {
    let desk = Desk::new();
    let copy = |to: &str, change: &dyn Fn(String) -> String| {
        desk.file(to, change(std::fs::read_to_string(house("nordwind/bestaetigung.toml")).unwrap()));
    };
    copy("good/nordwind/a.toml", &|text| text);
    assert_eq!(desk.run(&["mapping", "lint", "good"]).code, 0);
    assert_eq!(desk.run(&["mapping", "lint", "good", "--format", "json"]).json(), Value::Array(Vec::new()));
    copy("good/nordwind/b.toml", &|text| text);
    copy("bad/nordwind/a.toml", &|text| text.replace("decimal", "decimel"));
    for (folder, words) in [("good", "nordwind/b"), ("bad", "decimel")] {
        let found = desk.run(&["mapping", "lint", folder, "--format", "json"]);
        assert_eq!(found.code, 1, "{folder}");
        let all = found.json();
        for key in ["code", "severity", "message", "file", "line", "column", "help"] {
            assert!(all[0].as_object().unwrap().contains_key(key), "{all}");
        }
        assert!(all.to_string().contains(words), "{all}");
        let drawn = desk.run(&["mapping", "lint", folder]);
        assert!(drawn.err.contains(words), "{}", drawn.err);
    }
    let typo = desk.run(&["mapping", "lint", "bad"]);
    assert!(typo.err.contains("did you mean `decimal`?") && typo.err.contains("^^^^^^^"), "{}", typo.err);
    let schema = desk.run(&["mapping", "schema"]).json();
    assert!(schema["properties"]["match"].is_object() && schema["$schema"].is_string());
}

/// Before a changed mapping goes live, somebody sees field by field what it would read otherwise.
#[test]
fn diff_shows_what_would_change() {
    let desk = Desk::new();
    let old = house("nordwind/bestaetigung.toml");
    let sample = house("nordwind/bestaetigung/samples/changed.eml");
    let (old, sample) = (old.to_str().unwrap(), sample.to_str().unwrap());
    let text = std::fs::read_to_string(old).unwrap();
    desk.file("new.toml", text.replace("\"R\u{fc}ckstand\"", "\"Verzug\""));
    assert_eq!(desk.run(&["mapping", "diff", old, old, sample]).code, 0);
    let changed = desk.run(&["mapping", "diff", old, "new.toml", sample, "--json"]);
    assert_eq!(changed.code, 1, "{}", changed.out);
    let json = changed.json();
    assert_eq!((&json["v"], &json["mails"]), (&Value::from(1), &Value::from(1)));
    let changes = json["different"][0]["changes"].as_array().unwrap();
    let status = changes.iter().find(|change| change["at"] == "message 1, line 2, status").unwrap();
    assert_eq!((&status["old"], &status["new"]), (&Value::from("backordered"), &Value::Null), "{json}");
    let drawn = desk.run(&["mapping", "diff", old, "new.toml", sample]);
    assert!(drawn.out.contains("line 2, status: backordered -> (nothing)"), "{}", drawn.out);
    // Without mails: those that the mappings have as samples.
    assert!(desk.run(&["mapping", "diff", old, old]).out.starts_with("0 of 2 mails"));
}

/// A new partner: sample mails and their orders in, a mapping with samples out that passes its test at once.
#[test]
fn new_mappings_pass_their_tests() {
    let desk = Desk::new();
    for (partner, layout, samples) in
        [("nordwind", "bestaetigung", ["as-ordered", "changed"]), ("ostwerk", "ab", ["as-ordered", "two-pages"])]
    {
        let sample = |name: &str, ending: &str| house(&format!("{partner}/{layout}/samples/{name}.{ending}"));
        let orders: Vec<Value> = samples
            .iter()
            .map(|name| serde_json::from_str(&std::fs::read_to_string(sample(name, "order.json")).unwrap()).unwrap())
            .collect();
        let file = format!("{partner}.orders.json");
        desk.file(&file, Value::from(orders).to_string());
        let mails = samples.map(|name| sample(name, "eml"));
        let [first, second] = mails.each_ref().map(|path| path.to_str().unwrap());
        let made = desk.run(&["mapping", "new", partner, first, second, "--orders", &file, "--out", "learned"]);
        assert_eq!(made.code, 0, "{}{}", made.out, made.err);
        assert!(made.out.contains("order_number agreed on 2 of 2 mails"), "{}", made.out);
        assert!(desk.path(&format!("learned/{partner}/response.toml")).exists());
    }
    let tested = desk.run(&["mapping", "test", "learned"]);
    assert_eq!(tested.code, 0, "{}{}", tested.out, tested.err);
    assert!(tested.out.contains("2 mappings, 4 samples, 0 not as expected"), "{}", tested.out);
    assert_eq!(desk.run(&["mapping", "lint", "learned"]).code, 0);
    let told = desk.run(&["mapping", "test", "learned", "--json"]).json();
    assert_eq!((&told["ok"], told["samples"].as_array().unwrap().len()), (&Value::from(true), 4), "{told:#}");

    // A script that watches samples is told which one differs, and in what.
    let expected =
        std::fs::read_dir(desk.path("learned/ostwerk/response/samples")).unwrap().map(|one| one.unwrap().path());
    let expected = expected.filter(|path| path.to_string_lossy().ends_with(".expected.json")).min().unwrap();
    let text = std::fs::read_to_string(&expected).unwrap();
    std::fs::write(&expected, text.replacen("M8-40-ZN", "M9-40-ZN", 1)).unwrap();
    let differs = desk.run(&["mapping", "test", "learned", "--json"]);
    let told = differs.json();
    let bad: Vec<&Value> =
        told["samples"].as_array().unwrap().iter().filter(|sample| sample["as_expected"] == false).collect();
    assert_eq!((differs.code, &told["ok"], &told["wrong"], bad.len()), (1, &Value::from(false), &Value::from(1), 1));
    assert!(bad[0]["differences"][0].as_str().unwrap().contains("M9-40-ZN"), "{told:#}");
    std::fs::write(&expected, text).unwrap();

    // An order that answers none of the mails proves nothing, and that is said.
    desk.file(
        "other.json",
        r#"{"order_number":"9999","channel":"shop","currency":"EUR","ordered_at":"2026-11-20T10:00:00Z","partner":"nordwind","positions":[{"position":10,"supplier_sku":"ZZ-1","quantity":"1","price_net":"1"}]}"#,
    );
    let sample = house("nordwind/bestaetigung/samples/changed.eml");
    let sample = sample.to_str().unwrap();
    let made = desk.run(&["mapping", "new", "nordwind", sample, "--orders", "other.json", "--out", "unproved"]);
    assert!(format!("{}{}", made.out, made.err).contains("none of the orders"), "{}{}", made.out, made.err);
    assert!(format!("{}{}", made.out, made.err).contains("changed.eml: its order is not in ORDERS"), "{}", made.out);
    // A draft is nothing to go live with: scripts must notice.
    assert_eq!(made.code, 1, "{}{}", made.out, made.err);
    // The orders of another partner prove nothing of this one's mails.
    let made = desk.run(&["mapping", "new", "westwerk", sample, "--orders", "nordwind.orders.json", "--out", "other"]);
    assert_eq!(made.code, 1, "{}{}", made.out, made.err);
    assert!(made.err.contains("the orders are for `nordwind`, none of them is for `westwerk`"), "{}", made.err);
    assert!(!desk.path("other").exists());
}
