package score

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Mean is an average over samples and its standard error.
type Mean struct{ Value, Stderr float64 }

// Expect averages quantities over the noised data x = Alpha x_0 + Sigma z at each of ts. quantities
// builds their values per example, [n] each, from x and z [n, d] and t [1]. The result is [len(ts)] rows of as many
// Means as there are quantities. n samples of law and of noise are drawn per time from rng.
func (u Truth) Expect(b compute.Backend, ts []float64, n int, rng *rand.Rand, quantities func(x, z, t *Node) []*Node) ([][]Mean, error) {
	switch {
	case n < 2:
		return nil, fmt.Errorf("got n = %d samples, want at least 2", n)
	case len(ts) == 0:
		return nil, errors.New("got no times")
	}
	if err := u.Validate(); err != nil {
		return nil, err
	}
	exec, err := model.NewExec(b, model.NewStore(), func(_ *model.Scope, x0, z, t *Node) []*Node {
		defer backend.PanicWithError()
		alpha, sigma := u.SDE.Alpha(t), u.SDE.Sigma(t)
		return quantities(Add(sde.Times(alpha, x0), sde.Times(sigma, z)), z, t)
	})
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	means := make([][]Mean, len(ts))
	for k, t := range ts {
		x0, z := u.Law.Sample(rng, n), mat.NewDense(n, u.Law.Dim(), nil)
		for i := range z.RawMatrix().Data {
			z.RawMatrix().Data[i] = rng.NormFloat64()
		}
		out, err := exec.Call(host.Tensor(x0, dtypes.Float32), host.Tensor(z, dtypes.Float32), host.Column([]float64{t}, dtypes.Float32))
		if err != nil {
			return nil, fmt.Errorf("t = %g: %w", t, err)
		}
		for _, values := range out {
			mean, std := stat.MeanStdDev(host.Values(values), nil)
			means[k] = append(means[k], Mean{mean, stat.StdErr(std, float64(n))})
		}
	}
	return means, nil
}
