// Package study holds instruments that judge samplers: work against precision, paths coupled by their noise,
// the Brownian increments of a path.
package study

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Effort is a method with its schedule and the numbers of steps to try, or adaptive steps with the tolerances to try.
type Effort struct {
	Method     sampler.Method      // nil: sampler.Sampler.Adaptive
	Schedule   sampler.Schedule    // nil: sampler.UniformSchedule
	Steps      []int               // of Method
	Tolerances []sampler.Tolerance // of sampler.Sampler.Adaptive
}

// WorkPoint is what one run of a work-precision study costs and reaches.
type WorkPoint struct {
	Method  string
	Steps   int           // with adaptive steps their mean over the samples
	NFE     int           // score evaluations per sample, likewise
	Gap     float64       // cross-entropy gap, nats
	Stderr  float64       // standard error of Gap
	Elapsed time.Duration // of the run on compiled executables
}

// WorkPrecision runs each effort on a problem whose data follow law and measures the cross-entropy gap of its samples,
//
//	E_{samples} -log p_Eps(x)  -  E_{x ~ p_Eps} -log p_Eps(x),
//
// with the exact density p_Eps of the noised data at the last time: 0 for exact samples, positive where samples lie in
// places of low density, negative where they crowd in those of high density. The start is drawn from p_T itself, so that
// only the errors of methods and score count. The exact probability flow from the same start, whose ends follow p_Eps,
// serves as control variate: it takes out of the gap what the finite number of starts puts in, which for methods that
// draw no noise of their own is nearly all. A method's first run is made twice, since the first compiles. Settings.Denoise and
// LastMean, whose samples are not of p_Eps, are refused.
func WorkPrecision(ctx context.Context, b compute.Backend, p sampler.Problem, law dist.Law, efforts []Effort, set sampler.Settings) ([]WorkPoint, error) {
	lab, err := sampler.New(b, p)
	if err != nil {
		return nil, err
	}
	if law == nil || law.Dim() != p.Dim() {
		return nil, fmt.Errorf("study: WorkPrecision wants a law in the problem's %d dimensions, got %v", p.Dim(), law)
	}
	if set.Denoise || set.LastMean {
		return nil, fmt.Errorf("study: WorkPrecision with Settings.Denoise = %t and LastMean = %t, want neither: it compares with the law at Eps", set.Denoise, set.LastMean)
	}
	rng := rand.New(rand.NewPCG(uint64(set.Seed), startStream))
	set.Init = sampler.Tensor(law.Noised(sde.At(p.SDE, p.SDE.Span().T)).Sample(rng, p.N), p.DType)
	measure, err := newGap(ctx, b, p, law, set, rng)
	if err != nil {
		return nil, err
	}
	var points []WorkPoint
	for _, e := range efforts {
		runs := e.runs(ctx, lab, set)
		for k, run := range slices.Concat(runs[:min(1, len(runs))], runs) {
			point, x, err := run()
			if err != nil {
				return points, err
			}
			if k == 0 {
				continue
			}
			gap, err := measure.of(x)
			if err != nil {
				return points, err
			}
			point.Gap, point.Stderr = gap.Value, gap.Stderr
			points = append(points, point)
		}
	}
	return points, nil
}

// startStream is the stream of a seed from which the start is drawn, that of sampler.Backward.
const startStream = 0

// runs are the runs of an effort, each of which returns its cost and its samples.
func (e Effort) runs(ctx context.Context, lab *sampler.Sampler, set sampler.Settings) (runs []func() (WorkPoint, *mat.Dense, error)) {
	if e.Method == nil {
		for _, tol := range e.Tolerances {
			runs = append(runs, func() (WorkPoint, *mat.Dense, error) {
				r, err := lab.Adaptive(ctx, tol, set)
				if err != nil {
					return WorkPoint{}, nil, err
				}
				steps := 0
				for _, n := range r.Accepted {
					steps += n
				}
				mean := int(math.Round(float64(steps) / float64(len(r.Accepted))))
				return WorkPoint{Method: "adaptive steps", Steps: mean, NFE: int(math.Round(r.NFE)), Elapsed: r.Elapsed}, r.Samples(), nil
			})
		}
		return runs
	}
	for _, steps := range e.Steps {
		set := set
		set.Steps, set.Schedule = steps, e.Schedule
		runs = append(runs, func() (WorkPoint, *mat.Dense, error) {
			r, err := lab.Run(ctx, e.Method, set)
			if err != nil {
				return WorkPoint{}, nil, err
			}
			return WorkPoint{Method: e.Method.String(), Steps: steps, NFE: r.NFE, Elapsed: r.Elapsed}, r.Samples(), nil
		})
	}
	return runs
}

// gap measures cross-entropies against the entropy of p_Eps.
type gap struct {
	law          dist.Law
	alpha, sigma float64 // at Eps
	entropy      score.Mean
	control      []float64 // -log p_Eps where the exact flow ends, of mean entropy
}

// newGap finds the entropy and follows the exact flow from set.Init, whose law is p_T.
func newGap(ctx context.Context, b compute.Backend, p sampler.Problem, law dist.Law, set sampler.Settings, rng *rand.Rand) (*gap, error) {
	g := &gap{law: law}
	g.alpha, g.sigma = sde.At(p.SDE, p.SDE.Span().Eps)
	const many = 1_000_000 // samples of the exact law, so that the gap's noise is that of the method's samples
	exact, err := g.surprise(law.Noised(g.alpha, g.sigma).Sample(rng, many))
	if err != nil {
		return nil, err
	}
	mean, std := stat.MeanStdDev(exact, nil)
	g.entropy = score.Mean{Value: mean, Stderr: stat.StdErr(std, many)}
	p.Score = score.Exact(law, p.SDE).Score()
	r, err := sampler.Run(ctx, b, p, sampler.Heun{}, sampler.Settings{Steps: 300, Schedule: sampler.PowerSchedule(7), Init: set.Init})
	if err != nil {
		return nil, err
	}
	g.control, err = g.surprise(r.Samples())
	return g, err
}

// surprise is -log p_Eps(x) of the rows of x, nats.
func (g *gap) surprise(x *mat.Dense) ([]float64, error) {
	v, err := dist.LogProbAt(g.law, x, g.alpha, g.sigma)
	floats.Scale(-1, v)
	return v, err
}

// of is the gap of samples that started where the control did, by linear regression on it.
func (g *gap) of(x *mat.Dense) (score.Mean, error) {
	y, err := g.surprise(x)
	if err != nil {
		return score.Mean{}, err
	}
	slope := stat.Covariance(y, g.control, nil) / stat.Variance(g.control, nil)
	floats.AddScaled(y, -slope, g.control)
	mean, std := stat.MeanStdDev(y, nil)
	n := float64(len(y))
	return score.Mean{
		Value:  mean - (1-slope)*g.entropy.Value,
		Stderr: math.Hypot(stat.StdErr(std, n), (1-slope)*g.entropy.Stderr),
	}, nil
}
