// Package near finds the name that was probably meant.
package near

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Name is the name next to one that is not known, "" where none is near: at most a third of the letters differ, and no more than three.
func Name(name string, known []string) string {
	best, least := "", 4
	for _, candidate := range known {
		d := levenshtein.ComputeDistance(strings.ToLower(name), strings.ToLower(candidate))
		if d < least && 3*d <= max(len(name), len(candidate)) {
			best, least = candidate, d
		}
	}
	return best
}

// Hint is what an error adds that names what is not known.
func Hint(name string, known []string) string {
	if best := Name(name, known); best != "" {
		return fmt.Sprintf(" (did you mean %q?)", best)
	}
	return ""
}
