package sde

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// relatives are processes of one form each: one row of a batch for every one of them.
func relatives() [][]SDE {
	return [][]SDE{
		{VE{SigmaMin: 0.01, SigmaMax: 50}, VE{SigmaMin: 0.02, SigmaMax: 4, Times: Span{1e-4, 1}}, VE{SigmaMin: 0.013, SigmaMax: 7.7}},
		{VE{SigmaMin: 0.01, SigmaMax: 50, CleanStart: true}, VE{SigmaMin: 0.02, SigmaMax: 4, CleanStart: true}},
		{VP{BetaMin: 0.1, BetaMax: 20}, VP{BetaMin: 0.17, BetaMax: 13.3}, VP{BetaMin: 0, BetaMax: 1, Times: Span{0.1, 2}}},
		{SubVP{BetaMin: 0.1, BetaMax: 20}, SubVP{BetaMin: 0.17, BetaMax: 13.3}},
		{OU1(), OUHalf(), OU{Rate: 0.37, Times: Span{0.01, 3}}},
		{VETutorial{Base: 25}, VETutorial{Base: 7.3}},
		{Brownian{}, Brownian{Times: Span{0.01, 9}}},
		{EDM{}, EDM{Times: Span{0.01, 20}}},
	}
}

// TestNumbers: a batch whose rows belong to different processes of one form has in every row what that process alone has,
// to rounding, for times of the batch and for one time of all.
func TestNumbers(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			tolerance := 1e-14
			if dtype == dtypes.Float32 {
				tolerance = 2e-6
			} else if backend.OnDevice(b) {
				continue // compiling takes long
			}
			for _, family := range relatives() {
				table, ts, want := rows(t, family)
				out, err := CallOnceN(b, func(table, ts *Node) []*Node {
					table, ts = ConvertDType(table, dtype), ConvertDType(ts, dtype)
					p, err := WithNumbers(family[0], func(k int, like *Node) *Node {
						if like.DType() != dtype {
							t.Errorf("number %d is wanted as %s, the times are %s", k, like.DType(), dtype)
						}
						return Reshape(SliceAxis(table, 0, AxisElem(k)), len(family))
					})
					if err != nil {
						panic(err)
					}
					one := SliceAxis(ts, 0, AxisElem(0))
					all := []*Node{
						p.Alpha(ts), p.Sigma(ts), p.Drift(ts), p.Diffusion(ts),
						Add(p.Alpha(one), ZerosLike(ts)), Add(p.Sigma(one), ZerosLike(ts)),
						Add(p.Drift(one), ZerosLike(ts)), Add(p.Diffusion(one), ZerosLike(ts)),
						p.Spread(ConstAs(ts, 0.25)), p.Prior(ts),
					}
					for k := range all {
						all[k] = ConvertDType(all[k], dtypes.Float64)
					}
					return all
				}, table, ts)
				if err != nil {
					t.Fatalf("%s %s: %v", name, family[0], err)
				}
				for k, column := range want {
					got := tensors.MustCopyFlatData[float64](out[k])
					for i, s := range family {
						if !(math.Abs(got[i]-column[i]) <= tolerance*math.Abs(column[i])) {
							t.Errorf("%s %s: function %d of %s is %.9g, want %.9g", name, dtype, k, s, got[i], column[i])
						}
					}
				}
			}
		}
	}
}

// rows are the numbers of a family, [numbers][members], a time for each, and what TestNumbers wants.
func rows(t *testing.T, family []SDE) (table [][]float64, ts []float64, want [10][]float64) {
	t.Helper()
	for i, s := range family {
		form, numbers, ok := Numbers(s)
		if first, _, _ := Numbers(family[0]); !ok || form != first {
			t.Fatalf("%s is of form %q, want %q", s, form, first)
		}
		span := s.Span()
		for k, v := range numbers {
			if i == 0 {
				table = append(table, nil)
			}
			table[k] = append(table[k], v)
		}
		ts = append(ts, span.Eps+0.3*(span.T-span.Eps))
		for half, at := range []float64{ts[i], ts[0]} {
			v, err := Table(s, []float64{at})
			if err != nil {
				t.Fatal(err)
			}
			for k, value := range []float64{v.Alpha[0], v.Sigma[0], v.Drift[0], v.Diffusion[0]} {
				want[4*half+k] = append(want[4*half+k], value)
			}
		}
		want[8] = append(want[8], span.Eps+0.25*(span.T-span.Eps))
		want[9] = append(want[9], s.PriorStd())
	}
	return table, ts, want
}

// TestForms: different formulas never share a form, and processes of one form have as many numbers.
func TestForms(t *testing.T) {
	size := map[string]int{}
	for _, s := range slices.Concat(relatives()...) {
		form, numbers, ok := Numbers(s)
		if !ok {
			t.Fatalf("%s has no form", s)
		}
		if n, known := size[form]; known && n != len(numbers) {
			t.Errorf("%s: %d numbers, others of form %q have %d", s, len(numbers), form, n)
		}
		size[form] = len(numbers)
	}
	if len(size) != len(relatives()) {
		t.Errorf("%d forms of %d kinds of process", len(size), len(relatives()))
	}
	cosine := Cosine{Offset: DefaultOffset, MaxRate: DefaultMaxRate}
	if _, _, ok := Numbers(cosine); ok {
		t.Error("the cosine process has a form, whose numbers nobody gave")
	}
	if _, err := WithNumbers(cosine, nil); err == nil || !strings.Contains(err.Error(), "cosine") {
		t.Errorf("error %v, want one that names the process", err)
	}
}
