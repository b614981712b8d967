package plots

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sampleLatencies are n networks whose latencies rise with their multiply-adds, and two with labels.
func sampleLatencies(n int) []LatencySeries {
	paths := LatencySeries{Name: "random paths"}
	for i := range n {
		macs := 200 + 100*float64(i)/float64(n)
		paths.Points = append(paths.Points, LatencyPoint{MACs: macs, MS: macs/20 + math.Sin(float64(3*i))})
	}
	return []LatencySeries{paths, {"published", []LatencyPoint{{"a", 304, 13.2}, {"b", 249, 12.2}}}}
}

// sampleParts are networks of many kinds, not all of which each has.
func sampleParts(networks, kinds int) LatencyParts {
	var p LatencyParts
	for k := range kinds {
		p.Kinds = append(p.Kinds, fmt.Sprintf("kind %d", k))
	}
	for i := range networks {
		p.Networks = append(p.Networks, fmt.Sprintf("network %d", i))
		row := make([]float64, kinds)
		for k := range row {
			row[k] = float64((2*i + 3*k + 1) % 5)
		}
		p.MS = append(p.MS, row)
	}
	return p
}

func TestLatencyFigureData(t *testing.T) {
	read := func(f Figure, err error) string {
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, f.WriteCSV(&b))
		return b.String()
	}
	p := LatencyParts{Networks: []string{"a", "b"}, Kinds: []string{"stem", "k3", "head"}, MS: [][]float64{{1, 2, 1}, {1, 0, 4}}}
	assert.Equal(t, "network,kind,latency_ms,share_percent\na,stem,1,25\na,k3,2,50\na,head,1,25\nb,stem,1,20\nb,head,4,80\n", read(LatencyShares(p, "")))
	f, err := LatencyShares(p, "")
	require.NoError(t, err)
	assert.Equal(t, "a: 4 ms, of which stem 25 %, k3 50 %, head 25 %; b: 5 ms, of which stem 20 %, head 80 %.", f.Description())

	csv := read(LatencyScatter(sampleLatencies(100), ""))
	assert.Contains(t, csv, "panel,series,label,multiply_adds_millions,latency_ms\n,random paths,,200,10\n")
	assert.Contains(t, csv, ",published,b,249,12.2\n")
	f, err = LatencyScatter(sampleLatencies(100), "")
	require.NoError(t, err)
	assert.Equal(t, "Latency against multiply-adds: random paths, 100 points from 200 to 299 M and from 9.49 to 15.94 ms, published a 304 M 13.2 ms, published b 249 M 12.2 ms.", f.Description())
}

func TestBadLatencyFigures(t *testing.T) {
	for want, change := range map[string]func(*LatencyParts){
		`networks: expected different names, at least one, got []`:           func(p *LatencyParts) { p.Networks = nil },
		`kinds: expected different names, at least one, got ["kind 0" "kind`: func(p *LatencyParts) { p.Kinds[1] = p.Kinds[0] },
		"ms: expected those of 2 networks, got 1":                            func(p *LatencyParts) { p.MS = p.MS[:1] },
		"ms[1]: expected one for each of 3 kinds, got 2":                     func(p *LatencyParts) { p.MS[1] = p.MS[1][:2] },
		"ms[0][2]: expected a finite number of at least 0, got NaN":          func(p *LatencyParts) { p.MS[0][2] = math.NaN() },
		"ms[1]: expected a sum above 0, got 0":                               func(p *LatencyParts) { p.MS[1] = make([]float64, 3) },
	} {
		p := sampleParts(2, 3)
		change(&p)
		_, err := LatencyShares(p, "")
		assert.ErrorContains(t, err, "plots: latency shares: "+want)
	}
	for want, series := range map[string][]LatencySeries{
		`panels[0] "": expected points, got none`:                                                  nil,
		"a[1]: expected positive multiply-adds and a finite latency of at least 0, got 2 and -1":   {{"a", []LatencyPoint{{"", 1, 1}, {"", 2, -1}}}},
		"a[0]: expected positive multiply-adds and a finite latency of at least 0, got 2 and +Inf": {{"a", []LatencyPoint{{"", 2, math.Inf(1)}}}},
	} {
		_, err := LatencyScatter(series, "")
		assert.ErrorContains(t, err, "plots: latency scatter: "+want)
	}
}
