package control

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/noise"
)

// sizes of groups: powers of 2, odd ones and one below 2^10.
var sizes = []int{2, 3, 7, 64, 1000}

// drawn calls systematic once on weights [G, K].
func drawn(t *testing.T, b compute.Backend, weights *mat.Dense, dtype dtypes.DType) func(seed int64) []int32 {
	t.Helper()
	exec := MustNewExec(b, func(key, w *Node) *Node { return systematic(noise.At(key, nil), w) })
	t.Cleanup(exec.Finalize)
	w := host.Tensor(weights, dtype)
	return func(seed int64) []int32 {
		out, err := exec.Call1(noise.Key(seed, 0), w)
		if err != nil {
			t.Fatal(err)
		}
		return tensors.MustCopyFlatData[int32](out)
	}
}

// weightsOf are groups of very different kinds: even, one particle alone, sparse, with ties, over many magnitudes, and
// with the last third dead.
func weightsOf(rng *rand.Rand, k int) *mat.Dense {
	kinds := []func(j int) float64{
		func(int) float64 { return 1 },
		func(j int) float64 { return float64(1 - min(1, max(j-k/2, k/2-j))) },
		func(int) float64 { return max(0, rng.Float64()-0.7) },
		func(j int) float64 { return float64(1 + j%2) },
		func(int) float64 { return math.Exp(5 * rng.NormFloat64()) },
		func(j int) float64 {
			if 3*j > 2*k {
				return 0
			}
			return rng.ExpFloat64()
		},
	}
	out := mat.NewDense(len(kinds), k, nil)
	for g, kind := range kinds {
		row := out.RawRowView(g)
		total := 0.0
		for j := range row {
			row[j] = kind(j)
			total += row[j]
		}
		if total == 0 {
			row[0], total = 1, 1
		}
		for j := range row {
			row[j] /= total
		}
	}
	return out
}

// TestRunningSum: against the host's sums.
func TestRunningSum(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, k := range sizes {
			x := normals(source(1), 3, k)
			want := mat.DenseCopyOf(x)
			for g := range 3 {
				for j := 1; j < k; j++ {
					want.Set(g, j, want.At(g, j)+want.At(g, j-1))
				}
			}
			got := eval(t, b, func(x, _ *Node) *Node { return runningSum(x) })(x, 0)[0]
			wantClose(t, fmt.Sprintf("%s, K = %d", name, k), got, want, 1e-12)
		}
	}
}

// TestFirstAbove: against a linear search, with zero weights, ties of sum and value, values below all and above all.
func TestFirstAbove(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, k := range sizes {
			rng := source(uint64(k))
			sums, values := mat.NewDense(4, k, nil), mat.NewDense(4, k, nil)
			for g := range 4 {
				total := 0.0
				for j := range k {
					total += float64(rng.IntN(3)) / 4 // exact, with many zeros
					sums.Set(g, j, total)
				}
				for j := range k {
					values.Set(g, j, float64(rng.IntN(2*k+4)-2)/4)
				}
				values.Set(g, 0, sums.At(g, rng.IntN(k)))
				values.Set(g, k-1, []float64{-1, 0, total, total + 1}[g])
			}
			exec := MustNewExec(b, firstAbove)
			got := tensors.MustCopyFlatData[int32](exec.MustCall1(host.Tensor(sums, dtypes.Float64), host.Tensor(values, dtypes.Float64)))
			exec.Finalize()
			for g := range 4 {
				for j := range k {
					want := slices.IndexFunc(sums.RawRowView(g), func(s float64) bool { return s > values.At(g, j) })
					if want < 0 {
						want = k - 1
					}
					if int(got[g*k+j]) != want {
						t.Errorf("%s, K = %d: value %g is first exceeded at %d, want %d", name, k, values.At(g, j), got[g*k+j], want)
					}
				}
			}
		}
	}
}

// TestSystematic: each particle is drawn K w times, rounded up or down, K w on average; dead particles never, although
// sums of float32 weights round, and ancestors rise.
func TestSystematic(t *testing.T) {
	const repeats = 100
	for name, b := range backendtest.All(t) {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			for _, k := range sizes {
				weights := weightsOf(source(uint64(k)), k)
				groups, _ := weights.Dims()
				draw := drawn(t, b, weights, dtype)
				mean := mat.NewDense(groups, k, nil)
				for seed := range repeats {
					ancestors := draw(int64(seed))
					counts := mat.NewDense(groups, k, nil)
					for i, j := range ancestors {
						g := i / k
						counts.Set(g, int(j), counts.At(g, int(j))+1)
						if i%k > 0 && j < ancestors[i-1] {
							t.Fatalf("%s %s, K = %d: ancestors of group %d fall", name, dtype, k, g)
						}
					}
					for g := range groups {
						for j, w := range weights.RawRowView(g) {
							c, exact := counts.At(g, j), float64(k)*w
							rounding := 1e-5 * float64(k)
							if w == 0 && c > 0 || c < math.Floor(exact-rounding) || c > math.Ceil(exact+rounding) {
								t.Errorf("%s %s, K = %d, group %d: particle %d of K w = %g drawn %g times", name, dtype, k, g, j, exact, c)
							}
							mean.Set(g, j, mean.At(g, j)+c/repeats)
						}
					}
				}
				if t.Failed() {
					return
				}
				for g := range groups {
					for j, w := range weights.RawRowView(g) {
						exact := float64(k) * w
						part := exact - math.Floor(exact)
						tolerance := 5*math.Sqrt(part*(1-part)/repeats) + 4.0/repeats // the last for rare draws, which are not normal
						closeTo(t, fmt.Sprintf("%s %s, K = %d, group %d: mean draws of particle %d", name, dtype, k, g, j), mean.At(g, j), exact, tolerance)
					}
				}
			}
		}
	}
}
