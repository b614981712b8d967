// Package mixpath is MixPath (2001.05887).
package mixpath
