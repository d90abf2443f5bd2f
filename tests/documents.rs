//! Documents as partners send them, and as attackers would: what a reader sees, and that nothing a
//! file does takes the program with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's helpers end the test"
)]

#[path = "documents/bombs.rs"]
mod bombs;
#[path = "documents/pdf.rs"]
mod pdf;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lopdf::{Object, Stream, dictionary};
use pdf::{Maker, confirmation, texts};
use postern::document::worker::{Ceilings, Pool};
use postern::document::{Input, Kind, Limits, Part, read};

fn shared() -> Option<PathBuf> {
    let found = std::env::var_os("POSTERN_SHARED")
        .map(PathBuf::from)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    found.join("corpora").is_dir().then_some(found)
}

fn parts(name: &str, bytes: &[u8]) -> Vec<Part> {
    read(&Input { name, media_type: "", bytes }, &Limits::default())
}

fn one(bytes: &[u8]) -> Part {
    let mut parts = parts("x.pdf", bytes);
    assert_eq!(parts.len(), 1, "{parts:?}");
    parts.remove(0)
}

fn cells(part: &Part) -> Vec<Vec<Vec<&str>>> {
    let tables = part.pages.iter().flat_map(|page| &page.tables);
    tables
        .map(|table| table.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()).collect()).collect())
        .collect()
}

fn pool() -> Pool {
    Pool::new(env!("CARGO_BIN_EXE_postern").into(), 2, Ceilings::default())
}

/// The most common document of all: its order lines must be rows, its wrapped descriptions cells.
#[test]
fn an_order_confirmation_is_lines_and_a_table() {
    let part = one(&confirmation(2));
    assert_eq!(part.faults, []);
    assert_eq!(
        part.text(),
        "              Order confirmation 90123\n\
         \x20             Your order:            4500012345\n\
         \x20             Pos     Article        Description                                  Qty         Price           Total\n\
         \x20             10      A-4711         Hexagon screw galvanised                     1           2.50            2.50\n\
         \x20                                    with nut\n\
         \x20             20      A-4712         Hexagon screw galvanised                     8           2.50            20.00\n\
         \x20                                    with nut\n"
    );
    assert_eq!(
        cells(&part),
        [[
            vec!["Pos", "Article", "Description", "Qty", "Price", "Total"],
            vec!["10", "A-4711", "Hexagon screw galvanised\nwith nut", "1", "2.50", "2.50"],
            vec!["20", "A-4712", "Hexagon screw galvanised\nwith nut", "8", "2.50", "20.00"],
        ]]
    );
    let place = part.place_of(0, &part.pages[0].tables[0].rows[1][3]);
    assert!(
        matches!(place.spot, postern::model::Spot::Box { page: 1, x0, .. } if (x0 - 360.0).abs() < 0.5),
        "{place:?}"
    );
}

/// Ruled grids say themselves what a cell is, even when its text wraps or is empty.
#[test]
fn ruled_grids_are_tables() {
    let mut content = texts(&[
        (64.0, 112.0, 9.0, "Pos"),
        (104.0, 112.0, 9.0, "Text"),
        (204.0, 112.0, 9.0, "Qty"),
        (64.0, 132.0, 9.0, "10"),
        (104.0, 132.0, 9.0, "Screw"),
        (104.0, 143.0, 9.0, "M8"),
        (204.0, 132.0, 9.0, "5"),
        (64.0, 162.0, 9.0, "20"),
        (104.0, 162.0, 9.0, "Nut"),
    ]);
    for y in [100.0, 120.0, 150.0, 170.0] {
        content += &format!("60 {} m 260 {} l S\n", 842.0 - y, 842.0 - y);
    }
    for x in [60.0, 100.0, 200.0, 260.0] {
        content += &format!("{x} 742 m {x} 672 l S\n");
    }
    let mut maker = Maker::default();
    maker.page(content);
    let part = one(&maker.finish(dictionary! {}));
    assert_eq!(cells(&part), [[vec!["Pos", "Text", "Qty"], vec!["10", "Screw\nM8", "5"], vec!["20", "Nut", ""]]]);
}

