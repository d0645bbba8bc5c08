package edm

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// The network preconditionings of the table besides score.EDM, for any Alpha and Sigma: with the noise level sigma =
// Sigma/Alpha, networks see x/Alpha times c_in, and c_noise depends on sigma alone, so that a network trained under one process
// can serve under another. All have c_skip = 1.
var (
	// KarrasVP is that of the VP networks of Song et al.: c_out = -sigma, c_in = 1/sqrt(sigma^2 + 1) and c_noise = 999 t for
	// the time t at which VP with beta 0.1..20 has noise sigma.
	KarrasVP = score.Parametrisation{Name: "karras-vp", Coef: func(k score.Kernel) score.Coefficients {
		return score.Coefficients{Out: Neg(Reciprocal(k.Sigma)), In: unitInput(k.Alpha, k.Sigma), Noise: MulScalar(vpTime(k.Alpha, k.Sigma), 999)}
	}}
	// KarrasVE is that of the VE networks of Song et al.: c_out = sigma, c_in = 1 and c_noise = ln(sigma/2).
	KarrasVE = score.Parametrisation{Name: "karras-ve", Coef: func(k score.Kernel) score.Coefficients {
		noise := Log(Div(k.Sigma, MulScalar(k.Alpha, 2)))
		return score.Coefficients{Out: Reciprocal(k.Sigma), In: Reciprocal(k.Alpha), Noise: noise}
	}}
	// KarrasIDDPM is that of the networks of Nichol and Dhariwal: as KarrasVP, but c_noise = 999 - j for the level u_j of
	// IDDPMLevels, j < 1000, that is nearest to sigma.
	KarrasIDDPM = score.Parametrisation{Name: "karras-iddpm", Coef: func(k score.Kernel) score.Coefficients {
		return score.Coefficients{Out: Neg(Reciprocal(k.Sigma)), In: unitInput(k.Alpha, k.Sigma), Noise: iddpmStep(k.Alpha, k.Sigma)}
	}}
)

// Parametrisations lists those three.
func Parametrisations() []score.Parametrisation {
	return []score.Parametrisation{KarrasVP, KarrasVE, KarrasIDDPM}
}

// unitInput is c_in/Alpha for c_in = 1/sqrt(sigma^2 + 1).
func unitInput(alpha, sigma *Node) *Node { return Reciprocal(Sqrt(Add(Square(alpha), Square(sigma)))) }

// vpTime solves ln(1 + sigma^2) = t (b + 19.9/2 t), b = 0.1, by the form of the quadratic formula that keeps small t.
func vpTime(alpha, sigma *Node) *Node {
	const least, slope = sde.DefaultBetaMin, sde.DefaultBetaMax - sde.DefaultBetaMin
	power := Log1P(Square(Div(sigma, alpha)))
	root := Sqrt(AddScalar(MulScalar(power, 2*slope), least*least))
	return MulScalar(Div(power, AddScalar(root, least)), 2)
}

// iddpmStep counts the midpoints between neighbouring levels that lie at or below sigma, which is 999 - j, by bisection.
// It is a sequence of look-ups because a reduction would restrict what else an executable may hold.
func iddpmStep(alpha, sigma *Node) *Node {
	u := trainingLevels()
	var middle [1 << 10]float64
	for i := range middle {
		middle[i] = math.MaxFloat32 // beyond the last midpoint
		if j := len(u) - 1 - i; j > 0 {
			middle[i] = (u[j] + u[j-1]) / 2
		}
	}
	sigma = Div(sigma, alpha)
	table, g := ConstAs(sigma, middle[:]), sigma.Graph()
	count := ConvertDType(ZerosLike(sigma), dtypes.Int32)
	for step := len(middle) / 2; step > 0; step /= 2 {
		below := Gather(table, InsertAxes(Add(count, Const(g, int32(step-1))), -1))
		count = Where(GreaterOrEqual(sigma, below), Add(count, Const(g, int32(step))), count)
	}
	return ConvertDType(count, sigma.DType())
}
