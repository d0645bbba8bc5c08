package dist

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// normalMatrix has independent standard normal entries.
func normalMatrix(rng *rand.Rand, rows, cols int) *mat.Dense {
	out := mat.NewDense(rows, cols, nil)
	out.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, out)
	return out
}

// normals are n independent standard normal numbers.
func normals(rng *rand.Rand, n int) []float64 { return flat(normalMatrix(rng, 1, n)) }

// logNormal is log N(y; a x, noise^2 I).
func logNormal(a *mat.Dense, noise float64, x, y []float64) float64 {
	var image mat.VecDense
	image.MulVec(a, mat.NewVecDense(len(x), x))
	out := 0.0
	for i, v := range y {
		z := (v - image.AtVec(i)) / noise
		out -= z*z/2 + math.Log(noise) + math.Log(2*math.Pi)/2
	}
	return out
}

// sameLaw compares moments, weights and noised densities of laws of one dimension at points of both.
func sameLaw(t *testing.T, what string, got, want Mixture, tol float64) {
	t.Helper()
	wantClose(t, what+": weights", got.Weights(), want.Weights(), tol)
	wantClose(t, what+": means", flat(got.Means()), flat(want.Means()), tol)
	wantClose(t, what+": covariance", symmetric(got.Cov()), symmetric(want.Cov()), tol)
	x := points(want, 0.8, 0.3, 30)
	wantClose(t, what+": LogProb", must(LogProbAt(got, x, 0.8, 0.3)), must(LogProbAt(want, x, 0.8, 0.3)), tol)
}

func symmetric(c *mat.SymDense) []float64 { return flat(mat.DenseCopyOf(c)) }

// TestObserveAgainstQuadrature integrates p(x) N(y; A x, noise^2) in the plane by the trapezium rule, which is
// exponentially accurate here, for one observation, for three of two coordinates, and for an isotropic law.
func TestObserveAgainstQuadrature(t *testing.T) {
	for _, m := range []Mixture{FourGaussians(), generalMixture()} {
		for _, c := range []struct {
			a     *mat.Dense
			noise float64
			y     []float64
		}{
			{mat.NewDense(1, 2, []float64{0.7, -0.4}), 0.3, []float64{0.5}},
			{mat.NewDense(3, 2, []float64{1, 0.5, 0.3, -1, 2, 0}), 0.8, []float64{1, -0.5, 0.3}},
		} {
			posterior, logEvidence, err := m.Observe(c.a, c.noise, c.y)
			if err != nil {
				t.Fatal(err)
			}
			const side, edge = 400, 6.0
			h := 2 * edge / side
			x := mat.NewDense(side*side, 2, nil)
			x.Apply(func(i, j int, _ float64) float64 { return -edge + h*float64([]int{i / side, i % side}[j]) }, x)
			mass, moments := 0.0, make([]float64, 5)
			for i, l := range must(LogProbAt(m, x, 1, 0)) {
				p := x.RawRowView(i)
				w := math.Exp(l+logNormal(c.a, c.noise, p, c.y)) * h * h
				mass += w
				for j, v := range []float64{p[0], p[1], p[0] * p[0], p[0] * p[1], p[1] * p[1]} {
					moments[j] += w * v
				}
			}
			for j := range moments {
				moments[j] /= mass
			}
			wantClose(t, "log evidence", []float64{logEvidence}, []float64{math.Log(mass)}, 1e-10)
			wantClose(t, "mean", posterior.Mean(), moments[:2], 1e-10)
			a, b := moments[0], moments[1]
			wantClose(t, "covariance", symmetric(posterior.Cov()), []float64{moments[2] - a*a, moments[3] - a*b, moments[3] - a*b, moments[4] - b*b}, 1e-10)
		}
	}
}

// TestObserveOneGaussian compares with the information form: precision C^-1 + A^T A / noise^2.
func TestObserveOneGaussian(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 1))
	for n := 1; n <= 5; n++ {
		prior := randomMixture(rng, 1, 3)
		a, y, noise := normalMatrix(rng, n, 3), normals(rng, n), 0.4
		posterior, _, err := prior.Observe(a, noise, y)
		if err != nil {
			t.Fatal(err)
		}
		var precision, gram, cov mat.Dense
		if err := precision.Inverse(prior.Cov()); err != nil {
			t.Fatal(err)
		}
		var information, pull, mean mat.VecDense
		information.MulVec(&precision, mat.NewVecDense(3, prior.Mean()))
		pull.MulVec(a.T(), mat.NewVecDense(n, y))
		information.AddScaledVec(&information, 1/(noise*noise), &pull)
		gram.Mul(a.T(), a)
		gram.Scale(1/(noise*noise), &gram)
		precision.Add(&precision, &gram)
		if err := cov.Inverse(&precision); err != nil {
			t.Fatal(err)
		}
		mean.MulVec(&cov, &information)
		wantClose(t, "mean", posterior.Mean(), mean.RawVector().Data, 1e-11)
		wantClose(t, "covariance", symmetric(posterior.Cov()), flat(&cov), 1e-11)
	}
}

