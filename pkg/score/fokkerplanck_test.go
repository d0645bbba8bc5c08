package score

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/sde"
)

// evolve returns a function that evaluates both sides in float64, at one time after another.
func evolve(t *testing.T, f Func, s sde.SDE) func(x *mat.Dense, at float64) (change, want []float64) {
	t.Helper()
	exec := MustNewExec(backend.Go(), func(x, t *Node) []*Node {
		change, want := Evolution(f, s)(x, t)
		return []*Node{change, want}
	})
	t.Cleanup(exec.Finalize)
	return func(x *mat.Dense, at float64) (change, want []float64) {
		t.Helper()
		out, err := exec.Call(rows(x), []float64{at})
		if err != nil {
			t.Fatal(err)
		}
		return host.Values(out[0]), host.Values(out[1])
	}
}

// TestExactScoresEvolve: both sides agree for the exact scores of mixtures, a uniform law and a torus under every process,
// from the narrowest noise to the prior.
func TestExactScoresEvolve(t *testing.T) {
	torus, err := dist.NewTorus(1, 0.4)
	if err != nil {
		t.Fatal(err)
	}
	for _, law := range append(laws(t), dist.Unit(), torus) {
		for _, s := range sde.All() {
			span, both := s.Span(), evolve(t, Exact(law, s).Score(), s)
			for _, part := range []float64{0, 0.01, 0.3, 1} {
				at := span.Eps + part*(span.T-span.Eps)
				alpha, sigma := sde.At(s, at)
				x := law.Noised(alpha, sigma).Sample(rand.New(rand.NewPCG(4, 4)), 20)
				x.Set(0, 0, x.At(0, 0)-4*sigma)
				if law.Dim() == 1 { // the inside of an interval has no score at all
					x.SetRow(1, []float64{-sigma})
				}
				change, want := both(x, at)
				if gap := floats.Distance(change, want, 2) / floats.Norm(change, 2); !(gap < 1e-8) {
					t.Errorf("%s, %s, t = %g: the sides differ by %g of the change", law, s, at, gap)
				}
			}
		}
	}
}

// TestEvolutionOfWrongScores has closed forms of both sides: for -x, in d dimensions, there is no change and grad of
// f |x|^2 + g^2/2 (|x|^2 - d) is (2 f + g^2) x, which is 0 under the process whose stationary law is N(0, I); for -x/v at
// the constant v it is (2 f/v + g^2/v^2) x.
func TestEvolutionOfWrongScores(t *testing.T) {
	x := mat.NewDense(2, 2, []float64{0.5, -1, 2, 0.3})
	stretched := func(v float64) Func {
		return func(x, t *Node) *Node { // t must have a part, even one without effect
			return Neg(DivScalar(Add(x, MulScalar(Reshape(t, -1, 1), 0)), v))
		}
	}
	for v, factor := range map[float64]float64{1: 0, 2: -1.0 / 2, 0.5: 4} { // OU: f = -1, g^2 = 2
		change, want := evolve(t, stretched(v), sde.OU1())(x, 0.7)
		for i := range want {
			if math.Abs(change[i]) > 1e-14 || math.Abs(want[i]-factor*x.RawMatrix().Data[i]) > 1e-13 {
				t.Errorf("v = %g: change %g and %g, want 0 and %g", v, change[i], want[i], factor*x.RawMatrix().Data[i])
			}
		}
	}
}

// TestEvolutionChange compares the change in time with central differences.
func TestEvolutionChange(t *testing.T) {
	law, s, at := dist.FourGaussians(), sde.VP{BetaMin: 0.1, BetaMax: 20}, 0.3
	x := law.Noised(0.8, 0.6).Sample(rand.New(rand.NewPCG(1, 1)), 8)
	change, _ := evolve(t, Exact(law, s).Score(), s)(x, at)
	const h = 1e-4
	score := func(t float64) []float64 {
		alpha, sigma := sde.At(s, t)
		m, err := dist.ScoreAt(law, x, alpha, sigma)
		if err != nil {
			panic(err)
		}
		return m.RawMatrix().Data
	}
	after, before := score(at+h), score(at-h)
	for i := range change {
		if want := (after[i] - before[i]) / (2 * h); math.Abs(change[i]-want) > 1e-4*(1+math.Abs(want)) {
			t.Errorf("change %g, want %g", change[i], want)
		}
	}
}

// TestFokkerPlanck runs the estimate on both engines: nearly nothing is left of the exact score, and of the score of N(0, I)
// for data N(0, tau^2 I) under VE, where it is g^2 x: E |g^2 x|^2 = d g^4 (tau^2 + Sigma^2).
func TestFokkerPlanck(t *testing.T) {
	const tau, n = 0.8, 4000
	law := gaussian(t, []float64{0, 0, 0}, tau)
	s := sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	ts := []float64{0.1, 0.5, 1}
	table, err := sde.Table(s, ts)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range backendtest.All(t) {
		for k, c := range []struct {
			law dist.Law
			s   sde.SDE
			ts  []float64
		}{
			{law, s, ts}, {dist.Unit(), sde.EDM{}, []float64{0.01, 0.5, 1}}, // at 0.5 two forms of the score meet
			{dist.FourGaussians(), sde.VP{BetaMin: 0.1, BetaMax: 20}, []float64{0.001, 0.1, 0.5}},
		} {
			if backend.OnDevice(b) && k != 1 {
				continue // each case compiles, and this is the one with two branches
			}
			points, err := Exact(c.law, c.s).FokkerPlanck(b, Exact(c.law, c.s).Score(), c.ts, n, 1)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range points {
				if !(p.Residual < 1e-9*p.Change) {
					t.Errorf("%s %s %s: t = %g, residual %g of %g", name, c.law, c.s, p.T, p.Residual, p.Change)
				}
			}
		}
		points, err := Exact(law, s).FokkerPlanck(b, func(x, t *Node) *Node { return Neg(x) }, ts, n, 1)
		if err != nil {
			t.Fatal(err)
		}
		for k, p := range points {
			g, sigma := table.Diffusion[k], table.Sigma[k]
			want := 3 * math.Pow(g, 4) * (tau*tau + sigma*sigma)
			if !(math.Abs(p.Residual-want) < 5*p.Stderr) || !(p.Stderr < 0.03*want) || p.Change != 0 {
				t.Errorf("%s: t = %g, residual %g +- %g of %g, want %g of 0", name, p.T, p.Residual, p.Stderr, p.Change, want)
			}
		}
	}
}

func TestFokkerPlanckRefuses(t *testing.T) {
	law, s := dist.FourGaussians(), sde.OU1()
	call := func(f Func, l dist.Law, s sde.SDE, ts []float64) error {
		_, err := Exact(l, s).FokkerPlanck(backend.Go(), f, ts, 10, 1)
		return err
	}
	for says, err := range map[string]error{
		"wants a score":    call(nil, law, s, []float64{0.5}),
		"Truth.Law is nil": call(Exact(law, s).Score(), nil, s, []float64{0.5}),
		"want a process":   call(Exact(law, s).Score(), law, nil, []float64{0.5}),
		"no times":         call(Exact(law, s).Score(), law, s, nil),
		"bang":             call(func(x, t *Node) *Node { panic("bang") }, law, s, []float64{0.5}),
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}
