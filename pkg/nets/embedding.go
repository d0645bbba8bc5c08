package nets

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/stat/distuv"
)

// Embedding turns a noise level (or time) c, shape [B] or [1], into features [B or 1, m]. The zero value passes c on as
// the one feature that it is.
type Embedding struct {
	Kind     EmbeddingKind
	Features int       // number of features, even; unused by Plain and Own
	Scale    float64   // Fourier: standard deviation of the frequencies; Positional: highest frequency
	Own      []float64 // Own: the angular frequencies, two features each
}

// EmbeddingKind selects the frequencies.
type EmbeddingKind int

const (
	// Plain is c itself.
	Plain EmbeddingKind = iota
	// Fourier takes frequencies that follow |N(0, Scale^2)| (Tancik et al. 2020; Song et al. 2021), as the quantiles
	// of that law rather than draws from it, so that a network is the same in every process.
	Fourier
	// Positional takes frequencies from Scale down to Scale/10000 in equal ratios (Vaswani et al. 2017; Ho et al. 2020).
	Positional
	// Own takes the frequencies given in the field Own.
	Own
)

// Validate names what is wrong with an embedding.
func (e Embedding) Validate() error {
	switch e.Kind {
	case Plain:
		return nil
	case Fourier, Positional:
		if e.Features < 2 || e.Features%2 != 0 || !(e.Scale > 0) || math.IsInf(e.Scale, 0) {
			return fmt.Errorf("nets: embedding got %d features and scale %g, want an even number >= 2 and a finite scale > 0", e.Features, e.Scale)
		}
		return nil
	case Own:
		for k, w := range e.Own {
			if math.IsNaN(w) || math.IsInf(w, 0) {
				return fmt.Errorf("nets: frequency %d of the embedding is %g, want finite ones", k, w)
			}
		}
		if len(e.Own) == 0 {
			return fmt.Errorf("nets: embedding got no frequencies of its own, want at least one in Own")
		}
		return nil
	}
	return fmt.Errorf("nets: unknown embedding kind %d, want Plain, Fourier, Positional or Own", e.Kind)
}

// Apply builds the features: [cos(w c), sin(w c)] over the frequencies w.
func (e Embedding) Apply(c *Node) *Node {
	c = InsertAxes(c, -1)
	if e.Kind == Plain {
		return c
	}
	angles := Mul(c, ConstAs(c, [][]float64{e.Frequencies()}))
	return Concatenate([]*Node{Cos(angles), Sin(angles)}, -1)
}

// Frequencies returns the angular frequencies, Features/2 but for Own.
func (e Embedding) Frequencies() []float64 {
	if e.Kind == Own {
		return e.Own
	}
	half := e.Features / 2
	w := make([]float64, half)
	for k := range w {
		if e.Kind == Fourier {
			w[k] = 2 * math.Pi * e.Scale * distuv.UnitNormal.Quantile(0.5+(float64(k)+0.5)/float64(2*half))
		} else {
			w[k] = e.Scale * math.Pow(1e-4, float64(k)/float64(half))
		}
	}
	return w
}

// String names the kind and its size.
func (e Embedding) String() string {
	switch e.Kind {
	case Fourier:
		return fmt.Sprintf("Fourier %d, scale %g", e.Features, e.Scale)
	case Positional:
		return fmt.Sprintf("positional %d, scale %g", e.Features, e.Scale)
	case Own:
		return fmt.Sprintf("frequencies %g", e.Own)
	}
	return "plain"
}
