//! What a running process takes, as the kernel tells it below `/proc`.
//!
//! What is absent: measuring; the benchmarks that mount this print what they found.

use super::support::fleet::Fleet;
use std::fs;
use std::path::{Path, PathBuf};

/// A running process.
pub struct Process(PathBuf);

impl Process {
    /// This one.
    pub fn own() -> Self {
        Self(PathBuf::from("/proc/self"))
    }

    /// The program that works in the fleet's storage folder: a child of a child of this process.
    pub fn of(fleet: &Fleet) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_highwater"));
        let storage = format!("--storage-path={}", fleet.storage().display());
        let is_it = |path: &PathBuf| {
            let arguments = fs::read(path.join("cmdline")).unwrap_or_default();
            let mut arguments = arguments.split(|byte| *byte == 0);
            fs::read_link(path.join("exe")).is_ok_and(|exe| exe == program)
                && arguments.any(|argument| argument == storage.as_bytes())
        };
        let all = fs::read_dir("/proc").expect("a system with /proc");
        let mut all = all.flatten().map(|entry| entry.path());
        Self(all.find(is_it).expect("the program runs"))
    }

    /// Its resident memory now, in bytes; 0 where the kernel does not tell.
    pub fn resident(&self) -> f64 {
        self.bytes("VmRSS:")
    }

    /// The most of it there ever was.
    pub fn peak(&self) -> f64 {
        self.bytes("VmHWM:")
    }

    fn bytes(&self, field: &str) -> f64 {
        let status = fs::read_to_string(self.0.join("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        kibibytes.map_or(0.0, |kibibytes: f64| kibibytes * 1024.0)
    }

    /// User and system time, at the usual 100 ticks a second.
    pub fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(self.0.join("stat")).unwrap_or_default();
        let behind_name = stat.rsplit(')').next().unwrap_or_default();
        let fields = behind_name.split_whitespace().skip(11).take(2);
        let ticks: f64 = fields.filter_map(|field| field.parse::<f64>().ok()).sum();
        ticks / 100.0
    }
}
