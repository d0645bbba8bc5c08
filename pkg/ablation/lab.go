package ablation

import (
	"context"
	"fmt"
	"maps"
	"sync"

	"github.com/gomlx/compute"

	"github.com/scoresde/scoresde/pkg/sweep"
	"github.com/scoresde/scoresde/pkg/train"
)

// Lab runs trials in one process. It keeps executables: trials whose networks are of one form, or that differ in the
// sampler's numbers alone, compile nothing new. It is safe for concurrent use.
type Lab struct {
	backend compute.Backend
	set     train.Settings

	mu         sync.Mutex     // of what follows
	kept       []*executables // the most recently used last
	exact      map[string]map[string]float64
	references map[string]reference
}

// NewLab returns a Lab on a backend that keeps its networks in the folder runs, or, where that is empty, in the one that
// all trainings share: trials that differ in sampling alone train one network.
func NewLab(b compute.Backend, runs string) *Lab {
	return &Lab{
		backend: b, set: train.Settings{Backend: b, Dir: runs, Pool: train.NewPool()},
		exact: map[string]map[string]float64{}, references: map[string]reference{},
	}
}

// Run trains and samples as c says, or loads the network that an earlier trial has trained, and returns what it measures,
// by name:
//
//	energy, energy_exact, energy_law    squared energy distance of the samples to the law: with the learned score, with the
//	                                    exact one, and of a sample of the law itself (metric.EnergyDistance); energy_null is
//	                                    the 99% quantile that a sample of the law stays below
//	w1_x, w1_y, with _exact, _law       Wasserstein-1 distance of a coordinate to the law
//	outside, with _exact, _law          share of samples beyond 3.5 standard deviations of the nearest mode
//	weight_error, with _exact, _law     largest deviation of a mode's share of the samples; weight_0, ... are the shares
//	fisher_0.1, ...                     E |Sigma (score - exact score)|^2 at noise levels Sigma/Alpha, where the process has them
//	nfe                                 evaluations of the score
//	seconds                             of the sampling, with the compilation where there was one
//
// Everything but seconds depends on c alone, on one backend. Run goes on from checkpoints; when ctx ends it saves one.
func (l *Lab) Run(ctx context.Context, c Config) (map[string]float64, error) {
	p, err := c.resolved()
	if err != nil {
		return nil, err
	}
	fit, err := train.Fit(ctx, p.training, train.Rows(p.data()), l.set)
	if err != nil {
		return nil, err
	}
	return l.measure(ctx, p, fit)
}

// Trial is Run as the function of a sweep.
func (l *Lab) Trial(ctx context.Context, t *sweep.Trial[Config]) (map[string]float64, error) {
	return l.Run(ctx, t.Config)
}

// measure samples with a trained score and compares.
func (l *Lab) measure(ctx context.Context, p resolved, fit *train.Fitted) (map[string]float64, error) {
	metrics := map[string]float64{}
	exact, err := l.exactly(ctx, p)
	if err != nil {
		return nil, err
	}
	maps.Copy(metrics, exact)
	st, err := l.executables(p, fit)
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if err := st.load(fit); err != nil {
		return nil, err
	}
	distances, err := st.fisher(l.backend, p)
	if err != nil {
		return nil, err
	}
	maps.Copy(metrics, distances)
	r, err := st.sample(ctx, p)
	if err != nil {
		return nil, err
	}
	learned, err := l.compare(p, r.Samples())
	if err != nil {
		return nil, err
	}
	maps.Copy(metrics, learned)
	metrics["nfe"], metrics["seconds"] = float64(r.NFE), r.Elapsed.Seconds()
	return metrics, nil
}

// exactly is what the same sampler does with the exact score, and what a sample of the law does: it is measured once for
// each sampler.
func (l *Lab) exactly(ctx context.Context, p resolved) (map[string]float64, error) {
	key := fmt.Sprint(p.problemKey(), p.method, p.method.Knobs(), p.N, p.Schedule, p.Seed)
	l.mu.Lock()
	known := l.exact[key]
	l.mu.Unlock()
	if known != nil {
		return known, nil
	}
	st, err := l.executables(p, nil)
	if err != nil {
		return nil, err
	}
	st.mu.Lock()
	r, err := st.sample(ctx, p)
	st.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("ablation: with the exact score: %w", err)
	}
	measured, err := l.compare(p, r.Samples())
	if err != nil {
		return nil, err
	}
	ref, err := l.reference(p)
	if err != nil {
		return nil, err
	}
	known = map[string]float64{}
	for name, v := range measured {
		if !isShare(name) {
			known[name+"_exact"] = v
		}
	}
	maps.Copy(known, ref.law)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.exact[key] = known
	return known, nil
}

// problemKey identifies what is sampled, but for the score.
func (p resolved) problemKey() string { return fmt.Sprintf("%s; %s; %d", p.Law, p.process, p.Samples) }
