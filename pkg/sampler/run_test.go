package sampler

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

var (
	vp    = sde.VP{BetaMin: 0.1, BetaMax: 20}
	usual = PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{0.16, Expected}, Corrections: 2}
)

// TestSeeds: the same seed gives the same bits whatever was run in between and however the loop is cut; other seeds,
// zero and negative ones among them, give other samples.
func TestSeeds(t *testing.T) {
	for name, b := range backendtest.All(t) {
		lab := must(New(b, newTarget(3, 0.3).problem(vp, 50)))
		draw := func(seed int64, snapshots ...float64) []float64 {
			return flat(run(t, lab, usual, Settings{Steps: 40, Seed: seed, Snapshots: snapshots}).X)
		}
		want := draw(1)
		seen := [][]float64{want}
		for _, seed := range []int64{0, -1, 2, math.MaxInt64, math.MinInt64} {
			x := draw(seed)
			for _, other := range seen {
				if x[0] == other[0] || slices.Equal(x, other) {
					t.Errorf("%s: seed %d repeats the samples of another", name, seed)
				}
			}
			seen = append(seen, x)
		}
		if !slices.Equal(draw(1), want) {
			t.Errorf("%s: the same seed gave other samples the second time", name)
		}
		if !slices.Equal(draw(1, 0.9, 0.5, 0.1), want) {
			t.Errorf("%s: snapshots changed the samples", name)
		}
		fresh := must(Run(context.Background(), b, newTarget(3, 0.3).problem(vp, 50), usual, Settings{Steps: 40, Seed: 1}))
		if !slices.Equal(flat(fresh.X), want) {
			t.Errorf("%s: a second sampler gave other samples for the same seed", name)
		}
	}
}

// TestDeviceLoopEqualsHostLoop drives the same steps in both ways on XLA.
func TestDeviceLoopEqualsHostLoop(t *testing.T) {
	lab := must(New(xla(t), newTarget(3, 0.3).problem(vp, 200)))
	set := Settings{Steps: 60, Seed: 3, Snapshots: []float64{0.5}}
	device := run(t, lab, usual, set)
	set.HostLoop = true
	host := run(t, lab, usual, set)
	for k, want := range flat(host.X) {
		closeTo(t, "end", flat(device.X)[k], want, 1e-4)
	}
	for k, want := range flat(host.Snapshots[0].X) {
		closeTo(t, "snapshot", flat(device.Snapshots[0].X)[k], want, 1e-4)
	}
	if host.NFE != device.NFE {
		t.Errorf("NFE %d by the device, %d by the host", device.NFE, host.NFE)
	}
}

// TestOneBuild: neither steps, seed, schedule, knobs, start nor snapshots cause a compilation; another structure does.
func TestOneBuild(t *testing.T) {
	for name, b := range backendtest.All(t) {
		data := newTarget(2, 0.3)
		traced := 0
		p := data.problem(vp, 20)
		exact := p.Score
		p.Score = func(x, t *Node) *Node { traced++; return exact(x, t) }
		lab := must(New(b, p))
		with := func(snr float64) PC {
			return PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{snr, Expected}, Corrections: 2}
		}
		a := run(t, lab, with(0.16), Settings{Steps: 20})
		before := traced
		c := run(t, lab, with(0.3), Settings{Steps: 20})
		run(t, lab, with(0.1), Settings{Steps: 57, Seed: 8})
		run(t, lab, with(0.1), Settings{Steps: 1, Schedule: PowerSchedule(3)})
		run(t, lab, with(0.2), Settings{Steps: 700, Init: a.X, Snapshots: []float64{0.7, 0.2}})
		if lab.Builds() != 1 || traced != before {
			t.Errorf("%s: %d builds and %d new tracings, want 1 and 0", name, lab.Builds(), traced-before)
		}
		if slices.Equal(flat(a.X), flat(c.X)) {
			t.Errorf("%s: the SNR had no effect on the samples", name)
		}
		run(t, lab, PC{Predictor: ReverseDiffusion{}}, Settings{Steps: 5})
		if lab.Builds() != 2 {
			t.Errorf("%s: %d builds after a second method, want 2", name, lab.Builds())
		}
	}
}

// TestLongGrid: more steps than the padded grid holds; its next size serves twice as many.
func TestLongGrid(t *testing.T) {
	data := target{[]float64{0.5}, 0.3}
	lab := must(New(backend.Go(), data.problem(vp, 3)))
	r := run(t, lab, PC{Predictor: ReverseDiffusion{}}, Settings{Steps: 4100})
	if r.Step != 4100 || r.NFE != 4100 || len(r.Grid) != 4101 || r.Grid[4100] != vp.Span().Eps {
		t.Errorf("took %d steps, %d evaluations to t = %g", r.Step, r.NFE, r.Grid[len(r.Grid)-1])
	}
	if run(t, lab, PC{Predictor: ReverseDiffusion{}}, Settings{Steps: 4300}); lab.Builds() != 1 {
		t.Errorf("%d builds for 4100 and 4300 steps, want 1", lab.Builds())
	}
}

