package objective

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// chains are the discrete roots, with the levels alpha_i and sigma_i of their chains.
func chains(t *testing.T) map[TimeSampler]sde.Chain {
	t.Helper()
	smld, err := sde.VE{SigmaMin: 0.01, SigmaMax: 4, Times: sde.Span{Eps: 0, T: 1}}.Chain(10)
	if err != nil {
		t.Fatal(err)
	}
	ddpm, err := sde.NewDDPM(sde.LinearBetas(25, 0.01, 0.4))
	if err != nil {
		t.Fatal(err)
	}
	return map[TimeSampler]sde.Chain{Levels{10}: smld, Levels{25}: ddpm.Chain()}
}

// TestLevelsAreTheChain: every time drawn is one of the N, each as often as the others, and the process has there the
// level of the chain.
func TestLevelsAreTheChain(t *testing.T) {
	const n = 20000
	for at, c := range chains(t) {
		levels := at.(Levels).N
		for name, b := range backendtest.All(t) {
			for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
				if name == "xla" && dtype == dtypes.Float64 {
					continue // each case compiles, and float32 is what rounds
				}
				what := fmt.Sprintf("%s %s %s", name, dtype, c.SDE)
				d := draw(t, b, c.SDE, dtype, n, at)[0]
				checkInside(t, what, d, c.SDE.Span())
				v, err := sde.Table(c.SDE, d.t)
				if err != nil {
					t.Fatal(err)
				}
				counts := make([]float64, levels+1)
				for k := range d.t {
					span := c.SDE.Span()
					i := 1 + int(math.Round((d.t[k]-span.Eps)/(span.T-span.Eps)*float64(levels-1)))
					counts[i]++
					if math.Abs(v.Alpha[k]/c.Alpha[i]-1)+math.Abs(v.Sigma[k]/c.Sigma[i]-1) > 1e-5 || d.weight[k] != 1 {
						t.Fatalf("%s: t = %g has alpha %g, sigma %g, weight %g; level %d has %g, %g",
							what, d.t[k], v.Alpha[k], v.Sigma[k], d.weight[k], i, c.Alpha[i], c.Sigma[i])
					}
				}
				stat := 0.0
				for _, count := range counts[1:] {
					mean := float64(n) / float64(levels)
					stat += (count - mean) * (count - mean) / mean
				}
				if p := (distuv.ChiSquared{K: float64(levels - 1)}).Survival(stat); p < 1e-3 {
					t.Errorf("%s: counts %v are not uniform, p = %.2g", what, counts[1:], p)
				}
			}
		}
	}
}

// TestDiscreteObjectives: DSM at the levels is the mean over the chain of the papers' objectives, known in closed form
// for Gaussian data and scores -w x/v: with k = w/v, E|sigma_i s + z|^2 = d (sigma_i^2 k^2 alpha_i^2 tau^2 + (1 - sigma_i^2 k)^2).
func TestDiscreteObjectives(t *testing.T) {
	law := gaussian(t)
	for at, c := range chains(t) {
		for name, b := range backendtest.All(t) {
			if name == "xla" && at != (Levels{25}) {
				continue // each chain compiles; TestLevelsAreTheChain has both there
			}
			scales := []float64{1, 0.7, 0}
			got := average(t, b, dtypes.Float32, 300, len(scales), func(rng noise.Source) []*Node {
				x0 := law.SampleGraph(rng, examples, dtypes.Float32)
				losses := make([]*Node, len(scales))
				for k, w := range scales {
					exact := score.Exact(law, c.SDE).Score()
					scaled := func(x, t *Node) *Node { return Mul(exact(x, t), ConstAs(x, w)) }
					losses[k] = DSM{SDE: c.SDE, Time: at}.Loss(scaled, rng.Again(), x0, nil)
				}
				return losses
			})
			for k, w := range scales {
				want := 0.0
				for i := 1; i <= c.N(); i++ {
					signal, noise := math.Pow(c.Alpha[i]*tau, 2), math.Pow(c.Sigma[i], 2)
					slope := w / (signal + noise)
					want += dim * (noise*slope*slope*signal + math.Pow(1-noise*slope, 2)) / float64(c.N())
				}
				if !(got[k].off(want) < 5) {
					t.Errorf("%s: %s, %g times the score: loss %g +- %g, want %g", name, c.SDE, w, got[k].mean, got[k].stderr, want)
				}
			}
		}
	}
}

// TestWeightsFlatten: sigma_i^2 is the weight that makes sigma_i^2 E|grad log p(x_i|x_0)|^2 = d at every level, whereas
// without it the levels differ by (sigma_N/sigma_1)^2.
func TestWeightsFlatten(t *testing.T) {
	law := gaussian(t)
	zero := func(x, _ *Node) *Node { return ZerosLike(x) }
	for _, c := range chains(t) {
		for _, i := range []int{1, c.N() / 2, c.N()} {
			span := c.SDE.Span()
			at := span.Eps + (span.T-span.Eps)*float64(i-1)/float64(c.N()-1)
			got := average(t, backend.Go(), dtypes.Float64, 100, 2, func(rng noise.Source) []*Node {
				x0 := law.SampleGraph(rng, examples, dtypes.Float64)
				z := rng.Normal(x0.Shape())
				t := ConstAs(x0, []float64{at})
				weighted := DSM{SDE: c.SDE}.Errors(zero, x0, z, t, nil)
				plain := DSM{SDE: c.SDE, Weighting: Unit}.Errors(zero, x0, z, t, nil)
				return []*Node{ReduceAllMean(weighted), ReduceAllMean(plain)}
			})
			if !(got[0].off(dim) < 5) {
				t.Errorf("%s, level %d: contribution %g +- %g, want d = %d", c.SDE, i, got[0].mean, got[0].stderr, dim)
			}
			if want := dim / math.Pow(c.Sigma[i], 2); !(got[1].off(want) < 5) {
				t.Errorf("%s, level %d: without weight %g +- %g, want %g", c.SDE, i, got[1].mean, got[1].stderr, want)
			}
		}
	}
}

func TestLevelsRefuse(t *testing.T) {
	err := DSM{SDE: ve, Time: Levels{1}}.Validate()
	if err == nil || !strings.Contains(err.Error(), "Levels.N = 1, want >= 2") {
		t.Errorf("one level: %v", err)
	}
	for at, c := range chains(t) {
		if err := (DSM{SDE: c.SDE, Time: at}).Validate(); err != nil {
			t.Error(err)
		}
	}
	if got := fmt.Sprint(DSM{SDE: ve, Time: Levels{10}}); got != "DSM, lambda = sigma^2, t uniform over 10 levels" {
		t.Errorf("named %q", got)
	}
}
