//! How the program is linked: at a fixed address, on Linux with glibc.
//!
//! A program that can lie anywhere has some 47,000 pointers adjusted and 200 pages of memory copied before `main`, which takes
//! longer than a small build. Go's programs are linked at a fixed address too. `HIGHWATER_PIE=1` keeps it movable, for who
//! wants its own code among what the system places at random, and pays half a millisecond for each start.
//!
//! The library that unwinds is linked in where the C compiler has it: one shared library less to find and map at each start.
//!
//! The functions of a small build lie next to each other, as `build/order.ld` says: what lies apart has to be mapped piece by piece at
//! each start. A linker that somebody chose is left alone, as not every one understands such a file. `build/order.sh` makes it anew.

use std::env::var;
use std::io::{Result, Write, stdout};
use std::process::Command;

fn main() -> Result<()> {
    let mut cargo = stdout();
    writeln!(cargo, "cargo:rerun-if-changed=src/build.rs")?;
    writeln!(cargo, "cargo:rerun-if-changed=src/build/order.ld")?;
    writeln!(cargo, "cargo:rerun-if-env-changed=HIGHWATER_PIE")?;
    let is = |name: &str, value: &str| var(name).is_ok_and(|there| there == value);
    if is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && !is("HIGHWATER_PIE", "1")
    {
        writeln!(cargo, "cargo:rustc-link-arg-bin=highwater=-no-pie")?;
        if var("HOST").ok() == var("TARGET").ok() && has_static_unwinder() {
            let whole = "-Wl,--push-state,--whole-archive,-l:libgcc_eh.a,--pop-state";
            writeln!(cargo, "cargo:rustc-link-arg-bin=highwater={whole}")?;
        }
        if is("CARGO_CFG_TARGET_ARCH", "x86_64") && !chooses_linker() {
            let here = var("CARGO_MANIFEST_DIR").unwrap_or_default();
            let order = format!("-T{here}/src/build/order.ld");
            writeln!(cargo, "cargo:rustc-link-arg-bin=highwater={order}")?;
            // For the test that looks whether it was heeded.
            writeln!(cargo, "cargo:rustc-env=HIGHWATER_ORDERED=1")?;
        }
    }
    Ok(())
}

/// Whether whoever builds names a linker or its options.
fn chooses_linker() -> bool {
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    var("RUSTC_LINKER").is_ok() || flags.contains("link")
}

/// Whether the C compiler that links knows the archive: it answers with a full path then, and else with the bare name.
fn has_static_unwinder() -> bool {
    let answer = Command::new("cc")
        .arg("-print-file-name=libgcc_eh.a")
        .output();
    answer.is_ok_and(|answer| answer.status.success() && answer.stdout.starts_with(b"/"))
}
