package checks

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/verdict"
)

var noisyDARTS = map[string]check{
	"noisydarts_one_convention": list(noisyDARTSConvention),
}

func noisyDARTSConvention() ([]verdict.Check, error) {
	var columns []column
	for _, letter := range "abcdefghij" {
		columns = append(columns, column{"nd-" + string(letter), "multiply-adds", "noisydarts-" + string(letter)})
	}
	best, err := bestConvention(columns, slices.DeleteFunc(slices.Clone(zoo.Conventions), func(c string) bool { return !strings.HasPrefix(c, zoo.ConventionMACs) }))
	return []verdict.Check{{Name: "networks a to j whose multiply-adds the best single convention fits", Got: float64(best), Want: strconv.Itoa(len(columns))}}, err
}
