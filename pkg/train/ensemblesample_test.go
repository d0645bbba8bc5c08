package train

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sampler"
)

// TestEnsembleSample: members that are sampled together, by a predictor and Langevin steps with the norms of the batch, have
// the law of their samples alone; where the noise is the same, which it is for the first member on XLA, the samples are.
func TestEnsembleSample(t *testing.T) {
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		const each, d = 1000, 2
		cfgs := different(3, 200)
		e := mustFitAll(t, NewTrainer(b), cfgs, Settings{Dir: t.TempDir()})
		process, err := e.Process(each)
		if err != nil {
			t.Fatal(err)
		}
		method := sampler.PC{Predictor: sampler.ReverseDiffusion{}, Corrector: sampler.Langevin{SNR: 0.16, Norm: sampler.BatchMean}}
		sample := func(p sampler.Problem, set sampler.Settings) *mat.Dense {
			set.Steps = 50
			r, err := sampler.Run(t.Context(), b, p, method, set)
			if err != nil {
				t.Fatal(err)
			}
			return r.Samples()
		}
		joint := sampler.Problem{SDE: process, Score: e.Func(), N: len(cfgs) * each, Dim: d, Groups: len(cfgs)}
		alone := func(m int) sampler.Problem {
			return sampler.Problem{SDE: e.Members[m].SDE, Score: e.Members[m].Func(), N: each, Dim: d}
		}
		rows := func(x *mat.Dense, m int) *mat.Dense { return x.Slice(m*each, (m+1)*each, 0, d).(*mat.Dense) }
		if backend.OnDevice(b) {
			start := mat.NewDense(len(cfgs)*each, d, nil)
			for i := range len(cfgs) * each {
				start.SetRow(i, []float64{math.Sin(float64(3 * i)), math.Cos(float64(i))})
			}
			got := rows(sample(joint, sampler.Settings{Seed: 9, Init: sampler.Tensor(start, 0)}), 0)
			want := sample(alone(0), sampler.Settings{Seed: 9, Init: sampler.Tensor(rows(start, 0), 0)})
			if !mat.EqualApprox(got, want, 1e-3) {
				t.Error("with the same noise the first member gives other samples than alone")
			}
			return
		}
		all := sample(joint, sampler.Settings{Seed: 1})
		for m := range cfgs {
			want, got := sample(alone(m), sampler.Settings{Seed: int64(2 + m)}), rows(all, m)
			for power := 1.0; power <= 4; power++ {
				a, ase := moment(got, power)
				b, bse := moment(want, power)
				if !(math.Abs(a-b) <= 5*math.Hypot(ase, bse)) {
					t.Errorf("member %d: moment %g is %.4f, alone %.4f +- %.4f", m, power, a, b, math.Hypot(ase, bse))
				}
			}
		}
	})
}

// moment is a moment of the first coordinate and its standard error.
func moment(x *mat.Dense, power float64) (mean, se float64) {
	n, _ := x.Dims()
	v := make([]float64, n)
	for i := range v {
		v[i] = math.Pow(x.At(i, 0), power)
	}
	mean, std := stat.MeanStdDev(v, nil)
	return mean, std / math.Sqrt(float64(n))
}
