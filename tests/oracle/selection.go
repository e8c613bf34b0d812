package main

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/Masterminds/semver/v3"
	"github.com/fluxcd/pkg/version"
)

type selectionRequest struct {
	// Order is "semver", "alphabetical" or "numerical".
	Order      string   `json:"order"`
	Descending bool     `json:"descending"`
	Range      string   `json:"range"`
	Pattern    *string  `json:"pattern"`
	Extract    string   `json:"extract"`
	Tags       []string `json:"tags"`
}

type selectionAnswer struct {
	Error string `json:"error,omitempty"`
	Tag   string `json:"tag"`
	Value string `json:"value"`
}

// answerSelection selects as Flux documents it, from tags in descending order. Where Flux walks a map, this walks it in
// descending order too; so it is one of the answers that Flux can give.
func answerSelection(asked selectionRequest) selectionAnswer {
	slices.Sort(asked.Tags)
	slices.Reverse(asked.Tags)
	tagOf := map[string]string{}
	var values []string
	for _, tag := range slices.Compact(asked.Tags) {
		value, passed := tag, true
		if asked.Pattern != nil {
			value, passed = filtered(regexp.MustCompile(*asked.Pattern), asked.Extract, tag)
		}
		if !passed {
			continue
		}
		if _, seen := tagOf[value]; !seen {
			values = append(values, value)
		}
		tagOf[value] = tag
	}
	if asked.Pattern != nil {
		slices.Sort(values)
		slices.Reverse(values)
	}
	if len(values) == 0 {
		return selectionAnswer{Error: "version list argument cannot be empty"}
	}
	latest, failure := latestOf(asked, values)
	if failure != "" {
		return selectionAnswer{Error: failure}
	}
	return selectionAnswer{Tag: tagOf[latest], Value: latest}
}

func filtered(pattern *regexp.Regexp, extract, tag string) (string, bool) {
	match := pattern.FindStringSubmatchIndex(tag)
	if match == nil {
		return "", false
	}
	if extract == "" {
		return tag, true
	}
	return string(pattern.ExpandString(nil, extract, tag, match)), true
}

func latestOf(asked selectionRequest, values []string) (latest, failure string) {
	switch asked.Order {
	case "semver":
		return latestVersion(asked.Range, values)
	case "alphabetical":
		if asked.Descending {
			return slices.Min(values), ""
		}
		return slices.Max(values), ""
	default:
		return latestNumber(asked.Descending, values)
	}
}

func latestVersion(text string, values []string) (latest, failure string) {
	constraint, err := semver.NewConstraint(text)
	if err != nil {
		return "", err.Error()
	}
	var best *semver.Version
	for _, value := range values {
		candidate, err := version.ParseVersion(value)
		if err == nil && constraint.Check(candidate) && (best == nil || candidate.GreaterThan(best)) {
			best = candidate
		}
	}
	if best == nil {
		return "", "unable to determine latest version from provided list"
	}
	return best.Original(), ""
}

func latestNumber(descending bool, values []string) (latest, failure string) {
	var best float64
	for i, value := range values {
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return "", "failed to parse invalid numeric value"
		}
		if i == 0 || number == best || (number < best) == descending {
			latest, best = value, number
		}
	}
	return latest, ""
}
