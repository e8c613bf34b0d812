// Package source has the type of the data that Flux gives to templates of commit messages.
package source

import (
	"highwater.example/oracle/update"

	"k8s.io/apimachinery/pkg/types"
)

type TemplateData struct {
	AutomationObject types.NamespacedName
	Changed          update.Result
	Values           map[string]string
}
