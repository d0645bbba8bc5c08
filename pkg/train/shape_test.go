package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dataset"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
)

// TestShape: the same numbers as vectors and as pictures train the same network with the same losses, and give the same
// samples; bytes train like the numbers that they stand for.
func TestShape(t *testing.T) {
	const n, side = 40, 8
	rng := rand.New(rand.NewPCG(4, 0))
	bytes, numbers := make([]uint8, n*side*side), mat.NewDense(n, side*side, nil)
	for i := range bytes {
		bytes[i] = uint8(rng.IntN(256))
		numbers.RawMatrix().Data[i] = float64(bytes[i])/127.5 - 1
	}
	pictures, err := dataset.Rows(numbers, side, side, 1)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := dataset.NewExamples(tensors.FromFlatDataAndDimensions(bytes, n, side, side, 1))
	if err != nil {
		t.Fatal(err)
	}
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		if backend.OnDevice(b) && testing.Short() {
			t.Skip("compiles several times")
		}
		cfg, _ := small(20)
		cfg.Net = nets.MLP{Width: 16, Depth: 2}
		fit := func(data Data) *Fitted {
			f, err := Fit(t.Context(), cfg, data, Settings{Backend: b, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		vectors, shaped := fit(Rows(numbers)), fit(Data{X: raw})
		others := map[string]*Fitted{"bytes": shaped}
		if !backend.OnDevice(b) { // where each compiles
			shaped = fit(Data{X: pictures})
			others["pictures"] = shaped
		}
		for what, f := range others {
			if len(f.Losses) != len(vectors.Losses) {
				t.Fatalf("%s: %d losses, want %d", what, len(f.Losses), len(vectors.Losses))
			}
			for k, p := range f.Losses {
				if want := vectors.Losses[k].Loss; !(math.Abs(p.Loss-want) <= 1e-6*want) {
					t.Errorf("%s: loss %.9g at step %d, want %.9g", what, p.Loss, p.Step, want)
				}
			}
		}
		sample := func(f score.Func, shape ...int) *mat.Dense {
			p := sampler.Problem{SDE: process, Score: f, N: 5, Shape: shape}
			r, err := sampler.Run(t.Context(), b, p, sampler.PC{Predictor: sampler.ReverseDiffusion{}, Corrector: sampler.Langevin{SNR: 0.1}}, sampler.Settings{Steps: 4, Seed: 1})
			if err != nil {
				t.Fatal(err)
			}
			return r.Samples()
		}
		if a, p := sample(vectors.Func(), side*side), sample(shaped.Func(), side, side, 1); !mat.EqualApprox(a, p, 1e-5) {
			t.Error("pictures are sampled otherwise than vectors")
		}
	})
}
