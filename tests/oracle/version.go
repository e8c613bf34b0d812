package main

import (
	"encoding/json"
	"strconv"

	"github.com/Masterminds/semver/v3"
	"github.com/fluxcd/pkg/version"
)

type versionAnswer struct {
	Error string `json:"error,omitempty"`
	// Numbers are strings: they may need all 64 bits.
	Major      string `json:"major"`
	Minor      string `json:"minor"`
	Patch      string `json:"patch"`
	Prerelease string `json:"prerelease"`
	Build      string `json:"build"`
	// Tag tells whether Flux takes the text as a version when it is a tag.
	Tag bool `json:"tag"`
}

func answerVersion(text string) versionAnswer {
	v, err := semver.NewVersion(text)
	if err != nil {
		return versionAnswer{Error: err.Error()}
	}
	_, tagErr := version.ParseVersion(text)
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return versionAnswer{
		Major: number(v.Major()), Minor: number(v.Minor()), Patch: number(v.Patch()),
		Prerelease: v.Prerelease(), Build: v.Metadata(), Tag: tagErr == nil,
	}
}

// answerPrecedence compares two valid versions.
func answerPrecedence(pair [2]string) int {
	return semver.MustParse(pair[0]).Compare(semver.MustParse(pair[1]))
}

type rangeAnswer struct {
	Error string `json:"error,omitempty"`
	// Holds tells for each version whether the range holds it.
	Holds []bool `json:"holds"`
}

// answerRanges checks valid versions against ranges.
func answerRanges(input json.RawMessage) (any, error) {
	var asked struct {
		Ranges   []string `json:"ranges"`
		Versions []string `json:"versions"`
	}
	if err := json.Unmarshal(input, &asked); err != nil {
		return nil, err
	}
	versions := make([]*semver.Version, len(asked.Versions))
	for i, text := range asked.Versions {
		v, err := semver.NewVersion(text)
		if err != nil {
			return nil, err
		}
		versions[i] = v
	}
	answers := make([]rangeAnswer, len(asked.Ranges))
	for i, text := range asked.Ranges {
		constraint, err := semver.NewConstraint(text)
		if err != nil {
			answers[i].Error = err.Error()
			continue
		}
		for _, v := range versions {
			answers[i].Holds = append(answers[i].Holds, constraint.Check(v))
		}
	}
	return answers, nil
}
