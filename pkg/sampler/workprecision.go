package sampler

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Effort is a method with its schedule and the numbers of steps to try.
type Effort struct {
	Method   Method
	Schedule Schedule // nil: UniformSchedule
	Steps    []int
}

// WorkPoint is what one run of a work-precision study costs and reaches.
type WorkPoint struct {
	Method  string
	Steps   int
	NFE     int           // score evaluations per sample
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
// only the errors of methods and score count. A method's first run is made twice, since the first compiles.
func WorkPrecision(ctx context.Context, b compute.Backend, p Problem, law dist.Law, efforts []Effort, set Settings) ([]WorkPoint, error) {
	lab, err := New(b, p)
	if err != nil {
		return nil, err
	}
	if law == nil || law.Dim() != p.Dim {
		return nil, fmt.Errorf("sampler: WorkPrecision wants a law in the problem's %d dimensions, got %v", p.Dim, law)
	}
	rng := rand.New(rand.NewPCG(uint64(set.Seed), lawStream))
	alpha, sigma := sde.At(p.SDE, p.SDE.Span().Eps)
	const many = 200_000 // samples of the exact law, so that the gap's noise is that of the method's samples
	exact, err := crossEntropy(law, law.Noised(alpha, sigma).Sample(rng, many), alpha, sigma)
	if err != nil {
		return nil, err
	}
	set.Init = Tensor(law.Noised(sde.At(p.SDE, p.SDE.Span().T)).Sample(rng, p.N), p.dtype())
	var points []WorkPoint
	for _, e := range efforts {
		for k, steps := range slices.Concat(e.Steps[:min(1, len(e.Steps))], e.Steps) {
			set.Steps, set.Schedule = steps, e.Schedule
			r, err := lab.Run(ctx, e.Method, set)
			if err != nil {
				return points, err
			}
			if k == 0 {
				continue
			}
			got, err := crossEntropy(law, r.Samples(), alpha, sigma)
			if err != nil {
				return points, err
			}
			points = append(points, WorkPoint{
				e.Method.String(), steps, r.NFE, got.Value - exact.Value, math.Hypot(got.Stderr, exact.Stderr), r.Elapsed,
			})
		}
	}
	return points, nil
}

// crossEntropy is the mean of -log p over samples x of alpha X + sigma Z, X of law.
func crossEntropy(law dist.Law, x *mat.Dense, alpha, sigma float64) (score.Mean, error) {
	logProb, err := dist.LogProbAt(law, x, alpha, sigma)
	if err != nil {
		return score.Mean{}, err
	}
	mean, std := stat.MeanStdDev(logProb, nil)
	return score.Mean{Value: -mean, Stderr: stat.StdErr(std, float64(len(logProb)))}, nil
}
