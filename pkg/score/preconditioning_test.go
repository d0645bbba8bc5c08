package score

import (
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/sde"
)

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