// TestNFE counts what a run reports.
func TestNFE(t *testing.T) {
	lab := must(New(backend.Go(), newTarget(2, 0.3).problem(vp, 4)))
	l := Langevin{0.16, Expected}
	for _, c := range []struct {
		m       PC
		denoise bool
		want    int
	}{
		{PC{Predictor: EulerMaruyama{}}, false, 7},
		{PC{Predictor: EulerMaruyama{}, Corrector: l}, false, 14},
		{PC{Predictor: Ancestral{}, Corrector: l, Corrections: 2}, true, 22},
		{PC{Corrector: l, Corrections: 3}, false, 21},
		{PC{Predictor: Ancestral{}, Corrector: l, CorrectorFirst: true}, false, 14},
	} {
		r := run(t, lab, c.m, Settings{Steps: 7, Denoise: c.denoise})
		if r.NFE != c.want || r.Step != 7 || r.Status != Done || r.Elapsed <= 0 {
			t.Errorf("%s: NFE %d, step %d, status %s, elapsed %s; want NFE %d, step 7, done", c.m, r.NFE, r.Step, r.Status, r.Elapsed, c.want)
		}
	}
}

// TestSnapshots: each is the state at the nearest time of the grid, in the order asked for.
func TestSnapshots(t *testing.T) {
	for name, b := range backendtest.All(t) {
		lab := must(New(b, newTarget(2, 0.3).problem(vp, 10)))
		times := []float64{1e-3, 0.5, 1, 0.26, 0.5}
		r := run(t, lab, usual, Settings{Steps: 20, Seed: 4, Snapshots: times})
		for k, snap := range r.Snapshots {
			best := slices.MinFunc(r.Grid, func(a, b float64) int {
				return int(math.Copysign(1, math.Abs(a-times[k])-math.Abs(b-times[k])))
			})
			if snap.T != best {
				t.Errorf("%s: snapshot for t = %g is of t = %g, want %g", name, times[k], snap.T, best)
			}
			// A run that stops there has the same state.
			cut := slices.Index(r.Grid, snap.T)
			want := flat(must(lab.start(Settings{Seed: 4})))
			if cut > 0 {
				short := func(int, sde.Span) []float64 { return r.Grid[:cut+1] }
				want = flat(run(t, lab, usual, Settings{Steps: cut, Seed: 4, Schedule: short}).X)
			}
			if !slices.Equal(flat(snap.X), want) {
				t.Errorf("%s: snapshot at t = %g is not the state of that time", name, snap.T)
			}
		}
	}
}

// TestSchedules compares to closed forms.
func TestSchedules(t *testing.T) {
	span := sde.Span{Eps: 0.002, T: 80}
	ts := PowerSchedule(7)(18, span)
	for i, got := range ts {
		want := math.Pow(math.Pow(80, 1.0/7)+float64(i)/18*(math.Pow(0.002, 1.0/7)-math.Pow(80, 1.0/7)), 7)
		closeTo(t, "Karras et al., eq 5", got, want, 1e-12*want)
	}
	uniform, power := UniformSchedule(10, span), PowerSchedule(1)(10, span)
	for i := range uniform {
		closeTo(t, "uniform", uniform[i], 80-float64(i)*7.9998, 1e-12*80)
		closeTo(t, "power 1", power[i], uniform[i], 1e-12*80)
	}
	if ts[0] != 80 || ts[18] != 0.002 || uniform[10] != 0.002 {
		t.Error("a schedule misses the ends of the span")
	}
}

// TestOrderOfParts: predictor then corrector is the paper's algorithm, the other order its code.
func TestOrderOfParts(t *testing.T) {
	for _, first := range []bool{false, true} {
		m := PC{Predictor: double{}, Corrector: addOne{}, Corrections: 3, CorrectorFirst: first}
		lab := must(New(backend.Go(), newTarget(1, 1).problem(vp, 1)))
		x := flat(run(t, lab, m, Settings{Steps: 1, Init: tensors.FromValue([][]float32{{5}})}).X)[0]
		want := map[bool]float64{false: 2*5 + 3, true: 2 * (5 + 3)}[first]
		if x != want {
			t.Errorf("%s: got %g, want %g", m, x, want)
		}
	}
	data := newTarget(32, 0.3)
	lab := must(New(backend.Go(), data.problem(vp, 400)))
	m := PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{0.3, BatchMean}, Corrections: 2, CorrectorFirst: true}
	r := run(t, lab, m, Settings{Steps: 10, Seed: 9})
	data.checkMoments(t, m.String(), r.Samples(), data.chain(vp, m, r.Grid, prior(vp)), 0)
}

