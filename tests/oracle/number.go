package main

import (
	"math/big"
	"strconv"
	"strings"
)

type numberAnswer struct {
	Accepted bool `json:"accepted"`
	// Zero tells whether the float is zero, though the text may not be.
	Zero bool `json:"zero"`
}

func answerNumber(text string) numberAnswer {
	value, err := strconv.ParseFloat(text, 64)
	return numberAnswer{Accepted: err == nil, Zero: err == nil && value == 0}
}

// answerNumberOrder compares the exact values of two finite numbers that ParseFloat accepts.
func answerNumberOrder(pair [2]string) int {
	return exact(pair[0]).Cmp(exact(pair[1]))
}

func exact(text string) *big.Rat {
	value, ok := new(big.Rat).SetString(strings.ReplaceAll(text, "_", ""))
	if !ok {
		panic("not a finite number: " + text)
	}
	return value
}
