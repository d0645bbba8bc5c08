package linear

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/scoresde/scoresde/pkg/sde"
	"gonum.org/v1/gonum/mat"
)

// oscillator is the damped, driven oscillator with the reference numbers of TestReferenceNumbers.
func oscillator() SDE {
	return Constant(mat.NewDense(2, 2, []float64{0, 1, -4, -0.8}), mat.NewDense(2, 1, []float64{0, 1}),
		[]float64{0, 1}, mat.NewDense(1, 1, []float64{0.5}))
}

// varying is a genuinely time-dependent system whose F(t) do not commute, with two noises.
func varying() SDE {
	return SDE{
		F: func(t float64) mat.Matrix {
			return mat.NewDense(2, 2, []float64{-0.3, 1 + t, -2 * math.Cos(3*t), -0.5 * t})
		},
		L: func(t float64) mat.Matrix { return mat.NewDense(2, 2, []float64{0.4, 0, 0.1 * t, 1 + math.Sin(t)}) },
		U: func(t float64) []float64 { return []float64{math.Sin(2 * t), 1} },
		Q: mat.NewDense(2, 2, []float64{1, 0.3, 0.3, 0.5}),
	}
}

func kernel(t testing.TB, s SDE, to, from float64) Kernel {
	t.Helper()
	k, err := s.Kernel(to, from)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func transition(t testing.TB, s SDE, to, from float64) *mat.Dense {
	t.Helper()
	psi, err := s.TransitionMatrix(to, from)
	if err != nil {
		t.Fatal(err)
	}
	return psi
}

func requireClose(t testing.TB, what string, got, want mat.Matrix, tolerance float64) {
	t.Helper()
	if !mat.EqualApprox(got, want, tolerance) {
		t.Errorf("%s:\n%.12g\nwant\n%.12g", what, mat.Formatted(got), mat.Formatted(want))
	}
}

func requireSame(t testing.TB, what string, got, want Kernel, tolerance float64) {
	t.Helper()
	d := len(want.Shift)
	requireClose(t, what+": Psi", got.Psi, want.Psi, tolerance)
	requireClose(t, what+": shift", mat.NewVecDense(d, got.Shift), mat.NewVecDense(d, want.Shift), tolerance)
	requireClose(t, what+": P", got.P, want.P, tolerance)
}

func TestReferenceNumbers(t *testing.T) {
	want := Kernel{
		Psi:   mat.NewDense(2, 2, []float64{-0.51513, 0.05625, -0.22498, -0.56013}),
		Shift: []float64{0.37878, 0.05625},
		P:     mat.NewDense(2, 2, []float64{0.056405, 0.000791, 0.000791, 0.210501}),
	}
	s := oscillator()
	requireSame(t, "exponential", kernel(t, s, 2, 0.5), want, 6e-6)
	requireClose(t, "TransitionMatrix", transition(t, s, 2, 0.5), want.Psi, 6e-6)
}

// TestTwoMethods: matrix exponentials and integration agree, over short and long times.
func TestTwoMethods(t *testing.T) {
	exponential := oscillator()
	integrated := exponential
	integrated.constant = false
	for _, end := range []float64{0.01, 1.5, 20} {
		requireSame(t, "integrated", kernel(t, integrated, end, 0), kernel(t, exponential, end, 0), 1e-10)
	}
	requireClose(t, "backwards", transition(t, integrated, 0, 1.5), transition(t, exponential, 0, 1.5), 1e-10)
}

// TestStationary: after a long time the covariance solves F P + P F' + L Q L' = 0 (for the oscillator
// P = diag(q/(2 c k), q/(2 c)) with stiffness k and damping c), and the mean is at rest.
func TestStationary(t *testing.T) {
	k := kernel(t, oscillator(), 1e4, 0)
	requireSame(t, "stationary", k, Kernel{
		Psi: mat.NewDense(2, 2, nil), Shift: []float64{0.25, 0},
		P: mat.NewDense(2, 2, []float64{0.5 / (2 * 0.8 * 4), 0, 0, 0.5 / (2 * 0.8)}),
	}, 1e-12)
}

func TestTransitionMatrixIsAGroup(t *testing.T) {
	for name, s := range map[string]SDE{"oscillator": oscillator(), "varying": varying()} {
		var product mat.Dense
		product.Mul(transition(t, s, 2, 0.7), transition(t, s, 0.7, -0.5))
		requireClose(t, name+": Psi(t,s) Psi(s,r)", &product, transition(t, s, 2, -0.5), 1e-10)
		product.Mul(transition(t, s, 0.7, 2), transition(t, s, 2, 0.7))
		requireClose(t, name+": Psi(s,t) Psi(t,s)", &product, mat.NewDiagDense(2, []float64{1, 1}), 1e-10)
		requireClose(t, name+": Psi(t,t)", transition(t, s, 2, 2), mat.NewDiagDense(2, []float64{1, 1}), 0)
	}
}

// TestTransitionMatrixSolvesItsEquation: dPsi/dt = F Psi by a central difference of order 6.
func TestTransitionMatrixSolvesItsEquation(t *testing.T) {
	const at, h = 1.3, 1e-2
	for name, s := range map[string]SDE{"oscillator": oscillator(), "varying": varying()} {
		slope := mat.NewDense(2, 2, nil)
		for _, point := range []struct{ offset, weight float64 }{
			{-3, -1. / 60}, {-2, 9. / 60}, {-1, -45. / 60}, {1, 45. / 60}, {2, -9. / 60}, {3, 1. / 60},
		} {
			psi := transition(t, s, at+point.offset*h, 0)
			psi.Scale(point.weight/h, psi)
			slope.Add(slope, psi)
		}
		var want mat.Dense
		want.Mul(s.F(at), transition(t, s, at, 0))
		requireClose(t, name+": dPsi/dt", slope, &want, 1e-9)
	}
}

// TestAgainstRK4 solves the moment equations with the classical method in small fixed steps.
func TestAgainstRK4(t *testing.T) {
	for name, s := range map[string]SDE{"oscillator": oscillator(), "varying": varying()} {
		const steps, end = 2000, 1.5
		y, h := make([]float64, 10), end/steps
		y[0], y[3] = 1, 1
		slope := s.slope(2)
		for i := range steps {
			at := h * float64(i)
			k := make([][]float64, 4)
			for stage, c := range []float64{0, 0.5, 0.5, 1} {
				x := append([]float64(nil), y...)
				if stage > 0 {
					axpy(h*c, k[stage-1], x)
				}
				k[stage] = make([]float64, 10)
				if err := slope(at+c*h, x, k[stage]); err != nil {
					t.Fatal(err)
				}
			}
			for stage, w := range []float64{1, 2, 2, 1} {
				axpy(h*w/6, k[stage], y)
			}
		}
		want := Kernel{Psi: mat.NewDense(2, 2, y[:4]), Shift: y[4:6], P: mat.NewDense(2, 2, y[6:])}
		requireSame(t, name, kernel(t, s, end, 0), want, 1e-8)
		requireClose(t, name+": TransitionMatrix", transition(t, s, end, 0), want.Psi, 1e-8)
	}
}

func TestChapmanKolmogorov(t *testing.T) {
	for name, s := range map[string]SDE{"oscillator": oscillator(), "varying": varying()} {
		composed := kernel(t, s, 0.9, 0.2).Compose(kernel(t, s, 2, 0.9))
		requireSame(t, name, composed, kernel(t, s, 2, 0.2), 1e-10)
	}
}

// TestScalarProcesses: every process of package sde is a special case. Its kernel between two times follows from its
// drift and diffusion alone.
func TestScalarProcesses(t *testing.T) {
	for _, p := range sde.All() {
		s, err := FromScalar(p)
		if err != nil {
			t.Fatal(err)
		}
		span := p.Span()
		early, late := span.Eps+0.1*(span.T-span.Eps), span.Eps+0.8*(span.T-span.Eps)
		k := kernel(t, s, late, early)
		alpha0, sigma0 := sde.At(p, early)
		alpha, sigma := sde.At(p, late)
		psi := alpha / alpha0
		variance := sigma*sigma - psi*psi*sigma0*sigma0
		if got := k.Psi.At(0, 0); math.Abs(got-psi) > 1e-10*psi {
			t.Errorf("%s: Psi %.14g, want %.14g", p, got, psi)
		}
		if got := k.P.At(0, 0); math.Abs(got-variance) > 1e-10*variance {
			t.Errorf("%s: P %.14g, want %.14g", p, got, variance)
		}
		if k.Shift[0] != 0 {
			t.Errorf("%s: shift %g", p, k.Shift[0])
		}
	}
	if _, err := FromScalar(sde.VP{BetaMin: 20, BetaMax: 0.1}); err == nil {
		t.Error("invalid process: want an error")
	}
}

// TestScalarFromCleanData: from t = 0 the kernels are Alpha and Sigma^2 themselves.
func TestScalarFromCleanData(t *testing.T) {
	for _, p := range []sde.SDE{
		sde.VE{SigmaMin: 0.01, SigmaMax: 4, CleanStart: true}, sde.VETutorial{Base: 25}, sde.Brownian{},
		sde.VP{BetaMin: 0.1, BetaMax: 20}, sde.SubVP{BetaMin: 0.1, BetaMax: 20}, sde.OU1(), sde.OUHalf(),
	} {
		s, err := FromScalar(p)
		if err != nil {
			t.Fatal(err)
		}
		k := kernel(t, s, 1, 0)
		alpha, sigma := sde.At(p, 1)
		if math.Abs(k.Psi.At(0, 0)-alpha) > 1e-10 || math.Abs(k.P.At(0, 0)-sigma*sigma) > 1e-10*sigma*sigma {
			t.Errorf("%s: kernel %.14g, %.14g, want %.14g, %.14g", p, k.Psi.At(0, 0), k.P.At(0, 0), alpha, sigma*sigma)
		}
	}
}

// TestMeanThroughZero: a mean that passes zero must not stall the integration.
func TestMeanThroughZero(t *testing.T) {
	s := SDE{
		F: func(float64) mat.Matrix { return mat.NewDense(1, 1, nil) },
		L: func(float64) mat.Matrix { return mat.NewDense(1, 1, nil) },
		U: func(t float64) []float64 { return []float64{math.Cos(t)} },
	}
	k := kernel(t, s, 10, 0)
	requireSame(t, "sine", k, Kernel{mat.NewDense(1, 1, []float64{1}), []float64{math.Sin(10)}, mat.NewDense(1, 1, nil)}, 1e-11)
}

// TestSimulate: the end points of Euler-Maruyama have the moments of its own recursion (within 5 standard errors),
// which at this step are within 1% of the exact ones.
func TestSimulate(t *testing.T) {
	const n, steps, end = 10000, 1000, 1.5
	for name, s := range map[string]SDE{"oscillator": oscillator(), "varying": varying()} {
		x := mat.NewDense(n, 2, nil)
		for i := range n {
			x.SetRow(i, []float64{0.5, -1})
		}
		got, err := s.Simulate(x, 0, end, steps, rand.New(rand.NewPCG(1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		mean, cov := moments(got)
		wantMean, wantCov := chainMoments(t, s, []float64{0.5, -1}, end, steps)
		exact := kernel(t, s, end, 0)
		exactMean := mat.NewVecDense(2, nil)
		exactMean.MulVec(exact.Psi, mat.NewVecDense(2, []float64{0.5, -1}))
		exactMean.AddVec(exactMean, mat.NewVecDense(2, exact.Shift))
		for i := range 2 {
			std := math.Sqrt(wantCov.At(i, i))
			if math.Abs(mean[i]-wantMean[i]) > 5*std/math.Sqrt(n) {
				t.Errorf("%s: mean[%d] = %g, recursion %g", name, i, mean[i], wantMean[i])
			}
			if math.Abs(wantMean[i]-exactMean.AtVec(i)) > 0.01*std {
				t.Errorf("%s: recursion mean[%d] = %g, exact %g", name, i, wantMean[i], exactMean.AtVec(i))
			}
			for j := range 2 {
				scale := math.Sqrt(wantCov.At(i, i) * wantCov.At(j, j))
				stderr := math.Sqrt((scale*scale + math.Pow(wantCov.At(i, j), 2)) / n)
				if math.Abs(cov.At(i, j)-wantCov.At(i, j)) > 5*stderr {
					t.Errorf("%s: cov[%d,%d] = %g, recursion %g, standard error %g", name, i, j, cov.At(i, j), wantCov.At(i, j), stderr)
				}
				if math.Abs(wantCov.At(i, j)-exact.P.At(i, j)) > 0.01*scale {
					t.Errorf("%s: recursion cov[%d,%d] = %g, exact %g", name, i, j, wantCov.At(i, j), exact.P.At(i, j))
				}
			}
		}
		if x.At(0, 0) != 0.5 || x.At(n-1, 1) != -1 {
			t.Errorf("%s: Simulate changed its input", name)
		}
	}
}

// chainMoments are the exact mean and covariance of the Euler-Maruyama chain itself.
func chainMoments(t testing.TB, s SDE, start []float64, end float64, steps int) ([]float64, *mat.Dense) {
	t.Helper()
	dt := end / float64(steps)
	k := Kernel{Psi: mat.NewDense(2, 2, []float64{1, 0, 0, 1}), Shift: append([]float64(nil), start...), P: mat.NewDense(2, 2, nil)}
	for i := range steps {
		c, err := s.at(dt * float64(i))
		if err != nil {
			t.Fatal(err)
		}
		c.f.Scale(dt, c.f)
		c.f.Add(c.f, mat.NewDiagDense(2, []float64{1, 1}))
		c.noise.Scale(dt, c.noise)
		k = k.Compose(Kernel{Psi: c.f, Shift: []float64{dt * c.u[0], dt * c.u[1]}, P: c.noise})
	}
	return k.Shift, k.P
}

func moments(x *mat.Dense) ([]float64, *mat.Dense) {
	n, d := x.Dims()
	mean := make([]float64, d)
	for i := range n {
		axpy(1/float64(n), x.RawRowView(i), mean)
	}
	centred := mat.DenseCopyOf(x)
	for i := range n {
		axpy(-1, mean, centred.RawRowView(i))
	}
	var cov mat.Dense
	cov.Mul(centred.T(), centred)
	cov.Scale(1/float64(n), &cov)
	return mean, &cov
}

func TestBadInput(t *testing.T) {
	constant := func(r, c int, x float64) func(float64) mat.Matrix {
		m := mat.NewDense(r, c, nil)
		m.Set(0, 0, x)
		return func(float64) mat.Matrix { return m }
	}
	good := SDE{F: constant(2, 2, -1), L: constant(2, 1, 1)}
	with := func(change func(s *SDE)) SDE {
		s := good
		change(&s)
		return s
	}
	cases := []struct {
		s        SDE
		to, from float64
		says     string
	}{
		{SDE{}, 1, 0, "nil"},
		{with(func(s *SDE) { s.F = constant(2, 3, 1) }), 1, 0, "square"},
		{with(func(s *SDE) { s.L = constant(3, 1, 1) }), 1, 0, "want 2 rows"},
		{with(func(s *SDE) { s.Q = mat.NewDense(2, 2, nil) }), 1, 0, "Q: want 1x1"},
		{with(func(s *SDE) { s.U = func(float64) []float64 { return []float64{1} } }), 1, 0, "want 2 values"},
		{with(func(s *SDE) { s.F = constant(2, 2, math.Inf(1)) }), 1, 0, "finite"},
		{with(func(s *SDE) {
			s.L = func(t float64) mat.Matrix { return mat.NewDense(2, 1, []float64{1 / (1 - t), 0}) }
		}), 1, 0, "linear:"},
		{good, 0, 1, "t >= s"},
		{good, math.NaN(), 0, "finite"},
		{good, math.Inf(1), 0, "finite"},
	}
	for _, c := range cases {
		if _, err := c.s.Kernel(c.to, c.from); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got error %v, want one that says %q", err, c.says)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	x := mat.NewDense(3, 2, nil)
	for name, run := range map[string]func() error{
		"no steps":  func() error { _, err := good.Simulate(x, 0, 1, 0, rng); return err },
		"backwards": func() error { _, err := good.Simulate(x, 1, 0, 10, rng); return err },
		"dimension": func() error { _, err := good.Simulate(mat.NewDense(3, 1, nil), 0, 1, 10, rng); return err },
		"negative Q": func() error {
			s := with(func(s *SDE) { s.Q = mat.NewDense(1, 1, []float64{-1}) })
			_, err := s.Simulate(x, 0, 1, 10, rng)
			return err
		},
	} {
		if run() == nil {
			t.Errorf("Simulate, %s: want an error", name)
		}
	}
}
