package score

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestTranslate: the exact score under one process becomes the exact score under the next, at one time for each sample and
// at one for the batch, in both float types.
func TestTranslate(t *testing.T) {
	law, rng, ts := dist.FourGaussians(), rand.New(rand.NewPCG(1, 0)), []float64{0.05, 0.3, 0.7}
	cycle := []sde.SDE{
		sde.EDM{Times: sde.Span{Eps: 0.02, T: 40}}, sde.VE{SigmaMin: 0.02, SigmaMax: 40},
		sde.VP{BetaMin: 0.1, BetaMax: 20}, sde.SubVP{BetaMin: 0.1, BetaMax: 20},
	}
	for name, b := range backendtest.All(t) {
		for k, from := range cycle {
			if backend.OnDevice(b) && k != 1 {
				continue // each pair compiles
			}
			to := cycle[(k+1)%len(cycle)]
			f, err := Translate(Exact(law, from).Score(), from, to)
			if err != nil {
				t.Fatal(err)
			}
			x, sigmas := mat.NewDense(len(ts), 2, nil), make([]float64, len(ts))
			for i, at := range ts {
				alpha, sigma := sde.At(to, at)
				x.SetRow(i, law.Noised(alpha, sigma).Sample(rng, 1).RawRowView(0))
				sigmas[i] = sigma
			}
			for dtype, tol := range map[dtypes.DType]float64{dtypes.Float64: 2e-6, dtypes.Float32: 2e-3} {
				out, err := CallOnceN(b, func(x, ts *Node) []*Node {
					x, ts = ConvertDType(x, dtype), ConvertDType(ts, dtype)
					last := f(x, SliceAxis(ts, 0, AxisElem(2))) // row 2 is at this time
					return []*Node{ConvertDType(f(x, ts), dtypes.Float64), ConvertDType(last, dtypes.Float64), ConvertDType(Exact(law, to).Score()(x, ts), dtypes.Float64)}
				}, rows(x), ts)
				if err != nil {
					t.Fatal(err)
				}
				each, last, want := tensors.MustCopyFlatData[float64](out[0]), tensors.MustCopyFlatData[float64](out[1]), tensors.MustCopyFlatData[float64](out[2])
				for i := range want {
					scale := tol * (1/sigmas[i/2] + math.Abs(want[i]))
					if math.Abs(each[i]-want[i]) > scale || i/2 == 2 && math.Abs(last[i]-want[i]) > scale {
						t.Errorf("%s, %s to %s at t = %g, %s: %g and %g, want %g", name, from, to, ts[i/2], dtype, each[i], last[i], want[i])
					}
				}
			}
		}
	}
}

// TestNoiseTable: the inverse has the relative error that its documentation says, at times between its own.
func TestNoiseTable(t *testing.T) {
	for _, s := range sde.All() {
		table, err := newNoiseTable(s)
		if err != nil {
			t.Fatal(err)
		}
		span, rng := s.Span(), rand.New(rand.NewPCG(2, 0))
		ts := make([]float64, 200)
		for i := range ts {
			ts[i] = span.Eps * math.Pow(span.T/span.Eps, rng.Float64())
		}
		ts[0], ts[1] = span.Eps, span.T
		rows, err := sde.Table(s, ts)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range ts {
			position := (math.Log(rows.Sigma[i]/rows.Alpha[i]) - table.first) / table.step
			cell := min(max(int(position), 0), noiseCells-1)
			got := table.times[cell] + (position-float64(cell))*(table.times[cell+1]-table.times[cell])
			if math.Abs(got-want) > 1e-6*want {
				t.Errorf("%s: time %g came back as %g", s, want, got)
			}
		}
	}
}

// TestTranslateRefuses names what cannot be translated.
func TestTranslateRefuses(t *testing.T) {
	s := sde.VP{BetaMin: 0.1, BetaMax: 20}
	f := Exact(dist.FourGaussians(), s).Score()
	if _, err := Translate(nil, s, s); err == nil {
		t.Error("no score was translated")
	}
	if _, err := Translate(f, sde.VE{SigmaMin: 2, SigmaMax: 1}, s); err == nil {
		t.Error("a falling noise was inverted")
	}
	if _, err := Translate(f, s, nil); err == nil {
		t.Error("no process was accepted")
	}
}
