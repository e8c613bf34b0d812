//! An application of the fleet whose updates are proposed: the objects for it, and what they tell of its pull request.

use super::Fleet;
use serde_json::{Value, json};

const AUTOMATION: &str = "ImageUpdateAutomation";

impl Fleet {
    /// Writes the objects that propose updates of the image `app`: to the repository at `url`, with the login in the Secret
    /// `login`, and with this `spec.git.pullRequest`. The automation may not be ready yet.
    pub async fn propose(&self, url: &str, login: &str, pull_request: Value) {
        let source = json!({"spec": {
            "url": url, "ref": {"branch": "main"}, "interval": "1h", "secretRef": {"name": login},
        }});
        self.apply("GitRepository", "app", source).await;
        let repository = self.image_repository("app");
        self.apply("ImageRepository", "app", repository).await;
        let policy = self.image_policy("app");
        self.apply("ImagePolicy", "app", policy).await;
        self.ready("ImagePolicy", "app").await;
        self.proposing("app", pull_request).await;
    }

    /// Writes an automation of the GitRepository `app` with this `spec.git.pullRequest`.
    pub async fn proposing(&self, name: &str, pull_request: Value) {
        let mut automation = self.automation("app", "apps");
        automation["spec"]["git"]["pullRequest"] = pull_request;
        self.apply(AUTOMATION, name, automation).await;
    }

    /// The branch that the automation `app` proposes updates of the policy `app` from.
    pub fn proposed_branch(&self) -> String {
        format!("highwater/{}/app/app", self.namespace)
    }

    /// Waits until the only pull request in the status of the automation `app` is as wanted.
    pub async fn tracked(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let object = self
            .wait(AUTOMATION, "app", what, |object| {
                object["status"]["pullRequests"]
                    .as_array()
                    .is_some_and(|all| all.len() == 1 && wanted(&all[0]))
            })
            .await;
        object["status"]["pullRequests"][0].clone()
    }

    /// Publishes a tag, and waits until it is proposed.
    pub async fn proposed(&self, tag: &str) -> Value {
        self.publish("app", tag).await;
        let image = format!("{}:{tag}", self.registry.image("app"));
        self.tracked(&image, |pull| {
            pull["state"] == "Open" && pull["number"].is_number() && pull["images"]["app"] == *image
        })
        .await
    }
}