// TestObserveAgainstImportanceSampling weighs draws of a prior in 8-D by the likelihood.
func TestObserveAgainstImportanceSampling(t *testing.T) {
	const n, d = 200000, 8
	rng := rand.New(rand.NewPCG(22, 1))
	m := randomMixture(rng, 4, d)
	a, noise := normalMatrix(rng, 2, d), 1.5
	y := normals(rng, 2)
	posterior, logEvidence, err := m.Observe(a, noise, y)
	if err != nil {
		t.Fatal(err)
	}
	x := m.Sample(rng, n)
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = math.Exp(logNormal(a, noise, x.RawRowView(i), y) - logEvidence) // of mean 1
	}
	checkAverage(t, "evidence", n, 1, func(i int) float64 { return weights[i] })
	mean, cov := posterior.Mean(), posterior.Cov()
	for j := range d {
		checkAverage(t, "mean", n, 0, func(i int) float64 { return weights[i] * (x.At(i, j) - mean[j]) })
		for k := range j + 1 {
			checkAverage(t, "covariance", n, 0, func(i int) float64 {
				return weights[i] * ((x.At(i, j)-mean[j])*(x.At(i, k)-mean[k]) - cov.At(j, k))
			})
		}
	}
	sample := posterior.Sample(rng, n)
	for j := range d {
		checkAverage(t, "mean of samples", n, mean[j], func(i int) float64 { return sample.At(i, j) })
	}
}

// TestObserveBayes checks log p(x | y) + log p(y) = log p(x) + log N(y; A x, noise^2) at points of prior and posterior.
func TestObserveBayes(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 1))
	for _, m := range []Mixture{FourGaussians(), generalMixture(), randomMixture(rng, 3, 5)} {
		d := m.Dim()
		for n := 1; n <= d+2; n++ {
			for _, noise := range []float64{0.02, 1, 50} {
				a, y := normalMatrix(rng, n, d), normals(rng, n)
				posterior, logEvidence, err := m.Observe(a, noise, y)
				if err != nil {
					t.Fatal(err)
				}
				var x mat.Dense
				x.Stack(m.Sample(rng, 10), posterior.Sample(rng, 10))
				got, want := must(LogProbAt(posterior, &x, 1, 0)), must(LogProbAt(m, &x, 1, 0))
				for i := range got {
					got[i] += logEvidence
					want[i] += logNormal(a, noise, x.RawRowView(i), y)
				}
				wantClose(t, fmt.Sprintf("%s, %d observations, noise %g", m, n, noise), got, want, 1e-9)
			}
		}
	}
}

// TestObserveInTurn observes two blocks one after the other and at once, with and without noise: the first posterior
// without noise is degenerate, and the second conditions it further.
func TestObserveInTurn(t *testing.T) {
	rng := rand.New(rand.NewPCG(24, 1))
	for _, noise := range []float64{0, 0.3} {
		for _, m := range []Mixture{randomMixture(rng, 3, 5), must(NewIsotropicMixture([]float64{0.3, 0.7}, normalMatrix(rng, 2, 5), []float64{0.6, 1}))} {
			a, b, y, z := normalMatrix(rng, 2, 5), normalMatrix(rng, 1, 5), normals(rng, 2), normals(rng, 1)
			first, log1, err := m.Observe(a, noise, y)
			if err != nil {
				t.Fatal(err)
			}
			second, log2, err := first.Observe(b, noise, z)
			if err != nil {
				t.Fatal(err)
			}
			var both mat.Dense
			both.Stack(a, b)
			once, logBoth, err := m.Observe(&both, noise, append(y, z...))
			if err != nil {
				t.Fatal(err)
			}
			wantClose(t, "log evidence", []float64{log1 + log2}, []float64{logBoth}, 1e-10)
			sameLaw(t, fmt.Sprintf("noise %g", noise), second, once, 1e-9)
		}
	}
}

