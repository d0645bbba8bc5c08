package sde

import (
	"math"
	"strings"
	"testing"
)

// TestVEConventions: the two kernel variances are 84x apart at t = 0.001 and agree to 0.3% from t = 1/2 on
// (sigma 0.01..4, the four-Gaussians demo).
func TestVEConventions(t *testing.T) {
	ts := []float64{0.001, 0.5, 0.75, 1}
	song, err := Table(VE{SigmaMin: 0.01, SigmaMax: 4}, ts)
	if err != nil {
		t.Fatal(err)
	}
	clean, err := Table(VE{SigmaMin: 0.01, SigmaMax: 4, CleanStart: true}, ts)
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range ts {
		ratio := math.Pow(song.Sigma[i]/clean.Sigma[i], 2)
		if song.Diffusion[i] != clean.Diffusion[i] {
			t.Errorf("g(%g) differs between the conventions", at)
		}
		if i == 0 && math.Abs(ratio-84) > 0.5 {
			t.Errorf("variance ratio at %g is %.2f, want 84", at, ratio)
		}
		if i > 0 && (ratio <= 1 || ratio >= 1.003) {
			t.Errorf("variance ratio at %g is %.5f, want within 0.3%%", at, ratio)
		}
	}
}

func TestVPEndsNearThePrior(t *testing.T) {
	for _, c := range []struct{ betaMax, alpha float64 }{{20, 0.0066}, {10, 0.0801}} {
		if alpha, _ := At(VP{BetaMin: 0.1, BetaMax: c.betaMax}, 1); math.Abs(alpha-c.alpha) > 5e-5 {
			t.Errorf("beta_max %g: alpha(1) = %.5f, want %.4f", c.betaMax, alpha, c.alpha)
		}
	}
}

// TestSubVPAgainstVP: the variance of sub-VP is nowhere larger, yet for a data point at the origin its law at t = 1 is
// four times further from the prior.
func TestSubVPAgainstVP(t *testing.T) {
	vp, sub := VP{BetaMin: 0.1, BetaMax: 20}, SubVP{BetaMin: 0.1, BetaMax: 20}
	a, err := Table(vp, grid(vp, 100))
	if err != nil {
		t.Fatal(err)
	}
	b, err := Table(sub, grid(sub, 100))
	if err != nil {
		t.Fatal(err)
	}
	for i := range a.T {
		if b.Sigma[i] > a.Sigma[i] {
			t.Errorf("at %g sub-VP has std %g > %g", a.T[i], b.Sigma[i], a.Sigma[i])
		}
		if math.IsNaN(b.Diffusion[i]) || b.Diffusion[i] <= 0 {
			t.Errorf("at %g sub-VP has g = %g", a.T[i], b.Diffusion[i])
		}
	}
	gapVP, err := PriorKL(vp, []float64{0}, []float64{0})
	if err != nil {
		t.Fatal(err)
	}
	gapSub, err := PriorKL(sub, []float64{0}, []float64{0})
	if err != nil {
		t.Fatal(err)
	}
	alpha, _ := At(vp, 1)
	a4 := math.Pow(alpha, 4)
	if relative(gapVP, a4/4) > 1e-4 || relative(gapSub, a4) > 1e-4 {
		t.Errorf("KL to the prior: VP %g, sub-VP %g, want about %g and %g", gapVP, gapSub, a4/4, a4)
	}
}

// TestPriorKL against the textbook formula where nothing cancels, and 0 where the law is the prior.
func TestPriorKL(t *testing.T) {
	p := OU{Rate: 1, Times: Span{Eps: 0, T: 0.5}}
	got, err := PriorKL(p, []float64{1, -2}, []float64{0.5, 3})
	if err != nil {
		t.Fatal(err)
	}
	var want float64
	for i, m := range []float64{1, -2} {
		v := math.Exp(-1)*[]float64{0.5, 3}[i] + 1 - math.Exp(-1)
		want += (v + math.Exp(-1)*m*m - 1 - math.Log(v)) / 2
	}
	if relative(got, want) > 1e-12 {
		t.Errorf("KL %.15g, want %.15g", got, want)
	}
	if same, err := PriorKL(p, []float64{0}, []float64{1}); err != nil || same > 1e-15 {
		t.Errorf("stationary data: KL %g, error %v, want 0", same, err)
	}
	for _, bad := range [][2][]float64{{{0}, {-1}}, {{math.NaN()}, {1}}, {{0, 1}, {1}}, {nil, nil}} {
		if _, err := PriorKL(p, bad[0], bad[1]); err == nil {
			t.Errorf("moments %v: want an error", bad)
		}
	}
}

