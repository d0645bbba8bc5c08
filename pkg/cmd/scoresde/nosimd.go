//go:build !goexperiment.simd

package main

// simd tells whether this program was built with GOEXPERIMENT=simd.
const simd = false