// TestObserveWithoutNoise checks that every draw obeys the observation, that the law is the limit of small noise, and
// that the units of a row of A change the density of y by their factor and nothing else.
func TestObserveWithoutNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(25, 1))
	m := randomMixture(rng, 3, 4)
	a, y := normalMatrix(rng, 2, 4), normals(rng, 2)
	exact, logExact, err := m.Observe(a, 0, y)
	if err != nil {
		t.Fatal(err)
	}
	var image mat.Dense
	image.Mul(exact.Sample(rng, 50), a.T())
	for i := range 50 {
		wantClose(t, "A X", image.RawRowView(i), y, 1e-12)
	}
	for k := range exact.Components() {
		var along mat.Dense
		along.Mul(a, exact.Component(k).Cov())
		wantClose(t, "variance along A", flat(&along), make([]float64, 8), 1e-14)
	}
	limit, logLimit, err := m.Observe(a, 1e-6, y)
	if err != nil {
		t.Fatal(err)
	}
	wantClose(t, "log evidence", []float64{logExact}, []float64{logLimit}, 1e-9)
	sameLaw(t, "small noise", exact, limit, 1e-9)

	const unit = 1e-30
	scaled := mat.DenseCopyOf(a)
	for j := range 4 {
		scaled.Set(1, j, unit*a.At(1, j))
	}
	other, logOther, err := m.Observe(scaled, 0, []float64{y[0], unit * y[1]})
	if err != nil {
		t.Fatal(err)
	}
	wantClose(t, "log evidence in other units", []float64{logOther}, []float64{logExact - math.Log(unit)}, 1e-12)
	sameLaw(t, "other units", other, exact, 1e-12)
}

// TestObserveDropsComponents keeps only what is possible, and weighs point masses by their likelihood.
func TestObserveDropsComponents(t *testing.T) {
	apart := must(NewIsotropicMixture(nil, mat.NewDense(2, 1, []float64{1000, 0}), []float64{0.3, 0.1}))
	one := mat.NewDense(1, 1, []float64{1})
	posterior, logEvidence, err := apart.Observe(one, 0.1, []float64{0})
	if err != nil || posterior.Components() != 1 || math.Abs(posterior.Mean()[0]) > 1e-15 {
		t.Fatalf("posterior %v with mean %v (%v), want one component at 0", posterior, posterior.Mean(), err)
	}
	wantClose(t, "log evidence", []float64{logEvidence}, []float64{-math.Log(2) - math.Log(2*math.Pi*0.02)/2}, 1e-14)
	wantClose(t, "variance of the survivor", symmetric(posterior.Cov()), []float64{0.005}, 1e-15)
	// Far away log densities have few digits left, and the weights must sum to 1 nevertheless.
	if far, _, err := FourGaussians().Observe(mat.NewDense(1, 2, []float64{1, 0}), 0.1, []float64{1e7}); err != nil || far.Components() != 1 {
		t.Errorf("far away: %v (%v), want one component", far, err)
	}
	sides := must(NewIsotropicMixture([]float64{0.3, 0.7}, mat.NewDense(2, 2, []float64{0, 1, 0, -1}), []float64{0.2, 0.2}))
	if _, _, err := sides.Observe(mat.NewDense(1, 2, []float64{1, 0}), 0.1, []float64{1e7 + 0.1}); err != nil {
		t.Errorf("far from both: %v", err)
	}
	pointMasses := must(NewIsotropicMixture(nil, mat.NewDense(3, 1, []float64{-1, 0, 2}), []float64{0, 0, 0}))
	posterior, _, err = pointMasses.Observe(one, 0.5, []float64{0.2})
	if err != nil {
		t.Fatal(err)
	}
	odds := []float64{math.Exp(-2 * 1.44), math.Exp(-2 * 0.04), math.Exp(-2 * 3.24)}
	total := odds[0] + odds[1] + odds[2]
	wantClose(t, "weights", posterior.Weights(), []float64{odds[0] / total, odds[1] / total, odds[2] / total}, 1e-14)
	wantClose(t, "points", flat(posterior.Means()), []float64{-1, 0, 2}, 0)
	if v := posterior.Component(1).Cov().At(0, 0); v != 0 {
		t.Errorf("a point mass got variance %g", v)
	}
}

