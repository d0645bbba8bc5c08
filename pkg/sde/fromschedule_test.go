package sde

import (
	"errors"
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
)

// TestFromSchedule: every process, taken apart into s and sigma and put together again, is itself.
func TestFromSchedule(t *testing.T) {
	for _, want := range All() {
		sigma := func(t *Node) *Node { return Div(want.Sigma(t), want.Alpha(t)) }
		got, err := FromSchedule("scheduled "+want.String(), want.Alpha, sigma, want.Span())
		if err != nil {
			t.Fatal(err)
		}
		if err := Validate(got); err != nil {
			t.Error(err)
		}
		ts := grid(want, 50)
		a, b := mustTable(t, want, ts), mustTable(t, got, ts)
		for i, at := range ts {
			for name, pair := range map[string][2]float64{
				"alpha": {b.Alpha[i], a.Alpha[i]}, "sigma": {b.Sigma[i], a.Sigma[i]},
				"f": {b.Drift[i], a.Drift[i]}, "g": {b.Diffusion[i], a.Diffusion[i]},
			} {
				if relative(pair[0], pair[1]) > 1e-10 {
					t.Errorf("%s at %g: %s = %.15g, want %.15g", got, at, name, pair[0], pair[1])
				}
			}
		}
		_, last := At(want, want.Span().T)
		if relative(got.PriorStd(), last) > 1e-12 {
			t.Errorf("%s: prior %g, want %g", got, got.PriorStd(), last)
		}
	}
}

func mustTable(t *testing.T, s SDE, ts []float64) Values {
	t.Helper()
	v, err := Table(s, ts)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestFromScheduleRefuses: errors say what is wrong and at which time.
func TestFromScheduleRefuses(t *testing.T) {
	one := func(t *Node) *Node { return OnesLike(t) }
	id := func(t *Node) *Node { return t }
	span := Span{Eps: 0.1, T: 1}
	for _, c := range []struct {
		name     string
		s, sigma func(t *Node) *Node
		span     Span
		says     string
	}{
		{"", one, id, span, "without a name"},
		{"none", nil, id, span, "want functions s and sigma"},
		{"none", one, nil, span, "want functions s and sigma"},
		{"span", one, id, Span{}, "Eps 0, T 0"},
		{"zero scale", func(t *Node) *Node { return Sub(OnesLike(t), t) }, id, span, "s(1) = 0, want > 0"},
		{"negative scale", func(t *Node) *Node { return shifted(Neg(t), 0.1001) }, id, span, "want > 0"},
		{"no scale", func(t *Node) *Node { return Log(Neg(t)) }, id, span, "s(0.1) = NaN"},
		{"falling", one, func(t *Node) *Node { return Sin(scaled(t, math.Pi)) }, span, "sigma falls from"},
		{"negative", one, func(t *Node) *Node { return shifted(t, -0.2) }, span, "sigma(0.1) = -0.1"},
		{"infinite", one, func(t *Node) *Node { return Reciprocal(shifted(Neg(t), 1)) }, span, "sigma(1) = +Inf"},
		{"silent", one, func(t *Node) *Node { return ZerosLike(t) }, span, "sigma is 0 at T = 1"},
		{"shape", one, func(t *Node) *Node { return ReduceAllSum(t) }, span, "Sigma"},
		{"panics", one, func(*Node) *Node { panic(errors.New("no such schedule")) }, span, "no such schedule"},
	} {
		if s, err := FromSchedule(c.name, c.s, c.sigma, c.span); err == nil || s != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %v, want an error that says %q", c.name, err, c.says)
		}
	}
}

// TestFromScheduleFlat: a stretch without new noise is allowed and has g = 0.
func TestFromScheduleFlat(t *testing.T) {
	flat := func(t *Node) *Node { return Max(t, ConstAs(t, 0.5)) }
	s, err := FromSchedule("flat", func(t *Node) *Node { return OnesLike(t) }, flat, Span{Eps: 0, T: 1})
	if err != nil {
		t.Fatal(err)
	}
	v := mustTable(t, s, []float64{0.2, 0.8})
	if v.Diffusion[0] != 0 || relative(v.Diffusion[1], math.Sqrt(1.6)) > 1e-14 || v.Drift[0] != 0 {
		t.Errorf("f = %v, g = %v", v.Drift, v.Diffusion)
	}
}