// TestChainLimit: the discrete chains approach their processes as 1/N, in mean and in variance.
func TestChainLimit(t *testing.T) {
	slope := func(coarse, fine float64) float64 { return math.Log10(fine/coarse) / math.Log10(10) }
	chains := map[string]func(n int) (Chain, error){
		"SMLD":             VE{SigmaMin: 0.01, SigmaMax: 50}.Chain,
		"DDPM":             VP{BetaMin: 0.1, BetaMax: 20}.Chain,
		"DDPM on [0, 1/2]": VP{BetaMin: 0.1, BetaMax: 20, Times: Span{Eps: 1e-3, T: 0.5}}.Chain,
	}
	for name, build := range chains {
		var alpha, variance [2]float64
		for k, n := range []int{1000, 10000} {
			c, err := build(n)
			if err != nil {
				t.Fatal(err)
			}
			if alpha[k], variance[k], err = c.Gap(); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%s: gap at N = 1000: alpha %.2e, variance %.2e", name, alpha[0], variance[0])
		if s := slope(variance[0], variance[1]); math.Abs(s+1) > 0.1 {
			t.Errorf("%s: variance gap falls with slope %.3f, want -1", name, s)
		}
		if name == "SMLD" {
			if alpha[0] != 0 {
				t.Errorf("SMLD: alpha gap %g", alpha[0])
			}
		} else if s := slope(alpha[0], alpha[1]); math.Abs(s+1) > 0.1 {
			t.Errorf("%s: alpha gap falls with slope %.3f, want -1", name, s)
		}
	}
}

// TestChainSteps: the kernel table is what its steps compose to, beginning at sigma_0 = 0.
func TestChainSteps(t *testing.T) {
	smld, err := VE{SigmaMin: 0.01, SigmaMax: 50}.Chain(20)
	if err != nil {
		t.Fatal(err)
	}
	ddpm, err := VP{BetaMin: 0.1, BetaMax: 20}.Chain(21)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []Chain{smld, ddpm} {
		alpha, variance := 1.0, 0.0
		for i := 1; i <= c.N(); i++ {
			alpha, variance = c.A[i]*alpha, c.A[i]*c.A[i]*variance+c.C[i]*c.C[i]
			if relative(c.Alpha[i], alpha) > 1e-12 || relative(c.Sigma[i], math.Sqrt(variance)) > 1e-12 {
				t.Errorf("%s step %d: kernel %g, %g, composed %g, %g", c.SDE, i, c.Alpha[i], c.Sigma[i], alpha, math.Sqrt(variance))
			}
		}
	}
	if relative(smld.Sigma[1], 0.01) > 1e-12 || relative(smld.Sigma[20], 50) > 1e-12 || smld.C[1] != smld.Sigma[1] {
		t.Errorf("SMLD levels %v", smld.Sigma)
	}
	if got := ddpm.C[21] * ddpm.C[21]; relative(got, 20.0/21) > 1e-12 {
		t.Errorf("DDPM beta_N = %g, want 20/21", got)
	}
	if _, err := (VP{BetaMin: 0.1, BetaMax: 20}).Chain(20); err == nil || !strings.Contains(err.Error(), "at least 21") {
		t.Errorf("20 steps of beta_max 20: got %v, want an error that asks for 21", err)
	}
	if _, err := (VE{SigmaMin: 0.01, SigmaMax: 50, CleanStart: true}).Chain(20); err == nil {
		t.Error("SMLD chain from clean data: want an error")
	}
	if _, err := (VE{SigmaMin: 0.01, SigmaMax: 50}).Chain(1); err == nil {
		t.Error("SMLD chain of one step: want an error")
	}
}
