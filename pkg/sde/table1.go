package sde

import (
	"math"
)

// Formulation is one column of table 1 of Karras et al. (2022, arXiv 2206.00364) as far as it concerns the process: its
// noise schedule sigma(t) = Sigma/Alpha and scaling s(t) = Alpha, on the times of its sampler and on those of its
// training. Packages score, sampler and objective hold the other rows, in the same order of columns.
type Formulation struct {
	Name               string
	Sampling, Training SDE
}

// Table1 returns the columns VP, VE, iDDPM and EDM of that table with its parameters:
//
//	VP     sigma = sqrt(exp(19.9/2 t^2 + 0.1 t) - 1), s = 1/sqrt(sigma^2 + 1); t in [1e-3, 1], trained on [1e-5, 1]
//	VE     sigma = sqrt(t), s = 1; sigma in [0.02, 100]
//	iDDPM  sigma = t, s = 1; sigma in [u_999, u_8], trained on [u_999, u_0], the levels of IDDPMLevels
//	EDM    sigma = t, s = 1; sigma in [0.002, 80]
//
// The sampler of iDDPM is that of DDIM, which the paper writes into the head of the column.
func Table1() []Formulation {
	vp := func(eps float64) SDE {
		return VP{BetaMin: DefaultBetaMin, BetaMax: DefaultBetaMax, Times: Span{Eps: eps, T: 1}}
	}
	ve := Brownian{Times: Span{Eps: 0.02 * 0.02, T: 100 * 100}}
	u := IDDPMLevels()
	iddpm := func(j int) SDE { return EDM{Times: Span{Eps: u[len(u)-2], T: u[j]}} }
	return []Formulation{
		{"VP", vp(1e-3), vp(1e-5)},
		{"VE", ve, ve},
		{"iDDPM", iddpm(IDDPMFirst), iddpm(0)},
		{"EDM", EDM{}, EDM{}},
	}
}

// IDDPMFirst is j_0, the number of the first level at which Karras et al. sample with iDDPM networks: sigma = 80.
const IDDPMFirst = 8

// IDDPMLevels returns the noise levels u_0 > ... > u_M = 0 of iDDPM (Nichol and Dhariwal 2021) as Karras et al. (2022,
// table 1) write them, with M = 1000, C1 = 0.001 and C2 = 0.008:
//
//	u_{j-1}^2 = (u_j^2 + 1)/max(abar_{j-1}/abar_j, C1) - 1,   abar_j = sin(pi/2 j/(M (C2 + 1)))^2.
func IDDPMLevels() []float64 {
	const m, c1, c2 = 1000, 0.001, 0.008
	abar := func(j int) float64 { return math.Pow(math.Sin(math.Pi/2*float64(j)/(m*(c2+1))), 2) }
	u := make([]float64, m+1)
	for j := m; j > 0; j-- {
		u[j-1] = math.Sqrt((u[j]*u[j]+1)/math.Max(abar(j-1)/abar(j), c1) - 1)
	}
	return u
}
