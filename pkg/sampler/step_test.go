package sampler

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// stepper evaluates one step in float64 on the Go engine, with the noise laid open: the step and the stepper draw the
// same z, which is the first draw.
type stepper struct{ exec *Exec }

func newStepper(p Predictor, problem Problem) stepper {
	problem.DType = dtypes.Float64
	return stepper{MustNewExec(backend.Go(), func(x, t, tNext *Node) []*Node {
		rng := noise.Once(x.Graph(), 3)
		z := rng.Again().Normal(x.Shape())
		next, mean := p.Predict(&problem, rng, x, t, tNext)
		return []*Node{mean, next, z}
	})}
}

// at returns the mean, the next state and the noise of a step from now to next, for each row of x. There is one time
// for all rows, or one for each.
func (s stepper) at(x, now, next []float64) (mean, state, z []float64) {
	column := tensors.FromFlatDataAndDimensions(x, len(x), 1)
	out := s.exec.MustCall(column, now, next)
	return flat(out[0]), flat(out[1]), flat(out[2])
}

// lines measures the steps of a linear score with m = 1: mean = A x + B m, next = mean + C z.
func (s stepper) lines(now, next []float64) []line {
	n := len(now)
	x := make([]float64, 2*n) // 0 for each step, then 1 for each
	for i := range n {
		x[n+i] = 1
	}
	mean, state, z := s.at(x, slices.Concat(now, now), slices.Concat(next, next))
	ls := make([]line, n)
	for i := range ls {
		ls[i] = line{mean[n+i] - mean[i], mean[i], (state[i] - mean[i]) / z[i]}
	}
	return ls
}

// curved is a score that no formula can confuse with another: it depends on x and t without being linear.
func curved(x, t *Node) *Node { return Mul(Sin(x), Exp(sde.Like(t, x))) }

// TestPredictorsAgainstPaper checks each line of Algorithms 2 and 3 (report, figure 1; E9 for VP's per-step beta), and
// the ancestral rule of DDPM, for a score that is not linear.
func TestPredictorsAgainstPaper(t *testing.T) {
	const lo, hi, bmin, bmax, now, next = 0.01, 4, 0.1, 20, 0.62, 0.6
	level := func(t float64) float64 { return lo * math.Pow(hi/lo, t) }
	integral := func(t float64) float64 { return bmin*t + (bmax-bmin)*t*t/2 }
	grow := level(now)*level(now) - level(next)*level(next)
	beta := -math.Expm1(integral(next) - integral(now)) // 1 - a^2
	rate := bmin + now*(bmax-bmin)
	abar := func(t float64) float64 { return math.Exp(-integral(t)) } // product of the 1 - beta
	ve, vp := sde.VE{SigmaMin: lo, SigmaMax: hi}, sde.VP{BetaMin: bmin, BetaMax: bmax}
	x := []float64{-2, -0.3, 0.1, 1.7}
	for _, c := range []struct {
		p        Predictor
		s        sde.SDE
		mean     func(x, s float64) float64
		variance float64
	}{
		{ReverseDiffusion{}, ve, func(x, s float64) float64 { return x + grow*s }, grow},
		{Ancestral{}, ve, func(x, s float64) float64 { return x + grow*s }, grow * math.Pow(level(next)/level(now), 2)},
		{EulerMaruyama{}, ve, func(x, s float64) float64 {
			return x + 2*math.Log(hi/lo)*math.Pow(level(now), 2)*(now-next)*s
		}, 2 * math.Log(hi/lo) * math.Pow(level(now), 2) * (now - next)},
		{ReverseDiffusion{}, vp, func(x, s float64) float64 { return (2-math.Sqrt(1-beta))*x + beta*s }, beta},
		{Ancestral{}, vp, func(x, s float64) float64 { return (x + beta*s) / math.Sqrt(1-beta) }, beta * (1 - abar(next)) / (1 - abar(now))},
		{EulerMaruyama{}, vp, func(x, s float64) float64 { return x + rate*(now-next)*(x/2+s) }, rate * (now - next)},
	} {
		what := fmt.Sprintf("%s, %s", c.p, c.s)
		step := newStepper(c.p, Problem{SDE: c.s, Score: curved, N: len(x), Shape: []int{1}})
		mean, state, z := step.at(x, []float64{now}, []float64{next})
		for i := range x {
			closeTo(t, what+": mean", mean[i], c.mean(x[i], math.Sin(x[i])*math.Exp(now)), 1e-12)
			closeTo(t, what+": variance", math.Pow((state[i]-mean[i])/z[i], 2), c.variance, 1e-12)
		}
	}
}

