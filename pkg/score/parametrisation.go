package score

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/sde"
)

// Parametrisation says what a network F computes and how the score follows from it:
//
//	score(x, t) = skip x + out F(in x, noise)
//
// with coefficients that depend on Alpha, Sigma and the standard deviation of the data only, so that every
// parametrisation works with every SDE. In this form nothing cancels at small Sigma, but for Data, whose network output
// lies as close to x as the score is small against x/Sigma^2: there float32 leaves a relative error of 1e-7/Sigma^2 for
// data of size 1. The denoiser form of Karras et al.
// (2022, arXiv 2206.00364, eq 7) has c_skip = (1 + Sigma^2 skip)/Alpha, c_out = Sigma^2 out/Alpha, c_in = in and
// c_noise = noise.
//
// Others than those below are made by their two fields. The name tells trainings apart: other coefficients want another one.
type Parametrisation struct {
	Name string
	Coef func(k Kernel) Coefficients
}

// Kernel holds what coefficients may depend on; the nodes have the shape of the times T, [B] or [1].
type Kernel struct {
	T, Alpha, Sigma *Node
	Total           *Node   // sqrt(Alpha^2 Std^2 + Sigma^2): the standard deviation of x_t
	Std             float64 // of the data
}

func newKernel(s sde.SDE, std float64, t *Node) Kernel {
	alpha, sigma := s.Alpha(t), s.Sigma(t)
	total := Sqrt(Add(MulScalar(Square(alpha), std*std), Square(sigma)))
	return Kernel{t, alpha, sigma, total, std}
}

// LogNoise is c_noise = ln(Sigma/Alpha)/4, the network's view of time.
func (k Kernel) LogNoise() *Node { return MulScalar(Log(Div(k.Sigma, k.Alpha)), 0.25) }

// Coefficients are those of a parametrisation, of the shape of the times. Skip nil means 0, In nil means 1; Noise is what the
// network sees of time.
type Coefficients struct{ Skip, Out, In, Noise *Node }

var (
	// EDM predicts a mixture of data and noise such that the network's inputs and targets have unit variance at every t
	// (Karras et al. 2022, Table 1, for any Alpha and Sigma).
	EDM = Parametrisation{"edm", func(k Kernel) Coefficients {
		return Coefficients{
			Skip:  Neg(Reciprocal(Square(k.Total))),
			Out:   Div(MulScalar(k.Alpha, k.Std), Mul(k.Sigma, k.Total)),
			In:    Reciprocal(k.Total),
			Noise: k.LogNoise(),
		}
	}}
	// Epsilon predicts the noise: score = -F/Sigma (Ho et al. 2020, arXiv 2006.11239).
	Epsilon = Parametrisation{"epsilon", func(k Kernel) Coefficients {
		return Coefficients{nil, Neg(Reciprocal(k.Sigma)), Reciprocal(k.Total), k.LogNoise()}
	}}
	// Data predicts the clean data x_0: score = (Alpha F - x)/Sigma^2.
	Data = Parametrisation{"x0", func(k Kernel) Coefficients {
		v := Square(k.Sigma)
		return Coefficients{Neg(Reciprocal(v)), Div(k.Alpha, v), Reciprocal(k.Total), k.LogNoise()}
	}}
	// Velocity predicts v = Alpha noise - Sigma x_0 (Salimans and Ho 2022, arXiv 2202.00512), for any Alpha and Sigma.
	Velocity = Parametrisation{"v", func(k Kernel) Coefficients {
		v := Add(Square(k.Alpha), Square(k.Sigma))
		return Coefficients{Neg(Reciprocal(v)), Neg(Div(k.Alpha, Mul(k.Sigma, v))), Reciprocal(k.Total), k.LogNoise()}
	}}
	// RawTime is the plain network of the first score SDE toys: it sees x and t as they are, and score = F/Sigma.
	RawTime = Parametrisation{"raw-time", func(k Kernel) Coefficients {
		return Coefficients{nil, Reciprocal(k.Sigma), nil, k.T}
	}}
)

// Parametrisations lists all of them.
func Parametrisations() []Parametrisation {
	return []Parametrisation{EDM, Epsilon, Data, Velocity, RawTime}
}

// String returns the name.
func (p Parametrisation) String() string { return p.Name }

// Validate refuses the empty parametrisation.
func (p Parametrisation) Validate() error {
	if p.Coef == nil {
		return fmt.Errorf("score: empty parametrisation %q, want one of %v", p.Name, Parametrisations())
	}
	return nil
}

// Wrap returns the score whose network is net(in x, noise), for data of standard deviation std > 0 under s. noise has
// the shape of t.
func (p Parametrisation) Wrap(s sde.SDE, std float64, net func(x, noise *Node) *Node) Func {
	if err := p.Validate(); err != nil {
		panic(err)
	}
	if !(std > 0) || math.IsInf(std, 0) {
		panic(fmt.Errorf("score: standard deviation of the data is %g, want > 0 and finite", std))
	}
	return func(x, t *Node) *Node {
		c := p.Coef(newKernel(s, std, t))
		in := x
		if c.In != nil {
			in = sde.Times(c.In, x)
		}
		y := sde.Times(c.Out, net(in, c.Noise))
		if c.Skip != nil {
			y = Add(y, sde.Times(c.Skip, x))
		}
		return y
	}
}
