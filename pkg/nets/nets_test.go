package nets

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/score"
)

var (
	plain      = Embedding{}
	fourier    = Embedding{Kind: Fourier, Features: 8, Scale: 0.5}
	positional = Embedding{Kind: Positional, Features: 6, Scale: 3}
)

func seeded(t *testing.T) *model.Store {
	t.Helper()
	s := model.NewStore()
	if err := s.SetRNGStateFromSeed(11); err != nil {
		t.Fatal(err)
	}
	return s
}

func apply(t *testing.T, m MLP, store *model.Store, x [][]float64, noise []float64) (*tensors.Tensor, error) {
	t.Helper()
	exec, err := model.NewExec(backend.Go(), store, func(scope *model.Scope, x, noise *Node) *Node {
		return m.Apply(scope, score.Inputs{X: x, Level: noise})
	})
	if err != nil {
		t.Fatal(err)
	}
	return exec.Call1(x, noise)
}

// TestMLPShapes: one output row per input row, of the width asked for; one noise level is the same as B copies of it; a
// row does not see the others; the noise level matters.
func TestMLPShapes(t *testing.T) {
	x := [][]float64{{1, 2, 3}, {-1, 0, 1}, {0.5, 0.5, -0.5}, {4, -4, 2}}
	for _, e := range []Embedding{plain, fourier, positional} {
		for _, m := range []MLP{{Width: 5, Depth: 1}, {Width: 7, Depth: 3}, {Width: 4, Depth: 2, Output: 1}, {Width: 4, Depth: 2, Output: 9}} {
			m.Embed = e
			store := seeded(t)
			call := func(x [][]float64, noise ...float64) []float64 {
				y, err := apply(t, m, store, x, noise)
				if err != nil {
					t.Fatalf("%s: %v", m, err)
				}
				width := m.Output
				if width == 0 {
					width = 3
				}
				if s := y.Shape(); s.Rank() != 2 || s.Dim(0) != len(x) || s.Dim(1) != width || s.DType != dtypes.Float64 {
					t.Fatalf("%s: output %s", m, s)
				}
				return tensors.MustCopyFlatData[float64](y)
			}
			one := call(x, 0.3)
			parameters := store.NumParameters()
			close(t, m, one, call(x, 0.3, 0.3, 0.3, 0.3))
			last := call(x[3:], 0.3)
			close(t, m, one[len(one)-len(last):], last)
			mixed := call(x, 0.3, 0.9, 0.3, 0.3)
			width := len(last)
			close(t, m, one[:width], mixed[:width])
			if math.Abs(one[width]-mixed[width]) < 1e-9 {
				t.Errorf("%s: the noise level does not matter", m)
			}
			if store.NumParameters() != parameters {
				t.Errorf("%s: another batch made other weights", m)
			}
			output, features := width, 1
			if e.Kind != Plain {
				features = e.Features
			}
			const state = 3 // of the random generator
			want := (3+1)*m.Width + features*m.Width + (m.Depth-1)*(m.Width+1)*m.Width + (m.Width+1)*output + state
			if parameters != want {
				t.Errorf("%s: %d parameters, want %d", m, parameters, want)
			}
		}
	}
}

func close(t *testing.T, what any, a, b []float64) {
	t.Helper()
	for k := range a {
		if !(math.Abs(a[k]-b[k]) < 1e-12) {
			t.Errorf("%s: value %d is %g and %g", what, k, a[k], b[k])
		}
	}
}

// TestGradients compares the gradient by the weights, by x and by the noise level to central differences along a random
// direction, in float64. The network is evaluated at shifted arguments inside the graph.
func TestGradients(t *testing.T) {
	for _, b := range backendtest.All(t) {
		for _, e := range []Embedding{plain, fourier, positional} {
			if backend.OnDevice(b) && e.Kind != Fourier {
				continue // it compiles for seconds
			}
			m := MLP{Width: 6, Depth: 2, Embed: e}
			store := seeded(t)
			x, noise := [][]float64{{1, -2}, {0.3, 0.5}, {-1, 1}}, []float64{-1, 0.2, 0.9}
			loss := func(scope *model.Scope, x, noise *Node) *Node {
				return ReduceAllSum(Square(m.Apply(scope, score.Inputs{X: x, Level: noise})))
			}
			if _, err := model.CallOnce(b, store, loss, x, noise); err != nil { // creates the weights
				t.Fatal(err)
			}
			out, err := model.CallOnceN(b, store, func(scope *model.Scope, x, noise *Node) []*Node {
				return directional(scope, loss, x, noise)
			}, x, noise)
			if err != nil {
				t.Fatal(err)
			}
			for k := 0; k < len(out); k += 2 {
				auto, finite := tensors.ToScalar[float64](out[k]), tensors.ToScalar[float64](out[k+1])
				if !(math.Abs(auto-finite) <= 1e-6*(1+math.Abs(auto))) || auto == 0 {
					t.Errorf("%s %s: derivative %d is %.9g, by differences %.9g", b.Name(), m, k/2, auto, finite)
				}
			}
		}
	}
}

