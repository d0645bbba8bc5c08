package linear

import (
	"fmt"
	"math"
)

// tolerance is the relative error allowed to one step, in the largest component of each block of the state.
const tolerance = 1e-12

// maxSteps bounds the work on coefficients that are singular or too stiff for an explicit method.
const maxSteps = 100_000

// The embedded Runge-Kutta pair of Dormand & Prince (1980), orders 5 and 4. The last stage is the slope at the new
// point; errorWeights is the difference of the two results.
var (
	stageTimes   = [7]float64{0, 1. / 5, 3. / 10, 4. / 5, 8. / 9, 1, 1}
	stageWeights = [7][]float64{
		{},
		{1. / 5},
		{3. / 40, 9. / 40},
		{44. / 45, -56. / 15, 32. / 9},
		{19372. / 6561, -25360. / 2187, 64448. / 6561, -212. / 729},
		{9017. / 3168, -355. / 33, 46732. / 5247, 49. / 176, -5103. / 18656},
		{35. / 384, 0, 500. / 1113, 125. / 192, -2187. / 6784, 11. / 84},
	}
	errorWeights = [7]float64{
		35./384 - 5179./57600, 0, 500./1113 - 7571./16695, 125./192 - 393./640,
		-2187./6784 + 92097./339200, 11./84 - 187./2100, -1. / 40,
	}
)

// integrate advances y from one time to the other (in either direction), in place, with adaptive steps. blocks are the
// lengths of the parts of y whose errors are judged separately, so that a small covariance keeps its digits next to a
// large mean. It returns the error of slope, or one when maxSteps do not suffice.
func integrate(slope func(t float64, y, dy []float64) error, y []float64, from, to float64, blocks []int) error {
	var k [7][]float64
	for i := range k {
		k[i] = make([]float64, len(y))
	}
	next := make([]float64, len(y))
	if err := slope(from, y, k[0]); err != nil {
		return err
	}
	t, h := from, (to-from)/100
	for step := 0; t != to; step++ {
		if math.Abs(h) >= math.Abs(to-t) {
			h = to - t
		}
		if step == maxSteps || t+h == t {
			return fmt.Errorf("linear: integration from %g to %g stopped at %g after %d steps: want smoother coefficients", from, to, t, step)
		}
		for stage := 1; stage < 7; stage++ {
			copy(next, y)
			for j, w := range stageWeights[stage] {
				axpy(h*w, k[j], next)
			}
			if err := slope(t+h*stageTimes[stage], next, k[stage]); err != nil {
				return err
			}
		}
		excess := stepError(h, k, next, blocks) / tolerance
		if excess <= 1 {
			if h == to-t {
				t = to
			} else {
				t += h
			}
			copy(y, next)
			k[0], k[6] = k[6], k[0]
		}
		h *= stepFactor(excess)
	}
	return nil
}

// stepFactor is the change of step size after an error of excess tolerances; a NaN shortens the step.
func stepFactor(excess float64) float64 {
	if math.IsNaN(excess) {
		return 0.1
	}
	return min(5, max(0.1, 0.9*math.Pow(max(excess, 1e-10), -0.2)))
}

// stepError is the largest error estimate, each block relative to its own largest value, or to its change within the
// step where that is larger (at a passage through zero).
func stepError(h float64, k [7][]float64, next []float64, blocks []int) float64 {
	worst, start := 0.0, 0
	for _, length := range blocks {
		var size, e float64
		for i := start; i < start+length; i++ {
			var sum float64
			for j, w := range errorWeights {
				sum += w * k[j][i]
			}
			e = max(e, math.Abs(h*sum))
			size = max(size, math.Abs(next[i]), math.Abs(h*k[0][i]))
		}
		if e > 0 || math.IsNaN(e) {
			worst = max(worst, e/size)
		}
		start += length
	}
	return worst
}

// axpy adds a x to y.
func axpy(a float64, x, y []float64) {
	for i := range y {
		y[i] += a * x[i]
	}
}
