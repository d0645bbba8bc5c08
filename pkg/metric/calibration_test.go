package metric

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// labelled draws n points of the four Gaussians with std 0.6, so that classes overlap, their classes and the exact class
// posteriors.
func labelled(rng *rand.Rand, n int) (posterior *mat.Dense, labels []int) {
	const variance = 0.36
	posterior, labels = mat.NewDense(n, 4, nil), make([]int, n)
	for i := range n {
		labels[i] = rng.IntN(4)
		centre := unitCircle.RawRowView(labels[i])
		x, y := centre[0]+0.6*rng.NormFloat64(), centre[1]+0.6*rng.NormFloat64()
		row := posterior.RawRowView(i)
		for c := range row {
			row[c] = math.Exp((x*unitCircle.At(c, 0) + y*unitCircle.At(c, 1)) / variance)
		}
		sum := total(row)
		for c := range row {
			row[c] /= sum
		}
	}
	return posterior, labels
}

func calibrationOf(t *testing.T, prob mat.Matrix, labels []int, bins int) Calibration {
	t.Helper()
	c, err := CalibrationOf(prob, labels, bins)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCalibrationOfExactPosteriors: every bin is as accurate as confident, the loss is the mean entropy, and the error
// falls as 1/sqrt(n).
func TestCalibrationOfExactPosteriors(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 8))
	const n = 40000
	prob, labels := labelled(rng, n)
	c := calibrationOf(t, prob, labels, 15)
	count, confidence := 0, 0.0
	for i, b := range c.Bins {
		count += b.N
		if b.N == 0 {
			continue
		}
		confidence += b.Confidence * float64(b.N) / n
		if b.Confidence <= float64(i)/15 || b.Confidence > float64(i+1)/15 {
			t.Errorf("bin %d holds confidence %v", i, b.Confidence)
		}
		if math.Abs(b.Accuracy-b.Confidence) > 5*b.AccuracySE {
			t.Errorf("bin %d: accuracy %v ± %v, confidence %v", i, b.Accuracy, b.AccuracySE, b.Confidence)
		}
	}
	if count != n || c.N != n || math.Abs(c.Accuracy-confidence) > 5*c.AccuracySE {
		t.Errorf("%d rows, accuracy %v ± %v, want %d and %v", count, c.Accuracy, c.AccuracySE, n, confidence)
	}
	var entropy float64
	for i := range n {
		for _, p := range prob.RawRowView(i) {
			entropy -= p * math.Log(max(p, 1e-300)) / n
		}
	}
	if math.Abs(c.LogLoss-entropy) > 5*c.LogLossSE || !(c.LogLossSE > 0 && c.LogLossSE < 0.01) {
		t.Errorf("log loss %v ± %v, want %v", c.LogLoss, c.LogLossSE, entropy)
	}
	meanECE := func(n int) (mean, se float64) {
		ece := make([]float64, 100)
		for r := range ece {
			prob, labels := labelled(rng, n)
			ece[r] = calibrationOf(t, prob, labels, 15).ECE
		}
		return total(ece) / 100, meanSE(ece)
	}
	few, fewSE := meanECE(400)
	many, manySE := meanECE(6400)
	if math.Abs(few-4*many) > 5*math.Hypot(fewSE, 4*manySE) {
		t.Errorf("ECE %v ± %v with 400 rows and %v ± %v with 6400, want a quarter", few, fewSE, many, manySE)
	}
}

// TestCalibrationOfOverconfidence: half of the rows claim 0.9 and are right with probability 0.7, half claim 0.6 truly.
func TestCalibrationOfOverconfidence(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 8))
	const n = 40000
	prob, labels := mat.NewDense(n, 2, nil), make([]int, n)
	for i := range n {
		claim, truth := 0.9, 0.7
		if i%2 == 0 {
			claim, truth = 0.6, 0.6
		}
		top := rng.IntN(2)
		prob.Set(i, top, claim)
		prob.Set(i, 1-top, 1-claim)
		labels[i] = top
		if rng.Float64() >= truth {
			labels[i] = 1 - top
		}
	}
	c := calibrationOf(t, prob, labels, 10)
	// The honest half adds |N(0, 0.6 0.4 / 20000)| / 2, which is below 0.009 at five standard errors.
	if se := math.Sqrt(0.7*0.3/(n/2)) / 2; c.ECE < 0.1-5*se || c.ECE > 0.1+5*se+0.009 {
		t.Errorf("ECE %v, want 0.1", c.ECE)
	}
	if math.Abs(c.Accuracy-0.65) > 5*c.AccuracySE {
		t.Errorf("accuracy %v ± %v, want 0.65", c.Accuracy, c.AccuracySE)
	}
	want := -(0.7*math.Log(0.9) + 0.3*math.Log(0.1) + 0.6*math.Log(0.6) + 0.4*math.Log(0.4)) / 2
	if math.Abs(c.LogLoss-want) > 5*c.LogLossSE {
		t.Errorf("log loss %v ± %v, want %v", c.LogLoss, c.LogLossSE, want)
	}
}

func TestCalibrationSmallCase(t *testing.T) {
	prob := mat.NewDense(3, 2, []float64{1, 0, 0.4, 0.6, 0.5, 0.5})
	c := calibrationOf(t, prob, []int{1, 1, 0}, 2)
	// Bin (0, 0.5]: one row, right, confidence 0.5. Bin (0.5, 1]: a hit of 0.6 and a miss of 1.
	if want := (0.5 + 0.6) / 3; math.Abs(c.ECE-want) > 1e-15 || c.Bins[0].N != 1 || math.Abs(c.Bins[1].Confidence-0.8) > 1e-15 || c.Bins[1].Accuracy != 0.5 {
		t.Errorf("%+v, want ECE %v", c, want)
	}
	if !math.IsInf(c.LogLoss, 1) {
		t.Errorf("log loss %v of a class called impossible, want +Inf", c.LogLoss)
	}
	c = calibrationOf(t, prob, []int{0, 1, 0}, 3)
	if b := c.Bins[0]; b.N != 0 || !math.IsNaN(b.Accuracy) || !math.IsNaN(b.Confidence) || !math.IsNaN(b.AccuracySE) || math.Abs(c.ECE-(0.5+0.4)/3) > 1e-15 {
		t.Errorf("empty bin %+v and ECE %v, want NaN and 0.3", b, c.ECE)
	}
}

func TestCalibrationErrors(t *testing.T) {
	half := mat.NewDense(1, 2, []float64{0.5, 0.5})
	for _, c := range []struct {
		prob   mat.Matrix
		labels []int
		bins   int
		want   string
	}{
		{nil, nil, 5, "prob is nil"},
		{half, []int{0, 1}, 5, "2 labels for 1 rows"},
		{half, []int{2}, 5, "label 0 is 2, want 0 to 1"},
		{half, []int{-1}, 5, "label 0 is -1"},
		{half, []int{0}, 0, "bins = 0"},
		{mat.NewDense(1, 2, []float64{0.5, 0.501}), []int{0}, 5, "row 0 of prob sums to 1.001"},
		{mat.NewDense(1, 2, []float64{1.5, -0.5}), []int{0}, 5, "row 0 of prob has -0.5"},
		{mat.NewDense(1, 2, []float64{1, math.NaN()}), []int{0}, 5, "prob has NaN in row 0"},
	} {
		if _, err := CalibrationOf(c.prob, c.labels, c.bins); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}
