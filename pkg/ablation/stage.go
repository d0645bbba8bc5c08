package ablation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
	"github.com/scoresde/scoresde/pkg/train"
)

// stage is where scores of one form perform, one network after the other: they differ in their weights, which are inputs
// of executables, so that a second network compiles nothing.
type stage struct {
	key     string
	mu      sync.Mutex   // of its use
	model   *score.Model // nil: the exact score
	sampler *sampler.Sampler
	errors  *model.Exec // of fisher
}

// keptStages bounds the memory for executables: those with the exact score come back, and so do those of few forms.
const keptStages = 8

// stage returns the one for fit's form, or for the exact score where fit is nil.
func (l *Lab) stage(p parts, fit *train.Fitted) (*stage, error) {
	key := p.problemKey() + "; exact"
	f := score.Exact(p.target.law, p.process).Score()
	var m *score.Model
	if fit != nil {
		key = fmt.Sprintf("%s; %s %s %v", p.problemKey(), fit.Parametrisation, fit.Net, fit.Std)
		m = &score.Model{SDE: fit.SDE, Parametrisation: fit.Parametrisation, Net: fit.Net, Std: fit.Std, Store: model.NewStore(), Name: "stage"}
		f = m.Func()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.stages {
		if s.key == key {
			l.stages = append(append(l.stages[:i:i], l.stages[i+1:]...), s)
			return s, nil
		}
	}
	made, err := sampler.New(l.backend, sampler.Problem{SDE: p.process, Score: f, N: p.Samples, Shape: []int{p.target.law.Dim()}})
	if err != nil {
		return nil, err
	}
	s := &stage{key: key, model: m, sampler: made}
	l.stages = append(l.stages[max(0, len(l.stages)+1-keptStages):], s)
	return s, nil
}

// load puts a network's averaged weights on the stage.
func (s *stage) load(fit *train.Fitted) error {
	for v := range fit.Store.IterVariables() {
		name, ok := strings.CutPrefix(v.Path(), fit.EMAScope()+"/")
		if !ok {
			continue
		}
		value, err := v.Value()
		if err == nil {
			value, err = value.LocalClone()
		}
		if err != nil {
			return fmt.Errorf("ablation: %s: %w", v.Path(), err)
		}
		path := s.model.EMAScope() + "/" + name
		if old := s.model.Store.GetVariable(path); old != nil {
			err = old.SetValue(value)
		} else {
			_, err = s.model.Store.CreateVariable(path, value)
		}
		if err != nil {
			return fmt.Errorf("ablation: %s: %w", path, err)
		}
	}
	return nil
}

// sample runs the trial's sampler.
func (s *stage) sample(ctx context.Context, p parts) (*sampler.Result, error) {
	return s.sampler.Run(ctx, p.method, sampler.Settings{Steps: p.N, Schedule: p.schedule, Seed: p.Seed})
}

// fisherLevels are the noise levels Sigma/Alpha at which scores are compared: within a mode, between modes, and beyond.
var fisherLevels = []float64{0.1, 0.5, 2}

// fisherSamples leave a relative standard error of about 2%.
const fisherSamples = 4000

// fisher is the weighted Fisher error E |Sigma (score - exact score)|^2 over exact samples of p_t, by name, at those levels
// that the process has: score.Fisher, with an executable that is kept.
func (s *stage) fisher(b compute.Backend, p parts) (map[string]float64, error) {
	if s.errors == nil {
		exact, learned := score.Exact(p.target.law, p.process).Score(), s.model.Func()
		exec, err := model.NewExec(b, model.NewStore(), func(_ *model.Scope, x, t *Node) *Node {
			defer backend.PanicWithError()
			off := Sub(learned(x, t), exact(x, t))
			return ReduceSum(Square(sde.Times(p.process.Sigma(t), off)), -1)
		})
		if err != nil {
			return nil, err
		}
		s.errors = exec
	}
	metrics := map[string]float64{}
	for _, level := range fisherLevels {
		ts, err := sde.TimesAtNoise(p.process, []float64{level})
		if err != nil {
			continue // beyond the process
		}
		alpha, sigma := sde.At(p.process, ts[0])
		x := p.target.law.Noised(alpha, sigma).Sample(rand.New(rand.NewPCG(dataSeed, 1)), fisherSamples)
		out, err := s.errors.Call1(host.Tensor(x, dtypes.Float32), host.Column(ts, dtypes.Float32))
		if err != nil {
			return nil, fmt.Errorf("ablation: Fisher error at t = %g: %w", ts[0], err)
		}
		metrics[fmt.Sprintf("fisher_%g", level)] = stat.Mean(host.Values(out), nil)
	}
	return metrics, nil
}
