package latency

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Open is the table of an embedded name, one of [Names], or of a CSV file.
func Open(nameOrFile string) (Table, error) {
	for _, p := range published {
		if p.name == nameOrFile {
			t, err := p.open()
			if err != nil {
				return nil, fmt.Errorf("latency table %s: %w", p.name, err)
			}
			return t, nil
		}
	}
	if _, err := os.Stat(nameOrFile); os.IsNotExist(err) {
		return nil, fmt.Errorf("latency table %q: expected %s or a CSV file, there is no such file", nameOrFile, strings.Join(Names(), ", "))
	}
	return readFile(nameOrFile)
}

// Names are those of the embedded tables.
func Names() []string {
	var names []string
	for _, p := range published {
		names = append(names, p.name)
	}
	return slices.Clip(names)
}

// published are the embedded tables.
var published []struct {
	name string
	open func() (Table, error)
}