// directional returns pairs of derivatives along fixed directions, by Gradient and by central differences, for all
// float variables, x and noise.
func directional(scope *model.Scope, loss func(scope *model.Scope, x, noise *Node) *Node, x, noise *Node) []*Node {
	const h = 1e-4
	g := x.Graph()
	direction := func(n *Node) *Node { // spread over both signs, without structure
		return Sin(AddScalar(MulScalar(IotaFull(g, n.Shape()), 1.7), 0.3))
	}
	var pairs []*Node
	compare := func(n *Node, at func(n *Node) *Node) {
		d := direction(n)
		auto := ReduceAllSum(Mul(Gradient(at(n), n)[0], d))
		step := MulScalar(d, h)
		finite := DivScalar(Sub(at(Add(n, step)), at(Sub(n, step))), 2*h)
		pairs = append(pairs, auto, finite)
	}
	compare(x, func(x *Node) *Node { return loss(scope.Store().RootScope(), x, noise) })
	compare(noise, func(noise *Node) *Node { return loss(scope.Store().RootScope(), x, noise) })
	for v := range scope.Store().IterVariables() {
		if v.Shape().DType != dtypes.Float64 {
			continue
		}
		value := v.NodeValue(g)
		compare(value, func(n *Node) *Node {
			v.SetNodeValue(n)
			defer v.SetNodeValue(value)
			return loss(scope.Store().RootScope(), x, noise)
		})
	}
	return pairs
}

// TestFrequencies: Fourier frequencies follow |N(0, (2 pi Scale)^2)|, positional ones fall from Scale in equal ratios
// towards Scale/10000.
func TestFrequencies(t *testing.T) {
	e := Embedding{Kind: Fourier, Features: 2000, Scale: 16}
	w := e.Frequencies()
	square, median := 0.0, w[len(w)/2]/(2*math.Pi*e.Scale)
	for k, v := range w {
		square += v * v / float64(len(w)) / math.Pow(2*math.Pi*e.Scale, 2)
		if !(v > 0) || k > 0 && !(v > w[k-1]) {
			t.Fatalf("frequency %d is %g", k, v)
		}
	}
	if len(w) != 1000 || math.Abs(square-1) > 0.01 || math.Abs(median-0.6745) > 2e-3 {
		t.Errorf("%d frequencies of mean square %g and median %g, want 1000, 1 and 0.6745", len(w), square, median)
	}
	p := Embedding{Kind: Positional, Features: 8, Scale: 1000}
	for k, want := range []float64{1000, 100, 10, 1} {
		if got := p.Frequencies()[k]; math.Abs(got-want) > 1e-9*want {
			t.Errorf("positional frequency %d is %g, want %g", k, got, want)
		}
	}
}

func TestFeatures(t *testing.T) {
	c := []float64{-0.7, 0, 2.5}
	for _, b := range backendtest.All(t) {
		for _, e := range []Embedding{plain, fourier, positional, {Kind: Own, Own: []float64{0.3, 2, 7}}} {
			y, err := CallOnce(b, e.Apply, c)
			if err != nil {
				t.Fatal(err)
			}
			got, w := y.Value().([][]float64), e.Frequencies()
			for i, ci := range c {
				want := []float64{ci}
				if e.Kind != Plain {
					want = nil
					for _, f := range []func(float64) float64{math.Cos, math.Sin} {
						for _, wk := range w {
							want = append(want, f(wk*ci))
						}
					}
				}
				if len(got[i]) != len(want) {
					t.Fatalf("%s: %d features, want %d", e, len(got[i]), len(want))
				}
				for k := range want {
					if math.Abs(got[i][k]-want[k]) > 1e-12 {
						t.Errorf("%s %s: feature %d of %g is %g, want %g", b.Name(), e, k, ci, got[i][k], want[k])
					}
				}
			}
		}
	}
}

