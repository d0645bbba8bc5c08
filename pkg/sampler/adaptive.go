package sampler

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/ode"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Tolerance says how the steps of Sampler.Adaptive adapt. The error of a step is measured in units of Abs + Rel |x|, and
// its root mean square over the coordinates of a sample must stay below 1.
type Tolerance struct {
	Abs, Rel float64 // > 0; with float32, below about 1e-6 rounding takes over
	MaxSteps int     // tries allowed to each sample; 0: 10000
}

const defaultMaxSteps = 10000

func (tol Tolerance) validate() error {
	if err := positive("Tolerance.Abs", tol.Abs); err != nil {
		return err
	}
	if err := positive("Tolerance.Rel", tol.Rel); err != nil {
		return err
	}
	if tol.MaxSteps < 0 || tol.MaxSteps > math.MaxInt32/4 {
		return fmt.Errorf("sampler: Tolerance.MaxSteps = %d, want in [0, %d]", tol.MaxSteps, math.MaxInt32/4)
	}
	return nil
}

// AdaptiveResult is what Sampler.Adaptive leaves.
type AdaptiveResult struct {
	X        *tensors.Tensor // [N, Dim] at Eps, or where a sample stopped
	Status   ode.Status      // the worst of all samples
	Each     []ode.Status    // of each sample
	NFE      float64         // evaluations of the score per sample, mean over the samples
	MaxNFE   int             // and their largest number
	Accepted []int           // steps taken by each sample
	Rejected []int           // steps tried in vain
	Elapsed  time.Duration
}

// Samples returns the last state as a matrix [n, d].
func (r *AdaptiveResult) Samples() *mat.Dense { return Matrix(r.X) }

// Adaptive draws samples from T down to Eps by the reverse SDE with steps that adapt to a tolerance, for each sample by
// itself. In y = x/Alpha and the clock v = (Sigma/Alpha)^2 every affine process is a pure Brownian motion, whose reverse
// is, with v falling by a and S = Alpha score,
//
//	dy = S(y, t) da + dB,   y' = y + a S(y, t) + W,   next = y + (a/2) (S(y, t) + S(y', tNext)) + W,   W ~ N(0, a I):
//
// stochastic Heun for additive noise. The error of a step is Alpha(tNext) (next - y'), as in Jolicoeur-Martineau et al.
// 2021 (arXiv 2105.14080). They draw new noise after a rejection, which prefers small noise and so biases the
// samples. Here noise once drawn is kept and a step that failed is cut by the Brownian bridge (Rackauckas and Nie 2017,
// doi 10.3934/dcdsb.2017133), so that the noise used is a Brownian path whatever was tried.
//
// An accepted step costs two evaluations of the score, which gets times [N], a rejected one costs one. Of the settings
// Seed, Init, Denoise and Progress apply, which counts samples at their end; any other is refused. A sample that does
// not reach Eps is an error that says why, with the result so far. Another tolerance, seed or start compiles nothing.
func (s *Sampler) Adaptive(ctx context.Context, tol Tolerance, set Settings) (*AdaptiveResult, error) {
	began := time.Now()
	if s.problem.Score == nil {
		return nil, fmt.Errorf("sampler: Problem.Score is nil, want a score")
	}
	if err := tol.validate(); err != nil {
		return nil, err
	}
	if err := set.adaptive(); err != nil {
		return nil, err
	}
	if tol.MaxSteps == 0 {
		tol.MaxSteps = defaultMaxSteps
	}
	state, err := s.depart(set)
	if err != nil {
		return nil, err
	}
	if state, err = s.wander(ctx, tol, set, state); state == nil {
		return nil, err
	}
	r := arrival(state)
	if err == nil {
		err = r.failure(host.Values(state[walkT]), tol)
	}
	if err == nil && set.Denoise {
		last := &Result{X: r.X, Grid: []float64{s.problem.SDE.Span().Eps}}
		err = s.denoise(last)
		r.X, r.NFE, r.MaxNFE = last.X, r.NFE+float64(last.NFE), r.MaxNFE+last.NFE
	}
	r.Elapsed = time.Since(began)
	return r, err
}

// adaptive refuses settings that say something about a fixed grid.
func (set Settings) adaptive() error {
	for name, given := range map[string]bool{
		"Steps": set.Steps != 0, "Schedule": set.Schedule != nil, "Snapshots": len(set.Snapshots) > 0, "HostLoop": set.HostLoop,
		"LastMean": set.LastMean,
	} {
		if given {
			return fmt.Errorf("sampler: Settings.%s is for methods with fixed steps, want none with adaptive ones", name)
		}
	}
	return nil
}

