//! What images say of themselves, by digest: read once, and with a folder not even once more after a restart.
//!
//! Invariant: what is kept cannot change, since a digest names content; a file that is damaged or gone costs reading again and nothing
//! else. One line of JSON for each image is added as it is read. What is absent: what tags point to.

use crate::domain::image::is_digest;
use crate::domain::policy::creation_time;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Most images remembered. When there are more it starts anew.
const MOST_IMAGES: usize = 50_000;
/// The largest file that is read, in bytes; [`MOST_IMAGES`] of the usual length are a fifth of it.
const LARGEST_FILE: u64 = 64 * 1024 * 1024;
/// The name of the file.
const FILE: &str = "images.jsonl";

/// What an image says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    /// When it was built.
    pub(super) created: Option<Timestamp>,
    /// What it runs on, `os/architecture[/variant]`.
    pub(super) platforms: Vec<String>,
}

/// The memory.
#[derive(Default)]
pub(super) struct ImageMemory {
    images: Mutex<Images>,
}

#[derive(Default)]
struct Images {
    told: HashMap<String, Told>,
    file: Option<File>,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Line {
    digest: String,
    #[serde(flatten)]
    told: Told,
}

impl Told {
    /// Whether nothing further needs to be read.
    pub(super) fn is_complete(&self) -> bool {
        self.created.is_some() && !self.platforms.is_empty()
    }
}

impl ImageMemory {
    /// A memory that knows what the file in `folder` says, and adds to it.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let path = folder.join(FILE);
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let (told, is_whole) = read(&file);
        if !is_whole {
            // What was lost is read again from the registry; the rest is written anew.
            file.set_len(0)?;
            for (digest, told) in &told {
                append(&mut file, digest, told)?;
            }
        }
        let file = Some(file);
        let images = Mutex::new(Images { told, file });
        Ok(Self { images })
    }

    /// What an image was read to say.
    pub(super) fn get(&self, digest: &str) -> Option<Told> {
        self.lock().told.get(digest).cloned()
    }

    /// Remembers what an image says.
    pub(super) fn put(&self, digest: &str, told: &Told) {
        let mut images = self.lock();
        let Images { told: known, file } = &mut *images;
        if known.len() >= MOST_IMAGES {
            known.clear();
            let emptied = file.as_ref().map_or(Ok(()), |file| file.set_len(0));
            if emptied.is_err() {
                *file = None;
            }
        }
        let is_new = known.insert(digest.to_owned(), told.clone()).is_none();
        let written = match file {
            Some(file) if is_new => append(file, digest, told),
            _ => Ok(()),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "what images say cannot be kept, and is read again after a restart");
            *file = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Images> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The lines that can be read, and whether that is all of them.
fn read(file: &File) -> (HashMap<String, Told>, bool) {
    let mut told = HashMap::new();
    let mut is_whole = file.metadata().is_ok_and(|data| data.len() <= LARGEST_FILE);
    let mut ends_whole = true;
    let mut lines = BufReader::new(file.take(LARGEST_FILE));
    let mut line = Vec::new();
    while lines
        .read_until(b'\n', &mut line)
        .is_ok_and(|length| length > 0)
    {
        ends_whole = line.ends_with(b"\n");
        match serde_json::from_slice::<Line>(&line) {
            Ok(line) if is_digest(&line.digest) && told.len() < MOST_IMAGES => {
                // A file may have been written by a version that took more for a time.
                let created = line.told.created;
                let created = created.and_then(|time| creation_time(&time.to_string()));
                let platforms = line.told.platforms;
                told.insert(line.digest, Told { created, platforms });
            }
            _ => is_whole = false,
        }
        line.clear();
    }
    (told, is_whole && ends_whole)
}

/// One line, in one write.
fn append(file: &mut File, digest: &str, told: &Told) -> io::Result<()> {
    let line = Line {
        digest: digest.to_owned(),
        told: told.clone(),
    };
    let mut bytes = serde_json::to_vec(&line)?;
    bytes.push(b'\n');
    file.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn digest(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn told(second: i64) -> Told {
        Told {
            created: Timestamp::from_second(second).ok(),
            platforms: vec!["linux/amd64".to_owned()],
        }
    }

    #[test]
    fn what_was_read_is_known_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let memory = ImageMemory::open(folder.path()).expect("it opens");
        memory.put(&digest('a'), &told(1_700_000_000));
        memory.put(&digest('b'), &Told::default());
        memory.put(&digest('a'), &told(1_700_000_000));
        drop(memory);
        let lines = fs::read_to_string(folder.path().join(FILE)).expect("a file");
        assert_eq!(lines.lines().count(), 2, "each image once: {lines}");
        let memory = ImageMemory::open(folder.path()).expect("it opens");
        assert_eq!(memory.get(&digest('a')), Some(told(1_700_000_000)));
        assert_eq!(memory.get(&digest('b')), Some(Told::default()));
        assert_eq!(memory.get(&digest('c')), None);
    }

    #[test]
    fn damage_costs_the_damaged_lines_and_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        let memory = ImageMemory::open(folder.path()).expect("it opens");
        for digit in ['a', 'b', 'c'] {
            memory.put(&digest(digit), &told(1_700_000_000));
        }
        drop(memory);
        let whole = fs::read(&path).expect("a file");
        // Cut off anywhere, as a full disk or a crash leaves it, and with bytes in between that are nothing.
        for damaged in [
            whole[..whole.len() - 7].to_vec(),
            [&whole[..], b"{\"digest\": \"latest\", \"platforms\": []}\n"].concat(),
            [&whole[..], b"\xff\xfe\n\n{}\n"].concat(),
        ] {
            fs::write(&path, &damaged).expect("a file");
            let memory = ImageMemory::open(folder.path()).expect("it opens");
            assert!(memory.get(&digest('a')).is_some() && memory.get(&digest('b')).is_some());
            memory.put(&digest('d'), &told(1_700_000_001));
            drop(memory);
            let again = ImageMemory::open(folder.path()).expect("it opens");
            assert!(again.get(&digest('b')).is_some() && again.get(&digest('d')).is_some());
        }
    }

    #[test]
    fn a_folder_that_cannot_be_used_is_said() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(ImageMemory::open(&folder.path().join("missing")).is_err());
    }
}
