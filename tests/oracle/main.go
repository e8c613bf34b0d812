// Oracle answers for the real libraries whose behaviour highwater promises.
//
// It reads one JSON request per line on standard input and writes one JSON answer per line on standard output, in the same
// order, until the input ends:
//
//	{"kind": "version", "input": ["1.2", "x"]}
//	{"output": [{"major": "1", ...}, {"error": "..."}]}
//
// A request of an unknown kind or form is answered with {"error": "..."}. Each kind has a file of its own, which adds it to
// the table below.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
)

type request struct {
	Kind  string          `json:"kind"`
	Input json.RawMessage `json:"input"`
}

type answer struct {
	Output any    `json:"output,omitempty"`
	Error  string `json:"error,omitempty"`
}

// kinds maps the kind of a request to what answers it.
var kinds = map[string]func(json.RawMessage) (any, error){
	"version":      each(answerVersion),
	"precedence":   each(answerPrecedence),
	"range":        answerRanges,
	"pattern":      each(answerPattern),
	"number":       each(answerNumber),
	"number-order": each(answerNumberOrder),
	"image":        each(answerImage),
	"selection":    each(answerSelection),
	"template":     each(answerTemplate),
	"substitution": each(answerSubstitution),
	"rendering":    each(answerRendering),
	"cel":          each(answerCel),
}

// each makes a kind that takes a list and answers each of its items.
func each[I, O any](one func(I) O) func(json.RawMessage) (any, error) {
	return func(input json.RawMessage) (any, error) {
		var items []I
		if err := json.Unmarshal(input, &items); err != nil {
			return nil, err
		}
		output := make([]O, len(items))
		for i, item := range items {
			output[i] = one(item)
		}
		return output, nil
	}
}

func handle(line []byte) answer {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return answer{Error: err.Error()}
	}
	kind, known := kinds[asked.Kind]
	if !known {
		return answer{Error: fmt.Sprintf("unknown kind %q", asked.Kind)}
	}
	output, err := kind(asked.Input)
	if err != nil {
		return answer{Error: err.Error()}
	}
	return answer{Output: output}
}

func main() {
	input := bufio.NewReaderSize(os.Stdin, 1<<20)
	output := json.NewEncoder(os.Stdout)
	for {
		line, err := input.ReadBytes('\n')
		if err != nil {
			return
		}
		if err := output.Encode(handle(line)); err != nil {
			fmt.Fprintln(os.Stderr, "oracle:", err)
			os.Exit(1)
		}
	}
}
