package control

import (
	"fmt"
	"math"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
)

// identity is I, [n, n].
func identity(n int) *mat.Dense {
	out := mat.NewDense(n, n, nil)
	for i := range n {
		out.Set(i, i, 1)
	}
	return out
}

// product is a b.
func product(a, b mat.Matrix) *mat.Dense {
	var out mat.Dense
	out.Mul(a, b)
	return &out
}

// TestBasis: the known coordinates are orthonormal, they carry what A says of x and nothing else, and their noise is that
// of y: sum_i v_i v_i^T/std_i^2 = A^T A/noise^2.
func TestBasis(t *testing.T) {
	rng := source(1)
	twice := normals(rng, 1, 4)
	repeated := mat.NewDense(3, 4, nil)
	repeated.Stack(twice, normals(rng, 2, 4))
	repeated.SetRow(2, repeated.RawRowView(0))
	for _, c := range []struct {
		what string
		a    *mat.Dense
	}{
		{"one row", normals(rng, 1, 4)}, {"wide", normals(rng, 2, 5)}, {"square", normals(rng, 3, 3)}, {"tall", normals(rng, 5, 2)},
		{"rank 2 of 3 rows", repeated}, {"large and small rows", mat.NewDense(2, 3, []float64{1e4, 2e4, 0, 0, 1e-3, 2e-3})},
	} {
		what, a := c.what, c.a
		m, _ := a.Dims()
		y := normals(rng, 4, m)
		o := must(Observe(a, 0.7, y))
		rank, _ := o.basis.Dims()
		wantClose(t, what+": basis", product(o.basis, o.basis.T()), identity(rank), 1e-12)

		gram := product(a.T(), a)
		gram.Scale(1/(0.7*0.7), gram)
		weighed := mat.DenseCopyOf(o.basis)
		weighed.Apply(func(i, _ int, v float64) float64 { return v / (o.stds[i] * o.stds[i]) }, weighed)
		wantClose(t, what+": precision", product(o.basis.T(), weighed), gram, 1e-11)

		// The coordinates are those of the least-squares solution: its residual is orthogonal to A.
		x := product(o.known.Value(), o.basis)
		residual := product(x, a.T())
		residual.Sub(residual, y)
		rounding := 1e-14 * mat.Norm(x, 2) * math.Pow(mat.Norm(a, 2), 2) // of A x, times A
		wantClose(t, what+": normal equations", product(residual, a), mat.NewDense(4, x.RawMatrix().Cols, nil), rounding)
	}
}

// TestExactObservation: without noise the coordinates of y = A x are those of x, for rows of any scale and angle.
func TestExactObservation(t *testing.T) {
	rng := source(2)
	for _, a := range []*mat.Dense{normals(rng, 1, 4), normals(rng, 3, 5), normals(rng, 3, 3), mat.NewDense(2, 2, []float64{1, 0, 1, 1e-3})} {
		_, d := a.Dims()
		x := normals(rng, 6, d)
		o := must(Observe(a, 0, product(x, a.T())))
		wantClose(t, fmt.Sprintf("A %v", mat.Formatted(a)), o.known.Value(), product(x, o.basis.T()), 1e-10)
		if slices.Max(o.stds) != 0 {
			t.Errorf("standard deviations %v without noise", o.stds)
		}
	}
}

// TestPut: put sets the known coordinates, keeps all that is orthogonal to them, and observed reads them back.
func TestPut(t *testing.T) {
	rng := source(3)
	a := normals(rng, 2, 5)
	y, x := normals(rng, 4, 2), normals(rng, 4, 5)
	for name, b := range backendtest.All(t) {
		o := must(Observe(a, 0, y))
		got := eval(t, b,
			func(x, _ *Node) *Node { return o.observed(o.put(x, o.values(x))) },
			func(x, _ *Node) *Node { return o.put(x, o.values(x)) },
			func(x, _ *Node) *Node { return o.put(x, o.observed(x)) },
		)(x, 0)
		wantClose(t, name+": round trip", got[0], o.known.Value(), 1e-12)
		var moved mat.Dense
		moved.Sub(got[1], x)
		inside := product(product(&moved, o.basis.T()), o.basis)
		wantClose(t, name+": direction of the change", inside, &moved, 1e-12)
		wantClose(t, name+": own values", got[2], x, 1e-12)
	}
}

