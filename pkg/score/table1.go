package score

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// The network preconditionings in table 1 of Karras et al. (2022) besides that of EDM, for any Alpha and Sigma: with the
// noise level sigma = Sigma/Alpha, networks see x/Alpha times c_in, and c_noise depends on sigma alone, so that a network
// trained under one process can serve under another. All have c_skip = 1.
var (
	// KarrasVP is that of the VP networks of Song et al.: c_out = -sigma, c_in = 1/sqrt(sigma^2 + 1) and c_noise = 999 t for
	// the time t at which VP with beta 0.1..20 has noise sigma.
	KarrasVP = Parametrisation{"karras-vp", func(k kernel) coefficients {
		return coefficients{nil, Neg(Reciprocal(k.sigma)), k.unitInput(), MulScalar(k.vpTime(), 999)}
	}}
	// KarrasVE is that of the VE networks of Song et al.: c_out = sigma, c_in = 1 and c_noise = ln(sigma/2).
	KarrasVE = Parametrisation{"karras-ve", func(k kernel) coefficients {
		noise := Log(Div(k.sigma, MulScalar(k.alpha, 2)))
		return coefficients{nil, Reciprocal(k.sigma), Reciprocal(k.alpha), noise}
	}}
	// KarrasIDDPM is that of the networks of Nichol and Dhariwal: as KarrasVP, but c_noise = 999 - j for the level u_j of
	// sde.IDDPMLevels, j < 1000, that is nearest to sigma.
	KarrasIDDPM = Parametrisation{"karras-iddpm", func(k kernel) coefficients {
		return coefficients{nil, Neg(Reciprocal(k.sigma)), k.unitInput(), k.iddpmStep()}
	}}
)

// unitInput is c_in/Alpha for c_in = 1/sqrt(sigma^2 + 1).
func (k kernel) unitInput() *Node { return Reciprocal(Sqrt(Add(Square(k.alpha), Square(k.sigma)))) }

// vpTime solves ln(1 + sigma^2) = t (b + 19.9/2 t), b = 0.1, by the form of the quadratic formula that keeps small t.
func (k kernel) vpTime() *Node {
	const least, slope = sde.DefaultBetaMin, sde.DefaultBetaMax - sde.DefaultBetaMin
	power := Log1P(Square(Div(k.sigma, k.alpha)))
	root := Sqrt(AddScalar(MulScalar(power, 2*slope), least*least))
	return MulScalar(Div(power, AddScalar(root, least)), 2)
}

// iddpmStep counts the midpoints between neighbouring levels that lie at or below sigma, which is 999 - j, by bisection.
// It is a sequence of look-ups because a reduction would restrict what else an executable may hold.
func (k kernel) iddpmStep() *Node {
	u := sde.IDDPMLevels()
	u = u[:len(u)-1] // u_M = 0 is no level
	var middle [1 << 10]float64
	for i := range middle {
		middle[i] = math.MaxFloat32 // beyond the last midpoint
		if j := len(u) - 1 - i; j > 0 {
			middle[i] = (u[j] + u[j-1]) / 2
		}
	}
	sigma := Div(k.sigma, k.alpha)
	table, g := ConstAs(sigma, middle[:]), sigma.Graph()
	count := ConvertDType(ZerosLike(sigma), dtypes.Int32)
	for step := len(middle) / 2; step > 0; step /= 2 {
		below := Gather(table, InsertAxes(Add(count, Const(g, int32(step-1))), -1))
		count = Where(GreaterOrEqual(sigma, below), Add(count, Const(g, int32(step))), count)
	}
	return ConvertDType(count, sigma.DType())
}

// Preconditioning are the coefficients of the denoiser D(x; sigma) = c_skip x + c_out F(c_in x; c_noise) at noise levels
// sigma, with x in the units of the data (Karras et al. 2022, eq 7). All slices have one length.
type Preconditioning struct{ Sigma, Skip, Out, In, Noise []float64 }

// Preconditioning evaluates p in the denoiser's form, D = x + sigma^2 score, at noise levels sigmas > 0 for data of standard
// deviation std > 0, in float64. Velocity and RawTime, which depend on more than sigma, are taken on the process sde.EDM, s = 1 and sigma = t.
func (p Parametrisation) Preconditioning(std float64, sigmas []float64) (Preconditioning, error) {
	if err := p.Validate(); err != nil {
		return Preconditioning{}, err
	}
	if !(std > 0) || math.IsInf(std, 0) {
		return Preconditioning{}, fmt.Errorf("score: standard deviation of the data is %g, want > 0 and finite", std)
	}
	if len(sigmas) == 0 {
		return Preconditioning{}, fmt.Errorf("score: preconditioning %s: want at least one noise level, got none", p)
	}
	for i, sigma := range sigmas {
		if !(sigma > 0) || math.IsInf(sigma, 0) {
			return Preconditioning{}, fmt.Errorf("score: preconditioning %s: noise level %d is %g, want > 0 and finite", p, i, sigma)
		}
	}
	out, err := CallOnceN(backend.Go(), func(sigma *Node) []*Node {
		defer backend.PanicWithError()
		c, v := p.coef(newKernel(sde.EDM{}, std, sigma)), Square(sigma)
		row := []*Node{OnesLike(sigma), Mul(v, c.out), OnesLike(sigma), c.noise}
		if c.skip != nil {
			row[0] = AddScalar(Mul(v, c.skip), 1)
		}
		if c.in != nil {
			row[2] = c.in
		}
		return row
	}, sigmas)
	if err != nil {
		return Preconditioning{}, fmt.Errorf("score: preconditioning %s: %w", p, err)
	}
	column := func(k int) []float64 { return out[k].Value().([]float64) }
	return Preconditioning{sigmas, column(0), column(1), column(2), column(3)}, nil
}
