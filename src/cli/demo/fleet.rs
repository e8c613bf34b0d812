//! The sample fleet: what a small team might have in Git, with a marker of every common form.
//!
//! The texts are data, written with comments, odd spacing and quotes on purpose: an update must leave
//! all of that as it is. `REGISTRY` stands for the address of the registry, which is known only when
//! it runs.

use std::collections::BTreeMap;

/// The namespace of the objects and of the policies.
pub(super) const NAMESPACE: &str = "shop";
/// What is built and applied.
pub(super) const APPS: &str = "apps";
/// Where the policies are.
pub(super) const POLICIES: &str = "policies/images.yaml";
/// Where the automation is.
pub(super) const AUTOMATION: &str = "policies/automation.yaml";
/// The image whose newer versions the demo pushes.
pub(super) const STAR: &str = "acme/storefront";
/// The tag that is pushed later.
pub(super) const LATER: &str = "1.4.3";

/// The tags of each image at the start. A signature's tag is added to the first one's.
pub(super) const IMAGES: &[(&str, &[&str])] = &[
    (
        STAR,
        &[
            "1.0.0",
            "1.0.1",
            "1.1.0",
            "1.2.0",
            "1.2.1",
            "1.2.2",
            "1.3.0",
            "1.3.1",
            "1.4.0",
            "1.4.1",
            "1.4.2",
            "1.5.0-rc.1",
            "2.0.0",
            "latest",
        ],
    ),
    ("acme/worker", &["2.0.9", "2.0.10"]),
    ("acme/cart", &["build-9", "build-10", "nightly"]),
    ("acme/search", &["2026-09-30", "2026-10-01"]),
];

/// The files of the first commit.
pub(super) fn files(registry: &str) -> BTreeMap<&'static str, String> {
    let files = [
        ("README.md", README),
        ("apps/kustomization.yaml", KUSTOMIZATION),
        ("apps/namespace.yaml", NAMESPACE_OBJECT),
        ("apps/storefront.yaml", STOREFRONT),
        ("apps/worker.yaml", WORKER),
        ("apps/cart.yaml", CART),
        ("charts/search/values.yaml", SEARCH),
        (POLICIES, POLICY_OBJECTS),
        (AUTOMATION, AUTOMATION_OBJECTS),
    ];
    files
        .into_iter()
        .map(|(path, text)| (path, text.replace("REGISTRY", registry)))
        .collect()
}

const README: &str = "\
# The fleet of the demo

`apps` is what runs, `policies` says which images may run, and the comments with `$imagepolicy` tie
one to the other.
";

const KUSTOMIZATION: &str = "\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
  - storefront.yaml
  - worker.yaml
  - cart.yaml
  - namespace.yaml
";

const NAMESPACE_OBJECT: &str = "\
apiVersion: v1
kind: Namespace
metadata:
  name: shop
";

const STOREFRONT: &str = r#"# The shop window.
apiVersion: v1
kind: Service
metadata: {name: storefront, namespace: shop}
spec:
  selector: {app: storefront}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: storefront, namespace: shop}
spec:
  replicas: 0     # the images of the demo hold no program
  selector:
    matchLabels: {app: storefront}
  template:
    metadata:
      labels: {app: storefront}
    spec:
      containers:
      - name:  storefront   # two spaces, and they stay
        image: REGISTRY/acme/storefront:1.3.1 # {"$imagepolicy": "shop:storefront"}
        ports: [ {containerPort: 8080} ]
        env:
        - {name: LOG_LEVEL, value: 'info'}
"#;

const WORKER: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: worker
  namespace: shop
spec:
  replicas: 0
  selector:
    matchLabels:
      app: worker
  template:
    metadata:
      labels:
        app: worker
    spec:
      containers:
        - name: worker
          image: "REGISTRY/acme/worker:2.0.10"   # {"$imagepolicy": "shop:worker"}
"#;

