//! Pull requests: what they are to say, and what is to be done about those a forge has.
//!
//! ```text
//! changes ─group─▶ wanted ─┐
//! forge, Git ─────▶ known ─┴plan─▶ steps
//! ```
//!
//! Invariants: never are two pull requests of one group open; a branch is only ever replaced while its
//! head is ours; what a person closed is not opened again. The state lives in the forge: a hidden
//! [`Marker`] in the body says whose the pull request is and for what, so that a restart or a second
//! process finds it. What is absent: speaking to a forge, and Git.

mod address;
mod body;
mod branch;
pub mod forge;
mod group;
mod link;
mod markdown;
mod marker;
mod ownership;
mod plan;
mod text;

pub use address::{ForgeUrlError, repository_of};
pub use body::{Body, ImageChange, Origin, body, image_changes};
pub use branch::{branch_prefix, default_branch, valid_branch};
pub use forge::{
    Checks, ComparedCommit, ForgeKind, MergeMethod, PullRequest, PullRequestDraft, PullRequestEdit,
    PullState, Repository,
};
pub use group::{Group, Grouping, Images, version};
pub use link::{Source, compare_page};
pub use marker::{Ended, Marker};
pub use ownership::{Head, HeadCommit, Identity, Owner, Record, judge};
pub use plan::{AutoMerge, Decision, Known, Rebuild, Rules, Standing, Step, Waiting, Wanted, plan};
pub use text::{TextTemplate, TextTemplateError, default_title, fingerprint, template_data, title};