// TestKnown: a mask reads the coordinates that it names, in order.
func TestKnown(t *testing.T) {
	o := must(Known([]bool{false, true, false, true}, row(5, 7)))
	x := mat.NewDense(1, 4, []float64{1, 2, 3, 4})
	got := eval(t, backend.Go(), func(x, _ *Node) *Node { return o.put(x, o.values(x)) })(x, 0)[0]
	wantClose(t, "put", got, row(1, 5, 3, 7), 1e-12)
}

// TestExact: the posterior and the density of the observation are the law's.
func TestExact(t *testing.T) {
	law := dist.FourGaussians()
	a, y := mat.NewDense(1, 2, []float64{2, 1}), []float64{0.4}
	o := must(Observe(a, 0.3, row(y...)))
	posterior, logEvidence, err := o.Exact(law, y)
	if err != nil {
		t.Fatal(err)
	}
	want, wantEvidence, err := law.Observe(a, 0.3, y)
	if err != nil {
		t.Fatal(err)
	}
	closeTo(t, "log evidence", logEvidence, wantEvidence, 0)
	wantClose(t, "means", posterior.Means(), want.Means(), 0)
	if _, _, err := o.Exact(law, []float64{1, 2}); err == nil {
		t.Error("two values for one row were accepted")
	}
}

func TestObservationErrors(t *testing.T) {
	one := mat.NewDense(1, 2, []float64{1, 0})
	same := mat.NewDense(2, 2, []float64{1, 2, 2, 4})
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		a     mat.Matrix
		noise float64
		y     mat.Matrix
		says  string
	}{
		{nil, 0, row(1), "A is missing"},
		{&mat.Dense{}, 0, row(1), "A is missing"},
		{(*mat.Dense)(nil), 0, row(1), "A is missing"},
		{(&mat.Dense{}).T(), 0, row(1), "A is missing"},
		{row(1, nan), 0, row(1), "A row 0, column 1 is NaN"},
		{row(inf, 1), 0, row(1), "A row 0, column 0 is +Inf"},
		{row(0, 0), 0.1, row(1), "A is 0"},
		{row(0, 0), 0, row(0), "A is 0"},
		{one, -1, row(1), "noise of the observation is -1"},
		{one, nan, row(1), "noise of the observation is NaN"},
		{one, inf, row(1), "noise of the observation is +Inf"},
		{one, 0, nil, "y is missing"},
		{one, 0, &mat.Dense{}, "y is missing"},
		{one, 0, row(nan), "y row 0, column 0 is NaN"},
		{one, 0, row(1, 2), "y has 2 columns, want one for each of the 1 rows"},
		{same, 0, row(1), "y has 1 columns, want one for each of the 2 rows"},
		{same, 0, row(1, 2), "A has rank 1, want 2 independent rows"},
		{same, 0, row(1, 2.5), "contradict each other"},
		{same, 0, mat.NewDense(2, 2, []float64{1, 2, 1, 2.5}), "contradict each other"},
		{mat.NewDense(3, 2, []float64{1, 0, 0, 1, 1, 1}), 0, row(1, 1, 2), "A has rank 2, want 3 independent rows"},
		{mat.NewDense(3, 2, []float64{1, 0, 0, 1, 1, 1}), 0, row(1, 1, 3), "contradict each other"},
	} {
		_, err := Observe(c.a, c.noise, c.y)
		refused(t, fmt.Sprintf("Observe with noise %g", c.noise), err, c.says)
	}
	for says, c := range map[string]struct {
		mask   []bool
		values mat.Matrix
	}{
		"knows 0 of 2 coordinates": {[]bool{false, false}, row(1)},
		"knows 2 of 2 coordinates": {[]bool{true, true}, row(1, 2)},
		"knows 0 of 0 coordinates": {nil, row(1)},
		"y has 2 columns":          {[]bool{true, false}, row(1, 2)},
		"y is missing":             {[]bool{true, false}, nil},
	} {
		_, err := Known(c.mask, c.values)
		refused(t, "Known", err, says)
	}
	o := must(Observe(normals(source(1), 2, 3), 0.1, normals(source(2), 4, 2)))
	before := o.known.Value()
	refused(t, "SetY of fewer rows", o.SetY(row(1, 2)), "control: observation")
	refused(t, "SetY of another width", o.SetY(mat.NewDense(4, 3, nil)), "y has 3 columns")
	refused(t, "SetY of NaN", o.SetY(mat.NewDense(4, 2, []float64{1, 1, 1, 1, nan, 1, 1, 1})), "y row 2, column 0 is NaN")
	refused(t, "SetY of nothing", o.SetY(nil), "y is missing")
	if !mat.Equal(o.known.Value(), before) {
		t.Error("a refused SetY changed the values")
	}
}

