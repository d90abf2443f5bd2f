//! What reading one document costs: `cargo bench --bench document`.
#![allow(clippy::expect_used, reason = "a bench that cannot go on stops")]

#[path = "../tests/documents/pdf.rs"]
mod pdf;

use criterion::{Criterion, criterion_group, criterion_main};
use postern::document::worker::{Ceilings, Pool};
use postern::document::{Input, Limits, html, read, text};

fn documents(bench: &mut Criterion) {
    let limits = Limits::default();
    let page = pdf::confirmation(25);
    let input = Input { name: "x.pdf", media_type: "", bytes: &page };
    bench.bench_function("pdf, one page, 25 order lines", |bench| bench.iter(|| read(&input, &limits)));

    // The same through a worker: the difference is what a process of its own costs.
    let pool = Pool::new(env!("CARGO_BIN_EXE_postern").into(), 1, Ceilings::default());
    bench.bench_function("pdf, one page, in a worker", |bench| bench.iter(|| pool.read(&input, &limits)));

    let row =
        "<tr><td>10</td><td>A-4711</td><td>Hexagon screw<br>galvanised</td><td align=right>5</td><td>2.50</td></tr>";
    let table = format!("<html><body><table>{}</table></body></html>", row.repeat(100));
    bench.bench_function("html, a table of 100 rows", |bench| bench.iter(|| html::part("html", &table, &limits)));

    let plain = "10   A-4711   Hexagon screw galvanised     5   2.50    12.50\n".repeat(100);
    bench.bench_function("text, fixed columns of 100 rows", |bench| bench.iter(|| text::part("text", &plain)));
}

criterion_group!(benches, documents);
criterion_main!(benches);
