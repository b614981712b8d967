package checks

import (
	"github.com/gonas/gonas/nas/zoo"
	"github.com/gonas/gonas/repro/verdict"
)

var autoKWS = map[string]check{
	"autokws_ratio":    value("ratio of the printed parameters", autoKWSRatio),
	"autokws_tcresnet": list(autoKWSTCResNet),
}

func autoKWSRatio() (float64, error) {
	nas2, err := printed("akws-v1", "parameters of NAS2")
	if err != nil {
		return 0, err
	}
	own, err := printed("akws-params", "")
	return nas2 / own, err
}

func autoKWSTCResNet() ([]verdict.Check, error) {
	var out []verdict.Check
	for _, c := range []struct{ network, convention, want string }{
		{"tcresnet8", zoo.ConventionAll, "65168"}, {"tcresnet8-1.5", zoo.ConventionAll, "144264"},
		{"tcresnet14", zoo.ConventionAll, "135856"}, {"tcresnet14-1.5", zoo.ConventionAll, "303000"},
		{"tcresnet14", zoo.ConventionMACs, "3030528"}, {"tcresnet14-1.5", zoo.ConventionMACs, "6677136"},
	} {
		got, err := count(c.network+": "+c.convention, c.want)
		if err != nil {
			return nil, err
		}
		got[0].Got *= 1e6 // the count itself, not in millions
		out = append(out, got...)
	}
	return out, nil
}
