package main

import (
	"context"
	"encoding/json"

	"github.com/fluxcd/pkg/envsubst"
	"github.com/fluxcd/pkg/kustomize"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/provider"
)

type templateRequest struct {
	Text      string            `json:"text"`
	Variables map[string]string `json:"variables"`
	Strict    bool              `json:"strict"`
}

type templateAnswer struct {
	Error string `json:"error,omitempty"`
	Text  string `json:"text"`
}

// answerTemplate expands one text. Flux's library panics on a few texts: that is a refusal too.
func answerTemplate(asked templateRequest) (answer templateAnswer) {
	defer func() {
		if problem := recover(); problem != nil {
			answer = templateAnswer{Error: "panic"}
		}
	}()
	text, err := envsubst.Eval(asked.Text, func(name string) (string, bool) {
		value, set := asked.Variables[name]
		return value, set || !asked.Strict
	})
	if err != nil {
		return templateAnswer{Error: err.Error()}
	}
	return templateAnswer{Text: text}
}

type substitutionRequest struct {
	Object    json.RawMessage   `json:"object"`
	Variables map[string]string `json:"variables"`
	Strict    bool              `json:"strict"`
	Always    bool              `json:"always"`
}

type substitutionAnswer struct {
	Error string `json:"error,omitempty"`
	// Yaml is the text that variables are looked for in.
	Yaml   string          `json:"yaml"`
	Object json.RawMessage `json:"object"`
}

// answerSubstitution does to one built object what kustomize-controller does to it after the build.
func answerSubstitution(asked substitutionRequest) (answer substitutionAnswer) {
	defer func() {
		if problem := recover(); problem != nil {
			answer = substitutionAnswer{Error: "panic"}
		}
	}()
	built, err := provider.NewDefaultDepProvider().GetResourceFactory().FromBytes(asked.Object)
	if err != nil {
		return substitutionAnswer{Error: "before: " + err.Error()}
	}
	text, err := built.AsYAML()
	if err != nil {
		return substitutionAnswer{Error: "before: " + err.Error()}
	}
	variables := map[string]any{}
	for name, value := range asked.Variables {
		variables[name] = value
	}
	owner := unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{"postBuild": map[string]any{"substitute": variables}},
	}}
	_, err = kustomize.SubstituteVariables(context.Background(), nil, owner, built,
		kustomize.SubstituteWithDryRun(true),
		kustomize.SubstituteWithStrict(asked.Strict),
		kustomize.SubstituteWithAlways(asked.Always))
	if err != nil {
		return substitutionAnswer{Error: err.Error(), Yaml: string(text)}
	}
	object, err := built.MarshalJSON()
	if err != nil {
		return substitutionAnswer{Error: err.Error(), Yaml: string(text)}
	}
	return substitutionAnswer{Yaml: string(text), Object: object}
}
