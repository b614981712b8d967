// Package repro decides claims from an evidence folder: raw logs in, verdicts out. What runs searches and trainings is
// elsewhere; here nothing needs a backend, so that anyone can recompute a verdict from the logs alone.
package repro

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
	"github.com/gonas/gonas/repro/verdict"
)

// Decide decides every claim from the runs under dir, all of the given profile, and writes verdicts.json there.
func Decide(dir string, profile claims.Profile) ([]verdict.Verdict, error) {
	v, err := decide(dir, profile)
	if err != nil {
		return nil, err
	}
	return v, evidence.WriteVerdicts(dir, evidence.Verdicts{Profile: profile, Verdicts: v})
}

func decide(dir string, profile claims.Profile) ([]verdict.Verdict, error) {
	list, err := claims.All()
	if err != nil {
		return nil, err
	}
	runs, err := extract.Load(dir, profile)
	if err != nil {
		return nil, err
	}
	var out []verdict.Verdict
	for _, c := range list {
		m, err := extract.Measure(c, runs)
		if err != nil {
			return nil, err
		}
		v, err := verdict.Decide(c, profile, m)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Verify recomputes the verdicts of dir from its raw logs, at the profile that its verdicts.json says, and names the
// claims whose recorded verdict differs. It writes nothing.
func Verify(dir string) (verdicts []verdict.Verdict, differ []string, err error) {
	recorded, err := evidence.ReadVerdicts(dir)
	if err != nil {
		return nil, nil, err
	}
	verdicts, err = decide(dir, recorded.Profile)
	if err != nil {
		return nil, nil, err
	}
	before, err := encode(recorded.Verdicts)
	if err != nil {
		return nil, nil, err
	}
	now, err := encode(verdicts)
	if err != nil {
		return nil, nil, err
	}
	for _, v := range verdicts {
		if before[v.Claim] != now[v.Claim] {
			differ = append(differ, v.Claim)
		}
	}
	for _, v := range recorded.Verdicts {
		if _, ok := now[v.Claim]; !ok {
			differ = append(differ, v.Claim)
		}
	}
	return verdicts, differ, nil
}

// encode gives each claim's verdict as text to compare; a claim recorded twice is an error.
func encode(list []verdict.Verdict) (map[string]string, error) {
	out := map[string]string{}
	for _, v := range list {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("verdict of %s: %w", v.Claim, err)
		}
		if _, ok := out[v.Claim]; ok {
			return nil, fmt.Errorf("verdict of %s: expected once, found twice", v.Claim)
		}
		out[v.Claim] = string(b)
	}
	return out, nil
}

// JSON writes the verdicts as one array.
func JSON(w io.Writer, verdicts []verdict.Verdict) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(verdicts)
}
