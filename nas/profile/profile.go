// Package profile names how much a run spends.
package profile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gonas/gonas/internal/near"
)

// Name of a profile.
type Name = string

// The profiles, cheapest first. Paper is the published protocol, the others are reduced; Custom is any of them with
// changed settings or on other data than it asks for.
const (
	Smoke  Name = "smoke"
	Quick  Name = "quick"
	GPU    Name = "gpu"
	Day    Name = "day"
	Paper  Name = "paper"
	Custom Name = "custom"
)

// Names lists the profiles that can be asked for, cheapest first.
func Names() []Name { return []Name{Smoke, Quick, GPU, Day, Paper} }

// Check refuses a name that is not among [Names]; the error lists them.
func Check(name Name) error {
	if !slices.Contains(Names(), name) {
		return fmt.Errorf("profile %q: expected one of %s%s", name, strings.Join(Names(), ", "), near.Hint(name, Names()))
	}
	return nil
}