func TestBadSizes(t *testing.T) {
	ok := MLP{Width: 4, Depth: 1}
	for _, m := range []MLP{
		{}, {Width: 4}, {Depth: 1}, {Width: -1, Depth: 1}, {Width: 4, Depth: -1}, {Width: 4, Depth: 1, Output: -1},
		{Width: 4, Depth: 1, Embed: Embedding{Kind: Fourier}},
		{Width: 4, Depth: 1, Embed: Embedding{Kind: Fourier, Features: 7, Scale: 1}},
		{Width: 4, Depth: 1, Embed: Embedding{Kind: Positional, Features: 8}},
		{Width: 4, Depth: 1, Embed: Embedding{Kind: Positional, Features: 8, Scale: -1}},
		{Width: 4, Depth: 1, Embed: Embedding{Kind: Positional, Features: 8, Scale: math.NaN()}},
		{Width: 4, Depth: 1, Embed: Embedding{Kind: Positional, Features: 8, Scale: math.Inf(1)}},
		{Width: 4, Depth: 1, Embed: Embedding{Kind: Own}},
		{Width: 4, Depth: 1, Embed: Embedding{Kind: Own, Own: []float64{1, math.Inf(1)}}},
		{Width: 4, Depth: 1, Embed: Embedding{Kind: 9}},
	} {
		if m.Validate() == nil {
			t.Errorf("%+v was accepted", m)
		}
		if _, err := apply(t, m, seeded(t), [][]float64{{1, 2}}, []float64{1}); err == nil || !strings.Contains(err.Error(), "nets:") {
			t.Errorf("%+v: applying it gave %v", m, err)
		}
	}
	for name, noise := range map[string][]float64{"too few": {1, 2}, "too many": {1, 2, 3, 4}} {
		if _, err := apply(t, ok, seeded(t), [][]float64{{1, 2}, {3, 4}, {5, 6}}, noise); err == nil || !strings.Contains(err.Error(), "Level") {
			t.Errorf("%s noise levels: %v", name, err)
		}
	}
}

// TestExamplesOfAnyShape: pictures enter as the vectors of their numbers and come back as pictures, and a condition of any
// shape stands beside them.
func TestExamplesOfAnyShape(t *testing.T) {
	flat := MLP{Width: 4, Depth: 2}
	exec, err := model.NewExec(backend.Go(), seeded(t), func(scope *model.Scope, x, given, level *Node) []*Node {
		y := flat.Apply(scope, score.Inputs{X: x, Given: given, Level: level})
		pictures := score.Inputs{X: Reshape(x, 3, 2, 2, 1), Given: Reshape(given, 3, 1, 2), Level: level}
		other := flat.Apply(scope, pictures)
		if want := []int{3, 2, 2, 1}; !slices.Equal(other.Shape().Dimensions, want) {
			t.Errorf("pictures come back as %s, want %v", other.Shape(), want)
		}
		return []*Node{ReduceAllMax(Abs(Sub(y, Reshape(other, 3, 4)))), ReduceAllMax(Abs(y))}
	})
	if err != nil {
		t.Fatal(err)
	}
	x, given := [][]float64{{1, 2, 3, 4}, {-1, 0, 1, 0}, {0, 2, 0, -2}}, [][]float64{{1, 0}, {0, 1}, {1, 1}}
	out := exec.MustCall(x, given, []float64{0.5})
	if gap, size := tensors.ToScalar[float64](out[0]), tensors.ToScalar[float64](out[1]); gap != 0 || !(size > 0) {
		t.Errorf("pictures differ from vectors by %g of %g", gap, size)
	}
}

// TestNames: the name of a network holds all its parameters, because runs are told apart by it.
func TestNames(t *testing.T) {
	names := map[string]bool{}
	for _, w := range []int{4, 5} {
		for _, d := range []int{1, 2} {
			for _, o := range []int{0, 1} {
				for _, e := range []Embedding{plain, fourier, positional, {Kind: Fourier, Features: 10, Scale: 0.5}, {Kind: Fourier, Features: 8, Scale: 0.25}} {
					names[fmt.Sprint(MLP{w, d, e, o})] = true
				}
			}
		}
	}
	if len(names) != 40 {
		t.Errorf("40 networks have %d names", len(names))
	}
}