// TestObservationFits: methods refuse, before any step, observations of another dimension, of another number of samples,
// or, for replacement, with noise.
func TestObservationFits(t *testing.T) {
	law := dist.FourGaussians()
	const n = 5
	for name, b := range backendtest.All(t) {
		p := problem(law, ve, n)
		for _, c := range []struct {
			o         *Observation
			says      string
			onlyExact bool
		}{
			{must(Known([]bool{true, false, true}, row(1, 2))), "want [B, 3]", false},
			{must(Known([]bool{true, false}, mat.NewDense(3, 1, nil))), "3 rows of observations for 5 samples", false},
			{must(Observe(row(1, 0), 0.1, row(1))), "wants an observation without noise", true},
		} {
			guided := p
			guided.Score = Guide(p.Score, c.o.PiGDM(p.Score, ve, 0.7), nil)
			projected := p
			projected.Score = Guide(p.Score, c.o.TMPD(p.Score, ve), nil)
			for _, use := range []struct {
				p          sampler.Problem
				m          sampler.Method
				takesNoise bool
			}{
				{p, Impute(sampler.PC{Predictor: sampler.ReverseDiffusion{}, Corrector: sampler.Langevin{SNR: 0.1}}, c.o), false},
				{p, sampler.PC{Predictor: RePaint{sampler.Ancestral{}, c.o, 2}}, false},
				{p, sampler.PC{Predictor: DPS{sampler.ReverseDiffusion{}, c.o, nil}}, true},
				{guided, predict, true},
				{projected, predict, true},
			} {
				if use.takesNoise && c.onlyExact {
					continue
				}
				steps := 0
				r, err := sampler.Run(t.Context(), b, use.p, use.m, sampler.Settings{Steps: 3, Progress: func(int, int, string) { steps++ }})
				refused(t, fmt.Sprintf("%s: %s", name, use.m), err, c.says)
				if r != nil || steps != 0 {
					t.Errorf("%s: %s: took steps before it refused", name, use.m)
				}
			}
		}
	}
}

// TestSetY: the samples follow the observation, one for all or one each, without a build.
func TestSetY(t *testing.T) {
	law := dist.FourGaussians()
	const n = 4
	for name, b := range backendtest.All(t) {
		shared := must(Known([]bool{true, false}, row(0)))
		each := must(Known([]bool{false, true}, mat.NewDense(n, 1, nil)))
		lab := must(sampler.New(b, problem(law, ve, n)))
		for _, v := range []float64{0.5, -1} {
			if err := shared.SetY(row(v)); err != nil {
				t.Fatal(err)
			}
			if err := each.SetY(mat.NewDense(n, 1, []float64{v, 2 * v, 3 * v, 4 * v})); err != nil {
				t.Fatal(err)
			}
			for k, o := range []*Observation{shared, each} {
				x := run(t, lab, Impute(predict, o), sampler.Settings{Steps: 20, Seed: 1}).Samples()
				for i := range n {
					closeTo(t, fmt.Sprintf("%s: known coordinate of sample %d", name, i), x.At(i, k), v*(1+float64(k*i)), 0.06)
				}
			}
		}
		if lab.Builds() != 2 {
			t.Errorf("%s: %d builds for two observations, want 2", name, lab.Builds())
		}
	}
}
