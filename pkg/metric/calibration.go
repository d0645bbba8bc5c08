package metric

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Calibration says how far the probabilities of a classifier can be believed and how good they are.
type Calibration struct {
	N          int
	Accuracy   float64 // share of rows whose most probable class is the label
	AccuracySE float64
	LogLoss    float64 // cross-entropy, the mean of -log probability of the label, in nats; +Inf if that is 0 anywhere
	LogLossSE  float64 // NaN if LogLoss is +Inf or N = 1
	// ECE is the expected calibration error of the top label, the mean over the rows of |Accuracy - Confidence| of their
	// bin (Guo, Pleiss, Sun and Weinberger, arXiv 1706.04599, equation 3). For probabilities that are right it is not 0 but
	// of the order of sqrt(bins/N): see ConfidenceBin.AccuracySE.
	ECE  float64
	Bins []ConfidenceBin // of equal width on [0, 1], in order: a reliability diagram
}

// ConfidenceBin is what the rows have in common whose top probability lies in one interval (low, high].
type ConfidenceBin struct {
	N          int
	Confidence float64 // mean top probability; NaN when N = 0
	Accuracy   float64 // share of rows whose most probable class is the label; NaN when N = 0
	AccuracySE float64 // its binomial standard error; NaN when N = 0
}

// CalibrationOf compares predicted probabilities, [n, K], with the labels 0..K-1 of the n rows, in bins >= 1 intervals
// of the top probability. Of equally probable classes the first counts as the top. It returns an error if a size does
// not fit, a label is out of range, a probability is negative or not finite, or a row does not sum to 1 within 1e-4.
func CalibrationOf(prob mat.Matrix, labels []int, bins int) (Calibration, error) {
	data, n, k, err := rows("prob", prob, 1)
	if err != nil {
		return Calibration{}, err
	}
	if err := checkLabels(labels, n, k); err != nil {
		return Calibration{}, err
	}
	if bins < 1 {
		return Calibration{}, fmt.Errorf("metric: bins = %d, want at least 1", bins)
	}
	c := Calibration{N: n, Bins: make([]ConfidenceBin, bins)}
	loss := make([]float64, n)
	hits := 0
	for i, label := range labels {
		p := data[i*k : (i+1)*k]
		if err := probabilities(fmt.Sprintf("row %d of prob", i), p, 1e-4); err != nil {
			return Calibration{}, err
		}
		loss[i] = -math.Log(p[label])
		top := 0
		for j, v := range p {
			if v > p[top] {
				top = j
			}
		}
		// A sum may exceed 1 by 1e-4, and so may a probability.
		b := &c.Bins[min(int(math.Ceil(p[top]*float64(bins)))-1, bins-1)]
		b.N++
		b.Confidence += p[top]
		if top == label {
			b.Accuracy++
			hits++
		}
	}
	c.Accuracy, c.AccuracySE = float64(hits)/float64(n), shareSE(hits, n)
	c.LogLoss, c.LogLossSE = total(loss)/float64(n), meanSE(loss)
	for i := range c.Bins {
		b := &c.Bins[i]
		c.ECE += math.Abs(b.Accuracy-b.Confidence) / float64(n)
		b.AccuracySE = math.NaN()
		if b.N > 0 {
			b.AccuracySE = shareSE(int(b.Accuracy), b.N)
		}
		b.Confidence /= float64(b.N)
		b.Accuracy /= float64(b.N)
	}
	return c, nil
}

// checkLabels checks n labels of k classes.
func checkLabels(labels []int, n, k int) error {
	if len(labels) != n {
		return fmt.Errorf("metric: %d labels for %d rows, want the same number", len(labels), n)
	}
	for i, y := range labels {
		if y < 0 || y >= k {
			return fmt.Errorf("metric: label %d is %d, want 0 to %d", i, y, k-1)
		}
	}
	return nil
}
