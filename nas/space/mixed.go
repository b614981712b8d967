package space

import (
	"fmt"

	"github.com/gonas/gonas/nas/nn"
)

// Mixed is a network on a supernet's tensors whose layers add up what their first n choices put out: images [batch, height,
// width, channels] to the logits [batch, classes]. With all choices it runs what FBNet (1812.03443) runs in a step, with two
// what ProxylessNAS (1812.00332) does; weights of the choices, which are few numbers, are left out.
func (p Paths) Mixed(n int) (nn.Module, error) {
	for l, choices := range p.Layers {
		if n < 1 || n > len(choices) {
			return nil, fmt.Errorf("%s: layer %d: expected 1 to %d choices at once, got %d", p.Name, l, len(choices), n)
		}
	}
	t, blocks, err := p.tree(p.EveryChoice()[:n])
	if err != nil {
		return nil, err
	}
	add := nn.Sum()
	return nn.NewComposite(p.signature(fmt.Sprintf("mixed|%d", n)), nn.Network, t.children(blocks.list), func(e nn.Env, in []nn.Value) []nn.Value {
		x := t.begin(e, in[0])
		for _, layer := range t.layers {
			var sum []nn.Value
			for _, c := range layer[:n] {
				y := x
				if c.Module != nil {
					y = nn.Call1(e, c.Name, c.Module, x)
				}
				sum = append(sum, y)
			}
			x = sum[0]
			for _, y := range sum[1:] {
				x = nn.Call1(e, "", add, x, y)
			}
		}
		return []nn.Value{t.end(e, x)}
	}), nil
}
