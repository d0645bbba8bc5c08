package objective

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestSpread: each row of times has the law of the sampler's own draws, and Stratified and Importance put one into every
// stratum, whatever the other rows hold.
func TestSpread(t *testing.T) {
	const members, n = 3, 4000
	s := sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	rng := rand.New(rand.NewPCG(3, 4))
	u := make([][]float64, members)
	for k := range u {
		u[k] = make([]float64, n)
		for i := range u[k] {
			u[k][i] = rng.Float64()
		}
	}
	samplers := []TimeSampler{Uniform{}, Stratified{}, Importance{}, edmTimes}
	own := draw(t, backend.Go(), s, dtypes.Float64, n, samplers...)
	for k, sampler := range samplers {
		out := MustExecOnceN(backend.Go(), func(u *Node) []*Node {
			at, weight := sampler.(Spreader).Spread(s, u)
			return []*Node{at, weight}
		}, u)
		ts, weights := wide(out[0]), wide(out[1])
		mean := func(d draws, f func(t, w float64) float64) (m, se float64) {
			var sum, squares float64
			for i := range d.t {
				v := f(d.t[i], d.weight[i])
				sum, squares = sum+v, squares+v*v
			}
			m = sum / n
			return m, math.Sqrt((squares/n - m*m) / n)
		}
		for row := range members {
			d := draws{ts[row*n : (row+1)*n], weights[row*n : (row+1)*n]}
			for p, f := range []func(t, w float64) float64{
				func(t, _ float64) float64 { return t },
				func(t, _ float64) float64 { return t * t },
				func(t, w float64) float64 { return w * t },
			} {
				got, se := mean(d, f)
				want, other := mean(own[k], f)
				if !(math.Abs(got-want) <= 5*math.Hypot(se, other)) {
					t.Errorf("%s, row %d: mean %d of the times is %g, want %g +- %g", sampler, row, p, got, want, math.Hypot(se, other))
				}
			}
			if sampler == (Stratified{}) {
				seen := map[int]bool{}
				for _, v := range d.t {
					seen[int((v-1e-5)/(1-1e-5)*n+1e-6)] = true
				}
				if len(seen) < n-1 {
					t.Errorf("row %d: times in %d of %d strata", row, len(seen), n)
				}
			}
		}
	}
}

// TestSpreadNumbered: members with spans of their own draw from these.
func TestSpreadNumbered(t *testing.T) {
	spans := []sde.Span{{Eps: 0.002, T: 80}, {Eps: 0.1, T: 3}}
	u := [][]float64{{0, 0.25, 0.5}, {0.1, 0.9, 0.999}}
	for _, sampler := range []Spreader{Uniform{}, Stratified{}} {
		out := MustExecOnceN(backend.Go(), func(u *Node) []*Node {
			p, err := sde.WithNumbers(sde.EDM{}, func(k int, like *Node) *Node {
				var rows []float64
				for _, span := range spans {
					v := []float64{span.Eps, span.T - span.Eps, span.T}[k]
					rows = append(rows, v, v, v)
				}
				return ConstAs(like, rows)
			})
			if err != nil {
				panic(err)
			}
			at, _ := sampler.Spread(p, u)
			return []*Node{at}
		}, u)
		got := wide(out[0])
		for i, v := range got {
			part := u[i/3][i%3]
			if sampler == (Stratified{}) {
				_, part = math.Modf(u[i/3][0] + float64(i%3)/3)
			}
			span := spans[i/3]
			if want := span.Eps + part*(span.T-span.Eps); math.Abs(v-want) > 1e-12*want {
				t.Errorf("%s: time %d is %g, want %g", sampler, i, v, want)
			}
		}
	}
}
