// Package suggest reads the settings of processes and samplers off the data, with the reason of each.
package suggest

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Suggestion holds the settings that a data set asks for. Fields may be overwritten before the methods make processes of
// them; the reasons are those of the values suggested.
type Suggestion struct {
	SigmaMin, SigmaMax      float64 // noise levels of VE and EDM, in the unit of the data
	SigmaData               float64 // standard deviation of a coordinate, root mean square over the coordinates
	BetaMin                 float64 // of VP and sub-VP
	BetaMaxVP, BetaMaxSubVP float64
	EpsVP, EpsSubVP         float64 // first times, in (0, 1)
	SNR                     float64 // of sampler.Langevin
	Reasons                 []Reason
}

// Reason says where a suggested value comes from: what was measured, the rule and its source.
type Reason struct {
	Quantity string
	Value    float64
	Because  string
}

// What From aims at.
const (
	levelRatio   = 20   // finest scale of the data over the smallest noise: the variance there grows by 1/400
	priorGap     = 1e-4 // nats: a test between p_T and the prior needs some 1/priorGap samples
	langevinBias = 0.02 // relative inflation of the variance by the corrector
)

// From looks at the rows of data, [n, d] with n >= 2, and returns settings with their reasons:
//
//   - SigmaMax is the largest distance between two points (Song and Ermon 2020, arXiv 2006.09011, technique 1).
//   - SigmaMin keeps the score of the noise, sqrt(d)/Sigma(Eps), at 20 times the score of the data, sqrt(d)/l, where
//     l = sqrt(d / E|score|^2) is the finest scale of the data: for a Gaussian its standard deviation, whose square the
//     noise then raises by 1/400. See finestScale for its estimate. Eps is the time at which VP and sub-VP reach
//     Sigma/Alpha = SigmaMin; VE is there at t = 0.
//   - BetaMax is the smallest with KL(p_T || N(0, I)) <= 1e-4 nats by convexity of the divergence, mean over the data x of
//     KL(N(Alpha x, Sigma^2 I) || N(0, I)).
//   - SNR = sqrt(b/(1+b)) for a relative bias b = 0.02: at the noise of level Sigma, the Langevin step 2 (SNR Sigma)^2 has
//     the stationary variance Sigma^2/(1 - SNR^2).
//
// Distances between many points are those of a random part of them, always the same. The settings scale with the data
// where they have its unit. Data with a value that is not finite, with one point or with equal points are an error.
func From(data mat.Matrix) (Suggestion, error) {
	if data == nil {
		return Suggestion{}, errors.New("suggest: no data, want a matrix [n, d] with one example per row")
	}
	if err := host.FitsFloat32("data", data); err != nil {
		return Suggestion{}, fmt.Errorf("suggest: %w", err)
	}
	if n, _ := data.Dims(); n < 2 {
		return Suggestion{}, errors.New("suggest: one point has no scale, want data with at least 2 different rows")
	}
	m := coordinatesOf(data)
	spread, err := spreadOf(sampleRows(data, spreadRows))
	if err != nil {
		return Suggestion{}, err
	}
	s := Suggestion{
		SigmaMax:  spread.largest,
		SigmaData: m.std(),
		BetaMin:   sde.DefaultBetaMin,
		SNR:       math.Sqrt(langevinBias / (1 + langevinBias)),
	}
	scale, err := finestScale(sampleRows(data, scaleRows))
	if err != nil {
		return Suggestion{}, err
	}
	s.SigmaMin = scale.length / levelRatio
	s.because("sigma_max", s.SigmaMax, spread.because())
	s.because("sigma_min", s.SigmaMin, scale.because())
	s.because("sigma_data", s.SigmaData, m.because())
	if err := s.preserving(m); err != nil {
		return Suggestion{}, err
	}
	s.because("snr", s.SNR, fmt.Sprintf("sqrt(b/(1+b)): Langevin steps 2 (snr sigma)^2 raise the variance of pure noise by the share b = %g", langevinBias))
	return s, nil
}

