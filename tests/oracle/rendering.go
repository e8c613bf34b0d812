package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"

	"highwater.example/oracle/source"
	"highwater.example/oracle/update"

	"github.com/Masterminds/sprig/v3"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/kustomize/kyaml/yaml"
)

type renderingRequest struct {
	Text string          `json:"text"`
	Data json.RawMessage `json:"data"`
}

type renderingAnswer struct {
	Error string `json:"error,omitempty"`
	Text  string `json:"text"`
}

// answerRendering renders a template with Sprig's hermetic functions, as Flux does.
func answerRendering(asked renderingRequest) renderingAnswer {
	// The local time of a container.
	time.Local = time.UTC
	decoder := json.NewDecoder(bytes.NewReader(asked.Data))
	decoder.UseNumber()
	var data any
	if err := decoder.Decode(&data); err != nil {
		panic(err)
	}
	parsed, err := template.New("t").Funcs(sprig.HermeticTxtFuncMap()).Parse(asked.Text)
	if err != nil {
		return renderingAnswer{Error: err.Error()}
	}
	var text strings.Builder
	if err := parsed.Execute(&text, typed(data)); err != nil {
		return renderingAnswer{Error: err.Error()}
	}
	return renderingAnswer{Text: text.String()}
}

// typed turns JSON into Go's values: whole numbers into int, and objects with "$" into what that says.
func typed(data any) any {
	switch data := data.(type) {
	case json.Number:
		if whole, err := data.Int64(); err == nil {
			return int(whole)
		}
		float, _ := data.Float64()
		return float
	case []any:
		for i := range data {
			data[i] = typed(data[i])
		}
		return data
	case map[string]any:
		if kind, special := data["$"]; special {
			return ofKind(kind.(string), data["v"])
		}
		for key := range data {
			data[key] = typed(data[key])
		}
		return data
	default:
		return data
	}
}

func ofKind(kind string, value any) any {
	switch kind {
	case "int64":
		whole, _ := value.(json.Number).Int64()
		return whole
	case "uint64":
		whole, _ := value.(json.Number).Int64()
		return uint64(whole)
	case "strings":
		texts := []string{}
		for _, text := range value.([]any) {
			texts = append(texts, text.(string))
		}
		return texts
	case "texts":
		return textsOf(value)
	case "flux":
		return fluxData(value.(map[string]any))
	default:
		panic(fmt.Sprintf("unknown kind %q", kind))
	}
}

func textsOf(value any) map[string]string {
	if value == nil {
		return nil
	}
	texts := map[string]string{}
	for key, text := range value.(map[string]any) {
		texts[key] = text.(string)
	}
	return texts
}

func fluxData(value map[string]any) source.TemplateData {
	var changed update.Result
	for _, item := range value["changes"].([]any) {
		change := textsOf(item)
		object := update.ObjectIdentifier{ResourceIdentifier: yaml.ResourceIdentifier{
			TypeMeta: yaml.TypeMeta{APIVersion: change["apiVersion"], Kind: change["kind"]},
			NameMeta: yaml.NameMeta{Name: change["name"], Namespace: change["namespace"]},
		}}
		if changed.FileChanges == nil {
			changed.FileChanges = map[string]update.ObjectChanges{}
		}
		objects := changed.FileChanges[change["file"]]
		if objects == nil {
			objects = update.ObjectChanges{}
			changed.FileChanges[change["file"]] = objects
		}
		objects[object] = append(objects[object], update.Change{
			OldValue: change["old"],
			NewValue: change["new"],
			Setter:   change["setter"],
		})
	}
	return source.TemplateData{
		AutomationObject: types.NamespacedName{
			Namespace: value["namespace"].(string),
			Name:      value["name"].(string),
		},
		Changed: changed,
		Values:  textsOf(value["values"]),
	}
}
