package objective

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TimeSampler draws one time per example of a batch x0 [B, ...]: times t [B] in [Eps, T] of s and the weights [B] by
// which their losses are multiplied.
type TimeSampler interface {
	Draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node)
	String() string
}

// Uniform draws independent uniform times.
type Uniform struct{}

// Draw implements TimeSampler with weights 1.
func (Uniform) Draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node) {
	u := rng.Uniform(batch(x0))
	return spread(s, u), OnesLike(u)
}

// String returns "uniform".
func (Uniform) String() string { return "uniform" }

// Stratified draws uniform times that cover the span evenly within every batch, (u + i/B) mod 1 (Kingma et al. 2021, arXiv
// 2107.00630, appendix I.1).
type Stratified struct{}

// Draw implements TimeSampler with weights 1.
func (Stratified) Draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node) {
	u := strata(rng, x0)
	return spread(s, u), OnesLike(u)
}

// String returns "stratified".
func (Stratified) String() string { return "stratified" }

// Importance draws times with density proportional to g^2/Sigma^2 and divides by it, which takes the variance out of
// the Likelihood weighting (Song et al. 2021, arXiv 2101.09258, section 4.2). The draws are stratified.
type Importance struct{}

// Draw implements TimeSampler with the weights of the uniform law over this one.
func (Importance) Draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node) {
	return must(importanceLaw(s)).draw(s, rng, x0)
}

// String returns "importance g^2/sigma^2".
func (Importance) String() string { return "importance g^2/sigma^2" }

// LogNormalSigma draws ln(Sigma/Alpha) from N(Mean, Std^2) given that it lies in the span, as EDM does with Mean -1.2
// and Std 1.2 (Karras et al. 2022, Table 1). The density is not divided out: it is part of that paper's weighting.
type LogNormalSigma struct{ Mean, Std float64 }

// Draw implements TimeSampler with weights 1.
func (l LogNormalSigma) Draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node) {
	law := must(l.law(s))
	u := rng.Uniform(batch(x0))
	t, _ = law.quantile(u)
	return t, OnesLike(t)
}

// String names the law.
func (l LogNormalSigma) String() string { return fmt.Sprintf("ln sigma ~ N(%g, %g^2)", l.Mean, l.Std) }

// LogUniformSigma draws ln(Sigma/Alpha) uniformly on the span, as Song et al. train VE (Karras et al. 2022, table 1). Like
// that of LogNormalSigma its density is not divided out. Sigma has to be above 0 at Eps. On sde.VE it is Uniform.
type LogUniformSigma struct{}

// Draw implements TimeSampler with weights 1.
func (l LogUniformSigma) Draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node) {
	law := must(l.law(s))
	u := rng.Uniform(batch(x0))
	t, _ = law.quantile(u)
	return t, OnesLike(t)
}

// String returns "ln sigma uniform".
func (LogUniformSigma) String() string { return "ln sigma uniform" }

func orUniform(times TimeSampler) TimeSampler {
	if times == nil {
		return Uniform{}
	}
	return times
}

func batch(x0 *Node) shapes.Shape { return shapes.Make(x0.DType(), x0.Shape().Dim(0)) }

// spread maps u in [0, 1) of any shape to the span.
func spread(s sde.SDE, u *Node) *Node {
	span := s.Span()
	return AddScalar(MulScalar(u, span.T-span.Eps), span.Eps)
}

// strata returns (u + i/B) mod 1 for i = 0..B-1.
func strata(rng noise.Source, x0 *Node) *Node {
	u0 := rng.Uniform(shapes.Make(x0.DType(), 1))
	n := x0.Shape().Dim(0)
	offsets := MulScalar(Iota(u0.Graph(), batch(x0), 0), 1/float64(n))
	u := Add(u0, offsets)
	return Sub(u, ConvertDType(GreaterOrEqual(u, OnesLike(u)), u.DType()))
}

// must turns an error into the panic that graph builders raise.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
