package dist

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/sde"
)

// DensityOverTime evaluates the density p_t(x) of a one-dimensional law under s at the points x and times ts, in float64
// on the host: [len(x), len(ts)]. It is the exact picture behind paths and histograms over time. It returns an error
// when the law is not one-dimensional, a list is empty, or s or a point is invalid.
func DensityOverTime(l Law, s sde.SDE, x, ts []float64) (*mat.Dense, error) {
	if l == nil || l.Dim() != 1 || len(x) == 0 {
		return nil, fmt.Errorf("dist: density over time: want a one-dimensional law and at least one point")
	}
	k, err := sde.Table(s, ts)
	if err != nil {
		return nil, err
	}
	points, out := mat.NewDense(len(x), 1, x), mat.NewDense(len(x), len(ts), nil)
	for j := range ts {
		logs, err := LogProbAt(l, points, k.Alpha[j], k.Sigma[j])
		if err != nil {
			return nil, err
		}
		for i, v := range logs {
			out.Set(i, j, math.Exp(v))
		}
	}
	return out, nil
}
