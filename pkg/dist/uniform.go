package dist

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
)

// Uniform is the law of U + std Z: uniform on the box [lo, hi], plus isotropic Gaussian noise so that it is closed
// under Noised. A Uniform is immutable; make one with NewUniform or Unit.
type Uniform struct {
	*uniform
}

type uniform struct {
	lo, hi []float64
	std    float64
}

// NewUniform returns the uniform law on the box with corners lo < hi, each [d], plus noise of standard deviation
// std >= 0 in each coordinate (0 for the plain uniform law).
func NewUniform(lo, hi []float64, std float64) (Uniform, error) {
	if len(lo) == 0 || len(lo) != len(hi) {
		return Uniform{}, fmt.Errorf("dist: uniform: lo has %d and hi %d coordinates, want the same number >= 1", len(lo), len(hi))
	}
	for i := range lo {
		if !finite(lo[i]) || !finite(hi[i]) || !(lo[i] < hi[i]) {
			return Uniform{}, fmt.Errorf("dist: uniform: coordinate %d runs from %g to %g, want finite lo < hi", i, lo[i], hi[i])
		}
	}
	if !finite(std) || std < 0 {
		return Uniform{}, fmt.Errorf("dist: uniform: standard deviation %g, want a finite number >= 0", std)
	}
	return Uniform{&uniform{slices.Clone(lo), slices.Clone(hi), std}}, nil
}

// Unit returns the uniform law on [0, 1], the data of Huang's example A.
func Unit() Uniform {
	return Uniform{&uniform{[]float64{0}, []float64{1}, 0}}
}

// Dim implements Law.
func (u Uniform) Dim() int { return len(u.lo) }

// Mean implements Law: the centre of the box.
func (u Uniform) Mean() []float64 {
	mid, _ := u.centreAndHalf()
	return mid
}

// centreAndHalf returns the centre of the box and half its edges.
func (u Uniform) centreAndHalf() (mid, half []float64) {
	mid, half = make([]float64, len(u.lo)), make([]float64, len(u.lo))
	for i := range u.lo {
		mid[i], half[i] = (u.lo[i]+u.hi[i])/2, (u.hi[i]-u.lo[i])/2
	}
	return mid, half
}

// Cov implements Law.
func (u Uniform) Cov() *mat.SymDense {
	cov := mat.NewSymDense(len(u.lo), nil)
	for i := range u.lo {
		edge := u.hi[i] - u.lo[i]
		cov.SetSym(i, i, edge*edge/12+u.std*u.std)
	}
	return cov
}

// Sample implements Law.
func (u Uniform) Sample(rng *rand.Rand, n int) *mat.Dense {
	x := mat.NewDense(n, len(u.lo), nil)
	x.Apply(func(_, j int, _ float64) float64 {
		v := u.lo[j] + (u.hi[j]-u.lo[j])*rng.Float64()
		if u.std > 0 {
			v += u.std * rng.NormFloat64()
		}
		return v
	}, x)
	return x
}

// LogProb implements Law. With sigma = std = 0 it is -Inf outside the box.
func (u Uniform) LogProb(x, alpha, sigma *Node) *Node {
	checkInputs("Uniform.LogProb", u.Dim(), x, alpha, sigma)
	s := u.at(x, alpha, sigma)
	return ReduceSum(Sub(s.logMass, Log(s.scale)), 1)
}

// Score implements Law, coordinate by coordinate: minus the posterior mean of the noise over its scale.
func (u Uniform) Score(x, alpha, sigma *Node) *Node {
	checkInputs("Uniform.Score", u.Dim(), x, alpha, sigma)
	s := u.at(x, alpha, sigma)
	return Neg(Div(Mul(s.side, s.mean), s.scale))
}

// Denoise implements Law. The box part of X is a point of the box by construction, whatever the rounding, which at z
// standard deviations of the noise beyond the box is z^2 units of it: 1e-4 of the box at 50 in float32.
func (u Uniform) Denoise(x, alpha, sigma *Node) *Node {
	checkInputs("Uniform.Denoise", u.Dim(), x, alpha, sigma)
	s := u.at(x, alpha, sigma)
	box := Sub(s.mid, Mul(s.half, Mul(s.side, s.offset)))
	if u.std == 0 {
		return box
	}
	gain := Div(Mul(s.alpha, constant(x, u.std*u.std)), Square(s.scale))
	return Add(box, Mul(gain, Sub(x, Mul(s.alpha, box))))
}

// boxed is the noised uniform law at (x, alpha, sigma); shapes [B, d] unless stated.
type boxed struct {
	truncated       // the noise Z, mirrored so that its interval has its centre at c >= 0
	side      *Node // the sign of the mirroring: of x - alpha mid
	alpha     *Node // [T, 1]
	scale     *Node // standard deviation of the noise: sqrt(alpha^2 std^2 + sigma^2), [T, 1]
	mid, half *Node // centre of the box and half its edges, [1, d]
}

