//! `highwater scan`: the tags of an image, what they point to and since when, and what the registry says of limits.
//!
//! Invariant: all tags are listed, but only so many images are asked for as the flags allow, and what is left out is said.
//! What is absent: choosing among them; that is `highwater explain`.

mod print;

use super::failure::Failure;
use super::logins::Logins;
use super::output::{Format, Printer};
use crate::adapters::registry::{
    Access, ErrorClass, ImageFacts, Known, RegistryClient, RegistryError,
};
use crate::domain::duration::parse_duration;
use crate::domain::image::ImageName;
use crate::domain::pattern::Pattern;
use clap::Args;
use futures::{StreamExt, stream};
use std::time::Duration;

/// How many images are asked for at once.
const AT_ONCE: usize = 8;

/// The flags of `highwater scan`.
#[derive(Debug, Args)]
pub struct Flags {
    /// the image, without a tag
    #[arg(value_name = "IMAGE")]
    image: String,
    /// show only tags that match this regular expression
    #[arg(long, value_name = "PATTERN")]
    filter: Option<String>,
    /// ask for digest and times of at most so many tags
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    limit: usize,
    /// ask the registry over plain HTTP
    #[arg(long)]
    insecure: bool,
    /// how long the registry may take for each answer
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration)]
    timeout: Duration,
    /// how to print
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    output: Format,
}

/// What was found out.
struct Scanned {
    image: ImageName,
    /// How many tags the registry lists.
    listed: usize,
    /// In how many pages.
    pages: usize,
    /// How many of them match the filter.
    matching: usize,
    /// What was asked of the first of them.
    asked: Vec<(String, Result<ImageFacts, RegistryError>)>,
}

/// Prints a table on standard output, and what is to be said of the whole on standard error; or all of it as JSON.
///
/// # Errors
/// When the image is none, the registry does not give the whole list, or an image cannot be asked for.
pub async fn run(flags: &Flags, printer: &mut Printer) -> Result<(), Failure> {
    let image = ImageName::parse(&flags.image).map_err(Failure::usage)?;
    let filter = flags.filter.as_deref().map(Pattern::new).transpose();
    let filter = filter.map_err(Failure::usage)?;
    let access = Logins::access_to(&image, flags.insecure, flags.timeout, printer).await;
    let registry = RegistryClient::new();
    let listing = registry.list_tags(&image, &access, &|_| true).await?;
    let matches = |tag: &&str| filter.as_ref().is_none_or(|filter| filter.matches(tag));
    let tags = || listing.tags.iter().filter(matches);
    let shown = tags().take(flags.limit).map(str::to_owned).collect();
    let scanned = Scanned {
        listed: listing.tags.len(),
        pages: listing.pages,
        matching: tags().count(),
        asked: ask(&registry, &image, &access, shown).await,
        image,
    };
    match flags.output {
        Format::Text => {
            printer.data(&print::text(&scanned))?;
            for line in print::talk(&scanned) {
                printer.talk(&line);
            }
        }
        Format::Json => printer.data(&print::json(&scanned))?,
    }
    let failed = scanned
        .asked
        .iter()
        .find_map(|(_, asked)| asked.as_ref().err());
    match failed.filter(|error| error.class() != ErrorClass::NotFound) {
        Some(error) => Err(Failure::from(error.clone())),
        None => Ok(()),
    }
}

/// Asks for the images of tags. After an answer that asks for fewer requests nothing more is sent: the client sees to that.
async fn ask(
    registry: &RegistryClient,
    image: &ImageName,
    access: &Access,
    tags: Vec<String>,
) -> Vec<(String, Result<ImageFacts, RegistryError>)> {
    let asked = stream::iter(tags).map(|tag| async move {
        let facts = registry.facts(image, &tag, access, Known::Nothing).await;
        (tag, facts)
    });
    let mut asked: Vec<(String, Result<ImageFacts, RegistryError>)> =
        asked.buffered(AT_ONCE).collect().await;
    let facts = || asked.iter().filter_map(|(_, asked)| asked.as_ref().ok());
    if facts().count() > 0 && facts().all(|facts| facts.pushed.is_none()) {
        // Some registries tell it elsewhere; that others do not is no failure.
        let wanted = asked.iter().map(|(tag, _)| tag.as_str()).collect();
        let times = registry.push_times(image, access, &wanted).await;
        let times = times.unwrap_or_default();
        for (tag, asked) in &mut asked {
            if let Ok(facts) = asked {
                facts.pushed = times.get(tag).copied();
            }
        }
    }
    asked
}
