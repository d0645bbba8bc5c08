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