type double struct{}

func (double) String() string { return "double" }
func (double) Key() any       { return double{} }
func (double) Order() Order   { return Order{} }
func (double) NFE() int       { return 0 }
func (double) Predict(_ *Problem, rng noise.Source, x, _, _ *Node) (next, mean *Node) {
	return Add(x, x), x
}

type addOne struct{}

func (addOne) String() string   { return "add one" }
func (addOne) Key() any         { return addOne{} }
func (addOne) Knobs() []float64 { return nil }
func (addOne) Validate() error  { return nil }
func (addOne) Correct(_ *Problem, rng noise.Source, x, _, _ *Node, _ []*Node) *Node {
	return Add(x, OnesLike(x))
}

// TestDenoise: the last state becomes the posterior mean of the data.
func TestDenoise(t *testing.T) {
	law := dist.FourGaussians()
	p := fourGaussians(100)
	for name, b := range backendtest.All(t) {
		lab := must(New(b, p))
		short := func(int, sde.Span) []float64 { return []float64{1, 0.7, 0.4} } // far from Eps, where it would hide
		set := Settings{Steps: 2, Schedule: short, Seed: 1}
		noisy := run(t, lab, PC{Predictor: ReverseDiffusion{}}, set)
		set.Denoise = true
		clean := flat(run(t, lab, PC{Predictor: ReverseDiffusion{}}, set).X)
		alpha, sigma := sde.At(p.SDE, 0.4)
		want := must(dist.DenoiseAt(law, noisy.Samples(), alpha, sigma))
		for k, v := range want.RawMatrix().Data {
			closeTo(t, name+": posterior mean", clean[k], v, 1e-4)
		}
	}
}

// TestFloat64 runs the whole sampler in float64 and lands near the float32 samples of no seed: only in law.
func TestFloat64(t *testing.T) {
	data := newTarget(32, 0.3)
	for name, b := range backendtest.All(t) {
		p := data.problem(vp, 300)
		p.DType = dtypes.Float64
		r := run(t, must(New(b, p)), usual, Settings{Steps: 10, Seed: 1, Denoise: false})
		if r.X.DType() != dtypes.Float64 {
			t.Errorf("%s: samples are %s, want Float64", name, r.X.DType())
		}
		data.checkMoments(t, name+": float64", r.Samples(), data.chain(vp, usual, r.Grid, prior(vp)), 0)
	}
}

// TestProgress reports every chunk, at last the end.
func TestProgress(t *testing.T) {
	lab := must(New(backend.Go(), newTarget(2, 0.3).problem(vp, 4)))
	var done []int
	run(t, lab, usual, Settings{Steps: 100, Progress: func(d, total int, note string) {
		if total != 100 || !strings.Contains(note, "t = ") {
			t.Errorf("progress of %d steps with note %q", total, note)
		}
		done = append(done, d)
	}})
	if !slices.IsSorted(done) || done[len(done)-1] != 100 {
		t.Errorf("progress went through %v, want rising numbers that end with 100", done)
	}
}

// TestChunks: the host stops at each snapshot.
func TestChunks(t *testing.T) {
	grid := []float64{1, 0.8, 0.6, 0.4, 0.2, 0}
	s := &Sampler{}
	for _, c := range []struct{ from, to, want int }{{0, 5, 2}, {2, 5, 4}, {4, 5, 5}, {0, 1, 1}} {
		if got := s.until(c.from, c.to, grid, []float64{0.2, 0.6}); got != c.want {
			t.Errorf("chunk [%d, %d) is cut at %d, want %d", c.from, c.to, got, c.want)
		}
	}
}

// TestNames: different structures have different names, different knobs do not.
func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for _, group := range methods() {
		for _, m := range group {
			for _, first := range []bool{false, true} {
				for _, corrections := range []int{1, 2} {
					if m.Corrector == nil && (first || corrections > 1) {
						continue
					}
					m.CorrectorFirst, m.Corrections = first, corrections
					if seen[m.String()] {
						t.Errorf("two methods are called %q", m)
					}
					seen[m.String()] = true
				}
			}
		}
	}
	a, b := PC{Corrector: Langevin{0.1, Expected}}, PC{Corrector: Langevin{0.2, Expected}}
	if a.String() != b.String() {
		t.Errorf("%q and %q differ in a knob only", a, b)
	}
	if got := fmt.Sprint(Norm(7), Done, NonFinite, Cancelled); got != "Norm(7) done non-finite cancelled" {
		t.Errorf("names are %q", got)
	}
}
