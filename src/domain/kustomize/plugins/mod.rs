//! `generators`, `transformers` and `validators`: kustomize's own plugins, by name.
//!
//! Invariant: plugins come after what the same kustomization does without them, in the order of
//! their configs; paths in a config are relative to the kustomization that names it; a validator
//! leaves the objects as they are. What is absent: plugins that are programs or containers.

mod config;
mod generators;
mod transformers;
mod validate;
mod value_add;

use super::accumulate::Accumulated;
use super::build_metadata::Notes;
use super::context::Context;
use super::decode::{Fields, Located};
use super::error::BuildError;
use super::lines::Lines;
use super::resource::Resource;
use config::Config;
use generators::Generator;
use transformers::Transformer;

/// The entries of the three fields: paths, or configs in place.
#[derive(Clone, Debug, Default)]
pub(super) struct Plugins {
    generators: Vec<(Located<String>, Lines)>,
    transformers: Vec<(Located<String>, Lines)>,
    validators: Vec<(Located<String>, Lines)>,
}

impl Plugins {
    /// Reads the three fields of a kustomization file.
    pub(super) fn parse(fields: &Fields<'_>) -> Result<Self, BuildError> {
        Ok(Self {
            generators: entries(fields, "generators")?,
            transformers: entries(fields, "transformers")?,
            validators: entries(fields, "validators")?,
        })
    }

    /// Carries out `generators`.
    pub(super) fn generate(
        &self,
        context: &Context<'_>,
        accumulated: &mut Accumulated,
        notes: &Notes<'_>,
    ) -> Result<(), BuildError> {
        for config in config::load(context, &self.generators, accumulated)? {
            let note = |made: &mut Resource| match &config.origin {
                Some(origin) => notes.made_by(origin, made),
                None => Ok(()),
            };
            let generator = Generator::read(context, &config)?;
            generator.apply(context, &mut accumulated.resources, note)?;
        }
        Ok(())
    }

    /// Carries out `transformers`.
    pub(super) fn transform(
        &self,
        context: &Context<'_>,
        accumulated: &mut Accumulated,
        notes: &mut Notes<'_>,
    ) -> Result<(), BuildError> {
        for config in config::load(context, &self.transformers, accumulated)? {
            transform(context, &config, accumulated)?;
            if let Some(origin) = &config.origin {
                notes.ran_by(origin, &mut accumulated.resources)?;
            }
        }
        Ok(())
    }

    /// Carries out `validators`.
    pub(super) fn validate(
        &self,
        context: &Context<'_>,
        accumulated: &mut Accumulated,
    ) -> Result<(), BuildError> {
        for config in config::load(context, &self.validators, accumulated)? {
            context.budget.walk(60, &accumulated.resources)?;
            let before = accumulated.resources.clone();
            transform(context, &config, accumulated)?;
            if let Some(object) = validate::changed(&before, &accumulated.resources) {
                return Err(config.error(format!(
                    "a validator must not touch any object, and it touches `{object}`; hint: name it under `transformers`"
                )));
            }
        }
        Ok(())
    }
}

/// Carries out one transformer: the only place where one is.
fn transform(
    context: &Context<'_>,
    config: &Config,
    accumulated: &mut Accumulated,
) -> Result<(), BuildError> {
    let transformer = Transformer::read(context, config)?;
    let passes = transformer.passes();
    context.budget.look(passes, &accumulated.resources)?;
    transformer.apply(context, &mut accumulated.resources)
}

fn entries(fields: &Fields<'_>, name: &str) -> Result<Vec<(Located<String>, Lines)>, BuildError> {
    let mut entries = Vec::new();
    for at in fields.items(name)? {
        // As in kustomize a null is an empty text, which holds no config.
        if !at.node.is_null() {
            let text = at.text()?;
            entries.push((at.locate(text.to_owned()), Lines::of(&at, text)));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
