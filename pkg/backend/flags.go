package backend

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// Threads is the number of threads on which an engine computes: Go's GOMAXPROCS, which respects the processor affinity and
// a container's limit on CPU time. The environment variable GOMAXPROCS sets another number.
func Threads() int { return runtime.GOMAXPROCS(0) }

// Flags of XLA's CPU compiler that are set where a person did not set them and the plugin knows them.
const (
	// By default XLA uses half the width of AVX-512 registers, which costs a quarter of a sampler's speed at 10 000
	// samples; where the processor has no AVX-512 the flag changes nothing.
	widthFlag = "--xla_cpu_prefer_vector_width=512"
	// On several threads the small matrix products of YNNPACK, the default, wait for each other: without them a sampler of
	// 64 samples is 1.27 times as fast and a training step of batch 64 1.25 times. On one thread they are the faster ones.
	productsFlag = "--xla_cpu_experimental_ynn_fusion_type="
	// Half the compile time of the default, 3, at the same speed of samplers, training and likelihoods; 0 is half as fast.
	optimisationFlag = "--xla_backend_optimization_level=1"
)

// prepareCPU sets what XLA reads from the environment when a client starts: compiler flags, and in NPROC the size of its
// thread pools, which else follows the affinity alone. What done takes back must not reach child processes, whose limits
// may be others.
func prepareCPU(plugin string) (done func(), err error) {
	flags := []string{widthFlag, optimisationFlag}
	if Threads() > 1 {
		flags = append(flags, productsFlag)
	}
	err = addFlags(plugin, flags...)
	if os.Getenv("NPROC") != "" {
		return func() {}, err
	}
	err = errors.Join(err, os.Setenv("NPROC", strconv.Itoa(Threads())))
	return func() { os.Unsetenv("NPROC") }, err
}

// addFlags adds flags to XLA_FLAGS, which XLA reads when it starts. It passes over those that a person set and those that
// the plugin does not know: XLA ends the process on an unknown flag.
func addFlags(plugin string, flags ...string) error {
	set := os.Getenv("XLA_FLAGS")
	for _, flag := range flags {
		name, _, _ := strings.Cut(strings.TrimPrefix(flag, "--"), "=")
		if !strings.Contains(set, name) && knows(plugin, name) {
			set = strings.TrimSpace(set + " " + flag)
		}
	}
	if set == "" {
		return nil
	}
	return os.Setenv("XLA_FLAGS", set)
}

// knows tells whether the constants of a library hold a word.
func knows(library, word string) bool {
	f, err := elf.Open(library)
	if err != nil {
		return false
	}
	defer f.Close()
	section := f.Section(".rodata")
	if section == nil {
		return false
	}
	data, err := section.Data()
	return err == nil && bytes.Contains(data, []byte(word))
}
