package likelihood

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/ode"
)

// TestTiles: likelihoods and encodings are the same whether computed together or in tiles, the last of which overlaps the
// one before, with the exact divergence and with random directions; one executable serves all tiles.
func TestTiles(t *testing.T) {
	x := law.Sample(rand.New(rand.NewPCG(1, 2)), 50)
	m := newModel(t, backend.Go(), processes[0])
	for _, probes := range []int{0, 2} {
		set := Settings{Control: ode.Control{Abs: 1e-8, Rel: 1e-8, WholeStep: true}, Probes: probes, DType: dtypes.Float64}
		whole := must(m.LogProb(t.Context(), x, set))
		for _, tile := range []int{1000, 25, 16} {
			set.Tile = tile
			got := must(m.LogProb(t.Context(), x, set))
			if !mat.EqualApprox(got.Z, whole.Z, 1e-5) {
				t.Errorf("%d probes, tiles of %d: other encodings", probes, tile)
			}
			for i, want := range whole.LogProb {
				if d := math.Abs(got.LogProb[i] - want); !(d < 1e-4) {
					t.Errorf("%d probes, tiles of %d: row %d is off by %.2g", probes, tile, i, d)
				}
			}
			if want := (50 + tile - 1) / tile; len(got.ODE.Accepted) != want || got.ODE.NFE > float64(got.ODE.MaxNFE) {
				t.Errorf("tiles of %d: %d step counts, %g evaluations on average and %d at most, want %d", tile, len(got.ODE.Accepted), got.ODE.NFE, got.ODE.MaxNFE, want)
			}
		}
	}
	if _, err := m.LogProb(t.Context(), x, Settings{Tile: -1}); err == nil {
		t.Error("a tile of -1 rows was accepted")
	}
}
