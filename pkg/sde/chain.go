package sde

import (
	"fmt"
	"math"
)

// Chain is a discrete forward process of N steps (Song et al. 2021, appendix B), indexed as in the papers: entry
// i = 1..N belongs to x_i = A[i] x_{i-1} + C[i] z, and entry 0 is the data (T 0, Alpha 1, Sigma 0, A 1, C 0).
// The kernel is x_i | x_0 ~ N(Alpha[i] x_0, Sigma[i]^2 I); T[i] is the time of the process that x_i corresponds to.
type Chain struct {
	SDE                   SDE // the process in the limit of many steps
	T, Alpha, Sigma, A, C []float64
}

// Chain is the SMLD chain of n >= 2 noise levels: sigma_i geometric from SigmaMin to Sigma(T), sigma_0 := 0, and
// x_i = x_{i-1} + sqrt(sigma_i^2 - sigma_{i-1}^2) z. Because sigma_0 is 0 its limit is Song's kernel, so CleanStart
// is an error.
func (p VE) Chain(n int) (Chain, error) {
	if err := Validate(p); err != nil {
		return Chain{}, err
	}
	if n < 2 {
		return Chain{}, fmt.Errorf("sde: SMLD chain: want at least 2 steps, got %d", n)
	}
	if p.CleanStart {
		return Chain{}, fmt.Errorf("sde: SMLD chain: sigma_0 = 0 makes the kernel sigma_i^2: want CleanStart false, got true")
	}
	c := newChain(p, n)
	for i := 1; i <= n; i++ {
		at := p.Span().T * float64(i-1) / float64(n-1)
		c.Sigma[i] = p.SigmaMin * math.Exp(p.logRatio()*at)
		c.Alpha[i], c.A[i] = 1, 1
		c.C[i] = math.Sqrt((c.Sigma[i] - c.Sigma[i-1]) * (c.Sigma[i] + c.Sigma[i-1]))
	}
	return c, nil
}

// Chain is the DDPM chain of n steps: beta_i = b(i T/n) T/n and x_i = sqrt(1 - beta_i) x_{i-1} + sqrt(beta_i) z.
// It returns an error that names the n needed when some beta_i >= 1.
func (p VP) Chain(n int) (Chain, error) {
	if err := Validate(p); err != nil {
		return Chain{}, err
	}
	end := p.Span().T
	largest := (p.BetaMin + end*(p.BetaMax-p.BetaMin)) * end
	if float64(n) <= largest {
		return Chain{}, fmt.Errorf("sde: DDPM chain of %s: beta_N = %.4g/N must be below 1: want at least %.0f steps, got %d",
			p, largest, math.Floor(largest)+1, n)
	}
	c := newChain(p, n)
	betas := make([]float64, n)
	for i := range betas {
		betas[i] = (p.BetaMin + c.T[i+1]*(p.BetaMax-p.BetaMin)) * end / float64(n)
	}
	c.setBetas(betas)
	return c, nil
}

// setBetas fills in steps x_i = sqrt(1 - beta_i) x_{i-1} + sqrt(beta_i) z and what they compose to.
func (c *Chain) setBetas(betas []float64) {
	var logAlpha2 float64
	for k, beta := range betas {
		i := k + 1
		logAlpha2 += math.Log1p(-beta)
		c.A[i], c.C[i] = math.Sqrt(1-beta), math.Sqrt(beta)
		c.Alpha[i], c.Sigma[i] = math.Exp(logAlpha2/2), math.Sqrt(-math.Expm1(logAlpha2))
	}
}

// Betas are the squares of C[1..N], which for DDPM chains are beta_1..beta_N: NewDDPM turns them into a process.
func (c Chain) Betas() []float64 {
	betas := make([]float64, c.N())
	for k := range betas {
		betas[k] = c.C[k+1] * c.C[k+1]
	}
	return betas
}

// N is the number of steps.
func (c Chain) N() int { return len(c.T) - 1 }

// Gap returns the largest differences over i = 1..N between the kernels of the chain and of the process at T[i]: of
// Alpha, and of the variance Sigma^2. Both fall as 1/N.
func (c Chain) Gap() (alpha, variance float64, err error) {
	v, err := Table(c.SDE, c.T[1:])
	if err != nil {
		return 0, 0, err
	}
	for i := range v.T {
		alpha = max(alpha, math.Abs(c.Alpha[i+1]-v.Alpha[i]))
		variance = max(variance, math.Abs(c.Sigma[i+1]*c.Sigma[i+1]-v.Sigma[i]*v.Sigma[i]))
	}
	return alpha, variance, nil
}

// newChain has its times i T/n and the entry of the data filled in.
func newChain(s SDE, n int) Chain {
	c := Chain{SDE: s}
	for _, column := range []*[]float64{&c.T, &c.Alpha, &c.Sigma, &c.A, &c.C} {
		*column = make([]float64, n+1)
	}
	for i := range c.T {
		c.T[i] = s.Span().T * float64(i) / float64(n)
	}
	c.Alpha[0], c.A[0] = 1, 1
	return c
}
