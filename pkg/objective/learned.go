package objective

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Learned draws times with density proportional to sqrt(E[L_t^2]), where L_t is the weighted loss of an example at time t,
// and divides by it: among all laws of independent times the one with which the loss has the smallest variance (Nichol and
// Dhariwal 2021, arXiv 2102.09672, section 3.3). LearnTimes measures it; the density is constant on bins of time, best
// among all such, and the draws are stratified. The zero value draws nothing.
type Learned struct{ *learned }

type learned struct {
	law  *timeLaw
	span sde.Span // for which it was measured
	name string
}

// LearnSettings say how a law of times is measured.
type LearnSettings struct {
	Draws int     // examples per bin of time, >= 2; 0: 2048
	Floor float64 // share of uniform times mixed in, in (0, 1], which bounds the weights by 1/Floor; 0: 0.05
	Seed  int64
}

// learnedBins is the number of bins that are even in t, and of those even in ln t; their edges cut the span together.
const learnedBins = 64

// LearnTimes measures Learned for the weighted loss of o with the score f, on rows of data [n, d] drawn with replacement. The
// Time of o does not matter. The law fits f; for a score under training it is measured between two trainings.
func LearnTimes(b compute.Backend, o DSM, f score.Func, data mat.Matrix, set LearnSettings) (Learned, error) {
	if set.Draws == 0 {
		set.Draws = 2048
	}
	if set.Floor == 0 {
		set.Floor = 0.05
	}
	o.Time = nil
	if err := set.check(b, o, f, data); err != nil {
		return Learned{}, fmt.Errorf("objective: LearnTimes: %w", err)
	}
	edges := bins(o.SDE.Span())
	squares, err := meanSquares(b, o, f, data, edges, set)
	if err != nil {
		return Learned{}, fmt.Errorf("objective: LearnTimes: %w", err)
	}
	return newLearned(o, edges, squares, set.Floor)
}

func (set LearnSettings) check(b compute.Backend, o DSM, f score.Func, data mat.Matrix) error {
	switch {
	case b == nil || f == nil || data == nil:
		return errors.New("want a backend, a score and data, got nil")
	case set.Draws < 2:
		return fmt.Errorf("LearnSettings.Draws = %d, want >= 2, or 0 for 2048", set.Draws)
	case !(set.Floor > 0 && set.Floor <= 1):
		return fmt.Errorf("LearnSettings.Floor = %g, want it in (0, 1], or 0 for 0.05", set.Floor)
	}
	if n, d := data.Dims(); n == 0 || d == 0 {
		return fmt.Errorf("data is [%d, %d], want at least one row and one column", n, d)
	}
	if err := host.Finite("data", data); err != nil {
		return err
	}
	return o.Validate()
}

// bins are edges of bins of time: losses change on the scale of t near 0 and on that of the span further on.
func bins(span sde.Span) []float64 {
	low, edges := math.Max(span.Eps, 1e-7*span.T), []float64{span.Eps, span.T}
	for k := 1; k < learnedBins; k++ {
		part := float64(k) / learnedBins
		edges = append(edges, span.Eps+(span.T-span.Eps)*part, low*math.Pow(span.T/low, part))
	}
	slices.Sort(edges)
	return slices.Compact(edges)
}

// meanSquares are E[L_t^2] over t uniform in each bin.
func meanSquares(b compute.Backend, o DSM, f score.Func, data mat.Matrix, edges []float64, set LearnSettings) ([]float64, error) {
	exec, err := model.NewExec(b, model.NewStore(), func(_ *model.Scope, args []*Node) []*Node {
		defer backend.PanicWithError()
		rng, rows, low, width := noise.At(args[0], args[1]), args[2], args[3], args[4]
		pick := rng.Below(rows.Shape().Dim(0), set.Draws)
		x0 := Gather(rows, InsertAxes(pick, -1))
		u := strata(rng, x0)
		z := rng.Normal(x0.Shape())
		return []*Node{ReduceAllMean(Square(o.Errors(f, x0, z, Add(low, Mul(width, u)), nil)))}
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	key, rows, squares := noise.Key(set.Seed, 0), host.Tensor(data, dtypes.Float32), make([]float64, len(edges)-1)
	for k := range squares {
		low, width := float32(edges[k]), float32(edges[k+1]-edges[k])
		out, err := exec.Call(key, int32(k), rows, []float32{low}, []float32{width})
		if err != nil {
			return nil, err
		}
		squares[k] = float64(tensors.ToScalar[float32](out[0]))
		if !(squares[k] <= math.MaxFloat32) {
			return nil, fmt.Errorf("the mean squared loss from t = %g to %g is %g, want a number that float32 holds", edges[k], edges[k+1], squares[k])
		}
	}
	return squares, nil
}

// newLearned makes the law from mean squares per bin. Its name holds a hash of it, since it is part of what identifies a
// training. Two digits of the losses do for a law, and are the same in every process, unlike the last bits of a score.
func newLearned(o DSM, edges, squares []float64, floor float64) (Learned, error) {
	h, total := sha256.New(), 0.0
	rms := make([]float64, len(squares))
	for k, v := range squares {
		text := strconv.FormatFloat(math.Sqrt(v), 'e', 1, 64)
		rms[k], _ = strconv.ParseFloat(text, 64) // of a formatted number
		total += rms[k] * (edges[k+1] - edges[k])
		fmt.Fprintf(h, "%.9e %s\n", edges[k], text)
	}
	fmt.Fprintf(h, "%.9e %g\n", edges[len(squares)], floor)
	if !(total > 0) {
		return Learned{}, fmt.Errorf("objective: LearnTimes: the losses are 0 at all times, want some that are positive")
	}
	span := o.SDE.Span()
	mass := make([]float64, len(edges))
	for k, v := range rms {
		width := edges[k+1] - edges[k]
		mass[k+1] = mass[k] + (1-floor)*v*width/total + floor*width/(span.T-span.Eps)
	}
	law, err := newTimeLaw("the learned law of times", edges, mass)
	if err != nil {
		return Learned{}, err
	}
	name := fmt.Sprintf("learned for %s, %s", o.Weighting, hex.EncodeToString(h.Sum(nil))[:12])
	return Learned{&learned{law, span, name}}, nil
}

// Draw implements TimeSampler with the weights of the uniform law over this one. It panics for a process with another
// span than the one that it was measured with.
func (l Learned) Draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node) {
	if l.learned == nil {
		panic(errors.New("objective: Learned is empty, want one from LearnTimes"))
	}
	if s.Span() != l.span {
		panic(fmt.Errorf("objective: times learned on [%g, %g] cannot serve %s on [%g, %g]", l.span.Eps, l.span.T, s, s.Span().Eps, s.Span().T))
	}
	return l.law.draw(s, rng, x0)
}

// Density returns the density at times ts in [Eps, T], per unit of time; NaN outside.
func (l Learned) Density(ts []float64) []float64 {
	out := make([]float64, len(ts))
	for k, t := range ts {
		out[k] = math.NaN()
		if l.learned != nil && t >= l.span.Eps && t <= l.span.T {
			out[k] = l.law.density(t)
		}
	}
	return out
}

// String names the weighting that it was learned for, and the law by a hash of its numbers.
func (l Learned) String() string {
	if l.learned == nil {
		return "learned, empty"
	}
	return l.name
}
