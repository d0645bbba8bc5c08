// Package edm holds table 1 of Karras et al. (2022, arXiv 2206.00364): for each of its columns VP, VE, iDDPM with DDIM, and EDM
// the process, the solver and its times, the preconditioning of the network, and the training; and what it takes to exchange one
// of them and keep the others, as in that paper's ablations.
//
// The parts that are of use without the table stand where others of their kind do: the processes of VP, VE and EDM in package
// sde, EDM's preconditioning in score, its weighting and the laws of noise in objective, the solvers and schedules in sampler.
package edm

import (
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Column is one column of the table. All parts can be exchanged between columns: any Solver and any process go together, a
// Schedule goes to another process by SameNoise and a score by score.Translate.
type Column struct {
	Name      string
	Sampling  sde.SDE               // sigma(t) = Sigma/Alpha and s(t) = Alpha, on the times of the sampler
	Solver    sampler.Method        // of the probability-flow ODE of Sampling
	Schedule  sampler.Schedule      // times t_0..t_{N-1} of Sampling, then 0, with N = Settings.Steps
	Network   score.Parametrisation // D(x; sigma) = c_skip x + c_out F(c_in x; c_noise)
	Objective objective.DSM         // the process on the times of training, the law of its noise, and the weight lambda(sigma) on |D - x_0|^2
}

// Table1 returns the columns with the paper's parameters, for data of standard deviation std > 0: 0.5 in the paper. Only EDM
// depends on it.
//
//	VP         sigma = sqrt(exp(19.9/2 t^2 + 0.1 t) - 1), s = 1/sqrt(sigma^2 + 1)
//	  sampling   Euler; t_i = 1 + i/(N-1) (1e-3 - 1)
//	  network    c_skip = 1, c_out = -sigma, c_in = 1/sqrt(sigma^2 + 1), c_noise = 999 sigma^-1(sigma)
//	  training   t uniform on [1e-5, 1]; lambda = 1/sigma^2
//	VE         sigma = sqrt(t), s = 1
//	  sampling   Euler; t_i = sigma^2 = 100^2 (0.02^2/100^2)^(i/(N-1))
//	  network    c_skip = 1, c_out = sigma, c_in = 1, c_noise = ln(sigma/2)
//	  training   ln sigma uniform on [ln 0.02, ln 100]; lambda = 1/sigma^2
//	iDDPM      sigma = t, s = 1, with the levels u_j of IDDPMLevels
//	  sampling   Euler, which is DDIM there; t_i = sigma = u_j, j = floor(8 + 991/(N-1) i + 1/2)
//	  network    c_skip = 1, c_out = -sigma, c_in = 1/sqrt(sigma^2 + 1), c_noise = 999 - argmin_j |u_j - sigma|
//	  training   sigma = u_j, j uniform on 0..999; lambda = 1/sigma^2
//	EDM        sigma = t, s = 1
//	  sampling   Heun; t_i = sigma = (80^(1/7) + i/(N-1) (0.002^(1/7) - 80^(1/7)))^7
//	  network    c_skip = std^2/(sigma^2 + std^2), c_out = sigma std/sqrt(sigma^2 + std^2), c_in = 1/sqrt(sigma^2 + std^2), c_noise = ln(sigma)/4
//	  training   ln sigma ~ N(-1.2, 1.2^2), on [0.002, 80]; lambda = (sigma^2 + std^2)/(sigma std)^2
//
// Times are those for i < N; t_N = 0. In each column lambda is 1/c_out^2; on the error of the score it is sigma^4 s^2 times that,
// which for 1/sigma^2 is Sigma^2.
func Table1(std float64) []Column {
	vp := func(eps float64) sde.SDE {
		return sde.VP{BetaMin: sde.DefaultBetaMin, BetaMax: sde.DefaultBetaMax, Times: sde.Span{Eps: eps, T: 1}}
	}
	ve := sde.Brownian{Times: sde.Span{Eps: 0.02 * 0.02, T: 100 * 100}}
	u := IDDPMLevels()
	iddpm := func(j int) sde.SDE { return sde.EDM{Times: sde.Span{Eps: u[len(u)-2], T: u[j]}} }
	euler, heun := sampler.PC{Predictor: sampler.ProbabilityFlow{}}, sampler.PC{Predictor: sampler.FlowHeun{}}
	return []Column{
		{
			Name:      "VP",
			Sampling:  vp(1e-3),
			Solver:    euler,
			Schedule:  sampler.ToZero(sampler.UniformSchedule),
			Network:   KarrasVP,
			Objective: objective.DSM{SDE: vp(1e-5), Time: objective.Uniform{}, Weighting: objective.SigmaSquared},
		},
		{
			Name:      "VE",
			Sampling:  ve,
			Solver:    euler,
			Schedule:  sampler.ToZero(sampler.GeometricSchedule),
			Network:   KarrasVE,
			Objective: objective.DSM{SDE: ve, Time: objective.LogUniformSigma{}, Weighting: objective.SigmaSquared},
		},
		{
			Name:      "iDDPM",
			Sampling:  iddpm(iddpmFirst),
			Solver:    euler,
			Schedule:  sampler.ToZero(IDDPMSchedule),
			Network:   KarrasIDDPM,
			Objective: objective.DSM{SDE: iddpm(0), Time: IDDPMSteps{}, Weighting: objective.SigmaSquared},
		},
		{
			Name:      "EDM",
			Sampling:  sde.EDM{},
			Solver:    heun,
			Schedule:  sampler.ToZero(sampler.PowerSchedule(7)),
			Network:   score.EDM,
			Objective: objective.DSM{SDE: sde.EDM{}, Time: objective.LogNormalSigma{Mean: -1.2, Std: 1.2}, Weighting: objective.EDMWeighting(std)},
		},
	}
}