// at evaluates the noise that is consistent with x.
func (u Uniform) at(x, alpha, sigma *Node) boxed {
	mid, half := u.centreAndHalf()
	return box(x, Reshape(alpha, alpha.Shape().Dim(0), 1), Reshape(sigma, sigma.Shape().Dim(0), 1),
		constant(x, mid, 1, len(mid)), constant(x, half, 1, len(half)), u.std)
}

// box evaluates the noise that is consistent with x = alpha U + scale Z, U uniform on mid +- half plus noise of standard
// deviation std: Z lies in [(x - alpha (mid + half))/scale, (x - alpha (mid - half))/scale]. All nodes broadcast.
func box(x, alpha, sigma, mid, half *Node, std float64) boxed {
	s := boxed{alpha: alpha, mid: mid, half: half}
	variance := Add(Mul(Square(alpha), constant(x, std*std)), Square(sigma))
	// With no noise at all the limit is reached by a scale whose inverse is finite but overflows when squared.
	least := 1e-200
	if x.DType().Size() < 8 {
		least = 1e-30
	}
	s.scale = Max(Sqrt(variance), constant(x, least))
	shift := Sub(x, Mul(alpha, mid))
	// At the centre both signs serve, but 0, as of Sign, would hide the derivative of the score.
	s.side = Where(GreaterOrEqual(shift, constant(x, 0.0)), constant(x, 1.0), constant(x, -1.0))
	distance, reach := Mul(s.side, shift), Mul(alpha, half)
	s.truncated = truncate(Div(distance, s.scale), Div(Sub(distance, reach), s.scale), Div(reach, s.scale))
	return s
}

// CDF is the cumulative distribution function of each coordinate of alpha U + sigma Z at x, [B, d]:
// F(x) = [psi(b) - psi(a)] / (b - a) with psi(z) = z Phi(z) + phi(z), a and b the ends of the noise interval. For
// U[0, 1] it is also the probability-flow map from x_t to x_0.
func (u Uniform) CDF(x, alpha, sigma *Node) *Node {
	checkInputs("Uniform.CDF", u.Dim(), x, alpha, sigma)
	s := u.at(x, alpha, sigma)
	reach := Mul(s.alpha, s.half)
	shift := Sub(x, Mul(s.alpha, s.mid))
	h := BroadcastToDims(Div(reach, s.scale), x.Shape().Dimensions...)
	c, one := Div(shift, s.scale), constant(x, 1.0)
	wide := Sub(psi(Div(Add(shift, reach), s.scale)), psi(Div(Sub(shift, reach), s.scale)))
	// psi(b) - psi(a) cancels on a short interval, where the mean of Phi over it is a sum of positive terms.
	mean := constant(x, 0.0)
	for _, p := range legendre() {
		step := Mul(upToOne(h), constant(x, p.node))
		mean = Add(mean, Mul(Add(phiCDF(Add(c, step)), phiCDF(Sub(c, step))), constant(x, p.weight/2)))
	}
	isShort := LessOrEqual(h, one)
	return Where(isShort, mean, Div(wide, Where(isShort, one, Mul(h, constant(x, 2.0)))))
}

// phiCDF is the standard normal cdf.
func phiCDF(z *Node) *Node {
	return Mul(Add(Erf(Mul(z, constant(z, math.Sqrt2/2))), constant(z, 1.0)), constant(z, 0.5))
}

// psi is the integral of the standard normal cdf: z Phi(z) + phi(z).
func psi(z *Node) *Node {
	density := Mul(Exp(Mul(Square(z), constant(z, -0.5))), constant(z, 1/math.Sqrt(2*math.Pi)))
	return Add(Mul(z, phiCDF(z)), density)
}

// Noised implements Law.
func (u Uniform) Noised(alpha, sigma float64) Law {
	checkKernel(alpha, sigma)
	out := &uniform{make([]float64, len(u.lo)), make([]float64, len(u.lo)), math.Hypot(alpha*u.std, sigma)}
	for i := range u.lo {
		out.lo[i], out.hi[i] = min(alpha*u.lo[i], alpha*u.hi[i]), max(alpha*u.lo[i], alpha*u.hi[i])
	}
	return Uniform{out}
}

// String implements Law.
func (u Uniform) String() string {
	box := fmt.Sprintf("uniform on [%.4g, %.4g]", u.lo[0], u.hi[0])
	if len(u.lo) > 1 {
		box = fmt.Sprintf("uniform on %.4g to %.4g", u.lo, u.hi)
	}
	if u.std > 0 {
		box += fmt.Sprintf(" plus noise of std %.4g", u.std)
	}
	return box
}
