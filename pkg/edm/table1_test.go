package edm

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"

	"github.com/scoresde/scoresde/pkg/sde"
)

// TestTable1 writes the schedules and scalings of table 1 of Karras et al. in other words than the processes do.
func TestTable1(t *testing.T) {
	power := func(t float64) float64 { return 19.9/2*t*t + 0.1*t }
	one := func(float64) float64 { return 1 }
	id := func(t float64) float64 { return t }
	rows := []struct {
		name               string
		sigma, scale       func(t float64) float64
		sampling, training [2]float64 // noise levels at the ends
	}{
		{"VP", func(t float64) float64 { return math.Sqrt(math.Exp(power(t)) - 1) }, func(t float64) float64 { return 1 / math.Sqrt(math.Exp(power(t))) },
			[2]float64{math.Sqrt(math.Expm1(power(1e-3))), 152.2}, [2]float64{math.Sqrt(math.Expm1(power(1e-5))), 152.2}},
		{"VE", math.Sqrt, one, [2]float64{0.02, 100}, [2]float64{0.02, 100}},
		{"iDDPM", id, one, [2]float64{0.0064254, 80.204}, [2]float64{0.0064254, 20291}},
		{"EDM", id, one, [2]float64{0.002, 80}, [2]float64{0.002, 80}},
	}
	columns := Table1(0.5)
	if len(columns) != len(rows) {
		t.Fatalf("%d columns", len(columns))
	}
	for k, row := range rows {
		c := columns[k]
		if c.Name != row.name {
			t.Errorf("column %d is %s, want %s", k, c.Name, row.name)
		}
		for _, s := range []sde.SDE{c.Sampling, c.Objective.SDE} {
			ts, span := make([]float64, 20), s.Span()
			for i := range ts {
				ts[i] = span.Eps + (span.T-span.Eps)*float64(i+1)/20
			}
			sigma, scale, err := sde.ScheduleOf(s, ts)
			if err != nil {
				t.Fatal(err)
			}
			for i, at := range ts {
				if relative(sigma[i], row.sigma(at)) > 1e-10 || relative(scale[i], row.scale(at)) > 1e-10 {
					t.Errorf("%s at %g: sigma %.15g, s %.15g, want %.15g, %.15g", c.Name, at, sigma[i], scale[i], row.sigma(at), row.scale(at))
				}
			}
		}
		for s, want := range map[sde.SDE][2]float64{c.Sampling: row.sampling, c.Objective.SDE: row.training} {
			ends, _, err := sde.ScheduleOf(s, []float64{s.Span().Eps, s.Span().T})
			if err != nil {
				t.Fatal(err)
			}
			if relative(ends[0], want[0]) > 1e-4 || relative(ends[1], want[1]) > 1e-3 {
				t.Errorf("%s: noise levels %v, want %v", s, ends, want)
			}
		}
	}
}

// TestTable1Times: the times of each column as table 1 prints them.
func TestTable1Times(t *testing.T) {
	const n = 18
	u := IDDPMLevels()
	power := func(a, b, part float64) float64 {
		return math.Pow(math.Pow(a, 1./7)+part*(math.Pow(b, 1./7)-math.Pow(a, 1./7)), 7)
	}
	for k, want := range []func(i float64) float64{
		func(i float64) float64 { return 1 + i/(n-1)*(1e-3-1) },
		func(i float64) float64 { return 100 * 100 * math.Pow(0.02*0.02/(100*100), i/(n-1)) },
		func(i float64) float64 { return u[int(math.Floor(8+(1000-1-8)/float64(n-1)*i+0.5))] },
		func(i float64) float64 { return power(80, 0.002, i/(n-1)) },
	} {
		c := Table1(0.5)[k]
		grid := c.Schedule(n, c.Sampling.Span())
		if len(grid) != n+1 || grid[n] != 0 {
			t.Fatalf("%s: times %v", c.Name, grid)
		}
		for i := range n {
			closeTo(t, fmt.Sprintf("%s: t_%d", c.Name, i), grid[i], want(float64(i)), 1e-10*grid[i])
		}
		if one := c.Schedule(1, c.Sampling.Span()); !slices.Equal(one, []float64{c.Sampling.Span().T, 0}) {
			t.Errorf("%s: one step is %v", c.Name, one)
		}
		if many := c.Schedule(992, c.Sampling.Span()); len(many) != 993 {
			t.Errorf("%s: %d times for 992 steps", c.Name, len(many))
		}
	}
}

// TestTable1Preconditioning: the rows "network and preconditioning" of table 1 of Karras et al., written with their own
// formulas in sigma.
func TestTable1Preconditioning(t *testing.T) {
	const std = 0.5
	sigmas := []float64{0.0064, 0.01, 0.02, 0.3, 1, 7, 80, 150}
	u := IDDPMLevels()[:1000]
	nearest := func(sigma float64) float64 {
		gaps := make([]float64, len(u))
		for j := range u {
			gaps[j] = math.Abs(u[j] - sigma)
		}
		return float64(floats.MinIdx(gaps))
	}
	one := func(float64) float64 { return 1 }
	rows := map[string][4]func(s float64) float64{
		"edm": {
			func(s float64) float64 { return std * std / (s*s + std*std) }, func(s float64) float64 { return s * std / math.Sqrt(std*std+s*s) },
			func(s float64) float64 { return 1 / math.Sqrt(s*s+std*std) }, func(s float64) float64 { return math.Log(s) / 4 },
		},
		"karras-vp": {
			one, func(s float64) float64 { return -s }, func(s float64) float64 { return 1 / math.Sqrt(s*s+1) },
			func(s float64) float64 { // (M - 1) sigma^-1(sigma)
				return 999 * (math.Sqrt(0.1*0.1+2*19.9*math.Log(s*s+1)) - 0.1) / 19.9
			},
		},
		"karras-ve": {one, func(s float64) float64 { return s }, one, func(s float64) float64 { return math.Log(0.5 * s) }},
		"karras-iddpm": {
			one, func(s float64) float64 { return -s }, func(s float64) float64 { return 1 / math.Sqrt(s*s+1) },
			func(s float64) float64 { return 1000 - 1 - nearest(s) },
		},
	}
	for _, c := range Table1(std) {
		p := c.Network
		want, ok := rows[p.Name]
		if !ok {
			t.Fatalf("%s: network %s", c.Name, p)
		}
		delete(rows, p.Name)
		got, err := p.Preconditioning(std, sigmas)
		if err != nil {
			t.Fatal(err)
		}
		for k, column := range [][]float64{got.Skip, got.Out, got.In, got.Noise} {
			for i, s := range sigmas {
				if w := want[k](s); !(math.Abs(column[i]-w) <= 1e-10*math.Abs(w)) {
					t.Errorf("%s at %g: coefficient %d = %.15g, want %.15g", p, s, k, column[i], w)
				}
			}
		}
	}
	if len(rows) > 0 {
		t.Errorf("missing: %v", rows)
	}
}
