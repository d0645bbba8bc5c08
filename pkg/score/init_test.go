package score_test

import (
	"testing"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestInit: initial weights serve executables that are no loops, stay when asked for again, and a network that cannot be
// built is an error.
func TestInit(t *testing.T) {
	for name, b := range backendtest.All(t) {
		m := &score.Model{SDE: sde.OU1(), Parametrisation: score.EDM, Net: nets.MLP{Width: 4, Depth: 1}, Std: 1, Store: model.NewStore()}
		var first float64
		for k := range 2 {
			if err := m.Init(2); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			p, err := score.Exact(dist.FourGaussians(), m.SDE).Fisher(b, m.Live(), []float64{1}, 100, 1)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if k == 0 {
				first = p[0].Error
			} else if p[0].Error != first || !(first > 0) {
				t.Errorf("%s: Fisher error %g, then %g", name, first, p[0].Error)
			}
		}
		pictures := &score.Model{SDE: sde.OU1(), Parametrisation: score.EDM, Net: nets.MLP{Width: 4, Depth: 1}, Std: 1, Store: model.NewStore()}
		if err := pictures.Init(8, 8, 1); err != nil {
			t.Errorf("%s: examples of shape 8, 8, 1: %v", name, err)
		}
		bad := &score.Model{SDE: sde.OU1(), Parametrisation: score.EDM, Net: nets.MLP{}, Std: 1, Store: model.NewStore()}
		if err := bad.Init(2); err == nil {
			t.Errorf("%s: a network of no width was built", name)
		}
	}
}
