package dist

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// LogProb implements Law.
func (m Mixture) LogProb(x, alpha, sigma *Node) *Node {
	checkInputs("Mixture.LogProb", m.Dim(), x, alpha, sigma)
	logJoint := m.logJoint(m.components.at(x, alpha, sigma))
	top := rowMax(logJoint)
	total := ReduceSum(Exp(Sub(logJoint, top)), 1)
	return Add(Log(total), Reshape(top, x.Shape().Dim(0)))
}

// Responsibilities is the class posterior p(k | x_t = x), [B, K]: the probability that x came from component k.
func (m Mixture) Responsibilities(x, alpha, sigma *Node) *Node {
	checkInputs("Mixture.Responsibilities", m.Dim(), x, alpha, sigma)
	return m.posterior(m.components.at(x, alpha, sigma))
}

// LogPosterior is log p(k | alpha X + sigma Z = x), [B, K]: the log of Responsibilities, also where those underflow. Its
// gradient in x is ClassScore of k less Score, which is what a classifier must learn to guide a score to class k.
func (m Mixture) LogPosterior(x, alpha, sigma *Node) *Node {
	checkInputs("Mixture.LogPosterior", m.Dim(), x, alpha, sigma)
	logJoint := m.logJoint(m.components.at(x, alpha, sigma))
	logOdds := Sub(logJoint, rowMax(logJoint))
	total := ReduceSum(Exp(logOdds), 1)
	return Sub(logOdds, Reshape(Log(total), x.Shape().Dim(0), 1))
}

// Score implements Law: the posterior mean of the scores of the components.
func (m Mixture) Score(x, alpha, sigma *Node) *Node {
	checkInputs("Mixture.Score", m.Dim(), x, alpha, sigma)
	s := m.components.at(x, alpha, sigma)
	return m.components.sumFromBasis(Mul(Neg(column(m.posterior(s))), s.whitened))
}

// ClassScore is the score of the noised component k alone, [B, d]: the gradient of log p(x_t | y = k), which is the
// sum of Score and of the gradient of the log responsibility of k (Bayes).
func (m Mixture) ClassScore(k int, x, alpha, sigma *Node) *Node {
	return m.Component(k).Score(x, alpha, sigma)
}

// Denoise implements Law: the posterior mean of E[X | x, k].
func (m Mixture) Denoise(x, alpha, sigma *Node) *Node {
	checkInputs("Mixture.Denoise", m.Dim(), x, alpha, sigma)
	s := m.components.at(x, alpha, sigma)
	return m.components.sumFromBasis(Mul(column(m.posterior(s)), s.denoised()))
}

// Divergence is the divergence of the score, the Laplacian of the log density, [B]. With s_k the score and P_k the
// precision of component k it is sum_k r_k (|s_k - s|^2 - tr P_k), the form that cancels least.
func (m Mixture) Divergence(x, alpha, sigma *Node) *Node {
	checkInputs("Mixture.Divergence", m.Dim(), x, alpha, sigma)
	c := m.components
	s := c.at(x, alpha, sigma)
	r := m.posterior(s)
	score := c.sumFromBasis(Mul(Neg(column(r)), s.whitened))
	spread := ReduceSum(Square(Add(s.whitened, c.toBasis(score))), 2)
	_, n := c.vars.Dims()
	trace := Mul(ReduceSum(s.precision, 2), constant(x, float64(c.dim/n)))
	return ReduceSum(Mul(r, Sub(spread, trace)), 1)
}

// logJoint is log w_k + log p(x | k), [B, K].
func (m Mixture) logJoint(s *noisy) *Node {
	logWeights := make([]float64, len(m.weights))
	for k, w := range m.weights {
		logWeights[k] = math.Log(w)
	}
	return Add(s.logProb(), constant(s.alpha, logWeights, 1, len(logWeights)))
}

// posterior is the softmax of logJoint, [B, K].
func (m Mixture) posterior(s *noisy) *Node {
	logJoint := m.logJoint(s)
	odds := Exp(Sub(logJoint, rowMax(logJoint)))
	return Div(odds, Reshape(ReduceSum(odds, 1), odds.Shape().Dim(0), 1))
}

// rowMax is the maximum of each row, [B, 1]. It is a shift that cancels, so no gradient flows through it.
func rowMax(x *Node) *Node {
	return StopGradient(Reshape(ReduceMax(x, 1), x.Shape().Dim(0), 1))
}

// column reshapes [B, K] to [B, K, 1].
func column(x *Node) *Node {
	return Reshape(x, x.Shape().Dim(0), x.Shape().Dim(1), 1)
}
