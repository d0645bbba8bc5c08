package likelihood

import (
	"context"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Bound estimates the variational bound of a score s on the density p of the reverse SDE that s drives from the prior
// (Song, Durkan, Murray and Ermon 2021, arXiv 2101.09258, theorem 3):
//
//	E[-log p(x_Eps) | x_0] <= E[-log prior(x_T)] + 1/2 int_Eps^T E[ g^2 (|s|^2 - 2 s.grad log p_0t(x_t|x_0)) - 2 d f ] dt
//
// with grad log p_0t = -z/Sigma, the expectations being over x_t given x_0. The theorem starts at x_Eps and has the kernel
// from there. By parts its middle term is E[2 div s], which is the same for the kernel from 0 once x_Eps is averaged given
// x_0. The bound is tight at every x_0 where s is the score of data noised by the SDE and p_T replaces the prior. Averaged
// over data it exceeds their entropy at Eps by KL(p_T || prior) + 1/2 int g^2 E|s - grad log p_t|^2 dt (theorem 1).
//
// The integrand is g^2/Sigma^2 (|Sigma s + z|^2 - d) up to the drift, and most of it is common to all scores. So only the
// difference from a Gaussian model N(m, v I) of the data is drawn, whose own bound is a closed form because it is tight:
//
//	E[-log N_Eps(x_Eps)] + E[log N_T(x_T) - log prior(x_T)] + 1/2 int g^2/Sigma^2 E[|Sigma s + z|^2 - |Sigma s_N + z|^2] dt
//
// where N_t is the model noised to t and s_N its score. The mean is the bound whatever m and v are.
//
// It keeps its executables and is not safe for concurrent use.
type Bound struct {
	model *Model // backend, process and dimension
	score score.Func
	ends  sde.Values // at Eps and T
	execs map[estimator]*model.Exec
}

// estimator is what an executable of Bound depends on besides shapes.
type estimator struct {
	times string
	draws int
}

// NewBound prepares the bound of a score in dim dimensions.
func NewBound(b compute.Backend, f score.Func, s sde.SDE, dim int) (*Bound, error) {
	m, err := New(b, f, s, dim)
	if err != nil {
		return nil, err
	}
	ends, err := sde.Table(s, []float64{s.Span().Eps, s.Span().T})
	if err != nil {
		return nil, fmt.Errorf("likelihood: %w", err)
	}
	if !(ends.Sigma[0] > 0) {
		return nil, fmt.Errorf("likelihood: Sigma of %s at Eps = %g is %g, want > 0: the bound is infinite", s, s.Span().Eps, ends.Sigma[0])
	}
	return &Bound{m, f, ends, map[estimator]*model.Exec{}}, nil
}

// BoundSettings say how a bound is estimated.
type BoundSettings struct {
	Draws int                   // of time and noise for each row, stratified in time, >= 2; 0: 64
	Time  objective.TimeSampler // Uniform, Stratified, Importance or Learned, which differ in noise alone; nil: Importance
	Seed  int64
	DType dtypes.DType // zero: Float32
}

func (set BoundSettings) resolve(s sde.SDE) (BoundSettings, error) {
	if set.Draws == 0 {
		set.Draws = 64
	}
	if set.Draws < 2 {
		return set, fmt.Errorf("likelihood: BoundSettings.Draws = %d, want >= 2, or 0 for 64", set.Draws)
	}
	if set.Time == nil {
		set.Time = objective.Importance{}
	}
	switch set.Time.(type) {
	case objective.Uniform, objective.Stratified, objective.Importance, objective.Learned:
	default: // whose weighted mean may be another than that over uniform times
		return set, fmt.Errorf("likelihood: BoundSettings.Time = %s, want Uniform, Stratified, Importance or Learned", set.Time)
	}
	if err := (objective.DSM{SDE: s, Weighting: objective.Likelihood, Time: set.Time}).Validate(); err != nil {
		return set, fmt.Errorf("likelihood: %w", err)
	}
	return set, nil
}

// tile is the number of score evaluations in one call of an executable.
const tile = 1 << 14

// Estimate returns the bounds at the rows of clean data x_0, [n, dim].
func (b *Bound) Estimate(ctx context.Context, x0 mat.Matrix, set BoundSettings) (*BoundResult, error) {
	if err := b.model.check(x0); err != nil {
		return nil, err
	}
	set, err := set.resolve(b.model.sde)
	if err != nil {
		return nil, err
	}
	data := mat.DenseCopyOf(x0)
	n, _ := data.Dims()
	r := &BoundResult{sde: b.model.sde, seed: set.Seed, x0: data, gaussian: moments(data)}
	if err := b.integrate(ctx, r, set); err != nil {
		return nil, err
	}
	first, last := r.gaussian.noised(b.ends.Alpha[0], b.ends.Sigma[0]), r.gaussian.noised(b.ends.Alpha[1], b.ends.Sigma[1])
	prior := gaussian{make([]float64, b.model.dim), b.model.sde.PriorStd() * b.model.sde.PriorStd()}
	for i := range n {
		row := data.RawRowView(i)
		r.end = append(r.end, last.mean(row, b.ends.Alpha[1], b.ends.Sigma[1])-prior.mean(row, b.ends.Alpha[1], b.ends.Sigma[1]))
		r.Values[i] += r.end[i] - first.mean(row, b.ends.Alpha[0], b.ends.Sigma[0])
	}
	r.Mean = score.Mean{Value: r.Values[0], Stderr: r.Stderr[0]}
	if n > 1 {
		mean, std := stat.MeanStdDev(r.Values, nil)
		r.Mean = score.Mean{Value: mean, Stderr: stat.StdErr(std, float64(n))}
	}
	return r, nil
}

// integrate estimates the integral for each row, in tiles of rows.
func (b *Bound) integrate(ctx context.Context, r *BoundResult, set BoundSettings) error {
	exec, err := b.executable(set)
	if err != nil {
		return err
	}
	n, d := r.x0.Dims()
	rows := min(n, max(1, tile/set.Draws))
	part := mat.NewDense(rows, d, nil)
	centre := host.Tensor(mat.NewDense(1, d, r.gaussian.centre), set.DType)
	variance := host.Tensor(mat.NewDense(1, 1, []float64{r.gaussian.variance}), set.DType)
	for from := 0; from < n; from += rows {
		if ctx.Err() != nil {
			return fmt.Errorf("likelihood: bound stopped after %d of %d rows: %w", from, n, context.Cause(ctx))
		}
		for i := range rows { // the last tile ends with rows that are not wanted
			part.SetRow(i, r.x0.RawRowView(min(from+i, n-1)))
		}
		out, err := exec.Call(noise.Key(set.Seed, 0), int32(from), host.Tensor(part, set.DType), centre, variance)
		if err != nil {
			return fmt.Errorf("likelihood: bound: %w", err)
		}
		r.Values = append(r.Values, host.Values(out[0])[:min(rows, n-from)]...)
		r.Stderr = append(r.Stderr, host.Values(out[1])[:min(rows, n-from)]...)
	}
	if sum := floats.Sum(r.Values); math.IsNaN(sum) || math.IsInf(sum, 0) {
		return fmt.Errorf("likelihood: the bound is %g, want finite numbers: the score or its square overflows", sum)
	}
	return nil
}

func (b *Bound) executable(set BoundSettings) (*model.Exec, error) {
	key := estimator{set.Time.String(), set.Draws}
	if b.execs[key] == nil {
		exec, err := model.NewExec(b.model.backend, model.NewStore(), func(_ *model.Scope, args []*Node) []*Node {
			defer backend.PanicWithError()
			return b.draw(set.Time, set.Draws, noise.At(args[0], args[1]), args[2], args[3], args[4])
		})
		if err != nil {
			return nil, err
		}
		b.execs[key] = exec
	}
	return b.execs[key], nil
}

// draw estimates the integral for each row of x0 [R, d] against the Gaussian model of the given centre [1, d] and
// variance [1, 1]. It returns estimates and their standard errors, both [R].
func (b *Bound) draw(times objective.TimeSampler, draws int, rng noise.Source, x0, centre, variance *Node) []*Node {
	rows, d := x0.Shape().Dim(0), x0.Shape().Dim(1)
	// Row i takes the places i, i+R, i+2R, ... of one stratified batch, which cover the span evenly too.
	x := Reshape(BroadcastToDims(InsertAxes(x0, 0), draws, rows, d), draws*rows, d)
	t, weight := times.Draw(b.model.sde, rng, x)
	z := rng.Normal(x.Shape())
	alpha, sigma := sde.Like(b.model.sde.Alpha(t), x), sde.Like(b.model.sde.Sigma(t), x)
	xt := Add(Mul(alpha, x), Mul(sigma, z))
	normal := Div(Sub(Mul(alpha, centre), xt), Add(Mul(Square(alpha), variance), Square(sigma)))
	f := b.score(xt, t)
	if !f.Shape().Equal(xt.Shape()) {
		panic(fmt.Errorf("likelihood: the score is %s for x %s, want equal shapes", f.Shape(), xt.Shape()))
	}
	// |a|^2 - |b|^2 = (a - b).(a + b), which keeps its digits where both are close.
	excess := ReduceSum(Mul(Mul(sigma, Sub(f, normal)), Add(Mul(sigma, Add(f, normal)), MulScalar(z, 2))), -1)
	span := b.model.sde.Span()
	rate := MulScalar(Square(Div(b.model.sde.Diffusion(t), b.model.sde.Sigma(t))), (span.T-span.Eps)/2)
	value := Reshape(Mul(Mul(rate, weight), excess), draws, rows)
	mean := ReduceMean(value, 0)
	spread := ReduceSum(Square(Sub(value, InsertAxes(mean, 0))), 0)
	return []*Node{mean, Sqrt(MulScalar(spread, 1/float64(draws*(draws-1))))}
}