/// Text that a person cannot see is an attack on whoever reads for him.
#[test]
fn hidden_words_are_known_as_hidden() {
    let show = |before: &str| format!("q {before} BT /F 9 Tf 1 0 0 1 60 700 Tm (trap) Tj ET Q\n");
    let hiding = [
        ("invisible mode", show("3 Tr")),
        ("white on white", show("1 g")),
        ("clipped away", show("0 0 10 10 re W n")),
        ("in the colour of its box", show("0 0 1 rg 50 690 200 30 re f")),
        ("painted over", format!("{} 1 1 0 rg 50 690 200 30 re f\n", show(""))),
        ("off the page", "BT /F 9 Tf 1 0 0 1 700 700 Tm (trap) Tj ET\n".into()),
        ("too small to see", "BT /F 0.5 Tf 1 0 0 1 60 700 Tm (trap) Tj ET\n".into()),
    ];
    for (how, content) in hiding {
        let mut maker = Maker::default();
        maker.page(texts(&[(60.0, 60.0, 9.0, "seen")]) + &content);
        let part = one(&maker.finish(dictionary! {}));
        let words: Vec<(&str, bool)> = part.pages[0]
            .lines
            .iter()
            .flat_map(|line| &line.words)
            .map(|word| (word.text.as_str(), word.hidden))
            .collect();
        assert!(words.contains(&("seen", false)) && words.contains(&("trap", true)), "{how}: {words:?}");
        assert!(!part.text().contains("trap"), "{how}");
    }
    let mut maker = Maker::default();
    maker.page("0 0 1 rg 50 690 200 30 re f 1 g BT /F 9 Tf 1 0 0 1 60 700 Tm (head) Tj ET\n");
    assert!(one(&maker.finish(dictionary! {})).text().contains("head"), "white on blue is seen");
}

/// A page that was scanned sideways, or text set sideways on it, is read as a person would turn it.
#[test]
fn turned_pages_are_read_upright() {
    let rows = [
        (60.0, 60.0, "Pos"),
        (120.0, 60.0, "Qty"),
        (60.0, 80.0, "10"),
        (120.0, 80.0, "5"),
        (60.0, 100.0, "20"),
        (120.0, 100.0, "7"),
    ];
    let upright: Vec<(f64, f64, f64, &str)> = rows.iter().map(|(x, y, text)| (*x, *y, 9.0, *text)).collect();
    let sideways: String =
        rows.iter().map(|(x, y, text)| format!("BT /F 9 Tf 0 1 -1 0 {y} {x} Tm ({text}) Tj ET\n")).collect();
    for (rotate, content, turned) in [(0, texts(&upright), 0), (90, sideways.clone(), 0), (0, sideways, 90)] {
        let mut maker = Maker::default();
        maker.page_with(content, dictionary! { "Rotate" => rotate });
        let part = one(&maker.finish(dictionary! {}));
        let lines: Vec<String> = part.pages[0].lines.iter().map(postern::document::Line::text).collect();
        assert_eq!(lines, ["Pos  Qty", "10  5", "20  7"], "rotate {rotate}");
        assert_eq!(part.pages[0].turned, turned);
    }
}

/// The XML inside an electronic invoice is a document of its own; a filled form shows its values.
#[test]
fn embedded_files_and_form_fields_are_read() {
    let mut maker = Maker::default();
    let file = maker.document.add_object(Stream::new(
        dictionary! { "Type" => "EmbeddedFile" },
        b"<Invoice xmlns='urn:x'><ID>7</ID></Invoice>".to_vec(),
    ));
    let spec = maker.document.add_object(dictionary! {
        "Type" => "Filespec", "F" => Object::string_literal("factur-x.xml"), "EF" => dictionary! { "F" => file },
    });
    let field = maker.document.add_object(dictionary! {
        "Type" => "Annot", "Subtype" => "Widget", "FT" => "Tx", "T" => Object::string_literal("qty"), "V" => Object::string_literal("42 pieces"),
        "Rect" => vec![100.into(), 700.into(), 200.into(), 715.into()],
    });
    maker.page_with(texts(&[(60.0, 137.0, 9.0, "Qty")]), dictionary! { "Annots" => vec![field.into()] });
    let names = dictionary! { "EmbeddedFiles" => dictionary! { "Names" => vec![Object::string_literal("factur-x.xml"), spec.into()] } };
    let parts = parts("invoice.pdf", &maker.finish(dictionary! { "Names" => names }));
    assert_eq!(
        parts.iter().map(|part| (part.kind, part.name.as_str())).collect::<Vec<_>>(),
        [(Kind::Pdf, "invoice.pdf"), (Kind::Xml, "factur-x.xml")]
    );
    assert_eq!(parts[0].pages[0].lines[0].text(), "Qty  42 pieces");
    assert!(parts[1].source.as_deref().is_some_and(|source| source.contains("<ID>7</ID>")));
}

