package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/space"
)

// fairnasBatch is the number of images of a step, at which the bars hold.
const fairnasBatch = 64

// fairnasPath is the path of the suite's single updates: every choice at least once.
const fairnasPath = "01234501"

// fairnasCounted are paths whose parameters both sides count.
var fairnasCounted = []string{"00000000", "55555555", fairnasPath}

// fairnasSuite compares a strict-fair step of FairNAS with PyTorch's.
func fairnasSuite(ctx context.Context, o options, python string, out, log io.Writer) error {
	r := stepReport{report: o.report("fairnas")}
	var err error
	if r.Parameters, r.PathParameters, err = fairnasParameters(space.CIFARMobile()); err != nil {
		return err
	}
	r.Network = fmt.Sprintf("FairNAS's supernet on the space %s: 8 layers of 6 choices, images of 32×32, %d weights.", space.CIFARMobileName, r.Parameters)
	return o.compareSteps(ctx, stepSuite{
		process: fairnasStepName, script: "fairnas_step.py", batch: fairnasBatch,
		arguments: append(weightsFlags(fairnasWeights), "--count", strings.Join(fairnasCounted, ",")),
		check:     sameComputation(r.Parameters, r.PathParameters, 0),
		part:      []string{"-path", fairnasPath}, partName: "one path",
		bars:  fairnasBars,
		title: "FairNAS's strict-fair step", text: fairnasText,
		profiled: func(p profile) string {
			return p.clock("the six paths' plan") + p.executables(fairnasBlock) + p.bottlenecks()
		},
	}, r, python, out, log)
}

// fairnasParameters counts the weights of a supernet and of some paths.
func fairnasParameters(p space.Paths) (all int, paths map[string]int, err error) {
	root, err := p.Supernet()
	if err != nil {
		return 0, nil, err
	}
	paths = map[string]int{}
	for _, code := range fairnasCounted {
		path, err := p.Parse(code)
		if err != nil {
			return 0, nil, err
		}
		one, err := p.Tree([][]int{path})
		if err != nil {
			return 0, nil, err
		}
		paths[code] = nn.Params(one.Specs())
	}
	return nn.Params(root.Specs()), paths, nil
}

// fairnasBars checks the bounds.
func fairnasBars(all []summary) []bar {
	find := func(name string) *summary { return named(all, name, fairnasBatch) }
	ours, path, standard, last := find("gonas"), find("gonas, one path"), find("torch default"), find("torch channels_last")
	var out []bar
	against := func(b bar, theirs *summary, of func(*summary) float64) {
		value, err := ratio(ours, theirs, fairnasBatch, of)
		out = append(out, b.judged(value, err))
	}
	seconds := func(what string, limit float64, s *summary, of func(*summary) float64, lacks string) {
		value, err := 0.0, errors.New(lacks)
		if s != nil && of(s) > 0 {
			value, err = of(s), nil
		}
		out = append(out, bar{What: what, Limit: limit, Unit: "s"}.judged(value, err))
	}
	against(bar{What: "step / PyTorch default", Limit: 0.6}, standard, stepOf)
	against(bar{What: "step / PyTorch channels-last", Limit: 1.2, Goal: 0.9}, last, stepOf)
	seconds("cold, until the end of the last step that compiles anything", 20, ours, func(s *summary) float64 { return s.ReadyCold }, "a cold run")
	seconds("one path's first update, cold", 5, path, func(s *summary) float64 { return s.FirstCold }, "a cold run of one path")
	seconds("one path's first update, from the cache", 1.5, path, func(s *summary) float64 { return s.First }, "a cached run of one path")
	n, err := recompiled(all)
	return append(out, bar{What: "programs compiled by the cached processes"}.judged(n, err))
}

// fairnasText says what is compared.
func fairnasText(r stepReport) string {
	return fmt.Sprintf("%s One step takes %d images through six paths, in each layer every choice once, forwards and back, batch norm in "+
		"training mode; the gradients add up to one update by SGD (momentum %g, L2 decay %g, norm clipped to %g). Ours runs the stem once a "+
		"step for all six paths; PyTorch's natural code, and so this one, runs each path by itself, stem included, and holds one path's graph "+
		"at a time. Both start from the same weights: numbers of parameters (%s) and the six losses of the first two steps agreed in every process of a strict-fair step.",
		r.Network, fairnasBatch, fairnasWeights.Momentum, fairnasWeights.WeightDecay, fairnasWeights.Clip, r.counts())
}

// counts are the numbers of parameters that both sides have.
func (r stepReport) counts() string {
	list := []string{fmt.Sprintf("supernet %d", r.Parameters)}
	for _, code := range fairnasCounted {
		list = append(list, fmt.Sprintf("path %s %d", code, r.PathParameters[code]))
	}
	return strings.Join(list, ", ")
}

// fairnasBlock is a block's name without what tells bottlenecks apart.
func fairnasBlock(block string) string {
	if bottleneckName.MatchString(block) {
		return "bottlenecks"
	}
	return block
}
