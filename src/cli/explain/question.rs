//! What is asked: an image, how it is reached, and the policy; from flags or from the cluster.

use super::Flags;
use crate::adapters::cluster;
use crate::adapters::registry::Access;
use crate::api::{ImagePolicy, ImageRepository};
use crate::cli::configuration;
use crate::cli::failure::Failure;
use crate::cli::logins::Logins;
use crate::cli::output::Printer;
use crate::controllers::cloud_access::CloudAccess;
use crate::controllers::image_policy;
use crate::controllers::registry_access::access;
use crate::domain::image::ImageName;
use crate::domain::object::ObjectKey;
use crate::domain::policy::{Choice, DEFAULT_LIMIT, Moment, Order, Policy, PolicyError, TagFilter};
use crate::domain::tags::{DEFAULT_EXCLUSIONS, Exclusions};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::fmt::Debug;

/// A question that can be asked.
pub(super) struct Question {
    pub(super) image: ImageName,
    pub(super) access: Access,
    pub(super) exclusions: Exclusions,
    pub(super) policy: Policy,
    /// What the cluster says of a selection that it holds.
    pub(super) held: Option<String>,
}

/// The question of the flags, with docker's logins.
pub(super) async fn of_the_flags(
    flags: &Flags,
    printer: &mut Printer,
) -> Result<Question, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::usage(error);
    let image = ImageName::parse(flags.image.as_deref().unwrap_or_default())
        .map_err(|error| usage(&error))?;
    if flags.limit.is_some() && flags.newest.is_none() {
        return Err(usage(&"`--limit` goes with `--newest`"));
    }
    let policy = policy(flags).map_err(|error| usage(&error))?;
    let exclusions = match flags.exclude.is_empty() {
        true => Exclusions::new(
            &DEFAULT_EXCLUSIONS
                .iter()
                .map(|pattern| (*pattern).to_owned())
                .collect::<Vec<_>>(),
        ),
        false => Exclusions::new(&flags.exclude),
    };
    let exclusions = exclusions.map_err(|error| usage(&error))?;
    let access = Logins::access_to(&image, flags.insecure, flags.timeout, printer).await;
    Ok(Question {
        image,
        access,
        exclusions,
        policy,
        held: None,
    })
}

fn policy(flags: &Flags) -> Result<Policy, PolicyError> {
    let order = |order: &Option<String>| Order::parse(order.as_deref().unwrap_or_default());
    let choice = if let Some(range) = &flags.semver {
        Choice::SemVer {
            range: range.clone(),
        }
    } else if let Some(layout) = &flags.calver {
        Choice::CalVer {
            layout: layout.clone(),
        }
    } else if let Some(moment) = &flags.newest {
        Choice::Newest {
            moment: Moment::parse(moment)?,
            limit: flags.limit.unwrap_or(DEFAULT_LIMIT),
        }
    } else if flags.alphabetical.is_some() {
        Choice::Alphabetical {
            order: order(&flags.alphabetical)?,
        }
    } else {
        Choice::Numerical {
            order: order(&flags.numerical)?,
        }
    };
    let filter = flags.filter.as_ref().map(|pattern| TagFilter {
        pattern: pattern.clone(),
        extract: flags.extract.clone().unwrap_or_default(),
    });
    Policy::new(choice, filter)
}

/// The question of an ImagePolicy in the cluster, with the logins its ImageRepository names.
pub(super) async fn of_the_cluster(flags: &Flags, name: &str) -> Result<Question, Failure> {
    let client = cluster::client(configuration(flags.kubeconfig.as_deref()).await?)?;
    let key = ObjectKey::new(&flags.namespace, name);
    let object: ImagePolicy = get(&client, &key).await?;
    let reference = &object.spec.image_repository_ref;
    let namespace = reference.namespace.as_deref().unwrap_or(&key.namespace);
    let repository_key = ObjectKey::new(namespace, &reference.name);
    let repository: ImageRepository = get(&client, &repository_key).await?;
    let image = ImageName::parse(&repository.spec.image)?;
    let policy = image_policy::policy(&object.spec)
        .map_err(|outcome| Failure::new(format!("ImagePolicy/{key}: {}", outcome.message())))?;
    let exclusions = Exclusions::new(&repository.spec.exclusion_list)?;
    let timeout = repository
        .spec
        .timeout()
        .map_or(flags.timeout, |timeout| timeout.min(flags.timeout));
    let cloud = CloudAccess::of_person();
    let access = access(
        &client,
        &cloud,
        namespace,
        &repository.spec,
        &image,
        timeout,
    )
    .await?;
    Ok(Question {
        image,
        access,
        exclusions,
        policy,
        held: held(&object),
    })
}

/// The message of the condition `HeldBack`, while it is true.
fn held(object: &ImagePolicy) -> Option<String> {
    let mut conditions = object.status.conditions.iter();
    let held = conditions.find(|known| known.type_ == "HeldBack" && known.status == "True");
    held.map(|held| held.message.clone())
}

async fn get<K>(client: &Client, key: &ObjectKey) -> Result<K, Failure>
where
    K: Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned,
{
    let objects: Api<K> = Api::namespaced(client.clone(), &key.namespace);
    match objects.get_opt(&key.name).await {
        Ok(Some(object)) => Ok(object),
        Ok(None) => Err(Failure::new(format!(
            "{} object '{}' not found in {:?} namespace",
            K::kind(&()),
            key.name,
            key.namespace
        ))),
        Err(error) => Err(Failure::from(cluster::ClusterError::of(
            &K::kind(&()),
            key,
            error,
        ))),
    }
}
