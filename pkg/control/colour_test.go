package control

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
)

// TestDecoupling: an orthonormal change of basis whose first axis is grey.
func TestDecoupling(t *testing.T) {
	m := Decoupling()
	wantClose(t, "rows", product(m, m.T()), identity(3), 1e-12)
	for j := range 3 {
		closeTo(t, "grey", m.At(0, j), 1/math.Sqrt(3), 1e-12)
	}
}

// TestGrey observes the mean of the channels of each pixel, along the grey axes.
func TestGrey(t *testing.T) {
	x := normals(source(1), 4, 6) // two pixels
	means := mat.NewDense(4, 2, nil)
	means.Apply(func(i, p int, _ float64) float64 { return stat.Mean(x.RawRowView(i)[3*p:3*p+3], nil) }, means)
	o := must(Grey(2, means))
	wantClose(t, "A x", product(x, o.a.T()), means, 1e-12)
	wantClose(t, "coordinates", o.known.Value(), product(x, o.basis.T()), 1e-12)
	axes := mat.NewDense(2, 6, nil)
	for p := range 2 {
		for c := range 3 {
			axes.Set(p, 3*p+c, Decoupling().At(0, c))
		}
	}
	wantClose(t, "projection", product(o.basis.T(), o.basis), product(axes.T(), axes), 1e-12)
	_, err := Grey(0, means)
	refused(t, "no pixel", err, "0 pixels")
	_, err = Grey(3, means)
	refused(t, "other pixels", err, "y has 2 columns, want one for each of the 3 rows")
}

// TestColourise: samples given the grey of a pixel keep it, and spread over the colours that have it.
func TestColourise(t *testing.T) {
	const grey, n = 0.4, 200
	colours := mat.NewDense(3, 3, []float64{1.2, 0, 0, 0, 1.2, 0, 0, 0, 1.2}) // red, green and blue of grey 0.4
	law := must(dist.NewIsotropicMixture(nil, colours, []float64{0.1, 0.1, 0.1}))
	for name, b := range backendtest.All(t) {
		o := must(Grey(1, row(grey)))
		m := Impute(sampler.PC{Predictor: sampler.ReverseDiffusion{}, Corrector: sampler.Langevin{SNR: 0.16, Norm: sampler.Expected}}, o)
		s := ve
		s.SigmaMin = 0.001
		x := run(t, must(sampler.New(b, problem(law, s, n))), m, sampler.Settings{Steps: 60, Seed: 1}).Samples()
		counts := map[int]int{}
		for i := range n {
			pixel := x.RawRowView(i)
			closeTo(t, name+": grey", stat.Mean(pixel, nil), grey, 1e-2)
			brightest := 0
			for c := range 3 {
				if pixel[c] > pixel[brightest] {
					brightest = c
				}
			}
			counts[brightest]++
		}
		for c := range 3 {
			closeTo(t, name+": share of a colour", float64(counts[c])/n, 1./3, 5*math.Sqrt(2./9/n))
		}
	}
}
