package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/gonas/gonas/nas/nn"
	"github.com/gonas/gonas/nas/rome"
	"github.com/gonas/gonas/nas/space"
	"github.com/gonas/gonas/nas/space/cells"
)

// romeBatch is the number of images of each half of a step, at which the bar holds: that of the paper's search.
const romeBatch = 64

// romeSuite compares a search step of ROME with PyTorch's.
func romeSuite(ctx context.Context, o options, python string, out, log io.Writer) error {
	c := rome.DefaultConfig()
	r := stepReport{report: o.report("rome")}
	var err error
	if r.Parameters, err = cellParameters(c.Size, cells.Uniform(c.Primitives)); err != nil {
		return err
	}
	r.Network = fmt.Sprintf("The supernet of ROME: %d cells, %d channels, %d operations an edge, images of %d×%d, %d weights.",
		c.Size.Cells, c.Size.Channels, len(c.Primitives), c.Image, c.Image, r.Parameters)
	return o.compareSteps(ctx, stepSuite{
		process: romeStepName, script: "rome_step.py", batch: romeBatch,
		arguments: append(weightsFlags(c.Weights), numberFlags("--arch-rate", c.Arch.LearningRate, "--arch-decay", c.Arch.WeightDecay,
			"--draws", c.Draws.Weights, "--temperature", c.Temperature.First)...),
		check: sameComputation(r.Parameters, nil, c.Arch.LearningRate),
		bars:  romeBars,
		title: "ROME's search step", text: romeText,
		profiled: func(p profile) string { return p.clock("the first draw") + p.executables(romeBlock) },
	}, r, python, out, log)
}

// cellParameters counts the weights of a supernet of cells.
func cellParameters(size space.Size, s cells.Space) (int, error) {
	net, err := space.Supernet(size, space.SupernetInputs{Tables: 1}, space.MixedEdges(s))
	if err != nil {
		return 0, err
	}
	return nn.Params(net.Specs()), nil
}

// romeText says what is compared.
func romeText(r stepReport) string {
	c := rome.DefaultConfig()
	return fmt.Sprintf("%s One step is that of ROME-V2 (2011.11233): the architecture moves by the mean gradient of %d networks on %d images "+
		"(Adam, rate %g, decay %g), then the weights by the sum of the gradients of %d others on %d other images (SGD, rate %g, momentum %g, "+
		"decay %g, norm clipped to %g). In each network a node has two inputs, drawn by Gumbel-Top2, each through one operation, drawn by "+
		"Gumbel-Max. On both sides what was not drawn does not run, gradients that a half does not use are not computed, and one network's "+
		"graph is alive at a time; PyTorch's noise is made ahead of the steps. Both start from the same weights and parameters and draw the "+
		"same networks: the mean losses of each half of the first two steps, and the architecture's parameters after them, agreed in every process.",
		r.Network, c.Draws.Architecture, romeBatch, c.Arch.LearningRate, c.Arch.WeightDecay, c.Draws.Weights, romeBatch,
		c.Weights.LearningRate, c.Weights.Momentum, c.Weights.WeightDecay, c.Weights.Clip)
}

// romeBlock is a block's kind: an operation or a part of the network, without its size.
func romeBlock(block string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(block, "search:"), " ")
	return kind
}

// romeBars checks the bound, by the clock and by processor time: neighbours slow PyTorch's threads, which wait for each
// other, more than ours, and with -threads 1 processor time is what they change least.
func romeBars(all []summary) []bar {
	ours, last := named(all, "gonas", romeBatch), named(all, "torch channels_last", romeBatch)
	return []bar{
		bar{What: "step / PyTorch channels-last", Limit: 0.5}.judged(ratio(ours, last, romeBatch, stepOf)),
		bar{What: "step's processor time / PyTorch channels-last", Limit: 0.5}.judged(ratio(ours, last, romeBatch, cpuOf)),
		bar{What: "programs compiled by the cached processes"}.judged(recompiled(all)),
	}
}
