// Package sampler draws from a law by running its noising process backwards: predictors, correctors and their
// combination (Song et al. 2021, arXiv 2011.13456, algorithms 2 and 3), as one loop on the device.
package sampler

import (
	"fmt"
	"slices"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Problem is what is sampled: N examples of the shape Shape whose noising process is SDE and whose score is Score.
type Problem struct {
	SDE   sde.SDE
	Score score.Func   // nil is allowed for Forward only
	N     int          // samples
	Shape []int        // of a sample: {2} for points of the plane, {28, 28, 1} for pictures, {points, values} for functions
	DType dtypes.DType // zero: Float32
}

// Validate names the first field that cannot be used.
func (p Problem) Validate() error {
	if err := sde.Validate(p.SDE); err != nil {
		return fmt.Errorf("sampler: Problem.SDE: %w", err)
	}
	switch {
	case p.N < 1:
		return fmt.Errorf("sampler: Problem.N = %d, want N >= 1 samples", p.N)
	case len(p.Shape) == 0 || slices.Min(p.Shape) < 1:
		return fmt.Errorf("sampler: Problem.Shape = %v, want the shape of a sample, such as {2}, of sizes >= 1", p.Shape)
	case p.DType != dtypes.Float32 && p.DType != dtypes.Float64 && p.DType != dtypes.InvalidDType:
		return fmt.Errorf("sampler: Problem.DType = %s, want Float32 or Float64", p.DType)
	}
	return nil
}

// shape is that of a tensor whose axes dims stand between those of the batch and of a sample.
func (p Problem) shape(dims ...int) shapes.Shape {
	return shapes.Make(p.dtype(), slices.Concat([]int{p.N}, dims, p.Shape)...)
}

// Dim is the number of coordinates of a sample, the product of Shape.
func (p Problem) Dim() int { return p.shape().Size() / p.N }

// tensor copies a matrix with a sample per row.
func (p Problem) tensor(m mat.Matrix) *tensors.Tensor { return host.TensorOf(m, p.shape()) }

func (p Problem) dtype() dtypes.DType {
	if p.DType == dtypes.InvalidDType {
		return dtypes.Float32
	}
	return p.DType
}

// Settings say how a Method is run. None of them causes a compilation, but Denoise and LastMean one each for their step.
//
// With LastMean the last of the Steps goes from Eps to noise 0, where Alpha is 1 and Sigma 0 on every process, and its mean is
// kept without the noise, as the published code of Song et al. (2021) ends. The Schedule leads from T to Eps in the Steps-1
// others, so that Steps is the paper's number N of noise levels. A PC that corrects first corrects at each of them, the last
// included: 2N evaluations with one correction each; one that predicts first does not at the first, and takes 2N-1. It wants a
// predictor that follows from Alpha and Sigma alone: with a = Alpha and c = Sigma at Eps, ReverseDiffusion ends with
// (2-a) x + c^2 score, and Ancestral, WideAncestral and DDIM with the posterior mean (x + c^2 score)/a. Denoise does not go
// with it.
type Settings struct {
	Steps     int                                // N >= 1
	Schedule  Schedule                           // nil: UniformSchedule
	Seed      int64                              // of the noise and the start
	Init      *tensors.Tensor                    // [N, Shape...] start; nil: N(0, PriorStd^2 I)
	Snapshots []float64                          // times at which to keep the state, taken at the nearest point of the grid, noise 0 of LastMean aside
	Denoise   bool                               // end with the posterior mean (x + Sigma^2 score)/Alpha at the last time, one more evaluation
	LastMean  bool                               // end with the mean of a step to noise 0, see above
	HostLoop  bool                               // one call per step instead of one device loop: for comparison only
	Progress  func(done, total int, note string) // called a few times per second
}

// Status says how a run ended.
type Status int

const (
	Done      Status = iota // all steps were taken
	NonFinite               // a state became NaN or infinite; Result.Step says when
	Cancelled               // the context ended
)

// String returns the name of the status.
func (s Status) String() string { return [...]string{"done", "non-finite", "cancelled"}[s] }

// Snapshot is the state at a time of the grid.
type Snapshot struct {
	T float64
	X *tensors.Tensor // [N, Shape...]
}

// Samples returns the state as a matrix [n, d], d the product of Shape.
func (s Snapshot) Samples() *mat.Dense { return Matrix(s.X) }

// Result is what a run leaves.
type Result struct {
	X         *tensors.Tensor   // [N, Shape...], the last state
	Aux       []*tensors.Tensor // what a Carrier carried at the end
	Snapshots []Snapshot        // in the order of Settings.Snapshots
	Grid      []float64         // the times, Steps+1 of them; with LastMean the last is 0 and stands for noise 0
	NFE       int               // evaluations of the score, each on the whole batch
	Status    Status
	Step      int // steps taken; with NonFinite, the step that failed
	Elapsed   time.Duration
}

// Samples returns the last state as a matrix [n, d], d the product of Shape.
func (r *Result) Samples() *mat.Dense { return Matrix(r.X) }

// Law is the empirical law of the last state: what Forward and Backward return beside it.
func (r *Result) Law() Empirical { return Empirical{r.Samples()} }

// Path returns the times of the snapshots and coordinate k of sample i at them.
func (r *Result) Path(i, k int) (t, x []float64) {
	for _, snap := range r.Snapshots {
		t, x = append(t, snap.T), append(x, snap.Samples().At(i, k))
	}
	return t, x
}

// Matrix copies a float tensor [n, ...] to a matrix with an example per row.
func Matrix(t *tensors.Tensor) *mat.Dense { return host.Matrix(t) }

// Tensor copies a matrix [n, d] to a tensor of a float type; the zero DType means Float32, as in Problem.
func Tensor(m mat.Matrix, dtype dtypes.DType) *tensors.Tensor { return host.Tensor(m, dtype) }

// column makes a tensor [len(values)] of the problem's float type.
func (p Problem) column(values ...float64) *tensors.Tensor { return host.Column(values, p.dtype()) }

// like gives a coefficient of shape [1] the rank of x.
func like(c, x *Node) *Node { return sde.Like(c, x) }
