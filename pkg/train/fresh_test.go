package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/noise"
)

// TestFresh: data drawn at every step train as well as a large table, the same way twice, with the law's own standard deviation;
// another law is another run.
func TestFresh(t *testing.T) {
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		cfg, _ := small(200)
		fit := func(data Data) *Fitted {
			f, err := Fit(t.Context(), cfg, data, Settings{Backend: b, Dir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		end := func(f *Fitted) (mean float64) {
			for _, p := range f.Losses[100:] {
				mean += p.Loss / 100
			}
			return mean
		}
		fresh, table := fit(Law(law)), fit(Rows(points(20_000)))
		if a, b := end(fresh), end(table); math.Abs(a/b-1) > 0.1 {
			t.Errorf("losses end at %.4f with fresh data, at %.4f with a table", a, b)
		}
		if math.Abs(fresh.Std/table.Std-1) > 0.03 { // 4096 points
			t.Errorf("standard deviation %.4f of fresh data, %.4f of the table", fresh.Std, table.Std)
		}
		if again := fit(Law(dist.FourGaussians())); again.Name != fresh.Name || !slices.Equal(again.Losses, fresh.Losses) {
			t.Errorf("the same law trains %s and %s otherwise", again.Name, fresh.Name)
		}
		if other := Law(dist.Unit()); other.X.Sum == Law(law).X.Sum {
			t.Error("two laws have one identity")
		}
	})
}

// TestFreshParts: conditions and masks are drawn with their examples.
func TestFreshParts(t *testing.T) {
	d := Fresh(func(rng noise.Source, n int) Batch {
		x := rng.Normal(shapes.Make(dtypes.Float32, n, 3, 2))
		count := rng.Below(3, n, 1)
		place := Iota(x.Graph(), shapes.Make(dtypes.Int32, n, 3), 1)
		return Batch{X: x, Given: MulScalar(Slice(x, AxisRange(), AxisElem(0)), 2), Mask: LessOrEqual(place, count)}
	})
	if _, err := d.check(); err != nil {
		t.Fatal(err)
	}
	if got := d.Mask.X.Shape().Dimensions; !slices.Equal(got, []int{freshSample, 3}) || d.Given.Len() != freshSample {
		t.Errorf("masks %v, %d conditions", got, d.Given.Len())
	}
	rms := d.X.RMS(d.Mask)
	if math.Abs(rms-1) > 0.02 { // 16 000 numbers count
		t.Errorf("root mean square %.4f, want 1", rms)
	}
}

func TestFreshRefuses(t *testing.T) {
	cfg, _ := small(2)
	for says, data := range map[string]Data{
		"Fresh(nil)": Fresh(nil), "want a function": Law(nil), "no X": Fresh(func(noise.Source, int) Batch { return Batch{} }),
		"out of ideas": Fresh(func(noise.Source, int) Batch { panic("out of ideas") }),
		"finite": Fresh(func(rng noise.Source, n int) Batch {
			return Batch{X: Log(Neg(rng.Uniform(shapes.Make(dtypes.Float32, n, 2))))}
		}),
	} {
		_, err := Fit(t.Context(), cfg, data, Settings{Backend: backend.Go(), Dir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}
