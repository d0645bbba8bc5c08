package suggest

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sde"
)

func suggested(t *testing.T, data mat.Matrix) Suggestion {
	t.Helper()
	s, err := From(data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// because returns the reason of a quantity.
func because(t *testing.T, s Suggestion, quantity string) string {
	t.Helper()
	i := slices.IndexFunc(s.Reasons, func(r Reason) bool { return r.Quantity == quantity })
	if i < 0 {
		t.Fatalf("no reason for %s in\n%s", quantity, s)
	}
	return s.Reasons[i].Because
}

// secondMoment is E|x|^2 of the rows.
func secondMoment(x *mat.Dense) float64 {
	n, _ := x.Dims()
	return math.Pow(mat.Norm(x, 2), 2) / float64(n)
}

// TestSuggestFourGaussians: what is suggested for data whose scales are known, by formulas written out again.
func TestSuggestFourGaussians(t *testing.T) {
	x := dist.FourGaussians().Sample(rand.New(rand.NewPCG(5, 0)), 20000)
	s := suggested(t, x)
	t.Logf("\n%s", s)
	if s.SigmaMax < 2.6 || s.SigmaMax > 4 { // opposite centres are 2 apart, of std 0.2
		t.Errorf("SigmaMax = %g", s.SigmaMax)
	}
	if want := math.Sqrt(0.54); math.Abs(s.SigmaData-want) > 5*want/math.Sqrt(2*20000) {
		t.Errorf("SigmaData = %g, want %g", s.SigmaData, want)
	}
	if want := 0.01; math.Abs(s.SigmaMin-want) > 0.15*want {
		t.Errorf("SigmaMin = %g, want about %g, std/20", s.SigmaMin, want)
	}
	for _, p := range []sde.SDE{s.VP(), s.SubVP()} {
		alpha, sigma := sde.At(p, p.Span().Eps)
		if got := sigma / alpha; math.Abs(got-s.SigmaMin) > 1e-9*s.SigmaMin {
			t.Errorf("%s: Sigma/Alpha at Eps is %g, want SigmaMin = %g", p, got, s.SigmaMin)
		}
		alpha, sigma = sde.At(p, 1)
		bound := -2*math.Log(sigma) - 1 + sigma*sigma + alpha*alpha*secondMoment(x)/2
		if !(bound <= priorGap && bound > priorGap*(1-1e-4)) {
			t.Errorf("%s: the bound on the prior gap is %g, want %g just met", p, bound, priorGap)
		}
	}
	if ve, edm := s.VE(), s.EDM(); ve.SigmaMin != s.SigmaMin || ve.SigmaMax != s.SigmaMax || edm.Span() != (sde.Span{Eps: s.SigmaMin, T: s.SigmaMax}) {
		t.Errorf("got %s and %s", ve, edm)
	}
	for _, p := range []sde.SDE{s.VE(), s.VP(), s.SubVP(), s.EDM()} {
		if err := sde.Validate(p); err != nil {
			t.Error(err)
		}
	}
	s.SigmaMax, s.BetaMaxVP = 50, 20
	if s.VE().SigmaMax != 50 || s.VP().BetaMax != 20 {
		t.Error("the processes do not follow the fields")
	}
}

// TestSuggestReasons: every value has a line with its reason, in columns; parts of the data are called so.
func TestSuggestReasons(t *testing.T) {
	s := suggested(t, dist.FourGaussians().Sample(rand.New(rand.NewPCG(5, 0)), 3000))
	lines := strings.Split(s.String(), "\n")
	if len(lines) != 9 {
		t.Fatalf("%d lines, want 9:\n%s", len(lines), s)
	}
	for i, r := range s.Reasons {
		if !strings.HasPrefix(lines[i], r.Quantity) || strings.Index(lines[i], r.Because) != 28 {
			t.Errorf("line %q, want %s and at column 28 its reason", lines[i], r.Quantity)
		}
		if strings.Contains(r.Because, "warning") {
			t.Errorf("%s: %s", r.Quantity, r.Because)
		}
	}
	for quantity, says := range map[string]string{"sigma_max": "2000 of 3000 points", "sigma_min": "1000 of 3000 points"} {
		if r := because(t, s, quantity); !strings.Contains(r, says) {
			t.Errorf("%s: %q does not say %q", quantity, r, says)
		}
	}
}

// TestSuggestWarns: data for which a number is not enough are told what is wrong with them, and only they.
func TestSuggestWarns(t *testing.T) {
	x := dist.FourGaussians().Sample(rand.New(rand.NewPCG(5, 0)), 500)
	clean := suggested(t, x)
	for _, c := range []struct {
		name, quantity, says string
		change               func(i, k int, v float64) float64
	}{
		{"constant", "sigma_data", "constant", func(_, k int, v float64) float64 { return v * float64(k) }},
		{"scales", "sigma_data", "coordinates differ, from 0.", func(_, k int, v float64) float64 { return v * (1 + 20*float64(k)) }},
		{"mean", "sigma_data", "mean is far from 0, about which it is 3.", func(_, _ int, v float64) float64 { return v + 3 }},
		{"outlier", "sigma_max", "outliers set it, 99 in 100 distances are below 2.", func(i, _ int, v float64) float64 {
			if i == 7 {
				return 1000
			}
			return v
		}},
		{"curve", "sigma_min", "surface", func(i, k int, _ float64) float64 {
			return math.Cos(0.7391*float64(i*i) - math.Pi/2*float64(k))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var y mat.Dense
			y.Apply(c.change, x)
			s := suggested(t, &y)
			if r := because(t, s, c.quantity); !strings.Contains(r, c.says) {
				t.Errorf("%q does not say %q", r, c.says)
			}
			if r := because(t, clean, c.quantity); strings.Contains(r, "warning") {
				t.Errorf("data without the fault: %q", r)
			}
			if c.name == "outlier" && (s.SigmaMax < 1000 || math.Abs(s.SigmaMin/clean.SigmaMin-1) > 0.1) {
				t.Errorf("SigmaMax = %g, want the rule's, and SigmaMin = %g, want %g as without the outlier", s.SigmaMax, s.SigmaMin, clean.SigmaMin)
			}
		})
	}
}

// TestSuggestScales: another unit of the data changes all lengths with it and nothing else; another origin changes no
// length. What depends on the prior alone is the same for all.
func TestSuggestScales(t *testing.T) {
	x := dist.FourGaussians().Sample(rand.New(rand.NewPCG(6, 0)), 60)
	base := suggested(t, x)
	rapid.Check(t, func(r *rapid.T) {
		c := math.Exp(rapid.Float64Range(-7, 7).Draw(r, "ln c"))
		shift := rapid.Float64Range(-10, 10).Draw(r, "shift")
		var y mat.Dense
		y.Apply(func(_, _ int, v float64) float64 { return c * (v + shift) }, x)
		s, err := From(&y)
		if err != nil {
			r.Fatal(err)
		}
		for what, pair := range map[string][2]float64{
			"SigmaMin": {s.SigmaMin, c * base.SigmaMin}, "SigmaMax": {s.SigmaMax, c * base.SigmaMax},
			"SigmaData": {s.SigmaData, c * base.SigmaData}, "SNR": {s.SNR, base.SNR},
		} {
			if math.Abs(pair[0]/pair[1]-1) > 1e-6 {
				r.Errorf("%s is %g, want %g", what, pair[0], pair[1])
			}
		}
	})
}

// TestSuggestedSNR: the variance of the corrector's chain on N(0, sigma^2), followed step by step, ends with the bias
// aimed at.
func TestSuggestedSNR(t *testing.T) {
	r := suggested(t, mat.NewDense(2, 1, []float64{0, 1})).SNR
	const sigma = 0.3
	eps, variance := 2*r*r*sigma*sigma, 0.0
	for range 2000 { // x + eps score + sqrt(2 eps) z with score -x/sigma^2
		slope := 1 - eps/(sigma*sigma)
		variance = slope*slope*variance + 2*eps
	}
	if bias := variance/(sigma*sigma) - 1; math.Abs(bias-0.02) > 1e-9 {
		t.Errorf("the corrector inflates the variance by %g, want 0.02", bias)
	}
}

// TestSuggestBadInput: data without a scale or with values that are no numbers are refused by name.
func TestSuggestBadInput(t *testing.T) {
	mostly := mat.NewDense(10000, 1, nil)
	mostly.Set(17, 0, 1)
	for _, c := range []struct {
		name string
		data mat.Matrix
		says string
	}{
		{"nil", nil, "no data"},
		{"empty", &mat.Dense{}, "0 x 0"},
		{"one point", mat.NewDense(1, 3, []float64{1, 2, 3}), "at least 2"},
		{"NaN", mat.NewDense(2, 2, []float64{1, 2, 3, math.NaN()}), "row 1, column 1 is NaN"},
		{"infinity", mat.NewDense(2, 2, []float64{1, 2, math.Inf(-1), 4}), "row 1, column 0 is -Inf"},
		{"constant", mat.NewDense(3, 2, []float64{1, 2, 1, 2, 1, 2}), "all of them the same"},
		{"zeros", mat.NewDense(3, 2, nil), "all of them the same"},
		{"almost constant", mostly, "2000 of 10000 points, all of them the same"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := From(c.data); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
		})
	}
}