// preserving fills in what VP and sub-VP need.
func (s *Suggestion) preserving(m coordinates) (err error) {
	s.because("beta_min", s.BetaMin, "Song et al. 2021, appendix C")
	for _, p := range []struct {
		name      string
		max, eps  *float64
		atBetaMax func() sde.SDE // from t = 0, so that any noise has its time
	}{
		{"VP", &s.BetaMaxVP, &s.EpsVP, func() sde.SDE { return sde.VP{BetaMin: s.BetaMin, BetaMax: s.BetaMaxVP, Times: sde.Span{Eps: 0, T: 1}} }},
		{"sub-VP", &s.BetaMaxSubVP, &s.EpsSubVP, func() sde.SDE {
			return sde.SubVP{BetaMin: s.BetaMin, BetaMax: s.BetaMaxSubVP, Times: sde.Span{Eps: 0, T: 1}}
		}},
	} {
		// The kernel of a point x has the prior gap of a Gaussian of mean x and variance 0, which depends on the squares of
		// its coordinates only, so their mean over the data gives the mean of the gaps.
		gap := func(mean, variance []float64) (kl float64, err error) {
			return sde.PriorKL(p.atBetaMax(), mean, variance)
		}
		bound := func() (float64, error) { return gap(m.rms, make([]float64, len(m.rms))) }
		if err := leastRate(p.max, s.BetaMin, bound); err != nil {
			return fmt.Errorf("suggest: beta_max of %s: %w", p.name, err)
		}
		gaussian, err := gap(m.mean, m.variance)
		if err != nil {
			return fmt.Errorf("suggest: %s: %w", p.name, err)
		}
		eps, err := sde.TimesAtNoise(p.atBetaMax(), []float64{s.SigmaMin})
		if err != nil {
			return fmt.Errorf("suggest: eps of %s: %w", p.name, err)
		}
		*p.eps = eps[0]
		s.because("beta_max, "+p.name, *p.max, fmt.Sprintf("smallest for which KL(p_1 || prior) <= %g nats whatever the data's shape, from E|x|^2 by convexity; it is %.2g if they are Gaussian", priorGap, gaussian))
		s.because("eps, "+p.name, *p.eps, "first time, where sigma/alpha = sigma_min")
	}
	return nil
}

// leastRate sets rate, by bisection of its logarithm, to the smallest value above from at which the falling gap is at
// most priorGap.
func leastRate(rate *float64, from float64, gap func() (float64, error)) error {
	low, high := from, 1e4 // Alpha(1)^2 = e^-5000 is beyond any data that float32 holds
	for high/low > 1+1e-6 {
		*rate = math.Sqrt(low * high)
		kl, err := gap()
		if err != nil {
			return err
		}
		if kl <= priorGap {
			high = *rate
		} else {
			low = *rate
		}
	}
	*rate = high
	return nil
}

func (s *Suggestion) because(quantity string, value float64, reason string) {
	s.Reasons = append(s.Reasons, Reason{quantity, value, reason})
}

// VE is the variance-exploding process between the noise levels.
func (s Suggestion) VE() sde.VE { return sde.VE{SigmaMin: s.SigmaMin, SigmaMax: s.SigmaMax} }

// EDM is the process of Karras et al. (2022) between the noise levels.
func (s Suggestion) EDM() sde.EDM { return sde.EDM{Times: sde.Span{Eps: s.SigmaMin, T: s.SigmaMax}} }

// VP is the variance-preserving process.
func (s Suggestion) VP() sde.VP {
	return sde.VP{BetaMin: s.BetaMin, BetaMax: s.BetaMaxVP, Times: sde.Span{Eps: s.EpsVP, T: 1}}
}

// SubVP is the sub-VP process.
func (s Suggestion) SubVP() sde.SubVP {
	return sde.SubVP{BetaMin: s.BetaMin, BetaMax: s.BetaMaxSubVP, Times: sde.Span{Eps: s.EpsSubVP, T: 1}}
}

// String is one line for each value: its name, the value and its reason.
func (s Suggestion) String() string {
	lines := make([]string, len(s.Reasons))
	for i, r := range s.Reasons {
		lines[i] = fmt.Sprintf("%-16s  %-8.3g  %s", r.Quantity, r.Value, r.Because)
	}
	return strings.Join(lines, "\n")
}
