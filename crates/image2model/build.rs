//! The page is embedded as it lies in `web/dist` when the crate is built.

use std::{fs, path::Path};

fn main() {
    let dist = Path::new("../../web/dist");
    // Cargo runs a script again each time when a path that it watches is not there.
    if !dist.exists() && fs::create_dir_all(dist).is_err() {
        println!("cargo::rerun-if-changed=build.rs");
        return;
    }
    println!("cargo::rerun-if-changed={}", dist.display());
}
