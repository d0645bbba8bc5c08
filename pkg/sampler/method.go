package sampler

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/scoresde/scoresde/pkg/noise"
)

// Method advances a batch by one step of the grid.
type Method interface {
	// String names the structure of the method, without the values of its knobs.
	String() string
	// Key is comparable, and equal for methods that build the same graphs: these share one executable. The values of knobs are
	// no part of it, and functions, which cannot be compared, are known by the pointer to what holds them.
	Key() any
	// Knobs are the numbers that enter the executable as inputs.
	Knobs() []float64
	// Validate reports knobs out of range.
	Validate() error
	// NFE is the number of score evaluations per step.
	NFE() int
	// Step builds the graph from the state x [N, Shape...] at time t to the state at tNext, both times [1]. aux is what the
	// method carries besides x from step to step, nil unless it is a Carrier; it keeps its number and shapes. rng gives each step
	// random numbers of its own. The graph is the body of a loop: it must use nothing but what it is given.
	Step(p *Problem, rng noise.Source, x, t, tNext *Node, aux, knobs []*Node) (next *Node, newAux []*Node)
}

// Carrier is a Method that carries more than the samples: weights of particles, former evaluations.
type Carrier interface {
	Method
	// Begin builds the first aux from the start x [N, Shape...] at the first time t [1].
	Begin(p *Problem, x, t *Node, knobs []*Node) (aux []*Node)
}

// Order is the order of convergence of a discretisation: errors of paths (Strong) and of expectations (Weak) fall as
// step^order. 0 where no order is claimed.
type Order struct{ Strong, Weak float64 }

// Predictor takes a state from t to an earlier tNext.
type Predictor interface {
	String() string
	// Key is that of Method.
	Key() any
	Order() Order
	NFE() int
	// Predict returns the state at tNext and its mean, the same without the last noise.
	Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node)
}

// Corrector moves a state at fixed time towards p_t.
type Corrector interface {
	String() string
	// Key is that of Method.
	Key() any
	Knobs() []float64
	Validate() error
	// Correct takes one step at time t [1]. a [1] is the coefficient of x in the forward transition over the present step
	// of the grid, which the paper's step rule needs: a^2 = 1 - beta_i for VP, 1 for VE.
	Correct(p *Problem, rng noise.Source, x, t, a *Node, knobs []*Node) *Node
}

// PC is the predictor-corrector sampler. Per step the predictor moves from t to tNext, and Corrections corrector steps
// follow at tNext (Song et al. 2021, algorithms 1-3). A nil Corrector gives the predictor alone; a nil Predictor gives
// the corrector alone, which then does all the work of following p_t.
type PC struct {
	Predictor      Predictor
	Corrector      Corrector
	Corrections    int  // corrector steps M per time; 0 with a Corrector means 1
	CorrectorFirst bool // correct at t before predicting, the order of the paper's published code
}

func (m PC) corrections() int {
	if m.Corrector == nil {
		return 0
	}
	return max(m.Corrections, 1)
}

// String names predictor, corrector and order.
func (m PC) String() string {
	p, c := "no predictor", "no corrector"
	if m.Predictor != nil {
		p = m.Predictor.String()
	}
	if m.Corrector != nil {
		c = fmt.Sprintf("%d x %s", m.corrections(), m.Corrector)
	}
	if m.CorrectorFirst {
		return c + ", " + p
	}
	return p + ", " + c
}

// pcKey is a PC by its parts.
type pcKey struct {
	predictor, corrector any
	corrections          int
	first                bool
}

// Key is made of those of predictor and corrector.
func (m PC) Key() any {
	var key pcKey
	if m.Predictor != nil {
		key.predictor = m.Predictor.Key()
	}
	if m.Corrector != nil {
		key.corrector, key.corrections, key.first = m.Corrector.Key(), m.corrections(), m.CorrectorFirst
	}
	return key
}

// Knobs are those of the corrector.
func (m PC) Knobs() []float64 {
	if m.Corrector == nil {
		return nil
	}
	return m.Corrector.Knobs()
}

// Validate refuses a method without parts, impossible counts and knobs out of range.
func (m PC) Validate() error {
	if m.Predictor == nil && m.Corrector == nil {
		return fmt.Errorf("sampler: PC has neither predictor nor corrector")
	}
	for _, part := range []any{m.Predictor, m.Corrector} {
		if v, ok := part.(interface{ Validate() error }); ok {
			if err := v.Validate(); err != nil {
				return err
			}
		}
	}
	if m.Corrections < 0 {
		return fmt.Errorf("sampler: PC.Corrections = %d, want >= 0", m.Corrections)
	}
	if m.Corrector == nil {
		if m.Corrections > 0 {
			return fmt.Errorf("sampler: PC.Corrections = %d without a Corrector", m.Corrections)
		}
	}
	return nil
}

// NFE counts the score evaluations of one step.
func (m PC) NFE() int {
	n := m.corrections()
	if m.Predictor != nil {
		n += m.Predictor.NFE()
	}
	return n
}

// Step implements Method.
func (m PC) Step(p *Problem, rng noise.Source, x, t, tNext *Node, _, knobs []*Node) (next *Node, newAux []*Node) {
	if m.CorrectorFirst {
		x = m.correct(p, rng, x, t, t, tNext, knobs)
		x = m.predict(p, rng, x, t, tNext)
		return x, nil
	}
	x = m.predict(p, rng, x, t, tNext)
	x = m.correct(p, rng, x, tNext, t, tNext, knobs)
	return x, nil
}

func (m PC) predict(p *Problem, rng noise.Source, x, t, tNext *Node) *Node {
	if m.Predictor == nil {
		return x
	}
	x, _ = m.Predictor.Predict(p, rng, x, t, tNext)
	return x
}

func (m PC) correct(p *Problem, rng noise.Source, x, at, t, tNext *Node, knobs []*Node) (next *Node) {
	if m.Corrector == nil {
		return x
	}
	a := Div(p.SDE.Alpha(t), p.SDE.Alpha(tNext))
	for range m.corrections() {
		x = m.Corrector.Correct(p, rng, x, at, a, knobs)
	}
	return x
}

// positive is the check that most knobs need.
func positive(name string, v float64) error {
	if !(v > 0) || math.IsInf(v, 0) {
		return fmt.Errorf("sampler: %s = %g, want > 0 and finite", name, v)
	}
	return nil
}
