package ablation

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/metric"
)

type matrix = mat.Dense

// Bounds on the quadratic work of the energy distance.
const (
	energyRows   = 2000
	permutations = 199
)

// reference is a sample of the law, to which all trials on it are compared, and what another sample of it measures.
type reference struct {
	x   *matrix
	law map[string]float64 // names end in _law, but for energy_null
}

// reference depends on the law and the number of samples alone.
func (l *Lab) reference(p resolved) (reference, error) {
	key := fmt.Sprintf("%s; %d", p.Law, p.Samples)
	l.mu.Lock()
	ref, ok := l.references[key]
	l.mu.Unlock()
	if ok {
		return ref, nil
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	rng := rand.New(rand.NewPCG(h.Sum64(), 0))
	ref = reference{p.known.law.Sample(rng, p.Samples), map[string]float64{}}
	other := p.known.law.Sample(rng, p.Samples)
	test, err := metric.EnergyTwoSample(rng, head(ref.x), head(other), permutations)
	if err != nil {
		return ref, fmt.Errorf("ablation: %w", err)
	}
	ref.law["energy_null"] = test.Null99
	measured, err := compare(p.known, other, ref.x)
	if err != nil {
		return ref, err
	}
	for name, v := range measured {
		if !isShare(name) {
			ref.law[name+"_law"] = v
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.references[key] = ref
	return ref, nil
}

func (l *Lab) compare(p resolved, x *matrix) (map[string]float64, error) {
	ref, err := l.reference(p)
	if err != nil {
		return nil, err
	}
	return compare(p.known, x, ref.x)
}

// compare measures samples x against samples of the law, both [n, d].
func compare(t known, x, law *matrix) (map[string]float64, error) {
	m := map[string]float64{}
	var errs [4]error
	m["energy"], errs[0] = metric.EnergyDistance(head(x), head(law))
	_, d := x.Dims()
	for k := range d {
		m["w1_"+coordinate(k)], errs[1] = metric.Wasserstein1(mat.Col(nil, k, x), mat.Col(nil, k, law))
	}
	if t.centres != nil {
		m["outside"], _, errs[2] = metric.OutOfK(x, t.centres, t.std, 3.5)
		errs[3] = weights(m, t, x)
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("ablation: %w", err)
	}
	return m, nil
}

// weights adds the modes' shares of the samples, and the largest deviation from an equal share.
func weights(m map[string]float64, t known, x *matrix) error {
	modes, err := metric.ModeStats(x, t.centres)
	if err != nil {
		return err
	}
	worst := 0.0
	for k, mode := range modes {
		m[fmt.Sprintf("%s%d", sharePrefix, k)] = mode.Weight
		worst = max(worst, math.Abs(mode.Weight-1/float64(len(modes))))
	}
	m["weight_error"] = worst
	return nil
}

const sharePrefix = "weight_"

// isShare tells the shares of single modes, which are listed for the learned score alone.
func isShare(name string) bool {
	return strings.HasPrefix(name, sharePrefix) && name != "weight_error"
}

func coordinate(k int) string {
	if k < 3 {
		return string("xyz"[k])
	}
	return fmt.Sprint(k)
}

// head is as many rows as the energy distance takes.
func head(x *matrix) mat.Matrix {
	n, d := x.Dims()
	return x.Slice(0, min(n, energyRows), 0, d)
}
