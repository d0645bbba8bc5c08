package sampler

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// For Gaussian data N(m, Std^2 I) the exact score is linear, so the law of every sampler's state follows from a
// recursion for its mean and variance. target is such data; the recursion below is written from the papers' formulas in
// float64 and shares no code with the samplers.
type target struct {
	mean []float64
	std  float64
}

// newTarget has uneven means, so that a mixed-up coordinate shows.
func newTarget(d int, std float64) target {
	m := target{std: std}
	for k := range d {
		m.mean = append(m.mean, 0.5*math.Cos(float64(k)))
	}
	return m
}

func (m target) dim() int { return len(m.mean) }

// norm2 is |m|^2.
func (m target) norm2() float64 {
	var sum float64
	for _, v := range m.mean {
		sum += v * v
	}
	return sum
}

func (m target) law() dist.Gaussian { return must(dist.NewIsotropicGaussian(m.mean, m.std)) }

// problem is the target with its exact score.
func (m target) problem(s sde.SDE, n int) Problem {
	return Problem{SDE: s, Score: score.Exact(m.law(), s).Score(), N: n, Shape: []int{m.dim()}}
}

// level holds the process at one time of the grid.
type level struct{ t, alpha, sigma, drift, g float64 }

// v is the variance of p_t in each coordinate.
func (l level) v(std float64) float64 { return l.alpha*l.alpha*std*std + l.sigma*l.sigma }

func levels(s sde.SDE, grid []float64) []level {
	table := must(sde.Table(s, grid))
	ls := make([]level, len(grid))
	for i := range ls {
		ls[i] = level{table.T[i], table.Alpha[i], table.Sigma[i], table.Drift[i], table.Diffusion[i]}
	}
	return ls
}

// line is the map x -> A x + B m + C z, z ~ N(0, I).
type line struct{ A, B, C float64 }

// predictor is the line of one step of p from now to next.
func (m target) predictor(p Predictor, now, next level) line {
	v := now.v(m.std)
	a := now.alpha / next.alpha
	c2 := now.sigma*now.sigma - a*a*next.sigma*next.sigma
	dt := now.t - next.t
	switch p.(type) {
	case EulerMaruyama:
		g2 := now.g * now.g * dt
		return line{1 - now.drift*dt - g2/v, g2 * now.alpha / v, math.Sqrt(g2)}
	case ReverseDiffusion:
		return line{2 - a - c2/v, c2 * now.alpha / v, math.Sqrt(c2)}
	case Ancestral:
		return line{(1 - c2/v) / a, c2 * now.alpha / v / a, math.Sqrt(c2) * next.sigma / now.sigma}
	case WideAncestral:
		return line{(1 - c2/v) / a, c2 * now.alpha / v / a, math.Sqrt(c2)}
	case DDIM:
		kept := next.sigma / now.sigma
		onD, shrink := next.alpha-kept*now.alpha, now.alpha*m.std*m.std/v // D = shrink x + (1 - shrink now.alpha) m
		return line{kept + onD*shrink, onD * (1 - shrink*now.alpha), 0}
	case StochasticHeun:
		slope := func(l level) (ofX, ofM float64) {
			v := l.v(m.std)
			return -l.drift - l.g*l.g/v, l.g * l.g * l.alpha / v
		}
		k, b := slope(now)
		k2, b2 := slope(next)
		w := math.Sqrt((now.g*now.g + next.g*next.g) * dt / 2)
		return line{1 + dt/2*(k+k2*(1+k*dt)), dt / 2 * (b + b2 + k2*b*dt), w * (1 + dt/2*k2)}
	}
	panic(fmt.Errorf("no formula for %s", p))
}

// moments describe a state whose coordinates have means slope*m_k and, averaged over coordinates, variance.
type moments struct{ slope, variance float64 }

func (l line) apply(x moments) moments {
	return moments{l.A*x.slope + l.B, l.A*l.A*x.variance + l.C*l.C}
}

// langevin applies one corrector step at a level; a is the coefficient of the forward transition. Expected is exact;
// BatchMean is the limit of a large batch; PerSample supposes that the state before the step is Gaussian.
func (m target) langevin(c Langevin, at level, a float64, x moments) moments {
	d, v := float64(m.dim()), at.v(m.std)
	off := x.slope - at.alpha // the mean of x - alpha m is off*m
	half := off * off * m.norm2() / x.variance / 2
	fixed := func(eps float64) moments {
		return moments{at.alpha + (1-eps/v)*off, math.Pow(1-eps/v, 2)*x.variance + 2*eps}
	}
	switch c.Norm {
	case Expected:
		return fixed(2 * math.Pow(a*c.SNR*at.sigma, 2))
	case BatchMean:
		noise, score := meanChi(d, 0), meanChi(d, half)*math.Sqrt(x.variance)/v
		return fixed(2 * math.Pow(a*c.SNR*noise/score, 2))
	}
	// y = x - alpha m goes to y (1 - q |z|^2/|y|^2) + sqrt(2 q v) |z|/|y| z.
	q := 2 * math.Pow(a*c.SNR, 2) * v
	shrink := 1 - q*d/x.variance*poisson(half, func(j float64) float64 { return 1 / (d + 2*j) })
	inverse := poisson(half, func(j float64) float64 { return 1 / (d - 2 + 2*j) }) / x.variance // E 1/|y|^2
	second := d*x.variance + off*off*m.norm2() - 2*q*d + (q*q+2*q*v)*d*(d+2)*inverse            // E |y'|^2
	off *= shrink
	return moments{at.alpha + off, (second - off*off*m.norm2()) / d}
}

