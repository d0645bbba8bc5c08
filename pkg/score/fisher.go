package score

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sde"
)

// FisherPoint is the weighted Fisher error at one time.
type FisherPoint struct {
	T      float64
	Error  float64 // E |Sigma (f - score)|^2 over x ~ p_t
	Stderr float64 // standard error of Error
}

// Fisher measures how far f is from the exact score of law under s: E_{x ~ p_t} |Sigma(t) (f(x,t) - score(x,t))|^2 at
// each of ts, from n exact samples of p_t each. The weight makes the number comparable over t: a score of zero at large
// Sigma has error d. store holds f's variables, nil if it has none.
func Fisher(b compute.Backend, f Func, store *model.Store, law dist.Law, s sde.SDE, ts []float64, n int, seed uint64) ([]FisherPoint, error) {
	switch {
	case f == nil || law == nil:
		return nil, errors.New("score: Fisher wants a score and a law, got nil")
	case n < 2:
		return nil, fmt.Errorf("score: Fisher got n = %d samples, want at least 2", n)
	case len(ts) == 0:
		return nil, errors.New("score: Fisher got no times")
	}
	if err := sde.Validate(s); err != nil {
		return nil, fmt.Errorf("score: Fisher: %w", err)
	}
	if store == nil {
		store = model.NewStore()
	}
	exact := Exact(law, s)
	exec, err := model.NewExec(b, store, func(_ *model.Scope, x0, z, t *Node) *Node {
		defer backend.PanicWithError()
		alpha, sigma := sde.Like(s.Alpha(t), x0), sde.Like(s.Sigma(t), x0)
		x := Add(Mul(alpha, x0), Mul(sigma, z))
		return ReduceSum(Square(Mul(sigma, Sub(f(x, t), exact(x, t)))), -1)
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	rng := rand.New(rand.NewPCG(seed, 0))
	points := make([]FisherPoint, len(ts))
	for k, t := range ts {
		x0 := law.Sample(rng, n).RawMatrix().Data
		z := make([]float64, len(x0))
		for i := range z {
			z[i] = rng.NormFloat64()
		}
		y, err := exec.Call1(rows32(x0, n), rows32(z, n), []float32{float32(t)})
		if err != nil {
			return nil, fmt.Errorf("score: Fisher error at t = %g: %w", t, err)
		}
		values := floats64(tensors.MustCopyFlatData[float32](y))
		mean, std := stat.MeanStdDev(values, nil)
		points[k] = FisherPoint{T: t, Error: mean, Stderr: stat.StdErr(std, float64(n))}
	}
	return points, nil
}

// MaxError returns the largest error of the points. It is NaN if one of them is NaN, or if there are none, so that no
// bound holds by accident.
func MaxError(points []FisherPoint) float64 {
	if len(points) == 0 {
		return math.NaN()
	}
	worst := math.Inf(-1)
	for _, p := range points {
		worst = math.Max(worst, p.Error) // NaN if either is
	}
	return worst
}

func rows32(flat []float64, n int) *tensors.Tensor {
	data := make([]float32, len(flat))
	for i, v := range flat {
		data[i] = float32(v)
	}
	return tensors.FromFlatDataAndDimensions(data, n, len(flat)/n)
}

func floats64(values []float32) []float64 {
	wide := make([]float64, len(values))
	for i, v := range values {
		wide[i] = float64(v)
	}
	return wide
}