// TestGivenRing knows the first coordinate of the four Gaussians: the modes above and below are at x_1 = 0.
func TestGivenRing(t *testing.T) {
	m := FourGaussians()
	for _, c := range []struct {
		at      float64
		weights []float64 // above, the middle (left and right) and below
	}{{0.5, []float64{1. / 3, 1. / 3, 1. / 3}}, {0.9, []float64{0, 1, 0}}, {0, []float64{0.5, 0, 0.5}}} {
		free, logEvidence, err := m.Given([]int{0}, []float64{c.at})
		if err != nil {
			t.Fatal(err)
		}
		weights := make([]float64, 3)
		for k, w := range free.Weights() {
			weights[1-int(math.Round(free.Means().At(k, 0)))] += w
		}
		wantClose(t, fmt.Sprintf("weights at %g", c.at), weights, c.weights, 5e-4)
		density := func(x, mean float64) float64 {
			return math.Exp(-(x-mean)*(x-mean)/0.08) / (0.2 * math.Sqrt(2*math.Pi))
		}
		want := math.Log(density(c.at, 1)/4 + density(c.at, -1)/4 + density(c.at, 0)/2)
		wantClose(t, "log evidence", []float64{logEvidence}, []float64{want}, 1e-13)
		if free.components.bases != nil {
			t.Error("the free coordinate of an isotropic mixture is not isotropic")
		}
		wantClose(t, "variance", []float64{free.Component(0).Cov().At(0, 0)}, []float64{0.04}, 1e-15)
	}
}

// TestGivenIsObserveWithoutNoise compares on the free coordinates; the known ones are independent of them, with law
// N(alpha value, sigma^2) once noised.
func TestGivenIsObserveWithoutNoise(t *testing.T) {
	rng := rand.New(rand.NewPCG(26, 1))
	const alpha, sigma = 0.7, 0.4
	iso := must(NewIsotropicMixture([]float64{0.2, 0.5, 0.3}, normalMatrix(rng, 3, 5), []float64{0.5, 1, 0.7}))
	for _, m := range []Mixture{randomMixture(rng, 3, 5), iso} {
		index, others, values := []int{3, 0}, []int{1, 2, 4}, []float64{0.4, -0.2}
		free, logFree, err := m.Given(index, values)
		if err != nil {
			t.Fatal(err)
		}
		if (free.components.bases == nil) != (m.components.bases == nil) {
			t.Errorf("%s became %s", m, free)
		}
		a := mat.NewDense(2, 5, nil)
		a.Set(0, 3, 1)
		a.Set(1, 0, 1)
		whole, logWhole, err := m.Observe(a, 0, values)
		if err != nil {
			t.Fatal(err)
		}
		wantClose(t, "log evidence", []float64{logFree}, []float64{logWhole}, 1e-14)
		wantClose(t, "weights", free.Weights(), whole.Weights(), 1e-14)
		x := whole.Noised(alpha, sigma).Sample(rng, 20)
		part := mat.NewDense(20, 3, nil)
		part.Apply(func(i, j int, _ float64) float64 { return x.At(i, others[j]) }, part)
		got, want := must(LogProbAt(free, part, alpha, sigma)), must(LogProbAt(whole, x, alpha, sigma))
		for i := range got {
			for k, j := range index {
				z := (x.At(i, j) - alpha*values[k]) / sigma
				got[i] -= z*z/2 + math.Log(sigma) + math.Log(2*math.Pi)/2
			}
		}
		wantClose(t, "LogProb", got, want, 1e-11)
		score := must(ScoreAt(whole, x, alpha, sigma))
		part.Apply(func(i, j int, _ float64) float64 { return score.At(i, others[j]) }, part)
		x3 := mat.NewDense(20, 3, nil)
		x3.Apply(func(i, j int, _ float64) float64 { return x.At(i, others[j]) }, x3)
		wantClose(t, "Score", flat(must(ScoreAt(free, x3, alpha, sigma))), flat(part), 1e-11)
	}
}

