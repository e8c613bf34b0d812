//! `highwater explain`: every tag of an image, which rule dropped it, what wins and what would win next.
//!
//! ```text
//! flags, or a policy of the cluster ── question ── registry ── domain::policy ── print
//! ```
//!
//! Invariant: the tags are asked of the registry now, and judged by the rules the controllers select by.
//! What is absent: digests, and what the cluster selected before, unless it holds that back.

mod print;
mod question;

use super::failure::Failure;
use super::output::{Format, Printer};
use crate::adapters::registry::RegistryClient;
use crate::controllers::image_policy::informed;
use crate::domain::duration::parse_duration;
use clap::{ArgGroup, Args};
use question::Question;
use std::path::PathBuf;
use std::time::Duration;

/// The flags of `highwater explain`.
#[derive(Debug, Args)]
#[command(
    group(ArgGroup::new("subject").required(true).args(["policy", "image"])),
    group(ArgGroup::new("order").args(["semver", "calver", "newest", "alphabetical", "numerical"]).requires("image"))
)]
pub struct Flags {
    /// an ImagePolicy of the cluster
    #[arg(value_name = "POLICY")]
    policy: Option<String>,
    /// an image instead, without any cluster
    #[arg(long, value_name = "IMAGE", requires = "order")]
    image: Option<String>,
    /// take the highest version in this range
    #[arg(long, value_name = "RANGE")]
    semver: Option<String>,
    /// take the latest calendar version of this layout, such as `YYYY.0M.MICRO`
    #[arg(long, value_name = "LAYOUT")]
    calver: Option<String>,
    /// take the image that was `created` or `pushed` last, whatever its tag
    #[arg(long, value_name = "TIME", num_args = 0..=1, default_missing_value = "created")]
    newest: Option<String>,
    /// ask the images of at most so many tags for their time [default: 100]
    #[arg(long, value_name = "NUMBER", requires = "image")]
    limit: Option<usize>,
    /// take the last tag in the alphabet, or with `desc` the first
    #[arg(long, value_name = "ORDER", num_args = 0..=1, default_missing_value = "asc")]
    alphabetical: Option<String>,
    /// take the greatest number, or with `desc` the smallest
    #[arg(long, value_name = "ORDER", num_args = 0..=1, default_missing_value = "asc")]
    numerical: Option<String>,
    /// consider only tags that match this regular expression
    #[arg(long, value_name = "PATTERN", requires = "image")]
    filter: Option<String>,
    /// order by this part of the match, such as `$1` or `$name`
    #[arg(long, value_name = "TEMPLATE", requires = "filter")]
    extract: Option<String>,
    /// leave out tags that match this regular expression [default: ^.*\.sig$]
    #[arg(long, value_name = "PATTERN", requires = "image")]
    exclude: Vec<String>,
    /// ask the registry over plain HTTP
    #[arg(long, requires = "image")]
    insecure: bool,
    /// how long the registry may take
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration)]
    timeout: Duration,
    /// the namespace of the policy
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "FLUX_SYSTEM_NAMESPACE",
        default_value = "flux-system"
    )]
    namespace: String,
    /// use this kubeconfig file instead of kubectl's own choice
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// how to print
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    output: Format,
}

/// Prints the table on standard output and the short why on standard error, or both as JSON.
///
/// # Errors
/// When the policy is none or cannot be read, or the registry does not give the whole list. A policy that selects nothing is
/// explained, and is no failure.
pub async fn run(flags: &Flags, printer: &mut Printer) -> Result<(), Failure> {
    let question = match &flags.policy {
        Some(name) => question::of_the_cluster(flags, name).await?,
        None => question::of_the_flags(flags, printer).await?,
    };
    let Question {
        image,
        access,
        exclusions,
        policy,
        held,
    } = question;
    let registry = RegistryClient::new();
    let listing = registry.list_tags(&image, &access, &|_| true).await?;
    let left = |tag: &&str| !exclusions.matches(tag);
    let tags = listing.tags.iter().filter(left).collect();
    let policy = informed(&registry, &image, &access, policy, &tags).await;
    let explanation = policy
        .map_err(Failure::new)?
        .explain(&listing.tags, &exclusions);
    match flags.output {
        Format::Text => {
            printer.data(&print::text(&explanation))?;
            printer.talk(&explanation.why());
            if let Some(held) = held {
                printer.talk(&format!("the cluster holds what it selected: {held}"));
            }
        }
        Format::Json => printer.data(&print::json(&image, &explanation, held.as_deref()))?,
    }
    Ok(())
}
