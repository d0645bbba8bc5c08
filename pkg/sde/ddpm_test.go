package sde

import (
	"fmt"
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// ddpms are Ho's 1000 steps, and uneven ones so that a wrong index shows.
func ddpms(t *testing.T) []DDPM {
	t.Helper()
	var all []DDPM
	for _, betas := range [][]float64{LinearBetas(1000, 1e-4, 0.02), {0.3, 0.01, 0.9, 0.2, 0.05, 0.4, 0.11}, {0.5, 0.25}} {
		p, err := NewDDPM(betas)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// inside are times within each step of p, away from its ends.
func inside(p DDPM) []float64 {
	var ts []float64
	for i := 1; i < p.N(); i++ {
		for _, part := range []float64{0.003, 0.4, 0.99} {
			ts = append(ts, (float64(i)+part)/float64(p.N()))
		}
	}
	return ts
}

// TestDDPMIsTheChain: at i/N the process has the alpha_i of the chain, multiplied out here, and its rate there is that
// of step i, in both precisions and on both engines; the transition over a step is the step.
func TestDDPMIsTheChain(t *testing.T) {
	for _, p := range ddpms(t) {
		n := p.N()
		ts, before := make([]float64, n), make([]float64, n)
		for i := range ts {
			ts[i], before[i] = float64(i+1)/float64(n), float64(i)/float64(n)
		}
		functions := func(t, earlier *Node) []*Node {
			a, c := Transition(p, t, earlier)
			return []*Node{p.Alpha(t), p.Sigma(t), p.Drift(t), p.Diffusion(t), a, c}
		}
		for name, b := range backendtest.All(t) {
			double := MustNewExec(b, functions).MustCall(ts, before)
			single := MustNewExec(b, functions).MustCall(float32s(ts), float32s(before))
			product := 1.0
			for i, beta := range p.steps.beta {
				product *= 1 - beta
				rate := -float64(n) * math.Log1p(-beta)
				for k, want := range []float64{math.Sqrt(product), math.Sqrt(1 - product), -rate / 2, math.Sqrt(rate), math.Sqrt(1 - beta), math.Sqrt(beta)} {
					what := fmt.Sprintf("%s on %s, step %d: function %d", p, name, i+1, k)
					if got := double[k].Value().([]float64)[i]; relative(got, want) > 1e-11 {
						t.Errorf("%s is %.15g, want %.15g", what, got, want)
					}
					// The time of a step in float32 is off by 6e-8 N of the step.
					if got := float64(single[k].Value().([]float32)[i]); relative(got, want) > 2e-6+[]float64{0, 0, 0, 0, 0, 3e-4}[k] {
						t.Errorf("%s is %.9g in float32, want %.9g", what, got, want)
					}
				}
			}
		}
		c := p.Chain()
		if alpha, variance, err := c.Gap(); err != nil || alpha > 1e-12 || variance > 1e-12 {
			t.Errorf("%s: gap of its chain %g, %g, error %v", p, alpha, variance, err)
		}
		for i, beta := range c.Betas() {
			if relative(beta, p.steps.beta[i]) > 1e-14 {
				t.Errorf("%s: beta_%d of its chain is %g, want %g", p, i+1, beta, p.steps.beta[i])
			}
		}
	}
}

// TestDDPMKernel: within the steps the process has the properties of every other one.
func TestDDPMKernel(t *testing.T) {
	for _, p := range ddpms(t) {
		ts := inside(p)
		checkKernel(t, t, p, ts)
		all := func(in []*Node) []*Node {
			return []*Node{p.Alpha(in[0]), p.Sigma(in[0]), p.Drift(in[0]), p.Diffusion(in[0])}
		}
		for i := range ts {
			ts[i] = float64(float32(ts[i])) // both precisions see the same times
		}
		single, double := run(t, all, float32s(ts)), run(t, all, ts)
		for k := range double {
			for i := range ts {
				if relative(single[k][i], double[k][i]) > 2e-6 {
					t.Errorf("%s: function %d at %g is %g in float32, %g in float64", p, k, ts[i], single[k][i], double[k][i])
				}
			}
		}
		run(t, func(in []*Node) []*Node {
			for _, x := range []*Node{in[0], Reshape(in[0], 3, 2), Reshape(Slice(in[0], AxisElem(0)))} {
				for _, fn := range []func(*Node) *Node{p.Alpha, p.Sigma, p.Drift, p.Diffusion} {
					if y := fn(x); !y.Shape().Equal(x.Shape()) {
						t.Errorf("%s: %s for times %s", p, y.Shape(), x.Shape())
					}
				}
			}
			return in
		}, []float32{0.5, 0.6, 0.7, 0.8, 0.9, 1})
	}
}

// TestDDPMLimit: Ho's schedule is VP with beta 0.1..20 up to O(1/N), and the chain of VP makes the same process as its
// betas.
func TestDDPMLimit(t *testing.T) {
	vp := VP{BetaMin: 0.1, BetaMax: 20}
	gap := func(n int) float64 {
		p, err := NewDDPM(LinearBetas(n, 0.1/float64(n), 20/float64(n)))
		if err != nil {
			t.Fatal(err)
		}
		c := p.Chain()
		c.SDE = vp
		alpha, _, err := c.Gap()
		if err != nil {
			t.Fatal(err)
		}
		return alpha
	}
	if slope := math.Log10(gap(10000) / gap(1000)); math.Abs(slope+1) > 0.1 {
		t.Errorf("gap to VP falls with slope %.3f, want -1", slope)
	}
	c, err := vp.Chain(50)
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewDDPM(c.Betas())
	if err != nil {
		t.Fatal(err)
	}
	v, err := Table(p, c.T[1:])
	if err != nil {
		t.Fatal(err)
	}
	for i := range v.T {
		if relative(v.Alpha[i], c.Alpha[i+1]) > 1e-12 || relative(v.Sigma[i], c.Sigma[i+1]) > 1e-12 {
			t.Errorf("level %d: alpha %g, sigma %g, the chain has %g, %g", i+1, v.Alpha[i], v.Sigma[i], c.Alpha[i+1], c.Sigma[i+1])
		}
	}
}

func TestDDPMRefuses(t *testing.T) {
	for says, betas := range map[string][]float64{
		"at least 2 steps, got 1": {0.5},
		"beta_2 of 3 is 1,":       {0.5, 1, 0.5},
		"beta_3 of 3 is 0,":       {0.5, 0.1, 0},
		"beta_1 of 2 is NaN":      {math.NaN(), 0.1},
	} {
		if _, err := NewDDPM(betas); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: got %v, want an error that says %q", betas, err, says)
		}
	}
	if err := Validate(DDPM{}); err == nil || !strings.Contains(err.Error(), "NewDDPM") {
		t.Errorf("zero value: got %v", err)
	}
	if p, err := NewDDPM(LinearBetas(4, 0.1, 0.4)); err != nil || p.String() != "DDPM(4 steps, beta 0.1..0.4)" || p.Span() != (Span{Eps: 0.25, T: 1}) {
		t.Errorf("%v, %v, span %v", p, err, p.Span())
	}
}
