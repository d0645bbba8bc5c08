package score

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/floats"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestTable1Preconditioning: the rows "network and preconditioning" of table 1 of Karras et al., written with their own
// formulas in sigma.
func TestTable1Preconditioning(t *testing.T) {
	const std = 0.5
	sigmas := []float64{0.0064, 0.01, 0.02, 0.3, 1, 7, 80, 150}
	u := sde.IDDPMLevels()[:1000]
	nearest := func(sigma float64) float64 {
		gaps := make([]float64, len(u))
		for j := range u {
			gaps[j] = math.Abs(u[j] - sigma)
		}
		return float64(floats.MinIdx(gaps))
	}
	one := func(float64) float64 { return 1 }
	rows := map[string][4]func(s float64) float64{
		"edm": {
			func(s float64) float64 { return std * std / (s*s + std*std) }, func(s float64) float64 { return s * std / math.Sqrt(std*std+s*s) },
			func(s float64) float64 { return 1 / math.Sqrt(s*s+std*std) }, func(s float64) float64 { return math.Log(s) / 4 },
		},
		"karras-vp": {
			one, func(s float64) float64 { return -s }, func(s float64) float64 { return 1 / math.Sqrt(s*s+1) },
			func(s float64) float64 { // (M - 1) sigma^-1(sigma)
				return 999 * (math.Sqrt(0.1*0.1+2*19.9*math.Log(s*s+1)) - 0.1) / 19.9
			},
		},
		"karras-ve": {one, func(s float64) float64 { return s }, one, func(s float64) float64 { return math.Log(0.5 * s) }},
		"karras-iddpm": {
			one, func(s float64) float64 { return -s }, func(s float64) float64 { return 1 / math.Sqrt(s*s+1) },
			func(s float64) float64 { return 1000 - 1 - nearest(s) },
		},
	}
	for _, p := range Parametrisations() {
		want, ok := rows[p.Name]
		if !ok {
			continue
		}
		delete(rows, p.Name)
		got, err := p.Preconditioning(std, sigmas)
		if err != nil {
			t.Fatal(err)
		}
		for k, column := range [][]float64{got.Skip, got.Out, got.In, got.Noise} {
			for i, s := range sigmas {
				if w := want[k](s); !(math.Abs(column[i]-w) <= 1e-10*math.Abs(w)) {
					t.Errorf("%s at %g: coefficient %d = %.15g, want %.15g", p, s, k, column[i], w)
				}
			}
		}
	}
	if len(rows) > 0 {
		t.Errorf("missing: %v", rows)
	}
}

// TestPreconditionedScore: D = c_skip x + c_out F(c_in x; c_noise) and score = (D - x)/sigma^2 in the units of the data give
// what Wrap computes on a process with a scaling.
func TestPreconditionedScore(t *testing.T) {
	const std, x, at = 0.7, 0.9, 0.4
	s := sde.VP{BetaMin: 0.1, BetaMax: 20}
	sigma, scale, err := sde.ScheduleOf(s, []float64{at})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Parametrisations() {
		if p.Name == RawTime.Name || p.Name == Velocity.Name {
			continue // these depend on the scaling too
		}
		c, err := p.Preconditioning(std, sigma)
		if err != nil {
			t.Fatal(err)
		}
		y := x / scale[0]
		d := c.Skip[0]*y + c.Out[0]*math.Sin(c.In[0]*y+c.Noise[0])
		want := (d - y) / (sigma[0] * sigma[0]) / scale[0] // p_t(x) = p(x/s; sigma)/s
		for name, b := range backendtest.All(t) {
			out, err := CallOnce(b, func(x, ts *Node) *Node {
				return p.Wrap(s, std, func(x, noise *Node) *Node { return Sin(Add(x, sde.Like(noise, x))) })(x, ts)
			}, [][]float64{{x}}, []float64{at})
			if err != nil {
				t.Fatal(err)
			}
			if got := tensors.MustCopyFlatData[float64](out)[0]; math.Abs(got-want) > 1e-10*math.Abs(want) {
				t.Errorf("%s, %s: score %.15g, want %.15g", name, p, got, want)
			}
		}
	}
}

// TestIDDPMStep: at every level, just beside the midpoints and far outside, in both float types and engines.
func TestIDDPMStep(t *testing.T) {
	u := sde.IDDPMLevels()[:1000]
	sigmas, want := []float64{1e-5, 1e7}, []float64{0, 999}
	for j := range u {
		sigmas, want = append(sigmas, u[j]), append(want, float64(999-j))
		if j > 0 {
			between := (u[j-1] + u[j]) / 2
			sigmas = append(sigmas, between-0.01*(u[j-1]-u[j]), between+0.01*(u[j-1]-u[j]))
			want = append(want, float64(999-j), float64(1000-j))
		}
	}
	for name, b := range backendtest.All(t) {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			out, err := CallOnce(b, func(sigma *Node) *Node {
				return ConvertDType(newKernel(sde.EDM{}, 1, ConvertDType(sigma, dtype)).iddpmStep(), dtypes.Float64)
			}, sigmas)
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range tensors.MustCopyFlatData[float64](out) {
				if got != want[i] {
					t.Errorf("%s, %s: step of sigma = %g is %g, want %g", name, dtype, sigmas[i], got, want[i])
				}
			}
		}
	}
}

func TestPreconditioningRefuses(t *testing.T) {
	for says, call := range map[string]func() (Preconditioning, error){
		"empty parametrisation": func() (Preconditioning, error) { return Parametrisation{}.Preconditioning(1, []float64{1}) },
		"the data is 0":         func() (Preconditioning, error) { return EDM.Preconditioning(0, []float64{1}) },
		"the data is NaN":       func() (Preconditioning, error) { return EDM.Preconditioning(math.NaN(), []float64{1}) },
		"got none":              func() (Preconditioning, error) { return EDM.Preconditioning(1, nil) },
		"noise level 1 is 0":    func() (Preconditioning, error) { return EDM.Preconditioning(1, []float64{1, 0}) },
		"noise level 0 is +Inf": func() (Preconditioning, error) { return EDM.Preconditioning(1, []float64{math.Inf(1)}) },
	} {
		if _, err := call(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}