// depart is the first state. The first step wanted is a hundredth of the span.
func (s *Sampler) depart(set Settings) ([]*tensors.Tensor, error) {
	p, span := s.problem, s.problem.SDE.Span()
	table, err := sde.Table(p.SDE, []float64{span.T})
	if err != nil {
		return nil, fmt.Errorf("sampler: %w", err)
	}
	v := math.Pow(table.Sigma[0]/table.Alpha[0], 2)
	if math.IsNaN(v) || math.IsInf(v, 0) || p.dtype() == dtypes.Float32 && v > math.MaxFloat32 {
		return nil, fmt.Errorf("sampler: (Sigma/Alpha)^2 is %g at t = %g, want a finite %s", v, span.T, p.dtype())
	}
	x, err := s.start(set)
	if err != nil {
		return nil, err
	}
	all := func(v float64) *tensors.Tensor { return p.column(slices.Repeat([]float64{v}, p.N)...) }
	zeros := func(dtype dtypes.DType, dims ...int) *tensors.Tensor {
		return tensors.FromShape(shapes.Make(dtype, dims...))
	}
	state := make([]*tensors.Tensor, walkStates)
	for k := range state {
		state[k] = zeros(dtypes.Int32, p.N)
	}
	state[walkX] = x
	state[walkT], state[walkV], state[walkH] = all(span.T), all(v), all(0.01*(span.T-span.Eps))
	state[walkScore] = tensors.FromShape(p.shape())
	state[walkEnds], state[walkClocks] = zeros(p.dtype(), p.N, futureDepth), zeros(p.dtype(), p.N, futureDepth)
	state[walkNoise] = tensors.FromShape(p.shape(futureDepth))
	state[walkStatus] = tensors.FromValue(slices.Repeat([]int32{walking}, p.N))
	state[walkStop] = tensors.FromScalar(int32(0))
	return state, nil
}

// adaptiveSteps is the key of the loop that is no Method's.
type adaptiveSteps struct{}

// wander runs the loop until nothing is walking. An error comes with the state so far if that is of use.
func (s *Sampler) wander(ctx context.Context, tol Tolerance, set Settings, state []*tensors.Tensor) ([]*tensors.Tensor, error) {
	key := loopKey{method: adaptiveSteps{}}
	if s.loops[key] == nil {
		s.loops[key] = loop.New(s.backend, nil, walkStates, func(_ *model.Scope, i *Node, state, inputs []*Node) []*Node {
			return s.walk(noise.At(inputs[walkKey], i), state, inputs)
		}).Until(walkStop)
	}
	inputs := []*tensors.Tensor{
		s.problem.column(s.problem.SDE.Span().Eps, tol.Abs, tol.Rel), tensors.FromValue([]int32{int32(tol.MaxSteps)}),
		noise.Key(set.Seed, stepStream),
	}
	for done, chunk := 0, 16; tensors.ToScalar[int32](state[walkStop]) == 0; {
		if ctx.Err() != nil {
			return state, fmt.Errorf("sampler: stopped after %d rounds of adaptive steps: %w", done, context.Cause(ctx))
		}
		began := time.Now()
		next, err := s.loops[key].Run(done, done+chunk, state, inputs) // each sample ends by itself, after MaxSteps tries at the latest
		if err != nil {
			return nil, fmt.Errorf("sampler: adaptive steps: %w", err)
		}
		state, done, chunk = next, done+chunk, loop.NextChunk(chunk, time.Since(began))
		if set.Progress != nil {
			arrived := 0
			for _, status := range tensors.MustCopyFlatData[int32](state[walkStatus]) {
				if status != walking {
					arrived++
				}
			}
			set.Progress(arrived, s.problem.N, fmt.Sprintf("t = %.3g", slices.Max(host.Values(state[walkT]))))
		}
	}
	return state, nil
}

// arrival reads the state of the loop; whatever still walks was cancelled.
func arrival(state []*tensors.Tensor) *AdaptiveResult {
	ints := func(k int) []int {
		var out []int
		for _, v := range tensors.MustCopyFlatData[int32](state[k]) {
			out = append(out, int(v))
		}
		return out
	}
	r := &AdaptiveResult{X: state[walkX], Accepted: ints(walkAccepted), Rejected: ints(walkRejected)}
	informed, status := ints(walkInformed), ints(walkStatus)
	for i, code := range status {
		s := ode.Status(code)
		if code == int(walking) {
			s = ode.Cancelled
		}
		r.Each = append(r.Each, s)
		r.Status = max(r.Status, s)
		nfe := 2*r.Accepted[i] + r.Rejected[i] + informed[i]
		r.MaxNFE = max(r.MaxNFE, nfe)
		r.NFE += float64(nfe) / float64(len(status))
	}
	return r
}

// failure is the error of a run of which not all samples are done: how many failed in which way, and the first of them,
// with its time.
func (r *AdaptiveResult) failure(t []float64, tol Tolerance) error {
	if r.Status == ode.Done {
		return nil
	}
	var ways []string
	failed := 0
	for _, s := range []ode.Status{ode.MaxSteps, ode.TooSmall, ode.NonFinite} {
		n := 0
		for _, each := range r.Each {
			if each == s {
				n++
			}
		}
		if n > 0 {
			ways, failed = append(ways, fmt.Sprintf("%d: %s", n, s)), failed+n
		}
	}
	i := slices.IndexFunc(r.Each, func(s ode.Status) bool { return s != ode.Done })
	advice := ""
	switch r.Each[i] {
	case ode.MaxSteps:
		advice = fmt.Sprintf(", where the %d tries allowed were spent; loosen the tolerance or raise MaxSteps", tol.MaxSteps)
	case ode.TooSmall:
		advice = fmt.Sprintf(", where the steps for tolerances Abs %g and Rel %g became too small; loosen them or use Float64", tol.Abs, tol.Rel)
	case ode.NonFinite:
		advice = ", where the score or the state is NaN or infinite"
	}
	return fmt.Errorf("sampler: %d of %d samples did not reach the end (%s); sample %d stopped at t = %g%s",
		failed, len(r.Each), strings.Join(ways, ", "), i, t[i], advice)
}
