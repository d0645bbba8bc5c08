package likelihood

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// gaussian is N(centre, variance I).
type gaussian struct {
	centre   []float64
	variance float64
}

// moments is the Gaussian with the mean of the data and their mean variance over coordinates.
func moments(data *mat.Dense) gaussian {
	n, d := data.Dims()
	g := gaussian{centre: make([]float64, d)}
	for i := range n {
		floats.AddScaled(g.centre, 1/float64(n), data.RawRowView(i))
	}
	for i := range n {
		off := floats.Distance(data.RawRowView(i), g.centre, 2)
		g.variance += off * off / float64(n*d)
	}
	return g
}

// noised is the law of alpha X + sigma Z.
func (g gaussian) noised(alpha, sigma float64) gaussian {
	return gaussian{floats.ScaleTo(make([]float64, len(g.centre)), alpha, g.centre), alpha*alpha*g.variance + sigma*sigma}
}

// mean is the mean of the log density of g over N(alpha x0, sigma^2 I), in nats.
func (g gaussian) mean(x0 []float64, alpha, sigma float64) float64 {
	d := float64(len(x0))
	square := d * sigma * sigma
	for k, v := range x0 {
		off := alpha*v - g.centre[k]
		square += off * off
	}
	return -(d*math.Log(2*math.Pi*g.variance) + square/g.variance) / 2
}