/// A scan must say that it is one, not that it is empty.
#[test]
fn scans_say_so() {
    let mut maker = Maker::default();
    let image = maker.document.add_object(Stream::new(
        dictionary! { "Type" => "XObject", "Subtype" => "Image", "Width" => 2, "Height" => 2, "ColorSpace" => "DeviceGray", "BitsPerComponent" => 8 },
        vec![0, 255, 255, 0],
    ));
    let resources = dictionary! { "XObject" => dictionary! { "I" => image } };
    maker.page_with("595 0 0 842 0 0 cm /I Do", dictionary! { "Resources" => resources });
    let part = one(&maker.finish(dictionary! {}));
    assert_eq!(part.faults.iter().map(|fault| fault.code.as_str()).collect::<Vec<_>>(), ["SCANNED"]);
}

/// What a worker reads is what we read ourselves.
#[test]
fn a_worker_reads_the_same() {
    let bytes = confirmation(20);
    let input = Input { name: "x.pdf", media_type: "application/pdf", bytes: &bytes };
    let pool = pool();
    let alone = read(&input, &Limits::default());
    for _ in 0..3 {
        assert_eq!(pool.read(&input, &Limits::default()), alone);
    }
}

/// Several threads of the gateway share the workers.
#[test]
fn a_pool_serves_several_threads() {
    let pool = pool();
    let bytes = confirmation(5);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let parts = pool.read(&Input { name: "x.pdf", media_type: "", bytes: &bytes }, &Limits::default());
                    assert_eq!(parts[0].faults, []);
                }
            });
        }
    });
}

/// The name of a document and what became of it: the codes of its faults.
fn faults(parts: &[Part]) -> Vec<(&str, &str)> {
    parts.iter().flat_map(|part| part.faults.iter().map(|fault| (part.name.as_str(), fault.code.as_str()))).collect()
}

/// A reader that hangs, crashes or talks nonsense costs one document, which says so; nothing of it stays behind.
#[test]
#[cfg(unix)]
fn a_worker_that_misbehaves_costs_one_document() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = confirmation(1);
    let limits = Limits::default();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/reader.sh");
    for (behaviour, code) in [
        ("spins", "TIMED_OUT"),
        ("sleeps", "TIMED_OUT"),
        ("crashes", "BROKEN"),
        ("aborts", "TOO_LARGE"),
        ("ends", "BROKEN"),
        ("babbles", "BROKEN"),
        ("breaks-off", "BROKEN"),
    ] {
        let program = folder.path().join(behaviour);
        std::os::unix::fs::symlink(&script, &program).unwrap();
        // Long enough that a busy machine starts it, and that it writes down who it is.
        let pool = Pool::new(program, 1, Ceilings { wall: Duration::from_secs(5), memory: 512 << 20 });
        let begin = Instant::now();
        let parts = pool.read(&Input { name: "order.pdf", media_type: "", bytes: &bytes }, &limits);
        assert_eq!(faults(&parts), [("order.pdf", code)], "{behaviour}");
        assert!(begin.elapsed() < Duration::from_secs(60), "{behaviour}");
        // Absent where the machine was so busy that it never began.
        if let Ok(process) = std::fs::read_to_string(folder.path().join(format!("{behaviour}.pid"))) {
            assert!(!Path::new("/proc").join(process.trim()).exists(), "{behaviour} goes on");
        }
    }
}

