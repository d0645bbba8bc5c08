package score_test

import (
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

func perceptron(name string) *score.Model {
	return &score.Model{
		SDE: sde.OU1(), Parametrisation: score.Epsilon, Net: nets.MLP{Width: 3, Depth: 1}, Std: 1, Store: model.NewStore(), Name: name,
	}
}

// TestSetWeights: weights by name make a score, and come back; what does not fit is named, and changes nothing.
func TestSetWeights(t *testing.T) {
	values := map[string]*tensors.Tensor{
		"input/dense/weights": tensors.FromValue([][]float32{{1, 0, 1}, {0, 1, 1}}), "input/dense/biases": tensors.FromValue([]float32{0, 0, 0}),
		"noise/dense/weights":  tensors.FromValue([][]float32{{0, 0, 0}}),
		"output/dense/weights": tensors.FromValue([][]float32{{1, 0}, {0, 1}, {0, 0}}), "output/dense/biases": tensors.FromValue([]float32{2, 3}),
	}
	m := perceptron("given")
	if err := m.SetWeights(values, 2); err != nil {
		t.Fatal(err)
	}
	out, err := model.CallOnce(backend.Go(), m.Store, func(_ *model.Scope, x, t *Node) *Node { return m.Func()(x, t) }, [][]float32{{0, 0}}, []float32{1})
	if err != nil {
		t.Fatal(err)
	}
	_, sigma := sde.At(m.SDE, 1)
	for k, want := range []float64{-2 / sigma, -3 / sigma} {
		if got := float64(tensors.MustCopyFlatData[float32](out)[k]); !(got > want-1e-5 && got < want+1e-5) {
			t.Errorf("score %d is %g, want %g", k, got, want)
		}
	}
	back, err := m.Weights()
	if err != nil || len(back) != len(values) {
		t.Fatalf("%d weights came back, %v", len(back), err)
	}
	for name, v := range values {
		if !back[name].Equal(v) {
			t.Errorf("%s came back as %s", name, back[name])
		}
	}
	delete(back, "input/dense/biases")
	back["noise/dense/weights"], back["other"] = tensors.FromValue([]float32{0}), tensors.FromValue([]float32{0})
	fresh := perceptron("fresh")
	err = fresh.SetWeights(back, 2)
	for _, says := range []string{"input/dense/biases is missing", "noise/dense/weights has shape", "other is no weight"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	if left, _ := fresh.Weights(); len(left) != 0 {
		t.Errorf("%d weights were set all the same", len(left))
	}
}
