// Package update has the names and shapes of the types that Flux gives to templates of commit messages, as its documentation
// describes them. Where Flux walks a map in random order, this sorts.
package update

import (
	"maps"
	"slices"

	"sigs.k8s.io/kustomize/kyaml/yaml"
)

type ObjectIdentifier struct {
	yaml.ResourceIdentifier
}

type Result struct {
	FileChanges map[string]ObjectChanges
}

type ObjectChanges map[ObjectIdentifier][]Change

type Change struct {
	OldValue string
	NewValue string
	Setter   string
}

// Changes are the distinct changes.
func (r Result) Changes() []Change {
	known := map[Change]bool{}
	for _, objects := range r.FileChanges {
		for _, changes := range objects {
			for _, change := range changes {
				known[change] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(known), func(a, b Change) int {
		return slices.Compare([]string{a.Setter, a.OldValue, a.NewValue}, []string{b.Setter, b.OldValue, b.NewValue})
	})
}

// Objects are the changes of all files by object.
func (r Result) Objects() ObjectChanges {
	all := ObjectChanges{}
	for _, file := range slices.Sorted(maps.Keys(r.FileChanges)) {
		for object, changes := range r.FileChanges[file] {
			all[object] = append(all[object], changes...)
		}
	}
	return all
}
