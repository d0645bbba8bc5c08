package control

import (
	"testing"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
)

// TestKeys: keys are comparable, equal for methods that differ in knobs only, which share an executable, and different for
// different structures. Scales, observations and twists are different if they were made twice.
func TestKeys(t *testing.T) {
	law := dist.FourGaussians()
	base := score.Exact(law, ve).Score()
	p := sampler.ReverseDiffusion{}
	o, other := half(), half()
	one, two := must(NewScale(0.1)), must(NewScale(0.1))
	twisted, again := NewTwisted(o.PiGDM(base, ve, 0.7), 2), NewTwisted(o.PiGDM(base, ve, 0.7), 2)
	eager, kernel, copied := *twisted, *twisted, *twisted
	eager.Threshold, kernel.Kernel = 1, sampler.Ancestral{}
	langevin := func(snr float64) sampler.Corrector { return sampler.Langevin{SNR: snr, Norm: sampler.Expected} }
	alone := func(m sampler.Method) [2]sampler.Method { return [2]sampler.Method{m, m} }
	predictor := func(p sampler.Predictor) [2]sampler.Method { return alone(sampler.PC{Predictor: p}) }
	pairs := [][2]sampler.Method{
		predictor(p),
		predictor(DPS{p, o, one}), predictor(DPS{p, o, two}), predictor(DPS{p, o, nil}), predictor(DPS{p, other, one}), predictor(DPS{sampler.Ancestral{}, o, one}),
		predictor(Replace{p, o}), predictor(Replace{p, other}), predictor(Replace{sampler.Ancestral{}, o}),
		predictor(RePaint{p, o, 1}), predictor(RePaint{p, o, 2}), predictor(RePaint{p, other, 2}),
		{sampler.PC{Predictor: p, Corrector: langevin(0.1)}, sampler.PC{Predictor: p, Corrector: langevin(0.2)}},
		{Impute(sampler.PC{Predictor: p, Corrector: langevin(0.1)}, o), Impute(sampler.PC{Predictor: p, Corrector: langevin(0.2)}, o)},
		{sampler.PC{Predictor: p, Corrector: ReplaceCorrected{langevin(0.1), other}}, sampler.PC{Predictor: p, Corrector: ReplaceCorrected{langevin(0.2), other}}},
		{twisted, &eager}, alone(again), alone(&kernel),
	}
	seen := map[any]sampler.Method{}
	for _, pair := range pairs {
		key := pair[0].Key()
		if key != pair[1].Key() {
			t.Errorf("%s: keys %v and %v, want equal ones", pair[0], key, pair[1].Key())
		}
		if before, ok := seen[key]; ok {
			t.Errorf("%s has the key of %s", pair[0], before)
		}
		seen[key] = pair[0]
		lab := must(sampler.New(backend.Go(), problem(law, ve, 4)))
		for _, m := range pair {
			run(t, lab, m, sampler.Settings{Steps: 2, Seed: 1})
		}
		if lab.Builds() != 1 {
			t.Errorf("%s: %d builds, want 1", pair[0], lab.Builds())
		}
	}
	if copied.Key() != twisted.Key() {
		t.Error("a copy has another key")
	}
}
