package main

import (
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

type imageAnswer struct {
	Error      string `json:"error,omitempty"`
	Canonical  string `json:"canonical"`
	Registry   string `json:"registry"`
	Repository string `json:"repository"`
	// Tagged tells whether anything follows a colon after the registry: a tag, or a digest.
	Tagged bool `json:"tagged"`
	// Local tells whether the registry may be asked over plain http.
	Local bool `json:"local"`
}

func answerImage(text string) imageAnswer {
	reference, err := name.ParseReference(text)
	if err != nil {
		return imageAnswer{Error: err.Error()}
	}
	context := reference.Context()
	afterRegistry := strings.TrimPrefix(text, context.RegistryStr())
	return imageAnswer{
		Canonical:  context.String(),
		Registry:   context.RegistryStr(),
		Repository: context.RepositoryStr(),
		Tagged:     strings.Contains(afterRegistry, ":"),
		Local:      context.Scheme() == "http",
	}
}
