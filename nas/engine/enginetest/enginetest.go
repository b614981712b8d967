// Package enginetest counts what a backend holds, for tests.
package enginetest

import (
	"sync/atomic"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
)

// Live counts the bytes of a backend's buffers that were made and neither freed nor given away: one that is left to the
// garbage collector counts.
type Live struct{ bytes, peak atomic.Int64 }

// Bytes is the count now.
func (l *Live) Bytes() int64 { return l.bytes.Load() }

// Peak is the largest count since the last call, or the beginning.
func (l *Live) Peak() int64 { return l.peak.Swap(l.Bytes()) }

func (l *Live) add(bytes int64) {
	now := l.bytes.Add(bytes)
	for {
		peak := l.peak.Load()
		if now <= peak || l.peak.CompareAndSwap(peak, now) {
			return
		}
	}
}

// Count is a backend whose buffers are counted.
func Count(b compute.Backend) (compute.Backend, *Live) {
	c := &counted{Backend: b}
	return c, &c.live
}

type counted struct {
	compute.Backend
	live Live
}

type buffer struct {
	compute.Buffer
	of    *counted
	bytes int64
	gone  atomic.Bool
}

func (c *counted) hold(b compute.Buffer, s shapes.Shape) *buffer {
	held := &buffer{Buffer: b, of: c, bytes: s.ByteSize()}
	c.live.add(held.bytes)
	return held
}

func (b *buffer) let() {
	if !b.gone.Swap(true) {
		b.of.live.add(-b.bytes)
	}
}

func (b *buffer) Backend() compute.Backend { return b.of }

func (b *buffer) Finalize() error {
	b.let()
	return b.Buffer.Finalize()
}

func (b *buffer) CopyToDevice(n compute.DeviceNum) (compute.Buffer, error) {
	copied, err := b.Buffer.CopyToDevice(n)
	if err != nil {
		return nil, err
	}
	s, err := copied.Shape()
	return b.of.hold(copied, s), err
}

func (c *counted) BufferFromFlatData(n compute.DeviceNum, flat any, s shapes.Shape) (compute.Buffer, error) {
	b, err := c.Backend.BufferFromFlatData(n, flat, s)
	if err != nil {
		return nil, err
	}
	return c.hold(b, s), nil
}

func (c *counted) NewSharedBuffer(n compute.DeviceNum, s shapes.Shape) (compute.Buffer, any, error) {
	b, flat, err := c.Backend.NewSharedBuffer(n, s)
	if err != nil {
		return nil, nil, err
	}
	return c.hold(b, s), flat, nil
}

func (c *counted) Builder(name string) compute.Builder { return builder{c.Backend.Builder(name), c} }

type builder struct {
	compute.Builder
	of *counted
}

func (b builder) Compile() (compute.Executable, error) {
	x, err := b.Builder.Compile()
	if err != nil {
		return nil, err
	}
	return executable{x, b.of}, nil
}

type executable struct {
	compute.Executable
	of *counted
}

func (x executable) Execute(inputs []compute.Buffer, donate []bool, n compute.DeviceNum) ([]compute.Buffer, error) {
	plain := make([]compute.Buffer, len(inputs))
	for i, in := range inputs {
		held := in.(*buffer)
		if plain[i] = held.Buffer; i < len(donate) && donate[i] {
			held.let()
		}
	}
	outs, err := x.Executable.Execute(plain, donate, n)
	if err != nil {
		return nil, err
	}
	for i, out := range outs {
		s, err := out.Shape()
		if err != nil {
			return nil, err
		}
		outs[i] = x.of.hold(out, s)
	}
	return outs, nil
}