// TestPredictorFormulas ties the float64 graph of each predictor on each process to the recursion that the other tests
// use.
func TestPredictorFormulas(t *testing.T) {
	data := target{[]float64{1}, 0.3}
	for _, s := range sde.All() {
		ls := levels(s, scheduleOf(s)(9, s.Span()))
		for _, p := range Predictors() {
			for i, got := range newStepper(p, data.problem(s, 2)).path(s, 9) {
				want := data.predictor(p, ls[i], ls[i+1])
				for k, v := range [][2]float64{{got.A, want.A}, {got.B, want.B}, {got.C, want.C}} {
					closeTo(t, fmt.Sprintf("%s, %s, step %d: %c", p, s, i, "ABC"[k]), v[0], v[1], 1e-9*(1+math.Abs(v[1])))
				}
			}
		}
	}
}

// TestReverseDiffusionNearsDDPMChain compares the exact transitions to beta_i = b(i/N)/N of Algorithm 3: per step, the
// mean differs by O(1/N^2), and a variance of order 1/N too.
func TestReverseDiffusionNearsDDPMChain(t *testing.T) {
	vp := sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{Eps: 0, T: 1}}
	step := newStepper(ReverseDiffusion{}, Problem{SDE: vp, Score: curved, N: 1, Shape: []int{1}})
	gap := func(n int) (mean, variance float64) {
		c := must(vp.Chain(n))
		for i := 1; i <= n; i++ {
			const x = 1.3
			m, state, z := step.at([]float64{x}, c.T[i:i+1], c.T[i-1:i])
			beta := c.C[i] * c.C[i]
			mean = max(mean, math.Abs(m[0]-(2-c.A[i])*x-beta*math.Sin(x)*math.Exp(c.T[i])))
			variance = max(variance, math.Abs(math.Pow((state[0]-m[0])/z[0], 2)-beta))
		}
		return mean, variance
	}
	m1, v1 := gap(400)
	m2, v2 := gap(800)
	closeTo(t, "order of the mean's gap", math.Log2(m1/m2), 2, 0.15)
	closeTo(t, "order of the variance's gap", math.Log2(v1/v2), 2, 0.15)
}

// TestAncestralNearsReverseDiffusion: on VP their one-step means differ by O(beta^2), with the coefficients
// (1-a)^2/a of x and beta (1/a - 1) of the score.
func TestAncestralNearsReverseDiffusion(t *testing.T) {
	vp := sde.VP{BetaMin: 0.1, BetaMax: 20}
	p := Problem{SDE: vp, Score: curved, N: 1, Shape: []int{1}}
	rd, anc := newStepper(ReverseDiffusion{}, p), newStepper(Ancestral{}, p)
	gap := func(dt float64) float64 {
		x := []float64{1.3}
		m1, _, _ := rd.at(x, []float64{0.7}, []float64{0.7 - dt})
		m2, _, _ := anc.at(x, []float64{0.7}, []float64{0.7 - dt})
		return math.Abs(m1[0] - m2[0])
	}
	closeTo(t, "order in beta", math.Log2(gap(2e-3)/gap(1e-3)), 2, 0.05)
}