// TestTimesAtNoise inverts the noise level of every process, at its ends too.
func TestTimesAtNoise(t *testing.T) {
	for _, s := range All() {
		span := s.Span()
		want := []float64{span.Eps, span.T, span.Eps + 1e-6*(span.T-span.Eps), 0.3 * span.T, 0.9 * span.T}
		sigma, _, err := ScheduleOf(s, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := TimesAtNoise(s, sigma)
		if err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if relative(got[i], want[i]) > 1e-11 {
				t.Errorf("%s: t = %.15g came back as %.15g", s, want[i], got[i])
			}
		}
		if got[0] != span.Eps || got[1] != span.T {
			t.Errorf("%s: ends %g, %g, want exactly %g, %g", s, got[0], got[1], span.Eps, span.T)
		}
		for _, bad := range []float64{sigma[0] * 0.99, sigma[1] * 1.01, math.NaN(), math.Inf(1)} {
			if _, err := TimesAtNoise(s, []float64{sigma[3], bad}); err == nil || !strings.Contains(err.Error(), "noise level 1 is") {
				t.Errorf("%s: level %g gave %v", s, bad, err)
			}
		}
	}
	if _, err := TimesAtNoise(EDM{}, nil); err == nil {
		t.Error("no levels were accepted")
	}
	if _, err := TimesAtNoise(VE{}, []float64{1}); err == nil {
		t.Error("an invalid process was accepted")
	}
}

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
	columns := Table1()
	if len(columns) != len(rows) {
		t.Fatalf("%d columns", len(columns))
	}
	for k, row := range rows {
		c := columns[k]
		if c.Name != row.name {
			t.Errorf("column %d is %s, want %s", k, c.Name, row.name)
		}
		for _, s := range []SDE{c.Sampling, c.Training} {
			ts := grid(s, 20)[1:]
			sigma, scale, err := ScheduleOf(s, ts)
			if err != nil {
				t.Fatal(err)
			}
			for i, at := range ts {
				if relative(sigma[i], row.sigma(at)) > 1e-10 || relative(scale[i], row.scale(at)) > 1e-10 {
					t.Errorf("%s at %g: sigma %.15g, s %.15g, want %.15g, %.15g", c.Name, at, sigma[i], scale[i], row.sigma(at), row.scale(at))
				}
			}
		}
		for s, want := range map[SDE][2]float64{c.Sampling: row.sampling, c.Training: row.training} {
			ends, _, err := ScheduleOf(s, []float64{s.Span().Eps, s.Span().T})
			if err != nil {
				t.Fatal(err)
			}
			if relative(ends[0], want[0]) > 1e-4 || relative(ends[1], want[1]) > 1e-3 {
				t.Errorf("%s: noise levels %v, want %v", s, ends, want)
			}
		}
	}
}

// TestIDDPMLevels: the levels fall from u_0 to u_M = 0, and undo the recursion: abar_{j-1}/abar_j is the ratio of the
// 1/(1 + u^2) wherever it is above C1, which is everywhere but at u_0.
func TestIDDPMLevels(t *testing.T) {
	u := IDDPMLevels()
	if len(u) != 1001 || u[1000] != 0 {
		t.Fatalf("%d levels that end at %g", len(u), u[len(u)-1])
	}
	for j := 1; j <= 1000; j++ {
		if !(u[j-1] > u[j]) {
			t.Errorf("u_%d = %g, u_%d = %g", j-1, u[j-1], j, u[j])
		}
		angle := math.Pi / 2 * float64(j) / 1008
		if want := math.Cos(math.Pi/2*8/1008) / math.Sin(angle); relative(math.Sqrt(1+u[j]*u[j]), want) > 1e-10 {
			t.Errorf("u_%d = %g, want %g", j, u[j], math.Sqrt(want*want-1))
		}
	}
	if want := math.Sqrt((u[1]*u[1]+1)*1000 - 1); relative(u[0], want) > 1e-12 {
		t.Errorf("u_0 = %g, want %g", u[0], want)
	}
	if u[IDDPMFirst] > 81 || u[IDDPMFirst-1] < 81 {
		t.Errorf("u_%d = %g is not the first level below 81", IDDPMFirst, u[IDDPMFirst])
	}
}
