package evolve

import "math/rand/v2"

// Space makes genomes, at random and out of others. Its JSON form is kept in the State, so that a run is not resumed in
// another space.
type Space[G any] interface {
	// Validate refuses settings that the other methods cannot work with.
	Validate() error
	// Random is a genome drawn from the whole space.
	Random(rng *rand.Rand) G
	// Vary makes two children of two parents, which it leaves as they are; population is the ranked one of the parents.
	Vary(rng *rand.Rand, a, b G, population []Individual[G]) (G, G)
	// Key is equal for equal genomes and for no others.
	Key(g G) string
	// Finite spaces are small enough that measurements are kept: no genome is evaluated twice.
	Finite() bool
	// Check refuses what is no genome of the space.
	Check(g G) error
}

// Individual is a measured genome and its place in the population.
type Individual[G any] struct {
	Genome G `json:"genome"`
	Measured
	// Rank counts fronts from 0, the best; Crowding is the distance within the front.
	Rank     int      `json:"rank"`
	Crowding Distance `json:"crowding"`
}
