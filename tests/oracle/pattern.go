package main

import "regexp"

type patternRequest struct {
	Pattern  string   `json:"pattern"`
	Template string   `json:"template"`
	Texts    []string `json:"texts"`
}

type patternAnswer struct {
	Error string `json:"error,omitempty"`
	// Values holds the expanded template for each text that matches, and null for the others.
	Values []*string `json:"values"`
}

func answerPattern(asked patternRequest) patternAnswer {
	compiled, err := regexp.Compile(asked.Pattern)
	if err != nil {
		return patternAnswer{Error: err.Error()}
	}
	answer := patternAnswer{Values: make([]*string, len(asked.Texts))}
	for i, text := range asked.Texts {
		if match := compiled.FindStringSubmatchIndex(text); match != nil {
			value := string(compiled.ExpandString(nil, asked.Template, text, match))
			answer.Values[i] = &value
		}
	}
	return answer
}
