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

// executables serve all scores of one form, one network after another: networks differ in their weights, which are inputs, so
// that a second one compiles nothing.
type executables struct {
	key     string
	mu      sync.Mutex   // of its use
	model   *score.Model // nil: the exact score
	sampler *sampler.Sampler
	errors  *model.Exec // of fisher
}

// mostKept bounds the memory for executables: those with the exact score come back, and so do those of few forms.
const mostKept = 8

// executables returns those for fit's form, or for the exact score where fit is nil.
func (l *Lab) executables(p resolved, fit *train.Fitted) (*executables, error) {
	key := p.problemKey() + "; exact"
	f := score.Exact(p.known.law, p.process).Score()
	var m *score.Model
	if fit != nil {
		key = fmt.Sprintf("%s; %s %s %v", p.problemKey(), fit.Parametrisation, fit.Net, fit.Std)
		m = &score.Model{SDE: fit.SDE, Parametrisation: fit.Parametrisation, Net: fit.Net, Std: fit.Std, Store: model.NewStore(), Name: "kept"}
		f = m.Func()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, s := range l.kept {
		if s.key == key {
			l.kept = append(append(l.kept[:i:i], l.kept[i+1:]...), s)
			return s, nil
		}
	}
	made, err := sampler.New(l.backend, sampler.Problem{SDE: p.process, Score: f, N: p.Samples, Shape: []int{p.known.law.Dim()}})
	if err != nil {
		return nil, err
	}
	s := &executables{key: key, model: m, sampler: made}
	l.kept = append(l.kept[max(0, len(l.kept)+1-mostKept):], s)
	return s, nil
}

// load gives them a network's averaged weights.
func (s *executables) load(fit *train.Fitted) error {
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
func (s *executables) sample(ctx context.Context, p resolved) (*sampler.Result, error) {
	return s.sampler.Run(ctx, p.method, sampler.Settings{Steps: p.N, Schedule: p.schedule, Seed: p.Seed})
}

// fisherLevels are the noise levels Sigma/Alpha at which scores are compared: within a mode, between modes, and beyond.
var fisherLevels = []float64{0.1, 0.5, 2}

// fisherSamples leave a relative standard error of about 2%.
const fisherSamples = 4000

// fisher is the weighted Fisher error E |Sigma (score - exact score)|^2 over exact samples of p_t, by name, at those levels
// that the process has: score.Fisher, with an executable that is kept.
func (s *executables) fisher(b compute.Backend, p resolved) (map[string]float64, error) {
	if s.errors == nil {
		exact, learned := score.Exact(p.known.law, p.process).Score(), s.model.Func()
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
		x := p.known.law.Noised(alpha, sigma).Sample(rand.New(rand.NewPCG(dataSeed, 1)), fisherSamples)
		out, err := s.errors.Call1(host.Tensor(x, dtypes.Float32), host.Column(ts, dtypes.Float32))
		if err != nil {
			return nil, fmt.Errorf("ablation: Fisher error at t = %g: %w", ts[0], err)
		}
		metrics[fmt.Sprintf("fisher_%g", level)] = stat.Mean(host.Values(out), nil)
	}
	return metrics, nil
}
