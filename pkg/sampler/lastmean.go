package sampler

import (
	"fmt"
	"slices"
	"time"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// toClean is a Predictor whose step to noise 0 follows from Alpha and Sigma at both ends alone, so that it exists on every
// process, with the mean that Settings.LastMean keeps.
type toClean interface{ meanAtClean() }

func (ReverseDiffusion) meanAtClean() {}
func (Ancestral) meanAtClean()        {}
func (WideAncestral) meanAtClean()    {}
func (DDIM) meanAtClean()             {}

// lastMean says whether the run ends by Settings.LastMean, and refuses what that does not go with.
func (set Settings) lastMean(m Method) (bool, error) {
	if !set.LastMean {
		return false, nil
	}
	if set.Denoise {
		return false, fmt.Errorf("sampler: Settings.LastMean with Settings.Denoise, want one of the two")
	}
	pc, ok := m.(PC)
	if !ok {
		return false, fmt.Errorf("sampler: Settings.LastMean with %s, want a PC", m)
	}
	if _, ok := pc.Predictor.(toClean); !ok {
		return false, fmt.Errorf("sampler: Settings.LastMean with %s, whose predictor has no step to noise 0; want ReverseDiffusion, Ancestral, WideAncestral or DDIM", m)
	}
	return true, nil
}

// levels are the N noise levels of a run with LastMean: the times of its first N-1 steps.
func (set Settings) levels(span sde.Span) ([]float64, error) {
	if set.Steps == 1 {
		return []float64{span.T}, set.check([]float64{span.T}, span)
	}
	set.Steps--
	return set.grid(span)
}

// clean is a process seen from a step to noise 0: there Alpha is 1 and Sigma 0, whatever they are near t = 0.
type clean struct {
	sde.SDE
	end *Node // the time that stands for noise 0
}

// Alpha is 1 at the end.
func (c clean) Alpha(t *Node) *Node {
	if t == c.end {
		return OnesLike(t)
	}
	return c.SDE.Alpha(t)
}

// Sigma is 0 at the end.
func (c clean) Sigma(t *Node) *Node {
	if t == c.end {
		return ZerosLike(t)
	}
	return c.SDE.Sigma(t)
}

// last is the mean of a step from time t [1] to noise 0, after the corrections at t if the corrector goes first. To the step
// rule of Langevin the transition is that of this step, a = Alpha(t).
func (m PC) last(p Problem, rng noise.Source, x, t *Node, knobs []*Node) *Node {
	end := ZerosLike(t)
	p.SDE = clean{p.SDE, end}
	if m.CorrectorFirst {
		x = m.correct(&p, rng, x, t, t, end, knobs)
	}
	_, mean := m.Predictor.Predict(&p, rng, x, t, end)
	return mean
}

// finish takes the step to noise 0 that Settings.LastMean asks for. Like the steps of the loop, it ends the run if a state is
// not finite.
func (s *Sampler) finish(m PC, r *Result, seed int64) error {
	start := time.Now()
	exec := s.lasts[m.Key()]
	if exec == nil {
		var err error
		exec, err = model.NewExec(s.backend, model.NewStore(), func(_ *model.Scope, key, x, t, knobs *Node) []*Node {
			defer backend.PanicWithError()
			x = m.last(s.problem, noise.At(key, nil), x, t, values(knobs, len(m.Knobs())))
			return []*Node{x, IsFinite(ReduceAllSum(x))}
		})
		if err != nil {
			return err
		}
		s.lasts[m.Key()] = exec
	}
	t := r.Grid[len(r.Grid)-1]
	out, err := exec.Call(noise.Key(seed, lastStream), r.X, s.problem.column(t), s.knobs(m))
	if err != nil {
		return fmt.Errorf("sampler: %s, the step to noise 0: %w", m, err)
	}
	r.X, r.Grid = out[0], append(slices.Clip(r.Grid), 0)
	r.NFE += m.Predictor.NFE()
	if m.CorrectorFirst {
		r.NFE += m.corrections()
	}
	r.Elapsed += time.Since(start)
	if !tensors.ToScalar[bool](out[1]) {
		r.Status = NonFinite
		return fmt.Errorf("sampler: %s: a sample is NaN or infinite after step %d of %[2]d, at noise 0", m, r.Step+1)
	}
	r.Step++
	return nil
}

// knobs are those of a method as a tensor, which is never empty.
func (s *Sampler) knobs(m Method) *tensors.Tensor { return s.problem.column(append(m.Knobs(), 0)...) }
