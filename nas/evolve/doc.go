// Package evolve searches with NSGA-II: Deb, Pratap, Agarwal and Meyarivan, "A fast and elitist multiobjective genetic
// algorithm: NSGA-II", IEEE Transactions on Evolutionary Computation 6 (2), 2002; below "the paper".
//
// A search needs a Space, which makes genomes and children of genomes, and an Evaluator, which measures them. Choices is
// the space of architectures, one choice a layer, as FairNAS, MoGA, SCARLET-NAS and MixPath search it; Box that of real
// vectors, for the reference problems ZDT1 to 3 and DTLZ2. Equal seeds give equal results, in however many goroutines
// genomes are measured and however often a run was interrupted.
package evolve
