package sampler

import (
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Formulation is one column of table 1 of Karras et al. (2022) as far as it concerns sampling and the network; the rows of
// training are objective.Table1. All parts can be exchanged between columns: any Solver and any process go together, a
// Schedule goes to another process by SameNoise and a score by score.Translate.
type Formulation struct {
	sde.Formulation                       // sigma(t) and s(t)
	Solver          Method                // of the probability-flow ODE
	Schedule        Schedule              // times t_0..t_{N-1} of Sampling, then 0
	Network         score.Parametrisation // c_skip, c_out, c_in, c_noise
}

// Table1 returns the columns VP, VE, iDDPM with DDIM, and EDM of that table, in the order of sde.Table1. Their solvers are
// Euler's method but for EDM's, which is Heun's; their times
//
//	VP     t_i = 1 + i/(N-1) (1e-3 - 1)
//	VE     t_i = sigma^2 = 100^2 (0.02^2/100^2)^(i/(N-1))
//	iDDPM  t_i = sigma = u_j, j = floor(8 + 991/(N-1) i + 1/2)
//	EDM    t_i = sigma = (80^(1/7) + i/(N-1) (0.002^(1/7) - 80^(1/7)))^7
//
// for i < N and t_N = 0, with N = Settings.Steps.
func Table1() []Formulation {
	euler, heun := PC{Predictor: ProbabilityFlow{}}, PC{Predictor: FlowHeun{}}
	columns := sde.Table1()
	return []Formulation{
		{columns[0], euler, ToZero(UniformSchedule), score.KarrasVP},
		{columns[1], euler, ToZero(GeometricSchedule), score.KarrasVE},
		{columns[2], euler, ToZero(IDDPMSchedule), score.KarrasIDDPM},
		{columns[3], heun, ToZero(PowerSchedule(7)), score.EDM},
	}
}
