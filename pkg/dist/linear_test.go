package dist

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// rotation turns the plane by an angle in radians.
func rotation(angle float64) *mat.Dense {
	sin, cos := math.Sincos(angle)
	return mat.NewDense(2, 2, []float64{cos, -sin, sin, cos})
}

func TestLinearRotation(t *testing.T) {
	for _, m := range []Mixture{FourGaussians(), generalMixture()} {
		turned := must(must(m.Linear(rotation(0.4))).Linear(rotation(0.7)))
		sameLaw(t, m.String(), turned, must(m.Linear(rotation(1.1))), 1e-13)
		if (turned.components.bases == nil) != (m.components.bases == nil) {
			t.Errorf("%s became %s", m, turned)
		}
		for _, k := range kernels {
			x := points(m, k[0], k[1], 30)
			var image mat.Dense
			image.Mul(x, rotation(1.1).T())
			wantClose(t, "LogProb", must(LogProbAt(turned, &image, k[0], k[1])), must(LogProbAt(m, x, k[0], k[1])), 1e-11)
		}
	}
}

// TestLinearMoments checks E = B mu and Cov = B C B^T for projections, full maps, embeddings and maps of rank 2.
func TestLinearMoments(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 1))
	m := randomMixture(rng, 3, 4)
	var maps []*mat.Dense
	for rows := 1; rows <= 6; rows++ {
		var deficient mat.Dense
		deficient.Mul(normalMatrix(rng, rows, 2), normalMatrix(rng, 2, 4))
		maps = append(maps, normalMatrix(rng, rows, 4), &deficient)
	}
	for i, b := range maps {
		rows, rank := i/2+1, min(i/2+1, []int{4, 2}[i%2])
		image := must(m.Linear(b))
		var mean mat.VecDense
		mean.MulVec(b, mat.NewVecDense(4, m.Mean()))
		wantClose(t, "mean", image.Mean(), mean.RawVector().Data, 1e-12)
		var half, cov mat.Dense
		half.Mul(b, m.Cov())
		cov.Mul(&half, b.T())
		wantClose(t, "covariance", symmetric(image.Cov()), flat(&cov), 1e-12)
		for k := range image.Components() {
			var zero int
			for _, v := range image.components.vars.RawRowView(k) {
				if v == 0 {
					zero++
				}
			}
			if zero != rows-rank {
				t.Errorf("an image of rank %d in %d-D has %d directions without variance", rank, rows, zero)
			}
		}
	}
}

// TestLinearChangeOfVariables: log p of B X at B x is log p of X at x less log |det B|.
func TestLinearChangeOfVariables(t *testing.T) {
	rng := rand.New(rand.NewPCG(32, 1))
	for _, m := range []Mixture{randomMixture(rng, 3, 3), must(NewIsotropicMixture(nil, normalMatrix(rng, 2, 3), []float64{0.5, 1}))} {
		b := normalMatrix(rng, 3, 3)
		x := m.Sample(rng, 20)
		var y mat.Dense
		y.Mul(x, b.T())
		got, want := must(LogProbAt(must(m.Linear(b)), &y, 1, 0)), must(LogProbAt(m, x, 1, 0))
		for i := range want {
			want[i] -= math.Log(math.Abs(mat.Det(b)))
		}
		wantClose(t, "LogProb", got, want, 1e-11)
	}
}

// TestLinearMarginal projects the ring on its first coordinate.
func TestLinearMarginal(t *testing.T) {
	first := must(FourGaussians().Linear(mat.NewDense(1, 2, []float64{1, 0})))
	if first.components.bases != nil {
		t.Error("the marginal of an isotropic mixture is not isotropic")
	}
	want := must(NewIsotropicMixture(nil, mat.NewDense(4, 1, []float64{1, 0, -1, 0}), []float64{0.2, 0.2, 0.2, 0.2}))
	sameLaw(t, "marginal", first, want, 1e-14)
	stretched := must(FourGaussians().Linear(mat.NewDense(2, 2, []float64{1, 0, 0, 1 + 1e-8})))
	if stretched.components.bases == nil {
		t.Error("a stretch of 1e-8 was rounded away")
	}
}
