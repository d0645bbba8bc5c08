package sde

import (
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
)

func TestBadInput(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	id := func(t *Node) *Node { return t }
	cases := []struct {
		s    SDE
		says string
	}{
		{nil, "nil"},
		{VE{SigmaMin: 0, SigmaMax: 50}, "SigmaMin 0"},
		{VE{SigmaMin: -1, SigmaMax: 50}, "SigmaMin -1"},
		{VE{SigmaMin: 50, SigmaMax: 0.01}, "SigmaMin 50"},
		{VE{SigmaMin: 1, SigmaMax: 1}, "SigmaMax 1"},
		{VE{SigmaMin: 0.01, SigmaMax: inf}, "SigmaMax +Inf"},
		{VE{SigmaMin: nan, SigmaMax: 50}, "NaN"},
		{VE{SigmaMin: 0.01, SigmaMax: 50, Times: Span{Eps: 1, T: 1}}, "Eps 1"},
		{VP{}, "BetaMax 0"},
		{VP{BetaMin: -0.1, BetaMax: 20}, "BetaMin -0.1"},
		{VP{BetaMin: 20, BetaMax: 0.1}, "BetaMin 20"},
		{VP{BetaMin: 0.1, BetaMax: nan}, "NaN"},
		{VP{BetaMin: 0.1, BetaMax: 20, Times: Span{Eps: 0.5, T: 0.1}}, "T 0.1"},
		{VP{BetaMin: 0.1, BetaMax: 20, Times: Span{Eps: -0.1, T: 1}}, "Eps -0.1"},
		{SubVP{BetaMin: 0.1, BetaMax: inf}, "sub-VP"},
		{SubVP{BetaMin: 0.1, BetaMax: 20, Times: Span{Eps: 0, T: nan}}, "NaN"},
		{OU{}, "Rate"},
		{OU{Rate: -1}, "-1"},
		{OU{Rate: inf}, "Inf"},
		{EDM{Times: Span{Eps: 80, T: 0.002}}, "Eps 80"},
		{Brownian{Times: Span{Eps: 0, T: inf}}, "T +Inf"},
		{VETutorial{Base: 1}, "Base"},
		{VETutorial{}, "got 0"},
		{Cosine{Offset: 0, MaxRate: 100}, "Offset"},
		{Cosine{Offset: 0.008, MaxRate: 0.01}, "MaxRate"},
		{Cosine{Offset: 0.008, MaxRate: inf}, "MaxRate"},
		{FromKernel("no functions", nil, nil, Span{Eps: 0, T: 1}, 1), "no functions"},
		{FromKernel("no span", id, id, Span{}, 1), "no span"},
		{FromKernel("no prior", id, id, Span{Eps: 0, T: 1}, 0), "PriorStd"},
	}
	for _, c := range cases {
		err := Validate(c.s)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%#v: got error %v, want one that says %q", c.s, err, c.says)
		}
		if _, err := Table(c.s, []float64{0.5}); err == nil {
			t.Errorf("%#v: Table wants an error", c.s)
		}
	}
	for _, s := range All() {
		if err := Validate(s); err != nil {
			t.Error(err)
		}
	}
}

func TestConstructorsValidate(t *testing.T) {
	if p, err := NewVE(0.01, 50); err != nil || p.Span() != (Span{Eps: 1e-5, T: 1}) {
		t.Errorf("NewVE: %v, span %v", err, p.Span())
	}
	if p, err := NewVP(0.1, 20); err != nil || p.Span() != (Span{Eps: 1e-3, T: 1}) {
		t.Errorf("NewVP: %v, span %v", err, p.Span())
	}
	for name, build := range map[string]func() error{
		"VE":     func() error { _, err := NewVE(50, 0.01); return err },
		"VP":     func() error { _, err := NewVP(20, 0.1); return err },
		"sub-VP": func() error { _, err := NewSubVP(-1, 20); return err },
		"cosine": func() error { _, err := NewCosine(2, 100); return err },
	} {
		if build() == nil {
			t.Errorf("constructor of %s takes bad parameters", name)
		}
	}
}

// TestTableReportsMisuse: a graph function that panics or has the wrong shape is an error, not a crash.
func TestTableReportsMisuse(t *testing.T) {
	span := Span{Eps: 0.1, T: 1}
	id := func(t *Node) *Node { return t }
	broken := FromKernel("broken", func(*Node) *Node { panic("no such thing") }, id, span, 1)
	if _, err := Table(broken, []float64{0.5}); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("panicking kernel: got %v", err)
	}
	scalar := FromKernel("scalar", total, id, span, 1)
	if _, err := Table(scalar, []float64{0.5, 0.6}); err == nil || !strings.Contains(err.Error(), "Alpha") {
		t.Errorf("scalar kernel: got %v", err)
	}
	if _, err := Table(OU1(), nil); err == nil {
		t.Error("no times: want an error")
	}
}

func total(t *Node) *Node { return ReduceAllSum(t) }
