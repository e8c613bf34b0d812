package main

import (
	"encoding/json"
	"reflect"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/ext"
	"google.golang.org/protobuf/types/known/structpb"
)

// celQuestion is an expression and the documents of its variables.
type celQuestion struct {
	Expression string                    `json:"expression"`
	Values     map[string]map[string]any `json:"values"`
	// Condition tells whether the expression must be true or false.
	Condition bool `json:"condition"`
}

type celAnswer struct {
	// Invalid is why the expression cannot be compiled.
	Invalid string `json:"invalid,omitempty"`
	// Failed is why it has no value.
	Failed string          `json:"failed,omitempty"`
	Value  json.RawMessage `json:"value,omitempty"`
}

// answerCel compiles and evaluates in an environment with the options of Flux's controllers.
func answerCel(question celQuestion) celAnswer {
	options := []cel.EnvOption{
		cel.HomogeneousAggregateLiterals(),
		cel.EagerlyValidateDeclarations(true),
		cel.DefaultUTCTimeZone(true),
		cel.CrossTypeNumericComparisons(true),
		cel.OptionalTypes(),
		ext.Strings(),
		ext.Sets(),
		ext.Encoders(),
	}
	values := map[string]any{}
	for name, value := range question.Values {
		options = append(options, cel.Variable(name, cel.ObjectType("google.protobuf.Struct")))
		values[name] = value
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		return celAnswer{Invalid: err.Error()}
	}
	compiled, issues := env.Compile(question.Expression)
	if issues.Err() != nil {
		return celAnswer{Invalid: issues.Err().Error()}
	}
	if question.Condition && compiled.OutputType() != types.BoolType {
		return celAnswer{Invalid: "not a condition: " + compiled.OutputType().String()}
	}
	program, err := env.Program(compiled, cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return celAnswer{Invalid: err.Error()}
	}
	value, _, err := program.Eval(values)
	if err != nil {
		return celAnswer{Failed: err.Error()}
	}
	text, err := celJSON(value)
	if err != nil {
		return celAnswer{Failed: "no JSON: " + err.Error()}
	}
	return celAnswer{Value: text}
}

func celJSON(value ref.Val) (json.RawMessage, error) {
	native, err := value.ConvertToNative(reflect.TypeFor[*structpb.Value]())
	if err != nil {
		return nil, err
	}
	return json.Marshal(native.(*structpb.Value).AsInterface())
}