// meanChi is E|y| for y ~ N(mu, I) in d dimensions, |mu|^2 = 2 half.
func meanChi(d, half float64) float64 {
	return poisson(half, func(j float64) float64 {
		top, _ := math.Lgamma((d+1)/2 + j)
		bottom, _ := math.Lgamma(d/2 + j)
		return math.Sqrt2 * math.Exp(top-bottom)
	})
}

// poisson is E f(j) for j Poisson with the given mean: a noncentral chi-square is such a mixture of central ones.
func poisson(mean float64, f func(j float64) float64) float64 {
	sum, weight := 0.0, math.Exp(-mean)
	for j := 0.0; j < 40+3*mean; j++ {
		sum += weight * f(j)
		weight *= mean / (j + 1)
	}
	return sum
}

// chain follows a PC method along a grid.
func (m target) chain(s sde.SDE, method PC, grid []float64, x moments) moments {
	ls := levels(s, grid)
	for i := 1; i < len(ls); i++ {
		now, next := ls[i-1], ls[i]
		correct := func(at level) {
			for range method.corrections() {
				x = m.langevin(method.Corrector.(Langevin), at, now.alpha/next.alpha, x)
			}
		}
		if method.CorrectorFirst {
			correct(now)
		}
		if method.Predictor != nil {
			x = m.predictor(method.Predictor, now, next).apply(x)
		}
		if !method.CorrectorFirst {
			correct(next)
		}
	}
	return x
}

// ended is chain with Settings.LastMean: grid ends with the 0 that stands for noise 0.
func (m target) ended(s sde.SDE, method PC, grid []float64, x moments) moments {
	n := len(grid) - 1
	x = m.chain(s, method, grid[:n], x)
	now := levels(s, grid[n-1:n])[0]
	if method.CorrectorFirst {
		for range method.corrections() {
			x = m.langevin(method.Corrector.(Langevin), now, now.alpha, x)
		}
	}
	last := m.predictor(method.Predictor, now, level{alpha: 1})
	last.C = 0
	return last.apply(x)
}

// prior is the start of a sampler: N(0, PriorStd^2 I).
func prior(s sde.SDE) moments { return moments{0, s.PriorStd() * s.PriorStd()} }

// checkMoments compares samples to moments within 5 standard errors plus a relative allowance for the variance.
func (m target) checkMoments(t *testing.T, what string, x *mat.Dense, want moments, allow float64) {
	t.Helper()
	rows, d := x.Dims()
	n := float64(rows)
	slope := 0.0
	mean := Empirical{x}.Mean()
	for k := range d {
		slope += mean[k] * m.mean[k] / m.norm2()
		if se := math.Sqrt(want.variance / n); !(math.Abs(mean[k]-want.slope*m.mean[k]) <= 5.5*se) {
			t.Errorf("%s: mean of coordinate %d is %.5g, want %.5g +- %.2g", what, k, mean[k], want.slope*m.mean[k], se)
		}
	}
	if se := math.Sqrt(want.variance / n / m.norm2()); !(math.Abs(slope-want.slope) <= 5*se) {
		t.Errorf("%s: mean is %.5g m, want %.5g m +- %.2g", what, slope, want.slope, se)
	}
	squares := make([]float64, rows) // of each sample, about the expected mean
	for i := range rows {
		for k := range d {
			squares[i] += math.Pow(x.At(i, k)-want.slope*m.mean[k], 2) / float64(d)
		}
	}
	variance, se := average(squares)
	if !(math.Abs(variance-want.variance) <= 5*se+allow*want.variance) {
		t.Errorf("%s: variance %.5g, want %.5g +- %.2g", what, variance, want.variance, se)
	}
}

// average returns the mean and its standard error.
func average(v []float64) (mean, se float64) {
	n := float64(len(v))
	for _, x := range v {
		mean += x / n
	}
	for _, x := range v {
		se += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(se / (n - 1) / n)
}

// closeTo compares two numbers.
func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: got %.12g, want %.12g within %.2g", what, got, want, tol)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// source is the host's randomness.
func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// xla returns the XLA backend, or skips where no plugin is installed.
func xla(t *testing.T) compute.Backend {
	t.Helper()
	b, err := backend.Open()
	if err != nil {
		t.Fatal(err)
	}
	if !backend.OnDevice(b) {
		t.Skip("no XLA plugin is installed")
	}
	return b
}

// scheduleOf suits the process: equal steps in sigma^(1/7) for EDM, whose times span five decades.
func scheduleOf(s sde.SDE) Schedule {
	if _, ok := s.(sde.EDM); ok {
		return PowerSchedule(7)
	}
	return UniformSchedule
}

// run fails the test on any error.
func run(t *testing.T, s *Sampler, m Method, set Settings) *Result {
	t.Helper()
	r, err := s.Run(context.Background(), m, set)
	if err != nil {
		t.Fatalf("%s: %v", m, err)
	}
	return r
}

// flat copies a tensor's numbers to float64.
func flat(x *tensors.Tensor) []float64 { return Matrix(x).RawMatrix().Data }