// TestLangevinStep checks next = x + eps score + sqrt(2 eps) z, eps = 2 a^2 (SNR |z|/|score|)^2, under each norm.
func TestLangevinStep(t *testing.T) {
	const n, d, snr, at, a = 5, 3, 0.16, 0.4, 0.9
	vp := sde.VP{BetaMin: 0.1, BetaMax: 20}
	p := Problem{SDE: vp, Score: curved, N: n, Shape: []int{d}, DType: dtypes.Float64}
	x := mat.NewDense(n, d, nil)
	for i := range n {
		for k := range d {
			x.Set(i, k, math.Cos(float64(7*i+3*k)))
		}
	}
	_, sigma := sde.At(vp, at)
	for _, c := range Correctors(snr) {
		l := c.(Langevin)
		out := MustNewExec(backend.Go(), func(x, t, a, r *Node) []*Node {
			rng := noise.Once(x.Graph(), 3)
			z := rng.Again().Normal(x.Shape())
			next := l.Correct(&p, rng, x, t, a, []*Node{r})
			return []*Node{next, z, curved(x, t)}
		}).MustCall(Tensor(x, dtypes.Float64), []float64{at}, []float64{a}, []float64{snr})
		next, z, s := Matrix(out[0]), Matrix(out[1]), Matrix(out[2])
		meanNorm := func(m *mat.Dense) (sum float64) {
			for i := range n {
				sum += mat.Norm(m.RowView(i), 2) / n
			}
			return sum
		}
		for i := range n {
			ratio := map[Norm]float64{
				BatchMean: meanNorm(z) / meanNorm(s),
				PerSample: mat.Norm(z.RowView(i), 2) / mat.Norm(s.RowView(i), 2),
				Expected:  math.Sqrt(d) / (math.Sqrt(d) / sigma),
			}[l.Norm]
			eps := 2 * a * a * math.Pow(snr*ratio, 2)
			for k := range d {
				closeTo(t, l.String(), next.At(i, k), x.At(i, k)+eps*s.At(i, k)+math.Sqrt(2*eps)*z.At(i, k), 1e-12)
			}
		}
	}
}

// TestCoefficientOfCorrector: a^2 is 1 for VE and 1 - beta_i for VP, over the step that the grid takes, in both orders, and
// Alpha^2 before the step to noise 0.
func TestCoefficientOfCorrector(t *testing.T) {
	for _, c := range []struct {
		s    sde.SDE
		want float64
	}{
		{sde.VE{SigmaMin: 0.01, SigmaMax: 4}, 1},
		{sde.OU1(), math.Exp(-0.25)},
		{sde.VP{BetaMin: 0.1, BetaMax: 20}, math.Exp(-(0.1*0.25 + 19.9/2*(0.5*0.5-0.25*0.25)) / 2)},
	} {
		for _, first := range []bool{false, true} {
			m := PC{Corrector: recorder{}, CorrectorFirst: first}
			p := Problem{SDE: c.s, N: 1, Shape: []int{2}, DType: dtypes.Float64}
			out := MustNewExec(backend.Go(), func(x, t, tNext *Node) *Node {
				next, _ := m.Step(&p, noise.Once(x.Graph(), 3), x, t, tNext, nil, nil)
				return next
			}).MustCall([][]float64{{0, 0}}, []float64{0.5}, []float64{0.25})
			got := flat(out[0])
			at := map[bool]float64{false: 0.25, true: 0.5}[first]
			closeTo(t, c.s.String()+": coefficient", got[0], c.want, 1e-12)
			closeTo(t, c.s.String()+": time of the corrector", got[1], at, 1e-12)
		}
		p := Problem{SDE: c.s, Score: func(x, _ *Node) *Node { return ZerosLike(x) }, N: 1, Shape: []int{2}, DType: dtypes.Float64}
		m := PC{Predictor: Ancestral{}, Corrector: recorder{}, CorrectorFirst: true} // which here divides by Alpha
		set := Settings{Steps: 2, LastMean: true, Schedule: fixed(0.75, 0.5)}
		got := flat(run(t, must(New(backend.Go(), p)), m, set).X)
		alpha, _ := sde.At(c.s, 0.5)
		closeTo(t, c.s.String()+": coefficient before the step to noise 0", got[0], 1, 1e-12)
		closeTo(t, c.s.String()+": time of the corrector before the step to noise 0", got[1], 0.5/alpha, 1e-12)
	}
}

// recorder is a corrector that puts its coefficient and its time into the state.
type recorder struct{}

func (recorder) String() string   { return "recorder" }
func (recorder) Key() any         { return recorder{} }
func (recorder) Knobs() []float64 { return nil }
func (recorder) Validate() error  { return nil }
func (recorder) Correct(_ *Problem, rng noise.Source, x, t, a *Node, _ []*Node) *Node {
	return Reshape(Concatenate([]*Node{a, t}, 0), 1, 2)
}
