//! Signed commits, with keys of the real `gpg` and `ssh-keygen`, judged by real Git.

mod openpgp;
mod ssh;

use super::*;
use highwater::adapters::git::{Signer, SigningKeyError};
use jiff::Timestamp;

/// Pushes a signed commit; its id.
fn signed(world: &World, signer: &Signer, text: &str) -> String {
    let (remote, main) = (world.file(), branch("main"));
    let outcome = world.cache.transaction(&on_main(&remote, &main), |_| {
        let mut plan = plan(
            "update\n\n-----BEGIN no signature-----\n",
            &[("a.yaml", text)],
        );
        plan.at = now();
        plan.signer = Some(signer.clone());
        Ok::<_, Infallible>(Some(plan))
    });
    let commit = pushed(&outcome.expect("it is pushed")).to_string();
    assert_eq!(world.origin.head("main"), commit);
    commit
}

fn now() -> Timestamp {
    Timestamp::now()
}

/// The words of a key that is refused. They hold nothing of what was read.
fn refused(read: Result<Signer, SigningKeyError>, secrets: &[&[u8]]) -> String {
    let error = match read {
        Ok(signer) => panic!("{signer:?} was taken"),
        Err(error) => error,
    };
    let words = format!("{error} {error:?}");
    for secret in secrets {
        let text = String::from_utf8_lossy(secret);
        for line in text
            .lines()
            .filter(|line| line.len() > 12 && !line.contains("---"))
        {
            assert!(!words.contains(line), "{words}");
        }
    }
    error.to_string()
}

/// Copies of `bytes` with one thing changed each, spread over the whole: a bit flipped, a byte gone, the
/// end cut off.
fn damaged(bytes: &[u8], count: usize) -> Vec<Vec<u8>> {
    let step = (bytes.len() / count).max(1);
    let mut copies = Vec::new();
    for (round, at) in (0..bytes.len()).step_by(step).enumerate() {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 1 << (round % 8);
        let mut shorter = bytes.to_vec();
        shorter.remove(at);
        copies.extend([flipped, shorter, bytes[..at].to_vec()]);
    }
    copies
}
