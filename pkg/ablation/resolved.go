package ablation

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/edm"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
	"github.com/scoresde/scoresde/pkg/train"
)

// resolved is what a Config stands for.
type resolved struct {
	Config
	known    known
	process  sde.SDE
	training train.Config
	method   sampler.Method
	schedule sampler.Schedule
}

// resolved resolves all names and checks all numbers.
func (c Config) resolved() (p resolved, err error) {
	p.Config = c
	if err = c.checkNumbers(); err != nil {
		return p, err
	}
	if p.known, err = pick("law", c.Law, laws); err != nil {
		return p, err
	}
	if p.process, err = c.process(); err != nil {
		return p, err
	}
	if p.training, err = c.training(p.process, p.known); err != nil {
		return p, err
	}
	if p.method, err = c.method(); err != nil {
		return p, err
	}
	p.schedule, err = c.schedule()
	return p, err
}

func (c Config) process() (sde.SDE, error) {
	s, err := pick("process", c.Process, []named[sde.SDE]{
		{"ve", sde.VE{SigmaMin: c.SigmaMin, SigmaMax: c.SigmaMax}},
		{"vp", sde.VP{BetaMin: c.BetaMin, BetaMax: c.BetaMax}},
		{"sub-vp", sde.SubVP{BetaMin: c.BetaMin, BetaMax: c.BetaMax}},
		{"edm", sde.EDM{Times: sde.Span{Eps: c.SigmaMin, T: c.SigmaMax}}},
	})
	if err != nil {
		return nil, err
	}
	if err := sde.Validate(s); err != nil {
		return nil, fmt.Errorf("ablation: process: %w", err)
	}
	return s, nil
}

// training is the recipe of Default in package train with the Config's numbers.
func (c Config) training(s sde.SDE, t known) (train.Config, error) {
	weighting, err := pick("weighting", c.Weighting, []named[objective.Weighting]{
		{"sigma2", objective.SigmaSquared}, {"likelihood", objective.Likelihood}, {"unit", objective.Unit},
		{"edm", objective.EDMWeighting(rootMeanSquare(t.law.Mean(), t.law.Cov()))}, {"min-snr", objective.MinSNR(5)},
	})
	if err != nil {
		return train.Config{}, err
	}
	times, err := pick("times", c.Times, []named[objective.TimeSampler]{
		{"uniform", objective.Uniform{}}, {"stratified", objective.Stratified{}}, {"importance", objective.Importance{}},
		{"log-normal", objective.LogNormalSigma{Mean: -1.2, Std: 1.2}}, {"log-uniform", objective.LogUniformSigma{}},
	})
	if err != nil {
		return train.Config{}, err
	}
	var known []named[score.Parametrisation]
	for _, p := range append(score.Parametrisations(), edm.Parametrisations()...) {
		known = append(known, named[score.Parametrisation]{p.Name, p})
	}
	parametrisation, err := pick("parametrisation", c.Parametrisation, known)
	if err != nil {
		return train.Config{}, err
	}
	cfg := train.Default("ablation-"+c.Law, s, nets.MLP{Width: c.Width, Depth: c.Depth})
	cfg.Objective = objective.DSM{SDE: s, Weighting: weighting, Time: times}
	cfg.Parametrisation = parametrisation
	cfg.Recipe = cfg.Over(c.Steps)
	cfg.Batch, cfg.LearningRate, cfg.EMA, cfg.Seed = c.Batch, c.LearningRate, c.EMA, c.Seed
	return cfg, cfg.Validate()
}

// dataSeed draws the examples, the same for every trial.
const dataSeed = 42

// data is what the network is trained on.
func (p resolved) data() *matrix {
	return p.known.law.Sample(rand.New(rand.NewPCG(dataSeed, 0)), p.Data)
}

// predictors go with any corrector.
var predictors = []named[sampler.Predictor]{
	{"euler-maruyama", sampler.EulerMaruyama{}}, {"reverse-diffusion", sampler.ReverseDiffusion{}}, {"ancestral", sampler.Ancestral{}},
	{"wide-ancestral", sampler.WideAncestral{}}, {"stochastic-heun", sampler.StochasticHeun{}},
	{"probability-flow", sampler.ProbabilityFlow{}}, {"flow-heun", sampler.FlowHeun{}}, {"ddim", sampler.DDIM{}},
	{"dpm-solver-2s", sampler.DPMSolver2S{}}, {"none", nil},
}

// methods stand alone.
var methods = []named[sampler.Method]{
	{"heun", sampler.Heun{}}, {"dpm-solver-2m", sampler.DPMSolver2M{}}, {"deis", sampler.DEIS{}}, {"unipc", sampler.UniPC{}},
}

func (c Config) method() (sampler.Method, error) {
	corrector, err := pick("corrector", c.Corrector, []named[sampler.Corrector]{
		{"none", nil},
		{"langevin", sampler.Langevin{SNR: c.SNR, Norm: sampler.BatchMean}},
		{"langevin-per-sample", sampler.Langevin{SNR: c.SNR, Norm: sampler.PerSample}},
		{"langevin-expected", sampler.Langevin{SNR: c.SNR, Norm: sampler.Expected}},
	})
	if err != nil {
		return nil, err
	}
	all := append([]named[sampler.Method](nil), methods...)
	for _, p := range predictors {
		m := sampler.PC{Predictor: p.value, Corrector: corrector, CorrectorFirst: c.CorrectorFirst && corrector != nil}
		if corrector != nil {
			m.Corrections = c.Corrections
		}
		all = append(all, named[sampler.Method]{p.name, m})
	}
	m, err := pick("predictor", c.Predictor, all)
	if err != nil {
		return nil, err
	}
	if _, ok := m.(sampler.PC); !ok && corrector != nil {
		return nil, fmt.Errorf("ablation: predictor = %q goes without a corrector, want corrector = %q, got %q", c.Predictor, "none", c.Corrector)
	}
	if err := m.Validate(); err != nil {
		return nil, errors.Join(errors.New("ablation: predictor, corrector"), err)
	}
	return m, nil
}

// schedule is by default uniform in t, which for edm, where t is the noise level, would waste nearly all steps: there it is
// that of Karras et al. (2022, arXiv 2206.00364, eq 5).
func (c Config) schedule() (sampler.Schedule, error) {
	karras := sampler.PowerSchedule(7)
	usual := sampler.Schedule(sampler.UniformSchedule)
	if c.Process == "edm" {
		usual = karras
	}
	return pick("schedule", c.Schedule, []named[sampler.Schedule]{{"default", usual}, {"uniform", sampler.UniformSchedule}, {"karras", karras}})
}

// rootMeanSquare is that of the coordinates about 0.
func rootMeanSquare(mean []float64, cov *mat.SymDense) float64 {
	sum := mat.Trace(cov)
	for _, m := range mean {
		sum += m * m
	}
	return math.Sqrt(sum / float64(len(mean)))
}
