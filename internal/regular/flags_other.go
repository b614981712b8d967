//go:build !unix

package regular

const nonBlocking, noFollow = 0, 0
