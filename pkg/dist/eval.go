package dist

import (
	"fmt"
	"math"
	"reflect"
	"sync"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
)

// LogProbAt evaluates l.LogProb in float64 on the host: the log density of alpha X + sigma Z at the rows of x, [n, d].
// It returns an error if x is empty, of another dimension or not finite, or if alpha > 0 and sigma >= 0 do not hold.
func LogProbAt(l Law, x mat.Matrix, alpha, sigma float64) ([]float64, error) {
	values, _, err := evaluate(l, "LogProb", func(x, a, s *graph.Node) *graph.Node { return l.LogProb(x, a, s) }, x, alpha, sigma)
	return values, err
}

// ScoreAt evaluates l.Score in float64 on the host, [n, d]; errors as in LogProbAt.
func ScoreAt(l Law, x mat.Matrix, alpha, sigma float64) (*mat.Dense, error) {
	return dense(evaluate(l, "Score", func(x, a, s *graph.Node) *graph.Node { return l.Score(x, a, s) }, x, alpha, sigma))
}

// DenoiseAt evaluates l.Denoise in float64 on the host, [n, d]; errors as in LogProbAt.
func DenoiseAt(l Law, x mat.Matrix, alpha, sigma float64) (*mat.Dense, error) {
	return dense(evaluate(l, "Denoise", func(x, a, s *graph.Node) *graph.Node { return l.Denoise(x, a, s) }, x, alpha, sigma))
}

// ResponsibilitiesAt evaluates m.Responsibilities in float64 on the host, [n, K]; errors as in LogProbAt.
func ResponsibilitiesAt(m Mixture, x mat.Matrix, alpha, sigma float64) (*mat.Dense, error) {
	return dense(evaluate(m, "Responsibilities", m.Responsibilities, x, alpha, sigma))
}

// LogPosteriorAt evaluates m.LogPosterior in float64 on the host, [n, K]; errors as in LogProbAt.
func LogPosteriorAt(m Mixture, x mat.Matrix, alpha, sigma float64) (*mat.Dense, error) {
	return dense(evaluate(m, "LogPosterior", m.LogPosterior, x, alpha, sigma))
}

// DivergenceAt evaluates m.Divergence in float64 on the host, [n]; errors as in LogProbAt.
func DivergenceAt(m Mixture, x mat.Matrix, alpha, sigma float64) ([]float64, error) {
	values, _, err := evaluate(m, "Divergence", m.Divergence, x, alpha, sigma)
	return values, err
}

// CDFAt evaluates u.CDF in float64 on the host, [n, d]; errors as in LogProbAt.
func CDFAt(u Uniform, x mat.Matrix, alpha, sigma float64) (*mat.Dense, error) {
	return dense(evaluate(u, "CDF", u.CDF, x, alpha, sigma))
}

func dense(values []float64, cols int, err error) (*mat.Dense, error) {
	if err != nil {
		return nil, err
	}
	return mat.NewDense(len(values)/cols, cols, values), nil
}

// evaluate runs a graph function of a law on the Go backend in float64 and returns its values and number of columns.
func evaluate(l Law, what string, fn func(x, alpha, sigma *graph.Node) *graph.Node, x mat.Matrix, alpha, sigma float64) (values []float64, cols int, err error) {
	if l == nil || x == nil {
		return nil, 0, fmt.Errorf("dist: %s: the law or x is nil", what)
	}
	n, d := x.Dims() // an empty mat.Dense has 0 rows
	if n == 0 || d != l.Dim() {
		return nil, 0, fmt.Errorf("dist: %s of %s: x is [%d, %d], want [n, %d] with n >= 1", what, l, n, d, l.Dim())
	}
	if !(alpha > 0) || !(sigma >= 0) || math.IsInf(alpha, 1) || math.IsInf(sigma, 1) {
		return nil, 0, fmt.Errorf("dist: %s of %s: alpha = %g, sigma = %g, want finite alpha > 0 and sigma >= 0", what, l, alpha, sigma)
	}
	data := flat(mat.DenseCopyOf(x))
	for i, v := range data {
		if !finite(v) {
			return nil, 0, fmt.Errorf("dist: %s of %s: x[%d, %d] is %g, want finite numbers", what, l, i/d, i%d, v)
		}
	}
	input := tensors.FromFlatDataAndDimensions(data, n, d)
	out, err := executable(l, what, fn).Call(input, []float64{alpha}, []float64{sigma})
	if err != nil {
		return nil, 0, fmt.Errorf("dist: %s of %s: %w", what, l, err)
	}
	values, err = tensors.CopyFlatData[float64](out[0])
	return values, len(values) / n, err
}

// compiled keeps the executables of evaluate, so that a plot or a test that asks again with a batch of the same size
// does not build its graph again. It is emptied when full: laws made by Noised in a loop would fill it for ever.
var compiled = struct {
	sync.Mutex
	execs map[compiledKey]*graph.Exec
}{execs: map[compiledKey]*graph.Exec{}}

type compiledKey struct {
	law  Law
	what string
}

const maxCompiled = 64

// executable returns the executable of one function of one law. Laws of this package are immutable pointers, which
// makes them keys; a law of another package that is not comparable gets a new executable each time.
func executable(l Law, what string, fn func(x, alpha, sigma *graph.Node) *graph.Node) *graph.Exec {
	if !reflect.TypeOf(l).Comparable() {
		return graph.MustNewExec(backend.Go(), fn)
	}
	compiled.Lock()
	defer compiled.Unlock()
	key := compiledKey{l, what}
	if exec, ok := compiled.execs[key]; ok {
		return exec
	}
	if len(compiled.execs) >= maxCompiled {
		clear(compiled.execs)
	}
	exec := graph.MustNewExec(backend.Go(), fn).SetMaxCache(-1)
	compiled.execs[key] = exec
	return exec
}
