package sampler

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/sde"
)

// job is what Run takes; each bad input changes one thing in a good one.
type job struct {
	b compute.Backend
	p Problem
	m Method
	s Settings
}

func goodJob() *job {
	return &job{backend.Go(), newTarget(2, 0.3).problem(vp, 4), PC{Predictor: EulerMaruyama{}}, Settings{Steps: 3}}
}

func fixed(ts ...float64) Schedule { return func(int, sde.Span) []float64 { return ts } }

// TestBadInputs: every one is refused with an error that names it, before the score is evaluated.
func TestBadInputs(t *testing.T) {
	for want, spoil := range map[string]func(j *job){
		"no backend":                  func(j *job) { j.b = nil },
		"Problem.SDE":                 func(j *job) { j.p.SDE = nil },
		"SigmaMin 4, SigmaMax 0.01":   func(j *job) { j.p.SDE = sde.VE{SigmaMin: 4, SigmaMax: 0.01} },
		"SigmaMin -1, SigmaMax 4":     func(j *job) { j.p.SDE = sde.VE{SigmaMin: -1, SigmaMax: 4} },
		"Eps 1, T 1":                  func(j *job) { j.p.SDE = sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{Eps: 1, T: 1}} },
		"Eps 2, T 1":                  func(j *job) { j.p.SDE = sde.OU{Rate: 1, Times: sde.Span{Eps: 2, T: 1}} },
		"BetaMin 20, BetaMax 0.1":     func(j *job) { j.p.SDE = sde.VP{BetaMin: 20, BetaMax: 0.1} },
		"Problem.Score":               func(j *job) { j.p.Score = nil },
		"N = 0":                       func(j *job) { j.p.N = 0 },
		"N = -1":                      func(j *job) { j.p.N = -1 },
		"Shape = []":                  func(j *job) { j.p.Shape = nil },
		"Shape = [2 0]":               func(j *job) { j.p.Shape = []int{2, 0} },
		"Problem.DType = Int32":       func(j *job) { j.p.DType = dtypes.Int32 },
		"no method":                   func(j *job) { j.m = nil },
		"neither predictor":           func(j *job) { j.m = PC{} },
		"Corrections = -1":            func(j *job) { j.m = PC{Predictor: EulerMaruyama{}, Corrections: -1} },
		"SNR = 0":                     func(j *job) { j.m = PC{Corrector: Langevin{0, Expected}} },
		"SNR = -0.1":                  func(j *job) { j.m = PC{Corrector: Langevin{-0.1, Expected}} },
		"SNR = NaN":                   func(j *job) { j.m = PC{Corrector: Langevin{math.NaN(), Expected}} },
		"SNR = +Inf":                  func(j *job) { j.m = PC{Corrector: Langevin{math.Inf(1), Expected}} },
		"Langevin.Norm = 9":           func(j *job) { j.m = PC{Corrector: Langevin{0.1, 9}} },
		"Steps = 0":                   func(j *job) { j.s.Steps = 0 },
		"Steps = -2":                  func(j *job) { j.s.Steps = -2 },
		"3 times for 3 steps, want 4": func(j *job) { j.s.Schedule = fixed(1, 0.5, 0.1) },
		"time 2 of the schedule":      func(j *job) { j.s.Schedule = fixed(1, 0.5, 0.6, 0.1) },
		"time 1 of the schedule":      func(j *job) { j.s.Schedule = fixed(1, 1, 0.6, 0.1) },
		"time 3 of the schedule is 0": func(j *job) { j.s.Schedule = fixed(1, 0.9, 0.6, 0) },
		"schedule is 1.5":             func(j *job) { j.s.Schedule = fixed(1.5, 0.9, 0.6, 0.1) },
		"schedule is NaN":             func(j *job) { j.s.Schedule = fixed(1, math.NaN(), 0.6, 0.1) },
		"snapshot at t = 2":           func(j *job) { j.s.Snapshots = []float64{0.5, 2} },
		"snapshot at t = 0 ":          func(j *job) { j.s.Snapshots = []float64{0} },
		"snapshot at t = NaN":         func(j *job) { j.s.Snapshots = []float64{math.NaN()} },
		"Settings.Init row 2, column 1 is NaN": func(j *job) {
			start := mat.NewDense(4, 2, nil)
			start.Set(2, 1, math.NaN())
			j.s.Init = Tensor(start, dtypes.Float32)
		},
		"Corrections = 2 without": func(j *job) { j.m = PC{Predictor: EulerMaruyama{}, Corrections: 2} },
		"Settings.Init has shape (Float32)[1, 2], want (Float32)[4, 2]": func(j *job) { j.s.Init = tensors.FromValue([][]float32{{1, 2}}) },
		"Settings.Init has shape (Float64)[4, 2], want (Float32)[4, 2]": func(j *job) { j.s.Init = Tensor(mat.NewDense(4, 2, nil), dtypes.Float64) },
		"Settings.Init has shape (Float32)[4, 2, 1], want (Float32)[4, 2]": func(j *job) {
			j.s.Init = tensors.FromValue([][][]float32{{{1}, {2}}, {{1}, {2}}, {{1}, {2}}, {{1}, {2}}})
		},
	} {
		j := goodJob()
		called := false
		exact := j.p.Score
		j.p.Score = func(x, t *Node) *Node { called = true; return exact(x, t) }
		spoil(j)
		r, err := Run(context.Background(), j.b, j.p, j.m, j.s)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
		if called || r != nil {
			t.Errorf("%q: work started before the check", want)
		}
	}
}

