package onnx

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gonas/gonas/nas/arch"
)

// Types of elements, of TensorProto.DataType.
const (
	typeFloat  = 1
	typeInt64  = 7
	typeDouble = 11
)

// tensor is a TensorProto with its bytes.
type tensor struct {
	name string
	kind int
	dims []int
	raw  []byte
}

// node is a NodeProto of one output.
type node struct {
	op         string
	inputs     []string
	output     string
	attributes []attribute
}

// attribute is an AttributeProto: a whole number, some, or a text.
type attribute struct {
	name  string
	value any
}

// message is a message of protocol buffers as it is written.
type message []byte

func (m *message) varint(field protowire.Number, v int) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) bytes(field protowire.Number, v []byte) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

func (m *message) text(field protowire.Number, v string) { m.bytes(field, []byte(v)) }

// Numbers of AttributeProto.AttributeType.
const (
	attributeInt    = 2
	attributeString = 3
	attributeInts   = 7
)

func (a attribute) encode() (m message) {
	m.text(1, a.name)
	switch v := a.value.(type) {
	case int:
		m.varint(3, v)
		m.varint(20, attributeInt)
	case string:
		m.text(4, v)
		m.varint(20, attributeString)
	case []int:
		for _, n := range v {
			m.varint(8, n)
		}
		m.varint(20, attributeInts)
	}
	return m
}

func (n node) encode() (m message) {
	for _, in := range n.inputs {
		m.text(1, in)
	}
	m.text(2, n.output)
	m.text(3, n.output)
	m.text(4, n.op)
	for _, a := range n.attributes {
		m.bytes(5, a.encode())
	}
	return m
}

func (t tensor) encode() (m message) {
	for _, d := range t.dims {
		m.varint(1, d)
	}
	m.varint(2, t.kind)
	m.text(8, t.name)
	m.bytes(9, t.raw)
	return m
}

// valueInfo says name and shape of an input or output of float32.
func valueInfo(name string, dims ...int) (m message) {
	var shape, tensorType, kind message
	for _, d := range dims {
		var dim message
		dim.varint(1, d)
		shape.bytes(1, dim)
	}
	tensorType.varint(1, typeFloat)
	tensorType.bytes(2, shape)
	kind.bytes(1, tensorType)
	m.text(1, name)
	m.bytes(2, kind)
	return m
}

// model is the file.
func (r *recorder) model(batch int, network arch.Network) []byte {
	var g, opset, m message
	for _, n := range append(r.nodes, node{"Identity", []string{r.output}, Output, nil}) {
		g.bytes(1, n.encode())
	}
	g.text(2, "network")
	for _, t := range r.initializers {
		g.bytes(5, t.encode())
	}
	in := network.Input
	g.bytes(11, valueInfo(Input, batch, in[2], in[0], in[1]))
	g.bytes(12, valueInfo(Output, batch, network.Classes))
	opset.text(1, "")
	opset.varint(2, Opset)
	m.varint(1, irVersion)
	m.text(2, "gonas")
	m.bytes(7, g)
	m.bytes(8, opset)
	return m
}
