//! Commit messages by templates, from the specification to Git.

use super::running;
use crate::support::fleet::{Fleet, condition, message};
use crate::support::git_http::git;
use serde_json::{Value, json};

const TEMPLATE: &str = "\
Release to {{ .Values.cluster }} by {{ .AutomationObject.Name }}

{{ range $file, $objects := .Changed.FileChanges -}}
{{ $file }}:
{{ range $object, $changes := $objects -}}
{{ range $changes }}- {{ $object.Kind | lower }} {{ $object.Name }}: {{ .OldValue | trunc -5 }} -> {{ .NewValue | trunc -5 }} ({{ .Setter }})
{{ end }}{{ end }}{{ end -}}
";

/// Gives the automation a template.
async fn template(fleet: &Fleet, text: &str) {
    let commit = json!({"messageTemplate": text, "messageTemplateValues": {"cluster": "prod"}});
    let spec = json!({"spec": {"git": {"commit": commit}}});
    fleet.patch("ImageUpdateAutomation", "app", spec).await;
}

fn last_message(fleet: &Fleet) -> String {
    git(
        &fleet.repository.path,
        &["log", "-1", "--format=%B", "main"],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_has_the_message_that_its_template_makes() {
    let mut fleet = running("message").await;
    fleet.settled_application("app").await;
    template(&fleet, TEMPLATE).await;
    fleet.publish("app", "1.1.0").await;
    fleet.deployed("app", "1.1.0").await;
    let setter = format!("{}:app", fleet.namespace);
    assert_eq!(
        last_message(&fleet).trim_end(),
        format!(
            "Release to prod by app\n\ndeployment.yaml:\n- deployment app: 1.0.0 -> 1.1.0 ({setter})"
        )
    );
    fleet.all_ready("app").await;
    fleet.assert_no_panic();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_field_stalls_the_automation_until_the_template_is_mended() {
    let mut fleet = running("removed").await;
    fleet.settled_application("app").await;
    for (removed, instead) in [
        (".Updated", "'.Changed'"),
        (
            ".Changed.ImageResult",
            "'.Changed.FileChanges' or '.Changed.Objects'",
        ),
    ] {
        template(
            &fleet,
            &format!("{{{{ range {removed}.Images }}}}x{{{{ end }}}}"),
        )
        .await;
        if removed == ".Updated" {
            fleet.publish("app", "1.1.0").await;
        }
        let words = format!(
            "template uses removed '{removed}' field. Please use {instead} instead. \
             See: https://fluxcd.io/flux/components/image/imageupdateautomations/#message-template"
        );
        let stalled = fleet
            .wait("ImageUpdateAutomation", "app", &words, |object| {
                message(object) == words
            })
            .await;
        assert_stalled(&stalled, &words);
    }
    assert_eq!(fleet.repository.log("main"), ["Add app"]);

    template(
        &fleet,
        "Update {{ range .Changed.Changes }}{{ .NewValue }}{{ end }}",
    )
    .await;
    fleet.deployed("app", "1.1.0").await;
    let image = fleet.registry.image("app");
    assert_eq!(
        last_message(&fleet).trim_end(),
        format!("Update {image}:1.1.0")
    );
    fleet.assert_no_panic();
}

fn assert_stalled(object: &Value, words: &str) {
    for kind in ["Stalled", "Ready"] {
        let condition = condition(object, kind);
        assert_eq!(condition["reason"], "RemovedTemplateField", "{kind}");
        assert_eq!(condition["message"], words, "{kind}");
    }
}
