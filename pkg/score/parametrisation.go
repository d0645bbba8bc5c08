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
type Parametrisation struct {
	Name string
	coef func(k kernel) coefficients
}

// kernel holds what coefficients may depend on; the nodes have the shape of t.
type kernel struct {
	t, alpha, sigma *Node
	total           *Node // sqrt(alpha^2 std^2 + sigma^2): the standard deviation of x_t
	std             float64
}

func newKernel(s sde.SDE, std float64, t *Node) kernel {
	alpha, sigma := s.Alpha(t), s.Sigma(t)
	total := Sqrt(Add(MulScalar(Square(alpha), std*std), Square(sigma)))
	return kernel{t, alpha, sigma, total, std}
}

// logNoise is c_noise = ln(Sigma/Alpha)/4, the network's view of time.
func (k kernel) logNoise() *Node { return MulScalar(Log(Div(k.sigma, k.alpha)), 0.25) }

type coefficients struct{ skip, out, in, noise *Node }

var (
	// EDM predicts a mixture of data and noise such that the network's inputs and targets have unit variance at every t
	// (Karras et al. 2022, Table 1, for any Alpha and Sigma).
	EDM = Parametrisation{"edm", func(k kernel) coefficients {
		return coefficients{
			skip:  Neg(Reciprocal(Square(k.total))),
			out:   Div(MulScalar(k.alpha, k.std), Mul(k.sigma, k.total)),
			in:    Reciprocal(k.total),
			noise: k.logNoise(),
		}
	}}
	// Epsilon predicts the noise: score = -F/Sigma (Ho et al. 2020, arXiv 2006.11239).
	Epsilon = Parametrisation{"epsilon", func(k kernel) coefficients {
		return coefficients{nil, Neg(Reciprocal(k.sigma)), Reciprocal(k.total), k.logNoise()}
	}}
	// Data predicts the clean data x_0: score = (Alpha F - x)/Sigma^2.
	Data = Parametrisation{"x0", func(k kernel) coefficients {
		v := Square(k.sigma)
		return coefficients{Neg(Reciprocal(v)), Div(k.alpha, v), Reciprocal(k.total), k.logNoise()}
	}}
	// Velocity predicts v = Alpha noise - Sigma x_0 (Salimans and Ho 2022, arXiv 2202.00512), for any Alpha and Sigma.
	Velocity = Parametrisation{"v", func(k kernel) coefficients {
		v := Add(Square(k.alpha), Square(k.sigma))
		return coefficients{Neg(Reciprocal(v)), Neg(Div(k.alpha, Mul(k.sigma, v))), Reciprocal(k.total), k.logNoise()}
	}}
	// RawTime is the plain network of the first score SDE toys: it sees x and t as they are, and score = F/Sigma.
	RawTime = Parametrisation{"raw-time", func(k kernel) coefficients {
		return coefficients{nil, Reciprocal(k.sigma), nil, k.t}
	}}
)

// Parametrisations lists all of them.
func Parametrisations() []Parametrisation {
	return []Parametrisation{EDM, Epsilon, Data, Velocity, RawTime}
}

// NewParametrisation returns one of another name, whose coefficients, of the shape of t, follow from Alpha and Sigma. A nil
// skip is 0; with a nil in the network sees x itself.
func NewParametrisation(name string, coef func(alpha, sigma *Node) (skip, out, in, noise *Node)) Parametrisation {
	return Parametrisation{name, func(k kernel) coefficients {
		skip, out, in, noise := coef(k.alpha, k.sigma)
		return coefficients{skip, out, in, noise}
	}}
}

// String returns the name.
func (p Parametrisation) String() string { return p.Name }

// Validate refuses the empty parametrisation.
func (p Parametrisation) Validate() error {
	if p.coef == nil {
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
		c := p.coef(newKernel(s, std, t))
		in := x
		if c.in != nil {
			in = sde.Times(c.in, x)
		}
		y := sde.Times(c.out, net(in, c.noise))
		if c.skip != nil {
			y = Add(y, sde.Times(c.skip, x))
		}
		return y
	}
}
