package dist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
)

// Product is the law of independent factors whose coordinates are concatenated. A Product is immutable; make one with
// NewProduct.
type Product struct {
	*product
}

type product struct {
	factors []Law
	dim     int
}

// NewProduct returns the law of (X_1, ..., X_n) with independent X_i of the given laws, at least one.
func NewProduct(factors ...Law) (Product, error) {
	if len(factors) == 0 {
		return Product{}, errors.New("dist: a product needs at least one factor")
	}
	p := &product{factors: slices.Clone(factors)}
	for i, f := range factors {
		if f == nil {
			return Product{}, fmt.Errorf("dist: factor %d of a product is nil", i)
		}
		p.dim += f.Dim()
	}
	return Product{p}, nil
}

// Dim implements Law.
func (p Product) Dim() int { return p.dim }

// Mean implements Law.
func (p Product) Mean() []float64 {
	var mean []float64
	for _, f := range p.factors {
		mean = append(mean, f.Mean()...)
	}
	return mean
}

// Cov implements Law: block diagonal.
func (p Product) Cov() *mat.SymDense {
	out := mat.NewSymDense(p.dim, nil)
	offset := 0
	for _, f := range p.factors {
		cov := f.Cov()
		for i := range f.Dim() {
			for j := i; j < f.Dim(); j++ {
				out.SetSym(offset+i, offset+j, cov.At(i, j))
			}
		}
		offset += f.Dim()
	}
	return out
}

// Sample implements Law.
func (p Product) Sample(rng *rand.Rand, n int) *mat.Dense {
	out := mat.NewDense(n, p.dim, nil)
	offset := 0
	for _, f := range p.factors {
		out.Slice(0, n, offset, offset+f.Dim()).(*mat.Dense).Copy(f.Sample(rng, n))
		offset += f.Dim()
	}
	return out
}

// LogProb implements Law.
func (p Product) LogProb(x, alpha, sigma *Node) *Node {
	checkInputs("Product.LogProb", p.dim, x, alpha, sigma)
	parts := p.each(x, func(f Law, part *Node) *Node { return f.LogProb(part, alpha, sigma) })
	total := parts[0]
	for _, part := range parts[1:] {
		total = Add(total, part)
	}
	return total
}

// Score implements Law.
func (p Product) Score(x, alpha, sigma *Node) *Node {
	checkInputs("Product.Score", p.dim, x, alpha, sigma)
	return Concatenate(p.each(x, func(f Law, part *Node) *Node { return f.Score(part, alpha, sigma) }), 1)
}

// Denoise implements Law.
func (p Product) Denoise(x, alpha, sigma *Node) *Node {
	checkInputs("Product.Denoise", p.dim, x, alpha, sigma)
	return Concatenate(p.each(x, func(f Law, part *Node) *Node { return f.Denoise(part, alpha, sigma) }), 1)
}

// each applies fn to every factor and its columns of x.
func (p Product) each(x *Node, fn func(f Law, part *Node) *Node) []*Node {
	out := make([]*Node, len(p.factors))
	offset := 0
	for i, f := range p.factors {
		out[i] = fn(f, Slice(x, AxisRange(), AxisRange(offset, offset+f.Dim())))
		offset += f.Dim()
	}
	return out
}

// Noised implements Law.
func (p Product) Noised(alpha, sigma float64) Law {
	factors := make([]Law, len(p.factors))
	for i, f := range p.factors {
		factors[i] = f.Noised(alpha, sigma)
	}
	return Product{&product{factors, p.dim}}
}

// String implements Law.
func (p Product) String() string {
	names := make([]string, len(p.factors))
	for i, f := range p.factors {
		names[i] = f.String()
	}
	return "product of (" + strings.Join(names, ") and (") + ")"
}