const CART: &str = r#"apiVersion: batch/v1
kind: CronJob
metadata: {name: cart, namespace: shop}
spec:
  schedule: "15 3 * * *"
  suspend: true
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: Never
          containers:
            - {
                name: cart,
                image: REGISTRY/acme/cart:build-10, # {"$imagepolicy": "shop:cart"}
                args: [clean]
              }
"#;

const SEARCH: &str = r#"# Values of a chart; a Helm release reads them.
image:
  repository: REGISTRY/acme/search # {"$imagepolicy": "shop:search:name"}
  tag: "2026-10-01" # {"$imagepolicy": "shop:search:tag"}
"#;

const POLICY_OBJECTS: &str = r#"apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: storefront, namespace: shop}
spec: {image: REGISTRY/acme/storefront, interval: 5m, insecure: true}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: storefront, namespace: shop}
spec:
  imageRepositoryRef: {name: storefront}
  policy:
    semver: {range: ">=1.0.0 <2.0.0"}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: worker, namespace: shop}
spec: {image: REGISTRY/acme/worker, interval: 5m, insecure: true}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: worker, namespace: shop}
spec:
  imageRepositoryRef: {name: worker}
  policy:
    semver: {range: 2.0.x}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: cart, namespace: shop}
spec: {image: REGISTRY/acme/cart, interval: 5m, insecure: true}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: cart, namespace: shop}
spec:
  imageRepositoryRef: {name: cart}
  filterTags: {pattern: '^build-(?P<number>\d+)$', extract: '$number'}
  policy:
    numerical: {order: asc}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {name: search, namespace: shop}
spec: {image: REGISTRY/acme/search, interval: 5m, insecure: true}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {name: search, namespace: shop}
spec:
  imageRepositoryRef: {name: search}
  policy:
    alphabetical: {order: asc}
"#;

const AUTOMATION_OBJECTS: &str = r"apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: fleet, namespace: shop}
spec:
  interval: 5m
  sourceRef: {kind: GitRepository, name: fleet}
  git:
    checkout:
      ref: {branch: main}
    commit:
      author: {name: highwater, email: highwater@example.com}
    push: {branch: main}
  update: {strategy: Setters, path: ./}
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::image::ImageRef;
    use crate::domain::marker::PolicyKey;
    use crate::domain::rewrite::{Selections, is_candidate, rewrite};

    fn selections() -> Selections {
        let mut selections = Selections::new(NAMESPACE);
        let newest = [
            ("storefront", "1.4.2"),
            ("worker", "2.0.10"),
            ("cart", "build-10"),
            ("search", "2026-10-01"),
        ];
        for (name, tag) in newest {
            let image = ImageRef {
                name: format!("r:1/acme/{name}"),
                tag: tag.to_owned(),
                digest: None,
            };
            selections.insert(PolicyKey::new(NAMESPACE, name), image);
        }
        selections
    }

    #[test]
    fn every_marker_works_and_only_the_storefront_is_behind() {
        let mut changed = Vec::new();
        for (path, text) in files("r:1")
            .into_iter()
            .filter(|(path, _)| is_candidate(path))
        {
            let rewritten = rewrite(path, text.as_bytes(), &selections());
            assert_eq!(rewritten.problems, [], "{path}");
            changed.extend(rewritten.changes.into_iter().map(|change| change.setter));
        }
        assert_eq!(changed, ["shop:storefront"]);
    }

    #[test]
    fn every_marker_follows_its_policy() {
        let mut selections = selections();
        for name in ["worker", "cart", "search"] {
            let image = ImageRef {
                name: format!("r:2/{name}"),
                tag: "3".to_owned(),
                digest: None,
            };
            selections.insert(PolicyKey::new(NAMESPACE, name), image);
        }
        let setters = files("r:1")
            .into_iter()
            .flat_map(|(path, text)| rewrite(path, text.as_bytes(), &selections).changes);
        let setters: Vec<String> = setters.map(|change| change.setter).collect();
        assert_eq!(
            setters,
            [
                "shop:cart",
                "shop:storefront",
                "shop:worker",
                "shop:search:name",
                "shop:search:tag"
            ]
        );
    }
}
