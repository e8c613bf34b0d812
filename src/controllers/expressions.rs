//! Where CEL expressions of custom resources are evaluated: on a thread with the stack that they may need.
//!
//! Invariant: one such thread at a time; what it evaluates is bounded, so it ends. What is absent: the language
//! ([`cel`](crate::domain::cel)), and what is asked.

use crate::domain::cel::STACK;
use crate::domain::outcome::{Outcome, reason};
use std::fmt::Display;
use tokio::sync::{Semaphore, oneshot};

/// How messages of specifications begin that no retry mends.
pub const TERMINAL: &str = "Reconciliation failed terminally due to configuration error";

/// Runs `work` on a thread of its own.
///
/// # Errors
/// Words when there is no such thread, or it broke.
pub async fn on_stack<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    static PLACE: Semaphore = Semaphore::const_new(1);
    let broken = || "an expression could not be evaluated, please report this".to_owned();
    let _place = PLACE.acquire().await.map_err(|_| broken())?;
    let (tell, told) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("cel".to_owned())
        .stack_size(STACK);
    // Whoever asked may be gone by then.
    let started = thread.spawn(move || drop(tell.send(work())));
    started.map_err(|error| format!("no thread can be started: {error}"))?;
    told.await.map_err(|_| broken())
}

/// An expression of a specification is none.
pub fn invalid(words: impl Display) -> Outcome {
    Outcome::stalled(
        reason::INVALID_CEL_EXPRESSION,
        format!("{TERMINAL}: {words}"),
    )
}
