//! What is known of the times of images: asked of the registry once for each image, not for each decision.
//!
//! Invariant: a decision is made of the times of all tags or not at all; what was found out before a failure is kept, so that the
//! next try goes on from there. What is absent: which tags count.

use crate::adapters::registry::{
    Access, ErrorClass, ImageFacts, Known, RegistryClient, RegistryError,
};
use crate::domain::image::ImageName;
use crate::domain::policy::{Moment, Policy, Question, Times};
use crate::domain::tags::TagSet;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many images of a policy are asked for at once.
const AT_ONCE: usize = 8;

/// What is known of one time of the tags of one image.
#[derive(Debug, Default)]
pub(super) struct Facts {
    tags: Mutex<HashMap<String, Fact>>,
}

#[derive(Clone, Debug)]
struct Fact {
    /// `None` for a tag that the registry lists and does not have, and where only the push time was asked for.
    image: Option<ImageFacts>,
    /// When it was pushed.
    pushed: Option<Timestamp>,
    /// Whether it is to be asked for again, because the tag may have moved.
    stale: bool,
}

/// A tag whose time could not be found out.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The tag.
    pub(super) tag: String,
    /// Why not.
    pub(super) error: RegistryError,
}

/// The policy with the times it asks for, where nothing was found out before.
///
/// # Errors
/// Words for too many tags, and for a tag whose time could not be found out.
pub async fn informed(
    registry: &RegistryClient,
    image: &ImageName,
    access: &Access,
    policy: Policy,
    tags: &TagSet,
) -> Result<Policy, String> {
    let Some(question) = policy.question(tags).map_err(|error| error.to_string())? else {
        return Ok(policy);
    };
    let facts = Facts::default();
    let asked = facts.ask(registry, image, access, &question).await;
    asked.map_err(|Trouble { tag, error }| {
        format!(
            "failed to ask when `{tag}` was {}: {error}",
            question.moment
        )
    })?;
    Ok(policy.knowing(facts.times(&question)))
}

impl Facts {
    /// Lets every tag be asked for again: tags may have moved. Images that were asked for stay known.
    pub(super) fn doubt(&self) {
        self.lock().values_mut().for_each(|fact| fact.stale = true);
    }

    /// Whether the registry need not be asked.
    pub(super) fn answers(&self, question: &Question) -> bool {
        let facts = self.lock();
        let mut tags = question.tags.iter();
        tags.all(|tag| facts.get(tag).is_some_and(|fact| !fact.stale))
    }

    /// Asks for what is not known, and forgets tags that do not count any more.
    ///
    /// # Errors
    /// The first tag for which the registry gives no answer.
    pub(super) async fn ask(
        &self,
        registry: &RegistryClient,
        image: &ImageName,
        access: &Access,
        question: &Question,
    ) -> Result<(), Trouble> {
        let wanted: HashSet<&str> = question.tags.iter().map(String::as_str).collect();
        self.lock().retain(|tag, _| wanted.contains(tag.as_str()));
        let unknown = self.unknown(question);
        match question.moment {
            Moment::Created => self.ask_each(registry, image, access, unknown, true).await,
            Moment::Pushed => self.ask_pushed(registry, image, access, unknown).await,
        }
    }

    /// What is to be asked for, with what is known of it.
    fn unknown(&self, question: &Question) -> Vec<(String, Option<ImageFacts>)> {
        let facts = self.lock();
        let unknown = question.tags.iter().filter_map(|tag| match facts.get(tag) {
            Some(fact) if !fact.stale => None,
            Some(fact) => Some((tag.clone(), fact.image.clone())),
            None => Some((tag.clone(), None)),
        });
        unknown.collect()
    }

    /// Asks for one image; a registry that tells its push time tells that of the others too, and one that does not may tell all of
    /// them with its tag list, or none.
    async fn ask_pushed(
        &self,
        registry: &RegistryClient,
        image: &ImageName,
        access: &Access,
        unknown: Vec<(String, Option<ImageFacts>)>,
    ) -> Result<(), Trouble> {
        let Some((first, known)) = unknown.first().cloned() else {
            return Ok(());
        };
        let one = vec![(first.clone(), known)];
        self.ask_each(registry, image, access, one, false).await?;
        let is_told = |fact: &Fact| fact.pushed.is_some();
        if self.lock().get(&first).is_some_and(is_told) {
            let others = unknown.into_iter().skip(1).collect();
            return self.ask_each(registry, image, access, others, false).await;
        }
        let wanted = unknown.iter().map(|(tag, _)| tag.as_str()).collect();
        let told = registry.push_times(image, access, &wanted).await;
        let told = told.map_err(|error| Trouble { tag: first, error })?;
        let mut facts = self.lock();
        for (tag, _) in unknown {
            let pushed = told.get(&tag).copied();
            let (image, stale) = (None, false);
            let fact = Fact {
                image,
                pushed,
                stale,
            };
            facts.insert(tag, fact);
        }
        Ok(())
    }

    async fn ask_each(
        &self,
        registry: &RegistryClient,
        image: &ImageName,
        access: &Access,
        unknown: Vec<(String, Option<ImageFacts>)>,
        reading: bool,
    ) -> Result<(), Trouble> {
        let asked = stream::iter(unknown).map(|(tag, known)| async move {
            let known = match &known {
                _ if !reading => Known::Enough,
                Some(known) => Known::Of(known),
                None => Known::Nothing,
            };
            let image = match registry.facts(image, &tag, access, known).await {
                Ok(facts) => Some(facts),
                Err(error) if error.class() == ErrorClass::NotFound => None,
                Err(error) => return Err(Trouble { tag, error }),
            };
            let pushed = image.as_ref().and_then(|image| image.pushed);
            let stale = false;
            let fact = Fact {
                image,
                pushed,
                stale,
            };
            self.lock().insert(tag, fact);
            Ok(())
        });
        asked.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// The times that are known.
    pub(super) fn times(&self, question: &Question) -> Times {
        let facts = self.lock();
        let time = |tag: &String| {
            let fact = facts.get(tag)?;
            let time = match question.moment {
                Moment::Created => fact.image.as_ref()?.created,
                Moment::Pushed => fact.pushed,
            };
            Some((tag.clone(), time?))
        };
        question.tags.iter().filter_map(time).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Fact>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
