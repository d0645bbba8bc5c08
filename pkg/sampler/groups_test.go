package sampler

import (
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// joined is the process of groups of n rows each, every group under its own.
func joined(t *testing.T, n int, members ...sde.SDE) sde.SDE {
	t.Helper()
	var tables [][]float64
	for _, s := range members {
		_, numbers, ok := sde.Numbers(s)
		if !ok {
			t.Fatalf("%s has no numbers", s)
		}
		tables = append(tables, numbers)
	}
	p, err := sde.WithNumbers(members[0], func(k int, like *Node) *Node {
		var rows []float64
		for _, numbers := range tables {
			for range n {
				rows = append(rows, numbers[k])
			}
		}
		return ConstAs(like, rows)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// group are the rows of one group.
func group(m *mat.Dense, k, n int) *mat.Dense {
	_, d := m.Dims()
	return m.Slice(k*n, (k+1)*n, 0, d).(*mat.Dense)
}

// TestGroups: a group samples as it would among copies of itself, whatever processes the other groups have, batch-mean
// norms and starts from the prior included.
func TestGroups(t *testing.T) {
	const n = 40
	law := dist.FourGaussians()
	members := []sde.SDE{sde.VE{SigmaMin: 0.01, SigmaMax: 4}, sde.VE{SigmaMin: 0.05, SigmaMax: 1}}
	for name, b := range backendtest.All(t) {
		for _, m := range []Method{
			PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{0.16, BatchMean}},
			PC{Predictor: Ancestral{}, Corrector: Langevin{0.16, PerSample}, CorrectorFirst: true},
			PC{Predictor: EulerMaruyama{}, Corrector: Langevin{0.16, Expected}},
			Heun{}, PC{Predictor: DDIM{}}, Family{Ratio: 0.5},
		} {
			if pc, ok := m.(PC); backend.OnDevice(b) && (!ok || pc.Predictor != ReverseDiffusion{}) {
				continue // compiling takes long
			}
			sample := func(processes ...sde.SDE) *mat.Dense {
				s := joined(t, n, processes...)
				p := Problem{SDE: s, Score: score.Exact(law, s), N: 2 * n, Dim: 2, Groups: 2}
				return must(Run(t.Context(), b, p, m, Settings{Steps: 20, Seed: 3, Denoise: true})).Samples()
			}
			mixed := sample(members...)
			for k, s := range members {
				got, want := group(mixed, k, n), group(sample(s, s), k, n)
				if !mat.EqualApprox(got, want, 1e-4) {
					t.Errorf("%s, %s: group %d depends on the others: %v, want %v", name, m, k, mat.Formatted(got), mat.Formatted(want))
				}
			}
		}
	}
}

// TestGroupsLaw: a group has the moments of its process sampled alone.
func TestGroupsLaw(t *testing.T) {
	const n = 4000
	law := dist.FourGaussians()
	members := []sde.SDE{sde.VP{BetaMin: 0.1, BetaMax: 20}, sde.VP{BetaMin: 0.1, BetaMax: 3}}
	m := PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{0.16, BatchMean}}
	set := Settings{Steps: 30, Seed: 5}
	s := joined(t, n, members...)
	both := must(Run(t.Context(), backend.Go(), Problem{SDE: s, Score: score.Exact(law, s), N: 2 * n, Dim: 2, Groups: 2}, m, set)).Samples()
	for k, s := range members {
		set.Seed++
		alone := must(Run(t.Context(), backend.Go(), Problem{SDE: s, Score: score.Exact(law, s), N: n, Dim: 2}, m, set)).Samples()
		for _, power := range []float64{1, 2, 4} {
			moment := func(x *mat.Dense) (mean, se float64) {
				v := make([]float64, n)
				for i := range v {
					v[i] = math.Pow(x.At(i, 0), power)
				}
				mean, std := stat.MeanStdDev(v, nil)
				return mean, std / math.Sqrt(n)
			}
			got, a := moment(group(both, k, n))
			want, c := moment(alone)
			if !(math.Abs(got-want) <= 5*math.Hypot(a, c)) {
				t.Errorf("%s: moment %g is %.4f, alone %.4f +- %.4f", s, power, got, want, math.Hypot(a, c))
			}
		}
	}
}

// TestBadGroups: groups must divide the batch.
func TestBadGroups(t *testing.T) {
	for _, groups := range []int{-1, 3, 11} {
		p := Problem{SDE: sde.OU1(), N: 10, Dim: 1, Groups: groups}
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), "Groups") {
			t.Errorf("%d groups of 10 samples: error %v", groups, err)
		}
	}
}
