package train

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/run"
)

// TestLossPoints feeds the losses 1, 2, 3, ... in chunks of several sizes: the points are at steps that depend on the
// recipe alone and have the means of arithmetic series, to the bit, with a stop after every chunk or none.
func TestLossPoints(t *testing.T) {
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		for _, steps := range []int{1, 3, 199, 200, 201, 1001} {
			if backend.OnDevice(b) && steps != 201 {
				continue // each compiles
			}
			r := Recipe{Steps: steps}
			l := loop.New(b, nil, 1, func(_ *model.Scope, i *Node, state, _ []*Node) []*Node {
				return []*Node{addLoss(state[0], AddScalar(ConvertDType(i, state[0].DType()), 1), Div(i, Const(i.Graph(), int32(r.pointSteps()))))}
			})
			if n := r.points(); n > lossPoints || n < min(steps, lossPoints/2) {
				t.Errorf("%d steps have %d points", steps, n)
			}
			for _, chunk := range []int{1, 7, 64, steps} {
				var points []LossPoint
				partial := float32(0)
				for from := 0; from < steps; from += chunk {
					to := min(from+chunk, steps)
					state, err := l.Run(from, to, []*tensors.Tensor{r.lossSums(from, partial)}, nil)
					if err != nil {
						t.Fatal(err)
					}
					points, partial = r.losses(points, tensors.MustCopyFlatData[float32](state[0]), to)
				}
				last := 0
				for k, p := range points {
					want := LossPoint{min((k+1)*r.pointSteps(), steps), float64(last+1+min((k+1)*r.pointSteps(), steps)) / 2}
					if p != want {
						t.Errorf("%d steps in chunks of %d: point %v, want %v", steps, chunk, p, want)
					}
					last = p.Step
				}
				if last != steps || len(points) != r.points() || partial != 0 {
					t.Errorf("%d steps in chunks of %d: the last of %d points at step %d, %g left", steps, chunk, len(points), last, partial)
				}
			}
		}
	})
}

// TestLossesOfOlderRun: a run that an older version began, with points where it happened to look, goes on.
func TestLossesOfOlderRun(t *testing.T) {
	r := Recipe{Steps: 1000} // a point every 5 steps
	sums := make([]float32, r.points())
	sums[2], sums[3] = 3*7, 5*2 // losses of 7 at the steps 12, 13, 14, then of 2
	points, partial := r.losses([]LossPoint{{10, 1}, {12, 4}}, sums, 21)
	if want := []LossPoint{{10, 1}, {12, 4}, {15, 7}, {20, 2}}; !slices.Equal(points, want) || partial != 0 {
		t.Errorf("points %v and %g, want %v", points, partial, want)
	}
}

// TestMetricsFile is row 12 of the list of faults: equal runs leave equal points, in the file and in RunLog, whatever
// the pace and the checkpoints; another seed leaves others.
func TestMetricsFile(t *testing.T) {
	read := func(c RunLog) []LossPoint {
		points, torn, err := run.ReadMetrics(filepath.Join(c.Dir, "metrics.jsonl"))
		if err != nil || torn != 0 {
			t.Fatal(torn, err)
		}
		var losses []LossPoint
		for _, p := range points {
			losses = append(losses, LossPoint{p.Step, p.Values["loss"]})
		}
		return losses
	}
	cfg, _ := small(410) // a point every 3 steps
	cfg.Batch = 8
	fit := func(seed int64, every int) RunLog {
		cfg.Seed = seed
		return mustFit(t, cfg, points(100), Settings{Backend: backend.Go(), Dir: t.TempDir(), CheckpointEvery: every}).RunLog
	}
	first := fit(1, 0)
	if n := len(first.Losses); n != 137 || first.Losses[0].Step != 3 || first.Losses[n-1].Step != 410 {
		t.Errorf("%d points: %v", n, first.Losses)
	}
	if !slices.Equal(read(first), first.Losses) {
		t.Error("the file holds other points than RunLog")
	}
	if second := fit(1, 7); !slices.Equal(second.Losses, first.Losses) || !slices.Equal(read(second), first.Losses) {
		t.Error("checkpoints changed the points")
	}
	if other := fit(2, 0); slices.Equal(other.Losses, first.Losses) {
		t.Error("another seed gives the same points")
	}
	for _, p := range first.Losses {
		if !(p.Loss > 0) || math.IsInf(p.Loss, 0) {
			t.Errorf("loss %v", p)
		}
	}
}

// TestSeed is row 13 of the list of faults: seeds that GoMLX's generator does not tell apart (equal modulo 2^31-1; 0 and
// 89482311) start weights and steps differently, the same each time.
func TestSeed(t *testing.T) {
	const period = 1<<31 - 1
	known := map[string]int64{}
	for _, seed := range []int64{
		0, 1, -1, 2, -2, 5, 5 + period, 5 - period, 5 + 2*period, period, -period, 89482311, 1 << 32, math.MaxInt64, math.MinInt64,
	} {
		var texts []string
		for range 2 {
			store := model.NewStore()
			if err := (Recipe{Seed: seed}).seed(store); err != nil {
				t.Fatal(err)
			}
			weights := store.GetVariable("/" + model.RNGStateVariableName).MustValue().Value()
			texts = append(texts, fmt.Sprint(weights, noise.Key(seed, stepsStream).Value(), noise.Key(seed, weightsStream).Value()))
		}
		if texts[0] != texts[1] {
			t.Errorf("seed %d starts in two ways", seed)
		}
		if other, ok := known[texts[0]]; ok {
			t.Errorf("seeds %d and %d start alike", seed, other)
		}
		known[texts[0]] = seed
	}
}