// TestBadScores: what the score does wrong is an error too, and names the trouble.
func TestBadScores(t *testing.T) {
	for want, f := range map[string]func(x, t *Node) *Node{
		"a sentence": func(_, _ *Node) *Node { panic("a sentence") },
		"a cause":    func(_, _ *Node) *Node { panic(errors.New("a cause")) },
		"shape":      func(x, _ *Node) *Node { return Concatenate([]*Node{x, x}, 1) },
	} {
		for name, b := range backendtest.All(t) {
			j := goodJob()
			j.p.Score = f
			if _, err := Run(context.Background(), b, j.p, j.m, j.s); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got error %v, want one with %q", name, err, want)
			}
		}
	}
}

// TestBadData covers the inputs of Algorithms 1 and 2.
func TestBadData(t *testing.T) {
	ctx := context.Background()
	bad := mat.NewDense(3, 2, nil)
	bad.Set(2, 1, math.NaN())
	far := mat.NewDense(3, 2, nil)
	far.Set(1, 0, math.Inf(-1))
	data := mat.NewDense(3, 2, nil)
	for _, c := range []struct {
		want  string
		data  mat.Matrix
		s     sde.SDE
		steps int
	}{
		{"no data", nil, vp, 3},
		{"no data", (*mat.Dense)(nil), vp, 3},
		{"data is 0 x 0", &mat.Dense{}, vp, 3},
		{"data row 2, column 1 is NaN", bad, vp, 3},
		{"data row 1, column 0 is -Inf", far, vp, 3},
		{"Problem.SDE", data, nil, 3},
		{"Steps = 0", data, vp, 0},
	} {
		if _, err := Forward(ctx, backend.Go(), c.data, c.s, Settings{Steps: c.steps}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Forward: got error %v, want one with %q", err, c.want)
		}
	}
	if _, err := Forward(ctx, nil, data, vp, Settings{Steps: 3}); err == nil || !strings.Contains(err.Error(), "backend") {
		t.Errorf("Forward: got error %v, want one about the backend", err)
	}
	for _, c := range []struct {
		want string
		q    Prior
	}{
		{"no prior q", nil},
		{"drew [4, 3], want [4, 2] for 4 samples of the shape [2]", newTarget(3, 1).law()},
		{"start row 2, column 1 is NaN", Empirical{broken()}},
	} {
		j := goodJob()
		if _, err := Backward(ctx, j.b, j.p, c.q, j.m, j.s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Backward: got error %v, want one with %q", err, c.want)
		}
	}
}

// broken is a law's sample of which one point in four is not a number; Empirical with one source draws it as row 2.
func broken() *mat.Dense {
	bad := mat.NewDense(4, 2, nil)
	order := source(0)
	for i := range 4 {
		if k := order.IntN(4); i == 2 {
			bad.Set(k, 1, math.NaN())
		}
	}
	return bad
}

// TestNonFinite injects NaN or infinity below some time: the run ends there and says where.
func TestNonFinite(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, value := range []float64{math.NaN(), math.Inf(1)} {
			for _, host := range []bool{false, true} {
				j := goodJob()
				exact := j.p.Score
				j.p.Score = func(x, t *Node) *Node {
					s := exact(x, t)
					late := BroadcastToDims(Reshape(LessThan(t, Const(x.Graph(), []float32{0.495})), 1, 1), x.Shape().Dimensions...)
					return Where(late, MulScalar(OnesLike(s), value), s)
				}
				lab := must(New(b, j.p))
				set := Settings{Steps: 100, HostLoop: host, Snapshots: []float64{0.9, 0.1}} // t_51 = 0.4905
				r, err := lab.Run(context.Background(), j.m, set)
				what := fmt.Sprintf("%s, host loop %t, %g", name, host, value)
				if err == nil || !strings.Contains(err.Error(), "after step 52 of 100") {
					t.Errorf("%s: got error %v, want one that names step 52", what, err)
				}
				if r == nil || r.Status != NonFinite || r.Step != 51 || r.NFE != 52 {
					t.Fatalf("%s: got %+v, want non-finite at step 51 after 52 evaluations", what, r)
				}
				if r.Snapshots[0].X == nil || r.Snapshots[1].X != nil {
					t.Errorf("%s: want the snapshot before the failure only", what)
				}
			}
		}
	}
}

// TestCancelled: a context that has ended, or ends during the run, stops it soon.
func TestCancelled(t *testing.T) {
	for name, b := range backendtest.All(t) {
		lab := must(New(b, newTarget(50, 0.3).problem(vp, 200)))
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		r, err := lab.Run(ended, usual, Settings{Steps: 10})
		if !errors.Is(err, context.Canceled) || r == nil || r.Status != Cancelled || r.Step != 0 || r.X == nil {
			t.Errorf("%s: got %+v, %v; want cancelled before the first step", name, r, err)
		}
		run(t, lab, usual, Settings{Steps: 2}) // compiles
		ctx, cancel := context.WithCancel(context.Background())
		began := time.Now()
		r, err = lab.Run(ctx, usual, Settings{Steps: 4000, Denoise: true, Progress: func(int, int, string) { cancel() }})
		if !errors.Is(err, context.Canceled) || r.Status != Cancelled || r.Step == 0 || r.Step >= 4000 {
			t.Errorf("%s: got status %s at step %d, %v; want cancelled on the way", name, r.Status, r.Step, err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s: took %s to stop", name, took)
		}
		if r.NFE != r.Step*usual.NFE() {
			t.Errorf("%s: %d evaluations in %d steps, want %d each", name, r.NFE, r.Step, usual.NFE())
		}
	}
}
