package objective

import (
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// GapPoint compares two losses of one model at one time, both weighted with lambda = Sigma^2.
type GapPoint struct {
	T        float64
	DSM      float64 // E |Sigma (f(x_t,t) - grad log p(x_t|x_0))|^2, the loss that can be computed
	Explicit float64 // E |Sigma (f(x_t,t) - grad log p_t(x_t))|^2, the loss that is meant
	Excess   float64 // DSM - Explicit minus the constant E|z|^2 - E|Sigma grad log p_t|^2 on the same samples
	Stderr   float64 // standard error of Excess
}

// Gap measures what denoising score matching rests on (Vincent 2011): the DSM loss exceeds the explicit loss by the
// constant E|z|^2 - E|Sigma grad log p_t|^2, whatever f is, so that both have the same minimum. Excess is 0 up to noise
// for every f. n samples of data from law and of noise are drawn per time; the same seed gives the same samples for
// another f. store holds f's variables, nil if it has none.
func Gap(b compute.Backend, f score.Func, store *model.Store, law dist.Law, s sde.SDE, ts []float64, n int, seed uint64) ([]GapPoint, error) {
	if n < 2 {
		return nil, fmt.Errorf("objective: Gap got n = %d samples, want at least 2", n)
	}
	if store == nil {
		store = model.NewStore()
	}
	exact := score.Exact(law, s)
	exec, err := model.NewExec(b, store, func(_ *model.Scope, x0, z, t *Node) []*Node {
		alpha, sigma := sde.Like(s.Alpha(t), x0), sde.Like(s.Sigma(t), x0)
		x := Add(Mul(alpha, x0), Mul(sigma, z))
		learned, target := Mul(sigma, f(x, t)), Mul(sigma, exact(x, t))
		norm2 := func(v *Node) *Node { return ReduceSum(Square(v), -1) }
		dsm, explicit := norm2(Add(learned, z)), norm2(Sub(learned, target))
		constant := Sub(norm2(z), norm2(target))
		return []*Node{dsm, explicit, Sub(Sub(dsm, explicit), constant)}
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	rng := rand.New(rand.NewPCG(seed, 1))
	points := make([]GapPoint, len(ts))
	for k, t := range ts {
		x0 := tensor32(law.Sample(rng, n).RawMatrix().Data, n)
		z := make([]float64, n*law.Dim())
		for i := range z {
			z[i] = rng.NormFloat64()
		}
		out, err := exec.Call(x0, tensor32(z, n), []float32{float32(t)})
		if err != nil {
			return nil, fmt.Errorf("objective: gap at t = %g: %w", t, err)
		}
		points[k].T = t
		points[k].DSM, _ = meanOf(out[0])
		points[k].Explicit, _ = meanOf(out[1])
		points[k].Excess, points[k].Stderr = meanOf(out[2])
	}
	return points, nil
}

func tensor32(flat []float64, n int) *tensors.Tensor {
	narrow := make([]float32, len(flat))
	for i, v := range flat {
		narrow[i] = float32(v)
	}
	return tensors.FromFlatDataAndDimensions(narrow, n, len(flat)/n)
}

// meanOf returns the mean of a tensor [n] and its standard error.
func meanOf(t *tensors.Tensor) (mean, stderr float64) {
	narrow := tensors.MustCopyFlatData[float32](t)
	wide := make([]float64, len(narrow))
	for i, v := range narrow {
		wide[i] = float64(v)
	}
	mean, std := stat.MeanStdDev(wide, nil)
	return mean, stat.StdErr(std, float64(len(wide)))
}
