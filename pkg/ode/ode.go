// Package ode integrates ordinary differential equations dx/dt = f(x, t) for batches, as one loop on the device: with
// fixed steps, or with steps adapted to a tolerance, for each sample by itself or for the batch as a whole.
package ode

import (
	"fmt"
	"math"
	"time"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Field is the right-hand side f(x, t), of the shape of x: x is [B, d], t is [B] or [1] (one time for the whole batch).
type Field func(x, t *Node) *Node

// Status says how a solution ended.
type Status int

const (
	Done      Status = iota // the end was reached
	MaxSteps                // the steps allowed were spent before the end
	TooSmall                // the tolerance asks for steps below the resolution of the floating point type
	NonFinite               // the field or a state became NaN or infinite
	Cancelled               // the context ended
)

// String returns the name of the status.
func (s Status) String() string {
	return [...]string{"done", "max steps", "step too small", "non-finite", "cancelled"}[s]
}

// Result is a solution.
type Result struct {
	X        *tensors.Tensor   // [B, d] at the end, or where the solution stopped
	At       []*tensors.Tensor // [B, d] at the times asked for, in their order
	Status   Status            // the worst of all samples
	Samples  []Status          // of each sample, with adaptive steps; else nil
	NFE      float64           // evaluations of the field per sample, mean over the samples
	MaxNFE   int               // and their largest number
	Accepted []int             // steps taken by each sample, or by the batch
	Rejected []int             // steps tried in vain
	Elapsed  time.Duration
}

// Solver integrates one field and keeps its executables: another start, span, tolerance or number of steps compiles
// nothing. It is not safe for concurrent use.
type Solver struct {
	backend compute.Backend
	field   Field
	loops   map[string]*loop.Loop
	firsts  map[string]*model.Exec
}

// New prepares to integrate a field on a backend.
func New(b compute.Backend, f Field) (*Solver, error) {
	if b == nil || f == nil {
		return nil, fmt.Errorf("ode: got backend %v and a nil field: %t, want both", b, f == nil)
	}
	return &Solver{b, f, map[string]*loop.Loop{}, map[string]*model.Exec{}}, nil
}

// Builds counts the executables built for loops so far.
func (s *Solver) Builds() int {
	n := 0
	for _, l := range s.loops {
		n += l.Builds()
	}
	return n
}

// checkStart refuses a start that is no finite batch of floats.
func checkStart(x *tensors.Tensor) error {
	if x == nil || x.Rank() != 2 || !x.DType().IsFloat() {
		return fmt.Errorf("ode: got start %v, want a float tensor [B, d]", x)
	}
	return nil
}

func checkTime(what string, t float64) error {
	if math.IsNaN(t) || math.IsInf(t, 0) {
		return fmt.Errorf("ode: %s is %g, want a finite time", what, t)
	}
	return nil
}

// stages evaluates a method's stages from x at t over h, [1] or [B] each; first is the first stage if it is known.
func (s *Solver) stages(m Method, x, t, h, first *Node) []*Node {
	k := make([]*Node, m.stages())
	for i := range k {
		if i == 0 && first != nil {
			k[0] = first
			continue
		}
		at := x
		if i > 0 {
			at = Add(x, Mul(sde.Like(h, x), combine(m.a[i], k)))
		}
		k[i] = s.field(at, Add(t, Mul(h, ConstAs(h, []float64{m.c[i]}))))
	}
	return k
}

// combine is sum_i w_i k_i over the weights that are not 0, of which there is at least one.
func combine(w []float64, k []*Node) *Node {
	var sum *Node
	for i, v := range w {
		if v == 0 {
			continue
		}
		term := Mul(k[i], ConstAs(k[i], [][]float64{{v}}))
		if sum == nil {
			sum = term
		} else {
			sum = Add(sum, term)
		}
	}
	return sum
}