func TestConditionRejectsBadInput(t *testing.T) {
	nan := math.NaN()
	m := FourGaussians()
	row := mat.NewDense(1, 2, []float64{1, 0})
	twice := mat.NewDense(2, 2, []float64{1, 2, 2, 4})
	three := mat.NewDense(3, 2, []float64{1, 0, 0, 1, 1, 1})
	mixed := must(NewIsotropicMixture(nil, mat.NewDense(2, 2, nil), []float64{1, 0}))
	ring := must(Ring(4, 10, 10))
	observe := func(m Mixture, a mat.Matrix, noise float64, y ...float64) func() error {
		return func() error { _, _, err := m.Observe(a, noise, y); return err }
	}
	given := func(m Mixture, index []int, values ...float64) func() error {
		return func() error { _, _, err := m.Given(index, values); return err }
	}
	linear := func(b mat.Matrix) func() error {
		return func() error { _, err := m.Linear(b); return err }
	}
	for name, c := range map[string]struct {
		call func() error
		want string
	}{
		"nil A":          {observe(m, nil, 1, 0), "Observe: matrix A is nil, want a matrix [n, 2]"},
		"empty A":        {observe(m, &mat.Dense{}, 1), "matrix A is [0, 0], want [n, 2]"},
		"columns of A":   {observe(m, mat.NewDense(1, 3, nil), 1, 0), "matrix A is [1, 3], want [n, 2]"},
		"NaN in A":       {observe(m, mat.NewDense(1, 2, []float64{0, nan}), 1, 0), "matrix A has NaN in row 0, column 1"},
		"length of y":    {observe(m, row, 1, 0, 0), "y has 2 values for 1 rows of A"},
		"NaN in y":       {observe(m, row, 1, nan), "y has NaN in row 0"},
		"negative noise": {observe(m, row, -1, 0), "noise = -1"},
		"NaN noise":      {observe(m, row, nan, 0), "noise = NaN"},
		"infinite noise": {observe(m, row, math.Inf(1), 0), "noise = +Inf"},
		"rank":           {observe(m, twice, 0, 1, 2), "noise = 0 and the rank of A is 1, want 2"},
		"contradiction":  {observe(m, twice, 0, 1, 2.1), "contradict each other"},
		"too many rows":  {observe(m, three, 0, 1, 2, 3), "the rank of A is 2, want 3"},
		"three at odds":  {observe(m, three, 0, 1, 2, 4), "contradict each other"},
		"zero row":       {observe(m, mat.NewDense(1, 2, nil), 0, 1), "contradict each other"},
		"zero row, zero": {observe(m, mat.NewDense(1, 2, nil), 0, 0), "the rank of A is 0, want 1"},
		"point mass":     {observe(mixed, row, 0, 0), "component 1 has no variance along"},
		"far away":       {observe(m, row, 1, 1e200), "log density of the observation is -Inf"},
		"empty index":    {given(m, nil), "Given: 0 coordinates of 2 are known, want 1 to 1"},
		"all known":      {given(m, []int{0, 1}, 0, 0), "2 coordinates of 2 are known, want 1 to 1"},
		"values":         {given(m, []int{0}, 0, 0), "2 values for 1 coordinates"},
		"index range":    {given(m, []int{2}, 0), "index 0 is coordinate 2, want 0 to 1"},
		"negative index": {given(m, []int{-1}, 0), "index 0 is coordinate -1"},
		"NaN value":      {given(m, []int{0}, nan), "has NaN in row 0"},
		"given a point":  {given(mixed, []int{0}, 0), "component 1 has no variance along"},
		"far coordinate": {given(m, []int{0}, 1e200), "Given: the log density of the observation is -Inf"},
		"nil B":          {linear(nil), "Linear: B is nil"},
		"columns of B":   {linear(mat.NewDense(2, 1, nil)), "B is [2, 1], want [n, 2]"},
		"infinite B":     {linear(mat.NewDense(1, 2, []float64{math.Inf(1), 0})), "B has +Inf in row 0, column 0"},
		"huge B":         {linear(mat.NewDense(1, 2, []float64{1e200, 0})), "Linear: covariance 0 overflows: its largest standard deviation is 2e+199"},
		"huge mean":      {func() error { _, err := ring.Linear(mat.NewDense(1, 2, []float64{1e308, 0})); return err }, "Linear: mean 0 overflows: its coordinate 0 is +Inf"},
		"huge root":      {observe(ring, mat.NewDense(1, 2, []float64{1e308, 0}), 1, 0), "component 0 seen through A overflows"},
	} {
		if err := c.call(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	five := randomMixture(rand.New(rand.NewPCG(27, 1)), 2, 5)
	if _, _, err := five.Given([]int{1, 1}, []float64{0, 1}); err == nil || !strings.Contains(err.Error(), "coordinate 1 is observed as 0 and as 1: the observations contradict each other") {
		t.Errorf("error %v, want a contradiction", err)
	}
	if _, _, err := five.Given([]int{1, 1}, []float64{1, 1}); err == nil || !strings.Contains(err.Error(), "coordinate 1 is named twice") {
		t.Errorf("error %v, want one about the repetition", err)
	}
}
