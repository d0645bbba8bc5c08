package suggest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// coordinates holds the moments of each coordinate of data.
type coordinates struct {
	mean, variance []float64
	rms            []float64 // root mean square about 0
}

func coordinatesOf(data mat.Matrix) coordinates {
	n, d := data.Dims()
	m := coordinates{make([]float64, d), make([]float64, d), make([]float64, d)}
	for k := range d {
		for i := range n {
			m.mean[k] += data.At(i, k) / float64(n)
		}
		for i := range n {
			m.variance[k] += (data.At(i, k) - m.mean[k]) * (data.At(i, k) - m.mean[k]) / float64(n)
		}
		m.rms[k] = math.Sqrt(m.mean[k]*m.mean[k] + m.variance[k])
	}
	return m
}

// std is the root mean square over the coordinates of their standard deviations.
func (m coordinates) std() float64 {
	sum := 0.0
	for _, v := range m.variance {
		sum += v
	}
	return math.Sqrt(sum / float64(len(m.variance)))
}

// because warns of data on which one number says little.
func (m coordinates) because() string {
	text := "standard deviation of a coordinate, root mean square over coordinates (Karras et al. 2022)"
	low, high := math.Sqrt(slices.Min(m.variance)), math.Sqrt(slices.Max(m.variance))
	switch {
	case low == 0:
		text += "; warning: some coordinates are constant, leave them out"
	case high > 10*low:
		text += fmt.Sprintf("; warning: coordinates differ, from %.3g to %.3g, scale them", low, high)
	}
	sum := 0.0
	for _, v := range m.rms {
		sum += v * v
	}
	if about := math.Sqrt(sum / float64(len(m.rms))); about > 1.1*m.std() {
		text += fmt.Sprintf("; warning: the mean is far from 0, about which it is %.3g, centre the data", about)
	}
	return text
}

// part is some rows of the data.
type part struct {
	rows [][]float64
	of   int // rows of the whole
}

// String is "1000 points" or "2000 of 50000 points".
func (p part) String() string {
	if len(p.rows) < p.of {
		return fmt.Sprintf("%d of %d points", len(p.rows), p.of)
	}
	return fmt.Sprintf("%d points", p.of)
}

// sampleRows copies the rows, or so many of them, drawn without replacement with a fixed seed.
func sampleRows(data mat.Matrix, most int) part {
	n, _ := data.Dims()
	order := rand.New(rand.NewPCG(1, 0)).Perm(n)
	p := part{of: n}
	for _, i := range order[:min(n, most)] {
		p.rows = append(p.rows, mat.Row(nil, i, data))
	}
	return p
}

// spreadRows is the number of points between which distances are measured, two million of them.
const spreadRows = 2000

// spread is how far points lie from each other.
type spread struct {
	largest, q99 float64 // of the distances between two points, and the quantile that 99 in 100 do not exceed
	of           part
}

func spreadOf(p part) (spread, error) {
	n := len(p.rows)
	distances := make([]float64, 0, n*(n-1)/2)
	for i, a := range p.rows {
		for _, b := range p.rows[:i] {
			distances = append(distances, math.Sqrt(squaredDistance(a, b)))
		}
	}
	slices.Sort(distances)
	s := spread{distances[len(distances)-1], distances[len(distances)*99/100], p}
	if s.largest == 0 {
		return spread{}, fmt.Errorf("suggest: %s, all of them the same; want at least 2 different rows", p)
	}
	return s, nil
}

// because warns of outliers: 3 is beyond what Gaussian data reach.
func (s spread) because() string {
	text := fmt.Sprintf("largest distance between two of %s (Song and Ermon 2020, technique 1)", s.of)
	if s.largest > 3*s.q99 {
		text += fmt.Sprintf("; warning: outliers set it, 99 in 100 distances are below %.3g", s.q99)
	}
	return text
}

func squaredDistance(a, b []float64) float64 {
	sum := 0.0
	for k, v := range a {
		sum += (v - b[k]) * (v - b[k])
	}
	return sum
}
