// Package nas is the registry of search methods. A method is one package below nas and one line here; commands, tests and
// the evidence of claims find it by its name.
package nas

import (
	"fmt"
	"strings"

	"github.com/gonas/gonas/internal/near"
	"github.com/gonas/gonas/nas/ascnas"
	"github.com/gonas/gonas/nas/autokws"
	"github.com/gonas/gonas/nas/darts"
	"github.com/gonas/gonas/nas/dartsminus"
	"github.com/gonas/gonas/nas/fairdarts"
	"github.com/gonas/gonas/nas/fairnas"
	"github.com/gonas/gonas/nas/gdas"
	"github.com/gonas/gonas/nas/method"
	"github.com/gonas/gonas/nas/mixpath"
	"github.com/gonas/gonas/nas/moga"
	"github.com/gonas/gonas/nas/noisydarts"
	"github.com/gonas/gonas/nas/rome"
	"github.com/gonas/gonas/nas/scarlet"
)

// Methods lists the methods in the order of their publication.
func Methods() []method.Method {
	return []method.Method{
		darts.Method(),
		gdas.Method(),
		fairnas.Method(),
		moga.Method(),
		scarlet.Method(),
		fairdarts.Method(),
		ascnas.Method(),
		mixpath.Method(),
		noisydarts.Method(),
		dartsminus.Method(),
		autokws.Method(),
		rome.Method(),
	}
}

// Lookup finds a method by name; the error lists the names that there are.
func Lookup(name string) (method.Method, error) {
	var names []string
	for _, m := range Methods() {
		if m.Name == name {
			return m, nil
		}
		names = append(names, m.Name)
	}
	return method.Method{}, fmt.Errorf("method %q: expected one of %s%s", name, strings.Join(names, ", "), near.Hint(name, names))
}

// Labelled finds the method and the variant whose runs have a label, such as fairdarts or fairdarts-no01; false where
// there is none.
func Labelled(label string) (m method.Method, variant string, found bool) {
	for _, m := range Methods() {
		if m.Name == label {
			return m, "", true
		}
		for _, v := range m.Variants {
			if m.Label(v.Label) == label {
				return m, v.Label, true
			}
		}
	}
	return m, "", false
}
