package sweep

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// SeedKey is the TOML key of the seed. Tables average over it.
const SeedKey = "seed"

// Axis is a field of the configuration and the values that it takes.
type Axis struct {
	Key    string // TOML key of the field; dots reach into tables ("net.width")
	Values []any

	first int64 // of a range of seeds, which is not stored: its size may be a mistake
	count uint64
}

// Over is the axis of key with values of one type.
func Over[T any](key string, values ...T) Axis {
	a := Axis{Key: key, Values: make([]any, len(values))}
	for i, v := range values {
		a.Values[i] = v
	}
	return a
}

// Seeds is the axis of the seeds first, first+1, ..., last.
func Seeds(first, last int64) Axis {
	if last < first {
		return Axis{Key: SeedKey}
	}
	return Axis{Key: SeedKey, first: first, count: uint64(last) - uint64(first) + 1}
}

func (a Axis) size() uint64 {
	if a.count > 0 {
		return a.count
	}
	return uint64(len(a.Values))
}

func (a Axis) value(i int) any {
	if a.count > 0 {
		return a.first + int64(i)
	}
	return a.Values[i]
}

// Search draws configurations at random, at the time of planning: draw i of a key depends on Seed, i and the key alone,
// so that a larger N keeps the first draws and another law changes no other key.
type Search struct {
	N    int
	Seed int64
	Laws []Law
}

// Law is a field of the configuration and the law of its values: one of Uniform, LogUniform and Choice.
type Law struct {
	Key  string
	draw func(u float64) any // of u uniform in [0, 1)
	err  error
}

// Uniform draws from [low, high).
func Uniform(key string, low, high float64) Law {
	return Law{key, func(u float64) any { return low + u*(high-low) }, interval(key, low, high, math.Inf(-1))}
}

// LogUniform draws numbers from [low, high), low > 0, whose logarithms are uniform.
func LogUniform(key string, low, high float64) Law {
	return Law{key, func(u float64) any { return low * math.Pow(high/low, u) }, interval(key, low, high, 0)}
}

func interval(key string, low, high, above float64) error {
	if !(low > above) || !(high > low) || math.IsInf(high-low, 0) {
		return fmt.Errorf("sweep: law of %q on [%g, %g), want finite bounds, the lower above %g and below the upper", key, low, high, above)
	}
	return nil
}

// Choice draws one of the values, all with equal probability.
func Choice[T any](key string, values ...T) Law {
	if len(values) == 0 {
		return Law{Key: key, err: fmt.Errorf("sweep: law of %q has no values to choose from", key)}
	}
	return Law{Key: key, draw: func(u float64) any { return values[int(u*float64(len(values)))] }}
}

// at is draw i.
func (s Search) at(law Law, i int) any {
	h := fnv.New64a()
	h.Write([]byte(law.Key))
	rng := rand.New(rand.NewPCG(uint64(s.Seed), h.Sum64()^uint64(i)<<40))
	return law.draw(rng.Float64())
}

func (s Search) check() error {
	if s.N < 1 || len(s.Laws) == 0 {
		return fmt.Errorf("sweep: random search of N = %d with %d laws, want N >= 1 and at least one law", s.N, len(s.Laws))
	}
	for _, l := range s.Laws {
		if l.err != nil {
			return l.err
		}
		if l.draw == nil {
			return fmt.Errorf("sweep: law of %q is none of Uniform, LogUniform and Choice", l.Key)
		}
	}
	return checkSize(s.N)
}
