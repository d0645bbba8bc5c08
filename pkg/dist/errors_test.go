package dist

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
)

func TestConstructorsRejectBadInput(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	two := mat.NewDense(2, 1, []float64{0, 1})
	one := func(v float64) *mat.SymDense { return mat.NewSymDense(1, []float64{v}) }
	cases := map[string]struct {
		build func() error
		want  string
	}{
		"weights sum":      {mixture1([]float64{0.5, 0.4}, two, []float64{1, 1}), "sum to 0.9, want 1"},
		"negative weight":  {mixture1([]float64{1.5, -0.5}, two, []float64{1, 1}), "weight 1 is -0.5"},
		"NaN weight":       {mixture1([]float64{0.5, nan}, two, []float64{1, 1}), "weight 1 is NaN"},
		"weight count":     {mixture1([]float64{1}, two, []float64{1, 1}), "1 weights for 2 components"},
		"negative std":     {mixture1(nil, two, []float64{1, -1}), "standard deviation 1 is -1"},
		"std count":        {mixture1(nil, two, []float64{1}), "1 standard deviations for 2 means"},
		"NaN mean":         {mixture1(nil, mat.NewDense(2, 1, []float64{0, nan}), []float64{1, 1}), "mean 1 is [NaN]"},
		"nil means":        {mixture1(nil, nil, nil), "means are nil"},
		"empty means":      {mixture1(nil, &mat.Dense{}, nil), "[0, 0]"},
		"indefinite":       {mixture2(two, one(1), one(-1)), "covariance 1: is not positive definite"},
		"singular":         {mixture2(two, one(1), one(0)), "covariance 1: is not positive definite"},
		"NaN covariance":   {mixture2(two, one(nan), one(1)), "covariance 0: holds NaN or Inf"},
		"covariance shape": {mixture2(two, one(1), mat.NewSymDense(2, nil)), "covariance 1: is 2 x 2, want 1 x 1"},
		"nil covariance":   {mixture2(two, one(1), nil), "covariance 1: is 0 x 0"},
		"covariance count": {mixture2(two, one(1)), "1 covariances for 2 means"},
		"rank one": {func() error {
			_, err := NewGaussian([]float64{0, 0}, mat.NewSymDense(2, []float64{1, 1, 1, 1}))
			return err
		}, "not positive definite"},
		"empty mean":    {func() error { _, err := NewIsotropicGaussian(nil, 1); return err }, "mean is empty"},
		"empty ring":    {func() error { _, err := Ring(0, 1, 1); return err }, "k = 0"},
		"ring radius":   {func() error { _, err := Ring(3, inf, 1); return err }, "radius = +Inf"},
		"box upside":    {func() error { _, err := NewUniform([]float64{1}, []float64{0}, 0); return err }, "from 1 to 0"},
		"box shapes":    {func() error { _, err := NewUniform([]float64{0}, []float64{1, 2}, 0); return err }, "lo has 1 and hi 2"},
		"box noise":     {func() error { _, err := NewUniform([]float64{0}, []float64{1}, nan); return err }, "standard deviation NaN"},
		"empty product": {func() error { _, err := NewProduct(); return err }, "at least one factor"},
		"nil factor":    {func() error { _, err := NewProduct(Unit(), nil); return err }, "factor 1 of a product is nil"},
	}
	for name, c := range cases {
		if err := c.build(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func mixture1(weights []float64, means mat.Matrix, stds []float64) func() error {
	return func() error { _, err := NewIsotropicMixture(weights, means, stds); return err }
}

func mixture2(means mat.Matrix, covs ...*mat.SymDense) func() error {
	return func() error { _, err := NewMixture(nil, means, covs); return err }
}

func TestEvaluationRejectsBadInput(t *testing.T) {
	l := FourGaussians()
	good := mat.NewDense(1, 2, []float64{0, 0})
	cases := map[string]struct {
		l            Law
		x            mat.Matrix
		alpha, sigma float64
		want         string
	}{
		"nil law":        {nil, good, 1, 1, "nil"},
		"nil x":          {l, nil, 1, 1, "nil"},
		"empty x":        {l, &mat.Dense{}, 1, 1, "x is [0, 0], want [n, 2]"},
		"dimension":      {l, mat.NewDense(1, 3, nil), 1, 1, "x is [1, 3], want [n, 2]"},
		"NaN x":          {l, mat.NewDense(2, 2, []float64{0, 0, 0, math.NaN()}), 1, 1, "x[1, 1] is NaN"},
		"alpha":          {l, good, 0, 1, "alpha = 0"},
		"NaN alpha":      {l, good, math.NaN(), 1, "alpha = NaN"},
		"negative sigma": {l, good, 1, -1, "sigma = -1"},
		"infinite sigma": {l, good, 1, math.Inf(1), "sigma = +Inf"},
	}
	for name, c := range cases {
		if _, err := LogProbAt(c.l, c.x, c.alpha, c.sigma); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestGraphFunctionsRejectBadShapes(t *testing.T) {
	for _, l := range laws() {
		x := make([][]float64, 3)
		for i := range x {
			x[i] = make([]float64, l.Dim())
		}
		for name, fn := range map[string]func(x, a, s *Node) *Node{"LogProb": l.LogProb, "Score": l.Score, "Denoise": l.Denoise} {
			for _, bad := range []struct {
				alpha, sigma any
				want         string
			}{
				{[]float64{1, 1}, []float64{1}, "alpha has shape"},
				{[]float64{1}, 0.5, "sigma has shape"},
				{[]float64{1}, []float32{1}, "sigma is float32 but x is float64"},
			} {
				_, err := CallOnce(backend.Go(), fn, x, bad.alpha, bad.sigma)
				if err == nil || !strings.Contains(strings.ToLower(err.Error()), bad.want) {
					t.Errorf("%s: %s: error %v, want one with %q", l, name, err, bad.want)
				}
			}
		}
	}
}

func TestNoisedPanicsOnBadKernel(t *testing.T) {
	for _, l := range laws() {
		for _, k := range [][2]float64{{math.NaN(), 1}, {1, -1}, {1, math.Inf(1)}} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: Noised(%g, %g) did not panic", l, k[0], k[1])
					}
				}()
				l.Noised(k[0], k[1])
			}()
		}
	}
}

// TestLawsAreImmutable changes every slice and matrix that went in or came out.
func TestLawsAreImmutable(t *testing.T) {
	weights, means, stds := []float64{0.5, 0.5}, mat.NewDense(2, 1, []float64{0, 1}), []float64{1, 1}
	lo, hi := []float64{0}, []float64{1}
	m, u := must(NewIsotropicMixture(weights, means, stds)), must(NewUniform(lo, hi, 0))
	wantMixture, wantUniform := m.Mean()[0], u.Mean()[0]
	weights[0], stds[0], lo[0], hi[0] = 9, 9, 9, 9
	means.Set(0, 0, 9)
	m.Weights()[0], m.Mean()[0], u.Mean()[0], m.Component(0).Mean()[0] = 9, 9, 9, 9
	if m.Mean()[0] != wantMixture || u.Mean()[0] != wantUniform {
		t.Errorf("means changed to %g and %g", m.Mean()[0], u.Mean()[0])
	}
}

// TestExecutablesAreReused checks that a repeated evaluation builds nothing, also after the cache was emptied.
func TestExecutablesAreReused(t *testing.T) {
	l, x := FourGaussians(), mat.NewDense(2, 2, []float64{0, 1, 2, 3})
	built := 0
	count := func(x, a, s *Node) *Node {
		built++
		return l.LogProb(x, a, s)
	}
	for _, sigma := range []float64{0.1, 1, 10} {
		if _, _, err := evaluate(l, "counted", count, x, 1, sigma); err != nil {
			t.Fatal(err)
		}
	}
	if built != 1 {
		t.Errorf("built %d times, want 1", built)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2 * maxCompiled {
		must(LogProbAt(l.Noised(rng.Float64(), 0.1), x, 1, 0))
	}
	if n := len(compiled.execs); n > maxCompiled {
		t.Errorf("%d executables are kept, want at most %d", n, maxCompiled)
	}
}
