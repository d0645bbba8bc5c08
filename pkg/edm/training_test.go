package edm

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestTable1Weights: lambda(sigma) as table 1 of Karras et al. prints it, and c_out^2 lambda = 1, which makes the loss of
// the network itself one of weight 1.
func TestTable1Weights(t *testing.T) {
	const std = 0.5
	sigmas := []float64{0.0065, 0.02, 0.5, 3, 79}
	inverse := func(s float64) float64 { return 1 / (s * s) }
	lambdas := []func(s float64) float64{inverse, inverse, inverse, func(s float64) float64 { return (s*s + std*std) / math.Pow(s*std, 2) }}
	for k, column := range Table1(std) {
		name, dsm := column.Name, column.Objective
		if err := dsm.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := dsm.Weighting.OnDenoiser(sigmas)
		if err != nil {
			t.Fatal(err)
		}
		c, err := column.Network.Preconditioning(std, sigmas)
		if err != nil {
			t.Fatal(err)
		}
		for i, sigma := range sigmas {
			if want := lambdas[k](sigma); math.Abs(got[i]-want) > 1e-10*want {
				t.Errorf("%s: lambda(%g) = %.15g, want %.15g", name, sigma, got[i], want)
			}
			if v := c.Out[i] * c.Out[i] * got[i]; math.Abs(v-1) > 1e-10 {
				t.Errorf("%s: c_out^2 lambda = %.15g at sigma = %g, want 1", name, v, sigma)
			}
		}
	}
}

// TestTable1Noise: the drawn noise levels follow the laws of table 1, written as distribution functions of ln sigma.
func TestTable1Noise(t *testing.T) {
	const n = 20000
	limit := 1.95 / math.Sqrt(n) // alpha = 1e-3
	u := IDDPMLevels()[:1000]
	normal := distuv.Normal{Mu: -1.2, Sigma: 1.2}
	low, high := normal.CDF(math.Log(0.002)), normal.CDF(math.Log(80))
	cdfs := []func(sigma float64) float64{
		func(sigma float64) float64 { // sigma^-1 of it is uniform
			at := (math.Sqrt(0.1*0.1+2*19.9*math.Log1p(sigma*sigma)) - 0.1) / 19.9
			return (at - 1e-5) / (1 - 1e-5)
		},
		func(sigma float64) float64 { return math.Log(sigma/0.02) / math.Log(100/0.02) },
		nil,
		func(sigma float64) float64 { return (normal.CDF(math.Log(sigma)) - low) / (high - low) },
	}
	for name, b := range backendtest.All(t) {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			if name == "xla" && dtype == dtypes.Float64 {
				continue // each law compiles, and float32 is what rounds
			}
			for k, column := range Table1(0.5) {
				dsm := column.Objective
				drawn := draw(t, b, dsm, dtype, n)
				for _, w := range drawn.weight {
					if w != 1 {
						t.Fatalf("%s: weight %g", dsm.Time, w)
					}
				}
				span := dsm.SDE.Span()
				for i := range drawn.t { // rounding of the ends to float32
					drawn.t[i] = min(max(drawn.t[i], span.Eps), span.T)
				}
				sigmas, _, err := sde.ScheduleOf(dsm.SDE, drawn.t)
				if err != nil {
					t.Fatal(err)
				}
				if cdfs[k] != nil {
					if d := distance(sigmas, func(s float64) float64 { return min(max(cdfs[k](s), 0), 1) }); d > limit {
						t.Errorf("%s, %s, %s: distance %.4f to the law of table 1, want <= %.4f", name, dtype, dsm.Time, d, limit)
					}
					continue
				}
				counts := make([]float64, len(u))
				for _, sigma := range sigmas {
					j := nearestLevel(u, sigma)
					counts[j]++
					if math.Abs(sigma/u[j]-1) > 1e-6 {
						t.Fatalf("%s: drew sigma = %.9g, nearest level %.9g", dsm.Time, sigma, u[j])
					}
				}
				chi2 := 0.0
				for _, c := range counts {
					chi2 += math.Pow(c-n/1000, 2) / (n / 1000)
				}
				if p := (distuv.ChiSquared{K: 999}).Survival(chi2); p < 1e-3 {
					t.Errorf("%s, %s, %s: chi^2 = %.0f of 999, p = %.2g", name, dtype, dsm.Time, chi2, p)
				}
			}
		}
	}
}

func nearestLevel(u []float64, sigma float64) int {
	gaps := make([]float64, len(u))
	for j := range u {
		gaps[j] = math.Abs(u[j] - sigma)
	}
	return floats.MinIdx(gaps)
}

// TestIDDPMStepsRefuse: a process without the levels is refused.
func TestIDDPMStepsRefuse(t *testing.T) {
	err := objective.DSM{SDE: sde.EDM{}, Time: IDDPMSteps{}}.Validate()
	if err == nil || !strings.Contains(err.Error(), "noise level 0 is 20291") {
		t.Errorf("got %v", err)
	}
}

type draws struct{ t, weight []float64 }

// draw takes n times from the objective's sampler, inside the body of a loop as training does.
func draw(t *testing.T, b compute.Backend, o objective.DSM, dtype dtypes.DType, n int) draws {
	t.Helper()
	shape := shapes.Make(dtype, n)
	state := []*tensors.Tensor{tensors.FromShape(shape), tensors.FromShape(shape)}
	l := loop.New(b, nil, len(state), func(_ *model.Scope, i *Node, _, inputs []*Node) []*Node {
		at, weight := o.Time.Draw(o.SDE, noise.At(inputs[0], i), Zeros(i.Graph(), shapes.Make(dtype, n, 2)))
		return []*Node{at, weight}
	})
	out, err := l.Run(0, 1, state, []*tensors.Tensor{noise.Key(22, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return draws{host.Values(out[0]), host.Values(out[1])}
}

// distance is the Kolmogorov-Smirnov distance of the values to cdf.
func distance(values []float64, cdf func(float64) float64) float64 {
	sorted := append([]float64{}, values...)
	slices.Sort(sorted)
	worst, n := 0.0, float64(len(sorted))
	for k, v := range sorted {
		p := cdf(v)
		worst = max(worst, p-float64(k)/n, float64(k+1)/n-p)
	}
	return worst
}
