package likelihood

import (
	"context"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/ode"
)

// solve carries the augmented rows of start from Eps to T, in tiles if asked for. The last tile is as large as the others,
// so that one executable serves all; rows that an earlier one has carried already keep their values.
func (m *Model) solve(ctx context.Context, start *mat.Dense, set Settings) (*ode.Result, error) {
	n, width := start.Dims()
	tile := n
	if set.Tile > 0 {
		tile = min(set.Tile, n)
	}
	var directions *mat.Dense
	if set.Probes > 0 {
		directions = set.Probe.draw(rand.New(rand.NewPCG(set.Seed, 0)), n, set.Probes, m.dim)
	}
	var all *ode.Result
	end := mat.NewDense(n, width, nil)
	for done := 0; done < n; done += tile {
		first := min(done, n-tile)
		solver, err := m.solver(rows(directions, first, first+tile), set)
		if err != nil {
			return nil, err
		}
		span := m.sde.Span()
		r, err := solver.Adaptive(ctx, host.Tensor(rows(start, first, first+tile), set.DType), span.Eps, span.T, set.control())
		if err != nil || tile == n {
			return r, err
		}
		rows(end, done, first+tile).Copy(rows(host.Matrix(r.X), done-first, tile))
		all = join(all, r)
	}
	all.NFE /= math.Ceil(float64(n) / float64(tile))
	all.X = host.Tensor(end, set.DType)
	return all, nil
}

// rows are those from <= row < to of m, nil for nil.
func rows(m *mat.Dense, from, to int) *mat.Dense {
	if m == nil {
		return nil
	}
	_, width := m.Dims()
	return m.Slice(from, to, 0, width).(*mat.Dense)
}

// join adds the costs of another tile; NFE becomes a sum.
func join(all, r *ode.Result) *ode.Result {
	if all == nil {
		return r
	}
	all.Samples = append(all.Samples, r.Samples...)
	all.Accepted, all.Rejected = append(all.Accepted, r.Accepted...), append(all.Rejected, r.Rejected...)
	all.NFE, all.MaxNFE, all.Elapsed = all.NFE+r.NFE, max(all.MaxNFE, r.MaxNFE), all.Elapsed+r.Elapsed
	return all
}