/// A document that needs more memory than is allowed is a fault, while others are read beside and behind it.
#[test]
fn a_document_that_eats_memory_costs_only_itself() {
    let hungry = format!("pos;text\n{}", "10;a b c d e f g h i j k l m n o p q r s t u v w x y z\n".repeat(400_000));
    let good = confirmation(3);
    let boundless = Limits { words_max: usize::MAX, cells_max: usize::MAX, bytes_max: 1 << 30, ..Limits::default() };
    let pool = Pool::new(
        env!("CARGO_BIN_EXE_postern").into(),
        2,
        Ceilings { wall: Duration::from_secs(60), memory: 512 << 20 },
    );
    std::thread::scope(|scope| {
        let eaten = scope.spawn(|| {
            let input = Input { name: "order.csv", media_type: "text/csv", bytes: hungry.as_bytes() };
            pool.read(&input, &boundless)
        });
        for _ in 0..5 {
            let parts = pool.read(&Input { name: "good.pdf", media_type: "", bytes: &good }, &Limits::default());
            assert_eq!(parts[0].faults, []);
        }
        assert_eq!(faults(&eaten.join().unwrap()), [("order.csv", "TOO_LARGE")]);
    });
    let parts = pool.read(&Input { name: "good.pdf", media_type: "", bytes: &good }, &Limits::default());
    assert_eq!(parts[0].faults, []);
}

/// A worker that somebody ended while it was idle must not make the next document look broken.
#[test]
#[cfg(unix)]
fn a_worker_that_was_ended_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("dies-idle");
    std::os::unix::fs::symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents/reader.sh"), &program)
        .unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_postern"), folder.path().join("postern")).unwrap();
    let pool = Pool::new(program, 1, Ceilings { wall: Duration::from_secs(60), memory: 512 << 20 });
    let bytes = confirmation(1);
    for _ in 0..3 {
        let parts = pool.read(&Input { name: "order.pdf", media_type: "", bytes: &bytes }, &Limits::default());
        assert_eq!(parts[0].faults, []);
        let process = std::fs::read_to_string(folder.path().join("dies-idle.pid")).unwrap();
        let ended = std::process::Command::new("kill").args(["-KILL", process.trim()]).status().unwrap();
        assert!(ended.success());
    }
}

/// Every bomb ends as a fault or as a modest document, soon, and the next document is read as ever.
#[test]
fn bombs_do_no_harm() {
    let pool = pool();
    let good = confirmation(3);
    let limits = Limits::default();
    for (name, bytes) in bombs::all() {
        let begin = Instant::now();
        let parts = pool.read(&Input { name, media_type: "", bytes: &bytes }, &limits);
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(20), "{name} took {took:?}");
        assert!(!parts.is_empty(), "{name}");
        let words: usize =
            parts.iter().flat_map(|part| &part.pages).flat_map(|page| &page.lines).map(|line| line.words.len()).sum();
        assert!(words <= limits.words_max * 2, "{name} became {words} words");
        let next = pool.read(&Input { name: "next.pdf", media_type: "", bytes: &good }, &limits);
        assert_eq!(next[0].faults, [], "after {name}");
    }
}

/// Real files of many programs: none may hang, crash or flood.
#[test]
fn real_files_are_survived() {
    let Some(shared) = shared() else {
        println!("skipped: no shared material");
        return;
    };
    let pool = pool();
    let limits = Limits::default();
    let mut waiting: Vec<PathBuf> =
        ["pdf", "html", "structured"].iter().map(|folder| shared.join("corpora").join(folder)).collect();
    let (mut read, mut refused) = (0, Vec::new());
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let begin = Instant::now();
        let parts = pool.read(&Input { name: &name, media_type: "", bytes: &bytes }, &limits);
        assert!(begin.elapsed() < Duration::from_secs(20), "{path:?}");
        assert!(!parts.is_empty(), "{path:?}");
        read += 1;
        let died = |part: &&Part| {
            part.faults.iter().any(|fault| fault.code == "TIMED_OUT" || fault.message.contains("process that read"))
        };
        refused.extend(parts.iter().find(died).map(|part| format!("{path:?}: {:?}", part.faults)));
    }
    println!("{read} files");
    assert!(refused.is_empty(), "{refused:#?}");
}
