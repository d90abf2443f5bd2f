//! Inputs that fuzzing found, replayed: `tests/kept/TARGET/*`.

#[path = "../fuzz/entries.rs"]
mod entries;

use std::path::Path;

/// A mail that once stopped the gateway must never stop it again.
#[test]
fn kept_inputs_do_no_harm() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kept");
    let mut replayed = 0;
    for (name, entry) in entries::ALL {
        for file in std::fs::read_dir(folder.join(name)).into_iter().flatten().flatten() {
            let bytes = std::fs::read(file.path()).unwrap();
            eprintln!("{name}: {}", file.path().display());
            entry(&bytes);
            replayed += 1;
        }
    }
    eprintln!("{replayed} kept inputs replayed");
}
