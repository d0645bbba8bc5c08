package control

import (
	"errors"
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/score"
)

// Observation is what is known of a sample x: y = A x + noise n, n ~ N(0, I). It is kept in the basis of the singular
// vectors of A = U S V^T, where it says that coordinate i of V^T x equals (U^T y)_i/S_i up to Gaussian noise of standard
// deviation noise/S_i, independently of each other.
type Observation struct {
	name  string
	a     *mat.Dense   // [m, d]
	noise float64      // of y
	read  *mat.Dense   // S^-1 U^T, [r, m]: takes y to the coordinates
	basis *mat.Dense   // V^T, [r, d], orthonormal rows
	stds  []float64    // noise/S, [r]
	known *score.Input // the values of the coordinates, [1, r] or [N, r]
}

// Observe returns the observation y = A x + noise n: a = A is [m, d], y is [1, m] for one observation that all samples
// share, or [N, m] with one for each sample. noise is a standard deviation; with noise 0 the rows of A must be
// independent. Errors: sizes, values that are not finite, noise < 0, A = 0, and for noise 0 rows that depend on each
// other, with what is wrong with y if they then contradict each other.
func Observe(a mat.Matrix, noise float64, y mat.Matrix) (*Observation, error) {
	if err := finite("A", a); err != nil {
		return nil, err
	}
	m, d := a.Dims()
	if !(noise >= 0) || math.IsInf(noise, 0) {
		return nil, fmt.Errorf("control: noise of the observation is %g, want a finite number >= 0", noise)
	}
	o := &Observation{
		name: fmt.Sprintf("observation: %d of %d coordinates, noise %.3g", m, d, noise),
		a:    mat.DenseCopyOf(a), noise: noise,
	}
	if err := o.decompose(y); err != nil {
		return nil, err
	}
	values, err := o.coordinates(y)
	if err != nil {
		return nil, err
	}
	o.known = score.NewInput(values)
	return o, nil
}

// Known is the observation of single coordinates without noise: mask says of each coordinate whether it is known, and
// values has the known ones in their order, [1, m] or [N, m]. Errors: a mask that knows nothing or all, and those of
// Observe.
func Known(mask []bool, values mat.Matrix) (*Observation, error) {
	var index []int
	for i, k := range mask {
		if k {
			index = append(index, i)
		}
	}
	if len(index) == 0 || len(index) == len(mask) {
		return nil, fmt.Errorf("control: the mask knows %d of %d coordinates, want some known and some free", len(index), len(mask))
	}
	a := mat.NewDense(len(index), len(mask), nil)
	for row, i := range index {
		a.Set(row, i, 1)
	}
	return Observe(a, 0, values)
}

// decompose finds the coordinates that A reads. y is there to tell a contradiction from a mere repetition.
func (o *Observation) decompose(y mat.Matrix) error {
	var svd mat.SVD
	if !svd.Factorize(o.a, mat.SVDThin) {
		return errors.New("control: singular value decomposition of A failed")
	}
	m, d := o.a.Dims()
	s := svd.Values(nil)
	rank := 0
	for rank < len(s) && s[rank] > 1e-10*s[0] {
		rank++
	}
	var u, v mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	switch {
	case rank == 0:
		return fmt.Errorf("control: A is 0, [%d, %d]: it observes nothing", m, d)
	case rank < m && o.noise == 0:
		return o.dependent(u.Slice(0, m, 0, rank), y, rank)
	}
	o.basis = mat.DenseCopyOf(v.Slice(0, d, 0, rank).T())
	o.read = mat.DenseCopyOf(u.Slice(0, m, 0, rank).T())
	for i := range rank {
		o.stds = append(o.stds, o.noise/s[i])
		row := o.read.RawRowView(i)
		for j := range row {
			row[j] /= s[i]
		}
	}
	return nil
}

// dependent says what is wrong with an observation without noise whose rows depend on each other: left [m, rank] spans
// what A x can be.
func (o *Observation) dependent(left, y mat.Matrix, rank int) error {
	m, _ := o.a.Dims()
	if err := o.checkValues(y); err != nil {
		return err
	}
	var inside, explained mat.Dense
	inside.Mul(y, left)
	explained.Mul(&inside, left.T())
	explained.Sub(&explained, y)
	if mat.Norm(&explained, 2) > 1e-9*mat.Norm(y, 2) {
		return fmt.Errorf("control: the observations contradict each other: A has rank %d of %d rows and no x gives A x = y", rank, m)
	}
	return fmt.Errorf("control: A has rank %d, want %d independent rows when noise is 0", rank, m)
}

// SetY changes y, whose shape must stay.
func (o *Observation) SetY(y mat.Matrix) error {
	values, err := o.coordinates(y)
	if err != nil {
		return err
	}
	if err := o.known.Set(values); err != nil {
		return fmt.Errorf("control: observation: %w", err)
	}
	return nil
}

// coordinates takes y [., m] to the values of the known coordinates, [., r].
func (o *Observation) coordinates(y mat.Matrix) (*mat.Dense, error) {
	if err := o.checkValues(y); err != nil {
		return nil, err
	}
	var values mat.Dense
	values.Mul(y, o.read.T())
	return &values, nil
}

func (o *Observation) checkValues(y mat.Matrix) error {
	if err := finite("y", y); err != nil {
		return err
	}
	m, _ := o.a.Dims()
	if _, c := y.Dims(); c != m {
		return fmt.Errorf("control: y has %d columns, want one for each of the %d rows of A (known coordinates)", c, m)
	}
	return nil
}

// Exact is the law of x given y when x follows law, and the log density of y in nats; errors as in dist.Mixture.Observe.
func (o *Observation) Exact(law dist.Mixture, y []float64) (posterior dist.Mixture, logEvidence float64, err error) {
	return law.Observe(o.a, o.noise, y)
}

// String says how many coordinates are observed, with which noise.
func (o *Observation) String() string {
	if o == nil {
		return "no observation"
	}
	return o.name
}

// observed are the known coordinates of x, [B, r].
func (o *Observation) observed(x *Node) *Node {
	o.check(x)
	return Dot(x, constant(x, o.basis.T())).Product()
}

// values are the observed values of these coordinates for the samples x, [B, r].
func (o *Observation) values(x *Node) *Node { return perSample("observations", o.known.Node(x), x) }

// put sets the known coordinates of x to values [B, r].
func (o *Observation) put(x, values *Node) *Node {
	return Add(x, Dot(Sub(values, o.observed(x)), constant(x, o.basis)).Product())
}

func (o *Observation) check(x *Node) {
	if _, d := o.a.Dims(); x.Rank() != 2 || x.Shape().Dim(1) != d {
		panic(fmt.Errorf("control: %s got samples %s, want [B, %d]", o, x.Shape(), d))
	}
}

// constant is a matrix of x's float type.
func constant(x *Node, m mat.Matrix) *Node { return ConstTensor(x.Graph(), host.Tensor(m, x.DType())) }

// finite refuses a missing, empty or non-finite matrix.
func finite(what string, m mat.Matrix) error {
	missing := fmt.Errorf("control: %s is missing, want a matrix", what)
	if dense, ok := m.(*mat.Dense); m == nil || ok && dense == nil {
		return missing
	}
	r, c := m.Dims()
	if r == 0 || c == 0 {
		return missing
	}
	if err := host.Finite(what, m); err != nil {
		return fmt.Errorf("control: %w", err)
	}
	return nil
}
