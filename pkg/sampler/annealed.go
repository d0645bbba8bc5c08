package sampler

import (
	"fmt"
	"math"
)

// AnnealedLangevin is annealed Langevin dynamics (Song and Ermon 2019, arXiv 1907.05600, algorithm 1), the sampler of SMLD:
// at each noise level sigma_i of a VE process, from the largest down, m >= 1 steps
//
//	x + eps_i score(x, sigma_i) + sqrt(2 eps_i) z,   eps_i = eps sigma_i^2/sigma_1^2,
//
// where eps > 0 is the step at the smallest level sigma_1 = smallest > 0. The paper's alpha_i is 2 eps_i: its step is
// x + alpha_i/2 score + sqrt(alpha_i) z. A step is stable below eps_i = 2 sigma_i^2.
//
// With Steps = N-1 and a VE process that starts at Eps = 0, the levels are those of the SMLD chain of N. The steps at
// the first level, sigma_N, are left out: a run starts from N(0, sigma_N^2 I), where they would lead. A level of
// standard deviation s in one mode keeps the variance s^2/(1 - eps_i/(2 s^2)), the bias of a Langevin step of that size.
func AnnealedLangevin(eps, smallest float64, m int) (PC, error) {
	if err := positive("AnnealedLangevin: eps", eps); err != nil {
		return PC{}, err
	}
	if err := positive("AnnealedLangevin: smallest level", smallest); err != nil {
		return PC{}, err
	}
	if m < 1 {
		return PC{}, fmt.Errorf("sampler: AnnealedLangevin: m = %d steps per level, want >= 1", m)
	}
	if !(eps < 2*smallest*smallest) {
		return PC{}, fmt.Errorf("sampler: AnnealedLangevin: eps = %g, want it below 2 sigma_1^2 = %g, where steps become unstable", eps, 2*smallest*smallest)
	}
	// On VE the corrector's a is 1, so its step 2 (SNR sigma_i)^2 is eps_i.
	return PC{Corrector: Langevin{SNR: math.Sqrt(eps/2) / smallest, Norm: Expected}, Corrections: m}, nil
}
