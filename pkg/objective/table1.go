package objective

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Table1 returns the training rows of table 1 of Karras et al. (2022), noise distribution and loss weighting, for the
// columns of sde.Table1 and data of standard deviation std > 0: 0.5 in the paper. Time is drawn by
//
//	VP     t uniform on [1e-5, 1]                  weight 1/sigma^2 on the denoiser's error
//	VE     ln sigma uniform                        1/sigma^2
//	iDDPM  sigma = u_j, j uniform on 0..999        1/sigma^2
//	EDM    ln sigma ~ N(-1.2, 1.2^2)               (sigma^2 + std^2)/(sigma std)^2
//
// where 1/sigma^2 on the error of the denoiser is Sigma^2 on that of the score. In each column the weight is 1/c_out^2.
func Table1(std float64) []DSM {
	all := make([]DSM, 0, 4)
	for k, column := range sde.Table1() {
		all = append(all, DSM{
			SDE:       column.Training,
			Weighting: []Weighting{SigmaSquared, SigmaSquared, SigmaSquared, EDMWeighting(std)}[k],
			Time:      []TimeSampler{Uniform{}, LogUniformSigma{}, IDDPMSteps{}, LogNormalSigma{Mean: -1.2, Std: 1.2}}[k],
		})
	}
	return all
}

// OnDenoiser returns the weight that w puts on the squared error |D - x_0|^2 of a denoiser at the noise levels sigmas > 0,
// lambda(sigma) in the terms of Karras et al.: lambda/sigma^4 for the process sde.EDM, in float64.
func (w Weighting) OnDenoiser(sigmas []float64) ([]float64, error) {
	for i, sigma := range sigmas {
		if !(sigma > 0) || math.IsInf(sigma, 0) {
			return nil, fmt.Errorf("objective: weighting %s: noise level %d is %g, want > 0 and finite", w, i, sigma)
		}
	}
	if len(sigmas) == 0 {
		return nil, fmt.Errorf("objective: weighting %s: want at least one noise level, got none", w)
	}
	out, err := CallOnce(backend.Go(), func(sigma *Node) *Node {
		defer backend.PanicWithError()
		return Div(w.Lambda(sde.EDM{}, sigma), Square(Square(sigma)))
	}, sigmas)
	if err != nil {
		return nil, fmt.Errorf("objective: weighting %s: %w", w, err)
	}
	return out.Value().([]float64), nil
}

// LogUniformSigma draws ln(Sigma/Alpha) uniformly on the span, as Song et al. train VE (Karras et al. 2022, table 1). Like
// that of LogNormalSigma its density is not divided out. Sigma has to be above 0 at Eps. On sde.VE it is Uniform.
type LogUniformSigma struct{}

// Draw implements TimeSampler with weights 1.
func (l LogUniformSigma) Draw(s sde.SDE, rng, x0 *Node) (newRNG, t, weight *Node) {
	law := must(l.law(s))
	rng, u := RandomUniform(rng, batch(x0))
	t, _ = law.quantile(u)
	return rng, t, OnesLike(t)
}

// law has cells of equal ratios of noise.
func (l LogUniformSigma) law(s sde.SDE) (*timeLaw, error) {
	span := s.Span()
	ends, _, err := sde.ScheduleOf(s, []float64{span.Eps, span.T})
	if err != nil {
		return nil, err
	}
	if !(ends[0] > 0) {
		return nil, fmt.Errorf("objective: %s: noise of %s at Eps = %g is %g, want > 0", l, s, span.Eps, ends[0])
	}
	sigmas := make([]float64, cells+1)
	for c := range sigmas {
		sigmas[c] = ends[0] * math.Pow(ends[1]/ends[0], float64(c)/cells)
	}
	edges, err := sde.TimesAtNoise(s, sigmas)
	if err != nil {
		return nil, err
	}
	return &timeLaw{edges}, nil
}

// String returns "ln sigma uniform".
func (LogUniformSigma) String() string { return "ln sigma uniform" }

// IDDPMSteps draws uniformly among the times at which Sigma/Alpha is one of the levels u_0..u_999 of sde.IDDPMLevels, as
// iDDPM trains (Karras et al. 2022, table 1). All of them have to lie in the span, as they do in sde.Table1.
type IDDPMSteps struct{}

// Draw implements TimeSampler with weights 1.
func (IDDPMSteps) Draw(s sde.SDE, rng, x0 *Node) (newRNG, t, weight *Node) {
	levels := sde.IDDPMLevels()
	levels = levels[:len(levels)-1] // u_M = 0 is no level
	times := ConstAs(x0, must(sde.TimesAtNoise(s, levels)))
	rng, j := RandomIntN(rng, int32(len(levels)), shapes.Make(dtypes.Int32, x0.Shape().Dim(0)))
	t = Gather(times, InsertAxes(j, -1))
	return rng, t, OnesLike(t)
}

// String returns "uniform over the levels of iDDPM".
func (IDDPMSteps) String() string { return "uniform over the levels of iDDPM" }
