// Package repro decides claims from an evidence folder: raw logs in, verdicts out. What runs searches and trainings is
// elsewhere; here nothing needs a plug-in, so that anyone can recompute a verdict from the logs alone.
package repro

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/gonas/gonas/repro/claims"
	"github.com/gonas/gonas/repro/evidence"
	"github.com/gonas/gonas/repro/extract"
	"github.com/gonas/gonas/repro/verdict"
)

// Decide decides every claim from the runs under dir that are what the profile asks for, and writes verdicts.json there,
// with the hashes of what the verdicts rest on. Other runs are left out: [Verify] names them. With papers only their
// claims are decided.
func Decide(dir string, profile claims.Profile, papers ...string) ([]verdict.Verdict, error) {
	v, _, err := decide(dir, profile, papers)
	if err != nil {
		return nil, err
	}
	files, err := evidence.HashFiles(dir)
	if err != nil {
		return nil, err
	}
	records, err := hashClaims(papers)
	if err != nil {
		return nil, err
	}
	return v, evidence.WriteVerdicts(dir, evidence.Verdicts{Profile: profile, Papers: papers, Files: files, Claims: records, Verdicts: v})
}

// claimsOf are the claims of papers; of all without one.
func claimsOf(papers []string) ([]claims.Claim, error) {
	list, err := claims.All()
	if len(papers) > 0 {
		list = slices.DeleteFunc(list, func(c claims.Claim) bool { return !slices.Contains(papers, c.Paper) })
	}
	return list, err
}

// hashClaims are the SHA-256 of the records of papers' claims.
func hashClaims(papers []string) (map[string]string, error) {
	list, err := claimsOf(papers)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, c := range list {
		data, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("claim %s: %w", c.ID, err)
		}
		out[c.ID] = fmt.Sprintf("%x", sha256.Sum256(data))
	}
	return out, nil
}

func decide(dir string, profile claims.Profile, papers []string) ([]verdict.Verdict, []extract.Stranger, error) {
	list, err := claimsOf(papers)
	if err != nil {
		return nil, nil, err
	}
	runs, err := extract.Load(dir, profile)
	if err != nil {
		return nil, nil, err
	}
	var out []verdict.Verdict
	for _, c := range list {
		m, err := extract.Measure(c, runs)
		if err != nil {
			return nil, nil, err
		}
		v, err := verdict.Decide(c, profile, m)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, v)
	}
	return out, runs.Strangers, nil
}

// Verification is what [Verify] found.
type Verification struct {
	// Verdicts are recomputed; those of claims whose record changed are stale.
	Verdicts []verdict.Verdict `json:"verdicts"`
	// Differ are claims whose recorded verdict is another than the raw logs give, or that are recorded and no longer
	// exist.
	Differ []string `json:"differ,omitempty"`
	// Stale are claims whose record changed since.
	Stale []string `json:"stale,omitempty"`
	// Missing and Edited are files that the verdicts rested on, Added are files of runs that were not there.
	Missing []string `json:"missing,omitempty"`
	Edited  []string `json:"edited,omitempty"`
	Added   []string `json:"added,omitempty"`
	// Strangers are finished runs that are not what their place, the profile and the data ask for, with what differs. No
	// verdict rests on them.
	Strangers []extract.Stranger `json:"strangers,omitempty"`
}

// Sound tells whether everything is as recorded.
func (v Verification) Sound() bool {
	return len(v.Problems()) == 0
}

// Problems says what is not as recorded, a line each.
func (v Verification) Problems() []string {
	var out []string
	for _, part := range []struct {
		what string
		list []string
	}{{"missing file", v.Missing}, {"edited file", v.Edited}, {"file that was not there", v.Added},
		{"the raw logs give another verdict than recorded", v.Differ}, {"stale: the claim's record changed since", v.Stale}} {
		for _, name := range part.list {
			out = append(out, part.what+": "+name)
		}
	}
	for _, s := range v.Strangers {
		out = append(out, "another run than its place asks for, left out: "+s.String())
	}
	return out
}

// Verify recomputes the verdicts of dir from its raw logs, at the profile that its verdicts.json says, and compares them,
// the files and the claims' records with what was recorded. It writes nothing and needs no plug-in.
func Verify(dir string) (Verification, error) {
	var out Verification
	recorded, err := evidence.ReadVerdicts(dir)
	if err != nil {
		return out, err
	}
	files, err := evidence.HashFiles(dir)
	if err != nil {
		return out, err
	}
	for _, name := range slices.Sorted(maps.Keys(recorded.Files)) {
		switch now, ok := files[name]; {
		case !ok:
			out.Missing = append(out.Missing, name)
		case now != recorded.Files[name]:
			out.Edited = append(out.Edited, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if _, ok := recorded.Files[name]; !ok {
			out.Added = append(out.Added, name)
		}
	}
	if out.Verdicts, out.Strangers, err = decide(dir, recorded.Profile, recorded.Papers); err != nil {
		// A damaged log can be why; its name comes first then.
		if problems := out.Problems(); len(problems) > 0 {
			err = fmt.Errorf("%s; %w", strings.Join(problems, "; "), err)
		}
		return out, err
	}
	before, err := encode(recorded.Verdicts)
	if err != nil {
		return out, err
	}
	now, err := encode(out.Verdicts)
	if err != nil {
		return out, err
	}
	records, err := hashClaims(recorded.Papers)
	if err != nil {
		return out, err
	}
	for i, v := range out.Verdicts {
		if records[v.Claim] != recorded.Claims[v.Claim] {
			out.Stale = append(out.Stale, v.Claim)
			out.Verdicts[i].Status = verdict.Stale
			out.Verdicts[i].Reason = "the claim's record changed since the verdict: " + v.Reason
		} else if before[v.Claim] != now[v.Claim] {
			out.Differ = append(out.Differ, v.Claim)
		}
	}
	for _, v := range recorded.Verdicts {
		if _, ok := now[v.Claim]; !ok {
			out.Differ = append(out.Differ, v.Claim)
		}
	}
	return out, nil
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
