//! The templates of Flux's documentation, written with data of our own: what they say there, they say here.

use super::data::{flux, value};
use super::{Rendering, assert_same};
use highwater::domain::template::Template;

/// The automation, the files, and the objects with their changes.
const FILES_AND_OBJECTS: &str = "\
Automated image update

Automation name: {{ .AutomationObject }}

Files:
{{ range $filename, $_ := .Changed.FileChanges -}}
- {{ $filename }}
{{ end -}}

Objects:
{{ range $resource, $changes := .Changed.Objects -}}
- {{ $resource.Kind }} {{ $resource.Name }}
  Changes:
{{- range $_, $change := $changes }}
    - {{ $change.OldValue }} -> {{ $change.NewValue }}
{{ end -}}
{{ end -}}
";

/// The same with functions and a condition.
const WITH_FUNCTIONS: &str = "\
Objects:
{{ range $resource, $changes := .Changed.Objects -}}
- {{ $resource.Kind | lower }} {{ $resource.Name | lower }}
  Changes:
{{- range $_, $change := $changes }}
  {{ if contains \"5.0.3\" $change.NewValue -}}
    - {{ $change.OldValue }} -> {{ $change.NewValue }}
  {{ else -}}
    [skip ci] wrong image
  {{ end -}}
{{ end -}}
{{ end -}}
";

/// What a Gerrit change id is made of.
const CHANGE_ID: &str = "\
{{- $ChangeId := .AutomationObject -}}
{{- $ChangeId = printf \"%s%s\" $ChangeId ( .Changed.FileChanges | toString ) -}}
{{- $ChangeId = printf \"%s%s\" $ChangeId ( .Changed.Objects | toString ) -}}
{{- $ChangeId = printf \"%s%s\" $ChangeId ( .Changed.Changes | toString ) }}
Automated image update by Flux
{{ if .Changed.Objects -}}
Objects:
{{ range $resource, $changes := .Changed.Objects -}}
- {{ $resource.Kind }} {{ $resource.Name }}
{{ end -}}
{{ end }}
Change-Id: {{ $ChangeId | sha256sum | printf \"I%s\" }}
";

/// Every change on a line, with what set it.
const GUIDE: &str = "\
{{range .Changed.Changes -}}
{{print .OldValue}} -> {{println .NewValue}}
{{- end -}}
";

fn rendered(text: &str) -> String {
    let template = Template::parse("t", text).unwrap_or_else(|error| panic!("{error}"));
    let rendered = template.render(&value(&flux()));
    rendered.unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_templates_of_fluxs_documentation_render_as_documented() {
    assert_eq!(
        rendered(FILES_AND_OBJECTS),
        "\
Automated image update

Automation name: flux-system/fleet

Files:
- apps/web.yaml
- jobs/all.yaml
Objects:
- CronJob sweep
  Changes:
    - 1.0.0 -> 1.1.0

    - 5.0.2 -> 5.0.3

    - 1.0.0 -> 1.1.0
- Deployment web
  Changes:
    - ghcr.io/acme/web:1.0.0 -> ghcr.io/acme/web:1.1.0
"
    );
    assert_eq!(
        rendered(GUIDE),
        "\
5.0.2 -> 5.0.3
ghcr.io/acme/web:1.0.0 -> ghcr.io/acme/web:1.1.0
1.0.0 -> 1.1.0
"
    );
    assert_eq!(
        rendered("Automated image update by Flux for cluster {{ .Values.cluster }}."),
        "Automated image update by Flux for cluster prod."
    );
}

#[test]
fn the_templates_of_fluxs_documentation_render_as_in_go() {
    let texts = [
        FILES_AND_OBJECTS,
        WITH_FUNCTIONS,
        CHANGE_ID,
        GUIDE,
        "Automated image update by Flux",
        "{{range .Changed.Objects}}{{range .}}{{.Setter}}{{end}}{{end}}",
    ];
    let renderings = texts.map(|text| Rendering {
        text: text.to_owned(),
        data: flux(),
    });
    assert_eq!(assert_same(&renderings), texts.len());
}
