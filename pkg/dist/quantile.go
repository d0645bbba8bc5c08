package dist

import (
	"fmt"
	"math"

	"github.com/scoresde/scoresde/pkg/sde"
)

// QuantileAt returns the quantiles of alpha X + sigma Z at the probabilities p, each in (0, 1). It returns an error for
// other p, a law that is not one-dimensional, and unless alpha > 0 and sigma >= 0 are finite.
func QuantileAt(l Univariate, p []float64, alpha, sigma float64) ([]float64, error) {
	noised, err := onLine(l, alpha, sigma)
	if err != nil {
		return nil, fmt.Errorf("dist: quantile: %w", err)
	}
	x := make([]float64, len(p))
	for i, v := range p {
		if !(v > 0 && v < 1) {
			return nil, fmt.Errorf("dist: quantile: probability %d is %g, want 0 < p < 1", i, v)
		}
		x[i] = invert(noised, math.Log(v), math.Log1p(-v))
	}
	return x, nil
}

// FlowMap carries the points x from time from to time to along the probability-flow ODE of s for data that follow l,
//
//	dx/dt = f(t) x - g(t)^2/2 score(x, t).
//
// On the line solutions cannot overtake each other, so that it is the coupling of equal quantiles, F_to^-1(F_from(x))
// with the distribution functions F of the noised law: exact, whatever the time between. It holds its precision in both
// tails. It returns an error for an invalid process, a law that is not one-dimensional, and points that are not finite
// or to one side of all mass.
func FlowMap(l Univariate, s sde.SDE, x []float64, from, to float64) ([]float64, error) {
	k, err := sde.Table(s, []float64{from, to})
	if err != nil {
		return nil, fmt.Errorf("dist: flow map: %w", err)
	}
	var ends [2]Univariate
	for i := range ends {
		if ends[i], err = onLine(l, k.Alpha[i], k.Sigma[i]); err != nil {
			return nil, fmt.Errorf("dist: flow map: t = %g: %w", k.T[i], err)
		}
	}
	out := make([]float64, len(x))
	for i, v := range x {
		if !finite(v) {
			return nil, fmt.Errorf("dist: flow map: point %d is %g, want finite numbers", i, v)
		}
		lower, upper := ends[0].LogTails(v)
		if math.IsInf(min(lower, upper), -1) {
			return nil, fmt.Errorf("dist: flow map: all of %s lies to one side of point %d, %g", ends[0], i, v)
		}
		out[i] = invert(ends[1], lower, upper)
	}
	return out, nil
}

// onLine is the noised law.
func onLine(l Univariate, alpha, sigma float64) (Univariate, error) {
	if l == nil || l.Dim() != 1 {
		return nil, fmt.Errorf("want a one-dimensional law, got %v", l)
	}
	if !(alpha > 0) || !(sigma >= 0) || !finite(alpha) || !finite(sigma) {
		return nil, fmt.Errorf("alpha = %g, sigma = %g, want finite alpha > 0 and sigma >= 0", alpha, sigma)
	}
	noised, ok := l.Noised(alpha, sigma).(Univariate)
	if !ok {
		return nil, fmt.Errorf("the noised version of %s has no tails", l)
	}
	return noised, nil
}

// invert returns the point with the given logs of both tails. The smaller tail decides.
func invert(l Univariate, lower, upper float64) float64 {
	gap := func(x float64) float64 { // increases in x
		below, above := l.LogTails(x)
		if lower <= upper {
			return below - lower
		}
		return upper - above
	}
	centre, width := l.Mean()[0], math.Sqrt(l.Cov().At(0, 0))
	if width == 0 {
		return centre
	}
	left, right := centre-width, centre+width
	for reach := width; gap(left) > 0; reach *= 2 {
		left, right = left-reach, left
	}
	for reach := width; gap(right) < 0; reach *= 2 {
		left, right = right, right+reach
	}
	return root(gap, left, right, 1e-16*width)
}

// root finds where the increasing function f, f(a) <= 0 <= f(b), changes its sign, to tolerance or rounding. It takes
// inverse quadratic interpolation where that is safe, else bisection (Chandrupatla, Adv. Eng. Softw. 28, 1997).
func root(f func(float64) float64, a, b, tolerance float64) float64 {
	fa, fb := f(a), f(b)
	c, fc := a, fa
	for t := 0.5; ; {
		best := b
		if math.Abs(fa) < math.Abs(fb) {
			best = a
		}
		room := math.Abs(b - a)
		least := (0x1p-53*math.Abs(best) + tolerance) / room // as a fraction of the bracket
		if fa == 0 || fb == 0 || least >= 0.5 {
			return best
		}
		x := a + min(max(t, least), 1-least)*(b-a)
		fx := f(x)
		if math.Signbit(fx) == math.Signbit(fa) {
			c, fc = a, fa
		} else {
			c, b, fc, fb = b, a, fb, fa
		}
		a, fa = x, fx
		xi, phi := (a-b)/(c-b), (fa-fb)/(fc-fb)
		t = 0.5
		if phi*phi < xi && (1-phi)*(1-phi) < 1-xi {
			t = fa/(fb-fa)*fc/(fb-fc) + (c-a)/(b-a)*fa/(fc-fa)*fb/(fc-fb)
		}
		if math.IsNaN(t) { // an end is beyond the support
			t = 0.5
		}
	}
}
